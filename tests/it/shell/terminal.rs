//! `lakegate sql` at a terminal: keys in, and what stands on the screen. `tests/clients/terminal.py` holds the terminal.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{ENDLESS, cancelled, gateway};
use crate::support::gateway::Gateway;

/// How long something may take on a machine that does much else.
const PATIENCE: u64 = 60;

const PROMPT: &str = "lakegate> $";

/// A shell at a terminal of 20 lines and 60 columns.
struct Terminal {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    folder: tempfile::TempDir,
}

impl Terminal {
    async fn open(gateway: &Gateway, user: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::open_in(folder, gateway, user, environment).await
    }

    async fn open_in(
        folder: tempfile::TempDir,
        gateway: &Gateway,
        user: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/terminal.py");
        let mut process = Command::new("python3")
            .args([script, "20", "60", env!("CARGO_BIN_EXE_lakegate")])
            .args(["sql", "--url", &gateway.url, "--database", "shop"])
            .env("LAKEGATE_TOKEN", gateway.token(user))
            .env("XDG_STATE_HOME", folder.path())
            .env("TERM", "xterm-256color")
            .env("PAGER", "sed 's/^/paged:/'")
            .env("NO_COLOR", "1")
            .env_remove("LAKEGATE_HISTORY")
            .envs(environment.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let input = process.stdin.take().unwrap();
        let mut terminal = Self { _process: process, input, output, folder };
        terminal.wait(PROMPT).await;
        terminal
    }

    async fn ask(&mut self, what: Value) -> Value {
        self.input.write_all(format!("{what}\n").as_bytes()).await.unwrap();
        let limit = Duration::from_secs(2 * PATIENCE);
        let line = tokio::time::timeout(limit, self.output.next_line()).await.expect("an answer").unwrap();
        let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert!(answer["error"].is_null(), "{what}: {answer:#}");
        answer
    }

    async fn types(&mut self, keys: &str) {
        self.ask(json!(["type", keys])).await;
    }

    /// Everything up to `pattern`, without what controls the terminal.
    async fn wait(&mut self, pattern: &str) -> String {
        self.ask(json!(["wait", pattern, PATIENCE])).await["text"].as_str().unwrap().to_owned()
    }

    /// What stands on the screen between a line and the prompt after it.
    async fn answer(&mut self, line: &str) -> String {
        self.raw_answer(line).await["text"].as_str().unwrap().to_owned()
    }

    async fn raw_answer(&mut self, line: &str) -> Value {
        self.types(&format!("{line}\r")).await;
        self.ask(json!(["wait", format!("\n.*{PROMPT}"), PATIENCE])).await
    }

    async fn ends(&mut self) -> Value {
        self.ask(json!(["end", PATIENCE])).await["code"].clone()
    }
}

async fn two_readers() -> Gateway {
    let policy = "grants: [{ to: user:bo, on: shop.items, permissions: [select] }, \
        { to: user:ana, on: shop.*, permissions: [select] }]";
    gateway().await.with_csv("shop.secrets", "code\n1\n").await.with_policy(policy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_completes_tables_and_columns_that_the_reader_may_see_and_no_others() {
    let gateway = two_readers().await;
    let mut bo = Terminal::open(&gateway, "bo", &[]).await;
    bo.types("select na\t").await;
    bo.wait("select na").await;
    // What is typed next is read after the completion, however long that takes.
    bo.types("\x03").await;
    bo.wait(PROMPT).await;
    bo.types("select max(i.n\t").await;
    bo.wait("i\\.n").await;
    bo.types("\x03").await;
    bo.wait(PROMPT).await;
    bo.types("select * from it\t").await;
    bo.wait("from items").await;
    bo.types(" where na\t\t").await;
    bo.wait("name +natural").await;
    bo.types("me = 'ink' or items.i\t").await;
    bo.wait("items\\.id").await;
    let shown = bo.answer(" = 3;").await;
    assert!(shown.contains("  2 | ink\n") && shown.contains("(2 rows"), "{shown}");

    bo.types("select * from secr\t\t").await;
    bo.types("\x03").await;
    let shown = bo.wait(PROMPT).await;
    assert!(shown.contains("secr") && !shown.contains("secrets"), "{shown}");
    let mut ana = Terminal::open(&gateway, "ana", &[]).await;
    ana.types("select * from secr\t").await;
    ana.wait("from secrets").await;
    ana.types(" where cod\t").await;
    ana.wait("where code").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_knows_a_table_once_it_may_be_seen() {
    let gateway = two_readers().await;
    let mut ana = Terminal::open(&gateway, "ana", &[]).await;
    ana.types("select * from chea\t\x03").await;
    let shown = ana.wait(&format!("\n.*{PROMPT}")).await;
    assert!(!shown.contains("cheap"), "{shown}");
    let rights = "grants: [{ to: user:ana, on: shop, permissions: [create_table] }]";
    gateway.apply(rights).await.unwrap();
    let made = ana.answer("create view shop.cheap as select name from shop.items;").await;
    assert!(!made.contains("error"), "{made}");
    ana.types("select * from chea\t").await;
    ana.wait("from cheap").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_completes_commands_and_files() {
    let gateway = two_readers().await;
    let mut bo = Terminal::open(&gateway, "bo", &[]).await;
    std::fs::write(bo.folder.path().join("script.sql"), "select 40 + 2 as answer;\n").unwrap();
    bo.types("\\i scr\t").await;
    bo.wait("script.sql").await;
    assert!(bo.answer("").await.contains("     42\n"));
    bo.types("\\tim\t").await;
    bo.wait("timing").await;
    assert!(bo.answer("").await.contains("timing is off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_cancels_the_query_and_not_the_shell() {
    let gateway = gateway().await;
    let mut bo = Terminal::open(&gateway, "bo", &[]).await;
    let statements = [format!("{ENDLESS};"), format!("\\copy ({ENDLESS}) to endless.csv")];
    for (statement, times) in statements.iter().zip(1..) {
        bo.types(&format!("{statement}\r")).await;
        bo.wait("\n$").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        bo.types("\x03").await;
        let shown = bo.wait(&format!("cancelled\n{PROMPT}")).await;
        assert!(!shown.contains("error"), "{shown}");
        cancelled(&gateway, ENDLESS, times).await;
        assert!(bo.answer("select 7 as seven;").await.contains("     7\n"));
    }
    let left = std::fs::read_dir(bo.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["lakegate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_at_the_prompt_clears_the_line_and_ctrl_d_leaves() {
    let gateway = gateway().await;
    let mut bo = Terminal::open(&gateway, "bo", &[]).await;
    bo.types("select nonsense\r").await;
    bo.wait("\\.\\.\\.> $").await;
    bo.types("from nowhere\x03").await;
    bo.wait(PROMPT).await;
    bo.types("select wrong\x03").await;
    bo.wait(PROMPT).await;
    assert!(bo.answer("select 8 as eight;").await.contains("     8\n"));
    let shown = bo.answer("select nothing_here; select 9 as nine;").await;
    assert!(shown.contains("error: column not found") && !shown.contains("nine\n"), "{shown}");
    bo.types("\x04").await;
    assert_eq!(bo.ends().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pager_has_what_the_screen_is_too_small_for() {
    let gateway = gateway().await;
    let mut bo = Terminal::open(&gateway, "bo", &[]).await;
    let (tall, wide) = ("select value as v from generate_series(1, 30);", "select repeat('x', 80) as x;");
    for (statement, is_paged) in [
        ("select 1 as one;", false),
        (tall, true),
        (wide, true),
        ("\\pager off", false),
        (tall, false),
        (wide, false),
        ("\\pager on", false),
        ("select 1 as one;", true),
        ("\\pager auto", false),
        ("select value as v from generate_series(1, 10);", false),
    ] {
        let shown = bo.answer(statement).await;
        assert_eq!(shown.contains("paged:"), is_paged, "{statement}: {shown}");
        if statement == tall {
            assert!(shown.contains(" 30\n(30 rows"), "{shown}");
        }
    }
    assert!(bo.answer("\\pager").await.contains("when the screen is too small"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_pager_ends_the_query() {
    let gateway = gateway().await;
    let mut bo = Terminal::open(&gateway, "bo", &[("PAGER", "head -n 5")]).await;
    let endless = "select a.value as v from generate_series(1, 100000) a, generate_series(1, 100000) b";
    let shown = bo.answer(&format!("{endless};")).await;
    assert!(shown.contains(" 1\n") && !shown.contains(" rows"), "{shown}");
    assert!(!shown.contains("error"), "{shown}");
    cancelled(&gateway, endless, 1).await;
    let mut none = Terminal::open(&gateway, "bo", &[("PAGER", "")]).await;
    assert!(none.answer("select value from generate_series(1, 30);").await.contains("    30\n(30 rows"));
    assert!(none.answer("\\pager").await.contains("there is no pager"));
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_a_terminal_that_wants_them() {
    let gateway = gateway().await;
    let mut bo = Terminal::open(&gateway, "bo", &[("NO_COLOR", "")]).await;
    let raw = bo.raw_answer("select null as nothing;").await["raw"].as_str().unwrap().to_owned();
    for code in ["\x1b[34mselect", "\x1b[1mnothing\x1b[0m", "\x1b[2mNULL\x1b[0m"] {
        assert!(raw.contains(code), "{code:?}: {raw:?}");
    }
    for unwanted in [[("NO_COLOR", "1"), ("TERM", "xterm")], [("NO_COLOR", ""), ("TERM", "dumb")]] {
        let mut bo = Terminal::open(&gateway, "bo", &unwanted).await;
        let raw =
            bo.raw_answer("select null as nothing; select wrong;").await["raw"].as_str().unwrap().to_owned();
        assert!(raw.contains("NULL") && raw.contains("error: "), "{raw:?}");
        let codes = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[34m"];
        assert!(!codes.iter().any(|code| raw.contains(code)), "{raw:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timing_records_formats_and_databases_are_switched() {
    let policy = "grants: [{ to: user:bo, on: store.*, permissions: [select] }]";
    let gateway = gateway().await.with_csv("store.shelves", "nr\n5\n").await.with_policy(policy).await;
    let mut bo = Terminal::open(&gateway, "bo", &[]).await;
    assert!(bo.answer("select 1 as one;").await.contains(" ms)\n"));
    assert!(bo.answer("\\timing").await.contains("timing is off"));
    let shown = bo.answer("select 1 as one;").await;
    assert!(shown.contains("(1 row)\n"), "{shown}");
    assert!(bo.answer("\\timing on").await.contains("timing is on"));
    assert!(bo.answer("\\x").await.contains("rows are shown as records"));
    let shown = bo.answer("select id, name from items order by id;").await;
    assert!(shown.contains("-[ record 2 ]-\nid   | 2\nname | ink\n"), "{shown}");
    assert!(bo.answer("\\c nowhere").await.contains("database not found: `nowhere`"));
    assert!(bo.answer("\\c").await.contains("tables are looked up in `shop`"));
    bo.answer("\\c store").await;
    assert!(bo.answer("\\c").await.contains("tables are looked up in `store`"));
    assert!(bo.answer("select nr from shelves;").await.contains("nr | 5\n"));
    let shown = bo.answer("\\?").await;
    assert!(shown.contains("\\copy WHAT TO FILE"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_kept_for_its_owner_alone() {
    let gateway = gateway().await;
    let mut first = Terminal::open(&gateway, "bo", &[]).await;
    first.answer("select 41 as remembered;").await;
    first.types("\\q\r").await;
    assert_eq!(first.ends().await, 0);
    let Terminal { folder, .. } = first;
    let file = folder.path().join("lakegate/history");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let mut second = Terminal::open_in(folder, &gateway, "bo", &[]).await;
    second.types("\x1b[A\x1b[A").await;
    second.wait("select 41 as remembered;").await;
    assert!(second.answer("").await.contains("        41\n"));

    let mut none = Terminal::open(&gateway, "bo", &[("LAKEGATE_HISTORY", "")]).await;
    none.answer("select 43 as forgotten;").await;
    none.types("\x04").await;
    none.ends().await;
    assert_eq!(std::fs::read_dir(none.folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_statement_is_written_anew_in_the_editor() {
    let gateway = gateway().await;
    let mut bo = Terminal::open(&gateway, "bo", &[("EDITOR", "sed -i s/100/200/"), ("VISUAL", "")]).await;
    bo.answer("select 100 + 1 as n;").await;
    bo.types("\\e\r").await;
    bo.wait("select 200 \\+ 1 as n").await;
    let shown = bo.answer(";").await;
    assert!(shown.contains(" 201\n"), "{shown}");
}
