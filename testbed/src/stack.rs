//! The three functions and all their endpoints.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::config::{Config, Policy};
use shared::contract::{self, CONTENT_ENCODING, ClusterSnapshot, ScalingDecision, ScalingOutcome};
use thiserror::Error;

use cluster::Agent;
use cluster::capture::CaptureError;

use super::autoscaling::{AutoScaling, Group};
use super::capture::captured;
use super::cloudwatch::{CloudWatch, Utilization};
use super::configuration::{self, ConfigurationError, Local};
use super::ec2::{Ec2, Ec2Instance};
use super::faults::{FaultPlan, Faults};
use super::http::Call;
use super::marathon::Marathon;
use super::master::Master;
use super::raw::RawServer;
use super::runtime_api::{Function, FunctionError};
use super::secrets::{Leak, Secrets};
use super::service::{lock, now};
use super::sns::{Message, Sns};
use super::ssm::Ssm;
use super::stage::{self, Stage};
use super::{ACCOUNT, REGION};

/// How long anything here may take: each step takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The age of the instances that the group has from the start: older than any timeout.
const INSTANCE_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The size of a group without captured agents.
const GROUP_SIZE: u32 = 3;

/// The CPU utilization of the groups at the start: too low for another instance, too high for one fewer.
const CPU_PERCENT: f64 = 50.0;

/// The parameter with the master's credentials, where it asks for any.
const CREDENTIALS: &str = "/lambda-scale/mesos";

/// The parameter with Marathon's credentials, where it asks for any.
const MARATHON_CREDENTIALS: &str = "/lambda-scale/marathon";

/// No secret of a test has more bytes, in no form.
const LONGEST_SECRET: usize = 200;

/// How often a failed event runs again, as template.yaml says for each function.
const RETRIES: [(&str, u32); 3] = [("node_gather", 0), ("node_process", 1), ("node_scale", 1)];

/// What to run, and on what.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The directory with the three binaries.
    pub binaries: PathBuf,
    /// The configuration; the local master replaces its masters.
    pub configuration: String,
    /// A captured `/state`.
    pub capture: Vec<u8>,
    /// Where the functions' logs go.
    pub logs: Logs,
    /// What goes wrong from the start.
    pub faults: Faults,
}

/// Where the functions' logs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logs {
    /// To the standard error of this process.
    Stderr,
    /// To a file for each function in this directory.
    Directory(PathBuf),
}

/// What can go wrong with a local run.
#[derive(Debug, Error)]
pub enum StackError {
    /// The capture is none.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// An endpoint got no port.
    #[error("cannot open a port on 127.0.0.1")]
    Port(#[source] io::Error),
    /// A binary is not there.
    #[error("{} is not there; run: cargo build --workspace", .0.display())]
    NoBinary(PathBuf),
    /// A binary does not start.
    #[error("cannot start {}", binary.display())]
    Start {
        /// The binary.
        binary: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A function failed.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// Something did not come in time.
    #[error("no {what} came within {} s{hint}", PATIENCE.as_secs())]
    Late {
        /// What was awaited.
        what: &'static str,
        /// Which functions failed, and where the logs are.
        hint: String,
    },
}

/// The ARNs of the three topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// From node_gather to node_process.
    pub snapshots: String,
    /// From node_process to node_scale.
    pub decisions: String,
    /// From node_scale to its subscribers.
    pub outcomes: String,
}

/// The messages of one run, for one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// From node_gather.
    pub snapshot: ClusterSnapshot,
    /// From node_process.
    pub decision: ScalingDecision,
    /// From node_scale.
    pub outcome: ScalingOutcome,
}

/// How far what the functions wrote was searched for secrets.
#[derive(Debug, Default)]
struct Searched {
    /// The bytes of each function's log.
    logs: BTreeMap<&'static str, usize>,
    /// The messages of all topics.
    messages: usize,
    /// The calls of each service of AWS.
    calls: [usize; 4],
}

