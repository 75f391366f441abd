//! Runs the tests of the hooks example.

use std::process::Command;

#[test]
fn the_example_of_hooks_works() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hooks");
    let output = Command::new("python3").args(["-B", "-m", "unittest", "discover", folder]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
