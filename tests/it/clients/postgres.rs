//! The door of PostgreSQL's protocol with psql, with psycopg and SQLAlchemy, and with PostgreSQL's JDBC driver.

use tokio::process::Command;

use super::{jdbc, python};
use crate::support::gateway::Gateway;
use crate::wire_formats::laboratory;

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_everything_it_may() {
    let gateway = laboratory().await;
    let [all, some, none] = ["all", "some", "none"].map(|user| gateway.token(user));
    let port = gateway.postgres.port().to_string();
    let environment =
        [("PORT", port.as_str()), ("HTTP", &gateway.url), ("ALL", &all), ("SOME", &some), ("NONE", &none)];
    let told = python("postgres.py", &environment).await;
    assert_eq!(told.lines().filter(|line| line.ends_with(" ok")).count(), 8, "{told}");
}

async fn psql(gateway: &Gateway, user: &str, command: &str) -> String {
    let port = gateway.postgres.port().to_string();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-h", "127.0.0.1", "-p", &port, "-U", user, "-d", "lab", "-A", "-t", "-c", command]);
    psql.env("PGPASSWORD", gateway.token(user)).kill_on_drop(true);
    let output = psql.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_lists_and_describes_what_is_visible() {
    let gateway = laboratory().await;
    assert_eq!(psql(&gateway, "some", "\\dt").await, "lab|types|table|lakegate");
    assert_eq!(psql(&gateway, "some", "\\d").await, "lab|types|table|lakegate");
    assert!(
        psql(&gateway, "some", "\\dn").await.starts_with("lab|"),
        "{}",
        psql(&gateway, "some", "\\dn").await
    );
    assert!(psql(&gateway, "some", "\\l").await.contains("lakegate"));
    let columns = psql(&gateway, "some", "\\d types").await;
    assert!(
        columns.contains("id|bigint") && columns.contains("moment_utc|timestamp with time zone"),
        "{columns}"
    );
    assert!(!columns.contains("money"), "{columns}");
    assert!(psql(&gateway, "all", "\\d types").await.contains("money|numeric"));
    for command in [
        "\\d+ types",
        "\\dt+",
        "\\dn+",
        "\\l+",
        "\\du",
        "\\dp",
        "\\z",
        "\\df",
        "\\dT",
        "\\di",
        "\\ds",
        "\\dx",
    ] {
        let told = psql(&gateway, "some", command).await;
        assert!(!told.contains("ERROR") && !told.contains("money"), "{command}: {told}");
    }
    let rights = psql(&gateway, "some", "\\dp types").await;
    assert!(rights.starts_with("lab|types|table|some=r/lakegate|"), "{rights}");
    assert!(psql(&gateway, "some", "\\d+ types").await.contains("id|bigint"));
    for command in ["\\dt", "\\d", "\\dn", "\\dv", "\\dp", "\\dt+"] {
        let told = psql(&gateway, "none", command).await;
        assert!(!told.contains("lab") && !told.contains("ERROR"), "{command}: {told}");
    }
    assert_eq!(psql(&gateway, "all", "SELECT count(*) FROM types").await, "3");
    let refused = psql(&gateway, "none", "SELECT * FROM types").await;
    assert_eq!(refused, "ERROR:  table not found: `lab.types`");
}

async fn jdbc_as(gateway: &Gateway, user: &str, commands: &[&[&str]]) -> Vec<String> {
    let url = format!("jdbc:postgresql://{}/lab", gateway.postgres);
    jdbc(&url, user, &gateway.token(user), commands).await
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_connects_lists_and_reads_what_is_visible() {
    let gateway = laboratory().await;
    let commands: [&[&str]; 17] = [
        &["about"],
        &["catalogs"],
        &["schemas"],
        &["tables", "%", "types"],
        &["columns", "lab", "types"],
        &["keys", "lab", "types"],
        &["query", "SELECT id, word FROM types ORDER BY id"],
        &["query", "SELECT money FROM lab.types"],
        &["query", "SELECT * FROM lab.nothing"],
        &["prepare", "SELECT id FROM types WHERE id >= ? AND id < ? ORDER BY id", "long:1", "long:3"],
        &["prepare", "SELECT id FROM types WHERE word = ? AND flag = ?", "text:", "boolean:false"],
        &["parameters", "SELECT id, word FROM types WHERE id = ?"],
        &["update", "DROP TABLE types"],
        &["update", "SET extra_float_digits = 3"],
        &["type info"],
        &["privileges", "lab", "types"],
        &["listings", "lab", "types"],
    ];
    let told = jdbc_as(&gateway, "some", &commands).await;
    let columns = told[4].lines().map(|line| line.split('|').nth(1).unwrap()).collect::<Vec<_>>();
    assert!(columns.contains(&"exact") && !columns.contains(&"money"), "{columns:?}");
    assert!(told[4].starts_with("types|id|-5|1|"), "{}", told[4]);
    let privileges = &told[15];
    assert!(privileges.starts_with("some|SELECT|NO\n"), "the one right, and of one reader: {privileges}");
    let of_columns = privileges.lines().skip(1).collect::<Vec<_>>();
    assert_eq!(of_columns.len(), columns.len());
    assert!(of_columns.iter().all(|line| line.ends_with("|SELECT") && !line.starts_with("money")));
    // The one version column is `ctid`, which the driver names without asking.
    let listings =
        told[16].replace("version columns 1", "version columns 0").replace("client info 1", "client info 0");
    assert!(
        listings.lines().count() == 12 && listings.lines().all(|line| line.ends_with(" 0")),
        "{listings}"
    );
    let others = [&told[..4], &told[5..15]].concat();
    assert_eq!(
        others,
        [
            "PostgreSQL false \"",
            "TABLE_CAT\nlakegate\npostgres",
            "TABLE_SCHEM|TABLE_CATALOG\nlab|lakegate\npg_catalog|lakegate",
            "lab|types|TABLE",
            "TABLE_CAT|TABLE_SCHEM|TABLE_NAME|COLUMN_NAME|KEY_SEQ|PK_NAME",
            "id|word\n1|a \"b\",\nü 🦀\n2|",
            "error 42703 ERROR: column not found: `money`",
            "error 42P01 ERROR: table not found: `lab.nothing`",
            "id\n1\n2",
            "id\n2",
            "1\nid int8\nword text",
            "error 0A000 ERROR: `DROP` is not allowed here; send a query",
            "0",
            "true 2 32",
        ]
    );
    let nothing =
        jdbc_as(&gateway, "none", &[&["schemas"], &["tables", "%", "types"], &["columns", "%", "types"]])
            .await;
    assert!(nothing.iter().all(|told| !told.contains("lab|") && !told.contains("types")), "{nothing:?}");
}

/// Every value as JDBC has it.
#[tokio::test(flavor = "multi_thread")]
async fn jdbc_reads_every_type() {
    let gateway = laboratory().await;
    let told = jdbc_as(&gateway, "all", &[&["query", "SELECT * FROM types WHERE id = 2"]]).await;
    insta::assert_snapshot!(told[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_reads_much_and_cancels() {
    let gateway = laboratory().await;
    let commands: [&[&str]; 3] = [
        &["count", "SELECT value, md5(CAST(value AS VARCHAR)) FROM generate_series(1, 300000) AS t(value)"],
        &["cancel", "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b"],
        &["query", "SELECT 1 AS one"],
    ];
    let told = jdbc_as(&gateway, "all", &commands).await;
    assert_eq!(told, ["300000", "cancelled", "one\n1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jdbc_is_refused_without_a_good_token() {
    let gateway = laboratory().await;
    let url = format!("jdbc:postgresql://{}/lab", gateway.postgres);
    for (user, password) in [("all", "x".to_owned()), ("all", gateway.token("some"))] {
        let told = jdbc(&url, user, &password, &[]).await;
        assert!(told[0].starts_with("refused FATAL: missing or invalid bearer token"), "{told:?}");
    }
}
