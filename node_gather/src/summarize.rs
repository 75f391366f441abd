//! From the state of the cluster to one [`ClusterSnapshot`] per pool. Pure: no clock, no network, no log.
//!
//! The result does not depend on the order in which the master lists agents, frameworks and tasks.

mod applications;
mod completeness;
mod waiting;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::config::Policy;
use shared::contract::{
    AgentCounts, AgentShape, AgentState, Candidate, ClusterSnapshot, PoolResources, Source, TaskGroup,
};
use shared::resources::{Amount, Kind, Resources};
use shared::time::truncate;
use thiserror::Error;
use uuid::Uuid;

use crate::marathon::Queue;
use crate::mesos::state::{Agent, Attributes, Drain, State, Tasks, count_u32};
use applications::Applications;
pub(crate) use applications::fold_smallest;

/// How many of the usable agents are named as candidates to leave: more than any sensible step takes out at once.
const MAX_USABLE_CANDIDATES: usize = 20;

/// The attribute in which an agent's start-up may have put the id of its EC2 instance.
const INSTANCE_ID_ATTRIBUTE: &str = "instance_id";

/// The snapshots, and what is in none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One per pool, in the order of the policies.
    pub snapshots: Vec<ClusterSnapshot>,
    /// How many registered agents belong to no pool.
    pub agents_of_no_pool: u32,
}

/// Why the state does not fit the pools.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SummarizeError {
    /// An agent has the attributes of two pools.
    #[error(
        "the agent {agent_id:?} has the attributes of the pools {first:?} and {second:?}; give each pool attributes of its own"
    )]
    TwoPools {
        /// The agent.
        agent_id: String,
        /// The first of the pools.
        first: String,
        /// Another of them.
        second: String,
    },
}

/// Makes one snapshot of each pool. `queue` is what Marathon says of instances that wait, `master` the URL to name as the
/// source, `taken_at` when the master was asked.
///
/// # Errors
/// Where an agent belongs to two pools: both would count it.
pub fn summarize(
    state: &State,
    queue: &Queue,
    master: &str,
    policies: &[Policy],
    taken_at: Timestamp,
) -> Result<Summary, SummarizeError> {
    let taken_at = truncate(taken_at);
    let Membership { mut pools, places, agents_of_no_pool } = assign(state, policies)?;
    let mut stray_tasks = 0_u32;
    for tasks in state.tasks() {
        let Some(agent) = tasks.agent else {
            stray_tasks = stray_tasks.saturating_add(tasks.count);
            continue;
        };
        // Agents of no pool have no place.
        if let Some((pool, member)) = places.get(agent).copied().flatten()
            && let Some(pool) = pools.get_mut(pool)
        {
            pool.add(member, &tasks);
        }
    }
    if let Queue::Known(waiting) = queue {
        waiting::count_in(&mut pools, waiting, state);
    }
    let source = Source {
        master: master.to_owned(),
        mesos_version: state.master.version.clone(),
        cluster: state.master.cluster.clone(),
        elected_at: state.master.elected_at,
    };
    let snapshots = pools
        .into_iter()
        .map(|pool| {
            let completeness = completeness::of(&pool, state, stray_tasks, queue, taken_at);
            pool.into_snapshot(source.clone(), completeness, state.master.unreachable_agents, taken_at)
        })
        .collect();
    Ok(Summary { snapshots, agents_of_no_pool })
}

/// Which agents are in which pool.
struct Membership<'a> {
    pools: Vec<Pool<'a>>,
    /// By the agent's index in the state: the index of its pool, and its own in the pool.
    places: Vec<Option<(usize, usize)>>,
    agents_of_no_pool: u32,
}

fn assign<'a>(state: &'a State, policies: &'a [Policy]) -> Result<Membership<'a>, SummarizeError> {
    let mut pools: Vec<Pool<'a>> = policies.iter().map(Pool::new).collect();
    let mut places = Vec::with_capacity(state.agents.len());
    for agent in &state.agents {
        let place = pool_of(&agent.id, &agent.attributes, policies)?;
        places.push(place.and_then(|place| {
            let pool = pools.get_mut(place)?;
            pool.members.push(Member::new(agent));
            Some((place, pool.members.len() - 1))
        }));
    }
    for agent in &state.recovered_agents {
        if let Some(pool) = pool_of(&agent.id, &agent.attributes, policies)?.and_then(|place| pools.get_mut(place)) {
            pool.recovered = pool.recovered.saturating_add(1);
        }
    }
    let agents_of_no_pool = count_u32(places.iter().filter(|place| place.is_none()).count());
    Ok(Membership { pools, places, agents_of_no_pool })
}

