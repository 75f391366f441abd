//! What was simulated as one HTML page that needs nothing else: no network, no font, no script of others.
//!
//! [`html`] is a pure function of the results: the same results give the same bytes. The page is right without its script, which
//! adds what moves: values at a point in time, zoom, and the timelines of the other policies.
//!
//! - [`timeline`]: series over time with marks, the one part that other pages share; `page` puts the sections together
//! - `frontier`, `table`, `causes`, `settings`: one section each
//! - `markup`: HTML that is escaped and balanced by its types
//! - `figures`, `axis`: numbers as people read them, and round ticks

mod axis;
mod causes;
mod figures;
mod frontier;
mod markup;
mod page;
mod settings;
mod table;
pub mod timeline;

use shared::config::Policy as Settings;

use crate::measure::Measurement;
use crate::results::Run;
use crate::summary::{Spread, Summary};

pub use page::{Page, Table, html, page};

/// What a page shows.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The version of the program.
    pub version: &'a str,
    /// The command that makes the same page again.
    pub command: &'a str,
    /// The name of the trace.
    pub trace: &'a str,
    /// The seeds of each policy's runs.
    pub seeds: &'a [u64],
    /// The policies; all are compared with the first.
    pub contestants: Vec<Contestant<'a>>,
}

/// A policy that took part.
#[derive(Clone, Debug)]
pub struct Contestant<'a> {
    name: &'a str,
    kind: Kind<'a>,
    runs: &'a [Run],
    summary: Summary,
}

/// What a policy is.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// Lambda Scale with the settings of a pool.
    LambdaScale {
        /// The settings.
        settings: &'a Settings,
        /// Of the configuration file.
        config_sha256: &'a str,
    },
    /// What one would use instead.
    Baseline,
    /// What no policy can reach. It is the best of no column.
    Bound,
}

impl<'a> Contestant<'a> {
    /// A policy by its runs, one for each seed.
    #[must_use]
    pub fn new(name: &'a str, kind: Kind<'a>, runs: &'a [Run]) -> Self {
        let measured: Vec<_> = runs.iter().map(|run| &run.measurements).collect();
        Self { name, kind, runs, summary: Summary::of(&measured) }
    }

    fn get(&self, measurement: Measurement) -> Spread {
        self.summary.get(measurement)
    }

    fn mean(&self, measurement: Measurement) -> f64 {
        self.get(measurement).mean
    }

    /// In hours.
    fn waiting_hours(&self) -> f64 {
        self.mean(Measurement::waiting_task_seconds) / 3600.0
    }

    const fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::LambdaScale { .. })
    }

    const fn is_bound(&self) -> bool {
        matches!(self.kind, Kind::Bound)
    }

    const fn settings(&self) -> Option<&'a Settings> {
        match self.kind {
            Kind::LambdaScale { settings, .. } => Some(settings),
            Kind::Baseline | Kind::Bound => None,
        }
    }
}

#[cfg(test)]
mod tests;
