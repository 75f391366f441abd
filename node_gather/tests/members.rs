//! What describing groups and instances takes: how many calls, and what a failure leaves.

use crate::support::{RawServer, answer, server};
use cluster::{Cluster, NOON, resources};
use jiff::SignedDuration;
use node_gather::mesos::client::Client;
use node_gather::observe::Sources;
use node_gather::{addresses, autoscaling};
use shared::config::Config;
use shared::contract::{ClusterSnapshot, CompletenessLevel};
use testbed::autoscaling::{AutoScaling, Group, access_denied};
use testbed::ec2::{Ec2, Ec2Instance};
use testbed::faults::{Fault, FaultPlan, Trouble};
use testbed::{AwsError, sdk_config};

/// Two pools with two agents each.
const CONFIG: &str = "mesos.masters = [\"@URL@\"]\n\
    [[pools]]\nname = \"a\"\ngroup = \"a-asg\"\nattributes = { pool = \"a\" }\n\
    [[pools]]\nname = \"b\"\ngroup = \"b-asg\"\nattributes = { pool = \"b\" }\n";

struct Setting {
    faults: FaultPlan,
    _master: RawServer,
    auto_scaling: AutoScaling,
    ec2: Ec2,
    sources: Sources,
    config: Config,
}

impl Setting {
    /// Agents name their instance, or EC2 knows it by its address.
    async fn new(has_names: bool) -> Self {
        let faults = FaultPlan::default();
        let mut cluster = Cluster::of(4, resources(4, 14_000));
        let (mut groups, mut instances) = (Vec::new(), Vec::new());
        for (pool, numbers) in [("a", 0..2), ("b", 2..4)] {
            let name = format!("{pool}-asg");
            let mut group = Group::new(&name, 0, 9, &[]);
            for number in numbers {
                let id = format!("i-{number:017x}");
                group.adopt(&id, "us-east-1a", NOON - SignedDuration::from_hours(24));
                let agent = cluster.agent_mut(number).unwrap();
                agent.attributes.set("pool", pool);
                if has_names {
                    agent.set_instance(&id, "us-east-1a");
                }
                instances.push(Ec2Instance::running(&id, &agent.ip().unwrap().to_string()).of_group(&name));
            }
            groups.push(group);
        }
        let auto_scaling = AutoScaling::start(groups, &faults).await.unwrap();
        let ec2 = Ec2::start(instances, &faults).await.unwrap();
        let state = String::from_utf8(cluster.to_state_json()).unwrap();
        let master = server(answer("200 OK", "Content-Type: application/json\r\n", &state));
        let config = Config::parse(&CONFIG.replace("@URL@", &master.url())).unwrap();
        let mesos = Client::new(config.mesos.clone().unwrap(), None, None).unwrap();
        let sources = Sources {
            mesos: Some(mesos),
            auto_scaling: Some(autoscaling::Client::new(&sdk_config(&auto_scaling.url()))),
            ec2: Some(addresses::Client::new(&sdk_config(&ec2.url()))),
            ..Sources::default()
        };
        Self { faults, _master: master, auto_scaling, ec2, sources, config }
    }

    async fn run(&self, minute: i64) -> Vec<ClusterSnapshot> {
        let now = NOON + SignedDuration::from_mins(minute);
        self.sources.observe(&self.config, now).await.snapshots
    }

    /// The calls so far, to Auto Scaling and to EC2.
    fn calls(&self) -> (usize, usize) {
        (self.auto_scaling.calls().len(), self.ec2.calls().len())
    }
}

fn joined(snapshots: &[ClusterSnapshot]) -> Vec<(u32, u32)> {
    snapshots
        .iter()
        .map(|snapshot| snapshot.group.as_ref().unwrap())
        .map(|group| (group.joined, group.unknown))
        .collect()
}

#[tokio::test]
async fn each_run_describes_all_groups_once() {
    let setting = Setting::new(true).await;
    for minute in 0..3 {
        let snapshots = setting.run(minute).await;
        assert_eq!(joined(&snapshots), [(2, 0), (2, 0)]);
        assert!(snapshots.iter().all(|snapshot| snapshot.completeness.level == CompletenessLevel::Complete));
        assert_eq!(setting.calls(), (usize::try_from(minute + 1).unwrap(), 0), "the agents name their instances");
    }
}

