//! `lakegate ingest run` over files: what a reader sees then, the summary, and the file for rejected lines.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use super::url_of;
use crate::support::gateway::Gateway;

async fn ingest(gateway: &Gateway, folder: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args([
            "ingest",
            "run",
            "--source",
            &url_of(folder),
            "--tables",
            "*",
            "--into",
            "drop",
            "--json",
            "--config",
        ])
        .arg(gateway.folder.path().join("lakegate.toml"))
        .args(arguments)
        .output()
        .await
        .unwrap()
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_become_tables_and_rejected_lines_are_counted_and_kept() {
    let gateway = Gateway::start()
        .await
        .with_policy("grants: [{ to: public, on: \"drop.*\", permissions: [select] }]")
        .await;
    let folder = gateway.folder.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("orders.csv"), "id;total\n1;2.50\n2\n3;0.99\n").unwrap();
    std::fs::write(folder.join("Übers Select.ndjson"), "{\"Group\":{\"x\":[1]}}\nno json\n").unwrap();
    std::fs::write(folder.join("twice.csv"), "a\n1\n").unwrap();
    std::fs::write(folder.join("twice.ndjson"), "{\"a\":1}\n").unwrap();

    let strict = ingest(&gateway, &folder, &[]).await;
    assert!(!strict.status.success());
    let tables = summary(&strict)["tables"].clone();
    let orders = tables.as_array().unwrap().iter().find(|table| table["table"] == "drop.orders").unwrap();
    assert!(orders["error"]["detail"].as_str().unwrap().contains("line 3"), "{orders}");
    assert_eq!(orders["version"], Value::Null);
    let twice = tables.as_array().unwrap().iter().filter(|table| table["table"] == "drop.twice");
    let told = twice.map(|table| table["error"]["code"].clone()).collect::<Vec<_>>();
    assert_eq!(told, [Value::Null, json!("conflict")]);

    std::fs::remove_file(folder.join("twice.ndjson")).unwrap();
    let rejects = gateway.folder.path().join("rejects.ndjson");
    let file = rejects.display().to_string();
    let lenient = ingest(&gateway, &folder, &["--rejects", &file]).await;
    assert!(lenient.status.success(), "{}", String::from_utf8_lossy(&lenient.stderr));
    let counted = |summary: &Value| {
        let tables = summary["tables"].as_array().unwrap().iter();
        tables.map(|table| json!([table["rows"], table["rejected"]])).collect::<Vec<_>>()
    };
    assert_eq!(counted(&summary(&lenient)), [json!([2, 1]), json!([1, 0]), json!([1, 1])]);
    let kept = std::fs::read_to_string(&rejects).unwrap();
    assert_eq!(kept.lines().count(), 2, "{kept}");
    assert_eq!(std::fs::metadata(&rejects).unwrap().permissions().mode() & 0o777, 0o600);

    gateway.app.refresh().await.unwrap();
    let answer = gateway.sql("ana", "SELECT id, total FROM drop.orders ORDER BY id").await;
    assert_eq!(answer.json()["rows"], json!([[1, "2.50"], [3, "0.99"]]), "{}", answer.text());
    let answer = gateway.sql("ana", "SELECT \"Group\" FROM drop.\"Übers Select\"").await;
    assert_eq!(answer.json()["rows"], json!([[{"x": [1]}]]), "{}", answer.text());

    // What an earlier run has put there is not written over.
    let again = ingest(&gateway, &folder, &["--rejects", &file]).await;
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("it must be new"));
    assert_eq!(std::fs::read_to_string(&rejects).unwrap(), kept);
    // Words for people have the count too.
    std::fs::remove_file(&rejects).unwrap();
    let again = Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args([
            "ingest",
            "run",
            "--source",
            &url_of(&folder.join("orders.csv")),
            "--tables",
            "orders",
            "--into",
            "drop",
        ])
        .args([
            "--csv-delimiter",
            ";",
            "--csv-types",
            "text",
            "--columns",
            "replace",
            "--rejects",
            &file,
            "--config",
        ])
        .arg(gateway.folder.path().join("lakegate.toml"))
        .output()
        .await
        .unwrap();
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 lines rejected"), "{again:?}");

    for (mode, expected) in [("append", "leave out the bookmark"), ("merge", "cannot be merged")] {
        let refused = ingest(&gateway, &folder, &["--mode", mode, "--bookmark", "id"]).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains(expected), "{told}");
    }
}
