//! A, through many runs: no belief about new agents makes the pool grow without end, and a change of the instance type is
//! found out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test panics")]

mod support;

use std::collections::BTreeMap;

use cluster::{Agent, Capacity, Cluster, NOON, TaskSpec, policy, resources};
use jiff::SignedDuration;
use node_process::decide;
use proptest::prelude::*;
use shared::contract::{AgentState, ClusterSnapshot, LatestAgent};
use shared::resources::Resources;
use support::ticks::Pool;

/// A pool of so many agents, which registered so many minutes ago.
fn cluster(agents: u32, has: &Capacity, minutes: i64) -> Cluster {
    let mut cluster = Cluster::default();
    for number in 0..agents {
        let name = format!("old-{number}");
        let since = NOON - SignedDuration::from_mins(minutes);
        cluster.register(Agent::new(number, name.clone(), name, "10.0.0.1", has.clone(), since));
    }
    cluster
}

/// The same, all of it reserved for another role.
fn reserved(resources: Resources) -> Capacity {
    Capacity { reserved: BTreeMap::from([("other".to_owned(), resources)]), ..Capacity::of(resources) }
}

fn settings(new_agent: Option<(u64, u64)>) -> String {
    let setting = new_agent.map(|(cpus, mem)| format!("new_agent = {{ cpus = {cpus}, mem = {mem} }}"));
    format!("application_headroom_percent = 0\nmin = 0\nmax = 50\n{}", setting.unwrap_or_default())
}

fn instance((cpus, mem): (u64, u64)) -> TaskSpec {
    TaskSpec { application: "/db/big".to_owned(), resources: resources(cpus, mem) }
}

