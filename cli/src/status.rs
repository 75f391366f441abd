//! `lambda-scale status`: the groups, their agents, and the last decisions in one screen. Changes nothing.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_autoscaling::Client;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use node_gather::histories::Histories;
use node_gather::observe::{Observation, Sources};
use node_scale::group;
use node_scale::plan;
use node_scale::state::{Activity, ActivityKind, ActivityStatus, GroupState};
use serde::{Serialize, Serializer};
use shared::clause;
use shared::config::Config;
use shared::contract::{AgentState, Candidate, ClusterSnapshot, GroupMembers, Message, ScalingDecision, with_header};
use shared::error::Chain;
use shared::start::StartError;
use shared::text::counted;
use shared::time;

use crate::command::{self, Ended};
use crate::credentials;
use crate::decide::decide;
use crate::decisions::{self, Decided, LogError, Row};
use crate::page::{self, Page, Tone};
use crate::render::{self, FEW};
use crate::target::{GroupStatus, Target, TargetError, describe};
use crate::values;

/// Show the groups, their agents, and the last decisions
///
/// With a configuration, also reads the masters and shows the next decision. The last decisions come from the log of
/// node_scale. Changes nothing.
///
/// Exit codes of status, pause, resume, and floor: 0 success, 1 a call failed or a group does not exist, 2 invalid
/// configuration or options.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    target: Target,
    /// Show it again at this interval until interrupted, such as 1m; with json a line each time
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "30s", value_parser = values::period)]
    watch: Option<Duration>,
}

/// How far back activities and decisions go.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// A group with its pool, as far as it is known.
#[derive(Debug, Serialize)]
struct Status {
    /// The pool; `null` where no configuration names the group.
    pool: Option<String>,
    #[serde(flatten)]
    group: Known,
    /// The group as `node_scale` plans with it.
    #[serde(skip)]
    state: Option<GroupState>,
    /// The group's activities of the last hour, the last one first.
    activities: Vec<ActivityForm>,
    /// The snapshot of its pool; `null` where no configuration names the group or the masters do not answer.
    #[serde(serialize_with = "message")]
    snapshot: Option<ClusterSnapshot>,
    /// What the pool has learned of the growth of its demand; `null` where it does not learn.
    learned: Option<String>,
    /// The decision on that snapshot.
    #[serde(serialize_with = "message")]
    decision: Option<ScalingDecision>,
    /// Why there is no decision on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    undecided: Option<String>,
    /// That no agent matches the pool, and which attributes others have.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_agent: Option<String>,
    /// The decisions of the last hour, the last one first.
    decisions: Vec<Decided>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_outcome: Option<String>,
    /// What is not known, and why.
    unknown: Vec<String>,
}

/// What is known of a group.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Known {
    /// What Auto Scaling describes.
    Described(GroupStatus),
    /// Its name alone, without an account.
    Name { group: String },
}

impl Known {
    fn name(&self) -> &str {
        match self {
            Self::Described(GroupStatus { group, .. }) | Self::Name { group } => group,
        }
    }
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
            ActivityKind::Attach => "attach",
            ActivityKind::Terminate => "terminate",
            ActivityKind::WarmPool => "warm pool",
            ActivityKind::Other => "other",
        };
        let status = match activity.status {
            ActivityStatus::InProgress => "in progress",
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
    let work = async {
        match options.watch {
            None => status(&options.target).await,
            Some(period) => {
                let watched = command::until_interrupted(watch(&options.target.clone().watched(), period)).await;
                watched.unwrap_or(Ok(Ended::Interrupted))
            }
        }
    };
    command::exit("status", command::block_on(work))
}

/// Shows it again and again. A failure of the first time ends it, for it is most likely in the call; a later one may pass.
async fn watch(target: &Target, period: Duration) -> Result<Ended, TargetError> {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut is_first = true;
    loop {
        interval.tick().await;
        match status(target).await {
            Err(error) if is_first || command::is_closed_pipe(&error) => return Err(error),
            Err(error) => page::complain("status", &error)?,
            Ok(_) => {}
        }
        is_first = false;
    }
}

