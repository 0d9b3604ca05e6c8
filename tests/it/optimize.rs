//! Tables whose rows are laid anew: the same rows for everybody, in files of which a query leaves most out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use lakegate::error::ErrorKind;
use lakegate::ingest::upkeep::{Arrangement, Order, Wanted};
use lakegate::policy::model::TableName;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::upkeep::{curved, files, lay, log, names, parted, sorted};
use crate::support::versions::{append, leave_unpublished, publish};

const COLUMNS: [&str; 4] = ["id bigint", "owner varchar", "at timestamp", "size double"];

/// Rows with scattered ids, of three owners over three months.
fn rows(ids: std::ops::Range<i64>) -> String {
    let row = |id: i64| {
        let scattered = id * 7919 % 1009;
        let owner = [Value::Null, json!("ana"), json!("bo")][usize::try_from(id % 3).unwrap()].clone();
        let at = format!("2026-{:02}-{:02}T12:00:00", 1 + id % 3, 1 + id % 28);
        json!({ "id": scattered, "owner": owner, "at": at, "size": id as f64 / 4.0 }).to_string()
    };
    ids.map(row).collect::<Vec<_>>().join("\n")
}

/// `s.t` in four files with 40 rows each.
async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    publish(&gateway, "s.t", &COLUMNS, &rows(0..40)).await;
    for part in 1..4 {
        append(&gateway, "s.t", &COLUMNS, &rows(part * 40..part * 40 + 40)).await;
    }
    let policy = "
grants:
  - { to: 'user:ana', on: s.t, permissions: [select], columns: { exclude: [size] }, rows: \"owner = 'ana'\" }
  - { to: 'user:mia', on: s.t, permissions: [select] }
";
    gateway.with_policy(policy).await
}

async fn seen(gateway: &Gateway, who: &str) -> Value {
    let answer = gateway.sql(who, "SELECT * FROM s.t ORDER BY id, at").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"].clone()
}

fn open(gateway: &Gateway, path: &str) -> File {
    let folder = url::Url::parse(log(gateway, "s.t").location()).unwrap().to_file_path().unwrap();
    File::open(folder.join(path)).unwrap()
}

fn footer(gateway: &Gateway, path: &str) -> (SerializedFileReader<File>, ParquetMetaData) {
    let reader = SerializedFileReader::new(open(gateway, path)).unwrap();
    let metadata = reader.metadata().clone();
    (reader, metadata)
}

fn ids(gateway: &Gateway, path: &str) -> Vec<i64> {
    let rows = footer(gateway, path).0.into_iter().map(|row| row.unwrap().get_long(0).unwrap());
    rows.collect()
}

