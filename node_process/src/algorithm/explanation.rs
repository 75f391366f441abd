//! A decision with its reasons as types, and the message that is made of it.

use jiff::Timestamp;
use shared::config::{Policy, PoolSource};
use shared::contract::{
    self, AgentCounts, AgentRef, AgentState, Candidate, ClusterSnapshot, CompletenessLevel, PoolResources,
    ScalingDecision, ScalingState, Step, Unplaceable,
};
use shared::count::saturated;
use shared::resources::Resources;
use shared::text::named;
use shared::time;
use uuid::Uuid;

use super::capacity::{Capacity, Pool};
use super::each_alone;
use super::growth::{self, Learned};
use super::hosts::{Daemons, Hosts};
use super::limits;
use super::needed;
use super::ruling::{Reason, Rule, Ruling};

/// How many agents a note names.
const NAMED: usize = 10;

/// A decision with its reasons as types. Sentences are made of them where the message is, and nowhere else.
pub struct Explanation<'a> {
    pub(super) pool: Pool<'a>,
    pub(super) now: Timestamp,
    pub(super) rules: &'static [Rule],
    /// What each rule makes of the pool.
    pub rulings: Vec<Ruling>,
    /// What the limits leave of it.
    pub limited: Ruling,
    /// L4
    pub state: ScalingState,
}

impl<'a> Explanation<'a> {
    /// H12: which applications are daemons, and what they take.
    pub(crate) const fn daemons(&self) -> (&Hosts<'a>, &Daemons) {
        (&self.pool.hosts, &self.pool.daemons)
    }

    /// What the percentages compare: what tasks take beside daemons, and what there is for them.
    pub(crate) fn load(&self) -> (Resources, Resources) {
        (self.pool.load, self.pool.observed().beside_daemons)
    }

    /// How many agents to add; negative: to remove.
    #[must_use]
    pub fn delta(&self) -> i32 {
        let agents = |agents: u32| i32::try_from(agents).unwrap_or(i32::MAX);
        agents(self.limited.capacity.added).saturating_sub(agents(saturated(self.limited.capacity.removed)))
    }

    /// How many usable agents there will then be.
    #[must_use]
    pub const fn target(&self) -> u32 {
        self.limited.agents_after()
    }

    /// D6: the fewest agents that the rules need; `None` where the snapshot does not say.
    #[must_use]
    pub fn needed(&self) -> Option<u32> {
        if self.pool.snapshot.completeness.level != CompletenessLevel::Complete {
            return None;
        }
        Some(match self.pool.policy.source {
            PoolSource::CloudWatch { .. } => self.target(),
            PoolSource::Mesos { .. } => self.needed_in_cluster(),
        })
    }

