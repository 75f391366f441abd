//! Marathon, and a framework of jobs: they want instances of applications to run, place them on the offers of agents, and queue
//! what finds no room.
//!
//! Services run until fewer are wanted; a task that is lost is wanted again. Jobs run for a time and end; one that is lost
//! starts again from 0.

use std::collections::{BTreeMap, VecDeque};
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::AddAssign;
use std::time::Duration;

use cluster::{Agent, Cluster, Definition, Placement, Presence, QueuedInstances, TaskSpec};
use jiff::Timestamp;
use shared::contract::TaskGroup;
use shared::count::saturated;
use shared::random::SplitMix64;
use shared::resources::{Kind, Resources};

use super::Concern;
use crate::Millis;
use crate::measure::time;
use crate::policy::WaitingView;
use crate::trace::{Application, Change, Job};

/// How many instances Marathon starts on one offer (`--max_instances_per_offer`).
const PER_OFFER: usize = 5;

#[derive(Debug)]
pub(super) struct Scheduler {
    applications: Vec<Instances>,
    jobs: Vec<JobState>,
    /// The jobs and applications of running tasks, by the numbers of the tasks.
    owners: BTreeMap<u64, Owner>,
    waiting: u32,
    wanted: Resources,
    offers: SplitMix64,
    seed: u64,
}

/// The instances of one application.
#[derive(Debug)]
struct Instances {
    application: Application,
    framework: u32,
    wanted: u32,
    running: Vec<Placement>,
    /// Those that wait, the longest first.
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Millis,
    job: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    application: usize,
    job: Option<usize>,
}

/// A job that has been submitted.
#[derive(Clone, Copy, Debug)]
struct JobState {
    job: Job,
    /// How often it was started.
    attempt: u32,
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    since: Millis,
    placement: Placement,
}

/// An instance that has been placed.
#[derive(Debug)]
pub(super) struct Started<'a> {
    pub(super) application: &'a str,
    /// Since when it was wanted.
    pub(super) since: Millis,
    /// Of a job: which one, its attempt, and how long it runs.
    pub(super) job: Option<(usize, u32, Millis)>,
}

/// What was lost with agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Tasks of services.
    pub(super) moved: u32,
    /// Jobs.
    pub(super) killed: u32,
    /// How long these had run, together.
    pub(super) killed_for: Millis,
}

impl AddAssign for Lost {
    fn add_assign(&mut self, other: Self) {
        self.moved += other.moved;
        self.killed += other.killed;
        self.killed_for += other.killed_for;
    }
}

impl Instances {
    const fn of(application: Application, framework: u32) -> Self {
        Self { application, framework, wanted: 0, running: Vec::new(), waiting: VecDeque::new() }
    }

    /// Whether what waits of it is in Marathon's queue. The queues of other frameworks no one else can see.
    fn is_queued_by_marathon(&self) -> bool {
        self.application.is_marathons()
    }

    /// Whether an agent that has so much free may run one more of it.
    fn fits(&self, agent: u32, free: &Resources) -> bool {
        self.application.resources.fits_in(free) && self.is_admitted_on(agent) && self.finds_port_on(agent)
    }

    /// How many offers are declined for it, by reason. A full agent makes none.
    fn declines(&self, cluster: &Cluster) -> Vec<(String, u32)> {
        let mut declines = BTreeMap::new();
        let Application { most_per_agent, host_port, .. } = &self.application;
        if most_per_agent.is_some() || host_port.is_some() {
            for agent in cluster.registered().filter(|agent| agent.is_active()) {
                let free = agent.free();
                if let Some(reason) = decline(self, agent, &free).filter(|_| !free.is_zero()) {
                    *declines.entry(reason.to_owned()).or_insert(0) += 1;
                }
            }
        }
        declines.into_iter().collect()
    }

    /// Whether its constraint lets an agent hold one more of it.
    fn is_admitted_on(&self, agent: u32) -> bool {
        self.application.most_per_agent.is_none_or(|most| self.count_on(agent) < most.get())
    }

    /// Whether the port that it needs is free on an agent.
    fn finds_port_on(&self, agent: u32) -> bool {
        self.application.host_port.is_none() || self.count_on(agent) == 0
    }

    fn count_on(&self, agent: u32) -> u32 {
        saturated(self.running.iter().filter(|placement| placement.agent == agent).count())
    }
}

