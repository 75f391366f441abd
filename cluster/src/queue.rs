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
        let apps: Vec<Value> = apps.map(|(id, definition)| Value::Object(app(id, definition))).collect();
        json!({ "apps": apps }).to_string().into_bytes()
    }

    /// What `/v2/pods` answers.
    #[must_use]
    pub fn to_pods_json(&self) -> Vec<u8> {
        let pods = self.definitions.iter().filter_map(|(id, definition)| {
            let container =
                |place| json!({ "name": format!("task-{place}"), "endpoints": endpoints(place, definition) });
            let containers: Vec<Value> = (0..definition.containers?).map(container).collect();
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
                let mut app = app(&queued.application, &definition);
                app.extend(amounts(one));
                ("app", Value::Object(app))
            }
            tasks => {
                let container = |(place, task): (u32, &Resources)| {
                    let endpoints = endpoints(place, &definition);
                    json!({ "name": format!("task-{place}"), "resources": amounts(task), "endpoints": endpoints })
                };
                let containers: Vec<Value> = (0..).zip(tasks).map(container).collect();
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

/// An application, but for what an instance takes.
fn app(id: &str, Definition { constraints, host_port, accepted_roles, .. }: &Definition) -> Map<String, Value> {
    let constrained =
        [("id", json!(id)), ("constraints", json!(constraints)), ("acceptedResourceRoles", json!(accepted_roles))];
    let ports = host_port.map(|port| [("portDefinitions", json!([{ "port": port }])), ("requirePorts", json!(true))]);
    let all = constrained.into_iter().chain(ports.into_iter().flatten());
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The first container of a pod has its port.
fn endpoints(container: u32, definition: &Definition) -> Value {
    let port = definition.host_port.filter(|_| container == 0);
    Value::from_iter(port.map(|port| json!({ "name": "port", "hostPort": port })))
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
