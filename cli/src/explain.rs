//! `lambda-scale explain`: the decision on a saved /state, and why. The functions' own code on saved input: no network, no account,
//! and with `--now` the same output every time.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use node_gather::groups::{self, Cpu, Groups};
use node_gather::marathon::definitions::{self, DefinitionsError, HostLimits};
use node_gather::marathon::queue::{self, QueueError};
use node_gather::marathon::{Answer, Observed, Queue};
use node_gather::members::{self, Description};
use node_gather::summarize::Summary;
use node_process::what_if::WhatIf;
use node_scale::plan::{self, Change, Increase, Plan, PlanResult, Reason, TerminationTarget};
use node_scale::state::{Activity, Addresses, Group, GroupState};
use serde::{Deserialize, Serialize};
use shared::clause::Clause;
use shared::config::{Config, Policy};
use shared::contract::{AgentRef, ClusterSnapshot, ScalingDecision};
use shared::group::{closing_refused_until, decommissioning};
use shared::text::counted;
use thiserror::Error;

use crate::command::{self, CommandError, Ended};
use crate::config::{ConfigError, ConfigOption};
use crate::decide::{Decided, Undecided, decide};
use crate::page::{self, Output, Page, Tone};
use crate::render;
use crate::saved::{self, SavedError};
use crate::values;

/// Explain the decision on a saved /state, without an AWS account
///
/// Exit codes: 0 success, 1 a file cannot be used, 2 invalid configuration or options.
#[derive(Debug, Args)]
pub struct Options {
    /// State of the leading master, as `curl http://MASTER:5050/state > state.json` saves it, compressed or not; - for standard
    /// input, or the URL of a master; required for pools of a Mesos cluster
    #[arg(long, value_name = "FILE|URL|-")]
    state: Option<saved::State>,
    #[command(flatten)]
    config: ConfigOption,
    /// Marathon's launch queue, as `curl http://MARATHON:8080/v2/queue > queue.json` saves it [default: none]
    #[arg(long, value_name = "FILE")]
    queue: Option<PathBuf>,
    /// Marathon's applications, as `curl http://MARATHON:8080/v2/apps > apps.json` saves them, for the constraints of those
    /// that run [default: those of the queue]
    #[arg(long, value_name = "FILE")]
    apps: Option<PathBuf>,
    /// Marathon's pods, as `curl http://MARATHON:8080/v2/pods > pods.json` saves them [default: those of the queue]
    #[arg(long, value_name = "FILE")]
    pods: Option<PathBuf>,
    /// The groups, as `aws autoscaling describe-auto-scaling-groups > group.json` saves them; you can add the
    /// "Activities" of describe-scaling-activities to the object
    #[arg(long, value_name = "FILE")]
    group: Option<PathBuf>,
    /// Average CPU utilization of a pool's group in percent, such as workers=71.5; repeatable [default: unknown]
    #[arg(long, value_name = "POOL=PERCENT", value_parser = read_cpu)]
    cpu: Vec<(String, f64)>,
    /// Time of the decision, such as 2026-11-21T16:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    now: Option<Timestamp>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Why nothing was explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// A file or the state cannot be used.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A pool of a Mesos cluster, and no state.
    #[error("the pool {0:?} needs the /state of its cluster; add --state FILE")]
    NoState(String),
    /// A CPU utilization that no pool uses.
    #[error("--cpu {0}: {1}")]
    Cpu(String, &'static str),
    /// The queue cannot be used.
    #[error("{} is not a queue of Marathon, as `curl http://MARATHON:8080/v2/queue > queue.json` saves it", path.display())]
    Queue {
        /// The file.
        path: PathBuf,
        /// Why.
        source: QueueError,
    },
    /// The applications or pods cannot be used.
    #[error("{} is not a list of Marathon's, as `curl http://MARATHON:8080/v2/apps > apps.json` saves it", path.display())]
    Definitions {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DefinitionsError,
    },
    /// The group cannot be used.
    #[error("{} is not what `aws autoscaling describe-auto-scaling-groups --output json` prints", path.display())]
    Group {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// The decision for one pool, and what it leads to.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The pool's policy.
    pub policy: &'a Policy,
    /// Its snapshot.
    pub snapshot: ClusterSnapshot,
    /// Its decision, or why there is none.
    pub decision: Result<ScalingDecision, Undecided>,
    /// The nearest changes to another decision.
    pub what_if: Vec<WhatIf>,
    /// The plan, where a group was given.
    pub plan: Option<Planned>,
}

/// What would be done to a group.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The desired capacity; `None` where there is no such group.
    pub from: Option<i32>,
    /// The addresses that node_scale would look up first.
    pub lookups: Vec<String>,
    /// Whether nothing would be written.
    pub dry_run: bool,
}

/// A group as the AWS command line prints it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedGroups {
    auto_scaling_groups: Vec<SavedGroup>,
    #[serde(default)]
    activities: Vec<Activity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedGroup {
    #[serde(flatten)]
    group: Group,
    /// Only what is observed depends on them.
    #[serde(default)]
    availability_zones: Vec<String>,
}

impl SavedGroups {
    fn group(&self, name: &str) -> Option<&SavedGroup> {
        self.auto_scaling_groups.iter().find(|saved| saved.group.name == name)
    }
}

impl CommandError for ExplainError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::NoState(_) | Self::Cpu(..) => true,
            _ => false,
        }
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::exit("explain", print(options).map(|()| Ended::Well))
}