impl Scheduler {
    pub(super) fn new(applications: &[Application], cluster: &mut Cluster, seed: u64) -> Self {
        for Application { name, most_per_agent, host_port, .. } in applications {
            let constraint = |most: NonZeroU32| ["hostname", "MAX_PER", &most.to_string()].map(str::to_owned).to_vec();
            let constraints: Vec<_> = most_per_agent.map(constraint).into_iter().collect();
            if !constraints.is_empty() || host_port.is_some() {
                let definition =
                    Definition { constraints, host_port: host_port.map(NonZeroU16::get), ..Definition::default() };
                cluster.definitions.insert(name.clone(), definition);
            }
        }
        let instances = applications
            .iter()
            .map(|application| Instances::of(application.clone(), cluster.framework_of(&application.name)));
        Self {
            applications: instances.collect(),
            jobs: Vec::new(),
            owners: BTreeMap::new(),
            waiting: 0,
            wanted: Resources::ZERO,
            offers: SplitMix64::stream(seed, Concern::Offers as u64, 0),
            seed,
        }
    }

    /// Takes over what runs on a cluster: each task is an instance of its application.
    pub(super) fn take_over(&mut self, cluster: &Cluster) {
        let tasks = cluster.agents().flat_map(|agent| agent.tasks().iter().map(move |task| (agent.number, task)));
        for (agent, task) in tasks.filter(|(_, task)| task.state.takes_resources()) {
            let (name, resources) = (task.application(), task.resources);
            let is_its = |of: &Instances| {
                of.framework == task.framework && of.application.name == name && of.application.resources == resources
            };
            let place = self.applications.iter().position(is_its).unwrap_or(self.applications.len());
            if place == self.applications.len() {
                self.applications.push(Instances::of(Application::new(name, resources), task.framework));
            }
            let Some(instances) = self.applications.get_mut(place) else { continue };
            instances.wanted += 1;
            instances.running.push(Placement { agent, task: task.number });
            self.owners.insert(task.number, Owner { application: place, job: None });
            self.wanted += resources;
        }
    }

    /// How many instances wait for room.
    pub(super) const fn waiting(&self) -> u32 {
        self.waiting
    }

    /// What is wanted, placed or not.
    pub(super) const fn wanted(&self) -> Resources {
        self.wanted
    }

    /// What is placed.
    pub(super) fn placed(&self) -> Resources {
        let waits = |of: &Instances| of.application.resources.times(of.waiting.len() as u64);
        match self.waiting {
            0 => self.wanted,
            _ => self.wanted.saturating_sub(&self.applications.iter().map(waits).sum()),
        }
    }

    /// Whether an instance of an application of Marathon waits that an empty agent would hold.
    pub(super) fn waits_for(&self, agent: &Resources) -> bool {
        let waits = |of: &Instances| {
            !of.waiting.is_empty() && of.is_queued_by_marathon() && of.application.resources.fits_in(agent)
        };
        self.applications.iter().any(waits)
    }

    /// What still waits, and since when.
    pub(super) fn waits(&self) -> impl Iterator<Item = (&str, Millis)> {
        let of = |instances: &Instances| instances.waiting.iter().map(|waiting| waiting.since).collect::<Vec<_>>();
        self.applications.iter().flat_map(move |instances| {
            of(instances).into_iter().map(|since| (instances.application.name.as_str(), since))
        })
    }

    /// From now on so many instances are wanted. Those that were given up while they waited: application and since when.
    pub(super) fn set_wanted(&mut self, change: &Change, now: Millis, cluster: &mut Cluster) -> Vec<(String, Millis)> {
        let Some(instances) = self.applications.get_mut(change.application) else { return Vec::new() };
        let mut given_up = Vec::new();
        while instances.wanted < change.instances {
            instances.wanted += 1;
            instances.waiting.push_back(Waiting { since: now, job: None });
            self.waiting += 1;
            self.wanted += instances.application.resources;
        }
        let number = (now << 16) | change.application as u64;
        let mut random = SplitMix64::stream(self.seed, Concern::Decrease as u64, number);
        while instances.wanted > change.instances {
            instances.wanted -= 1;
            self.wanted = self.wanted.saturating_sub(&instances.application.resources);
            if let Some(waiting) = instances.waiting.pop_back() {
                self.waiting -= 1;
                given_up.push((instances.application.name.clone(), waiting.since));
            } else if !instances.running.is_empty() {
                let placement = instances.running.swap_remove(random.index(instances.running.len()));
                self.owners.remove(&placement.task);
                cluster.end(placement);
            }
        }
        given_up
    }

