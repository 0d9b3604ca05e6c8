//! The ingestion over a source inside the test: what is published, what stays when something fails, what it holds.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use lakegate::audit::sink::AuditSink;
use lakegate::catalog::files;
use lakegate::catalog::publish::Catalog;
use lakegate::catalog::register::register;
use lakegate::error::{Error, ErrorKind, Result};
use lakegate::ingest::mode::Mode;
use lakegate::ingest::progress::{Progress, Silent};
use lakegate::ingest::source::{ReadSummary, Selection, Snapshot, Source, SourceTable, TableReader};
use lakegate::ingest::upkeep::optimize;
use lakegate::ingest::{self, Context, Job, Summary};
use lakegate::lake::Lake;
use lakegate::policy::model::TableName;
use lakegate::store::Store;
use lakegate::store::record::Format;
use tokio::sync::mpsc::Sender;

use crate::lake::{ask, folder_lake};
use crate::support::upkeep::sorted;

/// A source that has these tables, and whose reading ends as told.
#[derive(Clone)]
struct Given {
    tables: Vec<(SourceTable, Vec<RecordBatch>, End)>,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Well,
    Broken,
    Never,
}

struct GivenSnapshot {
    tables: Vec<SourceTable>,
    given: Given,
}

#[async_trait]
impl Source for Given {
    async fn snapshot(&self, _: &[String]) -> Result<Box<dyn Snapshot>> {
        let tables = self.tables.iter().map(|(table, ..)| table.clone()).collect();
        Ok(Box::new(GivenSnapshot { tables, given: self.clone() }))
    }

    fn redacted_url(&self) -> String {
        "given://here".to_owned()
    }
}

#[async_trait]
impl Snapshot for GivenSnapshot {
    fn tables(&self) -> &[SourceTable] {
        &self.tables
    }

    async fn readers(&mut self, table: &SourceTable, _: &Selection) -> Result<Vec<Box<dyn TableReader>>> {
        let given = self.given.tables.iter().find(|(given, ..)| given.name == table.name).unwrap();
        Ok(vec![Box::new(GivenRows(given.1.clone(), given.2))])
    }

    async fn reached(&mut self, _: &SourceTable, _: &[String]) -> Result<Option<Vec<String>>> {
        Ok(None)
    }
}

struct GivenRows(Vec<RecordBatch>, End);

#[async_trait]
impl TableReader for GivenRows {
    async fn read(self: Box<Self>, batches: Sender<RecordBatch>) -> Result<ReadSummary> {
        let mut summary = ReadSummary::default();
        for batch in &self.0 {
            summary.rows += batch.num_rows() as u64;
            let gone = |_| Error::new(ErrorKind::Cancelled, "nobody takes the rows");
            batches.send(batch.clone()).await.map_err(gone)?;
        }
        match self.1 {
            End::Well => Ok(summary),
            End::Broken => Err(Error::new(ErrorKind::Unavailable, "the source went away")),
            End::Never => std::future::pending().await,
        }
    }
}

fn rows(range: std::ops::Range<i64>) -> RecordBatch {
    let notes: Vec<String> = range.clone().map(|id| format!("{id:>100}")).collect();
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(range)) as ArrayRef),
        ("note", Arc::new(StringArray::from(notes)) as ArrayRef),
    ])
    .unwrap()
}

fn given(name: &str, batches: Vec<RecordBatch>, end: End) -> (SourceTable, Vec<RecordBatch>, End) {
    (described(name, batches[0].schema()), batches, end)
}

fn described(name: &str, schema: SchemaRef) -> SourceTable {
    SourceTable {
        schema_name: None,
        name: name.to_owned(),
        schema,
        key: Vec::new(),
        optional: Vec::new(),
        estimate: None,
        problem: None,
        is_away: false,
    }
}

