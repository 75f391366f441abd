//! `lambda-scale explain`: what would be done with a /state, and why. The functions' own code on saved input: no network,
//! no account, and with `--now` the same answer every time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use node_gather::ReadError;
use node_gather::groups::{self, Cpu, Groups, Size};
use node_gather::marathon::Queue;
use node_gather::marathon::queue::{self, QueueError};
use node_gather::summarize::Summary;
use node_process::Expired;
use node_process::otherwise::Otherwise;
use node_scale::plan::{self, Action, Plan};
use node_scale::state::{Activity, Group, GroupState, Lifecycle};
use serde::{Deserialize, Serialize};
use shared::config::{Config, Policy};
use shared::contract::{self, ClusterSnapshot, ScalingDecision, WithHeader};
use shared::error::Chain;
use thiserror::Error;

use crate::account;
use crate::config::{self, ConfigError};
use crate::page::{Output, Page, Tone};

/// Say what would be done with a saved /state, and why.
///
/// Exit codes: 0 said, 1 a file cannot be read or is not what it should be, 2 the configuration or the call is not valid.
#[derive(Debug, Args)]
pub struct Options {
    /// The answer of the leading master, as `curl http://MASTER:5050/state > state.json` saves it; needed where the
    /// configuration has a pool of a Mesos cluster
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What waits for room, as `curl http://MARATHON:8080/v2/queue > queue.json` saves it; default: it is not asked for
    #[arg(long, value_name = "FILE")]
    queue: Option<PathBuf>,
    /// The group, as `aws autoscaling describe-auto-scaling-groups > group.json` saves it; the "Activities" of
    /// describe-scaling-activities may be added to the object
    #[arg(long, value_name = "FILE")]
    group: Option<PathBuf>,
    /// The average CPU utilization of a pool's group in percent, such as workers=71.5, once for each pool that asks for it;
    /// default: it is not known
    #[arg(long, value_name = "POOL=PERCENT", value_parser = read_cpu)]
    cpu: Vec<(String, f64)>,
    /// The time to assume, such as 2026-11-21T16:00:00Z; default: now
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Why nothing could be explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is a pool of a Mesos cluster, and no state of it.
    #[error("the pool {0:?} is one of a Mesos cluster; give its /state with --state")]
    NoState(String),
    /// A CPU utilization is told of a pool that has no use for it.
    #[error("--cpu {0}: {1}")]
    Cpu(String, &'static str),
    /// The state is none.
    #[error("{} cannot be used", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
    /// The queue is none.
    #[error("{} cannot be used", path.display())]
    Queue {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: QueueError,
    },
    /// The group is none.
    #[error("{} is not what `aws autoscaling describe-auto-scaling-groups --output json` prints", path.display())]
    Group {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Something has no JSON form.
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
    /// The text could not be printed.
    #[error("cannot print")]
    Print(#[source] io::Error),
}

/// What would be done for one pool.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The pool's policy.
    pub policy: &'a Policy,
    /// What was seen of it.
    pub snapshot: ClusterSnapshot,
    /// What was decided; an error where nothing may be.
    pub decision: Result<ScalingDecision, Expired>,
    /// What would have to change for another decision.
    pub otherwise: Vec<Otherwise>,
    /// What would be done to the group, where one was given.
    pub plan: Option<(Plan, Option<i32>)>,
}

/// A group as the AWS command line prints it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedGroups {
    auto_scaling_groups: Vec<Group>,
    #[serde(default)]
    activities: Vec<Activity>,
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    match print(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let usage = match &error {
                ExplainError::Config(error) => error.is_usage(),
                error => matches!(error, ExplainError::NoState(_) | ExplainError::Cpu(..)),
            };
            let _ = writeln!(io::stderr(), "lambda-scale explain: {}", Chain::new(&error));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn print(options: &Options) -> Result<(), ExplainError> {
    #[expect(clippy::disallowed_methods, reason = "a time that is not given is the present")]
    let now = options.now.unwrap_or_else(Timestamp::now);
    let config = config::read(&options.config)?;
    let groups = options.group.as_deref().map(read_groups).transpose()?;
    let queue = options.queue.as_deref().map(read_queue).transpose()?.unwrap_or_default();
    let known = known_groups(&config, &options.cpu, groups.as_ref())?;
    let cluster = match (&options.state, config.pools.iter().find(|policy| policy.source.is_mesos())) {
        (Some(path), _) => Some(read_state(path, &queue, &config, now)?),
        (None, None) => None,
        (None, Some(policy)) => return Err(ExplainError::NoState(policy.pool.clone())),
    };
    let snapshots = cluster.as_ref().map(|summary| summary.snapshots.clone()).unwrap_or_default();
    let snapshots = groups::complete(&config, snapshots, &known, now);
    let explanations = explain(snapshots, &config, groups.as_ref(), now);
    match options.output {
        Output::Text => show(&explanations, cluster.as_ref()).map_err(ExplainError::Print),
        Output::Json => {
            let pools: Vec<Form<'_>> = explanations.iter().map(Form::from).collect();
            let json = serde_json::to_string_pretty(&Pools { pools }).map_err(ExplainError::Json)?;
            writeln!(io::stdout(), "{json}").map_err(ExplainError::Print)
        }
    }
}

fn read_groups(path: &Path) -> Result<SavedGroups, ExplainError> {
    let text = fs::read(path).map_err(|source| ExplainError::File { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| ExplainError::Group { path: path.to_owned(), source })
}

fn read_queue(path: &Path) -> Result<Queue, ExplainError> {
    let body = fs::read(path).map_err(|source| ExplainError::File { path: path.to_owned(), source })?;
    queue::parse(&body).map(Queue::Known).map_err(|source| ExplainError::Queue { path: path.to_owned(), source })
}

/// `workers=71.5`
fn read_cpu(text: &str) -> Result<(String, f64), String> {
    let (pool, percent) = text.split_once('=').ok_or("write POOL=PERCENT, such as workers=71.5")?;
    let percent =
        percent.trim_end_matches('%').trim_end().parse().map_err(|_| "write a number, such as workers=71.5")?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("{percent} must lie between 0 and 100"));
    }
    Ok((pool.to_owned(), percent))
}

/// What CloudWatch and Auto Scaling would say of the groups.
fn known_groups(config: &Config, cpu: &[(String, f64)], saved: Option<&SavedGroups>) -> Result<Groups, ExplainError> {
    let mut known = Groups::default();
    for (pool, percent) in cpu {
        let policy = config
            .pool(pool)
            .ok_or_else(|| ExplainError::Cpu(pool.clone(), "no pool of the configuration has that name"))?;
        if policy.source.cpu().is_none() {
            let reason = "the pool does not ask for it; write cpu_utilization = true in the configuration";
            return Err(ExplainError::Cpu(pool.clone(), reason));
        }
        known.cpu.insert(policy.group.clone(), Cpu::of(&[*percent]));
    }
    for policy in &config.pools {
        let unknown = Cpu::Unknown { reason: format!("give it with --cpu {}=PERCENT", policy.pool) };
        known.cpu.entry(policy.group.clone()).or_insert(unknown);
        let group = saved.and_then(|saved| saved.auto_scaling_groups.iter().find(|group| group.name == policy.group));
        let reason = if saved.is_some() { "it is not in the file of --group" } else { "give it with --group" };
        let unknown = || Size::Unknown { reason: reason.to_owned() };
        known.size.insert(policy.group.clone(), group.map_or_else(unknown, size));
    }
    Ok(known)
}

fn size(group: &Group) -> Size {
    let count = |lifecycle| {
        let instances = group.instances.iter().filter(|instance| instance.lifecycle_state == lifecycle);
        u32::try_from(instances.count()).unwrap_or(u32::MAX)
    };
    Size::Known { in_service: count(Lifecycle::InService), leaving: count(Lifecycle::Leaving) }
}

fn read_state(path: &Path, queue: &Queue, config: &Config, now: Timestamp) -> Result<Summary, ExplainError> {
    let file = File::open(path).map_err(|source| ExplainError::File { path: path.to_owned(), source })?;
    let first = config.mesos.as_ref().and_then(|mesos| mesos.masters.first());
    let master = first.map_or("", |url| url.as_str().trim_end_matches('/'));
    let refused = |source| ExplainError::State { path: path.to_owned(), source };
    node_gather::summary(file, queue, config, master, now).map_err(refused)
}

fn explain<'a>(
    snapshots: Vec<ClusterSnapshot>,
    config: &'a Config,
    groups: Option<&SavedGroups>,
    now: Timestamp,
) -> Vec<Explanation<'a>> {
    let explained = snapshots.into_iter().filter_map(|snapshot| {
        let policy = config.pool(&snapshot.pool)?;
        let decision = node_process::decide(&snapshot, policy, now);
        let plan = match (&decision, groups) {
            (Ok(decision), Some(groups)) => Some(planned(decision, groups, policy, now)),
            _ => None,
        };
        // Where there is no decision there is no other.
        let otherwise = node_process::otherwise(&snapshot, policy, now).unwrap_or_default();
        Some(Explanation { policy, snapshot, decision, otherwise, plan })
    });
    explained.collect()
}

