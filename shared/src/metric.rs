//! Every metric of the three functions, with its unit and its meaning: docs/operations.md lists them.

use std::fmt;

use crate::resources::Kind;

/// Stands for the pool in metrics and outcomes where the pool is not known.
pub const UNKNOWN_POOL: &str = "unknown";

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A percentage.
    Percent,
    /// A duration in seconds.
    Seconds,
    /// A size in bytes.
    Bytes,
}

/// Writes the enum and its tables from one list, so that no metric is missing from one of them.
macro_rules! metrics {
    ($($metric:ident $unit:ident $meaning:literal,)*) => {
        /// A metric in CloudWatch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric {
            $(#[doc = $meaning] $metric,)*
            /// Utilization of one resource of the usable agents: used and displaced, divided by total.
            Utilization(Kind),
        }

        impl Metric {
            /// Every metric.
            #[must_use]
            pub fn all() -> Vec<Self> {
                let kinds = Kind::ALL.map(Self::Utilization);
                [&[$(Self::$metric),*][..], &kinds].concat()
            }

            /// Its name in CloudWatch.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => stringify!($metric),)*
                    Self::Utilization(kind) => kind.utilization_metric(),
                }
            }

            /// Its unit.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self {
                    $(Self::$metric => Unit::$unit,)*
                    Self::Utilization(_) => Unit::Percent,
                }
            }
        }
    };
}

metrics! {
    // node_gather
    RegisteredAgents Count "Agents that are registered with the leading master.",
    UsableAgents Count "Agents that accept tasks.",
    CompletenessLevel Count "Completeness of the snapshot: 0 complete, 1 partial, 2 blind.",
    StateBytes Bytes "Size of /state, decoded.",
    FetchTime Seconds "How long reading /state took.",
    MessageBytes Bytes "Size of the published snapshot.",
    MessageSizeStep Count "How far the snapshot was shortened to fit a message.",
    QueuedInstances Count "Instances in Marathon's launch queue for lack of resources.",
    UnknownInstances Count "Instances of the group of which it is not known whether they are agents.",
    Demand Count "With learn: eighths of a new agent that the tasks and queued instances of the pool fill (H7).",
    Growth Count "With learn: eighths of a new agent by which demand is expected to grow within the boot time (H8).",
    GrowthSamples Count "With learn: runs that the expected growth was learned from.",
    HistoryFailed Count "With learn: 1 where what was learned cannot be read or written, so that a cold start forgets it.",
    GroupCpuUtilization Percent "CPU utilization of the instances of the group.",
    // node_process
    Delta Count "Agents that the decision adds; negative: removes.",
    Target Count "Agents after the decision.",
    HeadroomShortfall Count "Agents that the headroom needs, kept ones included.",
    UnplaceableApplications Count "Applications with tasks that fit no agent.",
    SnapshotAge Seconds "Age of the snapshot when it was decided on.",
    Expired Count "Snapshots that were too old to decide on.",
    // node_scale
    DesiredCapacity Count "Desired capacity of the group before the action.",
    Instances Count "Instances of the group that count as capacity.",
    InFlightInstances Count "Instances that were requested and are not yet agents.",
    NeverJoined Count "Instances older than join_timeout that are not agents.",
    CapacityChange Count "Change of the desired capacity by a scale-up or a scale-down.",
    LaunchFailures Count "Launches in a row that brought no agent.",
    ScaleUpUnmet Count "Agents that are wanted, or instances of a floor, that neither joined nor arrive.",
    ScaleDownUnmet Count "Agents that are to go and that a back-off keeps, other than the window.",
    StrandedAgents Count "Agents that Lambda Scale deactivated and whose decommissioning does not go on, and agents whose drain does not end.",
    Paused Count "1 where a pause, or a floor that cannot be read, holds the pool.",
    Outcomes Count "Decisions that got an outcome of any kind.",
    BackedOff Count "Decisions that were postponed to a later run.",
    Refused Count "Messages that are never acted on, in node_process and node_scale.",
    Failed Count "Decisions that failed for an error of a call.",
    AtMax Count "1 where more agents are needed than the limits allow.",
    Notes Count "Notes of the outcome: what an operator should fix.",
    ActionAge Seconds "Age of the snapshot when the action ended.",
    ActionTime Seconds "How long the action took.",
}

impl Metric {
    /// The metric with a value.
    #[must_use]
    pub fn of(self, value: impl Into<f64>) -> Figure {
        Figure { metric: self, value: value.into() }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A metric with a value. A value that is not finite is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The metric.
    pub metric: Metric,
    /// Its value.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = include_str!("../../docs/operations.md");

    /// The first name in backquotes of the row that a function has in the table of metrics, and those after it.
    fn documented() -> BTreeSet<&'static str> {
        let rows = PAGE.lines().filter(|line| {
            ["| node_gather |", "| node_process |", "| node_scale |"].iter().any(|start| line.starts_with(start))
        });
        let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase() || c == '<')).collect()
    }

    #[test]
    fn every_metric_is_documented_and_every_documented_metric_exists() {
        let name = |metric: &Metric| match metric {
            Metric::Utilization(_) => "<Kind>Utilization",
            metric => metric.name(),
        };
        assert_eq!(documented(), Metric::all().iter().map(name).collect());
        let names: BTreeSet<&str> = Metric::all().into_iter().map(Metric::name).collect();
        assert_eq!(names.len(), Metric::all().len(), "no name twice");
    }

    #[test]
    fn the_utilization_of_every_kind_is_named_alike() {
        for kind in Kind::ALL {
            let documented = format!("{kind}Utilization");
            let name = Metric::Utilization(kind).name();
            assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
            assert!(name.eq_ignore_ascii_case(&documented) && name.ends_with("Utilization"), "{name}");
        }
    }
}
