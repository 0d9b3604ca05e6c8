//! Lists and structs.

use arrow::array::{Array, ArrayRef, AsArray, UInt8Array};
use arrow::datatypes::DataType;

use super::{Cell, FromCell};
use crate::error::Result;

impl<'a, T: for<'b> FromCell<'b>> FromCell<'a> for Vec<T> {
    const WHAT: &'static str = "a list";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        if <T as FromCell<'a>>::IS_BYTE && !cell.data_type().is_list() {
            let bytes = UInt8Array::from(cell.get::<&[u8]>()?.to_vec());
            return read(cell, &bytes);
        }
        let items = list(cell).ok_or_else(|| cell.mismatch::<Self>())?;
        read(cell, items.as_ref())
    }
}

fn read<T: for<'b> FromCell<'b>>(cell: Cell<'_>, items: &dyn Array) -> Result<Vec<T>> {
    (0..items.len()).map(|at| Cell::new(cell.name(), items, at).get()).collect()
}

/// The items of a list.
fn list(cell: Cell<'_>) -> Option<ArrayRef> {
    let (array, row) = (cell.array(), cell.row());
    Some(match cell.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(_, _) => array.as_fixed_size_list().value(row),
        DataType::ListView(_) => array.as_list_view::<i32>().value(row),
        DataType::LargeListView(_) => array.as_list_view::<i64>().value(row),
        _ => return None,
    })
}

/// The field `name` of a struct.
pub(super) fn field<'a>(cell: Cell<'a>, name: &str) -> Result<Cell<'a>> {
    let parent = cell.array().as_struct_opt().ok_or_else(|| cell.failed("is no struct"))?;
    let found = parent.fields().iter().zip(parent.columns()).find(|(field, _)| field.name() == name);
    let (field, column) = found.ok_or_else(|| cell.failed(format!("has no field `{name}`")))?;
    let of_field = Cell::new(field.name(), column.as_ref(), cell.row());
    Ok(Cell { is_null: cell.is_null || of_field.is_null, ..of_field })
}
