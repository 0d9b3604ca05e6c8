//! MySQL as a source, against a real MariaDB server: every type value by value, what cannot be held, one consistent
//! point, and what is said when it does not work.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use lakegate::error::ErrorKind;
use lakegate::ingest::source::{
    self, ReadOptions, ReadSummary, Selection, Snapshot, SourceTable, Unrepresentable,
};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::sync::mpsc;

use crate::support::mariadb::MariaDbServer;

const LENIENT: ReadOptions = ReadOptions {
    readers: 1,
    batch_rows: 8192,
    batch_bytes: 4 * 1024 * 1024,
    unrepresentable: Unrepresentable::Null,
};

/// A new database in which `statements` have run.
pub async fn database(statements: &[&str]) -> String {
    let url = MariaDbServer::shared().await.database().await;
    run(&url, statements).await;
    url
}

pub async fn run(url: &str, statements: &[&str]) {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    connection.execute("SET sql_mode = ''").await.unwrap();
    for statement in statements {
        let outcome = connection.execute(AssertSqlSafe((*statement).to_owned())).await;
        outcome.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

async fn snapshot(url: &str, patterns: &[&str], options: ReadOptions) -> Box<dyn Snapshot> {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
    source::open(url, options).await.unwrap().snapshot(&patterns).await.unwrap()
}

fn named(snapshot: &dyn Snapshot, name: &str) -> SourceTable {
    snapshot.tables().iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no {name}")).clone()
}

/// Reads `table` as the one part that it is.
async fn read_alone(
    snapshot: &mut dyn Snapshot,
    table: &SourceTable,
    sender: mpsc::Sender<RecordBatch>,
) -> lakegate::error::Result<ReadSummary> {
    let mut readers = snapshot.readers(table, &Selection::default()).await?;
    assert_eq!(readers.len(), 1);
    readers.remove(0).read(sender).await
}

/// The batches of a table as they come.
async fn batches(
    snapshot: &mut dyn Snapshot,
    table: &SourceTable,
) -> (Vec<RecordBatch>, lakegate::error::Result<ReadSummary>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let collect = async {
        let mut batches = Vec::new();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (outcome, batches) = tokio::join!(read_alone(snapshot, table, sender), collect);
    (batches, outcome)
}

async fn whole(snapshot: &mut dyn Snapshot, name: &str) -> (RecordBatch, ReadSummary) {
    let table = named(snapshot, name);
    let (batches, outcome) = batches(snapshot, &table).await;
    (concat_batches(&table.schema, &batches).unwrap(), outcome.unwrap())
}

/// The table `t` of a new database, created with `columns` and filled with `rows`.
async fn table(columns: &str, rows: &str) -> RecordBatch {
    let (create, insert) = (format!("CREATE TABLE t ({columns})"), format!("INSERT INTO t VALUES {rows}"));
    let url = database(&[&create, &insert]).await;
    // What the URL asks of the session changes no value.
    let url = format!("{url}?timezone=%2B03:00&charset=latin1");
    whole(&mut *snapshot(&url, &["t"], ReadOptions::default()).await, "t").await.0
}

fn assert_columns(batch: &RecordBatch, expected: &[(&str, ArrayRef)]) {
    for (name, expected) in expected {
        let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
        assert_eq!(column.data_type(), expected.data_type(), "{name}");
        assert_eq!(column, expected, "{name}");
    }
    assert_eq!(batch.num_columns(), expected.len());
}

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn decimal(values: &[Option<i128>], precision: u8, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap())
}

#[tokio::test]
async fn whole_numbers_keep_their_extremes() {
    let batch = table(
        "a TINYINT, b TINYINT UNSIGNED, c TINYINT(1), d SMALLINT, e SMALLINT UNSIGNED, f MEDIUMINT, \
         g MEDIUMINT UNSIGNED, h INT, i INT UNSIGNED, j BIGINT, k BIGINT UNSIGNED, l INT(6) ZEROFILL, m YEAR",
        "(-128, 0, -128, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0, 42, 1901), \
         (127, 255, 127, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, \
          18446744073709551615, 999999, 2155), \
         (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let big = Some(18_446_744_073_709_551_615);
    assert_columns(
        &batch,
        &[
            ("a", Arc::new(Int8Array::from(vec![Some(-128), Some(127), None]))),
            ("b", Arc::new(Int16Array::from(vec![Some(0), Some(255), None]))),
            ("c", Arc::new(Int8Array::from(vec![Some(-128), Some(127), None]))),
            ("d", Arc::new(Int16Array::from(vec![Some(-32768), Some(32767), None]))),
            ("e", Arc::new(Int32Array::from(vec![Some(0), Some(65535), None]))),
            ("f", Arc::new(Int32Array::from(vec![Some(-8_388_608), Some(8_388_607), None]))),
            ("g", Arc::new(Int32Array::from(vec![Some(0), Some(16_777_215), None]))),
            ("h", Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None]))),
            ("i", Arc::new(Int64Array::from(vec![Some(0), Some(4_294_967_295), None]))),
            ("j", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None]))),
            ("k", decimal(&[Some(0), big, None], 20, 0)),
            ("l", Arc::new(Int64Array::from(vec![Some(42), Some(999_999), None]))),
            ("m", Arc::new(Int16Array::from(vec![Some(1901), Some(2155), None]))),
        ],
    );
}

