//! What is known of Auto Scaling groups beside what Mesos says of their agents: their CPU utilization, and for pools of
//! CloudWatch alone their size. Pure: `cloudwatch` and `autoscaling` ask for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::config::{Config, Policy};
use shared::contract::{AgentCounts, ClusterSnapshot, Completeness, CompletenessLevel, PoolResources, Source};
use shared::time::truncate;
use uuid::Uuid;

/// The most percent that CloudWatch could mean: more than a hundred only by rounding.
const MAX_PERCENT: f64 = 101.0;

/// What is known of the groups, by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// How busy they are.
    pub cpu: BTreeMap<String, Cpu>,
    /// How large they are.
    pub size: BTreeMap<String, Size>,
}

/// The CPU utilization of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Cpu {
    /// In percent, 0 to 100, to the thousandth.
    Known(f64),
    /// It could not be asked for, or nobody knows it.
    Unknown {
        /// Why, in half a sentence.
        reason: String,
    },
}

impl Cpu {
    /// The mean of what was measured.
    #[must_use]
    pub fn of(measured: &[f64]) -> Self {
        if measured.is_empty() {
            let reason =
                "CloudWatch has no data for the last 10 minutes; look at the group's name and whether it has instances";
            return Self::Unknown { reason: reason.to_owned() };
        }
        let mean = measured.iter().sum::<f64>() / measured.len() as f64;
        if !(0.0..=MAX_PERCENT).contains(&mean) {
            return Self::Unknown { reason: format!("CloudWatch says {mean}, which is no percentage") };
        }
        Self::Known((mean.min(100.0) * 1000.0).round() / 1000.0)
    }
}

/// How many instances a group has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// As Auto Scaling says.
    Known {
        /// Those that do their work.
        in_service: u32,
        /// Those on their way out.
        leaving: u32,
    },
    /// It could not be asked for, or nobody knows it.
    Unknown {
        /// Why, in half a sentence.
        reason: String,
    },
}

/// The snapshots of all pools in the order of the configuration. `cluster` are those of the pools of the Mesos cluster;
/// a pool of which there is none has none here either.
#[must_use]
pub fn complete(
    config: &Config,
    cluster: Vec<ClusterSnapshot>,
    groups: &Groups,
    taken_at: Timestamp,
) -> Vec<ClusterSnapshot> {
    let mut cluster: BTreeMap<String, ClusterSnapshot> =
        cluster.into_iter().map(|snapshot| (snapshot.pool.clone(), snapshot)).collect();
    let complete = |policy: &Policy| {
        let seen = if policy.source.is_mesos() {
            cluster.remove(&policy.pool)?
        } else {
            of_group(policy, groups.size.get(&policy.group), taken_at)
        };
        Some(if policy.source.cpu().is_some() { with_cpu(seen, groups.cpu.get(&policy.group)) } else { seen })
    };
    config.pools.iter().filter_map(complete).collect()
}

/// The snapshot of a pool of which nothing is known but its group: every instance in service counts as an agent.
fn of_group(policy: &Policy, size: Option<&Size>, taken_at: Timestamp) -> ClusterSnapshot {
    let (agents, completeness) = match size {
        Some(Size::Known { in_service, leaving }) => {
            let agents = AgentCounts {
                registered: in_service.saturating_add(*leaving),
                usable: *in_service,
                draining: *leaving,
                ..AgentCounts::default()
            };
            (agents, Completeness { level: CompletenessLevel::Complete, reasons: Vec::new() })
        }
        unknown => {
            let reason = match unknown {
                Some(Size::Unknown { reason }) => reason,
                _ => "nobody was asked",
            };
            let reasons = vec![format!("the size of the group {} is not known: {reason}", policy.group)];
            (AgentCounts::default(), Completeness { level: CompletenessLevel::Blind, reasons })
        }
    };
    ClusterSnapshot {
        id: Uuid::nil(),
        taken_at: truncate(taken_at),
        pool: policy.pool.clone(),
        source: Source::default(),
        completeness,
        agents,
        resources: PoolResources::default(),
        agent_shapes: Vec::new(),
        free_floor: None,
        scale_down_candidates: Vec::new(),
        applications: Vec::new(),
        cpu_utilization_percent: None,
    }
    .identified()
}

/// The snapshot with the group's CPU utilization. Where that is not known the view is partial: agents may come by what
/// else is known, and none goes.
fn with_cpu(mut snapshot: ClusterSnapshot, cpu: Option<&Cpu>) -> ClusterSnapshot {
    match cpu {
        Some(Cpu::Known(percent)) => snapshot.cpu_utilization_percent = Some(*percent),
        unknown => {
            let reason = match unknown {
                Some(Cpu::Unknown { reason }) => reason,
                _ => "nobody was asked",
            };
            let Completeness { level, reasons } = &mut snapshot.completeness;
            *level = CompletenessLevel::Partial.max(*level);
            reasons.push(format!("the group's CPU utilization is not known: {reason}"));
        }
    }
    snapshot.identified()
}
