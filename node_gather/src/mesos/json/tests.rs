use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use shared::resources::{Amount, Resources};

use super::*;
use crate::marathon::Observed;
use crate::mesos::ip_of_pid;
use crate::mesos::record::Record;
use crate::mesos::state::Drain;
use crate::mesos::to_duration;
use crate::testing::{Shuffle, capture, captures, config, now};

/// A small state with every field that is read.
fn small() -> Json {
    json!({
        "version": "1.11.0", "cluster": "prod", "elected_time": 1_795_270_000.25,
        "activated_slaves": 1.0, "deactivated_slaves": 1.0, "unreachable_slaves": 2.0,
        "flags": {"agent_reregister_timeout": "15mins", "other": "x"},
        "slaves": [
            {"id": "A1", "hostname": "a1", "pid": "slave(1)@10.0.0.7:5051", "active": true,
             "registered_time": 1_795_270_000.25,
             "attributes": {"pool": "workers", "level": 1.5}, "resources": {"cpus": 4.0, "mem": 1000.0, "ports": "[1-2]"},
             "used_resources": {"cpus": 1.5, "mem": 300.0}, "unreserved_resources": {"cpus": 3.0, "mem": 1000.0},
             "reserved_resources": {"ops": {"cpus": 1.0}}},
            {"id": "A2", "hostname": "a2", "active": false, "deactivated": true, "resources": {"cpus": 4.0, "mem": 1000.0},
             "drain_info": {"state": "DRAINED"}},
        ],
        "recovered_slaves": [{"id": "A3", "hostname": "a3", "attributes": {"pool": "workers"}}],
        "frameworks": [
            {"id": "F1", "name": "marathon", "capabilities": ["GPU_RESOURCES"], "recovered": true,
             "tasks": [task("web.11111111-2222-3333-4444-555555555555", "web", "A1", "TASK_RUNNING"),
                       task("web.11111111-2222-3333-4444-666666666666", "web", "A1", "TASK_FINISHED")],
             "unreachable_tasks": [task("web.x", "web", "A1", "TASK_UNREACHABLE")],
             "completed_tasks": [task("web.y", "web", "A1", "TASK_RUNNING")],
             "executors": [{"executor_id": "e", "slave_id": "A1", "role": "ops",
                            "resources": {"cpus": 0.5, "mem": 44.0}}]},
        ],
        "completed_frameworks": [{"name": "old", "tasks": [task("z", "z", "A1", "TASK_RUNNING")]}],
        "orphan_tasks": [task("lost", "lost", "A1", "TASK_STAGING")],
    })
}

fn task(id: &str, name: &str, agent: &str, state: &str) -> Json {
    json!({"id": id, "name": name, "slave_id": agent, "state": state, "role": "ops/web",
           "resources": {"cpus": 0.5, "mem": 128.0}, "limits": {"cpus": "Infinity"}})
}

fn read(state: &[u8]) -> Result<Record, StateError> {
    super::read(state, Record::default())
}

fn read_json(state: &Json) -> Result<Record, StateError> {
    read(state.to_string().as_bytes())
}

fn amounts(cpus: f64, mem: f64) -> Resources {
    Resources { cpus: Amount::from_units(cpus).unwrap(), mem: Amount::from_units(mem).unwrap(), ..Resources::ZERO }
}

/// The contents of a state that do not depend on the order of the document, with its tasks.
fn essence(state: &[u8]) -> Result<String, String> {
    let config = config("resources = [\"cpus\", \"mem\", \"disk\", \"gpus\"]\n");
    let snapshots = crate::snapshots(state, &Observed::default(), &config, "http://m:5050", now())
        .map_err(|error| format!("{error:?}"))?;
    Ok(format!("{snapshots:?}"))
}

