//! The window (D6): what was needed lately stays.

use super::*;
use crate::group_tags::{NEEDED, Needs};
use crate::state::Tag;

/// A slot of the default window and schedule.
const SLOT: i64 = 150;

fn windowed(settings: &str) -> Policy {
    let window = if settings.contains("scale_down_window") { "" } else { "scale_down_window = \"15m\"\n" };
    policy(&format!("{window}{settings}"))
}

/// The number of the slot of that second.
fn slot(second: i64) -> i64 {
    (NOW + second) / SLOT
}

fn tagged(mut state: GroupState, value: &str) -> GroupState {
    state.group.tags.retain(|tag| tag.key != NEEDED);
    state.group.tags.push(Tag { key: NEEDED.to_owned(), value: value.to_owned() });
    state
}

/// The group whose tag says that so many agents were needed in each slot, up to that second.
fn with_slots(slots: &str, second: i64) -> GroupState {
    tagged(group(), &format!("{} {slots}", slot(second)))
}

/// A decision of that second that removes agents, or adds them, and needs so many of ten.
fn needing(delta: i32, needed: u32, second: i64) -> ScalingDecision {
    let taken_at = at(second);
    ScalingDecision { expires_at: at(second + 120), needed: Some(needed), ..cluster::decision(delta, 10, taken_at) }
}

fn planned_at(decision: &ScalingDecision, state: &GroupState, second: i64) -> Plan {
    plan(decision, Some(state), &windowed(""), at(second))
}

fn written(plan: &Plan) -> Option<&str> {
    plan.tags.iter().find_map(|change| match change {
        TagChange::Set { key, value } if key == NEEDED => Some(value.as_str()),
        TagChange::Set { .. } | TagChange::Delete { .. } => None,
    })
}

fn lately(needed: u32, margin: u32, retry: i64) -> BackOff {
    BackOff::NeededLately { needed, margin, agents: 10, window: seconds(900), retry_in: seconds(retry) }
}

#[test]
fn nothing_goes_before_all_slots_are_known_d6() {
    let mut state = group();
    let mut writes = 0;
    // NOW is the start of a slot.
    for minute in 0..13 {
        let second = minute * 60;
        let plan = planned_at(&needing(-1, 7, second), &state, second);
        let known = u32::try_from(second / SLOT + 1).unwrap();
        let retry_in = seconds(5 * SLOT - second);
        check(&plan, BackOff::NeedsUnknown { known, slots: 6, window: seconds(900), retry_in });
        if let Some(value) = written(&plan) {
            writes += 1;
            state = tagged(state, value);
        }
    }
    assert_eq!(writes, 5, "a slot is written once");
    let plan = planned_at(&needing(-1, 7, 780), &state, 780);
    sets(&plan, 9);
    assert_eq!(written(&plan), Some(format!("{} 7 7 7 7 7 7", slot(780)).as_str()));
}

#[test]
fn the_highest_of_the_slots_stays_d6() {
    for (slots, delta, needed, expected) in [
        ("5 5 5 5 5 5", -3, 5, Ok(7)),
        ("5 5 8 5 5 5", -3, 5, Ok(8)),
        ("5 5 5 5 5 8", -3, 5, Ok(8)),
        ("5 5 5 5 9 5", -3, 5, Ok(9)),
        ("5 5 5 5 10 5", -3, 5, Err(lately(10, 0, 2 * SLOT))),
        ("5 30 5 5 10 5", -3, 5, Err(lately(30, 0, 5 * SLOT))),
        // What the decision itself needs counts as well.
        ("5 5 5 5 5 5", -1, 9, Ok(9)),
        ("0 0 0 0 0 0", -3, 0, Ok(7)),
    ] {
        let plan = planned_at(&needing(delta, needed, 0), &with_slots(slots, 0), 0);
        match expected {
            Ok(to) => sets(&plan, to),
            Err(back_off) => check(&plan, back_off),
        }
    }
}

