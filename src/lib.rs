//! lakegate: a governed SQL gateway for data lakes.

pub mod app;
pub mod audit;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod error;
pub mod fuzzing;
pub mod identity;
pub mod ingest;
pub mod lake;
pub mod policy;
pub mod query;
pub mod results;
pub mod serve;
pub mod store;
