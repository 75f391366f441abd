//! What is simulated.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use cluster::group::Hook;
use cluster::{Capacity, Cluster, Mode};

use crate::fault::Faults;
use crate::trace::Workload;
use crate::{DAY, Millis};

/// What is simulated. Everything in it is the same for all policies that are compared, but for the pool's names.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What runs, and when.
    pub workload: Workload,
    /// What an agent has, but for those of [`Start::Agents`].
    pub agent: Capacity,
    /// With which agents it starts.
    pub start: Start,
    /// From the request of an instance until its agent is registered, on average.
    pub boot: Millis,
    /// The fewest agents.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// The headroom, in percent, whose absence is measured.
    pub headroom_percent: u32,
    /// The price of an agent-hour, in thousandths.
    pub price: u64,
    /// Where the agents are.
    pub place: Place,
    /// What goes wrong.
    pub faults: Faults,
}

/// With which agents a simulation starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With as many as the first demand takes, like those that are launched later.
    #[default]
    Demand,
    /// With these: others than are launched later, as where the launch template has been changed.
    Agents(Vec<FirstAgents>),
    /// With a cluster as it is, such as a captured one. Each of its agents runs on an instance of the group, each of its tasks is
    /// wanted from then on, and agents and frameworks that are away return after five minutes.
    Cluster(Box<Cluster>),
}

/// Equal agents with which a simulation starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAgents {
    /// How many.
    pub count: u32,
    /// What each of them has.
    pub capacity: Capacity,
    /// How long they have been registered.
    pub age: Millis,
    /// What operators have made of them, once the first demand runs on them.
    pub mode: Mode,
}

/// The group of the pool, and how its agents are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The name of its group.
    pub group: String,
    /// The attributes of its agents.
    pub attributes: BTreeMap<String, String>,
    /// How many units of the group's capacity each instance counts for, where the group has weights.
    pub weight: Option<NonZeroU32>,
    /// How many stopped instances its warm pool keeps.
    pub warm: usize,
    /// How its launches go.
    pub launches: Launches,
    /// How many of the agents with which it starts name no instance, at addresses that no instance has.
    pub unnamed: usize,
}

/// How every launch of a group goes. What goes wrong with some of them, by chance, is one of the [`Faults`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Launches {
    /// A lifecycle hook holds each of them, and the agent boots after that.
    pub hook: Option<Hook>,
    /// Until then the Spot market has no instance, and requests wait.
    pub market_from: Millis,
    /// Until then no agent of a new instance reaches the master.
    pub network_from: Millis,
}

impl Place {
    /// How many units of capacity an instance counts for.
    pub(crate) fn unit(&self) -> u32 {
        self.weight.map_or(1, NonZeroU32::get)
    }
}

impl Setup {
    /// From when on it is measured: after the first day, in which a policy still starts. A trace of less than two days is
    /// measured from its start.
    #[must_use]
    pub const fn measured_from(&self) -> Millis {
        if self.workload.duration < 2 * DAY { 0 } else { DAY }
    }
}
