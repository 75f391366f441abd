//! A cluster from the `/state` of a real master.
//!
//! What the model does not hold is left out: history, offers, statuses of tasks but their last, health checks and discovery,
//! and kinds of resources that Lambda Scale does not look at. `node_gather` makes the same snapshots of both, which is
//! tested with every capture.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use shared::resources::{Amount, Kind, Resources};
use thiserror::Error;
use uuid::Uuid;

use crate::model::{
    Agent, Attribute, Attributes, Build, Capacity, Cluster, Connection, Drain, Executor, Framework, Master, Mode,
    Ports, Presence, Roles, Task, TaskState,
};

/// Why a text is not a captured `/state`.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// It is not JSON, or not of the form that masters send.
    #[error("not a captured /state")]
    Json(#[from] serde_json::Error),
    /// A task or executor belongs to an agent that is not listed.
    #[error("not a captured /state: {what} runs on the agent {agent:?}, which is not listed")]
    Stray {
        /// The task or executor.
        what: String,
        /// The agent.
        agent: String,
    },
}

impl Cluster {
    /// Reads a captured `/state`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn from_capture(json: &[u8]) -> Result<Self, CaptureError> {
        let state: State = serde_json::from_slice(json)?;
        let mut cluster = Self::new(state.elected_time.0);
        cluster.master = state.master();
        cluster.unreachable = count(state.unreachable_slaves);
        for (number, agent) in (0..).zip(state.slaves.into_iter().chain(state.recovered_slaves)) {
            cluster.register(agent.into_agent(number, &cluster.master));
        }
        cluster.keep_agent_numbers();
        let numbers: BTreeMap<String, u32> = cluster.agents().map(|agent| (agent.id.clone(), agent.number)).collect();
        for framework in state.frameworks {
            cluster.add_captured(framework, &numbers)?;
        }
        cluster.new_agent = commonest(&cluster);
        Ok(cluster)
    }

    /// Moves all times, so that the master was elected then.
    #[must_use]
    pub fn elected_at(mut self, elected_at: Timestamp) -> Self {
        let by = elected_at.duration_since(self.master.elected_at);
        let moved = |time: Timestamp| time.checked_add(by).unwrap_or(time);
        self.master.started_at = moved(self.master.started_at);
        self.master.elected_at = elected_at;
        for agent in self.agents_mut() {
            agent.registered_at = moved(agent.registered_at);
            agent.reregistered_at = agent.reregistered_at.map(moved);
            if let Mode::Draining(drain) | Mode::Drained(drain) = &mut agent.mode {
                drain.since = drain.since.map(moved);
            }
            agent.start_times_mut().for_each(|time| *time = moved(*time));
        }
        for framework in self.frameworks_mut() {
            framework.registered_at = moved(framework.registered_at);
            if let Presence::Disconnected { since } = &mut framework.presence {
                *since = moved(*since);
            }
        }
        self
    }

    /// The id of a new agent ends in its number: none that was captured may have the same.
    fn keep_agent_numbers(&mut self) {
        let number = |agent: &Agent| agent.id.rsplit_once("-S").and_then(|(_, number)| number.parse().ok());
        let last: Option<u32> = self.agents().filter_map(number).max();
        self.skip_agents(last.map_or(0, |last| last.saturating_add(1)));
    }

    fn add_captured(&mut self, raw: RawFramework, agents: &BTreeMap<String, u32>) -> Result<(), CaptureError> {
        let framework = self.add_framework(raw.framework());
        let now = self.master.elected_at;
        for task in raw.tasks {
            let number = self.issue_task();
            let agent = self.captured_agent(agents, &task.slave_id, &task.id)?;
            agent.run(task.into_task(number, framework, now));
        }
        for RawExecutor { executor_id, slave_id, resources, role } in raw.executors {
            let agent = self.captured_agent(agents, &slave_id, &executor_id)?;
            agent.run_executor(Executor { id: executor_id, framework, resources, role });
        }
        Ok(())
    }

    /// The agent of that id, on which something runs.
    fn captured_agent(
        &mut self,
        agents: &BTreeMap<String, u32>,
        id: &str,
        what: &str,
    ) -> Result<&mut Agent, CaptureError> {
        let agent = agents.get(id).and_then(|number| self.agent_mut(*number));
        agent.ok_or_else(|| CaptureError::Stray { what: what.to_owned(), agent: id.to_owned() })
    }
}

/// What most agents have; of several the smallest: what a group most likely launches.
fn commonest(cluster: &Cluster) -> Option<Capacity> {
    let mut counts: BTreeMap<Resources, (usize, &Capacity)> = BTreeMap::new();
    for agent in cluster.registered() {
        counts.entry(agent.capacity.total).or_insert((0, &agent.capacity)).0 += 1;
    }
    // Of equal numbers `max_by_key` takes the last: the smallest, in reverse order.
    counts.into_values().rev().max_by_key(|(count, _)| *count).map(|(_, capacity)| capacity.clone())
}

