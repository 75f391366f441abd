use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::Timestamp;
use proptest::prelude::*;
use shared::group::Lifecycle;

use super::*;
use crate::mesos::state::{self, Drain, RecoveredAgent};

fn now() -> Timestamp {
    "2026-11-21T18:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() - seconds).unwrap()
}

fn id(number: u8) -> String {
    format!("i-{number:017x}")
}

fn ip(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

/// A connected agent of the first pool that registered long ago. Its attribute names that instance.
fn agent(number: u8) -> Agent {
    Agent { names: Names::Instance(id(number).into()), ..nameless(number) }
}

/// The same without any name, at the address of that instance.
fn nameless(number: u8) -> Agent {
    Agent {
        pool: Some(0),
        is_unfit: false,
        names: Names::Nothing,
        hostname: format!("host-{number}").into(),
        ip: Some(ip(number)),
        presence: Presence::Connected,
        registered_at: Some(ago(86_400)),
    }
}

fn group(lifecycles: &[Lifecycle]) -> Group {
    let instance =
        |(number, lifecycle): (u8, &Lifecycle)| Instance { id: id(number), lifecycle: *lifecycle, protected: false };
    Group { desired: 9, min: 1, max: 20, instances: (1..).zip(lifecycles).map(instance).collect(), ..Group::default() }
}

/// All instances have their own address.
fn addresses(group: &Group) -> Lookup {
    let own = |(number, instance): (u8, &Instance)| (instance.id.clone(), BTreeSet::from([ip(number)]));
    Lookup::Known((1..).zip(&group.instances).map(own).collect())
}

fn found<'a>(group: &'a Group, agents: &'a [Agent], lookup: &'a Lookup) -> (Vec<Placement<'a>>, PoolMembers) {
    let pool = PoolGroup { group, joining_since: ago(900), registrations_are_new: true };
    let mut members = match_members(&[Some(pool)], agents, lookup, None);
    assert_eq!(match_members(&[Some(pool)], agents, lookup, Some(&KnownClaims::of(agents))), members);
    (members.placements, members.pools.remove(0).unwrap())
}

/// The instance of each agent, where it is certain.
fn instances(placements: &[Placement<'_>]) -> Vec<Option<String>> {
    let instance = |placement: &Placement<'_>| match placement {
        Placement::On { instance, .. } => Some(instance.id.clone()),
        _ => None,
    };
    placements.iter().map(instance).collect()
}

const IN_SERVICE: Lifecycle = Lifecycle::InService;

#[test]
fn instances_are_joined_or_not_or_unknown() {
    let group = group(&[IN_SERVICE, IN_SERVICE, Lifecycle::Pending, Lifecycle::Standby, Lifecycle::Terminating]);
    let agents = [agent(1), Agent { registered_at: Some(ago(60)), ..agent(2) }, agent(4), agent(5), agent(99)];
    let (placements, PoolMembers { members, unidentified, cause }) = found(&group, &agents, &Lookup::NotAsked);
    assert_eq!(instances(&placements), [Some(id(1)), Some(id(2)), Some(id(4)), Some(id(5)), None]);
    assert_eq!(placements.iter().map(Placement::may_go).collect::<Vec<_>>(), [true, true, false, false, false]);
    assert_eq!(placements.iter().map(Placement::is_leaving).collect::<Vec<_>>(), [false, false, false, true, false]);
    let counts = (members.in_service, members.joined, members.unknown, members.not_joined_count);
    assert_eq!(counts, (2, 2, 0, 1));
    assert_eq!((members.not_joined, members.joined_recent), (vec![id(3)], Some(vec![id(2)])));
    assert_eq!((members.standby, members.leaving, members.outside), (1, 1, 1));
    assert_eq!((members.desired, members.min, members.max, unidentified, cause), (9, 1, 20, 0, None));
}

