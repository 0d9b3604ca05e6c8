//! The backslash commands of the shell, as values: reading a line here, obeying it in the loop.

use clap::ValueEnum;
use lakegate_client::Value;

use super::output::Format;

/// What `\?` shows.
pub const HELP: &str = "\
\\d               the tables you may see
\\d [DB.]TABLE    the columns of a table
\\l               the databases of these tables
\\format FORMAT   write results as table, json or csv
\\timing          show how long queries take, or stop showing it
\\q               leave
Ctrl-C clears the line, or cancels the query that runs.
";

/// A line that begins with a backslash, understood.
#[derive(Debug, PartialEq)]
pub enum Command {
    Quit,
    Help,
    Timing,
    ShowFormat,
    Format(Format),
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

/// Reads a line; the error is a sentence for the terminal.
pub fn parse(line: &str, database: Option<&str>) -> Result<Command, String> {
    let mut words = line.trim().trim_end_matches(';').split_whitespace();
    let name = words.next().unwrap_or_default();
    let argument = words.next();
    if words.next().is_some() {
        return Err(format!("`{name}` takes one argument; `\\?` lists the commands"));
    }
    match (name, argument) {
        ("\\q", None) => Ok(Command::Quit),
        ("\\?", None) => Ok(Command::Help),
        ("\\timing", None) => Ok(Command::Timing),
        ("\\format", None) => Ok(Command::ShowFormat),
        ("\\format", Some(format)) => Format::from_str(format, true)
            .map(Command::Format)
            .map_err(|_| format!("`{format}` is not a format: write `table`, `json` or `csv`")),
        ("\\d", None) => Ok(ask(TABLES, vec![], "no tables".to_owned())),
        ("\\l", None) => Ok(ask(DATABASES, vec![], "no databases with tables".to_owned())),
        ("\\d", Some(table)) => Ok(columns(table, database)),
        _ => Err(format!("`{}` is not a command here; `\\?` lists the commands", line.trim())),
    }
}

fn columns(table: &str, database: Option<&str>) -> Command {
    let nothing = format!("table not found: `{table}`");
    let (database, name) = match table.split_once('.') {
        Some((database, name)) => (Some(database), name),
        None => (database, table),
    };
    match database {
        Some(database) => ask(COLUMNS_IN, vec![name.into(), database.into()], nothing),
        None => ask(COLUMNS, vec![name.into()], nothing),
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
        assert_eq!(parse("\\timing;", None), Ok(Command::Timing));
        assert_eq!(parse("\\format csv", None), Ok(Command::Format(Format::Csv)));
        assert_eq!(asked("\\d", None), (TABLES, vec![]));
        assert_eq!(asked("\\l", None), (DATABASES, vec![]));
    }

    #[test]
    fn a_table_is_looked_up_in_its_own_database_or_the_sessions_or_all() {
        assert_eq!(asked("\\d a.t", Some("s")), (COLUMNS_IN, vec!["t".into(), "a".into()]));
        assert_eq!(asked("\\d t", Some("s")), (COLUMNS_IN, vec!["t".into(), "s".into()]));
        assert_eq!(asked("\\d t", None), (COLUMNS, vec!["t".into()]));
    }

    #[test]
    fn what_is_no_command_is_answered_with_the_way_to_the_list() {
        for line in ["\\x", "\\", "\\d a b", "\\q now", "\\format xml"] {
            let message = parse(line, None).unwrap_err();
            assert!(message.contains("`"), "{line}: {message}");
        }
    }
}
