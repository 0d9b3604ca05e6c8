//! What a source says that it has, from real servers: tables, columns, keys, comments, and what an account may not read.

use std::process::{Command, Output};

use arrow_schema::DataType;
use lakegate::ingest::source::discovery::{DiscoveredTable, Discovery, ForeignKey, TableKind};
use lakegate::ingest::source::{self, ReadOptions};
use serde_json::Value;
use sqlx::Executor;

use super::{mysql, postgres, sqlite};
use crate::support::gateway::Gateway;

async fn discovered(url: &str, patterns: &[&str]) -> Discovery {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
    source::open(url, ReadOptions::default()).await.unwrap().discover(&patterns).await.unwrap()
}

fn named<'a>(found: &'a Discovery, name: &str) -> &'a DiscoveredTable {
    found.tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no {name}: {found:?}"))
}

fn names(found: &Discovery) -> Vec<String> {
    found.tables.iter().map(DiscoveredTable::full_name).collect()
}

fn foreign(columns: &[&str], schema: Option<&str>, table: &str, references: &[&str]) -> ForeignKey {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ForeignKey {
        columns: owned(columns),
        schema: schema.map(str::to_owned),
        table: table.to_owned(),
        references: owned(references),
    }
}

const SHOP: &str = "
    CREATE TABLE customers (region char(2), id bigint, \"E-Mail\" varchar(80) NOT NULL, PRIMARY KEY (id, region));
    COMMENT ON TABLE customers IS 'who buys';
    COMMENT ON COLUMN customers.\"E-Mail\" IS 'where we write to';
    CREATE TABLE orders (id int PRIMARY KEY, customer bigint, region char(2), parent int REFERENCES orders,
      FOREIGN KEY (customer, region) REFERENCES customers (id, region));
    INSERT INTO customers SELECT 'EU', n, 'x' FROM generate_series(1, 500) n;
    CREATE TABLE never_looked_at (n int);
    CREATE VIEW big AS SELECT * FROM orders;
    CREATE MATERIALIZED VIEW kept AS SELECT 1 AS n;
    CREATE TABLE parts (n int) PARTITION BY RANGE (n);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
    INSERT INTO parts SELECT generate_series(0, 14);
    CREATE TYPE pair AS (a int, b int);
    CREATE TABLE odd (id int, p pair);
    CREATE TEMPORARY TABLE passing (n int);
    CREATE SCHEMA \"Öther\"; COMMENT ON SCHEMA \"Öther\" IS 'away';
    CREATE TABLE \"Öther\".\"Select \"\"x\"\"\" (\"from\" int, \"ÄÖ\" text);
    CREATE SCHEMA empty;
    ANALYZE customers; ANALYZE parts; ANALYZE orders;";

#[tokio::test]
async fn postgres_tells_tables_columns_keys_and_comments() {
    let (url, _connection) = postgres::database(SHOP).await;
    let found = discovered(&url, &[]).await;
    let schemas = found.schemas.iter().map(|schema| (schema.name.as_str(), schema.comment.as_deref()));
    let expected = [("empty", None), ("public", Some("standard public schema")), ("Öther", Some("away"))];
    assert_eq!(schemas.collect::<Vec<_>>(), expected);
    let expected = [
        "public.big",
        "public.customers",
        "public.kept",
        "public.never_looked_at",
        "public.odd",
        "public.orders",
        "public.parts",
        "Öther.Select \"x\"",
    ];
    assert_eq!(names(&found), expected);

    let customers = named(&found, "customers");
    assert_eq!((customers.kind, customers.comment.as_deref()), (TableKind::Table, Some("who buys")));
    assert_eq!(
        (customers.estimate, customers.key.as_slice()),
        (Some(500), ["id".to_owned(), "region".to_owned()].as_slice())
    );
    let mail = &customers.columns[2];
    assert_eq!((mail.name.as_str(), mail.nullable), ("E-Mail", false));
    assert_eq!(mail.source_type.as_deref(), Some("character varying(80)"));
    assert_eq!((&mail.lake_type, mail.comment.as_deref()), (&Ok(DataType::Utf8), Some("where we write to")));

    let orders = named(&found, "orders");
    let expected = [
        foreign(&["customer", "region"], Some("public"), "customers", &["id", "region"]),
        foreign(&["parent"], Some("public"), "orders", &["id"]),
    ];
    assert_eq!(orders.foreign_keys, expected);
    assert!(orders.columns[1].nullable && !orders.columns[0].nullable);

    // What the server keeps no count of has none, and a partitioned table has the rows of its parts.
    let estimates = ["never_looked_at", "big", "parts"].map(|name| named(&found, name).estimate);
    assert_eq!(estimates, [None, None, Some(15)]);
    let kinds = ["big", "kept", "parts"].map(|name| named(&found, name).kind);
    assert_eq!(kinds, [TableKind::View, TableKind::MaterializedView, TableKind::Table]);
    let odd = named(&found, "odd");
    assert!(odd.problem().unwrap().contains("column `p` has the type `pair`"));
    assert_eq!((odd.columns.len(), odd.columns[1].source_type.as_deref()), (2, Some("pair")));
    assert_eq!(named(&found, "Select \"x\"").columns[1].name, "ÄÖ");

    assert_eq!(names(&discovered(&url, &["Öther.*", "o*s"]).await), ["public.orders", "Öther.Select \"x\""]);
    let source = source::open(&url, ReadOptions::default()).await.unwrap();
    let error = source.discover(&["ordres".to_owned()]).await.unwrap_err();
    assert_eq!(error.detail(), "the source has no table `ordres`");
}

#[tokio::test]
async fn postgres_tells_what_its_account_may_not_read() {
    let (url, mut admin) = postgres::database(
        "CREATE TABLE closed (a int, b int); CREATE TABLE half (a int, b int, c int); CREATE TABLE open (a int);
         CREATE TABLE few (a int); ALTER TABLE few ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON few USING (a > 1); CREATE SCHEMA away; CREATE TABLE away.t (a int);",
    )
    .await;
    let database = url.rsplit('/').next().unwrap();
    let role = format!("reader_{database}");
    let statements = format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT (a) ON half TO {role}; GRANT SELECT ON open, few, away.t TO {role}"
    );
    admin.execute(sqlx::AssertSqlSafe(statements)).await.unwrap();
    let found = discovered(&url.replace("postgres@", &format!("{role}@")), &[]).await;
    let problems = ["closed", "half", "open", "few", "t"].map(|name| named(&found, name).problem());
    let expected = [
        Some("the account may not read it"),
        Some("the account may not read the columns `b`, `c`"),
        None,
        None,
        Some("the account may not use the schema `away`"),
    ];
    assert_eq!(problems, expected);
    let some = ["open", "few"].map(|name| named(&found, name).shows_some_rows);
    assert_eq!(some, [false, true]);
    // Nobody's rows are kept from who owns them.
    assert!(
        discovered(&url, &[])
            .await
            .tables
            .iter()
            .all(|table| table.problem().is_none() && !table.shows_some_rows)
    );
    admin.execute(sqlx::AssertSqlSafe(format!("DROP OWNED BY {role}; DROP ROLE {role}"))).await.unwrap();
}

