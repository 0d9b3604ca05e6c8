//! Values of every type as Rust reads them, from however Arrow holds them.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use arrow_ipc::writer::StreamWriter;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use lakegate_client::{Decimal, FromCell, RecordBatch, Row};
use serde_json::{Value as Json, json};

use crate::server::{Line, Server, until_closed};

/// The rows of a result whose one column `x` has these values, as they come out of the wire.
async fn sent(values: impl Array + 'static) -> Vec<Row> {
    let batch =
        RecordBatch::try_from_iter_with_nullable([("x", Arc::new(values) as ArrayRef, true)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let server = Server::start(vec![Line::Say(until_closed(&writer.into_inner().unwrap()))]).await;
    server.connection().query("SELECT x").rows().await.unwrap().collect().await.unwrap()
}

fn value<T: for<'a> FromCell<'a>>(row: &Row) -> T {
    row.get("x").unwrap()
}

fn fault<T: for<'a> FromCell<'a> + Debug>(row: &Row) -> String {
    row.get::<T>("x").unwrap_err().to_string()
}

/// Asserts what `values` are in Rust, as text and in JSON; NULL follows the last of them.
async fn reads<T>(values: impl Array + 'static, expected: &[T], told: Json)
where
    T: for<'a> FromCell<'a> + PartialEq + Debug,
{
    let rows = sent(values).await;
    assert_eq!(rows.len(), expected.len() + 1);
    for ((row, expected), told) in rows.iter().zip(expected).zip(told.as_array().unwrap()) {
        assert_eq!(value::<T>(row), *expected);
        assert_eq!(value::<Option<T>>(row).as_ref(), Some(expected));
        assert_eq!(value::<Json>(row), *told);
        if let Ok(text) = row.get::<String>("x") {
            assert_eq!(text, told.as_str().map_or_else(|| told.to_string(), str::to_owned));
        }
        assert_eq!(value::<ArrayRef>(row).len(), 1);
    }
    let null = rows.last().unwrap();
    assert_eq!(value::<Option<T>>(null), None);
    assert_eq!(value::<Json>(null), Json::Null);
    assert!(null.cell(0).unwrap().is_null());
    assert_eq!(fault::<T>(null), "column `x` is NULL here; ask for an optional value");
}

#[tokio::test]
async fn whole_numbers_are_read_as_what_they_fit_into() {
    reads(Int8Array::from(vec![Some(-128), Some(127), None]), &[-128_i8, 127], json!([-128, 127])).await;
    reads(Int16Array::from(vec![Some(-300), None]), &[-300_i32], json!([-300])).await;
    reads(Int32Array::from(vec![Some(i32::MIN), None]), &[i64::from(i32::MIN)], json!([i32::MIN])).await;
    reads(Int64Array::from(vec![Some(i64::MIN), None]), &[i64::MIN], json!([i64::MIN])).await;
    reads(UInt8Array::from(vec![Some(255), None]), &[255_u8], json!([255])).await;
    reads(UInt16Array::from(vec![Some(7), None]), &[7_usize], json!([7])).await;
    reads(UInt32Array::from(vec![Some(u32::MAX), None]), &[u32::MAX], json!([u32::MAX])).await;
    reads(UInt64Array::from(vec![Some(u64::MAX), None]), &[u64::MAX], json!([u64::MAX])).await;
    reads(UInt64Array::from(vec![Some(u64::MAX), None]), &[i128::from(u64::MAX)], json!([u64::MAX])).await;
    let rows = sent(UInt64Array::from(vec![u64::MAX])).await;
    assert_eq!(
        fault::<i64>(&rows[0]),
        "column `x` has a value here that does not fit into a whole number of 64 bits"
    );
    let rows = sent(Int64Array::from(vec![-1])).await;
    assert!(fault::<u8>(&rows[0]).contains("does not fit"));
}

#[tokio::test]
async fn floating_numbers_keep_what_they_are() {
    reads(Float32Array::from(vec![Some(0.1), None]), &[0.1_f32], json!([0.1])).await;
    reads(Float64Array::from(vec![Some(-1.5e300), None]), &[-1.5e300], json!([-1.5e300])).await;
    reads(Int32Array::from(vec![Some(7), None]), &[7.0_f64], json!([7])).await;
    let strange = Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    let rows = sent(strange).await;
    assert!(value::<f64>(&rows[0]).is_nan());
    let told = rows.iter().map(value::<Json>).collect::<Vec<_>>();
    assert_eq!(told, ["NaN", "Infinity", "-Infinity"]);
    // It would lose digits.
    assert!(fault::<f64>(&sent(Int64Array::from(vec![1])).await[0]).contains("is of the type bigint"));
    assert!(fault::<f32>(&sent(Float64Array::from(vec![1.0])).await[0]).contains("is of the type double"));
}

#[tokio::test]
async fn decimals_of_every_size_are_exact() {
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    let of_32 = Decimal32Array::from(vec![Some(-5), None]).with_precision_and_scale(9, 2).unwrap();
    reads(of_32, &[decimal("-0.05")], json!(["-0.05"])).await;
    let of_64 = Decimal64Array::from(vec![Some(12345), None]).with_precision_and_scale(18, 1).unwrap();
    reads(of_64, &[decimal("1234.5")], json!(["1234.5"])).await;
    let large = 10_i128.pow(38) - 1;
    let of_128 = Decimal128Array::from(vec![Some(large), Some(0), None]).with_precision_and_scale(38, 10);
    let told = ["9999999999999999999999999999.9999999999", "0.0000000000"];
    reads(of_128.unwrap(), &told.map(decimal), json!(told)).await;
    let of_256 = vec![Some(i256::from_i128(large)), Some(i256::MAX), None];
    let rows = sent(Decimal256Array::from(of_256).with_precision_and_scale(76, 3).unwrap()).await;
    assert_eq!(value::<Decimal>(&rows[0]), Decimal::new(large, 3));
    assert!(fault::<Decimal>(&rows[1]).contains("does not fit"));
    let digits = i256::MAX.to_string();
    let (whole, fraction) = digits.split_at(digits.len() - 3);
    assert_eq!(value::<String>(&rows[1]), format!("{whole}.{fraction}"));
}

#[tokio::test]
async fn texts_and_bytes_are_read_however_they_are_held() {
    let word = "a \"b\",\nü 🦀, longer than a view holds in itself";
    let texts = || vec![Some(word), Some(""), None];
    let (expected, told) = ([word.to_owned(), String::new()], json!([word, ""]));
    reads(StringArray::from(texts()), &expected, told.clone()).await;
    reads(LargeStringArray::from(texts()), &expected, told.clone()).await;
    reads(StringViewArray::from(texts()), &expected, told.clone()).await;
    reads(texts().into_iter().collect::<DictionaryArray<Int32Type>>(), &expected, told.clone()).await;
    reads(texts().into_iter().collect::<DictionaryArray<UInt8Type>>(), &expected, told.clone()).await;
    reads(texts().into_iter().collect::<RunArray<Int32Type>>(), &expected, told).await;
    let rows = sent(StringViewArray::from(texts())).await;
    assert_eq!(rows[0].get::<&str>("x").unwrap(), word);

    let bytes = || vec![Some(&b"\xff\x00\n"[..]), Some(b""), None];
    let (expected, told) = ([b"\xff\x00\n".to_vec(), Vec::new()], json!(["/wAK", ""]));
    reads(BinaryArray::from(bytes()), &expected, told.clone()).await;
    reads(LargeBinaryArray::from(bytes()), &expected, told.clone()).await;
    reads(BinaryViewArray::from(bytes()), &expected, told).await;
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some(b"ab"), None].into_iter(), 2);
    reads(fixed.unwrap(), &[b"ab".to_vec()], json!(["YWI="])).await;
    let rows = sent(BinaryArray::from(bytes())).await;
    assert_eq!(rows[0].get::<&[u8]>("x").unwrap(), b"\xff\x00\n");
    assert_eq!(fault::<String>(&rows[0]), "column `x` is of the type varbinary and cannot be read as a text");
    assert!(rows[0].get::<&str>("x").is_err());
}

#[tokio::test]
async fn dates_and_times_of_every_unit_are_read() {
    reads(BooleanArray::from(vec![Some(true), None]), &[true], json!([true])).await;
    let day = NaiveDate::from_ymd_opt(2024, 1, 2).unwrap();
    reads(Date32Array::from(vec![Some(19_724), None]), &[day], json!(["2024-01-02"])).await;
    let rows = sent(Date64Array::from(vec![19_724 * 86_400_000])).await;
    assert_eq!(value::<NaiveDate>(&rows[0]), day);

    let clock = |micros: u32| NaiveTime::from_hms_micro_opt(1, 0, 0, micros).unwrap();
    reads(Time32SecondArray::from(vec![Some(3600), None]), &[clock(0)], json!(["01:00:00"])).await;
    let millis = Time32MillisecondArray::from(vec![Some(3_600_005), None]);
    reads(millis, &[clock(5000)], json!(["01:00:00.005"])).await;
    let micros = Time64MicrosecondArray::from(vec![Some(3_600_000_001), None]);
    reads(micros, &[clock(1)], json!(["01:00:00.000001"])).await;
    let nanos = Time64NanosecondArray::from(vec![Some(3_600_000_001_000), None]);
    reads(nanos, &[clock(1)], json!(["01:00:00.000001"])).await;

    let seconds = 1_704_164_645;
    let moment = DateTime::<Utc>::from_timestamp(seconds, 0).unwrap();
    let (plain, zoned) = (json!(["2024-01-02T03:04:05"]), json!(["2024-01-02T03:04:05Z"]));
    let naive = [moment.naive_utc()];
    reads(TimestampSecondArray::from(vec![Some(seconds), None]), &naive, plain.clone()).await;
    reads(TimestampMillisecondArray::from(vec![Some(seconds * 1000), None]), &naive, plain.clone()).await;
    let micros = || TimestampMicrosecondArray::from(vec![Some(seconds * 1_000_000), None]);
    reads(micros(), &naive, plain.clone()).await;
    reads(TimestampNanosecondArray::from(vec![Some(seconds * 1_000_000_000), None]), &naive, plain).await;
    for zone in ["UTC", "+02:00", "Europe/Berlin"] {
        reads(micros().with_timezone(zone), &[moment], zoned.clone()).await;
    }
    // What the clock on the wall said is no moment, and a moment is no clock on a wall.
    assert!(fault::<DateTime<Utc>>(&sent(micros()).await[0]).contains("is of the type timestamp and"));
    let rows = sent(micros().with_timezone("UTC")).await;
    assert!(fault::<NaiveDateTime>(&rows[0]).contains("is of the type timestamptz and"));
    let far = sent(TimestampSecondArray::from(vec![i64::MAX])).await;
    assert!(fault::<NaiveDateTime>(&far[0]).contains("does not fit"));
}

#[tokio::test]
async fn spans_of_time_are_read_when_they_have_no_months() {
    let span = TimeDelta::milliseconds(1500);
    for rows in [
        sent(DurationMillisecondArray::from(vec![1500])).await,
        sent(DurationMicrosecondArray::from(vec![1_500_000])).await,
        sent(DurationNanosecondArray::from(vec![1_500_000_000])).await,
    ] {
        assert_eq!(value::<TimeDelta>(&rows[0]), span);
        assert!(value::<String>(&rows[0]).contains("1.5"), "{}", value::<String>(&rows[0]));
    }
    let days = IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 1500)]);
    assert_eq!(value::<TimeDelta>(&sent(days).await[0]), TimeDelta::days(1) + span);
    let month = |months| IntervalMonthDayNano::new(months, 1, 1_500_000_000);
    let rows = sent(IntervalMonthDayNanoArray::from(vec![month(0), month(1)])).await;
    assert_eq!(value::<TimeDelta>(&rows[0]), TimeDelta::days(1) + span);
    assert!(fault::<TimeDelta>(&rows[1]).contains("does not fit into a span of time without months"));
    assert!(value::<String>(&rows[1]).contains("1 mon"));
    let rows = sent(IntervalYearMonthArray::from(vec![13])).await;
    assert!(value::<String>(&rows[0]).contains('1') && rows[0].get::<TimeDelta>(0).is_err());
}

