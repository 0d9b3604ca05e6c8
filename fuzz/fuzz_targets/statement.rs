//! See `lakegate::fuzzing::statement`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::statement(bytes));
