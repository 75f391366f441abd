//! A cluster, its group, and what may happen to both while agents leave: calls that are refused or lost, a function that dies
//! between two calls, agents that are unreachable, masters that fail over, operators, and instances that end by themselves. The
//! snapshots are `node_gather`'s; the decisions say what a number of wanted agents comes to.

use std::collections::{BTreeMap, BTreeSet};

use cluster::group::{Group as Model, Lifecycle};
use cluster::{Agent, Capacity, Cluster, Mode, NOON, Operation, Presence, TaskSpec, resources};
use jiff::{SignedDuration, Timestamp};
use node_scale::group_tags::TagChange;
use node_scale::plan::{AgentCall, Change, Increase, Plan, PlanResult, plan};
use shared::config::Policy;
use shared::contract::{AgentRef, AgentState, ClusterSnapshot, CompletenessLevel, ScalingDecision, ScalingState};
use shared::random::SplitMix64;
use simulator::policy::group_state;

/// From the snapshot to the write.
const DELAY: SignedDuration = SignedDuration::from_secs(10);
const TAG: &str = "lambda-scale/decommission/";

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Made,
    /// Nothing is done, and the caller knows.
    Refused,
    /// It is done, and the caller gets no answer.
    AnswerLost,
    /// Nothing is done, and the function ends.
    DiesBefore,
    /// It is done, and the function ends.
    DiesAfter,
}

/// The function ends within an invocation.
struct Died;

/// Everything, and what is known of who did what.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) group: Model,
    policy: Policy,
    now: Timestamp,
    pub(crate) wanted: u32,
    /// Whether things go wrong.
    pub(crate) has_faults: bool,
    /// Agents that the master has marked unreachable.
    unreachable: Vec<Agent>,
    /// Instances whose agents node_scale deactivated.
    pub(crate) ours: BTreeSet<String>,
    /// Instances whose agents an operator deactivated.
    pub(crate) theirs: BTreeSet<String>,
    random: SplitMix64,
    /// Decisions that may arrive once more.
    earlier: Vec<ScalingDecision>,
    pub(crate) plan: Option<Plan>,
    pub(crate) history: Vec<String>,
    /// How often what happened.
    pub(crate) events: BTreeMap<&'static str, u32>,
}

impl World {
    /// Twelve agents with some tasks each.
    pub(crate) fn new(seed: u64, settings: &str) -> Self {
        let mut cluster = Cluster::of(12, resources(4, 14_000));
        cluster.new_agent = Some(Capacity::of(resources(4, 14_000)));
        let mut group = Model::new("workers-asg", 1, 40, &["a"]);
        for (number, agent) in cluster.agents_mut().enumerate() {
            let id = format!("i-old{number}");
            agent.set_instance(&id, "a");
            group.adopt(&id, "a", NOON - SignedDuration::from_hours(24));
        }
        let policy = cluster::policy(&format!(
            "min = 1\nmax = 40\nscale_down_strategy = \"drain\"\nscale_down_window = \"0s\"\n\
             max_scale_down_step = 3\n{settings}"
        ));
        // No configuration has that: more happens in a test.
        let policy = policy.unwrap().with(|policy| policy.timing.scale_down_cooldown = std::time::Duration::ZERO);
        let mut world = Self {
            cluster,
            group,
            policy,
            now: NOON,
            wanted: 12,
            has_faults: true,
            unreachable: Vec::new(),
            ours: BTreeSet::new(),
            theirs: BTreeSet::new(),
            random: SplitMix64::new(seed),
            earlier: Vec::new(),
            plan: None,
            history: Vec::new(),
            events: BTreeMap::new(),
        };
        (0..20).for_each(|_| world.start_task());
        world
    }

    /// One run, a minute.
    pub(crate) fn run(&mut self) {
        self.now += SignedDuration::from_mins(1);
        self.pass();
        if self.has_faults {
            for _ in 0..self.random.below(3) {
                self.something_happens();
            }
        }
        let decision = self.decision();
        if self.has_faults && self.random.below(6) == 0 && !self.earlier.is_empty() {
            let index = self.random.index(self.earlier.len());
            let again = self.earlier[index].clone();
            self.count("an older message arrives");
            self.deliver(&again);
        }
        self.deliver(&decision);
        self.earlier.push(decision);
        if self.earlier.len() > 2 {
            self.earlier.remove(0);
        }
    }

