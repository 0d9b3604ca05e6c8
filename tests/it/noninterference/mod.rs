//! Noninterference, by machine: two lakes that differ only in what a reader may not see answer every statement alike.
//!
//! From a seed come tables, a policy, a reader, a *twin* of the lake, and statements. The twin has other hidden rows,
//! hidden columns, cells that are NULL for the reader and values behind masks, other names of hidden columns, and other
//! users who ask other things. The outcome of a statement (code and text, schema, notice, rows, EXPLAIN) must be the
//! same on both, byte for byte.
//!
//! What is allowed for, since no reader is promised it:
//! - The order of rows without a total ORDER BY: rows are then compared as a multiset. Aggregates that depend on it (sums
//!   of floats, `array_agg` without an order) are asked alone, over one table read in one partition.
//! - What two partitions race for: there both are asked again, and must come to the same once. Grouping by a constant in one
//!   of several grouping sets takes away the order in the engine.
//! - Whether a fault of *visible* rows is met, where a query runs in two partitions, in small batches or with conditions
//!   in the Parquet reader: the files decide which rows share a batch, and a batch decides whether the right side of an
//!   AND is looked at. There an answer may meet a fault, and of tables that hide nothing one fault another; the report
//!   says how often that was. In the other worlds, some third of them, both must come to the same.
//! - Rules of the policy cannot fail here: that one failed is told as `policy_error`.
//! - `random()`, `uuid()`, `now()` stand only where their value does not show.
//!
//! A failure prints its seed. `SEED=… QUESTION=… cargo test --test it noninterference` asks the one statement again,
//! `SEED=…` starts from that world, `PAIRS=…` and `MINUTES=…` say how long to search.

mod asked;
mod data;
mod expression;
mod found;
mod lake;
mod mutants;
mod outcome;
mod questions;
mod random;
mod rules;
mod search;
mod templates;
mod world;

use std::time::{Duration, Instant};

use self::mutants::Weakness;
use self::search::{Bounds, Report, replay, search};

/// What every run of the tests compares: the same worlds each time. `make fuzz` takes others.
const PAIRS: u64 = 20_000;

/// What that may take where much else is running. On two idle cores it takes less than three minutes.
const MINUTES: u64 = 20;

/// What a search for something that is there may take.
const PAIRS_OF_MUTANT: usize = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

#[test]
fn noninterference() {
    if let (Some(seed), Some(question)) = (number("SEED"), number("QUESTION")) {
        return assert_nothing_found(&replay(seed, question as usize));
    }
    let started = Instant::now();
    // Whoever says how long, means it.
    let most = if number("MINUTES").is_some() { u64::MAX } else { PAIRS };
    let pairs = number("PAIRS").unwrap_or(most);
    let time = Duration::from_secs(60 * number("MINUTES").unwrap_or(MINUTES));
    let bounds = Bounds { until: started + time, pairs: pairs as usize, weakness: None };
    let report = search(number("SEED").unwrap_or(1), &bounds);
    println!("{}", report.told(started.elapsed()));
    assert_nothing_found(&report);
    let is_whole = number("MINUTES").is_some() || report.pairs as u64 >= pairs;
    assert!(is_whole, "the time was over before the last pair");
    assert!(
        report.pairs < 500 || report.succeeded() * 100 >= report.pairs * 40,
        "too few statements succeed"
    );
}

fn assert_nothing_found(report: &Report) {
    assert!(report.differences.is_empty(), "{}", report.differences.join("\n"));
}

fn assert_found(weakness: Weakness) {
    let started = Instant::now();
    let until = started + Duration::from_secs(600);
    let report = search(1, &Bounds { until, pairs: PAIRS_OF_MUTANT, weakness: Some(weakness) });
    println!("{weakness:?}: {} in {} pairs", report.differences.len(), report.pairs);
    assert!(!report.differences.is_empty(), "{weakness:?} was not found: {}", report.told(started.elapsed()));
}

#[test]
fn the_way_of_the_mutants_shows_no_difference_by_itself() {
    let until = Instant::now() + Duration::from_secs(600);
    let bounds = Bounds { until, pairs: 200, weakness: Some(Weakness::Nothing) };
    assert_nothing_found(&search(1, &bounds));
}

#[test]
fn without_the_barrier_a_difference_is_found() {
    assert_found(Weakness::NoBarrier);
}

#[test]
fn with_every_function_of_the_engine_a_difference_is_found() {
    assert_found(Weakness::AnyFunction);
}

#[test]
fn with_an_open_explain_a_difference_is_found() {
    assert_found(Weakness::OpenExplain);
}

/// A function that may be used and is never asked for is not tested.
#[test]
fn every_function_that_exists_is_asked_for() {
    let lists =
        [templates::SCALAR, templates::AGGREGATE, templates::ORDERED_AGGREGATE, templates::WINDOW].join("\n");
    let missing = include_str!("../../../src/query/functions.txt").lines().filter_map(|line| {
        let words = line.split_whitespace().collect::<Vec<_>>();
        match words.as_slice() {
            ["scalar" | "aggregate" | "window" | "higher_order", name, "allow", ..] => {
                (!lists.contains(&format!("{name}("))).then_some(*name)
            }
            _ => None,
        }
    });
    // Written without brackets, or by the grammar of queries.
    let missing = missing
        .filter(|name| !["current_date", "current_time", "grouping"].contains(name))
        .collect::<Vec<_>>();
    assert!(missing.is_empty(), "no statement asks for {missing:?}: add them to templates.rs");
}
