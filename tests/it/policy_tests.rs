//! The tests of policy files: run against the policy as the files would make it, by whoever runs them, saving nothing.

use serde_json::{Value, json};

use crate::policy_files::run;
use crate::support::gateway::Gateway;

const POLICY: &str = r#"
roles: { analyst: { members: [group:analysts] } }
grants:
  - { to: role:analyst, on: s.t, permissions: [select], columns: { exclude: [ssn] }, rows: "region = attr('region')" }
  - { to: user:odd, on: s.t, permissions: [select] }
restrictions: [{ name: m, on: s.t.name, mask: redact, except: role:analyst }]
"#;

const TESTS: &str = r#"
tests:
  - { as: { user: bo, groups: [analysts], attributes: { region: EU, tags: [1, null, { a: true }] } }, sql: SELECT * FROM s.t, columns: [id, region, name], rows: 2 }
  - { as: { user: bo, groups: [analysts] }, sql: SELECT * FROM s.t, rows: 0 }
  - { as: { user: eve }, sql: SELECT * FROM s.t, error: table_not_found }
  - { as: { user: odd }, sql: "SELECT id FROM s.t WHERE name = 'REDACTED'", rows: 3 }
  - { as: { user: bo, groups: [analysts] }, sql: SELECT ssn FROM s.t, error: column_not_found }
  - { as: { user: bo }, sql: DELETE FROM s.t, error: statement_not_allowed }
"#;

const FAILING: &str = r#"
tests:
  - { as: { user: odd }, sql: SELECT id AS a FROM s.t, columns: [a], rows: 3 }
  - as: { user: odd }
    sql: SELECT id FROM s.t
    columns: [name]
  - { as: { user: odd }, sql: SELECT id FROM s.t, rows: 4 }
  - { as: { user: odd }, sql: SELECT id FROM s.t, error: table_not_found }
  - { as: { user: eve }, sql: SELECT id FROM s.t, rows: 0 }
  - { as: { user: eve }, sql: SELECT id FROM s.t, error: permission_denied }
  - { as: { user: odd }, sql: SELECT CAST(ssn AS BIGINT) FROM s.t, rows: 3 }
"#;

const FAILURES: [&str; 6] = [
    "p.yaml:6:14: tests[1].columns: expected the columns [name], got [id]",
    "p.yaml:7:57: tests[2].rows: expected 4 rows, got 3",
    "p.yaml:8:58: tests[3].error: expected the error `table_not_found`, got the columns [id] and 3 rows",
    "p.yaml:9:31: tests[4].sql: expected a result, got `table_not_found`: table not found: `s.t`",
    "p.yaml:10:58: tests[5].error: expected the error `permission_denied`, got `table_not_found`: table not found: `s.t`",
    "p.yaml:11:31: tests[6].sql: expected a result, got `query_failed`",
];

async fn gateway() -> Gateway {
    let rows = "id,region,name,ssn\n1,EU,Ann,secret-1\n2,US,Bob,secret-2\n3,EU,Cid,secret-3\n";
    Gateway::start().await.with_csv("s.t", rows).await
}

fn body(texts: &[&str]) -> Value {
    let files = texts.iter().map(|text| json!({ "name": "p.yaml", "text": text }));
    json!({ "files": files.collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_run_against_what_the_files_would_make() {
    let gateway = gateway().await;
    let version = gateway.app.state().state.version;
    let ran = gateway.post("admin", "/v1/policy/test", &body(&[POLICY, TESTS])).await;
    assert_eq!(ran.json(), json!({ "tests": 6, "failures": [] }), "{}", ran.text());
    let ran = gateway.post("admin", "/v1/policy/test", &body(&[POLICY, FAILING])).await;
    assert_eq!(ran.json()["failures"], json!(FAILURES), "{}", ran.text());
    assert!(!ran.text().contains("secret"), "a value of the data is not told to who runs tests");

    gateway.app.refresh().await.unwrap();
    assert_eq!(gateway.app.state().state.version, version, "nothing is saved");
    assert_eq!(gateway.sql("odd", "SELECT id FROM s.t").await.code(), "table_not_found");
    // Without the rules the same tests do not hold.
    let ran = gateway.post("admin", "/v1/policy/test", &body(&[TESTS])).await.json();
    assert_eq!(ran["failures"].as_array().unwrap().len(), 4, "{ran}");
    assert_eq!(gateway.post("bo", "/v1/policy/test", &body(&[TESTS])).await.code(), "permission_denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_has_who_ran_the_tests() {
    let gateway = gateway().await;
    gateway.post("admin", "/v1/policy/test", &body(&[POLICY, TESTS])).await;
    let log = gateway.get("admin", "/v1/audit?action=test_policy").await.json();
    let records = log["items"].as_array().unwrap();
    assert_eq!(records.len(), 6, "{log}");
    assert!(records.iter().all(|record| record["actor"] == "admin" && record["sql"].is_string()), "{log}");
    let denied = records.iter().find(|record| record["error_code"] == "table_not_found").unwrap();
    assert!(denied["detail"].as_str().unwrap().starts_with("as user:eve: "), "{denied}");
    let queries = gateway.get("admin", "/v1/audit?action=query").await.json();
    assert_eq!(queries["items"], json!([]), "nobody else is said to have asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_tells_by_its_exit_code_whether_the_tests_hold() {
    let gateway = gateway().await;
    let (code, out, words) = run(&gateway, &["test"], &format!("{POLICY}{TESTS}")).await;
    assert_eq!((code, out.as_str(), words.as_str()), (0, "", "0 of 6 tests failed\n"));
    let (code, out, words) = run(&gateway, &["test"], &format!("{POLICY}{FAILING}")).await;
    assert_eq!((code, out.lines().count(), words.as_str()), (1, 6, "6 of 7 tests failed\n"), "{out}");
    let (code, out, _) = run(&gateway, &["lint"], POLICY).await;
    assert_eq!((code, out.as_str()), (0, ""));
    let empty =
        "roles: { none: { members: [] } }\ngrants: [{ to: role:none, on: s.t, permissions: [select] }]";
    let (code, out, words) = run(&gateway, &["lint"], empty).await;
    let found = "grant_to_nobody: `grant select on s.t to role:none` gives nothing to anybody: nobody is in the role\n";
    assert_eq!((code, out.as_str(), words.as_str()), (0, found, "1 findings\n"));
    assert_eq!(run(&gateway, &["plan"], POLICY).await.0, 2, "neither has saved anything");
}
