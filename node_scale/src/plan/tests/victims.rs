//! `least_loaded` (A1): which instances the agents of a decision are, and when one is left alone.

use shared::contract::{AgentRef, AgentState};

use super::*;

fn least_loaded(settings: &str) -> Policy {
    policy_with("least_loaded", settings)
}

fn agent(hostname: &str) -> AgentRef {
    AgentRef {
        agent_id: format!("{hostname}-S1"),
        hostname: hostname.to_owned(),
        ip: None,
        instance_id: None,
        state: AgentState::Active,
        task_count: 0,
    }
}

/// An agent whose attribute names its instance.
fn named(instance: &str) -> AgentRef {
    AgentRef { instance_id: Some(instance.to_owned()), ..agent("host") }
}

fn at_address(ip: &str) -> AgentRef {
    AgentRef { ip: Some(ip.to_owned()), ..agent(&format!("ip-{ip}")) }
}

fn taking_out(agents: Vec<AgentRef>) -> ScalingDecision {
    let delta = -i32::try_from(agents.len()).unwrap();
    ScalingDecision { scale_down_agents: agents, ..decision(delta, 10) }
}

fn planned(decision: &ScalingDecision, state: &GroupState) -> Plan {
    plan(decision, Some(state), &least_loaded(""), at(0))
}

#[track_caller]
fn terminates(plan: &Plan, expected: &[&str]) {
    let Action::Terminate(victims) = &plan.action else { panic!("{plan:?}") };
    let ids: Vec<&str> = victims.iter().map(|victim| victim.instance_id.as_str()).collect();
    assert_eq!(ids, expected, "{plan:?}");
}

#[test]
fn the_agents_that_the_decision_names_are_terminated_a1() {
    let plan = planned(&taking_out(vec![named("i-3"), named("i-1")]), &group());
    terminates(&plan, &["i-3", "i-1"]);
    assert_eq!(plan.reason.text, "2 fewer wanted: i-3 (host), i-1 (host)");
}

#[test]
fn no_more_than_one_step_and_not_below_the_limits_i7() {
    let many: Vec<AgentRef> = (0..8).map(|n| named(&format!("i-{n}"))).collect();
    terminates(&planned(&taking_out(many.clone()), &group()), &["i-0", "i-1", "i-2"]);
    let mut state = group();
    state.group.min_size = 9;
    terminates(&planned(&taking_out(many.clone()), &state), &["i-0"]);
    state.group.min_size = 10;
    check(&planned(&taking_out(many.clone()), &state), Action::Nothing, "the desired capacity is 10, and the pool's");
    let policy = least_loaded("min = 8");
    terminates(&plan(&taking_out(many), Some(&group()), &policy, at(0)), &["i-0", "i-1"]);
}

#[test]
fn weights_count_in_the_limits() {
    let mut state = group();
    for instance in &mut state.group.instances {
        instance.weighted_capacity = Some("2".to_owned());
    }
    state.group.desired_capacity = 20;
    state.group.min_size = 17;
    let plan = planned(&taking_out(vec![named("i-1"), named("i-2")]), &state);
    terminates(&plan, &["i-1"]);
}

#[test]
fn a_hostname_that_is_the_name_of_an_instance_tells_it() {
    let mut state = group();
    for (instance, id) in state.group.instances.iter_mut().zip(["i-0123456789abcdef0", "i-0abc1234"]) {
        instance.instance_id = id.to_owned();
    }
    let agents = vec![agent("i-0123456789abcdef0.us-east-2.compute.internal"), agent("i-0abc1234")];
    terminates(&planned(&taking_out(agents), &state), &["i-0123456789abcdef0", "i-0abc1234"]);
    // A name that only begins like one says nothing.
    for hostname in ["i-am-a-host.example.com", "i-0123456789ABCDEF0", "i-0123456789abcdef01", "web-i-0abc1234"] {
        let plan = planned(&taking_out(vec![agent(hostname)]), &state);
        check(&plan, Action::Refuse, "A1: 1 fewer wanted; not touched: ");
        assert!(plan.reason.text.contains("neither an attribute nor its name nor an address"), "{}", plan.reason);
    }
}

#[test]
fn an_address_is_looked_up_last_of_all() {
    let decision = taking_out(vec![at_address("10.0.0.2"), named("i-1"), at_address("10.0.0.1")]);
    let plan = planned(&decision, &group());
    assert_eq!(plan.action, Action::LookUp(vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]));
    // Whatever stands in the way is found before anything is looked up.
    let busy = suspend(group(), "Terminate");
    check(&planned(&decision, &busy), Action::BackOff, "B2");

    let mut state = group();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    state.addresses = Some([("10.0.0.1".to_owned(), ids(&["i-5"])), ("10.0.0.2".to_owned(), ids(&["i-other"]))].into());
    let plan = planned(&decision, &state);
    terminates(&plan, &["i-1", "i-5"]);
    assert!(
        plan.reason.text.ends_with("not touched: ip-10.0.0.2 (no instance of the group has the address 10.0.0.2)"),
        "{}",
        plan.reason
    );
}

