//! What each rule alone asks for, without those before it.

use super::capacity::Pool;
use super::ruling::{Rule, Ruling};

/// How many agents each rule asks for where it is the first to be asked.
pub(super) fn agents(pool: &Pool<'_>, rules: &[Rule], rulings: &[Ruling]) -> Vec<u32> {
    let observed = pool.observed();
    let alone = |(rule, ruling): (&Rule, &Ruling)| {
        // Where those before it changed nothing, it has been asked already: H is the work of a decision.
        if ruling.before == observed { ruling.agents_after() } else { rule(pool, observed).agents_after() }
    };
    rules.iter().zip(rulings).map(alone).collect()
}