fn bound(file: &deltalake_core::kernel::Add, what: &str, column: &str) -> Value {
    let stats: Value = serde_json::from_str(file.stats.as_deref().unwrap()).unwrap();
    stats[what][column].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn sorted_rows_are_the_same_rows_in_one_file() {
    let gateway = gateway().await;
    let (ana, mia) = (seen(&gateway, "ana").await, seen(&gateway, "mia").await);
    assert_eq!((ana.as_array().unwrap().len(), mia.as_array().unwrap().len()), (53, 160));
    let done = lay(&gateway, "s.t", &sorted(&["id"])).await.unwrap();
    assert_eq!((done.version, done.rows, done.before.files, done.after.files), (Some(4), 160, 4, 1));
    assert_eq!((seen(&gateway, "ana").await, seen(&gateway, "mia").await), (ana.clone(), mia.clone()));
    let laid = files(&gateway, "s.t").await;
    let order = ids(&gateway, &laid[0].path);
    assert!(order.len() == 160 && order.is_sorted(), "{order:?}");

    // Once more there is nothing to do, and no version.
    let again = lay(&gateway, "s.t", &Wanted::default()).await.unwrap();
    assert_eq!((again.version, again.rows), (None, 0));
    assert_eq!(
        again.arrangement,
        Arrangement { order: Order::Sort(names(&["id"])), ..Arrangement::default() }
    );
    // What comes in later is sorted with the rest, as the table remembers.
    append(&gateway, "s.t", &COLUMNS, &rows(160..170)).await;
    let later = lay(&gateway, "s.t", &Wanted::default()).await.unwrap();
    assert_eq!((later.version, later.rows, later.after.files), (Some(6), 170, 1));
    assert!(ids(&gateway, &files(&gateway, "s.t").await[0].path).is_sorted());
    // A table that is brought in whole again remembers too.
    publish(&gateway, "s.t", &COLUMNS, &rows(0..40)).await;
    assert_eq!(lay(&gateway, "s.t", &Wanted::default()).await.unwrap().rows, 40);
    // The versions before are there as they were.
    let then = gateway.sql("mia", "SELECT * FROM s.t VERSION AS OF 3 ORDER BY id, at").await;
    assert_eq!(then.json()["rows"], mia);

    let log = gateway.get("admin", "/v1/audit?action=optimize").await.json();
    let first = log["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&first["tables"], &first["policy"]["version"]), (&json!(["s.t"]), &json!(4)), "{first}");
    assert_eq!(first["policy"]["arrangement"], json!({ "order": { "sort": ["id"] } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_become_large_ones_and_nothing_else_changes() {
    let gateway = gateway().await;
    let before = seen(&gateway, "mia").await;
    let mut order = Vec::new();
    let mut there = files(&gateway, "s.t").await;
    there.sort_by_key(|file| file.modification_time);
    for file in &there {
        order.extend(ids(&gateway, &file.path));
    }
    let done = lay(&gateway, "s.t", &Wanted::default()).await.unwrap();
    assert_eq!((done.rows, done.before.files, done.after.files), (160, 4, 1));
    assert_eq!(seen(&gateway, "mia").await, before);
    let mut kept = ids(&gateway, &files(&gateway, "s.t").await[0].path);
    kept.sort_unstable();
    order.sort_unstable();
    assert_eq!(kept, order);
    assert_eq!(lay(&gateway, "s.t", &Wanted::default()).await.unwrap().version, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_have_files_of_their_own_and_only_those_with_new_rows_are_written_anew() {
    let gateway = gateway().await;
    let (ana, mia) = (seen(&gateway, "ana").await, seen(&gateway, "mia").await);
    let wanted = Wanted { order: Some(Order::Sort(names(&["id"]))), ..parted(&["month(at)", "owner"]) };
    let done = lay(&gateway, "s.t", &wanted).await.unwrap();
    assert_eq!(done.after.files, 3, "each owner has a month");
    assert_eq!((seen(&gateway, "ana").await, seen(&gateway, "mia").await), (ana, mia));
    let mut found = BTreeMap::new();
    for file in files(&gateway, "s.t").await {
        let month = bound(&file, "minValues", "at").as_str().unwrap()[..7].to_owned();
        assert!(bound(&file, "maxValues", "at").as_str().unwrap().starts_with(&month));
        assert_eq!(bound(&file, "minValues", "owner"), bound(&file, "maxValues", "owner"));
        assert!(ids(&gateway, &file.path).is_sorted());
        found.insert(month, (bound(&file, "minValues", "owner"), file.path));
    }
    let owners = found.values().map(|(owner, _)| owner.clone()).collect::<Vec<_>>();
    assert_eq!(owners, [Value::Null, json!("ana"), json!("bo")]);

    append(&gateway, "s.t", &COLUMNS, r#"{"id":5,"owner":"bo","at":"2026-03-31T23:59:59.999999"}"#).await;
    append(&gateway, "s.t", &COLUMNS, r#"{"id":6,"owner":"bo","at":"2026-04-01T00:00:00"}"#).await;
    append(&gateway, "s.t", &COLUMNS, r#"{"id":7,"owner":"null","at":"2026-01-01T00:00:00"}"#).await;
    let done = lay(&gateway, "s.t", &Wanted::default()).await.unwrap();
    assert_eq!((done.rows, done.before.files, done.after.files), (53 + 3, 6, 5));
    let now = files(&gateway, "s.t").await.into_iter().map(|file| file.path).collect::<BTreeSet<_>>();
    assert!(now.contains(&found["2026-01"].1) && now.contains(&found["2026-02"].1));
    assert!(!now.contains(&found["2026-03"].1));
    assert_eq!(seen(&gateway, "mia").await.as_array().unwrap().len(), 163);
}

/// Two columns that have nothing to do with each other: whatever piece of the file is looked at, most of its rows are near in
/// both.
#[tokio::test(flavor = "multi_thread")]
async fn along_a_z_order_rows_side_by_side_are_near_in_all_columns() {
    let gateway = Gateway::start().await;
    let row = |n: i64| format!(r#"{{"a":{},"b":{}}}"#, n * 7919 % 100_003, n * 104_729 % 99_991);
    let text = (0..200_000).map(row).collect::<Vec<_>>().join("\n");
    publish(&gateway, "s.t", &["a bigint", "b bigint"], &text).await;
    let done = lay(&gateway, "s.t", &curved(&["a", "b"])).await.unwrap();
    assert_eq!((done.rows, done.after.files), (200_000, 1));
    let (_, metadata) = footer(&gateway, &files(&gateway, "s.t").await[0].path);
    assert_eq!(metadata.num_row_groups(), 2, "small enough that some can be left out");
    let file = open(&gateway, &files(&gateway, "s.t").await[0].path);
    let pieces =
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_batch_size(200_000 / 16).build();
    let mut widths = [0, 0];
    for piece in pieces.unwrap() {
        for (column, width) in piece.unwrap().columns().iter().zip(&mut widths) {
            let mut values = column.as_primitive::<Int64Type>().values().to_vec();
            values.sort_unstable();
            *width += (values[values.len() * 9 / 10] - values[values.len() / 10]) / 16;
        }
    }
    assert!(widths.iter().all(|width| *width < 40_000), "of 100,000, of which most rows have {widths:?}");
}

/// A value that is in none of the row groups, though it is between their bounds, is looked for in none.
#[tokio::test(flavor = "multi_thread")]
async fn a_bloom_filter_leaves_row_groups_out() {
    let gateway = gateway().await;
    let wanted = Wanted { bloom: Some(names(&["owner"])), ..Wanted::default() };
    let pruned = async || {
        let schema =
            gateway.app.state().state.tables[&"s.t".parse::<TableName>().unwrap()].value.schema.clone();
        let provider = log(&gateway, "s.t").reading(&schema, &files(&gateway, "s.t").await).unwrap();
        let session = SessionContext::new();
        session.register_table("t", provider).unwrap();
        let plan = session.sql("SELECT id FROM t WHERE owner = 'ann'").await.unwrap();
        let plan = plan.create_physical_plan().await.unwrap();
        let found = collect(Arc::clone(&plan), session.task_ctx()).await.unwrap();
        assert_eq!(found.iter().map(|batch| batch.num_rows()).sum::<usize>(), 0);
        let mut pruned = 0;
        let mut nodes = vec![plan];
        while let Some(node) = nodes.pop() {
            for metric in node.metrics().iter().flat_map(|metrics| metrics.iter()) {
                if metric.value().name() == "row_groups_pruned_bloom_filter" {
                    pruned += usize::from(metric.value().to_string().starts_with("1 total → 0 "));
                }
            }
            nodes.extend(node.children().into_iter().cloned());
        }
        pruned
    };
    assert_eq!(pruned().await, 0);
    lay(&gateway, "s.t", &wanted).await.unwrap();
    let (_, metadata) = footer(&gateway, &files(&gateway, "s.t").await[0].path);
    let with = metadata.row_group(0).columns().iter().map(|column| column.bloom_filter_offset().is_some());
    assert_eq!(with.collect::<Vec<_>>(), [false, true, false, false]);
    assert_eq!(pruned().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_laid_is_told() {
    let gateway = gateway().await.with_csv("s.people", "id,name\n1,Ann\n").await;
    let refused = async |table: &str, wanted: Wanted| {
        let error = lay(&gateway, table, &wanted).await.unwrap_err();
        (error.kind(), error.detail().to_owned())
    };
    let (kind, detail) = refused("s.people", sorted(&["id"])).await;
    assert_eq!(kind, ErrorKind::InvalidRequest);
    assert_eq!(detail, "`s.people` is a registered folder: the system that writes it keeps it in shape");
    assert_eq!(refused("s.none", sorted(&["id"])).await.0, ErrorKind::TableNotFound);
    assert_eq!(
        refused("s.t", sorted(&["ID"])).await,
        (ErrorKind::ColumnNotFound, "column not found: `ID`".to_owned())
    );
    assert_eq!(refused("s.t", parted(&["month(id)"])).await.0, ErrorKind::InvalidRequest);
    let log = gateway.get("admin", "/v1/audit?action=optimize").await.json();
    assert_eq!(log["items"][0]["verdict"], "failed", "{log}");
    assert_eq!(files(&gateway, "s.t").await.len(), 4);

    // More parts than files should be.
    let many = (0..10_001).map(|id| format!(r#"{{"id":{id}}}"#)).collect::<Vec<_>>().join("\n");
    publish(&gateway, "s.t", &COLUMNS, &many).await;
    let (kind, detail) = refused("s.t", parted(&["id"])).await;
    assert_eq!(kind, ErrorKind::LimitExceeded);
    assert_eq!(detail, "the rows would be in more than 10000 parts: choose coarser ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_table_and_an_unpublished_commit_are_no_trouble() {
    let gateway = Gateway::start().await;
    publish(&gateway, "s.t", &["id bigint"], "").await;
    assert_eq!(lay(&gateway, "s.t", &sorted(&["id"])).await.unwrap().after.files, 0);
    publish(&gateway, "s.t", &["id bigint"], "{\"id\":2}\n{\"id\":1}").await;
    let left =
        leave_unpublished(&gateway, "s.t", &["id bigint", "more bigint"], r#"{"id":9,"more":9}"#).await;
    let done = lay(&gateway, "s.t", &Wanted::default()).await.unwrap();
    assert_eq!((done.version, done.rows), (Some(left + 1), 2));
    let gateway = gateway.with_policy("grants: [{ to: public, on: s.t, permissions: [select] }]").await;
    assert_eq!(gateway.sql("ana", "SELECT * FROM s.t").await.json()["rows"], json!([[1], [2]]));
}

/// Rows come in all the while, from a writer that knows nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_lost_or_doubled_when_rows_come_in_meanwhile() {
    let gateway = Arc::new(gateway().await);
    let writer = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move {
            for part in 4..16 {
                append(&gateway, "s.t", &COLUMNS, &rows(part * 40..part * 40 + 40)).await;
            }
        }
    });
    let mut laid = 0;
    let mut turns = [sorted(&["id"]), parted(&["month(at)"]), curved(&["id", "at"])].into_iter().cycle();
    while !writer.is_finished() {
        let wanted = turns.next().unwrap();
        match lay(&gateway, "s.t", &wanted).await {
            Ok(done) => laid += usize::from(done.version.is_some()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
        }
    }
    writer.await.unwrap();
    assert!(laid > 0);
    lay(&gateway, "s.t", &sorted(&["size"])).await.unwrap();
    let sql = "SELECT count(*), count(DISTINCT size), min(size), max(size) FROM s.t";
    assert_eq!(gateway.sql("mia", sql).await.json()["rows"], json!([[640, 640, 0.0, 159.75]]));
}
