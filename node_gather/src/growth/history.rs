//! What is kept from run to run, and what follows from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::config::{Confidence, Learning};
use shared::contract::Growth;
use shared::time::millis;
use thiserror::Error;

use super::Observation;
use super::demand::{Demand, Unit};

/// H8: how many growths are distinguished.
const EDGES: usize = Growth::EDGES.len();

/// H8: how often demand grew by at most each of [`Growth::EDGES`], and by more than the one before.
type Counts = [u32; EDGES];

/// What is kept of the demand of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// When the last run was.
    pub(super) at: Option<Timestamp>,
    /// When the master that led then was elected.
    pub(super) elected_at: Option<Timestamp>,
    /// H8: over how many runs growth was measured.
    pub(super) horizon: u32,
    /// H7: in eighths of which agent demand was measured.
    unit: Option<Unit>,
    /// H8: the demand of the last runs, the oldest first.
    pub(super) row: Vec<u32>,
    /// H8: how the demand has grown.
    counts: Counts,
    /// H8: which of these are of a demand that was above its mean.
    above: Counts,
    /// H8: [`Self::DAY`] times the mean of the demand, in eighths.
    day: u64,
    /// H9: the highest demand; each halving of the counters lowers it.
    highest: u32,
}

/// Why a stored history cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// A newer release wrote it. It must not be overwritten: that release may still run.
    #[error("the history has version {0}, this release reads version {version}", version = History::VERSION)]
    Newer(u64),
    /// It is not a history. It can be overwritten.
    #[error("the history cannot be read: {0}")]
    Corrupt(String),
}

/// The history as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u64,
    #[serde(with = "millis::option")]
    at: Option<Timestamp>,
    #[serde(with = "millis::option")]
    elected_at: Option<Timestamp>,
    horizon: u32,
    agent: Option<Unit>,
    row: Vec<u32>,
    counts: Vec<u32>,
    #[serde(default = "none")]
    above: Vec<u32>,
    #[serde(default)]
    day: u64,
    #[serde(default)]
    highest: u32,
}

/// The counters of a history that does not tell where demands began.
fn none() -> Vec<u32> {
    vec![0; EDGES]
}

