//! H12 in words.

use std::fmt;

use serde::Serialize;
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
    /// How many agents they need.
    pub hosts: u32,
}

impl fmt::Display for HostsNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, instances, max_per_agent, hosts } = self;
        let (agents, instances) = (counted(*hosts, "agent"), counted(*instances, "instance"));
        write!(f, "{application} needs {agents}: {instances}, at most {max_per_agent} on each agent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_that_needs_agents_is_named_h12() {
        let needed = HostsNeeded { application: "/db".to_owned(), instances: 8, max_per_agent: 2, hosts: 4 };
        assert_eq!(needed.to_string(), "/db needs 4 agents: 8 instances, at most 2 on each agent");
    }
}
