//! Files: each is in the table as a whole and once, or not at all, whenever the run that takes it is killed.

use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{Before, STAGES, Stage};
use crate::support::gateway::Gateway;

const ROWS: i64 = 3000;

async fn gateway() -> Gateway {
    let gateway = Gateway::start()
        .await
        .with_policy("grants: [{ to: public, on: \"drop.*\", permissions: [select] }]")
        .await;
    std::fs::create_dir_all(gateway.folder.path().join("in/items")).unwrap();
    gateway
}

/// A file of rows that are no other's, written as a whole.
fn put(gateway: &Gateway, file: i64, generation: i64, extension: &str) {
    let numbers = (0..ROWS).map(|row| file * ROWS + row);
    let content = match extension {
        "csv" => format!(
            "file,generation,n\n{}",
            numbers.map(|n| format!("{file},{generation},{n}\n")).collect::<String>()
        )
        .into_bytes(),
        "ndjson" => numbers
            .map(|n| json!({ "file": file, "generation": generation, "n": n }).to_string() + "\n")
            .collect::<String>()
            .into_bytes(),
        _ => {
            let same = |value: i64| Arc::new(Int64Array::from(vec![value; ROWS as usize])) as ArrayRef;
            let numbers = Arc::new(Int64Array::from(numbers.collect::<Vec<_>>())) as ArrayRef;
            let columns = [("file", same(file)), ("generation", same(generation)), ("n", numbers)];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let mut bytes = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            bytes
        }
    };
    let folder = gateway.folder.path().join("in/items");
    let part = folder.join(format!("_{file}.part"));
    std::fs::write(&part, content).unwrap();
    std::fs::rename(part, folder.join(format!("{file}.{extension}"))).unwrap();
}

fn ingest(gateway: &Gateway, mode: &str) -> Child {
    let folder = gateway.folder.path();
    Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(["ingest", "run", "--tables", "items", "--into", "drop", "--json", "--mode", mode])
        .arg("--source")
        .arg(url::Url::from_file_path(folder.join("in")).unwrap().as_str())
        .arg("--config")
        .arg(folder.join("lakegate.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn ends(gateway: &Gateway, mode: &str) {
    let done = ingest(gateway, mode).wait_with_output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

async fn seen(gateway: &Gateway, sql: &str) -> Value {
    gateway.app.refresh().await.unwrap();
    let answer = gateway.sql("ana", sql).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"].clone()
}

/// Each file that is there with its rows, each of which is there once.
async fn refuse_half_files(gateway: &Gateway, stage: Stage) {
    let sql = "SELECT file, count(*), count(DISTINCT n) FROM drop.items GROUP BY file";
    for file in seen(gateway, sql).await.as_array().unwrap() {
        assert_eq!((&file[1], &file[2]), (&json!(ROWS), &json!(ROWS)), "{stage:?}: {file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_files_are_taken_once_through_kills() {
    for extension in ["csv", "ndjson", "parquet"] {
        let gateway = gateway().await;
        put(&gateway, 0, 0, extension);
        ends(&gateway, "append").await;
        let (mut killed, mut file) = (0, 1);
        for stage in STAGES {
            put(&gateway, file, 0, extension);
            put(&gateway, file + 1, 0, extension);
            file += 2;
            let before = Before::of(&gateway);
            let mut run = ingest(&gateway, "append");
            killed += usize::from(before.killed(&mut run, stage).await);
            refuse_half_files(&gateway, stage).await;
        }
        assert!(killed > STAGES.len() / 2, "{extension}: {killed} kills came in the middle");
        ends(&gateway, "append").await;
        let sums = "SELECT count(*), count(DISTINCT n), count(DISTINCT file), max(n) FROM drop.items";
        assert_eq!(
            seen(&gateway, sums).await,
            json!([[file * ROWS, file * ROWS, file, file * ROWS - 1]]),
            "{extension}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_files_is_whole_through_kills() {
    let gateway = gateway().await;
    let all = |generation: i64| (0..3).for_each(|file| put(&gateway, file, generation, "csv"));
    all(0);
    ends(&gateway, "snapshot").await;
    let whole = "SELECT min(generation), max(generation), count(*), count(DISTINCT n) FROM drop.items";
    let (mut killed, mut generation) = (0, 0);
    for stage in STAGES {
        generation += 1;
        all(generation);
        let before = Before::of(&gateway);
        let mut run = ingest(&gateway, "snapshot");
        killed += usize::from(before.killed(&mut run, stage).await);
        let seen = seen(&gateway, whole).await[0].clone();
        assert_eq!(
            (&seen[0], &seen[2], &seen[3]),
            (&seen[1], &json!(3 * ROWS), &json!(3 * ROWS)),
            "{stage:?}"
        );
    }
    assert!(killed > STAGES.len() / 2, "{killed} kills came in the middle");
    ends(&gateway, "snapshot").await;
    assert_eq!(seen(&gateway, whole).await, json!([[generation, generation, 3 * ROWS, 3 * ROWS]]));
}
