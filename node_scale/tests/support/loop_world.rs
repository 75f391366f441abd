//! The group as a model, a load, and a clock: one run is a snapshot, a decision on it, and what `plan` makes of that.

use std::collections::BTreeSet;

use cluster::group::{Group as Model, Instance};
use jiff::{SignedDuration, Timestamp};
use node_scale::plan::{Change, Increase, Plan, PlanResult, plan};
use node_scale::state::{self, Activity, ActivityForm, Addresses, Group, GroupState, MixedInstancesPolicy};
use shared::clause::Clause;
use shared::config::Policy;
use shared::contract::{AgentRef, AgentState, GroupMembers, ScalingDecision};
use shared::group::Lifecycle;

/// From the snapshot to the write.
const DELAY: SignedDuration = SignedDuration::from_secs(10);

/// A group, and how many agents its load needs.
pub(crate) struct World {
    pub(crate) group: Model,
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    /// How many agents the load needs.
    pub(crate) wanted: u32,
    /// Whether the snapshots say which instances are agents.
    pub(crate) is_identified: bool,
    /// What the last run made of it.
    pub(crate) plan: Option<Plan>,
    clauses: BTreeSet<Option<Clause>>,
    history: Vec<String>,
}

impl World {
    /// A settled group of that many instances, each an agent.
    pub(crate) fn of(instances: u32, settings: &str) -> Self {
        let mut group = Model::new("workers-asg", 0, 100, &["a"]);
        let long_ago = cluster::NOON - SignedDuration::from_hours(24);
        (0..instances).for_each(|n| group.adopt(&format!("i-old{n}"), "a", long_ago));
        let policy = cluster::policy(&format!("min = 0\nmax = 100\n{settings}")).unwrap();
        let (now, clauses, history) = (cluster::NOON, BTreeSet::new(), Vec::new());
        Self { group, policy, now, wanted: instances, is_identified: true, plan: None, clauses, history }
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

    /// Runs every minute, with a look at the world after each run.
    pub(crate) fn run(&mut self, runs: usize, mut look: impl FnMut(&Self)) {
        for _ in 0..runs {
            self.group.advance(self.now);
            let decision = self.decision();
            let write_at = self.now + DELAY;
            self.group.advance(write_at);
            let plan = plan(&decision, Some(&self.state()), &self.policy, write_at);
            self.note(&decision, &plan);
            self.apply(&plan, write_at);
            self.plan = Some(plan);
            look(self);
            self.now += SignedDuration::from_mins(1);
        }
    }

    fn decision(&self) -> ScalingDecision {
        let agents = self.agents();
        let delta = i32::try_from(self.wanted).unwrap() - i32::try_from(agents).unwrap();
        let removed = delta.min(0).unsigned_abs().min(self.policy.limits.max_scale_down_step.of(agents));
        let wanted = u32::try_from(delta).unwrap_or(0);
        let step = i32::try_from(self.policy.limits.max_scale_up_step.of(agents)).unwrap();
        let delta = if delta < 0 { -i32::try_from(removed).unwrap() } else { delta.min(step) };
        let named = self.joined().take(removed as usize).map(|instance| AgentRef {
            agent_id: format!("agent of {}", instance.id),
            hostname: format!("host of {}", instance.id),
            ip: None,
            instance_id: Some(instance.id.clone()),
            decommission_tag: None,
            decommission_since: None,
            state: AgentState::Active,
            task_count: 0,
        });
        ScalingDecision {
            scale_down_agents: named.collect(),
            group: self.is_identified.then(|| self.members()),
            wanted,
            ..cluster::decision(delta, agents, self.now)
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
        let group = &self.group;
        let instances = group.instances().iter().map(|instance| state::Instance {
            instance_id: instance.id.clone(),
            lifecycle_state: Lifecycle::from_name(instance.state.name()),
            weighted_capacity: (instance.weight > 1).then(|| instance.weight.to_string()),
            protected_from_scale_in: instance.protected,
        });
        let activities = group.activities().map(|activity| {
            Activity::from(ActivityForm {
                auto_scaling_group_name: Some(group.name.clone()),
                description: activity.description(),
                cause: activity.cause.clone(),
                status_code: activity.status.code().to_owned(),
                start_time: activity.start,
                end_time: activity.end,
                status_message: activity.status_message().map(str::to_owned),
            })
        });
        GroupState {
            group: Group {
                name: group.name.clone(),
                min_size: group.min,
                max_size: group.max,
                desired_capacity: group.desired(),
                status: None,
                instances: instances.collect(),
                suspended_processes: Default::default(),
                new_instances_protected_from_scale_in: group.protects_new,
                tags: Vec::new(),
                mixed_instances_policy: MixedInstancesPolicy::default(),
            },
            activities: activities.collect(),
            activities_are_complete: true,
            instance_refresh_in_progress: Some(false),
            addresses: Addresses::new(),
        }
    }

    fn apply(&mut self, plan: &Plan, now: Timestamp) {
        match &plan.result {
            PlanResult::Act(Change::Increase(Increase { to, .. }) | Change::Decrease { to, .. }) => {
                self.group.set_desired(*to, false, now).unwrap();
            }
            PlanResult::Act(Change::Terminate { targets, .. }) => {
                for target in targets {
                    self.group.terminate_instance(&target.instance_id, true, now).unwrap();
                }
            }
            PlanResult::Act(change) => panic!("not modeled: {change}"),
            PlanResult::BackOff(_) | PlanResult::Refuse(_) | PlanResult::Nothing(_) => {}
        }
        self.group.advance(now);
    }

    fn note(&mut self, decision: &ScalingDecision, plan: &Plan) {
        let (minute, reason) = ((self.now - cluster::NOON).get_seconds() / 60, plan.result.reason());
        self.clauses.insert(reason.clause);
        let (desired, in_flight) = (self.group.desired(), plan.in_flight);
        let (agents, delta) = (decision.agents.registered, decision.delta);
        self.history.push(format!(
            "{minute:4} min: {agents} agents, {delta:+}; desired {desired}, {in_flight} in flight; {reason}"
        ));
    }
}
