//! What a seed stands for: which faults, which pool, which load, for how long.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;

use cluster::{Capacity, resources};
use jiff::Timestamp;
use shared::config::Policy;
use shared::random::SplitMix64;
use shared::resources::Resources;

use crate::fault::{Fault, Faults, Unit};
use crate::setup::{Place, Setup, Start};
use crate::trace::{Application, Change, Job, Workload};
use crate::{HOUR, MINUTE, Millis};

/// What an agent has.
const AGENT: Resources = resources(8, 28_000);

/// From the end of the faults on, the longest that a stated hold lasts: a launch that failed is tried again after half an hour
/// (B5), an instance that is no agent counts until `join_timeout`, a new master is not believed for ten minutes.
const HOLDS: Millis = HOUR;

/// How many instances a warm pool keeps.
const WARM: usize = 2;

/// Of how many edges a pool may have learned something before.
const LEARNED: usize = 10;

/// What goes wrong on the way of a message, or of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A message arrives twice.
    Duplicate,
    /// A message does not arrive.
    Drop,
    /// A message arrives late: by seconds, minutes, or a day; so another one may overtake it.
    Delay,
    /// A function ends between two calls, or after one whose answer it does not get; the event is run again once.
    Crash,
    /// A function has forgotten what it did.
    ColdStart,
    /// AWS or a master refuses a call.
    Throttled,
    /// A call is made, and its answer is lost.
    LostAnswer,
    /// An answer of Auto Scaling is cut short.
    TruncatedAnswer,
    /// An answer of Auto Scaling is some seconds old.
    StaleAnswer,
    /// A call takes seconds.
    SlowCall,
    /// The master cannot be read.
    UnreadMaster,
    /// Marathon cannot be read.
    UnreadQueue,
    /// The group cannot be read with the state.
    UnreadGroup,
    /// A message without the fields of a newer version.
    VersionSkew,
    /// A message of someone else.
    Forged,
    /// The master shows a framework without its tasks, as to a principal that may not see them.
    FilteredView,
    /// The stored history of what the pool has learned is gone.
    LostHistory,
    /// It is cut short, is something else, or a newer release has written it.
    DamagedHistory,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Duplicate,
        Self::Drop,
        Self::Delay,
        Self::Crash,
        Self::ColdStart,
        Self::Throttled,
        Self::LostAnswer,
        Self::TruncatedAnswer,
        Self::StaleAnswer,
        Self::SlowCall,
        Self::UnreadMaster,
        Self::UnreadQueue,
        Self::UnreadGroup,
        Self::VersionSkew,
        Self::Forged,
        Self::FilteredView,
        Self::LostHistory,
        Self::DamagedHistory,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Drop => "drop",
            Self::Delay => "delay",
            Self::Crash => "crash",
            Self::ColdStart => "cold-start",
            Self::Throttled => "throttled",
            Self::LostAnswer => "lost-answer",
            Self::TruncatedAnswer => "truncated-answer",
            Self::StaleAnswer => "stale-answer",
            Self::SlowCall => "slow-call",
            Self::UnreadMaster => "unread-master",
            Self::UnreadQueue => "unread-queue",
            Self::UnreadGroup => "unread-group",
            Self::VersionSkew => "version-skew",
            Self::Forged => "forged",
            Self::FilteredView => "filtered-view",
            Self::LostHistory => "lost-history",
            Self::DamagedHistory => "damaged-history",
        }
    }
}

/// What is odd about a pool from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// `new_agent` says more than an agent has, and an application needs that.
    WrongNewAgent,
    /// An application needs more than any agent has.
    Unservable,
    /// The stages have clocks of their own. The rate is how many seconds they differ at most.
    ClockSkew,
    /// node_process has another configuration than node_scale.
    ConfigSkew,
    /// The group has a warm pool.
    WarmPool,
    /// An instance counts for several units of the group's capacity. The rate is how many.
    Weights,
}

