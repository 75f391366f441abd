//! Assigns queued instances to a pool and an application.
//!
//! Marathon's queue has no constraints and roles, so it does not say where an instance may run. An application with tasks
//! belongs to the pool of most of them. One without tasks belongs to the first pool without `attributes`, which any agent
//! may belong to; if all pools have some, to the first pool of the configuration.

use shared::config::Policy;

use super::applications::{Applications, Key};
use crate::marathon::queue::QueuedInstances;
use crate::mesos::names::is_marathon;

/// The framework of an application without tasks.
const MARATHON: &str = "marathon";

/// Adds the queued instances to the pools. An application without tasks is `gpu_aware` if Marathon is.
pub(super) fn count_in<'a>(
    pools: &mut [Applications<'a>],
    policies: &[Policy],
    queued: &'a [QueuedInstances],
    gpu_aware: bool,
) {
    let default = policies.iter().position(|policy| policy.attributes.is_empty()).unwrap_or(0);
    // Sorted, because the order of the queue has no meaning.
    let mut queued: Vec<&QueuedInstances> = queued.iter().collect();
    queued.sort_unstable();
    // First all pools, then all counts: a counted application must not seem to have tasks.
    let places: Vec<(usize, Key<'a>)> = queued
        .iter()
        .map(|&queued| {
            let new = Key { framework: MARATHON, name: &queued.application, gpu_aware };
            home(pools, &queued.application).unwrap_or((default, new))
        })
        .collect();
    for (queued, (place, key)) in queued.into_iter().zip(places) {
        if let Some(applications) = pools.get_mut(place) {
            applications.add_queued(key, queued);
        }
    }
}

/// The pool and framework in which an application of Marathon has most tasks; of equal ones the first.
fn home<'a>(pools: &[Applications<'a>], application: &'a str) -> Option<(usize, Key<'a>)> {
    let mut best: Option<(u32, usize, Key<'a>)> = None;
    for (place, applications) in pools.iter().enumerate() {
        for (key, tasks) in applications.named(application).filter(|(key, _)| is_marathon(key.framework)) {
            if best.is_none_or(|(most, _, _)| tasks > most) {
                best = Some((tasks, place, key));
            }
        }
    }
    best.map(|(_, place, key)| (place, key))
}
