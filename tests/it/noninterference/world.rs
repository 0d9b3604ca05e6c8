//! A world: tables, a policy and one reader; and its twin, in which only what the reader cannot see is different.
//!
//! What a reader sees of a row is worked out here a second time, from the contract and not from the gateway's code. A
//! twin is right when every visible row looks the same in it, in the same order.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};

use super::data::{Column, Flavor, Kind, Row, Value, draw};
use super::random::Random;
use super::rules::{Masking, Rule, masking};

/// How the files of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Parquet,
    Delta,
    Csv,
}

/// Which columns a grant covers.
#[derive(Debug, Clone)]
pub enum Coverage {
    All,
    Include(BTreeSet<String>),
    Exclude(BTreeSet<String>),
}

/// How a grant is written: its columns and rows inline, as a named filter, or as tags of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Inline,
    Filter,
    Tags,
}

#[derive(Debug, Clone)]
pub struct GrantRule {
    pub coverage: Coverage,
    pub rows: Option<Rule>,
    pub form: Form,
}

/// What is ruled about one table.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub grants: Vec<GrantRule>,
    pub required: Vec<Rule>,
    /// Paths.
    pub hidden: BTreeSet<String>,
    /// By path.
    pub masks: BTreeMap<String, Masking>,
}

/// A table with its rules and rows.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub rules: Rules,
    pub rows: Vec<Row>,
    pub layout: Layout,
    pub files: usize,
    pub group_rows: usize,
}

/// One side of a pair.
#[derive(Debug, Clone)]
pub struct World {
    /// The last one may be described and not read.
    pub tables: Vec<Table>,
    /// A table that nobody was granted; it is in one side only.
    pub ghost: Option<Table>,
    pub pushdown_filters: bool,
    pub batch_size: usize,
    pub target_partitions: usize,
}

impl Coverage {
    fn covers(&self, path: &str) -> bool {
        let named = |names: &BTreeSet<String>| {
            names.iter().any(|name| path == name || path.starts_with(&format!("{name}.")))
        };
        match self {
            Self::All => true,
            Self::Include(names) => named(names),
            Self::Exclude(names) => !named(names),
        }
    }
}

impl Table {
    fn paths(&self) -> Vec<String> {
        self.columns.iter().flat_map(Column::paths).collect()
    }

    fn is_visible(&self, path: &str) -> bool {
        let is_hidden =
            self.rules.hidden.iter().any(|name| path == name || path.starts_with(&format!("{name}.")));
        !is_hidden && self.rules.grants.iter().any(|grant| grant.coverage.covers(path))
    }

    /// The columns as the reader may name them.
    pub fn visible_columns(&self) -> Vec<Column> {
        let visible = |column: &Column| match &column.kind {
            Kind::Struct(fields) => {
                let kept =
                    fields.iter().filter(|field| self.is_visible(&format!("{}.{}", column.name, field.name)));
                let kept = kept.cloned().collect::<Vec<_>>();
                (!kept.is_empty()).then(|| Column::new(column.name.clone(), Kind::Struct(kept)))
            }
            _ => self.is_visible(&column.name).then(|| column.clone()),
        };
        self.columns.iter().filter_map(visible).collect()
    }

    /// The columns of which nothing is visible.
    pub fn hidden_columns(&self) -> Vec<Column> {
        let hidden = |column: &&Column| column.paths().iter().all(|path| !self.is_visible(path));
        self.columns.iter().filter(hidden).cloned().collect()
    }

    /// What the reader sees of `row`; nothing when it is not visible. It may tell apart more than the gateway shows,
    /// never less.
    pub fn view(&self, row: &Row) -> Option<Vec<Value>> {
        let holds = |rule: &Rule| rule.holds(&self.columns, row) == Some(true);
        let gives = |grant: &&GrantRule| grant.rows.as_ref().is_none_or(holds);
        let shows_something = |grant: &&GrantRule| {
            self.paths().iter().any(|path| self.is_visible(path) && grant.coverage.covers(path))
        };
        let giving = self.rules.grants.iter().filter(gives).collect::<Vec<_>>();
        if !giving.iter().any(shows_something) || !self.rules.required.iter().all(holds) {
            return None;
        }
        let mut seen = Vec::new();
        for (column, value) in self.columns.iter().zip(row) {
            if let Kind::Struct(_) = column.kind {
                seen.push(Value::Bool(
                    column.paths().iter().any(|path| self.is_visible(path)) && *value == Value::Null,
                ));
            }
            for (at, path) in column.paths().iter().enumerate().filter(|(_, path)| self.is_visible(path)) {
                let raw = match (&column.kind, value) {
                    (Kind::Struct(_), Value::Struct(parts)) => parts[at].clone(),
                    (Kind::Struct(_), _) => Value::Null,
                    _ => value.clone(),
                };
                let given = giving.iter().any(|grant| grant.coverage.covers(path));
                seen.push(if given { self.masked(path, raw, row) } else { Value::Null });
            }
        }
        Some(seen)
    }

