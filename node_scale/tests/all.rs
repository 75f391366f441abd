//! The integration tests of the crate, as one binary: as many would compile and link the same code as often.

#![cfg(feature = "lambda")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod drain_crashes;
mod echo;
mod faults;
mod moto;
mod support;
