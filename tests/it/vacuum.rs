//! Versions that are over go with their files, and nothing goes that anybody can still ask for.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use lakegate::error::{ErrorKind, Result};
use lakegate::ingest::upkeep::{Keeping, Vacuumed, vacuum};
use lakegate::store::record::Format;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::upkeep::{AT_ONCE, MEMORY, lay, log, sorted};
use crate::support::versions::{append, leave_unpublished, publish};

const COLUMNS: [&str; 1] = ["id bigint"];

/// `s.t` with the versions 0 (1), 1 (1, 2) and 2 (3).
async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    publish(&gateway, "s.t", &COLUMNS, r#"{"id":1}"#).await;
    append(&gateway, "s.t", &COLUMNS, r#"{"id":2}"#).await;
    publish(&gateway, "s.t", &COLUMNS, r#"{"id":3}"#).await;
    gateway.with_policy("grants: [{ to: public, on: s.t, permissions: [select] }]").await
}

async fn removed(gateway: &Gateway, keeping: Keeping) -> Result<Vacuumed> {
    // The clock of the catalog has microseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let context = gateway.ingestion(MEMORY);
    let outcome = vacuum(&context, &"s.t".parse().unwrap(), keeping, false).await;
    context.audit.flush().await;
    outcome
}

fn folder(gateway: &Gateway) -> PathBuf {
    url::Url::parse(log(gateway, "s.t").location()).unwrap().to_file_path().unwrap()
}

fn stored(gateway: &Gateway) -> usize {
    let files = std::fs::read_dir(folder(gateway)).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|end| end == "parquet")).count()
}

