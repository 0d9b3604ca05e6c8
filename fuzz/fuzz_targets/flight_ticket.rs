//! See `lakegate::fuzzing::flight_ticket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lakegate::fuzzing::flight_ticket(bytes));
