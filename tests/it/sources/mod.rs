//! What is brought in from each kind of database, value by value, from a real server.

mod discovery;
mod edges;
mod mysql;
mod parallel;
pub mod postgres;
mod read;
mod sampling;
pub mod sqlite;
