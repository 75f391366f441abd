//! What was decided compared with what would be: runs, the differences between them, and totals. Pure: no IO and no clock.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use shared::clause::{Clause, Rule};
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, ScalingDecision, ScalingState, Step};
use shared::time;
use uuid::Uuid;

use crate::decide::decide;

/// What one decision comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How many usable agents it asks for.
    pub target: u32,
    /// The decision in a word.
    pub state: ScalingState,
    /// The step that decided; `None` where no step changed the number of agents.
    #[serde(flatten)]
    pub cause: Option<Cause>,
}

/// The clause that decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The clause.
    pub clause: Clause,
    /// The reason of its step.
    pub reason: String,
}

/// A recorded decision, as far as it is compared.
#[derive(Clone, Debug)]
pub struct Recorded {
    decided_at: Timestamp,
    id: Uuid,
    lifetime: SignedDuration,
    verdict: Verdict,
}

/// The recorded decisions by their snapshots.
#[derive(Debug, Default)]
pub struct Decisions(BTreeMap<Uuid, Recorded>);

/// One snapshot, and the two decisions about it.
#[derive(Clone, Debug)]
pub struct Run {
    /// When the snapshot was taken.
    pub taken_at: Timestamp,
    /// Its id.
    pub id: Uuid,
    /// The usable agents.
    pub agents: u32,
    /// The longest time to the next snapshot that counts: two schedule periods.
    pub longest: SignedDuration,
    /// What was decided; `None` where that is not known.
    pub decided: Option<Verdict>,
    /// What would be decided; `None` where the snapshot had expired.
    pub replayed: Option<Verdict>,
}

/// Consecutive runs of one pool that differ in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When the snapshot of the first run was taken.
    #[serde(with = "time::millis")]
    pub from: Timestamp,
    /// And that of the last.
    #[serde(with = "time::millis")]
    pub to: Timestamp,
    /// How many runs.
    pub runs: usize,
    /// The usable agents of the first run.
    pub agents: u32,
    /// What was decided in the first run.
    pub decided: Verdict,
    /// What would be decided in the first run.
    pub replayed: Verdict,
}

/// The runs of one pool, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolReplay {
    /// The pool.
    pub pool: String,
    /// The first snapshot.
    #[serde(with = "time::millis")]
    pub from: Timestamp,
    /// The last one.
    #[serde(with = "time::millis")]
    pub to: Timestamp,
    /// The snapshots with both decisions.
    pub runs: usize,
    /// Those of them whose decisions differ.
    pub differing_runs: usize,
    /// The snapshots that are left out because nothing says what was decided.
    pub without_decision: usize,
    /// The snapshots that are left out because they had expired when they were decided on.
    pub expired: usize,
    /// The agents asked for.
    pub agent_hours: AgentHours,
    /// Where the decisions differ.
    pub differences: Vec<Difference>,
    /// What both decisions ask for over time, for the page.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// The agents at one time; all `None` where a gap begins, of which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// The usable agents.
    pub agents: Option<u32>,
    /// The target that was decided.
    pub decided: Option<u32>,
    /// The target that would be decided.
    pub replayed: Option<u32>,
}

/// Agents asked for, multiplied by the time to the next snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AgentHours {
    /// By what was decided.
    #[serde(serialize_with = "rounded")]
    pub decided: f64,
    /// By what would be decided.
    #[serde(serialize_with = "rounded")]
    pub replayed: f64,
    /// By how much the second is more, in percent of the first; `None` where that is 0.
    #[serde(serialize_with = "rounded_option")]
    pub difference_percent: Option<f64>,
}

/// How snapshots are decided on again.
#[derive(Debug)]
pub struct Policies<'a> {
    /// With this policy.
    pub policy: &'a Policy,
    /// What was decided where no decision is recorded; `None`: nothing is known.
    pub against: Option<&'a Policy>,
}

