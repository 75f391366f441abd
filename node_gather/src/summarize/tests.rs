mod counts;
mod declines;
mod hosts;
mod odd;
mod pods;
mod roles;
mod set_aside;

use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use shared::config::Config;
use shared::contract::{AgentState, Application, CompletenessLevel};

use super::*;
use crate::finding::{Election, Finding};
use crate::mesos::json;
use crate::testing::{Shuffle, capture, config, now};

mod queue;

const ELECTED_LONG_AGO: f64 = 1_700_000_000.0;

fn amount(units: f64) -> Amount {
    Amount::from_units(units).unwrap()
}

fn amounts(cpus: f64, mem: f64) -> Resources {
    Resources { cpus: amount(cpus), mem: amount(mem), ..Resources::ZERO }
}

/// A state of these agents and frameworks, its master elected long ago.
fn state(agents: &[Json], frameworks: &[Json]) -> Json {
    json!({"version": "1.11.0", "elected_time": ELECTED_LONG_AGO, "slaves": agents, "frameworks": frameworks})
}

/// An agent with 4 cpus and 1000 MB of which so many cpus are used.
fn agent(id: &str, used_cpus: f64, more: &Json) -> Json {
    let mut agent = json!({
        "id": id, "hostname": format!("host-{id}"), "pid": "slave(1)@10.0.0.7:5051", "active": true,
        "attributes": {"pool": "workers"},
        "resources": {"cpus": 4.0, "mem": 1000.0}, "unreserved_resources": {"cpus": 4.0, "mem": 1000.0},
        "used_resources": {"cpus": used_cpus, "mem": 0.0},
    });
    agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    agent
}

/// A framework of which each task is (name, agent, cpus).
fn framework(name: &str, tasks: &[(&str, &str, f64)]) -> Json {
    let tasks: Vec<Json> = tasks
        .iter()
        .map(|(name, agent, cpus)| {
            json!({"id": "x", "name": name, "slave_id": agent, "state": "TASK_RUNNING", "resources": {"cpus": cpus}})
        })
        .collect();
    json!({"name": name, "tasks": tasks})
}

/// Marathon with a pod of that name. Each container is (instance, name, agent) and takes 0.5 cpus, each executor (instance, agent)
/// takes 0.125.
fn pods(name: &str, containers: &[(u32, &str, &str)], executors: &[(u32, &str)]) -> Json {
    let uuid = |instance: u32| format!("182f33d2-3650-4602-9e17-f3610000{instance:04}");
    let tasks: Vec<Json> = containers
        .iter()
        .map(|(instance, container, agent)| {
            let id = format!("{name}.instance-{}.{container}", uuid(*instance));
            json!({"id": id, "name": container, "slave_id": agent, "state": "TASK_RUNNING", "resources": {"cpus": 0.5}})
        })
        .collect();
    let executors: Vec<Json> = executors
        .iter()
        .map(|(instance, agent)| {
            let id = format!("instance-{name}.{}", uuid(*instance));
            json!({"executor_id": id, "slave_id": agent, "resources": {"cpus": 0.125}})
        })
        .collect();
    json!({"name": "marathon", "tasks": tasks, "executors": executors})
}

fn run_with(state: &Json, config: &Config, marathon: &Observed) -> Summary {
    let state = json::read(state.to_string().as_bytes(), ClusterState::new(&config.pools)).unwrap();
    summarize(state, marathon, "http://10.0.0.5:5050", now())
}

fn run(state: &Json, config: &Config) -> Summary {
    run_with(state, config, &Observed::default())
}

fn only(state: &Json) -> ClusterSnapshot {
    run(state, &config("")).snapshots.remove(0)
}

