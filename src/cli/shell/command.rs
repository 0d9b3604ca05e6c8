//! The backslash commands of the shell, as values: reading a line here, obeying it in the session.

use std::path::PathBuf;

use clap::ValueEnum;
use lakegate_client::Value;

use super::copy::{self, Copy};
use super::rows::Format;
use super::scan;
use super::screen::Paging;

/// A command as `\?` shows it.
#[derive(Debug)]
pub struct Known {
    pub name: &'static str,
    /// What stands behind it: small letters are written so, capitals stand for something.
    pub takes: &'static str,
    pub does: &'static str,
}

/// Every command.
pub const COMMANDS: &[Known] = &[
    known("\\d", "[[DB.]TABLE]", "the tables you may see, or the columns of one"),
    known("\\dt", "", "the tables you may see"),
    known("\\l", "", "the databases of these tables; also `\\dn`"),
    known("\\dn", "", ""),
    known("\\c", "[DB]", "look for tables without a database in this one, or tell in which"),
    known("\\copy", "WHAT TO FILE", "write a table, or `(SELECT …)`, as csv, json, ndjson, parquet or arrow"),
    known("\\i", "FILE", "run what is in a file"),
    known("\\e", "", "write the last statement anew in `$EDITOR`"),
    known("\\x", "[on|off]", "show each row as a record with a line for each value"),
    known("\\format", "[table|json|ndjson|csv]", "write results so, or tell how they are written"),
    known(
        "\\pager",
        "[on|off|auto]",
        "show results in `$PAGER`: always, never, or when the screen is too small",
    ),
    known("\\timing", "[on|off]", "show how long queries take, or stop showing it"),
    known("\\?", "", "this list"),
    known("\\q", "", "leave; also Ctrl-D"),
];

const fn known(name: &'static str, takes: &'static str, does: &'static str) -> Known {
    Known { name, takes, does }
}

/// What `\?` shows.
pub fn help() -> String {
    let lines = COMMANDS.iter().filter(|command| !command.does.is_empty()).map(|command| {
        let what = format!("{} {}", command.name, command.takes);
        format!("{what:<32}{}\n", command.does)
    });
    lines.collect::<String>()
        + "Tab completes, and Ctrl-C clears the line or cancels the query that runs. A statement ends with `;`.\n"
}

/// A line that begins with a backslash, understood.
#[derive(Debug, PartialEq)]
pub enum Command {
    Quit,
    Help,
    /// On or off, or the other way round.
    Timing(Option<bool>),
    Records(Option<bool>),
    ShowFormat,
    Format(Format),
    ShowPager,
    Pager(Paging),
    ShowDatabase,
    Database(String),
    Copy(Copy),
    Include(PathBuf),
    Edit,
    /// A question to the gateway, and what to say when nothing comes back.
    Ask {
        sql: &'static str,
        params: Vec<Value>,
        nothing: String,
    },
}

const TABLES: &str =
    "SELECT table_schema, table_name, table_type FROM information_schema.tables ORDER BY 1, 2";
const DATABASES: &str = "SELECT DISTINCT table_schema AS database FROM information_schema.tables \
    WHERE table_schema <> 'information_schema' ORDER BY 1";
const COLUMNS: &str = "SELECT table_schema, column_name, data_type, is_nullable FROM information_schema.columns \
    WHERE table_name = $1 ORDER BY table_schema, ordinal_position";
const COLUMNS_IN: &str = "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
    WHERE table_name = $1 AND table_schema = $2 ORDER BY ordinal_position";

/// Whether there is a database for this reader: `$1`.
pub const DATABASE: &str = "SELECT schema_name FROM information_schema.schemata WHERE schema_name = $1";

/// Reads a line; the error is a sentence for the terminal.
pub fn parse(line: &str, database: Option<&str>) -> Result<Command, String> {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    // What these take may have spaces in it.
    match name {
        "\\copy" => return copy::parse(rest).map(Command::Copy),
        "\\i" => return included(rest),
        "\\d" if !rest.trim_end_matches(';').is_empty() => {
            return columns(rest.trim_end_matches(';'), database);
        }
        _ => {}
    }
    let mut words = line.trim_end_matches(';').split_whitespace();
    let name = words.next().unwrap_or_default();
    let argument = words.next();
    if words.next().is_some() {
        return Err(format!("`{name}` takes one argument; `\\?` lists the commands"));
    }
    match (name, argument) {
        ("\\q", None) => Ok(Command::Quit),
        ("\\?", None) => Ok(Command::Help),
        ("\\timing", argument) => switch(argument).map(Command::Timing),
        ("\\x", argument) => switch(argument).map(Command::Records),
        ("\\format", None) => Ok(Command::ShowFormat),
        ("\\format", Some(format)) => Format::from_str(format, true)
            .map(Command::Format)
            .map_err(|_| format!("`{format}` is not a format: write `table`, `json`, `ndjson` or `csv`")),
        ("\\pager", None) => Ok(Command::ShowPager),
        ("\\pager", Some("on")) => Ok(Command::Pager(Paging::Always)),
        ("\\pager", Some("off")) => Ok(Command::Pager(Paging::Never)),
        ("\\pager", Some("auto")) => Ok(Command::Pager(Paging::Auto)),
        ("\\pager", Some(other)) => Err(format!("`{other}` is not possible: write `on`, `off` or `auto`")),
        ("\\c", None) => Ok(Command::ShowDatabase),
        ("\\c", Some(database)) => Ok(Command::Database(database.trim_matches('"').to_owned())),
        ("\\e", None) => Ok(Command::Edit),
        ("\\d" | "\\dt", None) => Ok(ask(TABLES, vec![], "no tables".to_owned())),
        ("\\l" | "\\dn", None) => Ok(ask(DATABASES, vec![], "no databases with tables".to_owned())),
        _ => Err(format!("`{line}` is not a command here; `\\?` lists the commands")),
    }
}

