//! Which functions exist: those that `functions.txt` allows, and no others.
//!
//! The engine brings hundreds, and a new release brings more. A function that nobody has looked at is not there: one
//! that reads a file, tells the version of the machine or the place of a row would be a door that no policy guards.
//! A test fails when the engine has a function that the file does not name.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableFunction;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

/// The functions of the engine that queries may use.
#[derive(Debug)]
pub struct Allowed {
    pub scalar: Vec<Arc<ScalarUDF>>,
    pub higher_order: Vec<Arc<HigherOrderUDF>>,
    pub aggregate: Vec<Arc<AggregateUDF>>,
    pub window: Vec<Arc<WindowUDF>>,
    pub table: Vec<Arc<TableFunction>>,
}

/// The engine's functions that the file allows.
pub fn allowed() -> Allowed {
    let file = classification();
    let keep = |kind: &'static str| {
        let file = &file;
        move |name: &str| file.get(&(kind, name)) == Some(&"allow")
    };
    let (scalar, higher_order, aggregate) = (keep("scalar"), keep("higher_order"), keep("aggregate"));
    let (window, table) = (keep("window"), keep("table"));
    let mut all = Allowed {
        scalar: SessionStateDefaults::default_scalar_functions(),
        higher_order: SessionStateDefaults::default_higher_order_functions(),
        aggregate: SessionStateDefaults::default_aggregate_functions(),
        window: SessionStateDefaults::default_window_functions(),
        table: SessionStateDefaults::default_table_functions(),
    };
    all.scalar.retain(|function| scalar(function.name()));
    all.higher_order.retain(|function| higher_order(function.name()));
    all.aggregate.retain(|function| aggregate(function.name()));
    all.window.retain(|function| window(function.name()));
    all.table.retain(|function| table(function.name()));
    all
}

/// The file's lines: kind and name → `allow` or `refuse`.
fn classification() -> BTreeMap<(&'static str, &'static str), &'static str> {
    include_str!("functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(((words.next()?, words.next()?), words.next()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of_engine() -> BTreeSet<(&'static str, String)> {
        let mut all = BTreeSet::new();
        let mut add = |kind, names: Vec<String>| all.extend(names.into_iter().map(|name| (kind, name)));
        let named = |name: &str| name.to_owned();
        add(
            "scalar",
            SessionStateDefaults::default_scalar_functions().iter().map(|f| named(f.name())).collect(),
        );
        add(
            "higher_order",
            SessionStateDefaults::default_higher_order_functions().iter().map(|f| named(f.name())).collect(),
        );
        add(
            "aggregate",
            SessionStateDefaults::default_aggregate_functions().iter().map(|f| named(f.name())).collect(),
        );
        add(
            "window",
            SessionStateDefaults::default_window_functions().iter().map(|f| named(f.name())).collect(),
        );
        add(
            "table",
            SessionStateDefaults::default_table_functions().iter().map(|f| named(f.name())).collect(),
        );
        all
    }

    #[test]
    fn every_function_of_the_engine_is_classified_and_no_other() {
        let engine = of_engine();
        let file = classification();
        let missing = engine
            .iter()
            .filter(|(kind, name)| !file.contains_key(&(*kind, name.as_str())))
            .map(|(kind, name)| format!("{kind} {name}"))
            .collect::<Vec<_>>();
        let gone = file
            .keys()
            .filter(|(kind, name)| !engine.contains(&(*kind, (*name).to_owned())))
            .collect::<Vec<_>>();
        assert!(missing.is_empty(), "not classified in functions.txt:\n{}", missing.join("\n"));
        assert!(gone.is_empty(), "no longer in the engine: {gone:?}");
        assert!(file.values().all(|class| ["allow", "refuse"].contains(class)));
    }
}
