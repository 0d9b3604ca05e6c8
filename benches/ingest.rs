//! PostgreSQL → lake: TPC-H's lineitem through the whole ingestion, with rows a second and the peak of the process,
//! beside `COPY … (FORMAT binary)` of the same table to nowhere.
//!
//! A private PostgreSQL is started for it. `SCALE` (default 1) comes from the environment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/it/support/postgres.rs"]
mod postgres;

use std::sync::Arc;
use std::time::Instant;

use futures::TryStreamExt;
use lakegate::app::{App, audit_into};
use lakegate::catalog::publish::Catalog;
use lakegate::cli::init::lay_out;
use lakegate::config::Config;
use lakegate::ingest::progress::{Progress, Silent};
use lakegate::ingest::source::{self, ReadOptions};
use lakegate::ingest::{self, Context, Job};
use sqlx::{Connection, Executor, PgConnection};
use tpchgen::csv::LineItemCsv;
use tpchgen::generators::LineItemGenerator;

const TABLE: &str = "CREATE UNLOGGED TABLE lineitem (l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, \
     l_suppkey bigint NOT NULL, l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL, \
     l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL, \
     l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, \
     l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct varchar(25) NOT NULL, \
     l_shipmode varchar(10) NOT NULL, l_comment varchar(44) NOT NULL)";

fn main() {
    let scale: f64 =
        std::env::var("SCALE").unwrap_or_else(|_| "1".to_owned()).parse().expect("SCALE is a number");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match (std::env::var("LAKEGATE_BENCH_PART").as_deref(), std::env::var("LAKEGATE_BENCH_URL")) {
        (Ok("fill"), Ok(url)) => runtime.block_on(load(&url, scale)),
        (Ok("bring in"), Ok(url)) => runtime.block_on(measure(&url)),
        _ => runtime.block_on(async {
            let url = postgres::PostgresServer::shared().await.database().await;
            run_part("fill", &url);
            (0..3).for_each(|_| run_part("bring in", &url));
        }),
    }
}

/// Runs a part in a process of its own: the generator keeps 300 MiB of text, and a run what the one before left in the
/// heap, which would count as memory of the ingestion.
fn run_part(part: &str, url: &str) {
    let mut this = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = this.env("LAKEGATE_BENCH_PART", part).env("LAKEGATE_BENCH_URL", url).status().unwrap();
    assert!(ended.success(), "{part}");
}

async fn measure(url: &str) {
    let copied = copy_to_nowhere(url).await;
    let (rows, seconds, peak) = bring_in(url).await;
    println!(
        "{rows} rows: {seconds:.1} s, {:.0} rows/s, peak {peak} MiB; COPY to nowhere {copied:.1} s",
        rows as f64 / seconds
    );
}

async fn load(url: &str, scale: f64) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(TABLE).await.unwrap();
    let mut copy = connection.copy_in_raw("COPY lineitem FROM STDIN (FORMAT csv)").await.unwrap();
    let mut text = String::new();
    for row in LineItemGenerator::new(scale, 1, 1) {
        text += &LineItemCsv::new(row).to_string();
        text.push('\n');
        if text.len() > 1 << 20 {
            copy.send(std::mem::take(&mut text).into_bytes()).await.unwrap();
        }
    }
    copy.send(text.into_bytes()).await.unwrap();
    copy.finish().await.unwrap();
}

async fn copy_to_nowhere(url: &str) -> f64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let started = Instant::now();
    let stream = connection.copy_out_raw("COPY lineitem TO STDOUT (FORMAT binary)").await.unwrap();
    stream.try_for_each(|_| async { Ok(()) }).await.unwrap();
    started.elapsed().as_secs_f64()
}

async fn bring_in(url: &str) -> (u64, f64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::load(Some(&lay_out(folder.path(), &[]).await.unwrap())).unwrap();
    let memory = config.limits.ingest_memory;
    let app = App::build(config).await.unwrap();
    let context = Context {
        catalog: Catalog::new(app.store.clone(), "bench"),
        lake: app.lake.clone(),
        audit: audit_into(&app.store),
        memory,
    };
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let started = Instant::now();
    let mut source = source::open(url, ReadOptions::default()).await.unwrap();
    let job = Job { tables: vec!["lineitem".to_owned()], into: "bench".to_owned() };
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let summary = ingest::run(&context, source.as_mut(), &job, &progress).await.unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let peak = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024;
    (summary.tables[0].rows, seconds, peak)
}
