//! A trace of the simulator, and the applications that a load drives.

use simulator::trace::{Options, read, read_applications};

use super::is_short;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "trace",
    run,
    borrowed: &[("examples/traces", ".csv")],
    tokens: &[
        "timestamp,value\n",
        "id,submit_s,duration_s,cpus,mem\n",
        "minute,application,instances,cpus,mem\n",
        "2026-01-01 00:00:00,50\n",
        "9999-12-31 23:59:59,1\n",
        "1,0,60,1,1024\n",
        "0,/a,3,1,1024\n",
        "\r\n",
    ],
};

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match read(&text, &Options::default()) {
        Ok(workload) => {
            let demand = workload.demand();
            assert_eq!(demand.len() as u64, workload.duration.div_ceil(60_000));
            assert!(workload.changes.is_sorted_by_key(|change| change.at));
        }
        Err(error) => is_short(&error),
    }
    if let Err(error) = read_applications(&text) {
        is_short(&error);
    }
}
