//! H3: whole tasks on single agents.
//!
//! Tasks are counted by size and agents by what they have free; many equal tasks go to many equal agents at a time. So
//! the cost follows from how many different ones there are.

mod bin_index;
mod bins;
mod demand;
mod existing_agents;
mod plan;
#[cfg(test)]
mod quality;
mod vector;

use shared::clause::Clause;

use super::capacity::{Capacity, Pool, agent_count, counted, step};
use super::headroom::{self, Headroom, Need};
use super::sum::{self, Balance};
use demand::{Demand, Tasks};
use existing_agents::ExistingAgents;
use plan::Plan;

/// D3: whether all tasks that must move when so many agents leave have room on the agents that stay, as they are.
pub(super) fn moved_tasks_have_room(pool: &Pool<'_>, capacity: &Capacity) -> bool {
    let demand = Demand::new(pool, &[]);
    let (displaced, _) = demand.displaced(pool, capacity);
    let mut existing = ExistingAgents::new(pool, capacity.removed);
    displaced.iter().all(|tasks| existing.place_anywhere(tasks) == 0)
}

/// H3, H4, H5.
pub(super) fn make_room(pool: &Pool<'_>, before: Capacity, needs: &[Need<'_>]) -> Headroom {
    let demand = Demand::new(pool, needs);
    let whole = Plan::new(pool, &demand, &pool.observed());
    // An agent stays out only where all is placed without it, and was without those before it: first fit may by chance
    // place on fewer agents what it could not on more.
    let mut plan = None;
    let mut failed = None;
    let mut removed = 0;
    while removed < before.removed && whole.missing() == 0 {
        let fewer = pool.capacity(removed + 1, 0);
        let is_placed = |plan: &Plan<'_>| plan.missing() == 0 && plan.places_as_much_as(&whole);
        let next = Plan::new(pool, &demand, &fewer);
        // Wherever its tasks go, it must not take a new agent afterwards.
        let moved = Plan::when_moved(pool, &demand, &fewer);
        if !is_placed(&next) || !is_placed(&moved) {
            failed = Some(if is_placed(&next) { (moved, true) } else { (next, false) });
            break;
        }
        plan = Some(next);
        removed += 1;
    }
    let plan = plan.unwrap_or(whole);
    let after = pool.capacity(removed, agent_count(plan.missing().into()));
    HeadroomReport {
        pool,
        needs,
        demand: &demand,
        plan: &plan,
        failed: failed.as_ref().map(|(plan, has_moved)| (plan, *has_moved)),
        before,
        after,
    }
    .headroom()
}

/// What is said of it.
struct HeadroomReport<'a, 'b> {
    pool: &'b Pool<'a>,
    needs: &'b [Need<'a>],
    demand: &'b Demand<'a>,
    plan: &'b Plan<'a>,
    /// What is not placed where one agent fewer is taken back, and whether that is after displaced tasks have moved.
    failed: Option<(&'b Plan<'a>, bool)>,
    before: Capacity,
    after: Capacity,
}

