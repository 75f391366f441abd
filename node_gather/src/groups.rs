//! What AWS reports about Auto Scaling groups: their CPU utilization, and the instances that count
//! as agents of pools without a Mesos master.
//! Pure: `cloudwatch` and `autoscaling` make the calls.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::config::{Config, Policy};
use shared::contract::{AgentCounts, ClusterSnapshot, PoolResources, Source};
use shared::count::saturated;
use shared::group::Lifecycle;
use shared::time::truncate;
use uuid::Uuid;

use crate::finding::{self, Finding};
use crate::members::{Description, Descriptions, Group};

/// The highest mean that is a percentage: rounding may exceed 100 a little.
const MAX_PERCENT: f64 = 101.0;

/// Why a value is unknown that no client was set up for.
const NOT_QUERIED: &str = "it was not queried";

/// What AWS reports about the groups, by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// Their CPU utilization.
    pub cpu: BTreeMap<String, Cpu>,
    /// The groups themselves.
    pub described: Descriptions,
}

/// The CPU utilization of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Cpu {
    /// In percent, 0 to 100, to the thousandth.
    Known(f64),
    /// The call failed, or there is no such value.
    Unknown {
        /// Why, as the end of a sentence.
        reason: String,
    },
}

impl Cpu {
    /// The mean of the measured percentages.
    #[must_use]
    pub fn of(measured: &[f64]) -> Self {
        if measured.is_empty() {
            let reason =
                "CloudWatch has no data for the last 10 minutes; check pools.group, and that the group has instances";
            return Self::Unknown { reason: reason.to_owned() };
        }
        let mean = measured.iter().sum::<f64>() / measured.len() as f64;
        if !(0.0..=MAX_PERCENT).contains(&mean) {
            return Self::Unknown { reason: format!("CloudWatch returned {mean}, expected a percentage") };
        }
        Self::Known((mean.min(100.0) * 1000.0).round() / 1000.0)
    }
}

/// The snapshots of all pools, in the order of the configuration. `cluster` holds those of the Mesos cluster; a pool of
/// the cluster that is not in it gets no snapshot.
#[must_use]
pub fn complete(
    config: &Config,
    cluster: Vec<ClusterSnapshot>,
    groups: &Groups,
    taken_at: Timestamp,
) -> Vec<ClusterSnapshot> {
    let mut cluster: BTreeMap<String, ClusterSnapshot> =
        cluster.into_iter().map(|snapshot| (snapshot.pool.clone(), snapshot)).collect();
    let complete = |policy: &Policy| complete_pool(policy, cluster.remove(&policy.pool), groups, taken_at);
    config.pools.iter().filter_map(complete).collect()
}

/// The snapshot of one pool. `of_cluster` is that of a pool of the Mesos cluster, which has none otherwise.
#[must_use]
pub fn complete_pool(
    policy: &Policy,
    of_cluster: Option<ClusterSnapshot>,
    groups: &Groups,
    taken_at: Timestamp,
) -> Option<ClusterSnapshot> {
    let snapshot = if policy.source.needs_masters() {
        of_cluster?
    } else {
        of_group(policy, groups.described.groups.get(&policy.group), taken_at)
    };
    Some(if policy.source.cpu().is_some() { with_cpu(snapshot, groups.cpu.get(&policy.group)) } else { snapshot })
}

/// The snapshot of a pool without a Mesos master: every instance in service counts as an agent.
fn of_group(policy: &Policy, description: Option<&Description>, taken_at: Timestamp) -> ClusterSnapshot {
    let unknown = |reason: &str| Finding::UnknownSize { group: policy.group.clone(), reason: reason.to_owned() };
    let (group, findings) = match description {
        Some(Description::Known(group)) => (Some(group), Vec::new()),
        Some(Description::Unknown { reason }) => (None, vec![unknown(reason)]),
        None => (None, vec![unknown(NOT_QUERIED)]),
    };
    let count = |lifecycle| group.map_or(0, |group| saturated(group.count(lifecycle)));
    let (in_service, terminating) = (count(Lifecycle::InService), count(Lifecycle::Terminating));
    let agents = AgentCounts {
        registered: in_service.saturating_add(terminating),
        usable: in_service,
        draining: terminating,
        ..AgentCounts::default()
    };
    ClusterSnapshot {
        id: Uuid::nil(),
        taken_at: truncate(taken_at),
        pool: policy.pool.clone(),
        source: Source::default(),
        completeness: finding::completeness(findings),
        agents,
        resources: PoolResources::default(),
        group: group.map(Group::of_instances_alone),
        agent_shapes: Vec::new(),
        reserved_role: None,
        latest_agents: Vec::new(),
        decommissioning_omitted: 0,
        free_floor: None,
        scale_down_candidates: Vec::new(),
        applications: Vec::new(),
        growth: None,
        not_counted: Vec::new(),
        notes: Vec::new(),
        cpu_utilization_percent: None,
    }
    .identified()
}

