//! Agents, tasks, and frameworks of which a part cannot be read.

use super::set_aside::{TWO_POOLS, three_agents};
use super::*;
use crate::finding::{Owner, SetAside};
use crate::mesos::state::{OddField, Oddity};

fn of_type(path: &'static str, found: &'static str, expected: &'static str) -> OddField {
    OddField { path, oddity: Oddity::Type { found, expected } }
}

fn levels(summary: &Summary) -> Vec<CompletenessLevel> {
    summary.snapshots.iter().map(|snapshot| snapshot.completeness.level).collect()
}

#[test]
fn an_agent_that_cannot_be_read_is_not_usable() {
    for (field, value, used) in [
        ("hostname", json!(null), 3.0),
        ("attributes", json!(null), 3.0),
        ("attributes", json!(["pool:workers"]), 3.0),
        ("resources", json!([{"name": "cpus", "scalar": {"value": 4}}]), 3.0),
        ("used_resources", json!("none"), 3.0),
        ("active", json!(null), 3.0),
        ("active", json!("true"), 3.0),
        ("registered_time", json!({}), 3.0),
        ("drain_info", json!(true), 3.0),
        // No task names it.
        ("id", json!(7), 3.0),
    ] {
        let (mut agents, frameworks) = three_agents();
        agents[1][field] = value;
        let snapshot = only(&state(&agents, &frameworks));
        let AgentCounts { registered, usable, inactive, .. } = snapshot.agents;
        assert_eq!((registered, usable, inactive), (3, 2, 1), "{field}");
        assert_eq!(snapshot.completeness.level, CompletenessLevel::Partial, "{field}");
        let id = if field == "id" { "(no id)" } else { "b" };
        let expected = format!("1 of 3 agents are not usable: {id:?} cannot be read: slaves[].{field} is ");
        let reasons = &snapshot.completeness.reasons;
        assert!(reasons.iter().any(|reason| reason.starts_with(&expected)), "{field}: {reasons:?}");
        // Its tasks still run.
        assert_eq!(snapshot.resources.total, amounts(8.0, 2000.0), "{field}");
        assert_eq!((snapshot.resources.used + snapshot.resources.displaced).cpus, amount(used), "{field}");
        assert!(snapshot.scale_down_candidates.iter().all(|candidate| candidate.agent_id != "b"), "{field}");
    }
}

/// Each takes memory, and nothing can tell them apart.
#[test]
fn a_thousand_agents_without_an_id_are_set_aside_and_no_more() {
    let read = |count: usize| {
        let document = json!({"version": "1.11.0", "slaves": vec![json!({}); count], "frameworks": []}).to_string();
        let settings = config("");
        let sink = || ClusterState::new(&settings.pools);
        let scanned = crate::mesos::scan::read(document.as_bytes(), sink(), u64::MAX);
        let parsed = json::read_slice(document.as_bytes(), sink());
        [scanned, parsed].map(|read| read.map(|state| state.registered_agents()).map_err(|error| error.to_string()))
    };
    assert_eq!(read(1000), [Ok(1000), Ok(1000)]);
    let refused = "more than 1000 agents have no id; check that the URL leads to a Mesos master".to_owned();
    assert_eq!(read(1001), [Err(refused.clone()), Err(refused)]);
}

/// It may belong to any pool that asks for attributes: none removes an agent, and all of them may add some.
#[test]
fn an_agent_of_unknown_attributes_stops_no_pool() {
    let edge = config(TWO_POOLS);
    let agents = |odd: Json| {
        vec![agent("w", 0.0, &json!({})), agent("v", 0.0, &json!({})), agent("odd", 0.0, &json!({"attributes": odd}))]
    };
    // The second pool has no agent.
    let summary = run(&state(&agents(json!(null)), &[framework("f", &[("x", "odd", 1.0)])]), &edge);
    assert_eq!(levels(&summary), [CompletenessLevel::Partial; 2]);
    let registered: Vec<u32> = summary.snapshots.iter().map(|snapshot| snapshot.agents.registered).collect();
    assert_eq!((registered, summary.agents_of_no_pool), (vec![2, 0], 0));
    let reason = "1 agent may belong to the pool: \"odd\": slaves[].attributes is null, expected an object";
    for snapshot in &summary.snapshots {
        assert!(snapshot.completeness.reasons.iter().any(|own| own == reason), "{:?}", snapshot.completeness);
    }
    // So may an item that is no agent at all, and one that has not come back.
    let mut nothing = state(&agents(json!({"pool": "workers"})), &[]);
    nothing["slaves"][2] = json!("S7");
    assert_eq!(levels(&run(&nothing, &edge)), [CompletenessLevel::Partial; 2]);
    let mut recovered = state(&agents(json!({"pool": "workers"})), &[]);
    recovered["recovered_slaves"] = json!([{"id": "R", "attributes": []}]);
    let summary = run(&recovered, &edge);
    assert_eq!(levels(&summary), [CompletenessLevel::Partial; 2]);
    assert_eq!(summary.snapshots[0].agents.recovered, 0);
}

