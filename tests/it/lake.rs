//! The lake on a folder and on S3: versions, statistics, pruning, partitions and registered folders.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::util::pretty::pretty_format_batches;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use datafusion::prelude::{SessionConfig, SessionContext};
use lakegate::config::LakeConfig;
use lakegate::error::ErrorKind;
use lakegate::ingest::write::TableWriter;
use lakegate::lake::{FileFormat, Lake, TableFiles};

use crate::support::s3::S3;

/// A lake in a folder.
pub fn folder_lake(folder: &Path) -> Lake {
    Lake::new(&LakeConfig {
        root: format!("file://{}", folder.display()),
        endpoint: None,
        region: None,
        path_style: false,
        allow_http: false,
    })
    .unwrap()
}

/// The answer of `sql` over `files` as the table `t`, one line for each row.
pub async fn ask(lake: &Lake, files: &TableFiles, sql: &str) -> Vec<String> {
    let batches = collect(lake, files, sql).await;
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let rows = text.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|")).collect()
}

async fn collect(lake: &Lake, files: &TableFiles, sql: &str) -> Vec<RecordBatch> {
    let session = session(lake, files).await;
    session.sql(sql).await.unwrap().collect().await.unwrap()
}

async fn session(lake: &Lake, files: &TableFiles) -> SessionContext {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    session.register_table("t", lake.provider(files).await.unwrap()).unwrap();
    session
}

async fn plan(lake: &Lake, files: &TableFiles, sql: &str) -> String {
    let session = session(lake, files).await;
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
}

/// Writes plain Parquet files as another system would.
fn write_parquet(path: &Path, batch: &RecordBatch) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn ids(range: std::ops::Range<i64>) -> RecordBatch {
    let names: Vec<String> = range.clone().map(|id| format!("name {id}")).collect();
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(range)) as ArrayRef),
        ("name", Arc::new(StringArray::from(names)) as ArrayRef),
    ])
    .unwrap()
}

#[tokio::test]
async fn a_parquet_folder_is_registered_with_its_hive_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("sales");
    write_parquet(&table.join("year=2023/region=EU/a.parquet"), &ids(0..10));
    write_parquet(&table.join("year=2024/region=US/b.parquet"), &ids(10..30));
    std::fs::write(table.join("_SUCCESS"), "").unwrap();
    let lake = folder_lake(folder.path());
    let files = lake.inspect(&format!("file://{}", table.display()), FileFormat::Parquet).await.unwrap();
    assert_eq!(files.partition_columns, ["year", "region"]);
    assert_eq!(files.schema.field_with_name("year").unwrap().data_type(), &DataType::Int64);
    assert_eq!(files.schema.field_with_name("region").unwrap().data_type(), &DataType::Utf8);
    assert_eq!(files.schema.field_with_name("name").unwrap().data_type(), &DataType::Utf8);
    let sql = "select year, region, count(*), min(id), max(name) from t group by 1, 2 order by 1";
    assert_eq!(ask(&lake, &files, sql).await, ["2023|EU|10|0|name 9", "2024|US|20|10|name 29"]);
    assert_eq!(ask(&lake, &files, "select count(*) from t where year = 2024").await, ["20"]);
    let plan = plan(&lake, &files, "select id from t where region = 'US'").await;
    assert!(plan.contains("b.parquet") && !plan.contains("a.parquet"), "{plan}");
}

#[tokio::test]
async fn csv_and_ndjson_folders_are_registered_with_found_columns() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("csv");
    std::fs::create_dir_all(&csv).unwrap();
    std::fs::write(csv.join("a.csv"), "id,price,day,note\n1,1.5,2024-01-02,\"two\nlines\"\n").unwrap();
    std::fs::write(csv.join("b.csv"), "id,price,day,note\n2,,2024-01-03,\n").unwrap();
    let json = folder.path().join("json");
    std::fs::create_dir_all(&json).unwrap();
    std::fs::write(json.join("a.ndjson"), "{\"id\":1,\"tags\":[\"x\"]}\n{\"id\":2,\"name\":\"bo\"}\n")
        .unwrap();
    let lake = folder_lake(folder.path());
    let files = lake.inspect(&format!("file://{}", csv.display()), FileFormat::Csv).await.unwrap();
    assert_eq!(
        ask(&lake, &files, "select id, price, day, note is null from t order by id").await,
        ["1|1.5|2024-01-02|false", "2||2024-01-03|true"]
    );
    let files = lake.inspect(&format!("file://{}", json.display()), FileFormat::Ndjson).await.unwrap();
    assert_eq!(ask(&lake, &files, "select id, tags, name from t order by id").await, ["1|[x]|", "2||bo"]);
}

