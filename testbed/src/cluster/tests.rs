use super::*;
use crate::CAPTURE;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_276_800 + second).unwrap()
}

fn now() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

fn cluster() -> Cluster {
    Cluster::from_capture(CAPTURE, now()).unwrap()
}

fn instances(cluster: &Cluster) -> Vec<(String, String)> {
    cluster.machines().into_iter().map(|machine| (machine.instance, machine.zone)).collect()
}

/// What the tasks use, which must be what the agents say is used.
fn used_by_tasks(cluster: &Cluster) -> Resources {
    list(&cluster.state, "frameworks")
        .iter()
        .flat_map(|framework| list(framework, "tasks"))
        .map(|task| resources(task, "resources"))
        .sum()
}

#[test]
fn the_capture_is_told_as_it_came_but_for_its_times() {
    let cluster = cluster();
    let (told, captured): (Value, Value) =
        (serde_json::from_slice(&cluster.to_json()).unwrap(), serde_json::from_slice(CAPTURE).unwrap());
    assert_eq!(told["elected_time"], json!(seconds(now()) - 86_400.0));
    let since = |state: &Value, field: &Value| field.as_f64().unwrap() - state["elected_time"].as_f64().unwrap();
    for (told_agent, agent) in list(&told, "slaves").iter().zip(list(&captured, "slaves")) {
        let moved = since(&told, &told_agent["registered_time"]) - since(&captured, &agent["registered_time"]);
        assert!(moved.abs() < 0.001);
        assert_eq!(told_agent["resources"], agent["resources"]);
    }
    assert_eq!(told["flags"], captured["flags"]);
    assert_eq!(told["frameworks"][0]["unregistered_time"], 0.0, "never");
    let Order(order) = serde_json::from_slice(&cluster.to_json()).unwrap();
    let Order(captured_order) = serde_json::from_slice(CAPTURE).unwrap();
    assert_eq!(order, captured_order);
    assert_eq!((cluster.agent_count(), cluster.task_count()), (60, 282));
}

#[test]
fn what_is_no_state_is_refused() {
    for text in ["", "[]", "{}", r#"{"slaves":[],"frameworks":{}}"#, r#"{"slaves":[],"frameworks":[]}"#] {
        assert!(Cluster::from_capture(text.as_bytes(), now()).is_err(), "{text:?}");
    }
}

#[test]
fn applications_grow_where_there_is_room() {
    let mut cluster = cluster();
    let enough = |total: Resources, used: Resources| used.cpus.thousandths() * 100 >= total.cpus.thousandths() * 80;
    let started = cluster.grow(enough);
    assert_eq!(cluster.task_count(), 282 + started);
    let (total, used) = cluster.total_and_used();
    assert!(enough(total, used));
    assert_eq!(used.cpus, used_by_tasks(&cluster).cpus);
    for agent in list(&cluster.state, "slaves") {
        assert!(resources(agent, "used_resources").fits_in(&resources(agent, "resources")));
    }
    let tasks = || list(&cluster.state, "frameworks").iter().flat_map(|framework| list(framework, "tasks"));
    let ids: BTreeSet<&str> = tasks().map(|task| text(task, "id")).collect();
    assert_eq!(ids.len(), tasks().count(), "every task has an id of its own");

    assert_eq!(cluster.grow(enough), 0);
    assert!(cluster.grow(|_, _| false) > 0, "until nothing fits");
}

#[test]
fn agents_follow_the_instances_of_their_group() {
    let mut cluster = cluster();
    let mut alive = instances(&cluster);
    let (gone, _) = alive.remove(0);
    alive.push(("i-new".to_owned(), "us-east-1b".to_owned()));
    cluster.follow(&alive, |_| true, now());
    cluster.follow(&alive, |_| true, now());
    assert_eq!(cluster.agent_count(), 60);
    assert!(!instances(&cluster).iter().any(|(id, _)| *id == gone));
    let new = list(&cluster.state, "slaves").last().unwrap();
    assert_eq!(machine(new).attributes["asg"], "workers");
    assert_eq!((machine(new).instance, machine(new).zone), ("i-new".to_owned(), "us-east-1b".to_owned()));
    assert!(resources(new, "used_resources").is_zero());
    assert_eq!(resources(new, "resources").cpus, Amount::from_thousandths(2000), "20 agents each of 2, 4, 8 cpus");
    assert_eq!(cluster.total_and_used().1.cpus, used_by_tasks(&cluster).cpus, "tasks go with their agent");
}

#[test]
fn agents_of_other_groups_stay() {
    let mut cluster = cluster();
    cluster.follow(&[], |machine| machine.zone == "us-east-1a", now());
    assert_eq!(cluster.agent_count(), 40);
}

