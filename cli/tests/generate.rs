//! The command writes what the library generates, to a file or to standard output.

use std::path::Path;
use std::process::Command;

use cluster::generate::{Spec, write};

/// The document of four agents and 40 tasks.
fn generated() -> Vec<u8> {
    let mut document = Vec::new();
    write(&Spec { agents: 4, tasks: 40, applications: 6, completed: 2, seed: 3 }, &mut document, || ()).unwrap();
    document
}

#[test]
fn file_and_standard_output_are_the_same() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated.json");
    let call = |more: &[&str]| {
        let args = ["generate", "--agents", "4", "--tasks", "40", "--applications", "6", "--seed", "3"];
        Command::new(env!("CARGO_BIN_EXE_lambda-scale")).args(args).args(more).output().unwrap()
    };
    let output = call(&[]);
    assert!(output.status.success() && output.stderr.is_empty(), "no progress without a terminal");
    assert!(output.stdout == generated(), "other bytes");
    let to_file = call(&["--output", path.to_str().unwrap()]);
    assert!(to_file.status.success() && to_file.stdout.is_empty());
    assert!(std::fs::read(&path).unwrap() == generated(), "other bytes");

    let nowhere = call(&["--output", "/nowhere/state.json"]);
    let stderr = String::from_utf8(nowhere.stderr).unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr.starts_with("lambda-scale generate: cannot write /nowhere/state.json: No such file"), "{stderr}");
    let none = Command::new(env!("CARGO_BIN_EXE_lambda-scale")).args(["generate", "--agents", "0"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    let crowded = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["generate", "--agents", "1", "--tasks", "10001"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(crowded.stderr).unwrap();
    assert_eq!((crowded.status.code(), stderr.contains("raise --agents")), (Some(2), true), "{stderr}");
}
