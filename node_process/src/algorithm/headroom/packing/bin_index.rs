//! First fit, over groups of equal agents and groups of equal tasks.

use shared::resources::Kind;

use super::vector::Vector;

/// Agents with equal room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BinGroup {
    pub(super) free: Vector,
    pub(super) agents: u64,
    /// Whether nothing was placed there.
    pub(super) is_untouched: bool,
    /// [`Scale::measure`] of what is free.
    pub(super) measure: u64,
}

/// Agents in the order in which they are tried.
///
/// They stand in blocks of a few, each with the most that one of them has free: a task passes by a whole block that it
/// cannot fit into. Placing splits a group into at most three, so the list grows with the sizes of tasks, not with tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct BinIndex {
    scale: Scale,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    /// Per kind the most that is free in one of the groups.
    most: Vector,
    /// The most that one of them has of all kinds together: groups that lack each another kind pass the test by kind.
    measure: u64,
    groups: Vec<BinGroup>,
}

/// A task, as it is compared with groups.
#[derive(Clone, Copy)]
struct Task {
    size: Vector,
    measure: u64,
}

/// How much of each kind counts as much as the most that a group has of another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scale(Vector);

impl Scale {
    /// For groups of which none has more than one of these.
    pub(super) fn of<'v>(free: impl Iterator<Item = &'v Vector>) -> Self {
        let most = free.fold(Vector::default(), |most, free| most.larger(free));
        Self(Vector(most.0.map(|_, most| (1 << 60_u32) / most.max(1))))
    }

    /// All kinds in one number. It is a sum of multiples, so what fits has no more of it, and what is left has just what was
    /// there less what was placed. It is exact for all that is free, and too large to fit for what is larger than any of them.
    pub(super) fn measure(&self, amounts: &Vector) -> u64 {
        Kind::ALL.into_iter().fold(0, |sum, kind| sum.saturating_add(amounts.0[kind].saturating_mul(self.0.0[kind])))
    }
}

impl BinGroup {
    /// Agents on which nothing was placed.
    pub(super) const fn new(free: Vector, agents: u64) -> Self {
        Self { free, agents, is_untouched: true, measure: 0 }
    }

    /// Agents on which something was placed.
    pub(super) const fn used(free: Vector, agents: u64) -> Self {
        Self { free, agents, is_untouched: false, measure: 0 }
    }

    /// The same with its measure.
    pub(super) fn measured(self, scale: &Scale) -> Self {
        Self { measure: scale.measure(&self.free), ..self }
    }
}

impl BinIndex {
    /// So many groups are looked at one by one.
    const BLOCK: usize = 16;

    /// Of groups that are still to be measured.
    pub(super) fn new(groups: &[BinGroup]) -> Self {
        let scale = Scale::of(groups.iter().map(|group| &group.free));
        Self::measured(scale, groups.iter().map(|group| group.measured(&scale)))
    }

    /// Of groups that are measured by that scale.
    pub(super) fn measured(scale: Scale, groups: impl Iterator<Item = BinGroup>) -> Self {
        let mut groups = groups.peekable();
        let mut blocks = Vec::new();
        while groups.peek().is_some() {
            blocks.push(Block::new(groups.by_ref().take(Self::BLOCK).collect()));
        }
        Self { scale, blocks }
    }

    /// Places so many tasks, each on the first agent with room for it, and returns how many found none.
    pub(super) fn place(&mut self, size: &Vector, count: u64) -> u64 {
        let task = Task { size: *size, measure: self.scale.measure(size) };
        let mut left = count;
        let mut is_split = false;
        for block in &mut self.blocks {
            if left == 0 {
                break;
            }
            if block.may_hold(&task) {
                left = block.place(&task, left);
                is_split |= block.groups.len() > 2 * Self::BLOCK;
            }
        }
        if is_split {
            self.split_large_blocks();
        }
        left
    }

