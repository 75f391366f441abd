//! The command line of Lambda Scale: one subcommand, one module.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lambda_scale::{explain, generate, local, marks};

/// Keeps the Auto Scaling group under a Mesos and Marathon cluster at the right size.
#[derive(Parser)]
#[command(name = "lambda-scale", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Explain(explain::Options),
    Generate(generate::Options),
    Local(local::Options),
    Status(marks::Status),
    Pause(marks::Pause),
    Resume(marks::Resume),
    Floor(marks::SetFloor),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Explain(options) => explain::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::Local(options) => local::run(&options),
        Command::Status(options) => marks::status(&options),
        Command::Pause(options) => marks::pause(&options),
        Command::Resume(options) => marks::resume(&options),
        Command::Floor(options) => marks::floor(&options),
    }
}
