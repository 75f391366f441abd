//! What must hold of every decision, on generated clusters. Each property names the clauses of docs/algorithm.md it is
//! about, and the invariant where it has a number.

use crate::support::*;
use cluster::{Cluster, NOON};
use jiff::{SignedDuration, Timestamp};
use node_process::{Expired, decide};
use proptest::prelude::*;
use shared::config::{Policy, StepLimit};
use shared::contract::{
    self, AgentState, ClusterSnapshot, CompletenessLevel, ScalingDecision, ScalingState, TaskGroup,
};
use shared::resources::{Kind, Resources};

fn decided(snapshot: &ClusterSnapshot, policy: &Policy) -> ScalingDecision {
    decide(snapshot, policy, NOON).unwrap()
}

/// Clauses H2 and U1 said once more, independently: whether a pool of so many equal agents without reservations holds
/// what `snapshot` shows, with what is queued. All agents are usable, so what they have is free but for the load.
fn holds(snapshot: &ClusterSnapshot, policy: &Policy, agents: i64) -> (bool, bool) {
    let load = snapshot.resources.used + snapshot.resources.displaced.saturating_sub(&snapshot.resources.disconnected);
    holds_load(snapshot, policy, agents, &load)
}

/// The same where the tasks of disconnected agents must be placed again.
fn holds_all(snapshot: &ClusterSnapshot, policy: &Policy, agents: i64) -> (bool, bool) {
    holds_load(snapshot, policy, agents, &(snapshot.resources.used + snapshot.resources.displaced))
}

fn holds_load(snapshot: &ClusterSnapshot, policy: &Policy, agents: i64, load: &Resources) -> (bool, bool) {
    let shape = policy.new_agent.unwrap();
    let mut has_headroom = true;
    let mut is_below_threshold = true;
    for kind in Kind::ALL {
        let load = i128::from(load.get(kind).thousandths());
        let total = i128::from(agents) * i128::from(shape.get(kind).thousandths());
        let (mut queued, mut growth) = (0, 0);
        for application in &snapshot.applications {
            let percent = i128::from(policy.headroom_percent_of(&application.name));
            for group in application.queued_tasks.iter().filter(|group| group.resources.fits_in(&shape)) {
                let instances = i128::from(application.queued) * i128::from(group.count);
                queued += instances * i128::from(group.resources.get(kind).thousandths());
            }
            for group in application.tasks.iter().filter(|group| group.resources.fits_in(&shape)) {
                growth += percent * i128::from(group.count) * i128::from(group.resources.get(kind).thousandths());
            }
        }
        has_headroom &= 100 * (load + queued) + growth <= 100 * total;
        if policy.thresholds.considered.contains(&kind) {
            is_below_threshold &= 100 * (load + queued) <= i128::from(policy.thresholds.scale_up_percent) * total;
        }
    }
    (has_headroom, is_below_threshold)
}

/// By how many agents the queued instances, once they run, may grow: X% of them, in total.
fn agents_for_growth_of_queued(cluster: &Cluster, policy: &Policy) -> u64 {
    let (snapshot, shape) = (cluster.snapshot(), policy.new_agent.unwrap());
    let agents = Kind::ALL.map(|kind| {
        let growth = snapshot.applications.iter().map(|application| {
            let amount = |group: &TaskGroup| u64::from(group.count) * group.resources.get(kind).thousandths();
            let instance: u64 = application.queued_tasks.iter().map(amount).sum();
            u64::from(policy.headroom_percent_of(&application.name)) * u64::from(application.queued) * instance
        });
        growth.sum::<u64>().div_ceil((100 * shape.get(kind).thousandths()).max(1))
    });
    agents.into_iter().max().unwrap_or(0)
}