impl Decisions {
    /// Adds a recorded decision. Of several on one snapshot the first counts: it was acted on first.
    pub fn add(&mut self, decision: &ScalingDecision) {
        let Some(snapshot) = decision.snapshot_id else { return };
        let recorded = Recorded {
            decided_at: decision.decided_at,
            id: decision.id,
            lifetime: decision.expires_at.duration_since(decision.snapshot_taken_at),
            verdict: Verdict::new(decision, deciding(&decision.steps)),
        };
        let is_later = |known: &Recorded| (recorded.decided_at, recorded.id) >= (known.decided_at, known.id);
        if !self.0.get(&snapshot).is_some_and(is_later) {
            self.0.insert(snapshot, recorded);
        }
    }
}

impl Run {
    /// Decides on a snapshot again, at the time at which it was decided on before.
    #[must_use]
    pub fn new(snapshot: &ClusterSnapshot, decisions: &Decisions, policies: &Policies<'_>) -> Self {
        let recorded = decisions.0.get(&snapshot.id);
        let now = recorded.map_or(snapshot.taken_at, |recorded| recorded.decided_at);
        let decide = |policy| decide(snapshot, policy, now).ok();
        let lifetime = |policy: &Policy| policy.timing.expires_at(snapshot.taken_at).duration_since(snapshot.taken_at);
        let before = match (recorded, policies.against) {
            (Some(recorded), _) => Some(recorded.verdict.clone()),
            (None, against) => {
                against.and_then(decide).map(|decision| Verdict::new(&decision, deciding(&decision.steps)))
            }
        };
        let before_lifetime = recorded.map(|recorded| recorded.lifetime).or(policies.against.map(lifetime));
        let after = decide(policies.policy).map(|decision| {
            // Where nothing changed the number of agents, the rule that did before says why it no longer does.
            let same_rule = |step: &&Step| before.as_ref().and_then(Verdict::rule) == Some(step.clause.rule());
            let step = deciding(&decision.steps).or_else(|| decision.steps.iter().find(same_rule));
            Verdict::new(&decision, step)
        });
        Self {
            taken_at: snapshot.taken_at,
            id: snapshot.id,
            agents: snapshot.agents.usable,
            longest: lifetime(policies.policy).max(before_lifetime.unwrap_or_default()),
            decided: before,
            replayed: after,
        }
        .without_equal_reasons()
    }

    /// Whether the two decisions ask for something else.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.pair().is_some_and(|(decided, replayed)| decided.effect() != replayed.effect())
    }

    fn pair(&self) -> Option<(&Verdict, &Verdict)> {
        self.decided.as_ref().zip(self.replayed.as_ref())
    }

    /// Weeks of runs are held at once: only where the decisions differ does it matter why.
    fn without_equal_reasons(mut self) -> Self {
        if !self.differs() {
            for verdict in [&mut self.decided, &mut self.replayed].into_iter().flatten() {
                verdict.cause = None;
            }
        }
        self
    }
}

impl Verdict {
    fn new(decision: &ScalingDecision, step: Option<&Step>) -> Self {
        let cause = step.map(|step| Cause { clause: step.clause, reason: step.reason.clone() });
        Self { target: decision.target, state: decision.state, cause }
    }

    const fn effect(&self) -> (u32, ScalingState) {
        (self.target, self.state)
    }

    fn rule(&self) -> Option<Rule> {
        self.cause.as_ref().map(|cause| cause.clause.rule())
    }

    /// Whether another one does the same by the same clause; the figures in the reasons differ in every run.
    fn is_like(&self, other: &Self) -> bool {
        let clause = |verdict: &Self| verdict.cause.as_ref().map(|cause| cause.clause);
        self.effect() == other.effect() && clause(self) == clause(other)
    }
}

/// The step that decided: the last one that changed the number of agents.
fn deciding(steps: &[Step]) -> Option<&Step> {
    steps.iter().rfind(|step| step.agents_before != step.agents_after)
}

