//! Where tasks would find room: what the autoscalers of schedulers simulate before they add or remove an agent.

use std::cmp::Reverse;

use shared::contract::TaskGroup;
use shared::resources::{Kind, Resources};

/// What is free on agents, which fill up as tasks are placed.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    free: Vec<Resources>,
}

impl Packing {
    /// Agents with so much free.
    pub(super) const fn new(free: Vec<Resources>) -> Self {
        Self { free }
    }

    /// Adds empty agents.
    pub(super) fn extend(&mut self, agents: u32, total: Resources) {
        self.free.extend((0..agents).map(|_| total));
    }

    /// Puts a task on the first agent that has room for it. Whether there is one.
    fn place(&mut self, task: &Resources) -> bool {
        let room = self.free.iter_mut().find(|free| task.fits_in(free));
        room.map(|free| *free = free.saturating_sub(task)).is_some()
    }

    /// Places tasks, the largest first, on as many more empty agents as it takes: how many. A task that fits on no empty agent
    /// is left out.
    pub(super) fn place_or_add(&mut self, tasks: &[TaskGroup], new_agent: &Resources) -> u32 {
        let mut added = 0;
        for TaskGroup { count, resources } in largest_first(tasks, new_agent) {
            for _ in 0..count {
                if !self.place(&resources) {
                    self.free.push(new_agent.saturating_sub(&resources));
                    added += 1;
                }
            }
        }
        added
    }

    /// Whether tasks find room, the largest first, without some of the agents, by their places.
    pub(super) fn fits_without(&self, agents: &[usize], tasks: &[TaskGroup], total: &Resources) -> bool {
        let left = self.free.iter().enumerate().filter(|(place, _)| !agents.contains(place));
        let mut left = Self::new(left.map(|(_, free)| *free).collect());
        // Most agents need no closer look: all that is free elsewhere is less than what their tasks take.
        let needed: Resources = tasks
            .iter()
            .filter(|task| task.resources.fits_in(total))
            .map(|task| task.resources.times(task.count.into()))
            .sum();
        if !needed.fits_in(&left.free.iter().copied().sum()) {
            return false;
        }
        largest_first(tasks, total)
            .into_iter()
            .all(|TaskGroup { count, resources }| (0..count).all(|_| left.place(&resources)))
    }
}

/// By the sum of the shares of cpus and mem of an agent, without those that fit on no agent.
fn largest_first(tasks: &[TaskGroup], agent: &Resources) -> Vec<TaskGroup> {
    let amount = |resources: &Resources, kind| u128::from(resources.get(kind).thousandths());
    let size = |task: &TaskGroup| {
        amount(&task.resources, Kind::Cpus) * amount(agent, Kind::Mem).max(1)
            + amount(&task.resources, Kind::Mem) * amount(agent, Kind::Cpus).max(1)
    };
    let mut sorted: Vec<TaskGroup> = tasks.iter().filter(|task| task.resources.fits_in(agent)).copied().collect();
    sorted.sort_by_key(|task| Reverse(size(task)));
    sorted
}

#[cfg(test)]
mod tests {
    use cluster::resources;

    use super::*;

    fn tasks(groups: &[(u32, u64)]) -> Vec<TaskGroup> {
        groups.iter().map(|(count, cpus)| TaskGroup { count: *count, resources: resources(*cpus, 1000) }).collect()
    }

    fn free(cpus: &[u64]) -> Packing {
        Packing::new(cpus.iter().map(|cpus| resources(*cpus, 28_000)).collect())
    }

    #[test]
    fn tasks_fill_what_is_free_before_they_need_more_agents() {
        let agent = resources(8, 28_000);
        for (cpus, groups, expected) in [
            (&[][..], &[(8, 1)][..], 1),
            (&[], &[(9, 1)], 2),
            (&[3, 5], &[(2, 3)], 0),
            (&[3, 5], &[(2, 4)], 1),
            // The largest first: 5 and 3 fill an agent each with what comes later.
            (&[], &[(2, 3), (2, 5)], 2),
            // Fits on no agent.
            (&[], &[(1, 9)], 0),
            // The memory of an agent ends before its cpus.
            (&[], &[(29, 0)], 2),
        ] {
            assert_eq!(free(cpus).place_or_add(&tasks(groups), &agent), expected, "{groups:?} on {cpus:?}");
        }
    }

    #[test]
    fn tasks_of_some_agents_fit_on_the_others_or_do_not() {
        let agent = resources(8, 28_000);
        for (without, groups, expected) in [
            (&[0][..], &[(1, 2), (1, 1)][..], true),
            (&[0], &[(4, 1)], false),
            (&[0], &[(1, 3)], false),
            (&[0, 1], &[(1, 1)], true),
            (&[0, 1], &[(2, 1)], false),
            (&[0, 1, 2], &[], true),
        ] {
            let fits = free(&[4, 2, 1]).fits_without(without, &tasks(groups), &agent);
            assert_eq!(fits, expected, "{groups:?} without {without:?}");
        }
    }
}
