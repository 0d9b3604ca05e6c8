//! Rows that programs send to a node that is killed: those that were acknowledged are there, the others once or not at all, and
//! those of one request together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use super::{Before, STAGES};
use crate::support::gateway::Gateway;
use crate::support::program;

const ROWS: i64 = 20;
const SENDERS: usize = 4;

/// Sends requests until one is not answered. Gives the numbers of those that were acknowledged.
async fn sends(client: reqwest::Client, url: String, token: String, numbers: Arc<AtomicI64>) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    loop {
        let request = numbers.fetch_add(1, Ordering::Relaxed);
        let row = |n: i64| json!({ "request": request, "n": request * ROWS + n }).to_string() + "\n";
        let sent = client
            .post(format!("{url}/v1/tables/sales/orders/rows"))
            .bearer_auth(&token)
            .header("content-type", "application/x-ndjson")
            .body((0..ROWS).map(row).collect::<String>());
        let Ok(answer) = sent.send().await else { return acknowledged };
        match (answer.status().as_u16(), answer.json::<Value>().await) {
            (200, Ok(body)) => {
                assert_eq!(body["rows"], ROWS);
                acknowledged.push(request);
            }
            // The first words of an answer came, and no more.
            (200, Err(_)) => return acknowledged,
            (status, body) => panic!("{status}: {body:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_are_there_whenever_the_node_is_killed() {
    let gateway = Gateway::start()
        .await
        .with_policy("grants: [{ to: 'user:bo', on: \"sales.*\", permissions: [select, insert] }]")
        .await;
    crate::support::versions::publish(&gateway, "sales.orders", &["request bigint", "n bigint"], "").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let numbers = Arc::new(AtomicI64::new(0));
    let mut acknowledged = Vec::new();
    for stage in STAGES {
        let (mut node, url) = program::serve(gateway.folder.path()).await;
        let before = Before::of(&gateway);
        let senders = (0..SENDERS).map(|_| {
            let (client, token) = (client.clone(), gateway.token("bo"));
            tokio::spawn(sends(client, url.clone(), token, Arc::clone(&numbers)))
        });
        let senders = senders.collect::<Vec<_>>();
        assert!(before.killed(&mut node, stage).await, "a node ended by itself");
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
        gateway.app.refresh().await.unwrap();
        let sql = "SELECT request, count(*), count(DISTINCT n) FROM sales.orders GROUP BY request";
        let answer = gateway.sql("bo", sql).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let rows = answer.json()["rows"].as_array().unwrap().clone();
        let there = rows
            .iter()
            .map(|row| (row[0].as_i64().unwrap(), (row[1].clone(), row[2].clone())))
            .collect::<BTreeMap<_, _>>();
        for (request, found) in &there {
            assert_eq!(*found, (json!(ROWS), json!(ROWS)), "{stage:?}: request {request}");
        }
        let lost = acknowledged.iter().filter(|request| !there.contains_key(request)).collect::<Vec<_>>();
        assert!(lost.is_empty(), "{stage:?}: {lost:?} were acknowledged");
        assert!(there.len() <= acknowledged.len() + SENDERS * STAGES.len());
    }
    assert!(acknowledged.len() > 2, "only {} requests were acknowledged", acknowledged.len());
}
