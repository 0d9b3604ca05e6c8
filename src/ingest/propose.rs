//! What is proposed for the columns that are new in a table: a tag for those that look personal.
//!
//! The sample is taken from the source when the table is in, at the same point in time, and so costs the reading nothing. That it
//! fails fails no table: what is there is governed by the rules that are there.

use arrow_schema::SchemaRef;

use super::Context;
use super::personal::Finding;
use super::personal_columns::personal_columns;
use super::source::{Snapshot, SourceTable};
use crate::policy::model::TableName;
use crate::policy::proposal::Proposal;
use crate::policy::tag::TaggedObject;

/// The tag that is proposed for what looks personal.
pub const KEY: &str = "sensitivity";
/// Its value.
pub const VALUE: &str = "pii";

/// How many rows tell enough.
const ROWS: usize = 500;

/// Proposes a tag for the columns of `table` that look personal, but for those that were in the lake `before`. Gives how many.
pub(super) async fn propose(
    context: &Context,
    snapshot: &mut dyn Snapshot,
    table: &SourceTable,
    name: &TableName,
    before: Option<&SchemaRef>,
) -> usize {
    let is_new = |column: &String| before.is_none_or(|before| before.fields().find(column).is_none());
    let names = table.schema.fields().iter().map(|field| field.name().clone());
    let new = names.filter(is_new).collect::<Vec<_>>();
    if new.is_empty() {
        return 0;
    }
    let Ok(only) = table.only(&new) else { return 0 };
    let found = personal_columns(snapshot, &only, ROWS).await;
    let proposals = found.into_iter().map(|(column, finding)| proposal(name, column, finding)).collect();
    context.catalog.propose(proposals).await.unwrap_or_else(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(table = %name, error, "what looks personal in a table could not be proposed");
        0
    })
}

fn proposal(name: &TableName, column: String, finding: Finding) -> Proposal {
    Proposal {
        object: TaggedObject::Column(name.clone(), column),
        key: KEY.to_owned(),
        value: VALUE.to_owned(),
        kind: finding.kind.to_string(),
        evidence: finding.evidence,
        is_rejected: false,
    }
}
