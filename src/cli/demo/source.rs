//! The demo's source: TPC-H data in a SQLite database, as an application would keep it.
//!
//! A real database with declared types, so that the demo goes the same way as anybody's own data: nothing here is
//! known to the ingestion. This is the one place beside the policy store and the sources that speaks SQL to a
//! database, because it is the application that the demo plays.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tpchgen::distribution::Distributions;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen::text::TextPool;

use crate::error::{Error, ErrorKind, Result};

/// The tables, in the order in which they are written.
pub const TABLES: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// SQLite takes 32,766 values a statement; more rows at once than this gain nothing.
const ROWS_PER_INSERT: usize = 200;

/// The text that all comments are cut from, as long as the specification says. Ours, and not the library's own one:
/// that lives as long as the process, and the demo goes on to be a server.
const POOL_SIZE: i32 = 300 * 1024 * 1024;

/// What stands in the database afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// So many rows were written.
    Now(u64),
    /// All tables were there; nothing was touched.
    Before,
}

/// Makes the database at `path` unless it is there. All tables appear in one transaction: a database without them is
/// an unfinished one, and is written again.
pub async fn write(path: &Path, scale: f64) -> Result<Written> {
    if !(scale > 0.0 && scale <= 100.0) {
        return Err(Error::invalid_request(format!("`{scale}` is not a scale between 0 and 100")));
    }
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.map_err(|error| failed(path, error))?;
    let outcome = fill(&mut connection, scale).await.map_err(|error| failed(path, error));
    connection.close().await.map_err(|error| failed(path, error))?;
    outcome
}

async fn fill(connection: &mut SqliteConnection, scale: f64) -> sqlx::Result<Written> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'lineitem'")
            .fetch_one(&mut *transaction)
            .await?;
    if there > 0 {
        return Ok(Written::Before);
    }
    let mut written = 0;
    let pool = TextPool::new(POOL_SIZE, words());
    for table in tables(scale, &pool) {
        sqlx::query(AssertSqlSafe(table.create())).execute(&mut *transaction).await?;
        written += table.insert(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(Written::Now(written))
}

fn failed(path: &Path, error: sqlx::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the demo's source database `{}` cannot be written", path.display()),
    )
    .with_source(error)
}

/// A value on its way into a row.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Int(i64),
    Text(String),
}

/// A table: its columns as SQL declares them, its key, and its rows.
struct Table<'a> {
    name: &'static str,
    columns: &'static [&'static str],
    key: Option<&'static str>,
    rows: Box<dyn Iterator<Item = Vec<Cell>> + Send + 'a>,
}

impl Table<'_> {
    fn create(&self) -> String {
        let columns = self.columns.iter().map(|column| format!("{column} NOT NULL"));
        let key = self.key.iter().map(|key| format!("PRIMARY KEY ({key})"));
        format!("CREATE TABLE {} ({})", self.name, columns.chain(key).collect::<Vec<_>>().join(", "))
    }

    async fn insert(mut self, connection: &mut SqliteConnection) -> sqlx::Result<u64> {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let mut written = 0;
        loop {
            let rows: Vec<_> = self.rows.by_ref().take(ROWS_PER_INSERT).collect();
            if rows.is_empty() {
                return Ok(written);
            }
            let sql =
                format!("INSERT INTO {} VALUES {}", self.name, vec![row.as_str(); rows.len()].join(", "));
            written += rows.len() as u64;
            let mut insert = sqlx::query(AssertSqlSafe(sql));
            for cell in rows.into_iter().flatten() {
                insert = match cell {
                    Cell::Int(value) => insert.bind(value),
                    Cell::Text(value) => insert.bind(value),
                };
            }
            insert.execute(&mut *connection).await?;
        }
    }
}

/// The tables of TPC-H with the types that its specification gives them.
fn tables(scale: f64, pool: &TextPool) -> [Table<'_>; 8] {
    [
        region(pool),
        nation(pool),
        supplier(scale, pool),
        customer(scale, pool),
        part(scale, pool),
        partsupp(scale, pool),
        orders(scale, pool),
        lineitem(scale, pool),
    ]
}

fn region(pool: &TextPool) -> Table<'_> {
    Table {
        name: "region",
        key: Some("r_regionkey"),
        columns: &["r_regionkey BIGINT", "r_name VARCHAR(25)", "r_comment VARCHAR(152)"],
        rows: Box::new(
            RegionGenerator::new_with_distributions_and_text_pool(words(), pool)
                .into_iter()
                .map(|row| vec![int(row.r_regionkey), text(row.r_name), text(row.r_comment)]),
        ),
    }
}