impl<'a> HeadroomReport<'a, '_> {
    fn headroom(&self) -> Headroom {
        let pool = self.pool;
        let short = self.balances(&pool.capacity(self.after.removed, 0));
        let binding = sum::binding(pool, &self.balances(&self.before), &short);
        // How many agents the total alone asks for, and whether it takes one back.
        let for_total = short.iter().filter_map(|balance| balance.agents(pool.new_agent)).max().unwrap_or_default();
        let one_fewer = self.balances(&pool.capacity(self.after.removed + 1, 0));
        let is_by_tasks = u128::from(self.after.added) > for_total;
        let is_kept_by_tasks = self.failed.is_some() && one_fewer.iter().all(|balance| balance.missing() == 0);

        let mut reason = sum::summary(pool, binding);
        let decisive = if is_by_tasks { Some((self.plan, false)) } else { self.failed.filter(|_| is_kept_by_tasks) };
        if let Some((plan, has_moved)) = decisive {
            let when = if has_moved { " where moved tasks spread" } else { "" };
            reason.push_str(&format!(", but{when} {}", unplaced(plan)));
        } else if self.plan.tasks > 0 && self.before.agents == self.after.agents && self.plan.unplaceable.is_empty() {
            let verb = if self.plan.tasks == 1 { "has" } else { "have" };
            reason.push_str(&format!("; {} {verb} room on single agents", counted(self.plan.tasks, "whole task")));
        }
        reason.push_str(&sum::change(&self.before, &self.after));
        if is_by_tasks {
            let asks = if for_total == 0 { "none".to_owned() } else { for_total.to_string() };
            reason.push_str(&format!("; the total alone asks for {asks}"));
        }
        let unplaceable = self.plan.unplaceable.iter().map(|(_, count)| *count).fold(0, u64::saturating_add);
        if unplaceable > 0 {
            let verb = if unplaceable == 1 { "has" } else { "have" };
            reason.push_str(&format!("; {} that no new agent could hold {verb} no room", counted(unplaceable, "task")));
        }
        reason.push_str(&sum::lack(pool, &self.lacking(&short)));
        reason.push_str(&sum::left_out(self.needs));
        let mut step = step(self.clause(), self.before.agents, self.after.agents, reason);
        step.application = match decisive.and_then(|(plan, _)| first_unplaced(plan)) {
            Some(tasks) => tasks.application.map(|application| application.name.clone()),
            None => binding.and_then(|binding| sum::neediest(self.needs, binding.kind)),
        };
        let unplaceable = headroom::unplaceable(self.needs, |need| self.obstacles(need, &short));
        Headroom { capacity: self.after, step, unplaceable }
    }

    fn clause(&self) -> Clause {
        if self.plan.has_unplaceable() {
            Clause::H5
        } else if self.before.agents != self.after.agents {
            Clause::H4
        } else if self.pool.agents() == 0 {
            Clause::H6
        } else {
            Clause::H3
        }
    }

    /// What is needed in total, with whole tasks where they are more than X % of the resources.
    fn balances(&self, capacity: &Capacity) -> [Balance; 4] {
        let mut sums = sum::sums(self.needs);
        sums.iter_mut().zip(self.demand.growth).for_each(|(sum, growth)| sum.growth = growth);
        sum::balances(&sums, capacity)
    }

    /// H5: the kinds that are short and that new agents do not bring.
    fn lacking(&self, short: &[Balance; 4]) -> Vec<Balance> {
        let lacking = short.iter().zip(self.plan.lacking).filter(|(_, missing)| *missing > 0);
        lacking.map(|(balance, _)| *balance).collect()
    }

    fn obstacles(&self, need: &Need<'a>, short: &[Balance; 4]) -> Vec<String> {
        let lacking = self.lacking(short);
        let mut obstacles = sum::obstacles(self.pool, need, &lacking);
        for (unplaceable, _) in &self.plan.unplaceable {
            let is_of_it = need.application.gpu_aware == unplaceable.is_gpu_aware
                && (need.instance == unplaceable.resources
                    || need.percent > 0 && need.tasks.iter().any(|group| group.resources == unplaceable.resources));
            // What new agents have nothing of has been named.
            let is_named = lacking.iter().any(|balance| !unplaceable.resources.get(balance.kind).is_zero());
            if is_of_it && !is_named {
                obstacles.extend(headroom::too_large(self.pool, &unplaceable.resources, unplaceable.is_gpu_aware));
            }
        }
        obstacles.sort();
        obstacles.dedup();
        obstacles
    }
}

