//! Reads Marathon's `/v2/queue`: how many instances of which applications are queued, the resources of one, and what keeps
//! them from starting.
//!
//! The queue also holds applications whose instances crash. These back off, and more agents would not help them.
//! `delay.timeLeftSeconds` identifies them; `delay.overdue` does not (it was wrong in some releases).

use std::fmt;
use std::io::Read;

use jiff::Timestamp;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use shared::contract::TaskGroup;
use shared::resources::{Amount, Kind, PerKind, Resources};
use thiserror::Error;

use super::constraints::Constraints;
use super::json::{Each, Field, Malformed, Name, problem, read};
use crate::mesos::state::MAX_UNITS;

/// The maximum size of an answer: some thousand queued applications with their definitions.
pub const MAX_BYTES: usize = 8 << 20;

/// Marathon's own limit of a number of instances.
const MAX_COUNT: f64 = i32::MAX as f64;

/// Of more entries that cannot be read, the answer is none of Marathon.
const MAX_ODD: usize = 1000;

/// The application of an entry without a name.
const UNKNOWN: &str = "(unknown)";

/// How many roles of an application are kept. Nobody writes more.
const MAX_ROLES: usize = 32;

/// The queued instances of one application.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueuedInstances {
    /// The application's id, such as `/shop/web`.
    pub application: String,
    /// How many instances are queued.
    pub instances: u32,
    /// The tasks of one instance, all on one agent: one task for an application; the containers and the executor for a
    /// pod. Grouped by equal resources, sorted.
    pub tasks: Vec<TaskGroup>,
    /// Whether its launches are put off because instances failed.
    pub backs_off: bool,
    /// Its placement constraints.
    pub constraints: Constraints,
    /// The roles whose resources it accepts; empty where the answer does not say.
    pub accepted_roles: Vec<String>,
    /// Why Marathon declined the last offers.
    pub declines: Declines,
    /// Why nothing else is known but the application and how many instances are queued, and of these as much as can be read.
    pub odd: Option<Odd>,
}

/// An entry of which a part cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Odd {
    /// What it has, and what is expected.
    pub problem: String,
    /// Since when it is queued, if that is known.
    pub since: Option<Timestamp>,
}

/// Why Marathon declined the last offers for an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Declines {
    /// No offer was declined, or older releases do not say.
    #[default]
    None,
    /// Each for its role, its constraints, or a reservation, none for lack of resources.
    ForConstraints,
    /// At least one for lack of resources, or for a reason that this release does not know.
    ForResources,
}

impl Declines {
    fn add(self, is_for_constraints: bool) -> Self {
        match (self, is_for_constraints) {
            (Self::None | Self::ForConstraints, true) => Self::ForConstraints,
            (Self::ForResources, _) | (_, false) => Self::ForResources,
        }
    }
}

impl QueuedInstances {
    /// At least one instance of an entry that cannot be read.
    fn odd(application: Option<String>, instances: Option<u32>, odd: Odd) -> Self {
        let application = application.unwrap_or_else(|| UNKNOWN.to_owned());
        Self { application, instances: instances.unwrap_or(1), odd: Some(odd), ..Self::default() }
    }

    /// The resources of one instance.
    #[must_use]
    pub fn resources(&self) -> Resources {
        self.tasks.iter().map(|group| group.resources.times(group.count.into())).sum()
    }
}

/// Why an answer is not a queue.
#[derive(Debug, Error)]
pub enum QueueError {
    /// It is not JSON, or not of the form that Marathon sends.
    #[error("the answer is not a queue of Marathon; check that marathon.url leads to Marathon")]
    Json(#[source] Malformed),
    /// The answer is too large.
    #[error("the queue exceeds {MAX_BYTES} bytes")]
    TooLarge,
}

/// Reads the answer of `/v2/queue`. Entries without instances are omitted.
///
/// ```
/// let body = br#"{"queue": [
///     {"count": 2, "delay": {"timeLeftSeconds": 0, "overdue": true}, "app": {"id": "/shop/web", "cpus": 0.5, "mem": 128}},
///     {"count": 1, "delay": {"timeLeftSeconds": 9, "overdue": false}, "app": {"id": "/crashing", "cpus": 8, "mem": 128}}
/// ]}"#;
/// let queued = node_gather::marathon::queue::parse(&body[..]).unwrap();
/// assert_eq!((queued[0].application.as_str(), queued[0].instances), ("/shop/web", 2));
/// assert_eq!(queued[0].tasks[0].resources.to_string(), "0.5 cpus, 128 MB");
/// assert!(queued[1].backs_off);
/// ```
///
/// # Errors
/// The answer is not a queue, or is larger than [`MAX_BYTES`]. An entry that cannot be read is [odd](QueuedInstances::odd).
pub fn parse(body: impl Read) -> Result<Vec<QueuedInstances>, QueueError> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    // One byte more tells an answer that is too large from one that ends there.
    let mut body = body.take(limit + 1);
    let add = |(queued, odd): &mut (Vec<QueuedInstances>, usize), entry: Box<RawValue>| {
        let entry = of_entry(&entry);
        if let Some(problem) = entry.as_ref().and_then(|entry| Some(&entry.odd.as_ref()?.problem)) {
            *odd += 1;
            if *odd > MAX_ODD {
                return Err(format!("more than {MAX_ODD} entries cannot be read, such as one with {problem}"));
            }
        }
        queued.extend(entry);
        Ok(())
    };
    let queued = read(&mut body, Field("queue", Each::new((Vec::new(), 0), add)));
    if body.limit() == 0 {
        return Err(QueueError::TooLarge);
    }
    let (queued, _) = queued.map_err(|error| QueueError::Json(error.into()))?;
    Ok(queued)
}

