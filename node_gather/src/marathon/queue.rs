//! Reads Marathon's `/v2/queue`: how many instances of which applications are queued, the resources of one, and what keeps
//! them from starting.
//!
//! The queue also holds applications whose instances crash. These back off, and more agents would not help them.
//! `delay.timeLeftSeconds` identifies them; `delay.overdue` does not (it was wrong in some releases).

use std::io::Read;

use jiff::Timestamp;
use serde::de::{MapAccess, SeqAccess};
use shared::contract::TaskGroup;
use shared::resources::{Amount, Kind, Resources};
use thiserror::Error;

use super::constraints::Constraints;
use super::json::{
    Each, Field, Lenient, Loose, MAX_ODD, Malformed, Name, Once, Partly, UNKNOWN, fields, items, only, read,
};
use super::ports::{AppPorts, Ports};
use crate::mesos::state::MAX_UNITS;

/// The maximum size of an answer: some thousand queued applications with their definitions.
pub const MAX_BYTES: usize = 8 << 20;

/// Marathon's own limit of a number of instances.
const MAX_COUNT: f64 = i32::MAX as f64;

/// The reasons of declines for a role or a constraint, which Marathon names before any resource that is short.
const FOR_CONSTRAINTS: [&str; 2] = ["UnfulfilledRole", "UnfulfilledConstraint"];

/// The reason of a decline where all instances wait for the agents that hold their reservations: those that wait for none are declined for
/// resources.
const FOR_RESERVATION: &str = "NoCorrespondingReservationFound";

/// The reason of a decline where ports are missing, and no other resource is: Marathon names the first reason in an order of its own, in
/// which these are last.
const FOR_PORTS: &str = "InsufficientPorts";

/// The reason of a decline of an agent with gpus that Marathon leaves to applications that need some (`--gpu_scheduling_behavior restricted`).
const FOR_GPUS: &str = "DeclinedScarceResources";

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
    /// Since when they are queued, if that is known.
    pub since: Option<Timestamp>,
    /// Whether its launches are put off because instances failed.
    pub backs_off: bool,
    /// Its placement constraints, and whether it needs a fixed host port.
    pub constraints: Constraints,
    /// The roles whose resources it accepts; empty where the answer does not say.
    pub accepted_roles: Vec<String>,
    /// Why Marathon declined the last offers.
    pub declines: Declines,
    /// Whether it declined one since it leaves agents with gpus to others.
    pub is_kept_off_gpus: bool,
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
    /// Each for its role or its constraints, none for lack of resources; or one for its fixed host port alone.
    ForConstraints,
    /// At least one because the agent does not hold a reservation that the instances have, none for lack of resources.
    ForReservation,
    /// At least one for lack of resources, or for a reason that this release does not know.
    ForResources,
}

impl QueuedInstances {
    /// At least one instance of an entry that cannot be read.
    fn odd(problem: String, since: Option<Timestamp>) -> Self {
        Self { application: UNKNOWN.to_owned(), instances: 1, odd: Some(Odd { problem, since }), ..Self::default() }
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
    let add = |(queued, odd): &mut (Vec<QueuedInstances>, usize), Lenient(entry): Lenient<Entry>| {
        let unread = |problem| Entry(Some(QueuedInstances::odd(format!("entry: {problem}"), None)));
        let Entry(entry) = entry.unwrap_or_else(unread);
        if let Some(problem) = entry.as_ref().and_then(|entry| Some(&entry.odd.as_ref()?.problem)) {
            *odd += 1;
            if *odd > MAX_ODD {
                return Err(format!("more than {MAX_ODD} entries cannot be read, such as one with {problem}"));
            }
        }
        queued.extend(entry);
        Ok(())
    };
    let queued = read(body, MAX_BYTES, Field("queue", Each::new((Vec::new(), 0), add)));
    let (queued, _) = queued.ok_or(QueueError::TooLarge)?.map_err(QueueError::Json)?;
    Ok(queued)
}

/// The instances of an entry; `None` where there are none.
struct Entry(Option<QueuedInstances>);

impl Loose for Entry {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut count, mut delay, mut since) = (Once::new("count"), Once::new("delay"), Once::new("since"));
        let (mut app, mut pod, mut summary) = (Once::new("app"), Once::new("pod"), Once::new("processedOffersSummary"));
        fields(object, &mut [&mut count, &mut delay, &mut since, &mut app, &mut pod, &mut summary])?;
        let count = count.required().and_then(instances);
        if count == Ok(0) {
            return Ok(Ok(Self(None)));
        }
        let instances = count.as_ref().map_or(1, |count| *count);
        let Spec { application, queued } = Spec::either(app, pod).unwrap_or_else(Spec::unknown);
        let queued = count.and_then(|_| {
            let Delay(seconds_left) = delay.required()?;
            let Summary(rejects) = summary.or_default()?;
            let queued = queued?;
            let declines = rejects.declines(queued.constraints.has_fixed_port());
            Ok(QueuedInstances { backs_off: seconds_left > 0.0, declines, is_kept_off_gpus: rejects.gpus, ..queued })
        });
        let since = since.required().ok();
        let queued = queued.unwrap_or_else(|problem| QueuedInstances::odd(problem, since));
        Ok(Ok(Self(Some(QueuedInstances { application, instances, since, ..queued }))))
    }
}

