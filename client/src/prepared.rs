//! A statement that runs with several sets of parameters.
//!
//! A gateway keeps no statements: each run is authorized and planned anew, so that a policy which changes in between
//! holds for the next. What is prepared is the request.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::handle::QueryHandle;
use crate::query::Query;
use crate::rows::ResultSet;
use crate::stream::ResultStream;
use crate::value::Value;

/// The most parameters that a statement may have.
const MOST_PARAMETERS: usize = 1 << 16;

/// A statement and the values of its parameters, of which each run takes those that are set then.
///
/// ```no_run
/// # async fn example(connection: lakegate_client::Connection) -> lakegate_client::Result<()> {
/// let mut by_region = connection.prepare("SELECT id FROM orders WHERE region = $1 AND total > $2");
/// by_region.set(1, "EU")?.set(2, 100)?;
/// let european = by_region.rows().await?.collect().await?;
/// by_region.set(1, "US")?;
/// let american = by_region.rows().await?.collect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PreparedStatement {
    query: Query,
    params: Vec<Option<Value>>,
    batch: VecDeque<Vec<Value>>,
}

/// The results of a statement for each set of parameters, one after the other.
///
/// ```no_run
/// # async fn example(mut by_id: lakegate_client::PreparedStatement) -> lakegate_client::Result<()> {
/// by_id.set(1, 7)?.add_batch()?.set(1, 8)?.add_batch()?;
/// let mut results = by_id.execute_batch();
/// while let Some(rows) = results.next().await? {
///     println!("{} rows", rows.collect().await?.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch runs as its results are asked for"]
pub struct BatchResults {
    query: Query,
    batch: VecDeque<Vec<Value>>,
}

impl PreparedStatement {
    pub(crate) fn new(query: Query) -> Self {
        Self { query, params: Vec::new(), batch: VecDeque::new() }
    }

    /// Sets the value of `$NUMBER`, or of the `?` that is the NUMBERth: the first is 1. `None` is NULL.
    ///
    /// ```
    /// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
    /// let mut insert_nothing = connection.prepare("SELECT ?, ?");
    /// insert_nothing.set(1, "one")?.set(2, None::<i64>)?;
    /// assert!(insert_nothing.set(0, 1).is_err());
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn set(&mut self, number: usize, value: impl Into<Value>) -> Result<&mut Self> {
        let at = number.checked_sub(1).filter(|at| *at < MOST_PARAMETERS);
        let at = at.ok_or_else(|| Error::Options(format!("`{number}` is no parameter: the first is 1")))?;
        if self.params.len() <= at {
            self.params.resize(at + 1, None);
        }
        if let Some(place) = self.params.get_mut(at) {
            *place = Some(value.into());
        }
        Ok(self)
    }

    /// Forgets the values that are set.
    ///
    /// ```
    /// # let mut by_id = lakegate_client::Driver::connect("lakegate://127.0.0.1")?.prepare("SELECT $1");
    /// by_id.set(1, 7)?.clear();
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn clear(&mut self) -> &mut Self {
        self.params.clear();
        self
    }

