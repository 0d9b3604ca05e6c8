//! Runs the decision cases: every file of `tests/decisions` is a policy with questions and the answers that the
//! contract gives, every file of `tests/decisions/files` a policy file with the mistake that must be told.
//!
//! A new case is a few lines of data. This file knows how to ask and how an answer is written, nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use lakegate::policy::compile::{Index, check_cycles};
use lakegate::policy::decide::{Asker, can, decide, decide_database};
use lakegate::policy::decision::{AppliedMask, Cell, ColumnDecision, ColumnShape, Decision, Rows, Verdict};
use lakegate::policy::file::{PolicyFile, merge, parse};
use lakegate::policy::grant::GrantSpec;
use lakegate::policy::model::{Columns, Grant, Permission, PolicySet, Role, TableName, Target};
use lakegate::policy::principal::{Identity, Principal};
use lakegate::policy::restriction::Mask;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// The policy as a policy file; its grants get the ids 1, 2, 3 … in the order of the file.
    policy: String,
    table: TableName,
    columns: Vec<String>,
    /// Those of them that the table got later and that nobody has released.
    #[serde(default)]
    unreleased: BTreeSet<String>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    r#as: Who,
    /// A table other than the file's.
    table: Option<TableName>,
    /// Columns other than the file's.
    columns: Option<Vec<String>>,
    /// `principals`, `database NAME` or `PERMISSION on TARGET` instead of the decision over the table.
    ask: Option<String>,
    expect: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    user: String,
    #[serde(default)]
    groups: BTreeSet<String>,
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    administrator: bool,
}

