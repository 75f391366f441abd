//! An Auto Scaling endpoint that behaves like the real one where Lambda Scale relies on it (Query protocol, 2011-01-01).
//!
//! Modeled, as documented or as seen in public reports of the real service:
//! - `DescribeAutoScalingGroups`: an unknown name gives an empty list, not an error; pages; answers that lag behind
//!   ([`Lag`](crate::faults::Lag))
//! - `DescribeScalingActivities`: those in progress first, then the newest first; pages, the real texts, no `EndTime` while in
//!   progress
//! - `DescribeInstanceRefreshes`, `DescribePolicies`, and `DescribeScheduledActions`; policies, scheduled actions, and warm pools are
//!   described and do nothing
//! - `SetDesiredCapacity`: refused outside of the group's limits; `HonorCooldown`; the answer comes before anything has
//!   happened, activities follow
//! - `TerminateInstanceInAutoScalingGroup`: one instance, with or without decrement; refused below the minimum and for what
//!   is no member; protection from scale-in does not hold it back
//! - `CreateOrUpdateTags`, `DeleteTags`: tags of groups, the limits of keys, values and number; described with the group
//! - launches and terminations that take time and may fail; suspended processes; protection from scale-in; balance of
//!   availability zones, then the oldest instance, when the group chooses; one weight for all new instances
//! - launches from a warm pool, lifecycle hooks that hold or abandon launches, Spot requests that wait, instances that the health
//!   check replaces ([`Behavior`])
//! - standby and retained instances, for tests to set ([`Lifecycle`])
//!
//! Not modeled: hooks of terminations, the way into standby and back, rebalancing of zones, scaling policies, spot
//! interruptions, filters, `InstanceIds` of the terminating call, and every other action, which is refused as `InvalidAction`.
//! No emulator proves how the real service backs off.

mod render;
mod tags;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;

pub use cluster::group::{
    Activity, ActivityKind, ActivityStatus, Behavior, Group, Hook, Instance, Lifecycle, Refresh, Refusal,
};

use super::faults::FaultPlan;
use super::http::{Call, Endpoint};
use super::query::{AwsError, Namespace, Request};
use super::service::{Service, lock, now};
use super::xml::Xml;

pub(crate) const NAMESPACE: Namespace = Namespace("http://autoscaling.amazonaws.com/doc/2011-01-01/");

/// What the service lists in one page where the caller does not say, and at most.
const GROUPS_PER_PAGE: (usize, usize) = (50, 100);
const ACTIVITIES_PER_PAGE: (usize, usize) = (100, 100);

/// The endpoint.
pub type AutoScaling = Endpoint<Groups>;

/// The groups.
#[derive(Debug, Default)]
pub struct Groups {
    by_name: Mutex<ByName>,
    /// The groups as they were when answers began to lag, and until when they are described so.
    old: Mutex<Option<(ByName, Timestamp)>>,
    /// Who else changes a group, by its name.
    controllers: Mutex<BTreeMap<String, Controllers>>,
    faults: FaultPlan,
}

/// Who else changes a group.
#[derive(Debug, Default)]
struct Controllers {
    policies: Vec<String>,
    scheduled_actions: Vec<String>,
    has_warm_pool: bool,
}

type ByName = BTreeMap<String, Group>;

