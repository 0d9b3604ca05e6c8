//! What a query may not have in it, wherever it stands.
//!
//! Two kinds of things: what the list of statements forbids in disguise, and clauses that the parser knows and the engine
//! reads over. `FROM t TABLESAMPLE BERNOULLI (1)` would give every row, which is worse than an error.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, Query, Select, SelectItem, SetExpr, TableFactor, Visitor,
};

use super::not_allowed;
use crate::error::{Error, ErrorKind};
use crate::query::functions::bounded::LARGEST_FIXED_SIZE;

/// Looks at every part of a query for what the statement list forbids in disguise.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) has_wildcard: bool,
    /// Names that stand before arguments in a FROM, in small letters.
    pub(super) functions: BTreeSet<String>,
}

impl Visitor for Shape {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        match forbidden_body(&query.body) {
            Some(name) => ControlFlow::Break(not_allowed(name)),
            None if !query.locks.is_empty() => ControlFlow::Break(not_allowed("FOR UPDATE")),
            None => unless(unread_in_query(query)),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return ControlFlow::Break(not_allowed("SELECT INTO"));
        }
        self.has_wildcard |= select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        unless(unread_in_select(select))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Cast { data_type, .. }
                if fixed_length(data_type) > u64::from(LARGEST_FIXED_SIZE.unsigned_abs()) =>
            {
                ControlFlow::Break(not_allowed("a list of so many elements"))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor {
            self.functions.insert(name.to_string().to_lowercase());
        }
        match factor {
            TableFactor::Table { .. }
            | TableFactor::Derived { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::NestedJoin { .. } => unless(unread_in_table(factor)),
            _ => ControlFlow::Break(not_allowed("this kind of table")),
        }
    }
}

/// How many values a type has in itself, which NULL of it has as well.
fn fixed_length(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, length)) => {
            length.unwrap_or(1).saturating_mul(fixed_length(item).max(1))
        }
        DataType::Array(ArrayElemTypeDef::AngleBracket(item) | ArrayElemTypeDef::Parenthesis(item)) => {
            fixed_length(item)
        }
        _ => 1,
    }
}

fn forbidden_body(body: &SetExpr) -> Option<&'static str> {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => None,
        SetExpr::SetOperation { left, right, .. } => forbidden_body(left).or_else(|| forbidden_body(right)),
        SetExpr::Insert(_) => Some("INSERT"),
        SetExpr::Update(_) => Some("UPDATE"),
        SetExpr::Delete(_) => Some("DELETE"),
        SetExpr::Merge(_) => Some("MERGE"),
        SetExpr::Table(_) => Some("TABLE"),
    }
}

/// Goes on when there is no clause that the engine would read over.
fn unless(unread: Option<&str>) -> ControlFlow<Error> {
    match unread {
        None => ControlFlow::Continue(()),
        Some(clause) => ControlFlow::Break(Error::new(
            ErrorKind::StatementNotAllowed,
            format!("`{clause}` is not supported; leave it out"),
        )),
    }
}

fn first_present(clauses: &[(bool, &'static str)]) -> Option<&'static str> {
    clauses.iter().find(|(is_present, _)| *is_present).map(|(_, clause)| *clause)
}

fn unread_in_query(query: &Query) -> Option<&'static str> {
    first_present(&[
        (query.for_clause.is_some(), "FOR"),
        (query.settings.is_some(), "SETTINGS"),
        (query.format_clause.is_some(), "FORMAT"),
    ])
}

fn unread_in_select(select: &Select) -> Option<&'static str> {
    first_present(&[
        (select.top.is_some(), "TOP"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (select.value_table_mode.is_some(), "AS STRUCT"),
        (select.select_modifiers.is_some(), "a word behind SELECT"),
    ])
}

fn unread_in_table(factor: &TableFactor) -> Option<&'static str> {
    match factor {
        TableFactor::Table {
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
            ..
        } => first_present(&[
            (sample.is_some(), "TABLESAMPLE"),
            (version.is_some(), "AS OF"),
            (*with_ordinality, "WITH ORDINALITY"),
            (!partitions.is_empty(), "PARTITION"),
            (!with_hints.is_empty(), "WITH"),
            (!index_hints.is_empty(), "INDEX"),
            (json_path.is_some(), "a path behind a table's name"),
        ]),
        TableFactor::Derived { sample, .. } => first_present(&[(sample.is_some(), "TABLESAMPLE")]),
        TableFactor::UNNEST { with_offset, with_ordinality, .. } => {
            first_present(&[(*with_ordinality, "WITH ORDINALITY"), (*with_offset, "WITH OFFSET")])
        }
        _ => None,
    }
}
