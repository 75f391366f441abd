//! Collects the agents of one pool.

mod asked;
mod hosts;
mod least_loaded;
mod member;
mod member_tasks;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::config::Policy;
use shared::contract::{AgentCounts, AgentShape, Candidate, LatestAgent, PoolResources, TaskGroup};
use shared::resources::Resources;
use shared::time;

pub use asked::{Asked, Stays};
pub(super) use hosts::Limited;
use hosts::{Hosts, Instances, Released};
use least_loaded::LeastLoaded;
pub use member::is_usable;
use member::{Instance, Member, Names, Standing, drain_due};
use member_tasks::MemberTasks;
use shapes::Capacities;
pub(crate) use shapes::merge_shapes;

use super::Share;
use super::interned::index;
use super::latest::Latest;
use super::roles::Capacity;
use super::values::AgentValues;
use crate::members::Placement;
use crate::mesos::state::{Framework, RawAgent};

/// How many of them are candidates: two steps of scaling down, but at least and at most so many.
const CANDIDATES: std::ops::RangeInclusive<u32> = 20..=200;

/// The agents of one pool.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) policy: Arc<Policy>,
    /// How many agents there are, without the unreachable ones, which the master only counts.
    pub(super) counts: AgentCounts,
    pub(super) resources: PoolResources,
    /// How many of them have no used resources in the master's state.
    pub(super) unreported: u32,
    /// The resources of their visible tasks and executors.
    pub(super) visible: Resources,
    /// The numbers of the agents that are set aside, in their order, once all tasks are known.
    pub(super) set_aside: Vec<u32>,
    /// The instances with the tag of a decommissioning agent whose agents are usable.
    pub(super) tagged_active: Vec<String>,
    /// The values of the attributes that its agents have.
    pub(super) values: Arc<AgentValues>,
    /// The largest part of its agents that no role has reserved, kind by kind; `None` without agents.
    pub(super) unreserved: Option<Resources>,
    /// All registered agents, until then.
    listed: Vec<Listed>,
    capacities: Capacities,
    shapes: Vec<AgentShape>,
    /// The role to which all usable agents are reserved, if it is another one than the pool's.
    pub(super) reserved_role: Option<String>,
    /// The agents that registered last, until it is known where they run.
    latest: Arc<Latest>,
    /// At the end: those of them that show what a new agent has.
    latest_agents: Vec<LatestAgent>,
    /// The least loaded usable agents with used resources in the master's state.
    least_loaded: LeastLoaded,
    /// Agents that are kept one by one: decommissioning ones, and those whose used resources are the sum of their tasks;
    /// once all agents are known, also the least loaded ones.
    members: Vec<Member>,
    /// Their tasks.
    tasks: MemberTasks,
    /// Which frameworks have executors on which of them, where any framework is protected.
    executors: BTreeSet<(usize, u32)>,
    /// At the end: whether some task may protect its agent.
    protects_tasks: bool,
    /// The same tasks, by the places of their agents in order, at the end.
    groups: Vec<(usize, TaskGroup)>,
    /// At the end: those of applications of which an agent may hold only so many.
    limited: Vec<Instances>,
}

/// What is kept of every registered agent until all tasks are known.
#[derive(Clone, Debug)]
struct Listed {
    /// Its number, in the order in which ids occurred.
    number: u32,
    standing: Standing,
    /// The index of its capacity.
    capacity: u32,
    /// What it uses, if the master reports it.
    used: Option<Resources>,
}

