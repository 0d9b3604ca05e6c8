//! What the values of a CSV column are, found out from some of them, and each value as that or not at all.
//!
//! A kind is taken only when every value reads back as it is written: `007` is a text, and so are `True` and 1/2/2024.

use std::borrow::Cow;

use arrow_schema::{DataType, TimeUnit};

use super::super::moment::{date, time};
use super::super::number::{Number, Numbers};

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    Whole(i64),
    Decimal(i128),
    Double(f64),
    Days(i32),
    Micros(i64),
    Text(Cow<'a, str>),
}

/// What all values of a column were until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// NULL.
    Nothing,
    Boolean,
    Numbers(Numbers),
    Date,
    Timestamp,
    /// A time with its zone.
    Instant,
    Text,
}

impl Guess {
    /// Of one value that is not NULL.
    fn of(text: &str) -> Self {
        if boolean(text).is_some() {
            Self::Boolean
        } else if let Some(number) = Number::parse(text) {
            Self::Numbers(Numbers::of(number))
        } else if date(text).is_some() {
            Self::Date
        } else {
            match time(text) {
                Some((_, false)) => Self::Timestamp,
                Some((_, true)) => Self::Instant,
                None => Self::Text,
            }
        }
    }

    /// Of values that have this type already.
    pub fn of_type(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::Instant,
            DataType::Utf8 => Self::Text,
            other => Numbers::of_type(other).map_or(Self::Nothing, Self::Numbers),
        }
    }

    /// With one more value.
    pub fn and(self, text: &str) -> Self {
        if self == Self::Text {
            return self;
        }
        match (self, Self::of(text)) {
            (Self::Nothing, other) => other,
            (Self::Numbers(seen), Self::Numbers(more)) => Self::Numbers(seen.and(more)),
            (guess, other) if guess == other => guess,
            _ => Self::Text,
        }
    }

    /// The type of a column of these.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Nothing | Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Numbers(numbers) => numbers.data_type().unwrap_or(DataType::Utf8),
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// The value that `text` is in a column of this type.
pub(super) fn value<'a>(text: Cow<'a, str>, data_type: &DataType) -> Option<Value<'a>> {
    match data_type {
        DataType::Boolean => boolean(&text).map(Value::Boolean),
        DataType::Int64 => Number::parse(&text)?.to_i64().map(Value::Whole),
        DataType::Decimal128(precision, scale) => {
            Number::parse(&text)?.to_decimal(*precision, *scale).map(Value::Decimal)
        }
        DataType::Float64 => Number::parse(&text)?.to_f64().map(Value::Double),
        DataType::Date32 => date(&text).map(Value::Days),
        DataType::Timestamp(_, zone) => {
            let (time, has_zone) = time(&text)?;
            (has_zone == zone.is_some()).then_some(Value::Micros(time))
        }
        _ => Some(Value::Text(text)),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_what_all_values_are() {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        for (texts, expected) in [
            (&["1", "-20"][..], DataType::Int64),
            (&["1", "007"], DataType::Utf8),
            (&["+491701234567"], DataType::Utf8),
            (&["true", "false"], DataType::Boolean),
            (&["true", "True"], DataType::Utf8),
            (&["t"], DataType::Utf8),
            (&["2024-02-29", "0001-01-01"], DataType::Date32),
            (&["2023-02-29"], DataType::Utf8),
            (&["31.01.2024"], DataType::Utf8),
            (&["1/2/2024"], DataType::Utf8),
            (&["2024-1-2"], DataType::Utf8),
            (&["2024-01-31 12:34:56", "2024-01-31T12:34:56.5"], micros(None)),
            (&["2024-01-31 12:34:56Z", "2024-01-31T12:34:56+02:00"], micros(Some("UTC"))),
            (&["2024-01-31 12:34:56Z", "2024-01-31T12:34:56"], DataType::Utf8),
            (&["2024-01-31", "2024-01-31T12:34:56"], DataType::Utf8),
            (&["2024-01-31T24:00:00"], DataType::Utf8),
            (&["2024-01-31T12:34:56.1234567"], DataType::Utf8),
            (&["2024-01-31T12:34"], DataType::Utf8),
            (&["NaN"], DataType::Utf8),
            (&["1", "true"], DataType::Utf8),
            (&["ä2024-01-3"], DataType::Utf8),
            (&[], DataType::Utf8),
        ] {
            let guess = texts.iter().fold(Guess::Nothing, |guess, text| guess.and(text));
            assert_eq!(guess.data_type(), expected, "{texts:?}");
            for text in texts {
                assert!(value((*text).into(), &expected).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn a_time_with_a_zone_is_its_instant() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let expected = value("2024-01-31T10:34:56.5Z".into(), &utc);
        assert!(expected.is_some());
        for text in [
            "2024-01-31 12:34:56.500000+02:00",
            "2024-01-31T05:04:56.5-0530",
            "2024-01-31T12:34:56.5000000+02",
        ] {
            assert_eq!(value(text.into(), &utc), expected, "{text}");
        }
        for text in [
            "2024-01-31T12:34:56+2",
            "2024-01-31T12:34:56+19:00",
            "2024-01-31T12:34:56+02:60",
            "2024-01-31T12:34:56UTC",
        ] {
            assert_eq!(value(text.into(), &utc), None, "{text}");
        }
    }
}
