//! A function that cannot start: one line in its log, one error at the Runtime API, with a class and without a secret.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::faults::FaultPlan;
use testbed::runtime_api::{Function, FunctionError};
use testbed::ssm::Ssm;
use testbed::stage::{self, Stage};
use testbed::{CONFIGURATION, Logs};

const FUNCTIONS: [&str; 3] = ["node_gather", "node_process", "node_scale"];
const CANARY: &str = "Zebra7-c4nary";

const TOPICS: [(&str, &str); 3] = [
    ("SNAPSHOT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:snapshots"),
    ("DECISION_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:decisions"),
    ("OUTCOME_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:outcomes"),
];

/// How a function ended that should not start, and its whole log.
async fn ended(test: &str, name: &'static str, variables: &[(&str, &str)]) -> (FunctionError, String) {
    let directory: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("start").join(test);
    let log = directory.join(format!("{name}.log"));
    drop(fs::remove_file(&log));
    let function = Function::start(name, 0, &FaultPlan::default()).await.unwrap();
    let binaries = stage::binaries().unwrap();
    let stage = Stage::start(&function, &binaries, &Logs::Directory(directory), variables).unwrap();
    let invoked = tokio::time::timeout(Duration::from_secs(20), function.invoke(&json!({}))).await;
    let error = invoked.unwrap().unwrap_err();
    stage.stop().await;
    (error, fs::read_to_string(log).unwrap())
}

/// The only line of a log, as JSON.
fn only_line(log: &str) -> Value {
    assert_eq!(log.lines().count(), 1, "{log}");
    serde_json::from_str(log).unwrap()
}

/// Configurations with the secret where something is wrong.
fn wrong_configurations() -> Vec<String> {
    let mesos = |line: &str| CONFIGURATION.replacen("[mesos]\n", &format!("[mesos]\n{line}\n"), 1);
    vec![
        mesos(&format!("credentials = \"{CANARY}\"")),
        mesos(&format!("credentials = \"reader:{CANARY}\"")),
        mesos(&format!("credentials = \"{CANARY}")),
        mesos(CANARY),
        mesos(&format!("{CANARY} = \"{CANARY}\"")),
        mesos(&format!("timeout = \"{CANARY}\"")),
        CONFIGURATION.replacen("http://", &format!("http://reader:{CANARY}@"), 1),
        CONFIGURATION.replacen("http://", &format!("http://reader:{CANARY}/"), 1),
        format!("{CONFIGURATION}\nattributes = {{ {CANARY} = [\"{CANARY}\"] }}"),
        format!("[[{CANARY}"),
    ]
}

#[tokio::test]
async fn a_configuration_that_is_not_valid_is_reported_without_a_secret() {
    for (number, configuration) in wrong_configurations().iter().enumerate() {
        for name in FUNCTIONS {
            let variables = [&TOPICS[..], &[("LAMBDA_SCALE_CONFIG", configuration)]].concat();
            let (error, log) = ended(&format!("wrong-{number}"), name, &variables).await;
            assert_eq!(error.error_type, "Configuration.NotValid", "{error}");
            assert!(error.message.starts_with("the configuration is not valid: "), "{error}");
            assert!(!log.contains(CANARY) && !error.to_string().contains(CANARY), "{error}\n{log}");
            let line = only_line(&log);
            assert_eq!((&line["level"], &line["error_type"]), (&json!("ERROR"), &json!("Configuration.NotValid")));
            assert_eq!(line["reason"], *error.message);
        }
    }
}

#[tokio::test]
async fn a_reference_that_leads_nowhere_is_reported_without_its_name() {
    let ssm = Ssm::start(&FaultPlan::default()).await.unwrap();
    let url = ssm.url();
    let drain = CONFIGURATION.replace("\"least_loaded\"", "\"drain\"");
    assert_ne!(drain, CONFIGURATION);
    for (number, line) in [
        format!("credentials = \"ssm:{CANARY}\""),
        format!("credentials = \"secretsmanager:{CANARY}\""),
        format!("credentials = \"env:{CANARY}\""),
        format!("ca_bundle = \"file:{CANARY}\""),
    ]
    .iter()
    .enumerate()
    {
        let configuration = drain.replacen("[mesos]\n", &format!("[mesos]\n{line}\n"), 1);
        for name in ["node_gather", "node_scale"] {
            let own = [("LAMBDA_SCALE_CONFIG", configuration.as_str()), ("AWS_ENDPOINT_URL", &url)];
            let (error, log) = ended(&format!("reference-{number}"), name, &[&TOPICS[..], &own].concat()).await;
            assert_eq!(error.error_type, "Reference.NotReadable", "{error}");
            assert!(!log.contains(CANARY) && !error.to_string().contains(CANARY), "{error}\n{log}");
            assert_eq!(only_line(&log)["error_type"], "Reference.NotReadable");
        }
    }
}

#[tokio::test]
async fn what_the_environment_lacks_is_reported_with_its_class() {
    let valid = ("LAMBDA_SCALE_CONFIG", CONFIGURATION);
    let dry_run = [&TOPICS[..], &[valid, ("LAMBDA_SCALE_DRY_RUN", CANARY)]].concat();
    let no_file = [&TOPICS[..], &[("LAMBDA_SCALE_CONFIG", "file:no-such-file.toml")]].concat();
    let none = TOPICS.to_vec();
    for (test, variables, class, text) in [
        ("dry-run", &dry_run, "Environment.NotValid", "LAMBDA_SCALE_DRY_RUN is neither true nor false"),
        ("no-file", &no_file, "Configuration.NotReadable", "cannot read the file no-such-file.toml"),
        ("none", &none, "Environment.Missing", "LAMBDA_SCALE_CONFIG is not set"),
    ] {
        for name in FUNCTIONS {
            let (error, log) = ended(test, name, variables).await;
            assert_eq!(error.error_type, class, "{error}");
            assert!(error.message.contains(text) && !log.contains(CANARY), "{error}\n{log}");
            assert_eq!(only_line(&log)["error_type"], class);
        }
    }
}
