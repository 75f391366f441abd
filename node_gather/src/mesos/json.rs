//! The reference for [`scan`](super::scan): reads /state with serde_json, and calls the [`Sink`].
//!
//! It checks every byte, refuses invalid JSON everywhere, and is about ten times slower. Only tests and measurements use
//! it.
//!
//! serde_json refuses invalid texts, which the scanner replaces: [`read_mended`] replaces them beforehand.
//!
//! The order of keys does not matter. Other values are skipped. A key that occurs twice is an error, except for
//! attributes, which Mesos itself repeats.

mod mend;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::flags::Flags;
use super::forms::{ip_of_pid, to_count, to_time};
use super::state::{
    Agent, Attributes, Drain, Fault, ORPHAN_FRAMEWORK, RawAgent, RawExecutor, RawResources, RawTask, RecoveredAgent,
    Sink, StateError,
};

/// How much is read from the source at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads a whole /state, to the end of the source.
///
/// # Errors
/// The source is not a state. A missing list is an error, not an empty list.
pub fn read<S: Sink>(source: impl Read, sink: S) -> Result<S, StateError> {
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    check_start(&mut source)?;
    feed(serde_json::Deserializer::from_reader(source), sink)
}

/// Reads a /state of which texts may be invalid.
///
/// # Errors
/// As [`read`].
pub fn read_mended<S: Sink>(bytes: &[u8], sink: S) -> Result<S, StateError> {
    read_slice(&mend::mended(bytes), sink)
}

/// Reads a /state that is in memory.
///
/// # Errors
/// As [`read`].
pub fn read_slice<S: Sink>(mut bytes: &[u8], sink: S) -> Result<S, StateError> {
    check_start(&mut bytes)?;
    feed(serde_json::Deserializer::from_slice(bytes), sink)
}

fn feed<'de, S: Sink>(
    mut json: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
    sink: S,
) -> Result<S, StateError> {
    let mut feeding = Feeding { sink, failure: None };
    let read = Document(&mut feeding).deserialize(&mut json).and_then(|()| json.end());
    match (read, feeding.failure) {
        (_, Some(failure)) => Err(failure),
        (Ok(()), None) => Ok(feeding.sink),
        (Err(error), None) => Err(match error.classify() {
            serde_json::error::Category::Io => StateError::Io(error.into()),
            serde_json::error::Category::Eof => StateError::Truncated(Fault::new(error.to_string())),
            serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
                StateError::Json(Fault::new(error.to_string()))
            }
        }),
    }
}

/// Recognizes by the first byte what is not a master's answer, for a better message.
fn check_start(source: &mut impl BufRead) -> Result<(), StateError> {
    loop {
        let buffer = source.fill_buf().map_err(StateError::Io)?;
        let blanks = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match buffer.get(blanks) {
            Some(b'{') => return Ok(()),
            Some(b'<') => return Err(StateError::Html),
            Some(_) => return Err(StateError::NotAnObject),
            None if buffer.is_empty() => return Err(StateError::Empty),
            None => source.consume(blanks),
        }
    }
}

/// The sink, and its error: serde's errors are strings only.
struct Feeding<S> {
    sink: S,
    failure: Option<StateError>,
}

impl<S: Sink> Feeding<S> {
    /// Calls the sink, keeps its error, and stops the reader with a placeholder.
    fn call<T, E: de::Error>(&mut self, call: impl FnOnce(&mut S) -> Result<T, StateError>) -> Result<T, E> {
        call(&mut self.sink).map_err(|failure| {
            self.failure.get_or_insert(failure);
            E::custom("refused")
        })
    }
}

/// The fields of an object that have occurred.
struct SeenFields<F>(Vec<F>);

impl<F: Copy + PartialEq> SeenFields<F> {
    fn once(&mut self, field: F, name: &'static str) -> Result<(), StateError> {
        if self.0.contains(&field) {
            return Err(StateError::Twice(name));
        }
        self.0.push(field);
        Ok(())
    }