#[test]
fn the_margin_of_the_decision_stays_too_d7() {
    let state = with_slots("5 5 8 5 5 5", 0);
    let with_margin = |margin| ScalingDecision { margin, ..needing(-3, 5, 0) };
    sets(&planned_at(&with_margin(None), &state, 0), 8);
    sets(&planned_at(&with_margin(Some(1)), &state, 0), 9);
    check(&planned_at(&with_margin(Some(2)), &state, 0), lately(8, 2, 4 * SLOT));
}

#[test]
fn what_is_above_max_goes_at_any_rate_l1() {
    // Ten agents, and max is 8.
    let max = windowed("max = 8");
    let decision = ScalingDecision { margin: Some(1), ..needing(-3, 10, 0) };
    for state in [group(), with_slots("10 10 10 10 10 10", 0), with_slots("5 - 5 5 5 5", 0)] {
        sets(&plan(&decision, Some(&state), &max, at(0)), 8);
    }
    // What was needed does not keep more of them, but what was not needed may go further.
    let decision = needing(-3, 5, 0);
    sets(&plan(&decision, Some(&with_slots("5 5 5 5 5 5", 0)), &max, at(0)), 7);
}

#[test]
fn no_window_remembers_nothing_d6() {
    let none = windowed("scale_down_window = \"0s\"");
    let plan = plan(&needing(-3, 5, 0), Some(&with_slots("10 10 10 10 10 10", 0)), &none, at(0));
    sets(&plan, 7);
    assert_eq!(plan.tags, [TagChange::Delete { key: NEEDED.to_owned() }]);
    assert_eq!(plan.window, None);
}

#[test]
fn a_pool_that_nothing_can_leave_writes_nothing_d6() {
    let writes = |decision: &ScalingDecision, state: &GroupState| {
        written(&plan(decision, Some(state), &windowed(""), at(0))).map(str::to_owned)
    };
    let with_margin = |needed| ScalingDecision { margin: Some(1), ..needing(0, needed, 0) };
    let starts = |needed: u32| Some(format!("{} {needed} - - - - -", slot(0)));
    assert_eq!(writes(&with_margin(8), &group()), starts(8));
    assert_eq!(writes(&with_margin(9), &group()), None, "9 and a margin of 1 are all");
    assert_eq!(writes(&needing(0, 9, 0), &group()), starts(9));
    assert_eq!(writes(&needing(2, 12, 0), &group()), None);
    // At the minimum nothing can leave either.
    let with = |min: &str| written(&plan(&needing(0, 5, 0), Some(&group()), &windowed(min), at(0))).map(str::to_owned);
    assert_eq!((with("min = 10"), with("min = 9")), (None, starts(5)));
    // But a slot that would let an agent go must not outlive what was needed after it.
    let low = with_slots("5 5 5 5 5 5", -SLOT);
    assert_eq!(writes(&needing(2, 12, 0), &low), Some(format!("{} 12 5 5 5 5 5", slot(0))));
    // Two more agents come, and must not go by what was needed before.
    let high = with_slots("10 10 10 10 10 10", -SLOT);
    assert_eq!(writes(&needing(0, 10, 0), &high), None);
    assert_eq!(writes(&needing(2, 12, 0), &high), Some(format!("{} 12 10 10 10 10 10", slot(0))));
    let maximum = windowed("max = 10");
    assert_eq!(written(&plan(&needing(0, 12, 0), Some(&high), &maximum, at(0))), None, "none can come");
    assert_eq!(writes(&needing(2, 12, 0), &with_slots("11 - - - - -", 0)), Some(format!("{} 12 - - - - -", slot(0))));
}

/// Six agents are usable, and as many instances are the minimum. Four more are deactivated, so four instances may go.
#[test]
fn a_pool_whose_group_has_more_instances_than_the_minimum_writes_d6() {
    let six = ScalingDecision {
        agents: shared::contract::AgentCounts { registered: 10, usable: 6, ..Default::default() },
        ..needing(-1, 3, 0)
    };
    let writes = |min: &str| written(&plan(&six, Some(&group()), &windowed(min), at(0))).is_some();
    assert_eq!((writes("min = 6"), writes("min = 10")), (true, false));
}

