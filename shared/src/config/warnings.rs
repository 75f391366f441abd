//! What is valid and most likely not meant.

use super::configuration::Config;
use super::pool::Policy;
use super::problem::Problem;
use super::scale_down::ScaleDownStrategy;
use crate::resources::Resources;

/// No instance type has less memory for each of its CPUs, in MB.
const LEAST_MB_PER_CPU: u64 = 100;

impl Config {
    /// What is valid and most likely not meant, in the order of the pools.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        let pools = self.pools.iter().enumerate();
        let of_pool = |(index, policy)| {
            [memory_in_gb(index, policy), unseen_queue(index, policy, self), ended_tasks(index, policy)]
        };
        pools.flat_map(of_pool).flatten().collect()
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

/// H11: what waits unseen is no growth.
fn unseen_queue(index: usize, policy: &Policy, config: &Config) -> Option<Problem> {
    (policy.learning.is_some() && config.marathon.is_none()).then(|| Problem {
        path: format!("pools[{index}].learn"),
        text: "without [marathon], demand that waits is not seen, so growth is learned only up to what the pool could hold; \
               add [marathon]"
            .to_owned(),
    })
}

/// D8: agents are removed more often, and this strategy ends what runs on them.
fn ended_tasks(index: usize, policy: &Policy) -> Option<Problem> {
    let strategy = match policy.scale_down.strategy {
        ScaleDownStrategy::LeastLoaded => "least_loaded",
        ScaleDownStrategy::DesiredCapacity => "desired_capacity",
        ScaleDownStrategy::Drain { .. } => return None,
    };
    policy.learning.is_some().then(|| Problem {
        path: format!("pools[{index}].scale_down_strategy"),
        text: format!(
            "with learn, {strategy:?} ends the tasks of agents that are removed, batch work too; leave it out, then agents are \
             closed first"
        ),
    })
}
