//! `lambda-scale status`: how a group, its agents and the last decisions look now, in one screen. It changes nothing.

use std::io;
use std::process::ExitCode;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::Client;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use node_gather::look::{Look, Sources};
use node_scale::group;
use node_scale::state::{Activity, ActivityKind, ActivityStatus};
use serde::{Serialize, Serializer};
use shared::config::Config;
use shared::contract::{AgentState, Candidate, ClusterSnapshot, Message, ScalingDecision, with_header};
use shared::error::Chain;
use shared::time;

use crate::account;
use crate::decisions::{self, Decided, LogError, Row};
use crate::page::{Page, Tone};
use crate::target::{self, Stands, Target, TargetError, look};

/// See how the groups, their agents and the last decisions look now
///
/// With a configuration the masters are asked too, as the functions ask them, and what would be decided now is told. The
/// last decisions are those in the log of node_scale. Nothing is changed.
///
/// Exit codes of this and of pause, resume and floor: 0 done, 1 somebody who was asked did not answer or there is no such
/// group, 2 the configuration or the call is not valid.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    target: Target,
    /// The stack that the functions were deployed as
    #[arg(long, value_name = "NAME", default_value = "lambda-scale")]
    stack: String,
}

/// How far back activities and decisions are looked for.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// So many of each are shown to people.
const FEW: usize = 5;

/// All there is to say of a group.
#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    stands: Stands,
    /// The group's activities of the last hour, the last one first.
    activities: Vec<ActivityForm>,
    /// What is seen of its pool now; `null` where no configuration names it or it cannot be seen.
    #[serde(serialize_with = "message")]
    snapshot: Option<ClusterSnapshot>,
    /// What would be decided upon that.
    #[serde(serialize_with = "message")]
    decision: Option<ScalingDecision>,
    /// What was decided in the last hour, the last one first.
    decisions: Vec<Decided>,
    /// What could not be learned, and why.
    unknown: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ActivityForm {
    kind: &'static str,
    instance_id: Option<String>,
    status: &'static str,
    #[serde(with = "time::millis")]
    start: Timestamp,
    message: Option<String>,
}

impl From<Activity> for ActivityForm {
    fn from(activity: Activity) -> Self {
        let kind = match activity.kind {
            ActivityKind::Launch => "launch",
            ActivityKind::Terminate => "terminate",
            ActivityKind::WarmPool => "warm pool",
            ActivityKind::Other => "other",
        };
        let status = match activity.status {
            ActivityStatus::Underway => "underway",
            ActivityStatus::Successful => "successful",
            ActivityStatus::Failed => "failed",
            ActivityStatus::Cancelled => "cancelled",
        };
        let Activity { instance_id, start, message, .. } = activity;
        Self { kind, instance_id, status, start, message }
    }
}

fn message<M: Message, S: Serializer>(message: &Option<M>, serializer: S) -> Result<S::Ok, S::Error> {
    message.as_ref().map(with_header).serialize(serializer)
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    target::run("status", status(options))
}

/// Whether everybody answered.
async fn status(options: &Options) -> Result<bool, TargetError> {
    let Options { target, stack } = options;
    let config = target.config()?;
    let sdk = shared::aws::sdk_config().await;
    let client = Client::new(&sdk);
    let now = now();
    let mut all = Vec::new();
    for name in target.groups(config.as_ref()) {
        all.push(stands(&client, &name, now).await?);
    }
    let is_seen = match &config {
        Some(config) => see(&mut all, config, &sdk, now).await,
        None => true,
    };
    let log = decisions::since(&sdk, &decisions::log_group(stack), earlier(now)).await;
    // Whoever runs the chain on a machine of his own has no such log.
    let is_told = matches!(log, Ok(_) | Err(LogError::NoLog(_)));
    match log {
        Ok(decided) => all.iter_mut().for_each(|status| {
            let of_group = decided.iter().rev().filter(|decided| decided.group == status.stands.group);
            status.decisions = of_group.cloned().collect();
        }),
        Err(error) => all.iter_mut().for_each(|status| status.unknown.push(Chain::new(&error).to_string())),
    }
    target.print(&all, |page, status| show(page, status, config.as_ref(), now))?;
    Ok(is_seen && is_told)
}

/// What Auto Scaling says.
async fn stands(client: &Client, name: &str, now: Timestamp) -> Result<Status, TargetError> {
    let state = group::describe(client, name, earlier(now), false).await?;
    let (group, activities) = match state {
        Some(state) => (state.group, state.activities),
        // It tells what may have been meant.
        None => (look(client, name).await?, Vec::new()),
    };
    let recent = activities.into_iter().filter(|activity| activity.start >= earlier(now));
    Ok(Status {
        stands: Stands::new(&group, now),
        activities: recent.map(ActivityForm::from).collect(),
        snapshot: None,
        decision: None,
        decisions: Vec::new(),
        unknown: Vec::new(),
    })
}

