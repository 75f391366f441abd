//! H12: applications that run on every agent.

use std::fmt;

use crate::config::Policy;
use crate::contract::{Application, ClusterSnapshot, GroupMembers};
use crate::text::counted;

/// Why an application is a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// The configuration says so.
    Configured,
    /// Its instances need more agents than the pool may have.
    Exceeds(Exceeds),
}

/// An application whose instances need more agents than the pool may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeds {
    /// Its name.
    pub application: String,
    /// Its instances in the pool: those that run, and all that are queued.
    pub instances: u32,
    /// How many agents they need.
    pub hosts: u32,
    /// The most agents that the pool may have.
    pub most: u32,
    /// Whether these numbers are those of all pools in which it is.
    pub in_all_pools: bool,
}

impl Daemon {
    /// Whether an application of that pool is a daemon, and why. Its queued instances are all that wait, also those that do not
    /// count: no agent with room takes a second instance of a daemon, so they are just those. They wait in one pool alone, so what
    /// runs in several needs more agents than all of them may have.
    #[must_use]
    pub fn of(application: &Application, snapshot: &ClusterSnapshot, policy: &Policy) -> Option<Self> {
        if let Some(is_daemon) = policy.settings_of(&application.name).daemon {
            return is_daemon.then_some(Self::Configured);
        }
        let max_per_agent = application.max_per_agent?.max(1);
        let exceeds = |instances: u32, most: u32, in_all_pools: bool| {
            let hosts = instances.div_ceil(max_per_agent);
            (hosts > most).then(|| {
                let application = application.name.clone();
                Self::Exceeds(Exceeds { application, instances, hosts, most, in_all_pools })
            })
        };
        let group = || snapshot.group.as_ref().map(GroupMembers::most_agents);
        let not_counted = snapshot.not_counted.iter().filter(|entry| entry.application == application.name);
        let queued = not_counted.fold(application.queued, |sum, entry| sum.saturating_add(entry.queued));
        let instances = application.task_count.saturating_add(queued);
        let most = policy.limits.max.or_else(group);
        let in_pool = most.and_then(|most| exceeds(instances, most, false));
        in_pool.or_else(|| application.in_all_pools.and_then(|all| exceeds(all.instances, all.most_agents, true)))
    }
}

impl fmt::Display for Exceeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, instances, hosts, most, in_all_pools } = self;
        let pools = if *in_all_pools { " in all pools" } else { "" };
        let (instances, hosts) = (counted(*instances, "instance"), counted(*hosts, "agent"));
        write!(
            f,
            "{application} counts as a daemon, for which no agent is kept: its {instances} would need {hosts} of at most {most}{pools}; \
             set applications.{application:?}.daemon = true where that is right, and false where agents should be kept"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_pool_says_how_to_settle_it_h12() {
        let application = "/telegraf".to_owned();
        let exceeds = Exceeds { application, instances: 1_000, hosts: 1_000, most: 50, in_all_pools: false };
        assert_eq!(
            exceeds.to_string(),
            "/telegraf counts as a daemon, for which no agent is kept: its 1000 instances would need 1000 agents of at \
             most 50; set applications.\"/telegraf\".daemon = true where that is right, and false where agents should be kept"
        );
        let everywhere = Exceeds { in_all_pools: true, ..exceeds }.to_string();
        assert!(everywhere.contains("would need 1000 agents of at most 50 in all pools; set"), "{everywhere}");
    }
}