#[tokio::test]
async fn fractions_are_exact() {
    let most = "9".repeat(38);
    let longest = format!("-{}.{}", "9".repeat(35), "9".repeat(30));
    let batch = table(
        "a FLOAT, b DOUBLE, c DECIMAL(10,2), d DECIMAL(38,0), e DECIMAL(38,38), f DECIMAL(65,30), \
         g DECIMAL(8,3) UNSIGNED ZEROFILL",
        &format!(
            "(3.4028234e38, 1.7976931348623157e308, -12345678.90, {most}, -0.{most}, {longest}, 1.5), \
             (1.17549435e-38, 2.2250738585072014e-308, 0, -{most}, 0, 0.1, 0), \
             (16777217, 0.1, 0.01, 1, 0.00000000000000000000000000000000000001, 1, 99999.999), \
             (NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
        ),
    )
    .await;
    let nines = 10_i128.pow(38) - 1;
    let zeros =
        |first: &str| format!("{first}{}", "0".repeat(31 - first.len() + first.find('.').unwrap_or(0)));
    assert_columns(
        &batch,
        &[
            (
                "a",
                Arc::new(Float32Array::from(vec![
                    Some(3.402_823_4e38),
                    Some(1.175_494_4e-38),
                    Some(16_777_216.0),
                    None,
                ])),
            ),
            (
                "b",
                Arc::new(Float64Array::from(vec![Some(f64::MAX), Some(f64::MIN_POSITIVE), Some(0.1), None])),
            ),
            ("c", decimal(&[Some(-1_234_567_890), Some(0), Some(1), None], 10, 2)),
            ("d", decimal(&[Some(nines), Some(-nines), Some(1), None], 38, 0)),
            ("e", decimal(&[Some(-nines), Some(0), Some(1), None], 38, 38)),
            ("f", text(&[Some(&longest), Some(&zeros("0.1")), Some(&zeros("1.")), None])),
            ("g", decimal(&[Some(1500), Some(0), Some(99_999_999), None], 8, 3)),
        ],
    );
}

