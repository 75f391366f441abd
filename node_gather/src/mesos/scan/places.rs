//! The parts of /state that are looked into, and what is wanted of each: the whole form of the document in one place.

use shared::resources::Kind;

/// An object or a list that is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Document,
    Flags,
    Agents,
    Agent,
    DrainInfo,
    Attributes,
    /// The amounts of anything's resources.
    Amounts,
    /// The reserved resources of an agent, by role.
    Roles,
    RecoveredAgents,
    RecoveredAgent,
    Frameworks,
    Framework,
    Capabilities,
    Tasks,
    Task,
    Executors,
    Executor,
}

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Slot {
    Unwanted,
    Document,
    Version,
    Cluster,
    ElectedTime,
    Flags,
    ActivatedAgents,
    DeactivatedAgents,
    UnreachableAgents,
    Agents,
    RecoveredAgents,
    Frameworks,
    OrphanTasks,
    AgentReregisterTimeout,
    SlaveReregisterTimeout,
    Agent,
    AgentId,
    AgentHostname,
    AgentPid,
    AgentActive,
    AgentDeactivated,
    AgentAttributes,
    DrainInfo,
    DrainState,
    Total,
    Used,
    Unreserved,
    Reserved,
    ReservedForRole,
    RecoveredAgent,
    RecoveredId,
    RecoveredAttributes,
    Attribute,
    Cpus,
    Mem,
    Disk,
    Gpus,
    Framework,
    FrameworkName,
    Capabilities,
    Capability,
    FrameworkRecovered,
    Tasks,
    Task,
    TaskId,
    TaskName,
    TaskAgent,
    TaskState,
    TaskResources,
    Executors,
    Executor,
    ExecutorAgent,
    ExecutorResources,
}

/// What a value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    Boolean,
    /// An object, looked into as that place.
    Object(Place),
    /// A list, looked into as that place.
    List(Place),
    /// Of any type: what it is is kept.
    Any,
    /// Of any type, and skipped.
    Unwanted,
}

/// The slots of an object that have been met, one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Met(u64);

impl Met {
    pub(super) const NONE: Self = Self(0);

    /// All that is wanted of a task.
    pub(super) const WHOLE_TASK: Self =
        Self::of(&[Slot::TaskId, Slot::TaskName, Slot::TaskAgent, Slot::TaskState, Slot::TaskResources]);

    const fn of(slots: &[Slot]) -> Self {
        let mut bits = 0;
        let mut rest = slots;
        while let [slot, more @ ..] = rest {
            bits |= slot.bit();
            rest = more;
        }
        Self(bits)
    }

    pub(super) const fn has(self, slot: Slot) -> bool {
        self.0 & slot.bit() != 0
    }

    pub(super) const fn with(self, slot: Slot) -> Self {
        Self(self.0 | slot.bit())
    }
}

impl Place {
    pub(super) const fn is_list(self) -> bool {
        matches!(
            self,
            Self::Agents
                | Self::RecoveredAgents
                | Self::Frameworks
                | Self::Capabilities
                | Self::Tasks
                | Self::Executors
        )
    }

    /// What the items of a list are for.
    pub(super) const fn item(self) -> Slot {
        match self {
            Self::Agents => Slot::Agent,
            Self::RecoveredAgents => Slot::RecoveredAgent,
            Self::Frameworks => Slot::Framework,
            Self::Capabilities => Slot::Capability,
            Self::Tasks => Slot::Task,
            Self::Executors => Slot::Executor,
            _ => Slot::Unwanted,
        }
    }

    /// What the value of that key in an object is for.
    #[inline]
    pub(super) fn slot(self, key: &[u8]) -> Slot {
        match self {
            // The place with the most keys first.
            Self::Task => match key {
                b"id" => Slot::TaskId,
                b"name" => Slot::TaskName,
                b"slave_id" => Slot::TaskAgent,
                b"state" => Slot::TaskState,
                b"resources" => Slot::TaskResources,
                _ => Slot::Unwanted,
            },
            Self::Amounts => slot_of_amounts(key),
            Self::Document => slot_of_document(key),
            Self::Agent => slot_of_agent(key),
            Self::Framework => slot_of_framework(key),
            Self::Executor => match key {
                b"slave_id" => Slot::ExecutorAgent,
                b"resources" => Slot::ExecutorResources,
                _ => Slot::Unwanted,
            },
            Self::RecoveredAgent => match key {
                b"id" => Slot::RecoveredId,
                b"attributes" => Slot::RecoveredAttributes,
                _ => Slot::Unwanted,
            },
            Self::Flags => match key {
                b"agent_reregister_timeout" => Slot::AgentReregisterTimeout,
                // Its name before Mesos 1.4.
                b"slave_reregister_timeout" => Slot::SlaveReregisterTimeout,
                _ => Slot::Unwanted,
            },
            Self::DrainInfo if key == b"state" => Slot::DrainState,
            Self::Attributes => Slot::Attribute,
            Self::Roles => Slot::ReservedForRole,
            _ => Slot::Unwanted,
        }
    }

