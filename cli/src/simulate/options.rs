//! The options of `simulate`, and what they stand for.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use cluster::Capacity;
use sha2::{Digest as _, Sha256};
use shared::config::{CheckKind, Config, Policy};
use shared::resources::{Amount, Resources};
use simulator::policy::{Baseline, Exactness};
use simulator::trace::{self, Options as TraceOptions, Recording};
use simulator::{Faults, Millis, Place, Setup, Start, Workload};

use crate::config::{ConfigOption, Found};
use crate::file;
use crate::load::{self, Load, LoadError, LoadOptions};
use crate::page::Output;
use crate::values;

/// A pool without a maximum of its own.
const NO_MAX: u32 = 1000;

/// More agents than a cluster has, and as many as a simulation can hold.
const MOST_AGENTS: u32 = 100_000;

/// No instance boots for longer.
const LONGEST_BOOT: Duration = Duration::from_secs(24 * 3600);

/// Simulate weeks of a workload under a configuration, and under other policies
///
/// Exit codes: 0 success, 1 a file cannot be read, 2 invalid trace, configuration, or options, 130 interrupted.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    load: LoadOptions,
    /// Another configuration, compared with that of --config; repeatable
    #[arg(long, value_name = "FILE")]
    compare: Vec<PathBuf>,
    /// Another policy, such as target-tracking=65, karpenter, or oracle; docs/simulate.md lists them; repeatable
    #[arg(long, value_name = "POLICY")]
    baseline: Vec<Baseline>,
    /// Seed; the same seed gives the same output
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "seeds")]
    seed: u64,
    /// Number of seeds, 1 to 1000; the output has their mean and spread
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    /// Mean time from the request of an instance until its agent is registered
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = read_boot)]
    boot: Duration,
    /// Resources of an agent [default: cpus=8,mem=28000; for jobs four times the largest]
    #[arg(long, value_name = "RESOURCES", value_parser = read_agent)]
    agent: Option<Resources>,
    /// Applications that a load series drives, as CSV (application,share,cpus,mem) [default: five, small and large]
    #[arg(long, value_name = "FILE", conflicts_with = "from_snapshots")]
    applications: Option<PathBuf>,
    /// Price of an agent-hour
    #[arg(long, value_name = "PRICE", default_value = "0.384", value_parser = values::amount)]
    price: Amount,
    /// What goes wrong, as CLASS=RATE[,...], such as failover=1,never-joins=2; docs/simulate.md lists the classes
    #[arg(long, value_name = "FAULTS", default_value_t)]
    faults: Faults,
    /// Jobs of a trace belong to a framework of their own, whose queue no policy sees
    #[arg(long, conflicts_with = "from_snapshots")]
    own_framework: bool,
    /// In each run, make the snapshot from the bytes of a master too, and compare
    #[arg(long)]
    exact: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
    /// Also write an HTML page with charts, which needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

/// A policy that takes part.
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) config_sha256: Option<String>,
    pub(super) kind: Kind,
    pub(super) setup: Setup,
}

/// Which policy.
pub(super) enum Kind {
    /// The project, with these settings; whether it sees Marathon's queue.
    LambdaScale(Box<Policy>, bool),
    Baseline(Baseline),
}