/// A, D8: what node_scale remembers in tags of the group, it remembers until a time.
#[tokio::test]
async fn a_tag_with_a_time_says_something_until_then() {
    let setting = Setting::new(true).await;
    for (tag, until) in [("lambda-scale/tried", 60), ("lambda-scale/closing-refused", 30)] {
        let until = NOON + SignedDuration::from_mins(until);
        setting.auto_scaling.group("a-asg", |group| group.tags.insert(tag.to_owned(), until.to_string())).unwrap();
    }
    setting
        .auto_scaling
        .group("b-asg", |group| group.tags.insert("lambda-scale/tried".to_owned(), "?".to_owned()))
        .unwrap();
    let mut said = Vec::new();
    for minute in [0, 29, 30, 59, 60] {
        let of = |snapshot: &ClusterSnapshot| snapshot.group.as_ref().map(|group| (group.tried, group.closing_refused));
        let groups: Vec<(bool, bool)> = setting.run(minute).await.iter().filter_map(of).collect();
        said.push((groups[0], groups[1]));
    }
    let says = |tried, closing_refused| ((tried, closing_refused), (false, false));
    assert_eq!(said, [says(true, true), says(true, true), says(true, false), says(true, false), says(false, false)]);
}

#[tokio::test]
async fn addresses_are_asked_for_once_for_all_groups() {
    let setting = Setting::new(false).await;
    let snapshots = setting.run(0).await;
    assert_eq!(joined(&snapshots), [(2, 0), (2, 0)]);
    assert!(
        snapshots.iter().flat_map(|snapshot| &snapshot.scale_down_candidates).all(|agent| agent.instance_id.is_some())
    );
    assert_eq!(setting.calls(), (1, 1), "one call for both groups");
    let request = &setting.ec2.calls()[0].params;
    assert_eq!((request["Filter.1.Value.1"].as_str(), request["Filter.1.Value.2"].as_str()), ("a-asg", "b-asg"));
    for minute in 1..10 {
        setting.run(minute).await;
    }
    assert_eq!(setting.calls().1, 1, "known while the function is warm");
    setting.run(10).await;
    assert_eq!(setting.calls().1, 2);
    // A new instance is asked for at once.
    setting.auto_scaling.group("a-asg", |group| group.adopt("i-new", "us-east-1a", NOON)).unwrap();
    let snapshots = setting.run(11).await;
    assert_eq!((setting.calls().1, joined(&snapshots)[0]), (3, (2, 0)));
    assert_eq!(snapshots[0].group.as_ref().unwrap().not_joined, ["i-new"]);
}

#[tokio::test]
async fn all_pages_of_instances_are_read() {
    let setting = Setting::new(false).await;
    let many = |number: u32| Ec2Instance::running(&format!("i-other-{number}"), "10.200.0.1").of_group("a-asg");
    // They come before those of the group in the next page.
    (0..2_500).for_each(|number| setting.ec2.add(many(number)));
    assert_eq!(joined(&setting.run(0).await), [(2, 0), (2, 0)]);
    assert_eq!(setting.calls().1, 3);
}

#[tokio::test]
async fn a_group_that_is_not_described_makes_its_snapshot_partial() {
    let setting = Setting::new(true).await;
    setting.faults.refuse("DescribeAutoScalingGroups", access_denied("DescribeAutoScalingGroups"), 100);
    let snapshots = setting.run(0).await;
    assert_eq!(snapshots.len(), 2);
    for snapshot in snapshots {
        assert_eq!((snapshot.completeness.level, &snapshot.group), (CompletenessLevel::Partial, &None));
        let reasons = snapshot.completeness.reasons.join("; ");
        assert!(reasons.contains("allow the function's role autoscaling:DescribeAutoScalingGroups"), "{reasons}");
    }
    let setting = Setting::new(true).await;
    setting.auto_scaling.delete("b-asg");
    let levels: Vec<CompletenessLevel> =
        setting.run(0).await.iter().map(|snapshot| snapshot.completeness.level).collect();
    assert_eq!(levels, [CompletenessLevel::Complete, CompletenessLevel::Partial]);
}

#[tokio::test]
async fn addresses_that_are_not_reported_make_the_snapshot_partial() {
    let setting = Setting::new(false).await;
    let denied = AwsError::new(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    setting.faults.add(Fault::of("DescribeInstances", Trouble::Refused(denied)).times(1));
    let snapshots = setting.run(0).await;
    for snapshot in &snapshots {
        assert_eq!(
            (snapshot.completeness.level, snapshot.scale_down_candidates.len()),
            (CompletenessLevel::Partial, 0)
        );
        let reasons = snapshot.completeness.reasons.join("; ");
        assert!(reasons.contains("allow the function's role ec2:DescribeInstances"), "{reasons}");
    }
    assert_eq!(joined(&snapshots), [(0, 2), (0, 2)]);
    assert_eq!(joined(&setting.run(1).await), [(2, 0), (2, 0)], "the next run asks again");
}
