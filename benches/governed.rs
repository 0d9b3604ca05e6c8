//! What governing costs: TPC-H's 22 queries with row filters on `lineitem` and `orders`, through the gateway's whole
//! path, against plain DataFusion with the same filters written by hand, on the same files, side by side in one run.
//!
//! `SCALE` (default 1), `ROUNDS` (default 5) and `DATA` (a folder that is kept between runs) come from the environment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};
use lakegate::app::App;
use lakegate::catalog::publish::Catalog;
use lakegate::catalog::register::register;
use lakegate::cli::init::lay_out;
use lakegate::config::Config;
use lakegate::policy::model::TableName;
use lakegate::policy::principal::Identity;
use lakegate::query::{self, Dialect, Request};
use lakegate::store::record::Format;
use uuid::Uuid;

const TABLES: [&str; 8] =
    ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// A table's rules, as a policy and by hand.
struct Ruled {
    table: &'static str,
    /// Fields of the grant.
    grant: &'static str,
    /// Further entries of `grants` and `restrictions`.
    more: (&'static str, &'static str),
    /// What stands for the table.
    view: &'static str,
}

/// Row filters on the two large tables.
const ROWS: [Ruled; 2] = [
    Ruled {
        table: "lineitem",
        grant: ", rows: \"l_linestatus = 'F' OR l_quantity < 45\"",
        more: ("", ""),
        view: "SELECT * FROM raw_lineitem WHERE l_linestatus = 'F' OR l_quantity < 45",
    },
    Ruled {
        table: "orders",
        grant: ", rows: \"o_orderpriority <> '5-LOW'\"",
        more: ("", ""),
        view: "SELECT * FROM raw_orders WHERE o_orderpriority <> '5-LOW'",
    },
];

/// Row filters, masks and cell rules together.
const ALL: [Ruled; 4] = [
    Ruled {
        table: "lineitem",
        grant: ", rows: \"l_linestatus = 'F' OR l_quantity < 45\"",
        more: ("", "  - { name: comment, on: tpch.lineitem.l_comment, mask: 'null' }\n"),
        view: "SELECT l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, \
               l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, \
               CAST(NULL AS VARCHAR) AS l_comment FROM raw_lineitem WHERE l_linestatus = 'F' OR l_quantity < 45",
    },
    Ruled {
        table: "orders",
        grant: ", rows: \"o_orderpriority <> '5-LOW'\"",
        more: ("", "  - { name: clerk, on: tpch.orders.o_clerk, mask: { using: \"left(o_clerk, 5)\" } }\n"),
        view: "SELECT o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, \
               left(o_clerk, 5) AS o_clerk, o_shippriority, o_comment FROM raw_orders WHERE o_orderpriority <> '5-LOW'",
    },
    Ruled {
        table: "customer",
        grant: ", columns: { exclude: [c_acctbal] }",
        more: (
            "  - { to: \"user:reader\", on: tpch.customer, permissions: [select], rows: \"c_mktsegment <> 'BUILDING'\" }\n",
            "  - { name: phone, on: tpch.customer.c_phone, mask: { using: \"left(c_phone, 2) || '-'\" } }\n",
        ),
        view: "SELECT c_custkey, c_name, c_address, c_nationkey, \
               CASE WHEN c_phone IS NOT NULL THEN left(c_phone, 2) || '-' END AS c_phone, \
               CASE WHEN c_mktsegment <> 'BUILDING' THEN c_acctbal END AS c_acctbal, c_mktsegment, c_comment \
               FROM raw_customer",
    },
    Ruled {
        table: "supplier",
        grant: ", columns: { exclude: [s_acctbal] }",
        more: (
            "  - { to: \"user:reader\", on: tpch.supplier, permissions: [select], rows: \"s_nationkey < 20\" }\n",
            "",
        ),
        view: "SELECT s_suppkey, s_name, s_address, s_nationkey, s_phone, \
               CASE WHEN s_nationkey < 20 THEN s_acctbal END AS s_acctbal, s_comment FROM raw_supplier",
    },
];

