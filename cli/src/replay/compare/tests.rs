use cluster::{Cluster, NOON, policy, resources};

use super::*;

/// A snapshot of five agents with so many tasks of a cpu, so many minutes after noon.
fn snapshot(tasks: usize, minute: i64) -> ClusterSnapshot {
    let mut snapshot = Cluster::of(5, resources(4, 14_000)).running("/shop/web", tasks, resources(1, 1000)).snapshot();
    snapshot.taken_at = NOON + SignedDuration::from_mins(minute);
    snapshot.identified()
}

/// The replay of these minutes, with other settings than those that decided.
fn replayed(minutes: &[(i64, usize)], before: &str, after: &str) -> PoolReplay {
    let (before, after) = (policy(before).unwrap(), policy(after).unwrap());
    let mut decisions = Decisions::default();
    let snapshots: Vec<ClusterSnapshot> = minutes.iter().map(|(minute, tasks)| snapshot(*tasks, *minute)).collect();
    for snapshot in &snapshots {
        let now = snapshot.taken_at + SignedDuration::from_secs(2);
        decisions.add(&node_process::decide(snapshot, &before, now).unwrap());
    }
    let policies = Policies { policy: &after, against: None };
    let runs = snapshots.iter().map(|snapshot| Run::new(snapshot, &decisions, &policies)).collect();
    PoolReplay::new("workers".to_owned(), runs).unwrap()
}

const BEFORE: &str = "application_headroom_percent = 0";
/// Eleven tasks on 20 cpus are 55%: not below 50%, but below 60%.
const AFTER: &str = "application_headroom_percent = 0\nscale_down_threshold_percent = 60";

fn minutes(minutes: impl IntoIterator<Item = i64>) -> Vec<(i64, usize)> {
    minutes.into_iter().map(|minute| (minute, 11)).collect()
}

#[test]
fn the_same_policy_differs_nowhere() {
    let minutes: Vec<(i64, usize)> = (0..20).map(|minute| (minute, usize::try_from(minute).unwrap())).collect();
    for settings in [BEFORE, AFTER, "max = 3", "min = 5"] {
        let replay = replayed(&minutes, settings, settings);
        assert_eq!((replay.runs, replay.differing_runs, replay.differences), (20, 0, Vec::new()));
        assert_eq!(replay.agent_hours.difference_percent, Some(0.0));
    }
}

#[test]
fn another_threshold_differs_with_both_reasons() {
    let replay = replayed(&minutes([0]), BEFORE, AFTER);
    let [difference] = replay.differences.as_slice() else { panic!("{replay:#?}") };
    assert_eq!((difference.decided.target, difference.decided.state), (5, ScalingState::Normal));
    assert_eq!(difference.decided.cause, None);
    assert_eq!((difference.replayed.target, difference.replayed.state), (4, ScalingState::ScaleDown));
    let cause = difference.replayed.cause.clone().unwrap();
    assert_eq!(
        (cause.clause, cause.reason.as_str()),
        (Clause::D2, "cpus 55% (highest) is below 60%: removes 1 agent; then cpus 68.8% (highest) is not below 60%")
    );

    // The other way round, the rule that no longer removes agents says why.
    let replay = replayed(&minutes([0]), AFTER, BEFORE);
    let [difference] = replay.differences.as_slice() else { panic!("{replay:#?}") };
    assert_eq!(difference.replayed.state, ScalingState::Normal);
    let cause = difference.replayed.cause.clone().unwrap();
    assert_eq!((cause.clause.rule(), cause.reason.as_str()), (Rule::ScaleDown, "cpus 55% (highest) is not below 50%"));
}

