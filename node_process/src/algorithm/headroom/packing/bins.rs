//! How many equal, empty agents hold a list of tasks: the best of a few ways to fill them.
//!
//! First fit decreasing is good where one kind of resource runs out first, and leaves much of the others unused where
//! it is now this one and now that. Choosing for each agent the tasks that suit what it still has free mixes better, by one of
//! two measures ([`Measure`]).

use super::bin_index::{BinGroup, BinIndex};
use super::classes::{Classes, Measure};
use super::vector::{Tasks, Vector};

/// Filled agents.
#[derive(Clone, Debug, Default)]
pub(super) struct Bins {
    /// How many.
    pub(super) count: u64,
    /// What stays free on them.
    pub(super) groups: BinIndex,
}

/// More agents than any list of tasks fills.
const PLENTY: u64 = u64::MAX / 2;

/// Fills as few agents as it can. Each task fits an empty one, and the largest come first.
pub(super) fn pack(empty: &Vector, tasks: &[Tasks]) -> Bins {
    let (first_fit, bound) = (first_fit(empty, tasks), lower_bound(empty, tasks));
    if first_fit.count <= bound {
        return first_fit;
    }
    let mut best = first_fit;
    for measure in [Measure::Distance, Measure::Product] {
        let bins = by(measure, empty, tasks);
        if bins.count < best.count {
            best = bins;
        }
        if best.count <= bound {
            break;
        }
    }
    best
}

/// No fewer agents can hold these tasks: none holds more than it has of any kind, nor two tasks that each take more than
/// half of the same kind.
pub(super) fn lower_bound(empty: &Vector, tasks: &[Tasks]) -> u64 {
    let mut bound = 0;
    for (kind, has) in empty.0.iter() {
        let of = |size: &Vector| size.0[kind];
        let sum: u128 = tasks.iter().map(|(size, count)| u128::from(of(size)) * u128::from(*count)).sum();
        let by_sum = sum.div_ceil(u128::from(*has).max(1));
        let large = tasks.iter().filter(|(size, _)| of(size) > has / 2);
        let by_large: u64 = large.map(|(_, count)| *count).fold(0, u64::saturating_add);
        bound = bound.max(u64::try_from(by_sum).unwrap_or(u64::MAX)).max(by_large);
    }
    bound
}

/// Each task on the first agent with room for it.
pub(super) fn first_fit(empty: &Vector, tasks: &[Tasks]) -> Bins {
    let mut groups = BinIndex::new(&[BinGroup::new(*empty, PLENTY)]);
    for (size, count) in tasks {
        groups.place(size, *count);
    }
    let filled: Vec<BinGroup> = groups.iter().filter(|group| !group.is_untouched).copied().collect();
    Bins { count: filled.iter().map(|group| group.agents).fold(0, u64::saturating_add), groups: BinIndex::new(&filled) }
}

/// One agent after the other, each with the tasks that suit what it has free; the same again for as many agents as there are
/// such tasks.
pub(super) fn by(measure: Measure, empty: &Vector, tasks: &[Tasks]) -> Bins {
    let mut classes = Classes::new(empty, tasks, measure);
    let mut filled = Vec::new();
    while let Some((free, agents)) = classes.fill(empty, empty, PLENTY) {
        filled.push(BinGroup::used(free, agents));
    }
    Bins { count: filled.iter().map(|group| group.agents).fold(0, u64::saturating_add), groups: BinIndex::new(&filled) }
}

#[cfg(test)]
mod tests {
    use super::super::vector::cpus_mem;
    use super::*;
    use proptest::prelude::*;
    use shared::resources::Kind;

    const AGENT: Vector = cpus_mem(16_000, 64_000);

    /// Sorted as they come from the plan.
    fn sorted(mut tasks: Vec<Tasks>) -> Vec<Tasks> {
        tasks.sort_by_key(|(size, _)| std::cmp::Reverse((size.largest_share(&AGENT), *size)));
        tasks
    }

    /// What stays free and what the tasks take are all that the agents have: no agent holds more than it can.
    fn is_exact(bins: &Bins, tasks: &[Tasks]) -> bool {
        Kind::ALL.into_iter().all(|kind| {
            let has: u64 = AGENT.0[kind] * bins.count;
            let free: u64 = bins.groups.iter().map(|group| group.free.0[kind] * group.agents).sum();
            let taken: u64 = tasks.iter().map(|(size, count)| size.0[kind] * count).sum();
            free + taken == has
        })
    }

    proptest! {
        /// H3: every task is placed once, no agent is filled beyond what it has, and no fewer agents are said to be
        /// needed than the lower bound.
        #[test]
        fn every_task_is_placed_where_it_fits(
            tasks in prop::collection::vec((1_u64..16_000, 1_u64..64_000, 1_u64..300), 0..40)
        ) {
            let tasks = sorted(tasks.into_iter().map(|(cpus, mem, count)| (cpus_mem(cpus, mem), count)).collect());
            let by = |measure| by(measure, &AGENT, &tasks);
            for bins in [first_fit(&AGENT, &tasks), by(Measure::Distance), by(Measure::Product), pack(&AGENT, &tasks)] {
                prop_assert!(is_exact(&bins, &tasks));
                prop_assert!(bins.count >= lower_bound(&AGENT, &tasks));
                prop_assert!(bins.groups.iter().map(|group| group.agents).sum::<u64>() == bins.count);
            }
            let (packed, first_fit) = (pack(&AGENT, &tasks).count, first_fit(&AGENT, &tasks).count);
            prop_assert!(packed <= first_fit);
        }
    }

    #[test]
    fn tasks_that_complement_each_other_share_an_agent_h3() {
        // Those that take much cpu and those that take much mem; first fit decreasing keeps them apart.
        let tasks = sorted(vec![(cpus_mem(9_600, 3_200), 100), (cpus_mem(6_400, 38_400), 100)]);
        assert_eq!(pack(&AGENT, &tasks).count, 100);
        assert_eq!(lower_bound(&AGENT, &tasks), 100);
    }

    #[test]
    fn two_sizes_that_suit_each_other_are_mixed_h3() {
        // Three agents of 4 cpus and 14000 MB hold them: two of the first and four to seven of the second each. Three of the
        // first fill the mem of an agent and leave its cpus.
        let agent = cpus_mem(4_000, 14_000);
        let tasks = [(cpus_mem(250, 4_666), 6), (cpus_mem(500, 256), 12)];
        let by = |measure| by(measure, &agent, &tasks).count;
        assert_eq!((first_fit(&agent, &tasks).count, by(Measure::Distance), by(Measure::Product)), (4, 4, 3));
        assert_eq!(pack(&agent, &tasks).count, 3);
    }

    #[test]
    fn the_lower_bound_counts_what_cannot_share_an_agent() {
        // 10 times 9 of 16 cpus are 5.6 agents, but no two of them share one.
        assert_eq!(lower_bound(&AGENT, &[(cpus_mem(9_000, 0), 10)]), 10);
        assert_eq!(lower_bound(&AGENT, &[(cpus_mem(8_000, 0), 11)]), 6);
    }

    #[test]
    fn the_work_follows_from_sizes_and_not_from_tasks_h3() {
        // As many tasks as a number can say, of the least size there is.
        let tasks = [(cpus_mem(1, 1), 1 << 40), (cpus_mem(1, 0), 1 << 40)];
        assert_eq!(by(Measure::Distance, &AGENT, &tasks).count, (1_u64 << 41).div_ceil(16_000));
        assert_eq!(by(Measure::Product, &AGENT, &tasks).count, (1_u64 << 41).div_ceil(16_000));
    }
}