#[test]
fn every_field_is_kept() {
    let state = read_json(&small()).unwrap();
    assert_eq!(state.master.version, "1.11.0");
    assert_eq!(state.master.cluster.as_deref(), Some("prod"));
    assert_eq!(state.master.elected_at, Some("2026-11-21T14:06:40.250Z".parse().unwrap()));
    assert_eq!(state.master.agent_reregister_timeout, Duration::from_secs(900));
    assert_eq!((state.master.counted_agents, state.master.unreachable_agents), (Some(2), 2));
    let [first, second] = &state.agents[..] else { panic!("{:?}", state.agents) };
    let ((first, first_has), (second, second_has)) = (first, second);
    assert_eq!(first.ip, Some("10.0.0.7".parse().unwrap()));
    assert_eq!((first.registered_at, second.registered_at), (state.master.elected_at, None));
    assert_eq!((first_has.total, first_has.unreserved), (amounts(4.0, 1000.0), amounts(3.0, 1000.0)));
    assert_eq!(first_has.used, Some(amounts(1.5, 300.0)));
    assert_eq!(state.executors, [(0, "e".to_owned(), "A1".to_owned(), "ops".to_owned(), amounts(0.5, 44.0))]);
    assert_eq!(state.reserved, [vec![("ops".to_owned(), amounts(1.0, 0.0))], Vec::new()]);
    assert!(state.tasks.iter().all(|(_, task)| task.role == "ops/web"));
    assert!(first.attributes.has("level", "1.5") && first.attributes.has("pool", "workers"));
    assert_eq!((second.drain, second.deactivated, second_has.used), (Some(Drain::Drained), true, None));
    assert_eq!(second_has.unreserved, second_has.total);
    assert_eq!(state.recovered_agents.len(), 1);
    assert_eq!(state.applications(), [("marathon", "/web".to_owned()), ("(orphan)", "lost".to_owned())]);
    assert!(state.tasks.iter().all(|(_, task)| task.agent_id == "A1" && task.resources == amounts(0.5, 128.0)));
    assert!(state.frameworks[0].gpu_aware && state.frameworks[0].recovered && !state.frameworks[1].recovered);
}

#[test]
fn every_capture_is_read() {
    for (name, bytes) in captures() {
        let state = read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(state.master.counted_agents.map(|count| count as usize), Some(state.agents.len()), "{name}");
        assert!(state.master.elected_at.is_some(), "{name}");
        let is_listed = |id: &str| state.agents.iter().any(|(agent, _)| agent.id == id);
        assert!(state.tasks.iter().all(|(_, task)| is_listed(&task.agent_id)), "{name}: a task without its agent");
        assert!(state.agents.iter().all(|(agent, _)| agent.ip.is_some()), "{name}");
    }
}

