//! Values of parameters.

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// A value for `?` or `$1` in a statement. Dates, timestamps and decimals are given as text; the gateway reads them
/// as the type that the place in the statement has.
///
/// ```
/// use lakegate_client::Value;
///
/// assert_eq!(Value::from(7), Value::Int(7));
/// assert_eq!(Value::from("EU"), Value::Text("EU".to_owned()));
/// assert_eq!(Value::from(None::<i64>), Value::Null);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number; must be finite.
    Float(f64),
    /// A text.
    Text(String),
}

impl Value {
    /// JSON has no infinities, and a parameter must not silently become NULL.
    pub(crate) fn to_json(&self) -> Result<Json> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Text(value) => Json::from(value.as_str()),
            Self::Float(value) => Json::Number(
                serde_json::Number::from_f64(*value)
                    .ok_or_else(|| Error::Options(format!("`{value}` cannot be sent as a parameter")))?,
            ),
        })
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! { bool => Bool, i64 => Int, i32 => Int, u32 => Int, f64 => Float, f32 => Float, &str => Text, String => Text }

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_json_of_the_same_meaning() {
        for (value, json) in [
            (Value::from(true), "true"),
            (Value::from(i64::MIN), "-9223372036854775808"),
            (Value::from(0.5), "0.5"),
            (Value::from("a\"b"), r#""a\"b""#),
            (Value::Null, "null"),
        ] {
            assert_eq!(value.to_json().unwrap().to_string(), json);
        }
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        assert!(Value::Float(f64::NAN).to_json().is_err());
        assert!(Value::Float(f64::INFINITY).to_json().is_err());
    }
}
