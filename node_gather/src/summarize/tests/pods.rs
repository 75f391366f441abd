//! The containers of a pod are one task.

use shared::contract::TaskGroup;
use shared::resources::Kind;

use super::*;
use crate::mesos::state::{RawResources, RawTask, Sink};

fn group(count: u32, cpus: f64) -> TaskGroup {
    TaskGroup { count, resources: amounts(cpus, 0.0) }
}

/// The tasks of the only application, and those of the candidates.
fn tasks_of(snapshot: &ClusterSnapshot) -> (Vec<TaskGroup>, Vec<Vec<TaskGroup>>) {
    let [application] = &*snapshot.applications else { panic!("{:?}", snapshot.applications) };
    assert_eq!(application.task_count, task_count(&application.tasks));
    let candidates = &snapshot.scale_down_candidates;
    (application.tasks.clone(), candidates.iter().map(|candidate| candidate.tasks.clone()).collect())
}

#[test]
fn a_running_pod_is_one_task_with_its_executor() {
    let containers = [(1, "nginx", "a"), (2, "nginx", "b"), (1, "sidecar", "a"), (2, "log.1", "b")];
    let pods = pods("shop_pod", &containers, &[(2, "b"), (1, "a")]);
    let state = state(&[agent("a", 1.125, &json!({})), agent("b", 1.125, &json!({}))], &[pods]);
    let snapshot = only(&state);
    assert_eq!(tasks_of(&snapshot), (vec![group(2, 1.125)], vec![vec![group(1, 1.125)]; 2]));
    assert_eq!(snapshot.applications[0].name, "/shop/pod");
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete, "{:?}", snapshot.completeness);
}

#[test]
fn the_order_of_tasks_and_executors_changes_no_pod() {
    let containers = [(1, "x", "a"), (2, "x", "a"), (3, "x", "b"), (1, "y", "a"), (2, "y", "a"), (1, "z", "a")];
    let pods = pods("pod", &containers, &[(1, "a"), (3, "b"), (4, "b")]);
    let state = state(&[agent("a", 2.625, &json!({})), agent("b", 0.75, &json!({}))], &[pods]);
    let expected = only(&state);
    let (tasks, _) = tasks_of(&expected);
    assert_eq!(tasks, [group(1, 0.625), group(1, 1.0), group(1, 1.625)]);
    // The executor without a container is in use, too.
    assert_eq!(expected.completeness.level, CompletenessLevel::Complete, "{:?}", expected.completeness);
    for seed in 0..50 {
        let mut shuffled = String::new();
        Shuffle::of(seed).write(&state, &mut shuffled);
        let config = config("");
        let state = json::read(shuffled.as_bytes(), ClusterState::new(&config.pools)).unwrap();
        let snapshot = summarize(state, &Observed::default(), "http://10.0.0.5:5050", now()).snapshots.remove(0);
        assert_eq!(snapshot, expected, "{shuffled}");
    }
}

#[test]
fn what_has_ended_of_a_pod_is_no_part_of_it() {
    let mut pods = pods("pod", &[(1, "x", "a"), (1, "init", "a")], &[]);
    pods["tasks"][1]["state"] = "TASK_FINISHED".into();
    assert_eq!(tasks_of(&only(&state(&[agent("a", 0.5, &json!({}))], &[pods]))).0, [group(1, 0.5)]);
}

#[test]
fn an_impossible_container_sets_its_agent_aside() {
    let mut pods = pods("pod", &[(1, "x", "a"), (1, "y", "a"), (2, "x", "b")], &[(1, "a")]);
    pods["tasks"][1]["resources"]["cpus"] = (-1.0).into();
    let snapshot = only(&state(&[agent("a", 0.625, &json!({})), agent("b", 0.5, &json!({}))], &[pods]));
    assert_eq!((snapshot.agents.usable, snapshot.completeness.level), (1, CompletenessLevel::Partial));
}

#[test]
fn a_protected_pod_protects_its_agent() {
    let state = state(&[agent("a", 1.0, &json!({}))], &[pods("pod", &[(1, "x", "a"), (1, "y", "a")], &[])]);
    let candidates = |settings: &str| run(&state, &config(settings)).snapshots.remove(0).scale_down_candidates.len();
    assert_eq!((candidates(""), candidates("protected.applications = [\"/pod\"]")), (1, 0));
}

#[test]
fn an_executor_without_tasks_protects_its_agent_for_its_framework() {
    let mut spark = framework("spark", &[]);
    spark["executors"] = json!([{"executor_id": "executor-1", "slave_id": "a", "resources": {"cpus": 0.5}}]);
    let state = state(&[agent("a", 0.5, &json!({})), agent("b", 0.0, &json!({}))], &[framework("kafka", &[]), spark]);
    for seed in 0..10 {
        let mut shuffled = String::new();
        Shuffle::of(seed).write(&state, &mut shuffled);
        let candidates = |framework: &str| {
            let config = config(&format!("protected.frameworks = [\"{framework}\"]"));
            let state = json::read(shuffled.as_bytes(), ClusterState::new(&config.pools)).unwrap();
            let summary = summarize(state, &Observed::default(), "http://10.0.0.5:5050", now());
            summary.snapshots[0].scale_down_candidates.len()
        };
        assert_eq!((candidates("spark"), candidates("kafka")), (1, 2), "{shuffled}");
    }
}

#[test]
fn the_tasks_of_an_executor_of_another_framework_stay_apart() {
    // A coarse executor: its tasks start again one by one.
    let mut spark = framework("spark", &[("t", "a", 1.0), ("t", "a", 1.0)]);
    for task in spark["tasks"].as_array_mut().unwrap() {
        task["executor_id"] = "executor-1".into();
    }
    spark["executors"] = json!([{"executor_id": "executor-1", "slave_id": "a", "resources": {"cpus": 0.5}}]);
    assert_eq!(tasks_of(&only(&state(&[agent("a", 2.5, &json!({}))], &[spark]))).0, [group(2, 1.0)]);
}

#[test]
fn so_many_containers_that_not_all_are_kept_at_once_are_all_counted() {
    const PODS: u32 = 140_000;
    let config = config("");
    let mut state = ClusterState::new(&config.pools);
    let mut resources = RawResources::default();
    resources.number(Kind::Cpus, 0.001);
    state.framework_name("marathon".to_owned());
    for container in ["x", "y"] {
        for pod in 0..PODS {
            let id = format!("pod.instance-182f33d2-3650-4602-9e17-f3610{pod:07}.{container}");
            let (agent_id, state_name) = (&b"a"[..], &b"TASK_RUNNING"[..]);
            let id = id.as_bytes();
            state.task(&RawTask {
                id,
                name: b"x",
                agent_id,
                state: state_name,
                role: b"",
                resources: &resources,
                odd: None,
            });
        }
    }
    state.end_framework().unwrap();
    let agents = json!({"slaves": [agent("a", 280.0, &json!({}))], "frameworks": []});
    let state = json::read(agents.to_string().as_bytes(), state).unwrap();
    let snapshot = summarize(state, &Observed::default(), "http://10.0.0.5:5050", now()).snapshots.remove(0);
    let [pod] = &*snapshot.applications else { panic!("{:?}", snapshot.applications) };
    assert_eq!(pod.resources, amounts(280.0, 0.0));
    assert!((PODS + 1..2 * PODS).contains(&pod.task_count), "{}", pod.task_count);
}