proptest! {
    /// D to L: the order in which agents, applications, tasks and settings are listed means nothing.
    #[test]
    fn order_of_input_changes_nothing(cluster in mixed(), policy in limited_policy(), by in 0_usize..7) {
        let snapshot = cluster.snapshot();
        let mut turned = snapshot.clone();
        let len = turned.agent_shapes.len().max(1);
        turned.agent_shapes.rotate_left(by % len);
        turned.applications.reverse();
        turned.applications.iter_mut().for_each(|application| application.tasks.reverse());
        let backwards = policy.with(|policy| policy.thresholds.considered.reverse());
        let (decision, other) = (decided(&snapshot, &policy), decided(&turned, &backwards));
        prop_assert_eq!(ScalingDecision { id: other.id, ..decision }, other);
    }

    /// D3, H4, U1 (I9): no step puts back what another took out; the next decision finds nothing to do.
    #[test]
    fn deciding_again_gives_zero(cluster in homogeneous(), policy in bounded_policy()) {
        let policy = with_new_agent(&by_total(&policy), &cluster);
        let first = decided(&cluster.snapshot(), &policy);
        let second = decided(&after(&cluster, &policy, &first).snapshot(), &policy);
        prop_assert_eq!(second.delta, 0, "first: {:#?}, second: {:#?}", first, second);
    }

    /// H1, H4, U1: when the agents that a decision adds have come, and what was queued runs where it can, the next one adds
    /// only what those are to grow by: without headroom none.
    #[test]
    fn what_is_queued_is_added_for_in_one_step(cluster in homogeneous(), policy in unlimited_policy()) {
        let policy = with_new_agent(&by_total(&policy), &cluster);
        let first = decided(&cluster.snapshot(), &policy);
        prop_assume!((0..1000).contains(&first.delta));
        let second = decided(&started(after(&cluster, &policy, &first)).snapshot(), &policy);
        let growth = agents_for_growth_of_queued(&cluster, &policy);
        prop_assert!(second.delta <= i32::try_from(growth).unwrap(), "first: {:#?}, second: {:#?}", first, second);
    }

    /// D3, H4, U1, L2: limited steps end where one unlimited step would, and none of them turns back.
    #[test]
    fn limited_steps_come_to_the_same_end(mut cluster in homogeneous(), policy in limited_policy()) {
        let policy = with_new_agent(&by_total(&policy), &cluster).with(|policy| policy.limits.max_scale_down_tasks = None);
        let decommissioning: Vec<u32> =
            connected(&cluster).filter(|agent| !agent.is_usable()).map(|agent| agent.number).collect();
        decommissioning.into_iter().for_each(|number| drop(cluster.remove(number)));
        let unlimited = policy.with(|policy| {
            policy.limits.max_scale_up_step = StepLimit::UNLIMITED;
            policy.limits.max_scale_down_step = StepLimit::UNLIMITED;
        });
        let goal = decided(&cluster.snapshot(), &unlimited);
        prop_assume!(goal.delta.abs() <= 100);
        for _ in 0..=100 {
            let decision = decided(&cluster.snapshot(), &policy);
            if decision.delta == 0 {
                break;
            }
            prop_assert_eq!(decision.delta.signum(), goal.delta.signum());
            cluster = after(&cluster, &policy, &decision);
        }
        prop_assert_eq!(cluster.snapshot().agents.usable, goal.target);
    }

    /// D1, D3, H2, U1: more load never gives a smaller target.
    #[test]
    fn more_load_never_gives_a_smaller_target(
        cluster in homogeneous(), more in tasks(8), policy in limited_policy()
    ) {
        let policy = with_new_agent(&by_total(&policy), &cluster).with(|policy| policy.limits.max_scale_down_tasks = None);
        let less = decided(&cluster.snapshot(), &policy);
        let more = decided(&cluster.with_tasks(more).snapshot(), &policy);
        prop_assert!(less.target <= more.target, "less load: {:#?}, more load: {:#?}", less, more);
    }

    /// H2: more that waits never gives a smaller target.
    #[test]
    fn more_that_waits_never_gives_a_smaller_target(
        cluster in homogeneous(), more in 1_u32..9, cpus in 50_u64..2500, policy in limited_policy()
    ) {
        let policy = with_new_agent(&by_total(&policy), &cluster);
        let less = decided(&cluster.snapshot(), &policy);
        let more = decided(&cluster.queued("/more", more, milli(cpus, 32)).snapshot(), &policy);
        prop_assert!(less.target <= more.target, "less: {:#?}, more: {:#?}", less, more);
    }

    /// H4, U1: what is added is just enough; one agent fewer would break the headroom or the threshold.
    #[test]
    fn one_agent_fewer_than_a_scale_up_violates_h_or_u(cluster in homogeneous(), policy in unlimited_policy()) {
        let policy = with_new_agent(&by_total(&policy), &cluster);
        let snapshot = cluster.snapshot();
        let decision = decided(&snapshot, &policy);
        let target = i64::from(decision.target);
        if decision.delta >= 0 {
            prop_assert_eq!(holds(&snapshot, &policy, target), (true, true));
        }
        if decision.delta > 0 {
            prop_assert_ne!(holds(&snapshot, &policy, target - 1), (true, true));
        }
    }

    /// D2, D3 (I9): what stays after a scale-down holds all tasks, the headroom and the threshold, and the margin beyond them,
    /// or all of it ten points earlier (D7).
    #[test]
    fn a_scale_down_leaves_enough(
        cluster in homogeneous(), policy in unlimited_policy(), limit in 1_u32..6, margin in 0_u32..3
    ) {
        let policy = with_new_agent(&by_total(&policy), &cluster).with(|policy| {
            policy.limits.max_scale_down_step = StepLimit::Agents(limit);
            policy.scale_down.margin = margin;
        });
        let snapshot = cluster.snapshot();
        let decision = decided(&snapshot, &policy);
        if decision.delta < 0 {
            let (target, needed) = (i64::from(decision.target), i64::from(decision.needed.unwrap()));
            prop_assert_eq!(holds_all(&snapshot, &policy, target), (true, true));
            prop_assert_eq!(holds_all(&snapshot, &policy, needed), (true, true));
            let earlier = policy.with(|policy| {
                policy.headroom.percent += 10;
                for application in policy.applications.values_mut() {
                    application.headroom_percent = application.headroom_percent.map(|percent| percent + 10);
                }
                policy.thresholds.scale_up_percent = policy.thresholds.scale_up_percent.saturating_sub(10);
            });
            let is_idle = holds_all(&snapshot, &earlier, needed) == (true, true);
            prop_assert!(is_idle || target >= needed + i64::from(margin), "{:#?}", decision);
        }
    }

    /// L1 (I1): from within the limits a decision never leads out of them.
    #[test]
    fn target_stays_within_min_and_max(cluster in mixed(), policy in limited_policy(), recovered in 0_u32..4) {
        let mut snapshot = cluster.snapshot();
        snapshot.agents.recovered = recovered;
        let decision = decided(&snapshot, &policy);
        let max = policy.limits.max.unwrap_or(u32::MAX);
        let usable = snapshot.agents.usable;
        if (policy.limits.min..=max).contains(&usable) {
            prop_assert!((policy.limits.min..=max).contains(&decision.target), "{:#?}", decision);
        }
        prop_assert!(decision.target <= max.max(usable));
        prop_assert!(decision.target >= policy.limits.min.min(usable));
    }

    /// D6, L5: what is needed and wanted goes with what is decided.
    #[test]
    fn needed_and_wanted_go_with_the_decision(cluster in mixed(), policy in limited_policy()) {
        let snapshot = cluster.snapshot();
        let decision = decided(&snapshot, &policy);
        let candidates = u32::try_from(snapshot.scale_down_candidates.len()).unwrap();
        let Some(needed) = decision.needed else {
            prop_assert_ne!(snapshot.completeness.level, CompletenessLevel::Complete);
            return Ok(());
        };
        prop_assert!(needed >= snapshot.agents.usable.saturating_sub(candidates));
        // Nothing that no rule asks for is added, and nothing that is asked for is removed, but for `min` and `max`.
        let (min, max) = (policy.limits.min, policy.limits.max.unwrap_or(u32::MAX));
        if decision.delta > 0 {
            prop_assert!(decision.target <= needed.max(min), "{:#?}", decision);
        } else if decision.delta < 0 {
            prop_assert!(decision.target >= needed.min(max), "{:#?}", decision);
        }
        let added = decision.delta.max(0).unsigned_abs();
        prop_assert_eq!(added, decision.wanted.min(policy.limits.max_scale_up_step.of(0)));
        prop_assert_eq!(decision.wanted, needed.min(max).max(min.min(max)).saturating_sub(snapshot.agents.usable));
    }

    /// D2, D3, L2 (I7): no more agents leave than may, those leaving already included, and none that is protected.
    #[test]
    fn agents_are_removed_by_the_rules(cluster in mixed(), policy in limited_policy()) {
        let snapshot = cluster.snapshot();
        let decision = decided(&snapshot, &policy);
        let leaving = u32::try_from(decision.scale_down_agents.len()).unwrap();
        prop_assert_eq!(leaving, decision.delta.min(0).unsigned_abs());
        if leaving > 0 {
            // Without a task a tenth may go at once.
            let at_once = leaving + decision.decommissioning();
            let tenth = (snapshot.agents.usable + decision.decommissioning()).div_ceil(10);
            let is_empty = decision.scale_down_agents.iter().all(|agent| agent.task_count == 0);
            prop_assert!(at_once <= policy.limits.max_scale_down_step.of(0) || is_empty && at_once <= tenth);
            let moving: u32 = decision.scale_down_agents.iter().map(|agent| agent.task_count).sum();
            prop_assert!(policy.limits.max_scale_down_tasks.is_none_or(|limit| moving <= limit));
        }
        prop_assert!(decision.scale_down_agents.iter().all(|agent| agent.state == AgentState::Active));
        prop_assert!(decision.decommissioning_agents.iter().all(|agent| agent.state != AgentState::Active));
        for candidate in snapshot.scale_down_candidates.iter().filter(|candidate| candidate.protected) {
            prop_assert!(decision.scale_down_agents.iter().all(|agent| agent.agent_id != candidate.agent_id));
        }
        prop_assert!(decision.delta <= i32::try_from(policy.limits.max_scale_up_step.of(0)).unwrap());
    }

    /// D4, L3 (I4): a partial view never scales down, a blind one does nothing.
    #[test]
    fn an_incomplete_snapshot_blocks(snapshot in any_snapshot(), policy in limited_policy()) {
        let decision = decided(&snapshot, &policy);
        match snapshot.completeness.level {
            CompletenessLevel::Complete => {}
            CompletenessLevel::Partial => prop_assert!(decision.delta >= 0),
            CompletenessLevel::Blind => prop_assert_eq!((decision.delta, decision.state), (0, ScalingState::Held)),
        }
    }

    /// H5, U2, L4 (I10, I11): any numbers give a decision, which can be written and read again.
    #[test]
    fn any_numbers_give_a_decision(
        snapshot in any_snapshot(), policy in limited_policy(), new_agent in prop::option::of(any_resources()),
        steps in any::<(u32, u32)>()
    ) {
        let (up, down) = (steps.0.max(1), steps.1.max(1));
        let policy = policy.with(|policy| {
            policy.new_agent = new_agent;
            policy.limits.max_scale_up_step = StepLimit::Agents(up);
            policy.limits.max_scale_down_step = StepLimit::Agents(down);
        });
        let decision = decided(&snapshot, &policy);
        let letters: Vec<&str> = decision.steps.iter().map(|step| step.clause.rule().letter()).collect();
        prop_assert_eq!(letters, ["D", "H", "U", "L"]);
        prop_assert!(decision.steps.iter().all(|step| !step.reason.is_empty()));
        prop_assert_eq!(decision.scale_down_agents.len(), decision.delta.min(0).unsigned_abs() as usize);
        let written = contract::encode(&decision).unwrap();
        let read: ScalingDecision = contract::decode(&written.body, None).unwrap();
        prop_assert_eq!(read, decision);
    }

    /// Each step starts where the one before it ended, and the last one ends at the target.
    #[test]
    fn steps_join(cluster in mixed(), policy in limited_policy()) {
        let snapshot = cluster.snapshot();
        let decision = decided(&snapshot, &policy);
        let mut agents = snapshot.agents.usable;
        for step in &decision.steps {
            prop_assert_eq!(step.agents_before, agents, "{:#?}", decision.steps);
            if agents == snapshot.agents.usable && step.agents_alone.is_some() {
                // Whatever came before changed nothing.
                prop_assert_eq!(step.agents_alone, Some(step.agents_after), "{:#?}", decision.steps);
            }
            agents = step.agents_after;
        }
        prop_assert_eq!(agents, decision.target);
    }

    /// L0: while paused nothing is changed, and the decision says so.
    #[test]
    fn pause_holds(cluster in mixed(), policy in limited_policy(), seconds in 1_i64..1_000_000) {
        let pause_until = Some(NOON.saturating_add(SignedDuration::from_secs(seconds)).unwrap());
        let decision = decided(&cluster.snapshot(), &policy.with(|policy| policy.timing.pause_until = pause_until));
        prop_assert_eq!((decision.delta, decision.state), (0, ScalingState::Held));
        prop_assert!(decision.scale_down_agents.is_empty());
        prop_assert_eq!(decision.steps.last().map(|step| step.clause.name()), Some("L0"));
    }

    /// L0 (I3): a snapshot is answered from a minute before it was taken, by our clock, to two periods after it.
    #[test]
    fn only_the_present_is_answered(cluster in homogeneous(), policy in limited_policy(), age in -300_i64..300) {
        let now = NOON.saturating_add(SignedDuration::from_secs(age)).unwrap();
        let answer = decide(&cluster.snapshot(), &policy, now);
        let expected = match age {
            ..-60 => "from the future",
            -60..=120 => "answered",
            _ => "too old",
        };
        let got = match answer {
            Ok(_) => "answered",
            Err(Expired::FromTheFuture { .. }) => "from the future",
            Err(Expired::TooOld { .. }) => "too old",
        };
        prop_assert_eq!(got, expected);
    }

    /// The same snapshot and policy have the same decision, whenever it is made; another policy has another id.
    #[test]
    fn the_same_input_has_the_same_id(cluster in mixed(), policy in limited_policy(), age in 0_i64..120_000) {
        let snapshot = cluster.snapshot();
        let later = NOON.saturating_add(SignedDuration::from_millis(age)).unwrap();
        let (now, then) = (decided(&snapshot, &policy), decide(&snapshot, &policy, later).unwrap());
        let decided_at: Timestamp = then.decided_at;
        prop_assert_eq!(&ScalingDecision { decided_at, ..now.clone() }, &then);
        let other = policy.with(|policy| {
            policy.limits.min += 1;
            policy.limits.max = policy.limits.max.map(|max| max + 1);
        });
        prop_assert_ne!(decided(&snapshot, &other).id, now.id);
    }
}
