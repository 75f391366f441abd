//! Clusters in a few words, for examples and tests: agents, what runs on them, and the snapshot that `node_gather` makes.
//!
//! ```
//! use cluster::{Cluster, resources};
//! let cluster = Cluster::of(4, resources(4, 14_000)).running("/shop/web", 6, resources(1, 3_500));
//! let snapshot = cluster.snapshot();
//! assert_eq!((snapshot.agents.usable, snapshot.resources.used), (4, resources(6, 21_000)));
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use node_gather::groups::{self, Cpu, Groups};
use node_gather::members::{Description, Descriptions, Group, Lookup};
use shared::config::{Config, Policy, Problems};
use shared::contract::{
    AgentCounts, AgentRef, AgentState, ClusterSnapshot, CompletenessLevel, ScalingDecision, ScalingState,
};
use shared::count::saturated;
use shared::resources::{Amount, Resources};
use uuid::Uuid;

use crate::model::{Agent, Capacity, Cluster, Connection, Definition, Drain, Mode, QueuedInstances, Task, TaskSpec};

/// The time of every example that sets no other.
pub const NOON: Timestamp = Timestamp::constant(1_795_262_400, 0);

/// How long the master of an example has been leading: long enough for complete snapshots.
const TERM: SignedDuration = SignedDuration::from_hours(24);

/// The URL of every example's master.
const MASTER: &str = "http://10.0.0.5:5050";

/// The framework whose tasks protect their agents.
const PROTECTED: &str = "protected";

/// Resources of `cpus` cpus and `mem` MB.
#[must_use]
pub const fn resources(cpus: u64, mem: u64) -> Resources {
    const UNIT: Amount = Amount::from_thousandths(1000);
    Resources { cpus: UNIT.times(cpus), mem: UNIT.times(mem), ..Resources::ZERO }
}

/// The policy of the pool `workers` with these settings, one a line as in the configuration.
///
/// # Errors
/// What is wrong with them.
pub fn policy(settings: &str) -> Result<Policy, Problems> {
    config(settings)?.pools.into_iter().next().ok_or_else(|| Problems(Vec::new()))
}

fn config(settings: &str) -> Result<Config, Problems> {
    // A pool of CloudWatch has no use for a master.
    let is_mesos = !settings.contains("\"cloudwatch\"");
    let mesos = if is_mesos { format!("[mesos]\nmasters = [\"{MASTER}\"]\n") } else { String::new() };
    Config::parse(&format!("{mesos}[[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\n{settings}"))
}

/// A decision about the pool `workers`, from a complete snapshot of that many usable agents. It names no agent, and expires after
/// two periods of a minute.
#[must_use]
pub fn decision(delta: i32, agents: u32, taken_at: Timestamp) -> ScalingDecision {
    ScalingDecision {
        id: Uuid::nil(),
        snapshot_id: None,
        snapshot_taken_at: taken_at,
        decided_at: taken_at,
        expires_at: taken_at + SignedDuration::from_mins(2),
        pool: "workers".to_owned(),
        agents: AgentCounts { registered: agents, usable: agents, ..AgentCounts::default() },
        group: None,
        delta,
        target: agents.saturating_add_signed(delta),
        wanted: u32::try_from(delta).unwrap_or(0),
        needed: Some(agents.saturating_add_signed(delta)),
        margin: None,
        state: match delta {
            0 => ScalingState::Normal,
            1.. => ScalingState::ScaleUp,
            _ => ScalingState::ScaleDown,
        },
        completeness: Some(CompletenessLevel::Complete),
        mesos_version: None,
        closes: false,
        tries: false,
        unreachable_after_seconds: None,
        steps: Vec::new(),
        unplaceable: Vec::new(),
        not_counted: Vec::new(),
        notes: Vec::new(),
        scale_down_agents: Vec::new(),
        decommissioning_agents: Vec::new(),
    }
}

/// An active agent without tasks, as a decision names it, on the instance that it names.
#[must_use]
pub fn agent_ref(agent_id: &str, hostname: &str, instance: Option<&str>) -> AgentRef {
    AgentRef {
        agent_id: agent_id.to_owned(),
        hostname: hostname.to_owned(),
        ip: None,
        instance_id: instance.map(str::to_owned),
        decommission_tag: None,
        decommission_since: None,
        contested: false,
        state: AgentState::Active,
        task_count: 0,
        protected: false,
        only_daemons: false,
        no_place: false,
        drain_overdue: false,
    }
}

