//! What is brought in from each kind of database, value by value, from a real server.

mod discovery;
mod edges;
mod grants;
mod large;
mod mysql;
mod parallel;
pub mod postgres;
pub mod read;
mod samples;
mod sampling;
pub mod sqlite;
