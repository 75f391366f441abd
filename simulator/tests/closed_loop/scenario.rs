//! A pool in the simulator's world whose instances each take a whole agent, so that as many agents are needed as instances are
//! wanted. Each run of the project is looked at.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Range;

use cluster::{Capacity, Mode, NOON, resources};
use jiff::Timestamp;
use node_process::{Check, Expired};
use node_scale::plan::{Change, Increase, Plan, PlanResult};
use serde_json::json;
use shared::clause::Clause;
use shared::config::{Config, Policy as Settings};
use shared::contract::{ClusterSnapshot, CompletenessLevel, Message as _, ScalingDecision, ScalingState, decode};
use shared::random::SplitMix64;
use shared::resources::Resources;
use simulator::policy::{Exactness, LambdaScale, Orders, Policy, PolicyError, View};
use simulator::trace::{Application, Change as Wanted};
use simulator::{DAY, Faults, FirstAgents, Launches, MINUTE, Millis, Place, SECOND, Setup, Start, Workload, run};
use uuid::Uuid;

const AGENT: Resources = resources(4, 14_000);

/// From the snapshot to the write.
const DELAY: Millis = 5 * SECOND;

/// Settings without which a rule would ask for more agents than are full, or leave some that are empty.
const EXACT: [(&str, u32); 4] = [
    ("scale_down_margin", 0),
    ("application_headroom_percent", 0),
    ("scale_up_threshold_percent", 100),
    ("scale_down_threshold_percent", 99),
];

/// A pool, and what is odd about it.
pub(crate) struct Scenario {
    /// How many agents it starts with.
    pub(crate) agents: u32,
    pub(crate) pool: Settings,
    /// From the request of an instance until its agent is registered, on average.
    pub(crate) boot: Millis,
    pub(crate) warm: usize,
    /// What new agents have.
    pub(crate) new: Resources,
    pub(crate) launches: Launches,
    pub(crate) faults: Faults,
    pub(crate) check: Option<Box<dyn Check>>,
    pub(crate) is_dry_run: bool,
    /// The settings of a second stack with the same group.
    pub(crate) second: Option<Settings>,
    /// Runs that do not take place.
    pub(crate) missed: Range<usize>,
    /// Of which decisions are lost, late, and doubled; `None`: of none.
    pub(crate) troubles: Option<SplitMix64>,
}

impl Scenario {
    /// A settled pool of so many agents.
    pub(crate) fn of(agents: u32, settings: &str) -> Self {
        Self::every(1, agents, settings)
    }

    /// The same, with a run every so many minutes.
    pub(crate) fn every(minutes: u32, agents: u32, settings: &str) -> Self {
        Self {
            agents,
            pool: pool(minutes, settings),
            boot: 150 * SECOND,
            warm: 0,
            new: AGENT,
            launches: Launches::default(),
            faults: Faults::none(),
            check: None,
            is_dry_run: false,
            second: None,
            missed: 0..0,
            troubles: None,
        }
    }

    /// For so many runs so many instances are wanted, phase by phase.
    pub(crate) fn run(self, phases: &[(usize, u32)]) -> Ran {
        let first = FirstAgents { count: self.agents, capacity: Capacity::of(AGENT), age: DAY, mode: Mode::Active };
        let period = Millis::try_from(self.pool.timing.schedule_period.as_millis()).unwrap();
        let (mut changes, mut runs) = (Vec::new(), 0);
        for (of_phase, instances) in phases {
            changes.push(Wanted { at: runs as Millis * period, application: 0, instances: *instances });
            runs += of_phase;
        }
        let workload = Workload {
            start: NOON,
            duration: runs as Millis * period,
            changes,
            applications: vec![Application::new("/whole", AGENT)],
            jobs: Vec::new(),
            agent: AGENT,
        };
        let place =
            Place { group: self.pool.group.clone(), warm: self.warm, launches: self.launches, ..Place::default() };
        let setup = Setup {
            workload,
            agent: Capacity::of(self.new),
            start: Start::Agents(vec![first]),
            boot: self.boot,
            min: 0,
            max: 100,
            headroom_percent: 0,
            price: 0,
            place,
            faults: self.faults.clone(),
        };
        let is_punctual = self.missed.is_empty() && self.troubles.is_none();
        let mut watched = self.watched(period);
        let stacks = watched.stacks.len();
        run(&setup, "closed loop", &mut watched, 1).unwrap();
        let ran = Ran(watched.seen);
        assert!(!is_punctual || ran.0.len() == runs * stacks, "{ran}");
        ran
    }

