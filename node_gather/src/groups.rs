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
        let seen = if policy.source.needs_masters() {
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

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "mesos.masters = [\"http://10.0.0.5:5050\"]\n\
        [[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\ncpu_utilization = true\n\
        [[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"\n\
        [[pools]]\nname = \"plain\"\ngroup = \"plain-asg\"\nattributes = { pool = \"plain\" }\n";

    fn now() -> Timestamp {
        "2026-11-21T18:00:00.1234Z".parse().unwrap()
    }

    /// The pools of the document; those of the cluster were seen with that level.
    fn completed(level: CompletenessLevel, groups: &Groups) -> Vec<ClusterSnapshot> {
        let config =
            Config::parse(&DOCUMENT.replace("cpu_utilization", "attributes = { pool = \"workers\" }\ncpu_utilization"));
        let config = config.unwrap_or_else(|problems| panic!("{problems}"));
        let seen = |policy: &Policy| {
            let mut snapshot = of_group(policy, Some(&Size::Known { in_service: 9, leaving: 0 }), now());
            snapshot.completeness.level = level;
            snapshot.source.master = "http://10.0.0.5:5050".to_owned();
            snapshot.identified()
        };
        let cluster: Vec<ClusterSnapshot> = config.mesos_pools().iter().rev().map(seen).collect();
        complete(&config, cluster, groups, now())
    }

    fn known() -> Groups {
        let cpu = [("workers-asg", 71.5), ("web-asg", 12.25), ("plain-asg", 99.0)];
        let size = Size::Known { in_service: 3, leaving: 1 };
        Groups {
            cpu: cpu.map(|(name, percent)| (name.to_owned(), Cpu::Known(percent))).into(),
            size: [("web-asg".to_owned(), size)].into(),
        }
    }

    #[test]
    fn every_pool_is_told_what_it_asked_for_and_no_more() {
        let snapshots = completed(CompletenessLevel::Complete, &known());
        let told: Vec<_> =
            snapshots.iter().map(|snapshot| (&*snapshot.pool, snapshot.cpu_utilization_percent)).collect();
        assert_eq!(told, [("workers", Some(71.5)), ("web", Some(12.25)), ("plain", None)]);
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
    fn what_is_not_known_makes_no_view_better_and_hides_no_pool() {
        for (level, expected) in [
            (CompletenessLevel::Complete, CompletenessLevel::Partial),
            (CompletenessLevel::Partial, CompletenessLevel::Partial),
            (CompletenessLevel::Blind, CompletenessLevel::Blind),
        ] {
            let snapshots = completed(level, &Groups::default());
            let levels: Vec<_> = snapshots.iter().map(|snapshot| snapshot.completeness.level).collect();
            assert_eq!(levels, [expected, CompletenessLevel::Blind, level]);
            let reason = "the group's CPU utilization is not known: nobody was asked";
            assert_eq!(snapshots[0].completeness.reasons, [reason]);
            let size = "the size of the group web-asg is not known: nobody was asked";
            assert_eq!(snapshots[1].completeness.reasons, [size, reason]);
        }
    }

    #[test]
    fn a_pool_of_which_the_master_said_nothing_has_no_snapshot() {
        let config =
            Config::parse(&DOCUMENT.replace("attributes = { pool = \"plain\" }", "source = \"cloudwatch\"")).unwrap();
        let pools: Vec<String> =
            complete(&config, Vec::new(), &known(), now()).into_iter().map(|snapshot| snapshot.pool).collect();
        assert_eq!(pools, ["web", "plain"]);
    }

    #[test]
    fn a_mean_is_a_percentage_to_the_thousandth_or_is_not_known() {
        assert_eq!(Cpu::of(&[1.0, 2.0, 2.0]), Cpu::Known(1.667));
        assert_eq!(Cpu::of(&[100.000_000_1]), Cpu::Known(100.0));
        for measured in [&[][..], &[-1.0], &[250.0], &[f64::NAN], &[f64::INFINITY, 1.0]] {
            assert!(matches!(Cpu::of(measured), Cpu::Unknown { .. }), "{measured:?}");
        }
    }
}
