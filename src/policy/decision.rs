//! What one identity may see of one table: the outcome of the decision, as values.
//!
//! Expressions are texts here. Who turns a decision into a query plan knows the engine; this file does not.

use std::fmt::Write as _;

use super::restriction::Mask;

/// What an identity may see of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    /// The columns whose values may be read, in table order.
    pub columns: Vec<ColumnDecision>,
    /// The table has a column, or a field of one, that is not among `columns`.
    pub columns_hidden: bool,
    /// The rows that the grants give.
    pub rows: Rows,
    /// What the restrictions ask of every row: each of these must be true; sorted, each once.
    pub required: Vec<String>,
    /// The ids of the grants that this follows from, in order.
    pub grants: Vec<String>,
    /// The names of the restrictions that took something away, in order.
    pub restrictions: Vec<String>,
    /// The columns whose name and type may be shown, in table order.
    pub describe: Vec<ColumnShape>,
}

/// A column by its name and, of a struct, its fields. Without fields it is meant whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnShape {
    pub name: String,
    pub fields: Vec<ColumnShape>,
}

/// Whether the table is there at all for the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may be queried.
    Select,
    /// It may be listed, not read: a query gets `permission_denied`.
    DescribeOnly,
    /// A query gets `policy_invalid`, and it is listed for administrators alone: a restriction hides or masks a column that
    /// it no longer has, and what has come in its place must not be shown.
    Unfit,
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

/// A visible column, or a visible field of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDecision {
    pub name: String,
    pub cell: Cell,
    pub mask: Option<AppliedMask>,
    /// Of a struct that is not given whole: the fields that are, each with its own rules. Then `cell` is always and
    /// there is no `mask` here.
    pub fields: Vec<ColumnDecision>,
}

/// A mask and the restriction it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMask {
    pub restriction: String,
    pub mask: Mask,
}

/// In which of the visible rows a column has its value. In the others it is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Always,
    /// In those for which any of these expressions is true; sorted, each once, never empty.
    When(Vec<String>),
}

/// What a result's policy notice says of one table. It tells which rules apply, never what they removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticeFlags {
    pub rows_filtered: bool,
    pub cells_nulled: bool,
    /// The masked columns, as paths inside the table.
    pub masked: Vec<String>,
    pub columns_hidden: bool,
}

impl ColumnShape {
    /// A column that is meant whole.
    pub fn whole(name: impl Into<String>) -> Self {
        Self { name: name.into(), fields: Vec::new() }
    }
}

impl Decision {
    /// The table does not exist for this identity.
    pub fn not_found() -> Self {
        Self {
            verdict: Verdict::NotFound,
            columns: Vec::new(),
            columns_hidden: false,
            rows: Rows::AnyOf(vec!["false".to_owned()]),
            required: Vec::new(),
            grants: Vec::new(),
            restrictions: Vec::new(),
            describe: Vec::new(),
        }
    }

    /// The columns whose values may be read, by their shape.
    pub fn readable(&self) -> Vec<ColumnShape> {
        fn shapes(columns: &[ColumnDecision]) -> Vec<ColumnShape> {
            let shape = |column: &ColumnDecision| ColumnShape {
                name: column.name.clone(),
                fields: shapes(&column.fields),
            };
            columns.iter().map(shape).collect()
        }
        shapes(&self.columns)
    }

    /// Whether a row may be withheld.
    pub fn filters_rows(&self) -> bool {
        self.rows != Rows::All || !self.required.is_empty()
    }

    /// What the notice says when the table is read under this decision.
    pub fn notice_flags(&self) -> NoticeFlags {
        let mut flags = NoticeFlags {
            rows_filtered: self.filters_rows(),
            columns_hidden: self.columns_hidden,
            ..NoticeFlags::default()
        };
        walk(&self.columns, "", &mut |path, column| {
            flags.cells_nulled |= matches!(column.cell, Cell::When(_));
            if column.mask.is_some() {
                flags.masked.push(path.to_owned());
            }
        });
        flags
    }