#[test]
fn an_instance_that_two_agents_claim_is_nobodys() {
    let group = group(&[IN_SERVICE; 3]);
    // The second agent of the first machine, in no pool of ours.
    let twin = Agent { pool: None, ip: Some(ip(77)), ..agent(1) };
    let agents = [agent(1), agent(2), twin];
    let (placements, PoolMembers { members, unidentified, cause }) = found(&group, &agents, &Lookup::NotAsked);
    assert_eq!(instances(&placements), [None, Some(id(2)), None]);
    assert_eq!((members.joined, members.unknown, members.not_joined_count), (1, 2, 0));
    assert_eq!((members.ambiguous, unidentified), (vec![id(1)], 1));
    assert_eq!(cause, Some(Cause::SharedInstance { instance: id(1), agents: 2 }));
}

#[test]
fn agents_of_one_address_share_a_machine() {
    let group = group(&[IN_SERVICE; 2]);
    // The second agent of the first machine names nothing, and EC2 was not asked.
    let (placements, PoolMembers { cause, .. }) = {
        let agents = [agent(1), nameless(1), agent(2)];
        let (placements, found) = found(&group, &agents, &Lookup::NotAsked);
        (instances(&placements), found)
    };
    assert_eq!(placements, [None, None, Some(id(2))]);
    assert_eq!(cause, Some(Cause::SharedAddress { address: ip(1), agents: 2 }));
    // Every machine has this address, so it says nothing.
    let mut state = state::Agent { active: true, ..Default::default() };
    state.ip = Some(IpAddr::from([127, 0, 0, 1]));
    assert_eq!(Agent::registered(&state, None, false).ip, None);
}

fn recovered(hostname: &str) -> Agent {
    let agent = RecoveredAgent { id: "R".to_owned(), hostname: hostname.to_owned(), ..RecoveredAgent::default() };
    Agent::recovered(&agent, Some(0))
}

/// An agent of the data center has neither an attribute nor an address of EC2. It must not hide the instance that never joined.
#[test]
fn agents_with_an_attribute_show_that_addresses_lead_to_instances() {
    let group = group(&[IN_SERVICE; 4]);
    let outside = Agent { ip: Some(IpAddr::from([192, 168, 1, 5])), ..nameless(200) };
    let counts = |of: fn(u8) -> Agent| {
        let agents = [of(1), of(2), of(3), outside.clone()];
        let lookup = addresses(&group);
        let (placements, PoolMembers { members, unidentified, .. }) = found(&group, &agents, &lookup);
        (placements[3] == Placement::Outside, members.not_joined_count, members.unknown, unidentified)
    };
    assert_eq!(counts(agent), (true, 1, 0, 0));
    // Behind NAT none has the address of its instance.
    let behind = |number| Agent { ip: Some(IpAddr::from([172, 17, 0, number])), ..agent(number) };
    assert_eq!(counts(behind), (false, 0, 1, 1));
}

/// Until it has come back, nothing is certain about its instance: it is neither missing nor free to go.
#[test]
fn an_agent_that_has_not_re_registered_claims_its_instance_in_any_way() {
    let group = group(&[IN_SERVICE; 3]);
    let lookup = addresses(&group);
    for hostname in [&*id(2), &format!("{}.ec2.internal", id(2)), "10.0.0.2", "ip-10-0-0-2.ec2.internal"] {
        let (_, PoolMembers { members, unidentified, .. }) = found(&group, &[agent(1), recovered(hostname)], &lookup);
        assert_eq!((members.joined, members.unknown, members.not_joined_count), (1, 1, 1), "{hostname}");
        assert_eq!((&*members.ambiguous, &*members.not_joined, unidentified), (&[id(2)][..], &[id(3)][..], 0));
        // Another agent registers from there.
        let agents = [agent(1), agent(2), recovered(hostname)];
        let (placements, PoolMembers { members, .. }) = found(&group, &agents, &lookup);
        assert_eq!((members.joined, members.not_joined_count), (2, 1), "{hostname}");
        let may_go: Vec<bool> = placements.iter().map(Placement::may_go).collect();
        assert_eq!(may_go, [true, false, false], "{hostname}");
    }
}

