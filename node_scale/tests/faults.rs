//! What may go wrong between a decision and the group: node_scale's own handler with the real SDK, in this process, so that it
//! can be stopped at every call. docs/faults.md lists the faults and names the test of each.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{GROUP, SIZE, World, body, decision, event};
use jiff::SignedDuration;
use node_scale::config::Settings;
use node_scale::handler::Handler;
use shared::clause::Clause;
use shared::config::Config;
use shared::contract::{AgentRef, OutcomeAction, ScalingDecision};
use shared::error::Chain;
use shared::random::SplitMix64;
use testbed::autoscaling::{access_denied, throttling};
use testbed::faults::{Calls, Fault, Lag, Trouble};
use testbed::{AwsError, Service, now, sdk_config, sns};

const ACTIVITIES: &str = "DescribeScalingActivities";
const REFRESHES: &str = "DescribeInstanceRefreshes";
const DESCRIBE: &str = "DescribeAutoScalingGroups";
const RESIZE: &str = "SetDesiredCapacity";
const TERMINATE: &str = "TerminateInstanceInAutoScalingGroup";

const TAG_WRITES: [&str; 2] = ["CreateOrUpdateTags", "DeleteTags"];

/// More answers, and longer, than a test takes.
const LAG: Lag = Lag { answers: 100, at_most: Duration::from_secs(600) };

// --- How often AWS is called ------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_quiet_run_makes_two_calls_a_scale_up_three_a_scale_down_four() {
    for (delta, expected) in [
        (0, vec![ACTIVITIES, DESCRIBE]),
        (2, vec![ACTIVITIES, DESCRIBE, RESIZE]),
        (-1, vec![ACTIVITIES, REFRESHES, DESCRIBE, TERMINATE]),
        (-3, vec![ACTIVITIES, REFRESHES, DESCRIBE, TERMINATE, TERMINATE, TERMINATE]),
    ] {
        let world = World::new().await;
        world.deliver(&decision(1, delta, SIZE)).await;
        assert_eq!(world.actions(), expected, "{delta}");
    }
}

// --- Stopped anywhere ---------------------------------------------------------------------------------------------------

/// Stops the function at a call, before or after AWS has done it.
async fn crash_at(world: &World, call: usize, trouble: Trouble, decision: &ScalingDecision) {
    world.faults.add(Fault::at(Calls::Number(Service::AutoScaling, call), trouble));
    let handler = world.handler();
    let event = event(&[body(decision)]);
    tokio::select! {
        result = handler.handle(&event, now) => panic!("it did not come to call {call}: {result:?}"),
        () = world.auto_scaling.wait_for_calls(call + 1) => {}
    }
}

#[tokio::test]
async fn a_scale_up_stopped_at_any_call_and_run_again_adds_once() {
    for call in 0..3 {
        for trouble in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let world = World::new().await;
            let up = decision(1, 2, SIZE);
            crash_at(&world, call, trouble.clone(), &up).await;
            world.deliver(&up).await;
            assert_eq!(world.desired(), 12, "call {call}, {trouble:?}");
            world.deliver(&up).await;
            world.finish();
            world.deliver(&up).await;
            assert_eq!(world.desired(), 12, "call {call}, {trouble:?}, once more");
        }
    }
}

#[tokio::test]
async fn a_scale_down_stopped_at_any_call_and_run_again_ends_no_other_instance() {
    for call in 0..6 {
        for trouble in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let world = World::new().await;
            let down = decision(1, -3, SIZE);
            crash_at(&world, call, trouble.clone(), &down).await;
            world.deliver(&down).await;
            let going = world.going();
            let named: BTreeSet<String> = (0..3).map(|n| format!("i-{n}")).collect();
            assert!(going.is_subset(&named), "call {call}, {trouble:?}: {going:?}");
            assert_eq!(world.desired(), 10 - i32::try_from(going.len()).unwrap(), "call {call}, {trouble:?}");
            // Before anything was done it is done by the second run; after that the decision saw another group.
            let done = match (call, &trouble) {
                (0..3, _) | (3, Trouble::HangsBefore) => 3,
                (_, Trouble::HangsBefore) => call - 3,
                _ => call - 2,
            };
            assert_eq!(going.len(), done, "call {call}, {trouble:?}");
        }
    }
}

