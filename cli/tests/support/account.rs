//! What `lambda-scale` itself sees of an account and a cluster: masters, Auto Scaling and CloudWatch Logs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testbed::CAPTURE;
use testbed::autoscaling::{AutoScaling, Group};
use testbed::cluster::Cluster;
use testbed::master::Master;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::GROUP;

/// A captured cluster with its group, and another group.
pub(crate) struct Account {
    pub(crate) master: Master,
    pub(crate) auto_scaling: AutoScaling,
    pub(crate) logs: Logs,
    test: &'static str,
}

impl Account {
    pub(crate) async fn start(test: &'static str) -> Self {
        let now = now();
        let master = Master::start(Cluster::from_capture(CAPTURE, now).unwrap()).await.unwrap();
        let mut group = Group::new(GROUP, 1, 100, &[]);
        let launched = now - SignedDuration::from_hours(24);
        for machine in master.cluster(|cluster| cluster.machines()) {
            group.adopt(&machine.instance, &machine.zone, launched);
        }
        let auto_scaling = AutoScaling::start([group, Group::new("web-asg", 1, 5, &["a"])]).await.unwrap();
        Self { master, auto_scaling, logs: Logs::start().await, test }
    }

    /// A configuration of one pool. `mesos` and `settings` are lines of their sections.
    pub(crate) fn config(&self, mesos: &str, attributes: &str, settings: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("account-{}.toml", self.test));
        let document = format!(
            "[mesos]\nmasters = [\"{}\"]\ntimeout = \"5s\"\n{mesos}\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\n\
             attributes = {{ {attributes} }}\n{settings}\n",
            self.master.url()
        );
        fs::write(&path, document).unwrap();
        path
    }

    /// The command with its environment, and no other.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-scale"));
        command.args(arguments);
        self.surround(command)
    }

    /// A script of the shell in the same environment, which ends with the first command that fails.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", script]);
        self.surround(command)
    }

    fn surround(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .envs([
                ("AWS_ENDPOINT_URL", self.auto_scaling.url()),
                ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", self.logs.url()),
            ])
            .envs([("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local"), ("AWS_REGION", "us-east-1")])
            .env("NO_PROXY", "*");
        command
    }

    pub(crate) fn writes(&self) -> usize {
        self.auto_scaling.calls().iter().filter(|call| call.is_mutating()).count()
    }

    pub(crate) fn desired(&self) -> i32 {
        self.auto_scaling.group(GROUP, |group| group.desired()).unwrap()
    }
}

/// All that was printed, in single spaces.
pub(crate) fn told(output: &Output) -> String {
    let words = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[expect(clippy::disallowed_methods, reason = "the cluster lives in the present")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// CloudWatch Logs with one log group, as far as `FilterLogEvents` shows it: pages of two events, and an empty one before
/// them, as the service may send one at any time.
pub(crate) struct Logs {
    log: Arc<Mutex<Log>>,
    url: String,
}

#[derive(Default)]
struct Log {
    name: String,
    events: Vec<(Timestamp, String)>,
    refusal: Option<&'static str>,
}

impl Logs {
    async fn start() -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/", post(filter)).with_state(Arc::clone(&log));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { log, url }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Makes the log group, with these lines so many seconds ago.
    pub(crate) fn write(&self, name: &str, lines: &[(i64, &str)]) {
        let at = |ago: &i64| now() - SignedDuration::from_secs(*ago);
        let mut log = self.log.lock().unwrap();
        log.name = name.to_owned();
        log.events.extend(lines.iter().map(|(ago, line)| (at(ago), (*line).to_owned())));
    }

    pub(crate) fn refuse(&self, code: &'static str) {
        self.log.lock().unwrap().refusal = Some(code);
    }
}

async fn filter(State(log): State<Arc<Mutex<Log>>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name| headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(header("x-amz-target"), "Logs_20140328.FilterLogEvents");
    assert!(header("authorization").contains("/us-east-1/logs/aws4_request"), "{headers:?}");
    let request: Value = serde_json::from_slice(&body).unwrap();
    let log = log.lock().unwrap();
    let refuse = |code| (StatusCode::BAD_REQUEST, json!({ "__type": code, "message": "refused" }).to_string());
    if let Some(code) = log.refusal {
        return refuse(code);
    }
    if request["logGroupName"] != log.name.as_str() {
        return refuse("ResourceNotFoundException");
    }
    let term = request["filterPattern"].as_str().unwrap().trim_matches('"');
    let start = request["startTime"].as_i64().unwrap();
    let found = log.events.iter().filter(|(at, line)| at.as_millisecond() >= start && line.contains(term));
    let page: Option<usize> = request["nextToken"].as_str().map(|token| token.parse().unwrap());
    let form = |(at, line): &(Timestamp, String)| json!({ "timestamp": at.as_millisecond(), "message": line });
    let events: Vec<Value> = match page {
        None => Vec::new(),
        Some(page) => found.clone().skip(2 * page).take(2).map(form).collect(),
    };
    let next = page.map_or(0, |page| page + 1);
    let token = (2 * next < found.count()).then(|| next.to_string());
    let mut answer = json!({ "events": events, "searchedLogStreams": [] });
    if let Some(token) = token {
        answer["nextToken"] = token.into();
    }
    (StatusCode::OK, answer.to_string())
}
