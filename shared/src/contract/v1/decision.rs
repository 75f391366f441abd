//! What `node_process` tells `node_scale`.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::snapshot::{AgentCounts, AgentState, Candidate, CompletenessLevel, NotCounted};
use crate::clause::Clause;
use crate::contract::{GroupMembers, Message};
use crate::count::saturated;
#[cfg(feature = "schema")]
use crate::time::Rfc3339;
use crate::time::millis;

/// What `node_process` makes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "crate::contract::lenient::Decision")]
pub struct ScalingDecision {
    /// Derived from the snapshot's id, the pool and its policy: the same snapshot always gives the same decision.
    pub id: Uuid,
    /// The snapshot it was made from.
    pub snapshot_id: Option<Uuid>,
    /// When the master was asked.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    pub snapshot_taken_at: Timestamp,
    /// When the decision was made.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    pub decided_at: Timestamp,
    /// From this time it must not be applied.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    pub expires_at: Timestamp,
    /// The pool's name in the configuration.
    pub pool: String,
    /// The agents the snapshot counted.
    pub agents: AgentCounts,
    /// The snapshot's group; `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembers>,
    /// The number of agents to add; negative: to remove.
    pub delta: i32,
    /// How many usable agents there will then be.
    pub target: u32,
    /// L5: how many agents to add before the step limit, within `max`. What is in flight counts towards it.
    pub wanted: u32,
    /// D6: the fewest agents at which H, U, and C ask for no more; `None` where the snapshot does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u32>,
    /// D7: how many agents beyond `needed` a scale-down leaves; `None` where none stays, as in an idle pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<u32>,
    /// D8: whether agents are closed before their instances are terminated, in a pool that learns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closes: bool,
    /// A: whether one of the wanted agents is only tried, to see what a new agent has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tries: bool,
    /// The decision in a word.
    pub state: ScalingState,
    /// The completeness of the snapshot; `None` where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completeness: Option<CompletenessLevel>,
    /// The version of the master that answered; `None` where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesos_version: Option<String>,
    /// How long an agent that the master has lost stays registered; `None` where it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_after_seconds: Option<u64>,
    /// What each clause said, in the order of the algorithm.
    pub steps: Vec<Step>,
    /// Applications of which some task fits no agent that could be added.
    pub unplaceable: Vec<Unplaceable>,
    /// Queued instances that did not count, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_counted: Vec<NotCounted>,
    /// What an operator should fix, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The agents to remove, where `delta` is negative.
    pub scale_down_agents: Vec<AgentRef>,
    /// Agents that were on their way out already.
    pub decommissioning_agents: Vec<AgentRef>,
}

impl ScalingDecision {
    /// D3: agents that are on their way out: they drain, or Lambda Scale deactivated them. One that an operator has drained may stay
    /// so for ever, and so may one whose drain does not end.
    #[must_use]
    pub fn decommissioning(&self) -> u32 {
        let count =
            |counts: fn(&&AgentRef) -> bool| saturated(self.decommissioning_agents.iter().filter(counts).count());
        let stays = count(|agent| {
            agent.drain_overdue || agent.state == AgentState::Drained && agent.decommission_tag == Some(false)
        });
        let ours = count(|agent| agent.state == AgentState::Deactivated && agent.decommission_tag == Some(true));
        self.agents.draining.saturating_sub(stays).saturating_add(ours)
    }
}

impl Message for ScalingDecision {
    const SCHEMA: &'static str = "lambda-scale/scaling-decision";
    const VERSION: u32 = 1;
    const READERS: &'static str = "node_scale";

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("pool", self.pool.clone()), ("state", self.state.name().to_owned())]
    }
}

/// A decision in a word (clause L4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScalingState {
    /// Agents are missing.
    ScaleUp,
    /// Agents can go.
    ScaleDown,
    /// As many as needed.
    Normal,
    /// More agents were wanted than `max` allows.
    MaxLimit,
    /// Fewer agents were wanted than `min` allows.
    MinLimit,
    /// No change, because the view does not allow one or the pool is paused.
    Held,
}

impl ScalingState {
    /// The word used in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScaleUp => "scale_up",
            Self::ScaleDown => "scale_down",
            Self::Normal => "normal",
            Self::MaxLimit => "max_limit",
            Self::MinLimit => "min_limit",
            Self::Held => "held",
        }
    }
}

/// What one clause made of the number of agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// The clause of docs/algorithm.md that decided.
    pub clause: Clause,
    /// Usable agents before it.
    pub agents_before: u32,
    /// And after it.
    pub agents_after: u32,
    /// How many agents this rule alone would ask for, without those before it; the limits (`L`) have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents_alone: Option<u32>,
    /// Why, in a sentence.
    pub reason: String,
    /// The application that mattered most, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
}

/// An application of which some task can never be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unplaceable {
    /// The application's name.
    pub application: String,
    /// What is lacking.
    pub reason: String,
}

/// An agent by all the names it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentRef {
    /// The agent's id.
    pub agent_id: String,
    /// Its hostname.
    pub hostname: String,
    /// The address the master speaks to it by.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// Its EC2 instance, where that is known.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// Whether the group has the tag by which `node_scale` marks this instance as one that it decommissions; `None` where
    /// the group or the instance is not known. `false` for an agent that certainly runs on no instance of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decommission_tag: Option<bool>,
    /// Since when, as that tag says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Rfc3339>"))]
    pub decommission_since: Option<Timestamp>,
    /// Whether an agent that is not connected names the same instance: it may be the one that runs there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contested: bool,
    /// Its state.
    pub state: AgentState,
    /// How many tasks it runs.
    #[serde(default)]
    pub task_count: u32,
    /// Whether it runs a task of a protected framework or application, or of a framework that is disconnected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// Whether it is decommissioning and runs nothing but tasks of daemons (H12).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_daemons: bool,
    /// Whether it is decommissioning and runs a task that fits no other agent, not even an empty one (H5).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_place: bool,
    /// D3: whether its drain should have ended long ago, so that it no longer counts against the step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drain_overdue: bool,
}

impl From<&Candidate> for AgentRef {
    fn from(candidate: &Candidate) -> Self {
        Self {
            agent_id: candidate.agent_id.clone(),
            hostname: candidate.hostname.clone(),
            ip: candidate.ip,
            instance_id: candidate.instance_id.clone(),
            decommission_tag: candidate.decommission_tag,
            decommission_since: candidate.decommission_since,
            contested: candidate.contested,
            state: candidate.state,
            task_count: candidate.task_count,
            protected: candidate.protected,
            only_daemons: false,
            no_place: false,
            drain_overdue: false,
        }
    }
}
