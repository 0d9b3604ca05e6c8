//! `lakegate sql`, the real program: here fed through a pipe, in `terminal` with keys.

mod terminal;

use std::fs::File;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use arrow_ipc::reader::FileReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::support::gateway::Gateway;

const PATIENCE: Duration = Duration::from_secs(60);

/// Works for hours.
const ENDLESS: &str = "select count(*) from generate_series(1, 100000000) a, generate_series(1, 100000000) b";

async fn gateway() -> Gateway {
    Gateway::start()
        .await
        .with_csv("shop.items", "id,name\n1,pen\n2,ink\n3,cap\n")
        .await
        .with_policy("grants: [{ to: user:bo, on: shop.items, permissions: [select], rows: \"id < 3\" }]")
        .await
}

fn program(gateway: &Gateway, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(["sql", "--url", &gateway.url, "--database", "shop"])
        .args(arguments)
        .env("LAKEGATE_TOKEN", gateway.token("bo"))
        .env("TERM", "xterm-256color")
        .env("PAGER", "sed 's/^/paged:/'")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until the gateway has ended a query because nobody waits for it, for so many times.
async fn cancelled(gateway: &Gateway, sql: &str, times: usize) {
    for _ in 0..100 {
        let log = gateway.get("admin", "/v1/audit?user=bo&verdict=cancelled").await.json();
        if log["items"].as_array().unwrap().iter().filter(|record| record["sql"] == sql).count() >= times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("`{sql}` is not cancelled");
}

async fn fed(gateway: &Gateway, arguments: &[&str], input: &[u8]) -> (Output, String, String) {
    let mut child = program(gateway, arguments);
    child.stdin.take().unwrap().write_all(input).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_has_statements_and_backslash_commands() {
    let gateway = gateway().await;
    let input = b"-- what is there\n\\d items\n\\timing\r\nselect id, name\n  from items\n  order by id; select 7 as seven;\n\
        \\format json\nselect '\\\n\\q' as quoted, $$\n\\d$$ as dollars;\n/* not yet\n\\q\n*/ select 'last' as word\n";
    let (output, out, err) = fed(&gateway, &["--format", "csv"], input).await;
    assert!(output.status.success(), "{err}");
    let expected = [
        "column_name,data_type,is_nullable\nid,bigint,YES\nname,varchar,YES\n",
        "id,name\n1,pen\n2,ink\n",
        "seven\n7\n",
        "[{\"quoted\":\"\\\\\\n\\\\q\",\"dollars\":\"\\n\\\\d\"}]\n",
        "[{\"word\":\"last\"}]\n",
    ];
    assert_eq!(out, expected.concat());
    assert!(
        err.contains("timing is off\n(2 rows)\npolicy: some rows may be hidden from you\n(1 row)\n"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_has_backslash_commands_too() {
    let gateway = gateway().await;
    let (output, out, _) = fed(&gateway, &["--format", "csv", "-c", "\\l"], b"").await;
    assert!(output.status.success());
    assert_eq!(out, "database\nshop\n");
    let (output, out, err) = fed(&gateway, &["-c", "\\d nothing\n\\?"], b"").await;
    assert!(output.status.success() && err.contains("table not found: `nothing`"), "{err}");
    assert!(out.contains("\\timing"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_ends_a_script_and_is_its_exit_code() {
    let gateway = gateway().await;
    for (input, why) in [
        ("select 1 as one;\n\\nonsense\nselect 2 as two;\n", "`\\nonsense` is not a command here"),
        ("select 1 as one;\n\\format xml\nselect 2 as two;\n", "`xml` is not a format"),
        ("select 1 as one;\nselect nothing;\nselect 2 as two;\n", "column not found"),
        ("select 1 as one; select 'open\n", "line 1"),
    ] {
        let (output, out, err) = fed(&gateway, &["--format", "csv"], input.as_bytes()).await;
        assert_eq!((output.status.code(), out.as_str()), (Some(1), "one\n1\n"), "{input}: {err}");
        assert!(err.contains(why), "{input}: {err}");
    }
    let (output, _, err) = fed(&gateway, &[], b"select '\xff';\n").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("standard input cannot be read as text"), "{err}");
}

/// A program that feeds line by line gets each answer before it sends the next, and leaves with `\q`.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_answered_as_it_is_written() {
    let gateway = gateway().await;
    let mut child = program(&gateway, &["--format", "csv"]);
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for number in ["1", "2"] {
        input.write_all(format!("select {number} as n;\n").as_bytes()).await.unwrap();
        let mut answer = [0; 4];
        tokio::time::timeout(PATIENCE, output.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, format!("n\n{number}\n").as_bytes());
    }
    input.write_all(b"\\q\n").await.unwrap();
    // The pipe stays open, and the program ends all the same.
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(ended.success());
    drop(input);
}

/// What is in a file of columns.
fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).unwrap();
    let batches: Vec<_> = match path.extension().unwrap().to_str().unwrap() {
        "parquet" => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            reader.map(Result::unwrap).collect()
        }
        _ => FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect(),
    };
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_copied_into_a_file_of_each_format() {
    let gateway = gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let query = "(select id, name from shop.items order by id)";
    let lines = [
        format!("\\copy {query} TO '{}'", at("a.csv")),
        format!("\\copy {query} to {} format json", at("b")),
        format!("\\copy {query} to '{}';", at("c.ndjson")),
        format!("\\copy {query} to '{}'", at("d.parquet")),
        format!("\\copy {query} to '{}'", at("e.arrow")),
        format!("\\copy items to '{}'", at("f.csv")),
        format!("\\copy (select id from items where id > 7) to '{}'", at("g.csv")),
    ];
    let (output, out, err) =
        fed(&gateway, &["-c", &format!("\\timing off\n{}", lines.join("\n"))], b"").await;
    assert!(output.status.success() && out.is_empty(), "{out}{err}");
    let told = format!("copied 2 rows to `{}`\npolicy: some rows may be hidden from you\n", at("d.parquet"));
    assert!(err.contains(&told), "{err}");
    let text = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert_eq!(text("a.csv"), "id,name\n1,pen\n2,ink\n");
    assert_eq!(text("b"), "[{\"id\":1,\"name\":\"pen\"},{\"id\":2,\"name\":\"ink\"}]\n");
    assert_eq!(text("c.ndjson"), "{\"id\":1,\"name\":\"pen\"}\n{\"id\":2,\"name\":\"ink\"}\n");
    assert_eq!(text("f.csv").lines().count(), 3);
    assert_eq!(text("g.csv"), "id\n");
    for name in ["d.parquet", "e.arrow"] {
        let rows = read(Path::new(&at(name)));
        let names = rows.column_by_name("name").unwrap();
        let names = arrow::util::display::array_value_to_string(names, 1).unwrap();
        assert_eq!((rows.num_rows(), rows.num_columns(), names.as_str()), (2, 2, "ink"), "{name}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_leaves_no_file_and_the_one_before_as_it_was() {
    let gateway = gateway().await;
    let folder = tempfile::tempdir().unwrap();
    // Breaks long after its first rows.
    let broken = "(select 1 / (value - 900000) as x from generate_series(1, 1000000))";
    for name in ["a.csv", "a.json", "a.ndjson", "a.parquet", "a.arrow"] {
        let file = folder.path().join(name);
        for before in [None, Some("before")] {
            if let Some(text) = before {
                std::fs::write(&file, text).unwrap();
            }
            let line = format!("\\copy {broken} to '{}'", file.display());
            let (output, _, err) = fed(&gateway, &["-c", &line], b"").await;
            assert_eq!(output.status.code(), Some(1), "{name}: {err}");
            assert!(err.contains("error: ") && !err.contains("copied"), "{name}: {err}");
            assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), before, "{name}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), usize::from(before.is_some()));
        }
        std::fs::remove_file(&file).unwrap();
    }
    for (line, why) in [
        (format!("\\copy items to '{}/no/x.csv'", folder.path().display()), "cannot be written"),
        ("\\copy items to /dev/null format csv".to_owned(), "`/dev/null` cannot be written: it is no file"),
        ("\\copy secrets to x.csv".to_owned(), "table not found: `shop.secrets`"),
        ("\\copy items to x".to_owned(), "does not say the format"),
    ] {
        let (output, _, err) = fed(&gateway, &["-c", &line], b"").await;
        assert!(output.status.code() == Some(1) && err.contains(why), "{line}: {err}");
        assert!(!Path::new("x.csv").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_script_and_its_query() {
    let gateway = gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let copy = format!("\\copy ({ENDLESS}) to '{}/x.csv'", folder.path().display());
    let first = "select 1 as n;\n";
    for (input, times) in
        [(format!("{first}{ENDLESS};\n"), 1), (format!("{first}{copy}\n"), 2), (first.to_owned(), 0)]
    {
        let mut child = program(&gateway, &["--format", "csv"]);
        // Stays open: the last of them waits for more.
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(input.as_bytes()).await.unwrap();
        let mut answer = [0; 4];
        let reading = child.stdout.as_mut().unwrap().read_exact(&mut answer);
        tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let id = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(130), "{input}");
        cancelled(&gateway, ENDLESS, times).await;
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_has_no_colours_and_no_pager() {
    let gateway = gateway().await;
    let input = b"\\pager on\nselect value, null as n from generate_series(1, 200);\n\\x\nselect null as n;\nselect wrong;\n";
    let (_, out, err) = fed(&gateway, &[], input).await;
    assert!(out.contains(" 200 | NULL\n") && out.contains("-[ record 1 ]-\nn | NULL\n"), "{out}");
    assert!(!out.contains("paged:") && !out.contains('\x1b'), "{out}");
    assert!(err.contains("error: ") && !err.contains('\x1b'), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_statements_is_run_and_may_run_others() {
    let gateway = gateway().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let inner = write("in ner.sql", "select 2 as two;\n\\q\nselect wrong;\n".to_owned());
    let outer = write("outer.sql", format!("select 1 as one;\n\\i '{inner}'\nselect 3 as three"));
    let (output, out, err) = fed(&gateway, &["--format", "csv", "-c", &format!("\\i {outer}")], b"").await;
    assert!(output.status.success(), "{err}");
    assert_eq!(out, "one\n1\ntwo\n2\nthree\n3\n");
    let circle = write("circle.sql", format!("\\i {}/circle.sql\n", folder.path().display()));
    for (file, why) in
        [(circle.as_str(), "is run by too many files"), ("/nowhere.sql", "`/nowhere.sql` cannot be read")]
    {
        let (output, _, err) = fed(&gateway, &["-c", &format!("\\i {file}")], b"").await;
        assert!(output.status.code() == Some(1) && err.contains(why), "{err}");
    }
}
