//! What a policy sees of the world.

use cluster::group::Group;
use cluster::{Agent, Cluster};
use jiff::Timestamp;
use shared::contract::TaskGroup;
use shared::count::saturated;
use shared::resources::{Kind, Resources};

use crate::Millis;

/// The world at one moment. What is costly to list is a method.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The time.
    pub now: Timestamp,
    /// How long the simulation has lasted.
    pub elapsed: Millis,
    /// The fewest agents that the group may have.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// The group's desired capacity, in its units.
    pub desired: u32,
    /// Instances that were requested and are no agents yet.
    pub in_flight: u32,
    /// What a new agent has.
    pub new_agent: Resources,
    /// The cluster as its master knows it, what Marathon has queued included.
    pub cluster: &'a Cluster,
    /// The group as Auto Scaling describes it.
    pub group: &'a Group,
    /// What no agent has room for.
    pub(crate) waiting: &'a [WaitingView],
    /// How many instances of each application are wanted, placed or not.
    pub(crate) wanted: &'a [TaskGroup],
}

/// A registered agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView<'a> {
    /// Its number, by which it is closed and reopened.
    pub number: u32,
    /// Its instance, by which it is terminated.
    pub instance: &'a str,
    /// When it registered.
    pub registered_at: Timestamp,
    /// Whether it takes tasks; otherwise it is closed.
    pub is_usable: bool,
    /// What it has.
    pub total: Resources,
    /// What its tasks take.
    pub used: Resources,
    /// Its tasks, grouped by equal resources.
    pub tasks: Vec<TaskGroup>,
}

/// Instances of one application that wait for room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingView {
    /// The application.
    pub application: String,
    /// How many.
    pub instances: u32,
    /// What one of them takes.
    pub resources: Resources,
    /// Since when the first of them has been wanted.
    pub since: Timestamp,
}

impl AgentView<'_> {
    /// What one more task could take.
    #[must_use]
    pub fn free(&self) -> Resources {
        self.total.saturating_sub(&self.used)
    }

    /// How many tasks it runs.
    #[must_use]
    pub fn task_count(&self) -> u32 {
        self.tasks.iter().map(|group| group.count).sum()
    }

    /// The largest share of it that is used, in percent, rounded down.
    #[must_use]
    pub fn percent(&self) -> u32 {
        Share::of(&self.used, &self.total).percent()
    }
}

impl<'a> View<'a> {
    /// The registered agents, in the order of their numbers.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentView<'a>> {
        self.cluster.registered().map(agent).collect()
    }

    /// How many agents take tasks.
    #[must_use]
    pub fn usable(&self) -> u32 {
        u32::try_from(self.cluster.registered().filter(|agent| agent.is_active()).count()).unwrap_or(u32::MAX)
    }

    /// What waits for room, by application; empty where nothing waits.
    #[must_use]
    pub const fn waiting(&self) -> &'a [WaitingView] {
        self.waiting
    }

    /// What waits for room, as tasks. Escalator, cluster-autoscaler, and Karpenter see it as pods that cannot be scheduled.
    #[must_use]
    pub fn to_place(&self) -> Vec<TaskGroup> {
        let tasks = |waiting: &WaitingView| TaskGroup { count: waiting.instances, resources: waiting.resources };
        self.waiting.iter().map(tasks).collect()
    }

    /// How many instances each application is to have, and what one takes: what Marathon lists, or a Deployment as its replicas.
    #[must_use]
    pub const fn wanted(&self) -> &'a [TaskGroup] {
        self.wanted
    }

    /// What all applications are to have together, placed or not: the sum of the requests of all pods.
    #[must_use]
    pub fn requested(&self) -> Resources {
        self.wanted.iter().map(|application| application.resources.times(application.count.into())).sum()
    }

    /// Instances that the group is terminating. Auto Scaling describes them until they are gone.
    #[must_use]
    pub fn terminating(&self) -> u32 {
        saturated(self.group.instances().iter().filter(|instance| !instance.state.is_capacity()).count())
    }

    /// The allocated share of the agents that take tasks: of cpus or of mem, whichever is larger. It stands for the CPU
    /// utilization that policies of other systems look at.
    #[must_use]
    pub fn utilization(&self) -> Share {
        let (total, used) = self.cluster.total_and_used();
        Share::of(&used, &total)
    }
}

fn agent(agent: &Agent) -> AgentView<'_> {
    let tasks = agent.tasks().iter().filter(|task| task.state.takes_resources());
    let tasks = tasks.map(|task| TaskGroup { count: 1, resources: task.resources });
    AgentView {
        number: agent.number,
        instance: agent.instance_id().unwrap_or_default(),
        registered_at: agent.registered_at,
        is_usable: agent.is_active(),
        total: agent.capacity.total,
        used: agent.used(),
        tasks: TaskGroup::merged(tasks.collect()),
    }
}

/// A share, exactly: the larger of those of cpus and mem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Of so much.
    pub part: u64,
    /// At least 1.
    pub whole: u64,
}

impl Share {
    /// The larger share of a whole. Nothing of nothing is nothing, something of nothing is all of it.
    #[must_use]
    pub fn of(part: &Resources, whole: &Resources) -> Self {
        let of = |kind: Kind| {
            let (part, whole) = (part.get(kind).thousandths(), whole.get(kind).thousandths());
            if whole > 0 { Self { part, whole } } else { Self { part: part.min(1), whole: 1 } }
        };
        let (cpus, mem) = (of(Kind::Cpus), of(Kind::Mem));
        if mem.exceeds(cpus) { mem } else { cpus }
    }

    /// The mean of several shares, to a millionth; nothing where there is none.
    #[must_use]
    pub fn mean(shares: &[Self]) -> Self {
        let millionths = |share: &Self| u128::from(share.part) * 1_000_000 / u128::from(share.whole.max(1));
        let sum: u128 = shares.iter().map(millionths).sum();
        let whole = 1_000_000 * shares.len().max(1) as u64;
        Self { part: u64::try_from(sum).unwrap_or(u64::MAX), whole }
    }

    fn exceeds(self, other: Self) -> bool {
        u128::from(self.part) * u128::from(other.whole) > u128::from(other.part) * u128::from(self.whole)
    }

    /// Whether it is above that percentage.
    #[must_use]
    pub fn is_above(self, percent: u32) -> bool {
        100 * u128::from(self.part) > u128::from(percent) * u128::from(self.whole)
    }

    /// Whether it is below so many tenths of a percent.
    #[must_use]
    pub fn is_below_permille(self, permille: u32) -> bool {
        1000 * u128::from(self.part) < u128::from(permille) * u128::from(self.whole)
    }

    /// In percent, rounded down.
    #[must_use]
    pub fn percent(self) -> u32 {
        u32::try_from(100 * u128::from(self.part) / u128::from(self.whole.max(1))).unwrap_or(u32::MAX)
    }

    /// ceil(agents · share / target): how many agents would have the same load at that percentage.
    #[must_use]
    pub fn agents_at(self, agents: u32, percent: u32) -> u32 {
        let load = 100 * u128::from(self.part) * u128::from(agents);
        let whole = u128::from(self.whole.max(1)) * u128::from(percent.max(1));
        u32::try_from(load.div_ceil(whole)).unwrap_or(u32::MAX)
    }
}
