//! Comments and keys of a source beside its tables: who is told which of them, and that they follow the source.

use std::process::Command;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::sources::postgres;
use crate::support::gateway::Gateway;

const SHOP: &str = "
    CREATE TABLE customers (id int, region text, email text, PRIMARY KEY (id, region));
    COMMENT ON TABLE customers IS 'who buys';
    COMMENT ON COLUMN customers.region IS 'where they live';
    COMMENT ON COLUMN customers.email IS 'secret words';
    CREATE TABLE orders (id int PRIMARY KEY, customer int, region text, FOREIGN KEY (customer, region) REFERENCES customers);";

const RULES: &str = "
grants:
  - { to: \"user:all\", on: s.*, permissions: [select] }
  - { to: \"user:some\", on: s.customers, permissions: [select], columns: { include: [id, region] } }
  - { to: \"user:one\", on: s.customers, permissions: [select], columns: { include: [id] } }
  - { to: \"user:one\", on: s.orders, permissions: [select] }
  - { to: \"user:orders\", on: s.orders, permissions: [select] }
";

async fn ingest(gateway: &Gateway, url: &str) {
    let config = gateway.folder.path().join("lakegate.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.args(["ingest", "run", "--source", url, "--tables", "*", "--into", "s", "--config"]).arg(config);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    gateway.app.refresh().await.unwrap();
}

async fn table(gateway: &Gateway, who: &str, name: &str) -> Value {
    let answer = gateway.get(who, &format!("/v1/tables/s/{name}")).await;
    assert_eq!(answer.status, 200, "{who} {name}: {}", answer.text());
    // A list tells what the table itself tells.
    let list = gateway.get(who, "/v1/tables").await.json();
    let listed = list["items"].as_array().unwrap().iter().find(|one| one["name"] == format!("s.{name}"));
    assert_eq!(listed, Some(&answer.json()), "{who} {name}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_and_keys_are_told_of_columns_that_a_reader_may_know() {
    let (url, mut source) = postgres::database(SHOP).await;
    let gateway = Gateway::start().await;
    ingest(&gateway, &url).await;
    let gateway = gateway.with_policy(RULES).await;
    for who in ["admin", "all"] {
        let customers = table(&gateway, who, "customers").await;
        assert_eq!(
            (&customers["comment"], &customers["primary_key"]),
            (&json!("who buys"), &json!(["id", "region"]))
        );
        assert_eq!(customers["columns"][1]["comment"], "where they live");
        assert_eq!(customers["columns"][2]["comment"], "secret words");
        let expected = json!([{
            "columns": ["customer", "region"], "table": "s.customers", "references": ["id", "region"],
        }]);
        assert_eq!(table(&gateway, who, "orders").await["foreign_keys"], expected, "{who}");
    }

    // No comment of a hidden column, and no key that names one.
    let some = table(&gateway, "some", "customers").await;
    assert_eq!(
        (&some["primary_key"], &some["columns"][1]["comment"]),
        (&json!(["id", "region"]), &json!("where they live"))
    );
    let one = table(&gateway, "one", "customers").await;
    assert_eq!(one.get("primary_key"), None);
    for told in [&some, &one] {
        assert!(!told.to_string().contains("secret") && !told.to_string().contains("email"), "{told}");
    }
    assert!(!one.to_string().contains("region"), "{one}");
    // Nor one that leads to a column or a table that is hidden.
    for who in ["one", "orders"] {
        assert_eq!(table(&gateway, who, "orders").await.get("foreign_keys"), None, "{who}");
    }
    assert!(!table(&gateway, "orders", "orders").await.to_string().contains("customers"));

    for (who, sql) in [
        ("some", "DESCRIBE s.customers"),
        ("some", "SHOW COLUMNS FROM s.customers"),
        ("some", "SELECT * FROM information_schema.columns"),
    ] {
        let answer = gateway.sql(who, sql).await;
        assert!(
            answer.text().contains("where they live") && !answer.text().contains("secret"),
            "{sql}: {}",
            answer.text()
        );
    }
    assert!(
        !gateway
            .sql("one", "SELECT * FROM information_schema.columns")
            .await
            .text()
            .contains("where they live")
    );

    // The source's words are those of the last run.
    source
        .execute(AssertSqlSafe(
            "COMMENT ON COLUMN customers.region IS 'a country'; COMMENT ON TABLE customers IS NULL"
                .to_owned(),
        ))
        .await
        .unwrap();
    ingest(&gateway, &url).await;
    let customers = table(&gateway, "all", "customers").await;
    assert_eq!(
        (&customers["comment"], &customers["columns"][1]["comment"]),
        (&Value::Null, &json!("a country"))
    );
    let shown = lakegate(&gateway, &["table", "show", "s.orders"]);
    assert!(
        shown.contains("key       id\n")
            && shown.contains("refers    (customer, region) to s.customers(id, region)\n"),
        "{shown}"
    );
    assert!(
        lakegate(&gateway, &["table", "show", "s.customers"])
            .contains("  region varchar not null  [a country]\n")
    );

    // They go with their table: another one of that name has none of them.
    lakegate(&gateway, &["table", "drop", "s.customers"]);
    gateway.app.refresh().await.unwrap();
    let gateway = gateway.with_csv("s.customers", "id,region\n1,EU\n").await;
    let again = table(&gateway, "all", "customers").await;
    assert_eq!((again.get("primary_key"), again["columns"][1].get("comment")), (None, None));
}

fn lakegate(gateway: &Gateway, arguments: &[&str]) -> String {
    let config = gateway.folder.path().join("lakegate.toml");
    let output = Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
