//! `lambda-scale check` and `lambda-scale import`, and the completions and the manual.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use shared::config::{Config, PoolSource};

fn call(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lambda-scale")).args(arguments).output().unwrap()
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

const VALID: &str = r#"
dry_run = true
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "workers"
group = "mesos-workers"
min = 2
attributes = { pool = "workers" }
[[pools]]
name = "web"
group = "web-asg"
source = "cloudwatch"
max = 20
"#;

#[test]
fn a_valid_configuration_is_printed_by_pool() {
    let path = file("valid.toml", VALID);
    let output = call(&["check", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stdout);
    assert!(told.contains("is valid: 2 pools"), "{told}");
    assert!(told.contains("dry run"), "{told}");
    assert!(
        told.contains("group mesos-workers, at least 2 agents, at most the group's maximum, removes below 50%"),
        "{told}"
    );
    assert!(told.contains("removes below 42% CPU utilization, adds above 60%"), "{told}");

    let output = call(&["check", path.to_str().unwrap(), "--output", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["valid"], true);
    assert_eq!(json["pools"][0]["max_scale_up_step"], 10, "defaults are filled in");
}

#[test]
fn a_pool_that_learns_removes_at_any_utilization_once_it_has_learned_d1() {
    let line = |settings: &str| {
        let path = file("learns.toml", &VALID.replace("min = 2", &format!("min = 2\nlearn = 95\n{settings}")));
        let output = call(&["check", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let learns =
        "adds above 80%, learns its headroom; until then removes below 50%, 10% headroom for every application";
    assert!(line("").contains(learns), "{}", line(""));
    // What ends tasks goes by the percentage, as without learn.
    let ends = "removes below 50%, adds above 80%, learns its headroom; until then 10% headroom for every application";
    let least_loaded = line("scale_down_strategy = \"least_loaded\"");
    assert!(least_loaded.contains(ends), "{least_loaded}");
}

#[test]
fn a_long_name_stands_above_its_line() {
    let name = "a-pool-of-gpu-agents";
    let path = file("long-name.toml", &VALID.replace("\"workers\"\ngroup", &format!("\"{name}\"\ngroup")));
    let output = call(&["check", path.to_str().unwrap()]);
    let told = text(&output.stdout);
    assert!(told.contains(&format!("\n  {name}\n                   group mesos-workers, ")), "{told}");
}

#[test]
fn all_problems_of_a_configuration_are_printed_at_once() {
    let path = file("wrong.toml", &VALID.replace("min = 2", "min = \"2\"\nmxa = 3"));
    let output = call(&["check", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("2 problems") && told.contains("pools[0].min") && told.contains("pools[0].mxa"), "{told}");

    let output = call(&["check", path.to_str().unwrap(), "--output", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(json["problems"].as_array().unwrap().len(), 2);

    assert_eq!(call(&["check", "/no/such/file"]).status.code(), Some(1));
}

/// The example of scalepot's README.
const SCALEPOT: &str = "
az: ap-northeast-1
roles:
- name: worker
  type: c1.medium
  min: 2
  max: 5
  ami: ami-86db6187
  option: spot # on-demand or spot
  cooltime: 20 # minutes between checking
  placement: b
- name: web
  min: 3
  max: 3
  favourite: \"blue\"
scale_out_threshold: 75
";

#[test]
fn a_role_of_scalepot_becomes_a_pool_of_cloudwatch() {
    let path = file("scalepot.yml", SCALEPOT);
    let output = call(&["import", "scalepot", path.to_str().unwrap(), "--group", "web=web-asg"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let configuration = text(&output.stdout);
    let config = Config::parse(configuration).unwrap();
    assert!(config.mesos.is_none());
    let [worker, web] = &config.pools[..] else { panic!("{configuration}") };
    assert_eq!(
        (worker.pool.as_str(), worker.group.as_str(), worker.limits.min, worker.limits.max),
        ("worker", "worker", 2, Some(5))
    );
    assert_eq!(worker.timing.scale_up_cooldown.as_secs(), 20 * 60);
    assert_eq!(worker.timing.scale_down_cooldown.as_secs(), 20 * 60);
    let PoolSource::CloudWatch { cpu } = worker.source else { panic!("{configuration}") };
    assert_eq!((cpu.scale_out_threshold, cpu.scale_down_ratio_thousandths), (75, 700));
    assert_eq!((web.group.as_str(), web.limits.min, web.limits.max), ("web-asg", 3, Some(3)));
    assert!(configuration.contains("# c1.medium, ami-86db6187, spot, ap-northeast-1b"), "{configuration}");
    assert!(configuration.contains("favourite has no counterpart"), "{configuration}");
}

/// The page shows the actual output.
#[test]
fn the_documentation_shows_the_result_of_an_import() {
    let worker: String = SCALEPOT.split("- name: web").next().unwrap().to_owned();
    let path = file("readme.yml", &worker);
    let output = call(&["import", "scalepot", path.to_str().unwrap()]);
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scalepot.md")).unwrap();
    assert!(page.contains(text(&output.stdout)), "{}", text(&output.stdout));
}

#[test]
fn what_scalepot_has_in_another_place_is_imported_too() {
    let call = |content: &str| {
        let path = file("places.yml", content);
        let output = call(&["import", "scalepot", path.to_str().unwrap()]);
        (output.status.code().unwrap(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let role = "roles:\n- name: web\n  min: 2\n  max: 5\n";
    let (code, printed, _) =
        call(&format!("{role}  scale_out_threshold: 75\n  scale_down_ratio: 0.5\n  az: a\ncooltime: 10\nmin: 1\n"));
    assert_eq!(code, 0);
    for line in [
        "scale_out_threshold = 75  # of this role; scalepot applies 60 to all roles",
        "scale_down_ratio = 0.5  # of this role; scalepot applies 0.7 to all roles",
        "cooltime = 10",
        "# az has no effect in this place and is omitted.",
        "# min has no effect in this place and is omitted.",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(!printed.contains("has no counterpart"), "{printed}");
    let (code, _, told) = call(&format!("{role}  scale_out_threshold: 150\n"));
    assert!(code == 2 && told.contains("got 150, expected a percentage from 1 to 100; write 60"), "{told}");
    // What TOML writes otherwise than YAML is an error of the setting.
    let (code, _, told) = call(&format!("{role}scale_out_threshold: .nan\n"));
    assert!(code == 2 && told.contains("pools[0].scale_out_threshold: got nan, expected a percentage"), "{told}");
    let (code, _, told) = call("roles: []\n");
    assert!(code == 1 && told.contains(" has no roles; write one at least, with name, min, and max"), "{told}");
    let (_, printed, _) = call(&format!("{role}  cooltime: 5\ncooltime: 10\n"));
    assert!(printed.contains("cooltime = 5\n"), "{printed}");
}

#[test]
fn an_invalid_scalepot_file_is_an_error() {
    let call = |content: &str, more: &[&str]| {
        let path = file("other.yml", content);
        let output = call(&[&["import", "scalepot", path.to_str().unwrap()], more].concat());
        (output.status.code().unwrap(), text(&output.stderr).to_owned())
    };
    let (code, told) = call("roles: 3", &[]);
    assert!(code == 1 && told.contains("is not a valid scalepot.yml"), "{told}");
    // Whatever is wrong, nothing is repeated that may be a secret.
    let role = |more: &str| format!("roles:\n- name: web\n  password: hunter2\n  {more}\n  token: hunter2\n");
    for wrong in [
        "min: hunter2\n  max: 3",
        "min: 1\n  max: [hunter2]",
        "min: 1\n  max: -1\n  cooltime: hunter2",
        "min: 1\n  max: 2\n  min: hunter2",
        "min: 1\n  max: 2\n  ami: {a: hunter2}",
        "min: !!int hunter2",
        "min: *hunter2",
        "min: \"hunter2",
        "min: 1\n max: hunter2",
    ] {
        let (code, told) = call(&role(wrong), &[]);
        assert!(code == 1 && !told.contains("hunter2"), "{told}");
    }
    let (code, told) = call(&SCALEPOT.replace("75", "750"), &[]);
    assert!(code == 2 && told.contains("got 750, expected a percentage from 1 to 100; write 60"), "{told}");
    let (code, told) = call(&SCALEPOT.replace("name: web", "name: \"a\\nb: \\\"c\\\"\""), &[]);
    assert!(code != 101, "{told}");
    let (code, told) = call(SCALEPOT, &["--group", "wbe=web-asg"]);
    assert!(code == 2 && told.contains("\"wbe\""), "{told}");
    let (code, told) = call(SCALEPOT, &["--group", "web=a", "--group", "web=b"]);
    assert!(code == 2 && told.contains("--group \"web\" is there twice; leave one out"), "{told}");
    let (code, told) = call(SCALEPOT, &["--group", "web"]);
    assert!(code == 2 && told.contains("write web=web-asg"), "{told}");
}

#[test]
fn completions_and_manual_have_every_command() {
    let help = call(&["help"]);
    let commands: Vec<&str> = text(&help.stdout)
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 5, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = call(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        for command in &commands {
            assert!(text(&output.stdout).contains(command), "{shell} does not know {command}");
        }
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man1");
    fs::create_dir_all(&folder).unwrap();
    assert_eq!(call(&["man", folder.to_str().unwrap()]).status.code(), Some(0));
    for command in &commands {
        assert!(folder.join(format!("lambda-scale-{command}.1")).is_file(), "there is no page for {command}");
    }
    assert!(text(&call(&["man"]).stdout).contains("lambda\\-scale"));
}
