//! Results over a real socket: every type in every format, results that break, and readers that are slow or leave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;
use futures::StreamExt;
use lakegate::store::record::Format as FileFormat;
use lakegate_client::{ConnectOptions, Connection};
use parquet::arrow::ArrowWriter;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::gateway::{Gateway, Response};
use crate::support::program;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const ARROW: &str = "application/vnd.apache.arrow.stream";
const PARQUET: &str = "application/vnd.apache.parquet";
const FORMATS: [&str; 5] = [JSON, NDJSON, CSV, ARROW, PARQUET];

async fn ask(gateway: &Gateway, who: &str, accept: &str, sql: &str) -> Response {
    let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token(who));
    gateway.send(request.header("accept", accept).json(&json!({ "sql": sql }))).await
}

/// The newest record of `who`, once there is one that `is` right.
async fn record(gateway: &Gateway, who: &str, is: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let page = gateway.get("admin", &format!("/v1/audit?user={who}&limit=1")).await.json();
        match page["items"].get(0) {
            Some(record) if is(record) => return record.clone(),
            _ => assert!(start.elapsed() < Duration::from_secs(5), "no such record: {page}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A column of the table of all types: its values, its name in SQL, and each value in JSON and in CSV.
struct Column {
    name: &'static str,
    values: ArrayRef,
    kind: &'static str,
    json: [Value; 3],
    csv: [&'static str; 3],
}

fn column(
    name: &'static str,
    values: impl Array + 'static,
    kind: &'static str,
    json: Value,
    csv: [&'static str; 3],
) -> Column {
    let json = json.as_array().unwrap().clone().try_into().unwrap();
    Column { name, values: Arc::new(values), kind, json, csv }
}

fn numbers() -> Vec<Column> {
    vec![
        column("id", Int64Array::from(vec![1, 2, 3]), "bigint", json!([1, 2, 3]), ["1", "2", "3"]),
        column(
            "i8",
            Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), None]),
            "tinyint",
            json!([-128, 127, null]),
            ["-128", "127", ""],
        ),
        column(
            "i16",
            Int16Array::from(vec![Some(i16::MIN), Some(1), None]),
            "smallint",
            json!([-32768, 1, null]),
            ["-32768", "1", ""],
        ),
        column(
            "i32",
            Int32Array::from(vec![Some(i32::MIN), Some(0), None]),
            "int",
            json!([i32::MIN, 0, null]),
            ["-2147483648", "0", ""],
        ),
        column(
            "i64",
            Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None]),
            "bigint",
            json!([i64::MIN, i64::MAX, null]),
            ["-9223372036854775808", "9223372036854775807", ""],
        ),
        column(
            "u64",
            UInt64Array::from(vec![Some(0), Some(u64::MAX), None]),
            "bigint unsigned",
            json!([0, u64::MAX, null]),
            ["0", "18446744073709551615", ""],
        ),
        column(
            "f32",
            Float32Array::from(vec![Some(0.1), Some(f32::NEG_INFINITY), None]),
            "float",
            json!([0.1, "-Infinity", null]),
            ["0.1", "-Infinity", ""],
        ),
        column(
            "f64",
            Float64Array::from(vec![Some(f64::NAN), Some(-1.5e300), None]),
            "double",
            json!(["NaN", -1.5e300, null]),
            ["NaN", "-1.5e+300", ""],
        ),
        column(
            "money",
            Decimal128Array::from(vec![Some(-5), Some(12_345), None])
                .with_precision_and_scale(10, 2)
                .unwrap(),
            "decimal(10,2)",
            json!(["-0.05", "123.45", null]),
            ["-0.05", "123.45", ""],
        ),
        column(
            "exact",
            Decimal128Array::from(vec![Some(10_i128.pow(38) - 1), Some(0), None])
                .with_precision_and_scale(38, 10)
                .unwrap(),
            "decimal(38,10)",
            json!(["9999999999999999999999999999.9999999999", "0.0000000000", null]),
            ["9999999999999999999999999999.9999999999", "0.0000000000", ""],
        ),
    ]
}

