//! A week of days and nights, scaled down so that a debug build simulates it in seconds.

use std::fmt::Write as _;

use cluster::Capacity;
use shared::resources::Amount;
use simulator::policy::{Exactness, LambdaScale, Policy, TargetTracking};
use simulator::trace::{Options, read};
use simulator::{DAY, Faults, Place, Run, Setup, Start, oracle, run};

/// A load that rises from six to eighteen and falls again, day after day; the last two days have half of it.
fn trace() -> String {
    let mut text = "timestamp,value\n".to_owned();
    for hour in 0..=7 * 24_i32 {
        let (day, hour) = (hour / 24, hour % 24);
        let load = if (6..=18).contains(&hour) { 40 + 5 * (hour - 6) } else { 40 };
        let load = if day < 5 { load } else { load / 2 };
        writeln!(text, "2026-03-{:02} {hour:02}:00:00,{load}", 2 + day).unwrap();
    }
    text
}

fn setup(pool: &shared::config::Policy) -> Setup {
    let options = Options { peak_cpus: Amount::from_thousandths(40_000), ..Options::default() };
    let workload = read(&trace(), &options).unwrap();
    Setup {
        agent: Capacity::of(workload.agent),
        start: Start::Demand,
        boot: 180_000,
        min: 1,
        max: 30,
        headroom_percent: 10,
        price: 1000,
        place: Place { group: pool.group.clone(), ..Place::default() },
        workload,
        faults: Faults::default(),
    }
}

#[test]
fn a_week_costs_less_than_target_tracking_and_no_one_waits() {
    let config =
        "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"workers-asg\"\n";
    let config = format!("schedule_period = \"5m\"\n{config}min = 1\nmax = 30\n");
    let pool = shared::config::Config::parse(&config).unwrap().pools.remove(0);
    let setup = setup(&pool);
    let simulate = |policy: &mut dyn Policy| run(&setup, "policy", policy, 1).unwrap();
    let ours = simulate(&mut LambdaScale::new(pool, true, Exactness::Sampled));
    let target = simulate(&mut TargetTracking::new(65));
    let oracle = oracle::run(&setup, "oracle", 1);
    let hours = |run: &Run| run.measurements.agent_hours;
    assert!(hours(&oracle) < hours(&ours) && hours(&ours) < hours(&target), "{ours:?}");
    assert!(ours.measurements.waiting_task_seconds <= 60.0, "{:?}", ours.measurements);
    assert!(ours.measurements.moved_tasks < target.measurements.moved_tasks, "{:?}", ours.measurements);
    assert!(ours.measurements.flaps <= target.measurements.flaps + 2.0, "{:?}", ours.measurements);
    // The first day is simulated, and not measured.
    assert_eq!((setup.measured_from(), ours.series.len()), (DAY, 7 * 24 * 60));
    let days = (ours.to.as_millisecond() - ours.from.as_millisecond()) / i64::try_from(DAY).unwrap();
    assert_eq!(days, 6);
    // What was paid for is what there was.
    let first = usize::try_from(DAY / 60_000).unwrap();
    let minutes = ours.series.usable.iter().zip(&ours.series.in_flight).skip(first);
    let sampled = f64::from(minutes.map(|(usable, in_flight)| usable + in_flight).sum::<u32>()) / 60.0;
    assert!((sampled - hours(&ours)).abs() < hours(&ours) / 100.0, "{sampled} and {}", hours(&ours));
}
