//! What becomes of a table's columns when its source has changed them.
//!
//! A change that loses nothing is followed: new columns, wider types, columns that are gone. One that may lose values, or
//! that may be a new name for an old column, stops the table: rules speak of columns by their names. Pure; who may see a
//! new column is not decided here.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::catalog::widening::may_become;
use crate::error::{Error, Result};
use crate::policy::model::TableName;

/// What is done about columns that are others in the source than in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// Follow what loses nothing, stop at a narrower type and at what looks like a new name.
    #[default]
    Evolve,
    /// The lake's columns stay: a narrower type stays wide, and what looks like a new name is a new column.
    Keep,
    /// The source's columns take the place of the lake's, and all rows are read again.
    Replace,
}

/// What has become of the columns, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Drift {
    /// New in the lake; rows from before have NULL in them.
    pub added: Vec<String>,
    /// Of a wider type than before.
    pub widened: Vec<String>,
    /// Not in the source any more; new rows have NULL in them.
    pub missing: Vec<String>,
    /// Not in the lake any more.
    pub removed: Vec<String>,
}

/// The columns that a table is to have.
#[derive(Debug, Clone)]
pub(super) struct Evolved {
    pub schema: SchemaRef,
    pub drift: Drift,
    /// Whether all rows must come from the source again.
    pub anew: bool,
}

impl Drift {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Evolved {
    /// A table that was not there before.
    pub fn first(schema: SchemaRef) -> Self {
        Self { schema, drift: Drift::default(), anew: false }
    }
}

/// The columns of `table`, which has those of `lake`, when its source has those of `source`.
///
/// # Errors
///
/// `invalid_request` when somebody has to say what is meant.
pub(super) fn evolve(
    on_drift: OnDrift,
    table: &TableName,
    lake: &SchemaRef,
    source: &SchemaRef,
) -> Result<Evolved> {
    if on_drift == OnDrift::Replace {
        return Ok(replaced(lake, source));
    }
    let change = Change { on_drift, table, lake, source };
    if on_drift == OnDrift::Evolve {
        change.refuse_renames()?;
    }
    let mut drift = Drift::default();
    let mut fields = Vec::new();
    for old in lake.fields() {
        fields.push(match source.fields().find(old.name()) {
            Some((_, new)) => change.kept(old, new, &mut drift)?,
            None => {
                drift.missing.push(old.name().clone());
                nullable(old)
            }
        });
    }
    for new in source.fields().iter().filter(|new| lake.fields().find(new.name()).is_none()) {
        drift.added.push(new.name().clone());
        fields.push(nullable(new));
    }
    Ok(Evolved { schema: Arc::new(Schema::new(fields)), drift, anew: false })
}

fn replaced(lake: &SchemaRef, source: &SchemaRef) -> Evolved {
    let only_in = |one: &SchemaRef, other: &SchemaRef| {
        let names = one.fields().iter().map(|field| field.name());
        names.filter(|name| other.fields().find(name).is_none()).cloned().collect()
    };
    let drift = Drift { added: only_in(source, lake), removed: only_in(lake, source), ..Drift::default() };
    Evolved { schema: Arc::clone(source), drift, anew: lake.fields() != source.fields() }
}

/// Two sets of columns that meet.
struct Change<'a> {
    on_drift: OnDrift,
    table: &'a TableName,
    lake: &'a SchemaRef,
    source: &'a SchemaRef,
}

