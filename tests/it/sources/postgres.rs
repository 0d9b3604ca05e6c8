//! PostgreSQL as a source, against a real server: every mapped type, value by value.

use lakegate::ingest::source::{self, ReadOptions, Unrepresentable};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::read::{gathered, rows_of, table_of, texts};
use crate::support::gateway::Gateway;
use crate::support::postgres::PostgresServer;

/// Column, type, a value as SQL, and the value as it must arrive.
const VALUES: [(&str, &str, &str, &str); 46] = [
    ("bool", "boolean", "true", "true"),
    ("int2", "smallint", "-32768", "-32768"),
    ("int4", "integer", "2147483647", "2147483647"),
    ("int8", "bigint", "-9223372036854775808", "-9223372036854775808"),
    ("oid", "oid", "4294967295", "4294967295"),
    ("float4", "real", "'1.5'", "1.5"),
    ("float8", "double precision", "'NaN'", "NaN"),
    ("float8inf", "double precision", "'-Infinity'", "-inf"),
    ("num", "numeric(15,2)", "-9999999999999.99", "-9999999999999.99"),
    (
        "num38",
        "numeric(38,10)",
        "1234567890123456789012345678.0123456789",
        "1234567890123456789012345678.0123456789",
    ),
    ("numsmall", "numeric(4,4)", "0.0001", "0.0001"),
    (
        "numtext",
        "numeric",
        "123456789012345678901234567890123456789012345.5",
        "123456789012345678901234567890123456789012345.5",
    ),
    ("numwide", "numeric(50,2)", "12.30", "12.30"),
    ("money", "money", "'-12.34'", "-12.34"),
    ("text", "text", "'grüße 🚀 '' \"'", "grüße 🚀 ' \""),
    ("empty", "varchar(10)", "''", ""),
    ("bpchar", "char(4)", "'ab'", "ab  "),
    ("name", "name", "'n'", "n"),
    ("onechar", "\"char\"", "'x'", "x"),
    ("uuid", "uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", "json", "'{\"a\":  1}'", "{\"a\":  1}"),
    ("jsonb", "jsonb", "'{\"a\":  1}'", "{\"a\": 1}"),
    ("xml", "xml", "'<a/>'", "<a/>"),
    ("inet", "inet", "'192.168.1.1'", "192.168.1.1/32"),
    ("macaddr", "macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03"),
    ("bytea", "bytea", "'\\x00ff10'", "00ff10"),
    ("date", "date", "'2024-02-29'", "2024-02-29"),
    ("dateold", "date", "'0001-01-01'", "0001-01-01"),
    ("ts", "timestamp", "'2024-02-29 23:59:59.123456'", "2024-02-29T23:59:59.123456"),
    ("tsold", "timestamp", "'1969-12-31 23:59:59.999999'", "1969-12-31T23:59:59.999999"),
    ("tstz", "timestamptz", "'2024-02-29 23:59:59.123456+05:30'", "2024-02-29T18:29:59.123456Z"),
    ("time", "time", "'23:59:59.999999'", "23:59:59.999999"),
    ("timetz", "timetz", "'12:00:00+02'", "12:00:00+02"),
    ("interval", "interval", "'1 year 2 months -3 days 04:05:06.789'", "P1Y2M-3DT4H5M6.789S"),
    ("bit", "bit(3)", "B'101'", "101"),
    ("varbit", "varbit", "B'0110'", "0110"),
    ("range", "int4range", "'[1,5)'", "[1,5)"),
    ("tsvector", "tsvector", "'a b'", "'a' 'b'"),
    ("point", "point", "'(1,2)'", "(1,2)"),
    ("mood", "mood", "'happy'", "happy"),
    ("positive", "positive", "7", "7"),
    ("ints", "integer[]", "'{1,NULL,3}'", "[1, , 3]"),
    ("noints", "integer[]", "'{}'", "[]"),
    ("strings", "text[]", "'{a,\"b c\",\"\"}'", "[a, b c, ]"),
    ("uuids", "uuid[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", "[a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11]"),
    ("nums", "numeric(5,2)[]", "'{1.5,-2}'", "[1.50, -2.00]"),
];

