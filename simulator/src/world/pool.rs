//! The group's instances and their agents.
//!
//! An instance is paid for from its launch until its termination starts. Its agent registers after the boot time, and is gone,
//! with its tasks, when the termination starts.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster::group::{Group, Hook, Instance, Lifecycle};
use cluster::{Agent, Capacity, Cluster, Connection, Mode, Operation};
use jiff::{SignedDuration, Timestamp};
use node_scale::group_tags::TagChange;
use shared::count::saturated;
use shared::random::SplitMix64;
use shared::resources::Resources;

use super::events::{Event, Events};
use super::faults::{self, Fate, Later, Replacement};
use super::{BEFORE, Concern};
use crate::fault::{Fault, Faults};
use crate::measure::Levels;
use crate::setup::{Launches, Setup};
use crate::{HOUR, Millis, SECOND};

/// How long the tasks of a draining agent take to end.
pub(super) const DRAIN_TIME: Millis = 10 * SECOND;

/// The zones of the group.
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// A boot takes between three quarters and five quarters of the given time.
const BOOT_PERCENT: std::ops::RangeInclusive<u64> = 75..=125;

/// How far back the group knows its activities. The stage reads those of the last hour and those within `join_timeout`.
const HISTORY: SignedDuration = SignedDuration::from_hours(3);

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) cluster: Cluster,
    pub(super) group: Group,
    /// The launches whose agents have not registered, by the number of the launch: their instances.
    pub(super) booting: BTreeMap<u64, String>,
    /// The agents by their instances.
    pub(super) agents: BTreeMap<String, u32>,
    /// Since when the master has not heard from agents.
    pub(super) absent: BTreeMap<u32, Millis>,
    /// Those of them that it has given up.
    pub(super) away: BTreeMap<u32, Agent>,
    /// Launches whose agents never register.
    pub(super) unfit: BTreeMap<u64, Replacement>,
    /// What a new instance has, and what those have whose agents have not registered.
    pub(super) new_agent: Capacity,
    types: BTreeMap<u64, Capacity>,
    /// How many stopped instances the warm pool keeps.
    warm: usize,
    /// How all launches go.
    usual: Launches,
    /// What went wrong with launches since it was asked last.
    pub(super) struck: Vec<Fault>,
    launches: u64,
    boot: Millis,
    seed: u64,
    forgotten: Millis,
    /// What [`Pool::count`] counted, as long as it is true.
    pub(super) levels: Option<Levels>,
}

impl Pool {
    /// A group without instances.
    pub(super) fn new(setup: &Setup, seed: u64) -> Self {
        let start = setup.workload.start;
        let elected_at = ago(start, BEFORE);
        let unit = setup.place.unit();
        let units = |agents: u32, more: u32| i32::try_from(agents.saturating_mul(unit) + more).unwrap_or(i32::MAX);
        // A maximum in units need not be one of whole instances.
        let mut group = Group::new(&setup.place.group, units(setup.min, 0), units(setup.max, unit / 2), &ZONES);
        group.weight = unit;
        // An instance is in service long before its agent has registered, one of the warm pool still earlier.
        group.behavior.launch = Duration::from_millis(setup.boot / 3);
        if setup.place.warm > 0 {
            group.behavior.warm_launch = group.behavior.launch / 2;
        }
        group.behavior.hook = setup.place.launches.hook;
        group.behavior.spot_waits = setup.place.launches.market_from > 0;
        let mut cluster = Cluster::new(elected_at);
        cluster.new_agent = Some(setup.agent.clone());
        Self {
            cluster,
            group,
            booting: BTreeMap::new(),
            agents: BTreeMap::new(),
            absent: BTreeMap::new(),
            away: BTreeMap::new(),
            unfit: BTreeMap::new(),
            new_agent: setup.agent.clone(),
            warm: setup.place.warm,
            usual: setup.place.launches,
            types: BTreeMap::new(),
            struck: Vec::new(),
            launches: 0,
            boot: setup.boot,
            seed,
            forgotten: 0,
            levels: None,
        }
    }