    /// Runs the statement with the values that are set.
    ///
    /// ```no_run
    /// # async fn example(mut by_id: lakegate_client::PreparedStatement) -> lakegate_client::Result<()> {
    /// let mut rows = by_id.set(1, 7)?.rows().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn rows(&self) -> Result<ResultSet> {
        self.query()?.rows().await
    }

    /// As [`PreparedStatement::rows`], for the record batches as they arrive.
    ///
    /// ```no_run
    /// # async fn example(mut by_id: lakegate_client::PreparedStatement) -> lakegate_client::Result<()> {
    /// let batches = by_id.set(1, 7)?.stream().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stream(&self) -> Result<ResultStream> {
        self.query()?.stream().await
    }

    /// Gives the statement to the gateway as [`Query::submit`] does.
    ///
    /// ```no_run
    /// # async fn example(mut by_id: lakegate_client::PreparedStatement) -> lakegate_client::Result<()> {
    /// let query = by_id.set(1, 7)?.submit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit(&self) -> Result<QueryHandle> {
        self.query()?.submit().await
    }

    /// Keeps the values that are set as one set of [`PreparedStatement::execute_batch`].
    ///
    /// ```
    /// # let mut by_id = lakegate_client::Driver::connect("lakegate://127.0.0.1")?.prepare("SELECT $1");
    /// for id in [7, 8, 9] {
    ///     by_id.set(1, id)?.add_batch()?;
    /// }
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn add_batch(&mut self) -> Result<&mut Self> {
        let params = self.values()?;
        self.batch.push_back(params);
        Ok(self)
    }

    /// Runs the statement for each set of values, in order and one at a time: each when its result is asked for. The sets are
    /// forgotten then. It ends with the first failure.
    ///
    /// ```no_run
    /// # async fn example(mut by_id: lakegate_client::PreparedStatement) -> lakegate_client::Result<()> {
    /// by_id.set(1, 7)?.add_batch()?;
    /// let first = by_id.execute_batch().next().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute_batch(&mut self) -> BatchResults {
        BatchResults { query: self.query.clone(), batch: std::mem::take(&mut self.batch) }
    }

    fn query(&self) -> Result<Query> {
        Ok(self.query.with_params(self.values()?))
    }

    fn values(&self) -> Result<Vec<Value>> {
        let unset = |at: usize| Error::Options(format!("the parameter `{}` has no value", at + 1));
        self.params.iter().enumerate().map(|(at, value)| value.clone().ok_or_else(|| unset(at))).collect()
    }
}

impl BatchResults {
    /// Runs the statement with the next set of values; none when all have run.
    ///
    /// ```no_run
    /// # async fn example(mut results: lakegate_client::BatchResults) -> lakegate_client::Result<()> {
    /// while let Some(mut rows) = results.next().await? {
    ///     println!("{:?}", rows.next().await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Result<Option<ResultSet>> {
        Ok(self.next_stream().await?.map(ResultSet::from))
    }

    pub(crate) async fn next_stream(&mut self) -> Result<Option<ResultStream>> {
        let Some(params) = self.batch.pop_front() else { return Ok(None) };
        match self.query.with_params(params).stream().await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) => {
                self.batch.clear();
                Err(error)
            }
        }
    }

    /// How many sets have not run yet.
    ///
    /// ```
    /// # let mut by_id = lakegate_client::Driver::connect("lakegate://127.0.0.1")?.prepare("SELECT $1");
    /// by_id.set(1, 7)?.add_batch()?;
    /// assert_eq!(by_id.execute_batch().remaining(), 1);
    /// # Ok::<(), lakegate_client::Error>(())
    /// ```
    pub fn remaining(&self) -> usize {
        self.batch.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared() -> PreparedStatement {
        crate::Driver::connect("lakegate://127.0.0.1").unwrap().prepare("SELECT $1, $2")
    }

    #[test]
    fn a_parameter_without_a_value_is_named() {
        let mut statement = prepared();
        let error = statement.set(2, 1).unwrap().add_batch().unwrap_err();
        assert_eq!(error.to_string(), "the parameter `1` has no value");
        assert!(statement.set(0, 1).is_err());
        assert!(statement.set(usize::MAX, 1).is_err());
    }

    #[test]
    fn a_batch_has_the_values_that_were_set_when_it_was_added() {
        let mut statement = prepared();
        statement.set(1, 1).unwrap().set(2, "a").unwrap().add_batch().unwrap();
        statement.set(2, None::<bool>).unwrap().add_batch().unwrap();
        let batch = statement.execute_batch().batch;
        assert_eq!(batch, [[Value::Int(1), Value::from("a")], [Value::Int(1), Value::Null]]);
        assert_eq!(statement.execute_batch().remaining(), 0);
    }
}
