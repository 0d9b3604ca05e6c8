//! `/v1/roles`: named sets of users, groups and roles. For administrators.

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
use crate::policy::check::{check_members, check_name};
use crate::policy::model::Role;
use crate::policy::principal::Principal;
use crate::store::record::{Change, Versioned};

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RoleView {
    name: String,
    /// `user:NAME`, `group:NAME`, `role:NAME` or `public`.
    members: Vec<String>,
    revision: i64,
}

/// A role as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RoleBody {
    name: String,
    /// `user:NAME`, `group:NAME`, `role:NAME` or `public`.
    #[schema(value_type = Vec<String>)]
    members: BTreeSet<Principal>,
}

impl From<&Versioned<Role>> for RoleView {
    fn from(role: &Versioned<Role>) -> Self {
        Self {
            name: role.value.name.clone(),
            members: role.value.members.iter().map(ToString::to_string).collect(),
            revision: role.revision,
        }
    }
}

/// The roles, by name.
#[utoipa::path(get, path = "/v1/roles", tag = "policy", params(Page), responses(
    (status = 200, body = Listing<RoleView>),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn list_roles(
    State(app): State<Arc<App>>,
    _: Administrator,
    Params(page): Params<Page>,
) -> Result<Json<Listing<RoleView>>, Problem> {
    let governance = app.state();
    let roles = governance.state.roles.iter().map(|(name, role)| (name.clone(), role.into()));
    Ok(Json(page.of(roles)?))
}

/// One role.
#[utoipa::path(get, path = "/v1/roles/{role}", tag = "policy", params(("role" = String, Path)), responses(
    (status = 200, body = RoleView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn get_role(
    State(app): State<Arc<App>>,
    _: Administrator,
    Named(name): Named<String>,
) -> Result<Tagged<RoleView>, Problem> {
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Makes a role.
#[utoipa::path(post, path = "/v1/roles", tag = "policy", request_body = RoleBody, responses(
    (status = 201, body = RoleView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure; `conflict` when there is one of this name", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn create_role(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Object(body): Object<RoleBody>,
) -> Result<Tagged<RoleView>, Problem> {
    check_name("role", &body.name).map_err(Error::from)?;
    let role = checked(&app, body)?;
    let name = role.name.clone();
    app.commit(&identity.user, vec![Change::CreateRole(role)]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::created(view.revision, view))
}

/// Replaces the members of a role.
#[utoipa::path(put, path = "/v1/roles/{role}", tag = "policy",
    params(("role" = String, Path), ("if-match" = String, Header, description = "The `etag` read, or `*`")),
    request_body = RoleBody, responses(
    (status = 200, body = RoleView, headers(("etag" = String, description = "The revision"))),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn replace_role(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
    Object(body): Object<RoleBody>,
) -> Result<Tagged<RoleView>, Problem> {
    check_same(&name, &body.name)?;
    let change = Change::UpdateRole { value: checked(&app, body)?, expected: if_match.required()? };
    app.commit(&identity.user, vec![change]).await?;
    let view = current(&app, &name)?;
    Ok(Tagged::found(view.revision, view))
}

/// Removes a role. Grants to it stay and reach nobody.
#[utoipa::path(delete, path = "/v1/roles/{role}", tag = "policy",
    params(("role" = String, Path), ("if-match" = Option<String>, Header, description = "The `etag` read")), responses(
    (status = 204, description = "Removed"),
    (status = "default", description = "A failure", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(in super::super) async fn drop_role(
    State(app): State<Arc<App>>,
    Administrator(identity): Administrator,
    Named(name): Named<String>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    app.commit(&identity.user, vec![Change::DropRole { name, expected: if_match.revision() }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn current(app: &App, name: &str) -> Result<RoleView> {
    let governance = app.state();
    governance.state.roles.get(name).map(Into::into).ok_or_else(|| Error::not_found("role", name))
}

fn checked(app: &App, body: RoleBody) -> Result<Role> {
    check_members(&body.members)?;
    let role = Role { name: body.name, members: body.members };
    let governance = app.state();
    refuse_cycle(&role, &governance.state.roles)?;
    Ok(role)
}

/// Roles may hold roles, but none itself, however far down.
fn refuse_cycle(role: &Role, roles: &BTreeMap<String, Versioned<Role>>) -> Result<()> {
    let inner = |members: &BTreeSet<Principal>| {
        let names = members.iter().filter_map(|member| match member {
            Principal::Role(name) => Some(name.clone()),
            _ => None,
        });
        names.collect::<Vec<String>>()
    };
    let mut open = inner(&role.members);
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if name == role.name {
            return Err(Error::invalid_request(format!(
                "role `{name}` would hold itself; take it out of its members"
            )));
        }
        if let Some(next) = roles.get(&name).filter(|_| seen.insert(name.clone())) {
            open.extend(inner(&next.value.members));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, members: &[&str]) -> Role {
        Role {
            name: name.to_owned(),
            members: members.iter().map(|member| member.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_role_cannot_hold_itself() {
        let roles = [
            role("a", &["role:b"]),
            role("b", &["role:c", "user:x"]),
            role("d", &["role:d2"]),
            role("d2", &["role:d"]),
        ];
        let roles =
            roles.into_iter().map(|value| (value.name.clone(), Versioned { revision: 1, value })).collect();
        assert!(refuse_cycle(&role("c", &["role:a"]), &roles).is_err());
        assert!(refuse_cycle(&role("c", &["role:c"]), &roles).is_err());
        assert!(refuse_cycle(&role("c", &["role:missing", "group:a"]), &roles).is_ok());
        // A cycle of others, however it came to be, is not this role's and must not be walked for ever.
        assert!(refuse_cycle(&role("e", &["role:d"]), &roles).is_ok());
    }
}
