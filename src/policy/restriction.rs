//! Restrictions: rules that take access away, whatever the grants say.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::model::{TableName, Written};
use super::principal::Principal;
use super::tag::TagExpression;

/// A rule that takes access away. It gives nothing: without a grant there is nothing to take from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    pub name: String,
    /// What it is on; each of them.
    pub on: BTreeSet<Scope>,
    /// For whom it holds.
    pub applies_to: BTreeSet<Principal>,
    /// For whom it does not, although it would.
    #[serde(default)]
    pub except: BTreeSet<Principal>,
    pub effect: Effect,
    /// Of several masks on one column the one with the lowest number holds.
    #[serde(default)]
    pub priority: i64,
}

/// What a restriction is on. Written `db` or `db.*` (all its tables), `db.table`, `db.table.column`, or a tag
/// expression: `rows` hold for tables whose tags match, `hide` and masks for columns whose tags match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Scope {
    Database(String),
    Table(TableName),
    /// The column's path inside its table.
    Column(TableName, String),
    Tagged(TagExpression),
}

/// What a restriction does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A boolean expression that must hold of every row that is seen.
    Rows(String),
    /// The columns disappear.
    Hide,
    /// The columns' values are replaced.
    Mask(Mask),
}

/// What stands in the place of a value. NULL stays NULL, and the column keeps its type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    Null,
    /// A fixed value of the type.
    Redact,
    /// SHA-256 with the store's secret as the key: equal values stay equal.
    Hash,
    /// The first four characters; every other one becomes `*`.
    First4,
    /// The last four characters; every other one becomes `*`.
    Last4,
    /// The first day of the year.
    Year,
    /// The first day of the month.
    Month,
    /// An expression of the column's type over the raw values of the row.
    Using(String),
}

impl Mask {
    /// The masks that are known by a name.
    pub const NAMED: [Self; 7] =
        [Self::Null, Self::Redact, Self::Hash, Self::First4, Self::Last4, Self::Year, Self::Month];

    /// How it is shown: its name, or `using` for an expression, which is not for everyone.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Redact => "redact",
            Self::Hash => "hash",
            Self::First4 => "first4",
            Self::Last4 => "last4",
            Self::Year => "year",
            Self::Month => "month",
            Self::Using(_) => "using",
        }
    }
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::NAMED.into_iter().find(|mask| mask.name() == text).ok_or_else(|| {
            format!(
                "`{text}` is not a mask: write `null`, `redact`, `hash`, `first4`, `last4`, `year`, `month` or \
                 `{{ using: EXPRESSION }}`"
            )
        })
    }
}

impl Scope {
    /// The table it is on, when it names one.
    pub fn table(&self) -> Option<&TableName> {
        match self {
            Self::Table(table) | Self::Column(table, _) => Some(table),
            Self::Database(_) | Self::Tagged(_) => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(database) => write!(f, "{database}.*"),
            Self::Table(table) => table.fmt(f),
            Self::Column(table, path) => write!(f, "{table}.{path}"),
            Self::Tagged(expression) => expression.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("tags(") {
            return text.parse().map(Self::Tagged);
        }
        let wrong = || {
            format!(
                "`{text}` is nothing to restrict: write `DATABASE`, `DATABASE.*`, `DATABASE.TABLE`, \
                 `DATABASE.TABLE.COLUMN` or tags"
            )
        };
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        if text.split('.').any(|part| part.is_empty() || part.trim() != part) {
            return Err(wrong());
        }
        match parts.as_slice() {
            [database] | [database, "*"] if *database != "*" => Ok(Self::Database((*database).to_owned())),
            [database, table] if !text.contains('*') => Ok(Self::Table(TableName::new(*database, *table))),
            [database, table, path] if !text.contains('*') => {
                Ok(Self::Column(TableName::new(*database, *table), (*path).to_owned()))
            }
            _ => Err(wrong()),
        }
    }
}
