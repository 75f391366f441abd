//! Loads that are made, for tests and for `make learned`: four applications, whose tasks take a sixteenth to half of an agent.

use jiff::Timestamp;
use shared::random::SplitMix64;
use shared::resources::{Amount, Resources};
use simulator::trace::{Application, Change};
use simulator::{MINUTE, Millis, Workload};

/// Their names, how many instances they have, and what one takes: thousandths of a cpu, and MB. Some 110 cpus in all.
pub(crate) const INSTANCES: [(&str, u32, u64, u64); 4] =
    [("/a", 40, 1_000, 3_500), ("/b", 60, 500, 2_000), ("/c", 12, 2_000, 6_000), ("/d", 8, 4_000, 12_000)];

fn resources(milli: u64, mem: u64) -> Resources {
    let (cpus, mem) = (Amount::from_thousandths(milli), Amount::from_thousandths(1_000 * mem));
    Resources { cpus, mem, ..Resources::ZERO }
}

/// The four with these changes, on agents of 8 cpus.
pub(crate) fn synthetic(duration: Millis, mut changes: Vec<Change>) -> Workload {
    changes.sort();
    let applications = INSTANCES.map(|(name, _, milli, mem)| Application::new(name, resources(milli, mem)));
    Workload {
        start: Timestamp::constant(1_767_225_600, 0),
        duration,
        applications: applications.to_vec(),
        changes,
        jobs: Vec::new(),
        agent: resources(8_000, 28_000),
    }
}

/// Every two minutes each application has another number of instances, at most so many percent from its own.
pub(crate) fn noise(duration: Millis, percent: u32) -> Workload {
    let mut random = SplitMix64::new(percent.into());
    let mut changes = Vec::new();
    for at in (0..duration / MINUTE).step_by(2).map(|minute| minute * MINUTE) {
        for (application, (_, instances, ..)) in INSTANCES.into_iter().enumerate() {
            let thousandths = 1_000 - 10 * u64::from(percent) + random.below(20 * u64::from(percent) + 1);
            let instances = u32::try_from(u64::from(instances) * thousandths / 1_000).unwrap();
            changes.push(Change { at, application, instances });
        }
    }
    synthetic(duration, changes)
}
