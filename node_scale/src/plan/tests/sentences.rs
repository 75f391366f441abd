//! What operators read. The other tests compare typed reasons; these are the goldens of their sentences.

use super::*;

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
    reads(
        BackOff::LaunchesFail { count: 1, ago: seconds(120), message: "no capacity".to_owned(), pause: seconds(300) },
        "B5: 1 launch failed, 2m ago (\"no capacity\"); retry in 3m",
    );
    reads(
        BackOff::NeverJoined { count: 4, join_timeout: seconds(900), retry_in: seconds(2700) },
        "B5: 4 instances older than join_timeout = 15m are not agents; check one; retry in 45m",
    );
}

#[test]
fn a_held_decision_reads_as_its_last_step_does() {
    let reason = "2 of 4 agents have not re-registered since the failover";
    reads(NoChange::Held(Some((Clause::L3, reason.to_owned()))), &format!("L3: {reason}"));
    reads(NoChange::InFlightCovers { in_flight: 5, needed: 5 }, "B3: 5 instances in flight cover the 5 agents needed");
}

#[test]
fn a_change_reads_the_same_in_a_dry_run() {
    let mut increase = Increase { from: 3, to: 5, needed: 2, in_flight: 0, reactivated: 0, floor: None, max: None };
    reads(Change::Increase(increase), "increases desired capacity 3 -> 5");
    assert_eq!(Change::Increase(increase).would(), "dry run: would increase desired capacity 3 -> 5");
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
