//! `/v1/tag-assignments`: which tags databases, tables and columns have. For administrators.
//!
//! An assignment says what is put on the object itself; what it inherits from its table and database is theirs.

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
use crate::policy::tag::{TaggedObject, Tags};
use crate::store::record::{Change, Tagging, Versioned};

/// The tags on one object.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct TagAssignmentView {
    object: String,
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    tags: Tags,
    revision: i64,
}

/// The tags that an object is to have: all of them, each with its value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TagAssignmentBody {
    /// `DATABASE`, `DATABASE.TABLE` or `DATABASE.TABLE.COLUMN`, a field of a struct by its path.
    #[schema(value_type = String, example = "sales.customers.email")]
    object: TaggedObject,
    /// At least one.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    tags: Tags,
}

impl From<&Versioned<Tagging>> for TagAssignmentView {
    fn from(tagging: &Versioned<Tagging>) -> Self {
        let Tagging { object, tags } = tagging.value.clone();
        Self { object: object.to_string(), tags, revision: tagging.revision }
    }
}

impl TagAssignmentBody {
    fn into_tagging(self) -> Result<Tagging> {
        if self.tags.is_empty() {
            return Err(Error::invalid_request(
                "`tags` is empty: name at least one, or remove the assignment to leave the object without any",
            ));
        }
        Ok(Tagging { object: self.object, tags: self.tags })
    }
}

/// The objects that have tags of their own, by name.
#[utoipa::path(get, path = "/v1/tag-assignments", tag = "policy", params(Page), responses(
    (status = 200, body = Listing<TagAssignmentView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_tag_assignments(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<TagAssignmentView>>, Problem> {
    let governance = app.state();
    let taggings = governance.state.taggings.iter().map(|(name, kept)| (name.clone(), kept.into()));
    Ok(Json(page.of(taggings)?))
}

/// The tags of one object.
#[utoipa::path(get, path = "/v1/tag-assignments/{object}", tag = "policy", params(("object" = String, Path, description = "`DATABASE`, `DATABASE.TABLE` or `DATABASE.TABLE.COLUMN`")), responses(
    (status = 200, body = TagAssignmentView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_tag_assignment(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<TagAssignmentView>, Problem> {
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Puts tags on an object that has none of its own.
#[utoipa::path(post, path = "/v1/tag-assignments", tag = "policy", request_body = TagAssignmentBody, responses(
    (status = 201, body = TagAssignmentView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one already", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_tag_assignment(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<TagAssignmentBody>,
) -> Result<Tagged<TagAssignmentView>, Problem> {
    let value = body.into_tagging()?;
    let name = value.object.to_string();
    app.change(&identity.user, vec![Change::CreateTagging(value)]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces all tags of an object.
#[utoipa::path(put, path = "/v1/tag-assignments/{object}", tag = "policy",
    params(("object" = String, Path, description = "`DATABASE`, `DATABASE.TABLE` or `DATABASE.TABLE.COLUMN`"), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = TagAssignmentBody, responses(
    (status = 200, body = TagAssignmentView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_tag_assignment(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(body): Object<TagAssignmentBody>,
) -> Result<Tagged<TagAssignmentView>, Problem> {
    let expected = if_match.required()?;
    let value = body.into_tagging()?;
    check_same(&name, &value.object.to_string())?;
    current(&app, &name)?;
    app.change(&identity.user, vec![Change::UpdateTagging { value, expected }]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Takes all tags off an object; what it inherits stays.
#[utoipa::path(delete, path = "/v1/tag-assignments/{object}", tag = "policy",
    params(("object" = String, Path, description = "`DATABASE`, `DATABASE.TABLE` or `DATABASE.TABLE.COLUMN`"), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_tag_assignment(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    current(&app, &name)?;
    let expected = if_match.revision();
    let object: TaggedObject = name.parse().map_err(|reason: String| Error::invalid_request(reason))?;
    app.change(&identity.user, vec![Change::DropTagging { object, expected }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, name: &str) -> Result<TagAssignmentView> {
    let governance = app.state();
    governance
        .state
        .taggings
        .get(name)
        .map(Into::into)
        .ok_or_else(|| Error::not_found("tag assignment", name))
}