    fn needed_in_cluster(&self) -> u32 {
        // A: one that is tried is no reason to keep the others. If it were, a trial in each hour would keep them for ever.
        let tried = u32::from(self.tries());
        let needed = |pool: &Pool<'_>, required: Option<Capacity>| match required {
            Some(required) if required.added > tried => required.agents,
            _ => pool.capacity(needed::spare(pool), 0).agents.saturating_add(tried),
        };
        let snapshot = self.pool.snapshot;
        if snapshot.resources.disconnected.is_zero() && snapshot.agents.disconnected == 0 {
            return needed(&self.pool, self.rulings.last().map(|ruling| ruling.capacity));
        }
        // Nothing is bought for the tasks of disconnected agents, but they are needed.
        let resources = PoolResources { disconnected: Resources::ZERO, ..snapshot.resources };
        let agents = AgentCounts { disconnected: 0, ..snapshot.agents };
        let snapshot = ClusterSnapshot { resources, agents, ..snapshot.clone() };
        let pool = Pool::new(&snapshot, self.pool.policy);
        let rules = self.rules.iter().skip(1);
        let required = rules.fold(pool.observed(), |capacity, rule| rule(&pool, capacity).capacity);
        needed(&pool, Some(required))
    }

    /// A: whether one of the agents that the rules add is only tried.
    fn tries(&self) -> bool {
        let is_tried = |ruling: &Ruling| matches!(&ruling.reason, Reason::Headroom(reason) if reason.is_tried);
        self.rulings.iter().any(is_tried)
    }

    /// D7: how many agents beyond those that are needed a scale-down leaves; `None` where none stays.
    #[must_use]
    pub fn margin(&self) -> Option<u32> {
        // C leaves no margin: its thresholds are apart.
        let is_complete = self.pool.snapshot.completeness.level == CompletenessLevel::Complete;
        let has_margin = self.pool.policy.source.needs_masters() && is_complete;
        // Where agents are added, none is spare, and the pool is not idle: that need not be found out.
        let adds = self.rulings.last().is_some_and(|ruling| ruling.capacity.added > 0);
        let margin = has_margin.then(|| {
            if adds {
                self.pool.policy.scale_down.margin
            } else {
                needed::margin(&self.pool, self.limited.capacity.removed)
            }
        });
        margin.filter(|margin| *margin > 0)
    }

    /// H9: what the pool has learned; `None` where it does not learn, or does not know yet.
    #[must_use]
    pub fn learned(&self) -> Option<Learned> {
        growth::learned(&self.pool)
    }

    /// The message.
    #[must_use]
    pub fn decision(&self) -> ScalingDecision {
        ScalingDecision { id: id(self.pool.snapshot, self.pool.policy), ..self.unidentified_decision() }
    }

    pub(super) fn unidentified_decision(&self) -> ScalingDecision {
        let Pool { snapshot, policy, .. } = self.pool;
        let wanted = limits::wanted(&self.pool, &self.rulings, self.now);
        ScalingDecision {
            id: Uuid::nil(),
            snapshot_id: Some(snapshot.id),
            snapshot_taken_at: time::truncate(snapshot.taken_at),
            decided_at: time::truncate(self.now),
            expires_at: time::truncate(policy.timing.expires_at(snapshot.taken_at)),
            pool: snapshot.pool.clone(),
            agents: snapshot.agents,
            group: snapshot.group.clone(),
            delta: self.delta(),
            target: self.target(),
            wanted,
            needed: self.needed(),
            margin: self.margin(),
            closes: self.pool.closes,
            tries: wanted > 0 && self.tries(),
            state: self.state,
            completeness: Some(snapshot.completeness.level),
            unreachable_after_seconds: snapshot.source.unreachable_after_seconds,
            mesos_version: Some(snapshot.source.mesos_version.clone()).filter(|version| !version.is_empty()),
            steps: self.steps(),
            unplaceable: self.unplaceable(),
            not_counted: snapshot.not_counted.clone(),
            notes: self.notes(),
            scale_down_agents: self.pool.removable(self.limited.capacity.removed).map(AgentRef::from).collect(),
            decommissioning_agents: self.decommissioning_agents(),
        }
    }

    fn steps(&self) -> Vec<Step> {
        let alone = each_alone::agents(&self.pool, self.rules, &self.rulings).into_iter().map(Some);
        let rulings = self.rulings.iter().chain([&self.limited]);
        rulings.zip(alone.chain([None])).map(|(ruling, agents_alone)| step(ruling, agents_alone)).collect()
    }

    /// What an operator should fix or settle: what node_gather found, a belief about new agents that is refuted, and what counts as a
    /// daemon.
    fn notes(&self) -> Vec<String> {
        let refuted = self.pool.belief.refuted.iter().map(ToString::to_string);
        let daemons = self.pool.hosts.exceeding.iter().map(ToString::to_string);
        let own = self.pool.snapshot.notes.iter().cloned().chain(refuted).chain(daemons);
        own.chain(self.cannot_close()).chain(self.hanging_drains()).collect()
    }

    /// D3: agents whose drain does not end.
    fn hanging_drains(&self) -> Option<String> {
        let candidates = self.pool.snapshot.scale_down_candidates.iter();
        let hangs = |agent: &&Candidate| agent.state == AgentState::Draining && self.pool.is_drain_overdue(agent);
        let hanging: Vec<&Candidate> = candidates.filter(hangs).collect();
        let due = hanging.iter().filter_map(|agent| agent.drain_due).min()?;
        let names: Vec<&str> = hanging.iter().map(|agent| agent.hostname.as_str()).collect();
        Some(format!(
            "the drain of {} does not end (it should have by {}): it no longer counts against max_scale_down_step; check the tasks \
             there, or terminate the instance",
            named(&names, NAMED)?,
            time::format(due)
        ))
    }

    /// D8: why agents are not closed although the pool learns.
    fn cannot_close(&self) -> Option<String> {
        let Pool { snapshot, policy, closes, .. } = self.pool;
        if closes || policy.scale_down.fallback.is_none() {
            return None;
        }
        let version = &snapshot.source.mesos_version;
        let why = match policy.scale_down.strategy.needs_newer_mesos(version) {
            Some(needs) => format!("that needs Mesos {needs} or later, and the master is {version}"),
            None => "the masters refused it; the outcomes of node_scale say why".to_owned(),
        };
        Some(format!("agents cannot be closed, so that they are removed as without learn: {why}"))
    }

    /// The agents on their way out, with what decides about their tasks.
    fn decommissioning_agents(&self) -> Vec<AgentRef> {
        let candidates = self.pool.snapshot.scale_down_candidates.iter();
        let leaving = candidates.filter(|candidate| candidate.state != AgentState::Active);
        let agent = |candidate| AgentRef {
            only_daemons: self.pool.hosts.only_daemons_run_on(candidate),
            no_place: candidate.sole_host || self.pool.has_no_place(candidate),
            drain_overdue: self.pool.is_drain_overdue(candidate),
            ..AgentRef::from(candidate)
        };
        leaving.map(agent).collect()
    }

    fn unplaceable(&self) -> Vec<Unplaceable> {
        let of_ruling = |ruling: &Ruling| match &ruling.reason {
            Reason::Headroom(reason) => reason.unplaceable.iter().map(unplaceable).collect(),
            Reason::ScaleDown(_) | Reason::ScaleUp(_) | Reason::Cpu(_) | Reason::Limits(_) => Vec::new(),
        };
        self.rulings.iter().flat_map(of_ruling).collect()
    }
}

