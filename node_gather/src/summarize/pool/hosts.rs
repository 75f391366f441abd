//! H12: an agent goes only where other agents have places for its instances of applications that not every agent may run, or not in any
//! number.
//!
//! Instances are given places one by one, each on the first agent with room for it that may hold one more. So two applications do not
//! count on the same room. What waits, or runs on an agent that is on its way out, comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use shared::contract::TaskGroup;
use shared::count::saturated;
use shared::resources::Resources;

use super::Member;
use super::member::Standing;
use crate::marathon::constraints::Constraints;

/// An application that not every agent may run, or not in any number, and which is no daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Limited {
    pub(in super::super) max_per_agent: u32,
    /// Those that tell agents apart.
    pub(in super::super) constraints: Constraints,
    /// How many of its instances wait for a place, and what one of them takes.
    pub(in super::super) queued: TaskGroup,
    /// Whether it is offered agents with gpus.
    pub(in super::super) gpu_aware: bool,
}

/// The instances of an application on one member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instances {
    pub(super) application: u32,
    pub(super) place: usize,
    pub(super) tasks: TaskGroup,
}

/// What is known of the members once all instances have a place.
#[derive(Debug)]
pub(super) struct Released {
    /// The first that may go, in their order.
    pub(super) places: Vec<usize>,
    /// Those before the last of them, and those on their way out, whose instances no member that stays may hold.
    pub(super) sole_hosts: Vec<usize>,
}

/// Where the instances of all such applications run, or will run.
#[derive(Debug)]
pub(super) struct Hosts<'m> {
    members: &'m [Member],
    applications: Vec<Spread>,
    /// By member, what is free there; `None` where nothing more starts.
    free: Vec<Option<Resources>>,
    /// The members, those that stay first.
    order: Vec<usize>,
    /// Likewise those that have the same values of fields, for all fields of which instances have one value.
    groups: BTreeMap<Vec<String>, Vec<Rc<[usize]>>>,
}

/// The instances of one application.
#[derive(Debug)]
struct Spread {
    limited: Limited,
    /// What one of those that run takes.
    size: Resources,
    /// How many a member holds, or has a place for.
    on: BTreeMap<usize, u32>,
    /// By member, whether its name and values admit the application, where that was asked.
    admits: Vec<Option<bool>>,
}

/// So many instances of an application that were given a place.
#[derive(Clone, Copy, Debug)]
struct Placed {
    spread: usize,
    place: usize,
    instances: TaskGroup,
}

impl<'m> Hosts<'m> {
    /// `limited` says of an application, by its number, what is known of it; `None` where nothing limits it.
    pub(super) fn of(members: &'m [Member], running: &[Instances], limited: impl Fn(u32) -> Option<Limited>) -> Self {
        let mut spreads: BTreeMap<u32, Option<Spread>> = BTreeMap::new();
        for Instances { application, place, tasks } in running {
            let new = || limited(*application).map(Spread::new);
            let Some(spread) = spreads.entry(*application).or_insert_with(new) else { continue };
            spread.size = Resources::largest([spread.size, tasks.resources].into_iter());
            let on = spread.on.entry(*place).or_insert(0);
            *on = on.saturating_add(tasks.count);
        }
        let applications: Vec<Spread> = spreads.into_values().flatten().collect();
        Self { members, applications, free: Vec::new(), order: Vec::new(), groups: BTreeMap::new() }
    }

    /// Whether no instance runs that not every agent with room may hold.
    pub(super) const fn is_empty(&self) -> bool {
        self.applications.is_empty()
    }

    /// Lets go the first of these members, in their order, whose instances have places on members that stay.
    pub(super) fn release(mut self, may_go: Vec<usize>, most: usize) -> Released {
        if self.is_empty() {
            let places = may_go.into_iter().take(most).collect();
            return Released { places, sole_hosts: Vec::new() };
        }
        self.free = self.members.iter().map(|member| member.is_usable().then(|| member.free())).collect();
        let goes: BTreeSet<usize> = may_go.iter().copied().collect();
        let stays = (0..self.members.len()).filter(|place| !goes.contains(place));
        self.order = stays.chain(may_go.iter().rev().copied()).collect();
        let together = self.applications.iter().map(Spread::together).filter(|fields| !fields.is_empty());
        let together: BTreeSet<Vec<String>> = together.collect();
        self.groups = together.into_iter().map(|fields| (fields.clone(), self.grouped(&fields))).collect();
        let mut released = Released { places: Vec::new(), sole_hosts: self.settle() };
        for place in may_go {
            if released.places.len() == most {
                break;
            }
            let group = if self.lets_go(place) { &mut released.places } else { &mut released.sole_hosts };
            group.push(place);
        }
        released
    }

