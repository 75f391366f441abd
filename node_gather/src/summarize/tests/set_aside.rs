//! One odd agent never stops a pool, and never removes an agent of it.

use super::*;
use crate::finding::{Owner, SetAside};
use crate::mesos::{scan, state::RawResources};

pub(super) const TWO_POOLS: &str = "attributes = { pool = \"workers\" }\n[[pools]]\nname = \"edge\"\ngroup = \"edge\"\nattributes = { zone = \"z\" }\n";

fn impossible(kind: Kind, value: &str) -> crate::mesos::state::ImpossibleAmount {
    let mut resources = RawResources::default();
    resources.refuse(kind, value);
    resources.impossible().unwrap().clone()
}

fn reasons(agents: &[(&str, SetAside)], registered: u32) -> Vec<String> {
    let first = agents.iter().map(|(id, reason)| ((*id).to_owned(), reason.clone())).collect();
    vec![Finding::AgentsSetAside { agents: agents.len(), registered, first }.to_string()]
}

pub(super) fn three_agents() -> (Vec<Json>, Vec<Json>) {
    let agents = ["a", "b", "c"].map(|id| agent(id, 1.0, &json!({}))).into();
    (agents, vec![framework("f", &[("web", "a", 1.0), ("web", "b", 1.0), ("web", "c", 1.0)])])
}

#[test]
fn an_agent_with_an_impossible_amount_is_not_usable() {
    for (field, value, kind, shown) in [
        ("resources", json!({"cpus": -1.0, "mem": 1000.0}), Kind::Cpus, "-1"),
        ("resources", json!({"cpus": 4.0, "mem": 2e9}), Kind::Mem, "2000000000"),
        ("resources", json!({"cpus": 4.0, "mem": "much"}), Kind::Mem, "\"much\""),
        ("used_resources", json!({"cpus": null, "mem": 0.0}), Kind::Cpus, "null"),
        ("unreserved_resources", json!({"cpus": [4], "mem": 0.0}), Kind::Cpus, "a list"),
        ("reserved_resources", json!({"prod": {"gpus": -2.0}}), Kind::Gpus, "-2"),
    ] {
        let (mut agents, frameworks) = three_agents();
        agents[1][field] = value;
        let snapshot = only(&state(&agents, &frameworks));
        let AgentCounts { registered, usable, inactive, .. } = snapshot.agents;
        assert_eq!((registered, usable, inactive), (3, 2, 1), "{field}");
        assert_eq!(snapshot.completeness.level, CompletenessLevel::Partial, "{field}");
        let amount = SetAside::Amount { owner: Owner::Agent, amount: impossible(kind, shown) };
        assert_eq!(snapshot.completeness.reasons, reasons(&[("b", amount)], 3), "{field}");
        // Its tasks still run.
        assert_eq!(snapshot.resources.total, amounts(8.0, 2000.0), "{field}");
        assert_eq!(snapshot.resources.used + snapshot.resources.displaced, amounts(3.0, 0.0), "{field}");
        assert_eq!(snapshot.applications[0].task_count, 3, "{field}");
        assert!(snapshot.scale_down_candidates.iter().all(|candidate| candidate.agent_id != "b"), "{field}");
    }
}

#[test]
fn an_impossible_task_or_executor_sets_its_agent_aside() {
    let (agents, mut frameworks) = three_agents();
    frameworks[0]["tasks"][1]["resources"]["mem"] = json!(-5.0);
    let executor = json!({"slave_id": "c", "resources": {"cpus": 1e12}});
    frameworks[0]["executors"] = json!([executor]);
    let state = state(&agents, &frameworks);
    let snapshot = only(&state);
    assert_eq!((snapshot.agents.usable, snapshot.agents.inactive), (1, 2));
    let amount = |owner, kind, value| SetAside::Amount { owner, amount: impossible(kind, value) };
    let b = amount(Owner::Task("x".to_owned()), Kind::Mem, "-5");
    let c = amount(Owner::Executor, Kind::Cpus, "1000000000000");
    assert_eq!(snapshot.completeness.reasons, reasons(&[("b", b), ("c", c)], 3));
    // What can be read of the task counts.
    assert_eq!(snapshot.applications[0].resources, amounts(3.0, 0.0));
    // The same where frameworks come first.
    let mut shuffled = String::new();
    Shuffle::of(7).write(&state, &mut shuffled);
    assert_eq!(only(&serde_json::from_str(&shuffled).unwrap()), snapshot);
}