/// The one pool of an agent, by its attributes.
fn pool_of(agent_id: &str, attributes: &Attributes, policies: &[Policy]) -> Result<Option<usize>, SummarizeError> {
    let in_pool = |policy: &Policy| policy.attributes.iter().all(|(name, value)| attributes.has(name, value));
    let mut matching = policies.iter().enumerate().filter(|(_, policy)| in_pool(policy));
    match (matching.next(), matching.next()) {
        (Some((_, first)), Some((_, second))) => Err(SummarizeError::TwoPools {
            agent_id: agent_id.to_owned(),
            first: first.pool.clone(),
            second: second.pool.clone(),
        }),
        (first, _) => Ok(first.map(|(place, _)| place)),
    }
}

/// One pool while it is put together.
struct Pool<'a> {
    policy: &'a Policy,
    members: Vec<Member<'a>>,
    recovered: u32,
    applications: Applications<'a>,
}

/// A registered agent of the pool, with what runs on it.
struct Member<'a> {
    agent: &'a Agent,
    standing: Standing,
    tasks: BTreeMap<Resources, u32>,
    /// What its visible tasks and executors use.
    visible: Resources,
    protected: bool,
}

/// Whether an agent takes tasks, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Usable,
    Draining(Drain),
    Deactivated,
    Inactive,
}

impl Standing {
    /// An agent on its way out is told as such even where it is disconnected too.
    fn of(agent: &Agent) -> Self {
        let has_resources = !(agent.total.cpus.is_zero() && agent.total.mem.is_zero());
        match agent.drain {
            Some(drain) => Self::Draining(drain),
            None if agent.deactivated => Self::Deactivated,
            None if agent.active && has_resources => Self::Usable,
            None => Self::Inactive,
        }
    }

    /// The word for a candidate; `None` for an agent that is none.
    const fn candidate_state(self) -> Option<AgentState> {
        match self {
            Self::Usable => Some(AgentState::Active),
            Self::Draining(Drain::Draining) => Some(AgentState::Draining),
            Self::Draining(Drain::Drained) => Some(AgentState::Drained),
            Self::Deactivated => Some(AgentState::Deactivated),
            Self::Inactive => None,
        }
    }
}

impl<'a> Member<'a> {
    fn new(agent: &'a Agent) -> Self {
        Self {
            agent,
            standing: Standing::of(agent),
            tasks: BTreeMap::new(),
            visible: agent.executors,
            protected: false,
        }
    }

    fn is_usable(&self) -> bool {
        self.standing == Standing::Usable
    }

    /// What tasks and executors use: as the agent's master says it, else what is visible.
    fn used(&self) -> Resources {
        self.agent.used.unwrap_or(self.visible)
    }

    fn shape(&self) -> (Resources, Resources, Resources) {
        (self.agent.total, self.agent.unreserved, free(self.agent.total, self.agent.unreserved, self.used()))
    }

    fn candidate(&self, state: AgentState) -> Candidate {
        let agent = self.agent;
        let tasks = groups(&self.tasks);
        Candidate {
            agent_id: agent.id.clone(),
            hostname: agent.hostname.clone(),
            ip: agent.ip.clone(),
            // The smallest, so that the order of the document does not matter.
            instance_id: agent.attributes.values(INSTANCE_ID_ATTRIBUTE).min().map(str::to_owned),
            state,
            protected: self.protected,
            total: agent.total,
            unreserved: agent.unreserved,
            used: self.used(),
            task_count: tasks.iter().fold(0, |sum, group| sum.saturating_add(group.count)),
            tasks,
        }
    }
}

/// What a new task of the default role can take. The state does not tell from which part tasks took theirs, so
/// reservations are taken to be used first.
fn free(total: Resources, unreserved: Resources, used: Resources) -> Resources {
    let reserved = total.saturating_sub(&unreserved);
    unreserved.saturating_sub(&used.saturating_sub(&reserved))
}

/// Tasks with equal resources, in the order of their resources.
fn groups(counts: &BTreeMap<Resources, u32>) -> Vec<TaskGroup> {
    counts.iter().map(|(resources, count)| TaskGroup { count: *count, resources: *resources }).collect()
}

impl<'a> Pool<'a> {
    fn new(policy: &'a Policy) -> Self {
        Self { policy, members: Vec::new(), recovered: 0, applications: Applications::default() }
    }

