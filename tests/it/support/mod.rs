//! What several tests share: servers that run inside the test process or beside it.

pub mod postgres;
