//! [`Parsed`] → [`Decided`] → [`Authorized`]: every table the statement names, with the decision on it, or a refusal; and
//! then the versions that it names of them.
//!
//! A table that does not exist and one that the reader may not see are refused with the same words on the same path,
//! before anybody looks for a version of it.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, FieldRef, Fields, SchemaRef};
use chrono::Utc;

use super::earlier::Earlier;
use super::expression::no_longer_fits;
use super::parse::{Parsed, no_such_table};
use crate::app::Governance;
use crate::catalog::shapes;
use crate::catalog::version::{At, TableAt};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::{Asker, decide};
use crate::policy::decision::{ColumnShape, Decision, Verdict};
use crate::policy::model::{TableName, is_listing};
use crate::policy::principal::Identity;
use crate::store::Store;
use crate::store::record::{TableRecord, View};

/// How deep views may read views.
const DEPTH: usize = 16;

/// A statement whose every table the identity may read, with what it may see of each as it is now.
#[derive(Debug)]
pub struct Decided(Authorized);

/// The same with the versions of tables that it names.
#[derive(Debug)]
pub struct Authorized {
    parsed: Parsed,
    identity: Arc<Identity>,
    governance: Arc<Governance>,
    tables: Vec<AuthorizedTable>,
    views: Vec<AuthorizedView>,
}

/// A table of the statement, or of a view in it, and the decision on it.
#[derive(Debug)]
pub struct AuthorizedTable {
    /// At the version that is read.
    pub record: TableRecord,
    pub at: At,
    pub decision: Decision,
    /// Of a version that is named: its columns that the table has now, as they are now. It has no others.
    pub shared: Option<Vec<FieldRef>>,
}

/// A view of the statement, or of a view in it, and the decision on it. What it reads is among the tables and views
/// before it.
#[derive(Debug)]
pub struct AuthorizedView {
    pub view: View,
    pub decision: Decision,
    pub query: Parsed,
}

impl Decided {
    /// Decides on every table that `parsed` names.
    pub fn decide(
        parsed: Parsed,
        identity: Arc<Identity>,
        governance: Arc<Governance>,
        describes_all: bool,
    ) -> Result<Self> {
        let asker = asker(&identity, &governance, describes_all);
        let mut found =
            Found { asker: &asker, governance: &governance, tables: Vec::new(), views: Vec::new() };
        for table in parsed.tables() {
            found.add(table, 0)?;
        }
        if let Some(name) = parsed.described() {
            found.refuse_undescribed(name)?;
        }
        let Found { tables, views, .. } = found;
        Ok(Self(Authorized { parsed, identity, governance, tables, views }))
    }

    /// Finds the versions that the statement names, among those that were published. Their files are there for `reading`
    /// more, which is no time for a statement that is not run.
    ///
    /// # Errors
    ///
    /// `not_found` for a version that is not there, or of which no column is the reader's.
    pub async fn authorize(self, store: &Store, reading: Duration) -> Result<Authorized> {
        let Self(mut authorized) = self;
        for table in authorized.tables.iter_mut().filter(|table| table.at != At::Now) {
            let earlier = Earlier::find(store, &table.record, table.at, &table.decision, reading).await?;
            table.record = earlier.record;
            table.decision = earlier.decision;
            table.shared = Some(earlier.shared);
        }
        Ok(authorized)
    }

    /// What the decisions are on and what they say, at whichever version a table is read: what of the policy they rest on.
    pub(super) fn as_of_now(&self) -> &Authorized {
        &self.0
    }
}

impl Authorized {
    /// The tables of the statement, with the decision on each.
    pub fn tables(&self) -> &[AuthorizedTable] {
        &self.tables
    }

    /// The views of the statement, each behind what it reads.
    pub fn views(&self) -> &[AuthorizedView] {
        &self.views
    }

    /// Every decision, with the name of what it is on.
    pub fn decisions(&self) -> impl Iterator<Item = (&TableName, &Decision)> {
        let tables = self.tables.iter().map(|table| (&table.record.name, &table.decision));
        tables.chain(self.views.iter().map(|view| (&view.view.name, &view.decision)))
    }

    /// The columns of each table and view that `of` names in the decision on it, for planning without reading.
    pub fn fields(
        &self,
        of: impl Fn(&Decision) -> Vec<ColumnShape>,
    ) -> impl Iterator<Item = (TableAt, Vec<FieldRef>)> {
        let tables = self.tables.iter().map(|table| (table.named(), table.columns(), &table.decision));
        let views = self
            .views
            .iter()
            .map(|view| (view.view.name.clone().into(), view.view.schema.fields().clone(), &view.decision));
        tables.chain(views).map(move |(name, fields, decision)| (name, pruned(&fields, &of(decision))))
    }

    /// Who asks.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// The rules that were in force when the decision was made.
    pub fn governance(&self) -> &Arc<Governance> {
        &self.governance
    }

    /// The statement.
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    pub(super) fn into_parsed(self) -> Parsed {
        self.parsed
    }
}

/// What a statement names, as it is found.
struct Found<'a> {
    asker: &'a Asker,
    governance: &'a Governance,
    tables: Vec<AuthorizedTable>,
    views: Vec<AuthorizedView>,
}