fn texts_and_times() -> Vec<Column> {
    let moment = 1_704_164_645_123_456;
    vec![
        column(
            "flag",
            BooleanArray::from(vec![Some(true), Some(false), None]),
            "boolean",
            json!([true, false, null]),
            ["true", "false", ""],
        ),
        column(
            "word",
            StringArray::from(vec![Some("a \"b\",\nü 🦀"), Some(""), None]),
            "varchar",
            json!(["a \"b\",\nü 🦀", "", null]),
            ["\"a \"\"b\"\",\nü 🦀\"", "\"\"", ""],
        ),
        column(
            "bytes",
            BinaryArray::from(vec![Some(&b"\xff\x00\n"[..]), Some(b""), None]),
            "varbinary",
            json!(["/wAK", "", null]),
            ["/wAK", "\"\"", ""],
        ),
        column(
            "day",
            Date32Array::from(vec![Some(19_724), Some(-1), None]),
            "date",
            json!(["2024-01-02", "1969-12-31", null]),
            ["2024-01-02", "1969-12-31", ""],
        ),
        column(
            "clock",
            Time64MicrosecondArray::from(vec![Some(3_600_000_000), Some(1), None]),
            "time",
            json!(["01:00:00", "00:00:00.000001", null]),
            ["01:00:00", "00:00:00.000001", ""],
        ),
        column(
            "moment",
            TimestampMicrosecondArray::from(vec![Some(moment), Some(0), None]),
            "timestamp",
            json!(["2024-01-02T03:04:05.123456", "1970-01-01T00:00:00", null]),
            ["2024-01-02T03:04:05.123456", "1970-01-01T00:00:00", ""],
        ),
        column(
            "moment_utc",
            TimestampMicrosecondArray::from(vec![Some(moment), Some(-1), None]).with_timezone("UTC"),
            "timestamptz",
            json!(["2024-01-02T03:04:05.123456Z", "1969-12-31T23:59:59.999999Z", null]),
            ["2024-01-02T03:04:05.123456Z", "1969-12-31T23:59:59.999999Z", ""],
        ),
        column(
            "moment_far",
            TimestampMillisecondArray::from(vec![Some(0), Some(1_720_000_000_000), None])
                .with_timezone("Europe/Berlin"),
            "timestamptz",
            json!(["1970-01-01T00:00:00Z", "2024-07-03T09:46:40Z", null]),
            ["1970-01-01T00:00:00Z", "2024-07-03T09:46:40Z", ""],
        ),
    ]
}

fn nested() -> Vec<Column> {
    let tags =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![]), None]);
    let fields = Fields::from(vec![
        Field::new("city", DataType::Utf8, true),
        Field::new("tags", tags.data_type().clone(), true),
    ]);
    let cities = StringArray::from(vec![Some("Köln"), None, None]);
    let columns: Vec<ArrayRef> = vec![Arc::new(cities), Arc::new(tags.clone())];
    let address = StructArray::new(fields, columns, Some(NullBuffer::from(vec![true, true, false])));
    vec![
        column("tags", tags, "list<int>", json!([[1, null], [], null]), ["\"[1,null]\"", "[]", ""]),
        column(
            "address",
            address,
            "struct<city varchar, tags list<int>>",
            json!([{ "city": "Köln", "tags": [1, null] }, { "city": null, "tags": [] }, null]),
            [
                "\"{\"\"city\"\":\"\"Köln\"\",\"\"tags\"\":[1,null]}\"",
                "\"{\"\"city\"\":null,\"\"tags\"\":[]}\"",
                "",
            ],
        ),
    ]
}

fn columns() -> Vec<Column> {
    [numbers(), texts_and_times(), nested()].into_iter().flatten().collect()
}

fn batch(columns: &[Column]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|column| (column.name, Arc::clone(&column.values), column.name != "id")),
    )
    .unwrap()
}