impl Options {
    pub(super) fn trace_name(&self) -> String {
        self.load.path().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn seeds(&self) -> Vec<u64> {
        self.seeds.map_or_else(|| vec![self.seed], |count| (1..=count).collect())
    }

    pub(super) const fn exactness(&self) -> Exactness {
        if self.exact { Exactness::Always } else { Exactness::Sampled }
    }

    /// What the trace or the recording stands for.
    pub(super) fn workload(&self) -> Result<Workload, LoadError> {
        let mut options = TraceOptions {
            peak_cpus: self.load.peak_cpus,
            agent: self.agent,
            own_framework: self.own_framework,
            ..TraceOptions::default()
        };
        if let Some(path) = &self.applications {
            options.shares = trace::read_applications(&file::read(path)?).map_err(LoadError::trace(path))?;
        }
        match self.load.load()? {
            Load::Trace(path) => load::workload(path, &options),
            Load::Snapshots(path) => {
                let found = self.load.config()?;
                let mut recording = Recording::default();
                let pool = self.pool(&found, &found.parse()?)?.pool;
                load::snapshots(path, &pool, |snapshot| recording.add(&snapshot))?;
                recording.into_workload(&options).map_err(LoadError::trace(path))
            }
        }
    }

    /// The policies, the first configuration first.
    pub(super) fn contestants(&self, workload: &Workload) -> Result<Vec<Contestant>, LoadError> {
        let mut contestants = Vec::new();
        let others = self.compare.iter().map(|path| ConfigOption::of(Some(path.clone())).find_now());
        for found in std::iter::once(self.load.config()).chain(others.map(|found| Ok(found?))) {
            let found = found?;
            let config = found.parse()?;
            let policy = self.pool(&found, &config)?;
            contestants.push(Contestant {
                name: found.place.display().to_string(),
                config_sha256: Some(sha256(&found.text)),
                setup: self.setup(workload, &policy),
                kind: Kind::LambdaScale(Box::new(policy), config.marathon.is_some()),
            });
        }
        let first = contestants.first().map(|first| first.setup.clone());
        let baselines = self.baseline.iter().zip(std::iter::repeat(first));
        contestants.extend(baselines.filter_map(|(baseline, setup)| {
            Some(Contestant {
                name: baseline.to_string(),
                config_sha256: None,
                kind: Kind::Baseline(*baseline),
                setup: setup?,
            })
        }));
        let mut names = BTreeSet::new();
        match contestants.iter().find(|contestant| !names.insert(&contestant.name)) {
            Some(twice) => Err(LoadError::Usage(format!("{} is there twice; leave one out", twice.name))),
            None => Ok(contestants),
        }
    }

    fn pool(&self, found: &Found, config: &Config) -> Result<Policy, LoadError> {
        let policy = self.load.pool(found, config)?;
        let min = policy.limits.min;
        let problem = if policy.check == CheckKind::Custom {
            "its custom check decides, which cannot be simulated; leave out check".to_owned()
        } else if min > MOST_AGENTS {
            format!("min: got {min}, expected at most {MOST_AGENTS}, as many agents as a simulation can hold; lower it")
        } else {
            return Ok(policy.clone());
        };
        let place = found.place.display();
        Err(LoadError::Usage(format!("{place}: pool {:?}: {problem}", policy.pool)))
    }

    fn setup(&self, workload: &Workload, policy: &Policy) -> Setup {
        Setup {
            agent: Capacity::of(workload.agent),
            start: Start::Demand,
            boot: Millis::try_from(self.boot.as_millis()).unwrap_or(Millis::MAX),
            min: policy.limits.min,
            max: policy.limits.max.unwrap_or_else(|| NO_MAX.max(policy.limits.min)).min(MOST_AGENTS),
            headroom_percent: policy.headroom.percent,
            price: self.price.thousandths(),
            place: Place { group: policy.group.clone(), attributes: policy.attributes.clone(), ..Place::default() },
            workload: workload.clone(),
            faults: self.faults.clone(),
        }
    }
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `3m`
fn read_boot(text: &str) -> Result<Duration, String> {
    let boot = values::duration(text)?;
    if boot > LONGEST_BOOT { Err(format!("got {text:?}, expected at most 24h; write 3m")) } else { Ok(boot) }
}

/// `cpus=8,mem=28000`
fn read_agent(text: &str) -> Result<Resources, String> {
    let mut resources = Resources::ZERO;
    for part in text.split(',') {
        let wrong = || format!("got {part:?}, expected cpus and mem; write cpus=8,mem=28000");
        let (name, amount) = part.split_once('=').ok_or_else(wrong)?;
        let amount = values::amount(amount.trim())?;
        let kind = match name.trim() {
            "cpus" => &mut resources.cpus,
            "mem" => &mut resources.mem,
            _ => return Err(wrong()),
        };
        if !kind.is_zero() {
            return Err(format!("{} is there twice; write cpus=8,mem=28000", name.trim()));
        }
        *kind = amount;
    }
    if resources.cpus.is_zero() || resources.mem.is_zero() {
        return Err(format!("got {text:?}, expected cpus and mem; write cpus=8,mem=28000"));
    }
    Ok(resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_read_or_refused_with_an_example() {
        assert_eq!(read_agent("cpus=8,mem=28000").unwrap().to_string(), "8 cpus, 28000 MB");
        assert_eq!(read_agent("cpus=8,mem=1,cpus=2").unwrap_err(), "cpus is there twice; write cpus=8,mem=28000");
        for wrong in ["8", "cpus=8", "cpus=8,mem=0", "cpus=-1,mem=1", "cpus=8,mem=1,gpus=1", ""] {
            assert!(read_agent(wrong).unwrap_err().contains("expected"), "{wrong}");
        }
    }

    #[test]
    fn a_boot_time_of_days_is_refused() {
        assert_eq!(read_boot("24h"), Ok(LONGEST_BOOT));
        assert_eq!(read_boot("366d"), Err("got \"366d\", expected at most 24h; write 3m".to_owned()));
        assert!(read_boot("3").unwrap_err().contains("expected a duration"));
    }

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
