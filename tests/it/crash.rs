//! The program killed in the middle of an ingestion: readers keep a whole version, and the next run succeeds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};
use tokio::process::{Child, Command};

use crate::support::gateway::Gateway;
use crate::support::postgres::PostgresServer;

const ROWS: i64 = 60_000;

async fn source(folder: &Path) -> (String, SqliteConnection) {
    let file = folder.join("shop.db");
    let mut connection =
        SqliteConnectOptions::new().filename(&file).create_if_missing(true).connect().await.unwrap();
    connection.execute("CREATE TABLE items (generation BIGINT, n BIGINT, name VARCHAR(40))").await.unwrap();
    connection
        .execute(
            "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 60000) \
             INSERT INTO items SELECT 1, n, 'item number ' || n FROM s",
        )
        .await
        .unwrap();
    (format!("sqlite://{}", file.display()), connection)
}

fn ingest(gateway: &Gateway, source: &str) -> Child {
    ingest_as(gateway, source, &[])
}

fn ingest_as(gateway: &Gateway, source: &str, mode: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(["ingest", "run", "--source", source, "--tables", "*", "--into", "shop", "--json", "--config"])
        .arg(gateway.folder.path().join("lakegate.toml"))
        .args(mode)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What a reader sees: the oldest and the newest generation, and how many rows.
async fn seen(gateway: &Gateway) -> serde_json::Value {
    gateway.app.refresh().await.unwrap();
    let answer =
        gateway.sql("ana", "SELECT min(generation), max(generation), count(*) FROM shop.items").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ingestion_leaves_the_earlier_version_whole() {
    let gateway = Gateway::start()
        .await
        .with_policy("grants: [{ to: public, on: \"shop.*\", permissions: [select] }]")
        .await;
    let (url, mut writer) = source(gateway.folder.path()).await;
    let first = ingest(&gateway, &url).wait_with_output().await.unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(summary["tables"][0]["rows"], json!(ROWS));
    assert_eq!(seen(&gateway).await, json!([1, 1, ROWS]));

    let mut killed = 0;
    for delay in [30, 100, 200, 300, 450, 600, 800] {
        writer.execute("UPDATE items SET generation = generation + 1").await.unwrap();
        let mut run = ingest(&gateway, &url);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        killed += usize::from(run.try_wait().unwrap().is_none());
        run.start_kill().ok();
        run.wait().await.unwrap();
        let seen = seen(&gateway).await;
        assert_eq!(
            (&seen[0], &seen[2]),
            (&seen[1], &json!(ROWS)),
            "one whole version after {delay} ms: {seen}"
        );
    }
    assert!(killed > 2, "the kills came in the middle");

    let last = ingest(&gateway, &url).wait_with_output().await.unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    assert_eq!(seen(&gateway).await, json!([8, 8, ROWS]));
}

/// Kills at whatever stage: reading, writing, merging, the log's commit, the catalog's.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_of_a_growing_table_neither_loses_nor_doubles_a_row() {
    for mode in [
        &["--mode", "append", "--bookmark", "n"][..],
        &["--mode", "append", "--bookmark", "n", "--overlap", "100", "--key", "n"],
        &["--mode", "merge", "--bookmark", "changed", "--key", "n"],
        &["--mode", "merge", "--bookmark", "changed", "--key", "n", "--deletes", "keys"],
    ] {
        grows_through_kills(mode).await;
    }
}

async fn grows_through_kills(mode: &[&str]) {
    let gateway = Gateway::start()
        .await
        .with_policy("grants: [{ to: public, on: \"shop.*\", permissions: [select] }]")
        .await;
    let file = gateway.folder.path().join("shop.db");
    let mut writer =
        SqliteConnectOptions::new().filename(&file).create_if_missing(true).connect().await.unwrap();
    let url = format!("sqlite://{}", file.display());
    let table =
        "CREATE TABLE items (n BIGINT PRIMARY KEY NOT NULL, changed BIGINT NOT NULL, name VARCHAR(40))";
    writer.execute(table).await.unwrap();
    let (is_merge, finds_deleted) = (mode.contains(&"merge"), mode.contains(&"keys"));
    let mut killed = 0;
    for (round, delay) in [20_000, 20, 40, 60, 80, 100, 130, 160, 200, 20_000].into_iter().enumerate() {
        let grow = format!(
            "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 4000) \
             INSERT INTO items SELECT n + {round} * 4000, {round}, 'item ' || n FROM s"
        );
        writer.execute(sqlx::AssertSqlSafe(grow)).await.unwrap();
        if is_merge {
            let change = format!("UPDATE items SET changed = {round}, name = name || '!' WHERE n % 500 = 7");
            writer.execute(sqlx::AssertSqlSafe(change)).await.unwrap();
        }
        if finds_deleted {
            let drop = format!("DELETE FROM items WHERE n % 700 = {round}");
            writer.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
        }
        let mut run = ingest_as(&gateway, &url, mode);
        let ended = tokio::time::timeout(Duration::from_millis(delay), run.wait()).await;
        killed += usize::from(ended.is_err());
        run.start_kill().ok();
        run.wait().await.unwrap();
        let rows = seen_rows(&gateway).await;
        assert_eq!(rows[0], rows[1], "{mode:?}: each row once in round {round}");
    }
    assert!(killed > 2, "{mode:?}: {killed} kills came in the middle");
    let last = ingest_as(&gateway, &url, mode).wait_with_output().await.unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stdout));
    let sums = "SELECT count(*), count(DISTINCT n), sum(n), sum(length(name)), sum(changed) FROM items";
    let source: (i64, i64, i64, i64, i64) = sqlx::query_as(sums).fetch_one(&mut writer).await.unwrap();
    assert_eq!(seen_rows(&gateway).await, json!(source), "{mode:?}");
}

async fn seen_rows(gateway: &Gateway) -> serde_json::Value {
    gateway.app.refresh().await.unwrap();
    let sql = "SELECT count(*), count(DISTINCT n), sum(n), sum(length(name)), sum(changed) FROM shop.items";
    let answer = gateway.sql("ana", sql).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"][0].clone()
}

/// A run that somebody stops ends at once, says so, and leaves what was there.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_asked_to_stop_leaves_nothing_half() {
    let gateway = Gateway::start()
        .await
        .with_policy("grants: [{ to: public, on: \"shop.*\", permissions: [select] }]")
        .await;
    let url = PostgresServer::shared().await.database().await;
    let mut shop = PgConnection::connect(&url).await.unwrap();
    shop.execute("CREATE TABLE items AS SELECT 1 AS generation, n FROM generate_series(1, 10) n")
        .await
        .unwrap();
    let first = ingest(&gateway, &url).wait_with_output().await.unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    // From now on it takes minutes; the first rows come at once.
    let slow = "ALTER TABLE items RENAME TO data; CREATE VIEW items AS SELECT 2 AS generation, n, \
         pg_sleep(0.001 * n)::text AS slept FROM generate_series(1, 1000) n";
    sqlx::raw_sql(slow).execute(&mut shop).await.unwrap();
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut run = ingest_as(&gateway, &url, &["--exclude", "data"]);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(run.try_wait().unwrap().is_none(), "it ended before it was stopped");
        let id = run.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().await.unwrap().success());
        let ended = tokio::time::timeout(Duration::from_secs(10), run.wait_with_output()).await;
        let ended = ended.expect("it stops at once").unwrap();
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("stopped:"), "{ended:?}");
        assert_eq!(seen(&gateway).await, json!([1, 1, 10]));
    }
}