/// The version of a history, which any release can read.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl History {
    /// The version that this release writes, and the newest that it reads.
    pub const VERSION: u64 = 1;

    /// H8: when there are so many samples, each counter is halved, so that what is learned follows a change within days.
    const HALVED_AT: u32 = 1_440;

    /// H8: each run moves the mean of the demand by one part of so many, a day of minutes.
    const DAY: u64 = 1_440;

    /// H9: by which part the highest demand falls then: after a weekend it is still most of that of Friday.
    const FADES_BY: u32 = 16;

    /// H8: fewer samples say nothing.
    const LEAST_SAMPLES: u32 = 60;

    /// Reads a stored history.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let corrupt = |error: serde_json::Error| ParseError::Corrupt(error.to_string());
        let Version { version } = serde_json::from_str(text).map_err(corrupt)?;
        if version > Self::VERSION {
            return Err(ParseError::Newer(version));
        }
        let stored: Stored = serde_json::from_str(text).map_err(corrupt)?;
        let wrong = |what: &str| ParseError::Corrupt(what.to_owned());
        let counters = |of: Vec<u32>| of.try_into().map_err(|_| wrong("it does not have a counter for each growth"));
        let (counts, above): (Counts, Counts) = (counters(stored.counts)?, counters(stored.above)?);
        let samples: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        if samples >= Self::HALVED_AT.into() || counts.iter().zip(&above).any(|(count, above)| above > count) {
            return Err(wrong("its counters are too large"));
        }
        if stored.day > Self::DAY * u64::from(u32::MAX) {
            return Err(wrong("its mean is too large"));
        }
        if stored.horizon > Learning::MAX_HORIZON || stored.row.len() > row_length(stored.horizon) {
            return Err(wrong("its row is too long"));
        }
        let Stored { at, elected_at, horizon, agent: unit, row, day, highest, .. } = stored;
        Ok(Self { at, elected_at, horizon, unit, row, counts, above, day, highest })
    }

    /// The history as it is stored, some 400 bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let stored = Stored {
            version: Self::VERSION,
            at: self.at,
            elected_at: self.elected_at,
            horizon: self.horizon,
            agent: self.unit,
            row: self.row.clone(),
            counts: self.counts.to_vec(),
            above: self.above.to_vec(),
            day: self.day,
            highest: self.highest,
        };
        // Numbers and times always have a form.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// When the last run was that it knows of.
    #[must_use]
    pub const fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// How many runs it has learned from.
    #[must_use]
    pub fn samples(&self) -> u32 {
        samples(&self.counts)
    }

    /// H8: how the demand has grown.
    #[must_use]
    pub const fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// H8: which of [`Self::counts`] are of a demand that was above its mean.
    #[must_use]
    pub const fn above(&self) -> &[u32] {
        &self.above
    }

    /// H8: the mean of the demand within about a day, in eighths of an agent, rounded down.
    #[must_use]
    pub fn mean(&self) -> u32 {
        u32::try_from(self.day / Self::DAY).unwrap_or(u32::MAX)
    }

    /// H7: W, in eighths of the agent in which it has always been measured.
    #[must_use]
    pub fn demand(&self, demand: &Demand) -> Option<u32> {
        demand.eighths(&self.unit.filter(|unit| demand.keeps(unit)).unwrap_or(demand.unit))
    }

    /// What the message of a run says about it.
    #[must_use]
    pub fn growth(&self, demand: Option<&Demand>, confidence: Confidence) -> Growth {
        let demand = demand.and_then(|demand| self.demand(demand)).unwrap_or(0);
        let counts = self.counts_of(demand);
        let mean = if counts == self.counts { 0 } else { self.mean() };
        Growth { demand, grow: grow(&counts, confidence), samples: self.samples(), mean, highest: self.highest }
    }

    /// H8: how a demand like that has grown: one on the same side of the mean; any, where too few were there.
    fn counts_of(&self, demand: u32) -> Counts {
        let side = if demand > self.mean() { self.above } else { less(&self.counts, &self.above) };
        if samples(&side) < Self::LEAST_SAMPLES { self.counts } else { side }
    }

    /// H10: whether a run at that time is one that it has seen, less than half a period ago. A history of a little later is one
    /// that another instance of the function wrote; one of much later has a wrong time, which must not stop the learning.
    pub(super) fn saw(&self, seen: &Observation, now: Timestamp) -> bool {
        let Some(at) = self.at else { return false };
        let since = now.duration_since(at);
        since >= -(seen.period.saturating_mul(2)) && since.saturating_mul(2) < seen.period
    }

    /// H10: whether its row goes on with a run at that time.
    pub(super) fn continues(&self, seen: &Observation, now: Timestamp) -> bool {
        let Some(at) = self.at else { return false };
        let since = now.duration_since(at);
        let is_next = since.is_positive() && since <= seen.period.saturating_mul(2);
        is_next && self.elected_at == seen.elected_at && self.horizon == seen.horizon
    }

    /// H8: adds the demand of a run that counts.
    pub(super) fn add(&mut self, demand: &Demand) {
        match self.unit {
            Some(unit) if demand.keeps(&unit) => {}
            unit => self.measure_in(unit, demand),
        }
        let Some(eighths) = self.unit.and_then(|unit| demand.eighths(&unit)) else {
            self.row.clear();
            return;
        };
        let length = row_length(self.horizon);
        self.highest = self.highest.max(eighths);
        self.day = match self.day {
            0 => Self::DAY * u64::from(eighths),
            day => day - day / Self::DAY + u64::from(eighths),
        };
        self.row.push(eighths);
        let surplus = self.row.len().saturating_sub(length);
        self.row.drain(..surplus);
        if self.row.len() == length {
            self.count();
        }
    }

    /// H7: measures in eighths of another agent from now on. Growth counts as at least what it was.
    fn measure_in(&mut self, from: Option<Unit>, demand: &Demand) {
        self.row.clear();
        self.unit = Some(demand.unit);
        let Some(from) = from else { return };
        let converted = |eighths| demand.converted(eighths, &from);
        for counts in [&mut self.counts, &mut self.above] {
            let before = std::mem::replace(counts, [0; EDGES]);
            for (edge, count) in Growth::EDGES.into_iter().zip(before) {
                add(counts, converted(edge), count);
            }
        }
        self.day = Self::DAY * u64::from(converted(self.mean()));
        self.highest = converted(self.highest);
    }

    /// H8: counts the growth of a full row: its largest value less its oldest.
    fn count(&mut self) {
        let oldest = self.row.first().copied().unwrap_or(0);
        let growth = self.row.iter().max().map_or(0, |largest| largest.saturating_sub(oldest));
        add(&mut self.counts, growth, 1);
        if oldest > self.mean() {
            add(&mut self.above, growth, 1);
        }
        if self.samples() >= Self::HALVED_AT {
            for count in self.counts.iter_mut().chain(&mut self.above) {
                *count /= 2;
            }
            self.highest -= self.highest / Self::FADES_BY;
        }
    }
}

/// H8: how many values a full row has.
fn row_length(horizon: u32) -> usize {
    usize::try_from(horizon).unwrap_or(usize::MAX).saturating_add(1)
}

fn samples(counts: &Counts) -> u32 {
    counts.iter().sum()
}

/// H8: G, the smallest edge that was enough in as many of the runs as `confidence` says; `None` with too few samples.
fn grow(counts: &Counts, confidence: Confidence) -> Option<u32> {
    let samples = samples(counts);
    if samples < History::LEAST_SAMPLES {
        return None;
    }
    let wanted = u64::from(confidence.tenths()) * u64::from(samples);
    let mut enough = 0;
    Growth::EDGES.into_iter().zip(counts).find_map(|(edge, count)| {
        enough += u64::from(*count);
        (1000 * enough >= wanted).then_some(edge)
    })
}

/// The counters of all less those of some of them.
fn less(all: &Counts, some: &Counts) -> Counts {
    let mut rest = *all;
    rest.iter_mut().zip(some).for_each(|(count, some)| *count = count.saturating_sub(*some));
    rest
}

/// Counts a growth so many times, at the smallest edge that is not below it; at the last where none is.
fn add(counts: &mut Counts, growth: u32, times: u32) {
    let place = Growth::EDGES.partition_point(|edge| *edge < growth).min(EDGES - 1);
    if let Some(count) = counts.get_mut(place) {
        *count += times;
    }
}
