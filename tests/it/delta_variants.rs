//! Delta tables that others wrote, asked through the gateway: partitions, deletion vectors, renamed columns, and
//! features that are not known. Their logs are written by hand, as the protocol says them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use lakegate::catalog::publish::Catalog;
use lakegate::catalog::register::register;
use lakegate::error::{Error, ErrorKind, Result};
use lakegate::ingest::upkeep::vacuum;
use lakegate::store::record::{Format, TableRecord};
use serde_json::{Value, json};

use crate::support::deletion_vector;
use crate::support::gateway::Gateway;
use crate::support::upkeep::{AT_ONCE, MEMORY, lay, sorted};

/// One Parquet file of a table and what the log says of it.
struct File<'a> {
    /// As on the disk; the log has it encoded as a URL.
    path: &'a str,
    ids: &'a [i64],
    partition: Value,
    deletion_vector: Option<Value>,
}

fn file<'a>(path: &'a str, ids: &'a [i64]) -> File<'a> {
    File { path, ids, partition: json!({}), deletion_vector: None }
}

/// A table of `id`, `name` (`n` and the id) and perhaps a partition column, in the folder `table`.
struct Table<'a> {
    protocol: Value,
    /// Whether the columns are called otherwise in the files, and the mode of it.
    mapping: Option<&'a str>,
    /// The partition column and its type in the log.
    partition: Option<(&'a str, &'a str)>,
    files: Vec<File<'a>>,
}

