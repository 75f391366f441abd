//! Tasks in the usual form, and in similar forms.

use proptest::prelude::*;

use super::*;
use crate::mesos::scan::fast_path;
use crate::mesos::scan::kernel::Bytewise;

const USUAL: &str = r#"{"id":"web.1","name":"web","framework_id":"F-0000","executor_id":"","slave_id":"A","state":"TASK_RUNNING","resources":{"disk":0.0,"mem":64.5,"gpus":0,"cpus":0.125,"ports":"[31000-31001]"},"role":"*""#;

#[test]
fn a_task_in_the_usual_form_takes_the_fast_path() {
    let text = format!(r#"{USUAL},"statuses":[]}}"#);
    let task = fast_path::task(Bytewise, text.as_bytes()).unwrap();
    assert_eq!(task.length, USUAL.len());
    let raw = task.raw();
    assert_eq!([raw.id, raw.name, raw.agent_id, raw.state], [&b"web.1"[..], b"web", b"A", b"TASK_RUNNING"]);
    assert_eq!(raw.role, b"*");
    let resources = raw.resources.amounts();
    assert_eq!((resources.cpus.to_string(), resources.mem.to_string()), ("0.125".to_owned(), "64.5".to_owned()));
    for real in ["1.4.3/02-marathon-apps", "1.11.0/02-marathon-apps", "1.11.0/05-pods-and-limits"] {
        let state = String::from_utf8(crate::testing::capture(real)).unwrap();
        let tasks = state.split(r#""tasks":["#).nth(1).unwrap();
        assert!(fast_path::task(Bytewise, tasks.as_bytes()).is_some(), "{real}: {tasks:.300}");
    }
}

#[test]
fn other_forms_are_left_to_the_state_machine() {
    for (usual_part, other) in [
        (r#"{"id""#, r#"{ "id""#),
        (r#""id":"web.1","name":"web""#, r#""name":"web","id":"web.1""#),
        ("web.1", r"web\u002e1"),
        ("web.1", "säge"),
        ("web.1", "web\t1"),
        (r#""cpus":0.125"#, r#""cpus":0.125,"cpus":0.125"#),
        (r#""cpus":0.125"#, r#""cpus":1e-3"#),
        (r#""cpus":0.125"#, r#""cpus":-1"#),
        (r#""cpus":0.125"#, r#""cpus":0.1256"#),
        (r#""cpus":0.125"#, r#""cpus":"0.125""#),
        (r#"{"disk""#, r#"{}{"disk""#),
        ("64.5", "064.5"),
        (r#""[31000-31001]""#, "[31000]"),
        (r#","role":"*""#, ""),
        (r#""role":"*""#, r#""role":null"#),
        (r#""role":"*""#, r#""role":"eng\/web""#),
    ] {
        assert!(USUAL.contains(usual_part), "{usual_part}");
        let text = USUAL.replace(usual_part, other) + ",";
        assert!(fast_path::task(Bytewise, text.as_bytes()).is_none(), "{text}");
    }
    for end in 0..USUAL.len() {
        assert!(fast_path::task(Bytewise, &USUAL.as_bytes()[..end]).is_none(), "cut at {end}");
    }
}

/// A string that is mostly plain.
fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-zA-Z0-9_.-]{0,60}",
        1 => "\\PC{0,20}",
        1 => Just("\u{7f}".to_owned()),
        1 => Just("x\\\"y\\\\".to_owned()),
        1 => Just("x\u{1f}".to_owned()),
        1 => Just("\\u00e4\\ud800".to_owned()),
    ]
}

fn amount() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0_u32..100_000, 0_u32..1000).prop_map(|(units, rest)| format!("{units}.{rest:03}")),
        4 => (0_u32..100_000).prop_map(|units| format!("{units}.0")),
        2 => any::<f64>().prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => prop::sample::select(vec!["00.5", ".5", "5.", "1e3", "null", "\"[1-2]\"", "1000000001", "[1]", "- 1"]).prop_map(str::to_owned),
    ]
}

fn task() -> impl Strategy<Value = String> {
    let state = prop::sample::select(vec!["TASK_RUNNING", "TASK_STAGING", "TASK_FINISHED", "TASK_KILLING", "odd"]);
    // Skipped values are not checked, so only the reference would see a fault in them.
    let known = (prop::sample::select(vec!["cpus", "mem", "disk", "gpus"]), amount());
    let value = prop::sample::select(vec!["1.0", "0", "-1.5e3", "\"[1-2]\"", "[{}]", "null", "\"\\n\""]);
    let others = (prop::sample::select(vec!["ports", "cpu"]), value.prop_map(str::to_owned));
    let resources = prop::collection::vec(prop_oneof![3 => known, 1 => others], 0..6);
    let executor = prop::sample::select(vec!["", "e-1", "säge", "x\\\"y\\\\"]);
    let role = prop::sample::select(vec!["*", "eng/web", "eng\\/web", "rôle", "\\u0061", "", "x\u{7f}"]);
    let texts = (token(), token(), role);
    (texts, executor, "[AB]", state, resources).prop_map(|((id, name, role), executor, agent, state, resources)| {
        let resources: Vec<String> = resources.iter().map(|(key, value)| format!(r#""{key}":{value}"#)).collect();
        let resources = resources.join(",");
        format!(
            r#"{{"id":"{id}","name":"{name}","framework_id":"F","executor_id":"{executor}","slave_id":"{agent}","state":"{state}","resources":{{{resources}}},"role":"{role}"}}"#
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn tasks_in_similar_forms_are_read_like_the_reference(task in task(), seed in any::<u64>()) {
        let text = format!(r#"{{"slaves":[],"frameworks":[{{"name":"f","tasks":[{task},{USUAL}}}]}}]}}"#);
        agrees_with_the_reference(text.as_bytes(), seed);
    }
}