    /// The members that have a value of each of these fields, by these values.
    fn grouped(&self, fields: &[String]) -> Vec<Rc<[usize]>> {
        let mut groups: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
        for place in &self.order {
            let values = |member: &'m Member| fields.iter().map(|field| member.value(field)).collect();
            if let Some(values) = self.members.get(*place).and_then(values) {
                groups.entry(values).or_default().push(*place);
            }
        }
        groups.into_values().map(Rc::from).collect()
    }

    /// Gives places to what is on its way out, and then to what waits. Returns the members of the first where some have none.
    fn settle(&mut self) -> Vec<usize> {
        let mut sole_hosts = BTreeSet::new();
        for number in 0..self.applications.len() {
            let leaving = self.applications.get_mut(number).map(|spread| spread.take_leaving(self.members));
            for (place, instances) in leaving.unwrap_or_default() {
                if self.give_places(number, instances, Some(place), &mut Vec::new()) > 0 {
                    sole_hosts.insert(place);
                }
            }
        }
        let queued: Vec<TaskGroup> = self.applications.iter().map(|spread| spread.limited.queued).collect();
        for (number, queued) in queued.into_iter().enumerate() {
            self.give_places(number, queued, None, &mut Vec::new());
        }
        sole_hosts.into_iter().collect()
    }

    /// Lets a member go if all that it holds has places on others.
    fn lets_go(&mut self, place: usize) -> bool {
        let free = self.free.get_mut(place).and_then(Option::take);
        let mut placed = Vec::new();
        for number in 0..self.applications.len() {
            let Some(spread) = self.applications.get(number) else { continue };
            let count = spread.on.get(&place).copied().unwrap_or_default();
            let instances = TaskGroup { count, resources: spread.size };
            if self.give_places(number, instances, Some(place), &mut placed) > 0 {
                placed.into_iter().for_each(|placed| self.undo(placed));
                if let Some(own) = self.free.get_mut(place) {
                    *own = free;
                }
                return false;
            }
        }
        for spread in &mut self.applications {
            spread.on.remove(&place);
        }
        true
    }

    /// Gives places to instances of an application that run on that member, or on none. Returns how many have none.
    fn give_places(
        &mut self,
        number: usize,
        instances: TaskGroup,
        from: Option<usize>,
        placed: &mut Vec<Placed>,
    ) -> u32 {
        let Some(spread) = self.applications.get(number).filter(|_| instances.count > 0) else { return 0 };
        let fields = spread.together();
        if fields.is_empty() {
            return self.give_places_among(number, instances, from, None, placed);
        }
        // Where others of them run, or wherever all find a place.
        let others = spread.others(from).next();
        let groups = self.groups.get(&fields).map_or(&[][..], Vec::as_slice);
        let holds_others = |group: &&Rc<[usize]>| others.is_none_or(|place| group.contains(&place));
        let groups: Vec<Rc<[usize]>> = groups.iter().filter(holds_others).map(Rc::clone).collect();
        for group in groups {
            let first = placed.len();
            if self.give_places_among(number, instances, from, Some(&group), placed) == 0 {
                return 0;
            }
            placed.drain(first..).for_each(|placed| self.undo(placed));
        }
        instances.count
    }

