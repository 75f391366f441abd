//! Matches agents and instances.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use jiff::Timestamp;
use shared::contract::GroupMembers;
use shared::count::saturated;
use shared::group::Lifecycle;

use super::{Agent, Cause, Group, Instance, Lookup, Names, Presence};

type Map<K, V> = HashMap<K, V, RandomState>;

/// The group of a pool, and which of its agents are new.
#[derive(Clone, Copy, Debug)]
pub struct PoolGroup<'a> {
    /// The group.
    pub group: &'a Group,
    /// Agents that registered later did so within `join_timeout`.
    pub joining_since: Timestamp,
    /// Whether a registration within `join_timeout` is that of a new agent. After a failover every agent registers with the
    /// new master.
    pub registrations_are_new: bool,
}

/// What is known of agents and instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members<'a> {
    /// Of every agent, in their order.
    pub placements: Vec<Placement<'a>>,
    /// Of every pool, in their order; `None` where its group was not described.
    pub pools: Vec<Option<PoolMembers>>,
}

/// The members of one pool's group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolMembers {
    /// As the snapshot reports them.
    pub members: GroupMembers,
    /// How many agents of the pool are not identified.
    pub unidentified: u32,
    /// Why one of these is not; the order of agents does not matter.
    pub cause: Option<Cause>,
}

/// What is known of the instance of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement<'a> {
    /// It belongs to no pool, or the group of its pool was not described.
    NotDescribed,
    /// Its address was not looked up, and nothing else names its instance.
    NotLookedUp,
    /// Nothing certain.
    Unidentified,
    /// It is away: disconnected, and another agent has registered from its instance, or not re-registered. It names one
    /// instance, which is not its own for now.
    Away,
    /// It runs on no instance of the group.
    Outside,
    /// It runs on this instance of its pool's group.
    On {
        /// The instance.
        instance: &'a Instance,
        /// Whether no other agent claims it, not even a disconnected one.
        is_sole: bool,
        /// Whether an operator protects this very instance from scale-in.
        is_protected: bool,
        /// Whether the group's tags say that it is being decommissioned.
        is_decommissioning: bool,
        /// Since when, as they say.
        decommissioning_since: Option<Timestamp>,
    },
}

impl Placement<'_> {
    /// Whether the agent's instance is on its way out.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self, Self::On { instance: Instance { lifecycle: Lifecycle::Terminating, .. }, .. })
    }

    /// A: whether the agent may show what the group launches. One that certainly runs elsewhere does not, nor one whose instance an
    /// operator has set aside.
    #[must_use]
    pub const fn may_show_launches(&self) -> bool {
        !matches!(self, Self::Outside | Self::On { instance: Instance { lifecycle: Lifecycle::Standby, .. }, .. })
    }

    /// Whether the instance may be terminated, as far as this tells.
    #[must_use]
    pub const fn may_go(&self) -> bool {
        match self {
            Self::NotDescribed | Self::NotLookedUp => true,
            Self::Unidentified | Self::Away | Self::Outside => false,
            Self::On { instance, is_sole, is_protected, .. } => {
                matches!(instance.lifecycle, Lifecycle::InService) && *is_sole && !*is_protected
            }
        }
    }
}

/// What the ways of an agent name, before others are asked.
#[derive(Clone, Debug)]
enum Named<'a> {
    Nothing,
    One(&'a str),
    Many(Vec<&'a str>),
}

/// How many claim an instance or an address.
#[derive(Clone, Copy, Debug, Default)]
struct Claims {
    connected: u32,
    /// Disconnected or recovered agents.
    away: u32,
}

impl Claims {
    fn add(&mut self, presence: Presence) {
        let count = if presence == Presence::Connected { &mut self.connected } else { &mut self.away };
        *count = count.saturating_add(1);
    }

    const fn all(self) -> u32 {
        self.connected.saturating_add(self.away)
    }
}

/// What an agent is, once all claims are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// It runs on the instance that is claimed at that place.
    Certain {
        place: usize,
        is_sole: bool,
    },
    Away,
    None,
}

