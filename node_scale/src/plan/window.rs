//! D6: a scale-down leaves as many agents as were needed at any time of the window. The group's tag keeps the highest number of
//! each of up to six slots of time, so that one run, or a burst, is not forgotten by the next.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::{CompletenessLevel, ScalingDecision};
use shared::count::saturated;
use shared::group::Lifecycle;
use shared::time::{CLOCK_SKEW, compact};

use super::{BackOff, PlanInput, signed};
use crate::group_tags::{NEEDED, Needs, SLOTS, TagChange};
use crate::state::Group;

/// Fewer would hardly remember a decision: the newest slot has just begun, and the oldest one of a new tag may lack a part.
const FEWEST_SLOTS: usize = 3;

/// The slots of the window as they are when a decision arrives, and with what that decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Into what it is divided.
    division: Division,
    /// What the tag remembers.
    before: Needs,
    /// The same with this decision.
    needs: Needs,
}

impl Window {
    /// The window once that decision has counted; `None` where the pool has none.
    #[must_use]
    pub fn after(
        tag: Option<Needs>,
        decision: &ScalingDecision,
        group: &Group,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<Self> {
        let window = Self::at(tag, policy, now)?;
        let needs = needed(decision, group).map_or(window.before, |needed| window.before.with(needed));
        Some(Self { needs, ..window })
    }

    /// What the tag says at that time; `None` where the pool has no window.
    #[must_use]
    pub fn at(tag: Option<Needs>, policy: &Policy, now: Timestamp) -> Option<Self> {
        let division = Division::of(policy)?;
        let needs = division.shifted(tag, now);
        Some(Self { division, before: needs, needs })
    }

    /// How long it is: all slots together.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.division.length.saturating_mul(i32::try_from(self.division.slots).unwrap_or(i32::MAX))
    }

    /// What each slot needed, the newest first; `None` where that is not known.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = Option<u32>> {
        self.needs.slots.into_iter().take(self.division.slots)
    }

    /// The most agents that were needed, as far as it is known.
    fn highest_known(&self) -> u32 {
        self.slots().flatten().max().unwrap_or(0)
    }

    /// The most agents that were needed; `None` where some slot is not known.
    fn highest(&self) -> Option<u32> {
        self.slots().all(|slot| slot.is_some()).then(|| self.highest_known())
    }

    /// How long until the window no longer contains such a slot.
    fn until_without(&self, is_such: impl Fn(Option<u32>) -> bool, now: Timestamp) -> SignedDuration {
        let newest = self.slots().position(is_such).unwrap_or(self.division.slots);
        let later = i64::try_from(self.division.slots - newest).unwrap_or(0);
        let start = self.needs.newest.saturating_add(later).saturating_mul(millis(self.division.length));
        let start = Timestamp::from_millisecond(start).unwrap_or(Timestamp::MAX);
        start.duration_since(now).max(SignedDuration::ZERO)
    }

    /// Whether some slot of the tag would let agents go of so many, where so many of them stay beyond what is needed.
    fn lets_go(&self, agents: u32, margin: u32) -> bool {
        self.before.slots.iter().flatten().any(|needed| needed.saturating_add(margin) < agents)
    }

    /// Whether the tag knows any slot with less than that.
    fn knows_less(&self, agents: u32) -> bool {
        self.before.slots.iter().flatten().any(|needed| *needed < agents)
    }

    /// Whether the tag has a lower number for a slot than this decision.
    fn raises(&self) -> bool {
        let slots = self.before.slots.iter().zip(&self.needs.slots);
        slots.into_iter().any(|(before, now)| before.is_some() && before < now)
    }
}

/// The slots of a window: as many as have room for a decision each, even where it is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Division {
    /// L: how long a slot lasts.
    length: SignedDuration,
    /// How many there are: from [`FEWEST_SLOTS`] to [`SLOTS`].
    slots: usize,
}

impl Division {
    fn of(policy: &Policy) -> Option<Self> {
        let window = signed(policy.scale_down.window);
        let period = signed(policy.timing.schedule_period);
        let least = period.saturating_add(period / 3);
        let room = millis(window) / millis(least).max(1);
        let slots = usize::try_from(room).unwrap_or(SLOTS).clamp(FEWEST_SLOTS, SLOTS);
        let part = SignedDuration::from_millis(millis(window) / i64::try_from(slots).unwrap_or(1));
        (!window.is_zero()).then(|| Self { length: part.max(least), slots })
    }

    fn slot_of(self, time: Timestamp) -> i64 {
        time.as_millisecond().div_euclid(millis(self.length).max(1))
    }

    /// The slots up to now. What lies ahead of that was written with other settings, or by a wrong clock: all of it is unknown.
    fn shifted(self, tag: Option<Needs>, now: Timestamp) -> Needs {
        let slot = self.slot_of(now);
        let latest = self.slot_of(now.saturating_add(CLOCK_SKEW).unwrap_or(now));
        let Some(tag) = tag.filter(|tag| tag.newest <= latest) else {
            return Needs { newest: slot, slots: [None; SLOTS] };
        };
        // The clock of who wrote it may be ahead.
        let newest = tag.newest.max(slot);
        let by = usize::try_from(newest.saturating_sub(tag.newest)).unwrap_or(SLOTS);
        let mut slots = [None; SLOTS];
        slots.iter_mut().take(self.slots).skip(by).zip(tag.slots).for_each(|(slot, needed)| *slot = needed);
        Needs { newest, slots }
    }
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How many agents a decision needs. A check of your own may say it by its delta alone. An incomplete snapshot may lack tasks, so
/// it says nothing.
fn needed(decision: &ScalingDecision, group: &Group) -> Option<u32> {
    match decision.completeness {
        Some(CompletenessLevel::Partial | CompletenessLevel::Blind) => None,
        Some(CompletenessLevel::Complete) | None => {
            Some(decision.needed.unwrap_or_else(|| agents(decision, group).saturating_add_signed(decision.delta)))
        }
    }
}

/// N: the usable agents that the decision saw. A check of your own may not count them: then the instances in service.
fn agents(decision: &ScalingDecision, group: &Group) -> u32 {
    if decision.agents.registered > 0 || decision.agents.usable > 0 {
        return decision.agents.usable;
    }
    saturated(group.instances.iter().filter(|instance| instance.lifecycle_state == Lifecycle::InService).count())
}

impl PlanInput<'_> {
    /// D7, as the decision says it.
    fn margin(&self) -> u32 {
        self.decision.margin.unwrap_or(0)
    }