/// An agent more was needed than lately, and with the margin all stayed. Then others came, and a decision of the same slot needs less
/// and no margin: what was needed in between would not be known.
#[test]
fn what_a_decision_needs_beyond_the_tag_is_not_forgotten_d6() {
    let decision =
        |needed: u32, margin: u32, second| ScalingDecision { margin: Some(margin), ..needing(0, needed, second) };
    let low = with_slots("9 9 9 9 9 9", -SLOT);
    let first = planned_at(&decision(10, 1, 0), &low, 0);
    let tag = written(&first).unwrap();
    assert_eq!(tag, format!("{} 10 9 9 9 9 9", slot(0)));
    let second = ScalingDecision { delta: -2, ..decision(8, 0, 60) };
    let plan = planned_at(&second, &tagged(group(), tag), 60);
    assert_eq!(plan.result, lately(10, 0, 840).into());
    // As many as lately: a pool at rest writes nothing.
    assert_eq!(written(&planned_at(&decision(9, 1, 0), &low, 0)), None);
}

#[test]
fn every_admitted_decision_counts_d6() {
    let starts = Some(format!("{} 5 - - - - -", slot(0)));
    let kept = |state: &GroupState, settings: &str, decision: &ScalingDecision| {
        let plan = plan(decision, Some(state), &windowed(settings), at(0));
        written(&plan).map(str::to_owned)
    };
    let decision = needing(-1, 5, 0);
    assert_eq!(kept(&suspend(group(), "Terminate"), "", &decision), starts);
    assert_eq!(kept(&group(), "pause_until = \"2099-01-01T00:00:00Z\"", &decision), starts);
    assert_eq!(kept(&with_young(group(), 1, 30), "", &decision), starts);
    assert_eq!(kept(&group(), "", &needing(0, 5, 0)), starts);
    // One that is refused does not, and neither does one that may lack tasks.
    assert_eq!(kept(&group(), "", &ScalingDecision { expires_at: at(-1), ..decision.clone() }), None);
    for level in [CompletenessLevel::Partial, CompletenessLevel::Blind] {
        assert_eq!(kept(&group(), "", &ScalingDecision { completeness: Some(level), ..decision.clone() }), None);
    }
    let mut deleted = group();
    deleted.group.status = Some("Delete in progress".to_owned());
    assert_eq!(kept(&deleted, "", &decision), None);
}

#[test]
fn a_decision_without_a_number_needs_what_its_delta_leaves_d6() {
    let says = |decision: ScalingDecision| {
        let plan = plan(&ScalingDecision { needed: None, ..decision }, Some(&group()), &windowed(""), at(0));
        written(&plan).map(|value| value.split(' ').nth(1).unwrap().to_owned())
    };
    assert_eq!(says(needing(-1, 0, 0)).as_deref(), Some("9"));
    assert_eq!(says(needing(0, 0, 0)), None, "10 of 10");
    // A check of your own may say nothing about the snapshot, and count no agents: ten are in service.
    let alone = ScalingDecision { completeness: None, agents: Default::default(), ..needing(-2, 0, 0) };
    assert_eq!(says(alone).as_deref(), Some("8"));
}

#[test]
fn a_decision_counts_in_the_slot_in_which_it_arrives_d6() {
    let state = with_slots("5 5 5 5 5 5", 0);
    let after = |needed: u32, taken: i64, second: i64| {
        written(&planned_at(&needing(-1, needed, taken), &state, second)).map(str::to_owned)
    };
    assert_eq!(after(7, -10, 20), Some(format!("{} 7 5 5 5 5 5", slot(0))));
    assert_eq!(after(4, -10, 20), None, "a slot keeps the highest");
    assert_eq!(after(5, 0, 20), None, "a second time it changes nothing");
    // A gap is unknown.
    assert_eq!(after(7, 3 * SLOT, 3 * SLOT), Some(format!("{} 7 - - 5 5 5", slot(3 * SLOT))));
    assert_eq!(after(7, 9 * SLOT, 9 * SLOT), Some(format!("{} 7 - - - - -", slot(9 * SLOT))));
    // It stays so: what else was needed then was not written.
    assert_eq!(after(7, 3 * SLOT - 10, 3 * SLOT + 10), Some(format!("{} 7 - - 5 5 5", slot(3 * SLOT))));
}

