//! Runs `tests/slt/*.slt` at every door, each under the policy file of the same name.
//!
//! `connection NAME` says who asks, as `user@group@group{attributes as JSON}`; the tables are those of [`fixtures`].

mod doors;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sqllogictest::{Connection, DefaultColumnType, Record, Runner};

use lakegate::store::record::Format;

use self::doors::{Door, Way};
use crate::support::gateway::Gateway;
use crate::support::versions::{leave_unpublished, publish};

#[tokio::test(flavor = "multi_thread")]
async fn row_rules_combine_as_the_cases_say() {
    run("rows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_shape_escapes_a_row_rule() {
    run("shapes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_column_is_nowhere() {
    run("columns").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_list_and_change_what_the_reader_may() {
    run("statements").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn masks_stand_in_the_place_of_values() {
    run("masks").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restrictions_tags_filters_structs_and_windows_are_as_the_contract_says() {
    run("model").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_tells_of_what_is_hidden() {
    run("barrier").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_version_is_read_under_the_policy_of_now() {
    run("versions").await;
}

/// Runs the file `name` at each door.
async fn run(name: &str) {
    for way in Way::ALL {
        run_at(name, way).await;
    }
}

async fn run_at(name: &str, way: Way) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let policy = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
    let gateway = fixtures().await;
    with_versions(&gateway).await;
    let gateway = Arc::new(gateway.with_policy(&policy).await);
    let records = sqllogictest::parse_file::<DefaultColumnType>(folder.join(format!("{name}.slt"))).unwrap();
    let mut runners = HashMap::new();
    let mut who = String::from("nobody");
    let mut ran = 0;
    for record in records {
        if let Record::Connection(Connection::Named(name)) = &record {
            who.clone_from(name);
            continue;
        }
        let runner = runners.entry(who.clone()).or_insert_with(|| {
            let (gateway, who) = (Arc::clone(&gateway), who.clone());
            Runner::new(move || {
                let door = Door { gateway: Arc::clone(&gateway), who: who.clone(), way };
                async move { Ok(door) }
            })
        });
        ran += usize::from(matches!(record, Record::Query { .. } | Record::Statement { .. }));
        runner.run_async(record).await.unwrap_or_else(|error| panic!("{way:?} as {who}: {error}"));
    }
    assert!(ran > 5, "{name}.slt has cases");
}

/// The tables of the cases: `tiny` (TPC-H at scale 0.01, column names without their prefix) and small ones.
async fn fixtures() -> Gateway {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slt/data");
    let file = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let mut gateway = Gateway::start().await;
    for (table, name) in [
        ("pg.document", "document.csv"),
        ("pg.category", "category.csv"),
        ("pg.blog", "blog.csv"),
        ("pg.comment", "comment.csv"),
        ("ch.t1", "t1.csv"),
        ("alone.four", "four.csv"),
        ("ch.numbers", "numbers.csv"),
        ("shop.people", "people.csv"),
        ("shop.cards", "cards.csv"),
        ("shop.copy", "cards.csv"),
    ] {
        gateway = gateway.with_csv(table, &file(name)).await;
    }
    let places = gateway.folder.path().join("files/places");
    std::fs::create_dir_all(&places).unwrap();
    std::fs::write(places.join("places.json"), file("places.ndjson")).unwrap();
    gateway.register(&"shop.places".parse().unwrap(), &places, Format::Ndjson).await;
    gateway
        .with_csv("tiny.nation", &csv("nationkey,name,regionkey,comment", nations()))
        .await
        .with_csv(
            "tiny.customer",
            &csv("custkey,name,address,nationkey,phone,acctbal,mktsegment,comment", customers()),
        )
        .await
        .with_csv(
            "tiny.orders",
            &csv(
                "orderkey,custkey,orderstatus,totalprice,orderdate,orderpriority,clerk,shippriority,comment",
                orders(),
            ),
        )
        .await
}

/// A table with three versions, between them one that was never published: 0, 1 and 3.
async fn with_versions(gateway: &Gateway) {
    let first = ["id bigint", "owner varchar", "amount int", "ssn varchar", "note varchar"];
    let ana = r#"{"id":1,"owner":"ana","amount":10,"ssn":"s1","note":"a"}"#;
    let bo = r#"{"id":2,"owner":"bo","amount":20,"ssn":"s2","note":"b"}"#;
    let late = r#"{"id":3,"owner":"ana","amount":30,"ssn":"s3"}"#;
    assert_eq!(publish(gateway, "time.ledger", &first, &format!("{ana}\n{bo}")).await, 0);
    assert_eq!(publish(gateway, "time.ledger", &first, &format!("{ana}\n{bo}\n{late}")).await, 1);
    assert_eq!(leave_unpublished(gateway, "time.ledger", &first, ana).await, 2);
    let last = ["id bigint", "owner varchar", "amount bigint", "note varchar", "region varchar"];
    let rows = r#"{"id":1,"owner":"ana","amount":11,"note":"a","region":"EU"}
        {"id":3,"owner":"ana","amount":30,"note":"c","region":"US"}
        {"id":4,"owner":"bo","amount":5000000000,"note":"d","region":"EU"}"#;
    assert_eq!(publish(gateway, "time.ledger", &last, rows).await, 3);
}

fn csv(header: &str, rows: impl Iterator<Item = String>) -> String {
    std::iter::once(header.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

fn nations() -> impl Iterator<Item = String> {
    tpchgen::generators::NationGenerator::new(0.01, 1, 1)
        .into_iter()
        .map(|row| tpchgen::csv::NationCsv::new(row).to_string())
}

fn customers() -> impl Iterator<Item = String> {
    tpchgen::generators::CustomerGenerator::new(0.01, 1, 1)
        .into_iter()
        .map(|row| tpchgen::csv::CustomerCsv::new(row).to_string())
}

fn orders() -> impl Iterator<Item = String> {
    tpchgen::generators::OrderGenerator::new(0.01, 1, 1)
        .into_iter()
        .map(|row| tpchgen::csv::OrderCsv::new(row).to_string())
}
