//! Traces: what happened somewhere, as CSV, and the [`Workload`] that it stands for.
//!
//! The first line says which of the three forms it is; docs/simulate.md describes them. A wrong row is an error with its
//! line number, and nothing is skipped: a trace that is read in part would measure something else.

mod applications;
mod intent;
mod jobs;
mod load;
mod recorded;
mod rows;

use std::num::{NonZeroU16, NonZeroU32};

use jiff::Timestamp;
use shared::resources::{Amount, Resources};
use thiserror::Error;

use crate::{DAY, MINUTE, Millis};

/// The longest trace: a year, and some. A wrong year in one row would be thousands of them.
const MAX_DURATION: Millis = 400 * DAY;

/// The most instances of services at once: each is a task in memory.
const MAX_INSTANCES: u32 = 1_000_000;

pub use applications::{Share, default_applications, read_applications};
pub use recorded::Recording;

/// What runs, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The time at which the simulation starts.
    pub start: Timestamp,
    /// How long it lasts.
    pub duration: Millis,
    /// The applications.
    pub applications: Vec<Application>,
    /// How many instances of services are wanted, by time.
    pub changes: Vec<Change>,
    /// Jobs that run for a time, by the time of their submission.
    pub jobs: Vec<Job>,
    /// What an agent has, unless the user says otherwise.
    pub agent: Resources,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its id in Marathon, with a leading `/`; without one it belongs to another framework, whose queue no one sees.
    pub name: String,
    /// What one instance takes.
    pub resources: Resources,
    /// How many of its instances an agent holds at most: `MAX_PER` on the hostname, with 1 `UNIQUE`.
    pub most_per_agent: Option<NonZeroU32>,
    /// The port of its host that an instance needs, of which an agent has one.
    pub host_port: Option<NonZeroU16>,
}

impl Application {
    /// One of which an agent holds as many instances as it has room for.
    #[must_use]
    pub fn new(name: impl Into<String>, resources: Resources) -> Self {
        Self { name: name.into(), resources, most_per_agent: None, host_port: None }
    }

    /// Whether Marathon starts its instances.
    #[must_use]
    pub fn is_marathons(&self) -> bool {
        self.name.starts_with('/')
    }
}

/// From then on so many instances are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// When.
    pub at: Millis,
    /// The place of the application in [`Workload::applications`].
    pub application: usize,
    /// How many.
    pub instances: u32,
}

/// An instance that runs for a time and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// When it is submitted.
    pub submitted: Millis,
    /// For how long it runs, once it is placed.
    pub duration: Millis,
    /// The place of its application in [`Workload::applications`].
    pub application: usize,
}

/// What a user says about a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// To which peak a load series is scaled.
    pub peak_cpus: Amount,
    /// What an agent has; `None`: as the form of the trace has it.
    pub agent: Option<Resources>,
    /// Which applications a load series drives.
    pub shares: Vec<Share>,
    /// Whether jobs belong to a framework of their own, whose queue no one sees, instead of to Marathon.
    pub own_framework: bool,
}

impl Default for Options {
    /// A peak of 300 cpus, and five applications.
    fn default() -> Self {
        Self {
            peak_cpus: Amount::from_thousandths(300_000),
            agent: None,
            shares: default_applications(),
            own_framework: false,
        }
    }
}

/// Why a trace cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TraceError {
    /// A row is wrong.
    #[error("line {line}: {problem}")]
    Row {
        /// Its number, the first line of the file is 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The first line names none of the forms.
    #[error(
        "line 1: got {0:?}, expected the columns of a trace; write \"timestamp,value\", \"id,submit_s,duration_s,cpus,mem\", or \
         \"minute,application,instances,cpus,mem\""
    )]
    Form(String),
    /// More is wanted than a simulation can hold.
    #[error(
        "{got} instances are wanted at once, expected at most {MAX_INSTANCES}, as many as a simulation can hold; {remedy}"
    )]
    TooLarge {
        /// How many.
        got: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// There are too few rows to make anything of.
    #[error("the trace has {got}, expected at least {least}")]
    TooShort {
        /// What it has.
        got: String,
        /// What it needs.
        least: &'static str,
    },
}

/// Reads a trace.
///
/// ```
/// use simulator::trace::{Options, read};
/// let workload = read("timestamp,value\n2026-01-01 00:00:00,50\n2026-01-01 01:00:00,100\n", &Options::default()).unwrap();
/// assert_eq!(workload.duration, 3_600_000);
/// assert_eq!(workload.applications[0].name, "/load/0");
/// assert!(read("\u{feff}timestamp,value\r\n2026-01-01,50\r\n2026-01-02,100\r\n", &Options::default()).is_ok());
/// let error = read("timestamp,value\n2026-01-01 00:00:00,much\n", &Options::default()).unwrap_err();
/// assert!(error.to_string().starts_with("line 2: value: got \"much\", expected a number from 0 on"));
/// ```
///
/// # Errors
/// The first problem.
pub fn read(text: &str, options: &Options) -> Result<Workload, TraceError> {
    // A spreadsheet writes a mark of the byte order.
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default().trim();
    match first {
        load::HEADER => load::read(text, options),
        jobs::HEADER => jobs::read(text, options),
        intent::HEADER => intent::read(text, options),
        other => Err(TraceError::Form(other.chars().take(60).collect())),
    }
}

impl Workload {
    /// The same, if a simulation can hold it.
    fn bounded(self, remedy: &'static str) -> Result<Self, TraceError> {
        let got = self.most_instances();
        if got > u64::from(MAX_INSTANCES) { Err(TraceError::TooLarge { got, remedy }) } else { Ok(self) }
    }

    /// How many instances of services are wanted at once at most.
    fn most_instances(&self) -> u64 {
        let mut wanted = vec![0_u64; self.applications.len()];
        let (mut sum, mut most) = (0, 0);
        for changes in self.changes.chunk_by(|one, next| one.at == next.at) {
            for change in changes {
                if let Some(count) = wanted.get_mut(change.application) {
                    sum = sum - *count + u64::from(change.instances);
                    *count = change.instances.into();
                }
            }
            most = most.max(sum);
        }
        most
    }

    /// What is wanted at the beginning of each minute, if every instance runs from the moment in which it is wanted.
    #[must_use]
    pub fn demand(&self) -> Vec<Resources> {
        let minutes = usize::try_from(self.duration.div_ceil(MINUTE)).unwrap_or(usize::MAX);
        let mut demand = vec![Resources::ZERO; minutes];
        let mut wanted = vec![0_u32; self.applications.len()];
        let mut changes = self.changes.iter().peekable();
        for (now, sum) in (0..).map(|minute: Millis| minute * MINUTE).zip(&mut demand) {
            while let Some(change) = changes.next_if(|change| change.at <= now) {
                if let Some(count) = wanted.get_mut(change.application) {
                    *count = change.instances;
                }
            }
            let services = self.applications.iter().zip(&wanted);
            *sum = services.map(|(application, count)| application.resources.times((*count).into())).sum();
        }
        let first_from = |time: Millis| usize::try_from(time.div_ceil(MINUTE)).unwrap_or(usize::MAX);
        for job in &self.jobs {
            let (from, to) = (first_from(job.submitted), first_from(job.submitted.saturating_add(job.duration)));
            let Some(application) = self.applications.get(job.application) else { continue };
            demand.iter_mut().take(to).skip(from).for_each(|sum| *sum += application.resources);
        }
        demand
    }
}
