//! The client library of lakegate.
