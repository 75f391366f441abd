//! The project's own code: `summarize` of node_gather, `decide` of node_process, and `plan` of node_scale, on real messages.
//!
//! The records of the cluster go to `summarize` as they are, without the way through the JSON of a master. From time to time, and
//! whenever the world is for the first time of another kind, that way is taken too, and must lead to the same snapshot
//! ([`Exactness`]).

mod cpu;
mod group;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cluster::{Cluster, Reader};
use jiff::Timestamp;
use node_gather::ReadError;
use node_gather::groups;
use node_gather::growth::{History, Observation, learn};
use node_gather::marathon::{Answer, Observed};
use node_gather::members::{self, Addresses, Description, Descriptions, Lookup};
use node_gather::summarize::{ClusterState, summarize_unidentified};
use node_process::{Check, Expired};
use node_scale::plan::{AgentCall, AgentStep, Change, Increase, Plan, PlanResult, plan};
use node_scale::state::GroupState;
use shared::clause::Clause;
use shared::config;
use shared::contract::{ClusterSnapshot, ScalingDecision, TaskGroup};
use thiserror::Error;

pub(crate) use group::state as group_state;

use super::{Orders, Policy, PolicyError, View, Why};
use crate::{Millis, SECOND};

/// From the snapshot to the write: three functions, two topics, and the calls to AWS.
const DELAY: Millis = 5 * SECOND;

/// How often the way through the bytes of a master is taken: that takes as long as three or four other runs.
const EXACT_EVERY: u64 = 240;

/// The URL of the master, which no one asks.
const MASTER: &str = "http://10.0.0.5:5050";

/// When snapshots are also made from the bytes of a master, and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// In each 240th run, and in the first of each kind.
    Sampled,
    /// In each run.
    Always,
}

/// Why the project's own code cannot decide.
#[derive(Debug, Error)]
pub enum LambdaScaleError {
    /// The cluster is none that it reads.
    #[error("the cluster cannot be read")]
    Read(#[from] ReadError),
    /// Made from the bytes of a master, the snapshot is another one.
    #[error("the snapshot of /state differs from that of the model: {of_state}, expected {of_model}")]
    Differs {
        /// As it was made from the bytes.
        of_state: String,
        /// As it was made from the model.
        of_model: String,
    },
    /// The snapshot is of another time.
    #[error(transparent)]
    Expired(#[from] Expired),
}

/// What decides.
struct Decider(Box<dyn Check>);

impl fmt::Debug for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decider")
    }
}

/// The standard algorithm. No one asks for the ids of its decisions, which would take longer than they do.
struct Unidentified;

impl Check for Unidentified {
    fn decide(
        &self,
        snapshot: &ClusterSnapshot,
        pool: &config::Policy,
        now: Timestamp,
    ) -> Result<ScalingDecision, Expired> {
        node_process::decide_unidentified(snapshot, pool, now)
    }
}

/// What distinguishes kinds of worlds: another part of the code may read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    waits: bool,
    in_flight: bool,
    is_closing: bool,
    is_terminating: bool,
    is_empty: bool,
    has_tags: bool,
}

/// The project as a policy.
#[derive(Debug)]
pub struct LambdaScale {
    pools: [config::Policy; 1],
    reader: Reader,
    sees_queue: bool,
    exactness: Exactness,
    decider: Decider,
    is_dry_run: bool,
    runs: u64,
    kinds: BTreeSet<Kind>,
    history: History,
    pending: Option<ScalingDecision>,
    planned: Option<Plan>,
    /// What CloudWatch would report.
    measured: cpu::Measured,
}

impl LambdaScale {
    /// The policy with the settings of a pool. `sees_queue` says whether Marathon is asked for what it has queued.
    #[must_use]
    pub fn new(pool: config::Policy, sees_queue: bool, exactness: Exactness) -> Self {
        Self {
            reader: Reader::new(std::slice::from_ref(&pool)),
            pools: [pool],
            sees_queue,
            exactness,
            decider: Decider(Box::new(Unidentified)),
            is_dry_run: false,
            runs: 0,
            kinds: BTreeSet::new(),
            history: History::default(),
            pending: None,
            planned: None,
            measured: cpu::Measured::new(),
        }
    }

    /// Decides by a custom check instead of the standard algorithm: docs/custom-checks.md.
    #[must_use]
    pub fn with_check(self, check: Box<dyn Check>) -> Self {
        Self { decider: Decider(check), ..self }
    }

    /// Writes nothing, as with `dry_run = true`.
    #[must_use]
    pub fn in_dry_run(self) -> Self {
        Self { is_dry_run: true, ..self }
    }

    /// The decision of a run, between its two calls.
    #[must_use]
    pub const fn decision(&self) -> Option<&ScalingDecision> {
        self.pending.as_ref()
    }

