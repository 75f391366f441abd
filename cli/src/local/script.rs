//! The scenes of a run: what happens to the cluster, and what the functions must make of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::config::Policy;
use shared::contract::{
    ClusterSnapshot, CompletenessLevel, OutcomeAction, ScalingDecision, ScalingOutcome, ScalingState,
};
use shared::resources::Resources;

use super::http::now;
use super::show::Show;
use super::stack::{Run, Stack, StackError};
use super::{RunError, cluster};

/// By how many percent the growth of the second scene overshoots what there is room for, so that some agents are needed.
const OVERSHOOT_PERCENT: u64 = 3;

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
    /// What ended otherwise than it must.
    pub(super) differs: Vec<String>,
}

/// What happened in one pool.
pub(super) struct Played {
    pub(super) group: String,
    /// `None` where nobody looked.
    pub(super) snapshot: Option<ClusterSnapshot>,
    pub(super) decision: ScalingDecision,
    pub(super) outcome: ScalingOutcome,
    pub(super) desired: (i32, i32),
}

impl Played {
    const fn added(&self) -> i32 {
        self.desired.1.saturating_sub(self.desired.0)
    }
}

/// What a scene must come to.
struct Must {
    text: &'static str,
    holds: fn(&Played) -> bool,
}

const STAY_QUIET: Must = Must {
    text: "complete view, decision normal, no change",
    holds: |played| {
        let is_complete = |snapshot: &ClusterSnapshot| snapshot.completeness.level == CompletenessLevel::Complete;
        played.added() == 0
            && played.decision.state == ScalingState::Normal
            && played.snapshot.as_ref().is_some_and(is_complete)
            && played.outcome.action == OutcomeAction::None
    },
};
const SCALE_UP: Must = Must {
    text: "decision scale_up, the desired capacity rises by its delta",
    holds: |played| {
        played.decision.state == ScalingState::ScaleUp
            && played.decision.delta > 0
            && played.outcome.action == OutcomeAction::ScaledUp
            && played.added() == played.decision.delta
    },
};
const ADD_NOTHING: Must = Must {
    text: "the decision still wants agents, they are found coming, no change",
    holds: |played| {
        played.decision.delta > 0
            && played.added() == 0
            && matches!(played.outcome.action, OutcomeAction::None | OutcomeAction::BackedOff)
    },
};
const HOLD: Must = Must {
    text: "blind view, decision held, no change",
    holds: |played| {
        let is_blind = |snapshot: &ClusterSnapshot| snapshot.completeness.level == CompletenessLevel::Blind;
        played.added() == 0
            && played.decision.state == ScalingState::Held
            && played.snapshot.as_ref().is_some_and(is_blind)
    },
};

/// Plays all scenes. Whether each ended as it must; with input of the user's own, whether nothing failed.
pub(super) async fn play(stack: &Stack, is_own: bool, show: &mut Show) -> Result<bool, RunError> {
    let mut player = Player { stack, is_own, show, number: 0, all_well: true };
    player.show.stack(stack)?;

    let opening = player.open();
    let runs = stack.run().await?;
    let story = "Nothing has been changed but its times.".to_owned();
    player.close(&opening, "The cluster as captured", story, &STAY_QUIET, looked(runs))?;

    let tasks = stack.config.pools.first().map_or(0, |policy| grow(stack, policy));
    let opening = player.open();
    let runs = stack.run().await?;
    let decision = runs.first().map(|run| run.decision.clone());
    let story = format!("The applications have started {tasks} more tasks on the same agents.");
    player.close(&opening, "The applications grow", story, &SCALE_UP, looked(runs))?;

    if let Some(decision) = decision {
        let opening = player.open();
        let outcome = deliver_again(stack, &decision).await?;
        let story = "SNS delivers at least once; here it delivers that decision a second time.".to_owned();
        player.close(&opening, "The same decision again", story, &ADD_NOTHING, vec![(None, decision, outcome)])?;
    }

    let opening = player.open();
    let runs = stack.run().await?;
    let story = "Whatever was launched is still booting.".to_owned();
    player.close(&opening, "The schedule fires again", story, &ADD_NOTHING, looked(runs))?;

    stack.finish_activities();
    let opening = player.open();
    let runs = stack.run().await?;
    let story = "Whatever was launched is in service, and its agents have registered.".to_owned();
    player.close(&opening, "The machines have joined", story, &STAY_QUIET, looked(runs))?;

    let agents = stack.master.cluster(|cluster| {
        let agents = cluster.agent_count();
        cluster.fail_over(now());
        agents
    });
    let opening = player.open();
    let runs = stack.run().await?;
    let story = format!(
        "Another master has taken over. It knows {agents} agents from its registry; none has come back yet, and no framework: \
         all that runs is invisible."
    );
    player.close(&opening, "A master fail-over", story, &HOLD, looked(runs))?;

    player.show.end(stack, player.all_well)?;
    Ok(player.all_well)
}

