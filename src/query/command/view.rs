//! `CREATE VIEW` and `DROP VIEW`. A view runs with the rights of whoever reads it, so making one gives nobody anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::sql::sqlparser::ast::{CreateView as CreateViewSyntax, ObjectType, Statement};

use super::super::authorize::{Decided, asker, decide_named};
use super::super::earlier::shared;
use super::super::fault;
use super::super::parse::{Parsed, full_object_name, no_such_table, not_allowed, query_text};
use super::super::spelling::kept;
use crate::app::{App, Governance};
use crate::catalog::version::{At, TableAt, published};
use crate::error::{Error, ErrorKind, Result};
use crate::policy::decide::{Asker, can};
use crate::policy::model::{Permission, TableName, Target};
use crate::policy::principal::Identity;
use crate::store::record::{Change, View};

/// A `CREATE VIEW`.
#[derive(Debug)]
pub struct CreateView {
    name: TableName,
    sql: String,
    database: Option<String>,
    replace: bool,
    comment: Option<String>,
}

/// A `DROP VIEW`.
#[derive(Debug)]
pub struct DropView {
    name: TableName,
    if_exists: bool,
}

impl CreateView {
    pub(super) fn of(syntax: &CreateViewSyntax, database: Option<&str>) -> Result<Self> {
        let plain = !(syntax.or_alter || syntax.materialized || syntax.temporary || syntax.if_not_exists)
            && syntax.columns.is_empty()
            && syntax.cluster_by.is_empty()
            && syntax.to.is_none();
        if !plain {
            return Err(not_allowed("CREATE VIEW with options"));
        }
        let name = full_object_name(&syntax.name, database)?;
        let sql = kept(&Statement::Query(syntax.query.clone()))?;
        // Said now, where the mistake is: the text must be a query that may exist.
        Parsed::parse(&sql, database)?;
        let database = database.map(str::to_owned);
        Ok(Self { name, sql, database, replace: syntax.or_replace, comment: syntax.comment.clone() })
    }

    /// The view `name` over the query `sql`, as something else than a statement says it.
    pub fn over(
        name: TableName,
        sql: &str,
        database: Option<String>,
        comment: Option<String>,
    ) -> Result<Self> {
        let sql = query_text(sql)?;
        Parsed::parse(&sql, database.as_deref())?;
        Ok(Self { name, sql, database, replace: false, comment })
    }

    pub(super) fn name(&self) -> &TableName {
        &self.name
    }

    pub(super) async fn run(self, app: &App, identity: &Arc<Identity>) -> Result<&'static str> {
        let before = app.state().state.views.get(&self.name).map(|kept| kept.revision);
        let name = self.name.clone();
        match (before, self.replace) {
            (None, _) => self.make(app, identity).await.map(|()| "CREATE VIEW"),
            (expected, true) => self.put(app, identity, expected).await.map(|()| "CREATE VIEW"),
            (Some(_), false) => {
                self.refuse_without_permission(app, identity, &app.state())?;
                Err(is_taken(&name))
            }
        }
    }

    /// Makes it, where there is none.
    pub async fn make(self, app: &App, identity: &Arc<Identity>) -> Result<()> {
        let value = self.checked(app, identity).await?;
        if app.state().state.views.contains_key(&value.name) {
            return Err(is_taken(&value.name));
        }
        app.change(&identity.user, vec![Change::CreateView(value)]).await.map(|_| ())
    }

    /// Puts it in the place of the one there is, whose revision is `expected`, or whichever it is.
    pub async fn put(self, app: &App, identity: &Arc<Identity>, expected: Option<i64>) -> Result<()> {
        self.refuse_replacing(app, identity)?;
        let mut value = self.checked(app, identity).await?;
        // Whoever alters a view does not become its maker, who may drop it.
        if let Some(kept) = app.state().state.views.get(&value.name) {
            value.owner.clone_from(&kept.value.owner);
        }
        app.change(&identity.user, vec![Change::UpdateView { value, expected }]).await.map(|_| ())
    }

    /// A view is replaced by whoever made it, who may alter it, or who administers. To anybody else who cannot see it, its
    /// name is just taken.
    fn refuse_replacing(&self, app: &App, identity: &Identity) -> Result<()> {
        let governance = app.state();
        self.refuse_without_permission(app, identity, &governance)?;
        let Some(kept) = governance.state.views.get(&self.name) else { return Ok(()) };
        let asker = asker(identity, &governance, false);
        let on = Target::Table(self.name.clone());
        let may = app.is_administrator(identity)
            || kept.value.owner == identity.user
            || can(&asker, Permission::Alter, &on, &governance.index);
        if may {
            return Ok(());
        }
        if !is_seen(&asker, &self.name, &governance) {
            return Err(is_taken(&self.name));
        }
        let text = format!("replacing `{}` needs the permission `alter` on it", self.name);
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }

    /// The view as it will be kept, with the columns that its query gives.
    async fn checked(self, app: &App, identity: &Arc<Identity>) -> Result<View> {
        let governance = app.state();
        self.refuse_without_permission(app, identity, &governance)?;
        if governance.state.tables.contains_key(&self.name) {
            return Err(is_taken(&self.name));
        }
        let parsed = Parsed::parse(&self.sql, self.database.as_deref())?;
        if parsed.names().contains(&self.name) {
            return Err(Error::invalid_request("a view cannot read itself"));
        }
        let schema = schema(app, identity, parsed, self.database.as_deref()).await?;
        Ok(View {
            name: self.name,
            sql: self.sql,
            database: self.database,
            schema: Arc::new(schema),
            owner: identity.user.clone(),
            comment: self.comment,
        })
    }

    fn refuse_without_permission(
        &self,
        app: &App,
        identity: &Identity,
        governance: &Governance,
    ) -> Result<()> {
        let asker = asker(identity, governance, false);
        let on = Target::Database(self.name.database.clone());
        let exists = governance.state.databases.contains_key(&self.name.database);
        if exists
            && (app.is_administrator(identity)
                || can(&asker, Permission::CreateTable, &on, &governance.index))
        {
            return Ok(());
        }
        if !exists && app.is_administrator(identity) {
            return Err(Error::not_found("database", &self.name.database));
        }
        let text = format!("a view in `{}` needs the permission `create_table` on it", self.name.database);
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }
}

