//! lakegate: a governed SQL gateway for data lakes.

pub mod config;
pub mod error;
pub mod identity;
pub mod policy;
