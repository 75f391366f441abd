//! H5, D3: which agents have room for a task, and which would have it if they were empty.

use shared::config::HeadroomPlacement;
use shared::contract::{AgentShape, AgentState, Candidate, TaskGroup};
use shared::resources::Resources;

use super::{Pool, Removed, free_of};

/// An empty agent: what a task of the default role can take of it, and whether it has gpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    unreserved: Resources,
    has_gpus: bool,
}

impl Place {
    pub(super) const fn of(total: &Resources, unreserved: Resources) -> Self {
        Self { unreserved, has_gpus: !total.gpus.is_zero() }
    }

    pub(super) fn holds(&self, task: &Resources, is_gpu_aware: bool) -> bool {
        (is_gpu_aware || !self.has_gpus) && task.fits_in(&self.unreserved)
    }
}

/// Shapes that differ at most in what is free.
pub(super) fn are_alike(one: &AgentShape, other: &AgentShape) -> bool {
    (&one.total, &one.unreserved) == (&other.total, &other.unreserved)
}

impl Pool<'_> {
    /// D3, 1: whether nothing that the agent runs keeps it there, however many others stay.
    pub(super) fn may_go_alone(&self, candidate: &Candidate) -> bool {
        let moving = || Removed::default().and(candidate, &self.hosts).task_count;
        if self.policy.limits.max_scale_down_tasks.is_some_and(|limit| moving() > limit.into()) {
            return false;
        }
        match self.policy.headroom.placement {
            HeadroomPlacement::Pack => self.others_have_room(candidate),
            HeadroomPlacement::Sum => self.others_hold(candidate, &[candidate]),
        }
    }

    fn others_have_room(&self, candidate: &Candidate) -> bool {
        let own = free_of(candidate);
        let others = || self.shapes.iter().filter(|of| of.count > 1 || of.free != own || of.total != candidate.total);
        let is_offered =
            |of: &AgentShape, task: &Resources| of.total.gpus.is_zero() || self.owners().are_gpu_aware(task);
        let has_room = |TaskGroup { resources: task, .. }: &TaskGroup| {
            others().any(|other| task.fits_in(&other.free) && is_offered(other, task))
        };
        self.hosts.without_daemons(&candidate.tasks).iter().all(has_room)
    }

    /// H5: whether some empty agent would hold such a task, a new one or one like those there are.
    pub(in super::super) fn has_place(&self, task: &Resources, is_gpu_aware: bool) -> bool {
        self.places.iter().any(|place| place.holds(task, is_gpu_aware))
    }

    /// H5, A1: whether the agent, on its way out, runs a task that no other agent would hold.
    pub(in super::super) fn has_no_place(&self, agent: &Candidate) -> bool {
        let has_place =
            |task: &TaskGroup| self.has_place(&task.resources, self.owners().are_gpu_aware(&task.resources));
        match self.policy.headroom.placement {
            HeadroomPlacement::Pack => !self.hosts.without_daemons(&agent.tasks).iter().all(has_place),
            HeadroomPlacement::Sum => !self.others_hold(agent, &[]),
        }
    }

    /// D3, 6: where totals are compared, whether each task that must move would be held by an agent that stays, or by a new one,
    /// if it were empty. If not, the agent would be reactivated instead of drained (A1), and closed again.
    pub(in super::super) fn moved_tasks_have_places(&self, removed: usize) -> bool {
        let gone: Vec<&Candidate> = self.removable(removed).collect();
        let leaving = self.snapshot.scale_down_candidates.iter().filter(|agent| agent.state != AgentState::Active);
        let mut moving = leaving.filter(|agent| self.others_hold(agent, &[])).chain(gone.iter().copied());
        moving.all(|agent| self.others_hold(agent, &gone))
    }

    /// Whether each task of the agent would be held by a new agent, or by one that stays where these are gone.
    fn others_hold(&self, agent: &Candidate, gone: &[&Candidate]) -> bool {
        let has_reservations = agent.unreserved != agent.total;
        let holds = |total: &Resources, unreserved: &Resources, task: &Resources| {
            // A task may run in a reservation, and nothing says in which: those of other agents are for it as well.
            let part = if has_reservations { total } else { unreserved };
            Place::of(total, *part).holds(task, self.owners().are_gpu_aware(task))
        };
        let stays = |alike: &[AgentShape], shape: &AgentShape| {
            let count = alike.iter().map(|shape| u64::from(shape.count)).fold(0, u64::saturating_add);
            let is_gone = |gone: &&&Candidate| (&gone.total, &gone.unreserved) == (&shape.total, &shape.unreserved);
            usize::try_from(count).is_ok_and(|count| count > gone.iter().filter(is_gone).count())
        };
        let has_place = |TaskGroup { resources: task, .. }: &TaskGroup| {
            let is_new = self.new_agent.is_some_and(|new_agent| holds(&new_agent.total, &new_agent.unreserved, task));
            is_new
                || self.shapes.chunk_by(are_alike).any(|alike| {
                    let one = |shape: &AgentShape| holds(&shape.total, &shape.unreserved, task) && stays(alike, shape);
                    alike.first().is_some_and(one)
                })
        };
        self.hosts.without_daemons(&agent.tasks).iter().all(has_place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, NOON, TaskSpec, policy, resources};
    use shared::contract::ClusterSnapshot;
    use shared::resources::Amount;

    const LARGE: Resources = resources(16, 56_000);
    const SMALL: Resources = resources(4, 14_000);

    /// Large agents first, each with a task of that size; then small ones, half in use.
    fn two_sizes(large: u32, task: Resources) -> Cluster {
        let mut cluster = Cluster::of(large as usize, LARGE).and(8, SMALL);
        let frameworks = ["/large", "/web"].map(|name| cluster.framework_of(name));
        for agent in 0..large + 8 {
            let (framework, name, size) = if agent < large {
                (frameworks[0], "/large", task)
            } else {
                (frameworks[1], "/web", resources(2, 6_000))
            };
            let spec = TaskSpec { application: name.to_owned(), resources: size };
            cluster.start_on(agent, framework, spec, NOON).unwrap();
        }
        cluster
    }

    fn removed(snapshot: &ClusterSnapshot, settings: &str) -> Vec<String> {
        let settings = format!(
            "headroom_placement = \"sum\"\nnew_agent = {{ cpus = 4, mem = 14000 }}\nscale_down_margin = 0\nmin = 0\n\
             max_scale_down_step = 2\nscale_down_threshold_percent = 79\n{settings}"
        );
        let decision = crate::decide(snapshot, &policy(&settings).unwrap(), NOON).unwrap();
        decision.scale_down_agents.into_iter().map(|agent| agent.hostname).collect()
    }

    #[test]
    fn with_sum_an_agent_stays_whose_task_no_other_would_hold_d3() {
        for strategy in ["", "scale_down_strategy = \"drain\""] {
            let first =
                |large, cpus| removed(&two_sizes(large, resources(cpus, 6_000)).snapshot(), strategy).first().cloned();
            assert_eq!(first(1, 4).as_deref(), Some("agent-0"), "{strategy}");
            let other = first(1, 5);
            assert!(other.is_some() && other.as_deref() != Some("agent-0"), "{strategy}: {other:?}");
            // The other large one would hold it, though not both go.
            let two = removed(&two_sizes(2, resources(5, 6_000)).snapshot(), strategy);
            assert_eq!(two, ["agent-0"], "{strategy}");
        }
    }

    #[test]
    fn with_sum_the_task_of_an_agent_on_its_way_out_keeps_its_only_other_place_d3() {
        let closed = |cpus| {
            let mut snapshot = two_sizes(2, resources(cpus, 6_000)).with_state(0, AgentState::Deactivated).snapshot();
            // The other one runs a small task.
            let other = snapshot.scale_down_candidates.iter_mut().find(|agent| agent.hostname == "agent-1").unwrap();
            other.tasks[0].resources = resources(2, 6_000);
            removed(&snapshot, "")
        };
        assert!(closed(4).contains(&"agent-1".to_owned()));
        assert!(!closed(5).contains(&"agent-1".to_owned()));
    }

    #[test]
    fn with_sum_tasks_may_run_in_the_reservations_of_others_d3() {
        let agents = Cluster::default().and_reserved(4, SMALL, resources(3, 12_000));
        let cluster = agents.running("/a", 1, resources(1, 1_000));
        let mut snapshot = cluster.snapshot();
        for agent in &mut snapshot.scale_down_candidates {
            agent.tasks.iter_mut().for_each(|group| group.resources = resources(3, 1_000));
        }
        assert_eq!(removed(&snapshot, "max_scale_down_tasks = 9").len(), 2);
    }

    #[test]
    fn with_sum_agents_with_gpus_hold_no_task_of_others_d3() {
        let gpus = Resources { gpus: Amount::from_thousandths(1_000), ..LARGE };
        let stays = |aware: &[&str]| {
            let mut cluster = two_sizes(1, resources(5, 6_000)).and(1, gpus).gpu_aware(aware);
            cluster.protect(9);
            !removed(&cluster.snapshot(), "").contains(&"agent-0".to_owned())
        };
        assert_eq!([stays(&[]), stays(&["/large", "/web"])], [true, false]);
    }
}
