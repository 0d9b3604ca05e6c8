//! Columns of a result that have one name, which PostgreSQL allows and the engine does not.
//!
//! The later ones get a mark and a number behind their name, which [`shown_name`] takes away again where the result is told.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, Statement};

/// What no name has: the separator of units.
const MARK: char = '\u{1f}';

/// The name of a column of a result, as it was asked for.
pub fn shown_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Puts a mark behind names of the result's columns that are there already, and says whether there was one.
pub(super) fn told_apart(statement: &mut Statement) -> bool {
    let query = match statement {
        Statement::Query(query) => query,
        Statement::Explain { statement, .. } => return told_apart(statement),
        _ => return false,
    };
    let Some(select) = select_of(query) else { return false };
    let has_wildcard = select.projection.iter().any(is_wildcard);
    let mut taken = Taken::default();
    let mut found = false;
    for (at, item) in select.projection.iter_mut().enumerate() {
        let Some(name) = Name::of(item) else { continue };
        // Behind a `*` any column may be one that is there already.
        if !taken.adds(&name) || (has_wildcard && name.is_column) {
            found = true;
            apart(item, &name, at);
        }
    }
    found
}

fn select_of(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => select_of(query),
        _ => None,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn apart(item: &mut SelectItem, name: &Name, at: usize) {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return };
    let alias = Ident::with_quote('"', format!("{}{MARK}{at}", name.shown));
    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
}

/// What a column of a result is called.
struct Name {
    /// With the table, where it is said.
    full: String,
    shown: String,
    is_column: bool,
}

impl Name {
    fn of(item: &SelectItem) -> Option<Self> {
        let plain = |shown: String, is_column| Self { full: shown.clone(), shown, is_column };
        Some(match item {
            SelectItem::ExprWithAlias { alias, .. } => plain(normal(alias), false),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => plain(normal(name), true),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(path)) => Self {
                full: path.iter().map(normal).collect::<Vec<_>>().join("."),
                shown: path.last().map(normal)?,
                is_column: true,
            },
            SelectItem::UnnamedExpr(expr) => plain(said(expr), false),
            _ => return None,
        })
    }

    fn has_table(&self) -> bool {
        self.full != self.shown
    }
}

fn normal(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// What a column is called that is no column of a table: what is cast is called as before.
fn said(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => said(inner),
        Expr::Identifier(name) => normal(name),
        Expr::CompoundIdentifier(path) => path.last().map(normal).unwrap_or_default(),
        other => other.to_string().to_lowercase(),
    }
}

/// The names that are there already.
#[derive(Default)]
struct Taken {
    full: BTreeSet<String>,
    /// Without their tables; those of columns whose table is said apart from the others, since they may stand side by side.
    shown: BTreeSet<(bool, String)>,
}

impl Taken {
    fn adds(&mut self, name: &Name) -> bool {
        let shown = |has_table| (has_table, name.shown.clone());
        let is_taken = self.full.contains(&name.full) || self.shown.contains(&shown(!name.has_table()));
        if !is_taken {
            self.full.insert(name.full.clone());
            self.shown.insert(shown(name.has_table()));
        }
        !is_taken
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn marked(sql: &str) -> Option<String> {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        told_apart(&mut statement).then(|| statement.to_string().replace(MARK, "^"))
    }

    #[test]
    fn equal_names_are_told_apart_and_others_left() {
        for sql in
            ["SELECT a, b FROM t", "SELECT t.a, u.a FROM t, u", "SELECT * FROM t", "SELECT 1 UNION SELECT 1"]
        {
            assert_eq!(marked(sql), None, "{sql}");
        }
        for (sql, other) in [
            ("SELECT count(*), COUNT(*) FROM t", r#"SELECT count(*), COUNT(*) AS "count(*)^1" FROM t"#),
            ("SELECT NULL, (NULL), 1 AS a, 2 AS A", r#"SELECT NULL, (NULL) AS "null^1", 1 AS a, 2 AS "a^3""#),
            ("SELECT t.a, 1 AS a, t.a FROM t", r#"SELECT t.a, 1 AS "a^1", t.a AS "a^2" FROM t"#),
            ("SELECT t.a, a::text FROM t", r#"SELECT t.a, a::TEXT AS "a^1" FROM t"#),
            ("SELECT *, a, 1 FROM t ORDER BY a", r#"SELECT *, a AS "a^1", 1 FROM t ORDER BY a"#),
        ] {
            assert_eq!(marked(sql).as_deref(), Some(other), "{sql}");
        }
        assert_eq!((shown_name("count(*)\u{1f}1"), shown_name("a")), ("count(*)", "a"));
    }
}
