//! The Mesos master: the contents of its state ([`state`]), the reader ([`scan`]), and the HTTP client (`client`).

mod flags;
mod forms;
pub mod names;
mod odd;
pub mod scan;
pub mod state;

pub use flags::{filters_gpus, unreachable_after};
pub use forms::{ip_of_pid, to_duration};

#[cfg(any(test, feature = "reference"))]
pub mod json;

#[cfg(test)]
mod record;

#[cfg(feature = "lambda")]
pub mod client;
#[cfg(feature = "lambda")]
mod patience;
#[cfg(feature = "lambda")]
pub use shared::mesos::redirect;
