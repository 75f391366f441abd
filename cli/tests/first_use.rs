//! What goes wrong for a new user in the steps of the README and the quick start: each error ends with the next step.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use crate::support::told;
use testbed::CAPTURE;

const CONFIG: &str = "[mesos]\nmasters = [\"http://127.0.0.1:1\"]\n\n[[pools]]\nname = \"workers\"\ngroup = \"mesos-workers\"\nmin = 2\nmax = 50\n";

/// A folder of one test, with a configuration and a state.
fn folder(test: &str, config: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("first-{test}"));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("lambda-scale.toml"), config).unwrap();
    fs::write(folder.join("state.json"), CAPTURE).unwrap();
    folder
}

/// The command in that folder, without an account.
fn run(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
    command.args(line.split(' ')).current_dir(folder).env_clear().env("HOME", folder);
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_PROXY", "*").output().unwrap()
}

#[test]
fn a_wrong_call_is_answered_with_the_next_step() {
    let folder = folder("call", CONFIG);
    fs::write(folder.join("login.html"), "<html>log in</html>").unwrap();
    fs::write(folder.join("half.json"), &CAPTURE[..5000]).unwrap();
    fs::write(folder.join("empty.json"), "{}").unwrap();
    for (line, code, next) in [
        ("doctr", 2, "a similar subcommand exists: 'doctor'"),
        ("doctor --confg x", 2, "a similar argument exists: '--config'"),
        ("check lambda-scale.tml", 1, "no such file; did you mean lambda-scale.toml?"),
        ("check .", 1, "it is a directory; name a file in it"),
        ("check state.json", 2, "line 1, column 1: not valid TOML"),
        ("explain", 2, "add --state FILE"),
        ("explain --state stat.json", 1, "no such file; did you mean state.json?"),
        ("explain --state 10.0.0.5:5050", 2, "expected a file, a URL, or -; write http://10.0.0.5:5050"),
        ("explain --state zk://10.0.0.5:2181/mesos", 2, "expected a file, a URL, or -; write http://10.0.0.5:5050"),
        ("explain --state lambda-scale.toml", 1, "as `curl http://MASTER:5050/state > state.json` saves it"),
        ("explain --state login.html", 1, "check that the URL leads to the master, not to a login page"),
        ("explain --state half.json", 1, "the state is incomplete: it ends after byte 5000"),
        ("explain --state empty.json", 1, "check that the URL leads to a Mesos master"),
        ("explain --state state.json --now noon", 2, "write 2026-11-21T16:00:00Z"),
        ("explain --state state.json --cpu 50", 2, "write workers=71.5"),
        ("explain --state state.json --group state.json", 1, "what `aws autoscaling describe-auto-scaling-groups"),
        ("explain --state state.json --queue state.json", 1, "as `curl http://MARATHON:8080/v2/queue > queue.json`"),
        ("explain --state http://127.0.0.1:1", 1, "nothing listens there: check the port"),
        ("explain --state http://no-such-host.invalid:5050", 1, "check the name of the host, or write its address"),
        ("explain --state state.json --pods state.json", 1, "as `curl http://MARATHON:8080/v2/pods > pods.json`"),
        ("generate --agents 1 --tasks 10001", 2, "10001 tasks on 1 agent are more than 10000 each; raise --agents"),
        ("run", 1, "no AWS credentials; set AWS_PROFILE or run `aws sso login`"),
        ("run --every 0s", 2, "write 1m or 30s"),
        ("run --yes", 2, "--apply"),
        ("status --pool worker", 2, "has no such pool; did you mean workers?"),
        ("status --watch=0s", 2, "write 1m or 30s"),
        ("pause", 2, "<--for <DURATION>|--until <TIME>>"),
        ("pause --for 2x", 2, "write 30m, 2h, or 1d"),
        ("pause --for 0s", 2, "got \"0s\", expected more than 0s and at most a year; write 2h"),
        ("pause --until 2020-01-01", 2, "which is over, expected a later time; write forever, or a date"),
        ("pause --until soon", 2, "write 2026-12-24T18:00:00Z"),
        ("replay recordd", 1, "no such file; check the path"),
        ("replay state.json", 1, "copy only the objects under recorded/"),
        ("learn", 2, "<--trace <FILE>|--from-snapshots <DIR>>"),
        ("learn --trace state.json", 2, "write \"timestamp,value\""),
        ("simulate --trace a.csv --boot 3", 2, "write 30m, 2h, or 1d"),
        ("simulate --trace a.csv --boot 366d", 2, "expected at most 24h; write 3m"),
        ("simulate --trace a.csv --faults failover=1,failover=2", 2, "failover is there twice; leave one out"),
        ("simulate --trace a.csv --agent 8", 2, "write cpus=8,mem=28000"),
        ("simulate --trace a.csv --baseline hpa", 2, "write target-tracking=65, "),
        ("import scalepot", 1, "cannot read scalepot.yml: no such file"),
    ] {
        let output = run(&folder, line);
        let words = told(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {words}");
        assert!(words.contains(next), "{line}: {next:?} is not in {words}");
    }
    fs::remove_file(folder.join("lambda-scale.toml")).unwrap();
    let output = run(&folder, "doctor");
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("add --config FILE, or write lambda-scale.toml"), "{}", told(&output));
}