    fn require(&self, field: F, name: &'static str) -> Result<(), StateError> {
        if self.0.contains(&field) { Ok(()) } else { Err(StateError::Missing(name)) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum TopField {
    Version,
    Cluster,
    ElectedTime,
    Flags,
    ActivatedSlaves,
    DeactivatedSlaves,
    UnreachableSlaves,
    Slaves,
    RecoveredSlaves,
    Frameworks,
    OrphanTasks,
    #[serde(other)]
    Other,
}

impl TopField {
    const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Cluster => "cluster",
            Self::ElectedTime => "elected_time",
            Self::Flags => "flags",
            Self::ActivatedSlaves => "activated_slaves",
            Self::DeactivatedSlaves => "deactivated_slaves",
            Self::UnreachableSlaves => "unreachable_slaves",
            Self::Slaves => "slaves",
            Self::RecoveredSlaves => "recovered_slaves",
            Self::Frameworks => "frameworks",
            Self::OrphanTasks => "orphan_tasks",
            Self::Other => "other",
        }
    }
}

/// The whole document.
struct Document<'a, S>(&'a mut Feeding<S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Document<'_, S> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Document<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state of a Mesos master")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let feeding = self.0;
        let mut seen = SeenFields(Vec::new());
        while let Some(field) = map.next_key::<TopField>()? {
            if field != TopField::Other {
                feeding.call(|_| seen.once(field, field.name()))?;
            }
            let master = feeding.sink.master();
            match field {
                TopField::Version => master.version = map.next_value()?,
                TopField::Cluster => master.cluster = map.next_value()?,
                TopField::ElectedTime => master.elected_at = to_time(map.next_value()?),
                TopField::Flags => map.next_value::<Flags>()?.apply(master),
                TopField::ActivatedSlaves | TopField::DeactivatedSlaves => {
                    let count = to_count(map.next_value()?);
                    master.counted_agents = Some(master.counted_agents.unwrap_or(0).saturating_add(count));
                }
                TopField::UnreachableSlaves => master.unreachable_agents = to_count(map.next_value()?),
                TopField::Slaves => map.next_value_seed(List::<_, AgentJson>::new(feeding))?,
                TopField::RecoveredSlaves => map.next_value_seed(List::<_, RecoveredJson>::new(feeding))?,
                TopField::Frameworks => map.next_value_seed(Frameworks(feeding))?,
                TopField::OrphanTasks => {
                    feeding.sink.framework_name(ORPHAN_FRAMEWORK.to_owned());
                    map.next_value_seed(List::<_, TaskJson>::new(feeding))?;
                    feeding.call(S::end_framework)?;
                }
                TopField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        feeding.call(|_| seen.require(TopField::Slaves, "slaves"))?;
        feeding.call(|_| seen.require(TopField::Frameworks, "frameworks"))
    }
}

/// An item of a list, complete before it is passed on.
trait Item: de::DeserializeOwned {
    fn give(self, sink: &mut impl Sink);
}

/// A list of which only the current item is in memory.
struct List<'a, S, T>(&'a mut Feeding<S>, PhantomData<T>);

impl<'a, S, T> List<'a, S, T> {
    fn new(feeding: &'a mut Feeding<S>) -> Self {
        Self(feeding, PhantomData)
    }
}

impl<'de, S: Sink, T: Item> DeserializeSeed<'de> for List<'_, S, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: Sink, T: Item> Visitor<'de> for List<'_, S, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<T>()? {
            item.give(&mut self.0.sink);
        }
        Ok(())
    }
}

/// The list of frameworks, each of which is read field by field.
struct Frameworks<'a, S>(&'a mut Feeding<S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Frameworks<'_, S> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Frameworks<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Framework(self.0))?.is_some() {}
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum FrameworkField {
    Name,
    Capabilities,
    Recovered,
    Tasks,
    Executors,
    #[serde(other)]
    Other,
}

impl FrameworkField {
    const fn name(self) -> &'static str {
        match self {
            Self::Name => "frameworks[].name",
            Self::Capabilities => "frameworks[].capabilities",
            Self::Recovered => "frameworks[].recovered",
            Self::Tasks => "frameworks[].tasks",
            Self::Executors => "frameworks[].executors",
            Self::Other => "other",
        }
    }
}

