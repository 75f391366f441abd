//! Wrong variants of the product, by rewriting its messages, its settings, and what it reads. The checks must catch each of them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use node_scale::group_tags::{FLOOR, NEEDED, PAUSE_UNTIL, TagChange};
use node_scale::plan::Plan;
use node_scale::state::{ActivityStatus, GroupState};
use shared::config::{Policy as Settings, StepLimit};
use shared::contract::{ClusterSnapshot, Completeness, CompletenessLevel, ScalingDecision};

use crate::policy::View;

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
}

impl Canary {
    /// All of them.
    pub const ALL: [Self; 15] = [
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
        }
    }

    pub(super) fn rewrite_snapshot(self, snapshot: &mut ClusterSnapshot, _view: &View<'_>) {
        match self {
            Self::NoCompletenessGate => {
                snapshot.completeness = Completeness { level: CompletenessLevel::Complete, reasons: Vec::new() };
            }
            Self::NewAgentBelieved => snapshot.latest_agents.clear(),
            Self::NoProtection => {
                for candidate in &mut snapshot.scale_down_candidates {
                    candidate.protected = false;
                }
            }
            _ => {}
        }
    }

    pub(super) fn rewrite_decision(self, decision: &mut ScalingDecision, snapshot: &ClusterSnapshot, now: Timestamp) {
        match self {
            Self::NoExpiry => {
                decision.snapshot_taken_at = now;
                decision.expires_at = now + jiff::SignedDuration::from_hours(1);
            }
            Self::NothingFromZero if snapshot.agents.registered == 0 => {
                (decision.delta, decision.wanted) = (0, 0);
            }
            _ => {}
        }
    }

    /// What node_scale reads.
    pub(super) fn rewrite_state(self, state: &mut GroupState, decision: &ScalingDecision) {
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
            Self::NoPause => state.group.tags.retain(|tag| tag.key != PAUSE_UNTIL),
            Self::NoFloor => state.group.tags.retain(|tag| tag.key != FLOOR),
            Self::NoBase => {
                let taken_at = decision.snapshot_taken_at;
                state.activities.retain(|activity| activity.start <= taken_at && activity.end.is_some());
            }
            Self::WindowForgetsDepth | Self::UnknownSlotIsZero => {
                for tag in state.group.tags.iter_mut().filter(|tag| tag.key == NEEDED) {
                    tag.value = match self {
                        Self::UnknownSlotIsZero => tag.value.replace('-', "0"),
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
        if self != Self::TagOfUnlistedDeleted {
            return;
        }
        let listed =
            |id: &str| decision.decommissioning_agents.iter().any(|agent| agent.instance_id.as_deref() == Some(id));
        let tagged = state.group.tags.iter().filter_map(|tag| tag.key.strip_prefix("lambda-scale/decommission/"));
        plan.tags.extend(tagged.filter(|id| !listed(id)).map(TagChange::end_decommission));
    }
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
