//! The agents there are, as room for tasks.

use std::collections::BinaryHeap;

use shared::resources::{Kind, PerKind};

use super::super::super::capacity::Pool;
use super::super::super::new_agent::NewAgent;
use super::bin_index::{BinGroup, BinIndex};
use super::classes::{Classes, Measure};
use super::rooms::{Room, Sort, sort_equal};
use super::tasks::Tasks;
use super::vector::{self, Vector};

/// The usable agents that stay.
#[derive(Clone)]
pub(super) struct ExistingAgents {
    new_agent: Option<NewAgent>,
    /// Agents without gpus.
    plain: BinIndex,
    /// Agents with gpus. Only tasks of applications that know of gpus are placed there, and those try them first: the
    /// others are open to all.
    gpu: BinIndex,
    /// Empty agents like new ones.
    empty: BinIndex,
}

/// Agents whose turn comes the earlier the emptier they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    emptiness: u128,
    sort: Sort,
    group: BinGroup,
    /// The place of their room, as long as nothing more was placed there.
    place: Option<usize>,
}

impl Turn {
    fn of((place, (room, agents)): (usize, &(&Room, u64)), emptiest: Emptiest) -> Self {
        let emptiness = match emptiest {
            Emptiest::OfAll => room.least_share,
            Emptiest::Of(kind) => room.free.0[kind].into(),
        };
        Self { emptiness, sort: room.sort, group: BinGroup::new(room.free, *agents), place: Some(place) }
    }

    fn after(sort: Sort, group: BinGroup, emptiest: Emptiest, whole: &Vector) -> Self {
        let emptiness = match emptiest {
            Emptiest::OfAll => group.free.least_share(whole),
            Emptiest::Of(kind) => group.free.0[kind].into(),
        };
        Self { emptiness, sort, group, place: None }
    }
}

/// Which agents are the emptiest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emptiest {
    /// Those that have most of what they have least of.
    OfAll,
    /// Those that have most of one kind.
    Of(Kind),
}

impl ExistingAgents {
    /// The pool without the first `removed` agents that may leave.
    pub(super) fn new(pool: &Pool<'_>, removed: usize) -> Self {
        let rooms = pool.rooms().without(pool, removed);
        let groups: Vec<(Sort, BinGroup)> =
            rooms.into_iter().map(|(room, agents)| (room.sort, room.group(agents))).collect();
        Self::of(pool, &groups)
    }

    /// Agents by sort, the fullest of each first, measured by the scale of the pool's rooms.
    fn of(pool: &Pool<'_>, groups: &[(Sort, BinGroup)]) -> Self {
        let of = |sort: Sort| {
            let from = groups.partition_point(|(own, _)| *own < sort);
            let own = groups.get(from..).unwrap_or_default();
            let own = own.get(..own.partition_point(|(own, _)| *own == sort)).unwrap_or_default();
            BinIndex::measured(pool.rooms().scale, own.iter().map(|(_, group)| *group))
        };
        Self { new_agent: pool.new_agent, plain: of(Sort::Plain), gpu: of(Sort::Gpu), empty: of(Sort::Empty) }
    }

