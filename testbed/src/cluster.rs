//! A Mesos cluster made from a captured `/state`: real in everything, and changed only where a scene needs it.
//!
//! The lists of `/state` come in the order in which the master sends them, which matters to who reads it as it streams in;
//! the fields of agents and tasks come in alphabetical order, which does not.

mod operator;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use shared::resources::{Amount, Kind, Resources};
use thiserror::Error;
use uuid::Uuid;

/// The attribute by which an agent names its instance.
const INSTANCE_ID: &str = "instance_id";
/// The attribute by which it names its availability zone.
const ZONE: &str = "availability_zone";
/// Where no agent says so.
const SOME_ZONE: &str = "us-east-1a";

/// Times of the past in `/state`: seconds since 1970 with decimals.
const TIMES: [&str; 6] =
    ["start_time", "elected_time", "registered_time", "reregistered_time", "unregistered_time", "timestamp"];

/// How long the master has been leading, as the cluster starts out: long enough that nobody doubts its view.
const TERM: SignedDuration = SignedDuration::from_hours(24);

/// Why a text is not a captured `/state`.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// It is not JSON.
    #[error("not a captured /state: it is not JSON")]
    Json(#[from] serde_json::Error),
    /// It is other JSON.
    #[error("not a captured /state: it has no {0}")]
    Missing(&'static str),
}

/// The cluster, as its leading master tells it.
#[derive(Clone, Debug)]
pub struct Cluster {
    state: Value,
    /// The top-level fields, in the order of the capture.
    order: Vec<String>,
    /// What joins: an agent of the commonest sort at the start; of several, the smallest.
    template: Option<Value>,
    issued: u64,
}

/// The machine of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its EC2 instance.
    pub instance: String,
    /// Its availability zone.
    pub zone: String,
    /// The address that its agent registered with.
    pub ip: String,
    /// Its agent's attributes.
    pub attributes: BTreeMap<String, String>,
}

impl Cluster {
    /// Reads a captured `/state`, and moves its times so that the master has been leading for a day.
    ///
    /// # Errors
    /// Where it is none.
    pub fn from_capture(json: &[u8], now: Timestamp) -> Result<Self, ClusterError> {
        let mut state: Value = serde_json::from_slice(json)?;
        for list in ["slaves", "frameworks"] {
            if !state.get(list).is_some_and(Value::is_array) {
                return Err(ClusterError::Missing(list));
            }
        }
        let elected = state.get("elected_time").and_then(Value::as_f64).ok_or(ClusterError::Missing("elected_time"))?;
        move_times(&mut state, seconds(now.saturating_sub(TERM).unwrap_or(now)) - elected);
        let Order(order) = serde_json::from_slice(json)?;
        let template = commonest_agent(&state);
        let mut cluster = Self { state, order, template, issued: 0 };
        cluster.name_instances();
        Ok(cluster)
    }

