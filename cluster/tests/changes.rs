//! What happens to a cluster: agents come and go with the instances of their group, tasks start, move, and end.

use node_gather::marathon::definitions::Definitions;
use node_gather::marathon::queue::Declines;
use node_gather::marathon::{Answer, Observed};
use std::collections::BTreeSet;

use cluster::{Cluster, Connection, Mode, NOON, Operation, TaskSpec, resources};
use jiff::SignedDuration;
use proptest::prelude::*;
use shared::contract::CompletenessLevel;
use shared::resources::Resources;

const CAPTURE: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/1.11.0/30-big-60-agents/state.json"));

fn captured() -> Cluster {
    Cluster::from_capture(CAPTURE).unwrap()
}

/// Id and zone of every agent's instance.
fn instances(cluster: &Cluster) -> Vec<(String, String)> {
    let name = |text: Option<&str>| text.unwrap().to_owned();
    cluster.agents().map(|agent| (name(agent.instance_id()), name(agent.zone()))).collect()
}

fn used_by_tasks(cluster: &Cluster) -> Resources {
    cluster.tasks().map(|task| task.resources).sum()
}

#[test]
fn applications_grow_while_agents_have_room() {
    let mut cluster = captured();
    let is_enough = |total: Resources, used: Resources| used.cpus.thousandths() * 100 >= total.cpus.thousandths() * 80;
    let started = cluster.grow(is_enough, NOON);
    assert_eq!(cluster.tasks().count(), 282 + started);
    let (total, used) = cluster.total_and_used();
    assert!(is_enough(total, used));
    assert_eq!(used.cpus, used_by_tasks(&cluster).cpus);
    assert!(cluster.agents().all(|agent| agent.used().fits_in(&agent.capacity.total)));
    let ids: BTreeSet<&str> = cluster.tasks().map(|task| task.id.as_str()).collect();
    assert_eq!(ids.len(), cluster.tasks().count(), "every task has an id of its own");

    assert_eq!(cluster.grow(is_enough, NOON), 0);
    assert!(cluster.grow(|_, _| false, NOON) > 0, "until nothing fits");
}

#[test]
fn agents_follow_the_instances_of_their_group() {
    let mut cluster = captured();
    let mut alive = instances(&cluster);
    let (gone, _) = alive.remove(0);
    alive.push(("i-new".to_owned(), "us-east-1b".to_owned()));
    cluster.follow(&alive, |_| true, NOON);
    cluster.follow(&alive, |_| true, NOON);
    assert_eq!(cluster.agents().count(), 60);
    assert!(!instances(&cluster).iter().any(|(id, _)| *id == gone));
    let new = cluster.agents().last().unwrap();
    assert_eq!(new.attributes.text("asg"), Some("workers"));
    assert_eq!((new.instance_id(), new.zone()), (Some("i-new"), Some("us-east-1b")));
    assert!(new.used().is_zero());
    assert_eq!(new.capacity.total.cpus, resources(2, 0).cpus, "20 agents each of 2, 4, 8 cpus");
    assert_eq!(cluster.total_and_used().1.cpus, used_by_tasks(&cluster).cpus, "tasks go with their agent");
    let ids: BTreeSet<&str> = cluster.agents().map(|agent| agent.id.as_str()).collect();
    assert_eq!(ids.len(), 60, "no id is used twice");
}

#[test]
fn agents_of_other_groups_stay() {
    let mut cluster = captured();
    cluster.follow(&[], |agent| agent.zone() == Some("us-east-1a"), NOON);
    assert_eq!(cluster.agents().count(), 40);
}

#[test]
fn deactivated_agents_keep_their_tasks() {
    let mut cluster = captured();
    cluster.deactivate_fullest(2);
    let inactive: Vec<_> = cluster.agents().filter(|agent| !agent.is_active()).collect();
    assert_eq!(inactive.len(), 2);
    assert!(inactive.iter().all(|agent| agent.mode == Mode::Deactivated));
    assert_eq!(cluster.tasks().count(), 282);
    assert!(cluster.total_and_used().1.cpus < used_by_tasks(&cluster).cpus);
}

#[test]
fn a_task_ends_where_it_was_started() {
    let mut cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 1, resources(1, 100));
    let spec = TaskSpec { application: "/a".to_owned(), resources: resources(2, 100) };
    let placement = cluster.start(spec.clone(), NOON).unwrap();
    assert_eq!(placement.agent, 1, "the least loaded agent");
    let ended = cluster.end(placement).unwrap();
    assert_eq!(Cluster::spec_of(&ended), spec);
    assert_eq!(cluster.end(placement), None, "it has ended already");
    assert_eq!(cluster.total_and_used().1, resources(1, 100));
    let large = TaskSpec { application: "/a".to_owned(), resources: resources(5, 100) };
    assert_eq!(cluster.start(large.clone(), NOON), Err(large));
}

#[test]
fn an_agent_that_is_lost_takes_its_tasks_along_until_it_is_back() {
    let mut cluster = Cluster::of(3, resources(4, 14_000)).running("/a", 6, resources(1, 100));
    cluster.disconnect(1);
    let snapshot = cluster.snapshot();
    assert_eq!((snapshot.agents.registered, snapshot.agents.usable, snapshot.agents.inactive), (3, 2, 1));
    assert_eq!(snapshot.resources.displaced, resources(2, 200));

    let lost = cluster.lose(1).unwrap();
    let snapshot = cluster.snapshot();
    assert_eq!((snapshot.agents.registered, snapshot.agents.unreachable), (2, 1));
    assert_eq!(snapshot.applications[0].task_count, 4);

    assert_eq!(cluster.register_again(lost, NOON), 1);
    let snapshot = cluster.snapshot();
    assert_eq!((snapshot.agents.usable, snapshot.agents.unreachable), (3, 0));
    assert_eq!(snapshot.applications[0].task_count, 6);
}

