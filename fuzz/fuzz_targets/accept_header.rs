//! See `lakegate::fuzzing::accept_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::accept_header(bytes));
