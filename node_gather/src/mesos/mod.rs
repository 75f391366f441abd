//! The Mesos master: what it says ([`state`]), how it writes it ([`json`]) and how it is asked (`client`); and
//! beside it the commonest framework of such clusters ([`marathon`]).

pub mod json;
pub mod names;
pub mod state;

// Its folder stands beside this one: it is another system.
#[path = "../marathon/mod.rs"]
pub mod marathon;

#[cfg(feature = "lambda")]
pub mod client;
#[cfg(feature = "lambda")]
pub mod redirect;
