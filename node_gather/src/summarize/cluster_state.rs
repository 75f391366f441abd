//! Collects what the snapshots need while a /state is read.
//!
//! Tasks become counts at once: how many of an application with equal resources run in a pool. Agents become sums and
//! agent shapes; only possible candidates are kept one by one, with their tasks. So memory grows with agents and
//! applications, not with tasks or bytes. Masters list agents before tasks; otherwise counts are kept per agent until the
//! agents are known.

mod batch;
mod pods;
mod tasks;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read;
use std::sync::Arc;

use foldhash::fast::RandomState;
use shared::config::Policy;
use shared::count::saturated;
use shared::resources::Resources;

use self::batch::TaskBatch;
use self::pods::Pods;
pub use self::tasks::TaskKind;
use super::agents::{Agents, NO_ID, OfUnknownPool, Place};
use super::counts::Counts;
use super::interned::{Interned, Map, index};
use super::names::{LastName, Numbers};
use super::pool::Pool;
use super::set_aside::SetAsides;
use super::{Membership, SeenAttributes};
use crate::finding::{Owner, SetAside};
use crate::marathon::definitions::ByApplication;
use crate::members::{self, Descriptions, KnownClaims, Placement};
use crate::mesos::names::Mark;
use crate::mesos::scan;
use crate::mesos::state::{
    Bears, Framework, MAX_FRAMEWORKS, MAX_UNNAMED_AGENTS, Master, OddField, RawAgent, RawExecutor, RawResources,
    RawTask, RecoveredAgent, Sink, StateError,
};

/// The number of an agent that has not re-registered.
const NOT_REGISTERED: u32 = u32::MAX;

/// What tasks take, and the number of the role that they have.
type Size = (Resources, u32);

/// A cluster as its leading master reports it, by pools.
#[derive(Clone, Debug)]
pub struct ClusterState {
    pub(super) master: Master,
    pub(super) policies: Vec<Arc<Policy>>,
    /// The applications that their settings name.
    configured: BTreeSet<String>,
    pub(super) pools: Vec<Pool>,
    agents: Agents,
    pub(super) agents_of_no_pool: u32,
    pub(super) attributes_of_no_pool: SeenAttributes,
    set_aside: SetAsides,
    /// The agents without an id, by number; [`NOT_REGISTERED`] for those that have not come back.
    unnamed: Vec<u32>,
    /// The agents of which it is not known whether they belong to a pool with attributes.
    pub(super) of_unknown_pool: OfUnknownPool,
    /// The agents that may identify instances, and their numbers; [`NOT_REGISTERED`] for those that have not come back.
    pub(super) identities: Arc<Vec<members::Agent>>,
    /// What these claim, where it is known already.
    pub(super) claims: Option<Arc<KnownClaims>>,
    numbers: Vec<u32>,
    pub(super) described: Descriptions,
    /// The agent that is asked for.
    pub(super) asked: Option<String>,
    pub(super) frameworks: Vec<Framework>,
    pub(super) applications: Vec<ApplicationName>,
    sizes: Interned<Size>,
    /// The names of roles, the empty one first.
    roles: Interned<Box<[u8]>>,
    latest_role: LastName,
    latest_agent: LastName,
    /// What tasks and executors use by role, on agents for which that matters: by the numbers of agent and role.
    by_role: Map<(u32, u32), Resources>,
    /// The numbers of these agents.
    needs_roles: HashSet<u32, RandomState>,
    open: OpenFramework,
    /// The latest tasks of that framework.
    batch: TaskBatch,
    /// Its pods, as far as they are known.
    pods: Pods,
    /// The tasks in a pool.
    counts: Counts,
    /// How many tasks run on agents that the master does not list.
    pub(super) unlisted_tasks: u32,
    unplaced: Unplaced,
}

