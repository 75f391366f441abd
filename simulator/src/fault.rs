//! What may go wrong with a cluster and its group while they are simulated, and how often.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A launch fails at once: no capacity.
    FailedLaunch,
    /// A lifecycle hook holds a launch for ten minutes, and abandons it.
    AbandonedLaunch,
    /// A health check ends a new instance four minutes after its launch; its agent has never registered.
    UnhealthyInstance,
    /// An instance is in service, and its agent never registers. After two hours an operator replaces it.
    NeverJoins,
    /// An agent takes five times as long to register.
    SlowLaunch,
    /// An instance ends by itself, with its tasks, and the group replaces it: a Spot interruption, broken hardware.
    InstanceEnds,
    /// Another master takes over. Agents and frameworks come back within a minute, some much later.
    Failover,
    /// A master and an agent lose each other, for seconds or for half an hour.
    Disconnect,
    /// A master loses all agents of a zone for up to twenty minutes.
    Partition,
    /// The group makes its zones equal, which ends an instance of its own choice.
    Rebalance,
    /// It tries to, and the zone has no capacity.
    FailedRebalance,
    /// An operator deactivates an agent, and reactivates it within an hour.
    OperatorDeactivates,
    /// An operator pauses the group by its tag: for a time, for ever, or in words that no one can read; and ends that within an hour.
    OperatorPauses,
    /// An operator sets a floor by the group's tag, in one of these ways, and takes it back within an hour.
    OperatorFloors,
    /// An operator changes the limits of the group for up to an hour.
    OperatorLimits,
    /// An operator deletes a tag of Lambda Scale, or writes something else into it.
    OperatorTags,
    /// Another program sets the desired capacity to any number within the limits.
    OtherAutoscaler,
    /// The process `Launch` or `Terminate` is suspended for up to an hour.
    SuspendedProcess,
    /// An instance is put in standby for up to an hour.
    Standby,
    /// An instance is protected from scale-in for up to an hour.
    Protection,
    /// An instance refresh is in progress for up to an hour.
    InstanceRefresh,
    /// The Spot market has no instance for up to an hour.
    SpotWaits,
    /// An agent claims the instance of another one for up to an hour.
    SharedIdentity,
    /// The process of an agent ends for good, with its tasks, on an instance that stays in service. After two hours an operator
    /// replaces the instance.
    AgentEnds,
    /// An instance is ended by the group, and a hook that fails keeps it, terminated but for its name, for up to an hour.
    RetainedInstance,
    /// New instances are of another type from then on: of half of everything, of twice as much, or as before.
    InstanceType,
}

/// How a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// In percent of all launches.
    PercentOfLaunches,
    /// The mean number in a day.
    ADay,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::FailedLaunch,
        Self::AbandonedLaunch,
        Self::UnhealthyInstance,
        Self::NeverJoins,
        Self::SlowLaunch,
        Self::InstanceEnds,
        Self::Failover,
        Self::Disconnect,
        Self::Partition,
        Self::Rebalance,
        Self::FailedRebalance,
        Self::OperatorDeactivates,
        Self::OperatorPauses,
        Self::OperatorFloors,
        Self::OperatorLimits,
        Self::OperatorTags,
        Self::OtherAutoscaler,
        Self::SuspendedProcess,
        Self::Standby,
        Self::Protection,
        Self::InstanceRefresh,
        Self::SpotWaits,
        Self::SharedIdentity,
        Self::AgentEnds,
        Self::RetainedInstance,
        Self::InstanceType,
    ];

    /// Its name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FailedLaunch => "failed-launch",
            Self::AbandonedLaunch => "abandoned-launch",
            Self::UnhealthyInstance => "unhealthy-instance",
            Self::NeverJoins => "never-joins",
            Self::SlowLaunch => "slow-launch",
            Self::InstanceEnds => "instance-ends",
            Self::Failover => "failover",
            Self::Disconnect => "disconnect",
            Self::Partition => "partition",
            Self::Rebalance => "rebalance",
            Self::FailedRebalance => "failed-rebalance",
            Self::OperatorDeactivates => "operator-deactivates",
            Self::OperatorPauses => "operator-pauses",
            Self::OperatorFloors => "operator-floors",
            Self::OperatorLimits => "operator-limits",
            Self::OperatorTags => "operator-tags",
            Self::OtherAutoscaler => "other-autoscaler",
            Self::SuspendedProcess => "suspended-process",
            Self::Standby => "standby",
            Self::Protection => "protection",
            Self::InstanceRefresh => "instance-refresh",
            Self::SpotWaits => "spot-waits",
            Self::SharedIdentity => "shared-identity",
            Self::AgentEnds => "agent-ends",
            Self::RetainedInstance => "retained-instance",
            Self::InstanceType => "instance-type",
        }
    }

    /// How its rate counts.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::FailedLaunch
            | Self::AbandonedLaunch
            | Self::UnhealthyInstance
            | Self::NeverJoins
            | Self::SlowLaunch => Unit::PercentOfLaunches,
            Self::InstanceEnds
            | Self::Failover
            | Self::Disconnect
            | Self::Partition
            | Self::Rebalance
            | Self::FailedRebalance
            | Self::OperatorDeactivates
            | Self::OperatorPauses
            | Self::OperatorFloors
            | Self::OperatorLimits
            | Self::OperatorTags
            | Self::OtherAutoscaler
            | Self::SuspendedProcess
            | Self::Standby
            | Self::Protection
            | Self::InstanceRefresh
            | Self::SpotWaits
            | Self::SharedIdentity
            | Self::AgentEnds
            | Self::RetainedInstance
            | Self::InstanceType => Unit::ADay,
        }
    }
}

