//! What operators read. The other tests compare typed reasons; these are the goldens of their sentences.

use std::net::IpAddr;

use super::*;
use crate::group_tags::{Pause, Until};

#[track_caller]
fn reads(result: impl Into<PlanResult>, sentence: &str) {
    assert_eq!(result.into().reason().to_string(), sentence);
}

#[test]
fn refusals_say_what_to_correct_r1() {
    reads(Refusal::Expired { age: seconds(200), limit: seconds(120) }, "R1: expired: snapshot is 3m20s old, limit 2m");
    reads(Refusal::NoGroup("asg".to_owned()), "R1: no Auto Scaling group \"asg\" in this region; correct pools.group");
    let reason = SkipReason::Protected("i-0abc".to_owned());
    let skipped = vec![Skipped { hostname: "ip-10-0-2-25".to_owned(), reason }];
    reads(
        Refusal::NoTarget { count: 1, skipped },
        "A1: removes 0 of 1 agents; skipped ip-10-0-2-25: i-0abc has scale-in protection",
    );
}

#[test]
fn back_offs_say_when_the_next_run_retries_b2() {
    let (direction, ago, cooldown) = (Direction::Down, seconds(240), seconds(600));
    reads(
        BackOff::Cooldown { direction, ago, cooldown },
        "B2: last activity ended 4m ago, scale_down_cooldown = 10m; retry in 6m",
    );
    reads(
        BackOff::LostAgentsListed { unreachable_after: seconds(300), ago: seconds(240), cooldown: seconds(360) },
        "B2: last activity ended 4m ago; the master lists lost agents for 5m (agent_ping_timeout), with a schedule period 6m; \
         retry in 2m",
    );
    reads(
        BackOff::NeededLately { needed: 1, margin: 0, agents: 1, window: seconds(900), retry_in: seconds(60) },
        "D6: up to 1 agent needed in the last 15m (scale_down_window): there are 1; retry in 1m",
    );
    reads(
        BackOff::NeededLately { needed: 12, margin: 1, agents: 13, window: seconds(900), retry_in: seconds(240) },
        "D6: up to 12 agents needed in the last 15m (scale_down_window), 1 more stay: there are 13; retry in 4m",
    );
    reads(
        BackOff::NeedsUnknown { known: 2, slots: 6, window: seconds(900), retry_in: seconds(600) },
        "D6: how many agents were needed is known for 2 of 6 slots of the last 15m (scale_down_window); retry in 10m",
    );
    let launch = || launch("i-0abc");
    reads(
        BackOff::StartedAfterSnapshot(launch()),
        "B1: launch of i-0abc started after the snapshot; the decision is outdated",
    );
    reads(
        BackOff::LaunchInProgress { launch: launch(), missing: 10, waited: seconds(0), limit: seconds(180) },
        "B3: launch of i-0abc in progress, 10 more instances needed; waited 0s of max_back_off = 3m",
    );
    reads(
        BackOff::Busy("ScalingActivityInProgress".to_owned()),
        "B4: Auto Scaling returned ScalingActivityInProgress; the next run retries",
    );
}

#[test]
fn what_does_not_arrive_is_named_with_its_reason_b5() {
    let arrives = |count, loss, retry_in: Option<i64>| {
        let (ago, join_timeout) = (seconds(120), seconds(900));
        BackOff::NotArriving { count, ago, loss, join_timeout, retry_in: retry_in.map(seconds) }
    };
    let failed = || Loss::Failed("no capacity".to_owned());
    reads(arrives(1, failed(), Some(180)), "B5: 1 launch failed, 2m ago (\"no capacity\"); retry in 3m");
    reads(
        arrives(4, failed(), None),
        "B5: 4 launches failed in a row, the last 2m ago (\"no capacity\"); the desired capacity asks for them already",
    );
    reads(
        arrives(4, Loss::NeverJoined, Some(2700)),
        "B5: 4 instances older than join_timeout = 15m are not agents; check one; retry in 45m",
    );
    reads(
        arrives(1, Loss::Overdue, Some(60)),
        "B5: 1 launch brought no agent; the last is in progress for longer than join_timeout = 15m; retry in 1m",
    );
    reads(
        arrives(2, Loss::Replaced("i-0abc".to_owned()), Some(60)),
        "B5: 2 launches in a row brought no agent; the last instance i-0abc was ended, 2m ago, by a health check or on request; retry in 1m",
    );
    reads(
        arrives(1, Loss::Unfit("i-0abc".to_owned()), Some(60)),
        "B5: 1 launch brought no agent of the pool; that of the last instance i-0abc has other attributes, or no resources; retry in 1m",
    );
}

