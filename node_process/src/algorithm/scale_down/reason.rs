//! D in words: the highest utilization, how many agents it removes, and what stops it.

use std::fmt;

use serde::Serialize;
use shared::text::counted;

use super::super::hosts::reason::HostsNeeded;
use super::super::step::StepReason;
use super::super::utilization::Utilization;
use super::super::words::{BESIDE_DAEMONS, Incomplete};

/// Why D removes as many agents as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleDownReason {
    /// The considered resource with the highest utilization before any removal.
    pub highest: Option<Utilization>,
    /// `scale_down_threshold_percent`; `None` where what has been learned says how many may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_percent: Option<u32>,
    /// How many agents it removes.
    pub removed: u32,
    /// Whether the percentages are of what daemons leave (H12).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub beside_daemons: bool,
    /// Agents that it leaves out because something queued waits for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_queued: Option<ForQueued>,
    /// Why it removes no more.
    pub stop: Stop,
}

/// Agents that stay for queued instances that no new agent could hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForQueued {
    /// How many.
    pub agents: usize,
    /// One of them.
    pub hostname: String,
    /// The application whose instance that one could hold.
    pub application: String,
}

/// What stops the removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// D4
    Incomplete(Incomplete),
    /// D5
    NoAgent,
    /// D5
    NoConsideredResource,
    /// D1
    NotBelow(Utilization),
    /// D3, 1
    NoCandidate,
    /// D3, 1: all others stay for what is queued.
    ForQueued,
    /// D3, 2: `min`.
    Min(u32),
    /// H12
    Hosts(HostsNeeded),
    /// D3, 3
    Step(StepReason),
    /// D3, 4
    Tasks {
        /// How many tasks would have to move with one agent fewer.
        moving: u64,
        /// `max_scale_down_tasks`.
        max: u32,
    },
    /// D3, 5
    WouldRise {
        /// With one agent fewer.
        to: Utilization,
        /// `scale_up_threshold_percent`.
        threshold_percent: u32,
    },
    /// D3, 6
    NoRoom,
    /// D7: no room wherever tasks go.
    Crowded,
    /// D7
    Margin {
        /// How many agents the other rules need.
        needed: u32,
        /// `scale_down_margin`; 0 where it does not hold.
        margin: u32,
    },
}

impl ScaleDownReason {
    pub(crate) const fn is_min(&self) -> bool {
        matches!(self.stop, Stop::Min(_))
    }

    const fn beside(&self) -> &'static str {
        if self.beside_daemons { BESIDE_DAEMONS } else { "" }
    }

    fn threshold(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.highest, self.threshold_percent) {
            (Some(highest), Some(percent)) => {
                write!(f, "{}{} (highest) is below {percent}%", highest.beside(percent), self.beside())
            }
            (None, Some(percent)) => write!(f, "the pool is below {percent}%{}", self.beside()),
            (_, None) => f.write_str("what has been learned replaces the threshold"),
        }
    }

    fn stop(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stop {
            Stop::Incomplete(incomplete) => write!(f, "{incomplete}: removes no agent"),
            Stop::NoAgent => f.write_str("the pool has no usable agent"),
            Stop::NoConsideredResource => f.write_str("no usable agent has any considered resource"),
            Stop::NotBelow(utilization) => {
                let percent = self.threshold_percent.unwrap_or_default();
                // Once in a sentence.
                let beside = if self.removed == 0 { self.beside() } else { "" };
                write!(f, "{}{beside} (highest) is not below {percent}%", utilization.beside(percent))
            }
            Stop::NoCandidate => {
                f.write_str(
                    "stopped because no other agent may go: tasks run there that are protected or of a disconnected framework, no \
                     other host may take its instances, or its EC2 instance is protected from scale-in or not known",
                )
            }
            Stop::ForQueued => f.write_str("stopped because no other agent may go"),
            Stop::Min(min) => write!(f, "stopped by min = {min}"),
            Stop::Hosts(needed) => write!(f, "stopped because {needed}"),
            Stop::Step(step) => write!(f, "stopped by {step}"),
            Stop::Tasks { moving, max } => {
                let tasks = counted(*moving, "task");
                write!(f, "stopped by max_scale_down_tasks = {max}; one agent fewer would move {tasks}")
            }
            Stop::WouldRise { to, threshold_percent } => write!(
                f,
                "stopped because one agent fewer would bring {}, above {threshold_percent}%",
                to.beside(*threshold_percent)
            ),
            Stop::NoRoom => f.write_str("stopped because not every displaced task would fit a single agent that stays"),
            Stop::Crowded => f.write_str(
                "stopped because tasks could move so that one agent fewer has no place for the headroom and ten points more",
            ),
            Stop::Margin { needed, margin: 0 } => {
                write!(f, "stopped because the other rules need {}", counted(*needed, "agent"))
            }
            Stop::Margin { needed, margin } => {
                let agents = counted(*needed, "agent");
                write!(f, "stopped by scale_down_margin = {margin} beyond the {agents} that the other rules need")
            }
        }
    }
}

impl fmt::Display for ScaleDownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_at_once =
            matches!(self.stop, Stop::Incomplete(_) | Stop::NoAgent | Stop::NoConsideredResource | Stop::NotBelow(_));
        match (self.removed, is_at_once) {
            (0, true) => return self.stop(f),
            (0, false) => {
                self.threshold(f)?;
                f.write_str(": removes no agent; ")?;
            }
            (removed, _) => {
                self.threshold(f)?;
                write!(f, ": removes {}; ", counted(removed, "agent"))?;
            }
        }
        if is_at_once {
            f.write_str("then ")?;
        }
        self.stop(f)?;
        self.for_queued.as_ref().map_or(Ok(()), |stay| write!(f, "; {stay}"))
    }
}

