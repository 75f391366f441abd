//! What a plan writes to the group, as node_scale would.

use cluster::group::Group as Model;
use jiff::Timestamp;
use node_scale::plan::{Change, Increase, PlanResult};

/// Writes it, and brings the group to that time.
pub(crate) fn write(result: &PlanResult, group: &mut Model, at: Timestamp) {
    match result {
        PlanResult::Act(Change::Increase(Increase { to, .. }) | Change::Decrease { to, .. }) => {
            group.set_desired(*to, false, at).unwrap();
        }
        PlanResult::Act(Change::Terminate { targets, .. }) => {
            for target in targets {
                group.terminate_instance(&target.instance_id, true, at).unwrap();
            }
        }
        PlanResult::Act(change) => panic!("not modeled: {change}"),
        PlanResult::BackOff(_) | PlanResult::Refuse(_) | PlanResult::Nothing(_) => {}
    }
    group.advance(at);
}