impl AutoScaling {
    /// Opens the endpoint for these groups.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(groups: impl IntoIterator<Item = Group>, faults: &FaultPlan) -> io::Result<Self> {
        let groups = Arc::new(Groups::new(groups, faults));
        let routes = Router::new().route("/", post(handle)).with_state(Arc::clone(&groups));
        Self::open(Service::AutoScaling, refusal, groups, routes, faults).await
    }

    /// Reads a group as it is now, or changes it. `None` where there is none of that name.
    pub fn group<T>(&self, name: &str, act: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let mut groups = lock(&self.service.by_name);
        self.service.keep_old(&groups, now());
        let group = groups.get_mut(name)?;
        group.advance(now());
        let result = act(group);
        group.advance(now());
        Some(result)
    }

    /// The instances of a group that are being terminated.
    #[must_use]
    pub fn terminating(&self, name: &str) -> Vec<String> {
        let terminating = |group: &mut Group| {
            let going = group.instances().iter().filter(|instance| instance.state == Lifecycle::Terminating);
            going.map(|instance| instance.id.clone()).collect()
        };
        self.group(name, terminating).unwrap_or_default()
    }

    /// Adds a scaling policy to a group.
    pub fn add_policy(&self, group: &str, policy: &str) {
        self.controllers(group, |controllers| controllers.policies.push(policy.to_owned()));
    }

    /// Adds a scheduled action to a group.
    pub fn add_scheduled_action(&self, group: &str, action: &str) {
        self.controllers(group, |controllers| controllers.scheduled_actions.push(action.to_owned()));
    }

    /// Adds a warm pool to a group.
    pub fn add_warm_pool(&self, group: &str) {
        self.controllers(group, |controllers| controllers.has_warm_pool = true);
    }

    fn controllers(&self, group: &str, act: impl FnOnce(&mut Controllers)) {
        act(lock(&self.service.controllers).entry(group.to_owned()).or_default());
    }

    /// The calls so far that would change a group.
    #[must_use]
    pub fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_mutating).collect()
    }

    /// Takes a group away, as if it had been deleted.
    pub fn delete(&self, name: &str) {
        lock(&self.service.by_name).remove(name);
    }
}

/// The error for a caller whose role lacks a permission.
#[must_use]
pub fn access_denied(action: &str) -> AwsError {
    AwsError::new(
        403,
        "AccessDenied",
        format!(
            "User: arn:aws:sts::{}:assumed-role/node_scale/node_scale is not authorized to perform: autoscaling:{action} \
             because no identity-based policy allows the autoscaling:{action} action",
            super::ACCOUNT
        ),
    )
}

/// The error while another activity blocks the call.
#[must_use]
pub fn scaling_activity_in_progress() -> AwsError {
    let text = "Scaling activity 5a1b3f0e-0000-4000-8000-000000000001 is in progress and blocks this action";
    AwsError::new(400, "ScalingActivityInProgress", text)
}

/// The error where two calls meet.
#[must_use]
pub fn resource_contention() -> AwsError {
    AwsError::new(
        500,
        "ResourceContention",
        "You already have a pending update to an Amazon EC2 Auto Scaling resource.",
    )
}

/// The error for a caller who calls too often.
#[must_use]
pub fn throttling() -> AwsError {
    AwsError::new(400, "Throttling", "Rate exceeded")
}

async fn handle(State(groups): State<Arc<Groups>>, body: Bytes) -> Response {
    let request = Request::read(&body);
    NAMESPACE.answer(&request.action, groups.act(&request, now()))
}

impl Groups {
    fn new(groups: impl IntoIterator<Item = Group>, faults: &FaultPlan) -> Self {
        let by_name = groups.into_iter().map(|group| (group.name.clone(), group)).collect();
        Self {
            by_name: Mutex::new(by_name),
            old: Mutex::default(),
            controllers: Mutex::default(),
            faults: faults.clone(),
        }
    }

    fn act(&self, request: &Request, now: Timestamp) -> Result<Option<Xml>, AwsError> {
        let mut groups = lock(&self.by_name);
        self.keep_old(&groups, now);
        groups.values_mut().for_each(|group| group.advance(now));
        match request.action.as_str() {
            "DescribeAutoScalingGroups" => {
                let old = self.old(now);
                let controllers = lock(&self.controllers);
                describe_groups(old.as_ref().unwrap_or(&groups), &controllers, request).map(Some)
            }
            "DescribeScalingActivities" => describe_activities(&groups, request).map(Some),
            "DescribeInstanceRefreshes" => describe_refreshes(&groups, request).map(Some),
            "DescribePolicies" => {
                let of = |controllers: &Controllers| controllers.policies.clone();
                self.describe_controllers(request, "ScalingPolicies", "PolicyName", of).map(Some)
            }
            "DescribeScheduledActions" => {
                let of = |controllers: &Controllers| controllers.scheduled_actions.clone();
                self.describe_controllers(request, "ScheduledUpdateGroupActions", "ScheduledActionName", of).map(Some)
            }
            "SetDesiredCapacity" => set_desired_capacity(&mut groups, request, now).map(|()| None),
            "TerminateInstanceInAutoScalingGroup" => terminate_instance(&mut groups, request, now).map(Some),
            "CreateOrUpdateTags" => tags::create_or_update(&mut groups, request).map(|()| None),
            "DeleteTags" => tags::delete(&mut groups, request).map(|()| None),
            action => Err(AwsError::new(
                400,
                "InvalidAction",
                format!("Could not find operation {action} for version 2011-01-01 (not supported by this endpoint)"),
            )),
        }
    }