    fn masked(&self, path: &str, raw: Value, row: &Row) -> Value {
        let Some(mask) = self.rules.masks.get(path) else { return raw };
        let known = |text: &str| Value::Text(text.to_owned());
        match (mask, raw) {
            (Masking::Null, _) | (_, Value::Null) => Value::Null,
            (Masking::Redact | Masking::Constant, _) => known("constant"),
            (Masking::Last4, Value::Text(text)) => Value::Text(starred(&text, |at, length| at + 4 >= length)),
            (Masking::First4, Value::Text(text)) => Value::Text(starred(&text, |at, _| at < 4)),
            (Masking::Left2, Value::Text(text)) => Value::Text(text.chars().take(2).collect()),
            (Masking::Year, Value::Date(day)) => NaiveDate::default()
                .checked_add_signed(chrono::Duration::days(i64::from(day)))
                .map_or(Value::Null, |day| Value::Int(i64::from(day.year()))),
            (Masking::Other(name), _) => {
                row[self.columns.iter().position(|column| column.name == *name).unwrap()].clone()
            }
            (Masking::Hash, raw) => raw,
            (mask, raw) => panic!("{mask:?} of {raw:?}"),
        }
    }

    /// The table for whoever reads a failure: rules and rows, hidden ones marked.
    pub fn told(&self) -> String {
        let names = self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "{} {:?} files {} groups of {}: {names}\n",
            self.name, self.layout, self.files, self.group_rows
        );
        for grant in &self.rules.grants {
            let rows = grant.rows.as_ref().map_or("all".to_owned(), Rule::sql);
            text.push_str(&format!("  grant {:?} {:?} rows {rows}\n", grant.form, grant.coverage));
        }
        for rule in &self.rules.required {
            text.push_str(&format!("  required {}\n", rule.sql()));
        }
        text.push_str(&format!("  hidden {:?} masks {:?}\n", self.rules.hidden, self.rules.masks));
        for row in &self.rows {
            let mark = if self.view(row).is_some() { ' ' } else { '-' };
            text.push_str(&format!("  {mark} {row:?}\n"));
        }
        text
    }

    fn views(&self) -> Vec<Vec<Value>> {
        self.rows.iter().filter_map(|row| self.view(row)).collect()
    }

    fn random_row(&self, hostile: bool, random: &mut Random) -> Row {
        self.columns.iter().map(|column| draw(&column.kind, hostile && random.percent(70), random)).collect()
    }

    fn hidden_row(&self, random: &mut Random) -> Option<Row> {
        (0..12).map(|_| self.random_row(true, random)).find(|row| self.view(row).is_none())
    }

    /// `row` with other values wherever the reader cannot tell.
    fn scrambled(&self, row: &Row, random: &mut Random) -> Row {
        let seen = self.view(row);
        let mut row = row.clone();
        for (at, column) in self.columns.iter().enumerate() {
            for _ in 0..3 {
                let mut other = row.clone();
                let hostile = random.percent(80);
                match (&column.kind, &mut other[at]) {
                    (Kind::Struct(fields), Value::Struct(parts)) => {
                        let field = random.below(fields.len());
                        parts[field] = draw(&fields[field].kind, hostile, random);
                    }
                    (kind, value) => *value = draw(kind, hostile, random),
                }
                if self.view(&other) == seen {
                    row = other;
                    break;
                }
            }
        }
        row
    }
}

fn starred(text: &str, keep: impl Fn(usize, usize) -> bool) -> String {
    let length = text.chars().count();
    text.chars().enumerate().map(|(at, c)| if length > 4 && keep(at, length) { c } else { '*' }).collect()
}