#[tokio::test]
async fn lists_of_every_kind_are_read() {
    let lists = || vec![Some(vec![Some(1), None]), Some(vec![]), None];
    let expected = [vec![Some(1_i32), None], vec![]];
    let told = json!([[1, null], []]);
    reads(ListArray::from_iter_primitive::<Int32Type, _, _>(lists()), &expected, told.clone()).await;
    reads(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists()), &expected, told.clone()).await;
    let plain = ListArray::from_iter_primitive::<Int32Type, _, _>(lists());
    reads(ListViewArray::from(plain), &expected, told).await;
    let fixed = vec![Some(vec![Some(1), Some(2)]), None];
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(fixed, 2);
    reads(fixed, &[vec![1_i64, 2]], json!([[1, 2]])).await;
    let bytes = ListArray::from_iter_primitive::<UInt8Type, _, _>(vec![Some(vec![Some(7)]), None]);
    reads(bytes, &[vec![7_u8]], json!([[7]])).await;
    let rows = sent(ListArray::from_iter_primitive::<Int32Type, _, _>(lists())).await;
    assert_eq!(fault::<Vec<i32>>(&rows[0]), "column `x` is NULL here; ask for an optional value");
    assert!(fault::<Vec<bool>>(&rows[0]).contains("is of the type int"));
    assert!(fault::<i32>(&rows[0]).contains("is of the type list<int>"));
}

