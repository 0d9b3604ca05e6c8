//! Bytes that no client sends, at each door: noise, messages that are cut off, and lengths that lie. The connection ends,
//! and the gateway serves on.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::gateway::Gateway;

/// How long a door may take to end a connection whose client has said all it will.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a door says before it knows who is there, at the most.
const MOST: usize = 1 << 20;

/// Noise for each door.
const NOISES: usize = 150;

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().unwrap()
}

/// Sends `bytes`, says that there is no more, and reads until the door ends the connection.
async fn send(door: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(door).await.unwrap();
    // The door may end the connection before all is sent.
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
    read_to_the_end(socket, bytes).await
}

async fn read_to_the_end(mut socket: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    let mut part = [0; 4096];
    let ending = async {
        while let Ok(read @ 1..) = socket.read(&mut part).await {
            said.extend_from_slice(&part[..read]);
            assert!(said.len() < MOST, "it says more than there is to say");
        }
    };
    let told = tokio::time::timeout(PATIENCE, ending).await;
    assert!(told.is_ok(), "the connection stays open after {:?}", String::from_utf8_lossy(bytes));
    said
}

/// Sends `noise`, each message of `whole` cut off at every `step`th byte, and `lies`; after each door's lot a good client
/// is served as before.
async fn pester(gateway: &Gateway, door: SocketAddr, whole: &[Vec<u8>], lies: &[Vec<u8>]) {
    let mut random = StdRng::seed_from_u64(0x1a4e_6a7e);
    for _ in 0..NOISES {
        let mut noise = vec![0; random.random_range(1..2000)];
        random.fill_bytes(&mut noise);
        send(door, &noise).await;
    }
    for message in whole {
        let step = (message.len() / 40).max(1);
        for length in (1..message.len()).step_by(step) {
            send(door, &message[..length]).await;
        }
        // A byte of it is another.
        for _ in 0..40 {
            let mut changed = message.clone();
            let at = random.random_range(0..changed.len());
            changed[at] = changed[at].wrapping_add(random.random_range(1..=255));
            send(door, &changed).await;
        }
    }
    for lie in lies {
        send(door, lie).await;
    }
    let answer = tokio::time::timeout(PATIENCE, gateway.sql("ana", "SELECT 1 AS one")).await;
    assert_eq!(answer.expect("the gateway serves on").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_ends_connections_that_make_no_sense() {
    let gateway = Gateway::start().await;
    let door = address(&gateway.url);
    let body = r#"{"sql": "SELECT 1"}"#;
    let request = |length: &str, body: &str| {
        let token = gateway.token("ana");
        format!(
            "POST /v1/sql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    let good = request(&body.len().to_string(), body);
    // A client of HTTP that says it is done is taken for one that is gone.
    let mut socket = TcpStream::connect(door).await.unwrap();
    socket.write_all(&good).await.unwrap();
    assert!(read_to_the_end(socket, &good).await.starts_with(b"HTTP/1.1 200"), "what is whole is served");
    let huge = "x".repeat(2 << 20);
    let lies = [
        request("99999999999999999999", body),
        request("9223372036854775807", body),
        request("-1", body),
        request("3", body),
        request(&huge.len().to_string(), &huge),
        format!("GET /{huge} HTTP/1.1\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nx: {huge}\r\n\r\n").into_bytes(),
        b"POST /v1/sql HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"
            .to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
    ];
    pester(&gateway, door, &[good], &lies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_sql_ends_connections_that_make_no_sense() {
    let gateway = Gateway::start().await;
    let door = address(&gateway.flight);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    let frame = |length: u32, kind: u8, flags: u8, stream: u32, body: &[u8]| {
        let head = [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        [preface, &head, body].concat()
    };
    let settings = frame(0, 4, 0, 0, &[]);
    let lies = [
        frame(0x00ff_ffff, 0, 0, 1, &[0; 100]),
        frame(0x00ff_ffff, 4, 0, 0, &[]),
        frame(5, 4, 0, 0, &[1, 2, 3, 4, 5]),
        frame(10, 1, 4, 1, &[0xff; 10]),
        frame(4, 8, 0, 0, &[0, 0, 0, 0]),
        frame(8, 7, 0, 0, &[0; 8]),
        frame(3, 0x77, 0xff, 0x7fff_ffff, &[1, 2, 3]),
    ];
    pester(&gateway, door, &[settings], &lies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_of_postgresql_ends_connections_that_make_no_sense() {
    let gateway = Gateway::start().await;
    let door = gateway.postgres;
    let startup = |length: Option<i32>, version: i32, settings: &[u8]| {
        let real = i32::try_from(settings.len() + 8).unwrap();
        [&length.unwrap_or(real).to_be_bytes(), version.to_be_bytes().as_slice(), settings].concat()
    };
    let message = |kind: u8, length: Option<i32>, body: &[u8]| {
        let real = i32::try_from(body.len() + 4).unwrap();
        [&[kind], length.unwrap_or(real).to_be_bytes().as_slice(), body].concat()
    };
    let hello = startup(None, 196_608, b"user\0ana\0database\0lakegate\0\0");
    let token = [gateway.token("ana").as_bytes(), b"\0"].concat();
    let password = message(b'p', None, &token);
    let known = [hello.as_slice(), &password].concat();
    let session = [known.as_slice(), &message(b'Q', None, b"SELECT 1\0")].concat();
    let told = send(door, &session).await;
    assert!(told.windows(8).any(|part| part == b"SELECT 1"), "what is whole is served");
    let after = |part: Vec<u8>| [known.as_slice(), &part].concat();
    let lies = [
        startup(Some(i32::MAX), 196_608, b""),
        startup(Some(-1), 196_608, b""),
        startup(Some(3), 196_608, b""),
        startup(None, 99 << 16, b"user\0ana\0\0"),
        startup(None, 196_608, &[b'x'; 10_000]),
        startup(None, 80_877_102, &[0; 8]),
        [hello.as_slice(), &message(b'p', Some(i32::MAX), b"")].concat(),
        [hello.as_slice(), &message(b'p', None, &vec![b'x'; 100_000])].concat(),
        [hello.as_slice(), &message(b'Q', None, b"SELECT 1\0")].concat(),
        after(message(b'Q', Some(i32::MAX), b"SELECT 1\0")),
        after(message(b'Q', Some(-5), b"SELECT 1\0")),
        after(message(b'Q', Some(0), b"")),
        after(message(b'Q', None, b"SELECT 1")),
        after(message(b'Q', None, &[0xff, 0xfe, 0])),
        after(message(b'P', None, b"\0SELECT $1\0\x7f\xff")),
        after(message(b'B', None, b"\0\0\x7f\xff")),
        after(message(b'B', None, b"\0nothing\0\0\0\0\0\0\0")),
        after(message(b'B', None, b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0")),
        after(message(b'E', None, b"\0\xff\xff\xff\xff")),
        after(message(b'D', None, b"Z\0")),
        after(message(b'd', None, b"rows that nobody asked for")),
        after(message(b'~', None, b"?")),
    ];
    pester(&gateway, door, &[session], &lies).await;
}