/// Everything that runs. What is started ends when this is dropped.
#[derive(Debug)]
pub struct Stack {
    /// The configuration that the functions have.
    pub config: Config,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// The Mesos master and its cluster.
    pub master: Master,
    /// The masters that are stuck, in the order of the configuration.
    pub stuck_masters: Vec<RawServer>,
    /// Marathon, where the configuration names one.
    pub marathon: Marathon,
    /// Parameter Store.
    pub ssm: Ssm,
    /// The topics.
    pub sns: Sns,
    /// Their ARNs.
    pub topics: Topics,
    /// The Auto Scaling groups.
    pub auto_scaling: AutoScaling,
    /// Their CPU utilization.
    pub cloudwatch: CloudWatch,
    /// The instances by their addresses.
    pub ec2: Ec2,
    /// The first function.
    pub gather: Function,
    /// The second.
    pub process: Function,
    /// The third.
    pub scale: Function,
    logs: Logs,
    secrets: Secrets,
    searched: Mutex<Searched>,
    stages: BTreeMap<&'static str, Stage>,
}

impl Stack {
    /// Opens all endpoints and starts the three functions.
    ///
    /// # Errors
    /// Where the capture or the configuration is of no use, or something does not start.
    pub async fn start(setup: Setup) -> Result<Self, StackError> {
        let faults = FaultPlan::from(setup.faults);
        let cluster = captured(&setup.capture, now())?;
        let master = Master::start(cluster, &faults).await.map_err(StackError::Port)?;
        let marathon = Marathon::start(master.shared_cluster(), &faults).await.map_err(StackError::Port)?;
        let ssm = Ssm::start(&faults).await.map_err(StackError::Port)?;
        let credentials = faults.change(|faults| faults.master_credentials.clone());
        if let Some(credentials) = &credentials {
            ssm.put(CREDENTIALS, credentials);
        }
        let reference = format!("ssm:{CREDENTIALS}");
        let marathon_credentials = faults.change(|faults| faults.marathon_credentials.clone());
        if let Some(credentials) = &marathon_credentials {
            ssm.put(MARATHON_CREDENTIALS, credentials);
        }
        let marathon_reference = format!("ssm:{MARATHON_CREDENTIALS}");
        let mut secrets = Secrets::of_aws();
        for (of, credentials) in
            [("the master's password", &credentials), ("Marathon's password", &marathon_credentials)]
        {
            secrets = credentials.iter().fold(secrets, |secrets, secret| secrets.with(of, secret));
        }
        let stuck = faults.change(|faults| faults.stuck_masters.clone());
        let stuck = stuck.into_iter().map(RawServer::stuck).collect::<Result<Vec<_>, _>>().map_err(StackError::Port)?;
        let own = faults.change(|faults| faults.own_masters.clone());
        let masters: Vec<String> =
            own.into_iter().chain(stuck.iter().map(RawServer::url)).chain([master.url()]).collect();
        let local = Local {
            masters: &masters,
            credentials: credentials.is_some().then_some(&reference),
            marathon: &marathon.url(),
            marathon_credentials: marathon_credentials.is_some().then_some(&marathon_reference),
        };
        let (configuration, config) = configuration::localize(&setup.configuration, local)?;
        let agents: Vec<Agent> = master.cluster(|cluster| cluster.registered().cloned().collect());
        let groups: Vec<Group> = config.pools.iter().map(|policy| group(policy, &agents, now())).collect();
        let auto_scaling = AutoScaling::start(groups, &faults).await.map_err(StackError::Port)?;
        let cloudwatch = CloudWatch::start(&faults).await.map_err(StackError::Port)?;
        for policy in config.pools.iter().filter(|policy| policy.source.cpu().is_some()) {
            cloudwatch.set(&policy.group, Utilization::Percent(CPU_PERCENT));
        }
        let running = |agent: &Agent| {
            let policy = config.pools.iter().find(|policy| belongs(agent, policy))?;
            Some(Ec2Instance::running(agent.instance_id()?, &agent.ip()?.to_string()).of_group(&policy.group))
        };
        let instances = agents.iter().filter_map(running).collect();
        let ec2 = Ec2::start(instances, &faults).await.map_err(StackError::Port)?;
        let [gather, process, scale] = RETRIES.map(|(name, retries)| Function::start(name, retries, &faults));
        let gather = gather.await.map_err(StackError::Port)?;
        let process = process.await.map_err(StackError::Port)?;
        let scale = scale.await.map_err(StackError::Port)?;
        let sns = Sns::start(&faults).await.map_err(StackError::Port)?;
        let topics = Topics {
            snapshots: sns.create("lambda-scale-snapshots", Some(process.clone())),
            decisions: sns.create("lambda-scale-decisions", Some(scale.clone())),
            outcomes: sns.create("lambda-scale-outcomes", None),
        };
        let mut stack = Self {
            config,
            faults: faults.clone(),
            master,
            stuck_masters: stuck,
            marathon,
            ssm,
            sns,
            topics,
            auto_scaling,
            cloudwatch,
            ec2,
            gather,
            process,
            scale,
            logs: setup.logs,
            secrets,
            searched: Mutex::default(),
            stages: BTreeMap::new(),
        };
        let (cloudwatch_url, ssm_url) = (stack.cloudwatch.url(), stack.ssm.url());
        let (sns_url, auto_scaling_url, ec2_url) = (stack.sns.url(), stack.auto_scaling.url(), stack.ec2.url());
        let variables = [
            ("LAMBDA_SCALE_CONFIG", configuration.as_str()),
            ("SNAPSHOT_TOPIC_ARN", &stack.topics.snapshots),
            ("DECISION_TOPIC_ARN", &stack.topics.decisions),
            ("OUTCOME_TOPIC_ARN", &stack.topics.outcomes),
            ("LAMBDA_SCALE_STACK", "local"),
            ("AWS_ENDPOINT_URL_SNS", &sns_url),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", &cloudwatch_url),
            ("AWS_ENDPOINT_URL_EC2", &ec2_url),
            ("AWS_ENDPOINT_URL_SSM", &ssm_url),
            // Whatever else a function may call is refused there as an unknown action: nothing leaves the machine.
            ("AWS_ENDPOINT_URL", &auto_scaling_url),
        ];
        let functions = [&stack.gather, &stack.process, &stack.scale];
        let stages = functions
            .map(|function| Ok((function.name(), Stage::start(function, &setup.binaries, &stack.logs, &variables)?)));
        stack.stages = stages.into_iter().collect::<Result<_, StackError>>()?;
        Ok(stack)
    }