    /// Takes in tasks that run on one of its agents.
    fn add(&mut self, member: usize, tasks: &Tasks<'a>) {
        self.applications.add(tasks);
        let Some(member) = self.members.get_mut(member) else { return };
        let count = member.tasks.entry(tasks.resources).or_insert(0);
        *count = count.saturating_add(tasks.count);
        member.visible += tasks.resources.times(u64::from(tasks.count));
        let protected = &self.policy.protected;
        member.protected |= protected.frameworks.contains(&tasks.framework.name)
            || protected.applications.iter().any(|name| name == tasks.application);
    }

    fn counts(&self) -> AgentCounts {
        let mut counts = AgentCounts { recovered: self.recovered, ..AgentCounts::default() };
        for member in &self.members {
            let state = match member.standing {
                Standing::Usable => &mut counts.usable,
                Standing::Draining(_) => &mut counts.draining,
                Standing::Deactivated => &mut counts.deactivated,
                Standing::Inactive => &mut counts.inactive,
            };
            *state = state.saturating_add(1);
            counts.registered = counts.registered.saturating_add(1);
        }
        counts
    }

    fn resources(&self) -> PoolResources {
        let mut sums = PoolResources::default();
        for member in &self.members {
            if member.is_usable() {
                sums.total += member.agent.total;
                sums.used += member.used();
            } else {
                sums.displaced += member.used();
            }
        }
        sums
    }

    fn shapes(&self) -> Vec<AgentShape> {
        merge_shapes(self.members.iter().filter(|member| member.is_usable()).map(|member| {
            let (total, unreserved, free) = member.shape();
            AgentShape { count: 1, total, unreserved, free }
        }))
    }

    fn candidates(&self) -> Vec<Candidate> {
        let (mut usable, mut leaving): (Vec<&Member<'_>>, Vec<_>) =
            self.members.iter().partition(|member| member.is_usable());
        let shares: fn(&Member<'_>) -> Share = |member| Share::largest(&member.used(), &member.agent.total);
        usable.sort_by(|a, b| shares(a).cmp(&shares(b)).then_with(|| a.agent.id.cmp(&b.agent.id)));
        usable.truncate(MAX_USABLE_CANDIDATES);
        leaving.sort_by(|a, b| a.agent.id.cmp(&b.agent.id));
        let members = usable.into_iter().chain(leaving);
        members.filter_map(|member| member.standing.candidate_state().map(|state| member.candidate(state))).collect()
    }

    fn into_snapshot(
        self,
        source: Source,
        completeness: shared::contract::Completeness,
        unreachable: u32,
        taken_at: Timestamp,
    ) -> ClusterSnapshot {
        ClusterSnapshot {
            id: Uuid::nil(),
            taken_at,
            pool: self.policy.pool.clone(),
            source,
            completeness,
            agents: AgentCounts { unreachable, ..self.counts() },
            resources: self.resources(),
            agent_shapes: self.shapes(),
            free_floor: None,
            scale_down_candidates: self.candidates(),
            applications: self.applications.into_list(),
            cpu_utilization_percent: None,
        }
        .identified()
    }
}

/// Adds up shapes that are equal but for their count, sorted.
pub(crate) fn merge_shapes(shapes: impl Iterator<Item = AgentShape>) -> Vec<AgentShape> {
    let mut counts: BTreeMap<(Resources, Resources, Resources), u32> = BTreeMap::new();
    for AgentShape { count, total, unreserved, free } in shapes {
        let sum = counts.entry((total, unreserved, free)).or_insert(0);
        *sum = sum.saturating_add(count);
    }
    let to_shape = |((total, unreserved, free), count)| AgentShape { count, total, unreserved, free };
    counts.into_iter().map(to_shape).collect()
}

/// A share of a whole, compared exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    part: u128,
    whole: u128,
}

impl Share {
    fn new(part: Amount, whole: Amount) -> Self {
        // Nothing of nothing is nothing; something of nothing is more than any share.
        let whole = if part.is_zero() { 1 } else { u128::from(whole.thousandths()) };
        Self { part: u128::from(part.thousandths()), whole }
    }

    /// The largest share over all kinds.
    pub(crate) fn largest(part: &Resources, whole: &Resources) -> Self {
        let shares = Kind::ALL.into_iter().map(|kind| Self::new(part.get(kind), whole.get(kind)));
        shares.fold(Self { part: 0, whole: 1 }, Self::max)
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.part * other.whole).cmp(&(other.part * self.whole))
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

#[cfg(test)]
mod tests;
