//! Collects the agents of one pool.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use shared::config::Policy;
use shared::contract::{AgentCounts, AgentShape, AgentState, Candidate, PoolResources, TaskGroup};
use shared::count::saturated;
use shared::resources::Resources;

use super::{Share, task_count};
use crate::mesos::state::{Agent, AgentResources, Drain};

/// How many usable agents are candidates: more than any sensible `max_scale_down_step` removes at once.
const MAX_USABLE_CANDIDATES: usize = 20;

/// The attribute that may hold the id of an agent's EC2 instance, set by its user data.
const INSTANCE_ID_ATTRIBUTE: &str = "instance_id";

/// The agents of one pool.
#[derive(Debug)]
pub(super) struct Pool<'p> {
    pub(super) policy: &'p Policy,
    /// How many agents there are, without the unreachable ones, which the master only counts.
    pub(super) counts: AgentCounts,
    pub(super) resources: PoolResources,
    /// How many of them have no used resources in the master's state.
    pub(super) unreported: u32,
    /// The resources of their visible tasks and executors.
    pub(super) visible: Resources,
    shapes: Shapes,
    /// The least loaded usable agents with used resources in the master's state.
    least_loaded: BinaryHeap<Ranked>,
    /// Agents that are kept one by one: decommissioning ones, and those whose used resources are the sum of their tasks;
    /// once all agents are known, also the least loaded ones.
    members: Vec<Member>,
}

/// The usable agents by agent shape. There may be as many shapes as agents, so common parts are kept once.
#[derive(Debug, Default)]
struct Shapes {
    /// Total and unreserved resources, in the order of the document; there are few.
    whole: Vec<(Resources, Resources)>,
    /// The index in `whole`, and the free resources.
    free: Vec<(u32, Resources)>,
}

impl Shapes {
    fn add(&mut self, total: Resources, unreserved: Resources, used: Resources) {
        let whole = (total, unreserved);
        let place = self.whole.iter().rposition(|own| *own == whole).unwrap_or_else(|| {
            self.whole.push(whole);
            self.whole.len() - 1
        });
        self.free.push((saturated(place), free(total, unreserved, used)));
    }

    /// Sorted, with equal shapes merged.
    fn take(&mut self) -> Vec<AgentShape> {
        let Self { whole, free } = std::mem::take(self);
        let shapes = free.into_iter().filter_map(|(place, free)| {
            let (total, unreserved) = *whole.get(usize::try_from(place).ok()?)?;
            Some(AgentShape { count: 1, total, unreserved, free })
        });
        merge_shapes(shapes.collect())
    }
}

/// What a new task of the default role can use. The state does not report whether tasks use reserved resources, so they
/// are assumed to use these first.
#[must_use]
pub fn free(total: Resources, unreserved: Resources, used: Resources) -> Resources {
    let reserved = total.saturating_sub(&unreserved);
    unreserved.saturating_sub(&used.saturating_sub(&reserved))
}

/// Merges shapes that differ in their count only, and sorts them.
pub(crate) fn merge_shapes(mut shapes: Vec<AgentShape>) -> Vec<AgentShape> {
    shapes.sort_unstable_by_key(|shape| (shape.total, shape.unreserved, shape.free));
    shapes.dedup_by(|next, kept| {
        let is_equal = AgentShape { count: kept.count, ..*next } == *kept;
        if is_equal {
            kept.count = kept.count.saturating_add(next.count);
        }
        is_equal
    });
    shapes
}

/// A registered agent that is kept one by one, with its tasks.
#[derive(Debug)]
struct Member {
    agent: Agent,
    resources: AgentResources,
    /// Its number, in the order in which ids occurred.
    number: u32,
    standing: Standing,
    /// By application and resources.
    tasks: BTreeMap<(u32, u32), u32>,
    /// The resources of its visible executors and, at the end, of its tasks.
    visible: Resources,
    /// At the end: its tasks, by equal resources.
    groups: Vec<TaskGroup>,
    protected: bool,
}

