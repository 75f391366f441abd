//! No command repeats a secret that stands in its configuration where something is wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking, its helpers too")]

use std::fs;
use std::path::Path;
use std::process::Command;

const CANARY: &str = "Zebra7-c4nary";

const BASE: &str = r#"
schedule_period = "1m"
[mesos]
masters = ["http://10.0.0.5:5050"]
credentials = "ssm:/lambda-scale/mesos"
ca_bundle = "file:ca.pem"
timeout = "20s"
[[pools]]
name = "workers"
group = "mesos-workers"
min = 2
attributes = { pool = "workers" }
resources = ["cpus"]
application_headroom_percent = 10
applications = { "/batch/app03" = { application_headroom_percent = 100 } }
protected = { frameworks = ["kafka"] }
"#;

/// The configuration with each of its lines broken in each way, the secret in it.
fn wrong_configurations() -> Vec<String> {
    let lines: Vec<&str> = BASE.lines().collect();
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let key = line.split_once(" = ").map_or("min", |(key, _)| key);
        for broken in [
            format!("{key} = \"{CANARY}"),
            format!("{key} = {CANARY}"),
            format!("{key} = {{ {CANARY} = \"{CANARY}\" }}"),
            format!("{CANARY} = \"{CANARY}\""),
            format!("{line}\n{key} = \"http://reader:{CANARY}@10.0.0.5:5050"),
        ] {
            all.push([&lines[..number], &[broken.as_str()], &lines[number + 1..]].concat().join("\n"));
        }
    }
    all.push(BASE.replace("ssm:/lambda-scale/mesos", CANARY));
    all.push(BASE.replace("http://", &format!("http://reader:{CANARY}@")));
    all.push(BASE.replace("http://", &format!("http://reader:{CANARY}/")));
    all
}

#[test]
fn no_command_repeats_a_secret_of_a_wrong_configuration() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (config, state) = (directory.join("secrets.toml"), directory.join("secrets-state.json"));
    fs::write(&state, "{}").unwrap();
    let (config_path, state) = (config.to_str().unwrap(), state.to_str().unwrap());
    let commands: [&[&str]; 6] = [
        &["check", config_path],
        &["check", config_path, "--output", "json"],
        &["run", "--config", config_path],
        &["explain", "--config", config_path, "--state", state],
        &["status", "--config", config_path],
        &["local", "--config", config_path],
    ];
    let mut refused = 0;
    for configuration in wrong_configurations() {
        fs::write(&config, &configuration).unwrap();
        let checked = Command::new(env!("CARGO_BIN_EXE_lambda-scale")).args(commands[0]).output().unwrap();
        // Some are names, and valid.
        if checked.status.code() == Some(0) {
            continue;
        }
        refused += 1;
        for arguments in commands {
            let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale")).args(arguments).output().unwrap();
            let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(!output.status.success(), "{arguments:?}: {told}");
            assert!(!told.contains(CANARY), "{arguments:?}: {told}\n\n{configuration}");
        }
    }
    assert!(refused > 40, "{refused}");
}
