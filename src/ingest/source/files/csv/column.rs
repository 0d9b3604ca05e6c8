//! The values of one CSV column on their way into a batch.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_schema::DataType;

use super::kind::Value;
use crate::error::{Error, Result};

/// Values of one type.
pub(super) enum Column {
    Boolean(BooleanBuilder),
    Whole(Int64Builder),
    Decimal(Decimal128Builder),
    Double(Float64Builder),
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Column {
    /// Without values, of a type that a column of CSV has.
    pub fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Whole(Int64Builder::new()),
            DataType::Decimal128(..) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Float64 => Self::Double(Float64Builder::new()),
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Timestamp(..) => {
                Self::Time(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a value of its type.
    pub fn push(&mut self, value: &Value<'_>) -> Result<()> {
        match (self, value) {
            (Self::Boolean(column), Value::Boolean(value)) => column.append_value(*value),
            (Self::Whole(column), Value::Whole(value)) => column.append_value(*value),
            (Self::Decimal(column), Value::Decimal(value)) => column.append_value(*value),
            (Self::Double(column), Value::Double(value)) => column.append_value(*value),
            (Self::Date(column), Value::Days(value)) => column.append_value(*value),
            (Self::Time(column), Value::Micros(value)) => column.append_value(*value),
            (Self::Text(column), Value::Text(value)) => column.append_value(value),
            (column, Value::Null) => column.push_null(),
            _ => return Err(Error::internal("a value of another type than its column")),
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match self {
            Self::Boolean(column) => column.append_null(),
            Self::Whole(column) => column.append_null(),
            Self::Decimal(column) => column.append_null(),
            Self::Double(column) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::Time(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
        }
    }

    /// All values that were added since the last time.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(column) => Arc::new(column.finish()),
            Self::Whole(column) => Arc::new(column.finish()),
            Self::Decimal(column) => Arc::new(column.finish()),
            Self::Double(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
        }
    }
}