fn planned(decision: &ScalingDecision, groups: &SavedGroups, policy: &Policy, now: Timestamp) -> (Plan, Option<i32>) {
    let group = groups.auto_scaling_groups.iter().find(|group| group.name == policy.group);
    let state = group.map(|group| GroupState {
        group: group.clone(),
        activities: groups.activities.clone(),
        activities_are_complete: true,
        instance_refresh_underway: Some(false),
        addresses: None,
    });
    (plan::plan(decision, state.as_ref(), policy, now), group.map(|group| group.desired_capacity))
}

fn show(explanations: &[Explanation<'_>], cluster: Option<&Summary>) -> io::Result<()> {
    let page = Page::stdout();
    for (index, explanation) in explanations.iter().enumerate() {
        if index > 0 {
            page.blank()?;
        }
        let Explanation { policy, snapshot, decision, otherwise, plan } = explanation;
        page.title(&format!("pool {}, Auto Scaling group {}", policy.pool, policy.group))?;
        page.field("from", &account::source(snapshot))?;
        account::sight(page, snapshot)?;
        if let Some(summary) = cluster.filter(|_| policy.source.is_mesos() && snapshot.agents.registered == 0) {
            account::nobody(page, policy, summary.agents_of_no_pool, &summary.attributes_of_no_pool)?;
        }
        match decision {
            Ok(decision) => {
                account::steps(page, decision)?;
                account::verdict(page, decision)?;
                for agent in &decision.scale_down_agents {
                    page.field("", &format!("to leave: {}, {} tasks", agent.hostname, agent.task_count))?;
                }
                account::otherwise(page, otherwise)?;
            }
            Err(expired) => page.field("decision", &format!("none: {expired}"))?,
        }
        if let Some((plan, from)) = plan {
            page.toned("to do", Tone::Title, &to_do(plan, *from))?;
            page.field("", &plan.reason)?;
            for step in &plan.agents {
                page.field("", &format!("{} the agent {} ({})", step.call.name(), step.hostname, step.instance_id))?;
            }
            plan.notes.iter().try_for_each(|note| page.field("", &format!("note: {note}")))?;
        }
    }
    Ok(())
}

fn to_do(plan: &Plan, from: Option<i32>) -> String {
    match (&plan.action, from) {
        (Action::SetDesiredCapacity(to), Some(from)) => format!("set the desired capacity from {from} to {to}"),
        (Action::SetDesiredCapacity(to), None) => format!("set the desired capacity to {to}"),
        (Action::Terminate(victims), _) => {
            let ids: Vec<&str> = victims.iter().map(|victim| victim.instance_id.as_str()).collect();
            format!("terminate {}, one less wanted with each", ids.join(", "))
        }
        (Action::LookUp(addresses), _) => {
            format!("ask EC2 for the instances of {}, and terminate those that the group has", addresses.join(", "))
        }
        (Action::Nothing, _) => "nothing".to_owned(),
        (Action::BackOff, _) => "nothing now, back off".to_owned(),
        (Action::Refuse, _) => "nothing, the decision is refused".to_owned(),
    }
}

#[derive(Serialize)]
struct Pools<'a> {
    pools: Vec<Form<'a>>,
}