fn main() {
    let scale = setting("SCALE", "1");
    let rounds: usize = setting("ROUNDS", "5").parse().expect("ROUNDS is a number");
    let data = PathBuf::from(setting("DATA", "/tmp/lakegate-bench")).join(format!("tpch-{scale}"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        write_tables(&data, scale.parse().expect("SCALE is a number"));
        for (name, ruled) in [("row filters", &ROWS[..]), ("row filters, masks and cell rules", &ALL[..])] {
            println!("{name}");
            let (plain, governed) = (plain(&data, ruled).await, Governed::start(&data, ruled).await);
            compare(&plain, &governed, rounds).await;
        }
    });
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn compare(plain: &SessionContext, governed: &Governed, rounds: usize) {
    let (mut plain_total, mut governed_total) = (0.0, 0.0);
    println!("{:>5} {:>12} {:>12} {:>8}", "query", "plain ms", "governed ms", "ratio");
    for (at, sql) in queries().iter().enumerate() {
        let (mut by_plain, mut by_governed) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            // In turn, so that a machine that slows down slows both; the first round only warms up.
            let plain_took = plain_run(plain, sql).await;
            let governed_took = governed.run(sql).await;
            assert_eq!(plain_took.1, governed_took.1, "query {} gives as many rows", at + 1);
            if round > 0 {
                by_plain.push(plain_took.0);
                by_governed.push(governed_took.0);
            }
        }
        let (plain_ms, governed_ms) = (median(by_plain), median(by_governed));
        plain_total += plain_ms;
        governed_total += governed_ms;
        println!("{:>5} {plain_ms:>12.1} {governed_ms:>12.1} {:>8.3}", at + 1, governed_ms / plain_ms);
    }
    println!("{:>5} {plain_total:>12.1} {governed_total:>12.1} {:>8.3}", "all", governed_total / plain_total);
}

fn queries() -> Vec<String> {
    include_str!("tpch.sql")
        .split("-- q")
        .skip(1)
        .map(|part| part.split_once('\n').unwrap().1.to_owned())
        .collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

async fn plain_run(context: &SessionContext, sql: &str) -> (f64, usize) {
    let started = Instant::now();
    let mut rows = context.sql(sql).await.unwrap().execute_stream().await.unwrap();
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        count += batch.unwrap().num_rows();
    }
    (started.elapsed().as_secs_f64() * 1000.0, count)
}

/// Plain DataFusion, with the rules as views.
async fn plain(data: &Path, ruled: &[Ruled]) -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new());
    for table in TABLES {
        let url = ListingTableUrl::parse(format!("{}/", data.join(table).display())).unwrap();
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
        let config = ListingTableConfig::new(url)
            .with_listing_options(options)
            .infer_schema(&context.state())
            .await
            .unwrap();
        let rule = ruled.iter().find(|rule| rule.table == table);
        let name = if rule.is_some() { format!("raw_{table}") } else { table.to_owned() };
        context.register_table(&name, Arc::new(ListingTable::try_new(config).unwrap())).unwrap();
        if let Some(rule) = rule {
            let view = format!("CREATE VIEW {table} AS {}", rule.view);
            context.sql(&view).await.unwrap().collect().await.unwrap();
        }
    }
    context
}

/// The gateway, with the rules as grants.
struct Governed {
    app: Arc<App>,
    reader: Arc<Identity>,
    _folder: tempfile::TempDir,
}