#[test]
fn decisions_are_as_the_cases_say() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in files_in("tests/decisions") {
        let name = file_name(&path);
        let cases: Cases = serde_saphyr::from_str(&read(&path)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let file = parse(&name, &cases.policy).unwrap_or_else(|e| panic!("{name}: {e}"));
        let unreleased = BTreeMap::from([(cases.table.clone(), cases.unreleased.clone())]);
        let index = Index::new(PolicySet { unreleased, ..policy_set(&file) });
        for case in &cases.cases {
            let answer = answer(&cases, case, &index);
            count += 1;
            if answer != case.expect {
                wrong.push(format!("{name}: {}\n  expected {}\n  got      {answer}", case.name, case.expect));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 60, "only {count} cases were found");
}

#[test]
fn mistakes_in_files_are_told_with_place_and_field() {
    let mut wrong = Vec::new();
    let paths = files_in("tests/decisions/files");
    assert!(paths.len() >= 25, "only {} files were found", paths.len());
    for path in paths {
        let (name, text) = (file_name(&path), read(&path));
        // The first line is `# expected error`; it counts as a line of the file.
        let expected = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
        // What follows `# next file` stands for a further file of the same run.
        let parsed: Result<Vec<PolicyFile>, _> =
            text.split("# next file\n").map(|part| parse(&name, part)).collect();
        let got = match parsed.and_then(merge) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        };
        if got != expected {
            wrong.push(format!("{name}\n  expected {expected}\n  got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cycle_of_roles_is_named() {
    let role = |name: &str, member: &str| {
        let members = BTreeSet::from([Principal::Role(member.to_owned())]);
        (name.to_owned(), Role { name: name.to_owned(), members })
    };
    let roles = BTreeMap::from([role("x", "a"), role("a", "b"), role("b", "c"), role("c", "a")]);
    assert_eq!(check_cycles(&roles).unwrap_err(), ["a", "b", "c", "a"]);
    assert_eq!(check_cycles(&BTreeMap::from([role("a", "a")])).unwrap_err(), ["a", "a"]);
    let diamond = BTreeMap::from([role("x", "a"), role("y", "a"), role("a", "b"), role("b", "nobody")]);
    assert_eq!(check_cycles(&diamond), Ok(()));
    // Nesting as deep as this must not end the process.
    let chain = (0..20_000).map(|i| role(&format!("r{i:05}"), &format!("r{:05}", i + 1)));
    assert_eq!(check_cycles(&chain.collect()), Ok(()));
}

#[test]
fn a_fingerprint_tells_what_is_seen_and_not_who_said_so() {
    let columns = ["a".to_owned(), "b".to_owned()];
    let of = |policy: &str, ids: usize| {
        let file = parse("p.yaml", policy).unwrap();
        let mut set = policy_set(&file);
        set.grants.iter_mut().for_each(|grant| grant.id = format!("{}-{ids}", grant.id));
        asked(&identity("bo"), &TableName::new("s", "t"), &columns, &Index::new(set), false).fingerprint()
    };
    let one = "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: x = 1 }]";
    let same = "grants: [{ to: public, on: s.*, permissions: [select, insert], rows: ' x = 1 ' }]";
    let other = "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: x = 2 }]";
    let fewer =
        "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: x = 1, columns: { include: [a] } }]";
    assert_eq!(of(one, 1), of(one, 2));
    assert_eq!(of(one, 1), of(same, 1));
    assert_ne!(of(one, 1), of(other, 1));
    assert_ne!(of(one, 1), of(fewer, 1));
    assert_ne!(of(one, 1), of("", 1));
}

#[test]
fn a_further_grant_never_takes_away() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let columns: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let (asker, table) = (identity("bo"), TableName::new("s", "t"));
    let (mut narrowed_rows, mut nulled) = (0, 0);
    for round in 0..4000 {
        let mut grants: Vec<Grant> = (0..random.below(5)).map(|id| random_grant(&mut random, id)).collect();
        let before = asked(&asker, &table, &columns, &index_of(&grants), false);
        grants.push(random_grant(&mut random, 99));
        let after = asked(&asker, &table, &columns, &index_of(&grants), false);
        narrowed_rows += usize::from(matches!(after.rows, Rows::AnyOf(_)));
        nulled += usize::from(after.notice_flags().cells_nulled);
        // A row makes some of the expressions true: all sixteen ways of that are tried.
        for held in 0..16_u32 {
            let row =
                |text: &str| EXPRESSIONS.iter().position(|e| *e == text).is_some_and(|i| held >> i & 1 == 1);
            let (seen, now) = (cells_seen(&before, row), cells_seen(&after, row));
            assert!(seen.is_subset(&now), "round {round}: {seen:?} became {now:?} by {:?}", grants.last());
            // And the decision says cell by cell what the grants say one by one.
            assert_eq!(now, cells_by_definition(&grants, &columns, row), "round {round}: {grants:?}");
        }
    }
    assert!(narrowed_rows > 500 && nulled > 500, "the rounds hardly try anything: {narrowed_rows}, {nulled}");
}

#[test]
fn the_demo_shows_three_people_three_things() {
    let text = read(&root().join("policies/demo.yaml"));
    let file = parse("demo.yaml", &text).unwrap();
    merge([file.clone()]).unwrap();
    let index = Index::new(policy_set(&file));
    let columns: Vec<String> =
        "c_custkey c_name c_address c_nationkey c_phone c_acctbal c_mktsegment c_comment"
            .split(' ')
            .map(str::to_owned)
            .collect();
    let see = |user: &str, administrator: bool, table: &str| {
        let asker = identity(user);
        show(&asked(&asker, &TableName::new("tpch", table), &columns, &index, administrator))
    };
    let all = columns.join(", ");
    assert_eq!(see("ana", false, "customer"), format!("select {all}; by 1"));
    let own = " when [c_mktsegment = 'BUILDING']";
    let bo = format!(
        "select c_custkey, c_name, c_address{own}, c_nationkey, c_phone{own}, c_acctbal{own}, c_mktsegment, c_comment; by 2 3"
    );
    assert_eq!(see("bo", false, "customer"), bo);
    let orders = format!("select {all}; rows [o_orderpriority IN ('1-URGENT', '2-HIGH')]; by 4");
    assert_eq!(see("bo", false, "orders"), orders);
    assert_eq!(see("eve", false, "customer"), "select c_custkey, c_name, c_mktsegment; hidden; by 7");
    assert_eq!(see("eve", false, "orders"), "not found");
    assert_eq!(see("admin", true, "customer"), format!("describe {all}"));
}

fn answer(cases: &Cases, case: &Case, index: &Index) -> String {
    let asker = Identity {
        user: case.r#as.user.clone(),
        groups: case.r#as.groups.clone(),
        attributes: case.r#as.attributes.clone(),
    };
    let administrator = case.r#as.administrator;
    let yes = |answer: bool| if answer { "yes" } else { "no" }.to_owned();
    let Some(ask) = &case.ask else {
        let (table, columns) =
            (case.table.as_ref().unwrap_or(&cases.table), case.columns.as_ref().unwrap_or(&cases.columns));
        return show(&asked(&asker, table, columns, index, administrator));
    };
    if ask == "principals" {
        return list(index.principals_of(&asker));
    }
    if let Some(database) = ask.strip_prefix("database ") {
        return yes(decide_database(&asker_at(&asker, index, administrator), database, index));
    }
    let (permission, target) = ask.split_once(" on ").expect("`PERMISSION on TARGET`");
    let (permission, target): (Permission, Target) = (permission.parse().unwrap(), target.parse().unwrap());
    yes(can(&asker_at(&asker, index, administrator), permission, &target, index))
}

/// A decision as the cases write it.
fn show(decision: &Decision) -> String {
    let by = match decision.grants.is_empty() {
        true => String::new(),
        false => format!("; by {}", decision.grants.join(" ")),
    };
    match decision.verdict {
        Verdict::NotFound => {
            assert!(decision.columns.is_empty() && decision.describe.is_empty() && by.is_empty());
            return "not found".to_owned();
        }
        Verdict::DescribeOnly => {
            assert!(decision.columns.is_empty());
            return format!("describe {}{by}", list(decision.describe.iter().map(show_shape)));
        }
        Verdict::Unfit => {
            assert!(decision.columns.is_empty());
            let described = match decision.describe.as_slice() {
                [] => String::new(),
                shapes => format!("; describes {}", list(shapes.iter().map(show_shape))),
            };
            return format!("unfit by {}{described}{by}", decision.restrictions.join(" "));
        }
        Verdict::Select => {}
    }
    let mut text = format!("select {}", list(decision.columns.iter().map(show_column)));
    if let Rows::AnyOf(rows) = &decision.rows {
        text += &format!("; rows [{}]", rows.join(" | "));
    }
    if !decision.required.is_empty() {
        text += &format!("; required [{}]", decision.required.join(" & "));
    }
    if decision.columns_hidden {
        text += "; hidden";
    }
    let visible = decision.columns.iter().map(shape_of).map(|shape| show_shape(&shape)).collect::<Vec<_>>();
    let described = decision.describe.iter().map(show_shape).collect::<Vec<_>>();
    if visible != described {
        text += &format!("; describes {}", list(described));
    }
    if !decision.restrictions.is_empty() {
        text += &format!("; restricted by {}", decision.restrictions.join(" "));
    }
    let flags = decision.notice_flags();
    assert_eq!(flags.rows_filtered, text.contains("; rows [") || text.contains("; required ["));
    assert_eq!(!flags.masked.is_empty(), text.contains(" masked "));
    assert_eq!(flags.cells_nulled, text.contains(" when ["));
    assert_eq!(flags.columns_hidden, text.contains("; hidden"));
    text + &by
}

fn show_column(column: &ColumnDecision) -> String {
    let mut text = column.name.clone();
    if !column.fields.is_empty() {
        text += &format!("({})", list(column.fields.iter().map(show_column)));
    }
    match &column.mask {
        Some(AppliedMask { mask: Mask::Using(expression), .. }) => {
            text += &format!(" masked using {expression}")
        }
        Some(AppliedMask { mask, .. }) => text += &format!(" masked {}", mask.name()),
        None => {}
    }
    match &column.cell {
        Cell::Always => text,
        Cell::When(when) => format!("{text} when [{}]", when.join(" | ")),
    }
}

fn show_shape(shape: &ColumnShape) -> String {
    match shape.fields.as_slice() {
        [] => shape.name.clone(),
        fields => format!("{}({})", shape.name, list(fields.iter().map(show_shape))),
    }
}

fn shape_of(column: &ColumnDecision) -> ColumnShape {
    ColumnShape { name: column.name.clone(), fields: column.fields.iter().map(shape_of).collect() }
}

/// Columns by their paths: `address.city` is the field of a struct.
fn shapes(paths: &[String]) -> Vec<ColumnShape> {
    let mut shapes: Vec<ColumnShape> = Vec::new();
    for path in paths {
        let mut level = &mut shapes;
        for name in path.split('.') {
            let at = level.iter().position(|shape| shape.name == name).unwrap_or_else(|| {
                level.push(ColumnShape::whole(name));
                level.len() - 1
            });
            level = &mut level[at].fields;
        }
    }
    shapes
}

/// When the cases ask.
fn noon() -> DateTime<Utc> {
    "2026-06-15T12:00:00Z".parse().unwrap()
}

fn asker_at(identity: &Identity, index: &Index, administrator: bool) -> Asker {
    Asker::new(identity, index, noon(), administrator)
}

fn asked(
    identity: &Identity,
    table: &TableName,
    columns: &[String],
    index: &Index,
    administrator: bool,
) -> Decision {
    decide(&asker_at(identity, index, administrator), table, &shapes(columns), index)
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

pub fn policy_set(file: &PolicyFile) -> PolicySet {
    let grants = file.grants.iter().enumerate();
    PolicySet {
        roles: file.roles.iter().map(|role| (role.value.name.clone(), role.value.clone())).collect(),
        grants: grants.map(|(i, grant)| grant.value.clone().with_id(format!("{}", i + 1))).collect(),
        filters: file
            .filters
            .iter()
            .map(|filter| (filter.value.name.clone(), filter.value.clone()))
            .collect(),
        restrictions: file
            .restrictions
            .iter()
            .map(|rule| (rule.value.name.clone(), rule.value.clone()))
            .collect(),
        tags: file.tags.iter().map(|tag| (tag.value.key.clone(), tag.value.clone())).collect(),
        tagged: file.tagged.iter().map(|it| (it.value.object.clone(), it.value.tags.clone())).collect(),
        unreleased: BTreeMap::new(),
    }
}

fn index_of(grants: &[Grant]) -> Index {
    Index::new(PolicySet { grants: grants.to_vec(), ..PolicySet::default() })
}

fn identity(user: &str) -> Identity {
    Identity { user: user.to_owned(), groups: BTreeSet::new(), attributes: BTreeMap::new() }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

const EXPRESSIONS: [&str; 4] = ["x = 1", "x = 2", "y = 1", "y = 2"];

/// The columns whose value is seen of a row for which `row` tells which expressions are true, and `*` for the row.
fn cells_seen(decision: &Decision, row: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let holds = |texts: &[String]| texts.iter().any(|text| row(text));
    let visible = decision.verdict == Verdict::Select
        && match &decision.rows {
            Rows::All => true,
            Rows::AnyOf(texts) => holds(texts),
        };
    if !visible {
        return BTreeSet::new();
    }
    let cells = decision.columns.iter().filter(|column| match &column.cell {
        Cell::Always => true,
        Cell::When(texts) => holds(texts),
    });
    cells.map(|column| column.name.clone()).chain(["*".to_owned()]).collect()
}

/// The same by the words of the contract, a grant at a time and without any of the decision's shortcuts.
fn cells_by_definition(grants: &[Grant], columns: &[String], row: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for grant in grants.iter().filter(|grant| grant.rows.as_deref().is_none_or(&row)) {
        let names = |name: &&String| match &grant.columns {
            Columns::All => true,
            Columns::Include(names) => names.contains(*name),
            Columns::Exclude(names) => !names.contains(*name),
        };
        seen.extend(columns.iter().filter(names).cloned());
    }
    if !seen.is_empty() {
        seen.insert("*".to_owned());
    }
    seen
}

/// A grant to `bo` on `s.t` or `s.*` over some of the columns a to e, of which e does not exist.
fn random_grant(random: &mut Random, id: u64) -> Grant {
    let mut names = BTreeSet::new();
    for name in ["a", "b", "c", "d", "e"] {
        if random.below(2) == 0 {
            names.insert(name.to_owned());
        }
    }
    let rows = EXPRESSIONS.get(random.below(6) as usize).map(|text| (*text).to_owned());
    let to = if random.below(2) == 0 { Principal::Public } else { Principal::User("bo".to_owned()) };
    let on = if random.below(2) == 0 { "s.t" } else { "s.*" }.parse().unwrap();
    let columns = match random.below(4) {
        0 => Columns::All,
        1 => Columns::Exclude(names),
        _ => Columns::Include(names),
    };
    GrantSpec { columns, rows, ..GrantSpec::new(to, on, BTreeSet::from([Permission::Select])) }
        .with_id(id.to_string())
}

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}