impl AuthorizedTable {
    /// The table as the statement names it.
    pub fn named(&self) -> TableAt {
        TableAt { name: self.record.name.clone(), at: self.at }
    }

    /// The columns that there are for rules and readers.
    fn columns(&self) -> Fields {
        match &self.shared {
            Some(shared) => shared.iter().cloned().collect(),
            None => self.record.schema.fields().clone(),
        }
    }
}

impl Found<'_> {
    fn add(&mut self, table: &TableAt, depth: usize) -> Result<()> {
        let TableAt { name, at } = table;
        let known = self.tables.iter().any(|table| table.record.name == *name && table.at == *at)
            || (*at == At::Now && self.views.iter().any(|view| view.view.name == *name));
        if known || (*at == At::Now && is_listing(&name.database)) {
            return Ok(());
        }
        let governance = self.governance;
        if let Some(record) = governance.state.tables.get(name) {
            let decision = decide_on(self.asker, &record.value, governance);
            refuse_unreadable(name, &decision)?;
            let record = TableRecord::clone(&record.value);
            self.tables.push(AuthorizedTable { record, at: *at, decision, shared: None });
            return Ok(());
        }
        let view = governance.state.views.get(name).ok_or_else(|| no_such_table(&name.to_string()))?;
        let decision = decide_on_view(self.asker, &view.value, governance);
        refuse_unreadable(name, &decision)?;
        if *at != At::Now {
            return Err(Error::invalid_request(format!(
                "`{name}` is a view and keeps no versions: ask for those of the tables that it reads"
            )));
        }
        self.add_view(&view.value, decision, depth)
    }

    /// A view reads with the reader's rights: what they may not read fails the view, without a word of what it is.
    fn add_view(&mut self, view: &View, decision: Decision, depth: usize) -> Result<()> {
        let query = Parsed::parse(&view.sql, view.database.as_deref())?;
        if depth >= DEPTH {
            return Err(Error::new(
                ErrorKind::QueryFailed,
                format!("views are nested too deeply in `{}`", view.name),
            ));
        }
        for table in query.tables() {
            self.add(table, depth + 1).map_err(|error| match error.kind() {
                ErrorKind::TableNotFound | ErrorKind::PermissionDenied => Error::new(
                    ErrorKind::PermissionDenied,
                    format!("the view `{}` reads something that you may not read", view.name),
                ),
                _ => error,
            })?;
        }
        self.views.push(AuthorizedView { view: view.clone(), decision, query });
        Ok(())
    }

    fn refuse_undescribed(&self, name: &TableName) -> Result<()> {
        let decided = decide_named(self.asker, name, self.governance);
        match decided.is_some_and(|(decision, _)| !decision.describe.is_empty()) {
            true => Ok(()),
            false => Err(no_such_table(&name.to_string())),
        }
    }
}

fn refuse_unreadable(name: &TableName, decision: &Decision) -> Result<()> {
    match decision.verdict {
        Verdict::Select => Ok(()),
        Verdict::NotFound => Err(no_such_table(&name.to_string())),
        Verdict::Unfit => {
            let rule = decision.restrictions.join(", ");
            Err(no_longer_fits(&name.to_string(), &rule, "it is on a column that the table does not have"))
        }
        Verdict::DescribeOnly => Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("`{name}` may be described but not read; ask for a `select` grant"),
        )),
    }
}

/// `identity` as the policy in `governance` sees it now.
pub fn asker(identity: &Identity, governance: &Governance, describes_all: bool) -> Asker {
    Asker::new(identity, &governance.index, Utc::now(), describes_all)
}

/// The decision of the policy in `governance` on the table or view `name`, and its columns; none when there is neither.
pub fn decide_named<'g>(
    asker: &Asker,
    name: &TableName,
    governance: &'g Governance,
) -> Option<(Decision, &'g SchemaRef)> {
    let schema = governance.state.schema_of(name)?;
    Some((decide(asker, name, &shapes(schema.fields()), &governance.index), schema))
}

/// The decision of the policy in `governance` on `record`.
pub fn decide_on(asker: &Asker, record: &TableRecord, governance: &Governance) -> Decision {
    decide(asker, &record.name, &shapes(record.schema.fields()), &governance.index)
}

/// The decision of the policy in `governance` on `view`.
pub fn decide_on_view(asker: &Asker, view: &View, governance: &Governance) -> Decision {
    decide(asker, &view.name, &shapes(view.schema.fields()), &governance.index)
}

/// The fields that `shapes` name, a struct with those of its own that they name.
pub fn pruned(fields: &Fields, shapes: &[ColumnShape]) -> Vec<FieldRef> {
    let field = |shape: &ColumnShape| {
        let (_, field) = fields.find(&shape.name)?;
        match (field.data_type(), shape.fields.as_slice()) {
            (_, []) => Some(Arc::clone(field)),
            (DataType::Struct(inner), shapes) => {
                let kept = DataType::Struct(pruned(inner, shapes).into());
                Some(Arc::new(Field::clone(field).with_data_type(kept)))
            }
            _ => None,
        }
    };
    shapes.iter().filter_map(field).collect()
}
