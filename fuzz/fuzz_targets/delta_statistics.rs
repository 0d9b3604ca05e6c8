//! See `lakegate::fuzzing::delta_statistics`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::delta_statistics(bytes));
