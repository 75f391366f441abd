//! `lambda-scale doctor`: the real binary, against the test bed with every problem that it knows, and against moto.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::support::{Account, GROUP, told};
use jiff::SignedDuration;
use serde_json::Value;
use testbed::account::{Account as Services, Function};
use testbed::autoscaling::access_denied;
use testbed::faults::Mode;
use testbed::marathon::Marathon;
use testbed::moto::Moto;
use testbed::{AwsError, now};
use tokio::process::Command;

const ATTRIBUTES: &str = r#"asg = "workers""#;
const STACK: &str = "lambda-scale";
const STAGES: [&str; 3] = ["node_gather", "node_process", "node_scale"];

/// An account with a deployment, and the command in it.
struct Patient {
    account: Account,
    services: Services,
    config: PathBuf,
}

impl Patient {
    async fn new(test: &'static str, settings: &str) -> Self {
        let account = Account::start(test).await;
        let services = Services::start(&account.faults).await.unwrap();
        let config = account.config("", ATTRIBUTES, settings);
        let patient = Self { account, services, config };
        let outputs: Vec<(String, String)> = ["NodeGather", "NodeProcess", "NodeScale"]
            .iter()
            .zip(STAGES)
            .map(|(logical, stage)| (format!("{logical}Function"), format!("{STACK}-{stage}-1A2B")))
            .collect();
        let outputs: Vec<(&str, &str)> = outputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        patient.services.create_stack(STACK, &outputs);
        let configuration = fs::read_to_string(&patient.config).unwrap();
        for stage in STAGES {
            patient.deploy(stage, &configuration);
        }
        patient
    }

    fn deploy(&self, stage: &str, configuration: &str) {
        let topic = |name: &str| format!("arn:aws:sns:us-east-1:123456789012:{name}");
        let variables = [
            ("LAMBDA_SCALE_CONFIG", configuration.to_owned()),
            ("LAMBDA_SCALE_DRY_RUN", "true".to_owned()),
            ("SNAPSHOT_TOPIC_ARN", topic("snapshots")),
            ("DECISION_TOPIC_ARN", topic("decisions")),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.services.create_function(&format!("{STACK}-{stage}-1A2B"), Function { role: stage.to_owned(), variables });
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.account.command(&[&["doctor"], arguments].concat());
        for service in ["STS", "IAM", "CLOUDFORMATION", "LAMBDA"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), self.services.url());
        }
        command
    }

    async fn doctor(&self, more: &[&str]) -> Output {
        self.command(&["--config"]).arg(&self.config).args(more).output().await.unwrap()
    }

    /// Asserts that exactly these findings are no "ok": parts of their texts, with their level.
    async fn finds(&self, expected: &[(&str, &str)], more: &[&str]) {
        let output = self.doctor(&[&["--output", "json"], more].concat()).await;
        let found: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(&output)));
        let findings =
            found["sections"].as_array().unwrap().iter().flat_map(|section| section["findings"].as_array().unwrap());
        let others: Vec<(&str, &str)> = findings
            .map(|finding| (finding["level"].as_str().unwrap(), finding["text"].as_str().unwrap()))
            .filter(|(level, _)| *level != "ok")
            .collect();
        let fits = |(found, wanted): (&(&str, &str), &(&str, &str))| found.0 == wanted.0 && found.1.contains(wanted.1);
        assert!(
            others.len() == expected.len() && others.iter().zip(expected).all(fits),
            "{others:#?}\nexpected {expected:#?}"
        );
        let has_problem = expected.iter().any(|(level, _)| *level == "problem");
        assert_eq!(output.status.code(), Some(i32::from(has_problem)), "{}", told(&output));
        assert_eq!(found["ok"], !has_problem);
        assert_eq!(self.account.writes(), 0, "a doctor changes nothing");
    }

    fn group(&self, act: impl FnOnce(&mut testbed::autoscaling::Group)) {
        self.account.auto_scaling.group(GROUP, act).unwrap();
    }
}

#[tokio::test]
async fn a_healthy_cluster_has_no_problem() {
    let patient = Patient::new("healthy", "").await;
    patient.group(|group| group.suspended.extend(["AZRebalance".to_owned()]));
    patient.finds(&[], &["--stack", STACK]).await;
    let output = patient.doctor(&["--stack", STACK]).await;
    let words = told(&output);
    for wanted in [
        "valid: 1 pool",
        "arn:aws:iam::123456789012:user/operator in us-east-1",
        "the clock agrees with that of AWS",
        "leads; its /state has",
        "60 agents, 60 usable",
        "60 instances of the group matched to agents",
        "decision: scale_down, -6, to 54 agents",
        "desired 60, min 1, max 100; 60 instances",
        "node_scale may do what it needs",
        "0 problems, 0 warnings",
    ] {
        assert!(words.contains(wanted), "{wanted:?} is not in {words}");
    }
    // The settings of the stack need no file.
    let output = patient.command(&["--stack", STACK]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("configuration of the stack lambda-scale"), "{}", told(&output));
    assert!(told(&output).contains("a dry run"), "{}", told(&output));
}