fn nation(pool: &TextPool) -> Table<'_> {
    Table {
        name: "nation",
        key: Some("n_nationkey"),
        columns: &[
            "n_nationkey BIGINT",
            "n_name VARCHAR(25)",
            "n_regionkey BIGINT",
            "n_comment VARCHAR(152)",
        ],
        rows: Box::new(NationGenerator::new_with_distributions_and_text_pool(words(), pool).into_iter().map(
            |row| vec![int(row.n_nationkey), text(row.n_name), int(row.n_regionkey), text(row.n_comment)],
        )),
    }
}

fn supplier(scale: f64, pool: &TextPool) -> Table<'_> {
    Table {
        name: "supplier",
        key: Some("s_suppkey"),
        columns: &[
            "s_suppkey BIGINT",
            "s_name VARCHAR(25)",
            "s_address VARCHAR(40)",
            "s_nationkey BIGINT",
            "s_phone VARCHAR(15)",
            "s_acctbal DECIMAL(15,2)",
            "s_comment VARCHAR(101)",
        ],
        rows: Box::new(
            SupplierGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words(), pool)
                .into_iter()
                .map(|row| {
                    vec![
                        int(row.s_suppkey),
                        text(row.s_name),
                        text(row.s_address),
                        int(row.s_nationkey),
                        text(row.s_phone),
                        text(row.s_acctbal),
                        text(row.s_comment),
                    ]
                }),
        ),
    }
}

fn customer(scale: f64, pool: &TextPool) -> Table<'_> {
    Table {
        name: "customer",
        key: Some("c_custkey"),
        columns: &[
            "c_custkey BIGINT",
            "c_name VARCHAR(25)",
            "c_address VARCHAR(40)",
            "c_nationkey BIGINT",
            "c_phone VARCHAR(15)",
            "c_acctbal DECIMAL(15,2)",
            "c_mktsegment VARCHAR(10)",
            "c_comment VARCHAR(117)",
        ],
        rows: Box::new(
            CustomerGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words(), pool)
                .into_iter()
                .map(|row| {
                    vec![
                        int(row.c_custkey),
                        text(row.c_name),
                        text(row.c_address),
                        int(row.c_nationkey),
                        text(row.c_phone),
                        text(row.c_acctbal),
                        text(row.c_mktsegment),
                        text(row.c_comment),
                    ]
                }),
        ),
    }
}

fn part(scale: f64, pool: &TextPool) -> Table<'_> {
    Table {
        name: "part",
        key: Some("p_partkey"),
        columns: &[
            "p_partkey BIGINT",
            "p_name VARCHAR(55)",
            "p_mfgr VARCHAR(25)",
            "p_brand VARCHAR(10)",
            "p_type VARCHAR(25)",
            "p_size INTEGER",
            "p_container VARCHAR(10)",
            "p_retailprice DECIMAL(15,2)",
            "p_comment VARCHAR(23)",
        ],
        rows: Box::new(
            PartGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words(), pool).into_iter().map(
                |row| {
                    vec![
                        int(row.p_partkey),
                        text(row.p_name),
                        text(row.p_mfgr),
                        text(row.p_brand),
                        text(row.p_type),
                        int(row.p_size),
                        text(row.p_container),
                        text(row.p_retailprice),
                        text(row.p_comment),
                    ]
                },
            ),
        ),
    }
}

fn partsupp(scale: f64, pool: &TextPool) -> Table<'_> {
    Table {
        name: "partsupp",
        // At small scales the formula of the specification gives the same pair twice.
        key: None,
        columns: &[
            "ps_partkey BIGINT",
            "ps_suppkey BIGINT",
            "ps_availqty INTEGER",
            "ps_supplycost DECIMAL(15,2)",
            "ps_comment VARCHAR(199)",
        ],
        rows: Box::new(PartSuppGenerator::new_with_text_pool(scale, 1, 1, pool).into_iter().map(|row| {
            vec![
                int(row.ps_partkey),
                int(row.ps_suppkey),
                int(row.ps_availqty),
                text(row.ps_supplycost),
                text(row.ps_comment),
            ]
        })),
    }
}

fn orders(scale: f64, pool: &TextPool) -> Table<'_> {
    Table {
        name: "orders",
        key: Some("o_orderkey"),
        columns: &[
            "o_orderkey BIGINT",
            "o_custkey BIGINT",
            "o_orderstatus VARCHAR(1)",
            "o_totalprice DECIMAL(15,2)",
            "o_orderdate DATE",
            "o_orderpriority VARCHAR(15)",
            "o_clerk VARCHAR(15)",
            "o_shippriority INTEGER",
            "o_comment VARCHAR(79)",
        ],
        rows: Box::new(
            OrderGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words(), pool).into_iter().map(
                |row| {
                    vec![
                        int(row.o_orderkey),
                        int(row.o_custkey),
                        text(row.o_orderstatus),
                        text(row.o_totalprice),
                        text(row.o_orderdate),
                        text(row.o_orderpriority),
                        text(row.o_clerk),
                        int(row.o_shippriority),
                        text(row.o_comment),
                    ]
                },
            ),
        ),
    }
}