fn print(options: &Options) -> Result<(), ExplainError> {
    #[expect(clippy::disallowed_methods, reason = "a time that is not given is the present")]
    let now = options.now.unwrap_or_else(Timestamp::now);
    let config = options.config.read_now()?;
    let groups = options.group.as_deref().map(read_groups).transpose()?;
    let marathon = Observed {
        queue: options.queue.as_deref().map(read_queue).transpose()?.unwrap_or_default(),
        host_limits: read_host_limits(options)?,
    };
    let known = known_groups(&config, &options.cpu, groups.as_ref())?;
    let cluster = match (&options.state, config.pools.iter().find(|policy| policy.source.needs_masters())) {
        (Some(state), _) => Some(state.summary(&marathon, known.described.clone(), &config, now)?),
        (None, None) => None,
        (None, Some(policy)) => return Err(ExplainError::NoState(policy.pool.clone())),
    };
    let snapshots = cluster.as_ref().map(|summary| summary.snapshots.clone()).unwrap_or_default();
    let snapshots = groups::complete(&config, snapshots, &known, now);
    let explanations = explain(snapshots, &config, groups.as_ref(), now);
    match options.output {
        Output::Text => show(&explanations, cluster.as_ref())?,
        Output::Json => page::json(&Pools { pools: explanations.iter().map(Form::from).collect() })?,
    }
    Ok(())
}

fn read_groups(path: &Path) -> Result<SavedGroups, ExplainError> {
    serde_json::from_reader(saved::open(path)?).map_err(|source| ExplainError::Group { path: path.to_owned(), source })
}

fn read_queue(path: &Path) -> Result<Queue, ExplainError> {
    queue::parse(saved::open(path)?)
        .map(Queue::Known)
        .map_err(|source| ExplainError::Queue { path: path.to_owned(), source })
}

fn read_host_limits(options: &Options) -> Result<Answer<HostLimits>, ExplainError> {
    type Add = fn(Box<dyn BufRead>, &mut HostLimits) -> Result<(), DefinitionsError>;
    let lists: [(&Option<PathBuf>, Add); 2] =
        [(&options.apps, definitions::add_apps), (&options.pods, definitions::add_pods)];
    let mut known = Answer::NotAsked;
    for (path, add) in lists {
        let Some(path) = path else { continue };
        let mut limits = if let Answer::Known(limits) = known { limits } else { HostLimits::new() };
        add(saved::open(path)?, &mut limits)
            .map_err(|source| ExplainError::Definitions { path: path.clone(), source })?;
        known = Answer::Known(limits);
    }
    Ok(known)
}

