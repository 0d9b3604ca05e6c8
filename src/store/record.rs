//! What the store keeps, and the changes it takes: plain values, without a database in sight.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use chrono::{DateTime, Utc};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::policy::compile::Index;
use crate::policy::model::{Filter, Grant, PolicySet, Role, TableName};
use crate::policy::proposal::Proposal;
use crate::policy::restriction::Restriction;
use crate::policy::tag::{Tag, TaggedObject, Tags};

/// Everything that is governed, read at one policy version. Tables and grants may be many: copies share them.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Raised by every change.
    pub version: i64,
    pub databases: BTreeMap<String, Versioned<Database>>,
    pub tables: OrdMap<TableName, Versioned<Arc<TableRecord>>>,
    pub roles: BTreeMap<String, Versioned<Role>>,
    pub grants: OrdMap<String, Versioned<Arc<Grant>>>,
    pub filters: BTreeMap<String, Versioned<Filter>>,
    pub restrictions: BTreeMap<String, Versioned<Restriction>>,
    /// By key.
    pub tags: BTreeMap<String, Versioned<Tag>>,
    /// By the object's text.
    pub taggings: BTreeMap<String, Versioned<Tagging>>,
    /// What is said of tables beside their rows.
    pub descriptions: OrdMap<TableName, Versioned<Arc<Description>>>,
    /// By the object's text.
    pub proposals: BTreeMap<String, Versioned<Proposal>>,
    /// By full name.
    pub views: BTreeMap<TableName, Versioned<View>>,
    pub unreleased: BTreeMap<TableName, Versioned<Unreleased>>,
    pub sources: BTreeMap<String, Versioned<SourceRecord>>,
    pub ingest_jobs: BTreeMap<String, Versioned<IngestJob>>,
}

/// A value with the revision that a writer must have read to change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// Starts at 1; raised by every change of this value.
    pub revision: i64,
    pub value: T,
}

/// A named set of tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub name: String,
    #[serde(default)]
    pub comment: Option<String>,
}

/// A table: where it lies, in what format, and which version of it queries read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRecord {
    /// A UUID that outlives renames; part of the table's folder in the lake.
    pub id: String,
    pub name: TableName,
    /// A `file://` or `s3://` URL of a folder.
    pub location: String,
    pub format: Format,
    /// The published version of the Delta log; `None` for formats without versions.
    pub version: Option<i64>,
    /// All columns, partition columns last as the format has them.
    pub schema: SchemaRef,
    pub partition_columns: Vec<String>,
    pub comment: Option<String>,
    /// How far its source has been read, of a table that grows.
    #[serde(default)]
    pub bookmark: Option<Bookmark>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A version of a table that was published.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedVersion {
    pub version: i64,
    pub published_at: DateTime<Utc>,
    /// Until when a query may read its files. Only those of earlier versions say so.
    pub read_until: DateTime<Utc>,
    /// Its columns, partition columns last.
    pub schema: SchemaRef,
    pub partition_columns: Vec<String>,
}

/// How far a source has been read: what is behind it is new. Of files it says only that they are noted one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// Columns of the source; none of files.
    pub columns: Vec<String>,
    /// One value for each of them, as the source writes it; none when it had no rows.
    pub values: Vec<String>,
}

/// A file of a source whose rows are in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenFile {
    /// What it is known by.
    pub url: String,
    /// What tells its content from another one under the same URL.
    pub tag: String,
}

/// The files that a version of a table takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenFiles {
    pub table_id: String,
    /// Whether the table has the rows of these and of no others.
    pub anew: bool,
    pub files: Vec<TakenFile>,
}

/// What the source of a table says of it beside its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub table: TableName,
    #[serde(default)]
    pub comment: Option<String>,
    /// The comments of columns, by name.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    #[serde(default)]
    pub primary_key: Vec<String>,
    #[serde(default)]
    pub foreign_keys: Vec<Reference>,
}

