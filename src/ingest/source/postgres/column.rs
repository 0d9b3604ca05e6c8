//! One column on its way from `COPY`'s binary form into Arrow. The forms are those of the server's `*_send` functions.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int16Builder, Int32Builder, Int64Builder, ListArray, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use bytes::Buf;

use super::super::Unfit;
use super::types::{Kind, Mapped};
use crate::error::{Error, ErrorKind, Result};

/// Days from 1970-01-01 to 2000-01-01, where the server counts from.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A column that is being filled.
pub(super) struct Column {
    name: String,
    values: Values,
}

enum Values {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Oid(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal { builder: Decimal128Builder, precision: u8, scale: i8 },
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    List(Box<List>),
}

struct List {
    kind: Kind,
    element: Column,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Column {
    pub(super) fn new(mapped: &Mapped) -> Self {
        Self { name: mapped.field.name().clone(), values: Values::new(mapped.field.name(), &mapped.kind) }
    }

    /// Adds a value, or NULL where there is none.
    pub(super) fn push(&mut self, value: Option<&[u8]>, unfit: &mut Unfit<'_>) -> Result<()> {
        match value {
            Some(bytes) => self.values.push(&self.name, bytes, unfit),
            None => {
                self.values.push_null();
                Ok(())
            }
        }
    }

    /// The values until now; the column is empty again.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        self.values.finish()
    }
}

impl Values {
    fn new(name: &str, kind: &Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Int16 => Self::Int16(Int16Builder::new()),
            Kind::Int32 => Self::Int32(Int32Builder::new()),
            Kind::Int64 => Self::Int64(Int64Builder::new()),
            Kind::Oid => Self::Oid(Int64Builder::new()),
            Kind::Float32 => Self::Float32(Float32Builder::new()),
            Kind::Float64 => Self::Float64(Float64Builder::new()),
            Kind::Decimal(precision, scale) => Self::Decimal {
                builder: Decimal128Builder::new().with_data_type(kind.data_type()),
                precision: *precision,
                scale: *scale,
            },
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Bytes => Self::Bytes(BinaryBuilder::new()),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Timestamp | Kind::TimestampTz => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(kind.data_type()))
            }
            Kind::List(element) => Self::List(Box::new(List {
                kind: (**element).clone(),
                element: Column { name: name.to_owned(), values: Self::new(name, element) },
                lengths: Vec::new(),
                valid: Vec::new(),
            })),
        }
    }

    fn push(&mut self, name: &str, bytes: &[u8], unfit: &mut Unfit<'_>) -> Result<()> {
        match self {
            Self::Bool(builder) => builder.append_value(fixed::<1>(bytes)? != [0]),
            Self::Int16(builder) => builder.append_value(i16::from_be_bytes(fixed(bytes)?)),
            Self::Int32(builder) => builder.append_value(i32::from_be_bytes(fixed(bytes)?)),
            Self::Int64(builder) => builder.append_value(i64::from_be_bytes(fixed(bytes)?)),
            Self::Oid(builder) => builder.append_value(i64::from(u32::from_be_bytes(fixed(bytes)?))),
            Self::Float32(builder) => builder.append_value(f32::from_be_bytes(fixed(bytes)?)),
            Self::Float64(builder) => builder.append_value(f64::from_be_bytes(fixed(bytes)?)),
            Self::Text(builder) => {
                builder.append_value(std::str::from_utf8(bytes).map_err(|_| malformed())?);
            }
            Self::Bytes(builder) => builder.append_value(bytes),
            Self::Decimal { builder, precision, scale } => match decimal(bytes, *scale)? {
                Some(value) => builder.append_value(value),
                None => {
                    unfit.meet(name, "NaN", &format!("decimal({precision},{scale}) holds only numbers"))?;
                    builder.append_null();
                }
            },
            Self::Date(builder) => {
                let days = i32::from_be_bytes(fixed(bytes)?);
                match days.checked_add(EPOCH_DAYS).filter(|_| days != i32::MAX && days != i32::MIN) {
                    Some(days) => builder.append_value(days),
                    None => {
                        unfit.meet(name, infinity(days == i32::MAX), "the lake has no infinite dates")?;
                        builder.append_null();
                    }
                }
            }
            Self::Timestamp(builder) => {
                let micros = i64::from_be_bytes(fixed(bytes)?);
                match micros.checked_add(EPOCH_MICROS).filter(|_| micros != i64::MAX && micros != i64::MIN) {
                    Some(micros) => builder.append_value(micros),
                    None => {
                        unfit.meet(
                            name,
                            infinity(micros > 0),
                            "the lake has no infinite or such far times",
                        )?;
                        builder.append_null();
                    }
                }
            }
            Self::List(list) => list.push(name, bytes, unfit)?,
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int16(builder) => builder.append_null(),
            Self::Int32(builder) => builder.append_null(),
            Self::Int64(builder) | Self::Oid(builder) => builder.append_null(),
            Self::Float32(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Decimal { builder, .. } => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::List(list) => list.end(0, false),
        }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int16(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) | Self::Oid(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Decimal { builder, .. } => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::List(list) => list.finish()?,
        })
    }
}

