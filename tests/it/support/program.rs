//! The program itself as a process of its own, beside the gateway of a test and on the same store.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A node that serves what is laid out in `folder`, and the URL of its HTTP door. It ends when it is dropped.
pub async fn serve(folder: &Path) -> (Child, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(["serve", "--config"])
        .arg(folder.join("lakegate.toml"))
        .env("LAKEGATE__SERVER__HTTP", "127.0.0.1:0")
        .env("LAKEGATE__SERVER__FLIGHT", "127.0.0.1:0")
        .env("LAKEGATE__SERVER__POSTGRES", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut outs = BufReader::new(server.stdout.take().unwrap()).lines();
    loop {
        let line = tokio::select! {
            Ok(Some(line)) = lines.next_line() => line,
            Ok(Some(line)) = outs.next_line() => line,
            else => panic!("the program ended"),
        };
        if let Some((_, address)) = line.split_once("listening on ") {
            let address = address.trim().trim_start_matches("http://").to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            tokio::spawn(async move { while let Ok(Some(_)) = outs.next_line().await {} });
            return (server, format!("http://{address}"));
        }
    }
}
