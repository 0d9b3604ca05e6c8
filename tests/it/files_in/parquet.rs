//! Parquet: each type in the one that holds its values, or its table is refused.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Decimal256Array,
    DictionaryArray, DurationSecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array,
    Int32Array, Int64Array, LargeStringArray, ListArray, NullArray, RecordBatch, StringArray,
    StringViewArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{Int32Type, i256};
use lakegate::ingest::source::{ReadOptions, Unrepresentable};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::Drop;

pub(super) fn written(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn one(name: &str, column: ArrayRef) -> Vec<u8> {
    written(&RecordBatch::try_from_iter_with_nullable([(name, column, true)]).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_arrives_exactly() {
    let list = ListArray::from_iter_primitive::<arrow::datatypes::UInt8Type, _, _>([
        Some(vec![Some(255), None]),
        None,
    ]);
    let inner = Arc::new(arrow_schema::Field::new("n", arrow_schema::DataType::UInt64, true));
    let objects =
        StructArray::from(vec![(inner, Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])) as ArrayRef)]);
    let columns: Vec<(&str, ArrayRef, &str)> = vec![
        ("Boolean", Arc::new(BooleanArray::from(vec![Some(true), None])), "true"),
        ("Int8", Arc::new(Int8Array::from(vec![Some(-128), None])), "-128"),
        ("Int32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None])), "-2147483648"),
        ("Int64", Arc::new(Int64Array::from(vec![Some(i64::MAX), None])), "9223372036854775807"),
        ("Int16", Arc::new(UInt8Array::from(vec![Some(u8::MAX), None])), "255"),
        ("Int32", Arc::new(UInt16Array::from(vec![Some(u16::MAX), None])), "65535"),
        ("Int64", Arc::new(UInt32Array::from(vec![Some(u32::MAX), None])), "4294967295"),
        (
            "Decimal128(20, 0)",
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])),
            "18446744073709551615",
        ),
        ("Float32", Arc::new(Float32Array::from(vec![Some(f32::MIN_POSITIVE), None])), "1.1754944e-38"),
        ("Float64", Arc::new(Float64Array::from(vec![Some(f64::NAN), None])), "NaN"),
        ("Utf8", Arc::new(StringArray::from(vec![Some("ü\0"), None])), "ü\0"),
        ("Utf8", Arc::new(LargeStringArray::from(vec![Some(""), None])), ""),
        (
            "Utf8",
            Arc::new(StringViewArray::from(vec![Some("a long enough view"), None])),
            "a long enough view",
        ),
        ("Binary", Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), None])), "00ff"),
        ("Date32", Arc::new(Date32Array::from(vec![Some(-719_162), None])), "0001-01-01"),
        (
            "Timestamp(µs)",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None])),
            "1969-12-31T23:59:59.999999",
        ),
        (
            "Timestamp(µs)",
            Arc::new(TimestampMillisecondArray::from(vec![Some(253_402_300_799_999), None])),
            "9999-12-31T23:59:59.999",
        ),
        (
            "Timestamp(µs)",
            Arc::new(TimestampNanosecondArray::from(vec![Some(1_000), None])),
            "1970-01-01T00:00:00.000001",
        ),
        (
            "Timestamp(µs, \"UTC\")",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("Europe/Berlin")),
            "1970-01-01T00:00:00Z",
        ),
        ("Utf8", Arc::new(Time64MicrosecondArray::from(vec![Some(86_399_999_999), None])), "23:59:59.999999"),
        (
            "Decimal128(38, 10)",
            Arc::new(
                Decimal128Array::from(vec![Some(10_i128.pow(38) - 1), None])
                    .with_precision_and_scale(38, 10)
                    .unwrap(),
            ),
            "9999999999999999999999999999.9999999999",
        ),
        ("Utf8", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("d"), None])), "d"),
        ("Utf8", Arc::new(NullArray::new(2)), "NULL"),
        ("List(Int16)", Arc::new(list), "[255, ]"),
        ("Struct(\"n\": Decimal128(20, 0))", Arc::new(objects), "{n: 18446744073709551615}"),
    ];
    let names = (0..columns.len()).map(|at| format!("c{at}")).collect::<Vec<_>>();
    let batch = RecordBatch::try_from_iter_with_nullable(
        names.iter().zip(&columns).map(|(name, (_, column, _))| (name, Arc::clone(column), true)),
    );
    let drop = Drop::new().with("t.parquet", written(&batch.unwrap()));
    let out = drop.table("t").await.unwrap();
    assert_eq!(out.table.estimate, Some(2));
    let row = out.lines()[0].clone();
    for ((value, column), (kind, _, expected)) in row.split('|').zip(out.columns()).zip(&columns) {
        assert_eq!(column.split_once(' ').unwrap().1, *kind);
        assert_eq!(value, *expected, "{kind}");
    }
    assert!(out.rows()[1][..23].iter().all(Option::is_none));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_without_an_equal_stops_its_table_or_becomes_null() {
    let cut: Vec<(ArrayRef, &str)> = vec![
        (
            Arc::new(TimestampNanosecondArray::from(vec![Some(1_000), Some(1_001), None])),
            "1970-01-01T00:00:00.000001001",
        ),
        (Arc::new(TimestampMillisecondArray::from(vec![Some(1), Some(i64::MAX), None])), ""),
        (
            Arc::new(Date64Array::from(vec![Some(86_400_000), Some(86_400_001), None])),
            "1970-01-02T00:00:00.001",
        ),
    ];
    for (column, value) in cut {
        let bytes = one("at", column);
        let refusal = Drop::new().with("t.parquet", &bytes).refusal("t").await;
        assert!(refusal.contains(&format!("column `at` of `t` has the value `{value}")), "{refusal}");
        let mut drop = Drop::new().with("t.parquet", &bytes);
        drop.options = ReadOptions { unrepresentable: Unrepresentable::Null, ..ReadOptions::default() };
        let rows = drop.table("t").await.unwrap().rows();
        assert!(rows[0][0].is_some() && rows[1][0].is_none() && rows[2][0].is_none(), "{rows:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_without_an_equal_refuses_its_table() {
    let wide = Decimal256Array::from(vec![Some(i256::ONE)]).with_precision_and_scale(50, 2).unwrap();
    let columns: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(wide), "column `odd` of `t` has the type `Decimal256(50, 2)`"),
        (Arc::new(DurationSecondArray::from(vec![1])), "column `odd` of `t` has the type `Duration(s)`"),
    ];
    for (column, told) in columns {
        let refusal = Drop::new().with("t.parquet", one("odd", column)).refusal("t").await;
        assert!(refusal.contains(told), "{refusal}");
    }
    let bytes = one("id", Arc::new(FixedSizeBinaryArray::try_from_iter([b"ab", b"cd"].iter()).unwrap()));
    assert_eq!(Drop::new().with("t.parquet", bytes).table("t").await.unwrap().lines(), ["6162", "6364"]);
    for content in [&b""[..], b"PAR1", b"no parquet at all, but long enough to have a footer"] {
        let refusal = Drop::new().with("t.parquet", content).refusal("t").await;
        assert!(refusal.contains("t.parquet` cannot be read as Parquet"), "{refusal}");
    }
}

