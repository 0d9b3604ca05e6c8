//! Statements that change the policy or the catalog: who may grant what, and views.
//!
//! They go through the same checks as a change through any other door. Nothing is read here.

mod grant;
mod view;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::sql::sqlparser::ast::Statement;

use self::grant::{Granting, Revoking};
pub use self::view::CreateView;
use self::view::DropView;
use crate::app::App;
use crate::error::{Error, Result};
use crate::policy::model::TableName;
use crate::policy::principal::Identity;

/// A statement that changes something.
#[derive(Debug)]
pub enum Command {
    Grant(Granting),
    Revoke(Revoking),
    CreateView(CreateView),
    DropView(DropView),
}

impl Command {
    /// The command that `statement` is, if it is one.
    pub(super) fn of(statement: &Statement, database: Option<&str>) -> Result<Option<Self>> {
        match statement {
            Statement::Grant(grant) => Granting::of(grant, database).map(Self::Grant).map(Some),
            Statement::Revoke(revoke) => Revoking::of(revoke, database).map(Self::Revoke).map(Some),
            Statement::CreateView(view) => CreateView::of(view, database).map(Self::CreateView).map(Some),
            other => Ok(DropView::of(other, database)?.map(Self::DropView)),
        }
    }

    /// The tables and views it names.
    pub(super) fn tables(&self) -> Vec<TableName> {
        match self {
            Self::Grant(granting) => granting.tables(),
            Self::Revoke(revoking) => revoking.tables(),
            Self::CreateView(view) => vec![view.name().clone()],
            Self::DropView(view) => vec![view.name().clone()],
        }
    }

    /// Does it, and tells what was done.
    pub(super) async fn run(self, app: &App, identity: &Arc<Identity>) -> Result<RecordBatch> {
        let done = match self {
            Self::Grant(granting) => granting.run(app, identity).await?,
            Self::Revoke(revoking) => revoking.run(app, identity).await?,
            Self::CreateView(view) => view.run(app, identity).await?,
            Self::DropView(view) => view.run(app, identity).await?,
        };
        told(done)
    }
}

/// The answer of a command: what was done, in one row.
pub(super) fn told(done: &str) -> Result<RecordBatch> {
    let status: ArrayRef = Arc::new(StringArray::from(vec![done]));
    RecordBatch::try_from_iter([("status", status)]).map_err(Error::internal)
}