#[derive(Deserialize)]
struct State {
    version: String,
    git_sha: String,
    git_tag: Option<String>,
    build_date: String,
    build_time: Seconds,
    build_user: String,
    start_time: Seconds,
    elected_time: Seconds,
    id: String,
    pid: String,
    hostname: String,
    #[serde(default)]
    capabilities: Vec<String>,
    cluster: Option<String>,
    flags: BTreeMap<String, String>,
    unreachable_slaves: f64,
    slaves: Vec<RawAgent>,
    #[serde(default)]
    recovered_slaves: Vec<RawAgent>,
    frameworks: Vec<RawFramework>,
}

impl State {
    fn master(&self) -> Master {
        Master {
            version: self.version.clone(),
            build: Build {
                git_sha: self.git_sha.clone(),
                git_tag: self.git_tag.clone(),
                date: self.build_date.clone(),
                time: self.build_time.0,
                user: self.build_user.clone(),
            },
            id: self.id.clone(),
            pid: self.pid.clone(),
            hostname: self.hostname.clone(),
            started_at: self.start_time.0,
            elected_at: self.elected_time.0,
            capabilities: self.capabilities.clone(),
            cluster: self.cluster.clone(),
            flags: self.flags.clone(),
        }
    }
}

/// A registered agent, or a recovered one, of which the master says less.
#[derive(Deserialize)]
struct RawAgent {
    id: String,
    hostname: String,
    port: u16,
    attributes: RawAttributes,
    #[serde(default)]
    pid: String,
    registered_time: Option<Seconds>,
    reregistered_time: Option<Seconds>,
    resources: Option<Holding>,
    #[serde(default)]
    reserved_resources: BTreeMap<String, Holding>,
    active: Option<bool>,
    #[serde(default)]
    deactivated: bool,
    drain_info: Option<DrainInfo>,
    estimated_drain_start_time_seconds: Option<Seconds>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    capabilities: Vec<String>,
}

#[derive(Deserialize)]
struct DrainInfo {
    state: String,
    config: DrainConfig,
}

#[derive(Deserialize)]
struct DrainConfig {
    max_grace_period: Option<Nanoseconds>,
}

#[derive(Deserialize)]
struct Nanoseconds {
    nanoseconds: u64,
}

impl RawAgent {
    fn into_agent(self, number: u32, master: &Master) -> Agent {
        let Holding { resources: total, ports } = self.resources.unwrap_or_default();
        let reserved = self.reserved_resources.into_iter().map(|(role, holding)| (role, holding.resources)).collect();
        let capacity = Capacity { total, reserved, ports };
        let registered_at = self.registered_time.map_or(master.elected_at, |time| time.0);
        let drain = self.drain_info.map(|info| {
            let since = self.estimated_drain_start_time_seconds.map(|time| time.0);
            let grace = info.config.max_grace_period.map(|period| Duration::from_nanos(period.nanoseconds));
            (info.state, Drain { since, max_grace_period: grace })
        });
        let mut agent = Agent::new(number, self.id, self.hostname, "", capacity, registered_at);
        agent.port = self.port;
        agent.pid = self.pid;
        agent.attributes = self.attributes.0;
        agent.reregistered_at = self.reregistered_time.map(|time| time.0);
        agent.connection = match self.active {
            None => Connection::Recovered,
            // A deactivated agent is not active whether or not it is connected.
            Some(is_active) if is_active || self.deactivated => Connection::Connected,
            Some(_) => Connection::Disconnected,
        };
        agent.mode = match drain {
            Some((state, drain)) if state == "DRAINED" => Mode::Drained(drain),
            Some((_, drain)) => Mode::Draining(drain),
            None if self.deactivated => Mode::Deactivated,
            None => Mode::Active,
        };
        agent.version = self.version;
        agent.capabilities = self.capabilities;
        agent
    }
}

#[derive(Deserialize)]
struct RawFramework {
    id: String,
    name: String,
    #[serde(default)]
    capabilities: Vec<String>,
    hostname: String,
    webui_url: String,
    active: bool,
    recovered: bool,
    user: String,
    failover_timeout: Amount,
    checkpoint: bool,
    registered_time: Seconds,
    unregistered_time: Seconds,
    principal: Option<String>,
    role: Option<String>,
    roles: Option<Vec<String>>,
    tasks: Vec<RawTask>,
    #[serde(default)]
    executors: Vec<RawExecutor>,
}