    fn watched(self, period: Millis) -> Watched {
        let stack = |pool| LambdaScale::new(pool, true, Exactness::Sampled);
        let mut first = stack(self.pool);
        if let Some(check) = self.check {
            first = first.with_check(check);
        }
        if self.is_dry_run {
            first = first.in_dry_run();
        }
        Watched {
            stacks: [first].into_iter().chain(self.second.map(stack)).collect(),
            turn: 0,
            missed: self.missed.start as Millis * period..self.missed.end as Millis * period,
            troubles: self.troubles,
            decision: None,
            due: VecDeque::new(),
            seen: Vec::new(),
        }
    }
}

/// The settings of the pool, with a run every so many minutes.
pub(crate) fn pool(minutes: u32, settings: &str) -> Settings {
    let is_mesos = !settings.contains("cloudwatch");
    let mesos = if is_mesos { "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n" } else { "" };
    let exact = EXACT.into_iter().filter(|_| is_mesos);
    let defaults: String = [("min", 0), ("max", 100)]
        .into_iter()
        .chain(exact)
        .filter(|(key, _)| !settings.contains(&format!("{key} =")))
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    let config = format!(
        "schedule_period = \"{minutes}m\"\n{mesos}[[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\n\
         join_timeout = \"{}m\"\n{defaults}{settings}",
        (2 * minutes).max(15)
    );
    Config::parse(&config).unwrap().pools.remove(0)
}

/// All runs.
pub(crate) struct Ran(pub(crate) Vec<Seen>);

/// What a decision came to.
pub(crate) struct Seen {
    at: Millis,
    /// How many agents there were.
    pub(crate) agents: u32,
    delta: i32,
    /// The desired capacity, with what was just requested.
    pub(crate) desired: u32,
    pub(crate) plan: Plan,
}

impl Seen {
    pub(crate) fn clause(&self) -> Option<Clause> {
        self.plan.result.reason().clause
    }
}

impl Ran {
    pub(crate) fn last(&self) -> &Seen {
        self.0.last().unwrap()
    }

    /// The clauses that decided.
    pub(crate) fn clauses(&self) -> BTreeSet<Option<Clause>> {
        self.0.iter().map(Seen::clause).collect()
    }
}

/// How many tags these runs wrote or deleted.
pub(crate) fn tag_changes(runs: &[Seen]) -> usize {
    runs.iter().map(|run| run.plan.tags.len()).sum()
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|Seen { at, agents, delta, desired, plan }| {
            let (minute, reason) = (at / MINUTE, plan.result.reason());
            writeln!(
                f,
                "{minute:4} min: {agents} agents, {delta:+}; desired {desired}, {} in flight; {reason}",
                plan.in_flight
            )
        })
    }
}

/// The project, its decisions on their way, and what they came to.
struct Watched {
    /// One, or two with the same group, which take turns.
    stacks: Vec<LambdaScale>,
    turn: usize,
    missed: Range<Millis>,
    troubles: Option<SplitMix64>,
    decision: Option<ScalingDecision>,
    /// When it arrives.
    due: VecDeque<Millis>,
    seen: Vec<Seen>,
}

impl Watched {
    fn stack(&mut self) -> &mut LambdaScale {
        let turn = self.turn % self.stacks.len();
        &mut self.stacks[turn]
    }

