//! What the engine says when something fails, told to the person who asked.
//!
//! The engine's errors are easy to raise and weak to match on, so they are translated here, once, and nowhere else.
//! What comes from below a barrier keeps no word of the engine: its text may hold values that the reader cannot see.

mod words;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use super::barrier::physical::BehindBarrier;
use crate::error::{Error, ErrorKind};

/// The engine's error as one of ours.
pub fn translate(fault: DataFusionError) -> Error {
    let (kind, detail) = describe(&fault);
    match kind {
        ErrorKind::Internal => Error::internal(fault),
        _ => Error::new(kind, detail).with_source(fault),
    }
}

/// A fault while rows were evaluated of tables from which policy withholds something.
///
/// Which of several bad rows comes first, and in which expression, follows from how the visible rows lie in files and
/// batches, and hidden rows have a part in that. So neither is told; the audit record has both.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OnGuardedRow(pub DataFusionError);

/// What a reader hears of every [`OnGuardedRow`] that is the fault of the query.
const ON_GUARDED_ROW: &str =
    "an expression of the query failed on a row; which one is not told where policy withholds rows or values";

/// A parser's complaint with its place, as `… at line 1, column 8`.
pub fn syntax(fault: DataFusionError) -> Error {
    match root(&fault) {
        DataFusionError::SQL(parser, _) => Error::new(ErrorKind::SyntaxError, parser_text(parser)),
        other => Error::new(ErrorKind::SyntaxError, words::tidy(&other.strip_backtrace())),
    }
}

/// What is wrong with an expression, for whoever writes it.
pub fn in_words(fault: &DataFusionError) -> String {
    match describe(fault) {
        (ErrorKind::Internal, _) => words::tidy(&fault.strip_backtrace()),
        (_, text) => text,
    }
}

fn describe(fault: &DataFusionError) -> (ErrorKind, String) {
    if is_bad_pattern(fault) {
        return bad_pattern();
    }
    match root(fault) {
        DataFusionError::SQL(parser, _) => (ErrorKind::SyntaxError, parser_text(parser)),
        DataFusionError::SchemaError(schema, _) => describe_schema(schema),
        DataFusionError::NotImplemented(text) if is_of_subquery(text) => (
            ErrorKind::QueryFailed,
            "a subquery in this place is not supported; write it as a join".to_owned(),
        ),
        // A finished plan that the engine's own check refuses. The text has all of the plan, with what it guards.
        DataFusionError::Plan(text) if text.starts_with("Plan: [") => {
            (ErrorKind::QueryFailed, "the engine cannot plan this statement; write it another way".to_owned())
        }
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Configuration(text) => (ErrorKind::QueryFailed, words::tidy(text)),
        // Types are matched once more after the optimizer has changed an expression, and then told as the engine's own.
        DataFusionError::Internal(text)
            if text.contains("failed to match any signature")
                || text.starts_with("Cannot run range queries") =>
        {
            (ErrorKind::QueryFailed, words::tidy(text.lines().next().unwrap_or_default()))
        }
        DataFusionError::Internal(text) if is_of_pattern(text) => bad_pattern(),
        DataFusionError::ArrowError(arrow, _) => describe_arrow(arrow),
        DataFusionError::ResourcesExhausted(_) => (
            ErrorKind::LimitExceeded,
            "the query needs more memory than it may use; narrow it or ask for less at once".to_owned(),
        ),
        DataFusionError::ParquetError(parquet) if is_of_predicate(&parquet.to_string()) => {
            (ErrorKind::QueryFailed, "a condition of the query failed on a row".to_owned())
        }
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
            (ErrorKind::Unavailable, "a table's files could not be read; the log has the cause".to_owned())
        }
        DataFusionError::External(external) => describe_external(external.as_ref()),
        _ => (ErrorKind::Internal, String::new()),
    }
}

fn describe_schema(schema: &SchemaError) -> (ErrorKind, String) {
    match schema {
        SchemaError::FieldNotFound { field, .. } => {
            (ErrorKind::ColumnNotFound, format!("column not found: `{}`", field.flat_name()))
        }
        SchemaError::AmbiguousReference { field } => (
            ErrorKind::QueryFailed,
            format!(
                "column `{}` is in more than one table; write `TABLE.{}`",
                field.flat_name(),
                field.name()
            ),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            (ErrorKind::QueryFailed, format!("column `{name}` appears twice; give one of them an alias"))
        }
    }
}

