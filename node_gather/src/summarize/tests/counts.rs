//! Who and what is counted, and what a simulation may count again.

use std::collections::BTreeSet;

use shared::contract::{Candidate, GroupMembers, LatestAgent};
use shared::group::Lifecycle;

use super::super::cluster_state::least;
use super::super::pool::is_usable;
use super::super::seen::SeenAttributes;
use super::super::set_aside::SetAsides;
use super::super::sizes::most_common;
use super::super::values::AgentValues;
use super::*;
use crate::finding::SetAside;
use crate::members::{Description, Instance};
use crate::mesos::state::{Agent, Attributes, RawAgent, RawResources, Sink};

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    let mut attributes = Attributes::default();
    pairs.iter().for_each(|(name, value)| attributes.push(name, value));
    attributes
}

/// The snapshot of agents of which AWS describes the group.
fn described(state: &Json, group: Group) -> ClusterSnapshot {
    described_as("", state, group)
}

/// The same with these settings of the pool.
fn described_as(settings: &str, state: &Json, group: Group) -> ClusterSnapshot {
    let groups = [("workers".to_owned(), Description::Known(group))].into();
    let empty = ClusterState::new(&config(settings).pools)
        .with_descriptions(Descriptions { groups, ..Descriptions::default() });
    let state = json::read(state.to_string().as_bytes(), empty).unwrap();
    summarize(state, &Observed::default(), "http://10.0.0.5:5050", now()).snapshots.remove(0)
}

#[test]
fn few_disconnected_agents_are_no_division() {
    // Up to max_missing_agents_percent = 10, and never one alone.
    let finding = |agents: u32, disconnected: u32| {
        let of = |place: u32| agent(&format!("a{place:02}"), 0.0, &json!({"active": place >= disconnected}));
        let snapshot = only(&state(&(0..agents).map(of).collect::<Vec<_>>(), &[]));
        assert_eq!(snapshot.agents.disconnected, disconnected);
        let finding = Finding::DisconnectedAgents { disconnected, registered: agents, max_percent: 10 };
        snapshot.completeness.reasons.contains(&finding.to_string())
    };
    assert_eq!([finding(20, 2), finding(20, 3), finding(5, 1), finding(5, 2)], [false, true, false, true]);
}

#[test]
fn a_pool_whose_agents_are_all_missing_is_no_pool_without_agents() {
    let mut state = state(&[], &[]);
    state["recovered_slaves"] = json!([{"id": "r", "attributes": {}}]);
    let reasons = only(&state).completeness.reasons;
    assert!(!reasons.contains(&Finding::NoAgents.to_string()), "{reasons:?}");
}

#[test]
fn an_agent_with_one_kind_of_resource_is_usable() {
    let has = |cpus: f64, mem: f64| {
        let resources = json!({"cpus": cpus, "mem": mem});
        only(&state(&[agent("a", 0.0, &json!({"resources": resources}))], &[])).agents.usable
    };
    assert_eq!([has(4.0, 0.0), has(0.0, 1000.0), has(0.0, 0.0)], [1, 1, 0]);
    let active = Agent { active: true, ..Agent::default() };
    assert!(is_usable(&active, &amounts(4.0, 0.0)) && !is_usable(&active, &Resources::ZERO));
    assert!(!is_usable(&Agent::default(), &amounts(4.0, 0.0)));
}

#[test]
fn agents_without_an_id_take_no_number_of_others() {
    let snapshot = only(&state(
        &[agent("", 0.0, &json!({})), agent("a", 0.0, &json!({})), agent("b", 1.0, &json!({}))],
        &[framework("f", &[("x", "b", 1.0)])],
    ));
    assert_eq!((snapshot.agents.registered, snapshot.agents.usable), (3, 3));
    let tasks: Vec<(&str, u32)> =
        snapshot.scale_down_candidates.iter().map(|one| (&*one.agent_id, one.task_count)).collect();
    assert!(tasks.contains(&("b", 1)) && tasks.contains(&("a", 0)), "{tasks:?}");
}

