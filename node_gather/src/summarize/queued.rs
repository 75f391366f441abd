//! Assigns queued instances to a pool and an application, and leaves out those that no agent would help.
//!
//! Where Marathon declines every offer for constraints, agents with room prove that room is not what is missing. Constraints on
//! attributes are compared with the values that agents of the pool have: they leave places for so many instances in all. While
//! a new agent may have a place, one instance counts: its room is kept, so that the same agent is not bought and removed again and
//! again.
//!
//! An entry counts in a pool that can serve it: its constraints and roles do not exclude the pool's agents, and a new agent
//! or one of the pool's holds an instance. A pool comes first where an agent has the values that its constraints ask for. Of
//! several, the pool where the application has most tasks; else the first without `attributes`, which any agent may belong to;
//! else the first of the configuration.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::{AgentShape, NotCounted, TaskGroup};
use shared::count::saturated;
use shared::resources::Resources;
use shared::text::{MAX_REMOTE_CHARS, clip};
use shared::time;

use super::Share;
use super::applications::{Applications, Key};
use super::interned::OTHER;
use super::roles::is_within;
use super::values::AgentValues;
use crate::marathon::constraints::Contradiction;
use crate::marathon::queue::{Declines, QueuedInstances};

/// The role of unreserved resources.
const UNRESERVED: &str = "*";

/// How many entries that do not count are listed.
const MAX_LISTED: usize = 50;

/// After how long a note names instances that wait beside room.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// For how long instances that find a place are left to Marathon: it makes hundreds of offers in that time.
const SOON: SignedDuration = SignedDuration::from_mins(3);

/// How much of an application's roles a reason repeats.
const MAX_SHOWN_CHARS: usize = 50;

/// The pools, and what becomes of the queue in each.
#[derive(Debug)]
pub(super) struct Servers<'s> {
    pub(super) policies: &'s [Arc<Policy>],
    /// The usable agents of each pool.
    pub(super) shapes: &'s [Vec<AgentShape>],
    /// The attributes of the agents of each pool, and the zones of its group.
    pub(super) values: &'s [(Arc<AgentValues>, Vec<String>)],
    /// The largest part of the agents of each pool that no role has reserved, kind by kind; `None` without agents.
    pub(super) unreserved: &'s [Option<Resources>],
    /// The most agents that each pool may have; `None` where that is not known.
    pub(super) most: &'s [Option<u32>],
}

/// Marathon, as the state shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scheduler<'a> {
    /// The name of its framework, for applications without tasks.
    pub(super) framework: &'a str,
    /// Whether it is offered agents with gpus.
    pub(super) gpu_aware: bool,
}

/// How well a pool can serve an instance, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Service {
    /// No agent there holds it, not even an empty or a new one.
    TooLarge,
    /// No agent shows what an agent there has.
    Unknown,
    /// An agent there holds it, when it is empty.
    Holds,
}

/// Where instances count, or why they do not.
struct Assigned<'a> {
    pool: usize,
    key: Key<'a>,
    left_out: Option<LeftOut>,
}

/// Why instances do not count.
struct LeftOut {
    /// How many of the entry count nevertheless.
    but: u32,
    reason: String,
    /// H7: whether they are demand all the same: a pause of their scheduler is no less of it.
    is_demand: bool,
    /// Whether nothing shows why those that count do not start.
    is_unexplained: bool,
}

/// The queued instances of a pool that do not count.
#[derive(Clone, Debug, Default)]
pub(super) struct Uncounted {
    /// For its snapshot.
    pub(super) listed: Vec<NotCounted>,
    /// For which room is kept although agents with room decline it.
    pub(super) note: Option<String>,
    /// H7: those that are demand.
    pub(super) demand: Vec<TaskGroup>,
}

impl From<String> for LeftOut {
    fn from(reason: String) -> Self {
        Self { but: 0, reason, is_demand: false, is_unexplained: false }
    }
}

