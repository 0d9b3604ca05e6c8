//! The rules that are in force, looked at again: tables change, and what fitted them once may not any more.

use arrow_schema::SchemaRef;
use datafusion::prelude::Expr;

use super::{Judge, Names};
use crate::app::{App, Governance};
use crate::error::{Error, Result};
use crate::policy::grant::GrantSpec;
use crate::policy::leaf;
use crate::policy::model::{TableName, Target};
use crate::policy::restriction::{Effect, Restriction};
use crate::store::record::State;

/// A rule in force, and what came of trying it on its tables.
#[derive(Debug)]
pub struct Standing {
    /// Words that name the rule.
    pub rule: String,
    /// Its row rule on each of its tables and views, as the engine knows it; none for other rules. Or the error: it
    /// does not fit one of its tables, which cannot be read then.
    pub tried: Result<Vec<(TableName, Expr)>>,
}

/// All rules of `state` that have an expression or a mask, tried on the tables they are on now.
pub fn standing(app: &App, state: State) -> Vec<Standing> {
    let judge = Judge::new(app, Governance::of(state), Names::MayCome);
    let mut rules = Vec::new();
    for grant in judge.after.grants.values().map(|grant| &grant.value) {
        if let Some(rows) = &grant.rows {
            let rule = format!("`{}`", GrantSpec::from(grant.as_ref()));
            rules.push(Standing { rule, tried: judge.try_rows(rows, judge.tables_of(&grant.on)) });
        }
    }
    for filter in judge.after.filters.values().map(|filter| &filter.value) {
        if let Some(rows) = &filter.rows {
            let on = Target::Table(filter.on.clone());
            let rule = format!("the filter `{}`", filter.name);
            rules.push(Standing { rule, tried: judge.try_rows(rows, judge.tables_of(&on)) });
        }
    }
    for restriction in judge.after.restrictions.values().map(|restriction| &restriction.value) {
        let rule = format!("the restriction `{}`", restriction.name);
        rules.push(Standing { rule, tried: judge.try_restriction(restriction) });
    }
    rules
}

impl Judge<'_> {
    fn try_restriction(&self, rule: &Restriction) -> Result<Vec<(TableName, Expr)>> {
        match &rule.effect {
            Effect::Rows(rows) => {
                let on =
                    self.all_tables().filter(|(name, _)| leaf::restricts_rows_of(rule, name, &self.index));
                self.try_rows(rows, on)
            }
            Effect::Hide | Effect::Mask(_) => {
                self.effect(rule).map(|()| Vec::new()).map_err(|(_, error)| error)
            }
        }
    }

    fn try_rows<'t>(
        &self,
        text: &str,
        tables: impl Iterator<Item = (&'t TableName, &'t SchemaRef)>,
    ) -> Result<Vec<(TableName, Expr)>, Error> {
        let on = |(name, schema): (&'t TableName, &'t SchemaRef)| {
            Ok((name.clone(), self.expressions.rows_on(text, name, schema, &self.index)?))
        };
        tables.map(on).collect()
    }
}
