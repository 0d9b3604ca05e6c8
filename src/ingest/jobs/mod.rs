//! What is brought in again and again: sources under names, jobs with a schedule, and their runs.
//!
//! A job says what to bring in from where. A run is one time that this is done: on one node, which holds it by a lease, and
//! written down in the store from its queuing to its end. Who may make jobs is not known here.

pub mod address;
mod board;
pub mod definition;
mod ending;
pub mod manage;
pub mod seal;
pub mod worker;
