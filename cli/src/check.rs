//! `lambda-scale check`: validates a configuration, and shows it with every default filled in.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use shared::config::{CheckKind, Config, Policy, Problem, Problems};
use shared::text::counted;

use crate::page::{Output, Page, Tone};

/// Validate a configuration
///
/// Exit codes: 0 valid, 1 the file cannot be read, 2 not valid.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Configuration file
    #[arg(value_name = "FILE")]
    config: PathBuf,
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
        Ok(configuration) => Config::parse(&configuration),
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
    let (warnings, problems, pools) = match parsed {
        Ok(config) => (config.warnings(), [].as_slice(), config.pools.as_slice()),
        Err(Problems(problems)) => (Vec::new(), problems.as_slice(), [].as_slice()),
    };
    let problems = problems.iter().map(ProblemForm::from).collect();
    let checked =
        Checked { valid: parsed.is_ok(), problems, warnings: warnings.iter().map(ProblemForm::from).collect(), pools };
    serde_json::to_writer_pretty(io::stdout(), &checked)?;
    writeln!(io::stdout())
}

fn text(path: &str, config: &Config) -> io::Result<()> {
    let page = Page::stdout();
    page.title(&format!("{path} is valid: {}", counted(config.pools.len(), "pool")))?;
    if config.dry_run {
        page.toned("dry run", Tone::Quiet, "decides and reports, writes nothing")?;
    }
    for policy in &config.pools {
        page.field(&policy.pool, &summary(policy))?;
    }
    config.warnings().iter().try_for_each(|warning| page.toned("warning", Tone::Bad, &warning.to_string()))
}

/// A pool in a line: `group mesos-workers, 2 to 50 agents, removes below 50%, adds above 80%`.
fn summary(policy: &Policy) -> String {
    let max = policy.limits.max.map_or_else(|| "as many as the group allows".to_owned(), |max| max.to_string());
    let allocation = policy.source.needs_masters().then(|| {
        format!(
            "removes below {}%, adds above {}%, {}% headroom for every application",
            policy.thresholds.scale_down_percent, policy.thresholds.scale_up_percent, policy.headroom.percent
        )
    });
    let cpu = policy.source.cpu().map(|cpu| {
        let down = f64::from(cpu.scale_out_threshold * cpu.scale_down_ratio_thousandths) / 1000.0;
        format!("removes below {down}% CPU utilization, adds above {}%", cpu.scale_out_threshold)
    });
    let rules = match policy.check {
        CheckKind::Standard => allocation.into_iter().chain(cpu).collect::<Vec<_>>().join("; "),
        CheckKind::Custom => "decided by its custom check; run, explain, and status decide nothing".to_owned(),
    };
    format!("group {}, {} to {max} agents, {rules}", policy.group, policy.limits.min)
}
