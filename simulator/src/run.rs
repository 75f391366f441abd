//! One simulation: a workload, a pool, and a policy, from a seed.

use std::ops::ControlFlow;

use jiff::Timestamp;
use thiserror::Error;

use crate::policy::{Policy, PolicyError};
use crate::results::Run;
use crate::setup::Setup;
use crate::world::World;
use crate::{MINUTE, Millis, oracle};

/// How much time is simulated between two looks.
const WATCHED_EVERY: Millis = 10 * MINUTE;

/// How far a simulation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The time that has been simulated.
    pub elapsed: Millis,
    /// Of so much.
    pub duration: Millis,
}

/// Why a simulation ends early.
#[derive(Debug, Error)]
pub enum RunError {
    /// The policy cannot decide.
    #[error("{name}, at {at}")]
    Policy {
        /// The policy.
        name: String,
        /// When.
        at: Timestamp,
        /// Why.
        source: PolicyError,
    },
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
}

/// Simulates a policy from its start.
///
/// # Errors
/// Where the policy cannot decide.
pub fn run(setup: &Setup, name: &str, policy: &mut dyn Policy, seed: u64) -> Result<Run, RunError> {
    run_watched(setup, name, policy, seed, &mut |_| ControlFlow::Continue(()))
}

/// The same, with a look every ten simulated minutes, which may stop it.
///
/// # Errors
/// Where the policy cannot decide, or the simulation is stopped.
pub fn run_watched(
    setup: &Setup,
    name: &str,
    policy: &mut dyn Policy,
    seed: u64,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Run, RunError> {
    let mut world = World::new(setup, policy.period(), seed);
    let duration = setup.workload.duration;
    let mut next = 0;
    while let Some(elapsed) =
        world.step(policy).map_err(|source| RunError::Policy { name: name.to_owned(), at: world.time(), source })?
    {
        if elapsed >= next {
            next = elapsed + WATCHED_EVERY;
            if watch(Progress { elapsed, duration }).is_break() {
                return Err(RunError::Stopped);
            }
        }
    }
    Ok(Run::new(name, seed, setup, world.finish(oracle::measured(setup), setup.price)))
}