    /// Acts on that decision in the next call: on one that arrives again, or on none, where it was lost.
    pub fn set_decision(&mut self, decision: Option<ScalingDecision>) {
        self.pending = decision;
    }

    /// What the last run did about its decision.
    #[must_use]
    pub const fn plan(&self) -> Option<&Plan> {
        self.planned.as_ref()
    }

    /// What the pool has learned.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Goes on with another history, as where the stored one was lost.
    pub fn set_history(&mut self, history: History) {
        self.history = history;
    }

    const fn pool(&self) -> &config::Policy {
        let [pool] = &self.pools;
        pool
    }

    /// node_gather and node_process.
    fn decide(&mut self, view: &View<'_>) -> Result<ScalingDecision, LambdaScaleError> {
        let (mut snapshot, backing_off) = self.snapshot(view)?;
        self.learn(&mut snapshot, &backing_off, view.now);
        Ok(self.decider.0.decide(&snapshot, self.pool(), view.now)?)
    }

    /// What node_gather does from run to run.
    fn learn(&mut self, snapshot: &mut ClusterSnapshot, backing_off: &[TaskGroup], now: Timestamp) {
        let Some(learning) = self.pool().learning else { return };
        let Some(seen) = Observation::of(snapshot, self.pool(), backing_off) else { return };
        self.history = learn(&self.history, &seen, now);
        snapshot.growth = Some(self.history.growth(seen.demand.as_ref(), learning.confidence));
    }

    /// The snapshot, and the queued instances that back off.
    fn snapshot(&mut self, view: &View<'_>) -> Result<(ClusterSnapshot, Vec<TaskGroup>), LambdaScaleError> {
        let of_cluster = if self.pool().source.needs_masters() { Some(self.snapshot_of_cluster(view)?) } else { None };
        let (of_cluster, backing_off) = of_cluster.unzip();
        if self.pool().source.cpu().is_some() {
            self.measured.measure(view);
        }
        let groups = self.measured.groups(self.pool(), view);
        // Every pool that the master does not describe is described by its group.
        groups::complete_pool(self.pool(), of_cluster, &groups, view.now)
            .map(|snapshot| (snapshot, backing_off.unwrap_or_default()))
            .ok_or(LambdaScaleError::Differs { of_state: String::new(), of_model: String::new() })
    }

    fn snapshot_of_cluster(&mut self, view: &View<'_>) -> Result<(ClusterSnapshot, Vec<TaskGroup>), LambdaScaleError> {
        let group = Description::Known(members::Group::from(view.group));
        // No address here leads to an instance, as behind NAT.
        let is_asked = view.cluster.agents().any(|agent| agent.instance_id().is_none());
        let lookup = if is_asked { Lookup::Known(Addresses::default()) } else { Lookup::NotAsked };
        let described = Descriptions { groups: BTreeMap::from([(self.pool().group.clone(), group)]), lookup };
        let again = self.is_exact(view).then(|| described.clone());
        let observed = self.observed(view.cluster);
        let state = self.reader.read(view.cluster).map_err(ReadError)?.with_descriptions(described);
        let mut summary = summarize_unidentified(state, &observed, MASTER, view.now);
        let backing_off = summary.backing_off.remove(&self.pool().pool).unwrap_or_default();
        let snapshots = summary.snapshots;
        if let Some(described) = again {
            // Equal snapshots have equal ids.
            let of_state = self.snapshots_of_state(view, described)?;
            if of_state != snapshots {
                let (of_state, of_model) = (format!("{of_state:?}"), format!("{snapshots:?}"));
                return Err(LambdaScaleError::Differs { of_state, of_model });
            }
        }
        // There is one for each pool.
        snapshots
            .into_iter()
            .next()
            .map(|snapshot| (snapshot, backing_off))
            .ok_or(LambdaScaleError::Differs { of_state: String::new(), of_model: String::new() })
    }

    fn observed(&self, cluster: &Cluster) -> Observed {
        if self.sees_queue { cluster.observed_marathon() } else { Observed::from(Answer::NotAsked) }
    }

    /// Whether this run also takes the way through bytes.
    fn is_exact(&mut self, view: &View<'_>) -> bool {
        let instances = view.group.instances();
        let kind = Kind {
            waits: !view.waiting().is_empty(),
            in_flight: view.in_flight > 0,
            is_closing: view.cluster.registered().any(|agent| !agent.is_active()),
            is_terminating: instances.iter().any(|instance| !instance.state.is_capacity()),
            is_empty: view.cluster.registered().next().is_none(),
            has_tags: !view.group.tags.is_empty(),
        };
        self.runs += 1;
        let is_new = self.kinds.insert(kind);
        is_new || self.exactness == Exactness::Always || self.runs.is_multiple_of(EXACT_EVERY)
    }

