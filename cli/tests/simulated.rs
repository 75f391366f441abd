//! A simulated world as documents: `explain` decides about them, and acts, as the simulation did.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::recording;
use cluster::group::Group;
use cluster::{Capacity, Cluster};
use node_scale::plan::{Change, Increase, Plan, PlanResult};
use serde_json::{Value, json};
use shared::config::Config;
use shared::contract::ScalingDecision;
use shared::resources::Amount;
use simulator::policy::{Exactness, LambdaScale, Orders, Policy, PolicyError, View};
use simulator::trace::{Options, read};
use simulator::{Faults, Millis, Place, Setup, Start};

const TRACE: &str = include_str!("../../examples/traces/taxi-day.csv");
const CONFIG: &str = "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[marathon]\nurl = \"http://10.0.0.5:8080\"\n\
    [[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\nattributes = { asg = \"workers\" }\nmin = 1\nmax = 9\n\
    scale_down_cooldown = \"3m\"\n";

/// How many runs are compared.
const RUNS: usize = 1000;

/// The project as a policy, each run of which `explain` repeats.
struct Explained {
    inner: LambdaScale,
    folder: PathBuf,
    /// What the first call of a run saw, and decided.
    seen: Option<(Cluster, Group, ScalingDecision)>,
    compared: usize,
    /// How many of the compared runs changed the group.
    acted: usize,
}

impl Policy for Explained {
    fn period(&self) -> Millis {
        self.inner.period()
    }

    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError> {
        self.inner.act(view, orders)?;
        if let Some(decision) = self.inner.decision() {
            self.seen = Some((view.cluster.clone(), view.group.clone(), decision.clone()));
            return Ok(());
        }
        let (cluster, group, decision) = self.seen.take().unwrap();
        // Between the two calls of a run an agent may register, which `explain` would see.
        if self.compared < RUNS && (view.cluster, view.group) == (&cluster, &group) {
            self.compared += 1;
            self.compare(view, &decision);
        }
        Ok(())
    }
}

impl Explained {
    fn compare(&mut self, view: &View<'_>, decision: &ScalingDecision) {
        let explained = explain(&self.folder, view);
        let pool = &explained["pools"][0];
        let of = serde_json::to_value(decision).unwrap();
        for field in
            ["agents", "group", "delta", "target", "wanted", "needed", "state", "steps", "scale_down_agents", "notes"]
        {
            assert_eq!(pool["decision"][field], of[field], "{field} at {}", view.now);
        }
        let plan = self.inner.plan().unwrap();
        let action = &pool["action"];
        assert_eq!(action["action"], kind(plan), "at {}: {action}", view.now);
        assert_eq!(action["reason"], plan.result.reason().text, "at {}", view.now);
        assert_eq!(action["in_flight"], plan.in_flight, "at {}", view.now);
        self.acted += usize::from(plan.result.writes_group());
    }
}

fn kind(plan: &Plan) -> &'static str {
    match &plan.result {
        PlanResult::Act(Change::Increase(Increase { .. }) | Change::Decrease { .. } | Change::Withdraw { .. }) => {
            "set_desired_capacity"
        }
        PlanResult::Act(Change::Terminate { .. }) => "terminate",
        PlanResult::Act(other) => panic!("not with this strategy: {other}"),
        PlanResult::BackOff(_) => "back_off",
        PlanResult::Refuse(_) => "refuse",
        PlanResult::Nothing(_) => "none",
    }
}

