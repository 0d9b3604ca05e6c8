//! The ADBC driver of lakegate: a library with a C interface that the driver manager of any language loads.
//!
//! ```python
//! adbc_driver_manager.dbapi.connect(driver="liblakegate_adbc.so", uri="lakegate://127.0.0.1:8080/sales?token=eyJ…")
//! ```
//!
//! It is the client library under ADBC's names: a statement runs over HTTP, its rows come as Arrow batches and are handed
//! on as they are. Whatever ADBC has and a gateway has not (bulk ingestion, Substrait, statistics, transactions that can be
//! undone) is refused as not implemented.
//!
//! | option | of | |
//! | --- | --- | --- |
//! | `uri` | database | where the gateway is: `lakegate://HOST:PORT/DATABASE`, or an address of HTTP |
//! | `password` | database | the token, unless it is in the address |
//! | `lakegate.strict` | connection, statement | `true`: fail where policy would narrow the result |
//! | `lakegate.max_rows` | connection, statement | the most rows to send |
//! | `lakegate.timeout` | connection, statement | the seconds that a run may take |
//! | `lakegate.policy` | statement | what policy did to the last result, as JSON; to be read |
//! | `lakegate.query_id` | statement | the last query, as the audit log names it; to be read |
//!
//! The last two are also in the metadata of a result's schema. In Rust, the driver is used through the traits of
//! `adbc_core`, or better not at all: the client library can more.
//!
//! ```no_run
//! use adbc_core::options::{OptionDatabase, OptionValue};
//! use adbc_core::{Connection, Database, Driver, Statement};
//!
//! # fn example() -> adbc_core::error::Result<()> {
//! let uri = OptionValue::from("lakegate://127.0.0.1:8080/sales?token=eyJ…");
//! let database = lakegate_adbc::LakegateDriver.new_database_with_opts([(OptionDatabase::Uri, uri)])?;
//! let mut statement = database.new_connection()?.new_statement()?;
//! statement.set_sql_query("SELECT id, total FROM orders")?;
//! for batch in statement.execute()? {
//!     println!("{} rows", batch?.num_rows());
//! }
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

mod connection;
mod database;
mod fault;
mod info;
mod objects;
mod options;
mod reader;
mod statement;

pub use connection::LakegateConnection;
pub use database::{LakegateDatabase, LakegateDriver};
pub use statement::LakegateStatement;

#[allow(unsafe_code, missing_docs, reason = "the C interface, as adbc_ffi writes it")]
mod entry {
    adbc_ffi::export_driver!(LakegateDriverInit, super::LakegateDriver);
}