async fn ids(gateway: &Gateway, version: &str) -> String {
    let answer = gateway.sql("ana", &format!("SELECT id FROM s.t {version} ORDER BY id")).await;
    if answer.status == 200 { answer.json()["rows"].to_string() } else { answer.code() }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_are_over_go_with_the_files_that_no_other_has() {
    let gateway = gateway().await;
    assert_eq!(stored(&gateway), 3);
    let week = Keeping { retention: Duration::from_secs(7 * 86_400), ..AT_ONCE };
    assert_eq!(removed(&gateway, week).await.unwrap().versions, [0_i64; 0]);
    assert_eq!(stored(&gateway), 3);

    let trial = vacuum(&gateway.ingestion(MEMORY), &"s.t".parse().unwrap(), AT_ONCE, true).await.unwrap();
    assert_eq!((trial.versions.as_slice(), trial.files), ([0, 1].as_slice(), 2));
    assert_eq!((stored(&gateway), ids(&gateway, "").await.as_str()), (3, "[[3]]"));
    let done = removed(&gateway, AT_ONCE).await.unwrap();
    assert_eq!(done, trial, "a trial tells what will be");
    assert!(done.bytes > 0 && stored(&gateway) == 1);
    assert_eq!(ids(&gateway, "").await, "[[3]]");
    for version in ["VERSION AS OF 0", "VERSION AS OF 1"] {
        assert_eq!(ids(&gateway, version).await, "not_found");
    }
    assert_eq!(ids(&gateway, "VERSION AS OF 2").await, "[[3]]");

    append(&gateway, "s.t", &COLUMNS, r#"{"id":4}"#).await;
    let done = removed(&gateway, AT_ONCE).await.unwrap();
    assert_eq!(
        (done.versions.as_slice(), done.files),
        ([2].as_slice(), 0),
        "its file is of the next one too"
    );
    assert_eq!(ids(&gateway, "").await, "[[3],[4]]");
    let told = gateway.get("admin", "/v1/audit?action=vacuum").await.json();
    assert_eq!(told["items"][0]["policy"]["versions"], json!([2]), "{told}");
    assert_eq!(told["items"].as_array().unwrap().len(), 3, "a trial is not written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_query_reads_stays() {
    let gateway = gateway().await;
    assert_eq!(ids(&gateway, "VERSION AS OF 0").await, "[[1]]");
    let done = removed(&gateway, AT_ONCE).await.unwrap();
    assert_eq!(
        (done.versions.as_slice(), done.in_use.as_slice(), done.files),
        ([1].as_slice(), [0].as_slice(), 1)
    );
    assert_eq!(ids(&gateway, "VERSION AS OF 0").await, "[[1]]");
    assert_eq!(ids(&gateway, "VERSION AS OF 1").await, "not_found");
    // One that is only explained is read by nobody.
    publish(&gateway, "s.t", &COLUMNS, r#"{"id":5}"#).await;
    let told = gateway.sql("ana", "EXPLAIN ACCESS SELECT * FROM s.t VERSION AS OF 2").await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(removed(&gateway, AT_ONCE).await.unwrap().versions, [2]);
}

/// Queries of an earlier version begin all the while: each has all of it, or is told that it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn no_query_meets_half_a_version() {
    let gateway = std::sync::Arc::new(gateway().await);
    for id in 10..14 {
        let version = append(&gateway, "s.t", &COLUMNS, &format!(r#"{{"id":{id}}}"#)).await;
        publish(&gateway, "s.t", &COLUMNS, r#"{"id":3}"#).await;
        let reader = tokio::spawn({
            let gateway = std::sync::Arc::clone(&gateway);
            async move { ids(&gateway, &format!("VERSION AS OF {version}")).await }
        });
        let done = removed(&gateway, AT_ONCE).await.unwrap();
        let read = reader.await.unwrap();
        match done.in_use.contains(&version) {
            true => assert_eq!(read, format!("[[3],[{id}]]")),
            false => assert!(read == "not_found" || read == format!("[[3],[{id}]]"), "{read}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_stays_and_what_was_left_goes() {
    let gateway = gateway().await;
    // A run has committed and not yet published.
    leave_unpublished(&gateway, "s.t", &COLUMNS, r#"{"id":4}"#).await;
    assert_eq!(removed(&gateway, AT_ONCE).await.unwrap().files, 2);
    assert_eq!(stored(&gateway), 2);
    // It never will, as another one was published meanwhile.
    publish(&gateway, "s.t", &COLUMNS, r#"{"id":5}"#).await;
    let done = removed(&gateway, AT_ONCE).await.unwrap();
    assert_eq!((done.files, stored(&gateway)), (2, 1));

    // Files that no commit names: one that is being written, and one that was left.
    let (new, old) = (folder(&gateway).join("part-new.parquet"), folder(&gateway).join("part-old.parquet"));
    for file in [&new, &old] {
        std::fs::write(file, "rows").unwrap();
    }
    let then = SystemTime::now() - Duration::from_secs(8 * 86_400);
    File::options().write(true).open(&old).unwrap().set_modified(then).unwrap();
    let month = Keeping { retention: Duration::from_secs(30 * 86_400), ..AT_ONCE };
    assert_eq!(removed(&gateway, month).await.unwrap().files, 0);
    let done = removed(&gateway, AT_ONCE).await.unwrap();
    assert_eq!((done.files, new.exists(), old.exists()), (1, true, false));
    assert_eq!(ids(&gateway, "").await, "[[5]]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_laid_anew_loses_the_files_of_before() {
    let gateway = gateway().await;
    append(&gateway, "s.t", &COLUMNS, r#"{"id":1}"#).await;
    lay(&gateway, "s.t", &sorted(&["id"])).await.unwrap();
    assert_eq!(stored(&gateway), 5);
    let done = removed(&gateway, AT_ONCE).await.unwrap();
    assert_eq!((done.versions.as_slice(), stored(&gateway)), ([0, 1, 2, 3].as_slice(), 1));
    assert_eq!(ids(&gateway, "").await, "[[1],[3]]");
}

/// The same folder under another name in the catalog, at the version that was the newest then.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_name_of_the_folder_needs_stays() {
    let gateway = gateway().await;
    gateway.register(&"s.alias".parse().unwrap(), &folder(&gateway), Format::Delta).await;
    let gateway = gateway.with_policy("grants: [{ to: public, on: s.alias, permissions: [select] }]").await;
    publish(&gateway, "s.t", &COLUMNS, r#"{"id":4}"#).await;
    let done = removed(&gateway, AT_ONCE).await.unwrap();
    assert_eq!((done.versions.as_slice(), done.files), ([0, 1, 2].as_slice(), 2));
    assert_eq!(gateway.sql("ana", "SELECT id FROM s.alias").await.json()["rows"], json!([[3]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_another_system_is_left_alone() {
    let gateway = Gateway::start().await.with_csv("s.t", "id\n1\n").await;
    assert_eq!(removed(&gateway, AT_ONCE).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lays_and_removes() {
    let gateway = gateway().await;
    append(&gateway, "s.t", &COLUMNS, r#"{"id":1}"#).await;
    let run = |arguments: &[&str]| {
        let config = gateway.folder.path().join("lakegate.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
        let output = command.arg("table").args(arguments).arg("--config").arg(config).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    let (code, told) = run(&["optimize", "s.t", "--sort", "id", "--bloom", "id"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.starts_with("s.t is version 4 (sort id; bloom id): 2 rows written anew, 2 files with "),
        "{told}"
    );
    let (_, told) = run(&["optimize", "s.t"]);
    assert_eq!(told, "s.t lies as it should (sort id; bloom id): 1 files\n");
    let (_, told) = run(&["optimize", "s.t", "--unsorted", "--no-bloom", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["version"], &told["arrangement"]), (&json!(5), &json!({})), "{told}");
    let (code, told) = run(&["optimize", "s.t", "--sort", "id", "--zorder", "id"]);
    assert_eq!(code, Some(2), "{told}");

    let (code, told) = run(&["vacuum", "s.t", "--retention", "5m"]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("versions are kept for 420 seconds at least, as long as a query may read one"),
        "{told}"
    );
    let (code, told) = run(&["vacuum", "s.t", "--dry-run"]);
    assert_eq!(
        (code, told.as_str()),
        (Some(0), "s.t: 0 versions and 0 files with 0 bytes would be removed\n")
    );
    let (code, told) = run(&["vacuum", "s.t", "--retention", "7d", "--json"]);
    assert_eq!((code, told.contains("\"versions\":[]")), (Some(0), true), "{told}");
}
