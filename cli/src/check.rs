//! `lambda-scale check`: is this configuration valid, and what does it say once every default is filled in?

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use shared::config::{Config, Policy, PoolSource, Problem, Problems};

use crate::page::{Output, Page, Tone};

/// Validate a configuration, and say what it comes to
///
/// Exit codes: 0 valid, 1 the file cannot be read, 2 not valid.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The configuration
    #[arg(value_name = "FILE")]
    config: PathBuf,
    /// For people or for programs, which get every setting with its default
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Serialize)]
struct Verdict<'a> {
    valid: bool,
    problems: Vec<ProblemForm<'a>>,
    pools: &'a [Policy],
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
    let path = options.config.display();
    let parsed = match fs::read_to_string(&options.config) {
        Ok(document) => Config::parse(&document),
        Err(error) => {
            let _ = writeln!(io::stderr(), "lambda-scale check: cannot read {path}: {error}");
            return ExitCode::from(1);
        }
    };
    let printed = match options.output {
        Output::Json => json(&parsed),
        Output::Text => match &parsed {
            Ok(config) => text(&path.to_string(), config),
            Err(problems) => writeln!(io::stderr(), "{path}: {problems}"),
        },
    };
    match (parsed, printed) {
        (Err(_), _) => ExitCode::from(2),
        (Ok(_), Err(_)) => ExitCode::from(1),
        (Ok(_), Ok(())) => ExitCode::SUCCESS,
    }
}

fn json(parsed: &Result<Config, Problems>) -> io::Result<()> {
    let verdict = match parsed {
        Ok(config) => Verdict { valid: true, problems: Vec::new(), pools: &config.pools },
        Err(Problems(problems)) => {
            Verdict { valid: false, problems: problems.iter().map(ProblemForm::from).collect(), pools: &[] }
        }
    };
    serde_json::to_writer_pretty(io::stdout(), &verdict)?;
    writeln!(io::stdout())
}

fn text(path: &str, config: &Config) -> io::Result<()> {
    let page = Page::stdout();
    let count = config.pools.len();
    page.title(&format!("{path} is valid: {count} pool{}", if count == 1 { "" } else { "s" }))?;
    if config.dry_run {
        page.toned("dry run", Tone::Quiet, "decides and reports, changes nothing")?;
    }
    for policy in &config.pools {
        page.field(&policy.pool, &summary(policy))?;
    }
    Ok(())
}

/// A pool in a line: `group mesos-workers, 2 to 50 agents, below 50 % down, above 80 % up`.
fn summary(policy: &Policy) -> String {
    let max = policy.max.map_or_else(|| "as many as the group allows".to_owned(), |max| max.to_string());
    let rules = match policy.source {
        PoolSource::CloudWatch { cpu } => {
            let down = f64::from(cpu.scale_out_threshold * cpu.scale_down_ratio_thousandths) / 1000.0;
            format!("CPU utilization below {down} % down, above {} % up", cpu.scale_out_threshold)
        }
        PoolSource::Mesos { .. } => format!(
            "below {} % down, above {} % up, {} % room for every application",
            policy.scale_down_threshold_percent, policy.scale_up_threshold_percent, policy.application_headroom_percent
        ),
    };
    format!("group {}, {} to {max} agents, {rules}", policy.group, policy.min)
}