    /// What time brings: instances come and end, their agents with them, and tasks of draining agents end.
    fn pass(&mut self) {
        self.group.advance(self.now);
        self.cluster.advance(self.now);
        let alive: BTreeSet<String> = self.group.instances().iter().map(|instance| instance.id.clone()).collect();
        let is_alive = |agent: &Agent| agent.instance_id().is_some_and(|id| alive.contains(id));
        let ended: Vec<u32> =
            self.cluster.agents().filter(|agent| !is_alive(agent)).map(|agent| agent.number).collect();
        ended.into_iter().for_each(|number| drop(self.cluster.remove(number)));
        self.unreachable.retain(is_alive);
        self.ours.retain(|id| alive.contains(id));
        self.theirs.retain(|id| alive.contains(id));
        let known: BTreeSet<&str> =
            self.cluster.agents().chain(&self.unreachable).filter_map(Agent::instance_id).collect();
        let new: Vec<String> = self.group.joined(self.now).map(|instance| instance.id.clone()).collect();
        let new: Vec<String> = new.into_iter().filter(|id| !known.contains(id.as_str())).collect();
        for id in new {
            let mut agent = self.cluster.make_agent(Capacity::of(resources(4, 14_000)), self.now);
            agent.set_instance(&id, "a");
            self.cluster.register(agent);
        }
    }

    /// One of the things that go wrong, or that people do.
    fn something_happens(&mut self) {
        let registered: Vec<(u32, String)> =
            self.cluster.registered().map(|agent| (agent.number, agent.instance_id().unwrap().to_owned())).collect();
        let Some((number, instance)) =
            (!registered.is_empty()).then(|| registered[self.random.index(registered.len())].clone())
        else {
            return self.everything_returns();
        };
        match self.random.below(12) {
            0 | 1 => {
                self.count("an agent is unreachable");
                let agent = self.cluster.lose(number);
                self.unreachable.extend(agent);
            }
            2 => {
                self.count("the masters fail over");
                self.cluster.fail_over(self.now);
            }
            3 | 4 => self.everything_returns(),
            5 => {
                self.count("an operator deactivates");
                self.operate(number, Operation::Deactivate);
                if !self.has_tag(&instance) {
                    self.theirs.insert(instance);
                } else {
                    self.ours.insert(instance);
                }
            }
            6 => {
                self.count("an operator reactivates");
                let deactivated = self.cluster.registered().find(|agent| agent.mode == Mode::Deactivated);
                if let Some((number, id)) =
                    deactivated.map(|agent| (agent.number, agent.instance_id().unwrap().to_owned()))
                {
                    self.operate(number, Operation::Reactivate);
                    self.ours.remove(&id);
                    self.theirs.remove(&id);
                    // The one race that nothing excludes: an older snapshot shows the agent without tasks.
                    self.earlier.clear();
                }
            }
            7 => {
                self.count("an instance ends");
                let is_running =
                    self.group.instances().iter().any(|i| i.id == instance && i.state == Lifecycle::InService);
                if is_running {
                    self.group.terminate_instance(&instance, false, self.now).unwrap();
                }
            }
            8 => {
                self.count("tasks end");
                drop(self.cluster.agent_mut(number).map(Agent::end_all));
            }
            9 => (0..4).for_each(|_| self.start_task()),
            _ => self.wanted = 4 + u32::try_from(self.random.below(10)).unwrap(),
        }
    }

    /// Whatever was away comes back.
    pub(crate) fn everything_returns(&mut self) {
        self.count("all agents return");
        for agent in std::mem::take(&mut self.unreachable) {
            self.cluster.register_again(agent, self.now);
        }
        let numbers: Vec<u32> = self.cluster.agents().map(|agent| agent.number).collect();
        numbers.into_iter().for_each(|number| self.cluster.reconnect(number, self.now));
        self.cluster.frameworks_mut().for_each(|framework| framework.presence = Presence::Connected);
    }

