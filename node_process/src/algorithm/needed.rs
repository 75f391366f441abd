//! D6, D7: the fewest agents that the rules need, and how many more a scale-down leaves.

use shared::config::Policy;
use shared::count::saturated;

use super::capacity::Pool;
use super::cpu;
use super::growth;
use super::headroom;
use super::numbers::last;
use super::scale_up;

/// D7: at most this part of the needed agents stays beyond them so that tasks may move.
const CROWDED_PART: u32 = 4;

/// D7: likewise, where agents are closed first by what has been learned: a closed one is reactivated without a boot.
const LEARNED_PART: u32 = 8;

/// D7: how many points of a percent earlier.
const POINTS: u32 = 10;

/// D7: no pool is idle above it, at any threshold.
const IDLE_PERCENT: u32 = 70;

/// D6: how many of the agents that can be removed H, U, and C do without.
pub(super) fn spare(pool: &Pool<'_>) -> usize {
    *pool.spare.get_or_init(|| find_spare(pool))
}

fn find_spare(pool: &Pool<'_>) -> usize {
    let queued = headroom::queued(pool);
    let by_percent = |removed| scale_up::does_without(pool, &queued, removed) && cpu::does_without(pool, removed);
    // U and C cost nothing to ask.
    let most = last(pool.spare_count(), by_percent);
    if most == 0 {
        return 0;
    }
    pool.headroom().spare(pool, most)
}

/// D7: how many agents beyond those that are needed stay, where so many are to be removed. None in a pool that is so idle
/// that the rules would not ask for more either if each of them asked ten points earlier.
pub(super) fn margin(pool: &Pool<'_>, removed: usize) -> u32 {
    let (margin, spare) = (pool.policy.scale_down.margin, spare(pool));
    // Where it makes no difference, the question is not asked.
    let asks = margin > 0 && spare > 0 && saturated(spare.saturating_sub(removed)) < margin;
    let is_idle = if asks { *pool.is_idle.get_or_init(|| is_idle(pool, spare)) } else { false };
    if is_idle { 0 } else { margin }
}

/// D7: how many of so many agents may go although tasks move: the headroom, ten points more, must find room on those that stay
/// wherever the frameworks put it. In an idle pool that makes no difference, nor where a quarter more than needed stay anyway, or an
/// eighth with what has been learned.
pub(super) fn without_crowding(pool: &Pool<'_>, removed: usize) -> usize {
    let spare = spare(pool);
    let needed = pool.capacity(spare, 0).agents;
    let part = if growth::replaces_threshold(pool) { LEARNED_PART } else { CROWDED_PART };
    let most = needed.saturating_add(needed.div_ceil(part));
    let free = usize::try_from(pool.agents().saturating_sub(most)).unwrap_or(usize::MAX);
    // Where all agents are needed, the rule that needs them says best why.
    if pool.policy.scale_down.margin == 0 || spare == 0 || removed <= free {
        return removed;
    }
    let policy = pool.policy.with(ask_earlier);
    let earlier = pool.asking_earlier(&policy, POINTS);
    let headroom = earlier.headroom();
    if !headroom.may_crowd() {
        return removed;
    }
    let stay_clear = last(removed, |removed| removed <= free || headroom.stays_clear(&earlier, removed));
    let is_idle = || *pool.is_idle.get_or_init(|| all_do_without(&earlier, spare));
    if stay_clear < removed && is_idle() { removed } else { stay_clear }
}

/// Whether no rule asks for one of the spare agents ten points earlier either.
fn is_idle(pool: &Pool<'_>, spare: usize) -> bool {
    let earlier = pool.policy.with(ask_earlier);
    all_do_without(&pool.asking_earlier(&earlier, POINTS), spare)
}

/// Whether neither U nor H asks for one of so many agents.
fn all_do_without(pool: &Pool<'_>, spare: usize) -> bool {
    let queued = headroom::queued(pool);
    scale_up::does_without(pool, &queued, spare) && pool.headroom().does_without(pool, spare)
}

/// Both rules that add agents would add them ten points earlier.
fn ask_earlier(policy: &mut Policy) {
    policy.headroom.percent = policy.headroom.percent.saturating_add(POINTS);
    for application in policy.applications.values_mut() {
        application.headroom_percent = application.headroom_percent.map(|percent| percent.saturating_add(POINTS));
    }
    let threshold = &mut policy.thresholds.scale_up_percent;
    *threshold = threshold.saturating_sub(POINTS).min(IDLE_PERCENT);
}

