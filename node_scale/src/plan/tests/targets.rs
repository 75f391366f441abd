//! `least_loaded` (A1): which instances the agents of a decision are, and when one is skipped.

use std::net::IpAddr;

use shared::contract::AgentRef;

use super::*;

fn least_loaded(settings: &str) -> Policy {
    policy_with("least_loaded", settings)
}

fn agent(hostname: &str) -> AgentRef {
    cluster::agent_ref(&format!("{hostname}-S1"), hostname, None)
}

/// An agent whose attribute names its instance.
pub(super) fn named(instance: &str) -> AgentRef {
    AgentRef { instance_id: Some(instance.to_owned()), ..agent("host") }
}

fn address(ip: &str) -> IpAddr {
    ip.parse().unwrap()
}

fn at_address(ip: &str) -> AgentRef {
    AgentRef { ip: Some(address(ip)), ..agent(&format!("ip-{ip}")) }
}

fn removing(agents: Vec<AgentRef>) -> ScalingDecision {
    let delta = -i32::try_from(agents.len()).unwrap();
    ScalingDecision { scale_down_agents: agents, ..decision(delta, 10) }
}

fn planned(decision: &ScalingDecision, state: &GroupState) -> Plan {
    plan(decision, Some(state), &least_loaded(""), at(0))
}

#[track_caller]
fn terminates(plan: &Plan, expected: &[&str]) {
    let PlanResult::Act(Change::Terminate { targets, .. }) = &plan.result else { panic!("{plan:?}") };
    let ids: Vec<&str> = targets.iter().map(|target| target.instance_id.as_str()).collect();
    assert_eq!(ids, expected, "{plan:?}");
}

fn skipped(hostname: &str, reason: SkipReason) -> Skipped {
    Skipped { hostname: hostname.to_owned(), reason }
}

fn skips(plan: &Plan) -> &[Skipped] {
    let PlanResult::Act(Change::Terminate { skipped, .. }) = &plan.result else { panic!("{plan:?}") };
    skipped
}

fn refused(count: u32, skipped: Vec<Skipped>) -> Refusal {
    Refusal::NoTarget { count, skipped }
}

#[test]
fn the_agents_that_the_decision_names_are_terminated_a1() {
    let plan = planned(&removing(vec![named("i-3"), named("i-1")]), &group());
    terminates(&plan, &["i-3", "i-1"]);
    assert_eq!(plan.result.reason().text, "terminates i-3 (host), i-1 (host)");
}

#[test]
fn no_more_than_one_step_and_not_below_the_limits_i7() {
    let many: Vec<AgentRef> = (0..8).map(|n| named(&format!("i-{n}"))).collect();
    terminates(&planned(&removing(many.clone()), &group()), &["i-0", "i-1", "i-2"]);
    let mut state = group();
    state.group.min_size = 9;
    terminates(&planned(&removing(many.clone()), &state), &["i-0"]);
    state.group.min_size = 10;
    check(&planned(&removing(many.clone()), &state), NoChange::AtMinimum { desired: 10, min: 10, decommissioning: 0 });
    let policy = least_loaded("min = 8");
    terminates(&plan(&removing(many), Some(&group()), &policy, at(0)), &["i-0", "i-1"]);
}

#[test]
fn weights_count_in_the_limits() {
    let mut state = group();
    for instance in &mut state.group.instances {
        instance.weighted_capacity = Some("2".to_owned());
    }
    state.group.desired_capacity = 20;
    state.group.min_size = 17;
    let plan = planned(&removing(vec![named("i-1"), named("i-2")]), &state);
    terminates(&plan, &["i-1"]);
}

#[test]
fn a_hostname_that_is_the_name_of_an_instance_tells_it() {
    let mut state = group();
    for (instance, id) in state.group.instances.iter_mut().zip(["i-0123456789abcdef0", "i-0abc1234"]) {
        instance.instance_id = id.to_owned();
    }
    let agents = vec![agent("i-0123456789abcdef0.us-east-2.compute.internal"), agent("i-0abc1234")];
    terminates(&planned(&removing(agents), &state), &["i-0123456789abcdef0", "i-0abc1234"]);
    // A name that only begins like one says nothing.
    for hostname in ["i-am-a-host.example.com", "i-0123456789ABCDEF0", "i-0123456789abcdef01", "web-i-0abc1234"] {
        let plan = planned(&removing(vec![agent(hostname)]), &state);
        check(&plan, refused(1, vec![skipped(hostname, SkipReason::Unidentified)]));
    }
}

#[test]
fn an_address_is_looked_up_where_nothing_else_identifies_it() {
    let decision = removing(vec![at_address("10.0.0.2"), named("i-1"), at_address("10.0.0.1")]);
    let needed = |state: &GroupState| needs_addresses(&decision, Some(state), &least_loaded(""), at(0));
    assert_eq!(needed(&group()), Some(vec![address("10.0.0.1"), address("10.0.0.2")]));
    // Without the answer such agents are skipped.
    terminates(&planned(&decision, &group()), &["i-1"]);
    // Where something else stops the decision, nothing is looked up.
    let busy = suspend(group(), "Terminate");
    check(&planned(&decision, &busy), BackOff::Suspended(Direction::Down, None));
    assert_eq!(needed(&busy), None);

    let mut state = group();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    state.addresses = [(address("10.0.0.1"), ids(&["i-5"])), (address("10.0.0.2"), ids(&["i-other"]))].into();
    assert_eq!(needed(&state), None);
    let plan = planned(&decision, &state);
    terminates(&plan, &["i-1", "i-5"]);
    assert_eq!(skips(&plan), [skipped("ip-10.0.0.2", SkipReason::UnknownAddress(address("10.0.0.2")))]);
}

