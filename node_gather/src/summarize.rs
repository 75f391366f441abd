//! Makes one [`ClusterSnapshot`] per pool from a /state. Pure: no clock, no network, no log.
//!
//! A [`ClusterState`] collects what the reader finds, [`summarize()`] makes the snapshots.
//!
//! The result does not depend on the order in which the master lists agents, frameworks and tasks.

mod agents;
mod applications;
mod cluster_state;
mod completeness;
mod counts;
mod ids;
mod interned;
mod latest;
mod misses;
mod names;
mod pool;
mod queued;
mod roles;
mod seen;
mod set_aside;
mod sizes;
mod values;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::{
    AgentCounts, AgentShape, Application, ClusterSnapshot, CompletenessLevel, GroupMembers, Source, TaskGroup,
};
use shared::count::saturated;
use shared::daemon::Daemon;
use shared::resources::{Amount, Kind, Resources};
use shared::time::truncate;
use uuid::Uuid;

use crate::finding;
use crate::marathon::constraints::Constraints;
use crate::marathon::definitions::ByApplication;
use crate::marathon::{Answer, Observed};
use crate::members::{Descriptions, Group, Members, PoolGroup, PoolMembers, match_members};
use crate::mesos::state::{Attributes, Bears, Framework, OddField};

use applications::Key;
pub(crate) use applications::fold_smallest;
pub use cluster_state::{ClusterState, TaskKind};
use pool::Limited;
pub(crate) use pool::merge_shapes;
pub use pool::{Asked, Stays, is_usable};
use queued::{Scheduler, Servers, Uncounted};
pub use roles::Capacity;
pub use seen::SeenAttributes;

/// The snapshots, and the agents that are in none of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One per pool, in the order of the policies.
    pub snapshots: Vec<ClusterSnapshot>,
    /// By pool: the queued instances that do not count, but are part of its demand (H7).
    pub backing_off: BTreeMap<String, Vec<TaskGroup>>,
    /// How many registered agents belong to no pool.
    pub agents_of_no_pool: u32,
    /// Their attributes.
    pub attributes_of_no_pool: SeenAttributes,
    /// The agent that was asked for, where it is no candidate.
    pub asked: Option<Asked>,
}

/// Makes one snapshot of each pool. `marathon` is what is known of Marathon, `master` is the URL to name as the
/// source, `taken_at` the time of the request.
#[must_use]
pub fn summarize(state: ClusterState, marathon: &Observed, master: &str, taken_at: Timestamp) -> Summary {
    let summary = summarize_unidentified(state, marathon, master, taken_at);
    Summary { snapshots: summary.snapshots.into_iter().map(ClusterSnapshot::identified).collect(), ..summary }
}