#[test]
fn an_odd_agent_without_an_id_sets_no_other_aside() {
    let odd = agent("", 0.0, &json!({"resources": {"cpus": -1.0, "mem": 1.0}}));
    let counts = only(&state(&[odd, agent("a", 0.0, &json!({})), agent("b", 0.0, &json!({}))], &[])).agents;
    assert_eq!((counts.registered, counts.usable, counts.inactive), (3, 2, 1));
}

#[test]
fn as_many_candidates_as_there_may_be_are_all_listed() {
    let agents = |count: u32| (0..count).map(|n| agent(&format!("a{n:02}"), 0.0, &json!({}))).collect::<Vec<_>>();
    let listed = |count| only(&state(&agents(count), &[])).scale_down_candidates.len();
    assert_eq!([listed(19), listed(20), listed(21)], [19, 20, 20]);
}

#[test]
fn a_hundred_applications_of_a_closed_agent_are_named() {
    let named = |count: usize, more: Json| {
        let names: Vec<String> = (0..count).map(|n| format!("/app{n:03}")).collect();
        let tasks: Vec<(&str, &str, f64)> = names.iter().map(|name| (&**name, "a", 0.1)).collect();
        let agents = [agent("a", 0.1 * count as f64, &more)];
        only(&state(&agents, &[framework("f", &tasks)])).scale_down_candidates.remove(0).applications.len()
    };
    let closed = || json!({"active": false, "deactivated": true});
    let most = Candidate::MAX_APPLICATIONS;
    assert_eq!([named(3, closed()), named(most, closed()), named(most + 1, closed())], [3, most, 0]);
    // Of an agent that takes tasks none is: that would grow with the pool.
    assert_eq!(named(3, json!({})), 0);
}

#[test]
fn the_resources_of_executors_are_visible() {
    let mut framework = framework("f", &[("x", "a", 1.0)]);
    framework["executors"] = json!([{"slave_id": "a", "resources": {"cpus": 0.5}}]);
    let level =
        |used: f64| only(&state(&[agent("a", used, &json!({}))], std::slice::from_ref(&framework))).completeness.level;
    assert_eq!((level(1.5), level(1.6)), (CompletenessLevel::Complete, CompletenessLevel::Partial));
}

#[test]
fn the_latest_agents_show_what_an_instance_has() {
    let at = |minutes_ago: i64| json!(now().as_second() - 60 * minutes_ago);
    let of = |id: &str, minutes_ago: i64, more: &Json| {
        let mut agent = agent(id, 0.0, more);
        agent["registered_time"] = at(minutes_ago);
        agent
    };
    let latest = |agents: &[Json]| -> Vec<String> {
        let latest: Vec<LatestAgent> = only(&state(agents, &[])).latest_agents;
        latest.into_iter().map(|agent| agent.agent_id).collect()
    };
    let none = json!({});
    let agents = [of("a", 5, &none), of("b", 30, &none), of("c", 10, &none), of("d", 20, &none)];
    assert_eq!(latest(&agents), ["a", "c", "d"]);
    // Closed ones are some, too; not those that offer nothing.
    let closed = of("e", 1, &json!({"active": false, "deactivated": true}));
    let bare = of("f", 2, &json!({"resources": null}));
    assert_eq!(latest(&[closed, bare, of("a", 5, &none)]), ["e", "a"]);
    // An agent of an hour before the latest may be of another launch template.
    assert_eq!(latest(&[of("a", 5, &none), of("g", 65, &none), of("h", 66, &none)]), ["a", "g"]);
}

/// An agent of that many minutes, on an instance if given.
fn on(id: &str, minutes_ago: i64, instance: Option<&str>) -> Json {
    let mut agent = agent(id, 0.0, &json!({}));
    agent["registered_time"] = json!(now().as_second() - 60 * minutes_ago);
    if let Some(instance) = instance {
        // Two of one address would contradict each other.
        agent["pid"] = json!(format!("slave(1)@{instance}.ec2.internal:5051"));
        agent["attributes"]["instance_id"] = json!(instance);
    }
    agent
}

