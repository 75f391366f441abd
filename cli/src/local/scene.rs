//! One scene of a run: what happened, and what must hold.

use std::collections::BTreeMap;

use shared::contract::{
    ClusterSnapshot, CompletenessLevel, OutcomeAction, ScalingDecision, ScalingOutcome, ScalingState,
};

/// One scene, played.
pub(super) struct Scene {
    pub(super) number: u32,
    pub(super) title: &'static str,
    pub(super) story: String,
    pub(super) pools: Vec<Played>,
    /// The calls to the Auto Scaling API, by action.
    pub(super) calls: BTreeMap<String, u32>,
    /// From the event that started the scene to its last outcome.
    pub(super) took_ms: i64,
    /// From that event to the call that changed the desired capacity.
    pub(super) changed_after_ms: Option<i64>,
    pub(super) must: &'static str,
    /// What did not end as expected.
    pub(super) differs: Vec<String>,
}

/// What happened in one pool.
pub(super) struct Played {
    pub(super) group: String,
    /// `None` where no snapshot was taken.
    pub(super) snapshot: Option<ClusterSnapshot>,
    pub(super) decision: ScalingDecision,
    pub(super) outcome: ScalingOutcome,
    pub(super) desired: (i32, i32),
}

impl Played {
    pub(super) const fn added(&self) -> i32 {
        self.desired.1.saturating_sub(self.desired.0)
    }
}

/// What must hold after a scene.
pub(super) struct Must {
    pub(super) text: &'static str,
    pub(super) holds: fn(&Played) -> bool,
}

pub(super) const STAY_QUIET: Must = Must {
    text: "snapshot complete, decision normal, no change",
    holds: |played| {
        let is_complete = |snapshot: &ClusterSnapshot| snapshot.completeness.level == CompletenessLevel::Complete;
        played.added() == 0
            && played.decision.state == ScalingState::Normal
            && played.snapshot.as_ref().is_some_and(is_complete)
            && played.outcome.action == OutcomeAction::None
    },
};
pub(super) const SCALE_UP: Must = Must {
    text: "decision scale_up, the desired capacity increases by its delta",
    holds: |played| {
        played.decision.state == ScalingState::ScaleUp
            && played.decision.delta > 0
            && played.outcome.action == OutcomeAction::ScaledUp
            && played.added() == played.decision.delta
    },
};
pub(super) const ADD_NOTHING: Must = Must {
    text: "the decision still needs agents, they are in flight, no change",
    holds: |played| {
        played.decision.delta > 0
            && played.added() == 0
            && matches!(played.outcome.action, OutcomeAction::None | OutcomeAction::BackedOff)
    },
};
pub(super) const HOLD: Must = Must {
    text: "snapshot blind, decision held, no change",
    holds: |played| {
        let is_blind = |snapshot: &ClusterSnapshot| snapshot.completeness.level == CompletenessLevel::Blind;
        played.added() == 0
            && played.decision.state == ScalingState::Held
            && played.snapshot.as_ref().is_some_and(is_blind)
    },
};

/// How a scene ended in a pool, where that differs.
pub(super) fn difference(played: &Played) -> String {
    let snapshot =
        played.snapshot.as_ref().map(|snapshot| format!("snapshot {}, ", snapshot.completeness.level.name()));
    let (from, to) = played.desired;
    format!(
        "pool {}: {}decision {} ({:+}), outcome {}, desired capacity {from} -> {to}",
        played.decision.pool,
        snapshot.unwrap_or_default(),
        played.decision.state.name(),
        played.decision.delta,
        played.outcome.action.name()
    )
}
