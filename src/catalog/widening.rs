//! Which types hold all that another one holds: what a column may become without a value changing.
//!
//! The one rule for a source whose columns change and for a version of a table that is older than its columns. Pure.

use arrow_schema::{DataType, TimeUnit};

/// Whether a column may become `wide` that is `narrow`: each value is one of it, or whoever writes it again stops at one that is not,
/// as at a date in the year 300,000.
pub fn may_become(narrow: &DataType, wide: &DataType) -> bool {
    holds_all(narrow, wide)
        || matches!((narrow, wide), (DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond, None)))
}

/// Whether each value of `narrow` is one of `wide`, exactly.
pub fn holds_all(narrow: &DataType, wide: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64, Int8, Int16, Int32};
    match (narrow, wide) {
        (Float32 | Int8 | Int16 | Int32, Float64) | (Int8 | Int16, Float32) => true,
        (Decimal128(precision, scale), Decimal128(more, wider)) => {
            let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            (precision, scale) != (more, wider)
                && wider >= scale
                && whole(*more, *wider) >= whole(*precision, *scale)
        }
        (narrow, Decimal128(precision, scale)) => {
            digits(narrow).is_some_and(|digits| i16::from(*precision) - i16::from(*scale) >= digits)
        }
        (narrow, wide) => digits(narrow).zip(digits(wide)).is_some_and(|(few, many)| few < many),
    }
}

/// The most digits of a whole number of this type.
fn digits(data_type: &DataType) -> Option<i16> {
    match data_type {
        DataType::Int8 => Some(3),
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_only_widen_where_every_value_stays_what_it_is() {
        use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Int16, Int32, Int64, Utf8};
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let local = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (narrow, wide) in [
            (Int16, Int32),
            (Int32, Int64),
            (Int32, Float64),
            (Float32, Float64),
            (Int16, Float32),
            (Decimal128(5, 2), Decimal128(10, 2)),
            (Decimal128(5, 2), Decimal128(7, 4)),
            (Int32, Decimal128(12, 2)),
            (Int64, Decimal128(19, 0)),
        ] {
            assert!(holds_all(&narrow, &wide), "{narrow} {wide}");
            assert!(!holds_all(&wide, &narrow), "{wide} {narrow}");
        }
        assert!(may_become(&Date32, &local) && !holds_all(&Date32, &local));
        for (one, other) in [
            (Int64, Float64),
            (Int32, Float32),
            (Int64, Decimal128(18, 0)),
            (Decimal128(5, 2), Decimal128(6, 4)),
            (Int32, Utf8),
            (Boolean, Int32),
            (Date32, instant),
            (Float64, Decimal128(38, 10)),
        ] {
            assert!(!holds_all(&one, &other), "{one} {other}");
        }
    }
}