    /// Every task ends by itself.
    pub(crate) fn all_tasks_end(&mut self) {
        self.cluster.agents_mut().for_each(|agent| drop(agent.end_all()));
    }

    fn start_task(&mut self) {
        let spec = TaskSpec { application: "/batch".to_owned(), resources: resources(1, 1000) };
        drop(self.cluster.start(spec, self.now));
    }

    fn operate(&mut self, number: u32, operation: Operation) {
        let id = self.cluster.agent(number).unwrap().id.clone();
        drop(self.cluster.operate(&id, operation, self.now));
    }

    fn decision(&self) -> ScalingDecision {
        let policies = std::slice::from_ref(&self.policy);
        let snapshots = self.cluster.snapshots_of(policies, &self.group, "http://10.0.0.5:5050", self.now);
        let snapshot: ClusterSnapshot = snapshots.unwrap().remove(0);
        let usable = snapshot.agents.usable;
        let (candidates, decommissioning): (Vec<_>, Vec<_>) = snapshot
            .scale_down_candidates
            .iter()
            .map(AgentRef::from)
            .partition(|agent| agent.state == AgentState::Active);
        let delta = i64::from(self.wanted) - i64::from(usable);
        let most = i64::try_from(candidates.len().min(3)).unwrap();
        let delta = match snapshot.completeness.level {
            CompletenessLevel::Complete => delta.clamp(-most, 10),
            CompletenessLevel::Partial => delta.clamp(0, 10),
            CompletenessLevel::Blind => 0,
        };
        let delta = i32::try_from(delta).unwrap();
        let decision = ScalingDecision {
            agents: snapshot.agents,
            group: snapshot.group,
            completeness: Some(snapshot.completeness.level),
            mesos_version: Some(snapshot.source.mesos_version),
            scale_down_agents: candidates.into_iter().take(delta.min(0).unsigned_abs() as usize).collect(),
            decommissioning_agents: decommissioning,
            ..cluster::decision(delta, usable, self.now)
        };
        let is_blind = snapshot.completeness.level == CompletenessLevel::Blind;
        ScalingDecision { state: if is_blind { ScalingState::Held } else { decision.state }, ..decision }
    }

    fn deliver(&mut self, decision: &ScalingDecision) {
        let at = self.now + DELAY;
        self.group.advance(at);
        let state = group_state(&self.group);
        let plan = plan(decision, Some(&state), &self.policy, at);
        self.history.push(format!(
            "{}: {} usable, {:?}, delta {:+}; {:?}; {}; tags {:?}",
            decision.snapshot_taken_at,
            decision.agents.usable,
            decision.completeness,
            decision.delta,
            plan.agents.iter().map(|step| (step.call.name(), step.instance_id.as_str())).collect::<Vec<_>>(),
            plan.result.reason(),
            plan.tags
        ));
        if self.apply(&plan, at).is_err() {
            self.count("the function dies");
            self.history.push("  the function dies".to_owned());
        }
        self.plan = Some(plan);
        self.check();
    }

    /// The calls in the order in which the function makes them.
    fn apply(&mut self, plan: &Plan, at: Timestamp) -> Result<(), Died> {
        match &plan.result {
            PlanResult::Act(Change::Increase(Increase { to, .. })) => {
                self.call(|world| world.group.set_desired(*to, false, at).unwrap())?;
            }
            PlanResult::Act(Change::Terminate { targets, .. }) => {
                for target in targets {
                    let id = &target.instance_id;
                    assert!(self.has_tag(id), "{id} has no tag\n{}", self.history());
                    assert_eq!(self.tasks_on(id), 0, "{id} runs tasks\n{}", self.history());
                    if !self.call(|world| drop(world.group.terminate_instance(id, true, at).unwrap()))? {
                        break;
                    }
                }
            }
            _ => {}
        }
        self.call_masters(plan, at)?;
        self.write_tags(&plan.tags)?;
        Ok(())
    }