#[test]
fn agents_are_counted_by_their_state() {
    let drain = |state: &str| json!({"drain_info": {"state": state}, "active": false, "deactivated": true});
    let snapshot = only(&state(
        &[
            agent("usable", 1.0, &json!({})),
            agent("draining", 0.5, &drain("DRAINING")),
            agent("drained", 0.0, &drain("DRAINED")),
            agent("deactivated", 0.25, &json!({"active": false, "deactivated": true})),
            agent("gone", 2.0, &json!({"active": false})),
            agent("bare", 0.0, &json!({"resources": null})),
            agent("zero", 0.0, &json!({"resources": {"cpus": 0.0, "mem": 0.0, "disk": 9.0}})),
        ],
        &[framework(
            "f",
            &[("a", "usable", 1.0), ("a", "draining", 0.5), ("b", "deactivated", 0.25), ("a", "gone", 2.0)],
        )],
    ));
    let counts = snapshot.agents;
    assert_eq!((counts.registered, counts.usable, counts.draining), (7, 1, 2));
    assert_eq!((counts.deactivated, counts.inactive, counts.decommissioning()), (1, 3, 3));
    assert_eq!(snapshot.resources.total, amounts(4.0, 1000.0));
    assert_eq!(snapshot.resources.used, amounts(1.0, 0.0));
    assert_eq!(snapshot.resources.displaced, amounts(2.75, 0.0));
    let candidates: Vec<_> =
        snapshot.scale_down_candidates.iter().map(|candidate| (&*candidate.agent_id, candidate.state)).collect();
    assert_eq!(
        candidates,
        [
            ("usable", AgentState::Active),
            ("deactivated", AgentState::Deactivated),
            ("drained", AgentState::Drained),
            ("draining", AgentState::Draining),
        ]
    );
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete, "{:?}", snapshot.completeness);
    assert_eq!(snapshot.clone().identified(), snapshot);
}

#[test]
fn a_candidate_says_when_its_drain_should_be_over_d3() {
    const REGISTERED: i64 = 1_795_278_000;
    let start = 1_795_278_464.775_64;
    let due = |drain_info: Json, since: Json| {
        let mut drains =
            json!({"active": false, "deactivated": true, "drain_info": drain_info, "registered_time": REGISTERED});
        drains["estimated_drain_start_time_seconds"] = since;
        let candidates = only(&state(&[agent("a", 0.0, &drains)], &[])).scale_down_candidates;
        candidates[0].drain_due.map(|due| due.as_millisecond())
    };
    let of = |config: Json| json!({"state": "DRAINING", "config": config});
    let grace = |nanoseconds: Json| of(json!({"max_grace_period": {"nanoseconds": nanoseconds}, "mark_gone": false}));
    assert_eq!(due(grace(json!(30_000_000_000_u64)), json!(start)), Some(1_795_278_494_776));
    assert_eq!(due(grace(json!(1_500_000)), json!(start)), Some(1_795_278_464_777), "in milliseconds");
    // Without a limit, tasks have their own.
    for none in [of(json!({"mark_gone": false})), of(Json::Null), json!({"state": "DRAINING"}), grace(json!(-1))] {
        assert_eq!(due(none, json!(start)), Some(1_795_278_464_776));
    }
    assert_eq!(due(json!({"state": "DRAINED"}), json!(start)), Some(1_795_278_464_776));
    // A limit that no drain reaches.
    assert!(due(grace(json!(1e300)), json!(start)).is_some_and(|due| due > 200_000_000_000_000));
    // A new master does not say it of what was drained before the agent registered with it.
    assert_eq!(due(json!({"state": "DRAINED"}), Json::Null), Some(1000 * REGISTERED));
    for unknown in [Json::Null, json!(-5), json!(1e300)] {
        assert_eq!(due(grace(json!(1)), unknown), None);
    }
    assert_eq!(due(Json::Null, json!(start)), None, "it does not drain");
}

#[test]
fn use_without_a_role_takes_reservations_first() {
    for (used, expected) in [(0.0, 3.0), (0.5, 3.0), (1.0, 3.0), (1.5, 2.5), (4.0, 0.0), (5.0, 0.0)] {
        let agent = agent("a", used, &json!({"unreserved_resources": {"cpus": 3.0, "mem": 1000.0}}));
        let snapshot = only(&state(&[agent], &[]));
        assert_eq!(snapshot.agent_shapes[0].free, amounts(expected, 1000.0), "{used} used");
    }
}

#[test]
fn equal_agents_are_one_shape() {
    let snapshot = only(&state(
        &[
            agent("a", 1.0, &json!({})),
            agent("b", 0.0, &json!({})),
            agent("c", 1.0, &json!({})),
            agent("d", 1.0, &json!({"unreserved_resources": {"cpus": 3.0, "mem": 1000.0}})),
        ],
        &[framework("f", &[("x", "a", 1.0), ("x", "c", 1.0), ("x", "d", 1.0)])],
    ));
    let shapes: Vec<_> =
        snapshot.agent_shapes.iter().map(|shape| (shape.count, shape.unreserved.cpus, shape.free.cpus)).collect();
    let cpus = |unreserved, free| (amount(unreserved), amount(free));
    let expected: Vec<_> = [(1, cpus(3.0, 3.0)), (2, cpus(4.0, 3.0)), (1, cpus(4.0, 4.0))]
        .map(|(count, (unreserved, free))| (count, unreserved, free))
        .into();
    assert_eq!(shapes, expected);
}

