//! The Flight SQL door with the ADBC driver of Python and the JDBC driver of Arrow.

use super::{jdbc, python};
use crate::support::gateway::Gateway;
use crate::wire_formats::laboratory;

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_everything_it_may() {
    let gateway = laboratory().await;
    let [all, some, none] = ["all", "some", "none"].map(|user| gateway.token(user));
    let environment = [
        ("FLIGHT", gateway.flight.as_str()),
        ("HTTP", gateway.url.as_str()),
        ("ALL", &all),
        ("SOME", &some),
        ("NONE", &none),
    ];
    let told = python("flight_sql.py", &environment).await;
    assert_eq!(told.lines().filter(|line| line.ends_with(" ok")).count(), 6, "{told}");
}

async fn jdbc_as(gateway: &Gateway, user: &str, commands: &[&[&str]]) -> Vec<String> {
    let address = gateway.flight.trim_start_matches("http://");
    let url = format!("jdbc:arrow-flight-sql://{address}/?useEncryption=false");
    jdbc(&url, user, &gateway.token(user), commands).await
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_connects_lists_and_reads_what_is_visible() {
    let gateway = laboratory().await;
    let commands: [&[&str]; 10] = [
        &["about"],
        &["schemas"],
        &["tables", "%", "%"],
        &["columns", "lab", "types"],
        &["query", "SELECT id, word FROM lab.types ORDER BY id"],
        &["query", "SELECT money FROM lab.types"],
        &["query", "SELECT * FROM lab.nothing"],
        &["prepare", "SELECT id FROM lab.types WHERE id >= ? AND id < ? ORDER BY id", "long:1", "long:3"],
        &["parameters", "SELECT id FROM lab.types WHERE id = ?"],
        &["update", "DROP TABLE lab.types"],
    ];
    let told = jdbc_as(&gateway, "some", &commands).await;
    let refused = |sql: &str, why: &str| format!("error null Error while executing SQL \"{sql}\": {why}");
    let columns = told[3].lines().map(|line| line.split('|').nth(1).unwrap()).collect::<Vec<_>>();
    assert!(columns.contains(&"exact") && !columns.contains(&"money"), "{columns:?}");
    assert!(told[3].starts_with("types|id|-5|1|YES\ntypes|i8|-6|2|YES"), "{}", told[3]);
    let others = [&told[..3], &told[4..]].concat();
    assert_eq!(
        others,
        [
            "lakegate true \"".to_owned(),
            "TABLE_SCHEM|TABLE_CATALOG\nlab|lakegate".to_owned(),
            "lab|types|BASE TABLE".to_owned(),
            "id|word\n1|a \"b\",\nü 🦀\n2|".to_owned(),
            refused("SELECT money FROM lab.types", "column not found: `money`"),
            refused("SELECT * FROM lab.nothing", "table not found: `lab.nothing`"),
            "id\n1\n2".to_owned(),
            "1\nid BIGINT".to_owned(),
            refused("DROP TABLE lab.types", "`DROP` is not allowed here; send a query"),
        ]
    );
    let nothing = jdbc_as(&gateway, "none", &[&["schemas"], &["tables", "%", "%"]]).await;
    assert!(nothing.iter().all(|told| !told.contains("lab")), "{nothing:?}");
}

/// Every value as JDBC has it.
#[tokio::test(flavor = "multi_thread")]
async fn jdbc_reads_every_type() {
    let gateway = laboratory().await;
    let told = jdbc_as(&gateway, "all", &[&["query", "SELECT * FROM lab.types WHERE id = 2"]]).await;
    insta::assert_snapshot!(told[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_reads_much_and_cancels() {
    let gateway = laboratory().await;
    let commands: [&[&str]; 3] = [
        &["count", "SELECT value, md5(CAST(value AS VARCHAR)) FROM generate_series(1, 1000000)"],
        &["cancel", "SELECT value FROM generate_series(1, 1000000000000)"],
        &["query", "SELECT 1 AS one"],
    ];
    let told = jdbc_as(&gateway, "all", &commands).await;
    assert_eq!(told, ["1000000", "cancelled", "one\n1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_is_refused_without_a_good_token() {
    let gateway = laboratory().await;
    let address = gateway.flight.trim_start_matches("http://");
    let url = format!("jdbc:arrow-flight-sql://{address}/?useEncryption=false");
    for (user, password) in [("all", "x".to_owned()), ("all", gateway.token("some"))] {
        let told = jdbc(&url, user, &password, &[]).await;
        assert!(told[0].starts_with("refused"), "{told:?}");
    }
}
