//! An earlier version of a table under today's policy.
//!
//! Rules are on names. So a version has the columns that are in the table now under the same name and of the same type,
//! and the policy says of each what it says now; a column that is gone, or is something else now, is as if it had never
//! been: no rule of today is about it. A rule that needs a column which the version does not have no longer fits, and
//! the version fails closed with it.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, FieldRef, Schema};

use crate::catalog::version::{At, no_such_version, published};
use crate::catalog::widening::holds_all;
use crate::error::Result;
use crate::policy::decision::Decision;
use crate::store::Store;
use crate::store::record::TableRecord;

/// A version of a table, and what may be seen of it.
#[derive(Debug)]
pub struct Earlier {
    /// The table as it was.
    pub record: TableRecord,
    /// Its columns that the table has now, as they are now.
    pub shared: Vec<FieldRef>,
    /// The decision of now, on these.
    pub decision: Decision,
}

impl Earlier {
    /// The version of `record` at `at`, under `decision`, which lets the table be read as it is now. Its files are there for
    /// `reading` more.
    ///
    /// # Errors
    ///
    /// `not_found` for a version that is not there, or of which no column is the reader's.
    pub async fn find(
        store: &Store,
        record: &TableRecord,
        at: At,
        decision: &Decision,
        reading: Duration,
    ) -> Result<Self> {
        let then = published(store, record, at, reading).await?;
        let shared = shared(&then.schema, &record.schema);
        let decision = narrowed(decision.clone(), &shared);
        match decision.columns.is_empty() {
            true => Err(no_such_version(&record.name, at)),
            false => Ok(Self { record: then, shared, decision }),
        }
    }
}

/// The columns of the table `now` that it had `then`, as they are now.
pub fn shared(then: &Schema, now: &Schema) -> Vec<FieldRef> {
    let known = |field: &FieldRef| {
        let before = then.field_with_name(field.name()).ok()?;
        let fits = is_same(before.data_type(), field.data_type())
            || holds_all(before.data_type(), field.data_type());
        let is_nullable = before.is_nullable() || field.is_nullable();
        fits.then(|| Arc::new(Field::clone(field).with_nullable(is_nullable)))
    };
    now.fields().iter().filter_map(known).collect()
}

/// `decision`, which is on the table now, of a version that has the columns `shared` of it.
fn narrowed(mut decision: Decision, shared: &[FieldRef]) -> Decision {
    let is_there = |name: &str| shared.iter().any(|field| field.name() == name);
    decision.columns.retain(|column| is_there(&column.name));
    decision.describe.retain(|column| is_there(&column.name));
    decision
}

/// Whether values of the two mean the same: fields of structs are of one name and in one order, since rules name them.
fn is_same(then: &DataType, now: &DataType) -> bool {
    let fields =
        |then: &Field, now: &Field| then.name() == now.name() && is_same(then.data_type(), now.data_type());
    match (then, now) {
        (DataType::Struct(then), DataType::Struct(now)) => {
            then.len() == now.len() && then.iter().zip(now).all(|(then, now)| fields(then, now))
        }
        (DataType::List(then), DataType::List(now))
        | (DataType::LargeList(then), DataType::LargeList(now)) => is_same(then.data_type(), now.data_type()),
        (DataType::Map(then, _), DataType::Map(now, _)) => is_same(then.data_type(), now.data_type()),
        (then, now) => then == now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &[(&str, DataType)]) -> Schema {
        Schema::new(
            columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_version_shares_what_has_the_same_name_and_type() {
        let pair = |one: &str, other: &str| {
            DataType::Struct(
                [one, other].iter().map(|name| Arc::new(Field::new(*name, DataType::Utf8, true))).collect(),
            )
        };
        let then = of(&[
            ("gone", DataType::Utf8),
            ("wider", DataType::Int32),
            ("narrower", DataType::Int64),
            ("other", DataType::Utf8),
            ("price", DataType::Decimal128(10, 2)),
            ("whole", DataType::Decimal128(10, 2)),
            ("swapped", pair("secret", "name")),
            ("kept", pair("a", "b")),
            ("ID", DataType::Int64),
        ]);
        let now = of(&[
            ("new", DataType::Utf8),
            ("kept", pair("a", "b")),
            ("wider", DataType::Int64),
            ("narrower", DataType::Int32),
            ("other", DataType::Int64),
            ("price", DataType::Decimal128(12, 3)),
            ("whole", DataType::Decimal128(10, 3)),
            ("swapped", pair("name", "secret")),
            ("id", DataType::Int64),
        ]);
        let names = shared(&then, &now).iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        assert_eq!(names, ["kept", "wider", "price"]);
    }
}
