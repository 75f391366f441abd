//! Reads Marathon's `/v2/apps` and `/v2/pods`: which applications may not run on every agent, or in any number on one. Their constraints
//! and fixed host ports say so.
//!
//! The queue says the same only of what is queued; an application that runs complete is not in it.
//!
//! A definition of which something cannot be read hides no other: what can be read of it counts, and it is named.

use std::collections::BTreeMap;
use std::io::Read;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess};
use thiserror::Error;

use super::constraints::Constraints;
use super::json::{
    Each, Field, Lenient, Loose, MAX_ODD, Malformed, Name, Once, Partly, UNKNOWN, fields, items, only, read,
};
use super::ports::{AppPorts, Ports};

/// The maximum size of an answer: more than ten thousand definitions.
pub const MAX_BYTES: usize = 64 << 20;

/// How many applications with constraints or fixed host ports are kept.
const MAX_APPLICATIONS: usize = 20_000;

/// The constraints of applications that have any, or a fixed host port, by id.
pub type ByApplication = BTreeMap<String, Constraints>;

/// What the definitions of applications say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// On which agents applications may run, and how many instances on one.
    pub constraints: ByApplication,
    /// The applications of which a part cannot be read, so that they may have others, too.
    pub odd: BTreeMap<String, OddDefinition>,
}

/// A definition of which a part cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OddDefinition {
    /// When it was configured last, if that is known.
    pub changed_at: Option<Timestamp>,
    /// What it has, and what is expected.
    pub problem: String,
}

/// Why an answer is not a list of definitions.
#[derive(Debug, Error)]
pub enum DefinitionsError {
    /// It is not JSON, or not of the form that Marathon sends.
    #[error("the answer is not a list of Marathon's; check that marathon.url leads to Marathon")]
    Json(#[source] Malformed),
    /// The answer is too large.
    #[error("the list exceeds {MAX_BYTES} bytes")]
    TooLarge,
}

/// Adds what `/v2/apps` answers.
///
/// ```
/// use node_gather::marathon::definitions::{Definitions, add_apps};
/// let body = br#"{"apps": [{"id": "/db", "cpus": 1, "constraints": [["hostname", "UNIQUE"]]}, {"id": "/web"}]}"#;
/// let mut definitions = Definitions::default();
/// add_apps(&body[..], &mut definitions).unwrap();
/// assert_eq!((definitions.constraints.len(), definitions.constraints["/db"].most_per_agent(5)), (1, Some(1)));
/// ```
///
/// # Errors
/// The answer is not a list of applications, or too large. A definition that cannot be read is [odd](Definitions::odd).
pub fn add_apps(body: impl Read, definitions: &mut Definitions) -> Result<(), DefinitionsError> {
    add(body, Field("apps", Each::new(List::new(definitions), List::add::<App>)))
}

/// Adds what `/v2/pods` answers.
///
/// # Errors
/// The answer is not a list of pods, or too large. A definition that cannot be read is [odd](Definitions::odd).
pub fn add_pods(body: impl Read, definitions: &mut Definitions) -> Result<(), DefinitionsError> {
    add(body, Each::new(List::new(definitions), List::add::<Pod>))
}

fn add<T>(body: impl Read, list: impl for<'de> DeserializeSeed<'de, Value = T>) -> Result<(), DefinitionsError> {
    let read = read(body, MAX_BYTES, list).ok_or(DefinitionsError::TooLarge)?;
    read.map(drop).map_err(DefinitionsError::Json)
}

/// A list that is being read.
struct List<'a> {
    into: &'a mut Definitions,
    /// How many of it cannot be read.
    odd: usize,
}

impl<'a> List<'a> {
    const fn new(into: &'a mut Definitions) -> Self {
        Self { into, odd: 0 }
    }

    fn add<T: Into<Definition>>(&mut self, Lenient(definition): Lenient<T>) -> Result<(), String> {
        let definition = definition.map_or_else(Definition::unknown, Into::into);
        if let Some(problem) = &definition.problem {
            self.odd += 1;
            if self.odd > MAX_ODD {
                return Err(format!("more than {MAX_ODD} definitions cannot be read, such as one with {problem}"));
            }
        }
        self.into.add(definition)
    }
}

impl Definitions {
    fn add(&mut self, Definition { id, constraints, changed_at, problem }: Definition) -> Result<(), String> {
        if let Some(id) = id.clone().filter(|_| !constraints.is_empty()) {
            if self.constraints.len() == MAX_APPLICATIONS {
                return Err(format!(
                    "more than {MAX_APPLICATIONS} applications have a constraint or a fixed host port"
                ));
            }
            self.constraints.insert(id, constraints);
        }
        if let Some(problem) = problem {
            self.add_odd(id.unwrap_or_else(|| UNKNOWN.to_owned()), OddDefinition { changed_at, problem });
        }
        Ok(())
    }

