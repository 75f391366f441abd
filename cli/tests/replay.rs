//! `lambda-scale replay`: recorded files in, differences out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::recording::{decision, directory, envelope, gzip, snapshot};
use crate::support::told;
use serde_json::{Value, json};

/// Eleven tasks on 20 cpus are 55%: between the thresholds of the one configuration, below that of the other.
const OLD: &str = "application_headroom_percent = 0";
const NEW: &str = "application_headroom_percent = 0\nscale_down_threshold_percent = 60";

fn config(test: &str, settings: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{test}.toml"));
    let pool = |name: &str| {
        format!("[[pools]]\nname = \"{name}\"\ngroup = \"{name}-asg\"\nattributes = {{ a = \"{name}\" }}\n{settings}\n")
    };
    let pools = [pool("workers"), pool("edge")].concat();
    fs::write(&path, format!("[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n{pools}")).unwrap();
    path
}

fn replay(directory: &Path, config: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
    command.arg("replay").arg(directory).arg("--config").arg(config).args(more).output().unwrap()
}

fn json(directory: &Path, config: &Path, more: &[&str]) -> Value {
    let output = replay(directory, config, &[&["--output", "json"], more].concat());
    assert!(output.status.success(), "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The messages of these minutes, each snapshot followed by its decision.
fn messages(pool: &str, minutes: std::ops::Range<i64>) -> Vec<String> {
    let both = |minute| {
        let snapshot = snapshot(pool, 11, minute);
        [envelope(&snapshot), envelope(&decision(&snapshot, OLD))]
    };
    minutes.flat_map(both).collect()
}

#[test]
fn the_configuration_that_decided_differs_nowhere() {
    let directory = directory("same");
    fs::write(directory.join("a.gz"), gzip(&messages("workers", 0..30).join("\n"))).unwrap();
    let found = json(&directory, &config("same", OLD), &[]);
    assert_eq!(found["pools"][0]["runs"], 30);
    assert_eq!((&found["pools"][0]["differing_runs"], &found["pools"][0]["differences"]), (&json!(0), &json!([])));
    assert_eq!(found["pools"][0]["agent_hours"]["difference_percent"], 0.0);
}

#[test]
fn another_threshold_differs_in_text_and_json() {
    let directory = directory("other");
    fs::write(directory.join("a.gz"), gzip(&messages("workers", 0..61).join("\n"))).unwrap();
    let config = config("other", NEW);
    let found = json(&directory, &config, &[]);
    assert_eq!(
        found,
        json!({"version": 1, "open_loop": true, "notes": [], "pools": [{
            "pool": "workers", "from": "2026-11-21T12:00:00.000Z", "to": "2026-11-21T13:00:00.000Z", "runs": 61, "differing_runs": 61,
            "without_decision": 0, "expired": 0,
            "agent_hours": {"decided": 5.0, "replayed": 4.0, "difference_percent": -20.0},
            "differences": [{"from": "2026-11-21T12:00:00.000Z", "to": "2026-11-21T13:00:00.000Z", "runs": 61, "agents": 5,
                "decided": {"target": 5, "state": "normal"},
                "replayed": {"target": 4, "state": "scale_down", "clause": "D2",
                    "reason": "cpus 55% (highest) is below 60%: removes 1 agent; then cpus 68.8% (highest) is not below 60%"}}],
        }]})
    );
    let output = replay(&directory, &config, &[]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn files_order_and_repeated_messages_mean_nothing() {
    let lines = [messages("workers", 0..20), messages("edge", 0..20)].concat();
    let one = directory("one");
    fs::write(one.join("a"), lines.join("\n")).unwrap();
    // The decisions before their snapshots, the last day first, in directories, each twice, in members of gzip and plain, without
    // line breaks, and a hidden file that is no recording.
    let many = directory("many");
    fs::create_dir_all(many.join("2026/11/21")).unwrap();
    let (early, late) = lines.split_at(lines.len() / 2);
    let reversed = |lines: &[String]| lines.iter().rev().cloned().collect::<Vec<_>>();
    fs::write(many.join("2026/11/21/a.gz"), [gzip(&reversed(late).concat()), gzip(&late.join("\n"))].concat()).unwrap();
    fs::write(many.join("2026/11/21/b"), reversed(early).join("\n")).unwrap();
    fs::write(many.join("z.gz"), gzip(&early.concat())).unwrap();
    fs::write(many.join(".DS_Store"), "no recording").unwrap();
    let config = config("order", NEW);
    let found = json(&many, &config, &[]);
    assert_eq!(found, json(&one, &config, &[]));
    assert_eq!((found["pools"].as_array().unwrap().len(), &found["pools"][0]["runs"]), (2, &json!(20)));
    // One of the pools, and one file instead of a directory.
    let edge = json(&one.join("a"), &config, &["--pool", "edge"]);
    assert_eq!(edge["pools"], json!([found["pools"][0]]));
}

#[test]
fn without_decisions_the_former_configuration_stands_in() {
    let directory = directory("against");
    let snapshots: Vec<String> = (0..5).map(|minute| envelope(&snapshot("workers", 11, minute))).collect();
    fs::write(directory.join("a"), snapshots.join("\n")).unwrap();
    let (old, new) = (config("against-old", OLD), config("against-new", NEW));
    let output = replay(&directory, &new, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("nothing says what was decided; add --against OLD.toml"), "{}", told(&output));
    let found = json(&directory, &new, &["--against", old.to_str().unwrap()]);
    assert_eq!((&found["pools"][0]["runs"], &found["pools"][0]["differing_runs"]), (&json!(5), &json!(5)));
    // Where some are recorded, the others are left out, and the output says so.
    let one = envelope(&decision(&snapshot("workers", 11, 3), OLD));
    fs::write(directory.join("b"), one).unwrap();
    let found = json(&directory, &new, &[]);
    assert_eq!((&found["pools"][0]["runs"], &found["pools"][0]["without_decision"]), (&json!(1), &json!(4)));
    let note =
        "workers: 4 runs without a decision left out; add --against OLD.toml to compare them with what it decides";
    assert_eq!(found["notes"], json!([note]));
}

#[test]
fn what_cannot_be_used_says_where_and_what_to_do() {
    let config = config("errors", NEW);
    let refused = |test: &str, content: &[u8], more: &[&str]| {
        let directory = directory(test);
        fs::write(directory.join("a.gz"), content).unwrap();
        let output = replay(&directory, &config, more);
        (output.status.code(), told(&output))
    };
    let whole = gzip(&messages("workers", 0..9).join("\n"));
    let (code, truncated) = refused("truncated", &whole[..whole.len() - 20], &[]);
    assert_eq!(code, Some(1));
    assert!(truncated.contains("recorded-truncated/a.gz, record "), "{truncated}");
    assert!(truncated.contains(": the file cannot be read to its end; download it again"), "{truncated}");
    let (code, broken) = refused("broken", &gzip(&format!("{}\n{{]", envelope(&snapshot("workers", 1, 0)))), &[]);
    assert_eq!(code, Some(1));
    assert!(
        broken.contains("recorded-broken/a.gz, record 2: is not JSON; download the file again: key must"),
        "{broken}"
    );
    let (code, cut) = refused("cut", &gzip(&format!("{}\n{{\"a\":", envelope(&snapshot("workers", 1, 0)))), &[]);
    assert_eq!(code, Some(1));
    assert!(cut.contains("recorded-cut/a.gz, record 2: the file ends within the record"), "{cut}");
    let (code, empty) = refused("empty", b"", &[]);
    assert!(code == Some(1) && empty.contains("has no snapshot; copy the objects under recorded/"), "{empty}");
    let (code, other) = refused("other-pool", envelope(&snapshot("gpu", 1, 0)).as_bytes(), &[]);
    assert!(
        code == Some(2) && other.contains("has no snapshot of the pools asked for; it has those of gpu"),
        "{other}"
    );
    let (code, unknown) = refused("no-pool", &whole, &["--pool", "worker"]);
    assert!(code == Some(2) && unknown.contains("has no such pool; did you mean workers?"), "{unknown}");
    let nowhere = replay(Path::new("/nowhere"), &config, &[]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(told(&nowhere).contains("cannot read /nowhere: no such file"), "{}", told(&nowhere));
}

#[test]
fn every_line_fits_80_columns() {
    let directory = directory("wide");
    let name = "p".repeat(64);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay-wide.toml");
    fs::write(&path, format!(
        "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"{name}\"\ngroup = \"g\"\napplication_headroom_percent = 300\n"
    )).unwrap();
    let mut lines = Vec::new();
    for minute in 0..30 {
        let tasks = usize::try_from(minute).unwrap();
        let mut snapshot = snapshot(&name, tasks % 20, minute + 5 * (minute / 7));
        for application in &mut snapshot.applications {
            application.name = format!("/{}", "application".repeat(20));
        }
        let snapshot = snapshot.identified();
        lines.push(envelope(&snapshot));
        if minute % 5 > 0 {
            lines.push(envelope(&decision(&snapshot, OLD)));
        }
    }
    lines.push(envelope(&snapshot("another", 3, 0)));
    fs::write(directory.join("a"), lines.join("\n")).unwrap();
    let output = replay(&directory, &path, &[]);
    assert!(output.status.success(), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() > 30, "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(text.lines().last().unwrap().starts_with("open loop: "), "{text}");
    assert!(text.contains("another: not in the configuration"), "{text}");
}

#[test]
fn a_page_shows_the_differences_over_time() {
    let directory = directory("page");
    fs::write(
        directory.join("a.gz"),
        gzip(&[messages("workers", 0..30), messages("workers", 50..60)].concat().join("\n")),
    )
    .unwrap();
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay-page.html");
    let output = replay(&directory, &config("page", NEW), &["--report", page.to_str().unwrap()]);
    assert!(output.status.success(), "{}", told(&output));
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("workers: 40 of 40 runs differ"), "{html}");
    assert!(html.contains("target 5 → 4, 30 runs; replayed: D2 "), "{html}");
    // Nothing is drawn across the gap, which begins two schedule periods after the last snapshot before it.
    assert!(html.contains("\"name\":\"target replayed\",\"color\":\"green\",\"area\":false,\"data\":\"4*"), "{html}");
    let data = html
        .split("\"target replayed\"")
        .nth(1)
        .unwrap()
        .split("\"data\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(data.contains(" -*") && data.ends_with(|c: char| c.is_ascii_digit()), "{data}");
    assert!(html.contains("lambda-scale replay "));
    let output = replay(&directory, &config("page", NEW), &["--report", "/no/such/folder/a.html"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("cannot write /no/such/folder/a.html"), "{}", told(&output));
}