/// An application of a framework. Two may have the same name and framework, because tasks name it in two ways.
#[derive(Clone, Debug)]
pub(super) struct ApplicationName {
    /// The index of its framework in [`ClusterState::frameworks`].
    pub(super) framework: u32,
    pub(super) name: String,
    /// Whether its tasks have ids of Marathon's form.
    pub(super) is_marathon: bool,
}

/// Tasks of one application with equal resources in one pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tasks {
    pub(super) pool: u32,
    /// The index of their application in [`ClusterState::applications`].
    pub(super) application: u32,
    pub(super) resources: Resources,
    pub(super) count: u32,
}

/// Tasks and executors that occurred before the agents, by agent.
#[derive(Clone, Debug, Default)]
struct Unplaced {
    tasks: Map<(u32, u32, u32), u32>,
    /// By the numbers of agent, role, and framework.
    executors: Map<(u32, u32, u32), Resources>,
}

/// The framework that is being read.
#[derive(Clone, Debug, Default)]
struct OpenFramework {
    name: Option<String>,
    gpu_aware: bool,
    recovered: bool,
    disconnected: bool,
    odd: Option<OddField>,
    /// The application that stands for those beyond [`MAX_NAMES_OF_FRAMEWORK`].
    other: Option<u32>,
    /// Its applications, by what identifies their tasks.
    paths: Numbers,
    names: Numbers,
}

impl OpenFramework {
    /// The applications whose tasks are identified in that way.
    #[inline]
    const fn known(&self, mark: Mark<'_>) -> &Numbers {
        match mark {
            Mark::Path(_) => &self.paths,
            Mark::Name(_) => &self.names,
        }
    }

    const fn known_mut(&mut self, mark: Mark<'_>) -> &mut Numbers {
        match mark {
            Mark::Path(_) => &mut self.paths,
            Mark::Name(_) => &mut self.names,
        }
    }
}

impl ClusterState {
    /// An empty state of a cluster with these pools.
    #[must_use]
    pub fn new(policies: &[Policy]) -> Self {
        let policies: Vec<Arc<Policy>> = policies.iter().cloned().map(Arc::new).collect();
        let mut roles = Interned::default();
        roles.number(b"");
        Self {
            master: Master::default(),
            configured: policies.iter().flat_map(|policy| configured(policy)).cloned().collect(),
            pools: policies.iter().cloned().map(Pool::new).collect(),
            policies,
            agents: Agents::default(),
            agents_of_no_pool: 0,
            attributes_of_no_pool: SeenAttributes::default(),
            set_aside: SetAsides::default(),
            unnamed: Vec::new(),
            of_unknown_pool: OfUnknownPool::default(),
            identities: Arc::default(),
            claims: None,
            numbers: Vec::new(),
            described: Descriptions::default(),
            asked: None,
            frameworks: Vec::new(),
            applications: Vec::new(),
            sizes: Interned::default(),
            roles,
            latest_role: LastName::default(),
            latest_agent: LastName::default(),
            by_role: Map::default(),
            needs_roles: HashSet::default(),
            open: OpenFramework::default(),
            batch: TaskBatch::default(),
            pods: Pods::default(),
            counts: Counts::default(),
            unlisted_tasks: 0,
            unplaced: Unplaced::default(),
        }
    }

    /// Adds what AWS reports about the groups of the pools.
    #[must_use]
    pub fn with_descriptions(self, described: Descriptions) -> Self {
        Self { described, ..self }
    }

    /// What this state becomes with all of a /state of at most `limit` bytes. Its source has one type, so the reader is compiled
    /// here, and not again by everyone who uses it.
    ///
    /// # Errors
    /// See [`scan::read`].
    pub fn read(self, source: &mut dyn Read, limit: u64) -> Result<Self, StateError> {
        scan::read(source, self, limit)
    }

    /// The same, to answer about one agent: its id, hostname, or instance.
    #[must_use]
    pub fn asking(self, agent: Option<String>) -> Self {
        Self { asked: agent, ..self }
    }

