//! `lambda-scale explain`: the decision on a saved /state, and why. The functions' own code on saved input: no network, no account,
//! and with `--now` the same output every time.

mod groups;
mod history;
mod remove;

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use node_gather::marathon::definitions::{self, Definitions, DefinitionsError};
use node_gather::marathon::queue::{self, QueueError};
use node_gather::marathon::{Answer, Observed, Queue};
use node_gather::summarize::{Asked, Summary};
use node_process::what_if::WhatIf;
use node_scale::plan::{self, Change, Increase, Plan, PlanResult, Reason, TerminationTarget};
use node_scale::state::{Addresses, GroupState};
use serde::Serialize;
use shared::clause::Clause;
use shared::config::{Config, Policy};
use shared::contract::{AgentRef, ClusterSnapshot, ScalingDecision, TaskGroup};
use shared::text::{counted, nearest};
use thiserror::Error;

use crate::command::{self, CommandError, Ended};
use crate::config::{ConfigError, ConfigOption};
use crate::decide::{Decided, Undecided, decide};
use crate::page::{self, Output, Page, Tone};
use crate::render;
use crate::saved::{self, SavedError};
use crate::values;
use groups::SavedGroups;
use history::{Histories, HistoryError};
use remove::Removal;

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
    /// Marathon's applications, as `curl http://MARATHON:8080/v2/apps > apps.json` saves them, for the constraints and host
    /// ports of those that run [default: those of the queue]
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
    /// What the pools have learned, as `aws ssm get-parameters-by-path --path /lambda-scale/STACK > history.json` saves it, or as
    /// `lambda-scale learn` prints it [default: nothing]
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Only say why this agent would be removed, or not: its hostname, id, or instance
    #[arg(long, value_name = "AGENT", requires = "state")]
    remove: Option<String>,
    /// Time of the decision, such as 2026-11-21T16:00:00Z [default: when the file of --state was last changed, else now]
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
    /// No pool has the agent.
    #[error("--remove {0}: {1}")]
    NoAgent(String, String),
    /// What was learned cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A CPU utilization that no pool uses.
    #[error("--cpu {0}: {1}")]
    Cpu(String, String),
    /// The queue cannot be used.
    #[error("{} is not a queue of Marathon, as `curl http://MARATHON:8080/v2/queue > queue.json` saves it", path.display())]
    Queue {
        /// The file.
        path: PathBuf,
        /// Why.
        source: QueueError,
    },
    /// The applications or pods cannot be used.
    #[error("{} is not a list of Marathon's, as `curl http://MARATHON:8080/v2/{of} > {of}.json` saves it", path.display())]
    Definitions {
        /// Of what: `apps` or `pods`.
        of: &'static str,
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
    /// What the pool has learned, where a history was given.
    pub learned: Option<String>,
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
    pub lookups: Vec<IpAddr>,
    /// Whether nothing would be written.
    pub dry_run: bool,
}

