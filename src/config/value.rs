//! Values with a unit, as people write them: sizes (`512MiB`) and spans of time (`8h`).
//!
//! Shared by the configuration and the command line, so that both read the same grammar.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;

/// Bytes: a number, or a number with `B`, `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `KB`, `MB`, `GB`, `TB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let refused = || format!("`{text}` is not a size: write bytes or `512MiB`");
    let (number, unit) = split(text).ok_or_else(refused)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(refused()),
    };
    number.checked_mul(factor).ok_or_else(refused)
}

/// A span of time: a number with `s`, `m`, `h` or `d`; a number alone is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{text}` is not a span of time: write seconds, or `30m`, `8h`, `7d`");
    let (number, unit) = split(text).ok_or_else(refused)?;
    let factor: u64 = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refused()),
    };
    number.checked_mul(factor).map(Duration::from_secs).ok_or_else(refused)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// `#[serde(deserialize_with = "value::size")]`
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Measured { parse: parse_size, whole: Ok })
}

/// `#[serde(deserialize_with = "value::size_in_memory")]`: a size that also fits this machine's addresses.
pub(super) fn size_in_memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    usize::try_from(size(deserializer)?)
        .map_err(|_| de::Error::custom("is larger than this machine can address"))
}

/// `#[serde(deserialize_with = "value::duration")]`
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Measured { parse: parse_duration, whole: |n| Ok(Duration::from_secs(n)) })
}

/// `#[serde(serialize_with = "value::seconds")]`
pub(super) fn seconds<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(value.as_secs())
}

struct Measured<T> {
    parse: fn(&str) -> Result<T, String>,
    whole: fn(u64) -> Result<T, String>,
}

impl<T> Visitor<'_> for Measured<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or text with a unit")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.whole)(number).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => (self.parse)(&number.to_string()).map_err(E::custom),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        (self.parse)(&number.to_string()).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}
