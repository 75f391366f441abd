//! Every call of `lambda-scale` that the pages show is one that it takes, and every command it has is described.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lambda-scale")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn commands() -> BTreeSet<String> {
    let listed = help(&["help"]);
    let after = listed.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = after.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let others = ["README.md", "terraform/README.md"].map(|name| root.join(name));
    let pages = docs.chain(others).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The calls in a page's blocks of shell, continued lines joined.
fn calls(page: &str) -> Vec<String> {
    let blocks =
        page.split("```").skip(1).step_by(2).filter(|block| block.starts_with("sh") || block.starts_with("console"));
    let joined: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let lines = joined.iter().flat_map(|block| block.lines());
    let calls = lines.map(|line| line.trim_start_matches("$ ").split(" #").next().unwrap_or_default().trim());
    calls.filter(|line| line.starts_with("lambda-scale ")).map(str::to_owned).collect()
}

#[test]
fn every_call_in_the_pages_is_one_that_it_takes() {
    let commands = commands();
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for (path, page) in pages() {
        for call in calls(&page) {
            let words: Vec<&str> = call.split_whitespace().collect();
            let command = words.get(1).copied().unwrap_or_default();
            assert!(commands.contains(command), "{}: {call}: there is no such command", path.display());
            let mut of = vec![command, "--help"];
            if command == "import" {
                of.insert(1, "scalepot");
            }
            let known = options.entry(command.to_owned()).or_insert_with(|| help(&of));
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap_or_default();
                assert!(known.contains(name), "{}: {call}: there is no option {name}", path.display());
            }
            count += 1;
        }
    }
    assert!(count > 20, "only {count} calls were found");
}

#[test]
fn every_command_is_described() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md")).unwrap();
    for command in commands().iter().filter(|command| *command != "help") {
        let is_there = page.lines().any(|line| line.starts_with("## ") && line.contains(command.as_str()));
        assert!(is_there, "docs/cli.md has no part about {command}");
    }
}