#[test]
fn candidates_are_the_twenty_least_loaded_agents() {
    let mut agents: Vec<Json> =
        (0..30).map(|place| agent(&format!("a{place:02}"), f64::from(place % 5) * 0.5, &json!({}))).collect();
    // Much of one resource weighs more than little of another.
    agents.push(agent("mem", 0.0, &json!({"used_resources": {"cpus": 0.1, "mem": 990.0}})));
    agents.push(agent("deactivated", 0.0, &json!({"active": false, "deactivated": true})));
    let snapshot = only(&state(&agents, &[]));
    let ids: Vec<&str> = snapshot.scale_down_candidates.iter().map(|candidate| &*candidate.agent_id).collect();
    assert_eq!(ids.len(), 21);
    assert_eq!(ids[..7], ["a00", "a05", "a10", "a15", "a20", "a25", "a01"]);
    assert_eq!(ids[20], "deactivated");
    assert!(!ids.contains(&"mem"));
}

#[test]
fn candidates_have_tasks_address_and_instance_id() {
    let config = config("attributes = { pool = \"workers\" }\n");
    let mut config = config;
    config.pools[0].scale_down.protected.applications = vec!["db".to_owned()];
    let agents = [
        agent("a", 2.5, &json!({"attributes": {"pool": "workers", "instance_id": "i-0abc"}})),
        agent("b", 3.0, &json!({})),
    ];
    let frameworks = [framework("f", &[("web", "a", 1.0), ("db", "a", 0.5), ("web", "a", 1.0), ("web", "b", 3.0)])];
    let snapshot = run(&state(&agents, &frameworks), &config).snapshots.remove(0);
    let [b] = &snapshot.scale_down_candidates[..] else { panic!("an agent with a protected task is none") };
    assert_eq!((&*b.hostname, b.protected, b.task_count), ("host-b", false, 1));
    config.pools[0].scale_down.protected.applications.clear();
    let snapshot = run(&state(&agents, &frameworks), &config).snapshots.remove(0);
    let [a, _] = &snapshot.scale_down_candidates[..] else { panic!() };
    assert_eq!((a.instance_id.as_deref(), a.ip, &*a.hostname), (Some("i-0abc"), Some([10, 0, 0, 7].into()), "host-a"));
    assert_eq!((a.protected, a.task_count), (false, 3));
    let tasks: Vec<_> = a.tasks.iter().map(|group| (group.count, group.resources.cpus)).collect();
    assert_eq!(tasks, [(1, amount(0.5)), (2, amount(1.0))]);
    config.pools[0].scale_down.protected.frameworks = vec!["f".to_owned()];
    let snapshot = run(&state(&agents, &frameworks), &config).snapshots.remove(0);
    assert_eq!(snapshot.scale_down_candidates, []);
}

#[test]
fn pools_share_no_agent() {
    let two = "attributes = { pool = \"workers\" }\n[[pools]]\nname = \"edge\"\ngroup = \"edge\"\nattributes = { zone = \"z\" }\n";
    let config = config(two);
    let agents = [
        agent("w", 1.0, &json!({})),
        agent("e", 0.5, &json!({"attributes": {"zone": "z"}})),
        agent("n", 0.0, &json!({"attributes": {}})),
    ];
    let summary = run(&state(&agents, &[framework("f", &[("x", "w", 1.0), ("x", "e", 0.5)])]), &config);
    assert_eq!(summary.agents_of_no_pool, 1);
    assert_eq!(summary.attributes_of_no_pool.to_string(), "none");
    let [workers, edge] = &summary.snapshots[..] else { panic!() };
    assert_eq!((workers.agents.registered, edge.agents.registered), (1, 1));
    assert_eq!(
        (workers.applications[0].resources.cpus, edge.applications[0].resources.cpus),
        (amount(1.0), amount(0.5))
    );
    assert_ne!(workers.id, edge.id);
}