fn switch(word: Option<&str>) -> Result<Option<bool>, String> {
    match word {
        None => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => Err(format!("`{other}` is not possible: write `on` or `off`")),
    }
}

fn included(rest: &str) -> Result<Command, String> {
    let (name, rest) = copy::file_name(rest.trim());
    if name.is_empty() || !rest.trim().is_empty() {
        return Err("write `\\i 'FILE'`".to_owned());
    }
    Ok(Command::Include(copy::at_home(&name)))
}

fn columns(table: &str, database: Option<&str>) -> Result<Command, String> {
    let table = table.trim();
    let nothing = format!("table not found: `{table}`");
    let mut names = scan::path(table).unwrap_or_default().into_iter();
    match (names.next(), names.next(), names.next(), database) {
        (Some(database), Some(name), None, _) => {
            Ok(ask(COLUMNS_IN, vec![name.into(), database.into()], nothing))
        }
        (Some(name), None, None, Some(database)) => {
            Ok(ask(COLUMNS_IN, vec![name.into(), database.into()], nothing))
        }
        (Some(name), None, None, None) => Ok(ask(COLUMNS, vec![name.into()], nothing)),
        _ => Err("write `\\d TABLE` or `\\d DB.TABLE`".to_owned()),
    }
}

fn ask(sql: &'static str, params: Vec<Value>, nothing: String) -> Command {
    Command::Ask { sql, params, nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str, database: Option<&str>) -> (&'static str, Vec<Value>) {
        match parse(line, database) {
            Ok(Command::Ask { sql, params, .. }) => (sql, params),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn each_command_is_read() {
        assert_eq!(parse("\\q", None), Ok(Command::Quit));
        assert_eq!(parse(" \\? ", None), Ok(Command::Help));
        assert_eq!(parse("\\timing;", None), Ok(Command::Timing(None)));
        assert_eq!(parse("\\timing off", None), Ok(Command::Timing(Some(false))));
        assert_eq!(parse("\\x on", None), Ok(Command::Records(Some(true))));
        assert_eq!(parse("\\format csv", None), Ok(Command::Format(Format::Csv)));
        assert_eq!(parse("\\pager auto", None), Ok(Command::Pager(Paging::Auto)));
        assert_eq!(parse("\\c shop", None), Ok(Command::Database("shop".to_owned())));
        assert_eq!(parse("\\i 'a b.sql'", None), Ok(Command::Include("a b.sql".into())));
        assert!(matches!(parse("\\copy t to x.csv", None), Ok(Command::Copy(_))));
        for line in ["\\d", "\\dt"] {
            assert_eq!(asked(line, None), (TABLES, vec![]));
        }
        for line in ["\\l", "\\dn"] {
            assert_eq!(asked(line, None), (DATABASES, vec![]));
        }
    }

    #[test]
    fn every_command_of_the_list_is_one() {
        for known in COMMANDS {
            let takes = known.takes;
            let argument = match takes {
                "WHAT TO FILE" => "t to x.csv",
                _ if takes.is_empty() || takes.starts_with('[') => "",
                _ => "x",
            };
            let line = format!("{} {argument}", known.name);
            assert!(parse(&line, None).is_ok(), "{line}");
            assert!(known.does.is_empty() || help().contains(known.does), "{line}");
        }
    }

    #[test]
    fn a_table_is_looked_up_in_its_own_database_or_the_sessions_or_all() {
        assert_eq!(asked("\\d a.t", Some("s")), (COLUMNS_IN, vec!["t".into(), "a".into()]));
        assert_eq!(asked("\\d t", Some("s")), (COLUMNS_IN, vec!["t".into(), "s".into()]));
        assert_eq!(asked("\\d a.\"T T\";", Some("s")), (COLUMNS_IN, vec!["T T".into(), "a".into()]));
        assert_eq!(asked("\\d t", None), (COLUMNS, vec!["t".into()]));
    }

    #[test]
    fn what_is_no_command_is_answered_with_the_way_to_the_list() {
        for line in [
            "\\nonsense",
            "\\",
            "\\d a b",
            "\\q now",
            "\\format xml",
            "\\pager less",
            "\\x yes",
            "\\i",
            "\\copy t",
        ] {
            let message = parse(line, None).unwrap_err();
            assert!(message.contains("`"), "{line}: {message}");
        }
    }
}