impl Table<'_> {
    /// The name of a column in the files and in their statistics.
    fn physical(&self, name: &str) -> String {
        if self.mapping.is_some() { format!("col-{name}-7f") } else { name.to_owned() }
    }

    fn column(&self, id: usize, name: &str, of: &str) -> Value {
        let metadata = match self.mapping {
            Some(_) => json!({
                "delta.columnMapping.id": id, "delta.columnMapping.physicalName": self.physical(name),
                "delta.generationExpression": "upper(name)",
            }),
            None => json!({ "delta.generationExpression": "upper(name)" }),
        };
        json!({ "name": name, "type": of, "nullable": true, "metadata": metadata })
    }

    fn metadata(&self) -> Value {
        let mut columns = vec![self.column(1, "id", "long")];
        // In the middle, where a partition column may stand too.
        columns.extend(self.partition.map(|(name, of)| self.column(3, name, of)));
        columns.push(self.column(2, "name", "string"));
        let configuration = match self.mapping {
            Some(mode) => json!({ "delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "3" }),
            None => json!({}),
        };
        let partitions = self.partition.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        json!({ "metaData": {
            "id": "8f0a2a10-0000-4000-8000-000000000000",
            "format": { "provider": "parquet", "options": {} },
            "schemaString": json!({ "type": "struct", "fields": columns }).to_string(),
            "partitionColumns": partitions,
            "configuration": configuration,
            "createdTime": 0,
        }})
    }

    fn add(&self, folder: &Path, file: &File<'_>) -> Value {
        let path = folder.join(file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let field = |id: usize, name: &str, of| {
            let numbered = [("PARQUET:field_id".to_owned(), id.to_string())];
            Field::new(self.physical(name), of, true).with_metadata(numbered.into())
        };
        let schema = Schema::new(vec![field(1, "id", DataType::Int64), field(2, "name", DataType::Utf8)]);
        let ids: ArrayRef = Arc::new(Int64Array::from(file.ids.to_vec()));
        let names: ArrayRef =
            Arc::new(StringArray::from_iter_values(file.ids.iter().map(|id| format!("n{id}"))));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![ids, names]).unwrap();
        let to = std::fs::File::create(&path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(to, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let id = self.physical("id");
        let stats = json!({
            "numRecords": file.ids.len(),
            "minValues": { &id: file.ids.iter().min() },
            "maxValues": { &id: file.ids.iter().max() },
            "nullCount": { &id: 0 },
        });
        json!({ "add": {
            "path": encoded(file.path),
            "partitionValues": file.partition,
            "size": std::fs::metadata(&path).unwrap().len(),
            "modificationTime": 0,
            "dataChange": true,
            "stats": stats.to_string(),
            "deletionVector": file.deletion_vector,
        }})
    }

    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder.join("_delta_log")).unwrap();
        let mut actions = vec![json!({ "protocol": self.protocol }), self.metadata()];
        actions.extend(self.files.iter().map(|file| self.add(folder, file)));
        let lines = actions.iter().map(|action| format!("{action}\n")).collect::<String>();
        std::fs::write(folder.join("_delta_log/00000000000000000000.json"), lines).unwrap();
    }

    /// A gateway that serves this as `lake.t`.
    async fn served(&self) -> Gateway {
        let gateway = Gateway::start().await;
        let folder = gateway.folder.path().join("theirs");
        self.write(&folder);
        gateway.register(&"lake.t".parse().unwrap(), &folder, Format::Delta).await;
        gateway
    }

    /// Why this cannot be registered.
    async fn refused(&self) -> Error {
        let gateway = Gateway::start().await;
        let folder = gateway.folder.path().join("theirs");
        self.write(&folder);
        registered(&gateway, &folder).await.unwrap_err()
    }
}

async fn registered(gateway: &Gateway, folder: &Path) -> Result<TableRecord> {
    let catalog = Catalog::new(gateway.app.store.clone(), "test");
    let location = format!("file://{}", folder.display());
    register(&catalog, &gateway.app.lake, &"lake.t".parse().unwrap(), &location, Format::Delta).await
}

/// A path as the log has it.
fn encoded(path: &str) -> String {
    let parts = path.split('/');
    let encode =
        |part| percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string();
    parts.map(encode).collect::<Vec<_>>().join("/")
}

/// Asks each statement under its row rule (or under none), and compares the rows.
async fn answers(gateway: &Gateway, cases: &[(Option<&str>, &str, Value)]) {
    let grant = |(at, (rule, ..)): (usize, &(Option<&str>, &str, Value))| {
        let rows = rule.map(|rule| format!(", rows: {}", json!(rule))).unwrap_or_default();
        format!("  - {{ to: user:u{at}, on: lake.t, permissions: [select]{rows} }}\n")
    };
    let grants = cases.iter().enumerate().map(grant).collect::<String>();
    gateway.apply(&format!("grants:\n{grants}")).await.unwrap();
    let mut wrong = Vec::new();
    for (at, (rule, sql, expected)) in cases.iter().enumerate() {
        let answer = gateway.sql(&format!("u{at}"), sql).await;
        if answer.status != 200 || answer.json()["rows"] != *expected {
            wrong.push(format!("{rule:?} {sql}: {} instead of {expected}", answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const PLAIN: &str = r#"{ "minReaderVersion": 1, "minWriterVersion": 2 }"#;
const WITH_VECTORS: &str = r#"{ "minReaderVersion": 3, "minWriterVersion": 7,
    "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"] }"#;
const RENAMED: &str = r#"{ "minReaderVersion": 2, "minWriterVersion": 5 }"#;
const RENAMED_WITH_VECTORS: &str = r#"{ "minReaderVersion": 3, "minWriterVersion": 7,
    "readerFeatures": ["columnMapping", "deletionVectors"],
    "writerFeatures": ["columnMapping", "deletionVectors"] }"#;

fn protocol(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Files of a table with the text partition column that is called `column` in the log's values. `none` is a NULL.
fn by_region(column: &str, none: &Value) -> Vec<File<'static>> {
    let of = |path, ids, value: Value| File { partition: json!({ column: value }), ..file(path, ids) };
    vec![
        of("region=EU/a.parquet", &[1, 2, 3], json!("EU")),
        of("region=US/a.parquet", &[4], json!("US")),
        of("region=__HIVE_DEFAULT_PARTITION__/a.parquet", &[5], Value::Null),
        of("region=__HIVE_DEFAULT_PARTITION__/b.parquet", &[6], none.clone()),
        of("region=a%2Fb c%25é%3D'+&#?;/a.parquet", &[7], json!("a/b c%é='+&#?;")),
        of("region=__HIVE_DEFAULT_PARTITION__/c.parquet", &[8], json!("__HIVE_DEFAULT_PARTITION__")),
    ]
}

/// What holds for the table of [`by_region`] however its columns are called in its files.
fn region_cases() -> Vec<(Option<&'static str>, &'static str, Value)> {
    vec![
        (
            None,
            "select * from lake.t where id < 6 order by id",
            json!([[1, "n1", "EU"], [2, "n2", "EU"], [3, "n3", "EU"], [4, "n4", "US"], [5, "n5", null]]),
        ),
        (None, "select count(*), count(region), min(id), max(name) from lake.t", json!([[8, 6, 1, "n8"]])),
        (None, "select id from lake.t where region = 'a/b c%é=''+&#?;'", json!([[7]])),
        (
            None,
            "select distinct region from lake.t where region like '\\_%'",
            json!([["__HIVE_DEFAULT_PARTITION__"]]),
        ),
        (
            Some("region = 'EU'"),
            "select id, region from lake.t order by id",
            json!([[1, "EU"], [2, "EU"], [3, "EU"]]),
        ),
        (Some("region = 'EU'"), "select count(*) from lake.t", json!([[3]])),
        (Some("region = 'EU'"), "select distinct region from lake.t", json!([["EU"]])),
        (Some("region = 'EU'"), "select id from lake.t where 1 / (id - 4) <> 0 order by id", json!([[3]])),
        (Some("region is null"), "select id from lake.t order by id", json!([[5], [6]])),
        (
            Some("region = 'a/b c%é=''+&#?;'"),
            "select region, name from lake.t",
            json!([["a/b c%é='+&#?;", "n7"]]),
        ),
        (Some("region <> 'EU'"), "select count(*), min(id), max(id) from lake.t", json!([[3, 4, 8]])),
        (Some("name = 'n4'"), "select region from lake.t", json!([["US"]])),
        (Some("name = 'n4'"), "select count(*) from lake.t", json!([[1]])),
        (Some("name = 'n4'"), "select id from lake.t where region = 'EU'", json!([])),
        (
            Some("id in (2, 5) or region = 'US'"),
            "select id, region from lake.t order by id",
            json!([[2, "EU"], [4, "US"], [5, null]]),
        ),
        (Some("region = 'nowhere'"), "select count(*), max(id) from lake.t", json!([[0, null]])),
        (
            Some("region = 'EU'"),
            "select a.id from lake.t a join lake.t b on a.id = b.id - 1 order by 1 limit 2",
            json!([[1], [2]]),
        ),
    ]
}

#[tokio::test]
async fn partitions_of_others_are_read_with_and_without_rules() {
    // Also where columns could be renamed, and are not.
    for text in [PLAIN, RENAMED, RENAMED_WITH_VECTORS] {
        let table = Table {
            protocol: protocol(text),
            mapping: None,
            partition: Some(("region", "string")),
            // An empty text is NULL in a log.
            files: by_region("region", &json!("")),
        };
        answers(&table.served().await, &region_cases()).await;
    }
}

#[tokio::test]
async fn a_partition_has_a_value_of_its_type() {
    for (of, text, next, rule, shown) in [
        ("integer", "-7", "8", "p = -7", json!(-7)),
        ("long", "9007199254740993", "1", "p = 9007199254740993", json!(9_007_199_254_740_993_i64)),
        ("boolean", "true", "false", "p", json!(true)),
        ("double", "1.5", "-0.5", "p > 1", json!(1.5)),
        ("decimal(10,2)", "12.30", "12.31", "p = 12.3", json!("12.30")),
        ("date", "2024-02-29", "1969-12-31", "p = date '2024-02-29'", json!("2024-02-29")),
        (
            "timestamp",
            "2024-02-29 12:34:56.789",
            "2024-02-29 12:34:56",
            "p = timestamp '2024-02-29 12:34:56.789Z'",
            json!("2024-02-29T12:34:56.789Z"),
        ),
        (
            "timestamp",
            "2024-02-29T12:34:56.789000Z",
            "1970-01-01T00:00:00Z",
            "p = timestamp '2024-02-29 12:34:56.789Z'",
            json!("2024-02-29T12:34:56.789Z"),
        ),
    ] {
        let with = |path, ids, value: Value| File { partition: json!({ "p": value }), ..file(path, ids) };
        let table = Table {
            protocol: protocol(PLAIN),
            mapping: None,
            partition: Some(("p", of)),
            files: vec![
                with("a.parquet", &[1], json!(text)),
                with("b.parquet", &[2], json!(next)),
                with("c.parquet", &[3], Value::Null),
            ],
        };
        let cases = [
            (None, "select count(*), count(p) from lake.t", json!([[3, 2]])),
            (Some(rule), "select id, p from lake.t", json!([[1, shown]])),
            (Some("p is null"), "select id, p from lake.t", json!([[3, null]])),
        ];
        answers(&table.served().await, &cases).await;
    }
}

#[tokio::test]
async fn a_partition_value_of_another_type_is_refused_without_being_shown() {
    let table = Table {
        protocol: protocol(PLAIN),
        mapping: None,
        partition: Some(("p", "integer")),
        files: vec![File { partition: json!({ "p": "hush" }), ..file("a.parquet", &[1]) }],
    };
    let error = table.refused().await;
    assert_eq!(error.kind().code(), "invalid_request");
    assert!(error.detail().ends_with("has a partition value that does not fit its column"), "{error}");
}

/// Rows 2 and 4 are deleted in one file, row 7 in another, and nothing in the third.
fn vector_cases() -> Vec<(Option<&'static str>, &'static str, Value)> {
    vec![
        (
            None,
            "select id, name from lake.t order by id",
            json!([[1, "n1"], [3, "n3"], [5, "n5"], [6, "n6"], [8, "n8"], [9, "n9"]]),
        ),
        (None, "select count(*), sum(id), min(id), max(id) from lake.t", json!([[6, 32, 1, 9]])),
        (None, "select count(*) from lake.t", json!([[6]])),
        (None, "select count(*) from (select id from lake.t limit 5)", json!([[5]])),
        (None, "select id from lake.t where id in (2, 3, 4, 7)", json!([[3]])),
        (Some("id <= 5"), "select count(*) from lake.t", json!([[3]])),
        (Some("id <= 5"), "select name from lake.t order by name desc", json!([["n5"], ["n3"], ["n1"]])),
        (Some("id in (2, 4, 7)"), "select count(*), max(name) from lake.t", json!([[0, null]])),
        (Some("name > 'n5'"), "select id from lake.t order by id limit 2", json!([[6], [8]])),
        (
            Some("id <> 6"),
            "select id from lake.t where 1 / (id - 6) >= 0 order by id",
            json!([[1], [3], [8], [9]]),
        ),
        (
            Some("id < 8"),
            "select a.id from lake.t a join lake.t b using (id) order by 1",
            json!([[1], [3], [5], [6]]),
        ),
    ]
}

fn with_vectors(mapping: Option<&'static str>, text: &str, first: Value, second: Value) -> Table<'static> {
    Table {
        protocol: protocol(text),
        mapping,
        partition: None,
        files: vec![
            File { deletion_vector: Some(first), ..file("a.parquet", &[1, 2, 3, 4, 5]) },
            File { deletion_vector: Some(second), ..file("b.parquet", &[6, 7, 8]) },
            file("c.parquet", &[9]),
        ],
    }
}

#[tokio::test]
async fn rows_that_a_deletion_vector_names_are_gone() {
    let table =
        with_vectors(None, WITH_VECTORS, deletion_vector::inline(&[1, 3]), deletion_vector::inline(&[1]));
    answers(&table.served().await, &vector_cases()).await;
}

#[tokio::test]
async fn deletion_vectors_in_a_file_are_read() {
    let gateway = Gateway::start().await;
    let folder = gateway.folder.path().join("theirs");
    std::fs::create_dir_all(&folder).unwrap();
    let [first, second] = deletion_vector::in_file(&folder, [&[1, 3], &[1]]);
    with_vectors(None, WITH_VECTORS, first, second).write(&folder);
    gateway.register(&"lake.t".parse().unwrap(), &folder, Format::Delta).await;
    answers(&gateway, &vector_cases()).await;
}

/// A table of another system may lie in the lake. What its files do not say alone is not laid anew, and none of them goes.
#[tokio::test(flavor = "multi_thread")]
async fn tables_in_the_lake_that_files_alone_do_not_say_are_left_to_whoever_wrote_them() {
    let gateway = Gateway::start().await;
    let lake = url::Url::parse(&gateway.app.config.lake.root).unwrap().to_file_path().unwrap();
    let in_lake = |name: &str| {
        let folder = lake.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let vectors = in_lake("vectors");
    let [first, second] = deletion_vector::in_file(&vectors, [&[1, 3], &[1]]);
    with_vectors(None, WITH_VECTORS, first, second).write(&vectors);
    let parts = in_lake("parts");
    let files = by_region("region", &Value::Null);
    Table { protocol: protocol(PLAIN), mapping: None, partition: Some(("region", "string")), files }
        .write(&parts);
    let plain = in_lake("plain");
    let files = vec![file("a b/1 ü%.parquet", &[1, 2]), file("c", &[3])];
    Table { protocol: protocol(PLAIN), mapping: None, partition: None, files }.write(&plain);

    for (name, folder, may) in
        [("lake.vectors", &vectors, false), ("lake.parts", &parts, false), ("lake.t", &plain, true)]
    {
        let stored = aged(folder);
        gateway.register(&name.parse().unwrap(), folder, Format::Delta).await;
        let removed = vacuum(&gateway.ingestion(MEMORY), &name.parse().unwrap(), AT_ONCE, false).await;
        match removed {
            Ok(done) => assert!(may && done.files == 0, "{done:?}"),
            Err(error) => assert!(!may && error.kind() == ErrorKind::InvalidRequest, "{error:?}"),
        }
        // The library writes the name of a file that goes as it would spell it, which these tables do not.
        let error = lay(&gateway, name, &sorted(&["id"])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
        assert_eq!(aged(folder), stored);
    }
    answers(&gateway, &[(None, "select id from lake.t order by 1", json!([[1], [2], [3]]))]).await;
}

/// All files below `folder`, which are old from now on.
fn aged(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    let then = SystemTime::now() - Duration::from_secs(8 * 86_400);
    for path in &found {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    found.sort();
    found
}

#[tokio::test]
async fn columns_that_are_called_otherwise_in_the_files_are_found() {
    for mode in ["name", "id"] {
        let table = Table {
            protocol: protocol(RENAMED),
            mapping: Some(mode),
            partition: Some(("region", "string")),
            files: by_region("col-region-7f", &Value::Null),
        };
        answers(&table.served().await, &region_cases()).await;
    }
    let (first, second) = (deletion_vector::inline(&[1, 3]), deletion_vector::inline(&[1]));
    let both = with_vectors(Some("name"), RENAMED_WITH_VECTORS, first, second);
    answers(&both.served().await, &vector_cases()).await;
}

#[tokio::test]
async fn what_would_be_read_wrong_is_refused() {
    let table = Table {
        protocol: protocol(RENAMED),
        mapping: Some("name"),
        partition: Some(("region", "string")),
        files: by_region("col-region-7f", &json!("")),
    };
    let error = table.refused().await;
    assert_eq!(error.kind().code(), "invalid_request");
    assert!(error.detail().contains("has empty partition values"), "{error}");
}

/// A log says which files are read, and must not say those of another table.
#[tokio::test]
async fn a_file_outside_of_the_folder_is_refused() {
    for (mapping, text) in [(None, PLAIN), (Some("name"), RENAMED)] {
        for path in ["../other/a.parquet", "file:///tmp/a.parquet", "s3://bucket/a.parquet"] {
            let gateway = Gateway::start().await;
            let folder = gateway.folder.path().join("theirs");
            let files = vec![file("a.parquet", &[1])];
            Table { protocol: protocol(text), mapping, partition: None, files }.write(&folder);
            let log = folder.join("_delta_log/00000000000000000000.json");
            let written = std::fs::read_to_string(&log).unwrap();
            let path = json!({ "path": path }).to_string();
            let moved = written.replace(r#""path":"a%2Eparquet""#, &path[1..path.len() - 1]);
            assert_ne!(moved, written);
            std::fs::write(&log, moved).unwrap();
            let error = registered(&gateway, &folder).await.unwrap_err();
            assert_eq!(error.kind().code(), "invalid_request");
            assert!(error.detail().contains("names a file that cannot be read"), "{error}");
        }
    }
}

/// What the log says of a column may name another one, which is hidden.
#[tokio::test]
async fn what_the_log_says_of_columns_is_not_in_a_result() {
    for (mapping, text) in [(None, PLAIN), (Some("name"), RENAMED)] {
        let table = Table {
            protocol: protocol(text),
            mapping,
            partition: None,
            files: vec![file("a.parquet", &[1])],
        };
        let gateway = table.served().await;
        let columns = "columns: { include: [id] }";
        let grant = format!("grants:\n  - {{ to: user:bo, on: lake.t, permissions: [select], {columns} }}\n");
        gateway.apply(&grant).await.unwrap();
        for format in ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"] {
            let request = gateway
                .request(reqwest::Method::POST, "/v1/sql")
                .bearer_auth(gateway.token("bo"))
                .header("accept", format)
                .json(&json!({ "sql": "select id from lake.t" }));
            let answer = gateway.send(request).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            for hidden in ["delta.", "upper(name)", "col-id-7f", "PARQUET:field_id"] {
                assert!(!answer.text().contains(hidden), "{mapping:?} {format}: {hidden}\n{}", answer.text());
            }
        }
    }
}

/// A reader must not read what it does not understand.
#[tokio::test]
async fn a_feature_that_is_not_known_is_named_when_the_table_is_registered() {
    for feature in ["madeUp", "catalogManaged", "variantType", "typeWidening"] {
        let known = ["deletionVectors", feature];
        let table = Table {
            protocol: json!({
                "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": known, "writerFeatures": known,
            }),
            mapping: None,
            partition: None,
            files: vec![file("a.parquet", &[1])],
        };
        let error = table.refused().await;
        assert_eq!(error.kind().code(), "invalid_request", "{feature}: {error:?}");
        assert!(error.detail().contains(&format!("`{feature}`")), "{error}");
    }
    let table = Table {
        protocol: json!({ "minReaderVersion": 9, "minWriterVersion": 9 }),
        mapping: None,
        partition: None,
        files: vec![file("a.parquet", &[1])],
    };
    let error = table.refused().await;
    assert_eq!(error.kind().code(), "invalid_request", "{error}");
    assert!(error.detail().contains("version 9"), "{error}");
}
