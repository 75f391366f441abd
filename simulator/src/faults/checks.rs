//! What must hold: of each plan, against what the stage had read; of each call; and of the world, after every event.
//!
//! The checks share no code with what they check: they look at amounts, times, and instances, not at clauses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use node_scale::group_tags::{FLOOR, NEEDED, PAUSE_UNTIL};
use node_scale::plan::{AgentStep, Change, Increase, Plan, PlanResult};
use node_scale::state::GroupState;
use shared::config::{Policy as Settings, ScaleDownStrategy};
use shared::contract::{CompletenessLevel, ScalingDecision, TaskGroup};
use shared::count::saturated;
use shared::group::Lifecycle;

use super::case::{Case, Class, Oddity, Trouble};
use super::chain::later;
use super::counts::{SLACK, agents_for, arriving, changes, is_lost, useless};
use super::deactivated::{self, Deactivated};
use super::learning::Learned;
use super::tags::{Floor, floor, knows_slot, slot_of, tag};
use crate::fault::Fault;
use crate::policy::View;
use crate::world::World;
use crate::{HOUR, Millis};

/// How far ahead a clock may be.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// An invariant, and how it is violated.
pub(super) type Broken = (&'static str, String);

/// A snapshot, as the world was when it was taken.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// By node_gather's clock.
    pub(super) taken_at: Timestamp,
    /// Whether all that ran could be seen.
    pub(super) is_whole: bool,
    pub(super) is_forged: bool,
    /// The agents, by the instance that they claim.
    pub(super) agents: BTreeMap<String, Vec<Seen>>,
    /// What node_process made of it.
    decided: Option<Decided>,
    /// How much capacity was requested for it.
    requested: u32,
}

/// An agent as it was.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) tasks: usize,
    pub(super) is_active: bool,
}

#[derive(Clone, Debug)]
struct Decided {
    usable: u32,
    wanted: u32,
    needed: Option<u32>,
    named: BTreeSet<String>,
}

impl Origin {
    pub(super) const fn new(taken_at: Timestamp, is_whole: bool, agents: BTreeMap<String, Vec<Seen>>) -> Self {
        Self { taken_at, is_whole, is_forged: false, agents, decided: None, requested: 0 }
    }

    /// Of a message that node_process has not made.
    pub(super) fn forged(taken_at: Timestamp) -> Self {
        Self { is_forged: true, ..Self::new(taken_at, false, BTreeMap::new()) }
    }
}

/// What an invocation had read when it planned.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) state: GroupState,
    /// By node_scale's clock.
    pub(super) now: Timestamp,
    pub(super) decision: ScalingDecision,
    pub(super) origin: usize,
}

/// What a decision that was carried out needed.
#[derive(Clone, Copy, Debug)]
struct Needed {
    /// By node_scale's clock.
    arrived_at: Timestamp,
    agents: u32,
    /// Whether the group's tag knew of its slot when that was done.
    is_remembered: bool,
}

#[derive(Debug)]
pub(super) struct Checks {
    settings: Settings,
    /// How many units of capacity an instance counts for.
    unit: u32,
    /// Classes that make a check impossible.
    blurs: Blurs,
    origins: Vec<Origin>,
    /// What admitted decisions needed.
    needed: VecDeque<Needed>,
    /// Who deactivated which agents.
    deactivated: Deactivated,
    /// The demand of the last hour.
    demand: VecDeque<(Millis, Vec<TaskGroup>)>,
    /// When an agent was tried last.
    trial: Option<Timestamp>,
    /// What was wanted when a calm pool came to rest.
    rest: Option<Vec<TaskGroup>>,
    is_calm: bool,
    broken: Option<Broken>,
}

/// What makes a check impossible.
#[derive(Clone, Copy, Debug)]
struct Blurs {
    /// The capacity is changed by others, so that its sums are not ours alone.
    capacity: bool,
    /// Our tags are changed by others.
    tags: bool,
    /// What is read is old.
    stale: bool,
    /// Messages of others.
    forged: bool,
    /// One agent is tried in each hour.
    tries: bool,
    /// node_scale forgets what it did.
    forgets: bool,
    /// Agents end for good, and their instances stay.
    ended: bool,
    /// How much smaller a new agent may be than the first ones.
    smaller: u64,
}

