//! What goes wrong, and how it ends.
//!
//! Each class of faults has random numbers of its own: those that follow from time by the number of the strike, those of
//! launches by the number of the launch. So one class changes nothing about when another one strikes.

use shared::random::SplitMix64;

use super::events::Event;
use super::{Concern, World};
use crate::fault::{Fault, Faults, Unit};
use crate::{DAY, MINUTE, Millis, SECOND};

/// How long a new instance is held by a hook that abandons it.
pub(super) const HOOK: Millis = 10 * MINUTE;
/// After which time a health check ends a new instance.
const UNHEALTHY_AFTER: Millis = 4 * MINUTE;
/// After which time an operator replaces an instance that is no agent.
const REPLACED_AFTER: Millis = 120 * MINUTE;
/// How much longer a slow launch takes.
pub(super) const SLOW: Millis = 5;

/// What a launch comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Joins,
    JoinsLate,
    Fails,
    Abandoned,
    /// No agent registers; it is replaced after that time.
    Replaced {
        after: Millis,
        by: Replacement,
    },
}

/// Who replaces an instance that is no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Replacement {
    HealthCheck,
    Operator,
}

/// How a fault ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Later {
    /// An agent that has been away since then has been away for too long.
    Unreachable { agent: u32, since: Millis },
    /// It returns.
    Returns { agent: u32, since: Millis },
    /// A framework registers with the new master.
    Framework { number: u32 },
    /// An instance that is no agent is replaced.
    Replace { launch: u64, by: Replacement },
    /// An instance whose agent has ended is replaced.
    Repair { agent: u32 },
    /// What people did is undone.
    Undo(Fault),
}

/// What happens to a launch, where something does.
pub(super) fn fault_of_launch(faults: &Faults, seed: u64, launch: u64) -> Option<Fault> {
    const OF_LAUNCHES: [Fault; 5] =
        [Fault::FailedLaunch, Fault::AbandonedLaunch, Fault::UnhealthyInstance, Fault::NeverJoins, Fault::SlowLaunch];
    OF_LAUNCHES.into_iter().find(|fault| {
        let rate = faults.rate(*fault);
        rate > 0 && random(seed, *fault, launch).below(100) < u64::from(rate)
    })
}

/// What a launch comes to.
pub(super) const fn fate(fault: Option<Fault>) -> Fate {
    match fault {
        Some(Fault::FailedLaunch) => Fate::Fails,
        Some(Fault::AbandonedLaunch) => Fate::Abandoned,
        Some(Fault::UnhealthyInstance) => Fate::Replaced { after: UNHEALTHY_AFTER, by: Replacement::HealthCheck },
        Some(Fault::NeverJoins) => Fate::Replaced { after: REPLACED_AFTER, by: Replacement::Operator },
        Some(Fault::SlowLaunch) => Fate::JoinsLate,
        _ => Fate::Joins,
    }
}

/// The random numbers of one strike of a class.
fn random(seed: u64, fault: Fault, number: u64) -> SplitMix64 {
    SplitMix64::stream(seed, Concern::Faults as u64 + fault as u64, number)
}