/// What agents claim by themselves, found out once for those that are matched again and again.
#[derive(Clone, Debug)]
pub struct KnownClaims(AllClaims<Box<str>>);

impl KnownClaims {
    /// What these agents claim.
    #[must_use]
    pub fn of(agents: &[Agent]) -> Self {
        Self(AllClaims::of(agents, &Map::default()))
    }
}

/// Matches the agents of a cluster with the instances of the groups of its pools. What these agents claim is found out, unless
/// it is known.
#[must_use]
pub fn match_members<'g>(
    pools: &[Option<PoolGroup<'g>>],
    agents: &[Agent],
    lookup: &Lookup,
    known: Option<&KnownClaims>,
) -> Members<'g> {
    let by_address = by_address(lookup);
    match known {
        // Addresses add to what agents claim by themselves.
        Some(KnownClaims(claims)) if by_address.is_empty() => {
            All { agents, by_address: &by_address, claims, lookup }.members(pools)
        }
        _ => {
            let claims: AllClaims<&str> = AllClaims::of(agents, &by_address);
            All { agents, by_address: &by_address, claims: &claims, lookup }.members(pools)
        }
    }
}

/// A map of so many entries at most, which never grows.
fn with_capacity<K, V>(entries: usize) -> Map<K, V> {
    Map::with_capacity_and_hasher(entries, RandomState::default())
}

/// Whose address it is. Several instances may have the same one.
fn by_address(lookup: &Lookup) -> Map<IpAddr, Vec<&str>> {
    let mut by_address: Map<IpAddr, Vec<&str>> = Map::default();
    if let Lookup::Known(addresses) = lookup {
        for (id, addresses) in addresses {
            for address in addresses {
                by_address.entry(*address).or_default().push(id);
            }
        }
    }
    by_address
}

fn named<'a>(agent: &'a Agent, by_address: &Map<IpAddr, Vec<&'a str>>) -> Named<'a> {
    let found = agent.ip.and_then(|ip| by_address.get(&ip)).map_or(&[][..], Vec::as_slice);
    match (&agent.names, found) {
        (Names::Nothing, []) => Named::Nothing,
        (Names::Nothing, [one]) => Named::One(one),
        (Names::Nothing, several) => Named::Many(several.to_vec()),
        // A disconnected agent may be gone, and its address another instance's.
        (Names::Instance(id), _) if agent.presence != Presence::Connected => Named::One(id),
        (Names::Instance(id), found) if found.is_empty() || found.contains(&&**id) => Named::One(id),
        (Names::Instance(id), found) => Named::Many([&[&**id][..], found].concat()),
        (Names::Contradiction(ids), found) => {
            Named::Many(ids.iter().map(|id| &**id).chain(found.iter().copied()).collect())
        }
    }
}

/// Who claims which instance and which address. Each is searched for once for an agent: then its place is known.
#[derive(Clone, Debug)]
struct AllClaims<K> {
    places: Map<K, usize>,
    instances: Vec<Claimants>,
    addresses: Vec<Claims>,
    /// In the order of the agents.
    of_agents: Vec<Claim>,
    /// What they are by that, in the same order.
    identities: Vec<Identity>,
}

/// What an agent claims.
#[derive(Clone, Copy, Debug)]
struct Claim {
    /// The place of the instance, where it names just one.
    instance: Option<usize>,
    /// The place of its address.
    address: Option<usize>,
}

/// Who claims an instance.
#[derive(Clone, Copy, Debug, Default)]
struct Claimants {
    claims: Claims,
    /// The place of the last agent that claims it; of a connected one, where there is one.
    by: usize,
}

