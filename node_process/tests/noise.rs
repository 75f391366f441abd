//! D7 in a closed loop: pools whose load goes up and down by a percent, run after run. What the rules remove, they must not
//! add again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test panics")]

mod support;

use cluster::{Agent, Cluster, NOON, Placement, TaskSpec, policy, resources};
use node_process::decide;
use shared::config::Policy;
use shared::random::SplitMix64;
use shared::resources::{Amount, Resources};
use support::milli;

/// A pool, what runs there, and what has found no room yet.
struct Loop {
    cluster: Cluster,
    policy: Policy,
    agent: Resources,
    sizes: Vec<TaskSpec>,
    running: Vec<(Placement, TaskSpec)>,
    waiting: Vec<TaskSpec>,
    random: SplitMix64,
}

impl Loop {
    /// A pool of 10 to 100 agents that are a third to three quarters full of tasks of eight sizes.
    fn generated(seed: u64, settings: &str) -> Self {
        let mut random = SplitMix64::new(seed);
        let agents = 10 + random.index(91);
        let agent = random.pick([resources(16, 62_000), resources(8, 30_000), resources(8, 62_000)]);
        let sizes = (0..8).map(|number| {
            let cpus = random.pick([50, 100, 250, 500, 1_000, 2_000, 4_000]);
            let mem = random.pick([32, 128, 512, 1_024, 2_048, 4_096, 8_192, 20_000]);
            TaskSpec { application: format!("/app/{number}"), resources: milli(cpus, mem) }
        });
        let sizes = sizes.collect();
        let cluster = Cluster::of(agents, agent);
        let (running, waiting) = (Vec::new(), Vec::new());
        let mut pool = Self { cluster, policy: policy(settings).unwrap(), agent, sizes, running, waiting, random };
        let full = u64::try_from(agents).unwrap() * agent.cpus.thousandths();
        let goal = full * (33 + pool.random.below(43)) / 100;
        let mut cpus = 0;
        while cpus < goal && pool.waiting.is_empty() {
            let spec = pool.sizes[pool.random.index(8)].clone();
            cpus += spec.resources.cpus.thousandths();
            pool.start(spec);
        }
        pool
    }

    /// All that is wanted: what runs and what waits.
    fn load(&self) -> Resources {
        let running = self.running.iter().map(|(_, spec)| spec);
        running.chain(&self.waiting).map(|spec| spec.resources).sum()
    }

    fn start(&mut self, spec: TaskSpec) {
        match self.cluster.start(spec.clone(), NOON) {
            Ok(placement) => self.running.push((placement, spec)),
            Err(spec) => self.waiting.push(spec),
        }
    }

    /// Instances end or start until the load is as near to so many thousandths of what it was as they allow. It passes that
    /// in no kind, so those that are large stay.
    fn vary(&mut self, base: &Resources, thousandths: u64) {
        let part = |amount: Amount| Amount::from_thousandths(amount.thousandths() * thousandths / 1_000);
        let goal = Resources::from_fn(|kind| part(base.get(kind)));
        let mut load = self.load();
        loop {
            let too_much = load.saturating_sub(&goal);
            let ends = |index: &usize| self.running[*index].1.resources.fits_in(&too_much);
            let ending: Vec<usize> = (0..self.running.len()).filter(ends).collect();
            if ending.is_empty() {
                break;
            }
            let (placement, spec) = self.running.swap_remove(ending[self.random.index(ending.len())]);
            self.cluster.end(placement).unwrap();
            load = load.saturating_sub(&spec.resources);
        }
        loop {
            let fits = |spec: &&TaskSpec| (load + spec.resources).fits_in(&goal);
            let fitting: Vec<TaskSpec> = self.sizes.iter().filter(fits).cloned().collect();
            if fitting.is_empty() {
                break;
            }
            let spec = fitting[self.random.index(fitting.len())].clone();
            load += spec.resources;
            self.start(spec);
        }
    }

    /// One run: what waits starts where it can, the pool is decided about, agents go or come. Returns the change.
    fn run(&mut self) -> i32 {
        std::mem::take(&mut self.waiting).into_iter().for_each(|spec| self.start(spec));
        self.cluster.queue.clear();
        for spec in &self.sizes {
            let waiting = self.waiting.iter().filter(|waiting| *waiting == spec).count();
            if waiting > 0 {
                let instances = u32::try_from(waiting).unwrap();
                self.cluster = self.cluster.clone().queued(&spec.application, instances, spec.resources);
            }
        }
        let decision = decide(&self.cluster.snapshot(), &self.policy, NOON).unwrap();
        for gone in &decision.scale_down_agents {
            let number = self.cluster.agent_by_id(&gone.agent_id).map(|agent: &Agent| agent.number).unwrap();
            self.cluster.remove(number);
            let (stay, moved) = self.running.drain(..).partition(|(placement, _)| placement.agent != number);
            self.running = stay;
            moved.into_iter().for_each(|(_, spec): (Placement, TaskSpec)| self.start(spec));
        }
        let added = usize::try_from(decision.delta).unwrap_or(0);
        self.cluster = self.cluster.clone().and(added, self.agent);
        decision.delta
    }

    /// How often the pool turns in so many runs, after it has come to rest.
    fn turns(&mut self, runs: usize) -> usize {
        for _ in 0..200 {
            if self.run() == 0 {
                break;
            }
        }
        let base = self.load();
        let mut directions = Vec::new();
        for _ in 0..runs {
            let thousandths = 990 + self.random.below(21);
            self.vary(&base, thousandths);
            directions.push(self.run().signum());
        }
        directions.retain(|direction| *direction != 0);
        directions.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

/// So many pools are looked at.
const POOLS: u64 = if cfg!(debug_assertions) { 5 } else { 20 };

fn turns(settings: &str) -> Vec<usize> {
    (0..POOLS).map(|seed| Loop::generated(seed, settings).turns(200)).collect()
}

#[test]
fn a_percent_of_noise_turns_no_pool_d7() {
    let turns = turns("");
    assert!(turns.iter().all(|turns| *turns == 0), "turns of pools with 10% headroom: {turns:?}");
}
