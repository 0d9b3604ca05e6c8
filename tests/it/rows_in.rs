//! `POST /v1/tables/{database}/{table}/rows`: what is added, what is refused, and that a refusal tells nothing.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array,
    Float64Array, Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray,
    StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Schema};
use lakegate::catalog::publish::Catalog;
use lakegate::ingest::drift::OnDrift;
use lakegate::ingest::mode::Mode;
use lakegate::ingest::progress::{Progress, Silent};
use lakegate::ingest::rows::Inserts;
use lakegate::ingest::source::files::{CsvOptions, FileOptions};
use lakegate::ingest::source::{self, ReadOptions};
use lakegate::ingest::{self, Job};
use lakegate::policy::model::TableName;
use lakegate::store::AuditFilter;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Response};

const NDJSON: &str = "application/x-ndjson";
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Makes `sales.{name}` of `batch`, as an ingestion does.
async fn bring_in(gateway: &Gateway, name: &str, batch: &RecordBatch) {
    let folder = gateway.folder.path().join("in");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.parquet"));
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None)
            .unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    let context = gateway.ingestion(64 << 20);
    let files = FileOptions { lake: context.lake.clone(), csv: CsvOptions::default(), rejects: None };
    let url = url::Url::from_file_path(&path).unwrap().to_string();
    let mut source = source::open_with_files(&url, ReadOptions::default(), files).await.unwrap();
    let job = Job {
        tables: vec!["*".to_owned()],
        into: "sales".to_owned(),
        mode: Mode::Snapshot,
        on_drift: OnDrift::Replace,
        ..Job::default()
    };
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let summary = ingest::run(&context, source.as_mut(), &job, &progress).await.unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    gateway.app.refresh().await.unwrap();
}

