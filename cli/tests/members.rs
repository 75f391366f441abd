//! Instances that several agents claim, agents of other groups, and instances that must stay: from /state and the group to the
//! plan, by the functions' own code. Each test is one kind of situation.

use std::collections::BTreeMap;

use cluster::group::{Group, Lifecycle};
use cluster::{Cluster, NOON, policy, resources};
use jiff::SignedDuration;
use node_gather::members::{self, Description, Descriptions, Lookup};
use node_scale::plan::{self, Change, PlanResult};
use node_scale::state::{Addresses, GroupState};
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, CompletenessLevel, ScalingDecision};

const GROUP: &str = "workers-asg";

fn id(number: u32) -> String {
    format!("i-{number:017x}")
}

/// A cluster whose agents name instances of the group, each its own, and the group.
struct Situation {
    cluster: Cluster,
    group: Group,
}

impl Situation {
    /// So many agents of 4 cpus on as many instances.
    fn of(agents: u32) -> Self {
        let mut group = Group::new(GROUP, 0, 100, &[]);
        let mut cluster = Cluster::of(agents as usize, resources(4, 14_000));
        for number in 0..agents {
            group.adopt(&id(number), "us-east-1a", NOON - SignedDuration::from_hours(24));
            cluster.agent_mut(number).unwrap().set_instance(&id(number), "us-east-1a");
        }
        Self { cluster, group }
    }

    /// The same with so many tasks of 1 cpu, on the least loaded agents.
    fn running(self, tasks: usize) -> Self {
        Self { cluster: self.cluster.running("/shop/web", tasks, resources(1, 2_000)), ..self }
    }

    fn described(&self) -> Descriptions {
        let group = Description::Known(members::Group::from(&self.group));
        Descriptions { groups: BTreeMap::from([(GROUP.to_owned(), group)]), lookup: Lookup::NotAsked }
    }

    fn snapshot_in(&self, policy: &Policy, described: Descriptions) -> ClusterSnapshot {
        let pools = std::slice::from_ref(policy);
        self.cluster.snapshots_in(pools, described, "http://10.0.0.5:5050", NOON).unwrap().remove(0)
    }

    fn decide(&self, settings: &str) -> (ClusterSnapshot, ScalingDecision) {
        let policy = policy(settings).unwrap();
        let snapshot = self.snapshot_in(&policy, self.described());
        let decision = node_process::decide(&snapshot, &policy, NOON).unwrap();
        (snapshot, decision)
    }

    /// The instances that the whole chain would terminate.
    fn terminated(&self, settings: &str) -> Vec<String> {
        let (_, decision) = self.decide(settings);
        let instances = self.group.instances().iter().map(|instance| node_scale::state::Instance {
            instance_id: instance.id.clone(),
            lifecycle_state: shared::group::Lifecycle::from_name(instance.state.name()),
            weighted_capacity: None,
            protected_from_scale_in: instance.protected,
        });
        let group = serde_json::json!({
            "AutoScalingGroupName": GROUP, "MinSize": 0, "MaxSize": 100, "DesiredCapacity": self.group.desired(),
        });
        let mut group: node_scale::state::Group = serde_json::from_value(group).unwrap();
        group.instances = instances.collect();
        let state = GroupState {
            group,
            activities: Vec::new(),
            activities_are_complete: true,
            instance_refresh_in_progress: Some(false),
            addresses: Addresses::new(),
            is_dry_run: false,
        };
        match plan::plan(&decision, Some(&state), &policy(settings).unwrap(), NOON).result {
            PlanResult::Act(Change::Terminate { targets, .. }) => {
                targets.into_iter().map(|target| target.instance_id).collect()
            }
            _ => Vec::new(),
        }
    }
}

const STEP: &str = "max_scale_down_step = 20\nscale_down_window = \"0s\"\napplication_headroom_percent = 0";

#[test]
fn an_instance_that_two_agents_claim_stays() {
    // A second agent runs on the machine of the first; it is idle, the first is not.
    let mut situation = Situation::of(4).running(4);
    let twin = situation.cluster.make_agent(cluster::Capacity::of(resources(4, 14_000)), NOON);
    let number = situation.cluster.register(twin);
    situation.cluster.agent_mut(number).unwrap().set_instance(&id(0), "us-east-1a");
    let (snapshot, decision) = situation.decide(STEP);
    assert!(decision.delta < 0, "{:?}", decision.steps);
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete);
    assert_eq!(
        snapshot.completeness.reasons,
        [format!("2 agents are not identified and stay: 2 agents claim {}", id(0))]
    );
    let terminated = situation.terminated(STEP);
    assert!(!terminated.is_empty() && !terminated.contains(&id(0)), "{terminated:?}");
}

