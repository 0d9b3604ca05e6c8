//! A private, real PostgreSQL for the tests of one process, and a fresh database for each caller.
//!
//! It has its own folder, port and socket, so it disturbs nobody and two test runs can go side by side. A small shell
//! watches over it: it waits on a pipe whose other end only the test process holds. However that process ends, also
//! by a kill, the system closes the pipe, and the watcher stops the server and removes its folder. A missing
//! PostgreSQL fails the tests that need it.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// The server that all tests of this process share. Lives as long as the process.
pub struct PostgresServer {
    port: u16,
    databases: AtomicU32,
    /// Holds the pipe that stays open for as long as the process lives: its end is the watcher's signal.
    _watcher: Child,
}

/// The second signal is for a server that is still starting and does not listen to the first.
const WATCHER: &str = r#"
dir="$1"; shift
"$@" >"$dir/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server"
sleep 0.5
kill -KILL "$server"
wait "$server"
rm -rf "$dir"
"#;

impl PostgresServer {
    /// The server, started by the first who asks.
    pub async fn shared() -> &'static Self {
        static SERVER: OnceLock<PostgresServer> = OnceLock::new();
        tokio::task::spawn_blocking(|| SERVER.get_or_init(Self::start)).await.unwrap()
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        connection.close().await.unwrap();
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn start() -> Self {
        let bin = bin_dir();
        // The watcher removes it. Short, because a socket's path may have no more than about 100 characters.
        let dir = tempfile::Builder::new().prefix("pg").tempdir().unwrap().keep();
        let data = dir.join("data");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&dir));
        }
        run(as_owner(&bin.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
            .args(["--locale", "C.UTF-8", "-D"])
            .arg(&data));
        let port = free_port();
        let server = as_owner(&bin.join("postgres"));
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCHER, "sh"]).arg(&dir).arg(server.get_program()).args(server.get_args());
        watcher.arg("-D").arg(&data).arg("-k").arg(&dir).arg("-p").arg(port.to_string());
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=200", "wal_level=logical"]
        {
            watcher.args(["-c", setting]);
        }
        // Its own process group: Ctrl-C ends the tests, and the watcher then ends the server.
        let watcher = watcher
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until_ready(&dir);
        Self { port, databases: AtomicU32::new(0), _watcher: watcher }
    }
}

/// PostgreSQL does not run as root: then everything runs as its own user.
fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}

fn bin_dir() -> PathBuf {
    let in_path = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    installed.sort();
    in_path
        .into_iter()
        .chain(installed.into_iter().rev())
        .find(|dir| ["initdb", "postgres", "pg_isready"].iter().all(|program| dir.join(program).exists()))
        .expect("these tests need PostgreSQL's `initdb` and `postgres`: install the package `postgresql`")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(command: &mut Command) {
    // From a folder that the server's user may enter.
    let output = command.current_dir("/").output().unwrap();
    if !output.status.success() {
        std::io::stderr().write_all(&output.stderr).unwrap();
        panic!("{command:?} failed");
    }
}

fn wait_until_ready(dir: &Path) {
    let start = Instant::now();
    loop {
        let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        if log.contains("ready to accept connections") {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "PostgreSQL did not start within 60 s:\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