impl Servers<'_> {
    /// Adds the queued instances to the applications of the pools. Those that do not count are returned by pool.
    pub(super) fn count_in<'a>(
        &self,
        applications: &mut [Applications<'a>],
        queued: &'a [QueuedInstances],
        scheduler: Scheduler<'a>,
        taken_at: Timestamp,
    ) -> Vec<Uncounted> {
        // Sorted, because the order of the queue has no meaning.
        let mut queued: Vec<&QueuedInstances> = queued.iter().collect();
        queued.sort_unstable();
        // First all places, then all counts: a counted application must not seem to have tasks.
        let mut assigned: Vec<Assigned<'a>> =
            queued.iter().map(|&queued| self.assign(applications, queued, scheduler, taken_at)).collect();
        self.keep_room_for_one(&queued, &mut assigned);
        let mut not_counted: Vec<BTreeMap<(&str, String), u32>> = vec![BTreeMap::new(); self.policies.len()];
        let mut demand: Vec<Vec<TaskGroup>> = vec![Vec::new(); self.policies.len()];
        let mut notes: Vec<Option<String>> = vec![None; self.policies.len()];
        for (queued, Assigned { pool, key, left_out }) in queued.into_iter().zip(assigned) {
            let counted = left_out.as_ref().map_or(queued.instances, |left_out| left_out.but.min(queued.instances));
            if let Some(applications) = applications.get_mut(pool).filter(|_| counted > 0) {
                applications.add_queued(key, queued, counted);
            }
            // Where all of them count, no list has the reason why agents with room decline them.
            let is_listed = counted < queued.instances || !queued.constraints.are_on_attributes();
            match (&left_out, notes.get_mut(pool)) {
                (Some(LeftOut { is_unexplained, reason, .. }), Some(note))
                    if *is_unexplained || !is_listed && note.is_none() =>
                {
                    *note = Some(room_is_kept(&queued.application, reason));
                }
                (None, Some(note @ None)) => {
                    let reason = self.beside_room(pool, queued, key.gpu_aware, taken_at);
                    *note = reason.map(|reason| room_is_kept(&queued.application, &reason));
                }
                _ => {}
            }
            let demand = demand.get_mut(pool);
            if let (Some(LeftOut { is_demand: true, .. }), Some(demand)) = (&left_out, demand) {
                demand.push(TaskGroup { count: queued.instances - counted, resources: queued.resources() });
            }
            if let (Some(LeftOut { reason, .. }), Some(not_counted)) = (left_out, not_counted.get_mut(pool))
                && counted < queued.instances
            {
                let sum = not_counted.entry((&queued.application, reason)).or_insert(0);
                *sum = sum.saturating_add(queued.instances - counted);
            }
        }
        let left_out = |((not_counted, note), demand)| Uncounted { listed: listed(not_counted), note, demand };
        not_counted.into_iter().zip(notes).zip(demand).map(left_out).collect()
    }

    fn assign<'a>(
        &self,
        applications: &[Applications<'a>],
        queued: &'a QueuedInstances,
        scheduler: Scheduler<'a>,
        taken_at: Timestamp,
    ) -> Assigned<'a> {
        let gpu_aware = scheduler.gpu_aware && !queued.is_kept_off_gpus;
        let new = Key { framework: scheduler.framework, name: &queued.application, gpu_aware };
        let own = |pool: usize| {
            let (key, tasks) = applications.get(pool)?.of_marathon(&queued.application)?;
            Some((Key { gpu_aware: key.gpu_aware && !queued.is_kept_off_gpus, ..key }, tasks))
        };
        let instance = queued.resources();
        let rank = |pool: usize, policy: &Policy| {
            let (key, tasks) = own(pool).unwrap_or((new, 0));
            let service = match self.service(pool, policy, &instance, key.gpu_aware) {
                // It served instances of the application before.
                Service::Unknown if tasks > 0 => Service::Holds,
                service => service,
            };
            (self.has_values(pool, queued), service, tasks, policy.attributes.is_empty(), Reverse(pool))
        };
        let all = || self.policies.iter().enumerate();
        let best = all()
            .filter(|(pool, policy)| self.excluded(queued, *pool, policy).is_none())
            .max_by_key(|(pool, policy)| rank(*pool, policy));
        let nearest = || {
            all().max_by_key(|(pool, policy)| {
                (own(*pool).map_or(0, |(_, tasks)| tasks), policy.attributes.is_empty(), Reverse(*pool))
            })
        };
        let Some((pool, policy)) = best.or_else(nearest) else {
            return Assigned { pool: 0, key: new, left_out: None };
        };
        let (key, tasks) = own(pool).unwrap_or((new, 0));
        let left_out = if let Some(odd) = &queued.odd {
            Some(format!("its entry in Marathon's queue cannot be read: {}", odd.problem).into())
        } else if !policy.settings_of(&queued.application).count_queued {
            Some("count_queued = false".to_owned().into())
        } else if let Some(reason) = self.excluded(queued, pool, policy) {
            Some(reason.into())
        } else if queued.backs_off {
            let settings = policy.settings_of(&queued.application);
            let is_demand = settings.daemon != Some(true) && settings.headroom_percent.is_none();
            let reason = "its instances failed, and Marathon backs off".to_owned();
            Some(LeftOut { is_demand, ..LeftOut::from(reason) })
        } else if queued.declines == Declines::ForReservation {
            Some("it waits for the agent that holds its reservation or volume, and no other helps".to_owned().into())
        } else if let Some(left_out) = self.on_one_agent(pool, queued, tasks, key.gpu_aware) {
            Some(left_out)
        } else if queued.declines == Declines::ForConstraints {
            self.without_place(pool, queued, tasks).or_else(|| {
                let but = self.with_other_hosts(pool, queued, tasks, key.gpu_aware);
                let is_unexplained = but > 0 && queued.constraints.say_nothing_of_places();
                let has_room = self.has_room(pool, &instance, key.gpu_aware);
                // Agents with a matching name may never come, whether there is room or not.
                (has_room || queued.constraints.ask_for_names()).then(|| LeftOut {
                    but,
                    is_unexplained,
                    ..LeftOut::from(declined(queued, has_room))
                })
            })
        } else if self.starts_soon(pool, queued, tasks, key.gpu_aware, taken_at) {
            let reason = "queued for less than three minutes, and agents have places for all of them".to_owned();
            Some(LeftOut { is_demand: true, ..LeftOut::from(reason) })
        } else {
            None
        };
        Assigned { pool, key, left_out }
    }

    /// Whether instances of which an agent may hold only so many were queued a moment ago, and there are places for all of them beside
    /// those that run, wherever these are. Which agents hold none is not told to H12, which would have an empty one for each.
    fn starts_soon(
        &self,
        pool: usize,
        queued: &QueuedInstances,
        running: u32,
        gpu_aware: bool,
        taken_at: Timestamp,
    ) -> bool {
        let is_new = queued.since.is_some_and(|since| taken_at.duration_since(since) < SOON);
        let instances = running.saturating_add(queued.instances);
        let on_each = queued.constraints.most_per_agent(instances).filter(|_| is_new);
        let Some(on_each) = on_each else { return false };
        instances <= self.agents_with_room(pool, queued, gpu_aware).saturating_mul(on_each)
    }

    /// Why instances are named that have waited for an hour beside an agent with room, as far as what it offers is known.
    fn beside_room(
        &self,
        pool: usize,
        queued: &QueuedInstances,
        gpu_aware: bool,
        taken_at: Timestamp,
    ) -> Option<String> {
        let since = queued.since.filter(|since| taken_at.duration_since(*since) >= LONG)?;
        let why = match queued.declines {
            Declines::None => {
                "Marathon declined no offer: check whether Marathon is connected, and the quota of its role in Mesos"
            }
            Declines::ForResources => {
                "Marathon declined its last offers for resources: check the ports, volumes, and reservations that it needs"
            }
            Declines::ForConstraints | Declines::ForReservation => return None,
        };
        let has_room = self.has_room(pool, &queued.resources(), gpu_aware);
        has_room.then(|| format!("queued since {}, an agent has room, and {why}", time::format(since)))
    }

    /// Of the entries of a pool that count although nothing shows why agents with room decline them, the largest alone counts: any
    /// other one that an agent helps takes its room.
    fn keep_room_for_one(&self, queued: &[&QueuedInstances], assigned: &mut [Assigned<'_>]) {
        for pool in 0..self.policies.len() {
            let whole = Resources::largest(self.shapes_of(pool).iter().map(|shape| shape.total));
            let own = queued.iter().zip(assigned.iter_mut()).filter_map(|(queued, assigned)| {
                let left_out = assigned.left_out.as_mut().filter(|left_out| left_out.is_unexplained);
                Some((Share::largest(&queued.resources(), &whole), left_out.filter(|_| assigned.pool == pool)?))
            });
            let mut own: Vec<(Share, &mut LeftOut)> = own.collect();
            own.sort_by_key(|(size, _)| Reverse(*size));
            for (_, left_out) in own.into_iter().skip(1) {
                (left_out.but, left_out.is_unexplained) = (0, false);
            }
        }
    }

    /// Why no agent of the pool can run the instances, even with room for them.
    fn excluded(&self, queued: &QueuedInstances, pool: usize, policy: &Policy) -> Option<String> {
        if let Some(constraint) = queued.constraints.contradicts(&policy.attributes) {
            return Some(format!("no agent of the pool meets its constraint {constraint}"));
        }
        let accepted = &queued.accepted_roles;
        let is_available = |role: &String| role == UNRESERVED || is_within(&policy.role, role);
        if !accepted.is_empty() && !accepted.iter().any(is_available) {
            let roles = clip(&accepted.join(", "), MAX_SHOWN_CHARS);
            return Some(format!("it accepts only resources that are reserved for {roles}"));
        }
        // What agents have reserved for the pool's role is no room for it.
        let accepts_unreserved_alone = !accepted.is_empty() && accepted.iter().all(|role| role == UNRESERVED);
        let unreserved = self.unreserved.get(pool).copied().flatten().filter(|_| policy.role != UNRESERVED)?;
        (accepts_unreserved_alone && !queued.resources().fits_in(&unreserved))
            .then(|| "it accepts only unreserved resources, of which no agent of the pool has enough".to_owned())
    }

    /// How many instances of an entry count that agents with room decline, where so many of its tasks run: a new agent may have a value
    /// or a name that no other has, or hold the instance that these may not (H12).
    fn with_other_hosts(&self, pool: usize, queued: &QueuedInstances, running: u32, gpu_aware: bool) -> u32 {
        let of_attributes = u32::from(queued.constraints.are_on_attributes());
        let settings = self.policies.get(pool).map(|policy| policy.settings_of(&queued.application));
        let is_daemon = settings.and_then(|settings| settings.daemon);
        let instances = running.saturating_add(queued.instances);
        let Some(on_each) = queued.constraints.most_per_agent(instances) else {
            return if is_daemon == Some(true) { of_attributes } else { 1 };
        };
        let Some(Some(most)) = self.most.get(pool) else { return of_attributes };
        let hosts = instances.div_ceil(on_each);
        if is_daemon.unwrap_or(hosts > *most) {
            return of_attributes;
        }
        // Full agents are offered no instance, so they are none of those that decline.
        let agents = self.agents_with_room(pool, queued, gpu_aware);
        let is_everywhere = running >= agents.saturating_mul(on_each);
        if is_everywhere && of_attributes == 0 { queued.instances } else { 1 }
    }

    /// Why instances do not count that one agent is to hold together: it holds no more of them, or where so many run, no other agent helps.
    fn on_one_agent(&self, pool: usize, queued: &QueuedInstances, running: u32, gpu_aware: bool) -> Option<LeftOut> {
        let constraint = queued.constraints.on_one_agent_together()?;
        if running > 0 {
            return Some(
                format!("its instances run on one agent by its constraint {constraint}, and no other helps").into(),
            );
        }
        let instance = queued.resources();
        let most = |rooms: &mut dyn Iterator<Item = Resources>| rooms.map(|room| instance.times_in(&room)).max();
        let with_room = most(&mut self.shapes_with_room(pool, instance, gpu_aware).map(|shape| shape.free));
        let shapes = self.shapes_of(pool).iter().filter(|shape| takes(&shape.total, gpu_aware));
        let new = self.policies.get(pool).and_then(|policy| policy.new_agent);
        let most = with_room.or_else(|| most(&mut shapes.map(|shape| shape.unreserved).chain(new)))?;
        // Where none holds one, H5 says so.
        let but = saturated(most);
        (1..queued.instances).contains(&but).then(|| LeftOut {
            but,
            ..LeftOut::from(format!("one agent is to hold all by its constraint {constraint}, and holds {but}"))
        })
    }

    /// Why the values of attributes that agents of the pool have leave no place for an instance, where so many run there.
    fn without_place(&self, pool: usize, queued: &QueuedInstances, running: u32) -> Option<LeftOut> {
        let (most, constraint) = self.most_by_values(pool, queued)?;
        (running >= most).then(|| {
            let reason = if most == 0 {
                format!("no agent of the pool meets its constraint {constraint}")
            } else {
                format!("{running} instances run, and the agents of the pool have places for {most} by its constraint {constraint}")
            };
            LeftOut::from(reason)
        })
    }

    /// How many instances the values of attributes that agents of the pool have leave places for in all, and the constraint that says so.
    fn most_by_values<'q>(&self, pool: usize, queued: &'q QueuedInstances) -> Option<(u32, Contradiction<'q>)> {
        let (values, zones) = self.values.get(pool)?;
        queued.constraints.most_instances(|field| values.possible(field, zones))
    }

    /// Whether an agent of the pool has the values that the instances ask for, if they ask for any.
    fn has_values(&self, pool: usize, queued: &QueuedInstances) -> bool {
        let has_agents = self.values.get(pool).is_some_and(|(values, _)| values.has_agents());
        let has_values = || self.most_by_values(pool, queued).is_none_or(|(most, _)| most > 0);
        !queued.constraints.ask_for_values() || (has_agents && has_values())
    }

    fn service(&self, pool: usize, policy: &Policy, instance: &Resources, gpu_aware: bool) -> Service {
        // A new agent by setting has no reservations.
        let new = policy.new_agent.map(|resources| (resources, resources));
        let existing = self.shapes_of(pool).iter().map(|shape| (shape.total, shape.unreserved));
        let mut services = new.into_iter().chain(existing).map(|(total, unreserved)| {
            if takes(&total, gpu_aware) && instance.fits_in(&unreserved) { Service::Holds } else { Service::TooLarge }
        });
        let first = services.next().unwrap_or(Service::Unknown);
        services.fold(first, Service::max)
    }

    /// Whether a usable agent has room for an instance now.
    fn has_room(&self, pool: usize, instance: &Resources, gpu_aware: bool) -> bool {
        self.shapes_with_room(pool, *instance, gpu_aware).next().is_some()
    }

    fn agents_with_room(&self, pool: usize, queued: &QueuedInstances, gpu_aware: bool) -> u32 {
        let shapes = self.shapes_with_room(pool, queued.resources(), gpu_aware);
        shapes.fold(0, |sum, shape| sum.saturating_add(shape.count))
    }

    fn shapes_with_room(&self, pool: usize, instance: Resources, gpu_aware: bool) -> impl Iterator<Item = &AgentShape> {
        let holds = move |shape: &&AgentShape| takes(&shape.total, gpu_aware) && instance.fits_in(&shape.free);
        self.shapes_of(pool).iter().filter(holds)
    }

    fn shapes_of(&self, pool: usize) -> &[AgentShape] {
        self.shapes.get(pool).map_or(&[], Vec::as_slice)
    }
}

