//! Every baseline in a closed loop: it comes to the size that its documents promise, on a constant load and after steps, and never
//! exceeds the maximum.

use std::ops::RangeInclusive;

use cluster::{Capacity, resources};
use jiff::Timestamp;
use simulator::policy::Baseline;
use simulator::trace::{Application, Change};
use simulator::{Faults, MINUTE, Millis, Place, Run, Setup, Start, Workload, run};

/// Instances of one cpu, from a minute on. An agent holds eight of them.
fn simulate(baseline: &str, steps: &[(Millis, u32)], minutes: Millis, max: u32) -> Run {
    let agent = resources(8, 28_000);
    let changes =
        steps.iter().map(|(minute, instances)| Change { at: minute * MINUTE, application: 0, instances: *instances });
    let workload = Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration: minutes * MINUTE,
        applications: vec![Application::new("/web", resources(1, 3500))],
        changes: changes.collect(),
        jobs: Vec::new(),
        agent,
    };
    let setup = Setup {
        agent: Capacity::of(agent),
        start: Start::Demand,
        boot: 3 * MINUTE,
        min: 1,
        max,
        headroom_percent: 10,
        price: 384,
        place: Place { group: "workers-asg".to_owned(), ..Place::default() },
        workload,
        faults: Faults::default(),
    };
    let mut policy = baseline.parse::<Baseline>().unwrap().policy().unwrap();
    run(&setup, baseline, &mut *policy, 1).unwrap()
}

/// For each baseline: how many agents it has for 80 instances, which fill 10; for 120, which fill 15; and then for 24, which
/// fill 3.
const EXPECTED: [(&str, [RangeInclusive<u32>; 3]); 10] = [
    // ceil(10 / 0.65), ceil(15 / 0.65), ceil(3 / 0.65)
    ("target-tracking=50", [20..=20, 30..=30, 6..=6]),
    ("target-tracking=65", [16..=16, 24..=24, 5..=5]),
    ("target-tracking=80", [13..=13, 19..=19, 4..=4]),
    // Until not above 60%: the mean of ten minutes may add one more. Until not below 42%.
    ("scalepot", [17..=18, 25..=26, 7..=7]),
    // ceil(10 / 0.7), ceil(15 / 0.7); by twos until not below 40%.
    ("escalator", [15..=15, 22..=22, 6..=7]),
    ("clusterman", [15..=15, 22..=22, 5..=5]),
    // Full agents; and as long as an agent below 50% is left, no further.
    ("cluster-autoscaler", [10..=10, 15..=15, 3..=6]),
    ("karpenter", [10..=10, 15..=15, 3..=3]),
    // 8, 12, and 3 placeholders.
    ("karpenter-buffer=10", [11..=11, 17..=17, 4..=4]),
    // 24, 36, and 8.
    ("karpenter-buffer=30", [13..=13, 20..=20, 4..=4]),
];

#[test]
fn a_baseline_comes_to_the_size_that_its_documents_promise() {
    for (baseline, [constant, above, below]) in EXPECTED {
        let run = simulate(baseline, &[(0, 80)], 300, 40);
        let (usable, waiting) = (run.series.usable[299], run.series.waiting[299]);
        assert!(constant.contains(&usable) && waiting == 0, "{baseline}: {usable} agents, expected {constant:?}");
        let last_hour = &run.series.usable[240..];
        assert!(last_hour.iter().all(|agents| *agents == usable), "{baseline}: {last_hour:?}");

        let run = simulate(baseline, &[(0, 24), (120, 120), (720, 24)], 1800, 40);
        for (minute, expected) in [(719, above), (1799, below)] {
            let (usable, waiting) = (run.series.usable[minute], run.series.waiting[minute]);
            assert!(
                expected.contains(&usable) && waiting == 0,
                "{baseline}: {usable} agents in minute {minute}, expected {expected:?}; {waiting} wait"
            );
        }
    }
}

#[test]
fn no_baseline_exceeds_the_maximum() {
    for (baseline, _) in EXPECTED {
        let run = simulate(baseline, &[(0, 24), (60, 120)], 400, 12);
        let series = &run.series;
        let most = (0..series.len())
            .map(|minute| series.usable[minute] + series.in_flight[minute] + series.closing[minute])
            .max();
        assert_eq!(most, Some(12), "{baseline}");
        assert_eq!((series.usable[399], series.waiting[399]), (12, 24), "{baseline}");
        assert!(run.actions.iter().all(|action| action.to <= 12), "{baseline}");
    }
}
