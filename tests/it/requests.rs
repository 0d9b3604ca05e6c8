//! What a request may ask for besides its statement, and what is in force when.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;

const POLICY: &str = r#"
grants:
  - { to: "user:all", on: shop.items, permissions: [select] }
  - { to: "user:rows", on: shop.items, permissions: [select], rows: "id < 3" }
  - { to: "user:columns", on: shop.items, permissions: [select], columns: { include: [id] } }
  - { to: "user:cells", on: shop.items, permissions: [select], columns: { include: [id] } }
  - { to: "user:cells", on: shop.items, permissions: [select], rows: "id = 1" }
"#;

async fn gateway() -> Gateway {
    Gateway::start().await.with_csv("shop.items", "id,name\n1,a\n2,b\n3,c\n").await.with_policy(POLICY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notice_says_which_rules_apply_and_strict_refuses_them() {
    let gateway = gateway().await;
    for (who, sql, notice, strict) in [
        ("all", "SELECT * FROM shop.items", [false, false, false], 200),
        ("rows", "SELECT id FROM shop.items", [true, false, false], 403),
        ("columns", "SELECT id FROM shop.items", [false, false, true], 200),
        ("columns", "SELECT * FROM shop.items", [false, false, true], 403),
        ("cells", "SELECT id, name FROM shop.items", [false, true, false], 403),
    ] {
        let policy = gateway.sql(who, sql).await.json()["policy"].clone();
        let flags = ["rows_filtered", "cells_nulled", "columns_hidden"].map(|flag| policy[flag].clone());
        assert_eq!(json!(flags), json!(notice), "{who} {sql}");
        assert_eq!(policy["masked"], json!([]));
        let answer = gateway.post(who, "/v1/sql", &json!({ "sql": sql, "strict": true })).await;
        assert_eq!(answer.status, strict, "{who} {sql}: {}", answer.text());
        assert!(strict == 200 || answer.code() == "policy_withheld");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_and_a_limit_tells_when_it_cut() {
    let gateway = gateway().await;
    let ask = |body: Value| {
        let gateway = &gateway;
        async move { gateway.post("all", "/v1/sql", &body).await }
    };
    for (sql, params, expected) in [
        ("SELECT name FROM shop.items WHERE id = ?", json!([2]), json!([["b"]])),
        ("SELECT name FROM shop.items WHERE id = $2 OR name = $1", json!(["a", 3]), json!([["a"], ["c"]])),
        ("SELECT name FROM shop.items WHERE name = ?", json!(["a' OR 'a'='a"]), json!([])),
        ("SELECT ? IS NULL", json!([null]), json!([[true]])),
    ] {
        let answer = ask(json!({ "sql": sql, "params": params })).await;
        assert_eq!(answer.json()["rows"], expected, "{sql}: {}", answer.text());
    }
    for (most, rows, truncated) in [(2, 2, true), (3, 3, false), (0, 0, true)] {
        let answer =
            ask(json!({ "sql": "SELECT id FROM items", "database": "shop", "max_rows": most })).await.json();
        assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(rows), &json!(truncated)), "{most}");
    }
    let wrong = ask(json!({ "sql": "SELECT ?", "params": [] })).await;
    assert_eq!(wrong.code(), "invalid_request", "{}", wrong.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_force_for_the_next_query() {
    let gateway = gateway().await;
    assert_eq!(gateway.sql("late", "SELECT id FROM shop.items").await.code(), "table_not_found");
    let grant = json!({ "to": "user:late", "on": "shop.items", "permissions": ["select"] });
    let made = gateway.post("admin", "/v1/grants", &grant).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(gateway.sql("late", "SELECT id FROM shop.items").await.status, 200);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/grants/{id}");
    let drop = |who: &str| gateway.request(Method::DELETE, &path).bearer_auth(gateway.token(who));
    assert_eq!(gateway.send(drop("late")).await.status, 403, "only administrators revoke");
    assert!(gateway.send(drop("admin")).await.status < 300);
    assert_eq!(gateway.sql("late", "SELECT id FROM shop.items").await.code(), "table_not_found");

    // Another process on the same store, as the command line is.
    let other = lakegate::app::App::build(gateway.app.config.clone()).await.unwrap();
    let yaml = "grants: [{ to: \"user:late\", on: shop.items, permissions: [select] }]";
    let files = [("p.yaml".to_owned(), yaml.to_owned())];
    lakegate::app::policy::apply(&other, "test", &files, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gateway.sql("late", "SELECT id FROM shop.items").await.status, 200, "within a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_cancels_its_query_and_leaves_a_record() {
    let gateway = gateway().await;
    let sql = "SELECT a.value, b.value FROM generate_series(1, 100000) a, generate_series(1, 100000) b";
    let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("all"));
    let request = request.header("accept", "application/x-ndjson").json(&json!({ "sql": sql }));
    let mut body = request.send().await.unwrap().bytes_stream();
    assert!(body.next().await.unwrap().is_ok());
    drop(body);
    for _ in 0..50 {
        let log = gateway.get("admin", "/v1/audit?user=all&verdict=cancelled").await.json();
        if let Some(record) = log["items"].as_array().unwrap().first() {
            assert_eq!((&record["sql"], &record["error_code"]), (&json!(sql), &json!("cancelled")));
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no record of the cancelled query");
}

/// Statements that would work for hours, each in an operator of its own.
const ENDLESS: [&str; 6] = [
    "SELECT sum(value % 7) FROM generate_series(1, 100000000000)",
    "SELECT count(*) FROM generate_series(1, 10000) a JOIN generate_series(1, 100000000) b ON a.value <> b.value",
    "SELECT count(*) FROM generate_series(1, 10000) a JOIN generate_series(1, 100000000) b ON a.value % 7 > b.value + 7",
    "SELECT count(a.value + b.value) FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 1000000) b",
    "SELECT count(*) FROM generate_series(1, 1000000) a JOIN generate_series(1, 1000000) b ON a.value % 2 = b.value % 2",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_is_stopped_and_others_go_on() {
    let gateway = Gateway::start_with(|config| {
        config.limits.query_timeout = Duration::from_secs(4);
        config.limits.max_concurrent_queries = 32;
    })
    .await;
    // Twice as many as the engine has threads are enough to starve it if one of them keeps its thread.
    for sql in ENDLESS {
        let others = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let asked = std::time::Instant::now();
            let answer = gateway.sql("all", "SELECT 1").await;
            assert_eq!(answer.status, 200, "beside `{sql}`: {}", answer.text());
            assert!(asked.elapsed() < Duration::from_millis(3500), "a thread was kept by `{sql}`");
        };
        let ask = || gateway.sql("all", sql);
        let (a, b, c, d, ()) = tokio::join!(ask(), ask(), ask(), ask(), others);
        for answer in [a, b, c, d] {
            assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"), "{sql}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_does_not_read_keeps_no_turn_past_the_time_limit() {
    let gateway = Gateway::start_with(|config| {
        config.limits.query_timeout = Duration::from_secs(1);
        config.limits.max_concurrent_queries = 1;
    })
    .await;
    let sql = "SELECT value FROM generate_series(1, 100000000000)";
    let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("idle"));
    let request =
        request.header("accept", "application/vnd.apache.arrow.stream").json(&json!({ "sql": sql }));
    let mut body = request.send().await.unwrap().bytes_stream();
    assert!(body.next().await.unwrap().is_ok());
    // A statement that waits for its turn has the same limit, so on a slow machine the first may wait in vain.
    let asked = std::time::Instant::now();
    while gateway.sql("other", "SELECT 1").await.status != 200 {
        assert!(asked.elapsed() < Duration::from_secs(20), "the only turn came back");
    }
    let mut whole = true;
    while let Some(chunk) = body.next().await {
        whole &= chunk.is_ok();
    }
    assert!(!whole, "what the time limit cut is no whole result");
}
