//! The group as a model, a load, and a clock: one run is a snapshot, a decision on it, and what `plan` makes of that.

use std::collections::BTreeSet;

use cluster::group::{Group as Model, Instance};
use jiff::{SignedDuration, Timestamp};
use node_scale::group_tags::TagChange;
use node_scale::plan::{Change, Increase, Plan, PlanResult, plan};
use node_scale::state::GroupState;
use shared::clause::Clause;
use shared::config::{Config, Policy};
use shared::contract::{AgentCounts, GroupMembers, ScalingDecision};
use simulator::policy::group_state;

/// From the snapshot to the write.
const DELAY: SignedDuration = SignedDuration::from_secs(10);

/// What the decisions say about how many agents are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// `needed`, and a margin of so many.
    Needed { margin: u32 },
    /// The delta alone, one agent at a time: a pool of CloudWatch.
    Delta,
    /// Not even how many agents there are, as a custom check may.
    StateAlone,
}

/// How many candidates a snapshot lists, by default.
const CANDIDATES: u32 = 20;

/// A group, and how many agents its load needs.
pub(crate) struct World {
    pub(crate) group: Model,
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    /// How many agents the load needs.
    pub(crate) wanted: u32,
    /// Whether the snapshots say which instances are agents.
    pub(crate) is_identified: bool,
    /// What the decisions say.
    pub(crate) says: Says,
    /// Whether nothing is written.
    pub(crate) is_dry_run: bool,
    /// How often tags were written.
    pub(crate) tag_writes: usize,
    /// What the last run made of it.
    pub(crate) plan: Option<Plan>,
    clauses: BTreeSet<Option<Clause>>,
    history: Vec<String>,
}

impl World {
    /// A settled group of that many instances, each an agent.
    pub(crate) fn of(instances: u32, settings: &str) -> Self {
        Self::every(1, instances, settings)
    }

    /// The same, with a run every so many minutes.
    pub(crate) fn every(minutes: u64, instances: u32, settings: &str) -> Self {
        let mut group = Model::new("workers-asg", 0, 100, &["a"]);
        let long_ago = cluster::NOON - SignedDuration::from_hours(24);
        (0..instances).for_each(|n| group.adopt(&format!("i-old{n}"), "a", long_ago));
        let mesos =
            if settings.contains("cloudwatch") { "" } else { "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n" };
        let limits: String = [("min", 0), ("max", 100)]
            .iter()
            .filter(|(key, _)| !settings.contains(&format!("{key} =")))
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        let config = format!(
            "schedule_period = \"{minutes}m\"\n{mesos}[[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\n\
             join_timeout = \"{}m\"\n{limits}{settings}",
            (2 * minutes).max(15)
        );
        let policy = Config::parse(&config).unwrap().pools.remove(0);
        Self {
            group,
            policy,
            now: cluster::NOON,
            wanted: instances,
            is_identified: true,
            says: Says::Needed { margin: 0 },
            is_dry_run: false,
            tag_writes: 0,
            plan: None,
            clauses: BTreeSet::new(),
            history: Vec::new(),
        }
    }

    pub(crate) fn hours_ago(&self, hours: i64) -> Timestamp {
        self.now - SignedDuration::from_hours(hours)
    }

    /// How many agents are registered.
    pub(crate) fn agents(&self) -> u32 {
        u32::try_from(self.joined().count()).unwrap()
    }

    fn joined(&self) -> impl Iterator<Item = &Instance> {
        self.group.joined(self.now)
    }

    /// The clauses that stopped runs.
    pub(crate) fn clauses(&self) -> BTreeSet<Option<Clause>> {
        self.clauses.clone()
    }

    /// What was planned in each run.
    pub(crate) fn history(&self) -> String {
        self.history.join("\n")
    }

    /// Runs in every period, with a look at the world after each run.
    pub(crate) fn run(&mut self, runs: usize, mut look: impl FnMut(&Self)) {
        for _ in 0..runs {
            self.group.advance(self.now);
            let decision = self.decision();
            self.deliver(&decision, self.now + DELAY);
            look(self);
            self.pass(1);
        }
    }

    /// So many periods pass without a decision.
    pub(crate) fn pass(&mut self, periods: u32) {
        self.now += self.policy.timing.schedule_period * periods;
        self.group.advance(self.now);
    }

    /// A decision arrives at that time.
    pub(crate) fn deliver(&mut self, decision: &ScalingDecision, at: Timestamp) {
        self.group.advance(at);
        let plan = plan(decision, Some(&self.state()), &self.policy, at);
        self.note(decision, &plan);
        if !self.is_dry_run {
            self.apply(&plan, at);
        }
        self.plan = Some(plan);
    }

