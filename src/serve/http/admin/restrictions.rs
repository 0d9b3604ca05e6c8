//! `/v1/restrictions`: the rules that take access away. For administrators.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::policy::check::check_name;
use crate::policy::principal::Principal;
use crate::policy::restriction::{Effect, Mask, Restriction, Scope};
use crate::store::record::{Change, Versioned};

/// A restriction: one of `rows`, `hide` and `mask` is there.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RestrictionView {
    name: String,
    #[schema(value_type = Vec<ScopeBody>)]
    on: BTreeSet<Scope>,
    #[schema(value_type = Vec<String>)]
    applies_to: BTreeSet<Principal>,
    #[schema(value_type = Vec<String>)]
    except: BTreeSet<Principal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hide: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MaskBody>)]
    mask: Option<Mask>,
    priority: i64,
    revision: i64,
}

/// A restriction as it is to be. It does exactly one thing: `rows`, `hide` or `mask`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RestrictionBody {
    name: String,
    /// Each of these: at least one.
    #[schema(value_type = Vec<ScopeBody>)]
    on: BTreeSet<Scope>,
    /// For whom it holds: `user:NAME`, `group:NAME`, `role:NAME` or `public`. Everyone unless told.
    #[serde(default = "everyone")]
    #[schema(value_type = Option<Vec<String>>)]
    applies_to: BTreeSet<Principal>,
    /// For whom it does not, although it would.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    except: BTreeSet<Principal>,
    /// A boolean expression that must be true of every row that is seen.
    #[schema(example = "tenant = attr('tenant')")]
    rows: Option<String>,
    /// The columns disappear.
    hide: Option<bool>,
    /// The columns' values are replaced.
    #[schema(value_type = Option<MaskBody>)]
    mask: Option<Mask>,
    /// Of several masks on one column the one with the lowest number holds.
    #[serde(default)]
    priority: i64,
}

/// `DATABASE.*`, `DATABASE.TABLE`, `DATABASE.TABLE.COLUMN`, or tags: each key must have one of its values.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)] // Describes `policy::restriction::Scope`, which knows no protocol.
pub(in super::super) enum ScopeBody {
    #[schema(example = "sales.customers.phone")]
    Name(String),
    Tags {
        tags: BTreeMap<String, Vec<String>>,
    },
}

/// The name of a mask, or an expression of the column's type.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // Describes `policy::restriction::Mask`, which knows no protocol.
pub(in super::super) enum MaskBody {
    Null,
    Redact,
    Hash,
    First4,
    Last4,
    Year,
    Month,
    Using(String),
}

fn everyone() -> BTreeSet<Principal> {
    BTreeSet::from([Principal::Public])
}

impl From<&Versioned<Restriction>> for RestrictionView {
    fn from(restriction: &Versioned<Restriction>) -> Self {
        let Restriction { name, on, applies_to, except, effect, priority } = restriction.value.clone();
        let (rows, hide, mask) = match effect {
            Effect::Rows(text) => (Some(text), None, None),
            Effect::Hide => (None, Some(true), None),
            Effect::Mask(mask) => (None, None, Some(mask)),
        };
        Self { name, on, applies_to, except, rows, hide, mask, priority, revision: restriction.revision }
    }
}

impl RestrictionBody {
    fn into_restriction(self) -> Result<Restriction> {
        let Self { name, on, applies_to, except, rows, hide, mask, priority } = self;
        let effect = match (rows, hide, mask) {
            (Some(text), None, None) => Effect::Rows(text),
            (None, Some(true), None) => Effect::Hide,
            (None, None, Some(mask)) => Effect::Mask(mask),
            _ => {
                return Err(Error::invalid_request(
                    "a restriction does one thing: send one of `rows`, `hide` (which is `true`) and `mask`",
                ));
            }
        };
        Ok(Restriction { name, on, applies_to, except, effect, priority })
    }
}

/// The restrictions, by name.
#[utoipa::path(get, path = "/v1/restrictions", tag = "policy", params(Page), responses(
    (status = 200, body = Listing<RestrictionView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_restrictions(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<RestrictionView>>, Problem> {
    let governance = app.state();
    let restrictions = governance.state.restrictions.iter().map(|(name, kept)| (name.clone(), kept.into()));
    Ok(Json(page.of(restrictions)?))
}

/// One restriction.
#[utoipa::path(get, path = "/v1/restrictions/{restriction}", tag = "policy", params(("restriction" = String, Path)), responses(
    (status = 200, body = RestrictionView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_restriction(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<RestrictionView>, Problem> {
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Makes a restriction.
#[utoipa::path(post, path = "/v1/restrictions", tag = "policy", request_body = RestrictionBody, responses(
    (status = 201, body = RestrictionView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one already", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_restriction(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<RestrictionBody>,
) -> Result<Tagged<RestrictionView>, Problem> {
    check_name("restriction", &body.name).map_err(Error::from)?;
    let value = body.into_restriction()?;
    let name = value.name.clone();
    app.change(&identity.user, vec![Change::CreateRestriction(value)]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces a restriction.
#[utoipa::path(put, path = "/v1/restrictions/{restriction}", tag = "policy",
    params(("restriction" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = RestrictionBody, responses(
    (status = 200, body = RestrictionView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_restriction(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(body): Object<RestrictionBody>,
) -> Result<Tagged<RestrictionView>, Problem> {
    let expected = if_match.required()?;
    let value = body.into_restriction()?;
    check_same(&name, &value.name.clone())?;
    current(&app, &name)?;
    app.change(&identity.user, vec![Change::UpdateRestriction { value, expected }]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Removes a restriction.
#[utoipa::path(delete, path = "/v1/restrictions/{restriction}", tag = "policy",
    params(("restriction" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_restriction(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    current(&app, &name)?;
    let expected = if_match.revision();
    app.change(&identity.user, vec![Change::DropRestriction { name, expected }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, name: &str) -> Result<RestrictionView> {
    let governance = app.state();
    governance
        .state
        .restrictions
        .get(name)
        .map(Into::into)
        .ok_or_else(|| Error::not_found("restriction", name))
}
