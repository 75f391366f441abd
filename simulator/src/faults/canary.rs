//! Wrong variants of the product, by rewriting its messages, its settings, and what it reads. The checks must catch each of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use node_gather::growth::Observation;
use node_scale::group_tags::{FLOOR, NEEDED, PAUSE_UNTIL, TRIED, TagChange};
use node_scale::plan::{Change, Increase, Plan, PlanResult};
use node_scale::state::{Activity, ActivityKind, ActivityStatus, GroupState, Instance, Tag};
use shared::config::{Policy as Settings, StepLimit};
use shared::contract::{
    AgentShape, AgentState, Candidate, ClusterSnapshot, Completeness, CompletenessLevel, ScalingDecision, TaskGroup,
};
use shared::group::Lifecycle;

use super::case::{Case, Class, Oddity, Trouble};
use crate::fault::Fault;
use crate::policy::View;

const DECOMMISSION: &str = "lambda-scale/decommission/";

/// A wrong variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Canary {
    /// Every snapshot counts as complete.
    NoCompletenessGate,
    /// Nothing is in flight, ever.
    NothingInFlight,
    /// A message never expires.
    NoExpiry,
    /// A pause is not seen.
    NoPause,
    /// A floor is not seen.
    NoFloor,
    /// No step limit.
    NoStepLimit,
    /// The limits of the pool are not minded.
    NoLimits,
    /// What the group did since the snapshot is not seen.
    NoBase,
    /// The window knows only its newest slot.
    WindowForgetsDepth,
    /// A slot of the window that is not known counts as nothing.
    UnknownSlotIsZero,
    /// The tag of an agent that is not listed is deleted.
    TagOfUnlistedDeleted,
    /// Protected instances are not known as such.
    NoProtection,
    /// Failed launches are in progress for ever.
    FailuresNeverEnd,
    /// `new_agent` is believed.
    NewAgentBelieved,
    /// With no agent, nothing is ever added.
    NothingFromZero,
    /// A decision is carried out as often as it arrives.
    NoDuplicateGuard,
    /// The capacity is changed by what the decision says, without a look at what is in flight.
    BlindDelta,
    /// The step limit counts before what is in flight: a request waits for the boot of the one before (L5).
    StepBeforeInFlight,
    /// Agents and instances are counted, not matched (3.1).
    MembersByCounting,
    /// An instance that several agents claim is that of each of them.
    AmbiguousBelieved,
    /// Growth is learned across a failover (H10).
    GrowthAcrossFailover,
    /// Agents that are closed count as room.
    ClosedAreCapacity,
    /// A slot of the window may be shorter than a period.
    ShortSlots,
    /// A tagged instance without an agent counts against the step for ever (5.6).
    HangingTagBlocks,
    /// Activities that failed start a cooldown.
    FailuresCool,
    /// Cancelled launches are in progress for ever.
    CancelledNeverEnd,
    /// The window forgets its oldest slot.
    WindowForgetsOldest,
    /// The tag of a trial is not seen (A).
    TrialForgotten,
    /// An instance is taken to count for one unit of capacity.
    WeightsIgnored,
    /// The tags of agents that have left stay (5.6).
    TagsNeverEnd,
    /// Agents that operators have deactivated are taken for our own (5.6).
    OperatorsAgentsTaken,
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::NoCompletenessGate,
        Self::NothingInFlight,
        Self::NoExpiry,
        Self::NoPause,
        Self::NoFloor,
        Self::NoStepLimit,
        Self::NoLimits,
        Self::NoBase,
        Self::WindowForgetsDepth,
        Self::UnknownSlotIsZero,
        Self::TagOfUnlistedDeleted,
        Self::NoProtection,
        Self::FailuresNeverEnd,
        Self::NewAgentBelieved,
        Self::NothingFromZero,
        Self::NoDuplicateGuard,
        Self::BlindDelta,
        Self::StepBeforeInFlight,
        Self::MembersByCounting,
        Self::AmbiguousBelieved,
        Self::GrowthAcrossFailover,
        Self::ClosedAreCapacity,
        Self::ShortSlots,
        Self::HangingTagBlocks,
        Self::FailuresCool,
        Self::CancelledNeverEnd,
        Self::WindowForgetsOldest,
        Self::TrialForgotten,
        Self::WeightsIgnored,
        Self::TagsNeverEnd,
        Self::OperatorsAgentsTaken,
    ];

    /// Its name in options.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoCompletenessGate => "no-completeness-gate",
            Self::NothingInFlight => "nothing-in-flight",
            Self::NoExpiry => "no-expiry",
            Self::NoPause => "no-pause",
            Self::NoFloor => "no-floor",
            Self::NoStepLimit => "no-step-limit",
            Self::NoLimits => "no-limits",
            Self::NoBase => "no-base",
            Self::WindowForgetsDepth => "window-forgets-depth",
            Self::UnknownSlotIsZero => "unknown-slot-is-zero",
            Self::TagOfUnlistedDeleted => "tag-of-unlisted-deleted",
            Self::NoProtection => "no-protection",
            Self::FailuresNeverEnd => "failures-never-end",
            Self::NewAgentBelieved => "new-agent-believed",
            Self::NothingFromZero => "nothing-from-zero",
            Self::NoDuplicateGuard => "no-duplicate-guard",
            Self::BlindDelta => "blind-delta",
            Self::StepBeforeInFlight => "step-before-in-flight",
            Self::MembersByCounting => "members-by-counting",
            Self::AmbiguousBelieved => "ambiguous-believed",
            Self::GrowthAcrossFailover => "growth-across-failover",
            Self::ClosedAreCapacity => "closed-are-capacity",
            Self::ShortSlots => "short-slots",
            Self::HangingTagBlocks => "hanging-tag-blocks",
            Self::FailuresCool => "failures-cool",
            Self::CancelledNeverEnd => "cancelled-never-end",
            Self::WindowForgetsOldest => "window-forgets-oldest",
            Self::TrialForgotten => "trial-forgotten",
            Self::WeightsIgnored => "weights-ignored",
            Self::TagsNeverEnd => "tags-never-end",
            Self::OperatorsAgentsTaken => "operators-agents-taken",
        }
    }

    /// The case that shows it best: most need no other than those of every seed.
    #[must_use]
    pub fn case(self, case: Case) -> Case {
        match self {
            // Only where what was written cannot be read yet, and nothing else goes wrong that hides it.
            Self::NoDuplicateGuard => {
                let (again, stale) = (Class::Chain(Trouble::Duplicate), Class::Chain(Trouble::StaleAnswer));
                Case { classes: BTreeMap::from([(again, 60), (stale, 60)]), ..case }
            }
            // An agent in standby is one, and its instance is no capacity. Others who change the capacity would hide that.
            Self::MembersByCounting => {
                let hides = |class: &Class| {
                    matches!(
                        class,
                        Class::World(
                            Fault::OtherAutoscaler
                                | Fault::OperatorLimits
                                | Fault::OperatorTags
                                | Fault::SharedIdentity
                        ) | Class::Chain(Trouble::StaleAnswer | Trouble::Forged)
                    )
                };
                let case = case.with(Class::World(Fault::Standby), 72);
                let hidden: Vec<Class> = case.classes.keys().copied().filter(hides).collect();
                hidden.into_iter().fold(case, |case, class| case.without(class))
            }
            // Only where the group chooses which instance ends, something waits for a larger agent than there is, and no other
            // agent registers.
            Self::TrialForgotten => {
                let others = ["scale_down_strategy", "drain_after", "learn", "boot_time", "new_agent"];
                let is_kept = |line: &&str| !others.iter().any(|key| line.starts_with(key));
                let kept: Vec<&str> = case.settings.lines().filter(is_kept).collect();
                let own = "scale_down_strategy = \"desired_capacity\"\nnew_agent = { cpus = 8, mem = 32000 }\n";
                let settings = format!("{}\n{own}", kept.join("\n"));
                let classes = BTreeMap::from([(Class::Pool(Oddity::WrongNewAgent), 1)]);
                Case { settings, learned: None, classes, ..case }
            }
            // Only where nothing else keeps a tag.
            Self::TagsNeverEnd => {
                let worlds = [Fault::OperatorTags, Fault::SharedIdentity, Fault::AgentEnds, Fault::InstanceType];
                let keeps = worlds.map(Class::World).into_iter().chain([Class::Pool(Oddity::WrongNewAgent)]);
                keeps.fold(case, |case, class| case.without(class))
            }
            _ => case,
        }
    }

    /// What a run says about demand.
    pub(super) fn rewrite_observation(self, seen: &mut Observation) {
        if self == Self::GrowthAcrossFailover {
            (seen.elected_at, seen.counts) = (None, true);
        }
    }

    pub(super) fn rewrite_snapshot(self, snapshot: &mut ClusterSnapshot, view: &View<'_>) {
        match self {
            Self::MembersByCounting => count_members(snapshot, view),
            Self::AmbiguousBelieved => believe_claims(snapshot, view),
            Self::ClosedAreCapacity => open_closed(snapshot),
            Self::NoCompletenessGate => {
                snapshot.completeness = Completeness { level: CompletenessLevel::Complete, reasons: Vec::new() };
            }
            Self::NewAgentBelieved => snapshot.latest_agents.clear(),
            Self::TrialForgotten => snapshot.group.iter_mut().for_each(|group| group.tried = false),
            Self::NoProtection => {
                for candidate in &mut snapshot.scale_down_candidates {
                    candidate.protected = false;
                }
            }
            _ => {}
        }
    }

    /// What node_scale gets, at that time by its clock.
    pub(super) fn rewrite_delivered(self, decision: &mut ScalingDecision, now: Timestamp) {
        if self == Self::NoExpiry {
            decision.snapshot_taken_at = now;
            decision.expires_at = now + jiff::SignedDuration::from_hours(1);
        }
    }

    pub(super) fn rewrite_decision(self, decision: &mut ScalingDecision, snapshot: &ClusterSnapshot) {
        match self {
            Self::StepBeforeInFlight => decision.wanted = u32::try_from(decision.delta).unwrap_or(0),
            Self::NothingFromZero if snapshot.agents.registered == 0 => {
                (decision.delta, decision.wanted) = (0, 0);
            }
            _ => {}
        }
    }

    /// What node_scale reads.
    pub(super) fn rewrite_state(self, state: &mut GroupState, decision: &ScalingDecision, settings: &Settings) {
        match self {
            Self::NothingInFlight => {
                state.activities.clear();
                let known: Vec<String> =
                    decision.group.iter().flat_map(|group| group.joined_recent.iter().flatten().cloned()).collect();
                let listed = usize::try_from(decision.agents.registered).unwrap_or(usize::MAX);
                state.group.instances.truncate(listed.max(known.len()));
                let listed = i32::try_from(state.group.instances.len()).unwrap_or(i32::MAX);
                state.group.desired_capacity = state.group.desired_capacity.max(listed);
            }
            Self::WeightsIgnored => {
                state.group.instances.iter_mut().for_each(|instance| instance.weighted_capacity = None);
                state.group.mixed_instances_policy.launch_template.overrides.clear();
            }
            Self::TrialForgotten => state.group.tags.retain(|tag| tag.key != TRIED),
            Self::NoPause => state.group.tags.retain(|tag| tag.key != PAUSE_UNTIL),
            Self::NoFloor => state.group.tags.retain(|tag| tag.key != FLOOR),
            Self::NoBase => {
                let taken_at = decision.snapshot_taken_at;
                state.activities.retain(|activity| activity.start <= taken_at && activity.end.is_some());
            }
            Self::WindowForgetsDepth | Self::UnknownSlotIsZero | Self::WindowForgetsOldest => {
                for tag in state.group.tags.iter_mut().filter(|tag| tag.key == NEEDED) {
                    tag.value = match self {
                        Self::UnknownSlotIsZero => tag.value.replace('-', "0"),
                        Self::WindowForgetsOldest => without_oldest(&tag.value),
                        _ => newest_alone(&tag.value),
                    };
                }
            }
            Self::NoProtection => {
                state.group.instances.iter_mut().for_each(|instance| instance.protected_from_scale_in = false);
            }
            Self::FailuresNeverEnd => {
                for activity in &mut state.activities {
                    if activity.status == ActivityStatus::Failed {
                        (activity.status, activity.end) = (ActivityStatus::InProgress, None);
                    }
                }
            }
            Self::CancelledNeverEnd => {
                let is_cancelled =
                    |of: &&mut Activity| of.status == ActivityStatus::Cancelled && of.kind == ActivityKind::Launch;
                let weighted_capacity = state.group.instances.first().and_then(|of| of.weighted_capacity.clone());
                for activity in state.activities.iter_mut().filter(is_cancelled) {
                    (activity.status, activity.end) = (ActivityStatus::InProgress, None);
                    activity.start = decision.snapshot_taken_at;
                    let id = activity.instance_id.clone().unwrap_or_default();
                    let is_listed = state.group.instances.iter().any(|instance| instance.instance_id == id);
                    if !is_listed {
                        state.group.instances.push(Instance {
                            instance_id: id,
                            lifecycle_state: Lifecycle::Pending,
                            weighted_capacity: weighted_capacity.clone(),
                            protected_from_scale_in: false,
                        });
                    }
                }
            }
            Self::ShortSlots => {
                let runs = settings.timing.schedule_period.as_millis();
                let every = runs.div_ceil((settings.scale_down.window.as_millis() / 6).max(1));
                for tag in state.group.tags.iter_mut().filter(|tag| tag.key == NEEDED) {
                    tag.value = with_gaps(&tag.value, usize::try_from(every).unwrap_or(usize::MAX));
                }
            }
            Self::FailuresCool => {
                let failed = state.activities.iter_mut().filter(|activity| activity.status == ActivityStatus::Failed);
                failed.for_each(|activity| activity.status = ActivityStatus::Successful);
            }
            Self::OperatorsAgentsTaken => {
                let closed = decision.decommissioning_agents.iter().filter(|of| of.decommission_tag == Some(false));
                let value = shared::time::format(decision.snapshot_taken_at);
                let tag = |id: &String| Tag { key: format!("{DECOMMISSION}{id}"), value: value.clone() };
                state.group.tags.extend(closed.filter_map(|of| of.instance_id.as_ref()).map(tag));
            }
            Self::HangingTagBlocks => {
                let listed = |id: &str| {
                    let of = decision.decommissioning_agents.iter();
                    of.into_iter().any(|agent| agent.instance_id.as_deref() == Some(id))
                };
                for tag in &mut state.group.tags {
                    if tag.key.strip_prefix(DECOMMISSION).is_some_and(|id| !listed(id)) {
                        tag.value = shared::time::format(decision.snapshot_taken_at);
                    }
                }
            }
            _ => {}
        }
    }

    /// The settings of node_scale.
    pub(super) fn settings(self, settings: &Settings) -> Settings {
        match self {
            Self::NoStepLimit => settings.with(|settings| {
                settings.limits.max_scale_up_step = StepLimit::UNLIMITED;
                settings.limits.max_scale_down_step = StepLimit::UNLIMITED;
            }),
            Self::NoLimits => settings.with(|settings| {
                settings.limits.min = 0;
                settings.limits.max = None;
            }),
            _ => settings.clone(),
        }
    }

    pub(super) fn rewrite_plan(self, plan: &mut Plan, decision: &ScalingDecision, state: &GroupState) {
        if self == Self::BlindDelta {
            return follow_delta(plan, decision, state);
        }
        if self == Self::TagsNeverEnd {
            let ends = |of: &TagChange| matches!(of, TagChange::Delete { key } if key.starts_with(DECOMMISSION));
            plan.tags.retain(|change| !ends(change));
        }
        if self != Self::TagOfUnlistedDeleted {
            return;
        }
        let listed =
            |id: &str| decision.decommissioning_agents.iter().any(|agent| agent.instance_id.as_deref() == Some(id));
        let tagged = state.group.tags.iter().filter_map(|tag| tag.key.strip_prefix(DECOMMISSION));
        plan.tags.extend(tagged.filter(|id| !listed(id)).map(TagChange::end_decommission));
    }
}

