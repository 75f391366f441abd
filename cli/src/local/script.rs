//! The scenes of a run: what happens to the cluster, and what must hold then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::config::Policy;
use shared::contract::{ClusterSnapshot, OutcomeAction, ScalingDecision, ScalingOutcome};
use shared::resources::Resources;
use testbed::{Call, Run, Stack, StackError, now};

use super::RunError;
use super::scene::{ADD_NOTHING, HOLD, Must, Played, SCALE_UP, STAY_QUIET, Scene, difference};
use super::show::Show;

/// By how many percent the second scene's growth exceeds the headroom, so that agents are needed.
const OVERSHOOT_PERCENT: u64 = 3;

/// Plays all scenes. Whether each ended as expected; with the user's own input, whether nothing failed.
pub(super) async fn play(stack: &Stack, is_own: bool, show: &mut Show) -> Result<bool, RunError> {
    let mut player = Player { stack, is_own, show, number: 0, all_well: true };
    player.show.stack(stack)?;

    let opening = player.open();
    let runs = stack.run().await?;
    let story = "Only its times are changed.".to_owned();
    player.close(&opening, "The cluster as captured", story, &STAY_QUIET, passed(runs))?;

    let tasks = stack.config.pools.first().map_or(0, |policy| grow(stack, policy));
    let opening = player.open();
    let runs = stack.run().await?;
    let decision = runs.first().map(|run| run.decision.clone());
    let story = format!("The applications have started {tasks} more tasks on the same agents.");
    player.close(&opening, "The applications grow", story, &SCALE_UP, passed(runs))?;

    if let Some(decision) = decision {
        let opening = player.open();
        let outcome = deliver_again(stack, &decision).await?;
        let story = "SNS delivers at least once; here it delivers that decision a second time.".to_owned();
        player.close(&opening, "The same decision again", story, &ADD_NOTHING, vec![(None, decision, outcome)])?;
    }

    let opening = player.open();
    let runs = stack.run().await?;
    let story = "The launched instances are still booting.".to_owned();
    player.close(&opening, "The schedule fires again", story, &ADD_NOTHING, passed(runs))?;

    stack.finish_activities();
    let opening = player.open();
    let runs = stack.run().await?;
    let story = "The launched instances are in service, and their agents have registered.".to_owned();
    player.close(&opening, "The agents have joined", story, &STAY_QUIET, passed(runs))?;

    let agents = stack.master.cluster(|cluster| {
        let agents = cluster.registered().count();
        cluster.fail_over(now());
        agents
    });
    let opening = player.open();
    let runs = stack.run().await?;
    let story = format!(
        "Another master leads. It knows {agents} agents from its registry; no agent and no framework has re-registered yet, \
         so it shows no task."
    );
    player.close(&opening, "A master failover", story, &HOLD, passed(runs))?;

    player.show.end(stack, player.all_well)?;
    Ok(player.all_well)
}

type Passed = (Option<ClusterSnapshot>, ScalingDecision, ScalingOutcome);

fn passed(runs: Vec<Run>) -> Vec<Passed> {
    runs.into_iter().map(|run| (Some(run.snapshot), run.decision, run.outcome)).collect()
}

/// Lets applications grow until the pool's headroom is exceeded.
fn grow(stack: &Stack, policy: &Policy) -> usize {
    let has_grown = |total: Resources, used: Resources| {
        policy.thresholds.considered.iter().any(|&kind| {
            let (total, used) = (total.get(kind).thousandths(), used.get(kind).thousandths());
            let need = used.saturating_mul(u64::from(policy.headroom.percent) + 100);
            let lacks_headroom = need > total.saturating_mul(100 + OVERSHOOT_PERCENT);
            let threshold = u64::from(policy.thresholds.scale_up_percent) + OVERSHOOT_PERCENT;
            lacks_headroom || used.saturating_mul(100) > total.saturating_mul(threshold)
        })
    };
    stack.master.cluster(|cluster| cluster.grow(has_grown, now()))
}

async fn deliver_again(stack: &Stack, decision: &ScalingDecision) -> Result<ScalingOutcome, StackError> {
    let mark = stack.sns.mark();
    if let Some(message) = stack.message_of(decision) {
        // The outcome shows what came of it, not the function's answer to SNS.
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

/// The state before a scene.
struct Opening {
    at: Timestamp,
    calls: usize,
    desired: BTreeMap<String, i32>,
}

impl Player<'_> {
    fn open(&self) -> Opening {
        let desired = self.stack.config.pools.iter().map(|policy| (policy.pool.clone(), self.desired(&policy.group)));
        Opening { desired: desired.collect(), calls: self.stack.auto_scaling.call_count(), at: now() }
    }

    fn desired(&self, group: &str) -> i32 {
        self.stack.desired(group).unwrap_or(0)
    }

    /// Compares a scene with what must hold, and prints it.
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
        // Tags only remember: they change nothing.
        let changes_group = |call: &&Call| call.is_mutating() && call.succeeded() && !call.action.ends_with("Tags");
        let change = calls.iter().find(changes_group);
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