#[cfg(test)]
mod tests {
    use super::super::ruling::Rule;
    use super::*;
    use cluster::{Cluster, policy, resources};
    use proptest::prelude::*;
    use shared::contract::{ClusterSnapshot, CompletenessLevel, Growth};

    #[test]
    fn candidates_are_spared_until_a_rule_asks_for_more_d6() {
        let spared = |cluster: &Cluster, settings: &str| {
            let (snapshot, policy) = (cluster.snapshot(), policy(settings).unwrap());
            spare(&Pool::new(&snapshot, &policy))
        };
        // 30 agents run nothing, and 20 of them are candidates.
        assert_eq!(spared(&Cluster::of(30, resources(4, 14_000)), ""), 20);
        // 16 cpus used of 40: U needs 5 agents for 80 %, H for 100 % more of it 8.
        let cluster = Cluster::of(10, resources(4, 14_000)).running("/a", 16, resources(1, 100));
        assert_eq!(spared(&cluster, ""), 5);
        assert_eq!(spared(&cluster, "application_headroom_percent = 100"), 2);
        // Without min, max and steps it is the same.
        assert_eq!(spared(&cluster, "min = 9\nmax = 9\nmax_scale_down_step = 1"), 5);
        // Where the CPU utilization is not known, C keeps all.
        assert_eq!(spared(&cluster, "cpu_utilization = true"), 0);
    }

    #[test]
    fn a_decision_says_how_many_agents_are_needed_d6() {
        let decide = |snapshot: &ClusterSnapshot, settings: &str| {
            crate::decide(snapshot, &policy(settings).unwrap(), cluster::NOON).unwrap()
        };
        let mut snapshot = Cluster::of(10, resources(4, 14_000)).running("/a", 36, resources(1, 1_000)).snapshot();
        for (settings, delta, wanted) in
            [("", 2, 2), ("max_scale_up_step = 1", 1, 1 + 1), ("max = 11", 1, 1), ("max = 9", -1, 0)]
        {
            let decision = decide(&snapshot, settings);
            assert_eq!((decision.delta, decision.wanted, decision.needed), (delta, wanted, Some(12)), "{settings}");
        }
        snapshot.completeness.level = CompletenessLevel::Partial;
        let decision = decide(&snapshot, "max_scale_up_step = 1");
        assert_eq!((decision.delta, decision.wanted, decision.needed), (1, 2, None));
        snapshot.completeness.level = CompletenessLevel::Blind;
        assert_eq!((decide(&snapshot, "").wanted, decide(&snapshot, "").needed), (0, None));
    }

    #[test]
    fn no_pool_is_idle_above_70_percent_d7() {
        let settings = "scale_up_threshold_percent = 90\nscale_down_threshold_percent = 89\nmax_scale_down_step = 9";
        let decide = |tasks| {
            let snapshot = Cluster::of(10, resources(8, 28_000)).running("/a", tasks, resources(1, 1_000)).snapshot();
            let decision = crate::decide(&snapshot, &policy(settings).unwrap(), cluster::NOON).unwrap();
            (decision.needed, decision.target)
        };
        // 75% of five agents: ten points more of headroom have room, and 80% is not reached, but the margin stays.
        assert_eq!(decide(30), (Some(5), 6));
        // 63% of one agent.
        assert_eq!(decide(5), (Some(1), 1));
    }

    #[test]
    fn tasks_may_crowd_in_an_idle_pool_d7() {
        // Agents of 4 cpus; tasks, each (how many, cpus); headroom; how many agents leave.
        for (agents, tasks, percent, removed) in
            [(12, [(12, 1), (3, 3)], 50, 1), (12, [(12, 1), (3, 3)], 50, 3), (19, [(6, 2), (12, 1)], 25, 9)]
        {
            let cluster =
                (0..).zip(tasks).fold(Cluster::of(agents, resources(4, 14_000)), |cluster, (n, (count, cpus))| {
                    cluster.running(&format!("/a{n}"), count, resources(cpus, 100))
                });
            let settings = format!(
                "max_scale_down_step = 9\nscale_down_threshold_percent = 79\napplication_headroom_percent = {percent}"
            );
            let (snapshot, policy) = (cluster.snapshot(), policy(&settings).unwrap());
            let pool = Pool::new(&snapshot, &policy);
            assert_eq!(without_crowding(&pool, removed), removed, "{agents} {tasks:?}");
            let asking = policy.with(ask_earlier);
            let earlier = pool.asking_earlier(&asking, POINTS);
            assert!(!earlier.headroom().stays_clear(&earlier, removed), "{agents} {tasks:?}");
        }
    }