impl Oddity {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::WrongNewAgent, Self::Unservable, Self::ClockSkew, Self::ConfigSkew, Self::WarmPool, Self::Weights];

    const fn name(self) -> &'static str {
        match self {
            Self::WrongNewAgent => "wrong-new-agent",
            Self::Unservable => "unservable",
            Self::ClockSkew => "clock-skew",
            Self::ConfigSkew => "config-skew",
            Self::WarmPool => "warm-pool",
            Self::Weights => "weights",
        }
    }
}

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Of the cluster and its group.
    World(Fault),
    /// Of messages and calls.
    Chain(Trouble),
    /// Of the pool.
    Pool(Oddity),
}

impl Class {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let (world, chain) = (Fault::ALL.map(Self::World), Trouble::ALL.map(Self::Chain));
        world.into_iter().chain(chain).chain(Oddity::ALL.map(Self::Pool))
    }

    /// Its name in options and histories.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::World(fault) => fault.name(),
            Self::Chain(trouble) => trouble.name(),
            Self::Pool(oddity) => oddity.name(),
        }
    }

    /// The rates that a seed may give it.
    const fn rates(self) -> [u32; 3] {
        match self {
            // Each two or three minutes: more often than a cooldown ends.
            Self::World(Fault::FailedRebalance) => [24, 72, 600],
            Self::World(fault) => match fault.unit() {
                Unit::PercentOfLaunches => [5, 20, 60],
                Unit::ADay => [8, 24, 72],
            },
            Self::Chain(Trouble::Forged) => [1, 2, 4],
            Self::Chain(Trouble::ColdStart) => [5, 30, 100],
            Self::Chain(_) => [2, 8, 20],
            Self::Pool(Oddity::ClockSkew) => [5, 25, 50],
            Self::Pool(Oddity::Weights) => [2, 3, 5],
            Self::Pool(_) => [1, 1, 1],
        }
    }
}

/// What a seed stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// The classes that are on, with their rates.
    pub classes: BTreeMap<Class, u32>,
    /// The settings of the pool.
    pub settings: String,
    /// Whether Marathon's queue is read.
    pub sees_queue: bool,
    /// What the pool has learned before; `None`: nothing, or it does not learn.
    pub learned: Option<[u32; LEARNED]>,
    /// From the request of an instance until its agent is registered.
    pub boot: Millis,
    /// How often node_gather runs.
    pub period: Millis,
    /// The least and the most agents.
    pub limits: (u32, u32),
    /// For how long things go wrong.
    pub faulty: Millis,
    /// Where it stops before its end.
    pub until: Option<Millis>,
}

