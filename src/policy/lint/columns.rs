//! Tables whose columns have changed under the rules: what is closed because of it, and what nobody has looked at yet.

use super::{Finding, Ground};
use crate::policy::leaf;
use crate::policy::model::{Columns, Grant, Permission, TableName, Target};
use crate::policy::path::is_at_or_inside;

pub(super) fn findings(ground: &Ground<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (table, columns) in ground.tables {
        let tags = ground.index.tags_of(table);
        for rule in ground.policy.restrictions.values() {
            if let Some(path) = leaf::lost(rule, table, columns, &tags) {
                let message = format!(
                    "`{table}` is closed to everybody that the restriction `{}` applies to: it has no column `{path}` any \
                     more, and what came in its place must not be shown; change the restriction or the tags",
                    rule.name
                );
                found.push(Finding::new("table_closed", message));
            }
        }
    }
    found.extend(unreleased(ground));
    found
}

fn unreleased(ground: &Ground<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (table, paths) in &ground.policy.unreleased {
        for path in paths {
            let waits = |grant: &&&Grant| is_on(grant, table) && would_show(grant, path);
            let waiting = ground.index.grants().iter().filter(waits).count();
            if waiting > 0 {
                let message = format!(
                    "the column `{path}` of `{table}` came later, and {waiting} grants that only exclude columns do not \
                     show it: release it, or grant it by its name"
                );
                found.push(Finding::new("column_unreleased", message));
            }
        }
    }
    found
}

fn is_on(grant: &Grant, table: &TableName) -> bool {
    match &grant.on {
        Target::Table(name) => name == table,
        Target::AllTables(database) => *database == table.database,
        Target::Tagged(_) => true,
        Target::Database(_) => false,
    }
}

fn would_show(grant: &Grant, path: &str) -> bool {
    let Columns::Exclude(names) = &grant.columns else { return false };
    grant.permissions.contains(&Permission::Select) && !names.iter().any(|name| is_at_or_inside(path, name))
}
