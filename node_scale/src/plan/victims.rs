//! Which instances the agents of a decision are. What is not certain is not touched.

use std::collections::BTreeMap;
use std::fmt;

use shared::contract::AgentRef;

use crate::state::{GroupState, Lifecycle};

/// An instance that is to be terminated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// The instance.
    pub instance_id: String,
    /// Its agent.
    pub agent_id: String,
    /// The hostname of its agent.
    pub hostname: String,
    /// How many capacity units it counts for.
    pub weight: u32,
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.instance_id, self.hostname)
    }
}

/// What became of the agents that should be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The instances of these addresses have to be looked up first.
    LookUp(Vec<String>),
    /// The instances of the first agents, as many as wanted, and why some are none.
    Found {
        /// Those to terminate, in the order of the agents.
        victims: Vec<Victim>,
        /// A few words for each of the others.
        passed_over: Vec<String>,
    },
}

/// Chooses the instances of the first `count` agents. The next agents do not take the place of one that cannot be found: the
/// decision has made sure that there is room for the tasks of those that it names first.
pub(super) fn choose(agents: &[AgentRef], state: &GroupState, count: u32) -> Choice {
    let agents: Vec<&AgentRef> = agents.iter().take(count as usize).collect();
    let mut addresses: Vec<String> = Vec::new();
    let mut found: Vec<(&AgentRef, Result<Victim, String>)> = Vec::new();
    for agent in agents {
        match instance_of(agent, state) {
            Instance::Unknown(address) => addresses.push(address),
            Instance::Known(id) => found.push((agent, victim(&id, agent, state))),
            Instance::Unclear(why) => found.push((agent, Err(why))),
        }
    }
    if !addresses.is_empty() {
        addresses.sort();
        addresses.dedup();
        return Choice::LookUp(addresses);
    }
    let mut claims: BTreeMap<String, u32> = BTreeMap::new();
    for victim in found.iter().filter_map(|(_, victim)| victim.as_ref().ok()) {
        *claims.entry(victim.instance_id.clone()).or_default() += 1;
    }
    let (mut victims, mut passed_over) = (Vec::new(), Vec::new());
    for (agent, victim) in found {
        match victim {
            Ok(victim) if claims.get(&victim.instance_id) == Some(&1) => victims.push(victim),
            Ok(victim) => {
                passed_over.push(format!("{} ({} is another agent's too)", agent.hostname, victim.instance_id));
            }
            Err(why) => passed_over.push(format!("{} ({why})", agent.hostname)),
        }
    }
    Choice::Found { victims, passed_over }
}

/// Which instance an agent runs on.
enum Instance {
    Known(String),
    /// Whose address this is has to be looked up.
    Unknown(String),
    /// It cannot be told, for that reason.
    Unclear(String),
}

/// By what its operator says (the attribute `instance_id`), by a hostname that is the instance's own name, else by its
/// address. Two that contradict each other leave it unclear.
fn instance_of(agent: &AgentRef, state: &GroupState) -> Instance {
    let by_attribute = agent.instance_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let by_hostname = resource_name(&agent.hostname);
    match (by_attribute, by_hostname) {
        (Some(attribute), Some(hostname)) if attribute != hostname => {
            return Instance::Unclear(format!("its attribute says {attribute}, its name {hostname}"));
        }
        (Some(id), _) | (None, Some(id)) => return Instance::Known(id.to_owned()),
        (None, None) => {}
    }
    let Some(address) = agent.ip.as_deref().map(str::trim).filter(|ip| !ip.is_empty()) else {
        return Instance::Unclear("neither an attribute nor its name nor an address tells its instance".to_owned());
    };
    let Some(addresses) = &state.addresses else { return Instance::Unknown(address.to_owned()) };
    let members = |id: &&String| state.group.instances.iter().any(|instance| instance.instance_id == **id);
    let mut found = addresses.get(address).into_iter().flatten().filter(members);
    match (found.next(), found.next()) {
        (Some(id), None) => Instance::Known(id.clone()),
        (Some(one), Some(other)) => Instance::Unclear(format!("{address} belongs to {one} and {other}")),
        (None, _) => Instance::Unclear(format!("no instance of the group has the address {address}")),
    }
}

/// The id of the instance where a hostname is a resource name, such as `i-0123456789abcdef0.ec2.internal`.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-naming.html>
fn resource_name(hostname: &str) -> Option<&str> {
    let label = hostname.split('.').next()?;
    let digits = label.strip_prefix("i-")?;
    let is_id =
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_id.then_some(label)
}

/// The instance as a victim, where it is one that the group would miss, and that nobody set apart.
fn victim(id: &str, agent: &AgentRef, state: &GroupState) -> Result<Victim, String> {
    let group = &state.group;
    let Some(instance) = group.instances.iter().find(|instance| instance.instance_id == id) else {
        return Err(format!("{id} is no instance of the group"));
    };
    if instance.lifecycle_state != Lifecycle::InService {
        return Err(format!("{id} is not in service"));
    }
    if group.is_set_apart(instance) {
        return Err(format!("{id} is protected from scale-in"));
    }
    Ok(Victim {
        instance_id: id.to_owned(),
        agent_id: agent.agent_id.clone(),
        hostname: agent.hostname.clone(),
        weight: instance.weight(),
    })
}
