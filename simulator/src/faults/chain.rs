//! The three stages as a policy, with the messages between them on their way.
//!
//! Each call of the policy is one step: a run of node_gather, a message that arrives, a call of node_scale. Between two steps the
//! world goes on, so what was read may no longer be true when it is acted on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use cluster::group::Group;
use cluster::{Agent, agent_ref};
use jiff::{SignedDuration, Timestamp};
use node_gather::growth::Observation;
use node_gather::marathon::{Answer, Observed};
use node_gather::members::{self, Description, Descriptions, Lookup};
use node_gather::summarize::{ClusterState, summarize};
use shared::config::Policy as Settings;
use shared::contract::{ClusterSnapshot, ScalingDecision, TaskGroup};
use shared::random::SplitMix64;
use uuid::Uuid;

use super::canary::Canary;
use super::case::{Case, Class, Oddity, Trouble};
use super::checks::{Checks, Origin};
use super::learning::Learning;
use super::scale::Invocation;
use super::view::{Filtered, hides_much, is_whole, seen};
use super::{Outcome, Violation, clock};
use crate::policy::{Orders, Policy, PolicyError, View};
use crate::world::World;
use crate::{DAY, MINUTE, Millis, SECOND};

/// The URL of the master, which no one asks.
const MASTER: &str = "http://10.0.0.5:5050";

/// After which time Lambda runs a failed event again.
const RETRY: Millis = MINUTE;

/// How old an answer of Auto Scaling is at most.
const STALE: Millis = 20 * SECOND;

/// One case of so many waits for the holds of its own to end before it grows; that takes time.
const WAITS: u64 = 8;

/// How many runs in a row must find nothing to do.
const SETTLED_RUNS: u32 = 8;

/// Something on its way, or an invocation that goes on.
#[derive(Debug)]
enum Item {
    Snapshot(Box<ClusterSnapshot>, Delivery),
    Decision(Box<ScalingDecision>, Delivery),
    Scale,
}

/// Which message it is, and how often it has been tried before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) origin: usize,
    pub(super) attempt: u32,
}

/// The stages, and what is between them.
#[derive(Debug)]
pub(super) struct Chain {
    period: Millis,
    sees_queue: bool,
    gather: [Settings; 1],
    process: Settings,
    pub(super) scale: Settings,
    rates: BTreeMap<Trouble, u32>,
    streams: BTreeMap<Trouble, SplitMix64>,
    network: SplitMix64,
    /// How far the clocks of the stages are ahead.
    skews: [SignedDuration; 3],
    next_run: Millis,
    due: BinaryHeap<Reverse<(Millis, u64)>>,
    items: BTreeMap<u64, Item>,
    issued: u64,
    /// What the pool learns; `None` where it does not.
    learning: Option<Learning>,
    /// The group as it was, for answers that are not up to date.
    earlier: VecDeque<(Millis, Group)>,
    active: Option<Invocation>,
    /// The decisions that node_scale's process has applied.
    pub(super) applied: VecDeque<(Uuid, Timestamp, i32)>,
    pub(super) checks: Checks,
    pub(super) canary: Option<Canary>,
    history: Option<Vec<String>>,
    outcome: Outcome,
    now: Millis,
    is_calm: bool,
    faulty: Millis,
    served_by: Millis,
    settled_by: Millis,
    /// How many runs in a row have found nothing to do.
    settled: u32,
    growth: Growth,
    last: String,
}

/// Whether a pool at rest has got more to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    NotYet,
    /// Until then it must be served.
    Until(Millis),
    Over,
}

