//! The integration tests of the crate, as one binary: as many would compile and link the same code as often.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod baselines;
mod captures;
mod closed_loop;
mod decommission;
mod exact;
mod learned;
#[path = "support/loads.rs"]
mod loads;
mod noise;
mod queue;
mod rules;
#[path = "support/turns.rs"]
mod turns;
mod week;
