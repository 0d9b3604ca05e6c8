//! lakegate: a governed SQL gateway for data lakes.

pub mod error;
pub mod policy;
