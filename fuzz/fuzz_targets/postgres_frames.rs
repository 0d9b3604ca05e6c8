//! See `lakegate::fuzzing::postgres_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::postgres_frames(bytes));