/// The latest agents of a pool whose group has these instances.
fn latest_of(instances: &[(&str, Lifecycle)], agents: &[Json]) -> Vec<String> {
    let instance = |(id, lifecycle): &(&str, Lifecycle)| Instance {
        id: (*id).to_owned(),
        lifecycle: *lifecycle,
        protected: false,
    };
    let group = Group { instances: instances.iter().map(instance).collect(), ..Group::default() };
    let latest = described(&state(agents, &[]), group).latest_agents;
    latest.into_iter().map(|agent| agent.agent_id).collect()
}

const OWN: &str = "i-00000000000000001";
const ELSEWHERE: &str = "i-00000000000000002";

#[test]
fn what_operators_drained_outside_of_the_group_bears_no_tag_of_ours_d3() {
    let drained = |id: &str, instance: Option<&str>| {
        let mut agent = on(id, 90, instance);
        let drained = json!({"active": false, "deactivated": true, "drain_info": {"state": "DRAINED"}});
        agent.as_object_mut().unwrap().extend(drained.as_object().unwrap().clone());
        agent
    };
    let agents = [drained("own", Some(OWN)), drained("elsewhere", Some(ELSEWHERE)), drained("unknown", None)];
    let instance = Instance { id: OWN.to_owned(), lifecycle: Lifecycle::InService, protected: false };
    let group = Group { instances: vec![instance], ..Group::default() };
    let snapshot = described(&state(&agents, &[]), group);
    let tag = |id: &str| {
        let agent = snapshot.scale_down_candidates.iter().find(|agent| agent.agent_id == id).unwrap();
        (agent.instance_id.as_deref(), agent.decommission_tag)
    };
    assert_eq!(tag("own"), (Some(OWN), Some(false)));
    assert_eq!(tag("elsewhere"), (None, Some(false)));
    assert_eq!(tag("unknown"), (None, None));
}

#[test]
fn an_agent_of_no_pool_or_without_resources_is_unfit_b5() {
    let unfit = |of: &Json| {
        let mut agent = on("a", 5, Some(OWN));
        agent.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        let instance = Instance { id: OWN.to_owned(), lifecycle: Lifecycle::InService, protected: false };
        let group = Group { instances: vec![instance], ..Group::default() };
        let settings = "attributes = { pool = \"workers\" }\n";
        described_as(settings, &state(&[agent], &[]), group).group.unwrap().unfit == [OWN]
    };
    assert!(unfit(&json!({"attributes": {"pool": "worker", "instance_id": OWN}})));
    assert!(unfit(&json!({"resources": {"cpus": 0.0, "mem": 0.0, "disk": 9000.0}})));
    // One that works, drains, or restarts; and where it is not known what it has, or of which pool it is.
    for fit in [
        json!({}),
        json!({"active": false, "deactivated": true}),
        json!({"active": false}),
        json!({"resources": {"cpus": -1.0, "mem": 0.0}}),
        json!({"resources": 5}),
        json!({"attributes": 5, "hostname": OWN}),
    ] {
        assert!(!unfit(&fit), "{fit}");
    }
}

#[test]
fn agents_elsewhere_show_nothing_of_what_the_group_launches() {
    let agents = [on("own", 90, Some(OWN)), on("other", 1, Some(ELSEWHERE))];
    let latest = |lifecycles: &[Lifecycle]| {
        let instances: Vec<(&str, Lifecycle)> = [OWN, ELSEWHERE].into_iter().zip(lifecycles.iter().copied()).collect();
        latest_of(&instances, &agents)
    };
    use Lifecycle::{InService, Standby, Terminating};
    assert_eq!(latest(&[InService]), ["own"], "outside");
    assert_eq!(latest(&[InService, Standby]), ["own"]);
    // Launched by the group a minute ago, on its way out or not.
    assert_eq!(latest(&[InService, InService]), ["other"]);
    assert_eq!(latest(&[InService, Terminating]), ["other"]);
    assert_eq!(latest(&[Standby]), [""; 0], "in standby, and outside");
    // Where the group is not described, either may be of it.
    let not_described: Vec<LatestAgent> = only(&state(&agents, &[])).latest_agents;
    assert_eq!(not_described[0].agent_id, "other");
}

