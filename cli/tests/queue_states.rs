//! `lambda-scale explain` on queues that hold more than a lack of resources, on a Marathon of another name, and on pods.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::situation;
use serde_json::{Value, json};

/// The explanations of the pools.
fn explain(config: &Path, state: &Path, queue: &Path, more: &[&str]) -> Vec<Value> {
    crate::support::explain(&[("--config", config), ("--state", state), ("--queue", queue)], more)
}

fn explained(name: &str) -> Vec<Value> {
    let at = situation(name);
    explain(&at.join("config.toml"), &at.join("state.json"), &at.join("queue.json"), &[])
}

/// A file of a situation with one text in place of another everywhere.
fn changed(name: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(situation(name).join(file)).unwrap();
    assert!(text.contains(from), "{from}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{file}", to.len()));
    fs::write(&path, text.replace(from, to)).unwrap();
    path
}

fn delta(pool: &Value) -> i64 {
    pool["decision"]["delta"].as_i64().unwrap()
}

#[test]
fn a_daemon_that_no_agent_satisfies_buys_none() {
    let pool = &explained("unique-daemon")[0];
    assert!(delta(pool) <= 0, "{}", pool["decision"]["steps"]);
    for message in ["snapshot", "decision"] {
        let left_out = &pool[message]["not_counted"][0];
        assert_eq!((&left_out["application"], &left_out["queued"]), (&json!("/telegraf"), &json!(995)));
        assert!(left_out["reason"].as_str().unwrap().contains("hostname UNIQUE"), "{left_out}");
    }
    let telegraf = pool["snapshot"]["applications"].as_array().unwrap().iter().find(|one| one["name"] == "/telegraf");
    assert_eq!(telegraf.unwrap()["max_per_agent"], 1);
}

/// The 995 that agents with room decline are what makes it one.
#[test]
fn a_daemon_keeps_no_agent() {
    let pool = &explained("unique-daemon")[0];
    assert_eq!((delta(pool), &pool["decision"]["needed"]), (-1, &json!(2)), "{}", pool["decision"]["steps"]);
    let note = pool["decision"]["notes"][0].as_str().unwrap();
    assert!(note.contains("its 1000 instances would need 1000 agents of at most 50"), "{note}");
}

/// The same daemon, which an agent holds once for its port instead of a constraint.
#[test]
fn a_daemon_on_a_host_port_keeps_no_agent() {
    let at = situation("unique-daemon");
    let text = fs::read_to_string(at.join("queue.json")).unwrap();
    let mut queue: Value = serde_json::from_str(&text).unwrap();
    let app = &mut queue["queue"][0]["app"];
    (app["constraints"], app["requirePorts"]) = (json!([]), json!(true));
    app["portDefinitions"] = json!([{"port": 8125, "protocol": "udp"}]);
    queue["queue"][0]["processedOffersSummary"]["rejectSummaryLastOffers"] =
        json!([{"reason": "UnfulfilledConstraint", "declined": 0}, {"reason": "InsufficientPorts", "declined": 5}]);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("daemon-on-a-port.json");
    fs::write(&path, queue.to_string()).unwrap();
    let pool = &explain(&at.join("config.toml"), &at.join("state.json"), &path, &[])[0];
    assert_eq!((delta(pool), &pool["decision"]["needed"]), (-1, &json!(2)), "{}", pool["decision"]["steps"]);
    let left_out = &pool["decision"]["not_counted"][0];
    assert_eq!((&left_out["application"], &left_out["queued"]), (&json!("/telegraf"), &json!(995)));
    assert!(left_out["reason"].as_str().unwrap().ends_with("(a fixed host port)"), "{left_out}");
}

#[test]
fn a_daemon_is_named_in_the_text_of_explain() {
    let at = situation("unique-daemon");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
    command.args(["explain", "--now", "2026-11-22T16:00:00Z", "--config"]).arg(at.join("config.toml"));
    let output = command.arg("--state").arg(at.join("state.json")).arg("--queue").arg(at.join("queue.json")).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("not counted 995 queued instances of /telegraf: Marathon declined every last offer"),
        "{text}"
    );
}

