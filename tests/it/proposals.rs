//! Tags that are proposed for columns that look personal: who learns of them, what accepting and rejecting does, and that
//! nothing of a column's values is told.

use std::process::{Command, Output};

use lakegate::catalog::publish::Catalog;
use lakegate::policy::proposal::Proposal;
use lakegate::policy::tag::TaggedObject;
use serde_json::{Value, json};

use crate::sources::sqlite;
use crate::support::gateway::Gateway;

const PEOPLE: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, contact TEXT, surname TEXT, total REAL);
    INSERT INTO people VALUES (1, 'ann@example.com', 'Ann', 1), (2, 'bob@example.com', 'Bob', 2), (3, 'cy@example.com', 'Cy', 3)";

const RULES: &str = "
tags: { sensitivity: [public, pii] }
grants: [{ to: \"user:ana\", on: s.people, permissions: [select] }]
restrictions: [{ name: hidden, on: { tags: { sensitivity: pii } }, hide: true }]
";

fn lakegate(gateway: &Gateway, arguments: &[&str]) -> Output {
    let config = gateway.folder.path().join("lakegate.toml");
    Command::new(env!("CARGO_BIN_EXE_lakegate")).args(arguments).arg("--config").arg(config).output().unwrap()
}

fn told(output: Output) -> (String, String) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

async fn ingest(gateway: &Gateway, url: &str) -> String {
    let (_, words) =
        told(lakegate(gateway, &["ingest", "run", "--source", url, "--tables", "people", "--into", "s"]));
    gateway.app.refresh().await.unwrap();
    words
}

/// What is proposed, as `column kind`.
async fn proposed(gateway: &Gateway) -> Vec<String> {
    let answer = gateway.get("admin", "/v1/proposals").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("example.com"), "{}", answer.text());
    let item = |item: &Value| {
        let rejected = if item["rejected"] == true { " rejected" } else { "" };
        format!("{} {}{rejected}", item["object"].as_str().unwrap(), item["kind"].as_str().unwrap())
    };
    answer.json()["items"].as_array().unwrap().iter().map(item).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_a_tag_like_any_other() {
    let (url, _folder) = sqlite::database(PEOPLE).await;
    let gateway = Gateway::start().await;
    let words = ingest(&gateway, &url).await;
    assert!(words.contains("2 columns look personal"), "{words}");
    assert_eq!(proposed(&gateway).await, ["s.people.contact email", "s.people.surname person_name"]);
    let item = gateway.get("admin", "/v1/proposals?limit=1").await.json()["items"][0].clone();
    let expected = json!({
        "object": "s.people.contact", "key": "sensitivity", "value": "pii", "kind": "email", "rejected": false,
        "evidence": "3 of 3 sampled values are e-mail addresses",
    });
    assert_eq!(item, expected);

    // No tag is made on the way, and nothing has changed.
    let answer = gateway.post("admin", "/v1/proposals/s.people.contact/accept", &json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "conflict"));
    assert!(answer.text().contains("add it to the policy first"), "{}", answer.text());
    assert_eq!(proposed(&gateway).await.len(), 2);

    gateway.apply(RULES).await.unwrap();
    assert_eq!(gateway.sql("ana", "SELECT contact FROM s.people").await.status, 200);
    let answer = gateway.post("admin", "/v1/proposals/s.people.contact/accept", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(proposed(&gateway).await, ["s.people.surname person_name"]);
    let tags = gateway.get("admin", "/v1/tag-assignments/s.people.contact").await.json();
    assert_eq!(tags["tags"], json!({ "sensitivity": "pii" }));
    // The rule on the tag holds at once.
    assert_eq!(gateway.sql("ana", "SELECT contact FROM s.people").await.code(), "column_not_found");
    for action in ["propose_tag", "assign_tags", "drop_proposal"] {
        let log = gateway.get("admin", &format!("/v1/audit?action={action}")).await.json();
        assert_eq!(log["items"][0]["tables"], json!(["s.people"]), "{action}: {log}");
    }
    let again = gateway.post("admin", "/v1/proposals/s.people.contact/accept", &json!({})).await;
    assert_eq!(again.code(), "not_found");
    // A column that has the tag is not asked for again, also in a new version of the table.
    ingest(&gateway, &url).await;
    assert_eq!(proposed(&gateway).await, ["s.people.surname person_name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_is_not_proposed_again_and_a_new_column_is() {
    let (url, folder) = sqlite::database(PEOPLE).await;
    let gateway = Gateway::start().await.with_policy(RULES).await;
    ingest(&gateway, &url).await;
    let (text, _) = told(lakegate(&gateway, &["proposals", "list"]));
    assert!(
        text.contains("s.people.contact") && text.contains("sensitivity=pii  3 of 3 sampled values are"),
        "{text}"
    );
    told(lakegate(&gateway, &["proposals", "reject", "s.people.surname"]));
    let (text, _) = told(lakegate(&gateway, &["proposals", "list"]));
    assert!(!text.contains("s.people.surname"), "{text}");
    let (text, _) = told(lakegate(&gateway, &["proposals", "list", "--all"]));
    assert!(text.contains("(rejected)"), "{text}");
    told(lakegate(&gateway, &["proposals", "accept", "s.people.contact"]));
    gateway.app.refresh().await.unwrap();
    let answer = gateway.post("admin", "/v1/proposals/s.people.surname/reject", &json!({})).await;
    assert_eq!((answer.status, answer.json()["rejected"].as_bool()), (200, Some(true)));

    let file = folder.path().join("a b.db");
    let mut source =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite://{}", file.display()))
            .await
            .unwrap();
    sqlx::query("ALTER TABLE people ADD COLUMN phone TEXT").execute(&mut source).await.unwrap();
    ingest(&gateway, &url).await;
    assert_eq!(proposed(&gateway).await, ["s.people.phone phone", "s.people.surname person_name rejected"]);

    // Who has tagged the column meanwhile has answered.
    gateway.apply("databases: { s: { tables: { people: { columns: { phone: { tags: { sensitivity: public } } } } } } }").await.unwrap();
    assert_eq!(proposed(&gateway).await, ["s.people.surname person_name rejected"]);
    let answer = gateway.post("admin", "/v1/proposals/s.people.phone/accept", &json!({})).await;
    assert_eq!(answer.code(), "conflict");

    // A steward may think again.
    told(lakegate(&gateway, &["proposals", "accept", "s.people.surname"]));
    gateway.app.refresh().await.unwrap();
    assert_eq!(proposed(&gateway).await, [""; 0]);
    let output = lakegate(&gateway, &["proposals", "accept", "s.people.nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("proposal not found: `s.people.nothing`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_administer_learns_nothing() {
    let (url, _folder) = sqlite::database(PEOPLE).await;
    let gateway = Gateway::start().await.with_policy(RULES).await;
    ingest(&gateway, &url).await;
    // Also who may read the table: that a column looks personal tells what is in it.
    for who in ["eve", "ana"] {
        let answers = [
            gateway.get(who, "/v1/proposals").await,
            gateway.post(who, "/v1/proposals/s.people.contact/accept", &json!({})).await,
            gateway.post(who, "/v1/proposals/s.people.nothing/accept", &json!({})).await,
            gateway.post(who, "/v1/proposals/s.people.contact/reject", &json!({})).await,
        ];
        for answer in answers {
            assert_eq!((answer.status, answer.code().as_str()), (403, "permission_denied"), "{who}");
            assert!(!answer.text().contains("people"), "{who}: {}", answer.text());
        }
        for sql in ["SHOW COLUMNS FROM s.people", "EXPLAIN ACCESS SELECT 1 FROM s.people"] {
            assert!(!gateway.sql(who, sql).await.text().contains("look"), "{who} {sql}");
        }
    }
    assert_eq!(proposed(&gateway).await.len(), 2);
}

/// Runs that end at once propose the same: each proposal is kept once, and no run loses those that are its own.
#[tokio::test(flavor = "multi_thread")]
async fn proposals_of_runs_that_end_at_once_are_all_kept() {
    let gateway = Gateway::start().await;
    let proposal = |column: String| Proposal {
        object: TaggedObject::Column("s.people".parse().unwrap(), column),
        key: "sensitivity".to_owned(),
        value: "pii".to_owned(),
        kind: "email".to_owned(),
        evidence: "its name says so".to_owned(),
        is_rejected: false,
    };
    for round in 0..5 {
        let runs = (0..8).map(|run| {
            let same = proposal(format!("same{round}"));
            let own = proposal(format!("own{round}_{run}"));
            let catalog = Catalog::new(gateway.app.store.clone(), "test");
            tokio::spawn(async move { catalog.propose(vec![same, own]).await })
        });
        let mut kept = 0;
        for run in runs.collect::<Vec<_>>() {
            kept += run.await.unwrap().unwrap();
        }
        assert_eq!(kept, 9);
    }
}
