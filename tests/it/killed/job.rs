//! A job whose run is taken by one node after the other, each of which is killed: what it brings in is there once.

use serde_json::{Value, json};
use sqlx::any::install_default_drivers;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, SqliteConnection};
use std::time::{Duration, Instant};

use super::{Before, Stage};
use crate::support::gateway::Gateway;
use crate::support::house::sqlite;
use crate::support::program;

/// So many that a node is killed while it reads.
const MORE: &str = "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 40000) \
     INSERT INTO items (name) SELECT 'item number ' || n FROM s";

async fn open(url: &str) -> SqliteConnection {
    let file = url.strip_prefix("sqlite://").unwrap();
    SqliteConnectOptions::new().filename(file).connect().await.unwrap()
}

/// The runs of the job, newest first.
async fn runs(gateway: &Gateway) -> Vec<Value> {
    let answer = gateway.get("admin", "/v1/ingest/runs?job=items").await;
    answer.json()["items"].as_array().unwrap().clone()
}

async fn until(gateway: &Gateway, is: impl Fn(&[Value]) -> bool) {
    let started = Instant::now();
    loop {
        let runs = runs(gateway).await;
        if is(&runs) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{runs:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn seen(gateway: &Gateway) -> Value {
    gateway.app.refresh().await.unwrap();
    let answer = gateway.sql("ana", "SELECT count(*), count(DISTINCT n) FROM shop.items").await;
    if answer.status == 200 { answer.json()["rows"][0].clone() } else { json!([0, 0]) }
}

/// The lease of a node that is gone lasts half a minute, and the wait for another attempt up to an hour.
async fn time_passes(store: &mut SqliteConnection) {
    store.execute("UPDATE ingest_runs SET lease_until = 0 WHERE state = 'running'").await.unwrap();
    store
        .execute("UPDATE ingest_runs SET due_at = due_at - 7200000000 WHERE state = 'queued'")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_from_node_to_node_and_its_rows_are_there_once() {
    install_default_drivers();
    for mode in [json!({}), json!({ "mode": "append", "bookmark": ["n"] })] {
        let folder = tempfile::tempdir().unwrap();
        let url = sqlite(folder.path()).await;
        let mut shop = open(&url).await;
        shop.execute("CREATE TABLE items (n INTEGER PRIMARY KEY NOT NULL, name VARCHAR(40))").await.unwrap();
        let gateway = Gateway::start()
            .await
            .with_policy("grants: [{ to: public, on: \"shop.*\", permissions: [select] }]")
            .await;
        let mut store =
            open(&format!("sqlite://{}", gateway.folder.path().join("lakegate.db").display())).await;
        let source = json!({ "name": "shop", "url": url });
        assert_eq!(gateway.post("admin", "/v1/sources", &source).await.status, 201);
        let mut job = json!({
            "name": "items", "source": "shop", "tables": ["items"], "into": "shop", "retries": 20, "retry_after": "1s",
        });
        job.as_object_mut().unwrap().extend(mode.as_object().unwrap().clone());
        assert_eq!(gateway.post("admin", "/v1/ingest/jobs", &job).await.status, 201);
        let asked = gateway.post("admin", "/v1/ingest/jobs/items/run", &json!({})).await;
        assert_eq!(asked.status, 202, "{}", asked.text());
        let mut lost = 0;
        for stage in
            [Stage::After(0), Stage::After(50), Stage::Written(1), Stage::Committed, Stage::Committed]
        {
            shop.execute(MORE).await.unwrap();
            let before = Before::of(&gateway);
            let known = runs(&gateway).await.into_iter().filter(|run| run["state"] != "queued");
            let known = known.map(|run| run["id"].clone()).collect::<Vec<_>>();
            let (mut node, _) = program::serve(gateway.folder.path()).await;
            let is_new = |run: &Value| run["state"] != "queued" && !known.contains(&run["id"]);
            until(&gateway, |runs| runs.iter().any(is_new)).await;
            let before = Before { started: Instant::now(), ..before };
            assert!(before.killed(&mut node, stage).await, "a node ended by itself");
            let rows = seen(&gateway).await;
            assert_eq!(rows[0], rows[1], "{mode} {stage:?}: each row once");
            time_passes(&mut store).await;
            match runs(&gateway).await[0]["state"].as_str() {
                Some("running") => lost += 1,
                // It was done before the kill: another one follows.
                _ => {
                    gateway.post("admin", "/v1/ingest/jobs/items/run", &json!({})).await;
                }
            }
        }
        assert!(lost >= 3, "{mode}: {lost} runs were cut off");
        let (_node, _) = program::serve(gateway.folder.path()).await;
        let started = Instant::now();
        while runs(&gateway).await[0]["state"] != "succeeded" {
            time_passes_for_attempts(&mut store).await;
            assert!(started.elapsed() < Duration::from_secs(60), "{:?}", runs(&gateway).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(seen(&gateway).await, json!([200_000, 200_000]), "{mode}");
        let all = runs(&gateway).await;
        let of = |state: &str| all.iter().filter(|run| run["state"] == state).count();
        assert_eq!(of("lost"), lost, "{all:?}");
        assert_eq!(of("running") + of("queued") + of("failed"), 0, "{all:?}");
    }
}

/// The node that runs is alive now: only what waits is hurried.
async fn time_passes_for_attempts(store: &mut SqliteConnection) {
    store
        .execute("UPDATE ingest_runs SET due_at = due_at - 7200000000 WHERE state = 'queued'")
        .await
        .unwrap();
}
