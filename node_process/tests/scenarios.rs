//! Situations an operator would recognize, one file each in `scenarios/`: a snapshot, the settings of the pool, the time,
//! and the decision with its clauses and the figures of its reasons. Adding a file adds a test. A snapshot copied from a
//! topic can be used as it is. A few have a file beside them with the decision as people read it.
//!
//! `UPDATE_SCENARIOS=1 cargo test -p node_process --test scenarios` writes what is decided now into the files; read the
//! difference before keeping it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use node_process::{Expired, Reason, Ruling, decide, explain, report};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::config::Policy;
use shared::contract::{self, ClusterSnapshot};

/// A file. `expected` comes last, so that it can be replaced without touching the rest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    comment: String,
    /// The settings of the pool, a line each, as in the configuration.
    policy: Vec<String>,
    now: Timestamp,
    snapshot: Value,
    expected: Value,
}

impl Scenario {
    fn read(path: &Path) -> (String, Self) {
        let text = fs::read_to_string(path).unwrap();
        let scenario = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (text, scenario)
    }

    fn snapshot(&self) -> ClusterSnapshot {
        contract::decode(&self.snapshot.to_string(), None)
            .unwrap_or_else(|error| panic!("{}: {error}: {:?}", self.comment, std::error::Error::source(&error)))
    }

    fn policy(&self) -> Policy {
        cluster::policy(&self.policy.join("\n")).unwrap_or_else(|problems| panic!("{}: {problems}", self.comment))
    }
}

#[test]
fn every_scenario_is_decided_as_expected() {
    let files = files("json");
    assert!(files.len() >= 60, "only {} scenarios found", files.len());
    let mut failures = Vec::new();
    for path in files {
        let (text, scenario) = Scenario::read(&path);
        let decided = answer(&scenario);
        if is_update() {
            fs::write(&path, updated(&text, &decided)).unwrap();
        } else if decided != scenario.expected {
            let (name, expected) = (path.display(), &scenario.expected);
            failures.push(format!("{name}: {}\nexpected {expected:#}\ndecided {decided:#}", scenario.comment));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_few_decisions_read_as_written() {
    let files = files("txt");
    assert!(files.len() >= 4, "only {} texts found", files.len());
    for path in files {
        let (_, scenario) = Scenario::read(&path.with_extension("json"));
        let text = words(&scenario);
        if is_update() {
            fs::write(&path, text).unwrap();
        } else {
            assert_eq!(text, fs::read_to_string(&path).unwrap(), "{}", path.display());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "asked by whoever runs the tests")]
fn is_update() -> bool {
    std::env::var_os("UPDATE_SCENARIOS").is_some()
}

fn files(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// The decision as people read it.
fn words(scenario: &Scenario) -> String {
    let policy = scenario.policy();
    let decision = decide(&scenario.snapshot(), &policy, scenario.now).unwrap();
    let mut text =
        format!("{}\n{}\n", report::subject(&decision, &policy), report::steps(&decision).replace(" | ", "\n"));
    for entry in &decision.unplaceable {
        writeln!(text, "unplaceable: {}: {}", entry.application, entry.reason).unwrap();
    }
    text
}

/// The decision as types: its clauses, and the figures of its reasons.
fn answer(scenario: &Scenario) -> Value {
    let (snapshot, policy) = (scenario.snapshot(), scenario.policy());
    let explanation = match explain(&snapshot, &policy, scenario.now) {
        Ok(explanation) => explanation,
        Err(Expired::TooOld { .. }) => return json!({ "expired": "too_old" }),
        Err(Expired::FromTheFuture { .. }) => return json!({ "expired": "from_the_future" }),
    };
    let decision = explanation.decision();
    let names =
        |agents: &[contract::AgentRef]| -> Vec<String> { agents.iter().map(|agent| agent.hostname.clone()).collect() };
    let rulings = explanation.rulings.iter().chain([&explanation.limited]);
    let alone =
        |step: &contract::Step| step.agents_alone.map(|agents| (step.clause.rule().letter().to_owned(), json!(agents)));
    json!({
        "each_rule_alone": decision.steps.iter().filter_map(alone).collect::<Map<_, _>>(),
        "delta": explanation.delta(),
        "target": explanation.target(),
        "state": explanation.state.name(),
        "steps": rulings.map(step).collect::<Vec<_>>(),
        "unplaceable": explanation.rulings.iter().flat_map(unplaceable).collect::<Vec<_>>(),
        "scale_down_agents": names(&decision.scale_down_agents),
        "decommissioning_agents": names(&decision.decommissioning_agents),
    })
}

fn step(ruling: &Ruling) -> Value {
    let mut reason = serde_json::to_value(&ruling.reason).unwrap();
    if let Reason::Headroom(_) = ruling.reason {
        // They stand in a list of their own.
        reason.as_object_mut().unwrap().remove("unplaceable");
    }
    json!({
        "clause": ruling.clause,
        "agents": [ruling.agents_before(), ruling.agents_after()],
        "reason": reason,
        "application": ruling.application,
    })
}

fn unplaceable(ruling: &Ruling) -> Vec<Value> {
    match &ruling.reason {
        Reason::Headroom(reason) => reason.unplaceable.iter().map(|entry| json!(entry)).collect(),
        _ => Vec::new(),
    }
}

/// The file with what was decided now, each field and each step in a line of its own.
fn updated(text: &str, decided: &Value) -> String {
    let (before, _) = text.split_once("\"expected\":").unwrap();
    let field = |(name, value): (&String, &Value)| match value {
        Value::Array(entries) if entries.iter().any(Value::is_object) => {
            let lines: Vec<String> = entries.iter().map(|entry| format!("      {entry}")).collect();
            format!("    \"{name}\": [\n{}\n    ]", lines.join(",\n"))
        }
        _ => format!("    \"{name}\": {value}"),
    };
    let fields: Vec<String> = decided.as_object().unwrap().iter().map(field).collect();
    format!("{before}\"expected\": {{\n{}\n  }}\n}}\n", fields.join(",\n"))
}
