//! Asks pairs of lakes until a difference is found or the time is over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::asked::{self, Asked};
use super::expression::Grammar;
use super::lake::{Lake, somebody_else};
use super::mutants::{Weakness, ask_weakened};
use super::outcome::{Outcome, ask, ask_as};
use super::questions::{Asking, Question};
use super::random::Random;
use super::world::{World, pair};

/// Statements for each pair of lakes.
const A_WORLD: usize = 250;

/// After how many statements others ask the twin something.
const OTHERS_ASK: usize = 10;

/// How often what differs is asked again, where it may be chance.
const ASKED_AGAIN: usize = 8;

/// No table has more rows, so that all that are visible meet in one batch.
const LARGE_BATCH: usize = 8192;

/// How the fault of a row begins, whatever the row and the expression.
const ON_GUARDED_ROW: &str = "an expression of the query failed on a row";

/// How long to search, and whether in the gateway as it is.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub until: Instant,
    pub pairs: usize,
    pub weakness: Option<Weakness>,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Report {
    pub pairs: usize,
    pub differences: Vec<String>,
    /// How many pairs differ in nothing but whether a visible row was met that fails, where rows are split.
    by_chance: usize,
    codes: BTreeMap<String, usize>,
    texts: BTreeMap<String, usize>,
}

impl Report {
    /// How many statements gave rows.
    pub fn succeeded(&self) -> usize {
        self.codes.get("ok").copied().unwrap_or_default()
    }

    /// The figures, for whoever ran the search.
    pub fn told(&self, time: Duration) -> String {
        let rate = self.pairs as f64 / time.as_secs_f64();
        let mut text = format!(
            "{} pairs in {:.0} s ({rate:.1} a second), {} differences; {} times a fault was met in one alone\n",
            self.pairs,
            time.as_secs_f64(),
            self.differences.len(),
            self.by_chance
        );
        for (code, count) in &self.codes {
            writeln!(text, "{:6.2} % {code}", *count as f64 * 100.0 / self.pairs as f64).unwrap();
        }
        let mut texts = self.texts.iter().collect::<Vec<_>>();
        texts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (text_of, count) in texts.iter().take(40) {
            writeln!(text, "{count:6} {text_of}").unwrap();
        }
        text
    }

    fn count(&mut self, outcome: &Outcome) {
        self.pairs += 1;
        *self.codes.entry(outcome.code.clone()).or_default() += 1;
        if outcome.code != "ok" {
            let text = outcome.text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c });
            let text = format!("{}: {}", outcome.code, text.take(90).collect::<String>());
            *self.texts.entry(text).or_default() += 1;
        }
    }
}

/// Searches the worlds from `first` on, two at a time.
pub fn search(first: u64, bounds: &Bounds) -> Report {
    let report = Mutex::new(Report::default());
    let next = AtomicU64::new(first);
    let asked = [Asked::default(), Asked::default()];
    let work = |asked: &Asked| {
        let _ended = asked.until_dropped();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        while !is_over(&report.lock().unwrap(), bounds) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(ask_world(seed, None, &report, bounds, asked));
        }
    };
    std::thread::scope(|scope| {
        for asked in &asked {
            scope.spawn(|| work(asked));
        }
        scope.spawn(|| asked::tell_what_runs_long(&asked));
    });
    report.into_inner().unwrap()
}

/// Asks one statement of one world again.
pub fn replay(seed: u64, question: usize) -> Report {
    let report = Mutex::new(Report::default());
    let bounds = Bounds { until: Instant::now() + Duration::from_secs(600), pairs: 1, weakness: None };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(ask_world(seed, Some(question), &report, &bounds, &Asked::default()));
    report.into_inner().unwrap()
}

fn is_over(report: &Report, bounds: &Bounds) -> bool {
    let found = bounds.weakness.is_some() && !report.differences.is_empty();
    found || report.pairs >= bounds.pairs || Instant::now() >= bounds.until
}

