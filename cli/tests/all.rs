//! The integration tests of the crate, as one binary: as many would compile and link the same code as often.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod captures;
mod configuration;
mod credentials;
mod docs;
mod doctor;
mod explain;
mod first_use;
mod found;
mod front_ends;
mod generate;
mod groups;
mod hooks;
mod learn;
mod learned;
mod local;
mod marks;
mod members;
mod moto;
mod odd_states;
mod queue_states;
mod remove;
mod replay;
mod run;
mod saved;
mod schemas;
mod secrets;
mod simulated;
mod status;
mod support;
