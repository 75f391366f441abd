//! What comes of a simulation, as a whole.

use jiff::Timestamp;
use serde::Serialize;

use crate::measure::{Action, Finished, Hold, Measurements, Series, Wait, time};
use crate::setup::Setup;

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
