//! H7: how many agents the tasks of a pool would fill.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::config::Policy;
use shared::contract::{AgentState, Application, ClusterSnapshot, TaskGroup};
use shared::daemon::Daemon;
use shared::resources::{Kind, Resources};

/// The agent in whose eighths demand is measured, less one task of each daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unit(pub Resources);

/// What the tasks of a pool take, and what they are measured in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// D: what running and queued tasks take.
    pub taken: Resources,
    /// A: what a new agent has.
    pub unit: Unit,
    /// What the usable agents have, each once.
    pub agents: Vec<Unit>,
    /// The considered resources.
    pub considered: Vec<Kind>,
}

impl Demand {
    /// The demand of a pool, by its snapshot and the queued instances that the snapshot leaves out because they back off. `None`
    /// where nothing says what an agent has.
    #[must_use]
    pub fn of(snapshot: &ClusterSnapshot, policy: &Policy, not_counted: &[TaskGroup]) -> Option<Self> {
        let daemons = Daemons::of(snapshot, policy);
        let each_agent = daemons.on_each_agent();
        let unit_of = |resources: &Resources| Unit(resources.saturating_sub(&each_agent));
        let unit = unit_of(&new_agent(snapshot, policy)?);
        let has_own = |application: &&Application| policy.settings_of(&application.name).headroom_percent.is_some();
        let (left_out, counted): (Vec<&Application>, Vec<&Application>) =
            snapshot.applications.iter().partition(|application| daemons.contains(application) || has_own(application));
        let used = snapshot.resources.used + snapshot.resources.displaced;
        let left_out: Resources = left_out.iter().map(|application| application.resources).sum();
        let queued = counted.iter().map(|application| (application.queued_instance(), application.queued));
        let backing_off = not_counted.iter().map(|group| (group.resources, group.count));
        let queued = queued.chain(backing_off).filter(|(instance, _)| instance.fits_in(&unit.0));
        let queued: Resources = queued.map(|(instance, count)| instance.times(count.into())).sum();
        let mut agents: Vec<Unit> = snapshot.agent_shapes.iter().map(|shape| unit_of(&shape.total)).collect();
        agents.sort_unstable();
        agents.dedup();
        Some(Self {
            taken: used.saturating_sub(&left_out) + queued,
            unit,
            agents,
            considered: policy.thresholds.considered.clone(),
        })
    }

    /// W: the demand in eighths of an agent, by the considered resource of which it is most; `None` where the agent has none of
    /// these.
    #[must_use]
    pub fn eighths(&self, unit: &Unit) -> Option<u32> {
        let of_kind = |kind: &Kind| {
            let each = u128::from(unit.0.get(*kind).thousandths());
            let taken = u128::from(self.taken.get(*kind).thousandths());
            (each > 0).then(|| (8 * taken).div_ceil(each))
        };
        let largest = self.considered.iter().filter_map(of_kind).max()?;
        Some(u32::try_from(largest).unwrap_or(u32::MAX))
    }

    /// Whether demand is still measured in that agent: a new one differs by at most a sixteenth, or some agent is like that one.
    /// Where agents of two types alternate as the most common one, the unit stays.
    pub(super) fn keeps(&self, unit: &Unit) -> bool {
        let is_like = |other: &Unit| self.considered.iter().all(|kind| is_near(*unit, *other, *kind));
        is_like(&self.unit) || self.agents.iter().any(is_like)
    }

    /// A growth in eighths of another agent, in those of the new one: by the resource of which the new agent has least.
    pub(super) fn converted(&self, growth: u32, from: &Unit) -> u32 {
        let of_kind = |kind: &Kind| {
            let (old, new) = (from.0.get(*kind).thousandths(), self.unit.0.get(*kind).thousandths());
            (new > 0).then(|| (u128::from(growth) * u128::from(old)).div_ceil(new.into()))
        };
        let largest = self.considered.iter().filter_map(of_kind).max();
        u32::try_from(largest.unwrap_or(growth.into())).unwrap_or(u32::MAX)
    }
}

/// Whether two agents differ by at most a sixteenth of the first.
fn is_near(unit: Unit, other: Unit, kind: Kind) -> bool {
    let (own, others) = (unit.0.get(kind).thousandths(), other.0.get(kind).thousandths());
    16 * u128::from(own.abs_diff(others)) <= u128::from(own)
}

/// What a new agent has: by the setting; else the most common total of the usable agents, of equally common ones the smaller; else
/// that of the decommissioning agents. What is expected and what is learned are measured alike, so a wrong setting does not
/// matter.
fn new_agent(snapshot: &ClusterSnapshot, policy: &Policy) -> Option<Resources> {
    let usable = snapshot.agent_shapes.iter().map(|shape| (shape.total, u64::from(shape.count)));
    let leaving = snapshot.scale_down_candidates.iter().filter(|agent| agent.state != AgentState::Active);
    let leaving = leaving.map(|agent| (agent.total, 1));
    policy.new_agent.or_else(|| most_common(usable)).or_else(|| most_common(leaving))
}

fn most_common(agents: impl Iterator<Item = (Resources, u64)>) -> Option<Resources> {
    let mut counts: BTreeMap<Resources, u64> = BTreeMap::new();
    for (total, count) in agents.filter(|(_, count)| *count > 0) {
        *counts.entry(total).or_default() += count;
    }
    counts.into_iter().max_by_key(|(total, count)| (*count, Reverse(*total))).map(|(total, _)| total)
}

/// H12: the applications that run on every agent.
struct Daemons<'a>(Vec<&'a Application>);

impl<'a> Daemons<'a> {
    fn of(snapshot: &'a ClusterSnapshot, policy: &Policy) -> Self {
        let is_daemon = |application: &&Application| Daemon::of(application, snapshot, policy).is_some();
        Self(snapshot.applications.iter().filter(is_daemon).collect())
    }

    fn contains(&self, application: &Application) -> bool {
        self.0.iter().any(|daemon| std::ptr::eq(*daemon, application))
    }

    /// One task of each.
    fn on_each_agent(&self) -> Resources {
        let task = |daemon: &&Application| {
            let running = Resources::largest(daemon.tasks.iter().map(|group| group.resources));
            if running.is_zero() { daemon.queued_instance() } else { running }
        };
        self.0.iter().map(task).sum()
    }
}
