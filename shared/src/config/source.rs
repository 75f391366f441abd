//! Where a pool's utilization comes from, and the settings of the CPU utilization rule.

use serde::Serialize;
use toml::{Table, Value};

use super::reader::{Section, Setting, word};
use super::values::Whole;

/// Where the load of a pool comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolSource {
    /// What Mesos has allocated. With `cpu` the group's CPU utilization has a say too.
    Mesos {
        /// The rule for that, where `cpu_utilization = true`.
        cpu: Option<CpuRule>,
    },
    /// The group's CPU utilization alone; no master is asked.
    CloudWatch {
        /// The rule.
        cpu: CpuRule,
    },
}

impl PoolSource {
    /// The CPU utilization rule, where the pool has it.
    #[must_use]
    pub const fn cpu(self) -> Option<CpuRule> {
        match self {
            Self::Mesos { cpu } => cpu,
            Self::CloudWatch { cpu } => Some(cpu),
        }
    }

    /// Whether only what Mesos has allocated counts.
    pub(super) const fn is_mesos_alone(&self) -> bool {
        matches!(self, Self::Mesos { cpu: None })
    }

    /// Whether the masters are asked for the pool's agents.
    #[must_use]
    pub const fn needs_masters(self) -> bool {
        match self {
            Self::Mesos { .. } => true,
            Self::CloudWatch { .. } => false,
        }
    }

    /// Whether its snapshots name the agents, so that a decision names those that it removes (L2).
    #[must_use]
    pub const fn names_agents(self) -> bool {
        match self {
            Self::Mesos { .. } => true,
            Self::CloudWatch { .. } => false,
        }
    }

    /// Whether a decision adds or removes one agent at a time (L2).
    #[must_use]
    pub const fn moves_by_one(self) -> bool {
        match self {
            Self::Mesos { .. } => false,
            Self::CloudWatch { .. } => true,
        }
    }
}

/// The CPU utilization rule (clauses C of docs/algorithm.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CpuRule {
    /// Above this utilization an agent comes, in percent. 1 to 100.
    pub scale_out_threshold: u32,
    /// Below this share of it an agent goes, in thousandths: 700 stands for 0.7. 0 to 999.
    pub scale_down_ratio_thousandths: u32,
}

/// A share below one, with at most three decimals.
struct Ratio {
    thousandths: u32,
}

impl Setting for Ratio {
    const EXPECTED: &'static str = "a number from 0 to below 1 with at most three decimals";
    const EXAMPLE: &'static str = "0.7";
    fn read(value: &Value) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "what is that large is refused")]
        let ratio = value.as_float().or_else(|| value.as_integer().map(|ratio| ratio as f64))?;
        let thousandths = (ratio * 1000.0).round();
        let is_exact = (ratio * 1000.0 - thousandths).abs() < 1e-6;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        (is_exact && (0.0..1000.0).contains(&thousandths)).then_some(Self { thousandths: thousandths as u32 })
    }
}

/// What a pool of which nothing is known but its group has no use for.
const MESOS_ONLY: [&str; 17] = [
    "attributes",
    "role",
    "resources",
    "scale_down_threshold_percent",
    "scale_up_threshold_percent",
    "application_headroom_percent",
    "headroom_placement",
    "applications",
    "new_agent",
    "max_missing_agents_percent",
    "max_scale_down_tasks",
    "scale_down_margin",
    "learn",
    "boot_time",
    "protected",
    "drain_after",
    "drain_grace",
];

/// What belongs to the CPU utilization rule.
const CPU_ONLY: [&str; 3] = ["scale_out_threshold", "scale_down_ratio", "cooltime"];

/// Reads `source` and the rule's settings, and refuses what the pool's source has no use for.
pub(super) fn source(section: &mut Section<'_>) -> PoolSource {
    let is_mesos = word(section, "source", &[("mesos", true), (CLOUDWATCH, false)]).unwrap_or(true);
    let asked: Option<bool> = section.optional("cpu_utilization");
    let cpu = rule(section);
    if !is_mesos {
        if asked == Some(false) {
            section.problem(
                "cpu_utilization",
                r#"source = "cloudwatch" always scales on CPU utilization; omit it, or write source = "mesos""#,
            );
        }
        refuse(section, &MESOS_ONLY, r#"needs a Mesos cluster; leave it out, or write source = "mesos""#);
        let strategy = section.table().get("scale_down_strategy").and_then(Value::as_str);
        if strategy.is_some_and(|strategy| strategy != "desired_capacity") {
            section.problem("scale_down_strategy", r#"no Mesos agent can be chosen; write "desired_capacity""#);
        }
        return PoolSource::CloudWatch { cpu };
    }
    if asked == Some(true) {
        return PoolSource::Mesos { cpu: Some(cpu) };
    }
    let remedy = "belongs to the CPU utilization rule; leave it out, or write cpu_utilization = true";
    refuse(section, &CPU_ONLY, remedy);
    PoolSource::Mesos { cpu: None }
}

const CLOUDWATCH: &str = "cloudwatch";

fn refuse(section: &Section<'_>, keys: &[&str], problem: &str) {
    for key in keys.iter().filter(|key| section.table().contains_key(**key)) {
        section.problem(key, problem);
    }
}

fn rule(section: &mut Section<'_>) -> CpuRule {
    let scale_out_threshold = Whole::percent(1..=100, 60).read(section, "scale_out_threshold").unwrap_or(60);
    let Ratio { thousandths } = section.or("scale_down_ratio", Ratio { thousandths: 700 });
    CpuRule { scale_out_threshold, scale_down_ratio_thousandths: thousandths }
}

/// Whether any pool is one of a Mesos cluster. A configuration without pools has other problems.
pub(super) fn needs_mesos(top: &Table) -> bool {
    let pools = top.get("pools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    pools.is_empty() || pools.iter().any(|pool| pool.get("source").and_then(Value::as_str) != Some(CLOUDWATCH))
}