/// The snapshot of a pool of CloudWatch: it knows only the number of instances and their CPU utilization.
///
/// # Panics
/// Never: the configuration is one.
#[must_use]
#[expect(clippy::expect_used, reason = "an invalid example must fail")]
pub fn group_snapshot(instances: u32, cpu_utilization_percent: Option<f64>) -> ClusterSnapshot {
    let config = config("source = \"cloudwatch\"").expect("the configuration is valid");
    let cpu = match cpu_utilization_percent {
        Some(percent) => Cpu::Known(percent),
        None => Cpu::Unknown { reason: "no data".to_owned() },
    };
    let group = "workers-asg".to_owned();
    let groups = Groups {
        cpu: BTreeMap::from([(group.clone(), cpu)]),
        described: Descriptions {
            groups: BTreeMap::from([(group, Description::Known(Group::default()))]),
            lookup: Lookup::NotAsked,
        },
    };
    let mut snapshot = groups::complete(&config, Vec::new(), &groups, NOON).pop().expect("there is a pool");
    // As many as a test likes: no list of them is needed.
    (snapshot.agents.registered, snapshot.agents.usable, snapshot.group) = (instances, instances, None);
    snapshot.identified()
}

impl Default for Cluster {
    /// A cluster without agents, whose master has been leading for a day at [`NOON`].
    fn default() -> Self {
        Self::new(NOON.saturating_sub(TERM).unwrap_or(NOON))
    }
}

impl Cluster {
    /// A cluster of `count` equal agents.
    #[must_use]
    pub fn of(count: usize, total: Resources) -> Self {
        Self::default().and(count, total)
    }

    /// Adds `count` equal agents.
    #[must_use]
    pub fn and(self, count: usize, total: Resources) -> Self {
        self.and_with(count, &Capacity::of(total))
    }

    /// Adds `count` equal agents, each with a reservation for one role.
    #[must_use]
    pub fn and_reserved(self, count: usize, total: Resources, reserved: Resources) -> Self {
        let reserved = BTreeMap::from([("reserved".to_owned(), reserved)]);
        self.and_with(count, &Capacity { reserved, ..Capacity::of(total) })
    }

    fn and_with(mut self, count: usize, capacity: &Capacity) -> Self {
        for _ in 0..count {
            self.add_agent(capacity.clone());
        }
        self
    }

    fn add_agent(&mut self, capacity: Capacity) -> u32 {
        let number = self.next_agent();
        let [_, _, middle, low] = number.to_be_bytes();
        let (id, ip) = (format!("{}-S{number}", self.master.id), format!("10.0.{middle}.{low}"));
        let since = self.master.elected_at;
        self.register(Agent::new(number, id, format!("agent-{number}"), &ip, capacity, since))
    }

    /// Starts `count` tasks, each on the least loaded agent that has room for it. Those that fit nowhere do not start.
    #[must_use]
    pub fn running(mut self, application: &str, count: usize, resources: Resources) -> Self {
        for _ in 0..count {
            if self.start(TaskSpec { application: application.to_owned(), resources }, NOON).is_err() {
                break;
            }
        }
        self
    }

    /// Queues instances of an application. They replace what was queued of it.
    #[must_use]
    pub fn queued(self, application: &str, instances: u32, resources: Resources) -> Self {
        self.queued_pod(application, instances, &[resources])
    }

    /// Queues instances of a pod, each of tasks that start together on one agent.
    #[must_use]
    pub fn queued_pod(mut self, application: &str, instances: u32, tasks: &[Resources]) -> Self {
        self.queue.retain(|queued| queued.application != application);
        self.queue.push(QueuedInstances {
            application: application.to_owned(),
            instances,
            tasks: tasks.to_vec(),
            delay: Duration::ZERO,
            declines: Vec::new(),
        });
        if tasks.len() != 1 {
            self.definition(application).containers = Some(saturated(tasks.len()));
        }
        self
    }