/// `workers=71.5`
fn read_cpu(text: &str) -> Result<(String, f64), String> {
    let (pool, percent) = text.split_once('=').ok_or("expected POOL=PERCENT; write workers=71.5")?;
    let percent = percent
        .trim_end_matches('%')
        .trim_end()
        .parse()
        .map_err(|_| "expected a number of percent; write workers=71.5")?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("got {percent}, expected a number from 0 to 100"));
    }
    Ok((pool.to_owned(), percent))
}

/// What CloudWatch and Auto Scaling would report of the groups.
fn known_groups(config: &Config, cpu: &[(String, f64)], saved: Option<&SavedGroups>) -> Result<Groups, ExplainError> {
    let mut known = Groups::default();
    for (pool, percent) in cpu {
        let policy = config
            .pool(pool)
            .ok_or_else(|| ExplainError::Cpu(pool.clone(), "the configuration has no pool of that name"))?;
        if policy.source.cpu().is_none() {
            let reason = "the pool does not use it; write cpu_utilization = true in the configuration";
            return Err(ExplainError::Cpu(pool.clone(), reason));
        }
        known.cpu.insert(policy.group.clone(), Cpu::of(&[*percent]));
    }
    for policy in &config.pools {
        let unknown = Cpu::Unknown { reason: format!("add --cpu {}=PERCENT", policy.pool) };
        known.cpu.entry(policy.group.clone()).or_insert(unknown);
        if let Some(description) = description(policy, saved) {
            known.described.groups.insert(policy.group.clone(), description);
        }
    }
    Ok(known)
}

/// What Auto Scaling would report of the group of a pool; `None` where nothing depends on it.
fn description(policy: &Policy, saved: Option<&SavedGroups>) -> Option<Description> {
    let unknown = |reason: &str| Some(Description::Unknown { reason: reason.to_owned() });
    let Some(saved) = saved else {
        return if policy.source.needs_masters() { None } else { unknown("add --group FILE") };
    };
    match saved.group(&policy.group) {
        Some(group) => Some(Description::Known(described(group))),
        None => unknown("the file of --group does not have it"),
    }
}

fn described(SavedGroup { group, availability_zones }: &SavedGroup) -> members::Group {
    let units = |units: i32| u32::try_from(units).unwrap_or(0);
    let instance = |instance: &node_scale::state::Instance| members::Instance {
        id: instance.instance_id.clone(),
        lifecycle: instance.lifecycle_state,
        protected: instance.protected_from_scale_in,
    };
    let tags = || group.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
    members::Group {
        desired: units(group.desired_capacity),
        min: units(group.min_size),
        max: units(group.max_size),
        zones: availability_zones.clone(),
        protects_new: group.new_instances_protected_from_scale_in,
        instances: group.instances.iter().map(instance).collect(),
        decommissioning: decommissioning(tags()),
        closing_refused_until: closing_refused_until(tags()),
    }
}

fn explain<'a>(
    snapshots: Vec<ClusterSnapshot>,
    config: &'a Config,
    groups: Option<&SavedGroups>,
    now: Timestamp,
) -> Vec<Explanation<'a>> {
    let explained = snapshots.into_iter().filter_map(|snapshot| {
        let policy = config.pool(&snapshot.pool)?;
        let decision = decide(&snapshot, policy, now);
        let plan = match (&decision, groups) {
            (Ok(decision), Some(groups)) => {
                Some(Planned { dry_run: config.dry_run, ..planned(decision, groups, policy, config.dry_run, now) })
            }
            _ => None,
        };
        // Without a decision there is no other one.
        let what_if = match decision {
            Ok(_) => node_process::what_if(&snapshot, policy, now).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Some(Explanation { policy, snapshot, decision, what_if, plan })
    });
    explained.collect()
}