async fn ask_world(seed: u64, only: Option<usize>, report: &Mutex<Report>, bounds: &Bounds, asked: &Asked) {
    let mut random = Random::new(seed);
    let pair = pair(&mut random);
    let form = random.fork();
    let lakes = [Lake::open(&pair[0], form.clone()).await, Lake::open(&pair[1], form).await];
    let grammar = Grammar::new();
    let asking = Asking::of(&pair[0], &grammar);
    for at in 0..A_WORLD {
        let question = asking.question(&mut random.fork());
        if only.is_some_and(|only| only != at) {
            continue;
        }
        asked.begins(format!("SEED={seed} QUESTION={at} {question:?}"));
        if at % OTHERS_ASK == 0 {
            ask_as(&lakes[1].app, somebody_else(), &asking.question(&mut random.clone())).await;
        }
        let [one, other] =
            [ask_once(&lakes[0], &question, bounds).await, ask_once(&lakes[1], &question, bounds).await];
        // Of two faults, as of the two sides of a union, the first one is told, and with nothing hidden it may be either.
        let are_faults = is_fault(&one) && is_fault(&other) && is_same(&pair, &question);
        // How fast a machine is, is no difference; how many are cut off is told.
        let is_cut_off = one.code == "timeout" || other.code == "timeout";
        let is_by_chance = one != other
            && (is_cut_off
                || are_faults
                || (rows_are_split(&pair[0], &question) && is_fault_in_one(&one, &other))
                || (pair[0].target_partitions > 1 && do_meet(&lakes, &question, bounds).await));
        let mut report = report.lock().unwrap();
        report.count(&one);
        report.by_chance += usize::from(is_by_chance);
        if (one != other && !is_by_chance) || is_own_fault(&one) {
            let text = told(seed, at, &question, &pair, [&one, &other]);
            println!("{text}");
            report.differences.push(text);
        }
        if is_over(&report, bounds) {
            return;
        }
    }
}

/// Whether rows meet each other in batches and parts that the files decide about; of a union either side may come first.
fn rows_are_split(world: &World, question: &Question) -> bool {
    world.target_partitions > 1
        || world.batch_size < LARGE_BATCH
        || world.pushdown_filters
        || question.sql.contains("UNION")
}

async fn ask_once(lake: &Lake, question: &Question, bounds: &Bounds) -> Outcome {
    match bounds.weakness {
        None => ask(&lake.app, question).await,
        Some(weakness) => ask_weakened(lake, question, weakness).await,
    }
}

/// Whether the two come to the same when they are asked again: two partitions race.
async fn do_meet(lakes: &[Lake; 2], question: &Question, bounds: &Bounds) -> bool {
    let mut outcomes = [Vec::new(), Vec::new()];
    for _ in 0..ASKED_AGAIN {
        for (lake, outcomes) in lakes.iter().zip(&mut outcomes) {
            outcomes.push(ask_once(lake, question, bounds).await);
        }
    }
    let [one, other] = outcomes;
    one.iter().any(|outcome| other.contains(outcome))
}

/// Whether the tables that `question` names have nothing hidden, so that there is nothing to tell.
fn is_same(pair: &[World; 2], question: &Question) -> bool {
    let [one, other] = pair;
    let mut tables = one.tables.iter().zip(&other.tables);
    tables
        .all(|(one, other)| !question.sql.contains(&format!("db.{}", one.name)) || one.told() == other.told())
}

fn is_fault(outcome: &Outcome) -> bool {
    outcome.code == "query_failed"
}

/// Whether one is an answer and the other the fault of a row.
fn is_fault_in_one(one: &Outcome, other: &Outcome) -> bool {
    let is_guarded = |outcome: &Outcome| is_fault(outcome) && outcome.text.starts_with(ON_GUARDED_ROW);
    (one.code == "ok" && is_guarded(other)) || (is_guarded(one) && other.code == "ok")
}

/// Whether the gateway failed, which no statement may bring about: the rules of these policies cannot fail.
fn is_own_fault(outcome: &Outcome) -> bool {
    outcome.code == "internal" || outcome.code == "policy_error"
}

fn told(seed: u64, at: usize, question: &Question, pair: &[World; 2], outcomes: [&Outcome; 2]) -> String {
    let mut text = format!("a difference: SEED={seed} QUESTION={at}\n{question:?}\n");
    for (world, outcome) in pair.iter().zip(outcomes) {
        writeln!(
            text,
            "--- partitions {} batches {} pushdown {}",
            world.target_partitions, world.batch_size, world.pushdown_filters
        )
        .unwrap();
        for table in world.tables.iter().filter(|table| question.sql.contains(&format!("db.{}", table.name)))
        {
            writeln!(text, "{}", table.told()).unwrap();
        }
        writeln!(text, "{}: {}", outcome.code, outcome.text).unwrap();
    }
    text
}
