//! Every call in the pages is run or marked as needing an account, and every command is described.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Account, recording};
use testbed::CAPTURE;

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

/// Pages for those who build the project, whose commands do so.
const OF_BUILDERS: [&str; 3] = ["CONTRIBUTING.md", "docs/design/coverage.md", "docs/design/mutants.md"];

#[test]
fn every_page_with_commands_is_one_of_those_that_are_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let run: BTreeSet<PathBuf> = pages().into_iter().map(|(path, _)| path.canonicalize().unwrap()).collect();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy();
            let is_made = name.starts_with('.') || name == "target" || name == "book";
            if path.is_dir() && !is_made {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") && !run.contains(&path.canonicalize().unwrap())
            {
                let is_known = OF_BUILDERS.iter().any(|known| path == root.join(known));
                let has_commands = !blocks(&fs::read_to_string(&path).unwrap()).is_empty();
                assert!(is_known || !has_commands, "{} has commands that no test runs", path.display());
            }
        }
    }
}

/// The shell blocks of a page, without the output of commands.
fn blocks(page: &str) -> Vec<String> {
    let fenced = page.split("```").skip(1).step_by(2);
    let commands = |block: &str| -> Option<String> {
        let (kind, lines) = block.split_once('\n')?;
        let lines = lines.replace("\\\n", " ");
        let typed = |line: &str| match kind {
            "sh" => Some(format!("{line}\n")),
            "console" => line.strip_prefix("$ ").map(|line| format!("{line}\n")),
            _ => None,
        };
        Some(lines.lines().filter_map(typed).collect::<String>()).filter(|commands| !commands.is_empty())
    };
    fenced.filter_map(commands).collect()
}

