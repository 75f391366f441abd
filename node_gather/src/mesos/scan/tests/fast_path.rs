//! Tasks, executors, and agents in the usual form, and in similar forms.

use proptest::prelude::*;

use super::*;
use crate::mesos::scan::fast_path::{self, Between, FastPathExecutor, FastPathTask};
use crate::mesos::scan::kernel::Bytewise;
use crate::mesos::state::RawAgent;

const USUAL: &str = r#"{"id":"web.1","name":"web","framework_id":"F-0000","executor_id":"","slave_id":"A","state":"TASK_RUNNING","resources":{"disk":0.0,"mem":64.5,"gpus":0,"cpus":0.125,"ports":"[31000-31001]"},"role":"*""#;

const EXECUTOR: &str = r#"{"executor_id":"e.1","name":"","framework_id":"F-0000","command":{"argv":["}"],"uris":[{}]},"resources":{"disk":0.0,"mem":32.0,"gpus":0.0,"cpus":0.1},"role":"*","type":"DEFAULT","slave_id":"A"}"#;

const AGENT: &str = r#"{"id":"A","hostname":"a.internal","port":5051,"attributes":{"zone":"a","zone":"b"},"pid":"slave(1)@10.0.1.3:5051","registered_time":1767225600.25,"resources":{"disk":8.0,"mem":64.5,"gpus":0.0,"cpus":4.0,"ports":"[1-2]"},"used_resources":{"cpus":1.5},"offered_resources":{"a":[{}]},"reserved_resources":{"batch":{"cpus":1.0},"eng/web":{"mem":1.0}},"unreserved_resources":{"cpus":3.0},"active":true,"deactivated":false,"version":"1.11.0","capabilities":["]"]}"#;

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

fn agent_of(text: &str) -> Option<(RawAgent, usize)> {
    let mut agent = RawAgent::default();
    let length = fast_path::agent(Bytewise, text.as_bytes(), &mut agent)?;
    Some((agent, length))
}

