//! How many empty agents are needed beside those that run something.

use shared::resources::{PerKind, Resources};

use super::super::super::capacity::Pool;
use super::super::super::numbers::{agents_to_cover, thousandths};
use super::bins::{self, Bins};
use super::demand::{Demand, Displaced, Remainder};
use super::existing_agents::{Emptiest, ExistingAgents};
use super::tasks::Tasks;
use super::vector::{self, Vector};

/// What H3 needs of a pool, and what of that it has.
///
/// The answer depends on the agents that run something and on what needs room, and not on how many empty ones there are:
/// agents that a decision adds come empty, so the next one finds just what this one wanted.
pub(super) struct Plan<'a> {
    /// How many empty agents like a new one it takes.
    pub(super) needed: u64,
    /// How many there are.
    pub(super) empty: u64,
    /// How many whole tasks alone would take.
    pub(super) for_tasks: u64,
    /// How many whole tasks there are to place.
    pub(super) tasks: u64,
    /// Those that find no room on agents that run something, the largest first.
    pub(super) left: Vec<(Tasks<'a>, u64)>,
    /// The largest task of an application that finds no room even beside all others.
    pub(super) largest: Option<Tasks<'a>>,
    /// H5: those for which nothing can be added, since no new agent could hold them.
    pub(super) unplaceable: Vec<(Tasks<'a>, u64)>,
    /// H5: what is missing of each kind that a new agent has nothing of, a hundredfold.
    pub(super) lacking: PerKind<u128>,
}

impl<'a> Plan<'a> {
    /// H3, for the pool without the first `removed` agents that may leave.
    pub(super) fn new(pool: &Pool<'a>, demand: &Demand<'a>, displaced: &Displaced<'a>, removed: usize) -> Self {
        let existing = ExistingAgents::new(pool, removed);
        Self::on(pool, demand, existing, displaced, &displaced.tasks)
    }

    /// H4: the same where the displaced tasks have moved already, and each to the emptiest agent: which agents take them is
    /// for Mesos and the frameworks to say. `None`: no task is displaced, so it is the same plan.
    pub(super) fn when_moved(
        pool: &Pool<'a>,
        demand: &Demand<'a>,
        displaced: &Displaced<'a>,
        removed: usize,
    ) -> Option<Self> {
        if displaced.tasks.is_empty() {
            return None;
        }
        let (mut existing, left) = ExistingAgents::spread(pool, removed, &displaced.tasks, Emptiest::OfAll);
        let left: Vec<Tasks<'a>> =
            displaced.tasks.iter().zip(left).map(|(tasks, displaced)| Tasks { displaced, ..*tasks }).collect();
        existing.settle();
        Some(Self::on(pool, demand, existing, displaced, &left))
    }

    /// Makes room on the agents there are for what is `left` of the `displaced` tasks, and for all others.
    fn on(
        pool: &Pool<'a>,
        demand: &Demand<'a>,
        mut existing: ExistingAgents,
        displaced: &Displaced<'a>,
        left_displaced: &[Tasks<'a>],
    ) -> Self {
        let rest = &displaced.rest;
        let (small, large): (Vec<&Tasks<'a>>, Vec<&Tasks<'a>>) =
            left_displaced.iter().chain(&demand.tasks).partition(|tasks| tasks.fit(pool.new_agent));
        let mut unplaceable: Vec<(Tasks<'a>, u64)> =
            large.into_iter().map(|tasks| (*tasks, existing.place_anywhere(tasks))).filter(is_any).collect();
        existing.settle();
        let Placement { existing, unplaced, bins, totals } = Placement::best(pool, demand, existing, &small, rest);
        let mut needed = bins.count.max(totals.needed);
        let mut largest = None;
        for tasks in &demand.largest {
            if existing.has_room(tasks) || existing.has_empty_room(tasks) && !tasks.fit(pool.new_agent) {
                continue;
            }
            if !tasks.fit(pool.new_agent) {
                unplaceable.push((*tasks, 1));
            } else if needed == bins.count && !bins.groups.has_room(&tasks.size) {
                // One more, which is empty, has room for any of them.
                needed = needed.saturating_add(1);
                largest = Some(*tasks);
            }
        }
        Self {
            needed,
            empty: existing.empty(),
            for_tasks: bins.count,
            tasks: displaced
                .tasks
                .iter()
                .chain(&demand.tasks)
                .chain(&demand.on_empty)
                .map(Tasks::count)
                .fold(0, u64::saturating_add),
            left: unplaced,
            largest,
            unplaceable,
            lacking: totals.lacking,
        }
    }

    /// How many agents are to be added.
    pub(super) const fn missing(&self) -> u64 {
        self.needed.saturating_sub(self.empty)
    }

    /// H4, H5: whether all have their place that would have it in that other pool.
    pub(super) fn places_as_much_as(&self, other: &Self) -> bool {
        let unplaceable = |plan: &Self| plan.unplaceable.iter().map(|(_, count)| *count).fold(0, u64::saturating_add);
        unplaceable(self) <= unplaceable(other)
            && self.lacking.iter().all(|(kind, amount)| *amount <= other.lacking[kind])
    }
}

/// Whether any of the tasks are left.
const fn is_any((_, count): &(Tasks<'_>, u64)) -> bool {
    *count > 0
}

/// H3: the agents there are with tasks on them, and the empty ones that the others fill.
struct Placement<'a> {
    existing: ExistingAgents,
    /// Those that found no room on existing agents, the largest first.
    unplaced: Vec<(Tasks<'a>, u64)>,
    bins: Bins,
    totals: Totals,
}

impl<'a> Placement<'a> {
    /// Each task on the first agent with room for it. Where that takes more empty agents than the total alone would, also
    /// one agent after the other, each with the tasks that suit it; and of the two what takes fewer.
    fn best(
        pool: &Pool<'a>,
        demand: &Demand<'a>,
        existing: ExistingAgents,
        tasks: &[&Tasks<'a>],
        rest: &Resources,
    ) -> Self {
        let mut first = existing.clone();
        let left: Vec<u64> = tasks.iter().map(|tasks| first.place(tasks)).collect();
        let by_task = Self::new(pool, demand, first, tasks, left, rest);
        if by_task.bins.count <= by_task.totals.needed {
            return by_task;
        }
        let mut filled = existing;
        let left = filled.fill(tasks);
        let by_agent = Self::new(pool, demand, filled, tasks, left, rest);
        if by_agent.bins.count < by_task.bins.count { by_agent } else { by_task }
    }

    fn new(
        pool: &Pool<'a>,
        demand: &Demand<'a>,
        existing: ExistingAgents,
        tasks: &[&Tasks<'a>],
        left: Vec<u64>,
        rest: &Resources,
    ) -> Self {
        let mut unplaced: Vec<(Tasks<'a>, u64)> =
            tasks.iter().zip(left).map(|(tasks, count)| (**tasks, count)).filter(is_any).collect();
        unplaced.extend(demand.on_empty.iter().map(|tasks| (*tasks, tasks.count())));
        // Displaced ones and others, together in order of size; equal ones need not be together.
        let new = Vector::of(&pool.new_agent.unwrap_or_default().unreserved);
        unplaced.sort_by_cached_key(|(tasks, _)| std::cmp::Reverse((tasks.size.largest_share(&new), tasks.size)));
        let sizes: Vec<vector::Tasks> = unplaced.iter().map(|(tasks, count)| (tasks.size, *count)).collect();
        let mut bins = bins::pack(&new, &sizes);
        // H12
        bins.count = bins.count.max(demand.empty_agents);
        let totals = Totals::of(pool, demand, &existing, &unplaced, rest);
        Self { existing, unplaced, bins, totals }
    }
}

/// H3: what must be free in total beside whole tasks.
struct Totals {
    needed: u64,
    lacking: PerKind<u128>,
}

impl Totals {
    fn of(
        pool: &Pool<'_>,
        demand: &Demand<'_>,
        existing: &ExistingAgents,
        unplaced: &[(Tasks<'_>, u64)],
        rest: &Resources,
    ) -> Self {
        let new_agent = pool.new_agent.unwrap_or_default();
        let (free, open) = existing.free();
        let mut totals = Self { needed: 0, lacking: PerKind::default() };
        let remainder: &Remainder = &demand.remainder;
        for (kind, lacking) in totals.lacking.iter_mut() {
            let taken = |tasks: &Tasks<'_>, count: u64| thousandths(tasks.resources.get(kind)) * u128::from(count);
            let sum = |only_plain: bool| {
                let counted = unplaced.iter().filter(|(tasks, _)| !(only_plain && tasks.is_gpu_aware));
                100 * counted.map(|(tasks, count)| taken(tasks, *count)).fold(0, u128::saturating_add)
            };
            let brings = 100 * thousandths(new_agent.unreserved.get(kind));
            let (free, open) = (free[kind].saturating_mul(100), open[kind].saturating_mul(100));
            let all = sum(false).saturating_add(remainder.all[kind]).saturating_add(100 * thousandths(rest.get(kind)));
            let plain = sum(true).saturating_add(remainder.plain[kind]);
            // New agents without gpus are there for all; where they have gpus, nothing of what is needed on plain ones is
            // counted here, since no new agent could hold the tasks (H5).
            let missing = all.saturating_sub(free).max(plain.saturating_sub(open));
            match agents_to_cover(missing, brings) {
                Some(agents) if brings > 0 => {
                    totals.needed = totals.needed.max(u64::try_from(agents).unwrap_or(u64::MAX));
                }
                _ => *lacking = missing.max(all.saturating_add(remainder.unplaceable[kind]).saturating_sub(free)),
            }
        }
        totals
    }
}
