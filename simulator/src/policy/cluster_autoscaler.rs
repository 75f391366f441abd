//! cluster-autoscaler, of Kubernetes.
//!
//! <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md> at commit 0024f254, "How does scale-up work?" and
//! "How does scale-down work?", with its defaults. Every 10 seconds: tasks that wait and have no room on agents or in flight bring as
//! many agents as hold them, packed. Otherwise an agent is unneeded while less than 50% of it is allocated and its tasks fit on
//! the others. After 10 minutes without need it goes: up to 10 empty ones at a time, or one with tasks, and the next of
//! those when its termination has ended. For 10 minutes after an addition none goes.
//!
//! Pods that must not move, and disruption budgets, are not simulated: all tasks may move.

use std::collections::BTreeMap;

use super::packing::Packing;
use super::view::{AgentView, Share, View};
use super::{Orders, Policy, PolicyError};
use crate::{MINUTE, Millis, SECOND};

/// `scan-interval`
const SCAN_INTERVAL: Millis = 10 * SECOND;
/// `scale-down-utilization-threshold`
const UTILIZATION_PERMILLE: u32 = 500;
/// `scale-down-unneeded-time`
const UNNEEDED_TIME: Millis = 10 * MINUTE;
/// `scale-down-delay-after-add`
const DELAY_AFTER_ADD: Millis = 10 * MINUTE;
/// `max-empty-bulk-delete`
const EMPTY_AT_A_TIME: usize = 10;

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct ClusterAutoscaler {
    added: Option<Millis>,
    /// Since when agents are unneeded, by their numbers.
    unneeded: BTreeMap<u32, Millis>,
}

/// The agents that are unneeded, each for itself, by their places.
fn unneeded(agents: &[AgentView<'_>]) -> Vec<usize> {
    let packing = Packing::new(agents.iter().map(AgentView::free).collect());
    let is_unneeded = |(place, agent): &(usize, &AgentView<'_>)| {
        let is_low = Share::of(&agent.used, &agent.total).is_below_permille(UTILIZATION_PERMILLE);
        is_low && packing.fits_without(&[*place], &agent.tasks, &agent.total)
    };
    agents.iter().enumerate().filter(is_unneeded).map(|(place, _)| place).collect()
}

impl ClusterAutoscaler {
    /// The instances that have been unneeded for long enough, as many as may go at once.
    fn due(&self, agents: &[AgentView<'_>], now: Millis, terminating: u32) -> Vec<String> {
        let is_due =
            |agent: &&AgentView<'_>| self.unneeded.get(&agent.number).is_some_and(|since| now >= since + UNNEEDED_TIME);
        let (empty, occupied): (Vec<_>, Vec<_>) =
            agents.iter().filter(is_due).partition(|agent| agent.tasks.is_empty());
        let count = if empty.is_empty() { usize::from(terminating == 0) } else { EMPTY_AT_A_TIME };
        let chosen = if empty.is_empty() { occupied } else { empty };
        chosen.into_iter().take(count).map(|agent| agent.instance.to_owned()).collect()
    }
}

impl Policy for ClusterAutoscaler {
    fn period(&self) -> Millis {
        SCAN_INTERVAL
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        let agents = view.agents();
        let mut packing = Packing::new(agents.iter().map(AgentView::free).collect());
        packing.extend(view.in_flight, view.new_agent);
        let more = packing.place_or_add(&view.to_place(), &view.new_agent);
        let desired = view.desired.saturating_add(more).min(view.max);
        if desired > view.desired {
            self.added = Some(view.elapsed);
            orders.set_desired(desired, format!("tasks that wait need {more} agents"));
            return Ok(());
        }
        let places = unneeded(&agents);
        let numbers: Vec<u32> =
            places.into_iter().filter_map(|place| agents.get(place)).map(|agent| agent.number).collect();
        self.unneeded.retain(|number, _| numbers.contains(number));
        for number in numbers {
            self.unneeded.entry(number).or_insert(view.elapsed);
        }
        if self.added.is_some_and(|added| view.elapsed < added + DELAY_AFTER_ADD) {
            return Ok(());
        }
        let spare = view.desired.saturating_sub(view.min) as usize;
        let mut due = self.due(&agents, view.elapsed, view.terminating());
        due.truncate(spare);
        if !due.is_empty() {
            orders.terminate(due, "unneeded for 10 minutes".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cluster::resources;
    use shared::contract::TaskGroup;

    use super::*;

    const NAMES: [&str; 14] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];

    /// Agents of 8 cpus that run so many tasks of one.
    fn agents(tasks: &[u32]) -> Vec<AgentView<'static>> {
        let agent = |((number, instance), count): ((u32, &&'static str), &u32)| AgentView {
            number,
            instance,
            registered_at: cluster::NOON,
            is_usable: true,
            total: resources(8, 28_000),
            used: resources((*count).into(), 0),
            tasks: [TaskGroup { count: *count, resources: resources(1, 0) }]
                .into_iter()
                .filter(|group| group.count > 0)
                .collect(),
        };
        (0..).zip(&NAMES).zip(tasks).map(agent).collect()
    }

    #[test]
    fn an_agent_below_half_is_unneeded_if_its_tasks_fit_elsewhere() {
        for (tasks, expected) in [
            (&[4, 0][..], &[1][..]),
            (&[3, 8, 6], &[]),
            (&[3, 8, 5], &[0]),
            // Each for itself: the FAQ's agents A and B both fit on X, though not together.
            (&[3, 3, 5], &[0, 1]),
            (&[4, 4, 0], &[2]),
        ] {
            assert_eq!(unneeded(&agents(tasks)), expected, "{tasks:?}");
        }
    }

    #[test]
    fn up_to_ten_empty_agents_go_at_once_or_one_with_tasks() {
        let minutes = |minutes: Millis| minutes * MINUTE;
        for (tasks, since, terminating, expected) in [
            (&[0; 14][..], 0, 0, &NAMES[..10]),
            (&[0; 14], 0, 5, &NAMES[..10]),
            (&[1, 0, 1, 0], 0, 0, &["b", "d"]),
            (&[1, 1, 1], 0, 0, &["a"]),
            (&[1, 1, 1], 0, 1, &[]),
            // For 9 minutes.
            (&[0, 1], 1, 0, &[]),
        ] {
            let agents = agents(tasks);
            let since = agents.iter().map(|agent| (agent.number, minutes(since))).collect();
            let policy = ClusterAutoscaler { added: None, unneeded: since };
            assert_eq!(policy.due(&agents, minutes(10), terminating), expected, "{tasks:?}");
        }
    }
}
