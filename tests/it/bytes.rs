//! What travels in Arrow's own format: the bytes of what is seen, and none of what is withheld.
//!
//! Each door that sends Arrow is asked of two tables that differ in what the reader may not see alone. What comes is the same
//! byte for byte, and nothing hidden is anywhere in it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray, StringViewArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use lakegate::store::record::Format;
use parquet::arrow::ArrowWriter;
use reqwest::Method;
use serde_json::json;
use tonic::transport::Channel;

use crate::support::gateway::Gateway;

const ROWS: usize = 600;

/// Of every third row nothing is seen, and of every other one only a part.
const POLICY: &str = "
grants:
  - { to: 'user:bo', on: s.t, permissions: [select], columns: { include: [id, note] }, rows: 'id % 3 <> 0' }
  - { to: 'user:bo', on: s.t, permissions: [select], rows: 'id % 3 = 1' }
restrictions:
  - { name: masked, on: s.t.card, applies_to: 'user:bo', mask: last4, priority: 1 }
";

const QUERIES: [&str; 8] = [
    "SELECT * FROM s.t",
    "SELECT note, salary FROM s.t WHERE id > 10",
    "SELECT list, part, exact FROM s.t ORDER BY id DESC",
    "SELECT short, card FROM s.t LIMIT 7",
    "SELECT t.short, u.note FROM s.t t JOIN s.t u ON t.id = u.id + 1",
    "SELECT arrow_cast(note, 'Dictionary(Int32, Utf8View)'), [note] FROM s.t WHERE note IS NOT NULL",
    "SELECT named_struct('a', note, 'b', NULL), left(note, 13) FROM s.t",
    "SELECT coalesce(salary, 0), part.inner, list[1], upper(short) FROM s.t",
];

/// A table whose hidden values are made of `hidden`, which must be of a length.
async fn gateway(hidden: &str, number: i64) -> Gateway {
    let gateway = Gateway::start().await;
    let folder = gateway.folder.path().join("files/t");
    std::fs::create_dir_all(&folder).unwrap();
    let batch = table(hidden, number);
    let file = std::fs::File::create(folder.join("t.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    gateway.register(&"s.t".parse().unwrap(), &folder, Format::Parquet).await;
    gateway.with_policy(POLICY).await
}

fn table(hidden: &str, number: i64) -> RecordBatch {
    // The row is gone; the cell is NULL; the value is seen.
    let is_seen = |row: usize| row % 3 == 1;
    let text = |row: usize, seen: &str| match is_seen(row) {
        true => format!("{seen} {row}"),
        false => format!("{hidden}{row:03}"),
    };
    let numbers = |seen: bool| {
        let value = |row: usize| if is_seen(row) || seen { row as i64 } else { number };
        (0..ROWS).map(value).collect::<Vec<_>>()
    };
    let id: ArrayRef = Arc::new(Int64Array::from(numbers(true)));
    let note = |row: usize| {
        if row.is_multiple_of(3) {
            format!("{hidden}{row:03}")
        } else {
            format!("a note that everybody may read {row}")
        }
    };
    let note: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..ROWS).map(note)));
    let salary: ArrayRef = Arc::new(Int64Array::from(numbers(false)));
    let short = |row: usize| if is_seen(row) { format!("s{row}") } else { hidden[..4].to_owned() };
    let short: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..ROWS).map(short)));
    let exact = Decimal128Array::from_iter_values(numbers(false).into_iter().map(i128::from));
    let exact: ArrayRef = Arc::new(exact.with_precision_and_scale(38, 2).unwrap());
    let item = Arc::new(Field::new_list_field(DataType::Int64, true));
    let list = ListArray::new(item, OffsetBuffer::from_lengths(vec![1; ROWS]), Arc::clone(&salary), None);
    let inner: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| text(row, "inner"))));
    let part = StructArray::from(vec![(Arc::new(Field::new("inner", DataType::Utf8, true)), inner)]);
    // The mask shows four characters, which are the same in both.
    let card = |row: usize| if is_seen(row) { format!("{hidden}4321") } else { format!("{hidden}{row:04}") };
    let card: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(card)));
    let columns: [(&str, ArrayRef); 8] = [
        ("id", id),
        ("note", note),
        ("salary", salary),
        ("short", short),
        ("exact", exact),
        ("list", Arc::new(list)),
        ("part", Arc::new(part)),
        ("card", card),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

async fn over_http(gateway: &Gateway, sql: &str) -> Vec<u8> {
    let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("bo"));
    let request =
        request.header("accept", "application/vnd.apache.arrow.stream").json(&json!({ "sql": sql }));
    let answer = gateway.send(request).await;
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    answer.body
}

async fn submitted(gateway: &Gateway, sql: &str) -> Vec<u8> {
    let submitted = gateway.post("bo", "/v1/queries", &json!({ "sql": sql })).await.json();
    let path = format!("/v1/queries/{}/result", submitted["query_id"].as_str().unwrap());
    let request = gateway.request(Method::GET, &path).bearer_auth(gateway.token("bo"));
    gateway.send(request.header("accept", "application/vnd.apache.arrow.stream")).await.body
}

async fn over_flight_sql(gateway: &Gateway, sql: &str) -> Vec<u8> {
    let channel = Channel::from_shared(gateway.flight.clone()).unwrap().connect().await.unwrap();
    let mut client = FlightSqlServiceClient::new(channel);
    client.set_token(gateway.token("bo"));
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let mut client = client.into_inner();
    let mut request = tonic::Request::new(info.endpoint[0].ticket.clone().unwrap());
    let token = format!("Bearer {}", gateway.token("bo"));
    request.metadata_mut().insert("authorization", token.parse().unwrap());
    let parts = client.do_get(request).await.unwrap().into_inner();
    let parts: Vec<_> = parts.try_collect().await.unwrap();
    parts.iter().flat_map(|part| [part.data_header.as_ref(), part.data_body.as_ref()].concat()).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_in_no_byte_of_an_arrow_stream() {
    let (one, other) = ("first secret of a length ", "other riddle of a length ");
    let (number, another) = (0x5EC2_E7D0_1234_5678, 0x0DD_BA11_8765_4321);
    let lakes = [gateway(one, number).await, gateway(other, another).await];
    for sql in QUERIES {
        let mut said = Vec::new();
        for lake in &lakes {
            said.push([
                over_http(lake, sql).await,
                submitted(lake, sql).await,
                over_flight_sql(lake, sql).await,
            ]);
        }
        for (door, (left, right)) in
            ["HTTP", "submitted", "Flight SQL"].iter().zip(said[0].iter().zip(&said[1]))
        {
            for secret in [one, other, &one[..4], &other[..4]] {
                assert!(!holds(left, secret.as_bytes()) && !holds(right, secret.as_bytes()), "{door}: {sql}");
            }
            assert!(
                !holds(left, &number.to_le_bytes()) && !holds(right, &another.to_le_bytes()),
                "{door}: {sql}"
            );
            assert_eq!(left, right, "{door} sends other bytes: {sql}");
        }
    }
}
