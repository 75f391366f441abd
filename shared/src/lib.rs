//! What the three functions of Lambda Scale share.
//!
//! - [`resources`]: amounts of each kind of resource, exact to the thousandth
//! - [`clause`]: the numbered clauses by which everything is decided
//! - [`contract`]: the messages between the functions
//! - [`config`]: the configuration
//! - [`daemon`]: applications that run on every agent
//! - [`count`]: numbers of things
//! - [`random`]: the one generator of random numbers
//! - [`group`]: the states of the instances of a group
//! - [`metric`]: the metrics in CloudWatch
//! - [`time`], [`error`], [`text`]: how times, failures, and names are written
//!
//! With the feature `lambda` (default) also what connects a function to AWS: `aws`, `sns`, `start`, `telemetry`; with `mesos` the client of the masters.

pub mod clause;
pub mod config;
pub mod contract;
pub mod count;
pub mod daemon;
pub mod error;
pub mod group;
pub mod metric;
pub mod random;
pub mod resources;
pub mod text;
pub mod time;

#[cfg(feature = "lambda")]
pub mod aws;
#[cfg(feature = "mesos")]
pub mod mesos;
#[cfg(feature = "lambda")]
mod runtime_api;
#[cfg(feature = "lambda")]
pub mod sns;
#[cfg(feature = "lambda")]
pub mod start;
#[cfg(feature = "lambda")]
pub mod telemetry;
