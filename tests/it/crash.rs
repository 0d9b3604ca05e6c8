//! The program killed in the middle of an ingestion: readers keep a whole version, and the next run succeeds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, SqliteConnection};
use tokio::process::{Child, Command};

use crate::support::gateway::Gateway;

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
    Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(["ingest", "run", "--source", source, "--tables", "*", "--into", "shop", "--json", "--config"])
        .arg(gateway.folder.path().join("lakegate.toml"))
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
