//! A node of a policy file with the path that leads to it, and how it is asked for what it should be. What is asked
//! here knows no rules: texts, lists and mappings, each mistake with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::node::{Node, Value};
use super::{FileError, Place, Placed};

/// A node of the tree, with the path that leads to it.
pub(super) struct At<'a> {
    pub file: &'a str,
    pub field: String,
    pub node: &'a Node,
}

/// A field or an entry: its name and what it is.
pub(super) type Named<'a> = (String, At<'a>);

/// The fields of a mapping, by name.
pub(super) type Fields<'a> = BTreeMap<String, At<'a>>;

impl<'a> At<'a> {
    /// The fields of a mapping that may have those of `allowed`.
    pub fn fields(&self, what: &str, allowed: &[&str]) -> Result<Fields<'a>, FileError> {
        let mut fields = BTreeMap::new();
        for (key, (name, at)) in self.keys_and_entries()? {
            if !allowed.contains(&name.as_str()) {
                let message = format!("`{name}` is not a field of {what}; {}", write_one_of(allowed));
                return Err(FileError { place: Place { field: at.field, ..self.place_of(key) }, message });
            }
            fields.insert(name, at);
        }
        Ok(fields)
    }

    /// The entries of a mapping whose keys are names.
    pub fn entries(&self) -> Result<Vec<Named<'a>>, FileError> {
        Ok(self.keys_and_entries()?.into_iter().map(|(_, entry)| entry).collect())
    }

    fn keys_and_entries(&self) -> Result<Vec<(&'a Node, Named<'a>)>, FileError> {
        let Value::Map(entries) = &self.node.value else {
            return Err(self.error(format!("a mapping (`name: …`) is needed here, not {}", self.kind())));
        };
        let mut seen = BTreeSet::new();
        let mut read = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let name = At { node: key, field: self.field.clone(), ..*self }.text()?;
            let dot = if self.field.is_empty() { "" } else { "." };
            let field = format!("{}{dot}{name}", self.field);
            if !seen.insert(name.clone()) {
                let message = format!("`{name}` is here twice; keep one");
                return Err(FileError { place: Place { field, ..self.place_of(key) }, message });
            }
            read.push((key, (name, At { file: self.file, field, node })));
        }
        Ok(read)
    }

    pub fn required<'f>(
        &self,
        fields: &'f Fields<'a>,
        name: &str,
        right: &str,
    ) -> Result<&'f At<'a>, FileError> {
        fields.get(name).ok_or_else(|| self.error(format!("`{name}` is missing: write {right}")))
    }

    pub fn items(&self) -> Result<Vec<At<'a>>, FileError> {
        let Value::List(items) = &self.node.value else {
            return Err(self.error(format!("a list is needed here, not {}", self.kind())));
        };
        let items = items.iter().enumerate();
        Ok(items
            .map(|(i, node)| At { file: self.file, field: format!("{}[{i}]", self.field), node })
            .collect())
    }

    pub fn text(&self) -> Result<String, FileError> {
        match &self.node.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Other(text) => {
                Err(self.error(format!("text is needed here: write `\"{text}\"` in quotes")))
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                Err(self.error(format!("text is needed here, not {}", self.kind())))
            }
        }
    }

    pub fn parsed<T: FromStr<Err: ToString>>(&self) -> Result<T, FileError> {
        self.text()?.parse().map_err(|error: T::Err| self.error(error.to_string()))
    }

    pub fn parsed_set<T: FromStr<Err: ToString> + Ord>(&self) -> Result<BTreeSet<T>, FileError> {
        let mut set = BTreeSet::new();
        for item in self.items()? {
            if !set.insert(item.parsed()?) {
                return Err(item.error(format!("`{}` is here twice; keep one", item.text()?)));
            }
        }
        Ok(set)
    }

    /// One thing, or a list of them: each on its own.
    pub fn one_or_more(&self) -> Result<Vec<At<'a>>, FileError> {
        match self.node.value {
            Value::List(_) => self.items(),
            _ => Ok(vec![At { file: self.file, field: self.field.clone(), node: self.node }]),
        }
    }

    /// As [`At::parsed_set`], where one may be written without a list around it.
    pub fn one_or_parsed_set<T: FromStr<Err: ToString> + Ord>(&self) -> Result<BTreeSet<T>, FileError> {
        match self.node.value {
            Value::List(_) => self.parsed_set(),
            _ => Ok(BTreeSet::from([self.parsed()?])),
        }
    }

    /// A list of texts in their order.
    pub fn texts(&self) -> Result<Vec<String>, FileError> {
        self.items()?.iter().map(At::text).collect()
    }

    /// A text that can be the name of `what`: rules are found and shown by it, a line each.
    pub fn name(&self, what: &str) -> Result<String, FileError> {
        let name = self.text()?;
        self.check_name(what, &name).map(|()| name)
    }

    pub fn check_name(&self, what: &str, name: &str) -> Result<(), FileError> {
        if name.trim().is_empty() {
            return Err(self.error(format!("{what} needs a name")));
        }
        if name.trim() != name || name.chars().any(char::is_control) {
            return Err(self.error(format!(
                "`{name}` is not a name for {what}: leave out control characters and spaces at its ends"
            )));
        }
        Ok(())
    }

    pub fn flag(&self) -> Result<bool, FileError> {
        match &self.node.value {
            Value::Other(text) if text == "true" => Ok(true),
            Value::Other(text) if text == "false" => Ok(false),
            _ => Err(self.error(format!("write `true` or `false`, not {}", self.shown()))),
        }
    }

    pub fn whole_number<T: FromStr>(&self) -> Result<T, FileError> {
        match &self.node.value {
            Value::Other(text) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| self.error(format!("a whole number is needed here, not {}", self.shown())))
    }

    /// A time, no finer than the store keeps it.
    pub fn time(&self) -> Result<DateTime<Utc>, FileError> {
        let written = match &self.node.value {
            Value::Text(text) => DateTime::parse_from_rfc3339(text).ok(),
            _ => None,
        };
        let time = written.map(|time| time.to_utc()).ok_or_else(|| {
            let shown = self.shown();
            self.error(format!(
                "{shown} is not a time: write it with its date and zone, such as `2027-01-01T00:00:00Z`"
            ))
        })?;
        match DateTime::from_timestamp_micros(time.timestamp_micros()) {
            Some(kept) if kept == time => Ok(time),
            _ => Err(self.error("a time is kept to the microsecond: write six digits of a second at most")),
        }
    }

    /// Any value, as JSON has it.
    pub fn json(&self) -> Result<serde_json::Value, FileError> {
        match &self.node.value {
            Value::Null => Ok(serde_json::Value::Null),
            Value::Text(text) => Ok(text.as_str().into()),
            Value::Other(text) => serde_json::from_str(text)
                .map_err(|_| self.error(format!("`{text}` is no value of JSON: write it in quotes"))),
            Value::List(_) => self.items()?.iter().map(At::json).collect::<Result<_, _>>(),
            Value::Map(_) => {
                let entries = self.entries()?.into_iter().map(|(name, at)| Ok((name, at.json()?)));
                entries.collect::<Result<serde_json::Map<_, _>, _>>().map(Into::into)
            }
        }
    }

    /// What stands here, to be named in an error.
    fn shown(&self) -> String {
        match &self.node.value {
            Value::Text(text) | Value::Other(text) => format!("`{text}`"),
            _ => self.kind().to_owned(),
        }
    }

    /// What the mapping here says, with the places of its `fields`.
    pub fn placed<T>(&self, value: T, fields: &Fields<'_>) -> Placed<T> {
        let parts = fields.iter().map(|(name, at)| (name.clone(), at.place()));
        Placed { place: self.place(), parts: parts.collect(), value }
    }

    pub fn place(&self) -> Place {
        self.place_of(self.node)
    }

    pub fn error(&self, message: impl Into<String>) -> FileError {
        FileError { place: self.place(), message: message.into() }
    }

    fn place_of(&self, node: &Node) -> Place {
        Place { file: self.file.to_owned(), line: node.line, column: node.column, field: self.field.clone() }
    }

    fn kind(&self) -> &'static str {
        match self.node.value {
            Value::Text(_) | Value::Other(_) => "a single value",
            Value::Null => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

pub(super) fn write_one_of(allowed: &[&str]) -> String {
    let names: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((only, [])) => format!("write {only}"),
        Some((last, others)) => format!("write {} or {last}", others.join(", ")),
        None => "write nothing".to_owned(),
    }
}