impl Case {
    /// What that seed stands for.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = stream(seed, 1);
        let mut classes = BTreeMap::new();
        for (number, class) in Class::all().enumerate() {
            let mut random = stream(seed, 100 + number as u64);
            if random.below(2) == 0 {
                classes.insert(class, random.pick(class.rates()));
            }
        }
        let period = random.pick([1, 1, 1, 2, 5]) * MINUTE;
        let (mut min, max) = (random.pick([0, 1, 2]), 6 + u32::try_from(random.below(14)).unwrap_or(0));
        let boot = random.pick([1, 3, 6]) * MINUTE;
        let sees_queue = random.below(8) > 0;
        if !sees_queue {
            // With no agent nothing shows that one is needed (H11).
            min = min.max(1);
        }
        let limits = (min, max);
        let settings = settings(&mut random, limits, classes.contains_key(&Class::Pool(Oddity::WrongNewAgent)));
        let faulty = (2 + random.below(3)) * HOUR;
        let mut random = stream(seed, 3);
        let (settings, learned) = match random.below(3) {
            0 => (learning(&mut random, &settings, boot), learned(&mut random)),
            _ => (settings, None),
        };
        Self { seed, classes, settings, sees_queue, learned, boot, period, limits, faulty, until: None }
    }

    /// The same without a class.
    #[must_use]
    pub fn without(&self, class: Class) -> Self {
        let mut case = self.clone();
        case.classes.remove(&class);
        case
    }

    /// The same with a class.
    #[must_use]
    pub fn with(&self, class: Class, rate: u32) -> Self {
        let mut case = self.clone();
        case.classes.insert(class, rate);
        case
    }

    /// Of a class, how often it strikes; 0 where it is off.
    #[must_use]
    pub fn rate(&self, class: Class) -> u32 {
        self.classes.get(&class).copied().unwrap_or(0)
    }

    /// How long a pool at rest may take to grow from so many agents to so many: one request in each run, or in each hold of its own
    /// choice, then a boot, and three runs.
    pub(super) fn growth_time(&self, from: u32, to: u32) -> Millis {
        let policy = self.policy();
        let mut agents = from;
        let mut requests: Millis = 3;
        while agents < to {
            agents += policy.limits.max_scale_up_step.of(agents).max(1);
            requests += 1;
        }
        let hold = Millis::try_from(policy.timing.max_back_off.as_millis()).unwrap_or(Millis::MAX);
        // The first agent of all shows what an agent has.
        let boots = if from == 0 { 2 } else { 1 };
        requests * (self.period + hold) + boots * self.boot * 5 / 4 + MINUTE
    }

    /// When nothing that can be placed may wait any more.
    pub(super) fn served_by(&self) -> Millis {
        let requests = Millis::from(self.limits.1) * self.period;
        self.faulty + HOLDS + 2 * self.boot + requests + 3 * self.period
    }

    /// When what is not needed must have gone.
    pub(super) fn settled_by(&self) -> Millis {
        // Each one needs a settled group: a cooldown, a termination, and a run.
        let each = 7 * MINUTE + 3 * self.period;
        self.served_by() + 2 * HOUR + Millis::from(self.limits.1) * each
    }

    /// The pool's settings as a configuration.
    #[expect(clippy::expect_used, reason = "a test proves that every seed stands for a valid configuration")]
    pub(super) fn policy(&self) -> Policy {
        let minutes = self.period / MINUTE;
        let config = format!(
            "schedule_period = \"{minutes}m\"\n[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\n\
             group = \"workers-asg\"\n{}",
            self.settings
        );
        let pools = shared::config::Config::parse(&config).map(|config| config.pools).unwrap_or_default();
        pools.into_iter().next().expect("the settings of a case are valid")
    }

    /// The world.
    pub(super) fn setup(&self) -> Setup {
        let mut faults = Faults::default();
        for (class, rate) in &self.classes {
            if let Class::World(fault) = class {
                faults = faults.with(*fault, *rate);
            }
        }
        Setup {
            workload: self.workload(),
            agent: Capacity::of(AGENT),
            start: Start::Demand,
            boot: self.boot,
            min: self.limits.0,
            max: self.limits.1,
            headroom_percent: 0,
            price: 0,
            place: Place {
                group: "workers-asg".to_owned(),
                weight: NonZeroU32::new(self.rate(Class::Pool(Oddity::Weights))),
                warm: if self.classes.contains_key(&Class::Pool(Oddity::WarmPool)) { WARM } else { 0 },
                ..Place::default()
            },
            faults,
        }
    }

    /// Two to four services whose demand jumps, and some jobs.
    fn workload(&self) -> Workload {
        let mut random = stream(self.seed, 2);
        let sizes = [resources(1, 3500), resources(2, 5000), resources(1, 1000), resources(3, 9000)];
        let services = 2 + random.index(3);
        let mut applications: Vec<Application> = (0_u32..)
            .zip(sizes)
            .take(services)
            .map(|(number, resources)| Application::new(format!("/app/{number}"), resources))
            .collect();
        let cpus = [1, 2, 1, 3];
        let most = u64::from(self.limits.1) * 8 * 7 / 10 / services as u64;
        let mut changes = Vec::new();
        for (application, cpus) in cpus.into_iter().enumerate().take(services) {
            let mut at = 0;
            while at < self.faulty {
                let instances = u32::try_from(random.below(most / cpus + 1)).unwrap_or(0);
                changes.push(Change { at, application, instances });
                at += (3 + random.below(40)) * MINUTE;
            }
        }
        let mut add = |name: &str, resources, instances| {
            changes.push(Change { at: 0, application: applications.len(), instances });
            applications.push(Application::new(name, resources));
        };
        if self.classes.contains_key(&Class::Pool(Oddity::WrongNewAgent)) {
            add("/odd/large", resources(2, 30_000), 2);
        }
        if self.classes.contains_key(&Class::Pool(Oddity::Unservable)) {
            add("/odd/huge", resources(64, 1000), 3);
        }
        let mut jobs = Vec::new();
        if random.below(2) == 0 {
            let application = applications.len();
            let name = if random.below(2) == 0 { "/jobs/batch" } else { "batch" };
            applications.push(Application::new(name, resources(2, 4000)));
            for _ in 0..random.below(40) {
                let submitted = random.below(self.faulty);
                jobs.push(Job { submitted, duration: (1 + random.below(30)) * MINUTE, application });
            }
        }
        changes.sort();
        jobs.sort();
        Workload {
            start: Timestamp::constant(1_767_225_600, 0),
            duration: self.settled_by() + HOUR,
            applications,
            changes,
            jobs,
            agent: AGENT,
        }
    }
}

