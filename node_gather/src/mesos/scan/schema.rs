//! The objects, lists, and fields of /state that are read: the whole form of the document in one file.

use shared::resources::Kind;

/// An object or a list whose contents are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Document,
    Flags,
    Agents,
    Agent,
    DrainInfo,
    DrainConfig,
    GracePeriod,
    Attributes,
    /// The resources of an agent, a task, or an executor.
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

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    Ignored,
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
    AgentPingTimeout,
    SlavePingTimeout,
    MaxAgentPingTimeouts,
    MaxSlavePingTimeouts,
    FilterGpuResources,
    Agent,
    AgentId,
    AgentHostname,
    AgentPid,
    AgentActive,
    AgentDeactivated,
    AgentRegisteredTime,
    AgentAttributes,
    DrainInfo,
    DrainState,
    DrainConfig,
    GracePeriod,
    GraceNanoseconds,
    DrainStartTime,
    Total,
    Used,
    Unreserved,
    Reserved,
    ReservedForRole,
    RecoveredAgent,
    RecoveredId,
    RecoveredHostname,
    RecoveredAttributes,
    Attribute,
    /// The amount of one kind of resource: [`kind_of`] its key.
    Amount,
    Framework,
    FrameworkName,
    Capabilities,
    Capability,
    FrameworkRecovered,
    FrameworkConnected,
    Tasks,
    Task,
    TaskId,
    TaskName,
    TaskAgent,
    TaskState,
    TaskResources,
    TaskRole,
    Executors,
    Executor,
    ExecutorId,
    ExecutorAgent,
    ExecutorRole,
    ExecutorResources,
    /// The last one, since there are 64 bits: no key leads to it, so that it needs none.
    Document,
}

/// The JSON type that a value must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    String,
    Number,
    Boolean,
    /// An object, read as that container.
    Object(Container),
    /// A list, read as that container.
    List(Container),
    /// Any type; the value is kept.
    Any,
    /// Any type; the value is skipped.
    Ignored,
}

/// The fields of an object that have occurred, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenFields(u64);

impl SeenFields {
    pub(super) const NONE: Self = Self(0);

    /// All fields of a task that are read.
    pub(super) const WHOLE_TASK: Self = Self::of(&[
        Field::TaskId,
        Field::TaskName,
        Field::TaskAgent,
        Field::TaskState,
        Field::TaskResources,
        Field::TaskRole,
    ]);

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

    pub(super) const fn has_amount(self, kind: Kind) -> bool {
        self.0 & Self::bit_of_amount(kind) != 0
    }

    pub(super) const fn with_amount(self, kind: Kind) -> Self {
        Self(self.0 | Self::bit_of_amount(kind))
    }

