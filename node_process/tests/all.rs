//! The integration tests of the crate, as one binary: as many would compile and link the same code as often.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod clauses;
mod cpu;
mod daemons;
mod growth;
#[cfg(feature = "lambda")]
mod handler;
mod hosts;
mod new_agent;
mod packing;
mod properties;
mod queue_loop;
mod rare;
mod scenarios;
mod support;