/// An explanation for programs: the messages as they would be published, and the action.
#[derive(Serialize)]
struct Form<'a> {
    snapshot: WithHeader<'a, ClusterSnapshot>,
    /// `null` where the snapshot is not of the present.
    decision: Option<WithHeader<'a, ScalingDecision>>,
    otherwise: &'a [Otherwise],
    action: Option<ActionForm<'a>>,
}

#[derive(Serialize)]
struct ActionForm<'a> {
    action: &'static str,
    from: Option<i32>,
    to: Option<i32>,
    /// Those that would be terminated one by one.
    instances: Vec<&'a str>,
    coming: u32,
    reason: &'a str,
    notes: &'a [String],
}

impl<'a> From<&'a Explanation<'_>> for Form<'a> {
    fn from(explanation: &'a Explanation<'_>) -> Self {
        let action = explanation.plan.as_ref().map(|(plan, from)| {
            let (action, to) = match &plan.action {
                Action::SetDesiredCapacity(to) => ("set_desired_capacity", Some(*to)),
                Action::Terminate(victims) => {
                    let less = victims.iter().map(|victim| victim.weight).sum();
                    ("terminate", from.map(|from| from.saturating_sub_unsigned(less)))
                }
                Action::LookUp(_) => ("look_up", *from),
                Action::Nothing => ("none", *from),
                Action::BackOff => ("back_off", *from),
                Action::Refuse => ("refuse", *from),
            };
            let instances = match &plan.action {
                Action::Terminate(victims) => victims.iter().map(|victim| victim.instance_id.as_str()).collect(),
                _ => Vec::new(),
            };
            ActionForm {
                action,
                from: *from,
                to,
                instances,
                coming: plan.coming,
                reason: &plan.reason,
                notes: &plan.notes,
            }
        });
        let decision = explanation.decision.as_ref().ok().map(contract::with_header);
        Self {
            snapshot: contract::with_header(&explanation.snapshot),
            decision,
            otherwise: &explanation.otherwise,
            action,
        }
    }
}