#[test]
fn a_new_master_is_doubted_until_agents_and_frameworks_are_back() {
    let mut cluster = Cluster::of(4, resources(4, 14_000)).running("/a", 8, resources(1, 100));
    cluster.fail_over(NOON);
    assert_eq!(cluster.snapshot().completeness.level, CompletenessLevel::Blind);
    (0..4).for_each(|number| cluster.reconnect(number, NOON));
    assert!(cluster.agents().all(|agent| agent.connection == Connection::Connected));
    let snapshot = cluster.snapshot();
    assert_eq!((snapshot.completeness.level, snapshot.agents.recovered), (CompletenessLevel::Partial, 0));
    assert_eq!(snapshot.resources.used, resources(8, 800));
}

#[test]
fn what_is_queued_is_read_from_the_document_as_it_is_shown() {
    let mut cluster = Cluster::of(1, resources(4, 14_000)).queued("/a", 3, resources(1, 100));
    cluster = cluster.queued_pod("/pod", 2, &[resources(1, 50), resources(1, 50), resources(2, 50)]);
    cluster = cluster.queued("/none", 0, resources(1, 100)).queued("/crashing", 1, resources(1, 100));
    cluster.queue.last_mut().unwrap().delay = std::time::Duration::from_secs(9);
    cluster = cluster
        .constrained("/a", &[&["hostname", "UNIQUE"]])
        .constrained("/pod", &[&["hostname", "MAX_PER", "2"]])
        .declined("/a", &[("UnfulfilledConstraint", 2)]);
    let Observed { queue: Answer::Known(queued), definitions: Answer::Known(Definitions { constraints, .. }) } =
        cluster.observed_marathon()
    else {
        panic!("Marathon can be read")
    };
    assert_eq!(queued.iter().map(|queued| queued.instances).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((queued[0].constraints.most_per_agent(9), queued[0].declines), (Some(1), Declines::ForConstraints));
    assert_eq!(queued[1].constraints.most_per_agent(9), Some(2));
    let most: Vec<_> = constraints.iter().map(|(id, own)| (id.as_str(), own.most_per_agent(9))).collect();
    assert_eq!(most, [("/a", Some(1)), ("/pod", Some(2))]);
    let on_a_port =
        cluster.clone().with_host_port("/none", 80).with_host_port("/crashing", 80).with_host_port("/pod", 53);
    let Observed { queue: Answer::Known(queued), definitions: Answer::Known(Definitions { constraints, .. }) } =
        on_a_port.observed_marathon()
    else {
        panic!("Marathon can be read")
    };
    assert_eq!(queued.iter().map(|queued| queued.constraints.most_per_agent(9)).collect::<Vec<_>>(), vec![Some(1); 3]);
    let most: Vec<_> = constraints.values().map(|own| own.most_per_agent(9)).collect();
    assert_eq!(most, vec![Some(1); 4]);
    // With an agent that has room, what is declined for its constraint does not count.
    cluster = cluster.declined("/a", &[]);
    let queued: Vec<(String, u32)> =
        cluster.snapshot().applications.into_iter().map(|application| (application.name, application.queued)).collect();
    assert_eq!(queued, [("/a".to_owned(), 3), ("/pod".to_owned(), 2)]);
}

/// Something that happens.
fn event() -> impl Strategy<Value = (u8, u32, u64)> {
    (0_u8..10, 0_u32..8, 1_u64..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: no agent runs more than it has, sums agree with tasks, the document says the same as the model.
    #[test]
    fn whatever_happens_the_document_says_what_the_model_holds(events in prop::collection::vec(event(), 0..40)) {
        let mut cluster = Cluster::of(4, resources(4, 14_000)).and_reserved(1, resources(8, 28_000), resources(2, 0));
        let mut lost = Vec::new();
        let mut now = NOON;
        for (what, number, size) in events {
            now += SignedDuration::from_secs(1);
            let id = cluster.agent(number).map(|agent| agent.id.clone()).unwrap_or_default();
            let spec = TaskSpec { application: format!("/app/{number}"), resources: resources(size, 100 * size) };
            match what {
                0..3 => drop(cluster.start(spec, now)),
                3 => cluster.disconnect(number),
                4 => cluster.reconnect(number, now),
                5 => lost.extend(cluster.lose(number)),
                6 => {
                    if let Some(agent) = lost.pop() {
                        cluster.register_again(agent, now);
                    }
                }
                7 => drop(cluster.operate(&id, Operation::Drain { max_grace_period: None }, now)),
                8 => drop(cluster.operate(&id, Operation::Deactivate, now)),
                _ => drop(cluster.operate(&id, Operation::Reactivate, now)),
            }
            cluster.advance(now);
            for agent in cluster.agents() {
                prop_assert!(agent.used().fits_in(&agent.capacity.total));
                prop_assert_eq!(agent.used(), agent.tasks().iter().map(|task| task.resources).sum());
            }
        }
        let pools = [cluster::policy("").unwrap()];
        let config = shared::config::Config {
            pools: pools.to_vec(),
            ..shared::config::Config::parse("mesos.masters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"a\"\ngroup = \"a\"").unwrap()
        };
        let read = node_gather::snapshots(cluster.to_state_json().as_slice(), &cluster.observed_marathon(), &config, "m", now);
        prop_assert_eq!(read.unwrap(), cluster.snapshots(&pools, "m", now).unwrap());
    }
}