/// Which pod it belongs to is not known; without an id it is none of a pod.
#[test]
fn an_executor_with_an_odd_id_sets_its_agent_aside() {
    for (id, usable, level) in
        [(json!(5), 2, CompletenessLevel::Partial), (json!(null), 3, CompletenessLevel::Complete)]
    {
        let (mut agents, mut frameworks) = three_agents();
        agents[2]["used_resources"]["cpus"] = json!(1.5);
        frameworks[0]["executors"] =
            json!([{"executor_id": id, "slave_id": "c", "role": "*", "resources": {"cpus": 0.5}}]);
        let snapshot = only(&state(&agents, &frameworks));
        assert_eq!((snapshot.agents.usable, snapshot.completeness.level), (usable, level), "{id}");
    }
}

#[test]
fn an_impossible_task_that_has_ended_does_not_matter() {
    let (agents, mut frameworks) = three_agents();
    let ended = json!({"id": "e", "name": "e", "slave_id": "a", "state": "TASK_FAILED", "resources": {"cpus": -1}});
    frameworks[0]["tasks"].as_array_mut().unwrap().push(ended);
    assert_eq!(only(&state(&agents, &frameworks)).completeness.level, CompletenessLevel::Complete);
}

#[test]
fn a_disk_of_exbibytes_is_one_of_the_maximum() {
    let (mut agents, frameworks) = three_agents();
    agents[1]["resources"]["disk"] = json!(8_796_093_017_087.0);
    let snapshot = only(&state(&agents, &frameworks));
    assert_eq!((snapshot.agents.usable, snapshot.resources.total.disk), (3, amount(1e9)));
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete);
}

#[test]
fn an_agent_of_two_pools_is_usable_in_neither() {
    let config = config(TWO_POOLS);
    let agents = [
        agent("w", 0.0, &json!({})),
        agent("v", 0.0, &json!({})),
        agent("e", 0.0, &json!({"attributes": {"zone": "z"}})),
        agent("both", 0.0, &json!({"attributes": {"pool": "workers", "zone": "z"}})),
    ];
    let summary = run(&state(&agents, &[framework("f", &[("x", "both", 1.0)])]), &config);
    let [workers, edge] = &summary.snapshots[..] else { panic!() };
    let counts = |snapshot: &ClusterSnapshot| (snapshot.agents.registered, snapshot.agents.usable);
    assert_eq!((counts(workers), counts(edge), summary.agents_of_no_pool), ((3, 2), (2, 1), 0));
    let both = SetAside::TwoPools { first: "workers".to_owned(), second: "edge".to_owned() };
    assert_eq!(workers.completeness.reasons, reasons(&[("both", both.clone())], 3));
    assert_eq!(edge.completeness.reasons, reasons(&[("both", both)], 2));
    let levels = [workers, edge].map(|snapshot| snapshot.completeness.level);
    assert_eq!(levels, [CompletenessLevel::Partial; 2]);
}

#[test]
fn an_agent_that_is_listed_twice_is_set_aside_once() {
    let (mut agents, frameworks) = three_agents();
    agents.push(agents[2].clone());
    let snapshot = only(&state(&agents, &frameworks));
    let AgentCounts { registered, usable, inactive, .. } = snapshot.agents;
    assert_eq!((registered, usable, inactive), (4, 2, 2));
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Partial);
    assert_eq!(snapshot.completeness.reasons[0], reasons(&[("c", SetAside::ListedTwice)], 4)[0]);
}

