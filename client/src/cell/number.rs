//! Numbers.

use arrow::array::AsArray;
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use super::{Cell, FromCell};
use crate::decimal::Decimal;
use crate::error::Result;

/// The value of a column of whole numbers.
fn whole(cell: Cell<'_>) -> Option<i128> {
    let (array, row) = (cell.array(), cell.row());
    Some(match cell.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        _ => return None,
    })
}

macro_rules! whole_numbers {
    ($($type:ty = $what:literal),*) => {
        $(impl<'a> FromCell<'a> for $type {
            const WHAT: &'static str = $what;

            fn from_cell(cell: Cell<'a>) -> Result<Self> {
                let value = whole(cell).ok_or_else(|| cell.mismatch::<Self>())?;
                Self::try_from(value).map_err(|_| cell.unfit::<Self>())
            }
        })*
    };
}

whole_numbers! {
    i8 = "a whole number of 8 bits",
    i16 = "a whole number of 16 bits",
    i32 = "a whole number of 32 bits",
    i64 = "a whole number of 64 bits",
    i128 = "a whole number of 128 bits",
    isize = "a whole number of this machine's size",
    u16 = "a whole number of 16 bits without a sign",
    u32 = "a whole number of 32 bits without a sign",
    u64 = "a whole number of 64 bits without a sign",
    u128 = "a whole number of 128 bits without a sign",
    usize = "a whole number of this machine's size without a sign"
}

impl<'a> FromCell<'a> for u8 {
    const WHAT: &'static str = "a whole number of 8 bits without a sign";
    const IS_BYTE: bool = true;

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let value = whole(cell).ok_or_else(|| cell.mismatch::<Self>())?;
        Self::try_from(value).map_err(|_| cell.unfit::<Self>())
    }
}

impl<'a> FromCell<'a> for f64 {
    const WHAT: &'static str = "a floating point number";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        Ok(match cell.data_type() {
            DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
            _ => f32::from_cell(cell).map_err(|_| cell.mismatch::<Self>())?.into(),
        })
    }
}

impl<'a> FromCell<'a> for f32 {
    const WHAT: &'static str = "a floating point number of 32 bits";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        Ok(match cell.data_type() {
            DataType::Float32 => array.as_primitive::<Float32Type>().value(row),
            DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_f32(),
            DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
            DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
            DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
            _ => return Err(cell.mismatch::<Self>()),
        })
    }
}

impl<'a> FromCell<'a> for Decimal {
    const WHAT: &'static str = "a decimal number of at most 38 digits";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        let (array, row) = (cell.array(), cell.row());
        let (unscaled, scale) = match cell.data_type() {
            DataType::Decimal32(_, scale) => {
                (array.as_primitive::<Decimal32Type>().value(row).into(), *scale)
            }
            DataType::Decimal64(_, scale) => {
                (array.as_primitive::<Decimal64Type>().value(row).into(), *scale)
            }
            DataType::Decimal128(_, scale) => (array.as_primitive::<Decimal128Type>().value(row), *scale),
            DataType::Decimal256(_, scale) => {
                let value = array.as_primitive::<Decimal256Type>().value(row).to_i128();
                (value.ok_or_else(|| cell.unfit::<Self>())?, *scale)
            }
            _ => (whole(cell).ok_or_else(|| cell.mismatch::<Self>())?, 0),
        };
        Ok(Self::new(unscaled, scale))
    }
}
