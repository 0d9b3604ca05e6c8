//! The decision: what an identity may see of a table.
//!
//! Grants add: columns are the union of theirs, rows are those of any of them, and a cell has its value where a
//! grant that includes its column holds. Restrictions take away: rows that do not satisfy them, columns that they
//! hide, values that they mask. Pure and total: it never fails, it only gives less. What an expression means is not
//! known here, and what time it is is told by the caller.

use std::collections::BTreeSet;
use std::slice::Iter;

use chrono::{DateTime, Utc};

use super::compile::Index;
use super::decision::{Cell, ColumnDecision, ColumnShape, Decision, Rows, Verdict};
use super::leaf::{self, Leaf, is_on_rows, names};
use super::model::{Grant, Permission, TableName, Target};
use super::principal::{Identity, Principal};
use super::restriction::{Effect, Restriction};

/// Who asks, and when: made once a request, for any number of decisions.
#[derive(Debug, Clone)]
pub struct Asker {
    pub principals: BTreeSet<Principal>,
    pub now: DateTime<Utc>,
    /// For administrators: they may describe everything, and read nothing without a grant.
    pub describes_all: bool,
}

impl Asker {
    /// `identity` at `now`, with the roles that the policy gives it.
    pub fn new(identity: &Identity, index: &Index, now: DateTime<Utc>, describes_all: bool) -> Self {
        Self { principals: index.principals_of(identity), now, describes_all }
    }
}

/// Decides what `asker` may see of `table`, whose columns are `columns` in table order.
pub fn decide(asker: &Asker, table: &TableName, columns: &[ColumnShape], index: &Index) -> Decision {
    let grants = index.grants_for(table, asker);
    let selecting = allowing(&grants, Permission::Select);
    let restrictions = index.restrictions_for(table, asker);
    let rules = index.rules(table, &selecting, &restrictions);
    let leaves = rules.leaves(columns);
    let describing = describing(&grants, rules.tags.of_table());
    let describes = asker.describes_all || !describing.is_empty();

    // A grant that shows none of the table's columns shows nothing, so its rows must not count either.
    let shown = leaves.iter().filter(|leaf| leaf.hidden_by.is_none());
    let applied: BTreeSet<usize> = shown.flat_map(|leaf| leaf.covering.iter().copied()).collect();
    if applied.is_empty() && !describes {
        return Decision::not_found();
    }
    let tags = rules.tags.of_table();
    let is_unfit = |rule: &&&Restriction| leaf::lost(rule, table, columns, &rules.tags).is_some();
    let unfit = restrictions.iter().find(is_unfit);
    // Administrators have to see what they are to mend.
    let is_closed = unfit.is_some() && !asker.describes_all;
    if applied.is_empty() {
        let decision = describe_only(&describing, columns, &leaves);
        return if is_closed { Decision { describe: Vec::new(), ..decision } } else { decision };
    }
    if let Some(rule) = unfit {
        let grants =
            applied.iter().filter_map(|at| selecting.get(*at)).map(|grant| grant.id.clone()).collect();
        let restrictions = vec![rule.name.clone()];
        let described = if is_closed { Vec::new() } else { describe_only(&[], columns, &leaves).describe };
        return Decision {
            verdict: Verdict::Unfit,
            grants,
            restrictions,
            describe: described,
            ..Decision::not_found()
        };
    }
    let row_rules = row_restrictions(&restrictions, table, tags);
    let rows = visible_rows(applied.iter().filter_map(|at| selecting.get(*at).copied()));
    let view = View { grants: &selecting, rows: &rows };
    let visible = view.columns(columns, &mut leaves.iter());
    let describe = shapes(columns, &mut leaves.iter(), &|leaf| {
        leaf.hidden_by.is_none() && (describes || !leaf.covering.is_empty())
    });
    Decision {
        verdict: Verdict::Select,
        columns_hidden: leaves.iter().any(|leaf| !is_visible(leaf)),
        columns: visible,
        required: row_rules
            .iter()
            .map(|(_, text)| *text)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        grants: applied.iter().filter_map(|at| selecting.get(*at)).map(|grant| grant.id.clone()).collect(),
        restrictions: names(row_rules.iter().map(|(name, _)| *name).chain(leaves.iter().filter_map(taking))),
        rows,
        describe,
    }
}

/// Whether the database is there for the identity: some grant of theirs is on it or on something in it.
pub fn decide_database(asker: &Asker, database: &str, index: &Index) -> bool {
    asker.describes_all || index.touches(database, asker)
}

/// Whether some grant allows `permission` on `target`. A grant on `db.*` covers every table of the database, not
/// the database itself. What may be *read* of a table is [`decide`]'s answer, not this one.
pub fn can(asker: &Asker, permission: Permission, target: &Target, index: &Index) -> bool {
    let grants = match target {
        Target::Table(table) => {
            let tags = index.tags_of(table);
            let mut grants = index.grants_for(table, asker);
            grants.retain(|grant| is_on_table(grant, tags.of_table()));
            grants
        }
        other => index.grants_on(std::slice::from_ref(other), asker),
    };
    grants.iter().any(|grant| grant.permissions.contains(&permission))
}

fn is_visible(leaf: &Leaf<'_>) -> bool {
    leaf.hidden_by.is_none() && !leaf.covering.is_empty()
}

/// The restriction that takes something of this leaf away from a grant that gives it.
fn taking<'a>(leaf: &'a Leaf<'_>) -> Option<&'a str> {
    if leaf.covering.is_empty() {
        return None;
    }
    leaf.hidden_by.or_else(|| leaf.mask.as_ref().map(|mask| mask.restriction.as_str()))
}