impl<'a, K: From<&'a str> + Borrow<str> + Eq + Hash> AllClaims<K> {
    fn of(agents: &'a [Agent], by_address: &Map<IpAddr, Vec<&'a str>>) -> Self {
        let mut claims = Self {
            places: with_capacity(agents.len()),
            instances: Vec::with_capacity(agents.len()),
            addresses: Vec::with_capacity(agents.len()),
            of_agents: Vec::with_capacity(agents.len()),
            identities: Vec::new(),
        };
        let mut addresses: Map<IpAddr, usize> = with_capacity(agents.len());
        for (by, agent) in agents.iter().enumerate() {
            let instance = match named(agent, by_address) {
                Named::Nothing => None,
                Named::One(id) => Some(claims.add(id, agent.presence, by)),
                Named::Many(ids) => {
                    for id in ids {
                        claims.add(id, agent.presence, by);
                    }
                    None
                }
            };
            let address = agent.ip.map(|ip| place_in(&mut claims.addresses, addresses.entry(ip)));
            if let Some(own) = address.and_then(|place| claims.addresses.get_mut(place)) {
                own.add(agent.presence);
            }
            claims.of_agents.push(Claim { instance, address });
        }
        let own = agents.iter().zip(&claims.of_agents);
        claims.identities = own.map(|(agent, own)| claims.identity(agent, *own)).collect();
        claims
    }

    /// An agent claims that instance. Its place.
    fn add(&mut self, id: &'a str, presence: Presence, by: usize) -> usize {
        let place = place_in(&mut self.instances, self.places.entry(id.into()));
        if let Some(own) = self.instances.get_mut(place) {
            if presence == Presence::Connected || own.claims.connected == 0 {
                own.by = by;
            }
            own.claims.add(presence);
        }
        place
    }
}

impl<K: Borrow<str> + Eq + Hash> AllClaims<K> {
    /// The place of an instance that is claimed.
    fn place_of(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Who claims the instance at that place.
    fn at(&self, place: usize) -> Claims {
        self.instances.get(place).map(|own| own.claims).unwrap_or_default()
    }

    fn of_instance(&self, id: &str) -> Claims {
        self.place_of(id).map(|place| self.at(place)).unwrap_or_default()
    }

    fn of_address(&self, claim: Claim) -> Claims {
        claim.address.and_then(|place| self.addresses.get(place)).copied().unwrap_or_default()
    }

    fn identity(&self, agent: &Agent, claim: Claim) -> Identity {
        let Some(place) = claim.instance else { return Identity::None };
        let (own, address) = (self.at(place), self.of_address(claim));
        match agent.presence {
            Presence::Connected if own.connected == 1 && address.connected <= 1 => {
                Identity::Certain { place, is_sole: own.away == 0 && address.away == 0 }
            }
            Presence::Disconnected if own.all() == 1 => Identity::Certain { place, is_sole: true },
            Presence::Disconnected | Presence::Recovered if own.connected == 1 => Identity::Away,
            Presence::Recovered if own.all() == 1 => Identity::Away,
            Presence::Connected | Presence::Disconnected | Presence::Recovered => Identity::None,
        }
    }
}

/// The place of a value in a list, at whose end a new one comes.
fn place_in<K, T: Default>(values: &mut Vec<T>, entry: Entry<'_, K, usize>) -> usize {
    *entry.or_insert_with(|| {
        values.push(T::default());
        values.len() - 1
    })
}

/// The instances of a group, and where they are claimed.
struct Instances<'g> {
    all: Vec<(&'g Instance, Option<usize>)>,
    by_place: Vec<Option<&'g Instance>>,
}

impl<'g> Instances<'g> {
    fn of<K: Borrow<str> + Eq + Hash>(group: &'g Group, claims: &AllClaims<K>) -> Self {
        let place = |instance: &'g Instance| (instance, claims.place_of(&instance.id));
        let all: Vec<(&Instance, Option<usize>)> = group.instances.iter().map(place).collect();
        let mut by_place = vec![None; claims.instances.len()];
        for (instance, claimed) in &all {
            if let Some(own) = claimed.and_then(|place| by_place.get_mut(place)) {
                *own = Some(*instance);
            }
        }
        Self { all, by_place }
    }

    /// The one that is claimed at that place.
    fn claimed_at(&self, place: usize) -> Option<&'g Instance> {
        self.by_place.get(place).copied().flatten()
    }
}

/// What the members of all pools are found by.
struct All<'m, 'a, K> {
    agents: &'a [Agent],
    by_address: &'m Map<IpAddr, Vec<&'a str>>,
    claims: &'m AllClaims<K>,
    lookup: &'a Lookup,
}

