//! Turns a cluster snapshot into a scaling decision.
//!
//! - [`algorithm`]: the decision, a pure function of a pool's snapshot and policy; its page is docs/algorithm.md
//! - [`check`]: the trait that a custom check implements
//! - [`what_if`]: the nearest changes that lead to another decision
//! - [`report`]: a decision in a line
//!
//! With the feature `lambda` (default) also what makes it a Lambda function: `config`, `handler`, `run`.

pub mod algorithm;
pub mod check;
pub mod report;
pub mod what_if;

#[cfg(feature = "lambda")]
pub mod config;
#[cfg(feature = "lambda")]
pub mod handler;
#[cfg(feature = "lambda")]
mod runtime;

pub use algorithm::{Expired, Explanation, Reason, Ruling, decide, decide_unidentified, explain};
pub use check::{Check, Standard};
pub use report::headline;
pub use what_if::what_if;

#[cfg(feature = "lambda")]
pub use handler::{Handler, ProcessError};
#[cfg(feature = "lambda")]
pub use runtime::run;