    /// The snapshots that node_gather makes of what a master answers.
    fn snapshots_of_state(
        &self,
        view: &View<'_>,
        described: Descriptions,
    ) -> Result<Vec<ClusterSnapshot>, LambdaScaleError> {
        let bytes = view.cluster.to_state_json();
        let state = ClusterState::new(&self.pools).read(&mut bytes.as_slice(), u64::MAX).map_err(ReadError)?;
        let observed = self.observed(view.cluster);
        Ok(summarize_unidentified(state.with_descriptions(described), &observed, MASTER, view.now).snapshots)
    }

    /// node_scale.
    fn scale(&mut self, decision: &ScalingDecision, view: &View<'_>, orders: &mut Orders) {
        let state = GroupState { is_dry_run: self.is_dry_run, ..group_state(view.group) };
        let plan = plan(decision, Some(&state), self.pool(), view.now);
        if !self.is_dry_run {
            carry_out(&plan, decision, view, orders);
        }
        self.planned = Some(plan);
    }
}

impl Policy for LambdaScale {
    fn period(&self) -> Millis {
        Millis::try_from(self.pool().timing.schedule_period.as_millis()).unwrap_or(Millis::MAX)
    }

    /// Two calls are a run: the first observes and decides, the second acts.
    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        match self.pending.take() {
            Some(decision) => self.scale(&decision, view, orders),
            None => {
                self.pending = Some(self.decide(view)?);
                orders.call_again(DELAY);
            }
        }
        Ok(())
    }
}

fn carry_out(plan: &Plan, decision: &ScalingDecision, view: &View<'_>, orders: &mut Orders) {
    match &plan.result {
        // Agents that an earlier decision closed.
        PlanResult::Act(change @ Change::Terminate { .. }) if decision.delta >= 0 => {
            order(change, &of_closed("closed earlier, and empty"), orders);
        }
        PlanResult::Act(change) => order(change, &why(decision), orders),
        PlanResult::BackOff(back_off) => {
            let reason = node_scale::plan::Reason::from(back_off);
            orders.hold(Why { clause: reason.clause, reason: reason.text });
        }
        PlanResult::Refuse(_) | PlanResult::Nothing(_) => {}
    }
    call_masters(&plan.agents, &why(decision), view, orders);
    if !plan.tags.is_empty() || !plan.agents.is_empty() {
        orders.set_tags(group::tags(plan, view.now));
    }
}

/// What made a decision: the last step that changed the number of agents, or the last.
fn why(decision: &ScalingDecision) -> Why {
    let changed = decision.steps.iter().rev().find(|step| step.agents_before != step.agents_after);
    let step = changed.or(decision.steps.last());
    step.map_or_else(|| Why::from(String::new()), |step| Why { clause: Some(step.clause), reason: step.reason.clone() })
}

/// What made the way of agents that an earlier decision closed, on which this one has no say.
fn of_closed(reason: &str) -> Why {
    Why { clause: Some(Clause::A1), reason: reason.to_owned() }
}

fn order(change: &Change, why: &Why, orders: &mut Orders) {
    match change {
        Change::Increase(Increase { to, .. })
        | Change::Decrease { to, .. }
        | Change::Withdraw { to, .. }
        | Change::Raise { to, .. } => {
            orders.set_desired(u32::try_from(*to).unwrap_or(0), why.clone());
        }
        Change::Terminate { targets, .. } => {
            orders.terminate(targets.iter().map(|target| target.instance_id.clone()).collect(), why.clone());
        }
        // The calls to the masters follow.
        Change::Deactivate { .. } | Change::Reactivate { .. } | Change::Drain { .. } => {}
    }
}

fn call_masters(steps: &[AgentStep], why: &Why, view: &View<'_>, orders: &mut Orders) {
    let numbers = |is_call: fn(AgentCall) -> bool| -> Vec<u32> {
        let of = steps.iter().filter(|step| is_call(step.call));
        of.filter_map(|step| view.cluster.agent_by_id(&step.agent_id)).map(|agent| agent.number).collect()
    };
    let (closed, reopened, drained) = (
        numbers(|call| call == AgentCall::Deactivate),
        numbers(|call| call == AgentCall::Reactivate),
        numbers(|call| matches!(call, AgentCall::Drain { .. })),
    );
    if !closed.is_empty() {
        orders.close(closed, why.clone());
    }
    if !reopened.is_empty() {
        orders.reopen(reopened, why.clone());
    }
    if !drained.is_empty() {
        orders.drain(drained, of_closed("closed for drain_after, and all of it fits elsewhere"));
    }
}
