//! The five formats over batches made by hand: every type, every corner, and results that break.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use futures::{Stream, StreamExt, TryStreamExt};
use lakegate::error::{Error, ErrorKind, Result};
use lakegate::query::PolicyNotice;
use lakegate::serve::http::formats::{Format, Head, Rows, negotiate, sql_type, start};
use uuid::Uuid;

/// Rows from a list, as a query would give them.
struct Listed {
    batches: std::vec::IntoIter<Result<RecordBatch>>,
    truncated: bool,
}

impl Stream for Listed {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.batches.next())
    }
}

impl Rows for Listed {
    fn truncated(&self) -> bool {
        self.truncated
    }
}

fn head(schema: &SchemaRef) -> Head {
    Head { query_id: Uuid::nil(), schema: Arc::clone(schema), notice: PolicyNotice::default() }
}

fn listed(batches: Vec<Result<RecordBatch>>) -> Listed {
    Listed { batches: batches.into_iter(), truncated: false }
}

async fn bytes(format: Format, schema: &SchemaRef, batches: Vec<RecordBatch>) -> Vec<u8> {
    let rows = listed(batches.into_iter().map(Ok).collect());
    let chunks: Vec<_> = start(format, head(schema), rows).await.unwrap().try_collect().await.unwrap();
    chunks.concat()
}

async fn text(format: Format, batch: RecordBatch) -> String {
    String::from_utf8(bytes(format, &batch.schema(), vec![batch]).await).unwrap()
}

/// The cells of the first column as JSON, a row each.
async fn cells(column: ArrayRef) -> Vec<String> {
    let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
    let lines = text(Format::Ndjson, batch).await;
    lines
        .lines()
        .map(|line| line.strip_prefix(r#"{"c":"#).unwrap().strip_suffix('}').unwrap().to_owned())
        .collect()
}

fn sample() -> RecordBatch {
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec![Some("say \"hi\", ü"), Some("")]))),
        ("id", Arc::new(BooleanArray::from(vec![Some(true), Some(false)]))),
    ])
    .unwrap()
}

#[tokio::test]
async fn json_has_columns_rows_and_outcome() {
    assert_eq!(
        text(Format::Json, sample()).await,
        concat!(
            r#"{"query_id":"00000000-0000-0000-0000-000000000000","columns":["#,
            r#"{"name":"id","type":"bigint","nullable":true},"#,
            r#"{"name":"name","type":"varchar","nullable":false},"#,
            r#"{"name":"id","type":"boolean","nullable":false}],"rows":["#,
            "\n",
            r#"[1,"say \"hi\", ü",true],"#,
            "\n",
            r#"[null,"",false]"#,
            "\n",
            r#"],"row_count":2,"truncated":false,"#,
            r#""policy":{"rows_filtered":false,"cells_nulled":false,"masked":[],"columns_hidden":false}}"#,
            "\n",
        )
    );
}

#[tokio::test]
async fn json_says_when_it_was_cut() {
    let batch = sample();
    let rows = Listed { batches: vec![Ok(batch.clone())].into_iter(), truncated: true };
    let chunks: Vec<_> =
        start(Format::Json, head(&batch.schema()), rows).await.unwrap().try_collect().await.unwrap();
    let value: serde_json::Value = serde_json::from_slice(&chunks.concat()).unwrap();
    assert_eq!(value["truncated"], true);
    assert_eq!(value["row_count"], 2);
}

#[tokio::test]
async fn ndjson_numbers_the_columns_of_one_name() {
    assert_eq!(
        text(Format::Ndjson, sample()).await,
        "{\"id\":1,\"name\":\"say \\\"hi\\\", ü\",\"id_2\":true}\n{\"id\":null,\"name\":\"\",\"id_2\":false}\n"
    );
    let one = |name| (name, Arc::new(Int32Array::from(vec![1])) as ArrayRef);
    let batch = RecordBatch::try_from_iter([one("a"), one("a"), one("a_2"), one("a")]).unwrap();
    assert_eq!(text(Format::Ndjson, batch).await, "{\"a\":1,\"a_3\":1,\"a_2\":1,\"a_4\":1}\n");
}

#[tokio::test]
async fn csv_tells_null_from_the_empty_text_and_alters_nothing() {
    assert_eq!(
        text(Format::Csv, sample()).await,
        "id,name,id\r\n1,\"say \"\"hi\"\", ü\",true\r\n,\"\",false\r\n"
    );
    let formula = StringArray::from(vec![Some("=1+1"), Some("a\nb"), None]);
    let batch = RecordBatch::try_from_iter([("f,x", Arc::new(formula) as ArrayRef)]).unwrap();
    assert_eq!(text(Format::Csv, batch).await, "\"f,x\"\r\n=1+1\r\n\"a\nb\"\r\n\r\n");
}

