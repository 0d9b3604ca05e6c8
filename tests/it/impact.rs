//! `plan --impact`: what a change of policy would do to those who have asked, against what it then does.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::gateway::Gateway;

const PEOPLE: &str = "id,region,email,ssn\n1,EU,a@x,s1\n2,US,b@x,s2\n";

const BEFORE: &str = r#"
roles: { analyst: { members: [group:analysts] } }
grants:
  - { to: role:analyst, on: s.people, permissions: [select] }
  - { to: user:cy, on: s.people, permissions: [select], columns: { include: [id, region] } }
  - { to: user:gone, on: s.people, permissions: [select] }
"#;

const AFTER: &str = r#"
roles: { analyst: { members: [group:analysts] } }
grants:
  - { to: role:analyst, on: s.people, permissions: [select], columns: { exclude: [ssn] }, rows: "region = 'EU'" }
  - { to: user:cy, on: s.people, permissions: [select], columns: { include: [id, region, email] } }
  - { to: user:new, on: s.people, permissions: [select] }
restrictions:
  - { name: mask_email, on: s.people.email, mask: redact, except: [user:cy] }
"#;

/// Who asks what, and how often.
const ASKED: [(&str, &str, usize); 9] = [
    ("bo@analysts", "SELECT id FROM s.people", 2),
    ("bo@analysts", "SELECT ssn FROM s.people", 3),
    ("bo@analysts", "SELECT * FROM s.people", 1),
    ("cy", "SELECT id FROM s.people", 1),
    ("cy", "SELECT email FROM s.people", 1),
    ("gone", "SELECT count(*)\n  FROM s.people", 1),
    ("new", "SELECT id FROM s.people WHERE region = 'EU'", 1),
    ("eve", "SELECT id FROM s.people", 1),
    ("bo@analysts", "SHOW TABLES FROM s", 1),
];

async fn gateway() -> Gateway {
    let gateway = Gateway::start().await.with_csv("s.people", PEOPLE).await.with_policy(BEFORE).await;
    for (who, sql, times) in ASKED {
        for _ in 0..times {
            gateway.sql(who, sql).await;
        }
    }
    gateway.app.audit.flush().await;
    gateway
}

async fn plan(gateway: &Gateway, text: &str, impact: &str) -> Value {
    let files = json!([{ "name": "after.yaml", "text": text }]);
    let body = json!({ "files": files, "prune": true, "impact": impact });
    let answer = gateway.post("admin", "/v1/policy/plan", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["impact"].clone()
}

fn effect(of: &Value) -> Value {
    json!([
        of["user"],
        of["whole"],
        of["columns_gained"],
        of["columns_lost"],
        of["columns_changed"],
        of["rows_before"],
        of["rows_after"]
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_who_gains_and_loses_and_what_would_be_refused() {
    let gateway = gateway().await;
    let ended = gateway.get("admin", "/v1/audit?action=query&limit=1000").await.json()["items"].clone();
    let impact = plan(&gateway, AFTER, "7d").await;
    assert_eq!((&impact["queries"], &impact["left_out"]), (&json!(12), &json!(0)));
    let effects = impact["effects"].as_array().unwrap().iter().map(effect).collect::<Vec<_>>();
    assert_eq!(
        json!(effects),
        json!([
            ["bo", null, [], ["ssn"], ["email: its value → the mask redact"], "all rows", "region = 'EU'"],
            ["cy", null, ["email"], [], [], null, null],
            ["gone", "loses", [], [], [], null, null],
            ["new", "gains", [], [], [], null, null],
        ])
    );
    let affected = |which: &str| {
        let all = impact[which].as_array().unwrap().iter();
        all.map(|it| json!([it["user"], it["sql"], it["times"]])).collect::<Vec<_>>()
    };
    let failing = affected("failing");
    assert_eq!(
        json!(failing),
        json!([["bo", "SELECT ssn FROM s.people", 3], ["gone", "SELECT count(*)\n  FROM s.people", 1]])
    );
    let mending = affected("mending");
    assert_eq!(
        json!(mending),
        json!([
            ["cy", "SELECT email FROM s.people", 1],
            ["new", "SELECT id FROM s.people WHERE region = 'EU'", 1]
        ])
    );
    let reason = &impact["failing"][0]["reason"];
    assert_eq!(reason, "column_not_found: column not found: `ssn`");

    // Nothing was run, and nothing was changed.
    gateway.app.audit.flush().await;
    assert_eq!(gateway.get("admin", "/v1/audit?action=query&limit=1000").await.json()["items"], ended);
    assert_eq!(gateway.sql("gone", "SELECT id FROM s.people").await.status, 200);

    // What it said is what then happens.
    let body = json!({ "files": [{ "name": "after.yaml", "text": AFTER }], "prune": true });
    assert_eq!(gateway.post("admin", "/v1/policy/apply", &body).await.status, 200);
    for (who, sql, _) in ASKED {
        let user = who.split('@').next().unwrap();
        let is = |all: &[Value]| all.iter().any(|it| it[0] == user && it[1] == sql);
        let answered = gateway.sql(who, sql).await.status == 200;
        if is(&failing) || is(&mending) {
            assert_eq!(answered, is(&mending), "{who}: {sql}");
        } else {
            assert_eq!(answered, user != "eve", "{who}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_has_no_impact_and_a_wrong_time_is_refused() {
    let gateway = gateway().await;
    let impact = plan(&gateway, BEFORE, "1h").await;
    for part in ["effects", "failing", "mending"] {
        assert_eq!(impact[part], json!([]), "{part}");
    }
    let impact = plan(&gateway, AFTER, "0s").await;
    assert_eq!((&impact["queries"], &impact["effects"]), (&json!(0), &json!([])), "nothing that old");
    for time in ["a week", "7w", "-1d", "99999999999999d"] {
        let files = json!([{ "name": "after.yaml", "text": AFTER }]);
        let body = json!({ "files": files, "impact": time });
        let answer = gateway.post("admin", "/v1/policy/plan", &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{time}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_it_in_lines() {
    let gateway = gateway().await;
    let file = gateway.folder.path().join("after.yaml");
    std::fs::write(&file, AFTER).unwrap();
    let config = gateway.folder.path().join("lakegate.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.args(["policy", "plan", "--prune", "--impact", "7d"]).arg(&file).arg("--config").arg(config);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let told = text.lines().filter(|line| line.starts_with("user:")).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            "user:bo loses columns of s.people: ssn",
            "user:bo sees otherwise s.people.email: its value → the mask redact",
            "user:bo sees other rows of s.people: all rows → region = 'EU'",
            "user:cy gains columns of s.people: email",
            "user:gone loses s.people",
            "user:new gains s.people",
            "user:bo would be refused (column_not_found: column not found: `ssn`; asked 3 times): SELECT ssn FROM s.people",
            "user:gone would be refused (table_not_found: table not found: `s.people`; asked once): SELECT count(*) FROM s.people",
            "user:cy would be answered (asked once): SELECT email FROM s.people",
            "user:new would be answered (asked once): SELECT id FROM s.people WHERE region = 'EU'",
        ]
    );
}
