//! How many equal, empty agents hold a list of tasks: the best of a few ways to fill them.
//!
//! First fit decreasing is good where one kind of resource runs out first, and leaves much of the others unused where
//! it is now this one and now that. Choosing for each agent what comes closest to what it still has free mixes better.
//! The measure is that of Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing" (2011): the weighted
//! square of the distance between what a task takes and what is free.

use std::collections::BTreeMap;

use shared::resources::{Kind, PerKind};

use super::bin_index::{BinGroup, BinIndex};
use super::vector::Vector;

/// Tasks of one size.
pub(super) type Tasks = (Vector, u64);

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
    let first_fit = first_fit(empty, tasks);
    if first_fit.count <= lower_bound(empty, tasks) {
        return first_fit;
    }
    let closest = closest(empty, tasks);
    if closest.count < first_fit.count { closest } else { first_fit }
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

/// One agent after the other, each with the tasks that come closest to what it has free; the same again for as many
/// agents as there are such tasks.
pub(super) fn closest(empty: &Vector, tasks: &[Tasks]) -> Bins {
    let mut classes = Classes::new(empty, tasks);
    let mut filled = Vec::new();
    while let Some((free, agents)) = classes.fill(empty) {
        filled.push(BinGroup::used(free, agents));
    }
    Bins { count: filled.iter().map(|group| group.agents).fold(0, u64::saturating_add), groups: BinIndex::new(&filled) }
}

/// Shares of an empty agent, in units of 2^-16: small enough that squares and weights fit 64 bits.
type Shares = PerKind<i64>;

const WHOLE: i64 = 1 << 16;

/// Tasks of one size, and their shares of an agent.
#[derive(Clone, Copy)]
struct TaskSize {
    size: Vector,
    shares: Shares,
    left: u64,
}

/// Sizes that hardly differ count as the largest of them.
struct Classes {
    /// By class; within a class the largest last.
    sizes: Vec<Vec<TaskSize>>,
    /// How much each kind of resource counts: as much as all tasks take of it.
    weights: Shares,
}

impl Classes {
    /// More classes than this cost more than they save.
    const MOST: usize = 256;

    fn new(empty: &Vector, tasks: &[Tasks]) -> Self {
        let sizes: Vec<TaskSize> = tasks
            .iter()
            .rev()
            .filter(|(size, count)| *count > 0 && !size.is_zero())
            .map(|(size, count)| TaskSize { size: *size, shares: shares(size, empty), left: *count })
            .collect();
        let weights = weights(&sizes);
        // From the finest division down to the first that is coarse enough.
        let divided = |bits: u32| divide(&sizes, bits);
        let sizes =
            (0..=4).rev().map(divided).find(|classes| classes.len() <= Self::MOST).unwrap_or_else(|| divided(0));
        Self { sizes, weights }
    }

    /// Fills one agent, then as many more in the same way as there are tasks for; `None` where no task is left.
    fn fill(&mut self, empty: &Vector) -> Option<(Vector, u64)> {
        let mut free = *empty;
        // Class, place in the class, how many.
        let mut pattern: Vec<(usize, usize, u64)> = Vec::new();
        while let Some((class, place, fitting)) = self.closest(&free, empty) {
            let size = self.sizes.get_mut(class)?.get_mut(place)?;
            // Half of what fits, then half of the rest: other tasks may suit what is left better.
            let count = fitting.min(size.left).div_ceil(2);
            free = free.without(&size.size, count);
            size.left -= count;
            match pattern.iter_mut().find(|(c, p, _)| (*c, *p) == (class, place)) {
                Some((_, _, sum)) => *sum += count,
                None => pattern.push((class, place, count)),
            }
        }
        let left = |(class, place, count): &(usize, usize, u64)| {
            self.sizes.get(*class).and_then(|class| class.get(*place)).map_or(0, |size| size.left / count)
        };
        let again = pattern.iter().map(left).min()?;
        for (class, place, count) in &pattern {
            if let Some(size) = self.sizes.get_mut(*class).and_then(|class| class.get_mut(*place)) {
                size.left -= count * again;
            }
        }
        self.drop_empty(&pattern);
        Some((free, again.saturating_add(1)))
    }

    /// Forgets the tasks of which none is left.
    fn drop_empty(&mut self, pattern: &[(usize, usize, u64)]) {
        for (class, ..) in pattern {
            if let Some(class) = self.sizes.get_mut(*class) {
                class.retain(|size| size.left > 0);
            }
        }
        if pattern.iter().any(|(class, ..)| self.sizes.get(*class).is_some_and(Vec::is_empty)) {
            self.sizes.retain(|class| !class.is_empty());
        }
    }

