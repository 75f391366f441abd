//! One Auto Scaling group as a state machine. It reads no clock: [`Group::advance`] advances it to a time.
//!
//! It holds what `DescribeAutoScalingGroups`, `DescribeScalingActivities`, and `DescribeInstanceRefreshes` answer, in the words
//! of AWS. The endpoint that serves it writes the XML.

mod activity;
mod launches;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use activity::Change;
pub use activity::{Activity, ActivityKind, ActivityStatus};

/// A group, and all that AWS reports of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The fewest instances.
    pub min: i32,
    /// The most.
    pub max: i32,
    /// What it takes its time for, and what fails.
    pub behavior: Behavior,
    /// The suspended processes, such as `Launch`.
    pub suspended: BTreeSet<String>,
    /// The instance refreshes, the newest first.
    pub refreshes: Vec<Refresh>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its tags, beside `Name`.
    pub tags: BTreeMap<String, String>,
    /// Whether new instances are protected from scale-in.
    pub protects_new: bool,
    /// How many capacity units a new instance counts for.
    pub weight: u32,
    desired: i32,
    zones: Vec<String>,
    instances: Vec<Instance>,
    /// The oldest first.
    activities: Vec<Activity>,
    change: Option<Change>,
    /// After a failed launch: not before then.
    next_launch: Option<Timestamp>,
    /// The instance that was launched to make the zones equal.
    balancing: Option<String>,
    issued: u64,
}

/// How long a group takes, and what fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behavior {
    /// From a change of the desired capacity to the activities it causes.
    pub reaction: Duration,
    /// From the start of a launch to InService.
    pub launch: Duration,
    /// From InService until the instance's agent is registered with the master.
    pub join: Duration,
    /// From the start of a termination to the end of the instance.
    pub terminate: Duration,
    /// The default cooldown, which only a call with `HonorCooldown` minds.
    pub cooldown: Duration,
    /// How many launches are still to fail.
    pub failing_launches: u32,
    /// How long the group pauses after a failed launch.
    pub launch_retry: Duration,
    /// From the start of a launch out of the warm pool to InService.
    pub warm_launch: Duration,
    /// A lifecycle hook at the end of every launch.
    pub hook: Option<Hook>,
    /// Whether the Spot market has no instances: requests wait.
    pub spot_waits: bool,
    /// How long after a launch the health check replaces the instance; `None`: it is healthy.
    pub unhealthy_after: Option<Duration>,
    /// Whether the group moves instances where its zones are unequal (the process `AZRebalance`).
    pub rebalances: bool,
}

/// A lifecycle hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// How long it holds an instance.
    pub wait: Duration,
    /// Whether the launch is abandoned then.
    pub abandons: bool,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            reaction: Duration::ZERO,
            launch: Duration::from_secs(90),
            join: Duration::ZERO,
            terminate: Duration::from_secs(60),
            cooldown: Duration::from_secs(300),
            failing_launches: 0,
            launch_retry: Duration::from_secs(60),
            warm_launch: Duration::from_secs(30),
            hook: None,
            spot_waits: false,
            unhealthy_after: None,
            rebalances: false,
        }
    }
}

/// One instance of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// Where it is in its life.
    pub state: Lifecycle,
    /// When it was launched.
    pub launched: Timestamp,
    /// When it came into service.
    pub in_service: Option<Timestamp>,
    /// Whether scale-in must leave it alone.
    pub protected: bool,
    /// How many capacity units it counts for.
    pub weight: u32,
    /// A lifecycle hook of its launch alone, instead of the group's.
    pub hook: Option<Hook>,
}

/// Where an instance is in its life. The group itself only leads through the first three; the others are for tests to
/// set, as hooks, operators and warm pools do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Being launched.
    Pending,
    /// In service.
    InService,
    /// Being ended.
    Terminating,
    /// Being launched, and held by a lifecycle hook.
    PendingWait,
    /// Put aside by an operator, running.
    Standby,
    /// In the warm pool, stopped.
    WarmedStopped,
    /// Not ended, because a hook failed.
    TerminatingRetained,
}

impl Lifecycle {
    /// `LifecycleState`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InService => "InService",
            Self::Terminating => "Terminating",
            Self::PendingWait => "Pending:Wait",
            Self::Standby => "Standby",
            Self::WarmedStopped => "Warmed:Stopped",
            Self::TerminatingRetained => "Terminating:Retained",
        }
    }

    /// Whether such an instance counts towards the desired capacity.
    #[must_use]
    pub const fn is_capacity(self) -> bool {
        matches!(self, Self::Pending | Self::PendingWait | Self::InService)
    }
}

/// As the functions read its name.
impl From<Lifecycle> for shared::group::Lifecycle {
    fn from(state: Lifecycle) -> Self {
        match state {
            Lifecycle::Pending | Lifecycle::PendingWait => Self::Pending,
            Lifecycle::InService => Self::InService,
            Lifecycle::Terminating => Self::Terminating,
            Lifecycle::Standby => Self::Standby,
            Lifecycle::WarmedStopped | Lifecycle::TerminatingRetained => Self::NotCounted,
        }
    }
}