/// What its hostname says need not be the address of its instance, so it may run on any.
#[test]
fn an_agent_that_has_not_re_registered_is_never_outside() {
    let group = group(&[IN_SERVICE; 3]);
    let lookup = addresses(&group);
    for hostname in
        ["", "mesos-7", "ip-7.ec2.internal", "ip-10-0-0-77.ec2.internal", "10.0.0.77", "ip-10-0-0-2", "127.0.0.1"]
    {
        let agents = [nameless(1), recovered(hostname)];
        let (placements, PoolMembers { members, unidentified, .. }) = found(&group, &agents, &lookup);
        assert_eq!(placements[1], Placement::Unidentified, "{hostname}");
        assert_eq!(
            (members.outside, members.unknown, members.not_joined_count, unidentified),
            (0, 2, 0, 1),
            "{hostname}"
        );
    }
}

#[test]
fn an_id_of_the_image_identifies_no_agent() {
    let group = group(&[IN_SERVICE; 4]);
    let agents: Vec<Agent> = (1..=4).map(|n| Agent { ip: Some(ip(n)), ..agent(1) }).collect();
    let (placements, PoolMembers { members, unidentified, .. }) = found(&group, &agents, &Lookup::NotAsked);
    assert!(placements.iter().all(|placement| *placement == Placement::Unidentified));
    assert_eq!((members.unknown, members.not_joined_count, unidentified), (4, 0, 4));
    assert_eq!(members.ambiguous, [id(1)]);
}

#[test]
fn ways_that_contradict_each_other_identify_nothing() {
    let group = group(&[IN_SERVICE; 3]);
    let lookup = addresses(&group);
    // It has the address of the second instance.
    let agents = [Agent { ip: Some(ip(2)), ..agent(1) }, agent(3)];
    let (placements, PoolMembers { members, cause, .. }) = found(&group, &agents, &lookup);
    assert_eq!(instances(&placements), [None, Some(id(3))]);
    assert_eq!(members.ambiguous, [id(1), id(2)]);
    assert!(matches!(cause, Some(Cause::Contradiction { names, .. }) if names == [id(1), id(2)]));
    for (written, fault) in [("I-0ABC", "I-0ABC"), ("\"i-0abc\"", "\"i-0abc\"")] {
        let cause = Cause::Contradiction { hostname: "a".to_owned(), names: vec![written.to_owned()] };
        let expected = format!(
            "attribute, hostname, or address of a says {fault}; {fault} is no instance id: write i-, in lower case and without quotes"
        );
        assert_eq!(cause.to_string(), expected);
    }
    for (attributes, hostname, named) in [
        (&["i-0abc1234"][..], "i-0abc1234.ec2.internal", Some("i-0abc1234")),
        (&["", " i-7 "], "host", Some("i-7")),
        (&["i-0abc1234"], "i-0abc1235.ec2.internal", None),
        (&["i-1", "i-2"], "host", None),
        (&["unknown"], "host", None),
    ] {
        let mut state = state::Agent { hostname: hostname.to_owned(), active: true, ..Default::default() };
        attributes.iter().for_each(|value| state.attributes.push("instance_id", value));
        match (Agent::registered(&state, None, false).names, named) {
            (Names::Instance(id), Some(named)) => assert_eq!(&*id, named),
            (Names::Contradiction(_), None) => {}
            (names, _) => panic!("{attributes:?} {hostname}: {names:?}"),
        }
    }
}