/// Columns whose values are in another table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub columns: Vec<String>,
    /// The other table, under the name that it would have in the lake.
    pub table: TableName,
    /// The columns there, each beside its own.
    pub references: Vec<String>,
}

/// The tags that are assigned to one object, without what it inherits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagging {
    pub object: TaggedObject,
    pub tags: Tags,
}

/// The columns that a table got after its first version and that grants with an exclude list do not cover yet. It outlives
/// the table, as grants do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreleased {
    pub table: TableName,
    /// Paths of columns, and of the innermost fields of structs.
    pub columns: BTreeSet<String>,
}

/// A database that tables are brought in from, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub name: String,
    /// Where it is, as it may be shown: without its password.
    pub shown: String,
    pub address: Address,
    #[serde(default)]
    pub comment: Option<String>,
}

/// How the URL of a source is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// As it is: there is no secret in it.
    Plain(String),
    /// Encrypted, as base64.
    Sealed(String),
}

/// What is brought in from a source again and again. What it says is known where it is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IngestJob {
    pub name: String,
    pub source: String,
    pub definition: serde_json::Value,
    /// Runs of its schedule are due behind this.
    pub since: DateTime<Utc>,
}

/// A query under a table's name. It runs with the rights of whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    pub name: TableName,
    /// The query.
    pub sql: String,
    /// Where the query looks up a table that is named without a database.
    #[serde(default)]
    pub database: Option<String>,
    /// The columns it had when it was made.
    pub schema: SchemaRef,
    /// Who made it.
    pub owner: String,
    #[serde(default)]
    pub comment: Option<String>,
}

/// How a table's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Delta,
    Parquet,
    Csv,
    Ndjson,
}

/// One change of the catalog or the policy. `expected` is the revision that the writer read: another one now means
/// that somebody else was faster, and the change is refused as a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    CreateDatabase(Database),
    UpdateDatabase { value: Database, expected: Option<i64> },
    DropDatabase { name: String, expected: Option<i64> },
    CreateTable(TableRecord),
    UpdateTable { value: TableRecord, expected: Option<i64> },
    DropTable { name: TableName, expected: Option<i64> },
    CreateRole(Role),
    UpdateRole { value: Role, expected: Option<i64> },
    DropRole { name: String, expected: Option<i64> },
    CreateGrant(Grant),
    UpdateGrant { value: Grant, expected: Option<i64> },
    DropGrant { id: String, expected: Option<i64> },
    CreateFilter(Filter),
    UpdateFilter { value: Filter, expected: Option<i64> },
    DropFilter { name: String, expected: Option<i64> },
    CreateRestriction(Restriction),
    UpdateRestriction { value: Restriction, expected: Option<i64> },
    DropRestriction { name: String, expected: Option<i64> },
    CreateTag(Tag),
    UpdateTag { value: Tag, expected: Option<i64> },
    DropTag { key: String, expected: Option<i64> },
    CreateTagging(Tagging),
    UpdateTagging { value: Tagging, expected: Option<i64> },
    DropTagging { object: TaggedObject, expected: Option<i64> },
    Describe(Description),
    CreateProposal(Proposal),
    UpdateProposal { value: Proposal, expected: Option<i64> },
    DropProposal { object: TaggedObject, expected: Option<i64> },
    CreateView(View),
    UpdateView { value: View, expected: Option<i64> },
    DropView { name: TableName, expected: Option<i64> },
    CreateUnreleased(Unreleased),
    UpdateUnreleased { value: Unreleased, expected: Option<i64> },
    DropUnreleased { table: TableName, expected: Option<i64> },
    CreateSource(SourceRecord),
    UpdateSource { value: SourceRecord, expected: Option<i64> },
    DropSource { name: String, expected: Option<i64> },
    CreateIngestJob(IngestJob),
    UpdateIngestJob { value: IngestJob, expected: Option<i64> },
    DropIngestJob { name: String, expected: Option<i64> },
}

