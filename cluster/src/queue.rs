//! What a cluster's Marathon answers, as far as `node_gather` reads it: `/v2/queue`, `/v2/apps`, and `/v2/pods`.

use serde_json::{Map, Value, json};
use shared::resources::{Amount, Kind, Resources};

use crate::model::{Cluster, Definition, QueuedInstances};

impl Cluster {
    /// What `/v2/queue` answers.
    #[must_use]
    pub fn to_queue_json(&self) -> Vec<u8> {
        let queue: Vec<Value> = self.queue.iter().map(|queued| self.entry(queued)).collect();
        json!({ "queue": queue }).to_string().into_bytes()
    }

    /// What `/v2/apps` answers: the applications whose definitions say more than nothing.
    #[must_use]
    pub fn to_apps_json(&self) -> Vec<u8> {
        let apps = self.definitions.iter().filter(|(_, definition)| definition.containers.is_none());
        let apps: Vec<Value> = apps
            .map(|(id, Definition { constraints, accepted_roles, .. })| {
                json!({ "id": id, "constraints": constraints, "acceptedResourceRoles": accepted_roles })
            })
            .collect();
        json!({ "apps": apps }).to_string().into_bytes()
    }

    /// What `/v2/pods` answers.
    #[must_use]
    pub fn to_pods_json(&self) -> Vec<u8> {
        let pods = self.definitions.iter().filter_map(|(id, definition)| {
            let names = (0..definition.containers?).map(|place| json!({ "name": format!("task-{place}") }));
            let containers: Vec<Value> = names.collect();
            Some(json!({ "id": id, "containers": containers, "scheduling": scheduling(definition) }))
        });
        Value::from_iter(pods).to_string().into_bytes()
    }

    fn entry(&self, queued: &QueuedInstances) -> Value {
        let delay = json!({ "timeLeftSeconds": queued.delay.as_secs(), "overdue": queued.delay.is_zero() });
        let declines = queued.declines.iter();
        let rejects: Vec<Value> = declines
            .map(|(reason, declined)| json!({ "reason": reason, "declined": declined, "processed": declined }))
            .collect();
        let mut entry = json!({
            "count": queued.instances,
            "delay": delay,
            "processedOffersSummary": { "rejectSummaryLastOffers": rejects },
        });
        let definition = self.definitions.get(&queued.application).cloned().unwrap_or_default();
        let (kind, value) = match queued.tasks.as_slice() {
            [one] => {
                let mut app = amounts(one);
                app.insert("id".to_owned(), json!(queued.application));
                app.insert("constraints".to_owned(), json!(definition.constraints));
                app.insert("acceptedResourceRoles".to_owned(), json!(definition.accepted_roles));
                ("app", Value::Object(app))
            }
            tasks => {
                let container = |(place, task): (usize, &Resources)| json!({ "name": format!("task-{place}"), "resources": amounts(task) });
                let containers: Vec<Value> = tasks.iter().enumerate().map(container).collect();
                let scheduling = scheduling(&definition);
                ("pod", json!({ "id": queued.application, "containers": containers, "scheduling": scheduling }))
            }
        };
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(kind.to_owned(), value);
        }
        entry
    }
}

/// Where a pod may run. Its constraints are objects; those of an application are lists.
fn scheduling(definition: &Definition) -> Value {
    let constraint = |parts: &Vec<String>| {
        let names = ["fieldName", "operator", "value"];
        names.into_iter().zip(parts).map(|(name, part)| (name.to_owned(), json!(part))).collect::<Map<_, _>>()
    };
    let constraints: Vec<_> = definition.constraints.iter().map(constraint).collect();
    json!({ "placement": { "constraints": constraints, "acceptedResourceRoles": definition.accepted_roles } })
}

fn amounts(resources: &Resources) -> Map<String, Value> {
    Kind::ALL.into_iter().map(|kind| (kind.name().to_owned(), units(resources.get(kind)))).collect()
}

fn units(amount: Amount) -> Value {
    serde_json::to_value(amount).unwrap_or_default()
}