#[test]
fn applications_of_equal_frameworks_add_up_unless_one_is_gpu_aware() {
    let mut aware = framework("marathon", &[("web", "a", 1.0)]);
    aware["capabilities"] = json!(["GPU_RESOURCES"]);
    let plain = framework("marathon", &[("web", "a", 0.5)]);
    let snapshot = only(&state(&[agent("a", 2.0, &json!({}))], &[plain.clone(), aware, plain]));
    let applications: Vec<_> = snapshot
        .applications
        .iter()
        .map(|application| {
            (&*application.name, application.gpu_aware, application.task_count, application.resources.cpus)
        })
        .collect();
    assert_eq!(applications, [("web", false, 2, amount(1.0)), ("web", true, 1, amount(1.0))]);
}

fn sums(applications: &[Application]) -> (u32, Resources, Resources) {
    let by_group = applications.iter().flat_map(|application| &application.tasks);
    (
        applications.iter().map(|application| application.task_count).sum(),
        applications.iter().map(|application| application.resources).sum(),
        by_group.map(|group| group.resources.times(u64::from(group.count))).sum(),
    )
}

#[test]
fn the_smallest_applications_are_folded_with_exact_sums() {
    let names: Vec<String> = (0..2500).map(|place| format!("job-{place:04}")).collect();
    let tasks: Vec<(&str, &str, f64)> = names
        .iter()
        .enumerate()
        .map(|(place, name)| (name.as_str(), "a", if place < 600 { 0.002 } else { 0.003 }))
        .collect();
    let frameworks = [framework("spark", &tasks), framework("marathon", &[("web", "a", 0.001)])];
    let snapshot = only(&state(&[agent("a", 4.0, &json!({}))], &frameworks));
    let applications = &snapshot.applications;
    assert_eq!(applications.len(), 2002);
    assert_eq!(sums(applications), (2501, amounts(6.901, 0.0), amounts(6.901, 0.0)));
    let other: Vec<_> = applications.iter().filter(|application| application.name == OTHER_NAME).collect();
    let counts: Vec<_> = other.iter().map(|application| (&*application.framework, application.task_count)).collect();
    assert_eq!(counts, [("marathon", 1), ("spark", 500)]);
    // The largest applications stay, and folding again loses nothing.
    assert!(applications.iter().all(|application| application.name != "job-0599"));
    let again = fold_smallest(applications.clone(), 10);
    // Among the largest ten is spark's folded application, which is folded again.
    assert_eq!(again.len(), 11);
    assert_eq!(sums(&again), sums(applications));
}

const OTHER_NAME: &str = "(other)";

#[test]
fn hidden_use_makes_the_snapshot_partial() {
    let level = |used: f64, visible: f64| {
        let frameworks = [framework("f", &[("x", "a", visible)])];
        only(&state(&[agent("a", used, &json!({}))], &frameworks)).completeness.level
    };
    assert_eq!(level(1.0, 1.0), CompletenessLevel::Complete);
    assert_eq!(level(1.05, 1.0), CompletenessLevel::Complete);
    assert_eq!(level(1.051, 1.0), CompletenessLevel::Partial);
    let frameworks = [framework("f", &[("x", "a", 1.0)])];
    let hidden = Finding::HiddenUse { kind: Kind::Cpus, used: amount(1.051), visible: amount(1.0) };
    assert_eq!(only(&state(&[agent("a", 1.051, &json!({}))], &frameworks)).completeness.reasons, [hidden.to_string()]);
    assert_eq!(level(0.5, 1.0), CompletenessLevel::Complete);
    // Only considered resources are compared.
    let disk = agent("a", 0.0, &json!({"used_resources": {"disk": 500.0}}));
    assert_eq!(only(&state(&[disk], &[])).completeness.level, CompletenessLevel::Complete);
}