#[test]
fn an_agent_that_is_away_keeps_its_instance_from_being_terminated() {
    let group = group(&[IN_SERVICE; 2]);
    let away = |presence| Agent { presence, ip: None, ..agent(1) };
    for presence in [Presence::Disconnected, Presence::Recovered] {
        let agents = [agent(1), agent(2), away(presence)];
        let (placements, PoolMembers { members, unidentified, .. }) = found(&group, &agents, &Lookup::NotAsked);
        assert_eq!(instances(&placements), [Some(id(1)), Some(id(2)), None]);
        assert_eq!(placements[2], Placement::Away);
        assert_eq!((placements[0].may_go(), placements[1].may_go()), (false, true));
        assert_eq!((members.joined, members.unknown, unidentified), (2, 0, 0));
    }
    // Alone it still has its instance, or will have it.
    let agents = [away(Presence::Disconnected), agent(2)];
    assert_eq!(found(&group, &agents, &Lookup::NotAsked).1.members.joined, 2);
    let agents = [away(Presence::Recovered), agent(2)];
    let members = found(&group, &agents, &Lookup::NotAsked).1.members;
    assert_eq!((members.joined, members.ambiguous), (1, vec![id(1)]));
    // Two that are away, and no other.
    let agents = [away(Presence::Disconnected), away(Presence::Recovered), agent(2)];
    let (_, PoolMembers { members, unidentified, .. }) = found(&group, &agents, &Lookup::NotAsked);
    assert_eq!((members.joined, members.unknown, unidentified), (1, 1, 2));
}

#[test]
fn addresses_lead_to_instances_of_the_group_or_out_of_it() {
    let group = group(&[IN_SERVICE, IN_SERVICE, Lifecycle::Pending]);
    let agents = [nameless(1), nameless(2), nameless(50)];
    let lookup = addresses(&group);
    let (placements, PoolMembers { members, .. }) = found(&group, &agents, &lookup);
    assert_eq!(instances(&placements), [Some(id(1)), Some(id(2)), None]);
    assert_eq!(placements[2], Placement::Outside);
    assert_eq!((members.joined, members.not_joined_count, members.outside), (2, 1, 1));

    // The address of one instance is not known yet: it may be that of the third agent.
    let Lookup::Known(mut known) = addresses(&group) else { panic!() };
    known.remove(&id(3));
    let lookup = Lookup::Known(known);
    let (placements, PoolMembers { members, .. }) = found(&group, &agents, &lookup);
    assert_eq!(placements[2], Placement::Unidentified);
    assert_eq!((members.joined, members.unknown, members.outside), (2, 1, 0));

    // Behind a bridge no address is that of an instance.
    let lookup = addresses(&group);
    let agents = [nameless(51), nameless(52)];
    let (placements, PoolMembers { members, .. }) = found(&group, &agents, &lookup);
    assert!(placements.iter().all(|placement| *placement == Placement::Unidentified));
    assert_eq!((members.unknown, members.not_joined_count, members.outside), (3, 0, 0));

    // One address of two instances, as where one was terminated a moment ago.
    let shared = Lookup::Known([1, 2, 3].map(|n| (id(n), BTreeSet::from([ip(n.max(2))]))).into());
    let agents = [nameless(2), nameless(3)];
    let (placements, PoolMembers { members, .. }) = found(&group, &agents, &shared);
    assert_eq!(instances(&placements), [None, Some(id(3))]);
    assert_eq!(members.ambiguous, [id(1), id(2)]);
}

#[test]
fn instances_are_named_whose_agents_take_no_tasks_of_the_pool_b5() {
    let group = group(&[IN_SERVICE; 6]);
    let agents = [
        agent(1),
        Agent { pool: None, is_unfit: true, ..agent(2) },
        Agent { pool: Some(1), ..agent(3) },
        Agent { is_unfit: true, ..agent(4) },
        // Of several pools, or of one that is not known; not alone on its instance.
        Agent { pool: None, ..agent(5) },
        Agent { is_unfit: true, ..agent(6) },
        Agent { ip: Some(ip(7)), ..agent(6) },
    ];
    let members = found(&group, &agents, &Lookup::NotAsked).1.members;
    assert_eq!(members.unfit, [id(2), id(3), id(4)]);
    assert_eq!((members.joined, members.unknown, members.not_joined_count), (5, 1, 0));
}