/// The calls in a shell block.
fn calls(block: &str) -> Vec<String> {
    let calls = block.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    // `--version` is a call without a command.
    calls
        .filter(|line| line.starts_with("lambda-scale ") && !line.starts_with("lambda-scale --"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_call_in_the_pages_is_accepted() {
    let commands = commands();
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for (path, page) in pages() {
        for call in blocks(&page).iter().flat_map(|block| calls(block)) {
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

/// The first line of a block that cannot be run here.
const ELSEWHERE: [&str; 2] = ["# needs an account", "# on an agent"];

/// The targets of `make` in the pages: the checks that run these tests run all of them, and tests/chain.rs runs `make run`.
const MADE: [&str; 3] = ["make run", "make test", "make all"];

/// Replacements: recorded answers for requests to others, one run instead of endless ones, and small inputs for large
/// ones.
const INSTEAD: [(&str, &str); 9] = [
    // The folder has one by then.
    ("cp examples/lambda-scale.toml .", "true"),
    ("--state http://MASTER:5050", "--state state.json"),
    ("curl -s http://MASTER:5050/state", "cat answers/state.json"),
    ("curl -s http://MARATHON:8080/v2/queue", "cat answers/queue.json"),
    ("aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names mesos-workers", "cat answers/group.json"),
    (" --every 1m", " --once"),
    ("--agents 10000 --tasks 200000", "--agents 100 --tasks 2000"),
    (" /usr/local/share/", " ./usr/local/share/"),
    ("> /etc/", "> ./etc/"),
];

#[tokio::test]
async fn every_command_in_the_pages_works_or_is_marked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let binaries = Path::new(env!("CARGO_BIN_EXE_lambda-scale")).parent().unwrap();
    let account = Account::start("pages").await;
    let config = account.config("", r#"asg = "workers""#, "");
    // What `make install` does with the binary that it has built.
    let install = format!(
        "{} {} ./local",
        root.join("tools/install.sh").canonicalize().unwrap().display(),
        env!("CARGO_BIN_EXE_lambda-scale")
    );
    let mut counts = [0, 0];
    for (path, page) in pages() {
        for block in blocks(&page) {
            let is_elsewhere = ELSEWHERE.contains(&block.lines().next().unwrap_or_default().trim());
            counts[usize::from(is_elsewhere)] += 1;
            if is_elsewhere {
                continue;
            }
            // A folder of its own, in which there is what a reader has by then.
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
            drop(fs::remove_dir_all(&folder));
            for within in ["answers", "etc/bash_completion.d", "usr/local/share/man/man1", "tests"] {
                fs::create_dir_all(folder.join(within)).unwrap();
            }
            for name in ["answers/state.json", "state.json"] {
                fs::write(folder.join(name), CAPTURE).unwrap();
            }
            for name in ["answers/queue.json", "queue.json"] {
                fs::write(folder.join(name), r#"{"queue":[]}"#).unwrap();
            }
            for name in ["answers/group.json", "group.json"] {
                fs::copy(root.join("examples/group.json"), folder.join(name)).unwrap();
            }
            fs::copy(&config, folder.join("lambda-scale.toml")).unwrap();
            fs::copy(&config, folder.join("new.toml")).unwrap();
            fs::copy(&config, folder.join("old.toml")).unwrap();
            fs::create_dir_all(folder.join("recorded/2026/11/21")).unwrap();
            let recorded = recording::snapshot("workers", 11, 0);
            let lines = [recording::envelope(&recorded), recording::envelope(&recording::decision(&recorded, ""))];
            fs::write(folder.join("recorded/2026/11/21/a.gz"), recording::gzip(&lines.join("\n"))).unwrap();
            fs::write(folder.join("scalepot.yml"), "az: a\nroles: [{ name: web, min: 1, max: 2 }]\n").unwrap();
            let is_made =
                |line: &&str| MADE.iter().any(|made| line.split(" #").next().unwrap_or_default().trim() == *made);
            let script: String = block.lines().filter(|line| !is_made(line)).map(|line| format!("{line}\n")).collect();
            let script = INSTEAD.iter().fold(script, |script, (said, done)| script.replace(said, done));
            let script = script.replace("make install PREFIX=$HOME/.local", &install);
            // A page that is read in the repository names files of the repository.
            let place = if script.contains(" examples/") { &root } else { &folder };
            let output = account
                .shell(&script)
                .current_dir(place)
                .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
                .output()
                .await
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:\n{block}{told}", path.display());
        }
    }
    let [run, marked] = counts;
    assert!(run > 15 && marked > 5, "{run} blocks were run and {marked} are marked");
}

#[test]
fn every_command_is_described() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md")).unwrap();
    for command in commands().iter().filter(|command| *command != "help") {
        let is_there = page.lines().any(|line| line.starts_with("## ") && line.contains(command.as_str()));
        assert!(is_there, "docs/cli.md has no part about {command}");
    }
}

#[test]
fn every_test_that_the_page_of_faults_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let mut code = String::new();
    let crates = ["cli", "cluster", "shared", "node_gather", "node_process", "node_scale", "simulator", "testbed"];
    let mut folders: Vec<_> = crates.iter().chain(&["tests/deploy"]).map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let names: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.len() > 15 && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
        })
        .collect();
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        let is_there = ["fn", "def"].iter().any(|keyword| code.contains(&format!("{keyword} {name}(")));
        assert!(is_there, "{name}: no such test");
    }
}

/// Cargo finds no tests by itself where one binary has them all.
#[test]
fn every_file_of_tests_is_part_of_a_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = 0;
    for crate_name in ["cli", "cluster", "node_gather", "node_process", "node_scale", "simulator", "testbed"] {
        let folder = root.join(crate_name).join("tests");
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let (modules, manifest) = (read(&folder.join("all.rs")), read(&root.join(crate_name).join("Cargo.toml")));
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.file_stem().unwrap().to_str().unwrap();
                let is_module = modules.lines().any(|line| line == format!("mod {name};"));
                assert!(
                    is_module || manifest.contains(&format!("[[test]]\nname = \"{name}\"\n")),
                    "{crate_name}: {name}"
                );
                files += 1;
            }
        }
    }
    assert!(files > 70, "{files}");
}
