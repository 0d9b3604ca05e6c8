//! Who may see what and why, and who may pass it on: over HTTP and on the command line.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Response};

const POLICY: &str = r#"
roles: { analyst: { members: [group:analysts] } }
grants:
  - { to: role:analyst, on: s.people, permissions: [select], columns: { exclude: [ssn] }, rows: "region = attr('region')" }
  - { to: user:lea, on: s.people, permissions: [select], grantable: true }
  - { to: user:pat, on: s.people, permissions: [select], columns: { include: [id, region] }, rows: "region = 'EU'", grantable: true, until: 2999-01-01T00:00:00Z }
  - { to: user:dan, on: s.people, permissions: [describe] }
restrictions:
  - { name: mask_email, on: s.people.email, mask: redact }
  - { name: hide_ssn, on: s.people.ssn, hide: true, except: [user:root] }
"#;

async fn gateway() -> Gateway {
    let rows = "id,region,email,ssn\n1,EU,a@x,secret-1\n2,US,b@x,secret-2\n3,EU,c@x,secret-3\n";
    Gateway::start().await.with_csv("s.people", rows).await.with_policy(POLICY).await
}

async fn explain(gateway: &Gateway, who: &str, body: Value) -> Response {
    gateway.post(who, "/v1/access/explain", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_what_they_see_and_no_rule() {
    let gateway = gateway().await;
    for body in [json!({ "table": "s.people" }), json!({ "sql": "SELECT id FROM people", "database": "s" })] {
        let answer = explain(&gateway, "bo@analysts{\"region\":\"EU\"}", body).await;
        let expected = json!({ "user": "bo", "tables": [{
            "table": "s.people", "verdict": "allowed", "columns": ["id", "region", "email"], "columns_hidden": true,
            "rows_filtered": true, "cells_nulled": [], "masked": ["email"],
        }] });
        assert_eq!(answer.json(), expected, "{}", answer.text());
    }
    // A table without a grant and one that does not exist: the same words.
    for table in ["s.people", "s.nothing"] {
        let answer = explain(&gateway, "eve", json!({ "table": table })).await.text();
        let other = answer.replace(table, "TABLE");
        assert_eq!(
            other,
            r#"{"user":"eve","tables":[{"table":"TABLE","verdict":"not_found","columns":[],"columns_hidden":false,"rows_filtered":false,"cells_nulled":[],"masked":[],"needs":"GRANT SELECT ON TABLE TO USER \"eve\""}]}"#
        );
    }
    let described = explain(&gateway, "dan", json!({ "table": "s.people" })).await;
    assert_eq!(described.json()["tables"][0]["verdict"], "describe_only");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_told_the_rules_for_anybody() {
    let gateway = gateway().await;
    let bo = json!({ "user": "bo", "groups": ["analysts"], "attributes": { "region": "EU" } });
    let answer = explain(&gateway, "admin", json!({ "table": "s.people", "as": bo })).await.json();
    let table = &answer["tables"][0];
    assert_eq!((&answer["user"], &table["verdict"]), (&json!("bo"), &json!("allowed")));
    let rules = &table["rules"];
    assert_eq!(rules["rows"], json!(["region = attr('region')"]), "{rules}");
    assert_eq!(rules["hidden_columns"], json!(["ssn"]), "{rules}");
    assert_eq!(rules["masks"], json!({ "email": "redact, by mask_email" }), "{rules}");
    assert!(rules["grants"][0].as_str().unwrap().contains("role:analyst"), "{rules}");

    // The grant that it names is the smallest that helps: with it the query runs.
    let question = json!({ "sql": "SELECT id FROM s.people", "as": { "user": "eve" } });
    let answer = explain(&gateway, "admin", question.clone()).await.json();
    let needs = answer["tables"][0]["needs"].as_str().unwrap();
    assert_eq!(needs, "GRANT SELECT (id) ON s.people TO USER \"eve\"");
    assert_eq!(gateway.sql("eve", "SELECT id FROM s.people").await.status, 404);
    assert_eq!(gateway.sql("admin", needs).await.status, 200);
    assert_eq!(gateway.sql("eve", "SELECT id FROM s.people").await.status, 200);
    let after = explain(&gateway, "admin", question).await.json();
    assert_eq!(
        (&after["tables"][0]["verdict"], &after["tables"][0]["needs"]),
        (&json!("allowed"), &json!(null))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_asks_about_somebody_else() {
    let gateway = gateway().await;
    for user in ["ana", "bo"] {
        let answer = explain(&gateway, "bo", json!({ "table": "s.people", "as": { "user": user } })).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "permission_denied"), "{}", answer.text());
    }
    let log = gateway.get("admin", "/v1/audit?user=bo&verdict=denied").await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 2, "each refusal is remembered: {log}");
    for (body, code) in [
        (json!({}), "invalid_request"),
        (json!({ "table": "s.people", "sql": "SELECT 1" }), "invalid_request"),
        (json!({ "table": "people" }), "invalid_request"),
        (json!({ "table": "s.people", "as": { "user": "" } }), "invalid_request"),
        (json!({ "table": "s.people", "as": { "name": "bo" } }), "invalid_request"),
        (json!({ "sql": "SELECT" }), "syntax_error"),
        (json!({ "sql": "GRANT SELECT ON s.people TO USER eve" }), "statement_not_allowed"),
    ] {
        let answer = explain(&gateway, "admin", body.clone()).await;
        assert_eq!(answer.code(), code, "{body}: {}", answer.text());
    }
}

fn access(gateway: &Gateway, arguments: &[&str]) -> Output {
    let config = gateway.folder.path().join("lakegate.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.arg("access").args(arguments).arg("--config").arg(config).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_the_same() {
    let gateway = gateway().await;
    let bo = ["--as", "user:bo", "--group", "analysts", "--attr", "region=EU"];
    let output = access(&gateway, &[&bo[..], &["--table", "s.people", "--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let subject = json!({ "user": "bo", "groups": ["analysts"], "attributes": { "region": "EU" } });
    let over_http = explain(&gateway, "admin", json!({ "table": "s.people", "as": subject })).await.json();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), over_http["tables"]);

    let output = access(&gateway, &["--as", "user:eve", "--sql", "SELECT id FROM s.people"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("not_found") && text.contains("GRANT SELECT (id) ON s.people"), "{text}");
    for wrong in [
        &["--as", "user:bo"][..],
        &["--table", "s.people"],
        &["--as", "group:ops", "--table", "s.people"],
        &["--as", "user:bo", "--table", "s.people", "--sql", "SELECT 1"],
    ] {
        assert_eq!(access(&gateway, wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_to_pass_on_is_granted_on_and_no_more() {
    let gateway = gateway().await;
    let grant = |extra: Value| {
        let mut body = json!({ "to": "user:new", "on": "s.people", "permissions": ["select"] });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let eu =
        json!({ "rows": "region = 'EU'", "columns": { "include": ["id"] }, "until": "2030-01-01T00:00:00Z" });
    let with = |name: &str, value: Value| {
        let mut extra = eu.clone();
        extra[name] = value;
        extra
    };
    let version = gateway.app.store.policy_version().await.unwrap();
    for (who, extra, status, code) in [
        // No grant, one that may not be passed on, and one that only describes.
        ("eve", json!({}), 404, "table_not_found"),
        ("bo@analysts{\"region\":\"EU\"}", json!({}), 403, "permission_denied"),
        ("dan", json!({}), 403, "permission_denied"),
        // More columns, more rows, longer, other permissions, elsewhere.
        ("pat", with("columns", json!({ "include": ["id", "email"] })), 403, "permission_denied"),
        ("pat", with("columns", json!("all")), 403, "permission_denied"),
        ("pat", with("rows", json!(null)), 403, "permission_denied"),
        ("pat", with("rows", json!("region = 'US'")), 403, "permission_denied"),
        ("pat", with("until", json!(null)), 403, "permission_denied"),
        ("pat", with("until", json!("3000-01-01T00:00:00Z")), 403, "permission_denied"),
        ("pat", with("permissions", json!(["select", "insert"])), 403, "permission_denied"),
        ("lea", json!({ "on": "s.*" }), 403, "permission_denied"),
        // A hidden column reads as one that is not there.
        ("lea", json!({ "columns": { "include": ["ssn"] } }), 400, "column_not_found"),
        ("lea", json!({ "columns": { "include": ["nothing"] } }), 400, "column_not_found"),
        // A rule of one's own would tell, by the rows that come back, what is in a column that one does not see.
        ("lea", json!({ "rows": "ssn = 'secret-1'" }), 403, "permission_denied"),
        ("lea", json!({ "rows": "nothing = 'secret-1'" }), 403, "permission_denied"),
        ("lea", json!({ "rows": "email = 'a@x'" }), 403, "permission_denied"),
        ("lea", json!({ "rows": "id <" }), 400, "invalid_request"),
    ] {
        let answer = gateway.post(who, "/v1/grants", &grant(extra.clone())).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{who} {extra}: {}",
            answer.text()
        );
    }
    let (hidden, missing) = (
        gateway.post("lea", "/v1/grants", &grant(json!({ "rows": "ssn = 'x'" }))).await.json()["detail"]
            .clone(),
        gateway.post("lea", "/v1/grants", &grant(json!({ "rows": "nix = 'x'" }))).await.json()["detail"]
            .clone(),
    );
    assert_eq!(hidden.as_str().unwrap().replace("ssn", "nix"), missing.as_str().unwrap());
    assert_eq!(gateway.app.store.policy_version().await.unwrap(), version, "nothing has changed");
    let log = gateway.get("admin", "/v1/audit?user=dan&verdict=denied").await.json();
    assert_eq!(log["items"][0]["error_code"], "permission_denied", "{log}");

    assert_eq!(gateway.post("pat", "/v1/grants", &grant(eu.clone())).await.status, 201);
    assert_eq!(gateway.sql("new", "SELECT * FROM s.people").await.json()["rows"], json!([[1], [3]]));
    assert_eq!(gateway.post("pat", "/v1/grants", &grant(eu.clone())).await.code(), "conflict");
    assert_eq!(gateway.post("lea", "/v1/grants", &grant(json!({ "rows": "id > 1" }))).await.status, 201);
    let rows = gateway.sql("new", "SELECT id, region, email FROM s.people ORDER BY id").await.json();
    assert_eq!(
        rows["rows"],
        json!([[1, null, null], [2, "US", "REDACTED"], [3, "EU", "REDACTED"]]),
        "each cell by its own grant"
    );
    // What was passed on without `grantable` ends there.
    let onward = json!({ "to": "user:x", "on": "s.people", "permissions": ["select"], "rows": "id > 1" });
    assert_eq!(gateway.post("new", "/v1/grants", &onward).await.code(), "permission_denied");
}
