//! What is written down of queries and changes, and who may change rules (section H of the acceptance cases).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;

const PEOPLE: &str = "id,region,name\n1,EU,Ann\n2,US,Bob\n";

/// A chain of roles from `bo` to the table, and a row rule for `cy`.
const POLICY: &str = "
roles:
  reader: { members: [role:team] }
  team: { members: [user:bo] }
grants:
  - { to: role:reader, on: s.t, permissions: [select] }
  - { to: user:cy, on: s.t, permissions: [select], rows: region = 'EU' }
restrictions:
  - { name: short, on: s.t.name, applies_to: user:cy, mask: redact }
";

async fn gateway() -> Gateway {
    Gateway::start().await.with_csv("s.t", PEOPLE).await.with_policy(POLICY).await
}

async fn record_of(gateway: &Gateway, who: &str, sql: &str) -> Value {
    let log = gateway.get("admin", &format!("/v1/audit?user={who}&action=query")).await.json();
    let records = log["items"].as_array().unwrap();
    let found = records.iter().filter(|record| record["sql"] == sql).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{who} {sql}: {log}");
    found[0].clone()
}

/// H1: also of what was refused, whatever the reason.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_asked_leaves_a_record_with_its_end() {
    let gateway = gateway().await;
    for (who, sql, code, verdict) in [
        ("eve", "SELECT * FROM s.t", "table_not_found", "denied"),
        ("cy", "SELECT nosuch FROM s.t", "column_not_found", "failed"),
        ("cy", "SELECT 1 / (id - 1) FROM s.t", "query_failed", "failed"),
        ("cy", "DELETE FROM s.t", "statement_not_allowed", "denied"),
        ("cy", "INSERT INTO s.t VALUES (3, 'EU', 'Eve')", "statement_not_allowed", "denied"),
        ("cy", "GRANT SELECT ON s.t TO USER eve", "permission_denied", "denied"),
        ("cy", "SELEC 1", "syntax_error", "failed"),
    ] {
        assert_eq!(gateway.sql(who, sql).await.code(), code, "{sql}");
        let record = record_of(&gateway, who, sql).await;
        assert_eq!(
            (&record["verdict"], &record["error_code"]),
            (&json!(verdict), &json!(code)),
            "{sql}: {record}"
        );
    }
}

/// H2: the record has the statement as it was run, with the rules that were put in; readers never see it.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_has_what_was_run_and_no_placeholder() {
    let gateway = gateway().await;
    let sql = "SELECT id, name FROM s.t";
    assert_eq!(gateway.sql("cy", sql).await.json()["rows"], json!([[1, "REDACTED"]]));
    let record = record_of(&gateway, "cy", sql).await;
    let governed = record["governed_sql"].as_str().unwrap();
    assert!(governed.contains("region") && governed.contains("EU"), "the row rule: {governed}");
    assert!(governed.contains("REDACTED"), "the mask: {governed}");
    assert_eq!(gateway.get("cy", "/v1/audit").await.status, 403);
}

/// H4, H5: a change, its record and the new version are one, and the second of two writers is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_force_with_its_record_or_not_at_all() {
    let gateway = gateway().await;
    let put = |members: Value| {
        let body = json!({ "name": "team", "members": members });
        let request = gateway.request(Method::PUT, "/v1/roles/team").bearer_auth(gateway.token("admin"));
        gateway.send(request.header("if-match", "\"1\"").json(&body))
    };
    let version = gateway.app.store.policy_version().await.unwrap();
    assert_eq!(put(json!(["user:bo", "user:di"])).await.status, 200);
    assert_eq!(put(json!(["user:zoe"])).await.code(), "conflict");
    let log = gateway.get("admin", "/v1/audit?action=update_role").await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 1, "of the one that was made: {log}");
    assert_eq!(gateway.app.store.policy_version().await.unwrap(), version + 1);
    assert_eq!(gateway.sql("di", "SELECT id FROM s.t").await.status, 200);
    assert_eq!(gateway.sql("zoe", "SELECT id FROM s.t").await.code(), "table_not_found");
}

/// H7: who loses a role in the middle of a chain loses what came through it.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_chain_of_roles_gives_nothing_at_once() {
    let gateway = gateway().await;
    assert_eq!(gateway.sql("bo", "SELECT id FROM s.t").await.status, 200);
    let body = json!({ "name": "reader", "members": [] });
    let request = gateway.request(Method::PUT, "/v1/roles/reader").bearer_auth(gateway.token("admin"));
    assert_eq!(gateway.send(request.header("if-match", "*").json(&body)).await.status, 200);
    assert_eq!(gateway.sql("bo", "SELECT id FROM s.t").await.code(), "table_not_found");
}

/// H8: who is under a rule neither changes nor drops it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_a_rule_away_from_themselves() {
    let gateway = gateway().await;
    let grants = gateway.get("admin", "/v1/grants").await.json();
    for grant in grants["items"].as_array().unwrap() {
        let path = format!("/v1/grants/{}", grant["id"].as_str().unwrap());
        let drop = gateway.request(Method::DELETE, &path).bearer_auth(gateway.token("cy"));
        assert_eq!(gateway.send(drop).await.code(), "permission_denied", "{path}");
    }
    for sql in ["REVOKE ALL ON s.t FROM USER cy", "GRANT SELECT ON s.t TO USER cy"] {
        assert_eq!(gateway.sql("cy", sql).await.code(), "permission_denied", "{sql}");
    }
    assert_eq!(gateway.sql("cy", "SELECT id FROM s.t").await.json()["rows"], json!([[1]]));
}

/// H9: a rule's name is its own in the whole policy, also on another table.
#[tokio::test(flavor = "multi_thread")]
async fn two_rules_cannot_have_one_name() {
    let gateway = gateway().await;
    let twice = "
restrictions:
  - { name: one, on: s.t.name, mask: redact }
  - { name: one, on: s.t.region, mask: redact }
";
    let error = gateway.apply(twice).await.unwrap_err();
    assert!(error.detail().contains("`one`"), "{error}");
}

/// G15: a right that is taken away while a query runs is gone for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_query_may_end_and_the_next_is_refused() {
    let gateway = gateway().await;
    let sql = "SELECT count(*) FROM s.t, generate_series(1, 3000000) AS n(v) WHERE v % 7 = id";
    let (running, ()) = tokio::join!(gateway.sql("bo", sql), async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let revoked = gateway.sql("admin", "REVOKE ALL ON s.t FROM ROLE reader").await;
        assert_eq!(revoked.status, 200, "{}", revoked.text());
        assert_eq!(gateway.sql("bo", "SELECT id FROM s.t").await.code(), "table_not_found");
    });
    assert!(running.status == 200 || running.code() == "table_not_found", "{}", running.text());
}
