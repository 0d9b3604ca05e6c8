//! The URL that a program connects with: what reads can be connected with, and an error never shows a password.
#![no_main]

use lakegate_client::{ConnectOptions, Connection};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(options) = text.parse::<ConnectOptions>() {
        let _ = Connection::new(options);
    }
});
