//! The lint with everything that it looks at: rules, catalog, engine and clock.

use chrono::Utc;

use super::pruning::cannot_prune;
use super::{File, databases, prepare};
use crate::app::App;
use crate::app::rules::standing::{Standing, standing};
use crate::catalog::shapes;
use crate::error::Result;
use crate::policy::compile::Index;
use crate::policy::lint::{self, Finding, Ground};

/// What is worth a look in the policy as it would be with `files` applied; without any, as it is.
pub async fn lint(app: &App, files: &[File], prune: bool) -> Result<Vec<Finding>> {
    let prepared = prepare(app, files, prune && !files.is_empty()).await?;
    let state = prepared.governance.state.after(&prepared.changes);
    let tables = state.tables.iter().map(|(name, table)| (name.clone(), shapes(table.value.schema.fields())));
    let views = state.views.iter().map(|(name, view)| (name.clone(), shapes(view.value.schema.fields())));
    let (policy, tables) = (state.policy(), tables.chain(views).collect());
    let mut found = lint::lint(&Ground {
        policy: &policy,
        index: &Index::new(policy.clone()),
        databases: &databases(&state),
        tables: &tables,
        now: Utc::now(),
    });
    let rules = standing(app, state.clone());
    found.extend(rules.iter().filter_map(|Standing { rule, tried }| {
        let error = tried.as_ref().err()?;
        Some(Finding::new("expression_invalid", format!("{rule}: {}", error.detail())))
    }));
    found.extend(cannot_prune(app, &state, &rules).await);
    found.sort();
    Ok(found)
}
