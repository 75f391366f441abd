//! What has become of the agents with our tag: a tag ends with its instance, or with evidence that its agent is active. That an
//! agent is not listed proves nothing: it may be unreachable, and come back deactivated.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::contract::{AgentRef, AgentState, CompletenessLevel};
use shared::count::saturated;
use shared::group::Lifecycle;
use shared::text::named;

use super::targets::{Choice, SkipReason, Skipped, choose, instance_of};
use super::{NAMED, PlanInput, SideEffects, signed};

/// Instances with our tag whose decommissioning does not go on, and why.
#[derive(Debug, Default)]
pub(super) struct Stranded {
    /// No deactivated agent of theirs is listed; or agents are no longer drained.
    unlisted: Vec<String>,
    /// Their agents are listed, but they cannot be terminated.
    kept: Vec<Skipped>,
}

impl Stranded {
    pub(super) fn count(&self) -> u32 {
        saturated(self.unlisted.len().saturating_add(self.kept.len()))
    }

    fn contains(&self, id: &String) -> bool {
        self.unlisted.contains(id) || self.kept.iter().any(|skipped| skipped.reason.instance() == Some(id))
    }

    /// What an operator should do about them.
    pub(super) fn note(&self, drains: bool) -> Option<String> {
        let kept = self.kept.iter().map(ToString::to_string);
        let named = named(&self.unlisted.iter().cloned().chain(kept).collect::<Vec<_>>(), NAMED)?;
        Some(if !drains {
            format!(
                "deactivated, but scale_down_strategy is no longer \"drain\": {named}; reactivate their agents, or terminate \
                 these instances"
            )
        } else if self.unlisted.is_empty() {
            format!("decommissioning does not go on: {named}")
        } else {
            format!(
                "deactivated for decommissioning, and no such agent is listed: {named}; check one, and terminate those whose \
                 agents do not come back"
            )
        })
    }
}

impl PlanInput<'_> {
    /// How many agents with our tag count against the step, without those of these instances. One that is not listed may come
    /// back until `join_timeout` after its tag.
    pub(super) fn own_decommissioning_without(&self, instances: &BTreeSet<String>) -> u32 {
        if self.drains().is_none() {
            return 0;
        }
        let listed = self.listed_decommissioning();
        let counts = |(id, since): &(&String, &Option<Timestamp>)| {
            let is_young = since.is_some_and(|since| self.now.duration_since(since) < self.members.join_timeout);
            let counts = self.policy.scale_down.counts_against_step(**since, self.now);
            !instances.contains(*id) && self.is_member(id) && counts && (is_young || listed.contains(*id))
        };
        saturated(self.tags.decommissioning.iter().filter(counts).count())
    }

    /// How many agents that the decision counts as decommissioning no longer count against the step.
    pub(super) fn long_closed(&self) -> u32 {
        let is_long_closed = |agent: &&AgentRef| {
            agent.state == AgentState::Deactivated
                && agent.decommission_tag == Some(true)
                && !self.policy.scale_down.counts_against_step(agent.decommission_since, self.now)
        };
        saturated(self.decision.decommissioning_agents.iter().filter(is_long_closed).count())
    }

    /// How many instances in service have our tag, without these: they are no capacity, whether or not their agents are listed.
    pub(super) fn tagged_without(&self, instances: &BTreeSet<String>) -> u32 {
        if self.drains().is_none() {
            return 0;
        }
        let in_service = self.group().instances.iter().filter(|i| i.lifecycle_state == Lifecycle::InService);
        let counts = |id: &String| self.tags.decommissioning.contains_key(id) && !instances.contains(id);
        saturated(in_service.filter(|instance| counts(&instance.instance_id)).count())
    }

    /// Ends the tags of agents that are no longer decommissioning: their instances are gone, or a complete snapshot shows them
    /// active.
    pub(super) fn remove_obsolete_tags(&self, effects: &mut SideEffects) {
        let complete = self.decision.completeness == Some(CompletenessLevel::Complete);
        for (instance, since) in &self.tags.decommissioning {
            let is_active = complete && self.is_seen(*since) && self.is_active(instance) == Some(true);
            if !self.is_member(instance) || is_active {
                effects.obsolete.push(instance.clone());
            }
        }
    }

    /// Instances whose decommissioning does not go on, as far as the snapshot tells.
    pub(super) fn stranded(&self) -> Stranded {
        let mut stranded = Stranded::default();
        if self.tags.decommissioning.is_empty() {
            return stranded;
        }
        let Choice { targets, skipped } = choose(&self.decision.decommissioning_agents, self.state, u32::MAX);
        if skipped.iter().any(|skipped| matches!(skipped.reason, SkipReason::NotLookedUp(_))) {
            return stranded;
        }
        let goes_on = |id: &String| self.drains().is_some() && targets.iter().any(|target| target.instance_id == *id);
        for (id, since) in &self.tags.decommissioning {
            if !self.is_member(id) || !self.is_seen(*since) || self.is_active(id) != Some(false) || goes_on(id) {
                continue;
            }
            match skipped.iter().find(|skipped| skipped.reason.instance() == Some(id)) {
                Some(skipped) if self.drains().is_some() => stranded.kept.push(skipped.clone()),
                _ => stranded.unlisted.push(id.clone()),
            }
        }
        stranded
    }

    /// D3: the hostnames of agents whose drain does not end, whoever began it, without those that are stranded anyway.
    pub(super) fn hanging_drains(&self, stranded: &Stranded) -> Vec<&str> {
        let hangs = |agent: &&AgentRef| agent.state == AgentState::Draining && agent.drain_overdue;
        let is_stranded = |agent: &AgentRef| instance_of(agent, self.state).is_ok_and(|id| stranded.contains(&id));
        let hanging = self.decision.decommissioning_agents.iter().filter(hangs);
        hanging.filter(|agent| !is_stranded(agent)).map(|agent| agent.hostname.as_str()).collect()
    }

    /// The instances of decommissioning agents.
    fn listed_decommissioning(&self) -> BTreeSet<String> {
        self.decision.decommissioning_agents.iter().filter_map(|agent| instance_of(agent, self.state).ok()).collect()
    }

    /// Whether the instance is one of the group, and will stay.
    fn is_member(&self, id: &str) -> bool {
        let ends = |lifecycle| matches!(lifecycle, Lifecycle::Terminating | Lifecycle::NotCounted);
        self.group().instances.iter().any(|member| member.instance_id == id && !ends(member.lifecycle_state))
    }

    /// Whether the snapshot shows what came of a tag. It may be older than the tag, and that of the next minute too, until the
    /// master has made the call.
    fn is_seen(&self, since: Option<Timestamp>) -> bool {
        let period = signed(self.policy.timing.schedule_period);
        since.is_none_or(|since| self.decision.snapshot_taken_at.duration_since(since) > period)
    }

    /// Whether the snapshot was taken after the tag of an instance was written.
    pub(super) fn is_after_tag(&self, id: &str) -> bool {
        let since = self.tags.decommissioning.get(id).copied().flatten();
        since.is_none_or(|since| self.decision.snapshot_taken_at > since)
    }

    /// Whether the agent of an instance with our tag is active; `None` where the snapshot does not say.
    fn is_active(&self, id: &str) -> Option<bool> {
        let active = self.decision.group.as_ref()?.tagged_active.as_ref()?;
        Some(active.iter().any(|active| active == id))
    }
}