/// The same without the ids of the snapshots, for a simulation: an id is a digest of the whole snapshot as JSON, which takes as
/// long as everything else.
#[must_use]
pub fn summarize_unidentified(
    mut state: ClusterState,
    marathon: &Observed,
    master: &str,
    taken_at: Timestamp,
) -> Summary {
    let taken_at = truncate(taken_at);
    state.close();
    let described = std::mem::take(&mut state.described);
    let identities = std::mem::take(&mut state.identities);
    let groups = groups(&state, &described, taken_at);
    let Members { placements, pools: members } =
        match_members(&groups, &identities, &described.lookup, state.claims.take().as_deref());
    // A good part of the memory where agents are many.
    drop(identities);
    let constraints = constraints(marathon);
    let tasks = state.end(&placements, &constraints);
    let mut pools = std::mem::take(&mut state.pools);
    let shapes: Vec<Vec<AgentShape>> = pools.iter_mut().map(pool::Pool::take_shapes).collect();
    let zones = |policy: &Policy| described.group(&policy.group).map(|group| group.zones.clone()).unwrap_or_default();
    let values: Vec<_> = pools.iter_mut().map(|pool| (std::mem::take(&mut pool.values), zones(&pool.policy))).collect();
    let mut applications = applications::by_pool(&state, tasks);
    let most_on_an_agent = pools.iter().flat_map(pool::Pool::most_on_an_agent);
    let of_others = applications::of_other_marathons(&state, most_on_an_agent, &constraints);
    applications.iter_mut().for_each(|applications| applications.set_aside(&of_others));
    let mut left_out = vec![Uncounted::default(); pools.len()];
    let group = |members: &Option<PoolMembers>| members.as_ref().map(|of| of.members.most_agents());
    let maxima = state.policies.iter().zip(&members);
    let most: Vec<Option<u32>> = maxima.map(|(policy, members)| policy.limits.max.or_else(|| group(members))).collect();
    let mut in_all_pools = BTreeMap::new();
    if let Answer::Known(queued) = &marathon.queue {
        let unreserved: Vec<_> = pools.iter().map(|pool| pool.unreserved).collect();
        let servers = Servers {
            policies: &state.policies,
            shapes: &shapes,
            values: &values,
            unreserved: &unreserved,
            most: &most,
        };
        left_out = servers.count_in(&mut applications, queued, scheduler(&state.frameworks), taken_at);
        in_all_pools = applications::in_all_pools(&applications, &most, &constraints, queued);
    }
    let names = state.policies.iter().map(|policy| policy.pool.clone());
    let backing_off = names.zip(left_out.iter_mut().map(|left_out| std::mem::take(&mut left_out.demand))).collect();
    applications.iter_mut().for_each(|applications| applications.limit_hosts(&constraints, &in_all_pools));
    let notes: Vec<Vec<String>> =
        state.policies.iter().map(|policy| misses::notes(policy, &state, &marathon.queue)).collect();
    let mut asked = None;
    let snapshots = pools.into_iter().zip(shapes).zip(applications).zip(left_out).zip(members).zip(notes);
    let snapshots = snapshots.map(|(((((mut pool, agent_shapes), applications), left_out), members), notes)| {
        let own = applications.constraints(&constraints, &pool.policy.attributes);
        let mut findings = completeness::findings(&pool, &state, marathon, taken_at);
        // Otherwise the tasks of that name may be missing.
        let is_complete = findings.iter().all(|finding| finding.level() == CompletenessLevel::Complete);
        let mut notes = if is_complete { notes } else { Vec::new() };
        notes.extend(completeness::odd_definitions_note(marathon, taken_at));
        notes.extend(completeness::disconnected_note(&state.frameworks));
        notes.extend(left_out.note);
        findings.extend(completeness::group_findings(&pool, &described, members.as_ref()));
        let mut snapshot = ClusterSnapshot {
            id: Uuid::nil(),
            taken_at,
            pool: pool.policy.pool.clone(),
            source: Source {
                master: master.to_owned(),
                mesos_version: state.master.version.clone(),
                cluster: state.master.cluster.clone(),
                elected_at: state.master.elected_at,
                unreachable_after_seconds: state.master.unreachable_after.map(seconds_up),
            },
            completeness: finding::completeness(findings),
            agents: AgentCounts { unreachable: state.master.unreachable_agents, ..pool.counts },
            resources: pool.resources,
            group: members.map(|members| GroupMembers {
                closing_refused: lasts(&described, &pool.policy, |group| group.closing_refused_until, taken_at),
                tried: lasts(&described, &pool.policy, |group| group.tried_until, taken_at),
                tagged_active: has_tags(&described, &pool.policy).then(|| std::mem::take(&mut pool.tagged_active)),
                ..members.members
            }),
            reserved_role: pool.reserved_role.take(),
            agent_shapes,
            latest_agents: pool.take_latest(),
            decommissioning_omitted: 0,
            free_floor: None,
            scale_down_candidates: Vec::new(),
            applications: applications.into_list(),
            growth: None,
            not_counted: left_out.listed,
            notes,
            cpu_utilization_percent: None,
        };
        let limited = limited(&snapshot, &pool.policy, &own);
        let candidates = pool.take_candidates(|application| limited.get(&Key::of(&state, application)?).cloned());
        snapshot.scale_down_candidates = candidates;
        if let Some(found) =
            state.asked.as_ref().and_then(|name| pool.take_asked(name, &snapshot.scale_down_candidates))
        {
            asked = Some(found);
        }
        let ClusterSnapshot { applications, scale_down_candidates, agent_shapes, .. } = &mut snapshot;
        sizes::limit(applications, scale_down_candidates, pool.policy.new_agent, agent_shapes);
        snapshot
    });
    Summary {
        snapshots: snapshots.collect(),
        asked,
        backing_off,
        agents_of_no_pool: state.agents_of_no_pool,
        attributes_of_no_pool: state.attributes_of_no_pool,
    }
}

/// The constraints of applications: those of their definitions, and of what is queued, of which there may be several versions.
fn constraints(marathon: &Observed) -> ByApplication {
    let mut all = match &marathon.definitions {
        Answer::Known(definitions) => definitions.constraints.clone(),
        Answer::NotAsked | Answer::Unknown { .. } => ByApplication::new(),
    };
    let Answer::Known(queued) = &marathon.queue else { return all };
    for queued in queued.iter().filter(|queued| !queued.constraints.is_empty()) {
        let own = all.entry(queued.application.clone()).or_default();
        *own = std::mem::take(own).and(queued.constraints.clone());
    }
    all
}

/// The applications of a pool that not every agent may run, or not in any number, but for daemons, which run on every agent.
/// `constraints` are those that tell its agents apart.
fn limited<'s>(
    snapshot: &'s ClusterSnapshot,
    policy: &Policy,
    constraints: &BTreeMap<Key<'_>, Constraints>,
) -> BTreeMap<Key<'s>, Limited> {
    let limited = |application: &'s Application| {
        let key = Key::of_listed(application);
        let is_daemon = || Daemon::of(application, snapshot, policy).is_some();
        let constraints = constraints.get(&key).filter(|_| !is_daemon())?.clone();
        let max_per_agent = application.max_per_agent.unwrap_or(u32::MAX);
        let queued = TaskGroup { count: application.queued, resources: application.queued_instance() };
        Some((key, Limited { max_per_agent, constraints, queued, gpu_aware: application.gpu_aware }))
    };
    snapshot.applications.iter().filter_map(limited).collect()
}

