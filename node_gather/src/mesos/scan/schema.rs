//! The parts of /state that are looked into, and what is wanted of each: the whole form of the document in one container.

use shared::resources::Kind;

/// An object or a list that is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
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
pub(super) enum Field {
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
    /// An object, looked into as that container.
    Object(Container),
    /// A list, looked into as that container.
    List(Container),
    /// Of any type: what it is is kept.
    Any,
    /// Of any type, and skipped.
    Unwanted,
}

/// The fields of an object that have been seen, one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenFields(u64);

impl SeenFields {
    pub(super) const NONE: Self = Self(0);

    /// All that is wanted of a task.
    pub(super) const WHOLE_TASK: Self =
        Self::of(&[Field::TaskId, Field::TaskName, Field::TaskAgent, Field::TaskState, Field::TaskResources]);

    const fn of(fields: &[Field]) -> Self {
        let mut bits = 0;
        let mut rest = fields;
        while let [field, more @ ..] = rest {
            bits |= field.bit();
            rest = more;
        }
        Self(bits)
    }

    pub(super) const fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    pub(super) const fn with(self, field: Field) -> Self {
        Self(self.0 | field.bit())
    }
}

impl Container {
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
    pub(super) const fn item(self) -> Field {
        match self {
            Self::Agents => Field::Agent,
            Self::RecoveredAgents => Field::RecoveredAgent,
            Self::Frameworks => Field::Framework,
            Self::Capabilities => Field::Capability,
            Self::Tasks => Field::Task,
            Self::Executors => Field::Executor,
            _ => Field::Unwanted,
        }
    }

    /// What the value of that key in an object is for.
    #[inline]
    pub(super) fn field(self, key: &[u8]) -> Field {
        match self {
            // The container with the most keys first.
            Self::Task => match key {
                b"id" => Field::TaskId,
                b"name" => Field::TaskName,
                b"slave_id" => Field::TaskAgent,
                b"state" => Field::TaskState,
                b"resources" => Field::TaskResources,
                _ => Field::Unwanted,
            },
            Self::Amounts => field_of_amounts(key),
            Self::Document => field_of_document(key),
            Self::Agent => field_of_agent(key),
            Self::Framework => field_of_framework(key),
            Self::Executor => match key {
                b"slave_id" => Field::ExecutorAgent,
                b"resources" => Field::ExecutorResources,
                _ => Field::Unwanted,
            },
            Self::RecoveredAgent => match key {
                b"id" => Field::RecoveredId,
                b"attributes" => Field::RecoveredAttributes,
                _ => Field::Unwanted,
            },
            Self::Flags => match key {
                b"agent_reregister_timeout" => Field::AgentReregisterTimeout,
                // Its name before Mesos 1.4.
                b"slave_reregister_timeout" => Field::SlaveReregisterTimeout,
                _ => Field::Unwanted,
            },
            Self::DrainInfo if key == b"state" => Field::DrainState,
            Self::Attributes => Field::Attribute,
            Self::Roles => Field::ReservedForRole,
            _ => Field::Unwanted,
        }
    }

    /// The fields without which an object is not taken.
    pub(super) const fn required(self) -> &'static [Field] {
        match self {
            Self::Document => &[Field::Agents, Field::Frameworks],
            Self::Agent => &[Field::AgentId, Field::AgentActive],
            Self::Framework => &[Field::Tasks, Field::FrameworkName],
            Self::Task => &[Field::TaskAgent, Field::TaskState, Field::TaskResources],
            _ => &[],
        }
    }
}

/// Four of them in every task: compared byte by byte, which is quicker than by length and then as a whole.
#[inline(always)]
pub(super) const fn field_of_amounts(key: &[u8]) -> Field {
    match key {
        [b'c', b'p', b'u', b's'] => Field::Cpus,
        [b'm', b'e', b'm'] => Field::Mem,
        [b'd', b'i', b's', b'k'] => Field::Disk,
        [b'g', b'p', b'u', b's'] => Field::Gpus,
        _ => Field::Unwanted,
    }
}

fn field_of_document(key: &[u8]) -> Field {
    match key {
        b"version" => Field::Version,
        b"cluster" => Field::Cluster,
        b"elected_time" => Field::ElectedTime,
        b"flags" => Field::Flags,
        b"activated_slaves" => Field::ActivatedAgents,
        b"deactivated_slaves" => Field::DeactivatedAgents,
        b"unreachable_slaves" => Field::UnreachableAgents,
        b"slaves" => Field::Agents,
        b"recovered_slaves" => Field::RecoveredAgents,
        b"frameworks" => Field::Frameworks,
        b"orphan_tasks" => Field::OrphanTasks,
        _ => Field::Unwanted,
    }
}

fn field_of_agent(key: &[u8]) -> Field {
    match key {
        b"id" => Field::AgentId,
        b"hostname" => Field::AgentHostname,
        b"pid" => Field::AgentPid,
        b"active" => Field::AgentActive,
        b"deactivated" => Field::AgentDeactivated,
        b"attributes" => Field::AgentAttributes,
        b"drain_info" => Field::DrainInfo,
        b"resources" => Field::Total,
        b"used_resources" => Field::Used,
        b"unreserved_resources" => Field::Unreserved,
        b"reserved_resources" => Field::Reserved,
        _ => Field::Unwanted,
    }
}

fn field_of_framework(key: &[u8]) -> Field {
    match key {
        b"name" => Field::FrameworkName,
        b"capabilities" => Field::Capabilities,
        b"recovered" => Field::FrameworkRecovered,
        b"tasks" => Field::Tasks,
        b"executors" => Field::Executors,
        _ => Field::Unwanted,
    }
}

impl Field {
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
            Self::Document => Shape::Object(Container::Document),
            Self::Flags => Shape::Object(Container::Flags),
            Self::Agents => Shape::List(Container::Agents),
            Self::RecoveredAgents => Shape::List(Container::RecoveredAgents),
            Self::Frameworks => Shape::List(Container::Frameworks),
            Self::OrphanTasks | Self::Tasks => Shape::List(Container::Tasks),
            Self::Agent => Shape::Object(Container::Agent),
            Self::AgentAttributes | Self::RecoveredAttributes => Shape::Object(Container::Attributes),
            Self::DrainInfo => Shape::Object(Container::DrainInfo),
            Self::Reserved => Shape::Object(Container::Roles),
            Self::Total
            | Self::Used
            | Self::Unreserved
            | Self::ReservedForRole
            | Self::TaskResources
            | Self::ExecutorResources => Shape::Object(Container::Amounts),
            Self::RecoveredAgent => Shape::Object(Container::RecoveredAgent),
            Self::Framework => Shape::Object(Container::Framework),
            Self::Capabilities => Shape::List(Container::Capabilities),
            Self::Task => Shape::Object(Container::Task),
            Self::Executors => Shape::List(Container::Executors),
            Self::Executor => Shape::Object(Container::Executor),
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
