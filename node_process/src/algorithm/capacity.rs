//! The pool as it is, and as it would be after some agents left or came: what the steps hand on.

mod places;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use shared::config::Policy;
use shared::contract::{AgentShape, AgentState, Candidate, ClusterSnapshot, PoolResources};
use shared::count::saturated;
use shared::resources::{Kind, Resources};

use super::for_queued::stay_for_queued;
use super::headroom::{Headroom, Rooms};
use super::hosts::{Daemons, Hosts};
use super::new_agent::{self, Belief, NewAgent};
use super::owners::Owners;
use super::scale_down::reason::ForQueued;
use super::step::{StepBy, StepReason};
use super::utilization::Utilization;
use places::Place;

/// What no step changes: the snapshot, the policy, and what follows from the two.
pub(super) struct Pool<'a> {
    pub(super) snapshot: &'a ClusterSnapshot,
    pub(super) policy: &'a Policy,
    /// D8: whether agents are closed before their instances are terminated, by what the pool learns.
    pub(super) closes: bool,
    /// U: what tasks use, wherever in the pool they run, beside daemons. A removed agent's tasks are still there, so it is
    /// constant.
    pub(super) load: Resources,
    /// A: what is believed of new agents.
    pub(super) belief: Belief,
    /// A: what one agent more would bring; `None` where nothing says so.
    pub(super) new_agent: Option<NewAgent>,
    /// H12: what the constraints of applications require.
    pub(super) hosts: Hosts<'a>,
    /// H5: the empty agents that a task may be placed on, each kind of them once: a new one, and those there are.
    places: BTreeSet<Place>,
    /// The usable agents by their shape and what is free, in order, each once.
    pub(super) shapes: Vec<AgentShape>,
    /// H12: what daemons take. They are no load, and go with their agents.
    pub(super) daemons: Daemons,
    /// What is free on all usable agents together.
    free: Resources,
    /// The agents that may leave, in the order in which they would. The last of them stay for what is queued.
    removable: Vec<&'a Candidate>,
    /// D3: how many those are, and for what they stay.
    pub(super) for_queued: Option<ForQueued>,
    /// What the first `n` of them take along, at index `n`.
    leave: Vec<Removed>,
    /// H3: whose tasks of one size are, once that has been asked.
    owners: OnceCell<Owners<'a>>,
    /// H3: the usable agents as room for tasks, once that has been asked.
    rooms: OnceCell<Rooms>,
    /// H: what is needed, once that has been asked.
    headroom: OnceCell<Box<Headroom<'a>>>,
    /// D6: how many of them no other rule asks for, once that has been found out.
    pub(super) spare: OnceCell<usize>,
    /// D7: how many points of a percent more headroom is asked for.
    pub(super) points: u32,
    /// D7: whether the pool is idle, once that has been found out.
    pub(super) is_idle: OnceCell<bool>,
}

/// D3, L2: how many agents may leave now, and what does not allow more.
pub(super) struct ScaleDownStep {
    pub(super) agents: u32,
    pub(super) reason: StepReason,
}

/// What agents take along when they leave.
#[derive(Clone, Copy, Default)]
struct Removed {
    total: Resources,
    /// Their total without what daemons take of it.
    beside_daemons: Resources,
    free: Resources,
    used: Resources,
    task_count: u64,
}

/// The pool without the first `removed` agents that may leave, and with `added` new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    pub(super) removed: usize,
    pub(super) added: u32,
    /// How many usable agents that leaves.
    pub(super) agents: u32,
    /// All they have.
    pub(super) total: Resources,
    /// T: what of it daemons leave, which the percentages are of.
    pub(super) beside_daemons: Resources,
    /// What of it a new task of the default role could take.
    pub(super) free: Resources,
    /// What the tasks of agents that are not usable, or no longer, take: it must be placed again. Those of disconnected agents
    /// are among them only where an agent is removed.
    pub(super) displaced: Resources,
}