    pub(super) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(super) const fn cluster_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    pub(super) const fn group(&self) -> &Group {
        &self.group
    }

    /// In units of capacity.
    pub(super) fn desired(&self) -> u32 {
        u32::try_from(self.group.desired()).unwrap_or(0)
    }

    /// How many instances are paid for.
    pub(super) fn instances(&self) -> u32 {
        saturated(self.group.instances().iter().filter(|instance| instance.state.is_capacity()).count())
    }

    /// Requested instances that are no agents yet.
    pub(super) fn in_flight(&self) -> u32 {
        let unit = self.group.weight;
        let to_launch = self.desired().saturating_sub(self.instances() * unit).div_ceil(unit);
        saturated(self.booting.len()).saturating_add(to_launch)
    }

    /// Adds an instance whose agent has been registered for that long when the simulation starts. The number of the agent.
    pub(super) fn adopt(&mut self, has: &Capacity, age: Millis, setup: &Setup) -> u32 {
        let since = ago(setup.workload.start, age);
        let number = self.agents.len();
        let id = format!("i-{number:017x}");
        let zone = ZONES.get(number % ZONES.len()).copied().unwrap_or_default();
        self.group.adopt(&id, zone, since);
        self.register_instance(id, zone, has.clone(), since, setup)
    }

    /// Takes over a cluster, with an instance for each of its agents.
    pub(super) fn take_over(&mut self, cluster: &Cluster, setup: &Setup) {
        self.levels = None;
        self.cluster = cluster.clone();
        self.cluster.new_agent.get_or_insert_with(|| setup.agent.clone());
        for (place, agent) in self.cluster.agents_mut().enumerate() {
            let id = format!("i-{place:017x}");
            let zone = ZONES.get(place % ZONES.len()).copied().unwrap_or_default();
            agent.set_instance(&id, zone);
            if agent.connection != Connection::Connected {
                self.absent.insert(agent.number, 0);
            }
            self.group.adopt(&id, zone, ago(setup.workload.start, BEFORE));
            self.agents.insert(id, agent.number);
        }
    }

    fn register_instance(&mut self, id: String, zone: &str, has: Capacity, now: Timestamp, setup: &Setup) -> u32 {
        self.levels = None;
        let mut agent = self.cluster.make_agent(has, now);
        for (name, value) in &setup.place.attributes {
            agent.attributes.set(name, value);
        }
        if self.launches > 0 || self.agents.len() >= setup.place.unnamed {
            agent.set_instance(&id, zone);
        }
        let number = self.cluster.register(agent);
        self.agents.insert(id, number);
        number
    }

    /// Operators make that of an agent.
    pub(super) fn set_mode(&mut self, number: u32, mode: Mode) {
        self.levels = None;
        if let Some(agent) = self.cluster.agent_mut(number) {
            agent.mode = mode;
        }
    }

    /// The agent of a launch registers, if its instance is still there.
    pub(super) fn register(&mut self, launch: u64, now: Timestamp, setup: &Setup) {
        let Some(id) = self.booting.remove(&launch) else { return };
        let instance = self.group.instances().iter().find(|instance| instance.id == id);
        if let Some(instance) = instance {
            let zone = instance.zone.clone();
            let has = self.types.remove(&launch).unwrap_or_else(|| setup.agent.clone());
            self.register_instance(id, &zone, has, now, setup);
        }
    }

    pub(super) fn set_desired(&mut self, desired: u32, now: Timestamp) {
        self.levels = None;
        let within = i32::try_from(desired).unwrap_or(i32::MAX).clamp(self.group.min, self.group.max);
        // Within the limits, and without the cooldown, nothing refuses it.
        let _ = self.group.set_desired(within, false, now);
    }

    /// Whether the instance is now terminating.
    pub(super) fn terminate(&mut self, instance: &str, now: Timestamp) -> bool {
        self.group.terminate_instance(instance, true, now).is_ok()
    }