#[tokio::test]
async fn a_protected_surplus_stopped_at_any_call_launches_none_and_keeps_the_minimum() {
    // Three calls describe the group and the fourth raises its desired capacity; three describe it again, and three terminate.
    for call in 0..10 {
        for trouble in [Trouble::HangsBefore, Trouble::HangsAfter] {
            let world = World::new().await;
            world.auto_scaling.group(GROUP, |group| {
                group.protects_new = true;
                group.instances_mut().iter_mut().for_each(|instance| instance.protected = true);
                group.set_desired(2, false, now()).unwrap();
            });
            let (first, second) = (decision(1, -3, SIZE), decision(2, -3, SIZE));
            if call < 4 {
                crash_at(&world, call, trouble.clone(), &first).await;
                world.deliver(&first).await;
            } else {
                world.deliver(&first).await;
                assert_eq!((world.desired(), world.going().len()), (5, 0));
                crash_at(&world, call, trouble.clone(), &second).await;
            }
            world.deliver(&second).await;
            let going = world.going();
            assert!(going.iter().all(|id| ["i-0", "i-1", "i-2"].contains(&id.as_str())), "call {call}: {going:?}");
            assert_eq!(world.desired(), 5 - i32::try_from(going.len()).unwrap(), "call {call}, {trouble:?}");
            assert_eq!(world.auto_scaling.group(GROUP, |group| group.instances().len()), Some(10), "none is launched");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_seen_on_the_group_the_next_time() {
    let lost = || Trouble::AnswerLost(AwsError::new(500, "InternalFailure", "lost"));
    let world = World::new().await;
    world.faults.add(Fault::of(RESIZE, lost()));
    let up = decision(1, 2, SIZE);
    assert_eq!(world.deliver(&up).await.action, OutcomeAction::Failed);
    assert_eq!(world.deliver(&up).await.action, OutcomeAction::None);
    assert_eq!((world.desired(), world.writes().len()), (12, 1));

    let world = World::new().await;
    world.faults.add(Fault::of(TERMINATE, lost()));
    let down = decision(1, -1, SIZE);
    assert_eq!(world.deliver(&down).await.action, OutcomeAction::Failed);
    assert_eq!(world.deliver(&down).await.action, OutcomeAction::BackedOff);
    assert_eq!((world.desired(), world.writes().len()), (9, 1));
}

// --- Twice, late, in another order --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_thousand_duplicates_in_any_order_with_delays_change_the_group_once() {
    let world = World::new().await;
    // Three looks at the same ten agents; what came later wanted more.
    let decisions = [decision(1, 1, SIZE), decision(2, 2, SIZE), decision(3, 3, SIZE)];
    let handlers: Vec<Handler> = (0..8).map(|_| world.handler()).collect();
    let mut random = SplitMix64::new(7);
    for _ in 0..1000 {
        let decision = &decisions[random.index(decisions.len())];
        let handler = &handlers[random.index(handlers.len())];
        // Up to four minutes late: half of them have expired.
        let later = SignedDuration::from_secs(i64::try_from(random.below(240)).unwrap());
        drop(handler.handle(&event(&[body(decision)]), || now() + later).await);
        if random.below(20) == 0 {
            world.finish();
        }
        assert!(world.desired() <= 13, "never more than the decision that wants most");
    }
    assert_eq!(world.desired(), 13);
    // A scale-up that waits for a launch sets its streak's tag once, and deletes it once.
    let (resizes, others): (Vec<_>, Vec<_>) = world.writes().into_iter().partition(|call| call.action == RESIZE);
    assert!((1..=3).contains(&resizes.len()), "{} resizes", resizes.len());
    assert!(others.iter().all(|call| TAG_WRITES.contains(&call.action.as_str())), "{others:?}");
    assert!(others.len() <= 2 * resizes.len(), "{others:?}");
    let told = world.outcomes();
    assert_eq!(told.len(), 1000, "every one ends in an outcome");
    assert!(told.iter().any(|outcome| outcome.reason.contains("expired")));
}

#[tokio::test]
async fn a_thousand_duplicates_of_a_scale_down_end_each_named_instance_once() {
    let world = World::new().await;
    let down = decision(1, -3, SIZE);
    let handlers: Vec<Handler> = (0..8).map(|_| world.handler()).collect();
    let mut random = SplitMix64::new(11);
    for _ in 0..1000 {
        let handler = &handlers[random.index(handlers.len())];
        let later = SignedDuration::from_secs(i64::try_from(random.below(240)).unwrap());
        drop(handler.handle(&event(&[body(&down)]), || now() + later).await);
        if random.below(20) == 0 {
            world.finish();
        }
    }
    assert_eq!((world.desired(), world.writes().len()), (7, 3));
}

#[tokio::test]
async fn records_of_one_event_are_each_handled_by_themselves() {
    let world = World::new().await;
    let mut unknown = decision(2, 5, SIZE);
    unknown.pool = "others".to_owned();
    let bodies = ["not JSON".to_owned(), body(&unknown), body(&decision(1, 2, SIZE)), body(&decision(1, 2, SIZE))];
    world.handler().handle(&event(&bodies), now).await.unwrap();
    let told: Vec<OutcomeAction> = world.outcomes().iter().map(|outcome| outcome.action).collect();
    assert_eq!(told, [OutcomeAction::Refused, OutcomeAction::Refused, OutcomeAction::ScaledUp, OutcomeAction::None]);
    assert_eq!(world.desired(), 12);
}

#[tokio::test]
async fn a_failing_record_does_not_hide_the_next_one() {
    let world = World::new().await;
    world.faults.refuse(DESCRIBE, access_denied(DESCRIBE), 1);
    let bodies = [body(&decision(1, 2, SIZE)), body(&decision(2, 2, SIZE))];
    assert!(world.handler().handle(&event(&bodies), now).await.is_err(), "Lambda sees the failure");
    assert_eq!(world.desired(), 12, "and the second record was carried out");
}

// --- Others change the group at the same time ---------------------------------------------------------------------------

#[tokio::test]
async fn two_functions_at_the_same_moment_add_what_one_would() {
    for _ in 0..20 {
        let world = World::new().await;
        let (first, second) = (world.handler(), world.handler());
        let (some, more) = (event(&[body(&decision(1, 2, SIZE))]), event(&[body(&decision(2, 3, SIZE))]));
        let (one, other) = tokio::join!(first.handle(&some, now), second.handle(&more, now));
        one.unwrap();
        other.unwrap();
        assert!((12..=13).contains(&world.desired()), "{}", world.desired());
        // In either order, the next run completes it.
        world.deliver(&decision(3, 3, SIZE)).await;
        assert_eq!(world.desired(), 13);
    }
}

#[tokio::test]
async fn instances_added_by_another_controller_count_as_in_flight() {
    let world = World::new().await;
    let up = decision(1, 2, SIZE);
    world.auto_scaling.group(GROUP, |group| group.set_desired(20, false, now())).unwrap().unwrap();
    let outcome = world.deliver(&up).await;
    assert_eq!(outcome.action, OutcomeAction::None);
    assert_eq!(
        (outcome.clause, outcome.reason.as_str()),
        (Some(Clause::B3), "10 instances in flight cover the 2 agents needed")
    );
    assert_eq!(world.desired(), 20, "no change is undone");
}

#[tokio::test]
async fn an_instance_removed_by_another_controller_stops_a_scale_down() {
    let world = World::new().await;
    let down = decision(1, -2, SIZE);
    world.auto_scaling.group(GROUP, |group| group.terminate_instance("i-7", true, now())).unwrap().unwrap();
    let outcome = world.deliver(&down).await;
    assert_eq!(outcome.clause, Some(Clause::B1), "{}", outcome.reason);
    assert_eq!(world.going(), BTreeSet::from(["i-7".to_owned()]));
}

#[tokio::test]
async fn limits_that_were_changed_meanwhile_hold_at_once() {
    let world = World::new().await;
    world.auto_scaling.group(GROUP, |group| group.max = 11).unwrap();
    assert_eq!(world.deliver(&decision(1, 5, SIZE)).await.to, Some(11));
    world.auto_scaling.group(GROUP, |group| group.min = 11).unwrap();
    world.finish();
    let down = world.deliver(&decision(2, -1, 11)).await;
    assert_ne!(down.action, OutcomeAction::ScaledDown, "{}", down.reason);
    assert_eq!(world.desired(), 11);
}

#[tokio::test]
async fn answers_that_lag_behind_do_not_add_twice() {
    let world = World::new().await;
    world.faults.change(|faults| faults.lag = Some(LAG));
    let up = decision(1, 2, SIZE);
    for _ in 0..5 {
        world.deliver(&up).await;
    }
    assert_eq!(world.desired(), 12);
}

#[tokio::test]
async fn answers_that_lag_behind_do_not_end_an_instance_twice() {
    let world = World::new().await;
    world.faults.change(|faults| faults.lag = Some(LAG));
    let down = decision(1, -1, SIZE);
    assert_eq!(world.deliver(&down).await.action, OutcomeAction::ScaledDown);
    // The activities tell of it, though the group does not.
    assert_eq!(world.deliver(&down).await.clause, Some(Clause::B1));
    // And where neither does, the function itself remembers.
    let world = World::new().await;
    let handler = world.handler();
    world.deliver_to(&handler, &down, SignedDuration::ZERO).await;
    let mark = world.auto_scaling.call_count();
    let again = world.deliver_to(&handler, &down, SignedDuration::ZERO).await;
    assert!(again.reason.starts_with("already applied"), "{}", again.reason);
    assert_eq!(world.auto_scaling.call_count(), mark, "without a call");
}

#[tokio::test]
async fn slow_answers_are_no_ground_for_a_write() {
    let world = World::new().await;
    // Each look at the clock is four seconds later than the last one, and so old is what was seen of the group.
    let reads = std::cell::Cell::new(0);
    let clock = || {
        reads.set(reads.get() + 4);
        now() + SignedDuration::from_secs(reads.get())
    };
    world.handler().handle(&event(&[body(&decision(1, 2, SIZE))]), clock).await.unwrap();
    let outcome = world.outcomes().remove(0);
    assert_eq!(
        world.actions().iter().filter(|action| *action == DESCRIBE).count(),
        3,
        "it looks again, but not for ever"
    );
    assert_eq!(outcome.clause, Some(Clause::B4));
    assert!(outcome.reason.starts_with("describing the group took longer than 3s"), "{}", outcome.reason);
    assert_eq!(world.desired(), 10);
}

// --- Groups that do not do what they are asked to -----------------------------------------------------------------------

/// A decision as it would come that much later.
fn at(id: u128, delta: i32, agents: u32, later: SignedDuration) -> ScalingDecision {
    let decision = decision(id, delta, agents);
    ScalingDecision {
        snapshot_taken_at: decision.snapshot_taken_at + later,
        decided_at: decision.decided_at + later,
        expires_at: decision.expires_at + later,
        ..decision
    }
}

#[tokio::test]
async fn a_group_that_never_launches_is_asked_once() {
    let world = World::new().await;
    world.auto_scaling.group(GROUP, |group| group.behavior.reaction = Duration::from_secs(1_000_000)).unwrap();
    let handler = world.handler();
    for minute in (0..120).step_by(3) {
        let later = SignedDuration::from_mins(minute);
        world.deliver_to(&handler, &at(u128::try_from(minute).unwrap(), 3, SIZE, later), later).await;
        assert_eq!(world.desired(), 13);
    }
    assert_eq!(world.writes().len(), 1);
}

#[tokio::test]
async fn hundreds_of_launches_in_progress_hide_no_activity() {
    let world = World::new().await;
    let ago = |seconds| now() - SignedDuration::from_secs(seconds);
    world.auto_scaling.group(GROUP, |group| {
        // A first page of launches that have been in progress for hours; three instances launched a minute ago.
        group.max = 400;
        group.behavior.launch = Duration::from_secs(100_000);
        group.set_desired(260, false, ago(7200)).unwrap();
        group.advance(ago(7200));
        group.fill_warm_pool(3, ago(200_000));
        group.set_desired(263, false, ago(60)).unwrap();
        group.advance(ago(60));
    });
    let outcome = world.deliver(&decision(1, 3, SIZE)).await;
    assert_eq!(outcome.reason, "3 instances in flight cover the 3 agents needed");
    assert_eq!(world.actions().iter().filter(|action| *action == ACTIVITIES).count(), 3, "three pages");
}

#[tokio::test]
async fn launches_that_fail_for_hours_raise_nothing() {
    let world = World::new().await;
    world.auto_scaling.group(GROUP, |group| group.behavior.failing_launches = 1000).unwrap();
    let mut clauses = BTreeSet::new();
    let handler = world.handler();
    for minute in (0..120).step_by(3) {
        let later = SignedDuration::from_mins(minute);
        let outcome = world.deliver_to(&handler, &at(u128::try_from(minute).unwrap(), 3, SIZE, later), later).await;
        clauses.insert(outcome.clause);
        assert_eq!(world.desired(), 13);
    }
    assert_eq!(clauses, BTreeSet::from([None, Some(Clause::B5)]), "the request, and why no other follows");
}

#[tokio::test]
async fn a_scale_up_is_applied_although_a_launch_is_always_in_progress() {
    // A group of spot instances that replaces one machine after the other.
    let world = World::with("max_back_off = \"3m\"\n").await;
    world.auto_scaling.group(GROUP, |group| group.set_desired(11, false, now())).unwrap().unwrap();
    let mut actions = Vec::new();
    for minute in 0..4 {
        let later = SignedDuration::from_mins(minute);
        let up = at(u128::try_from(minute).unwrap(), 4, SIZE, later);
        actions.push(world.deliver_to(&world.handler(), &up, later).await.action);
    }
    use OutcomeAction::{BackedOff, ScaledUp};
    assert_eq!(actions, [BackedOff, BackedOff, BackedOff, ScaledUp]);
    assert_eq!(world.desired(), 14, "what was in flight counts");
    assert!(
        world.auto_scaling.group(GROUP, |group| group.tags.is_empty()).unwrap(),
        "the mark is gone with its reason"
    );
}

#[tokio::test]
async fn a_group_that_is_gone_between_two_calls_is_refused() {
    let world = World::new().await;
    world.auto_scaling.delete(GROUP);
    let outcome = world.deliver(&decision(1, 2, SIZE)).await;
    assert_eq!(outcome.action, OutcomeAction::Refused);
    assert_eq!(outcome.clause, Some(Clause::R1));
    assert!(outcome.reason.starts_with("no Auto Scaling group"), "{}", outcome.reason);
}

// --- Calls that fail --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn every_failed_call_is_reported_and_leaves_the_group_unchanged() {
    for action in [ACTIVITIES, DESCRIBE, REFRESHES, TERMINATE, RESIZE] {
        let above = AwsError::new(400, "ValidationError", "New SetDesiredCapacity value 31 is above max value 30");
        for fault in [access_denied(action), above, throttling()] {
            let world = World::new().await;
            world.faults.refuse(action, fault.clone(), 100);
            let delta = if action == RESIZE { 2 } else { -1 };
            let outcome = world.deliver(&decision(1, delta, SIZE)).await;
            assert_eq!(outcome.action, OutcomeAction::Failed, "{action} {}", fault.code);
            // AWS' own words are kept.
            for text in [action, &fault.code, fault.message.trim_end_matches('.')] {
                assert!(outcome.reason.contains(text), "{}", outcome.reason);
            }
            assert_eq!((world.desired(), world.going().len()), (10, 0), "{action} {}", fault.code);
        }
    }
}

#[tokio::test]
async fn a_description_that_is_cut_short_is_an_error() {
    // The group's tag pauses it: an answer without its end has no such tag.
    let paused = || async {
        let world = World::new().await;
        let pause = ("lambda-scale/pause-until".to_owned(), "2999-01-01T00:00:00Z".to_owned());
        world.auto_scaling.group(GROUP, |group| group.tags.extend([pause])).unwrap();
        world
    };
    for action in [DESCRIBE, ACTIVITIES, REFRESHES] {
        let mut bytes = 40;
        loop {
            let world = paused().await;
            world.faults.add(Fault::of(action, Trouble::AnswerCut(bytes)).times(100));
            let outcome = world.deliver(&decision(1, -1, SIZE)).await;
            assert_eq!((world.desired(), world.writes()), (10, Vec::new()), "{action} cut at {bytes}: {outcome:?}");
            if outcome.action == OutcomeAction::BackedOff {
                break; // the answer is not that long
            }
            assert_eq!(outcome.action, OutcomeAction::Failed, "{action} cut at {bytes}: {outcome:?}");
            bytes += 173;
        }
        assert!(bytes > 173, "{action} was never cut");
    }
}

#[tokio::test]
async fn throttled_reads_are_made_again_and_writes_are_not() {
    let world = World::new().await;
    world.faults.refuse(DESCRIBE, throttling(), 1);
    world.faults.refuse(ACTIVITIES, throttling(), 1);
    world.deliver(&decision(1, 2, SIZE)).await;
    assert_eq!(world.desired(), 12);

    let world = World::new().await;
    world.faults.refuse(RESIZE, throttling(), 1);
    assert_eq!(world.deliver(&decision(1, 2, SIZE)).await.action, OutcomeAction::Failed);
    assert_eq!(world.writes().len(), 1);
}

#[tokio::test]
async fn a_group_tag_that_cannot_be_written_does_not_stop_the_run() {
    let world = World::with("scale_down_window = \"15m\"\n").await;
    world.faults.refuse("CreateOrUpdateTags", access_denied("CreateOrUpdateTags"), 1);
    let outcome = world.deliver(&decision(1, -1, SIZE)).await;
    assert_eq!((outcome.action, outcome.clause), (OutcomeAction::BackedOff, Some(Clause::D6)));
    assert!(outcome.notes[0].contains("autoscaling:CreateOrUpdateTags"), "{outcome:?}");
    assert_eq!(outcome.notes[1], "no agent is removed until the tag lambda-scale/needed can be written (D6)");
    assert_eq!(world.desired(), 10);
}

#[tokio::test]
async fn a_scale_up_that_waits_goes_ahead_where_its_tag_is_not_written() {
    for denied in [true, false] {
        let world = World::with("max_back_off = \"1h\"\n").await;
        world.deliver(&decision(1, 2, SIZE)).await;
        if denied {
            world.faults.refuse("CreateOrUpdateTags", access_denied("CreateOrUpdateTags"), 1);
        } else {
            // A group has at most 50 tags.
            let tags = (0..50).map(|number| (format!("team-{number}"), String::new()));
            world.auto_scaling.group(GROUP, |group| group.tags.extend(tags)).unwrap();
        }
        let outcome = world.deliver(&decision(2, 5, SIZE)).await;
        assert_eq!((outcome.action, world.desired()), (OutcomeAction::ScaledUp, 15), "{outcome:?}");
        assert!(outcome.notes[0].contains("tags of the group were not written"), "{outcome:?}");
    }
    let world = World::with("max_back_off = \"1h\"\n").await;
    world.deliver(&decision(1, 2, SIZE)).await;
    let outcome = world.deliver(&decision(2, 5, SIZE)).await;
    assert_eq!((outcome.action, world.desired()), (OutcomeAction::BackedOff, 12), "{outcome:?}");
}

#[tokio::test]
async fn a_group_of_fifty_tags_scales_up() {
    // A decision that adds agents and yet has something to remember: one more would be enough.
    let world = World::with("scale_down_window = \"15m\"\n").await;
    let full = AwsError::new(400, "LimitExceeded", "more than 50 tags");
    world.faults.refuse("CreateOrUpdateTags", full, 100);
    let needs_few = ScalingDecision { needed: Some(3), ..decision(1, 2, SIZE) };
    let outcome = world.deliver(&needs_few).await;
    assert_eq!((outcome.action, world.desired()), (OutcomeAction::ScaledUp, 12));
    assert!(outcome.notes[0].contains("LimitExceeded"), "{outcome:?}");
}

#[tokio::test]
async fn a_dry_run_makes_no_call_that_changes_anything_i15() {
    for (delta, settings) in [(2, "dry"), (-3, "dry"), (-1, "dryscale_down_window = \"15m\"\n")] {
        let world = World::with(settings).await;
        let outcome = world.deliver(&decision(1, delta, SIZE)).await;
        assert!(outcome.dry_run);
        assert_eq!(world.writes(), [], "{settings}");
        assert_eq!(world.desired(), 10);
        assert_eq!(outcome.action, OutcomeAction::DryRun);
        assert_eq!(outcome.to, Some(10 + delta), "it says what it would do");
        assert_eq!(outcome.instances.len(), usize::try_from((-delta).max(0)).unwrap());
    }
}

// --- Messages that lie --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn no_forged_message_ends_more_than_a_step_of_the_group() {
    let world = World::new().await;
    let mut forged = decision(1, -3, SIZE);
    forged.delta = i32::MIN;
    forged.scale_down_agents.extend(decision(1, -9, SIZE).scale_down_agents);
    forged.scale_down_agents.insert(
        0,
        AgentRef { instance_id: Some("i-of-another-group".to_owned()), ..forged.scale_down_agents[0].clone() },
    );
    let outcome = world.deliver(&forged).await;
    assert!(outcome.instances.len() <= 3 && world.desired() >= 7, "{outcome:?}");
    assert!(world.writes().iter().all(|call| call.params["InstanceId"] != "i-of-another-group"));
}