fn step(ruling: &Ruling, agents_alone: Option<u32>) -> Step {
    Step {
        clause: ruling.clause,
        agents_before: ruling.agents_before(),
        agents_after: ruling.agents_after(),
        agents_alone,
        reason: ruling.reason.to_string(),
        application: ruling.application.clone(),
    }
}

fn unplaceable(found: &super::headroom::reason::Unplaceable) -> Unplaceable {
    Unplaceable { application: found.application.clone(), reason: found.to_string() }
}

/// The same snapshot, pool and policy always have the same id, whoever decides and when: a decision that is delivered or
/// made twice can be recognized.
fn id(snapshot: &ClusterSnapshot, policy: &Policy) -> Uuid {
    // A policy has names, numbers and lists only, for which JSON always has a form.
    let content = serde_json::to_vec(&(snapshot.id, &snapshot.pool, policy)).unwrap_or_default();
    Uuid::new_v5(&contract::NAMESPACE, &content)
}

#[cfg(test)]
mod tests {
    use cluster::{Cluster, NOON, policy, resources};
    use shared::contract::{AgentState, Application, ClusterSnapshot, CompletenessLevel, GroupMembers, TaskGroup};
    use shared::resources::Resources;

    use super::super::decide;

    #[test]
    fn a_decision_says_what_keeps_agents_on_their_way_out_d8() {
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/db", 1, resources(1, 1_000));
        let mut snapshot = cluster.with_state(0, AgentState::Deactivated).snapshot();
        let leaving = snapshot.scale_down_candidates.iter_mut().find(|agent| agent.state != AgentState::Active);
        let leaving = leaving.unwrap();
        assert_eq!(leaving.applications, ["/db"]);
        leaving.protected = true;
        let of = |snapshot: &ClusterSnapshot, settings: &str| {
            let agent = decide(snapshot, &policy(settings).unwrap(), NOON).unwrap().decommissioning_agents.remove(0);
            (agent.protected, agent.only_daemons, agent.no_place)
        };
        assert_eq!(of(&snapshot, ""), (true, false, false));
        let daemon = "applications.\"/db\".daemon = true";
        assert_eq!(of(&snapshot, daemon), (true, true, false));
        // Another application of that name is none.
        let other = Application { max_per_agent: Some(1), task_count: 9, ..snapshot.applications[0].clone() };
        let mut two = snapshot.clone();
        two.applications.push(other);
        assert_eq!(of(&two, "max = 8"), (true, false, false));
        // A task of 5 cpus fits no other agent.
        let leaving = snapshot.scale_down_candidates.iter_mut().find(|agent| agent.state != AgentState::Active);
        leaving.unwrap().tasks[0].resources = resources(5, 1_000);
        assert_eq!(of(&snapshot, ""), (true, false, true));
        assert_eq!(of(&snapshot, "headroom_placement = \"sum\""), (true, false, true));
    }

    #[test]
    fn with_sum_too_what_has_no_other_place_is_reactivated_a1() {
        let closed = |cpus| {
            let cluster = Cluster::of(1, resources(16, 56_000)).running("/large", 1, resources(cpus, 6_000));
            let snapshot = cluster.and(4, resources(4, 14_000)).with_state(0, AgentState::Deactivated).snapshot();
            ["sum", "pack"].map(|placement| {
                let policy = policy(&format!("headroom_placement = {placement:?}")).unwrap();
                decide(&snapshot, &policy, NOON).unwrap().decommissioning_agents.remove(0).no_place
            })
        };
        assert_eq!([closed(4), closed(5)], [[false; 2], [true; 2]]);
    }