async fn with_parquet(gateway: Gateway, name: &str, batch: &RecordBatch) -> Gateway {
    let folder = gateway.folder.path().join("files").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = std::fs::File::create(folder.join("rows.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    gateway.register(&name.parse().unwrap(), &folder, FileFormat::Parquet).await;
    gateway
}

const POLICY: &str = r#"
grants:
  - { to: "user:all", on: "lab.*", permissions: [select] }
  - { to: "user:some", on: lab.types, permissions: [select], columns: { exclude: [money] }, rows: "id < 3" }
"#;

/// A table of all types, and who sees all of it and who a part.
pub async fn laboratory() -> Gateway {
    let gateway = with_parquet(Gateway::start().await, "lab.types", &batch(&columns())).await;
    gateway.with_policy(POLICY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_has_its_value_in_the_formats_of_text() {
    let (gateway, columns) = (laboratory().await, columns());
    let sql = "SELECT * FROM lab.types ORDER BY id";

    let answer = ask(&gateway, "all", JSON, sql).await;
    let value = answer.json();
    assert_eq!((&value["row_count"], &value["truncated"]), (&json!(3), &json!(false)), "{value}");
    for (position, column) in columns.iter().enumerate() {
        let described = json!({ "name": column.name, "type": column.kind, "nullable": true });
        assert_eq!(value["columns"][position], described);
        for (row, expected) in column.json.iter().enumerate() {
            assert_eq!(value["rows"][row][position], *expected, "{} of row {row}", column.name);
        }
    }

    let lines = ask(&gateway, "all", NDJSON, sql).await.text();
    assert_eq!(lines.lines().count(), 3);
    for (row, line) in lines.lines().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value.as_object().unwrap().len(), columns.len());
        for column in &columns {
            assert_eq!(value[column.name], column.json[row], "{} of row {row}", column.name);
        }
    }

    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let mut expected = names.join(",") + "\r\n";
    for row in 0..3 {
        let cells: Vec<_> = columns.iter().map(|column| column.csv[row]).collect();
        expected += &(cells.join(",") + "\r\n");
    }
    assert_eq!(ask(&gateway, "all", CSV, sql).await.text(), expected);
}

fn read(format: &str, body: Vec<u8>) -> RecordBatch {
    let batches: Vec<RecordBatch> = if format == ARROW {
        assert!(body.ends_with(ARROW_END), "the end mark");
        let reader = arrow_ipc::reader::StreamReader::try_new(std::io::Cursor::new(body), None).unwrap();
        reader.map(Result::unwrap).collect()
    } else {
        let body = bytes::Bytes::from(body);
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(body).unwrap();
        reader.build().unwrap().map(Result::unwrap).collect()
    };
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_has_its_value_in_arrow_and_parquet() {
    let (gateway, columns) = (laboratory().await, columns());
    for format in [ARROW, PARQUET] {
        let answer = ask(&gateway, "all", format, "SELECT * FROM lab.types ORDER BY id").await;
        let result = read(format, answer.body);
        assert_eq!((result.num_rows(), result.num_columns()), (3, columns.len()), "{format}");
        for (position, column) in columns.iter().enumerate() {
            assert_eq!(result.schema().field(position).name(), column.name, "{format}");
            // The engine may keep a text as a view of it: the type that was written must hold each value unchanged.
            let (found, written) = (result.column(position), &column.values);
            let found = arrow::compute::cast(found, written.data_type()).unwrap();
            assert_eq!(&found, written, "{format}: {}", column.name);
        }
        let time = result.schema().field_with_name("moment_far").unwrap().data_type().clone();
        assert!(matches!(time, DataType::Timestamp(_, Some(_))), "{format}: {time}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_tells_the_query_and_the_policy() {
    let gateway = laboratory().await;
    for format in FORMATS {
        for (who, filtered) in [("all", false), ("some", true)] {
            let answer = ask(&gateway, who, format, "SELECT id, word FROM lab.types").await;
            assert_eq!(answer.status, 200, "{format}: {}", answer.text());
            let media =
                answer.headers["content-type"].to_str().unwrap().split(';').next().unwrap().to_owned();
            assert_eq!(media, format);
            let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
            let policy: Value = serde_json::from_str(&header("lakegate-policy")).unwrap();
            let expected = json!({
                "rows_filtered": filtered, "cells_nulled": false, "masked": [], "columns_hidden": filtered,
            });
            assert_eq!(policy, expected, "{format} {who}");
            let id = header("lakegate-query-id");
            if format == JSON {
                let body = answer.json();
                assert_eq!((&body["query_id"], &body["policy"]), (&json!(id), &expected));
            }
            let record = record(&gateway, who, |record| record["id"] == json!(id)).await;
            assert_eq!(
                (&record["verdict"], &record["rows"]),
                (&json!("allowed"), &json!(if filtered { 2 } else { 3 }))
            );
            assert_eq!(record["policy"]["notice"], expected);
        }
    }
}

/// `truncated` of JSON, for the formats that have no place for it.
#[tokio::test(flavor = "multi_thread")]
async fn every_format_tells_that_it_may_be_cut() {
    let gateway = laboratory().await;
    for format in FORMATS {
        for (most, truncated) in [(2, true), (3, false)] {
            let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("all"));
            let body = json!({ "sql": "SELECT id FROM lab.types", "max_rows": most });
            let answer = gateway.send(request.header("accept", format).json(&body)).await;
            assert_eq!(answer.headers["lakegate-max-rows"], most.to_string(), "{format}");
            let rows = match format {
                JSON => {
                    assert_eq!(answer.json()["truncated"], truncated);
                    answer.json()["rows"].as_array().unwrap().len()
                }
                NDJSON => answer.text().lines().count(),
                CSV => answer.text().lines().count() - 1,
                _ => read(format, answer.body).num_rows(),
            };
            assert_eq!(rows, most, "{format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_that_is_not_known_is_refused_and_failures_have_one_format() {
    let gateway = laboratory().await;
    for accept in ["text/html", "application/xml, image/*", "csv", "*/*;q=0"] {
        let answer = ask(&gateway, "all", accept, "SELECT 1").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid_request"),
            "{accept}: {}",
            answer.text()
        );
        let detail = answer.json()["detail"].clone();
        assert!(FORMATS.iter().all(|format| detail.as_str().unwrap().contains(format)), "{accept}: {detail}");
    }
    for accept in ["", "*/*", "application/*"] {
        assert_eq!(ask(&gateway, "all", accept, "SELECT 1").await.json()["rows"], json!([[1]]), "`{accept}`");
    }
    for format in FORMATS {
        for (sql, status) in [("SELECT * FROM lab.none", 404), ("SELECT 1/0", 422), ("SELEC", 400)] {
            let answer = ask(&gateway, "all", format, sql).await;
            assert_eq!(answer.status, status, "{format} {sql}");
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{format} {sql}");
            assert!(!answer.headers.contains_key("lakegate-policy"), "{format} {sql}");
        }
    }
}

/// How an Arrow stream ends.
const ARROW_END: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Whether a body in chunks has its last one, which is empty. Read as a client does: data may look like it.
fn has_last_chunk(mut body: &[u8]) -> bool {
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            assert_eq!(&body[end..], b"\r\n\r\n", "nothing comes after the last chunk");
            return true;
        }
        let Some(rest) = body.get(end + 2 + length + 2..) else { return false };
        body = rest;
    }
    false
}

/// Fails in the sixteenth batch or so: of Parquet too, a row group is out by then.
const BREAKS: &str = "SELECT 1/(x - 130000) AS q, x, noise FROM lab.numbers";

/// Numbers beside noise, which no format can make small.
async fn numbers_table() -> Gateway {
    let gateway = Gateway::start_with(|config| config.limits.target_partitions = 1).await;
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += &format!("{:016x}", state ^ (state >> 29));
        }
        text
    });
    let numbers = RecordBatch::try_from_iter([
        ("x", Arc::new(Int64Array::from_iter_values(0..160_000)) as ArrayRef),
        ("noise", Arc::new(StringArray::from_iter_values(noise.take(160_000)))),
    ])
    .unwrap();
    with_parquet(gateway, "lab.numbers", &numbers).await.with_policy(POLICY).await
}

/// Sends a statement over a plain socket that takes in little by itself.
async fn send(url: &str, token: &str, version: &str, accept: &str, sql: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let body = json!({ "sql": sql }).to_string();
    let request = format!(
        "POST /v1/sql {version}\r\nhost: lakegate\r\nauthorization: Bearer {token}\r\naccept: {accept}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes, as head and body. A reset is an end too.
async fn read_all(mut stream: TcpStream) -> (String, Vec<u8>) {
    let mut all = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut all)).await;
    assert!(end.is_ok(), "the server neither ends nor breaks its answer");
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer") + 4;
    (String::from_utf8(all[..end].to_vec()).unwrap().to_lowercase(), all[end..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_breaks_is_never_taken_for_a_whole_one() {
    let gateway = numbers_table().await;
    for format in FORMATS {
        let (head, body) = read_all_of(&gateway, "HTTP/1.1", format, BREAKS).await;
        assert!(head.starts_with("http/1.1 200 "), "{format}: {head}");
        assert!(head.contains("transfer-encoding: chunked"), "{format}: {head}");
        assert!(body.len() > 500_000, "{format}: it broke in the middle, after {} bytes", body.len());
        assert!(!has_last_chunk(&body), "{format}: no last chunk");
        let record = record(&gateway, "all", |record| record["verdict"] == "failed").await;
        assert_eq!(record["error_code"], "query_failed", "{format}: {record}");
        assert!(record["rows"].as_i64().unwrap() > 0, "{format}: {record}");

        let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("all"));
        let request = request.header("accept", format).json(&json!({ "sql": BREAKS }));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{format}");
        assert!(answer.bytes().await.is_err(), "{format}: a client's library says so");

        let whole = BREAKS.replace("130000", "-1");
        let (_, body) = read_all_of(&gateway, "HTTP/1.1", format, &whole).await;
        assert!(has_last_chunk(&body), "{format}: a whole result has its last chunk");
    }
    let options = ConnectOptions::new(&gateway.url).token(gateway.token("all"));
    let broken = Connection::new(options).unwrap().query(BREAKS).stream().await.unwrap();
    let batches: Vec<_> = broken.collect().await;
    assert!(batches.len() > 1 && batches.last().unwrap().is_err(), "the client library says so too");
}

/// As [`read_all`], of an answer after which the server closes.
async fn read_all_of(gateway: &Gateway, version: &str, format: &str, sql: &str) -> (String, Vec<u8>) {
    let accept = format!("{format}\r\nconnection: close");
    read_all(send(&gateway.url, &gateway.token("all"), version, &accept, sql).await).await
}

/// HTTP/1.0, which proxies may speak, has no chunks: the end of the connection is the end of the body.
#[tokio::test(flavor = "multi_thread")]
async fn without_chunks_only_formats_that_mark_their_end_are_given() {
    let gateway = numbers_table().await;
    let whole = BREAKS.replace("130000", "-1");
    for format in FORMATS {
        let (head, body) = read_all_of(&gateway, "HTTP/1.0", format, &whole).await;
        if [NDJSON, CSV].contains(&format) {
            assert!(head.contains(" 400 "), "{format}: {head}");
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["code"], "invalid_request", "{format}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains("HTTP/1.1"), "{problem}");
            continue;
        }
        let marked = |body: &[u8]| match format {
            JSON => serde_json::from_slice::<Value>(body).is_ok(),
            ARROW => body.ends_with(ARROW_END),
            _ => body.ends_with(b"PAR1"),
        };
        assert!(head.contains(" 200 ") && marked(&body), "{format}: {head}");
        let (head, body) = read_all_of(&gateway, "HTTP/1.0", format, BREAKS).await;
        assert!(head.contains(" 200 ") && !body.is_empty() && !marked(&body), "{format}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_everything() {
    let gateway = numbers_table().await;
    let sql = "SELECT x, noise FROM lab.numbers WHERE x < 60000";
    let accept = format!("{NDJSON}\r\nconnection: close");
    let mut stream = send(&gateway.url, &gateway.token("all"), "HTTP/1.1", &accept, sql).await;
    let (mut body, mut part, mut reads) = (Vec::new(), vec![0; 128 * 1024], 0);
    loop {
        let count = stream.read(&mut part).await.unwrap();
        if count == 0 {
            break;
        }
        body.extend_from_slice(&part[..count]);
        reads += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(reads > 50, "slowly: {reads} reads");
    let head = body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(has_last_chunk(&body[head..]), "whole after {} bytes", body.len());
    let text = String::from_utf8_lossy(&body);
    for x in (0..60_000).step_by(997).chain([59_999]) {
        assert_eq!(text.matches(&format!("{{\"x\":{x},\"noise\"")).count(), 1, "row {x}");
    }
    let record = record(&gateway, "all", |record| record["verdict"] == "allowed").await;
    assert_eq!(record["rows"], 60_000);
}

/// The memory that a process has, in MiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_reader_holds_little_of_a_huge_result() {
    let gateway = Gateway::start().await;
    let (server, url) = program::serve(gateway.folder.path()).await;
    let process = server.id().unwrap();
    // Some 4 GB.
    let sql = "SELECT value, md5(CAST(value AS VARCHAR)) || repeat('x', 970) AS wide FROM generate_series(1, 4000000)";
    for format in FORMATS {
        let who = format!("idle-{}", format.len());
        let before = resident(process);
        let mut stream = send(&url, &gateway.token(&who), "HTTP/1.1", format, sql).await;
        let mut first = [0; 1000];
        stream.read_exact(&mut first).await.unwrap();
        assert!(first.starts_with(b"HTTP/1.1 200 "), "{format}: {}", String::from_utf8_lossy(&first));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let grown = resident(process).saturating_sub(before);
        assert!(grown < 200, "{format}: {grown} MiB more for a reader who reads nothing");
        drop(stream);
        let left = Instant::now();
        let record = record(&gateway, &who, |record| record["verdict"] == "cancelled").await;
        assert!(left.elapsed() < Duration::from_secs(5), "{format}: {:?}", left.elapsed());
        let rows = record["rows"].as_i64().unwrap();
        // Rows that are mostly alike take little room in Parquet: more of them fit between the two ends.
        let most = if format == PARQUET { 1_000_000 } else { 40_000 };
        assert!((1..most).contains(&rows), "{format}: {rows} rows for a reader who took one kilobyte");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_its_query_wherever_it_is() {
    let gateway = Gateway::start_with(|config| config.limits.max_concurrent_queries = 1).await;
    let endless = "generate_series(1, 1000000000000)";
    for (who, sql, begins) in [
        ("early", format!("SELECT sum(value % 7) FROM {endless}"), false),
        ("sorting", format!("SELECT value FROM {endless} ORDER BY value % 7 LIMIT 3"), false),
        ("late", format!("SELECT value FROM {endless}"), true),
    ] {
        let mut stream = send(&gateway.url, &gateway.token(who), "HTTP/1.1", NDJSON, &sql).await;
        if begins {
            stream.read_exact(&mut [0; 1000]).await.unwrap();
        } else {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        drop(stream);
        let left = Instant::now();
        let record = record(&gateway, who, |record| record["verdict"] == "cancelled").await;
        assert_eq!(record["error_code"], "cancelled", "{record}");
        // The next one has its turn, so the work has stopped too.
        assert_eq!(gateway.sql("next", "SELECT 1").await.status, 200);
        assert!(left.elapsed() < Duration::from_secs(5), "{who}: {:?}", left.elapsed());
    }
}