/// A grant on tags speaks of the table itself when the table's own tags match.
fn is_on_table(grant: &Grant, tags: &super::tag::Tags) -> bool {
    match &grant.on {
        Target::Tagged(expression) => expression.matches(tags),
        Target::Database(_) | Target::AllTables(_) | Target::Table(_) => true,
    }
}

fn describing<'a>(grants: &[&'a Grant], tags: &super::tag::Tags) -> Vec<&'a Grant> {
    let mut describing = allowing(grants, Permission::Describe);
    describing.retain(|grant| is_on_table(grant, tags));
    describing
}

fn describe_only(describing: &[&Grant], columns: &[ColumnShape], leaves: &[Leaf<'_>]) -> Decision {
    Decision {
        verdict: Verdict::DescribeOnly,
        columns_hidden: !columns.is_empty(),
        grants: describing.iter().map(|grant| grant.id.clone()).collect(),
        describe: shapes(columns, &mut leaves.iter(), &|leaf| leaf.hidden_by.is_none()),
        ..Decision::not_found()
    }
}

/// The row expressions that must hold, each with the name of its restriction.
fn row_restrictions<'a>(
    restrictions: &[&'a Restriction],
    table: &TableName,
    tags: &super::tag::Tags,
) -> Vec<(&'a str, &'a str)> {
    let rows = restrictions.iter().filter_map(|rule| match &rule.effect {
        Effect::Rows(text) if is_on_rows(rule, table, tags) => Some((rule.name.as_str(), text.trim())),
        Effect::Rows(_) | Effect::Hide | Effect::Mask(_) => None,
    });
    rows.collect()
}

fn visible_rows<'a>(applied: impl Iterator<Item = &'a Grant>) -> Rows {
    let expressions: Option<BTreeSet<&str>> = applied.map(row_text).collect();
    match expressions {
        None => Rows::All,
        Some(expressions) => Rows::AnyOf(texts(expressions)),
    }
}

/// The grants and the rows they give together: what the cells follow from.
struct View<'a> {
    grants: &'a [&'a Grant],
    rows: &'a Rows,
}

impl View<'_> {
    /// The visible parts of `columns`, whose leaves come next.
    fn columns(&self, columns: &[ColumnShape], leaves: &mut Iter<'_, Leaf<'_>>) -> Vec<ColumnDecision> {
        columns.iter().filter_map(|column| self.column(column, leaves)).collect()
    }

    fn column(&self, column: &ColumnShape, leaves: &mut Iter<'_, Leaf<'_>>) -> Option<ColumnDecision> {
        let name = column.name.clone();
        if column.fields.is_empty() {
            let leaf = leaves.next().filter(|leaf| is_visible(leaf))?;
            return Some(ColumnDecision {
                name,
                cell: self.cell(leaf),
                mask: leaf.mask.clone(),
                fields: Vec::new(),
            });
        }
        let fields = self.columns(&column.fields, leaves);
        let first = fields.first()?;
        let alike = |field: &ColumnDecision| {
            field.fields.is_empty() && field.mask.is_none() && field.cell == first.cell
        };
        // Nothing is taken from inside it: it is given as it is.
        if fields.len() == column.fields.len() && fields.iter().all(alike) {
            return Some(ColumnDecision { name, cell: first.cell.clone(), mask: None, fields: Vec::new() });
        }
        Some(ColumnDecision { name, cell: Cell::Always, mask: None, fields })
    }

    /// Where a leaf that is visible has its value.
    fn cell(&self, leaf: &Leaf<'_>) -> Cell {
        let including = leaf.covering.iter().filter_map(|at| self.grants.get(*at));
        let expressions: Option<BTreeSet<&str>> = including.map(|grant| row_text(grant)).collect();
        // A grant without rows gives the value in every row.
        let Some(expressions) = expressions else { return Cell::Always };
        let expressions = texts(expressions);
        // The same expressions made the row visible, so the value is there whenever the row is.
        match self.rows {
            Rows::AnyOf(all) if *all == expressions => Cell::Always,
            Rows::AnyOf(_) | Rows::All => Cell::When(expressions),
        }
    }
}

/// The parts of `columns` whose leaves are kept; one that is kept whole is named without its fields.
fn shapes(
    columns: &[ColumnShape],
    leaves: &mut Iter<'_, Leaf<'_>>,
    keep: &dyn Fn(&Leaf<'_>) -> bool,
) -> Vec<ColumnShape> {
    let mut kept = Vec::new();
    for column in columns {
        if column.fields.is_empty() {
            if leaves.next().is_some_and(keep) {
                kept.push(ColumnShape::whole(column.name.clone()));
            }
            continue;
        }
        let fields = shapes(&column.fields, leaves, keep);
        let is_whole =
            fields.len() == column.fields.len() && fields.iter().all(|field| field.fields.is_empty());
        if !fields.is_empty() {
            let fields = if is_whole { Vec::new() } else { fields };
            kept.push(ColumnShape { name: column.name.clone(), fields });
        }
    }
    kept
}

fn row_text(grant: &Grant) -> Option<&str> {
    grant.rows.as_deref().map(str::trim)
}

fn texts(sorted: BTreeSet<&str>) -> Vec<String> {
    sorted.into_iter().map(str::to_owned).collect()
}

fn allowing<'a>(grants: &[&'a Grant], permission: Permission) -> Vec<&'a Grant> {
    grants.iter().copied().filter(|grant| grant.permissions.contains(&permission)).collect()
}
