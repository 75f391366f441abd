//! The integration tests of the crate, as one binary: as many would compile and link the same code as often.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod chain;
mod cpu;
mod custom_check;
mod drain;
mod echo;
mod hostile_masters;
mod hostile_services;
mod learn;
mod least_loaded;
mod moto;
mod secrets;
mod start;
mod support;