#[test]
fn equal_consecutive_differences_are_one() {
    let folds = |replay: &PoolReplay| -> Vec<(i64, i64, usize)> {
        let minute = |at: Timestamp| at.duration_since(NOON).as_mins();
        replay.differences.iter().map(|found| (minute(found.from), minute(found.to), found.runs)).collect()
    };
    assert_eq!(folds(&replayed(&minutes(0..12), BEFORE, AFTER)), [(0, 11, 12)]);
    // A gap of more than two periods: what was decided meanwhile is unknown.
    assert_eq!(folds(&replayed(&minutes((0..3).chain(6..8)), BEFORE, AFTER)), [(0, 2, 3), (6, 7, 2)]);
    // A run without a difference in between.
    let mut all = minutes(0..5);
    all[2].1 = 15;
    assert_eq!(folds(&replayed(&all, BEFORE, AFTER)), [(0, 1, 2), (3, 4, 2)]);
    // The order in which messages are read means nothing.
    let mut shuffled = all.clone();
    shuffled.reverse();
    shuffled.swap(0, 2);
    assert_eq!(replayed(&shuffled, BEFORE, AFTER), replayed(&all, BEFORE, AFTER));
}

#[test]
fn agent_hours_are_targets_times_the_time_to_the_next_snapshot() {
    // 60 minutes of 5 and of 4 agents; the gap of 10 minutes and the last snapshot do not count.
    let replay = replayed(&minutes((0..=30).chain(40..=70)), BEFORE, AFTER);
    let AgentHours { decided, replayed: after, difference_percent } = replay.agent_hours;
    assert_eq!(
        (decided.to_string(), after.to_string(), difference_percent.unwrap().to_string()),
        ("5".to_owned(), "4".to_owned(), "-20".to_owned())
    );
    // A run of two minutes, when one was lost, counts.
    let replay = replayed(&minutes([0, 2]), BEFORE, AFTER);
    assert_eq!(serde_json::to_value(replay.agent_hours).unwrap()["decided"], 0.167);
    // A period of the other configuration that is longer.
    let after = format!("{AFTER}\njoin_timeout = \"30m\"");
    assert_eq!(replayed(&minutes([0, 3]), BEFORE, &after).agent_hours.difference_percent, None);
}

#[test]
fn without_a_decision_the_other_policy_decides_or_the_run_is_left_out() {
    let (before, after, snapshot) = (policy(BEFORE).unwrap(), policy(AFTER).unwrap(), snapshot(11, 0));
    let run = |against| Run::new(&snapshot, &Decisions::default(), &Policies { policy: &after, against });
    assert!(run(Some(&before)).differs() && !run(Some(&after)).differs());
    let replay = PoolReplay::new("workers".to_owned(), vec![run(None)]).unwrap();
    assert_eq!((replay.runs, replay.without_decision, replay.expired), (0, 1, 0));
    assert_eq!(PoolReplay::new("workers".to_owned(), Vec::new()), None);
}

#[test]
fn of_several_decisions_on_a_snapshot_the_first_counts() {
    let (before, after, snapshot) = (policy(BEFORE).unwrap(), policy(AFTER).unwrap(), snapshot(11, 0));
    let decided = |policy, seconds| {
        node_process::decide(&snapshot, policy, snapshot.taken_at + SignedDuration::from_secs(seconds)).unwrap()
    };
    let (first, second) = (decided(&before, 1), decided(&after, 5));
    for order in [[&first, &second], [&second, &first]] {
        let mut decisions = Decisions::default();
        for decision in order {
            decisions.add(decision);
        }
        let run = Run::new(&snapshot, &decisions, &Policies { policy: &before, against: None });
        assert!(!run.differs(), "{run:?}");
    }
    // A decision without a snapshot, of a custom check, is about none.
    let mut decisions = Decisions::default();
    decisions.add(&ScalingDecision { snapshot_id: None, ..first });
    assert!(decisions.0.is_empty());
}

#[test]
fn a_snapshot_that_would_have_expired_is_left_out() {
    let (snapshot, before) = (snapshot(11, 0), policy(BEFORE).unwrap());
    let mut late = node_process::decide(&snapshot, &before, snapshot.taken_at).unwrap();
    late.decided_at = snapshot.taken_at + SignedDuration::from_mins(5);
    let mut decisions = Decisions::default();
    decisions.add(&late);
    let run = Run::new(&snapshot, &decisions, &Policies { policy: &before, against: None });
    let replay = PoolReplay::new("workers".to_owned(), vec![run]).unwrap();
    assert_eq!((replay.runs, replay.without_decision, replay.expired), (0, 0, 1));
}
