//! What the rules say of each value-bearing part of a table: a column, or the innermost field of a struct.
//!
//! A struct is not decided as a whole: each of its innermost fields is, and the struct is what is left of them. So a
//! rule on `address` speaks of everything inside, and a rule on `address.city` of that field alone.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::compile::{Index, TableTags};
use super::decision::{AppliedMask, ColumnShape, join};
use super::model::{Columns, Grant, TableName, Target};
use super::path::{has_path, is_at_or_inside};
use super::restriction::{Effect, Mask, Restriction, Scope};
use super::tag::{TagExpression, Tags};

/// A part of a table that has a value of its own, with what the rules say of it.
#[derive(Debug)]
pub(super) struct Leaf<'a> {
    /// Positions in the list of grants.
    pub covering: Vec<usize>,
    /// The restriction that hides it.
    pub hidden_by: Option<&'a str>,
    pub mask: Option<AppliedMask>,
}

/// The rules that may say something of a table's columns.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub table: &'a TableName,
    pub grants: &'a [&'a Grant],
    pub restrictions: &'a [&'a Restriction],
    pub tags: TableTags<'a>,
    /// Paths that exclude lists do not cover.
    pub unreleased: &'a BTreeSet<String>,
}

impl<'a> Rules<'a> {
    /// The leaves of `columns`, from left to right and from the outside in.
    pub fn leaves(&self, columns: &[ColumnShape]) -> Vec<Leaf<'a>> {
        let mut leaves = Vec::with_capacity(columns.len());
        each_leaf(columns, "", &self.tags, self.tags.of_table(), &mut |path, tags| {
            leaves.push(self.leaf(path, tags));
        });
        leaves
    }

    fn leaf(&self, path: &str, tags: &Tags) -> Leaf<'a> {
        let is_released = is_released(path, self.unreleased);
        let covering =
            self.grants.iter().enumerate().filter(|(_, grant)| covers(grant, path, tags, is_released));
        let covering = covering.map(|(at, _)| at);
        let here = || self.restrictions.iter().filter(|rule| is_on(rule, self.table, path, tags));
        let hiding = here().find(|rule| rule.effect == Effect::Hide);
        Leaf {
            covering: covering.collect(),
            hidden_by: hiding.map(|rule| rule.name.as_str()),
            mask: strongest_mask(here().copied()),
        }
    }
}

/// Whether a grant that may speak of the table covers the part of it at `path`.
fn covers(grant: &Grant, path: &str, tags: &Tags, is_released: bool) -> bool {
    match &grant.on {
        Target::Tagged(expression) => expression.matches(tags) && grant.columns.covers(path, is_released),
        Target::Database(_) | Target::AllTables(_) | Target::Table(_) => {
            grant.columns.covers(path, is_released)
        }
    }
}

fn is_released(path: &str, unreleased: &BTreeSet<String>) -> bool {
    !unreleased.iter().any(|outer| is_at_or_inside(path, outer))
}

/// The mask with the lowest priority. Two of one priority are refused when they are saved; should tags have brought
/// them together since, nothing is shown rather than either.
fn strongest_mask<'a>(rules: impl Iterator<Item = &'a Restriction>) -> Option<AppliedMask> {
    let mut masks: Vec<(i64, &str, &Mask)> = rules
        .filter_map(|rule| match &rule.effect {
            Effect::Mask(mask) => Some((rule.priority, rule.name.as_str(), mask)),
            Effect::Rows(_) | Effect::Hide => None,
        })
        .collect();
    masks.sort_unstable();
    let (priority, restriction, mask) = *masks.first()?;
    let competes = masks.iter().any(|(other, _, second)| *other == priority && *second != mask);
    let mask = if competes { Mask::Null } else { mask.clone() };
    Some(AppliedMask { restriction: restriction.to_owned(), mask })
}

/// Whether the restriction speaks of the part of `table` at `path`.
fn is_on(rule: &Restriction, table: &TableName, path: &str, tags: &Tags) -> bool {
    rule.on.iter().any(|scope| match scope {
        Scope::Database(database) => *database == table.database,
        Scope::Table(name) => name == table,
        Scope::Column(name, column) => name == table && is_at_or_inside(path, column),
        Scope::Tagged(expression) => expression.matches(tags),
    })
}

/// Whether the restriction speaks of the rows of `table`.
pub(super) fn is_on_rows(rule: &Restriction, table: &TableName, tags: &Tags) -> bool {
    rule.on.iter().any(|scope| match scope {
        Scope::Database(database) => *database == table.database,
        Scope::Table(name) => name == table,
        Scope::Column(..) => false,
        Scope::Tagged(expression) => expression.matches(tags),
    })
}

impl Columns {
    /// Whether the column or field at `path` is covered, by its own name or by that of a struct around it. Names are
    /// compared as they are: `Id` is not `id`. An exclude list covers every column that it does not name, but for one
    /// that the table got later and that is not released.
    pub fn covers(&self, path: &str, is_released: bool) -> bool {
        let named = |names: &BTreeSet<String>| {
            names.contains(path)
                || (path.contains('.') && names.iter().any(|name| is_at_or_inside(path, name)))
        };
        match self {
            Self::All => true,
            Self::Include(names) => named(names),
            Self::Exclude(names) => is_released && !named(names),
        }
    }
}

