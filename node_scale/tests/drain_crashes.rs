//! The strategy `drain` in node_scale's own handler, which is stopped before and after every call to AWS and to the master.

use cluster::{Cluster, Mode, resources};
use jiff::SignedDuration;
use node_scale::config::Settings;
use node_scale::handler::Handler;
use node_scale::masters::Masters;
use shared::config::Config;
use shared::contract::{AgentRef, AgentState, ScalingDecision};
use testbed::autoscaling::{AutoScaling, Group};
use testbed::faults::{Calls, Fault, FaultPlan, Trouble};
use testbed::master::Master;
use testbed::{Service, now, sdk_config};
use uuid::Uuid;

const GROUP: &str = "mesos-workers";
const TAG: &str = "lambda-scale/decommission/i-0";

/// Ten agents on the instances of a group.
struct World {
    master: Master,
    auto_scaling: AutoScaling,
    faults: FaultPlan,
}

impl World {
    async fn new() -> Self {
        let faults = FaultPlan::default();
        let mut group = Group::new(GROUP, 1, 30, &["a"]);
        let mut cluster = Cluster::of(10, resources(4, 14_000));
        for (number, agent) in cluster.agents_mut().enumerate() {
            agent.set_instance(&format!("i-{number}"), "a");
            group.adopt(&format!("i-{number}"), "a", now() - SignedDuration::from_hours(24));
        }
        let master = Master::start(cluster, &faults).await.unwrap();
        let auto_scaling = AutoScaling::start([group], &faults).await.unwrap();
        Self { master, auto_scaling, faults }
    }

    fn handler(&self) -> Handler {
        let config = Config::parse(&format!(
            "[mesos]\nmasters = [\"{}\"]\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\nscale_down_window = \"0s\"\n\
             scale_down_strategy = \"drain\"\n",
            self.master.url()
        ));
        let config = config.unwrap();
        let masters = Masters::new(config.mesos.clone().unwrap(), None, None).unwrap();
        let sdk = sdk_config(&self.auto_scaling.url());
        Handler::new(Settings { config, sdk, masters: Some(masters), decision_topic_arn: None, outcome_topic: None })
    }

    /// The decision on the cluster as it is now: the first agent goes, or comes back.
    fn decision(&self, delta: i32) -> ScalingDecision {
        let mode = self.mode();
        let first = AgentRef {
            agent_id: self.master.cluster(|cluster| cluster.agents().next().unwrap().id.clone()),
            hostname: "host-0".to_owned(),
            ip: None,
            instance_id: Some("i-0".to_owned()),
            decommission_tag: None,
            decommission_since: None,
            contested: false,
            state: if mode == Mode::Active { AgentState::Active } else { AgentState::Deactivated },
            task_count: 1,
            protected: false,
            only_daemons: false,
            no_place: false,
            drain_overdue: false,
        };
        let (named, decommissioning) = if mode == Mode::Active { (vec![first], vec![]) } else { (vec![], vec![first]) };
        ScalingDecision {
            id: Uuid::from_u128(u128::from(delta.unsigned_abs())),
            scale_down_agents: if delta < 0 { named } else { Vec::new() },
            decommissioning_agents: decommissioning,
            ..cluster::decision(delta, 10, shared::time::truncate(now()))
        }
    }

    fn mode(&self) -> Mode {
        self.master.cluster(|cluster| cluster.agents().next().unwrap().mode)
    }

    fn has_tag(&self) -> bool {
        self.auto_scaling.group(GROUP, |group| group.tags.contains_key(TAG)).unwrap()
    }

    /// Delivers a decision to a function that dies at that call, before or after it is made.
    async fn dies_at(&self, decision: &ScalingDecision, service: Service, call: usize, trouble: &Trouble) {
        let before = self.calls(service);
        self.faults.add(Fault::at(Calls::Number(service, before + call), trouble.clone()));
        let handler = self.handler();
        tokio::select! {
            applied = handler.apply(decision, now) => panic!("it did not come to call {call}: {applied:?}"),
            () = self.wait(service, before + call + 1) => {}
        }
        // What hangs after the call has made it by now.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    fn calls(&self, service: Service) -> usize {
        if service == Service::Master { self.master.call_count() } else { self.auto_scaling.call_count() }
    }

    async fn wait(&self, service: Service, calls: usize) {
        match service {
            Service::Master => self.master.wait_for_calls(calls).await,
            _ => self.auto_scaling.wait_for_calls(calls).await,
        }
    }

    fn agrees(&self, place: &str) {
        assert!(self.mode() == Mode::Active || self.has_tag(), "{place}: deactivated without a tag");
    }
}

#[tokio::test]
async fn a_function_that_dies_at_any_call_leaves_no_agent_without_its_tag() {
    // Three descriptions before the tag and the call to the master; two before a reactivation, and its tag deleted at last.
    let places = [
        (Service::AutoScaling, 0..4, -1),
        (Service::Master, 0..1, -1),
        (Service::AutoScaling, 0..4, 1),
        (Service::Master, 0..1, 1),
    ];
    for (service, calls, delta) in places {
        for call in calls {
            for trouble in [Trouble::HangsBefore, Trouble::HangsAfter] {
                let (world, place) =
                    (World::new().await, format!("{service:?}, call {call}, {trouble:?}, delta {delta}"));
                if delta > 0 {
                    world.handler().apply(&world.decision(-1), now).await;
                    assert!(world.mode() == Mode::Deactivated && world.has_tag(), "{place}");
                    // The snapshot is newer than the tag.
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                let decision = world.decision(delta);
                world.dies_at(&decision, service, call, &trouble).await;
                world.agrees(&place);
                // Lambda runs the event again.
                let applied = world.handler().apply(&decision, now).await;
                world.agrees(&place);
                assert_eq!(world.mode() == Mode::Active, delta > 0, "{place}: {applied:?}");
            }
        }
    }
}
