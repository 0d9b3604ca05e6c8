//! Rows on their way to whoever asked, and the way to stop them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use adbc_core::error::{Error, Result, Status};
use arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use lakegate_client::CancelHandle;
use lakegate_client::blocking::{Query, ResultStream};

use crate::fault::of_client;

pub(crate) const POLICY: &str = "lakegate.policy";
pub(crate) const QUERY_ID: &str = "lakegate.query_id";

/// What ADBC's results are.
pub(crate) type Reader = Box<dyn RecordBatchReader + Send + 'static>;

/// What is told of a result besides its rows.
pub(crate) type Notice = HashMap<String, String>;

/// What stops the run that is now: a driver manager keeps one for all runs of a statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<Mutex<CancelHandle>>);

/// The rows of a query for each set of its parameters, one after the other. Dropping it before its end cancels the query.
pub(crate) struct Rows {
    schema: SchemaRef,
    stream: Option<ResultStream>,
    waiting: VecDeque<Query>,
}

impl Stop {
    /// For a run that begins.
    pub fn anew(&self) -> CancelHandle {
        let handle = CancelHandle::new();
        handle.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        handle
    }
}

impl adbc_core::sync::CancelHandle for Stop {
    fn try_cancel(&self) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        Ok(())
    }
}

impl Rows {
    /// Sends the first of `queries` and waits for its first rows; the others follow as rows are asked for.
    pub fn open(queries: impl IntoIterator<Item = Query>) -> Result<Self> {
        let mut waiting: VecDeque<_> = queries.into_iter().collect();
        let stream = waiting.pop_front().map(Query::stream).transpose().map_err(|error| of_client(&error))?;
        let schema = stream.as_ref().map_or_else(|| Arc::new(Schema::empty()), with_notice);
        Ok(Self { schema, stream, waiting })
    }

    /// What is told of the result.
    pub fn notice(&self) -> &Notice {
        self.schema.metadata()
    }

    fn next_query(&mut self, query: Query) -> Result<()> {
        let stream = query.stream().map_err(|error| of_client(&error))?;
        if stream.schema().fields() != self.schema.fields() {
            let text = "the columns of the result differ between the rows of parameters";
            return Err(Error::with_message_and_status(text, Status::InvalidState));
        }
        self.stream = Some(stream);
        Ok(())
    }
}

/// The columns of a result, with what is told of it besides its rows.
fn with_notice(stream: &ResultStream) -> SchemaRef {
    let schema = stream.schema();
    let mut metadata = schema.metadata().clone();
    metadata.insert(QUERY_ID.to_owned(), stream.query_id().to_owned());
    // A notice is texts and truth values, which JSON has.
    metadata.insert(POLICY.to_owned(), serde_json::to_string(stream.policy()).unwrap_or_default());
    Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata))
}

impl Iterator for Rows {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let failure = match self.stream.as_mut().and_then(Iterator::next) {
                Some(Ok(batch)) => return Some(batch.with_schema(Arc::clone(&self.schema))),
                Some(Err(error)) => of_client(&error),
                None => match self.waiting.pop_front().map(|query| self.next_query(query)) {
                    None => {
                        self.stream = None;
                        return None;
                    }
                    Some(Ok(())) => continue,
                    Some(Err(error)) => error,
                },
            };
            self.stream = None;
            self.waiting.clear();
            return Some(Err(ArrowError::ExternalError(Box::new(failure))));
        }
    }
}

impl RecordBatchReader for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// A result that is here already.
pub(crate) fn one(batch: RecordBatch) -> Reader {
    let schema = batch.schema();
    Box::new(RecordBatchIterator::new([Ok(batch)], schema))
}
