//! The privileges of real servers as policy files: printed by the command, applied by the command, and then each user compared, cell by
//! cell, between a connection to the source and a query here. Never more here, and the same wherever the file does not say otherwise.

mod mariadb;
mod postgres;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Column, ColumnIndex, Database, Decode, Executor, Row, Type};

use crate::support::gateway::Gateway;

/// The rows of a table as texts, each by the names of its columns.
type Seen = Vec<BTreeMap<String, String>>;

fn lakegate(gateway: &Gateway, arguments: &[&str]) -> Output {
    let config = gateway.folder.path().join("lakegate.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.args(arguments).arg("--config").arg(config).output().unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What the command prints, without a configuration.
fn printed(url: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lakegate"));
    command.current_dir(folder.path()).env_remove("LAKEGATE_CONFIG");
    command.args(["ingest", "grants", "--source", url, "--into", "shop"]).args(arguments).output().unwrap()
}

/// A gateway with the tables of the source that `tables` means, under the policy file that is printed for them; and that file.
async fn governed(url: &str, tables: &[&str]) -> (Gateway, String) {
    let gateway = Gateway::start().await;
    let mut arguments = vec!["ingest", "run", "--source", url, "--into", "shop"];
    arguments.extend(tables);
    told(&lakegate(&gateway, &arguments));
    let text = told(&printed(url, tables));
    let path = gateway.folder.path().join("offered.yaml");
    std::fs::write(&path, &text).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(lakegate(&gateway, &["policy", "plan", path]).status.code(), Some(2), "{text}");
    told(&lakegate(&gateway, &["policy", "apply", path]));
    assert_eq!(lakegate(&gateway, &["policy", "plan", path]).status.code(), Some(0), "{text}");
    gateway.app.refresh().await.unwrap();
    (gateway, text)
}

/// What whoever is connected sees of a table in the source, by the columns that they may read; none when there are none. `quoted` is
/// how the server has names in statements, `as_text` how it has a value as a text.
async fn seen_there<DB: Database>(
    connection: &mut DB::Connection,
    table: &str,
    columns: &[String],
    quoted: impl Fn(&str) -> String,
    as_text: impl Fn(&str) -> String,
) -> Option<Seen>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    usize: ColumnIndex<DB::Row>,
    for<'r> Option<String>: Decode<'r, DB>,
    Option<String>: Type<DB>,
{
    let mut readable = Vec::new();
    for column in columns {
        let sql = format!("SELECT {} FROM {table}", quoted(column));
        if connection.fetch_all(AssertSqlSafe(sql)).await.is_ok() {
            readable.push(quoted(column));
        }
    }
    if readable.is_empty() {
        return None;
    }
    let listed = readable.iter().map(|name| format!("{} AS {name}", as_text(name))).collect::<Vec<_>>();
    let sql = format!("SELECT {} FROM {table}", listed.join(", "));
    let rows = connection.fetch_all(AssertSqlSafe(sql)).await.unwrap();
    let row = |row: DB::Row| {
        let value = |at: usize| row.get::<Option<String>, _>(at).unwrap_or_else(|| "∅".to_owned());
        row.columns().iter().enumerate().map(|(at, column)| (column.name().to_owned(), value(at))).collect()
    };
    Some(rows.into_iter().map(row).collect())
}

/// What `user` sees of a table here; none when it does not exist for them.
async fn seen_here(gateway: &Gateway, user: &str, table: &str) -> Option<Seen> {
    let token = gateway.token_for(user, Duration::from_secs(600));
    let sql = format!("SELECT * FROM shop.\"{table}\"");
    let request = gateway.request(Method::POST, "/v1/sql").bearer_auth(token).json(&json!({ "sql": sql }));
    let answer = gateway.send(request).await;
    if answer.status == 404 {
        return None;
    }
    let body = answer.json();
    assert_eq!(answer.status, 200, "{user} {table}: {body}");
    let names =
        body["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap().to_owned());
    let names = names.collect::<Vec<_>>();
    let row = |row: &Value| names.iter().cloned().zip(row.as_array().unwrap().iter().map(text)).collect();
    Some(body["rows"].as_array().unwrap().iter().map(row).collect())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "∅".to_owned(),
        other => other.to_string(),
    }
}

/// What the two see of one table, as it is compared: columns, and the rows in an order of their own.
#[derive(Debug, PartialEq)]
enum Compared {
    Same,
    Less,
    More,
}

fn compared(here: Option<&Seen>, there: Option<&Seen>) -> Compared {
    let columns = |seen: &Seen| seen.iter().flat_map(|row| row.keys().cloned()).collect::<BTreeSet<_>>();
    let (Some(here), Some(there)) = (here, there) else {
        // A table that does not exist here is as good as one that nothing is seen of.
        return match (here, there) {
            (Some(here), None) if !here.is_empty() => Compared::More,
            (None, Some(there)) if !there.is_empty() => Compared::Less,
            _ => Compared::Same,
        };
    };
    if here.is_empty() {
        return if there.is_empty() { Compared::Same } else { Compared::Less };
    }
    let (shown, all) = (columns(here), columns(there));
    if !shown.is_subset(&all) {
        return Compared::More;
    }
    let mut left = there.clone();
    left.iter_mut().for_each(|row| row.retain(|name, _| shown.contains(name)));
    for row in here {
        match left.iter().position(|other| other == row) {
            Some(at) => drop(left.swap_remove(at)),
            None => return Compared::More,
        }
    }
    if left.is_empty() && shown == all { Compared::Same } else { Compared::Less }
}

#[test]
fn the_comparison_can_fail() {
    let seen = |rows: &[&[(&str, &str)]]| {
        let row = |row: &&[(&str, &str)]| {
            row.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        rows.iter().map(row).collect::<Seen>()
    };
    let two = seen(&[&[("a", "1"), ("b", "2")], &[("a", "3"), ("b", "4")]]);
    let one = seen(&[&[("a", "3"), ("b", "4")]]);
    let narrow = seen(&[&[("a", "1")], &[("a", "3")]]);
    let other = seen(&[&[("a", "1"), ("b", "5")]]);
    for (here, there, expected) in [
        (Some(&two), Some(&two), Compared::Same),
        (Some(&one), Some(&two), Compared::Less),
        (Some(&narrow), Some(&two), Compared::Less),
        (Some(&two), Some(&one), Compared::More),
        (Some(&two), Some(&narrow), Compared::More),
        (Some(&other), Some(&two), Compared::More),
        (Some(&one), None, Compared::More),
        (None, Some(&one), Compared::Less),
        (None, None, Compared::Same),
    ] {
        assert_eq!(compared(here, there), expected, "{here:?} {there:?}");
    }
}

#[tokio::test]
async fn a_source_without_privileges_is_told() {
    let (url, _folder) = super::sqlite::database("CREATE TABLE t (a INT)").await;
    for url in [url.as_str(), "file:///tmp", "s3://bucket/x"] {
        let output = printed(url, &[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(String::from_utf8(output.stderr).unwrap().contains("this source keeps no privileges"));
    }
}
