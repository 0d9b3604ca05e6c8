//! The client library of lakegate: connect, query, stream record batches.
//!
//! A query runs over `POST /v1/sql` and its result arrives as an Arrow stream, decoded batch by batch: memory is
//! bound by one batch, never by the result. A result that breaks off is an error, never a short result. With every
//! result comes a [`PolicyNotice`]: whether rules of the gateway narrowed what was seen.
//!
//! This crate knows the HTTP contract and nothing of the server: it shares no type with it.
//!
//! ```no_run
//! use lakegate_client::{ConnectOptions, Connection};
//!
//! # async fn example() -> lakegate_client::Result<()> {
//! let options = ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…").database("sales");
//! let connection = Connection::new(options)?;
//! let mut rows = connection.query("SELECT id, total FROM orders WHERE region = $1").param("EU").rows().await?;
//! while let Some(row) = rows.next().await? {
//!     println!("{}: {:?}", row.get::<i64>("id")?, row.get::<Option<f64>>("total")?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | JDBC | here |
//! | --- | --- |
//! | `DriverManager`, `Driver` | [`Driver`], or [`Connection::new`] with [`ConnectOptions`] |
//! | `Connection`, `DataSource` | [`Connection`], which is its own pool |
//! | `Statement` | [`Statement`] for the settings, [`Query`] for one text with its parameters |
//! | `PreparedStatement` | [`PreparedStatement`] |
//! | `ResultSet`, `ResultSetMetaData` | [`ResultSet`] of [`Row`]s, or [`ResultStream`] of Arrow batches; [`ResultSetMetaData`] |
//! | `DatabaseMetaData` | [`DatabaseMetaData`] |
//! | `Statement.cancel`, `setQueryTimeout` | [`CancelHandle`], [`Query::timeout`] |
//! | `SQLException` | [`Error`], with the gateway's [`Code`] |
//!
//! A query that takes long is [submitted](Query::submit): the gateway runs it also when the connection breaks, and the
//! [`QueryHandle`] tells how far it is and goes on reading where it was.
//!
//! Programs without an async runtime use [`blocking`]. The crates whose types are in the interface are given on: [`arrow`],
//! [`chrono`] and [`serde_json`].

#![warn(missing_docs)]

mod address;
pub mod blocking;
mod cancel;
mod cell;
mod columns;
mod connection;
mod decimal;
mod driver;
mod error;
mod events;
mod handle;
mod metadata;
mod notice;
mod options;
mod prepared;
mod progress;
mod query;
mod resume;
mod row;
mod rows;
mod send;
mod settings;
mod sql_type;
mod statement;
mod status;
mod stream;
mod value;

pub use arrow;
pub use arrow::array::ArrayRef;
pub use arrow::datatypes::SchemaRef;
pub use arrow::record_batch::RecordBatch;
pub use cancel::CancelHandle;
pub use cell::{Cell, FromCell};
pub use chrono;
pub use columns::{Column, ResultSetMetaData};
pub use connection::Connection;
pub use decimal::Decimal;
pub use driver::Driver;
pub use error::{Code, Error, Problem, Result};
pub use handle::QueryHandle;
pub use metadata::{DatabaseMetaData, Privilege, Table, TableColumn, TypeInfo};
pub use notice::PolicyNotice;
pub use options::ConnectOptions;
pub use prepared::{BatchResults, PreparedStatement};
pub use progress::{Progress, QueryState};
pub use query::Query;
pub use row::{ColumnIndex, Row};
pub use rows::ResultSet;
pub use serde_json;
pub use statement::Statement;
pub use status::QueryStatus;
pub use stream::ResultStream;
pub use value::Value;
