//! Filters, restrictions, tags, tag assignments, proposals, views, unreleased columns, sources, jobs and what is said of
//! tables, each kept as one document under its kind and name.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::failure::{store_failed, unreadable};
use super::record::{Description, IngestJob, SourceRecord, Tagging, Unreleased, Versioned, View};
use super::{Applied, check_revision, exists_already};
use crate::error::{Error, Result};
use crate::policy::model::Filter;
use crate::policy::proposal::Proposal;
use crate::policy::restriction::Restriction;
use crate::policy::tag::Tag;

/// What can be kept as a document.
pub(super) trait Object: Serialize + DeserializeOwned {
    /// What it is called, in the store and to people.
    const KIND: &'static str;
    /// The actions of the audit log: create, update, drop.
    const ACTIONS: [&'static str; 3];

    fn name(&self) -> String;

    /// The table it is about, as the audit log finds it.
    fn table(&self) -> Option<String> {
        None
    }

    /// What the audit log says of it.
    fn shown(&self) -> Value {
        json!(self)
    }
}

impl Object for Filter {
    const KIND: &'static str = "filter";
    const ACTIONS: [&'static str; 3] = ["create_filter", "update_filter", "drop_filter"];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn table(&self) -> Option<String> {
        Some(self.on.to_string())
    }
}

impl Object for Restriction {
    const KIND: &'static str = "restriction";
    const ACTIONS: [&'static str; 3] = ["create_restriction", "update_restriction", "drop_restriction"];

    fn name(&self) -> String {
        self.name.clone()
    }

    fn table(&self) -> Option<String> {
        self.on.iter().find_map(|scope| scope.table()).map(ToString::to_string)
    }
}

impl Object for Tag {
    const KIND: &'static str = "tag";
    const ACTIONS: [&'static str; 3] = ["create_tag", "update_tag", "drop_tag"];

    fn name(&self) -> String {
        self.key.clone()
    }
}

impl Object for Tagging {
    const KIND: &'static str = "tagging";
    const ACTIONS: [&'static str; 3] = ["assign_tags", "assign_tags", "remove_tags"];

    fn name(&self) -> String {
        self.object.to_string()
    }

    fn table(&self) -> Option<String> {
        self.object.table().map(ToString::to_string)
    }
}

impl Object for Description {
    const KIND: &'static str = "description";
    const ACTIONS: [&'static str; 3] = ["describe_table", "describe_table", "drop_description"];

    fn name(&self) -> String {
        self.table.to_string()
    }

    fn table(&self) -> Option<String> {
        Some(self.table.to_string())
    }
}

impl Object for Proposal {
    const KIND: &'static str = "proposal";
    const ACTIONS: [&'static str; 3] = ["propose_tag", "update_proposal", "drop_proposal"];

    fn name(&self) -> String {
        self.object.to_string()
    }

    fn table(&self) -> Option<String> {
        self.object.table().map(ToString::to_string)
    }
}

impl Object for View {
    const KIND: &'static str = "view";
    const ACTIONS: [&'static str; 3] = ["create_view", "update_view", "drop_view"];

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn table(&self) -> Option<String> {
        Some(self.name.to_string())
    }
}

impl Object for Unreleased {
    const KIND: &'static str = "unreleased";
    const ACTIONS: [&'static str; 3] = ["hold_columns", "change_held_columns", "release_columns"];

    fn name(&self) -> String {
        self.table.to_string()
    }

    fn table(&self) -> Option<String> {
        Some(self.table.to_string())
    }
}

impl Object for SourceRecord {
    const KIND: &'static str = "source";
    const ACTIONS: [&'static str; 3] = ["create_source", "update_source", "drop_source"];

    fn name(&self) -> String {
        self.name.clone()
    }

    /// The log is read by more people than may use the source.
    fn shown(&self) -> Value {
        json!({ "name": self.name, "url": self.shown, "comment": self.comment })
    }
}

impl Object for IngestJob {
    const KIND: &'static str = "ingest job";
    const ACTIONS: [&'static str; 3] = ["create_ingest_job", "update_ingest_job", "drop_ingest_job"];

    fn name(&self) -> String {
        self.name.clone()
    }
}

pub(super) async fn list<T: Object>(
    connection: &mut AnyConnection,
) -> Result<BTreeMap<String, Versioned<T>>> {
    let rows = sqlx::query("SELECT document, revision FROM policy_objects WHERE kind = $1")
        .bind(T::KIND)
        .fetch_all(connection)
        .await
        .map_err(store_failed)?;
    rows.iter().map(|row| decode::<T>(row).map(|object| (object.value.name(), object))).collect()
}

pub(super) async fn create<T: Object>(connection: &mut AnyConnection, value: &T) -> Result<Applied> {
    if find::<T>(connection, &value.name()).await?.is_some() {
        return Err(exists_already(T::KIND, &value.name()));
    }
    sqlx::query("INSERT INTO policy_objects (kind, name, document, revision) VALUES ($1, $2, $3, 1)")
        .bind(T::KIND)
        .bind(value.name())
        .bind(document(value)?)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    let [action, ..] = T::ACTIONS;
    Ok(applied(action, value, Value::Null, value.shown()))
}

pub(super) async fn update<T: Object>(
    connection: &mut AnyConnection,
    value: &T,
    expected: Option<i64>,
) -> Result<Applied> {
    let before = get::<T>(connection, &value.name()).await?;
    check_revision(&value.name(), before.revision, expected)?;
    sqlx::query(
        "UPDATE policy_objects SET document = $3, revision = revision + 1 WHERE kind = $1 AND name = $2",
    )
    .bind(T::KIND)
    .bind(value.name())
    .bind(document(value)?)
    .execute(connection)
    .await
    .map_err(store_failed)?;
    let [_, action, _] = T::ACTIONS;
    Ok(applied(action, value, before.value.shown(), value.shown()))
}

/// In the place of what is kept under its name, or as something new.
pub(super) async fn put<T: Object>(connection: &mut AnyConnection, value: &T) -> Result<Applied> {
    match find::<T>(connection, &value.name()).await? {
        Some(_) => update(connection, value, None).await,
        None => create(connection, value).await,
    }
}

/// Removes what is kept of something that goes itself, if anything is.
pub(super) async fn forget<T: Object>(connection: &mut AnyConnection, name: &str) -> Result<()> {
    sqlx::query("DELETE FROM policy_objects WHERE kind = $1 AND name = $2")
        .bind(T::KIND)
        .bind(name)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(())
}

/// Removes what is kept of all that is in something that goes itself, whose name begins all of theirs.
pub(super) async fn forget_within<T: Object>(connection: &mut AnyConnection, beginning: &str) -> Result<()> {
    sqlx::query("DELETE FROM policy_objects WHERE kind = $1 AND substr(name, 1, length($2)) = $2")
        .bind(T::KIND)
        .bind(beginning)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    Ok(())
}

pub(super) async fn drop<T: Object>(
    connection: &mut AnyConnection,
    name: &str,
    expected: Option<i64>,
) -> Result<Applied> {
    let before = get::<T>(connection, name).await?;
    check_revision(name, before.revision, expected)?;
    sqlx::query("DELETE FROM policy_objects WHERE kind = $1 AND name = $2")
        .bind(T::KIND)
        .bind(name)
        .execute(connection)
        .await
        .map_err(store_failed)?;
    let [.., action] = T::ACTIONS;
    Ok(applied(action, &before.value, before.value.shown(), Value::Null))
}

fn applied<T: Object>(action: &'static str, value: &T, before: Value, after: Value) -> Applied {
    let applied = Applied::new(action, before, after);
    match value.table() {
        Some(table) => applied.on_table(table),
        None => applied,
    }
}

async fn get<T: Object>(connection: &mut AnyConnection, name: &str) -> Result<Versioned<T>> {
    find(connection, name).await?.ok_or_else(|| Error::not_found(T::KIND, name))
}

async fn find<T: Object>(connection: &mut AnyConnection, name: &str) -> Result<Option<Versioned<T>>> {
    let row = sqlx::query("SELECT document, revision FROM policy_objects WHERE kind = $1 AND name = $2")
        .bind(T::KIND)
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(store_failed)?;
    row.as_ref().map(decode).transpose()
}

fn document<T: Object>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

fn decode<T: Object>(row: &AnyRow) -> Result<Versioned<T>> {
    let document: String = row.try_get("document").map_err(unreadable)?;
    let value = serde_json::from_str(&document).map_err(unreadable)?;
    Ok(Versioned { revision: row.try_get("revision").map_err(unreadable)?, value })
}
