//! A server that answers each request with the next line of its script.

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow_ipc::writer::StreamWriter;
use lakegate_client::{ConnectOptions, Connection, RecordBatch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
pub enum Line {
    /// Writes this and hangs up.
    Say(Vec<u8>),
    /// Writes this and then nothing more, until the client hangs up.
    Hold(Vec<u8>),
}

/// A server and what it was asked.
#[derive(Clone)]
pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
    left: Arc<Mutex<usize>>,
}

impl Server {
    /// A server that follows `script`, a connection for each line, and then hangs up on everybody.
    pub async fn start(script: Vec<Line>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    pub fn on(listener: TcpListener, script: Vec<Line>) -> Self {
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { address, requests: Arc::default(), left: Arc::default() };
        let told = server.clone();
        tokio::spawn(async move {
            for line in script {
                let (socket, _) = listener.accept().await.unwrap();
                told.follow(socket, line).await;
            }
        });
        server
    }

    async fn follow(&self, mut socket: TcpStream, line: Line) {
        let request = request(&mut socket).await;
        self.requests.lock().unwrap().push(request);
        match line {
            Line::Say(bytes) => {
                let _ = socket.write_all(&bytes).await;
                let _ = socket.shutdown().await;
            }
            Line::Hold(bytes) => {
                let _ = socket.write_all(&bytes).await;
                let left = Arc::clone(&self.left);
                tokio::spawn(async move {
                    while socket.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                    *left.lock().unwrap() += 1;
                });
            }
        }
    }

    pub fn connection(&self) -> Connection {
        Connection::new(self.options()).unwrap()
    }

    pub fn options(&self) -> ConnectOptions {
        ConnectOptions::new(&self.address).token("t")
    }

    /// The first line and the body of each request, so far.
    pub fn asked(&self) -> Vec<String> {
        let short = |request: &String| {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
            format!("{line} {body}").trim_end().to_owned()
        };
        self.requests.lock().unwrap().iter().map(short).collect()
    }

    /// How many clients hung up that were held.
    pub fn left(&self) -> usize {
        *self.left.lock().unwrap()
    }
}

async fn request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the client hung up within its request: {text}");
        request.extend_from_slice(&buffer[..read]);
    }
}

pub fn batch(start: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(start..start + 3));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
    RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("name", names, true)]).unwrap()
}

/// An Arrow stream of `batches` with its end mark.
pub fn arrow(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

pub const ARROW_HEADERS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.apache.arrow.stream\r\n\
    lakegate-query-id: 0190-abc\r\n\
    lakegate-policy: {\"rows_filtered\":true,\"cells_nulled\":false,\"masked\":[\"name\"],\"columns_hidden\":true}\r\n";

/// A good answer whose body ends with the connection: the transport cannot tell that something is missing.
pub fn until_closed(body: &[u8]) -> Vec<u8> {
    [ARROW_HEADERS.as_bytes(), b"connection: close\r\n\r\n", body].concat()
}

/// A good answer with these rows.
pub fn rows(batches: &[RecordBatch]) -> Line {
    Line::Say(until_closed(&arrow(batches)))
}

/// An answer in words.
pub fn said(status: &str, content_type: &str, body: &str) -> Line {
    let length = body.len();
    Line::Say(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}

pub fn problem(status: u16, code: &str) -> Line {
    let body = format!(r#"{{"title":"x","status":{status},"detail":"so it is","code":"{code}"}}"#);
    said(&format!("{status} X"), "application/problem+json", &body)
}

pub fn json(status: &str, body: &str) -> Line {
    said(status, "application/json", body)
}