pub async fn database(setup: &str) -> (String, PgConnection) {
    let url = PostgresServer::shared().await.database().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute(AssertSqlSafe(setup.to_owned())).await.unwrap();
    (url, connection)
}

fn rule(unrepresentable: Unrepresentable) -> ReadOptions {
    ReadOptions { unrepresentable, ..ReadOptions::default() }
}

#[tokio::test]
async fn every_type_arrives_as_it_was_and_so_does_null() {
    let columns = VALUES.map(|(name, of, ..)| format!("\"{name}\" {of}")).join(", ");
    let values = VALUES.map(|(_, of, value, _)| format!("({value})::{of}")).join(", ");
    let nulls = VALUES.map(|_| "NULL").join(", ");
    let (url, _connection) = database(&format!(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0); \
         CREATE TABLE everything ({columns}); INSERT INTO everything SELECT {values}; \
         INSERT INTO everything VALUES ({nulls});"
    ))
    .await;
    let (table, batches) = rows_of(&url, "everything", ReadOptions::default()).await.unwrap();
    assert_eq!(table.problem, None);
    let rows = texts(&batches);
    assert_eq!(rows.len(), 2);
    for (at, (name, of, _, expected)) in VALUES.iter().enumerate() {
        assert_eq!(rows[0][at].as_deref(), Some(*expected), "{name} {of}");
        assert_eq!(rows[1][at], None, "{name} {of} is NULL");
    }
}

#[tokio::test]
async fn what_the_lake_cannot_hold_stops_the_table_or_becomes_null() {
    for (of, value, shown) in [
        ("date", "'infinity'", "infinity"),
        ("timestamp", "'-infinity'", "-infinity"),
        ("timestamptz", "'infinity'", "infinity"),
        ("numeric(5,2)", "'NaN'", "NaN"),
        ("integer[]", "'{{1},{2}}'", "an array of 2 dimensions"),
    ] {
        let (url, _connection) = database(&format!(
            "CREATE TABLE t (id int, c {of} NOT NULL); INSERT INTO t VALUES (1, {value});"
        ))
        .await;
        let error = rows_of(&url, "t", rule(Unrepresentable::Fail)).await.unwrap_err();
        assert!(
            error.detail().contains("column `c` of `t`") && error.detail().contains(shown),
            "{of}: {error}"
        );
        let (_, batches) = rows_of(&url, "t", rule(Unrepresentable::Null)).await.unwrap();
        assert_eq!(texts(&batches), [[Some("1".to_owned()), None]], "{of}");
    }
}

#[tokio::test]
async fn a_type_without_an_equal_refuses_its_table_and_no_other() {
    let (url, _connection) = database(
        "CREATE TYPE pair AS (a int, b int); CREATE TABLE odd (id int, p pair); CREATE TABLE plain (id int); \
         INSERT INTO plain VALUES (5);",
    )
    .await;
    let odd = table_of(&url, "odd").await;
    assert!(odd.problem.unwrap().contains("column `p` has the type `pair`"));
    let (plain, batches) = rows_of(&url, "plain", ReadOptions::default()).await.unwrap();
    assert_eq!((plain.problem, texts(&batches)), (None, vec![vec![Some("5".to_owned())]]));
}

#[tokio::test]
async fn a_snapshot_is_one_moment_for_all_tables() {
    let (url, mut writer) = database(
        "CREATE TABLE a (n int); CREATE TABLE b (n int); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);",
    )
    .await;
    let source = source::open(&url, ReadOptions::default()).await.unwrap();
    let mut snapshot = source.snapshot(&["*".to_owned()]).await.unwrap();
    writer.execute("INSERT INTO b VALUES (2); DELETE FROM a").await.unwrap();
    for name in ["a", "b"] {
        let table = snapshot.tables().iter().find(|table| table.name == name).unwrap().clone();
        let batches = gathered(snapshot.as_mut(), &table).await.unwrap();
        assert_eq!(texts(&batches), [[Some("1".to_owned())]], "{name}");
    }
}

