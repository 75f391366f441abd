//! What decides: the standard algorithm, or a custom check.

use jiff::Timestamp;
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, ScalingDecision};

use crate::algorithm::{self, Expired};

/// Turns a snapshot into a decision. Pass your own to `node_process::run` for a custom check.
///
/// It must be pure: the same arguments always give the same decision, without side effects.
pub trait Check {
    /// The decision for one pool.
    ///
    /// # Errors
    /// Where the snapshot has expired; nothing is published then.
    fn decide(&self, snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<ScalingDecision, Expired>;
}

/// The algorithm of docs/algorithm.md.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standard;

impl Check for Standard {
    fn decide(&self, snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<ScalingDecision, Expired> {
        algorithm::decide(snapshot, policy, now)
    }
}
