//! Masks as expressions: what stands in the place of a column's value.
//!
//! A mask never changes the column's type, never fails and leaves NULL as it is. Which columns are masked, and for
//! whom, is decided elsewhere. The key of the hash is in no plan's text.

mod function;

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ScalarUDF, cast, when};
use datafusion::prelude::lit;

use self::function::{Kind, MaskFunction};
use crate::policy::restriction::Mask;

/// The key of the keyed hash: one for each policy store, so that hashes join over all its nodes.
pub type MaskKey = Arc<[u8]>;

/// `value`, of type `data_type`, under a named mask; or why there is no such mask for this type. A mask that is an
/// expression is the caller's, who can read expressions.
pub fn named(mask: &Mask, value: Expr, data_type: &DataType, key: &MaskKey) -> Result<Expr, String> {
    let unless_null = |replacement: ScalarValue| {
        let null = null_of(data_type)?;
        when(value.clone().is_not_null(), lit(replacement))
            .otherwise(lit(null))
            .map_err(|error| error.to_string())
    };
    match mask {
        Mask::Null => Ok(lit(null_of(data_type)?)),
        Mask::Redact => unless_null(redacted(data_type).ok_or_else(|| no_such(mask, data_type))?),
        Mask::Hash if is_text(data_type) || is_bytes(data_type) || is_long(data_type) => {
            Ok(call(Kind::Hash(Arc::clone(key)), value))
        }
        Mask::First4 if is_text(data_type) => Ok(call(Kind::First4, value)),
        Mask::Last4 if is_text(data_type) => Ok(call(Kind::Last4, value)),
        Mask::Year if is_day(data_type) => Ok(call(Kind::Year, value)),
        Mask::Month if is_day(data_type) => Ok(call(Kind::Month, value)),
        Mask::Hash | Mask::First4 | Mask::Last4 | Mask::Year | Mask::Month | Mask::Using(_) => {
            Err(no_such(mask, data_type))
        }
    }
}

/// The expression of a `using` mask, of type `found`, as the type of its column; NULL where `value` is.
pub fn using(expression: Expr, found: &DataType, value: Expr, data_type: &DataType) -> Result<Expr, String> {
    let typed = if found == data_type {
        expression
    } else if becomes(found, data_type) {
        cast(expression, data_type.clone())
    } else {
        return Err(format!(
            "it gives {} and the column is {}",
            super::sql_type(found),
            super::sql_type(data_type)
        ));
    };
    let null = lit(null_of(data_type)?);
    when(value.is_not_null(), typed).otherwise(null).map_err(|error| error.to_string())
}

/// Which types a mask's expression may have for a column of another one: texts and whole numbers of any size, whole
/// numbers for decimals and floats, and the type of NULL.
fn becomes(found: &DataType, column: &DataType) -> bool {
    *found == DataType::Null
        || (is_text(found) && is_text(column))
        || (found.is_integer() && column.is_numeric())
        || (found.is_floating() && column.is_floating())
        || (is_bytes(found) && is_bytes(column))
}

fn call(kind: Kind, value: Expr) -> Expr {
    ScalarUDF::new_from_impl(MaskFunction::new(kind)).call(vec![value])
}

fn null_of(data_type: &DataType) -> Result<ScalarValue, String> {
    ScalarValue::try_from(data_type).map_err(|_| no_such(&Mask::Null, data_type))
}

fn no_such(mask: &Mask, data_type: &DataType) -> String {
    format!("there is no mask `{}` for a column of type {}", mask.name(), super::sql_type(data_type))
}

/// The fixed value of a type: the word `REDACTED`, zero, the first day of 1970.
fn redacted(data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some("REDACTED".to_owned()))),
        DataType::LargeUtf8 => Some(ScalarValue::LargeUtf8(Some("REDACTED".to_owned()))),
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some("REDACTED".to_owned()))),
        DataType::Binary => Some(ScalarValue::Binary(Some(Vec::new()))),
        DataType::LargeBinary => Some(ScalarValue::LargeBinary(Some(Vec::new()))),
        DataType::BinaryView => Some(ScalarValue::BinaryView(Some(Vec::new()))),
        DataType::Boolean => Some(ScalarValue::Boolean(Some(false))),
        other if other.is_numeric() || other.is_temporal() => ScalarValue::new_zero(other).ok(),
        _ => None,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// Smaller numbers have too few values: hashes of different ones would often be equal, and would join.
fn is_long(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::UInt64)
}

fn is_day(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}
