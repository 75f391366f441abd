//! What moved tasks of services and killed jobs, by what the policy did and the clause that decided it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use shared::clause::Clause;

use crate::measure::{Action, ActionKind};
use crate::results::Run;
use crate::summary::Spread;

/// What actions of one kind, for one clause, ended: means of all runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// What was done.
    pub action: ActionKind,
    /// The clause that decided it, where the policy has clauses.
    pub clause: Option<Clause>,
    /// How many such actions ended something.
    pub actions: f64,
    /// How many tasks of services they moved.
    pub moved_tasks: f64,
    /// How many jobs they killed.
    pub killed_tasks: f64,
}

/// All causes of the runs of a policy, those that ended most first.
#[must_use]
pub fn by_cause(runs: &[Run]) -> Vec<Moved> {
    let mut causes: BTreeMap<(ActionKind, Option<Clause>), [u32; 3]> = BTreeMap::new();
    for run in runs {
        let is_counted = |action: &&Action| action.at >= run.from && action.moved_tasks + action.killed_jobs > 0;
        for action in run.actions.iter().filter(is_counted) {
            let [actions, tasks, jobs] = causes.entry((action.kind, action.clause)).or_default();
            *actions += 1;
            *tasks += action.moved_tasks;
            *jobs += action.killed_jobs;
        }
    }
    let mean = |count: u32| {
        let values = std::iter::once(f64::from(count)).chain(std::iter::repeat_n(0.0, runs.len().saturating_sub(1)));
        Spread::of(values).mean
    };
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(cause, [_, tasks, jobs])| (Reverse(tasks + jobs), *cause));
    let moved = causes.into_iter().map(|((action, clause), [actions, tasks, jobs])| Moved {
        action,
        clause,
        actions: mean(actions),
        moved_tasks: mean(tasks),
        killed_tasks: mean(jobs),
    });
    moved.collect()
}
