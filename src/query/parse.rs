//! Text → [`Parsed`]: one statement of a kind that is allowed, with the tables it names; or a [`Command`], which
//! changes the policy or the catalog and reads nothing.
//!
//! The list of statements is positive: what is not named here does not exist. Nothing is looked up here; whether a
//! table exists, or may be read, is the next stage's question.

mod shape;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, ExplainStatement, Statement};
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    ObjectName, Statement as SqlStatement, Value, Visit, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use self::shape::Shape;
use super::command::Command;
use super::engine::CATALOG;
use super::fault;
use super::pg_catalog::{self, Rewritten};
use super::precedence;
use super::show::Listing;
use super::spelling::{offsets, refuse_quotes_in_names, spelled};
use super::versions;
use crate::catalog::version::{At, TableAt};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::model::TableName;

/// How deep a statement may nest. Real queries stay below 50.
const DEPTH: usize = 128;

/// What a text says.
#[derive(Debug)]
pub enum Text {
    /// It reads.
    Query(Parsed),
    /// It changes a rule or a view.
    Command(Command),
}

/// A statement that reads, and what it names.
#[derive(Debug, Clone)]
pub struct Parsed {
    statement: Statement,
    explain: Option<Explain>,
    tables: BTreeSet<TableAt>,
    described: Option<TableName>,
    has_wildcard: bool,
    database: Option<String>,
    asks_catalog: bool,
}

/// How a protocol's clients write their statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As the documentation says.
    Plain,
    /// Also as PostgreSQL has it, where they ask its catalog.
    Postgres,
}

/// What is asked for in the place of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    /// How the query would run.
    Plan,
    /// How the query ran.
    Analyze,
    /// Why the tables look as they do to the reader.
    Access,
}

impl Text {
    /// As [`Text::parse`], of a statement as the clients of a protocol write it.
    pub fn parse_as(dialect: Dialect, sql: &str, database: Option<&str>) -> Result<Self> {
        let rewritten = match dialect {
            Dialect::Plain => None,
            Dialect::Postgres => pg_catalog::rewritten(sql)?,
        };
        match rewritten {
            None => Self::parse(sql, database),
            Some(Rewritten { sql, asks_catalog }) => match Self::parse(&sql, database)? {
                Self::Query(parsed) => Ok(Self::Query(Parsed { asks_catalog, ..parsed })),
                command => Ok(command),
            },
        }
    }

    /// Parses `sql`. An unqualified table is looked up in `database`.
    pub fn parse(sql: &str, database: Option<&str>) -> Result<Self> {
        if let Some(listing) = Listing::of_grants(sql)? {
            return Parsed::listing(listing).map(Self::Query);
        }
        if let Some(query) = after_explain_access(sql) {
            let statement = one_statement(query)?;
            let Statement::Statement(inner) = &statement else {
                return Err(not_allowed("EXPLAIN ACCESS of anything but a query"));
            };
            if !matches!(**inner, SqlStatement::Query(_)) {
                return Err(not_allowed("EXPLAIN ACCESS of anything but a query"));
            }
            return Parsed::of(statement, Some(Explain::Access), database).map(Self::Query);
        }
        let statement = one_statement(sql)?;
        if let Statement::Statement(inner) = &statement {
            if let Some(listing) = Listing::of(inner, database)? {
                return Parsed::listing(listing).map(Self::Query);
            }
            if let Some(command) = Command::of(inner, database)? {
                return Ok(Self::Command(command));
            }
        }
        let (statement, explain) = allowed(statement, sql)?;
        Parsed::of(statement, explain, database).map(Self::Query)
    }
}

impl Parsed {
    /// Parses `sql`, which must read. An unqualified table is looked up in `database`.
    pub fn parse(sql: &str, database: Option<&str>) -> Result<Self> {
        match Text::parse(sql, database)? {
            Text::Query(parsed) => Ok(parsed),
            Text::Command(_) => Err(not_allowed(&first_word(sql))),
        }
    }

