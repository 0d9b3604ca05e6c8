//! Results over the socket: every format gives the same values, a broken result is never a whole one, and a reader who
//! does not read is not read ahead of.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type};
use futures::StreamExt;
use lakegate::store::record::Format;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;

const FORMATS: [&str; 5] = [
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "application/vnd.apache.arrow.stream",
    "application/vnd.apache.parquet",
];

/// Two rows: one with a value of every type, one of NULLs.
fn every_type() -> RecordBatch {
    let address = StructArray::from(vec![
        (
            Arc::new(Field::new("city", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("Bern"), None])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("zip", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![Some(3000), None])) as ArrayRef,
        ),
    ]);
    let numbers =
        ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None, Some(3)]), None]);
    RecordBatch::try_from_iter_with_nullable([
        ("long", Arc::new(Int64Array::from(vec![Some(i64::MAX), None])) as ArrayRef, true),
        ("real", Arc::new(Float64Array::from(vec![Some(0.1), None])) as ArrayRef, true),
        ("nan", Arc::new(Float64Array::from(vec![Some(f64::NAN), None])) as ArrayRef, true),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![Some(123_456), None]).with_precision_and_scale(10, 2).unwrap(),
            ) as ArrayRef,
            true,
        ),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None])) as ArrayRef, true),
        ("text", Arc::new(StringArray::from(vec![Some("a \"b\", ü\nc"), None])) as ArrayRef, true),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(b"\x00\xff".as_slice()), None])) as ArrayRef, true),
        ("day", Arc::new(Date32Array::from(vec![Some(19_723), None])) as ArrayRef, true),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None])) as ArrayRef,
            true,
        ),
        (
            "at_zone",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]).with_timezone("UTC"),
            ) as ArrayRef,
            true,
        ),
        ("address", Arc::new(address) as ArrayRef, true),
        ("numbers", Arc::new(numbers) as ArrayRef, true),
    ])
    .unwrap()
}

async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    let folder = gateway.folder.path().join("files/types");
    std::fs::create_dir_all(&folder).unwrap();
    let batch = every_type();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(folder.join("t.parquet")).unwrap(), batch.schema(), None)
            .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    gateway.register(&"shop.types".parse().unwrap(), &folder, Format::Parquet).await;
    gateway
        .with_policy(
            "grants: [{ to: public, on: shop.types, permissions: [select], rows: \"true OR long = 1\" }]",
        )
        .await
}

async fn ask(gateway: &Gateway, accept: &str, sql: &str) -> reqwest::Response {
    let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("ana"));
    request.header("accept", accept).json(&json!({ "sql": sql })).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_the_same_values() {
    let gateway = gateway().await;
    let expected = json!([
        i64::MAX, 0.1, "NaN", "1234.56", true, "a \"b\", ü\nc", "AP8=", "2024-01-01",
        "2023-11-14T22:13:20.123456", "2023-11-14T22:13:20.123456Z", { "city": "Bern", "zip": 3000 }, [1, null, 3]
    ]);
    let sql = "SELECT * FROM shop.types ORDER BY long";
    for accept in FORMATS {
        let answer = ask(&gateway, accept, sql).await;
        assert_eq!(answer.status(), 200, "{accept}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with(accept));
        let notice: Value = match accept {
            "application/json" => Value::Null,
            _ => {
                assert_eq!(answer.headers()["lakegate-query-id"].len(), 36);
                serde_json::from_slice(answer.headers()["lakegate-policy"].as_bytes()).unwrap()
            }
        };
        let body = answer.bytes().await.unwrap();
        match accept {
            "application/json" => {
                let answer: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(answer["rows"][0], expected, "{accept}");
                let mut nulls = vec![Value::Null; 12];
                nulls[10] = json!({ "city": null, "zip": null });
                assert_eq!(answer["rows"][1], json!(nulls), "{accept}");
                assert_eq!(
                    answer["columns"][3],
                    json!({ "name": "price", "type": "decimal(10,2)", "nullable": true })
                );
                assert_eq!(answer["policy"]["rows_filtered"], json!(true));
            }
            "application/x-ndjson" => {
                let lines = String::from_utf8(body.to_vec()).unwrap();
                let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
                let schema = every_type().schema();
                let values: Vec<Value> =
                    schema.fields().iter().map(|field| first[field.name()].clone()).collect();
                assert_eq!(json!(values), expected, "{accept}");
            }
            "text/csv" => {
                let text = String::from_utf8(body.to_vec()).unwrap();
                assert!(
                    text.starts_with("long,real,nan,price,yes,text,bytes,day,at,at_zone,address,numbers"),
                    "{text}"
                );
                assert!(
                    text.contains(
                        "9223372036854775807,0.1,NaN,1234.56,true,\"a \"\"b\"\", ü\nc\",AP8=,2024-01-01,"
                    ),
                    "{text}"
                );
            }
            "application/vnd.apache.arrow.stream" => {
                let reader =
                    arrow::ipc::reader::StreamReader::try_new(std::io::Cursor::new(body), None).unwrap();
                same_values(reader.map(Result::unwrap).collect(), accept);
                assert_eq!(notice["rows_filtered"], json!(true));
            }
            _ => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(body).unwrap().build().unwrap();
                same_values(reader.map(Result::unwrap).collect(), accept);
            }
        }
    }
}

fn same_values(batches: Vec<RecordBatch>, accept: &str) {
    let given = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let made = every_type();
    assert_eq!(given.num_rows(), 2);
    for (column, field) in made.columns().iter().zip(made.schema().fields()) {
        let given = given.column_by_name(field.name()).unwrap();
        let given = arrow::compute::cast(given, column.data_type()).unwrap();
        assert_eq!(&given, column, "{accept}: {}", field.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_breaks_in_the_middle_is_never_whole() {
    let gateway = gateway().await;
    let sql = "SELECT value, 1 / (value - 900000) AS x FROM generate_series(1, 1000000)";
    for accept in FORMATS {
        let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("ana"));
        let request = request.header("accept", accept).json(&json!({ "sql": sql }));
        // The connection may end before the head of the answer has left, which is no whole answer either.
        let Ok(answer) = request.send().await else { continue };
        if answer.status() != 200 {
            assert_eq!(answer.status(), 422, "{accept}: told before the first row");
            continue;
        }
        let whole = answer.bytes().await;
        assert!(whole.is_err(), "{accept}: the end of the body must not look like the end of the result");
    }
    let wrong = ask(&gateway, "application/pdf", "SELECT 1").await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(ask(&gateway, "text/csv", "SELECT 1 AS one").await.text().await.unwrap().trim(), "one\r\n1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_does_not_read_slows_the_query() {
    let gateway = gateway().await;
    for accept in ["application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"] {
        let sql = format!("SELECT value, value AS \"{accept}\" FROM generate_series(1, 1000000000)");
        let mut body = ask(&gateway, accept, &sql).await.bytes_stream();
        assert!(body.next().await.unwrap().is_ok());
        // Time enough for millions of rows.
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(body);
        let rows = rows_of_cancelled(&gateway, &sql).await;
        assert!(
            (1..2_000_000).contains(&rows),
            "{accept}: {rows} rows were made for a reader who took one chunk"
        );
    }
}

async fn rows_of_cancelled(gateway: &Gateway, sql: &str) -> i64 {
    for _ in 0..50 {
        let log = gateway.get("admin", "/v1/audit?user=ana&verdict=cancelled").await.json();
        let found = log["items"].as_array().unwrap().iter().find(|event| event["sql"] == sql).cloned();
        if let Some(event) = found {
            return event["rows"].as_i64().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the query was not cancelled");
}