    /// The slots without which an object is not taken.
    pub(super) const fn required(self) -> &'static [Slot] {
        match self {
            Self::Document => &[Slot::Agents, Slot::Frameworks],
            Self::Agent => &[Slot::AgentId, Slot::AgentActive],
            Self::Framework => &[Slot::Tasks, Slot::FrameworkName],
            Self::Task => &[Slot::TaskAgent, Slot::TaskState, Slot::TaskResources],
            _ => &[],
        }
    }
}

/// Four of them in every task: compared byte by byte, which is quicker than by length and then as a whole.
#[inline(always)]
pub(super) const fn slot_of_amounts(key: &[u8]) -> Slot {
    match key {
        [b'c', b'p', b'u', b's'] => Slot::Cpus,
        [b'm', b'e', b'm'] => Slot::Mem,
        [b'd', b'i', b's', b'k'] => Slot::Disk,
        [b'g', b'p', b'u', b's'] => Slot::Gpus,
        _ => Slot::Unwanted,
    }
}

fn slot_of_document(key: &[u8]) -> Slot {
    match key {
        b"version" => Slot::Version,
        b"cluster" => Slot::Cluster,
        b"elected_time" => Slot::ElectedTime,
        b"flags" => Slot::Flags,
        b"activated_slaves" => Slot::ActivatedAgents,
        b"deactivated_slaves" => Slot::DeactivatedAgents,
        b"unreachable_slaves" => Slot::UnreachableAgents,
        b"slaves" => Slot::Agents,
        b"recovered_slaves" => Slot::RecoveredAgents,
        b"frameworks" => Slot::Frameworks,
        b"orphan_tasks" => Slot::OrphanTasks,
        _ => Slot::Unwanted,
    }
}

fn slot_of_agent(key: &[u8]) -> Slot {
    match key {
        b"id" => Slot::AgentId,
        b"hostname" => Slot::AgentHostname,
        b"pid" => Slot::AgentPid,
        b"active" => Slot::AgentActive,
        b"deactivated" => Slot::AgentDeactivated,
        b"attributes" => Slot::AgentAttributes,
        b"drain_info" => Slot::DrainInfo,
        b"resources" => Slot::Total,
        b"used_resources" => Slot::Used,
        b"unreserved_resources" => Slot::Unreserved,
        b"reserved_resources" => Slot::Reserved,
        _ => Slot::Unwanted,
    }
}

fn slot_of_framework(key: &[u8]) -> Slot {
    match key {
        b"name" => Slot::FrameworkName,
        b"capabilities" => Slot::Capabilities,
        b"recovered" => Slot::FrameworkRecovered,
        b"tasks" => Slot::Tasks,
        b"executors" => Slot::Executors,
        _ => Slot::Unwanted,
    }
}

impl Slot {
    const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Whether the key may stand more than once in its object.
    pub(super) const fn may_repeat(self) -> bool {
        matches!(self, Self::Unwanted | Self::Attribute | Self::ReservedForRole)
    }

    pub(super) const fn shape(self) -> Shape {
        match self {
            Self::Unwanted => Shape::Unwanted,
            Self::Version
            | Self::Cluster
            | Self::AgentReregisterTimeout
            | Self::SlaveReregisterTimeout
            | Self::AgentId
            | Self::AgentHostname
            | Self::AgentPid
            | Self::DrainState
            | Self::RecoveredId
            | Self::FrameworkName
            | Self::Capability
            | Self::TaskId
            | Self::TaskName
            | Self::TaskAgent
            | Self::TaskState
            | Self::ExecutorAgent => Shape::Text,
            Self::ElectedTime | Self::ActivatedAgents | Self::DeactivatedAgents | Self::UnreachableAgents => {
                Shape::Number
            }
            Self::AgentActive | Self::AgentDeactivated | Self::FrameworkRecovered => Shape::Boolean,
            Self::Attribute | Self::Cpus | Self::Mem | Self::Disk | Self::Gpus => Shape::Any,
            Self::Document => Shape::Object(Place::Document),
            Self::Flags => Shape::Object(Place::Flags),
            Self::Agents => Shape::List(Place::Agents),
            Self::RecoveredAgents => Shape::List(Place::RecoveredAgents),
            Self::Frameworks => Shape::List(Place::Frameworks),
            Self::OrphanTasks | Self::Tasks => Shape::List(Place::Tasks),
            Self::Agent => Shape::Object(Place::Agent),
            Self::AgentAttributes | Self::RecoveredAttributes => Shape::Object(Place::Attributes),
            Self::DrainInfo => Shape::Object(Place::DrainInfo),
            Self::Reserved => Shape::Object(Place::Roles),
            Self::Total
            | Self::Used
            | Self::Unreserved
            | Self::ReservedForRole
            | Self::TaskResources
            | Self::ExecutorResources => Shape::Object(Place::Amounts),
            Self::RecoveredAgent => Shape::Object(Place::RecoveredAgent),
            Self::Framework => Shape::Object(Place::Framework),
            Self::Capabilities => Shape::List(Place::Capabilities),
            Self::Task => Shape::Object(Place::Task),
            Self::Executors => Shape::List(Place::Executors),
            Self::Executor => Shape::Object(Place::Executor),
        }
    }

