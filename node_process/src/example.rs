//! Clusters in a few words, for examples and tests: agents, the tasks on them, and what `node_gather` would make of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::config::{Config, Policy, Problems};
use shared::contract::{
    AgentCounts, AgentShape, AgentState, Application, Candidate, ClusterSnapshot, Completeness, CompletenessLevel,
    PoolResources, Source, TaskGroup,
};
use shared::resources::{Amount, Kind, Resources};
use uuid::Uuid;

/// When every example takes place, unless it says otherwise.
pub const NOON: Timestamp = Timestamp::constant(1_795_262_400, 0);

/// So many cpus, and so much mem in MB.
#[must_use]
pub const fn resources(cpus: u64, mem: u64) -> Resources {
    const UNIT: Amount = Amount::from_thousandths(1000);
    Resources { cpus: UNIT.times(cpus), mem: UNIT.times(mem), ..Resources::ZERO }
}

/// The policy of the pool `workers` with these settings, one a line as in the configuration document.
///
/// # Errors
/// What is wrong with them.
pub fn policy(settings: &str) -> Result<Policy, Problems> {
    // A pool of CloudWatch has no use for a master.
    let is_mesos = !settings.contains("\"cloudwatch\"");
    let mesos = if is_mesos { "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n" } else { "" };
    let document = format!("{mesos}[[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\n{settings}");
    let config = Config::parse(&document)?;
    config.pools.into_iter().next().ok_or_else(|| Problems(Vec::new()))
}

/// The agents of a pool and their tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The agents, whatever their state.
    pub agents: Vec<Agent>,
    /// Tasks that run on agents which are not usable, besides those of `agents`.
    pub displaced: Vec<Task>,
    /// Instances that wait for room: by application how many, and what one takes.
    pub queued: BTreeMap<String, (u32, Resources)>,
    /// Applications whose framework knows of gpus.
    pub gpu_aware: BTreeSet<String>,
    /// Agents that a newly elected master still waits for.
    pub recovered: u32,
    /// What is wrong with the view.
    pub doubt: Option<(CompletenessLevel, String)>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its number, from which its names are made.
    pub number: usize,
    /// Whether it takes tasks.
    pub state: AgentState,
    /// Whether it may not be chosen.
    pub protected: bool,
    /// What it has.
    pub total: Resources,
    /// What of that is reserved for a role.
    pub reserved: Resources,
    /// What runs on it.
    pub tasks: Vec<Task>,
}

/// One task of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The application.
    pub application: String,
    /// What it takes.
    pub resources: Resources,
}

impl Cluster {
    /// So many equal agents.
    #[must_use]
    pub fn of(count: usize, total: Resources) -> Self {
        Self::default().and(count, total)
    }

    /// So many agents more.
    #[must_use]
    pub fn and(mut self, count: usize, total: Resources) -> Self {
        let first = self.agents.iter().map(|agent| agent.number + 1).max().unwrap_or_default();
        self.agents.extend((first..first.saturating_add(count)).map(|number| Agent {
            number,
            state: AgentState::Active,
            protected: false,
            total,
            reserved: Resources::ZERO,
            tasks: Vec::new(),
        }));
        self
    }

    /// Starts so many tasks, each on the least loaded agent that has room for it. Those that fit nowhere do not start.
    #[must_use]
    pub fn running(mut self, application: &str, count: usize, resources: Resources) -> Self {
        for _ in 0..count {
            let task = Task { application: application.to_owned(), resources };
            if self.start(task).is_err() {
                break;
            }
        }
        self
    }

    /// Starts one task.
    ///
    /// # Errors
    /// The task, where no usable agent has room for it.
    pub fn start(&mut self, task: Task) -> Result<(), Task> {
        let gpu_aware = self.gpu_aware.contains(&task.application);
        let roomy = self.agents.iter_mut().filter(|agent| {
            agent.is_usable() && task.resources.fits_in(&agent.free()) && (gpu_aware || agent.total.gpus.is_zero())
        });
        match roomy.min_by_key(|agent| agent.rank()) {
            Some(agent) => {
                agent.tasks.push(task);
                Ok(())
            }
            None => Err(task),
        }
    }

    /// The same cluster with so many instances that wait for room.
    #[must_use]
    pub fn queued(mut self, application: &str, instances: u32, resources: Resources) -> Self {
        self.queued.insert(application.to_owned(), (instances, resources));
        self
    }

    /// The same cluster with one agent in that state.
    #[must_use]
    pub fn with_state(mut self, number: usize, state: AgentState) -> Self {
        self.agents.iter_mut().filter(|agent| agent.number == number).for_each(|agent| agent.state = state);
        self
    }

    /// The same cluster, seen with a doubt.
    #[must_use]
    pub fn seen(mut self, level: CompletenessLevel, reason: &str) -> Self {
        self.doubt = Some((level, reason.to_owned()));
        self
    }

    /// What `node_gather` publishes of it, taken at [`NOON`].
    #[must_use]
    pub fn snapshot(&self) -> ClusterSnapshot {
        let (level, reasons) = match &self.doubt {
            None => (CompletenessLevel::Complete, Vec::new()),
            Some((level, reason)) => (*level, vec![reason.clone()]),
        };
        ClusterSnapshot {
            id: Uuid::nil(),
            taken_at: NOON,
            pool: "workers".to_owned(),
            source: Source {
                master: "http://10.0.0.5:5050".to_owned(),
                mesos_version: "1.11.0".to_owned(),
                cluster: None,
                elected_at: None,
            },
            completeness: Completeness { level, reasons },
            agents: self.counts(),
            resources: self.sums(),
            agent_shapes: self.shapes(),
            free_floor: None,
            scale_down_candidates: self.candidates(),
            applications: self.applications(),
            cpu_utilization_percent: None,
        }
        .identified()
    }

