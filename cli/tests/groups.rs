//! Groups as operators saved them, through `lambda-scale explain --group`: each test is one kind of situation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

const NOW: &str = "2026-11-21T16:00:00Z";

const CONFIG: &str = r#"
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "workers"
group = "mesos-workers"
application_headroom_percent = 0
new_agent = { cpus = 4, mem = 16000 }
max = 100
scale_down_window = "0s"
"#;

/// A cluster, and the group under it.
struct Situation {
    name: &'static str,
    instances: Vec<Value>,
    agents: Vec<String>,
    /// Of each agent, in tenths.
    load: u32,
    desired: u32,
    weight: u32,
    tags: Vec<Value>,
    activities: Vec<Value>,
    is_dry_run: bool,
}

/// What `explain` says of it.
struct Explained {
    action: String,
    clause: Option<String>,
    reason: String,
    from: i64,
    to: i64,
    in_flight: u64,
    never_joined: u64,
    unmet: u64,
    notes: usize,
}

fn id(number: u32) -> String {
    format!("i-{number:017x}")
}

fn instance(id: &str, state: &str) -> Value {
    json!({"InstanceId": id, "LifecycleState": state, "HealthStatus": "Healthy", "ProtectedFromScaleIn": false})
}

/// Ten instances in service, each with an agent. At a load of 9 tenths two agents are needed, at 2 tenths one may go.
fn situation(name: &'static str, load: u32) -> Situation {
    let ids = || (1..=10).map(id);
    Situation {
        name,
        instances: ids().map(|id| instance(&id, "InService")).collect(),
        agents: ids().collect(),
        load,
        desired: 10,
        weight: 1,
        tags: Vec::new(),
        activities: Vec::new(),
        is_dry_run: false,
    }
}

impl Situation {
    /// Instances in service, as `state`, without agents.
    fn with(mut self, numbers: impl IntoIterator<Item = u32>, state: &str) -> Self {
        let added = numbers.into_iter().map(|number| instance(&id(number), state));
        self.instances.extend(added);
        self
    }

    fn desiring(self, desired: u32) -> Self {
        Self { desired, ..self }
    }

    /// One activity for each of the instances; the times are those of the day.
    fn after(
        mut self,
        numbers: impl IntoIterator<Item = u32>,
        description: &str,
        status: &str,
        start: &str,
        end: Option<&str>,
    ) -> Self {
        for number in numbers {
            self.activities.push(json!({
                "ActivityId": "a", "AutoScalingGroupName": "mesos-workers", "StatusCode": status, "Cause": "",
                "Description": description.replace("i-", &id(number)), "StartTime": format!("2026-11-21T{start}:00Z"),
                "EndTime": end.map(|end| format!("2026-11-21T{end}:00Z")),
            }));
        }
        self
    }

    fn state(&self) -> Value {
        let cpus = f64::from(self.load) * 0.4;
        let agents = self.agents.iter().enumerate().map(|(number, instance)| {
            json!({"id": format!("M-S{number}"), "hostname": format!("host-{number}"),
                "attributes": {"instance_id": instance}, "pid": format!("slave(1)@10.0.0.{number}:5051"),
                "registered_time": 1_795_017_600.0, "resources": {"cpus": 4.0, "mem": 16000.0},
                "used_resources": {"cpus": cpus, "mem": 2000.0}, "reserved_resources": {},
                "unreserved_resources": {"cpus": 4.0, "mem": 16000.0}, "active": true, "deactivated": false})
        });
        // Two tasks on each agent, so that they can move.
        let tasks = (0..self.agents.len()).flat_map(|number| {
            [0, 1].map(|part| {
                json!({"id": format!("web.instance-{number}-{part}._app.1"), "name": "web", "slave_id": format!("M-S{number}"),
                    "state": "TASK_RUNNING", "resources": {"cpus": cpus / 2.0, "mem": 1000.0}})
            })
        });
        json!({"version": "1.11.0", "id": "M", "elected_time": 1_792_684_800.0, "activated_slaves": self.agents.len(),
            "leader": "master@10.0.0.5:5050", "pid": "master@10.0.0.5:5050", "flags": {},
            "slaves": agents.collect::<Vec<_>>(), "recovered_slaves": [],
            "frameworks": [{"id": "M-0", "name": "marathon", "active": true, "connected": true, "recovered": false,
                "tasks": tasks.collect::<Vec<_>>(), "executors": []}]})
    }

