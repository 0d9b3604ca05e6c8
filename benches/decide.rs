//! What a decision costs: authorizing a query on three tables with a million grants over a hundred thousand tables and
//! ten thousand principals, beside the same with a thousandth of the grants; the memory of catalog and index; and how
//! long a single change takes to be in force.
//!
//! `GRANTS` (default 1000000) and `ROUNDS` (default 200000) come from the environment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use chrono::Utc;
use lakegate::app::Governance;
use lakegate::policy::grant::GrantSpec;
use lakegate::policy::model::{Columns, Grant, Permission, Role, TableName};
use lakegate::policy::principal::{Identity, Principal};
use lakegate::query::authorize::Decided;
use lakegate::query::parse::Parsed;
use lakegate::store::record::{Change, Format, State, TableRecord, Versioned};

const TABLES: usize = 100_000;
const PRINCIPALS: usize = 10_000;

fn main() {
    let grants: usize = setting("GRANTS", 1_000_000);
    let rounds: usize = setting("ROUNDS", 200_000);
    println!(
        "{:>9} {:>8} {:>11} {:>10} {:>10} {:>12} {:>12}",
        "grants", "tables", "index MiB", "p50 us", "p99 us", "change ms", "denied"
    );
    for grants in [grants / 1000, grants] {
        let before = resident();
        let governance = Arc::new(governed(grants));
        let memory = resident().saturating_sub(before);
        let (times, denied) = authorize(&governance, rounds, grants);
        let change = change(&governance, grants);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "{grants:>9} {TABLES:>8} {memory:>11} {:>10.1} {:>10.1} {:>12.3} {denied:>12}",
            at(0.5),
            at(0.99),
            change.as_secs_f64() * 1e3
        );
    }
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// MiB of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

fn governed(grants: usize) -> Governance {
    let fields = (0..12).map(|at| Field::new(format!("c{at}"), DataType::Int64, true));
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let tables = (0..TABLES).map(|at| {
        let record = table(at, &schema);
        (record.name.clone(), Versioned { revision: 1, value: Arc::new(record) })
    });
    let grants = (0..grants).map(|at| {
        let grant = grant(at, grants);
        (grant.id.clone(), Versioned { revision: 1, value: Arc::new(grant) })
    });
    let roles = (0..PRINCIPALS / 10).map(|at| {
        let members = BTreeSet::from([Principal::Group(format!("g{at}"))]);
        let role = Role { name: format!("r{at}"), members };
        (role.name.clone(), Versioned { revision: 1, value: role })
    });
    let state = State {
        version: 1,
        tables: tables.collect(),
        grants: grants.collect(),
        roles: roles.collect(),
        ..State::default()
    };
    Governance { index: state.index(), state }
}

fn table(at: usize, schema: &SchemaRef) -> TableRecord {
    let name = TableName::new(format!("db{}", at % 100), format!("t{at}"));
    TableRecord {
        id: format!("{at:036}"),
        location: format!("file:///lake/{}/{}", name.database, name.table),
        name,
        format: Format::Delta,
        version: Some(1),
        schema: Arc::clone(schema),
        partition_columns: Vec::new(),
        bookmark: None,
        comment: None,
        created_at: Utc::now(),
        updated_at: Utc::now(),
    }
}

/// Grants spread over tables and principals: users, groups and roles; some on columns, some on rows.
fn grant(at: usize, all: usize) -> Grant {
    let table = at * (TABLES / TABLES.min(all)) % TABLES;
    let who = at.wrapping_mul(7919) % PRINCIPALS;
    let to = match who % 10 {
        _ if table.is_multiple_of(1000) => Principal::Public,
        0 => Principal::Role(format!("r{}", who / 10)),
        1 | 2 => Principal::Group(format!("g{}", who / 10)),
        _ => Principal::User(format!("u{who}")),
    };
    let on = format!("db{}.t{table}", table % 100).parse().unwrap();
    let columns = if at.is_multiple_of(3) {
        Columns::Include(["c0", "c1", "c2"].map(str::to_owned).into())
    } else {
        Columns::All
    };
    let rows = at.is_multiple_of(5).then(|| "c0 > 10 AND c1 = 3".to_owned());
    GrantSpec { columns, rows, ..GrantSpec::new(to, on, BTreeSet::from([Permission::Select])) }
        .with_id(format!("{at:036}"))
}

/// How long it takes to authorize queries on three tables, sorted; most are of people who hold grants on them.
fn authorize(governance: &Arc<Governance>, rounds: usize, grants: usize) -> (Vec<Duration>, usize) {
    let (mut times, mut denied) = (Vec::with_capacity(rounds), 0);
    for round in 0..rounds {
        let first = grant(round.wrapping_mul(104_729) % grants, grants);
        let user = match &first.to {
            Principal::User(name) => name.clone(),
            _ => format!("u{}", round % PRINCIPALS),
        };
        let groups = match &first.to {
            Principal::Group(name) => BTreeSet::from([name.clone()]),
            Principal::Role(name) => BTreeSet::from([name.replace('r', "g")]),
            _ => (0..5).map(|at| format!("g{}", (round + at) % (PRINCIPALS / 10))).collect(),
        };
        let identity = Arc::new(Identity { user, groups, attributes: BTreeMap::new() });
        let three = three_tables(round, &first);
        let started = Instant::now();
        let outcome = Decided::decide(three, identity, Arc::clone(governance), false);
        times.push(started.elapsed());
        denied += usize::from(outcome.is_err());
    }
    times.sort_unstable();
    (times, denied)
}

/// A query on three tables. Everybody may read the ones with a number that 1000 divides, so that a query is not refused
/// at its first table.
fn three_tables(round: usize, first: &Grant) -> Parsed {
    let open = |number: usize| number * 1000 % TABLES;
    let (second, third) = (open(round), open(round + 1));
    let sql = format!("SELECT 1 FROM {}, db{}.t{second}, db{}.t{third}", first.on, second % 100, third % 100);
    Parsed::parse(&sql, None).unwrap()
}

/// The median time in which a node takes up one grant.
fn change(governance: &Governance, grants: usize) -> Duration {
    let mut times = (0..101)
        .map(|round| {
            let grant = Grant { id: format!("new-{round}"), ..grant(round * 37 % grants, grants) };
            let changes = [Change::CreateGrant(grant)];
            let started = Instant::now();
            let after = governance.after(2, &changes);
            let took = started.elapsed();
            drop(after);
            took
        })
        .collect::<Vec<_>>();
    times.sort_unstable();
    times[50]
}
