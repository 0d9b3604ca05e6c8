//! A thousand connections at each door, and fifty of them asking at once.

use std::time::{Duration, Instant};

use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Channel;

use crate::support::gateway::Gateway;
use crate::support::pg_client;

const OPEN: usize = 1000;
const ACTIVE: usize = 50;

/// Enough work that all of them are at it together.
const SQL: &str = "SELECT count(*), max(id) FROM s.t, generate_series(1, 200000) AS g(v)";

async fn gateway() -> Gateway {
    // Both ends of each connection are in this process.
    let process = std::process::id().to_string();
    let limit = ["--pid", &process, "--nofile=16384:"];
    assert!(tokio::process::Command::new("prlimit").args(limit).status().await.unwrap().success());
    let gateway = Gateway::start().await.with_csv("s.t", "id\n1\n2\n").await;
    gateway.with_policy("grants: [{ to: \"user:ana\", on: s.t, permissions: [select], rows: id < 9 }]").await
}

/// What the process holds in memory, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Opens the connections with `connect` and lets some of them `ask`. Prints what both took.
async fn crowd<C>(door: &str, connect: impl AsyncFn() -> C, ask: impl AsyncFn(&mut C) -> String) {
    let (before, start) = (resident(), Instant::now());
    let mut open = Vec::with_capacity(OPEN);
    while open.len() < OPEN {
        open.extend(join_all((0..ACTIVE).map(|_| connect())).await);
    }
    let (connected, held) = (start.elapsed(), resident().saturating_sub(before));
    let asking = Instant::now();
    let answers = join_all(open.iter_mut().step_by(OPEN / ACTIVE).map(|one| ask(one))).await;
    assert_eq!(answers, vec!["400000 2".to_owned(); ACTIVE], "{door}");
    let asked = asking.elapsed();
    // The others are still there.
    assert_eq!(ask(open.last_mut().unwrap()).await, "400000 2", "{door}");
    println!(
        "{door}: {OPEN} connections in {connected:.1?}, {held} MiB for both ends; {ACTIVE} queries in {asked:.1?}, {} MiB in all",
        resident()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_and_fifty_queries_at_each_door() {
    let gateway = gateway().await;
    let token = gateway.token("ana");

    let address = gateway.url.trim_start_matches("http://").to_owned();
    let body = json!({ "sql": SQL }).to_string();
    let request = format!(
        "POST /v1/sql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\naccept: text/csv\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let ask = async |socket: &mut TcpStream| {
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
        }
        let text = String::from_utf8(answer).unwrap();
        let row = text.lines().find(|line| line.starts_with("400000,")).unwrap_or(&text);
        row.replace(',', " ")
    };
    crowd("HTTP", async || TcpStream::connect(&address).await.unwrap(), ask).await;

    let connect = async || {
        let channel = Channel::from_shared(gateway.flight.clone()).unwrap().connect().await.unwrap();
        let mut client = FlightSqlServiceClient::new(channel);
        client.set_token(token.clone());
        client
    };
    let ask = async |client: &mut FlightSqlServiceClient<Channel>| {
        let info = client.execute(SQL.to_owned(), None).await.unwrap();
        let rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
        let batches: Vec<_> = rows.try_collect().await.unwrap();
        let text = |column| {
            let column = batches[0].column(column);
            arrow::util::display::array_value_to_string(column, 0).unwrap()
        };
        format!("{} {}", text(0), text(1))
    };
    crowd("Flight SQL", connect, ask).await;

    let ask = async |client: &mut pg_client::Client| {
        let row = client.query_one(SQL, &[]).await.unwrap();
        format!("{} {}", row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    crowd("PostgreSQL", async || pg_client::connect(&gateway, "ana", "s").await.unwrap(), ask).await;

    tokio::time::timeout(Duration::from_secs(60), gateway.sql("ana", "SELECT 1")).await.expect("it goes on");
}
