//! Expressions of rules against the tables that they are for.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::{DataType, Field, Fields, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::prelude::{Expr, lit};

use crate::app::App;
use crate::catalog::shapes;
use crate::error::{Error, Result};
use crate::policy::compile::Index;
use crate::policy::leaf;
use crate::policy::model::TableName;
use crate::policy::principal::Identity;
use crate::policy::restriction::{Effect, Mask, Restriction};
use crate::query::expression::{self, Reader};
use crate::query::mask;
use crate::store::record::TableRecord;

/// Checks expressions for a reader who is nobody: what they ask of the reader has a value for everyone.
pub(super) struct Expressions<'a> {
    app: &'a App,
    nobody: Identity,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(app: &'a App) -> Self {
        let nobody = Identity { user: String::new(), groups: BTreeSet::new(), attributes: BTreeMap::new() };
        Self { app, nobody }
    }

    /// A row rule, on every one of `tables`.
    pub(super) fn rows<'t>(
        &self,
        text: &str,
        tables: impl Iterator<Item = (&'t TableName, &'t SchemaRef)>,
        index: &Index,
    ) -> Result<()> {
        expression::check_syntax(text).map_err(|reason| cannot_be(text, "a row rule", &reason))?;
        for (name, schema) in tables {
            self.rows_on(text, name, schema, index)?;
        }
        Ok(())
    }

    /// A row rule on one table, as the engine knows it.
    pub(super) fn rows_on(
        &self,
        text: &str,
        table: &TableName,
        schema: &SchemaRef,
        index: &Index,
    ) -> Result<Expr> {
        let reader = Reader { identity: &self.nobody, index };
        expression::condition(text, &named(schema)?, &reader, self.app.engine.bare())
            .map_err(|reason| cannot_be(text, "a row rule", &format!("{reason} (on `{table}`)")))
    }

    /// What a restriction does, on `table`, as far as it is on it.
    pub(super) fn restriction(
        &self,
        rule: &Restriction,
        name: &TableName,
        table: &TableRecord,
        index: &Index,
    ) -> Result<(), (&'static str, Error)> {
        match &rule.effect {
            Effect::Rows(text) => {
                expression::check_syntax(text)
                    .map_err(|reason| ("rows", cannot_be(text, "a row rule", &reason)))?;
                match leaf::restricts_rows_of(rule, name, index) {
                    true => {
                        let fits = self.rows_on(text, name, &table.schema, index);
                        fits.map(|_| ()).map_err(|error| ("rows", error))
                    }
                    false => Ok(()),
                }
            }
            Effect::Hide => Ok(()),
            Effect::Mask(mask) => {
                if let Mask::Using(text) = mask {
                    expression::check_syntax(text)
                        .map_err(|reason| ("mask", cannot_be(text, "a mask", &reason)))?;
                }
                for path in leaf::paths_in_scope(rule, name, &shapes(table.schema.fields()), index) {
                    self.mask_on(mask, name, &path, &table.schema, index).map_err(|error| ("mask", error))?;
                }
                Ok(())
            }
        }
    }

    fn mask_on(
        &self,
        mask: &Mask,
        table: &TableName,
        path: &str,
        schema: &SchemaRef,
        index: &Index,
    ) -> Result<()> {
        let Some(field) = field_at(schema.fields(), path) else { return Ok(()) };
        let outcome = match mask {
            Mask::Using(text) => {
                let reader = Reader { identity: &self.nobody, index };
                let found = expression::value(text, &named(schema)?, &reader, self.app.engine.bare());
                found.and_then(|(value, found)| mask::using(value, &found, lit(true), field.data_type()))
            }
            known => mask::named(known, lit(true), field.data_type(), &self.app.mask_key),
        };
        outcome.map(|_| ()).map_err(|reason| match mask {
            Mask::Using(text) => cannot_be(text, "a mask", &format!("{reason} (on `{table}.{path}`)")),
            _ => Error::invalid_request(format!("{reason}: `{table}.{path}`")),
        })
    }
}

fn named(schema: &SchemaRef) -> Result<DFSchema> {
    DFSchema::try_from(schema.as_ref().clone()).map_err(Error::internal)
}

fn field_at<'s>(fields: &'s Fields, path: &str) -> Option<&'s Field> {
    let whole = fields.iter().find(|field| field.name() == path);
    whole.map(AsRef::as_ref).or_else(|| {
        fields.iter().find_map(|field| {
            let rest = path.strip_prefix(field.name().as_str())?.strip_prefix('.')?;
            match field.data_type() {
                DataType::Struct(inner) => field_at(inner, rest),
                _ => None,
            }
        })
    })
}

fn cannot_be(text: &str, what: &str, reason: &str) -> Error {
    Error::invalid_request(format!("the expression `{text}` cannot be {what}: {reason}"))
}
