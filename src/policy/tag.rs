//! Tags: what is said of databases, tables and columns, so that rules can speak of kinds instead of names.
//!
//! A tag is a key with a fixed list of values. An object has one value of a key at most; what a database says holds
//! for its tables, and what a table says for its columns, unless they say otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::model::TableName;

/// A key and the values it may have, in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    pub values: Vec<String>,
}

/// The value of each key on one object.
pub type Tags = BTreeMap<String, String>;

/// What a tag is assigned to. Written `db`, `db.table` or `db.table.column`, a field of a struct as
/// `db.table.column.field`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TaggedObject {
    Database(String),
    Table(TableName),
    /// The column's path inside its table.
    Column(TableName, String),
}

/// Matches objects by their tags: every key must have one of its values. Written `tags(env=prod,dept=hr|sales)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagExpression(BTreeMap<String, BTreeSet<String>>);

impl TagExpression {
    /// Matches what has, for each key of `keys`, one of its values.
    pub fn new(keys: BTreeMap<String, BTreeSet<String>>) -> Result<Self, String> {
        if keys.is_empty() || keys.values().any(BTreeSet::is_empty) {
            return Err("a tag expression names at least one key, and at least one value for each".to_owned());
        }
        let words = keys.iter().flat_map(|(key, values)| std::iter::once(key).chain(values));
        match words.into_iter().find(|word| !is_plain_word(word)) {
            Some(word) => Err(not_plain(word)),
            None => Ok(Self(keys)),
        }
    }

    /// Whether an object with `tags` is meant. Other tags of the object do not matter.
    pub fn matches(&self, tags: &Tags) -> bool {
        self.0.iter().all(|(key, values)| tags.get(key).is_some_and(|value| values.contains(value)))
    }

    /// The keys with their values.
    pub fn keys(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.0
    }
}

/// Whether `word` can be a key or a value: letters, digits, `_`, `-`, `/`, `+` and `.`.
pub fn is_plain_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || "_-/+.".contains(letter))
}

/// What is said of a word that is not plain.
pub fn not_plain(word: &str) -> String {
    format!("`{word}` cannot be part of a tag: use letters, digits, `_`, `-`, `/`, `+` and `.`")
}

impl TaggedObject {
    /// The database that it is, or is in.
    pub fn database(&self) -> &str {
        match self {
            Self::Database(database) => database,
            Self::Table(table) | Self::Column(table, _) => &table.database,
        }
    }

    /// The table that it is, or is in.
    pub fn table(&self) -> Option<&TableName> {
        match self {
            Self::Database(_) => None,
            Self::Table(table) | Self::Column(table, _) => Some(table),
        }
    }
}

impl fmt::Display for TaggedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(database) => f.write_str(database),
            Self::Table(table) => table.fmt(f),
            Self::Column(table, path) => write!(f, "{table}.{path}"),
        }
    }
}

impl FromStr for TaggedObject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '.');
        let parts = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let object = match parts {
            (database, None, _) => Self::Database(database.to_owned()),
            (database, Some(table), None) => Self::Table(TableName::new(database, table)),
            (database, Some(table), Some(path)) => {
                Self::Column(TableName::new(database, table), path.to_owned())
            }
        };
        if text.split('.').any(|part| part.is_empty() || part == "*") {
            return Err(format!(
                "`{text}` is nothing to put a tag on: write `DATABASE`, `DATABASE.TABLE` or `DATABASE.TABLE.COLUMN`"
            ));
        }
        Ok(object)
    }
}

impl TryFrom<String> for TaggedObject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TaggedObject> for String {
    fn from(object: TaggedObject) -> Self {
        object.to_string()
    }
}

impl fmt::Display for TagExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tags(")?;
        for (at, (key, values)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            write!(f, "{comma}{key}={}", values.join("|"))?;
        }
        f.write_str(")")
    }
}

impl FromStr for TagExpression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a tag expression: write `tags(KEY=VALUE|VALUE,KEY=VALUE)`");
        let inner = text.strip_prefix("tags(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
        let mut keys = BTreeMap::new();
        for pair in inner.split(',') {
            let (key, values) = pair.split_once('=').ok_or_else(wrong)?;
            let values = values.split('|').map(|value| value.trim().to_owned()).collect();
            if keys.insert(key.trim().to_owned(), values).is_some() {
                return Err(wrong());
            }
        }
        Self::new(keys)
    }
}
