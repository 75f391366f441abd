//! The services that the three functions call, on 127.0.0.1, for tests and for `lambda-scale local`.
//!
//! - [`stack`]: starts the endpoints and the functions' own binaries, and waits for the messages between them
//! - [`runtime_api`], [`sns`], [`autoscaling`], [`cloudwatch`], [`cloudwatch_logs`], [`ec2`], [`ssm`], [`account`], [`master`],
//!   [`marathon`]: the endpoints; each module says what it models
//! - [`faults`]: what goes wrong with their calls
//! - [`raw`]: a server that answers with any bytes
//! - [`secrets`]: what is planted where a secret can be read, and the search for it
//! - [`capture`]: the cluster that the local master leads
//! - [`stage`]: a function's own binary, in the environment that Lambda gives it
//! - [`moto`]: an AWS that other people wrote
//! - [`configuration`]: a configuration, pointed at the local endpoints
//!
//! No stage contains any of it: stages have it as a dev-dependency.

pub mod account;
pub mod autoscaling;
pub mod capture;
pub mod cloudwatch;
pub mod cloudwatch_logs;
pub mod configuration;
pub mod ec2;
pub mod faults;
pub mod marathon;
pub mod master;
pub mod moto;
pub mod raw;
pub mod runtime_api;
pub mod secrets;
pub mod sns;
pub mod ssm;
pub mod stack;
pub mod stage;

mod http;
mod journal;
mod json;
mod operator;
mod query;
mod sdk;
mod service;
mod xml;

pub use http::{Call, Endpoint};
pub use query::AwsError;
pub use sdk::sdk_config;
pub use service::{Service, now};
pub use stack::{Logs, Run, Setup, Stack, StackError};

/// The region that all endpoints are in.
pub const REGION: &str = "us-east-1";
/// The account that everything belongs to.
pub const ACCOUNT: &str = "123456789012";

/// A configuration that fits [`CAPTURE`]: one pool.
pub const CONFIGURATION: &str = include_str!("example.toml");
/// A captured `/state`: 60 agents in three shapes, 282 tasks of 40 applications.
pub const CAPTURE: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/1.11.0/30-big-60-agents/state.json"));
