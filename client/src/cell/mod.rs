//! One value of a result, and the types that it can be read as.
//!
//! A value is read as a type only where nothing of it is lost: a number that does not fit is an error and never cut. How
//! Arrow holds a value (as views, in dictionaries, in runs) does not matter to who reads it.

mod held;
mod json;
mod nested;
mod number;
mod text;
mod time;

use arrow::array::{Array, ArrayRef, make_array};
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::sql_type::sql_type;

/// One value of a result, not yet read.
///
/// ```no_run
/// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
/// let cell = row.cell("total")?;
/// if !cell.is_null() {
///     println!("{}", cell.get::<f64>()?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    name: &'a str,
    array: &'a dyn Array,
    row: usize,
    is_null: bool,
}

/// A type that values of a result can be read as.
///
/// | SQL | read as |
/// | --- | --- |
/// | `boolean` | `bool` |
/// | `tinyint` … `bigint unsigned` | every whole number that it fits into; the small ones also `f32` and `f64` |
/// | `float`, `double` | `f64`; `float` also `f32` |
/// | `decimal` | [`Decimal`](crate::Decimal) |
/// | `varchar` | `&str` |
/// | `varbinary` | `&[u8]`, `Vec<u8>` |
/// | `date`, `time` | [`chrono::NaiveDate`], [`chrono::NaiveTime`] |
/// | `timestamp` | [`chrono::NaiveDateTime`] |
/// | `timestamptz` | [`chrono::DateTime<Utc>`](chrono::DateTime) |
/// | `interval` | [`chrono::TimeDelta`], when it has no months |
/// | `list` | `Vec` of what its items are read as |
/// | everything but `varbinary` | `String`, as the gateway writes it in JSON |
/// | everything | [`serde_json::Value`], [`ArrayRef`] (an array of this one value), and `Option` of all these for NULL |
///
/// A type of a program's own reads itself from one of these:
///
/// ```
/// use lakegate_client::{Cell, FromCell, Result};
///
/// struct Region(String);
///
/// impl<'a> FromCell<'a> for Region {
///     const WHAT: &'static str = "a region";
///
///     fn from_cell(cell: Cell<'a>) -> Result<Self> {
///         cell.get().map(Region)
///     }
/// }
/// ```
pub trait FromCell<'a>: Sized {
    /// What it is, as an error says it: `a date`.
    const WHAT: &'static str;

    /// Whether it can be NULL. [`FromCell::from_cell`] is given NULL only then.
    const TAKES_NULL: bool = false;

    /// Whether bytes are a list of it.
    #[doc(hidden)]
    const IS_BYTE: bool = false;

    /// Reads it.
    fn from_cell(cell: Cell<'a>) -> Result<Self>;
}

impl<'a, T: FromCell<'a>> FromCell<'a> for Option<T> {
    const WHAT: &'static str = T::WHAT;
    const TAKES_NULL: bool = true;

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        if cell.is_null() { Ok(None) } else { cell.get().map(Some) }
    }
}

impl<'a> FromCell<'a> for ArrayRef {
    const WHAT: &'static str = "an array";
    const TAKES_NULL: bool = true;

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        Ok(make_array(cell.array.to_data().slice(cell.row, 1)))
    }
}

impl<'a> FromCell<'a> for bool {
    const WHAT: &'static str = "a truth value";

    fn from_cell(cell: Cell<'a>) -> Result<Self> {
        use arrow::array::AsArray;
        cell.array()
            .as_boolean_opt()
            .map(|array| array.value(cell.row()))
            .ok_or_else(|| cell.mismatch::<Self>())
    }
}

impl<'a> Cell<'a> {
    /// The value of `array` at `row`, which must be one of its rows, called `name` where it cannot be read.
    pub(crate) fn new(name: &'a str, array: &'a dyn Array, row: usize) -> Self {
        held::found(name, array, row)
    }

    /// Whether it is NULL.
    ///
    /// ```no_run
    /// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
    /// assert!(!row.cell("id")?.is_null());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_null(&self) -> bool {
        self.is_null
    }

    /// Its type as Arrow has it.
    ///
    /// ```no_run
    /// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
    /// println!("{}", row.cell("id")?.data_type());
    /// # Ok(())
    /// # }
    /// ```
    pub fn data_type(&self) -> &'a DataType {
        self.array.data_type()
    }

    /// The value. NULL is an error where the type has no place for it: ask for an `Option` then.
    ///
    /// ```no_run
    /// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
    /// let id: i64 = row.cell("id")?.get()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<T: FromCell<'a>>(self) -> Result<T> {
        if self.is_null && !T::TAKES_NULL {
            return Err(self.failed("is NULL here; ask for an optional value"));
        }
        T::from_cell(self)
    }

    /// The field `name` of a struct. NULL's fields are NULL.
    ///
    /// ```no_run
    /// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
    /// let city: Option<&str> = row.cell("address")?.field("city")?.get()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn field(self, name: &str) -> Result<Self> {
        nested::field(self, name)
    }

    pub(crate) fn array(&self) -> &'a dyn Array {
        self.array
    }

    pub(crate) fn row(&self) -> usize {
        self.row
    }

    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    pub(crate) fn failed(&self, reason: impl Into<String>) -> Error {
        Error::Column { column: self.name.to_owned(), reason: reason.into() }
    }

    pub(crate) fn mismatch<T: FromCell<'a>>(&self) -> Error {
        self.failed(format!(
            "is of the type {} and cannot be read as {}",
            sql_type(self.data_type()),
            T::WHAT
        ))
    }

    pub(crate) fn unfit<T: FromCell<'a>>(&self) -> Error {
        self.failed(format!("has a value here that does not fit into {}", T::WHAT))
    }
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell")
            .field("name", &self.name)
            .field("value", &self.get::<serde_json::Value>())
            .finish()
    }
}
