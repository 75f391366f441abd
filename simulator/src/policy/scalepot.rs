//! scalepot, the predecessor of Lambda Scale.
//!
//! <https://github.com/limsangjin12/scalepot> at commit 221b4a47, README.md and `scalepot/do.py`: above
//! `scale_out_threshold` (60%) one more instance, below `scale_down_ratio` (0.7) of it one less, then nothing for `cooltime`.
//! The utilization is the mean of the last 10 minutes. `cooltime` has no default; here it is the same 10 minutes. Instead of
//! CPU utilization it sees what is allocated, as target tracking does. scalepot terminates the first instance that EC2 lists, in
//! an order that EC2 does not document; here the group chooses.

use super::view::Share;
use super::{Orders, Policy, PolicyError, View};
use crate::{MINUTE, Millis};

/// How many minutes it looks back, and waits.
const COOL_MINUTES: usize = 10;
const SCALE_OUT_PERCENT: u32 = 60;
/// 0.7 of 60%.
const SCALE_DOWN_PERMILLE: u32 = 420;

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct Scalepot {
    /// The metric of each minute since the last check.
    metric: Vec<Share>,
}

/// The desired capacity after a check.
fn next(metric: Share, desired: u32, min: u32, max: u32) -> u32 {
    if metric.is_above(SCALE_OUT_PERCENT) && desired < max {
        desired + 1
    } else if metric.is_below_permille(SCALE_DOWN_PERMILLE) && desired > min {
        desired - 1
    } else {
        desired
    }
}

impl Policy for Scalepot {
    /// CloudWatch has a value for each minute.
    fn period(&self) -> Millis {
        MINUTE
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        self.metric.push(view.utilization());
        if self.metric.len() < COOL_MINUTES {
            return Ok(());
        }
        let mean = Share::mean(&std::mem::take(&mut self.metric));
        let desired = next(mean, view.desired, view.min, view.max);
        if desired != view.desired {
            orders.set_desired(desired, format!("{}% allocated within {COOL_MINUTES} minutes", mean.percent()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_adds_one_or_removes_one_within_the_limits() {
        for (percent, desired, expected) in [
            (61, 10, 11),
            (60, 10, 10),
            (42, 10, 10),
            (41, 10, 9),
            (100, 10, 11),
            (0, 10, 9),
            // At its limits: max 12, min 2.
            (61, 12, 12),
            (41, 2, 2),
        ] {
            let metric = Share { part: percent, whole: 100 };
            assert_eq!(next(metric, desired, 2, 12), expected, "{percent}% of {desired}");
        }
    }
}
