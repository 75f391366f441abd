//! `lambda-scale local`: its scenes, with the real binaries.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_local_run_follows_its_script() {
    let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale"))
        .args(["local", "--output", "json"])
        .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let scenes: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let changed: Vec<bool> = scenes.iter().map(|scene| !scene["changed_after_ms"].is_null()).collect();
    assert_eq!(changed, [false, true, false, false, false, false]);
    assert_eq!(scenes[1]["pools"][0]["outcome"]["action"], "scaled_up");
}