    /// Runs the chain once, and waits for the messages of every pool.
    ///
    /// # Errors
    /// Where a function fails or something does not come.
    pub async fn run(&self) -> Result<Vec<Run>, StackError> {
        self.follow_groups();
        let mark = self.sns.mark();
        self.gather().await?;
        let mut runs = Vec::new();
        for policy in &self.config.pools {
            let snapshot = self.snapshot(&policy.pool, mark).await?;
            let decision = self.decision(&snapshot, mark).await?;
            let outcome = self.outcome(&decision, mark).await?;
            runs.push(Run { snapshot, decision, outcome });
        }
        Ok(runs)
    }

    /// Runs node_gather, as the schedule does.
    ///
    /// # Errors
    /// Where it fails or does not end.
    pub async fn gather(&self) -> Result<(), StackError> {
        let event = schedule_event(now());
        self.within("end of node_gather", self.gather.invoke(&event)).await??;
        Ok(())
    }

    /// Waits for the first snapshot of a pool from that mark of the topics on.
    ///
    /// # Errors
    /// Where none comes.
    pub async fn snapshot(&self, pool: &str, mark: usize) -> Result<ClusterSnapshot, StackError> {
        let read = |message: &Message| decode(message).filter(|snapshot: &ClusterSnapshot| snapshot.pool == pool);
        self.within("snapshot", self.sns.wait_for(&self.topics.snapshots, mark, read)).await
    }

    /// Waits for the decision that is made from a snapshot.
    ///
    /// # Errors
    /// Where none comes.
    pub async fn decision(&self, snapshot: &ClusterSnapshot, mark: usize) -> Result<ScalingDecision, StackError> {
        let of = |decision: &ScalingDecision| decision.snapshot_id == Some(snapshot.id);
        let read = |message: &Message| decode(message).filter(of);
        self.within("decision", self.sns.wait_for(&self.topics.decisions, mark, read)).await
    }

    /// Waits for the first outcome of a decision from that mark of the topics on.
    ///
    /// # Errors
    /// Where none comes.
    pub async fn outcome(&self, decision: &ScalingDecision, mark: usize) -> Result<ScalingOutcome, StackError> {
        let of = |outcome: &ScalingOutcome| outcome.decision_id == Some(decision.id);
        let read = |message: &Message| decode(message).filter(of);
        self.within("outcome", self.sns.wait_for(&self.topics.outcomes, mark, read)).await
    }

