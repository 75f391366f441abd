//! The `/v2/queue` of a cluster's Marathon, as far as `node_gather` reads it.

use serde_json::{Map, Value, json};
use shared::resources::{Amount, Kind, Resources};

use crate::model::{Cluster, QueuedInstances};

impl Cluster {
    /// What `/v2/queue` answers.
    #[must_use]
    pub fn to_queue_json(&self) -> Vec<u8> {
        let queue: Vec<Value> = self.queue.iter().map(entry).collect();
        json!({ "queue": queue }).to_string().into_bytes()
    }
}

fn entry(queued: &QueuedInstances) -> Value {
    let delay = json!({ "timeLeftSeconds": queued.delay.as_secs(), "overdue": queued.delay.is_zero() });
    let mut entry = json!({ "count": queued.instances, "delay": delay });
    let (kind, value) = match queued.tasks.as_slice() {
        [one] => {
            let mut app = amounts(one);
            app.insert("id".to_owned(), json!(queued.application));
            ("app", Value::Object(app))
        }
        tasks => {
            let container = |(place, task): (usize, &Resources)| json!({ "name": format!("task-{place}"), "resources": amounts(task) });
            let containers: Vec<Value> = tasks.iter().enumerate().map(container).collect();
            ("pod", json!({ "id": queued.application, "containers": containers }))
        }
    };
    if let Some(entry) = entry.as_object_mut() {
        entry.insert(kind.to_owned(), value);
    }
    entry
}

fn amounts(resources: &Resources) -> Map<String, Value> {
    Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), units(resources.get(kind)))).collect()
}

fn units(amount: Amount) -> Value {
    serde_json::to_value(amount).unwrap_or_default()
}