impl Chain {
    pub(super) fn new(case: &Case, canary: Option<Canary>, keeps_history: bool) -> Self {
        let settings = case.policy();
        let skew = case.rate(Class::Pool(Oddity::ClockSkew));
        let mut clocks = SplitMix64::stream(case.seed, 20_000, 0);
        let mut any_skew = || {
            let seconds = i64::try_from(clocks.below(u64::from(2 * skew + 1))).unwrap_or(0) - i64::from(skew);
            SignedDuration::from_secs(seconds)
        };
        let skews = [any_skew(), any_skew(), any_skew()];
        let process = match case.rate(Class::Pool(Oddity::ConfigSkew)) {
            0 => settings.clone(),
            _ => settings.with(|other| {
                other.limits.max = Some(200);
                other.limits.max_scale_up_step = shared::config::StepLimit::UNLIMITED;
                other.headroom.percent = 100;
            }),
        };
        let rates = Trouble::ALL.map(|trouble| (trouble, case.rate(Class::Chain(trouble)))).into();
        let stream = |trouble: Trouble| (trouble, SplitMix64::stream(case.seed, 20_001, trouble as u64));
        Self {
            period: case.period,
            sees_queue: case.sees_queue,
            gather: [settings.clone()],
            process,
            scale: settings.clone(),
            rates,
            streams: Trouble::ALL.map(stream).into(),
            network: SplitMix64::stream(case.seed, 20_002, 0),
            skews,
            next_run: 0,
            due: BinaryHeap::new(),
            items: BTreeMap::new(),
            issued: 0,
            learning: Learning::new(case, &settings),
            earlier: VecDeque::new(),
            active: None,
            applied: VecDeque::new(),
            checks: Checks::new(case, settings),
            canary,
            history: keeps_history.then(Vec::new),
            outcome: Outcome::default(),
            now: 0,
            is_calm: false,
            faulty: case.faulty,
            served_by: case.served_by(),
            settled_by: case.settled_by(),
            settled: 0,
            growth: Growth::NotYet,
            last: String::new(),
        }
    }

    /// Whether it strikes now.
    pub(super) fn strikes(&mut self, trouble: Trouble) -> bool {
        let rate = self.rates.get(&trouble).copied().unwrap_or(0);
        if self.is_calm || rate == 0 {
            return false;
        }
        let strikes = self.streams.get_mut(&trouble).is_some_and(|random| random.below(100) < u64::from(rate));
        if strikes {
            self.note_strike(Class::Chain(trouble), self.now);
        }
        strikes
    }

    pub(super) fn note_strike(&mut self, class: Class, at: Millis) {
        *self.outcome.strikes.entry(class).or_default() += 1;
        self.now = at;
        self.note(|| format!("  ! {}", class.name()));
    }

