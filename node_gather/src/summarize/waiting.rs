//! Which pool the instances that wait for room are counted in, and under which name.
//!
//! Marathon says what waits, not where it may run: constraints and roles are not in its queue. An application that has
//! tasks is taken to go where most of them are. One that has none goes to the first pool without `attributes`, which
//! any agent belongs to; where all have some, to the first pool of the configuration.

use super::Pool;
use super::applications::Key;
use crate::marathon::queue::Waiting;
use crate::mesos::names::is_marathon;
use crate::mesos::state::State;

/// The framework of an application of which nothing but its id is known.
const MARATHON: &str = "marathon";

/// Counts what waits in the pools.
pub(super) fn count_in<'a>(pools: &mut [Pool<'a>], waiting: &'a [Waiting], state: &State) {
    // A Marathon that is offered gpus is for all its applications.
    let gpu_aware = state.frameworks.iter().any(|framework| is_marathon(&framework.name) && framework.gpu_aware);
    let default = pools.iter().position(|pool| pool.policy.attributes.is_empty()).unwrap_or(0);
    // In an order of their own: that of the queue means nothing.
    let mut waiting: Vec<&Waiting> = waiting.iter().collect();
    waiting.sort_unstable();
    // First all places, then all counts: what is counted must not be taken for what has tasks.
    let places: Vec<(usize, Key<'a>)> = waiting
        .iter()
        .map(|&waiting| {
            let new = Key { framework: MARATHON, name: &waiting.application, gpu_aware };
            home(pools, &waiting.application).unwrap_or((default, new))
        })
        .collect();
    for (waiting, (place, key)) in waiting.into_iter().zip(places) {
        if let Some(pool) = pools.get_mut(place) {
            pool.applications.add_waiting(key, waiting);
        }
    }
}

/// The pool and the framework in which an application of Marathon's has most tasks, of equal ones the first.
fn home<'a>(pools: &[Pool<'a>], application: &'a str) -> Option<(usize, Key<'a>)> {
    let mut best: Option<(u32, usize, Key<'a>)> = None;
    for (place, pool) in pools.iter().enumerate() {
        for (key, tasks) in pool.applications.named(application).filter(|(key, _)| is_marathon(key.framework)) {
            if best.is_none_or(|(most, _, _)| tasks > most) {
                best = Some((tasks, place, key));
            }
        }
    }
    best.map(|(_, place, key)| (place, key))
}
