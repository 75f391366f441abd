//! From values to the [`Sink`]: collects the fields of one agent, task, or executor, and passes it on when it is complete.
//! Every value has the type that its [`Field`] requires.

use std::collections::BTreeMap;

use shared::resources::{Amount, Kind};

use crate::mesos::flags::Flags;
use crate::mesos::forms::{ip_of_pid, of_nanoseconds, to_count, to_time};
use crate::mesos::state::{
    Attributes, Drain, DrainTime, ORPHAN_FRAMEWORK, OddField, Oddity, RUNNING, RawAgent, RawExecutor, RawResources,
    RawTask, RecoveredAgent, Sink, StateError, UNNAMED_FRAMEWORK,
};

use super::fast_path::FastPathExecutor;
use super::schema::{Container, Field};

/// A value of a field that accepts any type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(f64),
    String(&'a str),
    /// A description of a value that is not kept.
    Other(&'static str),
}

/// The sink, and the parts that are incomplete.
#[derive(Debug)]
pub(super) struct Builder<S> {
    sink: S,
    flags: Flags,
    agent: RawAgent,
    attributes: Attributes,
    roles: BTreeMap<String, RawResources>,
    /// The key of the attribute or role whose value comes next.
    key: String,
    /// The resources being read, whichever object they belong to.
    amounts: RawResources,
    recovered: RecoveredAgent,
    gpu_aware: bool,
    task: Task,
    executor: Executor,
}

#[derive(Debug, Default)]
struct Task {
    id: String,
    name: String,
    agent_id: String,
    state: String,
    role: String,
    resources: RawResources,
    odd: Option<OddField>,
}

#[derive(Debug, Default)]
struct Executor {
    id: String,
    agent_id: String,
    has_agent: bool,
    role: String,
    resources: RawResources,
    odd: Option<OddField>,
}

impl<S: Sink> Builder<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            sink,
            flags: Flags::default(),
            agent: RawAgent::default(),
            attributes: Attributes::default(),
            roles: BTreeMap::new(),
            key: String::new(),
            amounts: RawResources::default(),
            recovered: RecoveredAgent::default(),
            gpu_aware: false,
            task: Task::default(),
            executor: Executor::default(),
        }
    }

    /// An object or list begins.
    pub(super) fn open(&mut self, field: Field) {
        match field {
            Field::Task => self.task.clear(),
            Field::Total
            | Field::Used
            | Field::Unreserved
            | Field::ReservedForRole
            | Field::TaskResources
            | Field::ExecutorResources => self.amounts = RawResources::default(),
            Field::Agent => drop(self.next_agent()),
            Field::RecoveredAgent => {
                let RecoveredAgent { id, hostname, attributes, odd_attributes } = &mut self.recovered;
                id.clear();
                hostname.clear();
                attributes.clear();
                *odd_attributes = None;
            }
            Field::AgentAttributes | Field::RecoveredAttributes => self.attributes.clear(),
            Field::Reserved => self.roles.clear(),
            // An agent with `drain_info` drains; its state may say that it has drained.
            Field::DrainInfo => self.agent.agent.drain = Some(Drain::Draining),
            Field::Capabilities => self.gpu_aware = false,
            Field::Executor => self.executor.clear(),
            Field::OrphanTasks => self.sink.framework_name(ORPHAN_FRAMEWORK.to_owned()),
            _ => {}
        }
    }

    /// An object or list ends.
    pub(super) fn close(&mut self, field: Field) -> Result<(), StateError> {
        match field {
            Field::Task => self.task(),
            Field::TaskResources
            | Field::ExecutorResources
            | Field::Total
            | Field::Used
            | Field::Unreserved
            | Field::ReservedForRole => {
                let amounts = std::mem::take(&mut self.amounts);
                self.resources(field, amounts);
            }
            Field::Reserved => self.agent.reserved = std::mem::take(&mut self.roles).into_iter().collect(),
            Field::AgentAttributes => std::mem::swap(&mut self.agent.agent.attributes, &mut self.attributes),
            Field::RecoveredAttributes => std::mem::swap(&mut self.recovered.attributes, &mut self.attributes),
            Field::Agent => return self.sink.agent(&self.agent),
            Field::RecoveredAgent => return self.sink.recovered_agent(&self.recovered),
            Field::Capabilities => self.sink.framework_gpu_aware(self.gpu_aware),
            Field::Executor => self.executor(),
            Field::Framework | Field::OrphanTasks => return self.sink.end_framework(),
            Field::Flags => self.flags.apply(self.sink.master()),
            _ => {}
        }
        Ok(())
    }

    /// The resources of an agent, a task, or an executor.
    #[inline]
    pub(super) fn resources(&mut self, field: Field, amounts: RawResources) {
        match field {
            Field::TaskResources => self.task.resources = amounts,
            Field::ExecutorResources => self.executor.resources = amounts,
            Field::Total => self.agent.total = Some(amounts),
            Field::Used => self.agent.used = Some(amounts),
            Field::Unreserved => self.agent.unreserved = Some(amounts),
            Field::ReservedForRole => drop(self.roles.insert(std::mem::take(&mut self.key), amounts)),
            _ => {}
        }
    }

    /// All fields of a task that are read are known.
    pub(super) fn task(&mut self) {
        let Task { id, name, agent_id, state, role, resources, odd } = &self.task;
        self.sink.task(&RawTask {
            id: id.as_bytes(),
            name: name.as_bytes(),
            agent_id: agent_id.as_bytes(),
            state: state.as_bytes(),
            role: role.as_bytes(),
            resources,
            odd: odd.as_ref(),
        });
    }

    fn executor(&mut self) {
        let Executor { id, agent_id, has_agent, role, resources, odd } = &self.executor;
        // Without an agent the executor cannot be placed, and its resources are missing from the visible ones.
        match (has_agent, *odd) {
            (true, odd) => self.sink.executor(&RawExecutor { id, agent_id, role, resources, odd }),
            (false, Some(odd)) => self.sink.framework_odd(odd),
            (false, None) => {}
        }
    }

    /// A field of that agent, task, executor, or framework cannot be read. What it would have said is set to the side that is safe:
    /// the task runs, on an agent that is not known.
    #[cold]
    pub(super) fn odd(&mut self, owner: Container, field: Field, oddity: Oddity) {
        let odd = OddField { path: field.name(), oddity };
        match field {
            Field::TaskState => RUNNING.clone_into(&mut self.task.state),
            Field::TaskAgent => self.task.agent_id.clear(),
            Field::TaskResources => self.task.resources = RawResources::default(),
            Field::Task => {
                RUNNING.clone_into(&mut self.task.state);
                self.task.agent_id.clear();
                self.task.resources = RawResources::default();
            }
            Field::AgentId => self.agent.agent.id.clear(),
            Field::Agent | Field::AgentAttributes => odd.keep_in(&mut self.agent.odd_attributes),
            Field::RecoveredAgent | Field::RecoveredAttributes => odd.keep_in(&mut self.recovered.odd_attributes),
            Field::ExecutorAgent => self.executor.has_agent = false,
            Field::Framework => self.sink.framework_name(UNNAMED_FRAMEWORK.to_owned()),
            Field::FrameworkName if oddity != Oddity::Repeated => {
                self.sink.framework_name(UNNAMED_FRAMEWORK.to_owned());
            }
            _ => {}
        }
        match owner {
            Container::Agent => odd.keep_in(&mut self.agent.odd),
            Container::Task => odd.keep_in(&mut self.task.odd),
            Container::Executor => odd.keep_in(&mut self.executor.odd),
            Container::Framework => self.sink.framework_odd(odd),
            // Only its pool matters.
            _ => {}
        }
    }

    /// The key of the next value, where the key itself is kept.
    pub(super) fn key(&mut self, key: &str) {
        self.key.clear();
        self.key.push_str(key);
    }

    pub(super) fn string(&mut self, field: Field, text: &str) {
        let set = |to: &mut String| {
            // There may be a million tasks: allocations are reused.
            to.clear();
            to.push_str(text);
        };
        match field {
            Field::TaskId => set(&mut self.task.id),
            Field::TaskName => set(&mut self.task.name),
            Field::TaskAgent => set(&mut self.task.agent_id),
            Field::TaskState => set(&mut self.task.state),
            Field::TaskRole => set(&mut self.task.role),
            Field::Version => set(&mut self.sink.master().version),
            Field::Cluster => self.sink.master().cluster = Some(text.to_owned()),
            Field::AgentReregisterTimeout => self.flags.agent_reregister_timeout = Some(text.to_owned()),
            Field::SlaveReregisterTimeout => self.flags.slave_reregister_timeout = Some(text.to_owned()),
            Field::AgentPingTimeout => self.flags.agent_ping_timeout = Some(text.to_owned()),
            Field::SlavePingTimeout => self.flags.slave_ping_timeout = Some(text.to_owned()),
            Field::MaxAgentPingTimeouts => self.flags.max_agent_ping_timeouts = Some(text.to_owned()),
            Field::MaxSlavePingTimeouts => self.flags.max_slave_ping_timeouts = Some(text.to_owned()),
            Field::FilterGpuResources => self.flags.filter_gpu_resources = Some(text.to_owned()),
            Field::AgentId => set(&mut self.agent.agent.id),
            Field::AgentHostname => set(&mut self.agent.agent.hostname),
            Field::AgentPid => self.agent.agent.ip = ip_of_pid(text),
            Field::DrainState if text == "DRAINED" => self.agent.agent.drain = Some(Drain::Drained),
            Field::RecoveredId => set(&mut self.recovered.id),
            Field::RecoveredHostname => set(&mut self.recovered.hostname),
            Field::FrameworkName => self.sink.framework_name(text.to_owned()),
            Field::Capability => self.gpu_aware |= text == "GPU_RESOURCES",
            Field::ExecutorId => set(&mut self.executor.id),
            Field::ExecutorRole => set(&mut self.executor.role),
            Field::ExecutorAgent => {
                set(&mut self.executor.agent_id);
                self.executor.has_agent = true;
            }
            _ => {}
        }
    }

    /// Whether the previous task had that state: nearly all have the same.
    #[inline]
    pub(super) fn has_task_state(&self, state: &[u8]) -> bool {
        self.task.state.as_bytes() == state
    }

    pub(super) fn number(&mut self, field: Field, number: f64) {
        let agent = &mut self.agent.agent;
        match field {
            Field::AgentRegisteredTime => agent.registered_at = to_time(Some(number)),
            Field::DrainStartTime => agent.drain_time.since = to_time(Some(number)),
            Field::GraceNanoseconds => agent.drain_time.grace = of_nanoseconds(number),
            _ => self.number_of_master(field, number),
        }
    }

    fn number_of_master(&mut self, field: Field, number: f64) {
        let master = self.sink.master();
        match field {
            Field::ElectedTime => master.elected_at = to_time(Some(number)),
            Field::ActivatedAgents | Field::DeactivatedAgents => {
                let others = master.counted_agents.unwrap_or(0);
                master.counted_agents = Some(others.saturating_add(to_count(number)));
            }
            Field::UnreachableAgents => master.unreachable_agents = to_count(number),
            _ => {}
        }
    }

    pub(super) fn boolean(&mut self, field: Field, value: bool) {
        match field {
            Field::AgentActive => self.agent.agent.active = value,
            Field::AgentDeactivated => self.agent.agent.deactivated = value,
            Field::FrameworkRecovered => self.sink.framework_recovered(value),
            Field::FrameworkConnected => self.sink.framework_connected(value),
            _ => {}
        }
    }

    /// An amount that the fast path has read.
    pub(super) fn amount(&mut self, kind: Kind, amount: Amount) {
        self.amounts.amount(kind, amount);
    }

    /// The kind of resource occurs again.
    pub(super) fn repeat_amount(&mut self, kind: Kind) {
        self.amounts.repeat(kind);
    }

    /// The value of a resource of that kind; without one, of an attribute.
    pub(super) fn any(&mut self, kind: Option<Kind>, value: Value<'_>) {
        match (kind, value) {
            (Some(kind), Value::Number(units)) => self.amounts.number(kind, units),
            (Some(kind), Value::String(text)) => self.amounts.refuse(kind, &format!("{text:?}")),
            (Some(kind), Value::Other(what)) => self.amounts.refuse(kind, what),
            (None, Value::Number(number)) => self.attributes.push(&self.key, &number.to_string()),
            (None, Value::String(text)) => self.attributes.push(&self.key, text),
            (None, Value::Other(what)) => self.attributes.push(&self.key, what),
        }
    }

    /// The agent that is read next, cleared; allocations are reused.
    pub(super) fn next_agent(&mut self) -> &mut RawAgent {
        let RawAgent { agent, total, used, unreserved, reserved, odd, odd_attributes } = &mut self.agent;
        (*odd, *odd_attributes) = (None, None);
        agent.id.clear();
        agent.hostname.clear();
        agent.attributes.clear();
        (agent.ip, agent.active, agent.deactivated, agent.drain) = (None, false, false, None);
        (agent.registered_at, agent.drain_time) = (None, DrainTime::default());
        (*total, *used, *unreserved) = (None, None, None);
        reserved.clear();
        &mut self.agent
    }

    /// An agent that the fast path has read.
    pub(super) fn fast_path_agent(&mut self) -> Result<(), StateError> {
        self.sink.agent(&self.agent)
    }

    /// A task that the fast path has read.
    #[inline]
    pub(super) fn fast_path_task(&mut self, task: &RawTask<'_>) {
        self.sink.task(task);
    }

    /// An executor that the fast path has read; `false` if a text of it is none.
    pub(super) fn fast_path_executor(&mut self, executor: &FastPathExecutor<'_>) -> bool {
        let FastPathExecutor { id, agent_id, role, resources, .. } = executor;
        let [Ok(id), Ok(agent_id), Ok(role)] = [id, agent_id, role].map(|text| str::from_utf8(text)) else {
            return false;
        };
        self.sink.executor(&RawExecutor { id, agent_id, role, resources, odd: None });
        true
    }

    /// The end of the document.
    pub(super) fn finish(self) -> S {
        self.sink
    }
}

impl Task {
    /// Clears the optional fields. The required ones are always set, or odd.
    fn clear(&mut self) {
        self.odd = None;
        self.id.clear();
        self.name.clear();
        self.role.clear();
    }
}

impl Executor {
    /// Prepares for the next one; allocations are reused.
    fn clear(&mut self) {
        (self.has_agent, self.odd) = (false, None);
        self.id.clear();
        self.role.clear();
        self.resources = RawResources::default();
    }
}
