//! What must be placed: whole tasks, and the remainders of the needs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::contract::{AgentState, Candidate, TaskGroup};
use shared::resources::{PerKind, Resources};

use super::super::super::capacity::{Capacity, Pool};
use super::super::super::growth::Rate;
use super::super::super::hosts::for_queued;
use super::super::super::numbers::thousandths;
use super::super::needs::Need;
use super::tasks::Tasks;
use super::vector::Vector;

/// What all applications together need, whichever agents leave.
pub(super) struct Demand<'a> {
    /// Growth and what waits, the largest first.
    pub(super) tasks: Vec<Tasks<'a>>,
    /// H12: queued instances that only an empty agent is sure to take, the largest first.
    pub(super) on_empty: Vec<Tasks<'a>>,
    /// H12: how many empty agents their constraints require.
    pub(super) empty_agents: u64,
    /// Growth in all, a hundredfold per kind.
    pub(super) growth: PerKind<u128>,
    /// Growth beyond whole tasks.
    pub(super) remainder: Remainder,
    /// The largest task of each application with a remainder.
    pub(super) largest: Vec<Tasks<'a>>,
}

/// H1: what must be placed again because agents leave, or have left.
pub(super) struct Displaced<'a> {
    /// The tasks, the largest first.
    pub(super) tasks: Vec<Tasks<'a>>,
    /// What else is displaced, as the executors of such tasks: of that the total alone is known.
    pub(super) rest: Resources,
}

/// What must be free in total beside whole tasks: a hundredfold per kind, so that it is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remainder {
    pub(super) all: PerKind<u128>,
    /// What of it must be free on agents without gpus.
    pub(super) plain: PerKind<u128>,
    /// H5: what is needed on top by applications with tasks that no new agent could hold. None is added for it.
    pub(super) unplaceable: PerKind<u128>,
}

impl<'a> Demand<'a> {
    pub(super) fn new(pool: &Pool<'a>, needs: &[Need<'a>]) -> Self {
        let mut tasks = Vec::new();
        let (mut on_empty, mut empty_agents) = (Vec::new(), 0);
        let mut largest = Vec::new();
        let mut remainder = Remainder::default();
        let mut growth = PerKind::default();
        for need in needs {
            let application = need.application;
            let of = |resources: Resources| Tasks::none_of(resources, Some(application), application.gpu_aware);
            let groups = sorted(pool, need);
            let whole = whole_tasks(need.rate, &groups);
            tasks.extend(whole.iter().map(|group| Tasks { growth: group.1, ..of(group.0) }));
            if !need.instance.is_zero() {
                let queued = Tasks { queued: application.queued.into(), ..of(need.instance) };
                match for_queued(application).filter(|_| queued.fit(pool.new_agent)) {
                    // H12: any agent in use may run as many of them as it may hold.
                    Some(agents) => {
                        on_empty.push(queued);
                        empty_agents = empty_agents.max(agents);
                    }
                    None => tasks.push(queued),
                }
            }
            let grown: Resources = whole.iter().map(|(resources, count)| resources.times(*count)).sum();
            let grown = PerKind::from_fn(|kind| 100 * thousandths(grown.get(kind)));
            let rest = remainder_of(need, &grown);
            add(&mut growth, &grown);
            add(&mut growth, &rest);
            let largest_task = groups.first().map(|group| of(group.resources));
            if largest_task.unwrap_or(of(Resources::ZERO)).fit(pool.new_agent) {
                remainder.add(&rest, application.gpu_aware);
            } else {
                add(&mut remainder.unplaceable, &rest);
            }
            if rest.values().any(|amount| *amount > 0) {
                largest.extend(largest_task);
            }
        }
        let largest = merged(pool, largest);
        let on_empty = merged(pool, on_empty);
        Self { tasks: merged(pool, tasks), on_empty, empty_agents, growth, remainder, largest }
    }

    /// D7: the same tasks and the growth, as far as a new agent could hold them.
    pub(super) fn crowd(&self, pool: &Pool<'a>, capacity: &Capacity) -> Vec<Tasks<'a>> {
        let mut tasks = displaced(pool, capacity).tasks;
        tasks.extend(&self.tasks);
        tasks.retain(|tasks| tasks.fit(pool.new_agent));
        merged(pool, tasks)
    }
}

/// H1: the tasks of agents that are on their way out, or out of the pool, the first `removed` that may leave among
/// them.
pub(super) fn displaced<'a>(pool: &Pool<'a>, capacity: &Capacity) -> Displaced<'a> {
    let mut tasks = tasks_of(pool, decommissioning(pool).chain(pool.removable(capacity.removed)));
    let known: Resources = tasks.iter().map(|tasks| tasks.resources.times(tasks.displaced)).sum();
    // H5: nothing makes room for what no agent could hold.
    tasks.retain(|tasks| pool.has_place(&tasks.resources, tasks.is_gpu_aware));
    Displaced { tasks: merged(pool, tasks), rest: capacity.displaced.saturating_sub(&known) }
}

