//! What `node_gather` tells `node_process`.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contract::{GroupMembers, Growth, LatestAgent, Message, NAMESPACE};
use crate::resources::Resources;
#[cfg(feature = "schema")]
use crate::time::Rfc3339;
use crate::time::millis;

/// What `node_gather` saw of one pool: the leading master's view at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClusterSnapshot {
    /// Derived from everything else in the snapshot, see [`ClusterSnapshot::identified`].
    pub id: Uuid,
    /// When the master was asked.
    #[serde(with = "millis")]
    #[cfg_attr(feature = "schema", schemars(with = "Rfc3339"))]
    pub taken_at: Timestamp,
    /// The pool's name in the configuration.
    pub pool: String,
    /// Who answered.
    pub source: Source,
    /// How far the view may be trusted.
    pub completeness: Completeness,
    /// How many agents there are in the pool, by state.
    pub agents: AgentCounts,
    /// Sums over the pool.
    pub resources: PoolResources,
    /// The instances of the pool's group, and which of them are agents; `None` where the group was not described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembers>,
    /// The role that has reserved all usable agents, where that is another one than the pool's; `None` elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_role: Option<String>,
    /// The usable agents, grouped by equal shape and equal free resources.
    pub agent_shapes: Vec<AgentShape>,
    /// The three agents that registered last, within an hour of each other, the latest first; none that certainly runs on no instance
    /// of the group, or on one in standby. Empty where no time is known, or none is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latest_agents: Vec<LatestAgent>,
    /// Where not `None`, `free` of the shapes was rounded down to this fraction of the shape's total (64: to 1/64), so
    /// that the message fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_floor: Option<u32>,
    /// The usable agents that hold least, the least loaded first, then every agent on its way out.
    pub scale_down_candidates: Vec<Candidate>,
    /// How many more decommissioning agents there are than `scale_down_candidates` lists, so that the message fits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decommissioning_omitted: u32,
    /// The applications with tasks on the pool's agents.
    pub applications: Vec<Application>,
    /// What the pool has learned of the growth of its demand; `None` where it does not learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// Queued instances that do not count, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_counted: Vec<NotCounted>,
    /// What an operator should fix, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Average CPU utilization of the group over the last ten minutes, 0 to 100; `None` where the pool does not ask for it
    /// or it is unknown.
    pub cpu_utilization_percent: Option<f64>,
}

impl ClusterSnapshot {
    /// The snapshot with its id: a UUID (version 5) of its own content, so that the same sight has the same id on
    /// every machine and another sight has another.
    #[must_use]
    pub fn identified(mut self) -> Self {
        self.id = Uuid::nil();
        let content = serde_json::to_vec(&self).unwrap_or_default();
        self.id = Uuid::new_v5(&NAMESPACE, &content);
        self
    }
}

impl Message for ClusterSnapshot {
    const SCHEMA: &'static str = "lambda-scale/cluster-snapshot";
    const VERSION: u32 = 1;
    const READERS: &'static str = "node_process";

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("pool", self.pool.clone()), ("completeness", self.completeness.level.name().to_owned())]
    }
}

/// The master that answered. Empty for a pool without a Mesos cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Source {
    /// The URL of the leading master, without credentials; empty and left out where none was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub master: String,
    /// The master's version; empty and left out where none was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mesos_version: String,
    /// The cluster's name, where it has one.
    #[serde(default)]
    pub cluster: Option<String>,
    /// When the master became the leader.
    #[serde(default, with = "millis::option")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Rfc3339>"))]
    pub elected_at: Option<Timestamp>,
    /// How long an agent that it has lost stays registered, by its flags; `None` where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_after_seconds: Option<u64>,
}

/// How far a snapshot may be trusted, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Completeness {
    /// The worst of the findings.
    pub level: CompletenessLevel,
    /// One sentence for each finding.
    pub reasons: Vec<String>,
}

/// What a snapshot may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CompletenessLevel {
    /// Act freely.
    Complete,
    /// Something may be missing: never scale down.
    Partial,
    /// Too much is missing: no change in either direction.
    Blind,
}

impl CompletenessLevel {
    /// The word used in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Blind => "blind",
        }
    }
}

/// Agents of a pool by state. Those in `recovered` and `unreachable` are not in `registered`;
/// `registered = usable + draining + deactivated + inactive`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct AgentCounts {
    /// Listed by the master with their resources.
    pub registered: u32,
    /// Registered and taking tasks.
    pub usable: u32,
    /// With `drain_info`: draining or drained.
    pub draining: u32,
    /// Deactivated by an operator, not draining.
    pub deactivated: u32,
    /// Registered, but disconnected or without resources.
    pub inactive: u32,
    /// Those of `inactive` that have resources: the master has lost the connection, and their tasks may still run.
    #[serde(skip_serializing_if = "is_zero")]
    pub disconnected: u32,
    /// Known to a newly elected master, not yet back.
    pub recovered: u32,
    /// Lost and marked so by the master. The master says it for the cluster, not by pool.
    pub unreachable: u32,
}

impl AgentCounts {
    /// Agents that are expected to accept tasks again soon: recovered and disconnected ones.
    #[must_use]
    pub const fn returning(&self) -> u32 {
        self.recovered.saturating_add(self.disconnected)
    }

    /// Agents that are on their way out, whoever sent them.
    #[must_use]
    pub const fn decommissioning(&self) -> u32 {
        self.draining.saturating_add(self.deactivated)
    }
}