impl fmt::Display for ForQueued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agents, hostname, application } = self;
        match agents {
            1 => write!(f, "{hostname} stays for a queued instance of {application}, which a new agent could not hold"),
            _ => write!(
                f,
                "{agents} agents stay for queued instances that a new agent could not hold, such as {hostname} for {application}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::step::StepBy;
    use super::*;
    use shared::config::StepLimit;
    use shared::contract::CompletenessLevel;
    use shared::resources::{Amount, Kind};

    fn step(by: StepBy, decommissioning: u32) -> StepReason {
        StepReason { max: StepLimit::Agents(3), by, decommissioning }
    }

    fn cpus(used: u64, total: u64) -> Utilization {
        let amount = |cpus: u64| Amount::from_thousandths(1000 * cpus);
        Utilization { kind: Kind::Cpus, used: amount(used), total: amount(total) }
    }

    #[test]
    fn every_stop_has_a_sentence_d3() {
        let highest = Some(cpus(7, 16));
        let reason = |removed, beside_daemons, stop| {
            ScaleDownReason { highest, threshold_percent: Some(50), removed, beside_daemons, for_queued: None, stop }
                .to_string()
        };
        let text = |removed, stop| reason(removed, false, stop);
        let below = "cpus 43.8% (highest) is below 50%: ";
        for (stop, expected) in [
            (Stop::Min(4), "stopped by min = 4"),
            (
                Stop::Hosts(HostsNeeded { application: "/db".to_owned(), instances: 4, max_per_agent: 1, hosts: 4 }),
                "stopped because /db needs 4 agents: 4 instances, at most 1 on each agent",
            ),
            (
                Stop::NoCandidate,
                "stopped because no other agent may go: tasks run there that are protected or of a disconnected framework, no \
                 other host may take its instances, or its EC2 instance is protected from scale-in or not known",
            ),
            (Stop::ForQueued, "stopped because no other agent may go"),
            (Stop::Step(step(StepBy::Setting, 0)), "stopped by max_scale_down_step = 3"),
            (
                Stop::Step(step(StepBy::Setting, 1)),
                "stopped by max_scale_down_step = 3 with 1 agent already decommissioning",
            ),
            (Stop::Step(step(StepBy::Empty, 0)), "stopped by max_scale_down_step = 3 (10% for agents without tasks)"),
            (
                Stop::Step(step(StepBy::MostDecommissioning(20), 19)),
                "stopped by the limit of 20 decommissioning agents with 19 agents already decommissioning",
            ),
            (
                Stop::Margin { needed: 59, margin: 1 },
                "stopped by scale_down_margin = 1 beyond the 59 agents that the other rules need",
            ),
            (Stop::Margin { needed: 1, margin: 0 }, "stopped because the other rules need 1 agent"),
            (
                Stop::Tasks { moving: 2, max: 1 },
                "stopped by max_scale_down_tasks = 1; one agent fewer would move 2 tasks",
            ),
            (
                Stop::WouldRise { to: cpus(7, 8), threshold_percent: 80 },
                "stopped because one agent fewer would bring cpus 87.5%, above 80%",
            ),
            (Stop::NoRoom, "stopped because not every displaced task would fit a single agent that stays"),
            (
                Stop::Crowded,
                "stopped because tasks could move so that one agent fewer has no place for the headroom and ten points more",
            ),
        ] {
            assert_eq!(text(0, stop.clone()), format!("{below}removes no agent; {expected}"));
            assert_eq!(text(1, stop.clone()), format!("{below}removes 1 agent; {expected}"));
            assert_eq!(text(2, stop), format!("{below}removes 2 agents; {expected}"));
        }
        for (stop, expected) in [
            (Stop::NoAgent, "the pool has no usable agent"),
            (Stop::NoConsideredResource, "no usable agent has any considered resource"),
            (Stop::NotBelow(cpus(2, 4)), "cpus 50% (highest) is not below 50%"),
        ] {
            assert_eq!(text(0, stop.clone()), expected);
            assert_eq!(text(2, stop), format!("{below}removes 2 agents; then {expected}"));
        }
        let not_below = || Stop::NotBelow(cpus(2, 4));
        assert_eq!(reason(0, true, not_below()), "cpus 50% beside daemons (highest) is not below 50%");
        assert_eq!(
            reason(2, true, not_below()),
            "cpus 43.8% beside daemons (highest) is below 50%: removes 2 agents; then cpus 50% (highest) is not below 50%"
        );
        let staying = |agents| {
            let names = ["ip-10-0-0-1", "/big"].map(ToOwned::to_owned);
            let [hostname, application] = names;
            let for_queued = Some(ForQueued { agents, hostname, application });
            let stop = Stop::ForQueued;
            ScaleDownReason {
                highest,
                threshold_percent: Some(50),
                removed: 1,
                beside_daemons: false,
                for_queued,
                stop,
            }
            .to_string()
        };
        let stopped = format!("{below}removes 1 agent; stopped because no other agent may go; ");
        assert_eq!(
            staying(1),
            format!("{stopped}ip-10-0-0-1 stays for a queued instance of /big, which a new agent could not hold")
        );
        assert_eq!(
            staying(2),
            format!(
                "{stopped}2 agents stay for queued instances that a new agent could not hold, such as ip-10-0-0-1 for /big"
            )
        );
        let incomplete = Incomplete { level: CompletenessLevel::Partial, cause: None };
        assert_eq!(text(0, Stop::Incomplete(incomplete)), "the snapshot is partial: removes no agent");
    }
}
