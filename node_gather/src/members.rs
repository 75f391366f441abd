//! Which agents run on which instances of the pools' groups. Pure.
//!
//! Agents and instances are matched by identity: the attribute `instance_id`, a hostname that is the id of an instance, and
//! the address at which the master reaches the agent. Ways that contradict each other identify nothing, and neither does an
//! id or an address that several agents of the cluster claim. A wrong belief terminates an instance that works, so everything
//! that is not certain is unknown.

mod identity;
mod matching;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use shared::contract::GroupMembers;
use shared::count::saturated;
use shared::group::{Decommissioning, Lifecycle};

pub use identity::{Agent, Names, Presence};
pub use matching::{KnownClaims, Members, Placement, PoolGroup, PoolMembers, match_members};

/// An Auto Scaling group as it was described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its desired capacity.
    pub desired: u32,
    /// The least desired capacity that it allows.
    pub min: u32,
    /// The largest desired capacity that it allows.
    pub max: u32,
    /// The availability zones in which it launches instances.
    pub zones: Vec<String>,
    /// Whether every new instance is protected from scale-in. Then protection says nothing about a single one.
    pub protects_new: bool,
    /// Its instances in any state.
    pub instances: Vec<Instance>,
    /// The instances that its tags say are being decommissioned.
    pub decommissioning: Decommissioning,
    /// Until when its tag says that the masters refuse calls about agents.
    pub closing_refused_until: Option<Timestamp>,
    /// Until when its tag says that no agent is tried.
    pub tried_until: Option<Timestamp>,
}

impl Group {
    /// How many instances have that lifecycle.
    pub fn count(&self, lifecycle: Lifecycle) -> usize {
        self.instances.iter().filter(|instance| instance.lifecycle == lifecycle).count()
    }

    /// The members where every instance in service counts as an agent.
    #[must_use]
    pub fn of_instances_alone(&self) -> GroupMembers {
        let ids = |is_listed: fn(Lifecycle) -> bool| -> Vec<String> {
            let listed = self.instances.iter().filter(|instance| is_listed(instance.lifecycle));
            let mut ids: Vec<String> = listed.map(|instance| instance.id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        let joined = ids(|lifecycle| lifecycle == Lifecycle::InService);
        let mut not_joined = ids(|lifecycle| lifecycle.is_capacity() && lifecycle != Lifecycle::InService);
        let not_joined_count = saturated(not_joined.len());
        not_joined.truncate(GroupMembers::MAX_LISTED);
        GroupMembers {
            joined: saturated(joined.len()),
            not_joined_count,
            not_joined,
            // When they came into service is not known here. That more are listed than are new harms nothing.
            joined_recent: (joined.len() <= GroupMembers::MAX_RECENT).then_some(joined),
            ..self.counts()
        }
    }

    /// The figures of the group that no agent changes.
    fn counts(&self) -> GroupMembers {
        let is_protected = |instance: &&Instance| instance.lifecycle == Lifecycle::InService && self.protects(instance);
        GroupMembers {
            desired: self.desired,
            min: self.min,
            max: self.max,
            in_service: saturated(self.count(Lifecycle::InService)),
            standby: saturated(self.count(Lifecycle::Standby)),
            leaving: saturated(self.count(Lifecycle::Terminating)),
            protected: saturated(self.instances.iter().filter(is_protected).count()),
            ..GroupMembers::default()
        }
    }

    /// Whether an operator protects that very instance from scale-in.
    #[must_use]
    pub const fn protects(&self, instance: &Instance) -> bool {
        instance.protected && !self.protects_new
    }
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Where in its life it is.
    pub lifecycle: Lifecycle,
    /// Whether it is protected from scale-in.
    pub protected: bool,
}

/// The result of describing a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    /// The group.
    Known(Group),
    /// The call failed, or there is no such group.
    Unknown {
        /// Why, as the end of a sentence.
        reason: String,
    },
}

/// The addresses of instances, by their ids. An address may pass from one instance to the next; an id never does.
pub type Addresses = BTreeMap<String, BTreeSet<IpAddr>>;

/// The result of asking EC2 for the addresses of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// EC2 was not asked.
    #[default]
    NotAsked,
    /// All that EC2 reported.
    Known(Addresses),
    /// The call failed.
    Unknown {
        /// Why, as the end of a sentence.
        reason: String,
    },
}

/// What AWS reports about the groups of the pools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptions {
    /// By the names of the groups. A group that is not among them was not asked about.
    pub groups: BTreeMap<String, Description>,
    /// The addresses of their instances.
    pub lookup: Lookup,
}

impl Descriptions {
    /// The group of that name, if it is known.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        match self.groups.get(name) {
            Some(Description::Known(group)) => Some(group),
            Some(Description::Unknown { .. }) | None => None,
        }
    }
}

/// Why an agent is not identified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Several agents claim that instance.
    SharedInstance {
        /// The instance.
        instance: String,
        /// How many agents.
        agents: u32,
    },
    /// Several agents have that address.
    SharedAddress {
        /// The address.
        address: IpAddr,
        /// How many agents.
        agents: u32,
    },
    /// Its ways name several instances, or something that is no instance.
    Contradiction {
        /// The hostname of the agent.
        hostname: String,
        /// What they name.
        names: Vec<String>,
    },
    /// No way leads to an instance.
    NoName {
        /// The hostname of the agent.
        hostname: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedInstance { instance, agents } => write!(f, "{agents} agents claim {instance}"),
            Self::SharedAddress { address, agents } => write!(f, "{agents} agents have the address {address}"),
            Self::Contradiction { hostname, names } => {
                write!(f, "attribute, hostname, or address of {hostname} says {}", names.join(", "))?;
                match names.iter().find(|name| !name.starts_with("i-")) {
                    Some(name) => write!(f, "; {name} is no instance id: write i-, in lower case and without quotes"),
                    None => Ok(()),
                }
            }
            Self::NoName { hostname } => {
                write!(f, "no attribute instance_id, hostname, or address names the instance of {hostname}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
