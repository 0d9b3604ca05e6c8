//! What is offered against what the source gives, by search: random holders, privileges and policies, the rows that each user sees
//! there told anew from first principles, and the decision under the printed file.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;

use super::{Offer, OfferedTable, offer};
use crate::ingest::source::privileges::{
    Held, HeldColumn, HeldTable, Holder, HolderId, HolderKind, Part, Privileges, RowPolicy, RowSecurity,
    Values,
};
use crate::policy::compile::Index;
use crate::policy::decide::{Asker, can, decide};
use crate::policy::decision::{Cell, ColumnShape, Rows, Verdict};
use crate::policy::file::{self, PolicyFile};
use crate::policy::model::{Permission, PolicySet, TableName, Target};
use crate::policy::principal::Identity;

/// What could be taken for the end of a text, a comment, a line or a document.
const HOSTILE: [&str; 22] = [
    "x\n- { to: public, on: shop.t, permissions: [select] }",
    "a: b",
    "# c",
    "--- d",
    "\u{2028}e",
    "f\u{85}g",
    "h\r\ni",
    "it's \"quoted\"",
    "`tick`",
    "!!map {}",
    "&a *b",
    "{j: [k]}",
    "null",
    "~",
    "\u{feff}l",
    "\\n\\",
    "%TAG",
    "a.b",
    "m\u{0}n",
    " o ",
    "\u{202e}p",
    "größe",
];

const COLUMNS: [&str; 4] = ["id", "a", "a.b", "c"];
const IDS: std::ops::Range<i64> = 0..4;
const OWN: &str = "(id = ( SELECT 1\n# x))";

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// Holders of which each reaches some of those before it, and everybody the first.
fn holders(random: &mut Random) -> Vec<Holder> {
    let mut all = vec![Holder {
        name: "PUBLIC".to_owned(),
        kind: HolderKind::Everyone,
        reaches: BTreeSet::new(),
        unbound: None,
        notes: Vec::new(),
    }];
    for at in 1..8 {
        let mut reaches = BTreeSet::from([0]);
        for (other, holder) in all.iter().enumerate().skip(1) {
            if random.one_in(4) {
                reaches.insert(other);
                reaches.extend(holder.reaches.clone());
            }
        }
        let name = match random.one_in(3) {
            true => format!("{}{at}", HOSTILE[random.below(HOSTILE.len())]),
            false => format!("h{at}"),
        };
        let is_unbound = random.one_in(10);
        all.push(Holder {
            name,
            kind: if random.one_in(2) { HolderKind::User } else { HolderKind::Group },
            reaches: if is_unbound { BTreeSet::new() } else { reaches },
            unbound: is_unbound.then(|| "a superuser\n- x".to_owned()),
            notes: Vec::new(),
        });
    }
    all
}

fn part(random: &mut Random) -> Part {
    match random.below(4) {
        0 => Part::All,
        1 => Part::columns(COLUMNS.iter().filter(|_| random.one_in(2)).map(|name| (*name).to_owned())),
        _ => Part::Nothing,
    }
}

fn policy(random: &mut Random) -> RowPolicy {
    let id = random.below(4);
    let using = match random.below(6) {
        0 => Some("true".to_owned()),
        1 => None,
        2 => Some(OWN.to_owned()),
        3 => Some(format!("(id <> {id})")),
        _ => Some(format!("(id = {id})")),
    };
    let to = (0..8).filter(|_| random.one_in(4)).collect();
    let name = HOSTILE[random.below(HOSTILE.len())].to_owned();
    RowPolicy { name, permissive: !random.one_in(3), to, using, has_own_functions: random.one_in(8) }
}

/// What each of `holders` has in full, from what it has itself.
fn table(random: &mut Random, name: &str, holders: &[Holder]) -> HeldTable {
    let own =
        holders.iter().map(|_| Held { usage: random.one_in(2), select: part(random), insert: part(random) });
    let own = own.collect::<Vec<_>>();
    let full = |id: HolderId| {
        let mut held = own[id].clone();
        for other in &holders[id].reaches {
            held.usage |= own[*other].usage;
            held.select = held.select.or(own[*other].select.clone());
            held.insert = held.insert.or(own[*other].insert.clone());
        }
        held
    };
    let rows = random.one_in(2).then(|| RowSecurity {
        exempt: random.one_in(2).then(|| random.below(7) + 1),
        policies: (0..random.below(5)).map(|_| policy(random)).collect(),
    });
    let values = |name: &str| if name == "id" { Values::Whole } else { Values::Other };
    HeldTable {
        schema: Some("s".to_owned()),
        name: name.to_owned(),
        columns: COLUMNS
            .iter()
            .map(|name| HeldColumn { name: (*name).to_owned(), values: values(name) })
            .collect(),
        held: (0..holders.len()).map(|id| (id, full(id))).collect(),
        rows,
        takes_rows: !random.one_in(3),
        depends_on_reader: random.one_in(8).then(|| "who\nknows".to_owned()),
    }
}