impl RawFramework {
    fn framework(&self) -> Framework {
        let presence = match (self.recovered, self.active) {
            (true, _) => Presence::Recovered,
            (false, true) => Presence::Connected,
            (false, false) => Presence::Disconnected { since: self.unregistered_time.0 },
        };
        let one = || Roles::One(self.role.clone().unwrap_or_else(|| "*".to_owned()));
        Framework {
            number: 0,
            id: self.id.clone(),
            name: self.name.clone(),
            capabilities: self.capabilities.clone(),
            hostname: self.hostname.clone(),
            webui_url: self.webui_url.clone(),
            presence,
            user: self.user.clone(),
            failover_timeout: self.failover_timeout,
            checkpoint: self.checkpoint,
            registered_at: self.registered_time.0,
            principal: self.principal.clone(),
            roles: self.roles.clone().map_or_else(one, Roles::Many),
            applications: BTreeSet::new(),
        }
    }
}

#[derive(Deserialize)]
struct RawTask {
    id: String,
    name: String,
    executor_id: String,
    slave_id: String,
    state: String,
    resources: Holding,
    #[serde(default)]
    role: String,
    #[serde(default)]
    statuses: Vec<RawStatus>,
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct RawStatus {
    timestamp: Seconds,
    container_status: Option<ContainerStatus>,
    #[serde(default)]
    healthy: bool,
}

#[derive(Deserialize)]
struct ContainerStatus {
    container_id: Option<ContainerId>,
}

#[derive(Deserialize)]
struct ContainerId {
    value: String,
}

#[derive(Deserialize)]
struct Label {
    key: String,
    #[serde(default)]
    value: String,
}

impl RawTask {
    fn into_task(self, number: u64, framework: u32, now: Timestamp) -> Task {
        let containers =
            || self.statuses.iter().filter_map(|status| status.container_status.as_ref()?.container_id.as_ref());
        let container = containers().find_map(|id| Uuid::parse_str(&id.value).ok()).unwrap_or_default();
        let known = TaskState::ALL.into_iter().find(|state| state.name() == self.state);
        Task {
            number,
            framework,
            // A state that the model does not know takes no resources, for `node_gather` neither.
            state: known.unwrap_or(TaskState::Lost),
            resources: self.resources.resources,
            ports: self.resources.ports,
            role: self.role,
            started_at: self.statuses.first().map_or(now, |status| status.timestamp.0),
            container,
            is_healthy: self.statuses.iter().any(|status| status.healthy),
            labels: self.labels.into_iter().map(|Label { key, value }| (key, value)).collect(),
            id: self.id,
            name: self.name,
            executor_id: self.executor_id,
        }
    }
}

#[derive(Deserialize)]
struct RawExecutor {
    executor_id: String,
    slave_id: String,
    resources: Resources,
    #[serde(default)]
    role: String,
}

/// Mesos writes counters with a decimal point.
fn count(number: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float stops at the ends")]
    {
        number.round() as u32
    }
}

/// A time as Mesos writes it: seconds since 1970. Kept to the microsecond.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Seconds(Timestamp);

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        let time = SignedDuration::try_from_secs_f64((seconds * 1e6).round() / 1e6).ok();
        let time = time.and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok());
        let micros = time.map(|time| (time.as_nanosecond() + 500).div_euclid(1000));
        let time = micros.and_then(|micros| Timestamp::from_microsecond(i64::try_from(micros).ok()?).ok());
        time.map(Self).ok_or_else(|| format!("{seconds} is not a time"))
    }
}

/// Resources and ports.
#[derive(Default)]
struct Holding {
    resources: Resources,
    ports: Ports,
}

impl<'de> Deserialize<'de> for Holding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut holding = Self::default();
        for (name, value) in fields {
            match (Kind::from_name(&name), value) {
                (Some(kind), value) => {
                    *holding.resources.get_mut(kind) = serde_json::from_value(value).map_err(de::Error::custom)?;
                }
                (None, Value::String(text)) if name == "ports" => {
                    let ports = text.parse().map_err(|()| de::Error::custom(format!("{text:?} are not ports")))?;
                    holding.ports = ports;
                }
                _ => {}
            }
        }
        Ok(holding)
    }
}

/// Attributes in their order. A name may be there more than once, which a map would not keep.
struct RawAttributes(Attributes);

impl<'de> Deserialize<'de> for RawAttributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Attributes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut attributes = Attributes::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let value = match value {
                        Value::String(text) => Attribute::Text(text),
                        other => Attribute::Number(other.to_string()),
                    };
                    attributes.push(&name, value);
                }
                Ok(attributes)
            }
        }
        deserializer.deserialize_map(InOrder).map(Self)
    }
}
