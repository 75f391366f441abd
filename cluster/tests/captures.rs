//! The model against real masters: what `node_gather` makes of a capture it makes of the cluster that was read from it, whether
//! it is shown to it or written and read again.

use std::path::Path;

use cluster::{Cluster, Operation};
use jiff::{SignedDuration, Timestamp};
use node_gather::marathon::Queue;
use serde_json::Value;
use shared::config::Config;
use shared::contract::ClusterSnapshot;

const CONFIG: &str = r#"
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "workers"
group = "workers"
resources = ["cpus", "mem", "disk", "gpus"]
protected = { frameworks = ["chronos-3.0"] }
"#;

const POOLS: &str = r#"
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "workers"
group = "workers"
attributes = { asg = "workers" }
[[pools]]
name = "public"
group = "public"
attributes = { asg = "public" }
"#;

/// All captured states, with their names.
fn captures() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut found = Vec::new();
    for version in ["1.4.3", "1.11.0"] {
        for entry in std::fs::read_dir(root.join(version)).unwrap() {
            let path = entry.unwrap().path();
            if let Ok(bytes) = std::fs::read(path.join("state.json")) {
                found.push((format!("{version}/{}", path.file_name().unwrap().to_string_lossy()), bytes));
            }
        }
    }
    assert!(found.len() > 40, "{} captures", found.len());
    found.sort();
    found
}

fn capture(name: &str) -> Vec<u8> {
    captures().into_iter().find(|(own, _)| own == name).unwrap().1
}

fn read(state: &[u8], config: &Config, at: Timestamp) -> Vec<ClusterSnapshot> {
    node_gather::snapshots(state, &Queue::Known(Vec::new()).into(), config, "m", at).unwrap()
}

#[test]
fn node_gather_sees_a_capture_and_its_model_alike() {
    for (name, bytes) in captures() {
        let cluster = Cluster::from_capture(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rendered = cluster.to_state_json();
        for (config, later) in [(CONFIG, 3600), (CONFIG, 5), (POOLS, 3600)] {
            let config = Config::parse(config).unwrap();
            let at = cluster.master.elected_at + SignedDuration::from_secs(later);
            let captured = read(&bytes, &config, at);
            assert_eq!(read(&rendered, &config, at), captured, "{name}, written and read");
            assert_eq!(cluster.snapshots(&config.pools, "m", at).unwrap(), captured, "{name}, shown");
        }
    }
}

#[test]
fn what_was_written_is_read_as_the_same_cluster() {
    for (name, bytes) in captures() {
        let cluster = Cluster::from_capture(&bytes).unwrap();
        assert_eq!(Cluster::from_capture(&cluster.to_state_json()).unwrap(), cluster, "{name}");
    }
}

/// The value without what the model does not hold.
fn known(mut value: Value) -> Value {
    let lists = ["slaves", "recovered_slaves", "frameworks"];
    value.as_object_mut().unwrap().remove("domain");
    value["leader_info"].as_object_mut().unwrap().remove("domain");
    for list in lists {
        for item in value[list].as_array_mut().unwrap() {
            let fields = item.as_object_mut().unwrap();
            for unknown in ["domain", "offers", "completed_tasks", "unreachable_tasks", "labels", "pid"] {
                if list != "slaves" || unknown != "pid" {
                    fields.remove(unknown);
                }
            }
            fields.retain(|name, _| !name.ends_with("resources"));
            for task in fields.get_mut("tasks").and_then(Value::as_array_mut).into_iter().flatten() {
                task.as_object_mut()
                    .unwrap()
                    .retain(|name, _| !["statuses", "discovery", "health_check", "limits"].contains(&&**name));
                task["resources"].as_object_mut().unwrap().remove("fpga");
            }
        }
    }
    value.as_object_mut().unwrap().remove("completed_frameworks");
    value
}

#[test]
fn the_document_has_the_fields_and_values_of_the_capture() {
    for (name, bytes) in captures() {
        let captured: Value = serde_json::from_slice(&bytes).unwrap();
        let written: Value = serde_json::from_slice(&Cluster::from_capture(&bytes).unwrap().to_state_json()).unwrap();
        let (captured, written) = (known(captured), known(written));
        for field in captured.as_object().unwrap().keys() {
            let rounded = |value: &Value| value.as_f64().map(|number| (number * 1e6).round());
            let (one, other) = (&captured[field], &written[field]);
            assert!(
                one == other
                    || rounded(one).is_some() && rounded(one) == rounded(other)
                    || field == "slaves"
                    || field == "frameworks",
                "{name}: {field} {one} {other}"
            );
        }
        for list in ["slaves", "frameworks"] {
            for (one, other) in captured[list].as_array().unwrap().iter().zip(written[list].as_array().unwrap()) {
                let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
                assert_eq!(fields(one), fields(other), "{name}");
                for (field, value) in one
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(field, _)| !field.ends_with("_time") && !field.ends_with("_seconds"))
                {
                    assert_eq!(value, &other[field], "{name}: {field}");
                }
            }
        }
    }
}

/// The fields of an agent in the captures of a real master that depend on its state.
fn shown(state: &Value, id: &str) -> Value {
    let agents = state["slaves"].as_array().unwrap();
    let agent = agents.iter().find(|agent| agent["id"].as_str().unwrap().ends_with(id)).unwrap();
    ["active", "deactivated", "drain_info"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), agent.get(*key)?.clone())))
        .collect()
}

