//! Reads Marathon's `/v2/apps` and `/v2/pods`: of how many applications one agent may hold only some instances, and how many.
//!
//! The queue says the same only of what is queued; an application that runs complete is not in it.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use super::constraints::Constraints;
use super::json::{Each, Field, Malformed, Name, read};

/// The maximum size of an answer: more than ten thousand definitions.
pub const MAX_BYTES: usize = 64 << 20;

/// How many applications with such constraints are kept.
const MAX_APPLICATIONS: usize = 20_000;

/// The applications of which one agent may hold only some instances, by id, and how many.
pub type HostLimits = BTreeMap<String, u32>;

/// Why an answer is not a list of definitions.
#[derive(Debug, Error)]
pub enum DefinitionsError {
    /// It is not JSON, or not of the form that Marathon sends.
    #[error("the answer is not a list of Marathon's; check that marathon.url leads to Marathon")]
    Json(#[source] Malformed),
    /// The answer is too large.
    #[error("the list exceeds {MAX_BYTES} bytes")]
    TooLarge,
}

/// Adds what `/v2/apps` answers.
///
/// ```
/// let body = br#"{"apps": [{"id": "/db", "cpus": 1, "constraints": [["hostname", "UNIQUE"]]}, {"id": "/web"}]}"#;
/// let mut limits = node_gather::marathon::definitions::HostLimits::new();
/// node_gather::marathon::definitions::add_apps(&body[..], &mut limits).unwrap();
/// assert_eq!((limits.len(), limits["/db"]), (1, 1));
/// ```
///
/// # Errors
/// The answer is not a list of applications, or too large.
pub fn add_apps(body: impl Read, limits: &mut HostLimits) -> Result<(), DefinitionsError> {
    #[derive(Deserialize)]
    struct App {
        id: Name,
        #[serde(default)]
        constraints: Constraints,
    }
    let add = |limits: &mut &mut HostLimits, App { id, constraints }: App| insert(limits, id, &constraints);
    whole(body, MAX_BYTES, |body| read(body, Field("apps", Each::new(limits, add))).map(drop))
}

/// Adds what `/v2/pods` answers.
///
/// # Errors
/// The answer is not a list of pods, or too large.
pub fn add_pods(body: impl Read, limits: &mut HostLimits) -> Result<(), DefinitionsError> {
    #[derive(Deserialize)]
    struct Pod {
        id: Name,
        /// What has none is no pod.
        #[serde(rename = "containers")]
        _containers: Vec<IgnoredAny>,
        #[serde(default)]
        scheduling: Option<Scheduling>,
    }
    #[derive(Deserialize)]
    struct Scheduling {
        #[serde(default)]
        placement: Option<Placement>,
    }
    #[derive(Deserialize)]
    struct Placement {
        #[serde(default)]
        constraints: Constraints,
    }
    let add = |limits: &mut &mut HostLimits, Pod { id, scheduling, .. }: Pod| {
        let placement = scheduling.and_then(|scheduling| scheduling.placement);
        placement.map_or(Ok(()), |placement| insert(limits, id, &placement.constraints))
    };
    whole(body, MAX_BYTES, |body| read(body, Each::new(limits, add)).map(drop))
}

fn insert(limits: &mut HostLimits, id: Name, constraints: &Constraints) -> Result<(), String> {
    if let Some(max_per_agent) = constraints.max_per_agent() {
        if limits.len() == MAX_APPLICATIONS {
            return Err(format!("more than {MAX_APPLICATIONS} applications have a constraint on the hostname"));
        }
        limits.insert(id.0, max_per_agent);
    }
    Ok(())
}

/// Reads an answer to its end, at most so many bytes.
fn whole<R: Read>(
    body: R,
    limit: usize,
    read: impl FnOnce(&mut std::io::Take<R>) -> Result<(), serde_json::Error>,
) -> Result<(), DefinitionsError> {
    let mut body = body.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1));
    let result = read(&mut body);
    if body.limit() == 0 {
        return Err(DefinitionsError::TooLarge);
    }
    result.map_err(|error| DefinitionsError::Json(error.into()))
}

#[cfg(test)]
mod tests;