/// Whether an agent that has so much takes tasks.
#[must_use]
pub fn is_usable(agent: &Agent, total: &Resources) -> bool {
    Standing::of(agent, total) == Standing::Usable
}

/// Whether an agent accepts tasks, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Usable,
    Draining(Drain),
    Deactivated,
    Inactive,
}

impl Standing {
    /// A draining or deactivated agent counts as such even if it is disconnected, too.
    fn of(agent: &Agent, total: &Resources) -> Self {
        let has_resources = !(total.cpus.is_zero() && total.mem.is_zero());
        match agent.drain {
            Some(drain) => Self::Draining(drain),
            None if agent.deactivated => Self::Deactivated,
            None if agent.active && has_resources => Self::Usable,
            None => Self::Inactive,
        }
    }

    /// The state of a candidate; `None` if the agent is not a candidate.
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

impl Member {
    fn is_usable(&self) -> bool {
        self.standing == Standing::Usable
    }

    /// What tasks and executors use: as the master reports it, else the visible ones.
    fn used(&self) -> Resources {
        self.resources.used.unwrap_or(self.visible)
    }

    /// The largest used share of its resources.
    fn load(&self) -> Share {
        Share::largest(&self.used(), &self.resources.total)
    }

    fn into_candidate(self, state: AgentState) -> Candidate {
        let used = self.used();
        let Self { agent, resources: AgentResources { total, unreserved, .. }, .. } = self;
        Candidate {
            // The smallest value, so that the order of the document does not matter.
            instance_id: agent.attributes.values(INSTANCE_ID_ATTRIBUTE).min().map(str::to_owned),
            agent_id: agent.id,
            hostname: agent.hostname,
            ip: agent.ip.map(|ip| ip.to_string()),
            decommission_tag: None,
            state,
            protected: self.protected,
            total,
            unreserved,
            used,
            task_count: task_count(&self.groups),
            tasks: self.groups,
        }
    }
}

/// A member with its rank among the usable ones: the least loaded first, then by id.
#[derive(Debug)]
struct Ranked {
    load: Share,
    member: Member,
}

impl Ranked {
    fn new(member: Member) -> Self {
        Self { load: member.load(), member }
    }

