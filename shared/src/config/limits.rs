//! How far a decision may go.

use std::fmt;

use serde::{Serialize, Serializer};
use toml::Value;

use super::reader::Section;
use super::scale_down::ScaleDownStrategy;
use super::values::Whole;

/// Limits and step limits (clauses L1, L2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The fewest agents.
    pub min: u32,
    /// The most agents; `None`: as many as the group allows.
    pub max: Option<u32>,
    /// The most agents that one request adds.
    pub max_scale_up_step: StepLimit,
    /// The most agents that are removed at once, those already decommissioning included.
    pub max_scale_down_step: StepLimit,
    /// The most running tasks that one decision may move; `None`: no limit.
    pub max_scale_down_tasks: Option<u32>,
}

/// How many agents are added or removed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepLimit {
    /// So many. At least 1.
    Agents(u32),
    /// So many percent of the agents that are usable or decommissioning. At least 1.
    Percent(u32),
}

impl StepLimit {
    /// As many as there are.
    pub const UNLIMITED: Self = Self::Agents(u32::MAX);

    /// How many agents that is in a pool of so many: a percentage is rounded up, and is at least one agent.
    #[must_use]
    pub fn of(self, agents: u32) -> u32 {
        match self {
            Self::Agents(step) => step,
            Self::Percent(percent) => {
                let step = (u64::from(percent) * u64::from(agents)).div_ceil(100).max(1);
                u32::try_from(step).unwrap_or(u32::MAX)
            }
        }
    }
}

/// As the configuration has it: `3` or `"10%"`.
impl fmt::Display for StepLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents(step) => write!(f, "{step}"),
            Self::Percent(percent) => write!(f, "\"{percent}%\""),
        }
    }
}

impl Serialize for StepLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Agents(step) => serializer.serialize_u32(*step),
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

/// Reads the limits and the step limits.
pub(super) fn limits(section: &mut Section<'_>, strategy: ScaleDownStrategy, learns: bool) -> Limits {
    let (min, max) = bounds(section);
    // An agent that drains can be reactivated for a while. One at a time, a large pool would take days.
    let down = match (strategy.decommissions(), learns) {
        (true, true) => StepLimit::Percent(25),
        (true, false) => StepLimit::Percent(10),
        (false, _) => StepLimit::Agents(1),
    };
    Limits {
        min,
        max,
        max_scale_up_step: step(section, "max_scale_up_step", StepLimit::Agents(10)),
        max_scale_down_step: step(section, "max_scale_down_step", down),
        max_scale_down_tasks: Whole::at_least(0, 100).or_no_limit().read(section, "max_scale_down_tasks"),
    }
}

fn bounds(section: &mut Section<'_>) -> (u32, Option<u32>) {
    let most = section.table().get("max").and_then(Value::as_integer).and_then(|max| u32::try_from(max).ok());
    let min = Whole::at_least(0, 1).suggest(0..=most.unwrap_or(u32::MAX)).read(section, "min").unwrap_or(1);
    let max = Whole::at_least(min, min.max(10)).or_no_limit().limits(format!("at least min = {min}"));
    (min, max.read(section, "max"))
}

fn step(section: &mut Section<'_>, key: &'static str, default: StepLimit) -> StepLimit {
    let step = section.read(key, read_step, |value| {
        let expected = match value {
            Value::Integer(_) => "at least 1 (pause_until stops scaling)".to_owned(),
            _ => format!("a number of agents, or a percentage of the pool from 1 to {MOST_PERCENT}"),
        };
        (expected, meant_step(value).unwrap_or(default).to_string())
    });
    step.unwrap_or(default)
}

/// More than the pool itself, tenfold.
const MOST_PERCENT: u32 = 1000;

pub(super) fn read_step(value: &Value) -> Option<StepLimit> {
    match value {
        Value::Integer(agents) => u32::try_from(*agents).ok().filter(|agents| *agents > 0).map(StepLimit::Agents),
        Value::String(text) => {
            let percent: u32 = text.trim().strip_suffix('%')?.trim_end().parse().ok()?;
            (1..=MOST_PERCENT).contains(&percent).then_some(StepLimit::Percent(percent))
        }
        _ => None,
    }
}

/// The step that `"5"`, `5.0`, or `0.1` most likely means.
fn meant_step(value: &Value) -> Option<StepLimit> {
    match value {
        Value::String(text) => read_step(&Value::Integer(text.trim().parse().ok()?)),
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Value::Float(number) if (1.0..1e6).contains(number) => read_step(&Value::Integer(number.round() as i64)),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Value::Float(share) if (0.005..1.0).contains(share) => Some(StepLimit::Percent((100.0 * share).round() as u32)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_of_a_pool_is_rounded_up_and_at_least_one_d3() {
        let tenth = StepLimit::Percent(10);
        assert_eq!([0, 1, 10, 11, 95, 100].map(|agents| tenth.of(agents)), [1, 1, 1, 2, 10, 10]);
        assert_eq!([0, 7, 100].map(|agents| StepLimit::Percent(100).of(agents)), [1, 7, 100]);
        assert_eq!([0, 7, 100].map(|agents| StepLimit::Agents(3).of(agents)), [3, 3, 3]);
        assert_eq!(StepLimit::Percent(MOST_PERCENT).of(u32::MAX), u32::MAX);
    }
}