#[tokio::test]
async fn structs_maps_and_unions_are_read() {
    let city = Arc::new(StringViewArray::from(vec![Some("Köln"), None, Some("hidden")])) as ArrayRef;
    let fields = Fields::from(vec![Field::new("city", city.data_type().clone(), true)]);
    let nulls = NullBuffer::from(vec![true, true, false]);
    let rows = sent(StructArray::new(fields, vec![city], Some(nulls))).await;
    assert_eq!(value::<Json>(&rows[0]), json!({ "city": "Köln" }));
    assert_eq!(value::<String>(&rows[1]), r#"{"city":null}"#);
    let city = |row: &Row| row.cell("x").unwrap().field("city").unwrap().get::<Option<String>>().unwrap();
    assert_eq!([city(&rows[0]), city(&rows[1]), city(&rows[2])], [Some("Köln".to_owned()), None, None]);
    let missing = rows[0].cell("x").unwrap().field("zip").unwrap_err().to_string();
    assert_eq!(missing, "column `x` has no field `zip`");

    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a");
    map.values().append_value(1);
    map.append(true).unwrap();
    assert_eq!(value::<Json>(&sent(map.finish()).await[0]), json!([["a", 1]]));

    let children = vec![
        Arc::new(Int32Array::from(vec![7])) as ArrayRef,
        Arc::new(StringArray::from(vec!["b"])) as ArrayRef,
    ];
    let fields = UnionFields::try_new(
        [0, 1],
        [Field::new("i", DataType::Int32, true), Field::new("s", DataType::Utf8, true)],
    );
    let kinds = ScalarBuffer::from(vec![0_i8, 1]);
    let places = ScalarBuffer::from(vec![0_i32, 0]);
    let rows = sent(UnionArray::try_new(fields.unwrap(), kinds, Some(places), children).unwrap()).await;
    assert_eq!((value::<i64>(&rows[0]), value::<String>(&rows[1])), (7, "b".to_owned()));
    assert_eq!(value::<Option<i32>>(&sent(NullArray::new(1)).await[0]), None);
}

#[tokio::test]
async fn columns_are_found_by_place_and_by_name() {
    let rows = sent(Int64Array::from(vec![7])).await;
    let row = &rows[0];
    assert_eq!((row.get::<i64>(0).unwrap(), row.get::<i64>("X").unwrap()), (7, 7));
    assert_eq!(row.get::<i64>(&"x".to_owned()).unwrap(), 7);
    let error = row.get::<i64>(1).unwrap_err().to_string();
    assert_eq!(error, "column `1` is not in the result, which has 1; the first is 0");
    assert_eq!(row.get::<i64>("y").unwrap_err().to_string(), "column `y` is not in the result");
    assert_eq!(fault::<bool>(row), "column `x` is of the type bigint and cannot be read as a truth value");
    assert_eq!(row.metadata().columns()[0].type_name, "bigint");
    assert_eq!(format!("{row:?}"), "[Number(7)]");
}

/// What lies under a NULL, and before and behind a slice, is not read.
#[tokio::test]
async fn a_slice_is_read_from_where_it_begins() {
    let offsets = OffsetBuffer::new(vec![0, 1, 3, 3].into());
    let items = Arc::new(Int32Array::from(vec![9, 1, 2])) as ArrayRef;
    let field = Arc::new(Field::new_list_field(DataType::Int32, true));
    let nulls = NullBuffer::from(vec![false, true, true]);
    let list = ListArray::new(field, offsets, items, Some(nulls)).slice(0, 2);
    let rows = sent(list).await;
    assert_eq!(value::<Option<Vec<i32>>>(&rows[0]), None);
    assert_eq!(value::<Vec<i32>>(&rows[1]), [1, 2]);
}
