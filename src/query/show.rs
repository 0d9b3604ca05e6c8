//! `SHOW` and `DESCRIBE` as queries over the listings.
//!
//! They are another way to write a query over `information_schema`, so they tell what that tells and nothing more.

use std::fmt::Write as _;

use datafusion::sql::sqlparser::ast::{
    ObjectName, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementOptions, Statement,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::parse::full_object_name;
use crate::error::{Error, Result};
use crate::policy::model::TableName;
use crate::policy::principal::Principal;

/// A statement that asks for a listing: the query that gives it, and the table that must be there for the reader.
#[derive(Debug)]
pub(super) struct Listing {
    pub sql: String,
    pub described: Option<TableName>,
}

impl Listing {
    /// What `statement` lists, if it is one that lists.
    pub fn of(statement: &Statement, database: Option<&str>) -> Result<Option<Self>> {
        match statement {
            Statement::ShowDatabases { show_options, .. } | Statement::ShowSchemas { show_options, .. } => {
                let sql = "SELECT schema_name AS database_name FROM information_schema.schemata WHERE true";
                filtered(sql, "schema_name", "1", show_options).map(Some)
            }
            Statement::ShowTables { show_options, .. } => {
                let mut sql = String::from(
                    "SELECT table_schema AS database_name, table_name, table_type FROM information_schema.tables WHERE true",
                );
                let named = show_options.show_in.as_ref().and_then(|of| of.parent_name.as_ref());
                let shown = named.map(ToString::to_string);
                if let Some(shown) = shown.as_deref().map(unquoted).or(database) {
                    // Writing to a string cannot fail.
                    let _ = write!(sql, " AND table_schema = {}", literal(shown));
                }
                filtered(&sql, "table_name", "1, 2", show_options).map(Some)
            }
            Statement::ShowColumns { show_options, .. } => {
                let of = show_options.show_in.as_ref().and_then(|of| of.parent_name.as_ref());
                let of =
                    of.ok_or_else(|| Error::invalid_request("write `SHOW COLUMNS FROM DATABASE.TABLE`"))?;
                columns(of, database).map(Some)
            }
            Statement::ExplainTable { table_name, .. } => columns(table_name, database).map(Some),
            _ => Ok(None),
        }
    }

    /// `SHOW GRANTS [ON TABLE | TO PRINCIPAL]`, which the parser does not know.
    pub fn of_grants(sql: &str) -> Result<Option<Self>> {
        let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
        let mut words = Vec::new();
        for token in
            tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon))
        {
            words.push(match token {
                Token::Word(word) => word.value,
                other => other.to_string(),
            });
        }
        let is =
            |at: usize, keyword: &str| words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        if !(is(0, "SHOW") && is(1, "GRANTS")) {
            return Ok(None);
        }
        let rest = words.get(3..).unwrap_or_default().concat();
        let condition = match () {
            () if words.len() == 2 => String::new(),
            () if is(2, "ON") && !rest.is_empty() => format!(" WHERE object = {}", literal(&rest)),
            () if is(2, "TO") && !rest.is_empty() => {
                format!(" WHERE grantee = {}", literal(&principal(&words)?.to_string()))
            }
            () => {
                return Err(Error::invalid_request(
                    "write `SHOW GRANTS`, `SHOW GRANTS ON DATABASE.TABLE` or `SHOW GRANTS TO ROLE NAME`",
                ));
            }
        };
        let sql = format!("SELECT * FROM information_schema.grants{condition} ORDER BY object, grantee, id");
        Ok(Some(Self { sql, described: None }))
    }
}

/// `ROLE steward`, `role:steward` or `PUBLIC`.
fn principal(words: &[String]) -> Result<Principal> {
    let rest = words.get(3..).unwrap_or_default();
    let text = match rest {
        [only] => only.to_lowercase(),
        [kind, name] => format!("{}:{name}", kind.to_lowercase()),
        _ => rest.concat(),
    };
    text.parse().map_err(Error::invalid_request)
}

fn columns(table: &ObjectName, database: Option<&str>) -> Result<Listing> {
    let name = full_object_name(table, database)?;
    let sql = format!(
        "SELECT column_name, data_type, is_nullable, column_comment FROM information_schema.columns \
         WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
        literal(&name.database),
        literal(&name.table)
    );
    Ok(Listing { sql, described: Some(name) })
}

fn filtered(sql: &str, column: &str, order: &str, options: &ShowStatementOptions) -> Result<Listing> {
    let filter = match &options.filter_position {
        None => String::new(),
        Some(ShowStatementFilterPosition::Infix(filter) | ShowStatementFilterPosition::Suffix(filter)) => {
            match filter {
                ShowStatementFilter::Like(pattern) => format!(" AND {column} LIKE {}", literal(pattern)),
                ShowStatementFilter::ILike(pattern) => format!(" AND {column} ILIKE {}", literal(pattern)),
                ShowStatementFilter::Where(_) | ShowStatementFilter::NoKeyword(_) => {
                    return Err(Error::invalid_request("a listing is narrowed with `LIKE 'PATTERN'`"));
                }
            }
        }
    };
    Ok(Listing { sql: format!("{sql}{filter} ORDER BY {order}"), described: None })
}

fn unquoted(name: &str) -> &str {
    name.trim_matches('"')
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