#[tokio::test]
async fn mysql_tells_tables_columns_keys_and_comments() {
    let url = mysql::database(&[
        "CREATE TABLE customers (region char(2), id bigint, `E-Mail` varchar(80) NOT NULL COMMENT 'where we write to', \
         PRIMARY KEY (id, region)) COMMENT 'who buys'",
        "CREATE TABLE orders (id int PRIMARY KEY, customer bigint, region char(2), parent int, \
         CONSTRAINT a FOREIGN KEY (customer, region) REFERENCES customers (id, region), \
         CONSTRAINT b FOREIGN KEY (parent) REFERENCES orders (id))",
        "INSERT INTO customers SELECT 'EU', seq, 'x' FROM seq_1_to_500",
        "ANALYZE TABLE customers",
        "CREATE TABLE `Select ``x``` (`from` int, `ÄÖ` text)",
        "CREATE TABLE gone (n int)",
        "CREATE VIEW broken AS SELECT n FROM gone",
        "CREATE VIEW big AS SELECT * FROM orders",
        "DROP TABLE gone",
        "CREATE TABLE odd (id int, p point)",
    ])
    .await;
    let database = url.rsplit('/').next().unwrap();
    let found = discovered(&url, &["*"]).await;
    assert!(found.schemas.iter().any(|schema| schema.name == database));
    assert!(found.schemas.iter().all(|schema| schema.name != "information_schema"));
    let customers = named(&found, "customers");
    assert_eq!(customers.schema.as_deref(), Some(database));
    assert_eq!((customers.kind, customers.comment.as_deref()), (TableKind::Table, Some("who buys")));
    // In the order of the key and not of the columns.
    assert_eq!(
        (customers.estimate, customers.key.as_slice()),
        (Some(500), ["id".to_owned(), "region".to_owned()].as_slice())
    );
    let mail = &customers.columns[2];
    assert_eq!(
        (mail.name.as_str(), mail.source_type.as_deref(), mail.nullable),
        ("E-Mail", Some("varchar(80)"), false)
    );
    assert_eq!((&mail.lake_type, mail.comment.as_deref()), (&Ok(DataType::Utf8), Some("where we write to")));
    let expected = [
        foreign(&["customer", "region"], Some(database), "customers", &["id", "region"]),
        foreign(&["parent"], Some(database), "orders", &["id"]),
    ];
    assert_eq!(named(&found, "orders").foreign_keys, expected);
    let big = named(&found, "big");
    assert_eq!((big.kind, big.comment.as_deref(), big.estimate), (TableKind::View, None, None));
    assert!(named(&found, "broken").problem().is_some());
    assert!(named(&found, "odd").problem().unwrap().contains("column `p` has the type `point`"));
    assert_eq!(named(&found, "Select `x`").columns[1].name, "ÄÖ");
}