    /// The groups of the pools in which only an address can identify some agent.
    pub fn groups_by_address(&self) -> impl Iterator<Item = &str> {
        let agents = self.identities.iter().filter(|agent| agent.needs_address());
        let pools: BTreeSet<u32> = agents.filter_map(|agent| agent.pool).collect();
        pools.into_iter().filter_map(|pool| Some(self.policies.get(index(pool))?.group.as_str()))
    }

    /// The same agents where they now use that, in the order in which they were added: in a simulation hardly anything else about
    /// them changes. `None` where some agent is not as any other, or uses what is impossible, or anything else has been added.
    #[must_use]
    pub fn using(&self, used: &[Resources]) -> Option<Self> {
        let is_usual = self.set_aside.is_empty() && self.agents.are_alone(used.len());
        let is_possible = used.iter().all(RawResources::are_possible);
        if !(is_usual && is_possible && self.pools.iter().all(Pool::keeps_all)) {
            return None;
        }
        let mut state = self.clone();
        state.pools.iter_mut().for_each(|pool| pool.use_now(used));
        Some(state)
    }

    /// The same where it is found out now what its agents claim, for a simulation that goes on with them again and again.
    #[must_use]
    pub fn with_claims(self) -> Self {
        Self { claims: Some(Arc::new(KnownClaims::of(&self.identities))), ..self }
    }

    /// How many agents are registered, in all pools and in none.
    #[must_use]
    pub const fn registered_agents(&self) -> u32 {
        self.agents.registered
    }

    /// Ends the document: all tasks have their agents, and most of what leads from one to the other is not needed any more. That
    /// is a good part of the memory where agents are many.
    pub(super) fn close(&mut self) {
        self.seal();
        self.agents.forget_all_but(&self.set_aside);
        if !self.master.filters_gpus {
            self.frameworks.iter_mut().for_each(|framework| framework.gpu_aware = true);
        }
    }