/// The snapshot with the group's CPU utilization. Without it the snapshot is partial: other rules may add agents, and no
/// rule removes any.
fn with_cpu(mut snapshot: ClusterSnapshot, cpu: Option<&Cpu>) -> ClusterSnapshot {
    let reason = match cpu {
        Some(Cpu::Known(percent)) => {
            snapshot.cpu_utilization_percent = Some(*percent);
            return snapshot.identified();
        }
        Some(Cpu::Unknown { reason }) => reason,
        None => NOT_QUERIED,
    };
    Finding::UnknownCpu { reason: reason.to_owned() }.add_to(&mut snapshot.completeness);
    snapshot.identified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Instance;
    use shared::contract::CompletenessLevel;

    const CONFIG: &str = "mesos.masters = [\"http://10.0.0.5:5050\"]\n\
        [[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\ncpu_utilization = true\n\
        [[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"\n\
        [[pools]]\nname = \"plain\"\ngroup = \"plain-asg\"\nattributes = { pool = \"plain\" }\n";

    fn now() -> Timestamp {
        "2026-11-21T18:00:00.1234Z".parse().unwrap()
    }

    /// A group with so many instances in service and terminating.
    fn described(in_service: usize, terminating: usize) -> Description {
        let lifecycles = [vec![Lifecycle::InService; in_service], vec![Lifecycle::Terminating; terminating]].concat();
        let instance =
            |(number, lifecycle): (u32, Lifecycle)| Instance { id: format!("i-{number}"), lifecycle, protected: false };
        Description::Known(Group { instances: (0..).zip(lifecycles).map(instance).collect(), ..Group::default() })
    }

    /// The snapshots of all pools; those of the cluster have that level.
    fn completed(level: CompletenessLevel, groups: &Groups) -> Vec<ClusterSnapshot> {
        let config =
            Config::parse(&CONFIG.replace("cpu_utilization", "attributes = { pool = \"workers\" }\ncpu_utilization"));
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let snapshot = |policy: &Policy| {
            let mut snapshot = of_group(policy, Some(&described(9, 0)), now());
            snapshot.completeness.level = level;
            snapshot.source.master = "http://10.0.0.5:5050".to_owned();
            snapshot.identified()
        };
        let cluster: Vec<ClusterSnapshot> = config.mesos_pools().iter().rev().map(snapshot).collect();
        complete(&config, cluster, groups, now())
    }

    fn known() -> Groups {
        let cpu = [("workers-asg", 71.5), ("web-asg", 12.25), ("plain-asg", 99.0)];
        Groups {
            cpu: cpu.map(|(name, percent)| (name.to_owned(), Cpu::Known(percent))).into(),
            described: Descriptions {
                groups: [("web-asg".to_owned(), described(3, 1))].into(),
                ..Descriptions::default()
            },
        }
    }

    #[test]
    fn every_pool_gets_the_cpu_utilization_that_it_asks_for() {
        let snapshots = completed(CompletenessLevel::Complete, &known());
        let percentages: Vec<_> =
            snapshots.iter().map(|snapshot| (&*snapshot.pool, snapshot.cpu_utilization_percent)).collect();
        assert_eq!(percentages, [("workers", Some(71.5)), ("web", Some(12.25)), ("plain", None)]);
        let web = &snapshots[1];
        assert_eq!((web.agents.registered, web.agents.usable, web.agents.draining), (4, 3, 1));
        assert_eq!(web.completeness.level, CompletenessLevel::Complete);
        assert_eq!(web.taken_at.to_string(), "2026-11-21T18:00:00.123Z");
        assert!(snapshots.iter().all(|snapshot| *snapshot == snapshot.clone().identified()));
        let json = shared::contract::to_json(web).unwrap();
        assert!(json.contains(r#""source":{"cluster":null,"elected_at":null}"#), "{json}");
        assert_eq!(shared::contract::decode::<ClusterSnapshot>(&json, None).unwrap(), *web);
    }

    #[test]
    fn unknown_values_reduce_completeness_but_keep_every_pool() {
        for (level, expected) in [
            (CompletenessLevel::Complete, CompletenessLevel::Partial),
            (CompletenessLevel::Partial, CompletenessLevel::Partial),
            (CompletenessLevel::Blind, CompletenessLevel::Blind),
        ] {
            let snapshots = completed(level, &Groups::default());
            let levels: Vec<_> = snapshots.iter().map(|snapshot| snapshot.completeness.level).collect();
            assert_eq!(levels, [expected, CompletenessLevel::Blind, level]);
            let cpu = Finding::UnknownCpu { reason: NOT_QUERIED.to_owned() }.to_string();
            assert_eq!(snapshots[0].completeness.reasons, std::slice::from_ref(&cpu));
            let size = Finding::UnknownSize { group: "web-asg".to_owned(), reason: NOT_QUERIED.to_owned() }.to_string();
            assert_eq!(snapshots[1].completeness.reasons, [size, cpu]);
        }
    }

    #[test]
    fn a_cluster_pool_that_was_not_read_has_no_snapshot() {
        let config =
            Config::parse(&CONFIG.replace("attributes = { pool = \"plain\" }", "source = \"cloudwatch\"")).unwrap();
        let pools: Vec<String> =
            complete(&config, Vec::new(), &known(), now()).into_iter().map(|snapshot| snapshot.pool).collect();
        assert_eq!(pools, ["web", "plain"]);
    }

    #[test]
    fn a_mean_is_a_percentage_to_the_thousandth_or_unknown() {
        assert_eq!(Cpu::of(&[1.0, 2.0, 2.0]), Cpu::Known(1.667));
        assert_eq!(Cpu::of(&[100.000_000_1]), Cpu::Known(100.0));
        for measured in [&[][..], &[-1.0], &[250.0], &[f64::NAN], &[f64::INFINITY, 1.0]] {
            assert!(matches!(Cpu::of(measured), Cpu::Unknown { .. }), "{measured:?}");
        }
    }
}
