//! A case that fails, made smaller: classes are taken away one by one, then the time of faults is halved, as long as the same
//! invariant is violated.

use super::case::{Case, Class};
use super::{Canary, run};
use crate::MINUTE;

/// The smallest case that was found.
#[must_use]
pub fn shrink(case: &Case, canary: Option<Canary>) -> Case {
    let Some(violation) = run(case, canary, false).violation else { return case.clone() };
    let fails =
        |smaller: &Case| run(smaller, canary, false).violation.is_some_and(|of| of.invariant == violation.invariant);
    let mut smallest = case.clone();
    loop {
        let classes: Vec<Class> = smallest.classes.keys().copied().collect();
        let before = classes.len();
        for class in classes {
            let smaller = smallest.without(class);
            if fails(&smaller) {
                smallest = smaller;
            }
        }
        if smallest.classes.len() == before {
            break;
        }
    }
    while smallest.faulty >= 20 * MINUTE {
        let smaller = Case { faulty: smallest.faulty / 2, ..smallest.clone() };
        if !fails(&smaller) {
            break;
        }
        smallest = smaller;
    }
    smallest
}