    /// Whether `null` is as good as nothing.
    pub(super) const fn may_be_null(self) -> bool {
        matches!(
            self,
            Self::Cluster
                | Self::ElectedTime
                | Self::AgentReregisterTimeout
                | Self::SlaveReregisterTimeout
                | Self::AgentPid
                | Self::DrainInfo
                | Self::Total
                | Self::Used
                | Self::Unreserved
                | Self::ExecutorAgent
        )
    }

    /// The resource whose amount it is.
    pub(super) const fn kind(self) -> Option<Kind> {
        match self {
            Self::Cpus => Some(Kind::Cpus),
            Self::Mem => Some(Kind::Mem),
            Self::Disk => Some(Kind::Disk),
            Self::Gpus => Some(Kind::Gpus),
            _ => None,
        }
    }

    /// What it is called in the document.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unwanted => "other",
            Self::Document => "the state",
            Self::Version => "version",
            Self::Cluster => "cluster",
            Self::ElectedTime => "elected_time",
            Self::Flags => "flags",
            Self::ActivatedAgents => "activated_slaves",
            Self::DeactivatedAgents => "deactivated_slaves",
            Self::UnreachableAgents => "unreachable_slaves",
            Self::Agents => "slaves",
            Self::RecoveredAgents => "recovered_slaves",
            Self::Frameworks => "frameworks",
            Self::OrphanTasks => "orphan_tasks",
            Self::AgentReregisterTimeout => "flags.agent_reregister_timeout",
            Self::SlaveReregisterTimeout => "flags.slave_reregister_timeout",
            Self::Agent => "slaves[]",
            Self::AgentId => "slaves[].id",
            Self::AgentHostname => "slaves[].hostname",
            Self::AgentPid => "slaves[].pid",
            Self::AgentActive => "slaves[].active",
            Self::AgentDeactivated => "slaves[].deactivated",
            Self::AgentAttributes => "slaves[].attributes",
            Self::DrainInfo => "slaves[].drain_info",
            Self::DrainState => "slaves[].drain_info.state",
            Self::Total => "slaves[].resources",
            Self::Used => "slaves[].used_resources",
            Self::Unreserved => "slaves[].unreserved_resources",
            Self::Reserved => "slaves[].reserved_resources",
            Self::ReservedForRole => "slaves[].reserved_resources[]",
            Self::RecoveredAgent => "recovered_slaves[]",
            Self::RecoveredId => "recovered_slaves[].id",
            Self::RecoveredAttributes => "recovered_slaves[].attributes",
            Self::Attribute => "attributes[]",
            Self::Cpus => "resources.cpus",
            Self::Mem => "resources.mem",
            Self::Disk => "resources.disk",
            Self::Gpus => "resources.gpus",
            Self::Framework => "frameworks[]",
            Self::FrameworkName => "frameworks[].name",
            Self::Capabilities => "frameworks[].capabilities",
            Self::Capability => "frameworks[].capabilities[]",
            Self::FrameworkRecovered => "frameworks[].recovered",
            Self::Tasks => "frameworks[].tasks",
            Self::Task => "tasks[]",
            Self::TaskId => "tasks[].id",
            Self::TaskName => "tasks[].name",
            Self::TaskAgent => "tasks[].slave_id",
            Self::TaskState => "tasks[].state",
            Self::TaskResources => "tasks[].resources",
            Self::Executors => "frameworks[].executors",
            Self::Executor => "executors[]",
            Self::ExecutorAgent => "executors[].slave_id",
            Self::ExecutorResources => "executors[].resources",
        }
    }
}

impl Shape {
    /// What is expected where something else stands.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Object(_) => "an object",
            Self::List(_) => "a list",
            Self::Any | Self::Unwanted => "a value",
        }
    }
}
