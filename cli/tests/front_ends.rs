//! Every check, source, and strategy through every command that decides: the same pool is decided on by all of them, or by none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::recording::{decision, directory, envelope, snapshot};
use crate::support::{AGENTS, Account, GROUP, told};
use serde_json::Value;
use testbed::cloudwatch::{CloudWatch, Utilization};

/// The values of `check`, of the source's settings, and of `scale_down_strategy`.
const CHECKS: [&str; 2] = ["standard", "custom"];
const SOURCES: [&str; 3] = ["mesos", "mesos and cpu", "cloudwatch"];
const STRATEGIES: [&str; 3] = ["least_loaded", "drain", "desired_capacity"];

/// One combination.
#[derive(Clone, Copy, Debug)]
struct Kind {
    check: &'static str,
    source: &'static str,
    strategy: &'static str,
}

impl Kind {
    fn all() -> impl Iterator<Item = Self> {
        CHECKS.into_iter().flat_map(|check| {
            SOURCES
                .into_iter()
                .flat_map(move |source| STRATEGIES.into_iter().map(move |strategy| Self { check, source, strategy }))
        })
    }

    /// A pool without agents that could be chosen has no strategy that chooses one.
    fn is_valid(self) -> bool {
        self.source != "cloudwatch" || self.strategy == "desired_capacity"
    }

    fn is_decided(self) -> bool {
        self.check == "standard"
    }

    /// A pool that is nearly full by each rule.
    fn config(self, master: &str) -> PathBuf {
        let Self { check, source, strategy } = self;
        let allocation = "scale_up_threshold_percent = 35\nscale_down_threshold_percent = 20\nheadroom_placement = \"sum\"\n\
                          new_agent = { cpus = 4, mem = 14000 }\nattributes = { asg = \"workers\" }";
        let source = match source {
            "mesos" => allocation.to_owned(),
            "mesos and cpu" => format!("{allocation}\ncpu_utilization = true"),
            _ => "source = \"cloudwatch\"".to_owned(),
        };
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "front-ends-{}.toml",
            format!("{self:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "-")
        ));
        let mesos =
            if self.source == "cloudwatch" { String::new() } else { format!("[mesos]\nmasters = [\"{master}\"]\n") };
        let configuration = format!(
            "{mesos}[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\ncheck = \"{check}\"\n\
             scale_down_strategy = \"{strategy}\"\n{source}\n"
        );
        fs::write(&path, configuration).unwrap();
        path
    }
}

/// The JSON of a command.
fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(output)))
}

/// Asserts that a command's form of a pool has a decision to scale up, or none because of its custom check.
fn assert_decided(kind: Kind, form: &Value, decision: &str) {
    if kind.is_decided() {
        assert_eq!(form["decision"]["state"], decision, "{kind:?}: {form:#}");
        assert_eq!(form.get("undecided"), None, "{kind:?}");
    } else {
        assert_eq!(form["decision"], Value::Null, "{kind:?}: {form:#}");
        let undecided = form["undecided"].as_str().unwrap();
        assert!(undecided.contains("custom check"), "{kind:?}: {undecided}");
    }
}

#[tokio::test]
async fn every_front_end_leaves_a_pool_to_its_custom_check() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures/1.11.0/30-big-60-agents/state.json");
    let recorded = directory("front-ends");
    let seen = snapshot("workers", 18, 0);
    let lines = [envelope(&seen), envelope(&decision(&seen, ""))].join("\n");
    fs::write(recorded.join("a"), lines).unwrap();
    let trace = directory("front-ends-trace").join("trace.csv");
    fs::write(&trace, "minute,application,instances,cpus,mem\n0,/shop/web,6,1,1000\n30,/shop/web,9,1,1000\n").unwrap();

    let mut count = 0;
    for kind in Kind::all() {
        let account = Account::start("front-ends").await;
        let cloudwatch = CloudWatch::start(&account.faults).await.unwrap();
        cloudwatch.set(GROUP, Utilization::Percent(95.0));
        let config = kind.config(&account.master.url());
        let call = async |arguments: &[&str]| {
            let mut command = account.command(arguments);
            command.arg("--config").arg(&config).env("AWS_ENDPOINT_URL_CLOUDWATCH", cloudwatch.url());
            command.output().await.unwrap()
        };
        let checked = account.command(&["check"]).arg(&config).output().await.unwrap();
        assert_eq!(checked.status.success(), kind.is_valid(), "{kind:?}: {}", told(&checked));
        let run = call(&["run", "--apply", "--output", "json"]).await;
        if !kind.is_valid() {
            assert_eq!((run.status.code(), account.writes()), (Some(2), 0), "{kind:?}: {}", told(&run));
            continue;
        }
        count += 1;
        assert_eq!(told(&checked).contains("custom check"), !kind.is_decided(), "{kind:?}: {}", told(&checked));

        assert_eq!(run.status.code(), Some(0), "{kind:?}: {}", told(&run));
        assert_decided(kind, &json(&run), "scale_up");
        assert_eq!(json(&run)["outcome"].is_null(), !kind.is_decided(), "{kind:?}");
        assert_eq!(account.desired() > AGENTS, kind.is_decided(), "{kind:?}");
        assert_eq!(account.writes() > 0, kind.is_decided(), "{kind:?}: a custom check decides, and none ran");

        let mut explain = vec!["explain", "--state", capture.to_str().unwrap(), "--output", "json"];
        if kind.source != "mesos" {
            explain.extend(["--cpu", "workers=95"]);
        }
        let explained = call(&explain).await;
        // Nothing says how large the group is, so a pool of a group alone is held.
        let decision = if kind.source == "cloudwatch" { "held" } else { "scale_up" };
        assert_decided(kind, &json(&explained)["pools"][0], decision);

        let status = call(&["status", "--output", "json"]).await;
        assert_eq!(status.status.code(), Some(0), "{kind:?}: {}", told(&status));
        assert_decided(kind, &json(&status)[0], "scale_up");

        let replayed = call(&["replay", recorded.to_str().unwrap()]).await;
        assert_eq!(
            replayed.status.code(),
            Some(if kind.is_decided() { 0 } else { 2 }),
            "{kind:?}: {}",
            told(&replayed)
        );
        let simulated = call(&["simulate", "--trace", trace.to_str().unwrap()]).await;
        assert_eq!(
            simulated.status.code(),
            Some(if kind.is_decided() { 0 } else { 2 }),
            "{kind:?}: {}",
            told(&simulated)
        );
        for output in [replayed, simulated].iter().filter(|_| !kind.is_decided()) {
            assert!(told(output).contains("custom check"), "{kind:?}: {}", told(output));
        }

        // In text, too, each says who decides.
        for arguments in [vec!["run"], vec!["status"], explain[..3].to_vec()] {
            let output = call(&arguments).await;
            assert_eq!(told(&output).contains("custom check"), !kind.is_decided(), "{kind:?}: {}", told(&output));
        }
    }
    assert_eq!(count, CHECKS.len() * (2 * STRATEGIES.len() + 1));
}
