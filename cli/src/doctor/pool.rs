//! Whether a pool and its group fit together.

use jiff::Timestamp;
use node_gather::observe::Read;
use node_scale::group_tags::{GroupTags, Pause};
use node_scale::plan;
use node_scale::state::Group as Described;
use shared::config::{CheckKind, Confidence, Config, Policy, ScaleDownStrategy};
use shared::contract::{ClusterSnapshot, CompletenessLevel};
use shared::text::counted;

use super::finding::Finding;
use super::group::Group;
use crate::decide::{Undecided, decide};
use crate::doubt;
use crate::render;

/// The most tags of a group, and how many of them should be left: a strategy that decommissions tags each instance.
const MAX_TAGS: usize = 50;
const SPARE_TAGS: usize = 10;

/// The first version whose masters deactivate and drain agents.
const DRAINING: (u32, u32) = (1, 9);

/// Checks a pool, as far as its snapshot and its group are known.
pub(super) fn findings(
    (config, policy): (&Config, &Policy),
    snapshot: Option<&ClusterSnapshot>,
    read: Option<&Read>,
    group: Option<Result<Group, String>>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if snapshot.is_none() && group.is_none() {
        findings.push(Finding::warning("not checked: neither its agents nor its group are known"));
    }
    let group = match group {
        Some(Ok(group)) => {
            findings.extend(group.failures.iter().map(Finding::problem));
            Some(group)
        }
        Some(Err(problem)) => {
            findings.push(Finding::problem(problem));
            None
        }
        None => None,
    };
    if let Some(snapshot) = snapshot {
        findings.extend(agents(policy, snapshot, read));
        findings.extend(decision(policy, snapshot, read, group.as_ref(), now));
        findings.extend(learning(config, policy, snapshot));
    }
    if let Some(group) = &group {
        findings.extend(settings(policy, group));
        findings.extend(controllers(group));
        findings.extend(tags(&group.state.group, now));
    }
    findings
}

/// Agents, and what identifies their instances.
fn agents(policy: &Policy, snapshot: &ClusterSnapshot, read: Option<&Read>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let agents = &snapshot.agents;
    if policy.source.needs_masters() {
        if agents.registered == 0 {
            findings.extend(read.map(|read| {
                let text = render::none_matched(policy, read.agents_of_no_pool, &read.attributes_of_no_pool);
                if read.agents_of_no_pool > 0 { Finding::problem(text) } else { Finding::warning(text) }
            }));
        } else {
            let counts = format!("{}, {} usable", counted(agents.registered, "agent"), agents.usable);
            findings.push(Finding::ok(counts));
        }
        if let Some(role) = &snapshot.reserved_role {
            let text =
                format!("all usable agents are reserved for another role; if its tasks run here, set role = {role:?}");
            findings.push(Finding::problem(text));
        }
        if let ScaleDownStrategy::Drain { .. } = policy.scale_down.strategy
            && version(&snapshot.source.mesos_version).is_some_and(|version| version < DRAINING)
        {
            let text = format!(
                "Mesos {} cannot drain agents (1.9 can); set scale_down_strategy = \"least_loaded\"",
                snapshot.source.mesos_version
            );
            findings.push(Finding::problem(text));
        }
    }
    if let Some(members) = &snapshot.group {
        if members.joined > 0 {
            let joined = counted(members.joined, "instance");
            let text = format!("{joined} of the group matched to agents by instance_id, hostname, or address");
            findings.push(Finding::ok(text));
        }
        if members.unknown > 0 {
            let unknown = counted(members.unknown, "instance");
            let text =
                format!("{unknown} of the group may or may not be agents; give the agents the attribute instance_id");
            findings.push(Finding::problem(text));
        }
        if members.outside > 0 {
            let outside = counted(members.outside, "agent");
            findings.push(Finding::warning(format!(
                "{outside} on no instance of the group, which cannot be removed; check attributes"
            )));
        }
    }
    let reasons = snapshot.completeness.reasons.iter().map(|reason| match snapshot.completeness.level {
        CompletenessLevel::Blind => Finding::problem(format!("nothing is changed: {reason}")),
        CompletenessLevel::Partial => Finding::warning(format!("no agent is removed: {reason}")),
        CompletenessLevel::Complete => Finding::warning(reason.clone()),
    });
    findings.extend(reasons);
    findings.extend(snapshot.notes.iter().map(|note| Finding::warning(note.clone())));
    findings
}

/// That a pool could learn its headroom: it has the queue that this needs, and masters that can close agents.
fn learning(config: &Config, policy: &Policy, snapshot: &ClusterSnapshot) -> Option<Finding> {
    let can_close = version(&snapshot.source.mesos_version).is_some_and(|version| version >= DRAINING);
    let could = policy.learning.is_none()
        && policy.check == CheckKind::Standard
        && policy.source.needs_masters()
        && config.marathon.is_some()
        && can_close;
    could.then(|| {
        Finding::advice(format!(
            "the pool could learn its headroom, instead of {}% for every application: set learn = {}; docs/learned-headroom.md says when not to",
            policy.headroom.percent,
            Confidence::SUGGESTED
        ))
    })
}

