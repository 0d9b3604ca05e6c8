//! What one identity may see of one table: the outcome of the decision, as values.
//!
//! Expressions are texts here. Who turns a decision into a query plan knows the engine; this file does not.

use std::fmt::Write as _;

/// What an identity may see of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// The columns whose values may be read, in table order.
    pub columns: Vec<ColumnDecision>,
    /// The table has a column that is not among `columns`.
    pub columns_hidden: bool,
    pub rows: Rows,
    /// The ids of the grants that this follows from, in order.
    pub grants: Vec<String>,
    /// The columns whose name and type may be shown, in table order.
    pub describe: Vec<String>,
}

/// Whether the table is there at all for the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be queried.
    Select,
    /// It may be listed, not read: a query gets `permission_denied`.
    DescribeOnly,
    /// It does not exist for this identity.
    NotFound,
}

/// Which rows are visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    All,
    /// Those for which any of these expressions is true; sorted, each once, never empty.
    AnyOf(Vec<String>),
}

/// A visible column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDecision {
    pub name: String,
    pub cell: Cell,
}

/// In which of the visible rows a column has its value. In the others it is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Always,
    /// In those for which any of these expressions is true; sorted, each once, never empty.
    When(Vec<String>),
}

/// What a result's policy notice says of one table. It tells which rules apply, never what they removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoticeFlags {
    pub rows_filtered: bool,
    pub cells_nulled: bool,
    pub columns_hidden: bool,
}

impl Decision {
    /// The table does not exist for this identity.
    pub fn not_found() -> Self {
        Self {
            verdict: Verdict::NotFound,
            columns: Vec::new(),
            columns_hidden: false,
            rows: Rows::AnyOf(vec!["false".to_owned()]),
            grants: Vec::new(),
            describe: Vec::new(),
        }
    }

    /// What the notice says when the table is read under this decision.
    pub fn notice_flags(&self) -> NoticeFlags {
        NoticeFlags {
            rows_filtered: matches!(self.rows, Rows::AnyOf(_)),
            cells_nulled: self.columns.iter().any(|column| matches!(column.cell, Cell::When(_))),
            columns_hidden: self.columns_hidden,
        }
    }

    /// Whether the result says all there is: every column, row and cell of the table.
    pub fn is_unrestricted(&self) -> bool {
        self.verdict == Verdict::Select && self.notice_flags() == NoticeFlags::default()
    }

    /// The same text exactly when two decisions let the same be seen, whichever grants said so.
    ///
    /// It is the decision spelt out and not a hash of it: what is cached under it must never be found by someone
    /// whose decision only happens to hash alike. Every text is led by its length, so no name can imitate another.
    pub fn fingerprint(&self) -> String {
        let mut text = match self.verdict {
            Verdict::Select => "select".to_owned(),
            Verdict::DescribeOnly => "describe".to_owned(),
            Verdict::NotFound => return "none".to_owned(),
        };
        text.push_str(if self.columns_hidden { ";hidden" } else { ";whole" });
        for column in &self.columns {
            text.push_str(";column");
            spell(&mut text, &column.name);
            if let Cell::When(expressions) = &column.cell {
                text.push_str(",when");
                expressions.iter().for_each(|expression| spell(&mut text, expression));
            }
        }
        if let Rows::AnyOf(expressions) = &self.rows {
            text.push_str(";rows");
            expressions.iter().for_each(|expression| spell(&mut text, expression));
        }
        text.push_str(";describe");
        self.describe.iter().for_each(|name| spell(&mut text, name));
        text
    }
}

fn spell(out: &mut String, part: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, " {}:{part}", part.len());
}
