//! H12: what a decision makes of applications of which an agent holds only so many instances. simulator/tests/queue.rs drives it
//! through many runs.
#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use cluster::{Cluster, NOON, policy, resources};
use node_process::decide;
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
