//! Generated states are what they claim to be: read by the code of node_gather, they have the sums they were made with.

use cluster::generate::{ELECTED_AT, Spec, Totals, write};
use jiff::SignedDuration;

use node_gather::marathon::Observed;
use shared::config::Config;
use shared::contract::{ClusterSnapshot, CompletenessLevel};
use shared::resources::{Kind, Resources};

const CONFIG: &str = r#"
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "workers"
group = "workers"
attributes = { asg = "workers" }
resources = ["cpus", "mem", "disk", "gpus"]
"#;

fn generated(spec: &Spec) -> (String, Totals) {
    let mut document = Vec::new();
    let mut items = 0_u32;
    let totals = write(spec, &mut document, || items += 1).unwrap();
    assert_eq!(items, spec.agents + spec.tasks);
    assert_eq!(totals.bytes, u64::try_from(document.len()).unwrap());
    (String::from_utf8(document).unwrap(), totals)
}

/// What node_gather makes of it a day after the election.
fn read(document: &str) -> ClusterSnapshot {
    let config = Config::parse(CONFIG).unwrap();
    let taken_at = ELECTED_AT + SignedDuration::from_hours(24);
    node_gather::snapshots(document.as_bytes(), &Observed::default(), &config, "http://10.0.0.5:5050", taken_at)
        .unwrap()
        .remove(0)
}

const SPECS: [Spec; 7] = [
    Spec { agents: 1, tasks: 0, applications: 1, completed: 0, seed: 0 },
    Spec { agents: 1, tasks: 1, applications: 1, completed: 0, seed: 1 },
    Spec { agents: 3, tasks: 100, applications: 7, completed: 5, seed: 2 },
    Spec { agents: 20, tasks: 400, applications: 40, completed: 20, seed: 3 },
    Spec { agents: 100, tasks: 30, applications: 1000, completed: 1, seed: 4 },
    Spec { agents: 1, tasks: 10_000, applications: 500, completed: 500, seed: u64::MAX },
    Spec { agents: 300, tasks: 3000, applications: 3000, completed: 150, seed: 6 },
];

#[test]
fn sums_read_are_the_sums_that_were_written() {
    for spec in SPECS {
        let (document, totals) = generated(&spec);
        let snapshot = read(&document);
        assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete, "{spec:?}: {:?}", snapshot.completeness);
        assert_eq!((snapshot.agents.registered, snapshot.agents.usable), (spec.agents, spec.agents));
        assert_eq!(snapshot.resources.total, totals.total, "{spec:?}");
        assert_eq!(snapshot.resources.used, totals.used, "{spec:?}");
        assert!(snapshot.resources.displaced.is_zero());
        let unreserved =
            snapshot.agent_shapes.iter().map(|shape| shape.unreserved.times(shape.count.into())).sum::<Resources>();
        assert_eq!(unreserved, totals.unreserved);

        let tasks: u32 = snapshot.applications.iter().map(|application| application.task_count).sum();
        assert_eq!((tasks, totals.tasks), (spec.tasks, spec.tasks));
        let tasks_use: Resources = snapshot.applications.iter().map(|application| application.resources).sum();
        assert_eq!(tasks_use, totals.tasks_use, "completed tasks do not count");
        assert!(snapshot.applications.len() <= usize::try_from(spec.applications).unwrap().min(2003));
    }
}

#[test]
fn every_agent_uses_what_its_tasks_and_executors_take() {
    for spec in SPECS {
        let state: serde_json::Value = serde_json::from_str(&generated(&spec).0).unwrap();
        let thousandths = |value: &serde_json::Value| -> [i64; Kind::ALL.len()] {
            #[expect(clippy::cast_possible_truncation, reason = "small amounts")]
            Kind::ALL.map(|kind| (value["resources"][kind.name()].as_f64().unwrap() * 1000.0).round() as i64)
        };
        let mut sums = std::collections::BTreeMap::<String, [i64; Kind::ALL.len()]>::new();
        for framework in state["frameworks"].as_array().unwrap() {
            for key in ["tasks", "executors"] {
                for item in framework[key].as_array().unwrap() {
                    let sum = sums.entry(item["slave_id"].as_str().unwrap().to_owned()).or_default();
                    for (sum, amount) in sum.iter_mut().zip(thousandths(item)) {
                        *sum += amount;
                    }
                }
            }
        }
        for agent in state["slaves"].as_array().unwrap() {
            let used = thousandths(&serde_json::json!({ "resources": agent["used_resources"] }));
            assert_eq!(sums.remove(agent["id"].as_str().unwrap()).unwrap_or_default(), used, "{spec:?}");
        }
        assert!(sums.is_empty());
    }
}

