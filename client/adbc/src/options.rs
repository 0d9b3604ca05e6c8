//! Options: which there are, and how their values are read.

use std::time::Duration;

use adbc_core::error::{Error, Result, Status};
use adbc_core::options::OptionValue;
use lakegate_client::blocking::Query;

use crate::fault::invalid;

const STRICT: &str = "lakegate.strict";
const MAX_ROWS: &str = "lakegate.max_rows";
const TIMEOUT: &str = "lakegate.timeout";

/// How statements run, unless they say otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunOptions {
    strict: bool,
    max_rows: Option<u64>,
    timeout: Option<Duration>,
}

impl RunOptions {
    /// Sets the option `name`; false when it is none of these.
    pub fn set(&mut self, name: &str, value: &OptionValue) -> Result<bool> {
        match name {
            STRICT => self.strict = truth(name, value)?,
            MAX_ROWS => self.max_rows = Some(count(name, value)?),
            TIMEOUT => self.timeout = Some(seconds(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The option `name` as a text, if it is one of these and set.
    pub fn get(&self, name: &str) -> Option<String> {
        match name {
            STRICT => Some(self.strict.to_string()),
            MAX_ROWS => self.max_rows.map(|rows| rows.to_string()),
            TIMEOUT => self.timeout.map(|timeout| timeout.as_secs_f64().to_string()),
            _ => None,
        }
    }

    /// `query` as these options have it.
    pub fn apply(&self, query: Query) -> Query {
        let query = query.strict(self.strict);
        let query = self.max_rows.into_iter().fold(query, Query::max_rows);
        self.timeout.into_iter().fold(query, Query::timeout)
    }
}

/// The text of an option.
pub(crate) fn text(name: &str, value: OptionValue) -> Result<String> {
    match value {
        OptionValue::String(text) => Ok(text),
        _ => Err(invalid(format!("the option `{name}` is a text"))),
    }
}

fn truth(name: &str, value: &OptionValue) -> Result<bool> {
    bool::try_from(value).map_err(|_| invalid(format!("the option `{name}` is `true` or `false`")))
}

fn count(name: &str, value: &OptionValue) -> Result<u64> {
    let number = match value {
        OptionValue::Int(number) => u64::try_from(*number).ok(),
        OptionValue::String(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| invalid(format!("the option `{name}` is a whole number")))
}

fn seconds(name: &str, value: &OptionValue) -> Result<Duration> {
    let number = match value {
        OptionValue::Double(number) => Some(*number),
        OptionValue::Int(number) => u32::try_from(*number).ok().map(f64::from),
        OptionValue::String(text) => text.parse().ok(),
        _ => None,
    };
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    duration.ok_or_else(|| invalid(format!("the option `{name}` is a number of seconds")))
}

/// For an option that was not set, or that there is not.
pub(crate) fn unset(name: &str) -> Error {
    Error::with_message_and_status(format!("the option `{name}` is not set"), Status::NotFound)
}

/// For an option that there is not.
pub(crate) fn unknown(name: &str) -> Error {
    Error::with_message_and_status(format!("there is no option `{name}`"), Status::NotImplemented)
}

/// The getters of options that no option of ours has a value for.
macro_rules! only_texts {
    ($option:ty) => {
        fn get_option_bytes(&self, key: $option) -> adbc_core::error::Result<Vec<u8>> {
            Err(crate::options::unset(key.as_ref()))
        }

        fn get_option_int(&self, key: $option) -> adbc_core::error::Result<i64> {
            Err(crate::options::unset(key.as_ref()))
        }

        fn get_option_double(&self, key: $option) -> adbc_core::error::Result<f64> {
            Err(crate::options::unset(key.as_ref()))
        }
    };
}

pub(crate) use only_texts;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_driver_managers_send_them() {
        let mut options = RunOptions::default();
        for (name, value, expected) in [
            (STRICT, OptionValue::from("true"), "true"),
            (MAX_ROWS, OptionValue::from("7"), "7"),
            (MAX_ROWS, OptionValue::from(8), "8"),
            (TIMEOUT, OptionValue::from("1.5"), "1.5"),
            (TIMEOUT, OptionValue::from(2), "2"),
            (TIMEOUT, OptionValue::from(0.25), "0.25"),
        ] {
            assert!(options.set(name, &value).unwrap());
            assert_eq!(options.get(name).unwrap(), expected);
        }
        assert!(!options.set("adbc.other", &OptionValue::from("x")).unwrap());
        for (name, value) in [
            (STRICT, OptionValue::from("yes")),
            (MAX_ROWS, OptionValue::from(-1)),
            (TIMEOUT, OptionValue::from("soon")),
            (TIMEOUT, OptionValue::from(f64::NAN)),
        ] {
            assert_eq!(options.set(name, &value).unwrap_err().status, Status::InvalidArguments, "{name}");
        }
    }
}
