//! The applications of a pool: tasks by framework and application, with the smallest applications folded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use shared::contract::{Application, InAllPools, TaskGroup};
use shared::resources::{Amount, Resources};

use super::cluster_state::{ApplicationName, ClusterState, Tasks};
use super::interned::{OTHER, index};
use super::{Share, task_count};
use crate::marathon::constraints::Constraints;
use crate::marathon::definitions::ByApplication;
use crate::marathon::queue::QueuedInstances;

/// How many applications a snapshot lists. Frameworks with a name per task would not fit a message.
const MAX_APPLICATIONS: usize = 2000;

/// Frameworks of one name differ only in their GPU capability; everything else is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    /// First, so that the frameworks of one application are adjacent.
    pub(super) name: &'a str,
    pub(super) framework: &'a str,
    pub(super) gpu_aware: bool,
}

/// The applications of a pool while they are collected.
#[derive(Debug, Default)]
pub(super) struct Applications<'a>(BTreeMap<Key<'a>, Counts>);

/// The tasks and queued instances of one application.
#[derive(Debug, Default)]
struct Counts {
    /// Its tasks by resources; equal resources may occur more than once.
    tasks: Vec<TaskGroup>,
    queued: Queued,
    /// Whether Marathon runs it, as far as is known.
    is_marathon: bool,
    max_per_agent: Option<u32>,
    in_all_pools: Option<InAllPools>,
}

/// Queued instances, and the tasks of one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Queued {
    instances: u32,
    tasks: Vec<TaskGroup>,
}

/// What the pools have together of the limited applications that are in several. `most` are the most agents that each pool may have.
pub(super) fn in_all_pools<'l>(
    pools: &[Applications<'_>],
    most: &[Option<u32>],
    constraints: &'l ByApplication,
    queued: &[QueuedInstances],
) -> BTreeMap<&'l str, InAllPools> {
    let sum = |counts: &mut dyn Iterator<Item = u32>| counts.fold(0, u32::saturating_add);
    let of = |name: &'l str| {
        let own = pools.iter().zip(most).filter_map(|(pool, most)| Some((pool.of_marathon(name)?.1, *most)));
        let own: Vec<(u32, Option<u32>)> = own.collect();
        // Most are in one alone: nothing is to be summed up.
        if own.len() < 2 {
            return None;
        }
        let most: Vec<u32> = own.iter().map(|(_, most)| *most).collect::<Option<_>>()?;
        let waiting = queued.iter().filter(|queued| queued.application == name).map(|queued| queued.instances);
        let instances = sum(&mut own.iter().map(|(running, _)| *running).chain(waiting));
        Some((name, InAllPools { instances, most_agents: sum(&mut most.into_iter()) }))
    };
    if pools.len() < 2 { BTreeMap::new() } else { constraints.keys().filter_map(|name| of(name)).collect() }
}

/// The applications of each pool.
pub(super) fn by_pool<'a>(state: &'a ClusterState, tasks: Vec<Tasks>) -> Vec<Applications<'a>> {
    let mut pools: Vec<Applications<'a>> = state.policies.iter().map(|_| Applications::default()).collect();
    for Tasks { pool, application, resources, count } in tasks {
        if let Some(applications) = pools.get_mut(index(pool))
            && let Some(ApplicationName { is_marathon, .. }) = state.applications.get(index(application))
            && let Some(key) = Key::of(state, application)
        {
            let counts = applications.0.entry(key).or_default();
            counts.tasks.push(TaskGroup { count, resources });
            counts.is_marathon |= *is_marathon;
        }
    }
    pools
}