impl<'a> Pool<'a> {
    pub(super) fn new(snapshot: &'a ClusterSnapshot, policy: &'a Policy) -> Self {
        let belief = Belief::of(snapshot, policy);
        let shapes = sorted_shapes(snapshot);
        // Shapes with equal places stand together, and there are as many as agents.
        let different = shapes.chunk_by(places::are_alike).filter_map(|equal| equal.first());
        let mut places: BTreeSet<Place> = different.map(|shape| Place::of(&shape.total, shape.unreserved)).collect();
        let hosts = Hosts::of(snapshot, policy, |application, instance| {
            places.iter().any(|place| place.holds(instance, application.gpu_aware))
                || belief.counts.is_some_and(|new_agent| new_agent.holds(instance, application.gpu_aware))
        });
        // H12: a daemon runs on each new agent, too.
        let new_agent = belief.counts.map(|agent| agent.without(&hosts.on_each_agent()));
        places.extend(new_agent.iter().map(|new_agent| Place::of(&new_agent.total, new_agent.unreserved)));
        let daemons = Daemons::of(snapshot, &hosts);
        let is_removable = |candidate: &&Candidate| candidate.state == AgentState::Active && !candidate.protected;
        let removable: Vec<&Candidate> = snapshot.scale_down_candidates.iter().filter(is_removable).collect();
        let mut pool = Self {
            snapshot,
            policy,
            closes: policy.closes(
                &snapshot.source.mesos_version,
                snapshot.group.as_ref().is_some_and(|group| group.closing_refused),
            ),
            load: used_beside(snapshot, &daemons) + daemons.without_displaced(&snapshot.resources.displaced),
            daemons,
            belief,
            new_agent,
            hosts,
            places,
            shapes,
            free: snapshot.agent_shapes.iter().map(|shape| shape.free.times(shape.count.into())).sum(),
            removable,
            for_queued: None,
            leave: Vec::new(),
            owners: OnceCell::new(),
            rooms: OnceCell::new(),
            headroom: OnceCell::new(),
            spare: OnceCell::new(),
            points: 0,
            is_idle: OnceCell::new(),
        };
        if new_agent::is_asked(&pool) {
            // A: those that show what a new agent has stay.
            let Self { belief, removable, .. } = &mut pool;
            removable.retain(|candidate| !belief.is_evidence(&candidate.agent_id));
        }
        let go: Vec<&Candidate> =
            pool.removable.iter().copied().filter(|candidate| pool.may_go_alone(candidate)).collect();
        // Where none can, the rules say why.
        if !go.is_empty() {
            pool.removable = go;
        }
        let mut removable = std::mem::take(&mut pool.removable);
        pool.for_queued = stay_for_queued(&pool, &mut removable);
        pool.removable = removable;
        pool.leave = leave(&pool.removable, &pool.hosts);
        pool
    }

