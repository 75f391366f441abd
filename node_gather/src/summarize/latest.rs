//! The agents of a pool that registered last: evidence of what a new agent has.

use std::cmp::Reverse;

use jiff::SignedDuration;
use shared::contract::LatestAgent;

use crate::mesos::state::{Agent, AgentResources, runs_nothing};

/// Older agents say less: the instance type may have changed since.
const MOST: usize = 3;

/// How many are kept until it is known where they run, which only shows when all agents are read. Among 16, up to 13 that run
/// elsewhere hide none of the three: more than operators add or set aside at a time.
const KEPT: usize = 16;

/// What registered longer before the latest says nothing of what registers now.
const WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// The latest agents, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest(Vec<Kept>);

#[derive(Clone, Debug)]
struct Kept {
    /// Its number, in the order in which ids occurred.
    number: u32,
    agent: LatestAgent,
}

impl Latest {
    /// Adds an agent with that number. Any connected agent of the group shows what an instance has, whether or not it takes tasks now.
    pub(super) fn add(&mut self, agent: &Agent, resources: &AgentResources, number: u32) {
        let Some(registered_at) = agent.registered_at else { return };
        // Of the thousands that may register with a new master, most come after these.
        if self.0.get(KEPT - 1).is_some_and(|last| registered_at < last.agent.registered_at) {
            return;
        }
        let AgentResources { total, unreserved, .. } = *resources;
        if runs_nothing(&total) {
            return;
        }
        // Of those that registered at the same time, the largest first: the order of the document does not matter.
        let key = (Reverse((registered_at, unreserved, total)), agent.id.as_str());
        let comes_before = |Kept { agent: own, .. }: &Kept| {
            (Reverse((own.registered_at, own.unreserved, own.total)), own.agent_id.as_str()) <= key
        };
        let place = self.0.partition_point(comes_before);
        if place >= KEPT {
            return;
        }
        // The memory of the id that goes: where agents are listed in the order in which they registered, each of thousands comes here.
        let last = if self.0.len() < KEPT { None } else { self.0.pop() };
        let mut agent_id = last.map(|last| last.agent.agent_id).unwrap_or_default();
        agent_id.clone_from(&agent.id);
        self.0.insert(place, Kept { number, agent: LatestAgent { registered_at, total, unreserved, agent_id } });
    }

    /// The first of those that count by their numbers, within an hour of the latest of them.
    pub(super) fn choose(&self, counts: impl Fn(u32) -> bool) -> Vec<LatestAgent> {
        let counting = || self.0.iter().filter(|kept| counts(kept.number)).map(|kept| &kept.agent);
        let Some(latest) = counting().next().map(|agent| agent.registered_at) else { return Vec::new() };
        let is_within = |agent: &&LatestAgent| latest.duration_since(agent.registered_at) <= WITHIN;
        counting().take_while(is_within).take(MOST).cloned().collect()
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

    /// Those that are shown, where agents of one cpu run elsewhere if `all` is false.
    fn shown(agents: &[(i64, u64)], all: bool) -> Vec<(i64, u64)> {
        let mut latest = Latest::default();
        for (number, (minute, size)) in (0..).zip(agents) {
            let registered_at = Timestamp::from_second(60 * minute).ok();
            let agent = Agent { id: format!("S{number}"), registered_at, ..Agent::default() };
            latest.add(&agent, &cpus(*size), number);
        }
        let counts = |number: u32| all || agents[usize::try_from(number).unwrap()].1 != 1;
        let seen = |agent: &LatestAgent| (agent.registered_at.as_second() / 60, agent.total.cpus.thousandths() / 1000);
        latest.choose(counts).iter().map(seen).collect()
    }

    fn latest(agents: &[(i64, u64)]) -> Vec<(i64, u64)> {
        shown(agents, true)
    }

    #[test]
    fn the_three_that_registered_last_within_an_hour_are_kept() {
        assert_eq!(latest(&[]), []);
        assert_eq!(latest(&[(5, 4), (65, 8), (4, 2)]), [(65, 8), (5, 4)], "an hour before, and longer");
        assert_eq!(latest(&[(1, 4), (2, 4), (3, 8), (4, 4), (0, 4)]), [(4, 4), (3, 8), (2, 4)]);
        assert_eq!(latest(&[(1, 4), (1, 2), (1, 16), (1, 8), (0, 32)]), [(1, 16), (1, 8), (1, 4)], "the largest");
        assert_eq!(latest(&[(9, 0), (8, 4)]), [(8, 4)], "without resources it shows nothing");
        let mut untimed = Latest::default();
        untimed.add(&Agent::default(), &cpus(4), 0);
        assert_eq!(untimed.choose(|_| true), []);
    }

    #[test]
    fn the_hour_ends_with_the_latest_that_counts() {
        let of_group = |agents: &[(i64, u64)]| shown(agents, false);
        assert_eq!(of_group(&[(90, 1), (25, 4), (20, 4)]), [(25, 4), (20, 4)]);
        assert_eq!(of_group(&[(90, 1), (91, 1)]), []);
        assert_eq!(of_group(&[(5, 4), (4, 1), (3, 4), (2, 1), (1, 4), (0, 4)]), [(5, 4), (3, 4), (1, 4)]);
    }

    #[test]
    fn no_more_are_kept_than_may_be_considered() {
        let mut latest = Latest::default();
        for number in 0..1000 {
            let registered_at = Timestamp::from_second(number.into()).ok();
            latest.add(&Agent { id: format!("S{number}"), registered_at, ..Agent::default() }, &cpus(4), number);
        }
        let numbers: Vec<u32> = latest.0.iter().map(|kept| kept.number).collect();
        assert_eq!(numbers, (984..1000).rev().collect::<Vec<u32>>());
        assert!(latest.0.iter().all(|kept| kept.agent.agent_id == format!("S{}", kept.number)));
    }

    proptest! {
        #[test]
        fn the_order_of_the_document_changes_nothing(
            agents in prop::collection::vec((0_i64..90, 1_u64..4), 0..24), by in 0_usize..24
        ) {
            let mut turned = agents.clone();
            turned.rotate_left(by % agents.len().max(1));
            prop_assert_eq!(latest(&agents), latest(&turned));
            prop_assert_eq!(shown(&agents, false), shown(&turned, false));
        }
    }
}