    /// The names of what else changes a group.
    fn describe_controllers(
        &self,
        request: &Request,
        list: &str,
        name: &str,
        of: impl FnOnce(&Controllers) -> Vec<String>,
    ) -> Result<Xml, AwsError> {
        let group = request.required("AutoScalingGroupName")?;
        let names = lock(&self.controllers).get(group).map(of).unwrap_or_default();
        let mut xml = Xml::default();
        xml.members(list, names, |xml, text| {
            xml.text("AutoScalingGroupName", group).text(name, text);
        });
        Ok(xml)
    }

    /// Keeps the groups as they are, where answers begin to lag.
    fn keep_old(&self, groups: &ByName, now: Timestamp) {
        let mut old = lock(&self.old);
        match self.faults.change(|faults| faults.lag) {
            None => *old = None,
            Some(lag) if old.is_none() => {
                *old = Some((groups.clone(), now.checked_add(lag.at_most).unwrap_or(Timestamp::MAX)));
            }
            Some(_) => {}
        }
    }

    /// What the next description shows, if it lags.
    fn old(&self, now: Timestamp) -> Option<ByName> {
        let mut old = lock(&self.old);
        let (groups, until) = old.as_ref()?;
        let lags = self.faults.change(|faults| {
            let lag = faults.lag.as_mut().filter(|lag| lag.answers > 0 && now < *until);
            let lags = lag.map(|lag| lag.answers -= 1).is_some();
            if !lags {
                faults.lag = None;
            }
            lags
        });
        if lags {
            return Some(groups.clone());
        }
        *old = None;
        None
    }
}

fn describe_groups(
    groups: &ByName,
    controllers: &BTreeMap<String, Controllers>,
    request: &Request,
) -> Result<Xml, AwsError> {
    no_filters(request)?;
    let names = request.members("AutoScalingGroupNames");
    let found: Vec<&Group> =
        groups.values().filter(|group| names.is_empty() || names.contains(&group.name.as_str())).collect();
    let page = Page::of(request, found.len(), GROUPS_PER_PAGE)?;
    let mut xml = Xml::default();
    let has_warm_pool = |group: &Group| controllers.get(&group.name).is_some_and(|of| of.has_warm_pool);
    xml.members("AutoScalingGroups", page.cut(found), |xml, group| {
        render::group(xml, group);
        if has_warm_pool(group) {
            xml.element("WarmPoolConfiguration", |xml| {
                xml.text("PoolState", "Stopped");
            });
        }
    })
    .optional("NextToken", page.next);
    Ok(xml)
}

fn describe_activities(groups: &ByName, request: &Request) -> Result<Xml, AwsError> {
    no_filters(request)?;
    let group = find(groups, request)?;
    let ids = request.members("ActivityIds");
    let is_asked_for = |activity: &&Activity| ids.is_empty() || ids.contains(&activity.id.to_string().as_str());
    let found: Vec<&Activity> = group.activities().filter(is_asked_for).collect();
    let page = Page::of(request, found.len(), ACTIVITIES_PER_PAGE)?;
    let mut xml = Xml::default();
    xml.members("Activities", page.cut(found), |xml, activity| render::activity(xml, &group.name, activity))
        .optional("NextToken", page.next);
    Ok(xml)
}