/// What the masters and CloudWatch say, and what would be decided. `all` are of the pools in their order. Whether
/// they answered.
async fn see(all: &mut [Status], config: &Config, sdk: &SdkConfig, now: Timestamp) -> bool {
    let failure = match sources(config, sdk).await {
        Err(error) => Some(error),
        Ok(sources) => {
            let Look { snapshots, failure, .. } = sources.look(config, now).await;
            for (policy, status) in config.pools.iter().zip(all.iter_mut()) {
                status.snapshot = snapshots.iter().find(|snapshot| snapshot.pool == policy.pool).cloned();
                let decide = |snapshot| node_process::decide(snapshot, policy, now).ok();
                status.decision = status.snapshot.as_ref().and_then(decide);
            }
            failure.map(|failure| Chain::new(&failure).to_string())
        }
    };
    if let Some(failure) = &failure {
        let unseen = all.iter_mut().filter(|status| status.snapshot.is_none());
        unseen.for_each(|status| status.unknown.push(format!("agents: {failure}")));
    }
    failure.is_none()
}

/// Everyone to ask; an error in words.
async fn sources(config: &Config, sdk: &SdkConfig) -> Result<Sources, String> {
    let (credentials, ca_bundle) =
        node_gather::config::secrets(sdk, config).await.map_err(|error| Chain::new(&error).to_string())?;
    Sources::new(config, sdk, credentials.as_ref(), ca_bundle.as_ref()).map_err(|error| Chain::new(&error).to_string())
}

fn show(page: Page, status: &Status, config: Option<&Config>, now: Timestamp) -> io::Result<()> {
    let Status { stands, activities, snapshot, decision, decisions, unknown } = status;
    let pool = config.and_then(|config| config.pools.iter().find(|policy| policy.group == stands.group));
    match pool {
        Some(policy) => page.title(&format!("pool {}, Auto Scaling group {}", policy.pool, stands.group))?,
        None => page.title(&format!("group {}", stands.group))?,
    }
    stands.show(page)?;
    for (index, activity) in activities.iter().take(FEW).enumerate() {
        let ActivityForm { kind, instance_id, status, start, message } = activity;
        let instance = instance_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        let why = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        let label = if index == 0 { "activities" } else { "" };
        page.field(label, &format!("{}: {kind}{instance}, {status}{why}", ago(*start, now)))?;
    }
    if let Some(snapshot) = snapshot {
        page.field("from", &account::source(snapshot))?;
        account::sight(page, snapshot)?;
        agents(page, &snapshot.scale_down_candidates)?;
    }
    if let Some(decision) = decision {
        page.toned("now", Tone::Title, &account::summary(decision))?;
    }
    let rows = decisions::rows(decisions.iter().rev());
    for (index, row) in rows.iter().take(FEW).enumerate() {
        page.field(if index == 0 { "decisions" } else { "" }, &told(row, now))?;
    }
    unknown.iter().try_for_each(|unknown| page.toned("unknown", Tone::Bad, unknown))
}

/// Those on their way out, and those that would go first.
fn agents(page: Page, candidates: &[Candidate]) -> io::Result<()> {
    let (active, leaving): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| candidate.state == AgentState::Active);
    let name = |candidate: &&Candidate| {
        let state = match candidate.state {
            AgentState::Active if candidate.protected => ", protected".to_owned(),
            AgentState::Active => String::new(),
            state => format!(", {}", state.name()),
        };
        format!("{} ({} tasks{state})", candidate.hostname, candidate.task_count)
    };
    for (label, agents) in [("leaving", leaving), ("least loaded", active)] {
        let more = if agents.len() > FEW { " ..." } else { "" };
        let names: Vec<String> = agents.iter().take(FEW).map(name).collect();
        if !names.is_empty() {
            page.field(label, &format!("{}{more}", names.join(", ")))?;
        }
    }
    Ok(())
}

/// `2 min ago: scale_up, scaled_up 10 -> 12: 2 more wanted`
fn told(row: &Row<'_>, now: Timestamp) -> String {
    let Row { count, since, last } = row;
    let when = match count {
        1 => ago(last.at, now),
        _ => format!("{count} times from {} to {}", ago(*since, now), ago(last.at, now)),
    };
    let change = match (last.from, last.to) {
        (Some(from), Some(to)) if from != to => format!(" {from} -> {to}"),
        _ => String::new(),
    };
    format!("{when}: {}, {}{change}: {}", last.state, last.action, last.reason)
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        seconds if seconds < 120 => format!("{} s ago", seconds.max(0)),
        seconds => format!("{} min ago", seconds / 60),
    }
}

fn earlier(now: Timestamp) -> Timestamp {
    now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN)
}

#[expect(clippy::disallowed_methods, reason = "the clock of this command")]
fn now() -> Timestamp {
    Timestamp::now()
}
