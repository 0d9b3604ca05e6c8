//! Noninterference, by machine: two lakes that differ only in what a reader may not see answer every statement alike.

mod data;
mod expression;
mod lake;
mod outcome;
mod questions;
mod random;
mod rules;
mod templates;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use self::expression::Grammar;
use self::lake::Lake;
use self::outcome::{Outcome, ask};
use self::questions::{Asking, Question};
use self::random::Random;

/// Statements for each pair of lakes.
const A_WORLD: usize = 200;

/// What was found.
#[derive(Debug, Default)]
struct Report {
    pairs: usize,
    codes: BTreeMap<String, usize>,
    texts: BTreeMap<String, usize>,
    differences: Vec<String>,
}

#[derive(Clone)]
struct Bounds {
    until: Instant,
    pairs: usize,
}

async fn one_world(seed: u64, only: Option<usize>, report: &Mutex<Report>, bounds: &Bounds) {
    let mut random = Random::new(seed);
    let pair = world::pair(&mut random);
    let form = random.fork();
    let lakes = [Lake::open(&pair[0], form.clone()).await, Lake::open(&pair[1], form).await];
    let grammar = Grammar::new();
    let asking = Asking::of(&pair[0], &grammar);
    for at in 0..A_WORLD {
        let question = asking.question(&mut random.fork());
        if only.is_some_and(|only| only != at) {
            continue;
        }
        let (one, other) = (ask(&lakes[0].app, &question).await, ask(&lakes[1].app, &question).await);
        let mut report = report.lock().unwrap();
        report.pairs += 1;
        *report.codes.entry(one.code.clone()).or_default() += 1;
        if one.code != "ok" {
            *report.texts.entry(format!("{} {}", one.code, shape(&one.text))).or_default() += 1;
        }
        if one != other {
            let text = told(seed, at, &question, &pair, &one, &other);
            println!("{text}");
            report.differences.push(text);
        }
        if report.pairs >= bounds.pairs || Instant::now() > bounds.until {
            return;
        }
    }
}

fn shape(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).take(90).collect();
    text
}

fn told(
    seed: u64,
    at: usize,
    question: &Question,
    pair: &[world::World; 2],
    one: &Outcome,
    other: &Outcome,
) -> String {
    let [a, _] = pair;
    format!(
        "DIFFERENCE seed {seed} question {at} (partitions {}, batch {}, pushdown {})\n{question:?}\n{}: {}\n--- twin\n{}: {}\n",
        a.target_partitions, a.batch_size, a.pushdown_filters, one.code, one.text, other.code, other.text
    )
}

fn search(first: u64, pairs: usize, time: Duration) -> Report {
    let report = Arc::new(Mutex::new(Report::default()));
    let bounds = Bounds { until: Instant::now() + time, pairs };
    let next = Arc::new(AtomicU64::new(first));
    let threads = (0..2).map(|_| {
        let (report, bounds, next) = (Arc::clone(&report), bounds.clone(), Arc::clone(&next));
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            while report.lock().unwrap().pairs < bounds.pairs && Instant::now() < bounds.until {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                runtime.block_on(one_world(seed, None, &report, &bounds));
            }
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    Arc::try_unwrap(report).unwrap().into_inner().unwrap()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn noninterference() {
    let started = Instant::now();
    let pairs = number("PAIRS").unwrap_or(1_000) as usize;
    let seconds = number("MINUTES").map_or(170, |minutes| minutes * 60);
    if let (Some(seed), Some(at)) = (number("SEED"), number("QUESTION")) {
        let report = Mutex::new(Report::default());
        let bounds = Bounds { until: Instant::now() + Duration::from_secs(60), pairs: 1 };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(one_world(seed, Some(at as usize), &report, &bounds));
        println!("{:?}", report.lock().unwrap());
        return;
    }
    let report = search(number("SEED").unwrap_or(1), pairs, Duration::from_secs(seconds));
    println!("{} pairs in {:?}: {:?}", report.pairs, started.elapsed(), report.codes);
    let mut texts = report.texts.iter().collect::<Vec<_>>();
    texts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (text, count) in texts.iter().take(60) {
        println!("{count:6} {text}");
    }
    assert!(report.differences.is_empty(), "{} differences", report.differences.len());
}
