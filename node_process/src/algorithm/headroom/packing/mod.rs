//! H3: whole tasks on single agents.
//!
//! Tasks are counted by size and agents by what they have free; many equal tasks go to many equal agents at a time. So
//! the cost follows from how many different ones there are.

mod bin_index;
mod bins;
#[cfg(test)]
mod bound;
mod classes;
mod demand;
mod existing_agents;
mod plan;
#[cfg(test)]
mod quality;
mod rooms;
mod tasks;
mod vector;

use std::cell::OnceCell;

use shared::resources::PerKind;

use super::super::capacity::{Capacity, Pool};
use super::super::numbers::{agent_count, last, last_of_most};
use super::balance::{Balance, Sum, agents_for_all, balances, sums};
use super::needs::Need;
use super::reason::{EmptyAgents, Placed, Unfit};
use super::report::{HeadroomReport, TasksReport, UnplaceableTasks};
use demand::{Demand, Displaced};
use existing_agents::{Emptiest, ExistingAgents};
use plan::Plan;
pub(in super::super) use rooms::Rooms;
use tasks::Tasks;

/// H3: what is to be placed, how that goes on all usable agents, and on fewer as far as that has been asked: D and H ask for
/// the same numbers of agents.
pub(super) struct Packing<'a> {
    demand: Demand<'a>,
    sums: PerKind<Sum>,
    whole: OnceCell<Box<Plan<'a>>>,
    /// Without the first agent that may leave, the first two, and so on.
    without: Vec<Without<'a>>,
}

/// How it goes without some agents.
#[derive(Default)]
struct Without<'a> {
    displaced: OnceCell<Displaced<'a>>,
    /// With the displaced tasks where they fit best.
    plan: OnceCell<Box<Plan<'a>>>,
    /// Wherever they go; `None` where there are none.
    moved: OnceCell<Option<Box<Plan<'a>>>>,
}

/// Why an agent is kept.
struct Failed<'p, 'a> {
    plan: &'p Plan<'a>,
    /// Whether it is so only where displaced tasks go to the emptiest agents.
    when_spread: bool,
}