#[test]
fn an_agent_whose_instance_is_not_known_shows_what_one_has() {
    let own = on("own", 5, Some(OWN));
    let latest = |other: Json| latest_of(&[(OWN, Lifecycle::InService)], &[own.clone(), other]);
    assert_eq!(latest(on("nameless", 1, None)), ["nameless", "own"]);
    // Two that claim one instance.
    assert_eq!(latest(on("twin", 1, Some(OWN))), ["twin", "own"]);
}

#[test]
fn of_the_sixteen_latest_those_on_the_group_count() {
    let latest = |others: i64| {
        let other = |n: i64| on(&format!("other{n}"), n, Some(&format!("i-{:017x}", 100 + n)));
        let own = [1, 2, 3, 4].map(|n| on(&format!("own{n}"), others + n, Some(&format!("i-{n:017x}"))));
        let ids = [1, 2, 3, 4].map(|n| format!("i-{n:017x}"));
        let instances: Vec<(&str, Lifecycle)> = ids.iter().map(|id| (&**id, Lifecycle::InService)).collect();
        let agents: Vec<Json> = own.into_iter().chain((0..others).map(other)).collect();
        latest_of(&instances, &agents)
    };
    assert_eq!(latest(0), ["own1", "own2", "own3"]);
    assert_eq!(latest(13), ["own1", "own2", "own3"]);
    assert_eq!(latest(14), ["own1", "own2"]);
    // Nothing tells what the group launches.
    assert_eq!(latest(16), [""; 0]);
    assert_eq!(latest(40), [""; 0]);
}

#[test]
fn what_tags_say_is_said_where_there_are_tags() {
    let group = |tags: &[&str]| Group {
        decommissioning: tags.iter().map(|id| ((*id).to_owned(), Some(now()))).collect(),
        ..Group::default()
    };
    let state = state(&[agent("a", 0.0, &json!({}))], &[]);
    let tagged_active = |tags: &[&str]| described(&state, group(tags)).group.unwrap().tagged_active;
    assert_eq!((tagged_active(&[]), tagged_active(&["i-1"])), (None, Some(Vec::new())));
    let until = |seconds: i64| {
        let until = Some(now() + SignedDuration::from_secs(seconds));
        let group = Group { closing_refused_until: until, tried_until: until, ..Group::default() };
        let GroupMembers { closing_refused, tried, .. } = described(&state, group).group.unwrap();
        (closing_refused, tried)
    };
    assert_eq!([until(1), until(0), until(-1)], [(true, true), (false, false), (false, false)]);
}

#[test]
fn an_instance_that_a_disconnected_agent_names_too_is_contested() {
    let on = |id: &str, state: &Json| {
        let mut agent = agent(id, 0.0, state);
        agent["attributes"]["instance_id"] = json!("i-00000000000000001");
        agent["pid"] = json!(format!("slave(1)@10.0.0.{}:5051", id.len()));
        agent
    };
    let instance = Instance { id: "i-00000000000000001".to_owned(), lifecycle: Lifecycle::InService, protected: false };
    let contested = |others: &[Json]| {
        let closed = on("a", &json!({"active": false, "deactivated": true}));
        let agents = [&[closed][..], others].concat();
        let group = Group { instances: vec![instance.clone()], ..Group::default() };
        let candidates = described(&state(&agents, &[]), group).scale_down_candidates;
        let closed = candidates.into_iter().find(|candidate| candidate.agent_id == "a").unwrap();
        (closed.instance_id.is_some(), closed.contested)
    };
    assert_eq!(contested(&[]), (true, false));
    assert_eq!(contested(&[on("bb", &json!({"active": false}))]), (true, true));
    // Two that are connected: nothing is certain.
    assert_eq!(contested(&[on("bb", &json!({}))]), (false, false));
}

