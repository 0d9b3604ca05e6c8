//! `lakegate access`: what somebody may see, and why, in full. Whoever runs it has the store, and so all the rules.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use serde_json::Value;

use super::shell::table::TableWriter;
use super::token::attribute;
use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::policy::model::TableName;
use crate::policy::principal::{Identity, Principal};
use crate::query::access::{Question, answer, as_batch};

/// Arguments of `lakegate access`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("question").required(true))]
pub struct Args {
    /// Who: `user:NAME`
    #[arg(long = "as", value_name = "USER", value_parser = user)]
    user: String,
    /// A group of the user; may be repeated, or several with commas between
    #[arg(long = "group", alias = "groups", value_name = "GROUP", value_delimiter = ',')]
    groups: Vec<String>,
    /// An attribute; the value is JSON if it reads as JSON, otherwise text
    #[arg(long = "attr", alias = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, Value)>,
    /// The tables that this query names
    #[arg(long, group = "question")]
    sql: Option<String>,
    /// DATABASE.TABLE
    #[arg(long, group = "question")]
    table: Option<TableName>,
    /// Where the query looks up a table that is named without a database
    #[arg(long, requires = "sql")]
    database: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks the decision that a query gets, and prints its reasons.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let Args { user, groups, attributes, sql, table, database, json } = args;
    let question = match (sql, table) {
        (Some(sql), None) => Question::Sql { sql, database },
        (None, Some(table)) => Question::Table(table),
        _ => return Err(Error::invalid_request("ask about one thing: `--sql` or `--table`")),
    };
    let identity = Identity {
        user,
        groups: groups.into_iter().collect::<BTreeSet<_>>(),
        attributes: attributes.into_iter().collect(),
    };
    let app = App::build(Config::load(config.as_deref())?).await?;
    let tables = answer(&app, &identity, &question, true).await?;
    if json {
        println!("{}", serde_json::to_string(&tables).map_err(Error::internal)?);
        return Ok(());
    }
    let batch = as_batch(&tables)?;
    let mut table = TableWriter::new(batch.schema(), io::stdout().lock());
    table.write(&batch).and_then(|()| table.finish()).map_err(Error::internal)
}

fn user(text: &str) -> Result<String, String> {
    match text.parse() {
        Ok(Principal::User(name)) => Ok(name),
        _ => Err(format!("`{text}` is nobody who asks: write `user:NAME`")),
    }
}
