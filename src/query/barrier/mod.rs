//! The barrier: the line below which no expression of the reader is ever evaluated.
//!
//! An engine that merges a reader's predicate with a policy's filter evaluates the reader's expression on rows that
//! the reader may not see, and an error, or its text, tells what is hidden. So a guarded table is planned as
//! `Barrier(policy filter and cell rules(scan))`, and the barrier is opaque to every optimizer, with two exceptions
//! that cannot fail and therefore cannot tell: predicates that are leakproof ([`leakproof`]) and dynamic filters on
//! plain columns ([`physical`]). Nothing that is withheld crosses it in the bytes of what is not ([`scrub`]). Whatever the optimizers did, [`check`] looks at the finished plan once more.
//!
//! This folder knows plans and expressions; it does not know grants, identities or protocols.

pub mod check;
pub mod infallible;
pub mod leakproof;
pub mod logical;
pub mod physical;
pub mod scrub;
