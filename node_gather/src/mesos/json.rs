//! The reference for [`scan`](super::scan): reads /state with serde_json, and calls the [`Sink`].
//!
//! It checks every byte, refuses invalid JSON everywhere, and is about ten times slower. Only tests and measurements use
//! it.
//!
//! serde_json refuses invalid texts, which the scanner replaces: [`read_mended`] replaces them beforehand.
//!
//! The order of keys does not matter. Other values are skipped. A key of the document that occurs twice is an error. In an agent, a
//! task, or a framework a key that occurs twice, one that is missing, and a value of another type make that one odd.

mod items;
mod lenient;
mod mend;
mod values;

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::flags::Flags;
use super::forms::{to_count, to_time};
use super::state::{Fault, ORPHAN_FRAMEWORK, OddField, Oddity, Sink, StateError, UNNAMED_FRAMEWORK};
use items::{AgentJson, ExecutorJson, RecoveredJson, TaskJson};
use lenient::{AnyForm, Form, Lenient, Oddities};

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
trait Item: Sized {
    /// An item of which nothing can be read.
    fn unreadable(found: &'static str) -> Self;

    /// From its fields, of which any may be odd.
    fn read<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error>;

    fn give(self, sink: &mut impl Sink) -> Result<(), StateError>;
}

struct Whole<T>(T);

impl<'de, T: Item> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Item> Form<'de> for Any<T> {
            type Value = Whole<T>;
            fn other(self, found: &'static str) -> Whole<T> {
                Whole(T::unreadable(found))
            }
            fn object<A: MapAccess<'de>>(self, map: A) -> Result<Whole<T>, A::Error> {
                T::read(map).map(Whole)
            }
        }
        deserializer.deserialize_any(AnyForm(Any(PhantomData)))
    }
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
        while let Some(Whole(item)) = list.next_element::<Whole<T>>()? {
            self.0.call(|sink| item.give(sink))?;
        }
        Ok(())
    }
}

/// A list of a framework: what stands in place of one is returned.
struct ListOr<'a, S, T>(List<'a, S, T>);

impl<'de, S: Sink, T: Item> DeserializeSeed<'de> for ListOr<'_, S, T> {
    type Value = Option<&'static str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(AnyForm(self))
    }
}

impl<'de, S: Sink, T: Item> Form<'de> for ListOr<'_, S, T> {
    type Value = Option<&'static str>;
    fn other(self, found: &'static str) -> Self::Value {
        Some(found)
    }
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        self.0.visit_seq(list).map(|()| None)
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
        while let Some(result) = list.next_element_seed(Framework(self.0))? {
            self.0.call(|_| result)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum FrameworkField {
    Name,
    Capabilities,
    Recovered,
    Connected,
    Tasks,
    Executors,
    #[serde(other)]
    Other,
}

/// One framework.
struct Framework<'a, S>(&'a mut Feeding<S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Framework<'_, S> {
    type Value = Result<(), StateError>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(AnyForm(self))
    }
}

impl<'de, S: Sink> Form<'de> for Framework<'_, S> {
    type Value = Result<(), StateError>;

    fn other(self, found: &'static str) -> Self::Value {
        let sink = &mut self.0.sink;
        sink.framework_name(UNNAMED_FRAMEWORK.to_owned());
        sink.framework_odd(OddField { path: "frameworks[]", oddity: Oddity::Type { found, expected: "an object" } });
        sink.end_framework()
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let feeding = self.0;
        let mut odd = Oddities::default();
        while let Some(field) = map.next_key::<FrameworkField>()? {
            match field {
                FrameworkField::Name if odd.is_first("frameworks[].name") => {
                    let name: Lenient<String> = map.next_value()?;
                    let name = odd.take("frameworks[].name", name);
                    feeding.sink.framework_name(name.unwrap_or_else(|| UNNAMED_FRAMEWORK.to_owned()));
                }
                FrameworkField::Capabilities if odd.is_first("frameworks[].capabilities") => {
                    let names: Lenient<Vec<Lenient<String>>> = map.next_value()?;
                    let mut gpu_aware = false;
                    for name in odd.take("frameworks[].capabilities", names).unwrap_or_default() {
                        let name = odd.take("frameworks[].capabilities[]", name);
                        gpu_aware |= name.is_some_and(|name| name == "GPU_RESOURCES");
                    }
                    feeding.sink.framework_gpu_aware(gpu_aware);
                }
                FrameworkField::Recovered if odd.is_first("frameworks[].recovered") => {
                    let recovered: Lenient<bool> = map.next_value()?;
                    if let Some(recovered) = odd.take("frameworks[].recovered", recovered) {
                        feeding.sink.framework_recovered(recovered);
                    }
                }
                FrameworkField::Connected if odd.is_first("frameworks[].connected") => {
                    let connected: Lenient<bool> = map.next_value()?;
                    if let Some(connected) = odd.take("frameworks[].connected", connected) {
                        feeding.sink.framework_connected(connected);
                    }
                }
                FrameworkField::Tasks if odd.is_first("frameworks[].tasks") => {
                    let found = map.next_value_seed(ListOr(List::<_, TaskJson>::new(feeding)))?;
                    odd.is_list("frameworks[].tasks", found);
                }
                FrameworkField::Executors if odd.is_first("frameworks[].executors") => {
                    let found = map.next_value_seed(ListOr(List::<_, ExecutorJson>::new(feeding)))?;
                    odd.is_list("frameworks[].executors", found);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        odd.require("frameworks[].tasks");
        if !odd.require("frameworks[].name") {
            feeding.sink.framework_name(UNNAMED_FRAMEWORK.to_owned());
        }
        if let Some(odd) = odd.least {
            feeding.sink.framework_odd(odd);
        }
        Ok(feeding.sink.end_framework())
    }
}

#[cfg(test)]
mod tests;
