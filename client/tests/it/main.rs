//! The client against servers that answer byte for byte what a test wants.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what must be true by panicking"
)]

mod api;
mod http;
mod listings;
mod patience;
mod server;
mod submitted;
mod values;