/// Sums over a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PoolResources {
    /// All resources of the usable agents.
    pub total: Resources,
    /// What tasks and executors use on usable agents.
    pub used: Resources,
    /// What they use on registered agents that are not usable: it must be placed again.
    pub displaced: Resources,
    /// The part of `displaced` that is on disconnected agents. These may return with their tasks.
    #[serde(skip_serializing_if = "Resources::is_zero")]
    pub disconnected: Resources,
}

/// Usable agents with equal resources and equal free resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentShape {
    /// How many such agents.
    pub count: u32,
    /// All resources of one.
    pub total: Resources,
    /// What of them tasks of the pool's role can take: what no role has reserved, and the reservations of that role and of
    /// those above it.
    pub unreserved: Resources,
    /// What a new task of the pool's role could still take.
    pub free: Resources,
}

/// One agent that could leave, or is on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// The agent's id.
    pub agent_id: String,
    /// Its hostname.
    pub hostname: String,
    /// The address the master speaks to it by.
    pub ip: Option<IpAddr>,
    /// Its EC2 instance, where that is known.
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
    /// Whether an instance runs there of which an agent may hold only so many, and no usable agent has a place for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sole_host: bool,
    /// When its drain should be over at the latest; `None` where it does not drain, or it is not known when that began.
    #[serde(default, with = "millis::option", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Rfc3339>"))]
    pub drain_due: Option<Timestamp>,
    /// Its state.
    pub state: AgentState,
    /// Whether it runs a task of a protected framework or application, or of a framework that is disconnected.
    pub protected: bool,
    /// All its resources.
    pub total: Resources,
    /// What of them tasks of the pool's role can take.
    pub unreserved: Resources,
    /// What its tasks and executors use.
    pub used: Resources,
    /// What a new task of the pool's role could still take, where roles have reserved resources of the agent; elsewhere it is
    /// `unreserved` without `used`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<Resources>,
    /// How many tasks it runs.
    pub task_count: u32,
    /// Its tasks, grouped by equal resources.
    pub tasks: Vec<TaskGroup>,
    /// Where it is on its way out: the names of the applications of its tasks; empty where there are more than
    /// [`Candidate::MAX_APPLICATIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
}

impl Candidate {
    /// How many applications a candidate names: far more than an agent runs daemons. What runs more is not about to be empty.
    pub const MAX_APPLICATIONS: usize = 100;
}

/// Whether an agent takes tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// Takes tasks.
    Active,
    /// Deactivated by an operator.
    Deactivated,
    /// Its tasks are being moved.
    Draining,
    /// All its tasks have left.
    Drained,
}

impl AgentState {
    /// The word used in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

/// Tasks with equal resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskGroup {
    /// How many.
    pub count: u32,
    /// The resources of one.
    pub resources: Resources,
}

/// The tasks of one name in one framework, on the agents of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Application {
    /// The framework's name.
    pub framework: String,
    /// The application's name: for Marathon its id.
    pub name: String,
    /// How many tasks it has.
    pub task_count: u32,
    /// What they take together.
    pub resources: Resources,
    /// The tasks, grouped by equal resources.
    pub tasks: Vec<TaskGroup>,
    /// Instances that wait for room.
    #[serde(default)]
    pub queued: u32,
    /// What one of them takes: its tasks, which start together on one agent, grouped by equal resources. Where instances
    /// of several sizes wait under this name: their mean, as one task. Empty where it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queued_tasks: Vec<TaskGroup>,
    /// Whether its framework is offered agents with gpus.
    #[serde(default)]
    pub gpu_aware: bool,
    /// How many of its instances one agent may hold, by its constraints and host ports (1: `UNIQUE` on the hostname, or a fixed host
    /// port); `None` where nothing limits them, or no constraints are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_agent: Option<u32>,
    /// What all pools have of it, where it is in several and `max_per_agent` limits it; `None` where any of them has no known maximum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_all_pools: Option<InAllPools>,
}

/// What the pools in which an application runs or waits have of it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InAllPools {
    /// Its instances: those that run, and all that are queued.
    pub instances: u32,
    /// The most agents that these pools may have.
    pub most_agents: u32,
}

impl Application {
    /// What one of its queued instances takes, all of it on one agent; where the snapshot does not say, as much as its largest
    /// task. Nothing where none is queued.
    #[must_use]
    pub fn queued_instance(&self) -> Resources {
        match (self.queued, self.queued_tasks.as_slice()) {
            (0, _) => Resources::ZERO,
            (_, []) => Resources::largest(self.tasks.iter().map(|group| group.resources)),
            (_, parts) => parts.iter().map(|group| group.resources.times(group.count.into())).sum(),
        }
    }
}

/// Queued instances of one application that no rule counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotCounted {
    /// The application's name.
    pub application: String,
    /// How many of its instances are queued.
    pub queued: u32,
    /// Why they do not count.
    pub reason: String,
}

impl TaskGroup {
    /// Merges groups of tasks with equal resources, in the order of their resources.
    #[must_use]
    pub fn merged(mut groups: Vec<Self>) -> Vec<Self> {
        groups.sort_unstable_by_key(|group| group.resources);
        groups.dedup_by(|next, kept| {
            let is_equal = next.resources == kept.resources;
            if is_equal {
                kept.count = kept.count.saturating_add(next.count);
            }
            is_equal
        });
        groups
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field over by reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}
