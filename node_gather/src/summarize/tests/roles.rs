//! What is free for tasks of the pool's role, on agents with reservations.

use super::*;

/// An agent with 4 cpus of which `unreserved` are that, and the others reserved as given.
fn reserved(id: &str, used: f64, unreserved: f64, reserved: &Json) -> Json {
    let unreserved = json!({"cpus": unreserved, "mem": 1000.0});
    agent(id, used, &json!({"unreserved_resources": unreserved, "reserved_resources": reserved}))
}

/// Tasks of a framework, each (agent, role, cpus).
fn tasks(tasks: &[(&str, &str, f64)]) -> Json {
    let tasks: Vec<Json> = tasks
        .iter()
        .map(|(agent, role, cpus)| {
            json!({"id": "x", "name": "x", "slave_id": agent, "state": "TASK_RUNNING", "role": role,
                   "resources": {"cpus": cpus}})
        })
        .collect();
    json!({"name": "f", "tasks": tasks})
}

/// The free and unreserved cpus of the only agent, for a pool of that role; the same in any order of the document.
fn cpus(role: &str, agent: &Json, framework: &Json) -> (f64, f64) {
    let config = config(&format!("role = {role:?}\n"));
    let state = state(std::slice::from_ref(agent), std::slice::from_ref(framework));
    let snapshot = run(&state, &config).snapshots.remove(0);
    for seed in 0..4 {
        let mut shuffled = String::new();
        Shuffle::of(seed).write(&state, &mut shuffled);
        assert_eq!(run(&serde_json::from_str(&shuffled).unwrap(), &config).snapshots.remove(0), snapshot);
    }
    let [shape] = &snapshot.agent_shapes[..] else { panic!("{snapshot:?}") };
    let candidate = &snapshot.scale_down_candidates[0];
    assert_eq!(candidate.unreserved, shape.unreserved);
    assert_eq!(candidate.free.unwrap_or_else(|| shape.unreserved.saturating_sub(&candidate.used)), shape.free);
    let units = |amount: Amount| amount.to_string().parse().unwrap();
    (units(shape.free.cpus), units(shape.unreserved.cpus))
}

#[test]
fn reserved_resources_of_idle_roles_are_not_free() {
    let agent = |used| reserved("a", used, 2.0, &json!({"prod": {"cpus": 2.0}}));
    // Two tasks of the default role, and no resource left for it; the role prod has its two cpus.
    let default = tasks(&[("a", "*", 1.0), ("a", "*", 1.0)]);
    assert_eq!(cpus("*", &agent(2.0), &default), (0.0, 2.0));
    assert_eq!(cpus("prod", &agent(2.0), &default), (2.0, 4.0));
    // Tasks of the role itself take its reservation first.
    let prod = tasks(&[("a", "prod", 1.0), ("a", "prod", 1.5)]);
    assert_eq!(cpus("*", &agent(2.5), &prod), (1.5, 2.0));
    assert_eq!(cpus("prod", &agent(2.5), &prod), (1.5, 4.0));
    assert_eq!(cpus("dev", &agent(2.5), &prod), (1.5, 2.0));
}

#[test]
fn reservations_of_roles_above_are_available() {
    let agent = reserved("a", 1.5, 1.0, &json!({"eng": {"cpus": 2.0}, "eng/db": {"cpus": 1.0}}));
    let framework = tasks(&[("a", "eng/db", 1.5)]);
    assert_eq!(cpus("eng/web", &agent, &framework), (2.5, 3.0));
    assert_eq!(cpus("eng", &agent, &framework), (2.5, 3.0));
    assert_eq!(cpus("eng/db", &agent, &framework), (2.5, 4.0));
    assert_eq!(cpus("*", &agent, &framework), (1.0, 1.0));
}

#[test]
fn executors_take_the_resources_of_their_role() {
    let agent = reserved("a", 1.5, 2.0, &json!({"prod": {"cpus": 2.0}}));
    let mut framework = tasks(&[("a", "prod", 1.0)]);
    framework["executors"] = json!([{"slave_id": "a", "role": "*", "resources": {"cpus": 0.5}}]);
    assert_eq!(cpus("*", &agent, &framework), (1.5, 2.0));
    framework["executors"] = json!([{"slave_id": "a", "resources": {"cpus": 0.5}}]);
    assert_eq!(cpus("*", &agent, &framework), (2.0, 2.0));
}

#[test]
fn a_role_that_reserves_all_agents_is_reported() {
    let all = json!({"slave_public": {"cpus": 4.0, "mem": 1000.0}});
    let whole = |id: &str| {
        let mut agent = reserved(id, 0.0, 0.0, &all);
        agent["unreserved_resources"] = json!({"cpus": 0.0, "mem": 0.0});
        agent
    };
    let role = |agents: &[Json], more: &str| run(&state(agents, &[]), &config(more)).snapshots.remove(0).reserved_role;
    assert_eq!(role(&[whole("a"), whole("b")], "").as_deref(), Some("slave_public"));
    assert_eq!(role(&[whole("a"), whole("b")], "role = \"slave_public\"\n"), None);
    assert_eq!(role(&[whole("a"), agent("b", 0.0, &json!({}))], ""), None);
    assert_eq!(role(&[], ""), None);
}

#[test]
fn agents_without_reservations_are_free_whatever_roles_run_there() {
    let framework = tasks(&[("a", "prod", 1.0), ("a", "*", 1.5), ("a", "eng/web", 0.5)]);
    for role in ["*", "prod", "eng"] {
        assert_eq!(cpus(role, &agent("a", 3.0, &json!({})), &framework), (1.0, 4.0), "{role}");
    }
}

#[test]
fn a_pool_whose_agents_two_roles_reserve_is_reserved_for_none() {
    let owner = |first: &Json, second: &Json| {
        let agents = [reserved("a", 0.0, 0.0, first), reserved("b", 0.0, 0.0, second)];
        only(&state(&agents, &[])).reserved_role
    };
    let of = |role: &str| json!({ role: {"cpus": 4.0} });
    assert_eq!(owner(&of("prod"), &of("prod")).as_deref(), Some("prod"));
    assert_eq!(owner(&of("prod"), &of("dev")), None);
    // All cpus are enough: nothing runs without one.
    assert_eq!(owner(&of("prod"), &json!({"prod": {"cpus": 4.0, "mem": 10.0}})).as_deref(), Some("prod"));
}

#[test]
fn only_an_agent_with_reservations_says_what_is_free() {
    let free = |agent: &Json| only(&state(std::slice::from_ref(agent), &[])).scale_down_candidates[0].free;
    assert_eq!(free(&agent("a", 1.0, &json!({}))), None);
    assert_eq!(free(&reserved("a", 1.0, 2.0, &json!({"prod": {"cpus": 2.0}}))), Some(amounts(2.0, 1000.0)));
}

#[test]
fn tasks_of_the_default_role_take_no_reservation_whoever_made_it() {
    // Two cpus are reserved, and nothing says for whom.
    let agent = reserved("a", 1.0, 2.0, &json!({}));
    assert_eq!(cpus("*", &agent, &tasks(&[("a", "*", 1.0)])), (1.0, 2.0));
    assert_eq!(cpus("prod", &agent, &tasks(&[("a", "prod", 1.0)])), (1.0, 2.0));
}
