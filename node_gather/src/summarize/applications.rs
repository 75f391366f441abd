//! The applications of a pool: tasks by framework and application, the smallest of them folded together.

use std::collections::BTreeMap;

use shared::contract::{Application, TaskGroup};
use shared::resources::Resources;

use super::{Share, groups};
use crate::mesos::state::Tasks;

/// How many applications a snapshot names. Frameworks with a name per task would not fit a message.
const MAX_APPLICATIONS: usize = 2000;

/// The name of what is left of a framework's applications.
const OTHER: &str = "(other)";

/// Two frameworks of one name are told apart only by whether they are offered gpus: all else adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    framework: &'a str,
    name: &'a str,
    gpu_aware: bool,
}

/// The applications of a pool while they are put together.
#[derive(Debug, Default)]
pub(super) struct Applications<'a>(BTreeMap<Key<'a>, BTreeMap<Resources, u32>>);

impl<'a> Applications<'a> {
    /// Takes in tasks of one application.
    pub(super) fn add(&mut self, tasks: &Tasks<'a>) {
        let framework = tasks.framework;
        let key = Key { framework: &framework.name, name: tasks.application, gpu_aware: framework.gpu_aware };
        let count = self.0.entry(key).or_default().entry(tasks.resources).or_insert(0);
        *count = count.saturating_add(tasks.count);
    }

    /// The applications sorted by framework and name, at most [`MAX_APPLICATIONS`] and one for the rest of each framework.
    pub(super) fn into_list(self) -> Vec<Application> {
        let list =
            self.0.into_iter().map(|(key, counts)| application(key.framework, key.name, key.gpu_aware, 0, &counts));
        fold_smallest(list.collect(), MAX_APPLICATIONS)
    }
}

fn application(
    framework: &str,
    name: &str,
    gpu_aware: bool,
    waiting: u32,
    counts: &BTreeMap<Resources, u32>,
) -> Application {
    Application {
        framework: framework.to_owned(),
        name: name.to_owned(),
        task_count: counts.values().fold(0, |sum, count| sum.saturating_add(*count)),
        resources: counts.iter().map(|(resources, count)| resources.times(u64::from(*count))).sum(),
        tasks: groups(counts),
        waiting,
        gpu_aware,
    }
}

/// Keeps the `keep` largest applications, by the largest share that they take of what all take, and folds what is left
/// of each framework into one named [`OTHER`]. All sums stay as they are.
pub(crate) fn fold_smallest(mut applications: Vec<Application>, keep: usize) -> Vec<Application> {
    if applications.len() > keep {
        let whole: Resources = applications.iter().map(|application| application.resources).sum();
        let by_size = |a: &Application, b: &Application| {
            let share = |application: &Application| Share::largest(&application.resources, &whole);
            share(b).cmp(&share(a)).then(b.task_count.cmp(&a.task_count)).then_with(|| key(a).cmp(&key(b)))
        };
        applications.sort_by(by_size);
        let rest = applications.split_off(keep);
        fold_into_other(&mut applications, rest);
    }
    applications.sort_by(|a, b| key(a).cmp(&key(b)));
    applications
}

fn key(application: &Application) -> Key<'_> {
    Key { framework: &application.framework, name: &application.name, gpu_aware: application.gpu_aware }
}

fn fold_into_other(kept: &mut Vec<Application>, rest: Vec<Application>) {
    // What was folded before is folded again, and a framework may have an application of that very name.
    let (already_other, others): (Vec<_>, Vec<_>) = kept.drain(..).partition(|application| application.name == OTHER);
    *kept = others;
    let mut sums: BTreeMap<(String, bool), (u32, BTreeMap<Resources, u32>)> = BTreeMap::new();
    for application in already_other.into_iter().chain(rest) {
        let (waiting, counts) = sums.entry((application.framework, application.gpu_aware)).or_default();
        *waiting = waiting.saturating_add(application.waiting);
        for TaskGroup { count, resources } in application.tasks {
            let sum = counts.entry(resources).or_insert(0);
            *sum = sum.saturating_add(count);
        }
    }
    let folded = sums
        .iter()
        .map(|((framework, gpu_aware), (waiting, counts))| application(framework, OTHER, *gpu_aware, *waiting, counts));
    kept.extend(folded);
}