    #[test]
    fn the_cpu_utilization_tells_how_many_agents_are_needed_d6() {
        // Ten agents, nearly empty by what is allocated.
        let needed = |percent: f64| {
            let mut snapshot = Cluster::of(10, resources(4, 14_000)).running("/a", 4, resources(1, 100)).snapshot();
            snapshot.cpu_utilization_percent = Some(percent);
            let policy = policy("cpu_utilization = true").unwrap();
            crate::decide(&snapshot, &policy, cluster::NOON).unwrap().needed
        };
        // 20% of ten agents are 67% of three: above 60%, C would add one. Two are needed in any case.
        assert_eq!([10.0, 20.0, 30.0].map(needed), [Some(2), Some(4), Some(5)]);
    }

    #[test]
    fn crowding_keeps_a_quarter_or_with_what_is_learned_an_eighth_d7() {
        // Tasks of nine tenths of an agent, and small ones everywhere: hardly any number of agents is safe.
        let cluster = Cluster::of(30, resources(10, 35_000));
        let cluster = cluster.running("/small", 30, resources(1, 100)).running("/large", 13, resources(9, 100));
        let growth = Growth { demand: 175, grow: Some(64), samples: 1_000, ..Growth::default() };
        let snapshot = ClusterSnapshot { growth: Some(growth), ..cluster.snapshot() };
        let decide = |settings: &str| {
            let settings = format!("scale_up_threshold_percent = 90\nmax_scale_down_step = 30\n{settings}");
            let decision = crate::decide(&snapshot, &policy(&settings).unwrap(), cluster::NOON).unwrap();
            (decision.needed, decision.target)
        };
        assert_eq!(decide("learn = 95"), (Some(24), 24 + 3));
        let not_closed = "learn = 95\nscale_down_strategy = \"least_loaded\"\nscale_down_threshold_percent = 89";
        assert_eq!(decide(not_closed), (Some(24), 24 + 6));
    }

    #[test]
    fn a_cloudwatch_pool_needs_its_target_d6_l5() {
        let web = policy("source = \"cloudwatch\"\nmin = 3").unwrap();
        let of = |agents, percent| {
            let decision = crate::decide(&cluster::group_snapshot(agents, percent), &web, cluster::NOON).unwrap();
            (decision.delta, decision.wanted, decision.needed)
        };
        assert_eq!(of(5, Some(90.0)), (1, 1, Some(6)));
        assert_eq!(of(5, Some(10.0)), (-1, 0, Some(4)));
        assert_eq!(of(1, Some(50.0)), (1, 1, Some(2)), "one at a time, although min is 3");
        assert_eq!(of(5, None), (0, 0, None));
    }

    proptest! {
        /// D6: with the agents that are spared removed, no rule asks for one; with one more removed, some rule does.
        #[test]
        fn spared_agents_are_all_that_no_rule_asks_for_d6(
            agents in 0_usize..9, tasks in 0_usize..30, cpus in 1_u64..4, percent in 0_u32..150, sum in any::<bool>()
        ) {
            let cluster = Cluster::of(agents, resources(4, 14_000)).running("/a", tasks, resources(cpus, 100));
            let placement = if sum { "sum" } else { "pack" };
            let settings = format!("application_headroom_percent = {percent}\nheadroom_placement = \"{placement}\"");
            let (snapshot, policy) = (cluster.snapshot(), policy(&settings).unwrap());
            let pool = Pool::new(&snapshot, &policy);
            let rules: [Rule; 2] = [headroom::make_room, scale_up::scale_up];
            let is_accepted = |removed: usize| {
                let capacity = pool.capacity(removed, 0);
                rules.iter().all(|rule| rule(&pool, capacity).capacity == capacity)
            };
            let spared = spare(&pool);
            prop_assert!(spared == 0 || is_accepted(spared));
            prop_assert!(spared == pool.removable_count() || !is_accepted(spared + 1));
        }
    }
}