/// A world and its twin.
pub fn pair(random: &mut Random) -> [World; 2] {
    let tables = random.between(2, 3);
    let mut tables = (0..tables).map(|at| table(&format!("t{at}"), random)).collect::<Vec<_>>();
    let mut sealed = table("sealed", random);
    sealed.rules = Rules::default();
    tables.push(sealed);
    let one = World {
        tables,
        ghost: Some(table("ghost", random)),
        pushdown_filters: random.percent(40),
        batch_size: *random.pick(&[8192, 8192, 8192, 16]),
        target_partitions: *random.pick(&[1, 1, 1, 2]),
    };
    let other = World {
        tables: one.tables.iter().map(|table| twin(table, random)).collect(),
        ghost: random.percent(30).then(|| table("ghost", random)),
        ..one.clone()
    };
    [one, other]
}

fn table(name: &str, random: &mut Random) -> Table {
    let layout = *random.pick(&[Layout::Parquet, Layout::Parquet, Layout::Delta, Layout::Csv]);
    let columns = columns(layout, random);
    let mut table = Table {
        name: name.to_owned(),
        rules: Rules::default(),
        rows: Vec::new(),
        layout,
        files: random.between(1, 3),
        group_rows: random.between(3, 12),
        columns,
    };
    table.rules = rules(&table, random);
    // A table of which nothing is visible would only be not found.
    while table.visible_columns().is_empty() {
        table.rules = rules(&table, random);
    }
    for _ in 0..random.between(10, 60) {
        let row = table.random_row(false, random);
        let row = match table.view(&row) {
            Some(_) if random.percent(65) => table.scrambled(&row, random),
            Some(_) if random.percent(20) => table.random_row(true, random),
            _ => table.hidden_row(random).unwrap_or(row),
        };
        table.rows.push(row);
    }
    table
}

fn columns(layout: Layout, random: &mut Random) -> Vec<Column> {
    let kinds = [
        Kind::Int,
        Kind::Int,
        Kind::Float,
        Kind::Text(Flavor::Number),
        Kind::Text(Flavor::Day),
        Kind::Text(Flavor::Word),
        Kind::Text(Flavor::Pattern),
        Kind::Date,
        Kind::Bool,
        Kind::Decimal,
    ];
    let letters = |kind: &Kind| match kind {
        Kind::Int => "i",
        Kind::Float => "f",
        Kind::Text(_) => "s",
        Kind::Date => "d",
        Kind::Bool => "b",
        Kind::Decimal => "n",
        Kind::Struct(_) => "st",
    };
    // Days that no CSV can write are among the hostile ones.
    let kinds =
        kinds.into_iter().filter(|kind| layout != Layout::Csv || *kind != Kind::Date).collect::<Vec<_>>();
    let count = random.between(4, 7);
    let mut columns = vec![Column::new("i0", Kind::Int)];
    for at in 1..=count {
        let kind = random.pick(&kinds).clone();
        columns.push(Column::new(format!("{}{at}", letters(&kind)), kind));
    }
    if layout != Layout::Csv && random.percent(50) {
        let inner = vec![
            Column::new("city", Kind::Text(Flavor::Word)),
            Column::new("zip", Kind::Int),
            Column::new("code", Kind::Text(Flavor::Number)),
        ];
        columns.push(Column::new("st", Kind::Struct(inner)));
    }
    columns
}

fn rules(table: &Table, random: &mut Random) -> Rules {
    let paths = table.paths();
    let mut rules = Rules::default();
    let grants = *random.pick(&[1, 1, 2, 3]);
    for _ in 0..grants {
        let owned = |names: Vec<&String>| names.into_iter().cloned().collect::<BTreeSet<_>>();
        let coverage = match random.below(3) {
            0 => Coverage::All,
            1 => Coverage::Include(owned(random.some(&paths, 75))),
            _ => Coverage::Exclude(owned(random.some(&paths, 20))),
        };
        let coverage = match coverage {
            Coverage::Include(names) | Coverage::Exclude(names) if names.is_empty() => Coverage::All,
            other => other,
        };
        let rows = random.percent(75).then(|| Rule::draw(&table.columns, 2, random));
        let form = match (&coverage, &rows) {
            (Coverage::Exclude(_), _) if random.percent(25) => Form::Tags,
            (Coverage::All, None) => Form::Inline,
            _ if random.percent(20) => Form::Filter,
            _ => Form::Inline,
        };
        rules.grants.push(GrantRule { coverage, rows, form });
    }
    // Tags are of the table and not of a grant: one grant by tags a table.
    let mut by_tags = rules.grants.iter_mut().filter(|grant| grant.form == Form::Tags).skip(1);
    by_tags.by_ref().for_each(|grant| grant.form = Form::Inline);
    if random.percent(35) {
        rules.required.push(Rule::draw(&table.columns, 1, random));
    }
    if random.percent(30) {
        rules.hidden.extend(random.some(&paths, 20).into_iter().cloned());
    }
    if random.percent(50) {
        for column in table.columns.iter().filter(|column| !matches!(column.kind, Kind::Struct(_))) {
            if random.percent(25) {
                rules.masks.insert(column.name.clone(), masking(column, &table.columns, random));
            }
        }
        if let Some(path) = paths.iter().find(|path| path.ends_with(".zip")) {
            rules.masks.insert(path.clone(), random.pick(&[Masking::Null, Masking::Redact]).clone());
        }
    }
    rules
}