    /// What `/state` answers.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let added = self.state.as_object().into_iter().flat_map(Map::keys).filter(|name| !self.order.contains(name));
        let fields = self.order.iter().chain(added).filter_map(|name| Some((name, self.state.get(name)?)));
        let fields: Vec<String> = fields.map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    }

    /// The state itself, for changes that no method here makes.
    pub const fn state_mut(&mut self) -> &mut Value {
        &mut self.state
    }

    /// The master's version.
    #[must_use]
    pub fn version(&self) -> &str {
        text(&self.state, "version")
    }

    /// How many agents are registered.
    #[must_use]
    pub fn agent_count(&self) -> usize {
        list(&self.state, "slaves").len()
    }

    /// How many tasks the frameworks have.
    #[must_use]
    pub fn task_count(&self) -> usize {
        list(&self.state, "frameworks").iter().map(|framework| list(framework, "tasks").len()).sum()
    }

    /// The machines of the registered agents.
    #[must_use]
    pub fn machines(&self) -> Vec<Machine> {
        list(&self.state, "slaves").iter().map(machine).collect()
    }

    /// What all active agents have, and what of it is used.
    #[must_use]
    pub fn total_and_used(&self) -> (Resources, Resources) {
        let agents =
            || list(&self.state, "slaves").iter().filter(|agent| agent.get("active") == Some(&Value::Bool(true)));
        let sum = |key| agents().map(|agent| resources(agent, key)).sum();
        (sum("resources"), sum("used_resources"))
    }

    /// Deactivates that many agents, those with tasks first, as an operator does before maintenance.
    pub fn deactivate(&mut self, count: usize) {
        let mut agents: Vec<&mut Value> = items_mut(&mut self.state, "slaves").iter_mut().collect();
        agents.sort_by_key(|agent| std::cmp::Reverse(resources(agent, "used_resources")));
        for agent in agents.into_iter().take(count) {
            set(agent, "active", json!(false));
            set(agent, "deactivated", json!(true));
        }
    }

    /// A new master: it knows of the agents from its registry, but none of them is back, and no framework is.
    pub fn fail_over(&mut self, now: Timestamp) {
        let recovered: Vec<Value> = list(&self.state, "slaves").iter().map(recovered).collect();
        set(&mut self.state, "recovered_slaves", Value::Array(recovered));
        set(&mut self.state, "slaves", json!([]));
        set(&mut self.state, "frameworks", json!([]));
        set(&mut self.state, "activated_slaves", json!(0.0));
        set(&mut self.state, "start_time", json!(seconds(now)));
        set(&mut self.state, "elected_time", json!(seconds(now)));
    }

    /// Brings the agents of a group into line with its instances: those of new instances register, those of instances
    /// that are gone leave with their tasks. `members` says which agents belong to the group.
    pub fn follow(&mut self, instances: &[(String, String)], members: impl Fn(&Machine) -> bool, now: Timestamp) {
        let alive: BTreeSet<&str> = instances.iter().map(|(id, _)| id.as_str()).collect();
        let machines: Vec<Machine> = self.machines().into_iter().filter(members).collect();
        for machine in machines.iter().filter(|machine| !alive.contains(machine.instance.as_str())) {
            self.remove(&machine.instance);
        }
        let known: BTreeSet<String> = self.machines().into_iter().map(|machine| machine.instance).collect();
        let attributes = machines.first().map(|machine| machine.attributes.clone()).unwrap_or_default();
        for (id, zone) in instances.iter().filter(|(id, _)| !known.contains(id)) {
            self.join(id, zone, &attributes, now);
        }
    }

    /// An agent on a new instance registers: the commonest sort there is, without tasks.
    fn join(&mut self, instance: &str, zone: &str, attributes: &BTreeMap<String, String>, now: Timestamp) {
        let Some(mut agent) = self.template.clone() else { return };
        self.issued += 1;
        let serial = self.issued;
        let mut attributes: Map<String, Value> =
            attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        attributes.insert(INSTANCE_ID.to_owned(), json!(instance));
        attributes.insert(ZONE.to_owned(), json!(zone));
        let (high, low) = (serial / 250, serial % 250 + 1);
        let none: Map<String, Value> = Kind::ALL.iter().map(|kind| (kind.name().to_owned(), json!(0.0))).collect();
        set(&mut agent, "id", json!(format!("{}-S{}", text(&self.state, "id"), 100_000 + serial)));
        set(&mut agent, "hostname", json!(format!("ip-10-0-{}-{low}.ec2.internal", 200 + high)));
        set(&mut agent, "pid", json!(format!("slave(1)@10.0.{}.{low}:5051", 200 + high)));
        set(&mut agent, "attributes", Value::Object(attributes));
        set(&mut agent, "registered_time", json!(seconds(now)));
        set(&mut agent, "used_resources", Value::Object(none.clone()));
        set(&mut agent, "offered_resources", Value::Object(none));
        set(&mut agent, "active", json!(true));
        set(&mut agent, "deactivated", json!(false));
        if let Some(agent) = agent.as_object_mut() {
            for gone in ["reregistered_time", "drain_info", "estimated_drain_start_time_seconds"] {
                agent.remove(gone);
            }
        }
        if let Some(agents) = list_mut(&mut self.state, "slaves") {
            agents.push(agent);
        }
        self.count_agents();
    }

    /// The agent of an instance leaves, and its tasks are gone.
    fn remove(&mut self, instance: &str) {
        let is_on = |agent: &Value| machine(agent).instance == instance;
        let gone: BTreeSet<String> = list(&self.state, "slaves")
            .iter()
            .filter(|agent| is_on(agent))
            .map(|agent| text(agent, "id").to_owned())
            .collect();
        if let Some(agents) = list_mut(&mut self.state, "slaves") {
            agents.retain(|agent| !is_on(agent));
        }
        for framework in items_mut(&mut self.state, "frameworks") {
            if let Some(tasks) = list_mut(framework, "tasks") {
                tasks.retain(|task| !gone.contains(text(task, "slave_id")));
            }
        }
        self.count_agents();
    }

    /// Every application starts more tasks, in turn, on whatever agent has room, until `enough` (of what all agents have
    /// and what is used) or until nothing more fits. Gives the number of new tasks.
    pub fn grow(&mut self, enough: impl Fn(Resources, Resources) -> bool) -> usize {
        let (total, mut used) = self.total_and_used();
        let mut room: VecDeque<(usize, Resources)> = list(&self.state, "slaves")
            .iter()
            .enumerate()
            .filter(|(_, agent)| agent.get("active") == Some(&Value::Bool(true)))
            .map(|(index, agent)| {
                (index, resources(agent, "resources").saturating_sub(&resources(agent, "used_resources")))
            })
            .collect();
        let patterns: Vec<(usize, Value)> = list(&self.state, "frameworks")
            .iter()
            .enumerate()
            .flat_map(|(index, framework)| list(framework, "tasks").iter().map(move |task| (index, task.clone())))
            .filter(|(_, task)| text(task, "state") == "TASK_RUNNING" && !resources(task, "resources").is_zero())
            .collect();
        let mut started = 0;
        loop {
            let before = started;
            for (framework, pattern) in &patterns {
                if enough(total, used) {
                    return started;
                }
                let need = resources(pattern, "resources");
                let Some(place) = room.iter().position(|(_, free)| need.fits_in(free)) else { continue };
                // The agent that took one goes to the end, so that tasks are spread.
                let Some((agent, free)) = room.remove(place) else { continue };
                room.push_back((agent, free.saturating_sub(&need)));
                self.start(*framework, agent, pattern, need);
                used += need;
                started += 1;
            }
            if started == before {
                return started;
            }
        }
    }

    fn start(&mut self, framework: usize, agent: usize, pattern: &Value, need: Resources) {
        self.issued += 1;
        let mut task = pattern.clone();
        set(&mut task, "id", json!(renamed(text(pattern, "id"), self.issued)));
        if let Some(agent) = items_mut(&mut self.state, "slaves").get_mut(agent) {
            set(&mut task, "slave_id", agent.get("id").cloned().unwrap_or_default());
            add(agent, "used_resources", need);
        }
        if let Some(framework) = items_mut(&mut self.state, "frameworks").get_mut(framework) {
            add(framework, "used_resources", need);
            add(framework, "resources", need);
            if let Some(tasks) = list_mut(framework, "tasks") {
                tasks.push(task);
            }
        }
    }

    fn count_agents(&mut self) {
        let active =
            list(&self.state, "slaves").iter().filter(|agent| agent.get("active") == Some(&json!(true))).count();
        // The master writes its counts with a decimal point.
        let active = u32::try_from(active).map_or(f64::MAX, f64::from);
        set(&mut self.state, "activated_slaves", json!(active));
    }

    /// Gives an instance and a zone to every agent whose attributes name none.
    fn name_instances(&mut self) {
        for (index, agent) in items_mut(&mut self.state, "slaves").iter_mut().enumerate() {
            let Some(Value::Object(attributes)) = agent.get_mut("attributes") else { continue };
            attributes.entry(INSTANCE_ID).or_insert_with(|| json!(format!("i-00000000{index:09x}")));
            attributes.entry(ZONE).or_insert_with(|| json!(SOME_ZONE));
        }
    }
}

