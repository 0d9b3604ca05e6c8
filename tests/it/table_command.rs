//! `lakegate table`: what the catalog has, on the command line.

use std::process::{Command, Output};

use crate::support::gateway::Gateway;
use crate::support::versions::publish;

fn table(gateway: &Gateway, arguments: &[&str]) -> Output {
    let config = gateway.folder.path().join("lakegate.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.arg("table").args(arguments).arg("--config").arg(config).output().unwrap()
}

fn told(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_shown_and_dropped_and_their_files_stay() {
    let gateway = Gateway::start().await.with_csv("s.people", "id,name\n1,Ann\n").await;
    let policy = "grants: [{ to: \"user:ana\", on: s.people, permissions: [select] }]";
    let gateway = gateway.with_policy(policy).await;
    assert!(told(table(&gateway, &["list"])).starts_with("s.people "));
    let shown = told(table(&gateway, &["show", "s.people"]));
    for line in ["format    csv", "columns   2", "  id bigint", "  name varchar"] {
        assert!(shown.lines().any(|told| told == line), "{line}: {shown}");
    }
    let location = shown.lines().find_map(|line| line.strip_prefix("location  ")).unwrap().to_owned();

    assert!(told(table(&gateway, &["drop", "s.people"])).contains(&location));
    assert_eq!(told(table(&gateway, &["list"])), "");
    for command in ["show", "drop"] {
        let output = table(&gateway, &[command, "s.people"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("table not found: `s.people`"));
    }
    assert_eq!(gateway.get("admin", "/v1/audit?action=drop_table").await.json()["items"][0]["actor"], "cli");

    // The files are there to be registered again, and the grant holds again.
    told(table(&gateway, &["register", "s.people", "--location", &location, "--format", "csv"]));
    gateway.app.refresh().await.unwrap();
    assert_eq!(gateway.sql("ana", "SELECT name FROM s.people").await.json()["rows"][0][0], "Ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_in_the_order_in_which_they_were_published() {
    let gateway = Gateway::start().await.with_csv("s.people", "id,name\n1,Ann\n").await;
    for id in 1..=2 {
        publish(&gateway, "s.t", &["id bigint"], &format!(r#"{{"id":{id}}}"#)).await;
    }
    let listed = told(table(&gateway, &["versions", "s.t"]));
    let numbers = listed.lines().map(|line| line.split_whitespace().next().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers, ["0", "1"]);
    let time = listed.lines().next().unwrap().split_whitespace().nth(1).unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{listed}");
    assert_eq!(told(table(&gateway, &["versions", "s.people"])), "");
}
