//! Results as their bytes arrive: whole, cut, and of servers that are no gateway.

use futures::TryStreamExt;
use lakegate_client::{Code, ConnectOptions, Connection, Error, ResultStream, Value, blocking};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::server::{ARROW_HEADERS, arrow, batch, until_closed};

/// Answers one request with `response`, in pieces of `piece` bytes. Gives the address, and the request after it.
async fn serve(response: Vec<u8>, piece: usize) -> (String, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"}") {
            let read = socket.read(&mut buffer).await.unwrap();
            request.extend_from_slice(buffer.get(..read).unwrap());
        }
        for bytes in response.chunks(piece) {
            if socket.write_all(bytes).await.is_err() {
                break;
            }
            socket.flush().await.unwrap();
        }
        drop(socket);
        let _ = sender.send(String::from_utf8(request).unwrap());
    });
    (address, receiver)
}

fn chunked(body: &[u8], end: &[u8]) -> Vec<u8> {
    let mut response = format!("{ARROW_HEADERS}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(50) {
        response.extend(format!("{:x}\r\n", chunk.len()).bytes());
        response.extend(chunk);
        response.extend(b"\r\n");
    }
    response.extend(end);
    response
}

async fn ask(response: Vec<u8>, piece: usize) -> lakegate_client::Result<ResultStream> {
    let (address, _) = serve(response, piece).await;
    Connection::new(ConnectOptions::new(address).token("t")).unwrap().query("SELECT 1").stream().await
}

#[tokio::test]
async fn a_result_arrives_whole_however_its_bytes_are_cut() {
    let expected = [batch(1), batch(4)];
    for piece in [1, 7, 100_000] {
        for response in [until_closed(&arrow(&expected)), chunked(&arrow(&expected), b"0\r\n\r\n")] {
            let rows = ask(response, piece).await.unwrap();
            assert_eq!(rows.query_id, "0190-abc");
            assert!(rows.policy.rows_filtered && rows.policy.columns_hidden && !rows.policy.cells_nulled);
            assert_eq!(rows.policy.masked, ["name"]);
            assert_eq!(rows.schema(), expected[0].schema());
            assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap(), expected, "in pieces of {piece}");
        }
    }
}

#[tokio::test]
async fn a_result_without_rows_has_columns() {
    let rows = ask(until_closed(&arrow(&[])), 100).await.unwrap();
    assert_eq!(rows.schema().fields().len(), 2);
    assert!(rows.try_collect::<Vec<_>>().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_request_says_what_was_asked_and_by_whom() {
    let (address, request) = serve(until_closed(&arrow(&[])), 1000).await;
    let options = ConnectOptions::new(address).token("s3cret").database("sales");
    let query = Connection::new(options).unwrap().query("SELECT $1, $2");
    query.params([Value::Int(7), Value::Null]).strict(true).max_rows(5).stream().await.unwrap();
    let request = request.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/sql HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: Bearer s3cret"), "{head}");
    assert!(head.contains("accept: application/vnd.apache.arrow.stream"), "{head}");
    let expected =
        r#"{"sql":"SELECT $1, $2","params":[7,null],"database":"sales","strict":true,"max_rows":5}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_cut_result_is_never_taken_for_a_complete_one() {
    let whole = arrow(&[batch(1), batch(4)]);
    // At every byte: also exactly between two messages, where the bytes before are a readable stream.
    for length in 0..whole.len() {
        let outcome = match ask(until_closed(&whole[..length]), 100_000).await {
            Ok(rows) => rows.try_collect::<Vec<_>>().await.map(drop),
            Err(error) => Err(error),
        };
        match outcome {
            Err(Error::Incomplete { .. }) => {}
            other => panic!("cut at {length} of {}: {other:?}", whole.len()),
        }
    }
}

#[tokio::test]
async fn a_body_that_the_server_aborts_is_an_error_even_after_the_end_mark() {
    for body in [arrow(&[batch(1), batch(4)]), arrow(&[batch(1)])[..300].to_vec()] {
        let error = match ask(chunked(&body, b""), 100_000).await {
            Ok(rows) => rows.try_collect::<Vec<_>>().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, Error::Incomplete { .. }), "{error:?}");
        assert_eq!(error.query_id(), Some("0190-abc"));
    }
}

#[tokio::test]
async fn a_problem_keeps_its_code_detail_and_query() {
    let body = r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"table not found: `x`",
        "code":"table_not_found","query_id":"0190-def"}"#;
    let response = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let error = ask(response.into_bytes(), 1000).await.unwrap_err();
    assert_eq!(error.to_string(), "table not found: `x` (table_not_found)");
    assert_eq!(error.query_id(), Some("0190-def"));
    let problem = error.problem().unwrap();
    assert_eq!((&problem.code, problem.status), (&Code::TableNotFound, 404));
}

#[tokio::test]
async fn what_is_no_gateway_is_named_so() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi";
    assert!(matches!(ask(page.into(), 1000).await.unwrap_err(), Error::Protocol(_)));
    let silent = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.apache.arrow.stream\r\n\
        lakegate-query-id: 1\r\ncontent-length: 0\r\n\r\n";
    let error = ask(silent.into(), 1000).await.unwrap_err();
    assert!(error.to_string().contains("does not say what policy did"), "{error}");
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert!(matches!(ask(moved.into(), 1000).await.unwrap_err(), Error::Protocol(_)));
    let nobody = Connection::new(ConnectOptions::new("http://127.0.0.1:1")).unwrap();
    assert!(matches!(nobody.query("SELECT 1").stream().await.unwrap_err(), Error::Unreachable(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocking_face_gives_the_same_rows_also_inside_a_runtime() {
    let (address, _) = serve(until_closed(&arrow(&[batch(1), batch(4)])), 64).await;
    let on_a_thread = move || {
        let connection = blocking::Connection::new(ConnectOptions::new(address)).unwrap();
        let rows = connection.query("SELECT 1").stream().unwrap();
        assert_eq!(rows.query_id(), "0190-abc");
        assert!(rows.policy().rows_filtered);
        rows.collect::<lakegate_client::Result<Vec<_>>>().unwrap()
    };
    assert_eq!(tokio::task::spawn_blocking(on_a_thread).await.unwrap(), [batch(1), batch(4)]);

    let (address, _) = serve(until_closed(&arrow(&[batch(1)])), 64).await;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let connection = blocking::Connection::new(ConnectOptions::new(address)).unwrap();
            assert_eq!(connection.query("SELECT 1").stream().unwrap().count(), 1);
        });
    })
    .join()
    .unwrap();
}
