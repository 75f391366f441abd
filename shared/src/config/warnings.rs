//! What is valid and most likely not meant.

use std::time::Duration;

use super::check::CheckKind;
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
        slow_read(self).into_iter().chain(pools.flat_map(of_pool).flatten()).collect()
    }
}

/// node_gather ends after a minute (template.yaml), and asks Marathon and AWS beside the masters, each for some seconds.
fn slow_read(config: &Config) -> Option<Problem> {
    const LONGEST: Duration = Duration::from_secs(45);
    (config.mesos.as_ref()?.timeout > LONGEST).then(|| Problem {
        path: "mesos.timeout".to_owned(),
        text: "as a function, node_gather ends after 60s, which leaves about 45s to the masters; a longer read ends without a \
               word about its cause; write \"45s\""
            .to_owned(),
    })
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
    let remedy = match policy.check {
        CheckKind::Standard => "leave it out, then agents are closed first",
        // Without it the group chooses, and a decision need not name agents.
        CheckKind::Custom => "if your check names agents, write \"drain\", then they are closed first",
    };
    policy.learning.is_some().then(|| Problem {
        path: format!("pools[{index}].scale_down_strategy"),
        text: format!("with learn, {strategy:?} ends the tasks of agents that are removed, batch work too; {remedy}"),
    })
}
