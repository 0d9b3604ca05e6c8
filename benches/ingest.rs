//! PostgreSQL → lake: TPC-H's lineitem through the whole ingestion, beside `COPY … (FORMAT binary)` of the same table to
//! nowhere on one and on two connections, and, by `benches/peers/ingest.sh`, beside other systems: seconds, rows a second
//! and the peak of each process.
//!
//! A private PostgreSQL is started for it. `SCALE` (1) and `ROUNDS` (3) come from the environment. All take turns, each in a
//! process of its own, and the ratios are of the same round.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/it/support/postgres.rs"]
mod postgres;

use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use futures::TryStreamExt;
use lakegate::app::{App, audit_into};
use lakegate::catalog::publish::Catalog;
use lakegate::cli::init::lay_out;
use lakegate::config::Config;
use lakegate::ingest::mode::Mode;
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

/// Where a process finds what it is to do, and where.
const PART: &str = "LAKEGATE_BENCH_PART";
const URL: &str = "LAKEGATE_BENCH_URL";

/// What a process has come to.
#[derive(Debug, Clone, Copy)]
struct Figures {
    rows: u64,
    seconds: f64,
    /// MiB.
    peak: u64,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match (std::env::var(PART), std::env::var(URL)) {
        (Ok(part), Ok(url)) => runtime.block_on(play(&part, &url)),
        _ => runtime.block_on(async {
            let url = postgres::PostgresServer::shared().await.database().await;
            own("fill", &url);
            compare(&url);
        }),
    }
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// All contenders in turn, and the table of their medians.
fn compare(url: &str) {
    let python = std::env::var_os("LAKEGATE_PEERS_PYTHON");
    let peers: &[&str] = match python {
        Some(_) => &["connectorx-1", "connectorx-2", "connectorx-4", "adbc"],
        None => &[],
    };
    let names: Vec<&str> = ["lakegate", "copy-1", "copy-2"].iter().chain(peers).copied().collect();
    let mut rounds: Vec<Vec<Figures>> = Vec::new();
    for round in 0..setting("ROUNDS", 3) {
        let run = |name: &&str| {
            let figures = match (&python, name.starts_with("connectorx") || *name == "adbc") {
                (Some(python), true) => peer(python, name, url),
                _ => own(name, url),
            };
            println!("round {round}: {name} {:.2} s, {} MiB", figures.seconds, figures.peak);
            figures
        };
        rounds.push(names.iter().map(run).collect());
    }
    println!(
        "\n{:14} {:>9} {:>8} {:>12} {:>9} {:>18}",
        "", "rows", "seconds", "rows/s", "peak MiB", "lakegate takes"
    );
    for (at, name) in names.iter().enumerate() {
        let of = |value: fn(&Figures) -> f64| median(rounds.iter().map(|round| value(&round[at])).collect());
        let ratio = median(rounds.iter().map(|round| round[0].seconds / round[at].seconds).collect());
        let seconds = of(|figures| figures.seconds);
        let rows = rounds[0][at].rows;
        let peak = of(|figures| figures.peak as f64);
        println!(
            "{name:14} {rows:>9} {seconds:>8.2} {:>12.0} {peak:>9.0} {ratio:>14.2} times",
            rows as f64 / seconds
        );
    }
    let best = |round: &Vec<Figures>| {
        let connectorx = names.iter().zip(round).filter(|(name, _)| name.starts_with("connectorx"));
        round[0].seconds / connectorx.map(|(_, figures)| figures.seconds).fold(f64::INFINITY, f64::min)
    };
    if python.is_some() {
        println!(
            "of the best ConnectorX of each round: {:.2} times",
            median(rounds.iter().map(best).collect())
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Runs a part of ours in a process of its own: the generator keeps 300 MiB of text, and a run what the one before left in the
/// heap, which would count as memory of the ingestion.
fn own(part: &str, url: &str) -> Figures {
    let mut this = Command::new(std::env::current_exe().unwrap());
    figures(this.env(PART, part).env(URL, url), part)
}

fn peer(python: &std::ffi::OsStr, name: &str, url: &str) -> Figures {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/ingest.py");
    figures(Command::new(python).args([script, name, url]), name)
}

/// What the last line of `command` says.
fn figures(command: &mut Command, name: &str) -> Figures {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{name}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.lines().last().unwrap_or_default().split_whitespace();
    let mut next = || words.next().unwrap_or("0").to_owned();
    Figures { rows: next().parse().unwrap(), seconds: next().parse().unwrap(), peak: next().parse().unwrap() }
}

async fn play(part: &str, url: &str) {
    let (rows, seconds) = match part {
        "fill" => (0, load(url, setting("SCALE", 1.0)).await),
        "copy-1" => copy_to_nowhere(url, 1).await,
        "copy-2" => copy_to_nowhere(url, 2).await,
        _ => bring_in(url).await,
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let peak = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024;
    println!("{rows} {seconds:.3} {peak}");
}

async fn load(url: &str, scale: f64) -> f64 {
    let started = Instant::now();
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
    // As a table that has been there for a while: no run pays for what the filling left to do.
    connection.execute("VACUUM ANALYZE lineitem").await.unwrap();
    started.elapsed().as_secs_f64()
}

/// All rows in the server's binary form, on `connections` of which each takes as many blocks of the table.
async fn copy_to_nowhere(url: &str, connections: u64) -> (u64, f64) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let size = "SELECT pg_relation_size('lineitem') / 8192, (SELECT count(*) FROM lineitem)";
    let (blocks, rows): (i64, i64) = sqlx::query_as(size).fetch_one(&mut connection).await.unwrap();
    let started = Instant::now();
    let parts = (0..connections).map(|at| {
        let cut = |at: u64| blocks as u64 * at / connections;
        let (from, to) = (cut(at), if at + 1 == connections { u32::MAX.into() } else { cut(at + 1) });
        let rows = format!("SELECT * FROM lineitem WHERE ctid >= '({from},0)' AND ctid < '({to},0)'");
        let statement = format!("COPY ({rows}) TO STDOUT (FORMAT binary)");
        let url = url.to_owned();
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let stream = connection.copy_out_raw(&statement).await.unwrap();
            stream.try_for_each(|_| async { Ok(()) }).await.unwrap();
        })
    });
    for part in parts.collect::<Vec<_>>() {
        part.await.unwrap();
    }
    (rows as u64, started.elapsed().as_secs_f64())
}

async fn bring_in(url: &str) -> (u64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::load(Some(&lay_out(folder.path(), &[]).await.unwrap())).unwrap();
    let (memory, readers) = (config.limits.ingest_memory, config.limits.ingest_readers);
    let app = App::build(config).await.unwrap();
    let context = Context {
        catalog: Catalog::new(app.store.clone(), "bench"),
        lake: app.lake.clone(),
        audit: audit_into(&app.store),
        memory,
    };
    let started = Instant::now();
    let mut source = source::open(url, ReadOptions { readers, ..ReadOptions::default() }).await.unwrap();
    let job = Job {
        tables: vec!["lineitem".to_owned()],
        exclude: Vec::new(),
        into: "bench".to_owned(),
        mode: Mode::Snapshot,
    };
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let summary = ingest::run(&context, source.as_mut(), &job, &progress).await.unwrap();
    assert!(summary.is_complete(), "{summary:?}");
    (summary.tables[0].rows, started.elapsed().as_secs_f64())
}
