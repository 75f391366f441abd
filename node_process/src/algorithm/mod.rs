#![doc = include_str!("../../../docs/algorithm.md")]

mod capacity;
mod cpu;
mod each_alone;
mod explanation;
mod for_queued;
mod growth;
mod headroom;
mod hosts;
mod instance;
mod limits;
mod needed;
mod new_agent;
mod numbers;
mod owners;
mod present;
mod ruling;
mod scale_down;
mod scale_up;
mod step;
mod utilization;
mod words;

use jiff::Timestamp;
use shared::config::{Policy, PoolSource};
use shared::contract::{ClusterSnapshot, ScalingDecision};

use capacity::Pool;
use ruling::Rule;

pub use explanation::Explanation;
pub use growth::Learned;
pub(crate) use hosts::{Daemons, Hosts};
pub use present::Expired;
pub use ruling::{Reason, Ruling};

/// Turns the snapshot of a pool into a decision: the same snapshot and policy always into the same one.
///
/// # Errors
/// [`Expired`] where the snapshot is of another time than `now` (clause L0). Nothing is published then.
pub fn decide(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<ScalingDecision, Expired> {
    Ok(explain(snapshot, policy, now)?.decision())
}

/// The same without the id of the decision, for a simulation: an id is a digest of the whole policy as JSON.
///
/// # Errors
/// [`Expired`] as [`decide`] says.
pub fn decide_unidentified(
    snapshot: &ClusterSnapshot,
    policy: &Policy,
    now: Timestamp,
) -> Result<ScalingDecision, Expired> {
    Ok(explain(snapshot, policy, now)?.unidentified_decision())
}

/// The same decision with its reasons as types.
///
/// # Errors
/// [`Expired`] as [`decide`] says.
pub fn explain<'a>(
    snapshot: &'a ClusterSnapshot,
    policy: &'a Policy,
    now: Timestamp,
) -> Result<Explanation<'a>, Expired> {
    present::check(snapshot, policy, now)?; // L0
    let pool = Pool::new(snapshot, policy);
    let rules = rules(policy.source);
    let mut capacity = pool.observed();
    let mut rulings = Vec::with_capacity(rules.len());
    for rule in rules {
        let ruling = rule(&pool, capacity);
        capacity = ruling.capacity;
        rulings.push(ruling);
    }
    let limited = limits::limit(&pool, &rulings, now); // L1, L2, L3
    let state = limits::state(&pool, &rulings, &limited); // L4
    Ok(Explanation { pool, now, rules, rulings, limited, state })
}

/// The rules in the order in which they are applied.
const fn rules(source: PoolSource) -> &'static [Rule] {
    match source {
        PoolSource::Mesos { cpu: None } => &[
            scale_down::scale_down, // D
            headroom::make_room,    // H
            scale_up::scale_up,     // U
        ],
        PoolSource::Mesos { cpu: Some(_) } => &[
            scale_down::scale_down, // D
            headroom::make_room,    // H
            scale_up::scale_up,     // U
            cpu::scale_by_cpu,      // C
        ],
        PoolSource::CloudWatch { .. } => &[
            cpu::scale_by_cpu, // C
        ],
    }
}
