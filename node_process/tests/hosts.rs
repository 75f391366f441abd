//! H12, through many runs: applications of which an agent holds only so many instances keep their agents, and get no more than
//! they need.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test panics")]

mod support;

use cluster::{Capacity, Cluster, NOON, TaskSpec, policy, resources};
use node_process::decide;
use proptest::prelude::*;
use shared::clause::Clause;
use support::milli;
use support::ticks::Pool;

const SETTINGS: &str = "application_headroom_percent = 0\nmin = 0\nmax = 50\nmax_scale_down_step = 100\nnew_agent = { cpus = 1, mem = 5000 }";

fn pool(agents: usize, queued: u32, max_per_agent: u32) -> Pool {
    let instance = TaskSpec { application: "/db".to_owned(), resources: milli(200, 200) };
    let new = resources(1, 5_000);
    let mut pool = Pool::new(Cluster::of(agents, new), Capacity::of(new), instance, queued, 2);
    pool.max_per_agent = Some(max_per_agent);
    pool
}

#[test]
fn eight_instances_of_at_most_two_on_an_agent_get_four_agents_h12() {
    let mut pool = pool(0, 8, 2);
    let first = pool.tick(&policy(SETTINGS).unwrap());
    assert_eq!(
        (first.delta, first.steps[1].clause, first.steps[1].application.as_deref()),
        (4, Clause::H4, Some("/db"))
    );
    for _ in 0..50 {
        pool.tick(&policy(SETTINGS).unwrap());
    }
    assert_eq!((pool.agents(), pool.queued, pool.launched), (4, 0, 4));
}

#[test]
fn four_unique_instances_keep_their_four_agents_h12() {
    let mut pool = pool(9, 4, 1);
    let policy = policy(SETTINGS).unwrap();
    pool.tick(&policy);
    for _ in 0..50 {
        let decision = pool.tick(&policy);
        assert!(decision.target >= 4, "{decision:#?}");
        assert_eq!(decision.needed, Some(4));
    }
    assert_eq!((pool.agents(), pool.queued, pool.launched), (4, 0, 0));
    let last = pool.tick(&policy);
    assert!(last.steps[0].reason.ends_with("/db needs 4 agents: 4 instances, at most 1 on each agent"), "{last:#?}");
}

#[test]
fn a_daemon_buys_and_keeps_no_agent_h12() {
    // One on each of three agents, which are idle beside it, and 997 more are queued.
    let cluster = Cluster::of(3, resources(4, 14_000)).running("/telegraf", 3, milli(100, 100));
    let mut snapshot =
        cluster.running("/web", 1, resources(1, 500)).queued("/telegraf", 997, milli(100, 100)).snapshot();
    let daemon = snapshot.applications.iter_mut().find(|application| application.name == "/telegraf");
    daemon.unwrap().max_per_agent = Some(1);
    let policy = policy("max = 50\nmin = 1").unwrap();
    let decision = decide(&snapshot, &policy, NOON).unwrap();
    assert_eq!((decision.delta, decision.needed), (-1, Some(1)), "{decision:#?}");
    assert_eq!(decision.unplaceable, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// H12, D2: the pool comes to rest with all instances placed, on no more agents than they need or there were.
    #[test]
    fn limited_instances_are_placed_on_as_many_agents_as_they_need(
        agents in 0_usize..8, queued in 1_u32..12, max_per_agent in 1_u32..5
    ) {
        let policy = policy(SETTINGS).unwrap();
        let mut pool = pool(agents, queued, max_per_agent);
        for _ in 0..60 {
            pool.tick(&policy);
        }
        let needed = queued.div_ceil(max_per_agent.min(5)) as usize;
        prop_assert_eq!(pool.queued, 0);
        prop_assert!(pool.agents() >= needed && pool.launched <= needed, "{} of {}", pool.agents(), needed);
    }
}
