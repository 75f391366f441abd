#![doc = include_str!("../../../docs/algorithm.md")]

mod capacity;
mod cpu;
mod headroom;
mod limits;
mod packing;
mod scale_down;
mod scale_up;
mod sum;

use jiff::{SignedDuration, Timestamp};
use shared::config::{Policy, PoolSource};
use shared::contract::{self, AgentRef, AgentState, ClusterSnapshot, ScalingDecision, Step, Unplaceable};
use shared::time;
use thiserror::Error;
use uuid::Uuid;

use capacity::{Capacity, Pool};
use limits::{Limited, Wanted};

/// Turns what is seen of a pool into a decision: the same snapshot and policy always into the same one.
///
/// # Errors
/// [`Expired`] where the snapshot is of another time than `now` (clause L0). Nothing is published then.
pub fn decide(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<ScalingDecision, Expired> {
    check_time(snapshot, policy, now)?; // L0

    let pool = Pool::new(snapshot, policy);
    if let PoolSource::CloudWatch { cpu: rule } = policy.source {
        let (wanted, step) = cpu::scale(&pool, rule); // C
        let step = alone(step, wanted.capacity);
        let limited = limits::limit(&pool, &wanted, now); // L
        return Ok(decision(&pool, now, limited, vec![step], Vec::new()));
    }
    let down = scale_down::scale_down(&pool); // D
    let headroom = headroom::make_room(&pool, down.capacity); // H
    let (mut capacity, up) = scale_up::scale_up(&pool, headroom.capacity); // U

    let observed = pool.observed();
    // What H says is not asked twice where D changed nothing: it is the work of a decision.
    let room =
        if down.capacity.removed == 0 { headroom.capacity } else { headroom::make_room(&pool, observed).capacity };
    let mut steps = vec![
        alone(down.step, down.capacity),
        alone(headroom.step, room),
        alone(up, scale_up::scale_up(&pool, observed).0),
    ];
    if let Some(rule) = policy.source.cpu() {
        let (agreed, step) = cpu::agree(&pool, rule, capacity); // C
        capacity = agreed;
        steps.push(alone(step, cpu::agree(&pool, rule, observed).0));
    }
    let wanted = Wanted { after_scale_down: down.capacity, is_kept_by_min: down.is_kept_by_min, capacity };
    let limited = limits::limit(&pool, &wanted, now); // L
    Ok(decision(&pool, now, limited, steps, headroom.unplaceable))
}

/// A rule's step with what that rule asks for where it is the first to be asked.
fn alone(step: Step, capacity: Capacity) -> Step {
    Step { agents_alone: Some(capacity.agents), ..step }
}

fn decision(
    pool: &Pool<'_>,
    now: Timestamp,
    limited: Limited,
    mut steps: Vec<Step>,
    unplaceable: Vec<Unplaceable>,
) -> ScalingDecision {
    let Pool { snapshot, policy, .. } = *pool;
    steps.push(limited.step);
    ScalingDecision {
        id: id(snapshot, policy),
        snapshot_id: Some(snapshot.id),
        snapshot_taken_at: time::truncate(snapshot.taken_at),
        decided_at: time::truncate(now),
        expires_at: time::truncate(policy.timing.expires_at(snapshot.taken_at)),
        pool: snapshot.pool.clone(),
        agents: snapshot.agents,
        delta: limited.delta,
        target: snapshot.agents.usable.saturating_add_signed(limited.delta),
        state: limited.state,
        completeness: Some(snapshot.completeness.level),
        steps,
        unplaceable,
        scale_down_agents: pool.removable(limited.removed).map(AgentRef::from).collect(),
        decommissioning_agents: decommissioning_agents(snapshot),
    }
}

/// How far ahead of our clock the clock may be by which a snapshot was dated.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Why a snapshot may not be acted upon at this time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Expired {
    /// It was delivered too late.
    #[error(
        "the snapshot taken at {} expired at {}, it is {} now; the next one will do, look at what delays messages if this recurs",
        time::format(*taken_at), time::format(*expired_at), time::format(*now)
    )]
    TooOld {
        /// When the master was asked.
        taken_at: Timestamp,
        /// Until when it could be acted upon.
        expired_at: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// It is dated after the present.
    #[error(
        "the snapshot taken at {} is of the future, it is {} now; look at the clocks of both machines",
        time::format(*taken_at), time::format(*now)
    )]
    FromTheFuture {
        /// When the master was asked, as it says.
        taken_at: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
}

/// L0
fn check_time(snapshot: &ClusterSnapshot, policy: &Policy, now: Timestamp) -> Result<(), Expired> {
    let taken_at = snapshot.taken_at;
    let expired_at = policy.timing.expires_at(taken_at);
    if now > expired_at {
        return Err(Expired::TooOld { taken_at, expired_at, now });
    }
    if taken_at.duration_since(now) > CLOCK_SKEW {
        return Err(Expired::FromTheFuture { taken_at, now });
    }
    Ok(())
}

/// The same snapshot, pool and policy always have the same id, whoever decides and when: a decision that is delivered or
/// made twice can be recognized.
fn id(snapshot: &ClusterSnapshot, policy: &Policy) -> Uuid {
    // A policy has names, numbers and lists only, for which JSON always has a form.
    let content = serde_json::to_vec(&(snapshot.id, &snapshot.pool, policy)).unwrap_or_default();
    Uuid::new_v5(&contract::NAMESPACE, &content)
}

fn decommissioning_agents(snapshot: &ClusterSnapshot) -> Vec<AgentRef> {
    let candidates = snapshot.scale_down_candidates.iter();
    candidates.filter(|candidate| candidate.state != AgentState::Active).map(AgentRef::from).collect()
}
