//! What a decision of a custom check may omit (docs/messages.md): `state` alone means a delta of one, and fields that only
//! explain are optional.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    AgentCounts, AgentRef, CompletenessLevel, GroupMembers, NotCounted, ScalingDecision, ScalingState, Step,
    Unplaceable,
};
#[cfg(feature = "schema")]
use crate::time::Rfc3339;

/// A scaling decision as it may be written.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Decision {
    id: Uuid,
    #[serde(default)]
    snapshot_id: Option<Uuid>,
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    snapshot_taken_at: Timestamp,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Rfc3339>"))]
    decided_at: Option<Timestamp>,
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    expires_at: Timestamp,
    pool: String,
    #[serde(default)]
    agents: AgentCounts,
    #[serde(default)]
    group: Option<GroupMembers>,
    #[serde(default)]
    delta: Option<i32>,
    #[serde(default)]
    target: Option<u32>,
    #[serde(default)]
    wanted: Option<u32>,
    #[serde(default)]
    needed: Option<u32>,
    #[serde(default)]
    margin: Option<u32>,
    #[serde(default)]
    closes: bool,
    #[serde(default)]
    tries: bool,
    state: ScalingState,
    #[serde(default)]
    completeness: Option<CompletenessLevel>,
    #[serde(default)]
    mesos_version: Option<String>,
    #[serde(default)]
    unreachable_after_seconds: Option<u64>,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    unplaceable: Vec<Unplaceable>,
    #[serde(default)]
    not_counted: Vec<NotCounted>,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    scale_down_agents: Vec<AgentRef>,
    #[serde(default)]
    decommissioning_agents: Vec<AgentRef>,
}

impl TryFrom<Decision> for ScalingDecision {
    type Error = String;

    fn try_from(decision: Decision) -> Result<Self, String> {
        let Decision { state, .. } = decision;
        let delta = decision.delta.unwrap_or(match state {
            ScalingState::ScaleUp => 1,
            ScalingState::ScaleDown => -1,
            _ => 0,
        });
        let contradicts = match state {
            ScalingState::ScaleUp => delta <= 0,
            ScalingState::ScaleDown => delta >= 0,
            ScalingState::Normal | ScalingState::Held => delta != 0,
            ScalingState::MaxLimit | ScalingState::MinLimit => false,
        };
        if contradicts {
            return Err(format!("state {} contradicts delta {delta}", state.name()));
        }
        Ok(Self {
            id: decision.id,
            snapshot_id: decision.snapshot_id,
            snapshot_taken_at: decision.snapshot_taken_at,
            decided_at: decision.decided_at.unwrap_or(decision.snapshot_taken_at),
            expires_at: decision.expires_at,
            pool: decision.pool,
            agents: decision.agents,
            group: decision.group,
            delta,
            target: decision.target.unwrap_or_else(|| decision.agents.usable.saturating_add_signed(delta)),
            wanted: decision.wanted.unwrap_or_else(|| u32::try_from(delta).unwrap_or(0)),
            needed: decision.needed,
            margin: decision.margin,
            closes: decision.closes,
            tries: decision.tries,
            state,
            completeness: decision.completeness,
            mesos_version: decision.mesos_version,
            unreachable_after_seconds: decision.unreachable_after_seconds,
            steps: decision.steps,
            unplaceable: decision.unplaceable,
            not_counted: decision.not_counted,
            notes: decision.notes,
            scale_down_agents: decision.scale_down_agents,
            decommissioning_agents: decision.decommissioning_agents,
        })
    }
}