    /// The first call: a decision, and when it arrives.
    fn decide(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        const SECONDS: [&[Millis]; 5] = [&[10], &[10, 40], &[50, 110], &[90], &[]];
        self.stack().act(view, &mut Orders::default())?;
        let after = match &mut self.troubles {
            None => vec![DELAY],
            Some(random) => random.pick(SECONDS).iter().map(|seconds| seconds * SECOND).collect(),
        };
        self.due = after.into_iter().map(|after| view.elapsed + after).collect();
        self.decision = self.stack().decision().cloned();
        self.go_on(view, orders);
        Ok(())
    }

    /// The second one: it arrives.
    fn deliver(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        self.due.pop_front();
        self.stack().act(view, orders)?;
        let plan = self.stack().plan().unwrap().clone();
        self.seen.push(Seen {
            at: view.elapsed,
            agents: u32::try_from(view.cluster.registered().count()).unwrap(),
            delta: self.decision.as_ref().unwrap().delta,
            desired: after(&plan.result, view.desired),
            plan,
        });
        self.go_on(view, orders);
        Ok(())
    }

    /// The decision arrives, maybe again, or it is the other stack's turn.
    fn go_on(&mut self, view: &View<'_>, orders: &mut Orders) {
        let arrives = self.due.front().copied();
        let decision = self.decision.clone().filter(|_| arrives.is_some());
        self.stack().set_decision(decision);
        match arrives {
            Some(at) => orders.call_again(at - view.elapsed),
            None => self.turn += 1,
        }
    }
}

impl Policy for Watched {
    fn period(&self) -> Millis {
        self.stacks[0].period() / self.stacks.len() as Millis
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        match self.due.front() {
            // No run takes place while a decision is on its way.
            Some(at) if *at > view.elapsed => Ok(()),
            Some(_) => self.deliver(view, orders),
            None if self.missed.contains(&view.elapsed) => Ok(()),
            None => self.decide(view, orders),
        }
    }
}

/// The desired capacity, once that is done.
fn after(result: &PlanResult, desired: u32) -> u32 {
    match result {
        PlanResult::Act(
            Change::Increase(Increase { to, .. }) | Change::Decrease { to, .. } | Change::Withdraw { to, .. },
        ) => u32::try_from(*to).unwrap(),
        PlanResult::Act(Change::Terminate { targets, .. }) => desired - u32::try_from(targets.len()).unwrap(),
        PlanResult::Act(change) => panic!("no pool here does that: {change}"),
        PlanResult::BackOff(_) | PlanResult::Refuse(_) | PlanResult::Nothing(_) => desired,
    }
}

/// A custom check that decides like the standard one, by one agent at a time, and publishes less.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Custom {
    /// The agents that it saw, and a delta.
    Delta,
    /// Only what a decision must have.
    State,
}

impl Check for Custom {
    fn decide(&self, snapshot: &ClusterSnapshot, pool: &Settings, now: Timestamp) -> Result<ScalingDecision, Expired> {
        let decision = node_process::decide_unidentified(snapshot, pool, now)?;
        let state = match decision.delta {
            0 => ScalingState::Normal,
            1.. => ScalingState::ScaleUp,
            _ => ScalingState::ScaleDown,
        };
        let mut message = json!({
            "schema": ScalingDecision::SCHEMA,
            "version": ScalingDecision::VERSION,
            "id": Uuid::nil(),
            "pool": snapshot.pool,
            "snapshot_taken_at": snapshot.taken_at,
            "expires_at": decision.expires_at,
            "state": state,
        });
        if let Self::Delta = self {
            message["delta"] = json!(decision.delta.signum());
            message["agents"] = json!(snapshot.agents);
            message["group"] = json!(snapshot.group);
        }
        Ok(decode(&message.to_string(), None).unwrap())
    }
}

/// The standard algorithm, on snapshots that lack something until then.
pub(crate) struct PartialUntil(pub(crate) Timestamp);

impl Check for PartialUntil {
    fn decide(&self, snapshot: &ClusterSnapshot, pool: &Settings, now: Timestamp) -> Result<ScalingDecision, Expired> {
        let mut snapshot = snapshot.clone();
        if now < self.0 {
            snapshot.completeness.level = CompletenessLevel::Partial;
        }
        node_process::decide_unidentified(&snapshot, pool, now)
    }
}