#[tokio::test]
async fn texts_of_any_charset_and_bytes_are_kept() {
    let batch = table(
        "a CHAR(5), b VARCHAR(20), c TINYTEXT, d TEXT, e MEDIUMTEXT, f LONGTEXT, \
         g VARCHAR(20) CHARACTER SET latin1, h VARCHAR(20) CHARACTER SET utf16, i TEXT CHARACTER SET sjis, \
         j VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, k JSON, l ENUM('red', 'grün'), m SET('a', 'b', 'c'), \
         n UUID, o INET4, p INET6",
        "('ab', 'naïve', '', '東京 🗼', 'NULL', 'line\nend\t\\\\', '£éß', '🗼', '東京', 'ÀÉ', '{\"a\": [1, 2.50]}', \
          'grün', 'a,c', '123e4567-e89b-12d3-a456-426655440000', '10.0.0.1', '2001:db8::ff00:42:8329'), \
         ('', '', '', '', '', '', '', '', '', '', 'null', 'red', '', '00000000-0000-0000-0000-000000000000', \
          '255.255.255.255', '::'), \
         (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let column = |first: &str, second: &str| text(&[Some(first), Some(second), None]);
    assert_columns(
        &batch,
        &[
            ("a", column("ab", "")),
            ("b", column("naïve", "")),
            ("c", column("", "")),
            ("d", column("東京 🗼", "")),
            ("e", column("NULL", "")),
            ("f", column("line\nend\t\\", "")),
            ("g", column("£éß", "")),
            ("h", column("🗼", "")),
            ("i", column("東京", "")),
            ("j", column("ÀÉ", "")),
            ("k", column("{\"a\": [1, 2.50]}", "null")),
            ("l", column("grün", "red")),
            ("m", column("a,c", "")),
            ("n", column("123e4567-e89b-12d3-a456-426655440000", "00000000-0000-0000-0000-000000000000")),
            ("o", column("10.0.0.1", "255.255.255.255")),
            ("p", column("2001:db8::ff00:42:8329", "::")),
        ],
    );
}

#[tokio::test]
async fn bytes_without_a_character_stop_the_table_and_question_marks_do_not() {
    for (charset, good, bad, expected) in [
        ("greek", "C1D93F", "C1FFD9", "ΑΩ?"),
        ("sjis", "938C8B9E3F", "938C85A0", "東京?"),
        ("ascii", "413F3F", "4180", "A??"),
    ] {
        let create = format!("CREATE TABLE t (c VARCHAR(20) CHARACTER SET {charset})");
        let insert = format!("INSERT INTO t VALUES (x'{good}'), (NULL), ('')");
        let url = database(&[&create, &insert]).await;
        let (batch, _) = whole(&mut *snapshot(&url, &["t"], ReadOptions::default()).await, "t").await;
        assert_columns(&batch, &[("c", text(&[Some(expected), None, Some("")]))]);

        run(&url, &[&format!("INSERT INTO t VALUES (x'{bad}')")]).await;
        let mut point = snapshot(&url, &["t"], ReadOptions::default()).await;
        let t = named(&*point, "t");
        let error = batches(&mut *point, &t).await.1.map(|_| charset).unwrap_err();
        assert!(
            error.detail().starts_with("column `c` of `t` has a value that is not of its type"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn bytes_and_bits_are_kept() {
    let batch = table(
        "a BINARY(3), b VARBINARY(9), c TINYBLOB, d BLOB, e MEDIUMBLOB, f LONGBLOB, g BIT(1), h BIT(9), i BIT(63), \
         j BIT(64), k VARCHAR(9) CHARACTER SET binary",
        "(x'01', x'00ff', '', x'0a', x'c3', x'00', b'1', b'100000001', 0x7fffffffffffffff, 0xffffffffffffffff, x'80'), \
         ('', '', '', '', '', '', b'0', 0, 0, 0, ''), \
         (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let bytes = |first: &'static [u8], second: &'static [u8]| -> ArrayRef {
        Arc::new(BinaryArray::from(vec![Some(first), Some(second), None]))
    };
    assert_columns(
        &batch,
        &[
            ("a", bytes(b"\x01\0\0", b"\0\0\0")),
            ("b", bytes(b"\0\xff", b"")),
            ("c", bytes(b"", b"")),
            ("d", bytes(b"\n", b"")),
            ("e", bytes(b"\xc3", b"")),
            ("f", bytes(b"\0", b"")),
            ("g", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
            ("h", Arc::new(Int64Array::from(vec![Some(257), Some(0), None]))),
            ("i", Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(0), None]))),
            ("j", decimal(&[Some(18_446_744_073_709_551_615), Some(0), None], 20, 0)),
            ("k", bytes(b"\x80", b"")),
        ],
    );
}

#[tokio::test]
async fn days_and_times_are_kept_to_the_microsecond() {
    // The session that writes is in the zone +00:00, as the driver sets it.
    let batch = table(
        "a DATE, b DATETIME, c DATETIME(6), d TIMESTAMP NULL, e TIMESTAMP(6) NULL, f TIME, g TIME(6)",
        "('0001-01-01', '1000-01-01 00:00:00', '9999-12-31 23:59:59.999999', '1970-01-01 00:00:01', \
          '2038-01-19 03:14:07.999999', '-838:59:59', '838:59:59.999999'), \
         ('1969-12-31', '1970-01-01 00:00:00', '1969-12-31 23:59:59.000001', '2024-02-29 12:00:00', \
          '2024-02-29 12:00:00.5', '00:00:00', '00:00:00.000001'), \
         ('9999-12-31', '2024-03-31 02:30:00', '2024-02-29 00:00:00', '2024-03-31 02:30:00', \
          '2024-03-31 02:30:00', '23:59:59', '-00:00:00.5'), \
         (NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    let moments = |values: [i64; 3]| {
        TimestampMicrosecondArray::from(values.into_iter().map(Some).chain([None]).collect::<Vec<_>>())
    };
    assert_columns(
        &batch,
        &[
            ("a", Arc::new(Date32Array::from(vec![Some(-719_162), Some(-1), Some(2_932_896), None]))),
            ("b", Arc::new(moments([-30_610_224_000_000_000, 0, 1_711_852_200_000_000]))),
            ("c", Arc::new(moments([253_402_300_799_999_999, -999_999, 1_709_164_800_000_000]))),
            (
                "d",
                Arc::new(
                    moments([1_000_000, 1_709_208_000_000_000, 1_711_852_200_000_000]).with_timezone("UTC"),
                ),
            ),
            (
                "e",
                Arc::new(
                    moments([2_147_483_647_999_999, 1_709_208_000_500_000, 1_711_852_200_000_000])
                        .with_timezone("UTC"),
                ),
            ),
            ("f", text(&[Some("-838:59:59"), Some("00:00:00"), Some("23:59:59"), None])),
            ("g", text(&[Some("838:59:59.999999"), Some("00:00:00.000001"), Some("-00:00:00.500000"), None])),
        ],
    );
}

#[tokio::test]
async fn zero_dates_stop_the_table_or_become_null_and_are_counted() {
    for (column, value, shown) in [
        ("DATE NOT NULL", "0000-00-00", "0000-00-00"),
        ("DATE", "2020-00-10", "2020-00-10"),
        ("DATE", "2020-10-00", "2020-10-00"),
        ("DATETIME NOT NULL", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        ("DATETIME(3)", "2020-00-10 01:02:03", "2020-00-10 01:02:03.000"),
        ("TIMESTAMP NOT NULL", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
    ] {
        let (create, insert) = (
            format!("CREATE TABLE t (d {column})"),
            format!("INSERT INTO t VALUES ('{value}'), ('2020-01-01')"),
        );
        let url = database(&[&create, &insert]).await;
        let mut strict = snapshot(&url, &["t"], ReadOptions::default()).await;
        let t = named(&*strict, "t");
        let error = batches(&mut *strict, &t).await.1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QueryFailed);
        let start = format!("column `d` of `t` has the value `{shown}`: ");
        assert!(error.detail().starts_with(&start), "{}", error.detail());
        let (batch, summary) = whole(&mut *snapshot(&url, &["t"], LENIENT).await, "t").await;
        assert_eq!(summary, ReadSummary { rows: 2, nulled: 1 }, "{column}");
        assert!(batch.column(0).is_null(0) && batch.column(0).is_valid(1), "{column}");
    }
}

/// The server lets in days that no month has where it is told to.
#[tokio::test]
async fn days_that_no_month_has_are_told() {
    let url = database(&[
        "CREATE TABLE t (d DATE, at DATETIME(6))",
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        "INSERT INTO t VALUES ('2020-02-30', '2023-02-29 01:02:03.000004'), ('2020-02-29', '2024-02-29 00:00:00')",
    ])
    .await;
    let mut strict = snapshot(&url, &["t"], ReadOptions::default()).await;
    let t = named(&*strict, "t");
    let error = batches(&mut *strict, &t).await.1.unwrap_err();
    assert!(error.detail().starts_with("column `d` of `t` has the value `2020-02-30`"), "{error}");
    let (batch, summary) = whole(&mut *snapshot(&url, &["t"], LENIENT).await, "t").await;
    assert_eq!(summary, ReadSummary { rows: 2, nulled: 2 });
    for column in batch.columns() {
        assert!(column.is_null(0) && column.is_valid(1));
    }
}

#[tokio::test]
async fn not_null_is_kept_and_an_empty_table_has_its_columns() {
    let url = database(&["CREATE TABLE t (id INT NOT NULL PRIMARY KEY, d DATE NOT NULL, n INT)"]).await;
    let mut point = snapshot(&url, &["*"], ReadOptions::default()).await;
    let (batch, summary) = whole(&mut *point, "t").await;
    assert_eq!((batch.num_rows(), summary), (0, ReadSummary::default()));
    let nullable = batch.schema().fields().iter().map(|field| field.is_nullable()).collect::<Vec<_>>();
    assert_eq!(nullable, [false, true, true]);
}

#[tokio::test]
async fn views_and_generated_columns_are_read() {
    let url = database(&[
        "CREATE TABLE base (a INT NOT NULL, b INT AS (a * 2) STORED, c INT AS (a * 3) VIRTUAL, d INT INVISIBLE)",
        "INSERT INTO base (a, d) VALUES (5, 9)",
        "CREATE VIEW seen AS SELECT a, b + c AS total FROM base",
        "CREATE SEQUENCE counter",
    ])
    .await;
    let mut point = snapshot(&url, &["*"], ReadOptions::default()).await;
    let names = point.tables().iter().map(|table| table.name.clone()).collect::<Vec<_>>();
    assert_eq!(names, ["base", "seen"]);
    let one = |value| -> ArrayRef { Arc::new(Int32Array::from(vec![value])) };
    assert_columns(
        &whole(&mut *point, "base").await.0,
        &[("a", one(5)), ("b", one(10)), ("c", one(15)), ("d", one(9))],
    );
    let total: ArrayRef = Arc::new(Int64Array::from(vec![25]));
    assert_columns(&whole(&mut *point, "seen").await.0, &[("a", one(5)), ("total", total)]);
}

#[tokio::test]
async fn long_values_pass_and_batches_stay_near_their_limits() {
    let url = database(&[
        "CREATE TABLE long_text (id INT, t LONGTEXT)",
        "INSERT INTO long_text VALUES (1, REPEAT('é', 2621440)), (2, 'short'), (3, REPEAT('x', 17825792)), (4, NULL)",
        "CREATE TABLE many (id INT NOT NULL)",
        "INSERT INTO many SELECT seq FROM seq_1_to_10000",
    ])
    .await;
    let options = ReadOptions { batch_rows: 3000, batch_bytes: 1024 * 1024, ..ReadOptions::default() };
    let mut point = snapshot(&url, &["*"], options).await;
    let table = named(&*point, "long_text");
    let (pieces, outcome) = batches(&mut *point, &table).await;
    assert_eq!(outcome.unwrap(), ReadSummary { rows: 4, nulled: 0 });
    assert_eq!(pieces.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 2, 1]);
    let texts = concat_batches(&table.schema, &pieces).unwrap();
    let texts = texts.column(1).as_any().downcast_ref::<StringArray>().unwrap().clone();
    assert!(texts.value(0) == "é".repeat(2_621_440));
    assert_eq!(texts.value(1), "short");
    assert!(texts.value(2) == "x".repeat(17_825_792));
    assert!(texts.is_null(3));
    let table = named(&*point, "many");
    let (pieces, outcome) = batches(&mut *point, &table).await;
    assert_eq!(outcome.unwrap().rows, 10_000);
    assert_eq!(pieces.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [3000, 3000, 3000, 1000]);
    let all = concat_batches(&table.schema, &pieces).unwrap();
    let ids = all.column(0).as_any().downcast_ref::<Int32Array>().unwrap().clone();
    assert_eq!(ids, Int32Array::from_iter_values(1..=10_000));
}

#[tokio::test]
async fn names_of_any_kind_are_quoted_and_kept_apart() {
    let url = database(&[
        "CREATE TABLE `select` (`from` INT, `Größe` INT, `a``b` INT, `a b` INT, `Q?` INT)",
        "INSERT INTO `select` VALUES (1, 2, 3, 4, 5)",
        "CREATE TABLE `Orders` (upper_case INT)",
        "CREATE TABLE `orders` (lower_case INT)",
        "CREATE TABLE `räksmörgås` (x INT)",
        "CREATE TABLE `raksmorgas` (y INT)",
        "CREATE TABLE `dot.ted``name` (z INT)",
        "INSERT INTO `dot.ted``name` VALUES (7)",
    ])
    .await;
    let mut point = snapshot(&url, &["*"], ReadOptions::default()).await;
    let one = |value| -> ArrayRef { Arc::new(Int32Array::from(vec![value])) };
    let expected = [("from", one(1)), ("Größe", one(2)), ("a`b", one(3)), ("a b", one(4)), ("Q?", one(5))];
    assert_columns(&whole(&mut *point, "select").await.0, &expected);
    for (name, column) in
        [("Orders", "upper_case"), ("orders", "lower_case"), ("räksmörgås", "x"), ("raksmorgas", "y")]
    {
        let batch = whole(&mut *point, name).await.0;
        let schema = batch.schema();
        assert_eq!(schema.fields().iter().map(|field| field.name()).collect::<Vec<_>>(), [column], "{name}");
    }
    assert_columns(&whole(&mut *point, "dot.ted`name").await.0, &[("z", one(7))]);
}

#[tokio::test]
async fn a_table_that_cannot_be_held_says_why_and_the_others_are_read() {
    let url = database(&[
        "CREATE TABLE places (id INT, spot POINT, area GEOMETRY)",
        "CREATE TABLE good (id INT)",
        "INSERT INTO good VALUES (1)",
        "CREATE TABLE gone (id INT)",
        "CREATE VIEW broken AS SELECT id FROM gone",
        "DROP TABLE gone",
    ])
    .await;
    let mut point = snapshot(&url, &["*"], ReadOptions::default()).await;
    let places = named(&*point, "places");
    let expected =
        "column `spot` has the type `point`, which the lake cannot hold; bring in a view that casts it";
    assert_eq!(places.problem.as_deref(), Some(expected));
    assert_eq!(batches(&mut *point, &places).await.1.unwrap_err().detail(), expected);
    let broken = named(&*point, "broken");
    assert!(batches(&mut *point, &broken).await.1.is_err());
    assert_eq!(whole(&mut *point, "good").await.1.rows, 1);
}

#[tokio::test]
async fn all_tables_are_read_as_they_were_at_one_point() {
    let url = database(&[
        "CREATE TABLE a (v INT) ENGINE=InnoDB",
        "CREATE TABLE b (v INT) ENGINE=InnoDB",
        "INSERT INTO a VALUES (1), (2)",
        "INSERT INTO b VALUES (1)",
    ])
    .await;
    let mut point = snapshot(&url, &["a", "b"], ReadOptions::default()).await;
    run(&url, &["UPDATE a SET v = v + 10", "DELETE FROM b", "INSERT INTO b VALUES (7), (8)"]).await;
    let ints = |values: Vec<i32>| -> ArrayRef { Arc::new(Int32Array::from(values)) };
    assert_columns(&whole(&mut *point, "a").await.0, &[("v", ints(vec![1, 2]))]);
    run(&url, &["INSERT INTO b VALUES (9)"]).await;
    assert_columns(&whole(&mut *point, "b").await.0, &[("v", ints(vec![1]))]);
    let mut later = snapshot(&url, &["b"], ReadOptions::default()).await;
    assert_columns(&whole(&mut *later, "b").await.0, &[("v", ints(vec![7, 8, 9]))]);
}

#[tokio::test]
async fn patterns_mean_the_database_of_the_url_and_others_by_name() {
    let (here, there) =
        (database(&["CREATE TABLE x (a INT)"]).await, database(&["CREATE TABLE x (b INT)"]).await);
    let other = there.rsplit('/').next().unwrap();
    let mine = here.rsplit('/').next().unwrap();
    let found = |point: Box<dyn Snapshot>| {
        let name = |table: &SourceTable| format!("{}.{}", table.schema_name.clone().unwrap(), table.name);
        point.tables().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(found(snapshot(&here, &["*"], LENIENT).await), [format!("{mine}.x")]);
    assert_eq!(found(snapshot(&here, &[&format!("{other}.*")], LENIENT).await), [format!("{other}.x")]);
    let mariadb = here.replacen("mysql://", "mariadb://", 1);
    assert_eq!(found(snapshot(&mariadb, &["x"], LENIENT).await), [format!("{mine}.x")]);
    let source = source::open(&here, LENIENT).await.unwrap();
    let error = source.snapshot(&["missing".to_owned()]).await.err().unwrap();
    assert_eq!((error.kind(), error.detail()), (ErrorKind::NotFound, "the source has no table `missing`"));
    assert_eq!(source.redacted_url(), here.replacen(":p%40ss%2Fword", "", 1));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_the_table_and_the_next_one_is_read() {
    let url = database(&["CREATE TABLE t (v INT)", "INSERT INTO t SELECT seq FROM seq_1_to_5000"]).await;
    let options = ReadOptions { batch_rows: 10, ..ReadOptions::default() };
    let mut point = snapshot(&url, &["t"], options).await;
    let t = named(&*point, "t");
    let (sender, mut receiver) = mpsc::channel::<RecordBatch>(1);
    let leave = async {
        assert_eq!(receiver.recv().await.unwrap().num_rows(), 10);
        drop(receiver);
    };
    let (outcome, ()) = tokio::join!(read_alone(point.as_mut(), &t, sender), leave);
    assert!(outcome.unwrap().rows < 5000);
    assert_eq!(whole(&mut *point, "t").await.1.rows, 5000);
}

#[tokio::test]
async fn what_does_not_work_is_said_without_the_password() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let open = async |url: &str| source::open(url, LENIENT).await.unwrap_err();
    let error = open(&format!("mysql://lake:s3cret@127.0.0.1:{port}/x")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.detail().starts_with(&format!("cannot connect to `127.0.0.1:{port}`: ")),
        "{}",
        error.detail()
    );

    let port = MariaDbServer::shared().await.port();
    let error = open(&format!("mysql://lake:s3cret@127.0.0.1:{port}/")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.detail().contains("Access denied") && !format!("{error:?}").contains("s3cret"),
        "{error:?}"
    );

    for url in ["mysql://lake:s3cret@:99999/x", "mysql://", "mysql:///x", "mariadb://lake:s3cret@host:port/x"]
    {
        let error = open(url).await;
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{url}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}