impl World<'_> {
    /// When the faults that follow from time strike first.
    pub(super) fn schedule_faults(&mut self) {
        let setup = self.setup;
        for (fault, rate) in setup.faults.iter().filter(|(fault, _)| fault.unit() == Unit::ADay) {
            let mut random = random(self.seed, fault, 0);
            self.events.push(interval(&mut random, rate), Event::Fault { fault, number: 1 });
        }
    }

    /// A fault strikes, not for the last time.
    pub(super) fn strike(&mut self, fault: Fault, number: u64) {
        // A rebalance that fails changes nothing, so it must stop nothing either.
        if self.is_calm && fault != Fault::FailedRebalance {
            return;
        }
        let mut random = random(self.seed, fault, number);
        let next = self.now + interval(&mut random, self.setup.faults.rate(fault));
        self.events.push(next, Event::Fault { fault, number: number + 1 });
        self.struck.push(fault);
        match fault {
            Fault::InstanceEnds => {
                if let Some(id) = self.pool.any_in_service(&mut random) {
                    self.replace(&id, Replacement::HealthCheck);
                }
            }
            Fault::Failover => self.fail_over(&mut random),
            Fault::Disconnect => {
                let agents = self.pool.connected(None);
                let away = match random.below(4) {
                    0 => 2 * MINUTE + random.below(28 * MINUTE),
                    _ => 5 * SECOND + random.below(65 * SECOND),
                };
                if !agents.is_empty() {
                    self.disconnect(agents.get(random.index(agents.len())).copied(), away);
                }
            }
            Fault::Partition => {
                let zone = random.index(self.pool.group().zones().len());
                let agents = self.pool.connected(Some(zone));
                let away = MINUTE + random.below(19 * MINUTE);
                self.disconnect(agents, away);
            }
            Fault::Rebalance => {
                self.pool.rebalance(true);
                self.advance_group();
                self.pool.rebalance(false);
            }
            Fault::FailedRebalance => self.pool.fail_rebalance(self.time()),
            Fault::AgentEnds => self.end_an_agent(&mut random),
            _ => self.intervene(fault, &mut random),
        }
    }

    /// A fault ends.
    pub(super) fn recover(&mut self, later: Later) {
        match later {
            Later::Unreachable { agent, since } => {
                if let Some(lost) = self.pool.lose(agent, since) {
                    self.scheduler.lose(&lost, self.now);
                }
            }
            Later::Returns { agent, since } => self.pool.bring_back(agent, since, self.time()),
            Later::Undo(fault) => self.undo(fault),
            Later::Framework { number } => self.pool.bring_framework_back(number),
            Later::Repair { agent } => self.repair(agent),
            Later::Replace { launch, by } => {
                if let Some(id) = self.pool.booting(launch) {
                    self.replace(&id, by);
                }
            }
        }
    }

    /// An instance ends, and the group replaces it.
    fn replace(&mut self, id: &str, by: Replacement) {
        let time = self.time();
        self.pool.replace(id, by, time);
        self.advance_group();
    }

    /// The master and these agents lose each other for a time.
    fn disconnect(&mut self, agents: impl IntoIterator<Item = u32>, away: Millis) {
        let timeout = Millis::try_from(self.pool.cluster().master.agent_timeout().as_millis()).unwrap_or(Millis::MAX);
        for agent in agents {
            self.pool.disconnect(agent, self.now);
            self.wait_for(agent, timeout, away);
        }
    }

    /// The process of an agent ends for good. Its master gives it up as one that is away.
    fn end_an_agent(&mut self, random: &mut SplitMix64) {
        let agents = self.pool.connected(None);
        let Some(agent) = agents.get(random.index(agents.len())).copied() else { return };
        let timeout = Millis::try_from(self.pool.cluster().master.agent_timeout().as_millis()).unwrap_or(Millis::MAX);
        self.pool.disconnect(agent, self.now);
        self.interventions.ended.insert(agent);
        let since = self.now;
        self.events.push(since.saturating_add(timeout), Event::Later(Later::Unreachable { agent, since }));
        self.events.push(since + REPLACED_AFTER, Event::Later(Later::Repair { agent }));
    }

    /// An operator replaces the instance of an agent that has ended.
    fn repair(&mut self, agent: u32) {
        if self.interventions.ended.remove(&agent)
            && let Some(id) = self.pool.instance_of(agent)
        {
            self.replace(&id, Replacement::Operator);
        }
    }

    /// Another master, which knows its agents and frameworks from its registry and from each other.
    fn fail_over(&mut self, random: &mut SplitMix64) {
        let (agents, frameworks) = self.pool.fail_over(self.now, self.time());
        let timeout = self.pool.cluster().master.agent_reregister_timeout();
        let timeout = Millis::try_from(timeout.as_millis()).unwrap_or(Millis::MAX);
        for agent in agents {
            let away = match random.below(20) {
                0 => 9 * MINUTE + random.below(11 * MINUTE),
                _ => SECOND + random.below(60 * SECOND),
            };
            self.wait_for(agent, timeout, away);
        }
        for number in frameworks {
            let away = match random.below(4) {
                0 => 2 * MINUTE + random.below(7 * MINUTE),
                _ => SECOND + random.below(30 * SECOND),
            };
            self.events.push(self.now + away, Event::Later(Later::Framework { number }));
        }
    }

    /// An agent is away from now on; the master gives it up after a timeout.
    fn wait_for(&mut self, agent: u32, timeout: Millis, away: Millis) {
        let since = self.now;
        if timeout < away || self.interventions.ended.contains(&agent) {
            self.events.push(since.saturating_add(timeout), Event::Later(Later::Unreachable { agent, since }));
        }
        if !self.interventions.ended.contains(&agent) {
            self.events.push(since.saturating_add(away), Event::Later(Later::Returns { agent, since }));
        }
    }
}

/// From one strike to the next: between nothing and twice the mean.
fn interval(random: &mut SplitMix64, a_day: u32) -> Millis {
    1 + random.below(2 * DAY / u64::from(a_day.max(1)))
}