#[tokio::test]
async fn what_cannot_be_registered_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let at = |name: &str| format!("file://{}/{name}", folder.path().display());
    let missing = lake.inspect(&at("nothing"), FileFormat::Parquet).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let empty = lake.inspect(&at("empty"), FileFormat::Csv).await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::NotFound);
    std::fs::create_dir(folder.path().join("wrong")).unwrap();
    std::fs::write(folder.path().join("wrong/a.parquet"), "no parquet at all").unwrap();
    let wrong = lake.inspect(&at("wrong"), FileFormat::Parquet).await.unwrap_err();
    assert!(wrong.detail().contains("cannot be read as one table"), "{wrong}");
    let other = lake.inspect(&at("wrong"), FileFormat::Csv).await.unwrap_err();
    assert!(other.detail().contains("`.csv`"), "{other}");
    let delta = lake.inspect(&at("wrong"), FileFormat::Delta).await.unwrap_err();
    assert_eq!(delta.kind(), ErrorKind::NotFound, "{delta}");
    write_parquet(&folder.path().join("mixed/y=1/a.parquet"), &ids(0..1));
    write_parquet(&folder.path().join("mixed/b.parquet"), &ids(0..1));
    let mixed = lake.inspect(&at("mixed"), FileFormat::Parquet).await.unwrap_err();
    assert!(mixed.detail().contains("not partitioned alike"), "{mixed}");
}

#[tokio::test]
async fn a_folder_on_s3_is_read_with_signed_requests() {
    let s3 = S3::start("data").await;
    write_parquet(&s3.folder().join("data/t/a.parquet"), &ids(0..100));
    let lake = s3.lake("s3://data/lake");
    let files = lake.inspect("s3://data/t", FileFormat::Parquet).await.unwrap();
    assert_eq!(ask(&lake, &files, "select count(*), max(id) from t").await, ["100|99"]);
    let wrong = s3.lake_as("s3://data/lake", "another secret");
    let error = wrong.inspect("s3://data/t", FileFormat::Parquet).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = lake.inspect("s3://absent/t", FileFormat::Parquet).await.unwrap_err();
    assert!(error.detail().contains("bucket of `s3://absent/t` does not exist"), "{error}");
}

