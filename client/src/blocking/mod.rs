//! The same client for programs without an async runtime.
//!
//! Each [`Connection`] keeps one thread that does the network's work; batches are decoded on the caller's thread. It may also
//! be used on the thread of somebody else's runtime, which it blocks.
//!
//! ```no_run
//! use lakegate_client::{ConnectOptions, blocking::Connection};
//!
//! let connection = Connection::new(ConnectOptions::new("http://127.0.0.1:8080").token("eyJ…"))?;
//! for row in connection.query("SELECT id, total FROM orders").rows()? {
//!     let row = row?;
//!     println!("{}: {:?}", row.get::<i64>("id")?, row.get::<Option<f64>>("total")?);
//! }
//! # Ok::<(), lakegate_client::Error>(())
//! ```

mod connection;
mod handle;
mod metadata;
mod prepared;
mod query;
mod rows;
mod worker;

pub use connection::Connection;
pub use handle::QueryHandle;
pub use metadata::DatabaseMetaData;
pub use prepared::{BatchResults, PreparedStatement};
pub use query::{Query, Statement};
pub use rows::{ResultSet, ResultStream};