impl PoolReplay {
    /// Compares the runs of a pool; `None` where there are none.
    #[must_use]
    pub fn new(pool: String, mut runs: Vec<Run>) -> Option<Self> {
        runs.sort_by_key(|run| (run.taken_at, run.id));
        let (from, to) = (runs.first()?.taken_at, runs.last()?.taken_at);
        let both = runs.iter().filter(|run| run.pair().is_some()).count();
        Some(Self {
            pool,
            from,
            to,
            runs: both,
            differing_runs: runs.iter().filter(|run| run.differs()).count(),
            without_decision: runs.iter().filter(|run| run.decided.is_none()).count(),
            expired: runs.iter().filter(|run| run.decided.is_some() && run.replayed.is_none()).count(),
            agent_hours: AgentHours::of(&runs),
            differences: folded(&runs),
            samples: samples(&runs),
        })
    }
}

/// The runs that differ, equal consecutive ones as one. What lies between two snapshots without a gap is consecutive.
fn folded(runs: &[Run]) -> Vec<Difference> {
    let mut differences: Vec<Difference> = Vec::new();
    let mut previous: Option<&Run> = None;
    for run in runs {
        let is_next = previous.is_some_and(|previous| previous.differs() && interval(previous, run).is_some());
        previous = Some(run);
        let Some((decided, replayed)) = run.pair().filter(|_| run.differs()) else { continue };
        match differences.last_mut() {
            Some(last) if is_next && last.decided.is_like(decided) && last.replayed.is_like(replayed) => {
                last.runs += 1;
                last.to = run.taken_at;
            }
            _ => differences.push(Difference {
                from: run.taken_at,
                to: run.taken_at,
                runs: 1,
                agents: run.agents,
                decided: decided.clone(),
                replayed: replayed.clone(),
            }),
        }
    }
    differences
}

fn samples(runs: &[Run]) -> Vec<Sample> {
    let nexts = runs.iter().skip(1).map(Some).chain([None]);
    let pairs = runs.iter().zip(nexts).flat_map(|(run, next)| {
        let target = |verdict: &Option<Verdict>| verdict.as_ref().map(|verdict| verdict.target);
        let known = Sample {
            at: run.taken_at,
            agents: Some(run.agents),
            decided: target(&run.decided),
            replayed: target(&run.replayed),
        };
        let is_gap = next.is_some_and(|next| interval(run, next).is_none());
        let end = run.taken_at.checked_add(run.longest).ok().filter(|_| is_gap);
        [Some(known), end.map(|at| Sample { at, agents: None, decided: None, replayed: None })]
    });
    pairs.flatten().collect()
}

/// The time from one snapshot to the next; `None` across a gap, of which nothing is known.
fn interval(run: &Run, next: &Run) -> Option<SignedDuration> {
    let interval = next.taken_at.duration_since(run.taken_at);
    (interval <= run.longest).then_some(interval)
}

impl AgentHours {
    fn of(runs: &[Run]) -> Self {
        let (mut decided, mut replayed) = (0, 0);
        for (run, next) in runs.iter().zip(runs.iter().skip(1)) {
            if let (Some((before, after)), Some(interval)) = (run.pair(), interval(run, next)) {
                decided += i128::from(before.target) * interval.as_millis();
                replayed += i128::from(after.target) * interval.as_millis();
            }
        }
        let difference_percent = (decided > 0).then(|| 100.0 * float(replayed - decided) / float(decided));
        Self { decided: hours(decided), replayed: hours(replayed), difference_percent }
    }
}

fn hours(milliseconds: i128) -> f64 {
    float(milliseconds) / 3_600_000.0
}

#[expect(clippy::cast_precision_loss, reason = "the millisecond of a year of a million agents is far within 53 bits")]
fn float(number: i128) -> f64 {
    number as f64
}

/// To the thousandth: more digits say nothing.
fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1000.0).round() / 1000.0)
}

fn rounded_option<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => rounded(value, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
