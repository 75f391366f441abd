//! The applications of a pool: tasks by framework and application, the smallest of them folded together.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::contract::{Application, TaskGroup};
use shared::resources::{Amount, Resources};

use super::cluster_state::{ApplicationName, ClusterState, Tasks};
use super::{Share, merge_groups};
use crate::marathon::queue::QueuedInstances;

/// How many applications a snapshot names. Frameworks with a name per task would not fit a message.
const MAX_APPLICATIONS: usize = 2000;

/// The name of what is left of a framework's applications.
const OTHER: &str = "(other)";

/// Two frameworks of one name are told apart only by whether they are offered gpus: all else adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    /// First, so that the frameworks of one application stand together.
    pub(super) name: &'a str,
    pub(super) framework: &'a str,
    pub(super) gpu_aware: bool,
}

/// The applications of a pool while they are put together.
#[derive(Debug, Default)]
pub(super) struct Applications<'a>(BTreeMap<Key<'a>, Counts>);

/// What there is of one application.
#[derive(Debug, Default)]
struct Counts {
    /// Its tasks, by what one of them takes; equal ones may be there more than once.
    tasks: Vec<TaskGroup>,
    queued: Queued,
}

/// Instances that wait for room, and what one of them takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Queued {
    instances: u32,
    tasks: Vec<TaskGroup>,
}

/// The applications of each pool.
pub(super) fn by_pool<'a>(state: &'a ClusterState<'_>, tasks: Vec<Tasks>) -> Vec<Applications<'a>> {
    let mut pools: Vec<Applications<'a>> = state.policies.iter().map(|_| Applications::default()).collect();
    let at = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
    for Tasks { pool, application, resources, count } in tasks {
        if let Some(applications) = pools.get_mut(at(pool))
            && let Some(ApplicationName { framework, name }) = state.applications.get(at(application))
            && let Some(framework) = state.frameworks.get(at(*framework))
        {
            let key = Key { framework: &framework.name, name, gpu_aware: framework.gpu_aware };
            applications.0.entry(key).or_default().tasks.push(TaskGroup { count, resources });
        }
    }
    pools
}

impl<'a> Applications<'a> {
    /// Takes in instances that wait for room, of an application that may have no task yet.
    pub(super) fn add_queued(&mut self, key: Key<'a>, queued: &QueuedInstances) {
        let counts = &mut self.0.entry(key).or_default().queued;
        counts.add(&Queued { instances: queued.instances, tasks: queued.tasks.clone() });
    }

    /// The applications of that name, of whatever framework, with how many tasks each has.
    pub(super) fn named(&self, name: &'a str) -> impl Iterator<Item = (Key<'a>, u32)> {
        let first = Key { name, framework: "", gpu_aware: false };
        let from_there = self.0.range(first..).take_while(move |(key, _)| key.name == name);
        from_there.map(|(key, counts)| (*key, sum(&counts.tasks)))
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

    /// Takes in more. Where they are of another size than those that are there already, what one takes becomes the mean,
    /// as one task, rounded up: all together still take what they take.
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

    /// What all take together.
    fn total(&self) -> Resources {
        let one: Resources = self.tasks.iter().map(|group| group.resources.times(group.count.into())).sum();
        one.times(self.instances.into())
    }
}

fn mean(total: Resources, count: u32) -> Resources {
    Resources::from_fn(|kind| Amount::from_thousandths(total.get(kind).thousandths().div_ceil(u64::from(count.max(1)))))
}

fn sum(groups: &[TaskGroup]) -> u32 {
    groups.iter().fold(0, |sum, group| sum.saturating_add(group.count))
}

fn application(key: Key<'_>, counts: Counts) -> Application {
    let Counts { tasks, queued } = counts;
    Application {
        framework: key.framework.to_owned(),
        name: key.name.to_owned(),
        task_count: sum(&tasks),
        resources: tasks.iter().map(|group| group.resources.times(group.count.into())).sum(),
        tasks: merge_groups(tasks),
        queued: queued.instances,
        queued_tasks: queued.tasks,
        gpu_aware: key.gpu_aware,
    }
}

/// Keeps the `keep` largest applications, by the largest share that they take of what all take, and folds what is left
/// of each framework into one named [`OTHER`]. All sums stay as they are. What waits is kept first: of it a fold keeps the
/// sum alone.
pub(crate) fn fold_smallest(mut applications: Vec<Application>, keep: usize) -> Vec<Application> {
    if applications.len() > keep {
        let whole: Resources = applications.iter().map(|application| application.resources).sum();
        let by_size = |a: &Application, b: &Application| {
            let share = |application: &Application| Share::largest(&application.resources, &whole);
            let waits = |application: &Application| Reverse(application.queued > 0);
            let sizes = share(b).cmp(&share(a)).then(b.task_count.cmp(&a.task_count));
            waits(a).cmp(&waits(b)).then(sizes).then_with(|| key(a).cmp(&key(b)))
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
    // What was folded before is folded again, and a framework may have an application of that very name.
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