    /// The tasks that come closest to what is free, of those that fit: class, place in it, and how many fit.
    fn closest(&self, free: &Vector, empty: &Vector) -> Option<(usize, usize, u64)> {
        /// Of one class so many are tried.
        const TRIED: usize = 4;
        let free_shares = shares(free, empty);
        let mut best: Option<(i64, usize, usize)> = None;
        for (number, class) in self.sizes.iter().enumerate() {
            let tried = class.iter().enumerate().rev().filter(|(_, size)| size.left > 0).take(TRIED);
            let Some((place, size)) = tried.into_iter().find(|(_, size)| size.size.fits_in(free)) else { continue };
            let distance = self.distance(&size.shares, &free_shares);
            if best.is_none_or(|(least, ..)| distance < least) {
                best = Some((distance, number, place));
            }
        }
        let (_, class, place) = best?;
        let size = self.sizes.get(class)?.get(place)?;
        Some((class, place, size.size.times_in(free)))
    }

    fn distance(&self, shares: &Shares, free: &Shares) -> i64 {
        let distance = |kind| shares[kind] - free[kind];
        Kind::ALL.into_iter().map(|kind| self.weights[kind] * distance(kind) * distance(kind)).sum()
    }
}

/// Rounded up, so that nothing takes nothing.
fn shares(size: &Vector, empty: &Vector) -> Shares {
    PerKind::from_fn(|kind| {
        let exact = (u128::from(size.0[kind]) << 16).div_ceil(u128::from(empty.0[kind].max(1)));
        i64::try_from(exact).unwrap_or(WHOLE).min(WHOLE)
    })
}

/// The share of all tasks in each kind of resource, 4096 for the one that is most in demand.
fn weights(sizes: &[TaskSize]) -> Shares {
    let sums = PerKind::from_fn(|kind| {
        let taken = |size: &TaskSize| u128::from(size.shares[kind].unsigned_abs()) * u128::from(size.left);
        sizes.iter().map(taken).fold(0, u128::saturating_add)
    });
    let most = sums.values().copied().max().unwrap_or_default().max(1);
    sums.map(|_, sum| i64::try_from((sum * 4096).div_ceil(most)).unwrap_or(4096))
}

/// Sizes whose shares have the same power of two and the same next `bits` bits stand together.
fn divide(sizes: &[TaskSize], bits: u32) -> Vec<Vec<TaskSize>> {
    let step = |share: i64| {
        let power = share.max(1).ilog2();
        (power, share >> power.saturating_sub(bits))
    };
    let mut classes: BTreeMap<_, Vec<TaskSize>> = BTreeMap::new();
    for size in sizes {
        classes.entry(size.shares.map(|_, share| step(share))).or_default().push(*size);
    }
    classes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::vector::cpus_mem;
    use super::*;
    use proptest::prelude::*;

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
            for bins in [first_fit(&AGENT, &tasks), closest(&AGENT, &tasks), pack(&AGENT, &tasks)] {
                prop_assert!(is_exact(&bins, &tasks));
                prop_assert!(bins.count >= lower_bound(&AGENT, &tasks));
                prop_assert!(bins.groups.iter().map(|group| group.agents).sum::<u64>() == bins.count);
            }
            let (packed, first_fit) = (pack(&AGENT, &tasks).count, first_fit(&AGENT, &tasks).count);
            prop_assert!(packed <= first_fit);
        }
    }

    fn cpus_mem_shares(cpus: i64, mem: i64) -> Shares {
        PerKind::of(&[(Kind::Cpus, cpus), (Kind::Mem, mem)], 0)
    }

    fn size(shares: Shares, left: u64) -> TaskSize {
        TaskSize { size: Vector::default(), shares, left }
    }

    #[test]
    fn what_is_most_in_demand_counts_most() {
        // 3 halves of cpus; 3 quarters and a half of mem.
        let (half, quarter) = (WHOLE / 2, WHOLE / 4);
        let weights = weights(&[size(cpus_mem_shares(half, quarter), 3), size(cpus_mem_shares(0, half), 1)]);
        assert_eq!(weights, cpus_mem_shares(4096, 3414), "1.25 of 1.5, rounded up");
        let classes = Classes { sizes: Vec::new(), weights: cpus_mem_shares(2, 3) };
        let from = PerKind::of(&[(Kind::Cpus, 5), (Kind::Mem, 7)], 9);
        assert_eq!(classes.distance(&from, &cpus_mem_shares(2, 3)), 2 * 9 + 3 * 16);
    }

    #[test]
    fn sizes_that_hardly_differ_are_one_class() {
        let sizes = [16_384, 32_768, 40_000, 50_000].map(|share| size(cpus_mem_shares(share, 0), 1));
        assert_eq!([0, 1, 2, 3].map(|bits| divide(&sizes, bits).len()), [2, 3, 3, 4]);
    }

    #[test]
    fn tasks_that_complement_each_other_share_an_agent_h3() {
        // Those that take much cpu and those that take much mem; first fit decreasing keeps them apart.
        let tasks = sorted(vec![(cpus_mem(9_600, 3_200), 100), (cpus_mem(6_400, 38_400), 100)]);
        assert_eq!(pack(&AGENT, &tasks).count, 100);
        assert_eq!(lower_bound(&AGENT, &tasks), 100);
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
        assert_eq!(closest(&AGENT, &tasks).count, (1_u64 << 41).div_ceil(16_000));
    }
}
