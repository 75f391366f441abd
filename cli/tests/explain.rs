//! `lambda-scale explain`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const NOW: &str = "2026-11-21T18:00:00Z";

const CONFIG: &str = r#"
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "workers"
group = "mesos-workers"
application_headroom_percent = 200
"#;

/// The group of the captured cluster, settled, as the AWS command line prints it.
const GROUP: &str = r#"{"AutoScalingGroups":[{"AutoScalingGroupName":"other","MinSize":0,"MaxSize":9,"DesiredCapacity":5},
    {"AutoScalingGroupName":"mesos-workers","AutoScalingGroupARN":"arn:...","MinSize":1,"MaxSize":65,"DesiredCapacity":60,
     "CreatedTime":"2026-01-01T00:00:00Z","Tags":[],"Instances":[@INSTANCES@]}],
    "Activities":[{"ActivityId":"x","Description":"Launching a new EC2 instance: i-0","Cause":"c",
     "StartTime":"2026-11-20T00:00:00Z","EndTime":"2026-11-20T00:01:00Z","StatusCode":"Successful","Progress":100}]}"#;

fn group() -> String {
    let state: Value = serde_json::from_slice(&fs::read(state()).unwrap()).unwrap();
    let instance = |agent: &Value| {
        let id = agent["attributes"]["instance_id"].as_str().unwrap();
        format!(r#"{{"InstanceId":"{id}","LifecycleState":"InService","HealthStatus":"Healthy"}}"#)
    };
    let instances: Vec<String> = state["slaves"].as_array().unwrap().iter().map(instance).collect();
    GROUP.replace("@INSTANCES@", &instances.join(","))
}

fn state() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures/1.11.0/30-big-60-agents/state.json")
}

/// A temporary file of one test.
fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

fn explain(state: &Path, config: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["explain", "--now", NOW, "--state"])
        .arg(state)
        .arg("--config")
        .arg(config)
        .args(more)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_person_reads_what_was_seen_decided_and_would_be_done() {
    let group = file("text-group.json", &group());
    let output = explain(&state(), &file("text.toml", CONFIG), &["--group", group.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_program_reads_the_messages_and_the_action() {
    let (config, group) = (file("json.toml", CONFIG), file("json-group.json", &group()));
    let call = || explain(&state(), &config, &["--group", group.to_str().unwrap(), "--output", "json"]);
    let output = call();
    assert_eq!(output, call(), "the same input gives the same output");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [pool] = json["pools"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(pool["snapshot"]["schema"], "lambda-scale/cluster-snapshot");
    assert_eq!(pool["snapshot"]["taken_at"], "2026-11-21T18:00:00.000Z");
    assert_eq!(pool["decision"]["snapshot_id"], pool["snapshot"]["id"]);
    assert_eq!(pool["decision"]["delta"], 10);
    // What the text prints after "what if", in the same order.
    let otherwise = pool["what_if"].as_array().unwrap();
    let unlimited = otherwise.iter().find(|other| other["setting"] == "max_scale_up_step").unwrap();
    assert_eq!((unlimited["change"].as_str(), unlimited["delta"].as_i64()), (Some("setting"), Some(19)));
    // Ten more agents are needed, and the group allows five.
    assert_eq!(pool["action"]["action"], "set_desired_capacity");
    assert_eq!((pool["action"]["from"].as_i64(), pool["action"]["to"].as_i64()), (Some(60), Some(65)));
}

#[test]
fn the_example_in_the_readme_is_real() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```console\n$ lambda-scale ").unwrap();
    let (console, _) = rest.split_once("```").unwrap();
    // A command may continue after a backslash at the end of a line.
    let joined = console.replace("\\\n", " ");
    let (command, expected) = joined.split_once('\n').unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(command.split_whitespace())
        .current_dir(root)
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
}

#[test]
fn queued_instances_are_part_of_the_explanation() {
    let queue = r#"{"queue":[
        {"count":40,"delay":{"timeLeftSeconds":0,"overdue":true},"app":{"id":"/new","cpus":2,"mem":1024,"disk":0}},
        {"count":9,"delay":{"timeLeftSeconds":60,"overdue":false},"app":{"id":"/crashing","cpus":2,"mem":1024,"disk":0}}
    ]}"#;
    let (config, queue) = (file("queue.toml", CONFIG), file("queue.json", queue));
    let output = explain(&state(), &config, &["--queue", queue.to_str().unwrap()]);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("41 applications, 40 instances queued; cpus"), "{stdout}{}", text(&output.stderr));
    let words = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("headroom needs ") && words.contains("(80 queued, "), "{stdout}");
}

