//! `lambda-scale run`: the real binary, against the local master and Auto Scaling.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::{AGENTS, Account, GROUP, told};
use serde_json::Value;
use testbed::autoscaling::access_denied;
use testbed::faults::Mode;
use tokio::process::Command;

/// More than 35 % of the cpus are used.
const FULL: &str = "scale_up_threshold_percent = 35\nscale_down_threshold_percent = 20\nnew_agent = { cpus = 4, mem = 14000 }\n\
                    headroom_placement = \"sum\"";

/// The parameter with the masters' credentials.
const CREDENTIALS: &str = "credentials = \"env:MESOS_CREDENTIALS\"";

async fn run(account: &Account, config: &Path, more: &[&str]) -> Output {
    account.command(&["run", "--config"]).arg(config).args(more).output().await.unwrap()
}

#[tokio::test]
async fn a_run_changes_nothing_without_apply() {
    let account = Account::start("apply").await;
    let config = account.config("", r#"asg = "workers""#, FULL);
    let output = run(&account, &config, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("dry run: would "), "{}", told(&output));
    assert!(told(&output).contains("desired capacity 60 -> 66"), "{}", told(&output));
    assert_eq!((account.writes(), account.desired()), (0, AGENTS));

    let output = run(&account, &config, &["--apply", "--once", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["outcome"]["action"], "scaled_up");
    assert_eq!(line["decision"]["delta"], 6);
    assert_eq!(line["snapshot"]["agents"]["registered"], 60);
    assert_eq!(account.desired(), AGENTS + 6);

    // The added instances are in flight: a second run adds nothing.
    let output = run(&account, &config, &["--apply"]).await;
    assert!(told(&output).contains("in flight"), "{}", told(&output));
    assert_eq!(account.desired(), AGENTS + 6);
}

#[tokio::test]
async fn a_dry_configuration_stays_dry() {
    let account = Account::start("dry").await;
    let config = account.config("", r#"asg = "workers""#, FULL);
    let configuration = format!("dry_run = true\n{}", fs::read_to_string(&config).unwrap());
    fs::write(&config, configuration).unwrap();
    let output = run(&account, &config, &["--apply"]).await;
    assert!(told(&output).contains("dry run: would "), "{}", told(&output));
    assert_eq!(account.writes(), 0);
}

#[tokio::test]
async fn an_unknown_group_is_an_error_with_suggestions() {
    let account = Account::start("group").await;
    let config = account.config("", r#"asg = "workers""#, "");
    let configuration = fs::read_to_string(&config).unwrap();
    fs::write(&config, configuration.replace(GROUP, "mesos-worker")).unwrap();
    let output = run(&account, &config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("no Auto Scaling group \"mesos-worker\" in us-east-1; did you mean mesos-workers?"));
    fs::write(&config, configuration.replace(GROUP, "zzz")).unwrap();
    let output = run(&account, &config, &[]).await;
    assert!(told(&output).contains("the region has 2 other groups; check the name"), "{}", told(&output));
    assert_eq!(account.master.call_count(), 0, "the masters need not be asked");
}

#[tokio::test]
async fn a_missing_permission_is_an_error_with_its_action() {
    let account = Account::start("permission").await;
    let config = account.config("", r#"asg = "workers""#, FULL);
    account.faults.refuse("SetDesiredCapacity", access_denied("SetDesiredCapacity"), 1);
    let output = run(&account, &config, &["--apply"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("autoscaling:SetDesiredCapacity"), "{}", told(&output));
    account.faults.refuse("DescribeAutoScalingGroups", access_denied("DescribeAutoScalingGroups"), 1);
    let output = run(&account, &config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("autoscaling:DescribeAutoScalingGroups"), "{}", told(&output));
}

#[tokio::test]
async fn a_pool_without_agents_is_printed_with_existing_attributes() {
    let account = Account::start("attributes").await;
    let config = account.config("", r#"asg = "worker""#, "");
    let output = run(&account, &config, &[]).await;
    let told = told(&output);
    assert!(told.contains("no registered agent has asg = worker; 60 agents match no pool"), "{told}");
    assert!(told.contains("asg = workers"), "{told}");
}

#[tokio::test]
async fn agents_of_other_attributes_are_not_scaled_without_yes() {
    let account = Account::start("doubt").await;
    let config = account.config("", r#"asg = "worker""#, "min = 70");
    let output = run(&account, &config, &["--apply"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let reason = "no registered agent has asg = worker, and mesos-workers has 60 instances in service; check group and attributes";
    assert!(told(&output).contains(reason), "{}", told(&output));
    assert_eq!(account.writes(), 0);
    // Not for ever in the background, either.
    let output = run(&account, &config, &["--apply", "--every", "1s"]).await;
    assert_eq!((output.status.code(), account.writes()), (Some(2), 0), "{}", told(&output));
    // A dry run shows what is wrong; --yes says that it is not.
    let output = run(&account, &config, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let output = run(&account, &config, &["--apply", "--yes"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let output = run(&account, &config, &["--yes"]).await;
    assert_eq!(output.status.code(), Some(2), "--yes without --apply: {}", told(&output));
}

#[tokio::test]
async fn a_group_of_another_size_is_not_scaled_without_yes() {
    let account = Account::start("size").await;
    let config = account.config("", r#"asg = "workers""#, FULL);
    let configuration = fs::read_to_string(&config).unwrap();
    fs::write(&config, configuration.replace(GROUP, "web-asg")).unwrap();
    let output = run(&account, &config, &["--apply"]).await;
    assert_eq!((output.status.code(), account.writes()), (Some(2), 0), "{}", told(&output));
    let reason = "pool \"workers\": 60 agents are registered, and web-asg has 0 instances in service";
    assert!(told(&output).contains(reason), "{}", told(&output));
    let output = run(&account, &config, &["--apply", "--yes"]).await;
    assert_ne!(output.status.code(), Some(2), "{}", told(&output));
}

#[tokio::test]
async fn unreachable_and_refusing_masters_are_errors() {
    let account = Account::start("masters").await;
    let config = account.config("", r#"asg = "workers""#, "");
    account.faults.master(Mode::NoLeader);
    let output = run(&account, &config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains(&account.master.address()), "{}", told(&output));
    assert!(told(&output).contains("no leading master"), "{}", told(&output));
    let configuration = fs::read_to_string(&config).unwrap();
    fs::write(&config, configuration.replace(&account.master.address(), "127.0.0.1:1")).unwrap();
    let output = run(&account, &config, &[]).await;
    assert!(told(&output).contains("127.0.0.1:1") && told(&output).contains("cannot connect"), "{}", told(&output));
    assert_eq!(account.writes(), 0);
}

#[tokio::test]
async fn missing_and_refused_credentials_are_errors() {
    let account = Account::start("credentials").await;
    account.faults.change(|faults| faults.master_credentials = Some("lambda-scale:secret".to_owned()));
    for (mesos, secret, wanted) in [
        ("", "", Some("the master requires credentials (401); set mesos.credentials")),
        (
            CREDENTIALS,
            "lambda-scale:wrong",
            Some("the master refuses the credentials (401); check what mesos.credentials refers to"),
        ),
        (
            CREDENTIALS,
            "",
            Some("cannot read the env: reference of mesos.credentials: the environment variable is not set"),
        ),
        (CREDENTIALS, "lambda-scale:secret", None),
    ] {
        let config = account.config(mesos, r#"asg = "workers""#, "");
        let mut command = account.command(&["run", "--config"]);
        let output = command.arg(config).env("MESOS_CREDENTIALS", secret).output().await.unwrap();
        let told = told(&output);
        assert_eq!(output.status.code(), Some(i32::from(wanted.is_some())), "{told}");
        assert!(told.contains(wanted.unwrap_or("60 agents, all usable")), "{told}");
        assert!(!told.contains("secret") && !told.contains("wrong"), "{told}");
    }
    assert_eq!(account.writes(), 0);
}

#[tokio::test]
async fn a_missing_region_and_an_invalid_configuration_are_errors() {
    let account = Account::start("call").await;
    let config = account.config("", r#"asg = "workers""#, "min = \"two\"");
    assert_eq!(run(&account, &config, &[]).await.status.code(), Some(2));
    assert_eq!(run(&account, &config, &["--every", "1ms"]).await.status.code(), Some(2));
    let config = account.config("", r#"asg = "workers""#, "");
    let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["run", "--config"])
        .arg(&config)
        .env_clear()
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere")])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("no AWS credentials; set AWS_PROFILE"), "{}", told(&output));
}

#[cfg(unix)]
#[tokio::test]
async fn with_every_it_repeats_until_it_is_interrupted() {
    let account = Account::start("every").await;
    let config = account.config("", r#"asg = "workers""#, FULL);
    let mut child = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["run", "--every", "1s", "--config"])
        .arg(&config)
        .env_clear()
        .envs([("AWS_ENDPOINT_URL", account.auto_scaling.url()), ("AWS_REGION", "us-east-1".to_owned())])
        .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local"), ("NO_PROXY", "*")])
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while account.master.call_count() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}
