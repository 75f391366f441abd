//! Every captured state of a real master, replayed through the closed loop: what `node_gather` reads, `node_process` decides, and
//! `node_scale` plans changes the group, whose instances become agents, for two hours.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test panics")]

use std::path::Path;

use cluster::group::Group;
use cluster::{Capacity, Cluster, Presence, TaskSpec, resources};
use jiff::{SignedDuration, Timestamp};
use node_scale::group_tags::TagChange;
use node_scale::plan::{AgentCall, Change, Increase, Plan, PlanResult, plan};
use shared::config::Policy;
use shared::contract::{CompletenessLevel, ScalingDecision};
use simulator::policy::group_state;

/// A run each minute.
const RUNS: u32 = 120;
/// Where nothing happens, nothing is changed in so many last runs.
const QUIET_RUNS: u32 = 40;
/// For how many runs agents and frameworks stay away that were so when the capture was taken.
const AWAY_RUNS: usize = 5;
const MIN: u32 = 2;
const MAX: u32 = 100;

/// All captured states, with their names. Those of a failover are among them.
fn captures() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut found = Vec::new();
    for version in ["1.4.3", "1.11.0"] {
        for situation in std::fs::read_dir(root.join(version)).unwrap() {
            for file in std::fs::read_dir(situation.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let bytes = std::fs::read(&path).unwrap();
                if bytes.starts_with(b"{") && Cluster::from_capture(&bytes).is_ok() {
                    found.push((path.strip_prefix(&root).unwrap().display().to_string(), bytes));
                }
            }
        }
    }
    found.sort();
    assert!(found.len() > 55, "{} captures", found.len());
    found
}

struct World {
    name: String,
    cluster: Cluster,
    group: Group,
    policy: Policy,
    now: Timestamp,
    /// Tasks whose agents have gone, and that found no other agent yet.
    displaced: Vec<TaskSpec>,
    history: Vec<String>,
}

impl World {
    fn new(name: &str, capture: &[u8], strategy: &str) -> Self {
        let mut cluster = Cluster::from_capture(capture).unwrap();
        // Of an empty cluster nothing says what a new agent has.
        cluster.new_agent.get_or_insert_with(|| Capacity::of(resources(4, 14_000)));
        // Most captures were taken within a minute after the election.
        let now = cluster.master.elected_at + SignedDuration::from_secs(30);
        let mut group = Group::new("workers-asg", 0, i32::try_from(MAX).unwrap(), &["a"]);
        for (number, agent) in cluster.agents_mut().enumerate() {
            let id = format!("i-captured{number}");
            agent.set_instance(&id, "a");
            group.adopt(&id, "a", now - SignedDuration::from_hours(24));
        }
        let settings = format!(
            "min = {MIN}\nmax = {MAX}\nresources = [\"cpus\", \"mem\"]\nscale_down_strategy = \"{strategy}\"\n\
             application_headroom_percent = 30"
        );
        let policy = cluster::policy(&settings).unwrap_or_else(|problems| panic!("{problems}"));
        Self { name: name.to_owned(), cluster, group, policy, now, displaced: Vec::new(), history: Vec::new() }
    }

    /// One run: whether it changed the group or an agent.
    fn run(&mut self) -> bool {
        self.now += SignedDuration::from_mins(1);
        self.group.advance(self.now);
        self.cluster.advance(self.now);
        self.come_back();
        let joined: Vec<(String, String)> =
            self.group.joined(self.now).map(|instance| (instance.id.clone(), instance.zone.clone())).collect();
        let gone: Vec<TaskSpec> = {
            let is_there = |id: Option<&str>| joined.iter().any(|(joined, _)| Some(joined.as_str()) == id);
            let gone = self.cluster.agents().filter(|agent| !is_there(agent.instance_id()));
            gone.flat_map(|agent| agent.tasks().iter().map(Cluster::spec_of)).collect()
        };
        // An agent that has not come back to a new master is no new one.
        let is_away =
            |id: &str| self.cluster.agents().any(|agent| !agent.is_registered() && agent.instance_id() == Some(id));
        let listed: Vec<(String, String)> = joined.into_iter().filter(|(id, _)| !is_away(id)).collect();
        self.cluster.follow(&listed, |_| true, self.now);
        let waiting = std::mem::take(&mut self.displaced).into_iter().chain(gone);
        let waiting: Vec<TaskSpec> = waiting.collect();
        self.displaced = waiting.into_iter().filter_map(|spec| self.cluster.start(spec, self.now).err()).collect();

        let policies = std::slice::from_ref(&self.policy);
        let snapshots = self.cluster.snapshots_of(policies, &self.group, "http://10.0.0.5:5050", self.now);
        let snapshot = snapshots.unwrap().remove(0);
        let decision = node_process::decide(&snapshot, &self.policy, self.now + SignedDuration::from_secs(2)).unwrap();
        let at = self.now + SignedDuration::from_secs(5);
        let plan = plan(&decision, Some(&group_state(&self.group)), &self.policy, at);
        self.history.push(format!(
            "{} usable, {:?}, {:+} ({:?}): {}",
            decision.agents.usable,
            snapshot.completeness.level,
            decision.delta,
            decision.state,
            plan.result.reason()
        ));
        self.is_safe(snapshot.completeness.level, &decision, &plan);
        self.apply(&plan, at)
    }

