//! `lambda-scale run`: the real binary, against the local master and Auto Scaling.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use lambda_scale::local::CAPTURE;
use lambda_scale::local::autoscaling::{AutoScaling, Group, access_denied};
use lambda_scale::local::cluster::Cluster;
use lambda_scale::local::master::{Master, Mode};
use serde_json::Value;
use support::{AGENTS, GROUP};
use tokio::process::Command;

/// More than 35 % of the cpus are used.
const FULL: &str = "scale_up_threshold_percent = 35\nscale_down_threshold_percent = 20\nnew_agent = { cpus = 4, mem = 14000 }\n\
                    headroom_placement = \"sum\"";

struct World {
    master: Master,
    auto_scaling: AutoScaling,
    test: &'static str,
}

impl World {
    async fn start(test: &'static str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the cluster lives in the present")]
        let now = jiff::Timestamp::now();
        let master = Master::start(Cluster::from_capture(CAPTURE, now).unwrap()).await.unwrap();
        let mut group = Group::new(GROUP, 1, 100, &[]);
        let launched = now - jiff::SignedDuration::from_hours(24);
        for machine in master.cluster(|cluster| cluster.machines()) {
            group.adopt(&machine.instance, &machine.zone, launched);
        }
        let auto_scaling = AutoScaling::start([group, Group::new("web-asg", 1, 5, &["a"])]).await.unwrap();
        Self { master, auto_scaling, test }
    }

    fn config(&self, attributes: &str, settings: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{}.toml", self.test));
        let document = format!(
            "[mesos]\nmasters = [\"{}\"]\ntimeout = \"5s\"\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\n\
             attributes = {{ {attributes} }}\n{settings}\n",
            self.master.url()
        );
        fs::write(&path, document).unwrap();
        path
    }

    async fn run(&self, config: &Path, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
            .args(["run", "--config"])
            .arg(config)
            .args(more)
            .env_clear()
            .envs([("AWS_ENDPOINT_URL", self.auto_scaling.url()), ("AWS_REGION", "us-east-1".to_owned())])
            .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local"), ("NO_PROXY", "*")])
            .output()
            .await
            .unwrap()
    }

    fn writes(&self) -> usize {
        self.auto_scaling.calls().iter().filter(|call| call.is_mutating()).count()
    }

    fn desired(&self) -> i32 {
        self.auto_scaling.group(GROUP, |group| group.desired()).unwrap()
    }
}

fn told(output: &Output) -> String {
    let words = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_run_changes_nothing_until_it_is_let() {
    let world = World::start("apply").await;
    let config = world.config(r#"asg = "workers""#, FULL);
    let output = world.run(&config, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("dry run; else: "), "{}", told(&output));
    assert!(told(&output).contains("desired capacity 60 -> 66"), "{}", told(&output));
    assert_eq!((world.writes(), world.desired()), (0, AGENTS));

    let output = world.run(&config, &["--apply", "--once", "--output", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["outcome"]["action"], "scaled_up");
    assert_eq!(line["decision"]["delta"], 6);
    assert_eq!(line["snapshot"]["agents"]["registered"], 60);
    assert_eq!(world.desired(), AGENTS + 6);

    // What was asked for is coming: the same look again adds nothing.
    let output = world.run(&config, &["--apply"]).await;
    assert!(told(&output).contains("coming"), "{}", told(&output));
    assert_eq!(world.desired(), AGENTS + 6);
}

#[tokio::test]
async fn a_dry_configuration_stays_dry() {
    let world = World::start("dry").await;
    let config = world.config(r#"asg = "workers""#, FULL);
    let document = format!("dry_run = true\n{}", fs::read_to_string(&config).unwrap());
    fs::write(&config, document).unwrap();
    let output = world.run(&config, &["--apply"]).await;
    assert!(told(&output).contains("dry run; else: "), "{}", told(&output));
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn a_wrong_group_is_told_with_those_that_may_be_meant() {
    let world = World::start("group").await;
    let config = world.config(r#"asg = "workers""#, "");
    let document = fs::read_to_string(&config).unwrap();
    fs::write(&config, document.replace(GROUP, "mesos-worker")).unwrap();
    let output = world.run(&config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("no Auto Scaling group \"mesos-worker\" in us-east-1; did you mean mesos-workers?"));
    fs::write(&config, document.replace(GROUP, "zzz")).unwrap();
    let output = world.run(&config, &[]).await;
    assert!(told(&output).contains("there are 2 others; is the region right"), "{}", told(&output));
    assert_eq!(world.master.request_count(), 0, "the masters need not be asked");
}

#[tokio::test]
async fn a_missing_permission_is_told_with_its_action() {
    let world = World::start("permission").await;
    let config = world.config(r#"asg = "workers""#, FULL);
    world.auto_scaling.fail_next("SetDesiredCapacity", access_denied("SetDesiredCapacity"), 1);
    let output = world.run(&config, &["--apply"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("autoscaling:SetDesiredCapacity"), "{}", told(&output));
    world.auto_scaling.fail_next("DescribeAutoScalingGroups", access_denied("DescribeAutoScalingGroups"), 1);
    let output = world.run(&config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("autoscaling:DescribeAutoScalingGroups"), "{}", told(&output));
}

#[tokio::test]
async fn a_pool_without_agents_is_told_with_the_attributes_that_there_are() {
    let world = World::start("attributes").await;
    let config = world.config(r#"asg = "worker""#, "");
    let output = world.run(&config, &[]).await;
    let told = told(&output);
    assert!(told.contains("no registered agent has asg = worker; 60 agents are of no pool"), "{told}");
    assert!(told.contains("asg = workers"), "{told}");
}

#[tokio::test]
async fn masters_that_cannot_be_reached_or_refuse_are_told() {
    let world = World::start("masters").await;
    let config = world.config(r#"asg = "workers""#, "");
    world.master.set_mode(Mode::NoLeader);
    let output = world.run(&config, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains(&world.master.address()), "{}", told(&output));
    assert!(told(&output).contains("it knows of no leader"), "{}", told(&output));
    let document = fs::read_to_string(&config).unwrap();
    fs::write(&config, document.replace(&world.master.address(), "127.0.0.1:1")).unwrap();
    let output = world.run(&config, &[]).await;
    assert!(told(&output).contains("127.0.0.1:1") && told(&output).contains("cannot connect"), "{}", told(&output));
    assert_eq!(world.writes(), 0);
}

#[tokio::test]
async fn a_missing_region_and_a_wrong_configuration_are_told() {
    let world = World::start("call").await;
    let config = world.config(r#"asg = "workers""#, "min = \"two\"");
    assert_eq!(world.run(&config, &[]).await.status.code(), Some(2));
    assert_eq!(world.run(&config, &["--every", "1ms"]).await.status.code(), Some(2));
    let config = world.config(r#"asg = "workers""#, "");
    let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["run", "--config"])
        .arg(&config)
        .env_clear()
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere")])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("set AWS_REGION"), "{}", told(&output));
}

#[cfg(unix)]
#[tokio::test]
async fn it_looks_again_and_again_until_it_is_interrupted() {
    let world = World::start("every").await;
    let config = world.config(r#"asg = "workers""#, FULL);
    let mut child = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["run", "--every", "1s", "--config"])
        .arg(&config)
        .env_clear()
        .envs([("AWS_ENDPOINT_URL", world.auto_scaling.url()), ("AWS_REGION", "us-east-1".to_owned())])
        .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local"), ("NO_PROXY", "*")])
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while world.master.request_count() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}
