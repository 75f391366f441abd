//! The part of an account and a cluster that `lambda-scale` uses: masters, Auto Scaling, and CloudWatch Logs.

pub(crate) mod recording;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use jiff::SignedDuration;
use serde_json::Value;
use testbed::autoscaling::{AutoScaling, Group};
use testbed::capture::captured;
use testbed::cloudwatch_logs::CloudWatchLogs;
use testbed::faults::FaultPlan;
use testbed::master::Master;
use testbed::secrets::{AWS_SECRET_KEY, AWS_SESSION_TOKEN, Secrets};
use testbed::{CAPTURE, now};
use tokio::process::Command;

/// The group of the configuration.
pub(crate) const GROUP: &str = "mesos-workers";
/// How many agents were captured.
pub(crate) const AGENTS: i32 = 60;

/// A captured cluster with its group, and another group.
pub(crate) struct Account {
    pub(crate) master: Master,
    pub(crate) auto_scaling: AutoScaling,
    pub(crate) logs: CloudWatchLogs,
    pub(crate) faults: FaultPlan,
    test: &'static str,
}

impl Account {
    pub(crate) async fn start(test: &'static str) -> Self {
        let (now, faults) = (now(), FaultPlan::default());
        let master = Master::start(captured(CAPTURE, now).unwrap(), &faults).await.unwrap();
        let mut group = Group::new(GROUP, 1, 100, &[]);
        let launched = now - SignedDuration::from_hours(24);
        master.cluster(|cluster| {
            for agent in cluster.agents() {
                group.adopt(agent.instance_id().unwrap(), agent.zone().unwrap(), launched);
            }
        });
        let auto_scaling = AutoScaling::start([group, Group::new("web-asg", 1, 5, &["a"])], &faults).await.unwrap();
        let logs = CloudWatchLogs::start(&faults).await.unwrap();
        Self { master, auto_scaling, logs, faults, test }
    }

    /// A configuration of one pool. `mesos` and `settings` are lines of their sections.
    pub(crate) fn config(&self, mesos: &str, attributes: &str, settings: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("account-{}.toml", self.test));
        let configuration = format!(
            "[mesos]\nmasters = [\"{}\"]\ntimeout = \"5s\"\n{mesos}\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\n\
             attributes = {{ {attributes} }}\n{settings}\n",
            self.master.url()
        );
        fs::write(&path, configuration).unwrap();
        path
    }

    /// The command with its environment, and no other.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        command.args(arguments);
        self.surround(command)
    }

    /// A shell script in the same environment, which ends at the first failure.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", script]);
        self.surround(command)
    }

    fn surround(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .envs([
                ("AWS_ENDPOINT_URL", self.auto_scaling.url()),
                ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", self.logs.url()),
            ])
            .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_REGION", "us-east-1")])
            .envs([("AWS_SECRET_ACCESS_KEY", AWS_SECRET_KEY), ("AWS_SESSION_TOKEN", AWS_SESSION_TOKEN)])
            .env("NO_PROXY", "*");
        command
    }

    pub(crate) fn writes(&self) -> usize {
        self.auto_scaling.writes().len()
    }

    pub(crate) fn desired(&self) -> i32 {
        self.auto_scaling.group(GROUP, |group| group.desired()).unwrap()
    }
}

/// The password at the masters, where a test gives one.
pub(crate) const MASTER_PASSWORD: &str = "c4nary/of+the=Master~%3";

/// The whole output, with single spaces. No command shows a secret that it was given.
pub(crate) fn told(output: &Output) -> String {
    let words = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    let secrets = Secrets::of_aws().with("the password", &format!("reader:{MASTER_PASSWORD}"));
    assert_eq!(secrets.find("the output", &words), None, "{words}");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The folder of a situation: a state and its configuration, in some a queue.
pub(crate) fn situation(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/situations").join(name)
}

/// The explanation of each pool, by `lambda-scale explain` on these files.
pub(crate) fn explain(files: &[(&str, &Path)], more: &[&str]) -> Vec<Value> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
    command.args(["explain", "--output", "json", "--now", "2026-11-22T16:00:00Z"]).args(more);
    for (option, path) in files {
        command.arg(option).arg(path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    json["pools"].as_array().unwrap().clone()
}
