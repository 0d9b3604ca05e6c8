//! JSON values into the columns that were found for them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, FieldRef, Fields};

use super::super::rejects::shown;
use super::scalar::{self, Spelling};
use super::value::Json;
use crate::error::{Error, Result};

/// A column, with its keys at hand where it holds objects.
pub(super) struct Column {
    field: FieldRef,
    spelling: Spelling,
    keys: Vec<Column>,
    places: HashMap<String, usize>,
    /// How many values a row has in it, missing ones too, without the items of lists.
    width: usize,
}

/// Where a value lies that its column cannot hold, outermost key last, and what it is.
#[derive(Debug)]
pub(super) struct Fault(Vec<String>, String);

/// Columns that belong together.
pub(super) fn columns(fields: &Fields, spelling: Spelling) -> Vec<Column> {
    fields.iter().map(|field| Column::new(field, spelling)).collect()
}

/// Where each of them is.
pub(super) fn places(columns: &[Column]) -> HashMap<String, usize> {
    columns.iter().enumerate().map(|(place, column)| (column.field.name().clone(), place)).collect()
}

impl Column {
    fn new(field: &FieldRef, spelling: Spelling) -> Self {
        let keys = match field.data_type() {
            DataType::Struct(fields) => columns(fields, spelling),
            DataType::List(items) => vec![Self::new(items, spelling)],
            _ => Vec::new(),
        };
        let (places, within) = (places(&keys), width(&keys));
        let is_list = matches!(field.data_type(), DataType::List(_));
        let width = if is_list { 1 } else { within.max(1) };
        Self { field: Arc::clone(field), spelling, keys, places, width }
    }

    /// How many values `value` has beside those that each row has: the items of lists, with what is missing in them.
    fn items(&self, value: &Json) -> usize {
        match (self.field.data_type(), value) {
            (DataType::List(_), Json::List(items)) => self.item().map_or(0, |of| {
                let of_item = |item: &Json| of.width.saturating_add(of.items(item));
                items.iter().map(of_item).fold(0, usize::saturating_add)
            }),
            (DataType::Struct(_), Json::Object(entries)) => items(&self.keys, &self.places, entries),
            _ => 0,
        }
    }

    /// Why a value cannot be one of this column.
    fn refuse(&self, value: &Json) -> Result<(), Fault> {
        let data_type = self.field.data_type();
        let fits = match (data_type, value) {
            (DataType::List(_), Json::List(items)) => {
                return items.iter().try_for_each(|item| self.item().map_or(Ok(()), |of| of.refuse(item)));
            }
            (DataType::Struct(_), Json::Object(entries)) => return refuse(&self.keys, &self.places, entries),
            _ => scalar::is_held(value, data_type, self.spelling),
        };
        if fits {
            return Ok(());
        }
        let found = match value {
            Json::Number(text) | Json::Text(text) if self.spelling == Spelling::Results => {
                format!("`{}`", shown(text))
            }
            Json::Number(digits) => format!("`{}`", shown(digits)),
            other => other.kind().to_owned(),
        };
        Err(Fault(Vec::new(), format!("is {found}, which its column cannot hold")))
    }

    fn item(&self) -> Option<&Self> {
        self.keys.first()
    }

    /// The values as an array. Each was looked at before.
    fn array(&self, values: &[Option<&Json>]) -> Result<ArrayRef> {
        match self.field.data_type() {
            DataType::List(_) => self.list(values),
            DataType::Struct(fields) => self.objects(fields, values),
            other => scalar::array(values, other, self.spelling),
        }
    }

    fn list(&self, values: &[Option<&Json>]) -> Result<ArrayRef> {
        let Some(item) = self.item() else { return Err(Error::internal("a list of nothing")) };
        let (mut items, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            let list = if let Some(Json::List(list)) = value { Some(list) } else { None };
            items.extend(list.into_iter().flatten().map(Some));
            lengths.push(list.map_or(0, Vec::len));
            valid.push(list.is_some());
        }
        let offsets = OffsetBuffer::from_lengths(lengths);
        let array = item.array(&items)?;
        let nulls = Some(NullBuffer::from(valid));
        let list = ListArray::try_new(Arc::clone(&item.field), offsets, array, nulls);
        Ok(Arc::new(list.map_err(Error::internal)?))
    }

    fn objects(&self, fields: &Fields, values: &[Option<&Json>]) -> Result<ArrayRef> {
        let objects = values.iter().map(|value| match value {
            Some(Json::Object(entries)) => Some(entries.as_slice()),
            _ => None,
        });
        let objects = objects.collect::<Vec<_>>();
        let nulls = objects.iter().map(Option::is_some).collect::<Vec<_>>();
        let arrays = arrays(&self.keys, &self.places, &objects)?;
        let array = StructArray::try_new(fields.clone(), arrays, Some(NullBuffer::from(nulls)));
        Ok(Arc::new(array.map_err(Error::internal)?))
    }
}

/// How many values a row of these columns has at least, missing ones too.
pub(super) fn width(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width).fold(0, usize::saturating_add)
}

/// How many values `entries` have beside those that each row of these columns has.
pub(super) fn items(
    columns: &[Column],
    places: &HashMap<String, usize>,
    entries: &[(String, Json)],
) -> usize {
    let column = |key: &String| places.get(key).and_then(|place| columns.get(*place));
    let found = entries.iter().filter_map(|(key, value)| Some(column(key)?.items(value)));
    found.fold(0, usize::saturating_add)
}

/// Why the entries of an object cannot be values of these columns.
pub(super) fn refuse(
    columns: &[Column],
    places: &HashMap<String, usize>,
    entries: &[(String, Json)],
) -> Result<(), Fault> {
    entries.iter().try_for_each(|(key, value)| {
        let told = match places.get(key).and_then(|place| columns.get(*place)) {
            Some(column) => column.refuse(value),
            None => Err(Fault(Vec::new(), "is no column".to_owned())),
        };
        told.map_err(|Fault(mut path, what)| {
            path.push(shown(key));
            Fault(path, what)
        })
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.iter().rev().map(String::as_str).collect::<Vec<_>>();
        write!(f, "`{}` {}", path.join("."), self.1)
    }
}

/// The entries of objects by column.
pub(super) fn arrays(
    columns: &[Column],
    places: &HashMap<String, usize>,
    objects: &[Option<&[(String, Json)]>],
) -> Result<Vec<ArrayRef>> {
    let mut values = vec![vec![None; objects.len()]; columns.len()];
    for (row, object) in objects.iter().enumerate() {
        for (key, value) in object.iter().copied().flatten() {
            let column = places.get(key).and_then(|place| values.get_mut(*place));
            if let Some(into) = column.and_then(|column| column.get_mut(row)) {
                *into = Some(value);
            }
        }
    }
    columns.iter().zip(&values).map(|(column, values)| column.array(values)).collect()
}
