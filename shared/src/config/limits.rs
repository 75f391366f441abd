//! How far a decision may go.

use serde::Serialize;
use toml::Value;

use super::reader::Section;
use super::values::Whole;

/// Limits and step limits (clauses L1, L2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The fewest agents.
    pub min: u32,
    /// The most agents; `None`: as many as the group allows.
    pub max: Option<u32>,
    /// The most agents that one decision adds. At least 1.
    pub max_scale_up_step: u32,
    /// The most agents that one decision removes, those already decommissioning included. At least 1.
    pub max_scale_down_step: u32,
    /// The most running tasks that one decision may move; `None`: no limit.
    pub max_scale_down_tasks: Option<u32>,
}

/// Reads the limits and the step limits.
pub(super) fn limits(section: &mut Section<'_>) -> Limits {
    let (min, max) = bounds(section);
    Limits {
        min,
        max,
        max_scale_up_step: step(section, "max_scale_up_step", 10),
        max_scale_down_step: step(section, "max_scale_down_step", 1),
        max_scale_down_tasks: Whole::at_least(0, 100).or_no_limit().read(section, "max_scale_down_tasks"),
    }
}

fn bounds(section: &mut Section<'_>) -> (u32, Option<u32>) {
    let most = section.table().get("max").and_then(Value::as_integer).and_then(|max| u32::try_from(max).ok());
    let min = Whole::at_least(0, 1).suggest(0..=most.unwrap_or(u32::MAX)).read(section, "min").unwrap_or(1);
    let max = Whole::at_least(min, min.max(10)).or_no_limit().limits(format!("at least min = {min}"));
    (min, max.read(section, "max"))
}

fn step(section: &mut Section<'_>, key: &'static str, default: u32) -> u32 {
    let step = Whole::at_least(1, default).limits("at least 1 (pause_until stops scaling)".to_owned());
    step.read(section, key).unwrap_or(default)
}