    /// Whether one task would find room.
    pub(super) fn has_room(&self, size: &Vector) -> bool {
        let task = Task { size: *size, measure: self.scale.measure(size) };
        let mut blocks = self.blocks.iter().filter(|block| block.may_hold(&task));
        blocks.any(|block| block.groups.iter().any(|group| size.fits_in(&group.free)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &BinGroup> {
        self.blocks.iter().flat_map(|block| &block.groups)
    }

    fn split_large_blocks(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        for block in blocks {
            if block.groups.len() > 2 * Self::BLOCK {
                self.blocks.extend(block.groups.chunks(Self::BLOCK).map(|groups| Block::new(groups.to_vec())));
            } else {
                self.blocks.push(block);
            }
        }
    }
}

impl Block {
    fn new(groups: Vec<BinGroup>) -> Self {
        let mut block = Self { most: Vector::default(), measure: 0, groups };
        block.sum_up();
        block
    }

    fn sum_up(&mut self) {
        self.most = self.groups.iter().fold(Vector::default(), |most, group| most.larger(&group.free));
        self.measure = self.groups.iter().map(|group| group.measure).max().unwrap_or_default();
    }

    fn may_hold(&self, task: &Task) -> bool {
        task.measure <= self.measure && task.size.fits_in(&self.most)
    }

    fn place(&mut self, task: &Task, count: u64) -> u64 {
        let size = &task.size;
        let mut left = count;
        let mut place = 0;
        while let Some(group) = self.groups.get_mut(place).filter(|_| left > 0) {
            place += 1;
            if !size.fits_in(&group.free) || group.agents == 0 {
                continue;
            }
            let each = size.times_in(&group.free);
            let (full, rest) = (left / each, left % each);
            if full >= group.agents {
                // As many as fit on every agent of the group.
                left -= each.saturating_mul(group.agents);
                *group = group.holding(task, each, group.agents);
                continue;
            }
            // The first agents take as many as fit, one takes the rest, the others are untouched.
            let partly = u64::from(rest > 0);
            let parts = [
                group.holding(task, each, full),
                group.holding(task, rest, partly),
                BinGroup { agents: group.agents - full - partly, ..*group },
            ];
            self.groups.splice(place - 1..place, parts.into_iter().filter(|part| part.agents > 0));
            left = 0;
        }
        if left < count {
            self.sum_up();
        }
        left
    }
}

impl BinGroup {
    /// So many agents of the group, each with so many tasks more.
    fn holding(&self, task: &Task, tasks: u64, agents: u64) -> Self {
        Self {
            free: self.free.without(&task.size, tasks),
            agents,
            is_untouched: false,
            measure: self.measure.saturating_sub(task.measure.saturating_mul(tasks)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::cpus_mem;
    use super::*;
    use proptest::prelude::*;

    fn group(cpus: u64, mem: u64, agents: u64) -> BinGroup {
        BinGroup::new(cpus_mem(cpus, mem), agents)
    }

    /// Task by task and agent by agent.
    fn one_by_one(agents: &mut [Vector], size: &Vector, count: u64) -> u64 {
        let mut left = 0;
        for _ in 0..count {
            match agents.iter_mut().find(|free| size.fits_in(free)) {
                Some(free) => *free = free.without(size, 1),
                None => left += 1,
            }
        }
        left
    }

    proptest! {
        /// H3: counting places tasks exactly as one after the other would be.
        #[test]
        fn groups_are_placed_as_their_members_would_be(
            groups in prop::collection::vec((0_u64..20, 0_u64..20, 1_u64..6), 0..60),
            tasks in prop::collection::vec((0_u64..9, 1_u64..9, 1_u64..40), 1..60),
        ) {
            let groups: Vec<BinGroup> = groups.iter().map(|(cpus, mem, agents)| group(*cpus, *mem, *agents)).collect();
            let mut agents: Vec<Vector> =
                groups.iter().flat_map(|group| vec![group.free; usize::try_from(group.agents).unwrap()]).collect();
            let mut groups = BinIndex::new(&groups);
            for (cpus, mem, count) in tasks {
                let size = cpus_mem(cpus, mem);
                prop_assert_eq!(groups.place(&size, count), one_by_one(&mut agents, &size, count));
                prop_assert_eq!(groups.has_room(&size), agents.iter().any(|free| size.fits_in(free)));
            }
            let counted = groups.iter().flat_map(|group| vec![group.free; usize::try_from(group.agents).unwrap()]);
            prop_assert_eq!(counted.collect::<Vec<_>>(), agents);
        }
    }

    #[test]
    fn the_list_grows_with_sizes_and_not_with_tasks_h3() {
        // A million tasks of one size on a million equal agents are three groups.
        let mut groups = BinIndex::new(&[group(16_000, 64_000, 1_000_000)]);
        assert_eq!(groups.place(&cpus_mem(3_000, 1_000), 1_000_001), 0);
        let parts: Vec<u64> = groups.iter().map(|group| group.agents).collect();
        assert_eq!(parts, [200_000, 1, 799_999]);
        // What just fills some touches no other.
        let mut groups = BinIndex::new(&[group(16_000, 64_000, 1_000_000)]);
        assert_eq!(groups.place(&cpus_mem(3_000, 1_000), 10), 0);
        let parts: Vec<(u64, bool)> = groups.iter().map(|group| (group.agents, group.is_untouched)).collect();
        assert_eq!(parts, [(2, false), (999_998, true)]);
    }
}
