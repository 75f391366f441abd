//! `explain --remove`: why an agent goes, or stays.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::told;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn remove(test: &str, settings: &str, agent: &str, more: &[&str]) -> Output {
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("remove-{test}.toml"));
    let pool =
        "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"mesos-workers\"\n";
    fs::write(&config, format!("{pool}{settings}\n")).unwrap();
    let state = format!("{ROOT}/tests/captures/1.11.0/30-big-60-agents/state.json");
    let group = format!("{ROOT}/examples/group.json");
    Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["explain", "--now", "2026-11-21T18:00:00Z", "--state", &state, "--group", &group, "--config"])
        .arg(config)
        .args(["--remove", agent])
        .args(more)
        .output()
        .unwrap()
}

/// The hostnames of the agents, the least loaded first.
fn by_load() -> Vec<String> {
    let state = fs::read(format!("{ROOT}/tests/captures/1.11.0/30-big-60-agents/state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let share = |agent: &Value| {
        let of = |kind: &str| {
            let total = agent["resources"][kind].as_f64().unwrap();
            agent["used_resources"][kind].as_f64().unwrap() / total
        };
        of("cpus").max(of("mem")).max(of("disk"))
    };
    let mut agents: Vec<(f64, String)> = state["slaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| (share(agent), agent["hostname"].as_str().unwrap().to_owned()))
        .collect();
    agents.sort_by(|one, other| one.0.total_cmp(&other.0));
    agents.into_iter().map(|(_, hostname)| hostname).collect()
}

#[test]
fn an_agent_that_the_decision_removes_is_shown_with_its_instance() {
    let output = remove("now", "", "ip-10-0-2-25.ec2.internal", &[]);
    let words = told(&output);
    assert!(output.status.success(), "{words}");
    assert!(words.contains("agent ip-10-0-2-25.ec2.internal (i-00000000abc17f877), 0 tasks"), "{words}");
    assert!(words.contains("removed yes, now: the decision removes it action terminate"), "{words}");
    // By any of its names.
    assert_eq!(told(&remove("instance", "", "i-00000000abc17f877", &[])), words);
}

#[test]
fn an_agent_with_more_load_goes_later_or_is_kept_by_a_rule() {
    let agents = by_load();
    // Beyond the candidates, which are the twenty with the least load.
    for place in [10, 40, 59] {
        let output = remove("load", "max_scale_down_step = 1", &agents[place], &["--output", "json"]);
        assert!(output.status.success(), "{}", told(&output));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["hostname"], agents[place].as_str());
        let reason = json["reason"].as_str().unwrap();
        match json["when"].as_str().unwrap() {
            "later" => assert!(reason.contains(" with less load go first; if it were the first"), "{reason}"),
            "never" => {
                let clauses = ["D2", "D3", "D7", "H3", "H4"];
                assert!(clauses.iter().any(|clause| reason.starts_with(clause)), "{reason}");
            }
            when => panic!("{when}: {reason}"),
        }
    }
    let kept = remove("min", "min = 60", &agents[59], &[]);
    assert!(told(&kept).contains("removed no: D3: ") && told(&kept).contains("min = 60"), "{}", told(&kept));
}

#[test]
fn an_agent_that_no_pool_has_is_named_with_the_nearest() {
    let output = remove("none", "", "ip-10-0-2-25.ec2.internl", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("did you mean ip-10-0-2-25.ec2.internal"), "{}", told(&output));
}