fn shape() -> impl Strategy<Value = (u64, u64)> {
    (1_u64..9, 1_000_u64..16_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A: an instance that no agent of the group holds buys no more than shows that.
    #[test]
    fn a_wrong_belief_does_not_grow_the_pool_without_end(
        (believed, has, had, task) in (prop::option::of(shape()), shape(), shape(), shape()),
        (is_reserved, agents, minutes) in (any::<bool>(), 0_u32..5, 1_i64..200), (queued, boot) in (1_u32..5, 1_i64..6),
    ) {
        let capacity = |(cpus, mem)| Capacity::of(resources(cpus, mem));
        let truth = if is_reserved { reserved(resources(has.0, has.1)) } else { capacity(has) };
        let policy = policy(&settings(believed)).unwrap();
        let fits = !is_reserved && task.0 <= has.0 && task.1 <= has.1;
        let mut pool = Pool::new(cluster(agents, &capacity(had), minutes), truth, instance(task), queued, boot);
        for _ in 0..50 {
            pool.tick(&policy);
        }
        // One for each instance, three that refute the belief, and one that is tried after an hour.
        let most = queued as usize + 3 + 1;
        prop_assert!(pool.launched <= most || fits, "{} launched, {} queued", pool.launched, pool.queued);
        prop_assert!(pool.launched <= 2 * most, "{} launched, {} queued", pool.launched, pool.queued);
    }

    /// A: an operator who changes the instance type, and `new_agent` with it, gets what he asks for.
    #[test]
    fn a_new_instance_type_is_found_out(
        had in (1_u64..5, 1_000_u64..8_000), more in (1_u64..4, 1_000_u64..8_000), agents in 1_u32..5, queued in 1_u32..5,
        boot in 1_i64..6,
    ) {
        let has = (had.0 + more.0, had.1 + more.1);
        let old = cluster(agents, &Capacity::of(resources(had.0, had.1)), 61);
        let policy = policy(&settings(Some(has))).unwrap();
        let mut pool = Pool::new(old, Capacity::of(resources(has.0, has.1)), instance(has), queued, boot);
        for _ in 0..50 {
            pool.tick(&policy);
        }
        // The instances fill their agents, and U keeps a fifth of the pool free.
        prop_assert_eq!(pool.queued, 0);
        prop_assert!(pool.launched <= 2 * queued as usize, "{} launched", pool.launched);
    }
}

/// Without a setting, the most common shape is believed. Removing one of the new agents would make the older one count again.
#[test]
fn a_queue_that_only_an_older_agent_holds_buys_no_agent_again_and_again_a() {
    let old = cluster(1, &Capacity::of(resources(1, 11_565)), 1);
    let mut pool = Pool::new(old, reserved(resources(5, 2_545)), instance((1, 1_000)), 2, 1);
    for _ in 0..50 {
        pool.tick(&policy(&settings(None)).unwrap());
    }
    assert_eq!((pool.launched, pool.queued), (2, 1));
}

#[test]
fn a_setting_of_the_nominal_memory_is_corrected_a() {
    let (nominal, has) = ((4, 16_384), (4, 14_861));
    let policy = policy(&settings(Some(nominal))).unwrap();
    let truth = Capacity::of(resources(has.0, has.1));
    let mut pool = Pool::new(cluster(3, &truth, 5), truth, instance((1, 15_500)), 1, 2);
    let decision = pool.tick(&policy);
    assert!(decision.delta <= 0, "{decision:#?}");
    assert_eq!(
        decision.unplaceable[0].reason,
        "needs 15500 MB mem; a new agent should have 16384 MB, but those that registered last have 14861 MB"
    );
    let note = "new_agent says 16384 MB mem, but the agents that registered last have 14861 MB mem without reservations; a new agent counts with that; correct new_agent";
    assert_eq!(decision.notes, [note]);
    for _ in 0..200 {
        pool.tick(&policy);
    }
    // One may be tried in each hour.
    assert!((1..=3).contains(&pool.launched), "{}", pool.launched);
}

#[test]
fn agents_that_are_all_reserved_buy_no_more_of_them_a() {
    let truth = reserved(resources(4, 14_000));
    let policy = policy(&settings(Some((4, 14_000)))).unwrap();
    let mut pool = Pool::new(cluster(3, &truth, 5), truth, instance((1, 1_000)), 4, 2);
    for _ in 0..50 {
        let decision = pool.tick(&policy);
        assert_eq!(decision.unplaceable.len(), 1, "{decision:#?}");
    }
    assert_eq!((pool.launched, pool.queued), (0, 4));
}

#[test]
fn what_shows_that_a_belief_is_wrong_stays_while_it_is_asked_a() {
    // New agents have 2287 MB, and the oldest 10446: each small one that left would make the large one count again.
    let policy = policy(&settings(Some((1, 11_144)))).unwrap();
    let (had, has) = (Capacity::of(resources(6, 10_446)), Capacity::of(resources(3, 2_287)));
    let mut pool = Pool::new(cluster(1, &had, 1), has, instance((1, 5_224)), 2, 1);
    for _ in 0..55 {
        pool.tick(&policy);
    }
    assert_eq!((pool.launched, pool.queued), (3, 1));
}

/// Idle agents of which none has registered for an hour, and an instance that only a larger one would hold.
fn waits_for_larger(cluster: Cluster) -> ClusterSnapshot {
    let has = resources(4, 14_861);
    let latest = LatestAgent {
        registered_at: NOON - SignedDuration::from_mins(61),
        total: has,
        unreserved: has,
        agent_id: "S3".to_owned(),
    };
    let mut snapshot = cluster.queued("/db/big", 1, resources(1, 15_500)).snapshot();
    snapshot.latest_agents = vec![latest];
    snapshot
}

#[test]
fn none_is_tried_while_an_agent_would_come_back_instead_a() {
    let cluster = Cluster::of(4, resources(4, 14_861));
    let policy = policy(&settings(Some((4, 16_384)))).unwrap();
    let delta = |cluster: Cluster| decide(&waits_for_larger(cluster), &policy, NOON).unwrap().delta;
    assert_eq!(delta(cluster.clone()), 1);
    // It would be reactivated, show nothing, and be closed again in the next run.
    assert!(delta(cluster.with_state(3, AgentState::Draining)) <= 0);
}

#[test]
fn an_agent_that_is_tried_keeps_no_others_d6() {
    let policy = policy(&settings(Some((4, 16_384)))).unwrap();
    let decision = decide(&waits_for_larger(Cluster::of(10, resources(4, 14_861))), &policy, NOON).unwrap();
    // The window would keep all ten for its length, hour after hour.
    assert_eq!((decision.delta, decision.needed), (1, Some(1)));
}

/// Only H keeps and adds agents.
const RELAXED: &str = "scale_up_threshold_percent = 100\nscale_down_threshold_percent = 99\nscale_down_margin = 0";

/// Every 50 runs one of the agents ends by itself, and the group replaces it: a Spot interruption.
fn replace_one(pool: &mut Pool, run: usize) {
    if !run.is_multiple_of(50) {
        return;
    }
    let oldest_new = pool.cluster.agents().filter(|agent| agent.capacity.total == pool.truth.total);
    let Some(number) = oldest_new.min_by_key(|agent| agent.registered_at).map(|agent| agent.number) else { return };
    pool.cluster.remove(number);
    let (number, name) = (1_000_000 + u32::try_from(run).unwrap(), format!("replaced-{run}"));
    pool.cluster.register(Agent::new(number, name.clone(), name, "10.2.0.1", pool.truth.clone(), pool.now));
}

/// What no agent holds anyway shows nothing by the agents that registered last, so they need not stay for it.
#[test]
fn agents_that_join_each_hour_stay_for_nothing_that_none_holds_a() {
    let small = Capacity::of(resources(4, 14_000));
    for setting in [None, Some((4, 14_000)), Some((4, 16_384))] {
        let mut pool = Pool::new(cluster(12, &small, 5), small.clone(), instance((64, 1_000)), 2, 2);
        for run in 1..=300 {
            pool.tick(&policy(&settings(setting)).unwrap());
            replace_one(&mut pool, run);
        }
        // H6: without a setting, the last one shows what an agent is.
        let most = usize::from(setting.is_none());
        assert!(pool.agents() <= most && pool.launched <= 2 * most, "{setting:?}: {} agents", pool.agents());
    }
}

/// Three stay at most, each for its own first hour.
#[test]
fn agents_that_join_each_hour_keep_no_others_a() {
    let (small, large) = (Capacity::of(resources(2, 7_000)), Capacity::of(resources(8, 28_000)));
    let mut old = cluster(1, &large, 600).running("/db/big", 1, resources(8, 28_000));
    for number in 0..12 {
        let (name, since) = (format!("small-{number}"), NOON - SignedDuration::from_mins(5));
        old.register(Agent::new(100 + number, name.clone(), name, "10.0.1.1", small.clone(), since));
    }
    let mut pool = Pool::new(old, small, instance((8, 28_000)), 1, 2);
    let mut most = 0;
    for run in 1..=600 {
        pool.tick(&policy(&format!("{}\n{RELAXED}", settings(None))).unwrap());
        replace_one(&mut pool, run);
        if run > 200 {
            most = most.max(pool.agents());
        }
    }
    assert!(most <= 1 + 3 && pool.launched <= 10, "{most} agents, {} launched", pool.launched);
}

/// Old agents with a task each that fills them with memory, of which U knows nothing, some of them drained or deactivated; and new
/// agents that are too small for it. How many new ones are launched in the first hour, and in the ten after it.
fn launched(agents: u32, leaving: Option<(u32, AgentState)>, queued: u32, percent: u32) -> (usize, usize) {
    let task = (1, 20_000);
    let mut old = cluster(agents, &Capacity::of(resources(8, 28_000)), 600);
    old = old.running("/db/big", usize::try_from(agents).unwrap(), resources(task.0, task.1));
    for number in 0..leaving.map_or(0, |(leaving, _)| leaving) {
        old = old.with_state(number, leaving.unwrap().1);
    }
    let settings =
        format!("min = 0\nmax = 50\nresources = [\"cpus\"]\napplication_headroom_percent = {percent}\n{RELAXED}");
    let policy = policy(&settings).unwrap();
    let mut pool = Pool::new(old, Capacity::of(resources(2, 7_000)), instance(task), queued, 2);
    let mut first = 0;
    for run in 1..=11 * 60 {
        pool.tick(&policy);
        if run == 60 {
            first = pool.launched;
        }
    }
    (first, pool.launched - first)
}

#[test]
fn what_only_an_older_agent_holds_buys_no_agent_again_and_again_a() {
    let (draining, closed) = (AgentState::Draining, AgentState::Deactivated);
    for (agents, leaving, queued, percent) in [
        (2, Some((1, draining)), 0, 0),
        (2, Some((1, closed)), 0, 0),
        (3, Some((2, closed)), 0, 0),
        (1, None, 1, 0),
        (2, None, 1, 0),
        (1, None, 0, 50),
        (2, None, 0, 50),
        (2, Some((1, draining)), 1, 50),
    ] {
        let (first, later) = launched(agents, leaving, queued, percent);
        // In each hour one may be tried.
        assert!(first <= 3 && later <= 10, "{agents} {leaving:?} {queued} {percent}: {first}, then {later}");
    }
}