impl<K: Borrow<str> + Eq + Hash> All<'_, '_, K> {
    fn members<'g>(&self, pools: &[Option<PoolGroup<'g>>]) -> Members<'g> {
        let placements = vec![Placement::NotDescribed; self.agents.len()];
        let mut members = Members { placements, pools: Vec::with_capacity(pools.len()) };
        let mut of_pool: Vec<Vec<usize>> = vec![Vec::new(); pools.len()];
        for (index, agent) in self.agents.iter().enumerate() {
            let pool = agent.pool.and_then(|pool| of_pool.get_mut(usize::try_from(pool).ok()?));
            if let Some(own) = pool {
                own.push(index);
            }
        }
        for (index, (pool, own)) in (0..).zip(pools.iter().zip(&of_pool)) {
            members.pools.push(pool.as_ref().map(|pool| self.pool(index, pool, own, &mut members.placements)));
        }
        members
    }

    /// The members of the pool of that index, whose agents are `own`.
    fn pool<'g>(
        &self,
        index: u32,
        pool: &PoolGroup<'g>,
        own: &[usize],
        placements: &mut [Placement<'g>],
    ) -> PoolMembers {
        let instances = Instances::of(pool.group, self.claims);
        let is_outside = self.tells_outside_by_address(&instances, own);
        let mut found = PoolMembers { members: pool.group.counts(), ..PoolMembers::default() };
        let mut without_identity = 0;
        let is_recent = |agent: &Agent| agent.registered_at.is_some_and(|at| at > pool.joining_since);
        let counts_as_recent = |agent: &Agent| pool.registrations_are_new && is_recent(agent);
        for place in own {
            let (Some(agent), Some(claim), Some(identity)) =
                (self.agents.get(*place), self.claims.of_agents.get(*place), self.claims.identities.get(*place))
            else {
                continue;
            };
            let placement = match identity {
                Identity::Certain { place, is_sole } => match instances.claimed_at(*place) {
                    Some(instance) => {
                        let tag = pool.group.decommissioning.get(&instance.id);
                        Placement::On {
                            instance,
                            is_sole: *is_sole,
                            is_protected: pool.group.protects(instance),
                            is_decommissioning: tag.is_some(),
                            decommissioning_since: tag.copied().flatten(),
                        }
                    }
                    None => Placement::Outside,
                },
                Identity::Away => Placement::Away,
                Identity::None => match named(agent, self.by_address) {
                    // What a hostname shows need not be the address by which EC2 knows the instance.
                    Named::Nothing if agent.ip.is_some() && agent.presence != Presence::Recovered && is_outside => {
                        Placement::Outside
                    }
                    Named::Nothing
                        if agent.needs_address()
                            && *self.lookup == Lookup::NotAsked
                            && self.claims.of_address(*claim).all() == 1 =>
                    {
                        Placement::NotLookedUp
                    }
                    Named::Nothing | Named::One(_) | Named::Many(_) => Placement::Unidentified,
                },
            };
            if placement == Placement::Unidentified {
                found.unidentified = found.unidentified.saturating_add(1);
                let cause = self.cause(agent, *claim);
                found.cause = found.cause.take().into_iter().chain([cause]).min();
            }
            if matches!(placement, Placement::NotLookedUp | Placement::Unidentified) {
                without_identity += 1;
                if counts_as_recent(agent) {
                    found.members.unidentified_recent = found.members.unidentified_recent.saturating_add(1);
                }
            }
            if placement == Placement::Outside && agent.presence == Presence::Connected {
                found.members.outside = found.members.outside.saturating_add(1);
            }
            if let Some(slot) = placements.get_mut(*place) {
                *slot = placement;
            }
        }
        found.members.unidentified = Some(without_identity).filter(|agents| *agents > 0);
        let is_unfit = |agent: &Agent| agent.is_unfit || agent.pool.is_some_and(|own| own != index);
        self.count(&instances, is_recent, is_unfit, &mut found.members);
        found
    }

    /// The agent of the instance claimed at that place, where it certainly has one.
    fn joined(&self, place: usize) -> Option<&Agent> {
        let by = self.claims.instances.get(place)?.by;
        let is_certain =
            matches!(self.claims.identities.get(by)?, Identity::Certain { place: own, .. } if *own == place);
        self.agents.get(by).filter(|_| is_certain)
    }

    /// Counts the instances of a group. Where the instance of some agent is not known, it may be any that no agent claims.
    fn count(
        &self,
        instances: &Instances<'_>,
        is_recent: impl Fn(&Agent) -> bool,
        is_unfit: impl Fn(&Agent) -> bool,
        members: &mut GroupMembers,
    ) {
        let (mut not_joined, mut ambiguous, mut recent, mut unfit) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (instance, claimed) in instances.all.iter().filter(|(instance, _)| instance.lifecycle.is_capacity()) {
            let id = instance.id.as_str();
            match claimed.map(|place| self.joined(place)) {
                Some(Some(agent)) => {
                    members.joined = members.joined.saturating_add(1);
                    recent.extend(is_recent(agent).then_some(id));
                    unfit.extend(is_unfit(agent).then_some(id));
                }
                Some(None) => ambiguous.push(id),
                None => not_joined.push(id),
            }
        }
        members.unknown = saturated(ambiguous.len());
        if members.unidentified.is_some() {
            members.unknown = members.unknown.saturating_add(saturated(not_joined.len()));
            not_joined.clear();
        }
        members.not_joined_count = saturated(not_joined.len());
        members.not_joined = listed(not_joined, GroupMembers::MAX_LISTED);
        members.ambiguous = listed(ambiguous, GroupMembers::MAX_LISTED);
        members.unfit = listed(unfit, GroupMembers::MAX_LISTED);
        members.joined_recent =
            (recent.len() <= GroupMembers::MAX_RECENT).then(|| listed(recent, GroupMembers::MAX_RECENT));
    }

    /// Whether an agent whose address no instance has runs outside of the group. That is certain only where the addresses of
    /// all instances are known, and addresses lead to instances in this pool at all: behind a bridge or NAT they do not.
    fn tells_outside_by_address(&self, instances: &Instances<'_>, own: &[usize]) -> bool {
        let Lookup::Known(addresses) = self.lookup else { return false };
        let is_known = |instance: &Instance| addresses.get(&instance.id).is_some_and(|known| !known.is_empty());
        let mut that_run = instances.all.iter().filter(|(instance, _)| instance.lifecycle.may_run());
        if !that_run.all(|(instance, _)| is_known(instance)) {
            return false;
        }
        let is_found = |index: &usize| {
            let ip = self.agents.get(*index).and_then(|agent| agent.ip);
            let has_address =
                |id: &str| ip.is_some_and(|ip| addresses.get(id).is_some_and(|known| known.contains(&ip)));
            let Some(Identity::Certain { place, .. }) = self.claims.identities.get(*index) else { return false };
            instances.claimed_at(*place).is_some_and(|instance| has_address(&instance.id))
        };
        let is_unclaimed =
            |(instance, claimed): &(&Instance, Option<usize>)| instance.lifecycle.is_capacity() && claimed.is_none();
        own.iter().any(is_found) || !instances.all.iter().any(is_unclaimed)
    }

    fn cause(&self, agent: &Agent, claim: Claim) -> Cause {
        let agents = self.claims.of_address(claim).all();
        match (named(agent, self.by_address), agent.ip) {
            (Named::One(id), _) if self.claims.of_instance(id).all() > 1 => {
                Cause::SharedInstance { instance: id.to_owned(), agents: self.claims.of_instance(id).all() }
            }
            (Named::Many(ids), _) => {
                let names = ids.into_iter().map(str::to_owned).collect();
                Cause::Contradiction { hostname: agent.hostname.to_string(), names }
            }
            (Named::One(_) | Named::Nothing, Some(address)) if agents > 1 => Cause::SharedAddress { address, agents },
            (Named::One(_) | Named::Nothing, _) => Cause::NoName { hostname: agent.hostname.to_string() },
        }
    }
}

/// The smallest ids, in their order.
fn listed(mut ids: Vec<&str>, most: usize) -> Vec<String> {
    ids.sort_unstable();
    ids.into_iter().take(most).map(str::to_owned).collect()
}
