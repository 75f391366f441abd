//! The queue in a closed loop: what Marathon keeps from starting does not buy agents run after run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use cluster::{Cluster, NOON, policy, resources};
use node_process::decide;
use shared::resources::Resources;

const AGENT: Resources = resources(4, 14_000);
const RUNS: usize = 60;

/// What Marathon says after each run: offers of agents with room are declined for the constraint, full agents make none, and
/// what was declined before stays.
fn offers(cluster: Cluster, application: &str, size: Resources) -> Cluster {
    let has_room = cluster.registered().any(|agent| agent.is_usable() && size.fits_in(&agent.free()));
    if has_room { cluster.declined(application, &[("UnfulfilledConstraint", 3)]) } else { cluster }
}

/// How many agents each run adds; none is removed.
fn bought(mut cluster: Cluster, settings: &str, application: &str, size: Resources) -> Vec<i32> {
    let policy = policy(settings).unwrap();
    let mut bought = Vec::new();
    for _ in 0..RUNS {
        let delta = decide(&cluster.snapshot(), &policy, NOON).unwrap().delta.max(0);
        bought.push(delta);
        cluster = offers(cluster.and(usize::try_from(delta).unwrap(), AGENT), application, size);
    }
    bought
}

/// Four agents, all full, and three instances that wait.
fn full() -> Cluster {
    Cluster::of(4, AGENT).running("/web", 16, resources(1, 1_000)).queued("/pinned", 3, resources(1, 1_000))
}

const SETTINGS: &str = "application_headroom_percent = 0\nscale_up_threshold_percent = 100";

#[test]
fn a_constraint_that_no_agent_meets_buys_agents_once() {
    for constraint in [["rack", "LIKE", "r9"], ["rack", "CLUSTER", "r9"], ["zone", "GROUP_BY", "3"]] {
        let cluster = full().constrained("/pinned", &[&constraint]);
        let bought = bought(cluster, SETTINGS, "/pinned", resources(1, 1_000));
        // Full agents make no offer, so a new one is tried; then it is known that room is not what is missing.
        assert_eq!((bought[0], bought[1..].iter().sum::<i32>()), (1, 0), "{constraint:?}: {bought:?}");
    }
}

#[test]
fn a_constraint_that_names_a_host_buys_none() {
    let cluster = full().constrained("/pinned", &[&["hostname", "CLUSTER", "agent-0"]]);
    assert_eq!(bought(cluster, SETTINGS, "/pinned", resources(1, 1_000)), [0; RUNS]);
}

#[test]
fn a_crash_loop_buys_none() {
    let mut cluster = full();
    cluster.queue[0].delay = Duration::from_secs(300);
    assert_eq!(bought(cluster, SETTINGS, "/pinned", resources(1, 1_000)), [0; RUNS]);
}

#[test]
fn what_does_not_count_leaves_room_for_what_does() {
    // Both wait; only the second is helped, and by as many agents as it needs.
    let cluster =
        full().constrained("/pinned", &[&["hostname", "IS", "agent-0"]]).queued("/new", 8, resources(1, 1_000));
    let bought = bought(cluster, SETTINGS, "/pinned", resources(1, 1_000));
    assert_eq!((bought[0], bought[1..].iter().sum::<i32>()), (2, 0), "{bought:?}");
}
