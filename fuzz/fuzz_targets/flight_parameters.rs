//! See `lakegate::fuzzing::flight_parameters`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // A panic of Arrow's reader is caught where it is read; one that is not caught still ends the search.
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| lakegate::fuzzing::flight_parameters(bytes)
);
