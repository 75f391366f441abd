//! The command line of Lambda Scale.
//!
//! - [`explain`]: what would be done with a saved /state, and why
//! - [`generate`]: a /state of any size
//! - [`marks`]: what stands on the groups, and what operators set there
//! - [`local`]: the three functions on a captured cluster, on this machine

pub mod account;
pub mod explain;
pub mod generate;
pub mod local;
pub mod marks;
pub mod page;
