//! Every captured state of a real master as the start of a world: what `node_gather` reads, `node_process` decides, and `node_scale`
//! plans changes the group, whose instances become agents, for two hours.

use std::path::Path;

use cluster::{Capacity, Cluster, resources};
use jiff::SignedDuration;
use node_scale::plan::{Change, Increase, PlanResult};
use shared::contract::CompletenessLevel;
use simulator::policy::{Exactness, LambdaScale, Orders, Policy, PolicyError, View};
use simulator::{Faults, MINUTE, Millis, Place, Setup, Start, Workload, run};

/// A run each minute.
const RUNS: usize = 120;
/// Where nothing happens, nothing is changed in so many last runs.
const QUIET_RUNS: usize = 40;
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

/// The project, and what its runs came to.
struct Watched {
    name: String,
    inner: LambdaScale,
    /// By run, whether it changed the group or an agent.
    changes: Vec<bool>,
    desired: u32,
    history: Vec<String>,
}

impl Watched {
    /// What no run may do.
    fn look(&mut self) {
        let (plan, level) = (self.inner.plan().unwrap(), self.history.last().unwrap());
        let removes = match &plan.result {
            PlanResult::Act(Change::Terminate { .. } | Change::Decrease { .. } | Change::Deactivate { .. }) => true,
            PlanResult::Act(Change::Increase(Increase { to, .. })) => {
                assert!(*to <= i32::try_from(MAX).unwrap(), "{}", self.story());
                false
            }
            _ => false,
        };
        assert!(!removes || level.contains("Complete"), "{}", self.story());
        self.changes.push(matches!(plan.result, PlanResult::Act(_)));
        let reason = plan.result.reason().to_string();
        self.history.push(reason);
    }

    fn story(&self) -> String {
        format!("{}\n{}", self.name, self.history[self.history.len().saturating_sub(60)..].join("\n"))
    }
}

impl Policy for Watched {
    fn period(&self) -> Millis {
        self.inner.period()
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        self.inner.act(view, orders)?;
        self.desired = view.desired;
        match self.inner.decision() {
            Some(decision) => {
                let level = decision.completeness.unwrap();
                self.history.push(format!(
                    "{} usable, {level:?}, {:+} ({:?}); {} wait",
                    decision.agents.usable,
                    decision.delta,
                    decision.state,
                    view.waiting().len()
                ));
                assert!(decision.delta == 0 || level != CompletenessLevel::Blind, "{}", self.story());
            }
            None => self.look(),
        }
        Ok(())
    }
}

fn replay(name: &str, capture: &[u8], strategy: &str) {
    let settings = format!(
        "min = {MIN}\nmax = {MAX}\nresources = [\"cpus\", \"mem\"]\nscale_down_strategy = \"{strategy}\"\n\
         application_headroom_percent = 30"
    );
    let pool = cluster::policy(&settings).unwrap();
    let cluster = Cluster::from_capture(capture).unwrap();
    // Of an empty cluster nothing says what a new agent has.
    let agent = cluster.new_agent.clone().unwrap_or_else(|| Capacity::of(resources(4, 14_000)));
    let workload = Workload {
        // Most captures were taken within a minute after the election.
        start: cluster.master.elected_at + SignedDuration::from_secs(30),
        duration: RUNS as Millis * MINUTE,
        changes: Vec::new(),
        applications: Vec::new(),
        jobs: Vec::new(),
        agent: agent.total,
    };
    let setup = Setup {
        workload,
        agent,
        start: Start::Cluster(Box::new(cluster)),
        boot: 3 * MINUTE,
        min: 0,
        max: MAX,
        headroom_percent: 0,
        price: 0,
        place: Place { group: pool.group.clone(), ..Place::default() },
        faults: Faults::default(),
    };
    let inner = LambdaScale::new(pool, true, Exactness::Sampled);
    let mut watched = Watched { name: name.to_owned(), inner, changes: Vec::new(), desired: 0, history: Vec::new() };
    let run = run(&setup, "watched", &mut watched, 1).unwrap();
    assert_eq!(watched.changes.len(), RUNS);
    assert!((MIN..=MAX).contains(&watched.desired), "{} instances\n{}", watched.desired, watched.story());
    let is_quiet = watched.changes.iter().rev().take(QUIET_RUNS).all(|changed| !changed);
    assert!(is_quiet, "it does not come to rest\n{}", watched.story());
    assert_eq!(run.series.waiting.last(), Some(&0), "{}", watched.story());
}

fn replay_all(strategy: &str) {
    captures().iter().for_each(|(name, capture)| replay(name, capture, strategy));
}

#[test]
fn every_capture_comes_to_rest_where_idle_instances_terminate() {
    replay_all("least_loaded");
}

#[test]
fn every_capture_comes_to_rest_where_agents_are_drained() {
    replay_all("drain");
}
