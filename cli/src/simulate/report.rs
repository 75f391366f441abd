//! `--report`: the results as a page.

use std::fs;
use std::path::Path;

use simulator::policy::Baseline;
use simulator::report::{self, Report};

use super::options::{Contestant, Kind};
use super::{Results, SimulateError};
use crate::command;

/// Writes the page of the policies of which all seeds have ended.
pub(super) fn write(
    path: &Path,
    results: &Results,
    contestants: &[Contestant],
    runs: &[Vec<simulator::Run>],
) -> Result<(), SimulateError> {
    let ended = contestants.iter().zip(runs).filter(|(_, runs)| runs.len() == results.seeds.len());
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        command: &command::line(),
        trace: &results.trace,
        seeds: &results.seeds,
        contestants: ended
            .map(|(contestant, runs)| report::Contestant::new(&contestant.name, kind(contestant), runs))
            .collect(),
    };
    fs::write(path, report::html(&report))
        .map_err(|source| SimulateError::Report { path: path.display().to_string(), source })
}

fn kind(contestant: &Contestant) -> report::Kind<'_> {
    match &contestant.kind {
        Kind::LambdaScale(settings, _) => report::Kind::LambdaScale {
            settings,
            config_sha256: contestant.config_sha256.as_deref().unwrap_or_default(),
        },
        Kind::Baseline(Baseline::Oracle) => report::Kind::Bound,
        Kind::Baseline(_) => report::Kind::Baseline,
    }
}