/// New agents would be alike, and bought without end.
#[test]
fn where_most_agents_are_odd_nothing_changes() {
    for (odd, level) in [(1, CompletenessLevel::Partial), (2, CompletenessLevel::Blind), (3, CompletenessLevel::Blind)]
    {
        let (mut agents, frameworks) = three_agents();
        agents.iter_mut().take(odd).for_each(|agent| agent["resources"]["mem"] = json!(-1));
        assert_eq!(only(&state(&agents, &frameworks)).completeness.level, level, "{odd}");
    }
}

#[test]
fn an_odd_agent_of_another_pool_changes_nothing_in_this_one() {
    let config = config(TWO_POOLS);
    let good = [agent("w", 0.0, &json!({})), agent("e", 0.0, &json!({"attributes": {"zone": "z"}}))];
    let mut odd = good.clone();
    odd[1]["resources"]["cpus"] = json!("\u{0}");
    let workers = |agents: &[Json]| run(&state(agents, &[]), &config).snapshots.remove(0);
    assert_eq!(workers(&odd), workers(&good));
}

#[test]
fn an_agent_with_invalid_texts_is_in_its_pool() {
    let document = b"{\"slaves\":[{\"id\":\"A\xff\",\"hostname\":\"\\ud800\",\"active\":true,\"attributes\":{\"pool\":\"workers\",\"n\":\"\xe9\"},\
        \"resources\":{\"cpus\":4,\"mem\":1000}}],\"frameworks\":[{\"name\":\"\xfe\",\"tasks\":[{\"id\":\"t\",\"name\":\"\\udc00\",\
        \"slave_id\":\"A\xff\",\"state\":\"TASK_RUNNING\",\"resources\":{\"cpus\":1}}]}],\"elected_time\":1700000000}";
    let config = config("attributes = { pool = \"workers\" }\n");
    let state = scan::read(&document[..], ClusterState::new(&config.pools), u64::MAX).unwrap();
    let snapshot = summarize(state, &Observed::default(), "m", now()).snapshots.remove(0);
    let names: Vec<_> = snapshot.applications.iter().map(|own| (&*own.framework, &*own.name)).collect();
    assert_eq!((snapshot.agents.usable, names), (1, vec![("\u{FFFD}", "\u{FFFD}")]));
    assert_eq!(snapshot.scale_down_candidates[0].agent_id, "A\u{FFFD}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever amounts a few agents and tasks have, the others are counted as without them, and no agent can go.
    #[test]
    fn odd_amounts_anywhere_leave_the_others_as_they_are(
        odd in prop::collection::btree_set(0_usize..9, 1..4),
        which in 0_usize..4,
        value in prop::sample::select(vec![json!(-1), json!(1e300), json!("x"), json!(null), json!({}), json!([1]), json!(-0.001)]),
        seed in any::<u64>(),
    ) {
        let mut agents: Vec<Json> = (0..9).map(|place| agent(&format!("a{place}"), 1.0, &json!({}))).collect();
        let names: Vec<String> = (0..9).map(|place| format!("a{place}")).collect();
        let tasks: Vec<_> = names.iter().map(|name| ("web", name.as_str(), 1.0)).collect();
        let mut frameworks = vec![framework("f", &tasks)];
        for &place in &odd {
            match which {
                0 => agents[place]["resources"]["cpus"] = value.clone(),
                1 => agents[place]["used_resources"]["mem"] = value.clone(),
                2 => frameworks[0]["tasks"][place]["resources"]["gpus"] = value.clone(),
                _ => agents[place]["unreserved_resources"]["mem"] = value.clone(),
            }
        }
        let mut text = String::new();
        Shuffle::of(seed).write(&state(&agents, &frameworks), &mut text);
        let snapshot = only(&serde_json::from_str(&text).unwrap());
        let usable = 9 - u32::try_from(odd.len()).unwrap();
        prop_assert_eq!((snapshot.agents.registered, snapshot.agents.usable), (9, usable));
        prop_assert_eq!(snapshot.completeness.level, CompletenessLevel::Partial);
        prop_assert_eq!(snapshot.resources.total, amounts(4.0, 1000.0).times(usable.into()));
        prop_assert_eq!((snapshot.resources.used + snapshot.resources.displaced).cpus, amount(9.0));
        prop_assert_eq!(snapshot.applications[0].task_count, 9);
    }
}
