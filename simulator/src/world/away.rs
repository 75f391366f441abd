//! Agents and frameworks that the master does not hear from, and instances that end by themselves.

use cluster::group::Lifecycle;
use cluster::{Agent, Connection, Presence};
use jiff::Timestamp;
use shared::random::SplitMix64;

use super::faults::Replacement;
use super::pool::Pool;
use crate::Millis;

impl Pool {
    /// The agents that the master speaks to; of one zone alone, where it is given by its place.
    pub(super) fn connected(&self, zone: Option<usize>) -> Vec<u32> {
        let zone = zone.and_then(|place| self.group().zones().get(place)).map(String::as_str);
        let is_in = |agent: &&Agent| zone.is_none() || agent.zone() == zone;
        let connected = self.cluster().agents().filter(|agent| agent.connection == Connection::Connected);
        connected.filter(is_in).map(|agent| agent.number).collect()
    }

    /// An instance in service.
    pub(super) fn any_in_service(&self, random: &mut SplitMix64) -> Option<String> {
        let in_service: Vec<&str> = self
            .group()
            .instances()
            .iter()
            .filter(|instance| instance.state == Lifecycle::InService)
            .map(|instance| instance.id.as_str())
            .collect();
        in_service.get(random.index(in_service.len())).map(|id| (*id).to_owned())
    }

    /// The instance of a launch whose agent has not registered.
    pub(super) fn booting(&self, launch: u64) -> Option<String> {
        self.booting.get(&launch).cloned()
    }

    /// The master and an agent lose each other.
    pub(super) fn disconnect(&mut self, number: u32, now: Millis) {
        self.levels = None;
        self.cluster.disconnect(number);
        self.absent.insert(number, now);
    }

    /// Another master takes over. The agents and the frameworks that it does not hear from any more.
    pub(super) fn fail_over(&mut self, now: Millis, time: Timestamp) -> (Vec<u32>, Vec<u32>) {
        self.levels = None;
        self.cluster.fail_over(time);
        let agents: Vec<u32> = self.cluster.agents().map(|agent| agent.number).collect();
        self.absent.extend(agents.iter().map(|number| (*number, now)));
        (agents, self.cluster.frameworks().map(|framework| framework.number).collect())
    }

    /// The master gives up an agent that has been away since then. The agent as it was, with the tasks that are lost.
    pub(super) fn lose(&mut self, number: u32, since: Millis) -> Option<Agent> {
        if self.absent.get(&number) != Some(&since) {
            return None;
        }
        self.levels = None;
        let lost = self.cluster.lose(number)?;
        // What still runs on it is ended when it returns.
        let mut agent = lost.clone();
        agent.end_all();
        self.away.insert(number, agent);
        Some(lost)
    }

    /// An agent that has been away since then returns.
    pub(super) fn bring_back(&mut self, number: u32, since: Millis, time: Timestamp) {
        if self.absent.get(&number) != Some(&since) {
            return;
        }
        self.levels = None;
        self.absent.remove(&number);
        match self.away.remove(&number) {
            Some(agent) => drop(self.cluster.register_again(agent, time)),
            None => self.cluster.reconnect(number, time),
        }
    }

    /// A framework has registered with its master.
    pub(super) fn bring_framework_back(&mut self, number: u32) {
        if let Some(framework) = self.cluster.frameworks_mut().find(|framework| framework.number == number) {
            framework.presence = Presence::Connected;
        }
    }

    /// An instance ends, and the group is to replace it.
    pub(super) fn replace(&mut self, id: &str, by: Replacement, time: Timestamp) {
        match by {
            Replacement::HealthCheck => self.group.fail_check(id, time),
            // One that is on its way out already cannot be ended twice.
            Replacement::Operator => drop(self.group.terminate_instance(id, false, time)),
        }
    }

    /// Whether the group makes its zones equal.
    pub(super) const fn rebalance(&mut self, rebalances: bool) {
        self.group.behavior.rebalances = rebalances;
    }

    /// It tries to, and fails.
    pub(super) fn fail_rebalance(&mut self, time: Timestamp) {
        self.group.fail_rebalance(time);
    }

    /// The agents that are away, and since when.
    pub(super) fn absent(&self) -> Vec<(u32, Millis)> {
        self.absent.iter().map(|(agent, since)| (*agent, *since)).collect()
    }

    /// The launches whose agents never register, and who replaces their instances.
    pub(super) fn unfit(&self) -> Vec<(u64, Replacement)> {
        self.unfit.iter().map(|(launch, by)| (*launch, *by)).collect()
    }

    /// The instance that an agent really runs on.
    pub(super) fn instance_of(&self, number: u32) -> Option<String> {
        self.agents.iter().find(|(_, agent)| **agent == number).map(|(id, _)| id.clone())
    }

    /// The agent that runs on an instance, as far as its master knows it.
    pub(super) fn agent_on(&self, instance: &str) -> Option<&Agent> {
        self.agents.get(instance).and_then(|number| self.cluster.agent(*number))
    }

    /// An agent says that it runs on that instance.
    pub(super) fn rename(&mut self, number: u32, instance: &str) {
        let agent = self.cluster.agent_mut(number).or_else(|| self.away.get_mut(&number));
        if let Some(agent) = agent {
            let zone = agent.zone().unwrap_or_default().to_owned();
            agent.set_instance(instance, &zone);
        }
    }
}