/// `table` with everything different that its reader cannot see: hidden rows, columns, cells and masked values, the
/// names of hidden columns, and the rules as far as they say the same.
fn twin(table: &Table, random: &mut Random) -> Table {
    let mut twin = table.clone();
    let hidden_rows = *random.pick(&[0, 1, 1, 2, 20]);
    let mut rows = Vec::new();
    for row in &table.rows {
        match table.view(row) {
            Some(_) => rows.push(table.scrambled(row, random)),
            None if random.percent(40) => rows.push(row.clone()),
            None => {}
        }
        for _ in 0..random.below(hidden_rows + 1) {
            rows.extend(table.hidden_row(random));
        }
    }
    twin.rows = rows;
    twin.files = table.files;
    rename_hidden(&mut twin, table, random);
    if !table.hidden_columns().is_empty() && random.percent(50) {
        twin.rules.hidden.insert("extra".to_owned());
        twin.columns.push(Column::new("extra", Kind::Text(Flavor::Word)));
        for row in &mut twin.rows {
            row.push(draw(&Kind::Text(Flavor::Word), true, random));
        }
        // That a row rule applies is told by the notice, so there is one more only where there is one already.
        if filters(table) {
            twin.rules.required.push(Rule::Or(
                Box::new(Rule::IsNull("extra".to_owned())),
                Box::new(Rule::Compare("extra".to_owned(), "<>", Value::Text("never".to_owned()))),
            ));
        }
    }
    assert_eq!(twin_views(table), twin_views(&twin), "the twin of {} looks different", table.name);
    twin
}

/// Whether the notice says that rows are filtered.
fn filters(table: &Table) -> bool {
    let shows = |grant: &&GrantRule| {
        table.paths().iter().any(|path| table.is_visible(path) && grant.coverage.covers(path))
    };
    !table.rules.required.is_empty()
        || table.rules.grants.iter().filter(shows).all(|grant| grant.rows.is_some())
}

fn twin_views(table: &Table) -> Vec<Vec<Value>> {
    if table.rules.grants.is_empty() { Vec::new() } else { table.views() }
}

fn rename_hidden(twin: &mut Table, table: &Table, random: &mut Random) {
    // Of the table that may be described every name is visible.
    if table.rules.grants.is_empty() || random.percent(40) {
        return;
    }
    let hidden = table.hidden_columns().into_iter().map(|column| column.name).collect::<BTreeSet<_>>();
    let name = |name: &str| {
        let (column, rest) = name.split_once('.').map_or((name, None), |(column, rest)| (column, Some(rest)));
        let column = if hidden.contains(column) { format!("other_{column}") } else { column.to_owned() };
        rest.map_or(column.clone(), |rest| format!("{column}.{rest}"))
    };
    let all = |names: &BTreeSet<String>| names.iter().map(|path| name(path)).collect::<BTreeSet<_>>();
    for column in &mut twin.columns {
        column.name = name(&column.name);
    }
    for grant in &mut twin.rules.grants {
        grant.rows = grant.rows.as_ref().map(|rule| rule.renamed(&name));
        grant.coverage = match &grant.coverage {
            Coverage::All => Coverage::All,
            Coverage::Include(names) => Coverage::Include(all(names)),
            Coverage::Exclude(names) => Coverage::Exclude(all(names)),
        };
    }
    twin.rules.required = twin.rules.required.iter().map(|rule| rule.renamed(&name)).collect();
    twin.rules.hidden = all(&twin.rules.hidden);
    let masks = std::mem::take(&mut twin.rules.masks);
    twin.rules.masks = masks
        .into_iter()
        .map(|(path, mask)| match mask {
            Masking::Other(other) => (name(&path), Masking::Other(name(&other))),
            mask => (name(&path), mask),
        })
        .collect();
}