impl Change<'_> {
    /// A column that both have, with a type that holds the values of both.
    fn kept(&self, old: &FieldRef, new: &FieldRef, drift: &mut Drift) -> Result<FieldRef> {
        let is_nullable = old.is_nullable() || new.is_nullable();
        let of_type = |data_type: &DataType| {
            Arc::new(Field::clone(old).with_data_type(data_type.clone()).with_nullable(is_nullable))
        };
        let (was, is) = (old.data_type(), new.data_type());
        if was == is {
            return Ok(of_type(was));
        }
        if may_become(was, is) {
            drift.widened.push(old.name().clone());
            return Ok(of_type(is));
        }
        let fits = may_become(is, was);
        if fits && self.on_drift == OnDrift::Keep {
            return Ok(of_type(was));
        }
        let keep = if fits { "`--columns keep` keeps the wider type, " } else { "" };
        Err(Error::invalid_request(format!(
            "the column `{}` of `{}` is `{is}` in the source and `{was}` in the lake: {keep}`--columns replace` takes the \
             source's columns and reads all rows again",
            old.name(),
            self.table
        )))
    }

    /// A new column that stands where one of its type has gone is likely the same under another name. A rule on the old
    /// name would not speak of it.
    fn refuse_renames(&self) -> Result<()> {
        let gone = standing(self.lake, self.source);
        for (new, place) in standing(self.source, self.lake) {
            let is_it = |(old, was): &&(&FieldRef, Option<&str>)| {
                *was == place
                    && (old.data_type() == new.data_type() || may_become(old.data_type(), new.data_type()))
            };
            if let Some((old, _)) = gone.iter().find(is_it) {
                let (old, new) = (old.name(), new.name());
                return Err(Error::invalid_request(format!(
                    "the source of `{}` has `{new}` where `{old}` stood: if it is the same column, `--columns replace` \
                     renames it and reads all rows again, and rules on `{old}` must be changed; if it is another one, \
                     `--columns keep` adds it and keeps `{old}`",
                    self.table
                )));
            }
        }
        Ok(())
    }
}

/// The columns of `one` that `other` has not, each with the nearest column before it that both have.
fn standing<'a>(one: &'a SchemaRef, other: &SchemaRef) -> Vec<(&'a FieldRef, Option<&'a str>)> {
    let mut found = Vec::new();
    let mut before = None;
    for field in one.fields() {
        match other.fields().find(field.name()) {
            Some(_) => before = Some(field.name().as_str()),
            None => found.push((field, before)),
        }
    }
    found
}

fn nullable(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_nullable(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
        let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    fn evolved(on_drift: OnDrift, lake: &[(&str, DataType)], source: &[(&str, DataType)]) -> Result<Evolved> {
        evolve(on_drift, &TableName::new("s", "t"), &schema(lake), &schema(source))
    }

    fn texts(names: &[&'static str]) -> Vec<(&'static str, DataType)> {
        names.iter().map(|name| (*name, DataType::Utf8)).collect()
    }

    #[test]
    fn what_stands_in_the_place_of_what_is_gone_is_taken_for_a_rename() {
        let cases: [(&[&str], &[&str], bool); 8] = [
            (&["a", "x", "b"], &["a", "y", "b"], true),
            (&["a", "x"], &["a", "y"], true),
            (&["x", "a"], &["y", "a"], true),
            (&["a", "x", "b"], &["a", "b", "y"], false),
            // `x` went long ago, and `y` comes at the end.
            (&["a", "x", "b", "c"], &["a", "b", "c", "y"], false),
            (&["a", "b"], &["a", "b", "y"], false),
            (&["a", "b", "y"], &["a", "y"], false),
            (&["a", "x1", "x2", "b"], &["a", "y", "b"], true),
        ];
        for (lake, source, stops) in cases {
            let outcome = evolved(OnDrift::Evolve, &texts(lake), &texts(source));
            assert_eq!(outcome.is_err(), stops, "{lake:?} {source:?}");
            assert!(evolved(OnDrift::Keep, &texts(lake), &texts(source)).is_ok());
        }
        let of_other_type = [("a", DataType::Utf8), ("y", DataType::Int64)];
        assert!(evolved(OnDrift::Evolve, &texts(&["a", "x"]), &of_other_type).is_ok());
    }

    #[test]
    fn keeping_and_replacing() {
        let wide = [("id", DataType::Int64), ("note", DataType::Utf8)];
        let narrow = [("id", DataType::Int32), ("text", DataType::Utf8)];
        assert!(evolved(OnDrift::Evolve, &wide, &narrow).is_err());
        let kept = evolved(OnDrift::Keep, &wide, &narrow).unwrap();
        assert_eq!(kept.schema, schema(&[wide[0].clone(), wide[1].clone(), narrow[1].clone()]));
        assert_eq!((kept.drift.added, kept.drift.missing), (vec!["text".into()], vec!["note".into()]));
        let replaced = evolved(OnDrift::Replace, &wide, &narrow).unwrap();
        assert!(replaced.anew && replaced.schema == schema(&narrow));
        assert!(!evolved(OnDrift::Replace, &wide, &wide).unwrap().anew);
        let other = [("id", DataType::Utf8)];
        let told = evolved(OnDrift::Keep, &wide, &other).unwrap_err();
        assert!(!told.detail().contains("keep"), "{told}");
    }
}