    /// The same where tasks were placed on the emptiest agent of all, one after the other, and how many of each found no room. So
    /// do schedulers that spread their tasks.
    pub(super) fn spread(pool: &Pool<'_>, removed: usize, tasks: &[Tasks<'_>], emptiest: Emptiest) -> (Self, Vec<u64>) {
        let none = Self::of(pool, &[]);
        let (whole, scale) = (none.whole(), pool.rooms().scale);
        let mut rooms = pool.rooms().without(pool, removed);
        let mut turns: BinaryHeap<Turn> = rooms.iter().enumerate().map(|room| Turn::of(room, emptiest)).collect();
        let left = tasks.iter().map(|tasks| none.spread_equal(&mut turns, tasks, emptiest, &whole)).collect();
        // Few rooms have changed, and the others are in order.
        let mut changed = Vec::new();
        rooms.iter_mut().for_each(|(_, agents)| *agents = 0);
        for turn in turns {
            match turn.place.and_then(|place| rooms.get_mut(place)) {
                Some((_, agents)) => *agents = turn.group.agents,
                None => changed.push((turn.sort, turn.group.free.largest_share(&whole), turn.group.measured(&scale))),
            }
        }
        rooms.retain(|(_, agents)| *agents > 0);
        sort_equal(&mut rooms);
        let mut all: Vec<(Sort, u128, BinGroup)> = Vec::with_capacity(rooms.len() + changed.len());
        all.extend(rooms.into_iter().map(|(room, agents)| (room.sort, room.largest_share, room.group(agents))));
        all.append(&mut changed);
        all.sort();
        let groups: Vec<(Sort, BinGroup)> = all.into_iter().map(|(sort, _, group)| (sort, group)).collect();
        (Self::of(pool, &groups), left)
    }

    /// Places tasks on agents that run something, and returns how many found no room.
    pub(super) fn place(&mut self, tasks: &Tasks<'_>) -> u64 {
        self.place_count(tasks, tasks.count())
    }

    fn place_count(&mut self, tasks: &Tasks<'_>, count: u64) -> u64 {
        let left = if tasks.is_gpu_aware { self.gpu.place(&tasks.size, count) } else { count };
        self.plain.place(&tasks.size, left)
    }

    /// Places tasks on agents that run something, one agent after the other, each with those that suit what it has free, and
    /// returns how many of each found no room. Agents with gpus are filled task by task. Afterwards they only say what has room.
    pub(super) fn fill(&mut self, tasks: &[&Tasks<'_>]) -> Vec<u64> {
        let whole = self.whole();
        let sizes: Vec<vector::Tasks> = tasks
            .iter()
            .map(|tasks| {
                let count = tasks.count();
                (tasks.size, if tasks.is_gpu_aware { self.gpu.place(&tasks.size, count) } else { count })
            })
            .collect();
        let mut classes = Classes::new(&whole, &sizes, Measure::Product);
        let mut filled = Vec::new();
        for group in self.plain.iter() {
            let mut agents = group.agents;
            while agents > 0
                && let Some((free, count)) = classes.fill(&group.free, &whole, agents)
            {
                filled.push(BinGroup::used(free, count));
                agents -= count;
            }
            filled.push(BinGroup { agents, ..*group });
        }
        filled.retain(|group| group.agents > 0);
        // No more is placed there, so that their order means nothing any more.
        self.plain = BinIndex::new(&filled);
        let mut left = vec![0; tasks.len()];
        for (index, count) in classes.left() {
            if let Some(left) = left.get_mut(index) {
                *left = count;
            }
        }
        left
    }

    /// Places tasks on all agents, those that run nothing last, and returns how many found no room.
    pub(super) fn place_anywhere(&mut self, tasks: &Tasks<'_>) -> u64 {
        let left = self.place(tasks);
        if left > 0 && self.opens_empty_to(tasks) { self.empty.place(&tasks.size, left) } else { left }
    }

    /// Spreads equal tasks.
    fn spread_equal(&self, turns: &mut BinaryHeap<Turn>, tasks: &Tasks<'_>, emptiest: Emptiest, whole: &Vector) -> u64 {
        /// A turn gives an agent this part of what it would get in all, at least one task: else tiny ones would take for ever.
        const TURNS: u64 = 32;
        let takes = |turn: &Turn| self.opens(turn.sort, tasks) && tasks.size.fits_in(&turn.group.free);
        let mut left = tasks.count();
        // Of fewer tasks than that, no agent gets more than one in a turn.
        let agents = if left <= TURNS {
            1
        } else {
            turns.iter().filter(|turn| takes(turn)).map(|turn| turn.group.agents).fold(0, u64::saturating_add)
        };
        let mut aside = Vec::new();
        while left > 0
            && let Some(turn) = turns.pop()
        {
            if !takes(&turn) {
                aside.push(turn);
                continue;
            }
            let free = turn.group.free;
            let each = (left / agents.max(1).saturating_mul(TURNS)).clamp(1, tasks.size.times_in(&free).max(1));
            // Of more than one each there are far more left than all agents take in a turn.
            let takers = turn.group.agents.min(left);
            left = left.saturating_sub(takers.saturating_mul(each));
            let used = BinGroup::used(free.without(&tasks.size, each), takers);
            turns.push(Turn::after(turn.sort, used, emptiest, whole));
            if turn.group.agents > takers {
                turns.push(Turn { group: BinGroup { agents: turn.group.agents - takers, ..turn.group }, ..turn });
            }
        }
        turns.extend(aside);
        left
    }

    fn opens(&self, sort: Sort, tasks: &Tasks<'_>) -> bool {
        match sort {
            Sort::Plain => true,
            Sort::Gpu => tasks.is_gpu_aware,
            Sort::Empty => self.opens_empty_to(tasks),
        }
    }

    fn whole(&self) -> Vector {
        Vector::of(&self.new_agent.unwrap_or_default().unreserved)
    }

    /// Counts the agents that were empty before something was placed there among those that run something.
    pub(super) fn settle(&mut self) {
        if self.empty.iter().all(|group| group.is_untouched) {
            return;
        }
        let (untouched, used): (Vec<BinGroup>, Vec<BinGroup>) = self.empty.iter().partition(|group| group.is_untouched);
        let groups = if self.empty_have_gpus() { &mut self.gpu } else { &mut self.plain };
        let all: Vec<BinGroup> = groups.iter().chain(&used).copied().collect();
        *groups = BinIndex::new(&all);
        self.empty = BinIndex::new(&untouched);
    }

    /// Whether one such task more would find room on an agent that runs something.
    pub(super) fn has_room(&self, tasks: &Tasks<'_>) -> bool {
        self.plain.has_room(&tasks.size) || (tasks.is_gpu_aware && self.gpu.has_room(&tasks.size))
    }

    /// Whether one such task more would find room on an empty agent.
    pub(super) fn has_empty_room(&self, tasks: &Tasks<'_>) -> bool {
        self.opens_empty_to(tasks) && self.empty.has_room(&tasks.size)
    }

    /// Empty agents like new ones.
    pub(super) fn empty(&self) -> u64 {
        self.empty.iter().map(|group| group.agents).fold(0, u64::saturating_add)
    }

    /// What is free beyond what the empty agents would have if they were just that: in all, and without gpus.
    pub(super) fn free(&self) -> (PerKind<u128>, PerKind<u128>) {
        let whole = self.whole();
        let none = Vector::default();
        let (plain, gpu, empty) = (sum(&self.plain, &none), sum(&self.gpu, &none), sum(&self.empty, &whole));
        let add = |a: PerKind<u128>, b: PerKind<u128>| PerKind::from_fn(|kind| a[kind].saturating_add(b[kind]));
        let open = if self.empty_have_gpus() { plain } else { add(plain, empty) };
        (add(add(plain, gpu), empty), open)
    }

    fn empty_have_gpus(&self) -> bool {
        self.new_agent.is_some_and(|new_agent| !new_agent.total.gpus.is_zero())
    }

    fn opens_empty_to(&self, tasks: &Tasks<'_>) -> bool {
        tasks.is_gpu_aware || !self.empty_have_gpus()
    }
}

