//! The policy store: what lakegate itself remembers, in SQLite or PostgreSQL.
//!
//! The only folder that speaks SQL to our own database.

pub mod record;