    /// Waits for something, for 10 seconds at most.
    ///
    /// # Errors
    /// Where it does not come.
    pub async fn within<T>(&self, what: &'static str, future: impl Future<Output = T>) -> Result<T, StackError> {
        tokio::time::timeout(PATIENCE, future).await.map_err(|_| StackError::Late { what, hint: self.hint() })
    }

    /// The message with which a decision was published.
    #[must_use]
    pub fn message_of(&self, decision: &ScalingDecision) -> Option<Message> {
        let of = |message: &Message| decode(message).is_some_and(|found: ScalingDecision| found.id == decision.id);
        self.sns.published(&self.topics.decisions, 0).into_iter().find(of)
    }

    /// Lets the agents of every pool follow their group: agents on new instances register, those on ended instances are removed.
    pub fn follow_groups(&self) {
        let now = now();
        for policy in &self.config.pools {
            let joined = self.auto_scaling.group(&policy.group, |group| {
                group.joined(now).map(|instance| (instance.id.clone(), instance.zone.clone())).collect::<Vec<_>>()
            });
            if let Some(joined) = joined.filter(|_| policy.source.needs_masters()) {
                self.master.cluster(|cluster| cluster.follow(&joined, |agent| belongs(agent, policy), now));
            }
        }
    }

    /// Ends the groups' activities at once, and lets the agents follow.
    pub fn finish_activities(&self) {
        for policy in &self.config.pools {
            self.auto_scaling.group(&policy.group, |group| group.finish(now()));
        }
        self.follow_groups();
    }

    /// The desired capacity of a group.
    #[must_use]
    pub fn desired(&self, group: &str) -> Option<i32> {
        self.auto_scaling.group(group, |group| group.desired())
    }

    /// The most memory a function's process ever held, where the system tells.
    #[must_use]
    pub fn peak_memory_kib(&self, function: &str) -> Option<u64> {
        self.stages.get(function)?.peak_memory_kib()
    }

    /// The memory that a function's process holds now, where the system tells.
    #[must_use]
    pub fn memory_kib(&self, function: &str) -> Option<u64> {
        self.stages.get(function)?.memory_kib()
    }

    /// Forgets all calls, messages, and invocations so far, so that a run can last.
    pub fn forget(&self) {
        for function in [&self.gather, &self.process, &self.scale] {
            function.forget_history();
            function.forget_calls();
        }
        self.sns.forget_messages();
        self.sns.forget_calls();
        self.master.forget_calls();
        self.marathon.forget_calls();
        self.ssm.forget_calls();
        self.auto_scaling.forget_calls();
        self.cloudwatch.forget_calls();
        self.ec2.forget_calls();
    }

    /// The secrets that stand in what the functions wrote since this was asked: in logs, messages, answers, errors, tags, parameters,
    /// and in all else that they sent to AWS.
    ///
    /// # Errors
    /// Where a log cannot be read.
    pub fn leaks(&self) -> io::Result<Vec<Leak>> {
        let written = self.written(&mut lock(&self.searched))?;
        Ok(written.iter().filter_map(|(place, text)| self.secrets.find(place, text)).collect())
    }

