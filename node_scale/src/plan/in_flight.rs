//! Capacity that was requested and has not joined yet, and instances that never joined: by the ids of instances, never by
//! their number.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use jiff::{SignedDuration, Timestamp};
use shared::config::Policy;
use shared::contract::{GroupMembers, ScalingDecision};
use shared::count::saturated;

use super::{
    Activity, ActivityKind, ActivityStatus, Group, GroupState, Instance, LISTING_DELAY, Lifecycle, listed_capacity,
    signed,
};

/// How many of the group's instances are not agents that the snapshot counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JoinStatus {
    /// Instances that the group has still to launch.
    pub(super) to_launch: u32,
    /// Instances that are expected to join.
    pub(super) arriving: u32,
    /// Those of `arriving` that the snapshot cannot know.
    pub(super) since_snapshot: u32,
    /// Instances that are too old to be expected.
    pub(super) never_joined: u32,
    /// Which ones, as far as that is known.
    pub(super) never_joined_ids: Vec<String>,
    /// How many of them are among those that no agent claims while some agents have no identity.
    pub(super) never_joined_unclaimed: u32,
}

/// What the snapshot says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// It is an agent.
    Joined,
    /// It is none.
    NotJoined,
    /// Agents claim it, but not one alone: it may be one.
    Ambiguous,
    /// Nobody claims it, and some agents have no identity.
    Unclaimed,
    /// Its agent takes no tasks of the pool.
    Unfit,
}

/// Which instances the snapshot knows as agents, and when each was launched, or came into the group.
pub(super) struct Members<'a> {
    known: Known<'a>,
    arrivals: HashMap<&'a str, Arrival<'a>, RandomState>,
    /// Those of the group's instances, in their order.
    of_instances: Vec<Option<&'a Activity>>,
    taken_at: Timestamp,
    pub(super) now: Timestamp,
    pub(super) join_timeout: SignedDuration,
}

/// How an instance came into the group, and that instance while the group lists it.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    /// What brought it last: a launch, or an operator who attached it or moved it out of standby.
    pub(super) activity: &'a Activity,
    /// Its latest launch.
    pub(super) launch: Option<&'a Activity>,
    pub(super) instance: Option<&'a Instance>,
}

impl<'a> Arrival<'a> {
    const fn new(activity: &'a Activity) -> Self {
        Self { activity, launch: None, instance: None }
    }

    fn add(&mut self, activity: &'a Activity) {
        self.activity = later(self.activity, activity);
        if activity.kind == ActivityKind::Launch {
            self.launch = Some(self.launch.map_or(activity, |launch| later(launch, activity)));
        }
    }
}

/// Where the knowledge comes from.
enum Known<'a> {
    /// Of a Mesos pool.
    Listed(Listed<'a>),
    /// Of a pool of CloudWatch: every instance in service is one of its agents.
    InService,
    /// Nothing is known of single instances.
    Nothing,
}

struct Listed<'a> {
    joined_recent: Option<BTreeSet<&'a str>>,
    not_joined: BTreeSet<&'a str>,
    ambiguous: BTreeSet<&'a str>,
    unfit: BTreeSet<&'a str>,
    /// Whether all instances that are no agents are listed.
    is_whole: bool,
    /// How many instances no agent claims, while some agents have no identity: any of them may run there.
    unclaimed: u32,
}

impl<'a> Listed<'a> {
    fn new(group: &'a GroupMembers) -> Self {
        let set = |ids: &'a [String]| ids.iter().map(String::as_str).collect::<BTreeSet<_>>();
        let all_ambiguous = group.ambiguous.len() < GroupMembers::MAX_LISTED;
        let unclaimed = group.unknown.saturating_sub(saturated(group.ambiguous.len()));
        Self {
            joined_recent: group.joined_recent.as_deref().map(set),
            not_joined: set(&group.not_joined),
            ambiguous: set(&group.ambiguous),
            unfit: set(&group.unfit),
            is_whole: group.not_joined_count == saturated(group.not_joined.len()) && all_ambiguous,
            unclaimed: if all_ambiguous { unclaimed } else { 0 },
        }
    }
}