    pub(super) fn close(&mut self, agents: &[u32], now: Timestamp) -> u32 {
        self.operate(agents, Operation::Deactivate, now)
    }

    pub(super) fn reopen(&mut self, agents: &[u32], now: Timestamp) -> u32 {
        self.operate(agents, Operation::Reactivate, now)
    }

    fn operate(&mut self, agents: &[u32], operation: Operation, now: Timestamp) -> u32 {
        self.levels = None;
        let ids: Vec<String> =
            agents.iter().filter_map(|number| self.cluster.agent(*number)).map(|agent| agent.id.clone()).collect();
        saturated(ids.iter().filter(|id| self.cluster.operate(id, operation, now).is_ok()).count())
    }

    /// Stops the tasks of agents. The agents as they were.
    pub(super) fn drain(&mut self, agents: &[u32], now: Timestamp) -> Vec<Agent> {
        self.operate(agents, Operation::Drain { max_grace_period: None }, now);
        let before: Vec<Agent> = agents.iter().filter_map(|number| self.cluster.agent(*number)).cloned().collect();
        for number in agents {
            if let Some(agent) = self.cluster.agent_mut(*number) {
                agent.end_all();
            }
        }
        before
    }

    pub(super) fn end_draining(&mut self, number: u32) {
        if let Some(agent) = self.cluster.agent_mut(number)
            && let Mode::Draining(drain) = agent.mode
        {
            agent.mode = Mode::Drained(drain);
        }
    }

    pub(super) fn set_tags(&mut self, changes: Vec<TagChange>) {
        for change in changes {
            match change {
                TagChange::Set { key, value } => drop(self.group.tags.insert(key, value)),
                TagChange::Delete { key } => drop(self.group.tags.remove(&key)),
            }
        }
    }

    /// Brings the group to the present. The agents that this ended, with their tasks.
    pub(super) fn advance(&mut self, now: Millis, time: Timestamp, faults: &Faults, events: &mut Events) -> Vec<Agent> {
        self.levels = None;
        self.refill_warm_pool(time);
        self.group.advance(time);
        if now >= self.forgotten + HOUR {
            self.forgotten = now;
            self.group.forget_activities(time.saturating_sub(HISTORY).unwrap_or(Timestamp::MIN));
        }
        let launched = self.group.instances().iter().filter(|instance| {
            instance.state == Lifecycle::Pending && instance.launched == time && !self.is_known(&instance.id)
        });
        let launched: Vec<String> = launched.map(|instance| instance.id.clone()).collect();
        for id in launched {
            self.begin_launch(id, now, time, faults, events);
        }
        let is_ending = |id: &str| {
            let instance = self.group.instances().iter().find(|instance| instance.id == id);
            instance.is_none_or(|instance| instance.state == Lifecycle::Terminating)
        };
        let gone: Vec<u64> = self.booting.iter().filter(|(_, id)| is_ending(id)).map(|(launch, _)| *launch).collect();
        let ended: Vec<String> = self.ending_agents();
        if !(gone.is_empty() && ended.is_empty()) {
            events.push(now + millis(self.group.behavior.terminate), Event::Group);
        }
        for launch in gone {
            self.booting.remove(&launch);
            self.types.remove(&launch);
            self.unfit.remove(&launch);
        }
        let numbers: Vec<u32> = ended.iter().filter_map(|id| self.agents.remove(id)).collect();
        numbers.into_iter().filter_map(|number| self.remove_agent(number)).collect()
    }

    fn refill_warm_pool(&mut self, time: Timestamp) {
        let is_warm = |instance: &&Instance| instance.state == Lifecycle::WarmedStopped;
        let missing = self.warm.saturating_sub(self.group.instances().iter().filter(is_warm).count());
        let since = time.saturating_sub(self.group.behavior.launch).unwrap_or(time);
        self.group.fill_warm_pool(missing, since);
    }