impl Pool {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            counts: AgentCounts::default(),
            resources: PoolResources::default(),
            unreported: 0,
            visible: Resources::ZERO,
            set_aside: Vec::new(),
            tagged_active: Vec::new(),
            values: Arc::default(),
            unreserved: None,
            listed: Vec::new(),
            capacities: Capacities::default(),
            reserved_role: None,
            shapes: Vec::new(),
            latest: Arc::default(),
            latest_agents: Vec::new(),
            least_loaded: LeastLoaded::default(),
            members: Vec::new(),
            tasks: MemberTasks::default(),
            executors: BTreeSet::new(),
            protects_tasks: false,
            groups: Vec::new(),
            limited: Vec::new(),
        }
    }

    /// Adds a registered agent with that number. Returns whether it matters which roles its tasks have.
    pub(super) fn register(&mut self, raw: &RawAgent, number: u32, is_set_aside: bool) -> bool {
        let (agent, mut resources) = (&raw.agent, raw.resources());
        Arc::make_mut(&mut self.values).add(&agent.attributes);
        let unreserved = self.unreserved.get_or_insert(resources.unreserved);
        *unreserved = Resources::from_fn(|kind| unreserved.get(kind).max(resources.unreserved.get(kind)));
        let capacity = Capacity::of(&self.policy.role, resources.total, resources.unreserved, raw.reserved());
        let needs_roles = capacity.has_reservations_of_others();
        resources.unreserved = capacity.available;
        let mut standing = Standing::of(agent, &resources.total);
        if is_set_aside {
            standing = standing.set_aside();
        }
        if !matches!(standing, Standing::Inactive | Standing::SetAside) {
            Arc::make_mut(&mut self.latest).add(agent, &resources, number);
        }
        let capacity = self.capacities.place(capacity);
        self.listed.push(Listed { number, standing, capacity, used: resources.used });
        let member = || Member {
            names: Names::of(agent),
            ip: agent.ip,
            attributes: Arc::new(agent.attributes.clone()),
            resources,
            number,
            standing,
            visible: Resources::ZERO,
            protected: false,
            sole_host: false,
            applications: BTreeSet::new(),
            free: None,
            drain_due: drain_due(agent).map(time::truncate),
            instance: Instance::default(),
        };
        let Some(used) = resources.used else {
            self.members.push(member());
            return needs_roles;
        };
        match standing {
            Standing::Usable => {
                self.least_loaded.add(Share::largest(&used, &resources.total), &agent.id, member);
            }
            Standing::Disconnected | Standing::Inactive | Standing::SetAside => {}
            Standing::Draining(_) | Standing::Deactivated => self.members.push(member()),
        }
        needs_roles
    }

    /// Adds an agent that is in another pool, too: no pool can rely on it.
    pub(super) fn register_shared(&mut self, number: u32) {
        let capacity = self.capacities.place(Capacity::default());
        self.listed.push(Listed { number, standing: Standing::SetAside, capacity, used: Some(Resources::ZERO) });
    }

    pub(super) fn add_recovered(&mut self) {
        self.counts.recovered = self.counts.recovered.saturating_add(1);
    }

    /// Whether all agents are kept one by one, each with what it uses.
    pub(super) fn keeps_all(&self) -> bool {
        self.least_loaded.keeps_all() && self.listed.iter().all(|listed| listed.used.is_some())
    }

    /// Its agents use that now, by their numbers.
    pub(super) fn use_now(&mut self, used: &[Resources]) {
        let of = |number: u32| used.get(index(number)).copied();
        for listed in &mut self.listed {
            listed.used = of(listed.number);
        }
        for member in self.least_loaded.all_mut().chain(&mut self.members) {
            member.resources.used = of(member.number);
        }
    }

    /// All agents are known: returns the numbers of the members, in their order.
    pub(super) fn seal(&mut self) -> impl Iterator<Item = u32> {
        // Members are large: those that are here alone, as in a pool that is sealed already, stay where they are.
        let kept = self.least_loaded.take();
        if !kept.is_empty() {
            let others = std::mem::replace(&mut self.members, kept);
            self.members.extend(others);
        }
        self.members.iter().map(|member| member.number)
    }

    /// Adds tasks of a member.
    pub(super) fn add_to_member(&mut self, member: u32, application: u32, resources: u32, count: u32) {
        self.tasks.add((member, application, resources), count);
    }

    /// Adds the resources of an executor of that framework, on a member if given.
    pub(super) fn add_executor(&mut self, place: Option<usize>, framework: u32, resources: Resources) {
        self.visible += resources;
        let Some(place) = place else { return };
        if let Some(member) = self.members.get_mut(place) {
            member.visible += resources;
        }
        if !self.policy.scale_down.protected.frameworks.is_empty() {
            self.executors.insert((place, framework));
        }
    }

    /// All frameworks are known. Protects the members with an executor of a protected one: it may outlive its tasks, and hold what they
    /// left.
    pub(super) fn protect(&mut self, frameworks: &[Framework]) {
        let protected = &self.policy.scale_down.protected;
        self.protects_tasks = frameworks.iter().any(|framework| framework.disconnected)
            || !(protected.frameworks.is_empty() && protected.applications.is_empty());
        for (place, framework) in std::mem::take(&mut self.executors) {
            let framework = frameworks.get(index(framework));
            let is_protected = framework.is_some_and(|framework| protected.frameworks.contains(&framework.name));
            if let Some(member) = self.members.get_mut(place) {
                member.protected |= is_protected;
            }
        }
    }

    /// Adds the resources of visible tasks.
    pub(super) fn add_visible(&mut self, resources: Resources) {
        self.visible += resources;
    }

    /// All tasks are known. `resources` gives the resources of a task, `application` its framework and name, and `is_limited` whether
    /// not every agent may hold instances of an application, or not any number. By an agent's number, `placement` says what its instance is,
    /// `is_set_aside` whether it is set aside, and `by_role` what its tasks and executors use by role, for agents for which that
    /// matters.
    pub(super) fn end<'a>(
        &mut self,
        resources: impl Fn(u32) -> Resources,
        application: impl Fn(u32) -> Option<(&'a Framework, &'a str)>,
        is_limited: impl Fn(u32) -> bool,
        placement: impl Fn(u32) -> Placement<'a>,
        is_set_aside: impl Fn(u32) -> bool,
        by_role: impl Fn(u32) -> BTreeMap<&'a str, Resources>,
    ) {
        let protected = &self.policy.scale_down.protected;
        let is_protected = |(framework, name): (&Framework, &str)| {
            let among = |names: &[String], name: &str| names.iter().any(|own| own == name);
            framework.disconnected
                || among(&protected.frameworks, &framework.name)
                || among(&protected.applications, name)
        };
        let mut members = std::mem::take(&mut self.members);
        let tasks = self.tasks.take();
        self.groups.reserve_exact(tasks.len());
        for ((place, of, task), count) in tasks {
            let Some(member) = members.get_mut(index(place)) else { continue };
            let resources = resources(task);
            let (place, tasks) = (index(place), TaskGroup { count, resources });
            self.groups.push((place, tasks));
            if is_limited(of) {
                self.limited.push(Instances { application: of, place, tasks });
            }
            // Of most agents the master reports what they use, and no one asks what runs there.
            if member.resources.used.is_none() {
                member.visible += resources.times(count.into());
            }
            let is_leaving = matches!(member.standing, Standing::Draining(_) | Standing::Deactivated);
            if !(is_leaving || self.protects_tasks) {
                continue;
            }
            let application = application(of);
            member.protected |= application.is_some_and(is_protected);
            if is_leaving && member.applications.len() <= Candidate::MAX_APPLICATIONS {
                // No application has an empty name, so that a task without one stays one of none.
                member.applications.insert(application.map_or("", |(_, name)| name).to_owned());
            }
        }
        for member in &mut members {
            if is_set_aside(member.number) {
                member.standing = member.standing.set_aside();
            }
            let placement = placement(member.number);
            if placement.is_leaving() {
                member.standing = member.standing.leaving();
            }
            member.instance = Instance::of(&placement, member.names.instance());
        }
        self.members = members;
        self.latest_agents = self.latest.choose(|number| placement(number).may_show_launches());
        self.end_agents(placement, is_set_aside, by_role);
    }

    /// Counts the agents, and adds up their resources.
    fn end_agents<'a>(
        &mut self,
        placement: impl Fn(u32) -> Placement<'a>,
        is_set_aside: impl Fn(u32) -> bool,
        by_role: impl Fn(u32) -> BTreeMap<&'a str, Resources>,
    ) {
        let unreported = self.members.iter().filter(|member| member.resources.used.is_none());
        let visible: BTreeMap<u32, Resources> = unreported.map(|member| (member.number, member.visible)).collect();
        // Growing would take twice the memory for a moment, when most of it is in use.
        let mut shapes = Vec::with_capacity(self.listed.len());
        let mut owners = BTreeSet::new();
        let needs_roles = self.capacities.need_roles();
        let with_roles = self.members.iter().enumerate().filter(|_| needs_roles);
        let member_of: BTreeMap<u32, usize> = with_roles.map(|(place, member)| (member.number, place)).collect();
        for Listed { number, mut standing, capacity, used } in std::mem::take(&mut self.listed) {
            if is_set_aside(number) {
                standing = standing.set_aside();
                self.set_aside.push(number);
            } else if used.is_none() {
                self.unreported = self.unreported.saturating_add(1);
            }
            let placement = placement(number);
            if placement.is_leaving() {
                standing = standing.leaving();
            }
            if let (Standing::Usable, Placement::On { instance, is_decommissioning: true, .. }) = (standing, &placement)
            {
                self.tagged_active.push(instance.id.clone());
            }
            let used = used.or_else(|| visible.get(&number).copied()).unwrap_or_default();
            let count = match standing {
                Standing::Usable => &mut self.counts.usable,
                Standing::Draining(_) => &mut self.counts.draining,
                Standing::Deactivated => &mut self.counts.deactivated,
                Standing::Disconnected | Standing::Inactive | Standing::SetAside => &mut self.counts.inactive,
            };
            *count = count.saturating_add(1);
            self.counts.registered = self.counts.registered.saturating_add(1);
            let capacity = self.capacities.get(capacity).filter(|_| standing == Standing::Usable);
            let Some(capacity) = capacity else {
                self.resources.displaced += used;
                if standing == Standing::Disconnected {
                    self.counts.disconnected = self.counts.disconnected.saturating_add(1);
                    self.resources.disconnected += used;
                }
                continue;
            };
            self.resources.total += capacity.total;
            self.resources.used += used;
            owners.insert(capacity.owner());
            let needs_roles = capacity.has_reservations_of_others();
            let by_role = if needs_roles { by_role(number) } else { BTreeMap::new() };
            let free = capacity.free(&self.policy.role, used, &by_role);
            if needs_roles && let Some(member) = member_of.get(&number).and_then(|place| self.members.get_mut(*place)) {
                member.free = Some(free);
            }
            shapes.push(AgentShape { count: 1, total: capacity.total, unreserved: capacity.available, free });
        }
        self.shapes = merge_shapes(shapes);
        self.reserved_role = match owners.pop_first() {
            Some(Some(owner)) if owners.is_empty() => Some(owner.to_owned()),
            _ => None,
        };
        self.set_aside.sort_unstable();
        // One that is listed twice.
        self.set_aside.dedup();
        self.tagged_active.sort_unstable();
    }

    /// The agents that registered last and show what a new one has, the latest first.
    pub(super) fn take_latest(&mut self) -> Vec<LatestAgent> {
        std::mem::take(&mut self.latest_agents)
    }

    /// The usable agents, grouped by equal agent shape.
    pub(super) fn take_shapes(&mut self) -> Vec<AgentShape> {
        std::mem::take(&mut self.shapes)
    }

    /// The least loaded usable agents that may go, then every decommissioning agent. An agent that must stay is none: it would
    /// take the place of one that may go. `limited` says what is known of an application of which an agent may hold only so many
    /// instances.
    pub(super) fn take_candidates(&mut self, limited: impl Fn(u32) -> Option<Limited>) -> Vec<Candidate> {
        let mut members = std::mem::take(&mut self.members);
        // Their places are sorted, not they.
        let mut usable: Vec<(Share, &str, usize)> = Vec::new();
        let mut decommissioning: Vec<(&str, usize)> = Vec::new();
        for (place, member) in members.iter().enumerate() {
            let id = member.names.id();
            if member.may_go() {
                usable.push((member.load(), id, place));
            } else if !member.is_usable() {
                decommissioning.push((id, place));
            }
        }
        decommissioning.sort_unstable();
        // As many as may go at once: by the step, or a tenth where they run nothing.
        let at_once = self.policy.removal(true).at_once(self.counts.registered, u32::MAX);
        let most = at_once.saturating_mul(2);
        let most = most.clamp(*CANDIDATES.start(), *CANDIDATES.end());
        let hosts = Hosts::of(&members, &self.limited, limited);
        if hosts.is_empty() && usable.len() > index(most) {
            usable.select_nth_unstable(index(most));
            usable.truncate(index(most));
        }
        usable.sort_unstable();
        let may_go = usable.into_iter().map(|(.., place)| place).collect();
        let decommissioning: Vec<usize> = decommissioning.into_iter().map(|(_, place)| place).collect();
        let Released { mut places, sole_hosts } = hosts.release(may_go, index(most));
        for place in sole_hosts {
            if let Some(member) = members.get_mut(place) {
                member.sole_host = true;
            }
        }
        places.extend(decommissioning);
        let candidate = |place: usize| {
            let member = members.get_mut(place)?;
            let state = member.standing.candidate_state()?;
            Some(member.take_candidate(state, self.tasks_of(place)))
        };
        let candidates = places.into_iter().filter_map(candidate).collect();
        self.members = members;
        candidates
    }

    /// Of applications of which an agent may hold only so many instances, the most that one holds, by the application's number.
    pub(super) fn most_on_an_agent(&self) -> BTreeMap<u32, u32> {
        let mut on: BTreeMap<(u32, usize), u32> = BTreeMap::new();
        for Instances { application, place, tasks } in &self.limited {
            let count = on.entry((*application, *place)).or_default();
            *count = count.saturating_add(tasks.count);
        }
        let mut most = BTreeMap::new();
        for ((application, _), count) in on {
            let own = most.entry(application).or_insert(count);
            *own = count.max(*own);
        }
        most
    }

    /// The tasks of the member at that place, grouped by equal resources.
    fn tasks_of(&self, place: usize) -> Vec<TaskGroup> {
        let first = self.groups.partition_point(|(own, _)| *own < place);
        let own = self.groups.iter().skip(first).take_while(|(own, _)| *own == place);
        TaskGroup::merged(own.map(|(_, group)| *group).collect())
    }
}
