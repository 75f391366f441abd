//! Groups as the AWS command line saves them, as Auto Scaling and CloudWatch would report them.

use std::path::Path;

use node_gather::groups::{Cpu, Groups};
use node_gather::members::{self, Description};
use node_scale::state::{Activity, Group};
use serde::Deserialize;
use shared::config::{Config, Policy};
use shared::group::{CLOSING_REFUSED_TAG, TRIED_TAG, decommissioning, tagged_until};

use super::ExplainError;
use crate::config;
use crate::saved;

/// A group as the AWS command line prints it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SavedGroups {
    auto_scaling_groups: Vec<SavedGroup>,
    #[serde(default)]
    pub(super) activities: Vec<Activity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SavedGroup {
    #[serde(flatten)]
    pub(super) group: Group,
    /// Only what is observed depends on them.
    #[serde(default)]
    availability_zones: Vec<String>,
}

impl SavedGroups {
    pub(super) fn group(&self, name: &str) -> Option<&SavedGroup> {
        self.auto_scaling_groups.iter().find(|saved| saved.group.name == name)
    }
}

pub(super) fn read(path: &Path) -> Result<SavedGroups, ExplainError> {
    serde_json::from_reader(saved::open(path)?).map_err(|source| ExplainError::Group { path: path.to_owned(), source })
}

/// What CloudWatch and Auto Scaling would report of the groups.
pub(super) fn known(
    config: &Config,
    cpu: &[(String, f64)],
    saved: Option<&SavedGroups>,
) -> Result<Groups, ExplainError> {
    let mut known = Groups::default();
    for (pool, percent) in cpu {
        let policy = config.pool(pool).ok_or_else(|| {
            let hint = config::other_pools(config, pool);
            ExplainError::Cpu(pool.clone(), format!("the configuration has no such pool; {hint}"))
        })?;
        if policy.source.cpu().is_none() {
            let reason = "the pool does not use it; write cpu_utilization = true in the configuration";
            return Err(ExplainError::Cpu(pool.clone(), reason.to_owned()));
        }
        known.cpu.insert(policy.group.clone(), Cpu::of(&[*percent]));
    }
    for policy in &config.pools {
        let unknown = Cpu::Unknown { reason: format!("add --cpu {}=PERCENT", policy.pool) };
        known.cpu.entry(policy.group.clone()).or_insert(unknown);
        if let Some(description) = description(policy, saved) {
            known.described.groups.insert(policy.group.clone(), description);
        }
    }
    Ok(known)
}

/// What Auto Scaling would report of the group of a pool; `None` where nothing depends on it.
fn description(policy: &Policy, saved: Option<&SavedGroups>) -> Option<Description> {
    let unknown = |reason: &str| Some(Description::Unknown { reason: reason.to_owned() });
    let Some(saved) = saved else {
        return if policy.source.needs_masters() { None } else { unknown("add --group FILE") };
    };
    match saved.group(&policy.group) {
        Some(group) => Some(Description::Known(described(group))),
        None => unknown("the file of --group does not have it"),
    }
}

fn described(SavedGroup { group, availability_zones }: &SavedGroup) -> members::Group {
    let units = |units: i32| u32::try_from(units).unwrap_or(0);
    let instance = |instance: &node_scale::state::Instance| members::Instance {
        id: instance.instance_id.clone(),
        lifecycle: instance.lifecycle_state,
        protected: instance.protected_from_scale_in,
    };
    let tags = || group.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
    members::Group {
        desired: units(group.desired_capacity),
        min: units(group.min_size),
        max: units(group.max_size),
        zones: availability_zones.clone(),
        protects_new: group.new_instances_protected_from_scale_in,
        instances: group.instances.iter().map(instance).collect(),
        decommissioning: decommissioning(tags()),
        closing_refused_until: tagged_until(tags(), CLOSING_REFUSED_TAG),
        tried_until: tagged_until(tags(), TRIED_TAG),
    }
}
