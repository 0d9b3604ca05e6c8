//! What the values under each key are, over all lines: a first pass reads every line, so that no key comes as a surprise.
//!
//! The first value that is not null says what a key holds (text, number, boolean, list, object). A line that holds
//! something else there is a bad line, and says nothing of the columns: so each line has a shape of its own first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};

use super::super::names::refuse_alike;
use super::super::number::{Number, Numbers};
use super::super::rejects::shown;
use super::value::Json;
use crate::error::{Error, Result};

/// How many keys a table may have, also in objects in each other. Keys that are values themselves would be without end.
const MOST_KEYS: usize = 10_000;

/// What the values of one key are.
#[derive(Debug, Default)]
pub(super) enum Shape {
    /// All were null.
    #[default]
    Nothing,
    Boolean,
    Number(Numbers),
    Text,
    List(Box<Shape>),
    Object(Keys),
}

/// The keys of objects, in the order in which they are met.
#[derive(Debug, Default)]
pub(super) struct Keys {
    places: HashMap<String, usize>,
    shapes: Vec<(String, Shape)>,
}

impl Shape {
    fn of(value: &Json) -> Result<Self, String> {
        Ok(match value {
            Json::Null => Self::Nothing,
            Json::Boolean(_) => Self::Boolean,
            Json::Number(digits) => {
                let numbers = Number::parse(digits).map(Numbers::of);
                let held = numbers.filter(|numbers| numbers.data_type().is_some());
                Self::Number(held.ok_or_else(|| format!("no type holds the number `{}`", shown(digits)))?)
            }
            Json::Text(_) => Self::Text,
            Json::List(items) => {
                let mut shape = Self::Nothing;
                for item in items {
                    let item = Self::of(item)?;
                    shape.refuse(&item)?;
                    shape.join(item);
                }
                Self::List(Box::new(shape))
            }
            Json::Object(entries) => Self::Object(Keys::of(entries)?),
        })
    }

    /// Of values that have this type already.
    fn of_type(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Utf8 => Self::Text,
            DataType::List(item) => Self::List(Box::new(Self::of_type(item.data_type()))),
            DataType::Struct(fields) => Self::Object(Keys::of_fields(fields)),
            other => Numbers::of_type(other).map_or(Self::Nothing, Self::Number),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "null",
            Self::Boolean => "a boolean",
            Self::Number(_) => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Why another shape does not go with this one.
    fn refuse(&self, other: &Self) -> Result<(), String> {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Ok(()),
            (Self::List(shape), Self::List(other)) => shape.refuse(other),
            (Self::Object(keys), Self::Object(other)) => keys.refuse(other),
            (shape, other) if shape.kind() == other.kind() => Ok(()),
            (shape, other) => Err(format!("it has {} where {} was before", other.kind(), shape.kind())),
        }
    }

    /// Both, of which none refuses the other.
    fn join(&mut self, other: Self) {
        match (self, other) {
            (_, Self::Nothing) => {}
            (Self::Number(seen), Self::Number(more)) => *seen = seen.and(more),
            (Self::List(shape), Self::List(more)) => shape.join(*more),
            (Self::Object(keys), Self::Object(more)) => keys.join(more),
            (shape, other) => *shape = other,
        }
    }

    /// Its type in the lake.
    fn data_type(&self, path: &str) -> Result<DataType> {
        Ok(match self {
            Self::Nothing | Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Number(numbers) => numbers.data_type().ok_or_else(|| {
                Error::invalid_request(format!("no type of the lake holds all numbers of `{path}` exactly"))
            })?,
            Self::List(shape) => {
                DataType::List(Arc::new(Field::new("element", shape.data_type(path)?, true)))
            }
            Self::Object(keys) => DataType::Struct(keys.fields(path)?),
        })
    }
}

impl Keys {
    /// Those of one object; why it cannot be brought in.
    pub fn of(entries: &[(String, Json)]) -> Result<Self, String> {
        let mut keys = Self::default();
        for (key, value) in entries {
            keys.join_one(key.clone(), Shape::of(value)?);
        }
        Ok(keys)
    }

    /// Those that a table has already.
    pub fn of_fields(fields: &Fields) -> Self {
        let mut keys = Self::default();
        for field in fields {
            keys.join_one(field.name().clone(), Shape::of_type(field.data_type()));
        }
        keys
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shapes.iter().map(|(name, _)| name.as_str())
    }

    /// Those of them that are `wanted`.
    pub fn only(self, wanted: &HashSet<String>) -> Self {
        let mut keys = Self::default();
        for (name, shape) in self.shapes.into_iter().filter(|(name, _)| wanted.contains(name)) {
            keys.join_one(name, shape);
        }
        keys
    }

    /// Why other keys do not go with these.
    pub fn refuse(&self, other: &Self) -> Result<(), String> {
        other.shapes.iter().try_for_each(|(key, shape)| {
            let known = self.places.get(key).and_then(|place| self.shapes.get(*place));
            known.map_or(Ok(()), |(_, known)| known.refuse(shape))
        })
    }

    /// Both, of which none refuses the other.
    pub fn join(&mut self, other: Self) {
        for (key, shape) in other.shapes {
            self.join_one(key, shape);
        }
    }

    fn join_one(&mut self, key: String, shape: Shape) {
        match self.places.get(&key).and_then(|place| self.shapes.get_mut(*place)) {
            Some((_, known)) => known.join(shape),
            None => {
                self.places.insert(key.clone(), self.shapes.len());
                self.shapes.push((key, shape));
            }
        }
    }

    /// Refuses more keys than a table may have.
    pub fn refuse_too_many(&self) -> Result<()> {
        match self.count() > MOST_KEYS {
            false => Ok(()),
            true => Err(Error::invalid_request(format!(
                "there are more than {MOST_KEYS} keys: keys that are values of their own cannot be columns"
            ))),
        }
    }

    fn count(&self) -> usize {
        let below = |shape: &Shape| {
            let mut shape = shape;
            while let Shape::List(items) = shape {
                shape = items;
            }
            if let Shape::Object(keys) = shape { keys.count() } else { 0 }
        };
        self.shapes.iter().map(|(_, shape)| 1 + below(shape)).sum()
    }

    /// As columns; `path` is where they lie.
    pub fn fields(&self, path: &str) -> Result<Fields> {
        if self.shapes.is_empty() {
            return Err(Error::invalid_request(match path {
                "" => "there is no key, and so no column".to_owned(),
                path => format!("`{path}` has only objects without keys, which the lake cannot hold"),
            }));
        }
        if let Some((name, _)) = self.shapes.iter().find(|(name, _)| is_no_name(name)) {
            let within = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            let name = shown(&name.escape_debug().to_string());
            return Err(Error::invalid_request(format!("the key `{name}`{within} is no name of a column")));
        }
        refuse_alike(self.shapes.iter().map(|(name, _)| name.as_str()))?;
        let field = |(name, shape): &(String, Shape)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            Ok(Arc::new(Field::new(name, shape.data_type(&path)?, true)))
        };
        self.shapes.iter().map(field).collect()
    }
}

fn is_no_name(name: &str) -> bool {
    name.is_empty() || name.chars().any(char::is_control)
}
