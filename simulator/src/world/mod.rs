//! The world: a cluster and its group, in which time passes.
//!
//! - here: the events, and what each does
//! - `events`: the queue of events
//! - `scheduler`: Marathon, which places what is wanted
//! - `pool`: the group's instances and their agents: boots and terminations; `away`: agents that the master does not hear from
//! - `faults`: what goes wrong, and how it ends; `operators`: what people do

mod away;
mod events;
mod faults;
mod operators;
mod pool;
mod scheduler;

use std::collections::BTreeSet;

use cluster::group::{self, Group};
use cluster::{Cluster, Presence};
use jiff::Timestamp;
use shared::count::saturated;

use crate::fault::{Fault, Faults};
use crate::measure::{Action, ActionKind, Finished, Levels, Recorder, time};
use crate::policy::{Order, Orders, Policy, PolicyError, View, WaitingView, Why};
use crate::setup::{FirstAgents, Setup, Start};
use crate::trace::Change;
use crate::{DAY, HOUR, MINUTE, Millis};

use events::{Event, Events};
use faults::Later;
use operators::Interventions;
use pool::Pool;
use scheduler::{Lost, Scheduler};

/// How long the master of a world has led, and its first agents have run, when it starts: long enough for complete snapshots.
const BEFORE: Millis = 2 * DAY;

/// When those come back that are away in a cluster with which a world starts.
const RETURN: Millis = 5 * MINUTE;

/// What each stream of random numbers is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Concern {
    /// The order of offers.
    Offers = 1,
    /// How long an instance boots.
    Boot = 2,
    /// Which instance of an application stops.
    Decrease = 3,
    /// What goes wrong: one for each class, from here on.
    Faults = 100,
}

/// A cluster and its group, in which time passes.
#[derive(Debug)]
pub(crate) struct World<'s> {
    setup: &'s Setup,
    seed: u64,
    now: Millis,
    events: Events,
    period: Millis,
    pool: Pool,
    scheduler: Scheduler,
    recorder: Recorder,
    /// The next change and the next job of the workload.
    next_change: usize,
    next_job: usize,
    /// What struck in the last event.
    struck: Vec<Fault>,
    /// Whether nothing goes wrong any more.
    is_calm: bool,
    interventions: Interventions,
}