    /// Gives an application, or a pod that is queued, these constraints: field, operator, and value.
    #[must_use]
    pub fn constrained(mut self, application: &str, constraints: &[&[&str]]) -> Self {
        let parts = |parts: &&[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        self.definition(application).constraints = constraints.iter().map(parts).collect();
        self
    }

    /// An instance of an application, or of a pod that is queued, needs this port of its host.
    #[must_use]
    pub fn with_host_port(mut self, application: &str, port: u16) -> Self {
        self.definition(application).host_port = Some(port);
        self
    }

    /// Marathon declined the last offers for an application that is queued, for these reasons.
    #[must_use]
    pub fn declined(mut self, application: &str, declines: &[(&str, u32)]) -> Self {
        let declines: Vec<_> = declines.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
        for queued in self.queue.iter_mut().filter(|queued| queued.application == application) {
            queued.declines.clone_from(&declines);
        }
        self
    }

    fn definition(&mut self, application: &str) -> &mut Definition {
        self.definitions.entry(application.to_owned()).or_default()
    }

    /// Sets the state of one agent.
    #[must_use]
    pub fn with_state(mut self, number: u32, state: AgentState) -> Self {
        let drain = Drain { since: Some(NOON), max_grace_period: None };
        if let Some(agent) = self.agent_mut(number) {
            agent.mode = match state {
                AgentState::Active => Mode::Active,
                AgentState::Deactivated => Mode::Deactivated,
                AgentState::Draining => Mode::Draining(drain),
                AgentState::Drained => Mode::Drained(drain),
            };
        }
        self
    }

    /// Gives these applications, and the tasks that they run, to a Marathon that is offered agents with gpus.
    #[must_use]
    pub fn gpu_aware(mut self, applications: &[&str]) -> Self {
        let known = self.frameworks().find(|framework| framework.is_gpu_aware()).map(|framework| framework.number);
        let gpus = known.unwrap_or_else(|| self.add_framework(self.new_framework("marathon", true)));
        let plain: Vec<Task> = self
            .agents()
            .flat_map(Agent::tasks)
            .filter(|task| applications.contains(&task.application().as_str()))
            .cloned()
            .collect();
        for agent in self.agents_mut() {
            for task in agent.end_tasks(|task| plain.contains(task)) {
                agent.run(Task { framework: gpus, ..task });
            }
        }
        for framework in self.frameworks_mut().filter(|framework| framework.number == gpus) {
            framework.applications.extend(applications.iter().map(|name| (*name).to_owned()));
        }
        self
    }

    /// Protects an agent, by a task of a protected framework that takes nothing.
    pub fn protect(&mut self, number: u32) {
        let known = self.frameworks().find(|framework| framework.name == PROTECTED).map(|framework| framework.number);
        let framework = known.unwrap_or_else(|| {
            let mut framework = self.new_framework(PROTECTED, false);
            framework.applications.insert(PROTECTED.to_owned());
            self.add_framework(framework)
        });
        let spec = TaskSpec { application: PROTECTED.to_owned(), resources: Resources::ZERO };
        self.start_on(number, framework, spec, NOON);
    }

    /// Runs a task on an agent that is disconnected and reports no resources: it must be placed again.
    pub fn displace(&mut self, spec: TaskSpec) {
        let lost = self.agents().find(|agent| agent.connection == Connection::Disconnected).map(|agent| agent.number);
        let number = lost.unwrap_or_else(|| {
            let number = self.add_agent(Capacity::default());
            self.disconnect(number);
            number
        });
        let framework = self.framework_of(&spec.application);
        self.start_on(number, framework, spec, NOON);
    }

    /// Starts these tasks; those that no agent has room for are [displaced](Self::displace).
    #[must_use]
    pub fn with_tasks(mut self, tasks: impl IntoIterator<Item = TaskSpec>) -> Self {
        for spec in tasks {
            if let Err(spec) = self.start(spec, NOON) {
                self.displace(spec);
            }
        }
        self
    }

    /// What was started as that task.
    #[must_use]
    pub fn spec_of(task: &Task) -> TaskSpec {
        TaskSpec { application: task.application(), resources: task.resources }
    }

    /// What `node_gather` publishes of the pool `workers`, which every agent is of, at [`NOON`]. When agents registered is left
    /// out: what the examples' policies say of new agents is true.
    ///
    /// # Panics
    /// Where no real cluster can be like that, such as one with 10^10 cpus on an agent.
    #[must_use]
    #[expect(clippy::expect_used, reason = "an invalid example must fail")]
    pub fn snapshot(&self) -> ClusterSnapshot {
        thread_local! {
            // Parsed once: property tests take thousands of snapshots.
            static POOL: Vec<Policy> = policy(&format!("protected = {{ frameworks = [\"{PROTECTED}\"] }}")).into_iter().collect();
        }
        let snapshots = POOL.with(|pool| self.snapshots(pool, MASTER, NOON)).expect("the cluster can be read");
        let snapshot = snapshots.into_iter().next_back().expect("there is a pool");
        ClusterSnapshot { latest_agents: Vec::new(), ..snapshot }
    }
}
