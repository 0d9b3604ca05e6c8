//! Both doors behind a certificate.

use std::path::PathBuf;
use std::time::Duration;

use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use lakegate::config::TlsConfig;
use lakegate::serve::listener::Listener;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::support::gateway::Gateway;

/// A certificate for `localhost` that vouches for itself: the files, and its text.
struct Proof {
    _folder: tempfile::TempDir,
    files: TlsConfig,
    text: String,
}

fn proof() -> Proof {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let files =
        TlsConfig { certificate: folder.path().join("server.pem"), key: folder.path().join("server.key") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    Proof { _folder: folder, files, text: made.cert.pem() }
}

async fn gateway(proof: &Proof) -> Gateway {
    let files = proof.files.clone();
    let gateway = Gateway::start_with(|config| config.server.tls = Some(files)).await;
    let gateway = gateway.with_csv("s.t", "id\n1\n2\n").await;
    gateway.with_policy("grants: [{ to: \"user:ana\", on: s.t, permissions: [select] }]").await
}

fn client(proof: &Proof) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(proof.text.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().add_root_certificate(root).build().unwrap()
}

async fn count_over_http(gateway: &Gateway, client: &reqwest::Client) -> reqwest::Result<serde_json::Value> {
    let body = json!({ "sql": "SELECT count(*) FROM s.t" });
    let request =
        client.post(format!("{}/v1/sql", gateway.url)).bearer_auth(gateway.token("ana")).json(&body);
    request.send().await?.json().await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_doors_speak_tls_and_nothing_else() {
    let proof = proof();
    let gateway = gateway(&proof).await;
    assert!(gateway.url.starts_with("https://"));
    let answer = count_over_http(&gateway, &client(&proof)).await.unwrap();
    assert_eq!(answer["rows"], json!([[2]]));

    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&proof.text)).domain_name("localhost");
    let channel = Channel::from_shared(gateway.flight.clone()).unwrap().tls_config(tls).unwrap();
    let mut flight = FlightSqlServiceClient::new(channel.connect().await.unwrap());
    flight.set_token(gateway.token("ana"));
    let info = flight.execute("SELECT id FROM s.t".to_owned(), None).await.unwrap();
    let rows = flight.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    let rows = rows.try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(rows.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 2);

    // Who does not know the certificate does not talk, and nothing is said in the clear.
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(count_over_http(&gateway, &stranger).await.is_err());
    for url in [&gateway.url, &gateway.flight] {
        let clear = url.replace("https://", "http://");
        assert!(stranger.get(clear).send().await.is_err(), "{url} answers in the clear");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_connects_and_says_nothing_keeps_nobody_waiting() {
    let proof = proof();
    let gateway = gateway(&proof).await;
    let address = gateway.url.trim_start_matches("https://").to_owned();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff], &[0; 100]] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(noise).await.unwrap();
        silent.push(socket);
    }
    let client = client(&proof);
    let answer = tokio::time::timeout(Duration::from_secs(8), count_over_http(&gateway, &client)).await;
    assert_eq!(answer.expect("in time").unwrap()["rows"], json!([[2]]));
}

#[tokio::test]
async fn files_that_are_no_certificate_stop_the_start_and_are_named() {
    let proof = proof();
    let other = self::proof();
    let missing = PathBuf::from("/nowhere/server.pem");
    let (certificate, key) = (&proof.files.certificate, &proof.files.key);
    for (certificate, key, named) in [
        (&missing, key, "`server.tls.certificate`: `/nowhere/server.pem` cannot be used"),
        (certificate, &missing, "`server.tls.key`: `/nowhere/server.pem` cannot be used"),
        (key, key, "it holds no certificate in PEM"),
        (certificate, certificate, "`server.tls.key`"),
        (certificate, &other.files.key, "`server.tls.certificate`"),
    ] {
        let files = TlsConfig { certificate: certificate.clone(), key: key.clone() };
        let refused = Listener::bind("127.0.0.1:0".parse().unwrap(), Some(&files)).await.unwrap_err();
        assert!(refused.to_string().contains(named), "{named}: {refused}");
    }
}

/// There a client asks for encryption once it is connected, and without it no token is taken from afar.
#[tokio::test(flavor = "multi_thread")]
async fn the_door_of_postgresql_agrees_on_tls_when_it_is_asked() {
    let proof = proof();
    let gateway = gateway(&proof).await;
    let psql = async |mode: &str| {
        let mut psql = tokio::process::Command::new("psql");
        psql.args(["-X", "-A", "-t", "-c", "SELECT count(*) FROM s.t"]).kill_on_drop(true);
        psql.env("PGHOST", "localhost")
            .env("PGHOSTADDR", "127.0.0.1")
            .env("PGPORT", gateway.postgres.port().to_string());
        psql.env("PGUSER", "ana").env("PGPASSWORD", gateway.token("ana")).env("PGDATABASE", "lakegate");
        psql.env("PGSSLMODE", mode).env("PGSSLROOTCERT", &proof.files.certificate);
        let output = psql.output().await.unwrap();
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    for mode in ["disable", "prefer", "require", "verify-full"] {
        let (told, fault) = psql(mode).await;
        assert_eq!(told, "2\n", "{mode}: {fault}");
    }
    // What stands in the clear behind the request for encryption is not taken for what is said under it.
    let mut socket = TcpStream::connect(gateway.postgres).await.unwrap();
    let request = [8_i32.to_be_bytes(), 80_877_103_i32.to_be_bytes()].concat();
    socket.write_all(&[&request[..], b"more in the clear"].concat()).await.unwrap();
    let mut answer = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(30), reading).await.expect("it ends");
    assert!(answer.len() < 64, "{answer:?}");
}
