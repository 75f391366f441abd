//! Situations an operator would recognize, one file each in `scenarios/`: a snapshot, the settings of the pool, the time,
//! and the decision with its reasons. Adding a file adds a test. A snapshot copied from a topic can be used as it is.
//!
//! `UPDATE_SCENARIOS=1 cargo test -p node_process --test scenarios` writes what is decided now into the files; read the
//! difference before keeping it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test panics")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use node_process::decide;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::contract::{self, ClusterSnapshot, ScalingDecision, Step, Unplaceable};

/// A file. `expected` comes last, so that it can be replaced without touching the rest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    comment: String,
    /// The settings of the pool, a line each, as in the configuration document.
    policy: Vec<String>,
    now: Timestamp,
    snapshot: Value,
    expected: Value,
}

#[test]
fn every_scenario_is_decided_as_expected() {
    #[expect(clippy::disallowed_methods, reason = "asked by whoever runs the tests")]
    let is_update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    let files = files();
    assert!(files.len() >= 60, "only {} scenarios found", files.len());
    let mut failures = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let scenario: Scenario = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let decided = answer(&name, &scenario);
        if is_update {
            fs::write(&path, updated(&text, &decided)).unwrap();
        } else if decided != scenario.expected {
            failures
                .push(format!("{name}: {}\nexpected {:#}\ndecided {decided:#}", scenario.comment, scenario.expected));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn answer(name: &str, scenario: &Scenario) -> Value {
    let snapshot: ClusterSnapshot = contract::decode(&scenario.snapshot.to_string(), None)
        .unwrap_or_else(|error| panic!("{name}: {error}: {:?}", std::error::Error::source(&error)));
    let policy = cluster::policy(&scenario.policy.join("\n")).unwrap_or_else(|problems| panic!("{name}: {problems}"));
    match decide(&snapshot, &policy, scenario.now) {
        Ok(decision) => summary(&decision),
        Err(expired) => json!({ "expired": expired.to_string() }),
    }
}

fn summary(decision: &ScalingDecision) -> Value {
    let step = |step: &Step| {
        let application = step.application.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
        format!("{} {} -> {}: {}{application}", step.clause, step.agents_before, step.agents_after, step.reason)
    };
    let names =
        |agents: &[contract::AgentRef]| -> Vec<String> { agents.iter().map(|agent| agent.hostname.clone()).collect() };
    let unplaceable = |entry: &Unplaceable| format!("{}: {}", entry.application, entry.reason);
    let alone = |step: &Step| step.agents_alone.map(|agents| (step.clause.rule().letter().to_owned(), json!(agents)));
    json!({
        "alone": decision.steps.iter().filter_map(alone).collect::<serde_json::Map<_, _>>(),
        "delta": decision.delta,
        "target": decision.target,
        "state": decision.state.name(),
        "steps": decision.steps.iter().map(step).collect::<Vec<_>>(),
        "unplaceable": decision.unplaceable.iter().map(unplaceable).collect::<Vec<_>>(),
        "scale_down_agents": names(&decision.scale_down_agents),
        "decommissioning_agents": names(&decision.decommissioning_agents),
    })
}

fn updated(text: &str, decided: &Value) -> String {
    let (before, _) = text.split_once("\"expected\":").unwrap();
    let pretty = serde_json::to_string_pretty(decided).unwrap().replace('\n', "\n  ");
    format!("{before}\"expected\": {pretty}\n}}\n")
}
