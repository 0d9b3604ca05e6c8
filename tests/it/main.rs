//! The one integration-test binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "tests state what must be true, and say so by panicking; the lints excuse only the test functions"
)]

mod architecture;
mod audit_sink;
mod bad_input;
mod barrier;
mod config;
mod crash;
mod decisions;
mod formats;
mod identity;
mod ingest;
mod lake;
mod leaks;
mod migrations;
mod noninterference;
mod openapi;
mod requests;
mod slt;
mod sources;
mod store;
mod support;
