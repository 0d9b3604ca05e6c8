//! What the search has found, each as small as it can be told.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use lakegate::policy::model::TableName;
use lakegate::store::record::Format;
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::support::gateway::Gateway;

const POLICY: &str = r#"
grants:
  - { to: "user:eve", on: hr.emp, permissions: [select], rows: "salary < 60" }
  - { to: "user:broken", on: hr.emp, permissions: [select], rows: "1 / (salary - 60) > -100" }
  - { to: "user:boss", on: hr.*, permissions: [select] }
"#;

/// A gateway over `hr.emp` in Parquet, whose reader evaluates conditions, and `hr.home` with a struct.
async fn gateway() -> Gateway {
    let gateway = Gateway::start_with(|config| config.limits.pushdown_filters = true).await;
    let folder = |name: &str| {
        let folder = gateway.folder.path().join("files").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let salaries = Arc::new(Int64Array::from(vec![10, 30, 60])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("salary", salaries)]).unwrap();
    let file = std::fs::File::create(folder("emp").join("rows.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let homes =
        "{\"id\":1,\"at\":{\"since\":\"2020-01-05\"}}\n{\"id\":2,\"at\":{\"since\":\"2021-01-05\"}}\n";
    std::fs::write(folder("home").join("rows.json"), homes).unwrap();
    gateway.register(&TableName::new("hr", "emp"), &folder("emp"), Format::Parquet).await;
    gateway.register(&TableName::new("hr", "home"), &folder("home"), Format::Ndjson).await;
    gateway.with_policy(POLICY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_that_the_planner_makes_up_do_not_count_what_others_ask() {
    let gateway = gateway().await;
    let sql = "EXPLAIN SELECT salary FROM hr.emp WHERE salary IN (SELECT max(salary) FROM hr.emp)";
    let before = gateway.sql("eve", sql).await.json()["rows"].clone();
    assert!(before.to_string().contains("__correlated_sq_1"), "{before}");
    let others = gateway.sql("boss", sql.trim_start_matches("EXPLAIN ")).await;
    assert_eq!(others.json()["rows"], json!([[60]]));
    assert_eq!(gateway.sql("eve", sql).await.json()["rows"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_has_a_time() {
    let gateway = gateway().await;
    let sql =
        "SELECT count(*) FROM hr.emp WHERE current_date > DATE '2020-01-01' AND current_time IS NOT NULL";
    let answer = gateway.sql("eve", sql).await;
    assert_eq!(answer.json()["rows"], json!([[2]]), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_a_field_can_be_joined_on() {
    let gateway = gateway().await;
    let sql = "SELECT a.id FROM hr.home a JOIN hr.home b ON to_date(a.at['since']) = to_date(b.at['since']) ORDER BY 1";
    let answer = gateway.sql("boss", sql).await;
    assert_eq!(answer.json()["rows"], json!([[1], [2]]), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_fails_inside_the_parquet_reader_is_not_taken_for_a_broken_file() {
    let gateway = gateway().await;
    let answer = gateway.sql("boss", "SELECT salary FROM hr.emp WHERE 1 / (salary - 60) > 0").await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "query_failed"), "{}", answer.text());
    let answer = gateway.sql("broken", "SELECT salary FROM hr.emp").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "policy_error"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_pattern_is_the_query_s_fault() {
    let gateway = gateway().await;
    let answer = gateway.sql("eve", "SELECT salary FROM hr.emp WHERE CAST(salary AS VARCHAR) ~ '(['").await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "query_failed"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_function_is_told_in_the_same_words_every_time() {
    let gateway = gateway().await;
    for _ in 0..5 {
        let answer = gateway.sql("eve", "SELECT input_file_name() FROM hr.emp").await;
        assert_eq!(answer.json()["detail"], "invalid function 'input_file_name'", "{}", answer.text());
    }
}