    /// The same among those members, or all.
    fn give_places_among(
        &mut self,
        number: usize,
        instances: TaskGroup,
        from: Option<usize>,
        among: Option<&[usize]>,
        placed: &mut Vec<Placed>,
    ) -> u32 {
        let Some(spread) = self.applications.get_mut(number) else { return instances.count };
        let others = saturated(spread.others(from).count());
        let Spread { limited, on: held, admits, .. } = spread;
        admits.resize(self.members.len(), None);
        let mut values = values(&limited.constraints, held, self.members, from);
        let mut lacking = limited.constraints.least_agents().saturating_sub(others);
        let mut left = instances.count;
        // Twice where the first ones go one by one to agents without any.
        let rounds = if lacking > 0 { 2 } else { 1 };
        let order = among.unwrap_or(&self.order);
        for place in std::iter::repeat_n(order, rounds).flatten() {
            if left == 0 {
                break;
            }
            let Some(Some(free)) = self.free.get_mut(*place) else { continue };
            if !instances.resources.fits_in(free) {
                continue;
            }
            let is_offered = |member: &Member| limited.gpu_aware || member.resources.total.gpus.is_zero();
            let Some(member) = self.members.get(*place).filter(|member| is_offered(member)) else { continue };
            let on = held.get(place).copied().unwrap_or_default();
            let of_agent = match (lacking, on) {
                (0, _) => limited.max_per_agent.saturating_sub(on),
                (_, 0) => 1,
                _ => 0,
            };
            let admitted = values.iter().map(|values| values.admit(member)).min().unwrap_or(u32::MAX);
            let most = of_agent.min(left).min(admitted);
            let count = saturated(instances.resources.times_in(free)).min(most);
            let admit = || limited.constraints.admit(|field| member.values(field));
            let is_admitted = |admits: &mut Option<bool>| *admits.get_or_insert_with(admit);
            if count > 0 && admits.get_mut(*place).is_some_and(is_admitted) {
                lacking = lacking.saturating_sub(u32::from(on == 0));
                *free = free.saturating_sub(&instances.resources.times(count.into()));
                held.insert(*place, on.saturating_add(count));
                left -= count;
                values.iter_mut().for_each(|values| values.hold(member));
                placed.push(Placed { spread: number, place: *place, instances: TaskGroup { count, ..instances } });
            }
        }
        left
    }

    fn undo(&mut self, Placed { spread, place, instances }: Placed) {
        if let Some(on) = self.applications.get_mut(spread).and_then(|spread| spread.on.get_mut(&place)) {
            *on = on.saturating_sub(instances.count);
        }
        if let Some(Some(free)) = self.free.get_mut(place) {
            *free += instances.resources.times(instances.count.into());
        }
    }
}

/// The values of an attribute, seen from instances that move.
#[derive(Debug)]
struct Values<'m> {
    attribute: &'m str,
    /// That of the agent that they leave.
    own: &'m str,
    /// Those of agents that hold others.
    held: BTreeSet<&'m str>,
}

impl<'m> Values<'m> {
    /// How many may move to that member: of one value no more than there were, and of another one that holds none a single one, as any such
    /// constraint allows. What else `MAX_PER` and `GROUP_BY` allow is not counted.
    fn admit(&self, member: &Member) -> u32 {
        match member.value(self.attribute) {
            None => 0,
            Some(value) if value == self.own => u32::MAX,
            Some(value) => u32::from(!self.held.contains(value)),
        }
    }

    fn hold(&mut self, member: &'m Member) {
        self.held.extend(member.value(self.attribute));
    }
}

/// Those by which instances are spread that leave a member. Where it has none, nothing is known of it.
fn values<'v>(
    constraints: &'v Constraints,
    on: &BTreeMap<usize, u32>,
    members: &'v [Member],
    from: Option<usize>,
) -> Vec<Values<'v>> {
    let Some(from) = from.and_then(|place| members.get(place)) else { return Vec::new() };
    let holding = || on.iter().filter(|(_, count)| **count > 0).filter_map(|(place, _)| members.get(*place));
    let values = |attribute: &'v str| {
        let held = holding().filter_map(|member| member.value(attribute)).collect();
        Some(Values { attribute, own: from.value(attribute)?, held })
    };
    constraints.spread_over().filter_map(values).collect()
}

impl Spread {
    const fn new(limited: Limited) -> Self {
        Self { limited, size: Resources::ZERO, on: BTreeMap::new(), admits: Vec::new() }
    }

    /// The fields of which all its instances have one value.
    fn together(&self) -> Vec<String> {
        self.limited.constraints.together_in().map(str::to_owned).collect()
    }

    /// The members that hold instances, but for that one.
    fn others(&self, from: Option<usize>) -> impl Iterator<Item = usize> {
        let holding = self.on.iter().filter(|(_, count)| **count > 0).map(|(place, _)| *place);
        holding.filter(move |place| from != Some(*place))
    }

    /// Those on members that are on their way out, by member. What is disconnected, or set aside, runs on.
    fn take_leaving(&mut self, members: &[Member]) -> Vec<(usize, TaskGroup)> {
        let leaves = |member: &Member| {
            matches!(member.standing, Standing::Draining(_) | Standing::Deactivated | Standing::Inactive)
        };
        let mut leaving = Vec::new();
        self.on.retain(|place, count| {
            let leaves = members.get(*place).is_some_and(leaves);
            if leaves {
                leaving.push((*place, TaskGroup { count: *count, resources: self.size }));
            }
            !leaves
        });
        leaving
    }
}
