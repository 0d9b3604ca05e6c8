//! Samples of real servers, and the columns in them that look personal.

use std::process::Command;

use lakegate::ingest::personal_columns::personal_columns;
use lakegate::ingest::source::{self, ReadOptions, Snapshot, SourceTable};
use serde_json::Value;

use super::read::texts;
use super::{mysql, postgres, sqlite};

async fn snapshot(url: &str) -> Box<dyn Snapshot> {
    source::open(url, ReadOptions::default()).await.unwrap().snapshot(&["*".to_owned()]).await.unwrap()
}

fn named(snapshot: &dyn Snapshot, name: &str) -> SourceTable {
    snapshot.tables().iter().find(|table| table.name == name).unwrap().clone()
}

/// What is found in `table`, a line for each column.
async fn found(snapshot: &mut dyn Snapshot, table: &str) -> Vec<String> {
    let table = named(snapshot, table);
    let found = personal_columns(snapshot, &table, 100).await;
    found
        .into_iter()
        .map(|(column, finding)| format!("{column} {}: {}", finding.kind, finding.evidence))
        .collect()
}

/// A sample of `table`: not more rows than were asked for, no text longer than is needed, and rows from far behind the first.
async fn assert_spread(snapshot: &mut dyn Snapshot, table: &str) {
    let table = named(snapshot, table);
    let columns = ["id".to_owned(), "note".to_owned()];
    let rows = texts(&snapshot.sample(&table, &columns, 100).await.unwrap());
    assert!((25..=100).contains(&rows.len()), "{}", rows.len());
    let ids = rows.iter().map(|row| row[0].as_ref().unwrap().parse::<u64>().unwrap());
    assert!(ids.max().unwrap() > 10_000, "{rows:?}");
    assert!(rows.iter().all(|row| row[1].as_ref().unwrap().chars().count() <= 200));
}

const PEOPLE: &str =
    "INSERT INTO people VALUES (1, 'a@example.com', 'Öm', '1980-02-03'), (2, 'b@example.com', NULL, NULL),
    (3, 'c@example.com', '', '1990-12-31')";

const FOUND: [&str; 3] = [
    "contact email: 3 of 3 sampled values are e-mail addresses",
    "surname person_name: the name contains `surname`; 1 of 1 sampled values could be names of people",
    "birth_date birth_date: the name contains `birth date`; 2 of 2 sampled values could be birth dates",
];

#[tokio::test]
async fn postgres_is_sampled_all_over_and_a_view_that_fails_harms_no_other_table() {
    let (url, _connection) = postgres::database(&format!(
        "CREATE TABLE many AS SELECT n AS id, repeat('ü', 5000) AS note FROM generate_series(1, 20000) n; ANALYZE many;
         CREATE TABLE people (id int, contact text, surname char(5), birth_date date); {PEOPLE};
         CREATE VIEW broken AS SELECT (1 / (id - 1))::text AS email FROM people;
         CREATE TABLE endless (id int, until date, email text); INSERT INTO endless VALUES (1, 'infinity', 'a@example.com');
         CREATE VIEW slow AS SELECT CASE WHEN pg_sleep(60) IS NULL THEN 'a' END AS email;
         CREATE TABLE odd (id int, email point, home_address bytea, phone int[]); INSERT INTO odd VALUES (1)"
    ))
    .await;
    let mut snapshot = snapshot(&url).await;
    let unseen = ["email email: the name contains `email`; no values were sampled"];
    for view in ["broken", "slow"] {
        assert_eq!(found(snapshot.as_mut(), view).await, unseen, "{view}");
    }
    assert_spread(snapshot.as_mut(), "many").await;
    assert_eq!(found(snapshot.as_mut(), "people").await, FOUND);
    assert_eq!(found(snapshot.as_mut(), "many").await, [""; 0]);
    let one = ["email email: the name contains `email`; 1 of 1 sampled values are e-mail addresses"];
    assert_eq!(found(snapshot.as_mut(), "endless").await, one);
    assert_eq!(
        found(snapshot.as_mut(), "odd").await,
        ["email email: the name contains `email`; no values were sampled"]
    );
}

#[tokio::test]
async fn mysql_is_sampled_all_over() {
    let url = mysql::database(&[
        "CREATE TABLE many (id int PRIMARY KEY, note text)",
        "INSERT INTO many SELECT seq, REPEAT('ü', 5000) FROM seq_1_to_20000",
        "ANALYZE TABLE many",
        "CREATE TABLE people (id int, contact text, surname char(5) CHARACTER SET latin1, birth_date date)",
        PEOPLE,
    ])
    .await;
    let mut snapshot = snapshot(&url).await;
    assert_spread(snapshot.as_mut(), "many").await;
    assert_eq!(found(snapshot.as_mut(), "people").await, FOUND);
}

#[tokio::test]
async fn sqlite_is_sampled_all_over() {
    let (url, _folder) = sqlite::database(&format!(
        "CREATE TABLE many (id INTEGER PRIMARY KEY, note TEXT);
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
         INSERT INTO many SELECT n, replace(hex(zeroblob(250)), '00', 'üü') FROM n;
         CREATE TABLE people (id INT, contact TEXT, surname TEXT, birth_date DATE); {PEOPLE};
         CREATE TABLE keyed (id INT PRIMARY KEY, email TEXT) WITHOUT ROWID; INSERT INTO keyed VALUES (1, 'a@example.com');
         CREATE VIEW seen AS SELECT email FROM keyed;
         CREATE TABLE wrong (email TEXT, n INT); INSERT INTO wrong VALUES ('secret@example.com', 'secret')"
    ))
    .await;
    let mut snapshot = snapshot(&url).await;
    assert_spread(snapshot.as_mut(), "many").await;
    assert_eq!(found(snapshot.as_mut(), "people").await, FOUND);
    let one = ["email email: the name contains `email`; 1 of 1 sampled values are e-mail addresses"];
    for table in ["keyed", "seen"] {
        assert_eq!(found(snapshot.as_mut(), table).await, one, "{table}");
    }
    // A table whose values are not what it declares cannot be sampled; nothing of them is told.
    assert_eq!(
        found(snapshot.as_mut(), "wrong").await,
        ["email email: the name contains `email`; no values were sampled"]
    );
}

#[tokio::test]
async fn the_command_tells_what_looks_personal_and_no_value() {
    let (url, _connection) = postgres::database(&format!(
        "CREATE TABLE people (id int, contact text, surname char(5), birth_date date); {PEOPLE};
         CREATE SCHEMA other; CREATE TABLE other.t (email text); CREATE TABLE plain (n int)"
    ))
    .await;
    let list = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
        command.args(["ingest", "list", "--source", &url, "--sample"]).args(arguments).output().unwrap()
    };
    let output = list(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = "    contact looks like email: 3 of 3 sampled values are e-mail addresses\n";
    assert!(text.contains(line) && text.contains("    email looks like email: the name"), "{text}");
    assert!(!text.contains("example.com") && !text.contains("1980"), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("4 columns look personal"));

    let output = list(&["50", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tables = document["tables"].as_array().unwrap();
    let people = tables.iter().find(|table| table["name"] == "people").unwrap();
    assert_eq!(people["columns"][1]["personal"]["kind"], "email");
    assert_eq!(people["columns"][1]["personal"]["evidence"], "3 of 3 sampled values are e-mail addresses");
    assert_eq!(people["columns"][0].get("personal"), None);
}