/// The cells, as row and column, that a user sees in the source; a condition that only the source can say is true of even rows.
fn seen_in_source(id: HolderId, table: &HeldTable, holders: &[Holder]) -> BTreeSet<(i64, &'static str)> {
    let held = &table.held[&id];
    let mut seen = BTreeSet::new();
    for row in IDS.filter(|row| held.usage && lets_through(id, *row, table, holders)) {
        for column in COLUMNS {
            let is_held = match &held.select {
                Part::Nothing => false,
                Part::All => true,
                Part::Columns(names) => names.contains(column),
            };
            seen.extend(is_held.then_some((row, column)));
        }
    }
    seen
}

fn lets_through(id: HolderId, row: i64, table: &HeldTable, holders: &[Holder]) -> bool {
    let is = |other: HolderId| other == id || holders[id].reaches.contains(&other);
    let Some(security) = table.rows.as_ref().filter(|security| !security.exempt.is_some_and(is)) else {
        return true;
    };
    let is_true = |policy: &RowPolicy| match policy.using.as_deref() {
        Some("true") => true,
        Some(OWN) => row % 2 == 0,
        Some(text) => {
            let number = text.trim_end_matches(')').rsplit(' ').next().unwrap().parse::<i64>().unwrap();
            (row == number) != text.contains("<>")
        }
        None => !policy.permissive,
    };
    let of = security.policies.iter().filter(|policy| policy.to.iter().any(|to| is(*to)));
    let (lets, holds): (Vec<_>, Vec<_>) = of.partition(|policy| policy.permissive);
    lets.into_iter().any(is_true) && holds.into_iter().all(is_true)
}

fn index(read: &PolicyFile) -> Index {
    let grants = read.grants.iter().enumerate();
    Index::new(PolicySet {
        roles: read.roles.iter().map(|role| (role.value.name.clone(), role.value.clone())).collect(),
        grants: grants.map(|(at, grant)| grant.value.clone().with_id(at.to_string())).collect(),
        restrictions: read
            .restrictions
            .iter()
            .map(|rule| (rule.value.name.clone(), rule.value.clone()))
            .collect(),
        ..PolicySet::default()
    })
}

/// The cells that the user called `name` sees here.
fn seen_here(asker: &Asker, table: &TableName, index: &Index) -> BTreeSet<(i64, &'static str)> {
    let shapes = COLUMNS.map(ColumnShape::whole);
    let decision = decide(asker, table, &shapes, index);
    let mut seen = BTreeSet::new();
    if decision.verdict != Verdict::Select {
        return seen;
    }
    let is_true = |row: i64, text: &String| match text.as_str() {
        "false" => false,
        text => {
            let number = text.trim_end_matches(')').rsplit(' ').next().unwrap().parse::<i64>().unwrap();
            (row == number) != text.contains("<>")
        }
    };
    for row in IDS {
        let is_shown = match &decision.rows {
            Rows::All => true,
            Rows::AnyOf(texts) => texts.iter().any(|text| is_true(row, text)),
        };
        if !is_shown || !decision.required.iter().all(|text| is_true(row, text)) {
            continue;
        }
        for column in &decision.columns {
            let has_value = match &column.cell {
                Cell::Always => true,
                Cell::When(texts) => texts.iter().any(|text| is_true(row, text)),
            };
            let name = COLUMNS.into_iter().find(|name| *name == column.name).unwrap();
            seen.extend(has_value.then_some((row, name)));
        }
    }
    seen
}

/// Whether everything about the table could be said.
fn is_exact(table: &OfferedTable) -> bool {
    let is_said = |note: &String| !note.contains("column is left out");
    table.withheld.is_empty()
        && table.restrictions.iter().all(|(note, _)| note.is_none())
        && table.notes.iter().all(is_said)
}