    /// How many agents may go now, of so many that the decision removes, without those that were needed within the window.
    pub(super) fn let_go_by_window(&self, count: u32) -> Result<u32, BackOff> {
        let Some(window) = &self.window else { return Ok(count) };
        let agents = self.staying_agents();
        let highest = self.highest(window);
        // L1: what is above `max` goes at any rate.
        let above_max = self.policy.limits.max.map_or(0, |max| agents.saturating_sub(max));
        let kept = highest.map(|highest| highest.saturating_add(self.margin()));
        let spare = kept.map_or(0, |kept| agents.saturating_sub(kept));
        let count = count.min(spare.max(above_max));
        if count > 0 {
            return Ok(count);
        }
        let length = window.length();
        Err(match highest {
            None => {
                let (known, slots) = (saturated(window.slots().flatten().count()), saturated(window.slots().len()));
                let retry_in = window.until_without(|slot| slot.is_none(), self.now);
                BackOff::NeedsUnknown { known, slots, window: length, retry_in }
            }
            Some(needed) => {
                let margin = self.margin();
                let holds = |slot: Option<u32>| slot.is_some_and(|slot| slot.saturating_add(margin) >= agents);
                let retry_in = window.until_without(holds, self.now);
                BackOff::NeededLately { needed, margin, agents, window: length, retry_in }
            }
        })
    }

    /// The most agents that were needed within the window, where that is known. Nothing writes the tag in a dry run, so what it
    /// would know is not known.
    fn highest(&self, window: &Window) -> Option<u32> {
        if self.state.is_dry_run { Some(window.highest_known()) } else { window.highest() }
    }

    /// How many agents are to stay, by this decision and by the window; `None` where that is not known.
    pub(super) fn kept(&self) -> Option<u32> {
        let needed = needed(self.decision, self.group())?;
        let highest = self.window.as_ref().map_or(Some(0), |window| self.highest(window))?;
        Some(needed.max(highest).saturating_add(self.margin()))
    }

    /// The usable agents, without those that began to decommission after the snapshot was taken.
    pub(super) fn staying_agents(&self) -> u32 {
        let again = self.named_again(self.decision.delta.unsigned_abs());
        let told = self.own_decommissioning_without(&again).saturating_sub(self.decision.decommissioning());
        agents(self.decision, self.group()).saturating_sub(told)
    }

    /// What must be written so that this decision counts. A pool that nothing can leave writes nothing: its slots expire, and what
    /// is not known keeps agents as well. But a slot that says less than this decision must not outlive it.
    pub(super) fn window_change(&self) -> Option<TagChange> {
        let is_tagged = self.group().tags.iter().any(|tag| tag.key == NEEDED);
        if self.group().status.is_some() {
            return None;
        }
        let Some(window) = &self.window else {
            return is_tagged.then(|| TagChange::Delete { key: NEEDED.to_owned() });
        };
        let needed = needed(self.decision, self.group())?;
        let unit = self.group().unit()?;
        // What does not arrive is withdrawn by the window, too.
        let agents = agents(self.decision, self.group()).saturating_add(self.not_arriving());
        let margin = self.margin();
        let is_above_min =
            i64::from(agents) * i64::from(unit) > i64::from(self.lowest(unit)) || self.removable(unit) > 0;
        // As many as there will be: agents that this decision adds must not go by what was needed before.
        let max = self.most(unit);
        let lets_go = needed.saturating_add(margin) < agents || window.lets_go(agents.max(needed.min(max)), margin);
        // Nor by what a later one needs in this slot: that may leave no margin.
        let is_higher = window.knows_less(needed.min(max));
        let is_written = (is_above_min && lets_go) || is_higher || window.raises();
        let is_new = self.tags.needed != Some(window.needs);
        (is_written && is_new).then(|| TagChange::Set { key: NEEDED.to_owned(), value: window.needs.to_string() })
    }

    /// What a dry run does not know.
    pub(super) fn window_note(&self) -> Option<String> {
        let window = self.window.as_ref().filter(|_| self.state.is_dry_run && self.decision.delta < 0)?;
        let length = compact(window.length());
        Some(format!(
            "a dry run writes no tag, so what was needed in the last {length} (scale_down_window) is taken as known"
        ))
    }
}

/// `15m, by slots of 2m30s, newest first: 12 12 - - - -`
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, slot) = (compact(self.length()), compact(self.division.length));
        write!(f, "{length}, by slots of {slot}, newest first:")?;
        self.slots().try_for_each(|slot| match slot {
            Some(needed) => write!(f, " {needed}"),
            None => f.write_str(" -"),
        })
    }
}
