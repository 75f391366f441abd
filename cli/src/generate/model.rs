//! The cluster that is generated, as a function of its seed: which shape an agent has, which tasks run on it, what they
//! take. Everything is computed when it is asked for, as often as it is asked for, so nothing has to be kept.

use shared::resources::{Amount, Resources};

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
    /// What all chance follows from.
    pub seed: u64,
}

/// Numbers that look like chance and follow from a seed (splitmix64).
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The chance of one thing: things of one kind and number always have the same.
    pub(super) fn of(seed: u64, kind: u64, number: impl Into<u64>) -> Self {
        let mut chance = Self(seed);
        for part in [kind, number.into()] {
            chance.0 ^= part.wrapping_mul(0xd6e8_feb8_6659_fd93);
            chance.0 = chance.next();
        }
        chance
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is at least 1.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        // The remainder is below a `u32`.
        u32::try_from(self.next() % u64::from(limit.max(1))).unwrap_or_default()
    }

    pub(super) fn pick<T: Copy + Default, const N: usize>(&mut self, choices: [T; N]) -> T {
        let place = self.below(u32::try_from(N).unwrap_or(u32::MAX));
        usize::try_from(place).ok().and_then(|place| choices.get(place).copied()).unwrap_or_default()
    }
}

/// The kinds of chance.
pub(super) mod kind {
    pub(in super::super) const APPLICATION: u64 = 1;
    pub(in super::super) const AGENT: u64 = 2;
    pub(in super::super) const TASK: u64 = 3;
    pub(in super::super) const DRAW: u64 = 4;
    pub(in super::super) const COMPLETED: u64 = 5;
}

/// A framework.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framework {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// Whether its task ids have Marathon's form.
    pub(super) is_marathon: bool,
    pub(super) capabilities: &'static str,
    pub(super) role: &'static str,
}

/// The frameworks: most applications are the first one's.
pub(super) const FRAMEWORKS: [Framework; 3] = [
    Framework {
        number: 0,
        name: "marathon",
        is_marathon: true,
        capabilities: r#"["PARTITION_AWARE","TASK_KILLING_STATE"]"#,
        role: "*",
    },
    Framework {
        number: 1,
        name: "marathon-data",
        is_marathon: true,
        capabilities: r#"["PARTITION_AWARE","TASK_KILLING_STATE","GPU_RESOURCES"]"#,
        role: "*",
    },
    Framework {
        number: 2,
        name: "etl-scheduler",
        is_marathon: false,
        capabilities: r#"["MULTI_ROLE","RESERVATION_REFINEMENT"]"#,
        role: "batch",
    },
];

/// What an executor takes besides its task.
pub(super) const EXECUTOR: Resources = resources(100, 32, 0, 0);

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
pub(super) struct Task {
    /// Of all tasks.
    pub(super) number: u32,
    /// Among those of its agent.
    pub(super) slot: u32,
    pub(super) agent: u32,
    pub(super) application: Application,
}

/// What kind of machine an agent is.
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
        let mut chance = Chance::of(self.seed, kind::APPLICATION, number);
        let framework = match number % 10 {
            0..8 => 0,
            8 => 1,
            _ => 2,
        };
        let group = chance.pick(["shop", "search", "ads", "core", "data", "mobile"]);
        let part = chance.pick(["web", "api", "worker", "cache", "feed", "index", "gateway"]);
        let cpus = chance.pick([100, 250, 500, 500, 1000, 2000]);
        let mem = chance.pick([128, 256, 512, 1024, 2048, 4096]);
        let disk = chance.pick([0, 0, 0, 10, 100, 1000]);
        let gpus = u64::from(number % 20 == 18);
        let has_executor = number % 10 == 7 || number % 20 == 9;
        let resources = if number == 0 { SMALLEST } else { resources(cpus, mem, disk, gpus) };
        Application { number, framework, group, part, resources, has_executor }
    }

    /// How many tasks an agent has at most: they are dealt evenly.
    fn tasks_per_agent(&self) -> u32 {
        self.tasks.div_ceil(self.agents.max(1))
    }

    /// The machine of that agent: one of a few kinds, each large enough for its share of the tasks.
    pub(super) fn shape(&self, agent: u32) -> Shape {
        const MEM_PER_CPU: u64 = 3_600;
        const DISK_PER_CPU: u64 = 10_000;
        // The mean task takes 0.7 cpus, so a small agent is used by about 75 %.
        let cpus = u64::from(self.tasks_per_agent()).next_multiple_of(4).max(4);
        let of = |cpus: u64, gpus| resources(cpus * 1000, cpus * MEM_PER_CPU, cpus * DISK_PER_CPU, gpus);
        let (small, large) = (of(cpus, 0), of(2 * cpus, 0));
        match Chance::of(self.seed, kind::AGENT, agent).below(10) {
            0..5 => Shape { name: "small", total: small, reserved: Resources::ZERO },
            5..8 => Shape { name: "large", total: large, reserved: Resources::ZERO },
            8 => Shape { name: "reserved", total: small, reserved: resources(cpus * 250, 1024, 0, 0) },
            _ => Shape { name: "gpu", total: of(cpus, 4), reserved: Resources::ZERO },
        }
    }

    /// The tasks of an agent, into a list that is used again, and what they and their executors take.
    pub(super) fn tasks_on(&self, agent: u32, total: &Resources, tasks: &mut Vec<Task>) -> Resources {
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
            tasks.push(Task { number: first + slot, slot, agent, application });
        }
        used
    }

    /// The application of a task: each gets one in turn, then the first ones get more than the last; where there is no
    /// room for it another is drawn, at last the smallest.
    fn draw(&self, task: u32, room: &Resources) -> Application {
        const DRAWS: u32 = 4;
        let mut chance = Chance::of(self.seed, kind::DRAW, task);
        for attempt in 0..DRAWS {
            let number = if attempt == 0 && task < self.applications {
                task
            } else {
                chance.below(self.applications).min(chance.below(self.applications))
            };
            let application = self.application(number);
            if application.footprint().fits_in(room) {
                return application;
            }
        }
        self.application(0)
    }
}

/// What a task of the first application takes.
const SMALLEST: Resources = resources(100, 128, 0, 0);

const fn resources(milli_cpus: u64, mem: u64, disk: u64, gpus: u64) -> Resources {
    Resources {
        cpus: Amount::from_thousandths(milli_cpus),
        mem: Amount::from_thousandths(1000 * mem),
        disk: Amount::from_thousandths(1000 * disk),
        gpus: Amount::from_thousandths(1000 * gpus),
    }
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