fn instances(count: f64) -> Result<u32, String> {
    let is_count = count.fract() == 0.0 && (0.0..=MAX_COUNT).contains(&count);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number in range")]
    is_count
        .then_some(count as u32)
        .ok_or_else(|| format!("count: got {count:?}, expected a whole number from 0 to {MAX_COUNT}"))
}

/// Its `timeLeftSeconds`.
struct Delay(f64);

impl Loose for Delay {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        Ok(only("timeLeftSeconds", object)?.required().map(Self))
    }
}

/// Its `rejectSummaryLastOffers`.
#[derive(Default)]
struct Summary(Rejects);

impl Loose for Summary {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        Ok(only("rejectSummaryLastOffers", object)?.or_default().map(Self))
    }
}

/// For what offers were declined.
#[derive(Default)]
struct Rejects {
    constraints: bool,
    reservation: bool,
    ports: bool,
    gpus: bool,
    resources: bool,
}

impl Rejects {
    fn add(&mut self, reason: &str) {
        match reason {
            FOR_PORTS => self.ports = true,
            FOR_RESERVATION => self.reservation = true,
            FOR_GPUS => self.gpus = true,
            reason if FOR_CONSTRAINTS.contains(&reason) => self.constraints = true,
            _ => self.resources = true,
        }
    }

    /// What they are for an application with a fixed host port, or without one. An offer that is declined for ports has room, and a
    /// fixed port is another instance's for as long as that runs.
    const fn declines(&self, has_fixed_port: bool) -> Declines {
        match self {
            Self { ports: true, .. } if has_fixed_port => Declines::ForConstraints,
            Self { ports: true, .. } | Self { gpus: true, .. } | Self { resources: true, .. } => Declines::ForResources,
            Self { reservation: true, .. } => Declines::ForReservation,
            Self { constraints: true, .. } => Declines::ForConstraints,
            Self { constraints: false, .. } => Declines::None,
        }
    }
}

/// The declined offers of all reasons.
impl Loose for Rejects {
    const EXPECTED: &'static str = "a list";
    fn of_list<'de, S: SeqAccess<'de>>(list: S) -> Result<Result<Self, String>, S::Error> {
        let mut rejects = Self::default();
        let all = items(list, |Reject { reason: Name(reason), declined }| {
            if declined > 0.0 {
                rejects.add(&reason);
            }
        })?;
        Ok(all.map(|()| rejects))
    }
}

/// The declined offers of one reason.
struct Reject {
    reason: Name,
    declined: f64,
}

impl Loose for Reject {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut reason, mut declined) = (Once::new("reason"), Once::new("declined"));
        fields(object, &mut [&mut reason, &mut declined])?;
        Ok(reason.required().and_then(|reason| Ok(Self { reason, declined: declined.or_default()? })))
    }
}

/// What is queued. The application is known although another field cannot be read.
struct Spec {
    application: String,
    queued: Result<QueuedInstances, String>,
}

impl Spec {
    fn either(app: Once<App>, pod: Once<Pod>) -> Result<Self, String> {
        if let Some(App(spec)) = app.optional()? {
            return Ok(spec);
        }
        let Pod(spec) = pod.optional()?.ok_or("neither \"app\" nor \"pod\", expected one of them")?;
        Ok(spec)
    }

    fn new(id: Result<Name, String>, queued: impl FnOnce() -> Result<QueuedInstances, String>) -> Self {
        match id {
            Ok(Name(application)) => Self { application, queued: queued() },
            Err(problem) => Self::unknown(problem),
        }
    }

    fn unknown(problem: String) -> Self {
        Self { application: UNKNOWN.to_owned(), queued: Err(problem) }
    }
}

struct App(Spec);

impl Loose for App {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut id, mut amounts) = (Once::new("id"), amounts());
        let (mut constraints, mut roles) = (Once::new("constraints"), Once::new("acceptedResourceRoles"));
        let mut ports = AppPorts::new();
        let [cpus, mem, disk, gpus] = &mut amounts;
        let AppPorts { require_ports, definitions, numbers, container } = &mut ports;
        fields(
            object,
            &mut [
                &mut id,
                cpus,
                mem,
                disk,
                gpus,
                &mut constraints,
                &mut roles,
                require_ports,
                definitions,
                numbers,
                container,
            ],
        )?;
        let id = id.required().map_err(|problem| format!("app.{problem}"));
        Ok(Ok(Self(Spec::new(id, || {
            let tasks = vec![TaskGroup { count: 1, resources: resources(amounts)? }];
            let constraints = Partly::in_field(constraints).and(ports.fixed(), Constraints::with_fixed_port).whole()?;
            let Roles(accepted_roles) = roles.or_default()?;
            Ok(QueuedInstances { tasks, constraints, accepted_roles, ..QueuedInstances::default() })
        }))))
    }
}

