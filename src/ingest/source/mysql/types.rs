//! What a column of MySQL or MariaDB becomes in the lake, and how it is asked for.
//!
//! The type in the lake holds every value of the column, or the table is refused with the name of the column. This
//! file knows no connection: it turns a declared column into a field and an expression. `docs/types/mysql.md` says
//! the same to the people who use it.

use arrow_schema::{DataType, Field, TimeUnit};

/// A column as `information_schema.columns` has it, with the types in lower case.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) column_type: String,
    pub(super) nullable: bool,
    pub(super) precision: Option<u64>,
    pub(super) scale: Option<u64>,
    pub(super) charset: Option<String>,
}

/// A column that the lake can hold.
#[derive(Debug, Clone)]
pub(super) struct Mapped {
    pub(super) field: Field,
    pub(super) reading: Reading,
    /// What is selected for it.
    pub(super) expression: String,
    /// Whether its values have an order that their texts tell.
    pub(super) is_ordered: bool,
}

/// How the bytes that the server sends for a value are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Signed,
    Unsigned,
    Float,
    /// Digits, as text.
    Decimal,
    /// Big-endian bits.
    Bits,
    Text,
    Bytes,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS[.ffffff]`.
    DateTime,
}

impl Mapped {
    /// `value`, which is the text of one of its values, as SQL has it; none when it is not.
    pub(super) fn literal(&self, value: &str) -> Option<String> {
        let is_number = || value.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
        // Backslashes are escapes in the sessions of `SESSION`.
        let text = || format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"));
        Some(match self.reading {
            Reading::Signed | Reading::Unsigned | Reading::Decimal if is_number() => value.to_owned(),
            Reading::Date => format!("CAST({} AS DATE)", text()),
            Reading::DateTime => format!("CAST({} AS DATETIME(6))", text()),
            Reading::Text => text(),
            _ => return None,
        })
    }
}

/// The field and the expression of a column, or why it has none.
pub(super) fn map(column: &Declared) -> Result<Mapped, String> {
    let Some((data_type, reading)) = lake_type(column) else {
        return Err(format!(
            "column `{}` has the type `{}`, which the lake cannot hold; bring in a view that casts it",
            column.name, column.column_type
        ));
    };
    // A zero date may stand in a column that is NOT NULL, and may become NULL here.
    let nullable = column.nullable || matches!(reading, Reading::Date | Reading::DateTime);
    let name = quoted(&column.name);
    let expression = match column.data_type.as_str() {
        // The binary protocol has no zero dates that a client could tell apart; the text has all of them.
        "date" | "datetime" | "timestamp" | "time" => format!("CAST({name} AS CHAR)"),
        _ => match column.charset.as_deref() {
            Some(charset) if reading == Reading::Text && !UNICODE_THROUGHOUT.contains(&charset) => {
                checked(&name)
            }
            _ => name,
        },
    };
    // An `enum` is sorted by its place and compared by its text; a long `decimal` would be compared as a float.
    let is_ordered = match reading {
        Reading::Signed | Reading::Unsigned | Reading::Decimal | Reading::Date | Reading::DateTime => true,
        Reading::Text => column.data_type.ends_with("char") || column.data_type.ends_with("text"),
        Reading::Float | Reading::Bits | Reading::Bytes => false,
    };
    Ok(Mapped { field: Field::new(&column.name, data_type, nullable), reading, expression, is_ordered })
}

/// The charsets of which every value has its Unicode.
const UNICODE_THROUGHOUT: [&str; 8] =
    ["utf8", "utf8mb3", "utf8mb4", "ucs2", "utf16", "utf16le", "utf32", "latin1"];

/// The text of a column whose charset has bytes without a character: the server would send a `?` for each of them,
/// so a value that gains one is sent as a byte that is no text, which stops the table.
fn checked(name: &str) -> String {
    let unicode = format!("CONVERT({name} USING utf8mb4)");
    let without = |text: &str| format!("CHAR_LENGTH(REPLACE({text}, '?', ''))");
    format!(
        "IF({name} IS NULL, NULL, IF({} = {}, CONVERT({unicode} USING binary), x'ff'))",
        without(name),
        without(&unicode)
    )
}

/// `name` as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn lake_type(column: &Declared) -> Option<(DataType, Reading)> {
    let is_unsigned = column.column_type.contains("unsigned");
    let microseconds = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    Some(match column.data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => (
            integer(&column.data_type, is_unsigned),
            if is_unsigned { Reading::Unsigned } else { Reading::Signed },
        ),
        "year" => (DataType::Int16, Reading::Unsigned),
        "float" => (DataType::Float32, Reading::Float),
        "double" => (DataType::Float64, Reading::Float),
        "decimal" => decimal(column)?,
        "bit" => match column.precision? {
            1 => (DataType::Boolean, Reading::Bits),
            2..=63 => (DataType::Int64, Reading::Bits),
            _ => (DataType::Decimal128(20, 0), Reading::Bits),
        },
        "date" => (DataType::Date32, Reading::Date),
        "datetime" => (microseconds(None), Reading::DateTime),
        "timestamp" => (microseconds(Some("UTC")), Reading::DateTime),
        // A `time` is a span of up to 838 hours with a sign, not an hour of the day.
        "time" | "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json" | "enum"
        | "set" | "uuid" | "inet4" | "inet6" => (DataType::Utf8, Reading::Text),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            (DataType::Binary, Reading::Bytes)
        }
        _ => return None,
    })
}

/// The next wider type with a sign for one without. A `tinyint(1)` stays a number: it may hold any of -128 to 127.
fn integer(data_type: &str, is_unsigned: bool) -> DataType {
    match (data_type, is_unsigned) {
        ("tinyint", false) => DataType::Int8,
        ("tinyint", true) | ("smallint", false) => DataType::Int16,
        ("smallint", true) | ("mediumint", _) | ("int", false) => DataType::Int32,
        ("bigint", true) => DataType::Decimal128(20, 0),
        _ => DataType::Int64,
    }
}

/// Up to 38 digits are a decimal of the lake; more of them stay text.
fn decimal(column: &Declared) -> Option<(DataType, Reading)> {
    let precision = u8::try_from(column.precision?).ok()?;
    let scale = i8::try_from(column.scale?).ok()?;
    Some(match precision {
        ..=38 => (DataType::Decimal128(precision, scale), Reading::Decimal),
        _ => (DataType::Utf8, Reading::Text),
    })
}