#[tokio::test]
async fn names_views_partitions_empty_tables_and_long_texts() {
    let (url, _connection) = database(
        "CREATE SCHEMA \"Öther\"; CREATE TABLE \"Öther\".\"Select \"\"x\"\"\" (\"from\" int, \"ÄÖ\" text); \
         INSERT INTO \"Öther\".\"Select \"\"x\"\"\" VALUES (1, repeat('é', 2500000)); \
         CREATE TABLE nothing (a int, b text); CREATE VIEW seven AS SELECT 7 AS n; \
         CREATE TABLE parts (n int) PARTITION BY RANGE (n); \
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (3); \
         CREATE TABLE many AS SELECT generate_series(1, 20000) AS n;",
    )
    .await;
    let (_, batches) = rows_of(&url, "Öther.Select \"x\"", ReadOptions::default()).await.unwrap();
    assert_eq!(texts(&batches)[0][1].as_ref().unwrap().len(), 5_000_000);
    let (nothing, batches) = rows_of(&url, "nothing", ReadOptions::default()).await.unwrap();
    assert_eq!((nothing.schema.fields().len(), texts(&batches).len()), (2, 0));
    let (_, batches) = rows_of(&url, "seven", ReadOptions::default()).await.unwrap();
    assert_eq!(texts(&batches), [[Some("7".to_owned())]]);
    let (_, batches) = rows_of(&url, "parts", ReadOptions::default()).await.unwrap();
    assert_eq!(texts(&batches), [[Some("3".to_owned())]]);
    let (_, batches) = rows_of(&url, "many", ReadOptions::default()).await.unwrap();
    assert!(batches.len() > 2 && batches.iter().all(|batch| batch.num_rows() <= 8192));
    assert_eq!(texts(&batches).len(), 20_000);
    let source = source::open(&url, ReadOptions::default()).await.unwrap();
    let all = source.snapshot(&["*".to_owned()]).await.unwrap();
    let names = all.tables().iter().map(|table| table.name.clone()).collect::<Vec<_>>();
    assert_eq!(names, ["many", "nothing", "parts", "seven"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let error = source::open("postgres://me:hush@127.0.0.1:1/db", ReadOptions::default()).await.unwrap_err();
    assert!(error.detail().starts_with("cannot connect to `127.0.0.1:1`"), "{error}");
    assert!(!format!("{error:?}").contains("hush"));
}

/// What the environment of this process says is for other servers: a password would be sent to this one.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_does_not_count() {
    let url = PostgresServer::shared().await.database().await;
    let mut shop = PgConnection::connect(&url).await.unwrap();
    let view = "CREATE VIEW session AS SELECT current_user::text AS who, current_database()::text AS place, \
         current_setting('application_name') AS program, current_setting('work_mem') AS work_mem";
    shop.execute(view).await.unwrap();
    let gateway = Gateway::start()
        .await
        .with_policy("grants: [{ to: public, on: \"shop.*\", permissions: [select] }]")
        .await;
    let passwords = gateway.folder.path().join("passwords");
    std::fs::write(&passwords, "*:*:*:*:secret\n").unwrap();
    let ingest = |variables: &[(&str, &str)]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lakegate"));
        command
            .args(["ingest", "run", "--source", &url, "--tables", "session", "--into", "shop", "--config"])
            .arg(gateway.folder.path().join("lakegate.toml"))
            .envs(variables.iter().copied());
        async move { command.output().await.unwrap() }
    };
    let others = [
        ("PGHOST", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "nobody"),
        ("PGDATABASE", "none"),
        ("PGPASSWORD", "secret"),
        ("PGPASSFILE", passwords.to_str().unwrap()),
        ("PGAPPNAME", "somebody else"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/nowhere"),
    ];
    let done = ingest(&others).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    gateway.app.refresh().await.unwrap();
    let seen = gateway.sql("ana", "SELECT who, program, work_mem FROM shop.session").await;
    assert_eq!(seen.json()["rows"], serde_json::json!([["postgres", "lakegate", "4MB"]]), "{}", seen.text());
    // What the driver cannot be kept from taking refuses the source.
    for (name, value) in [("PGOPTIONS", "-c work_mem=1MB"), ("PGSSLKEY", "/nowhere"), ("PGSSLCERT", "x")] {
        let refused = ingest(&[(name, value)]).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains(&format!("`{name}`")), "{told}");
    }
}
