//! A pool through many runs: agents boot and register, queued instances start where there is room, and what a decision
//! says is done as node_scale does it: what is in flight is subtracted, and a scale-down needs a settled group.

use cluster::{Agent, Capacity, Cluster, NOON, TaskSpec};
use jiff::{SignedDuration, Timestamp};
use node_process::decide;
use shared::config::Policy;
use shared::contract::ScalingDecision;

/// One application in one pool.
pub(crate) struct Pool {
    pub(crate) cluster: Cluster,
    /// What an instance of the group has.
    pub(crate) truth: Capacity,
    /// What an instance of the application takes.
    pub(crate) instance: TaskSpec,
    /// How many of them wait.
    pub(crate) queued: u32,
    /// How many instances of the group were launched.
    pub(crate) launched: usize,
    /// How many runs an instance takes to register.
    boot: i64,
    /// When those that boot register.
    booting: Vec<Timestamp>,
    pub(crate) now: Timestamp,
    settled_at: Timestamp,
    /// How many tasks of the application an agent may hold.
    pub(crate) max_per_agent: Option<u32>,
}

impl Pool {
    pub(crate) fn new(cluster: Cluster, truth: Capacity, instance: TaskSpec, queued: u32, boot: i64) -> Self {
        let (now, booting) = (NOON, Vec::new());
        Self { cluster, truth, instance, queued, launched: 0, boot, booting, now, settled_at: now, max_per_agent: None }
    }

    pub(crate) fn agents(&self) -> usize {
        self.cluster.agents().count()
    }

    /// One run.
    pub(crate) fn tick(&mut self, policy: &Policy) -> ScalingDecision {
        self.now += SignedDuration::from_mins(1);
        let (joined, booting) = self.booting.iter().partition(|at| **at <= self.now);
        self.booting = booting;
        let joined: Vec<Timestamp> = joined;
        for _ in joined {
            let number = u32::try_from(self.launched).unwrap() * 100 + u32::try_from(self.agents()).unwrap();
            let (id, name) = (format!("new-{number}"), format!("new-{number}"));
            self.cluster.register(Agent::new(number, id, name, "10.1.0.1", self.truth.clone(), self.now));
        }
        while self.queued > 0 && self.start() {
            self.queued -= 1;
        }
        let cluster = match self.queued {
            0 => self.cluster.clone(),
            queued => self.cluster.clone().queued(&self.instance.application, queued, self.instance.resources),
        };
        let mut snapshot =
            cluster.snapshots(std::slice::from_ref(policy), "http://m:5050", self.now).unwrap().remove(0);
        snapshot.applications.iter_mut().for_each(|application| application.max_per_agent = self.max_per_agent);
        let decision = decide(&snapshot, policy, self.now).unwrap();
        let wanted = usize::try_from(decision.delta).unwrap_or(0);
        for _ in self.booting.len()..wanted {
            self.launched += 1;
            self.booting.push(self.now + SignedDuration::from_mins(self.boot));
        }
        if self.booting.is_empty() && self.now >= self.settled_at && decision.delta < 0 {
            self.remove(&decision);
        }
        decision
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

    /// Their tasks wait again.
    fn remove(&mut self, decision: &ScalingDecision) {
        let named = |agent: &&Agent| decision.scale_down_agents.iter().any(|gone| gone.agent_id == agent.id);
        let gone: Vec<u32> = self.cluster.agents().filter(named).map(|agent| agent.number).collect();
        for agent in gone.into_iter().filter_map(|number| self.cluster.remove(number)) {
            self.queued += u32::try_from(agent.tasks().len()).unwrap();
        }
        self.settled_at = self.now + SignedDuration::from_mins(10);
    }
}
