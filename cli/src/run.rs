//! `lambda-scale run`: the chain in one process, against real masters and groups. The functions' own code without a deployment;
//! a dry run unless `--apply` is given.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_autoscaling::Client;
use clap::Args;
use jiff::Timestamp;
use node_gather::histories::Histories;
use node_gather::observe::{Observation, ObserveError, Read, Sources};
use node_scale::config::Settings;
use node_scale::handler::{Applied, Handler};
use serde::Serialize;
use shared::config::{Config, Policy};
use shared::contract::{ClusterSnapshot, OutcomeAction, ScalingDecision, ScalingOutcome, WithHeader, with_header};
use shared::error::Chain;
use shared::start::StartError;
use thiserror::Error;

use crate::command::{self, CommandError, Ended, RuntimeError};
use crate::config::{ConfigError, ConfigOption};
use crate::credentials::{self, NoAccount};
use crate::decide::{Decided, Undecided, decide};
use crate::doubt;
use crate::page::{self, Output, Page, Tone};
use crate::render;
use crate::target::{GroupError, describe};
use crate::values;

/// Read the masters, decide, and with --apply change the groups: the three functions in one process
///
/// A dry run without --apply, which asks for --yes where agents and instances do not seem to belong together. Needs the permissions of the functions; takes credentials and region as other AWS tools do.
///
/// Exit codes: 0 success, 1 a call or a file failed, 2 invalid configuration or options, 130 interrupted.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    config: ConfigOption,
    /// Run once (default)
    #[arg(long, conflicts_with = "every")]
    once: bool,
    /// Run at this interval, such as 1m, until interrupted
    #[arg(long, value_name = "DURATION", value_parser = values::period)]
    every: Option<Duration>,
    /// Change the groups; a dry run without it
    #[arg(long)]
    apply: bool,
    /// Apply also where no agent matches a pool, or its agents and its group's instances differ by more than
    /// max_missing_agents_percent
    #[arg(long, requires = "apply")]
    yes: bool,
    /// Output format; json prints one line for each pool
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Why a run ended.
#[derive(Debug, Error)]
enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error("{}; check group and attributes, or add --yes to apply nevertheless; nothing was changed", .0.join("; "))]
    Doubtful(Vec<String>),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl CommandError for RunError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Doubtful(_) => true,
            _ => false,
        }
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let work = async { command::until_interrupted(chain(options)).await.unwrap_or(Ok(Ended::Interrupted)) };
    command::exit("run", command::block_on(work))
}

/// What a run needs.
struct Stages {
    config: Config,
    sources: Sources,
    /// What the pools have learned since this process started.
    histories: Histories,
    scale: Handler,
    client: Client,
    output: Output,
}

async fn chain(options: &Options) -> Result<Ended, RunError> {
    let mut config = options.config.read().await?;
    config.dry_run |= !options.apply;
    let sdk = shared::aws::sdk_config().await;
    if let Err(no_account) = credentials::check(&sdk).await {
        if !options.apply {
            match observe_alone(&sdk, &config, options.output).await {
                // Both are to be mended.
                Err(error @ RunError::Observe(_)) => {
                    page::complain("run", &error)?;
                }
                observed => observed?,
            }
        }
        return Err(no_account.into());
    }
    let client = find_groups(&sdk, &config).await?;
    let sources = node_gather::config::sources(&sdk, &config).await?;
    let scale = Handler::new(Settings::without_topics(config.clone(), sdk).await?);
    let mut is_confirmed = options.yes || config.dry_run;
    let histories = Histories::default();
    let stages = Stages { config, sources, histories, scale, client, output: options.output };
    let Some(period) = options.every else { return stages.run(&mut is_confirmed).await.map(Ended::well_if) };
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        // As with the functions, the next run repairs a failure.
        match stages.run(&mut is_confirmed).await {
            Err(error @ RunError::Doubtful(_)) => return Err(error),
            Err(error) => page::complain("run", &error)?,
            Ok(_) => {}
        }
        if stages.output == Output::Text {
            writeln!(io::stdout())?;
        }
    }
}

/// Shows what the masters say, and the decision on that, without an account.
async fn observe_alone(sdk: &SdkConfig, config: &Config, output: Output) -> Result<(), RunError> {
    // Where the masters need a secret of the account, there is nothing to show.
    let Ok(sources) = credentials::sources_without_account(sdk, config).await else { return Ok(()) };
    let Observation { snapshots, read, failure } = sources.observe(config, now()).await;
    for (index, snapshot) in snapshots.into_iter().enumerate() {
        let Some(policy) = config.pool(&snapshot.pool) else { continue };
        let decision = decide(&snapshot, policy, now());
        print(output, index, &Answer { policy, snapshot, decision, applied: None }, read.as_ref())?;
    }
    failure.map_or(Ok(()), |failure| Err(RunError::Observe(failure)))
}

/// Reports a wrong group name, with the nearest ones, before the masters are read.
async fn find_groups(sdk: &SdkConfig, config: &Config) -> Result<Client, RunError> {
    let client = node_scale::group::client(sdk);
    for policy in &config.pools {
        describe(&client, &policy.group).await?;
    }
    Ok(client)
}

/// The result of one pool.
struct Answer<'a> {
    policy: &'a Policy,
    snapshot: ClusterSnapshot,
    decision: Result<ScalingDecision, Undecided>,
    applied: Option<Applied>,
}