/// A pool of ten needs all of them and writes nothing. Then a decision comes late, and the next ones need fewer: the agents that were
/// needed two minutes ago stay.
#[test]
fn a_late_decision_makes_no_slot_known_that_is_over_d6() {
    let policy = windowed("scale_down_window = \"4m\"");
    let (mut state, mut left) = (group(), Vec::new());
    // When they were taken, and when they arrive, in slots of 80 seconds.
    for (needed, taken, second) in [(10, 80, 80), (10, 110, 170), (6, 100, 175), (6, 185, 190), (6, 240, 240)] {
        let plan = plan(&needing(-4, needed, taken), Some(&state), &policy, at(second));
        left.push(capacity_of(&plan));
        if let Some(value) = written(&plan) {
            state = tagged(state, value);
        }
    }
    assert_eq!(left, [None; 5]);
    let slot = (NOW + 240) / 80;
    assert_eq!(state.group.tags.last().map(|tag| tag.value.clone()), Some(format!("{slot} 6 6 - - - -")));
}

#[test]
fn slots_ahead_of_now_start_anew_d6() {
    // As after the window was changed, or with a clock that was wrong.
    let ahead = tagged(group(), &format!("{} 3 3 3 3 3 3", slot(0) + 2));
    let plan = planned_at(&needing(-1, 5, 0), &ahead, 0);
    check(&plan, BackOff::NeedsUnknown { known: 1, slots: 6, window: seconds(900), retry_in: seconds(5 * SLOT) });
    assert_eq!(written(&plan), Some(format!("{} 5 - - - - -", slot(0)).as_str()));
    // Clocks differ by seconds.
    let ahead = with_slots("5 5 5 5 5 5", 0);
    sets(&planned_at(&needing(-1, 5, -5), &ahead, -2), 9);
    assert_eq!(
        written(&planned_at(&needing(-1, 6, -5), &ahead, -2)),
        Some(format!("{} 6 5 5 5 5 5", slot(0)).as_str())
    );
}

#[test]
fn an_unreadable_window_is_unknown_d6() {
    let plan = planned_at(&needing(-1, 5, 0), &tagged(group(), "many"), 0);
    check(&plan, BackOff::NeedsUnknown { known: 1, slots: 6, window: seconds(900), retry_in: seconds(5 * SLOT) });
    assert_eq!(
        plan.notes,
        ["the tag lambda-scale/needed cannot be read, \"many\": what was needed is unknown; it is written anew"]
    );
    assert_eq!(written(&plan), Some(format!("{} 5 - - - - -", slot(0)).as_str()));
}

#[test]
fn a_dry_run_takes_the_window_as_known_d6() {
    let mut state = group();
    state.is_dry_run = true;
    let plan = planned_at(&needing(-3, 5, 0), &state, 0);
    sets(&plan, 7);
    assert_eq!(
        plan.notes,
        ["a dry run writes no tag, so what was needed in the last 15m (scale_down_window) is taken as known"]
    );
    // What an earlier run wrote is known.
    let mut state = with_slots("- 9 - - - -", 0);
    state.is_dry_run = true;
    sets(&planned_at(&needing(-3, 5, 0), &state, 0), 9);
}