fn planned(
    decision: &ScalingDecision,
    groups: &SavedGroups,
    policy: &Policy,
    is_dry_run: bool,
    now: Timestamp,
) -> Planned {
    let group = groups.group(&policy.group).map(|saved| &saved.group);
    let state = group.map(|group| GroupState {
        group: group.clone(),
        activities: groups.activities.iter().filter(|activity| activity.is_of(&group.name)).cloned().collect(),
        activities_are_complete: true,
        instance_refresh_in_progress: Some(false),
        addresses: Addresses::new(),
        is_dry_run,
    });
    let state = state.as_ref();
    Planned {
        plan: plan::plan(decision, state, policy, now),
        from: group.map(|group| group.desired_capacity),
        lookups: plan::needs_addresses(decision, state, policy, now).unwrap_or_default(),
        dry_run: false,
    }
}

fn show(explanations: &[Explanation<'_>], cluster: Option<&Summary>) -> io::Result<()> {
    let page = Page::stdout();
    for (index, explanation) in explanations.iter().enumerate() {
        if index > 0 {
            page.blank()?;
        }
        let Explanation { policy, snapshot, decision, what_if, plan } = explanation;
        page.title(&format!("pool {}, Auto Scaling group {}", policy.pool, policy.group))?;
        match decision {
            Ok(decision) => render::decision(page, decision, Some(policy))?,
            Err(undecided) => render::undecided(page, undecided)?,
        }
        if let Some(planned) = plan {
            show_plan(page, planned)?;
        }
        render::snapshot(page, snapshot)?;
        if let Some(summary) = cluster.filter(|_| policy.source.needs_masters() && snapshot.agents.registered == 0) {
            render::no_agents_matched(page, policy, summary.agents_of_no_pool, &summary.attributes_of_no_pool)?;
        }
        if let Ok(decision) = decision {
            render::steps(page, decision)?;
            let removed: Vec<String> =
                decision.scale_down_agents.iter().map(|agent| removed(agent, plan.as_ref())).collect();
            if !removed.is_empty() {
                page.field("remove", &render::cut(&removed))?;
            }
            render::what_if(page, what_if)?;
        }
        // Where nothing is to be removed, it tells how soon something could be.
        let window = plan.iter().flat_map(|planned| &planned.plan.window);
        window.into_iter().try_for_each(|window| page.field("window", &window.to_string()))?;
    }
    Ok(())
}

/// What would be done about a decision.
fn show_plan(page: Page, planned: &Planned) -> io::Result<()> {
    let Planned { plan, from, lookups, dry_run } = planned;
    let action = action(plan, *from, lookups);
    let is_dry = *dry_run && matches!(plan.result, PlanResult::Act(_)) && lookups.is_empty();
    let action = if is_dry { format!("dry run: would {action}") } else { action };
    page.toned("action", Tone::Title, &action)?;
    // An action says all, but for the agents that it skips.
    let says_all = match &plan.result {
        PlanResult::Act(Change::Terminate { skipped, .. }) => skipped.is_empty(),
        PlanResult::Act(_) => true,
        PlanResult::BackOff(_) | PlanResult::Refuse(_) | PlanResult::Nothing(_) => false,
    };
    if !says_all {
        page.field("", &plan.result.reason().to_string())?;
    }
    for step in &plan.agents {
        page.field("", &format!("{} the agent {} ({})", step.call.name(), step.hostname, step.instance_id))?;
    }
    plan.notes.iter().try_for_each(|note| page.field("", &format!("note: {note}")))
}

/// `ip-10-0-2-25.ec2.internal (i-00000000abc17f877), 0 tasks`
fn removed(agent: &AgentRef, planned: Option<&Planned>) -> String {
    let targets = planned.map_or(&[][..], |planned| terminated(&planned.plan));
    let target = targets.iter().find(|target| target.hostname == agent.hostname);
    let instance = target.map(|target| &target.instance_id).or(agent.instance_id.as_ref());
    let instance = instance.map(|id| format!(" ({id})")).unwrap_or_default();
    format!("{}{instance}, {} tasks", agent.hostname, agent.task_count)
}

/// The instances that a plan terminates.
fn terminated(plan: &Plan) -> &[TerminationTarget] {
    match &plan.result {
        PlanResult::Act(Change::Terminate { targets, .. }) => targets,
        _ => &[],
    }
}

fn action(plan: &Plan, from: Option<i32>, lookups: &[String]) -> String {
    if !lookups.is_empty() {
        return format!("ask EC2 for the instances of {}, and plan with those of the group", lookups.join(", "));
    }
    match &plan.result {
        PlanResult::Act(Change::Terminate { targets, .. }) => {
            let change = from.map(|from| format!(", desired capacity {from} -> {}", without(from, targets)));
            format!("terminate {}{}", counted(targets.len(), "instance"), change.unwrap_or_default())
        }
        PlanResult::Act(change) => change.imperative(),
        PlanResult::Nothing(_) => "none".to_owned(),
        PlanResult::BackOff(_) => "none, back off".to_owned(),
        PlanResult::Refuse(_) => "none, the decision is refused".to_owned(),
    }
}

/// The desired capacity without those instances.
fn without(from: i32, targets: &[TerminationTarget]) -> i32 {
    from.saturating_sub_unsigned(targets.iter().map(|target| target.weight).sum())
}

#[derive(Serialize)]
struct Pools<'a> {
    pools: Vec<Form<'a>>,
}

