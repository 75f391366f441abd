//! B5: what was asked for and does not arrive, for any reason, counted until a launch brings an agent.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::count::saturated;

use super::in_flight::{Join, JoinStatus, Members};
use super::{Activity, ActivityKind, ActivityStatus, GroupState, Lifecycle, listed_capacity};

/// How long no scale-up is tried after one, two, three, four or more launches in a row that brought no agent.
const BACK_OFF: [SignedDuration; 4] = [
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(20),
    SignedDuration::from_mins(30),
];

/// How far back launches show whether instances join at all, and after which gap a loss is of another series: for as long, and
/// for `join_timeout`.
const RECENT: SignedDuration = SignedDuration::from_mins(60);

/// With fewer launches than these that brought no agent it may be chance.
const FEW: u32 = 3;

/// The launches that brought no agent, since the last one that did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    /// How many there are.
    pub(super) count: u32,
    /// When the last of them was known to have brought none, and why.
    pub(super) last: Option<(Timestamp, Loss)>,
    /// Whether instances that never joined, or whose agents take no tasks of the pool, are among them.
    pub(super) never_joined: bool,
    /// The instances of those that are overdue or replaced.
    lost: BTreeSet<String>,
    /// When the last launch that brought an agent started.
    joined_at: Option<Timestamp>,
}

/// Why a launch brought no agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It failed, or was cancelled; what Auto Scaling said about it.
    Failed(String),
    /// It has been in progress for too long.
    Overdue,
    /// Its instance was ended, and is replaced.
    Replaced(String),
    /// Its instance never joined.
    NeverJoined,
    /// The agent of its instance takes no tasks of the pool.
    Unfit(String),
}

/// A launch that brought no agent, when that was known, and why.
type Lost<'a> = (&'a Activity, Timestamp, Loss);

/// What came of a launch.
enum Fate {
    Joined,
    Lost(Timestamp, Loss),
    /// Not known yet, or not this rule's to judge.
    Open,
}

impl Breaker {
    pub(super) fn new(state: &GroupState, members: &Members<'_>, joins: &JoinStatus) -> Self {
        let never_joins = never_joins(state, members, joins);
        let launches = state.activities.iter().filter(|activity| activity.kind == ActivityKind::Launch);
        let mut joined_at = None;
        let mut lost = Vec::new();
        for launch in launches {
            match fate(launch, state, members, never_joins) {
                Fate::Joined => joined_at = joined_at.max(Some(launch.start)),
                Fate::Lost(at, loss) => lost.push((launch, at, loss)),
                Fate::Open => {}
            }
        }
        lost.retain(|(launch, _, _)| joined_at.is_none_or(|joined| launch.start > joined));
        // A group that lacks nothing has asked for no launch without an instance: it tries to make its zones equal.
        let lacks = i64::from(state.group.desired_capacity) > listed_capacity(&state.group);
        if !lacks {
            lost.retain(|(launch, _, _)| launch.instance_id.is_some());
            lost = of_this_series(lost, members);
        }
        let is_gone = |loss: &Loss| matches!(loss, Loss::Overdue | Loss::Replaced(_));
        let gone = lost.iter().filter(|(_, _, loss)| is_gone(loss));
        Self {
            count: saturated(lost.len()),
            never_joined: lost.iter().any(|(_, _, loss)| matches!(loss, Loss::NeverJoined | Loss::Unfit(_))),
            lost: gone.filter_map(|(launch, _, _)| launch.instance_id.clone()).collect(),
            joined_at,
            last: lost.into_iter().map(|(_, at, loss)| (at, loss)).max_by_key(|(at, _)| *at),
        }
    }

    /// Whether there are so many that what arrives by now is not believed either.
    pub(super) const fn is_tripped(&self) -> bool {
        self.count >= FEW
    }

    /// Whether the instance of a launch that counts here is lost: overdue, or replaced.
    pub(super) fn is_lost(&self, instance: &str) -> bool {
        self.lost.contains(instance)
    }

    /// Whether an activity belongs to a series that brings no agent, so that nothing needs to wait for it.
    pub(super) fn is_futile(&self, activity: &Activity) -> bool {
        let is_lost = || activity.instance_id.as_deref().is_some_and(|id| self.is_lost(id));
        let since_joined = || self.joined_at.is_none_or(|joined| activity.start > joined);
        self.is_tripped()
            && match activity.kind {
                ActivityKind::Launch => since_joined(),
                ActivityKind::Terminate => activity.is_replacement && is_lost(),
                ActivityKind::Attach | ActivityKind::WarmPool | ActivityKind::Other => false,
            }
    }

    /// How long nothing is tried after the last one; `None` where there is none.
    pub(super) fn pause(&self) -> Option<SignedDuration> {
        let index = self.count.checked_sub(1)?;
        BACK_OFF.get(index as usize).or(BACK_OFF.last()).copied()
    }
}

/// The losses up to the first gap, from now back: in a group that has what it asked for, an older one says nothing of the
/// launches of now. Those in progress, and those whose instances are there, last until now.
fn of_this_series<'a>(mut lost: Vec<Lost<'a>>, members: &Members<'_>) -> Vec<Lost<'a>> {
    let lasts = |loss: &Loss| matches!(loss, Loss::Overdue | Loss::NeverJoined | Loss::Unfit(_));
    let end = |(_, at, loss): &Lost<'_>| if lasts(loss) { members.now } else { *at };
    let gap = RECENT.saturating_add(members.join_timeout);
    lost.sort_by_key(|lost| std::cmp::Reverse(end(lost)));
    let mut next = members.now;
    let follows = |lost: &Lost<'_>| {
        let is_near = next.duration_since(end(lost)) < gap;
        next = next.min(lost.0.start);
        is_near
    };
    lost.into_iter().take_while(follows).collect()
}