    /// The tasks by pool, of a document that is closed. `constraints` are those of applications.
    pub(super) fn end(&mut self, placements: &[Placement<'_>], constraints: &ByApplication) -> Vec<Tasks> {
        let sizes = self.sizes.take_values();
        let resources = |place: u32| sizes.get(index(place)).map(|(resources, _)| *resources).unwrap_or_default();
        let roles = self.roles.take_values();
        let all_by_role: BTreeMap<(u32, u32), Resources> = std::mem::take(&mut self.by_role).into_iter().collect();
        let tasks = self
            .counts
            .take()
            .into_iter()
            .map(|((pool, application, of), count)| Tasks { pool, application, resources: resources(of), count })
            .collect::<Vec<_>>();
        for tasks in &tasks {
            if let Some(pool) = self.pools.get_mut(index(tasks.pool)) {
                pool.add_visible(tasks.resources.times(tasks.count.into()));
            }
        }
        // By the number of the agent: a map of placements would take several times the memory.
        let mut places: Vec<u32> = Vec::new();
        for (place, number) in (0..).zip(&self.numbers).filter(|(_, number)| **number != NOT_REGISTERED) {
            let number = index(*number);
            if places.len() <= number {
                places.resize(number + 1, u32::MAX);
            }
            if let Some(own) = places.get_mut(number) {
                *own = place;
            }
        }
        for pool in &mut self.pools {
            let application = |application| {
                let ApplicationName { framework, name, .. } = self.applications.get(index(application))?;
                Some((self.frameworks.get(index(*framework))?, name.as_str()))
            };
            let is_limited = |application| {
                let name = if constraints.is_empty() { None } else { self.applications.get(index(application)) };
                name.is_some_and(|ApplicationName { name, .. }| constraints.contains_key(name.as_str()))
            };
            let by_role = |agent: u32| {
                let of_agent = all_by_role.range((agent, 0)..=(agent, u32::MAX));
                let named = of_agent.filter_map(|((_, role), used)| {
                    let role = roles.get(index(*role)).and_then(|role| std::str::from_utf8(role).ok());
                    role.filter(|role| !role.is_empty()).map(|role| (role, *used))
                });
                named.collect()
            };
            let placement = |number| {
                let place = places.get(index(number)).and_then(|place| placements.get(index(*place)));
                place.copied().unwrap_or(Placement::NotDescribed)
            };
            pool.protect(&self.frameworks);
            let is_set_aside = |number| self.set_aside.contains(number);
            pool.end(resources, application, is_limited, placement, is_set_aside, by_role);
        }
        tasks
    }

    /// The first agents of a pool that are set aside, by id, with the reason.
    pub(super) fn first_set_aside(&self, pool: &Pool, most: usize) -> Vec<(String, SetAside)> {
        let all = self.agents.ids.iter().chain(self.unnamed.iter().map(|number| (NO_ID.into(), *number)));
        let of_pool = all.filter(|(_, number)| pool.set_aside.binary_search(number).is_ok());
        let agents = of_pool.filter_map(|(id, number)| Some((id, self.set_aside.reason(number)?, number)));
        let first = least(agents, most).into_iter();
        first.map(|(id, reason, _)| (id.into_owned(), reason.clone())).collect()
    }

    /// Nothing can tell such agents apart, and each takes memory.
    fn add_unnamed(&mut self, number: u32) -> Result<(), StateError> {
        self.unnamed.push(number);
        if self.unnamed.len() > MAX_UNNAMED_AGENTS { Err(StateError::UnnamedAgents) } else { Ok(()) }
    }

    fn identify(&mut self, number: u32, agent: members::Agent) {
        self.claims = None;
        self.numbers.push(number);
        Arc::make_mut(&mut self.identities).push(agent);
    }

    /// All agents are known: assigns members, and places the tasks and executors that occurred before.
    fn seal(&mut self) {
        self.agents.is_sealed = true;
        for (place, pool) in self.pools.iter_mut().enumerate() {
            for (member, number) in pool.seal().enumerate() {
                self.agents.set_place(number, Place::Member(saturated(place), saturated(member)));
            }
        }
        let Unplaced { tasks, executors } = std::mem::take(&mut self.unplaced);
        for ((agent, application, size), count) in tasks {
            self.place(agent, application, size, count);
        }
        for ((agent, role, framework), resources) in executors {
            self.place_executor(agent, role, framework, resources);
        }
    }

    /// Whether the agents are known: once one of them is, all are, because the list is read as a whole.
    #[inline]
    fn knows_agents(&mut self) -> bool {
        if !self.agents.is_sealed && self.agents.registered > 0 {
            self.seal();
        }
        self.agents.is_sealed
    }
}

impl Sink for ClusterState {
    fn master(&mut self) -> &mut Master {
        &mut self.master
    }

    fn agent(&mut self, raw: &RawAgent) -> Result<(), StateError> {
        let agent = &raw.agent;
        let number = if agent.id.is_empty() {
            let number = self.agents.unnamed();
            self.add_unnamed(number)?;
            number
        } else {
            self.agents.number(agent.id.as_bytes())
        };
        self.agents.registered = self.agents.registered.saturating_add(1);
        let is_repeated = self.agents.place_of(number) != Place::Unlisted;
        if is_repeated {
            self.set_aside.add(number, SetAside::ListedTwice);
        }
        if let Some(amount) = raw.impossible() {
            self.set_aside.add(number, SetAside::Amount { owner: Owner::Agent, amount: amount.clone() });
        }
        if let Some(field) = raw.odd {
            self.set_aside.add(number, SetAside::Odd { owner: Owner::Agent, field });
        }
        if let Some(field) = raw.odd_attributes {
            self.of_unknown_pool.add(&agent.id, field);
        }
        let pools = Membership::of(&agent.attributes, raw.odd_attributes, &self.policies);
        let belongs_to_none = pools == Membership::None && raw.odd_attributes.is_none();
        let is_unfit = belongs_to_none || raw.has_nothing();
        self.identify(number, members::Agent::registered(agent, pools.only(), is_unfit));
        let place = match pools {
            Membership::None if raw.odd_attributes.is_some() => Place::NoPool,
            Membership::None => {
                self.agents_of_no_pool = self.agents_of_no_pool.saturating_add(1);
                self.attributes_of_no_pool.add(&agent.attributes);
                Place::NoPool
            }
            Membership::One(place) => {
                let is_set_aside = self.set_aside.contains(number);
                if let Some(pool) = self.pools.get_mut(place)
                    && pool.register(raw, number, is_set_aside)
                {
                    self.needs_roles.insert(number);
                }
                Place::Pool(saturated(place))
            }
            Membership::Several(places) => {
                let mut names = places.iter().filter_map(|place| Some(self.policies.get(*place)?.pool.clone()));
                let (first, second) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
                self.set_aside.add(number, SetAside::TwoPools { first, second });
                for place in places {
                    if let Some(pool) = self.pools.get_mut(place) {
                        pool.register_shared(number);
                    }
                }
                Place::NoPool
            }
        };
        if !is_repeated {
            self.agents.set_place(number, place);
        }
        Ok(())
    }

