//! Policy files: the policy as text under version control, read with the place of everything in it.
//!
//! A file is read into a tree that remembers lines and columns, and the tree into rules. So every mistake is told
//! with file, line, column and field and what would be right, and a field that is not known is refused instead of
//! passed over: a policy that says less than its author wrote is worse than none. What the store holds, and what
//! to change in it, is `plan`'s. This is the one place of the policy that knows YAML.

mod assertion;
mod at;
mod merge;
mod node;
mod read;
mod restriction;

use std::collections::BTreeMap;
use std::fmt;

use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

pub use self::assertion::{Assertion, Expected};
pub use self::merge::{Desired, merge};
use self::node::Node;
use super::grant::GrantSpec;
use super::model::{Filter, Role};
use super::restriction::Restriction;
use super::tag::{Tag, TaggedObject, Tags};
use crate::error::Error;

/// What one file says.
#[derive(Debug, Clone, Default)]
pub struct PolicyFile {
    pub roles: Vec<Placed<Role>>,
    pub tags: Vec<Placed<Tag>>,
    pub databases: Vec<Placed<DatabaseSpec>>,
    pub tagged: Vec<Placed<TaggingSpec>>,
    pub filters: Vec<Placed<Filter>>,
    pub grants: Vec<Placed<GrantSpec>>,
    pub restrictions: Vec<Placed<Restriction>>,
    pub tests: Vec<Placed<Assertion>>,
}

/// A database that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSpec {
    pub name: String,
    pub comment: Option<String>,
}

/// The tags of one object, without what it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggingSpec {
    pub object: TaggedObject,
    pub tags: Tags,
}

/// Something with where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    pub place: Place,
    /// Where its fields are, by name.
    pub parts: BTreeMap<String, Place>,
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
        // Nothing is done with them, and those that are kept may be only a few in a row.
        emit_comments: false,
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

impl<T> Placed<T> {
    /// The place of `field`: its own when it was written, else that of the whole.
    pub fn place_of(&self, field: &str) -> Place {
        match self.parts.get(field) {
            Some(place) => place.clone(),
            None if field.is_empty() => self.place.clone(),
            None => self.place.within(field),
        }
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

    /// A mistake here.
    pub fn error(self, message: impl Into<String>) -> FileError {
        FileError { place: self, message: message.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())?;
        match self.field.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.field),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for FileError {}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::invalid_request(error.to_string())
    }
}