fn sum(groups: &BinIndex, without: &Vector) -> PerKind<u128> {
    let mut sums = PerKind::<u128>::default();
    for group in groups.iter() {
        let free = group.free.without(without, 1);
        for (kind, sum) in sums.iter_mut() {
            *sum = sum.saturating_add(u128::from(free.0[kind]) * u128::from(group.agents));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, TaskSpec, policy, resources};
    use proptest::prelude::*;
    use shared::contract::AgentShape;
    use shared::resources::{Amount, Resources};

    fn tasks(size: Resources, count: u64, is_gpu_aware: bool) -> Tasks<'static> {
        Tasks { displaced: count, ..Tasks::none_of(size, None, is_gpu_aware) }
    }

    #[test]
    fn tasks_are_spread_one_by_one_on_the_emptiest_h4() {
        // Ten tasks of 1 cpu on four agents, of which one runs a task of 2 cpus.
        let snapshot = Cluster::of(4, resources(4, 14_000)).running("/a", 1, resources(2, 100)).snapshot();
        let policy = policy("new_agent = { cpus = 8, mem = 28000 }").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let spread = |tasks| ExistingAgents::spread(&pool, 0, &[tasks], Emptiest::OfAll);
        let (existing, left) = spread(tasks(resources(1, 0), 10, false));
        assert_eq!(left, [0]);
        let left: u64 = existing.plain.iter().map(|group| group.free.0[Kind::Cpus] * group.agents).sum();
        assert_eq!(left, 4_000);
        assert!(existing.plain.iter().all(|group| group.free.0[Kind::Cpus] == 1_000), "each has 3 cpus in use");
        // Fewer tasks than agents: the others stay as they are.
        let (existing, left) = spread(tasks(resources(1, 0), 1, false));
        assert_eq!(left, [0]);
        let mut groups: Vec<(u64, u64)> =
            existing.plain.iter().map(|group| (group.free.0[Kind::Cpus], group.agents)).collect();
        groups.sort_unstable();
        assert_eq!(groups, [(2_000, 1), (3_000, 1), (4_000, 2)]);
        // Many tiny ones are as many, in fewer turns.
        let tiny = Resources { mem: Amount::ZERO, cpus: Amount::from_thousandths(1), ..Resources::ZERO };
        assert_eq!(spread(tasks(tiny, 14_001, false)).1, [1], "14 cpus are free");
    }

    proptest! {
        /// H4: counting spreads tasks as one after the other would be, and leaves the agents in the order of their room.
        #[test]
        fn groups_are_spread_as_their_members_would_be_h4(
            loads in prop::collection::vec((0_u64..4, 0_u64..5), 1..9),
            sizes in prop::collection::vec((1_u64..4, 1_u64..5, 1_u64..9), 1..5),
            removed in 0_usize..4,
        ) {
            let mut cluster = Cluster::of(loads.len(), resources(4, 14_000));
            let framework = cluster.framework_of("/a");
            for (number, (cpus, mem)) in (0..).zip(&loads) {
                let spec = TaskSpec { application: "/a".to_owned(), resources: resources(*cpus, 1_000 * mem) };
                cluster.start_on(number, framework, spec, cluster::NOON).unwrap();
            }
            let (snapshot, policy) = (cluster.snapshot(), policy("new_agent = { cpus = 4, mem = 14000 }").unwrap());
            let pool = Pool::new(&snapshot, &policy);
            let removed = removed.min(pool.removable_count());
            let listed = |existing: &ExistingAgents| {
                let of = |sort: Sort, index: &BinIndex| -> Vec<(Sort, Vector)> {
                    index.iter().flat_map(|group| vec![(sort, group.free); usize::try_from(group.agents).unwrap()]).collect()
                };
                [of(Sort::Plain, &existing.plain), of(Sort::Gpu, &existing.gpu), of(Sort::Empty, &existing.empty)].concat()
            };
            let before = ExistingAgents::new(&pool, removed);
            let (mut agents, whole) = (listed(&before), before.whole());
            let tasks: Vec<Tasks<'_>> =
                sizes.iter().map(|(cpus, mem, count)| tasks(resources(*cpus, 1_000 * mem), *count, false)).collect();
            let mut expected = Vec::new();
            for Tasks { size, displaced, .. } in &tasks {
                let placed = (0..*displaced).take_while(|_| {
                    let fitting = agents.iter_mut().filter(|(_, free)| size.fits_in(free));
                    let emptiest = fitting.max_by_key(|(sort, free)| (free.least_share(&whole), *sort, *free));
                    emptiest.map(|(_, free)| *free = free.without(size, 1)).is_some()
                });
                expected.push(displaced - placed.count() as u64);
            }
            let (spread, left) = ExistingAgents::spread(&pool, removed, &tasks, Emptiest::OfAll);
            prop_assert_eq!(left, expected);
            agents.sort_by_key(|(sort, free)| (*sort, free.largest_share(&whole), *free));
            prop_assert_eq!(listed(&spread), agents);
        }
    }

    #[test]
    fn only_gpu_aware_tasks_spread_to_gpu_agents_h4() {
        // An agent with gpus and room, and one without.
        let gpus = Resources { gpus: Amount::from_thousandths(1000), ..resources(8, 14_000) };
        let cluster = Cluster::of(1, gpus).and(1, resources(4, 14_000)).running("/a", 1, resources(1, 100));
        let (snapshot, policy) = (cluster.snapshot(), policy("new_agent = { cpus = 4, mem = 14000 }").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        let spread = |is_gpu_aware| {
            ExistingAgents::spread(&pool, 0, &[tasks(resources(2, 1_000), 5, is_gpu_aware)], Emptiest::OfAll).1[0]
        };
        assert_eq!(spread(false), 4, "one has room beside the task of 1 cpu");
        assert_eq!(spread(true), 0);
    }

    #[test]
    fn empty_gpu_agents_take_only_gpu_aware_tasks_h3() {
        let gpus = |gpus: u64| Resources { gpus: Amount::from_thousandths(1000 * gpus), ..resources(4, 14_000) };
        for (has, is_gpu_aware, is_open) in [(0, false, true), (0, true, true), (1, false, false), (1, true, true)] {
            let (snapshot, policy) = (Cluster::of(2, gpus(has)).snapshot(), policy("").unwrap());
            let mut existing = ExistingAgents::new(&Pool::new(&snapshot, &policy), 0);
            let task = tasks(resources(3, 100), 1, is_gpu_aware);
            assert_eq!((existing.empty(), existing.has_room(&task)), (2, false));
            assert_eq!(existing.has_empty_room(&task), is_open, "{has} gpus, aware: {is_gpu_aware}");
            assert_eq!(existing.place_anywhere(&task), u64::from(!is_open));
            existing.settle();
            assert_eq!(existing.empty(), 2 - u64::from(is_open));
            assert_eq!(existing.has_room(&tasks(resources(1, 100), 1, is_gpu_aware)), is_open, "beside the first");
        }
    }

    #[test]
    fn an_agent_is_like_a_new_one_up_to_a_sixteenth_more_h3() {
        let empty = |thousandths: u64| {
            let total = Resources { cpus: Amount::from_thousandths(thousandths), ..resources(4, 14_000) };
            let (snapshot, policy) =
                (Cluster::of(1, total).snapshot(), policy("new_agent = { cpus = 4, mem = 14000 }").unwrap());
            ExistingAgents::new(&Pool::new(&snapshot, &policy), 0).empty()
        };
        assert_eq!([3_999, 4_000, 4_250, 4_300].map(empty), [0, 1, 1, 0]);
    }

    #[test]
    fn removed_agents_come_off_the_nearest_shape_d2() {
        // Two agents with 3 cpus free each; the snapshot gives one of them as having 2.
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).running("/a", 2, resources(1, 100)).snapshot();
        let mut shape = snapshot.agent_shapes[0];
        shape.count = 1;
        let fewer = Resources { cpus: Amount::from_thousandths(2_000), ..shape.free };
        snapshot.agent_shapes = vec![shape, AgentShape { free: fewer, ..shape }];
        let policy = policy("").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        let task = tasks(resources(1, 100), 1, false);
        assert!(ExistingAgents::new(&pool, 1).has_room(&task));
        assert!(!ExistingAgents::new(&pool, 2).has_room(&task), "no agent is left");
    }
}