#[test]
fn constraints_of_applications_that_run_come_from_their_definitions() {
    let at = situation("unique-daemon");
    let file = |name: &str, json: &Value| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, json.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let queue = file("empty-queue.json", &json!({"queue": []}));
    let pods = file("pods.json", &json!([]));
    for (limited, expected) in [
        (json!({"id": "/telegraf", "constraints": [["hostname", "MAX_PER", "3"]]}), 3),
        (json!({"id": "/telegraf", "portDefinitions": [{"port": 8125}], "requirePorts": true}), 1),
    ] {
        let apps = file("apps.json", &json!({ "apps": [limited] }));
        let more = ["--apps", &apps, "--pods", &pods];
        let pools = explain(&at.join("config.toml"), &at.join("state.json"), Path::new(&queue), &more);
        let applications = pools[0]["snapshot"]["applications"].as_array().unwrap();
        assert_eq!(applications.iter().find(|one| one["name"] == "/telegraf").unwrap()["max_per_agent"], expected);
    }
}

#[test]
fn a_marathon_of_another_name_keeps_its_settings() {
    let at = situation("marathon-of-another-name");
    let other = changed("marathon-of-another-name", "state.json", "prod-marathon", "root");
    let usual = changed("marathon-of-another-name", "state.json", "prod-marathon", "marathon");
    for state in [at.join("state.json"), other, usual] {
        let pool = &explain(&at.join("config.toml"), &state, &at.join("queue.json"), &[])[0];
        assert_eq!(pool["decision"]["target"], 9, "{}", pool["decision"]["steps"]);
        let candidates = pool["snapshot"]["scale_down_candidates"].as_array().unwrap();
        // One of the four agents runs the protected application, so that it is no candidate.
        assert_eq!(candidates.len(), 3, "{candidates:?}");
        let web: Vec<&Value> = pool["snapshot"]["applications"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|application| application["name"] == "/shop/web")
            .collect();
        assert_eq!((web.len(), &web[0]["queued"]), (1, &json!(1)));
        assert_eq!(pool["decision"]["notes"], Value::Null);
    }
}

#[test]
fn instances_that_wait_for_gpus_count_in_the_gpu_pool() {
    let pools = explained("gpu-pool-of-zero");
    let [workers, gpu] = pools.as_slice() else { panic!("{pools:?}") };
    let queued = |pool: &Value| -> u64 {
        let applications = pool["snapshot"]["applications"].as_array().unwrap();
        applications.iter().filter_map(|application| application["queued"].as_u64()).sum()
    };
    assert_eq!((queued(workers), queued(gpu)), (0, 2));
    assert_eq!((delta(gpu), &workers["decision"]["unplaceable"]), (2, &json!([])), "{}", gpu["decision"]["steps"]);
}

/// Two agents have 1.5 cpus free each. A pod of two containers of 1.4 cpus runs on the third one.
#[test]
fn an_agent_stays_whose_pod_fits_no_other_as_a_whole_d3() {
    let at = situation("split-pod");
    let pool =
        &crate::support::explain(&[("--config", &at.join("config.toml")), ("--state", &at.join("state.json"))], &[])[0];
    assert_eq!((delta(pool), &pool["decision"]["steps"][0]["clause"]), (0, &json!("D3")), "{}", pool["decision"]);
    let pod = pool["snapshot"]["applications"].as_array().unwrap().iter().find(|one| one["name"] == "/p").unwrap();
    // With its executor.
    assert_eq!((&pod["task_count"], &pod["resources"]["cpus"]), (&json!(1), &json!(2.9)));
}

#[test]
fn headroom_for_a_pod_is_room_for_all_of_it_h3() {
    let (from, to) = ("scale_down_margin = 0", "applications.\"/p\".application_headroom_percent = 100");
    let config = changed("split-pod", "config.toml", from, to);
    let state = situation("split-pod").join("state.json");
    let pool = &crate::support::explain(&[("--config", &config), ("--state", &state)], &[])[0];
    assert_eq!((delta(pool), &pool["decision"]["steps"][1]["clause"]), (1, &json!("H4")), "{}", pool["decision"]);
}