async fn status(target: &Target) -> Result<Ended, TargetError> {
    let sdk = shared::aws::sdk_config().await;
    let config = target.config(&sdk).await?;
    let now = now();
    let names = target.groups(config.as_ref());
    if let Err(no_account) = credentials::check(&sdk).await {
        let Some(config) = &config else { return Err(no_account.into()) };
        let mut all: Vec<Status> = names.into_iter().map(|group| Status::of(Known::Name { group })).collect();
        observe(&mut all, config, credentials::sources_without_account(&sdk, config).await, None, now).await;
        all.iter_mut().for_each(|status| status.unknown.push(format!("group: {}", Chain::new(&no_account))));
        target.print(&all, |page, status| show(page, status, Some(config), now))?;
        return Ok(Ended::Failed);
    }
    let client = group::client(&sdk);
    let mut all = Vec::new();
    for name in names {
        all.push(group_status(&client, &name, now).await?);
    }
    let is_observed = match &config {
        Some(config) => {
            let histories = Histories::new(config, &sdk, Some(target.stack().to_owned())).ok();
            observe(&mut all, config, node_gather::config::sources(&sdk, config).await, histories.as_ref(), now).await
        }
        None => true,
    };
    let log = decisions::since(&sdk, &decisions::log_group(target.stack()), earlier(now)).await;
    let no_outcome = match &log {
        Ok(_) => "none in the last hour; check that the schedule is enabled, and the log of node_gather".to_owned(),
        Err(error) => Chain::new(error).to_string(),
    };
    // `lambda-scale run` has no such log.
    let is_logged = matches!(log, Ok(_) | Err(LogError::NoLog(_)));
    match log {
        Ok(decided) => all.iter_mut().for_each(|status| {
            let of_group = decided.iter().rev().filter(|decided| decided.group == status.group.name());
            status.decisions = of_group.cloned().collect();
            status.no_outcome = status.decisions.is_empty().then(|| no_outcome.clone());
        }),
        Err(LogError::NoLog(_)) => all.iter_mut().for_each(|status| status.no_outcome = Some(no_outcome.clone())),
        Err(error) => all.iter_mut().for_each(|status| status.unknown.push(Chain::new(&error).to_string())),
    }
    target.print(&all, |page, status| show(page, status, config.as_ref(), now))?;
    Ok(Ended::well_if(is_observed && is_logged))
}

/// What Auto Scaling knows of the group.
async fn group_status(client: &Client, name: &str, now: Timestamp) -> Result<Status, TargetError> {
    let state = group::describe(client, name, earlier(now), false).await?;
    let group = match &state {
        Some(state) => GroupStatus::new(&state.group, now),
        // Its error names the nearest groups.
        None => GroupStatus::new(&describe(client, name).await?, now),
    };
    let activities = state.iter().flat_map(|state| &state.activities);
    let recent = activities.filter(|activity| activity.start >= earlier(now));
    let activities = recent.cloned().map(ActivityForm::from).collect();
    Ok(Status { activities, state, ..Status::of(Known::Described(group)) })
}

impl Status {
    /// Nothing but the group.
    const fn of(group: Known) -> Self {
        Self {
            pool: None,
            group,
            activities: Vec::new(),
            state: None,
            snapshot: None,
            learned: None,
            decision: None,
            undecided: None,
            no_agent: None,
            decisions: Vec::new(),
            no_outcome: None,
            unknown: Vec::new(),
        }
    }
}

/// Adds the snapshots and decisions of the pools, which `all` has in their order. Whether every source answered.
async fn observe(
    all: &mut [Status],
    config: &Config,
    sources: Result<Sources, StartError>,
    histories: Option<&Histories>,
    now: Timestamp,
) -> bool {
    let failure = match sources {
        Err(error) => Some(Chain::new(&error).to_string()),
        Ok(sources) => {
            let read_histories = async {
                if let Some(histories) = histories {
                    histories.read(config, now).await;
                }
            };
            let (Observation { snapshots, read, failure }, ()) =
                tokio::join!(sources.observe(config, now), read_histories);
            for (policy, status) in config.pools.iter().zip(all.iter_mut()) {
                status.pool = Some(policy.pool.clone());
                status.snapshot = snapshots.iter().find(|snapshot| snapshot.pool == policy.pool).cloned();
                let is_empty = |snapshot: &ClusterSnapshot| snapshot.agents.registered == 0;
                if policy.source.needs_masters() && status.snapshot.as_ref().is_some_and(is_empty) {
                    status.no_agent = read
                        .as_ref()
                        .map(|read| render::none_matched(policy, read.agents_of_no_pool, &read.attributes_of_no_pool));
                }
                if let Some(histories) = histories {
                    let snapshot = status.snapshot.take();
                    status.snapshot =
                        snapshot.map(|snapshot| histories.add_growth(policy, snapshot, read.as_ref(), now));
                    let problem = histories.problem(&policy.pool);
                    status.unknown.extend(problem.map(|problem| format!("learned growth: {problem}")));
                }
                if policy.learning.is_some() {
                    status.learned =
                        status.snapshot.as_ref().and_then(|snapshot| render::learned(snapshot, policy, now));
                }
                match status.snapshot.as_ref().map(|snapshot| decide(snapshot, policy, now)) {
                    Some(Ok(decision)) => status.decision = Some(decision),
                    Some(Err(undecided)) => status.undecided = Some(undecided.to_string()),
                    None => {}
                }
                let Status { group: Known::Described(group), decision: Some(decision), state: Some(state), .. } =
                    status
                else {
                    continue;
                };
                group.set_notes(plan::plan(decision, Some(state), policy, now).notes);
            }
            failure.map(|failure| Chain::new(&failure).to_string())
        }
    };
    if let Some(failure) = &failure {
        let unobserved = all.iter_mut().filter(|status| status.snapshot.is_none());
        unobserved.for_each(|status| status.unknown.push(format!("agents: {failure}")));
    }
    failure.is_none()
}

