//! The integration tests of the crate, as one binary: as many would compile and link the same code as often.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod bounds;
#[cfg(feature = "lambda")]
mod cloudwatch;
mod completeness;
#[cfg(feature = "lambda")]
mod echo;
#[cfg(feature = "lambda")]
mod fetch;
#[cfg(feature = "lambda")]
mod handler;
#[cfg(feature = "lambda")]
mod histories;
#[cfg(feature = "lambda")]
mod marathon;
#[cfg(feature = "lambda")]
mod members;
#[cfg(feature = "lambda")]
mod patience;
#[cfg(feature = "lambda")]
mod support;
#[cfg(feature = "lambda")]
mod tls;