impl<'s> World<'s> {
    /// The world at its start: what is wanted first runs on as many agents as it takes.
    pub(crate) fn new(setup: &'s Setup, period: Millis, seed: u64) -> Self {
        let workload = &setup.workload;
        let start = workload.start;
        let mut pool = Pool::new(setup, seed);
        let scheduler = Scheduler::new(&workload.applications, pool.cluster_mut(), seed);
        let recorder = Recorder::new(start, setup.measured_from(), setup.agent.unreserved(), setup.headroom_percent);
        let mut world = Self {
            setup,
            seed,
            now: 0,
            events: Events::default(),
            period,
            pool,
            scheduler,
            recorder,
            next_change: 0,
            next_job: 0,
            struck: Vec::new(),
            is_calm: false,
            interventions: Interventions::default(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.change_services();
        self.submit_jobs();
        match &self.setup.start {
            Start::Demand => self.start_with_demand(),
            Start::Agents(agents) => self.start_with(agents),
            Start::Cluster(cluster) => self.take_over(cluster),
        }
        self.events.push(0, Event::Sample);
        // Half a minute after the load changes: nothing depends on which of two simultaneous events is first.
        self.events.push(self.period.min(MINUTE) / 2, Event::Tick);
        self.schedule_faults();
        let market_from = self.setup.place.launches.market_from;
        if market_from > 0 {
            self.events.push(market_from, Event::Later(Later::Undo(Fault::SpotWaits)));
        }
        self.measure();
    }

    fn start_with_demand(&mut self) {
        // Jobs and services are placed one by one, so whole tasks may need more agents than their sum.
        for _ in 0..self.setup.min {
            self.pool.adopt(&self.setup.agent, BEFORE, self.setup);
        }
        self.place();
        while self.scheduler.waiting() > 0 && self.pool.instances() < self.setup.max {
            let waiting = self.scheduler.waiting();
            // One by one, and by the hundredth where there are hundreds: each time all agents are offered.
            let instances = self.pool.instances();
            for _ in 0..(instances / 100).max(1).min(self.setup.max - instances) {
                self.pool.adopt(&self.setup.agent, BEFORE, self.setup);
            }
            self.place();
            // What an empty agent cannot hold would otherwise start with the maximum.
            if self.scheduler.waiting() == waiting {
                break;
            }
        }
    }

    fn start_with(&mut self, first: &[FirstAgents]) {
        let mut modes = Vec::new();
        for agents in first {
            for _ in 0..agents.count {
                modes.push((self.pool.adopt(&agents.capacity, agents.age, self.setup), agents.mode));
            }
        }
        self.place();
        for (number, mode) in modes {
            self.pool.set_mode(number, mode);
        }
    }

    fn take_over(&mut self, cluster: &Cluster) {
        self.pool.take_over(cluster, self.setup);
        self.scheduler.take_over(self.pool.cluster());
        for (agent, since) in self.pool.absent() {
            self.events.push(RETURN, Event::Later(Later::Returns { agent, since }));
        }
        let away = cluster.frameworks().filter(|framework| framework.presence != Presence::Connected);
        for number in away.map(|framework| framework.number) {
            self.events.push(RETURN, Event::Later(Later::Framework { number }));
        }
    }

    /// The time.
    pub(crate) fn time(&self) -> Timestamp {
        time(self.setup.workload.start, self.now)
    }

    /// The cluster and its group.
    pub(crate) const fn cluster(&self) -> &Cluster {
        self.pool.cluster()
    }

    /// The group.
    pub(crate) const fn group(&self) -> &Group {
        self.pool.group()
    }

    /// What went wrong in the last event.
    pub(crate) fn struck(&self) -> &[Fault] {
        &self.struck
    }

    /// Whether the group may have one instance more.
    pub(crate) fn can_grow(&self) -> bool {
        pool::has_room(self.pool.group())
            && (self.setup.place.weight.is_none() || self.pool.instances() < self.setup.max)
    }

    /// How many instances are paid for.
    pub(crate) fn instances(&self) -> u32 {
        self.pool.instances()
    }

    /// Whether a launch has failed within the last hour, so that the next one may still be put off, or an instance hangs.
    pub(crate) fn has_broken_lately(&self) -> bool {
        let since = time(self.setup.workload.start, self.now.saturating_sub(HOUR));
        let has_failed = |activity: &group::Activity| {
            let is_failure =
                matches!(activity.status, group::ActivityStatus::Failed(_) | group::ActivityStatus::Cancelled(_));
            // A rebalance that fails stops nothing.
            activity.start >= since
                && !activity.cause.is_empty()
                && (is_failure || activity.cause.contains("status check"))
        };
        !self.interventions.ended.is_empty() || self.pool.group().activities().any(has_failed)
    }

    /// Instances whose agents operators deactivated.
    pub(crate) const fn deactivated_by_operators(&self) -> &BTreeSet<String> {
        &self.interventions.deactivated
    }

    /// Whether something waits that would fit on an empty agent.
    pub(crate) fn waits_in_vain(&self) -> bool {
        self.scheduler.waits_for(&self.setup.agent.unreserved())
    }

    /// So many more instances of an application are wanted from now on.
    pub(crate) fn want_more(&mut self, application: usize, more: u32) {
        let wanted = self.scheduler.applications().get(application).map_or(0, |group| group.count);
        let change = Change { at: self.now, application, instances: wanted.saturating_add(more) };
        self.scheduler.set_wanted(&change, self.now, self.pool.cluster_mut());
        self.place();
        self.measure();
    }

    /// Handles the next event. The time then; `None` at the end.
    pub(crate) fn step(&mut self, policy: &mut dyn Policy) -> Result<Option<Millis>, PolicyError> {
        let Some((at, event)) = self.events.pop().filter(|(at, _)| *at < self.setup.workload.duration) else {
            return Ok(None);
        };
        self.recorder.pass(at);
        self.now = at;
        self.struck.clear();
        match event {
            Event::Change => self.change_services(),
            Event::Submit => self.submit_jobs(),
            Event::End { job, attempt } => self.scheduler.end_job(job, attempt, self.pool.cluster_mut()),
            Event::Group => {
                // What the group ends by itself is no action of the policy.
                self.advance_group();
            }
            Event::Register { launch } => self.pool.register(launch, self.time(), self.setup),
            Event::Tick => {
                self.events.push(self.now + self.period, Event::Tick);
                self.act(policy)?;
            }
            Event::Again => self.act(policy)?,
            Event::Drained { agent } => self.pool.end_draining(agent),
            Event::Sample => {
                self.recorder.sample(self.now);
                self.events.push(self.now + MINUTE, Event::Sample);
            }
            Event::Fault { fault, number } => self.strike(fault, number),
            Event::Later(later) => self.recover(later),
        }
        self.place();
        self.measure();
        Ok(Some(at))
    }

    /// The end.
    pub(crate) fn finish(mut self, oracle: Millis, price: u64) -> Finished {
        self.now = self.setup.workload.duration;
        self.recorder.pass(self.now);
        for (application, since) in self.scheduler.waits() {
            self.recorder.waited(application, since, self.now);
        }
        self.recorder.finish(oracle, price)
    }

    /// Applies the changes of the workload that are due.
    fn change_services(&mut self) {
        let changes = self.setup.workload.changes.get(self.next_change..).unwrap_or_default();
        for change in changes {
            if change.at > self.now {
                self.events.push(change.at, Event::Change);
                return;
            }
            self.next_change += 1;
            let given_up = self.scheduler.set_wanted(change, self.now, self.pool.cluster_mut());
            for (application, since) in given_up {
                self.recorder.waited(&application, since, self.now);
            }
        }
    }

    fn submit_jobs(&mut self) {
        let jobs = self.setup.workload.jobs.get(self.next_job..).unwrap_or_default();
        for job in jobs {
            if job.submitted > self.now {
                self.events.push(job.submitted, Event::Submit);
                return;
            }
            self.next_job += 1;
            self.scheduler.submit(job, self.now);
        }
    }

    /// Places what waits, as far as there is room.
    fn place(&mut self) {
        let time = self.time();
        for started in self.scheduler.place(self.pool.cluster_mut(), self.now, time) {
            self.recorder.waited(started.application, started.since, self.now);
            if let Some((job, attempt, duration)) = started.job {
                self.events.push(self.now + duration, Event::End { job, attempt });
            }
        }
    }

    /// Brings the group to the present: instances come into service, terminate, and are launched. The tasks that the
    /// terminated ones ran are lost.
    fn advance_group(&mut self) -> Lost {
        let time = self.time();
        const NONE: &Faults = &Faults::none();
        let faults = if self.is_calm { NONE } else { &self.setup.faults };
        let changed = self.pool.advance(self.now, time, faults, &mut self.events);
        self.struck.append(&mut self.pool.struck);
        let mut lost = Lost::default();
        for agent in changed {
            lost += self.scheduler.lose(&agent, self.now);
        }
        self.recorder.killed(self.now, lost.killed_for);
        lost
    }

    /// What holds from now on.
    fn measure(&mut self) {
        let (waiting, wanted) = (self.scheduler.waiting(), self.scheduler.wanted());
        let levels = self.pool.levels(self.scheduler.placed());
        self.recorder.set(Levels { waiting, wanted, ..levels });
    }

    /// A run of the policy.
    fn act(&mut self, policy: &mut dyn Policy) -> Result<(), PolicyError> {
        let waiting: Vec<WaitingView> = self.scheduler.view(self.setup.workload.start);
        self.pool.cluster_mut().queue = self.scheduler.queue(self.pool.cluster());
        let wanted = self.scheduler.applications();
        let mut orders = Orders::default();
        let view = View {
            now: self.time(),
            elapsed: self.now,
            min: self.setup.min,
            max: self.setup.max,
            desired: self.pool.desired(),
            in_flight: self.pool.in_flight(),
            new_agent: self.pool.new_agent.unreserved(),
            cluster: self.pool.cluster(),
            group: self.pool.group(),
            waiting: &waiting,
            wanted: &wanted,
        };
        policy.act(&view, &mut orders)?;
        let (orders, held, again) = orders.into_parts();
        for (order, why) in orders {
            self.carry_out(order, why);
        }
        if let Some(Why { clause, reason }) = held {
            self.recorder.hold(self.now, self.period, clause, reason);
        }
        if let Some(after) = again {
            self.events.push(self.now + after, Event::Again);
        }
        Ok(())
    }

    fn carry_out(&mut self, order: Order, why: Why) {
        let time = self.time();
        let from = self.pool.desired();
        let (kind, agents) = match order {
            Order::Desired(desired) => {
                let kind = if desired > from { ActionKind::ScaleUp } else { ActionKind::ScaleDown };
                self.pool.set_desired(desired, time);
                (kind, 0)
            }
            Order::Terminate(instances) => {
                let ended = instances.iter().filter(|id| self.pool.terminate(id, time)).count();
                (ActionKind::ScaleDown, saturated(ended))
            }
            Order::Close(agents) => (ActionKind::Close, self.pool.close(&agents, time)),
            Order::Reopen(agents) => (ActionKind::Reopen, self.pool.reopen(&agents, time)),
            Order::Drain(agents) => {
                let mut lost = Lost::default();
                let drained = self.pool.drain(&agents, time);
                for agent in &drained {
                    self.events.push(self.now + pool::DRAIN_TIME, Event::Drained { agent: agent.number });
                    lost += self.scheduler.lose(agent, self.now);
                }
                self.recorder.killed(self.now, lost.killed_for);
                return self.note(ActionKind::Drain, from, saturated(drained.len()), lost, why);
            }
            Order::Tags(changes) => return self.pool.set_tags(changes),
        };
        let lost = self.advance_group();
        if from != self.pool.desired() || agents > 0 {
            self.note(kind, from, agents, lost, why);
        }
    }

    fn note(&mut self, kind: ActionKind, from: u32, agents: u32, lost: Lost, why: Why) {
        self.recorder.act(Action {
            at: self.time(),
            kind,
            from,
            to: self.pool.desired(),
            agents,
            moved_tasks: lost.moved,
            killed_jobs: lost.killed,
            clause: why.clause,
            reason: why.reason,
        });
    }
}

#[cfg(test)]
mod tests;