/// As many of the oldest instances are joined as there are agents, whichever they are.
fn count_members(snapshot: &mut ClusterSnapshot, view: &View<'_>) {
    let Some(group) = &mut snapshot.group else { return };
    let registered = snapshot.agents.registered;
    let mut there: Vec<_> = view.group.instances().iter().filter(|of| of.state.is_capacity()).collect();
    there.sort_by_key(|instance| instance.launched);
    let joined = there.iter().take(usize::try_from(registered).unwrap_or(usize::MAX));
    group.joined_recent = Some(joined.map(|instance| instance.id.clone()).collect());
    (group.joined, group.unknown, group.ambiguous) = (registered, 0, Vec::new());
    group.not_joined_count = group.in_service.saturating_sub(registered);
    group.not_joined.clear();
}

/// Agents that claim an instance that others claim as well may leave with it.
fn believe_claims(snapshot: &mut ClusterSnapshot, view: &View<'_>) {
    let claims = |id: Option<&str>| view.cluster.registered().filter(|agent| agent.instance_id() == id).count();
    let claimed = view.cluster.registered().filter(|agent| agent.is_active() && claims(agent.instance_id()) > 1);
    for agent in claimed {
        let total = agent.capacity.total;
        let tasks = agent.tasks().iter().map(|task| TaskGroup { count: 1, resources: task.resources });
        let candidate = Candidate {
            agent_id: agent.id.clone(),
            hostname: agent.hostname.clone(),
            ip: None,
            instance_id: agent.instance_id().map(str::to_owned),
            decommission_tag: Some(false),
            decommission_since: None,
            contested: false,
            sole_host: false,
            drain_due: None,
            state: AgentState::Active,
            protected: false,
            total,
            unreserved: total,
            used: agent.used(),
            free: None,
            task_count: u32::try_from(agent.tasks().len()).unwrap_or(u32::MAX),
            tasks: TaskGroup::merged(tasks.collect()),
            applications: Vec::new(),
        };
        snapshot.scale_down_candidates.insert(0, candidate);
    }
    if let Some(group) = &mut snapshot.group {
        (group.unknown, group.ambiguous) = (0, Vec::new());
    }
}

