//! `/v1/tags`: keys with the values they may have. For administrators. What has which is in `tag_assignments.rs`.

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
use crate::policy::tag::Tag;
use crate::store::record::{Change, Versioned};

/// A tag.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct TagView {
    key: String,
    values: Vec<String>,
    revision: i64,
}

/// A tag as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TagBody {
    /// Letters, digits, `_`, `-`, `/`, `+` and `.`, as in the values.
    #[schema(example = "sensitivity")]
    key: String,
    /// An object has one of these at most.
    values: Vec<String>,
}

impl From<&Versioned<Tag>> for TagView {
    fn from(tag: &Versioned<Tag>) -> Self {
        let Tag { key, values } = tag.value.clone();
        Self { key, values, revision: tag.revision }
    }
}

impl TagBody {
    fn into_tag(self) -> Tag {
        Tag { key: self.key, values: self.values }
    }
}

/// The tags, by key.
#[utoipa::path(get, path = "/v1/tags", tag = "policy", params(Page), responses(
    (status = 200, body = Listing<TagView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_tags(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<TagView>>, Problem> {
    let governance = app.state();
    let tags = governance.state.tags.iter().map(|(name, kept)| (name.clone(), kept.into()));
    Ok(Json(page.of(tags)?))
}

/// One tag.
#[utoipa::path(get, path = "/v1/tags/{tag}", tag = "policy", params(("tag" = String, Path)), responses(
    (status = 200, body = TagView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_tag(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<TagView>, Problem> {
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Makes a tag.
#[utoipa::path(post, path = "/v1/tags", tag = "policy", request_body = TagBody, responses(
    (status = 201, body = TagView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one already", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_tag(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<TagBody>,
) -> Result<Tagged<TagView>, Problem> {
    let value = body.into_tag();
    let name = value.key.clone();
    app.change(&identity.user, vec![Change::CreateTag(value)]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces the values of a tag; one that is in use must stay.
#[utoipa::path(put, path = "/v1/tags/{tag}", tag = "policy",
    params(("tag" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = TagBody, responses(
    (status = 200, body = TagView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_tag(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(body): Object<TagBody>,
) -> Result<Tagged<TagView>, Problem> {
    let expected = if_match.required()?;
    let value = body.into_tag();
    check_same(&name, &value.key.clone())?;
    current(&app, &name)?;
    app.change(&identity.user, vec![Change::UpdateTag { value, expected }]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Removes a tag that no object and no rule uses.
#[utoipa::path(delete, path = "/v1/tags/{tag}", tag = "policy",
    params(("tag" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_tag(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    current(&app, &name)?;
    let expected = if_match.revision();
    app.change(&identity.user, vec![Change::DropTag { key: name, expected }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, name: &str) -> Result<TagView> {
    let governance = app.state();
    governance.state.tags.get(name).map(Into::into).ok_or_else(|| Error::not_found("tag", name))
}