/// Marathon among the frameworks, by its tasks. Without any, each framework without tasks may be it. A framework's GPU
/// capability holds for all its applications, also for those without tasks.
fn scheduler(frameworks: &[Framework]) -> Scheduler<'_> {
    let that_bear = |bears: Bears| frameworks.iter().filter(move |framework| framework.bears == bears);
    let is_known = that_bear(Bears::MarathonTasks).next().is_some();
    let candidates = || that_bear(if is_known { Bears::MarathonTasks } else { Bears::NoTask });
    let gpu_aware = candidates().any(|framework| framework.gpu_aware);
    let first = candidates().next().filter(|_| is_known);
    let only = first.filter(|first| candidates().all(|framework| framework.name == first.name));
    Scheduler { framework: only.map_or("marathon", |framework| framework.name.as_str()), gpu_aware }
}

/// The groups of the pools that are known.
fn groups<'d>(state: &ClusterState, described: &'d Descriptions, taken_at: Timestamp) -> Vec<Option<PoolGroup<'d>>> {
    let group = |policy: &Arc<Policy>| {
        let timeout = SignedDuration::try_from(policy.timing.join_timeout).unwrap_or(SignedDuration::MAX);
        let joining_since = taken_at.saturating_sub(timeout).unwrap_or(Timestamp::MIN);
        Some(PoolGroup {
            group: described.group(&policy.group)?,
            joining_since,
            registrations_are_new: state.master.elected_at.is_some_and(|elected_at| elected_at <= joining_since),
        })
    };
    state.policies.iter().map(group).collect()
}

/// Whether node_scale decommissions agents of the pool.
fn has_tags(described: &Descriptions, policy: &Policy) -> bool {
    described.group(&policy.group).is_some_and(|group| !group.decommissioning.is_empty())
}

/// Whether what the tags of the pool's group say until some time still holds.
fn lasts(
    described: &Descriptions,
    policy: &Policy,
    until: impl FnOnce(&Group) -> Option<Timestamp>,
    now: Timestamp,
) -> bool {
    described.group(&policy.group).and_then(until).is_some_and(|until| now < until)
}

/// The pools of an agent, by its attributes: at most one, unless the configuration lets pools overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Membership {
    None,
    One(usize),
    Several(Vec<usize>),
}

impl Membership {
    /// An agent whose attributes cannot be read certainly belongs to pools that ask for none.
    fn of(attributes: &Attributes, odd: Option<OddField>, policies: &[Arc<Policy>]) -> Self {
        let has = |(name, value): (&String, &String)| odd.is_none() && attributes.has(name, value);
        let matching = policies.iter().enumerate().filter(|(_, policy)| policy.attributes.iter().all(has));
        let mut places = matching.map(|(place, _)| place);
        match (places.next(), places.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one),
            (Some(first), Some(second)) => Self::Several([first, second].into_iter().chain(places).collect()),
        }
    }

    fn places(&self) -> &[usize] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(places) => places,
        }
    }

    /// The pool of an agent that is in one alone.
    fn only(&self) -> Option<u32> {
        match self {
            Self::One(one) => Some(saturated(*one)),
            Self::None | Self::Several(_) => None,
        }
    }
}

/// How many tasks there are in all groups.
fn task_count(groups: &[TaskGroup]) -> u32 {
    groups.iter().fold(0, |sum, group| sum.saturating_add(group.count))
}

/// A share of a whole, compared exactly.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    part: u64,
    whole: u64,
}

/// Rounded up: none of it is lost.
const fn seconds_up(duration: Duration) -> u64 {
    let part = if duration.subsec_nanos() > 0 { 1 } else { 0 };
    duration.as_secs().saturating_add(part)
}

impl Share {
    fn new(part: Amount, whole: Amount) -> Self {
        // Nothing of nothing is nothing; something of nothing is more than any share.
        let whole = if part.is_zero() { 1 } else { whole.thousandths() };
        Self { part: part.thousandths(), whole }
    }

    /// The largest share over all kinds.
    #[must_use]
    pub fn largest(part: &Resources, whole: &Resources) -> Self {
        let shares = Kind::ALL.into_iter().map(|kind| Self::new(part.get(kind), whole.get(kind)));
        shares.fold(Self { part: 0, whole: 1 }, Self::max)
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        let product = |part: u64, whole: u64| u128::from(part) * u128::from(whole);
        product(self.part, other.whole).cmp(&product(other.part, self.whole))
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

#[cfg(test)]
mod tests;