#[test]
fn each_finding_is_found() {
    let good = state(&[agent("a", 1.0, &json!({}))], &[framework("f", &[("x", "a", 1.0)])]);
    assert_eq!(only(&good).completeness.level, CompletenessLevel::Complete);
    let recent =
        |seconds| Election::Recent { age: SignedDuration::from_secs(seconds), timeout: Duration::from_secs(600) };
    let (blind, partial) = (CompletenessLevel::Blind, CompletenessLevel::Partial);
    let elected = |seconds_ago: i64| json!({"elected_time": now().as_second() - seconds_ago});
    let findings: [(Finding, Json, CompletenessLevel); 9] = [
        (Finding::RecentElection(recent(60)), elected(60), partial),
        (Finding::RecentElection(recent(-5)), elected(-5), partial),
        (Finding::RecentElection(Election::Unknown), json!({"elected_time": null}), partial),
        (Finding::NoAgents, json!({"slaves": [], "frameworks": []}), partial),
        (Finding::NoAgentsYet(recent(599)), json!({"slaves": [], "elected_time": now().as_second() - 599}), blind),
        (
            Finding::MissingAgents { missing: 1, known: 2, max_percent: 10 },
            json!({"recovered_slaves": [{"id": "r", "attributes": {}}]}),
            blind,
        ),
        (
            Finding::UnlistedAgents { counted: 3, listed: 1 },
            json!({"activated_slaves": 2.0, "deactivated_slaves": 1.0}),
            partial,
        ),
        (
            Finding::MissingFrameworks(vec!["f".to_owned()]),
            json!({"frameworks": [{"name": "f", "recovered": true, "tasks": good["frameworks"][0]["tasks"]}]}),
            partial,
        ),
        (
            Finding::TasksOnUnlistedAgents(1),
            json!({"orphan_tasks": [{"id": "o", "name": "o", "slave_id": "?", "state": "TASK_RUNNING", "resources": {}}]}),
            partial,
        ),
    ];
    for (finding, change, level) in findings {
        let mut state = good.clone();
        state.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let completeness = only(&state).completeness;
        assert_eq!(completeness.level, level, "{finding}: {completeness:?}");
        assert!(completeness.reasons.contains(&finding.to_string()), "{finding}: {completeness:?}");
    }
    let mut unreported = good;
    unreported["slaves"][0].as_object_mut().unwrap().remove("used_resources");
    let snapshot = only(&unreported);
    assert_eq!(snapshot.completeness.reasons, [Finding::UnreportedUse(1).to_string()]);
    assert_eq!((snapshot.completeness.level, snapshot.resources.used.cpus), (CompletenessLevel::Partial, amount(1.0)));
}

#[test]
fn more_than_max_missing_agents_percent_is_blind() {
    let agents: Vec<Json> = (0..18).map(|place| agent(&format!("a{place}"), 0.0, &json!({}))).collect();
    let level = |missing: usize| {
        let mut state = state(&agents, &[]);
        let recovered: Vec<Json> =
            (0..missing).map(|place| json!({"id": format!("r{place}"), "attributes": {}})).collect();
        state["recovered_slaves"] = recovered.into();
        only(&state).completeness.level
    };
    assert_eq!(
        [level(0), level(2), level(3)],
        [CompletenessLevel::Complete, CompletenessLevel::Partial, CompletenessLevel::Blind]
    );
}

#[test]
fn a_framework_without_tasks_is_waited_for_for_an_hour() {
    let level = |seconds: i64, tasks: &[(&str, &str, f64)]| {
        let mut framework = framework("old", tasks);
        framework["recovered"] = true.into();
        let mut state = state(
            &[agent("a", 1.0, &json!({})), agent("b", 0.0, &json!({}))],
            &[framework, self::framework("f", &[("t", "a", 1.0)])],
        );
        state["elected_time"] = (now().as_second() - seconds).into();
        if !tasks.is_empty() {
            state["slaves"][0]["used_resources"]["cpus"] = 2.0.into();
        }
        only(&state).completeness.level
    };
    let (complete, partial) = (CompletenessLevel::Complete, CompletenessLevel::Partial);
    assert_eq!((level(3_599, &[]), level(3_601, &[])), (partial, complete));
    // Its tasks would not be started elsewhere.
    assert_eq!(level(3_601, &[("t", "a", 1.0)]), partial);
}

#[test]
fn missing_frameworks_are_sorted_by_name() {
    let frameworks: Vec<Json> =
        ["e", "d", "c", "b", "a"].iter().map(|name| json!({"name": name, "recovered": true, "tasks": []})).collect();
    let reasons = |count: usize| {
        let mut state = state(&[agent("a", 0.0, &json!({}))], &frameworks[..count]);
        state["elected_time"] = (now().as_second() - 700).into();
        only(&state).completeness.reasons
    };
    for (count, names) in [(5, &["a", "b", "c", "d", "e"][..]), (3, &["c", "d", "e"]), (1, &["e"])] {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(reasons(count), [Finding::MissingFrameworks(names).to_string()]);
    }
}

