//! H12: an agent goes only where other agents have places for its instances of which each may hold only so many.

use std::collections::BTreeMap;

use shared::contract::TaskGroup;
use shared::resources::{Kind, Resources};

use super::Member;
use super::member::Standing;

/// An application of which an agent may hold only so many instances, and which is no daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Limited {
    pub(in super::super) max_per_agent: u32,
    /// How many of its instances wait for a place.
    pub(in super::super) queued: u32,
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

/// Where the instances of all such applications run, and how many more may.
#[derive(Debug, Default)]
pub(super) struct Hosts(Vec<Spread>);

/// The same of one application.
#[derive(Debug)]
struct Spread {
    limited: Limited,
    /// What one instance takes.
    size: Resources,
    /// How many run on which members.
    running: BTreeMap<usize, u32>,
    /// How many more the agents that stay may hold, without those that wait or run on agents that are on their way out.
    spare: i64,
}

impl Hosts {
    /// `limited` says of an application, by its number, what is known of it; `None` where nothing limits it.
    pub(super) fn of(members: &[Member], instances: &[Instances], limited: impl Fn(u32) -> Option<Limited>) -> Self {
        let mut spreads: BTreeMap<u32, Option<Spread>> = BTreeMap::new();
        for Instances { application, place, tasks } in instances {
            let spread = spreads.entry(*application).or_insert_with(|| limited(*application).map(Spread::new));
            let Some(spread) = spread else { continue };
            spread.size = Resources::largest([spread.size, tasks.resources].into_iter());
            let running = spread.running.entry(*place).or_insert(0);
            *running = running.saturating_add(tasks.count);
        }
        let mut hosts = Self(spreads.into_values().flatten().collect());
        hosts.0.iter_mut().for_each(|spread| spread.count_spare(members));
        hosts
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of those members, in their order, of which all instances that run there, or would start there, have places on members
    /// that stay. The others before them are marked.
    pub(super) fn release(mut self, members: &mut [Member], in_order: Vec<usize>, most: usize) -> Vec<usize> {
        let mut released = Vec::new();
        for place in in_order {
            let Some(member) = members.get_mut(place).filter(|_| released.len() < most) else { break };
            let taken = |spread: &Spread| spread.taken_by(place, member);
            let may_go = self.0.iter().all(|spread| taken(spread) == 0 || taken(spread) <= spread.spare);
            if may_go {
                self.0.iter_mut().for_each(|spread| spread.spare -= spread.taken_by(place, member));
                released.push(place);
            }
            member.sole_host = !may_go;
        }
        released
    }
}

impl Spread {
    const fn new(limited: Limited) -> Self {
        Self { limited, size: Resources::ZERO, running: BTreeMap::new(), spare: 0 }
    }

    fn count_spare(&mut self, members: &[Member]) {
        let each = members.iter().enumerate().map(|(place, member)| match member.standing {
            Standing::Usable => self.places(place, member),
            // They run on, or may return with it.
            Standing::Disconnected | Standing::SetAside => 0,
            Standing::Draining(_) | Standing::Deactivated | Standing::Inactive => -self.running_on(place),
        });
        self.spare = each.sum::<i64>() - i64::from(self.limited.queued);
    }

    /// By how many places fewer there are without a member: its own, and those that its instances need.
    fn taken_by(&self, place: usize, member: &Member) -> i64 {
        self.running_on(place) + self.places(place, member)
    }

    fn running_on(&self, place: usize) -> i64 {
        self.running.get(&place).copied().unwrap_or_default().into()
    }

    /// How many more instances a usable member may hold.
    fn places(&self, place: usize, member: &Member) -> i64 {
        let left = i64::from(self.limited.max_per_agent) - self.running_on(place);
        if left <= 0 || !(self.limited.gpu_aware || member.resources.total.gpus.is_zero()) {
            return 0;
        }
        let free = member.free();
        let (size, thousandths) = (&self.size, |resources: &Resources, kind| resources.get(kind).thousandths());
        let room =
            Kind::ALL.into_iter().filter_map(|kind| thousandths(&free, kind).checked_div(thousandths(size, kind)));
        room.min().and_then(|room| i64::try_from(room).ok()).map_or(left, |room| room.min(left))
    }
}
