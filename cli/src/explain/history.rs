//! `--history`: what pools have learned of the growth of their demand (H7 to H10), so that it counts, or so that the explanation says
//! what it would have done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use node_gather::growth::{History, Observation, ParseError};
use node_gather::histories::{parameter_name, parse};
use node_process::report;
use serde::Deserialize;
use serde_json::Value;
use shared::config::{Config, Learning, Policy};
use shared::contract::{ClusterSnapshot, TaskGroup};
use thiserror::Error;

use crate::decide::decide;
use crate::file::{self, FileError};
use crate::render;
use crate::saved::{self, SavedError};

/// What each pool has learned, by its name, or why that cannot be used.
pub(super) type Histories = BTreeMap<String, Result<History, ParseError>>;

/// Why a file has no history.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// It cannot be read.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// It is something else.
    #[error(
        "{} is no history, as `aws ssm get-parameters-by-path --path /lambda-scale/STACK` or `lambda-scale learn` prints it",
        .0.display()
    )]
    Other(PathBuf),
    /// A history in it cannot be used.
    #[error("{}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParseError,
    },
    /// It has one history, and there are several pools.
    #[error(
        "{} has one history, and the configuration has several pools; save those of the stack with `aws ssm get-parameters-by-path --path /lambda-scale/STACK`",
        .0.display()
    )]
    Several(PathBuf),
}

/// Parameters as the AWS command line prints them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    parameters: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    value: String,
}

/// Reads the histories of the pools: all of a stack, or what `lambda-scale learn` prints about one.
pub(super) fn read(path: &Path, config: &Config) -> Result<Histories, HistoryError> {
    let text =
        file::limited(saved::open(path)?, file::MAX_BYTES).map_err(FileError::at(path)).map_err(SavedError::from)?;
    if let Ok(Parameters { parameters }) = serde_json::from_str(&text) {
        let mut histories = Histories::new();
        for policy in &config.pools {
            let name = parameter_name("", &policy.pool);
            let is_of = |parameter: &&Parameter| last_part(&parameter.name) == last_part(&name);
            if let Some(parameter) = parameters.iter().find(is_of) {
                histories.insert(policy.pool.clone(), parse(&parameter.value));
            }
        }
        return Ok(histories);
    }
    let history = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(mut learned)) => learned.remove("history").unwrap_or(Value::Object(learned)).to_string(),
        // Text ends in the history.
        _ => text.trim_end().lines().last().unwrap_or_default().to_owned(),
    };
    if !history.starts_with('{') {
        return Err(HistoryError::Other(path.to_owned()));
    }
    match config.pools.as_slice() {
        [only] => {
            let history = parse(&history).map_err(|source| HistoryError::Parse { path: path.to_owned(), source })?;
            Ok(Histories::from([(only.pool.clone(), Ok(history))]))
        }
        _ => Err(HistoryError::Several(path.to_owned())),
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// The snapshot with what its pool has learned, at the confidence that is suggested where none is set. `backing_off` are the
/// queued instances that the snapshot leaves out.
pub(super) fn with_growth(
    snapshot: ClusterSnapshot,
    policy: &Policy,
    histories: &Histories,
    backing_off: &[TaskGroup],
) -> ClusterSnapshot {
    let history = match histories.get(&policy.pool) {
        Some(Ok(history)) => history.clone(),
        // As in the functions (H10): one that is corrupt starts anew, one of a newer release is unknown.
        Some(Err(ParseError::Corrupt(_))) => History::default(),
        Some(Err(ParseError::Newer(_))) | None => return snapshot,
    };
    let learning = policy.learning.unwrap_or(Learning::SUGGESTED);
    let Some(seen) = Observation::of(&snapshot, &learns(policy, learning), backing_off) else { return snapshot };
    let growth = history.growth(seen.demand.as_ref(), learning.confidence);
    ClusterSnapshot { growth: Some(growth), ..snapshot }.identified()
}

/// What the pool has learned, and where it does not count, what it would have done.
pub(super) fn learned(
    snapshot: &ClusterSnapshot,
    policy: &Policy,
    histories: &Histories,
    now: Timestamp,
) -> Option<String> {
    match histories.get(&policy.pool) {
        Some(Err(source @ ParseError::Corrupt(_))) => return Some(format!("{source}; the pool starts to learn anew")),
        Some(Err(source @ ParseError::Newer(_))) => {
            return Some(format!("{source}: deploy that release, or delete the parameter to start anew"));
        }
        Some(Ok(_)) | None => {}
    }
    if policy.learning.is_some() {
        return render::learned(snapshot, policy, now);
    }
    let would = learns(policy, Learning::SUGGESTED);
    let learned = render::learned(snapshot, &would, now)?;
    let percent = Learning::SUGGESTED.confidence;
    let decision = decide(snapshot, &would, now).ok()?;
    let change = report::change(decision.delta, decision.target);
    Some(format!("{learned}; it does not count, with learn = {percent}: {change}"))
}

fn learns(policy: &Policy, learning: Learning) -> Policy {
    policy.with(|policy| policy.learning = Some(learning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_known_by_the_last_part_of_its_name() {
        assert_eq!(last_part(&parameter_name("a-stack", "my pool")), last_part(&parameter_name("", "my pool")));
        assert_eq!(last_part("workers"), "workers");
    }
}
