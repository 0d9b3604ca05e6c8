//! Queries that the gateway runs on its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array};
use lakegate_client::{Code, Connection, Error, QueryHandle, QueryState, RecordBatch, blocking};

use crate::server::{Line, Server, arrow, batch, json, problem, rows, said, until_closed};

fn status(state: &str, more: &str) -> String {
    format!(r#"{{"query_id":"0190-abc","state":"{state}","stage":null,"rows":6,"bytes":80{more}}}"#)
}

fn answers(state: &str) -> Line {
    json("200 OK", &status(state, ""))
}

fn handle(server: &Server) -> QueryHandle {
    server.connection().submitted("0190-abc")
}

async fn ids(query: &QueryHandle) -> lakegate_client::Result<Vec<i64>> {
    query.rows().await?.collect().await?.iter().map(|row| row.get("id")).collect()
}

/// The first bytes of an answer with two batches, up to `bytes` behind the end of the first.
fn cut(bytes: usize) -> Line {
    let first = arrow(&[batch(1)]).len() - 8;
    Line::Say(until_closed(&arrow(&[batch(1), batch(4)])[..first + bytes]))
}

#[tokio::test]
async fn a_query_is_submitted_waited_for_and_read() {
    let script = vec![
        json("202 Accepted", &status("queued", "")),
        answers("running"),
        answers("finished"),
        rows(&[batch(1), batch(4)]),
    ];
    let server = Server::start(script).await;
    let query =
        server.connection().query("SELECT $1").param(7).strict(true).max_rows(9).submit().await.unwrap();
    assert_eq!(query.query_id(), "0190-abc");
    assert_eq!(query.wait().await.unwrap().progress.rows, 6);
    assert_eq!(ids(&query).await.unwrap(), [1, 2, 3, 4, 5, 6]);
    let expected = [
        r#"POST /v1/queries {"sql":"SELECT $1","params":[7],"strict":true,"max_rows":9}"#,
        "GET /v1/queries/0190-abc?wait=30s",
        "GET /v1/queries/0190-abc?wait=30s",
        "GET /v1/queries/0190-abc/result",
    ];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn a_status_has_columns_and_policy_once_they_are_known() {
    let more = r#","percent":12.5,"columns":[{"name":"id","type":"bigint","nullable":true}],
        "policy":{"rows_filtered":true,"cells_nulled":false,"masked":[],"columns_hidden":false}"#;
    let server = Server::start(vec![answers("queued"), json("200 OK", &status("running", more))]).await;
    let query = handle(&server);
    let early = query.status().await.unwrap();
    assert!(early.columns.is_none() && early.policy.is_none());
    let late = query.wait_for(Duration::from_millis(2500)).await.unwrap();
    assert_eq!(late.progress.percent, Some(12.5));
    assert_eq!(late.columns.unwrap()[0].name, "id");
    assert!(late.policy.unwrap().rows_filtered);
    assert_eq!(server.asked()[1], "GET /v1/queries/0190-abc?wait=2s");
}

#[tokio::test]
async fn a_query_that_failed_or_was_cancelled_is_an_error_when_it_is_waited_for() {
    let error = r#","error":{"title":"x","status":422,"detail":"divide by zero","code":"query_failed"}"#;
    let script =
        vec![json("200 OK", &status("failed", error)), answers("cancelled"), problem(404, "not_found")];
    let server = Server::start(script).await;
    let query = handle(&server);
    assert_eq!(query.wait().await.unwrap_err().to_string(), "divide by zero (query_failed)");
    assert!(matches!(query.wait().await.unwrap_err(), Error::Cancelled));
    assert_eq!(query.wait().await.unwrap_err().problem().unwrap().code, Code::NotFound);
}

#[tokio::test]
async fn a_query_is_cancelled_with_one_request() {
    let server =
        Server::start(vec![Line::Say(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec())])
            .await;
    handle(&server).cancel().await.unwrap();
    assert_eq!(server.asked(), ["DELETE /v1/queries/0190-abc"]);
    // Whether it was heard is not known: a second time would forget what the first has stopped.
    let server = Server::start(vec![Line::Say(Vec::new()), Line::Say(Vec::new())]).await;
    assert!(matches!(handle(&server).cancel().await.unwrap_err(), Error::Unreachable(_)));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_broken_result_goes_on_with_the_first_row_that_is_missing() {
    for bytes in [0, 1, 50, 200] {
        let server = Server::start(vec![cut(bytes), Line::Say(Vec::new()), rows(&[batch(4)])]).await;
        assert_eq!(ids(&handle(&server)).await.unwrap(), [1, 2, 3, 4, 5, 6], "{bytes}");
        assert_eq!(server.asked()[2], "GET /v1/queries/0190-abc/result?offset=3", "{bytes}");
    }
}

#[tokio::test]
async fn a_result_that_breaks_before_its_first_row_is_asked_for_from_the_start() {
    let server = Server::start(vec![Line::Say(until_closed(&arrow(&[])[..20])), rows(&[batch(1)])]).await;
    assert_eq!(ids(&handle(&server)).await.unwrap(), [1, 2, 3]);
    assert_eq!(server.asked()[1], "GET /v1/queries/0190-abc/result");
}

#[tokio::test]
async fn a_query_that_fails_while_it_is_read_says_why() {
    let server = Server::start(vec![cut(0), problem(422, "query_failed")]).await;
    assert_eq!(ids(&handle(&server)).await.unwrap_err().problem().unwrap().code, Code::QueryFailed);
}

#[tokio::test]
async fn going_on_is_bounded_and_can_be_switched_off() {
    let server = Server::start(vec![cut(0)]).await;
    let once = Connection::new(server.options().retries(0)).unwrap().submitted("0190-abc");
    assert!(matches!(ids(&once).await.unwrap_err(), Error::Incomplete { .. }));
    // Behind its script the server hangs up on everybody.
    let server = Server::start(vec![cut(0)]).await;
    assert!(matches!(ids(&handle(&server)).await.unwrap_err(), Error::Unreachable(_)));
}

#[tokio::test]
async fn a_rest_with_other_columns_is_no_rest() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let other = RecordBatch::try_from_iter([("other", values)]).unwrap();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &other.schema()).unwrap();
    writer.write(&other).unwrap();
    writer.finish().unwrap();
    let body = writer.into_inner().unwrap();
    let server = Server::start(vec![cut(0), Line::Say(until_closed(&body))]).await;
    assert!(matches!(ids(&handle(&server)).await.unwrap_err(), Error::Protocol(_)));
}

#[tokio::test]
async fn a_page_is_complete_with_its_last_row() {
    let server = Server::start(vec![cut(0), cut(1), rows(&[batch(4).slice(0, 1)])]).await;
    let query = handle(&server);
    assert_eq!(query.page(10, 3).await.unwrap().collect().await.unwrap().len(), 3);
    assert_eq!(query.page(0, 4).await.unwrap().collect().await.unwrap().len(), 4);
    let expected = [
        "GET /v1/queries/0190-abc/result?offset=10&limit=3",
        "GET /v1/queries/0190-abc/result?limit=4",
        "GET /v1/queries/0190-abc/result?offset=3&limit=1",
    ];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn whoever_watches_is_told_across_broken_connections() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let watch = Arc::clone(&told);
    let event = |state: &str, percent: u32| {
        let data = status(state, &format!(",\"percent\":{percent}"));
        format!("event: progress\ndata: {data}\n\n")
    };
    let script = vec![
        said("200 OK", "text/event-stream", &[event("queued", 0), event("running", 10)].concat()),
        json("200 OK", &status("running", ",\"percent\":20")),
        said(
            "200 OK",
            "text/event-stream",
            // The last one is told once, though it is heard of twice.
            &[event("running", 50), event("finished", 100), "event: end\ndata: {}\n\n".to_owned()].concat(),
        ),
        json("200 OK", &status("finished", ",\"percent\":100")),
    ];
    let server = Server::start(script).await;
    let query = handle(&server).on_progress(move |progress| {
        watch.lock().unwrap().push((progress.state, progress.percent.unwrap()));
    });
    query.wait().await.unwrap();
    let expected = [
        (QueryState::Queued, 0.0),
        (QueryState::Running, 10.0),
        (QueryState::Running, 20.0),
        (QueryState::Running, 50.0),
        (QueryState::Finished, 100.0),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(server.asked()[0], "GET /v1/queries/0190-abc/events");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocking_face_does_the_same() {
    let script = vec![
        json("202 Accepted", &status("queued", "")),
        answers("finished"),
        cut(0),
        rows(&[batch(4)]),
        Line::Say(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec()),
    ];
    let server = Server::start(script).await;
    let connection = blocking::Connection::new(server.options()).unwrap();
    let found = tokio::task::spawn_blocking(move || {
        let query = connection.query("SELECT 1").submit().unwrap();
        query.wait().unwrap();
        let rows = query.rows().unwrap();
        let ids = rows.map(|row| row.unwrap().get::<i64>("id").unwrap()).collect::<Vec<_>>();
        query.cancel().unwrap();
        ids
    });
    assert_eq!(found.await.unwrap(), [1, 2, 3, 4, 5, 6]);
}