/// One instance refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Its id.
    pub id: String,
    /// Its status, such as `InProgress`.
    pub status: String,
    /// When it started.
    pub start: Timestamp,
}

/// Why a group does not take a new desired capacity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// More than its maximum.
    #[error("New SetDesiredCapacity value {desired} is above max value {max} for the AutoScalingGroup.")]
    AboveMax {
        /// What was asked for.
        desired: i32,
        /// The group's limit.
        max: i32,
    },
    /// Less than its minimum.
    #[error("New SetDesiredCapacity value {desired} is below min value {min} for the AutoScalingGroup.")]
    BelowMin {
        /// What was asked for.
        desired: i32,
        /// The group's limit.
        min: i32,
    },
    /// The caller honours the cooldown, and it is not over.
    #[error("Scaling activity {0} is in progress and blocks this action")]
    InProgress(Uuid),
    /// It has no such instance (any more).
    #[error("Instance Id not found - No managed instance found for instance ID: {0}")]
    NoInstance(String),
    /// One less would be less than its minimum.
    #[error(
        "Currently, desiredSize equals minSize ({0}). Terminating instance without replacement will violate group's min size \
         constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size."
    )]
    AtMin(i32),
}

impl Group {
    /// A group without instances.
    #[must_use]
    pub fn new(name: &str, min: i32, max: i32, zones: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            min,
            max,
            behavior: Behavior::default(),
            suspended: BTreeSet::new(),
            refreshes: Vec::new(),
            deleting: false,
            tags: BTreeMap::new(),
            protects_new: false,
            weight: 1,
            desired: 0,
            zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
            instances: Vec::new(),
            activities: Vec::new(),
            change: None,
            next_launch: None,
            balancing: None,
            issued: 0,
        }
    }

    /// Adds an instance that has been in service so long that no activity mentions it.
    pub fn adopt(&mut self, id: &str, zone: &str, launched: Timestamp) {
        if !self.zones.iter().any(|known| known == zone) {
            self.zones.push(zone.to_owned());
            self.zones.sort();
        }
        self.instances.push(Instance {
            id: id.to_owned(),
            zone: zone.to_owned(),
            state: Lifecycle::InService,
            launched,
            in_service: Some(launched),
            protected: false,
            weight: self.weight,
            hook: None,
        });
        self.desired += units(self.weight);
    }

    /// The desired capacity.
    #[must_use]
    pub const fn desired(&self) -> i32 {
        self.desired
    }

    /// The availability zones.
    #[must_use]
    pub fn zones(&self) -> &[String] {
        &self.zones
    }

    /// The instances, in the order in which they came.
    #[must_use]
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// The instances, to change one.
    pub fn instances_mut(&mut self) -> &mut [Instance] {
        &mut self.instances
    }

    /// The activities as AWS lists them: those in progress first, and of each the newest first.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        let newest_first = || self.activities.iter().rev();
        let finished = newest_first().filter(|activity| !activity.is_in_progress());
        newest_first().filter(|activity| activity.is_in_progress()).chain(finished)
    }

    /// Forgets the finished activities that started before then, as Auto Scaling does after six weeks.
    pub fn forget_activities(&mut self, before: Timestamp) {
        self.activities.retain(|activity| activity.is_in_progress() || activity.start >= before);
    }

    /// The instances whose agents are registered with the master by then.
    pub fn joined(&self, now: Timestamp) -> impl Iterator<Item = &Instance> {
        let join = self.behavior.join;
        self.instances.iter().filter(move |instance| instance.in_service.is_some_and(|since| later(since, join) <= now))
    }

    /// `SetDesiredCapacity`.
    ///
    /// # Errors
    /// Outside of the limits, and, where the caller honours the cooldown, while an activity or the cooldown lasts.
    pub fn set_desired(&mut self, desired: i32, honor_cooldown: bool, now: Timestamp) -> Result<(), Refusal> {
        if desired > self.max {
            return Err(Refusal::AboveMax { desired, max: self.max });
        }
        if desired < self.min {
            return Err(Refusal::BelowMin { desired, min: self.min });
        }
        let cooldown = self.behavior.cooldown;
        let blocks = |activity: &&Activity| activity.end.is_none_or(|end| later(end, cooldown) > now);
        if honor_cooldown && let Some(activity) = self.activities().find(blocks) {
            return Err(Refusal::InProgress(activity.id));
        }
        if desired != self.desired {
            self.change = Some(Change { at: now, from: self.desired, to: desired });
            self.desired = desired;
        }
        Ok(())
    }

    /// `TerminateInstanceInAutoScalingGroup`. As the real one it minds neither protection from scale-in nor a suspended
    /// `Terminate`. What it does to an instance that is on its way out already is documented nowhere; here the worst
    /// happens, the desired capacity falls once more.
    ///
    /// # Errors
    /// Where the group has no such instance, or would fall below its minimum.
    pub fn terminate_instance(&mut self, id: &str, decrement: bool, now: Timestamp) -> Result<Activity, Refusal> {
        let Some(index) = self.instances.iter().position(|i| i.id == id && i.state != Lifecycle::WarmedStopped) else {
            return Err(Refusal::NoInstance(id.to_owned()));
        };
        let weight = self.instances.get(index).map_or(1, |instance| units(instance.weight));
        let desired = if decrement { self.desired - weight } else { self.desired };
        if desired < self.min {
            return Err(Refusal::AtMin(self.min));
        }
        let (before, after) = (self.desired, desired);
        self.desired = desired;
        let activity = self.end_instance(index, now, |id| activity::requested_cause(id, before, after, now));
        activity.ok_or_else(|| Refusal::NoInstance(id.to_owned()))
    }

    /// An operator ends an instance that a failed hook keeps.
    pub fn release(&mut self, id: &str) {
        self.instances.retain(|instance| instance.id != id || instance.state != Lifecycle::TerminatingRetained);
    }

    /// Ends every activity that has lasted its time, then starts those that the desired capacity asks for.
    pub fn advance(&mut self, now: Timestamp) {
        self.end_terminations(now, false);
        self.end_launches(now, false);
        self.replace_unhealthy(now);
        if self.change.is_some_and(|change| later(change.at, self.behavior.reaction) > now) {
            return;
        }
        self.launch(now);
        self.terminate(now);
        self.rebalance(now);
    }

    /// Ends every activity in progress, however long it should still last.
    pub fn finish(&mut self, now: Timestamp) {
        self.end_terminations(now, true);
        self.end_launches(now, true);
    }

    fn end_terminations(&mut self, now: Timestamp, at_once: bool) {
        let terminate = self.behavior.terminate;
        let ending = |activity: &&mut Activity| activity.kind == ActivityKind::Terminate && activity.is_in_progress();
        for activity in self.activities.iter_mut().filter(ending) {
            let end = later(activity.start, terminate);
            if end <= now || at_once {
                activity.end = Some(end.min(now));
                activity.status = ActivityStatus::Successful;
                let is_kept = |i: &Instance| i.state == Lifecycle::TerminatingRetained;
                self.instances.retain(|i| Some(&i.id) != activity.instance.as_ref() || is_kept(i));
            }
        }
    }

    fn terminate(&mut self, now: Timestamp) {
        let capacity = self.capacity();
        let surplus = (capacity - self.desired - self.balancing_units()).max(0).cast_unsigned() / self.weight.max(1);
        if surplus == 0 || self.suspended.contains("Terminate") {
            return;
        }
        let (change, desired) = (self.change, self.desired);
        for _ in 0..surplus {
            let Some(place) = self.next_to_terminate() else { return };
            self.end_instance(place, now, |id| activity::terminate_cause(change, capacity, desired, id, now));
        }
    }

    /// Starts to terminate an instance. `cause` gets its id.
    fn end_instance(&mut self, index: usize, now: Timestamp, cause: impl FnOnce(&str) -> String) -> Option<Activity> {
        self.issued += 1;
        let id = self.activity_id();
        let instance = self.instances.get_mut(index)?;
        instance.state = Lifecycle::Terminating;
        instance.in_service = None;
        let ended = instance.id.clone();
        let launch = |of: &&mut Activity| of.end.is_none() && of.instance.as_ref() == Some(&ended);
        if let Some(launch) = self.activities.iter_mut().find(launch) {
            launch.end = Some(now);
            launch.status =
                ActivityStatus::Cancelled("The instance was terminated while it was being launched.".to_owned());
        }
        let instance = self.instances.get_mut(index)?;
        let activity = Activity {
            id,
            kind: ActivityKind::Terminate,
            zone: instance.zone.clone(),
            cause: cause(&instance.id),
            instance: Some(instance.id.clone()),
            start: now,
            end: None,
            status: ActivityStatus::InProgress,
        };
        self.activities.push(activity.clone());
        Some(activity)
    }

    /// The default termination policy, simplified: of the zone with the most instances the one launched first. Protected
    /// instances and those still being launched stay.
    fn next_to_terminate(&self) -> Option<usize> {
        let in_zones = self.in_zones();
        self.instances
            .iter()
            .enumerate()
            .filter(|(_, instance)| instance.state == Lifecycle::InService && !instance.protected)
            .min_by_key(|(_, i)| (std::cmp::Reverse(in_zones.get(i.zone.as_str())), &i.zone, i.launched, &i.id))
            .map(|(index, _)| index)
    }

    fn activity_id(&self) -> Uuid {
        Uuid::from_u64_pair(0x6163_7400_0000_4000, (1 << 63) | self.issued)
    }
}

/// A weight as the capacity counts.
fn units(weight: u32) -> i32 {
    i32::try_from(weight).unwrap_or(i32::MAX)
}

/// The time that much later.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
