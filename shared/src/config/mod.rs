//! The configuration, the same for all three functions and the command line.
//!
//! It is read as a whole: [`Config::parse`] returns either a configuration in which every value is in range and fits the
//! others, or every [`Problem`], each with its path, what was found, what was expected, and what to write instead.
//! docs/configuration.md describes every setting.

mod applications;
mod check;
mod configuration;
mod headroom;
mod learning;
mod limits;
mod lines;
mod mesos;
mod pool;
mod problem;
mod reader;
mod reference;
mod scale_down;
mod shown;
mod source;
mod thresholds;
mod timing;
mod values;
mod warnings;

pub use applications::ApplicationSettings;
pub use check::CheckKind;
pub use configuration::Config;
pub use headroom::{Headroom, HeadroomPlacement};
pub use learning::{Confidence, Learning};
pub use limits::{Limits, StepLimit};
pub use mesos::{Marathon, Mesos, is_local_host};
pub use pool::Policy;
pub use problem::{Problem, Problems};
pub use reference::Reference;
pub use scale_down::{Protected, Removal, ScaleDown, ScaleDownStrategy};
pub use source::{CpuRule, PoolSource};
pub use thresholds::Thresholds;
pub use timing::Timing;

#[cfg(test)]
mod tests;