#[test]
fn after_a_fail_over_agents_are_known_but_not_back() {
    let mut cluster = cluster();
    cluster.fail_over(now());
    let state: Value = serde_json::from_slice(&cluster.to_json()).unwrap();
    let captured: Value = serde_json::from_slice(include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/captures/1.11.0/19b-after-master-failover-some-agents-back/state.json"
    )))
    .unwrap();
    assert_eq!(list(&state, "recovered_slaves").len(), 60);
    let keys = |state: &Value| state["recovered_slaves"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&state), keys(&captured), "as a real master tells them");
    assert_eq!((cluster.agent_count(), cluster.task_count()), (0, 0));
    assert_eq!(state["elected_time"], json!(seconds(now())));
}

#[test]
fn deactivated_agents_keep_their_tasks() {
    let mut cluster = cluster();
    cluster.deactivate(2);
    let inactive: Vec<&Value> =
        list(&cluster.state, "slaves").iter().filter(|agent| agent["active"] == json!(false)).collect();
    assert_eq!(inactive.len(), 2);
    assert!(inactive.iter().all(|agent| agent["deactivated"] == json!(true)));
    assert_eq!(cluster.task_count(), 282);
    assert!(cluster.total_and_used().1.cpus < used_by_tasks(&cluster).cpus);
}

#[test]
fn another_task_of_an_application_has_another_uuid() {
    let id = "core_app39.instance-380d1cd4-bf53-4fab-b071-797a94ed0244._app.1";
    let other = renamed(id, 7);
    assert!(other.starts_with("core_app39.instance-6c6f6361-") && other.ends_with("._app.1"), "{other}");
    assert!(renamed("batch-1", 7).starts_with("batch-1."));
    assert!(renamed("", 7).starts_with('.'));
}

/// What the captures of a real master show of an agent in each state, besides what every agent has.
fn shown(agent: &Value) -> Value {
    let mut shown = json!({});
    for key in ["active", "deactivated", "drain_info"] {
        if let Some(value) = agent.get(key) {
            set(&mut shown, key, value.clone());
        }
    }
    shown
}

#[test]
fn what_is_done_to_agents_shows_as_in_the_captures() {
    let capture = |name: &str| -> Value {
        let path = format!("{}/../tests/captures/1.11.0/{name}/state.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let agent = |state: &Value, id: &str| list(state, "slaves").iter().find(|a| text(a, "id").ends_with(id)).cloned();
    let (draining, drained, reactivated) =
        (capture("11-draining-and-deactivated"), capture("12-drained-and-deactivated"), capture("13-reactivated"));
    let mut cluster = Cluster::from_capture(&serde_json::to_vec(&reactivated).unwrap(), at(0)).unwrap();
    // S2 and S3 are untouched agents there; they go the way that S0 and S1 went on the real master.
    let id = |suffix: &str| text(&agent(&reactivated, suffix).unwrap(), "id").to_owned();
    let call = |action: &str, suffix: &str| {
        json!({ "type": action, action.to_lowercase(): {
            "agent_id": { "value": id(suffix) }, "max_grace_period": { "nanoseconds": 30_000_000_000_u64 } } })
    };
    cluster.operate(&call("DRAIN_AGENT", "-S2"), at(0)).unwrap();
    cluster.operate(&call("DEACTIVATE_AGENT", "-S3"), at(0)).unwrap();
    let now = |cluster: &Cluster, suffix: &str| shown(&agent(&cluster.state, suffix).unwrap());
    let real = |state: &Value, suffix: &str| shown(&agent(state, suffix).unwrap());
    assert_eq!(now(&cluster, "-S2"), real(&draining, "-S0"));
    assert_eq!(now(&cluster, "-S3"), real(&draining, "-S1"));
    assert!(cluster.operate(&call("REACTIVATE_AGENT", "-S2"), at(0)).is_err(), "draining cannot be undone");

    let tasks = cluster.task_count();
    cluster.tick(at(60));
    assert_eq!(now(&cluster, "-S2"), real(&drained, "-S0"));
    assert_eq!(resources(&agent(&cluster.state, "-S2").unwrap(), "used_resources"), Resources::ZERO);
    assert_eq!(cluster.task_count(), tasks, "they run elsewhere");

    cluster.operate(&call("REACTIVATE_AGENT", "-S3"), at(61)).unwrap();
    assert_eq!(now(&cluster, "-S3"), real(&reactivated, "-S1"));
    assert!(cluster.operate(&json!({ "type": "GET_AGENTS" }), at(61)).is_err());
}
