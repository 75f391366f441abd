//! Reads Marathon's `/v2/queue`: how many instances of which applications are queued, and the resources of one.
//!
//! The queue also holds applications whose instances crash. These back off, and more agents would not help them.
//! `delay.timeLeftSeconds` identifies them; `delay.overdue` does not (it was wrong in some releases).

use std::collections::BTreeMap;

use serde::Deserialize;
use shared::contract::TaskGroup;
use shared::resources::{Amount, Kind, PerKind, Resources};
use thiserror::Error;

use crate::mesos::state::MAX_UNITS;

/// The queued instances of one application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueuedInstances {
    /// The application's id, such as `/shop/web`.
    pub application: String,
    /// How many instances are queued.
    pub instances: u32,
    /// The tasks of one instance, all on one agent: one task for an application; the containers and the executor for a
    /// pod. Grouped by equal resources, sorted.
    pub tasks: Vec<TaskGroup>,
}

/// Why an answer is not a queue.
#[derive(Debug, Error)]
pub enum QueueError {
    /// It is not JSON, or not of the form that Marathon sends.
    #[error("the answer is not a queue of Marathon; check that marathon.url leads to Marathon")]
    Json(#[source] serde_json::Error),
    /// An entry is neither an application nor a pod.
    #[error("queue[{0}]: expected \"app\" or \"pod\"")]
    Nameless(usize),
    /// A resource is not a valid amount.
    #[error("{application}: got {value} {kind}, expected an amount from 0 to {MAX_UNITS}")]
    Amount {
        /// The application.
        application: String,
        /// Which resource.
        kind: Kind,
        /// The value in the answer.
        value: f64,
    },
}

/// Reads the answer of `/v2/queue`. Instances that back off are omitted.
///
/// ```
/// let body = br#"{"queue": [
///     {"count": 2, "delay": {"timeLeftSeconds": 0, "overdue": true}, "app": {"id": "/shop/web", "cpus": 0.5, "mem": 128}},
///     {"count": 1, "delay": {"timeLeftSeconds": 9, "overdue": false}, "app": {"id": "/crashing", "cpus": 8, "mem": 128}}
/// ]}"#;
/// let queued = node_gather::marathon::queue::parse(body).unwrap();
/// assert_eq!((queued[0].application.as_str(), queued[0].instances), ("/shop/web", 2));
/// assert_eq!(queued[0].tasks[0].resources.to_string(), "0.5 cpus, 128 MB");
/// assert_eq!(queued.len(), 1);
/// ```
///
/// # Errors
/// The answer is not a queue. A missing field is an error, not an empty value.
pub fn parse(body: &[u8]) -> Result<Vec<QueuedInstances>, QueueError> {
    let Document { queue } = serde_json::from_slice(body).map_err(QueueError::Json)?;
    let mut queued = Vec::new();
    for (place, item) in queue.into_iter().enumerate() {
        let backs_off = item.delay.time_left_seconds > 0.0;
        let found = match (item.app, item.pod) {
            (Some(app), _) => queued_application(&app, item.count)?,
            (None, Some(pod)) => queued_pod(&pod, item.count)?,
            (None, None) => return Err(QueueError::Nameless(place)),
        };
        if item.count > 0 && !backs_off {
            queued.push(found);
        }
    }
    Ok(queued)
}

#[derive(Deserialize)]
struct Document {
    queue: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    count: u32,
    delay: Delay,
    app: Option<App>,
    pod: Option<Pod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delay {
    time_left_seconds: f64,
}

#[derive(Deserialize)]
struct App {
    id: String,
    #[serde(flatten)]
    amounts: Amounts,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    id: String,
    containers: Vec<Container>,
    executor_resources: Option<Amounts>,
}

#[derive(Deserialize)]
struct Container {
    resources: Amounts,
}

/// The kinds that Marathon always writes; gpus only since version 1.3.
const ALWAYS_WRITTEN: [Kind; 2] = [Kind::Cpus, Kind::Mem];

#[derive(Deserialize)]
#[serde(try_from = "PerKind<Option<f64>>")]
struct Amounts(PerKind<f64>);

impl TryFrom<PerKind<Option<f64>>> for Amounts {
    type Error = String;
    fn try_from(amounts: PerKind<Option<f64>>) -> Result<Self, String> {
        match ALWAYS_WRITTEN.into_iter().find(|kind| amounts[*kind].is_none()) {
            Some(missing) => Err(format!("missing field `{missing}`")),
            None => Ok(Self(amounts.map(|_, amount| amount.unwrap_or_default()))),
        }
    }
}

fn queued_application(app: &App, instances: u32) -> Result<QueuedInstances, QueueError> {
    Ok(QueuedInstances { application: app.id.clone(), instances, tasks: grouped([resources(&app.id, &app.amounts)?]) })
}

fn queued_pod(pod: &Pod, instances: u32) -> Result<QueuedInstances, QueueError> {
    let parts = pod.containers.iter().map(|container| &container.resources).chain(&pod.executor_resources);
    let parts: Vec<Resources> = parts.map(|amounts| resources(&pod.id, amounts)).collect::<Result<_, _>>()?;
    Ok(QueuedInstances { application: pod.id.clone(), instances, tasks: grouped(parts) })
}

/// The valid range is that of /state.
fn resources(application: &str, amounts: &Amounts) -> Result<Resources, QueueError> {
    let mut resources = Resources::ZERO;
    for kind in Kind::ALL {
        let value = amounts.0[kind];
        *resources.get_mut(kind) = Amount::from_units(value)
            .filter(|_| (0.0..=MAX_UNITS).contains(&value))
            .ok_or_else(|| QueueError::Amount { application: application.to_owned(), kind, value })?;
    }
    Ok(resources)
}

fn grouped(parts: impl IntoIterator<Item = Resources>) -> Vec<TaskGroup> {
    let mut counts: BTreeMap<Resources, u32> = BTreeMap::new();
    for part in parts {
        let count = counts.entry(part).or_insert(0);
        *count = count.saturating_add(1);
    }
    counts.into_iter().map(|(resources, count)| TaskGroup { count, resources }).collect()
}

#[cfg(test)]
mod tests;
