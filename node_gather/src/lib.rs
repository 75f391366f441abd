//! Reads the Mesos master's /state and publishes one cluster snapshot per pool.
//!
//! ```text
//!  master ──/state──▶ mesos::client ──bytes──▶ mesos::scan ──▶ ClusterState ──summarize()──▶ ClusterSnapshot ──fit()──▶ topic
//!                     (feature lambda)         (as it streams in)            one per pool                  one message each
//! ```
//!
//! - [`mesos`]: reads the master's state. `client` requests it from the leading master; [`mesos::scan`] reads it while it
//!   arrives, so that it is never in memory as a whole.
//! - [`mod@summarize`]: from the state to one snapshot per pool. Pure: no clock, no network, no log.
//! - [`finding`]: what reduces the completeness of a snapshot.
//! - [`members`]: which agents run on which instances of the groups, as Auto Scaling and EC2 (`autoscaling`, `addresses`)
//!   report these. Pure.
//! - [`growth`]: how much the demand of a pool grows while an instance boots, learned from run to run. Pure.
//! - [`groups`]: adds to the snapshots what CloudWatch (`cloudwatch`) reports about the groups, and the pools without a master.
//! - [`mod@fit`]: from the snapshot to a message within the size limit of SNS.
//! - `config`, `observe`, `handler` (feature `lambda`, default): the settings of the function, and the order of its work; `histories`
//!   keeps what was learned from run to run.
//!   A failure anywhere fails the invocation: no snapshot is better than a wrong one.
//!
//! Without the feature `lambda` the crate needs no runtime, network, or SDK; [`snapshots`] is then the entry point.

pub mod finding;
pub mod fit;
pub mod groups;
pub mod growth;
pub mod marathon;
pub mod members;
pub mod mesos;
pub mod summarize;

#[cfg(feature = "lambda")]
pub mod addresses;
#[cfg(feature = "lambda")]
pub mod autoscaling;
#[cfg(feature = "lambda")]
pub mod cloudwatch;
#[cfg(feature = "lambda")]
pub mod config;
#[cfg(feature = "lambda")]
pub mod handler;
#[cfg(feature = "lambda")]
pub mod histories;
#[cfg(feature = "lambda")]
pub mod observe;

#[cfg(test)]
mod testing;

use std::io::Read;

use jiff::Timestamp;
use shared::config::Config;
use shared::contract::ClusterSnapshot;
use thiserror::Error;

use crate::marathon::Observed;
use crate::mesos::state::StateError;
use crate::summarize::{ClusterState, summarize};

/// Why there are no snapshots: the document is not the state of a cluster.
#[derive(Debug, Error)]
#[error("cannot read the state of the cluster")]
pub struct ReadError(#[from] pub StateError);

/// Reads a /state to its end and makes the snapshots of the pools of the Mesos cluster, in the order of the configuration.
/// [`groups::complete`] adds the data of groups, and the pools without a master.
///
/// `marathon` is what is known of Marathon, `master` is the URL to name as the source, `taken_at` the time of the
/// request.
///
/// # Errors
/// The source is not a complete /state.
pub fn snapshots(
    mut state: impl Read,
    marathon: &Observed,
    config: &Config,
    master: &str,
    taken_at: Timestamp,
) -> Result<Vec<ClusterSnapshot>, ReadError> {
    // Without a master no pool needs a state.
    if config.mesos.is_none() {
        return Ok(Vec::new());
    }
    let pools = config.mesos_pools();
    let limit = config.mesos.as_ref().map_or(u64::MAX, |mesos| mesos.max_state_bytes);
    let state = ClusterState::new(&pools).read(&mut state, limit)?;
    Ok(summarize(state, marathon, master, taken_at).snapshots)
}
