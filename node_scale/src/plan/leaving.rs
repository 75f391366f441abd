//! The strategy `drain` (A1): agents are deactivated, later drained, and their instances terminated when no task runs there any
//! more. Each tick does the next step of each, by what the snapshot shows and the marks on the group say. An agent that somebody
//! else deactivated has no mark and is left alone.

use std::time::Duration;

use shared::clause::Clause;
use shared::config::ScaleDownStrategy;
use shared::contract::{AgentRef, AgentState, CompletenessLevel};

use super::victims::{Choice, Victim, choose};
use super::{Action, Besides, Held, Reason, Sight, Verdict, act, back_off, nothing, signed};
use crate::marks::MarkChange;
use crate::state::Lifecycle;

/// Something said to the masters about one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStep {
    /// What is said.
    pub call: AgentCall,
    /// The agent.
    pub agent_id: String,
    /// Its hostname.
    pub hostname: String,
    /// The instance that it runs on, a member of the group.
    pub instance_id: String,
}

/// What is said about an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentCall {
    /// It gets no new tasks. The mark that it leaves is written before.
    Deactivate,
    /// It gets tasks again. The mark goes after.
    Reactivate,
    /// Its tasks are ended, with that much time between SIGTERM and SIGKILL. This cannot be undone.
    Drain {
        /// The most that a task gets.
        grace: Duration,
    },
}

impl AgentCall {
    /// What is done, in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
            Self::Drain { .. } => "drain",
        }
    }
}

/// An agent that leaves because we told it to.
struct Own<'a> {
    agent: &'a AgentRef,
    victim: Victim,
}

impl Own<'_> {
    fn step(&self, call: AgentCall) -> AgentStep {
        step(&self.victim, call)
    }

    /// Nothing runs there, and nothing will.
    const fn is_empty(&self) -> bool {
        matches!(self.agent.state, AgentState::Drained)
            || (self.agent.task_count == 0 && !matches!(self.agent.state, AgentState::Active))
    }
}

fn step(victim: &Victim, call: AgentCall) -> AgentStep {
    AgentStep {
        call,
        agent_id: victim.agent_id.clone(),
        hostname: victim.hostname.clone(),
        instance_id: victim.instance_id.clone(),
    }
}

