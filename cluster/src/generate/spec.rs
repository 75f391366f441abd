//! The cluster that is generated, as a function of its seed: which shape an agent has, which tasks run on it, what they
//! take. Everything is computed when it is asked for, as often as it is asked for, so nothing has to be kept.

use shared::resources::{Amount, Resources};

use shared::random::SplitMix64;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How many agents, at least 1.
    pub agents: u32,
    /// How many tasks.
    pub tasks: u32,
    /// How many applications they belong to, at least 1.
    pub applications: u32,
    /// How many tasks have completed that the master still lists.
    pub completed: u32,
    /// What all random numbers follow from.
    pub seed: u64,
}

/// What random numbers are drawn for: each concern has its own.
pub(super) mod concern {
    pub(in super::super) const APPLICATION: u64 = 1;
    pub(in super::super) const AGENT: u64 = 2;
    pub(in super::super) const TASK: u64 = 3;
    pub(in super::super) const DRAW: u64 = 4;
    pub(in super::super) const COMPLETED: u64 = 5;
}

/// A framework.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameworkSpec {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// Whether its task ids have Marathon's form.
    pub(super) is_marathon: bool,
    pub(super) capabilities: &'static [&'static str],
    pub(super) role: &'static str,
}

/// The frameworks: most applications are the first one's.
pub(super) const FRAMEWORKS: [FrameworkSpec; 3] = [
    FrameworkSpec {
        number: 0,
        name: "marathon",
        is_marathon: true,
        capabilities: &["PARTITION_AWARE", "TASK_KILLING_STATE"],
        role: "*",
    },
    FrameworkSpec {
        number: 1,
        name: "marathon-data",
        is_marathon: true,
        capabilities: &["PARTITION_AWARE", "TASK_KILLING_STATE", "GPU_RESOURCES"],
        role: "*",
    },
    FrameworkSpec {
        number: 2,
        name: "etl-scheduler",
        is_marathon: false,
        capabilities: &["MULTI_ROLE", "RESERVATION_REFINEMENT"],
        role: "batch",
    },
];

/// The resources of an executor, in addition to its task.
pub(super) const EXECUTOR: Resources = resources(100, 32, 0);

/// An application.
#[derive(Clone, Copy, Debug)]
pub(super) struct Application {
    pub(super) number: u32,
    /// The number of its framework.
    pub(super) framework: u32,
    /// The first part of its path.
    pub(super) group: &'static str,
    /// The second, before its number.
    pub(super) part: &'static str,
    /// What one task takes.
    pub(super) resources: Resources,
    /// Whether each of its tasks has an executor of its own.
    pub(super) has_executor: bool,
}

impl Application {
    /// What one task takes of its agent.
    pub(super) fn footprint(&self) -> Resources {
        if self.has_executor { self.resources + EXECUTOR } else { self.resources }
    }
}

/// A task on an agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assignment {
    /// Of all tasks.
    pub(super) number: u32,
    /// Among those of its agent.
    pub(super) slot: u32,
    pub(super) agent: u32,
    pub(super) application: Application,
}

/// What an agent has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) total: Resources,
    /// What of it the role `batch` has reserved.
    pub(super) reserved: Resources,
}

impl Spec {
    /// The application of that number. The first is so small that its tasks fit everywhere.
    pub(super) fn application(&self, number: u32) -> Application {
        let mut random = SplitMix64::stream(self.seed, concern::APPLICATION, number.into());
        let framework = match number % 10 {
            0..8 => 0,
            8 => 1,
            _ => 2,
        };
        let group = random.pick(["shop", "search", "ads", "core", "data", "mobile"]);
        let part = random.pick(["web", "api", "worker", "cache", "feed", "index", "gateway"]);
        let cpus = random.pick([100, 250, 500, 500, 1000, 2000]);
        let mem = random.pick([128, 256, 512, 1024, 2048, 4096]);
        let disk = random.pick([0, 0, 0, 10, 100, 1000]);
        let gpus = u64::from(number % 20 == 18);
        let has_executor = number % 10 == 7 || number % 20 == 9;
        let resources = if number == 0 { SMALLEST } else { with_gpus(gpus, resources(cpus, mem, disk)) };
        Application { number, framework, group, part, resources, has_executor }
    }

    /// How many tasks an agent has at most: they are dealt evenly.
    fn tasks_per_agent(&self) -> u32 {
        self.tasks.div_ceil(self.agents.max(1))
    }

