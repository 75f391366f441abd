//! `lambda-scale local`: the three real functions on a captured cluster, everything on 127.0.0.1.
//!
//! - `scene`: what happened in one scene, and what it must come to
//! - `script`: the scenes of a run
//! - `show`: how they are shown

mod scene;
mod script;
mod show;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use shared::error::Chain;
use testbed::{CAPTURE, DOCUMENT, Logs, Setup, Stack, StackError};
use thiserror::Error;

use crate::page::Output;

/// Exit codes: all went as it must, something differed or failed, interrupted (as shells report SIGINT).
const DIFFERS: u8 = 1;
const INTERRUPTED: u8 = 130;

/// Run the three functions on a captured cluster, on this machine, without an AWS account
///
/// Starts a Mesos master, SNS, Auto Scaling and the Lambda Runtime API on 127.0.0.1, runs the three binaries against them
/// through six scenes, and shows what they saw, decided and did.
///
/// Exit code: 0 if every scene ended as it must, 1 if one did not or something failed. With a --state or --config of your
/// own a scene may end in any way, as long as node_scale does not fail.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("The configuration used where none is given:\n\n{DOCUMENT}"))]
pub struct Options {
    /// A captured /state of the leading master [default: 60 agents, 282 tasks]. Without a --config, all its agents are one
    /// pool without limits
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// A configuration; its masters are replaced by the local one [default: see below]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to show what happens; for programs it is one JSON object for each scene
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Let the functions log to standard error, not to files
    #[arg(long)]
    verbose: bool,
}

/// Why a run ended early.
#[derive(Debug, Error)]
enum RunError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    #[error("cannot make a folder for the logs")]
    Logs(#[source] io::Error),
    #[error("cannot write to standard output")]
    Show(#[from] io::Error),
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// Runs the subcommand.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)
        .and_then(|runtime| runtime.block_on(play(options)));
    match result {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::from(DIFFERS),
        Ok(None) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("error: {}", Chain::new(&error));
            ExitCode::from(DIFFERS)
        }
    }
}

/// Whether every scene ended as it must; `None` where somebody interrupted.
async fn play(options: &Options) -> Result<Option<bool>, RunError> {
    let setup = setup(options)?;
    let mut show = show::Show::new(options.output == Output::Json);
    let is_own = options.state.is_some() || options.config.is_some();
    show.start(&setup)?;
    let stack = Stack::start(setup).await?;
    let result = tokio::select! {
        result = script::play(&stack, is_own, &mut show) => result.map(Some),
        () = crate::interrupt::interrupted() => Ok(None),
    };
    stack.stop().await;
    result
}

fn setup(options: &Options) -> Result<Setup, RunError> {
    let read = |path: &PathBuf| fs::read(path).map_err(|source| RunError::Read { path: path.clone(), source });
    let text =
        |path: &PathBuf| fs::read_to_string(path).map_err(|source| RunError::Read { path: path.clone(), source });
    let capture = options.state.as_ref().map_or_else(|| Ok(CAPTURE.to_vec()), read)?;
    let document = match (&options.config, &options.state) {
        (Some(config), _) => text(config)?,
        (None, Some(_)) => without_limits(DOCUMENT),
        (None, None) => DOCUMENT.to_owned(),
    };
    let logs = if options.verbose { Logs::Stderr } else { Logs::Directory(log_directory().map_err(RunError::Logs)?) };
    let mut binaries = std::env::current_exe().map_err(RunError::Runtime)?;
    binaries.pop();
    Ok(Setup { binaries, document, capture, logs })
}

/// The document for a cluster that it was not made for: every agent is of the pool, and the pool may have any size.
fn without_limits(document: &str) -> String {
    let suits_all = |line: &&str| !["attributes = ", "min = ", "max = "].iter().any(|start| line.starts_with(start));
    document.lines().filter(suits_all).flat_map(|line| [line, "\n"]).collect()
}

/// A new folder of this run's own.
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