fn describe_refreshes(groups: &ByName, request: &Request) -> Result<Xml, AwsError> {
    let group = find(groups, request)?;
    let page = Page::of(request, group.refreshes.len(), ACTIVITIES_PER_PAGE)?;
    let mut xml = Xml::default();
    let refreshes = page.cut(group.refreshes.iter().collect());
    xml.members("InstanceRefreshes", refreshes, |xml, refresh| render::refresh(xml, &group.name, refresh))
        .optional("NextToken", page.next);
    Ok(xml)
}

fn set_desired_capacity(groups: &mut ByName, request: &Request, now: Timestamp) -> Result<(), AwsError> {
    let name = request.required("AutoScalingGroupName")?;
    let desired = request.parsed("DesiredCapacity")?;
    let desired = desired.ok_or_else(|| AwsError::validation("Missing required parameter DesiredCapacity"))?;
    let honor_cooldown = request.parsed("HonorCooldown")?.unwrap_or(false);
    let group = groups.get_mut(name).ok_or_else(|| not_found(name))?;
    group.set_desired(desired, honor_cooldown, now).map_err(|refusal| refused(&refusal))
}

fn terminate_instance(groups: &mut ByName, request: &Request, now: Timestamp) -> Result<Xml, AwsError> {
    let id = request.required("InstanceId")?;
    let decrement = request.parsed("ShouldDecrementDesiredCapacity")?;
    let decrement =
        decrement.ok_or_else(|| AwsError::validation("Missing required parameter ShouldDecrementDesiredCapacity"))?;
    let is_member = |group: &&mut Group| group.instances().iter().any(|instance| instance.id == id);
    let group = groups.values_mut().find(is_member);
    let group = group.ok_or_else(|| refused(&Refusal::NoInstance(id.to_owned())))?;
    let activity = group.terminate_instance(id, decrement, now).map_err(|refusal| refused(&refusal))?;
    let mut xml = Xml::default();
    xml.element("Activity", |xml| render::activity(xml, &group.name, &activity));
    Ok(xml)
}

fn refused(refusal: &Refusal) -> AwsError {
    match refusal {
        Refusal::InProgress(_) => AwsError::new(400, "ScalingActivityInProgress", refusal.to_string()),
        _ => AwsError::validation(refusal.to_string()),
    }
}

fn find<'a>(groups: &'a ByName, request: &Request) -> Result<&'a Group, AwsError> {
    let name = request.required("AutoScalingGroupName")?;
    groups.get(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> AwsError {
    AwsError::validation(format!("AutoScalingGroup name not found - AutoScalingGroup {name} not found"))
}

/// A caller who filters and gets everything would draw wrong conclusions.
fn no_filters(request: &Request) -> Result<(), AwsError> {
    if request.params.keys().any(|name| name.starts_with("Filters.")) {
        return Err(AwsError::validation("Filters are not supported by this endpoint"));
    }
    Ok(())
}

/// The part of a list that one answer holds.
struct Page {
    start: usize,
    len: usize,
    next: Option<usize>,
}

impl Page {
    fn of(request: &Request, total: usize, (default, most): (usize, usize)) -> Result<Self, AwsError> {
        let len = request.parsed("MaxRecords")?.unwrap_or(default).clamp(1, most);
        let invalid = |_| AwsError::new(400, "InvalidNextToken", "The token is not valid");
        let start: usize = request.parsed("NextToken").map_err(invalid)?.unwrap_or(0);
        let end = start.saturating_add(len);
        Ok(Self { start, len, next: (end < total).then_some(end) })
    }

    fn cut<T>(&self, items: Vec<T>) -> impl Iterator<Item = T> + use<T> {
        items.into_iter().skip(self.start).take(self.len)
    }
}

/// How it refuses a call.
fn refusal(action: &str, error: &AwsError) -> Response {
    NAMESPACE.answer(action, Err(error.clone()))
}

#[cfg(test)]
mod tests;