/// The same whatever has the name: whoever may make a view learns that it is not free, and no more.
fn is_taken(name: &TableName) -> Error {
    Error::conflict(format!("the name `{name}` is taken"))
}

/// Whether the asker may know that there is a table or view `name`.
fn is_seen(asker: &Asker, name: &TableName, governance: &Governance) -> bool {
    decide_named(asker, name, governance).is_some_and(|(decision, _)| !decision.describe.is_empty())
}

/// The columns of the view, over tables without rows: nothing is read. An administrator may describe everything, and
/// so may make a view of everything; others need to read what they put into one.
async fn schema(
    app: &App,
    identity: &Arc<Identity>,
    parsed: Parsed,
    database: Option<&str>,
) -> Result<Schema> {
    let governance = app.state();
    let mut tables: BTreeMap<TableAt, Arc<dyn TableProvider>> = BTreeMap::new();
    if app.is_administrator(identity) {
        for table in parsed.tables() {
            let columns = columns(app, &governance, table).await?;
            tables.insert(table.clone(), Arc::new(EmptyTable::new(columns)));
        }
    } else {
        let decided = Decided::decide(parsed.clone(), Arc::clone(identity), Arc::clone(&governance), false)?;
        let authorized = decided.authorize(&app.store, Duration::ZERO).await?;
        for (table, fields) in authorized.fields(|decision| decision.describe.clone()) {
            tables.insert(table, Arc::new(EmptyTable::new(Arc::new(Schema::new(fields)))));
        }
    }
    let session = app.engine.session(tables, database)?;
    let plan = session.statement_to_plan(parsed.into_statement()).await.map_err(fault::translate)?;
    Ok(plan.schema().as_arrow().clone())
}

/// All columns of a table or view, at a version those that it has now too.
async fn columns(app: &App, governance: &Governance, table: &TableAt) -> Result<SchemaRef> {
    let TableAt { name, at } = table;
    let no_such_table = || no_such_table(&name.to_string());
    if *at == At::Now {
        return governance.state.schema_of(name).cloned().ok_or_else(no_such_table);
    }
    let record = &governance.state.tables.get(name).ok_or_else(no_such_table)?.value;
    let then = published(&app.store, record, *at, Duration::ZERO).await?;
    Ok(Arc::new(Schema::new(shared(&then.schema, &record.schema))))
}

impl DropView {
    pub(super) fn of(statement: &Statement, database: Option<&str>) -> Result<Option<Self>> {
        let Statement::Drop { object_type: ObjectType::View, if_exists, names, .. } = statement else {
            return Ok(None);
        };
        let [name] = names.as_slice() else { return Err(Error::invalid_request("drop one view at a time")) };
        Ok(Some(Self { name: full_object_name(name, database)?, if_exists: *if_exists }))
    }

    pub(super) fn name(&self) -> &TableName {
        &self.name
    }

    pub(super) async fn run(self, app: &App, identity: &Identity) -> Result<&'static str> {
        let governance = app.state();
        let asker = asker(identity, &governance, false);
        let on = Target::Table(self.name.clone());
        let kept = governance.state.views.get(&self.name);
        let may = app.is_administrator(identity)
            || kept.is_some_and(|kept| kept.value.owner == identity.user)
            || can(&asker, Permission::Drop, &on, &governance.index);
        match kept {
            Some(kept) if may => {
                let change = Change::DropView { name: self.name, expected: Some(kept.revision) };
                app.change(&identity.user, vec![change]).await.map(|_| "DROP VIEW")
            }
            Some(_) if is_seen(&asker, &self.name, &governance) => {
                let text = format!("dropping `{}` needs the permission `drop` on it", self.name);
                Err(Error::new(ErrorKind::PermissionDenied, text))
            }
            _ if self.if_exists => Ok("DROP VIEW"),
            // Not there, or not for the reader to know of: one answer.
            _ => Err(no_such_table(&self.name.to_string())),
        }
    }
}