    /// An instance is launched: when its agent registers, or what happens instead.
    fn begin_launch(&mut self, id: String, now: Millis, time: Timestamp, faults: &Faults, events: &mut Events) {
        self.launches += 1;
        let launch = self.launches;
        let mut random = SplitMix64::stream(self.seed, Concern::Boot as u64, launch);
        let percent = BOOT_PERCENT.start() + random.below(BOOT_PERCENT.end() - BOOT_PERCENT.start() + 1);
        let boot = self.boot * percent / 100;
        let in_service = now + millis(self.group.behavior.launch);
        let held = self.usual.hook.map_or(0, |hook| millis(hook.wait));
        let registered = |boot: Millis| (now + held + boot).max(self.usual.network_from);
        let fault = faults::fault_of_launch(faults, self.seed, launch);
        self.struck.extend(fault);
        match faults::fate(fault) {
            Fate::Joins => events.push(registered(boot), Event::Register { launch }),
            Fate::JoinsLate => events.push(registered(boot * faults::SLOW), Event::Register { launch }),
            Fate::Fails => {
                self.group.fail_launch(&id, time);
                events.push(now + millis(self.group.behavior.launch_retry), Event::Group);
                return;
            }
            Fate::Abandoned => {
                let hook = Hook { wait: Duration::from_millis(faults::HOOK), abandons: true };
                let own = self.group.instances_mut().iter_mut().filter(|instance| instance.id == id);
                own.for_each(|instance| instance.hook = Some(hook));
                events.push(in_service + faults::HOOK, Event::Group);
                self.unfit.insert(launch, Replacement::Operator);
            }
            Fate::Replaced { after, by } => {
                events.push(now + after, Event::Later(Later::Replace { launch, by }));
                self.unfit.insert(launch, by);
            }
        }
        events.push(in_service, Event::Group);
        if held > 0 {
            events.push(in_service + held, Event::Group);
        }
        self.booting.insert(launch, id);
        self.types.insert(launch, self.new_agent.clone());
    }

    /// An agent is gone, whether or not the master hears from it.
    fn remove_agent(&mut self, number: u32) -> Option<Agent> {
        self.absent.remove(&number);
        self.cluster.remove(number).or_else(|| self.away.remove(&number))
    }

    fn is_known(&self, instance: &str) -> bool {
        self.agents.contains_key(instance) || self.booting.values().any(|id| id == instance)
    }

    /// The instances that are terminating and whose agents are still registered.
    fn ending_agents(&self) -> Vec<String> {
        let ending = self.group.instances().iter().filter(|instance| instance.state == Lifecycle::Terminating);
        ending.map(|instance| instance.id.clone()).filter(|id| self.agents.contains_key(id)).collect()
    }

    /// What the recorder needs of it, where so much is placed.
    pub(super) fn levels(&mut self, placed: Resources) -> Levels {
        if self.levels.is_none() {
            self.levels = Some(self.count());
        }
        let levels = self.levels.unwrap_or_default();
        // What runs on agents that are closing changes with every task.
        let used = if levels.closing == 0 { placed } else { self.cluster.total_and_used().1 };
        Levels { used, placed, ..levels }
    }

    /// What only changes where agents or instances do.
    fn count(&self) -> Levels {
        let registered = || self.cluster.registered();
        let usable = saturated(registered().filter(|agent| agent.is_active()).count());
        Levels {
            instances: self.instances(),
            usable,
            in_flight: self.in_flight(),
            closing: saturated(registered().count()).saturating_sub(usable),
            is_at_max: !has_room(&self.group),
            total: self.cluster.total_and_used().0,
            ..Levels::default()
        }
    }
}

/// Whether a group may have one instance more.
pub(super) fn has_room(group: &Group) -> bool {
    let unit = i32::try_from(group.weight).unwrap_or(i32::MAX);
    group.desired().saturating_add(unit) <= group.max
}

/// So long before a time.
fn ago(time: Timestamp, age: Millis) -> Timestamp {
    time.saturating_sub(Duration::from_millis(age)).unwrap_or(time)
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
