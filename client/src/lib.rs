//! The client library of lakegate: connect, query, stream record batches.
//!
//! A query runs over `POST /v1/sql` and its result arrives as an Arrow stream, decoded batch by batch: memory is
//! bound by one batch, never by the result. A result that breaks off is an error, never a short result. With every
//! result comes a [`PolicyNotice`]: whether rules of the gateway narrowed what was seen.
//!
//! This crate knows the HTTP contract and nothing of the server: it shares no type with it.
//!
//! ```no_run
//! use futures::TryStreamExt;
//! use lakegate_client::{ConnectOptions, Connection};
//!
//! # async fn example() -> lakegate_client::Result<()> {
//! let options = ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…").database("sales");
//! let connection = Connection::new(options)?;
//! let mut rows = connection.query("SELECT id, total FROM orders WHERE region = $1").param("EU").stream().await?;
//! println!("columns: {:?}", rows.schema().fields());
//! while let Some(batch) = rows.try_next().await? {
//!     println!("{} rows", batch.num_rows());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Programs without an async runtime use [`blocking`].

#![warn(missing_docs)]

pub mod blocking;
mod connection;
mod error;
mod notice;
mod query;
mod stream;
mod value;

pub use arrow::datatypes::SchemaRef;
pub use arrow::record_batch::RecordBatch;
pub use connection::{ConnectOptions, Connection};
pub use error::{Code, Error, Problem, Result};
pub use notice::PolicyNotice;
pub use query::Query;
pub use stream::ResultStream;
pub use value::Value;
