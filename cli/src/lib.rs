//! The command line of Lambda Scale.
//!
//! - [`check`]: is a configuration valid, and what does it come to
//! - [`explain`]: what would be done with a saved /state, and why
//! - [`generate`]: a /state of any size
//! - [`import`]: the configuration of another autoscaler as one of ours
//! - [`status`]: how the groups, their agents and the last decisions look now
//! - [`marks`]: what operators set on the groups
//! - [`local`]: the three functions on a captured cluster, on this machine
//! - [`run`]: the chain in one process, against the real masters and groups
//! - [`manual`]: completions for shells, and manual pages

pub mod account;
pub mod check;
pub mod config;
pub mod decisions;
pub mod explain;
pub mod generate;
pub mod import;
pub mod local;
pub mod manual;
pub mod marks;
pub mod nearest;
pub mod page;
pub mod run;
pub mod status;
pub mod target;

mod interrupt;