#[test]
fn missing_agents_are_named_b2() {
    let ids = (0..12).map(|n| format!("i-{n}")).collect();
    reads(
        BackOff::MissingAgents { count: 12, ids, of: 40, percent: 10 },
        "B2: 12 of 40 instances in service are no agents, max_missing_agents_percent = 10: i-0, i-1, i-2, i-3, i-4, i-5, i-6, \
         i-7, i-8, i-9 and 2 more",
    );
}

#[test]
fn a_trial_says_when_another_one_may_be_made() {
    let retry_in = SignedDuration::from_secs(600);
    reads(
        BackOff::Tried { retry_in },
        "B3: an agent was tried within the hour (tag lambda-scale/tried), and this one would only be tried; retry in 10m",
    );
}

#[test]
fn a_held_decision_reads_as_its_last_step_does() {
    let reason = "2 of 4 agents have not re-registered since the failover";
    reads(NoChange::Held(Some((Clause::L3, reason.to_owned()))), &format!("L3: {reason}"));
    reads(NoChange::InFlightCovers { in_flight: 5, needed: 5 }, "B3: 5 instances in flight cover the 5 agents needed");
    reads(
        NoChange::StepRequested { in_flight: 10, wanted: 30, step: 10 },
        "B3: 10 instances in flight of 30 agents wanted; max_scale_up_step = 10 allows no more yet",
    );
}

#[test]
fn a_change_reads_the_same_in_a_dry_run() {
    let mut increase = Increase { from: 3, to: 5, needed: 2, in_flight: 0, reactivated: 0, floor: None, max: None };
    reads(Change::Increase(increase), "increases desired capacity 3 -> 5");
    assert_eq!(Change::Increase(increase).would(), "dry run: would increase desired capacity 3 -> 5");
    reads(
        Change::Raise { from: 5, to: 6 },
        "raises desired capacity 5 -> 6, which launches none: so that instances can be terminated",
    );
    reads(
        Change::Withdraw { from: 16, to: 7 },
        "decreases desired capacity 16 -> 7, which terminates none: the rest was requested, does not arrive, and is not needed",
    );
    increase = Increase { needed: 9, in_flight: 1, reactivated: 2, max: Some(5), ..increase };
    reads(
        Change::Increase(increase),
        "increases desired capacity 3 -> 5; 9 agents needed, 1 instance in flight, 2 agents reactivated, limited by max = 5",
    );
    increase = Increase { floor: Some(13), max: None, reactivated: 0, ..increase };
    reads(
        Change::Increase(increase),
        "increases desired capacity 3 -> 5; the floor is 13 instances (tag lambda-scale/floor)",
    );
}

#[test]
fn a_pause_says_when_it_ends() {
    let until = |text: &str| Pause::Until(Until::parse(text).unwrap());
    let reason = |pause| PlanResult::from(BackOff::GroupPaused(pause)).reason().to_string();
    assert!(reason(until("2099-01-01T00:00:00Z")).contains("until 2099-01-01T00:00:00.000Z"));
    assert!(reason(until("forever")).contains("forever"));
    assert!(reason(Pause::Unreadable).contains("until an operator corrects it"));
}

#[test]
fn ten_missing_agents_are_all_named_b2() {
    let ids = (0..10).map(|n| format!("i-{n}")).collect();
    let reason = PlanResult::from(BackOff::MissingAgents { count: 10, ids, of: 40, percent: 10 }).reason().to_string();
    assert!(reason.ends_with("i-8, i-9"), "{reason}");
}

#[test]
fn an_increase_says_what_changed_its_size() {
    let plain = Increase { from: 3, to: 5, needed: 4, in_flight: 0, reactivated: 0, floor: None, max: None };
    for (increase, rest) in [
        (Increase { in_flight: 2, ..plain }, "; 4 agents needed, 2 instances in flight"),
        (Increase { reactivated: 1, ..plain }, "; 4 agents needed, 1 agent reactivated"),
        (Increase { max: Some(5), ..plain }, "; 4 agents needed, limited by max = 5"),
    ] {
        assert_eq!(increase.to_string(), format!("desired capacity 3 -> 5{rest}"));
    }
}

#[test]
fn what_writes_to_the_group_needs_its_state_fresh() {
    let increase = Increase { from: 3, to: 5, needed: 2, in_flight: 0, reactivated: 0, floor: None, max: None };
    let (targets, skipped, hostnames) = (Vec::new(), Vec::new(), Vec::new());
    for (change, writes) in [
        (Change::Increase(increase), true),
        (Change::Decrease { from: 5, to: 4 }, true),
        (Change::Raise { from: 5, to: 6 }, true),
        (Change::Withdraw { from: 9, to: 6 }, true),
        (Change::Terminate { targets: targets.clone(), skipped: skipped.clone() }, true),
        (Change::Deactivate { targets, skipped }, false),
        (Change::Reactivate { hostnames: hostnames.clone() }, false),
        (Change::Drain { hostnames }, false),
    ] {
        assert_eq!(PlanResult::Act(change.clone()).writes_group(), writes, "{change:?}");
    }
    assert!(!PlanResult::from(BackOff::PoolPaused).writes_group());
    assert!(!PlanResult::from(NoChange::Enough).writes_group());
}