/// The largest of the tasks that ask for an agent.
fn first_unplaced<'a>(plan: &Plan<'a>) -> Option<Tasks<'a>> {
    let first = |tasks: &[(Tasks<'a>, u64)]| tasks.first().map(|(tasks, _)| *tasks);
    plan.largest.or_else(|| first(&plan.left)).or_else(|| first(&plan.unplaceable))
}

/// Why it takes more agents than the total would.
fn unplaced(plan: &Plan<'_>) -> String {
    // What is enough in total, and places all tasks, is short where part of it is on agents with gpus.
    let Some(first) = first_unplaced(plan) else { return "part of it is on agents with gpus".to_owned() };
    if plan.largest.is_some() {
        return format!("no agent has room for the largest task ({})", first.resources);
    }
    let sum = |tasks: &[(Tasks<'_>, u64)]| tasks.iter().map(|(_, count)| *count).fold(0, u64::saturating_add);
    let (left, groups) =
        if plan.left.is_empty() { (&plan.unplaceable, plan.unplaceable.len()) } else { (&plan.left, plan.left.len()) };
    let left = sum(left);
    let (find, take) = if left == 1 { ("finds", "takes") } else { ("find", "take") };
    let size = if groups > 1 { format!("up to {}", first.resources) } else { first.resources.to_string() };
    let of = format!("{left} of {} ({size}) {find} no room", counted(plan.tasks, "whole task"));
    if plan.left.is_empty() {
        return of;
    }
    format!(
        "{of} on agents in use and {take} {} like a new one ({} there)",
        counted(plan.for_tasks, "empty agent"),
        plan.empty
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::{AgentState, ClusterSnapshot, TaskGroup};
    use shared::resources::{Amount, Resources};

    fn headroom(snapshot: &ClusterSnapshot, settings: &str) -> Headroom {
        headroom_without(0, snapshot, settings)
    }

    /// After D took out so many agents.
    fn headroom_without(removed: usize, snapshot: &ClusterSnapshot, settings: &str) -> Headroom {
        let policy = policy(settings).unwrap();
        let pool = Pool::new(snapshot, &policy);
        headroom::make_room(&pool, pool.capacity(removed, 0))
    }

    fn gpus(gpus: u64, resources: Resources) -> Resources {
        Resources { gpus: Amount::from_thousandths(1000 * gpus), ..resources }
    }

    #[test]
    fn free_parts_that_are_each_too_small_are_no_room() {
        // H3, H4: ten agents of 4 cpus with 3 used each: 10 free, and the application is to grow by 1 task of 3.
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/a", 10, resources(3, 1_000));
        let packed = headroom(&cluster.snapshot(), "");
        assert_eq!((packed.capacity.added, packed.step.clause.name()), (1, "H4"));
        assert_eq!(
            packed.step.reason,
            "every application may grow by 10 %: needs 3 cpus, 10 free, but 1 of 1 whole task (3 cpus, 1000 mem) finds no \
             room on agents in use and takes 1 empty agent like a new one (0 there): adds 1 agent; the total alone asks for none"
        );
        assert_eq!(packed.step.application.as_deref(), Some("/a"));
        assert_eq!(headroom(&cluster.snapshot(), "headroom_placement = \"sum\"").capacity.added, 0);
    }

    #[test]
    fn an_empty_agent_that_is_there_counts_as_one_that_would_be_added() {
        // H3
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/a", 10, resources(3, 1_000));
        let packed = headroom(&cluster.clone().and(1, resources(4, 14_000)).snapshot(), "");
        assert_eq!((packed.capacity.added, packed.step.clause.name()), (0, "H3"));
        // Two tasks of 3 take two.
        let twice = "application_headroom_percent = 20";
        assert_eq!(headroom(&cluster.and(1, resources(4, 14_000)).snapshot(), twice).capacity.added, 1);
    }

    #[test]
    fn the_largest_task_of_an_application_must_have_room_once_more() {
        // H3: 10 % of 5 tasks are none, and 10 free cpus are enough in total. But no agent has 3 free.
        let cluster = Cluster::of(5, resources(5, 14_000)).running("/a", 5, resources(3, 1_000));
        let packed = headroom(&cluster.snapshot(), "");
        assert_eq!(packed.capacity.added, 1);
        assert!(
            packed
                .step
                .reason
                .contains("10 free, but no agent has room for the largest task (3 cpus, 1000 mem): adds 1"),
            "{}",
            packed.step.reason
        );
        assert_eq!(headroom(&cluster.and(1, resources(5, 14_000)).snapshot(), "").capacity.added, 0);
    }

    #[test]
    fn remainders_must_be_free_in_total_after_whole_tasks_are_placed() {
        // H3: of 15 tasks of 1 cpu one is whole and half a cpu remains: 1.5 cpus, with 1 free it takes an agent.
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
    fn agents_with_gpus_are_no_room_for_those_that_do_not_know_of_gpus() {
        // H3: the agent with gpus is empty.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 8, resources(1, 100));
        let cluster = cluster.and(1, gpus(2, resources(8, 14_000)));
        assert_eq!(headroom(&cluster.snapshot(), "").capacity.added, 1);
        assert_eq!(headroom(&cluster.gpu_aware(&["/a"]).snapshot(), "").capacity.added, 0);
    }

    #[test]
    fn new_agents_with_gpus_are_none_either() {
        // H5
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 8, resources(1, 100));
        let packed = headroom(&cluster.snapshot(), "new_agent = { cpus = 4, mem = 14000, gpus = 1 }");
        assert_eq!((packed.capacity.added, packed.step.clause.name()), (0, "H5"));
        assert!(packed.unplaceable[0].reason.starts_with("new agents have gpus"), "{:?}", packed.unplaceable);
        let reason = packed.step.reason;
        assert!(reason.ends_with("1 task that no new agent could hold has no room"), "{reason}");
    }

    #[test]
    fn a_task_that_fits_only_agents_there_are_buys_none_and_is_reported() {
        // H5: 6 cpus fit an agent of 8; a second such task finds none, and new agents have 4.
        let large = resources(6, 1_000);
        let cluster = Cluster::of(3, resources(4, 14_000)).and(2, resources(8, 14_000)).running("/l", 1, large);
        let one = headroom(&cluster.snapshot(), "application_headroom_percent = 100");
        assert_eq!((one.capacity.added, one.unplaceable.len()), (0, 0));
        let two = headroom(&cluster.queued("/m", 1, large).snapshot(), "application_headroom_percent = 100");
        assert_eq!((two.capacity.added, two.step.clause.name()), (0, "H5"));
        assert!(two.step.reason.contains("1 task that no new agent could hold has no room"), "{}", two.step.reason);
        assert!(
            two.unplaceable.iter().any(|entry| entry.reason == "needs 6 cpus, a new agent has 4"),
            "{:?}",
            two.unplaceable
        );
    }

    #[test]
    fn only_an_application_that_is_to_grow_is_reported_for_its_growth() {
        // H5: both have a task that fits no new agent; /b may grow by none.
        let cluster = Cluster::of(3, resources(4, 14_000)).and(2, resources(8, 14_000));
        let cluster = cluster.running("/a", 1, resources(6, 1_000)).running("/b", 1, resources(6, 1_000));
        let settings = "application_headroom_percent = 100\napplications.\"/b\".application_headroom_percent = 0";
        let unplaceable = headroom(&cluster.snapshot(), settings).unplaceable;
        let names: Vec<&str> = unplaceable.iter().map(|entry| entry.application.as_str()).collect();
        assert_eq!(names, ["/a"]);
    }

    #[test]
    fn tasks_of_several_sizes_are_told_by_the_largest() {
        // H4: 10 cpus are free, 1 or 2 on each agent; two tasks of 3 cpus and one of 4 are to grow.
        let cluster = Cluster::of(6, resources(5, 14_000));
        let cluster = cluster.running("/a", 4, resources(3, 100)).running("/b", 2, resources(4, 100));
        let reason = headroom(&cluster.snapshot(), "application_headroom_percent = 50").step.reason;
        assert!(reason.contains("3 of 3 whole tasks (up to 4 cpus, 100 mem) find no room"), "{reason}");
    }

    #[test]
    fn an_agent_comes_back_that_alone_has_room_for_what_no_new_one_could_hold() {
        // H4, H5: new agents have 4 cpus. The empty agent of 8 is the one place for a task of 6 more.
        let cluster = Cluster::of(3, resources(4, 14_000)).and(1, resources(8, 14_000));
        let cluster = cluster.running("/large", 1, resources(6, 1_000)).running("/small", 3, resources(2, 1_000));
        let snapshot = cluster.and(1, resources(8, 14_000)).snapshot();
        let settings = "application_headroom_percent = 0\napplications.\"/large\".application_headroom_percent = 100";
        let kept = headroom_without(1, &snapshot, settings);
        assert_eq!(
            (kept.capacity.removed, kept.capacity.added, kept.unplaceable.len()),
            (0, 0, 0),
            "{}",
            kept.step.reason
        );
        let gone = headroom_without(1, &snapshot, "application_headroom_percent = 0");
        assert_eq!((gone.capacity.removed, gone.step.clause.name()), (1, "H3"), "{}", gone.step.reason);
    }

    #[test]
    fn an_agent_comes_back_for_parts_of_tasks_of_a_kind_that_new_ones_lack() {
        // H4, H5: new agents have no disk. Of five applications each is to grow by four fifths of a task of 9 disk: 36. Two
        // agents have 10 free each, the third is empty.
        let disk = |amount: u64, rest| Resources { disk: Amount::from_thousandths(1000 * amount), ..rest };
        let mut cluster = Cluster::of(2, disk(100, resources(4, 14_000)));
        for name in ["/a", "/b", "/c", "/d", "/e"] {
            cluster = cluster.running(name, 4, disk(9, Resources::ZERO));
        }
        let settings = "application_headroom_percent = 20\nnew_agent = { cpus = 4, mem = 14000 }";
        let short = headroom(&cluster.snapshot(), settings);
        assert_eq!((short.capacity.added, short.step.clause.name()), (0, "H5"), "{}", short.step.reason);
        assert!(
            short.step.reason.contains("16 more disk would be needed, a new agent has none"),
            "{}",
            short.step.reason
        );
        let snapshot = cluster.and(1, disk(100, resources(4, 14_000))).snapshot();
        let kept = headroom_without(1, &snapshot, settings);
        assert_eq!((kept.capacity.removed, kept.capacity.added), (0, 0), "{}", kept.step.reason);
    }

    #[test]
    fn whole_tasks_of_those_that_know_of_gpus_count_in_the_total_too() {
        // H3: two full agents. A task of 3 cpus and five halves of one: 5.5 cpus are two agents.
        let mut cluster = Cluster::of(2, resources(4, 14_000)).gpu_aware(&["/g"]).running("/g", 1, resources(3, 100));
        for name in ["/a", "/b", "/c", "/d", "/e"] {
            cluster = cluster.running(name, 1, resources(1, 100));
        }
        let settings = "application_headroom_percent = 50\napplications.\"/g\".application_headroom_percent = 100";
        assert_eq!(headroom(&cluster.snapshot(), settings).capacity.added, 2);
    }

    #[test]
    fn what_is_displaced_may_move_to_an_empty_agent() {
        // D3: the task of the agent that drains has room on either of the two empty ones.
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/a", 1, resources(3, 1_000));
        let snapshot = cluster.with_state(0, AgentState::Draining).snapshot();
        let policy = policy("").unwrap();
        let pool = Pool::new(&snapshot, &policy);
        assert!(moved_tasks_have_room(&pool, &pool.capacity(1, 0)));
        assert!(!moved_tasks_have_room(&pool, &pool.capacity(2, 0)));
    }

    #[test]
    fn tasks_of_which_there_are_none_need_nothing() {
        // H1
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).running("/a", 2, resources(1, 1_000)).snapshot();
        snapshot.applications[0].tasks.push(TaskGroup { count: 0, resources: resources(9, 1_000) });
        assert_eq!(headroom(&snapshot, "application_headroom_percent = 10").unplaceable, []);
    }

    #[test]
    fn displaced_tasks_are_placed_first_and_whole() {
        // H1, H3: the leaving agent's task of 3 cpus fits none of three agents with 2 free.
        let cluster = Cluster::of(4, resources(4, 14_000)).running("/a", 3, resources(2, 100)).running(
            "/b",
            1,
            resources(3, 100),
        );
        let cluster = cluster.with_state(3, AgentState::Draining);
        let packed = headroom(&cluster.snapshot(), "application_headroom_percent = 0");
        assert_eq!((packed.capacity.added, packed.step.application.as_deref()), (1, Some("/b")));
        assert!(
            packed
                .step
                .reason
                .starts_with("displaced tasks must have room: needs 3 cpus, 6 free, but 1 of 1 whole task")
        );
    }

    #[test]
    fn what_waits_is_placed_with_all_its_tasks_on_one_agent() {
        // H3: a pod of two tasks of 2 cpus; two agents have 2 free each.
        let mut snapshot = Cluster::of(2, resources(4, 14_000))
            .running("/a", 2, resources(2, 100))
            .queued("/pod", 1, resources(2, 100))
            .snapshot();
        let pod = snapshot.applications.iter_mut().find(|application| application.name == "/pod").unwrap();
        pod.queued_tasks[0].count = 2;
        assert_eq!(headroom(&snapshot, "application_headroom_percent = 0").capacity.added, 1);
    }

    #[test]
    fn an_agent_stays_out_only_where_its_tasks_have_room_on_single_agents() {
        // D3: three agents of 4 cpus run 1, 3 and 3: in total 2 are free for the 1.
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/a", 2, resources(3, 100)).running(
            "/b",
            1,
            resources(1, 100),
        );
        let (snapshot, policy) = (cluster.snapshot(), policy("").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        assert!(moved_tasks_have_room(&pool, &pool.capacity(1, 0)));
        assert!(!moved_tasks_have_room(&pool, &pool.capacity(2, 0)));
    }
}