#[test]
fn an_agent_in_the_usual_form_takes_the_fast_path() {
    let older = AGENT.replace(r#","deactivated":false"#, "");
    let back = AGENT.replace(r#","resources""#, r#","reregistered_time":1767225700.5,"resources""#);
    let zoned = AGENT.replace(r#","pid""#, r#","domain":{"fault_domain":{"zone":{"name":"}"}}},"pid""#);
    for text in [AGENT, &older, &back, &zoned] {
        let followed = format!("{text},{AGENT}");
        let (RawAgent { agent, total, used, unreserved, reserved, odd, odd_attributes }, length) =
            agent_of(&followed).unwrap();
        assert_eq!((length, agent.id.as_str(), agent.hostname.as_str()), (text.len(), "A", "a.internal"));
        assert_eq!(agent.attributes.iter().collect::<Vec<_>>(), [("zone", "a"), ("zone", "b")]);
        assert_eq!(
            (agent.ip.unwrap().to_string(), agent.registered_at.unwrap().as_millisecond()),
            ("10.0.1.3".to_owned(), 1_767_225_600_250)
        );
        assert_eq!((agent.active, agent.deactivated, agent.drain), (true, false, None));
        let cpus = [total, used, unreserved].map(|resources| resources.unwrap().amounts().cpus.to_string());
        assert_eq!(cpus, ["4", "1.5", "3"]);
        assert_eq!(reserved.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(), ["batch", "eng/web"]);
        assert_eq!((odd, odd_attributes), (None, None));
    }
    for real in ["1.4.3/02-marathon-apps", "1.11.0/02-marathon-apps", "1.11.0/05-pods-and-limits"] {
        let state = String::from_utf8(crate::testing::capture(real)).unwrap();
        let agents = state.split(r#""slaves":["#).nth(1).unwrap();
        assert!(agent_of(agents).is_some(), "{real}: {agents:.300}");
    }
}

#[test]
fn agents_in_other_forms_are_left_to_the_state_machine() {
    for (usual_part, other) in [
        (r#"{"id""#, r#"{ "id""#),
        (r#""A""#, r#""\u0041""#),
        (r#""A""#, r#""Ä""#),
        (r#""A""#, "1"),
        (r#"5051,""#, r#""5051",""#),
        (r#""zone":"a""#, r#""zone":1.0"#),
        (r#"{"zone""#, r#"{,"zone""#),
        ("1767225600.25", "null"),
        ("1767225600.25", "1767225600."),
        ("1767225600.25", "01767225600"),
        ("64.5", "-64.5"),
        ("64.5", "64.5,\"mem\":64.5"),
        (r#"{"cpus":1.5}"#, "null"),
        (r#","used_resources":{"cpus":1.5}"#, ""),
        (r#","offered_resources":{"a":[{}]}"#, r#","offered_resources":[]"#),
        // Repeated, and in another order than the state machine passes them on.
        ("eng/web", "batch"),
        ("eng/web", "animals"),
        (r#""active":true"#, r#""active":1"#),
        (r#""active":true"#, r#""active":truer"#),
        (r#""active":true"#, r#""active":true,"active":true"#),
        (r#""deactivated":false"#, r#""deactivated":null"#),
        (r#"["]"]}"#, r#"["]"],"drain_info":{"state":"DRAINING"}}"#),
    ] {
        assert!(AGENT.contains(usual_part), "{usual_part}");
        let text = AGENT.replace(usual_part, other) + ",";
        assert!(agent_of(&text).is_none(), "{text}");
        let state = format!(r#"{{"slaves":[{AGENT},{text}{AGENT}],"frameworks":[]}}"#);
        agrees_with_the_reference(state.as_bytes(), 7);
    }
    for end in 0..AGENT.len() {
        assert!(agent_of(&AGENT[..end]).is_none(), "cut at {end}");
    }
}

#[test]
fn agents_cut_anywhere_are_the_same() {
    let state = format!(r#"{{"slaves":[{AGENT},{AGENT}],"frameworks":[]}}"#);
    let whole = outcome(&json::read_mended(state.as_bytes(), Record::default()));
    for processor in processors() {
        for at in 0..state.len() {
            let (start, end) = state.as_bytes().split_at(at);
            let mut scanner = Scanner::with(processor, Record::default(), u64::MAX);
            let read = scanner.feed(start).and_then(|()| scanner.feed(end)).and_then(|()| scanner.finish());
            assert_eq!(outcome(&read), whole, "{processor:?}, cut at {at}");
        }
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

/// An agent whose fields are mostly usual: some have another value, and some are missing, elsewhere, or there twice.
fn agent() -> impl Strategy<Value = String> {
    let object = || resources().prop_map(|resources| format!("{{{resources}}}"));
    let attributes = prop::collection::vec((token(), token()), 0..4);
    let attributes = attributes.prop_map(|attributes| {
        let all: Vec<String> = attributes.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        format!("{{{}}}", all.join(","))
    });
    let roles = prop::collection::vec((prop::sample::select(vec!["a", "b", "b/c", "\\u0061"]), object()), 0..3);
    let roles = roles.prop_map(|roles| {
        let all: Vec<String> = roles.iter().map(|(role, reserved)| format!(r#""{role}":{reserved}"#)).collect();
        format!("{{{}}}", all.join(","))
    });
    let time =
        prop::sample::select(vec!["1767225600.25", "0", "1e9", "-1", "null", "1767225600.", "99999999999999999999"]);
    let boolean = || prop::sample::select(vec!["true", "true", "false", "false", "null", "1"]);
    let pid = prop::sample::select(vec!["slave(1)@10.0.1.3:5051", "slave(1)@[::1]:5051", "x", "@:", "slave(1)@a:1"]);
    let changes = prop::collection::vec((0..15_usize, 0..15_usize, 0..20_u8), 3);
    // Not checked, so that only the reference would see a fault in it.
    let offered = prop::sample::select(vec!["{}", r#"{"cpus":-1e-3}"#, "null", r#"{"a":["}"]}"#]);
    let texts = (token(), token(), pid, time, boolean(), boolean());
    let objects = (attributes, roles, object(), object(), offered, object());
    (texts, objects, changes).prop_map(|((id, hostname, pid, time, active, deactivated), objects, changes)| {
        let (attributes, roles, total, used, offered, unreserved) = objects;
        let mut fields = vec![
            format!(r#""id":"{id}""#),
            format!(r#""hostname":"{hostname}""#),
            r#""port":5051"#.to_owned(),
            format!(r#""attributes":{attributes}"#),
            format!(r#""pid":"{pid}""#),
            format!(r#""registered_time":{time}"#),
            format!(r#""resources":{total}"#),
            format!(r#""used_resources":{used}"#),
            format!(r#""offered_resources":{offered}"#),
            format!(r#""reserved_resources":{roles}"#),
            format!(r#""unreserved_resources":{unreserved}"#),
            format!(r#""active":{active}"#),
            format!(r#""deactivated":{deactivated}"#),
            r#""version":"1.11.0""#.to_owned(),
            r#""capabilities":["A","]"]"#.to_owned(),
        ];
        for (from, to, change) in changes {
            let (from, to) = (from % fields.len(), to % fields.len());
            match change {
                0 => drop(fields.remove(from)),
                1 => fields.swap(from, to),
                2 => fields.insert(to, fields[from].clone()),
                3 => fields.insert(to, r#""drain_info":{"state":"DRAINED"}"#.to_owned()),
                4 => fields.insert(to, r#""domain":{"a":[]}"#.to_owned()),
                5 => fields.insert(to, r#""reregistered_time":1767225600.5"#.to_owned()),
                _ => {}
            }
        }
        format!("{{{}}}", fields.join(","))
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

    #[test]
    fn agents_in_similar_forms_are_read_like_the_reference(agents in prop::array::uniform2(agent()), seed in any::<u64>()) {
        let text = format!(r#"{{"slaves":[{},{AGENT}],"frameworks":[]}}"#, agents.join(","));
        agrees_with_the_reference(text.as_bytes(), seed);
    }
}