/// D3: the same tasks, with all of those that run where an agent is removed.
pub(super) fn moved<'a>(pool: &Pool<'a>, removed: usize) -> Vec<Tasks<'a>> {
    let mut tasks = tasks_of(pool, decommissioning(pool));
    tasks.retain(|tasks| pool.has_place(&tasks.resources, tasks.is_gpu_aware));
    tasks.extend(tasks_of(pool, pool.removable(removed)));
    merged(pool, tasks)
}

/// Equal ones together: many agents have few sizes.
fn tasks_of<'a>(pool: &Pool<'a>, agents: impl Iterator<Item = &'a Candidate>) -> Vec<Tasks<'a>> {
    let mut counts: BTreeMap<Resources, u64> = BTreeMap::new();
    for agent in agents {
        for TaskGroup { count, resources } in &*pool.hosts.without_daemons(&agent.tasks) {
            let sum = counts.entry(*resources).or_default();
            *sum = sum.saturating_add(u64::from(*count));
        }
    }
    let tasks = |(resources, displaced): (Resources, u64)| {
        let owners = pool.owners();
        let (owner, is_gpu_aware) = (owners.application(&resources), owners.are_gpu_aware(&resources));
        Tasks { displaced, ..Tasks::none_of(resources, owner, is_gpu_aware) }
    };
    counts.into_iter().map(tasks).collect()
}

fn decommissioning<'a>(pool: &Pool<'a>) -> impl Iterator<Item = &'a Candidate> {
    pool.snapshot.scale_down_candidates.iter().filter(|agent| agent.state != AgentState::Active)
}

/// An application's tasks, the largest first.
fn sorted(pool: &Pool<'_>, need: &Need<'_>) -> Vec<TaskGroup> {
    let mut groups = need.tasks.clone();
    groups.sort_by_cached_key(|group| Reverse((share(pool, &group.resources), *group)));
    groups
}

/// Among equally many tasks of two sizes, that is the larger of which a new agent holds fewer.
fn share(pool: &Pool<'_>, resources: &Resources) -> u128 {
    Vector::of(resources).largest_share(&Vector::of(&pool.new_agent.unwrap_or_default().unreserved))
}

/// H3: the tasks by which an application must be able to grow: of all its tasks in order of size, one in every 100/X, the
/// largest first. That is X % of them, rounded down. With what has been learned (H9) it is that share.
fn whole_tasks(rate: Rate, groups: &[TaskGroup]) -> Vec<(Resources, u64)> {
    let all: u64 = groups.iter().map(|group| u64::from(group.count)).sum();
    let wanted = rate.floor(all);
    let mut whole = Vec::new();
    let (mut seen, mut chosen) = (0, 0);
    for group in groups {
        seen += u64::from(group.count);
        let upto = rate.ceil(seen).min(wanted);
        if upto > chosen {
            whole.push((group.resources, upto - chosen));
        }
        chosen = chosen.max(upto);
    }
    whole
}

/// H3: what X % of an application's resources exceeds its whole tasks by, a hundredfold.
fn remainder_of(need: &Need<'_>, whole: &PerKind<u128>) -> PerKind<u128> {
    PerKind::from_fn(|kind| need.growth(kind).saturating_sub(whole[kind]))
}

impl Remainder {
    fn add(&mut self, amounts: &PerKind<u128>, is_gpu_aware: bool) {
        add(&mut self.all, amounts);
        if !is_gpu_aware {
            add(&mut self.plain, amounts);
        }
    }
}

fn add(sums: &mut PerKind<u128>, amounts: &PerKind<u128>) {
    sums.iter_mut().for_each(|(kind, sum)| *sum = sum.saturating_add(amounts[kind]));
}

