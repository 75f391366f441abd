//! `lambda-scale local`: the three real functions on a captured cluster, everything on 127.0.0.1.
//!
//! - `scene`: what happened in one scene, and what must hold
//! - `script`: the scenes of a run
//! - `show`: how they are printed

mod scene;
mod script;
mod show;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use testbed::faults::Faults;
use testbed::{CAPTURE, CONFIGURATION, Logs, Setup, Stack, StackError};
use thiserror::Error;

use crate::command::{self, CommandError, Ended, RuntimeError};
use crate::file::{self, FileError};
use crate::page::Output;

/// Run the three functions on a captured cluster, on this machine, without an AWS account
///
/// Starts a Mesos master, SNS, Auto Scaling, and the Lambda Runtime API on 127.0.0.1, runs the three binaries against them
/// through six scenes, and prints what they observed, decided, and did.
///
/// Exit codes: 0 every scene ended as expected, 1 one did not, or a step failed, 130 interrupted. With your own --state or
/// --config a scene can end in any way, as long as node_scale does not fail.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("The default configuration:\n\n{CONFIGURATION}"))]
pub struct Options {
    /// Captured /state of the leading master [default: 60 agents, 282 tasks]. Without --config, all its agents are one pool
    /// without limits
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Configuration file; the local master replaces its masters [default: see below]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Output format; json prints one line for each scene
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Send the functions' logs to standard error instead of files
    #[arg(long)]
    verbose: bool,
}

/// Why a run ended early.
#[derive(Debug, Error)]
enum RunError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("cannot find the binaries of the functions")]
    Binaries(#[source] io::Error),
    #[error("cannot create a directory for the logs")]
    Logs(#[source] io::Error),
    #[error("cannot write to standard output")]
    Show(#[from] io::Error),
    #[error(transparent)]
    Stack(#[from] StackError),
}

impl CommandError for RunError {
    fn is_usage(&self) -> bool {
        false
    }
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::exit("local", command::block_on(play(options)))
}

async fn play(options: &Options) -> Result<Ended, RunError> {
    let setup = setup(options)?;
    let mut show = show::Show::new(options.output == Output::Json);
    let is_own = options.state.is_some() || options.config.is_some();
    show.start(&setup)?;
    let stack = Stack::start(setup).await?;
    let result = command::until_interrupted(script::play(&stack, is_own, &mut show)).await;
    stack.stop().await;
    result.map_or(Ok(Ended::Interrupted), |result| result.map(Ended::well_if))
}

fn setup(options: &Options) -> Result<Setup, RunError> {
    let read = |path: &PathBuf| fs::read(path).map_err(FileError::at(path));
    let text = |path: &PathBuf| file::read(path);
    let capture = options.state.as_ref().map_or_else(|| Ok(CAPTURE.to_vec()), read)?;
    let configuration = match (&options.config, &options.state) {
        (Some(config), _) => text(config)?,
        (None, Some(_)) => without_limits(CONFIGURATION),
        (None, None) => CONFIGURATION.to_owned(),
    };
    let logs = if options.verbose { Logs::Stderr } else { Logs::Directory(log_directory().map_err(RunError::Logs)?) };
    let binaries = testbed::stage::binaries().map_err(RunError::Binaries)?;
    Ok(Setup { binaries, configuration, capture, logs, faults: Faults::default() })
}

/// The configuration for any cluster: every agent belongs to the pool, and the pool can have any size.
fn without_limits(configuration: &str) -> String {
    let suits_all = |line: &&str| !["attributes = ", "min = ", "max = "].iter().any(|start| line.starts_with(start));
    configuration.lines().filter(suits_all).flat_map(|line| [line, "\n"]).collect()
}

/// A new directory for this run.
fn log_directory() -> io::Result<PathBuf> {
    let directory = std::env::temp_dir();
    let mut attempt = 0;
    loop {
        let path = directory.join(format!("lambda-scale-local-{}-{attempt}", std::process::id()));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            made => return made.map(|()| path),
        }
    }
}
