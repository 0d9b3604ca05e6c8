//! SQLite as a source: declared types, and values that keep to them or are told.

use lakegate::ingest::source::{self, ReadOptions, Unrepresentable};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::read::{rows_of, table_of, texts};

/// A database file with `setup` in it.
pub async fn database(setup: &str) -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute(AssertSqlSafe(setup.to_owned())).await.unwrap();
    connection.close().await.unwrap();
    (format!("sqlite://{}", file.display()), folder)
}

#[tokio::test]
async fn every_declared_type_arrives_as_it_was_and_so_does_null() {
    let values = [
        ("INTEGER", "-9223372036854775808", "-9223372036854775808"),
        ("tinyint(1)", "7", "7"),
        ("BOOLEAN", "1", "true"),
        ("REAL", "1.5", "1.5"),
        ("DOUBLE PRECISION", "3", "3.0"),
        ("DECIMAL(15,2)", "21168.23", "21168.23"),
        ("DECIMAL(15,2)", "-7", "-7.00"),
        ("NUMERIC", "1.25", "1.25"),
        ("VARCHAR(3)", "'longer than declared, ü'", "longer than declared, ü"),
        ("TEXT", "''", ""),
        ("BLOB", "x'00ff'", "00ff"),
        ("DATE", "'2024-02-29'", "2024-02-29"),
        ("DATETIME", "'2024-02-29 12:34:56.789'", "2024-02-29T12:34:56.789"),
        ("TIMESTAMP", "'1969-12-31T23:59:59.999999'", "1969-12-31T23:59:59.999999"),
        ("TIME", "'12:00'", "12:00"),
    ];
    let columns =
        values.iter().enumerate().map(|(at, (of, ..))| format!("c{at} {of}")).collect::<Vec<_>>().join(", ");
    let row = values.map(|(_, value, _)| value).join(", ");
    let nulls = values.map(|_| "NULL").join(", ");
    let setup =
        format!("CREATE TABLE t ({columns}); INSERT INTO t VALUES ({row}); INSERT INTO t VALUES ({nulls})");
    let (url, _folder) = database(&setup).await;
    let (_, batches) = rows_of(&url, "t", ReadOptions::default()).await.unwrap();
    let rows = texts(&batches);
    for (at, (of, _, expected)) in values.iter().enumerate() {
        assert_eq!(rows[0][at].as_deref(), Some(*expected), "{of}");
        assert_eq!(rows[1][at], None, "{of} is NULL");
    }
}

#[tokio::test]
async fn a_value_of_another_class_stops_the_table() {
    for (of, value, told) in [
        ("INTEGER", "'abc'", "should hold an integer and holds the text `abc`"),
        ("BOOLEAN", "2", "should hold 0 or 1 and holds the integer `2`"),
        ("DATE", "20240101", "should hold a date as text and holds the integer `20240101`"),
        ("BLOB", "'text'", "should hold a blob and holds the text `text`"),
        ("REAL", "'x'", "should hold a number and holds the text `x`"),
    ] {
        let (url, _folder) =
            database(&format!("CREATE TABLE t (c {of}); INSERT INTO t VALUES ({value})")).await;
        let error = rows_of(&url, "t", ReadOptions::default()).await.unwrap_err();
        assert!(error.detail().contains(told) && error.detail().contains("row 1"), "{of}: {error}");
    }
}

#[tokio::test]
async fn what_its_type_cannot_hold_stops_the_table_or_becomes_null() {
    for (of, value) in [("DECIMAL(5,2)", "1.234"), ("DATE", "'0000-00-00'"), ("DATETIME", "'soon'")] {
        let (url, _folder) =
            database(&format!("CREATE TABLE t (c {of}); INSERT INTO t VALUES ({value})")).await;
        let error = rows_of(&url, "t", ReadOptions::default()).await.unwrap_err();
        assert!(error.detail().contains("column `c` of `t`"), "{of}: {error}");
        let options = ReadOptions { unrepresentable: Unrepresentable::Null, ..ReadOptions::default() };
        let (_, batches) = rows_of(&url, "t", options).await.unwrap();
        assert_eq!(texts(&batches), [[None]], "{of}");
    }
}

#[tokio::test]
async fn tables_that_cannot_be_mapped_and_files_that_are_not_there() {
    let (url, _folder) = database("CREATE TABLE odd (a); CREATE TABLE empty (a INT)").await;
    assert!(table_of(&url, "odd").await.problem.unwrap().contains("column `a` has no declared type"));
    let (_, batches) = rows_of(&url, "empty", ReadOptions::default()).await.unwrap();
    assert!(texts(&batches).is_empty());
    let missing = rows_of(&url, "nothing", ReadOptions::default()).await.unwrap_err();
    assert_eq!(missing.detail(), "the source has no table `nothing`");
    let source = source::open("sqlite:///no/such/file.db", ReadOptions::default()).await.unwrap();
    let error = source.snapshot(&["*".to_owned()]).await.err().unwrap();
    assert!(error.detail().starts_with("cannot open `sqlite:///no/such/file.db`"), "{error}");
}
