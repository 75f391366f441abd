//! What is valid and most likely not meant.

use super::configuration::Config;
use super::pool::Policy;
use super::problem::Problem;
use crate::resources::Resources;

/// No instance type has less memory for each of its CPUs, in MB.
const LEAST_MB_PER_CPU: u64 = 100;

impl Config {
    /// What is valid and most likely not meant, in the order of the pools.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        self.pools.iter().enumerate().filter_map(|(index, policy)| memory_in_gb(index, policy)).collect()
    }
}

/// `mem` counts MB, as Mesos does.
fn memory_in_gb(index: usize, policy: &Policy) -> Option<Problem> {
    let agent = policy.new_agent?;
    let Resources { cpus, mem, .. } = agent;
    (mem.thousandths() < cpus.times(LEAST_MB_PER_CPU).thousandths()).then(|| Problem {
        path: format!("pools[{index}].new_agent.mem"),
        text: format!("{mem} MB with {cpus} cpus looks like GB; write mem = {} if these are GB", mem.times(1000)),
    })
}