#[test]
fn a_task_that_cannot_be_read_sets_its_agent_aside() {
    let odd = |path, found, expected| SetAside::Odd { owner: Owner::task(b"x"), field: of_type(path, found, expected) };
    for (field, value, expected) in [
        ("state", json!(null), odd("tasks[].state", "null", "a string")),
        ("resources", json!([]), odd("tasks[].resources", "a list", "an object")),
        ("role", json!(1), odd("tasks[].role", "a number", "a string")),
        ("name", json!({}), odd("tasks[].name", "an object", "a string")),
    ] {
        let (agents, mut frameworks) = three_agents();
        frameworks[0]["tasks"][1][field] = value;
        let snapshot = only(&state(&agents, &frameworks));
        assert_eq!((snapshot.agents.usable, snapshot.agents.inactive), (2, 1), "{field}");
        let first = vec![("b".to_owned(), expected)];
        let reason = Finding::AgentsSetAside { agents: 1, registered: 3, first }.to_string();
        assert!(snapshot.completeness.reasons.contains(&reason), "{field}: {:?}", snapshot.completeness);
        assert_eq!(snapshot.applications.iter().map(|own| own.task_count).sum::<u32>(), 3, "{field}");
    }
}

/// Its agent is not known, so no agent may go.
#[test]
fn a_task_on_an_agent_that_cannot_be_read_keeps_all_agents() {
    for odd in [json!(null), json!([1]), json!({"slave_id": 5, "state": "TASK_RUNNING", "resources": {}})] {
        let (agents, mut frameworks) = three_agents();
        frameworks[0]["tasks"][1] = odd.clone();
        let snapshot = only(&state(&agents, &frameworks));
        assert_eq!((snapshot.agents.usable, snapshot.completeness.level), (3, CompletenessLevel::Partial), "{odd}");
        assert!(snapshot.completeness.reasons.contains(&Finding::TasksOnUnlistedAgents(1).to_string()), "{odd}");
    }
    let (agents, mut frameworks) = three_agents();
    frameworks[0]["tasks"][1] = json!({"slave_id": null, "state": "TASK_FINISHED", "resources": {}});
    assert_eq!(only(&state(&agents, &frameworks)).applications[0].task_count, 2);
}

#[test]
fn a_framework_that_cannot_be_read_keeps_all_agents() {
    for (field, value, shown) in [
        ("tasks", json!(null), "\"f\" (frameworks[].tasks is null, expected a list)"),
        ("executors", json!({}), "\"f\" (frameworks[].executors is an object, expected a list)"),
        ("executors", json!([{"slave_id": 5}]), "\"f\" (executors[].slave_id is a number, expected a string)"),
        ("capabilities", json!("GPU_RESOURCES"), "\"f\" (frameworks[].capabilities is a string, expected a list)"),
        ("name", json!(1), "\"(unnamed)\" (frameworks[].name is a number, expected a string)"),
    ] {
        let (agents, mut frameworks) = three_agents();
        frameworks[0][field] = value;
        let snapshot = only(&state(&agents, &frameworks));
        assert_eq!((snapshot.agents.usable, snapshot.completeness.level), (3, CompletenessLevel::Partial), "{field}");
        let reason = format!("frameworks that cannot be read completely: {shown}");
        assert!(snapshot.completeness.reasons.contains(&reason), "{field}: {:?}", snapshot.completeness);
    }
    let (agents, mut frameworks) = three_agents();
    frameworks.push(json!(null));
    assert_eq!(only(&state(&agents, &frameworks)).applications[0].task_count, 3);
}

/// New agents would be alike, and bought without end.
#[test]
fn where_most_agents_cannot_be_read_nothing_changes() {
    for (odd, level) in [(1, CompletenessLevel::Partial), (2, CompletenessLevel::Blind), (3, CompletenessLevel::Blind)]
    {
        let (mut agents, frameworks) = three_agents();
        agents.iter_mut().take(odd).for_each(|agent| agent["id"] = json!(7));
        assert_eq!(only(&state(&agents, &frameworks)).completeness.level, level, "{odd}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in place of fields of a few agents, the others are counted as without them, in any order.
    #[test]
    fn odd_types_anywhere_leave_the_others_as_they_are(
        odd in prop::collection::btree_map(0_usize..9, 0_usize..7, 1..4),
        value in prop::sample::select(vec![json!(null), json!(5), json!("x"), json!([]), json!([{"a": 1}])]),
        seed in any::<u64>(),
    ) {
        let mut agents: Vec<Json> = (0..9).map(|place| agent(&format!("a{place}"), 1.0, &json!({}))).collect();
        let names: Vec<String> = (0..9).map(|place| format!("a{place}")).collect();
        let tasks: Vec<_> = names.iter().map(|name| ("web", name.as_str(), 1.0)).collect();
        let mut frameworks = vec![framework("f", &tasks)];
        for (&place, which) in &odd {
            match which {
                0 => agents[place]["reserved_resources"] = value.clone(),
                1 => agents[place]["attributes"] = value.clone(),
                2 => agents[place]["drain_info"] = json!({"state": [value.clone()]}),
                3 => agents[place]["deactivated"] = value.clone(),
                4 => frameworks[0]["tasks"][place]["id"] = json!({"of": value.clone()}),
                5 => frameworks[0]["tasks"][place]["role"] = json!([value.clone()]),
                _ => agents[place]["active"] = value.clone(),
            }
        }
        let whole = state(&agents, &frameworks);
        let mut text = String::new();
        Shuffle::of(seed).write(&whole, &mut text);
        let snapshot = only(&serde_json::from_str(&text).unwrap());
        prop_assert_eq!(&snapshot, &only(&whole));
        prop_assert_eq!((snapshot.agents.registered, snapshot.completeness.level), (9, CompletenessLevel::Partial));
        prop_assert_eq!((snapshot.resources.used + snapshot.resources.displaced).cpus, amount(9.0));
        prop_assert_eq!(snapshot.applications.iter().map(|own| own.task_count).sum::<u32>(), 9);
        for place in odd.keys() {
            let id = format!("a{place}");
            prop_assert!(snapshot.scale_down_candidates.iter().all(|own| own.agent_id != id || own.state != AgentState::Active));
        }
    }
}
