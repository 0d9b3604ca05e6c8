//! See `lakegate::fuzzing::expression`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::expression(bytes));