    /// Whether the result says all there is: every column, row and cell of the table as it is.
    pub fn is_unrestricted(&self) -> bool {
        self.verdict == Verdict::Select && self.notice_flags() == NoticeFlags::default()
    }

    /// The same text exactly when two decisions let the same be seen, whichever rules said so.
    ///
    /// It is the decision spelt out and not a hash of it: what is cached under it must never be found by someone
    /// whose decision only happens to hash alike. Every text is led by its length, so no name can imitate another.
    pub fn fingerprint(&self) -> String {
        let mut text = match self.verdict {
            Verdict::Select => "select".to_owned(),
            Verdict::DescribeOnly => "describe".to_owned(),
            Verdict::Unfit => return "unfit".to_owned(),
            Verdict::NotFound => return "none".to_owned(),
        };
        text.push_str(if self.columns_hidden { ";hidden" } else { ";whole" });
        spell_columns(&mut text, &self.columns);
        if let Rows::AnyOf(expressions) = &self.rows {
            text.push_str(";rows");
            expressions.iter().for_each(|expression| spell(&mut text, expression));
        }
        if !self.required.is_empty() {
            text.push_str(";required");
            self.required.iter().for_each(|expression| spell(&mut text, expression));
        }
        text.push_str(";describe");
        spell_shapes(&mut text, &self.describe);
        text
    }
}

/// Visits every column that stands for a value: those that are given whole, and the fields of the others.
pub fn walk(columns: &[ColumnDecision], prefix: &str, visit: &mut impl FnMut(&str, &ColumnDecision)) {
    for column in columns {
        let path = join(prefix, &column.name);
        match column.fields.as_slice() {
            [] => visit(&path, column),
            fields => walk(fields, &path, visit),
        }
    }
}

/// Every column of `shapes` that has no fields, and every field of the others, by its path and in table order, with the
/// one of `columns` that stands for it: itself, or a struct around it that is given whole.
pub fn by_leaf<'c>(
    shapes: &[ColumnShape],
    columns: &'c [ColumnDecision],
) -> Vec<(String, Option<&'c ColumnDecision>)> {
    fn collect<'c>(
        shapes: &[ColumnShape],
        prefix: &str,
        find: &dyn Fn(&str) -> Option<&'c ColumnDecision>,
        found: &mut Vec<(String, Option<&'c ColumnDecision>)>,
    ) {
        for shape in shapes {
            let (path, column) = (join(prefix, &shape.name), find(&shape.name));
            let inside = |name: &str| match column {
                Some(whole) if whole.fields.is_empty() => Some(whole),
                _ => column?.fields.iter().find(|field| field.name == name),
            };
            match shape.fields.as_slice() {
                [] => found.push((path, column)),
                fields => collect(fields, &path, &inside, found),
            }
        }
    }
    let mut found = Vec::new();
    collect(shapes, "", &|name| columns.iter().find(|column| column.name == name), &mut found);
    found
}

/// The path of `name` inside `prefix`.
pub fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn spell_columns(text: &mut String, columns: &[ColumnDecision]) {
    for column in columns {
        text.push_str(";column");
        spell(text, &column.name);
        if let Cell::When(expressions) = &column.cell {
            text.push_str(",when");
            expressions.iter().for_each(|expression| spell(text, expression));
        }
        if let Some(AppliedMask { mask, .. }) = &column.mask {
            text.push_str(",mask");
            spell(text, mask.name());
            if let Mask::Using(expression) = mask {
                spell(text, expression);
            }
        }
        if !column.fields.is_empty() {
            text.push('(');
            spell_columns(text, &column.fields);
            text.push(')');
        }
    }
}

fn spell_shapes(text: &mut String, shapes: &[ColumnShape]) {
    for shape in shapes {
        spell(text, &shape.name);
        if !shape.fields.is_empty() {
            text.push('(');
            spell_shapes(text, &shape.fields);
            text.push(')');
        }
    }
}

fn spell(out: &mut String, part: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, " {}:{part}", part.len());
}