/// A file as older writers make them.
fn old_times(times: &[[u32; 3]]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type("message t { required int96 at; }").unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values = times.iter().map(|data| Int96::from(data.to_vec())).collect::<Vec<_>>();
    column.typed::<Int96Type>().write_batch(&values, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn times_of_the_old_form_are_whole_microseconds_or_told() {
    // The day of the year 9999 is beyond what nanoseconds of 64 bits reach.
    let whole = old_times(&[[1_000, 0, 2_440_588], [0, 0, 5_373_484], [0, 0, 1_721_426]]);
    let out = Drop::new().with("t.parquet", whole).table("t").await.unwrap();
    assert_eq!(out.columns(), ["at Timestamp(µs)"]);
    assert_eq!(out.lines(), ["1970-01-01T00:00:00.000001", "9999-12-31T00:00:00", "0001-01-01T00:00:00"]);
    let cut = old_times(&[[1_000, 0, 2_440_588], [1_001, 0, 2_440_588]]);
    let refusal = Drop::new().with("t.parquet", &cut).refusal("t").await;
    assert!(
        refusal.contains("1970-01-01T00:00:00.000001001`: the lake holds whole microseconds"),
        "{refusal}"
    );
    let mut drop = Drop::new().with("t.parquet", cut);
    drop.options = ReadOptions { unrepresentable: Unrepresentable::Null, ..ReadOptions::default() };
    assert_eq!(drop.table("t").await.unwrap().lines(), ["1970-01-01T00:00:00.000001", "NULL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_table_may_lack_columns_and_differ_in_nothing_else() {
    let two = RecordBatch::try_from_iter([
        ("b", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
        ("a", Arc::new(Int64Array::from(vec![2])) as ArrayRef),
    ]);
    let first = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let drop = Drop::new().with("t/1.parquet", written(&first)).with("t/2.parquet", written(&two.unwrap()));
    let mut drop = drop.with("t/3.parquet", one("b", Arc::new(NullArray::new(1))));
    drop.options = ReadOptions { readers: 2, batch_bytes: 1, ..ReadOptions::default() };
    let out = drop.table("t").await.unwrap();
    assert_eq!(out.columns(), ["a Int64", "b Utf8"]);
    assert!(out.table.optional == ["a", "b"]);
    let mut lines = out.lines();
    lines.sort();
    assert_eq!(lines, ["1|NULL", "2|x", "NULL|NULL"]);
    let other = drop.with("t/4.parquet", one("a", Arc::new(Int32Array::from(vec![1]))));
    let refusal = other.refusal("t").await;
    assert!(refusal.contains("column `a` is `Int64` in `file:///"), "{refusal}");
    assert!(refusal.contains("/t/4.parquet`: a column has one type"), "{refusal}");
    let alike = Drop::new().with("t/1.parquet", one("a", Arc::new(Int32Array::from(vec![1]))));
    let alike = alike.with("t/2.parquet", one("A", Arc::new(Int32Array::from(vec![1]))));
    assert!(alike.refusal("t").await.contains("differ in their case alone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_that_is_held_once_does_not_take_the_memory() {
    let long = "x".repeat(100_000);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(long.as_str()); 500]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(long.as_bytes()); 500]));
    let batch = RecordBatch::try_from_iter([("t", texts), ("b", bytes)]).unwrap();
    let file = written(&batch);
    assert!(file.len() < 1_000_000, "it is held once: {}", file.len());
    let out = Drop::new().with("t.parquet", file).table("t").await.unwrap();
    assert!(out.batches.iter().all(|batch| batch.num_rows() <= 20), "{}", out.batches[0].num_rows());
    let rows = out.batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!((rows, out.columns()), (500, vec!["t Utf8".to_owned(), "b Binary".to_owned()]));
    assert!(
        out.batches.iter().all(|batch| batch
            .column(0)
            .as_string::<i32>()
            .iter()
            .all(|text| text == Some(&long)))
    );
}