    /// Of several without a name, the one that was configured last.
    fn add_odd(&mut self, id: String, odd: OddDefinition) {
        let own = self.odd.remove(&id);
        self.odd.insert(id, own.into_iter().fold(odd, OddDefinition::max));
    }

    /// Adds those of another list.
    pub fn extend(&mut self, others: Self) {
        self.constraints.extend(others.constraints);
        others.odd.into_iter().for_each(|(id, odd)| self.add_odd(id, odd));
    }

    /// Takes over what was known of applications whose definitions can no longer be read: most likely it still holds.
    pub fn take_over(&mut self, before: &Self) {
        for id in self.odd.keys() {
            let own = self.constraints.remove(id);
            if let Some(both) = before.constraints.get(id).cloned().into_iter().chain(own).reduce(Constraints::and) {
                self.constraints.insert(id.clone(), both);
            }
        }
    }
}

/// A definition as far as it can be read.
#[derive(Debug, Default)]
struct Definition {
    id: Option<String>,
    constraints: Constraints,
    changed_at: Option<Timestamp>,
    problem: Option<String>,
}

impl Definition {
    fn unknown(problem: String) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }

    /// Its first problem is named.
    fn new(
        id: Once<Name>,
        changed_at: Option<Timestamp>,
        constraints: Partly<Constraints>,
        fixed_port: Partly<bool>,
    ) -> Self {
        let Partly { value: constraints, problem } = constraints.and(fixed_port, Constraints::with_fixed_port);
        let (id, problem) = match id.required() {
            Ok(Name(id)) => (Some(id), problem),
            Err(problem) => (None, Some(problem)),
        };
        Self { id, constraints, changed_at, problem }
    }
}

/// A definition of `/v2/apps`.
struct App(Definition);

impl Loose for App {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut id, mut constraints) = (Once::new("id"), Once::new("constraints"));
        let (mut versions, mut ports) = (Once::new("versionInfo"), AppPorts::new());
        let AppPorts { require_ports, definitions, numbers, container } = &mut ports;
        fields(
            object,
            &mut [&mut id, &mut constraints, &mut versions, require_ports, definitions, numbers, container],
        )?;
        // Without a time that can be read, it is not known.
        let Versions(changed_at) = versions.or_default().unwrap_or_default();
        Ok(Ok(Self(Definition::new(id, changed_at, Partly::in_field(constraints), ports.fixed()))))
    }
}

impl From<App> for Definition {
    fn from(App(definition): App) -> Self {
        definition
    }
}

/// When an application was configured last, scaling aside; `None` where that is not known.
#[derive(Default)]
struct Versions(Option<Timestamp>);

impl Loose for Versions {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        Ok(Ok(Self(only("lastConfigChangeAt", object)?.required().ok())))
    }
}

/// A definition of `/v2/pods`.
struct Pod(Definition);

impl Loose for Pod {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let mut id = Once::new("id");
        let (mut containers, mut scheduling) = (Once::new("containers"), Once::new("scheduling"));
        fields(object, &mut [&mut id, &mut containers, &mut scheduling])?;
        // What has none is no pod.
        let containers = Partly::in_required(containers);
        let constraints = Partly::in_field(scheduling.map(|Scheduling(constraints)| constraints));
        let fixed_port = containers.map(|Containers(ports)| ports == Ports::Fixed);
        // Only its `version` has a time, which changes with its size.
        Ok(Ok(Self(Definition::new(id, None, constraints, fixed_port))))
    }
}

impl From<Pod> for Definition {
    fn from(Pod(definition): Pod) -> Self {
        definition
    }
}

/// The containers of a pod, of which only the ports count.
#[derive(Default)]
struct Containers(Ports);

impl Loose for Partly<Containers> {
    const EXPECTED: &'static str = "a list";
    fn of_list<'de, S: SeqAccess<'de>>(list: S) -> Result<Result<Self, String>, S::Error> {
        let mut all = Partly::from(Ports::None);
        let read = items(list, |Container(ports)| {
            all = std::mem::take(&mut all).and(ports, Ports::max);
        })?;
        let Partly { value, problem } = all;
        Ok(Ok(Self { value: Containers(value), problem: read.err().or(problem) }))
    }
}

/// The ports of one: those of its `endpoints`.
struct Container(Partly<Ports>);

impl Loose for Container {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        Ok(Ok(Self(Partly::in_field(only("endpoints", object)?))))
    }
}

/// What stands for the constraints in `scheduling`: they are those of its `placement`.
struct Scheduling(Partly<Constraints>);

impl Loose for Scheduling {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let placement = only("placement", object)?.map(|Placement(constraints)| constraints);
        Ok(Ok(Self(Partly::in_field(placement))))
    }
}

/// The same in `placement`.
struct Placement(Partly<Constraints>);

impl Loose for Placement {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        Ok(Ok(Self(Partly::in_field(only("constraints", object)?))))
    }
}

#[cfg(test)]
mod tests;
