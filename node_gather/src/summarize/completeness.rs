//! How far the view may be trusted: every doubt is a finding with a reason, and the worst of them is the level.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::contract::{Completeness, CompletenessLevel};
use shared::resources::{Kind, Resources};

use super::cluster_state::ClusterState;
use super::pool::Pool;
use crate::marathon::Queue;
use crate::mesos::state::{Framework, Master};

/// By how much agents may use more than is visible, in percent, before something must be hidden.
const MAX_HIDDEN_PERCENT: u64 = 5;

/// How many frameworks a reason names.
const MAX_NAMES: usize = 3;

/// Judges the view of one pool.
pub(super) fn of(pool: &Pool<'_>, state: &ClusterState<'_>, queue: &Queue, taken_at: Timestamp) -> Completeness {
    let mut findings = Findings::default();
    election(pool, &state.master, taken_at, &mut findings);
    missing_agents(pool, &state.master, state.registered_agents(), &mut findings);
    frameworks(&state.frameworks, &mut findings);
    tasks(pool, state.stray_tasks, &mut findings);
    // What is known of runs; what waits may be hidden.
    if let Queue::Unknown { reason } = queue {
        findings.partial(format!("instances may wait for room unseen: {reason}"));
    }
    findings.into_completeness()
}

#[derive(Default)]
struct Findings(Vec<(CompletenessLevel, String)>);

impl Findings {
    fn blind(&mut self, reason: String) {
        self.0.push((CompletenessLevel::Blind, reason));
    }

    fn partial(&mut self, reason: String) {
        self.0.push((CompletenessLevel::Partial, reason));
    }

    /// The worst finding first: it is the one that decides, and the one that others quote.
    fn into_completeness(mut self) -> Completeness {
        self.0.sort_by_key(|(level, _)| Reverse(*level));
        let level = self.0.first().map_or(CompletenessLevel::Complete, |(level, _)| *level);
        Completeness { level, reasons: self.0.into_iter().map(|(_, reason)| reason).collect() }
    }
}

/// What is missing just after an election: first everything, then agents, then frameworks with their tasks.
fn election(pool: &Pool<'_>, master: &Master, taken_at: Timestamp, findings: &mut Findings) {
    let timeout = master.agent_reregister_timeout;
    let doubt = match master.elected_at.map(|elected_at| taken_at.duration_since(elected_at)) {
        Some(age) if !is_younger(age, timeout) => None,
        Some(age) => Some(format!(
            "the master was elected {} s ago, less than its agent_reregister_timeout of {} s",
            age.as_secs(),
            timeout.as_secs()
        )),
        None => Some("the master does not say when it was elected".to_owned()),
    };
    match (doubt, pool.counts.registered == 0) {
        (Some(doubt), true) => findings.blind(format!("no agent of the pool is registered, and {doubt}")),
        (Some(doubt), false) => findings.partial(format!("{doubt}: frameworks and tasks may be missing")),
        (None, true) if pool.counts.recovered == 0 => findings.partial(
            "no agent of the pool is registered or recovered: an empty list is no proof of an empty cluster".to_owned(),
        ),
        (None, _) => {}
    }
}

/// A clock that is behind the master's makes an election look as if it were to come: that is young, too.
fn is_younger(age: SignedDuration, timeout: Duration) -> bool {
    age < SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX)
}

fn missing_agents(pool: &Pool<'_>, master: &Master, listed: u32, findings: &mut Findings) {
    let recovered = u64::from(pool.counts.recovered);
    let known = recovered + u64::from(pool.counts.registered);
    let limit = pool.policy.max_missing_agents_percent;
    if recovered > 0 {
        let reason = format!("{recovered} of {known} agents have not come back since the election of the master");
        if 100 * recovered > u64::from(limit) * known {
            findings.blind(format!("{reason}, more than max_missing_agents_percent ({limit} %)"));
        } else {
            findings.partial(reason);
        }
    }
    if let Some(counted) = master.counted_agents.filter(|counted| *counted > listed) {
        findings.partial(format!("the master counts {counted} registered agents but lists {listed}"));
    }
}

fn frameworks(frameworks: &[Framework], findings: &mut Findings) {
    let mut names: Vec<&str> =
        frameworks.iter().filter(|framework| framework.recovered).map(|framework| &*framework.name).collect();
    names.sort_unstable();
    let Some(more) = names.len().checked_sub(MAX_NAMES) else {
        if !names.is_empty() {
            findings.partial(not_back(&names.join(", ")));
        }
        return;
    };
    let named = names.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ");
    findings.partial(not_back(&if more == 0 { named } else { format!("{named} and {more} more") }));
}

fn not_back(names: &str) -> String {
    format!("frameworks have not come back since the election of the master: {names}")
}

fn tasks(pool: &Pool<'_>, stray_tasks: u32, findings: &mut Findings) {
    let silent = pool.silent;
    if silent > 0 {
        findings.partial(format!("the master does not say what {silent} agents use; what is visible was added up"));
    }
    if stray_tasks > 0 {
        findings.partial(format!("{stray_tasks} tasks run on agents that the master does not list"));
    }
    let (used, visible) = (pool.resources.used + pool.resources.displaced, pool.visible);
    for kind in pool.policy.thresholds.considered.iter().copied().filter(|kind| hides(&used, &visible, *kind)) {
        findings.partial(format!(
            "agents use {} {kind}, visible tasks and executors {}: the principal may not see everything",
            used.get(kind),
            visible.get(kind)
        ));
    }
}

/// Whether agents use more than [`MAX_HIDDEN_PERCENT`] more than is visible.
fn hides(used: &Resources, visible: &Resources, kind: Kind) -> bool {
    100 * u128::from(used.get(kind).thousandths())
        > u128::from(100 + MAX_HIDDEN_PERCENT) * u128::from(visible.get(kind).thousandths())
}
