//! What the search has found, each as small as it can be told.

use std::path::Path;
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
  - { to: "user:eve", on: hr.day, permissions: [select], rows: "number < 40" }
  - { to: "user:broken", on: hr.emp, permissions: [select], rows: "1 / (salary - 60) > -100" }
  - { to: "user:boss", on: hr.*, permissions: [select] }
  - { to: "user:eve", on: hr.noted, permissions: [select] }
restrictions:
  - { name: no_notes, on: hr.noted.note, mask: null }
"#;

/// `numbers` as a Parquet file with the column `name`.
fn write(folder: &Path, name: &str, numbers: Vec<i64>) {
    let numbers = Arc::new(Int64Array::from(numbers)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([(name, numbers)]).unwrap();
    let file = std::fs::File::create(folder.join("rows.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A gateway over `hr.emp` in Parquet, whose reader evaluates conditions, and `hr.home` with a struct.
async fn gateway() -> Gateway {
    gateway_with(1).await
}

/// The same with so many hidden rows in `hr.emp`.
async fn gateway_with(hidden: usize) -> Gateway {
    let gateway = Gateway::start_with(|config| config.limits.pushdown_filters = true).await;
    let folder = |name: &str| {
        let folder = gateway.folder.path().join("files").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    write(&folder("emp"), "salary", [vec![10, 30], vec![60; hidden]].concat());
    write(&folder("day"), "number", (0..50).collect());
    let homes =
        "{\"id\":1,\"at\":{\"since\":\"2020-01-05\"}}\n{\"id\":2,\"at\":{\"since\":\"2021-01-05\"}}\n";
    std::fs::write(folder("home").join("rows.json"), homes).unwrap();
    gateway.register(&TableName::new("hr", "emp"), &folder("emp"), Format::Parquet).await;
    gateway.register(&TableName::new("hr", "day"), &folder("day"), Format::Parquet).await;
    std::fs::write(
        folder("noted").join("rows.json"),
        "{\"number\":1,\"note\":\"a\"}\n{\"number\":2,\"note\":\"b\"}\n",
    )
    .unwrap();
    gateway.register(&TableName::new("hr", "noted"), &folder("noted"), Format::Ndjson).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_hidden_rows_does_not_decide_whether_a_join_fails() {
    let mut answers = Vec::new();
    for hidden in [1, 5_000] {
        let gateway = gateway_with(hidden).await;
        // A join that starts with the empty side never looks at the other one.
        let sql =
            "SELECT count(*) FROM hr.emp e CROSS JOIN hr.day d WHERE e.salary < 5 AND 1 / (d.number - 7) < 9";
        let other = "SELECT count(*) FROM hr.day d JOIN hr.emp e ON d.number = e.salary + 1000 AND 1 / (d.number - 7) < 9";
        for sql in [sql, other] {
            let answer = gateway.sql("eve", sql).await;
            answers.push((sql, answer.status, answer.json()["rows"].clone()));
        }
    }
    let (few, many) = answers.split_at(2);
    assert_eq!(few, many);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_that_fails_does_not_pass_the_barrier_on_top_of_another_condition() {
    let gateway = gateway().await;
    // The engine makes one filter of the two, and a predicate without a column would pass any node.
    let sql =
        "SELECT k FROM (SELECT lcm(9223372036854775807, 6) AS k FROM hr.emp WHERE salary < 5) q WHERE k > 1";
    let answer = gateway.sql("eve", sql).await;
    assert_eq!(answer.json()["rows"], json!([]), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn which_row_fails_is_told_only_where_nothing_is_withheld() {
    let gateway = gateway().await;
    let sql = "SELECT 1 / (salary - 10) FROM hr.emp";
    for (user, told) in [("boss", "divide by zero"), ("eve", "an expression of the query failed on a row")] {
        let answer = gateway.sql(user, sql).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "query_failed"), "{}", answer.text());
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(told), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_becomes_an_instant_in_a_column_as_it_does_alone() {
    let gateway = gateway().await;
    for (function, text) in [
        ("to_timestamp", "2020-01-05T00:00:00Z"),
        ("to_timestamp_seconds", "2020-01-05T00:00:00Z"),
        ("to_timestamp_millis", "2020-01-05T00:00:00Z"),
        ("to_timestamp_micros", "2020-01-05T00:00:00Z"),
        ("to_timestamp_nanos", "2020-01-05T00:00:00Z"),
    ] {
        for column in [format!("{function}(h.at.since)"), format!("{function}(h.at.since, '%Y-%m-%d')")] {
            let sql = format!("SELECT {column}, {function}('2020-01-05') FROM hr.home h WHERE id = 1");
            let answer = gateway.sql("boss", &sql).await;
            assert_eq!(answer.json()["rows"], json!([[text, text]]), "{sql}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_engine_are_not_told_as_the_gateways_or_the_policys() {
    let gateway = gateway().await;
    for (sql, told) in [
        (
            "SELECT DISTINCT v FROM (VALUES (1.5), ('NaN'::double), ('NaN'::double)) t(v) ORDER BY v LIMIT 2",
            "[[1.5],[\"NaN\"]]",
        ),
        ("SELECT to_char(DATE '2020-01-05', f) FROM (VALUES ('%Y'), ('%d')) t(f)", "[[\"2020\"],[\"05\"]]"),
        ("SELECT to_char(DATE '2020-01-05', CAST(salary AS VARCHAR)) FROM hr.emp WHERE salary < 0", "[]"),
        (
            "SELECT DISTINCT (number IN (6, NULL)) AS c0, (number > 3) IS TRUE AS c1 FROM hr.day WHERE number < 1 ORDER BY 1, 2",
            "[[null,false]]",
        ),
    ] {
        let answer = gateway.sql("eve", sql).await;
        assert_eq!(answer.json()["rows"].to_string(), told, "{sql}: {}", answer.text());
    }
    let sql = "SELECT 1 FROM hr.day WHERE regexp_like(digest('a', 'md5'), CAST(number AS VARCHAR)) INTERSECT SELECT 1";
    assert_eq!(gateway.sql("eve", sql).await.code(), "query_failed");
}

/// The engine's last check of a plan quotes all of it.
/// The engine takes the bounds of a number for those of its text, which are in another order.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_read_as_a_text_is_planned() {
    let gateway = gateway().await;
    let folder = gateway.folder.path().join("files/span");
    std::fs::create_dir_all(&folder).unwrap();
    write(&folder, "number", vec![5, 10]);
    gateway.register(&TableName::new("hr", "span"), &folder, Format::Parquet).await;
    let sql = "SELECT count(*) FROM hr.span WHERE CAST(CAST(number AS VARCHAR) AS BOOLEAN)";
    assert_eq!(gateway.sql("boss", sql).await.code(), "query_failed", "`5` is no boolean");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_that_leaves_one_value_does_not_end_a_window_nor_show_the_plan() {
    let gateway = gateway().await;
    for sql in [
        "SELECT a.number, sum(length(a.note)) OVER (PARTITION BY b.note) AS c FROM hr.noted a CROSS JOIN hr.noted b WHERE a.number = b.number ORDER BY 1, 2 LIMIT 1",
        "SELECT number, nth_value(7, 2) OVER (ORDER BY note, number, note) FROM hr.noted ORDER BY number LIMIT 1",
        "SELECT number, rank() OVER (PARTITION BY note ORDER BY note) FROM hr.noted ORDER BY 1, 2 LIMIT 1",
    ] {
        let answer = gateway.sql("eve", sql).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_fails_is_the_querys_and_not_the_policys() {
    let gateway = gateway().await;
    let sql = "SELECT sum(salary) OVER (PARTITION BY CAST(decode(CAST(salary + 90 AS VARCHAR), 'hex') AS VARCHAR)) FROM hr.emp ORDER BY 1 LIMIT 3";
    let answer = gateway.sql("eve", sql).await;
    assert_eq!(answer.code(), "query_failed", "{}", answer.text());
}

/// A column that is the same in every row below is NULL in some of the groups: they were brought together and ordered as
/// if it were not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_constant_in_grouping_sets_gives_each_group_once_and_in_order() {
    let gateway = Gateway::start_with(|config| {
        config.limits.target_partitions = 2;
        config.limits.batch_size = 4;
    });
    let rows = (0..64).map(|i| format!("east,{}\n", i % 3)).collect::<String>();
    let gateway = gateway.await.with_csv("s.t", &format!("region,x\n{rows}")).await;
    let gateway = gateway.with_policy("grants: [{ to: user:bo, on: s.t, permissions: [select] }]").await;
    for (sql, groups) in [
        (
            "SELECT region, x, count(*) FROM s.t WHERE region = 'east' GROUP BY CUBE (region, x) ORDER BY region, x",
            r#"[["east",0,22],["east",1,21],["east",2,21],["east",null,64],[null,0,22],[null,1,21],[null,2,21],[null,null,64]]"#,
        ),
        (
            "SELECT x, 7 AS c, count(*) FROM s.t GROUP BY GROUPING SETS ((x, 7), (x), ()) ORDER BY c, x",
            "[[0,7,22],[1,7,21],[2,7,21],[0,null,22],[1,null,21],[2,null,21],[null,null,64]]",
        ),
    ] {
        let answer = gateway.sql("bo", sql).await;
        assert_eq!(answer.json()["rows"].to_string(), groups, "{sql}");
    }
}
