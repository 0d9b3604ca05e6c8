//! What a column of PostgreSQL becomes: its type in the lake, how it is selected, and how its bytes are read.
//!
//! `docs/types/postgresql.md` has the mapping for people. A type that is not named here is not mapped.

use arrow_schema::{DataType, Field, TimeUnit};

use super::super::quoted;

/// How the bytes of a value are read, and so what the column becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int16,
    Int32,
    Int64,
    /// Unsigned 32 bits.
    Oid,
    Float32,
    Float64,
    Decimal(u8, i8),
    Text,
    Bytes,
    Date,
    Timestamp,
    TimestampTz,
    List(Box<Kind>),
}

/// A column as the catalog of the server describes it; domains are already taken down to what they are over.
#[derive(Debug)]
pub(super) struct Declared {
    pub name: String,
    /// As a person writes it.
    pub shown: String,
    pub type_name: String,
    /// `b` base, `e` enum, `r` range, `m` multirange, `c` composite …
    pub type_type: String,
    pub typmod: i32,
    /// Of an array: name and kind of the element type.
    pub element: Option<(String, String)>,
    pub required: bool,
}

/// A column that the lake can hold.
#[derive(Debug, Clone)]
pub(super) struct Mapped {
    pub field: Field,
    pub kind: Kind,
    /// The expression that selects it.
    pub select: String,
    /// Its type as a person writes it.
    pub shown: String,
    /// Whether it may be NULL in the source.
    pub optional: bool,
}

impl Declared {
    /// What it becomes, or the reason why nothing.
    pub(super) fn mapped(&self) -> Result<Mapped, String> {
        let found = match &self.element {
            Some((name, of)) => scalar(name, of, self.typmod)
                .map(|(kind, cast)| (Kind::List(Box::new(kind)), cast.map(|cast| format!("{cast}[]")))),
            None => scalar(&self.type_name, &self.type_type, self.typmod),
        };
        let Some((kind, cast)) = found else {
            return Err(format!(
                "column `{}` has the type `{}`, which the lake cannot hold; bring in a view that casts it",
                self.name, self.shown
            ));
        };
        let name = quoted(&self.name);
        let select = cast.map_or_else(|| name.clone(), |cast| format!("{name}::{cast}"));
        // An infinite value may become NULL on request, so only types without such values can be required.
        let may_be_unfit = !matches!(
            kind,
            Kind::Bool | Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Oid | Kind::Text | Kind::Bytes
        );
        let field = Field::new(&self.name, kind.data_type(), !self.required || may_be_unfit);
        Ok(Mapped { field, kind, select, shown: self.shown.clone(), optional: !self.required })
    }
}

impl Kind {
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 | Self::Oid => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List(element) => DataType::List(element.list_field()),
        }
    }

    /// The element's field of a list of this kind.
    pub(super) fn list_field(&self) -> arrow_schema::FieldRef {
        Field::new("element", self.data_type(), true).into()
    }
}

/// The kind of a type that is no array, and the cast that it needs.
fn scalar(name: &str, of: &str, typmod: i32) -> Option<(Kind, Option<String>)> {
    let plain = |kind| Some((kind, None));
    match (of, name) {
        // Every value of these has a text form that keeps all of it.
        ("e" | "r" | "m", _) => Some((Kind::Text, Some("text".to_owned()))),
        ("b", "bool") => plain(Kind::Bool),
        ("b", "int2") => plain(Kind::Int16),
        ("b", "int4") => plain(Kind::Int32),
        ("b", "int8") => plain(Kind::Int64),
        ("b", "oid") => plain(Kind::Oid),
        ("b", "float4") => plain(Kind::Float32),
        ("b", "float8") => plain(Kind::Float64),
        ("b", "numeric") => match precision_and_scale(typmod) {
            Some((precision, scale)) => plain(Kind::Decimal(precision, scale)),
            None => Some((Kind::Text, Some("text".to_owned()))),
        },
        ("b", "money") => Some((Kind::Decimal(19, 2), Some("numeric(19,2)".to_owned()))),
        ("b", "text" | "varchar" | "bpchar" | "name") => plain(Kind::Text),
        ("b", "bytea") => plain(Kind::Bytes),
        ("b", "date") => plain(Kind::Date),
        ("b", "timestamp") => plain(Kind::Timestamp),
        ("b", "timestamptz") => plain(Kind::TimestampTz),
        (
            "b",
            "char" | "citext" | "xml" | "uuid" | "json" | "jsonb" | "inet" | "cidr" | "macaddr" | "macaddr8"
            | "time" | "timetz" | "interval" | "bit" | "varbit" | "tsvector" | "tsquery" | "point" | "line"
            | "lseg" | "box" | "path" | "polygon" | "circle" | "pg_lsn" | "hstore" | "ltree" | "jsonpath",
        ) => Some((Kind::Text, Some("text".to_owned()))),
        _ => None,
    }
}

/// Of `numeric(p,s)` with 1 ≤ p ≤ 38 and 0 ≤ s ≤ p; see `numerictypmodin` of the server for the encoding.
fn precision_and_scale(typmod: i32) -> Option<(u8, i8)> {
    let bits = typmod.checked_sub(4).filter(|bits| *bits >= 0)?;
    let precision = (bits >> 16) & 0xffff;
    let scale = ((bits & 0x7ff) ^ 1024) - 1024;
    let fits = (1..=38).contains(&precision) && (0..=precision).contains(&scale);
    fits.then_some(())?;
    Some((u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_keeps_its_precision_and_scale_or_becomes_text() {
        let typmod = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(precision_and_scale(typmod(15, 2)), Some((15, 2)));
        assert_eq!(precision_and_scale(typmod(38, 38)), Some((38, 38)));
        for typmod in [-1, typmod(39, 0), typmod(5, -2), typmod(2, 5)] {
            assert_eq!(precision_and_scale(typmod), None);
        }
    }
}