#[test]
fn an_instance_id_of_the_image_ends_nothing() {
    let mut situation = Situation::of(5).running(4);
    for number in 0..5 {
        situation.cluster.agent_mut(number).unwrap().set_instance(&id(0), "us-east-1a");
    }
    let (snapshot, decision) = situation.decide(STEP);
    assert_eq!((decision.delta, snapshot.scale_down_candidates.len()), (0, 0));
    let group = snapshot.group.unwrap();
    assert_eq!((group.joined, group.unknown, group.not_joined_count), (0, 5, 0));
    assert_eq!(situation.terminated(STEP), Vec::<String>::new());
}

#[test]
fn agents_outside_of_the_group_hide_no_arrivals() {
    // Two instances boot, and three agents of the pool run elsewhere.
    let mut situation = Situation::of(6).running(24);
    let mut group = Group::new(GROUP, 0, 100, &[]);
    for number in 0..3 {
        group.adopt(&id(number), "us-east-1a", NOON - SignedDuration::from_hours(24));
    }
    for number in 100..102 {
        group.adopt(&id(number), "us-east-1a", NOON - SignedDuration::from_mins(2));
    }
    situation.group = group;
    let (_, decision) = situation.decide("");
    let group = decision.group.unwrap();
    assert_eq!((group.in_service, group.joined, group.outside), (5, 3, 3));
    assert_eq!((group.not_joined, group.joined_recent), (vec![id(100), id(101)], Some(Vec::new())));
    assert_eq!((group.unknown, group.not_joined_count, group.unidentified_recent), (0, 2, 0));
}

#[test]
fn an_agent_that_registered_within_join_timeout_has_joined_recently() {
    let mut situation = Situation::of(3);
    situation.cluster.agent_mut(1).unwrap().registered_at = NOON - SignedDuration::from_mins(14);
    situation.cluster.agent_mut(2).unwrap().registered_at = NOON - SignedDuration::from_mins(16);
    let (snapshot, _) = situation.decide("join_timeout = \"15m\"");
    assert_eq!(snapshot.group.unwrap().joined_recent, Some(vec![id(1)]));
}

#[test]
fn a_protected_idle_instance_does_not_block_the_pool() {
    let mut situation = Situation::of(10).running(5);
    // Idle agents are the least loaded ones. All but one are protected.
    for instance in situation.group.instances_mut().iter_mut().skip(5).take(4) {
        instance.protected = true;
    }
    let one = "scale_down_window = \"0s\"\napplication_headroom_percent = 0";
    let (snapshot, decision) = situation.decide(one);
    assert_eq!(snapshot.group.as_ref().unwrap().protected, 4);
    assert_eq!((decision.delta, decision.scale_down_agents[0].instance_id.clone()), (-1, Some(id(9))));
    assert_eq!(situation.terminated(one), [id(9)]);
}

#[test]
fn agents_that_must_stay_are_no_candidates() {
    // More than are listed: protected instances, instances in standby, and agents with a protected task.
    let mut situation = Situation::of(70).running(10);
    for (number, instance) in situation.group.instances_mut().iter_mut().enumerate() {
        match number {
            10..30 => instance.protected = true,
            30..40 => instance.state = Lifecycle::Standby,
            _ => {}
        }
    }
    (40..65).for_each(|number| situation.cluster.protect(number));
    let settings = "protected = { frameworks = [\"protected\"] }\nmax_scale_down_step = 3";
    let (snapshot, decision) = situation.decide(settings);
    let free: Vec<String> = (65..70).map(id).collect();
    let named: Vec<String> =
        snapshot.scale_down_candidates.iter().take(5).map(|agent| agent.instance_id.clone().unwrap()).collect();
    assert_eq!(named, free);
    // All five that run nothing go at once: up to a tenth of the pool may (D3).
    assert_eq!((snapshot.scale_down_candidates.len(), decision.delta), (15, -5));
    // As many as two steps, but at least 20 and at most 200. A tenth of the agents run nothing, and are a step at any setting.
    let idle = Situation::of(230);
    for (step, candidates) in [(1, 46), (10, 46), (30, 60), (101, 200)] {
        let (snapshot, _) = idle.decide(&format!("max_scale_down_step = {step}"));
        assert_eq!(snapshot.scale_down_candidates.len(), candidates, "{step}");
    }
}

