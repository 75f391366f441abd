//! What the measurements of `make compare` and `make learned` have in common.

use shared::config::Policy;
use simulator::Workload;

/// A longer trace is cut: one day that is not measured, and 14 that are.
pub(super) const DAYS: u64 = 15;

/// A pool with these settings. None comes near its maximum: what that does is no property of a policy.
pub(super) fn pool(settings: &str, workload: &Workload, sees_queue: bool) -> Policy {
    let learns = !settings.is_empty();
    // A job that is stopped starts again from 0.
    let batch = if learns && !workload.jobs.is_empty() { "\ndrain_after = \"never\"" } else { "" };
    // What a pool that learns has by default depends on whether the queue is seen.
    let marathon = if sees_queue { "\n[marathon]\nurl = \"http://10.0.0.5:8080\"" } else { "" };
    cluster::policy(&format!("min = 1\nmax = 400\n{settings}{batch}{marathon}")).unwrap()
}