    fn call_masters(&mut self, plan: &Plan, at: Timestamp) -> Result<(), Died> {
        let is_tagged = |call| matches!(call, AgentCall::Deactivate | AgentCall::Reactivate);
        let tagged = plan.agents.iter().filter(|step| is_tagged(step.call));
        let tags: Vec<TagChange> = tagged.map(|step| TagChange::decommission(&step.instance_id, at)).collect();
        let is_written = self.write_tags(&tags)?;
        if !is_written && plan.agents.iter().any(|step| step.call == AgentCall::Deactivate) {
            return Ok(());
        }
        let mut reactivated = Vec::new();
        for step in &plan.agents {
            let id = step.instance_id.clone();
            assert!(self.has_tag(&id), "{id} has no tag\n{}", self.history());
            assert!(step.call == AgentCall::Deactivate || !self.theirs.contains(&id), "{id}\n{}", self.history());
            let operation = match step.call {
                AgentCall::Deactivate => Operation::Deactivate,
                AgentCall::Reactivate => Operation::Reactivate,
                AgentCall::Drain { grace } => Operation::Drain { max_grace_period: Some(grace) },
            };
            let mut is_known = true;
            let is_made = self.call(|world| {
                is_known = world.cluster.operate(&step.agent_id, operation, at).is_ok();
                match step.call {
                    _ if !is_known => {}
                    AgentCall::Reactivate => drop(world.ours.remove(&id)),
                    AgentCall::Deactivate | AgentCall::Drain { .. } => {
                        world.theirs.remove(&id);
                        world.ours.insert(id.clone());
                    }
                }
            })?;
            self.check();
            if is_made && is_known && step.call == AgentCall::Reactivate {
                reactivated.push(TagChange::end_decommission(&step.instance_id));
            }
        }
        self.write_tags(&reactivated)?;
        Ok(())
    }

    /// Whether the tags were written, as far as the function knows.
    fn write_tags(&mut self, changes: &[TagChange]) -> Result<bool, Died> {
        if changes.is_empty() {
            return Ok(true);
        }
        self.call(|world| {
            for change in changes {
                match change {
                    TagChange::Set { key, value } => drop(world.group.tags.insert(key.clone(), value.clone())),
                    TagChange::Delete { key } => drop(world.group.tags.remove(key)),
                }
            }
        })
    }

    /// Makes a call, as far as nothing goes wrong. Whether it was made, as far as the function knows.
    fn call(&mut self, act: impl FnOnce(&mut Self)) -> Result<bool, Died> {
        let fate = match self.random.below(12) {
            _ if !self.has_faults => Fate::Made,
            0 => Fate::Refused,
            1 => Fate::AnswerLost,
            2 => Fate::DiesBefore,
            3 => Fate::DiesAfter,
            _ => Fate::Made,
        };
        match fate {
            Fate::Made | Fate::AnswerLost | Fate::DiesAfter => act(self),
            Fate::Refused | Fate::DiesBefore => {}
        }
        self.check();
        match fate {
            Fate::Made => Ok(true),
            Fate::Refused | Fate::AnswerLost => Ok(false),
            Fate::DiesBefore | Fate::DiesAfter => Err(Died),
        }
    }

    /// Every agent that we deactivated is tagged, as long as its instance stays.
    fn check(&self) {
        let stays = |id: &str| {
            self.group.instances().iter().any(|instance| instance.id == id && instance.state == Lifecycle::InService)
        };
        for id in self.ours.iter().filter(|id| stays(id)) {
            assert!(self.has_tag(id), "{id} is deactivated without a tag\n{}", self.history());
        }
    }

    pub(crate) fn has_tag(&self, id: &str) -> bool {
        self.group.tags.contains_key(&format!("{TAG}{id}"))
    }

    /// The tags of decommissioning agents.
    pub(crate) fn tags(&self) -> Vec<&str> {
        self.group.tags.keys().filter_map(|key| key.strip_prefix(TAG)).collect()
    }

    fn tasks_on(&self, id: &str) -> usize {
        let agents = self.cluster.agents().chain(&self.unreachable);
        agents.filter(|agent| agent.instance_id() == Some(id)).map(|agent| agent.tasks().len()).sum()
    }

    pub(crate) fn history(&self) -> String {
        let first = self.history.len().saturating_sub(40);
        self.history[first..].join("\n")
    }

    fn count(&mut self, event: &'static str) {
        self.history.push(format!("  {event}"));
        *self.events.entry(event).or_default() += 1;
    }
}
