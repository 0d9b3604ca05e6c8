//! Queries that nobody waits for: `/v1/queries`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use futures::StreamExt;
use lakegate::config::Config;
use lakegate::store::record::Format;
use parquet::arrow::ArrowWriter;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Response};

const POLICY: &str = "
roles:
  reader: { members: [user:bo] }
grants:
  - { to: 'user:ana', on: s.t, permissions: [select] }
  - { to: 'role:reader', on: s.t, permissions: [select], rows: \"region = attr('region') OR a = 0\" }
  - { to: 'user:cy', on: s.t, permissions: [select], columns: { include: [a] } }
";

async fn gateway() -> Gateway {
    gateway_with(|_| ()).await
}

async fn gateway_with(change: impl FnOnce(&mut Config)) -> Gateway {
    Gateway::start_with(change)
        .await
        .with_csv("s.t", "a,region\n0,EU\n1,EU\n2,US\n3,US")
        .await
        .with_csv("s.other", "x\n1")
        .await
        .with_policy(POLICY)
        .await
}

const BO: &str = r#"bo{"region":"EU"}"#;
const MANY: &str = "SELECT value FROM generate_series(1, 100000)";
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b";

/// Submits `sql` and gives its id.
async fn submit(gateway: &Gateway, who: &str, sql: &str) -> String {
    let answer = gateway.post(who, "/v1/queries", &json!({ "sql": sql })).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = answer.json()["query_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers["location"], format!("/v1/queries/{id}").as_str());
    id
}

async fn status(gateway: &Gateway, who: &str, id: &str) -> Value {
    let answer = gateway.get(who, &format!("/v1/queries/{id}?wait=60s")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn result(gateway: &Gateway, who: &str, id: &str, rest: &str) -> Response {
    gateway.get(who, &format!("/v1/queries/{id}/result{rest}")).await
}

async fn delete(gateway: &Gateway, who: &str, id: &str) -> u16 {
    let request = gateway.request(Method::DELETE, &format!("/v1/queries/{id}"));
    gateway.send(request.bearer_auth(gateway.token(who))).await.status
}

/// The values of the only column of `body`.
fn values(body: &Value) -> Vec<i64> {
    body["rows"].as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
}

fn batches(body: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(body, None).unwrap().map(Result::unwrap).collect()
}

/// Files of results in the lake.
fn files(gateway: &Gateway) -> Vec<PathBuf> {
    let root = gateway.app.config.lake.root.trim_start_matches("file://").to_owned();
    let Ok(listed) = std::fs::read_dir(PathBuf::from(root).join(".results")) else { return Vec::new() };
    listed.map(|file| file.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_the_same_as_that_of_a_query_that_was_waited_for() {
    let gateway = gateway().await;
    let sql = "SELECT a, region FROM s.t ORDER BY a";
    let id = submit(&gateway, BO, sql).await;
    let told = status(&gateway, BO, &id).await;
    assert_eq!(
        (&told["state"], &told["rows"], &told["percent"]),
        (&json!("finished"), &json!(2), &json!(100.0))
    );
    assert_eq!(
        (&told["sql"], &told["truncated"], &told["error"]),
        (&json!(sql), &json!(false), &Value::Null)
    );
    assert!(told["expires_at"].as_str() > told["ended_at"].as_str(), "{told}");
    for accept in
        ["application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"]
    {
        let asked = |request: reqwest::RequestBuilder| {
            gateway.send(request.bearer_auth(gateway.token(BO)).header("accept", accept))
        };
        let kept = asked(gateway.request(Method::GET, &format!("/v1/queries/{id}/result"))).await;
        let there = asked(gateway.request(Method::POST, "/v1/sql").json(&json!({ "sql": sql }))).await;
        assert_eq!(kept.headers["lakegate-query-id"], id.as_str());
        assert_eq!(kept.headers["lakegate-policy"], there.headers["lakegate-policy"], "{accept}");
        assert_eq!(kept.headers["content-type"], there.headers["content-type"]);
        match accept {
            "application/json" => {
                let (kept, there) = (kept.json(), there.json());
                for part in ["columns", "rows", "row_count", "truncated", "policy"] {
                    assert_eq!(kept[part], there[part], "{part}");
                }
                assert_eq!((&told["columns"], &told["policy"]), (&there["columns"], &there["policy"]));
            }
            "application/vnd.apache.arrow.stream" => {
                assert_eq!(batches(&kept.body), batches(&there.body));
            }
            _ => assert_eq!(kept.text(), there.text()),
        }
    }
    let parquet = gateway.request(Method::GET, &format!("/v1/queries/{id}/result"));
    let parquet = parquet.header("accept", "application/vnd.apache.parquet").bearer_auth(gateway.token(BO));
    assert!(gateway.send(parquet).await.body.ends_with(b"PAR1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_resumed_streams_have_every_row_once_and_in_order() {
    let gateway = gateway().await;
    let id = submit(&gateway, "ana", &format!("{MANY} ORDER BY value")).await;
    let whole = values(&result(&gateway, "ana", &id, "").await.json());
    assert_eq!(whole, (1..=100_000).collect::<Vec<_>>());
    let mut paged: Vec<i64> = Vec::new();
    loop {
        let page = result(&gateway, "ana", &id, &format!("?offset={}&limit=7001", paged.len())).await.json();
        let rows = values(&page);
        paged.extend(&rows);
        assert_eq!(page["truncated"], json!(paged.len() < 100_000));
        if rows.len() < 7001 {
            break;
        }
    }
    assert_eq!(paged, whole);
    // As after an answer that broke: the rest is the rest.
    for offset in [1, 8191, 8192, 65_537, 99_999, 100_000, 5_000_000] {
        let rest = values(&result(&gateway, "ana", &id, &format!("?offset={offset}")).await.json());
        assert_eq!(rest, whole.iter().skip(offset).copied().collect::<Vec<_>>(), "from {offset}");
    }
    let none = result(&gateway, "ana", &id, "?limit=0").await.json();
    assert_eq!((values(&none), &none["truncated"]), (vec![], &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_a_running_query_come_as_they_are_made() {
    let gateway = gateway().await;
    let slow = "SELECT a.value FROM generate_series(1, 3000000) a, generate_series(1, 1000) b";
    let id = submit(&gateway, "ana", slow).await;
    let answer = gateway.request(Method::GET, &format!("/v1/queries/{id}/result"));
    let answer = answer.header("accept", "text/csv").bearer_auth(gateway.token("ana")).send().await.unwrap();
    let first = answer.bytes_stream().next().await.unwrap().unwrap();
    assert!(first.starts_with(b"value"));
    let told = gateway.get("ana", &format!("/v1/queries/{id}")).await.json();
    assert_eq!((&told["state"], &told["ended_at"]), (&json!("running"), &Value::Null), "{told}");
    assert!(told["rows"].as_u64().unwrap() > 0, "{told}");
    assert_eq!(delete(&gateway, "ana", &id).await, 204);
    assert_eq!(status(&gateway, "ana", &id).await["state"], "cancelled");
    assert_eq!(result(&gateway, "ana", &id, "").await.code(), "cancelled");
    assert_eq!(delete(&gateway, "ana", &id).await, 204);
    assert_eq!(delete(&gateway, "ana", &id).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_finds_a_query_also_no_administrator() {
    let gateway = gateway().await;
    let id = submit(&gateway, "ana", "SELECT a FROM s.t").await;
    status(&gateway, "ana", &id).await;
    let unknown = "01890000-0000-7000-8000-000000000000";
    for who in ["bo", "admin"] {
        for rest in ["", "/result", "/events"] {
            let answer = gateway.get(who, &format!("/v1/queries/{id}{rest}")).await;
            let absent = gateway.get(who, &format!("/v1/queries/{unknown}{rest}")).await;
            assert_eq!((answer.status, absent.status), (404, 404));
            let detail =
                |answer: &Response, id: &str| answer.json()["detail"].as_str().unwrap().replace(id, "ID");
            assert_eq!(detail(&answer, &id), detail(&absent, unknown));
        }
        assert_eq!(delete(&gateway, who, &id).await, 404);
        assert_eq!(gateway.get(who, "/v1/queries").await.json(), json!([]));
    }
    let own = gateway.get("ana", "/v1/queries").await.json();
    assert_eq!(own[0]["query_id"], json!(id));
    assert_eq!(result(&gateway, "ana", &id, "").await.status, 200);
    assert_eq!(gateway.send(gateway.request(Method::GET, &format!("/v1/queries/{id}"))).await.status, 401);
}

/// What was seen is shown again only to somebody who would see the same now.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_goes_with_the_policy_that_it_was_made_under() {
    let gateway = gateway().await;
    let bo = submit(&gateway, BO, "SELECT a FROM s.t ORDER BY a").await;
    let ana = submit(&gateway, "ana", "SELECT count(*) FROM s.t").await;
    let listing = submit(&gateway, "ana", "SELECT table_name FROM information_schema.tables").await;
    let constant = submit(&gateway, "ana", "SELECT 1").await;
    for (who, id) in [(BO, &bo), ("ana", &ana), ("ana", &listing), ("ana", &constant)] {
        status(&gateway, who, id).await;
        assert_eq!(result(&gateway, who, id, "").await.status, 200);
    }
    let gone = async |who: &str, id: &str| {
        let answers = [
            result(&gateway, who, id, "").await,
            gateway.get(who, &format!("/v1/queries/{id}")).await,
            gateway.get(who, &format!("/v1/queries/{id}/events")).await,
        ];
        answers.iter().all(|answer| answer.status == 404)
    };
    // Another token of the same user, who would see other rows with it.
    assert!(gone(r#"bo{"region":"US"}"#, &bo).await);
    assert!(gone("bo", &bo).await);
    assert_eq!(values(&result(&gateway, BO, &bo, "").await.json()), [0, 1]);
    // What says nothing of these tables changes only what lists the policy.
    gateway.sql("admin", "GRANT SELECT ON s.other TO USER bo").await;
    assert!(!gone(BO, &bo).await && !gone("ana", &ana).await && gone("ana", &listing).await);
    // A mask, a narrower row rule, a role that is left, a revoke.
    gateway
        .apply("restrictions: [{ name: shy, on: s.t.region, mask: redact, applies_to: 'user:ana', priority: 1 }]")
        .await
        .unwrap();
    assert!(gone("ana", &ana).await && !gone(BO, &bo).await);
    gateway.apply("roles: { reader: { members: ['user:dan'] } }").await.unwrap();
    assert!(gone(BO, &bo).await);
    assert_eq!(gateway.get(BO, "/v1/queries").await.json(), json!([]));
    gateway.apply("roles: { reader: { members: ['user:bo'] } }").await.unwrap();
    assert!(!gone(BO, &bo).await, "what holds again is shown again");
    gateway.apply("restrictions: [{ name: few, on: s.t, rows: 'a > 0' }]").await.unwrap();
    assert!(gone(BO, &bo).await);
    assert!(!gone("ana", &constant).await);
    assert_eq!(delete(&gateway, BO, &bo).await, 204, "one's own may be deleted all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_time_is_over_takes_the_result_along() {
    let gateway = gateway().await;
    // Time enough for a busy machine.
    let until = chrono::Utc::now() + chrono::Duration::seconds(15);
    let grant = format!(
        "grants: [{{ to: 'user:eve', on: s.t, permissions: [select], until: {} }}]",
        until.format("%Y-%m-%dT%H:%M:%SZ")
    );
    gateway.apply(&grant).await.unwrap();
    let table = submit(&gateway, "eve", "SELECT a FROM s.t").await;
    let listing = submit(&gateway, "eve", "SHOW TABLES FROM s").await;
    status(&gateway, "eve", &table).await;
    status(&gateway, "eve", &listing).await;
    let both = async || {
        [result(&gateway, "eve", &table, "").await.status, result(&gateway, "eve", &listing, "").await.status]
    };
    assert_eq!(both().await, [200, 200]);
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(both().await, [404, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_refused_or_fails_tells_why_wherever_it_is_asked() {
    let gateway = gateway().await;
    for (who, sql, code, status_code) in [
        ("eve", "SELECT * FROM s.t", "table_not_found", 404),
        ("cy", "SELECT region FROM s.t", "column_not_found", 400),
        ("ana", "SELECT 1/(a-1) FROM s.t", "query_failed", 422),
        ("ana", "DROP TABLE s.t", "statement_not_allowed", 403),
        ("ana", "SELEC 1", "syntax_error", 400),
    ] {
        let there = gateway.sql(who, sql).await.json();
        let id = submit(&gateway, who, sql).await;
        let told = status(&gateway, who, &id).await;
        assert_eq!((&told["state"], &told["error"]["code"]), (&json!("failed"), &json!(code)), "{sql}");
        let answer = result(&gateway, who, &id, "").await;
        assert_eq!((answer.status, answer.code()), (status_code, code.to_owned()), "{sql}");
        for told in [&told["error"], &answer.json()] {
            assert_eq!(told["detail"], there["detail"], "{sql}");
        }
    }
    for (path, detail) in [
        ("?wait=soon", "`soon` is not a span of time"),
        ("/result?offset=-1", "the query of the address is not right"),
        ("/result?page=2", "unknown field `page`"),
    ] {
        let id = submit(&gateway, "ana", "SELECT 1").await;
        let answer = gateway.get("ana", &format!("/v1/queries/{id}{path}")).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(detail), "{}", answer.text());
    }
    assert_eq!(gateway.get("ana", "/v1/queries/x").await.status, 400);
    let answer = gateway.post("ana", "/v1/queries", &json!({ "sql": "SELECT 1", "max_row": 1 })).await;
    assert_eq!(answer.code(), "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_lies_in_the_lake_until_it_goes() {
    let gateway = gateway_with(|config| config.limits.result_memory = 1).await;
    let wide =
        "SELECT value, repeat(md5(CAST(value AS VARCHAR)), 4) FROM generate_series(1, 100000) ORDER BY value";
    let id = submit(&gateway, "ana", wide).await;
    let told = status(&gateway, "ana", &id).await;
    assert_eq!((&told["state"], &told["rows"]), (&json!("finished"), &json!(100_000)));
    assert!(files(&gateway).len() > 1, "{:?}", files(&gateway));
    let rows = values(&result(&gateway, "ana", &id, "?offset=50000").await.json());
    assert_eq!(rows, (50_001..=100_000).collect::<Vec<_>>());
    assert_eq!(delete(&gateway, "ana", &id).await, 204);
    assert_eq!(files(&gateway), Vec::<PathBuf>::new());
    assert_eq!(result(&gateway, "ana", &id, "").await.status, 404);

    let id = submit(&gateway, "ana", wide).await;
    status(&gateway, "ana", &id).await;
    gateway.app.results.clear().await;
    assert_eq!(files(&gateway), Vec::<PathBuf>::new(), "a node that ends leaves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_bounded_in_size_in_number_and_in_time() {
    let gateway = gateway_with(|config| {
        config.limits.result_size = 10_000;
        config.limits.results_per_user = 2;
        config.limits.result_life = Duration::from_secs(12);
    })
    .await;
    let large = submit(&gateway, "ana", MANY).await;
    let told = status(&gateway, "ana", &large).await;
    assert_eq!(told["error"]["code"], "limit_exceeded", "{told}");
    assert_eq!(result(&gateway, "ana", &large, "").await.code(), "limit_exceeded");
    let small = submit(&gateway, "ana", "SELECT 1").await;
    status(&gateway, "ana", &small).await;
    let third = gateway.post("ana", "/v1/queries", &json!({ "sql": "SELECT 1" })).await;
    assert_eq!((third.status, third.code()), (429, "limit_exceeded".to_owned()));
    submit(&gateway, "bo", "SELECT 1").await;
    tokio::time::sleep(Duration::from_millis(12_100)).await;
    for id in [&large, &small] {
        assert_eq!(result(&gateway, "ana", id, "").await.status, 404);
    }
    submit(&gateway, "ana", "SELECT 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_as_events_until_the_end() {
    let gateway = gateway().await;
    let id = submit(&gateway, "ana", ENDLESS).await;
    let request = gateway.request(Method::GET, &format!("/v1/queries/{id}/events"));
    let answer = request.bearer_auth(gateway.token("ana")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut events = answer.bytes_stream();
    let first = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.starts_with("event: progress\n"), "{first}");
    assert_eq!(delete(&gateway, "ana", &id).await, 204);
    let mut rest = String::new();
    while let Some(part) = events.next().await {
        rest.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
    }
    let (_, last) = rest.rsplit_once("event: end\ndata: ").unwrap_or_else(|| panic!("{rest}"));
    let last: Value = serde_json::from_str(last.trim()).unwrap();
    assert_eq!(last["state"], "cancelled");
    // The turn of the query is free again: its work has ended.
    assert_eq!(gateway.sql("ana", "SELECT 1").await.status, 200);
}

/// A Parquet table `s.p` with a column of numbers, whose size is known beforehand.
async fn with_numbers(gateway: &Gateway) {
    let folder = gateway.folder.path().join("files/p");
    std::fs::create_dir_all(&folder).unwrap();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..3000));
    let batch = RecordBatch::try_from_iter([("a", numbers)]).unwrap();
    let file = std::fs::File::create(folder.join("p.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    gateway.register(&"s.p".parse().unwrap(), &folder, Format::Parquet).await;
}

/// How much of a table was read tells how large it is, hidden rows with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_share_is_told_only_where_nothing_is_withheld() {
    let gateway = gateway().await;
    with_numbers(&gateway).await;
    let grants = "grants: [{ to: 'user:ana', on: s.p, permissions: [select] },
        { to: 'user:bo', on: s.p, permissions: [select], rows: 'a >= 0' }]";
    gateway.apply(grants).await.unwrap();
    // Nothing can answer this before it has met every row of three tables with every other.
    let slow = "SELECT count(*) FROM s.p x, s.p y, s.p z WHERE (x.a * y.a + z.a) % 7 = 3";
    let mut shares = Vec::new();
    for who in ["ana", BO] {
        let id = submit(&gateway, who, slow).await;
        let mut told = Value::Null;
        for _ in 0..200 {
            told = gateway.get(who, &format!("/v1/queries/{id}")).await.json();
            if told["stage"] == "running" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!((&told["stage"], &told["state"]), (&json!("running"), &json!("running")), "{told}");
        shares.push(told["percent"].clone());
        assert_eq!(delete(&gateway, who, &id).await, 204);
    }
    assert!(shares[0].is_number() && shares[1].is_null(), "{shares:?}");
}

/// The beginning of a result is never taken for all of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_goes_while_it_is_read_breaks() {
    for memory in [1, 128 << 20] {
        let gateway = gateway_with(|config| config.limits.result_memory = memory).await;
        let wide = "SELECT value, repeat(md5(CAST(value AS VARCHAR)), 8) FROM generate_series(1, 200000)";
        for accept in ["text/csv", "application/vnd.apache.arrow.stream", "application/json"] {
            let id = submit(&gateway, "ana", wide).await;
            status(&gateway, "ana", &id).await;
            let request = gateway.request(Method::GET, &format!("/v1/queries/{id}/result"));
            let answer =
                request.header("accept", accept).bearer_auth(gateway.token("ana")).send().await.unwrap();
            let mut parts = answer.bytes_stream();
            parts.next().await.unwrap().unwrap();
            assert_eq!(delete(&gateway, "ana", &id).await, 204);
            let mut broke = false;
            while let Some(part) = parts.next().await {
                broke |= part.is_err();
            }
            assert!(broke, "{accept} with {memory} bytes of memory ends as if it were whole");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_stops_when_the_policy_changes_while_it_is_read() {
    let gateway = gateway().await;
    let wide = "SELECT t.a, repeat(md5(CAST(value AS VARCHAR)), 8) FROM s.t t, generate_series(1, 100000)";
    let id = submit(&gateway, "ana", wide).await;
    status(&gateway, "ana", &id).await;
    let request = gateway.request(Method::GET, &format!("/v1/queries/{id}/result"));
    let answer = request.header("accept", "text/csv").bearer_auth(gateway.token("ana")).send().await.unwrap();
    let mut parts = answer.bytes_stream();
    parts.next().await.unwrap().unwrap();
    gateway.sql("admin", "REVOKE SELECT ON s.t FROM USER ana").await;
    let mut broke = false;
    while let Some(part) = parts.next().await {
        broke |= part.is_err();
    }
    assert!(broke, "who may no longer read goes on reading");
}

/// A plan has the inputs of its joins in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_has_ended_holds_no_memory_of_the_engine() {
    let gateway = gateway().await;
    with_numbers(&gateway).await;
    gateway.apply("grants: [{ to: 'user:ana', on: s.p, permissions: [select] }]").await.unwrap();
    let join = "SELECT count(*) FROM s.p x JOIN s.p y ON x.a < y.a";
    for is_cancelled in [false, true] {
        let sql = if is_cancelled { ENDLESS } else { join };
        let id = submit(&gateway, "ana", sql).await;
        if is_cancelled {
            tokio::time::sleep(Duration::from_millis(500)).await;
            delete(&gateway, "ana", &id).await;
        }
        status(&gateway, "ana", &id).await;
        let pool = Arc::clone(&gateway.app.engine.bare().runtime_env().memory_pool);
        for _ in 0..100 {
            if pool.reserved() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(pool.reserved(), 0, "{sql}");
    }
}

/// What an administrator was told of a plan is not for whoever is none any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_told_in_full_goes_with_the_right_to_it() {
    let gateway =
        gateway_with(|config| config.auth.administrators.push("group:admins".parse().unwrap())).await;
    let with_group = r#"bo@admins{"region":"EU"}"#;
    let id = submit(&gateway, with_group, "EXPLAIN SELECT a FROM s.t").await;
    status(&gateway, with_group, &id).await;
    assert_eq!(result(&gateway, with_group, &id, "").await.status, 200);
    assert_eq!(result(&gateway, BO, &id, "").await.status, 404);
}

/// Also a refusal tells what its reader may know.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_goes_with_the_right_that_it_tells_of() {
    let gateway = gateway().await;
    gateway.apply("grants: [{ to: 'group:g', on: s.other, permissions: [describe] }]").await.unwrap();
    let id = submit(&gateway, "bo@g", "SELECT x FROM s.other").await;
    assert_eq!(status(&gateway, "bo@g", &id).await["error"]["code"], "permission_denied");
    assert_eq!(result(&gateway, "bo@g", &id, "").await.code(), "permission_denied");
    for path in ["", "/result"] {
        let told = gateway.get("bo", &format!("/v1/queries/{id}{path}")).await;
        assert_eq!(
            (told.status, told.code()),
            (404, "table_not_found".to_owned()),
            "{path}: {}",
            told.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_changes_something_may_be_submitted_and_is_audited_once() {
    let gateway = gateway().await;
    let id = submit(&gateway, "admin", "GRANT SELECT ON s.other TO USER zoe").await;
    assert_eq!(status(&gateway, "admin", &id).await["state"], "finished");
    assert_eq!(result(&gateway, "admin", &id, "").await.json()["rows"], json!([["GRANT"]]));
    assert_eq!(gateway.sql("zoe", "SELECT x FROM s.other").await.json()["rows"], json!([[1]]));
    gateway.app.audit.flush().await;
    let log = gateway.get("admin", "/v1/audit?user=admin&action=query").await.json();
    let records = log["items"].as_array().unwrap().iter().filter(|record| record["id"] == json!(id));
    assert_eq!(records.map(|record| record["verdict"].clone()).collect::<Vec<_>>(), ["allowed"]);
}
