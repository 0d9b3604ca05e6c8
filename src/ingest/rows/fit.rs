//! The rows of a request as values of their table: each exactly, or none at all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use crate::error::{Error, ErrorKind, Result};
use crate::ingest::source::files::{equal, exactly, rows_of_ndjson};
use crate::ingest::source::{ReadOptions, Unfit};

/// What the values of one request may come to, in bytes. A value that is missing takes no room where it is sent, and some in
/// memory.
const MOST_BYTES: u64 = 128 << 20;

/// Refuses so many rows that the columns `fields` of them would be more than a request may hold, before any is made.
fn refuse_large(rows: usize, fields: &Fields) -> Result<()> {
    let width = fields.iter().map(|field| width(field.data_type())).fold(0, u64::saturating_add);
    match u64::try_from(rows).unwrap_or(u64::MAX).saturating_mul(width) <= MOST_BYTES {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::LimitExceeded,
            "so many rows of this table need more memory than one request may hold: send fewer at once",
        )),
    }
}

/// About how many bytes a value takes that is NULL.
fn width(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Struct(fields) => {
            fields.iter().map(|field| width(field.data_type())).fold(1, u64::saturating_add)
        }
        DataType::FixedSizeList(item, length) => {
            width(item.data_type()).saturating_mul(u64::try_from(*length).unwrap_or(0))
        }
        DataType::FixedSizeBinary(length) => u64::try_from(*length).unwrap_or(0),
        other => other.primitive_width().map_or(9, |width| width as u64 + 1),
    }
}

/// The rows in the lines of `body`, of which `fields` are the columns.
///
/// # Errors
///
/// `column_not_found` for a key that is none of `fields`, `invalid_request` for anything else, with the line.
pub fn from_ndjson(body: &[u8], fields: &Fields) -> Result<RecordBatch> {
    refuse_large(body.split(|byte| *byte == b'\n').count(), fields)?;
    rows_of_ndjson(body, fields)
}

/// The rows of `batches`, whose columns are some of `fields`.
///
/// # Errors
///
/// `column_not_found` for a column that is none of `fields`, `invalid_request` for one of another type, for a value that
/// its column does not hold, and for a missing one.
pub fn from_arrow(batches: &[RecordBatch], fields: &Fields) -> Result<RecordBatch> {
    refuse_large(batches.iter().map(RecordBatch::num_rows).fold(0, usize::saturating_add), fields)?;
    let schema = Arc::new(Schema::new(fields.clone()));
    let fitted = batches.iter().map(|batch| of_batch(batch, &schema)).collect::<Result<Vec<_>>>()?;
    concat_batches(&schema, &fitted).map_err(Error::internal)
}

fn of_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let given = batch.schema();
    for (at, field) in given.fields().iter().enumerate() {
        let name = field.name();
        if schema.fields().find(name).is_none() {
            return Err(Error::new(ErrorKind::ColumnNotFound, format!("column not found: `{name}`")));
        }
        if given.fields().iter().take(at).any(|before| before.name() == name) {
            return Err(Error::invalid_request(format!("column `{name}` is there twice")));
        }
    }
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(column) => held(column, field),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let missing = |(field, column): (&Arc<Field>, &ArrayRef)| {
        (!field.is_nullable() && column.null_count() > 0).then(|| field.name().clone())
    };
    if let Some(name) = schema.fields().iter().zip(&columns).find_map(missing) {
        return Err(Error::invalid_request(format!("`{name}` must have a value in each row")));
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::internal)
}

/// The values of `column` in the type of `field`, which must hold them as they are.
fn held(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let (given, wanted) = (column.data_type(), field.data_type());
    let other = || {
        let name = field.name();
        Error::invalid_request(format!("column `{name}` is `{given}` and should be `{wanted}`"))
    };
    if !is_plain(given) {
        return Err(other());
    }
    let is_whole = given.is_integer() && wanted.is_integer();
    let same = match equal(given) {
        _ if is_whole => {
            let exact = CastOptions { safe: false, ..CastOptions::default() };
            return cast_with_options(column, wanted, &exact).map_err(|cause| {
                let name = field.name();
                let text = format!("column `{name}` has a value that `{wanted}` does not hold");
                Error::invalid_request(text).with_source(cause)
            });
        }
        Some(same) if same.equals_datatype(wanted) => same,
        _ => return Err(other()),
    };
    let options = ReadOptions::default();
    let mut unfit = Unfit::new("rows", &options);
    let exact = exactly(column, &same, field.name(), &mut unfit);
    let exact = exact.map_err(|error| match error.kind() {
        ErrorKind::QueryFailed => {
            let name = field.name();
            Error::invalid_request(format!("column `{name}` has a value that `{wanted}` does not hold"))
        }
        _ => error,
    })?;
    // The names of what lies in lists differ between systems.
    cast_with_options(&exact, wanted, &CastOptions::default()).map_err(Error::internal)
}

/// Whether a value of the type takes the room that it is sent in: a few bytes in a dictionary or under views can stand for
/// more than there is memory.
fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::Utf8View
        | DataType::BinaryView
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Union(..) => false,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => is_plain(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_plain(field.data_type())),
        _ => true,
    }
}

/// The same rows with all columns of `schema`: NULL in those that nothing was said of. Which of them must not be NULL is
/// not told, since the caller may not know them.
pub(super) fn filled(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    refuse_large(batch.num_rows(), schema.fields())?;
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(column) => Ok(Arc::clone(column)),
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
        None => Err(Error::invalid_request(
            "the table has a column that must have a value and that is not yours to write",
        )),
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatchOptions;

    use super::*;

    /// A batch may say of itself that it has more rows than there is memory.
    #[test]
    fn what_is_missing_is_not_filled_without_bound() {
        let many = RecordBatchOptions::new().with_row_count(Some(1 << 50));
        let none = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &many).unwrap();
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let lines = "{}\n".repeat(15_000_000);
        for refused in [
            from_arrow(std::slice::from_ref(&none), schema.fields()),
            filled(&none, &schema),
            from_ndjson(lines.as_bytes(), schema.fields()),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::LimitExceeded);
        }
        let some = from_ndjson(b"{}\n{\"id\":1}", schema.fields()).unwrap();
        assert_eq!(some.num_rows(), 2);
    }
}
