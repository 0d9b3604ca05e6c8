//! Tables as plain values: their columns, their rows, and where hostile values come from.
//!
//! A value is mild or hostile. Mild ones let most expressions succeed; hostile ones make casts, divisions, dates and
//! regular expressions fail. What a reader sees is mostly mild and what is hidden mostly hostile, so that an expression
//! that meets a hidden value tells so.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    StructArray,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use super::random::Random;

/// What a text column holds when it is mild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    Number,
    Day,
    Word,
    Pattern,
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Int,
    Float,
    Text(Flavor),
    Date,
    Bool,
    Decimal,
    Struct(Vec<Column>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// A value; floats are kept as their bits, so that equal means the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Int(i64),
    Float(u64),
    Text(String),
    Date(i32),
    Bool(bool),
    Decimal(i128),
    Struct(Vec<Value>),
}

pub type Row = Vec<Value>;

impl Column {
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }

    /// The paths of the parts that have a value of their own.
    pub fn paths(&self) -> Vec<String> {
        match &self.kind {
            Kind::Struct(fields) => {
                fields.iter().map(|field| format!("{}.{}", self.name, field.name)).collect()
            }
            _ => vec![self.name.clone()],
        }
    }
}

const MILD_INTS: &[i64] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 30];
/// What queries subtract before they divide.
pub const ZEROS: &[i64] = &[0, 13, 60, -1];
const HOSTILE_INTS: &[i64] = &[0, 13, 60, -1, 1_000_000_007, i64::MAX, i64::MIN, i64::MAX - 1, 25, 40];
const MILD_NUMBERS: &[&str] = &["1", "2", "7", "42", "1999", "2001"];
const MILD_DAYS: &[&str] = &["2020-01-05", "2021-02-28", "1999-12-31", "2024-02-29"];
const MILD_WORDS: &[&str] = &["ana", "bo", "cy", "east", "west", "a b"];
const MILD_PATTERNS: &[&str] = &["a.*", "b+", "^e", "w[a-z]"];
const HOSTILE_TEXTS: &[&str] = &[
    "secret-42",
    "([",
    "*",
    "9999999999999999999999",
    "2020-13-45",
    "é😀",
    "%",
    "\\",
    "{\"a\":",
    "0",
    "-1",
    "x y z x y z x y z x y z x y z x y z x y z x y z x y z x y z x y z x y z",
    "NaN",
    "1e400",
    "zz",
];

/// A value for a column of `kind`.
pub fn draw(kind: &Kind, hostile: bool, random: &mut Random) -> Value {
    if random.percent(8) {
        return Value::Null;
    }
    let texts = |mild: &'static [&'static str], random: &mut Random| {
        let from = if hostile { HOSTILE_TEXTS } else { mild };
        Value::Text((*random.pick(from)).to_owned())
    };
    match kind {
        Kind::Int => Value::Int(*random.pick(if hostile { HOSTILE_INTS } else { MILD_INTS })),
        Kind::Float => {
            let hostile_floats = [0.0, -0.0, -1.0, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, 1e-300, 60.5];
            let mild = [0.5, 1.0, 1.25, 2.0, 3.75, 10.0];
            Value::Float(
                (if hostile { *random.pick(&hostile_floats) } else { *random.pick(&mild) }).to_bits(),
            )
        }
        Kind::Text(Flavor::Number) => texts(MILD_NUMBERS, random),
        Kind::Text(Flavor::Day) => texts(MILD_DAYS, random),
        Kind::Text(Flavor::Word) => texts(MILD_WORDS, random),
        Kind::Text(Flavor::Pattern) => texts(MILD_PATTERNS, random),
        Kind::Date => {
            let mild = [0, 18_262, 18_321, 19_782, 11_322];
            let hostile_days = [i32::MAX, i32::MIN, -719_529, 2_932_896, -1, 40_000];
            Value::Date(if hostile { *random.pick(&hostile_days) } else { *random.pick(&mild) })
        }
        Kind::Bool => Value::Bool(random.percent(50)),
        Kind::Decimal => {
            let mild = [100, 150, 225, 1_000, 4_200];
            let hostile_decimals = [0, -1, 999_999_999_999, -999_999_999_999, 6_000];
            Value::Decimal(if hostile { *random.pick(&hostile_decimals) } else { *random.pick(&mild) })
        }
        Kind::Struct(fields) => {
            Value::Struct(fields.iter().map(|field| draw(&field.kind, hostile, random)).collect())
        }
    }
}

/// The schema as Arrow has it.
pub fn schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(fields(columns)))
}

fn fields(columns: &[Column]) -> Fields {
    columns.iter().map(|column| Field::new(&column.name, data_type(&column.kind), true)).collect()
}

fn data_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Int => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Text(_) => DataType::Utf8,
        Kind::Date => DataType::Date32,
        Kind::Bool => DataType::Boolean,
        Kind::Decimal => DataType::Decimal128(12, 2),
        Kind::Struct(inner) => DataType::Struct(fields(inner)),
    }
}

/// `rows` as one batch.
pub fn batch(columns: &[Column], rows: &[Row]) -> RecordBatch {
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(at, column)| array(&column.kind, &rows.iter().map(|row| &row[at]).collect::<Vec<_>>()))
        .collect();
    RecordBatch::try_new(schema(columns), arrays).unwrap()
}

fn array(kind: &Kind, values: &[&Value]) -> ArrayRef {
    let mismatch = |value: &Value| -> ! { panic!("{value:?} is no {kind:?}") };
    macro_rules! collected {
        ($array:ty, $variant:path, $convert:expr) => {
            values
                .iter()
                .map(|value| match value {
                    Value::Null => None,
                    $variant(value) => Some($convert(value)),
                    other => mismatch(other),
                })
                .collect::<$array>()
        };
    }
    match kind {
        Kind::Int => Arc::new(collected!(Int64Array, Value::Int, |value: &i64| *value)),
        Kind::Float => Arc::new(collected!(Float64Array, Value::Float, |bits: &u64| f64::from_bits(*bits))),
        Kind::Text(_) => Arc::new(collected!(StringArray, Value::Text, |text: &String| text.clone())),
        Kind::Date => Arc::new(collected!(Date32Array, Value::Date, |day: &i32| *day)),
        Kind::Bool => Arc::new(collected!(BooleanArray, Value::Bool, |is: &bool| *is)),
        Kind::Decimal => {
            let decimals = collected!(Decimal128Array, Value::Decimal, |value: &i128| *value);
            Arc::new(decimals.with_precision_and_scale(12, 2).unwrap())
        }
        Kind::Struct(inner) => {
            let nulls = values.iter().map(|value| !matches!(value, Value::Null)).collect::<Vec<_>>();
            let of_field = |at: usize, field: &Column| {
                let parts = values.iter().map(|value| match value {
                    Value::Struct(parts) => &parts[at],
                    _ => &Value::Null,
                });
                array(&field.kind, &parts.collect::<Vec<_>>())
            };
            let arrays = inner.iter().enumerate().map(|(at, field)| of_field(at, field)).collect();
            Arc::new(StructArray::new(fields(inner), arrays, Some(nulls.into())))
        }
    }
}
