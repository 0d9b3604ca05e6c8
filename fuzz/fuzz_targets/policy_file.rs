//! See `lakegate::fuzzing::policy_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::policy_file(bytes));
