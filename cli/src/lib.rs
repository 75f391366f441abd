//! The command line of Lambda Scale.
//!
//! A module for each command:
//!
//! - [`check`]: validate a configuration
//! - [`explain`]: decide on a saved /state, and explain the decision
//! - [`generate`]: write a /state of any size
//! - [`import`]: convert the configuration of another autoscaler
//! - [`status`]: show the groups, their agents, and the last decisions
//! - [`group_tags`]: pause and resume groups, set floors
//! - [`local`]: run the three functions on a captured cluster, on this machine
//! - [`run`]: run the chain in one process, against real masters and groups
//! - [`manual`]: completions for shells, and manual pages
//!
//! What they have in common: [`config`] reads the configuration, [`target`] finds the groups, [`render`] and [`page`] print, [`command`]
//! ends a command with its exit code.

pub mod check;
pub mod command;
pub mod config;
pub mod decisions;
pub mod explain;
pub mod generate;
pub mod group_tags;
pub mod import;
pub mod local;
pub mod manual;
pub mod nearest;
pub mod page;
pub mod render;
pub mod run;
pub mod status;
pub mod target;