/// What would be decided, and what stands in its way.
fn decision(
    policy: &Policy,
    snapshot: &ClusterSnapshot,
    read: Option<&Read>,
    group: Option<&Group>,
    now: Timestamp,
) -> Vec<Finding> {
    let decision = match decide(snapshot, policy, now) {
        Ok(decision) => decision,
        Err(Undecided::Custom) => return Vec::new(),
        Err(Undecided::Expired(expired)) => return vec![Finding::problem(expired.to_string())],
    };
    let mut findings = vec![Finding::ok(format!("decision: {}", render::summary(&decision, Some(policy))))];
    findings.extend(decision.notes.iter().map(|note| Finding::warning(note.clone())));
    let unplaceable = decision.unplaceable.iter();
    findings.extend(unplaceable.map(|entry| Finding::warning(format!("{}: {}", entry.application, entry.reason))));
    let Some(Group { state, .. }) = group else { return findings };
    let plan = plan::plan(&decision, Some(state), policy, now);
    let in_flight = usize::try_from(plan.in_flight).unwrap_or(usize::MAX);
    let others = read.map_or(0, |read| usize::try_from(read.agents_of_no_pool).unwrap_or(usize::MAX));
    let doubt = doubt::doubt(policy, snapshot, &state.group, in_flight, others);
    findings.extend(doubt.map(|doubt| Finding::problem(format!("{doubt}; check group and attributes"))));
    findings.extend(plan.notes.into_iter().map(Finding::warning));
    findings
}

/// Settings of the group that hurt.
fn settings(policy: &Policy, group: &Group) -> Vec<Finding> {
    let Group { state, zones, has_warm_pool, .. } = group;
    let Described { name, min_size, max_size, desired_capacity, instances, .. } = &state.group;
    let text = format!(
        "desired {desired_capacity}, min {min_size}, max {max_size}; {}",
        counted(units(instances.len()), "instance")
    );
    let mut findings = vec![Finding::ok(text)];
    let is_suspended =
        |process: &str| state.group.suspended_processes.iter().any(|found| found.process_name == process);
    for process in ["Launch", "Terminate"] {
        if is_suspended(process) {
            let text = format!(
                "the process {process} is suspended; aws autoscaling resume-processes --auto-scaling-group-name {name:?} --scaling-processes {process}"
            );
            findings.push(Finding::problem(text));
        }
    }
    if *zones > 1 && !is_suspended("AZRebalance") {
        let text = format!(
            "AZRebalance may end instances with tasks; aws autoscaling suspend-processes --auto-scaling-group-name {name:?} --scaling-processes AZRebalance"
        );
        findings.push(Finding::warning(text));
    }
    if state.group.new_instances_protected_from_scale_in
        && policy.scale_down.strategy == ScaleDownStrategy::DesiredCapacity
    {
        let text = "new instances are protected from scale-in, so scale_down_strategy = \"desired_capacity\" removes none; end the protection, or set \"least_loaded\"";
        findings.push(Finding::problem(text));
    }
    if *has_warm_pool {
        let text = "the group has a warm pool: an agent must start only when its instance is in service, and with a new work directory";
        findings.push(Finding::warning(text));
    }
    if state.instance_refresh_in_progress == Some(true) {
        findings.push(Finding::warning("an instance refresh is in progress; no agent is removed until it ends"));
    }
    let max = policy.limits.max.map(i64::from).unwrap_or(i64::MAX);
    if max != i64::MAX && max > i64::from(*max_size) {
        findings
            .push(Finding::warning(format!("max = {max} is above the group's maximum of {max_size}, which applies")));
    }
    if i64::from(policy.limits.min) > i64::from(*max_size) {
        let min = policy.limits.min;
        findings.push(Finding::problem(format!(
            "min = {min} is above the group's maximum of {max_size}; lower min or raise the maximum"
        )));
    }
    if i64::from(policy.limits.min) < i64::from(*min_size) {
        let min = policy.limits.min;
        findings
            .push(Finding::warning(format!("min = {min} is below the group's minimum of {min_size}, which applies")));
    }
    findings
}

/// Who else changes the group.
fn controllers(group: &Group) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &group.policies {
        Ok(policies) => findings.extend(policies.iter().map(|policy| {
            Finding::problem(format!(
                "the scaling policy {policy} changes the desired capacity, too; disable or delete it"
            ))
        })),
        Err(unknown) => findings.push(Finding::warning(format!("other scaling policies are not known: {unknown}"))),
    }
    match &group.scheduled {
        Ok(actions) => findings.extend(actions.iter().map(|action| {
            Finding::warning(format!(
                "the scheduled action {action} changes the group, too; use lambda-scale/floor or min instead"
            ))
        })),
        Err(unknown) => findings.push(Finding::warning(format!("scheduled actions are not known: {unknown}"))),
    }
    findings
}

/// What operators and `node_scale` keep in the group's tags.
fn tags(group: &Described, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let read = GroupTags::read(&group.tags, now);
    if let Some(pause) = &read.pause {
        let until = match pause {
            Pause::Until(until) => until.to_string(),
            Pause::Unreadable => "an operator corrects the tag".to_owned(),
        };
        findings.push(Finding::warning(format!("paused until {until}; `lambda-scale resume` ends it")));
    }
    if let Some(floor) = &read.floor {
        findings.push(Finding::ok(format!("floor of {} until {}", counted(floor.instances, "instance"), floor.until)));
    }
    findings.extend(read.problems.into_iter().map(Finding::problem));
    let count = group.tags.len();
    if count + SPARE_TAGS > MAX_TAGS {
        let text = format!(
            "the group has {count} of at most {MAX_TAGS} tags; keep {SPARE_TAGS} free, which node_scale writes"
        );
        findings.push(if count >= MAX_TAGS { Finding::problem(text) } else { Finding::warning(text) });
    }
    findings
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn units(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
