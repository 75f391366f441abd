//! The strategy `drain` (A1): agents are deactivated, later drained, and their instances terminated when no task runs there any
//! more. Each run makes the next step of each, by the snapshot and the tags of the group. An agent that an operator deactivated
//! has no tag and is skipped.

use std::time::Duration;

use shared::config::ScaleDownStrategy;
use shared::contract::{AgentRef, AgentState, CompletenessLevel};
use shared::count::saturated;

use super::targets::{Choice, TerminationTarget, choose};
use super::{BackOff, Change, MOST_TAGS, NoChange, PlanInput, PlanResult, SideEffects, signed};
use crate::group_tags::CLOSING_REFUSED;

/// A call to the masters about one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStep {
    /// The call.
    pub call: AgentCall,
    /// The agent.
    pub agent_id: String,
    /// Its hostname.
    pub hostname: String,
    /// The instance that it runs on, a member of the group.
    pub instance_id: String,
}

/// What a call to the masters does to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentCall {
    /// It receives no new tasks. The tag of its decommissioning is written before.
    Deactivate,
    /// It receives tasks again. The tag is deleted after.
    Reactivate,
    /// Its tasks are stopped, with that much time between SIGTERM and SIGKILL. This cannot be undone.
    Drain {
        /// The longest time that a task gets.
        grace: Duration,
    },
}

impl AgentCall {
    /// The verb of the call.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
            Self::Drain { .. } => "drain",
        }
    }
}

/// An agent that node_scale decommissions.
struct OwnAgent<'a> {
    agent: &'a AgentRef,
    target: TerminationTarget,
}

impl OwnAgent<'_> {
    fn step(&self, call: AgentCall) -> AgentStep {
        step(&self.target, call)
    }

    /// A protected task runs there, whoever started it since it was chosen.
    const fn must_stay(&self) -> bool {
        matches!(self.agent.state, AgentState::Deactivated) && self.agent.protected
    }

    /// One that is draining cannot be stopped.
    const fn may_return(&self) -> bool {
        matches!(self.agent.state, AgentState::Deactivated | AgentState::Drained)
    }

    /// Nothing runs there but daemons, and nothing will.
    const fn is_empty(&self) -> bool {
        match self.agent.state {
            AgentState::Drained => true,
            AgentState::Deactivated | AgentState::Draining => self.agent.task_count == 0 || self.agent.only_daemons,
            AgentState::Active => false,
        }
    }

    /// Its instance may be terminated. Where another agent names that, too, it may run something there.
    const fn may_end(&self) -> bool {
        self.is_empty() && !self.must_stay() && !self.agent.contested
    }
}

fn step(target: &TerminationTarget, call: AgentCall) -> AgentStep {
    AgentStep {
        call,
        agent_id: target.agent_id.clone(),
        hostname: target.hostname.clone(),
        instance_id: target.instance_id.clone(),
    }
}

fn hostnames(steps: &[AgentStep]) -> Vec<String> {
    steps.iter().map(|step| step.hostname.clone()).collect()
}

