//! `--remove`: why an agent would be removed now, in its turn, or not at all. The answer is the rules' own: they decide again as if the
//! agent were the first candidate.

use std::io;

use jiff::Timestamp;
use node_gather::summarize::{Asked, Stays};
use serde::Serialize;
use shared::contract::{AgentState, Candidate, ClusterSnapshot, ScalingDecision};
use shared::text::counted;

use super::{Explanation, Planned, show_plan};
use crate::decide::decide;
use crate::page::{Page, Tone};

/// When an agent goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum When {
    /// By the decision.
    Now,
    /// By a later one, when those before it are gone.
    Later,
    /// Not as things are.
    Never,
    /// It is on its way out.
    Leaving,
}

/// The fate of an agent.
#[derive(Debug, Serialize)]
pub(super) struct Removal {
    agent_id: String,
    hostname: String,
    instance_id: Option<String>,
    task_count: u32,
    /// When it goes.
    when: When,
    /// Why.
    reason: String,
    /// What the group would make of it, where one was given.
    #[serde(skip)]
    plan: Option<Planned>,
}

impl Removal {
    fn new(agent: &Candidate, when: When, reason: String) -> Self {
        Self {
            agent_id: agent.agent_id.clone(),
            hostname: agent.hostname.clone(),
            instance_id: agent.instance_id.clone(),
            task_count: agent.task_count,
            when,
            reason,
            plan: None,
        }
    }

    /// What becomes of the agent of that id, hostname, or instance; `None` where the pool does not have it.
    pub(super) fn of(
        name: &str,
        explanation: &Explanation<'_>,
        asked: Option<&Asked>,
        now: Timestamp,
        plan: impl Fn(&ScalingDecision) -> Option<Planned>,
    ) -> Option<Self> {
        let Explanation { policy, snapshot, decision, .. } = explanation;
        let asked = asked.filter(|asked| asked.pool == snapshot.pool);
        let candidates = &snapshot.scale_down_candidates;
        let place = candidates.iter().position(|agent| is_named(agent, name));
        let agent = place.and_then(|place| candidates.get(place)).or(asked.map(|asked| &asked.agent))?;
        let before = place.unwrap_or_else(|| usize::try_from(asked.map_or(0, |asked| asked.before)).unwrap_or(0));
        let never = |reason: &str| Some(Self::new(agent, When::Never, reason.to_owned()));
        match asked.and_then(|asked| asked.stays) {
            Some(Stays::NotUsable) => return never("it is not usable: disconnected, inactive, or set aside"),
            Some(Stays::Protected) => {
                return never(
                    "it runs a task of a protected framework or application, or of a framework that is disconnected",
                );
            }
            Some(Stays::SoleHost) => {
                return never(
                    "an instance runs there, or waits for its place, and by its constraints no other agent has a place for it",
                );
            }
            Some(Stays::Instance) => {
                return never(
                    "its instance is not certain, not in service, not of the group, or has scale-in protection",
                );
            }
            None => {}
        }
        if agent.state != AgentState::Active {
            return Some(Self::new(agent, When::Leaving, format!("it is {}", agent.state.name())));
        }
        let Ok(decision) = decision else { return never("there is no decision") };
        if names(decision, agent) {
            let removal = Self::new(agent, When::Now, "the decision removes it".to_owned());
            return Some(Self { plan: plan(decision), ..removal });
        }
        let first = decide(&with_first(snapshot, agent), policy, now).ok()?;
        if names(&first, agent) {
            let count = counted(u32::try_from(before).unwrap_or(u32::MAX), "agent");
            let reason = format!("{count} with less load go first; if it were the first, the decision would remove it");
            return Some(Self { plan: plan(&first), ..Self::new(agent, When::Later, reason) });
        }
        Some(Self::new(agent, When::Never, kept_by(&first)))
    }

    /// Prints it.
    pub(super) fn show(&self, page: Page) -> io::Result<()> {
        let Self { hostname, instance_id, task_count, when, reason, plan, .. } = self;
        let instance = instance_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        page.field("agent", &format!("{hostname}{instance}, {}", counted(*task_count, "task")))?;
        let (tone, word) = match when {
            When::Now => (Tone::Bad, "yes, now"),
            When::Later => (Tone::Held, "not now"),
            When::Never => (Tone::Good, "no"),
            When::Leaving => (Tone::Held, "already on its way out"),
        };
        page.toned("removed", tone, &format!("{word}: {reason}"))?;
        plan.as_ref().map_or(Ok(()), |plan| show_plan(page, plan))
    }
}

/// Whether that is a name of the agent.
fn is_named(agent: &Candidate, name: &str) -> bool {
    agent.agent_id == name || agent.hostname == name || agent.instance_id.as_deref() == Some(name)
}

fn names(decision: &ScalingDecision, agent: &Candidate) -> bool {
    decision.scale_down_agents.iter().any(|removed| removed.agent_id == agent.agent_id)
}

/// The snapshot with that agent as its first candidate.
fn with_first(snapshot: &ClusterSnapshot, agent: &Candidate) -> ClusterSnapshot {
    let mut snapshot = snapshot.clone();
    snapshot.scale_down_candidates.retain(|candidate| candidate.agent_id != agent.agent_id);
    snapshot.scale_down_candidates.insert(0, agent.clone());
    snapshot
}

/// The step that kept the agents: the last that kept or added some, else the first, which removed none.
fn kept_by(decision: &ScalingDecision) -> String {
    let kept = decision.steps.iter().rev().find(|step| step.agents_after > step.agents_before);
    let step = kept.or(decision.steps.first());
    step.map_or_else(|| "no rule removes an agent".to_owned(), |step| format!("{}: {}", step.clause, step.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, NOON, policy, resources};
    use shared::config::Policy;

    fn fate(cluster: &Cluster, settings: &str, name: &str) -> (When, String) {
        let (snapshot, policy): (ClusterSnapshot, Policy) = (cluster.snapshot(), policy(settings).unwrap());
        let decision = decide(&snapshot, &policy, NOON);
        let explanation =
            Explanation { policy: &policy, snapshot, decision, what_if: Vec::new(), learned: None, plan: None };
        let removal = Removal::of(name, &explanation, None, NOON, |_| None).unwrap();
        (removal.when, removal.reason)
    }

    #[test]
    fn an_agent_goes_now_or_in_its_turn_or_a_rule_keeps_it() {
        let idle = Cluster::of(10, resources(4, 14_000)).running("/a", 10, resources(1, 3_500));
        assert_eq!(fate(&idle, "", "agent-0").0, When::Now);
        let (when, reason) = fate(&idle, "", "agent-3");
        assert_eq!(
            (when, &*reason),
            (When::Later, "3 agents with less load go first; if it were the first, the decision would remove it")
        );
        let (when, reason) = fate(&idle, "min = 10", "agent-3");
        assert_eq!(when, When::Never);
        assert!(reason.starts_with("D3: ") && reason.contains("min = 10"), "{reason}");
        let draining = idle.with_state(4, AgentState::Draining);
        assert_eq!(fate(&draining, "", "agent-4"), (When::Leaving, "it is draining".to_owned()));
    }
}
