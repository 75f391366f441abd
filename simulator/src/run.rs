//! One simulation: a workload, a pool, and a policy, from a seed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde::Serialize;
use shared::resources::Resources;
use thiserror::Error;

use crate::measure::{Action, Finished, Hold, Measurements, Series, Wait, time};
use crate::policy::{Policy, PolicyError};
use crate::trace::Workload;
use crate::world::World;
use crate::{DAY, MINUTE, Millis, oracle};

/// How much time is simulated between two looks.
const WATCHED_EVERY: Millis = 10 * MINUTE;

/// What is simulated. Everything in it is the same for all policies that are compared, but for the pool's names.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What runs, and when.
    pub workload: Workload,
    /// What an agent has.
    pub agent: Resources,
    /// From the request of an instance until its agent is registered, on average.
    pub boot: Millis,
    /// The fewest agents.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// The headroom, in percent, whose absence is measured.
    pub headroom_percent: u32,
    /// The price of an agent-hour, in thousandths.
    pub price: u64,
    /// Where the agents are.
    pub place: Place,
}

/// The names of the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The name of its group.
    pub group: String,
    /// The attributes of its agents.
    pub attributes: BTreeMap<String, String>,
}

impl Setup {
    /// From when on it is measured: after the first day, in which a policy still starts. A trace of less than two days is
    /// measured from its start.
    #[must_use]
    pub const fn measured_from(&self) -> Millis {
        if self.workload.duration < 2 * DAY { 0 } else { DAY }
    }
}

/// What came of a simulation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// The policy.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// When the simulation started.
    pub start: Timestamp,
    /// From when on it was measured.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// The measurements.
    pub measurements: Measurements,
    /// A sample each minute.
    pub series: Series,
    /// What the policy did, in the order of time; also before it was measured.
    pub actions: Vec<Action>,
    /// What it put off.
    pub holds: Vec<Hold>,
    /// The longest waits, the longest first.
    pub worst_waits: Vec<Wait>,
}

impl Run {
    /// The same without its samples, which take most of the memory.
    #[must_use]
    pub fn without_series(self) -> Self {
        Self { series: Series::default(), ..self }
    }

    pub(crate) fn new(name: &str, seed: u64, setup: &Setup, finished: Finished) -> Self {
        let Finished { measurements, series, actions, holds, worst_waits } = finished;
        let at = |millis| time(setup.workload.start, millis);
        Self {
            name: name.to_owned(),
            seed,
            start: setup.workload.start,
            from: at(setup.measured_from()),
            to: at(setup.workload.duration),
            measurements,
            series,
            actions,
            holds,
            worst_waits,
        }
    }
}

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
