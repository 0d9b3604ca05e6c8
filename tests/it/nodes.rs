//! Several nodes on one store: what one changes holds on the others, and a node that has lost the store stops in time.

use std::time::{Duration, Instant};

use lakegate::store::record::Format;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::gateway::Gateway;
use crate::support::postgres::PostgresServer;

const ASK: &str = "SELECT count(*) FROM shop.items";

async fn node(store: &str, grace: Duration) -> Gateway {
    Gateway::start_with(|config| {
        config.store.url = store.to_owned();
        config.store.grace = grace;
    })
    .await
}

async fn with_table(node: &Gateway) {
    let folder = node.folder.path().join("files/items");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("rows.csv"), "id\n1\n2\n").unwrap();
    node.register(&"shop.items".parse().unwrap(), &folder, Format::Csv).await;
}

/// How long it takes until `node` answers as `expected`.
async fn until(node: &Gateway, expected: u16) -> Duration {
    let started = Instant::now();
    while node.sql("ana", ASK).await.status != expected {
        assert!(started.elapsed() < Duration::from_secs(10), "the other node's change never came");
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_one_node_holds_on_the_other_within_a_second() {
    let store = PostgresServer::shared().await.database().await;
    let (one, other) =
        (node(&store, Duration::from_secs(60)).await, node(&store, Duration::from_secs(60)).await);
    with_table(&one).await;
    let mut waits = Vec::new();
    for _ in 0..5 {
        let grant = json!({ "to": "user:ana", "on": "shop.items", "permissions": ["select"] });
        let made = one.post("admin", "/v1/grants", &grant).await;
        assert_eq!(made.status, 201, "{}", made.text());
        assert_eq!(one.sql("ana", ASK).await.status, 200, "at once where it was made");
        waits.push(until(&other, 200).await);
        let path = format!("/v1/grants/{}", made.json()["id"].as_str().unwrap());
        let revoke = one.request(reqwest::Method::DELETE, &path).bearer_auth(one.token("admin"));
        assert_eq!(one.send(revoke).await.status, 204);
        assert_eq!(one.sql("ana", ASK).await.code(), "table_not_found", "at once where it was taken back");
        waits.push(until(&other, 404).await);
    }
    waits.sort();
    println!("in force on the other node after {waits:?}");
    // The median: what else the machine does may hold up one of ten.
    assert!(waits[5] < Duration::from_secs(1), "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_loses_the_store_serves_for_its_grace_and_then_refuses() {
    let store = PostgresServer::shared().await.database().await;
    let mut line = Line::to(&store).await;
    let node = node(&line.url, Duration::from_secs(4)).await;
    with_table(&node).await;
    let node =
        node.with_policy("grants: [{ to: \"user:ana\", on: shop.items, permissions: [select] }]").await;
    line.cut().await;
    let cut = Instant::now();
    assert_eq!(node.sql("ana", ASK).await.status, 200, "with what it has");
    let refused = loop {
        let answer = node.sql("ana", ASK).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(cut.elapsed() < Duration::from_secs(20), "it serves for ever");
    };
    assert!(cut.elapsed() > Duration::from_secs(2), "not before its grace is over");
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"), "{}", refused.text());
    assert_eq!(node.get("ana", "/v1/tables").await.status, 503, "the listings too");
    line.mend().await;
    until(&node, 200).await;
}

/// A connection to the store that can be cut.
struct Line {
    url: String,
    to: String,
    at: std::net::SocketAddr,
    running: JoinSet<()>,
}

impl Line {
    async fn to(store: &str) -> Self {
        let mut url = url::Url::parse(store).unwrap();
        let to = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        url.set_port(Some(at.port())).unwrap();
        let mut line = Self { url: url.to_string(), to, at, running: JoinSet::new() };
        line.carry(listener);
        line
    }

    fn carry(&mut self, listener: TcpListener) {
        let to = self.to.clone();
        self.running.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.clone();
                carried.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(to).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
    }

    async fn cut(&mut self) {
        self.running.shutdown().await;
    }

    async fn mend(&mut self) {
        let listener = TcpListener::bind(self.at).await.unwrap();
        self.carry(listener);
    }
}
