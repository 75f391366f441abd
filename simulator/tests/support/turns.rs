//! How often a pool turns: adds agents that it has just removed, or the other way round.

use jiff::Timestamp;
use simulator::{Action, ActionKind};

/// How many of the actions since then reverse the direction of the one before.
pub(crate) fn turns(actions: &[Action], since: Timestamp) -> usize {
    let since = actions.iter().filter(|action| action.at >= since);
    let ups: Vec<bool> = since.map(|action| matches!(action.kind, ActionKind::ScaleUp | ActionKind::Reopen)).collect();
    ups.windows(2).filter(|pair| pair[0] != pair[1]).count()
}
