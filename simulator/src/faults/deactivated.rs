//! 5.6: who deactivated which agents, and the tags that must say so.

use std::collections::BTreeSet;

use cluster::group::{Group, Lifecycle};
use cluster::{Cluster, Mode};
use node_scale::plan::{AgentCall, AgentStep};

use super::chain::tasks;
use super::checks::Broken;
use crate::world::World;

const DECOMMISSION: &str = "lambda-scale/decommission/";

/// The instances whose agents were deactivated.
#[derive(Debug, Default)]
pub(super) struct Deactivated {
    /// By node_scale, or by an operator while they had its tag.
    ours: BTreeSet<String>,
    /// By operators.
    theirs: BTreeSet<String>,
    /// Those that a forged decision named: a decision names no agent that is deactivated, and node_scale believes it.
    forged: BTreeSet<String>,
    /// Those that node_scale has just drained or reactivated, and that were not its own.
    meddled: BTreeSet<String>,
}

/// Whether an instance has the tag of a decommissioning agent.
pub(super) fn has_tag(group: &Group, instance: &str) -> bool {
    group.tags.contains_key(&format!("{DECOMMISSION}{instance}"))
}

/// The instances that have it.
pub(super) fn tagged(group: &Group) -> impl Iterator<Item = &str> {
    group.tags.keys().filter_map(|key| key.strip_prefix(DECOMMISSION))
}

/// Whether the agent on an instance is deactivated.
fn is_deactivated(cluster: &Cluster, instance: &str) -> bool {
    let mut agents = cluster.agents().filter(|agent| agent.instance_id() == Some(instance));
    agents.any(|agent| agent.mode != Mode::Active && (tasks(agent) > 0 || agent.is_registered()))
}

/// Every tag has ended, and no agent is deactivated, but for one that waits for its tasks as long as they run.
pub(super) fn at_rest(world: &World<'_>) -> Option<Broken> {
    let tagged: BTreeSet<&str> = tagged(world.group()).collect();
    let deactivated = world.cluster().agents().filter(|agent| agent.mode != Mode::Active);
    let waiting: BTreeSet<&str> = deactivated.filter_map(|agent| agent.instance_id()).collect();
    (tagged != waiting).then(|| ("5.6 tags", format!("at rest {tagged:?} have tags, and {waiting:?} are deactivated")))
}

impl Deactivated {
    /// A forged decision removes these.
    pub(super) fn named_by_forgery(&mut self, instances: impl IntoIterator<Item = String>) {
        self.forged.extend(instances);
    }

    /// A master is about to be called.
    pub(super) fn calls(&mut self, step: &AgentStep, cluster: &Cluster) {
        let id = &step.instance_id;
        let is_known = self.ours.contains(id) || self.forged.contains(id);
        if step.call != AgentCall::Deactivate && !is_known && is_deactivated(cluster, id) {
            self.meddled.insert(id.clone());
        }
        match step.call {
            AgentCall::Deactivate | AgentCall::Drain { .. } => self.ours.insert(id.clone()),
            AgentCall::Reactivate => self.ours.remove(id),
        };
    }

    /// An agent that node_scale has deactivated has its tag for as long as it is deactivated, and one that an operator has
    /// deactivated is left alone.
    pub(super) fn after_event(&mut self, world: &World<'_>) -> Option<Broken> {
        let (group, theirs) = (world.group(), world.deactivated_by_operators());
        // Deactivated once more it stays ours.
        self.ours.extend(theirs.difference(&self.theirs).filter(|id| has_tag(group, id)).cloned());
        self.theirs.clone_from(theirs);
        if let Some(id) = std::mem::take(&mut self.meddled).intersection(theirs).next() {
            return Some((
                "5.6 tags",
                format!("an operator deactivated the agent on {id}, and node_scale called a master"),
            ));
        }
        self.ours.retain(|id| group.instances().iter().any(|of| of.id == *id && of.state != Lifecycle::Terminating));
        let mut untagged = self.ours.iter().filter(|id| !has_tag(group, id) && !theirs.contains(*id));
        let stray = untagged.find(|id| is_deactivated(world.cluster(), id))?;
        Some(("5.6 tags", format!("the agent on {stray} was deactivated, and its tag is gone")))
    }
}
