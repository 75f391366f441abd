//! D8: a pool that learns closes agents where the masters can, and removes them as without `learn` where they cannot.

use shared::contract::{AgentRef, AgentState};

use super::drain::{agent, steps, tagged, terminated};
use super::*;
use crate::group_tags::CLOSING_REFUSED;
use crate::state::Tag;

fn learning(settings: &str) -> Policy {
    let configuration = format!(
        "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"asg\"\nmin = 2\nmax = 20\n\
         scale_down_window = \"0s\"\nlearn = 98\n{settings}"
    );
    Config::parse(&configuration).unwrap().pools.remove(0)
}

fn decided(delta: i32, closes: bool, decommissioning: Vec<AgentRef>) -> ScalingDecision {
    let names = (0..delta.min(0).unsigned_abs()).map(|n| agent(n, AgentState::Active, 1));
    ScalingDecision {
        closes,
        scale_down_agents: names.collect(),
        decommissioning_agents: decommissioning,
        ..decision(delta, 10)
    }
}

fn planned(decision: &ScalingDecision, state: &GroupState) -> Plan {
    plan(decision, Some(state), &learning(""), at(0))
}

/// The masters refused a call; for that many seconds more none is made.
fn refused(mut state: GroupState, left: i64) -> GroupState {
    let TagChange::Set { key, value } = TagChange::closing_refused(at(left)) else { panic!() };
    state.group.tags.push(Tag { key, value });
    state
}

#[test]
fn a_pool_that_learns_closes_agents_where_the_decision_says_so_d8() {
    let plan = planned(&decided(-1, true, Vec::new()), &group());
    assert_eq!((steps(&plan), terminated(&plan)), (vec![("deactivate", "i-0")], vec![]));
    // Elsewhere it terminates them, one at a time.
    let plan = planned(&decided(-3, false, Vec::new()), &group());
    assert_eq!((steps(&plan), terminated(&plan)), (vec![], vec!["i-0"]));
}

#[test]
fn masters_that_cannot_close_stop_nothing_d8() {
    let old = |closes| ScalingDecision { mesos_version: Some("1.7.3".to_owned()), ..decided(-1, closes, Vec::new()) };
    assert_eq!(terminated(&planned(&old(false), &group())), ["i-0"]);
    // No decision says so; it would be refused.
    check(&planned(&old(true), &group()), Refusal::OldMesos { version: "1.7.3".to_owned(), needs: "1.9" });
    // Whoever wants no task to be stopped gets no other way.
    let never = learning("drain_after = \"never\"");
    let plan = plan(&old(false), Some(&group()), &never, at(0));
    check(&plan, Refusal::OldMesos { version: "1.7.3".to_owned(), needs: "1.9" });
}

#[test]
fn after_a_refused_call_none_is_made_until_the_tag_ends_d8() {
    let closed = || vec![agent(5, AgentState::Deactivated, 3), agent(6, AgentState::Deactivated, 0)];
    let state = |left| refused(tagged(group(), &[5, 6], 3000), left);
    // Nothing is closed, drained, or reactivated; what is empty goes.
    let plan = planned(&decided(0, false, closed()), &state(1));
    assert_eq!((steps(&plan), terminated(&plan)), (vec![], vec!["i-6"]));
    check(
        &planned(&decided(-1, true, Vec::new()), &refused(group(), 1)),
        BackOff::CallsRefused { removes_otherwise: true },
    );
    assert_eq!(terminated(&planned(&decided(-1, false, Vec::new()), &refused(group(), 1))), ["i-0"]);
    // A reactivation that would fail does not take the place of a purchase.
    let plan = planned(&decided(1, false, closed()), &state(1));
    assert_eq!((steps(&plan), capacity_of(&plan)), (vec![], Some(11)));
    // Nor does one for a minimum that keeps its instance.
    let mut at_min = state(1);
    at_min.group.min_size = 10;
    let kept = planned(&decided(0, false, closed()), &at_min);
    assert_eq!(steps(&kept), []);
    check(&kept, NoChange::DrainedKept { min: 10 });
    // It says so as long as it lasts.
    assert!(plan.notes.iter().any(|note| note.contains("none is until") && note.contains(CLOSING_REFUSED)), "{plan:?}");
    assert_eq!(plan.tags, []);
    // Then calls are made again, and the tag is deleted.
    let over = planned(&decided(1, true, closed()), &state(0));
    assert_eq!(steps(&over), [("reactivate", "i-5")]);
    assert_eq!((over.tags, over.notes), (vec![TagChange::end_closing_refused()], Vec::<String>::new()));
    let over = planned(&decided(0, true, closed()), &state(-1));
    assert_eq!((steps(&over), terminated(&over)), (vec![("drain", "i-5")], vec!["i-6"]));
}

#[test]
fn a_protected_task_waits_for_the_masters_to_take_calls_d8() {
    let protected = AgentRef { protected: true, ..agent(5, AgentState::Deactivated, 1) };
    let state = tagged(group(), &[5], 3000);
    let decision = decided(0, true, vec![protected]);
    assert_eq!(steps(&planned(&decision, &refused(state.clone(), 1))), []);
    assert_eq!(steps(&planned(&decision, &state)), [("reactivate", "i-5")]);
}

#[test]
fn the_tag_means_nothing_to_a_pool_that_does_not_learn_d8() {
    let drains = policy_with("drain", "");
    let plan = plan(&decided(-1, false, Vec::new()), Some(&refused(group(), 1)), &drains, at(0));
    assert_eq!(steps(&plan), [("deactivate", "i-0")]);
    assert_eq!(plan.notes, [""; 0]);
}