/// Agents that were closed take tasks, as far as the decision knows.
fn open_closed(snapshot: &mut ClusterSnapshot) {
    let closed = snapshot.scale_down_candidates.iter().filter(|agent| agent.state == AgentState::Deactivated);
    for Candidate { total, unreserved, used, .. } in closed {
        let free = unreserved.saturating_sub(used);
        snapshot.agent_shapes.push(AgentShape { count: 1, total: *total, unreserved: *unreserved, free });
        snapshot.agents.usable += 1;
        snapshot.resources.total += *total;
        snapshot.resources.used += *used;
        snapshot.resources.displaced = snapshot.resources.displaced.saturating_sub(used);
    }
}

/// No matter what was planned, the desired capacity changes by as much as the decision says.
fn follow_delta(plan: &mut Plan, decision: &ScalingDecision, state: &GroupState) {
    let from = state.group.desired_capacity;
    let to = (from + decision.delta).min(state.group.max_size);
    if decision.delta > 0 && to > from && !matches!(plan.result, PlanResult::Refuse(_)) {
        let increase =
            Increase { from, to, needed: decision.wanted, in_flight: 0, reactivated: 0, floor: None, max: None };
        plan.result = PlanResult::Act(Change::Increase(increase));
    }
}

/// The tag where only one of so many slots has had a run.
fn with_gaps(tag: &str, every: usize) -> String {
    let parts = tag.split(' ').enumerate();
    let known = |place: usize| place == 0 || (place - 1).is_multiple_of(every.max(1));
    parts.map(|(place, part)| if known(place) { part } else { "-" }).collect::<Vec<_>>().join(" ")
}

/// The tag with the slot before the oldest in its place.
fn without_oldest(tag: &str) -> String {
    let mut parts: Vec<&str> = tag.split(' ').collect();
    if let [.., before, oldest] = parts.as_mut_slice()
        && *before != "-"
        && *oldest != "-"
    {
        *oldest = before;
    }
    parts.join(" ")
}

/// The tag with its newest slot in the place of all others.
fn newest_alone(tag: &str) -> String {
    let parts: Vec<&str> = tag.split(' ').collect();
    match parts.as_slice() {
        [slot, newest, older @ ..] => {
            let older: Vec<&str> = older.iter().map(|slot| if *slot == "-" { "-" } else { newest }).collect();
            format!("{slot} {newest} {}", older.join(" "))
        }
        _ => tag.to_owned(),
    }
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Canary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|canary| canary.name() == text);
        found.ok_or_else(|| format!("got {text:?}, expected one of {names}"))
    }
}
