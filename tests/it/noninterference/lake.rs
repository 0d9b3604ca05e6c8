//! A side of a pair as it is kept: files in a folder, rules in a store, and the gateway over both.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use chrono::Utc;
use lakegate::app::App;
use lakegate::cli::init::lay_out;
use lakegate::config::Config;
use lakegate::ingest::write::TableWriter;
use lakegate::policy::grant::GrantSpec;
use lakegate::policy::model::{Columns, Filter, Permission, Role, TableName, Target};
use lakegate::policy::principal::{Identity, Principal};
use lakegate::policy::restriction::{Effect, Mask, Restriction, Scope};
use lakegate::policy::tag::{Tag, TagExpression, TaggedObject};
use lakegate::store::Store;
use lakegate::store::record::{Change, Database, Format, TableRecord, Tagging};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::data::{Kind, Row, Value, batch, schema};
use super::random::Random;
use super::rules::{Masking, REGION};
use super::world::{Coverage, Form, Layout, Table, World};

/// A gateway in this process, without a door.
pub struct Lake {
    pub app: Arc<App>,
    folder: tempfile::TempDir,
}

/// Who asks.
pub fn reader() -> Arc<Identity> {
    Arc::new(Identity {
        user: "reader".to_owned(),
        groups: BTreeSet::from(["staff".to_owned()]),
        attributes: BTreeMap::from([("region".to_owned(), REGION.into())]),
    })
}

fn neighbour() -> Principal {
    Principal::User("neighbour".to_owned())
}

/// Somebody else, who may read every table.
pub fn somebody_else() -> Arc<Identity> {
    Arc::new(Identity { user: "neighbour".to_owned(), groups: BTreeSet::new(), attributes: BTreeMap::new() })
}

/// How long a statement may take: of tables that are joined with themselves again and again some have more rows than
/// anybody would wait for.
const LONGEST: Duration = Duration::from_secs(20);

impl Lake {
    /// Writes `world` and opens a gateway over it. What is drawn for the policy's form is drawn from `random`, which
    /// is the same for both sides.
    pub async fn open(world: &World, mut random: Random) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = lay_out(folder.path(), &["user:admin".parse().unwrap()]).await.unwrap();
        let mut config = Config::load(Some(&path)).unwrap();
        config.limits.pushdown_filters = world.pushdown_filters;
        config.limits.batch_size = world.batch_size;
        config.limits.target_partitions = world.target_partitions;
        config.limits.query_timeout = LONGEST;
        // Hashes of both sides are to be equal where the values are.
        let store = Store::connect(&config.store.url).await.unwrap();
        store.migrate().await.unwrap();
        store.secret("mask", || vec![7; 32]).await.unwrap();
        let app = App::build(config).await.unwrap();
        let mut changes = vec![
            Change::CreateDatabase(Database { name: "db".to_owned(), comment: None }),
            Change::CreateRole(Role {
                name: "readers".to_owned(),
                members: BTreeSet::from([Principal::Group("staff".to_owned())]),
            }),
        ];
        let tables = world.tables.iter().chain(&world.ghost);
        for table in tables.clone() {
            changes.push(Change::CreateTable(written(&app, folder.path(), table).await));
        }
        for table in tables {
            rules(table, &mut changes, &mut random);
        }
        let all = Target::AllTables("db".to_owned());
        let read_all = GrantSpec::new(neighbour(), all, BTreeSet::from([Permission::Select]));
        changes.push(Change::CreateGrant(read_all.with_id("neighbour")));
        if let Some(sealed) = world.tables.last() {
            let on = Target::Table(TableName::new("db", &sealed.name));
            let describe = GrantSpec::new(Principal::Public, on, BTreeSet::from([Permission::Describe]));
            changes.push(Change::CreateGrant(describe.with_id("sealed")));
        }
        if let Err(error) = app.change("test", changes).await {
            panic!("{error}: {world:#?}");
        }
        Self { app, folder }
    }

    /// Whether `sql` names a table whose files are named by chance.
    pub fn names_files_by_chance(&self, sql: &str) -> bool {
        let governance = self.app.state();
        let mut tables = governance.state.tables.values();
        tables.any(|table| table.value.format == Format::Delta && sql.contains(&table.value.name.to_string()))
    }

    /// Where it lies, as the engine writes it.
    pub fn folder(&self) -> String {
        self.folder.path().display().to_string().trim_start_matches('/').to_owned()
    }
}

