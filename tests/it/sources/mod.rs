//! What is brought in from each kind of database, value by value, from a real server.

mod edges;
mod mysql;
mod parallel;
mod postgres;
pub mod read;
mod sqlite;
