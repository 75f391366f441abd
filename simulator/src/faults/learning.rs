//! What a pool learns from run to run, and where it is stored: one text, which may be lost or damaged.

use cluster::NOON;
use jiff::{SignedDuration, Timestamp};
use node_gather::growth::{History, Observation, ParseError, learn};
use shared::config::{Confidence, Policy as Settings};
use shared::contract::Growth;

use super::case::Case;

/// It is stored in each fifth run.
const STORED_EVERY: u64 = 5;

/// What node_gather keeps of the demand of a pool.
#[derive(Debug)]
pub(super) struct Learning {
    confidence: Confidence,
    /// `None`: a newer release has stored it, so it is not known and not overwritten.
    history: Option<History>,
    stored: Option<String>,
    runs: u64,
}

/// What a run has learned.
pub(super) struct Learned {
    pub(super) growth: Option<Growth>,
    /// Whether it counted how much demand has grown.
    pub(super) counted: bool,
    /// H8: over how long that growth was.
    pub(super) horizon: SignedDuration,
}

impl Learning {
    /// `None` where the pool does not learn.
    pub(super) fn new(case: &Case, settings: &Settings) -> Option<Self> {
        let stored = case.learned.map(|counts| {
            let counts: Vec<u32> = counts.into_iter().chain(std::iter::repeat(0)).take(Growth::EDGES.len()).collect();
            let minutes = case.period / crate::MINUTE;
            let horizon = (case.boot / crate::MINUTE).div_ceil(minutes.max(1));
            format!(
                "{{\"version\":1,\"at\":\"{NOON}\",\"elected_at\":\"{NOON}\",\"horizon\":{horizon},\
                 \"agent\":{{\"cpus\":8,\"mem\":28000}},\"row\":[],\"counts\":{counts:?},\"highest\":1000}}"
            )
        });
        let confidence = settings.learning?.confidence;
        let mut learning = Self { confidence, history: None, stored, runs: 0 };
        learning.restart();
        Some(learning)
    }

    /// A new process reads what is stored. What cannot be read is as if there were nothing.
    pub(super) fn restart(&mut self) {
        self.history = match self.stored.as_deref().map(History::parse) {
            None | Some(Err(ParseError::Corrupt(_))) => Some(History::default()),
            Some(Ok(history)) => Some(history),
            Some(Err(ParseError::Newer(_))) => None,
        };
    }

    /// What is stored is gone, and so is the process that knew it.
    pub(super) fn lose(&mut self) {
        self.stored = None;
        self.restart();
    }

    /// The same, and something else is stored.
    pub(super) fn damage(&mut self, way: u64) {
        let stored = self.stored.take().unwrap_or_default();
        self.stored = Some(match way {
            0 => stored.chars().take(stored.len() / 2).collect(),
            1 => "see the wiki".to_owned(),
            2 => stored.replace("\"version\":1", "\"version\":9"),
            _ => String::new(),
        });
        self.restart();
    }

    /// A run.
    pub(super) fn learn(&mut self, seen: &Observation, now: Timestamp) -> Learned {
        let periods = i32::try_from(seen.horizon).unwrap_or(i32::MAX);
        let mut learned = Learned { growth: None, counted: false, horizon: seen.period.saturating_mul(periods) };
        if let Some(history) = &self.history {
            let next = learn(history, seen, now);
            // At a halving there are fewer.
            learned.counted = next.counts() != history.counts() && next.samples() > history.samples();
            learned.growth = Some(next.growth(seen.demand.as_ref(), self.confidence));
            self.runs += 1;
            if self.runs.is_multiple_of(STORED_EVERY) {
                self.stored = Some(next.to_json());
            }
            self.history = Some(next);
        }
        learned
    }
}