    /// D7: the same pool with settings that ask for so many points more. What a new agent has stays as it is.
    pub(super) fn asking_earlier<'b>(&self, policy: &'b Policy, points: u32) -> Pool<'b>
    where
        'a: 'b,
    {
        Pool {
            snapshot: self.snapshot,
            policy,
            closes: self.closes,
            load: self.load,
            belief: self.belief.clone(),
            new_agent: self.new_agent,
            hosts: self.hosts.clone(),
            places: self.places.clone(),
            shapes: self.shapes.clone(),
            daemons: self.daemons,
            free: self.free,
            removable: self.removable.clone(),
            for_queued: self.for_queued.clone(),
            leave: self.leave.clone(),
            owners: OnceCell::new(),
            rooms: self.rooms.clone(),
            headroom: OnceCell::new(),
            spare: OnceCell::new(),
            points,
            is_idle: OnceCell::new(),
        }
    }

    /// H3: whose tasks of one size are.
    pub(super) fn owners(&self) -> &Owners<'a> {
        self.owners.get_or_init(|| Owners::of(self.snapshot))
    }

    /// H3: the usable agents as room for tasks.
    pub(super) fn rooms(&self) -> &Rooms {
        self.rooms.get_or_init(|| Rooms::of(self))
    }

    /// H: what is needed; the same for every rule that asks.
    pub(super) fn headroom(&self) -> &Headroom<'a> {
        self.headroom.get_or_init(|| Box::new(Headroom::of(self)))
    }

    /// N.
    pub(super) const fn agents(&self) -> u32 {
        self.snapshot.agents.usable
    }

    /// What the percent rules judge, in printing order: the order in the configuration means nothing.
    pub(super) fn considered(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.policy.thresholds.considered.contains(kind))
    }

    /// The pool as the snapshot shows it.
    pub(super) fn observed(&self) -> Capacity {
        self.capacity(0, 0)
    }

    /// The pool without the first `removed` agents that may leave, and with `added` new ones.
    pub(super) fn capacity(&self, removed: usize, added: u32) -> Capacity {
        let leaving = self.leaving(removed);
        let new = self.new_agent.unwrap_or_default();
        let beside_daemons = self.snapshot.resources.total.saturating_sub(&self.daemons.on_usable());
        let new_beside_daemons = self.new_agent_beside_daemons();
        Capacity {
            removed,
            added,
            agents: self.agents().saturating_sub(saturated(removed)).saturating_add(added),
            total: self.snapshot.resources.total.saturating_sub(&leaving.total) + new.total.times(added.into()),
            beside_daemons: beside_daemons.saturating_sub(&leaving.beside_daemons)
                + new_beside_daemons.times(added.into()),
            free: self.free.saturating_sub(&leaving.free) + new.unreserved.times(added.into()),
            displaced: self.displaced(removed) + leaving.used,
        }
    }

    /// H12: whether the percentages are of what daemons leave.
    pub(super) fn has_daemons(&self) -> bool {
        !self.daemons.on_usable().is_zero()
    }

    /// A: what daemons leave of a new agent; nothing where nothing says what it has.
    pub(super) fn new_agent_beside_daemons(&self) -> Resources {
        let total = self.new_agent.unwrap_or_default().total;
        total.saturating_sub(&self.hosts.on_agent(&total))
    }

    /// What is displaced before any agent is removed. A disconnected agent may return with its tasks at any moment, so no agent
    /// is bought for them; but its load has not gone, so no agent is removed that these tasks may need.
    fn displaced(&self, removed: usize) -> Resources {
        let PoolResources { displaced, disconnected, .. } = self.snapshot.resources;
        if removed == 0 {
            return self.daemons.without_leaving(&displaced.saturating_sub(&disconnected));
        }
        self.daemons.without_displaced(&displaced)
    }

    /// D3: how many agents may leave, but for those that stay for what is queued. Above `max` L1 removes these, too.
    pub(super) fn spare_count(&self) -> usize {
        self.removable.len().saturating_sub(self.for_queued.as_ref().map_or(0, |stay| stay.agents))
    }

    /// How many agents may leave at all.
    pub(super) const fn removable_count(&self) -> usize {
        self.removable.len()
    }

    /// The first `removed` agents that may leave.
    pub(super) fn removable(&self, removed: usize) -> impl Iterator<Item = &'a Candidate> + '_ {
        self.removable.iter().take(removed).copied()
    }

    /// How many running tasks must move when the first `removed` agents leave.
    pub(super) fn moving_tasks(&self, removed: usize) -> u64 {
        self.leaving(removed).task_count
    }

    /// Whether so many tasks are more than may move at once.
    pub(super) fn moves_too_many_tasks(&self, removed: usize) -> bool {
        self.policy.limits.max_scale_down_tasks.is_some_and(|limit| self.moving_tasks(removed) > limit.into())
    }

    /// Agents that are on their way out: they drain, or node_scale deactivated them. One that an operator deactivated, or
    /// has drained, may stay as it is for ever, so it stops nothing.
    pub(super) fn decommissioning(&self) -> u32 {
        let counts = |agent: &Candidate| {
            self.policy.scale_down.counts_against_step(agent.decommission_since, self.snapshot.taken_at)
        };
        let is_ours = |agent: &&Candidate| {
            agent.state == AgentState::Deactivated && agent.decommission_tag == Some(true) && counts(agent)
        };
        let ours = self.snapshot.scale_down_candidates.iter().filter(is_ours).count();
        self.draining().saturating_add(saturated(ours))
    }

    /// Agents that drain or are drained, without those that may stay so for ever: an operator has drained them, or their drain
    /// does not end.
    fn draining(&self) -> u32 {
        let stays = |agent: &&Candidate| {
            agent.state == AgentState::Drained && agent.decommission_tag == Some(false) || self.is_drain_overdue(agent)
        };
        let staying = self.snapshot.scale_down_candidates.iter().filter(stays).count();
        self.snapshot.agents.draining.saturating_sub(saturated(staying))
    }

    /// D3: whether its drain should have ended long ago. What is drained is overdue only where nothing says whose it is: an
    /// instance of ours ends as soon as the group is settled.
    pub(super) fn is_drain_overdue(&self, agent: &Candidate) -> bool {
        let may_stay = match agent.state {
            AgentState::Draining => true,
            AgentState::Drained => agent.decommission_tag.is_none(),
            AgentState::Active | AgentState::Deactivated => false,
        };
        let is_overdue = |due| self.policy.scale_down.is_drain_overdue(due, self.snapshot.taken_at);
        may_stay && agent.drain_due.is_some_and(is_overdue)
    }

    /// Whether any agent is on its way out, so that it would come back before another one is requested.
    pub(super) fn has_decommissioning(&self) -> bool {
        let tagged = |agent: &Candidate| agent.state == AgentState::Deactivated && agent.decommission_tag == Some(true);
        self.draining() > 0 || self.snapshot.scale_down_candidates.iter().any(tagged)
    }

    /// Agents that a percentage is a percentage of: usable ones, and those on their way out.
    const fn step_base(&self, decommissioning: u32) -> u32 {
        self.agents().saturating_add(decommissioning)
    }

    /// L2: how many agents one request adds.
    pub(super) fn scale_up_step(&self) -> u32 {
        self.policy.limits.max_scale_up_step.of(self.step_base(self.decommissioning()))
    }

    /// D3: what limits how many agents leave at once.
    pub(super) fn scale_down_step(&self) -> ScaleDownStep {
        let decommissioning = self.decommissioning();
        let is_empty = |candidate: &&&Candidate| candidate.task_count == 0;
        let empty = saturated(self.removable.iter().take_while(is_empty).count());
        // D8
        let (removal, base) = (self.policy.removal(self.closes), self.step_base(decommissioning));
        let at_once = removal.at_once(base, empty.saturating_add(decommissioning));
        let most = removal.strategy.most_decommissioning();
        let by = match most {
            Some(most) if most < at_once => StepBy::MostDecommissioning(most),
            _ if at_once > removal.step.of(base) => StepBy::Empty,
            _ => StepBy::Setting,
        };
        let at_once = at_once.min(most.unwrap_or(u32::MAX));
        let step = StepReason { max: removal.step, by, decommissioning };
        ScaleDownStep { agents: at_once.saturating_sub(decommissioning), reason: step }
    }

    fn leaving(&self, removed: usize) -> Removed {
        self.leave.get(removed).or(self.leave.last()).copied().unwrap_or_default()
    }
}