/// Which faults happen, and how often; by default none.
///
/// ```
/// use simulator::{Fault, Faults};
/// let faults: Faults = "failover=1,never-joins=2".parse().unwrap();
/// assert_eq!((faults.rate(Fault::Failover), faults.rate(Fault::Partition)), (1, 0));
/// assert_eq!(faults.to_string(), "never-joins=2,failover=1");
/// assert!("never-joins=200".parse::<Faults>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<Fault, u32>);

/// Why there are no such faults.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownFault {
    /// There is no class of that name.
    #[error("got {got:?}, expected NAME=RATE, where NAME is one of {names}; write failover=1", names = names())]
    Name {
        /// What was given.
        got: String,
    },
    /// It has two rates.
    #[error("{name} is there twice; leave one out")]
    Twice {
        /// The class.
        name: &'static str,
    },
    /// The rate is not possible.
    #[error("{name}: got {got:?}, expected {expected}; write {name}=5")]
    Rate {
        /// The class.
        name: &'static str,
        /// What was given.
        got: String,
        /// What is possible.
        expected: &'static str,
    },
}

fn names() -> String {
    Fault::ALL.map(Fault::name).join(", ")
}

impl Faults {
    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// These, and that one as often.
    #[must_use]
    pub fn with(mut self, fault: Fault, rate: u32) -> Self {
        self.0.insert(fault, rate);
        self
    }

    /// How often it happens; 0 where it does not.
    #[must_use]
    pub fn rate(&self, fault: Fault) -> u32 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// Those that happen.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u32)> {
        self.0.iter().map(|(fault, rate)| (*fault, *rate)).filter(|(_, rate)| *rate > 0)
    }

    /// Whether nothing goes wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl FromStr for Faults {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let mut faults = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let unknown = || UnknownFault::Name { got: part.to_owned() };
            let (name, rate) = part.split_once('=').ok_or_else(unknown)?;
            let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name.trim()).ok_or_else(unknown)?;
            let (most, expected) = match fault.unit() {
                Unit::PercentOfLaunches => (100, "a percentage of launches, 0 to 100"),
                Unit::ADay => (10_000, "a number a day, 0 to 10000"),
            };
            let wrong = || UnknownFault::Rate { name: fault.name(), got: rate.to_owned(), expected };
            let rate = rate.trim().parse().ok().filter(|rate| *rate <= most).ok_or_else(wrong)?;
            if faults.0.insert(fault, rate).is_some() {
                return Err(UnknownFault::Twice { name: fault.name() });
            }
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (fault, rate)) in self.iter().enumerate() {
            write!(f, "{}{}={rate}", if place == 0 { "" } else { "," }, fault.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_read_by_its_name() {
        for fault in Fault::ALL {
            let faults = Faults::default().with(fault, 7);
            assert_eq!(faults.to_string().parse(), Ok(faults));
        }
        let wrong = ["failover", "failover=x", "failover=-1", "comet=1", "never-joins=101", "failover=10001"];
        for text in wrong {
            assert!(text.parse::<Faults>().unwrap_err().to_string().contains("expected"), "{text}");
        }
        let twice = "failover=1,failover=2".parse::<Faults>().unwrap_err();
        assert_eq!(twice.to_string(), "failover is there twice; leave one out");
    }
}
