//! How instances come into a group: new, from the warm pool, from the Spot market, through lifecycle hooks, and past health
//! checks.

use jiff::Timestamp;

use super::activity::{launch_cause, unhealthy_cause};
use super::{Activity, ActivityKind, ActivityStatus, Group, Instance, Lifecycle, later, units};

impl Group {
    /// Fills the warm pool: that many instances that have been stopped there since then.
    pub fn fill_warm_pool(&mut self, count: usize, since: Timestamp) {
        for _ in 0..count {
            let zone = self.emptiest_zone();
            let id = self.new_instance(&zone, Lifecycle::WarmedStopped, since);
            let end = Some(later(since, self.behavior.launch));
            self.start(ActivityKind::FillWarmPool, Some(id), zone, String::new(), since, end);
        }
    }

    /// The launch of an instance fails: it has never been there, and the group pauses before it tries again.
    pub fn fail_launch(&mut self, id: &str, now: Timestamp) {
        let is_of = |activity: &&mut Activity| activity.is_in_progress() && activity.instance.as_deref() == Some(id);
        let Some(activity) = self.activities.iter_mut().find(is_of) else { return };
        activity.status = failure(&activity.zone);
        activity.instance = None;
        activity.end = Some(now);
        self.instances.retain(|instance| instance.id != id);
        self.next_launch = Some(later(now, self.behavior.launch_retry));
    }

    /// A health check finds an instance unhealthy: it ends, and another one takes its place.
    pub fn fail_check(&mut self, id: &str, now: Timestamp) {
        let of = |instance: &Instance| instance.id == id && instance.state == Lifecycle::InService;
        if let Some(index) = self.instances.iter().position(of) {
            self.end_instance(index, now, |_| unhealthy_cause(now));
        }
    }

    /// Starts the launches that the desired capacity asks for.
    pub(super) fn launch(&mut self, now: Timestamp) {
        let capacity = self.capacity();
        let missing = (self.desired - capacity).max(0).cast_unsigned().div_ceil(self.weight.max(1));
        let missing = missing.saturating_sub(self.spot_requests(now));
        if missing == 0 || self.suspended.contains("Launch") || self.next_launch.is_some_and(|next| now < next) {
            return;
        }
        let cause = launch_cause(self.change, capacity, self.desired, now);
        for _ in 0..missing {
            self.launch_one(cause.clone(), now);
        }
    }

