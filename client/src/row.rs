//! One row of a result.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use crate::cell::{Cell, FromCell};
use crate::columns::ResultSetMetaData;
use crate::error::{Error, Result};

/// One row of a result. Cheap to clone, and good for as long as it is kept; it keeps the batch that it is in.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let mut rows = connection.query("SELECT id, name, email FROM customers").rows().await?;
/// while let Some(row) = rows.next().await? {
///     let id: i64 = row.get(0)?;
///     let name = row.get::<&str>("name")?;
///     let email = row.get::<Option<String>>("email")?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Row {
    batch: Arc<RecordBatch>,
    metadata: Arc<ResultSetMetaData>,
    at: usize,
}

/// What a column is asked for by: its place, of which the first is 0, or its name.
///
/// ```no_run
/// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
/// fn total(row: &lakegate_client::Row, column: impl lakegate_client::ColumnIndex) -> lakegate_client::Result<f64> {
///     row.get(column)
/// }
/// assert_eq!(total(&row, 3)?, total(&row, "total")?);
/// # Ok(())
/// # }
/// ```
pub trait ColumnIndex: sealed::Sealed {
    #[doc(hidden)]
    fn position(&self, metadata: &ResultSetMetaData) -> Result<usize>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for &str {}
    impl Sealed for &String {}
}

impl ColumnIndex for usize {
    fn position(&self, metadata: &ResultSetMetaData) -> Result<usize> {
        let columns = metadata.columns().len();
        let reason = || format!("is not in the result, which has {columns}; the first is 0");
        (*self < columns)
            .then_some(*self)
            .ok_or_else(|| Error::Column { column: self.to_string(), reason: reason() })
    }
}

impl ColumnIndex for &str {
    fn position(&self, metadata: &ResultSetMetaData) -> Result<usize> {
        metadata.position(self)
    }
}

impl ColumnIndex for &String {
    fn position(&self, metadata: &ResultSetMetaData) -> Result<usize> {
        metadata.position(self)
    }
}

impl Row {
    /// The row `at` of `batch`, which has that many.
    pub(crate) fn new(batch: Arc<RecordBatch>, metadata: Arc<ResultSetMetaData>, at: usize) -> Self {
        Self { batch, metadata, at }
    }

    /// The value of a column, read as [`FromCell`] says. NULL is an error unless an `Option` is asked for.
    ///
    /// ```no_run
    /// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
    /// let total = row.get::<Option<f64>>("total")?.unwrap_or_default();
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<'a, T: FromCell<'a>>(&'a self, column: impl ColumnIndex) -> Result<T> {
        self.cell(column)?.get()
    }

    /// The value of a column, not yet read.
    ///
    /// ```no_run
    /// # fn example(row: lakegate_client::Row) -> lakegate_client::Result<()> {
    /// assert!(!row.cell("id")?.is_null());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cell(&self, column: impl ColumnIndex) -> Result<Cell<'_>> {
        let position = column.position(&self.metadata)?;
        let described = self.metadata.columns().get(position);
        match (described, self.batch.columns().get(position)) {
            (Some(described), Some(array)) => Ok(Cell::new(&described.name, array.as_ref(), self.at)),
            _ => Err(Error::Protocol("a batch has not the columns of its result".to_owned())),
        }
    }

    /// The columns.
    ///
    /// ```no_run
    /// # fn example(row: lakegate_client::Row) {
    /// println!("{:?}", row.metadata().columns());
    /// # }
    /// ```
    pub fn metadata(&self) -> &ResultSetMetaData {
        &self.metadata
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = (0..self.metadata.columns().len()).map(|at| self.get::<serde_json::Value>(at));
        f.debug_list().entries(cells.map(Result::unwrap_or_default)).finish()
    }
}