fn orders() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("note", DataType::Utf8, true),
        Field::new("secret", DataType::Int64, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["first"])),
        Arc::new(Int64Array::from(vec![42])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

const POLICY: &str = "
grants:
  - { to: user:ana, on: \"sales.*\", permissions: [select, insert] }
  - { to: user:part, on: sales.orders, permissions: [select], columns: { include: [id, note] } }
  - { to: user:part, on: sales.orders, permissions: [insert] }
  - { to: user:blind, on: sales.orders, permissions: [insert] }
  - { to: user:reader, on: sales.orders, permissions: [select] }
  - { to: user:teller, on: sales.orders, permissions: [describe, insert] }
restrictions:
  - { name: no_secret, on: sales.orders.secret, hide: true, except: [user:ana] }
";

async fn shop() -> Gateway {
    let gateway = Gateway::start().await;
    bring_in(&gateway, "orders", &orders()).await;
    gateway.with_policy(POLICY).await
}

async fn send(
    gateway: &Gateway,
    who: &str,
    table: &str,
    form: &str,
    body: impl Into<reqwest::Body>,
) -> Response {
    let request = gateway
        .request(reqwest::Method::POST, &format!("/v1/tables/{table}/rows"))
        .bearer_auth(gateway.token(who))
        .header("content-type", form)
        .body(body);
    gateway.send(request).await
}

async fn rows(gateway: &Gateway, sql: &str) -> Value {
    let answer = gateway.sql("ana", sql).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"].clone()
}

fn stream(batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<u8> {
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn plain(batch: &RecordBatch) -> Vec<u8> {
    stream(std::slice::from_ref(batch), IpcWriteOptions::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_every_type_are_added_as_they_were_sent() {
    let gateway = Gateway::start().await;
    let item = Arc::new(Field::new("n", DataType::Int64, true));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("flag", Arc::new(BooleanArray::from(vec![true]))),
        ("small", Arc::new(Int16Array::from(vec![i16::MIN]))),
        ("whole", Arc::new(Int32Array::from(vec![7]))),
        ("big", Arc::new(Int64Array::from(vec![i64::MAX]))),
        ("single", Arc::new(Float32Array::from(vec![0.1]))),
        ("double", Arc::new(Float64Array::from(vec![0.1]))),
        ("price", Arc::new(Decimal128Array::from(vec![1250]).with_precision_and_scale(20, 2).unwrap())),
        ("name", Arc::new(StringArray::from(vec!["ü\u{0}\n"]))),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"\0\xff"[..]]))),
        ("day", Arc::new(Date32Array::from(vec![-719_162]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![-1]))),
        ("zoned", Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None])]))),
        (
            "object",
            Arc::new(StructArray::from(vec![(item, Arc::new(Int64Array::from(vec![5])) as ArrayRef)])),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, column)| (*name, Arc::clone(column), true)),
    )
    .unwrap();
    bring_in(&gateway, "all", &batch).await;
    let gateway = gateway.with_policy(POLICY).await;
    let first = rows(&gateway, "SELECT * FROM sales.all").await[0].clone();
    // What a result has can be sent as it is.
    let names = columns.iter().map(|(name, _)| *name);
    let line: serde_json::Map<String, Value> =
        names.zip(first.as_array().unwrap()).map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let body = format!("{}\n{{}}\n", Value::Object(line));
    let answer = send(&gateway, "ana", "sales/all", NDJSON, body).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "rows": 2 })), "{}", answer.text());
    let answer = send(&gateway, "ana", "sales/all", ARROW, plain(&batch)).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "rows": 1 })), "{}", answer.text());
    let all = rows(&gateway, "SELECT * FROM sales.all ORDER BY flag NULLS LAST").await;
    let nothing = Value::Array(vec![Value::Null; columns.len()]);
    assert_eq!(all, json!([first, first, first, nothing]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_as_a_whole() {
    let gateway = shop().await;
    let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::from_iter(["x"]));
    let views: ArrayRef = Arc::new(StringViewArray::from(vec!["x"]));
    let one = |name: &str, column: ArrayRef| {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![2]));
        RecordBatch::try_from_iter([("id", id), (name, column)]).unwrap()
    };
    let good = one("note", Arc::new(StringArray::from(vec!["x"])));
    let whole = plain(&good);
    let compressed = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).unwrap();
    let text = |text: &str| text.as_bytes().to_vec();
    for (form, body, code, told) in [
        (
            NDJSON,
            text("{\"id\":2}\n{\"id\":3}\n{\"id\":\"x\"}\n"),
            "invalid_request",
            "line 3: `id` is `x`, which its column cannot hold",
        ),
        (
            NDJSON,
            text("{\"id\":9223372036854775808}"),
            "invalid_request",
            "line 1: `id` is `9223372036854775808`",
        ),
        (NDJSON, text("{\"id\":2.0}"), "invalid_request", "line 1"),
        (NDJSON, text("{\"id\":2,\"note\":3}"), "invalid_request", "line 1: `note`"),
        (NDJSON, text("{\"id\":2,\"id\":3}"), "invalid_request", "line 1: the key `id` is there twice"),
        (NDJSON, text("\n{\"id\":2} x"), "invalid_request", "line 2"),
        (NDJSON, text("[1]"), "invalid_request", "line 1: it is a list and no object"),
        (NDJSON, text("{\"note\":\"x\"}"), "invalid_request", "line 1: `id` must have a value"),
        (NDJSON, text("{\"id\":null}"), "invalid_request", "line 1: `id` must have a value"),
        (NDJSON, text("{\"id\":2,\"ID\":3}"), "column_not_found", "line 1: column not found: `ID`"),
        ("application/json", text("{\"id\":2}"), "invalid_request", "send `application/x-ndjson`"),
        (ARROW, whole[..whole.len() - 8].to_vec(), "invalid_request", "no whole, uncompressed stream"),
        (ARROW, whole[..whole.len() / 2].to_vec(), "invalid_request", "no whole, uncompressed stream"),
        (ARROW, [&whole[..], &whole].concat(), "invalid_request", "no whole, uncompressed stream"),
        (ARROW, b"garbage".to_vec(), "invalid_request", "no whole, uncompressed stream"),
        (ARROW, Vec::new(), "invalid_request", "no whole, uncompressed stream"),
        (
            ARROW,
            stream(std::slice::from_ref(&good), compressed),
            "invalid_request",
            "no whole, uncompressed stream",
        ),
        (ARROW, plain(&one("note", dictionary)), "invalid_request", "column `note` is `Dictionary"),
        (ARROW, plain(&one("note", views)), "invalid_request", "column `note` is `Utf8View`"),
        (
            ARROW,
            plain(&one("note", Arc::new(Int64Array::from(vec![1])))),
            "invalid_request",
            "column `note` is `Int64` and should be `Utf8`",
        ),
        (
            ARROW,
            plain(&one("other", Arc::new(Int64Array::from(vec![1])))),
            "column_not_found",
            "column not found: `other`",
        ),
        (ARROW, plain(&good.project(&[1]).unwrap()), "invalid_request", "`id` must have a value in each row"),
    ] {
        let answer = send(&gateway, "ana", "sales/orders", form, body).await;
        assert_eq!(answer.code(), code, "{}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains(told), "{told}: {}", answer.text());
    }
    assert_eq!(rows(&gateway, "SELECT * FROM sales.orders").await, json!([[1, "first", 42]]));
    // Smaller integers are the same numbers; a value is never cut.
    let small =
        RecordBatch::try_from_iter([("id", Arc::new(Int16Array::from(vec![7])) as ArrayRef)]).unwrap();
    assert_eq!(send(&gateway, "ana", "sales/orders", ARROW, plain(&small)).await.status, 200);
    for (form, body) in [(NDJSON, Vec::new()), (ARROW, plain(&small.slice(0, 0)))] {
        let answer = send(&gateway, "ana", "sales/orders", form, body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "rows": 0 })));
    }
    assert_eq!(rows(&gateway, "SELECT id FROM sales.orders ORDER BY id").await, json!([[1], [7]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_its_column_would_cut_is_refused() {
    let gateway = Gateway::start().await;
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
    let whole: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter_with_nullable([("at", at, true), ("n", whole, true)]).unwrap();
    bring_in(&gateway, "times", &batch).await;
    let gateway = gateway.with_policy(POLICY).await;
    for (name, column, status) in [
        ("at", Arc::new(TimestampNanosecondArray::from(vec![2_000])) as ArrayRef, 200),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![2_001])), 400),
        ("n", Arc::new(Int64Array::from(vec![3])), 200),
        ("n", Arc::new(Int64Array::from(vec![i64::MAX])), 400),
        ("n", Arc::new(Float64Array::from(vec![3.0])), 400),
    ] {
        let body = plain(&RecordBatch::try_from_iter([(name, column)]).unwrap());
        let answer = send(&gateway, "ana", "sales/times", ARROW, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains("2001") && !answer.text().contains("9223372036854775807"));
    }
    assert_eq!(rows(&gateway, "SELECT count(*) FROM sales.times").await, json!([[3]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_nothing_of_what_is_hidden() {
    let gateway = shop().await.with_csv("sales.outside", "id\n1\n").await;
    let line = "{\"id\":2}";
    let problem = |answer: &Response, name: &str| {
        let mut body = answer.json();
        body.as_object_mut().unwrap().remove("query_id");
        (answer.status, body.to_string().replace(name, "NAME"))
    };
    // Nobody who may not see the table hears that it is there, whatever they send.
    for who in ["eve", "blind"] {
        for (form, body) in [(NDJSON, line), (NDJSON, "no json"), ("text/plain", line), (ARROW, "x")] {
            let hidden = send(&gateway, who, "sales/orders", form, body).await;
            let absent = send(&gateway, who, "sales/nothing", form, body).await;
            assert_eq!(problem(&hidden, "sales.orders"), problem(&absent, "sales.nothing"));
            assert_eq!(hidden.code(), "table_not_found");
        }
    }
    // A column that is hidden is none.
    for who in ["part", "teller"] {
        for column in ["secret", "absent"] {
            let answer =
                send(&gateway, who, "sales/orders", NDJSON, format!("{{\"id\":2,\"{column}\":1}}")).await;
            assert_eq!(
                problem(&answer, column).1,
                problem(
                    &send(&gateway, who, "sales/orders", NDJSON, "{\"id\":2,\"other\":1}").await,
                    "other"
                )
                .1
            );
            assert_eq!(answer.code(), "column_not_found");
        }
        let answer = send(&gateway, who, "sales/orders", NDJSON, line).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "rows": 1 })), "{}", answer.text());
    }
    for (who, table, code) in [
        ("reader", "sales/orders", "permission_denied"),
        ("admin", "sales/orders", "permission_denied"),
        ("ana", "sales/outside", "invalid_request"),
        ("ana", "sales/nothing", "table_not_found"),
    ] {
        assert_eq!(send(&gateway, who, table, NDJSON, line).await.code(), code, "{who} {table}");
    }
    let unnamed = gateway.request(reqwest::Method::POST, "/v1/tables/sales/orders/rows").body(line);
    assert_eq!(gateway.send(unnamed).await.code(), "unauthenticated");
    assert_eq!(
        rows(&gateway, "SELECT * FROM sales.orders ORDER BY id").await,
        json!([[1, "first", 42], [2, null, null], [2, null, null]])
    );
    gateway.app.audit.flush().await;
    let events = gateway.app.store.audit(&AuditFilter::default()).await.unwrap().events;
    let of = |actor: &str| {
        let own = events.iter().filter(|event| event.actor == actor && event.action == "insert");
        own.map(|event| (event.verdict.to_string(), event.error_code.clone().unwrap_or_default(), event.rows))
            .collect::<HashSet<_>>()
    };
    let entry = |verdict: &str, code: &str, rows| (verdict.to_owned(), code.to_owned(), rows);
    assert_eq!(of("eve"), HashSet::from([entry("denied", "table_not_found", 0)]));
    assert_eq!(of("reader"), HashSet::from([entry("denied", "permission_denied", 0)]));
    assert_eq!(of("part"), HashSet::from([entry("failed", "column_not_found", 0), entry("allowed", "", 1)]));
    assert!(events.iter().any(|event| event.action == "insert" && event.tables == ["sales.orders"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_must_have_a_value_and_is_hidden_is_not_named() {
    let gateway = Gateway::start().await;
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("secret", DataType::Int64, false),
    ]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![42]))];
    bring_in(&gateway, "orders", &RecordBatch::try_new(Arc::new(schema), columns).unwrap()).await;
    let policy = "grants: [{ to: user:part, on: sales.orders, permissions: [select], columns: { include: [id] } }, \
                  { to: user:part, on: sales.orders, permissions: [insert] }]";
    let gateway = gateway.with_policy(policy).await;
    let answer = send(&gateway, "part", "sales/orders", NDJSON, "{\"id\":2}").await;
    assert_eq!(answer.code(), "invalid_request");
    assert!(!answer.text().contains("secret"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_gathered_and_none_is_lost_or_doubled() {
    let gateway = Arc::new(shop().await);
    let name = TableName::new("sales", "orders");
    let before = gateway.app.state().state.tables[&name].value.version.unwrap();
    // Another node on the same store, which gets in the way.
    let other = Catalog::new(gateway.app.store.clone(), "gateway");
    let other = Arc::new(Inserts::new(other, gateway.app.lake.clone(), 64 << 20));
    let record = Arc::clone(&gateway.app.state().state.tables[&name].value);
    let mut posting = tokio::task::JoinSet::new();
    for poster in 0..50 {
        let (gateway, other, record) = (Arc::clone(&gateway), Arc::clone(&other), Arc::clone(&record));
        posting.spawn(async move {
            for turn in 0..2 {
                let id = 100 + poster * 10 + turn;
                if poster % 5 == 0 {
                    let batch = RecordBatch::try_from_iter([(
                        "id",
                        Arc::new(Int64Array::from(vec![id])) as ArrayRef,
                    )]);
                    other.add(Arc::clone(&record), &batch.unwrap()).await.unwrap();
                } else {
                    let answer =
                        send(&gateway, "ana", "sales/orders", NDJSON, format!("{{\"id\":{id}}}")).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    // What is acknowledged is there.
                    let found =
                        rows(&gateway, &format!("SELECT count(*) FROM sales.orders WHERE id = {id}")).await;
                    assert_eq!(found, json!([[1]]));
                }
            }
        });
    }
    while let Some(done) = posting.join_next().await {
        done.unwrap();
    }
    gateway.app.refresh().await.unwrap();
    let counted = rows(&gateway, "SELECT count(*), count(DISTINCT id) FROM sales.orders").await;
    assert_eq!(counted, json!([[101, 101]]));
    let after = gateway.app.state().state.tables[&name].value.version.unwrap();
    assert!(after - before < 60, "{} versions for 100 requests", after - before);
    assert!(after > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_is_refused() {
    let gateway = Gateway::start_with(|config| {
        config.limits.max_body_bytes = 100_000;
        config.limits.ingest_memory = 20_000;
    })
    .await;
    bring_in(&gateway, "orders", &orders()).await;
    let gateway = gateway.with_policy(POLICY).await;
    let line = format!("{{\"id\":2,\"note\":\"{}\"}}", "x".repeat(50_000));
    let waits = send(&gateway, "ana", "sales/orders", NDJSON, line.clone()).await;
    assert!(
        waits.code() == "limit_exceeded" && waits.text().contains("wait to be written"),
        "{}",
        waits.text()
    );
    let large = send(&gateway, "ana", "sales/orders", NDJSON, [line.clone(), line].join("\n")).await;
    assert!(
        large.code() == "limit_exceeded" && large.text().contains("the body is larger"),
        "{}",
        large.text()
    );
    // What was refused holds nothing.
    let answer = send(&gateway, "ana", "sales/orders", NDJSON, "{\"id\":2}").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_for_a_table_that_has_become_another_are_refused() {
    let gateway = shop().await;
    let name = TableName::new("sales", "orders");
    let stale = Arc::clone(&gateway.app.state().state.tables[&name].value);
    let other = orders().project(&[0, 1]).unwrap();
    bring_in(&gateway, "orders", &other).await;
    let batch = other.project(&[0]).unwrap();
    let error = gateway.app.inserts.add(Arc::clone(&stale), &batch).await.unwrap_err();
    assert_eq!(error.kind(), lakegate::error::ErrorKind::Conflict, "{error}");
    // The table as it is now takes them, and goes on from the version that was brought in.
    let fresh = Arc::clone(&gateway.app.state().state.tables[&name].value);
    gateway.app.inserts.add(fresh, &batch).await.unwrap();
    gateway.app.refresh().await.unwrap();
    assert_eq!(
        rows(&gateway, "SELECT * FROM sales.orders ORDER BY note NULLS LAST").await,
        json!([[1, "first"], [1, null]])
    );
    let catalog = Catalog::new(gateway.app.store.clone(), "test");
    let found = catalog.find(&name).await.unwrap().unwrap();
    catalog.drop(&name, found.revision).await.unwrap();
    let error = gateway.app.inserts.add(stale, &batch).await.unwrap_err();
    assert_eq!(error.kind(), lakegate::error::ErrorKind::Conflict, "{error}");
}
