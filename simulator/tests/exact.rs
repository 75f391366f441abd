//! Snapshots that are made from the model are those that node_gather makes from the bytes of a master.

use cluster::Capacity;
use shared::resources::Amount;
use simulator::policy::{Exactness, LambdaScale};
use simulator::trace::{Options, read};
use simulator::{Faults, Place, Setup, Start, run};

const DAY: &str = include_str!("../../examples/traces/taxi-day.csv");

#[test]
fn a_thousand_runs_through_the_bytes_of_a_master_give_the_same_snapshots() {
    let options = Options { peak_cpus: Amount::from_thousandths(60_000), ..Options::default() };
    let workload = read(DAY, &options).unwrap();
    // Agents that are closed, reopened, and drained have tags.
    let settings =
        "min = 1\nmax = 50\nattributes = { pool = \"workers\" }\nscale_down_strategy = \"drain\"\ndrain_after = \"2m\"";
    let pool = cluster::policy(settings).unwrap();
    let setup = Setup {
        agent: Capacity::of(workload.agent),
        start: Start::Demand,
        boot: 180_000,
        min: 1,
        max: 50,
        headroom_percent: 10,
        price: 384,
        place: Place { group: pool.group.clone(), attributes: pool.attributes.clone(), ..Place::default() },
        workload,
        faults: Faults::default(),
    };
    let runs = |exactness| run(&setup, "ours", &mut LambdaScale::new(pool.clone(), true, exactness), 3).unwrap();
    // A difference is an error, which ends the run.
    let exact = runs(Exactness::Always);
    assert!(exact.series.len() > 1000 && exact.measurements.scale_downs > 0.0, "{:?}", exact.measurements);
    assert_eq!(exact, runs(Exactness::Sampled), "how snapshots are made changes nothing");
}
