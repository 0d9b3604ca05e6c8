//! Roles: named sets of users, groups and other roles. A role never contains itself, not even through others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::failure::{store_failed, unreadable};
use super::record::Versioned;
use super::{Applied, check_revision, exists_already};
use crate::error::{Error, Result};
use crate::policy::model::Role;
use crate::policy::principal::Principal;

type Roles = BTreeMap<String, Versioned<Role>>;

pub(super) async fn list(connection: &mut AnyConnection) -> Result<Roles> {
    let rows = sqlx::query("SELECT name, members, revision FROM roles")
        .fetch_all(connection)
        .await
        .map_err(store_failed)?;
    rows.iter().map(|row| decode(row).map(|role| (role.value.name.clone(), role))).collect()
}

pub(super) async fn create(connection: &mut AnyConnection, value: &Role) -> Result<Applied> {
    let roles = list(connection).await?;
    if roles.contains_key(&value.name) {
        return Err(exists_already("role", &value.name));
    }
    refuse_cycle(&roles, value)?;
    sqlx::query("INSERT INTO roles (name, members, revision) VALUES ($1, $2, 1)")
        .bind(value.name.as_str())
        .bind(members(value)?)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(Applied::new("create_role", Value::Null, json!(value)))
}

pub(super) async fn update(
    connection: &mut AnyConnection,
    value: &Role,
    expected: Option<i64>,
) -> Result<Applied> {
    let roles = list(connection).await?;
    let before = roles.get(&value.name).ok_or_else(|| Error::not_found("role", &value.name))?;
    check_revision(&value.name, before.revision, expected)?;
    refuse_cycle(&roles, value)?;
    sqlx::query("UPDATE roles SET members = $2, revision = revision + 1 WHERE name = $1")
        .bind(value.name.as_str())
        .bind(members(value)?)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(Applied::new("update_role", json!(before.value), json!(value)))
}

pub(super) async fn drop(
    connection: &mut AnyConnection,
    name: &str,
    expected: Option<i64>,
) -> Result<Applied> {
    let roles = list(connection).await?;
    let before = roles.get(name).ok_or_else(|| Error::not_found("role", name))?;
    check_revision(name, before.revision, expected)?;
    sqlx::query("DELETE FROM roles WHERE name = $1")
        .bind(name)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(Applied::new("drop_role", json!(before.value), Value::Null))
}

/// Refuses `changed` if, together with the roles that are there, it would contain itself. The roles that are there
/// have no cycle, so a new one goes through `changed`.
fn refuse_cycle(roles: &Roles, changed: &Role) -> Result<()> {
    let mut path = vec![changed.name.as_str()];
    if !leads_to(&changed.name, changed, roles, &mut path, &mut BTreeSet::new()) {
        return Ok(());
    }
    let path: Vec<String> = path.iter().map(|name| format!("`{name}`")).collect();
    Err(Error::invalid_request(format!("a role cannot contain itself: {}", path.join(" contains "))))
}

/// Whether `role` contains `goal`, directly or through others; if so, `path` ends with the way there.
fn leads_to<'a>(
    goal: &str,
    role: &'a Role,
    roles: &'a Roles,
    path: &mut Vec<&'a str>,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    for member in &role.members {
        let Principal::Role(name) = member else { continue };
        path.push(name);
        if name == goal {
            return true;
        }
        if seen.insert(name)
            && let Some(inner) = roles.get(name)
            && leads_to(goal, &inner.value, roles, path, seen)
        {
            return true;
        }
        path.pop();
    }
    false
}

fn members(role: &Role) -> Result<String> {
    serde_json::to_string(&role.members).map_err(Error::internal)
}

fn decode(row: &AnyRow) -> Result<Versioned<Role>> {
    let members: String = row.try_get("members").map_err(unreadable)?;
    let value = Role {
        name: row.try_get("name").map_err(unreadable)?,
        members: serde_json::from_str(&members).map_err(unreadable)?,
    };
    Ok(Versioned { revision: row.try_get("revision").map_err(unreadable)?, value })
}