#[tokio::test]
async fn csv_has_the_plain_text_of_values() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None])]);
    let batch = RecordBatch::try_from_iter([
        ("f", Arc::new(Float64Array::from(vec![f64::NAN])) as ArrayRef),
        ("d", Arc::new(Date32Array::from(vec![0]))),
        ("n", Arc::new(Decimal128Array::from(vec![-105]).with_precision_and_scale(10, 2).unwrap())),
        ("l", Arc::new(list)),
    ])
    .unwrap();
    assert_eq!(text(Format::Csv, batch).await, "f,d,n,l\r\nNaN,1970-01-01,-1.05,\"[1,null]\"\r\n");
}

#[tokio::test]
async fn numbers() {
    assert_eq!(cells(Arc::new(UInt64Array::from(vec![u64::MAX]))).await, ["18446744073709551615"]);
    assert_eq!(cells(Arc::new(Int8Array::from(vec![-128]))).await, ["-128"]);
    let floats = vec![1.0, 0.1, -0.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let written = cells(Arc::new(Float64Array::from(floats))).await;
    assert_eq!(written, ["1.0", "0.1", "-0.0", "1e+300", "\"NaN\"", "\"Infinity\"", "\"-Infinity\""]);
    assert_eq!(cells(Arc::new(Float32Array::from(vec![0.1, f32::NAN]))).await, ["0.1", "\"NaN\""]);
    let decimals =
        Decimal128Array::from(vec![Some(12345), Some(-5), None]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(cells(Arc::new(decimals)).await, ["\"123.45\"", "\"-0.05\"", "null"]);
}

#[tokio::test]
async fn dates_and_times() {
    assert_eq!(
        cells(Arc::new(Date32Array::from(vec![Some(19_724), Some(-1), None]))).await,
        ["\"2024-01-02\"", "\"1969-12-31\"", "null"]
    );
    assert_eq!(
        cells(Arc::new(Time64MicrosecondArray::from(vec![3_600_000_000, 1]))).await,
        ["\"01:00:00\"", "\"00:00:00.000001\""]
    );
    let moment = 1_704_164_645_123_456;
    assert_eq!(
        cells(Arc::new(TimestampMicrosecondArray::from(vec![moment]))).await,
        ["\"2024-01-02T03:04:05.123456\""]
    );
    let zoned = TimestampMicrosecondArray::from(vec![moment]).with_timezone("Europe/Berlin");
    assert_eq!(cells(Arc::new(zoned)).await, ["\"2024-01-02T03:04:05.123456Z\""]);
    assert_eq!(cells(Arc::new(TimestampSecondArray::from(vec![0]))).await, ["\"1970-01-01T00:00:00\""]);
}

#[tokio::test]
async fn intervals() {
    let values = [
        IntervalMonthDayNano::new(14, 3, 4 * 3_600_000_000_000 + 5 * 60_000_000_000 + 6_500_000_000),
        IntervalMonthDayNano::new(0, 0, 0),
        IntervalMonthDayNano::new(0, -1, -1_500_000_000),
        IntervalMonthDayNano::new(0, 0, 60_000_000_000),
    ];
    assert_eq!(
        cells(Arc::new(IntervalMonthDayNanoArray::from(values.to_vec()))).await,
        ["\"P1Y2M3DT4H5M6.5S\"", "\"PT0S\"", "\"P-1DT-1.5S\"", "\"PT1M\""]
    );
    assert_eq!(cells(Arc::new(DurationMillisecondArray::from(vec![1_001]))).await, ["\"PT1.001S\""]);
}

#[tokio::test]
async fn texts_and_bytes() {
    assert_eq!(
        cells(Arc::new(StringViewArray::from(vec!["a\u{1}\\", "longer than twelve bytes"]))).await,
        ["\"a\\u0001\\\\\"", "\"longer than twelve bytes\""]
    );
    assert_eq!(cells(Arc::new(LargeStringArray::from(vec![Some("x"), None]))).await, ["\"x\"", "null"]);
    assert_eq!(cells(Arc::new(BinaryArray::from(vec![&b"\xff\x00"[..], b""]))).await, ["\"/wA=\"", "\"\""]);
    let dictionary: DictionaryArray<Int8Type> = [Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    assert_eq!(cells(Arc::new(dictionary)).await, ["\"a\"", "null", "\"b\"", "\"a\""]);
    assert_eq!(cells(Arc::new(NullArray::new(2))).await, ["null", "null"]);
}

#[tokio::test]
async fn nested_values() {
    let lists =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    assert_eq!(cells(Arc::new(lists.clone())).await, ["[1,null]", "null", "[]"]);
    // A slice must not show the items of the rows before it.
    assert_eq!(cells(Arc::new(lists.slice(2, 1))).await, ["[]"]);

    let views = ListViewArray::new(
        Arc::new(Field::new("item", DataType::Int32, true)),
        ScalarBuffer::from(vec![1, 0]),
        ScalarBuffer::from(vec![2, 1]),
        Arc::new(Int32Array::from(vec![7, 8, 9])),
        None,
    );
    assert_eq!(cells(Arc::new(views)).await, ["[8,9]", "[7]"]);

    let fields = Fields::from(vec![
        Field::new("a \"", DataType::Int32, true),
        Field::new("l", lists.data_type().clone(), true),
    ]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])), Arc::new(lists)];
    let structs = StructArray::new(fields, columns, Some(NullBuffer::from(vec![true, true, false])));
    assert_eq!(sql_type(structs.data_type()), "struct<a \" int, l list<int>>");
    assert_eq!(
        cells(Arc::new(structs)).await,
        ["{\"a \\\"\":1,\"l\":[1,null]}", "{\"a \\\"\":null,\"l\":null}", "null"]
    );
}

