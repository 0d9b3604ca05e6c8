//! A private MariaDB server for the tests: the real one, on its own port and directory, one per test process.
//!
//! It ends with the process, however that ends: a shell holds the server and reads from a pipe of ours, and the pipe
//! closes when we are gone. A machine without MariaDB fails the tests, and they say what to install.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::sync::OnceCell;

const START_WITHIN: Duration = Duration::from_secs(90);

/// The password has characters that a URL must escape.
const FIRST_STATEMENTS: &str =
    "CREATE USER lake@'%' IDENTIFIED BY 'p@ss/word';\nGRANT ALL ON *.* TO lake@'%' WITH GRANT OPTION;\n";
const IN_URL: &str = "lake:p%40ss%2Fword";

/// Waits for the end of our pipe, then ends the server and removes its directory.
const KEEPER: &str = r#"trap : INT TERM HUP
directory=$1; shift
"$@" >"$directory/log" 2>&1 &
server=$!
read -r line
kill -9 "$server"
wait "$server"
rm -rf "$directory""#;

/// The server.
#[derive(Debug)]
pub struct MariaDbServer {
    port: u16,
    /// Holds the pipe whose end ends the server.
    _keeper: Child,
}

impl MariaDbServer {
    /// The server of this process, started by the first who asks.
    pub async fn shared() -> &'static Self {
        static SERVER: OnceCell<MariaDbServer> = OnceCell::const_new();
        SERVER.get_or_init(Self::start).await
    }

    /// The URL of a new and empty database.
    pub async fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = MySqlConnection::connect(&self.url("")).await.unwrap();
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        connection.execute(AssertSqlSafe(create)).await.unwrap();
        self.url(&name)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn url(&self, database: &str) -> String {
        format!("mysql://{IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    async fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("lakegate-mariadb-").tempdir().unwrap().keep();
        // Root may not run the server, and the server's user must reach its files.
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = directory.join("data");
        install(&data);
        let first = directory.join("first.sql");
        std::fs::write(&first, FIRST_STATEMENTS).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&directory)
            .arg(program("mariadbd"))
            .args(["--no-defaults", "--skip-name-resolve", "--skip-log-bin", "--bind-address=127.0.0.1"])
            .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"])
            .args(["--max-allowed-packet=64M", "--character-set-server=utf8mb4"])
            // A session that does not choose these for itself reads other values.
            .args(["--default-time-zone=+05:30", "--sql-mode=PAD_CHAR_TO_FULL_LENGTH"])
            .args(server_user())
            .arg(format!("--port={port}"))
            .arg("--max-allowed-packet=128M")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", directory.join("socket").display()))
            .arg(format!("--pid-file={}", directory.join("pid").display()))
            .arg(format!("--init-file={}", first.display()))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { port, _keeper: keeper };
        let start = Instant::now();
        while let Err(error) = MySqlConnection::connect(&server.url("")).await {
            let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
            assert!(start.elapsed() < START_WITHIN, "MariaDB does not start: {error}\n{}", log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server
    }
}

fn install(data: &Path) {
    let output = Command::new(program("mariadb-install-db"))
        .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
        .args(server_user())
        .arg(format!("--datadir={}", data.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&output.stderr));
}

/// Started by root, the server and its installation turn into the user of the package.
fn server_user() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    (id == b"0\n").then_some("--user=mysql")
}

/// Servers are in `sbin`, which is not in everybody's path.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("these tests need MariaDB, and `{name}` is missing: install the package `mariadb-server`")
        })
}
