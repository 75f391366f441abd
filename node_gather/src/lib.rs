//! Reads the Mesos master's /state and publishes one cluster snapshot per pool.
//!
//! ```text
//!  master ──/state──▶ mesos::client ──bytes──▶ mesos::scan ──▶ ClusterState ──summarize()──▶ ClusterSnapshot ──fit()──▶ topic
//!                     (feature lambda)         (as it streams in)            one per pool                  one message each
//! ```
//!
//! - [`mesos`]: what the master says. `client` asks the leading master and gives up rather than guess;
//!   [`mesos::scan`] folds the document while it streams in, so that it is never held as a whole.
//! - [`mod@summarize`]: from the state to one snapshot per pool, purely: no clock, no network, no log.
//! - [`groups`]: what CloudWatch and Auto Scaling say of the groups of pools that ask for it (`cloudwatch`,
//!   `autoscaling`), put into their snapshots.
//! - [`mod@fit`]: from the snapshot to a message that SNS surely carries.
//! - `config`, `look`, `handler` (feature `lambda`, default): what the function reads from its environment, and the order of
//!   its work. A failure anywhere fails the invocation: no snapshot is better than a wrong one.
//!
//! Without the feature `lambda` nothing here needs a runtime, a network or an SDK; [`snapshots`] is then the way in.

pub mod finding;
pub mod fit;
pub mod groups;
pub mod marathon;
pub mod mesos;
pub mod summarize;

#[cfg(feature = "lambda")]
pub mod autoscaling;
#[cfg(feature = "lambda")]
pub mod cloudwatch;
#[cfg(feature = "lambda")]
pub mod config;
#[cfg(feature = "lambda")]
pub mod handler;
#[cfg(feature = "lambda")]
pub mod observe;

#[cfg(test)]
mod testing;

use std::io::Read;

use jiff::Timestamp;
use shared::config::Config;
use shared::contract::ClusterSnapshot;
use thiserror::Error;

use crate::marathon::Queue;
use crate::mesos::state::StateError;
use crate::summarize::{ClusterState, SummarizeError, Summary, summarize};

/// Why a state gave no snapshots.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is no state of a cluster.
    #[error("cannot read the state of the cluster")]
    State(#[source] StateError),
    /// It does not fit the pools of the configuration.
    #[error("cannot tell the pools apart")]
    Summarize(#[source] SummarizeError),
}

/// Reads a /state to its end and makes of it the snapshots of the pools of the Mesos cluster, in the order of the
/// configuration. [`groups::complete`] adds what is known of groups, and the pools of groups alone.
///
/// `queue` is what Marathon says of instances that wait, `master` the URL to name as the source, `taken_at` the time when
/// the master was asked.
///
/// # Errors
/// Where it is not a whole /state, or an agent belongs to two pools.
pub fn snapshots(
    state: impl Read,
    queue: &Queue,
    config: &Config,
    master: &str,
    taken_at: Timestamp,
) -> Result<Vec<ClusterSnapshot>, ReadError> {
    // Without a master there is no pool that a state could be read for.
    if config.mesos.is_none() {
        return Ok(Vec::new());
    }
    summary(state, queue, config, master, taken_at).map(|summary| summary.snapshots)
}

/// As [`snapshots`], with what is in none of them. Without a master in the configuration every agent is of no pool.
///
/// # Errors
/// See [`snapshots`].
pub fn summary(
    state: impl Read,
    queue: &Queue,
    config: &Config,
    master: &str,
    taken_at: Timestamp,
) -> Result<Summary, ReadError> {
    let pools = config.mesos_pools();
    let limit = config.mesos.as_ref().map_or(u64::MAX, |mesos| mesos.max_state_bytes);
    let state = mesos::scan::read(state, ClusterState::new(&pools), limit).map_err(ReadError::State)?;
    summarize(state, queue, master, taken_at).map_err(ReadError::Summarize)
}
