//! `/v1/sources`: databases under names, which jobs bring tables in from. For administrators. No answer has a password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Administrator;
use super::super::error::{Problem, ProblemDocument};
use super::super::extract::{IfMatch, Named, Object, Params, Tagged};
use super::{Listing, Page, check_same};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ingest::jobs::manage::{self, Actor, Replaces};
use crate::policy::principal::Identity;
use crate::store::record::{SourceRecord, Versioned};

/// A source.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SourceView {
    name: String,
    /// Without its password and its options.
    #[schema(example = "postgres://etl@db:5432/shop")]
    url: String,
    comment: Option<String>,
    revision: i64,
}

/// A source as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct SourceBody {
    name: String,
    /// `postgres://…`, `mysql://…` or `sqlite://…`, with `${LAKEGATE_SOURCE_…}` for what is in the gateway's environment. A
    /// password in it is encrypted and never given out again.
    #[schema(example = "postgres://etl:${LAKEGATE_SOURCE_SHOP}@db:5432/shop")]
    url: String,
    comment: Option<String>,
}

/// A source that has let the gateway in.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SourceTested {
    /// How many tables can be seen there.
    tables: usize,
}

impl From<&Versioned<SourceRecord>> for SourceView {
    fn from(source: &Versioned<SourceRecord>) -> Self {
        let SourceRecord { name, shown, comment, .. } = source.value.clone();
        Self { name, url: shown, comment, revision: source.revision }
    }
}

/// The sources, by name.
#[utoipa::path(get, path = "/v1/sources", tag = "ingestion", params(Page), responses(
    (status = 200, body = Listing<SourceView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_sources(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<SourceView>>, Problem> {
    let governance = app.state();
    let sources = governance.state.sources.iter().map(|(name, kept)| (name.clone(), kept.into()));
    Ok(Json(page.of(sources)?))
}

/// One source.
#[utoipa::path(get, path = "/v1/sources/{source}", tag = "ingestion", params(("source" = String, Path)), responses(
    (status = 200, body = SourceView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_source(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<SourceView>, Problem> {
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Keeps a source. It is not connected to: test it.
#[utoipa::path(post, path = "/v1/sources", tag = "ingestion", request_body = SourceBody, responses(
    (status = 201, body = SourceView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one already", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_source(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(SourceBody { name, url, comment }): Object<SourceBody>,
) -> Result<Tagged<SourceView>, Problem> {
    manage::keep_source(&app, actor(&identity), &name, &url, comment, Replaces::Nothing).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Puts another URL or comment in the place of a source's; its jobs follow.
#[utoipa::path(put, path = "/v1/sources/{source}", tag = "ingestion",
    params(("source" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = SourceBody, responses(
    (status = 200, body = SourceView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_source(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(body): Object<SourceBody>,
) -> Result<Tagged<SourceView>, Problem> {
    let replaces = Replaces::Revision(if_match.required()?);
    check_same(&name, &body.name)?;
    current(&app, &name)?;
    manage::keep_source(&app, actor(&identity), &name, &body.url, body.comment, replaces).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Forgets a source that no job uses.
#[utoipa::path(delete, path = "/v1/sources/{source}", tag = "ingestion",
    params(("source" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure; `conflict` when a job uses it", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_source(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    manage::drop_source(&app, actor(&identity), &name, if_match.revision()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Connects to a source and counts its tables.
#[utoipa::path(post, path = "/v1/sources/{source}/test", tag = "ingestion", params(("source" = String, Path)), responses(
    (status = 200, body = SourceTested),
    (status = "default", description = "A failure; `unavailable` when it cannot be reached or does not let us in", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn test_source(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Json<SourceTested>, Problem> {
    Ok(Json(SourceTested { tables: manage::test_source(&app, &name).await? }))
}

/// Who changes something here.
pub(super) fn actor(identity: &Identity) -> Actor<'_> {
    Actor { name: &identity.user, door: "http" }
}

fn current(app: &App, name: &str) -> Result<SourceView> {
    let governance = app.state();
    governance.state.sources.get(name).map(Into::into).ok_or_else(|| Error::not_found("source", name))
}
