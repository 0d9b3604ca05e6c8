//! Sources, jobs and runs: kept without giving a password away, run once by one of many nodes, and tried again.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use lakegate::ingest::jobs::worker::Worker;
use lakegate::store::runs::{RunFilter, RunState};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection, Executor};
use tokio_util::sync::CancellationToken;

use crate::support::gateway::{Gateway, Response};
use crate::support::house::sqlite;
use crate::support::postgres::PostgresServer;

const POLICY: &str = "grants: [{ to: public, on: \"shop.*\", permissions: [select] }]";

/// A node that runs jobs for as long as this lives.
struct Working(CancellationToken);

impl Working {
    fn on(gateway: &Gateway) -> Self {
        let stop = CancellationToken::new();
        let (worker, until) = (Worker::new(Arc::clone(&gateway.app)), stop.clone());
        tokio::spawn(async move { worker.work(&until).await });
        Self(stop)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn source(url: &str, setup: &[&str]) -> AnyConnection {
    install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.unwrap();
    for statement in setup {
        connection.execute(sqlx::AssertSqlSafe((*statement).to_owned())).await.unwrap();
    }
    connection
}

const ITEM: &str = "CREATE TABLE item (id bigint PRIMARY KEY NOT NULL, name varchar(40))";

async fn created(gateway: &Gateway, path: &str, body: Value) {
    let made = gateway.post("admin", path, &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
}

/// A gateway with the source `shop` at `url` and the job `items`.
async fn with_job(gateway: &Gateway, url: &str, more: Value) {
    created(gateway, "/v1/sources", json!({ "name": "shop", "url": url })).await;
    let mut job =
        json!({ "name": "items", "source": "shop", "tables": ["item"], "into": "shop", "retry_after": "1s" });
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    created(gateway, "/v1/ingest/jobs", job).await;
}

async fn run(gateway: &Gateway) -> String {
    let queued = gateway.post("admin", "/v1/ingest/jobs/items/run", &json!({})).await;
    assert_eq!(queued.status, 202, "{}", queued.text());
    queued.json()["run"].as_str().unwrap().to_owned()
}

/// The run `id` when it is over.
async fn over(gateway: &Gateway, id: &str) -> Value {
    let started = Instant::now();
    loop {
        let run = gateway.get("admin", &format!("/v1/ingest/runs/{id}")).await.json();
        if !["queued", "running"].contains(&run["state"].as_str().unwrap()) {
            return run;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{run}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn count(gateway: &Gateway) -> Value {
    gateway.app.refresh().await.unwrap();
    let answer = gateway.sql("ana", "SELECT count(*), count(DISTINCT id) FROM shop.item").await;
    if answer.status == 200 { answer.json()["rows"][0].clone() } else { json!(answer.code()) }
}

async fn with_method(gateway: &Gateway, method: Method, path: &str, body: &Value) -> Response {
    let request = gateway.request(method, path).bearer_auth(gateway.token("admin"));
    gateway.send(request.header("if-match", "*").json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_and_never_shown() {
    let server = PostgresServer::shared().await.database().await;
    let gateway = Gateway::start().await;
    let secret = "pa55-w0rd-of-the-shop";
    let url = format!("postgres://etl:{secret}@127.0.0.1:1/shop?options=-c%20x%3D{secret}");
    created(&gateway, "/v1/sources", json!({ "name": "shop", "url": url, "comment": "the shop" })).await;
    let shown = gateway.get("admin", "/v1/sources/shop").await;
    assert_eq!(
        shown.json(),
        json!({ "name": "shop", "url": "postgres://etl@127.0.0.1:1/shop", "comment": "the shop", "revision": 1 })
    );
    assert_eq!(
        gateway.post("admin", "/v1/sources", &json!({ "name": "shop", "url": url })).await.code(),
        "conflict"
    );
    let tested = gateway.post("admin", "/v1/sources/shop/test", &json!({})).await;
    assert_eq!(tested.code(), "unavailable", "{}", tested.text());
    for answer in [
        shown,
        tested,
        gateway.get("admin", "/v1/sources").await,
        gateway.get("admin", "/v1/audit").await,
        gateway.post("admin", "/v1/sources", &json!({ "name": "other", "url": url, "nope": 1 })).await,
        gateway.post("admin", "/v1/policy/export", &json!({})).await,
    ] {
        assert!(!answer.text().contains(secret), "{}", answer.text());
    }
    for file in ["lakegate.db", "lakegate.db-wal"] {
        let kept = std::fs::read(gateway.folder.path().join(file)).unwrap_or_default();
        assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
    }
    // What is kept is what was written: the server lets us in with it.
    let body = json!({ "name": "shop", "url": server });
    assert_eq!(with_method(&gateway, Method::PUT, "/v1/sources/shop", &body).await.status, 200);
    let tested = gateway.post("admin", "/v1/sources/shop/test", &json!({})).await;
    assert_eq!(tested.json()["tables"], 0, "{}", tested.text());
    // Nobody but administrators, and nothing of the environment but what is meant for it.
    for path in ["/v1/sources", "/v1/sources/shop", "/v1/ingest/jobs", "/v1/ingest/runs"] {
        assert_eq!(gateway.get("ana", path).await.code(), "permission_denied", "{path}");
    }
    let taken = json!({ "name": "taken", "url": "postgres://x:${PATH}@127.0.0.1:1/x" });
    created(&gateway, "/v1/sources", taken).await;
    let tested = gateway.post("admin", "/v1/sources/taken/test", &json!({})).await;
    assert!(tested.text().contains("only variables whose names begin with"), "{}", tested.text());
    // Without a key nothing is kept that should not be read.
    let bare = Gateway::start_with(|config| config.store.key_file = None).await;
    let refused = bare.post("admin", "/v1/sources", &json!({ "name": "shop", "url": url })).await;
    assert_eq!(refused.code(), "invalid_request");
    assert!(refused.text().contains("store.key_file") && !refused.text().contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_and_its_history_says_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite(folder.path()).await;
    let mut shop = source(&url, &[ITEM, "INSERT INTO item VALUES (1, 'a'), (2, 'b')"]).await;
    let gateway = Gateway::start().await.with_policy(POLICY).await;
    with_job(&gateway, &url, json!({ "mode": "merge", "bookmark": ["id"], "schedule": "0 2 * * *" })).await;
    let job = gateway.get("admin", "/v1/ingest/jobs/items").await.json();
    assert!(job["next_due"].as_str().unwrap().ends_with("T02:00:00Z"), "{job}");
    let id = run(&gateway).await;
    let waiting = gateway.get("admin", &format!("/v1/ingest/runs/{id}")).await.json();
    assert_eq!(
        (waiting["state"].as_str(), waiting["requested_by"].as_str()),
        (Some("queued"), Some("admin"))
    );
    let working = Working::on(&gateway);
    // Events until the end, and nothing behind it.
    let events = gateway.get("admin", &format!("/v1/ingest/runs/{id}/events")).await.text();
    assert!(
        events.contains("event: progress")
            && events.trim_end().lines().rev().nth(1).unwrap().starts_with("event: end"),
        "{events}"
    );
    let done = over(&gateway, &id).await;
    assert_eq!(done["state"], "succeeded", "{done}");
    let table = &done["outcome"]["tables"][0];
    assert_eq!(
        (&table["table"], &table["rows"], &table["version"]),
        (&json!("shop.item"), &json!(2), &json!(0))
    );
    assert_eq!(done["progress"]["tables"]["shop.item"]["state"], "done");
    assert_eq!(count(&gateway).await, json!([2, 2]));
    shop.execute("INSERT INTO item VALUES (3, 'c')").await.unwrap();
    let second = over(&gateway, &run(&gateway).await).await;
    assert_eq!(second["outcome"]["tables"][0]["rows"], 2, "the row at the bookmark is read again: {second}");
    assert_eq!(count(&gateway).await, json!([3, 3]));
    let ingested = gateway.get("admin", "/v1/audit?action=ingest").await.json();
    assert_eq!(
        (&ingested["items"][0]["actor"], &ingested["items"][0]["door"]),
        (&json!("admin"), &json!("job"))
    );
    // Pages of the history, newest first.
    let page = gateway.get("admin", "/v1/ingest/runs?job=items&limit=1").await.json();
    assert_eq!(page["items"][0]["id"], second["id"]);
    let next = format!("/v1/ingest/runs?job=items&limit=1&after={}", page["next"].as_str().unwrap());
    let last = gateway.get("admin", &next).await.json();
    assert_eq!((&last["items"][0]["id"], last.get("next")), (&json!(id), None));
    // A source that is used stays; a job that is paused runs only when asked.
    let refused = with_method(&gateway, Method::DELETE, "/v1/sources/shop", &json!({})).await;
    assert_eq!(refused.code(), "conflict", "{}", refused.text());
    let paused = gateway.post("admin", "/v1/ingest/jobs/items/pause", &json!({})).await.json();
    assert_eq!((&paused["paused"], &paused["next_due"]), (&json!(true), &Value::Null));
    assert_eq!(over(&gateway, &run(&gateway).await).await["state"], "succeeded");
    let resumed = gateway.post("admin", "/v1/ingest/jobs/items/resume", &json!({})).await.json();
    assert!(resumed["next_due"].is_string());
    drop(working);
    for (path, status) in
        [("/v1/ingest/jobs/items", 204), ("/v1/ingest/jobs/items", 404), ("/v1/sources/shop", 204)]
    {
        assert_eq!(with_method(&gateway, Method::DELETE, path, &json!({})).await.status, status, "{path}");
    }
    for (job, told) in [
        (json!({ "name": "x", "source": "none", "tables": ["*"], "into": "shop" }), "source not found"),
        (
            json!({ "name": "x", "source": "none", "tables": ["*"], "into": "shop", "sheduel": "x" }),
            "sheduel",
        ),
    ] {
        let refused = gateway.post("admin", "/v1/ingest/jobs", &job).await;
        assert!(refused.text().contains(told), "{}", refused.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_run_each_moment_of_a_schedule_once() {
    let store = PostgresServer::shared().await.database().await;
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite(folder.path()).await;
    let mut shop = source(&url, &[ITEM, "INSERT INTO item VALUES (0, 'first')"]).await;
    let node = || Gateway::start_with(|config| config.store.url = store.clone());
    let (one, other) = (node().await.with_policy(POLICY).await, node().await);
    let lake = one.folder.path().join("lake");
    let shared = Gateway::start_with(|config| {
        config.store.url = store.clone();
        config.lake.root = format!("file://{}", lake.display());
    });
    // All nodes of a store have one lake.
    let other = {
        drop(other);
        shared.await
    };
    with_job(&one, &url, json!({ "mode": "append", "bookmark": ["id"], "schedule": "* * * * * *" })).await;
    other.app.refresh().await.unwrap();
    let working = (Working::on(&one), Working::on(&other));
    for id in 1..=40_i64 {
        let sql = format!("INSERT INTO item VALUES ({id}, 'n')");
        shop.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    with_method(&one, Method::DELETE, "/v1/ingest/jobs/items", &json!({})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(working);
    let runs = one.app.store.runs(&RunFilter { limit: 1000, ..RunFilter::default() }).await.unwrap();
    let mut moments = runs.iter().map(|run| run.due_at).collect::<Vec<_>>();
    let all = moments.len();
    moments.sort();
    moments.dedup();
    assert!(all >= 4 && moments.len() == all, "{all} runs of {} moments", moments.len());
    let mut spans: Vec<_> = runs.iter().filter_map(|run| Some((run.started_at?, run.finished_at?))).collect();
    spans.sort();
    for pair in spans.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two runs of one job side by side: {pair:?}");
    }
    let nodes: std::collections::BTreeSet<_> = runs.iter().filter_map(|run| run.node.as_ref()).collect();
    println!("{all} runs on {} nodes", nodes.len());
    let failed = runs.iter().find(|run| ![RunState::Succeeded, RunState::Queued].contains(&run.state));
    assert!(
        failed.is_none_or(|run| run.error.as_deref() == Some("ingest job not found: `items`")),
        "{failed:?}"
    );
    let seen = count(&one).await;
    assert_eq!(seen[0], seen[1], "each row once");
    assert!(seen[0].as_i64().unwrap() > 20, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_is_tried_again_and_then_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("later.db");
    let url = format!("sqlite://{}", file.display());
    let gateway = Gateway::start().await.with_policy(POLICY).await;
    with_job(&gateway, &url, json!({ "retries": 2 })).await;
    let _working = Working::on(&gateway);
    let first = over(&gateway, &run(&gateway).await).await;
    assert_eq!(first["state"], "failed", "{first}");
    std::fs::File::create(&file).unwrap();
    let mut shop = source(&url, &[ITEM, "INSERT INTO item VALUES (1, 'a')"]).await;
    let started = Instant::now();
    while count(&gateway).await != json!([1, 1]) {
        assert!(started.elapsed() < Duration::from_secs(20), "it was not tried again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let runs = gateway.get("admin", "/v1/ingest/runs?job=items&state=succeeded").await.json();
    assert_eq!(
        (&runs["items"][0]["cause"], &runs["items"][0]["requested_by"]),
        (&json!("retry"), &json!("admin"))
    );
    // What will fail again is not tried again.
    shop.execute("DROP TABLE item").await.unwrap();
    let gone = over(&gateway, &run(&gateway).await).await;
    assert_eq!(
        (&gone["state"], gone["error"].as_str().unwrap()),
        (&json!("failed"), "the source has no table `item`")
    );
    assert_eq!(gateway.get("admin", "/v1/ingest/runs?state=queued").await.json()["items"], json!([]));
    // And what stays away is given up after so many times.
    std::fs::remove_file(&file).unwrap();
    let id = run(&gateway).await;
    over(&gateway, &id).await;
    let behind = |run: &Value| run["id"].as_str().unwrap() > id.as_str();
    let started = Instant::now();
    loop {
        let runs = gateway.get("admin", "/v1/ingest/runs?job=items").await.json();
        let after: Vec<&Value> = runs["items"].as_array().unwrap().iter().filter(|run| behind(run)).collect();
        if after.len() == 2 && after.iter().all(|run| run["state"] == "failed") {
            assert_eq!((&after[0]["attempt"], &after[1]["attempt"]), (&json!(3), &json!(2)));
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{runs}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(gateway.get("admin", "/v1/ingest/runs?state=queued").await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_and_one_whose_node_is_gone_is_tried_again() {
    let url = PostgresServer::shared().await.database().await;
    let mut shop = source(&url, &[ITEM, "INSERT INTO item VALUES (1, 'a')"]).await;
    let gateway = Gateway::start().await.with_policy(POLICY).await;
    with_job(&gateway, &url, json!({})).await;
    // A run that waits is cancelled at once.
    let id = run(&gateway).await;
    let cancel = |id: &str| format!("/v1/ingest/runs/{id}/cancel");
    assert_eq!(gateway.post("admin", &cancel(&id), &json!({})).await.json()["state"], "cancelled");
    assert_eq!(gateway.post("admin", &cancel(&id), &json!({})).await.code(), "conflict");
    // One that waits for a lock of the source is cut off.
    shop.execute("BEGIN").await.unwrap();
    shop.execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let working = Working::on(&gateway);
    let id = run(&gateway).await;
    let started = Instant::now();
    while gateway.get("admin", &format!("/v1/ingest/runs/{id}")).await.json()["state"] != "running" {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(gateway.post("ana", &cancel(&id), &json!({})).await.code(), "permission_denied");
    let asked = gateway.post("admin", &cancel(&id), &json!({})).await.json();
    assert_eq!((&asked["state"], &asked["cancel_requested"]), (&json!("running"), &json!(true)));
    let ended = over(&gateway, &id).await;
    assert_eq!((&ended["state"], &ended["error"]), (&json!("cancelled"), &json!("somebody cancelled it")));
    assert_eq!(count(&gateway).await, json!("table_not_found"), "nothing of it is there");
    shop.execute("ROLLBACK").await.unwrap();
    drop(working);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // A node that took a run and is gone.
    let id = run(&gateway).await;
    let now = Utc::now();
    let taken =
        gateway.app.store.claim_run(None, "gone", now, now - TimeDelta::seconds(1)).await.unwrap().unwrap();
    assert_eq!(taken.id.to_string(), id);
    let waiting = run(&gateway).await;
    assert!(
        gateway.app.store.claim_run(None, "other", now, now).await.unwrap().is_none(),
        "it runs once at a time"
    );
    let _working = Working::on(&gateway);
    assert_eq!(over(&gateway, &id).await["state"], "lost");
    assert_eq!(over(&gateway, &waiting).await["state"], "succeeded");
    let started = Instant::now();
    loop {
        let runs = gateway.get("admin", "/v1/ingest/runs?job=items&state=succeeded").await.json();
        if runs["items"].as_array().unwrap().iter().any(|run| run["cause"] == "retry" && run["attempt"] == 2)
        {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{runs}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The node that was gone comes back: the run is not its any more.
    let store = &gateway.app.store;
    assert!(!store.renew_run(taken.id, "gone", Utc::now(), &json!({})).await.unwrap().is_held);
    assert_eq!(count(&gateway).await, json!([1, 1]));
}

fn lakegate(gateway: &Gateway, arguments: &[&str]) -> Output {
    let config = gateway.folder.path().join("lakegate.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command
        .arg("ingest")
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env("LAKEGATE_SOURCE_FILE", "item.db")
        .output()
        .unwrap()
}

fn told(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("item.db");
    std::fs::File::create(&file).unwrap();
    source(&format!("sqlite://{}", file.display()), &[ITEM, "INSERT INTO item VALUES (1, 'a')"]).await;
    let gateway = Gateway::start().await.with_policy(POLICY).await;
    let url = format!("sqlite://{}/${{LAKEGATE_SOURCE_FILE}}", folder.path().display());
    assert!(
        told(lakegate(&gateway, &["sources", "add", "shop", "--url", &url]))
            .contains("${LAKEGATE_SOURCE_FILE}")
    );
    assert_eq!(told(lakegate(&gateway, &["sources", "test", "shop"])), "shop: 1 tables\n");
    let create = [
        "jobs",
        "create",
        "items",
        "--source",
        "shop",
        "--tables",
        "item",
        "--into",
        "shop",
        "--mode",
        "merge",
        "--bookmark",
        "id",
    ];
    let made = told(lakegate(&gateway, &create));
    assert!(made.contains("shop:item → shop (merge) when asked"), "{made}");
    let ran = told(lakegate(&gateway, &["jobs", "run", "items"]));
    assert!(ran.ends_with(" succeeded\n"), "{ran}");
    assert_eq!(count(&gateway).await, json!([1, 1]));
    let runs: Value = serde_json::from_str(&told(lakegate(&gateway, &["runs", "list", "--json"]))).unwrap();
    assert_eq!((&runs[0]["state"], &runs[0]["requested_by"]), (&json!("succeeded"), &json!("cli")));
    let id = runs[0]["id"].as_str().unwrap();
    assert!(told(lakegate(&gateway, &["runs", "show", id])).contains("\"rows\":1"));
    let queued = told(lakegate(&gateway, &["jobs", "run", "items", "--queue"]));
    assert!(told(lakegate(&gateway, &["runs", "cancel", queued.trim()])).contains("cancelled"));
    std::fs::remove_file(&file).unwrap();
    let failed = lakegate(&gateway, &["jobs", "run", "items"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(told(lakegate(&gateway, &["jobs", "pause", "items"])).contains("paused"));
    told(lakegate(&gateway, &["jobs", "remove", "items"]));
    told(lakegate(&gateway, &["sources", "remove", "shop"]));
    assert_eq!(
        told(lakegate(&gateway, &["jobs", "list"])) + &told(lakegate(&gateway, &["sources", "list"])),
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_to_stop_stays_stopped_and_one_is_found_among_many() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite(folder.path()).await;
    source(&url, &[ITEM, "INSERT INTO item VALUES (1, 'a')"]).await;
    let gateway = Gateway::start().await.with_policy(POLICY).await;
    with_job(&gateway, &url, json!({ "retries": 3 })).await;
    let id = run(&gateway).await;
    let (store, now) = (&gateway.app.store, Utc::now());
    store.claim_run(None, "gone", now, now - TimeDelta::seconds(1)).await.unwrap().unwrap();
    let asked = gateway.post("admin", &format!("/v1/ingest/runs/{id}/cancel"), &json!({})).await.json();
    assert_eq!((&asked["state"], &asked["cancel_requested"]), (&json!("running"), &json!(true)));
    let working = Working::on(&gateway);
    assert_eq!(over(&gateway, &id).await["state"], "cancelled");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let all = gateway.get("admin", "/v1/ingest/runs?job=items").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "{all}");
    drop(working);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    for _ in 0..30 {
        run(&gateway).await;
    }
    let last = run(&gateway).await.parse().unwrap();
    let now = Utc::now();
    let taken =
        store.claim_run(Some(last), "here", now, now + TimeDelta::seconds(30)).await.unwrap().unwrap();
    assert_eq!(taken.id, last);
    let refused = json!({ "name": "x", "source": "shop", "tables": ["*"], "into": "shop", "retries": 1000 });
    assert_eq!(gateway.post("admin", "/v1/ingest/jobs", &refused).await.code(), "invalid_request");
}

/// An attempt that waits is for the tables that failed, and its job goes on with all of them.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_waits_does_not_hold_the_schedule_back() {
    for store in [None, Some(PostgresServer::shared().await.database().await)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("later.db");
        let url = format!("sqlite://{}", file.display());
        let gateway = Gateway::start_with(|config| {
            if let Some(store) = store {
                config.store.url = store;
            }
        });
        let gateway = gateway.await.with_policy(POLICY).await;
        let often = json!({ "retries": 20, "retry_after": "1h", "schedule": "* * * * * *" });
        with_job(&gateway, &url, often).await;
        let _working = Working::on(&gateway);
        let all = async || gateway.get("admin", "/v1/ingest/runs?job=items").await.json()["items"].clone();
        let started = Instant::now();
        let is_replaced = |run: &Value| {
            run["cause"] == "retry" && run["error"] == "the next run of the schedule took its place"
        };
        while !all().await.as_array().unwrap().iter().any(is_replaced) {
            assert!(started.elapsed() < Duration::from_secs(20), "{}", all().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::fs::File::create(&file).unwrap();
        source(&url, &[ITEM, "INSERT INTO item VALUES (1, 'a')"]).await;
        while count(&gateway).await != json!([1, 1]) {
            assert!(started.elapsed() < Duration::from_secs(30), "the schedule waits for the attempt");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_lasts_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite(folder.path()).await;
    source(&url, &[ITEM, "INSERT INTO item VALUES (1, 'a')"]).await;
    let gateway = Gateway::start().await.with_csv("shop.item", "id\n1\n").await.with_policy(POLICY).await;
    with_job(&gateway, &url, json!({ "retries": 3 })).await;
    let _working = Working::on(&gateway);
    let failed = over(&gateway, &run(&gateway).await).await;
    assert_eq!(
        (&failed["state"], &failed["outcome"]["tables"][0]["error"]["code"]),
        (&json!("failed"), &json!("conflict"))
    );
    let all = gateway.get("admin", "/v1/ingest/runs?job=items").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1, "{all}");
}