/// The settings of a pool.
fn settings(random: &mut SplitMix64, (min, max): (u32, u32), is_wrong: bool) -> String {
    let mut text = format!("min = {min}\nmax = {max}\n");
    // Writing to a string cannot fail.
    let mut set = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {value}");
    };
    let strategy = random.pick(["least_loaded", "least_loaded", "desired_capacity", "drain", "drain"]);
    set("scale_down_strategy", &format!("\"{strategy}\""));
    if strategy == "drain" {
        set("drain_after", random.pick(["\"2m\"", "\"5m\"", "\"0s\"", "\"never\""]));
    }
    set("scale_down_window", random.pick(["\"0s\"", "\"5m\"", "\"15m\""]));
    set("max_scale_down_step", random.pick(["1", "3", "\"20%\""]));
    set("max_scale_up_step", random.pick(["1", "4", "\"100%\""]));
    set("application_headroom_percent", random.pick(["0", "10", "50"]));
    set("scale_down_margin", random.pick(["0", "1"]));
    set("headroom_placement", random.pick(["\"sum\"", "\"pack\"", "\"pack\""]));
    set("max_back_off", random.pick(["\"0s\"", "\"0s\"", "\"3m\""]));
    if is_wrong {
        set("new_agent", "{ cpus = 8, mem = 32000 }");
    } else if random.below(2) == 0 || min == 0 {
        set("new_agent", "{ cpus = 8, mem = 28000 }");
    }
    text
}

/// The settings of a pool that learns. One that names no strategy closes its agents.
fn learning(random: &mut SplitMix64, settings: &str, boot: Millis) -> String {
    let closes = random.below(4) > 0;
    let is_kept = |line: &&str| !(closes && line.starts_with("scale_down_strategy"));
    let kept: Vec<&str> = settings.lines().filter(is_kept).collect();
    let confidence = random.pick([80, 95, 100]);
    format!("{}\nlearn = {confidence}\nboot_time = \"{}m\"\n", kept.join("\n"), boot / MINUTE)
}

/// How often demand grew by how much: enough to count from the first run on, or nothing.
fn learned(random: &mut SplitMix64) -> Option<[u32; LEARNED]> {
    let is_known = random.below(3) > 0;
    let counts = std::array::from_fn(|edge| 10 + u32::try_from(random.below(400) / (1 + edge as u64)).unwrap_or(0));
    is_known.then_some(counts)
}

fn stream(seed: u64, number: u64) -> SplitMix64 {
    SplitMix64::stream(seed, 10_000, number)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes: Vec<String> =
            self.classes.iter().map(|(class, rate)| format!("{}={rate}", class.name())).collect();
        writeln!(f, "seed {}: faults for {} min, then calm", self.seed, self.faulty / MINUTE)?;
        writeln!(f, "classes: {}", classes.join(" "))?;
        let (period, boot) = (self.period / MINUTE, self.boot / MINUTE);
        let queue = if self.sees_queue { "reads" } else { "does not read" };
        writeln!(f, "a run every {period} min, boot {boot} min, {queue} Marathon's queue")?;
        if let Some(learned) = self.learned {
            writeln!(f, "it has learned {learned:?}")?;
        }
        write!(f, "{}", self.settings.trim_end().replace('\n', "; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_stands_for_a_valid_configuration() {
        for seed in 0..500 {
            let case = Case::of(seed);
            assert_eq!(case.policy().pool, "workers", "{case}");
            assert!(case.settled_by() > case.served_by() && case.served_by() > case.faulty);
        }
        let on = (0..500).map(|seed| Case::of(seed).classes.len()).sum::<usize>() / 500;
        assert!((Class::all().count() / 2).abs_diff(on) <= 1, "half of all classes, {on}");
    }
}