/// An explanation as JSON: the messages as they would be published, and the action.
#[derive(Serialize)]
struct Form<'a> {
    #[serde(flatten)]
    decided: Decided<'a>,
    what_if: &'a [WhatIf],
    action: Option<ActionForm<'a>>,
}

#[derive(Serialize)]
struct ActionForm<'a> {
    action: &'static str,
    from: Option<i32>,
    to: Option<i32>,
    /// The instances to terminate.
    instances: Vec<&'a str>,
    in_flight: u32,
    /// Instances that are too old to become agents and are none.
    never_joined: u32,
    /// Agents that are wanted and neither joined nor arrive.
    unmet: u32,
    clause: Option<Clause>,
    reason: String,
    notes: &'a [String],
}

impl<'a> From<&'a Explanation<'_>> for Form<'a> {
    fn from(explanation: &'a Explanation<'_>) -> Self {
        let action = explanation.plan.as_ref().map(|Planned { plan, from, lookups, dry_run }| {
            let targets = terminated(plan);
            let (action, to) = match &plan.result {
                _ if !lookups.is_empty() => ("look_up", *from),
                PlanResult::Act(Change::Increase(Increase { to, .. }) | Change::Decrease { to, .. }) => {
                    ("set_desired_capacity", Some(*to))
                }
                PlanResult::Act(Change::Terminate { .. }) => ("terminate", from.map(|from| without(from, targets))),
                PlanResult::Act(Change::Deactivate { .. }) => ("deactivate", *from),
                PlanResult::Act(Change::Reactivate { .. }) => ("reactivate", *from),
                PlanResult::Act(Change::Drain { .. }) => ("drain", *from),
                PlanResult::Nothing(_) => ("none", *from),
                PlanResult::BackOff(_) => ("back_off", *from),
                PlanResult::Refuse(_) => ("refuse", *from),
            };
            let Reason { clause, text } = plan.result.reason();
            let (action, text) = match &plan.result {
                PlanResult::Act(change) if *dry_run => ("dry_run", change.would()),
                _ => (action, text),
            };
            ActionForm {
                action,
                from: *from,
                to,
                instances: targets.iter().map(|target| target.instance_id.as_str()).collect(),
                in_flight: plan.in_flight,
                never_joined: plan.never_joined,
                unmet: plan.unmet,
                clause,
                reason: text,
                notes: &plan.notes,
            }
        });
        let decided = Decided::new(&explanation.snapshot, &explanation.decision);
        Self { decided, what_if: &explanation.what_if, action }
    }
}