#[test]
fn registrations_after_an_election_are_not_those_of_new_agents() {
    let mut agent = agent("a", 0.0, &json!({}));
    agent["registered_time"] = json!(now().as_second() - 60);
    let recent = |elected_ago: i64| {
        let mut state = state(std::slice::from_ref(&agent), &[]);
        state["elected_time"] = json!(now().as_second() - elected_ago);
        described(&state, Group::default()).group.unwrap().unidentified_recent
    };
    // join_timeout is 15 minutes: all have registered since an election within it.
    assert_eq!([recent(86_400), recent(900), recent(899)], [1, 1, 0]);
}

#[test]
fn unreachable_agents_are_counted() {
    let mut state = state(&[agent("a", 0.0, &json!({}))], &[]);
    state["unreachable_slaves"] = json!(2.0);
    assert_eq!(only(&state).agents.unreachable, 2);
}

#[test]
fn seconds_are_rounded_up() {
    let of = |millis| seconds_up(Duration::from_millis(millis));
    assert_eq!([of(0), of(1), of(1000), of(1001), of(75_000)], [0, 1, 1, 2, 75]);
}

#[test]
fn shares_are_compared_exactly() {
    let share = |part, whole| Share::largest(&amounts(part, 0.0), &amounts(whole, 0.0));
    assert!(share(1.0, 3.0) == share(2.0, 6.0) && share(1.0, 3.0) != share(1.0, 4.0));
}

#[test]
fn the_first_are_as_many_as_asked_for() {
    assert_eq!(least([5, 3, 4, 1, 2].into_iter(), 3), BTreeSet::from([1, 2, 3]));
    assert_eq!(least([3, 1].into_iter(), 2), BTreeSet::from([1, 3]));
}

#[test]
fn an_agent_that_is_set_aside_twice_names_the_first_reason() {
    let second = || SetAside::TwoPools { first: "a".to_owned(), second: "b".to_owned() };
    let (low, high) = if SetAside::ListedTwice < second() {
        (SetAside::ListedTwice, second())
    } else {
        (second(), SetAside::ListedTwice)
    };
    for order in [[low.clone(), high.clone()], [high, low.clone()]] {
        let mut all = SetAsides::default();
        order.into_iter().for_each(|reason| all.add(1, reason));
        assert_eq!(all.reason(1), Some(&low));
    }
}

#[test]
fn the_most_common_agents_are_those_of_most() {
    let shape = |count, cpus| {
        let total = amounts(cpus, 1000.0);
        AgentShape { count, total, unreserved: total, free: total }
    };
    assert_eq!(most_common(&[shape(5, 8.0), shape(1, 4.0)]), Some(amounts(8.0, 1000.0)));
    assert_eq!(most_common(&[shape(2, 8.0), shape(3, 8.0), shape(4, 4.0)]), Some(amounts(8.0, 1000.0)));
    assert_eq!(most_common(&[shape(2, 8.0), shape(2, 4.0)]), Some(amounts(4.0, 1000.0)));
}

#[test]
fn a_known_attribute_shows_its_values_however_many_there_are() {
    let mut seen = SeenAttributes::default();
    (0..25).for_each(|n| seen.add(&attributes(&[(&format!("name{n:02}"), "x")])));
    seen.add(&attributes(&[("name03", "y"), ("name24", "z")]));
    let text = seen.to_string();
    assert!(text.contains("name03 = x, y;") && !text.contains("name20"), "{text}");
}

#[test]
fn attributes_of_many_values_are_unknown() {
    let zones = ["z1".to_owned(), "z2".to_owned()];
    let of = |values: usize| {
        let mut all = AgentValues::default();
        for n in 0..values {
            let value = format!("v{n:02}");
            // Each is there twice.
            (0..2).for_each(|_| all.add(&attributes(&[("rack", &value), ("zone", "z1"), ("other", "o")])));
        }
        all
    };
    let possible = |values: usize, name: &str| of(values).possible(name, &zones).map(|values| values.len());
    assert_eq!((possible(64, "rack"), possible(65, "rack")), (Some(64), None));
    // One in a zone of the group may come in any of these.
    assert_eq!((possible(1, "zone"), possible(1, "other"), possible(1, "none")), (Some(2), Some(1), Some(0)));
}