    /// Whether it comes after an agent of that load and id.
    fn comes_after(&self, load: &Share, id: &str) -> bool {
        (&self.load, self.member.agent.id.as_str()) > (load, id)
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.load.cmp(&other.load).then_with(|| self.member.agent.id.cmp(&other.member.agent.id))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl<'p> Pool<'p> {
    pub(super) fn new(policy: &'p Policy) -> Self {
        Self {
            policy,
            counts: AgentCounts::default(),
            resources: PoolResources::default(),
            unreported: 0,
            visible: Resources::ZERO,
            shapes: Shapes::default(),
            least_loaded: BinaryHeap::new(),
            members: Vec::new(),
        }
    }

    /// Adds a registered agent with that number.
    pub(super) fn register(&mut self, agent: &Agent, resources: AgentResources, number: u32) {
        let standing = Standing::of(agent, &resources.total);
        let count = match standing {
            Standing::Usable => &mut self.counts.usable,
            Standing::Draining(_) => &mut self.counts.draining,
            Standing::Deactivated => &mut self.counts.deactivated,
            Standing::Inactive => &mut self.counts.inactive,
        };
        *count = count.saturating_add(1);
        self.counts.registered = self.counts.registered.saturating_add(1);
        if standing == Standing::Usable {
            self.resources.total += resources.total;
        }
        let member = || Member {
            agent: agent.clone(),
            resources,
            number,
            standing,
            tasks: BTreeMap::new(),
            visible: Resources::ZERO,
            groups: Vec::new(),
            protected: false,
        };
        let Some(used) = resources.used else {
            self.unreported = self.unreported.saturating_add(1);
            self.members.push(member());
            return;
        };
        self.add_used(standing, &resources, used);
        match standing {
            Standing::Usable => {
                let load = Share::largest(&used, &resources.total);
                if self.least_loaded.len() == MAX_USABLE_CANDIDATES {
                    if !self.least_loaded.peek().is_some_and(|last| last.comes_after(&load, &agent.id)) {
                        return;
                    }
                    self.least_loaded.pop();
                }
                self.least_loaded.push(Ranked { load, member: member() });
            }
            Standing::Inactive => {}
            Standing::Draining(_) | Standing::Deactivated => self.members.push(member()),
        }
    }

    /// Adds the used resources of an agent.
    fn add_used(&mut self, standing: Standing, resources: &AgentResources, used: Resources) {
        if standing == Standing::Usable {
            self.resources.used += used;
            self.shapes.add(resources.total, resources.unreserved, used);
        } else {
            self.resources.displaced += used;
        }
    }

    pub(super) fn add_recovered(&mut self) {
        self.counts.recovered = self.counts.recovered.saturating_add(1);
    }

    /// All agents are known: returns the numbers of the members, in their order.
    pub(super) fn seal(&mut self) -> impl Iterator<Item = u32> {
        self.members.extend(self.least_loaded.drain().map(|ranked| ranked.member));
        self.members.iter().map(|member| member.number)
    }

    /// Adds tasks of a member.
    pub(super) fn add_to_member(&mut self, member: usize, application: u32, resources: u32, count: u32) {
        if let Some(member) = self.members.get_mut(member) {
            let sum = member.tasks.entry((application, resources)).or_insert(0);
            *sum = sum.saturating_add(count);
        }
    }

    /// Adds the resources of an executor, on a member if given.
    pub(super) fn add_executor(&mut self, member: Option<usize>, resources: Resources) {
        self.visible += resources;
        if let Some(member) = member.and_then(|member| self.members.get_mut(member)) {
            member.visible += resources;
        }
    }

    /// Adds the resources of visible tasks.
    pub(super) fn add_visible(&mut self, resources: Resources) {
        self.visible += resources;
    }

    /// All tasks are known. `resources` gives the resources of a task, `application` its framework and name.
    pub(super) fn end<'a>(
        &mut self,
        resources: impl Fn(u32) -> Resources,
        application: impl Fn(u32) -> Option<(&'a str, &'a str)>,
    ) {
        let protected = &self.policy.scale_down.protected;
        let is_protected = |(framework, name): (&str, &str)| {
            let among = |names: &[String], name| names.iter().any(|own| own == name);
            among(&protected.frameworks, framework) || among(&protected.applications, name)
        };
        let mut members = std::mem::take(&mut self.members);
        for member in &mut members {
            for ((of, task), count) in std::mem::take(&mut member.tasks) {
                let resources = resources(task);
                member.visible += resources.times(count.into());
                member.protected |= application(of).is_some_and(is_protected);
                member.groups.push(TaskGroup { count, resources });
            }
            member.groups = TaskGroup::merged(std::mem::take(&mut member.groups));
            if member.resources.used.is_none() {
                self.add_used(member.standing, &member.resources, member.visible);
            }
        }
        self.members = members;
    }

    /// The usable agents, grouped by equal agent shape.
    pub(super) fn take_shapes(&mut self) -> Vec<AgentShape> {
        self.shapes.take()
    }

    /// The least loaded usable agents, then every decommissioning agent.
    pub(super) fn take_candidates(&mut self) -> Vec<Candidate> {
        let (usable, mut decommissioning): (Vec<Member>, Vec<Member>) =
            std::mem::take(&mut self.members).into_iter().partition(Member::is_usable);
        let mut usable: Vec<Ranked> = usable.into_iter().map(Ranked::new).collect();
        usable.sort_unstable();
        decommissioning.sort_by(|a, b| a.agent.id.cmp(&b.agent.id));
        let usable = usable.into_iter().take(MAX_USABLE_CANDIDATES).map(|ranked| ranked.member);
        let members = usable.chain(decommissioning);
        members
            .filter_map(|member| member.standing.candidate_state().map(|state| member.into_candidate(state)))
            .collect()
    }
}
