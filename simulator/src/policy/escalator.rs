//! Escalator, of Atlassian.
//!
//! <https://github.com/atlassian/escalator>: docs/calculations.md at commit b3b1d289, docs/scale-process.md at 241df7c0, and the
//! values of the example in docs/configuration/nodegroup.md at 01befbea. It compares what all tasks request, those that wait
//! included, with the agents that are not tainted. At 70% and above it adds ceil(agents · (u - 70) / 70), tainted agents
//! first, and does nothing more until the new ones are there, for 2 minutes at least and 10 at most. Below 40% it taints 2 agents
//! in each scan, below 10% 5, the oldest first. Tainted agents take no more tasks; one goes after a minute if it is empty, and
//! after 10 in any case. Here an agent that is closed is one that is tainted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::resources::Resources;

use super::view::{AgentView, Share, View};
use super::{Orders, Policy, PolicyError};
use crate::{MINUTE, Millis};

/// `scale_up_threshold_percent`
const SCALE_UP_PERCENT: u32 = 70;
/// `taint_upper_capacity_threshold_percent` and `slow_node_removal_rate`
const SLOW: (u32, u32) = (40, 2);
/// `taint_lower_capacity_threshold_percent` and `fast_node_removal_rate`
const FAST: (u32, u32) = (10, 5);
/// `scale_up_cool_down_period` and `scale_up_cool_down_timeout`
const LOCK: (Millis, Millis) = (2 * MINUTE, 10 * MINUTE);
/// `soft_delete_grace_period` and `hard_delete_grace_period`
const GRACE: (Millis, Millis) = (MINUTE, 10 * MINUTE);

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct Escalator {
    /// When it requested instances last, until they are there.
    locked: Option<Millis>,
    /// Since when agents are tainted, by their numbers. Escalator writes the time into the taint.
    tainted: BTreeMap<u32, Millis>,
}

/// What a scan changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delta {
    Add(u32),
    Taint(u32),
    Keep,
}

/// What it does about requests, on so many agents.
fn delta(requests: &Resources, agent: &Resources, agents: u32) -> Delta {
    // Without agents it computes with what one would have.
    let share = Share::of(requests, &agent.times(agents.max(1).into()));
    let needed = share.agents_at(agents.max(1), SCALE_UP_PERCENT);
    match needed.saturating_sub(agents) {
        _ if agents > 0 && share.is_below_permille(10 * FAST.0) => Delta::Taint(FAST.1),
        _ if agents > 0 && share.is_below_permille(10 * SLOW.0) => Delta::Taint(SLOW.1),
        0 => Delta::Keep,
        more => Delta::Add(more),
    }
}

impl Escalator {
    fn is_locked(&mut self, now: Millis, in_flight: u32) -> bool {
        let holds = |since: Millis| now < since + LOCK.0 || in_flight > 0 && now < since + LOCK.1;
        self.locked = self.locked.filter(|since| holds(*since));
        self.locked.is_some()
    }

    /// Adds agents: those that were tainted last, then new ones.
    fn add(&mut self, mut more: u32, view: &View<'_>, orders: &mut Orders) {
        let mut tainted: Vec<(Millis, u32)> = self.tainted.iter().map(|(number, since)| (*since, *number)).collect();
        tainted.sort_unstable_by_key(|tainted| Reverse(*tainted));
        let back: Vec<u32> = tainted.into_iter().map(|(_, number)| number).take(more as usize).collect();
        self.tainted.retain(|number, _| !back.contains(number));
        more -= u32::try_from(back.len()).unwrap_or(more);
        if !back.is_empty() {
            orders.reopen(back, format!("requests above {SCALE_UP_PERCENT}%"));
        }
        let desired = view.desired.saturating_add(more).min(view.max);
        if desired > view.desired {
            self.locked = Some(view.elapsed);
            orders.set_desired(desired, format!("requests above {SCALE_UP_PERCENT}%"));
        }
    }

