//! `lambda-scale check`: validates a configuration, and shows it with every default filled in.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use node_gather::marathon;
use node_gather::members::Descriptions;
use serde::Serialize;
use shared::config::{CheckKind, Config, Limits, Policy, Problem, Problems, Thresholds};
use shared::contract::{AgentCounts, ClusterSnapshot};
use shared::text::counted;

use crate::command;
use crate::config::{ConfigOption, Found};
use crate::decide::decide;
use crate::page::{self, Output, Page, Tone};
use crate::render;
use crate::saved::{self, SavedError};

/// Validate a configuration, and compare it with a cluster
///
/// Exit codes: 0 valid, 1 a file or the state cannot be read, 2 not valid.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Configuration file, as --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigOption,
    /// State of the leading master to compare it with: a file as for explain, - for standard input, or the URL of a master
    #[arg(long, value_name = "FILE|URL|-")]
    state: Option<saved::State>,
    /// Output format; json has every setting with its default
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Serialize)]
struct Checked<'a> {
    valid: bool,
    problems: Vec<ProblemForm<'a>>,
    warnings: Vec<ProblemForm<'a>>,
    pools: &'a [Policy],
    /// What the cluster shows, where a state was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a [Observed]>,
}

/// What a cluster shows of a pool.
#[derive(Debug, Serialize)]
struct Observed {
    pool: String,
    agents: AgentCounts,
    /// What an operator should change in the configuration or the cluster.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct ProblemForm<'a> {
    path: &'a str,
    text: &'a str,
}

impl<'a> From<&'a Problem> for ProblemForm<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self { path: &problem.path, text: &problem.text }
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let option =
        options.file.as_ref().map_or_else(|| options.config.clone(), |file| ConfigOption::of(Some(file.clone())));
    let (place, parsed) = match command::block_on(option.find()) {
        Ok(Found { place, text }) => (place, Config::parse(&text)),
        Err(error) => {
            let code = if error.is_usage() { 2 } else { 1 };
            let _ = page::complain("check", &error);
            return ExitCode::from(code);
        }
    };
    let path = place.display();
    let observed = match (&parsed, &options.state) {
        (Ok(config), Some(state)) => match observe(config, state) {
            Ok(observed) => Some(observed),
            Err(error) => {
                let _ = page::complain("check", &error);
                return ExitCode::from(1);
            }
        },
        _ => None,
    };
    let printed = match options.output {
        Output::Json => json(&parsed, observed.as_deref()),
        Output::Text => match &parsed {
            Ok(config) => text(&path.to_string(), config, observed.as_deref()),
            Err(problems) => writeln!(io::stderr(), "{path}: {problems}"),
        },
    };
    match (parsed, printed) {
        (Err(_), _) => ExitCode::from(2),
        (Ok(_), printed) => command::printed("check", printed),
    }
}

/// What the configuration means in a cluster.
fn observe(config: &Config, state: &saved::State) -> Result<Vec<Observed>, SavedError> {
    #[expect(clippy::disallowed_methods, reason = "a state is compared as of the present")]
    let now = Timestamp::now();
    let summary = state.summary(&marathon::Observed::default(), Descriptions::default(), config, None, now)?;
    let notes_of = |snapshot: &ClusterSnapshot| -> Vec<String> {
        let policy = config.pool(&snapshot.pool);
        // A pool with a check of its own has no decision here, and so no notes about it.
        let decision = policy.and_then(|policy| decide(snapshot, policy, now).ok());
        let mut notes = decision.map_or_else(|| snapshot.notes.clone(), |decision| decision.notes);
        notes.extend(snapshot.reserved_role.as_deref().map(render::reserved));
        if let Some(policy) = policy.filter(|_| snapshot.agents.registered == 0) {
            notes.push(render::none_matched(policy, summary.agents_of_no_pool, &summary.attributes_of_no_pool));
        }
        // The state may be old, and Marathon was not asked: what that makes of completeness says nothing about the configuration.
        notes
    };
    let observed = summary.snapshots.iter().map(|snapshot| Observed {
        pool: snapshot.pool.clone(),
        agents: snapshot.agents,
        notes: notes_of(snapshot),
    });
    Ok(observed.collect())
}

fn json(parsed: &Result<Config, Problems>, cluster: Option<&[Observed]>) -> io::Result<()> {
    let (warnings, problems, pools) = match parsed {
        Ok(config) => (config.warnings(), [].as_slice(), config.pools.as_slice()),
        Err(Problems(problems)) => (Vec::new(), problems.as_slice(), [].as_slice()),
    };
    let problems = problems.iter().map(ProblemForm::from).collect();
    let warnings = warnings.iter().map(ProblemForm::from).collect();
    let checked = Checked { valid: parsed.is_ok(), problems, warnings, pools, cluster };
    serde_json::to_writer_pretty(io::stdout(), &checked)?;
    writeln!(io::stdout())
}

fn text(path: &str, config: &Config, cluster: Option<&[Observed]>) -> io::Result<()> {
    let page = Page::stdout();
    page.title(&format!("{path} is valid: {}", counted(config.pools.len(), "pool")))?;
    if config.dry_run {
        page.field("dry run", "decides and reports, writes nothing")?;
    }
    for policy in &config.pools {
        page.field(&policy.pool, &summary(policy))?;
    }
    config.warnings().iter().try_for_each(|warning| page.flagged("warning", Tone::Held, &warning.to_string()))?;
    for Observed { pool, agents, notes } in cluster.unwrap_or_default() {
        page.blank()?;
        page.title(&format!(
            "pool {pool}: {}, {} usable",
            counted(agents.registered, "registered agent"),
            agents.usable
        ))?;
        notes.iter().try_for_each(|note| page.flagged("note", Tone::Bad, note))?;
    }
    Ok(())
}

/// A pool in a line: `group mesos-workers, 2 to 50 agents, removes below 50%, adds above 80%`.
fn summary(policy: &Policy) -> String {
    let Limits { min, max, .. } = policy.limits;
    let limits = max.map_or_else(
        || format!("at least {}, at most the group's maximum", counted(min, "agent")),
        |max| format!("{min} to {}", counted(max, "agent")),
    );
    let allocation = policy.source.needs_masters().then(|| allocation(policy));
    let cpu = policy.source.cpu().map(|cpu| {
        let down = f64::from(cpu.scale_out_threshold * cpu.scale_down_ratio_thousandths) / 1000.0;
        format!("removes below {down}% CPU utilization, adds above {}%", cpu.scale_out_threshold)
    });
    let rules = match policy.check {
        CheckKind::Standard => allocation.into_iter().chain(cpu).collect::<Vec<_>>().join("; "),
        CheckKind::Custom => "decided by its custom check; run, explain, and status decide nothing".to_owned(),
    };
    format!("group {}, {limits}, {rules}", policy.group)
}

/// What a pool of Mesos does by its allocation. One that has learned its headroom, and closes agents, is always under (D1).
fn allocation(policy: &Policy) -> String {
    let Thresholds { scale_down_percent: down, scale_up_percent: up, .. } = policy.thresholds;
    let headroom = format!("{}% headroom for every application", policy.headroom.percent);
    match policy.learning {
        Some(_) if policy.scale_down.strategy.decommissions() => {
            format!("adds above {up}%, learns its headroom; until then removes below {down}%, {headroom}")
        }
        Some(_) => format!("removes below {down}%, adds above {up}%, learns its headroom; until then {headroom}"),
        None => format!("removes below {down}%, adds above {up}%, {headroom}"),
    }
}
