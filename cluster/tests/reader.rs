//! A [`Reader`] keeps what it has read of agents, and must see what a new one sees.

use cluster::{Cluster, NOON, Operation, Placement, Reader, TaskSpec, policy, resources};
use node_gather::marathon::{Answer, Observed};
use node_gather::summarize::{ClusterState, Summary, summarize};
use proptest::prelude::*;
use shared::config::Policy;
use shared::resources::{Amount, Resources};

const CAPTURE: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/1.11.0/30-big-60-agents/state.json"));

fn summary(state: ClusterState, cluster: &Cluster) -> Summary {
    summarize(state, &cluster.observed_marathon(), "http://10.0.0.5:5050", NOON)
}

/// What a new reader sees.
fn expected(cluster: &Cluster, pools: &[Policy]) -> Summary {
    let mut state = ClusterState::new(pools);
    cluster.show(&mut state).unwrap();
    summary(state, cluster)
}

/// Does something to the cluster: what, and to which agent.
fn change(cluster: &mut Cluster, (what, which): (u8, u32), running: &mut Vec<Placement>) {
    let agents: Vec<u32> = cluster.agents().map(|agent| agent.number).collect();
    let number = agents.get(which as usize % agents.len().max(1)).copied().unwrap_or_default();
    let id = cluster.agent(number).map(|agent| agent.id.clone()).unwrap_or_default();
    // Of two frameworks, and of two sizes.
    let application = ["/app-0", "/app-1", "job-2"].get(which as usize % 3).copied().unwrap_or_default().to_owned();
    let spec = TaskSpec { application, resources: resources(1 + u64::from(which % 2), 100) };
    match what {
        0..=3 => {
            let framework = cluster.framework_of(&spec.application);
            running.extend(cluster.start_on(number, framework, spec, NOON));
        }
        4 | 5 => {
            if let Some(placement) = running.pop() {
                cluster.end(placement);
            }
        }
        6 => cluster.disconnect(number),
        7 => cluster.reconnect(number, NOON),
        8 => drop(cluster.operate(&id, Operation::Deactivate, NOON)),
        9 => drop(cluster.operate(&id, Operation::Reactivate, NOON)),
        10 => drop(cluster.operate(&id, Operation::Drain { max_grace_period: None }, NOON)),
        11 => drop(cluster.end_draining(number, NOON)),
        12 => {
            let agent = cluster.make_agent(cluster::Capacity::of(resources(4, 14_000)), NOON);
            cluster.register(agent);
        }
        13 => drop(cluster.remove(number)),
        14 => {
            if let Some(agent) = cluster.lose(number) {
                cluster.register_again(agent, NOON);
            }
        }
        15 => cluster.fail_over(NOON),
        16 => {
            if let Some(agent) = cluster.agent_mut(number) {
                agent.set_instance(&format!("i-{}", which % 4), "us-east-1a");
            }
        }
        17 => cluster.agents_mut().for_each(|agent| agent.capacity.total.disk = Amount::from_thousandths(which.into())),
        18 => cluster.agents_mut().for_each(|agent| drop(agent.end_all())),
        _ => drop(cluster.grow(|_, _| false, NOON)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_of_agents_is_what_would_be_read(
        changes in prop::collection::vec((0..20_u8, 0..60_u32), 1..40), is_captured in any::<bool>(), two in any::<bool>()
    ) {
        let new = || Cluster::of(5, resources(4, 14_000)).and_reserved(2, resources(4, 14_000), resources(1, 0));
        let mut cluster = if is_captured { Cluster::from_capture(CAPTURE).unwrap() } else { new() };
        let mut pools = vec![policy("").unwrap()];
        if two {
            // All agents are in both.
            pools.push(Policy { pool: "other".to_owned(), ..policy("").unwrap() });
        }
        let (mut reader, mut running) = (Reader::new(&pools), Vec::new());
        // Another cluster that begins as the same.
        let mut other = cluster.clone();
        for step in changes {
            change(&mut cluster, step, &mut running);
            prop_assert_eq!(summary(reader.read(&cluster).unwrap(), &cluster), expected(&cluster, &pools));
            other.disconnect(step.1);
            prop_assert_eq!(summary(reader.read(&other).unwrap(), &other), expected(&other, &pools));
        }
    }
}

#[test]
fn more_agents_than_are_kept_one_by_one_are_read_again() {
    let mut cluster = Cluster::of(1_100, resources(4, 14_000)).running("/a", 1_500, resources(1, 100));
    let pools = [policy("").unwrap()];
    let mut reader = Reader::new(&pools);
    for _ in 0..3 {
        assert_eq!(summary(reader.read(&cluster).unwrap(), &cluster), expected(&cluster, &pools));
        cluster.grow(|_, used: Resources| used.cpus.thousandths() > 2_000_000, NOON);
    }
}

#[test]
fn a_marathon_without_queue_and_definitions_answers_empty_lists() {
    let observed = Cluster::of(1, resources(4, 14_000)).observed_marathon();
    let queue = node_gather::marathon::queue::parse(&br#"{"queue":[]}"#[..]).unwrap();
    let expected = Observed { queue: Answer::Known(queue), definitions: Answer::Known(Default::default()) };
    assert_eq!(observed, expected);
}
