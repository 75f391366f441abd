//! Target tracking of EC2 Auto Scaling, at one utilization.
//!
//! <https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html>: the high alarm fires where the metric
//! is above the target in 3 of 3 minutes, the low one where it is below 90% of it in 15 of 15. Instances that are starting are
//! no part of the metric, and count as capacity. It scales up to the capacity at which the metric would be at the target; it
//! scales down "more gradually", here by at most a tenth, and not while instances are starting. The group chooses which
//! instances go.

use super::view::Share;
use super::{Orders, Policy, PolicyError, View};
use crate::{MINUTE, Millis};

const HIGH_MINUTES: u32 = 3;
const LOW_MINUTES: u32 = 15;
/// The low alarm fires below that share of the target, in tenths.
const LOW_TENTHS: u32 = 9;

/// The policy.
#[derive(Clone, Debug)]
pub struct TargetTracking {
    percent: u32,
    /// For how many minutes the metric has been above the target.
    high: u32,
    /// For how many minutes it has been below nine tenths of it, and how many agents the largest metric of that time needs.
    low: u32,
    most: u32,
}

impl TargetTracking {
    /// The policy with that target, in percent.
    #[must_use]
    pub const fn new(percent: u32) -> Self {
        Self { percent, high: 0, low: 0, most: 0 }
    }

    /// The desired capacity after another minute with that metric of so many agents.
    fn next(&mut self, metric: Share, agents: u32, desired: u32, in_flight: u32) -> u32 {
        self.high = if metric.is_above(self.percent) { self.high + 1 } else { 0 };
        let needed = metric.agents_at(agents, self.percent);
        if metric.is_below_permille(self.percent * LOW_TENTHS) {
            self.low += 1;
            self.most = self.most.max(needed);
        } else {
            (self.low, self.most) = (0, 0);
        }
        if self.high >= HIGH_MINUTES && needed > desired {
            self.high = 0;
            return needed;
        }
        if self.low >= LOW_MINUTES && in_flight == 0 && self.most < desired {
            let target = self.most.max(desired - desired.div_ceil(10));
            (self.low, self.most) = (0, 0);
            return target;
        }
        desired
    }
}

impl Policy for TargetTracking {
    fn period(&self) -> Millis {
        MINUTE
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        let metric = view.utilization();
        let desired = self.next(metric, view.usable(), view.desired, view.in_flight).clamp(view.min, view.max);
        if desired != view.desired {
            let (percent, target) = (metric.percent(), self.percent);
            orders.set_desired(desired, format!("{percent}% of {} agents allocated, target {target}%", view.usable()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn percent(part: u64) -> Share {
        Share { part, whole: 100 }
    }

    /// The desired capacity after so many minutes of a metric.
    fn after(minutes: u32, metric: u64, agents: u32, desired: u32, in_flight: u32) -> u32 {
        let mut policy = TargetTracking::new(65);
        let mut last = desired;
        for _ in 0..minutes {
            last = policy.next(percent(metric), agents, desired, in_flight);
        }
        last
    }

    #[test]
    fn three_minutes_above_the_target_scale_up_to_it() {
        for (minutes, metric, desired, expected) in [
            // Ten agents at 80%: ceil(10 · 80 / 65) = 13.
            (2, 80, 10, 10),
            (3, 80, 10, 13),
            (3, 66, 10, 11),
            (3, 100, 10, 16),
            // At the target is not above it.
            (3, 65, 10, 10),
            // What is starting already counts.
            (3, 80, 13, 13),
            (3, 80, 12, 13),
        ] {
            assert_eq!(
                after(minutes, metric, 10, desired, desired - 10),
                expected,
                "{minutes} min at {metric}%, desired {desired}"
            );
        }
    }

    #[test]
    fn a_quarter_of_an_hour_below_nine_tenths_scales_down_by_a_tenth() {
        for (minutes, metric, agents, in_flight, expected) in [
            // 58.5% is nine tenths of 65%.
            (15, 58, 10, 0, 9),
            (14, 58, 10, 0, 10),
            (15, 59, 10, 0, 10),
            // ceil(20 · 10 / 65) = 4, but at most a tenth at a time.
            (15, 10, 20, 0, 18),
            // ceil(40 · 58 / 65) = 36, which is a tenth, too.
            (15, 58, 40, 0, 36),
            (15, 10, 10, 1, 10),
        ] {
            assert_eq!(
                after(minutes, metric, agents, agents, in_flight),
                expected,
                "{minutes} min at {metric}% of {agents}"
            );
        }
    }

    #[test]
    fn the_largest_metric_of_the_quarter_counts() {
        let mut policy = TargetTracking::new(65);
        assert_eq!(policy.next(percent(57), 100, 100, 0), 100);
        let last = (0..14).map(|_| policy.next(percent(10), 100, 100, 0)).last();
        // ceil(100 · 57 / 65) = 88, and at most a tenth.
        assert_eq!(last, Some(90));
        let mut policy = TargetTracking::new(65);
        policy.next(percent(58), 9, 9, 0);
        let last = (0..14).map(|_| policy.next(percent(50), 9, 9, 0)).last();
        // ceil(9 · 58 / 65) = 9: the minute with 58% still needs all of them.
        assert_eq!(last, Some(9));
    }
}
