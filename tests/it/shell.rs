//! `lakegate sql` without a terminal: the real program, fed through a pipe.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::support::gateway::Gateway;

const PATIENCE: Duration = Duration::from_secs(60);

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
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
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