/// What the first `n` agents take along when they leave, at index `n`.
fn leave(removable: &[&Candidate], hosts: &Hosts<'_>) -> Vec<Removed> {
    let sums = removable.iter().scan(Removed::default(), |sum, candidate| {
        *sum = sum.and(candidate, hosts);
        Some(*sum)
    });
    std::iter::once(Removed::default()).chain(sums).collect()
}

impl Removed {
    fn and(self, candidate: &Candidate, hosts: &Hosts<'_>) -> Self {
        // H12: the tasks of daemons go with their agent.
        let (daemons, daemon_use) = hosts.daemons_on(&candidate.tasks);
        let task_count = candidate.task_count.saturating_sub(daemons);
        // An empty agent counts as if its daemons ran already.
        let is_empty = candidate.task_count == 0;
        let part = if is_empty { hosts.starting_on(&candidate.total) } else { daemon_use };
        Self {
            total: self.total + candidate.total,
            beside_daemons: self.beside_daemons + candidate.total.saturating_sub(&part),
            free: self.free + free_of(candidate),
            used: self.used + candidate.used.saturating_sub(&daemon_use),
            task_count: self.task_count.saturating_add(task_count.into()),
        }
    }
}

impl Capacity {
    /// What of one kind such a load takes of what daemons leave.
    pub(super) fn utilization(&self, load: &Resources, kind: Kind) -> Utilization {
        Utilization { kind, used: load.get(kind), total: self.beside_daemons.get(kind) }
    }

