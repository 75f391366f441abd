//! Clusterman, of Yelp.
//!
//! <https://github.com/YelpArchive/clusterman>: the example of docs/source/configuration.rst at commit 15d1491d, docs/source/autoscaler.rst
//! at 52b0aaa9, and `autoscaler.py` and `pool_manager.py` in clusterman/autoscaler. Every 10 minutes it asks its signal what is
//! needed. Where that needs a capacity that differs by 10% or more from the target, the target becomes the one with 70%
//! utilization. Instances with the fewest tasks are terminated first, without draining.
//!
//! The signal of the example is the most recent `cpus_allocated` within 10 minutes; signals are custom code. Here it is what is
//! allocated and what waits, as in its signal for pending pods, and the most of the 10 minutes, which is to its advantage.
//! `prevent_scale_down_after_capacity_loss` has an effect on Kubernetes only. The `scaling_limits` of the example, 100 units and
//! 100 tasks, are left out.

use shared::resources::Resources;

use super::view::{AgentView, Share, View};
use super::{Orders, Policy, PolicyError};
use crate::{MINUTE, Millis};

/// `period_minutes`, and the `minute_range` of the signal.
const PERIOD_MINUTES: u32 = 10;
/// `setpoint`
const SETPOINT_PERCENT: u32 = 70;
/// `target_capacity_margin`
const MARGIN_PERCENT: u128 = 10;

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct Clusterman {
    minutes: u32,
    /// The most that was asked for since its last run.
    most: Resources,
}

/// The target capacity after a run with such requests on so many agents.
fn next(requests: Share, agents: u32, target: u32, setpoint_percent: u32) -> u32 {
    if requests.part == 0 || target == 0 || agents == 0 {
        return if requests.part == 0 { 0 } else { target.max(1) };
    }
    // agents · requests / setpoint, against the target.
    let new = 100 * u128::from(agents) * u128::from(requests.part);
    let old = u128::from(target) * u128::from(setpoint_percent) * u128::from(requests.whole.max(1));
    if 100 * new.abs_diff(old) >= MARGIN_PERCENT * old { requests.agents_at(agents, setpoint_percent) } else { target }
}

impl Policy for Clusterman {
    /// It collects metrics each minute.
    fn period(&self) -> Millis {
        MINUTE
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        let requested = view.requested();
        self.most = Resources::from_fn(|kind| self.most.get(kind).max(requested.get(kind)));
        self.minutes += 1;
        if !self.minutes.is_multiple_of(PERIOD_MINUTES) {
            return Ok(());
        }
        let most = std::mem::take(&mut self.most);
        let mut agents = view.agents();
        let count = u32::try_from(agents.len()).unwrap_or(u32::MAX);
        let requests = Share::of(&most, &view.new_agent.times(count.into()));
        let target = next(requests, count, view.desired, SETPOINT_PERCENT).clamp(view.min, view.max);
        let why = format!("{}% of {count} agents asked for, set point {SETPOINT_PERCENT}%", requests.percent());
        if target > view.desired {
            orders.set_desired(target, why);
        } else {
            // Never below the target in agents that are there.
            let fewer = (view.desired - target).min(count.saturating_sub(target));
            agents.sort_by_key(AgentView::task_count);
            let fewest = agents.iter().take(fewer as usize).map(|agent| agent.instance.to_owned());
            let instances: Vec<String> = fewest.collect();
            if !instances.is_empty() {
                orders.terminate(instances, why);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_point_is_reached_as_in_the_worked_numbers() {
        let next = |part, agents, target, setpoint| next(Share { part, whole: 100 }, agents, target, setpoint);
        // docs/source/autoscaler.rst: 96 of 100 cpus at a set point of 0.8 become 96 of 120.
        assert_eq!(next(96, 100, 100, 80), 120);
        // autoscaler.py: 100 of 200 cpus on ten agents, set point 0.5, need ten of them, not the target of 50.
        assert_eq!(next(50, 10, 50, 50), 10);
        for (percent, agents, target, expected) in [
            // From 63% to 77% is within the margin of 10%.
            (64, 100, 100, 100),
            (63, 100, 100, 90),
            (76, 100, 100, 100),
            (77, 100, 100, 110),
            (71, 10, 10, 10),
            (100, 10, 10, 15),
            // What was requested before counts: ten agents and five in flight.
            (100, 10, 15, 15),
            // From nothing, and to nothing.
            (100, 0, 0, 1),
            (100, 0, 3, 3),
            (0, 10, 10, 0),
        ] {
            assert_eq!(next(percent, agents, target, 70), expected, "{percent}% of {agents}, target {target}");
        }
    }
}
