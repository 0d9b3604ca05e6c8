//! What a source says of a table beside its rows: comments and keys, kept with the table and renewed by each run.

use super::Context;
use super::source::discovery::{DiscoveredTable, ForeignKey};
use crate::catalog::{Description, Reference};
use crate::policy::model::TableName;

/// Keeps what is said of the table `name`. That it fails fails no table: its rows are in.
pub(super) async fn annotate(context: &Context, said: &DiscoveredTable, name: &TableName) {
    if let Err(error) = context.catalog.describe(description(said, name)).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(table = %name, error, "comments and keys of a table could not be kept");
    }
}

fn description(said: &DiscoveredTable, name: &TableName) -> Description {
    let comment = |column: &super::source::discovery::DiscoveredColumn| {
        column.comment.clone().map(|comment| (column.name.clone(), comment))
    };
    // In the lake a table of another schema has the place of its own database, which is not known here.
    let is_beside = |foreign: &&ForeignKey| foreign.schema == said.schema;
    let reference = |foreign: &ForeignKey| Reference {
        columns: foreign.columns.clone(),
        table: TableName::new(&name.database, &foreign.table),
        references: foreign.references.clone(),
    };
    Description {
        table: name.clone(),
        comment: said.comment.clone(),
        columns: said.columns.iter().filter_map(comment).collect(),
        primary_key: said.key.clone(),
        foreign_keys: said.foreign_keys.iter().filter(is_beside).map(reference).collect(),
    }
}
