//! Where a command finds the configuration: the option, the file here, the variable of the functions, a parameter, a stack.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Account, GROUP, told};
use serde_json::Value;
use testbed::account::{Account as Services, Function};
use testbed::ssm::Ssm;

const ATTRIBUTES: &str = r#"asg = "workers""#;

/// An empty directory of one test.
fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("found-{test}"));
    drop(fs::remove_dir_all(&path));
    fs::create_dir_all(&path).unwrap();
    path
}

#[tokio::test]
async fn every_command_finds_the_configuration_in_the_same_places() {
    let account = Account::start("found").await;
    let config = account.config("", ATTRIBUTES, "");
    let text = fs::read_to_string(&config).unwrap();
    let here = directory("here");
    let ssm = Ssm::start(&account.faults).await.unwrap();
    ssm.put("/lambda-scale/config", &text);
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures/1.11.0/30-big-60-agents/state.json");
    let explain = ["explain", "--state", state.to_str().unwrap()];
    let commands: [&[&str]; 5] = [&["check"], &explain, &["run"], &["status"], &["doctor"]];

    for arguments in commands {
        let run = async |more: &[&str], variable: Option<&str>| {
            let mut command = account.command(&[arguments, more].concat());
            command
                .current_dir(&here)
                .env("AWS_ENDPOINT_URL_SSM", ssm.url())
                .envs(variable.map(|value| ("LAMBDA_SCALE_CONFIG", value)));
            command.output().await.unwrap()
        };
        let output = run(&[], None).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains("no configuration; add --config FILE"), "{arguments:?}: {}", told(&output));
        for (more, variable) in [
            (&["--config", config.to_str().unwrap()][..], None),
            (&["--config", "ssm:/lambda-scale/config"], None),
            (&[], Some("ssm:/lambda-scale/config")),
            (&[], Some(config.to_str().unwrap())),
            (&[], Some(text.as_str())),
        ] {
            let output = run(more, variable).await;
            assert_eq!(output.status.code(), Some(0), "{arguments:?} {more:?}: {}", told(&output));
        }
        // The file here comes before the variable.
        fs::write(here.join("lambda-scale.toml"), "[mesos").unwrap();
        let output = run(&[], Some(text.as_str())).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        fs::write(here.join("lambda-scale.toml"), &text).unwrap();
        let output = run(&[], None).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", told(&output));
        fs::remove_file(here.join("lambda-scale.toml")).unwrap();
    }
    let mut command = account.command(&["status", "--config", "ssm:/nowhere"]);
    let output = command.env("AWS_ENDPOINT_URL_SSM", ssm.url()).output().await.unwrap();
    assert!(told(&output).contains("cannot read the parameter /nowhere (ParameterNotFound)"), "{}", told(&output));
}

#[tokio::test]
async fn status_of_a_stack_needs_no_configuration() {
    let account = Account::start("stack").await;
    let services = Services::start(&account.faults).await.unwrap();
    let text = fs::read_to_string(account.config("", ATTRIBUTES, "")).unwrap();
    for stage in ["node_gather", "node_process", "node_scale"] {
        let variables = [("LAMBDA_SCALE_CONFIG".to_owned(), text.clone())].into();
        services.create_function(&format!("staging-{stage}"), Function { role: stage.to_owned(), variables });
    }
    let mut command = account.command(&["status", "--stack", "staging", "--output", "json"]);
    for service in ["CLOUDFORMATION", "LAMBDA"] {
        command.env(format!("AWS_ENDPOINT_URL_{service}"), services.url());
    }
    let output = command.current_dir(directory("stack")).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&all[0]["pool"], &all[0]["group"]), (&"workers".into(), &GROUP.into()));
    assert!(
        all[0]["no_outcome"].as_str().unwrap().contains("/aws/lambda/staging/node_scale"),
        "{}",
        all[0]["no_outcome"]
    );
}
