//! The columns of a result, in the words of SQL.

use arrow::datatypes::{Field, SchemaRef};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::sql_type::sql_type;

/// A column of a result.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let rows = connection.query("SELECT id FROM orders").rows().await?;
/// for column in rows.metadata().columns() {
///     println!("{} {}{}", column.name, column.type_name, if column.nullable { "" } else { " NOT NULL" });
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in the words of SQL: `bigint`, `decimal(10,2)`, `list<varchar>` …
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
}

/// The columns of a result, known before its first row.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let rows = connection.query("SELECT id, total FROM orders").rows().await?;
/// let metadata = rows.metadata();
/// assert_eq!(metadata.position("total")?, 1);
/// assert_eq!(metadata.columns()[0].name, "id");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ResultSetMetaData {
    schema: SchemaRef,
    columns: Vec<Column>,
}

impl ResultSetMetaData {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| Column::of(field)).collect();
        Self { schema, columns }
    }

    /// The columns in their order.
    ///
    /// ```no_run
    /// # async fn example(rows: lakegate_client::ResultSet) {
    /// println!("{} columns", rows.metadata().columns().len());
    /// # }
    /// ```
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns with their types as Arrow has them.
    ///
    /// ```no_run
    /// # async fn example(rows: lakegate_client::ResultSet) {
    /// println!("{:?}", rows.metadata().schema().field(0).data_type());
    /// # }
    /// ```
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The place of the column `name`, of which the first is 0. A name that no column has as it stands may differ in upper
    /// and lower case, when only one column is meant by that.
    ///
    /// ```no_run
    /// # async fn example(rows: lakegate_client::ResultSet) -> lakegate_client::Result<()> {
    /// let place = rows.metadata().position("total")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn position(&self, name: &str) -> Result<usize> {
        if let Some(at) = self.columns.iter().position(|column| column.name == name) {
            return Ok(at);
        }
        let folded = name.to_lowercase();
        let mut like =
            self.columns.iter().enumerate().filter(|(_, column)| column.name.to_lowercase() == folded);
        let failed = |reason: &str| Error::Column { column: name.to_owned(), reason: reason.to_owned() };
        match (like.next(), like.next()) {
            (Some((at, _)), None) => Ok(at),
            (Some(_), Some(_)) => Err(failed("may be more than one; write it as the result does")),
            (None, _) => Err(failed("is not in the result")),
        }
    }
}

impl Column {
    fn of(field: &Field) -> Self {
        Self {
            name: field.name().clone(),
            type_name: sql_type(field.data_type()),
            nullable: field.is_nullable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Schema};

    use super::*;

    #[test]
    fn a_column_is_found_by_its_name_in_any_case_when_only_one_is_meant() {
        let names = ["id", "Name", "a", "A"].map(|name| Field::new(name, DataType::Int64, true));
        let metadata = ResultSetMetaData::new(Arc::new(Schema::new(names.to_vec())));
        assert_eq!(metadata.position("NAME").unwrap(), 1);
        assert_eq!(metadata.position("A").unwrap(), 3);
        assert_eq!(metadata.position("x").unwrap_err().to_string(), "column `x` is not in the result");
        let two = ["ab", "AB"].map(|name| Field::new(name, DataType::Int64, true));
        let metadata = ResultSetMetaData::new(Arc::new(Schema::new(two.to_vec())));
        assert!(metadata.position("Ab").unwrap_err().to_string().contains("more than one"));
    }
}