    /// What the functions wrote from there on, with its place.
    fn written(&self, from: &mut Searched) -> io::Result<Vec<(String, String)>> {
        let mut written = Vec::new();
        for function in [&self.gather, &self.process, &self.scale] {
            let name = function.name();
            if let Logs::Directory(directory) = &self.logs {
                let log = fs::read(stage::log_file(directory, name))?;
                let start = from.logs.insert(name, log.len()).unwrap_or_default();
                // The last line may have been half written.
                let new = log.get(start.saturating_sub(LONGEST_SECRET)..).unwrap_or(&log);
                let lines = String::from_utf8_lossy(new).into_owned();
                written.push((format!("the log of {name}"), lines));
            }
            // They are short: each time all of them.
            written.extend(function.history().into_iter().map(|invocation| {
                let said = invocation.result.unwrap_or_else(|error| error.to_string());
                (format!("an answer of {name}"), said)
            }));
        }
        for topic in [&self.topics.snapshots, &self.topics.decisions, &self.topics.outcomes] {
            let messages = self.sns.published(topic, from.messages).into_iter();
            written.extend(messages.map(|message| (format!("a message of {topic}"), readable(&message))));
        }
        from.messages = self.sns.mark();
        let calls = [
            (self.auto_scaling.calls_since(from.calls[0]), self.auto_scaling.call_count()),
            (self.cloudwatch.calls_since(from.calls[1]), self.cloudwatch.call_count()),
            (self.ec2.calls_since(from.calls[2]), self.ec2.call_count()),
            (self.ssm.calls_since(from.calls[3]), self.ssm.call_count()),
        ];
        from.calls = calls.each_ref().map(|(_, count)| *count);
        // The headers have what they must have.
        let request = |call: &Call| format!("{} {:?} {}", call.action, call.params, call.json);
        let requests = calls.iter().flat_map(|(calls, _)| calls).map(request);
        written.extend(requests.map(|request| ("a request to AWS".to_owned(), request)));
        Ok(written)
    }

    /// Ends the three functions, and waits until they have ended.
    pub async fn stop(self) {
        for stage in self.stages.into_values() {
            stage.stop().await;
        }
    }

    /// Which functions failed, and where to read more.
    fn hint(&self) -> String {
        let mut hint = String::new();
        for function in [&self.gather, &self.process, &self.scale] {
            let last = function.history().into_iter().rev().find_map(|invocation| invocation.result.err());
            if let Some(error) = function.ended().or(last) {
                hint.push_str(&format!("; {error}"));
            }
            if let Logs::Directory(directory) = &self.logs {
                hint.push_str(&format!("; log: {}", stage::log_file(directory, function.name()).display()));
            }
        }
        hint
    }
}

/// What a message says, unpacked.
fn readable(message: &Message) -> String {
    let attributes = &message.attributes;
    let unpacked = attributes.get(CONTENT_ENCODING).and_then(|_| contract::unpack_all(&message.body).ok());
    let body = unpacked.map_or_else(|| message.body.clone(), |bodies| bodies.concat());
    format!("{:?} {attributes:?} {body}", message.subject)
}

/// A message of ours, if the text is one.
#[must_use]
pub fn decode<M: contract::Message>(message: &Message) -> Option<M> {
    let encoding = message.attributes.get(CONTENT_ENCODING).map(String::as_str);
    contract::decode(&message.body, encoding).ok()
}

/// Whether an agent has all the attributes of a pool. A pool of a group alone has no agents.
fn belongs(agent: &Agent, policy: &Policy) -> bool {
    policy.source.needs_masters()
        && policy.attributes.iter().all(|(name, value)| agent.attributes.text(name) == Some(value))
}

/// The group of a pool, with the instances of its captured agents; a pool without agents gets a few instances.
fn group(policy: &Policy, agents: &[Agent], now: Timestamp) -> Group {
    let instance = |agent: &Agent| Some((agent.instance_id()?.to_owned(), agent.zone()?.to_owned()));
    let mut instances: Vec<(String, String)> =
        agents.iter().filter(|agent| belongs(agent, policy)).filter_map(instance).collect();
    if !policy.source.needs_masters() {
        let number = GROUP_SIZE.clamp(policy.limits.min, policy.limits.max.unwrap_or(u32::MAX));
        instances = (0..number).map(|n| (format!("i-{}{n}", policy.pool), format!("{REGION}a"))).collect();
    }
    let count = i32::try_from(instances.len()).unwrap_or(i32::MAX);
    let limit = |limit: u32| i32::try_from(limit).unwrap_or(i32::MAX);
    let min = limit(policy.limits.min).min(count);
    let max = policy.limits.max.map_or(count.saturating_mul(2).max(10), limit).max(count);
    let mut group = Group::new(&policy.group, min, max, &[]);
    let launched = now.saturating_sub(INSTANCE_AGE).unwrap_or(now);
    for (instance, zone) in instances {
        group.adopt(&instance, &zone, launched);
    }
    group
}

/// The event that a schedule sends.
fn schedule_event(now: Timestamp) -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": shared::time::format(now),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/lambda-scale")],
        "detail": {},
    })
}