#[test]
fn fields_stand_in_the_order_of_a_master() {
    let (document, _) = generated(&Spec { agents: 30, tasks: 600, applications: 60, completed: 30, seed: 9 });
    let in_order = |text: &str, keys: &[&str]| {
        let mut from = 0;
        for key in keys {
            let found = text[from..].find(&format!("\"{key}\":"));
            from +=
                found.unwrap_or_else(|| panic!("{key} is not after the others in {}", &text[..text.len().min(3000)]));
        }
    };
    in_order(
        &document,
        &[
            "version",
            "git_sha",
            "start_time",
            "elected_time",
            "id",
            "pid",
            "hostname",
            "capabilities",
            "activated_slaves",
            "deactivated_slaves",
            "unreachable_slaves",
            "leader",
            "leader_info",
            "cluster",
            "flags",
            "slaves",
            "recovered_slaves",
            "frameworks",
            "completed_frameworks",
            "orphan_tasks",
            "unregistered_frameworks",
        ],
    );
    let (agents, frameworks) = document.split_once(r#","frameworks":["#).unwrap();
    in_order(
        agents.split_once(r#""slaves":["#).unwrap().1,
        &[
            "id",
            "hostname",
            "port",
            "attributes",
            "pid",
            "registered_time",
            "resources",
            "used_resources",
            "offered_resources",
            "reserved_resources",
            "unreserved_resources",
            "active",
            "deactivated",
            "version",
            "capabilities",
        ],
    );
    in_order(
        frameworks,
        &[
            "id",
            "name",
            "used_resources",
            "capabilities",
            "active",
            "recovered",
            "role",
            "tasks",
            "completed_tasks",
            "executors",
        ],
    );
    in_order(
        frameworks.split_once(r#""tasks":["#).unwrap().1,
        &[
            "id",
            "name",
            "framework_id",
            "executor_id",
            "slave_id",
            "state",
            "resources",
            "role",
            "statuses",
            "user",
            "labels",
            "discovery",
            "container",
            "health_check",
        ],
    );
    assert!(frameworks.contains(r#""roles":["batch"]"#) && frameworks.contains("\"type\":\"DEFAULT\""));
    assert!(agents.contains("\"reserved_resources\":{\"batch\":{") && agents.contains("\"gpus\":4.0"));
    assert!(frameworks.contains("TASK_FAILED"), "history is part of it");
}

#[test]
fn a_task_has_about_as_many_bytes_as_a_real_one() {
    let spec = Spec { agents: 100, tasks: 2000, applications: 100, completed: 100, seed: 1 };
    let per_task = generated(&spec).1.bytes / 2000;
    assert!((2_000..2_600).contains(&per_task), "{per_task}");
}

#[test]
fn a_seed_writes_the_same_bytes_in_every_release() {
    // A fingerprint of the document; whoever changes it says why.
    let (document, _) = generated(&Spec { agents: 4, tasks: 40, applications: 6, completed: 2, seed: 3 });
    let fingerprint = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, document.as_bytes());
    assert_eq!(fingerprint.to_string(), "3d4efc38-3c04-5eac-8880-0b8990ecec4e");
}

#[test]
fn the_seed_decides_everything() {
    let spec = Spec { agents: 5, tasks: 50, applications: 9, completed: 2, seed: 7 };
    assert_eq!(generated(&spec), generated(&spec));
    assert_ne!(generated(&spec).0, generated(&Spec { seed: 8, ..spec }).0);
}