impl List {
    /// `array_send`: dimensions, whether there are NULLs, the element type, then length and lower bound of each
    /// dimension, then the elements. A lower bound other than 1 is not kept: a list counts from its begin.
    fn push(&mut self, name: &str, mut bytes: &[u8], unfit: &mut Unfit<'_>) -> Result<()> {
        let dimensions = bytes.try_get_i32().map_err(|_| malformed())?;
        bytes.try_get_i64().map_err(|_| malformed())?;
        match dimensions {
            0 => self.end(0, true),
            1 => {
                let length = bytes.try_get_i32().map_err(|_| malformed())?;
                bytes.try_get_i32().map_err(|_| malformed())?;
                for _ in 0..length {
                    let size = bytes.try_get_i32().map_err(|_| malformed())?;
                    let value = match usize::try_from(size) {
                        Ok(size) => {
                            let (value, rest) = bytes.split_at_checked(size).ok_or_else(malformed)?;
                            bytes = rest;
                            Some(value)
                        }
                        Err(_) => None,
                    };
                    self.element.push(value, unfit)?;
                }
                self.end(usize::try_from(length).map_err(|_| malformed())?, true);
            }
            more => {
                let value = format!("an array of {more} dimensions");
                unfit.meet(name, &value, "the lake holds arrays of one dimension")?;
                self.end(0, false);
            }
        }
        Ok(())
    }

    fn end(&mut self, length: usize, valid: bool) {
        self.lengths.push(length);
        self.valid.push(valid);
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::<i32>::from_lengths(std::mem::take(&mut self.lengths));
        let valid = NullBuffer::from(std::mem::take(&mut self.valid));
        let elements = self.element.finish()?;
        let list = ListArray::try_new(self.kind.list_field(), offsets, elements, Some(valid));
        Ok(Arc::new(list.map_err(Error::internal)?))
    }
}

/// `numeric_send`: digits of base 10,000 with a weight, as an integer of 10^-scale; `None` for what is no number.
fn decimal(mut bytes: &[u8], scale: i8) -> Result<Option<i128>> {
    let mut next = || bytes.try_get_i16().map_err(|_| malformed());
    let (count, weight, sign, _) = (next()?, next()?, next()?, next()?);
    let negative = match sign as u16 {
        0x0000 => false,
        0x4000 => true,
        _ => return Ok(None),
    };
    let mut value = 0_i128;
    for at in 0..count {
        let digit = i128::from(next()?);
        // The power of ten that this digit counts, once the value is scaled.
        let power = (i32::from(weight) - i32::from(at)) * 4 + i32::from(scale);
        let part = match u32::try_from(power) {
            Ok(power) => 10_i128.checked_pow(power).and_then(|factor| digit.checked_mul(factor)),
            // The server keeps no digit behind the scale, so what is cut off here are zeros.
            Err(_) => {
                10_i128.checked_pow(power.unsigned_abs()).filter(|by| digit % by == 0).map(|by| digit / by)
            }
        };
        value = part.and_then(|part| value.checked_add(part)).ok_or_else(malformed)?;
    }
    Ok(Some(if negative { -value } else { value }))
}

fn infinity(positive: bool) -> &'static str {
    if positive { "infinity" } else { "-infinity" }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed())
}

/// The server sent what it should not: never guessed at.
pub(super) fn malformed() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the source sent a value in a form that is not known; nothing was brought in",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(weight: i16, sign: u16, scale: i16, digits: &[i16]) -> Vec<u8> {
        let head = [i16::try_from(digits.len()).unwrap(), weight, sign as i16, scale];
        head.iter().chain(digits).flat_map(|number| number.to_be_bytes()).collect()
    }

    #[test]
    fn a_numeric_is_exact() {
        for (bytes, scale, expected) in [
            (numeric(0, 0, 2, &[12, 3400]), 2, Some(1234)),
            (numeric(0, 0x4000, 2, &[12, 3400]), 4, Some(-123_400)),
            (numeric(0, 0, 0, &[]), 2, Some(0)),
            (numeric(1, 0, 0, &[1, 0]), 0, Some(10_000)),
            (numeric(2, 0, 0, &[1]), 1, Some(1_000_000_000)),
            (numeric(-1, 0, 4, &[5]), 4, Some(5)),
            (numeric(0, 0xC000, 0, &[]), 2, None),
        ] {
            assert_eq!(decimal(&bytes, scale).unwrap(), expected);
        }
    }
}