fn describe_arrow(arrow: &ArrowError) -> (ErrorKind, String) {
    match arrow {
        ArrowError::DivideByZero => (ErrorKind::QueryFailed, "divide by zero".to_owned()),
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::ArithmeticOverflow(text)
        | ArrowError::SchemaError(text)
        | ArrowError::NotYetImplemented(text) => (ErrorKind::QueryFailed, words::tidy(text)),
        ArrowError::ExternalError(external) => describe_external(external.as_ref()),
        ArrowError::ParquetError(text) if is_of_predicate(text) => {
            (ErrorKind::QueryFailed, "a condition of the query failed on a row".to_owned())
        }
        ArrowError::IoError(..) | ArrowError::ParquetError(_) => {
            (ErrorKind::Unavailable, "a table's files could not be read; the log has the cause".to_owned())
        }
        _ => (ErrorKind::Internal, String::new()),
    }
}

fn describe_external(external: &(dyn std::error::Error + Send + Sync + 'static)) -> (ErrorKind, String) {
    if let Some(behind) = external.downcast_ref::<BehindBarrier>() {
        return match describe(&behind.source) {
            (kind @ (ErrorKind::LimitExceeded | ErrorKind::Unavailable | ErrorKind::Internal), text) => {
                (kind, text)
            }
            _ => (
                ErrorKind::PolicyError,
                format!("a policy of `{}` failed on a row; ask an administrator", behind.table),
            ),
        };
    }
    if let Some(OnGuardedRow(fault)) = external.downcast_ref() {
        return match describe(fault) {
            (ErrorKind::QueryFailed, _) => (ErrorKind::QueryFailed, ON_GUARDED_ROW.to_owned()),
            other => other,
        };
    }
    match external.downcast_ref::<DataFusionError>() {
        Some(inner) => describe(inner),
        None => match external.downcast_ref::<ArrowError>() {
            Some(inner) => describe_arrow(inner),
            None if is_of_pattern(&external.to_string()) => bad_pattern(),
            None => (ErrorKind::Internal, String::new()),
        },
    }
}

fn bad_pattern() -> (ErrorKind, String) {
    (ErrorKind::QueryFailed, "a regular expression in the query is not one".to_owned())
}

/// Whether the library of regular expressions met one that is none, or is too large.
fn is_of_pattern(text: &str) -> bool {
    ["regex parse error", "Compiled regex exceeds size limit"].iter().any(|way| text.starts_with(way))
        || text.contains("Regular expression did not compile")
}

/// Whether a subquery stayed that the optimizer could not make a join of.
fn is_of_subquery(text: &str) -> bool {
    text.starts_with("Physical plan does not support logical expression")
        && ["ScalarSubquery", "InSubquery", "Exists", "OuterReferenceColumn"]
            .iter()
            .any(|kind| text.contains(kind))
}

/// Whether a Parquet reader, which may evaluate conditions itself, reports that one of them failed and not the file.
fn is_of_predicate(text: &str) -> bool {
    text.contains("Error evaluating filter predicate")
}

/// Whether the optimizer met a constant that should be a regular expression.
fn is_bad_pattern(fault: &DataFusionError) -> bool {
    match fault {
        DataFusionError::Context(text, inner) => text == "Invalid regex" || is_bad_pattern(inner),
        DataFusionError::Diagnostic(_, inner) => is_bad_pattern(inner),
        DataFusionError::Shared(inner) => is_bad_pattern(inner),
        DataFusionError::Collection(inner) => inner.first().is_some_and(is_bad_pattern),
        _ => false,
    }
}

/// The error below everything the engine wraps around it.
fn root(fault: &DataFusionError) -> &DataFusionError {
    match fault {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(inner) => inner.first().map_or(fault, root),
        _ => fault,
    }
}

fn parser_text(parser: &ParserError) -> String {
    match parser {
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => words::tidy(text),
    }
}