impl PlanInput<'_> {
    /// `drain_after` and `drain_grace`, where agents are deactivated and drained.
    pub(super) const fn drains(&self) -> Option<(Option<Duration>, Duration)> {
        match self.policy.scale_down.strategy {
            ScaleDownStrategy::Drain { after, grace } => Some((after, grace)),
            ScaleDownStrategy::LeastLoaded | ScaleDownStrategy::DesiredCapacity => None,
        }
    }

    /// D8: whether the masters refused a call lately, in a pool that learns. Then none is made: each would fail.
    pub(super) fn calls_are_refused(&self) -> bool {
        self.policy.learning.is_some() && self.tags.closing_refused.is_some_and(|until| self.now < until)
    }

    /// D8: what an operator should know of that.
    pub(super) fn closing_note(&self) -> Option<String> {
        let until = self.tags.closing_refused.filter(|_| self.calls_are_refused())?;
        Some(format!(
            "the masters refused to close or reactivate agents: none is until {} (tag {CLOSING_REFUSED}); allow the principal \
             DEACTIVATE_AGENT, REACTIVATE_AGENT, and DRAIN_AGENT, then delete the tag",
            shared::time::format(until)
        ))
    }

    /// Deactivates agents: from now on they receive no new tasks.
    pub(super) fn deactivate(&self, count: u32, effects: &mut SideEffects) -> Result<Change, PlanResult> {
        if self.calls_are_refused() {
            let removes_otherwise = self.policy.scale_down.fallback.is_some();
            return Err(BackOff::CallsRefused { removes_otherwise }.into());
        }
        let (targets, skipped) = self.named_targets(self.taggable(count)?, effects)?;
        effects.agents.extend(targets.iter().map(|target| step(target, AgentCall::Deactivate)));
        Ok(Change::Deactivate { targets, skipped })
    }

    /// How many of the first agents can bear a tag: a group has at most 50, and some are for the rest that is kept there. One
    /// that has its tag needs none.
    fn taggable(&self, count: u32) -> Result<u32, BackOff> {
        let tags = saturated(self.group().tags.len());
        let free = MOST_TAGS.saturating_sub(tags);
        let has_room = |count: &u32| count.saturating_sub(saturated(self.named_again(*count).len())) <= free;
        let own = saturated(self.tags.decommissioning.len());
        (1..=count).take_while(has_room).last().ok_or(BackOff::TagsFull { tags, own })
    }

    /// Reactivates agents that are decommissioning, before any instance is launched. Their hostnames.
    pub(super) fn reactivate(&self, needed: u32, effects: &mut SideEffects) -> Vec<String> {
        if self.drains().is_none() || needed == 0 || self.calls_are_refused() {
            return Vec::new();
        }
        let mut own = self.own_decommissioning(effects);
        // First those that must stay, then those whose tasks still run.
        own.retain(OwnAgent::may_return);
        own.sort_by_key(|own| std::cmp::Reverse((own.must_stay(), own.agent.task_count)));
        let must_stay = own.iter().filter(|own| own.must_stay()).count();
        let count = must_stay.max(needed as usize);
        effects.agents.extend(own.iter().take(count).map(|own| own.step(AgentCall::Reactivate)));
        hostnames(&effects.agents)
    }

    /// The next step of every agent that is decommissioning; `None` where there is none to make.
    pub(super) fn continue_draining(&self, unit: u32, effects: &mut SideEffects) -> Result<Option<Change>, PlanResult> {
        let Some((after, grace)) = self.drains() else { return Ok(None) };
        if self.tags.decommissioning.is_empty() {
            return Ok(None);
        }
        // A snapshot that lacks something may lack tasks.
        if self.decision.completeness != Some(CompletenessLevel::Complete) {
            return Err(BackOff::IncompleteSnapshot.into());
        }
        self.floor_is_known()?;
        let mut own = self.own_decommissioning(effects);
        // An older snapshot shows what was before: the agent may be reactivated by now.
        own.retain(|own| self.is_after_tag(&own.target.instance_id));
        if let Some(change) = self.return_kept(unit, &own, effects) {
            return Ok(Some(change));
        }
        let is_due = |own: &&OwnAgent<'_>| {
            let since = self.tags.decommissioning.get(&own.target.instance_id).copied().flatten();
            own.agent.state == AgentState::Deactivated
                && !own.is_empty()
                && !own.must_stay()
                && since.zip(after).is_some_and(|(since, after)| self.now.duration_since(since) >= signed(after))
        };
        // What has no other place stays where it runs.
        let (stay, drain): (Vec<_>, Vec<_>) = own.iter().filter(is_due).partition(|own| own.agent.no_place);
        let stay = own.iter().filter(|own| own.must_stay()).chain(stay).filter(|_| !self.calls_are_refused());
        let reactivated: Vec<AgentStep> = stay.map(|own| own.step(AgentCall::Reactivate)).collect();
        let drain = drain.into_iter().filter(|_| self.tasks_fit_elsewhere(unit) && !self.calls_are_refused());
        let drained: Vec<AgentStep> = drain.map(|own| own.step(AgentCall::Drain { grace })).collect();
        let (back, gone) = (hostnames(&reactivated), hostnames(&drained));
        effects.agents.extend(reactivated.into_iter().chain(drained));
        let empty: Vec<&OwnAgent<'_>> = own.iter().filter(|own| own.may_end()).collect();
        if !empty.is_empty() {
            self.group_is_settled(unit)?;
            let agents = self.decision.agents.usable.saturating_add(self.decision.decommissioning());
            let step = self.removal.at_once(agents, saturated(empty.len()));
            let count = self.removable(unit).min(step) as usize;
            let mut targets: Vec<TerminationTarget> =
                empty.into_iter().take(count).map(|own| own.target.clone()).collect();
            if targets.is_empty() {
                return Err(NoChange::DrainedKept { min: self.lowest(unit) }.into());
            }
            targets.truncate(self.terminable(saturated(targets.len()), unit)? as usize);
            let raised = self.raise(targets.len(), unit);
            return Ok(raised.or(Some(Change::Terminate { targets, skipped: Vec::new() })));
        }
        Ok(match (gone.is_empty(), back.is_empty()) {
            (false, _) => Some(Change::Drain { hostnames: gone }),
            (true, false) => Some(Change::Reactivate { hostnames: back }),
            (true, true) => None,
        })
    }

    /// Reactivates agents whose instances a minimum or the floor keeps, since the agents were chosen: there they are of use.
    fn return_kept(&self, unit: u32, own: &[OwnAgent<'_>], effects: &mut SideEffects) -> Option<Change> {
        let is_kept = self.removable_later(unit) == 0 && !self.calls_are_refused();
        let kept = own.iter().filter(|own| is_kept && own.may_return());
        let steps: Vec<AgentStep> = kept.map(|own| own.step(AgentCall::Reactivate)).collect();
        let hostnames = hostnames(&steps);
        effects.agents.extend(steps);
        (!hostnames.is_empty()).then_some(Change::Reactivate { hostnames })
    }

    /// D8: whether the tasks of closed agents and the whole headroom have room on the usable ones. A check of your own may not say
    /// how many agents it needs.
    fn tasks_fit_elsewhere(&self, unit: u32) -> bool {
        // What is above the maximum goes at any rate (L1).
        self.decision.needed.is_none_or(|needed| needed.min(self.most(unit)) <= self.decision.agents.usable)
    }

    /// How many instances of decommissioning agents may be terminated.
    pub(super) fn ended(&self) -> u32 {
        if self.drains().is_none() {
            return 0;
        }
        let own = self.own_decommissioning(&mut SideEffects::default());
        saturated(own.iter().filter(|own| own.may_end()).count())
    }

    /// The decommissioning agents with our tag whose instances are certain.
    fn own_decommissioning(&self, effects: &mut SideEffects) -> Vec<OwnAgent<'_>> {
        if self.tags.decommissioning.is_empty() {
            return Vec::new();
        }
        let agents = &self.decision.decommissioning_agents;
        let choice = choose(agents, self.state, u32::MAX);
        effects.unresolved.extend(choice.unresolved());
        let Choice { targets, .. } = choice;
        let is_own = |target: &TerminationTarget| self.tags.decommissioning.contains_key(&target.instance_id);
        let own = targets.into_iter().filter(is_own).filter_map(|target| {
            let agent = agents.iter().find(|agent| agent.agent_id == target.agent_id)?;
            Some(OwnAgent { agent, target })
        });
        own.collect()
    }
}
