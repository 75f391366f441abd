//! Part of version 1: what `node_gather` saw of the Auto Scaling group of a pool.

use serde::{Deserialize, Serialize};

/// The instances of a pool's group, and which of them are agents. Instances and agents are matched by identity, never by
/// their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct GroupMembers {
    /// Its desired capacity, in capacity units.
    pub desired: u32,
    /// The least desired capacity that it allows.
    pub min: u32,
    /// The largest desired capacity that it allows.
    pub max: u32,
    /// Instances in service.
    pub in_service: u32,
    /// Launching and in-service instances that are certainly that of one registered agent.
    pub joined: u32,
    /// Launching and in-service instances of which it is not known whether they are agents. They are never missing, and
    /// are never terminated.
    pub unknown: u32,
    /// Launching and in-service instances that are certainly that of no registered agent.
    pub not_joined_count: u32,
    /// The ids of the instances in `not_joined_count`, at most [`GroupMembers::MAX_LISTED`].
    pub not_joined: Vec<String>,
    /// The ids of those in `unknown` that agents claim, but not one alone and with certainty; at most
    /// [`GroupMembers::MAX_LISTED`]. The others are unknown because some agent of the pool has no identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ambiguous: Vec<String>,
    /// The instances among those in `joined` whose agents certainly take no tasks of the pool: they are of no pool or another one,
    /// or have no resources; at most [`GroupMembers::MAX_LISTED`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfit: Vec<String>,
    /// The instances of agents that registered within `join_timeout`; `None` where there are more than
    /// [`GroupMembers::MAX_RECENT`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined_recent: Option<Vec<String>>,
    /// Agents of the pool without an identity, any of which may run on any instance that no agent claims; `None` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unidentified: Option<u32>,
    /// Those of them that registered within `join_timeout`.
    pub unidentified_recent: u32,
    /// Instances in standby.
    pub standby: u32,
    /// Instances that are terminating or detaching.
    pub leaving: u32,
    /// Instances in service that are protected from scale-in one by one.
    pub protected: u32,
    /// Agents of the pool that are certainly on no instance of the group.
    pub outside: u32,
    /// Whether the masters refused a call about an agent lately, by the group's tag (D8).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub closing_refused: bool,
    /// Whether an agent was requested lately only to see what a new one has, by the group's tag (A).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tried: bool,
    /// The instances with the tag of a decommissioning agent whose agent is active, so that it is none; `None` in messages that
    /// do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tagged_active: Option<Vec<String>>,
}

impl GroupMembers {
    /// How many instances `not_joined`, `ambiguous`, and `unfit` list at most.
    pub const MAX_LISTED: usize = 200;
    /// How many instances `joined_recent` lists at most.
    pub const MAX_RECENT: usize = 2_000;

    /// The most agents that a pool without a maximum of its own may have: as many as the group may, and those outside of it.
    #[must_use]
    pub const fn most_agents(&self) -> u32 {
        self.max.saturating_add(self.outside)
    }
}