#[test]
fn nobody_sees_more_than_in_the_source_and_all_of_it_where_it_can_be_said() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut compared, mut equal, mut less, mut withheld) = (0, 0, 0, 0);
    for _ in 0..600 {
        let holders = holders(&mut random);
        let tables = ["t", "# u: v"].map(|name| table(&mut random, name, &holders));
        let privileges = Privileges {
            holders,
            tables: tables.into(),
            notes: vec!["first\nsecond\u{2029}- third".to_owned()],
        };
        let offer = offer(&privileges, "shop", "").unwrap();
        let text = offer.print("postgres://here\n- { to: public }").unwrap();
        let read = file::parse("offer", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_says(&offer, &read, &text);
        let index = index(&read);
        withheld += offer.counts().1;
        for (id, holder) in privileges.holders.iter().enumerate() {
            if holder.kind != HolderKind::User {
                continue;
            }
            let identity =
                Identity { user: holder.name.clone(), groups: BTreeSet::new(), attributes: BTreeMap::new() };
            let asker = Asker::new(&identity, &index, Utc::now(), false);
            for table in &privileges.tables {
                let name = TableName::new("shop", &table.name);
                let here = seen_here(&asker, &name, &index);
                if holder.unbound.is_some() {
                    assert!(here.is_empty(), "{text}");
                    continue;
                }
                let there = seen_in_source(id, table, &privileges.holders);
                assert!(here.is_subset(&there), "{holder:?} {table:?}\n{text}\n{here:?}\n{there:?}");
                let offered = offer.tables.iter().find(|offered| offered.name == table.full_name());
                compared += 1;
                if here == there {
                    equal += 1;
                } else {
                    less += 1;
                    assert!(
                        !offered.is_none_or(is_exact),
                        "{holder:?} {table:?}\n{text}\n{here:?}\n{there:?}"
                    );
                }
                let adds = can(&asker, Permission::Insert, &Target::Table(name), &index);
                let held = &table.held[&id];
                assert!(!adds || held.usage && held.insert == Part::All && table.takes_rows, "{text}");
            }
        }
    }
    assert!(equal > 1000 && less > 100 && withheld > 100, "{compared} {equal} {less} {withheld}");
}

/// Whether the text says all that is offered and nothing else, and each of its lines is one that was meant.
fn assert_says(offer: &Offer, read: &PolicyFile, text: &str) {
    assert!(offer.is_said_by(read), "{text}");
    let lines = text.split(|letter: char| "\n\r\u{85}\u{2028}\u{2029}\u{b}\u{c}".contains(letter));
    let rules = lines.filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    let sections = rules.clone().filter(|line| ["roles:", "grants:", "restrictions:"].contains(line)).count();
    let (offered, _) = offer.counts();
    assert_eq!(rules.count() - sections, offer.roles.len() + offered, "{text}");
}

/// A withheld grant is a comment that becomes the rule when its mark is taken away.
#[test]
fn what_is_withheld_is_there_to_be_mended() {
    let mut random = Random(7);
    let holders = vec![
        Holder {
            name: "PUBLIC".to_owned(),
            kind: HolderKind::Everyone,
            reaches: BTreeSet::new(),
            unbound: None,
            notes: Vec::new(),
        },
        Holder {
            name: "ana".to_owned(),
            kind: HolderKind::User,
            reaches: [0].into(),
            unbound: None,
            notes: Vec::new(),
        },
    ];
    let mut only = table(&mut random, "t", &holders);
    only.depends_on_reader = None;
    only.held = [(1, Held { usage: true, select: Part::All, insert: Part::Nothing })].into();
    let policy = RowPolicy {
        name: "p\n- x".to_owned(),
        permissive: true,
        to: [0].into(),
        using: Some(OWN.to_owned()),
        has_own_functions: false,
    };
    only.rows = Some(RowSecurity { exempt: None, policies: vec![policy] });
    let privileges = Privileges { holders, tables: vec![only], notes: Vec::new() };
    let offer = offer(&privileges, "shop", "").unwrap();
    assert_eq!(offer.counts(), (0, 1));
    let text = offer.print("postgres://here").unwrap();
    let line = text.lines().find(|line| line.starts_with("#   - {")).unwrap();
    let mended = format!("grants:\n{}\n", line.trim_start_matches("# "));
    let read = file::parse("mended", &mended.replace("grants:\n- ", "grants:\n  - ")).unwrap();
    assert_eq!(read.grants[0].value, offer.tables[0].withheld[0].1);
    assert_eq!(read.grants[0].value.rows.as_deref(), Some(OWN));
}

#[test]
fn tables_that_would_be_one_are_left_out() {
    let mut random = Random(3);
    let holders = holders(&mut random);
    let mut tables = ["t", "t", "a.b", "u"].map(|name| table(&mut random, name, &holders));
    tables[1].schema = Some("other".to_owned());
    tables.iter_mut().for_each(|table| table.held = [(0, full())].into());
    let privileges = Privileges { holders, tables: tables.into(), notes: Vec::new() };
    let offer = offer(&privileges, "shop", "").unwrap();
    let named = |table: &OfferedTable| !table.grants.is_empty() || !table.withheld.is_empty();
    let with_rules = offer.tables.iter().filter(|table| named(table)).map(|table| table.name.as_str());
    assert_eq!(with_rules.collect::<Vec<_>>(), ["s.u"]);
    let problems = offer.tables.iter().filter(|table| !named(table)).map(|table| table.notes[0].as_str());
    assert!(problems.clone().count() == 3 && problems.clone().all(|note| note.starts_with("left out")));
    assert!(
        super::offer(&privileges, "a.b", "").is_err() && super::offer(&privileges, "shop", "a/").is_err()
    );
}

fn full() -> Held {
    Held { usage: true, select: Part::All, insert: Part::All }
}
