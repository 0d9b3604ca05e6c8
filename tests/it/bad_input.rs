//! Bad input at the HTTP door: a clear error with its code each time, and the gateway goes on.

use reqwest::Method;
use serde_json::json;

use crate::support::gateway::{Gateway, Response};

/// That the gateway still answers.
async fn goes_on(gateway: &Gateway) {
    let answer = gateway.sql("ana", "SELECT 1").await;
    assert_eq!((answer.status, answer.json()["rows"].clone()), (200, json!([[1]])));
}

/// Sends `body` as it is.
async fn raw(gateway: &Gateway, body: impl Into<bytes::Bytes>) -> Response {
    let body = body.into();
    // The gateway does not read what is too large, so that the sender may meet a closed door before the answer.
    for _ in 0..20 {
        let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(gateway.token("ana"));
        let request = request.header("content-type", "application/json").body(body.clone());
        if let Ok(answer) = request.send().await {
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            return Response { status, headers, body: answer.bytes().await.unwrap().to_vec() };
        }
    }
    panic!("no answer came through");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_are_none() {
    let gateway = Gateway::start().await;
    let nested = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    for (sql, code) in [
        ("\u{1}\u{2} garbage ;;; '", "syntax_error"),
        ("SELECT * FROM", "syntax_error"),
        ("", "syntax_error"),
        ("SELECT 'never closed", "syntax_error"),
        (nested.as_str(), "syntax_error"),
        ("SELECT nonsense(1)", "query_failed"),
        ("SELECT 1/0", "query_failed"),
        ("DROP TABLE x", "statement_not_allowed"),
        ("SET datafusion.execution.batch_size = 1", "statement_not_allowed"),
        ("SELECT $1", "invalid_request"),
    ] {
        let answer = gateway.sql("ana", sql).await;
        let shown = sql.chars().take(40).collect::<String>();
        assert_eq!(answer.code(), code, "{shown}: {}", answer.text());
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        goes_on(&gateway).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_too_large_or_malformed() {
    let gateway = Gateway::start().await;
    let huge = json!({ "sql": format!("SELECT '{}'", "x".repeat(10 * 1024 * 1024)) }).to_string();
    let long = json!({ "sql": format!("SELECT '{}'", "x".repeat(1024 * 1024 + 1)) }).to_string();
    let deep = format!("{{\"sql\": \"SELECT 1\", \"params\": {}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for (body, status, code) in [
        (huge.into_bytes(), 429, "limit_exceeded"),
        (long.into_bytes(), 429, "limit_exceeded"),
        (deep.into_bytes(), 400, "invalid_request"),
        (b"{\"sql\": \"\xff\xfe\"}".to_vec(), 400, "invalid_request"),
        (b"{\"sql\": \"SELECT 1\", \"sqll\": 1}".to_vec(), 400, "invalid_request"),
        (b"{\"sql\": 1}".to_vec(), 400, "invalid_request"),
        (b"{".to_vec(), 400, "invalid_request"),
        (Vec::new(), 400, "invalid_request"),
    ] {
        let answer = raw(&gateway, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text());
        goes_on(&gateway).await;
    }
    let unknown = raw(&gateway, "{\"sql\": \"SELECT 1\", \"sqll\": 1}").await;
    assert!(unknown.text().contains("sqll"), "the field is named: {}", unknown.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_ours_get_one_answer() {
    let (gateway, other) = (Gateway::start().await, Gateway::start().await);
    let mut answers = Vec::new();
    for token in ["", "garbage", "a.b.c", other.token("ana").as_str()] {
        let request =
            gateway.request(Method::POST, "/v1/sql").bearer_auth(token).json(&json!({ "sql": "SELECT 1" }));
        let answer = gateway.send(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{}", answer.text());
        answers.push(answer.json()["detail"].clone());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    goes_on(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_file_that_is_broken_changes_nothing() {
    let gateway = Gateway::start().await.with_csv("shop.items", "id,name\n1,a\n").await;
    let version = gateway.app.state().state.version;
    for (yaml, told) in [
        (
            "grants:\n  - { to: \"user:a\", on: shop.items, permissions: [select], until: 2027 }",
            "policy.yaml:2:",
        ),
        (
            "grants:\n  - { to: \"user:a\", on: shop.items, permissions: [select], rows: \"nope = 1\" }",
            "grants[0].rows",
        ),
        ("grants:\n  - { to: \"user:a\", on: shop.items, permissions: [select], rows: \"id\" }", "a boolean"),
        (
            "grants:\n  - { to: \"user:a\", on: shop.items, permissions: [select], rows: \"(SELECT true)\" }",
            "subquery",
        ),
        (
            "grants:\n  - { to: \"user:a\", on: shop.items, permissions: [select], rows: \"now() > now()\" }",
            "same answer",
        ),
        ("grants: [", "not YAML"),
        ("roles: { a: { members: [role:b] }, b: { members: [role:a] } }", "contain each other"),
    ] {
        let error = gateway.apply(yaml).await.unwrap_err();
        assert!(error.detail().contains(told), "{yaml}: {error}");
        assert_eq!(gateway.app.state().state.version, version, "nothing of it is in force");
    }
    goes_on(&gateway).await;
}
