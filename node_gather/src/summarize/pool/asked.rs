//! One agent that an operator asks for: why it is no candidate.

use shared::contract::{AgentState, Candidate};
use shared::count::saturated;

use super::member::InstanceId;
use super::{Member, Pool};

/// An agent that was asked for, and is no candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Its pool.
    pub pool: String,
    /// The agent as it would be as a candidate.
    pub agent: Candidate,
    /// How many agents go before it.
    pub before: u32,
    /// Why it is no candidate, where that is not its load.
    pub stays: Option<Stays>,
}

/// Why an agent is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// It takes no tasks, and is not on its way out.
    NotUsable,
    /// It runs a task of a framework or application that is protected, or of a framework that is disconnected.
    Protected,
    /// Its instance is not certain, or may not be terminated.
    Instance,
    /// An instance runs there, or waits for its place, and by its constraints no other agent has a place for it.
    SoleHost,
}

impl Pool {
    /// The agent of that id, hostname, or instance among those that are kept one by one and are no candidates. Call it after
    /// [`Pool::take_candidates`].
    pub(in super::super) fn take_asked(&mut self, name: &str, candidates: &[Candidate]) -> Option<Asked> {
        let is_asked = |member: &Member| {
            let names = &member.names;
            let instance = match &member.instance.id {
                InstanceId::Unknown => None,
                InstanceId::Named => names.instance(),
                InstanceId::Other(id) => Some(id.as_str()),
            };
            names.id() == name || names.hostname() == name || instance == Some(name)
        };
        let place = self.members.iter().position(is_asked)?;
        let tasks = self.tasks_of(place);
        let member = self.members.get(place)?;
        if candidates.iter().any(|candidate| candidate.agent_id == member.names.id()) {
            return None;
        }
        let stays = match member {
            member if !member.is_usable() => Some(Stays::NotUsable),
            member if member.protected => Some(Stays::Protected),
            member if !member.instance.may_go => Some(Stays::Instance),
            member if member.sole_host => Some(Stays::SoleHost),
            _ => None,
        };
        let active = candidates.iter().filter(|candidate| candidate.state == AgentState::Active).count();
        // All candidates have less load than any other agent.
        let less = |other: &&Member| other.may_go() && !other.sole_host && other.load() < member.load();
        // What is taken as a candidate may not go again.
        let before = saturated(active + self.members.iter().filter(less).count());
        let agent = self.members.get_mut(place)?.take_candidate(AgentState::Active, tasks);
        Some(Asked { pool: self.policy.pool.clone(), before, stays, agent })
    }
}