    /// An object of amounts has no other fields.
    const fn bit_of_amount(kind: Kind) -> u64 {
        1 << kind as u8
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

    /// Whether it is one of many in the document, such as an agent.
    pub(super) const fn is_item(self) -> bool {
        matches!(self, Self::Agent | Self::RecoveredAgent | Self::Framework | Self::Task | Self::Executor)
    }

    /// What the items of a list mean.
    pub(super) const fn item(self) -> Field {
        match self {
            Self::Agents => Field::Agent,
            Self::RecoveredAgents => Field::RecoveredAgent,
            Self::Frameworks => Field::Framework,
            Self::Capabilities => Field::Capability,
            Self::Tasks => Field::Task,
            Self::Executors => Field::Executor,
            _ => Field::Ignored,
        }
    }

    /// What the value of that key in an object means.
    #[inline]
    pub(super) fn field(self, key: &[u8]) -> Field {
        match self {
            // First, because most keys belong to tasks.
            Self::Task => match key {
                b"id" => Field::TaskId,
                b"name" => Field::TaskName,
                b"slave_id" => Field::TaskAgent,
                b"state" => Field::TaskState,
                b"resources" => Field::TaskResources,
                b"role" => Field::TaskRole,
                _ => Field::Ignored,
            },
            Self::Amounts if kind_of(key).is_some() => Field::Amount,
            Self::Document => field_of_document(key),
            Self::Agent => field_of_agent(key),
            Self::Framework => field_of_framework(key),
            Self::Executor => match key {
                b"executor_id" => Field::ExecutorId,
                b"slave_id" => Field::ExecutorAgent,
                b"role" => Field::ExecutorRole,
                b"resources" => Field::ExecutorResources,
                _ => Field::Ignored,
            },
            Self::RecoveredAgent => match key {
                b"id" => Field::RecoveredId,
                b"hostname" => Field::RecoveredHostname,
                b"attributes" => Field::RecoveredAttributes,
                _ => Field::Ignored,
            },
            Self::Flags => match key {
                b"agent_reregister_timeout" => Field::AgentReregisterTimeout,
                b"agent_ping_timeout" => Field::AgentPingTimeout,
                b"max_agent_ping_timeouts" => Field::MaxAgentPingTimeouts,
                // Their names before Mesos 1.4.
                b"slave_reregister_timeout" => Field::SlaveReregisterTimeout,
                b"slave_ping_timeout" => Field::SlavePingTimeout,
                b"max_slave_ping_timeouts" => Field::MaxSlavePingTimeouts,
                b"filter_gpu_resources" => Field::FilterGpuResources,
                _ => Field::Ignored,
            },
            Self::DrainInfo => match key {
                b"state" => Field::DrainState,
                b"config" => Field::DrainConfig,
                _ => Field::Ignored,
            },
            Self::DrainConfig if key == b"max_grace_period" => Field::GracePeriod,
            Self::GracePeriod if key == b"nanoseconds" => Field::GraceNanoseconds,
            Self::Attributes => Field::Attribute,
            Self::Roles => Field::ReservedForRole,
            _ => Field::Ignored,
        }
    }

    /// The fields that an object must have.
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

/// The kind of resource of that name. Written out: comparing with each name of a list takes a tenth of all instructions.
#[inline(always)]
pub(super) const fn kind_of(key: &[u8]) -> Option<Kind> {
    match key {
        b"cpus" => Some(Kind::Cpus),
        b"mem" => Some(Kind::Mem),
        b"disk" => Some(Kind::Disk),
        b"gpus" => Some(Kind::Gpus),
        _ => None,
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
        _ => Field::Ignored,
    }
}

fn field_of_agent(key: &[u8]) -> Field {
    match key {
        b"id" => Field::AgentId,
        b"hostname" => Field::AgentHostname,
        b"pid" => Field::AgentPid,
        b"active" => Field::AgentActive,
        b"deactivated" => Field::AgentDeactivated,
        b"registered_time" => Field::AgentRegisteredTime,
        b"attributes" => Field::AgentAttributes,
        b"drain_info" => Field::DrainInfo,
        b"estimated_drain_start_time_seconds" => Field::DrainStartTime,
        b"resources" => Field::Total,
        b"used_resources" => Field::Used,
        b"unreserved_resources" => Field::Unreserved,
        b"reserved_resources" => Field::Reserved,
        _ => Field::Ignored,
    }
}

fn field_of_framework(key: &[u8]) -> Field {
    match key {
        b"name" => Field::FrameworkName,
        b"capabilities" => Field::Capabilities,
        b"recovered" => Field::FrameworkRecovered,
        b"connected" => Field::FrameworkConnected,
        b"tasks" => Field::Tasks,
        b"executors" => Field::Executors,
        _ => Field::Ignored,
    }
}

impl Field {
    const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// What the value is read as, if it is one of many in the document.
    pub(super) const fn item(self) -> Option<Container> {
        match self.value_type() {
            ValueType::Object(container) if container.is_item() => Some(container),
            _ => None,
        }
    }

    /// Whether the key may occur more than once in its object, or is none of its own.
    pub(super) const fn may_repeat(self) -> bool {
        matches!(self, Self::Ignored | Self::Attribute | Self::Amount | Self::ReservedForRole)
    }

    pub(super) const fn value_type(self) -> ValueType {
        match self {
            Self::Ignored => ValueType::Ignored,
            Self::Version
            | Self::Cluster
            | Self::AgentReregisterTimeout
            | Self::SlaveReregisterTimeout
            | Self::AgentPingTimeout
            | Self::SlavePingTimeout
            | Self::MaxAgentPingTimeouts
            | Self::MaxSlavePingTimeouts
            | Self::FilterGpuResources
            | Self::AgentId
            | Self::AgentHostname
            | Self::AgentPid
            | Self::DrainState
            | Self::RecoveredId
            | Self::RecoveredHostname
            | Self::FrameworkName
            | Self::Capability
            | Self::TaskId
            | Self::TaskName
            | Self::TaskAgent
            | Self::TaskState
            | Self::TaskRole
            | Self::ExecutorId
            | Self::ExecutorAgent
            | Self::ExecutorRole => ValueType::String,
            Self::ElectedTime
            | Self::ActivatedAgents
            | Self::DeactivatedAgents
            | Self::UnreachableAgents
            | Self::AgentRegisteredTime
            | Self::GraceNanoseconds
            | Self::DrainStartTime => ValueType::Number,
            Self::AgentActive | Self::AgentDeactivated | Self::FrameworkRecovered | Self::FrameworkConnected => {
                ValueType::Boolean
            }
            Self::Attribute | Self::Amount => ValueType::Any,
            Self::Document => ValueType::Object(Container::Document),
            Self::Flags => ValueType::Object(Container::Flags),
            Self::Agents => ValueType::List(Container::Agents),
            Self::RecoveredAgents => ValueType::List(Container::RecoveredAgents),
            Self::Frameworks => ValueType::List(Container::Frameworks),
            Self::OrphanTasks | Self::Tasks => ValueType::List(Container::Tasks),
            Self::Agent => ValueType::Object(Container::Agent),
            Self::AgentAttributes | Self::RecoveredAttributes => ValueType::Object(Container::Attributes),
            Self::DrainInfo => ValueType::Object(Container::DrainInfo),
            Self::DrainConfig => ValueType::Object(Container::DrainConfig),
            Self::GracePeriod => ValueType::Object(Container::GracePeriod),
            Self::Reserved => ValueType::Object(Container::Roles),
            Self::Total
            | Self::Used
            | Self::Unreserved
            | Self::ReservedForRole
            | Self::TaskResources
            | Self::ExecutorResources => ValueType::Object(Container::Amounts),
            Self::RecoveredAgent => ValueType::Object(Container::RecoveredAgent),
            Self::Framework => ValueType::Object(Container::Framework),
            Self::Capabilities => ValueType::List(Container::Capabilities),
            Self::Task => ValueType::Object(Container::Task),
            Self::Executors => ValueType::List(Container::Executors),
            Self::Executor => ValueType::Object(Container::Executor),
        }
    }

    /// Whether `null` equals an absent value.
    pub(super) const fn may_be_null(self) -> bool {
        matches!(
            self,
            Self::Cluster
                | Self::ElectedTime
                | Self::AgentReregisterTimeout
                | Self::SlaveReregisterTimeout
                | Self::AgentPingTimeout
                | Self::SlavePingTimeout
                | Self::MaxAgentPingTimeouts
                | Self::MaxSlavePingTimeouts
                | Self::FilterGpuResources
                | Self::AgentPid
                | Self::AgentRegisteredTime
                | Self::DrainInfo
                | Self::DrainConfig
                | Self::GracePeriod
                | Self::DrainStartTime
                | Self::Total
                | Self::Used
                | Self::Unreserved
                | Self::TaskRole
                | Self::ExecutorId
                | Self::ExecutorAgent
                | Self::ExecutorRole
        )
    }

    /// Its path in the document.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ignored => "other",
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
            Self::AgentPingTimeout => "flags.agent_ping_timeout",
            Self::SlavePingTimeout => "flags.slave_ping_timeout",
            Self::MaxAgentPingTimeouts => "flags.max_agent_ping_timeouts",
            Self::MaxSlavePingTimeouts => "flags.max_slave_ping_timeouts",
            Self::FilterGpuResources => "flags.filter_gpu_resources",
            Self::Agent => "slaves[]",
            Self::AgentId => "slaves[].id",
            Self::AgentHostname => "slaves[].hostname",
            Self::AgentPid => "slaves[].pid",
            Self::AgentActive => "slaves[].active",
            Self::AgentDeactivated => "slaves[].deactivated",
            Self::AgentRegisteredTime => "slaves[].registered_time",
            Self::AgentAttributes => "slaves[].attributes",
            Self::DrainInfo => "slaves[].drain_info",
            Self::DrainState => "slaves[].drain_info.state",
            Self::DrainConfig => "slaves[].drain_info.config",
            Self::GracePeriod => "slaves[].drain_info.config.max_grace_period",
            Self::GraceNanoseconds => "slaves[].drain_info.config.max_grace_period.nanoseconds",
            Self::DrainStartTime => "slaves[].estimated_drain_start_time_seconds",
            Self::Total => "slaves[].resources",
            Self::Used => "slaves[].used_resources",
            Self::Unreserved => "slaves[].unreserved_resources",
            Self::Reserved => "slaves[].reserved_resources",
            Self::ReservedForRole => "slaves[].reserved_resources[]",
            Self::RecoveredAgent => "recovered_slaves[]",
            Self::RecoveredId => "recovered_slaves[].id",
            Self::RecoveredHostname => "recovered_slaves[].hostname",
            Self::RecoveredAttributes => "recovered_slaves[].attributes",
            Self::Attribute => "attributes[]",
            Self::Amount => "resources",
            Self::Framework => "frameworks[]",
            Self::FrameworkName => "frameworks[].name",
            Self::Capabilities => "frameworks[].capabilities",
            Self::Capability => "frameworks[].capabilities[]",
            Self::FrameworkRecovered => "frameworks[].recovered",
            Self::FrameworkConnected => "frameworks[].connected",
            Self::Tasks => "frameworks[].tasks",
            Self::Task => "tasks[]",
            Self::TaskId => "tasks[].id",
            Self::TaskName => "tasks[].name",
            Self::TaskAgent => "tasks[].slave_id",
            Self::TaskState => "tasks[].state",
            Self::TaskResources => "tasks[].resources",
            Self::TaskRole => "tasks[].role",
            Self::Executors => "frameworks[].executors",
            Self::Executor => "executors[]",
            Self::ExecutorId => "executors[].executor_id",
            Self::ExecutorAgent => "executors[].slave_id",
            Self::ExecutorRole => "executors[].role",
            Self::ExecutorResources => "executors[].resources",
        }
    }
}

impl ValueType {
    /// The expected type, for error messages.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Object(_) => "an object",
            Self::List(_) => "a list",
            Self::Any | Self::Ignored => "a value",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_resource_is_known_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind_of(kind.name().as_bytes()), Some(kind));
        }
        for other in ["", "cpu", "cpus ", "ports", "Mem"] {
            assert_eq!((kind_of(other.as_bytes()), Kind::from_name(other)), (None, None));
        }
    }
}
