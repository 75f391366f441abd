//! Agents, tasks, and executors: complete before they are passed on, with the least of their odd fields.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess};

use super::Item;
use super::lenient::{Lenient, Oddities, Typed};
use crate::mesos::forms::{ip_of_pid, of_nanoseconds, to_time};
use crate::mesos::state::{
    Attributes, Drain, OddField, Oddity, RUNNING, RawAgent, RawExecutor, RawResources, RawTask, RecoveredAgent, Sink,
    StateError,
};

/// An item in whose place something else stands.
fn no_object(path: &'static str, found: &'static str) -> OddField {
    OddField { path, oddity: Oddity::Type { found, expected: "an object" } }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum AgentField {
    Id,
    Hostname,
    Pid,
    Attributes,
    Active,
    Deactivated,
    RegisteredTime,
    DrainInfo,
    EstimatedDrainStartTimeSeconds,
    Resources,
    UsedResources,
    UnreservedResources,
    ReservedResources,
    #[serde(other)]
    Other,
}

#[derive(Default)]
pub(super) struct AgentJson(RawAgent);

impl Item for AgentJson {
    fn unreadable(found: &'static str) -> Self {
        let odd = Some(no_object("slaves[]", found));
        Self(RawAgent { odd, odd_attributes: odd, ..RawAgent::default() })
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let (mut raw, mut odd) = (RawAgent::default(), Oddities::default());
        let odd_attributes = |oddity: Oddity, raw: &mut RawAgent| {
            OddField { path: "slaves[].attributes", oddity }.keep_in(&mut raw.odd_attributes);
        };
        while let Some(field) = map.next_key::<AgentField>()? {
            match field {
                AgentField::Id if odd.is_first("slaves[].id") => {
                    raw.agent.id = odd.take("slaves[].id", map.next_value()?).unwrap_or_default();
                    continue;
                }
                AgentField::Id => raw.agent.id.clear(),
                AgentField::Hostname if odd.is_first("slaves[].hostname") => {
                    raw.agent.hostname = odd.take("slaves[].hostname", map.next_value()?).unwrap_or_default();
                    continue;
                }
                AgentField::Pid if odd.is_first("slaves[].pid") => {
                    let pid: Option<String> = odd.take_or_null("slaves[].pid", map.next_value()?);
                    raw.agent.ip = pid.as_deref().and_then(ip_of_pid);
                    continue;
                }
                AgentField::Attributes if odd.is_first("slaves[].attributes") => {
                    let attributes: Lenient<Attributes> = map.next_value()?;
                    if let Lenient::Other(found) = attributes {
                        odd_attributes(Oddity::Type { found, expected: "an object" }, &mut raw);
                    }
                    raw.agent.attributes = odd.take("slaves[].attributes", attributes).unwrap_or_default();
                    continue;
                }
                AgentField::Attributes => odd_attributes(Oddity::Repeated, &mut raw),
                AgentField::Active if odd.is_first("slaves[].active") => {
                    raw.agent.active = odd.take("slaves[].active", map.next_value()?).unwrap_or_default();
                    continue;
                }
                AgentField::Deactivated if odd.is_first("slaves[].deactivated") => {
                    raw.agent.deactivated = odd.take("slaves[].deactivated", map.next_value()?).unwrap_or_default();
                    continue;
                }
                AgentField::RegisteredTime if odd.is_first("slaves[].registered_time") => {
                    raw.agent.registered_at = to_time(odd.take_or_null("slaves[].registered_time", map.next_value()?));
                    continue;
                }
                AgentField::DrainInfo if odd.is_first("slaves[].drain_info") => {
                    let drain: Option<DrainJson> = odd.take_or_null("slaves[].drain_info", map.next_value()?);
                    if let Some(DrainJson { states, configs }) = drain {
                        raw.agent.drain = Some(drain_state(states, &mut odd));
                        raw.agent.drain_time.grace = grace(configs, &mut odd);
                    }
                    continue;
                }
                AgentField::EstimatedDrainStartTimeSeconds
                    if odd.is_first("slaves[].estimated_drain_start_time_seconds") =>
                {
                    let since = odd.take_or_null("slaves[].estimated_drain_start_time_seconds", map.next_value()?);
                    raw.agent.drain_time.since = to_time(since);
                    continue;
                }
                AgentField::Resources if odd.is_first("slaves[].resources") => {
                    raw.total = odd.take_or_null("slaves[].resources", map.next_value()?);
                    continue;
                }
                AgentField::UsedResources if odd.is_first("slaves[].used_resources") => {
                    raw.used = odd.take_or_null("slaves[].used_resources", map.next_value()?);
                    continue;
                }
                AgentField::UnreservedResources if odd.is_first("slaves[].unreserved_resources") => {
                    raw.unreserved = odd.take_or_null("slaves[].unreserved_resources", map.next_value()?);
                    continue;
                }
                AgentField::ReservedResources if odd.is_first("slaves[].reserved_resources") => {
                    let reserved: Option<ReservedJson> = odd.take("slaves[].reserved_resources", map.next_value()?);
                    let ReservedJson { roles, others } = reserved.unwrap_or_default();
                    others.into_iter().for_each(|found| {
                        odd.add("slaves[].reserved_resources[]", Oddity::Type { found, expected: "an object" });
                    });
                    raw.reserved = roles.into_iter().collect();
                    continue;
                }
                _ => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        odd.require("slaves[].id");
        odd.require("slaves[].active");
        raw.odd = odd.least;
        Ok(Self(raw))
    }

    fn give(self, sink: &mut impl Sink) -> Result<(), StateError> {
        sink.agent(&self.0)
    }
}

/// `drain_info`: the values of its state and of its settings, of each of which there should be one at most.
#[derive(Default)]
struct DrainJson {
    states: Vec<Lenient<String>>,
    configs: Vec<Lenient<ConfigJson>>,
}

/// `config`: the values of `max_grace_period`.
#[derive(Default)]
struct ConfigJson(Vec<Lenient<GraceJson>>);

/// `max_grace_period`: the values of `nanoseconds`.
#[derive(Default)]
struct GraceJson(Vec<Lenient<f64>>);

fn drain_state(states: Vec<Lenient<String>>, odd: &mut Oddities) -> Drain {
    let state = first("slaves[].drain_info.state", states, odd).and_then(|(path, state)| odd.take(path, state));
    if state.is_some_and(|state| state == "DRAINED") { Drain::Drained } else { Drain::Draining }
}

fn grace(configs: Vec<Lenient<ConfigJson>>, odd: &mut Oddities) -> Duration {
    let config = first("slaves[].drain_info.config", configs, odd);
    let ConfigJson(graces) = config.and_then(|(path, config)| odd.take_or_null(path, config)).unwrap_or_default();
    let grace = first("slaves[].drain_info.config.max_grace_period", graces, odd);
    let GraceJson(nanoseconds) = grace.and_then(|(path, grace)| odd.take_or_null(path, grace)).unwrap_or_default();
    let nanoseconds = first("slaves[].drain_info.config.max_grace_period.nanoseconds", nanoseconds, odd);
    let nanoseconds = nanoseconds.and_then(|(path, nanoseconds)| odd.take(path, nanoseconds));
    nanoseconds.map(of_nanoseconds).unwrap_or_default()
}

/// The first value of a field, with its path; the others are odd.
fn first<T>(path: &'static str, values: Vec<Lenient<T>>, odd: &mut Oddities) -> Option<(&'static str, Lenient<T>)> {
    let mut values = values.into_iter();
    let first = values.next();
    values.for_each(|_| odd.add(path, Oddity::Repeated));
    first.map(|first| (path, first))
}

/// All values of that key.
fn values_of<'de, T: Typed, A: MapAccess<'de>>(mut map: A, name: &str) -> Result<Vec<Lenient<T>>, A::Error> {
    let mut values = Vec::new();
    while let Some(key) = map.next_key::<String>()? {
        if key == name {
            values.push(map.next_value()?);
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(values)
}

impl Typed for DrainJson {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut drain = Self::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "state" => drain.states.push(map.next_value()?),
                "config" => drain.configs.push(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(drain))
    }
}

impl Typed for ConfigJson {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(Some(Self(values_of(map, "max_grace_period")?)))
    }
}

impl Typed for GraceJson {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(Some(Self(values_of(map, "nanoseconds")?)))
    }
}

/// `reserved_resources`: those of each role, and what stands in the place of others.
#[derive(Default)]
struct ReservedJson {
    roles: BTreeMap<String, RawResources>,
    others: Vec<&'static str>,
}

impl Typed for ReservedJson {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut reserved = Self::default();
        while let Some((role, resources)) = map.next_entry()? {
            match resources {
                Lenient::Value(resources) => drop(reserved.roles.insert(role, resources)),
                Lenient::Other(found) => reserved.others.push(found),
            }
        }
        Ok(Some(reserved))
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum RecoveredField {
    Id,
    Hostname,
    Attributes,
    #[serde(other)]
    Other,
}

pub(super) struct RecoveredJson(RecoveredAgent);

impl Item for RecoveredJson {
    fn unreadable(found: &'static str) -> Self {
        let odd_attributes = Some(no_object("recovered_slaves[]", found));
        Self(RecoveredAgent { odd_attributes, ..RecoveredAgent::default() })
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        const ATTRIBUTES: &str = "recovered_slaves[].attributes";
        // Only its pool matters: of another field the first value counts, if it can be read.
        let (mut agent, mut ignored, mut odd) = (RecoveredAgent::default(), Oddities::default(), Oddities::default());
        while let Some(field) = map.next_key::<RecoveredField>()? {
            match field {
                RecoveredField::Id if ignored.is_first("id") => {
                    agent.id = ignored.take("id", map.next_value()?).unwrap_or_default();
                }
                RecoveredField::Hostname if ignored.is_first("hostname") => {
                    agent.hostname = ignored.take("hostname", map.next_value()?).unwrap_or_default();
                }
                RecoveredField::Attributes if odd.is_first(ATTRIBUTES) => {
                    agent.attributes = odd.take(ATTRIBUTES, map.next_value()?).unwrap_or_default();
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        agent.odd_attributes = odd.least;
        Ok(Self(agent))
    }

    fn give(self, sink: &mut impl Sink) -> Result<(), StateError> {
        sink.recovered_agent(&self.0)
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum TaskField {
    Id,
    Name,
    SlaveId,
    State,
    Role,
    Resources,
    #[serde(other)]
    Other,
}

pub(super) struct TaskJson {
    id: String,
    name: String,
    slave_id: String,
    state: String,
    role: String,
    resources: RawResources,
    odd: Option<OddField>,
}

impl TaskJson {
    /// What is safe to assume of a task that cannot be read.
    fn unknown() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            slave_id: String::new(),
            state: RUNNING.to_owned(),
            role: String::new(),
            resources: RawResources::default(),
            odd: None,
        }
    }
}

impl Item for TaskJson {
    fn unreadable(found: &'static str) -> Self {
        Self { odd: Some(no_object("tasks[]", found)), ..Self::unknown() }
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let (mut task, mut odd) = (Self::unknown(), Oddities::default());
        while let Some(field) = map.next_key::<TaskField>()? {
            match field {
                TaskField::Id if odd.is_first("tasks[].id") => {
                    task.id = odd.take("tasks[].id", map.next_value()?).unwrap_or_default();
                    continue;
                }
                TaskField::Name if odd.is_first("tasks[].name") => {
                    task.name = odd.take("tasks[].name", map.next_value()?).unwrap_or_default();
                    continue;
                }
                TaskField::SlaveId if odd.is_first("tasks[].slave_id") => {
                    task.slave_id = odd.take("tasks[].slave_id", map.next_value()?).unwrap_or_default();
                    continue;
                }
                TaskField::SlaveId => task.slave_id.clear(),
                TaskField::State if odd.is_first("tasks[].state") => {
                    task.state = odd.take("tasks[].state", map.next_value()?).unwrap_or_else(|| RUNNING.to_owned());
                    continue;
                }
                TaskField::State => RUNNING.clone_into(&mut task.state),
                TaskField::Role if odd.is_first("tasks[].role") => {
                    task.role = odd.take_or_null("tasks[].role", map.next_value()?).unwrap_or_default();
                    continue;
                }
                TaskField::Resources if odd.is_first("tasks[].resources") => {
                    task.resources = odd.take("tasks[].resources", map.next_value()?).unwrap_or_default();
                    continue;
                }
                TaskField::Resources => task.resources = RawResources::default(),
                _ => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        for required in ["tasks[].slave_id", "tasks[].state", "tasks[].resources"] {
            odd.require(required);
        }
        Ok(Self { odd: odd.least, ..task })
    }

    fn give(self, sink: &mut impl Sink) -> Result<(), StateError> {
        sink.task(&RawTask {
            id: self.id.as_bytes(),
            name: self.name.as_bytes(),
            agent_id: self.slave_id.as_bytes(),
            state: self.state.as_bytes(),
            role: self.role.as_bytes(),
            resources: &self.resources,
            odd: self.odd.as_ref(),
        });
        Ok(())
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ExecutorField {
    ExecutorId,
    SlaveId,
    Role,
    Resources,
    #[serde(other)]
    Other,
}

#[derive(Default)]
pub(super) struct ExecutorJson {
    executor_id: String,
    /// Without it the executor cannot be placed, and its resources are missing from the visible ones.
    slave_id: Option<String>,
    role: String,
    resources: RawResources,
    odd: Option<OddField>,
}

impl Item for ExecutorJson {
    fn unreadable(found: &'static str) -> Self {
        Self { odd: Some(no_object("executors[]", found)), ..Self::default() }
    }

    fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let (mut executor, mut odd) = (Self::default(), Oddities::default());
        while let Some(field) = map.next_key::<ExecutorField>()? {
            match field {
                ExecutorField::SlaveId if odd.is_first("executors[].slave_id") => {
                    executor.slave_id = odd.take_or_null("executors[].slave_id", map.next_value()?);
                    continue;
                }
                ExecutorField::SlaveId => executor.slave_id = None,
                ExecutorField::ExecutorId if odd.is_first("executors[].executor_id") => {
                    let id = odd.take_or_null("executors[].executor_id", map.next_value()?);
                    executor.executor_id = id.unwrap_or_default();
                    continue;
                }
                ExecutorField::Role if odd.is_first("executors[].role") => {
                    executor.role = odd.take_or_null("executors[].role", map.next_value()?).unwrap_or_default();
                    continue;
                }
                ExecutorField::Resources if odd.is_first("executors[].resources") => {
                    executor.resources = odd.take("executors[].resources", map.next_value()?).unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(Self { odd: odd.least, ..executor })
    }

    fn give(self, sink: &mut impl Sink) -> Result<(), StateError> {
        match (&self.slave_id, self.odd) {
            (Some(agent_id), odd) => {
                let Self { executor_id: id, role, resources, .. } = &self;
                sink.executor(&RawExecutor { id, agent_id, role, resources, odd });
            }
            (None, Some(odd)) => sink.framework_odd(odd),
            (None, None) => {}
        }
        Ok(())
    }
}