#[test]
fn many_disconnected_agents_make_the_snapshot_partial() {
    let mut situation = Situation::of(20);
    let level = |situation: &Situation| {
        let (snapshot, decision) = situation.decide("");
        (snapshot.completeness.level, decision.delta)
    };
    // A tenth of the agents run nothing and may go at once (D3).
    assert_eq!(level(&situation), (CompletenessLevel::Complete, -2));
    // Two of twenty are a tenth, and three are more; one alone is never many.
    for (number, expected) in
        [CompletenessLevel::Complete, CompletenessLevel::Complete, CompletenessLevel::Partial].into_iter().enumerate()
    {
        situation.cluster.disconnect(u32::try_from(number).unwrap());
        assert_eq!(level(&situation).0, expected, "{number}");
    }
    assert_eq!(level(&situation).1, 0);
    let mut small = Situation::of(3);
    small.cluster.disconnect(0);
    assert_eq!(level(&small).0, CompletenessLevel::Complete);
}

#[test]
fn an_agent_on_a_terminating_instance_is_not_usable() {
    let mut situation = Situation::of(4).running(8);
    situation.group.instances_mut()[1].state = Lifecycle::Terminating;
    let (snapshot, _) = situation.decide("");
    assert_eq!((snapshot.agents.registered, snapshot.agents.usable, snapshot.agents.inactive), (4, 3, 1));
    assert_eq!(snapshot.resources.displaced, resources(2, 4_000));
    assert_eq!(snapshot.resources.total, resources(12, 42_000));
    assert_eq!(snapshot.agent_shapes.iter().map(|shape| shape.count).sum::<u32>(), 3);
    assert!(snapshot.scale_down_candidates.iter().all(|agent| agent.instance_id != Some(id(1))));
    assert_eq!(snapshot.group.unwrap().leaving, 1);
}

#[test]
fn without_the_group_the_snapshot_is_partial() {
    let situation = Situation::of(4);
    let policy = policy("").unwrap();
    let unknown = Description::Unknown { reason: "DescribeAutoScalingGroups failed (AccessDenied)".to_owned() };
    let groups = BTreeMap::from([(GROUP.to_owned(), unknown)]);
    let snapshot = situation.snapshot_in(&policy, Descriptions { groups, lookup: Lookup::NotAsked });
    assert_eq!((snapshot.completeness.level, snapshot.group), (CompletenessLevel::Partial, None));
    let expected = "the instances of group workers-asg are unknown: DescribeAutoScalingGroups failed (AccessDenied)";
    assert_eq!(snapshot.completeness.reasons, [expected]);
}

#[test]
fn without_the_addresses_of_instances_the_snapshot_is_partial() {
    let mut situation = Situation::of(4);
    let policy = policy("").unwrap();
    let failed = Lookup::Unknown { reason: "DescribeInstances failed (RequestLimitExceeded)".to_owned() };
    let described = || Descriptions { lookup: failed.clone(), ..situation.described() };
    assert_eq!(situation.snapshot_in(&policy, described()).completeness.level, CompletenessLevel::Complete);
    let described = described();
    situation.cluster.agent_mut(2).unwrap().attributes.remove("instance_id");
    let snapshot = situation.snapshot_in(&policy, described);
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Partial);
    assert!(snapshot.completeness.reasons[0].starts_with("the addresses of instances are unknown: DescribeInstances"));
}

#[test]
fn nothing_is_bought_for_agents_that_restart_in_any_of_many_runs() {
    // Six agents of forty restart for two minutes, at every load up to the threshold of U. Nothing else changes.
    for tasks in [100, 120, 128] {
        let mut situation = Situation::of(40).running(tasks);
        let settings = "application_headroom_percent = 10";
        let before = situation.decide(settings).1.delta.max(0);
        for run in 0..12_u32 {
            for number in 0..6 {
                if (2..4).contains(&run) {
                    situation.cluster.disconnect(number);
                } else if run == 4 {
                    situation.cluster.reconnect(number, NOON);
                }
            }
            let (_, decision) = situation.decide(settings);
            assert!(decision.delta <= before, "{tasks} tasks, run {run}: {:?}", decision.steps);
            if (2..4).contains(&run) {
                assert!(decision.delta >= 0, "nothing is removed while they are away");
            }
        }
    }
}
