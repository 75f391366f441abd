//! Reads Marathon's `/v2/queue`: how many instances of which applications are queued, the resources of one, and what keeps
//! them from starting.
//!
//! The queue also holds applications whose instances crash. These back off, and more agents would not help them.
//! `delay.timeLeftSeconds` identifies them; `delay.overdue` does not (it was wrong in some releases).

use std::fmt;
use std::io::Read;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use shared::contract::TaskGroup;
use shared::resources::{Amount, Kind, PerKind, Resources};
use shared::text::{MAX_REMOTE_CHARS, clip};
use thiserror::Error;

use super::constraints::Constraints;
use super::json::{Each, Field, Malformed, Name, read};
use crate::mesos::state::MAX_UNITS;

/// The maximum size of an answer: some thousand queued applications with their definitions.
pub const MAX_BYTES: usize = 8 << 20;

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
/// The answer is not a queue, or is larger than [`MAX_BYTES`]. A missing field is an error, not an empty value.
pub fn parse(body: impl Read) -> Result<Vec<QueuedInstances>, QueueError> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    // One byte more tells an answer that is too large from one that ends there.
    let mut body = body.take(limit + 1);
    let add = |queued: &mut Vec<QueuedInstances>, item: Item| {
        let place = queued.len();
        queued.push(item.queued().map_err(|problem| format!("entry {place} of the queue: {problem}"))?);
        Ok(())
    };
    let queued = read(&mut body, Field("queue", Each::new(Vec::new(), add)));
    if body.limit() == 0 {
        return Err(QueueError::TooLarge);
    }
    let mut queued = queued.map_err(|error| QueueError::Json(error.into()))?;
    queued.retain(|queued| queued.instances > 0);
    Ok(queued)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    count: u32,
    delay: Delay,
    app: Option<App>,
    pod: Option<Pod>,
    processed_offers_summary: Option<Summary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delay {
    time_left_seconds: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    reject_summary_last_offers: Option<Rejects>,
}

/// The declined offers of all reasons.
struct Rejects(Declines);

impl<'de> Deserialize<'de> for Rejects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
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

/// An application, read field by field: what is not used is never in memory.
struct App {
    id: Name,
    amounts: PerKind<Option<f64>>,
    constraints: Constraints,
    accepted_roles: Vec<String>,
}

impl<'de> Deserialize<'de> for App {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = App;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an application")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<App, M::Error> {
                let (mut id, mut constraints, mut roles) = (None, Constraints::default(), Roles::default());
                let mut amounts = PerKind::from_fn(|_| None);
                while let Some(key) = object.next_key::<std::borrow::Cow<'_, str>>()? {
                    match (&*key, Kind::from_name(&key)) {
                        (_, Some(kind)) => amounts[kind] = Some(object.next_value()?),
                        ("id", _) => id = Some(object.next_value()?),
                        ("constraints", _) => constraints = object.next_value()?,
                        ("acceptedResourceRoles", _) => roles = object.next_value()?,
                        _ => drop(object.next_value::<IgnoredAny>()?),
                    }
                }
                let id = id.ok_or_else(|| de::Error::missing_field("id"))?;
                Ok(App { id, amounts, constraints, accepted_roles: roles.0 })
            }
        }
        deserializer.deserialize_map(Fields)
    }
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
#[serde(rename_all = "camelCase")]
struct Pod {
    id: Name,
    containers: Containers,
    executor_resources: Option<PerKind<Option<f64>>>,
    #[serde(default)]
    scheduling: Option<Scheduling>,
}

#[derive(Default, Deserialize)]
struct Scheduling {
    #[serde(default)]
    placement: Option<Placement>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
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
        struct Container {
            resources: PerKind<Option<f64>>,
        }
        let add = |groups: &mut Vec<TaskGroup>, Container { resources }: Container| {
            groups.push(TaskGroup { count: 1, resources: amounts(&resources)? });
            if groups.len() == MAX_GROUPS {
                *groups = TaskGroup::merged(std::mem::take(groups));
            }
            Ok(())
        };
        de::DeserializeSeed::deserialize(Each::new(Vec::new(), add), deserializer).map(Self)
    }
}

impl Item {
    fn queued(self) -> Result<QueuedInstances, String> {
        let rejects = self.processed_offers_summary.and_then(|summary| summary.reject_summary_last_offers);
        let shared = QueuedInstances {
            instances: self.count,
            backs_off: self.delay.time_left_seconds > 0.0,
            declines: rejects.map_or(Declines::None, |Rejects(declines)| declines),
            ..QueuedInstances::default()
        };
        match (self.app, self.pod) {
            (Some(App { id: Name(id), amounts: written, constraints, accepted_roles }), _) => {
                let resources = amounts(&written).map_err(|problem| of(&id, &problem))?;
                let tasks = vec![TaskGroup { count: 1, resources }];
                Ok(QueuedInstances { application: id, tasks, constraints, accepted_roles, ..shared })
            }
            (None, Some(Pod { id: Name(id), containers: Containers(mut groups), executor_resources, scheduling })) => {
                if let Some(written) = executor_resources {
                    let resources = amounts(&written).map_err(|problem| of(&id, &problem))?;
                    groups.push(TaskGroup { count: 1, resources });
                }
                let Placement { constraints, accepted_resource_roles: Roles(accepted_roles) } =
                    scheduling.and_then(|scheduling| scheduling.placement).unwrap_or_default();
                Ok(QueuedInstances {
                    application: id,
                    tasks: TaskGroup::merged(groups),
                    constraints,
                    accepted_roles,
                    ..shared
                })
            }
            (None, None) => Err("expected \"app\" or \"pod\"".to_owned()),
        }
    }
}

/// A problem of an application, with so much of its name that the problem is still read.
fn of(application: &str, problem: &str) -> String {
    format!("{}: {problem}", clip(application, MAX_REMOTE_CHARS / 2))
}

/// More than an agent of /state may have counts as that: no agent holds it, and it must not hide what else is queued. (A memory in
/// bytes, where megabytes are meant, is such an amount.)
fn amounts(written: &PerKind<Option<f64>>) -> Result<Resources, String> {
    if let Some(missing) = ALWAYS_WRITTEN.into_iter().find(|kind| written[*kind].is_none()) {
        return Err(format!("missing field `{missing}`"));
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
