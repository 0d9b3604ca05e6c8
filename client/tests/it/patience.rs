//! What is tried again, what is given up, and what is stopped.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use lakegate_client::{CancelHandle, Connection, Error, QueryState};
use tokio::net::TcpSocket;

use crate::server::{ARROW_HEADERS, Line, Server, arrow, batch, problem, rows, until_closed};

const READ: &str = "SELECT 1";
const CHANGE: &str = "GRANT SELECT ON a.b TO USER bo";

/// An answer of which the end is still to come.
fn begun(bytes: usize) -> Line {
    let body = arrow(&[batch(1), batch(4)]);
    Line::Hold([format!("{ARROW_HEADERS}\r\n").as_bytes(), &body[..bytes]].concat())
}

/// As much of an answer as holds its first batch whole.
fn with_a_batch() -> Line {
    begun(arrow(&[batch(1)]).len())
}

async fn eventually(is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(10), "it never is");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_read_is_asked_for_again_while_the_gateway_is_unavailable() {
    let server =
        Server::start(vec![problem(503, "unavailable"), problem(503, "unavailable"), rows(&[batch(1)])])
            .await;
    let found = server.connection().query(READ).rows().await.unwrap().collect().await.unwrap();
    assert_eq!((found.len(), server.asked().len()), (3, 3));
}

#[tokio::test]
async fn attempts_are_bounded_and_can_be_switched_off() {
    for (retries, asked) in [(0, 1), (1, 2)] {
        let script = (0..3).map(|_| problem(503, "unavailable")).collect();
        let server = Server::start(script).await;
        let connection = Connection::new(server.options().retries(retries)).unwrap();
        let error = connection.query(READ).rows().await.unwrap_err();
        assert_eq!((error.problem().unwrap().status, server.asked().len()), (503, asked));
    }
    let server = Server::start(vec![problem(503, "unavailable"), rows(&[])]).await;
    assert!(server.connection().query(READ).retries(0).rows().await.is_err());
}

#[tokio::test]
async fn what_changes_something_is_sent_once() {
    for sql in [CHANGE, "DROP VIEW a", "REVOKE SELECT ON a.b FROM USER bo"] {
        let server = Server::start(vec![problem(503, "unavailable"), rows(&[])]).await;
        assert!(server.connection().query(sql).rows().await.is_err());
        assert_eq!(server.asked().len(), 1, "{sql}");
    }
}

#[tokio::test]
async fn other_problems_and_broken_answers_are_not_tried_again() {
    let script = || {
        [
            problem(404, "table_not_found"),
            problem(429, "limit_exceeded"),
            problem(504, "timeout"),
            problem(500, "internal"),
            Line::Say(Vec::new()),
            Line::Say(until_closed(&arrow(&[batch(1)])[..100])),
        ]
    };
    for (at, line) in script().into_iter().enumerate() {
        let server = Server::start(vec![line, rows(&[])]).await;
        assert!(server.connection().query(READ).rows().await.is_err(), "{at}");
        assert_eq!(server.asked().len(), 1, "{at}");
    }
}

#[tokio::test]
async fn where_nothing_was_sent_everything_is_tried_again() {
    for sql in [READ, CHANGE] {
        // Nobody else gets the port, and nobody is let in before it listens.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let connection =
            lakegate_client::Driver::connect(&format!("lakegate://{address}?retries=5")).unwrap();
        let asking = tokio::spawn(connection.query(sql).rows());
        tokio::time::sleep(Duration::from_millis(150)).await;
        let server = Server::on(socket.listen(8).unwrap(), vec![rows(&[batch(1)])]);
        assert_eq!(asking.await.unwrap().unwrap().collect().await.unwrap().len(), 3);
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_statement_ends_when_its_time_is_over_wherever_it_is() {
    for line in [Line::Hold(Vec::new()), begun(10), with_a_batch()] {
        let server = Server::start(vec![line]).await;
        let time = Duration::from_millis(100);
        let outcome = match server.connection().query(READ).timeout(time).stream().await {
            Ok(batches) => batches.try_collect::<Vec<_>>().await.map(drop),
            Err(error) => Err(error),
        };
        match outcome {
            Err(error @ Error::TimedOut(_)) => {
                assert_eq!(error.to_string(), "the statement took longer than 100ms")
            }
            other => panic!("{other:?}"),
        }
        eventually(|| server.left() == 1).await;
    }
    let server = Server::start(vec![Line::Hold(Vec::new())]).await;
    let options = server.options().statement_timeout(Duration::from_millis(50));
    let error = Connection::new(options).unwrap().query(READ).rows().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
}

#[tokio::test]
async fn a_statement_is_cancelled_from_elsewhere_wherever_it_is() {
    for line in [Line::Hold(Vec::new()), begun(10)] {
        let server = Server::start(vec![line]).await;
        let cancel = CancelHandle::new();
        let running = tokio::spawn(server.connection().query(READ).cancelled_by(&cancel).rows());
        eventually(|| server.asked().len() == 1).await;
        std::thread::spawn(move || cancel.cancel());
        assert!(matches!(running.await.unwrap().unwrap_err(), Error::Cancelled));
        eventually(|| server.left() == 1).await;
    }
}

#[tokio::test]
async fn a_result_is_cancelled_between_its_rows_and_stays_ended() {
    let server = Server::start(vec![with_a_batch()]).await;
    let mut batches = server.connection().query(READ).stream().await.unwrap();
    assert_eq!(batches.try_next().await.unwrap().unwrap(), batch(1));
    let cancel = batches.cancel_handle();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel();
    });
    let error = batches.try_next().await.unwrap_err();
    assert_eq!(error.to_string(), "the statement was cancelled");
    eventually(|| server.left() == 1).await;
    assert!(batches.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_handle_that_was_used_lets_nothing_begin() {
    let server = Server::start(vec![rows(&[])]).await;
    let cancel = CancelHandle::new();
    cancel.cancel();
    let outcome = server.connection().query(READ).cancelled_by(&cancel).rows().await;
    assert!(matches!(outcome.unwrap_err(), Error::Cancelled));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn dropping_a_result_hangs_up() {
    let server = Server::start(vec![with_a_batch()]).await;
    drop(server.connection().query(READ).rows().await.unwrap());
    eventually(|| server.left() == 1).await;
}

#[tokio::test]
async fn whoever_watches_is_told_of_each_batch_and_of_the_end() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let watch = Arc::clone(&told);
    let server = Server::start(vec![rows(&[batch(1), batch(4)])]).await;
    let query = server.connection().query(READ).on_progress(move |progress| {
        watch.lock().unwrap().push((progress.rows, progress.state, progress.bytes > 0));
    });
    query.rows().await.unwrap().collect().await.unwrap();
    let expected =
        [(3, QueryState::Running, true), (6, QueryState::Running, true), (6, QueryState::Finished, true)];
    assert_eq!(*told.lock().unwrap(), expected);
}