#[tokio::test]
async fn what_is_wrong_with_the_account_is_found() {
    let patient = Patient::new("account", "").await;
    patient.group(|group| group.suspended.extend(["AZRebalance".to_owned()]));
    let mut command = patient.command(&["--output", "json", "--config"]);
    command
        .arg(&patient.config)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", "/nowhere");
    let output = command.output().await.unwrap();
    let words = told(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("no AWS credentials; set AWS_PROFILE"), "{words}");
    assert!(words.contains("60 agents, 60 usable"), "the masters are shown: {words}");

    for action in ["DescribeScalingActivities", "DescribeInstanceRefreshes"] {
        patient.account.faults.refuse(action, access_denied(action), 1);
        patient.finds(&[("problem", &format!("autoscaling:{action}"))], &[]).await;
    }
    for (action, what) in
        [("DescribePolicies", "other scaling policies"), ("DescribeScheduledActions", "scheduled actions")]
    {
        patient.account.faults.refuse(action, access_denied(action), 1);
        patient.finds(&[("warning", &format!("{what} are not known: {action} failed (AccessDenied)"))], &[]).await;
    }
    patient.account.faults.refuse("GetCallerIdentity", AwsError::new(403, "AccessDenied", "no"), 1);
    patient.finds(&[("warning", "cannot ask who calls (sts:GetCallerIdentity)")], &[]).await;
    patient.account.faults.change(|faults| faults.date_ahead_seconds = Some(-300));
    patient.finds(&[("warning", "ahead of that of AWS; set it")], &[]).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_masters_is_found() {
    let patient = Patient::new("masters", "").await;
    patient.group(|group| group.suspended.extend(["AZRebalance".to_owned()]));
    patient.account.faults.master(Mode::NoLeader);
    patient.finds(&[("problem", "no leading master")], &[]).await;
    patient.account.faults.master(Mode::Leading);
    let configuration = fs::read_to_string(&patient.config).unwrap();
    let master = patient.account.master.url();
    let two = configuration.replace(&format!("[\"{master}\"]"), &format!("[\"{master}\", \"http://127.0.0.1:1\"]"));
    fs::write(&patient.config, &two).unwrap();
    patient.finds(&[("warning", "the master 127.0.0.1:1 does not answer (")], &[]).await;

    let marathon = Marathon::start(patient.account.master.shared_cluster(), &patient.account.faults).await.unwrap();
    let with_marathon =
        |url: &str| configuration.replace("[[pools]]", &format!("[marathon]\nurl = \"{url}\"\n[[pools]]"));
    fs::write(&patient.config, with_marathon(&marathon.url())).unwrap();
    // With the queue, and masters that can close agents, a pool could learn.
    let advice = "the pool could learn its headroom, instead of 10% for every application: set learn = 95";
    patient.finds(&[("advice", advice)], &[]).await;
    fs::write(&patient.config, format!("{}\nlearn = 95\n", with_marathon(&marathon.url()))).unwrap();
    patient.finds(&[], &[]).await;
    fs::write(&patient.config, with_marathon("http://127.0.0.1:1")).unwrap();
    let output = patient.doctor(&[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("until it is known, no agent is removed"), "{}", told(&output));
    fs::write(&patient.config, configuration.replace("[mesos]", "[mesos]\ncredentials = \"env:NOT_SET\"")).unwrap();
    patient.finds(&[("problem", "cannot read the env: reference of mesos.credentials")], &[]).await;

    // A cluster in the future.
    fs::write(&patient.config, &configuration).unwrap();
    patient.account.master.cluster(|cluster| cluster.master.elected_at = now() + SignedDuration::from_mins(5));
    let output = patient.doctor(&[]).await;
    assert!(told(&output).contains("the clock of the cluster is "), "{}", told(&output));
}

#[tokio::test]
async fn what_is_wrong_with_the_group_is_found() {
    let patient = Patient::new("group", "min = 1\nmax = 200").await;
    patient.group(|group| {
        group.suspended.extend(["AZRebalance".to_owned(), "Launch".to_owned(), "Terminate".to_owned()]);
        group.tags.insert("lambda-scale/pause-until".to_owned(), "forever".to_owned());
        for number in 0..45 {
            group.tags.insert(format!("team-{number}"), "a".to_owned());
        }
    });
    patient.account.auto_scaling.add_policy(GROUP, "cpu-65");
    patient.account.auto_scaling.add_scheduled_action(GROUP, "nights");
    patient.account.auto_scaling.add_warm_pool(GROUP);
    patient
        .finds(
            &[
                ("problem", "the process Launch is suspended; aws autoscaling resume-processes"),
                ("problem", "the process Terminate is suspended"),
                ("warning", "the group has a warm pool"),
                ("warning", "max = 200 is above the group's maximum of 100"),
                ("problem", "the scaling policy cpu-65 changes the desired capacity, too"),
                ("warning", "the scheduled action nights changes the group, too"),
                ("warning", "paused until forever; `lambda-scale resume` ends it"),
                ("warning", "the group has 47 of at most 50 tags"),
            ],
            &[],
        )
        .await;
}

#[tokio::test]
async fn what_is_wrong_with_the_pool_is_found() {
    let settings = "min = 150\nscale_down_strategy = \"desired_capacity\"\napplications.\"/shop/ap00\".application_headroom_percent = 20";
    let patient = Patient::new("pool", settings).await;
    patient.group(|group| {
        group.protects_new = true;
        group.adopt("i-0never", "us-east-1b", now() - SignedDuration::from_hours(2));
    });
    let output = patient.doctor(&[]).await;
    let words = told(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    for wanted in [
        "AZRebalance may end instances with tasks; aws autoscaling suspend-processes",
        "new instances are protected from scale-in, so scale_down_strategy = \"desired_capacity\" removes none",
        "min = 150 is above the group's maximum of 100; lower min or raise the maximum",
        "names \"/shop/ap00\", but no task or queued instance has that name; did you mean \"/shop/app00\"?",
        "i-0never",
    ] {
        assert!(words.contains(wanted), "{wanted:?} is not in {words}");
    }
    // Agents of other attributes, and a group of another name.
    let configuration = fs::read_to_string(&patient.config).unwrap();
    fs::write(&patient.config, configuration.replace("asg = \"workers\"", "asg = \"worker\"")).unwrap();
    let output = patient.doctor(&[]).await;
    assert!(
        told(&output).contains("no registered agent has asg = worker; 60 agents match no pool"),
        "{}",
        told(&output)
    );
    assert_eq!(output.status.code(), Some(1));
    fs::write(&patient.config, configuration.replace(GROUP, "mesos-worker")).unwrap();
    let output = patient.doctor(&[]).await;
    assert!(told(&output).contains("did you mean mesos-workers?"), "{}", told(&output));
    // Too few instances for the agents.
    fs::write(&patient.config, configuration.replace(GROUP, "web-asg")).unwrap();
    let output = patient.doctor(&[]).await;
    assert!(
        told(&output).contains("60 agents are registered, and web-asg has 0 instances in service; check"),
        "{}",
        told(&output)
    );
}

#[tokio::test]
async fn what_the_functions_may_not_do_is_found() {
    let patient = Patient::new("roles", "").await;
    patient.group(|group| group.suspended.extend(["AZRebalance".to_owned()]));
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    patient.services.deny(&role("node_scale"), "autoscaling:SetDesiredCapacity");
    patient.services.deny(&role("node_gather"), "ec2:DescribeInstances");
    let expected = [
        (
            "problem",
            "node_gather may not ec2:DescribeInstances on *; allow it to the role arn:aws:iam::123456789012:role/node_gather",
        ),
        (
            "problem",
            "node_scale may not autoscaling:SetDesiredCapacity on arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:",
        ),
    ];
    patient.finds(&expected, &["--stack", STACK]).await;

    patient.account.faults.refuse("SimulatePrincipalPolicy", AwsError::new(403, "AccessDenied", "no"), 3);
    let unknown = "may do is not known: you need the permission iam:SimulatePrincipalPolicy";
    patient.finds(&[("warning", unknown); 3], &["--stack", STACK]).await;

    let configuration = fs::read_to_string(&patient.config).unwrap();
    patient.deploy("node_process", &format!("{configuration}\nmax = 7\n"));
    let output = patient.doctor(&["--stack", STACK]).await;
    assert!(told(&output).contains("the three functions have different settings"), "{}", told(&output));
    fs::write(&patient.config, format!("{configuration}\nmax = 9\n")).unwrap();
    let output = patient.doctor(&["--stack", STACK]).await;
    assert!(told(&output).contains("the functions of the stack have other settings"), "{}", told(&output));

    let output = patient.doctor(&["--stack", "lambda-sclae"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("there is no stack \"lambda-sclae\""), "{}", told(&output));
    let output = patient.command(&[]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
}

#[tokio::test]
async fn old_masters_that_cannot_drain_are_found() {
    let patient = Patient::new("old", "scale_down_strategy = \"drain\"").await;
    patient.account.master.cluster(|cluster| cluster.master.version = "1.4.3".to_owned());
    let output = patient.doctor(&[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("Mesos 1.4.3 cannot drain agents"), "{}", told(&output));
}

#[tokio::test]
async fn moto_takes_the_calls() {
    let Some(moto) = Moto::start().await.unwrap() else { return };
    let account = Account::start("doctor-moto").await;
    let config = account.config("", ATTRIBUTES, "");
    moto.create_group(GROUP, 3).await.unwrap();
    let mut command = account.command(&["doctor", "--config"]);
    command.arg(&config).env("AWS_ENDPOINT_URL", moto.url());
    let output = command.output().await.unwrap();
    let words = told(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    for wanted in [
        "arn:aws:sts::123456789012:user/moto in us-east-1",
        "60 agents, 60 usable",
        "and mesos-workers has 3 instances in service",
        // moto has no instance refreshes.
        "DescribeInstanceRefreshes failed",
    ] {
        assert!(words.contains(wanted), "{wanted:?} is not in {words}");
    }
}
