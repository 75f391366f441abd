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

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};

    const AGENT: Resources = resources(4, 14_000);
    const DAEMON: Resources = resources(1, 500);

    fn daemons(snapshot: &ClusterSnapshot) -> Daemons {
        let policy = policy("applications.\"/daemon\".daemon = true").unwrap();
        Daemons::of(snapshot, &Hosts::of(snapshot, &policy, |_, _| true))
    }

    #[test]
    fn without_daemons_nothing_is_taken_h12() {
        let snapshot = Cluster::of(3, AGENT).running("/web", 5, DAEMON).snapshot();
        assert_eq!(daemons(&snapshot), Daemons::default());
    }

    #[test]
    fn tasks_of_daemons_count_where_they_run_h12() {
        // On each of nine agents. One leaves, two are away.
        let cluster = Cluster::of(9, AGENT).running("/daemon", 9, DAEMON).running("/web", 9, DAEMON);
        let mut cluster = cluster.with_state(8, AgentState::Draining);
        cluster.disconnect(6);
        cluster.disconnect(7);
        let snapshot = cluster.snapshot();
        let taken = daemons(&snapshot);
        assert_eq!((taken.used, taken.starting), (DAEMON.times(6), Resources::ZERO));
        assert_eq!((taken.leaving, taken.away), (DAEMON, DAEMON.times(2)));
        // What is displaced beside them: a task of each of the three.
        assert_eq!(taken.without_displaced(&snapshot.resources.displaced), DAEMON.times(3));
    }

    #[test]
    fn an_empty_agent_counts_as_if_its_daemons_ran_h12() {
        let starting = |cluster: Cluster| daemons(&cluster.snapshot()).starting;
        let running = || Cluster::of(3, AGENT).running("/daemon", 3, DAEMON);
        assert_eq!(starting(running()), Resources::ZERO);
        assert_eq!(starting(running().and(2, AGENT)), DAEMON.times(2));
        // What runs nowhere may never start, and not on agents that are too small.
        assert_eq!(starting(Cluster::of(3, AGENT).queued("/daemon", 9, DAEMON)), Resources::ZERO);
        assert_eq!(starting(running().and(2, resources(1, 499))), Resources::ZERO);
    }
}
