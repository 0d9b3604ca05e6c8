//! What must hold of every change of the policy, whichever door it came through.
//!
//! Changes are judged together, against what the policy will be with all of them: a grant may use a filter that is
//! made beside it. What one rule says by itself is checked in `policy/check.rs`; here is what needs the catalog, the
//! other rules and the engine.

mod expressions;
pub mod standing;
mod tags;

use std::collections::BTreeSet;

use self::expressions::Expressions;
use super::{App, Governance};
use crate::catalog::shapes;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::check::{self, Invalid};
use crate::policy::compile::Index;
use crate::policy::decision::ColumnShape;
use crate::policy::grant::GrantSpec;
use crate::policy::leaf;
use crate::policy::model::{Columns, Filter, Grant, TableName, Target};
use crate::policy::path::has_path;
use crate::policy::restriction::{Restriction, Scope};
use crate::store::record::{Change, State};

/// A change that is refused: which one, the field that is wrong (empty when it is no single one), and why.
#[derive(Debug)]
pub struct Refused {
    pub change: usize,
    pub field: &'static str,
    pub error: Error,
}

/// What is wrong with one change.
type Wrong = (&'static str, Error);

/// Whether rules may name tables that do not exist yet. A file may come before its tables; a person who types a name
/// that does not exist has mistyped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    MustExist,
    MayCome,
}

/// Judges `changes` of what is in force.
pub fn check(app: &App, before: &Governance, changes: &[Change], names: Names) -> Result<(), Refused> {
    let judge = Judge::new(app, before.after(before.state.version, changes), names);
    for (change, what) in changes.iter().enumerate() {
        judge.change(what).map_err(|(field, error)| Refused { change, field, error })?;
    }
    Ok(())
}

/// The state as it will be, and what judges it.
struct Judge<'a> {
    after: State,
    index: Index,
    expressions: Expressions<'a>,
    names: Names,
}

impl<'a> Judge<'a> {
    fn new(app: &'a App, after: Governance, names: Names) -> Self {
        let Governance { state: after, index } = after;
        Self { index, expressions: Expressions::new(app), after, names }
    }

    fn change(&self, change: &Change) -> Result<(), Wrong> {
        match change {
            Change::CreateGrant(grant) | Change::UpdateGrant { value: grant, .. } => self.grant(grant),
            Change::CreateFilter(filter) => self.filter(filter),
            Change::UpdateFilter { value: filter, .. } => {
                self.filter(filter)?;
                self.filter_stays_on_its_table(filter)
            }
            Change::DropFilter { name, .. } => self.filter_is_unused(name),
            Change::CreateRestriction(rule) | Change::UpdateRestriction { value: rule, .. } => {
                self.restriction(rule)
            }
            Change::CreateTag(tag) | Change::UpdateTag { value: tag, .. } => self.tag(tag),
            Change::DropTag { key, .. } => self.tag_is_unused(key),
            Change::CreateTagging(tagging) | Change::UpdateTagging { value: tagging, .. } => {
                self.tagging(tagging)
            }
            Change::DropTagging { object, .. } => self.rules_still_fit(object),
            _ => Ok(()),
        }
    }

    fn grant(&self, grant: &Grant) -> Result<(), Wrong> {
        let spec = GrantSpec::from(grant);
        check::check_grant(&spec).map_err(invalid)?;
        self.target(&grant.on)?;
        if let Target::Table(table) = &grant.on {
            self.columns(table, &grant.columns)?;
        }
        if let Some(name) = &grant.filter {
            let filter =
                self.after.filters.get(name).ok_or_else(|| ("filter", Error::not_found("filter", name)))?;
            if Target::Table(filter.value.on.clone()) != grant.on {
                let text = format!(
                    "the filter `{name}` is on `{}`, and the grant on `{}`",
                    filter.value.on, grant.on
                );
                return Err(("filter", Error::invalid_request(text)));
            }
        }
        if let Some(rows) = &grant.rows {
            let tables = self.tables_of(&grant.on);
            self.expressions.rows(rows, tables, &self.index).map_err(|error| ("rows", error))?;
        }
        // A grant with a filter is indexed with what the filter says: its own fields are asked of the state.
        let here = self.index.grants_at(&grant.on, &grant.to).filter(|other| other.id != grant.id);
        let kept = here.filter_map(|other| self.after.grants.get(&other.id));
        let mut twins = kept.filter(|other| GrantSpec::from(other.value.as_ref()).same_as(&spec));
        match twins.next() {
            Some(twin) => {
                Err(("", Error::conflict(format!("there is the same grant already: `{}`", twin.value.id))))
            }
            None => Ok(()),
        }
    }

    fn filter(&self, filter: &Filter) -> Result<(), Wrong> {
        check::check_columns(&filter.columns).map_err(invalid)?;
        check::check_rows(filter.rows.as_deref()).map_err(invalid)?;
        if filter.rows.is_none() && filter.columns == Columns::All {
            return Err((
                "rows",
                Error::invalid_request("a filter says which rows or which columns: it has neither"),
            ));
        }
        self.table(&filter.on)?;
        self.columns(&filter.on, &filter.columns)?;
        match &filter.rows {
            Some(rows) => {
                let target = Target::Table(filter.on.clone());
                let tables = self.tables_of(&target);
                self.expressions.rows(rows, tables, &self.index).map_err(|error| ("rows", error))
            }
            None => Ok(()),
        }
    }