    fn of(mut statement: Statement, explain: Option<Explain>, database: Option<&str>) -> Result<Self> {
        let mut placeholders = Placeholders::default();
        let mut shape = Shape::default();
        if let Statement::Statement(inner) = &mut statement {
            let _ = VisitMut::visit(inner.as_mut(), &mut placeholders);
            precedence::restore(inner.as_mut());
            versions::name_apart(inner.as_mut(), database)?;
            if let ControlFlow::Break(error) = Visit::visit(inner.as_ref(), &mut shape) {
                return Err(error);
            }
        }
        let tables = named_tables(&statement, database, &shape.functions)?;
        Ok(Self {
            statement,
            explain,
            tables,
            described: None,
            has_wildcard: shape.has_wildcard,
            database: database.map(str::to_owned),
            asks_catalog: false,
        })
    }

    fn listing(listing: Listing) -> Result<Self> {
        let parsed = Self::of(one_statement(&listing.sql)?, None, None)?;
        Ok(Self { described: listing.described, has_wildcard: false, ..parsed })
    }

    /// The table whose columns are asked for: it must be there for the reader.
    pub fn described(&self) -> Option<&TableName> {
        self.described.as_ref()
    }

    /// Every table the statement names, fully qualified, at each version that it names.
    pub fn tables(&self) -> &BTreeSet<TableAt> {
        &self.tables
    }

    /// The names of them, each once.
    pub fn names(&self) -> BTreeSet<&TableName> {
        self.tables.iter().map(|table| &table.name).collect()
    }

    /// What is asked for in the place of the rows.
    pub fn explain(&self) -> Option<Explain> {
        self.explain
    }

    /// Whether it may use the functions of PostgreSQL's catalog.
    pub(super) fn asks_catalog(&self) -> bool {
        self.asks_catalog
    }

    /// Whether a `*` stands for columns, so that hidden columns make the result narrower.
    pub fn has_wildcard(&self) -> bool {
        self.has_wildcard
    }

    /// Where a table without a database is looked up.
    pub(super) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The statement.
    pub(super) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The statement itself, for the planner.
    pub fn into_statement(self) -> Statement {
        self.statement
    }
}

/// The query that `sql` is, in the words that a view keeps. Anything but a plain query is refused.
pub(super) fn query_text(sql: &str) -> Result<String> {
    match one_statement(sql)? {
        Statement::Statement(inner) if matches!(*inner, SqlStatement::Query(_)) => {
            refuse_quotes_in_names(&GenericDialect {}, sql)?;
            Ok(spelled(&inner))
        }
        _ => Err(not_allowed(&first_word(sql))),
    }
}

fn one_statement(sql: &str) -> Result<Statement> {
    let tokens = versions::tokens(&GenericDialect {}, sql).map_err(|cause| fault::syntax(cause.into()))?;
    let mut parser =
        DFParserBuilder::new(tokens).with_recursion_limit(DEPTH).build().map_err(fault::syntax)?;
    let mut statements = parser.parse_statements().map_err(fault::syntax)?;
    match (statements.pop_front(), statements.pop_front()) {
        (Some(statement), None) => Ok(statement),
        (None, _) => Err(Error::new(ErrorKind::SyntaxError, "there is no statement in the text")),
        (Some(_), Some(_)) => {
            Err(Error::invalid_request("one statement a request: send what follows the `;` on its own"))
        }
    }
}

/// What stands behind `EXPLAIN ACCESS`, if `sql` begins with it.
pub(super) fn after_explain_access(sql: &str) -> Option<&str> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let mut words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    for keyword in ["EXPLAIN", "ACCESS"] {
        let Token::Word(word) = &words.next()?.token else { return None };
        if !word.value.eq_ignore_ascii_case(keyword) || word.quote_style.is_some() {
            return None;
        }
    }
    match words.next() {
        Some(first) => sql.get(*offsets(sql, [first.span.start]).first()?..),
        None => Some(""),
    }
}