fn lineitem(scale: f64, pool: &TextPool) -> Table<'_> {
    Table {
        name: "lineitem",
        key: Some("l_orderkey, l_linenumber"),
        columns: &[
            "l_orderkey BIGINT",
            "l_partkey BIGINT",
            "l_suppkey BIGINT",
            "l_linenumber INTEGER",
            "l_quantity DECIMAL(15,2)",
            "l_extendedprice DECIMAL(15,2)",
            "l_discount DECIMAL(15,2)",
            "l_tax DECIMAL(15,2)",
            "l_returnflag VARCHAR(1)",
            "l_linestatus VARCHAR(1)",
            "l_shipdate DATE",
            "l_commitdate DATE",
            "l_receiptdate DATE",
            "l_shipinstruct VARCHAR(25)",
            "l_shipmode VARCHAR(10)",
            "l_comment VARCHAR(44)",
        ],
        rows: Box::new(
            LineItemGenerator::new_with_distributions_and_text_pool(scale, 1, 1, words(), pool)
                .into_iter()
                .map(|row| {
                    vec![
                        int(row.l_orderkey),
                        int(row.l_partkey),
                        int(row.l_suppkey),
                        int(row.l_linenumber),
                        int(row.l_quantity),
                        text(row.l_extendedprice),
                        text(row.l_discount),
                        text(row.l_tax),
                        text(row.l_returnflag),
                        text(row.l_linestatus),
                        text(row.l_shipdate),
                        text(row.l_commitdate),
                        text(row.l_receiptdate),
                        text(row.l_shipinstruct),
                        text(row.l_shipmode),
                        text(row.l_comment),
                    ]
                }),
        ),
    }
}

fn words() -> &'static Distributions {
    Distributions::static_default()
}

fn int(value: impl Into<i64>) -> Cell {
    Cell::Int(value.into())
}

/// SQLite turns the text of a decimal into a number where the column is declared as one.
fn text(value: impl ToString) -> Cell {
    Cell::Text(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::Row;

    async fn open(path: &Path) -> SqliteConnection {
        SqliteConnectOptions::new().filename(path).connect().await.unwrap()
    }

    async fn count(connection: &mut SqliteConnection, table: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn all_tables_are_written_once_with_their_declared_types() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.db");
        let written = write(&path, 0.001).await.unwrap();
        assert_eq!(write(&path, 0.001).await.unwrap(), Written::Before);

        let mut connection = open(&path).await;
        let mut total = 0;
        for table in TABLES {
            total += count(&mut connection, table).await;
        }
        assert_eq!(written, Written::Now(u64::try_from(total).unwrap()));
        assert_eq!(count(&mut connection, "customer").await, 150);
        assert_eq!(count(&mut connection, "orders").await, 1500);
        assert_eq!(count(&mut connection, "nation").await, 25);

        let rows = sqlx::query("SELECT name, type FROM pragma_table_info('lineitem')");
        let types: Vec<(String, String)> = rows
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        assert_eq!(types.len(), 16);
        for (column, expected) in [
            ("l_orderkey", "BIGINT"),
            ("l_linenumber", "INTEGER"),
            ("l_tax", "DECIMAL(15,2)"),
            ("l_shipdate", "DATE"),
            ("l_comment", "VARCHAR(44)"),
        ] {
            assert!(types.contains(&(column.to_owned(), expected.to_owned())), "{column}: {types:?}");
        }
    }

    #[tokio::test]
    async fn values_are_those_of_the_specification() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.db");
        write(&path, 0.001).await.unwrap();
        let sql = "SELECT c_custkey, c_name, c_nationkey, c_phone, printf('%.2f', c_acctbal), c_mktsegment, \
            typeof(c_acctbal), c_comment FROM customer WHERE c_custkey = 1";
        let row = sqlx::query(sql).fetch_one(&mut open(&path).await).await.unwrap();
        assert_eq!((row.get::<i64, _>(0), row.get::<String, _>(1)), (1, "Customer#000000001".to_owned()));
        assert_eq!((row.get::<i64, _>(2), row.get::<String, _>(3)), (15, "25-989-741-2988".to_owned()));
        assert_eq!(
            (row.get::<String, _>(4), row.get::<String, _>(5)),
            ("711.56".to_owned(), "BUILDING".to_owned())
        );
        assert_eq!(row.get::<String, _>(6), "real");
        let comment = "to the even, regular platelets. regular, ironic epitaphs nag e";
        assert_eq!(row.get::<String, _>(7), comment);
    }

    #[tokio::test]
    async fn a_scale_that_makes_no_sense_is_refused_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.db");
        for scale in [0.0, -1.0, f64::NAN, 101.0] {
            assert!(write(&path, scale).await.is_err(), "{scale}");
        }
        assert!(!path.exists());
    }
}
