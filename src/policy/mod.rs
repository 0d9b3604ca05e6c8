//! The policy: what the rules are, and the decision over them.
//!
//! Invariant: this folder is pure. No IO, no clock, no async runtime, no database, no web framework and no engine;
//! the same question and the same rules always give the same decision.

pub mod check;
pub mod compile;
pub mod decide;
pub mod decision;
pub mod delegate;
pub mod export;
pub mod file;
pub mod grant;
mod holdings;
pub mod leaf;
pub mod lint;
pub mod model;
pub mod path;
pub mod plan;
pub mod principal;
pub mod proposal;
pub mod restriction;
pub mod tag;