impl Checks {
    pub(super) fn new(case: &Case, settings: Settings) -> Self {
        let world = |faults: &[Fault]| faults.iter().any(|fault| case.rate(Class::World(*fault)) > 0);
        let chain = |trouble| case.rate(Class::Chain(trouble)) > 0;
        let blurs = Blurs {
            capacity: world(&[Fault::OtherAutoscaler, Fault::OperatorLimits]),
            // An agent that claims the instance of one that is away looks like that one.
            tags: world(&[Fault::OperatorTags, Fault::SharedIdentity]),
            stale: chain(Trouble::StaleAnswer),
            forged: chain(Trouble::Forged),
            tries: case.rate(Class::Pool(Oddity::WrongNewAgent)) > 0 || world(&[Fault::InstanceType]),
            forgets: [Trouble::ColdStart, Trouble::Crash, Trouble::LostAnswer, Trouble::Throttled]
                .map(chain)
                .contains(&true),
            ended: world(&[Fault::AgentEnds]),
            smaller: if world(&[Fault::InstanceType]) { 4 } else { 1 },
        };
        Self {
            settings,
            unit: case.rate(Class::Pool(Oddity::Weights)).max(1),
            blurs,
            origins: Vec::new(),
            needed: VecDeque::new(),
            deactivated: Deactivated::default(),
            demand: VecDeque::new(),
            trial: None,
            rest: None,
            is_calm: false,
            broken: None,
        }
    }

    pub(super) fn add(&mut self, origin: Origin) -> usize {
        self.origins.push(origin);
        self.origins.len() - 1
    }

    pub(super) const fn begin_calm(&mut self) {
        self.is_calm = true;
    }

    /// The first violation since it was asked last.
    pub(super) const fn take(&mut self) -> Option<Broken> {
        self.broken.take()
    }