/// A sealed URL is no secret, and yet nobody needs to see it.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(…)",
            Self::Sealed(_) => "Sealed(…)",
        })
    }
}

impl<T> Versioned<T> {
    /// The same, to be shared by copies of the state.
    pub fn shared(self) -> Versioned<Arc<T>> {
        Versioned { revision: self.revision, value: Arc::new(self.value) }
    }
}

impl Bookmark {
    /// Of a table that takes files.
    pub fn of_files() -> Self {
        Self { columns: Vec::new(), values: Vec::new() }
    }

    /// Whether it is of a table that takes files.
    pub fn is_of_files(&self) -> bool {
        self.columns.is_empty()
    }
}

impl Description {
    /// Of `table` nothing is said.
    pub fn nothing(table: TableName) -> Self {
        let (columns, primary_key, foreign_keys) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { table, comment: None, columns, primary_key, foreign_keys }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.comment.is_none()
            && self.columns.is_empty()
            && self.primary_key.is_empty()
            && self.foreign_keys.is_empty()
    }

    /// What of it may be told to whoever may know the columns of each table that `is_known` says: no comment of another column,
    /// and no key that names one, here or where it leads.
    pub fn told(&self, is_known: impl Fn(&TableName, &str) -> bool) -> Self {
        let known =
            |table: &TableName, columns: &[String]| columns.iter().all(|column| is_known(table, column));
        let key = self.primary_key.clone();
        let columns = self.columns.iter().filter(|(name, _)| is_known(&self.table, name));
        let may_lead = |key: &&Reference| {
            !key.references.is_empty()
                && known(&self.table, &key.columns)
                && known(&key.table, &key.references)
        };
        Self {
            table: self.table.clone(),
            comment: self.comment.clone(),
            columns: columns.map(|(name, comment)| (name.clone(), comment.clone())).collect(),
            primary_key: if known(&self.table, &key) { key } else { Vec::new() },
            foreign_keys: self.foreign_keys.iter().filter(may_lead).cloned().collect(),
        }
    }
}

impl State {
    /// The columns of the table or view `name`.
    pub fn schema_of(&self, name: &TableName) -> Option<&SchemaRef> {
        let of_table = self.tables.get(name).map(|table| &table.value.schema);
        of_table.or_else(|| self.views.get(name).map(|view| &view.value.schema))
    }

    /// The rules alone, as the decision reads them.
    pub fn policy(&self) -> PolicySet {
        let grants = self.grants.values().map(|grant| Grant::clone(&grant.value)).collect();
        PolicySet { grants, ..self.rules() }
    }

    /// The index of the policy.
    pub fn index(&self) -> Index {
        Index::of(self.rules(), self.grants.values().map(|grant| Arc::clone(&grant.value)))
    }

    /// The rules without the grants.
    pub fn rules(&self) -> PolicySet {
        PolicySet {
            roles: self.roles.iter().map(|(name, role)| (name.clone(), role.value.clone())).collect(),
            grants: Vec::new(),
            filters: values(&self.filters),
            restrictions: values(&self.restrictions),
            tags: values(&self.tags),
            tagged: self
                .taggings
                .values()
                .map(|tagging| (tagging.value.object.clone(), tagging.value.tags.clone()))
                .collect(),
            unreleased: self
                .unreleased
                .iter()
                .map(|(table, kept)| (table.clone(), kept.value.columns.clone()))
                .collect(),
        }
    }
}

fn values<T: Clone>(kept: &BTreeMap<String, Versioned<T>>) -> BTreeMap<String, T> {
    kept.iter().map(|(name, kept)| (name.clone(), kept.value.clone())).collect()
}

impl Format {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Delta, Self::Parquet, Self::Csv, Self::Ndjson]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| {
                format!("`{text}` is not a table format: write `delta`, `parquet`, `csv` or `ndjson`")
            })
    }
}
