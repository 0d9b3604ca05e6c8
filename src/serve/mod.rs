//! The edge: the only folder that names a protocol.
//!
//! Each protocol turns what it is sent into a [`crate::query::Request`] or a change, and what comes back into its own
//! form. It decides nothing.

pub mod flight_sql;
pub mod http;
pub mod listener;
pub mod postgres;
mod values;
