//! The oracle: perfect packing, and it knows how much is wanted within the next boot time, so nothing ever waits. It is a bound to
//! measure others by, not a policy: no scheduler packs perfectly, and no one knows the next minutes.

use shared::resources::Resources;

use crate::measure::{Levels, Recorder};
use crate::results::Run;
use crate::setup::Setup;
use crate::{MINUTE, Millis};

/// How many agents the oracle has in each minute: enough for all that is wanted now and within the next boot time.
///
/// ```
/// use cluster::resources;
/// use simulator::oracle::agents;
/// let agent = resources(8, 28_000);
/// let demand = [1, 8, 30, 9, 1, 1].map(|cpus| resources(cpus, 1000));
/// assert_eq!(agents(&demand, &agent, 60_000, 1, 100), [1, 4, 4, 2, 1, 1]);
/// ```
#[must_use]
pub fn agents(demand: &[Resources], agent: &Resources, boot: Millis, min: u32, max: u32) -> Vec<u32> {
    let ahead = usize::try_from(boot.div_ceil(MINUTE)).unwrap_or(usize::MAX);
    let needed: Vec<u32> = demand
        .iter()
        .map(|demand| u32::try_from(crate::measure::agents(demand, agent).div_ceil(1000)).unwrap_or(u32::MAX))
        .collect();
    let most = |minute: usize| needed.iter().skip(minute).take(ahead.saturating_add(1)).max().copied().unwrap_or(0);
    (0..needed.len()).map(|minute| most(minute).clamp(min, max)).collect()
}

/// Agents times milliseconds of the oracle within the time that is measured.
pub(crate) fn measured(setup: &Setup) -> Millis {
    let from = usize::try_from(setup.measured_from() / MINUTE).unwrap_or(usize::MAX);
    let agents = of(setup).into_iter().enumerate().skip(from);
    let duration = setup.workload.duration;
    agents
        .map(|(minute, agents)| u64::from(agents) * MINUTE.min(duration - (minute as u64 * MINUTE).min(duration)))
        .sum()
}

fn of(setup: &Setup) -> Vec<u32> {
    agents(&setup.workload.demand(), &setup.agent.unreserved(), setup.boot, setup.min, setup.max)
}

/// The oracle as a run. It takes no action: its agents are there when they are needed.
#[must_use]
pub fn run(setup: &Setup, name: &str, seed: u64) -> Run {
    let agent = setup.agent.unreserved();
    let mut recorder = Recorder::new(setup.workload.start, setup.measured_from(), agent, setup.headroom_percent);
    for ((minute, agents), demand) in (0_u64..).zip(of(setup)).zip(setup.workload.demand()) {
        let now = minute * MINUTE;
        recorder.pass(now);
        let total = agent.times(agents.into());
        recorder.set(Levels {
            instances: agents,
            usable: agents,
            total,
            used: demand,
            placed: demand,
            wanted: demand,
            ..Levels::default()
        });
        recorder.sample(now);
    }
    recorder.pass(setup.workload.duration);
    Run::new(name, seed, setup, recorder.finish(measured(setup), setup.price))
}
