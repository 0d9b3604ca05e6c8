//! Values for `?` and `$1`.
//!
//! A protocol with types of its own hands in values of those; JSON has fewer.

use datafusion::common::ScalarValue;

use crate::error::{Error, Result};

/// A typed value, which may be NULL.
pub type Parameter = ScalarValue;

/// The value of JSON at the place `at` from 0: null, a boolean, a number or a text.
pub fn from_json(at: usize, value: &serde_json::Value) -> Result<Parameter> {
    use serde_json::Value;
    match value {
        Value::Null => Ok(ScalarValue::Null),
        Value::Bool(value) => Ok(ScalarValue::from(*value)),
        Value::String(value) => Ok(ScalarValue::from(value.as_str())),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(ScalarValue::from(integer)),
            (None, Some(float)) => Ok(ScalarValue::from(float)),
            _ => Err(Error::invalid_request(format!("parameter {}: `{number}` is not a number", at + 1))),
        },
        Value::Array(_) | Value::Object(_) => Err(Error::invalid_request(format!(
            "parameter {}: only null, booleans, numbers and texts can be parameters",
            at + 1
        ))),
    }
}

/// All values of a JSON list.
pub fn all_from_json(values: &[serde_json::Value]) -> Result<Vec<Parameter>> {
    values.iter().enumerate().map(|(at, value)| from_json(at, value)).collect()
}