#[test]
fn an_address_identifies_only_instances_of_the_group() {
    let decision = removing(vec![at_address("10.0.0.1")]);
    let with = |ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        GroupState { addresses: [(address("10.0.0.1"), ids)].into(), ..group() }
    };
    terminates(&planned(&decision, &with(&["i-elsewhere", "i-5"])), &["i-5"]);
    let plan = planned(&decision, &with(&["i-4", "i-5"]));
    let instances = ["i-4".to_owned(), "i-5".to_owned()];
    let shared = SkipReason::SharedAddress { address: address("10.0.0.1"), instances };
    check(&plan, refused(1, vec![skipped("ip-10.0.0.1", shared)]));
}

#[test]
fn an_uncertain_instance_is_not_terminated_a1() {
    let mut standby = group();
    standby.group.instances[3].lifecycle_state = Lifecycle::NotCounted;
    standby.group.desired_capacity = 9;
    let mut protected = group();
    protected.group.instances[3].protected_from_scale_in = true;
    let id = || "i-3".to_owned();
    let contradicting = AgentRef { instance_id: Some("i-3".to_owned()), ..agent("i-0abc1234.ec2.internal") };
    for (agents, state, why) in [
        (vec![named("i-99")], group(), SkipReason::NotInGroup("i-99".to_owned())),
        (vec![named("i-3")], standby, SkipReason::NotInService(id())),
        (vec![named("i-3")], protected, SkipReason::Protected(id())),
        (
            vec![contradicting],
            group(),
            SkipReason::Contradiction { attribute: id(), hostname: "i-0abc1234".to_owned() },
        ),
        (vec![named("i-3"), named("i-3")], group(), SkipReason::ClaimedTwice(id())),
    ] {
        let all = agents.iter().map(|agent| skipped(&agent.hostname, why.clone())).collect();
        let count = u32::try_from(agents.len()).unwrap();
        check(&planned(&removing(agents), &state), refused(count, all));
    }
}

#[test]
fn the_next_agent_does_not_replace_a_skipped_one_a1() {
    let agents = vec![named("i-99"), named("i-1"), named("i-2")];
    let decision = ScalingDecision { delta: -2, ..removing(agents) };
    let plan = planned(&decision, &group());
    terminates(&plan, &["i-1"]);
    assert_eq!(skips(&plan), [skipped("host", SkipReason::NotInGroup("i-99".to_owned()))]);
}

#[test]
fn protection_of_every_new_instance_protects_no_single_one() {
    let mut state = group();
    state.group.new_instances_protected_from_scale_in = true;
    for instance in &mut state.group.instances {
        instance.protected_from_scale_in = true;
    }
    terminates(&planned(&removing(vec![named("i-3")]), &state), &["i-3"]);
    // Where the group itself chooses, it finds none.
    check(&super::planned(&decision(-1, 10), &state), BackOff::ScaleInProtection { removable: 0, count: 1 });
}

#[test]
fn a_decision_without_named_agents_is_refused_a1() {
    check(&planned(&decision(-1, 10), &group()), Refusal::NoAgentNamed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// I1, I7, I8: for every group and decision, only agents that the decision names are terminated, each of them an
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
        if let PlanResult::Act(Change::Terminate { targets, .. }) = &plan.result {
            let group = &state.group;
            prop_assert!(delta < 0 && !targets.is_empty() && targets.len() <= 3);
            let mut ids: Vec<&str> = targets.iter().map(|target| target.instance_id.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), targets.len());
            for id in ids {
                prop_assert_eq!(names.iter().filter(|n| format!("i-{n}") == id).count(), 1);
                let member = group.instances.iter().find(|instance| instance.instance_id == id);
                prop_assert!(member.is_some_and(|instance| instance.lifecycle_state == Lifecycle::InService));
            }
            let less: u32 = targets.iter().map(|target| target.weight).sum();
            let to = group.desired_capacity - i32::try_from(less).unwrap();
            prop_assert!(to >= group.min_size && i64::from(to) >= 2 * i64::from(group.unit().unwrap()));
            prop_assert_eq!(listed_capacity(group), i64::from(group.desired_capacity));
            prop_assert!(state.activities.iter().all(|activity| activity.status != ActivityStatus::InProgress));
            prop_assert!(!group.is_suspended("Terminate"));
        }
    }
}

#[test]
fn an_attribute_that_repeats_the_hostname_contradicts_nothing() {
    let id = "i-00000000000000001";
    let mut state = group();
    state.group.instances[0].instance_id = id.to_owned();
    let agent = AgentRef { instance_id: Some(id.to_owned()), ..agent(&format!("{id}.ec2.internal")) };
    terminates(&planned(&removing(vec![agent]), &state), &[id]);
}