    /// What tasks take to add agents by: nothing is bought for those of disconnected agents.
    pub(super) fn load_to_add(&self, pool: &Pool<'_>) -> Resources {
        used_beside(pool.snapshot, &pool.daemons) + pool.displaced(self.removed)
    }

    /// The considered kind of which such a load takes most; of equal ones the first.
    pub(super) fn highest(&self, pool: &Pool<'_>, load: &Resources) -> Option<Utilization> {
        pool.considered().map(|kind| self.utilization(load, kind)).reduce(Utilization::higher)
    }
}

/// H12: what the tasks on usable agents take, beside daemons.
fn used_beside(snapshot: &ClusterSnapshot, daemons: &Daemons) -> Resources {
    snapshot.resources.used.saturating_sub(&daemons.used)
}

/// Messages may list equal ones apart.
fn sorted_shapes(snapshot: &ClusterSnapshot) -> Vec<AgentShape> {
    fn key(shape: &AgentShape) -> (&Resources, &Resources, &Resources) {
        (&shape.total, &shape.unreserved, &shape.free)
    }
    let mut shapes = snapshot.agent_shapes.clone();
    shapes.retain(|shape| shape.count > 0);
    shapes.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
    shapes.dedup_by(|next, first| {
        let is_equal = key(next) == key(first);
        if is_equal {
            first.count = first.count.saturating_add(next.count);
        }
        is_equal
    });
    shapes
}