    fn demand(&mut self, holds: bool, invariant: &'static str, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some((invariant, what()));
        }
    }

    /// What is wanted now.
    pub(super) fn see(&mut self, view: &View<'_>) {
        while self.demand.front().is_some_and(|(at, _)| at + HOUR < view.elapsed) {
            self.demand.pop_front();
        }
        if self.demand.back().is_none_or(|(_, last)| last.as_slice() != view.wanted()) {
            self.demand.push_back((view.elapsed, view.wanted().to_vec()));
        }
    }

    /// What node_process decided, before anything happens to its message.
    pub(super) fn decided(&mut self, origin: usize, decision: &ScalingDecision) {
        let small =
            i64::from(decision.delta).abs() <= 100_000 && decision.target < 100_000 && decision.wanted < 100_000;
        self.demand(small, "I10 finite", || format!("delta {}, target {}", decision.delta, decision.target));
        let silent = decision.steps.iter().find(|step| step.reason.trim().is_empty());
        self.demand(silent.is_none(), "I12 observable", || format!("a step gives no reason: {silent:?}"));
        let explains = decision.delta == 0 || decision.steps.iter().any(|step| step.agents_before != step.agents_after);
        self.demand(explains, "I12 observable", || format!("no step says why {:+}", decision.delta));
        if let Some(origin) = self.origins.get_mut(origin) {
            origin.decided = Some(Decided {
                usable: decision.agents.usable,
                wanted: decision.wanted,
                needed: decision.needed,
                named: decision.scale_down_agents.iter().filter_map(|agent| agent.instance_id.clone()).collect(),
            });
        }
    }

    /// An invocation has made all of its calls.
    pub(super) fn completed(&mut self, read: &Read, without_failure: bool, view: &View<'_>) {
        let Some(Origin { decided: Some(decided), is_forged: false, .. }) = self.origins.get(read.origin) else {
            return;
        };
        if let (true, Some(agents)) = (without_failure, decided.needed) {
            let slot = slot_of(read.now, self.slot());
            let is_remembered = view.group.tags.get(NEEDED).is_some_and(|tag| knows_slot(tag, slot));
            self.needed.push_back(Needed { arrived_at: read.now, agents, is_remembered });
        }
    }

    /// I12: an invocation has ended, or will be run again: it has said once what came of it.
    pub(super) fn ended(&mut self, outcomes: &[String]) {
        let is_one = matches!(outcomes, [outcome] if !outcome.trim().is_empty());
        self.demand(is_one, "I12 observable", || format!("an invocation ended in {outcomes:?}"));
    }

    /// H10: demand has grown from one run to a later one under the same master.
    pub(super) fn learned(&mut self, learned: &Learned, elected_at: Timestamp, now: Timestamp) {
        let led = now.duration_since(elected_at) + SignedDuration::from_secs(1);
        self.demand(!learned.counted || led >= learned.horizon, "H10 learned", || {
            format!("growth over {:#} is counted, and the master has led for {led:#}", learned.horizon)
        });
    }

    /// L: how many slots the window has.
    fn slots(&self) -> u32 {
        let fit = self.settings.scale_down.window.as_millis() / self.least_slot().as_millis().max(1);
        u32::try_from(fit).unwrap_or(6).clamp(3, 6)
    }

    /// L: how long each of them lasts.
    fn slot(&self) -> SignedDuration {
        let slot = (self.settings.scale_down.window / self.slots()).max(self.least_slot());
        SignedDuration::try_from(slot).unwrap_or(SignedDuration::MAX)
    }

    /// L: each of them has a decision, even where one is late.
    fn least_slot(&self) -> Duration {
        let period = self.settings.timing.schedule_period;
        period + period / 3
    }

    /// A plan, by what was read for it.
    pub(super) fn plan(&mut self, read: &Read, plan: &Plan, view: &View<'_>) {
        let Some(origin) = self.origins.get(read.origin).cloned() else { return };
        self.leaves_no_agent(plan, view);
        if origin.is_forged {
            self.deactivated.named_by_forgery(plan.agents.iter().map(|step| step.instance_id.clone()));
        }
        let writes = !plan.agents.is_empty() || matches!(plan.result, PlanResult::Act(_));
        if !writes {
            return;
        }
        self.is_fresh(read, &origin);
        self.is_not_paused(read);
        let PlanResult::Act(change) = &plan.result else { return };
        self.is_within_limits(read, change);
        self.is_a_step(read, change);
        match change {
            Change::Increase(increase) => self.is_explained(read, increase, view),
            Change::Decrease { .. } | Change::Terminate { .. } | Change::Deactivate { .. } => {
                self.removes(read, &origin, change, view);
            }
            Change::Withdraw { to, .. } => self.ends_none(read, *to),
            Change::Raise { .. } | Change::Reactivate { .. } | Change::Drain { .. } => {}
        }
        self.is_no_flap(change, view);
    }

    /// I3: what is written follows from a snapshot that has not expired, and that is not of the future.
    fn is_fresh(&mut self, read: &Read, origin: &Origin) {
        let limit = SignedDuration::try_from(self.settings.timing.schedule_period * 2).unwrap_or(SignedDuration::MAX);
        let age = read.now.duration_since(origin.taken_at);
        self.demand(age <= limit + SLACK, "I3 fresh", || format!("the snapshot is {age:#} old"));
        self.demand(age >= -CLOCK_SKEW - SLACK, "I3 fresh", || format!("the snapshot is {:#} ahead", -age));
    }

    /// Nothing is written while the group says that it is paused.
    fn is_not_paused(&mut self, read: &Read) {
        let pause = tag(&read.state, PAUSE_UNTIL);
        let holds = pause.is_none_or(|until| until.parse::<Timestamp>().is_ok_and(|until| until <= read.now));
        self.demand(holds, "pause", || format!("the group is paused: {pause:?}"));
    }

    /// I1: within the limits of the pool and the group, and an operator's floor.
    fn is_within_limits(&mut self, read: &Read, change: &Change) {
        let group = &read.state.group;
        let unit = self.unit;
        let units = |agents: u32| i32::try_from(agents.saturating_mul(unit)).unwrap_or(i32::MAX);
        let max = self.settings.limits.max.map_or(group.max_size, |max| units(max).min(group.max_size));
        let min = units(self.settings.limits.min).max(group.min_size).min(max);
        let floor = match tag(&read.state, FLOOR) {
            None => min,
            Some(text) => match floor(text, read.now) {
                Floor::Over => min,
                Floor::Of(floor) => units(floor).min(max).max(min),
                Floor::Unreadable => i32::MAX,
            },
        };
        let desired = group.desired_capacity;
        let ends = |to: i32| to >= floor || (to >= min && desired > max);
        match change {
            Change::Increase(Increase { to, .. }) | Change::Raise { to, .. } => {
                self.demand(*to <= max, "I1 bounds", || format!("{to} requested, at most {max} are allowed"));
            }
            Change::Decrease { to, .. } | Change::Withdraw { to, .. } => {
                self.demand(ends(*to), "I1 bounds", || format!("{to} requested, at least {floor} must stay"));
            }
            Change::Terminate { targets, .. } => {
                let to = desired - units(saturated(targets.len()));
                self.demand(ends(to), "I1 bounds", || format!("{to} of {desired} left, at least {floor} must stay"));
            }
            Change::Deactivate { .. } | Change::Reactivate { .. } | Change::Drain { .. } => {}
        }
    }

    /// A1: what is withdrawn is no instance.
    fn ends_none(&mut self, read: &Read, to: i32) {
        let listed = read.state.group.instances.iter().filter(|instance| instance.is_capacity());
        let listed: i64 = listed.map(|instance| i64::from(instance.weight())).sum();
        self.demand(i64::from(to) >= listed, "A1 withdraw", || format!("{to} requested, {listed} are there"));
    }

    /// I7: one decision changes no more than the step limits allow.
    fn is_a_step(&mut self, read: &Read, change: &Change) {
        let group = &read.state.group;
        let capacity = saturated(group.instances.iter().filter(|instance| instance.is_capacity()).count());
        let listed = (capacity * self.unit).max(group.desired_capacity.max(0).unsigned_abs());
        // A percentage is one of the agents that the decision counted.
        let agents = listed.div_ceil(self.unit).max(read.decision.agents.registered);
        let up = self.settings.limits.max_scale_up_step.of(agents);
        let down = self.settings.limits.max_scale_down_step.of(agents).max(agents.div_ceil(10));
        let is_drain = self.settings.scale_down.strategy.decommissions();
        let (changed, limit) = match change {
            Change::Increase(Increase { to, floor: None, .. }) | Change::Raise { to, .. } => {
                ((*to).max(0).unsigned_abs().saturating_sub(listed).div_ceil(self.unit), up)
            }
            Change::Decrease { from, to } => (self.fewer(&read.state, *from, *to), down),
            Change::Terminate { targets, .. } if !is_drain => (u32::try_from(targets.len()).unwrap_or(u32::MAX), down),
            Change::Deactivate { targets, .. } => (u32::try_from(targets.len()).unwrap_or(u32::MAX), down),
            _ => return,
        };
        self.demand(changed <= limit, "I7 rate", || format!("{changed} in one decision, at most {limit} are allowed"));
    }

    /// How many instances end where the desired capacity falls: what could not be launched is none.
    fn fewer(&self, state: &GroupState, from: i32, to: i32) -> u32 {
        let in_service = state.group.instances.iter().filter(|of| of.lifecycle_state == Lifecycle::InService);
        let units = i32::try_from(saturated(in_service.count()) * self.unit).unwrap_or(i32::MAX);
        (units.min(from) - to).max(0).unsigned_abs().div_ceil(self.unit)
    }

    /// I4, I5, I6, D6: a scale-down follows from a complete view of a group that has been settled since.
    fn removes(&mut self, read: &Read, origin: &Origin, change: &Change, view: &View<'_>) {
        let state = &read.state;
        if !origin.is_forged {
            self.demand(origin.is_whole, "I4 complete", || "agents are removed on a view that lacked some".to_owned());
            let is_complete = read.decision.completeness == Some(CompletenessLevel::Complete);
            self.demand(is_complete, "I4 complete", || "agents are removed on an incomplete snapshot".to_owned());
        }
        let taken_at = read.decision.snapshot_taken_at;
        let late = state.activities.iter().find(|activity| changes(activity) && activity.start > taken_at);
        // What was given up holds nothing up (B5), and so does what is launched where a series of launches brought no agent.
        let is_lost = is_lost(state, read.now) || useless(view) >= 3;
        self.demand(late.is_none() || is_lost, "I5 base", || {
            format!("the group has changed since the snapshot: {late:?}")
        });
        let moving = |of: &&node_scale::state::Instance| {
            matches!(of.lifecycle_state, Lifecycle::Pending | Lifecycle::Terminating)
        };
        let moving = state.group.instances.iter().find(moving);
        self.demand(moving.is_none() || is_lost, "I6 one direction", || {
            format!("agents are removed while the group moves: {moving:?}")
        });
        let cooldown =
            SignedDuration::try_from(self.settings.timing.scale_down_cooldown).unwrap_or(SignedDuration::MAX);
        let continues = matches!(change, Change::Terminate { .. }) && self.settings.scale_down.strategy.decommissions();
        let recent = state
            .activities
            .iter()
            .find(|activity| changes(activity) && activity.end.is_some_and(|end| later(end, cooldown) > read.now));
        self.demand(continues || recent.is_none() || is_lost, "I6 one direction", || {
            format!("agents are removed within the cooldown of {recent:?}")
        });
        self.leaves_the_needed(read, origin, change, continues);
    }

    /// D6: what was needed within the window stays.
    fn leaves_the_needed(&mut self, read: &Read, origin: &Origin, change: &Change, continues: bool) {
        let window = self.settings.scale_down.window;
        let Some(decided) = &origin.decided else { return };
        let max = self.settings.limits.max.unwrap_or(u32::MAX);
        if window.is_zero() || continues || self.blurs.tags || origin.is_forged || decided.usable > max {
            return;
        }
        let slot = self.slot();
        // The clock of an earlier run may have been ahead.
        let newest = self.needed.iter().map(|of| slot_of(of.arrived_at, slot)).fold(slot_of(read.now, slot), i64::max);
        while self.needed.front().is_some_and(|of| slot_of(of.arrived_at, slot) < newest - 40) {
            self.needed.pop_front();
        }
        // The tag may have been written first in the middle of the oldest slot.
        let oldest = i64::from(self.slots()) - 1;
        let counts = |of: &&Needed| {
            let age = newest - slot_of(of.arrived_at, slot);
            age < oldest || age == oldest && of.is_remembered
        };
        let highest = self.needed.iter().filter(counts).map(|of| of.agents).max().unwrap_or(0);
        let gone = match change {
            Change::Terminate { targets, .. } | Change::Deactivate { targets, .. } => {
                u32::try_from(targets.len()).unwrap_or(u32::MAX)
            }
            Change::Decrease { from, to } => self.fewer(&read.state, *from, *to),
            _ => 0,
        };
        let left = decided.usable.saturating_sub(gone);
        self.demand(left >= highest.min(max), "D6 window", || {
            format!("{left} agents are left, {highest} were needed within the window")
        });
    }

    /// The cost: no more is requested than the demand of the last hour explains, with what is there and of no use.
    fn is_explained(&mut self, read: &Read, increase: &Increase, view: &View<'_>) {
        if increase.floor.is_some() || self.blurs.forged || self.origins.get(read.origin).is_none_or(|of| of.is_forged)
        {
            return;
        }
        let headroom = u64::from(self.settings.headroom.percent.max(if self.is_calm { 0 } else { 100 }));
        let needs = |groups: &Vec<TaskGroup>| groups.iter().map(|group| agents_for(group, headroom, view)).sum::<u64>();
        let most = self.demand.iter().map(|(_, groups)| needs(groups)).max().unwrap_or(0);
        let explained = most * self.blurs.smaller * 5 / 4 + 4 + useless(view) + u64::from(self.settings.limits.min);
        let to = u64::from(increase.to.max(0).unsigned_abs().div_ceil(self.unit));
        // One agent may be tried in each hour (A), however many there are.
        let is_trial = self.blurs.tries && increase.needed <= 1;
        self.demand(is_trial || to <= explained, "cost", || {
            format!("{to} instances are requested, and the demand of an hour explains {explained}")
        });
    }

    /// I9: a calm pool that has come to rest stays there.
    fn is_no_flap(&mut self, change: &Change, view: &View<'_>) {
        // A belief that nothing supports is tried again in each hour (A).
        let is_same = !self.blurs.tries && self.rest.as_ref().is_some_and(|rest| rest.as_slice() == view.wanted());
        self.demand(!is_same, "I9 rest", || format!("a pool at rest is changed: {change}"));
    }

    /// I9: at rest, no agent is on its way out, and none hangs there.
    fn leaves_no_agent(&mut self, plan: &Plan, view: &View<'_>) {
        let is_calm = self.rest.as_ref().is_some_and(|rest| rest.as_slice() == view.wanted());
        let is_blurred = self.blurs.tries || self.blurs.tags || self.blurs.ended;
        self.demand(!is_calm || is_blurred || plan.agents.is_empty() && plan.stranded == 0, "I9 rest", || {
            format!("in a pool at rest {} agents are stranded, and {:?} is done", plan.stranded, plan.agents)
        });
    }

    /// 5.6: what must hold of tags where a pool has come to rest.
    pub(super) fn tags_at_rest(&self, world: &World<'_>) -> Option<Broken> {
        let is_blurred = self.blurs.tries || self.blurs.tags || self.blurs.ended;
        if is_blurred { None } else { deactivated::at_rest(world) }
    }

    /// A calm pool has come to rest, or not.
    pub(super) fn set_rest(&mut self, wanted: Option<&[TaskGroup]>) {
        match wanted {
            None => self.rest = None,
            Some(wanted) => drop(self.rest.get_or_insert_with(|| wanted.to_vec())),
        }
    }

    /// Whether a decision finds nothing to do. Where one agent is tried in each hour, that one comes and goes. A pool without agents,
    /// which wants none, knows no more of what it needs.
    pub(super) fn rests(&self, decision: &ScalingDecision) -> bool {
        let Some(needed) = decision.needed else { return decision.agents.usable == 0 && decision.wanted == 0 };
        let margin = decision.margin.unwrap_or(0);
        decision.delta == 0
            || (self.blurs.tries && decision.agents.usable <= needed.saturating_add(margin).saturating_add(2))
    }

    /// Whether agents are still on their way out, as far as that ends. An agent whose process has ended never leaves.
    pub(super) fn has_open_work(&self, view: &View<'_>) -> bool {
        let never = matches!(self.settings.scale_down.strategy, ScaleDownStrategy::Drain { after: None, .. });
        let is_listed = |id: &str| view.cluster.registered().any(|agent| agent.instance_id() == Some(id));
        let tagged = deactivated::tagged(view.group);
        !never && !self.blurs.tries && tagged.into_iter().any(is_listed)
    }

    /// I2, I1: a new desired capacity is about to be set.
    pub(super) fn sets_desired(&mut self, read: &Read, to: i32, view: &View<'_>) {
        let listed = saturated(view.group.instances().iter().filter(|instance| instance.state.is_capacity()).count());
        // What an operator has put in standby since then is no request.
        let desired = view.group.desired().max(read.state.group.desired_capacity);
        let before = i32::try_from(listed * self.unit).unwrap_or(i32::MAX).max(desired);
        let more = (to - before).max(0).unsigned_abs().div_ceil(self.unit);
        let is_blurred = self.blurs.capacity || self.blurs.stale || tag(&read.state, FLOOR).is_some();
        let Some(origin) = self.origins.get_mut(read.origin) else { return };
        origin.requested += more;
        let Some(decided) = &origin.decided else { return };
        let (requested, wanted) = (origin.requested, decided.wanted);
        let arriving = arriving(&read.state, |id| origin.agents.contains_key(id), view);
        self.is_first_trial(read, more, is_blurred, view);
        self.demand(is_blurred || requested <= wanted, "I2 once", || {
            format!("{requested} instances were requested for one decision that wants {wanted}")
        });
        let is_blurred = is_blurred || self.blurs.tags || self.blurs.forged || is_lost(&read.state, read.now);
        self.demand(is_blurred || arriving + more <= wanted, "L5 in flight", || {
            format!("{more} instances are requested, {arriving} are on their way, and {wanted} are wanted")
        });
    }

    /// A: within an hour one agent is tried at most, with all clocks.
    fn is_first_trial(&mut self, read: &Read, more: u32, is_blurred: bool, view: &View<'_>) {
        if !read.decision.tries || more == 0 {
            return;
        }
        let hour = SignedDuration::from_hours(1) - 2 * SLACK;
        let last = self.trial.replace(view.now);
        let is_again = last.is_some_and(|last| view.now.duration_since(last) < hour);
        let is_blurred = is_blurred || self.blurs.tags || self.blurs.forgets;
        self.demand(!is_again || is_blurred, "A trial", || format!("an agent is tried, as at {last:?}"));
    }

    /// I8, I2: an instance is about to be terminated.
    pub(super) fn terminates(&mut self, read: &Read, id: &str, view: &View<'_>) {
        let instance = read.state.group.instances.iter().find(|instance| instance.instance_id == id);
        let may = instance.is_some_and(|of| {
            of.lifecycle_state == Lifecycle::InService
                && (!of.protected_from_scale_in || read.state.group.new_instances_protected_from_scale_in)
        });
        self.demand(may, "protection", || format!("{id} is terminated, and was {instance:?}"));
        // Auto Scaling lowers the desired capacity once more.
        let leaves = |of: &cluster::group::Instance| of.id == id && of.state == cluster::group::Lifecycle::Terminating;
        let is_again = !self.blurs.forgets && view.group.instances().iter().any(leaves);
        self.demand(!is_again, "I2 once", || format!("{id} is terminated again"));
        let Some(origin) = self.origins.get(read.origin).cloned() else { return };
        if origin.is_forged {
            return;
        }
        let claims = origin.agents.get(id).map(Vec::as_slice).unwrap_or_default();
        self.demand(claims.len() == 1, "identity", || {
            format!("{id} is terminated, and {} agents claim it", claims.len())
        });
        let Some(agent) = claims.first() else { return };
        if self.settings.scale_down.strategy.decommissions() {
            let was_empty = agent.tasks == 0 && !agent.is_active;
            self.demand(was_empty, "I8 busy", || {
                format!("{id} is terminated, and {} ran {} tasks", agent.id, agent.tasks)
            });
            let holds = deactivated::has_tag(view.group, id) || self.blurs.tags;
            self.demand(holds, "5.6 tags", || format!("{id} is terminated without its tag"));
        } else {
            let is_named = origin.decided.as_ref().is_some_and(|decided| decided.named.contains(id));
            self.demand(is_named, "I8 busy", || format!("{id} is terminated, and the decision does not name it"));
        }
    }

    /// 5.6: a master is about to be called.
    pub(super) fn calls_master(&mut self, step: &AgentStep, view: &View<'_>) {
        let is_tagged = self.blurs.tags || deactivated::has_tag(view.group, &step.instance_id);
        self.demand(is_tagged, "5.6 tags", || format!("{} has no tag, and {:?}", step.instance_id, step.call));
        self.deactivated.calls(step, view.cluster);
    }

    /// 5.6: what must hold of tags after every event.
    pub(super) fn tags(&mut self, world: &World<'_>) -> Option<Broken> {
        if self.blurs.tags { None } else { self.deactivated.after_event(world) }
    }
}
