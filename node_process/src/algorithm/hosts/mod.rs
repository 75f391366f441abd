//! H12: applications of which an agent holds only so many instances: they need agents beyond their resources. What needs
//! more agents than the pool may have runs on each of them: a daemon.

mod daemons;
pub(super) mod reason;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use shared::config::Policy;
use shared::contract::{AgentShape, Application, Candidate, ClusterSnapshot, TaskGroup};
use shared::count::saturated;
use shared::daemon::{Daemon, Exceeds};
use shared::resources::Resources;

use super::instance::{largest, queued_instance};
pub(crate) use daemons::Daemons;
use reason::HostsNeeded;

/// What the constraints of the applications require.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts<'a> {
    /// The application that needs most agents.
    pub(super) needed: Option<HostsNeeded>,
    daemons: Vec<&'a Application>,
    /// The names that daemons have and no other application has.
    names: BTreeSet<&'a str>,
    /// The daemons that the configuration does not name.
    pub(super) exceeding: Vec<Exceeds>,
}

impl<'a> Hosts<'a> {
    /// `has_place` says whether some agent holds such an instance.
    pub(super) fn of(
        snapshot: &'a ClusterSnapshot,
        policy: &Policy,
        has_place: impl Fn(&Application, &Resources) -> bool,
    ) -> Self {
        let needed = |application: &Application| {
            let max_per_agent = application.max_per_agent?.max(1);
            let is_placeable = has_place(application, &queued_instance(application));
            let queued = if is_placeable { application.queued } else { 0 };
            let instances = application.task_count.saturating_add(queued);
            let hosts = instances.div_ceil(max_per_agent);
            Some(HostsNeeded { application: application.name.clone(), instances, max_per_agent, hosts })
        };
        let mut exceeding = Vec::new();
        let is_daemon = |application: &&Application| match Daemon::of(application, snapshot, policy) {
            Some(Daemon::Exceeds(exceeds)) => {
                exceeding.push(exceeds);
                true
            }
            Some(Daemon::Configured) => true,
            None => false,
        };
        let (daemons, others): (Vec<&Application>, Vec<&Application>) =
            snapshot.applications.iter().partition(is_daemon);
        let mut names: BTreeSet<&str> = daemons.iter().map(|daemon| daemon.name.as_str()).collect();
        for other in &others {
            names.remove(other.name.as_str());
        }
        let needed = others.into_iter().filter_map(needed).filter(|needed| needed.hosts > 0);
        let needed = needed.max_by_key(|needed| (needed.hosts, Reverse(needed.application.clone())));
        Self { needed, daemons, names, exceeding }
    }

    pub(crate) fn is_daemon(&self, application: &Application) -> bool {
        self.daemons.iter().any(|daemon| std::ptr::eq(*daemon, application))
    }

    /// Whether an agent on its way out runs tasks, and none but those of daemons: by their names, since a size may be that of
    /// another task.
    pub(super) fn only_daemons_run_on(&self, agent: &Candidate) -> bool {
        !agent.applications.is_empty() && agent.applications.iter().all(|name| self.names.contains(name.as_str()))
    }

    /// What the daemons take of each agent: one task of each.
    pub(super) fn on_each_agent(&self) -> Resources {
        self.daemons.iter().map(|daemon| task_of(daemon)).sum()
    }

    /// How many of the tasks of an agent are those of daemons, and what they take.
    pub(crate) fn daemons_on(&self, tasks: &[TaskGroup]) -> (u32, Resources) {
        if self.daemons.is_empty() {
            return (0, Resources::ZERO);
        }
        let sum = |tasks: &[TaskGroup]| -> (u64, Resources) {
            let taken = tasks.iter().map(|group| group.resources.times(group.count.into())).sum();
            (tasks.iter().map(|group| u64::from(group.count)).sum(), taken)
        };
        let ((all, taken), (others, by_others)) = (sum(tasks), sum(&self.without_daemons(tasks)));
        (saturated(all.saturating_sub(others)), taken.saturating_sub(&by_others))
    }

    /// What the daemons take of an agent of that size: one task of each that it can hold.
    pub(crate) fn on_agent(&self, total: &Resources) -> Resources {
        self.daemons.iter().map(|daemon| task_of(daemon)).filter(|task| task.fits_in(total)).sum()
    }

    /// What of them will start on such an agent: of those that run at all. One that runs nowhere may never start.
    pub(super) fn starting_on(&self, total: &Resources) -> Resources {
        self.running().map(task_of).filter(|task| task.fits_in(total)).sum()
    }