#[test]
fn the_same_address_in_another_network_does_not_matter_unless_it_is_in_the_group_too() {
    let decision = taking_out(vec![at_address("10.0.0.1")]);
    let with = |ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        GroupState { addresses: Some([("10.0.0.1".to_owned(), ids)].into()), ..group() }
    };
    terminates(&planned(&decision, &with(&["i-elsewhere", "i-5"])), &["i-5"]);
    let plan = planned(&decision, &with(&["i-4", "i-5"]));
    check(&plan, Action::Refuse, "A1: 1 fewer wanted; not touched: ip-10.0.0.1 (10.0.0.1 belongs to i-4 and i-5)");
}

#[test]
fn what_is_not_certain_is_not_touched() {
    let mut aside = group();
    aside.group.instances[3].lifecycle_state = Lifecycle::Aside;
    aside.group.desired_capacity = 9;
    let mut protected = group();
    protected.group.instances[3].protected_from_scale_in = true;
    let contradicting = AgentRef { instance_id: Some("i-3".to_owned()), ..agent("i-0abc1234.ec2.internal") };
    for (agents, state, why) in [
        (vec![named("i-99")], group(), "i-99 is no instance of the group"),
        (vec![named("i-3")], aside, "i-3 is not in service"),
        (vec![named("i-3")], protected, "i-3 is protected from scale-in"),
        (vec![contradicting], group(), "its attribute says i-3, its name i-0abc1234"),
        (vec![named("i-3"), named("i-3")], group(), "i-3 is another agent's too"),
    ] {
        let plan = planned(&taking_out(agents), &state);
        check(&plan, Action::Refuse, "A1: ");
        assert!(plan.reason.text.contains(why), "{} should say {why}", plan.reason);
    }
}

#[test]
fn the_next_agent_does_not_take_the_place_of_one_that_is_not_found() {
    let agents = vec![named("i-99"), named("i-1"), named("i-2")];
    let decision = ScalingDecision { delta: -2, ..taking_out(agents) };
    let plan = planned(&decision, &group());
    terminates(&plan, &["i-1"]);
    assert!(plan.reason.text.ends_with("not touched: host (i-99 is no instance of the group)"), "{}", plan.reason);
}

#[test]
fn a_group_that_protects_every_instance_sets_none_apart() {
    let mut state = group();
    state.group.new_instances_protected_from_scale_in = true;
    for instance in &mut state.group.instances {
        instance.protected_from_scale_in = true;
    }
    terminates(&planned(&taking_out(vec![named("i-3")]), &state), &["i-3"]);
    // Where the group itself chooses, it finds none.
    check(&super::planned(&decision(-1, 10), &state), Action::BackOff, "B2: of the group's instances 0 may go");
}

#[test]
fn a_decision_that_names_nobody_is_refused() {
    check(&planned(&decision(-1, 10), &group()), Action::Refuse, "A1: the decision names no agent to take out");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// I1, I7, I8: whatever the group and the decision, only agents that the decision names are terminated, each of them an
    /// instance of the group in service, as many as one step and the limits allow.
    #[test]
    fn only_members_that_the_decision_names_are_ever_terminated(
        state in any_state(),
        names in prop::collection::vec(0..25_u32, 0..6),
        delta: i32,
        agents in 0..40_u32,
    ) {
        let policy = least_loaded("");
        let scale_down_agents: Vec<AgentRef> = names.iter().map(|n| named(&format!("i-{n}"))).collect();
        let decision = ScalingDecision { scale_down_agents, ..decision(delta, agents) };
        let plan = plan(&decision, Some(&state), &policy, at(0));
        if let Action::Terminate(victims) = &plan.action {
            let group = &state.group;
            prop_assert!(delta < 0 && !victims.is_empty() && victims.len() <= 3);
            let mut ids: Vec<&str> = victims.iter().map(|victim| victim.instance_id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), victims.len());
            for id in ids {
                prop_assert_eq!(names.iter().filter(|n| format!("i-{n}") == id).count(), 1);
                let member = group.instances.iter().find(|instance| instance.instance_id == id);
                prop_assert!(member.is_some_and(|instance| instance.lifecycle_state == Lifecycle::InService));
            }
            let less: u32 = victims.iter().map(|victim| victim.weight).sum();
            let to = group.desired_capacity - i32::try_from(less).unwrap();
            prop_assert!(to >= group.min_size && i64::from(to) >= 2 * i64::from(unit(group).unwrap()));
            prop_assert_eq!(listed_capacity(group), i64::from(group.desired_capacity));
            prop_assert!(state.activities.iter().all(|activity| activity.status != ActivityStatus::Underway));
            prop_assert!(!group.is_suspended("Terminate"));
        }
    }
}