struct House {
    folder: tempfile::TempDir,
    context: Context,
    store: Store,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder_lake(&folder.path().join("lake"));
        Self::with(folder, lake).await
    }

    async fn with(folder: tempfile::TempDir, lake: Lake) -> Self {
        let store = Store::connect(&format!("sqlite://{}/store.db", folder.path().display())).await.unwrap();
        store.migrate().await.unwrap();
        let sink = store.clone();
        let audit = AuditSink::new(move |events| {
            let sink = sink.clone();
            Box::pin(async move { sink.record(&events).await })
        });
        let catalog = Catalog::new(store.clone(), "cli");
        Self { folder, context: Context { catalog, lake, audit, door: "test", memory: 64 << 20 }, store }
    }

    async fn load(&self, tables: Vec<(SourceTable, Vec<RecordBatch>, End)>) -> Summary {
        let job = Job {
            tables: vec!["*".to_owned()],
            into: "sales".to_owned(),
            mode: Mode::Snapshot,
            ..Job::default()
        };
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        ingest::run(&self.context, &mut Given { tables }, &job, &progress).await.unwrap()
    }

    /// What a reader gets of `sales.{table}`.
    async fn count(&self, table: &str) -> String {
        let found = self.context.catalog.find(&TableName::new("sales", table)).await.unwrap().unwrap();
        let files = files(&found.value);
        ask(&self.context.lake, &files, "select count(*), sum(id), max(note) from t").await.join(";")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_published_and_replaced_and_recorded() {
    let house = House::new().await;
    let first = vec![
        given("orders", vec![rows(0..1000), rows(1000..2000)], End::Well),
        given("empty", vec![rows(0..0)], End::Well),
    ];
    let summary = house.load(first).await;
    assert!(summary.is_complete(), "{summary:?}");
    assert_eq!((summary.tables[0].rows, summary.tables[0].version), (2000, Some(0)));
    assert!(summary.tables[0].bytes > 0);
    assert!(house.count("orders").await.starts_with("2000|1999000|"));
    assert_eq!(house.count("empty").await, "0||");
    let summary = house.load(vec![given("orders", vec![rows(5..6)], End::Well)]).await;
    assert_eq!(summary.tables[0].version, Some(1));
    assert!(house.count("orders").await.starts_with("1|5|"));
    let state = house.store.load().await.unwrap();
    assert!(state.databases.contains_key("sales"));
    let audited = house.store.audit(&lakegate::store::AuditFilter::default()).await.unwrap().events;
    assert_eq!(audited.iter().filter(|event| event.action == "ingest").count(), 3);
}

/// What others publish, drop and publish again is what a writer finds, however often it has looked before.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_sees_what_others_have_done_since_it_looked() {
    let (house, name) = (House::new().await, TableName::new("sales", "orders"));
    let other = Catalog::new(house.store.clone(), "other");
    let version = async || other.find(&name).await.unwrap().and_then(|found| found.value.version);
    assert_eq!(version().await, None);
    for expected in [Some(0), Some(1)] {
        assert!(house.load(vec![given("orders", vec![rows(0..1)], End::Well)]).await.is_complete());
        assert_eq!(version().await, expected);
    }
    let revision = other.find(&name).await.unwrap().unwrap().revision;
    assert_eq!(Some(revision), house.context.catalog.find(&name).await.unwrap().map(|found| found.revision));
    other.drop(&name, revision).await.unwrap();
    assert!(house.context.catalog.find(&name).await.unwrap().is_none());
    assert!(house.load(vec![given("orders", vec![rows(0..1)], End::Well)]).await.is_complete());
    assert_eq!(version().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_fails_keeps_its_version_and_stops_no_other() {
    let house = House::new().await;
    house.load(vec![given("orders", vec![rows(0..10)], End::Well)]).await;
    let summary = house
        .load(vec![
            given("orders", vec![rows(0..100_000), rows(0..100_000)], End::Broken),
            given("items", vec![rows(0..3)], End::Well),
        ])
        .await;
    assert!(!summary.is_complete());
    let failure = summary.tables[0].error.as_ref().unwrap();
    assert_eq!((failure.code, failure.detail.as_str()), ("unavailable", "the source went away"));
    assert!(house.count("orders").await.starts_with("10|45|"));
    assert!(house.count("items").await.starts_with("3|3|"));
    let left = parquet_files(house.folder.path());
    assert_eq!(left, 2, "what a failed run wrote is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_in_the_middle_leaves_the_old_version() {
    let house = House::new().await;
    house.load(vec![given("orders", vec![rows(0..10)], End::Well)]).await;
    let cut = house.load(vec![given("orders", vec![rows(0..200_000)], End::Never)]);
    assert!(tokio::time::timeout(std::time::Duration::from_secs(2), cut).await.is_err());
    assert!(house.count("orders").await.starts_with("10|45|"));
    let again = house.load(vec![given("orders", vec![rows(0..20)], End::Well)]).await;
    assert!(again.is_complete(), "{again:?}");
    assert!(house.count("orders").await.starts_with("20|190|"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_folder_is_not_overwritten() {
    let house = House::new().await;
    let csv = house.folder.path().join("csv");
    std::fs::create_dir(&csv).unwrap();
    std::fs::write(csv.join("a.csv"), "id,note\n1,x\n").unwrap();
    let name = TableName::new("sales", "orders");
    let location = format!("file://{}", csv.display());
    let Context { catalog, lake, .. } = &house.context;
    register(catalog, lake, &name, &location, Format::Csv).await.unwrap();
    assert_eq!(house.count("orders").await, "1|1|x");
    let summary = house.load(vec![given("orders", vec![rows(0..10)], End::Well)]).await;
    assert_eq!(summary.tables[0].error.as_ref().unwrap().code, "conflict");
    assert_eq!(house.count("orders").await, "1|1|x");
    // Registered again, it has the columns that its files have now.
    std::fs::write(csv.join("a.csv"), "id,note,more\n1,x,y\n").unwrap();
    let again = register(catalog, lake, &name, &location, Format::Csv).await.unwrap();
    assert_eq!(again.schema.fields().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_delta_cannot_hold_names_the_table_and_the_column() {
    let house = House::new().await;
    let schema =
        Arc::new(Schema::new(vec![Field::new("odd", DataType::Time64(TimeUnit::Microsecond), true)]));
    let table = (described("orders", schema), Vec::new(), End::Well);
    let summary = house.load(vec![table]).await;
    let failure = summary.tables[0].error.as_ref().unwrap();
    assert_eq!(failure.detail, "`sales.orders`: column `odd` has a type that Delta cannot hold");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_missing_is_told() {
    let s3 = crate::support::s3::S3::start("data").await;
    let folder = tempfile::tempdir().unwrap();
    let house = House::with(folder, s3.lake("s3://absent/lake")).await;
    let summary = house.load(vec![given("orders", vec![rows(0..10)], End::Well)]).await;
    let failure = summary.tables[0].error.as_ref().unwrap();
    assert!(failure.detail.contains("absent"), "{failure:?}");
    let house = House::with(tempfile::tempdir().unwrap(), s3.lake("s3://data/lake")).await;
    assert!(house.load(vec![given("orders", vec![rows(0..10)], End::Well)]).await.is_complete());
    assert!(house.count("orders").await.starts_with("10|45|"));
}

/// A store that refuses from the first, the second, the third … request on, for good or once: a reader has the version before or
/// the one behind, and the next run is whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_at_any_request_leaves_one_whole_version() {
    let s3 = crate::support::s3::S3::start("data").await;
    let house = House::with(tempfile::tempdir().unwrap(), s3.lake("s3://data/lake")).await;
    let load = |rows: RecordBatch| house.load(vec![given("orders", vec![rows], End::Well)]);
    assert!(load(rows(0..10)).await.is_complete());
    let (mut failed, mut size) = (0, 10_i64);
    for refusals in [i64::MAX, 1] {
        for writes in 0.. {
            s3.refuse_after(writes, refusals);
            let outcome = load(rows(0..size + 1)).await;
            let refused = s3.refuse_after(i64::MAX, 0) != refusals;
            let seen = house.count("orders").await;
            if outcome.is_complete() {
                size += 1;
            } else {
                let failure = outcome.tables[0].error.as_ref().unwrap();
                assert!(
                    ["unavailable", "permission_denied"].contains(&failure.code),
                    "{writes}: {failure:?}"
                );
                failed += 1;
            }
            assert!(seen.starts_with(&format!("{size}|")), "{writes}, {refusals}: {seen}");
            assert!(load(rows(0..size + 1)).await.is_complete(), "{writes}, {refusals}: the next run");
            size += 1;
            assert!(house.count("orders").await.starts_with(&format!("{size}|")));
            if !refused {
                break;
            }
        }
    }
    assert!(failed >= 4, "{failed} runs were refused");
}

/// Rows that are laid anew on such a store are the same rows for every reader, and the next attempt does it.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_laid_anew_whole_or_not_at_all_whichever_request_fails() {
    let s3 = crate::support::s3::S3::start("data").await;
    let house = House::with(tempfile::tempdir().unwrap(), s3.lake("s3://data/lake")).await;
    assert!(house.load(vec![given("orders", vec![rows(0..10)], End::Well)]).await.is_complete());
    let name = TableName::new("sales", "orders");
    // Another order than before, so that there is something to do.
    let mut orders = [sorted(&["note"]), sorted(&["id"])].into_iter().cycle();
    let mut failed = 0;
    for refusals in [i64::MAX, 1] {
        for writes in 0.. {
            s3.refuse_after(writes, refusals);
            let wanted = orders.next().unwrap();
            let outcome = optimize(&house.context, &name, &wanted).await;
            let refused = s3.refuse_after(i64::MAX, 0) != refusals;
            assert!(house.count("orders").await.starts_with("10|45|"), "{writes}, {refusals}");
            if let Err(error) = outcome {
                let told = [ErrorKind::Unavailable, ErrorKind::PermissionDenied];
                assert!(told.contains(&error.kind()), "{writes}, {refusals}: {error:?}");
                failed += 1;
                assert_eq!(optimize(&house.context, &name, &wanted).await.unwrap().rows, 10);
                assert!(house.count("orders").await.starts_with("10|45|"));
            }
            if !refused {
                break;
            }
        }
    }
    assert!(failed >= 4, "{failed} were refused");
}

/// Runs this test again in a process that may write no file above 512 KiB, which is what a full disk looks like.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_keeps_the_old_version() {
    const FOLDER: &str = "LAKEGATE_TEST_FULL_DISK";
    let scattered = |count: i64| {
        let ids =
            Int64Array::from_iter_values((0..count).map(|id| id.wrapping_mul(-7_046_029_254_386_353_131)));
        let notes = StringArray::from_iter_values((0..count).map(|id| id.to_string()));
        RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("note", Arc::new(notes) as ArrayRef)])
            .unwrap()
    };
    if std::env::var_os(FOLDER).is_some() {
        let house = House::new().await;
        house.load(vec![given("orders", vec![rows(0..10)], End::Well)]).await;
        let summary = house.load(vec![given("orders", vec![scattered(300_000)], End::Well)]).await;
        let failure = summary.tables[0].error.as_ref().unwrap();
        assert!(failure.detail.contains("no space is left"), "{failure:?}");
        assert!(house.count("orders").await.starts_with("10|45|"));
        return;
    }
    let limited = std::process::Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$0\" --exact ingest::a_full_disk_is_told_and_keeps_the_old_version"])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stdout);
    assert!(limited.status.success() && said.contains("1 passed"), "{said}");
}

fn parquet_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => parquet_files(&path),
            false => usize::from(path.extension().is_some_and(|extension| extension == "parquet")),
        })
        .sum()
}