/// Whether instances launch and never become agents (a bad image, a network without a way to the masters): those that never
/// joined are many, and all of those launched lately that had the time are among them.
fn never_joins(state: &GroupState, members: &Members<'_>, joins: &JoinStatus) -> bool {
    let group = &state.group;
    let fifth = saturated(group.instances.len()) / 5;
    if joins.never_joined < fifth.max(FEW) {
        return false;
    }
    let recently = members.now.saturating_sub(RECENT.saturating_add(members.join_timeout)).unwrap_or(Timestamp::MIN);
    let launched = group.instances.iter().map(|instance| (instance, members.activity_of(&instance.instance_id)));
    let had_time = launched.filter(|(instance, launch)| {
        instance.is_capacity()
            && launch.is_some_and(|launch| launch.start > recently && !members.is_young(instance, launch))
            && !launch.is_some_and(|launch| members.is_overdue(launch))
    });
    let (mut all, mut missing) = (0_u32, 0_u32);
    for (instance, launch) in had_time {
        all += 1;
        let is_unclaimed = joins.never_joined_unclaimed > 0 && members.join(instance, launch) == Join::Unclaimed;
        missing += u32::from(is_unclaimed || joins.never_joined_ids.contains(&instance.instance_id));
    }
    // Where single instances are not known, their number decides; agents without identity may be on some of them.
    let are_enough =
        if joins.never_joined_unclaimed > 0 { joins.never_joined > all / 2 } else { joins.never_joined >= all };
    all > 0 && are_enough && (members.knows_nothing() || missing == all)
}

fn fate(launch: &Activity, state: &GroupState, members: &Members<'_>, never_joins: bool) -> Fate {
    match launch.status {
        ActivityStatus::Failed | ActivityStatus::Cancelled => {
            let message = launch.message.clone().unwrap_or_else(|| "no message".to_owned());
            Fate::Lost(launch.ended(members.now).unwrap_or(launch.start), Loss::Failed(message))
        }
        ActivityStatus::InProgress if members.is_overdue(launch) && !has_joined(launch, members) => {
            Fate::Lost(after(launch.start, members.join_timeout), Loss::Overdue)
        }
        ActivityStatus::InProgress => Fate::Open,
        ActivityStatus::Successful => launch
            .instance_id
            .as_deref()
            .map_or(Fate::Open, |id| fate_of_instance(id, launch, state, members, never_joins)),
    }
}

/// Whether the agent of a launch is there, though something goes on: a hook, or the warm-up of the group.
fn has_joined(launch: &Activity, members: &Members<'_>) -> bool {
    let arrival = launch.instance_id.as_deref().and_then(|id| members.arrival(id));
    let instance = arrival.and_then(|arrival| arrival.instance);
    instance.is_some_and(|instance| members.join(instance, Some(launch)) == Join::Joined)
}

fn fate_of_instance(id: &str, launch: &Activity, state: &GroupState, members: &Members<'_>, never_joins: bool) -> Fate {
    let end = launch.ended(members.now).unwrap_or(launch.start);
    let arrival = members.arrival(id);
    let latest = arrival.and_then(|arrival| arrival.launch);
    let is_latest = latest.is_none_or(|latest| latest.start == launch.start);
    let instance = arrival.and_then(|arrival| arrival.instance);
    // An operator may have attached it since, or moved it out of standby.
    let brought_by = arrival.map_or(launch, |arrival| arrival.activity);
    let in_service = instance.filter(|instance| instance.lifecycle_state == Lifecycle::InService);
    match in_service {
        _ if !is_latest => Fate::Open,
        Some(instance) => {
            let had_time = !members.is_young(instance, brought_by);
            match members.join(instance, arrival.map(|arrival| arrival.activity)) {
                Join::Joined => Fate::Joined,
                Join::Unfit if had_time => Fate::Lost(after(end, members.join_timeout), Loss::Unfit(id.to_owned())),
                Join::NotJoined if had_time && never_joins && (members.is_missing(id) || members.knows_nothing()) => {
                    Fate::Lost(after(end, members.join_timeout), Loss::NeverJoined)
                }
                Join::Unclaimed if had_time && never_joins => {
                    Fate::Lost(after(end, members.join_timeout), Loss::NeverJoined)
                }
                // Where single instances are not known, one in service is the best news there is.
                Join::NotJoined if members.knows_nothing() => Fate::Joined,
                Join::NotJoined | Join::Ambiguous | Join::Unclaimed | Join::Unfit => Fate::Open,
            }
        }
        None => {
            let ended = state.activities.iter().find(|activity| {
                activity.is_replacement
                    && activity.instance_id.as_deref() == Some(id)
                    && activity.start >= launch.start
                    && activity.start.duration_since(end) < members.join_timeout
            });
            match ended {
                Some(ended) => Fate::Lost(ended.start, Loss::Replaced(id.to_owned())),
                None if members.knows_nothing() => Fate::Joined,
                None => Fate::Open,
            }
        }
    }
}

fn after(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