/// One framework.
struct Framework<'a, S>(&'a mut Feeding<S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Framework<'_, S> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Framework<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a framework")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let feeding = self.0;
        let mut seen = SeenFields(Vec::new());
        while let Some(field) = map.next_key::<FrameworkField>()? {
            if field != FrameworkField::Other {
                feeding.call(|_| seen.once(field, field.name()))?;
            }
            match field {
                FrameworkField::Name => feeding.sink.framework_name(map.next_value()?),
                FrameworkField::Capabilities => {
                    let capabilities: Vec<String> = map.next_value()?;
                    feeding.sink.framework_gpu_aware(capabilities.iter().any(|name| name == "GPU_RESOURCES"));
                }
                FrameworkField::Recovered => feeding.sink.framework_recovered(map.next_value()?),
                FrameworkField::Tasks => map.next_value_seed(List::<_, TaskJson>::new(feeding))?,
                FrameworkField::Executors => map.next_value_seed(List::<_, ExecutorJson>::new(feeding))?,
                FrameworkField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        feeding.call(|_| seen.require(FrameworkField::Tasks, FrameworkField::Tasks.name()))?;
        feeding.call(S::end_framework)
    }
}

#[derive(Deserialize)]
struct AgentJson {
    id: String,
    #[serde(default)]
    hostname: String,
    pid: Option<String>,
    #[serde(default)]
    attributes: Attributes,
    active: bool,
    #[serde(default)]
    deactivated: bool,
    registered_time: Option<f64>,
    drain_info: Option<DrainJson>,
    resources: Option<RawResources>,
    used_resources: Option<RawResources>,
    unreserved_resources: Option<RawResources>,
    #[serde(default)]
    reserved_resources: BTreeMap<String, RawResources>,
}

#[derive(Deserialize)]
struct DrainJson {
    #[serde(default)]
    state: String,
}

impl Item for AgentJson {
    fn give(self, sink: &mut impl Sink) {
        let agent = Agent {
            id: self.id,
            hostname: self.hostname,
            ip: self.pid.as_deref().and_then(ip_of_pid),
            attributes: self.attributes,
            active: self.active,
            deactivated: self.deactivated,
            drain: self.drain_info.map(|info| if info.state == "DRAINED" { Drain::Drained } else { Drain::Draining }),
            registered_at: to_time(self.registered_time),
        };
        sink.agent(&RawAgent {
            agent,
            total: self.resources,
            used: self.used_resources,
            unreserved: self.unreserved_resources,
            reserved: self.reserved_resources.into_iter().collect(),
        });
    }
}

#[derive(Deserialize)]
struct RecoveredJson {
    #[serde(default)]
    id: String,
    #[serde(default)]
    attributes: Attributes,
}

impl Item for RecoveredJson {
    fn give(self, sink: &mut impl Sink) {
        sink.recovered_agent(&RecoveredAgent { id: self.id, attributes: self.attributes });
    }
}

#[derive(Deserialize)]
struct TaskJson {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    slave_id: String,
    state: String,
    role: Option<String>,
    resources: RawResources,
}

impl Item for TaskJson {
    fn give(self, sink: &mut impl Sink) {
        sink.task(&RawTask {
            id: self.id.as_bytes(),
            name: self.name.as_bytes(),
            agent_id: self.slave_id.as_bytes(),
            state: self.state.as_bytes(),
            role: self.role.as_deref().unwrap_or_default().as_bytes(),
            resources: &self.resources,
        });
    }
}

#[derive(Deserialize)]
struct ExecutorJson {
    /// Without it the executor cannot be placed, and its resources are missing from the visible ones.
    slave_id: Option<String>,
    role: Option<String>,
    #[serde(default)]
    resources: RawResources,
}

impl Item for ExecutorJson {
    fn give(self, sink: &mut impl Sink) {
        if let Some(agent_id) = &self.slave_id {
            let role = self.role.as_deref().unwrap_or_default();
            sink.executor(&RawExecutor { agent_id, role, resources: &self.resources });
        }
    }
}

#[cfg(test)]
mod tests;