    fn usable(&self) -> impl Iterator<Item = &Agent> {
        self.agents.iter().filter(|agent| agent.is_usable())
    }

    fn counts(&self) -> AgentCounts {
        let count = |is: fn(AgentState) -> bool| saturated(self.agents.iter().filter(|agent| is(agent.state)).count());
        AgentCounts {
            registered: count(|_| true),
            usable: count(|state| state == AgentState::Active),
            draining: count(|state| matches!(state, AgentState::Draining | AgentState::Drained)),
            deactivated: count(|state| state == AgentState::Deactivated),
            recovered: self.recovered,
            ..AgentCounts::default()
        }
    }

    fn sums(&self) -> PoolResources {
        let leaving = self.agents.iter().filter(|agent| !agent.is_usable()).map(Agent::used);
        PoolResources {
            total: self.usable().map(|agent| agent.total).sum(),
            used: self.usable().map(Agent::used).sum(),
            displaced: leaving.chain(self.displaced.iter().map(|task| task.resources)).sum(),
        }
    }

    fn shapes(&self) -> Vec<AgentShape> {
        let mut shapes: BTreeMap<(Resources, Resources, Resources), u32> = BTreeMap::new();
        for agent in self.usable() {
            *shapes.entry((agent.total, agent.unreserved(), agent.free())).or_default() += 1;
        }
        let shape = |((total, unreserved, free), count)| AgentShape { count, total, unreserved, free };
        shapes.into_iter().map(shape).collect()
    }

    fn candidates(&self) -> Vec<Candidate> {
        const NAMED: usize = 20;
        let mut usable: Vec<&Agent> = self.usable().collect();
        usable.sort_by_key(|agent| agent.rank());
        let leaving = self.agents.iter().filter(|agent| !agent.is_usable());
        usable.into_iter().take(NAMED).chain(leaving).map(Agent::candidate).collect()
    }

    fn applications(&self) -> Vec<Application> {
        let mut applications: BTreeMap<&str, BTreeMap<Resources, u32>> = BTreeMap::new();
        for task in self.agents.iter().flat_map(|agent| &agent.tasks).chain(&self.displaced) {
            *applications.entry(&task.application).or_default().entry(task.resources).or_default() += 1;
        }
        for name in self.queued.keys() {
            applications.entry(name).or_default();
        }
        let queued = |name: &str| self.queued.get(name).filter(|(instances, _)| *instances > 0);
        let application = |(name, groups): (&str, BTreeMap<Resources, u32>)| Application {
            framework: "marathon".to_owned(),
            name: name.to_owned(),
            task_count: groups.values().sum(),
            resources: groups.iter().map(|(resources, count)| resources.times((*count).into())).sum(),
            tasks: task_groups(groups),
            queued: queued(name).map_or(0, |(instances, _)| *instances),
            queued_tasks: queued(name)
                .map(|(_, resources)| TaskGroup { count: 1, resources: *resources })
                .into_iter()
                .collect(),
            gpu_aware: self.gpu_aware.contains(name),
        };
        applications.into_iter().map(application).collect()
    }
}

impl Agent {
    /// Whether it takes tasks.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.state == AgentState::Active
    }

    /// What its tasks take.
    #[must_use]
    pub fn used(&self) -> Resources {
        self.tasks.iter().map(|task| task.resources).sum()
    }

    /// What no role has reserved.
    #[must_use]
    pub fn unreserved(&self) -> Resources {
        self.total.saturating_sub(&self.reserved)
    }

    /// What a task more could take.
    #[must_use]
    pub fn free(&self) -> Resources {
        self.unreserved().saturating_sub(&self.used().saturating_sub(&self.reserved))
    }

    /// The largest used share in millionths, then the number: the order in which agents leave.
    fn rank(&self) -> (u128, usize) {
        let used = self.used();
        let share = |kind| {
            let (used, total) = (used.get(kind).thousandths(), self.total.get(kind).thousandths());
            u128::from(used) * 1_000_000 / u128::from(total.max(1))
        };
        (Kind::ALL.into_iter().map(share).max().unwrap_or_default(), self.number)
    }

    fn candidate(&self) -> Candidate {
        let mut groups: BTreeMap<Resources, u32> = BTreeMap::new();
        for task in &self.tasks {
            *groups.entry(task.resources).or_default() += 1;
        }
        Candidate {
            agent_id: format!("5f2c-S{}", self.number),
            hostname: format!("agent-{}", self.number),
            ip: None,
            instance_id: None,
            state: self.state,
            protected: self.protected,
            total: self.total,
            unreserved: self.unreserved(),
            used: self.used(),
            task_count: saturated(self.tasks.len()),
            tasks: task_groups(groups),
        }
    }
}

fn task_groups(groups: BTreeMap<Resources, u32>) -> Vec<TaskGroup> {
    groups.into_iter().map(|(resources, count)| TaskGroup { count, resources }).collect()
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