/// A state of agents that use so many cpus, before any task is added.
fn before_tasks(used: &[f64]) -> ClusterState {
    let mut state = ClusterState::new(&config("").pools);
    for (number, used) in used.iter().enumerate() {
        let agent = Agent { id: format!("a{number}"), active: true, ..Agent::default() };
        let (total, unreserved, used) = (Some(raw(4.0)), Some(raw(4.0)), Some(raw(*used)));
        state.agent(&RawAgent { agent, total, unreserved, used, ..RawAgent::default() }).unwrap();
    }
    state
}

fn raw(cpus: f64) -> RawResources {
    let mut raw = RawResources::default();
    raw.amount(Kind::Cpus, amount(cpus));
    raw
}

#[test]
fn agents_that_use_something_else_are_read_as_new_ones() {
    let snapshot = |state: ClusterState| summarize(state, &Observed::default(), "m", now()).snapshots.remove(0);
    let known = before_tasks(&[1.0, 2.0, 0.0]);
    let used = [3.0, 0.5, 1.0].map(|cpus| amounts(cpus, 0.0));
    assert_eq!(snapshot(known.using(&used).unwrap()), snapshot(before_tasks(&[3.0, 0.5, 1.0])));
    // Not where there are more or less of them, one is odd or set aside, or what it uses is impossible or was not known.
    assert!(known.using(&used[..2]).is_none());
    let mut impossible = used;
    impossible[1].mem = Amount::from_thousandths(u64::MAX);
    assert!(known.using(&impossible).is_none());
    let agent = |id: &str| Agent { id: id.to_owned(), active: true, ..Agent::default() };
    let mut twice = before_tasks(&[1.0, 2.0]);
    twice
        .agent(&RawAgent { agent: agent("a0"), total: Some(raw(4.0)), used: Some(raw(0.0)), ..RawAgent::default() })
        .unwrap();
    assert!(twice.using(&used).is_none() && twice.using(&used[..2]).is_none());
    let mut unknown = before_tasks(&[1.0, 2.0]);
    unknown.agent(&RawAgent { agent: agent("a2"), total: Some(raw(4.0)), ..RawAgent::default() }).unwrap();
    assert!(unknown.using(&used).is_none());
    let mut closed = before_tasks(&[1.0, 2.0, 0.0]);
    closed.close();
    assert!(closed.using(&used).is_none());
}

/// The only snapshot of a framework of so many tasks, each with its own name and size, and of these.
fn many(names: usize, more: &[(&str, f64)], settings: &str) -> ClusterSnapshot {
    let task = |name: &str, cpus: f64| json!({"id": "x", "name": name, "slave_id": "a", "state": "TASK_RUNNING", "resources": {"cpus": cpus}});
    let own = (1..=names).map(|n| task(&format!("t{n:05}"), n as f64 / 1000.0));
    let tasks: Vec<Json> = own.chain(more.iter().map(|(name, cpus)| task(name, *cpus))).collect();
    let state = state(&[agent("a", 0.0, &json!({}))], &[json!({"name": "f", "tasks": tasks})]);
    run(&state, &config(settings)).snapshots.remove(0)
}

#[test]
fn a_framework_of_too_many_names_is_counted_with_all_its_tasks() {
    let settings = "applications = { \"/kept\" = { count_queued = false } }";
    let snapshot = many(20_000, &[("more", 100.0), ("more", 100.0), ("/kept", 100.0), ("/kept", 1.0)], settings);
    let tasks: u32 = snapshot.applications.iter().map(|application| application.task_count).sum();
    assert_eq!(tasks, 20_004);
    // One that a setting names counts by itself; of the others none has the tasks of another.
    let several: Vec<(&str, u32)> = snapshot
        .applications
        .iter()
        .filter(|application| application.task_count > 1)
        .map(|application| (&*application.name, application.task_count))
        .collect();
    assert!(several.contains(&("/kept", 2)), "{several:?}");
    assert!(several.iter().all(|(name, _)| ["/kept", "(other)"].contains(name)), "{several:?}");
}