    /// A job is submitted.
    pub(super) fn submit(&mut self, job: &Job, now: Millis) {
        let number = self.jobs.len();
        self.jobs.push(JobState { job: *job, attempt: 0, running: None });
        if let Some(instances) = self.applications.get_mut(job.application) {
            instances.wanted += 1;
            instances.waiting.push_back(Waiting { since: now, job: Some(number) });
            self.waiting += 1;
            self.wanted += instances.application.resources;
        }
    }

    /// A job has run to its end, if that attempt still runs.
    pub(super) fn end_job(&mut self, job: usize, attempt: u32, cluster: &mut Cluster) {
        let Some(state) = self.jobs.get_mut(job).filter(|state| state.attempt == attempt) else { return };
        let Some(Running { placement, .. }) = state.running.take() else { return };
        self.owners.remove(&placement.task);
        cluster.end(placement);
        if let Some(instances) = self.applications.get_mut(state.job.application) {
            instances.wanted -= 1;
            instances.running.retain(|running| running.task != placement.task);
            self.wanted = self.wanted.saturating_sub(&instances.application.resources);
        }
    }

    /// The tasks of an agent are lost: they are wanted again from now on.
    pub(super) fn lose(&mut self, agent: &Agent, now: Millis) -> Lost {
        let mut lost = Lost::default();
        for task in agent.tasks() {
            let Some(Owner { application, job }) = self.owners.remove(&task.number) else { continue };
            let Some(instances) = self.applications.get_mut(application) else { continue };
            instances.running.retain(|running| running.task != task.number);
            instances.waiting.push_back(Waiting { since: now, job });
            self.waiting += 1;
            match job.and_then(|job| self.jobs.get_mut(job)).and_then(|state| state.running.take()) {
                Some(running) => {
                    lost.killed += 1;
                    lost.killed_for += now - running.since;
                }
                None => lost.moved += 1,
            }
        }
        lost
    }