fn show(page: Page, status: &Status, config: Option<&Config>, now: Timestamp) -> io::Result<()> {
    let Status {
        group,
        activities,
        snapshot,
        learned,
        decision,
        undecided,
        no_agent,
        decisions,
        no_outcome,
        unknown,
        ..
    } = status;
    let pool = config.and_then(|config| config.pools.iter().find(|policy| policy.group == group.name()));
    match pool {
        Some(policy) => page.title(&format!("pool {}, Auto Scaling group {}", policy.pool, group.name()))?,
        None => page.title(&format!("group {}", group.name()))?,
    }
    if let Some(decision) = decision {
        page.toned("next decision", render::tone(decision.state), &render::summary(decision, pool))?;
        render::not_counted(page, decision)?;
    }
    if let Some(undecided) = undecided {
        page.field("next decision", &format!("none: {undecided}"))?;
    }
    if let Known::Described(group) = group {
        group.show(page)?;
    }
    if let Some(members) = snapshot.as_ref().and_then(|snapshot| snapshot.group.as_ref()) {
        page.field("instances", &matched(members))?;
    }
    for (index, activity) in activities.iter().take(FEW).enumerate() {
        let ActivityForm { kind, instance_id, status, start, message } = activity;
        let instance = instance_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        let why = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        let label = if index == 0 { "activities" } else { "" };
        page.field(label, &format!("{}: {kind}{instance}, {status}{why}", ago(*start, now)))?;
    }
    if let Some(snapshot) = snapshot {
        render::snapshot(page, snapshot)?;
        agents(page, &snapshot.scale_down_candidates)?;
    }
    if let Some(learned) = learned {
        page.field("learned", learned)?;
    }
    if let Some(no_agent) = no_agent {
        page.flagged("no agent", Tone::Bad, no_agent)?;
    }
    let rows = decisions::rows(decisions.iter().rev());
    for (index, row) in rows.iter().take(FEW).enumerate() {
        page.field(if index == 0 { "decisions" } else { "" }, &decided(row, now))?;
    }
    if let Some(no_outcome) = no_outcome {
        page.flagged("outcomes", Tone::Held, no_outcome)?;
    }
    unknown.iter().try_for_each(|unknown| page.flagged("unknown", Tone::Bad, unknown))
}

/// Agents against instances: `58 are agents, 2 are not: i-0abc; i-0def`
fn matched(members: &GroupMembers) -> String {
    let GroupMembers { joined, not_joined, not_joined_count, unknown, outside, .. } = members;
    let mut parts = vec![format!("{joined} are agents")];
    if *not_joined_count > 0 {
        parts.push(format!("{not_joined_count} are not: {}", render::cut(not_joined)));
    }
    if *unknown > 0 {
        parts.push(format!("{unknown} may be, and cannot be identified"));
    }
    if *outside > 0 {
        parts.push(format!("{} on no instance of the group", counted(*outside, "agent")));
    }
    parts.join("; ")
}

/// Agents that are being decommissioned, and the first candidates for removal.
fn agents(page: Page, candidates: &[Candidate]) -> io::Result<()> {
    let (active, decommissioning): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| candidate.state == AgentState::Active);
    let name = |candidate: &&Candidate| {
        let state = match candidate.state {
            AgentState::Active if candidate.protected => ", protected".to_owned(),
            AgentState::Active => String::new(),
            state => format!(", {}", state.name()),
        };
        format!("{} ({}{state})", candidate.hostname, counted(candidate.task_count, "task"))
    };
    for (label, agents) in [("decommissioning", decommissioning), ("least loaded", active)] {
        let names: Vec<String> = agents.iter().map(name).collect();
        if !names.is_empty() {
            page.field(label, &render::cut(&names))?;
        }
    }
    Ok(())
}

/// `2m ago: scale_up, scaled_up 10 -> 12: A1: adds 2 instances`
fn decided(row: &Row<'_>, now: Timestamp) -> String {
    let Row { count, since, last } = row;
    let when = match count {
        1 => ago(last.at, now),
        _ => format!("{count} times from {} to {}", ago(*since, now), ago(last.at, now)),
    };
    let change = match (last.from, last.to) {
        (Some(from), Some(to)) if from != to => format!(" {from} -> {to}"),
        _ => String::new(),
    };
    format!("{when}: {}, {}{change}: {}", last.state, last.action, clause::explain(last.clause, &last.reason))
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        seconds if seconds < 120 => format!("{}s ago", seconds.max(0)),
        seconds => format!("{}m ago", seconds / 60),
    }
}

fn earlier(now: Timestamp) -> Timestamp {
    now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN)
}

#[expect(clippy::disallowed_methods, reason = "the clock of this command")]
fn now() -> Timestamp {
    Timestamp::now()
}