impl CommandError for ExplainError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::NoState(_) | Self::NoAgent(..) | Self::Cpu(..) => true,
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
    let present = Timestamp::now();
    let saved_at = options.state.as_ref().and_then(saved::State::saved_at).filter(|_| options.now.is_none());
    // A file may be of a clock that is ahead.
    let now = options.now.unwrap_or_else(|| saved_at.map_or(present, |saved_at| saved_at.min(present)));
    let config = options.config.read_now()?;
    let groups = options.group.as_deref().map(groups::read).transpose()?;
    let histories = options.history.as_deref().map(|path| history::read(path, &config)).transpose()?;
    let marathon = Observed {
        queue: options.queue.as_deref().map(read_queue).transpose()?.unwrap_or_default(),
        definitions: read_definitions(options)?,
    };
    let known = groups::known(&config, &options.cpu, groups.as_ref())?;
    let cluster = match (&options.state, config.pools.iter().find(|policy| policy.source.needs_masters())) {
        (Some(state), _) => {
            Some(state.summary(&marathon, known.described.clone(), &config, options.remove.as_deref(), now)?)
        }
        (None, None) => None,
        (None, Some(policy)) => return Err(ExplainError::NoState(policy.pool.clone())),
    };
    let snapshots = cluster.as_ref().map(|summary| summary.snapshots.clone()).unwrap_or_default();
    let snapshots = node_gather::groups::complete(&config, snapshots, &known, now);
    let input = Input {
        config: &config,
        groups: groups.as_ref(),
        histories: histories.unwrap_or_default(),
        backing_off: cluster.as_ref().map(|summary| &summary.backing_off),
        now,
    };
    let explanations = input.explain(snapshots);
    if let Some(name) = &options.remove {
        let asked = cluster.as_ref().and_then(|summary| summary.asked.as_ref());
        return input.removal(name, &explanations, asked, options.output);
    }
    match options.output {
        Output::Text => show(&explanations, cluster.as_ref(), saved_at.is_some())?,
        Output::Json => page::json(&Pools { pools: explanations.iter().map(Form::from).collect() })?,
    }
    Ok(())
}

fn read_queue(path: &Path) -> Result<Queue, ExplainError> {
    queue::parse(saved::open(path)?)
        .map(Queue::Known)
        .map_err(|source| ExplainError::Queue { path: path.to_owned(), source })
}

fn read_definitions(options: &Options) -> Result<Answer<Definitions>, ExplainError> {
    type Add = fn(Box<dyn BufRead>, &mut Definitions) -> Result<(), DefinitionsError>;
    let lists: [(&str, &Option<PathBuf>, Add); 2] =
        [("apps", &options.apps, definitions::add_apps), ("pods", &options.pods, definitions::add_pods)];
    let mut known = Answer::NotAsked;
    for (of, path, add) in lists {
        let Some(path) = path else { continue };
        let mut read = if let Answer::Known(read) = known { read } else { Definitions::default() };
        add(saved::open(path)?, &mut read).map_err(|source| ExplainError::Definitions {
            of,
            path: path.clone(),
            source,
        })?;
        known = Answer::Known(read);
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
        return Err(format!("got {percent}, expected a number from 0 to 100; write workers=71.5"));
    }
    Ok((pool.to_owned(), percent))
}

/// What the pools are explained with.
struct Input<'a> {
    config: &'a Config,
    groups: Option<&'a SavedGroups>,
    histories: Histories,
    /// The queued instances that snapshots leave out, by pool.
    backing_off: Option<&'a BTreeMap<String, Vec<TaskGroup>>>,
    now: Timestamp,
}