#[test]
fn a_captured_cluster_is_summarized_as_it_is() {
    let config = config("");
    let state = json::read(capture("1.11.0/05-pods-and-limits").as_slice(), ClusterState::new(&config.pools)).unwrap();
    let later = "2026-11-22T00:00:00Z".parse().unwrap();
    let snapshot = summarize(state, &Observed::default(), "m", later).snapshots.remove(0);
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete, "{:?}", snapshot.completeness);
    // The executor uses resources, but its id is not that of a pod.
    assert_eq!(snapshot.resources.used.cpus, amount(12.169));
    let visible: Resources = snapshot.applications.iter().map(|application| application.resources).sum();
    assert_eq!(visible.cpus, amount(12.069));
    let pod = snapshot.applications.iter().find(|application| application.name == "/pods/web").unwrap();
    assert_eq!((pod.task_count, pod.tasks.len(), pod.resources.cpus), (1, 1, amount(0.6)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_sums_of_a_generated_cluster_agree(
        agents in prop::collection::vec((0_u8..5, 0_u16..4000), 0..12),
        tasks in prop::collection::vec((0_usize..14, 0_u8..4, 0_u16..900), 0..40),
        seed in any::<u64>(),
    ) {
        let mores = [
            json!({}), json!({"active": false}), json!({"deactivated": true, "active": false}),
            json!({"drain_info": {"state": "DRAINING"}}), json!({"resources": null}),
        ];
        let listed: Vec<Json> = agents.iter().enumerate()
            .map(|(place, (kind, used))| agent(&format!("a{place}"), f64::from(*used) / 1000.0, &mores[usize::from(*kind)]))
            .collect();
        let tasks: Vec<(String, String, f64)> = tasks.iter()
            .map(|(agent, name, cpus)| (format!("app{name}"), format!("a{agent}"), f64::from(*cpus) / 1000.0)).collect();
        let tasks: Vec<(&str, &str, f64)> = tasks.iter().map(|(name, agent, cpus)| (&**name, &**agent, *cpus)).collect();
        let state = state(&listed, &[framework("f", &tasks)]);
        let snapshot = only(&state);

        let AgentCounts { registered, usable, draining, deactivated, inactive, .. } = snapshot.agents;
        prop_assert_eq!(registered as usize, agents.len());
        prop_assert_eq!(registered, usable + draining + deactivated + inactive);
        let of_shapes: Resources = snapshot.agent_shapes.iter().map(|shape| shape.total.times(u64::from(shape.count))).sum();
        prop_assert_eq!(of_shapes, snapshot.resources.total);
        prop_assert_eq!(snapshot.agent_shapes.iter().map(|shape| shape.count).sum::<u32>(), usable);
        prop_assert!(snapshot.agent_shapes.iter().all(|shape| shape.free.fits_in(&shape.unreserved)));
        let used: u64 = agents.iter().map(|(_, used)| u64::from(*used)).sum();
        prop_assert_eq!((snapshot.resources.used + snapshot.resources.displaced).cpus.thousandths(), used);
        let (count, together, in_groups) = sums(&snapshot.applications);
        prop_assert_eq!(together, in_groups);
        let on_listed = tasks.iter().filter(|(_, agent, _)| agent[1..].parse::<usize>().unwrap() < agents.len()).count();
        prop_assert_eq!(count as usize, on_listed);
        if on_listed < tasks.len() {
            prop_assert!(snapshot.completeness.level >= CompletenessLevel::Partial);
        }

        let mut shuffled = String::new();
        Shuffle::of(seed).write(&state, &mut shuffled);
        prop_assert_eq!(only(&serde_json::from_str(&shuffled).unwrap()), snapshot);
    }
}

#[test]
fn attributes_of_agents_of_no_pool_are_listed_in_part() {
    let agents: Vec<_> = (0..10)
        .map(|n| {
            let attributes = json!({"asg": if n % 2 == 0 { "web" } else { "batch" }, "instance_id": format!("i-{n}")});
            agent(&format!("a{n}"), 0.0, &json!({ "attributes": attributes }))
        })
        .collect();
    let config = config("attributes = { asg = \"workers\" }\n");
    let summary = run(&state(&agents, &[]), &config);
    assert_eq!(summary.agents_of_no_pool, 10);
    assert_eq!(summary.attributes_of_no_pool.to_string(), "asg = web, batch; instance_id = i-0, i-1, i-2, ...");
}

#[test]
fn marathon_is_known_by_its_task_ids() {
    let task = |id: String, name: &str| json!({"id": id, "name": name, "slave_id": "a", "state": "TASK_RUNNING", "resources": {"cpus": 0.5}});
    let uuid = "182f33d2-3650-4602-9e17-f36177a98192";
    let tasks = |framework: &str| {
        let tasks = json!([
            task(format!("shop_web.instance-{uuid}._app.1"), "web.shop"),
            task(format!("shop_web.{uuid}"), "web.shop"),
            task(format!("kafka-0-broker__{uuid}"), "kafka-0-broker"),
            task("ct:1795262400000:0:hourly:".to_owned(), "hourly"),
        ]);
        // Masters write the name first or last.
        [json!({"name": framework, "tasks": tasks}), json!({"tasks": tasks, "name": framework})]
    };
    for framework in ["prod-marathon", "root-scheduler", "marathon", "Marathon"] {
        for framework in tasks(framework) {
            let snapshot = only(&state(&[agent("a", 2.0, &json!({}))], &[framework]));
            let names: Vec<(&str, u32)> =
                snapshot.applications.iter().map(|application| (&*application.name, application.task_count)).collect();
            assert_eq!(names, [("/shop/web", 2), ("hourly", 1), ("kafka-0-broker", 1)]);
        }
    }
}

#[test]
fn settings_that_name_nothing_are_noted() {
    let misspelled = config(
        "applications = { \"/shop/wbe\" = { count_queued = false }, \"/shop/web\" = { count_queued = false } }\n\
         protected = { frameworks = [\"kafka\", \"marathon\"], applications = [\"/shop/web\", \"/db\"] }",
    );
    let frameworks = [framework("marathon", &[("/shop/web", "a", 1.0)])];
    let notes = |agents: &[Json]| run(&state(agents, &frameworks), &misspelled).snapshots.remove(0).notes;
    let expected = [
        "applications names \"/shop/wbe\", but no task or queued instance has that name; did you mean \"/shop/web\"?",
        "protected.applications names \"/db\", but no task or queued instance has that name",
        "protected.frameworks names \"kafka\", but no framework has that name",
    ];
    assert_eq!(notes(&[agent("a", 1.0, &json!({}))]), expected);
    // While tasks may be missing, the names may be those of them.
    assert_eq!(notes(&[agent("a", 2.0, &json!({}))]), [""; 0]);
    assert_eq!(only(&state(&[agent("a", 1.0, &json!({}))], &frameworks)).notes, [""; 0]);
}

#[test]
fn each_setting_that_names_nothing_is_noted() {
    let state = state(&[agent("a", 1.0, &json!({}))], &[framework("marathon", &[("/web", "a", 1.0)])]);
    for setting in [
        "applications = { \"/x\" = { count_queued = false } }",
        "protected = { applications = [\"/x\"] }",
        "protected = { frameworks = [\"x\"] }",
    ] {
        assert_eq!(run(&state, &config(setting)).snapshots[0].notes.len(), 1, "{setting}");
    }
}

#[test]
fn an_agent_that_is_asked_for_says_why_it_is_no_candidate() {
    let many: Vec<Json> =
        (0..30).map(|number| agent(&format!("a{number:02}"), 0.1 * f64::from(number), &json!({}))).collect();
    let busy = state(&many, &[framework("kafka", &[("/a", "a00", 0.0)])]);
    let asked = |settings: &str, name: &str| {
        let config = config(settings);
        let empty = ClusterState::new(&config.pools).asking(Some(name.to_owned()));
        let state = json::read(busy.to_string().as_bytes(), empty).unwrap();
        let summary = summarize(state, &Observed::default(), "http://10.0.0.5:5050", now());
        let is_candidate = summary.snapshots[0].scale_down_candidates.iter().any(|one| one.agent_id == name);
        (is_candidate, summary.asked.map(|asked| (asked.agent.agent_id, asked.before, asked.stays)))
    };
    assert_eq!(asked("", "a03"), (true, None));
    // Twenty are candidates, and five more have less load.
    assert_eq!(asked("", "a25"), (false, Some(("a25".to_owned(), 25, None))));
    assert_eq!(asked("", "a99"), (false, None));
    let protected = "protected = { frameworks = [\"kafka\"] }";
    let (is_candidate, found) = asked(protected, "a00");
    assert_eq!((is_candidate, found.unwrap().2), (false, Some(Stays::Protected)));
}