/// A query, or the EXPLAIN of one.
fn allowed(statement: Statement, sql: &str) -> Result<(Statement, Option<Explain>)> {
    match statement {
        Statement::Statement(inner) if matches!(*inner, SqlStatement::Query(_)) => {
            Ok((Statement::Statement(inner), None))
        }
        Statement::Explain(ExplainStatement { options, statement }) => {
            if options.verbose || options.format.is_some() {
                return Err(not_allowed("EXPLAIN with options"));
            }
            let explain = if options.analyze { Explain::Analyze } else { Explain::Plan };
            match *statement {
                Statement::Statement(inner) if matches!(*inner, SqlStatement::Query(_)) => {
                    Ok((Statement::Statement(inner), Some(explain)))
                }
                _ => Err(not_allowed("EXPLAIN of anything but a query")),
            }
        }
        _ => Err(not_allowed(&first_word(sql))),
    }
}

pub(super) fn not_allowed(what: &str) -> Error {
    Error::new(ErrorKind::StatementNotAllowed, format!("`{what}` is not allowed here; send a query"))
}

/// The word a statement begins with, behind comments and white space.
fn first_word(sql: &str) -> String {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let word = tokens.into_iter().find_map(|token| match token {
        Token::Word(word) => Some(word.value.to_uppercase()),
        _ => None,
    });
    word.unwrap_or_else(|| "this statement".to_owned())
}

/// Every relation but the table functions: a name that is both is no table here, and then not in the session either.
fn named_tables(
    statement: &Statement,
    database: Option<&str>,
    functions: &BTreeSet<String>,
) -> Result<BTreeSet<TableAt>> {
    let (references, _) = resolve_table_references(statement, true).map_err(fault::syntax)?;
    references
        .into_iter()
        .filter(|reference| !functions.contains(&reference.to_string()))
        .map(|reference| match at(&reference) {
            Some(table) => Ok(table),
            None => full_name(reference, database).map(TableAt::from),
        })
        .collect()
}

/// A table at a version, as [`versions::name_apart`] has named it.
fn at(reference: &TableReference) -> Option<TableAt> {
    let TableReference::Full { catalog, schema, table } = reference else { return None };
    let at = catalog.parse::<At>().ok()?;
    Some(TableAt { name: TableName::new(&**schema, &**table), at })
}

fn full_name(reference: TableReference, database: Option<&str>) -> Result<TableName> {
    match reference {
        TableReference::Full { catalog, schema, table } if &*catalog == CATALOG => {
            Ok(TableName::new(&*schema, &*table))
        }
        TableReference::Full { .. } => Err(no_such_table(&reference.to_string())),
        TableReference::Partial { schema, table } => Ok(TableName::new(&*schema, &*table)),
        TableReference::Bare { table } => match database {
            Some(database) => Ok(TableName::new(database, &*table)),
            None => Err(Error::new(
                ErrorKind::TableNotFound,
                format!("table not found: `{table}`; write `DATABASE.{table}` or set a default database"),
            )),
        },
    }
}

/// The full name of a table in a statement that is no query.
pub(super) fn full_object_name(name: &ObjectName, database: Option<&str>) -> Result<TableName> {
    full_name(object_name_to_table_reference(name.clone(), true).map_err(fault::syntax)?, database)
}

/// The one text for a table that does not exist and for one that the reader may not see.
pub fn no_such_table(name: &str) -> Error {
    Error::new(ErrorKind::TableNotFound, format!("table not found: `{name}`"))
}

/// Numbers `?` from left to right, as the planner knows only `$1`.
#[derive(Default)]
struct Placeholders {
    count: usize,
}

impl VisitorMut for Placeholders {
    type Break = ();

    fn pre_visit_value(
        &mut self,
        value: &mut datafusion::sql::sqlparser::ast::ValueWithSpan,
    ) -> ControlFlow<()> {
        if let Value::Placeholder(name) = &mut value.value
            && name == "?"
        {
            self.count += 1;
            *name = format!("${}", self.count);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str) -> (ErrorKind, String) {
        let error = Parsed::parse(sql, Some("db")).unwrap_err();
        (error.kind(), error.detail().to_owned())
    }

    #[test]
    fn names_are_resolved_and_ctes_are_not_tables() {
        let parsed =
            Parsed::parse("WITH c AS (SELECT 1 FROM a) SELECT * FROM c, s.b, lakegate.x.y", Some("db"))
                .unwrap();
        let names = parsed.tables().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names, ["db.a", "s.b", "x.y"]);
        assert!(parsed.has_wildcard());
    }