/// Of several Marathons with tasks of an application of one name, those of whose tasks an agent holds more than it may: they are not the
/// one that was asked. `most_on_an_agent` says how many, by the number of the application. Where each has more, as after a change of the
/// application, nothing tells them apart.
pub(super) fn of_other_marathons<'a>(
    state: &'a ClusterState,
    most_on_an_agent: impl Iterator<Item = (u32, u32)>,
    constraints: &ByApplication,
) -> BTreeSet<Key<'a>> {
    let (mut exceed, mut keep): (BTreeSet<Key<'a>>, BTreeSet<Key<'a>>) = Default::default();
    for (application, count) in most_on_an_agent {
        let is_marathon = state.applications.get(index(application)).is_some_and(|named| named.is_marathon);
        let Some(key) = Key::of(state, application).filter(|_| is_marathon) else { continue };
        let is_more = constraints.get(key.name).is_some_and(|own| own.forbid(count));
        (if is_more { &mut exceed } else { &mut keep }).insert(key);
    }
    let kept: BTreeSet<&str> = keep.difference(&exceed).map(|key| key.name).collect();
    exceed.retain(|key| kept.contains(key.name));
    exceed
}

impl<'a> Key<'a> {
    /// The application of that number.
    pub(super) fn of(state: &'a ClusterState, application: u32) -> Option<Self> {
        let ApplicationName { framework, name, .. } = state.applications.get(index(application))?;
        let framework = state.frameworks.get(index(*framework))?;
        Some(Self { name, framework: &framework.name, gpu_aware: framework.gpu_aware })
    }

    pub(super) fn of_listed(application: &'a Application) -> Self {
        Self { name: &application.name, framework: &application.framework, gpu_aware: application.gpu_aware }
    }
}

impl<'a> Applications<'a> {
    /// Adds so many of the queued instances of an application, which may have no task yet.
    pub(super) fn add_queued(&mut self, key: Key<'a>, queued: &QueuedInstances, instances: u32) {
        let counts = self.0.entry(key).or_default();
        counts.is_marathon = true;
        counts.queued.add(&Queued { instances, tasks: queued.tasks.clone() });
    }

    /// The application of Marathon of that name that has most tasks, and their number; of equal ones the first.
    pub(super) fn of_marathon(&self, name: &'a str) -> Option<(Key<'a>, u32)> {
        let first = Key { name, framework: "", gpu_aware: false };
        let named = self.0.range(first..).take_while(move |(key, _)| key.name == name);
        let of_marathon = named.filter(|(_, counts)| counts.is_marathon);
        let counted = of_marathon.map(|(key, counts)| (*key, task_count(&counts.tasks)));
        counted.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// These are not of the Marathon that was asked.
    pub(super) fn set_aside(&mut self, of_others: &BTreeSet<Key<'a>>) {
        for (_, counts) in self.0.iter_mut().filter(|(key, _)| of_others.contains(key)) {
            counts.is_marathon = false;
        }
    }

    /// Limits how many instances of an application one agent may hold, and says what all pools have of it.
    pub(super) fn limit_hosts(&mut self, constraints: &ByApplication, in_all_pools: &BTreeMap<&str, InAllPools>) {
        for (key, counts) in &mut self.0 {
            if let Some(own) = constraints.get(key.name).filter(|_| counts.is_marathon) {
                let instances = task_count(&counts.tasks).saturating_add(counts.queued.instances);
                counts.max_per_agent = own.most_per_agent(instances);
                counts.in_all_pools = counts.max_per_agent.and_then(|_| in_all_pools.get(key.name).copied());
            }
        }
    }

    /// The constraints of each application that tell agents with these attributes apart.
    pub(super) fn constraints(
        &self,
        constraints: &ByApplication,
        attributes: &BTreeMap<String, String>,
    ) -> BTreeMap<Key<'a>, Constraints> {
        let of_marathon = self.0.iter().filter(|(_, counts)| counts.is_marathon);
        let own = of_marathon.filter_map(|(key, _)| Some((*key, constraints.get(key.name)?.among(attributes))));
        own.filter(|(_, own)| !own.is_empty()).collect()
    }

    /// The applications sorted by framework and name, at most [`MAX_APPLICATIONS`] and one for the rest of each framework.
    pub(super) fn into_list(self) -> Vec<Application> {
        let list = self.0.into_iter().map(|(key, counts)| application(key, counts));
        fold_smallest(list.collect(), MAX_APPLICATIONS)
    }
}

