//! The snapshot and decision for every captured answer of a real master, as golden files beside this one.
//!
//! After an intended change: `INSTA_UPDATE=always cargo test -p lambda-scale --test captures`, then read the
//! difference and compare it with the capture.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use node_gather::marathon::Observed;
use serde_json::Value;
use shared::config::Config;
use shared::contract;

/// Most captures were taken seconds after an election, so each is read twice: at that time, and as if the master had led
/// for a long time.
const AGES: [(&str, SignedDuration); 2] =
    [("30 seconds after the election", SignedDuration::from_secs(30)), ("a day later", SignedDuration::from_hours(24))];

const CONFIG: &str = r#"
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "all"
group = "mesos"
max = 100
resources = ["cpus", "mem", "disk"]
max_scale_down_step = 3
"#;

#[test]
fn every_capture_gives_the_recorded_snapshot_and_decision() {
    insta::glob!("../../tests/captures", "*/*/state.json", |path| {
        let folder = path.parent().unwrap();
        let (version, situation) = (name(folder.parent().unwrap()), name(folder));
        let state = fs::read(path).unwrap();
        let seen = AGES.map(|(when, age)| format!("{when}:\n{}\n", look(&state, age)));
        insta::with_settings!({
            snapshot_path => "golden", prepend_module_to_snapshot => false, snapshot_suffix => "", omit_expression => true,
        }, { insta::assert_snapshot!(format!("{version}-{situation}"), seen.join("\n")) });
    });
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// The snapshot and the decision for a state at that time after the master's election.
fn look(state: &[u8], age: SignedDuration) -> String {
    let config = Config::parse(CONFIG).unwrap();
    let now = elected_at(state) + age;
    let snapshots = node_gather::snapshots(state, &Observed::default(), &config, "http://10.0.0.5:5050", now).unwrap();
    let [snapshot] = snapshots.as_slice() else { panic!("one pool, one snapshot") };
    let decision = node_process::decide(snapshot, config.pool("all").unwrap(), now).unwrap();
    let snapshot = serde_json::to_string_pretty(&contract::with_header(snapshot)).unwrap();
    let decision = serde_json::to_string_pretty(&contract::with_header(&decision)).unwrap();
    format!("{snapshot}\n{decision}")
}

fn elected_at(state: &[u8]) -> Timestamp {
    let state: Value = serde_json::from_slice(state).unwrap();
    let seconds = state["elected_time"].as_f64().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds will do")]
    Timestamp::from_second(seconds as i64).unwrap()
}