/// The instances of an entry; `None` where there are none.
fn of_entry(entry: &RawValue) -> Option<QueuedInstances> {
    let item = match of_object::<Item<'_>>("entry", Some(entry)) {
        Ok(item) => item,
        Err(problem) => return Some(QueuedInstances::odd(None, None, Odd { problem, since: None })),
    };
    let count = item.count();
    if count == Ok(0) {
        return None;
    }
    let odd = |problem| {
        let since = item.since.and_then(|since| serde_json::from_str(since.get()).ok());
        QueuedInstances::odd(item.id(), count.as_ref().ok().copied(), Odd { problem, since })
    };
    Some(count.clone().and_then(|count| item.queued(count)).unwrap_or_else(odd))
}

/// An entry. Each field is read by itself, so that a problem names its field, and the application is known in spite of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Item<'a> {
    #[serde(borrow)]
    count: Option<&'a RawValue>,
    delay: Option<&'a RawValue>,
    since: Option<&'a RawValue>,
    app: Option<&'a RawValue>,
    pod: Option<&'a RawValue>,
    processed_offers_summary: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Delay<'a> {
    #[serde(borrow)]
    time_left_seconds: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Summary {
    reject_summary_last_offers: Option<Rejects>,
}

/// The declined offers of all reasons.
struct Rejects(Declines);

impl<'de> Deserialize<'de> for Rejects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(expecting = "an object")]
        struct Reject {
            reason: Reason,
            declined: Option<f64>,
        }
        #[derive(Deserialize)]
        enum Reason {
            UnfulfilledRole,
            UnfulfilledConstraint,
            NoCorrespondingReservationFound,
            #[serde(other)]
            Other,
        }
        let add = |declines: &mut Declines, Reject { reason, declined }: Reject| {
            if declined.is_some_and(|declined| declined > 0.0) {
                *declines = declines.add(!matches!(reason, Reason::Other));
            }
            Ok(())
        };
        de::DeserializeSeed::deserialize(Each::new(Declines::None, add), deserializer).map(Self)
    }
}

/// The kinds that Marathon always writes; gpus only since version 1.3.
const ALWAYS_WRITTEN: [Kind; 2] = [Kind::Cpus, Kind::Mem];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct App<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    cpus: Option<&'a RawValue>,
    mem: Option<&'a RawValue>,
    disk: Option<&'a RawValue>,
    gpus: Option<&'a RawValue>,
    constraints: Option<&'a RawValue>,
    accepted_resource_roles: Option<&'a RawValue>,
}

/// A list of roles, or nothing.
#[derive(Default)]
struct Roles(Vec<String>);

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrNull;
        impl<'de> Visitor<'de> for OrNull {
            type Value = Roles;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of roles")
            }
            fn visit_none<E: de::Error>(self) -> Result<Roles, E> {
                Ok(Roles::default())
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Roles, D::Error> {
                let add = |roles: &mut Vec<String>, Name(role): Name| {
                    roles.extend(Some(role).filter(|_| roles.len() < MAX_ROLES));
                    Ok(())
                };
                de::DeserializeSeed::deserialize(Each::new(Vec::new(), add), deserializer).map(Roles)
            }
        }
        deserializer.deserialize_option(OrNull)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Pod<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    containers: Option<&'a RawValue>,
    executor_resources: Option<&'a RawValue>,
    scheduling: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "an object")]
struct Scheduling {
    #[serde(default)]
    placement: Option<Placement>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Placement {
    #[serde(default)]
    constraints: Constraints,
    #[serde(default)]
    accepted_resource_roles: Roles,
}

/// The containers of a pod, with equal ones counted.
struct Containers(Vec<TaskGroup>);

/// How many groups of containers are kept before equal ones are merged.
const MAX_GROUPS: usize = 1000;

impl<'de> Deserialize<'de> for Containers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(expecting = "an object")]
        struct Container {
            resources: PerKind<Option<f64>>,
        }
        let add = |groups: &mut Vec<TaskGroup>, Container { resources }: Container| {
            groups.push(TaskGroup { count: 1, resources: self::resources(&resources)? });
            if groups.len() == MAX_GROUPS {
                *groups = TaskGroup::merged(std::mem::take(groups));
            }
            Ok(())
        };
        de::DeserializeSeed::deserialize(Each::new(Vec::new(), add), deserializer).map(Self)
    }
}