/// Writes `batches` as the next version of the table at `location`, in files of about `file_bytes`.
async fn load(lake: &Lake, location: &str, batches: &[RecordBatch], file_bytes: usize) -> TableFiles {
    let log = lake.delta_log(location).unwrap();
    let schema = log.canonical(&batches[0].schema()).unwrap();
    let mut writer = TableWriter::new(&log, schema.clone(), 64 << 20).with_file_bytes(file_bytes);
    for batch in batches {
        writer.write(batch).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    let version = if log.exists().await.unwrap() {
        log.open(None).await.unwrap().replace(&schema, files).await.unwrap()
    } else {
        log.create("t", &schema, files).await.unwrap()
    };
    let (schema, partition_columns) = log.open(Some(version)).await.unwrap().schema().unwrap();
    let (location, version) = (location.to_owned(), Some(version));
    TableFiles { location, format: FileFormat::Delta, version, schema, partition_columns }
}

async fn versions_come_and_old_ones_stay(lake: &Lake, location: &str) {
    let first = load(lake, location, &[ids(0..1000), ids(1000..1500)], usize::MAX).await;
    assert_eq!(first.version, Some(0));
    assert_eq!(
        ask(lake, &first, "select count(*), min(id), max(id), max(name) from t").await,
        ["1500|0|1499|name 999"]
    );
    let second = load(lake, location, &[ids(5000..5010)], usize::MAX).await;
    assert_eq!(second.version, Some(1));
    assert_eq!(ask(lake, &second, "select count(*), min(id) from t").await, ["10|5000"]);
    assert_eq!(ask(lake, &first, "select count(*), max(id) from t where name <> ''").await, ["1500|1499"]);
    // Another process, which has nothing in memory, reads the same.
    let inspected = lake.inspect(location, FileFormat::Delta).await.unwrap();
    assert_eq!(inspected, second);
    let absent = TableFiles { version: Some(7), ..second };
    let error = lake.provider(&absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn versions_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let location = format!("file://{}/db/t-1", folder.path().display());
    versions_come_and_old_ones_stay(&folder_lake(folder.path()), &location).await;
}

#[tokio::test]
async fn versions_on_s3() {
    let s3 = S3::start("data").await;
    versions_come_and_old_ones_stay(&s3.lake("s3://data/lake"), "s3://data/lake/db/t-1").await;
}

async fn of_two_writers_one_wins(lake: &Lake, location: &str) {
    load(lake, location, &[ids(0..10)], usize::MAX).await;
    let log = lake.delta_log(location).unwrap();
    let (slow, fast) = (log.open(None).await.unwrap(), log.open(None).await.unwrap());
    let schema = fast.schema().unwrap().0;
    let mut writer = TableWriter::new(&log, schema.clone(), 64 << 20);
    writer.write(&ids(0..5)).await.unwrap();
    let files = writer.finish().await.unwrap();
    assert_eq!(fast.replace(&schema, files.clone()).await.unwrap(), 1);
    let error = slow.replace(&schema, files).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(log.create("t", &schema, Vec::new()).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn of_two_writers_one_wins_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let location = format!("file://{}/db/t-1", folder.path().display());
    of_two_writers_one_wins(&folder_lake(folder.path()), &location).await;
}

#[tokio::test]
async fn of_two_writers_one_wins_on_s3() {
    let s3 = S3::start("data").await;
    of_two_writers_one_wins(&s3.lake("s3://data/lake"), "s3://data/lake/db/t-1").await;
}

#[tokio::test]
async fn files_and_counts_are_answered_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let location = format!("file://{}/t", folder.path().display());
    let batches: Vec<_> = (0..4).map(|part| ids(part * 1000..(part + 1) * 1000)).collect();
    let files = load(&lake, &location, &batches, 1).await;
    let parquet = || {
        let entries = std::fs::read_dir(folder.path().join("t")).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    assert!(parquet().len() >= 4, "{:?}", parquet());
    // Without the files themselves, the log still knows these.
    let shown = plan(&lake, &files, "select count(*), min(id), max(id) from t").await;
    assert!(!shown.contains("DataSourceExec"), "{shown}");
    let shown = plan(&lake, &files, "select name from t where id = 1500").await;
    assert_eq!(shown.matches(".parquet").count(), 1, "{shown}");
    let shown = plan(&lake, &files, "select name from t where id > 100000").await;
    assert!(shown.contains("EmptyExec"), "{shown}");
    assert_eq!(ask(&lake, &files, "select name from t where id = 1500").await, ["name 1500"]);
    assert_eq!(ask(&lake, &files, "select count(*) from (select * from t limit 1001)").await, ["1001"]);
}

/// Every predicate over values at the edges gives what a table in memory gives: nothing is left out by a bound.
#[tokio::test]
async fn bounds_leave_no_row_out() {
    let long = |letter: &str| letter.repeat(40);
    let utc = Some(Arc::from("UTC"));
    let schema = Arc::new(Schema::new(vec![
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, utc), true),
        Field::new("local", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("d", DataType::Decimal128(38, 10), true),
        Field::new("day", DataType::Date32, true),
        Field::new("none", DataType::Int64, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), Some(-0.0), None])),
        Arc::new(StringArray::from(vec![Some(long("z")), Some(long("é")), Some(String::new()), None])),
        Arc::new(
            TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), Some(-1), Some(0), None])
                .with_timezone("UTC"),
        ),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), Some(-1), Some(0), None])),
        Arc::new(
            Decimal128Array::from(vec![Some(12_345_678_901_234_567_890_123), Some(-1), Some(0), None])
                .with_precision_and_scale(38, 10)
                .unwrap(),
        ),
        Arc::new(Date32Array::from(vec![Some(i32::MAX / 1000), Some(-800_000), Some(0), None])),
        Arc::new(Int64Array::from(vec![None, None, None, None])),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let files =
        load(&lake, &format!("file://{}/t", folder.path().display()), std::slice::from_ref(&batch), 1).await;
    let memory = SessionContext::new();
    memory.register_batch("t", batch).unwrap();
    let (z, e) = (long("z"), long("é"));
    let predicates = [
        "f > 0.5".to_owned(),
        "f > 1.0".to_owned(),
        "f >= 1e300".to_owned(),
        "f = -0.0".to_owned(),
        "f <= -0.0".to_owned(),
        "f is null".to_owned(),
        format!("s >= '{z}'"),
        format!("s = '{e}'"),
        format!("s > '{}'", "é".repeat(39)),
        "s = ''".to_owned(),
        "at >= timestamp '2023-11-14 22:13:20.123456Z'".to_owned(),
        "at < timestamp '1970-01-01 00:00:00Z'".to_owned(),
        "local >= timestamp '2023-11-14 22:13:20.123456'".to_owned(),
        "d = 1234567890123.4567890123".to_owned(),
        "d < 0".to_owned(),
        "day < date '0001-01-01'".to_owned(),
        "day > date '2500-01-01'".to_owned(),
        "none is null".to_owned(),
        "none is not null".to_owned(),
    ];
    for predicate in predicates {
        let sql = format!("select count(*) from t where {predicate}");
        let expected = memory.sql(&sql).await.unwrap().collect().await.unwrap();
        let found = collect(&lake, &files, &sql).await;
        let shown = |batches: &[RecordBatch]| pretty_format_batches(batches).unwrap().to_string();
        assert_eq!(shown(&found), shown(&expected), "{predicate}");
    }
    let counted = "select count(f), count(none), count(*), min(at), max(local), min(d), min(day) from t";
    let expected = memory.sql(counted).await.unwrap().collect().await.unwrap();
    let found = collect(&lake, &files, counted).await;
    assert_eq!(
        pretty_format_batches(&found).unwrap().to_string(),
        pretty_format_batches(&expected).unwrap().to_string()
    );
}