#[tokio::test]
async fn a_decision_for_an_odd_pool_is_refused_and_no_error() {
    for name in ["", " ", "another", "a\nb\u{7}", &"x".repeat(100_000), &"é".repeat(50_000)] {
        let world = World::new().await;
        let odd = ScalingDecision { pool: name.to_owned(), ..decision(1, 2, SIZE) };
        world.handler().handle(&event(&[body(&odd)]), now).await.unwrap();
        let [outcome] = world.outcomes().try_into().unwrap();
        assert_eq!((outcome.action, outcome.clause), (OutcomeAction::Refused, Some(Clause::R1)));
        assert!((1..=256).contains(&outcome.pool.chars().count()) && outcome.reason.len() < 1_000, "{outcome:?}");
        assert!(!outcome.pool.chars().any(char::is_control));
        assert_eq!(world.auto_scaling.call_count(), 0);
    }
}

#[tokio::test]
async fn a_topic_in_another_region_is_named_with_both_regions() {
    let world = World::new().await;
    let arn = world.outcomes.replace("us-east-1", "eu-west-1");
    assert_ne!(arn, world.outcomes);
    let world = World { outcomes: arn, ..world };
    let failed = world.handler().handle(&event(&[body(&decision(1, 0, SIZE))]), now).await.unwrap_err();
    let text = Chain::new(&failed).to_string();
    assert!(text.contains("the topic is in the region eu-west-1, and this function in us-east-1"), "{text}");
}

#[tokio::test]
async fn a_message_of_another_topic_is_refused() {
    let world = World::new().await;
    let config = Config::parse(&format!(
        "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\n"
    ));
    let handler = Handler::new(Settings {
        config: config.unwrap(),
        sdk: sdk_config(&world.auto_scaling.url()),
        masters: None,
        decision_topic_arn: Some(sns::arn("another")),
        outcome_topic: None,
    });
    handler.handle(&event(&[body(&decision(1, 2, SIZE))]), now).await.unwrap();
    assert_eq!(world.auto_scaling.call_count(), 0, "not even the group is looked at");
}