    #[test]
    fn a_sole_host_is_reactivated_instead_of_drained_h12() {
        let cluster = Cluster::of(3, resources(4, 14_000)).running("/db", 1, resources(1, 1_000));
        let mut snapshot = cluster.with_state(0, AgentState::Deactivated).snapshot();
        for (sole_host, placement) in [(true, "pack"), (true, "sum"), (false, "pack")] {
            snapshot.scale_down_candidates.iter_mut().for_each(|agent| agent.sole_host = sole_host);
            let policy = policy(&format!("headroom_placement = {placement:?}")).unwrap();
            let leaving = decide(&snapshot, &policy, NOON).unwrap().decommissioning_agents.remove(0);
            assert_eq!(leaving.no_place, sole_host, "{placement}");
        }
    }

    #[test]
    fn a_decision_carries_the_group_of_its_snapshot() {
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).snapshot();
        let policy = policy("").unwrap();
        assert_eq!(decide(&snapshot, &policy, NOON).unwrap().group, None);
        let group = GroupMembers { desired: 3, joined: 2, not_joined_count: 1, ..GroupMembers::default() };
        snapshot.group = Some(group.clone());
        assert_eq!(decide(&snapshot, &policy, NOON).unwrap().group, Some(group));
    }

    #[test]
    fn a_task_with_gpus_has_its_place_on_agents_with_gpus_d8() {
        let mut gpus = resources(4, 14_000);
        gpus.gpus = shared::resources::Amount::from_thousandths(1_000);
        let of = |cluster: Cluster| cluster.with_state(0, AgentState::Deactivated).snapshot();
        let agents = Cluster::of(3, gpus);
        let (plain, aware) = (of(agents.clone()), of(agents.gpu_aware(&["/a"]).running("/a", 3, resources(1, 100))));
        let no_place = |snapshot: &ClusterSnapshot, task: Resources| {
            let mut snapshot = snapshot.clone();
            let leaving = snapshot.scale_down_candidates.iter_mut().find(|agent| agent.state != AgentState::Active);
            leaving.unwrap().tasks = vec![TaskGroup { count: 1, resources: task }];
            decide(&snapshot, &policy("").unwrap(), NOON).unwrap().decommissioning_agents.remove(0).no_place
        };
        // Mesos keeps others off these agents. A task without gpus may be that of a framework that knows of them.
        let small = resources(1, 100);
        assert_eq!([gpus, small].map(|task| no_place(&plain, task)), [false, true]);
        assert_eq!([gpus, small].map(|task| no_place(&aware, task)), [false, false]);
        assert!(no_place(&aware, resources(1, 101)), "no application has such tasks");
    }

    #[test]
    fn a_decision_says_what_stays_beyond_what_is_needed_d7() {
        let cluster = |tasks| Cluster::of(10, resources(4, 14_000)).running("/a", tasks, resources(1, 100));
        let margin = |snapshot: &ClusterSnapshot, settings: &str| {
            let settings = format!("application_headroom_percent = 100\nmax_scale_down_step = 9\n{settings}");
            decide(snapshot, &policy(&settings).unwrap(), NOON).unwrap().margin
        };
        let mut snapshot = cluster(16).snapshot();
        assert_eq!(margin(&snapshot, "scale_down_margin = 2"), Some(2));
        assert_eq!(margin(&snapshot, "scale_down_margin = 0"), None);
        // Where agents are added none is spare, and so many stay later.
        assert_eq!(margin(&cluster(36).snapshot(), "scale_down_margin = 2"), Some(2));
        // An idle pool leaves none.
        assert_eq!(margin(&cluster(1).snapshot(), "scale_down_margin = 2"), None);
        // What an incomplete snapshot lacks may be tasks, and C leaves none.
        snapshot.completeness.level = CompletenessLevel::Partial;
        assert_eq!(margin(&snapshot, "scale_down_margin = 2"), None);
        let web = policy("source = \"cloudwatch\"\nmin = 3").unwrap();
        assert_eq!(decide(&cluster::group_snapshot(5, Some(10.0)), &web, NOON).unwrap().margin, None);
    }

    #[test]
    fn a_decision_carries_the_version_of_the_masters() {
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).snapshot();
        let version = |snapshot: &ClusterSnapshot| decide(snapshot, &policy("").unwrap(), NOON).unwrap().mesos_version;
        assert_eq!(version(&snapshot).as_deref(), Some(snapshot.source.mesos_version.as_str()));
        snapshot.source.mesos_version.clear();
        assert_eq!(version(&snapshot), None);
    }
}
