//! What the snapshot of a pool lacks or may lack.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::contract::AgentCounts;
use shared::resources::{Kind, Resources};
use shared::text::{MAX_REMOTE_CHARS, clip, named};

use super::agents::OfUnknownPool;
use super::cluster_state::ClusterState;
use super::pool::Pool;
use crate::finding::{Election, Finding, MAX_NAMES};
use crate::marathon::definitions::OddDefinition;
use crate::marathon::queue::Odd;
use crate::marathon::{Answer, Observed, Queue};
use crate::members::{Description, Descriptions, Lookup, PoolMembers};
use crate::mesos::state::{Bears, Framework, Master, OddField};

/// By how many percent the used resources of agents may exceed the visible ones before something must be hidden.
const MAX_HIDDEN_PERCENT: u64 = 5;

/// For so long after an election, frameworks without tasks are waited for.
const FRAMEWORKS_RETURN: Duration = Duration::from_hours(1);

/// For so long, an entry of Marathon's queue or a definition that cannot be read keeps agents.
const UNREAD_ENTRIES_HOLD: Duration = Duration::from_hours(1);

/// Fewer disconnected agents than this are agents that restart.
const MIN_DISCONNECTED: u32 = 2;

/// The findings about one pool.
pub(super) fn findings(pool: &Pool, state: &ClusterState, marathon: &Observed, taken_at: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(election(pool, &state.master, taken_at));
    findings.extend(missing_agents(pool));
    findings.extend(disconnected_agents(pool));
    findings.extend(unlisted_agents(&state.master, state.registered_agents()));
    findings.extend(missing_frameworks(&state.frameworks, &state.master, taken_at));
    findings.extend((pool.unreported > 0).then_some(Finding::UnreportedUse(pool.unreported)));
    findings.extend((state.unlisted_tasks > 0).then_some(Finding::TasksOnUnlistedAgents(state.unlisted_tasks)));
    findings.extend(set_aside(pool, state));
    findings.extend(of_unknown_pool(pool, state));
    findings.extend(odd_frameworks(&state.frameworks));
    findings.extend(hidden_use(pool));
    // Running tasks are known; what only Marathon knows may not be.
    if let Answer::Unknown { reason } = &marathon.queue {
        findings.push(Finding::UnknownQueue { reason: reason.clone() });
    }
    findings.extend(odd_queue(&marathon.queue, taken_at));
    if let Answer::Unknown { reason } = &marathon.definitions {
        findings.push(Finding::UnknownConstraints { reason: reason.clone() });
    }
    findings.extend(
        odd_definitions(marathon, |odd| is_held(odd.changed_at, taken_at))
            .map(|(definitions, application, problem)| Finding::OddDefinitions { definitions, application, problem }),
    );
    findings
}

/// The findings about the group of a pool.
pub(super) fn group_findings(
    pool: &Pool,
    described: &Descriptions,
    members: Option<&PoolMembers>,
) -> impl Iterator<Item = Finding> {
    let group = &pool.policy.group;
    let unknown = match described.groups.get(group) {
        Some(Description::Unknown { reason }) => {
            Some(Finding::UnknownGroup { group: group.clone(), reason: reason.clone() })
        }
        Some(Description::Known(_)) | None => None,
    };
    let addresses = match (&described.lookup, members) {
        (Lookup::Unknown { reason }, Some(PoolMembers { unidentified: 1.., .. })) => {
            Some(Finding::UnknownAddresses { reason: reason.clone() })
        }
        _ => None,
    };
    let unidentified = members.and_then(|members| {
        Some(Finding::UnidentifiedAgents { agents: members.unidentified, cause: members.cause.clone()? })
    });
    [unknown, addresses, unidentified].into_iter().flatten()
}

/// What waits unseen may need room soon. What has waited for longer is named (`not_counted`), and may never be read.
fn odd_queue(queue: &Queue, taken_at: Timestamp) -> Option<Finding> {
    let Answer::Known(queued) = queue else { return None };
    let odd = queued.iter().filter_map(|queued| Some((&queued.application, queued.odd.as_ref()?)));
    let recent: BTreeSet<_> = odd.filter(|(_, odd)| is_held(odd.since, taken_at)).collect();
    let (application, Odd { problem, .. }) = recent.first()?;
    let application = clip(application, MAX_REMOTE_CHARS / 2);
    Some(Finding::OddQueue { entries: recent.len(), application, problem: problem.clone() })
}

/// Whether what cannot be read, and was written then, is recent enough to keep agents.
fn is_held(since: Option<Timestamp>, taken_at: Timestamp) -> bool {
    since.is_some_and(|since| taken_at.duration_since(since).unsigned_abs() < UNREAD_ENTRIES_HOLD)
}

/// Constraints that cannot be read may need agents, and someone may be at work on them. They may also never be read.
fn odd_definitions(marathon: &Observed, counts: impl Fn(&OddDefinition) -> bool) -> Option<(usize, String, String)> {
    let Answer::Known(definitions) = &marathon.definitions else { return None };
    let odd: Vec<_> = definitions.odd.iter().filter(|(_, odd)| counts(odd)).collect();
    let (application, OddDefinition { problem, .. }) = odd.first()?;
    let application = clip(application, MAX_REMOTE_CHARS / 2);
    Some((odd.len(), application, problem.clone()))
}

/// What an operator should fix when they keep no agent any longer.
pub(super) fn odd_definitions_note(marathon: &Observed, taken_at: Timestamp) -> Option<String> {
    let (count, application, problem) = odd_definitions(marathon, |odd| !is_held(odd.changed_at, taken_at))?;
    Some(format!(
        "constraints or ports of applications cannot be read: {count}, such as those of {application}: {problem}; correct the definition, \
         since what cannot be read keeps no agent"
    ))
}

