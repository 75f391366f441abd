//! The decision for a pool, as every command makes it: by the standard rules, or by none where the pool has a check of its own.

use jiff::Timestamp;
use node_process::Expired;
use serde::Serialize;
use shared::config::{CheckKind, Policy};
use shared::contract::{ClusterSnapshot, ScalingDecision, WithHeader, with_header};
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

/// A snapshot and the decision on it as JSON: the messages as they would be published.
#[derive(Serialize)]
pub struct Decided<'a> {
    snapshot: WithHeader<'a, ClusterSnapshot>,
    decision: Option<WithHeader<'a, ScalingDecision>>,
    /// Why there is no decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided: Option<String>,
}

impl<'a> Decided<'a> {
    /// The form of both.
    #[must_use]
    pub fn new(snapshot: &'a ClusterSnapshot, decision: &'a Result<ScalingDecision, Undecided>) -> Self {
        Self {
            snapshot: with_header(snapshot),
            decision: decision.as_ref().ok().map(with_header),
            undecided: decision.as_ref().err().map(ToString::to_string),
        }
    }
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
