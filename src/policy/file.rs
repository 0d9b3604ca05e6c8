//! Policy files: the policy as text under version control, read with the place of everything in it.
//!
//! A file is read into a tree that remembers lines and columns, and the tree into rules. So every mistake is told
//! with file, line, column and field and what would be right, and a field that is not known is refused instead of
//! passed over: a policy that says less than its author wrote is worse than none. What the store holds, and what
//! to change in it, is `plan`'s. This is the one place of the policy that knows YAML.

mod read;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::compile::check_cycles;
use super::grant::GrantSpec;
use super::model::Role;
use crate::error::Error;

/// What one file says.
#[derive(Debug, Clone, Default)]
pub struct PolicyFile {
    pub roles: Vec<Placed<Role>>,
    pub databases: Vec<Placed<DatabaseSpec>>,
    pub grants: Vec<Placed<GrantSpec>>,
}

/// What all files say together: each thing once, and roles without cycles.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    pub roles: BTreeMap<String, Placed<Role>>,
    pub databases: BTreeMap<String, Placed<DatabaseSpec>>,
    pub grants: Vec<Placed<GrantSpec>>,
}

/// A database that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSpec {
    pub name: String,
    pub comment: Option<String>,
}

/// Something with where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    pub place: Place,
    pub value: T,
}

/// Where something was written: file, line and column (from 1), and the path of its field, as `grants[0].to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: u64,
    pub column: u64,
    pub field: String,
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    pub place: Place,
    pub message: String,
}

/// Reads one file. `path` is only for telling where a mistake is.
///
/// Roles that contain each other are found by [`merge`]: a cycle may go through several files.
pub fn parse(path: &str, text: &str) -> Result<PolicyFile, FileError> {
    let options = serde_saphyr::options! {
        // Both are found while reading the fields, where the field's path is known.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        // Else the field `on` would be read as the truth value of old YAML.
        strict_booleans: true,
        with_snippet: false,
    };
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(PolicyFile::default());
    }
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(root) => read::file(path, &root),
        Err(error) => {
            let location = error.location();
            let (line, column) = location.map_or((1, 1), |place| (place.line(), place.column()));
            let place = Place { file: path.to_owned(), line, column, field: String::new() };
            let cause = error.to_string();
            // The place is told once, in front.
            let cause = cause.rsplit_once(" at line ").map_or(cause.as_str(), |(cause, _)| cause);
            Err(FileError { place, message: format!("this is not YAML that can be read: {cause}") })
        }
    }
}

/// Puts files together. A role in two files, or a grant twice with different reasons, is refused: which one would
/// hold must not depend on the order of the files.
pub fn merge(files: impl IntoIterator<Item = PolicyFile>) -> Result<Desired, FileError> {
    let mut desired = Desired::default();
    for file in files {
        for role in file.roles {
            if let Some(first) = desired.roles.get(&role.value.name) {
                let message = format!("role `{}` is already at {}", role.value.name, first.place.short());
                return Err(FileError { place: role.place, message });
            }
            desired.roles.insert(role.value.name.clone(), role);
        }
        file.databases.into_iter().try_for_each(|database| desired.add_database(database))?;
        file.grants.into_iter().try_for_each(|grant| desired.add_grant(grant))?;
    }
    desired.check_roles(&BTreeMap::new())?;
    Ok(desired)
}

impl Desired {
    /// Refuses roles that contain themselves, also by way of the `kept` ones that the files do not speak of.
    pub fn check_roles(&self, kept: &BTreeMap<String, Role>) -> Result<(), FileError> {
        let mut roles = kept.clone();
        roles.extend(self.roles.iter().map(|(name, role)| (name.clone(), role.value.clone())));
        let Err(cycle) = check_cycles(&roles) else { return Ok(()) };
        let names: Vec<String> = cycle.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("roles contain each other: {}; take one out", names.join(" has "));
        let written = cycle.iter().find_map(|name| self.roles.get(name));
        let place = written.map(|role| role.place.within("members")).unwrap_or_default();
        Err(FileError { place, message })
    }

    fn add_database(&mut self, database: Placed<DatabaseSpec>) -> Result<(), FileError> {
        match self.databases.get_mut(&database.value.name) {
            None => {
                self.databases.insert(database.value.name.clone(), database);
            }
            Some(first) if first.value.comment.is_none() => first.value.comment = database.value.comment,
            Some(first) if database.value.comment.is_some() && first.value != database.value => {
                let message = format!("the comment differs from the one at {}", first.place.short());
                return Err(FileError { place: database.place.within("comment"), message });
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn add_grant(&mut self, grant: Placed<GrantSpec>) -> Result<(), FileError> {
        match self.grants.iter().find(|other| other.value.same_as(&grant.value)) {
            None => self.grants.push(grant),
            Some(first) if first.value.reason != grant.value.reason => {
                let message = format!("the same grant with another reason is at {}", first.place.short());
                return Err(FileError { place: grant.place, message });
            }
            Some(_) => {}
        }
        Ok(())
    }
}

impl Default for Place {
    fn default() -> Self {
        Self { file: "policy".to_owned(), line: 1, column: 1, field: String::new() }
    }
}

impl Place {
    fn short(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// The place of `field` inside what stands here.
    pub fn within(&self, field: &str) -> Self {
        Self { field: format!("{}.{field}", self.field), ..self.clone() }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.short())?;
        if !self.place.field.is_empty() {
            write!(f, ": {}", self.place.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for FileError {}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::invalid_request(error.to_string())
    }
}

/// A piece of a file with its place.
#[derive(Debug)]
struct Node {
    line: u64,
    column: u64,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// A number or a truth value, spelt as read.
    Other(String),
    Null,
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            line: spanned.referenced.line(),
            column: spanned.referenced.column(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a list or a mapping")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Other(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Other(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Other(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Other(value.to_string()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