/// What a task more could take of the agent. Reservations are taken to be used first, as in the snapshot's shapes.
pub(super) fn free_of(candidate: &Candidate) -> Resources {
    candidate.free.unwrap_or_else(|| {
        let reserved = candidate.total.saturating_sub(&candidate.unreserved);
        candidate.unreserved.saturating_sub(&candidate.used.saturating_sub(&reserved))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::GroupMembers;

    #[test]
    fn agents_take_and_bring_what_no_role_has_reserved_h2() {
        // Of 4 cpus 1 is reserved. With 2 used by the default role, which takes no reservation, 1 is free.
        let agents = Cluster::default().and_reserved(2, resources(4, 14_000), resources(1, 0));
        let cluster = agents.running("/a", 4, resources(1, 1_000));
        let (snapshot, policy) = (cluster.snapshot(), policy("").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        assert_eq!(pool.observed().free.cpus, resources(2, 0).cpus);
        let one_less = pool.capacity(1, 0);
        assert_eq!((one_less.free, one_less.displaced), (resources(1, 12_000), resources(2, 2_000)));
        assert_eq!(pool.capacity(0, 2).free.cpus, resources(2 + 2 * 3, 0).cpus);
        assert_eq!(pool.capacity(0, 2).total, resources(16, 56_000));
    }

    #[test]
    fn agents_that_restart_buy_nothing_h2() {
        // 6 agents of 4 cpus with 18 tasks. Two are away, with their 6 tasks: 12 of 16 cpus are used without these, and 18
        // with them.
        let delta = |cluster: &Cluster, settings: &str| {
            let decision =
                super::super::decide(&cluster.snapshot(), &policy(settings).unwrap(), cluster::NOON).unwrap();
            (decision.delta, decision.agents.disconnected)
        };
        let mut cluster = Cluster::of(6, resources(4, 14_000)).running("/a", 18, resources(1, 1_000));
        let draining = cluster.clone().with_state(0, AgentState::Draining).with_state(1, AgentState::Draining);
        for placement in ["pack", "sum"] {
            let settings = format!("headroom_placement = \"{placement}\"\napplication_headroom_percent = 10");
            assert!(delta(&draining, &settings).0 > 0, "{placement}");
        }
        (0..2).for_each(|number| cluster.disconnect(number));
        for placement in ["pack", "sum"] {
            let settings = format!("headroom_placement = \"{placement}\"\napplication_headroom_percent = 10");
            assert_eq!(delta(&cluster, &settings), (0, 2), "{placement}");
            // L1 expects them back.
            assert_eq!(delta(&cluster, &format!("{settings}\nmin = 6")), (0, 2), "{placement}");
            assert_eq!(delta(&cluster, &format!("{settings}\nmin = 7")), (1, 2), "{placement}");
        }
    }

    #[test]
    fn agents_are_closed_where_the_masters_can_d8() {
        let mut snapshot = Cluster::of(30, resources(4, 14_000)).running("/a", 30, resources(1, 1_000)).snapshot();
        snapshot.notes.clear();
        let decided = |snapshot: &ClusterSnapshot, settings: &str| {
            let settings = format!("{settings}\nscale_down_margin = 0");
            let decision = super::super::decide(snapshot, &policy(&settings).unwrap(), cluster::NOON).unwrap();
            (decision.closes, decision.delta, decision.notes.len())
        };
        assert_eq!(decided(&snapshot, "learn = 98"), (true, -8, 0));
        assert_eq!(decided(&snapshot, "scale_down_strategy = \"drain\""), (false, -3, 0));
        assert_eq!(decided(&snapshot, ""), (false, -1, 0));
        let refused = GroupMembers { closing_refused: true, ..GroupMembers::default() };
        snapshot.group = Some(refused);
        assert_eq!(decided(&snapshot, "learn = 98"), (false, -1, 1));
        assert_eq!(decided(&snapshot, "learn = 98\nscale_down_strategy = \"drain\""), (false, -8, 0));
        snapshot.group = None;
        snapshot.source.mesos_version = "1.8.1".to_owned();
        assert_eq!(decided(&snapshot, "learn = 98"), (false, -1, 1));
    }

    #[test]
    fn the_load_of_disconnected_agents_keeps_others_d1() {
        // 11 of 20 cpus are 55% with the tasks of the disconnected agent, 8 of 20 are 40% without.
        let mut cluster = Cluster::of(6, resources(4, 14_000)).running("/a", 11, resources(1, 1_000));
        cluster.disconnect(5);
        let snapshot = cluster.snapshot();
        assert!(!snapshot.resources.disconnected.is_zero());
        let policy = policy("application_headroom_percent = 0").unwrap();
        let decision = super::super::decide(&snapshot, &policy, cluster::NOON).unwrap();
        assert_eq!((decision.delta, decision.steps[0].clause), (0, shared::clause::Clause::D1));
    }

    #[test]
    fn closed_agents_that_wait_limit_the_step_d3() {
        // A tenth of 300 idle agents, but never more than 20 at once where they are drained.
        let snapshot = Cluster::of(300, resources(4, 14_000)).snapshot();
        let step = |settings: &str| {
            let policy = policy(&format!("scale_down_strategy = \"drain\"\n{settings}")).unwrap();
            let step = Pool::new(&snapshot, &policy).scale_down_step();
            (step.agents, step.reason.by)
        };
        assert_eq!(step("max_scale_down_step = 50"), (20, StepBy::MostDecommissioning(20)));
        assert_eq!(step("max_scale_down_step = 21"), (20, StepBy::MostDecommissioning(20)));
        let few = Cluster::of(200, resources(4, 14_000)).snapshot();
        let policy = policy("scale_down_strategy = \"drain\"\nmax_scale_down_step = 20").unwrap();
        let step = Pool::new(&few, &policy).scale_down_step();
        assert_eq!((step.agents, step.reason.by), (20, StepBy::Setting));
    }
}