    /// Removes tainted agents that are empty, or have been tainted for long.
    fn remove(&self, agents: &[AgentView<'_>], view: &View<'_>, orders: &mut Orders) {
        let is_due = |agent: &&AgentView<'_>| {
            let Some(since) = self.tainted.get(&agent.number) else { return false };
            let age = view.elapsed - since;
            age >= GRACE.1 || age >= GRACE.0 && agent.tasks.is_empty()
        };
        let due: Vec<String> = agents.iter().filter(is_due).map(|agent| agent.instance.to_owned()).collect();
        if !due.is_empty() {
            orders.terminate(due, "tainted, and empty or beyond the grace period".to_owned());
        }
    }

    /// Taints the oldest agents.
    fn taint(&mut self, count: u32, usable: &[&AgentView<'_>], view: &View<'_>, orders: &mut Orders) {
        let mut oldest: Vec<_> = usable.iter().map(|agent| (agent.registered_at, agent.number)).collect();
        oldest.sort_unstable();
        let spare = usable.len().saturating_sub(view.min as usize);
        let numbers: Vec<u32> = oldest.into_iter().map(|(_, number)| number).take(spare.min(count as usize)).collect();
        self.tainted.extend(numbers.iter().map(|number| (*number, view.elapsed)));
        if !numbers.is_empty() {
            orders.close(numbers, format!("requests below {}%", SLOW.0));
        }
    }
}

impl Policy for Escalator {
    /// `scaninterval`
    fn period(&self) -> Millis {
        MINUTE
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        if self.is_locked(view.elapsed, view.in_flight) {
            return Ok(());
        }
        let agents = view.agents();
        self.tainted.retain(|number, _| agents.iter().any(|agent| agent.number == *number));
        let usable: Vec<&AgentView<'_>> = agents.iter().filter(|agent| agent.is_usable).collect();
        let count = u32::try_from(usable.len()).unwrap_or(u32::MAX);
        match delta(&view.requested(), &view.new_agent, count) {
            Delta::Add(more) => self.add(more, view, orders),
            Delta::Taint(fewer) => {
                self.remove(&agents, view, orders);
                self.taint(fewer, &usable, view, orders);
            }
            Delta::Keep => self.remove(&agents, view, orders),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cluster::resources;

    use super::*;

    #[test]
    fn a_scale_up_is_that_of_the_worked_numbers() {
        // docs/calculations.md: ten pods of 500m and 100 MB, 250% of two nodes of 1000m and 4000 MB, need six more.
        let node = resources(1, 4000);
        assert_eq!(delta(&resources(5, 1000), &node, 2), Delta::Add(6));
        // With eight nodes they are 62.5%.
        assert_eq!(delta(&resources(5, 1000), &node, 8), Delta::Keep);
        // From no nodes: 1800m / 1000m / 70 * 100 = 2.571, here in nodes of 10 cpus.
        assert_eq!(delta(&resources(18, 0), &resources(10, 4000), 0), Delta::Add(3));
        assert_eq!(delta(&resources(0, 0), &node, 0), Delta::Keep);
    }

    #[test]
    fn thresholds_are_those_of_the_advanced_configuration() {
        // docs/configuration/advanced-configuration.md lists these percentages.
        for (percent, expected) in [
            (110, Delta::Add(58)),
            (75, Delta::Add(8)),
            // "Scale up", by ceil(0) nodes.
            (70, Delta::Keep),
            (50, Delta::Keep),
            (40, Delta::Keep),
            (38, Delta::Taint(2)),
            (10, Delta::Taint(2)),
            (9, Delta::Taint(5)),
            (0, Delta::Taint(5)),
        ] {
            assert_eq!(delta(&resources(percent, 0), &resources(1, 4000), 100), expected, "{percent}% of 100 agents");
        }
    }

    #[test]
    fn a_scale_up_locks_until_its_agents_are_there() {
        let minutes = |minutes: Millis, in_flight| {
            let mut policy = Escalator { locked: Some(0), ..Escalator::default() };
            policy.is_locked(minutes * MINUTE, in_flight)
        };
        assert_eq!([1, 2, 9, 10].map(|at| minutes(at, 3)), [true, true, true, false]);
        assert_eq!([1, 2].map(|at| minutes(at, 0)), [true, false]);
    }
}