/// The names of an object's fields, in their order.
struct Order(Vec<String>);

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Order;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Order, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Order(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

fn machine(agent: &Value) -> Machine {
    let attributes = agent.get("attributes").and_then(Value::as_object);
    let attributes: BTreeMap<String, String> = attributes
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let named = |name: &str| attributes.get(name).cloned().unwrap_or_default();
    // "slave(1)@10.0.0.1:5051"
    let address = text(agent, "pid").rsplit_once('@').map_or("", |(_, address)| address);
    let ip = address.rsplit_once(':').map_or("", |(ip, _)| ip).to_owned();
    Machine { instance: named(INSTANCE_ID), zone: named(ZONE), ip, attributes }
}

/// The agent of the commonest sort; of several, the smallest: what a group most likely launches.
fn commonest_agent(state: &Value) -> Option<Value> {
    let mut sorts: BTreeMap<Resources, (usize, &Value)> = BTreeMap::new();
    for agent in list(state, "slaves") {
        sorts.entry(resources(agent, "resources")).or_insert((0, agent)).0 += 1;
    }
    // Of equal numbers `max_by_key` takes the last: the smallest, in reverse order.
    sorts.into_iter().rev().max_by_key(|(_, (count, _))| *count).map(|(_, (_, agent))| agent.clone())
}

/// An agent as a new master knows it from its registry: without its resources.
fn recovered(agent: &Value) -> Value {
    let known = ["id", "hostname", "port", "attributes", "domain"];
    let known = known.into_iter().filter_map(|key| Some((key.to_owned(), agent.get(key)?.clone())));
    Value::Object(known.collect())
}

/// The id of another task of the same application: with another UUID, where it has one.
fn renamed(id: &str, serial: u64) -> String {
    const UUID_CHARS: usize = 36;
    let uuid = Uuid::from_u64_pair(0x6c6f_6361_6c00_4000, (1 << 63) | serial);
    let starts = 0..=id.len().saturating_sub(UUID_CHARS);
    let old = starts.filter_map(|start| id.get(start..start + UUID_CHARS)).find(|part| Uuid::parse_str(part).is_ok());
    match old {
        Some(old) => id.replace(old, &uuid.to_string()),
        None => format!("{id}.{uuid}"),
    }
}

fn resources(value: &Value, key: &str) -> Resources {
    let amount = |kind: Kind| value.get(key)?.get(kind.name())?.as_f64().and_then(Amount::from_units);
    Resources::from_fn(|kind| amount(kind).unwrap_or_default())
}

fn add(value: &mut Value, key: &str, more: Resources) {
    let sum = resources(value, key) + more;
    let Some(target) = value.get_mut(key) else { return };
    for kind in Kind::ALL {
        #[expect(clippy::cast_precision_loss, reason = "thousandths of what machines have are far below 2^53")]
        let units = sum.get(kind).thousandths() as f64 / 1000.0;
        set(target, kind.name(), json!(units));
    }
}

fn move_times(value: &mut Value, by: f64) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_f64() {
                    // 0 stands for never.
                    Some(time) if time > 0.0 && TIMES.contains(&name.as_str()) => *field = json!(time + by),
                    _ => move_times(field, by),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_times(item, by)),
        _ => {}
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn items_mut<'a>(value: &'a mut Value, key: &str) -> &'a mut [Value] {
    list_mut(value, key).map(Vec::as_mut_slice).unwrap_or_default()
}

fn list_mut<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Vec<Value>> {
    value.get_mut(key).and_then(Value::as_array_mut)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(key.to_owned(), to);
    }
}

#[cfg(test)]
mod tests;
