//! No command repeats a secret (I14): not one that stands in its configuration where something is wrong, and not one that a master or
//! AWS sends back.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Account, MASTER_PASSWORD, told};
use testbed::AwsError;
use testbed::Service;
use testbed::account::Account as Services;
use testbed::faults::{Calls, Fault, Trouble};
use testbed::raw::{ECHOES, RawServer};
use testbed::secrets::{AWS_SESSION_TOKEN, Secrets};

/// One that is a name as well, so that it may stand at the place of a name, and one that URLs encode.
const CANARIES: [&str; 2] = ["Zebra7-c4nary", "c4nary/of+the=Document~%5"];

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
fn wrong_configurations(canary: &str) -> Vec<String> {
    let lines: Vec<&str> = BASE.lines().collect();
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let key = line.split_once(" = ").map_or("min", |(key, _)| key);
        for broken in [
            format!("{key} = \"{canary}"),
            format!("{key} = {canary}"),
            format!("{key} = {{ {canary} = \"{canary}\" }}"),
            format!("{canary} = \"{canary}\""),
            format!("{line}\n{key} = \"http://reader:{canary}@10.0.0.5:5050"),
        ] {
            all.push([&lines[..number], &[broken.as_str()], &lines[number + 1..]].concat().join("\n"));
        }
    }
    all.push(BASE.replace("ssm:/lambda-scale/mesos", canary));
    all.push(BASE.replace("http://", &format!("http://reader:{canary}@")));
    all.push(BASE.replace("http://", &format!("http://reader:{canary}/")));
    all
}

#[test]
fn no_command_repeats_a_secret_of_a_wrong_configuration() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (config, state) = (directory.join("secrets.toml"), directory.join("secrets-state.json"));
    fs::write(&state, "{}").unwrap();
    let (config_path, state) = (config.to_str().unwrap(), state.to_str().unwrap());
    let commands: [&[&str]; 12] = [
        &["check", config_path],
        &["check", config_path, "--output", "json"],
        &["run", "--config", config_path],
        &["explain", "--config", config_path, "--state", state],
        &["status", "--config", config_path],
        &["local", "--config", config_path],
        &["doctor", "--config", config_path],
        &["doctor", "--config", config_path, "--output", "json"],
        &["replay", state, "--config", config_path],
        &["simulate", "--trace", "../examples/traces/taxi-day.csv", "--config", config_path],
        &["learn", "--trace", "../examples/traces/taxi-day.csv", "--config", config_path],
        &["pause", "--for", "1h", "--config", config_path],
    ];
    let mut refused = 0;
    for canary in CANARIES {
        let secrets = Secrets::default().with("the secret of the configuration", canary);
        for configuration in wrong_configurations(canary) {
            fs::write(&config, &configuration).unwrap();
            let run = |arguments: &[&str]| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
                command.args(arguments).env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", directory);
                command.output().unwrap()
            };
            // Some are names, and valid.
            if run(commands[0]).status.code() == Some(0) {
                continue;
            }
            refused += 1;
            // All read it in the same way, so few ask often.
            let count = match (canary == CANARIES[0], refused % 5) {
                (true, 0) => commands.len(),
                (true, _) => 6,
                (false, _) => 2,
            };
            for arguments in &commands[..count] {
                let output = run(arguments);
                let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
                assert!(!output.status.success(), "{arguments:?}: {told}");
                assert_eq!(secrets.find("the output", &told), None, "{arguments:?}: {told}\n\n{configuration}");
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

/// What asks masters, and AWS.
const ASKING: [&[&str]; 7] = [
    &["run", "--output", "json", "--config"],
    &["run", "--apply", "--yes", "--config"],
    &["status", "--config"],
    &["status", "--output", "json", "--config"],
    &["doctor", "--config"],
    &["doctor", "--output", "json", "--config"],
    &["check", "--config"],
];

/// What asks only AWS.
const OF_THE_ACCOUNT: [&[&str]; 6] = [
    &["status", "--stack", "lambda-scale"],
    &["doctor", "--stack", "lambda-scale"],
    &["pause", "--for", "1h", "--config"],
    &["resume", "--config"],
    &["floor", "5", "--for", "1h", "--config"],
    &["explain", "--config"],
];

#[tokio::test]
async fn no_command_repeats_what_a_master_sends_back() {
    let account = Account::start("echoing-masters").await;
    let mut asked = 0;
    for echo in ECHOES {
        let master = RawServer::echoing(echo).unwrap();
        let config = account.config(
            "credentials = \"env:MESOS_CREDENTIALS\"",
            "asg = \"workers\"",
            "scale_down_strategy = \"drain\"",
        );
        let configuration = fs::read_to_string(&config).unwrap().replace(&account.master.url(), &master.url());
        fs::write(&config, configuration).unwrap();
        for arguments in ASKING {
            let mut command = account.command(arguments);
            command.arg(&config).env("MESOS_CREDENTIALS", format!("reader:{MASTER_PASSWORD}"));
            // `told` looks for the secrets.
            assert!(!told(&command.output().await.unwrap()).is_empty(), "{arguments:?}");
        }
        asked +=
            master.requests().iter().filter(|request| request.to_lowercase().contains("authorization: basic")).count();
    }
    assert!(asked >= 5 * ECHOES.len(), "{asked}");
}

#[tokio::test]
async fn no_command_repeats_a_request_that_aws_sends_back() {
    let account = Account::start("echoing-aws").await;
    let services = Services::start(&account.faults).await.unwrap();
    services.create_stack("lambda-scale", &[]);
    let config = account.config("", "asg = \"workers\"", "");
    let canonical = format!("it should have been\n'POST\n/\n\nx-amz-security-token:{AWS_SESSION_TOKEN}\n'");
    let mut told_of_aws = 0;
    for code in ["SignatureDoesNotMatch", "AccessDenied", "ValidationError"] {
        for service in [Service::AutoScaling, Service::Account, Service::CloudWatchLogs] {
            account.faults.change(|faults| faults.calls.clear());
            let refused = Trouble::Refused(AwsError::new(403, code, canonical.clone()));
            account.faults.add(Fault::at(Calls::Of(service), refused).times(u32::MAX));
            for arguments in ASKING.into_iter().chain(OF_THE_ACCOUNT) {
                let mut command = account.command(arguments);
                for service in ["STS", "IAM", "CLOUDFORMATION", "LAMBDA"] {
                    command.env(format!("AWS_ENDPOINT_URL_{service}"), services.url());
                }
                if arguments.last() == Some(&"--config") {
                    command.arg(&config);
                }
                let words = told(&command.output().await.unwrap());
                told_of_aws += usize::from(words.contains("it should have been"));
            }
        }
    }
    assert!(told_of_aws > 20, "{told_of_aws}");
}
