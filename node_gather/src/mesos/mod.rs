//! The Mesos master: what it says ([`state`]), how it writes it ([`json`]) and how it is asked (`client`).

mod hashing;
pub mod json;
pub mod names;
pub mod state;

#[cfg(feature = "lambda")]
pub mod client;
#[cfg(feature = "lambda")]
pub mod redirect;