    fn launch_one(&mut self, cause: String, now: Timestamp) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.state == Lifecycle::WarmedStopped) {
            instance.state = Lifecycle::Pending;
            instance.launched = now;
            let (id, zone) = (instance.id.clone(), instance.zone.clone());
            self.start(ActivityKind::LaunchFromWarmPool, Some(id), zone, cause, now, None);
            return;
        }
        let zone = self.emptiest_zone();
        if self.behavior.failing_launches > 0 {
            self.behavior.failing_launches -= 1;
            self.next_launch = Some(later(now, self.behavior.launch_retry));
            let status = failure(&zone);
            self.start(ActivityKind::Launch, None, zone, cause, now, Some(now));
            self.last_status(status);
        } else if self.behavior.spot_waits {
            self.start(ActivityKind::RequestSpot, None, zone, cause, now, None);
            self.last_status(ActivityStatus::WaitingForSpotInstanceId);
        } else {
            let id = self.new_instance(&zone, Lifecycle::Pending, now);
            self.start(ActivityKind::Launch, Some(id), zone, cause, now, None);
        }
    }

    pub(super) fn new_instance(&mut self, zone: &str, state: Lifecycle, launched: Timestamp) -> String {
        self.issued += 1;
        let id = format!("i-0{:016x}", 0x00a0_0000_0000_0000 | self.issued);
        self.instances.push(Instance {
            id: id.clone(),
            zone: zone.to_owned(),
            state,
            launched,
            in_service: None,
            protected: self.protects_new,
            weight: self.weight,
            hook: None,
        });
        id
    }

    pub(super) fn start(
        &mut self,
        kind: ActivityKind,
        instance: Option<String>,
        zone: String,
        cause: String,
        start: Timestamp,
        end: Option<Timestamp>,
    ) {
        self.issued += 1;
        let status = if end.is_some() { ActivityStatus::Successful } else { ActivityStatus::PreInService };
        let id = self.activity_id();
        self.activities.push(Activity { id, kind, instance, zone, cause, start, end, status });
    }

    pub(super) fn last_status(&mut self, status: ActivityStatus) {
        if let Some(activity) = self.activities.last_mut() {
            activity.status = status;
        }
    }

    /// How many Spot requests wait. Once the market has instances, those that waited are served.
    fn spot_requests(&mut self, now: Timestamp) -> u32 {
        let is_request =
            |activity: &&mut Activity| activity.kind == ActivityKind::RequestSpot && activity.end.is_none();
        let waiting = self.activities.iter_mut().filter(is_request);
        if self.behavior.spot_waits {
            return u32::try_from(waiting.count()).unwrap_or(u32::MAX);
        }
        waiting.for_each(|activity| {
            activity.end = Some(now);
            activity.status = ActivityStatus::Successful;
        });
        0
    }

    /// Brings launches into service that have lasted their time, or all of them at once, and gives up those that a hook abandons.
    pub(super) fn end_launches(&mut self, now: Timestamp, at_once: bool) {
        let (launch, warm_launch) = (self.behavior.launch, self.behavior.warm_launch);
        for activity in self.activities.iter_mut().filter(|activity| activity.is_in_progress()) {
            let launched = match activity.kind {
                ActivityKind::Launch => later(activity.start, launch),
                ActivityKind::LaunchFromWarmPool => later(activity.start, warm_launch),
                ActivityKind::FillWarmPool | ActivityKind::RequestSpot | ActivityKind::Terminate => continue,
            };
            if launched > now && !at_once {
                continue;
            }
            let id = activity.instance.clone();
            let own = self.instances.iter().find(|instance| Some(&instance.id) == id.as_ref());
            let hook = own.and_then(|instance| instance.hook).or(self.behavior.hook);
            let due = hook.map_or(launched, |hook| later(launched, hook.wait));
            let (end, is_over) = (due.min(now), due <= now || at_once);
            let abandons = hook.filter(|hook| hook.abandons && !at_once).is_some();
            if is_over && abandons {
                self.instances.retain(|instance| Some(&instance.id) != id.as_ref());
            }
            for instance in self.instances.iter_mut().filter(|instance| Some(&instance.id) == id.as_ref()) {
                instance.state = if is_over { Lifecycle::InService } else { Lifecycle::PendingWait };
                instance.in_service = is_over.then_some(end);
            }
            activity.end = is_over.then_some(end);
            activity.status = match (is_over, abandons) {
                (false, _) => ActivityStatus::MidLifecycleAction,
                (true, false) => ActivityStatus::Successful,
                (true, true) => ActivityStatus::Cancelled(
                    "Instance failed to complete user's Lifecycle Action: Lifecycle Action was abandoned: Heartbeat Timeout"
                        .to_owned(),
                ),
            };
        }
    }

    /// Ends the instances that the health check finds unhealthy; others take their place.
    pub(super) fn replace_unhealthy(&mut self, now: Timestamp) {
        let Some(after) = self.behavior.unhealthy_after else { return };
        let launched = |instance: &Instance| {
            let is_of = |activity: &Activity| {
                activity.instance.as_ref() == Some(&instance.id) && activity.kind != ActivityKind::Terminate
            };
            self.activities.iter().any(is_of)
        };
        let is_unhealthy = |instance: &Instance| {
            let is_due = instance.in_service.is_some_and(|since| later(since, after) <= now);
            is_due && instance.state == Lifecycle::InService && launched(instance)
        };
        let indices: Vec<usize> =
            (0..self.instances.len()).filter(|index| self.instances.get(*index).is_some_and(is_unhealthy)).collect();
        for index in indices {
            self.end_instance(index, now, |_| unhealthy_cause(now));
        }
    }

    /// What the instances weigh that count as capacity.
    pub(super) fn capacity(&self) -> i32 {
        let counted = self.instances.iter().filter(|instance| instance.state.is_capacity());
        counted.map(|instance| units(instance.weight)).sum()
    }
}

pub(super) fn failure(zone: &str) -> ActivityStatus {
    ActivityStatus::Failed(format!(
        "We currently do not have sufficient m5.large capacity in the Availability Zone you requested ({zone}). \
         Our system will be working on provisioning additional capacity. Launching EC2 instance failed."
    ))
}
