//! Karpenter.
//!
//! <https://karpenter.sh/docs/concepts/disruption/> at commit 01f93d2d of aws/karpenter-provider-aws, with its defaults
//! (`WhenEmptyOrUnderutilized`, `consolidateAfter: 0s`, a budget of 10% of the nodes), and `BATCH_MAX_DURATION` of 10 s. Tasks that wait
//! and have no room on agents or in flight bring as many agents as hold them, packed. Otherwise every agent whose tasks
//! fit on the others goes at once, those with the fewest tasks first, within the budget: ceil(10% of the agents) less those that are
//! terminating.
//!
//! With a buffer, P percent of each application are placeholders, at least one: tasks that exist in that simulation only and take
//! room like others. <https://karpenter.sh/docs/concepts/capacitybuffers/> at commit 5244ea5e, `scalableRef` with `percentage`.
//!
//! There is one type of instance, so nothing is replaced by a cheaper one. Pods that must not move, and disruption budgets of pods,
//! are not simulated.

use shared::contract::TaskGroup;

use super::packing::Packing;
use super::view::{AgentView, View};
use super::{Orders, Policy, PolicyError};
use crate::{Millis, SECOND};

/// `BATCH_MAX_DURATION`
const PERIOD: Millis = 10 * SECOND;
/// `spec.disruption.budgets`
const BUDGET_PERCENT: u32 = 10;

/// The policy.
#[derive(Clone, Debug)]
pub struct Karpenter {
    buffer_percent: u32,
}

/// How many agents may go at once.
fn budget(agents: u32, terminating: u32) -> u32 {
    (agents * BUDGET_PERCENT).div_ceil(100).saturating_sub(terminating)
}

/// The placeholders for such applications.
fn placeholders(applications: &[TaskGroup], percent: u32) -> Vec<TaskGroup> {
    let of = |application: &TaskGroup| TaskGroup { count: (application.count * percent).div_ceil(100), ..*application };
    applications.iter().map(of).filter(|placeholders| placeholders.count > 0).collect()
}

/// The agents whose tasks fit together on the others, along with what waits, as many as may go, by their places.
fn removable(agents: &[AgentView<'_>], waiting: Vec<TaskGroup>, count: u32) -> Vec<usize> {
    let packing = Packing::new(agents.iter().map(AgentView::free).collect());
    let mut fewest: Vec<(u32, usize)> =
        agents.iter().enumerate().map(|(place, agent)| (agent.task_count(), place)).collect();
    fewest.sort_unstable();
    let (mut removed, mut tasks) = (Vec::new(), waiting);
    for (_, place) in fewest {
        let Some(agent) = agents.get(place).filter(|_| removed.len() < count as usize) else { break };
        removed.push(place);
        let before = tasks.len();
        tasks.extend(&agent.tasks);
        if !packing.fits_without(&removed, &tasks, &agent.total) {
            removed.pop();
            tasks.truncate(before);
        }
    }
    removed
}

impl Karpenter {
    /// The policy with a buffer of that percentage of each application, 0 for none.
    #[must_use]
    pub const fn new(buffer_percent: u32) -> Self {
        Self { buffer_percent }
    }
}

impl Policy for Karpenter {
    fn period(&self) -> Millis {
        PERIOD
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        let agents = view.agents();
        let mut tasks = view.to_place();
        tasks.extend(placeholders(view.wanted(), self.buffer_percent));
        let mut all = Packing::new(agents.iter().map(AgentView::free).collect());
        all.extend(view.in_flight, view.new_agent);
        let more = all.place_or_add(&tasks, &view.new_agent);
        let desired = view.desired.saturating_add(more).min(view.max);
        if desired > view.desired {
            orders.set_desired(desired, format!("tasks that wait, and placeholders, need {more} agents"));
        }
        if more > 0 {
            return Ok(());
        }
        let count = budget(view.usable(), view.terminating()).min(view.desired.saturating_sub(view.min));
        let places = removable(&agents, tasks, count);
        let instances: Vec<String> =
            places.into_iter().filter_map(|place| agents.get(place)).map(|agent| agent.instance.to_owned()).collect();
        if !instances.is_empty() {
            orders.terminate(instances, "their tasks fit on other agents".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cluster::resources;

    use super::*;

    #[test]
    fn a_budget_is_rounded_up_less_what_is_terminating() {
        // roundup(total * percentage) - total_deleting
        for (agents, terminating, expected) in
            [(19, 0, 2), (10, 0, 1), (11, 0, 2), (100, 3, 7), (19, 2, 0), (1, 0, 1), (0, 0, 0), (10, 5, 0)]
        {
            assert_eq!(budget(agents, terminating), expected, "{agents} agents, {terminating} terminating");
        }
    }

    #[test]
    fn a_buffer_is_a_percentage_of_replicas_rounded_up() {
        let counts = |replicas: &[u32], percent| -> Vec<u32> {
            let of = |count: &u32| TaskGroup { count: *count, resources: resources(1, 1000) };
            placeholders(&replicas.iter().map(of).collect::<Vec<_>>(), percent).iter().map(|of| of.count).collect()
        };
        // The page's example: a Deployment of 10 replicas and 20 percent.
        assert_eq!(counts(&[10], 20), [2]);
        assert_eq!(counts(&[1, 11, 0, 100], 10), [1, 2, 10], "at least one, none of nothing");
        assert!(counts(&[10, 20], 0).is_empty(), "no buffer");
    }

    #[test]
    fn agents_go_as_long_as_their_tasks_fit_on_the_others() {
        let agent = |number: u32, cpus: u32| AgentView {
            number,
            instance: "i",
            registered_at: cluster::NOON,
            is_usable: true,
            total: resources(8, 28_000),
            used: resources(cpus.into(), 0),
            tasks: vec![TaskGroup { count: cpus, resources: resources(1, 0) }],
        };
        let buffered = |cpus: &[u32], count, buffer: u32| {
            let agents: Vec<AgentView<'_>> = (0..).zip(cpus).map(|(number, cpus)| agent(number, *cpus)).collect();
            let buffer = TaskGroup { count: buffer, resources: resources(1, 0) };
            removable(&agents, vec![buffer], count)
        };
        let places = |cpus: &[u32], count| buffered(cpus, count, 0);
        assert_eq!(places(&[8, 3, 5], 3), [1], "the fewest tasks go first, and fill the others");
        assert_eq!(places(&[8, 3, 6], 3), [0_usize; 0], "two cpus are free elsewhere");
        assert_eq!(places(&[2, 2, 2, 2], 3), [0, 1, 2]);
        assert_eq!(places(&[2, 2, 2, 3], 3), [0, 1], "what moved to an agent moves on with its tasks");
        assert_eq!(places(&[2, 2, 2, 2], 1), [0], "within the budget");
        assert_eq!(buffered(&[8, 8, 0], 3, 8), [0_usize; 0], "an empty agent is where the placeholders are");
        assert_eq!(buffered(&[2, 2, 2, 2], 3, 9), [0], "two agents would have 8 free");
    }
}
