//! H12: what a decision makes of applications of which an agent holds only so many instances. simulator/tests/queue.rs drives it
//! through many runs.

use cluster::{Cluster, NOON, policy, resources};
use node_process::decide;
use shared::contract::ClusterSnapshot;
use shared::resources::{Amount, Resources};

#[test]
fn a_daemon_buys_and_keeps_no_agent_h12() {
    let size = Resources { cpus: Amount::from_thousandths(100), ..resources(0, 100) };
    // One on each of three agents, which are idle beside it, and 997 more are queued.
    let cluster = Cluster::of(3, resources(4, 14_000)).running("/telegraf", 3, size);
    let mut snapshot = cluster.running("/web", 1, resources(1, 500)).queued("/telegraf", 997, size).snapshot();
    let daemon = snapshot.applications.iter_mut().find(|application| application.name == "/telegraf");
    daemon.unwrap().max_per_agent = Some(1);
    let policy = policy("max = 50\nmin = 1").unwrap();
    let decision = decide(&snapshot, &policy, NOON).unwrap();
    assert_eq!((decision.delta, decision.needed), (-1, Some(1)), "{decision:#?}");
    assert_eq!(decision.unplaceable, []);
}

/// `max` is less than sixteen instances on hosts of their own need.
#[test]
fn what_outgrows_the_pool_is_named_and_kept_where_it_is_no_daemon_h12() {
    let size = resources(1, 500);
    let mut snapshot = Cluster::of(15, resources(8, 14_000)).running("/zk", 15, size).queued("/zk", 1, size).snapshot();
    snapshot.applications.iter_mut().for_each(|application| application.max_per_agent = Some(1));
    let decided = |settings: &str| {
        let policy = policy(&format!("min = 1\nmax = 15\n{settings}")).unwrap();
        let decision = decide(&snapshot, &policy, NOON).unwrap();
        (decision.delta, decision.notes.into_iter().find(|note| note.contains("daemon")).unwrap_or_default())
    };
    let (delta, note) = decided("");
    assert!(delta < 0 && note.starts_with("/zk counts as a daemon") && note.contains("at most 15"), "{delta} {note}");
    let (delta, note) = decided("applications.\"/zk\".daemon = true");
    assert!(delta < 0 && note.is_empty(), "{delta} {note}");
    assert_eq!(decided("applications.\"/zk\".daemon = false"), (0, String::new()));
}

/// Idle agents on which instances of `/db` run, two at most on each.
fn limited(agents: usize, running: usize, queued: u32) -> ClusterSnapshot {
    let size = resources(1, 500);
    let cluster = Cluster::of(agents, resources(4, 14_000)).running("/db", running, size);
    let mut snapshot = cluster.queued("/db", queued, size).snapshot();
    snapshot.applications.iter_mut().for_each(|application| application.max_per_agent = Some(2));
    snapshot
}

/// The target and what is needed, the same where totals are compared.
fn target(snapshot: &ClusterSnapshot, settings: &str) -> (u32, Option<u32>) {
    let of = |placement: &str| {
        let settings = format!(
            "max = 50\nmin = 0\nscale_down_margin = 0\napplication_headroom_percent = 0\n\
             headroom_placement = {placement:?}\n{settings}"
        );
        let decision = decide(snapshot, &policy(&settings).unwrap(), NOON).unwrap();
        (decision.target, decision.needed)
    };
    assert_eq!(of("pack"), of("sum"));
    of("pack")
}

#[test]
fn as_many_agents_stay_as_constraints_require_h12() {
    let steps = "max_scale_down_step = 9";
    // Seven instances take four agents, although two would have room for all.
    assert_eq!(target(&limited(9, 7, 0), steps), (4, Some(4)));
    assert_eq!(target(&limited(4, 7, 0), steps), (4, Some(4)));
    assert_eq!(target(&limited(9, 8, 0), steps), (4, Some(4)));
    assert_eq!(target(&limited(9, 9, 0), steps), (5, Some(5)));
}

/// One agent of five restarts, and another one would be bought for its instance, and stay.
#[test]
fn no_host_is_bought_for_a_disconnected_agent_h12() {
    let mut cluster = Cluster::of(5, resources(4, 14_000)).running("/zk", 5, resources(1, 1_000));
    let decided = |cluster: &Cluster| {
        let mut snapshot = cluster.snapshot();
        snapshot.applications.iter_mut().for_each(|application| application.max_per_agent = Some(1));
        let decision = decide(&snapshot, &policy("min = 1\nmax = 20").unwrap(), NOON).unwrap();
        (decision.agents.usable, decision.delta, decision.needed)
    };
    assert_eq!(decided(&cluster), (5, 0, Some(5)));
    cluster.disconnect(4);
    // The window remembers that five are needed.
    assert_eq!(decided(&cluster), (4, 0, Some(5)));
}

#[test]
fn agents_are_added_until_there_are_as_many_as_constraints_require_h12() {
    assert_eq!(target(&limited(3, 6, 3), ""), (5, Some(5)));
    assert_eq!(target(&limited(3, 6, 2), ""), (4, Some(4)));
    // None runs yet: the idle agents stay, and one comes.
    assert_eq!(target(&limited(4, 0, 10), "max_scale_down_step = 9"), (5, Some(5)));
    assert_eq!(target(&limited(3, 6, 0), ""), (3, Some(3)));
}

#[test]
fn an_agent_that_a_threshold_removes_is_kept_for_a_constraint_h12() {
    let snapshot = limited(6, 10, 0);
    // Ten instances take five agents of six.
    assert_eq!(target(&snapshot, "max_scale_down_step = 9").0, 5);
}

#[test]
fn a_new_agent_offers_what_daemons_leave_h12() {
    let snapshot = |cpus| {
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/telegraf", 3, resources(2, 100));
        cluster.running("/web", 3, resources(2, 100)).queued("/new", 1, resources(cpus, 100)).snapshot()
    };
    let settings = "max = 50\nmin = 0\napplication_headroom_percent = 0\nscale_up_threshold_percent = 100\n\
                    scale_down_threshold_percent = 50\napplications.\"/telegraf\".daemon = true";
    let decided = |cpus| {
        let decision = decide(&snapshot(cpus), &policy(settings).unwrap(), NOON).unwrap();
        (decision.delta, decision.unplaceable.len())
    };
    assert_eq!((decided(2), decided(3)), ((1, 0), (0, 1)));
}

#[test]
fn queued_instances_take_agents_that_run_none_of_them_h12() {
    // One instance runs on each of four agents; six are queued, and two agents are idle: three agents for them.
    let settings = "max = 50\nmin = 0\nscale_down_margin = 0\napplication_headroom_percent = 0";
    let decision = decide(&limited(6, 4, 6), &policy(settings).unwrap(), NOON).unwrap();
    assert_eq!(decision.target, 7);
}

#[test]
fn an_idle_pool_keeps_no_margin_beyond_its_hosts_h12_d7() {
    // Two instances take one agent, which is less than the load of three agents.
    let size = resources(1, 500);
    let cluster = Cluster::of(9, resources(4, 14_000)).running("/db", 2, size).running("/web", 5, size);
    let mut snapshot = cluster.snapshot();
    snapshot.applications.iter_mut().for_each(|one| one.max_per_agent = (one.name == "/db").then_some(2));
    let policy = policy("max = 50\nmin = 0\nmax_scale_down_step = 9\nscale_down_threshold_percent = 79").unwrap();
    assert_eq!(decide(&snapshot, &policy, NOON).unwrap().target, 3);
}