    fn group(&self) -> Value {
        let weighted = |instance: &Value| {
            let mut instance = instance.clone();
            if self.weight > 1 {
                instance["WeightedCapacity"] = json!(self.weight.to_string());
            }
            instance
        };
        json!({"AutoScalingGroups": [{"AutoScalingGroupName": "mesos-workers", "MinSize": 1, "MaxSize": 100,
            "DesiredCapacity": self.desired, "Instances": self.instances.iter().map(weighted).collect::<Vec<_>>(),
            "SuspendedProcesses": [], "Tags": self.tags}], "Activities": self.activities})
    }

    /// What `explain` prints.
    fn output(&self, form: &str) -> String {
        let file = |suffix: &str, content: &str| -> PathBuf {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("group-{}.{suffix}", self.name));
            fs::write(&path, content).unwrap();
            path
        };
        let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
            .args(["explain", "--output", form, "--now", NOW, "--state"])
            .arg(file("state.json", &self.state().to_string()))
            .arg("--config")
            .arg(file("toml", &format!("dry_run = {}\n{CONFIG}", self.is_dry_run)))
            .arg("--group")
            .arg(file("group.json", &self.group().to_string()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn explain(&self) -> Explained {
        let json: Value = serde_json::from_str(&self.output("json")).unwrap();
        let action = &json["pools"][0]["action"];
        Explained {
            action: action["action"].as_str().unwrap().to_owned(),
            clause: action["clause"].as_str().map(str::to_owned),
            reason: action["reason"].as_str().unwrap().to_owned(),
            from: action["from"].as_i64().unwrap(),
            to: action["to"].as_i64().unwrap(),
            in_flight: action["in_flight"].as_u64().unwrap(),
            never_joined: action["never_joined"].as_u64().unwrap(),
            unmet: action["unmet"].as_u64().unwrap(),
            notes: action["notes"].as_array().unwrap().len(),
        }
    }
}

impl Explained {
    #[track_caller]
    fn is(&self, action: &str, clause: Option<&str>) {
        assert_eq!((self.action.as_str(), self.clause.as_deref()), (action, clause), "{}", self.reason);
    }
}

const LAUNCH: &str = "Launching a new EC2 instance: i-";

#[test]
fn instances_launched_from_the_warm_pool_are_in_flight_b3() {
    for launch in [LAUNCH, "Launching a new EC2 instance from warm pool: i-"] {
        let found = situation("warm-pool", 9)
            .with(11..14, "InService")
            .desiring(13)
            .after(11..14, launch, "Successful", "15:58", Some("15:59"))
            .after(11..14, "Launching a new EC2 instance into warm pool: i-", "Successful", "11:00", Some("11:04"))
            .explain();
        found.is("none", Some("B3"));
        assert_eq!(found.in_flight, 3);
    }
}

#[test]
fn the_warm_pool_does_not_unsettle_the_group_b2() {
    let refilled = "Launching a new EC2 instance into warm pool: i-";
    situation("refill", 2)
        .with(11..12, "Warmed:Pending")
        .after(11..12, refilled, "InProgress", "15:58", None)
        .explain()
        .is("terminate", None);
}

#[test]
fn less_than_one_instance_is_no_surplus_b2() {
    let mut found = situation("weights", 2).desiring(19);
    found.weight = 2;
    let found = found.explain();
    found.is("terminate", None);
    assert_eq!((found.from, found.to), (19, 17));
}

#[test]
fn retained_instances_do_not_unsettle_the_group_b2() {
    situation("retained", 2).with(40..41, "Terminating:Retained").explain().is("terminate", None);
}

#[test]
fn instances_that_never_joined_stop_a_scale_up_b5() {
    let found = |name| {
        situation(name, 9).with(11..15, "InService").desiring(14).after(
            11..15,
            LAUNCH,
            "Successful",
            "15:40",
            Some("15:41"),
        )
    };
    let explained = found("never-joined").explain();
    explained.is("back_off", Some("B5"));
    assert_eq!((explained.never_joined, explained.unmet, explained.notes), (4, 2, 1));
    // Another launch has been held by a hook for hours, and is listed first.
    let mut stuck = found("never-joined-stuck").with(30..31, "Pending:Wait").desiring(15).after(
        30..31,
        LAUNCH,
        "MidLifecycleAction",
        "13:50",
        None,
    );
    stuck.activities.rotate_right(1);
    stuck.explain().is("back_off", Some("B5"));
}

#[test]
fn activities_of_another_group_do_not_count() {
    let mut found = situation("another-group", 9).after(
        [0],
        "Launching a new EC2 instance.  Status Reason: x",
        "Failed",
        "15:59",
        Some("15:59"),
    );
    found.activities[0]["AutoScalingGroupName"] = json!("mesos-edge");
    let found = found.explain();
    found.is("set_desired_capacity", None);
    assert_eq!((found.from, found.to), (10, 12));
}

#[test]
fn the_action_of_a_dry_run_is_shown_as_such() {
    let mut found = situation("dry-run", 9);
    found.is_dry_run = true;
    let text = found.output("text");
    assert!(text.contains("dry run: would increase desired capacity 10 -> 12"), "{text}");
    let explained = found.explain();
    explained.is("dry_run", None);
    assert_eq!((explained.from, explained.to), (10, 12));
    assert_eq!(explained.reason, "dry run: would increase desired capacity 10 -> 12");
    // What is not done anyway is no dry run.
    let mut quiet = situation("dry-run-quiet", 6);
    quiet.is_dry_run = true;
    quiet.explain().is("none", None);
}

#[test]
fn the_tag_that_the_permission_asks_for_is_known() {
    let mut found = situation("managed", 9);
    found.tags = vec![json!({"Key": "lambda-scale/managed", "Value": "true"})];
    let found = found.explain();
    found.is("set_desired_capacity", None);
    assert_eq!(found.notes, 0);
}

#[test]
fn a_zone_rebalance_that_fails_forever_starts_no_cooldown_b2() {
    let failed = "Launching a new EC2 instance.  Status Reason: We currently do not have sufficient capacity.";
    let mut found = situation("rebalance", 2);
    for minute in (21..60).step_by(5) {
        let time = format!("15:{minute}");
        found = found.after([0], failed, "Failed", &time, Some(&time));
    }
    found.explain().is("terminate", None);
}

#[test]
fn agents_in_standby_do_not_hide_what_is_in_flight_b3() {
    let mut found = situation("standby", 9).with(11..14, "Standby").with(14..16, "InService").desiring(12).after(
        14..16,
        LAUNCH,
        "Successful",
        "15:55",
        Some("15:56"),
    );
    found.agents.extend((11..14).map(id));
    let found = found.explain();
    found.is("none", Some("B3"));
    assert_eq!(found.in_flight, 2);
}

#[test]
fn instances_on_their_way_out_do_not_hide_that_others_joined() {
    let found = situation("leaving", 9)
        .with(11..16, "Terminating:Wait")
        .after(11..16, "Terminating EC2 instance: i-", "MidLifecycleAction", "15:52", None)
        .after(6..11, LAUNCH, "Successful", "15:51", Some("15:53"))
        .explain();
    found.is("set_desired_capacity", None);
    assert_eq!((found.in_flight, found.to), (0, 12));
}

#[test]
fn launches_that_a_hook_abandons_are_a_loss_b5() {
    let abandoned = "Launching a new EC2 instance: i-.  Status Reason: Lifecycle Action was abandoned";
    let found =
        situation("hook", 9).desiring(13).after(50..53, abandoned, "Cancelled", "14:58", Some("15:58")).explain();
    found.is("back_off", Some("B5"));
    assert_eq!((found.in_flight, found.unmet), (0, 2));
}