#[test]
fn what_the_group_or_the_message_lacks_is_named_r1() {
    reads(Refusal::UnknownPool("web".to_owned()), "R1: the configuration of node_scale has no pool \"web\"");
    reads(
        Refusal::FromFuture { ahead: seconds(90) },
        "R1: snapshot time is 1m30s in the future; check the clock of its sender",
    );
    reads(
        Refusal::GroupDeleted("Delete in progress".to_owned()),
        "R1: the group is being deleted (Delete in progress)",
    );
    reads(
        Refusal::MixedWeights,
        "R1: the group's instances have different weighted capacities; give the pool a group with equal weights",
    );
    reads(
        Refusal::NoAgentNamed,
        "A1: the decision names no agent to remove; your check must name them in scale_down_agents, or set \
         scale_down_strategy = \"desired_capacity\"",
    );
}

#[test]
fn what_holds_a_change_back_is_named_b2_b3() {
    reads(BackOff::PoolPaused, "the configuration pauses the pool (pause_until)");
    reads(
        BackOff::TooManyActivities(Direction::Down),
        "B2: the group has more recent activities than node_scale reads",
    );
    reads(
        BackOff::ExcessInstances,
        "B2: the group has more instances than its desired capacity; it will terminate some",
    );
    reads(
        BackOff::ScaleInProtection { removable: 1, count: 2 },
        "B2: 1 of 2 instances to remove have no scale-in protection",
    );
    reads(
        BackOff::UnlistedLaunch(launch("i-0abc")),
        "B3: launch of i-0abc is known, but the group does not list its instance yet",
    );
    reads(
        BackOff::SlowAnswers(seconds(20)),
        "B4: describing the group took longer than 20s, so its state is outdated; the next run retries",
    );
    reads(
        BackOff::CallsRefused { removes_otherwise: true },
        "D8: the masters refused to close agents; the next decision removes them as without learn",
    );
    reads(
        BackOff::CallsRefused { removes_otherwise: false },
        "D8: the masters refused to close agents, which stay until the masters allow it",
    );
    let of = |kind, id: Option<&str>| ActivityRef { kind, instance_id: id.map(str::to_owned) };
    reads(BackOff::InProgress(of(ActivityKind::WarmPool, Some("i-0abc"))), "B2: warm pool move of i-0abc in progress");
    reads(BackOff::InProgress(of(ActivityKind::Other, None)), "B2: activity on an instance in progress");
}

#[test]
fn an_agent_that_is_skipped_says_why_a1() {
    let id = || "i-0abc".to_owned();
    let address = || IpAddr::from([10, 0, 0, 7]);
    for (reason, sentence, instance) in [
        (SkipReason::Unidentified, "no attribute, hostname, or address identifies its instance", None),
        (
            SkipReason::Contradiction { attribute: id(), hostname: "i-0def".to_owned() },
            "its attribute names i-0abc, its hostname i-0def",
            None,
        ),
        (SkipReason::NotLookedUp(address()), "the instance of 10.0.0.7 is not looked up", None),
        (SkipReason::UnknownAddress(address()), "no instance of the group has the address 10.0.0.7", None),
        (
            SkipReason::SharedAddress { address: address(), instances: [id(), "i-0def".to_owned()] },
            "i-0abc and i-0def have the address 10.0.0.7",
            None,
        ),
        (SkipReason::NotInGroup(id()), "i-0abc is no instance of the group", Some(id())),
        (SkipReason::NotInService(id()), "i-0abc is not in service", Some(id())),
        (SkipReason::Protected(id()), "i-0abc has scale-in protection", Some(id())),
        (SkipReason::ClaimedTwice(id()), "another agent claims i-0abc too", Some(id())),
    ] {
        assert_eq!((reason.to_string().as_str(), reason.instance()), (sentence, instance.as_ref()));
    }
}

#[test]
fn what_needs_no_change_says_what_is_there() {
    reads(NoChange::AlreadyApplied, "already applied; the message was delivered twice");
    let at_minimum = |decommissioning| NoChange::AtMinimum { desired: 3, min: 3, decommissioning };
    let needs = "desired capacity is 3, the pool, the group, and the floor require 3";
    for (decommissioning, rest) in [(0, ""), (1, "; 1 agent is decommissioning"), (2, "; 2 agents are decommissioning")]
    {
        let sentence = PlanResult::from(at_minimum(decommissioning)).reason().text;
        assert!(sentence.ends_with(&format!("{needs}{rest}")), "{sentence}");
    }
    let kept = PlanResult::from(NoChange::DrainedKept { min: 3 }).reason().text;
    assert!(kept.ends_with("require 3, which keeps the drained agents' instances"), "{kept}");
}