#[test]
fn a_wrong_setting_is_answered_with_one_that_is_valid() {
    for (was, is, next) in [
        ("[mesos]", "[mesos", "line 1, column 7: not valid TOML"),
        ("[\"http://127.0.0.1:1\"]", "\"http://127.0.0.1:1\"", "write [\"http://10.0.0.5:5050\"]"),
        ("http://127.0.0.1:1", "127.0.0.1:5050", "expected the URL of a master; write \"http://10.0.0.5:5050\""),
        ("[[pools]]", "[pools]", "write [[pools]] with name and group"),
        ("\"workers\"", "\"\"", "write \"workers\""),
        ("min = 2", "min = \"2\"", "write 2"),
        ("min = 2", "min = 60", "expected at least min = 60"),
        ("min = 2", "mim = 2", "did you mean \"min\"?"),
        ("min = 2", "scale_down_threshold_percent = 0.5", "write 50"),
        ("min = 2", "join_timeout = 15", "write \"15m\""),
        ("min = 2", "scale_down_strategy = \"drian\"", "write \"drain\""),
        ("min = 2", "source = \"cloudwach\"", "write \"cloudwatch\""),
        ("min = 2", "pause_until = \"tomorrow\"", "write \"2026-12-24T18:00:00Z\""),
        ("min = 2", "new_agent = { cpus = 4 }", "write { cpus = 4, mem = "),
    ] {
        let folder = folder("setting", &CONFIG.replacen(was, is, 1));
        let output = run(&folder, "check");
        let words = told(&output);
        assert_eq!(output.status.code(), Some(2), "{is}: {words}");
        assert!(words.contains(next), "{is}: {next:?} is not in {words}");
    }
}

/// A server that answers each connection with these bytes.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // A server of HTTP waits for the request.
            if answer.starts_with(b"HTTP") {
                drop(stream.read(&mut [0; 4096]));
            }
            drop(stream.write_all(answer));
        }
    });
    address.to_string()
}

#[test]
fn a_service_that_is_no_master_is_answered_with_what_to_check() {
    let ssh = server(b"SSH-2.0-OpenSSH_9.6\r\n");
    let page = server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let login = server(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    for (url, next) in [
        (format!("http://{ssh}"), "check the port, and whether the URL must begin with https://"),
        (format!("https://{page}"), "it does not speak TLS: write http:// instead of https://"),
        (format!("http://{page}"), "no /state (404); check the URL"),
        (format!("http://{login}"), "the master requires credentials (401); set mesos.credentials"),
    ] {
        let folder = folder("service", &CONFIG.replace("http://127.0.0.1:1", &url));
        for line in ["doctor", "status"] {
            let output = run(&folder, line);
            assert_eq!(output.status.code(), Some(1), "{line}: {}", told(&output));
            assert!(told(&output).contains(next), "{line}: {next:?} is not in {}", told(&output));
        }
    }
}
