//! The one integration-test binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    reason = "tests state what must be true, and say so by panicking; the lints excuse only the test functions"
)]

mod access;
mod access_matrix;
mod administration;
mod architecture;
mod audit_sink;
mod bad_input;
mod barrier;
mod bytes;
mod clients;
mod config;
mod crash;
mod crowd;
mod decisions;
mod delta_variants;
mod descriptions;
mod drift;
mod files_in;
mod flight_sql;
mod formats;
mod functions;
mod growth;
mod identity;
mod impact;
mod ingest;
mod jobs;
mod killed;
mod lake;
mod leakproof;
mod leaks;
mod malformed;
mod migrations;
mod nodes;
mod noninterference;
mod openapi;
mod optimize;
mod parsers;
mod policy_files;
mod policy_lint;
mod policy_resources;
mod policy_tests;
mod postgres;
mod proposals;
mod queries;
mod requests;
mod resources;
mod rows_in;
mod shell;
mod slt;
mod sources;
mod store;
mod store_away;
mod support;
mod table_command;
mod time_travel;
mod tls;
mod vacuum;
mod views;
mod wire_formats;