impl Answer<'_> {
    /// Whether nothing failed. A pool that is left to its custom check has nothing to apply.
    fn is_whole(&self) -> bool {
        match (&self.decision, &self.applied) {
            (_, Some(applied)) => applied.error.is_none(),
            (Err(Undecided::Custom), None) => true,
            (_, None) => false,
        }
    }
}

impl Stages {
    /// Observes, decides, and applies once, for every pool. Whether every pool ended without a failure.
    async fn run(&self, is_confirmed: &mut bool) -> Result<bool, RunError> {
        let Observation { snapshots, read, failure } = self.sources.observe(&self.config, now()).await;
        if !*is_confirmed {
            let others = read.as_ref().map_or(0, |read| read.agents_of_no_pool);
            self.confirm(&snapshots, usize::try_from(others).unwrap_or(usize::MAX)).await?;
            // From now on the numbers may differ because this process changes them.
            *is_confirmed = snapshots.len() == self.config.pools.len();
        }
        let mut is_whole = true;
        let now = now();
        self.histories.read(&self.config, now).await;
        for (index, snapshot) in snapshots.into_iter().enumerate() {
            let Some(policy) = self.config.pool(&snapshot.pool) else { continue };
            let snapshot = self.histories.add_growth(policy, snapshot, read.as_ref(), now);
            let answer = self.answer(policy, snapshot).await;
            is_whole &= answer.is_whole();
            print(self.output, index, &answer, read.as_ref())?;
        }
        failure.map_or(Ok(is_whole), |failure| Err(RunError::Observe(failure)))
    }

    /// Refuses to apply anything while a pool and its group may not belong together.
    async fn confirm(&self, snapshots: &[ClusterSnapshot], agents_of_no_pool: usize) -> Result<(), RunError> {
        let mut doubts = Vec::new();
        for snapshot in snapshots {
            let Some(policy) = self.config.pool(&snapshot.pool) else { continue };
            let Ok(decision) = decide(snapshot, policy, now()) else { continue };
            let doubt = doubt::of_pool(&self.client, policy, snapshot, &decision, agents_of_no_pool, now()).await?;
            doubts.extend(doubt.map(|doubt| doubt.to_string()));
        }
        if doubts.is_empty() { Ok(()) } else { Err(RunError::Doubtful(doubts)) }
    }

    async fn answer<'a>(&self, policy: &'a Policy, snapshot: ClusterSnapshot) -> Answer<'a> {
        let decision = decide(&snapshot, policy, now());
        let applied = match &decision {
            Ok(decision) => Some(self.scale.apply(decision, now).await),
            Err(_) => None,
        };
        Answer { policy, snapshot, decision, applied }
    }
}

#[derive(Serialize)]
struct Form<'a> {
    #[serde(flatten)]
    decided: Decided<'a>,
    outcome: Option<WithHeader<'a, ScalingOutcome>>,
}

/// Prints the result of a pool; `index` is its place.
fn print(output: Output, index: usize, answer: &Answer<'_>, read: Option<&Read>) -> io::Result<()> {
    match output {
        Output::Json => json(answer),
        Output::Text => {
            if index > 0 {
                Page::stdout().blank()?;
            }
            text(answer, read.filter(|_| answer.policy.source.needs_masters()))
        }
    }
}

fn json(answer: &Answer<'_>) -> io::Result<()> {
    page::json_line(&Form {
        decided: Decided::new(&answer.snapshot, &answer.decision),
        outcome: answer.applied.as_ref().map(|applied| with_header(&applied.outcome)),
    })
}

fn text(answer: &Answer<'_>, read: Option<&Read>) -> io::Result<()> {
    let page = Page::stdout();
    let Answer { policy, snapshot, decision, applied } = answer;
    page.title(&format!("pool {}, Auto Scaling group {}", policy.pool, policy.group))?;
    match decision {
        Ok(decision) => render::decision(page, decision, Some(policy))?,
        Err(undecided) => render::undecided(page, undecided)?,
    }
    applied.as_ref().map_or(Ok(()), |applied| outcome(page, applied))?;
    render::snapshot(page, snapshot)?;
    if let Some(read) = read.filter(|_| snapshot.agents.registered == 0) {
        render::no_agents_matched(page, policy, read.agents_of_no_pool, &read.attributes_of_no_pool)?;
    }
    decision.as_ref().map_or(Ok(()), |decision| render::steps(page, decision))
}

/// What was done about a decision.
fn outcome(page: Page, applied: &Applied) -> io::Result<()> {
    let Applied { outcome, error } = applied;
    let tone = match outcome.action {
        OutcomeAction::Failed | OutcomeAction::ScaledUp | OutcomeAction::ScaledDown => Tone::Bad,
        OutcomeAction::BackedOff => Tone::Held,
        _ => Tone::Title,
    };
    let change = match (outcome.from, outcome.to) {
        (Some(from), Some(to)) if from != to => format!(", desired capacity {from} -> {to}"),
        (Some(from), _) => format!(", desired capacity {from}"),
        _ => String::new(),
    };
    page.toned("outcome", tone, &format!("{}{change}", outcome.action.name()))?;
    page.field("", &outcome.explanation())?;
    outcome.notes.iter().try_for_each(|note| page.field("", &format!("note: {note}")))?;
    match error {
        Some(error) => page.flagged("error", Tone::Bad, &Chain::new(error).to_string()),
        None => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of this command")]
fn now() -> Timestamp {
    Timestamp::now()
}
