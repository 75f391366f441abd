//! Which instances the agents of a decision are. An agent whose instance is not certain is skipped.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use shared::contract::AgentRef;
use shared::group::{Lifecycle, instance_of_hostname};

use crate::state::GroupState;

/// An instance to terminate, now or once its agent is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminationTarget {
    /// The instance.
    pub instance_id: String,
    /// Its agent.
    pub agent_id: String,
    /// The hostname of its agent.
    pub hostname: String,
    /// How many capacity units it counts for.
    pub weight: u32,
}

impl fmt::Display for TerminationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.instance_id, self.hostname)
    }
}

/// An agent that is no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its hostname.
    pub hostname: String,
    /// Why it is none.
    pub reason: SkipReason,
}

/// Why an agent is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Nothing identifies its instance.
    Unidentified,
    /// Its attribute and its hostname name two instances.
    Contradiction {
        /// The instance by its attribute.
        attribute: String,
        /// The instance by its hostname.
        hostname: String,
    },
    /// It is known by this address alone, which was not looked up.
    NotLookedUp(IpAddr),
    /// No instance of the group has its address.
    UnknownAddress(IpAddr),
    /// Two instances of the group have its address.
    SharedAddress {
        /// The address.
        address: IpAddr,
        /// The instances.
        instances: [String; 2],
    },
    /// Its instance is not in the group.
    NotInGroup(String),
    /// Its instance is not in service.
    NotInService(String),
    /// Its instance is protected one by one.
    Protected(String),
    /// Another agent claims the same instance.
    ClaimedTwice(String),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.hostname, self.reason)
    }
}

impl SkipReason {
    /// The instance that is certain and still no target.
    pub(super) fn instance(&self) -> Option<&String> {
        match self {
            Self::NotInGroup(id) | Self::NotInService(id) | Self::Protected(id) | Self::ClaimedTwice(id) => Some(id),
            Self::Unidentified
            | Self::Contradiction { .. }
            | Self::NotLookedUp(_)
            | Self::UnknownAddress(_)
            | Self::SharedAddress { .. } => None,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unidentified => f.write_str("no attribute, hostname, or address identifies its instance"),
            Self::Contradiction { attribute, hostname } => {
                write!(f, "its attribute names {attribute}, its hostname {hostname}")
            }
            Self::NotLookedUp(address) => write!(f, "the instance of {address} is not looked up"),
            Self::UnknownAddress(address) => write!(f, "no instance of the group has the address {address}"),
            Self::SharedAddress { address, instances: [one, other] } => {
                write!(f, "{one} and {other} have the address {address}")
            }
            Self::NotInGroup(id) => write!(f, "{id} is no instance of the group"),
            Self::NotInService(id) => write!(f, "{id} is not in service"),
            Self::Protected(id) => write!(f, "{id} has scale-in protection"),
            Self::ClaimedTwice(id) => write!(f, "another agent claims {id} too"),
        }
    }
}

/// The instances of the first agents, as many as needed, and the agents that are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// In the order of the agents.
    pub(super) targets: Vec<TerminationTarget>,
    /// Likewise.
    pub(super) skipped: Vec<Skipped>,
}

impl Choice {
    /// The addresses that a lookup would resolve.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = IpAddr> {
        self.skipped.iter().filter_map(|skipped| match skipped.reason {
            SkipReason::NotLookedUp(address) => Some(address),
            _ => None,
        })
    }
}

/// Chooses the instances of the first `count` agents. The next agents do not take the place of one that is skipped: the
/// decision has made sure that there is room for the tasks of those that it names first.
pub(super) fn choose(agents: &[AgentRef], state: &GroupState, count: u32) -> Choice {
    let found: Vec<(&AgentRef, Result<TerminationTarget, SkipReason>)> = agents
        .iter()
        .take(count as usize)
        .map(|agent| (agent, instance_of(agent, state).and_then(|id| target(&id, agent, state))))
        .collect();
    let mut claims: BTreeMap<String, u32> = BTreeMap::new();
    for target in found.iter().filter_map(|(_, target)| target.as_ref().ok()) {
        *claims.entry(target.instance_id.clone()).or_default() += 1;
    }
    let mut choice = Choice::default();
    for (agent, target) in found {
        let reason = match target {
            Ok(target) if claims.get(&target.instance_id) == Some(&1) => {
                choice.targets.push(target);
                continue;
            }
            Ok(target) => SkipReason::ClaimedTwice(target.instance_id),
            Err(reason) => reason,
        };
        choice.skipped.push(Skipped { hostname: agent.hostname.clone(), reason });
    }
    choice
}

/// The instance that an agent runs on: by its operator's attribute `instance_id`, by a hostname that is the instance's own
/// name, else by its address. Two that contradict each other identify nothing.
pub(super) fn instance_of(agent: &AgentRef, state: &GroupState) -> Result<String, SkipReason> {
    let by_attribute = agent.instance_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let by_hostname = instance_of_hostname(&agent.hostname);
    match (by_attribute, by_hostname) {
        (Some(attribute), Some(hostname)) if attribute != hostname => {
            let (attribute, hostname) = (attribute.to_owned(), hostname.to_owned());
            return Err(SkipReason::Contradiction { attribute, hostname });
        }
        (Some(id), _) | (None, Some(id)) => return Ok(id.to_owned()),
        (None, None) => {}
    }
    let address = agent.ip.ok_or(SkipReason::Unidentified)?;
    let ids = state.addresses.get(&address).ok_or(SkipReason::NotLookedUp(address))?;
    let is_member = |id: &&String| state.group.instances.iter().any(|instance| instance.instance_id == **id);
    let mut members = ids.iter().filter(is_member);
    match (members.next(), members.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(one), Some(other)) => {
            let instances = [one.clone(), other.clone()];
            Err(SkipReason::SharedAddress { address, instances })
        }
        (None, _) => Err(SkipReason::UnknownAddress(address)),
    }
}

/// The instance as a target, where it is in service in the group and not protected.
fn target(id: &str, agent: &AgentRef, state: &GroupState) -> Result<TerminationTarget, SkipReason> {
    let group = &state.group;
    let Some(instance) = group.instances.iter().find(|instance| instance.instance_id == id) else {
        return Err(SkipReason::NotInGroup(id.to_owned()));
    };
    if instance.lifecycle_state != Lifecycle::InService {
        return Err(SkipReason::NotInService(id.to_owned()));
    }
    if group.protects(instance) {
        return Err(SkipReason::Protected(id.to_owned()));
    }
    Ok(TerminationTarget {
        instance_id: id.to_owned(),
        agent_id: agent.agent_id.clone(),
        hostname: agent.hostname.clone(),
        weight: instance.weight(),
    })
}
