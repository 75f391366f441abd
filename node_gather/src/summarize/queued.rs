//! Which pool the instances that wait for room are counted in, and under which name.
//!
//! Marathon says what waits, not where it may run: constraints and roles are not in its queue. An application that has
//! tasks is taken to go where most of them are. One that has none goes to the first pool without `attributes`, which
//! any agent belongs to; where all have some, to the first pool of the configuration.

use shared::config::Policy;

use super::applications::{Applications, Key};
use crate::marathon::queue::QueuedInstances;
use crate::mesos::names::is_marathon;

/// The framework of an application of which nothing but its id is known.
const MARATHON: &str = "marathon";

/// Counts what waits in the pools. An application without tasks is taken to be `gpu_aware` where Marathon is.
pub(super) fn count_in<'a>(
    pools: &mut [Applications<'a>],
    policies: &[Policy],
    queued: &'a [QueuedInstances],
    gpu_aware: bool,
) {
    let default = policies.iter().position(|policy| policy.attributes.is_empty()).unwrap_or(0);
    // In an order of their own: that of the queue means nothing.
    let mut queued: Vec<&QueuedInstances> = queued.iter().collect();
    queued.sort_unstable();
    // First all places, then all counts: what is counted must not be taken for what has tasks.
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

/// The pool and the framework in which an application of Marathon's has most tasks, of equal ones the first.
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
