//! What a large result costs in memory: `SELECT *` of 10 million rows over HTTP as Arrow, CSV and NDJSON, with the
//! peak of the whole process (server, and a client that only counts bytes) after each.
//!
//! `ROWS` (default 10000000) and `DATA` (a folder that is kept between runs) come from the environment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use futures::StreamExt;
use lakegate::app::App;
use lakegate::catalog::publish::Catalog;
use lakegate::catalog::register::register;
use lakegate::cli::init::lay_out;
use lakegate::config::Config;
use lakegate::identity::LocalIssuer;
use lakegate::policy::model::TableName;
use lakegate::serve::listener::Listener;
use lakegate::store::record::Format;

const FORMATS: [&str; 3] = ["application/vnd.apache.arrow.stream", "text/csv", "application/x-ndjson"];
const POLICY: &str = "grants: [{ to: public, on: bench.wide, permissions: [select], rows: \"id >= 0\" }]";

fn main() {
    let rows: i64 = setting("ROWS", "10000000").parse().expect("ROWS is a number");
    let data = PathBuf::from(setting("DATA", "/tmp/lakegate-bench")).join(format!("wide-{rows}"));
    write_table(&data, rows);
    tokio::runtime::Runtime::new().unwrap().block_on(measure(&data, rows));
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

async fn measure(data: &Path, rows: i64) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::load(Some(&lay_out(folder.path(), &[]).await.unwrap())).unwrap();
    let issuer = LocalIssuer::open(config.auth.signing_key.as_ref().unwrap()).unwrap();
    let token = issuer.issue("reader", &[], &Default::default(), Duration::from_secs(3600)).unwrap();
    let app = App::build(config).await.unwrap();
    let catalog = Catalog::new(app.store.clone(), "bench");
    let location = format!("file://{}", data.display());
    register(&catalog, &app.lake, &TableName::new("bench", "wide"), &location, Format::Parquet)
        .await
        .unwrap();
    lakegate::app::policy::apply(&app, "bench", &[("bench.yaml".to_owned(), POLICY.to_owned())], false)
        .await
        .unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let url = format!("http://{}/v1/sql", listener.address());
    tokio::spawn(lakegate::serve::http::serve(Arc::clone(&app), listener, std::future::pending()));
    println!("{rows} rows");
    println!("{:40} {:>10} {:>12} {:>10}", "format", "seconds", "bytes", "peak MiB");
    for format in FORMATS {
        reset_peak();
        let started = Instant::now();
        let request = reqwest::Client::new().post(&url).bearer_auth(&token).header("accept", format);
        let answer =
            request.json(&serde_json::json!({ "sql": "SELECT * FROM bench.wide" })).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let (mut bytes, mut body) = (0, answer.bytes_stream());
        while let Some(part) = body.next().await {
            bytes += part.unwrap().len();
        }
        println!("{format:40} {:>10.1} {bytes:>12} {:>10}", started.elapsed().as_secs_f64(), peak());
    }
}

/// The largest resident size since [`reset_peak`], in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn write_table(data: &Path, rows: i64) {
    let path = data.join("rows.parquet");
    if path.exists() {
        return;
    }
    std::fs::create_dir_all(data).unwrap();
    let batch = |from: i64, to: i64| {
        RecordBatch::try_from_iter([
            ("id", Arc::new((from..to).collect::<Int64Array>()) as _),
            (
                "name",
                Arc::new((from..to).map(|id| Some(format!("customer number {id}"))).collect::<StringArray>())
                    as _,
            ),
            ("amount", Arc::new((from..to).map(|id| id as f64 / 7.0).collect::<Float64Array>()) as _),
            (
                "note",
                Arc::new((from..to).map(|id| Some(format!("{:x}", id * 7919))).collect::<StringArray>()) as _,
            ),
        ])
        .unwrap()
    };
    let file = std::fs::File::create(path.with_extension("part")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch(0, 1).schema(), None).unwrap();
    for from in (0..rows).step_by(100_000) {
        writer.write(&batch(from, rows.min(from + 100_000))).unwrap();
    }
    writer.close().unwrap();
    std::fs::rename(path.with_extension("part"), path).unwrap();
}