impl<'a> Members<'a> {
    pub(super) fn new(decision: &'a ScalingDecision, state: &'a GroupState, policy: &Policy, now: Timestamp) -> Self {
        let known = match &decision.group {
            _ if !policy.source.needs_masters() => Known::InService,
            Some(group) => Known::Listed(Listed::new(group)),
            None => Known::Nothing,
        };
        let mut arrivals: HashMap<&str, Arrival<'_>, RandomState> =
            HashMap::with_capacity_and_hasher(state.activities.len(), RandomState::default());
        let brings = |activity: &&Activity| {
            matches!(activity.kind, ActivityKind::Launch | ActivityKind::Attach) && activity.changes_group()
        };
        for activity in state.activities.iter().filter(brings) {
            let Some(id) = activity.instance_id.as_deref() else { continue };
            // An instance that returned to the warm pool is launched more than once.
            arrivals.entry(id).or_insert(Arrival::new(activity)).add(activity);
        }
        let of_instances = state.group.instances.iter().map(|instance| {
            let arrival = arrivals.get_mut(instance.instance_id.as_str())?;
            arrival.instance = Some(instance);
            Some(arrival.activity)
        });
        let of_instances = of_instances.collect();
        let join_timeout = signed(policy.timing.join_timeout);
        Self { known, arrivals, of_instances, taken_at: decision.snapshot_taken_at, now, join_timeout }
    }

    /// Whether nothing is known of single instances.
    pub(super) const fn knows_nothing(&self) -> bool {
        matches!(self.known, Known::Nothing)
    }

    /// What brought an instance into the group last, where the activities reach back so far.
    pub(super) fn activity_of(&self, id: &str) -> Option<&'a Activity> {
        self.arrival(id).map(|arrival| arrival.activity)
    }

    /// The same with its latest launch, and the instance.
    pub(super) fn arrival(&self, id: &str) -> Option<Arrival<'a>> {
        self.arrivals.get(id).copied()
    }

    /// Whether a launch has been in progress for so long that nothing is expected of it.
    pub(super) fn is_overdue(&self, launch: &Activity) -> bool {
        launch.status == ActivityStatus::InProgress && self.now.duration_since(launch.start) >= self.join_timeout
    }

    /// Whether the instance that this brought into the group may still be expected to join.
    pub(super) fn is_young(&self, instance: &Instance, arrival: &Activity) -> bool {
        let handed_over = match arrival.ended(self.now) {
            Some(end) => end,
            // In service already: the activity ends at any moment.
            None if instance.lifecycle_state == Lifecycle::InService => self.now,
            None => arrival.start,
        };
        self.now.duration_since(handed_over) < self.join_timeout
    }

    /// Whether the snapshot lists an instance among those that are no agents.
    pub(super) fn is_missing(&self, id: &str) -> bool {
        matches!(&self.known, Known::Listed(listed) if listed.not_joined.contains(id))
    }

    /// What the snapshot says of an instance that this brought into the group last.
    pub(super) fn join(&self, instance: &Instance, arrival: Option<&Activity>) -> Join {
        let id = instance.instance_id.as_str();
        match &self.known {
            Known::Nothing => Join::NotJoined,
            Known::InService => {
                let was_in_service = instance.lifecycle_state == Lifecycle::InService
                    && arrival.is_none_or(|arrival| arrival.ended(self.now).is_some_and(|end| end <= self.taken_at));
                if was_in_service { Join::Joined } else { Join::NotJoined }
            }
            Known::Listed(listed) => {
                // It was listed with the group before the snapshot.
                let was_known =
                    arrival.is_none_or(|arrival| self.taken_at.duration_since(arrival.start) > LISTING_DELAY);
                match &listed.joined_recent {
                    _ if listed.unfit.contains(id) => Join::Unfit,
                    Some(recent) if recent.contains(id) => Join::Joined,
                    _ if listed.ambiguous.contains(id) => Join::Ambiguous,
                    _ if listed.not_joined.contains(id) => Join::NotJoined,
                    _ if listed.unclaimed > 0 => Join::Unclaimed,
                    Some(_) if listed.is_whole && was_known => Join::Joined,
                    _ => Join::NotJoined,
                }
            }
        }
    }
}

