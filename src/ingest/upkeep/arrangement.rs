//! How the rows of a table are to lie in its files, and how the table remembers it.
//!
//! The arrangement is a property of the table in its Delta log, so that it is laid the same way the next time. It says
//! nothing of who may see what.

use std::fmt;
use std::str::FromStr;

use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};

/// The property of a Delta table that holds its arrangement, as JSON.
pub(super) const PROPERTY: &str = "lakegate.arrangement";

/// As many columns as share the 64 bits of a place on the curve with 8 bits or more for each.
const MOST_CURVE_COLUMNS: usize = 8;

/// How rows lie in files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrangement {
    /// Rows that differ in one of these are never in one file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition: Vec<Partition>,
    /// The order of the rows inside of a part.
    #[serde(default, skip_serializing_if = "Order::is_any")]
    pub order: Order,
    /// The columns with a bloom filter in each row group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bloom: Vec<String>,
}

/// An order of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they came.
    #[default]
    Any,
    /// By the first column, then by the second, and so on.
    Sort(Vec<String>),
    /// Along a Z-order curve: near in all columns alike.
    Zorder(Vec<String>),
}

/// A column, or a part of its date, by which rows are put into files of their own. Written `region` or `month(day)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Partition {
    pub column: String,
    pub part: Option<DatePart>,
}

/// A date or time without what is finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatePart {
    Year,
    Month,
    Day,
    Hour,
}

/// What is asked of an arrangement; what is not said stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub partition: Option<Vec<Partition>>,
    pub order: Option<Order>,
    pub bloom: Option<Vec<String>>,
}

impl Wanted {
    /// `known` with what is asked.
    pub(super) fn of(&self, known: Arrangement) -> Arrangement {
        Arrangement {
            partition: self.partition.clone().unwrap_or(known.partition),
            order: self.order.clone().unwrap_or(known.order),
            bloom: self.bloom.clone().unwrap_or(known.bloom),
        }
    }
}

impl Arrangement {
    /// Reads the property of a table.
    pub(super) fn parse(property: Option<&str>) -> Result<Self> {
        let Some(text) = property else { return Ok(Self::default()) };
        serde_json::from_str(text).map_err(|cause| {
            Error::invalid_request(format!(
                "the table's property `{PROPERTY}` is not understood: say the whole arrangement anew"
            ))
            .with_source(cause)
        })
    }

    /// As the property of a table; none when nothing is asked of its rows.
    pub(super) fn written(&self) -> Result<Option<String>> {
        match *self == Self::default() {
            true => Ok(None),
            false => serde_json::to_string(self).map(Some).map_err(Error::internal),
        }
    }

    /// Whether rows may lie anywhere.
    pub(super) fn is_loose(&self) -> bool {
        self.partition.is_empty() && self.order == Order::Any
    }

    /// What names of files begin with whose rows lie like this.
    pub(super) fn prefix(&self) -> Result<String> {
        let text = self.written()?.unwrap_or_default();
        Ok(format!("laid-{}", short(text.as_bytes())))
    }

    /// That a table with the columns of `schema` can be laid like this.
    ///
    /// # Errors
    ///
    /// `column_not_found` for a column that is not there, `invalid_request` for one that cannot serve.
    pub(super) fn check(&self, schema: &Schema) -> Result<()> {
        for partition in &self.partition {
            partition.check(named(schema, &partition.column)?)?;
        }
        let ordered = self.order.columns();
        if matches!(self.order, Order::Zorder(_)) && ordered.len() > MOST_CURVE_COLUMNS {
            let most = MOST_CURVE_COLUMNS;
            return Err(Error::invalid_request(format!("a Z-order is along {most} columns at most")));
        }
        for column in ordered.iter().chain(&self.bloom) {
            let field = named(schema, column)?;
            if field.data_type().is_nested() {
                return Err(unfit(field, "its values are no single ones"));
            }
        }
        let twice = |columns: &[String]| {
            columns
                .iter()
                .enumerate()
                .find(|(at, column)| columns.iter().take(*at).any(|known| known == *column))
                .map(|(_, column)| column.clone())
        };
        match twice(ordered).or_else(|| twice(&self.bloom)) {
            Some(column) => Err(Error::invalid_request(format!("the column `{column}` is named twice"))),
            None => Ok(()),
        }
    }

    /// The columns by which files and row groups are left out.
    pub(super) fn columns(&self) -> Vec<String> {
        self.partition
            .iter()
            .map(|partition| partition.column.clone())
            .chain(self.order.columns().iter().cloned())
            .collect()
    }
}

impl Order {
    /// The columns that it is by.
    pub(super) fn columns(&self) -> &[String] {
        match self {
            Self::Any => &[],
            Self::Sort(columns) | Self::Zorder(columns) => columns,
        }
    }

    fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

impl Partition {
    fn check(&self, field: &Field) -> Result<()> {
        use DataType::{Boolean, Date32, Decimal128, Decimal256, LargeUtf8, Timestamp, Utf8, Utf8View};
        let kind = field.data_type();
        match (self.part, kind) {
            (
                None,
                Boolean | Utf8 | LargeUtf8 | Utf8View | Decimal128(..) | Decimal256(..) | Date32
                | Timestamp(..),
            ) => Ok(()),
            (None, kind) if kind.is_integer() => Ok(()),
            (None, _) => Err(unfit(
                field,
                "only whole numbers, decimals, texts, truth values, dates and times put rows apart",
            )),
            (Some(DatePart::Hour), Date32) => Err(unfit(field, "it has no hour")),
            (Some(_), Date32 | Timestamp(..)) => Ok(()),
            (Some(_), _) => Err(unfit(field, "it has no date")),
        }
    }
}

impl DatePart {
    const ALL: [Self; 4] = [Self::Year, Self::Month, Self::Day, Self::Hour];