#[test]
fn without_a_lookup_agents_with_an_address_may_still_be_found_later() {
    let group = group(&[IN_SERVICE; 2]);
    let agents = [agent(1), Agent { registered_at: Some(ago(60)), ..nameless(2) }];
    let (placements, PoolMembers { members, unidentified, .. }) = found(&group, &agents, &Lookup::NotAsked);
    assert_eq!(placements[1], Placement::NotLookedUp);
    assert!(placements[1].may_go());
    assert_eq!((members.unknown, members.unidentified_recent, unidentified), (1, 1, 0));
    let failed = Lookup::Unknown { reason: "no".to_owned() };
    let (placements, PoolMembers { members, unidentified, .. }) = found(&group, &agents, &failed);
    assert!(!placements[1].may_go());
    assert_eq!((members.unknown, members.unidentified_recent, unidentified), (1, 1, 1));
    assert_eq!(members.unidentified, Some(1));
}

#[test]
fn registrations_with_a_new_master_are_not_those_of_new_agents() {
    let group = group(&[IN_SERVICE; 2]);
    let agents = [Agent { registered_at: Some(ago(60)), ..nameless(2) }];
    let pool = PoolGroup { group: &group, joining_since: ago(900), registrations_are_new: false };
    let members = match_members(&[Some(pool)], &agents, &Lookup::NotAsked, None).pools.remove(0).unwrap().members;
    assert_eq!(members.unidentified_recent, 0);
}

#[test]
fn an_instance_of_its_own_protection_may_not_go() {
    let mut group = group(&[IN_SERVICE; 2]);
    group.instances[0].protected = true;
    group.decommissioning.insert(id(2), None);
    let agents = [agent(1), agent(2)];
    let may_go = |group: &Group| {
        let lookup = Lookup::NotAsked;
        let (placements, found) = found(group, &agents, &lookup);
        (placements.iter().map(Placement::may_go).collect::<Vec<_>>(), found.members.protected)
    };
    assert_eq!(may_go(&group), (vec![false, true], 1));
    let lookup = Lookup::NotAsked;
    let tags: Vec<bool> = found(&group, &agents, &lookup)
        .0
        .iter()
        .map(|placement| matches!(placement, Placement::On { is_decommissioning: true, .. }))
        .collect();
    assert_eq!(tags, [false, true]);
    // Where every new instance is protected, it says nothing about a single one.
    group.protects_new = true;
    assert_eq!(may_go(&group), (vec![true, true], 0));
}

#[test]
fn long_lists_are_cut_and_counted() {
    let instance = |n: usize| Instance { id: format!("i-{n:05}"), lifecycle: IN_SERVICE, protected: false };
    let group = Group { instances: (0..2_300).map(instance).collect(), ..Group::default() };
    let agents: Vec<Agent> = (0..2_001)
        .map(|n| Agent {
            names: Names::Instance(format!("i-{n:05}").into()),
            ip: None,
            registered_at: Some(now()),
            ..agent(1)
        })
        .collect();
    let (_, PoolMembers { members, .. }) = found(&group, &agents, &Lookup::NotAsked);
    assert_eq!((members.joined, members.not_joined_count, members.not_joined.len()), (2_001, 299, 200));
    assert_eq!(members.joined_recent, None);
}

/// What an agent says of itself, right or wrong.
#[derive(Clone, Copy, Debug)]
struct Claim {
    name: Option<u8>,
    address: Option<u8>,
    presence: Presence,
    is_ours: bool,
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let presence = prop::sample::select(vec![
        Presence::Connected,
        Presence::Connected,
        Presence::Disconnected,
        Presence::Recovered,
    ]);
    let wrong = || prop::option::weighted(0.3, 1_u8..7);
    (1_u8..7, any::<[bool; 3]>(), wrong(), wrong(), presence).prop_map(
        |(runs_on, [has_name, has_address, is_ours], wrong_name, wrong_address, presence)| Claim {
            name: has_name.then_some(wrong_name.unwrap_or(runs_on)),
            address: has_address.then_some(wrong_address.unwrap_or(runs_on)),
            presence,
            is_ours,
        },
    )
}

