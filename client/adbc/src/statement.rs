//! One statement with its parameters.

use adbc_core::error::Result;
use adbc_core::options::{OptionStatement, OptionValue};
use adbc_core::sync::CancelHandle;
use adbc_core::{Optionable, PartitionedResult, Statement};
use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::Schema;
use lakegate_client::Value;
use lakegate_client::blocking::{Connection, Query};

use crate::fault::{invalid, not_implemented, of_client};
use crate::options::{RunOptions, only_texts, unknown, unset};
use crate::reader::{Notice, Reader, Rows, Stop};

/// A statement of a connection.
#[derive(Debug)]
pub struct LakegateStatement {
    connection: Connection,
    run: RunOptions,
    sql: Option<String>,
    /// The rows of parameters, for each of which the statement runs; none were bound when it has none.
    params: Option<Vec<Vec<Value>>>,
    stop: Stop,
    notice: Notice,
}

impl LakegateStatement {
    pub(crate) fn new(connection: Connection, run: RunOptions) -> Self {
        Self { connection, run, sql: None, params: None, stop: Stop::default(), notice: Notice::new() }
    }

    /// The statement without its parameters.
    fn query(&self) -> Result<Query> {
        let sql = self.sql.clone().ok_or_else(|| invalid("there is no statement: set one first"))?;
        Ok(self.run.apply(self.connection.query(sql)).cancelled_by(&self.stop.anew()))
    }

    fn start(&mut self) -> Result<Rows> {
        let query = self.query()?;
        self.notice.clear();
        let rows = match &self.params {
            None => Rows::open([query])?,
            Some(sets) => Rows::open(sets.iter().map(|set| query.clone().params(set.iter().cloned())))?,
        };
        rows.notice().clone_into(&mut self.notice);
        Ok(rows)
    }
}

/// The values of each row of parameters.
fn values(batch: &RecordBatch) -> Result<Vec<Vec<Value>>> {
    let row = |at: usize| batch.columns().iter().map(|column| Value::of_array(column, at)).collect();
    let rows: lakegate_client::Result<_> = (0..batch.num_rows()).map(row).collect();
    rows.map_err(|error| of_client(&error))
}

impl Statement for LakegateStatement {
    fn bind(&mut self, batch: RecordBatch) -> Result<()> {
        self.params = Some(values(&batch)?);
        Ok(())
    }

    fn bind_stream(&mut self, reader: Box<dyn RecordBatchReader + Send>) -> Result<()> {
        let mut params = Vec::new();
        for batch in reader {
            params.extend(values(&batch?)?);
        }
        self.params = Some(params);
        Ok(())
    }

    fn execute(&mut self) -> Result<Reader> {
        Ok(Box::new(self.start()?))
    }

    /// What a statement has changed is no number of rows.
    fn execute_update(&mut self) -> Result<Option<i64>> {
        for batch in self.start()? {
            batch.map_err(|error| match error {
                // As it was before it passed through Arrow.
                arrow::error::ArrowError::ExternalError(error) => match error.downcast() {
                    Ok(fault) => *fault,
                    Err(other) => {
                        adbc_core::error::Error::from(arrow::error::ArrowError::ExternalError(other))
                    }
                },
                other => adbc_core::error::Error::from(other),
            })?;
        }
        Ok(None)
    }

    /// As the columns come with the first rows, of which none are asked for. What changes something is not run for this.
    fn execute_schema(&mut self) -> Result<Schema> {
        let query = self.query()?;
        if !query.only_reads() {
            return Err(not_implemented("a look at the columns of a statement that may change something"));
        }
        let first = self.params.iter().flatten().next().cloned().unwrap_or_default();
        let rows = Rows::open([query.params(first).max_rows(0)])?;
        Ok(Schema::new(rows.schema().fields().clone()))
    }

    fn execute_partitions(&mut self) -> Result<PartitionedResult> {
        Err(not_implemented("a result in parts"))
    }

    fn get_parameter_schema(&self) -> Result<Schema> {
        Err(not_implemented("the schema of parameters"))
    }

    /// A gateway keeps no statements: each run is authorized and planned anew.
    fn prepare(&mut self) -> Result<()> {
        self.sql.as_ref().map(|_| ()).ok_or_else(|| invalid("there is no statement: set one first"))
    }

    fn set_sql_query(&mut self, query: impl AsRef<str>) -> Result<()> {
        self.sql = Some(query.as_ref().to_owned());
        self.params = None;
        Ok(())
    }

    fn set_substrait_plan(&mut self, _plan: impl AsRef<[u8]>) -> Result<()> {
        Err(not_implemented("a Substrait plan"))
    }

    fn get_cancel_handle(&self) -> Box<dyn CancelHandle> {
        Box::new(self.stop.clone())
    }
}

impl Optionable for LakegateStatement {
    type Option = OptionStatement;

    fn set_option(&mut self, key: OptionStatement, value: OptionValue) -> Result<()> {
        if self.run.set(key.as_ref(), &value)? { Ok(()) } else { Err(unknown(key.as_ref())) }
    }

    fn get_option_string(&self, key: OptionStatement) -> Result<String> {
        let name = key.as_ref();
        self.notice.get(name).cloned().or_else(|| self.run.get(name)).ok_or_else(|| unset(name))
    }

    only_texts!(OptionStatement);
}