#[test]
fn a_group_is_explained_without_a_state() {
    let configuration = CONFIG.replace("[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n", "");
    let configuration = configuration.replace("application_headroom_percent = 200", "source = \"cloudwatch\"");
    let (config, group) = (file("cpu.toml", &configuration), file("cpu-group.json", &group()));
    let call = |more: &[&str]| {
        let mut call = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        call.args(["explain", "--now", NOW, "--config"]).arg(&config).args(more).output().unwrap()
    };
    let group = group.to_str().unwrap();
    let output = call(&["--group", group, "--cpu", "workers=71.5"]);
    let words = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "source CloudWatch and Auto Scaling, 2026-11-21T18:00:00.000Z",
        "observed 60 agents, all usable; CPU utilization 71.5%; snapshot complete",
        "C1 60 -> 61 CPU utilization 71.5% is above 60%: adds 1 agent",
        "increase desired capacity 60 -> 61",
    ] {
        assert!(words.contains(expected), "{expected:?} in {words}{}", text(&output.stderr));
    }
    // Without the option the utilization is unknown.
    let words = text(&call(&["--group", group]).stdout).to_owned();
    assert!(words.contains("add --cpu workers=PERCENT") && words.contains("normal"), "{words}");
    let words = text(&call(&["--cpu", "workers=71.5"]).stdout).to_owned();
    assert!(words.contains("blind") && words.contains("held"), "{words}");
    // Invalid options are refused.
    for (call, words) in [
        (call(&["--cpu", "workers"]), "write workers=71.5"),
        (call(&["--cpu", "workers=101"]), "got 101, expected a number from 0 to 100"),
        (call(&["--cpu", "others=5"]), "--cpu others: the configuration has no such pool; it has workers"),
        (explain(&state(), &file("no-cpu.toml", CONFIG), &["--cpu", "workers=5"]), "the pool does not use it"),
    ] {
        assert_eq!(call.status.code(), Some(2), "{}", text(&call.stderr));
        assert!(text(&call.stderr).contains(words), "{}", text(&call.stderr));
    }
    let no_state = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["explain", "--config"])
        .arg(file("needs-state.toml", CONFIG))
        .output()
        .unwrap();
    assert!(text(&no_state.stderr).contains("add --state FILE"), "{}", text(&no_state.stderr));
}

#[test]
fn without_a_group_no_action_is_printed() {
    let output = explain(&state(), &file("no-group.toml", CONFIG), &["--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["pools"][0]["action"], Value::Null);
}

#[test]
fn a_group_that_is_not_in_the_file_is_refused() {
    let group = file("empty-group.json", r#"{"AutoScalingGroups":[]}"#);
    let output = explain(&state(), &file("missing.toml", CONFIG), &["--group", group.to_str().unwrap()]);
    assert!(text(&output.stdout).contains("R1: no Auto Scaling group \"mesos-workers\""), "{}", text(&output.stdout));
}

#[test]
fn an_error_names_the_file_and_sets_the_exit_code() {
    let good = file("good.toml", CONFIG);
    let bad_config = file("bad.toml", "[[pools]]\nname = \"a\"");
    let no_state = file("login.html", "<html>Please log in</html>");
    let no_group = file("no-group.json", "[]");
    let no_queue = file("no-queue.json", "{}");
    for (output, code, words) in [
        (explain(&state(), &bad_config, &[]), 2, ["bad.toml: 2 problems", "pools[0].group: missing"]),
        (
            explain(Path::new("nowhere.json"), &good, &[]),
            1,
            ["cannot read nowhere.json: no such file", "check the path"],
        ),
        (explain(&no_state, &good, &[]), 1, ["login.html is not a master's /state", "a web page"]),
        (
            explain(&state(), &good, &["--group", no_group.to_str().unwrap()]),
            1,
            ["no-group.json is not what", "expected"],
        ),
        (
            explain(&state(), &good, &["--queue", no_queue.to_str().unwrap()]),
            1,
            ["no-queue.json is not a queue of Marathon", "missing field `queue`"],
        ),
        (explain(&state(), &good, &["--output", "yaml"]), 2, ["invalid value 'yaml'", "text, json"]),
    ] {
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{words:?} in {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_pool_without_agents_is_printed_with_existing_attributes() {
    let config = file("no-agents.toml", &format!("{CONFIG}attributes = {{ asg = \"worker\" }}\n"));
    let output = explain(&state(), &config, &[]);
    let told = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("no registered agent has asg = worker; 60 agents match no pool"), "{told}");
    assert!(told.contains("asg = workers"), "{told}");
}

#[test]
fn without_a_time_a_file_is_as_old_as_its_last_change() {
    let state = file("as-saved.json", &fs::read_to_string(state()).unwrap());
    let saved_at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_284_000);
    fs::File::options().append(true).open(&state).unwrap().set_modified(saved_at).unwrap();
    let call = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        command.args(["explain", "--state"]).arg(&state).arg("--config").arg(file("as-saved.toml", CONFIG)).args(more);
        text(&command.output().unwrap().stdout).to_owned()
    };
    let words = call(&[]);
    assert!(words.contains(", 2026-11-21T18:00:00.000Z"), "{words}");
    assert!(words.contains("as of when the file of --state was last changed; --now takes another time"), "{words}");
    assert!(!call(&["--now", NOW]).contains("last changed"));
}

#[test]
fn a_queue_with_a_number_that_marathon_cannot_hold_is_refused() {
    let queue = file("beyond.json", r#"{"queue":[{"count":1,"app":{"id":"/web","cpus":1e999,"mem":1}}]}"#);
    let output = explain(&state(), &file("beyond.toml", CONFIG), &["--queue", queue.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("number out of range"), "{}", text(&output.stderr));
}