    /// What that agent has: one of a few shapes, each large enough for its share of the tasks.
    pub(super) fn shape(&self, agent: u32) -> Shape {
        const MEM_PER_CPU: u64 = 3_600;
        const DISK_PER_CPU: u64 = 10_000;
        // The mean task takes 0.7 cpus, so a small agent is used by about 75 %.
        let cpus = u64::from(self.tasks_per_agent()).next_multiple_of(4).max(4);
        let of = |cpus: u64| resources(cpus * 1000, cpus * MEM_PER_CPU, cpus * DISK_PER_CPU);
        let (small, large) = (of(cpus), of(2 * cpus));
        match SplitMix64::stream(self.seed, concern::AGENT, agent.into()).below(10) {
            0..5 => Shape { name: "small", total: small, reserved: Resources::ZERO },
            5..8 => Shape { name: "large", total: large, reserved: Resources::ZERO },
            8 => Shape { name: "reserved", total: small, reserved: resources(cpus * 250, 1024, 0) },
            _ => Shape { name: "gpu", total: with_gpus(4, small), reserved: Resources::ZERO },
        }
    }

    /// The tasks of an agent, into a list that is used again, and what they and their executors take.
    pub(super) fn tasks_on(&self, agent: u32, total: &Resources, tasks: &mut Vec<Assignment>) -> Resources {
        tasks.clear();
        let agents = self.agents.max(1);
        let (each, more) = (self.tasks / agents, self.tasks % agents);
        let count = each + u32::from(agent < more);
        let first = each * agent + agent.min(more);
        let mut used = Resources::ZERO;
        for slot in 0..count {
            // What comes after must still have room, if only for the smallest.
            let kept_free = SMALLEST.times((count - slot - 1).into());
            let room = total.saturating_sub(&used).saturating_sub(&kept_free);
            let application = self.draw(first + slot, &room);
            used += application.footprint();
            tasks.push(Assignment { number: first + slot, slot, agent, application });
        }
        used
    }

    /// The application of a task: each gets one in turn, then the first ones get more than the last; where there is no
    /// room for it another is drawn, at last the smallest.
    fn draw(&self, task: u32, room: &Resources) -> Application {
        const DRAWS: u32 = 4;
        let mut random = SplitMix64::stream(self.seed, concern::DRAW, task.into());
        for attempt in 0..DRAWS {
            let number = if attempt == 0 && task < self.applications {
                task
            } else {
                let mut any = || below(&mut random, self.applications);
                any().min(any())
            };
            let application = self.application(number);
            if application.footprint().fits_in(room) {
                return application;
            }
        }
        self.application(0)
    }
}

/// A number below a limit, which is at least 1.
pub(super) fn below(random: &mut SplitMix64, limit: u32) -> u32 {
    // Below a `u32`.
    u32::try_from(random.below(limit.into())).unwrap_or_default()
}

/// What a task of the first application takes.
const SMALLEST: Resources = resources(100, 128, 0);

const fn resources(milli_cpus: u64, mem: u64, disk: u64) -> Resources {
    Resources {
        cpus: Amount::from_thousandths(milli_cpus),
        mem: Amount::from_thousandths(1000 * mem),
        disk: Amount::from_thousandths(1000 * disk),
        ..Resources::ZERO
    }
}

const fn with_gpus(gpus: u64, resources: Resources) -> Resources {
    Resources { gpus: Amount::from_thousandths(1000 * gpus), ..resources }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_holds_its_tasks_and_none_is_lost() {
        for (agents, tasks, applications) in [(1, 0, 1), (1, 1, 1), (3, 100, 5), (50, 49, 200), (10, 5000, 40)] {
            for seed in 0..20 {
                let spec = Spec { agents, tasks, applications, completed: tasks / 20, seed };
                let (mut list, mut next) = (Vec::new(), 0);
                for agent in 0..agents {
                    let shape = spec.shape(agent);
                    assert!(shape.reserved.fits_in(&shape.total), "{shape:?}");
                    let used = spec.tasks_on(agent, &shape.total, &mut list);
                    assert!(used.fits_in(&shape.total), "{spec:?}: {used} on {shape:?}");
                    assert_eq!(used, list.iter().map(|task| task.application.footprint()).sum());
                    for task in &list {
                        assert_eq!(task.number, next);
                        next += 1;
                    }
                }
                assert_eq!(next, tasks);
            }
        }
    }
}