#[tokio::test]
async fn mysql_tells_what_its_account_may_not_read() {
    let url = mysql::database(&[
        "CREATE TABLE closed (a int)",
        "CREATE TABLE unseen (a int)",
        "CREATE TABLE half (a int, b int)",
        "CREATE TABLE open (b int, a int, PRIMARY KEY (a, b))",
    ])
    .await;
    let database = url.rsplit('/').next().unwrap();
    let grants = [
        format!("CREATE USER r_{database}@'%'"),
        format!("GRANT INSERT ON {database}.closed TO r_{database}@'%'"),
        format!("GRANT SELECT (a), INSERT (b) ON {database}.half TO r_{database}@'%'"),
        format!("GRANT SELECT ON {database}.open TO r_{database}@'%'"),
    ];
    mysql::run(&url, &grants.each_ref().map(String::as_str)).await;
    let (_, place) = url.rsplit_once('@').unwrap();
    let found = discovered(&format!("mysql://r_{database}@{place}"), &["*"]).await;
    assert_eq!(
        found.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["closed", "half", "open"]
    );
    let problems = ["closed", "half", "open"].map(|name| named(&found, name).problem());
    assert_eq!(
        problems,
        [Some("the account may not read it"), Some("the account may not read the column `b`"), None]
    );
    let key = named(&found, "open").key.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(key, ["a", "b"].into());
}

#[tokio::test]
async fn sqlite_tells_tables_columns_and_keys() {
    let (url, _folder) = sqlite::database(
        "CREATE TABLE customers (region TEXT, id INTEGER, \"E-Mail\" VARCHAR(80) NOT NULL, PRIMARY KEY (id, region));
         CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, region TEXT, parent INTEGER REFERENCES orders,
           FOREIGN KEY (customer, region) REFERENCES customers (id, region));
         INSERT INTO customers VALUES ('EU', 1, 'a'), ('EU', 2, 'b');
         CREATE TABLE odd (a); CREATE TABLE \"Select \"\"x\"\"\" (\"from\" INT, \"ÄÖ\" TEXT);
         CREATE TABLE gone (a INT); CREATE VIEW broken AS SELECT a FROM gone; DROP TABLE gone;
         CREATE VIEW big AS SELECT id FROM orders; ANALYZE;",
    )
    .await;
    let found = discovered(&url, &[]).await;
    assert_eq!(names(&found), ["Select \"x\"", "big", "broken", "customers", "odd", "orders"]);
    let customers = named(&found, "customers");
    assert_eq!(
        (customers.estimate, customers.key.as_slice()),
        (Some(2), ["id".to_owned(), "region".to_owned()].as_slice())
    );
    assert_eq!(customers.columns[2].source_type.as_deref(), Some("VARCHAR(80)"));
    assert!(!customers.columns[2].nullable && customers.columns[0].nullable);
    let orders = named(&found, "orders");
    assert!(!orders.columns[0].nullable);
    let expected = [
        foreign(&["parent"], None, "orders", &["id"]),
        foreign(&["customer", "region"], None, "customers", &["id", "region"]),
    ];
    assert_eq!(orders.foreign_keys, expected);
    assert!(named(&found, "odd").problem().unwrap().contains("no declared type"));
    // A view of a table that is gone is its own trouble.
    assert!(named(&found, "broken").problem().unwrap().contains("no such table"));
    assert_eq!((named(&found, "big").kind, named(&found, "big").problem()), (TableKind::View, None));
}