impl<'a> Packing<'a> {
    pub(super) fn new(pool: &Pool<'a>, needs: &[Need<'a>]) -> Self {
        let demand = Demand::new(pool, needs);
        let mut sums = sums(needs);
        // Whole tasks where they are more than X % of the resources.
        sums.iter_mut().for_each(|(kind, sum)| sum.growth = demand.growth[kind]);
        let without = (0..pool.removable_count()).map(|_| Without::default()).collect();
        Self { demand, sums, whole: OnceCell::new(), without }
    }

    /// D3: whether the tasks that must move when so many agents are removed have room on the agents that stay, as they are. All
    /// tasks of those agents count, those that H leaves out too: each has a place where it runs.
    pub(super) fn have_room(&self, pool: &Pool<'a>, removed: usize) -> bool {
        let moved = demand::moved(pool, removed);
        let mut existing = ExistingAgents::new(pool, removed);
        moved.iter().all(|tasks| existing.place_anywhere(tasks) == 0)
    }

    /// D7: whether places matter: not in a pool with tasks of so many sizes that single ones hardly do, and placing each would
    /// take seconds.
    pub(super) const fn may_crowd(&self) -> bool {
        const MANY_SIZES: usize = 1_000;
        self.demand.tasks.len() <= MANY_SIZES
    }

    /// D7: whether each displaced or growing task has room on a single agent, wherever the frameworks put it, and the largest
    /// task of each application beside them, when so many agents are removed: where all go to the agents with most of one kind
    /// free, for each kind that is considered. What no new agent could hold is not asked for.
    pub(super) fn stays_clear(&self, pool: &Pool<'a>, removed: usize) -> bool {
        let tasks = self.demand.crowd(pool, &pool.capacity(removed, 0));
        pool.considered().all(|kind| {
            let (existing, left) = ExistingAgents::spread(pool, removed, &tasks, Emptiest::Of(kind));
            left.iter().all(|left| *left == 0)
                && self.demand.largest.iter().all(|tasks| {
                    !tasks.fit(pool.new_agent) || existing.has_room(tasks) || existing.has_empty_room(tasks)
                })
        })
    }

    /// H3, H4.
    pub(super) fn make_room(&self, pool: &Pool<'a>, before: Capacity) -> HeadroomReport {
        let (mut plan, mut failed) = (self.whole(pool), None);
        let removed = last(before.removed, |removed| match self.plan_without(pool, removed) {
            Ok(next) => {
                plan = next;
                true
            }
            Err(reason) => {
                failed = Some(reason);
                false
            }
        });
        let after = pool.capacity(removed, agent_count(plan.missing().into()));

        let balances_kept = self.total(&pool.capacity(removed, 0));
        // H5
        let is_lacking = |balance: &&Balance| plan.lacking[balance.kind] > 0;
        let lacking = balances_kept.values().filter(is_lacking).copied().collect();
        let for_total = agents_for_all(&balances_kept, pool.new_agent);
        let is_by_tasks = u128::from(after.added) > for_total;
        // Where agents are kept, it is for what failed last: one fewer than stay.
        let is_kept_by_tasks = self.total_does_without(pool, removed + 1);
        let decisive = match &failed {
            _ if is_by_tasks => Some((plan, false)),
            Some(failed) if is_kept_by_tasks => Some((failed.plan, failed.when_spread)),
            _ => None,
        };
        let placed = match decisive {
            Some((plan, when_spread)) => Placed::Unfit { when_spread, tasks: unfit(plan) },
            None if plan.tasks > 0 && before.agents == after.agents && plan.unplaceable.is_empty() => {
                Placed::All(plan.tasks)
            }
            None => Placed::Undecisive,
        };
        let tasks = TasksReport {
            placed,
            application: decisive.and_then(|(plan, _)| first_unplaced(plan)).map(|tasks| name(&tasks)),
            for_total: is_by_tasks.then(|| u64::try_from(for_total).unwrap_or(u64::MAX)),
            unplaceable: plan.unplaceable.iter().map(unplaceable).collect(),
        };
        let balances_before = self.total(&before);
        HeadroomReport { before, after, balances_before, balances_kept, lacking, tasks: Some(tasks) }
    }

    /// H4: how many of the first `most` agents that may leave can stay removed.
    pub(super) fn spare(&self, pool: &Pool<'a>, most: usize) -> usize {
        // What is needed in total costs little to ask. It mostly decides, but for tasks that have no place anyway.
        let total = last(most, |removed| self.total_does_without(pool, removed));
        let beyond = total < most && self.places(pool, total + 1).is_ok();
        // Spread tasks cost most to ask for, so they come last.
        let placed = last(if beyond { most } else { total }, |removed| self.places(pool, removed).is_ok());
        let is_placed = |removed| removed == placed || self.places(pool, removed).is_ok();
        last_of_most(placed, |removed| self.is_placed_when_moved(pool, removed).is_ok() && is_placed(removed))
    }

    /// H4: whether the first `removed` agents that may leave can stay removed.
    pub(super) fn does_without(&self, pool: &Pool<'a>, removed: usize) -> bool {
        self.plan_without(pool, removed).is_ok()
    }

    /// What is needed in total.
    fn total(&self, capacity: &Capacity) -> PerKind<Balance> {
        balances(&self.sums, capacity)
    }

    /// Whether that is free without so many agents.
    fn total_does_without(&self, pool: &Pool<'a>, removed: usize) -> bool {
        self.total(&pool.capacity(removed, 0)).values().all(|balance| balance.missing() == 0)
    }

    fn is_placed(&self, pool: &Pool<'a>, plan: &Plan<'_>) -> bool {
        plan.missing() == 0 && plan.places_as_much_as(self.whole(pool))
    }

    fn plan_without(&self, pool: &Pool<'a>, removed: usize) -> Result<&Plan<'a>, Failed<'_, 'a>> {
        let plan = self.places(pool, removed)?;
        self.is_placed_when_moved(pool, removed).map(|()| plan)
    }

    /// The same with the displaced tasks where they fit best.
    fn places(&self, pool: &Pool<'a>, removed: usize) -> Result<&Plan<'a>, Failed<'_, 'a>> {
        let plan = self.plan(pool, removed);
        let is_placed = self.whole(pool).missing() == 0 && self.is_placed(pool, plan);
        if is_placed { Ok(plan) } else { Err(Failed { plan, when_spread: false }) }
    }

    /// Wherever the displaced tasks go, they must not take a new agent afterwards.
    fn is_placed_when_moved(&self, pool: &Pool<'a>, removed: usize) -> Result<(), Failed<'_, 'a>> {
        match self.plan_when_moved(pool, removed) {
            Some(plan) if !self.is_placed(pool, plan) => Err(Failed { plan, when_spread: true }),
            _ => Ok(()),
        }
    }

    fn whole(&self, pool: &Pool<'a>) -> &Plan<'a> {
        self.whole.get_or_init(|| {
            let displaced = demand::displaced(pool, &pool.observed());
            Box::new(Plan::new(pool, &self.demand, &displaced, 0))
        })
    }

    fn plan(&self, pool: &Pool<'a>, removed: usize) -> &Plan<'a> {
        let Some(without) = self.without(removed) else { return self.whole(pool) };
        without
            .plan
            .get_or_init(|| Box::new(Plan::new(pool, &self.demand, self.displaced(without, pool, removed), removed)))
    }

    fn plan_when_moved(&self, pool: &Pool<'a>, removed: usize) -> Option<&Plan<'a>> {
        let without = self.without(removed)?;
        let plan = without.moved.get_or_init(|| {
            Plan::when_moved(pool, &self.demand, self.displaced(without, pool, removed), removed).map(Box::new)
        });
        plan.as_deref()
    }

    fn displaced<'p>(&self, without: &'p Without<'a>, pool: &Pool<'a>, removed: usize) -> &'p Displaced<'a> {
        without.displaced.get_or_init(|| demand::displaced(pool, &pool.capacity(removed, 0)))
    }

    /// `None` where no agent is removed.
    fn without(&self, removed: usize) -> Option<&Without<'a>> {
        self.without.get(removed.checked_sub(1)?)
    }
}

fn name(tasks: &Tasks<'_>) -> Option<String> {
    tasks.application.map(|application| application.name.clone())
}

fn unplaceable((tasks, count): &(Tasks<'_>, u64)) -> UnplaceableTasks {
    UnplaceableTasks { resources: tasks.resources, is_gpu_aware: tasks.is_gpu_aware, count: *count }
}

/// The largest of the tasks that ask for an agent.
fn first_unplaced<'a>(plan: &Plan<'a>) -> Option<Tasks<'a>> {
    let first = |tasks: &[(Tasks<'a>, u64)]| tasks.first().map(|(tasks, _)| *tasks);
    plan.largest.or_else(|| first(&plan.left)).or_else(|| first(&plan.unplaceable))
}

/// Why it takes more agents than the total would.
fn unfit(plan: &Plan<'_>) -> Unfit {
    // What is enough in total, and places all tasks, is short where part of it is on agents with gpus.
    let Some(first) = first_unplaced(plan) else { return Unfit::OnGpuAgents };
    if plan.largest.is_some() {
        return Unfit::Largest(first.resources);
    }
    let (left, agents) = if plan.left.is_empty() {
        (&plan.unplaceable, None)
    } else {
        (&plan.left, Some(EmptyAgents { required: plan.for_tasks, existing: plan.empty }))
    };
    Unfit::Some {
        count: left.iter().map(|(_, count)| *count).fold(0, u64::saturating_add),
        of: plan.tasks,
        largest: first.resources,
        is_one_size: left.len() <= 1,
        agents,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ruling::{Reason, Ruling};
    use super::super::reason::{HeadroomReason, Lack, Needed, Obstacle};
    use super::*;
    use cluster::{Cluster, TaskSpec, policy, resources};
    use shared::clause::Clause;
    use shared::contract::{AgentState, Candidate, ClusterSnapshot, TaskGroup};
    use shared::resources::{Amount, Kind, Resources};

    fn headroom(snapshot: &ClusterSnapshot, settings: &str) -> Ruling {
        headroom_without(0, snapshot, settings)
    }

    fn reason(ruling: &Ruling) -> &HeadroomReason {
        match &ruling.reason {
            Reason::Headroom(reason) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// What decides, where it is that tasks fit no single agent.
    fn unfit_of(ruling: &Ruling) -> &Unfit {
        match &reason(ruling).placed {
            Some(Placed::Unfit { when_spread: false, tasks }) => tasks,
            other => panic!("{other:?}"),
        }
    }

    /// What is needed, and what is free.
    fn cpus(ruling: &Ruling) -> (Amount, Amount) {
        match &reason(ruling).needed {
            Needed::Of(need) if need.kind == Kind::Cpus => (need.amount, need.free),
            other => panic!("{other:?}"),
        }
    }

    fn amount(units: u64) -> Amount {
        Amount::from_thousandths(1000 * units)
    }

    /// After D took out so many agents.
    fn headroom_without(removed: usize, snapshot: &ClusterSnapshot, settings: &str) -> Ruling {
        let policy = policy(settings).unwrap();
        let pool = Pool::new(snapshot, &policy);
        super::super::make_room(&pool, pool.capacity(removed, 0))
    }

    fn gpus(gpus: u64, resources: Resources) -> Resources {
        Resources { gpus: Amount::from_thousandths(1000 * gpus), ..resources }
    }

    #[test]
    fn free_parts_that_are_each_too_small_hold_no_task_h3_h4() {
        // Ten agents of 4 cpus with 3 used each: 10 free, and the application is to grow by 1 task of 3.
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/a", 10, resources(3, 1_000));
        let packed = headroom(&cluster.snapshot(), "");
        assert_eq!((packed.capacity.added, packed.clause), (1, Clause::H4));
        let largest = resources(3, 1_000);
        let agents = Some(EmptyAgents { required: 1, existing: 0 });
        assert_eq!(unfit_of(&packed), &Unfit::Some { count: 1, of: 1, largest, is_one_size: true, agents });
        assert_eq!((cpus(&packed), reason(&packed).for_total), ((amount(3), amount(10)), Some(0)));
        assert_eq!(packed.application.as_deref(), Some("/a"));
        assert_eq!(headroom(&cluster.snapshot(), "headroom_placement = \"sum\"").capacity.added, 0);
    }

    #[test]
    fn an_existing_empty_agent_counts_as_a_new_one_h3() {
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/a", 10, resources(3, 1_000));
        let packed = headroom(&cluster.clone().and(1, resources(4, 14_000)).snapshot(), "");
        assert_eq!((packed.capacity.added, packed.clause), (0, Clause::H3));
        // Two tasks of 3 take two.
        let twice = "application_headroom_percent = 20";
        assert_eq!(headroom(&cluster.and(1, resources(4, 14_000)).snapshot(), twice).capacity.added, 1);
    }

    #[test]
    fn the_largest_task_of_an_application_must_have_room_once_more_h3() {
        // 10 % of 5 tasks are none, and 10 free cpus are enough in total. But no agent has 3 free.
        let cluster = Cluster::of(5, resources(5, 14_000)).running("/a", 5, resources(3, 1_000));
        let packed = headroom(&cluster.snapshot(), "");
        assert_eq!(packed.capacity.added, 1);
        assert_eq!(unfit_of(&packed), &Unfit::Largest(resources(3, 1_000)));
        assert_eq!(cpus(&packed).1, amount(10));
        assert_eq!(headroom(&cluster.and(1, resources(5, 14_000)).snapshot(), "").capacity.added, 0);
    }

    #[test]
    fn remainders_must_be_free_in_total_after_whole_tasks_are_placed_h3() {
        // Of 15 tasks of 1 cpu one is whole and half a cpu remains: 1.5 cpus, with 1 free it takes an agent.
        let cluster = Cluster::of(4, resources(4, 14_000)).running("/a", 15, resources(1, 100));
        assert_eq!(headroom(&cluster.snapshot(), "").capacity.added, 1);
        assert_eq!(headroom(&cluster.snapshot(), "application_headroom_percent = 6").capacity.added, 0);
        // 6 % of 17 are 1.02.
        let cluster = Cluster::of(5, resources(4, 14_000)).running("/a", 15, resources(1, 100)).running(
            "/b",
            4,
            resources(1, 100),
        );
        assert_eq!(headroom(&cluster.snapshot(), "application_headroom_percent = 7").capacity.added, 1);
    }

    #[test]
    fn gpu_agents_hold_no_tasks_that_are_not_gpu_aware_h3() {
        // The agent with gpus is empty.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 8, resources(1, 100));
        let cluster = cluster.and(1, gpus(2, resources(8, 14_000)));
        assert_eq!(headroom(&cluster.snapshot(), "").capacity.added, 1);
        assert_eq!(headroom(&cluster.gpu_aware(&["/a"]).snapshot(), "").capacity.added, 0);
    }

    #[test]
    fn new_gpu_agents_hold_no_tasks_that_are_not_gpu_aware_h5() {
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 8, resources(1, 100));
        let packed = headroom(&cluster.snapshot(), "new_agent = { cpus = 4, mem = 14000, gpus = 1 }");
        assert_eq!((packed.capacity.added, packed.clause), (0, Clause::H5));
        assert_eq!(reason(&packed).unplaceable[0].obstacles, [Obstacle::KeptOffGpus]);
        assert_eq!(reason(&packed).unplaced, 1);
    }

    #[test]
    fn a_task_that_no_new_agent_holds_adds_none_h5() {
        // 6 cpus fit an agent of 8; a second such task finds none, and new agents have 4.
        let large = resources(6, 1_000);
        let cluster = Cluster::of(3, resources(4, 14_000)).and(2, resources(8, 14_000)).running("/l", 1, large);
        let one = headroom(&cluster.snapshot(), "application_headroom_percent = 100");
        assert_eq!((one.capacity.added, reason(&one).unplaceable.len()), (0, 0));
        let two = headroom(&cluster.queued("/m", 1, large).snapshot(), "application_headroom_percent = 100");
        assert_eq!((two.capacity.added, two.clause), (0, Clause::H5));
        assert_eq!(reason(&two).unplaced, 1);
        let too_large = Obstacle::TooLarge { kind: Kind::Cpus, needs: amount(6), has: amount(4) };
        let unplaceable = &reason(&two).unplaceable;
        assert!(unplaceable.iter().any(|entry| entry.obstacles == [too_large.clone()]), "{unplaceable:?}");
    }

    #[test]
    fn only_an_application_that_grows_is_unplaceable_for_growth_h5() {
        // Both have a task that fits no new agent; /b may grow by none.
        let cluster = Cluster::of(3, resources(4, 14_000)).and(2, resources(8, 14_000));
        let cluster = cluster.running("/a", 1, resources(6, 1_000)).running("/b", 1, resources(6, 1_000));
        let settings = "application_headroom_percent = 100\napplications.\"/b\".application_headroom_percent = 0";
        let headroom = headroom(&cluster.snapshot(), settings);
        let unplaceable = &reason(&headroom).unplaceable;
        let names: Vec<&str> = unplaceable.iter().map(|entry| entry.application.as_str()).collect();
        assert_eq!(names, ["/a"]);
    }

    #[test]
    fn tasks_of_several_sizes_are_named_by_the_largest_h4() {
        // 10 cpus are free, 1 or 2 on each agent; two tasks of 3 cpus and one of 4 are to grow.
        let cluster = Cluster::of(6, resources(5, 14_000));
        let cluster = cluster.running("/a", 4, resources(3, 100)).running("/b", 2, resources(4, 100));
        let headroom = headroom(&cluster.snapshot(), "application_headroom_percent = 50");
        let Unfit::Some { count, of, largest, is_one_size, .. } = unfit_of(&headroom) else { panic!("{headroom:?}") };
        assert_eq!((*count, *of, *largest, *is_one_size), (3, 3, resources(4, 100), false));
    }

    #[test]
    fn the_only_agent_that_holds_a_large_task_is_kept_h4_h5() {
        // New agents have 4 cpus. The empty agent of 8 is the one place for a task of 6 more.
        let cluster = Cluster::of(3, resources(4, 14_000)).and(1, resources(8, 14_000));
        let cluster = cluster.running("/large", 1, resources(6, 1_000)).running("/small", 3, resources(2, 1_000));
        let snapshot = cluster.and(1, resources(8, 14_000)).snapshot();
        let settings = "application_headroom_percent = 0\napplications.\"/large\".application_headroom_percent = 100";
        let kept = headroom_without(1, &snapshot, settings);
        assert_eq!(
            (kept.capacity.removed, kept.capacity.added, reason(&kept).unplaceable.len()),
            (0, 0, 0),
            "{}",
            kept.reason
        );
        let removed = headroom_without(1, &snapshot, "application_headroom_percent = 0");
        assert_eq!((removed.capacity.removed, removed.clause), (1, Clause::H3), "{}", removed.reason);
    }

    #[test]
    fn an_agent_is_kept_for_remainders_of_a_kind_new_agents_lack_h4_h5() {
        // New agents have no disk. Of five applications each is to grow by four fifths of a task of 9 disk: 36. Two
        // agents have 10 free each, the third is empty.
        let disk = |amount: u64, rest| Resources { disk: Amount::from_thousandths(1000 * amount), ..rest };
        let mut cluster = Cluster::of(2, disk(100, resources(4, 14_000)));
        for name in ["/a", "/b", "/c", "/d", "/e"] {
            cluster = cluster.running(name, 4, disk(9, Resources::ZERO));
        }
        let settings = "application_headroom_percent = 20\nnew_agent = { cpus = 4, mem = 14000 }";
        let short = headroom(&cluster.snapshot(), settings);
        assert_eq!((short.capacity.added, short.clause), (0, Clause::H5), "{}", short.reason);
        assert_eq!(reason(&short).lack, Some(Lack::Kinds(vec![(Kind::Disk, amount(16))])));
        let snapshot = cluster.and(1, disk(100, resources(4, 14_000))).snapshot();
        let kept = headroom_without(1, &snapshot, settings);
        assert_eq!((kept.capacity.removed, kept.capacity.added), (0, 0), "{}", kept.reason);
    }

    #[test]
    fn whole_gpu_aware_tasks_count_in_the_total_h3() {
        // Two full agents. A task of 3 cpus and five halves of one: 5.5 cpus are two agents.
        let mut cluster = Cluster::of(2, resources(4, 14_000)).gpu_aware(&["/g"]).running("/g", 1, resources(3, 100));
        for name in ["/a", "/b", "/c", "/d", "/e"] {
            cluster = cluster.running(name, 1, resources(1, 100));
        }
        let settings = "application_headroom_percent = 50\napplications.\"/g\".application_headroom_percent = 100";
        assert_eq!(headroom(&cluster.snapshot(), settings).capacity.added, 2);
    }

    #[test]
    fn displaced_tasks_may_move_to_an_empty_agent_d3() {
        // The task of the agent that drains has room on either of the two empty ones.
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/a", 1, resources(3, 1_000));
        let snapshot = cluster.with_state(0, AgentState::Draining).snapshot();
        let policy = policy("").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        assert!(pool.headroom().moved_tasks_have_room(&pool, 1));
        assert!(!pool.headroom().moved_tasks_have_room(&pool, 2));
    }

    #[test]
    fn tasks_of_which_there_are_none_need_nothing_h1() {
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).running("/a", 2, resources(1, 1_000)).snapshot();
        snapshot.applications[0].tasks.push(TaskGroup { count: 0, resources: resources(9, 1_000) });
        assert_eq!(reason(&headroom(&snapshot, "application_headroom_percent = 10")).unplaceable, []);
    }

    #[test]
    fn displaced_tasks_are_placed_first_and_whole_h1_h3() {
        // The leaving agent's task of 3 cpus fits none of three agents with 2 free.
        let cluster = Cluster::of(4, resources(4, 14_000)).running("/a", 3, resources(2, 100)).running(
            "/b",
            1,
            resources(3, 100),
        );
        let cluster = cluster.with_state(3, AgentState::Draining);
        let packed = headroom(&cluster.snapshot(), "application_headroom_percent = 0");
        assert_eq!((packed.capacity.added, packed.application.as_deref()), (1, Some("/b")));
        let Unfit::Some { count: 1, of: 1, .. } = unfit_of(&packed) else { panic!("{packed:?}") };
        assert_eq!(cpus(&packed), (amount(3), amount(6)));
    }

    #[test]
    fn a_queued_pod_is_placed_on_one_agent_h3() {
        // A pod of two tasks of 2 cpus; two agents have 2 free each.
        let mut snapshot = Cluster::of(2, resources(4, 14_000))
            .running("/a", 2, resources(2, 100))
            .queued("/pod", 1, resources(2, 100))
            .snapshot();
        let pod = snapshot.applications.iter_mut().find(|application| application.name == "/pod").unwrap();
        pod.queued_tasks[0].count = 2;
        assert_eq!(headroom(&snapshot, "application_headroom_percent = 0").capacity.added, 1);
    }

    #[test]
    fn tasks_that_no_agent_could_hold_keep_theirs_d3() {
        // All agents but one are smaller than the one task of 6 cpus, and new ones too. It runs beside a reservation.
        let mut large = Cluster::default().and_reserved(1, resources(8, 14_000), resources(6, 1_000));
        let spec = TaskSpec { application: "/a".to_owned(), resources: resources(6, 1_000) };
        let framework = large.framework_of("/a");
        large.start_on(0, framework, spec, cluster::NOON).unwrap();
        let cluster = large.and(3, resources(4, 14_000));
        let mut cluster = cluster.running("/b", 8, resources(1, 2_000));
        let policy = policy("new_agent = { cpus = 4, mem = 14000 }").unwrap();
        let others = cluster.snapshot();
        let names_large = |agent: &Candidate| agent.tasks.iter().any(|group| group.resources == resources(6, 1_000));
        assert!(!Pool::new(&others, &policy).removable(4).any(&names_large), "others may go");
        (1..4).for_each(|agent| cluster.protect(agent));
        let snapshot = cluster.snapshot();
        let pool = Pool::new(&snapshot, &policy);
        let first_with_large = (1..=4).find(|removed| pool.removable(*removed).any(&names_large));
        let removed = first_with_large.unwrap();
        assert!(!pool.headroom().moved_tasks_have_room(&pool, removed));
        assert!(!pool.has_place(&resources(6, 1_000), false), "H leaves it out");
    }

    #[test]
    fn an_agent_is_removed_only_if_its_tasks_fit_single_agents_d3() {
        // Three agents of 4 cpus run 1, 3 and 3: in total 2 are free for the 1.
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/a", 2, resources(3, 100)).running(
            "/b",
            1,
            resources(1, 100),
        );
        let (snapshot, policy) = (cluster.snapshot(), policy("").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        assert!(pool.headroom().moved_tasks_have_room(&pool, 1));
        assert!(!pool.headroom().moved_tasks_have_room(&pool, 2));
    }
}