impl<'a> Input<'a> {
    fn explain(&self, snapshots: Vec<ClusterSnapshot>) -> Vec<Explanation<'a>> {
        let explained = snapshots.into_iter().filter_map(|snapshot| {
            let policy = self.config.pool(&snapshot.pool)?;
            let backing_off = self.backing_off.and_then(|of| of.get(&policy.pool)).map_or(&[][..], Vec::as_slice);
            let snapshot = history::with_growth(snapshot, policy, &self.histories, backing_off);
            let decision = decide(&snapshot, policy, self.now);
            let plan = decision.as_ref().ok().and_then(|decision| self.planned(decision, policy));
            // Without a decision there is no other one.
            let (what_if, learned) = match decision {
                Ok(_) => (
                    node_process::what_if(&snapshot, policy, self.now).unwrap_or_default(),
                    history::learned(&snapshot, policy, &self.histories, self.now),
                ),
                Err(_) => (Vec::new(), None),
            };
            Some(Explanation { policy, snapshot, decision, what_if, learned, plan })
        });
        explained.collect()
    }

    /// What would be done about a decision, where a group was given.
    fn planned(&self, decision: &ScalingDecision, policy: &Policy) -> Option<Planned> {
        let (groups, is_dry_run) = (self.groups?, self.config.dry_run);
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
        Some(Planned {
            plan: plan::plan(decision, state, policy, self.now),
            from: group.map(|group| group.desired_capacity),
            lookups: plan::needs_addresses(decision, state, policy, self.now).unwrap_or_default(),
            dry_run: is_dry_run,
        })
    }

    /// `--remove`
    fn removal(
        &self,
        name: &str,
        explanations: &[Explanation<'_>],
        asked: Option<&Asked>,
        output: Output,
    ) -> Result<(), ExplainError> {
        let found = explanations.iter().find_map(|explanation| {
            let plan = |decision: &ScalingDecision| self.planned(decision, explanation.policy);
            Some((explanation, Removal::of(name, explanation, asked, self.now, plan)?))
        });
        let Some((Explanation { policy, decision, .. }, removal)) = found else {
            let hosts = explanations.iter().flat_map(|explanation| &explanation.snapshot.scale_down_candidates);
            let hint = match nearest(name, hosts.map(|agent| agent.hostname.as_str())).as_slice() {
                [] => "check its hostname, id, or instance; attributes choose the agents of a pool".to_owned(),
                near => format!("did you mean {}?", near.join(" or ")),
            };
            let problem =
                format!("no pool has this agent among its 1,000 least loaded, and a disconnected one is none; {hint}");
            return Err(ExplainError::NoAgent(name.to_owned(), problem));
        };
        if output == Output::Json {
            return Ok(page::json(&removal)?);
        }
        let page = Page::stdout();
        title(page, policy)?;
        if let Ok(decision) = decision {
            render::decision(page, decision, Some(policy))?;
        }
        Ok(removal.show(page)?)
    }
}

fn title(page: Page, policy: &Policy) -> io::Result<()> {
    page.title(&format!("pool {}, Auto Scaling group {}", policy.pool, policy.group))
}

fn show(explanations: &[Explanation<'_>], cluster: Option<&Summary>, is_as_saved: bool) -> io::Result<()> {
    let page = Page::stdout();
    for (index, explanation) in explanations.iter().enumerate() {
        if index > 0 {
            page.blank()?;
        }
        let Explanation { policy, snapshot, decision, what_if, learned, plan } = explanation;
        title(page, policy)?;
        match decision {
            Ok(decision) => render::decision(page, decision, Some(policy))?,
            Err(undecided) => render::undecided(page, undecided)?,
        }
        if let Some(planned) = plan {
            show_plan(page, planned)?;
        }
        page.field("source", &render::source(snapshot))?;
        if is_as_saved {
            page.field("", "as of when the file of --state was last changed; --now takes another time")?;
        }
        render::observed(page, snapshot)?;
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
            learned.as_ref().map_or(Ok(()), |learned| page.field("learned", learned))?;
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
    format!("{}{instance}, {}", agent.hostname, counted(agent.task_count, "task"))
}

/// The instances that a plan terminates.
fn terminated(plan: &Plan) -> &[TerminationTarget] {
    match &plan.result {
        PlanResult::Act(Change::Terminate { targets, .. }) => targets,
        _ => &[],
    }
}

fn action(plan: &Plan, from: Option<i32>, lookups: &[IpAddr]) -> String {
    if !lookups.is_empty() {
        let addresses: Vec<String> = lookups.iter().map(IpAddr::to_string).collect();
        return format!("ask EC2 for the instances of {}, and plan with those of the group", addresses.join(", "));
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
    /// What the pool has learned, where a history was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<&'a str>,
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
                PlanResult::Act(
                    Change::Increase(Increase { to, .. })
                    | Change::Decrease { to, .. }
                    | Change::Withdraw { to, .. }
                    | Change::Raise { to, .. },
                ) => ("set_desired_capacity", Some(*to)),
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
        Self { decided, what_if: &explanation.what_if, learned: explanation.learned.as_deref(), action }
    }
}