fn lakegate(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    // Nothing is there to configure it.
    command
        .current_dir(folder.path())
        .env_remove("LAKEGATE_CONFIG")
        .args(["ingest", "list"])
        .args(arguments)
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_command_lists_for_people_and_for_programs() {
    let (url, _connection) = postgres::database(SHOP).await;
    let output = lakegate(&["--source", &url, "--exclude", "parts,*ther.*"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 7, "{text}");
    let customers = lines.iter().find(|line| line.starts_with("public.customers")).unwrap();
    let words = customers.split_whitespace().collect::<Vec<_>>();
    assert_eq!(words, ["public.customers", "table", "500", "3", "id,", "region", "[who", "buys]"]);
    assert!(text.contains("[not to be brought in: column `p` has the type `pair`"));
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(words, "6 tables and views, of which 1 cannot be brought in as they are\n");

    let output = lakegate(&["--source", &url, "--tables", "customers,orders", "--columns"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("    E-Mail character varying(80) → varchar not null  [where we write to]\n"),
        "{text}"
    );
    assert!(text.contains("    parent integer → int → public.orders(id)\n"), "{text}");

    let output = lakegate(&["--source", &url, "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schemas"].as_array().unwrap().len(), 3);
    let tables = document["tables"].as_array().unwrap();
    let table = |name: &str| tables.iter().find(|table| table["name"] == name).unwrap();
    assert_eq!(table("customers")["primary_key"], serde_json::json!(["id", "region"]));
    assert_eq!(table("customers")["columns"][2]["comment"], "where we write to");
    assert_eq!(table("customers")["columns"][1]["type"], "bigint");
    assert_eq!(table("orders")["foreign_keys"][0]["table"], "customers");
    assert_eq!(table("odd")["columns"][1]["type"], Value::Null);

    let output = lakegate(&["--source", &url, "--exclude", "ordres"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no table is called `ordres`"));
}

#[tokio::test]
async fn ten_thousand_tables_are_listed_and_names_cannot_speak_to_the_terminal() {
    let (url, folder) = sqlite::database("CREATE TABLE \"\u{1b}[31mred\" (a INT)").await;
    let file = folder.path().join("a b.db");
    let mut connection =
        <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite://{}", file.display()))
            .await
            .unwrap();
    let many = (0..10_000)
        .map(|at| format!("CREATE TABLE t{at} (id INTEGER PRIMARY KEY, c TEXT);"))
        .collect::<String>();
    connection.execute(sqlx::AssertSqlSafe(format!("BEGIN; {many} COMMIT"))).await.unwrap();
    let output = lakegate(&["--source", &url]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 10_002);
    assert!(text.contains("\\u{1b}[31mred") && !text.contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_excluded_is_not_brought_in() {
    let (url, _folder) =
        sqlite::database("CREATE TABLE a (n INT); CREATE TABLE log_1 (n INT); CREATE TABLE secret (n INT)")
            .await;
    let gateway = Gateway::start().await;
    let run = |exclude: &str| {
        let config = gateway.folder.path().join("lakegate.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
        command.args([
            "ingest",
            "run",
            "--source",
            &url,
            "--tables",
            "*",
            "--exclude",
            exclude,
            "--into",
            "s",
            "--json",
        ]);
        command.arg("--config").arg(config).output().unwrap()
    };
    let output = run("log_*,secert");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no table is called `secert`"));
    let output = run("log_*,secret");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tables = summary["tables"].as_array().unwrap().iter().map(|table| table["table"].to_string());
    assert_eq!(tables.collect::<Vec<_>>(), ["\"s.a\""]);
}