    /// A line of the history, where it is kept.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(history) = &mut self.history {
            history.push(format!("{} {}", clock(self.now), line()));
        }
    }

    pub(super) fn violate(&mut self, invariant: &'static str, what: String) {
        let at = self.now;
        self.outcome.violation.get_or_insert(Violation { invariant, at, what });
    }

    /// The faults end; what is on its way still arrives.
    pub(super) fn end_faults(&mut self, at: Millis) {
        self.now = at;
        self.is_calm = true;
        self.skews = [SignedDuration::ZERO; 3];
        self.process = self.scale.clone();
        self.checks.begin_calm();
        self.note(|| "--- calm: the faults end, the demand stays".to_owned());
    }

    /// Whether there is nothing more to see.
    pub(super) fn is_over(&self) -> bool {
        self.outcome.violation.is_some() || self.growth == Growth::Over
    }

    /// Whether the pool has come to rest after the faults.
    pub(super) fn has_settled(&self) -> bool {
        self.settled >= SETTLED_RUNS && self.growth == Growth::NotYet
    }

    /// A pool at rest gets more to run, unless a hold of its own may still last.
    pub(super) fn grow(&mut self, case: &Case, world: &mut World<'_>, at: Millis) {
        if let Some((invariant, what)) = self.checks.tags_at_rest(world) {
            return self.violate(invariant, what);
        }
        let usable = u32::try_from(world.cluster().registered().filter(|agent| agent.is_active()).count()).unwrap_or(0);
        let room = case.limits.1.saturating_sub(world.instances().max(usable));
        if world.has_broken_lately() && at < self.settled_by && case.seed.is_multiple_of(WAITS) {
            return;
        }
        if !self.sees_queue || room < 2 || world.has_broken_lately() {
            self.growth = Growth::Over;
            return;
        }
        self.now = at;
        // Of the first application, an agent holds eight.
        let agents = room - room / 4;
        self.note(|| format!("--- {} more are wanted", 8 * agents));
        world.want_more(0, 8 * agents);
        self.growth = Growth::Until(at + case.growth_time(usable, usable + agents));
    }

    pub(super) fn finish(mut self) -> Outcome {
        self.outcome.history = self.history.take().unwrap_or_default();
        self.outcome
    }

    /// What must hold after every event.
    pub(super) fn check_world(&mut self, world: &World<'_>, at: Millis) {
        self.now = at;
        if let Some((invariant, what)) = self.checks.tags(world) {
            self.violate(invariant, what);
        }
        if !self.is_calm || at < self.faulty {
            return;
        }
        let can_grow = world.can_grow();
        if self.growth == Growth::NotYet && at >= self.served_by && self.sees_queue && can_grow && world.waits_in_vain()
        {
            let last = self.last.clone();
            self.violate("I13 served", format!("something waits that an empty agent would hold; {last}"));
        }
        match self.growth {
            Growth::Until(until) if at >= until => {
                self.growth = Growth::Over;
                if can_grow && world.waits_in_vain() {
                    let last = self.last.clone();
                    self.violate(
                        "L5 growth",
                        format!("something waits for longer than a boot and the steps take; {last}"),
                    );
                }
            }
            Growth::Until(_) | Growth::Over => return,
            Growth::NotYet => {}
        }
        if at >= self.settled_by && self.settled == 0 {
            let last = self.last.clone();
            self.violate("I13 settled", format!("after hours of calm there is still something to do; {last}"));
        }
    }

    fn push(&mut self, at: Millis, item: Item) {
        self.issued += 1;
        self.due.push(Reverse((at, self.issued)));
        self.items.insert(self.issued, item);
    }

    /// A message is published: it arrives, soon and once as a rule.
    fn publish(&mut self, make: impl Fn() -> Item) {
        if self.strikes(Trouble::Drop) {
            return;
        }
        let mut at = self.now + 200 + self.network.below(1300);
        if self.strikes(Trouble::Delay) {
            at += self.network.pick([20 * SECOND, 70 * SECOND, 4 * MINUTE, DAY / 12]);
        }
        self.push(at, make());
        if self.strikes(Trouble::Duplicate) {
            let again = at + self.network.pick([0, SECOND, 30 * SECOND, 100 * SECOND]);
            self.push(again, make());
        }
    }

    /// node_gather.
    fn observe(&mut self, view: &View<'_>) {
        self.outcome.runs += 1;
        if self.strikes(Trouble::UnreadMaster) || self.strikes(Trouble::Crash) {
            return;
        }
        let taken_at = later(view.now, self.skews[0]);
        let is_queue_read = !self.strikes(Trouble::UnreadQueue);
        let is_group_read = !self.strikes(Trouble::UnreadGroup);
        let observed = match (self.sees_queue, is_queue_read) {
            (false, _) => Observed::from(Answer::NotAsked),
            (true, true) => view.cluster.observed_marathon(),
            (true, false) => Observed::from(Answer::Unknown { reason: "it does not answer".to_owned() }),
        };
        let group = self.group_as_answered(view);
        let description = match is_group_read {
            true => Description::Known(members::Group::from(&group)),
            false => Description::Unknown { reason: "it does not answer".to_owned() },
        };
        let described = Descriptions {
            groups: BTreeMap::from([(self.scale.group.clone(), description)]),
            lookup: Lookup::NotAsked,
        };
        let hidden = if self.strikes(Trouble::FilteredView) { self.any_framework(view) } else { None };
        let mut state = ClusterState::new(&self.gather).with_descriptions(described);
        let shown = match &hidden {
            Some(name) => view.cluster.show(&mut Filtered::new(&mut state, name)),
            None => view.cluster.show(&mut state),
        };
        if let Err(error) = shown {
            return self.violate("I10 finite", format!("the cluster cannot be read: {error}"));
        }
        let mut summary = summarize(state, &observed, MASTER, taken_at);
        let backing_off = summary.backing_off.remove(&self.scale.pool).unwrap_or_default();
        let Some(mut snapshot) = summary.snapshots.into_iter().next() else { return };
        let hides_tasks = hidden.is_some_and(|name| hides_much(view, &name));
        let is_whole = is_whole(view) && is_group_read && !hides_tasks && (is_queue_read || !self.sees_queue);
        self.learn(&mut snapshot, &backing_off, taken_at, view);
        let origin = self.checks.add(Origin::new(snapshot.taken_at, is_whole, seen(view)));
        if self.strikes(Trouble::VersionSkew) {
            (snapshot.group, snapshot.latest_agents, snapshot.growth) = (None, Vec::new(), None);
            snapshot = snapshot.identified();
        }
        if let Some(canary) = self.canary {
            canary.rewrite_snapshot(&mut snapshot, view);
        }
        let (usable, completeness) = (snapshot.agents.usable, snapshot.completeness.level.name());
        let desired = view.desired;
        self.note(|| format!("observe: {usable} usable, {completeness}; desired {desired}, {} wait", waiting(view)));
        self.publish(|| Item::Snapshot(Box::new(snapshot.clone()), Delivery { origin, attempt: 0 }));
    }

    /// What node_gather learns in a run.
    fn learn(&mut self, snapshot: &mut ClusterSnapshot, backing_off: &[TaskGroup], now: Timestamp, view: &View<'_>) {
        let Some(mut learning) = self.learning.take() else { return };
        if self.strikes(Trouble::ColdStart) {
            learning.restart();
        }
        if self.strikes(Trouble::LostHistory) {
            learning.lose();
        }
        if self.strikes(Trouble::DamagedHistory) {
            learning.damage(self.network.below(4));
        }
        let [gather] = &self.gather;
        if let Some(mut seen) = Observation::of(snapshot, gather, backing_off) {
            if let Some(canary) = self.canary {
                canary.rewrite_observation(&mut seen);
            }
            let learned = learning.learn(&seen, now);
            self.checks.learned(&learned, view.cluster.master.elected_at, view.now);
            snapshot.growth = learned.growth;
            *snapshot = snapshot.clone().identified();
        }
        self.learning = Some(learning);
    }

    /// A framework that a principal may not see.
    fn any_framework(&mut self, view: &View<'_>) -> Option<String> {
        let names: Vec<&str> = view.cluster.frameworks().map(|framework| framework.name.as_str()).collect();
        names.get(self.network.index(names.len())).map(|name| (*name).to_owned())
    }

    /// node_process.
    fn decide(&mut self, snapshot: &ClusterSnapshot, delivery: Delivery, view: &View<'_>) {
        if self.strikes(Trouble::Crash) {
            if delivery.attempt == 0 {
                let again = Delivery { attempt: 1, ..delivery };
                self.push(self.now + RETRY, Item::Snapshot(Box::new(snapshot.clone()), again));
            }
            return;
        }
        let now = later(view.now, self.skews[1]);
        let mut decision = match node_process::decide(snapshot, &self.process, now) {
            Ok(decision) => decision,
            Err(expired) => return self.note(|| format!("decide: {expired}")),
        };
        self.checks.decided(delivery.origin, &decision);
        self.look_for_rest(&decision, view);
        let (delta, wanted, needed) = (decision.delta, decision.wanted, decision.needed);
        let why = decision.steps.iter().rev().find(|step| step.agents_before != step.agents_after);
        let why = why.map(|step| format!("{}: {}", step.clause.name(), step.reason)).unwrap_or_default();
        self.note(|| format!("decide: {delta:+}, wants {wanted}, needs {needed:?}; {why}"));
        if self.strikes(Trouble::VersionSkew) {
            (decision.needed, decision.margin, decision.group, decision.mesos_version) = (None, None, None, None);
            decision.tries = false;
        }
        if let Some(canary) = self.canary {
            canary.rewrite_decision(&mut decision, snapshot);
        }
        self.publish(|| Item::Decision(Box::new(decision.clone()), delivery));
    }

    /// Whether a calm pool has come to rest.
    fn look_for_rest(&mut self, decision: &ScalingDecision, view: &View<'_>) {
        if !self.is_calm {
            return;
        }
        let rests = self.checks.rests(decision) && view.in_flight == 0 && !self.checks.has_open_work(view);
        self.settled = if rests && self.now > self.faulty + self.period { self.settled + 1 } else { 0 };
        self.checks.set_rest(if self.settled >= 2 { Some(view.wanted()) } else { None });
    }

    /// Someone who may publish to the topic does.
    fn forge(&mut self, view: &View<'_>) {
        let random = &mut self.network;
        let delta = i32::try_from(random.below(41)).unwrap_or(0) - 20;
        let named = view.agents().into_iter().take(usize::try_from(delta.min(0).unsigned_abs()).unwrap_or(0));
        let agents = named.map(|agent| agent_ref(&format!("forged-{}", agent.number), "forged", Some(agent.instance)));
        let taken_at = later(view.now, self.skews[2]);
        let decision = ScalingDecision {
            id: Uuid::from_u64_pair(view.elapsed, random.next_u64()),
            scale_down_agents: agents.collect(),
            wanted: u32::try_from(random.below(500)).unwrap_or(0),
            pool: self.scale.pool.clone(),
            needed: Some(0),
            ..cluster::decision(delta, view.usable(), taken_at)
        };
        let origin = self.checks.add(Origin::forged(taken_at));
        self.publish(|| Item::Decision(Box::new(decision.clone()), Delivery { origin, attempt: 0 }));
    }

    /// The group as Auto Scaling answers: now and then as it was some seconds ago.
    pub(super) fn group_as_answered(&mut self, view: &View<'_>) -> Group {
        if self.strikes(Trouble::StaleAnswer) && !self.earlier.is_empty() {
            let index = self.network.index(self.earlier.len());
            if let Some((at, group)) = self.earlier.get(index) {
                let (at, group) = (*at, group.clone());
                self.note(|| format!("  the answer is of {}", clock(at)));
                return group;
            }
        }
        view.group.clone()
    }

    fn remember_group(&mut self, view: &View<'_>) {
        if self.is_calm || self.rates.get(&Trouble::StaleAnswer).is_none_or(|rate| *rate == 0) {
            return;
        }
        while self.earlier.front().is_some_and(|(at, _)| at + STALE < self.now) {
            self.earlier.pop_front();
        }
        self.earlier.push_back((self.now, view.group.clone()));
    }

    /// node_scale's clock.
    pub(super) fn scale_time(&self, view: &View<'_>) -> Timestamp {
        later(view.now, self.skews[2])
    }

    pub(super) const fn now(&self) -> Millis {
        self.now
    }

    pub(super) fn latency(&mut self) -> Millis {
        let slow = if self.strikes(Trouble::SlowCall) { 500 + self.network.below(4000) } else { 0 };
        40 + self.network.below(160) + slow
    }

    pub(super) fn count_write(&mut self) {
        self.outcome.writes += 1;
    }

    pub(super) fn tell_last(&mut self, last: String) {
        self.note(|| format!("scale: {last}"));
        self.last = last;
    }

    fn handle(&mut self, item: Item, view: &View<'_>, orders: &mut Orders) {
        match item {
            Item::Snapshot(snapshot, delivery) => self.decide(&snapshot, delivery, view),
            // One at a time: the function has a reserved concurrency of one.
            Item::Decision(decision, delivery) if self.active.is_some() => {
                self.push(self.now + SECOND, Item::Decision(decision, delivery));
            }
            Item::Decision(decision, delivery) => {
                if self.strikes(Trouble::ColdStart) {
                    self.applied.clear();
                }
                self.active = Invocation::begin(*decision, delivery, view, self);
                if self.active.is_some() {
                    let latency = self.latency();
                    self.push(self.now + latency, Item::Scale);
                }
            }
            Item::Scale => {
                let Some(mut invocation) = self.active.take() else { return };
                match invocation.step(view, orders, self) {
                    Step::GoesOn => {
                        self.active = Some(invocation);
                        let latency = self.latency();
                        self.push(self.now + latency, Item::Scale);
                    }
                    Step::Ends => {}
                    Step::Fails => {
                        let (decision, delivery) = invocation.into_event();
                        if delivery.attempt == 0 {
                            let again = Delivery { attempt: 1, ..delivery };
                            self.push(self.now + RETRY, Item::Decision(Box::new(decision), again));
                        }
                    }
                }
            }
        }
    }
}

/// How an invocation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    GoesOn,
    Ends,
    /// Lambda runs the event again, once.
    Fails,
}

impl Policy for Chain {
    fn period(&self) -> Millis {
        self.period
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        self.now = view.elapsed;
        self.remember_group(view);
        self.checks.see(view);
        if self.now >= self.next_run {
            self.next_run = self.now + self.period;
            self.observe(view);
            if self.strikes(Trouble::Forged) {
                self.forge(view);
            }
        } else if let Some(Reverse((at, number))) = self.due.peek().copied()
            && at <= self.now
        {
            self.due.pop();
            if let Some(item) = self.items.remove(&number) {
                self.handle(item, view, orders);
            }
        }
        if let Some(Reverse((at, _))) = self.due.peek() {
            orders.call_again(at.saturating_sub(self.now).max(1));
        }
        if let Some((invariant, what)) = self.checks.take() {
            self.violate(invariant, what);
        }
        Ok(())
    }
}

pub(super) fn tasks(agent: &Agent) -> usize {
    agent.tasks().iter().filter(|task| task.state.takes_resources()).count()
}

fn waiting(view: &View<'_>) -> u32 {
    view.waiting().iter().map(|waiting| waiting.instances).sum()
}

pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}