/// What `explain` makes of the world's documents.
fn explain(folder: &Path, view: &View<'_>) -> Value {
    fs::write(folder.join("state.json"), view.cluster.to_state_json()).unwrap();
    fs::write(folder.join("queue.json"), view.cluster.to_queue_json()).unwrap();
    fs::write(folder.join("group.json"), group(view.group).to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .current_dir(folder)
        .args(["explain", "--state", "state.json", "--queue", "queue.json", "--group", "group.json"])
        .args(["--config", "lambda-scale.toml", "--output", "json", "--now", &view.now.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The group as the command line of AWS prints it.
fn group(group: &Group) -> Value {
    let instances = group.instances().iter().map(|instance| {
        json!({ "InstanceId": instance.id, "LifecycleState": instance.state.name(), "AvailabilityZone": instance.zone,
            "ProtectedFromScaleIn": instance.protected })
    });
    let tags = group.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    let activities = group.activities().map(|activity| {
        json!({ "ActivityId": activity.id, "AutoScalingGroupName": group.name, "Description": activity.description(),
            "Cause": activity.cause, "StartTime": activity.start, "EndTime": activity.end,
            "StatusCode": activity.status.code(), "StatusMessage": activity.status_message() })
    });
    json!({
        "AutoScalingGroups": [{
            "AutoScalingGroupName": group.name, "MinSize": group.min, "MaxSize": group.max,
            "DesiredCapacity": group.desired(), "Instances": instances.collect::<Vec<_>>(),
            "Tags": tags.collect::<Vec<_>>(),
        }],
        "Activities": activities.collect::<Vec<_>>(),
    })
}

#[test]
fn explain_repeats_a_thousand_simulated_runs() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulated");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("lambda-scale.toml"), CONFIG).unwrap();
    let policy = Config::parse(CONFIG).unwrap().pools.remove(0);
    let options = Options { peak_cpus: Amount::from_thousandths(60_000), ..Options::default() };
    let workload = read(TRACE, &options).unwrap();
    let setup = Setup {
        agent: Capacity::of(workload.agent),
        start: Start::Demand,
        boot: 180_000,
        min: 1,
        max: 9,
        headroom_percent: 10,
        price: 384,
        place: Place { group: policy.group.clone(), attributes: policy.attributes.clone(), ..Place::default() },
        workload,
        faults: Faults::default(),
    };
    let inner = LambdaScale::new(policy, true, Exactness::Sampled);
    let mut explained = Explained { inner, folder, seen: None, compared: 0, acted: 0 };
    simulator::run(&setup, "explained", &mut explained, 1).unwrap();
    assert_eq!(explained.compared, RUNS);
    assert!(explained.acted > 5, "only {} runs changed the group", explained.acted);
}

#[test]
fn recorded_snapshots_are_a_workload() {
    let folder = recording::directory("simulate");
    fs::write(folder.join("lambda-scale.toml"), CONFIG).unwrap();
    let recorded = folder.join("recorded");
    fs::create_dir_all(&recorded).unwrap();
    let snapshots: String = (0_i64..30)
        .map(|minute| {
            recording::envelope(&recording::snapshot("workers", 4 + usize::try_from(2 * minute % 10).unwrap(), minute))
        })
        .collect();
    fs::write(recorded.join("hour.gz"), recording::gzip(&snapshots)).unwrap();
    let simulate = |pool: &str| {
        fs::write(
            folder.join("lambda-scale.toml"),
            CONFIG.replace("\"workers\"\ngroup", &format!("\"{pool}\"\ngroup")),
        )
        .unwrap();
        Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
            .current_dir(&folder)
            .args(["simulate", "--from-snapshots", "recorded", "--config", "lambda-scale.toml", "--output", "json"])
            .output()
            .unwrap()
    };
    let results: Value = serde_json::from_slice(&simulate("workers").stdout).unwrap();
    assert_eq!((&results["trace"], &results["version"]), (&json!("recorded"), &json!(1)));
    assert_eq!(
        (&results["from"], &results["to"]),
        (&json!("2026-11-21T12:00:00.000Z"), &json!("2026-11-21T12:30:00.000Z"))
    );
    // Up to 12 tasks of one cpu within any boot time, on agents of 4 cpus, for half an hour.
    let hours = &results["policies"][0]["measurements"]["oracle_agent_hours"];
    assert_eq!(hours, &json!({ "mean": 1.5, "min": 1.5, "max": 1.5 }));
    let other = simulate("others");
    let told = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(told.contains("0 complete snapshots, expected at least 2"), "{told}");
}

#[test]
#[cfg(unix)]
fn an_interrupted_simulation_prints_what_has_ended() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // The oracle ends at once, the others take far longer than the test.
    let simulation = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .current_dir(root)
        .args(["simulate", "--trace", "examples/traces/taxi-day.csv", "--config", "examples/lambda-scale.toml"])
        .args(["--peak-cpus", "3000", "--baseline", "oracle", "--exact"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let process = simulation.id().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    let output = simulation.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{printed}");
    assert!(printed.contains("\noracle ") && !printed.contains("lambda-scale.toml"), "{printed}");
}

#[test]
fn a_pool_of_cpu_utilization_is_simulated_with_faults() {
    let folder = recording::directory("faults");
    let config = folder.join("web.toml");
    fs::write(&config, "[[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"\n").unwrap();
    let simulate = |faults: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        command.args([
            "simulate",
            "--trace",
            "../examples/traces/taxi-day.csv",
            "--peak-cpus",
            "60",
            "--output",
            "json",
        ]);
        command.arg("--config").arg(&config).arg(format!("--faults={faults}"));
        command.output().unwrap()
    };
    let hours = |faults: &str| {
        let output = simulate(faults);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["policies"][0]["measurements"]["agent_hours"]["mean"].as_f64().unwrap()
    };
    assert!(hours("") > 50.0 && (hours("instance-ends=500") - hours("")).abs() > 0.1);
    let refused = simulate("comet=1");
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && error.contains("expected NAME=RATE"), "{error}");
}

#[test]
fn a_page_that_cannot_be_written_is_reported_before_the_work() {
    let folder = recording::directory("pages");
    let simulate = |report: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        command.args([
            "simulate",
            "--trace",
            "../examples/traces/taxi-day.csv",
            "--config",
            "../examples/lambda-scale.toml",
        ]);
        command.args(["--peak-cpus", "60", "--output", "json", "--report"]).arg(report).output().unwrap()
    };
    let output = simulate(&folder.join("missing").join("page.html"));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{error}");
    assert!(error.contains("cannot write ") && error.contains("page.html"), "{error}");
    // Neither does the check leave a file, nor change one.
    let page = folder.join("page.html");
    let output = simulate(&page);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(fs::read_to_string(&page).unwrap().starts_with("<!"));
    let policy = &json["policies"][0];
    let causes = policy["moved_by_cause"].as_array().unwrap().iter();
    let moved: f64 = causes.map(|cause| cause["moved_tasks"].as_f64().unwrap()).sum();
    assert_eq!(Some(moved), policy["measurements"]["moved_tasks"]["mean"].as_f64());
}

#[test]
fn what_no_simulation_can_hold_is_refused_before_it_takes_the_memory() {
    let folder = recording::directory("bounds");
    let trace = folder.join("trace.csv");
    fs::write(&trace, "timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01 00:05:00,2\n").unwrap();
    let simulate = |limits: &str, more: &[&str]| {
        let config = folder.join("pool.toml");
        fs::write(&config, CONFIG.replace("min = 1\nmax = 9\n", limits)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        command.arg("simulate").arg("--trace").arg(&trace).arg("--config").arg(&config);
        let output = command.args(more).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = simulate("", &["--peak-cpus", "1e9"]);
    let expected = "expected at most 1000000, as many as a simulation can hold; lower --peak-cpus";
    assert!(code == Some(2) && error.contains(expected), "{error}");
    let (code, error) = simulate("min = 100001\n", &[]);
    let expected = "min: got 100001, expected at most 100000, as many agents as a simulation can hold; lower it";
    assert!(code == Some(2) && error.contains(expected), "{error}");
    // What is meant as no limit is none here; a minimum above the usual maximum raises it.
    assert_eq!(simulate("max = 4000000000\n", &[]), (Some(0), String::new()));
    assert_eq!(simulate("min = 1100\n", &["--baseline", "oracle"]), (Some(0), String::new()));
}