    /// As SQL has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }
}

impl FromStr for Partition {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dated = DatePart::ALL.into_iter().find_map(|part| {
            let column = text.strip_prefix(part.name())?.strip_prefix('(')?.strip_suffix(')')?;
            Some(Self { column: column.to_owned(), part: Some(part) })
        });
        Ok(dated.unwrap_or_else(|| Self { column: text.to_owned(), part: None }))
    }
}

impl From<String> for Partition {
    fn from(text: String) -> Self {
        let Ok(partition) = text.parse();
        partition
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.to_string()
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Some(part) => write!(f, "{}({})", part.name(), self.column),
            None => f.write_str(&self.column),
        }
    }
}

/// As the arguments that ask for it.
impl fmt::Display for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partition = self.partition.iter().map(ToString::to_string).collect::<Vec<_>>();
        let order = match self.order {
            Order::Zorder(_) => "zorder",
            Order::Any | Order::Sort(_) => "sort",
        };
        let all =
            [("partition", partition.as_slice()), (order, self.order.columns()), ("bloom", &self.bloom)];
        let all = all.into_iter().filter(|(_, columns)| !columns.is_empty());
        let all = all.map(|(what, columns)| format!("{what} {}", columns.join(", "))).collect::<Vec<_>>();
        f.write_str(&all.join("; "))
    }
}

/// A few letters that stand for `bytes`, of which no two that one table has are the same.
pub(super) fn short(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn named<'a>(schema: &'a Schema, column: &str) -> Result<&'a Field> {
    let missing = |_| Error::new(ErrorKind::ColumnNotFound, format!("column not found: `{column}`"));
    schema.field_with_name(column).map_err(missing)
}

fn unfit(field: &Field, why: &str) -> Error {
    Error::invalid_request(format!("the column `{}` cannot serve here: {why}", field.name()))
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("day", DataType::Date32, true),
            Field::new("size", DataType::Float64, true),
            Field::new("parts", DataType::Struct(vec![Field::new("a", DataType::Int64, true)].into()), true),
        ])
    }

    fn of(partition: &[&str], order: Order, bloom: &[&str]) -> Arrangement {
        Arrangement {
            partition: partition.iter().map(|text| Partition::from((*text).to_owned())).collect(),
            order,
            bloom: bloom.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for arrangement in [
            Arrangement::default(),
            of(&["id", "month(at)"], Order::Sort(names(&["id", "at"])), &["id"]),
            of(&[], Order::Zorder(names(&["id", "at"])), &[]),
            of(&["weird(name)", "month(a(b))"], Order::Any, &[]),
        ] {
            let written = arrangement.written().unwrap();
            assert_eq!(Arrangement::parse(written.as_deref()).unwrap(), arrangement);
        }
        let error = Arrangement::parse(Some(r#"{"order":"backwards"}"#)).unwrap_err();
        assert!(error.detail().contains("say the whole arrangement anew"), "{error}");
    }

    #[test]
    fn a_part_of_a_date_is_told_from_a_column() {
        let text = |text: &str| Partition::from(text.to_owned());
        assert_eq!(text("month(at)"), Partition { column: "at".to_owned(), part: Some(DatePart::Month) });
        assert_eq!(text("months(at)"), Partition { column: "months(at)".to_owned(), part: None });
        assert_eq!(text("hour(at").part, None);
    }

    #[test]
    fn columns_that_cannot_serve_are_named() {
        let refused =
            |arrangement: Arrangement| arrangement.check(&schema()).unwrap_err().detail().to_owned();
        assert_eq!(refused(of(&["gone"], Order::Any, &[])), "column not found: `gone`");
        assert_eq!(
            refused(of(&["size"], Order::Any, &[])),
            "the column `size` cannot serve here: only whole numbers, decimals, texts, truth values, dates and times put \
             rows apart"
        );
        assert!(refused(of(&["year(id)"], Order::Any, &[])).ends_with("it has no date"));
        assert!(refused(of(&["hour(day)"], Order::Any, &[])).ends_with("it has no hour"));
        assert!(
            refused(of(&[], Order::Sort(names(&["parts"])), &[])).ends_with("its values are no single ones")
        );
        assert!(refused(of(&[], Order::Any, &["parts"])).ends_with("its values are no single ones"));
        assert_eq!(refused(of(&[], Order::Any, &["id", "id"])), "the column `id` is named twice");
        let nine = Order::Zorder(vec!["id".to_owned(); 9]);
        assert_eq!(refused(of(&[], nine, &[])), "a Z-order is along 8 columns at most");
        of(&["day(at)", "id"], Order::Sort(names(&["size"])), &["id"]).check(&schema()).unwrap();
    }

    #[test]
    fn each_arrangement_has_names_of_its_own() {
        let sorted = of(&[], Order::Sort(names(&["id"])), &[]);
        assert_ne!(sorted.prefix().unwrap(), of(&[], Order::Zorder(names(&["id"])), &[]).prefix().unwrap());
        assert_eq!(sorted.prefix().unwrap(), sorted.clone().prefix().unwrap());
    }
}