fn later<'a>(one: &'a Activity, other: &'a Activity) -> &'a Activity {
    if other.start > one.start { other } else { one }
}

/// What was requested and is no agent that the snapshot counts, and what never became one.
pub(super) fn join_status(decision: &ScalingDecision, group: &Group, members: &Members<'_>) -> JoinStatus {
    let mut status = JoinStatus { to_launch: to_launch(group), ..JoinStatus::default() };
    let (mut unclaimed, mut old) = (0_u32, 0_u32);
    for (instance, arrival) in group.instances.iter().zip(&members.of_instances) {
        let id = &instance.instance_id;
        match (instance.lifecycle_state, *arrival) {
            (Lifecycle::Standby | Lifecycle::NotCounted | Lifecycle::Terminating, _) => {}
            // Launching, and without an activity yet: the two answers are not of the same moment.
            (Lifecycle::Pending, None) => status.since_snapshot += 1,
            (_, Some(arrival)) if arrival.start > decision.snapshot_taken_at => status.since_snapshot += 1,
            (_, Some(arrival)) if members.is_young(instance, arrival) => match members.join(instance, Some(arrival)) {
                Join::NotJoined | Join::Unfit => status.arriving += 1,
                Join::Unclaimed => unclaimed += 1,
                Join::Joined | Join::Ambiguous => {}
            },
            _ => {
                old += 1;
                if instance.lifecycle_state == Lifecycle::InService && members.is_missing(id) {
                    status.never_joined_ids.push(id.clone());
                }
            }
        }
    }
    // An agent without an identity that registered lately is one of them.
    let unidentified = decision.group.as_ref().map_or(0, |group| group.unidentified_recent);
    status.arriving += status.since_snapshot + unclaimed.saturating_sub(unidentified);
    status.never_joined = match &members.known {
        // As far as numbers tell.
        Known::Nothing => {
            let leaving = group.instances.iter().filter(|i| i.lifecycle_state == Lifecycle::Terminating).count();
            let agents = decision.agents.registered.saturating_sub(decision.agents.inactive);
            old.saturating_sub(agents.saturating_sub(saturated(leaving)))
        }
        Known::InService => 0,
        Known::Listed(listed) => {
            let of = |count: &dyn Fn(&GroupMembers) -> u32| decision.group.as_ref().map_or(0, count);
            // Those beyond the list are young or old.
            let unlisted = of(&|group| group.not_joined_count.saturating_sub(saturated(group.not_joined.len())));
            let live = saturated(group.instances.iter().filter(|instance| instance.is_capacity()).count());
            let gone = of(&|group| group.joined.saturating_add(group.unknown).saturating_add(group.not_joined_count))
                .saturating_sub(live.saturating_sub(status.since_snapshot));
            // Each agent without an identity is on one of them at most.
            let agents = of(&|group| group.unidentified.unwrap_or(u32::MAX));
            status.never_joined_unclaimed =
                listed.unclaimed.saturating_sub(unclaimed).saturating_sub(gone).saturating_sub(agents);
            saturated(status.never_joined_ids.len())
                .saturating_add(unlisted.saturating_sub(status.arriving))
                .saturating_add(status.never_joined_unclaimed)
        }
    };
    status
}

/// How many instances the group has still to launch.
pub(super) fn to_launch(group: &Group) -> u32 {
    let missing = i64::from(group.desired_capacity) - listed_capacity(group);
    u32::try_from(missing).unwrap_or(0).div_ceil(group.unit().unwrap_or(1))
}
