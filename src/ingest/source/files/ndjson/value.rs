//! One JSON value, with its numbers as they are written. A key that an object has twice is refused: one of the two
//! values would be lost.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::super::number::Number;

/// How deep values may lie in each other.
const DEEPEST: usize = 32;

/// As serde_json hands numbers on when they are to keep their digits.
const NUMBER: &str = "$serde_json::private::Number";

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Boolean(bool),
    /// Digits in the form of JSON.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The one value in `line`.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
        if line.contains(NUMBER) {
            return Err(format!("`{NUMBER}` cannot be read as a key"));
        }
        let mut reader = serde_json::Deserializer::from_str(line);
        let value = AtDepth(0).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        value.map_err(|fault| {
            let (text, place) =
                (fault.to_string(), format!(" at line {} column {}", fault.line(), fault.column()));
            format!("{} at its byte {}", text.strip_suffix(&place).unwrap_or(&text), fault.column())
        })
    }

    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A value that lies so deep in others.
#[derive(Clone, Copy)]
struct AtDepth(usize);

impl<'de> DeserializeSeed<'de> for AtDepth {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        if self.0 > DEEPEST {
            return Err(D::Error::custom(format!("values lie more than {DEEPEST} deep in each other")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AtDepth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(AtDepth(self.0 + 1))? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        let mut keys = std::collections::HashSet::new();
        while let Some(Key { text, is_escaped }) = entries.next_key()? {
            // The same key in the line itself is refused before, and one with escapes is no number.
            if text == NUMBER && !is_escaped {
                let digits: String = entries.next_value()?;
                return match Number::parse(&digits) {
                    Some(_) => Ok(Json::Number(digits)),
                    None => Err(A::Error::custom(format!("the number `{digits}` is too large"))),
                };
            }
            if !keys.insert(text.clone()) {
                return Err(A::Error::custom(format!("the key `{text}` is there twice")));
            }
            object.push((text, entries.next_value_seed(AtDepth(self.0 + 1))?));
        }
        Ok(Json::Object(object))
    }
}

struct Key {
    text: String,
    is_escaped: bool,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key, E> {
                Ok(Key { text: text.to_owned(), is_escaped: false })
            }

            fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                Ok(Key { text: text.to_owned(), is_escaped: true })
            }
        }
        deserializer.deserialize_any(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_value_with_its_digits() {
        let number = |digits: &str| Json::Number(digits.to_owned());
        for (line, expected) in [
            ("0.10", number("0.10")),
            ("-1e5", number("-1e+5")),
            ("12345678901234567890123", number("12345678901234567890123")),
            (r#""a\u0000ä""#, Json::Text("a\0ä".to_owned())),
            ("[1,[null]]", Json::List(vec![number("1"), Json::List(vec![Json::Null])])),
            (
                r#"{"\u0024serde_json::private::Number":"5"}"#,
                Json::Object(vec![(NUMBER.to_owned(), Json::Text("5".to_owned()))]),
            ),
        ] {
            let read = Json::parse(line.as_bytes()).unwrap();
            match (&read, &expected) {
                (Json::Number(read), Json::Number(expected)) => {
                    let is_same =
                        Number::parse(read).unwrap().to_f64() == Number::parse(expected).unwrap().to_f64();
                    assert!(is_same, "{line}");
                }
                _ => assert_eq!(read, expected),
            }
        }
    }

    #[test]
    fn what_would_lose_something_is_no_value() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        for (line, why) in [
            (r#"{"a":1,"a":2}"#.as_bytes(), "the key `a` is there twice"),
            (r#"{"a":{"b":1,"b":1}}"#.as_bytes(), "twice"),
            (b"{\"a\":1} {\"a\":2}", "trailing characters"),
            (br#"{"a":"\ud800"}"#, "byte"),
            (b"{\"a\":\"\xff\"}", "UTF-8"),
            (br#"{"$serde_json::private::Number":"5"}"#, "cannot be read as a key"),
            (br#"{"a":01}"#, "byte"),
            (br#"{"a":NaN}"#, "byte"),
            (deep.as_bytes(), "deep"),
            (b"{\"a\":1", "EOF"),
        ] {
            let fault = Json::parse(line).unwrap_err();
            assert!(fault.contains(why), "{fault}");
        }
    }
}
