//! Tables that are read in parts, side by side, while others write into them: each row once, as of one moment.

use std::collections::BTreeSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use lakegate::ingest::source::{self, ReadOptions, Selection, Snapshot, SourceTable};
use sqlx::{Connection, Executor, MySqlConnection, PgConnection};

use super::postgres::database;
use super::read::gathered;
use crate::support::mariadb::MariaDbServer;

const ACCOUNTS: i32 = 80_000;

/// 80 MB in blocks of eight rows: enough to be worth three parts.
const SETUP: &str = "CREATE UNLOGGED TABLE account (id int PRIMARY KEY, amount bigint NOT NULL, filler text NOT NULL);
    INSERT INTO account SELECT n, 1000, repeat('x', 900) FROM generate_series(1, 80000) n;
    CREATE UNLOGGED TABLE ledger (id int, amount bigint NOT NULL, filler text NOT NULL) PARTITION BY RANGE (id);
    CREATE UNLOGGED TABLE ledger_old PARTITION OF ledger FOR VALUES FROM (1) TO (101);
    CREATE UNLOGGED TABLE ledger_new PARTITION OF ledger FOR VALUES FROM (101) TO (90000);
    CREATE TABLE parent (id int, amount bigint NOT NULL, filler text NOT NULL);
    CREATE UNLOGGED TABLE child () INHERITS (parent);
    CREATE VIEW everybody AS SELECT * FROM account;
    INSERT INTO ledger SELECT * FROM account;
    INSERT INTO child SELECT * FROM account WHERE id > 10;
    INSERT INTO parent SELECT * FROM account WHERE id <= 10;";

/// `url` for the user `name`, whose password is `p`.
fn as_user(url: &str, name: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_username(name).unwrap();
    url.set_password(Some("p")).unwrap();
    url.into()
}

fn side_by_side() -> ReadOptions {
    ReadOptions { readers: 3, ..ReadOptions::default() }
}

/// Moves money from one account to another until the connection is gone; each move writes new versions of two rows.
async fn move_money(url: String) {
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for round in 0_i32.. {
        let (from, to) = (round * 7919 % ACCOUNTS + 1, round * 104_729 % ACCOUNTS + 1);
        let moved = format!(
            "BEGIN; UPDATE account SET amount = amount - 5 WHERE id = {from};
             UPDATE account SET amount = amount + 5 WHERE id = {to};
             INSERT INTO account SELECT max(id) + 1, 0, '' FROM account; COMMIT"
        );
        connection.execute(sqlx::AssertSqlSafe(moved)).await.unwrap();
    }
}

fn table(snapshot: &dyn Snapshot, name: &str) -> SourceTable {
    snapshot.tables().iter().find(|table| table.name == name).unwrap().clone()
}