/// The entries that do not count: the largest, and one for the others, so that a message has room for them.
fn listed(entries: BTreeMap<(&str, String), u32>) -> Vec<NotCounted> {
    let entry = |((application, reason), queued): ((&str, String), u32)| NotCounted {
        application: clip(application, MAX_REMOTE_CHARS),
        queued,
        reason,
    };
    let mut listed: Vec<NotCounted> = entries.into_iter().map(entry).collect();
    if listed.len() > MAX_LISTED {
        listed.sort_by_key(|entry| Reverse(entry.queued));
        let others = listed.split_off(MAX_LISTED);
        let queued = others.iter().fold(0, |sum: u32, entry| sum.saturating_add(entry.queued));
        listed.sort();
        let reason = format!("{} more entries of the queue do not count", others.len());
        listed.push(NotCounted { application: OTHER.to_owned(), queued, reason });
    }
    listed
}

/// Mesos offers agents with gpus only to frameworks that know of gpus.
fn takes(total: &Resources, gpu_aware: bool) -> bool {
    gpu_aware || total.gpus.is_zero()
}

/// A note that an instance counts, although nothing shows that another agent will help.
fn room_is_kept(application: &str, reason: &str) -> String {
    let name = clip(application, MAX_REMOTE_CHARS);
    format!(
        "{name}: {reason}; room for an instance is kept for as long as one waits, \
         and applications.{name:?}.count_queued = false keeps none"
    )
}

/// Marathon says that resources are not what is missing, and an agent with room proves it.
fn declined(queued: &QueuedInstances, has_room: bool) -> String {
    let constraints = queued.constraints.to_string();
    let constraints = if constraints.is_empty() { String::new() } else { format!(" ({constraints})") };
    // Full agents may have declined for resources.
    if queued.constraints.has_fixed_port() {
        return format!(
            "agents have room, but Marathon declined their last offers for constraints, ports, roles, or reservations{constraints}"
        );
    }
    let room = if has_room { ", although an agent has room" } else { "" };
    format!("Marathon declined every last offer for constraints or roles{constraints}{room}")
}
