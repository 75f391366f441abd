//! The decision for a pool, as every command makes it: by the standard rules, or by none where the pool has a check of its own.

use jiff::Timestamp;
use node_process::Expired;
use shared::config::{CheckKind, Policy};
use shared::contract::{ClusterSnapshot, ScalingDecision};
use thiserror::Error;

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Undecided {
    /// Another function decides, which no command can call.
    #[error("the custom check of the pool decides (check = \"custom\")")]
    Custom,
    /// The snapshot is too old.
    #[error(transparent)]
    Expired(#[from] Expired),
}

/// Decides as `node_process` does.
///
/// # Errors
/// Where `node_process` would publish nothing.
pub fn decide(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<ScalingDecision, Undecided> {
    match policy.check {
        CheckKind::Custom => Err(Undecided::Custom),
        CheckKind::Standard => Ok(node_process::decide(snapshot, policy, now)?),
    }
}