impl Governed {
    async fn start(data: &Path, ruled: &[Ruled]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = lay_out(folder.path(), &[]).await.unwrap();
        let mut config = Config::load(Some(&path)).unwrap();
        config.limits.memory = 8 << 30;
        let app = App::build(config).await.unwrap();
        let catalog = Catalog::new(app.store.clone(), "bench");
        for table in TABLES {
            let location = format!("file://{}", data.join(table).display());
            let name = TableName::new("tpch", table);
            register(&catalog, &app.lake, &name, &location, Format::Parquet).await.unwrap();
        }
        let (mut policy, mut restrictions) = (String::from("grants:\n"), String::new());
        for table in TABLES {
            let rule = ruled.iter().find(|rule| rule.table == table);
            let grant = rule.map_or("", |rule| rule.grant);
            policy +=
                &format!("  - {{ to: \"user:reader\", on: tpch.{table}, permissions: [select]{grant} }}\n");
            if let Some(rule) = rule {
                policy += rule.more.0;
                restrictions += rule.more.1;
            }
        }
        if !restrictions.is_empty() {
            policy += &format!("restrictions:\n{restrictions}");
        }
        lakegate::app::policy::apply(&app, "bench", &[("bench.yaml".to_owned(), policy)], false)
            .await
            .unwrap();
        let reader =
            Identity { user: "reader".to_owned(), groups: BTreeSet::new(), attributes: Default::default() };
        Self { app, reader: Arc::new(reader), _folder: folder }
    }

    async fn run(&self, sql: &str) -> (f64, usize) {
        let request = Request {
            query_id: Uuid::now_v7(),
            sql: sql.to_owned(),
            dialect: Dialect::Plain,
            params: Vec::new(),
            database: Some("tpch".to_owned()),
            strict: false,
            max_rows: None,
            door: "bench",
            watch: None,
        };
        let started = Instant::now();
        let answer = query::run(&self.app, Arc::clone(&self.reader), request).await.unwrap();
        let count =
            answer.rows.try_fold(0, |sum, batch| async move { Ok(sum + batch.num_rows()) }).await.unwrap();
        (started.elapsed().as_secs_f64() * 1000.0, count)
    }
}

/// Writes TPC-H as one Parquet file a table, unless the folder has it.
fn write_tables(data: &Path, scale: f64) {
    use tpchgen::generators as of;
    use tpchgen_arrow as arrow_of;
    let file = |table: &str| data.join(table).join("rows.parquet");
    if TABLES.iter().all(|table| file(table).exists()) {
        return;
    }
    write(&file("region"), arrow_of::RegionArrow::new(of::RegionGenerator::new(scale, 1, 1)));
    write(&file("nation"), arrow_of::NationArrow::new(of::NationGenerator::new(scale, 1, 1)));
    write(&file("supplier"), arrow_of::SupplierArrow::new(of::SupplierGenerator::new(scale, 1, 1)));
    write(&file("customer"), arrow_of::CustomerArrow::new(of::CustomerGenerator::new(scale, 1, 1)));
    write(&file("part"), arrow_of::PartArrow::new(of::PartGenerator::new(scale, 1, 1)));
    write(&file("partsupp"), arrow_of::PartSuppArrow::new(of::PartSuppGenerator::new(scale, 1, 1)));
    write(&file("orders"), arrow_of::OrderArrow::new(of::OrderGenerator::new(scale, 1, 1)));
    write(&file("lineitem"), arrow_of::LineItemArrow::new(of::LineItemGenerator::new(scale, 1, 1)));
}

fn write<E: std::fmt::Debug>(path: &Path, rows: impl Iterator<Item = Result<arrow::array::RecordBatch, E>>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut rows = rows.map(Result::unwrap);
    let first = rows.next().unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::ZSTD(Default::default()))
        .build();
    let file = std::fs::File::create(path.with_extension("part")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, first.schema(), Some(properties)).unwrap();
    for batch in std::iter::once(first).chain(rows) {
        writer.write(&batch).unwrap();
    }
    writer.close().unwrap();
    // Only a file that is whole gets its name, so that a broken run is not taken for data.
    std::fs::rename(path.with_extension("part"), path).unwrap();
}