    fn running(&self) -> impl Iterator<Item = &'a Application> {
        self.daemons.iter().copied().filter(|daemon| daemon.task_count > 0)
    }

    /// What the tasks of daemons take on so many agents, each with as many as it may hold, at most all there are.
    fn daemons_of(&self, agents: u32) -> Resources {
        let of = |daemon: &&Application| {
            let beyond = daemon.task_count.saturating_sub(most_on(daemon, agents));
            daemon.resources.saturating_sub(&task_of(daemon).times(beyond.into()))
        };
        self.daemons.iter().map(of).sum()
    }

    /// What the daemons will take of empty agents that can hold them: of each daemon that runs at all what it is missing on
    /// usable agents.
    fn starting(&self, snapshot: &ClusterSnapshot) -> Resources {
        let is_empty = |shape: &&AgentShape| shape.free == shape.unreserved;
        let of = |daemon: &Application| {
            let task = task_of(daemon);
            let empty = snapshot.agent_shapes.iter().filter(is_empty).filter(|shape| task.fits_in(&shape.total));
            let empty = empty.fold(0_u32, |sum, shape| sum.saturating_add(shape.count));
            let missing = snapshot.agents.usable.saturating_sub(daemon.task_count.div_ceil(most_on(daemon, 1)));
            task.times(empty.min(missing).into())
        };
        self.running().map(of).sum()
    }

    /// The tasks of an agent but for those of daemons, which are recognized by their size.
    pub(crate) fn without_daemons<'t>(&self, tasks: &'t [TaskGroup]) -> Cow<'t, [TaskGroup]> {
        let is_any = |group: &TaskGroup| group.count > 0;
        if self.daemons.is_empty() && tasks.iter().all(is_any) {
            return tasks.into();
        }
        let mut tasks = tasks.to_vec();
        for daemon in &self.daemons {
            let size = task_of(daemon);
            if let Some(group) = tasks.iter_mut().find(|group| group.resources == size) {
                group.count = group.count.saturating_sub(most_on(daemon, 1));
            }
        }
        tasks.retain(is_any);
        tasks.into()
    }
}

/// How many agents its queued instances take that run none of it, each with as many as it may hold; `None` where nothing limits
/// them.
pub(super) fn for_queued(application: &Application) -> Option<u64> {
    application.max_per_agent.map(|most| application.queued.div_ceil(most.max(1)).into())
}

/// How many tasks of a daemon so many agents hold at most.
fn most_on(daemon: &Application, agents: u32) -> u32 {
    daemon.max_per_agent.unwrap_or(1).max(1).saturating_mul(agents)
}

/// What one task of the application takes.
fn task_of(application: &Application) -> Resources {
    let running = largest(application.tasks.iter().filter(|group| group.count > 0).map(|group| group.resources));
    if running.is_zero() { queued_instance(application) } else { running }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::GroupMembers;

    fn snapshot(instances: usize, queued: u32, max_per_agent: u32) -> ClusterSnapshot {
        let cluster = Cluster::of(9, resources(4, 14_000)).running("/db", instances, resources(1, 1_000));
        let mut snapshot =
            cluster.running("/web", 3, resources(1, 500)).queued("/db", queued, resources(1, 1_000)).snapshot();
        let limited = snapshot.applications.iter_mut().filter(|application| application.name == "/db");
        limited.for_each(|application| application.max_per_agent = Some(max_per_agent));
        snapshot
    }

    fn hosts(snapshot: &ClusterSnapshot, settings: &str) -> Option<u32> {
        Hosts::of(snapshot, &policy(settings).unwrap(), |_, _| true).needed.map(|needed| needed.hosts)
    }

    #[test]
    fn running_and_queued_instances_need_agents_h12() {
        for (instances, queued, max_per_agent, needed) in
            [(4, 0, 1, Some(4)), (4, 1, 2, Some(3)), (0, 8, 2, Some(4)), (0, 0, 1, None), (3, 0, 0, Some(3))]
        {
            assert_eq!(hosts(&snapshot(instances, queued, max_per_agent), ""), needed);
        }
        let snapshot = snapshot(4, 3, 1);
        let unplaceable = Hosts::of(&snapshot, &policy("").unwrap(), |_, _| false);
        assert_eq!(unplaceable.needed.map(|needed| needed.hosts), Some(4), "no agent holds the queued ones");
    }

    #[test]
    fn what_needs_more_agents_than_the_maximum_is_a_daemon_h12() {
        let mut snapshot = snapshot(7, 0, 1);
        assert_eq!(hosts(&snapshot, "max = 7"), Some(7));
        assert_eq!(hosts(&snapshot, "max = 6"), None);
        snapshot.group = Some(GroupMembers { max: 4, outside: 2, ..GroupMembers::default() });
        assert_eq!(hosts(&snapshot, ""), None, "4 of the group and 2 outside");
        assert_eq!(hosts(&snapshot, "max = 7"), Some(7), "the pool's own maximum counts first");
        let policy = policy("max = 9\napplications.\"/db\".daemon = true").unwrap();
        let set = Hosts::of(&snapshot, &policy, |_, _| true);
        assert_eq!((set.needed.is_none(), set.on_each_agent()), (true, resources(1, 1_000)));
        // Of two tasks of its size on an agent, one is the daemon's.
        let group = |count, resources| TaskGroup { count, resources };
        let tasks = [group(2, resources(1, 1_000)), group(1, resources(1, 500))];
        assert_eq!(*set.without_daemons(&tasks), [group(1, resources(1, 1_000)), group(1, resources(1, 500))]);
        assert_eq!(set.without_daemons(&tasks[..1]).len(), 1);
        assert_eq!(*set.without_daemons(&[group(1, resources(1, 1_000))]), []);
    }
}