#[tokio::test]
async fn maps_are_lists_of_pairs() {
    let fields = Fields::from(vec![
        Field::new("key", DataType::Int32, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    let entries = StructArray::new(
        fields.clone(),
        vec![Arc::new(Int32Array::from(vec![1, 2])), Arc::new(StringArray::from(vec![Some("x"), None]))],
        None,
    );
    let field = Arc::new(Field::new("entries", DataType::Struct(fields), false));
    let map = MapArray::new(field, OffsetBuffer::new(vec![0, 2, 2].into()), entries, None, false);
    assert_eq!(sql_type(map.data_type()), "map<int, varchar>");
    assert_eq!(cells(Arc::new(map)).await, ["[[1,\"x\"],[2,null]]", "[]"]);
}

#[test]
fn types_have_sql_names() {
    let named = [
        (DataType::Int16, "smallint"),
        (DataType::Int32, "int"),
        (DataType::Float32, "float"),
        (DataType::Float64, "double"),
        (DataType::Decimal128(10, 2), "decimal(10,2)"),
        (DataType::Utf8View, "varchar"),
        (DataType::BinaryView, "varbinary"),
        (DataType::Timestamp(TimeUnit::Microsecond, None), "timestamp"),
        (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), "timestamptz"),
        (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), "varchar"),
        (DataType::Interval(IntervalUnit::MonthDayNano), "interval"),
    ];
    for (data_type, name) in named {
        assert_eq!(sql_type(&data_type), name);
    }
}

#[tokio::test]
async fn a_result_without_rows_is_whole() {
    let schema = sample().schema();
    let json: serde_json::Value =
        serde_json::from_slice(&bytes(Format::Json, &schema, vec![]).await).unwrap();
    assert_eq!((&json["rows"], &json["row_count"]), (&serde_json::json!([]), &serde_json::json!(0)));
    assert_eq!(bytes(Format::Csv, &schema, vec![]).await, b"id,name,id\r\n");
    assert_eq!(bytes(Format::Ndjson, &schema, vec![]).await, b"");
    assert_eq!(read_arrow(bytes(Format::Arrow, &schema, vec![]).await).len(), 0);
    assert_eq!(read_parquet(bytes(Format::Parquet, &schema, vec![]).await).len(), 0);
}

#[tokio::test]
async fn a_result_without_columns_counts_its_rows() {
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json, batch.clone()).await).unwrap();
    assert_eq!((&json["rows"], &json["row_count"]), (&serde_json::json!([[], []]), &serde_json::json!(2)));
    assert_eq!(text(Format::Ndjson, batch.clone()).await, "{}\n{}\n");
    let refused = start(Format::Parquet, head(&batch.schema()), listed(vec![Ok(batch)])).await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::InvalidRequest);
}

fn read_arrow(body: Vec<u8>) -> Vec<RecordBatch> {
    assert!(body.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), "no end marker");
    let reader = arrow_ipc::reader::StreamReader::try_new(std::io::Cursor::new(body), None).unwrap();
    reader.map(|batch| batch.unwrap()).collect()
}

fn read_parquet(body: Vec<u8>) -> Vec<RecordBatch> {
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(body));
    reader.unwrap().build().unwrap().map(|batch| batch.unwrap()).collect()
}