    #[test]
    fn a_table_is_named_at_each_version_that_is_asked_for() {
        let sql = "WITH a AS (SELECT 1 FROM s.b) SELECT * FROM a, a VERSION AS OF 3, a FOR VERSION AS OF 4 x,
            (SELECT * FROM \"A\" TIMESTAMP AS OF '2026-01-01') JOIN lakegate.s.b VERSION AS OF 3 y ON true";
        let parsed = Parsed::parse(sql, Some("db")).unwrap();
        let names = parsed.tables().iter().map(ToString::to_string).collect::<Vec<_>>();
        let meant = [
            "db.A TIMESTAMP AS OF '2026-01-01T00:00:00Z'",
            "db.a VERSION AS OF 3",
            "db.a VERSION AS OF 4",
            "s.b",
            "s.b VERSION AS OF 3",
        ];
        assert_eq!(names, meant);
        assert_eq!(parsed.names().len(), 3);
        assert_eq!(refused("SELECT * FROM range(3) VERSION AS OF 3").0, ErrorKind::SyntaxError);
        let (kind, detail) = refused("SELECT *\nFROM a VERSION AS OF $1");
        assert_eq!(kind, ErrorKind::SyntaxError);
        assert!(detail.contains("needs the number of a version") && detail.contains("line 2"), "{detail}");
        assert_eq!(refused("SELECT * FROM other.db.a VERSION AS OF 3").0, ErrorKind::TableNotFound);
    }

    #[test]
    fn only_queries_are_statements() {
        for (sql, name) in [
            ("DROP TABLE a", "DROP"),
            ("/* x */ insert into a values (1)", "INSERT"),
            ("COPY a TO '/tmp/x'", "COPY"),
            ("CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '/etc'", "CREATE"),
            ("SET x = 1", "SET"),
            ("SELECT * INTO b FROM a", "SELECT INTO"),
            ("WITH x AS (DELETE FROM a) SELECT 1", "DELETE"),
            ("EXPLAIN VERBOSE SELECT 1", "EXPLAIN with options"),
            ("EXPLAIN DROP TABLE a", "EXPLAIN of anything but a query"),
        ] {
            let (kind, detail) = refused(sql);
            assert_eq!(kind, ErrorKind::StatementNotAllowed, "{sql}: {detail}");
            assert!(detail.contains(name), "{sql}: {detail}");
        }
    }

    #[test]
    fn no_clause_is_read_over() {
        for (sql, clause) in [
            ("SELECT * FROM a TABLESAMPLE BERNOULLI (1)", "TABLESAMPLE"),
            ("SELECT 1 WHERE EXISTS (SELECT * FROM (SELECT 1) AS b TABLESAMPLE SYSTEM (1))", "TABLESAMPLE"),
            ("SELECT * FROM a PARTITION (p0)", "PARTITION"),
            ("SELECT * FROM UNNEST([1]) WITH ORDINALITY", "WITH ORDINALITY"),
            ("SELECT TOP 5 * FROM a", "TOP"),
        ] {
            let (kind, detail) = refused(sql);
            assert_eq!(kind, ErrorKind::StatementNotAllowed, "{sql}: {detail}");
            assert_eq!(detail, format!("`{clause}` is not supported; leave it out"), "{sql}");
        }
    }

    #[test]
    fn bad_text_is_told_with_its_place() {
        let (kind, detail) = refused("SELECT\n  1 1 1");
        assert_eq!(kind, ErrorKind::SyntaxError);
        assert!(detail.contains("line 2"), "{detail}");
        let nested = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(
            refused(&nested),
            (ErrorKind::SyntaxError, "the statement is nested too deeply".to_owned())
        );
        assert_eq!(refused("SELECT 1; SELECT 2").0, ErrorKind::InvalidRequest);
        assert_eq!(refused("  -- nothing").0, ErrorKind::SyntaxError);
    }
}
