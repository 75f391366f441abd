//! `lambda-scale schema`: the configuration and the messages as JSON Schema.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;
use shared::contract::schema::of;
use shared::contract::{ClusterSnapshot, ScalingDecision, ScalingOutcome};

use crate::command;

/// Print the JSON Schema of the configuration or of a message
///
/// The schemas are also in schemas/ of the repository and of the package. For an editor of TOML, begin the configuration
/// with: #:schema ./configuration.json
///
/// Exit codes: 0 success, 1 the output cannot be written.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Of what
    #[arg(value_enum)]
    of: Subject,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// lambda-scale.toml, as JSON has it
    Configuration,
    /// What node_gather publishes
    Snapshot,
    /// What node_process or a custom check publishes
    Decision,
    /// What node_scale publishes
    Outcome,
}

/// Generated from the table of all settings.
const CONFIGURATION: &str = include_str!("../../schemas/configuration.json");

impl Subject {
    /// Its file in schemas/.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Configuration => "configuration.json",
            Self::Snapshot => "cluster-snapshot-1.json",
            Self::Decision => "scaling-decision-1.json",
            Self::Outcome => "scaling-outcome-1.json",
        }
    }

    /// Its schema.
    #[must_use]
    pub fn schema(self) -> String {
        match self {
            Self::Configuration => CONFIGURATION.to_owned(),
            Self::Snapshot => text(&of::<ClusterSnapshot>("What node_gather observed of one pool (docs/messages.md).")),
            Self::Decision => text(&of::<ScalingDecision>(
                "What node_process, or a custom check, decides for one pool (docs/messages.md).",
            )),
            Self::Outcome => {
                text(&of::<ScalingOutcome>("What node_scale did about a decision, and why (docs/messages.md)."))
            }
        }
    }
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Prints it.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    command::printed("schema", io::stdout().write_all(options.of.schema().as_bytes()))
}