fn any_lookup() -> impl Strategy<Value = Lookup> {
    let known = |addresses: BTreeMap<u8, BTreeSet<u8>>| {
        let all = addresses.into_iter().map(|(n, of)| (id(n), of.into_iter().map(ip).collect()));
        Lookup::Known(all.collect())
    };
    prop_oneof![
        Just(Lookup::NotAsked),
        prop::collection::btree_map(1_u8..7, prop::collection::btree_set(1_u8..7, 0..3), 0..6).prop_map(known),
        (1_u8..7).prop_map(|n| Lookup::Known((1..=n).map(|n| (id(n), BTreeSet::from([ip(n)]))).collect())),
    ]
}

fn claiming(claim: &Claim) -> Agent {
    Agent {
        pool: claim.is_ours.then_some(0),
        names: claim.name.map_or(Names::Nothing, |name| Names::Instance(id(name).into())),
        ip: claim.address.map(ip).filter(|_| claim.presence != Presence::Recovered),
        presence: claim.presence,
        ..agent(1)
    }
}

proptest! {
    /// Ambiguity of every kind ends nothing: two claimants, a clone, an agent that is away, ways that contradict.
    #[test]
    fn only_an_instance_that_one_agent_alone_claims_may_go(
        claims in prop::collection::vec(any_claim(), 0..8),
        lookup in any_lookup(),
        lifecycles in prop::collection::vec(prop::sample::select(vec![IN_SERVICE, Lifecycle::Pending, Lifecycle::Standby, Lifecycle::Terminating]), 0..7),
        order in any::<prop::sample::Index>(),
    ) {
        let group = group(&lifecycles);
        let agents: Vec<Agent> = claims.iter().map(claiming).collect();
        let (placements, PoolMembers { members, .. }) = found(&group, &agents, &lookup);
        let names = |agent: &Agent| {
            let by_address = match &lookup {
                Lookup::Known(known) => known.iter().filter(|(_, of)| agent.ip.is_some_and(|ip| of.contains(&ip))).map(|(id, _)| id.clone()).collect(),
                _ => BTreeSet::new(),
            };
            match &agent.names {
                Names::Instance(id) => by_address.into_iter().chain([id.to_string()]).collect(),
                _ => by_address,
            }
        };
        let mut terminable = BTreeSet::new();
        for (agent, placement) in agents.iter().zip(&placements) {
            let Placement::On { instance, is_sole, .. } = placement else { continue };
            prop_assert!(agent.presence != Presence::Recovered && agent.pool.is_some());
            prop_assert!(names(agent).contains(&instance.id));
            if placement.may_go() {
                prop_assert!(*is_sole && instance.lifecycle == IN_SERVICE);
                prop_assert!(terminable.insert(instance.id.clone()), "two agents, one instance");
                // Nobody else names it, or is on the same machine.
                for other in agents.iter().filter(|other| !std::ptr::eq(*other, agent)) {
                    let by_name = matches!(&other.names, Names::Instance(id) if **id == *instance.id);
                    prop_assert!(!by_name, "{other:?}");
                    prop_assert!(agent.presence != Presence::Connected || other.ip.is_none() || other.ip != agent.ip, "{other:?}");
                    let is_away = other.presence != Presence::Connected && matches!(other.names, Names::Instance(_));
                    prop_assert!(is_away || !names(other).contains(&instance.id), "{other:?}");
                }
            }
        }
        // Every instance is of one kind, and none that an agent claims is missing.
        let live = group.instances.iter().filter(|instance| instance.lifecycle.is_capacity()).count();
        let all = members.joined + members.unknown + members.not_joined_count;
        prop_assert_eq!(usize::try_from(all).unwrap(), live);
        for id in &members.not_joined {
            prop_assert!(!agents.iter().any(|agent| matches!(&agent.names, Names::Instance(own) if **own == **id)));
        }
        let is_unidentified = |placement: &Placement<'_>| matches!(placement, Placement::Unidentified | Placement::NotLookedUp);
        if placements.iter().any(is_unidentified) {
            prop_assert_eq!(members.not_joined_count, 0);
        }
        // The order in which the master lists agents changes nothing.
        let mut turned = agents.clone();
        turned.rotate_left(if agents.is_empty() { 0 } else { order.index(agents.len()) });
        prop_assert_eq!(found(&group, &turned, &lookup).1.members, members);
    }

    /// Where agents say the truth, one way each, every instance is known.
    #[test]
    fn agents_that_tell_the_truth_are_all_found(runs in prop::collection::btree_set(1_u8..7, 0..6), by_name in any::<[bool; 8]>()) {
        let group = group(&[IN_SERVICE; 6]);
        let agents: Vec<Agent> =
            runs.iter().map(|n| if by_name[usize::from(*n)] { agent(*n) } else { nameless(*n) }).collect();
        let lookup = addresses(&group);
        let (placements, PoolMembers { members, .. }) = found(&group, &agents, &lookup);
        prop_assert!(placements.iter().all(Placement::may_go));
        prop_assert_eq!(members.joined as usize, runs.len());
        prop_assert_eq!(members.not_joined_count as usize, 6 - runs.len());
    }
}

