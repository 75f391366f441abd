//! H12: how much daemons take. It is no load, and no part of an agent that load could take.

use shared::contract::{AgentState, ClusterSnapshot};
use shared::resources::Resources;

use super::Hosts;

/// What the daemons of a pool take, by where they run. Nothing where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Daemons {
    /// On usable agents.
    pub(crate) used: Resources,
    /// What they will take of empty agents, within moments.
    pub(crate) starting: Resources,
    /// On agents on their way out.
    leaving: Resources,
    /// On disconnected agents, which may come back with them.
    away: Resources,
}

impl Daemons {
    pub(in super::super) fn of(snapshot: &ClusterSnapshot, hosts: &Hosts<'_>) -> Self {
        let leaving = snapshot.scale_down_candidates.iter().filter(|agent| agent.state != AgentState::Active);
        let leaving: Resources = leaving.map(|agent| hosts.daemons_on(&agent.tasks).1).sum();
        let all: Resources = hosts.daemons.iter().map(|daemon| daemon.resources).sum();
        let stay = all.saturating_sub(&leaving);
        let used = smaller(&smaller(&hosts.daemons_of(snapshot.agents.usable), &stay), &snapshot.resources.used);
        let away = smaller(&stay.saturating_sub(&used), &snapshot.resources.disconnected);
        Self { used, starting: hosts.starting(snapshot), leaving, away }
    }

    /// What they take of the usable agents, or are about to.
    pub(in super::super) fn on_usable(&self) -> Resources {
        self.used + self.starting
    }

    /// What is displaced without them. They go with their agents, and a disconnected one brings them back.
    pub(in super::super) fn without_leaving(&self, displaced: &Resources) -> Resources {
        displaced.saturating_sub(&self.leaving)
    }

    /// The same where the tasks of disconnected agents count, too.
    pub(crate) fn without_displaced(&self, displaced: &Resources) -> Resources {
        self.without_leaving(displaced).saturating_sub(&self.away)
    }
}

/// Of each kind the smaller amount.
fn smaller(one: &Resources, other: &Resources) -> Resources {
    Resources::from_fn(|kind| one.get(kind).min(other.get(kind)))
}
