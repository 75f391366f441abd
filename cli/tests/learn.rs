//! `lambda-scale learn`: the history that a pool would have, from a trace and from recorded snapshots.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::recording;
use node_gather::growth::History;
use serde_json::Value;

const CONFIG: &str = "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[marathon]\nurl = \"http://10.0.0.5:8080\"\n\
    [[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\n";

fn learn(folder: &Path, settings: &str, arguments: &[&str]) -> Output {
    let config = folder.join("config.toml");
    fs::write(&config, format!("{CONFIG}{settings}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
    command.arg("learn").args(["--config", config.to_str().unwrap()]).args(arguments);
    command.output().unwrap()
}

fn text(output: &Output) -> (&str, &str) {
    (str::from_utf8(&output.stdout).unwrap(), str::from_utf8(&output.stderr).unwrap())
}

#[test]
fn a_trace_leads_to_a_history_that_can_be_stored() {
    let folder = recording::directory("learn-trace");
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/traces/taxi-day.csv");
    let output = learn(&folder, "learn = 98", &["--trace", trace, "--peak-cpus", "200"]);
    let (printed, errors) = text(&output);
    assert!(output.status.success(), "{errors}");
    let history = History::parse(printed.lines().last().unwrap()).unwrap();
    assert!(history.samples() > 700, "{printed}");
    assert!(printed.starts_with(&format!("pool workers, {} samples\n", history.samples())), "{printed}");
    assert!(printed.contains("  learn = 98: ") && printed.contains("X is 10%"), "{printed}");
    let output = learn(&folder, "learn = 98", &["--trace", trace, "--peak-cpus", "200", "--output", "json"]);
    let form: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(History::parse(&form["history"].to_string()).unwrap(), history);
    assert_eq!(form["growth"]["samples"], history.samples());
    // Each counter says how many of its runs began above the mean, in both forms.
    let counters = form["counts"].as_array().unwrap();
    let above: Vec<u64> = counters.iter().map(|counter| counter[2].as_u64().unwrap()).collect();
    assert_eq!(above.iter().sum::<u64>(), history.above().iter().map(|count| u64::from(*count)).sum::<u64>());
    let first = format!("{} runs, {} from above the mean of {}/8\n", counters[0][1], above[0], history.mean());
    assert!(above[0] > 0 && printed.contains(&first), "{first}: {printed}");
}

#[test]
fn recorded_snapshots_lead_to_a_history_in_the_order_of_time() {
    let folder = recording::directory("learn-snapshots");
    let recorded = folder.join("recorded");
    fs::create_dir_all(&recorded).unwrap();
    // 70 runs, the last first: 10 tasks, and 12 in every tenth run.
    for minute in (0..70).rev() {
        let tasks = if minute % 10 == 9 { 12 } else { 10 };
        let snapshot = recording::snapshot("workers", tasks, minute);
        fs::write(recorded.join(format!("{:03}.json", 999 - minute)), recording::envelope(&snapshot)).unwrap();
    }
    let output = learn(&folder, "learn = 98", &["--from-snapshots", recorded.to_str().unwrap()]);
    let (printed, errors) = text(&output);
    assert!(output.status.success(), "{errors}");
    // 67 full rows of four; a row grows by 2 of 4 cpus where the larger value is not its first: three rows for each such run, one for the last.
    assert!(printed.starts_with("pool workers, 67 samples\n"), "{printed}");
    assert!(printed.contains("growth up to 0.000 agents     48 runs"), "{printed}");
    assert!(printed.contains("growth up to 0.500 agents     19 runs"), "{printed}");
    assert!(printed.contains("learn = 98: 4/8 agents for 24/8, headroom 16.7%; X is 10%"), "{printed}");
    let none = learn(&folder, "learn = 98", &["--from-snapshots", recorded.to_str().unwrap(), "--pool", "other"]);
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn a_pool_that_does_not_learn_shows_what_it_would_have_learned() {
    let folder = recording::directory("learn-off");
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/traces/taxi-day.csv");
    let output = learn(&folder, "", &["--trace", trace]);
    let (printed, errors) = text(&output);
    assert!(output.status.success(), "{errors}");
    assert!(printed.contains("  learn = 95 (not set): "), "{printed}");
    let missing = learn(&folder, "", &["--trace", "missing.csv"]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn a_pool_without_mesos_cannot_learn() {
    let folder = recording::directory("learn-cloudwatch");
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/traces/taxi-day.csv");
    let web = "[[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"";
    let output = learn(&folder, web, &["--trace", trace, "--pool", "web"]);
    let (_, errors) = text(&output);
    let expected = "pool \"web\": source = \"cloudwatch\" tells no demand, so it cannot learn; choose a pool of Mesos";
    assert!(output.status.code() == Some(2) && errors.contains(expected), "{errors}");
}

#[test]
fn the_configuration_of_the_directory_needs_no_option() {
    let folder = recording::directory("default-config");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let trace = format!("{root}/examples/traces/taxi-day.csv");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        command.args(arguments).current_dir(&folder).env_remove("LAMBDA_SCALE_CONFIG").output().unwrap()
    };
    let calls: [&[&str]; 3] = [&["learn", "--trace", &trace], &["simulate", "--trace", &trace], &["replay", "."]];
    for call in calls {
        let output = run(call);
        let (_, errors) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{call:?}: {errors}");
        assert!(
            errors.contains("no configuration; add --config FILE, or write lambda-scale.toml"),
            "{call:?}: {errors}"
        );
    }
    fs::write(folder.join("lambda-scale.toml"), CONFIG).unwrap();
    for call in &calls[..2] {
        let output = run(call);
        assert!(output.status.success(), "{call:?}: {}", text(&output).1);
    }
    fs::write(folder.join("a.json"), recording::envelope(&recording::snapshot("workers", 10, 0))).unwrap();
    let output = run(&["replay", "a.json", "--against", "lambda-scale.toml"]);
    assert!(output.status.success(), "{}", text(&output).1);
}
