//! What hidden rows could tell at the HTTP door: attacks through the whole path, as a reader would send them.

use serde_json::{Value, json};

use crate::support::gateway::Gateway;

const EMPLOYEES: &str = "name,salary,region,note\nana,10,US,1999\nbo,30,US,2001\nmal,60,EU,secret-42\n";

/// Rows of the US alone, for `eve`; `boss` reads everything.
const POLICY: &str = r#"
grants:
  - { to: "user:eve", on: hr.emp, permissions: [select], rows: "region = 'US'" }
  - { to: "user:boss", on: hr.emp, permissions: [select] }
  - { to: "user:broken", on: hr.emp, permissions: [select], rows: "1 / (salary - 60) > -100" }
"#;

async fn gateway(pushdown_filters: bool) -> Gateway {
    Gateway::start_with(|config| config.limits.pushdown_filters = pushdown_filters)
        .await
        .with_csv("hr.emp", EMPLOYEES)
        .await
        .with_policy(POLICY)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_s_expression_never_meets_a_hidden_row() {
    for pushdown_filters in [false, true] {
        let gateway = gateway(pushdown_filters).await;
        for (sql, expected) in [
            ("SELECT count(*) FROM hr.emp WHERE 1/(salary-60) > 5", json!([[0]])),
            ("SELECT count(*) FROM hr.emp WHERE CAST(note AS BIGINT) > 0", json!([[2]])),
            ("SELECT name FROM hr.emp WHERE 10/(salary-60) < 1000 ORDER BY 1", json!([["ana"], ["bo"]])),
            ("SELECT sum(CAST(note AS BIGINT)) FROM hr.emp", json!([[4000]])),
            (
                "SELECT count(*) FROM hr.emp a JOIN hr.emp b ON 1/(a.salary-60) = 1/(b.salary-60)",
                json!([[4]]),
            ),
        ] {
            let answer = gateway.sql("eve", sql).await;
            assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
            assert_eq!(answer.json()["rows"], expected, "{sql}");
            // Whoever sees the row meets the fault, so the question was one that could fail.
            let whole = gateway.sql("boss", sql).await;
            assert!(whole.status == 422 || whole.json()["rows"] != expected, "{sql}: {}", whole.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_policy_tells_no_value() {
    let gateway = gateway(false).await;
    let answer = gateway.sql("broken", "SELECT name FROM hr.emp").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "policy_error"), "{}", answer.text());
    assert!(!answer.text().contains("zero") && !answer.text().contains("salary"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_the_guarded_table_and_not_the_policy() {
    let gateway = gateway(false).await;
    let answer =
        gateway.sql("eve", "EXPLAIN SELECT name FROM hr.emp WHERE salary > 5 AND 1/salary = 0").await;
    let text = answer.text();
    assert!(text.contains("GuardedScan: hr.emp"), "{text}");
    assert!(!text.contains("region") && !text.contains("csv") && !text.contains("US"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_one_record_that_only_administrators_read() {
    let gateway = gateway(false).await;
    let denied = gateway.sql("nobody", "SELECT * FROM hr.emp").await;
    assert_eq!((denied.status, denied.code().as_str()), (404, "table_not_found"));
    let allowed = gateway.sql("eve", "SELECT name FROM hr.emp").await;
    assert!(allowed.headers.contains_key("lakegate-query-id"));
    let failed = gateway.sql("eve", "SELEC").await;
    assert_eq!(failed.code(), "syntax_error");

    assert_eq!(gateway.get("eve", "/v1/audit").await.status, 403);
    let log = gateway.get("admin", "/v1/audit?action=query").await.json();
    let records = log["items"].as_array().unwrap();
    let verdict_of = |user: &str, sql: &str| {
        let is_it = |record: &&Value| record["actor"] == user && record["sql"] == sql;
        let found = records.iter().filter(is_it).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{user} {sql}: {log}");
        found[0]["verdict"].clone()
    };
    assert_eq!(verdict_of("nobody", "SELECT * FROM hr.emp"), "denied");
    assert_eq!(verdict_of("eve", "SELECT name FROM hr.emp"), "allowed");
    assert_eq!(verdict_of("eve", "SELEC"), "failed");
}
