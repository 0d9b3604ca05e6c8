//! Structs, lists and maps as JSON. What is inside is JSON too, also where the outermost form is plain text.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow_schema::DataType;

use super::{Cells, Style, WriteValue, cells, formatted, json_text};
use crate::error::Result;

/// A writer for a column of a nested type.
pub(super) fn nested(array: &ArrayRef) -> Result<WriteValue> {
    match array.data_type() {
        DataType::Struct(_) => structs(array),
        DataType::Map(..) => maps(array),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.offsets().clone();
            lists(list.values(), move |row| between(offsets.get(row).copied(), offsets.get(row + 1).copied()))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.offsets().clone();
            lists(list.values(), move |row| between(offsets.get(row).copied(), offsets.get(row + 1).copied()))
        }
        DataType::ListView(_) => {
            let list = array.as_list_view::<i32>().clone();
            let values = ArrayRef::clone(list.values());
            lists(&values, move |row| {
                between(Some(list.value_offset(row)), Some(list.value_offset(row) + list.value_size(row)))
            })
        }
        DataType::LargeListView(_) => {
            let list = array.as_list_view::<i64>().clone();
            let values = ArrayRef::clone(list.values());
            lists(&values, move |row| {
                between(Some(list.value_offset(row)), Some(list.value_offset(row) + list.value_size(row)))
            })
        }
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or(0);
            lists(array.as_fixed_size_list().values(), move |row| row * size..(row + 1) * size)
        }
        _ => Ok(formatted(array, Style::Json)),
    }
}

fn between<O: TryInto<usize>>(start: Option<O>, end: Option<O>) -> std::ops::Range<usize> {
    let position = |offset: Option<O>| offset.and_then(|offset| offset.try_into().ok()).unwrap_or(0);
    position(start)..position(end)
}

fn lists(
    values: &ArrayRef,
    range: impl Fn(usize) -> std::ops::Range<usize> + Send + 'static,
) -> Result<WriteValue> {
    let items = cells(values, Style::Json)?;
    Ok(Box::new(move |row, out| {
        out.push(b'[');
        for (position, item) in range(row).enumerate() {
            if position > 0 {
                out.push(b',');
            }
            items.write(item, out)?;
        }
        out.push(b']');
        Ok(())
    }))
}

fn structs(array: &ArrayRef) -> Result<WriteValue> {
    let array = array.as_struct();
    let mut fields: Vec<(Vec<u8>, Cells)> = Vec::with_capacity(array.num_columns());
    for (field, column) in array.fields().iter().zip(array.columns()) {
        let mut key = Vec::new();
        json_text(field.name(), &mut key);
        key.push(b':');
        fields.push((key, cells(column, Style::Json)?));
    }
    Ok(Box::new(move |row, out| {
        out.push(b'{');
        for (position, (key, cell)) in fields.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key);
            cell.write(row, out)?;
        }
        out.push(b'}');
        Ok(())
    }))
}

fn maps(array: &ArrayRef) -> Result<WriteValue> {
    let map = array.as_map();
    let keys = cells(map.keys(), Style::Json)?;
    let values = cells(map.values(), Style::Json)?;
    let offsets = map.offsets().clone();
    Ok(Box::new(move |row, out| {
        out.push(b'[');
        let entries = between(offsets.get(row).copied(), offsets.get(row + 1).copied());
        for (position, entry) in entries.enumerate() {
            out.extend_from_slice(if position > 0 { b",[" } else { b"[" });
            keys.write(entry, out)?;
            out.push(b',');
            values.write(entry, out)?;
            out.push(b']');
        }
        out.push(b']');
        Ok(())
    }))
}
