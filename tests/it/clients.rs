//! The doors as other people's clients use them: what `scripts/clients.sh` has fetched, as it comes.

mod adbc;
mod flight_sql;
mod postgres;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a client may take for all that it is told.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where the clients are.
fn folder() -> PathBuf {
    let cache = || PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/lakegate/clients");
    let folder = std::env::var("LAKEGATE_CLIENTS").map_or_else(|_| cache(), PathBuf::from);
    assert!(folder.join("jdbc").is_dir(), "no clients in {}: run `sh scripts/prepare.sh`", folder.display());
    folder
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a Python script with the drivers.
async fn python(name: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(folder().join("python/bin/python"));
    command.arg(script(name)).envs(environment.iter().copied()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Connects with JDBC and does what `commands` say, a line each with tabs between the words. Gives what came of each.
async fn jdbc(url: &str, user: &str, password: &str, commands: &[&[&str]]) -> Vec<String> {
    let mut command = Command::new("java");
    // The Arrow driver reads memory that Java does not give away unasked.
    command.arg("--add-opens=java.base/java.nio=ALL-UNNAMED").arg("-Duser.timezone=UTC");
    command.arg("-cp").arg(folder().join("jdbc/*")).arg(script("Jdbc.java")).args([url, user, password]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    let lines = commands.iter().map(|words| words.join("\t")).collect::<Vec<_>>().join("\n");
    let mut input = process.stdin.take().unwrap();
    // One that is refused does not read.
    let _ = input.write_all(lines.as_bytes()).await;
    drop(input);
    let output = tokio::time::timeout(PATIENCE, process.wait_with_output()).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text
        .split("> ")
        .skip(1)
        .map(|block| block.split_once('\n').unwrap_or_default().1.trim_end().to_owned());
    let said = said.collect::<Vec<_>>();
    let is_refused = text.starts_with("refused");
    assert!(is_refused || said.len() == commands.len(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    if is_refused { vec![text] } else { said }
}