#[test]
fn a_window_has_three_to_six_slots_of_a_period_and_a_third_or_more_d6() {
    let divided = |settings: &str, minutes: u64| {
        let policy =
            windowed(settings).with(|policy| policy.timing.schedule_period = Duration::from_secs(60 * minutes));
        Window::at(None, &policy, at(0)).map(|window| (window.slots().len(), window.length()))
    };
    assert_eq!(divided("", 1), Some((6, seconds(900))));
    assert_eq!(divided("", 2), Some((5, seconds(900))));
    assert_eq!(divided("", 5), Some((3, seconds(3 * 400))));
    assert_eq!(divided("", 60), Some((3, SignedDuration::from_hours(4))));
    assert_eq!(divided("scale_down_window = \"1s\"", 1), Some((3, seconds(240))));
    assert_eq!(divided("scale_down_window = \"4m\"", 1), Some((3, seconds(240))));
    assert_eq!(divided("scale_down_window = \"6m\"", 1), Some((4, seconds(360))));
    assert_eq!(divided("scale_down_window = \"1h\"", 5), Some((6, seconds(3600))));
    assert_eq!(divided("scale_down_window = \"0s\"", 60), None);
    let needs = Needs { newest: slot(0) - 1, slots: [Some(5), None, Some(7), Some(7), Some(7), Some(7)] };
    let window = Window::at(Some(needs), &windowed(""), at(0)).unwrap();
    assert_eq!(window.to_string(), "15m, by slots of 2m30s, newest first: - 5 - 7 7 7");
}

#[test]
fn a_shorter_window_has_fewer_slots_d6() {
    let policy = windowed("scale_down_window = \"4m\"");
    let slot = (NOW + 800) / 80;
    let decide = |tag: &str| {
        let decision = needing(-3, 5, 800);
        plan(&decision, Some(&tagged(group(), &format!("{slot} {tag}"))), &policy, at(800))
    };
    sets(&decide("5 5 5 - - -"), 7);
    sets(&decide("5 5 9 - - -"), 9);
    // What another window left beyond the third is not kept.
    let plan = decide("5 5 5 9 9 9");
    sets(&plan, 7);
    assert_eq!(written(&plan), Some(format!("{slot} 5 5 5 - - -").as_str()));
    let unknown = decide("5 - 5 5 5 5");
    let retry_in = seconds(80 * (slot + 2) - NOW - 800);
    check(&unknown, BackOff::NeedsUnknown { known: 2, slots: 3, window: seconds(240), retry_in });
}

