//! A: what a decision makes of a belief about new agents. simulator/tests/queue.rs drives it through many runs.

use cluster::{Cluster, NOON, policy, resources};
use jiff::SignedDuration;
use node_process::decide;
use shared::contract::{AgentState, ClusterSnapshot, CompletenessLevel, GroupMembers, LatestAgent};

const SETTINGS: &str = "application_headroom_percent = 0\nmin = 0\nmax = 50\nnew_agent = { cpus = 4, mem = 16384 }";

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
    let policy = policy(SETTINGS).unwrap();
    let delta = |cluster: Cluster| decide(&waits_for_larger(cluster), &policy, NOON).unwrap().delta;
    assert_eq!(delta(cluster.clone()), 1);
    // It would be reactivated, show nothing, and be closed again in the next run.
    assert!(delta(cluster.with_state(3, AgentState::Draining)) <= 0);
}

#[test]
fn none_is_tried_within_an_hour_after_another_a() {
    let policy = policy(SETTINGS).unwrap();
    let of = |tried| {
        let group = Some(GroupMembers { tried, ..GroupMembers::default() });
        let snapshot = ClusterSnapshot { group, ..waits_for_larger(Cluster::of(4, resources(4, 14_861))) };
        let decision = decide(&snapshot, &policy, NOON).unwrap();
        (decision.delta.max(0), decision.wanted, decision.tries)
    };
    assert_eq!((of(false), of(true)), ((1, 1, true), (0, 0, false)));
    // At the maximum none is wanted, and none tried.
    let full = cluster::policy(&SETTINGS.replace("max = 50", "max = 4")).unwrap();
    let decision = decide(&waits_for_larger(Cluster::of(4, resources(4, 14_861))), &full, NOON).unwrap();
    assert_eq!((decision.wanted, decision.tries), (0, false));
}

#[test]
fn an_agent_that_is_tried_keeps_no_others_d6() {
    let policy = policy(SETTINGS).unwrap();
    let decision = decide(&waits_for_larger(Cluster::of(10, resources(4, 14_861))), &policy, NOON).unwrap();
    // The window would keep all ten for its length, hour after hour.
    assert_eq!((decision.delta, decision.needed), (1, Some(1)));
}

#[test]
fn only_an_agent_of_our_own_would_come_back_instead_a() {
    use AgentState::{Active, Deactivated};
    let policy = policy(SETTINGS).unwrap();
    let closed = waits_for_larger(Cluster::of(4, resources(4, 14_861)).with_state(3, Deactivated));
    let tries = |tag: Option<bool>, agent: AgentState| {
        let mut snapshot = closed.clone();
        for candidate in snapshot.scale_down_candidates.iter_mut().filter(|one| one.state == Deactivated) {
            (candidate.decommission_tag, candidate.state) = (tag, agent);
        }
        decide(&snapshot, &policy, NOON).unwrap().tries
    };
    // One that an operator deactivated stays so; an active one is here already.
    assert_eq!(
        [tries(Some(true), Deactivated), tries(Some(false), Deactivated), tries(None, Deactivated)],
        [false, true, true]
    );
    assert!(tries(Some(true), Active));
}

#[test]
fn a_decision_says_whether_its_agent_is_only_tried_a() {
    use CompletenessLevel::{Blind, Complete};
    let decided = |cluster: Cluster, level| {
        let mut snapshot = waits_for_larger(cluster);
        snapshot.completeness.level = level;
        let decision = decide(&snapshot, &policy(SETTINGS).unwrap(), NOON).unwrap();
        (decision.wanted, decision.tries)
    };
    let idle = || Cluster::of(4, resources(4, 14_861));
    assert_eq!((decided(idle(), Complete), decided(idle(), Blind)), ((1, true), (0, false)));
    // What utilization needs is no trial.
    let busy = idle().running("/a", 16, resources(1, 500)).snapshot();
    let decision = decide(&busy, &policy(SETTINGS).unwrap(), NOON).unwrap();
    assert_eq!((decision.wanted, decision.tries), (1, false));
}

#[test]
fn an_instance_that_only_a_larger_agent_would_hold_says_so_h5() {
    let says = |mem| {
        let mut snapshot =
            waits_for_larger(Cluster::of(4, resources(4, 14_861)).queued("/db/other", 1, resources(1, mem)));
        snapshot.applications.retain(|application| application.name == "/db/other");
        snapshot.latest_agents[0].registered_at = NOON - SignedDuration::from_mins(5);
        let decision = format!("{:?}", decide(&snapshot, &policy(SETTINGS).unwrap(), NOON).unwrap());
        decision.contains("a new agent should have 16384 MB, but those that registered last have 14861 MB")
    };
    assert_eq!((says(16_384), says(16_385)), (true, false));
}