#[test]
fn without_masters_every_instance_in_service_is_an_agent() {
    use Lifecycle::{Pending, Standby, Terminating};
    let members = group(&[IN_SERVICE, Pending, IN_SERVICE, Standby, Terminating]).of_instances_alone();
    assert_eq!((members.desired, members.joined, members.not_joined_count), (9, 2, 1));
    assert_eq!(members.not_joined, [id(2)]);
    assert_eq!(members.joined_recent, Some(vec![id(1), id(3)]));
    // A longer list has no room in a message.
    let recent = |count: usize| {
        let instance = |number| Instance { id: format!("i-{number:05}"), lifecycle: IN_SERVICE, protected: false };
        Group { instances: (0..count).map(instance).collect(), ..Group::default() }.of_instances_alone().joined_recent
    };
    let most = GroupMembers::MAX_RECENT;
    assert_eq!((recent(most).map(|ids| ids.len()), recent(most + 1)), (Some(most), None));
}

#[test]
fn an_agent_is_away_where_the_master_lost_it_and_nobody_closed_it() {
    let presence = |active, deactivated, drain| {
        let agent = state::Agent { active, deactivated, drain, ..state::Agent::default() };
        Agent::registered(&agent, Some(0), false).presence
    };
    assert_eq!(presence(false, false, None), Presence::Disconnected);
    for (active, deactivated, drain) in
        [(true, false, None), (false, true, None), (true, true, None), (false, false, Some(Drain::Draining))]
    {
        assert_eq!(presence(active, deactivated, drain), Presence::Connected, "{active} {deactivated} {drain:?}");
    }
}

#[test]
fn the_address_of_an_agent_that_is_away_may_be_anothers() {
    let group = group(&[IN_SERVICE, IN_SERVICE]);
    let away = Agent { presence: Presence::Disconnected, ip: Some(ip(2)), ..agent(1) };
    let agents = [away, nameless(2)];
    let lookup = addresses(&group);
    let (placements, _) = found(&group, &agents, &lookup);
    assert_eq!(instances(&placements), [Some(id(1)), Some(id(2))]);
}

#[test]
fn an_unknown_agent_is_outside_where_every_instance_is_claimed() {
    // What is in standby is no capacity, and needs no claim.
    let group = group(&[IN_SERVICE, Lifecycle::Standby]);
    let lookup = addresses(&group);
    let agents = [agent(1), nameless(99)];
    let (placements, members) = found(&group, &agents, &lookup);
    assert!(matches!(placements[1], Placement::Outside), "{:?}", placements[1]);
    assert_eq!((members.unidentified, members.cause), (0, None));
}

#[test]
fn an_agent_alone_at_its_address_has_no_name() {
    let group = group(&[IN_SERVICE, IN_SERVICE]);
    let lookup = addresses(&group);
    let cause = |agents: &[Agent]| found(&group, agents, &lookup).1.cause;
    assert_eq!(cause(&[nameless(99)]), Some(Cause::NoName { hostname: "host-99".to_owned() }));
    let address = ip(99);
    assert_eq!(cause(&[nameless(99), nameless(99)]), Some(Cause::SharedAddress { address, agents: 2 }));
}
