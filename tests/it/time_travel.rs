//! Earlier versions of tables: which there are, at which time, what becomes of them with their table and under a policy that
//! changes; and that nothing hidden in one is told.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use lakegate::catalog::publish::Catalog;
use lakegate::policy::model::TableName;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::versions::publish;

const COLUMNS: [&str; 4] = ["id bigint", "owner varchar", "secret varchar", "gone varchar"];
const NOW: [&str; 3] = ["id bigint", "owner varchar", "secret varchar"];

/// `s.t` with the versions 0 (1 row of each owner) and 1, in which the column `gone` is gone.
async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    with_table(&gateway, "secret", "gone").await;
    gateway.with_policy("grants: [{ to: 'user:ana', on: s.t, permissions: [select] }]").await
}

async fn with_table(gateway: &Gateway, secret: &str, gone: &str) {
    let row = |id: i64, owner: &str, secret: &str| json!({ "id": id, "owner": owner, "secret": secret });
    let mut first = [row(1, "ana", "1"), row(2, "bo", secret)];
    first[0]["gone"] = json!(gone);
    first[1]["gone"] = json!(gone);
    publish(gateway, "s.t", &COLUMNS, &first.map(|row| row.to_string()).join("\n")).await;
    let second = [row(1, "ana", "1"), row(3, "bo", secret), row(4, "ana", "4")];
    publish(gateway, "s.t", &NOW, &second.map(|row| row.to_string()).join("\n")).await;
}

async fn rows(gateway: &Gateway, who: &str, sql: &str) -> Value {
    let answer = gateway.sql(who, sql).await;
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    answer.json()["rows"].clone()
}

