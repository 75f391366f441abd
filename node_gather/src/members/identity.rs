//! What an agent says about the instance it runs on.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use shared::group::instance_of_hostname;

use crate::mesos::state::{self, RecoveredAgent};

/// The attribute that may hold the id of an agent's EC2 instance, set by its user data.
const INSTANCE_ID_ATTRIBUTE: &str = "instance_id";

/// An agent that the master knows, as far as it identifies an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The index of its pool; `None` if it belongs to none, or to several.
    pub pool: Option<u32>,
    /// Whether it certainly takes no tasks of any pool: it belongs to none, or has no resources.
    pub is_unfit: bool,
    /// The instance by its attribute and its hostname.
    pub names: Names,
    /// Its hostname, else its id, where nothing names its instance with certainty: to report it.
    pub hostname: Box<str>,
    /// The address at which the master reaches it, where that tells machines apart.
    pub ip: Option<IpAddr>,
    /// Whether the master is connected to it.
    pub presence: Presence,
    /// When it registered with the leading master; `None` if that is not reported.
    pub registered_at: Option<Timestamp>,
}

/// The instance by the attribute and the hostname of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Neither names one.
    Nothing,
    /// One instance.
    Instance(Box<str>),
    /// Several, or something that is no instance.
    Contradiction(Box<[Box<str>]>),
}

/// Whether the master is connected to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Registered, and not known to be disconnected.
    Connected,
    /// Registered and disconnected.
    Disconnected,
    /// Known to a newly elected master, and not re-registered.
    Recovered,
}

impl Names {
    fn of<'a>(attributes: impl Iterator<Item = &'a str>, hostname: &'a str) -> Self {
        let attributes = attributes.map(str::trim).filter(|id| !id.is_empty());
        let mut names = attributes.chain(instance_of_hostname(hostname));
        let Some(first) = names.next() else { return Self::Nothing };
        let mut others = names.filter(|name| *name != first).peekable();
        if others.peek().is_none() && first.starts_with("i-") {
            return Self::Instance(first.into());
        }
        let all: BTreeSet<&str> = others.chain([first]).collect();
        Self::Contradiction(all.into_iter().map(Box::from).collect())
    }
}

impl Agent {
    /// A registered agent of that pool.
    #[must_use]
    pub fn registered(agent: &state::Agent, pool: Option<u32>, is_unfit: bool) -> Self {
        let names = Names::of(agent.attributes.values(INSTANCE_ID_ATTRIBUTE), &agent.hostname);
        let is_disconnected = !agent.active && !agent.deactivated && agent.drain.is_none();
        Self {
            pool,
            is_unfit,
            hostname: if matches!(names, Names::Instance(_)) { Box::default() } else { agent.hostname.as_str().into() },
            names,
            ip: agent.ip.filter(tells_machines_apart),
            presence: if is_disconnected { Presence::Disconnected } else { Presence::Connected },
            registered_at: agent.registered_at,
        }
    }

    /// An agent of that pool that has not re-registered. Masters list these without the address; a hostname may show it.
    #[must_use]
    pub fn recovered(agent: &RecoveredAgent, pool: Option<u32>) -> Self {
        Self {
            pool,
            is_unfit: false,
            names: Names::of(agent.attributes.values(INSTANCE_ID_ATTRIBUTE), &agent.hostname),
            hostname: if agent.hostname.is_empty() { &agent.id } else { &agent.hostname }.as_str().into(),
            ip: ip_of_hostname(&agent.hostname).filter(tells_machines_apart),
            presence: Presence::Recovered,
            registered_at: None,
        }
    }

    /// Whether only its address can identify it.
    #[must_use]
    pub const fn needs_address(&self) -> bool {
        matches!(self.names, Names::Nothing) && self.ip.is_some()
    }
}

/// The address that is the hostname, as where masters look up none, or in a private DNS name of EC2: `ip-10-0-1-13.ec2.internal`.
fn ip_of_hostname(hostname: &str) -> Option<IpAddr> {
    let of_ec2 = || {
        let (name, _domain) = hostname.split_once('.')?;
        name.strip_prefix("ip-")?.replace('-', ".").parse::<Ipv4Addr>().ok().map(IpAddr::from)
    };
    hostname.parse().ok().or_else(of_ec2)
}

/// Every machine has these addresses.
fn tells_machines_apart(ip: &IpAddr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified()
}