/// Equal tasks together, the largest first.
fn merged<'a>(pool: &Pool<'_>, mut tasks: Vec<Tasks<'a>>) -> Vec<Tasks<'a>> {
    let name = |tasks: &Tasks<'a>| tasks.application.map(|application| (&application.name, &application.framework));
    tasks.retain(|tasks| !tasks.size.is_zero());
    // Of equal tasks those come first that name the application with most of them.
    tasks.sort_by_cached_key(|tasks| {
        (
            Reverse((share(pool, &tasks.resources), tasks.resources)),
            tasks.is_gpu_aware,
            Reverse(tasks.count()),
            name(tasks),
        )
    });
    tasks.dedup_by(|next, first| {
        let is_same = next.size == first.size && next.is_gpu_aware == first.is_gpu_aware;
        if is_same {
            first.displaced = first.displaced.saturating_add(next.displaced);
            first.queued = first.queued.saturating_add(next.queued);
            first.growth = first.growth.saturating_add(next.growth);
        }
        is_same
    });
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use proptest::prelude::*;
    use shared::resources::Amount;

    fn group(count: u32, cpus: u64) -> TaskGroup {
        TaskGroup { count, resources: resources(cpus, 100) }
    }

    #[test]
    fn an_application_grows_in_proportion_largest_tasks_first_h3() {
        // One in ten of 4 + 16: the 1st and the 11th; of 4 + 5: none, one in five: the 1st.
        let of = |cpus, count| (resources(cpus, 100), count);
        let whole = |percent, groups: &[TaskGroup]| whole_tasks(Rate::percent(percent), groups);
        assert_eq!(whole(10, &[group(4, 3), group(16, 1)]), [of(3, 1), of(1, 1)]);
        assert_eq!(whole(10, &[group(4, 3), group(5, 1)]), []);
        assert_eq!(whole(20, &[group(4, 3), group(5, 1)]), [of(3, 1)]);
        assert_eq!(whole(250, &[group(1, 3), group(1, 1)]), [of(3, 3), of(1, 2)]);
        assert_eq!(whole(0, &[group(4, 3)]), []);
    }

    #[test]
    fn the_largest_task_is_that_of_which_a_new_agent_holds_fewest_h3() {
        // 13 of 14 GB are more of an agent than 2 of 4 cpus.
        let snapshot = Cluster::of(1, resources(4, 14_000)).snapshot();
        let policy = policy("").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let (much_mem, much_cpu) = (resources(1, 13_000), resources(2, 100));
        let of = |resources| Tasks { growth: 1, ..Tasks::none_of(resources, None, false) };
        let sizes: Vec<Resources> =
            merged(&pool, vec![of(much_cpu), of(much_mem), of(much_cpu)]).iter().map(|tasks| tasks.resources).collect();
        assert_eq!(sizes, [much_mem, much_cpu]);
    }

    #[test]
    fn displaced_tasks_are_gpu_aware_by_their_gpus_or_all_owners_h3() {
        // An agent that drains has a task of each size.
        let gpu = Resources { gpus: Amount::from_thousandths(1000), ..resources(1, 100) };
        let (aware, mixed, unknown) = (resources(1, 200), resources(1, 300), resources(1, 400));
        let mut cluster = Cluster::of(1, Resources { gpus: gpu.gpus, ..resources(8, 14_000) });
        for (name, size) in [("/gpu", gpu), ("/b", aware), ("/a", aware), ("/c", mixed), ("/d", mixed), ("/e", unknown)]
        {
            cluster = cluster.gpu_aware(&[name]).running(name, 1, size);
        }
        let mut snapshot = cluster.with_state(0, AgentState::Draining).snapshot();
        for application in &mut snapshot.applications {
            application.gpu_aware = ["/a", "/b", "/c"].contains(&application.name.as_str());
        }
        // A size that no application of the snapshot has has no owner. Their order does not matter.
        snapshot.applications.retain(|application| application.name != "/e");
        snapshot.applications.reverse();
        let policy = policy("new_agent = { cpus = 8, mem = 14000, gpus = 1 }").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let owners = pool.owners();
        let owner =
            |size: &Resources| owners.application(size).map(|of| (of.name.as_str(), owners.are_gpu_aware(size)));
        assert_eq!(owner(&gpu), Some(("/gpu", true)), "it has gpus");
        assert_eq!(owner(&aware), Some(("/a", true)), "the first by name");
        assert_eq!(owner(&mixed), Some(("/c", false)));
        assert_eq!(owner(&unknown), None);
        let Displaced { tasks: displaced, rest } = displaced(&pool, &pool.observed());
        let found: Vec<Resources> =
            displaced.iter().filter(|tasks| tasks.is_gpu_aware).map(|tasks| tasks.resources).collect();
        // The others have no place: all agents here have gpus.
        assert_eq!(found, [gpu, aware]);
        assert_eq!((displaced.len(), rest), (2, Resources::ZERO));
        assert_eq!(displaced[1].displaced, 2);
    }

    proptest! {
        /// H3: they are X % of all tasks, rounded down, and each group has its share of them but for one.
        #[test]
        fn whole_tasks_are_the_percentage_rounded_down(
            percent in 0_u32..=10_000, counts in prop::collection::vec(1_u32..5000, 0..6)
        ) {
            let groups: Vec<TaskGroup> = counts.iter().zip((1..=6).rev()).map(|(count, cpus)| group(*count, cpus)).collect();
            let whole = whole_tasks(Rate::percent(percent), &groups);
            let share = |count: u64| u64::from(percent) * count / 100;
            let all = counts.iter().map(|count| u64::from(*count)).sum();
            prop_assert_eq!(whole.iter().map(|(_, count)| *count).sum::<u64>(), share(all));
            for group in groups {
                let grown = whole.iter().find(|(resources, _)| *resources == group.resources).map_or(0, |(_, count)| *count);
                prop_assert!(grown.abs_diff(share(group.count.into())) <= 1);
            }
        }
    }
}
