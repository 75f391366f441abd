//! A state from a file, compressed or not, from standard input, and from a master: `explain` and `check` read the same.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{Account, situation};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Runs a command on this standard input.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// What it prints, in one line.
fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn checked(config: &Path, state: &str, input: &[u8]) -> Value {
    let output = run(&["check", config.to_str().unwrap(), "--state", state, "--output", "json"], input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_state_is_read_from_a_file_compressed_or_not_or_from_standard_input() {
    let at = situation("pool-reserved-for-another-role");
    let (config, plain) = (at.join("config.toml"), at.join("state.json"));
    let state = fs::read(&plain).unwrap();
    let packed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packed.json.gz");
    let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(&state).unwrap();
    encoder.finish().unwrap();
    let explained = |from: &str, input: &[u8]| {
        let now = "2026-11-22T16:00:00Z";
        let output = run(&["explain", "--state", from, "--config", config.to_str().unwrap(), "--now", now], input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        printed(&output)
    };
    let expected = explained(plain.to_str().unwrap(), b"");
    assert!(expected.contains("set role = \"slave_public\""), "{expected}");
    assert_eq!(explained(packed.to_str().unwrap(), b""), expected);
    assert_eq!(explained("-", &state), expected);
    assert_eq!(explained("-", &fs::read(&packed).unwrap()), expected);
}

#[test]
fn check_says_which_role_to_set() {
    let at = situation("pool-reserved-for-another-role");
    let state = fs::read(at.join("state.json")).unwrap();
    let note = &checked(&at.join("config.toml"), "-", &state)["cluster"][0]["notes"][0];
    assert!(note.as_str().unwrap().contains("set role = \"slave_public\""), "{note}");
    let output = run(&["check", at.join("config.toml").to_str().unwrap(), "--state", "-"], &state);
    assert!(printed(&output).contains("note all usable agents are reserved for another role"), "{}", printed(&output));
}

#[test]
fn check_compares_settings_with_the_cluster() {
    let at = situation("marathon-of-another-name");
    let settings = fs::read_to_string(at.join("config.toml")).unwrap();
    let state = at.join("state.json");
    let notes = |name: &str, settings: &str| -> Vec<String> {
        let cluster = &checked(&file(name, settings), state.to_str().unwrap(), b"")["cluster"][0];
        cluster["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(notes("as-it-is.toml", &settings), [""; 0]);
    let found = notes("misses.toml", &settings.replace("/shop/web", "/shop/wbe"));
    assert!(found.iter().any(|note| note.contains("applications names \"/shop/wbe\"")), "{found:?}");
    let large = settings.replacen("group =", "new_agent = { cpus = 400, mem = 4000000 }\ngroup =", 1);
    let found = notes("large.toml", &large);
    assert!(found.iter().any(|note| note.contains("new_agent")), "{found:?}");
    let found = notes("no-agent.toml", &settings.replace("asg = \"workers\"", "asg = \"moon\""));
    assert!(found.iter().any(|note| note.starts_with("no registered agent has ")), "{found:?}");
}

#[test]
fn what_is_no_state_is_an_error_and_an_exit_code() {
    let at = situation("pool-reserved-for-another-role");
    let config = at.join("config.toml");
    for (state, expected) in [
        ("-", "standard input is not a master's /state"),
        ("no-such-file.json", "cannot read no-such-file.json"),
        ("http://127.0.0.1:1", "no master returned its state: http://127.0.0.1:1: cannot connect"),
    ] {
        for command in [&["check", config.to_str().unwrap()][..], &["explain", "--config", config.to_str().unwrap()]] {
            let output = run(&[command, &["--state", state]].concat(), b"<html>");
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(1) && error.contains(expected), "{state}: {error}");
        }
    }
    let output = run(&["explain", "--config", config.to_str().unwrap(), "--state", "http://[::1"], b"");
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_read_from_a_master() {
    let account = Account::start("saved").await;
    let config = account.config("", "asg = \"workers\"", "");
    let url = format!("{}/state", account.master.url());
    let checked = tokio::task::spawn_blocking(move || checked(&config, &url, b"")).await.unwrap();
    let cluster = &checked["cluster"][0];
    assert_eq!(
        (&cluster["pool"], &cluster["agents"]["registered"]),
        (&"workers".into(), &crate::support::AGENTS.into())
    );
}