#[test]
fn of_too_many_sizes_only_new_ones_are_rounded_up() {
    let excess = |more: &[(&str, f64)]| {
        let snapshot = many(20_000, more, "");
        let counted: Resources = snapshot.applications.iter().map(|application| application.resources).sum();
        let thousandths = more.iter().map(|(_, cpus)| amount(*cpus).thousandths());
        counted.cpus.thousandths() - (1..=20_000_u64).chain(thousandths).sum::<u64>()
    };
    let new = excess(&[("t00001", 30.001)]);
    assert!(new > 0);
    assert_eq!((excess(&[("t00002", 0.7)]), excess(&[("t00001", 30.001), ("t00002", 0.7)])), (0, new));
}

#[test]
fn tasks_of_one_name_have_sizes_of_their_own_in_any_order() {
    let tasks: Vec<(&str, &str, f64)> = (0..60).map(|n| ("x", "a", if n % 3 == 0 { 2.0 } else { 1.0 })).collect();
    let framework = framework("f", &tasks);
    let agents = [agent("a", 80.0, &json!({}))];
    // The agents first, as some tools write them, and last.
    let (agents, frameworks) = (json!(agents), json!([framework]));
    for document in [
        format!("{{\"elected_time\": {ELECTED_LONG_AGO}, \"slaves\": {agents}, \"frameworks\": {frameworks}}}"),
        format!("{{\"elected_time\": {ELECTED_LONG_AGO}, \"frameworks\": {frameworks}, \"slaves\": {agents}}}"),
    ] {
        let state = json::read(document.as_bytes(), ClusterState::new(&config("").pools)).unwrap();
        let snapshot = summarize(state, &Observed::default(), "m", now()).snapshots.remove(0);
        let sizes =
            |tasks: &[TaskGroup]| tasks.iter().map(|group| (group.count, group.resources.cpus)).collect::<Vec<_>>();
        let mut counted = sizes(&snapshot.applications[0].tasks);
        counted.sort();
        assert_eq!(counted, [(20, amount(2.0)), (40, amount(1.0))]);
    }
}

#[test]
fn a_framework_of_many_tasks_of_one_name_has_one_application() {
    let snapshot = many(0, &[("x", 1.0); 20_500], "");
    let counted: Vec<(&str, u32)> = snapshot.applications.iter().map(|one| (&*one.name, one.task_count)).collect();
    assert_eq!(counted, [("x", 20_500)]);
}

#[test]
fn agents_with_tasks_of_a_disconnected_framework_stay() {
    let pool = [("a", 1.0), ("b", 1.0), ("c", 0.0)].map(|(id, used)| agent(id, used, &json!({})));
    let found = |more: &Json, settings: &str| {
        let mut kafka = framework("kafka", &[("/broker", "a", 1.0)]);
        kafka.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let idle = json!({"name": "idle", "connected": false, "tasks": []});
        let all = [kafka, framework("spark", &[("/driver", "b", 1.0)]), idle];
        let snapshot = run(&state(&pool, &all), &config(settings)).snapshots.remove(0);
        let candidates = snapshot.scale_down_candidates.iter().map(|agent| agent.agent_id.clone()).collect::<Vec<_>>();
        (candidates.concat(), snapshot.completeness.level, snapshot.notes)
    };
    let (all, complete) = ("cab".to_owned(), CompletenessLevel::Complete);
    // Older masters do not say it.
    for more in [json!({}), json!({"connected": true, "active": false})] {
        assert_eq!(found(&more, ""), (all.clone(), complete, vec![]));
    }
    let note = "not connected to the master: kafka; agents with their tasks stay until they are back, or the master gives them up";
    let away = json!({"connected": false, "active": false});
    assert_eq!(found(&away, ""), ("cb".to_owned(), complete, vec![note.to_owned()]));
    assert_eq!(found(&away, "protected = { frameworks = [\"spark\"] }").0, "c");
    // After an election it may not have come back yet, and nothing goes at all.
    let recovered = json!({"connected": false, "recovered": true});
    let (candidates, level, notes) = found(&recovered, "");
    assert_eq!((&*candidates, level, notes), ("cb", CompletenessLevel::Partial, vec![]));
}