impl Item<'_> {
    fn count(&self) -> Result<u32, String> {
        let count: f64 = field("count", self.count)?;
        let is_count = count.fract() == 0.0 && (0.0..=MAX_COUNT).contains(&count);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number in range")]
        is_count
            .then_some(count as u32)
            .ok_or_else(|| format!("count: got {count:?}, expected a whole number from 0 to {MAX_COUNT}"))
    }

    /// The application, although another field cannot be read.
    fn id(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }
        let specs = [self.app, self.pod].into_iter().flatten();
        let mut ids = specs.filter_map(|spec| of_object::<Named<'_>>("", Some(spec)).ok()?.id);
        ids.find_map(|id| serde_json::from_str(id.get()).ok().map(|Name(id)| id))
    }

    fn queued(&self, instances: u32) -> Result<QueuedInstances, String> {
        let Delay { time_left_seconds } = of_object("delay", self.delay)?;
        let time_left_seconds: f64 = field("delay.timeLeftSeconds", time_left_seconds)?;
        let summary: Option<Summary> = optional("processedOffersSummary", self.processed_offers_summary)?;
        let rejects = summary.and_then(|summary| summary.reject_summary_last_offers);
        let shared = QueuedInstances {
            instances,
            backs_off: time_left_seconds > 0.0,
            declines: rejects.map_or(Declines::None, |Rejects(declines)| declines),
            ..QueuedInstances::default()
        };
        match (self.app, self.pod) {
            (Some(_), _) => of_object::<App<'_>>("app", self.app)?.queued(shared),
            (None, Some(_)) => of_object::<Pod<'_>>("pod", self.pod)?.queued(shared),
            (None, None) => Err("neither \"app\" nor \"pod\", expected one of them".to_owned()),
        }
    }
}

impl App<'_> {
    fn queued(self, shared: QueuedInstances) -> Result<QueuedInstances, String> {
        let Name(application) = field("app.id", self.id)?;
        let mut amounts = PerKind::from_fn(|_| None);
        for kind in Kind::ALL {
            let written = match kind {
                Kind::Cpus => self.cpus,
                Kind::Mem => self.mem,
                Kind::Disk => self.disk,
                Kind::Gpus => self.gpus,
            };
            amounts[kind] = optional(kind.name(), written)?;
        }
        let tasks = vec![TaskGroup { count: 1, resources: resources(&amounts)? }];
        let constraints = optional("constraints", self.constraints)?;
        let Roles(accepted_roles) = optional("acceptedResourceRoles", self.accepted_resource_roles)?;
        Ok(QueuedInstances { application, tasks, constraints, accepted_roles, ..shared })
    }
}

impl Pod<'_> {
    fn queued(self, shared: QueuedInstances) -> Result<QueuedInstances, String> {
        let Name(application) = field("pod.id", self.id)?;
        let Containers(mut groups) = field("containers", self.containers)?;
        if groups.is_empty() {
            return Err("containers: got an empty list, expected at least one".to_owned());
        }
        if let Some(written) = optional::<Option<PerKind<Option<f64>>>>("executorResources", self.executor_resources)? {
            let resources = resources(&written).map_err(|problem| format!("executorResources: {problem}"))?;
            groups.push(TaskGroup { count: 1, resources });
        }
        let Scheduling { placement } = optional("scheduling", self.scheduling)?;
        let Placement { constraints, accepted_resource_roles: Roles(accepted_roles) } = placement.unwrap_or_default();
        Ok(QueuedInstances { application, tasks: TaskGroup::merged(groups), constraints, accepted_roles, ..shared })
    }
}

/// The value of a field; `null` equals an absent one.
fn field<'a, T: Deserialize<'a>>(name: &str, value: Option<&'a RawValue>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{name} is missing"))?;
    serde_json::from_str(value.get()).map_err(|error| format!("{name}: {}", problem(&error)))
}

/// The same of a field that need not be there.
fn optional<'a, T: Deserialize<'a> + Default>(name: &str, value: Option<&'a RawValue>) -> Result<T, String> {
    if value.is_some() { field(name, value) } else { Ok(T::default()) }
}

/// The same of an object. A list of its values in order, which the parser would take for one, is none.
fn of_object<'a, T: Deserialize<'a>>(name: &str, value: Option<&'a RawValue>) -> Result<T, String> {
    if value.is_some_and(|value| value.get().starts_with('[')) {
        return Err(format!("{name}: got a list, expected an object"));
    }
    field(name, value)
}

/// More than an agent of /state may have counts as that: no agent holds it, and it must not hide what else is queued. (A memory in
/// bytes, where megabytes are meant, is such an amount.)
fn resources(written: &PerKind<Option<f64>>) -> Result<Resources, String> {
    if let Some(missing) = ALWAYS_WRITTEN.into_iter().find(|kind| written[*kind].is_none()) {
        return Err(format!("{missing} is missing"));
    }
    let mut resources = Resources::ZERO;
    for kind in Kind::ALL {
        let value = written[kind].unwrap_or_default();
        let amount = Amount::from_units(value.min(MAX_UNITS)).filter(|_| value >= 0.0);
        *resources.get_mut(kind) = amount.ok_or_else(|| format!("got {value:?} {kind}, expected 0 or more"))?;
    }
    Ok(resources)
}

#[cfg(test)]
mod tests;
