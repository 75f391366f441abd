//! An application whose instances wait, a cluster, and its group, through many runs of `summarize`, `decide`, and `plan`:
//! instances boot and their agents register, what waits starts where there is room, and the tasks of removed agents wait again.

#[path = "writes.rs"]
mod writes;

use std::collections::BTreeSet;
use std::time::Duration;

use cluster::group::Group as Model;
use cluster::{Agent, Capacity, Cluster, NOON, TaskSpec};
use jiff::{SignedDuration, Timestamp};
use node_process::decide;
use node_scale::plan::plan;
use shared::config::Policy;
use shared::contract::ScalingDecision;
use simulator::policy::group_state;
use writes::write;

/// From the snapshot to the write.
const DELAY: SignedDuration = SignedDuration::from_secs(10);
/// From the launch until an instance is in service.
const LAUNCH: Duration = Duration::from_secs(30);
const ZONE: &str = "a";

/// One application in one pool.
pub(crate) struct World {
    cluster: Cluster,
    group: Model,
    policy: Policy,
    /// What an instance of the group has.
    truth: Capacity,
    /// What an instance of the application takes.
    instance: TaskSpec,
    /// How many of them wait.
    pub(crate) queued: u32,
    /// How many tasks of the application an agent may hold, as its definition says.
    max_per_agent: Option<u32>,
    /// The instances that were launched.
    launched: BTreeSet<String>,
    now: Timestamp,
}

impl World {
    /// A settled group whose instances are the agents of the cluster. New instances have what `truth` says, and register so many
    /// minutes after their launch.
    pub(crate) fn new(mut cluster: Cluster, settings: &str, truth: Capacity, boot: u64) -> Self {
        let mut group = Model::new("workers-asg", 0, 100, &[ZONE]);
        group.behavior.launch = LAUNCH;
        group.behavior.join = Duration::from_secs(60 * boot) - LAUNCH;
        for (number, agent) in cluster.agents_mut().enumerate() {
            let id = format!("i-old{number}");
            agent.set_instance(&id, ZONE);
            group.adopt(&id, ZONE, agent.registered_at);
        }
        Self {
            cluster,
            group,
            policy: cluster::policy(settings).unwrap(),
            truth,
            instance: TaskSpec { application: String::new(), resources: cluster::resources(0, 0) },
            queued: 0,
            max_per_agent: None,
            launched: BTreeSet::new(),
            now: NOON,
        }
    }

    /// So many instances of an application wait.
    pub(crate) fn queued(self, instance: TaskSpec, queued: u32) -> Self {
        Self { instance, queued, ..self }
    }

    /// An agent may hold that many of them.
    pub(crate) fn at_most(mut self, max_per_agent: u32) -> Self {
        let most = max_per_agent.to_string();
        self.cluster = self.cluster.constrained(&self.instance.application, &[&["hostname", "MAX_PER", &most]]);
        self.max_per_agent = Some(max_per_agent);
        self
    }

    pub(crate) fn agents(&self) -> usize {
        self.cluster.agents().count()
    }

    /// How many instances were launched.
    pub(crate) fn launched(&self) -> usize {
        self.launched.len()
    }

    /// The oldest of the new agents ends by itself, and the group replaces it: a Spot interruption.
    pub(crate) fn replace_one(&mut self) {
        let new = self.cluster.agents().filter(|agent| agent.capacity.total == self.truth.total);
        let oldest = new.min_by_key(|agent| agent.registered_at).and_then(|agent| agent.instance_id());
        if let Some(id) = oldest {
            // One that is terminating ends anyway.
            drop(self.group.terminate_instance(id, false, self.now));
        }
    }

    /// One run, a minute later.
    pub(crate) fn run(&mut self) -> ScalingDecision {
        self.now += SignedDuration::from_mins(1);
        self.pass();
        while self.queued > 0 && self.start() {
            self.queued -= 1;
        }
        let mut seen = self.cluster.clone();
        if self.queued > 0 {
            seen = seen.queued(&self.instance.application, self.queued, self.instance.resources);
        }
        let policies = std::slice::from_ref(&self.policy);
        let snapshots = seen.snapshots_of(policies, &self.group, "http://10.0.0.5:5050", self.now);
        let decision = decide(&snapshots.unwrap().remove(0), &self.policy, self.now).unwrap();
        self.act(&decision, self.now + DELAY);
        decision
    }

    /// What time brings: agents register, and those of ended instances are gone.
    fn pass(&mut self) {
        self.group.advance(self.now);
        let alive: BTreeSet<&str> = self.group.instances().iter().map(|instance| instance.id.as_str()).collect();
        let is_gone = |agent: &&Agent| !agent.instance_id().is_some_and(|id| alive.contains(id));
        let gone: Vec<u32> = self.cluster.agents().filter(is_gone).map(|agent| agent.number).collect();
        for agent in gone.into_iter().filter_map(|number| self.cluster.remove(number)) {
            self.queued += u32::try_from(agent.tasks().len()).unwrap();
        }
        let is_known = |id: &str| self.cluster.agents().any(|agent| agent.instance_id() == Some(id));
        let joined = self.group.joined(self.now).map(|instance| instance.id.clone());
        let new: Vec<String> = joined.filter(|id| !is_known(id)).collect();
        for id in new {
            let mut agent = self.cluster.make_agent(self.truth.clone(), self.now);
            agent.set_instance(&id, ZONE);
            self.cluster.register(agent);
        }
    }

    fn start(&mut self) -> bool {
        let framework = self.cluster.framework_of(&self.instance.application);
        let most = self.max_per_agent.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
        let has_room = |agent: &&Agent| {
            agent.is_usable() && agent.tasks().len() < most && self.instance.resources.fits_in(&agent.free())
        };
        let place = self.cluster.agents().find(has_room).map(|agent| agent.number);
        let placed = place.and_then(|agent| self.cluster.start_on(agent, framework, self.instance.clone(), self.now));
        placed.is_some()
    }

    /// node_scale.
    fn act(&mut self, decision: &ScalingDecision, at: Timestamp) {
        self.group.advance(at);
        let before: BTreeSet<String> = self.group.instances().iter().map(|instance| instance.id.clone()).collect();
        let plan = plan(decision, Some(&group_state(&self.group)), &self.policy, at);
        write(&plan.result, &mut self.group, at);
        let instances = self.group.instances().iter().map(|instance| instance.id.clone());
        self.launched.extend(instances.filter(|id| !before.contains(id)));
    }
}