async fn refused(gateway: &Gateway, who: &str, sql: &str) -> (String, String) {
    let answer = gateway.sql(who, sql).await;
    (answer.code(), answer.json()["detail"].as_str().unwrap_or_default().to_owned())
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_means_the_version_that_was_published_then() {
    let gateway = gateway().await;
    let id = gateway.app.state().state.tables[&"s.t".parse::<TableName>().unwrap()].value.id.clone();
    let versions = gateway.app.store.versions(&id).await.unwrap();
    let [first, second] = [versions[0].published_at, versions[1].published_at];
    let at =
        |time: DateTime<Utc>| format!("SELECT id FROM s.t TIMESTAMP AS OF '{}' ORDER BY id", written(time));
    let moment = TimeDelta::microseconds(1);
    assert_eq!(refused(&gateway, "ana", &at(first - moment)).await.0, "not_found");
    assert_eq!(rows(&gateway, "ana", &at(first)).await, json!([[1], [2]]));
    assert_eq!(rows(&gateway, "ana", &at(second - moment)).await, json!([[1], [2]]));
    assert_eq!(rows(&gateway, "ana", &at(second)).await, json!([[1], [3], [4]]));
    assert_eq!(rows(&gateway, "ana", &at(Utc::now())).await, json!([[1], [3], [4]]));
    // A time with a zone, and one of which nothing is said, which is UTC.
    let zoned = first.with_timezone(&chrono::FixedOffset::east_opt(7200).unwrap());
    let sql = format!("SELECT count(*) FROM s.t TIMESTAMP AS OF '{}'", zoned.format("%F %T%.6f%:z"));
    assert_eq!(rows(&gateway, "ana", &sql).await, json!([[2]]));
    let sql =
        format!("SELECT count(*) FROM s.t FOR TIMESTAMP AS OF TIMESTAMP '{}'", first.format("%F %T%.6f"));
    assert_eq!(rows(&gateway, "ana", &sql).await, json!([[2]]));
    // Two times that mean one version, beside that version by its number.
    let sql = format!(
        "SELECT count(*) FROM s.t TIMESTAMP AS OF '{}' a JOIN s.t TIMESTAMP AS OF '{}' b USING (id) JOIN s.t VERSION AS OF 0 c USING (id)",
        written(first),
        written(second - moment)
    );
    assert_eq!(rows(&gateway, "ana", &sql).await, json!([[2]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_made_again_has_none_of_the_versions_before() {
    let gateway = gateway().await;
    let before = Utc::now();
    let name: TableName = "s.t".parse().unwrap();
    let catalog = Catalog::new(gateway.app.store.clone(), "test");
    let revision = gateway.app.state().state.tables[&name].revision;
    catalog.drop(&name, revision).await.unwrap();
    gateway.app.refresh().await.unwrap();
    assert_eq!(refused(&gateway, "ana", "SELECT * FROM s.t VERSION AS OF 0").await.0, "table_not_found");
    tokio::time::sleep(Duration::from_millis(2)).await;
    publish(&gateway, "s.t", &NOW, r#"{"id":9,"owner":"new"}"#).await;
    assert_eq!(rows(&gateway, "ana", "SELECT id FROM s.t VERSION AS OF 0").await, json!([[9]]));
    assert_eq!(refused(&gateway, "ana", "SELECT id FROM s.t VERSION AS OF 1").await.0, "not_found");
    let sql = format!("SELECT id FROM s.t TIMESTAMP AS OF '{}'", written(before));
    assert_eq!(refused(&gateway, "ana", &sql).await.0, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_later_is_taken_from_earlier_versions_too() {
    let gateway = gateway().await;
    let sql = "SELECT id, secret FROM s.t VERSION AS OF 0 ORDER BY id";
    assert_eq!(rows(&gateway, "ana", sql).await, json!([[1, "1"], [2, "secret"]]));
    let submitted = gateway.post("ana", "/v1/queries", &json!({ "sql": sql })).await.json();
    let result = format!("/v1/queries/{}/result", submitted["query_id"].as_str().unwrap());
    assert_eq!(gateway.get("ana", &result).await.status, 200);
    let other = gateway.post("ana", "/v1/queries", &json!({ "sql": "SELECT 1" })).await.json();
    let other = format!("/v1/queries/{}/result", other["query_id"].as_str().unwrap());

    gateway.apply("restrictions: [{ name: own, on: s.t, rows: \"owner = 'ana'\" }]").await.unwrap();
    assert_eq!(rows(&gateway, "ana", sql).await, json!([[1, "1"]]));
    assert_eq!(gateway.get("ana", &result).await.status, 404, "the kept result goes with the right to it");
    assert_eq!(gateway.get("ana", &other).await.status, 200);
    gateway
        .apply("restrictions: [{ name: masked, on: s.t.secret, mask: 'null', priority: 1 }]")
        .await
        .unwrap();
    assert_eq!(rows(&gateway, "ana", sql).await, json!([[1, null]]));
    gateway.apply("restrictions: [{ name: hidden, on: s.t.secret, hide: true }]").await.unwrap();
    let (code, detail) = refused(&gateway, "ana", sql).await;
    assert_eq!((code.as_str(), detail.as_str()), ("column_not_found", "column not found: `secret`"));
    assert_eq!(rows(&gateway, "ana", "SELECT * FROM s.t VERSION AS OF 0").await, json!([[1, "ana"]]));
}

/// A column that is taken out of the table is no longer in what it was, and one that comes back under its name is.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_goes_from_all_versions_and_comes_back_as_what_it_is_now() {
    let gateway = gateway().await;
    assert_eq!(refused(&gateway, "ana", "SELECT gone FROM s.t VERSION AS OF 0").await.0, "column_not_found");
    publish(&gateway, "s.t", &COLUMNS, r#"{"id":5,"owner":"ana","gone":"back"}"#).await;
    let sql = "SELECT DISTINCT gone FROM s.t VERSION AS OF 0";
    assert_eq!(rows(&gateway, "ana", sql).await, json!([["gone"]]));
    publish(&gateway, "s.t", &["id bigint", "gone bigint"], r#"{"id":5,"gone":7}"#).await;
    assert_eq!(refused(&gateway, "ana", sql).await.0, "column_not_found", "it is another one now");
    assert_eq!(
        rows(&gateway, "ana", "SELECT * FROM s.t VERSION AS OF 0 ORDER BY 1").await,
        json!([[1], [2]])
    );
}

/// A kept result has what the version's columns are now: when one is something else, or what decides is, it goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_result_of_a_version_goes_when_a_column_is_something_else_now() {
    let policy = "grants: [{ to: 'user:ana', on: s.t, permissions: [select], columns: { exclude: [secret] }, \
                  rows: \"owner <> 'eve'\" }]";
    for (change, goes) in [
        (vec!["id varchar", "owner varchar", "secret varchar"], true),
        (vec!["id bigint", "owner bigint", "secret varchar"], true),
        (vec!["id bigint", "owner varchar", "secret bigint"], false),
        (vec!["id bigint", "owner varchar", "secret varchar", "more varchar"], false),
    ] {
        let gateway = Gateway::start().await;
        with_table(&gateway, "secret", "gone").await;
        let gateway = gateway.with_policy(policy).await;
        let sql = json!({ "sql": "SELECT id FROM s.t VERSION AS OF 0 ORDER BY id" });
        let submitted = gateway.post("ana", "/v1/queries", &sql).await.json();
        let result = format!("/v1/queries/{}/result", submitted["query_id"].as_str().unwrap());
        assert_eq!(gateway.get("ana", &result).await.status, 200);
        publish(&gateway, "s.t", &change, "").await;
        let expected = if goes { 404 } else { 200 };
        assert_eq!(gateway.get("ana", &result).await.status, expected, "{change:?}");
    }
}

/// What a column may become without a value changing, an earlier version is read as.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_an_earlier_version_are_of_the_wider_type() {
    let gateway = Gateway::start().await;
    let then = ["n int", "d date", "p decimal(5,2)", "f real"];
    publish(&gateway, "s.t", &then, r#"{"n":7,"d":"2026-01-31","p":1.25,"f":0.5}"#).await;
    let now = ["n decimal(20,3)", "d timestamp", "p decimal(9,4)", "f double"];
    publish(&gateway, "s.t", &now, "").await;
    let gateway = gateway.with_policy("grants: [{ to: 'user:ana', on: s.t, permissions: [select] }]").await;
    assert_eq!(
        rows(&gateway, "ana", "SELECT * FROM s.t VERSION AS OF 0").await,
        json!([["7.000", "1.2500", 0.5]])
    );
    let sql = "SELECT count(*) FROM s.t VERSION AS OF 0 WHERE n = 7 AND p > 1";
    assert_eq!(rows(&gateway, "ana", sql).await, json!([[1]]));
    // Not every date is a time: one that is not would fail whoever may not see its row.
    assert_eq!(refused(&gateway, "ana", "SELECT d FROM s.t VERSION AS OF 0").await.0, "column_not_found");
}

/// Two lakes that differ in what is hidden of an earlier version: rows, a hidden column, a column that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_hidden_in_an_earlier_version_is_told() {
    let policy = "
grants:
  - { to: 'user:ana', on: s.t, permissions: [select], columns: { exclude: [secret] }, rows: \"owner = 'ana'\" }
  - { to: 'user:mia', on: s.t, permissions: [select] }
restrictions:
  - { name: masked, on: s.t.secret, applies_to: 'user:mia', mask: redact, priority: 1 }
  - { name: own, on: s.t, applies_to: 'user:mia', rows: \"secret <> 'x'\" }
";
    let one = Gateway::start().await;
    with_table(&one, "7", "a").await;
    let other = Gateway::start().await;
    with_table(&other, "no number", "a much longer text than the other, which makes the files larger").await;
    let (one, other) = (one.with_policy(policy).await, other.with_policy(policy).await);
    for sql in [
        "SELECT * FROM s.t VERSION AS OF 0",
        "SELECT count(*), min(id), max(owner) FROM s.t VERSION AS OF 0",
        "SELECT secret FROM s.t VERSION AS OF 0 ORDER BY 1",
        "SELECT gone FROM s.t VERSION AS OF 0",
        "SELECT t.gone FROM s.t VERSION AS OF 0 WHERE CAST(gone AS BIGINT) > 0",
        "SELECT id FROM s.t VERSION AS OF 0 WHERE CAST(secret AS BIGINT) > 0",
        "SELECT count(*) FROM s.t VERSION AS OF 0 WHERE 1 / (id - 2) < 5",
        "SELECT count(*) FROM s.t VERSION AS OF 0 a JOIN s.t b ON 1 / (a.id - 2) = 1 / (b.id - 3)",
        "SELECT a.id FROM s.t a JOIN s.t VERSION AS OF 0 b ON a.id = b.id WHERE CAST(a.owner AS BIGINT) > 0",
        "SELECT id FROM s.t EXCEPT SELECT id FROM s.t VERSION AS OF 0 ORDER BY id",
        "EXPLAIN SELECT id FROM s.t VERSION AS OF 0 WHERE id > 1",
        "EXPLAIN ANALYZE SELECT id FROM s.t VERSION AS OF 0 WHERE id > 1",
        "EXPLAIN ACCESS SELECT id FROM s.t VERSION AS OF 0",
        "SELECT * FROM s.t VERSION AS OF 2",
    ] {
        for who in ["ana", "mia"] {
            let (first, second) = (one.sql(who, sql).await, other.sql(who, sql).await);
            let (mut told, mut again) = (first.json(), second.json());
            for answer in [&mut told, &mut again] {
                answer.as_object_mut().unwrap().remove("query_id");
            }
            assert_eq!((first.status, told), (second.status, again), "{who}: {sql}");
        }
    }
    let explained = one.sql("ana", "EXPLAIN SELECT id FROM s.t VERSION AS OF 0 WHERE id > 1").await.text();
    assert!(explained.contains("GuardedScan: s.t VERSION AS OF 0"), "{explained}");
    assert!(!explained.contains("owner") && !explained.contains("parquet"), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_says_which_version_was_read() {
    let gateway = gateway().await;
    gateway.apply("restrictions: [{ name: own, on: s.t, rows: \"owner = 'ana'\" }]").await.unwrap();
    let sql = format!(
        "SELECT count(a.secret) FROM s.t a, s.t VERSION AS OF 0 b, s.t TIMESTAMP AS OF '{}' c WHERE b.secret = '1'",
        written(Utc::now())
    );
    let answer = gateway.sql("ana", &sql).await;
    let query = answer.json()["query_id"].as_str().unwrap().to_owned();
    assert_eq!(refused(&gateway, "ana", "SELECT 1 FROM s.t VERSION AS OF 8").await.0, "not_found");
    gateway.app.audit.flush().await;
    let log = gateway.get("admin", "/v1/audit?action=query").await.json();
    let record = log["items"].as_array().unwrap().iter().find(|record| record["id"] == *query).unwrap();
    assert_eq!(record["tables"], json!(["s.t"]));
    assert_eq!(record["columns"], json!(["s.t.secret"]), "{record}");
    let versions = record["policy"]["versions"].as_object().unwrap();
    assert_eq!(versions["s.t VERSION AS OF 0"], 0, "{versions:?}");
    assert_eq!(versions.values().filter(|version| **version == json!(1)).count(), 1, "{versions:?}");
    assert!(record["governed_sql"].as_str().unwrap().contains("Barrier: s.t VERSION AS OF 0"), "{record}");
    let failed = log["items"].as_array().unwrap().iter().find(|record| record["error_code"] == "not_found");
    assert_eq!(failed.unwrap()["tables"], json!(["s.t"]));
}

/// A statement that was prepared is authorized anew, at its version too.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_keeps_its_version_and_not_its_rights() {
    let gateway = gateway().await;
    let client = crate::support::pg_client::connect(&gateway, "ana", "lakegate").await.unwrap();
    let prepared =
        client.prepare("SELECT id FROM s.t VERSION AS OF 0 WHERE id >= $1 ORDER BY id").await.unwrap();
    let ids = async |client: &crate::support::pg_client::Client| {
        let rows = client.query(&prepared, &[&1_i64]).await.unwrap();
        rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&client).await, [1, 2]);
    publish(&gateway, "s.t", &NOW, r#"{"id":8,"owner":"ana"}"#).await;
    assert_eq!(ids(&client).await, [1, 2]);
    gateway.apply("restrictions: [{ name: own, on: s.t, rows: \"owner = 'ana'\" }]").await.unwrap();
    assert_eq!(ids(&client).await, [1]);
    // Columns of one name in a result, which only this door allows.
    let sql = "SELECT a.id, b.id FROM s.t a JOIN s.t VERSION AS OF 0 b ON a.owner = b.owner";
    assert_eq!(client.query(sql, &[]).await.unwrap().len(), 1);
}