/// How many rows, how many different ids, and the sum of all amounts.
fn told(batches: &[RecordBatch]) -> (usize, usize, i64) {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let ids = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().values().to_vec());
    let amounts = batches.iter().flat_map(|batch| batch.column(1).as_primitive::<Int64Type>().values());
    (rows, ids.collect::<BTreeSet<_>>().len(), amounts.sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_table_are_of_one_moment_and_hold_each_row_once() {
    let (url, _connection) = database(SETUP).await;
    let moving = tokio::spawn(move_money(url.clone()));
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let source = source::open(&url, side_by_side()).await.unwrap();
    let mut snapshot = source.snapshot(&["*".to_owned()]).await.unwrap();
    for (name, readers) in [("account", 3), ("ledger", 3), ("parent", 3), ("everybody", 1)] {
        let table = table(snapshot.as_ref(), name);
        assert_eq!(snapshot.readers(&table, &Selection::default()).await.unwrap().len(), readers, "{name}");
        let (rows, ids, sum) = told(&gathered(snapshot.as_mut(), &table).await.unwrap());
        assert_eq!((rows, sum), (ids, i64::from(ACCOUNTS) * 1000), "{name}");
        assert!(
            rows >= ACCOUNTS as usize && (name != "account" || rows > ACCOUNTS as usize),
            "{name}: {rows}"
        );
    }
    let [account, everybody] = ["account", "everybody"].map(|name| table(snapshot.as_ref(), name));
    let one = told(&gathered(snapshot.as_mut(), &account).await.unwrap());
    let view = told(&gathered(snapshot.as_mut(), &everybody).await.unwrap());
    assert_eq!(one, view, "a view over it is of the same moment, however late it is read");
    assert!(!moving.is_finished(), "the writer has failed");
    moving.abort();
}

/// A server that grants one connection and no more.
#[tokio::test(flavor = "multi_thread")]
async fn with_one_connection_alone_a_table_is_read_whole() {
    let (url, mut connection) = database(SETUP).await;
    let name = format!("single_{}", uuid::Uuid::now_v7().simple());
    let grant = format!(
        "CREATE ROLE {name} LOGIN PASSWORD 'p' CONNECTION LIMIT 1; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"
    );
    connection.execute(sqlx::AssertSqlSafe(grant)).await.unwrap();
    let source = source::open(&as_user(&url, &name), side_by_side()).await.unwrap();
    // The first look at the server is over when the server says so.
    let mut snapshot = loop {
        match source.snapshot(&["account".to_owned()]).await {
            Ok(snapshot) => break snapshot,
            Err(error) if error.detail().contains("too many connections") => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    let table = table(snapshot.as_ref(), "account");
    let found = told(&gathered(snapshot.as_mut(), &table).await.unwrap());
    assert_eq!(found, (ACCOUNTS as usize, ACCOUNTS as usize, i64::from(ACCOUNTS) * 1000));
    connection.execute(sqlx::AssertSqlSafe(format!("DROP OWNED BY {name}"))).await.unwrap();
}

const IN_MARIADB: [&str; 4] = [
    "CREATE TABLE account (id int PRIMARY KEY, amount bigint NOT NULL, filler varchar(900) NOT NULL) ENGINE = InnoDB",
    "INSERT INTO account SELECT seq, 1000, repeat('x', 900) FROM seq_1_to_80000",
    "CREATE TABLE late AS SELECT * FROM account WHERE id = 0",
    "ANALYZE TABLE account",
];

/// A server whose snapshot nobody else may have.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_shared_snapshot_one_connection_reads() {
    let (url, mut connection) = database(SETUP).await;
    let name = format!("lonely_{}", uuid::Uuid::now_v7().simple());
    let grant = format!(
        "CREATE ROLE {name} LOGIN PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name};
         REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC"
    );
    connection.execute(sqlx::AssertSqlSafe(grant)).await.unwrap();
    let source = source::open(&as_user(&url, &name), side_by_side()).await.unwrap();
    let mut snapshot = source.snapshot(&["account".to_owned()]).await.unwrap();
    let account = table(snapshot.as_ref(), "account");
    assert_eq!(snapshot.readers(&account, &Selection::default()).await.unwrap().len(), 1);
    let found = told(&gathered(snapshot.as_mut(), &account).await.unwrap());
    assert_eq!(found, (ACCOUNTS as usize, ACCOUNTS as usize, i64::from(ACCOUNTS) * 1000));
    connection.execute(sqlx::AssertSqlSafe(format!("DROP OWNED BY {name}"))).await.unwrap();
}

/// Who wants the table alone waits for its end, and we do not wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_table_that_comes_between_readers_waits() {
    let (url, mut other) = database(SETUP).await;
    let source = source::open(&url, side_by_side()).await.unwrap();
    let mut snapshot = source.snapshot(&["account".to_owned()]).await.unwrap();
    let account = table(snapshot.as_ref(), "account");
    let readers = snapshot.readers(&account, &Selection::default()).await.unwrap();
    let change = tokio::spawn(async move {
        other.execute("ALTER TABLE account ADD COLUMN more int").await.unwrap();
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    drop(readers);
    let read =
        tokio::time::timeout(std::time::Duration::from_secs(60), gathered(snapshot.as_mut(), &account)).await;
    let found = told(&read.expect("it waits for nobody").unwrap());
    assert_eq!(found, (ACCOUNTS as usize, ACCOUNTS as usize, i64::from(ACCOUNTS) * 1000));
    assert!(!change.is_finished());
    drop(snapshot);
    tokio::time::timeout(std::time::Duration::from_secs(60), change)
        .await
        .expect("nothing holds it")
        .unwrap();
}

/// Moves money in MariaDB, and writes it down in another table, in one transaction each.
async fn move_money_in_mariadb(url: String) {
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    for round in 0_i32.. {
        let (from, to) = (round * 7919 % ACCOUNTS + 1, round * 104_729 % ACCOUNTS + 1);
        for statement in [
            "BEGIN".to_owned(),
            format!("UPDATE account SET amount = amount - 5 WHERE id = {from}"),
            format!("UPDATE account SET amount = amount + 4 WHERE id = {to}"),
            format!("INSERT INTO late VALUES ({round}, 1, '')"),
            "COMMIT".to_owned(),
        ] {
            connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_mariadb_see_one_moment() {
    let url = MariaDbServer::shared().await.database().await;
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    for statement in IN_MARIADB {
        connection.execute(statement).await.unwrap();
    }
    let moving = tokio::spawn(move_money_in_mariadb(url.clone()));
    for _ in 0..3 {
        let source = source::open(&url, side_by_side()).await.unwrap();
        let mut snapshot = source.snapshot(&["*".to_owned()]).await.unwrap();
        let account = table(snapshot.as_ref(), "account");
        let readers = snapshot.readers(&account, &Selection::default()).await.unwrap().len();
        assert_eq!(readers, 3);
        let (rows, ids, sum) = told(&gathered(snapshot.as_mut(), &account).await.unwrap());
        let late = table(snapshot.as_ref(), "late");
        let (_, _, moved) = told(&gathered(snapshot.as_mut(), &late).await.unwrap());
        assert_eq!(
            (rows, ids, sum + moved),
            (ACCOUNTS as usize, ACCOUNTS as usize, i64::from(ACCOUNTS) * 1000)
        );
    }
    assert!(!moving.is_finished(), "the writer has failed");
    moving.abort();
}

/// Who may read and not lock.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_lock_one_connection_reads_mariadb() {
    let url = MariaDbServer::shared().await.database().await;
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    for statement in IN_MARIADB {
        connection.execute(statement).await.unwrap();
    }
    let name = format!("r{}", &uuid::Uuid::now_v7().simple().to_string()[12..]);
    let database = url.rsplit('/').next().unwrap();
    for statement in
        [format!("CREATE USER {name} IDENTIFIED BY 'p'"), format!("GRANT SELECT ON `{database}`.* TO {name}")]
    {
        connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    let source = source::open(&as_user(&url, &name), side_by_side()).await.unwrap();
    let mut snapshot = source.snapshot(&["account".to_owned()]).await.unwrap();
    let account = table(snapshot.as_ref(), "account");
    assert_eq!(snapshot.readers(&account, &Selection::default()).await.unwrap().len(), 1);
    let found = told(&gathered(snapshot.as_mut(), &account).await.unwrap());
    assert_eq!(found, (ACCOUNTS as usize, ACCOUNTS as usize, i64::from(ACCOUNTS) * 1000));
}
