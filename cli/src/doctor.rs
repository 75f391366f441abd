//! `lambda-scale doctor`: whether it will work in this account, on this cluster. Every check is a line: ok, a warning, or a problem with what to
//! do about it. Changes nothing.

mod account;
mod finding;
mod group;
mod masters;
mod pool;
mod roles;

use std::io;
use std::process::ExitCode;

use aws_config::SdkConfig;
use clap::Args;
use jiff::Timestamp;
use node_gather::observe::{Observation, Sources};
use serde::Serialize;
use shared::config::{CheckKind, Config};
use shared::error::Chain;
use thiserror::Error;

use crate::command::{self, CommandError, Ended, RuntimeError};
use crate::config::{ConfigError, ConfigOption};
use crate::credentials;
use crate::deployed::{self, Deployed, DeployedError};
use crate::page::{self, Output, Page};
use finding::{Finding, Level, Section};

/// Check the configuration, the account, the masters, the groups, and what the functions may do
///
/// Changes nothing. With --stack also what the roles of the deployed functions may do; without --config, the settings are those of
/// the deployed functions.
///
/// Exit codes: 0 no problem, 1 a problem, 2 invalid configuration or options.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    config: ConfigOption,
    /// Name of the deployed stack
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Error)]
enum DoctorError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Deployed(#[from] DeployedError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("cannot print")]
    Print(#[from] io::Error),
}

impl CommandError for DoctorError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Config(error) if error.is_usage())
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::exit("doctor", command::block_on(doctor(options)))
}

async fn doctor(options: &Options) -> Result<Ended, DoctorError> {
    let sdk = shared::aws::sdk_config().await;
    let deployed = match &options.stack {
        Some(stack) => Some(deployed::read(&sdk, stack).await),
        None => None,
    };
    let (config, deployed) = match deployed {
        Some(deployed) if !options.config.is_given() => {
            let deployed = deployed?;
            (deployed.config.clone(), Some(Ok(deployed)))
        }
        deployed => (options.config.read().await?, deployed),
    };
    let sections = examine(&sdk, &config, options, deployed.as_ref()).await;
    let is_well = sections.iter().flat_map(|section| &section.findings).all(|finding| finding.level != Level::Problem);
    print(options.output, &sections)?;
    Ok(Ended::well_if(is_well))
}

/// Makes all checks, in the order in which a mistake in one explains those after it.
async fn examine(
    sdk: &SdkConfig,
    config: &Config,
    options: &Options,
    deployed: Option<&Result<Deployed, DeployedError>>,
) -> Vec<Section> {
    let mut sections = vec![configuration(config, options, deployed)];
    let caller = account::account(sdk, now()).await;
    let has_account = caller.is_some();
    sections.push(caller.section());
    let sources = if has_account {
        node_gather::config::sources(sdk, config).await
    } else {
        credentials::sources_without_account(sdk, config).await
    };
    let observation = match sources {
        Ok(sources) => observe(&sources, config, &mut sections).await,
        Err(error) => {
            sections.push(Section::new("masters", vec![Finding::problem(Chain::new(&error).to_string())]));
            None
        }
    };
    let mut arns = Vec::new();
    for policy in &config.pools {
        let title = format!("pool {}, Auto Scaling group {}", policy.pool, policy.group);
        let snapshot = observation
            .as_ref()
            .and_then(|observation| observation.snapshots.iter().find(|snapshot| snapshot.pool == policy.pool));
        let read = observation.as_ref().and_then(|observation| observation.read.as_ref());
        let group = if has_account { Some(group::describe(sdk, policy, now()).await) } else { None };
        arns.extend(group.iter().flatten().map(|group| group.arn.clone()));
        sections.push(Section::new(&title, pool::findings((config, policy), snapshot, read, group, now())));
    }
    match deployed {
        Some(Ok(deployed)) if has_account => sections.push(roles::section(sdk, config, deployed, &arns).await),
        Some(Err(error)) => {
            sections.push(Section::new("stack", vec![Finding::problem(Chain::new(error).to_string())]));
        }
        Some(Ok(_)) | None => {}
    }
    sections
}

async fn observe(sources: &Sources, config: &Config, sections: &mut Vec<Section>) -> Option<Observation> {
    let observation = sources.observe(config, now()).await;
    if let Some(mesos) = &config.mesos {
        sections.push(Section::new("masters", masters::findings(mesos, &observation, now()).await));
    }
    Some(observation)
}

fn configuration(config: &Config, options: &Options, deployed: Option<&Result<Deployed, DeployedError>>) -> Section {
    let title = match &options.stack {
        Some(stack) if !options.config.is_given() => format!("configuration of the stack {stack}"),
        _ => "configuration".to_owned(),
    };
    let pools = shared::text::counted(config.pools.len(), "pool");
    let mut findings = vec![Finding::ok(format!("valid: {pools}"))];
    findings.extend(config.warnings().iter().map(|warning| Finding::warning(warning.to_string())));
    if config.dry_run {
        findings.push(Finding::ok("a dry run: decides and reports, changes nothing"));
    }
    let custom = config.pools.iter().filter(|policy| policy.check == CheckKind::Custom);
    findings.extend(custom.map(|policy| Finding::ok(format!("{}: its custom check decides", policy.pool))));
    if let Some(Ok(deployed)) = deployed
        && !deployed.has_settings_of(config)
    {
        let advice = "deploy the file, or leave --config out to check what is deployed";
        findings.push(Finding::warning(format!("the functions of the stack have other settings; {advice}")));
    }
    Section::new(&title, findings)
}

#[derive(Serialize)]
struct Form<'a> {
    ok: bool,
    sections: &'a [Section],
}

fn print(output: Output, sections: &[Section]) -> io::Result<()> {
    let count = |level| {
        let findings = sections.iter().flat_map(|section| &section.findings);
        findings.filter(|finding| finding.level == level).count()
    };
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    if output == Output::Json {
        return page::json(&Form { ok: problems == 0, sections });
    }
    let page = Page::stdout();
    for Section { title, findings } in sections {
        page.title(title)?;
        findings
            .iter()
            .try_for_each(|finding| page.flagged(finding.level.name(), finding.level.tone(), &finding.text))?;
    }
    page.blank()?;
    let counted = |count: usize, what| shared::text::counted(count, what);
    page.title(&format!("{}, {}", counted(problems, "problem"), counted(warnings, "warning")))
}

#[expect(clippy::disallowed_methods, reason = "the clock of this command")]
fn now() -> Timestamp {
    Timestamp::now()
}
