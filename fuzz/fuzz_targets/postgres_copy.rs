//! See `lakegate::fuzzing::postgres_copy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::postgres_copy(bytes));