    /// The decision on a snapshot that is taken now.
    pub(crate) fn decision(&self) -> ScalingDecision {
        let agents = self.agents();
        let limits = &self.policy.limits;
        let (max, margin) =
            (limits.max.unwrap_or(u32::MAX), if let Says::Needed { margin } = self.says { margin } else { 0 });
        // L1: what is above `max` goes at any rate.
        let goal = if agents > self.wanted { (self.wanted + margin).min(agents) } else { self.wanted }.min(max);
        let delta = i32::try_from(goal).unwrap() - i32::try_from(agents).unwrap();
        let one_at_a_time = !matches!(self.says, Says::Needed { .. });
        let step = |step: u32| i32::try_from(if one_at_a_time { 1 } else { step }).unwrap();
        let wanted = if one_at_a_time { delta.clamp(0, 1) } else { delta.max(0) };
        let delta =
            delta.clamp(-step(limits.max_scale_down_step.of(agents)), step(limits.max_scale_up_step.of(agents)));
        let named = self.joined().take(delta.min(0).unsigned_abs() as usize).map(|Instance { id, .. }| {
            cluster::agent_ref(&format!("agent of {id}"), &format!("host of {id}"), Some(id))
        });
        let decision = ScalingDecision {
            expires_at: self.policy.timing.expires_at(self.now),
            scale_down_agents: named.collect(),
            group: self.is_identified.then(|| self.members()),
            wanted: u32::try_from(wanted).unwrap(),
            ..cluster::decision(delta, agents, self.now)
        };
        match self.says {
            Says::Needed { margin } => ScalingDecision {
                needed: Some(self.wanted.max(agents.saturating_sub(CANDIDATES))),
                margin: Some(margin).filter(|margin| *margin > 0),
                ..decision
            },
            Says::Delta => ScalingDecision { needed: None, ..decision },
            Says::StateAlone => ScalingDecision {
                needed: None,
                completeness: None,
                agents: AgentCounts::default(),
                target: 0,
                group: None,
                ..decision
            },
        }
    }

    /// Which instances are agents, as `node_gather` tells.
    fn members(&self) -> GroupMembers {
        let capacity = self.group.instances().iter().filter(|instance| instance.state.is_capacity());
        let joined: Vec<&Instance> = self.joined().filter(|instance| instance.state.is_capacity()).collect();
        let not_joined: Vec<String> =
            capacity.filter(|instance| !joined.contains(instance)).map(|instance| instance.id.clone()).collect();
        let recently = self.now - self.policy.timing.join_timeout;
        let is_recent = |instance: &&&Instance| {
            instance.in_service.is_some_and(|since| since + self.group.behavior.join > recently)
        };
        let recent = joined.iter().filter(is_recent).map(|instance| instance.id.clone());
        GroupMembers {
            joined: u32::try_from(joined.len()).unwrap(),
            not_joined_count: u32::try_from(not_joined.len()).unwrap(),
            joined_recent: Some(recent.collect()),
            not_joined: not_joined.into_iter().take(GroupMembers::MAX_LISTED).collect(),
            ..GroupMembers::default()
        }
    }

    /// The group as `node_scale` reads it.
    fn state(&self) -> GroupState {
        GroupState { is_dry_run: self.is_dry_run, ..group_state(&self.group) }
    }

    fn apply(&mut self, plan: &Plan, now: Timestamp) {
        for change in &plan.tags {
            match change.clone() {
                TagChange::Set { key, value } => drop(self.group.tags.insert(key, value)),
                TagChange::Delete { key } => drop(self.group.tags.remove(&key)),
            }
            self.tag_writes += 1;
        }
        write(&plan.result, &mut self.group, now);
    }

    fn note(&mut self, decision: &ScalingDecision, plan: &Plan) {
        let (minute, reason) = ((self.now - cluster::NOON).as_secs() / 60, plan.result.reason());
        self.clauses.insert(reason.clause);
        let (desired, in_flight) = (self.group.desired(), plan.in_flight);
        let (agents, delta) = (decision.agents.registered, decision.delta);
        self.history.push(format!(
            "{minute:4} min: {agents} agents, {delta:+}; desired {desired}, {in_flight} in flight; {reason}"
        ));
    }
}

/// Writes what a plan says to the group, as node_scale would, and brings it to that time.
fn write(result: &PlanResult, group: &mut Model, at: Timestamp) {
    match result {
        PlanResult::Act(Change::Increase(Increase { to, .. }) | Change::Decrease { to, .. }) => {
            group.set_desired(*to, false, at).unwrap();
        }
        PlanResult::Act(Change::Terminate { targets, .. }) => {
            for target in targets {
                group.terminate_instance(&target.instance_id, true, at).unwrap();
            }
        }
        PlanResult::Act(change) => panic!("not modeled: {change}"),
        PlanResult::BackOff(_) | PlanResult::Refuse(_) | PlanResult::Nothing(_) => {}
    }
    group.advance(at);
}
