//! Arrays that hold what their reader may see and no more, down to the bytes.
//!
//! An array has more in it than its values. What is NULL has a value underneath, which a cell rule leaves there; a view
//! points into the texts of other rows; a dictionary has entries that no row uses. None of that shows in a row, and all of it
//! travels in Arrow's own format, and is under the hands of every function that works on whole buffers. So the barrier lets
//! nothing stand under a NULL, and what leaves the gateway of a table of which something is withheld has its own bytes alone.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray,
    GenericByteArray, GenericListArray, MapArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringViewArray, StructArray, UInt64Array, downcast_primitive_array, make_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, BinaryType, ByteArrayType, DataType, LargeBinaryType, LargeUtf8Type, Utf8Type,
};
use datafusion::common::{DataFusionError, Result, not_impl_err};

/// How far an array is cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Nothing stands under a NULL.
    Blank,
    /// It also shares no bytes with rows that are not in it.
    Alone,
}

/// `batch` with nothing under its NULLs.
pub fn blank(batch: &RecordBatch) -> Result<RecordBatch> {
    cleaned(batch, Until::Blank)
}

/// `batch` with the bytes of its own values alone.
pub fn alone(batch: &RecordBatch) -> Result<RecordBatch> {
    cleaned(batch, Until::Alone)
}

fn cleaned(batch: &RecordBatch, until: Until) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| clean(column, until)).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

fn clean(array: &ArrayRef, until: Until) -> Result<ArrayRef> {
    let has_nulls = array.logical_null_count() > 0;
    Ok(match array.data_type() {
        DataType::Null => Arc::clone(array),
        flat if !has_nulls && stands_alone(flat, until) => Arc::clone(array),
        DataType::Boolean => {
            let (values, nulls) = array.as_boolean().clone().into_parts();
            let values = nulls.as_ref().map_or_else(|| values.clone(), |nulls| &values & nulls.inner());
            Arc::new(BooleanArray::new(values, nulls))
        }
        DataType::Utf8 => Arc::new(bytes::<Utf8Type>(array)),
        DataType::LargeUtf8 => Arc::new(bytes::<LargeUtf8Type>(array)),
        DataType::Binary => Arc::new(bytes::<BinaryType>(array)),
        DataType::LargeBinary => Arc::new(bytes::<LargeBinaryType>(array)),
        DataType::FixedSizeBinary(size) => {
            let values = array.as_fixed_size_binary().iter();
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, *size)?)
        }
        DataType::Utf8View => Arc::new(array.as_string_view().iter().collect::<StringViewArray>()),
        DataType::BinaryView => Arc::new(array.as_binary_view().iter().collect::<BinaryViewArray>()),
        // What no row uses goes too: a cast works on all entries.
        DataType::Dictionary(_, value) => {
            let values = clean(&cast(array, value)?, until)?;
            cast(&values, array.data_type())?
        }
        DataType::RunEndEncoded(_, values) => {
            let values = clean(&cast(array, values.data_type())?, until)?;
            cast(&values, array.data_type())?
        }
        DataType::Struct(_) => structure(array.as_struct(), until)?,
        DataType::List(_) => list::<i32>(&without_hidden_items(array)?, until)?,
        DataType::LargeList(_) => list::<i64>(&without_hidden_items(array)?, until)?,
        DataType::FixedSizeList(field, size) => {
            let array = without_hidden_items(array)?;
            let list = array.as_fixed_size_list();
            let items = clean(list.values(), until)?;
            let (field, nulls) = (Arc::clone(field), list.nulls().cloned());
            Arc::new(FixedSizeListArray::try_new_with_length(field, *size, items, nulls, list.len())?)
        }
        DataType::Map(field, sorted) => {
            let array = without_hidden_items(array)?;
            let map = array.as_map();
            let (offsets, from, length) = rebased(map.offsets());
            let entries: ArrayRef = Arc::new(map.entries().slice(from, length));
            let entries = clean(&entries, until)?.as_struct().clone();
            Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, map.nulls().cloned(), *sorted)?)
        }
        _ => downcast_primitive_array!(
            array => Arc::new(primitive(array)),
            other => return not_impl_err!("a column of the type {other} in a table of which something is withheld")
        ),
    })
}