type Passed = (Option<ClusterSnapshot>, ScalingDecision, ScalingOutcome);

fn looked(runs: Vec<Run>) -> Vec<Passed> {
    runs.into_iter().map(|run| (Some(run.snapshot), run.decision, run.outcome)).collect()
}

/// Lets applications grow until the pool lacks room by some percent of what it has.
fn grow(stack: &Stack, policy: &Policy) -> usize {
    let has_grown = |total: Resources, used: Resources| {
        policy.resources.iter().any(|&kind| {
            let (total, used) = (total.get(kind).thousandths(), used.get(kind).thousandths());
            let need = used.saturating_mul(u64::from(policy.application_headroom_percent) + 100);
            let lacks_headroom = need > total.saturating_mul(100 + OVERSHOOT_PERCENT);
            let threshold = u64::from(policy.scale_up_threshold_percent) + OVERSHOOT_PERCENT;
            lacks_headroom || used.saturating_mul(100) > total.saturating_mul(threshold)
        })
    };
    stack.master.cluster(|cluster: &mut cluster::Cluster| cluster.grow(has_grown))
}

async fn deliver_again(stack: &Stack, decision: &ScalingDecision) -> Result<ScalingOutcome, StackError> {
    let mark = stack.sns.mark();
    if let Some(message) = stack.message_of(decision) {
        // The outcome tells; what the function answers to SNS does not matter.
        drop(stack.sns.deliver(&message));
    }
    stack.outcome(decision, mark).await
}

struct Player<'a> {
    stack: &'a Stack,
    is_own: bool,
    show: &'a mut Show,
    number: u32,
    all_well: bool,
}

/// Where everything stood before a scene.
struct Opening {
    at: Timestamp,
    calls: usize,
    desired: BTreeMap<String, i32>,
}

impl Player<'_> {
    fn open(&self) -> Opening {
        let desired = self.stack.config.pools.iter().map(|policy| (policy.pool.clone(), self.desired(&policy.group)));
        Opening { desired: desired.collect(), calls: self.stack.auto_scaling.mark(), at: now() }
    }

    fn desired(&self, group: &str) -> i32 {
        self.stack.desired(group).unwrap_or(0)
    }

    /// Compares a scene with what it must come to, and shows it.
    fn close(
        &mut self,
        opening: &Opening,
        title: &'static str,
        story: String,
        must: &Must,
        passed: Vec<Passed>,
    ) -> Result<(), RunError> {
        let since = |at: Timestamp| at.as_millisecond() - opening.at.as_millisecond();
        let took_ms = since(now());
        let calls = self.stack.auto_scaling.calls().split_off(opening.calls);
        let change = calls.iter().find(|call| call.is_mutating() && call.fault.is_none());
        let changed_after_ms = change.map(|call| since(call.at));
        let mut by_action = BTreeMap::new();
        for call in calls {
            *by_action.entry(call.action).or_insert(0) += 1;
        }
        let mut pools = Vec::new();
        for (snapshot, decision, outcome) in passed {
            let group = self.stack.config.pool(&decision.pool).map(|policy| policy.group.clone()).unwrap_or_default();
            let before = opening.desired.get(&decision.pool).copied().unwrap_or(0);
            let desired = (before, self.desired(&group));
            pools.push(Played { group, snapshot, decision, outcome, desired });
        }
        let differs = pools.iter().filter(|played| !self.is_well(played, must)).map(difference).collect::<Vec<_>>();
        self.number += 1;
        self.all_well &= differs.is_empty();
        let must = if self.is_own { "nothing fails" } else { must.text };
        let number = self.number;
        self.show.scene(&Scene {
            number,
            title,
            story,
            pools,
            calls: by_action,
            took_ms,
            changed_after_ms,
            must,
            differs,
        })?;
        Ok(())
    }

    fn is_well(&self, played: &Played, must: &Must) -> bool {
        if self.is_own { played.outcome.action != OutcomeAction::Failed } else { (must.holds)(played) }
    }
}

fn difference(played: &Played) -> String {
    let view = played.snapshot.as_ref().map(|snapshot| format!("{} view, ", snapshot.completeness.level.name()));
    let (from, to) = played.desired;
    format!(
        "pool {}: {}decision {} ({:+}), outcome {}, desired capacity {from} -> {to}",
        played.decision.pool,
        view.unwrap_or_default(),
        played.decision.state.name(),
        played.decision.delta,
        played.outcome.action.name()
    )
}
