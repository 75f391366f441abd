//! The agents of a pool that registered last: evidence of what a new agent has.

use std::cmp::Reverse;

use jiff::SignedDuration;
use shared::contract::LatestAgent;

use crate::mesos::state::{Agent, AgentResources};

/// Older agents say less: the instance type may have changed since.
const MOST: usize = 3;

/// What registered longer before the latest says nothing of what registers now.
const WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// The latest agents, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest(Vec<LatestAgent>);

impl Latest {
    /// Any connected agent shows what an instance of the group has, whether or not it takes tasks now.
    pub(super) fn add(&mut self, agent: &Agent, resources: &AgentResources) {
        let Some(registered_at) = agent.registered_at else { return };
        // Of the thousands that may register with a new master, most come after these.
        if self.0.get(MOST - 1).is_some_and(|last| registered_at < last.registered_at) {
            return;
        }
        let AgentResources { total, unreserved, .. } = *resources;
        if total.cpus.is_zero() && total.mem.is_zero() {
            return;
        }
        // Of those that registered at the same time, the largest first: the order of the document does not matter.
        let key = (Reverse((registered_at, unreserved, total)), agent.id.as_str());
        let comes_before =
            |own: &LatestAgent| (Reverse((own.registered_at, own.unreserved, own.total)), own.agent_id.as_str()) <= key;
        let place = self.0.partition_point(comes_before);
        if place < MOST {
            self.0.insert(place, LatestAgent { registered_at, total, unreserved, agent_id: agent.id.clone() });
            self.0.truncate(MOST);
        }
    }

    /// Those that registered within an hour of the latest.
    pub(super) fn take(&mut self) -> Vec<LatestAgent> {
        let mut agents = std::mem::take(&mut self.0);
        if let Some(latest) = agents.first().map(|agent| agent.registered_at) {
            agents.retain(|agent| latest.duration_since(agent.registered_at) <= WITHIN);
        }
        agents
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use shared::resources::{Amount, Resources};

    fn cpus(cpus: u64) -> AgentResources {
        let total = Resources { cpus: Amount::from_thousandths(1000 * cpus), ..Resources::ZERO };
        AgentResources { total, unreserved: total, used: None }
    }

    fn latest(agents: &[(i64, u64)]) -> Vec<(i64, u64)> {
        let mut latest = Latest::default();
        for (number, (minute, size)) in agents.iter().enumerate() {
            let registered_at = Timestamp::from_second(60 * minute).ok();
            latest.add(&Agent { id: format!("S{number}"), registered_at, ..Agent::default() }, &cpus(*size));
        }
        let seen = |agent: &LatestAgent| (agent.registered_at.as_second() / 60, agent.total.cpus.thousandths() / 1000);
        latest.take().iter().map(seen).collect()
    }

    #[test]
    fn the_three_that_registered_last_within_an_hour_are_kept() {
        assert_eq!(latest(&[]), []);
        assert_eq!(latest(&[(5, 4), (65, 8), (4, 2)]), [(65, 8), (5, 4)], "an hour before, and longer");
        assert_eq!(latest(&[(1, 4), (2, 4), (3, 8), (4, 4), (0, 4)]), [(4, 4), (3, 8), (2, 4)]);
        assert_eq!(latest(&[(1, 4), (1, 2), (1, 16), (1, 8), (0, 32)]), [(1, 16), (1, 8), (1, 4)], "the largest");
        assert_eq!(latest(&[(9, 0), (8, 4)]), [(8, 4)], "without resources it shows nothing");
        let mut untimed = Latest::default();
        untimed.add(&Agent::default(), &cpus(4));
        assert_eq!(untimed.take(), []);
    }

    proptest! {
        #[test]
        fn the_order_of_the_document_changes_nothing(
            agents in prop::collection::vec((0_i64..90, 1_u64..4), 0..12), by in 0_usize..12
        ) {
            let mut turned = agents.clone();
            turned.rotate_left(by % agents.len().max(1));
            prop_assert_eq!(latest(&agents), latest(&turned));
        }
    }
}