#[test]
fn no_prefix_of_a_state_is_a_state() {
    for name in ["1.11.0/24-v0-driver-framework", "1.4.3/01-empty-3-agents"] {
        let bytes = capture(name);
        let end = bytes.iter().rposition(|byte| *byte == b'}').unwrap();
        for cut in 0..=end {
            assert!(read(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
    for (name, bytes) in captures() {
        let end = bytes.iter().rposition(|byte| *byte == b'}').unwrap();
        for cut in (0..=end).step_by(1 + end / 20) {
            assert!(read(&bytes[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn each_document_that_is_no_state_has_its_error() {
    assert!(matches!(read(b""), Err(StateError::Empty)));
    assert!(matches!(read(" \r\n ".as_bytes()), Err(StateError::Empty)));
    assert!(matches!(read("\n<!DOCTYPE html><html>".as_bytes()), Err(StateError::Html)));
    for text in ["[]", "null", "404 Not Found.", "\u{feff}{}", "\u{1f}\u{8b}"] {
        assert!(matches!(read(text.as_bytes()), Err(StateError::NotAnObject)), "{text}");
    }
    assert!(matches!(read(r#"{"slaves":["#.as_bytes()), Err(StateError::Truncated(_))));
    assert!(matches!(read(format!("{}x", small()).as_bytes()), Err(StateError::Json(_))));
    assert!(matches!(read(format!("{}{}", small(), small()).as_bytes()), Err(StateError::Json(_))));
    assert!(read(format!(" {} \n", small()).as_bytes()).is_ok());
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(read(format!(r#"{{"other":{open}"#).as_bytes()), Err(StateError::Truncated(_))));
    assert!(matches!(read(format!(r#"{{"flags":{open}{close}}}"#).as_bytes()), Err(StateError::Json(_))));
    let no_text = &b"{\"version\":\"\xff\",\"slaves\":[],\"frameworks\":[]}"[..];
    assert!(matches!(read(no_text), Err(StateError::Json(_))));
    assert_eq!(read_mended(no_text, Record::default()).unwrap().master.version, "\u{FFFD}");
}

#[test]
fn a_missing_list_is_an_error() {
    for list in ["slaves", "frameworks"] {
        let mut state = small();
        state.as_object_mut().unwrap().remove(list);
        assert!(matches!(read_json(&state), Err(StateError::Missing(name)) if name == list));
        for wrong in [Json::Null, json!({}), json!("[]"), json!(0)] {
            state[list] = wrong;
            assert!(read_json(&state).is_err(), "{}", state[list]);
        }
    }
}

#[test]
fn a_missing_field_makes_its_owner_odd() {
    for (path, owner, field) in [
        ("/slaves/0", "agent ", "id"),
        ("/slaves/0", "agent A1", "active"),
        ("/frameworks/0/tasks/0", "task web.1", "slave_id"),
        ("/frameworks/0/tasks/0", "task web.1", "state"),
        ("/frameworks/0/tasks/0", "task web.1", "resources"),
    ] {
        let mut state = small();
        state.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(field);
        let [(found, odd)] = &read_json(&state).unwrap().odd[..] else { panic!("{path} {field}") };
        assert!(found.starts_with(owner) && odd.path.ends_with(&format!("[].{field}")), "{found} {odd}");
        assert_eq!(odd.oddity, Oddity::Missing);
    }
    for (field, name) in [("tasks", "marathon"), ("name", UNNAMED_FRAMEWORK)] {
        let mut state = small();
        state["frameworks"][0].as_object_mut().unwrap().remove(field);
        let frameworks = read_json(&state).unwrap().frameworks;
        let odd = frameworks[0].odd.map(|odd| odd.to_string());
        assert_eq!((&*frameworks[0].name, odd), (name, Some(format!("frameworks[].{field} is missing"))));
    }
}

#[test]
fn a_repeated_field_is_refused() {
    for key in ["slaves", "frameworks", "recovered_slaves", "elected_time"] {
        let state = small();
        let text = format!("{{\"{key}\":{},{}", state[key], &state.to_string()[1..]);
        assert!(matches!(read(text.as_bytes()), Err(StateError::Twice(name)) if name == key), "{key}");
    }
    let twice = small().to_string().replace(r#""cpus":4.0,"#, r#""cpus":4.0,"cpus":5.0,"#);
    let state = read(twice.as_bytes()).unwrap();
    assert_eq!(state.impossible.len(), 2);
    assert!(state.impossible.iter().all(|(_, amount)| amount.to_string().starts_with("got two values of cpus")));
}

#[test]
fn attributes_may_repeat_and_numbers_are_shortened() {
    let text = small()
        .to_string()
        .replace(r#""pool":"workers"}"#, r#""pool":"a","pool":"workers","zones":"[1-5]","n":2.0,"m":2,"x":null}"#);
    let attributes = &read(text.as_bytes()).unwrap().recovered_agents[0].attributes;
    for (name, value) in [("pool", "a"), ("pool", "workers"), ("zones", "[1-5]"), ("n", "2"), ("n", "2.0"), ("m", "2")]
    {
        assert!(attributes.has(name, value), "{name}={value}");
    }
    assert!(!attributes.has("pool", "b") && !attributes.has("n", "2.5") && !attributes.has("other", "a"));
}

#[test]
fn an_impossible_amount_is_passed_on_with_its_owner() {
    for bad in [json!(-1.0), json!(1e10), json!("4"), json!(null), json!([4]), json!(true), json!(-0.001)] {
        for (path, owner) in [
            ("/slaves/0/resources/cpus", "agent A1"),
            ("/slaves/0/used_resources/cpus", "agent A1"),
            ("/frameworks/0/tasks/0/resources/cpus", "task web."),
            ("/frameworks/0/executors/0/resources/cpus", "executor on A1"),
        ] {
            let mut state = small();
            *state.pointer_mut(path).unwrap() = bad.clone();
            let [(found, _)] = &read_json(&state).unwrap().impossible[..] else { panic!("{path} {bad}") };
            assert!(found.starts_with(owner), "{path} {bad}: {found}");
        }
    }
    let overflow = small().to_string().replace("1000.0", "1e999");
    assert!(matches!(read(overflow.as_bytes()), Err(StateError::Json(_))));
    // A task that has ended holds nothing, and other resources may have any value.
    let mut state = small();
    state["frameworks"][0]["tasks"][1]["resources"]["cpus"] = json!(-1.0);
    state["slaves"][0]["resources"]["fpga"] = json!({"x": [-1, "y"]});
    assert_eq!(read_json(&state).unwrap().impossible, []);
}

#[test]
fn durations_are_read_as_mesos_writes_them() {
    for (text, seconds) in
        [("10mins", 600.0), ("1.5hrs", 5400.0), ("1weeks", 604_800.0), ("500ms", 0.5), ("90secs", 90.0)]
    {
        assert_eq!(to_duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
    }
    for text in ["", "10", "mins", "-1secs", "1fortnights", "nanmins"] {
        assert_eq!(to_duration(text), None, "{text}");
    }
    let mut state = small();
    state["flags"] = json!({"slave_reregister_timeout": "20mins"});
    assert_eq!(read_json(&state).unwrap().master.agent_reregister_timeout, Duration::from_secs(1200));
    state["flags"] = json!({});
    assert_eq!(read_json(&state).unwrap().master.agent_reregister_timeout, Duration::from_secs(600));
}

#[test]
fn a_frameworks_name_may_follow_its_tasks() {
    let tasks = json!([task("a_b.11111111-2222-3333-4444-555555555555", "b.a", "A1", "TASK_RUNNING")]).to_string();
    let text = |framework: &str| format!(r#"{{"frameworks":[{framework}],"slaves":[]}}"#);
    for name in ["marathon", "root"] {
        for framework in
            [format!(r#"{{"name":"{name}","tasks":{tasks}}}"#), format!(r#"{{"tasks":{tasks},"name":"{name}"}}"#)]
        {
            let state = read(text(&framework).as_bytes()).unwrap();
            assert_eq!(state.applications(), [(name, "/a/b".to_owned())], "{framework}");
        }
    }
}

#[test]
fn addresses_are_read_from_pids() {
    for (pid, ip) in [
        ("slave(1)@10.0.0.7:5051", Some("10.0.0.7")),
        ("slave(1)@[fd00::7]:5051", Some("fd00::7")),
        ("slave(1)@host:5051", None),
        ("nonsense", None),
        ("@:", None),
    ] {
        assert_eq!(ip_of_pid(pid).map(|ip| ip.to_string()).as_deref(), ip, "{pid}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_keys_and_lists_changes_nothing(which in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let captures = captures();
        let (name, bytes) = &captures[which.index(captures.len())];
        let mut text = String::new();
        // A map keeps only one of two equal attributes; both sides must keep the same.
        let value: Json = serde_json::from_slice(bytes).unwrap();
        Shuffle::of(seed).write(&value, &mut text);
        prop_assert_eq!(essence(text.as_bytes()), essence(value.to_string().as_bytes()), "{}", name);
    }

    #[test]
    fn no_prefix_of_a_generated_state_is_a_state(seed in any::<u64>(), at in any::<prop::sample::Index>()) {
        let mut text = String::new();
        Shuffle::of(seed).write(&small(), &mut text);
        prop_assert!(read(&text.as_bytes()[..at.index(text.len())]).is_err());
    }

    #[test]
    fn no_damage_makes_the_reader_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        which in any::<prop::sample::Index>(),
    ) {
        let captures = captures();
        let mut bytes = captures[which.index(captures.len())].1.clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // Any result is fine, except a panic.
        let _ = essence(&bytes);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(bytes.as_slice()).is_err());
    }
}
