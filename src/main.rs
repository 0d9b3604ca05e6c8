//! The `lakegate` program.

fn main() {}
