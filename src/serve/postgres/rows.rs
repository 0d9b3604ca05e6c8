//! Columns and rows in the forms of the protocol: as text, or binary where the client asks for it.
//!
//! The form of most types is arrow-pg's. Decimals are ours, since they may be large. Structs, maps and lists of them are
//! told as `json`, as HTTP tells them, and a type that PostgreSQL has nothing like as text.

use std::sync::Arc;

use arrow_pg::datatypes::field_into_pg_type;
use arrow_pg::encoder::encode_value;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use postgres_types::Type;

use super::numeric::Numeric;
use super::status;
use crate::error::{Error, Result};
use crate::query::shown_name;
use crate::serve::values::{Cells, Style, cells};

/// What the client is told of the columns.
pub(super) fn columns(schema: &Schema, format: &Format) -> Vec<FieldInfo> {
    let column = |(at, field): (usize, &FieldRef)| {
        let name = shown_name(field.name()).to_owned();
        let info = FieldInfo::new(name, None, None, type_of(field), format.format_for(at));
        info.with_type_modifier(modifier(field.data_type()))
    };
    schema.fields().iter().enumerate().map(column).collect()
}

/// Whether rows of `found` are those that a client expects who was told of `told`: names and types.
pub(super) fn are_alike(told: &Schema, found: &Schema) -> bool {
    let shape = |schema: &Schema| {
        let shape = |field: &FieldRef| (field.name().clone(), type_of(field));
        schema.fields().iter().map(shape).collect::<Vec<_>>()
    };
    shape(told) == shape(found)
}

fn type_of(field: &FieldRef) -> Type {
    match form(field.data_type()) {
        Form::Numeric => Type::NUMERIC,
        Form::Json => Type::JSON,
        Form::Text => Type::TEXT,
        Form::OfLibrary => field_into_pg_type(field).unwrap_or(Type::TEXT),
    }
}

/// Of `numeric(10, 2)` the digits and decimals, as PostgreSQL writes them.
fn modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(digits, decimals)
        | DataType::Decimal64(digits, decimals)
        | DataType::Decimal128(digits, decimals)
        | DataType::Decimal256(digits, decimals)
            if *decimals >= 0 =>
        {
            ((i32::from(*digits) << 16) | i32::from(*decimals)) + 4
        }
        _ => -1,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Numeric,
    Json,
    Text,
    OfLibrary,
}

fn form(data_type: &DataType) -> Form {
    match data_type {
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::UInt64 => Form::Numeric,
        DataType::Null
        | DataType::Float16
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::Date64
        | DataType::Duration(_) => Form::Text,
        DataType::Struct(_) | DataType::Map(..) => Form::Json,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
            if item.data_type().is_nested() || form(item.data_type()) == Form::Numeric =>
        {
            Form::Json
        }
        DataType::Dictionary(_, value) => form(value),
        known => match field_into_pg_type(&Arc::new(Field::new("", known.clone(), true))) {
            Ok(_) => Form::OfLibrary,
            Err(_) => Form::Text,
        },
    }
}

/// The rows of one batch.
pub(super) fn rows(batch: &RecordBatch, columns: &Arc<Vec<FieldInfo>>) -> PgWireResult<Vec<DataRow>> {
    let sources = batch.schema_ref().fields().iter().zip(batch.columns()).zip(columns.iter());
    let sources = sources.map(|((field, values), column)| Source::of(field, values, column));
    let sources = sources.collect::<Result<Vec<_>>>().map_err(|error| status::error(&error))?;
    let mut encoder = DataRowEncoder::new(Arc::clone(columns));
    let row = |at: usize| {
        sources.iter().try_for_each(|source| source.encode(at, &mut encoder))?;
        Ok(encoder.take_row())
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The type that a value is sent as: PostgreSQL has no integers of eight bits and none without a sign.
fn sent_as(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Dictionary(_, value) => sent_as(value),
        DataType::List(item) | DataType::FixedSizeList(item, _) | DataType::ListView(item) => {
            DataType::List(item_sent_as(item))
        }
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(item_sent_as(item)),
        other => other.clone(),
    }
}

fn item_sent_as(item: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(item).with_data_type(sent_as(item.data_type())))
}

/// The values of one column.
struct Source<'a> {
    field: FieldRef,
    values: ArrayRef,
    column: &'a FieldInfo,
    /// Of a column whose form is ours: the words, and whether they are a number.
    words: Option<(Cells, bool)>,
}

impl<'a> Source<'a> {
    fn of(field: &FieldRef, values: &ArrayRef, column: &'a FieldInfo) -> Result<Self> {
        let words = match form(field.data_type()) {
            Form::Json => Some((cells(values, Style::Json)?, false)),
            Form::Numeric => Some((cells(values, Style::Plain)?, true)),
            Form::Text => Some((cells(values, Style::Plain)?, false)),
            // The library writes `inf`, which not every client reads.
            Form::OfLibrary if field.data_type().is_floating() && column.format() == FieldFormat::Text => {
                Some((cells(values, Style::Plain)?, false))
            }
            Form::OfLibrary => None,
        };
        let sent = sent_as(field.data_type());
        let values = match words.is_some() || sent == *field.data_type() {
            true => Arc::clone(values),
            false => cast(values, &sent).map_err(Error::internal)?,
        };
        Ok(Self { field: Arc::new(Field::clone(field).with_data_type(sent)), values, column, words })
    }

    fn encode(&self, at: usize, encoder: &mut DataRowEncoder) -> PgWireResult<()> {
        let Some((words, is_number)) = &self.words else {
            return encode_value(encoder, &self.values, at, &self.field, self.column);
        };
        if words.is_null(at) {
            return encoder.encode_field(&None::<String>);
        }
        let mut text = Vec::new();
        words.write(at, &mut text).map_err(|error| status::error(&error))?;
        let text = String::from_utf8(text).map_err(|error| PgWireError::ApiError(Box::new(error)))?;
        match is_number {
            true => encoder.encode_field(&Numeric(text)),
            // The binary form of `json` is its text, and that of `text` too.
            false => encoder.encode_field_with_type_and_format(
                &text,
                &Type::TEXT,
                self.column.format(),
                self.column.format_options(),
            ),
        }
    }
}
