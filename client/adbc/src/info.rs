//! Names and versions, and what kinds of tables there are, in the forms that ADBC prescribes.

use std::collections::HashSet;
use std::sync::Arc;

use adbc_core::constants::ADBC_VERSION_1_1_0;
use adbc_core::error::Result;
use adbc_core::options::InfoCode;
use adbc_core::schemas::{GET_INFO_SCHEMA, GET_TABLE_TYPES_SCHEMA};
use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array, UnionArray, new_empty_array,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::DataType;
use lakegate_client::DatabaseMetaData;

use crate::reader::{Reader, one};

/// A value of one of the first three forms that values may have.
enum Told {
    Text(&'static str),
    Truth(bool),
    Number(i64),
}

const KNOWN: [(InfoCode, Told); 6] = [
    (InfoCode::VendorName, Told::Text(DatabaseMetaData::CATALOG)),
    (InfoCode::VendorSql, Told::Truth(true)),
    (InfoCode::VendorSubstrait, Told::Truth(false)),
    (InfoCode::DriverName, Told::Text("lakegate ADBC driver")),
    (InfoCode::DriverVersion, Told::Text(env!("CARGO_PKG_VERSION"))),
    (InfoCode::DriverAdbcVersion, Told::Number(ADBC_VERSION_1_1_0 as i64)),
];

/// What kinds of tables there are.
pub(crate) fn table_types(types: &[String]) -> Result<Reader> {
    let types: ArrayRef = Arc::new(types.iter().map(Some).collect::<StringArray>());
    Ok(one(RecordBatch::try_new(Arc::clone(&GET_TABLE_TYPES_SCHEMA), vec![types])?))
}

/// Names and versions, of `codes` those that are known.
pub(crate) fn info(codes: Option<&HashSet<InfoCode>>) -> Result<Reader> {
    let (mut texts, mut truths, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    let (mut names, mut kinds, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (code, told) in KNOWN.iter().filter(|(code, _)| codes.is_none_or(|codes| codes.contains(code))) {
        names.push(u32::from(code));
        let (kind, place) = match told {
            Told::Text(text) => (0_i8, pushed(&mut texts, *text)),
            Told::Truth(truth) => (1, pushed(&mut truths, *truth)),
            Told::Number(number) => (2, pushed(&mut numbers, *number)),
        };
        kinds.push(kind);
        places.push(place);
    }
    let DataType::Union(fields, _) = GET_INFO_SCHEMA.field(1).data_type() else {
        return Err(crate::fault::invalid("the form of the answer is no union"));
    };
    let children = fields.iter().map(|(kind, field)| match kind {
        0 => Arc::new(StringArray::from(texts.clone())) as ArrayRef,
        1 => Arc::new(BooleanArray::from(truths.clone())),
        2 => Arc::new(Int64Array::from(numbers.clone())),
        _ => new_empty_array(field.data_type()),
    });
    let (kinds, places) = (ScalarBuffer::from(kinds), ScalarBuffer::from(places));
    let values = UnionArray::try_new(fields.clone(), kinds, Some(places), children.collect())?;
    let columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(names)), Arc::new(values)];
    Ok(one(RecordBatch::try_new(Arc::clone(&GET_INFO_SCHEMA), columns)?))
}

/// Appends `value` and gives its place.
fn pushed<T>(values: &mut Vec<T>, value: T) -> i32 {
    values.push(value);
    i32::try_from(values.len() - 1).unwrap_or(i32::MAX)
}