#[tokio::test]
async fn a_version_may_have_other_columns() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let location = format!("file://{}/t", folder.path().display());
    let first = load(&lake, &location, &[ids(0..3)], 1).await;
    let other = RecordBatch::try_from_iter([
        ("local", Arc::new(TimestampMicrosecondArray::from(vec![0])) as ArrayRef),
        ("a b,;{}()=", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
    ])
    .unwrap();
    let second = load(&lake, &location, &[other], 1).await;
    assert_eq!(
        ask(&lake, &second, "select local, \"a b,;{}()=\" + 1 from t").await,
        ["1970-01-01T00:00:00|8"]
    );
    assert_eq!(ask(&lake, &first, "select id, name from t where id = 2").await, ["2|name 2"]);
}

#[tokio::test]
async fn a_table_without_rows_has_columns() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let files = load(&lake, &format!("file://{}/t", folder.path().display()), &[ids(0..0)], 1).await;
    assert_eq!(ask(&lake, &files, "select count(*), max(name) from t").await, ["0|"]);
    assert_eq!(ask(&lake, &files, "select id from t where id > 3").await, Vec::<String>::new());
    assert_eq!(files.schema.fields().len(), 2);
}

#[tokio::test]
async fn one_failed_read_of_the_log_is_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let location = format!("file://{}/t", folder.path().display());
    let files = load(&lake, &location, &[ids(0..3)], 1).await;
    let (log, away) = (folder.path().join("t/_delta_log"), folder.path().join("t/_away"));
    std::fs::rename(&log, &away).unwrap();
    assert!(lake.provider(&files).await.is_err());
    std::fs::rename(&away, &log).unwrap();
    assert_eq!(ask(&lake, &files, "select count(*) from t").await, ["3"]);
}
