//! H12 in words.

use std::fmt;

use serde::Serialize;
use shared::count::is_zero;
use shared::text::counted;

/// An application that needs agents for its constraints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostsNeeded {
    /// Its name.
    pub application: String,
    /// Its instances, running and queued.
    pub instances: u32,
    /// How many of them an agent may hold.
    pub max_per_agent: u32,
    /// How many of them must leave their agent, and have no place on a usable one.
    #[serde(skip_serializing_if = "is_zero")]
    pub without_place: u32,
    /// How many agents they need.
    pub hosts: u32,
}

impl fmt::Display for HostsNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, instances, max_per_agent, without_place, hosts } = self;
        let (agents, instances) = (counted(*hosts, "agent"), counted(*instances, "instance"));
        write!(f, "{application} needs {agents}: {instances}, at most {max_per_agent} on each agent")?;
        match without_place {
            0 => Ok(()),
            some => write!(f, ", and no usable agent has a place for {some} that must leave theirs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_that_needs_agents_is_named_h12() {
        let application = "/db".to_owned();
        let needed = HostsNeeded { application, instances: 8, max_per_agent: 2, without_place: 0, hosts: 4 };
        assert_eq!(needed.to_string(), "/db needs 4 agents: 8 instances, at most 2 on each agent");
        assert_eq!(
            HostsNeeded { without_place: 1, hosts: 6, ..needed }.to_string(),
            "/db needs 6 agents: 8 instances, at most 2 on each agent, and no usable agent has a place for 1 that must leave theirs"
        );
    }
}
