//! The rules as values: what the store keeps, the files say and the decision reads.
//!
//! Pure: names and texts only. An expression is kept as its SQL text; whether it fits its table is checked where
//! the engine is known, before a rule is saved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use chrono::{DateTime, Utc};

use super::principal::Principal;
use super::restriction::{Restriction, Scope};
use super::tag::{Tag, TagExpression, TaggedObject, Tags};

/// The listing of what a reader may see, which stands among the databases. No database can have its name.
pub const INFORMATION_SCHEMA: &str = "information_schema";

/// The same in the words of PostgreSQL, for its clients. No database can have its name.
pub const PG_CATALOG: &str = "pg_catalog";

/// Whether `database` is one of the listings and holds no tables.
pub fn is_listing(database: &str) -> bool {
    [INFORMATION_SCHEMA, PG_CATALOG].contains(&database)
}

/// A table's full name, written `database.table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    pub database: String,
    pub table: String,
}

/// What a grant is on. Written `db` (the database itself), `db.table`, `db.*` (every table, future ones too), or a tag
/// expression (every column whose tags match, future ones too).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Target {
    Database(String),
    AllTables(String),
    Table(TableName),
    Tagged(TagExpression),
}

/// A target or a scope as documents write it: a text, or `{"tags": {"key": ["value"]}}`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    Text(String),
    Tags { tags: BTreeMap<String, BTreeSet<String>> },
}

/// What a grant allows. `select`, `describe`, `insert`, `alter`, `drop` on tables; `describe`, `create_table`,
/// `alter`, `drop` on databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    Select,
    Describe,
    Insert,
    Alter,
    Drop,
    CreateTable,
}

/// Which columns a `select` grant covers. `All` also covers columns that are added later; `Exclude` covers those only when
/// they are released, for whoever wrote the list did not know them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Columns {
    #[default]
    All,
    Include(BTreeSet<String>),
    Exclude(BTreeSet<String>),
}

/// A rule that adds access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Given by the store; stays the same over changes.
    pub id: String,
    pub to: Principal,
    pub on: Target,
    pub permissions: BTreeSet<Permission>,
    #[serde(default)]
    pub columns: Columns,
    /// A boolean SQL expression over the table's own columns; only rows for which it is true are covered.
    #[serde(default)]
    pub rows: Option<String>,
    /// The named filter that says columns and rows in their place.
    #[serde(default)]
    pub filter: Option<String>,
    /// The grantee may grant the same or less to others.
    #[serde(default)]
    pub grantable: bool,
    /// From this time on, itself included.
    #[serde(default)]
    pub from: Option<DateTime<Utc>>,
    /// Before this time, itself excluded.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// Columns and rows of one table under a name, for use in grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    pub name: String,
    pub on: TableName,
    #[serde(default)]
    pub columns: Columns,
    #[serde(default)]
    pub rows: Option<String>,
}

/// A named set of users, groups and roles, kept in the policy store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub members: BTreeSet<Principal>,
}

/// Everything that a decision reads, at one policy version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicySet {
    pub roles: BTreeMap<String, Role>,
    pub grants: Vec<Grant>,
    pub filters: BTreeMap<String, Filter>,
    pub restrictions: BTreeMap<String, Restriction>,
    /// By key.
    pub tags: BTreeMap<String, Tag>,
    pub tagged: BTreeMap<TaggedObject, Tags>,
    /// The columns that a table got after its first version and that nobody has released since.
    pub unreleased: BTreeMap<TableName, BTreeSet<String>>,
}

impl Grant {
    /// Whether it is in force at `now`.
    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

impl TableName {
    pub fn new(database: impl Into<String>, table: impl Into<String>) -> Self {
        Self { database: database.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

impl FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            Some((database, table)) if !database.is_empty() && !table.is_empty() => {
                Ok(Self::new(database, table))
            }
            _ => Err(format!("`{text}` is not a table name: write `DATABASE.TABLE`")),
        }
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

impl Permission {
    /// All of them, in the order in which they are named to people.
    pub const ALL: [Self; 6] =
        [Self::Select, Self::Describe, Self::Insert, Self::Alter, Self::Drop, Self::CreateTable];

    /// Its name, as the files and the store write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Describe => "describe",
            Self::Insert => "insert",
            Self::Alter => "alter",
            Self::Drop => "drop",
            Self::CreateTable => "create_table",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|permission| permission.name() == text).ok_or_else(|| {
            format!(
                "`{text}` is not a permission: write `select`, `describe`, `insert`, `alter`, `drop` or `create_table`"
            )
        })
    }
}

impl Target {
    /// The database that it is, or is in; tags are in none.
    pub fn database(&self) -> Option<&str> {
        match self {
            Self::Database(database) | Self::AllTables(database) => Some(database),
            Self::Table(table) => Some(&table.database),
            Self::Tagged(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(database) => f.write_str(database),
            Self::AllTables(database) => write!(f, "{database}.*"),
            Self::Table(table) => table.fmt(f),
            Self::Tagged(expression) => expression.fmt(f),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            _ if text.starts_with("tags(") => text.parse().map(Self::Tagged),
            None if !text.is_empty() => Ok(Self::Database(text.to_owned())),
            Some((database, "*")) if !database.is_empty() => Ok(Self::AllTables(database.to_owned())),
            Some(_) => text.parse().map(Self::Table),
            None => Err("a grant needs a database, `DATABASE.*` or `DATABASE.TABLE` to be on".to_owned()),
        }
    }
}

impl TryFrom<Written> for Target {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Tags { tags } => TagExpression::new(tags).map(Self::Tagged),
        }
    }
}

impl From<Target> for Written {
    fn from(target: Target) -> Self {
        match target {
            Target::Tagged(expression) => Self::Tags { tags: expression.keys().clone() },
            other => Self::Text(other.to_string()),
        }
    }
}

impl TryFrom<Written> for Scope {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Tags { tags } => TagExpression::new(tags).map(Self::Tagged),
        }
    }
}

impl From<Scope> for Written {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Tagged(expression) => Self::Tags { tags: expression.keys().clone() },
            other => Self::Text(other.to_string()),
        }
    }
}