#[test]
fn agents_that_were_told_to_leave_are_not_there_d6() {
    // Two bear the tag, and the snapshot is older than that.
    let mut state = with_slots("7 7 7 7 7 7", 0);
    for id in ["i-8", "i-9"] {
        state
            .group
            .tags
            .push(Tag { key: format!("lambda-scale/decommission/{id}"), value: shared::time::format(at(-5)) });
    }
    let policy = policy_with("drain", "scale_down_window = \"15m\"\nmax_scale_down_step = 5");
    let named = |ids: std::ops::Range<u32>| {
        ids.map(|n| shared::contract::AgentRef {
            task_count: 1,
            ..cluster::agent_ref(&format!("S{n}"), &format!("ip-{n}"), Some(&format!("i-{n}")))
        })
    };
    let left = |ids| {
        let decision = ScalingDecision { scale_down_agents: named(ids).collect(), ..needing(-3, 7, 0) };
        match plan(&decision, Some(&state), &policy, at(0)).result {
            PlanResult::Act(Change::Deactivate { targets, .. }) => targets.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(left(0..3), 1, "ten without two and this one are seven");
    assert_eq!(left(7..10), 3, "two of three are decommissioning already");
}

/// A decision about a pool, when it is made, and how late it arrives.
fn arrivals() -> impl Strategy<Value = Vec<(i64, i64, u32, bool)>> {
    prop::collection::vec((20_i64..200, 0_i64..110, 0_u32..13, prop::bool::weighted(0.9)), 1..120)
}

proptest! {
    /// D6: however late decisions come, no agent goes that one of the last four slots needed, and all that are not needed go.
    #[test]
    fn what_was_needed_lately_is_kept_d6(arrivals in arrivals(), margin in 0_u32..3) {
        let policy = windowed("min = 0\nmax_scale_down_step = 20");
        let mut state = group();
        state.group.min_size = 0;
        let (mut taken, mut arriving) = (0, Vec::new());
        for (after, late, needed, arrives) in arrivals {
            taken += after;
            if arrives {
                arriving.push((taken + late, taken, needed));
            }
        }
        arriving.sort_unstable();
        let mut counted: Vec<(i64, u32)> = Vec::new();
        for (now, taken, needed) in arriving {
            let decision = ScalingDecision { margin: Some(margin), ..needing(-10, needed, taken) };
            let planned = plan(&decision, Some(&state), &policy, at(now));
            counted.push((slot(now), needed));
            let left = capacity_of(&planned).map_or(10, |to| u32::try_from(to).unwrap());
            let newest = slot(now);
            let recent = |slots: i64| counted.iter().filter(move |(slot, _)| *slot > newest - slots).map(|(_, needed)| *needed);
            if left < 10 {
                for needed in recent(5) {
                    prop_assert!(left >= (needed + margin).min(10), "{left} left of {counted:?}");
                }
            }
            // Where in each slot a decision arrived that lets an agent go, what is not needed goes.
            let is_known = (0..6).all(|slot| {
                counted.iter().any(|(at, needed)| *at == newest - slot && needed + margin < 10)
            });
            let highest = recent(6).max().unwrap_or(0);
            if is_known {
                prop_assert!(left <= (highest + margin).min(10), "{left} left of {counted:?}");
            }
            if let Some(value) = written(&planned) {
                state = tagged(state, value);
            }
        }
    }
}

#[test]
fn what_a_pool_at_its_maximum_needs_is_written_d6() {
    // The decision needs 12 agents, and max is 8: the slots say no less than the pool may have.
    let max = windowed("max = 8");
    let of = |agents, slots: &str| {
        let mut decision = needing(0, 12, 0);
        (decision.agents.registered, decision.agents.usable) = (agents, agents);
        written(&plan(&decision, Some(&with_slots(slots, 0)), &max, at(0))).is_some()
    };
    // Ten agents could go down to eight by the slots alone.
    assert!(of(10, "- 8 8 8 8 8"));
    // A slot that says less than this decision must not outlive it.
    assert!(of(8, "8 8 8 8 8 8"));
    assert!(!of(8, "12 8 8 8 8 8") && !of(8, "- 8 8 8 8 8"));
}

#[test]
fn the_agents_of_a_check_that_counts_some_are_believed_d6() {
    let held = |registered, usable| {
        let state = with_slots("10 10 10 10 10 10", 0);
        let mut decision = seen(needing(-1, 9, 0), &state);
        (decision.agents.registered, decision.agents.usable) = (registered, usable);
        match planned_at(&decision, &state, 0).result {
            PlanResult::BackOff(BackOff::NeededLately { agents, .. }) => Some(agents),
            _ => None,
        }
    };
    assert_eq!((held(0, 9), held(9, 0), held(9, 9)), (Some(9), Some(0), Some(9)));
    // Who counts none means the ten instances in service.
    assert_eq!(held(0, 0), Some(10));
}

#[test]
fn slots_count_agents_where_an_instance_counts_for_more_d6() {
    let mut state = group();
    state.group.instances.iter_mut().for_each(|instance| instance.weighted_capacity = Some("2".to_owned()));
    (state.group.desired_capacity, state.group.max_size) = (20, 18);
    let of = |state: &GroupState, needed, slots: &str| {
        let state = tagged(state.clone(), &format!("{} {slots}", slot(0)));
        written(&planned_at(&needing(0, needed, 0), &state, 0)).is_some()
    };
    // Nine agents are the group's maximum, and the slots know of ten.
    assert!(!of(&state, 12, "- 10 10 10 10 10"));
    // Ten agents are above the minimum of six.
    assert!(of(&GroupState { group: Group { min_size: 12, ..state.group.clone() }, ..state }, 5, "- 5 5 5 5 5"));
}

#[test]
fn a_dry_run_that_removes_nothing_needs_no_note_on_the_window_d6() {
    let mut state = group();
    state.is_dry_run = true;
    let notes = |delta| planned_at(&needing(delta, 9, 0), &state, 0).notes;
    assert_eq!((notes(0).len(), notes(-1).len()), (0, 1));
}
