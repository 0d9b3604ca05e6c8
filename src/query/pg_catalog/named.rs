//! What a statement of a PostgreSQL client is about: the catalog alone, or somebody's tables too.
//!
//! The rules that put a question to the catalog into the engine's words know what the catalog has: one row for an object, no
//! keys, no rows of some tables. Of other tables that would be wrong, so a statement that reads any keeps its meaning, and
//! only names are put right in it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Statement, TableFactor, Visit,
    VisitMut, Visitor, VisitorMut,
};

use crate::policy::model::{PG_CATALOG, is_listing};

/// Whether every table that `statement` reads is one of the catalog.
pub(super) fn is_of_catalog_alone(statement: &Statement) -> bool {
    let mut named = Named::default();
    let _ = Visit::visit(statement, &mut named);
    named.tables.iter().all(|table| named.is_of_catalog(table))
}

/// `statement` with the catalog's names as the engine knows them, and nothing else changed.
pub(super) fn renamed(mut statement: Statement) -> Statement {
    let mut named = Named::default();
    let _ = Visit::visit(&statement, &mut named);
    let _ = VisitMut::visit(&mut statement, &mut Renaming(named));
    statement
}

/// The tables and the names of subqueries in a statement.
#[derive(Default)]
struct Named {
    tables: Vec<Vec<String>>,
    subqueries: BTreeSet<String>,
}

impl Named {
    fn is_of_catalog(&self, table: &[String]) -> bool {
        match table {
            [table] => self.subqueries.contains(table) || table.starts_with("pg_"),
            [.., schema, _] => is_listing(schema),
            [] => true,
        }
    }
}

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.subqueries.extend(with.map(|cte| cte.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        // What has arguments is a function.
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.tables.push(parts(name));
        }
        ControlFlow::Continue(())
    }
}

struct Renaming(Named);

impl VisitorMut for Renaming {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if let [table] = parts(relation).as_slice()
            && table.starts_with("pg_")
            && !self.0.subqueries.contains(table)
        {
            relation.0.insert(0, ObjectNamePart::Identifier(Ident::new(PG_CATALOG)));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr {
            if let [schema, _] = parts(&call.name).as_slice()
                && schema == PG_CATALOG
            {
                call.name.0.remove(0);
            }
            let is_word = matches!(call.args, FunctionArguments::None);
            if is_word && parts(&call.name) == ["current_user"] {
                // The engine's function of the same meaning.
                call.name = ObjectName::from(vec![Ident::new("session_user")]);
            }
        }
        ControlFlow::Continue(())
    }
}

fn parts(name: &ObjectName) -> Vec<String> {
    let part = |part: &ObjectNamePart| part.as_ident().map(|ident| ident.value.to_lowercase());
    name.0.iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn statement(sql: &str) -> Statement {
        Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0)
    }

    #[test]
    fn a_table_of_somebody_makes_it_a_statement_like_any_other() {
        for (sql, alone) in [
            ("SELECT 1", true),
            ("SELECT * FROM pg_class c, pg_catalog.pg_namespace, information_schema.tables", true),
            ("WITH t AS (SELECT oid FROM pg_class) SELECT * FROM t, unnest(ARRAY[1])", true),
            ("SELECT (SELECT max(x) FROM shop.cards) FROM pg_class", false),
            ("SELECT * FROM cards WHERE owner = current_user", false),
            ("SELECT * FROM shop.pg_index", false),
        ] {
            assert_eq!(is_of_catalog_alone(&statement(sql)), alone, "{sql}");
        }
    }

    #[test]
    fn names_are_put_right_and_nothing_else() {
        let sql =
            "SELECT pg_catalog.version(), (SELECT x FROM cards WHERE o = current_user) FROM pg_class, shop.t";
        assert_eq!(
            renamed(statement(sql)).to_string(),
            "SELECT version(), (SELECT x FROM cards WHERE o = session_user) FROM pg_catalog.pg_class, shop.t"
        );
    }
}
