//! What is accepted, what is refused, and with which error.

use serde_json::{Value as Json, json};
use shared::resources::Amount;

use super::super::skip::MAX_DEPTH;
use super::super::values::MAX_TOKEN_BYTES;
use super::*;
use crate::mesos::state::UNNAMED_FRAMEWORK;

const TASK: &str =
    r#""id":"t","name":"n","slave_id":"A","state":"TASK_RUNNING","resources":{"cpus":1.5,"mem":64.0,"ports":"[1-2]"}"#;

fn with_task(task: &str) -> String {
    format!(r#"{{"slaves":[{{"id":"A","active":true}}],"frameworks":[{{"name":"f","tasks":[{task}]}}]}}"#)
}

/// The error, the same in every chunking.
fn refused(text: &str) -> StateError {
    match scan_every_way(text.as_bytes(), 3) {
        Err(error) => error,
        Ok(state) => panic!("accepted: {text}: {state:?}"),
    }
}

/// The fault in the JSON.
fn fault(text: &str) -> String {
    match refused(text) {
        StateError::Json(fault) => fault.to_string(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn each_document_that_is_no_state_has_its_error() {
    assert!(matches!(refused(""), StateError::Empty));
    assert!(matches!(refused(" \r\n "), StateError::Empty));
    assert!(matches!(refused("\n<!DOCTYPE html><html>"), StateError::Html));
    for text in ["[]", "null", "404 Not Found.", "\u{feff}{}", "\u{1f}\u{8b}", "\"x\""] {
        assert!(matches!(refused(text), StateError::NotAnObject), "{text}");
    }
    assert!(matches!(refused("{}"), StateError::Missing("slaves")));
    assert!(matches!(refused(r#"{"slaves":[]}"#), StateError::Missing("frameworks")));
    assert!(matches!(refused(r#"{"slaves":[],"frameworks":[],"slaves":[]}"#), StateError::Twice("slaves")));
}

#[test]
fn a_fault_has_a_position_and_an_expectation() {
    for (text, expected) in [
        (r#"{"slaves":[],"frameworks":[]}x"#, "at byte 29: expected nothing more"),
        (r#"{"slaves":[],"frameworks":[]} {}"#, "at byte 30: expected nothing more"),
        (r#"{"slaves":{}}"#, "at byte 10: slaves: expected a list"),
        (r#"{"slaves":null}"#, "at byte 10: slaves: expected a list"),
        (r#"{"slaves":[{"active":truely}]}"#, "at byte 21: slaves[].active: expected true or false"),
        (r#"{"slaves":[{"resources":{"cpus":01}}]}"#, "at byte 32: resources.cpus: expected a value"),
        (r#"{"elected_time":1e999}"#, "at byte 16: elected_time: expected a number"),
        (r#"{"elected_time":"now"}"#, "at byte 16: elected_time: expected a number"),
        (r#"{"orphan_tasks":{}}"#, "at byte 16: orphan_tasks: expected a list"),
        (r#"{"flags":{"agent_ping_timeout":15}}"#, "at byte 31: flags.agent_ping_timeout: expected a string"),
        (r#"{"slaves":[{},]}"#, "at byte 14: expected a value"),
        (r#"{"slaves":[nil]}"#, "at byte 11: slaves[]: expected an object"),
        (r#"{"slaves":[01]}"#, "at byte 11: slaves[]: expected an object"),
        (r#"{"slaves":[,]}"#, "at byte 11: expected a value or the end of the list"),
        (r#"{"slaves":[}"#, "at byte 11: expected a value or the end of the list"),
        (r#"{"slaves":[] "x"}"#, "at byte 13: expected a comma or the end of the object"),
        (r#"{"slaves":[]]"#, "at byte 12: expected a comma or the end of the object"),
        (r#"{"slaves" []}"#, "at byte 10: expected a colon"),
        (r#"{slaves:[]}"#, "at byte 1: expected a key or the end of the object"),
        (r#"{"x":1,}"#, "at byte 7: expected a key"),
        (r#"{"x":}"#, "at byte 5: expected a value"),
        ("{\"version\":\"a\u{1}\"}", "at byte 11: version: not a valid string"),
        (r#"{"version":"\x"}"#, "at byte 11: version: not a valid string"),
        (r#"{"\x":1}"#, "at byte 1: a key is not a valid string"),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
}

/// One odd agent, task, executor, or framework refuses no state: what cannot be read of it is passed on with its owner.
#[test]
fn a_value_of_another_type_makes_its_owner_odd() {
    let agent = r#"{"id":"A","hostname":"h","active":true}"#;
    let read = |text: &str| {
        agrees_with_the_reference(text.as_bytes(), 3);
        scan_every_way(text.as_bytes(), 3).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    };
    for (field, shown) in [
        (r#""hostname":null"#, "slaves[].hostname is null, expected a string"),
        (r#""pid":5"#, "slaves[].pid is a number, expected a string"),
        (r#""attributes":null"#, "slaves[].attributes is null, expected an object"),
        (r#""attributes":[{"a":"b"}]"#, "slaves[].attributes is a list, expected an object"),
        (r#""active":null"#, "slaves[].active is null, expected true or false"),
        (r#""active":"yes""#, "slaves[].active is a string, expected true or false"),
        (r#""deactivated":{}"#, "slaves[].deactivated is an object, expected true or false"),
        (r#""registered_time":"now""#, "slaves[].registered_time is a string, expected a number"),
        (r#""drain_info":"DRAINING""#, "slaves[].drain_info is a string, expected an object"),
        (r#""drain_info":{"state":1}"#, "slaves[].drain_info.state is a number, expected a string"),
        (r#""drain_info":{"config":[]}"#, "slaves[].drain_info.config is a list, expected an object"),
        (
            r#""drain_info":{"config":{"max_grace_period":30}}"#,
            "slaves[].drain_info.config.max_grace_period is a number, expected an object",
        ),
        (
            r#""drain_info":{"config":{"max_grace_period":{"nanoseconds":"30"}}}"#,
            "slaves[].drain_info.config.max_grace_period.nanoseconds is a string, expected a number",
        ),
        (
            r#""estimated_drain_start_time_seconds":"now""#,
            "slaves[].estimated_drain_start_time_seconds is a string, expected a number",
        ),
        (r#""resources":[{"name":"cpus","scalar":{"value":4}}]"#, "slaves[].resources is a list, expected an object"),
        (r#""used_resources":"none""#, "slaves[].used_resources is a string, expected an object"),
        (r#""unreserved_resources":7"#, "slaves[].unreserved_resources is a number, expected an object"),
        (r#""reserved_resources":[]"#, "slaves[].reserved_resources is a list, expected an object"),
        (r#""reserved_resources":{"r":[]}"#, "slaves[].reserved_resources[] is a list, expected an object"),
        (r#""id":"B""#, "slaves[].id occurs twice"),
    ] {
        let name = field.split(':').next().unwrap();
        let others =
            [r#""id":"A""#, r#""active":true"#].into_iter().filter(|own| !own.starts_with(name) || name == "\"id\"");
        let odd = others.chain([field]).collect::<Vec<_>>().join(",");
        let state = read(&format!(r#"{{"slaves":[{{{odd}}},{agent}],"frameworks":[]}}"#));
        let [(owner, found)] = &state.odd[..] else { panic!("{field}: {:?}", state.odd) };
        assert_eq!((&**owner, &*found.to_string()), (if name == "\"id\"" { "agent " } else { "agent A" }, shown));
        assert_eq!(state.odd_attributes.len(), usize::from(name == "\"attributes\""), "{field}");
        assert_eq!(state.agents[1].0.hostname, "h", "{field}");
    }
    for other in ["null", "5", "\"A\"", "[]", "[{}]", "true"] {
        let state =
            read(&format!(r#"{{"slaves":[{other},{agent}],"frameworks":[{other}],"recovered_slaves":[{other}]}}"#));
        assert_eq!((state.agents.len(), state.odd.len(), state.odd_attributes.len()), (2, 1, 1), "{other}");
        assert_eq!(&*state.frameworks[0].name, UNNAMED_FRAMEWORK, "{other}");
        let state = read(&with_task(&format!("{other},{{{TASK}}}")));
        assert_eq!((state.tasks.len(), &*state.tasks[0].1.agent_id, state.odd.len()), (2, "", 1), "{other}");
    }
    // Only the usual order of a number's digits is a number.
    let beyond =
        format!(r#"{{"slaves":[{{"id":"A","active":true,"registered_time":1e999}},{agent}],"frameworks":[]}}"#);
    let odd = &scan_every_way(beyond.as_bytes(), 3).unwrap().odd;
    assert_eq!(odd[0].1.to_string(), "slaves[].registered_time is a number beyond all measure, expected a number");
}

#[test]
fn a_task_whose_state_cannot_be_read_runs() {
    for (state, runs) in
        [(r#""state":null"#, true), (r#""state":{"x":1}"#, true), (r#""x":1"#, true), (r#""state":"TASK_LOST""#, false)]
    {
        let task = format!(r#"{{"id":"t","name":"n","slave_id":"A",{state},"resources":{{"cpus":1}}}}"#);
        let text = with_task(&task);
        agrees_with_the_reference(text.as_bytes(), 5);
        let read = scan_every_way(text.as_bytes(), 5).unwrap();
        assert_eq!((read.tasks.len(), read.odd.len()), (usize::from(runs), usize::from(runs)), "{state}");
    }
}

#[test]
fn skipped_brackets_count_regardless_of_their_form() {
    assert!(matches!(refused(r#"{"slaves":[],"frameworks":[],"x":[1}"#), StateError::Truncated(_)));
    assert!(scan_every_way(br#"{"slaves":[],"frameworks":[],"x":[1}}"#, 3).is_ok());
}

#[test]
fn an_impossible_amount_is_passed_on_with_its_owner() {
    let impossible = |cpus: &str| {
        let text = with_task(&format!("{{{TASK}}}")).replace("1.5", cpus);
        let state = scan_every_way(text.as_bytes(), 3).unwrap_or_else(|error| panic!("{cpus}: {error}"));
        assert_eq!(state.tasks[0].1.resources.mem, Amount::from_units(64.0).unwrap(), "{cpus}");
        state.impossible
    };
    for (cpus, shown) in [
        ("-1", "-1"),
        ("-0.001", "-0.001"),
        ("1000000000.001", "1000000000.001"),
        ("1e10", "10000000000"),
        ("1e999", "inf"),
        ("-1e999", "-inf"),
        ("\"4\"", "\"4\""),
        ("null", "null"),
        ("true", "true"),
        ("[4]", "a list"),
        ("{\"a\":1}", "an object"),
        ("1,\"cpus\":1", "two values of"),
        (&"7".repeat(50), &format!("{}...", "7".repeat(40))[..0]),
    ] {
        let [(owner, amount)] = &impossible(cpus)[..] else { panic!("{cpus}") };
        let expected = format!("got {shown} cpus, expected an amount from 0 to 1000000000");
        assert_eq!(owner, "task t", "{cpus}");
        assert!(shown.is_empty() || amount.to_string() == expected, "{cpus}: {amount}");
    }
    // Mesos rounds to thousandths.
    for cpus in ["1000000000", "-0.0", "-0.0004", "-2.8e-14"] {
        assert_eq!(impossible(cpus), [], "{cpus}");
    }
}

#[test]
fn a_disk_beyond_the_limit_is_capped() {
    for disk in ["8796093017087.0", "1000000000.001", "1e300", "1e999"] {
        let text = with_task(&format!("{{{TASK}}}")).replace("\"mem\":64.0", &format!("\"disk\":{disk}"));
        let state = scan_every_way(text.as_bytes(), 3).unwrap();
        assert_eq!(state.tasks[0].1.resources.disk, Amount::from_units(1e9).unwrap(), "{disk}");
        assert_eq!(state.impossible, [], "{disk}");
    }
}

#[test]
fn the_rest_of_a_task_is_skipped_in_any_order_of_fields() {
    let parts: Vec<&str> = vec![
        r#""id":"t""#,
        r#""name":"n""#,
        r#""slave_id":"A""#,
        r#""state":"TASK_RUNNING""#,
        r#""resources":{"cpus":1.5}"#,
        r#""role":"eng/web""#,
        r#""labels":[{"key":"}\"]","value":"\\"}]"#,
    ];
    let expected = outcome(&scan_every_way(with_task(&format!("{{{}}}", parts.join(","))).as_bytes(), 1));
    let mut chance = Shuffle::of(11);
    for _ in 0..50 {
        let mut parts = parts.clone();
        chance.shuffle(&mut parts);
        let text = with_task(&format!("{{{}}}", parts.join(",")));
        assert_eq!(outcome(&scan_every_way(text.as_bytes(), 1)), expected, "{text}");
    }
    // The price: a repeated field after the sixth one is not seen.
    let twice = with_task(&format!(r#"{{{TASK},"role":"*","state":"TASK_FAILED"}}"#));
    assert_eq!(json::read(twice.as_bytes(), Record::default()).unwrap().odd.len(), 1);
    assert_eq!(scan_every_way(twice.as_bytes(), 1).unwrap().odd, []);
    let early = with_task(&format!(r#"{{"state":"TASK_FAILED",{TASK}}}"#));
    let odd = &scan_every_way(early.as_bytes(), 1).unwrap().odd;
    assert_eq!(odd[0].1.to_string(), "tasks[].state occurs twice");
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"slaves":[],"frameworks":[],"x":{open}{close},"y":[{{}}]}}"#)
    };
    let most = MAX_DEPTH as usize;
    assert!(scan_every_way(nested(most).as_bytes(), 1).is_ok());
    for depth in [most + 1, 100_000] {
        assert_eq!(fault(&nested(depth)), "at byte 161: brackets are nested more than 128 deep");
    }
    assert!(fault(&format!(r#"{{"slaves":{}}}"#, "[".repeat(100_000))).ends_with("more than 128 deep"));
}

#[test]
fn tokens_have_an_end() {
    let version = |length: usize| format!(r#"{{"version":"{}","slaves":[],"frameworks":[]}}"#, "v".repeat(length));
    assert!(scan_every_way(version(MAX_TOKEN_BYTES).as_bytes(), 1).is_ok());
    let long = "9".repeat(MAX_TOKEN_BYTES + 1);
    assert!(fault(&format!(r#"{{"elected_time":{long}}}"#)).ends_with("a number exceeds 65536 bytes"));
    assert_eq!(scan_every_way(version(MAX_TOKEN_BYTES + 1).as_bytes(), 1).unwrap().master.version, "\u{FFFD}");
    // Escapes and bytes that are not UTF-8 do not matter in a text that is too long.
    let attribute = [
        br#"{"slaves":[{"id":"A","active":true,"attributes":{"a":""#.as_slice(),
        &br"\n\ud800\x\\".repeat(MAX_TOKEN_BYTES),
        br#"\"\xff","b":"c",""#,
        &[0xFF; MAX_TOKEN_BYTES + 1],
        br#"":"d"}}],"frameworks":[]}"#,
    ];
    let state = scan_every_way(&attribute.concat(), 1).unwrap();
    let attributes = &state.agents[0].0.attributes;
    assert!(attributes.has("a", "\u{FFFD}") && attributes.has("b", "c") && attributes.has("\u{FFFD}", "d"));
    let key = format!(r#"{{"{long}":1,"slaves":[],"frameworks":[],"{long}":"x"}}"#);
    assert!(scan_every_way(key.as_bytes(), 1).is_ok());
    assert!(matches!(refused(&format!(r#"{{"version":"{long}"#)), StateError::Truncated(_)));
    // A skipped value has no maximum length.
    let skipped = format!(r#"{{"slaves":[],"frameworks":[],"x":"{long}","y":{long},"z":["{long}"]}}"#);
    assert!(scan_every_way(skipped.as_bytes(), 1).is_ok());
}

#[test]
fn bytes_within_the_limit_are_checked_first() {
    let text = with_task(&format!("{{{TASK}}}")) + " \n";
    let length = text.len() as u64;
    assert!(scan_every_way_within(text.as_bytes(), length, 1).is_ok());
    for limit in [0, 1, 70, length - 1] {
        let error = scan_every_way_within(text.as_bytes(), limit, 1).unwrap_err();
        assert!(matches!(error, StateError::TooLarge { limit: reported } if reported == limit), "{error:?}");
    }
    let wrong = scan_every_way_within(br#"{"slaves":0,"frameworks":[]}"#, 12, 1);
    assert!(matches!(wrong, Err(StateError::Json(_))));
}

#[test]
fn after_an_error_every_call_fails() {
    let mut scanner = Scanner::new(Record::default(), u64::MAX);
    assert!(scanner.feed(b"{\"slaves\":0,").is_err());
    assert!(matches!(scanner.feed(b"}"), Err(StateError::Refused)));
    assert!(matches!(scanner.feed(b""), Err(StateError::Refused)));
    assert!(matches!(scanner.finish(), Err(StateError::Refused)));
}

#[test]
fn the_name_of_an_attribute_may_have_escapes_of_any_character() {
    let agent = |key: &str| {
        format!(r#"{{"slaves":[{{"id":"A","active":true,"attributes":{{"{key}":"v"}}}}],"frameworks":[]}}"#)
    };
    for (key, name) in [(r"z\nu", "z\nu"), (r"\u0001", "\u{1}"), (r"\t\u00e9", "\té"), ("\u{e9}", "é")] {
        let state = scan_every_way(agent(key).as_bytes(), 3).unwrap();
        assert!(state.agents[0].0.attributes.has(name, "v"), "{key}");
    }
    assert_eq!(fault(&agent("z\nu")), "at byte 49: a key is not a valid string");
}

#[test]
fn empty_chunks_change_nothing() {
    let mut scanner = Scanner::new(Record::default(), u64::MAX);
    for byte in br#" {"slaves" : [ ] , "frameworks" : [ ] } "# {
        scanner.feed(b"").unwrap();
        scanner.feed(&[*byte]).unwrap();
    }
    assert!(scanner.finish().is_ok());
}

#[test]
fn a_failing_source_does_not_end_the_document() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let whole = json!({"slaves": [], "frameworks": []}).to_string();
    assert!(read(whole.as_bytes(), Record::default(), 1000).is_ok());
    assert!(matches!(read(whole.as_bytes().chain(Broken), Record::default(), 1000), Err(StateError::Io(_))));
    assert!(matches!(read(Json::Null.to_string().as_bytes(), Record::default(), 1000), Err(StateError::NotAnObject)));
}
