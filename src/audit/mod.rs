//! The audit log: what a record says, and how it reaches the store.

pub mod event;
pub mod sink;

pub use sink::AuditSink;
