//! Where a value is held that Arrow does not hold in its own row: in dictionaries, runs and unions.

use arrow::array::{Array, DictionaryArray, RunArray, UnionArray};
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::Cell;

/// The value of `array` at `row`, wherever it is held.
pub(super) fn found<'a>(name: &'a str, array: &'a dyn Array, row: usize) -> Cell<'a> {
    let (mut array, mut row) = (array, row);
    loop {
        let is_null = *array.data_type() == DataType::Null || array.is_null(row);
        match (is_null, elsewhere(array, row)) {
            (false, Some((held, at))) if at < held.len() => (array, row) = (held, at),
            _ => return Cell { name, array, row, is_null },
        }
    }
}

macro_rules! in_dictionary {
    ($array:ident, $row:ident, $($key:ty),*) => {
        $(if let Some(dictionary) = $array.as_any().downcast_ref::<DictionaryArray<$key>>() {
            return Some((dictionary.values().as_ref(), dictionary.key($row)?));
        })*
    };
}

macro_rules! in_runs {
    ($array:ident, $row:ident, $($end:ty),*) => {
        $(if let Some(runs) = $array.as_any().downcast_ref::<RunArray<$end>>() {
            return Some((runs.values().as_ref(), runs.get_physical_index($row)));
        })*
    };
}

fn elsewhere(array: &dyn Array, row: usize) -> Option<(&dyn Array, usize)> {
    match array.data_type() {
        DataType::Dictionary(_, _) => {
            in_dictionary!(
                array, row, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
                UInt64Type
            );
            None
        }
        DataType::RunEndEncoded(_, _) => {
            in_runs!(array, row, Int16Type, Int32Type, Int64Type);
            None
        }
        DataType::Union(_, _) => {
            let union = array.as_any().downcast_ref::<UnionArray>()?;
            Some((union.child(union.type_id(row)).as_ref(), union.value_offset(row)))
        }
        _ => None,
    }
}