struct Pod(Spec);

impl Loose for Pod {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut id, mut containers) = (Once::new("id"), Once::new("containers"));
        let (mut executor, mut scheduling) = (Once::new("executorResources"), Once::new("scheduling"));
        fields(object, &mut [&mut id, &mut containers, &mut executor, &mut scheduling])?;
        let id = id.required().map_err(|problem| format!("pod.{problem}"));
        Ok(Ok(Self(Spec::new(id, || {
            let Containers { mut groups, ports } = containers.required()?;
            if groups.is_empty() {
                return Err("containers: got an empty list, expected at least one".to_owned());
            }
            if let Some(resources) = executor.optional()? {
                groups.push(TaskGroup { count: 1, resources });
            }
            let Scheduling(Placement { constraints, roles: Roles(accepted_roles) }) = scheduling.or_default()?;
            let tasks = TaskGroup::merged(groups);
            let constraints = constraints.with_fixed_port(ports == Ports::Fixed);
            Ok(QueuedInstances { tasks, constraints, accepted_roles, ..QueuedInstances::default() })
        }))))
    }
}

/// Its `placement`.
#[derive(Default)]
struct Scheduling(Placement);

impl Loose for Scheduling {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        Ok(only("placement", object)?.or_default().map(Self))
    }
}

#[derive(Default)]
struct Placement {
    constraints: Constraints,
    roles: Roles,
}

impl Loose for Placement {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut constraints, mut roles) = (Once::new("constraints"), Once::new("acceptedResourceRoles"));
        fields(object, &mut [&mut constraints, &mut roles])?;
        let constraints = Partly::in_field(constraints).whole();
        Ok(constraints.and_then(|constraints| Ok(Self { constraints, roles: roles.or_default()? })))
    }
}

#[derive(Default)]
struct Roles(Vec<String>);

impl Loose for Roles {
    const EXPECTED: &'static str = "a list";
    fn of_list<'de, S: SeqAccess<'de>>(list: S) -> Result<Result<Self, String>, S::Error> {
        let mut roles = Vec::new();
        let all = items(list, |Name(role)| {
            roles.extend(Some(role).filter(|_| roles.len() < MAX_ROLES));
        })?;
        Ok(all.map(|()| Self(roles)))
    }
}

/// The containers of a pod.
struct Containers {
    /// With equal ones counted.
    groups: Vec<TaskGroup>,
    ports: Ports,
}

/// How many groups of containers are kept before equal ones are merged.
const MAX_GROUPS: usize = 1000;

impl Loose for Containers {
    const EXPECTED: &'static str = "a list";
    fn of_list<'de, S: SeqAccess<'de>>(list: S) -> Result<Result<Self, String>, S::Error> {
        let (mut groups, mut all_ports) = (Vec::new(), Ports::None);
        let all = items(list, |Container { resources, ports }| {
            all_ports = all_ports.max(ports);
            groups.push(TaskGroup { count: 1, resources });
            if groups.len() == MAX_GROUPS {
                groups = TaskGroup::merged(std::mem::take(&mut groups));
            }
        })?;
        Ok(all.map(|()| Self { groups, ports: all_ports }))
    }
}

/// Its `resources` and `endpoints`.
struct Container {
    resources: Resources,
    ports: Ports,
}

impl Loose for Container {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let (mut resources, mut endpoints) = (Once::new("resources"), Once::new("endpoints"));
        fields(object, &mut [&mut resources, &mut endpoints])?;
        let whole = resources.required();
        Ok(whole.and_then(|resources| Ok(Self { resources, ports: Partly::in_field(endpoints).whole()? })))
    }
}

impl Loose for Resources {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let mut amounts = amounts();
        let [cpus, mem, disk, gpus] = &mut amounts;
        fields(object, &mut [cpus, mem, disk, gpus])?;
        Ok(resources(amounts))
    }
}

type Amounts = [Once<f64>; Kind::ALL.len()];

fn amounts() -> Amounts {
    Kind::ALL.map(|kind| Once::new(kind.name()))
}

/// More than an agent of /state may have counts as that: no agent holds it, and it must not hide what else is queued. (A memory in
/// bytes, where megabytes are meant, is such an amount.)
fn resources(amounts: Amounts) -> Result<Resources, String> {
    let mut resources = Resources::ZERO;
    for (kind, amount) in Kind::ALL.into_iter().zip(amounts) {
        // Marathon always writes the first two; gpus only since version 1.3.
        let value = match kind {
            Kind::Cpus | Kind::Mem => amount.required()?,
            Kind::Disk | Kind::Gpus => amount.or_default()?,
        };
        let amount = Amount::from_units(value.min(MAX_UNITS)).filter(|_| value >= 0.0);
        *resources.get_mut(kind) = amount.ok_or_else(|| format!("got {value:?} {kind}, expected 0 or more"))?;
    }
    Ok(resources)
}

#[cfg(test)]
mod tests;