    /// After some runs all agents and frameworks that were away are back.
    fn come_back(&mut self) {
        if self.history.len() == AWAY_RUNS {
            let numbers: Vec<u32> = self.cluster.agents().map(|agent| agent.number).collect();
            numbers.into_iter().for_each(|number| self.cluster.reconnect(number, self.now));
            self.cluster.frameworks_mut().for_each(|framework| framework.presence = Presence::Connected);
        }
    }

    fn is_safe(&self, level: CompletenessLevel, decision: &ScalingDecision, plan: &Plan) {
        let removes = match &plan.result {
            PlanResult::Act(Change::Terminate { .. } | Change::Decrease { .. } | Change::Deactivate { .. }) => true,
            PlanResult::Act(Change::Increase(Increase { to, .. })) => {
                assert!(*to <= i32::try_from(MAX).unwrap(), "{}", self.story());
                false
            }
            _ => false,
        };
        assert!(!removes || level == CompletenessLevel::Complete, "{}", self.story());
        assert!(decision.delta == 0 || level != CompletenessLevel::Blind, "{}", self.story());
    }

    fn apply(&mut self, plan: &Plan, at: Timestamp) -> bool {
        for change in &plan.tags {
            match change {
                TagChange::Set { key, value } => drop(self.group.tags.insert(key.clone(), value.clone())),
                TagChange::Delete { key } => drop(self.group.tags.remove(key)),
            }
        }
        for step in &plan.agents {
            let operation = match step.call {
                AgentCall::Deactivate => cluster::Operation::Deactivate,
                AgentCall::Reactivate => cluster::Operation::Reactivate,
                AgentCall::Drain { grace } => cluster::Operation::Drain { max_grace_period: Some(grace) },
            };
            // The capture of an old master refuses it.
            drop(self.cluster.operate(&step.agent_id, operation, at));
        }
        match &plan.result {
            PlanResult::Act(Change::Increase(Increase { to, .. }) | Change::Decrease { to, .. }) => {
                self.group.set_desired(*to, false, at).unwrap();
            }
            PlanResult::Act(Change::Terminate { targets, .. }) => {
                for target in targets {
                    self.group.terminate_instance(&target.instance_id, true, at).unwrap();
                }
            }
            PlanResult::Act(_) => {}
            _ => return false,
        }
        true
    }

    fn story(&self) -> String {
        format!("{}\n{}", self.name, self.history[self.history.len().saturating_sub(30)..].join("\n"))
    }
}

fn replayed(strategy: &str) {
    for (name, capture) in captures() {
        let mut world = World::new(&name, &capture, strategy);
        let mut last_change = 0;
        for run in 1..=RUNS {
            if world.run() {
                last_change = run;
            }
        }
        let desired = u32::try_from(world.group.desired()).unwrap();
        assert!((MIN..=MAX).contains(&desired), "{desired} instances\n{}", world.story());
        assert!(last_change < RUNS - QUIET_RUNS, "it does not come to rest\n{}", world.story());
        assert!(world.displaced.is_empty(), "{:?}\n{}", world.displaced, world.story());
    }
}

#[test]
fn every_capture_comes_to_rest_where_idle_instances_terminate() {
    replayed("least_loaded");
}

#[test]
fn every_capture_comes_to_rest_where_agents_are_drained() {
    replayed("drain");
}
