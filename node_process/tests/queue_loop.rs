//! What Marathon keeps from starting does not buy agents run after run.
//!
//! It is no world: `decide` is asked again and again about a stated cluster, to which each answer is added at once, and Marathon says
//! of each the same. No time passes, nothing boots or starts, and no group acts. The simulator's tests have these.

use std::time::Duration;

use cluster::{Cluster, NOON, policy, resources};
use node_process::decide;
use shared::resources::Resources;

const AGENT: Resources = resources(4, 14_000);
const RUNS: usize = 60;

type Declines<'a> = &'a [(&'a str, u32)];

const FOR_CONSTRAINTS: Declines<'static> = &[("UnfulfilledConstraint", 3)];

/// What Marathon says after each run: offers of agents with room are declined so, full agents make none, and what was declined
/// before stays.
fn offers(cluster: Cluster, application: &str, size: Resources, declines: Declines<'_>) -> Cluster {
    let has_room = cluster.registered().any(|agent| agent.is_usable() && size.fits_in(&agent.free()));
    if has_room { cluster.declined(application, declines) } else { cluster }
}

/// How many agents each run adds; none is removed.
fn bought(cluster: Cluster, settings: &str, application: &str, size: Resources) -> Vec<i32> {
    bought_where(cluster, settings, application, size, FOR_CONSTRAINTS)
}

fn bought_where(
    mut cluster: Cluster,
    settings: &str,
    application: &str,
    size: Resources,
    declines: Declines<'_>,
) -> Vec<i32> {
    let policy = policy(settings).unwrap();
    let mut bought = Vec::new();
    for _ in 0..RUNS {
        let snapshots = cluster.snapshots(std::slice::from_ref(&policy), "http://10.0.0.5:5050", NOON).unwrap();
        let delta = decide(&snapshots[0], &policy, NOON).unwrap().delta.max(0);
        bought.push(delta);
        cluster = offers(cluster.and(usize::try_from(delta).unwrap(), AGENT), application, size, declines);
    }
    bought
}

/// Four agents, all full, and three instances that wait.
fn full() -> Cluster {
    Cluster::of(4, AGENT).running("/web", 16, resources(1, 1_000)).queued("/pinned", 3, resources(1, 1_000))
}

const SETTINGS: &str = "application_headroom_percent = 0\nscale_up_threshold_percent = 100";

/// What an application is that has more instances than the pool may have agents is known.
const SETTINGS_WITH_MAX: &str = "max = 20\napplication_headroom_percent = 0\nscale_up_threshold_percent = 100";

#[test]
fn a_constraint_that_no_agent_meets_buys_agents_once() {
    for constraint in [["rack", "LIKE", "r9"], ["rack", "CLUSTER", "r9"], ["zone", "GROUP_BY", "3"]] {
        let cluster = full().constrained("/pinned", &[&constraint]);
        let bought = bought(cluster, SETTINGS, "/pinned", resources(1, 1_000));
        // Full agents make no offer, so a new one is tried; then it is known that room is not what is missing.
        assert_eq!((bought[0], bought[1..].iter().sum::<i32>()), (1, 0), "{constraint:?}: {bought:?}");
    }
}

/// Three of four agents have room, and none offers the port. What the full one lacks says nothing about that.
#[test]
fn a_host_port_that_no_agent_offers_buys_one_agent_h12() {
    for declines in [&[("InsufficientPorts", 3)][..], &[("InsufficientCpus", 1), ("InsufficientPorts", 3)]] {
        let cluster = Cluster::of(4, AGENT).running("/web", 13, resources(1, 1_000));
        let cluster = cluster.queued("/lb", 3, resources(1, 1_000)).with_host_port("/lb", 80).declined("/lb", declines);
        let bought = bought_where(cluster, SETTINGS_WITH_MAX, "/lb", resources(1, 1_000), declines);
        assert_eq!((bought[0], bought[1..].iter().sum::<i32>()), (1, 0), "{declines:?}: {bought:?}");
    }
}

/// Each of four agents runs one, three have room for another, and one has not.
#[test]
fn instances_get_the_agents_that_their_host_port_needs_at_once_h12() {
    let declines = &[("InsufficientCpus", 1), ("InsufficientPorts", 3)];
    let cluster = Cluster::of(4, AGENT).running("/lb", 4, resources(1, 1_000)).running("/web", 1, resources(3, 1_000));
    let cluster = cluster.queued("/lb", 3, resources(1, 1_000)).with_host_port("/lb", 80).declined("/lb", declines);
    let bought = bought_where(cluster, SETTINGS_WITH_MAX, "/lb", resources(1, 1_000), declines);
    assert_eq!((bought[0], bought[1..].iter().sum::<i32>()), (3, 0), "{bought:?}");
}

/// Once Marathon has said so, for a role the room of the first is kept, and for a reservation it is not.
#[test]
fn what_waits_for_a_role_or_a_reservation_buys_one_agent_at_most() {
    for reason in ["UnfulfilledRole", "NoCorrespondingReservationFound"] {
        let declines = &[(reason, 3)];
        let bought = bought_where(full(), SETTINGS, "/pinned", resources(1, 1_000), declines);
        assert_eq!((bought[0], bought[1..].iter().sum::<i32>()), (1, 0), "{reason}: {bought:?}");
    }
    let declines = &[("NoCorrespondingReservationFound", 3)];
    let waits = full().declined("/pinned", declines);
    assert_eq!(bought_where(waits, SETTINGS, "/pinned", resources(1, 1_000), declines), [0; RUNS]);
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

/// How many agents each run adds or removes, where Marathon never places another instance. New agents are in the first rack.
fn changes(mut cluster: Cluster) -> Vec<i32> {
    let settings = format!("{SETTINGS}\nscale_down_threshold_percent = 99\nscale_down_margin = 0\nmin = 1");
    let policy = policy(&settings).unwrap();
    let mut changes = Vec::new();
    for _ in 0..200 {
        let decision = decide(&cluster.snapshot(), &policy, NOON).unwrap();
        let known = cluster.registered().count();
        cluster = cluster.and(usize::try_from(decision.delta.max(0)).unwrap(), AGENT);
        cluster.agents_mut().skip(known).for_each(|agent| agent.attributes.set("rack", "r0"));
        for removed in &decision.scale_down_agents {
            let number = cluster.agent_by_id(&removed.agent_id).unwrap().number;
            assert_eq!(cluster.remove(number).unwrap().tasks().len(), 0);
        }
        changes.push(decision.delta);
        cluster = offers(cluster, "/db", resources(1, 1_000), FOR_CONSTRAINTS);
    }
    changes
}

/// Four full agents in racks of their own; so many of them run an instance of the application.
fn racks(running: usize) -> Cluster {
    let mut cluster = Cluster::of(4, AGENT);
    for (agent, rack) in cluster.agents_mut().zip(["r0", "r1", "r2", "r3"]) {
        agent.attributes.set("rack", rack);
    }
    for place in 0..4 {
        let name = if place < running { "/db" } else { "/web" };
        cluster = cluster.running(name, 1, resources(1, 1_000));
    }
    cluster.running("/web", 12, resources(1, 1_000)).queued("/db", 3, resources(1, 1_000))
}

/// Whatever the agents that come, what waits for a rack is not bought for again and again, nor bought and removed in turn.
#[test]
fn instances_that_wait_for_a_rack_buy_one_agent_at_most() {
    for (constraint, running, stays) in [
        // Each rack has one: once the first new agent has shown that room is not what is missing, it goes.
        (["rack", "UNIQUE", ""], 4, false),
        (["rack", "MAX_PER", "1"], 4, false),
        (["rack", "GROUP_BY", "5"], 4, false),
        (["rack", "LIKE", "r9"], 0, false),
        (["class", "CLUSTER", "fast"], 0, false),
        // Another new agent may be in a rack with a place, so its room is kept for one instance.
        (["rack", "UNIQUE", ""], 2, true),
        (["rack", "MAX_PER", "2"], 4, true),
        (["rack", "CLUSTER", "r3"], 4, true),
        // Or it may have such a name.
        (["hostname", "LIKE", "db-.*"], 0, true),
        (["hostname", "UNLIKE", "agent-.*"], 0, true),
    ] {
        let changes = changes(racks(running).constrained("/db", &[&constraint]));
        let bought: i32 = changes.iter().filter(|delta| **delta > 0).sum();
        let removed: i32 = changes.iter().filter(|delta| **delta < 0).sum();
        assert_eq!((bought, removed), (1, if stays { 0 } else { -1 }), "{constraint:?}, {running} run: {changes:?}");
        assert!(changes[10..].iter().all(|delta| *delta == 0), "{constraint:?}: {changes:?}");
    }
}