    /// A grant that uses it must not end up with the columns and rows of another table.
    fn filter_stays_on_its_table(&self, filter: &Filter) -> Result<(), Wrong> {
        let target = Target::Table(filter.on.clone());
        let uses = |grant: &Grant| grant.filter.as_ref() == Some(&filter.name) && grant.on != target;
        match self.after.grants.values().find(|grant| uses(&grant.value)) {
            Some(grant) => {
                let Grant { id, on, .. } = grant.value.as_ref();
                let text = format!("the grant `{id}` uses this filter on `{on}`: change it first");
                Err(("on", Error::conflict(text)))
            }
            None => Ok(()),
        }
    }

    fn filter_is_unused(&self, name: &str) -> Result<(), Wrong> {
        let uses =
            self.after.grants.values().filter(|grant| grant.value.filter.as_deref() == Some(name)).count();
        match uses {
            0 => Ok(()),
            uses => Err((
                "",
                Error::conflict(format!("the filter `{name}` is used by grants ({uses}): drop them first")),
            )),
        }
    }

    fn restriction(&self, rule: &Restriction) -> Result<(), Wrong> {
        check::check_restriction(rule).map_err(invalid)?;
        for scope in &rule.on {
            match scope {
                Scope::Database(database) => self.database(database)?,
                Scope::Table(table) => self.table(table)?,
                Scope::Column(table, path) => {
                    self.table(table)?;
                    self.columns(table, &Columns::Include(BTreeSet::from([path.clone()])))?;
                }
                Scope::Tagged(expression) => self.expression(expression)?,
            }
        }
        self.effect(rule)?;
        self.no_masks_compete(|table| rule.on.iter().any(|scope| may_be_on(scope, table)))
    }

    /// That the restriction's expression or mask fits everything that it is on now.
    fn effect(&self, rule: &Restriction) -> Result<(), Wrong> {
        for (name, table) in &self.after.tables {
            self.expressions.restriction(rule, name, &table.value, &self.index)?;
        }
        Ok(())
    }

    /// That of no two masks on one column it is unsaid which one holds.
    fn no_masks_compete(&self, concerned: impl Fn(&TableName) -> bool) -> Result<(), Wrong> {
        for (name, table) in self.after.tables.iter().filter(|(name, _)| concerned(name)) {
            let columns = shapes(table.value.schema.fields());
            if let Some((path, [one, other])) = leaf::competing_masks(name, &columns, &self.index) {
                let text = format!(
                    "`{one}` and `{other}` both mask `{name}.{path}` with the same priority: give one of them another"
                );
                return Err(("priority", Error::conflict(text)));
            }
        }
        Ok(())
    }

    fn target(&self, target: &Target) -> Result<(), Wrong> {
        match target {
            Target::Database(database) | Target::AllTables(database) => self.database(database),
            Target::Table(table) => self.table(table),
            Target::Tagged(expression) => self.expression(expression),
        }
    }

    fn database(&self, database: &str) -> Result<(), Wrong> {
        if self.names == Names::MayCome || self.after.databases.contains_key(database) {
            return Ok(());
        }
        Err(("on", Error::not_found("database", database)))
    }

    fn table(&self, table: &TableName) -> Result<(), Wrong> {
        let exists = self.after.tables.contains_key(table) || self.after.views.contains_key(table);
        if self.names == Names::MayCome || exists {
            return Ok(());
        }
        Err(("on", Error::new(ErrorKind::TableNotFound, format!("table not found: `{table}`"))))
    }

    /// That the columns exist: a name mistyped would grant nothing, or hide nothing.
    fn columns(&self, table: &TableName, columns: &Columns) -> Result<(), Wrong> {
        let (Columns::Include(paths) | Columns::Exclude(paths)) = columns else { return Ok(()) };
        let Some(schema) = self.schema(table) else { return Ok(()) };
        match paths.iter().find(|path| !has_path(&schema, path)) {
            Some(path) => {
                let text = format!("`{table}` has no column `{path}`");
                Err(("columns", Error::new(ErrorKind::ColumnNotFound, text)))
            }
            None => Ok(()),
        }
    }

    fn schema(&self, table: &TableName) -> Option<Vec<ColumnShape>> {
        let of_table = self.after.tables.get(table).map(|table| shapes(table.value.schema.fields()));
        of_table.or_else(|| self.after.views.get(table).map(|view| shapes(view.value.schema.fields())))
    }

    fn all_tables(&self) -> impl Iterator<Item = (&TableName, &arrow_schema::SchemaRef)> {
        let tables = self.after.tables.iter().map(|(name, table)| (name, &table.value.schema));
        tables.chain(self.after.views.iter().map(|(name, view)| (name, &view.value.schema)))
    }

    /// The tables that a target is on now.
    fn tables_of<'s>(
        &'s self,
        target: &'s Target,
    ) -> impl Iterator<Item = (&'s TableName, &'s arrow_schema::SchemaRef)> {
        self.all_tables().filter(move |(name, schema)| match target {
            Target::Table(meant) => meant == *name,
            Target::AllTables(database) => *database == name.database,
            Target::Tagged(expression) => {
                leaf::covers_by_tags(expression, name, &shapes(schema.fields()), &self.index)
            }
            Target::Database(_) => false,
        })
    }
}

fn may_be_on(scope: &Scope, table: &TableName) -> bool {
    match scope {
        Scope::Database(database) => *database == table.database,
        Scope::Table(name) | Scope::Column(name, _) => name == table,
        Scope::Tagged(_) => true,
    }
}

fn invalid(invalid: Invalid) -> Wrong {
    (invalid.field, Error::invalid_request(invalid.message))
}