/// Whether an array of this type that has no NULLs has what its rows have and no more.
fn stands_alone(data_type: &DataType, until: Until) -> bool {
    match data_type {
        DataType::Utf8View | DataType::BinaryView => until == Until::Blank,
        DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::FixedSizeBinary(_) => true,
        other => other.is_primitive(),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> PrimitiveArray<T> {
    let values = (0..array.len()).map(|at| match array.is_valid(at) {
        true => array.value(at),
        false => T::default_value(),
    });
    PrimitiveArray::new(values.collect(), array.nulls().cloned()).with_data_type(array.data_type().clone())
}

fn bytes<T: ByteArrayType>(array: &ArrayRef) -> GenericByteArray<T>
where
    for<'a> &'a T::Native: AsRef<T::Native>,
{
    array.as_bytes::<T>().iter().collect()
}

/// What is NULL as a whole has NULL for each field.
fn structure(array: &StructArray, until: Until) -> Result<ArrayRef> {
    let field = |field: &ArrayRef| {
        if *field.data_type() == DataType::Null {
            return Ok(Arc::clone(field));
        }
        let nulls = NullBuffer::union(array.nulls(), field.nulls());
        let data = field.to_data().into_builder().nulls(nulls).build().map_err(DataFusionError::from)?;
        clean(&make_array(data), until)
    };
    let fields = array.columns().iter().map(field).collect::<Result<_>>()?;
    let nulls = array.nulls().cloned();
    Ok(Arc::new(StructArray::try_new_with_length(array.fields().clone(), fields, nulls, array.len())?))
}

/// Lists of which those that are NULL have no items.
fn without_hidden_items(array: &ArrayRef) -> Result<ArrayRef> {
    match array.nulls() {
        None => Ok(Arc::clone(array)),
        Some(nulls) => {
            let all = (0..array.len() as u64).collect();
            Ok(take(array, &UInt64Array::new(all, Some(nulls.clone())), None)?)
        }
    }
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, until: Until) -> Result<ArrayRef> {
    let list = array.as_list::<O>();
    let (offsets, from, length) = rebased(list.offsets());
    let items = clean(&list.values().slice(from, length), until)?;
    let (DataType::List(field) | DataType::LargeList(field)) = array.data_type() else {
        return not_impl_err!("a list of the type {}", array.data_type());
    };
    Ok(Arc::new(GenericListArray::try_new(Arc::clone(field), offsets, items, list.nulls().cloned())?))
}

/// The same lengths from 0 on, and the part of the items that they are of.
fn rebased<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> (OffsetBuffer<O>, usize, usize) {
    let from = offsets.first().map_or(0, |first| first.as_usize());
    let lengths = offsets.lengths();
    let rebased = OffsetBuffer::<O>::from_lengths(lengths);
    let length = rebased.last().map_or(0, |last| last.as_usize());
    (rebased, from, length)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        DictionaryArray, Int32Array, Int64Array, ListArray, StringArray, StringViewBuilder,
    };
    use datafusion::arrow::compute::{filter, nullif};
    use datafusion::arrow::datatypes::{Field, Int32Type};

    use super::*;

    /// What nobody may find.
    const HIDDEN: &str = "hidden text that is too long to be inline";
    const NUMBER: i64 = 0x5EC2_E7D0_5EC2_E7D0;

    /// Every byte of `array`.
    fn all_bytes(array: &ArrayRef) -> Vec<u8> {
        fn collect(data: &datafusion::arrow::array::ArrayData, all: &mut Vec<u8>) {
            data.buffers().iter().for_each(|buffer| all.extend_from_slice(buffer.as_slice()));
            data.child_data().iter().for_each(|child| collect(child, all));
        }
        let mut all = Vec::new();
        collect(&array.to_data(), &mut all);
        all
    }

    fn holds(array: &ArrayRef) -> bool {
        let bytes = all_bytes(array);
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        has(HIDDEN.as_bytes()) || has(b"sh0rt") || has(&NUMBER.to_le_bytes())
    }

    fn views(texts: &[&str]) -> ArrayRef {
        let mut builder = StringViewBuilder::new();
        texts.iter().for_each(|text| builder.append_value(text));
        Arc::new(builder.finish())
    }

    /// Arrays of three rows whose middle one must not be seen.
    fn arrays() -> Vec<ArrayRef> {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, NUMBER, 3]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", HIDDEN, "c"]));
        let dictionary: DictionaryArray<Int32Type> = ["a", HIDDEN, "c"].into_iter().collect();
        let item = Arc::new(Field::new_list_field(DataType::Int64, true));
        let list = ListArray::new(item, OffsetBuffer::from_lengths([1, 1, 1]), Arc::clone(&numbers), None);
        let fields =
            vec![Field::new("n", DataType::Int64, false), Field::new("v", DataType::Utf8View, false)];
        let long = views(&["a", HIDDEN, "c"]);
        let structs = StructArray::new(fields.into(), vec![Arc::clone(&numbers), Arc::clone(&long)], None);
        let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        let deep = ListArray::new(item, OffsetBuffer::from_lengths([1, 1, 1]), Arc::clone(&long), None);
        vec![
            numbers,
            texts,
            long,
            views(&["a", "sh0rt", "c"]),
            Arc::new(dictionary),
            Arc::new(list),
            Arc::new(structs),
            Arc::new(deep),
        ]
    }

    #[test]
    fn nothing_stands_under_a_null_and_what_is_seen_stays() {
        let second = BooleanArray::from(vec![false, true, false]);
        for array in arrays() {
            let nulled = nullif(&array, &second).unwrap();
            assert!(holds(&nulled), "the engine leaves {} where it was", array.data_type());
            let clean = clean(&nulled, Until::Alone).unwrap();
            assert!(!holds(&clean), "{}", array.data_type());
            assert_eq!(&clean, &nulled, "{}", array.data_type());
            assert_eq!(clean.data_type(), array.data_type());
        }
    }

    #[test]
    fn rows_that_were_filtered_leave_no_bytes() {
        let visible = BooleanArray::from(vec![true, false, true]);
        for array in arrays() {
            let filtered = filter(&array, &visible).unwrap();
            let clean = clean(&filtered, Until::Alone).unwrap();
            assert!(!holds(&clean), "{}", array.data_type());
            assert_eq!(&clean, &filtered);
        }
    }

    #[test]
    fn a_part_of_an_array_has_its_own_bytes_alone() {
        // A text that is no view is cut by whoever writes it.
        for array in arrays().into_iter().filter(|array| *array.data_type() != DataType::Utf8) {
            let part = clean(&array.slice(2, 1), Until::Alone).unwrap();
            assert_eq!(&part, &array.slice(2, 1));
            assert!(!holds(&part), "{}", array.data_type());
        }
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        assert!(Arc::ptr_eq(&clean(&numbers, Until::Alone).unwrap(), &numbers), "what is clean stays");
    }
}