    fn recovered_agent(&mut self, agent: &RecoveredAgent) -> Result<(), StateError> {
        if agent.id.is_empty() {
            self.add_unnamed(NOT_REGISTERED)?;
        }
        if let Some(field) = agent.odd_attributes {
            self.of_unknown_pool.add(&agent.id, field);
        }
        let pools = Membership::of(&agent.attributes, agent.odd_attributes, &self.policies);
        self.identify(NOT_REGISTERED, members::Agent::recovered(agent, pools.only()));
        for place in pools.places() {
            if let Some(pool) = self.pools.get_mut(*place) {
                pool.add_recovered();
            }
        }
        Ok(())
    }

    fn framework_name(&mut self, name: String) {
        self.open.name = Some(name);
    }

    fn framework_gpu_aware(&mut self, gpu_aware: bool) {
        self.open.gpu_aware = gpu_aware;
    }

    fn framework_recovered(&mut self, recovered: bool) {
        self.open.recovered = recovered;
    }

    fn framework_connected(&mut self, connected: bool) {
        self.open.disconnected = !connected;
    }

    fn framework_odd(&mut self, odd: OddField) {
        odd.keep_in(&mut self.open.odd);
    }

    #[inline]
    fn task(&mut self, task: &RawTask<'_>) {
        if task.holds_resources() {
            self.batch_task(task);
        }
    }

    fn tasks(&mut self, task: &RawTask<'_>, mark: Mark<'_>, count: u32) {
        self.count_alike(task, mark, count);
    }

    fn executor(&mut self, executor: &RawExecutor<'_>) {
        self.count_executor(executor);
    }

    fn end_framework(&mut self) -> Result<(), StateError> {
        self.count_batch();
        self.count_pods();
        let OpenFramework { name, gpu_aware, recovered, disconnected, odd, paths, names, .. } =
            std::mem::take(&mut self.open);
        let name = name.ok_or(StateError::Missing("frameworks[].name"))?;
        if self.frameworks.len() >= MAX_FRAMEWORKS {
            return Err(StateError::TooManyFrameworks);
        }
        let bears = match (paths.is_empty(), names.is_empty()) {
            (false, _) => Bears::MarathonTasks,
            (true, false) => Bears::OtherTasks,
            (true, true) => Bears::NoTask,
        };
        self.frameworks.push(Framework { name, gpu_aware, recovered, disconnected, bears, odd });
        Ok(())
    }
}

/// The least of them, in their order.
pub(super) fn least<T: Ord>(all: impl Iterator<Item = T>, most: usize) -> BTreeSet<T> {
    let mut least = BTreeSet::new();
    for one in all {
        least.insert(one);
        if least.len() > most {
            least.pop_last();
        }
    }
    least
}

fn configured(policy: &Policy) -> impl Iterator<Item = &String> {
    policy.scale_down.protected.applications.iter().chain(policy.applications.keys())
}