#[test]
fn agents_show_as_in_the_captures_what_was_done_to_them() {
    let state = |name: &str| -> Value { serde_json::from_slice(&capture(&format!("1.11.0/{name}"))).unwrap() };
    let (draining, drained, reactivated) =
        (state("11-draining-and-deactivated"), state("12-drained-and-deactivated"), state("13-reactivated"));
    let mut cluster = Cluster::from_capture(&capture("1.11.0/13-reactivated")).unwrap();
    let now = |cluster: &Cluster| -> Value { serde_json::from_slice(&cluster.to_state_json()).unwrap() };
    let at = |seconds| cluster::NOON + SignedDuration::from_secs(seconds);
    // S2 and S3 are untouched agents there; they go the way that S0 and S1 went on the real master.
    let id =
        |cluster: &Cluster, suffix: &str| cluster.agents().find(|agent| agent.id.ends_with(suffix)).unwrap().id.clone();
    let (second, third) = (id(&cluster, "-S2"), id(&cluster, "-S3"));
    let drain = Operation::Drain { max_grace_period: Some(std::time::Duration::from_secs(30)) };
    cluster.operate(&second, drain, at(0)).unwrap();
    cluster.operate(&third, Operation::Deactivate, at(0)).unwrap();
    assert_eq!(shown(&now(&cluster), "-S2"), shown(&draining, "-S0"));
    assert_eq!(shown(&now(&cluster), "-S3"), shown(&draining, "-S1"));
    assert!(cluster.operate(&second, Operation::Reactivate, at(0)).is_err(), "draining cannot be undone");

    let tasks = cluster.tasks().count();
    assert_eq!(cluster.advance(at(60)), 0);
    assert_eq!(shown(&now(&cluster), "-S2"), shown(&drained, "-S0"));
    assert!(cluster.agent_by_id(&second).unwrap().used().is_zero());
    assert_eq!(cluster.tasks().count(), tasks, "they run elsewhere");

    cluster.operate(&third, Operation::Reactivate, at(61)).unwrap();
    assert_eq!(shown(&now(&cluster), "-S3"), shown(&reactivated, "-S1"));
    assert!(cluster.operate("unknown", Operation::Deactivate, at(61)).is_err());
}

#[test]
fn a_new_master_shows_agents_as_in_the_capture() {
    let mut cluster = Cluster::from_capture(&capture("1.11.0/30-big-60-agents")).unwrap();
    let now = cluster.master.elected_at + SignedDuration::from_hours(24);
    let tasks = cluster.tasks().count();
    cluster.fail_over(now);
    let state: Value = serde_json::from_slice(&cluster.to_state_json()).unwrap();
    let captured: Value =
        serde_json::from_slice(&capture("1.11.0/19b-after-master-failover-some-agents-back")).unwrap();
    assert_eq!(state["recovered_slaves"].as_array().unwrap().len(), 60);
    let keys = |state: &Value| state["recovered_slaves"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&state), keys(&captured));
    assert_eq!((cluster.registered().count(), cluster.tasks().count()), (0, 0));
    assert_eq!((&state["slaves"], &state["frameworks"]), (&Value::Array(Vec::new()), &Value::Array(Vec::new())));

    // One agent is back, and with it its tasks and their framework.
    let first = cluster.agents().find(|agent| !agent.tasks().is_empty()).unwrap().number;
    cluster.reconnect(first, now);
    let state: Value = serde_json::from_slice(&cluster.to_state_json()).unwrap();
    assert_eq!(state["frameworks"][0]["recovered"], captured["frameworks"][0]["recovered"]);
    assert_eq!(state["frameworks"][0]["active"], captured["frameworks"][0]["active"]);
    let numbers: Vec<u32> = cluster.agents().map(|agent| agent.number).collect();
    numbers.into_iter().for_each(|number| cluster.reconnect(number, now));
    assert_eq!(cluster.tasks().count(), tasks);
}

#[test]
fn times_move_together() {
    let bytes = capture("1.11.0/30-big-60-agents");
    let captured = Cluster::from_capture(&bytes).unwrap();
    let moved = captured.clone().elected_at(cluster::NOON);
    assert_eq!(moved.master.elected_at, cluster::NOON);
    for (agent, before) in moved.agents().zip(captured.agents()) {
        let since = |at: Timestamp, cluster: &Cluster| at.duration_since(cluster.master.elected_at);
        assert_eq!(since(agent.registered_at, &moved), since(before.registered_at, &captured));
        for (task, before) in agent.tasks().iter().zip(before.tasks()) {
            assert_eq!(since(task.started_at, &moved), since(before.started_at, &captured));
        }
    }
}

#[test]
fn what_is_no_state_is_refused() {
    for text in ["", "[]", "{}", r#"{"slaves":[],"frameworks":{}}"#, r#"{"slaves":[],"frameworks":[]}"#] {
        assert!(Cluster::from_capture(text.as_bytes()).is_err(), "{text:?}");
    }
    let stray = String::from_utf8(capture("1.11.0/02-marathon-apps")).unwrap().replacen(
        r#""slave_id":""#,
        r#""slave_id":"x"#,
        1,
    );
    assert!(Cluster::from_capture(stray.as_bytes()).unwrap_err().to_string().contains("is not listed"));
}