    /// Places what waits on the offers of agents, which come in random order; on each offer first what has waited longest. A
    /// framework that has not come back to its master gets none.
    pub(super) fn place(&mut self, cluster: &mut Cluster, now: Millis, time: Timestamp) -> Vec<Started<'_>> {
        let mut placed: Vec<(usize, Waiting)> = Vec::new();
        if self.waiting > 0 {
            let mut offers: Vec<u32> =
                cluster.registered().filter(|agent| agent.is_active()).map(|agent| agent.number).collect();
            self.offers.shuffle(&mut offers);
            let is_there =
                |number| cluster.framework(number).is_some_and(|framework| framework.presence == Presence::Connected);
            let there: Vec<bool> = self.applications.iter().map(|of| is_there(of.framework)).collect();
            let mut last = usize::MAX;
            while last != placed.len() && self.waiting > 0 {
                last = placed.len();
                for number in &offers {
                    self.use_offer(*number, &there, cluster, now, time, &mut placed);
                }
            }
        }
        let started = placed.into_iter().filter_map(|(application, waiting)| {
            let name = &self.applications.get(application)?.application.name;
            let state = waiting.job.and_then(|job| Some((job, self.jobs.get(job)?)));
            let job = state.map(|(job, state)| (job, state.attempt, state.job.duration));
            Some(Started { application: name, since: waiting.since, job })
        });
        started.collect()
    }

    fn use_offer(
        &mut self,
        number: u32,
        there: &[bool],
        cluster: &mut Cluster,
        now: Millis,
        time: Timestamp,
        placed: &mut Vec<(usize, Waiting)>,
    ) {
        for _ in 0..PER_OFFER {
            let Some(free) = cluster.agent(number).map(Agent::free).filter(|_| self.waiting > 0) else { return };
            let offered = self.applications.iter().enumerate().zip(there).filter(|(_, there)| **there);
            let fitting = offered.filter_map(|((place, instances), _)| {
                let first = instances.waiting.front()?;
                instances.fits(number, &free).then_some((first.since, place))
            });
            let Some((_, place)) = fitting.min() else { return };
            let Some(instances) = self.applications.get_mut(place) else { return };
            let Some(waiting) = instances.waiting.pop_front() else { return };
            let Application { name, resources, .. } = &instances.application;
            let spec = TaskSpec { application: name.clone(), resources: *resources };
            let Some(placement) = cluster.start_on(number, instances.framework, spec, time) else { return };
            instances.running.push(placement);
            self.waiting -= 1;
            self.owners.insert(placement.task, Owner { application: place, job: waiting.job });
            if let Some(state) = waiting.job.and_then(|job| self.jobs.get_mut(job)) {
                state.attempt += 1;
                state.running = Some(Running { since: now, placement });
            }
            placed.push((place, waiting));
        }
    }

    /// What is wrong with it, where something is: everything that is wanted runs, just once, or waits.
    #[cfg(test)]
    pub(super) fn problem(&self, cluster: &Cluster) -> Option<String> {
        let mut waiting = 0;
        let mut running = 0;
        for Instances { application, wanted, running: of, waiting: queued, .. } in &self.applications {
            if *wanted as usize != of.len() + queued.len() {
                let (placed, waits) = (of.len(), queued.len());
                return Some(format!("{}: {wanted} wanted, {placed} placed, {waits} wait", application.name));
            }
            waiting += queued.len();
            running += of.len();
        }
        let tasks: Vec<u64> = cluster.agents().flat_map(Agent::tasks).map(|task| task.number).collect();
        let wanted: Resources =
            self.applications.iter().map(|of| of.application.resources.times(of.wanted.into())).sum();
        let is_owned = tasks.iter().all(|task| self.owners.contains_key(task));
        let is_right = waiting == self.waiting as usize && tasks.len() == running && is_owned && wanted == self.wanted;
        (!is_right).then(|| {
            format!("{} tasks for {running} placed instances, {waiting} wait, not {}", tasks.len(), self.waiting)
        })
    }

    /// What is wanted of each application, for policies.
    pub(super) fn applications(&self) -> Vec<TaskGroup> {
        let wanted = |of: &Instances| {
            let hidden = if of.is_queued_by_marathon() { 0 } else { saturated(of.waiting.len()) };
            TaskGroup { count: of.wanted - hidden, resources: of.application.resources }
        };
        self.applications.iter().map(wanted).collect()
    }

    /// What Marathon's launch queue holds. Of applications with a constraint it says why the last offers were declined.
    pub(super) fn queue(&self, cluster: &Cluster) -> Vec<QueuedInstances> {
        let visible = self.applications.iter().filter(|of| of.is_queued_by_marathon() && !of.waiting.is_empty());
        let queued = |of: &Instances| QueuedInstances {
            application: of.application.name.clone(),
            instances: saturated(of.waiting.len()),
            tasks: vec![of.application.resources],
            delay: Duration::ZERO,
            declines: of.declines(cluster),
        };
        visible.map(queued).collect()
    }

    /// What waits, for policies.
    pub(super) fn view(&self, start: Timestamp) -> Vec<WaitingView> {
        let visible = self.applications.iter().filter(|instances| instances.is_queued_by_marathon());
        let waiting = visible.filter_map(|instances| {
            let first = instances.waiting.front()?;
            Some(WaitingView {
                application: instances.application.name.clone(),
                instances: saturated(instances.waiting.len()),
                resources: instances.application.resources,
                since: time(start, first.since),
            })
        });
        waiting.collect()
    }
}

/// Why Marathon declines an offer for an application: an agent that holds as many of its instances as it may is asked for no room, and
/// one without room for no port.
fn decline(instances: &Instances, agent: &Agent, free: &Resources) -> Option<&'static str> {
    if !instances.is_admitted_on(agent.number) {
        return Some("UnfulfilledConstraint");
    }
    let short = |kind: &Kind| instances.application.resources.get(*kind) > free.get(*kind);
    let lacks = Kind::ALL.into_iter().find(short).map(|kind| match kind {
        Kind::Cpus => "InsufficientCpus",
        Kind::Mem => "InsufficientMemory",
        Kind::Disk => "InsufficientDisk",
        Kind::Gpus => "InsufficientGpus",
    });
    lacks.or_else(|| (!instances.finds_port_on(agent.number)).then_some("InsufficientPorts"))
}