/// After an election agents re-register first, then frameworks with their tasks.
fn election(pool: &Pool, master: &Master, taken_at: Timestamp) -> Option<Finding> {
    let timeout = master.agent_reregister_timeout;
    let election = match master.elected_at.map(|elected_at| taken_at.duration_since(elected_at)) {
        Some(age) if !is_recent(age, timeout) => None,
        Some(age) => Some(Election::Recent { age, timeout }),
        None => Some(Election::Unknown),
    };
    let (has_agents, has_recovered) = (pool.counts.registered > 0, pool.counts.recovered > 0);
    match election {
        Some(election) if has_agents => Some(Finding::RecentElection(election)),
        Some(election) => Some(Finding::NoAgentsYet(election)),
        None if has_agents || has_recovered => None,
        None => Some(Finding::NoAgents),
    }
}

/// Where the clock is behind the master's, the election lies in the future: that is recent, too.
fn is_recent(age: SignedDuration, timeout: Duration) -> bool {
    age < SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX)
}

fn missing_agents(pool: &Pool) -> Option<Finding> {
    let missing = u64::from(pool.counts.recovered);
    let known = missing + u64::from(pool.counts.registered);
    let max_percent = pool.policy.max_missing_agents_percent;
    (missing > 0).then_some(Finding::MissingAgents { missing, known, max_percent })
}

/// Few agents that restart are no division of the cluster.
fn disconnected_agents(pool: &Pool) -> Option<Finding> {
    let AgentCounts { disconnected, registered, .. } = pool.counts;
    let max_percent = pool.policy.max_missing_agents_percent;
    let is_above = 100 * u64::from(disconnected) > u64::from(max_percent) * u64::from(registered);
    (disconnected >= MIN_DISCONNECTED && is_above).then_some(Finding::DisconnectedAgents {
        disconnected,
        registered,
        max_percent,
    })
}

fn unlisted_agents(master: &Master, listed: u32) -> Option<Finding> {
    let counted = master.counted_agents.filter(|counted| *counted > listed)?;
    Some(Finding::UnlistedAgents { counted, listed })
}

/// Sorted, so that the order in which the master lists them does not matter. One without tasks that has not come back for an hour may never do,
/// and no agent has anything of it; the tasks of another one would not be started elsewhere.
fn missing_frameworks(frameworks: &[Framework], master: &Master, taken_at: Timestamp) -> Option<Finding> {
    let wait = master.agent_reregister_timeout.max(FRAMEWORKS_RETURN);
    let may_return = master.elected_at.is_none_or(|elected_at| is_recent(taken_at.duration_since(elected_at), wait));
    let is_missing = |framework: &&Framework| framework.recovered && (may_return || framework.bears != Bears::NoTask);
    let mut names: Vec<String> = frameworks.iter().filter(is_missing).map(|framework| framework.name.clone()).collect();
    names.sort_unstable();
    (!names.is_empty()).then_some(Finding::MissingFrameworks(names))
}

/// A note on frameworks that have tasks and are not connected, sorted. One that has not re-registered is a finding.
pub(super) fn disconnected_note(frameworks: &[Framework]) -> Option<String> {
    let is_away = |own: &&Framework| own.disconnected && !own.recovered && own.bears != Bears::NoTask;
    let names: BTreeSet<&str> = frameworks.iter().filter(is_away).map(|framework| &*framework.name).collect();
    let names: Vec<String> = names.into_iter().map(|name| clip(name, MAX_REMOTE_CHARS)).collect();
    let names = named(&names, MAX_NAMES)?;
    Some(format!(
        "not connected to the master: {names}; agents with their tasks stay until they are back, or the master gives them up"
    ))
}

fn set_aside(pool: &Pool, state: &ClusterState) -> Option<Finding> {
    let (agents, registered) = (pool.set_aside.len(), pool.counts.registered);
    (agents > 0).then(|| Finding::AgentsSetAside { agents, registered, first: state.first_set_aside(pool, MAX_NAMES) })
}

/// An agent whose attributes cannot be read may belong to any pool that asks for some.
fn of_unknown_pool(pool: &Pool, state: &ClusterState) -> Option<Finding> {
    let OfUnknownPool { count, first } = &state.of_unknown_pool;
    let (id, field) = first.clone().filter(|_| !pool.policy.attributes.is_empty())?;
    Some(Finding::AgentsOfUnknownPool { agents: *count, id, field })
}

/// Any framework may have tasks on the agents of any pool.
fn odd_frameworks(frameworks: &[Framework]) -> Option<Finding> {
    let odd = frameworks.iter().filter_map(|framework| Some((framework.name.clone(), framework.odd?)));
    let mut frameworks: Vec<(String, OddField)> = odd.collect();
    frameworks.sort_unstable();
    (!frameworks.is_empty()).then_some(Finding::OddFrameworks(frameworks))
}

fn hidden_use(pool: &Pool) -> impl Iterator<Item = Finding> {
    let (used, visible) = (pool.resources.used + pool.resources.displaced, pool.visible);
    let hidden =
        pool.policy.thresholds.considered.iter().copied().filter(move |kind| is_hidden(&used, &visible, *kind));
    hidden.map(move |kind| Finding::HiddenUse { kind, used: used.get(kind), visible: visible.get(kind) })
}

/// Whether agents use more than [`MAX_HIDDEN_PERCENT`] more than is visible.
fn is_hidden(used: &Resources, visible: &Resources, kind: Kind) -> bool {
    100 * u128::from(used.get(kind).thousandths())
        > u128::from(100 + MAX_HIDDEN_PERCENT) * u128::from(visible.get(kind).thousandths())
}