impl TableTags<'_> {
    /// The tags of the part at `path`, which is inside something with the tags `outer`.
    fn within<'t>(&self, outer: &'t Tags, path: &str) -> Cow<'t, Tags> {
        match self.assigned_to(path) {
            None => Cow::Borrowed(outer),
            Some(own) => {
                let mut tags = outer.clone();
                tags.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
                Cow::Owned(tags)
            }
        }
    }
}

/// A value-bearing part of a table that a restriction speaks of, by its path.
pub fn paths_in_scope(
    rule: &Restriction,
    table: &TableName,
    columns: &[ColumnShape],
    index: &Index,
) -> Vec<String> {
    let tags = index.tags_of(table);
    let mut paths = Vec::new();
    each_leaf(columns, "", &tags, tags.of_table(), &mut |path, tags| {
        if is_on(rule, table, path, tags) {
            paths.push(path.to_owned());
        }
    });
    paths
}

/// The value-bearing parts of `table` that a grant covers, by their paths.
pub fn paths_covered(
    grant: &Grant,
    table: &TableName,
    columns: &[ColumnShape],
    index: &Index,
) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let is_here = match &grant.on {
        Target::Table(name) => name == table,
        Target::AllTables(database) => *database == table.database,
        Target::Tagged(_) => true,
        Target::Database(_) => false,
    };
    if is_here {
        let (tags, unreleased) = (index.tags_of(table), index.unreleased(table));
        each_leaf(columns, "", &tags, tags.of_table(), &mut |path, tags| {
            if covers(grant, path, tags, is_released(path, unreleased)) {
                paths.insert(path.to_owned());
            }
        });
    }
    paths
}

/// The path of a column of `table` that `rule` hides or masks and that is not among `columns`. What has come in its place
/// would be shown as it is.
pub fn lost(
    rule: &Restriction,
    table: &TableName,
    columns: &[ColumnShape],
    tags: &TableTags<'_>,
) -> Option<String> {
    if matches!(rule.effect, Effect::Rows(_)) {
        return None;
    }
    let is_lost = |path: &str| !has_path(columns, path);
    rule.on.iter().find_map(|scope| match scope {
        Scope::Column(name, path) => (name == table && is_lost(path)).then(|| path.clone()),
        Scope::Tagged(expression) => {
            let mut tagged = tags.of_columns();
            let lost = tagged.find(|(path, tags)| is_lost(path) && expression.matches(tags));
            lost.map(|(path, _)| path.to_owned())
        }
        Scope::Database(_) | Scope::Table(_) => None,
    })
}

/// Whether a restriction on rows speaks of those of `table`.
pub fn restricts_rows_of(rule: &Restriction, table: &TableName, index: &Index) -> bool {
    is_on_rows(rule, table, index.tags_of(table).of_table())
}

/// Whether a grant on tags covers a part of `table`.
pub fn covers_by_tags(
    expression: &TagExpression,
    table: &TableName,
    columns: &[ColumnShape],
    index: &Index,
) -> bool {
    let tags = index.tags_of(table);
    let mut covers = expression.matches(tags.of_table());
    each_leaf(columns, "", &tags, tags.of_table(), &mut |_, tags| covers |= expression.matches(tags));
    covers
}

/// Two masks of one priority on the same part of `table`: its path and the names of the restrictions.
pub fn competing_masks(
    table: &TableName,
    columns: &[ColumnShape],
    index: &Index,
) -> Option<(String, [String; 2])> {
    let masks: Vec<&Restriction> =
        index.restrictions().values().filter(|rule| matches!(rule.effect, Effect::Mask(_))).collect();
    let tags = index.tags_of(table);
    let mut found = None;
    each_leaf(columns, "", &tags, tags.of_table(), &mut |path, tags| {
        let mut here = masks.iter().filter(|rule| is_on(rule, table, path, tags)).collect::<Vec<_>>();
        here.sort_by_key(|rule| rule.priority);
        for pair in here.windows(2) {
            if let [one, other] = pair
                && one.priority == other.priority
                && found.is_none()
            {
                found = Some((path.to_owned(), [one.name.clone(), other.name.clone()]));
            }
        }
    });
    found
}

fn each_leaf(
    columns: &[ColumnShape],
    prefix: &str,
    tags: &TableTags<'_>,
    outer: &Tags,
    visit: &mut impl FnMut(&str, &Tags),
) {
    for column in columns {
        let path = join(prefix, &column.name);
        let own = tags.within(outer, &path);
        match column.fields.as_slice() {
            [] => visit(&path, &own),
            fields => each_leaf(fields, &path, tags, &own, visit),
        }
    }
}

/// The names of restrictions, each once and in order.
pub(super) fn names<'a>(restrictions: impl Iterator<Item = &'a str>) -> Vec<String> {
    restrictions.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

impl Index {
    /// The rules that may speak of `table`.
    pub(super) fn rules<'a>(
        &'a self,
        table: &'a TableName,
        grants: &'a [&'a Grant],
        restrictions: &'a [&'a Restriction],
    ) -> Rules<'a> {
        let (tags, unreleased) = (self.tags_of(table), self.unreleased(table));
        Rules { table, grants, restrictions, tags, unreleased }
    }
}
