//! What each type of a source becomes, and its values at the edges: extremes, zeros, infinities, texts that look like
//! something else. One table of one column for each type, so that a type cannot hide behind another.

use std::sync::Arc;

use arrow::array::{Array, Date32Array};
use arrow_schema::{DataType, Field, TimeUnit};
use lakegate::ingest::source::{ReadOptions, Unrepresentable};

use super::read::{rows_of, texts};
use super::{postgres, sqlite};

/// A type as the source writes it, what it becomes, and values with their text in the lake.
type Case<'a> = (&'a str, DataType, &'a [(&'a str, &'a str)]);

fn micros(zone: Option<&str>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.map(Arc::from))
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", of, true)))
}

/// The statements that make and fill the tables `t0`, `t1` … of `cases`, each with a NULL at its end.
fn statements(cases: &[Case<'_>]) -> String {
    let fill = |(at, (of, _, values)): (usize, &Case<'_>)| {
        let rows = values.iter().map(|(value, _)| format!("({value}), ")).collect::<String>();
        format!("CREATE TABLE t{at} (c {of}); INSERT INTO t{at} VALUES {rows}(NULL); ")
    };
    cases.iter().enumerate().map(fill).collect()
}

async fn compare(url: &str, cases: &[Case<'_>]) {
    for (at, (of, becomes, values)) in cases.iter().enumerate() {
        let (table, batches) = rows_of(url, &format!("t{at}"), ReadOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{of}: {error}"));
        assert_eq!(table.schema.field(0).data_type(), becomes, "{of}");
        let found = texts(&batches).into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>();
        let expected = values.iter().map(|(_, text)| Some((*text).to_owned())).chain([None]);
        assert_eq!(found, expected.collect::<Vec<_>>(), "{of}");
    }
}

#[tokio::test]
async fn postgres_types_keep_their_edges() {
    let nines = "9".repeat(38);
    let digits = format!("{}.{}", "9".repeat(28), "9".repeat(10));
    let tiny = format!("0.{}1", "0".repeat(37));
    let long = format!("repeat('ü', {})", 1 << 20);
    let long_text = "ü".repeat(1 << 20);
    let cases: &[Case<'_>] = &[
        ("boolean", DataType::Boolean, &[("true", "true"), ("false", "false")]),
        ("smallint", DataType::Int16, &[("-32768", "-32768"), ("0", "0"), ("32767", "32767")]),
        ("integer", DataType::Int32, &[("-2147483648", "-2147483648"), ("2147483647", "2147483647")]),
        (
            "bigint",
            DataType::Int64,
            &[
                ("-9223372036854775808", "-9223372036854775808"),
                ("9223372036854775807", "9223372036854775807"),
            ],
        ),
        (
            "real",
            DataType::Float32,
            &[
                ("'NaN'", "NaN"),
                ("'Infinity'", "inf"),
                ("'-Infinity'", "-inf"),
                ("'-0'", "-0.0"),
                ("0.1", "0.1"),
                ("16777217", "16777216.0"),
            ],
        ),
        (
            "double precision",
            DataType::Float64,
            &[
                ("'NaN'", "NaN"),
                ("'Infinity'", "inf"),
                ("'-0'", "-0.0"),
                ("0.1", "0.1"),
                ("1.7976931348623157e308", "1.7976931348623157e308"),
                ("5e-324", "5e-324"),
            ],
        ),
        (
            "numeric(38,0)",
            DataType::Decimal128(38, 0),
            &[(&nines, &nines), ("0", "0"), ("-1", "-1"), ("10000", "10000"), ("100000000", "100000000")],
        ),
        ("numeric(38,10)", DataType::Decimal128(38, 10), &[(&digits, &digits), ("-0.5", "-0.5000000000")]),
        ("numeric(38,38)", DataType::Decimal128(38, 38), &[(&tiny, &tiny)]),
        (
            "numeric(5,2)",
            DataType::Decimal128(5, 2),
            &[("0", "0.00"), ("-999.99", "-999.99"), ("0.005", "0.01"), ("100", "100.00")],
        ),
        ("numeric(3,-2)", DataType::Utf8, &[("12345", "12300")]),
        ("numeric(2,4)", DataType::Utf8, &[("0.0012", "0.0012")]),
        (
            "numeric",
            DataType::Utf8,
            &[
                ("'NaN'", "NaN"),
                ("'Infinity'", "Infinity"),
                ("1.500", "1.500"),
                ("1e-20", "0.00000000000000000001"),
            ],
        ),
        (
            "money",
            DataType::Decimal128(19, 2),
            &[
                ("'-92233720368547758.08'", "-92233720368547758.08"),
                ("'92233720368547758.07'", "92233720368547758.07"),
            ],
        ),
        (
            "text",
            DataType::Utf8,
            &[("'NULL'", "NULL"), ("'\\N'", "\\N"), ("E'a\\tb\\nc'", "a\tb\nc"), (&long, &long_text)],
        ),
        ("bytea", DataType::Binary, &[("''", ""), ("'\\x00'", "00"), ("'\\xfffe5c'", "fffe5c")]),
        (
            "date",
            DataType::Date32,
            &[
                ("'4713-01-01 BC'", "-4712-01-01"),
                ("'1969-12-31'", "1969-12-31"),
                ("'9999-12-31'", "9999-12-31"),
            ],
        ),
        (
            "timestamp",
            micros(None),
            &[
                ("'4713-01-01 00:00:00 BC'", "-4712-01-01T00:00:00"),
                ("'1969-12-31 23:59:59.999999'", "1969-12-31T23:59:59.999999"),
                ("'1999-12-31 23:59:59.999999'", "1999-12-31T23:59:59.999999"),
                ("'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
            ],
        ),
        (
            "timestamptz",
            micros(Some("UTC")),
            &[
                ("'0001-01-01 00:00:00+00'", "0001-01-01T00:00:00Z"),
                ("'2024-03-31 02:30:00 Europe/Berlin'", "2024-03-31T01:30:00Z"),
                ("'2024-06-01 00:00:00-11:30'", "2024-06-01T11:30:00Z"),
            ],
        ),
        ("timestamp(0)", micros(None), &[("'2024-01-01 00:00:00.6'", "2024-01-01T00:00:01")]),
        (
            "time",
            DataType::Utf8,
            &[("'00:00'", "00:00:00"), ("'24:00:00'", "24:00:00"), ("'12:00:00.5'", "12:00:00.5")],
        ),
        ("timetz", DataType::Utf8, &[("'23:59:59.999999-15:59:59'", "23:59:59.999999-15:59:59")]),
        (
            "interval",
            DataType::Utf8,
            &[
                ("'0'", "PT0S"),
                ("'-1 month +1 day -00:00:00.000001'", "P-1M1DT-0.000001S"),
                ("'100 hours'", "PT100H"),
                ("'178000000 years'", "P178000000Y"),
            ],
        ),
        (
            "uuid",
            DataType::Utf8,
            &[("'00000000-0000-0000-0000-000000000000'", "00000000-0000-0000-0000-000000000000")],
        ),
        ("json", DataType::Utf8, &[("'null'", "null"), ("' [1, 1.0 , \"ü\"]'", " [1, 1.0 , \"ü\"]")]),
        (
            "jsonb",
            DataType::Utf8,
            &[("'null'", "null"), ("'{\"b\":1e2,\"a\":[]}'", "{\"a\": [], \"b\": 100}")],
        ),
        ("mood", DataType::Utf8, &[("'so-so, \"x\"'", "so-so, \"x\""), ("''", "")]),
        ("price", DataType::Decimal128(7, 3), &[("1.5", "1.500")]),
        ("cheap", DataType::Decimal128(7, 3), &[("-0.001", "-0.001")]),
        ("int4multirange", DataType::Utf8, &[("'{[1,2),[5,9)}'", "{[1,2),[5,9)}"), ("'{}'", "{}")]),
        ("boolean[]", list(DataType::Boolean), &[("'{t,f,NULL}'", "[true, false, ]")]),
        ("text[]", list(DataType::Utf8), &[("'{\"NULL\",NULL,\"a,{}\\\\\"}'", "[NULL, , a,{}\\]")]),
        ("bytea[]", list(DataType::Binary), &[("ARRAY['\\x00ff'::bytea, '']", "[00ff, ]")]),
        ("date[]", list(DataType::Date32), &[("'{2024-02-29,NULL}'", "[2024-02-29, ]")]),
        (
            "timestamptz[]",
            list(micros(Some("UTC"))),
            &[("'{2024-02-29 12:00:00+01}'", "[2024-02-29T11:00:00Z]")],
        ),
        ("numeric[]", list(DataType::Utf8), &[("'{1.50,NaN}'", "[1.50, NaN]")]),
        ("mood[]", list(DataType::Utf8), &[("ARRAY['so-so, \"x\"']::mood[]", "[so-so, \"x\"]")]),
        ("jsonb[]", list(DataType::Utf8), &[("ARRAY['{\"a\":1}']::jsonb[]", "[{\"a\": 1}]")]),
        ("interval[]", list(DataType::Utf8), &[("'{1 day,NULL}'", "[P1D, ]")]),
        ("double precision[]", list(DataType::Float64), &[("'{NaN,-Infinity,0.5}'", "[NaN, -inf, 0.5]")]),
    ];
    let (url, _connection) = postgres::database(&format!(
        "CREATE TYPE mood AS ENUM ('so-so, \"x\"', ''); CREATE DOMAIN price AS numeric(7,3); CREATE DOMAIN cheap AS price; {}",
        statements(cases)
    ))
    .await;
    compare(&url, cases).await;
}

/// Days are counted further than a calendar can be printed; times are not, and then it is said.
#[tokio::test]
async fn the_last_days_of_postgres_are_kept_and_its_last_times_told() {
    let (url, _connection) = postgres::database(
        "CREATE TABLE d (c date); INSERT INTO d VALUES ('5874897-12-31'), ('4714-11-24 BC'); \
         CREATE TABLE t (c timestamp); INSERT INTO t VALUES ('294276-12-31 23:59:59.999999'); \
         CREATE TABLE z (c timestamptz); INSERT INTO z VALUES ('294276-12-31 23:59:59.999999+00'); \
         CREATE TABLE a (c date[]); INSERT INTO a VALUES ('{infinity,2024-01-01}');",
    )
    .await;
    let (_, batches) = rows_of(&url, "d", ReadOptions::default()).await.unwrap();
    let days = batches[0].column(0).as_any().downcast_ref::<Date32Array>().unwrap();
    assert_eq!(days.values().to_vec(), [2_145_042_905, -2_440_588]);
    for table in ["t", "z", "a"] {
        let error = rows_of(&url, table, ReadOptions::default()).await.unwrap_err();
        assert!(error.detail().starts_with(&format!("column `c` of `{table}` has the value")), "{error}");
    }
    let lenient = || ReadOptions { unrepresentable: Unrepresentable::Null, ..ReadOptions::default() };
    let (_, batches) = rows_of(&url, "t", lenient()).await.unwrap();
    assert_eq!(texts(&batches), [[None]]);
    let (_, batches) = rows_of(&url, "a", lenient()).await.unwrap();
    assert_eq!(texts(&batches), [[Some("[, 2024-01-01]".to_owned())]]);
}

#[tokio::test]
async fn sqlite_types_keep_their_edges() {
    let long = format!("printf('%.*c', {}, 'x')", 1 << 20);
    let long_text = "x".repeat(1 << 20);
    let cases: &[Case<'_>] = &[
        ("BOOLEAN", DataType::Boolean, &[("0", "false"), ("1", "true"), ("TRUE", "true")]),
        (
            "BIGINT",
            DataType::Int64,
            &[
                ("-9223372036854775808", "-9223372036854775808"),
                ("9223372036854775807", "9223372036854775807"),
            ],
        ),
        ("UNSIGNED BIG INT", DataType::Int64, &[("0", "0")]),
        (
            "DOUBLE",
            DataType::Float64,
            &[
                ("9e999", "inf"),
                ("-9e999", "-inf"),
                ("1.7976931348623157e308", "1.7976931348623157e308"),
                ("0.1", "0.1"),
                ("9007199254740992", "9007199254740992.0"),
            ],
        ),
        (
            "DECIMAL(18,4)",
            DataType::Decimal128(18, 4),
            &[
                ("0", "0.0000"),
                ("-0.0001", "-0.0001"),
                ("99999999999", "99999999999.0000"),
                ("'12.5'", "12.5000"),
            ],
        ),
        ("NUMERIC(38,0)", DataType::Decimal128(38, 0), &[("9223372036854775807", "9223372036854775807")]),
        (
            "NUMERIC",
            DataType::Utf8,
            &[("9223372036854775807", "9223372036854775807"), ("0.1", "0.1"), ("-5", "-5")],
        ),
        ("VARCHAR(1)", DataType::Utf8, &[("'NULL'", "NULL"), ("'12.50'", "12.50"), (&long, &long_text)]),
        ("JSON", DataType::Utf8, &[("'{\"a\": [1, 2.50]}'", "{\"a\": [1, 2.50]}"), ("'null'", "null")]),
        (
            "UUID",
            DataType::Utf8,
            &[("'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", "A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11")],
        ),
        (
            "BLOB",
            DataType::Binary,
            &[("x''", ""), ("x'00'", "00"), ("x'ff00c3'", "ff00c3"), ("zeroblob(3)", "000000")],
        ),
        ("DATE", DataType::Date32, &[("'0001-01-01'", "0001-01-01"), ("'9999-12-31'", "9999-12-31")]),
        (
            "TIMESTAMP",
            micros(None),
            &[
                ("'0001-01-01 00:00:00'", "0001-01-01T00:00:00"),
                ("'9999-12-31T23:59:59.999999'", "9999-12-31T23:59:59.999999"),
                ("'2024-02-29 12:34'", "2024-02-29T12:34:00"),
                ("'2024-02-29'", "2024-02-29T00:00:00"),
                ("'2024-02-29 12:34:56.1000000'", "2024-02-29T12:34:56.100"),
            ],
        ),
        ("TIME", DataType::Utf8, &[("'24:00:00'", "24:00:00")]),
    ];
    let (url, _folder) = sqlite::database(&statements(cases)).await;
    compare(&url, cases).await;
}

/// SQLite has no type for these, and so no value of them is taken for another.
#[tokio::test]
async fn sqlite_values_that_are_nearly_of_the_type_are_told() {
    for (of, value) in [
        ("DATE", "'2023-02-29'"),
        ("DATE", "'2024-02-29 00:00:00'"),
        ("DATETIME", "'2024-02-29 12:34:56Z'"),
        ("DATETIME", "'2024-02-29 12:34:56+05:30'"),
        ("DATETIME", "'2024-02-29 24:00:00'"),
        ("DATETIME", "'2024-02-29 12:34:60'"),
        ("DATETIME", "'2024-02-29 12:34:56.1234567'"),
        ("DATETIME", "1709164800"),
        ("BOOLEAN", "'true'"),
        ("INTEGER", "1.5"),
        ("INTEGER", "9223372036854775808"),
        ("INTERVAL", "'1 day'"),
        ("DECIMAL(38,10)", "9e999"),
        ("DECIMAL(5,2)", "1000"),
    ] {
        let (url, _folder) =
            sqlite::database(&format!("CREATE TABLE t (c {of}); INSERT INTO t VALUES ({value})")).await;
        let error =
            rows_of(&url, "t", ReadOptions::default()).await.map(|(_, batches)| texts(&batches)).unwrap_err();
        assert!(error.detail().contains("column `c`"), "{of} {value}: {error}");
    }
}
