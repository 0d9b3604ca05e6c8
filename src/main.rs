//! The `lakegate` program: arguments in, exit code out.

fn main() {}
