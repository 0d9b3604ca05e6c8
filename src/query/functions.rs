//! Which functions exist: those that `functions.txt` allows, and no others.
//!
//! The engine brings hundreds, and a new release brings more. A function that nobody has looked at is not there: one
//! that reads a file, tells the version of the machine or the place of a row would be a door that no policy guards.
//! A test fails when the engine has a function that the file does not name.

pub mod bounded;
mod mended;
pub mod planner;
mod size;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use datafusion::catalog::TableFunction;
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

/// What a function may be used for. Each class has the rights of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nothing: it does not exist.
    Refuse,
    /// Queries.
    Allow,
    /// Queries and the expressions of the policy.
    Policy,
    /// As `Policy`, and it can neither fail nor tell anything but its result.
    Leakproof,
}

/// The functions of the engine that queries may use.
#[derive(Debug)]
pub struct Allowed {
    pub scalar: Vec<Arc<ScalarUDF>>,
    pub higher_order: Vec<Arc<HigherOrderUDF>>,
    pub aggregate: Vec<Arc<AggregateUDF>>,
    pub window: Vec<Arc<WindowUDF>>,
    pub table: Vec<Arc<TableFunction>>,
}

/// The engine's functions that the file allows, not yet under bounds.
pub fn allowed() -> Allowed {
    let keep = |kind: &'static str| move |name: &str| class(kind, name) > Class::Refuse;
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
    all.scalar = all.scalar.into_iter().map(mended::mended).collect();
    all.higher_order.retain(|function| higher_order(function.name()));
    all.aggregate.retain(|function| aggregate(function.name()));
    all.window.retain(|function| window(function.name()));
    all.table.retain(|function| table(function.name()));
    all
}

/// What the file says of the function of `kind` called `name`: `refuse` when it does not know it.
pub fn class(kind: &str, name: &str) -> Class {
    CLASSES.get(&(kind, name)).map_or(Class::Refuse, |entry| entry.class)
}

static CLASSES: LazyLock<BTreeMap<(&str, &str), Entry>> = LazyLock::new(|| {
    include_str!("functions.txt").lines().filter(|line| !line.starts_with('#')).filter_map(entry).collect()
});

/// A line of the file.
#[derive(Debug)]
struct Entry {
    class: Class,
    #[cfg(test)]
    has_reason: bool,
}

/// A line without a known class is none, and its function is refused.
fn entry(line: &'static str) -> Option<((&'static str, &'static str), Entry)> {
    let mut words = line.split_whitespace();
    let key = (words.next()?, words.next()?);
    let class = match words.next()? {
        "refuse" => Class::Refuse,
        "allow" => Class::Allow,
        "policy" => Class::Policy,
        "leakproof" => Class::Leakproof,
        _ => return None,
    };
    Some((
        key,
        Entry {
            class,
            #[cfg(test)]
            has_reason: words.next().is_some(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use datafusion::logical_expr::Volatility;

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
        let file = &*CLASSES;
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
        let lines = include_str!("functions.txt").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(file.len(), lines, "a line has no class, or a function two lines");
    }

    #[test]
    fn what_is_kept_from_queries_or_rules_has_a_reason_and_nothing_else_is_a_rule() {
        for ((kind, name), entry) in &*CLASSES {
            let is_for_rows = ["scalar", "higher_order"].contains(kind);
            let needs_reason = entry.class == Class::Refuse || (is_for_rows && entry.class == Class::Allow);
            assert_eq!(entry.has_reason, needs_reason, "{kind} {name}");
            assert!(is_for_rows || entry.class < Class::Policy, "{kind} {name} is no part of a rule");
        }
    }

    #[test]
    fn a_function_for_rules_gives_the_same_answer_every_time() {
        // Those whose answer is not the same each time; each has its reason in the file.
        const NOT_IMMUTABLE: [&str; 5] = ["current_date", "current_time", "now", "random", "uuid"];
        let mut found = BTreeSet::new();
        for function in allowed().scalar {
            if function.signature().volatility != Volatility::Immutable {
                assert_eq!(class("scalar", function.name()), Class::Allow, "{}", function.name());
                found.insert(function.name().to_owned());
            }
        }
        assert_eq!(found, NOT_IMMUTABLE.map(str::to_owned).into());
        for function in allowed().higher_order {
            assert_eq!(function.signature().volatility, Volatility::Immutable, "{}", function.name());
        }
    }
}