async fn written(app: &App, folder: &Path, table: &Table) -> TableRecord {
    let name = TableName::new("db", &table.name);
    let folder = folder.join("files").join(&table.name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut record = TableRecord {
        id: table.name.clone(),
        name,
        location: format!("file://{}", folder.display()),
        format: Format::Parquet,
        version: None,
        schema: schema(&table.columns),
        partition_columns: Vec::new(),
        bookmark: None,
        comment: None,
        created_at: Utc::now(),
        updated_at: Utc::now(),
    };
    // Each file gets the same share of the rows; how many of them are visible differs from side to side.
    let share = table.rows.len().div_ceil(table.files).max(1);
    let parts = table.rows.chunks(share).map(|rows| batch(&table.columns, rows)).collect::<Vec<_>>();
    match table.layout {
        Layout::Parquet => {
            let parts = if parts.is_empty() { vec![batch(&table.columns, &[])] } else { parts };
            for (at, part) in parts.iter().enumerate() {
                // Where tables lie in folders by a column, the names of files tell its values, hidden ones too.
                let of_rows = hash_of(table.rows.chunks(share).nth(at));
                parquet(&folder.join(format!("part-{at}-{of_rows:x}.parquet")), part, table.group_rows);
            }
        }
        Layout::Csv => {
            record.format = Format::Csv;
            std::fs::write(folder.join("rows.csv"), csv(table)).unwrap();
        }
        Layout::Delta => {
            record.format = Format::Delta;
            let log = app.lake.delta_log(&record.location).unwrap();
            let canonical = log.canonical(&record.schema).unwrap();
            let mut files = Vec::new();
            for part in &parts {
                let mut writer = TableWriter::new(&log, canonical.clone(), 64 << 20);
                writer.write(part).await.unwrap();
                files.extend(writer.finish().await.unwrap());
            }
            record.version = Some(log.create("t", &canonical, files).await.unwrap());
            record.schema = canonical;
        }
    }
    record
}

fn hash_of(rows: Option<&[Row]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{rows:?}").hash(&mut hasher);
    hasher.finish()
}

fn parquet(path: &Path, batch: &RecordBatch, group_rows: usize) {
    let file = std::fs::File::create(path).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn csv(table: &Table) -> String {
    let mut text = table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(",");
    text.push('\n');
    for row in &table.rows {
        text.push_str(&row.iter().map(csv_value).collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

fn csv_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Int(value) => value.to_string(),
        Value::Float(bits) => match f64::from_bits(*bits) {
            infinite if infinite.is_infinite() => "inf".to_owned(),
            value => format!("{value:?}"),
        },
        Value::Text(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::Date(day) => {
            (chrono::NaiveDate::default() + chrono::Duration::days(i64::from(*day))).to_string()
        }
        Value::Bool(value) => value.to_string(),
        Value::Decimal(value) => {
            let sign = if *value < 0 { "-" } else { "" };
            format!("{sign}{}.{:02}", value.abs() / 100, value.abs() % 100)
        }
        Value::Struct(_) => panic!("no structs in CSV"),
    }
}

fn rules(table: &Table, changes: &mut Vec<Change>, random: &mut Random) {
    if table.name == "ghost" {
        return;
    }
    let name = TableName::new("db", &table.name);
    let to = [
        Principal::User("reader".to_owned()),
        Principal::Group("staff".to_owned()),
        Principal::Role("readers".to_owned()),
        Principal::Public,
    ];
    for (at, grant) in table.rules.grants.iter().enumerate() {
        let id = format!("{}-{at}", table.name);
        let on = Target::Table(name.clone());
        let to = random.pick(&to).clone();
        let mut spec = GrantSpec::new(to, on, BTreeSet::from([Permission::Select]));
        // Two equal grants are refused.
        spec.reason = Some(id.clone());
        spec.until = Some(Utc::now() + chrono::Duration::days(at as i64 + 1));
        let columns = match &grant.coverage {
            Coverage::All => Columns::All,
            Coverage::Include(names) => Columns::Include(names.clone()),
            Coverage::Exclude(names) => Columns::Exclude(names.clone()),
        };
        let rows = grant.rows.as_ref().map(super::rules::Rule::sql);
        match (grant.form, columns) {
            (Form::Tags, Columns::Exclude(closed)) => {
                spec.on = Target::Tagged(by_tags(&name, &closed, changes));
                spec.rows = rows;
            }
            (Form::Filter, columns) => {
                changes.push(Change::CreateFilter(Filter {
                    name: id.clone(),
                    on: name.clone(),
                    columns,
                    rows,
                }));
                spec.filter = Some(id.clone());
            }
            (_, columns) => {
                spec.columns = columns;
                spec.rows = rows;
            }
        }
        changes.push(Change::CreateGrant(spec.with_id(id)));
    }
    let mut restrict = |what: String, on: Scope, effect: Effect| {
        changes.push(Change::CreateRestriction(Restriction {
            name: format!("{}-{what}", table.name),
            on: BTreeSet::from([on]),
            applies_to: BTreeSet::from([Principal::Public]),
            except: BTreeSet::from([Principal::User("somebody".to_owned())]),
            effect,
            priority: 10,
        }));
    };
    for (at, rule) in table.rules.required.iter().enumerate() {
        restrict(format!("rows-{at}"), Scope::Table(name.clone()), Effect::Rows(rule.sql()));
    }
    for path in &table.rules.hidden {
        restrict(format!("hide-{path}"), Scope::Column(name.clone(), path.clone()), Effect::Hide);
    }
    for (path, mask) in &table.rules.masks {
        let effect = Effect::Mask(as_mask(mask, path, table));
        restrict(format!("mask-{path}"), Scope::Column(name.clone(), path.clone()), effect);
    }
}

/// Tags that say of every column but the closed ones that it is open.
fn by_tags(table: &TableName, closed: &BTreeSet<String>, changes: &mut Vec<Change>) -> TagExpression {
    let key = format!("of_{}", table.table);
    let values = vec!["open".to_owned(), "closed".to_owned()];
    changes.push(Change::CreateTag(Tag { key: key.clone(), values }));
    let mut say = |object, value: &str| {
        let tags = BTreeMap::from([(key.clone(), value.to_owned())]);
        changes.push(Change::CreateTagging(Tagging { object, tags }));
    };
    say(TaggedObject::Table(table.clone()), "open");
    for path in closed {
        say(TaggedObject::Column(table.clone(), path.clone()), "closed");
    }
    TagExpression::new(BTreeMap::from([(key, BTreeSet::from(["open".to_owned()]))])).unwrap()
}

fn as_mask(mask: &Masking, path: &str, table: &Table) -> Mask {
    match mask {
        Masking::Null => Mask::Null,
        Masking::Redact => Mask::Redact,
        Masking::Last4 => Mask::Last4,
        Masking::First4 => Mask::First4,
        Masking::Year => Mask::Year,
        Masking::Hash => Mask::Hash,
        Masking::Other(name) => Mask::Using(name.clone()),
        Masking::Left2 => Mask::Using(format!("left({path}, 2)")),
        Masking::Constant => {
            let column = table.columns.iter().find(|column| column.name == path).unwrap();
            Mask::Using(if matches!(column.kind, Kind::Int) { "7" } else { "'masked'" }.to_owned())
        }
    }
}
