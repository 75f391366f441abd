//! Tasks and executors in the usual form, and in similar forms.

use proptest::prelude::*;

use super::*;
use crate::mesos::scan::fast_path::{self, Between, FastPathExecutor, FastPathTask};
use crate::mesos::scan::kernel::Bytewise;

const USUAL: &str = r#"{"id":"web.1","name":"web","framework_id":"F-0000","executor_id":"","slave_id":"A","state":"TASK_RUNNING","resources":{"disk":0.0,"mem":64.5,"gpus":0,"cpus":0.125,"ports":"[31000-31001]"},"role":"*""#;

const EXECUTOR: &str = r#"{"executor_id":"e.1","name":"","framework_id":"F-0000","command":{"argv":["}"],"uris":[{}]},"resources":{"disk":0.0,"mem":32.0,"gpus":0.0,"cpus":0.1},"role":"*","type":"DEFAULT","slave_id":"A"}"#;

fn task_of(text: &str) -> Option<FastPathTask<'_>> {
    fast_path::task(Bytewise, text.as_bytes(), &mut Between::default())
}

fn executor_of(text: &str) -> Option<FastPathExecutor<'_>> {
    fast_path::executor(Bytewise, text.as_bytes())
}

#[test]
fn a_task_in_the_usual_form_takes_the_fast_path() {
    let text = format!(r#"{USUAL},"statuses":[]}}"#);
    let task = task_of(&text).unwrap();
    assert_eq!(task.length, USUAL.len());
    let raw = task.raw();
    assert_eq!([raw.id, raw.name, raw.agent_id, raw.state], [&b"web.1"[..], b"web", b"A", b"TASK_RUNNING"]);
    assert_eq!(raw.role, b"*");
    let resources = raw.resources.amounts();
    assert_eq!((resources.cpus.to_string(), resources.mem.to_string()), ("0.125".to_owned(), "64.5".to_owned()));
    for real in ["1.4.3/02-marathon-apps", "1.11.0/02-marathon-apps", "1.11.0/05-pods-and-limits"] {
        let state = String::from_utf8(crate::testing::capture(real)).unwrap();
        let tasks = state.split(r#""tasks":["#).nth(1).unwrap();
        assert!(task_of(tasks).is_some(), "{real}: {tasks:.300}");
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
        assert!(task_of(&text).is_none(), "{text}");
    }
    for end in 0..USUAL.len() {
        assert!(task_of(&USUAL[..end]).is_none(), "cut at {end}");
    }
}

#[test]
fn what_stands_before_the_id_of_the_agent_is_compared_with_an_earlier_task() {
    let of_executor = USUAL.replace(r#""executor_id":"""#, r#""executor_id":"e""#);
    let of_another = USUAL.replace("F-0000", "F-0001").replace(r#""A""#, r#""B""#);
    let mut between = Between::default();
    for text in [USUAL, USUAL, &of_executor, USUAL, &of_another, &of_another, USUAL, &of_executor] {
        let task = fast_path::task(Bytewise, text.as_bytes(), &mut between).unwrap();
        let agent = if text == of_another { b"B" } else { b"A" };
        assert_eq!((task.length, task.raw().agent_id), (text.len(), &agent[..]), "{text}");
    }
    for end in 0..USUAL.len() {
        assert!(fast_path::task(Bytewise, &USUAL.as_bytes()[..end], &mut between).is_none(), "cut at {end}");
    }
}

#[test]
fn an_executor_in_the_usual_form_takes_the_fast_path() {
    let untyped = EXECUTOR.replace(r#""type":"DEFAULT","#, "");
    for text in [EXECUTOR, &untyped] {
        let followed = format!("{text},{EXECUTOR}");
        let executor = executor_of(&followed).unwrap();
        assert_eq!((executor.length, executor.agent_id, executor.role), (text.len(), &b"A"[..], &b"*"[..]));
        let resources = executor.resources.amounts();
        assert_eq!((resources.cpus.to_string(), resources.mem.to_string()), ("0.1".to_owned(), "32".to_owned()));
    }
    for real in ["1.4.3/05-pods-and-limits", "1.11.0/05-pods-and-limits"] {
        let state = String::from_utf8(crate::testing::capture(real)).unwrap();
        let mut executors = state.split(r#""executors":["#).skip(1).filter(|executors| executors.starts_with('{'));
        let executors = executors.next().unwrap();
        assert!(executor_of(executors).is_some(), "{real}: {executors:.300}");
    }
    for (usual_part, other) in [
        ("{\"executor_id", "{ \"executor_id"),
        ("e.1", "säge"),
        (r#""command":{"#, r#""command":["#),
        (r#""command":{"#, r#""labels":[],"command":{"#),
        (r#""cpus":0.1"#, r#""cpus":0.1,"cpus":0.1"#),
        (r#""type":"DEFAULT","#, r#""type":1,"#),
        (r#","slave_id":"A""#, ""),
        (r#""slave_id":"A""#, r#""slave_id":null"#),
        (r#""slave_id":"A"}"#, r#""slave_id":"A","slave_id":"A"}"#),
    ] {
        assert!(EXECUTOR.contains(usual_part), "{usual_part}");
        assert!(executor_of(&EXECUTOR.replace(usual_part, other)).is_none(), "{other}");
    }
    for end in 0..EXECUTOR.len() {
        assert!(executor_of(&EXECUTOR[..end]).is_none(), "cut at {end}");
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
    let executor = prop::sample::select(vec!["", "e-1", "säge", "x\\\"y\\\\"]);
    let role = prop::sample::select(vec!["*", "eng/web", "eng\\/web", "rôle", "\\u0061", "", "x\u{7f}"]);
    let texts = (token(), token(), role);
    (texts, executor, "[AB]", state, resources()).prop_map(|((id, name, role), executor, agent, state, resources)| {
        format!(
            r#"{{"id":"{id}","name":"{name}","framework_id":"F","executor_id":"{executor}","slave_id":"{agent}","state":"{state}","resources":{{{resources}}},"role":"{role}"}}"#
        )
    })
}

fn resources() -> impl Strategy<Value = String> {
    // Skipped values are not checked, so only the reference would see a fault in them.
    let known = (prop::sample::select(vec!["cpus", "mem", "disk", "gpus"]), amount());
    let value = prop::sample::select(vec!["1.0", "0", "-1.5e3", "\"[1-2]\"", "[{}]", "null", "\"\\n\""]);
    let others = (prop::sample::select(vec!["ports", "cpu"]), value.prop_map(str::to_owned));
    let resources = prop::collection::vec(prop_oneof![3 => known, 1 => others], 0..6);
    resources.prop_map(|resources| {
        let resources: Vec<String> = resources.iter().map(|(key, value)| format!(r#""{key}":{value}"#)).collect();
        resources.join(",")
    })
}

fn executor() -> impl Strategy<Value = String> {
    let command = prop::sample::select(vec!["{}", r#"{"a":["}"]}"#, "[]", "null"]);
    let end = prop::sample::select(vec![
        r#","type":"CUSTOM""#,
        r#","type":"x\\""#,
        "",
        r#","source":"s","labels":[{}]"#,
        r#","slave_id":"A""#,
    ]);
    let role = prop::sample::select(vec!["*", "eng", "rôle", "a\\/b"]);
    let id = prop::sample::select(vec!["e.1", "säge", "x\\\"y\\\\"]);
    (id, "[AB]", (command, end, role), resources()).prop_map(|(id, agent, (command, end, role), resources)| {
        format!(
            r#"{{"executor_id":"{id}","name":"","framework_id":"F","command":{command},"resources":{{{resources}}},"role":"{role}"{end},"slave_id":"{agent}"}}"#
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn tasks_in_similar_forms_are_read_like_the_reference(tasks in prop::array::uniform2(task()), seed in any::<u64>()) {
        let tasks = tasks.join(",");
        let text = format!(r#"{{"slaves":[],"frameworks":[{{"name":"f","tasks":[{tasks},{USUAL}}}]}}]}}"#);
        agrees_with_the_reference(text.as_bytes(), seed);
    }

    #[test]
    fn executors_in_similar_forms_are_read_like_the_reference(executor in executor(), seed in any::<u64>()) {
        let text = format!(
            r#"{{"slaves":[],"frameworks":[{{"name":"f","executors":[{executor},{EXECUTOR}],"tasks":[{USUAL}}}]}}]}}"#
        );
        agrees_with_the_reference(text.as_bytes(), seed);
    }
}