#[tokio::test]
async fn arrow_and_parquet_read_back() {
    let batch = sample();
    let body = bytes(Format::Arrow, &batch.schema(), vec![batch.clone(), batch.clone()]).await;
    assert_eq!(read_arrow(body), vec![batch.clone(), batch.clone()]);

    let read =
        read_parquet(bytes(Format::Parquet, &batch.schema(), vec![batch.clone(), batch.clone()]).await);
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
    let names: Vec<_> = read[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "name", "id_2"]);
    assert_eq!(read[0].column(1).as_string::<i32>().value(0), "say \"hi\", ü");
}

#[tokio::test]
async fn parquet_is_sent_while_it_is_written() {
    // Random bytes do not compress: 40 MiB are more than one row group may hold.
    let values: Vec<Vec<u8>> = (0..40_u32)
        .map(|seed| {
            let mut state = seed + 1;
            std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .take(1 << 20)
            .collect()
        })
        .collect();
    let column = |value: &Vec<u8>| Arc::new(BinaryArray::from(vec![value.as_slice()])) as ArrayRef;
    let batches: Vec<_> =
        values.iter().map(|value| RecordBatch::try_from_iter([("b", column(value))]).unwrap()).collect();
    let schema = batches[0].schema();
    let rows = listed(batches.into_iter().map(Ok).collect());
    let chunks: Vec<_> =
        start(Format::Parquet, head(&schema), rows).await.unwrap().try_collect().await.unwrap();
    assert!(chunks.len() >= 3, "{} chunks", chunks.len());
    assert!(chunks.iter().all(|chunk| chunk.len() < 24 << 20));
    assert_eq!(read_parquet(chunks.concat()).iter().map(RecordBatch::num_rows).sum::<usize>(), 40);
}

#[tokio::test]
async fn a_failure_before_the_first_row_has_no_body() {
    for format in Format::ALL {
        let failure = Error::new(ErrorKind::QueryFailed, "division by zero");
        let started = start(format, head(&sample().schema()), listed(vec![Err(failure)])).await;
        assert_eq!(started.err().unwrap().kind(), ErrorKind::QueryFailed, "{format:?}");
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_ends_the_body_with_an_error() {
    for format in Format::ALL {
        let failure = Error::new(ErrorKind::QueryFailed, "division by zero");
        let rows = listed(vec![Ok(sample()), Err(failure), Ok(sample())]);
        let chunks: Vec<_> = start(format, head(&sample().schema()), rows).await.unwrap().collect().await;
        let (last, before) = chunks.split_last().unwrap();
        assert_eq!(last.as_ref().unwrap_err().kind(), ErrorKind::QueryFailed, "{format:?}");
        assert!(before.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn a_large_result_comes_in_bounded_chunks() {
    let names = StringArray::from_iter_values((0..50_000).map(|row| format!("name of row {row}")));
    let batch = RecordBatch::try_from_iter([("n", Arc::new(names) as ArrayRef)]).unwrap();
    let rows = listed(vec![Ok(batch.clone())]);
    let chunks: Vec<_> =
        start(Format::Json, head(&batch.schema()), rows).await.unwrap().try_collect().await.unwrap();
    assert!(chunks.len() > 3);
    assert!(chunks.iter().all(|chunk| chunk.len() < 512 * 1024));
    let value: serde_json::Value = serde_json::from_slice(&chunks.concat()).unwrap();
    assert_eq!(value["rows"].as_array().unwrap().len(), 50_000);
    assert_eq!(value["rows"][49_999][0], "name of row 49999");
}

#[test]
fn accept_chooses_the_format() {
    let choose = |accept: &'static str| negotiate([accept]).unwrap();
    assert_eq!(negotiate([]).unwrap(), Format::Json);
    assert_eq!(choose("*/*"), Format::Json);
    assert_eq!(choose("text/csv"), Format::Csv);
    assert_eq!(choose("text/*"), Format::Csv);
    assert_eq!(choose("application/json;q=0.5, application/x-ndjson;q=0.9"), Format::Ndjson);
    assert_eq!(choose("*/*, application/vnd.apache.parquet"), Format::Parquet);
    assert_eq!(choose("application/json;q=0, */*;q=0.1"), Format::Ndjson);
    assert_eq!(choose("Application/Vnd.Apache.Arrow.Stream"), Format::Arrow);
    assert_eq!(negotiate(["text/html", "text/csv"]).unwrap(), Format::Csv);
    let refused = negotiate(["text/html"]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    assert!(refused.detail().contains("application/vnd.apache.arrow.stream"), "{}", refused.detail());
    assert!(negotiate(["*/*;q=0"]).is_err());
}