impl Sight<'_> {
    pub(super) const fn is_draining(&self) -> bool {
        self.policy.scale_down.strategy.decommissions()
    }

    /// How many agents leave because we told them to.
    pub(super) fn own_leaving_count(&self) -> u32 {
        if self.is_draining() { u32::try_from(self.marks.leaving.len()).unwrap_or(u32::MAX) } else { 0 }
    }

    /// Tells agents to leave: from now on they get no new tasks.
    pub(super) fn tell_to_leave(&self, count: u32, besides: &mut Besides) -> Verdict {
        let (victims, passed_over) = self.named(count)?;
        let named: Vec<String> = victims.iter().map(ToString::to_string).collect();
        besides.agents.extend(victims.iter().map(|victim| step(victim, AgentCall::Deactivate)));
        act(Action::Nothing, format!("{count} fewer wanted: tells {} to leave{passed_over}", named.join(", ")))
    }

    /// Takes agents back that were told to leave, before any machine is bought. How many.
    pub(super) fn take_back(&self, wanted: u32, besides: &mut Besides) -> Result<u32, Held> {
        if !self.is_draining() || wanted == 0 {
            return Ok(0);
        }
        let mut own = self.own_leaving()?;
        // One that is draining cannot be stopped; of the others first those whose tasks still run.
        own.retain(|own| matches!(own.agent.state, AgentState::Deactivated | AgentState::Drained));
        own.sort_by_key(|own| std::cmp::Reverse(own.agent.task_count));
        let taken = own.iter().take(wanted as usize).map(|own| own.step(AgentCall::Reactivate));
        besides.agents.extend(taken);
        Ok(u32::try_from(besides.agents.len()).unwrap_or(u32::MAX))
    }

    /// The next step of every agent that was told to leave; `otherwise` is said where there is none.
    pub(super) fn go_on_leaving(&self, unit: u32, besides: &mut Besides, otherwise: Reason) -> Verdict {
        let ScaleDownStrategy::Drain { after, grace } = self.policy.scale_down.strategy else {
            return Err((Action::Nothing, otherwise));
        };
        if self.marks.leaving.is_empty() {
            return Err((Action::Nothing, otherwise));
        }
        // A view that lacks something may lack tasks.
        if self.decision.completeness != Some(CompletenessLevel::Complete) {
            return back_off(Clause::A1, "the snapshot is not complete, the agents that leave wait for one that is");
        }
        let own = self.own_leaving()?;
        let is_due = |own: &&Own<'_>| {
            let since = self.marks.leaving.get(&own.victim.instance_id);
            own.agent.state == AgentState::Deactivated
                && !own.is_empty()
                && since.is_some_and(|since| self.now.duration_since(*since) >= signed(after))
        };
        besides.agents.extend(own.iter().filter(is_due).map(|own| own.step(AgentCall::Drain { grace })));
        let empty: Vec<&Own<'_>> = own.iter().filter(|own| own.is_empty()).collect();
        if !empty.is_empty() {
            self.group_is_settled()?;
            let count = self.room(unit).min(self.policy.limits.max_scale_down_step) as usize;
            let victims: Vec<Victim> = empty.into_iter().take(count).map(|own| own.victim.clone()).collect();
            if victims.is_empty() {
                return nothing(None, "the pool's and the group's min keep the agents that have left their tasks");
            }
            let named: Vec<String> = victims.iter().map(ToString::to_string).collect();
            return act(Action::Terminate(victims), format!("no task runs there any more: {}", named.join(", ")));
        }
        match besides.agents.as_slice() {
            [] => Err((Action::Nothing, otherwise)),
            steps => {
                let named: Vec<&str> = steps.iter().map(|step| step.hostname.as_str()).collect();
                nothing(None, format!("drains {}", named.join(", ")))
            }
        }
    }

    /// Marks of agents that no longer leave: their instances are gone, or somebody took them back.
    pub(super) fn tidy(&self, besides: &mut Besides) {
        let complete = self.decision.completeness == Some(CompletenessLevel::Complete);
        for (instance, since) in &self.marks.leaving {
            let is_member =
                self.group().instances.iter().any(|member| {
                    member.instance_id == *instance && !matches!(member.lifecycle_state, Lifecycle::Leaving)
                });
            // The snapshot may be older than the mark, and that of the next minute too, until the master has done it.
            let is_seen =
                self.decision.snapshot_taken_at.duration_since(*since) > signed(self.policy.timing.schedule_period);
            let leaves = || self.leaving_agents_of(instance);
            if !is_member || (complete && is_seen && !leaves()) {
                besides.tidied.push(MarkChange::stays(instance));
            }
        }
    }

    /// Whether some agent on its way out may be that of the instance.
    fn leaving_agents_of(&self, instance: &str) -> bool {
        let agents = &self.decision.decommissioning_agents;
        agents.iter().any(|agent| match choose(std::slice::from_ref(agent), self.state, 1) {
            Choice::Found { victims, .. } => victims.iter().any(|victim| victim.instance_id == instance),
            Choice::LookUp(_) => true,
        })
    }

    /// The agents on their way out that bear our mark and whose instances are certain.
    fn own_leaving(&self) -> Result<Vec<Own<'_>>, Held> {
        if self.marks.leaving.is_empty() {
            return Ok(Vec::new());
        }
        let agents = &self.decision.decommissioning_agents;
        match choose(agents, self.state, u32::MAX) {
            Choice::LookUp(addresses) => {
                let reason = format!("looks up whose the addresses {} are", addresses.join(", "));
                Err((Action::LookUp(addresses), Reason::of(None, reason)))
            }
            Choice::Found { victims, .. } => {
                let is_ours = |victim: &Victim| self.marks.leaving.contains_key(&victim.instance_id);
                let own = victims.into_iter().filter(is_ours).filter_map(|victim| {
                    let agent = agents.iter().find(|agent| agent.agent_id == victim.agent_id)?;
                    Some(Own { agent, victim })
                });
                Ok(own.collect())
            }
        }
    }
}
