//! Bounds the number of distinct task sizes.
//!
//! A snapshot lists tasks by size, and deciding takes time for each. A few hundred are usual; a framework that sizes each task by
//! its input has as many as tasks. They are rounded up, so that no task seems smaller than it is.

use std::collections::{BTreeMap, HashSet};

use foldhash::fast::RandomState;
use shared::contract::{AgentShape, Application, Candidate, TaskGroup};
use shared::resources::{Amount, Kind, Resources};

/// How many distinct sizes a snapshot lists exactly.
const MAX_SIZES: usize = 2000;

/// The part of a new agent to which sizes are rounded up.
const PARTS: u64 = 64;

/// How many bits of an amount stay where no new agent is known.
const KEPT_BITS: u32 = 6;

/// Rounds the sizes of tasks up to 1/64 of a new agent, where there are too many. The sums of applications stay exact.
pub(super) fn limit(
    applications: &mut [Application],
    candidates: &mut [Candidate],
    new_agent: Option<Resources>,
    shapes: &[AgentShape],
) {
    let groups = applications.iter().flat_map(|application| &application.tasks);
    let sizes: HashSet<Resources, RandomState> = groups.map(|group| group.resources).collect();
    if sizes.len() <= MAX_SIZES {
        return;
    }
    let whole = new_agent.or_else(|| most_common(shapes));
    let round = |groups: &mut Vec<TaskGroup>| {
        let rounded = std::mem::take(groups).into_iter().map(|group| {
            let resources = whole.map_or_else(|| coarse(&group.resources), |whole| to_parts(&group.resources, &whole));
            TaskGroup { resources, ..group }
        });
        *groups = TaskGroup::merged(rounded.collect());
    };
    // The tasks of candidates, too: they are compared with those of applications.
    applications.iter_mut().for_each(|application| round(&mut application.tasks));
    candidates.iter_mut().for_each(|candidate| round(&mut candidate.tasks));
}

/// The unreserved part of the most common agents; of equally common ones, the smallest.
pub(super) fn most_common(shapes: &[AgentShape]) -> Option<Resources> {
    let mut counts: BTreeMap<Resources, u64> = BTreeMap::new();
    for shape in shapes {
        *counts.entry(shape.unreserved).or_default() += u64::from(shape.count);
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(unreserved, _)| unreserved)
}

fn to_parts(size: &Resources, whole: &Resources) -> Resources {
    Resources::from_fn(|kind: Kind| {
        let part = whole.get(kind).thousandths() / PARTS;
        match part {
            // A new agent has none of it, or hardly any.
            0 => coarse_amount(size.get(kind)),
            part => Amount::from_thousandths(size.get(kind).thousandths().div_ceil(part).saturating_mul(part)),
        }
    })
}

/// The size with amounts that are rounded up by at most 1/32: there are few of these.
pub(super) fn coarse(size: &Resources) -> Resources {
    Resources::from_fn(|kind| coarse_amount(size.get(kind)))
}

fn coarse_amount(amount: Amount) -> Amount {
    let thousandths = amount.thousandths();
    let dropped = (u64::BITS - thousandths.leading_zeros()).saturating_sub(KEPT_BITS);
    Amount::from_thousandths(thousandths.div_ceil(1 << dropped) << dropped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(cpus: u64, mem: u64) -> Resources {
        let of = Amount::from_thousandths;
        Resources { cpus: of(cpus), mem: of(mem), ..Resources::ZERO }
    }

    /// An application with one task of each of so many sizes.
    fn application(sizes: u64) -> Application {
        let groups =
            (1..=sizes).map(|number| TaskGroup { count: 1, resources: size(number, 1_000_000 + 1000 * number) });
        let tasks: Vec<TaskGroup> = groups.collect();
        let resources = tasks.iter().map(|group| group.resources).sum();
        serde_json::from_value::<Application>(serde_json::json!({
            "framework": "spark", "name": "job", "task_count": sizes, "resources": {}, "tasks": []
        }))
        .map(|application| Application { resources, tasks, ..application })
        .unwrap()
    }

    #[test]
    fn a_few_sizes_stay_exact_and_many_are_rounded_up() {
        let shape = AgentShape {
            count: 3,
            total: size(64_000, 64_000_000),
            unreserved: size(64_000, 64_000_000),
            free: Resources::ZERO,
        };
        for (sizes, most) in [(2000, 2000), (2001, 12), (15_000, 64 * 2)] {
            let before = application(sizes);
            let mut applications = [before.clone()];
            limit(&mut applications, &mut [], None, &[shape]);
            let [after] = applications;
            assert!(after.tasks.len() <= most, "{sizes}: {}", after.tasks.len());
            assert_eq!((after.resources, after.task_count), (before.resources, before.task_count));
            assert_eq!(after.tasks.iter().map(|group| u64::from(group.count)).sum::<u64>(), sizes);
            assert_eq!(after == before, sizes == 2000);
        }
    }

    #[test]
    fn sizes_are_rounded_without_a_new_agent_too() {
        let mut applications = [application(15_000)];
        limit(&mut applications, &mut [], None, &[]);
        assert!(applications[0].tasks.len() < 1000, "{}", applications[0].tasks.len());
    }

    proptest! {
        #[test]
        fn rounding_up_adds_little(amount in 0_u64..=1_000_000_000_000, whole in 0_u64..=1_000_000_000) {
            let (exact, whole) = (size(amount, amount), size(whole, whole));
            let near = coarse(&exact);
            prop_assert!(exact.fits_in(&near) && near.cpus.thousandths() - amount <= amount / 32);
            prop_assert_eq!(coarse(&near), near);
            let parts = to_parts(&exact, &whole);
            prop_assert!(exact.fits_in(&parts));
            prop_assert!(parts.cpus.thousandths() - amount <= (whole.cpus.thousandths() / PARTS).max(amount / 32));
        }
    }
}