impl Queued {
    fn of(application: &Application) -> Self {
        Self { instances: application.queued, tasks: application.queued_tasks.clone() }
    }

    /// Adds instances. If their size differs, one instance becomes a single task with the mean resources, rounded up, so
    /// that the total is not less than before.
    fn add(&mut self, more: &Self) {
        if more.instances == 0 {
            return;
        }
        if self.instances == 0 {
            *self = more.clone();
            return;
        }
        let instances = self.instances.saturating_add(more.instances);
        if self.tasks.is_empty() || more.tasks.is_empty() {
            self.tasks = Vec::new();
        } else if self.tasks != more.tasks {
            let resources = mean(self.total() + more.total(), instances);
            self.tasks = vec![TaskGroup { count: 1, resources }];
        }
        self.instances = instances;
    }

    /// The total resources.
    fn total(&self) -> Resources {
        let one: Resources = self.tasks.iter().map(|group| group.resources.times(group.count.into())).sum();
        one.times(self.instances.into())
    }
}

fn mean(total: Resources, count: u32) -> Resources {
    Resources::from_fn(|kind| Amount::from_thousandths(total.get(kind).thousandths().div_ceil(u64::from(count.max(1)))))
}

fn application(key: Key<'_>, counts: Counts) -> Application {
    let Counts { tasks, queued, is_marathon: _, max_per_agent, in_all_pools } = counts;
    Application {
        framework: key.framework.to_owned(),
        name: key.name.to_owned(),
        task_count: task_count(&tasks),
        resources: tasks.iter().map(|group| group.resources.times(group.count.into())).sum(),
        tasks: TaskGroup::merged(tasks),
        queued: queued.instances,
        queued_tasks: queued.tasks,
        gpu_aware: key.gpu_aware,
        max_per_agent,
        in_all_pools,
    }
}

/// Keeps the `keep` largest applications, by their largest share of the resources of all, and folds the others of each
/// framework into one named [`OTHER`]. All sums stay the same. Applications with queued instances, or whose instances need
/// agents of their own, are kept first, because folding keeps only sums.
pub(crate) fn fold_smallest(mut applications: Vec<Application>, keep: usize) -> Vec<Application> {
    if applications.len() > keep {
        let whole: Resources = applications.iter().map(|application| application.resources).sum();
        let by_size = |a: &Application, b: &Application| {
            let share = |application: &Application| Share::largest(&application.resources, &whole);
            let is_single =
                |application: &Application| Reverse(application.queued > 0 || application.max_per_agent.is_some());
            let sizes = share(b).cmp(&share(a)).then(b.task_count.cmp(&a.task_count));
            is_single(a).cmp(&is_single(b)).then(sizes).then_with(|| key(a).cmp(&key(b)))
        };
        applications.sort_by(by_size);
        let rest = applications.split_off(keep);
        fold_into_other(&mut applications, rest);
    }
    applications.sort_by(|a, b| key(a).cmp(&key(b)));
    applications
}

/// The order of the list.
fn key(application: &Application) -> (&str, &str, bool) {
    (&application.framework, &application.name, application.gpu_aware)
}

fn fold_into_other(kept: &mut Vec<Application>, rest: Vec<Application>) {
    // Applications that were folded before are folded again; a framework may also have an application of that name.
    let (already_other, others): (Vec<_>, Vec<_>) = kept.drain(..).partition(|application| application.name == OTHER);
    *kept = others;
    let mut sums: BTreeMap<(String, bool), Counts> = BTreeMap::new();
    for application in already_other.into_iter().chain(rest) {
        let queued = Queued::of(&application);
        let counts = sums.entry((application.framework, application.gpu_aware)).or_default();
        counts.queued.add(&queued);
        counts.tasks.extend(application.tasks);
    }
    let folded = sums.into_iter().map(|((framework, gpu_aware), counts)| {
        application(Key { framework: &framework, name: OTHER, gpu_aware }, counts)
    });
    kept.extend(folded);
}
