//! What goes wrong with calls: planned by a test, met by the next calls that fit.

use jiff::Timestamp;

use super::super::query::Fault;

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is refused, and nothing is done.
    Refused(Fault),
    /// It is done, and the answer is this fault: the caller cannot know.
    AnswerLost(Fault),
    /// Nothing is done and no answer comes.
    HangsBefore,
    /// It is done and no answer comes.
    HangsAfter,
}

/// Trouble still to come.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) target: Target,
    pub(super) trouble: Trouble,
    pub(super) times: u32,
}

/// Which calls it meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Those of an action.
    Action(String),
    /// The one with that number, counted from 0.
    Call(usize),
}

/// What meets a call of that action and number, if anything does.
pub(super) fn next(planned: &mut [Planned], action: &str, number: usize) -> Option<Trouble> {
    let is_met = |target: &Target| match target {
        Target::Action(met) => met == action,
        Target::Call(met) => *met == number,
    };
    let planned = planned.iter_mut().find(|planned| planned.times > 0 && is_met(&planned.target))?;
    planned.times -= 1;
    Some(planned.trouble.clone())
}

/// Answers that lag behind: for so many calls of `DescribeAutoScalingGroups`, or until that time, groups are told as they
/// were. The real service is eventually consistent (aws/aws-sdk-go#2388).
#[derive(Debug)]
pub(super) struct Lag<Groups> {
    pub(super) groups: Groups,
    pub(super) answers: u32,
    pub(super) until: Timestamp,
}

impl<Groups> Lag<Groups> {
    /// What the next answer tells, if it lags.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<&Groups> {
        let lags = self.answers > 0 && now < self.until;
        self.answers = self.answers.saturating_sub(1);
        lags.then_some(&self.groups)
    }
}
