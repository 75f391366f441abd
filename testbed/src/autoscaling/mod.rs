//! An Auto Scaling endpoint that behaves like the real one where Lambda Scale relies on it (Query protocol, 2011-01-01).
//!
//! Modelled, as documented or as seen in public reports of the real service:
//! - `DescribeAutoScalingGroups`: an unknown name gives an empty list, not an error; pages; answers that lag behind
//!   ([`AutoScaling::lag`])
//! - `DescribeScalingActivities`: the newest first, pages, the real texts, no `EndTime` while underway
//! - `DescribeInstanceRefreshes`
//! - `SetDesiredCapacity`: refused outside of the group's limits; `HonorCooldown`; the answer comes before anything has
//!   happened, activities follow
//! - `TerminateInstanceInAutoScalingGroup`: one instance, with or without decrement; refused below the minimum and for what
//!   is no member; protection from scale-in does not hold it back
//! - `CreateOrUpdateTags`, `DeleteTags`: tags of groups, the limits of keys, values and number; told with the group
//! - launches and terminations that take time and may fail; suspended processes; protection from scale-in; balance of
//!   availability zones, then the oldest instance, when the group chooses; one weight for all new instances
//! - any trouble, as often as wanted: throttling, contention, missing permissions, calls that are done while their answer is
//!   lost, calls that hang ([`AutoScaling::fail_next`], [`AutoScaling::trouble_next`])
//! - states that hooks, operators and warm pools give to instances, for tests to set ([`Lifecycle`])
//!
//! Not modelled: lifecycle hooks, standby and warm pools beyond their names, health checks and replacement, rebalancing of
//! zones, scaling policies, spot interruptions, filters, `InstanceIds` of the terminating call, and every other action,
//! which is refused as `InvalidAction`. No emulator proves how the real service backs off.

mod activity;
mod group;
mod render;
mod tags;
mod trouble;

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;
use tokio::sync::Notify;

pub use activity::{Activity, ActivityKind, ActivityStatus};
pub use group::{Behaviour, Group, Instance, Lifecycle, Refresh, Refusal};
pub use trouble::Trouble;
use trouble::{Lag, Planned, Target};

use super::http::{Server, lock, now};
use super::query::{Fault, Namespace, Request};
use super::xml::Xml;

const NAMESPACE: Namespace = Namespace("http://autoscaling.amazonaws.com/doc/2011-01-01/");

/// What the service lists in one page where the caller does not say, and at most.
const GROUPS_PER_PAGE: (usize, usize) = (50, 100);
const ACTIVITIES_PER_PAGE: (usize, usize) = (100, 100);

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it came.
    pub at: Timestamp,
    /// What was asked, such as `SetDesiredCapacity`.
    pub action: String,
    /// With what.
    pub params: BTreeMap<String, String>,
    /// The code of the fault it was answered with, if it was.
    pub fault: Option<String>,
}

impl Call {
    /// Whether it would change anything.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        !self.action.starts_with("Describe")
    }
}

/// The endpoint.
#[derive(Clone, Debug)]
pub struct AutoScaling {
    service: Arc<Service>,
    server: Arc<Server>,
}

#[derive(Debug)]
struct Service {
    groups: Mutex<BTreeMap<String, Group>>,
    calls: Mutex<Vec<Call>>,
    came: Notify,
    planned: Mutex<Vec<Planned>>,
    lag: Mutex<Option<Lag<Groups>>>,
}

impl Service {
    fn new(groups: impl IntoIterator<Item = Group>) -> Self {
        Self {
            groups: Mutex::new(groups.into_iter().map(|group| (group.name.clone(), group)).collect()),
            calls: Mutex::default(),
            came: Notify::new(),
            planned: Mutex::default(),
            lag: Mutex::default(),
        }
    }
}

impl AutoScaling {
    /// Opens the endpoint for these groups.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(groups: impl IntoIterator<Item = Group>) -> io::Result<Self> {
        let service = Arc::new(Service::new(groups));
        let routes = Router::new().route("/", post(handle)).with_state(Arc::clone(&service));
        Ok(Self { service, server: Arc::new(Server::start(routes).await?) })
    }

    /// Where it is spoken to.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Looks at a group as it is now, or changes it. `None` where there is none of that name.
    pub fn group<T>(&self, name: &str, act: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let mut groups = lock(&self.service.groups);
        let group = groups.get_mut(name)?;
        group.tick(now());
        let result = act(group);
        group.tick(now());
        Some(result)
    }

    /// Takes a group away, as if it had been deleted.
    pub fn delete(&self, name: &str) {
        lock(&self.service.groups).remove(name);
    }

    /// Answers the next calls of an action with a fault.
    pub fn fail_next(&self, action: &str, fault: Fault, times: u32) {
        self.trouble_next(action, Trouble::Refused(fault), times);
    }

    /// Lets the next calls of an action meet with trouble.
    pub fn trouble_next(&self, action: &str, trouble: Trouble, times: u32) {
        lock(&self.service.planned).push(Planned { target: Target::Action(action.to_owned()), trouble, times });
    }

    /// Lets the call with that number, counted from 0 over all actions, meet with trouble.
    pub fn trouble_at(&self, number: usize, trouble: Trouble) {
        lock(&self.service.planned).push(Planned { target: Target::Call(number), trouble, times: 1 });
    }

    /// Tells groups as they are now in the next answers to `DescribeAutoScalingGroups`, for that long at most.
    pub fn lag(&self, answers: u32, at_most: Duration) {
        let groups = lock(&self.service.groups).clone();
        let until = now().checked_add(at_most).unwrap_or(Timestamp::MAX);
        *lock(&self.service.lag) = Some(Lag { groups, answers, until });
    }

    /// Waits until that many calls have come, those that hang included.
    pub async fn wait_for_calls(&self, count: usize) {
        loop {
            let came = self.service.came.notified();
            if self.mark() >= count {
                return;
            }
            came.await;
        }
    }

    /// All calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.service.calls).clone()
    }

    /// How many calls were made so far: where to start looking for the next.
    #[must_use]
    pub fn mark(&self) -> usize {
        lock(&self.service.calls).len()
    }
}

/// What AWS says to a caller whose role lacks a permission.
#[must_use]
pub fn access_denied(action: &str) -> Fault {
    Fault::new(
        403,
        "AccessDenied",
        format!(
            "User: arn:aws:sts::{}:assumed-role/node_scale/node_scale is not authorized to perform: autoscaling:{action} \
             because no identity-based policy allows the autoscaling:{action} action",
            super::ACCOUNT
        ),
    )
}

/// What AWS says while another activity blocks the call.
#[must_use]
pub fn scaling_activity_in_progress() -> Fault {
    let text = "Scaling activity 5a1b3f0e-0000-4000-8000-000000000001 is in progress and blocks this action";
    Fault::new(400, "ScalingActivityInProgress", text)
}

/// What AWS says where two calls meet.
#[must_use]
pub fn resource_contention() -> Fault {
    Fault::new(500, "ResourceContention", "You already have a pending update to an Amazon EC2 Auto Scaling resource.")
}

/// What AWS says to a caller who calls too often.
#[must_use]
pub fn throttling() -> Fault {
    Fault::new(400, "Throttling", "Rate exceeded")
}

async fn handle(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    let request = Request::read(&body);
    let (number, trouble) = service.begin(&request);
    let result = match trouble {
        Some(Trouble::Refused(fault)) => Err(fault),
        Some(Trouble::HangsBefore) => pending().await,
        Some(Trouble::AnswerLost(fault)) => service.act(&request, now()).and(Err(fault)),
        Some(Trouble::HangsAfter) => {
            drop(service.act(&request, now()));
            pending().await
        }
        None => service.act(&request, now()),
    };
    if let Some(call) = lock(&service.calls).get_mut(number) {
        call.fault = result.as_ref().err().map(|fault| fault.code.clone());
    }
    NAMESPACE.answer(&request.action, result)
}

impl Service {
    /// Notes a call, and what it meets with.
    fn begin(&self, request: &Request) -> (usize, Option<Trouble>) {
        let mut calls = lock(&self.calls);
        let number = calls.len();
        let trouble = trouble::next(&mut lock(&self.planned), &request.action, number);
        calls.push(Call { at: now(), action: request.action.clone(), params: request.params.clone(), fault: None });
        self.came.notify_waiters();
        (number, trouble)
    }

    fn act(&self, request: &Request, now: Timestamp) -> Result<Option<Xml>, Fault> {
        let mut groups = lock(&self.groups);
        groups.values_mut().for_each(|group| group.tick(now));
        match request.action.as_str() {
            "DescribeAutoScalingGroups" => {
                let mut lag = lock(&self.lag);
                let old = lag.as_mut().and_then(|lag| lag.next(now));
                describe_groups(old.unwrap_or(&groups), request).map(Some)
            }
            "DescribeScalingActivities" => describe_activities(&groups, request).map(Some),
            "DescribeInstanceRefreshes" => describe_refreshes(&groups, request).map(Some),
            "SetDesiredCapacity" => set_desired_capacity(&mut groups, request, now).map(|()| None),
            "TerminateInstanceInAutoScalingGroup" => terminate_instance(&mut groups, request, now).map(Some),
            "CreateOrUpdateTags" => tags::create_or_update(&mut groups, request).map(|()| None),
            "DeleteTags" => tags::delete(&mut groups, request).map(|()| None),
            action => Err(Fault::new(
                400,
                "InvalidAction",
                format!("Could not find operation {action} for version 2011-01-01 (not supported by this endpoint)"),
            )),
        }
    }
}

type Groups = BTreeMap<String, Group>;

fn describe_groups(groups: &Groups, request: &Request) -> Result<Xml, Fault> {
    no_filters(request)?;
    let names = request.members("AutoScalingGroupNames");
    let found: Vec<&Group> =
        groups.values().filter(|group| names.is_empty() || names.contains(&group.name.as_str())).collect();
    let page = Page::of(request, found.len(), GROUPS_PER_PAGE)?;
    let mut xml = Xml::default();
    xml.members("AutoScalingGroups", page.cut(found), render::group).optional("NextToken", page.next);
    Ok(xml)
}

fn describe_activities(groups: &Groups, request: &Request) -> Result<Xml, Fault> {
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

fn describe_refreshes(groups: &Groups, request: &Request) -> Result<Xml, Fault> {
    let group = find(groups, request)?;
    let page = Page::of(request, group.refreshes.len(), ACTIVITIES_PER_PAGE)?;
    let mut xml = Xml::default();
    let refreshes = page.cut(group.refreshes.iter().collect());
    xml.members("InstanceRefreshes", refreshes, |xml, refresh| render::refresh(xml, &group.name, refresh))
        .optional("NextToken", page.next);
    Ok(xml)
}

fn set_desired_capacity(groups: &mut Groups, request: &Request, now: Timestamp) -> Result<(), Fault> {
    let name = request.required("AutoScalingGroupName")?;
    let desired = request.parsed("DesiredCapacity")?;
    let desired = desired.ok_or_else(|| Fault::validation("Missing required parameter DesiredCapacity"))?;
    let honor_cooldown = request.parsed("HonorCooldown")?.unwrap_or(false);
    let group = groups.get_mut(name).ok_or_else(|| not_found(name))?;
    group.set_desired(desired, honor_cooldown, now).map_err(|refusal| refused(&refusal))
}

fn terminate_instance(groups: &mut Groups, request: &Request, now: Timestamp) -> Result<Xml, Fault> {
    let id = request.required("InstanceId")?;
    let decrement = request.parsed("ShouldDecrementDesiredCapacity")?;
    let decrement =
        decrement.ok_or_else(|| Fault::validation("Missing required parameter ShouldDecrementDesiredCapacity"))?;
    let is_member = |group: &&mut Group| group.instances().iter().any(|instance| instance.id == id);
    let group = groups.values_mut().find(is_member);
    let group = group.ok_or_else(|| refused(&Refusal::NoInstance(id.to_owned())))?;
    let activity = group.terminate_instance(id, decrement, now).map_err(|refusal| refused(&refusal))?;
    let mut xml = Xml::default();
    xml.element("Activity", |xml| render::activity(xml, &group.name, &activity));
    Ok(xml)
}

fn refused(refusal: &Refusal) -> Fault {
    match refusal {
        Refusal::InProgress(_) => Fault::new(400, "ScalingActivityInProgress", refusal.to_string()),
        _ => Fault::validation(refusal.to_string()),
    }
}

fn find<'a>(groups: &'a Groups, request: &Request) -> Result<&'a Group, Fault> {
    let name = request.required("AutoScalingGroupName")?;
    groups.get(name).ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> Fault {
    Fault::validation(format!("AutoScalingGroup name not found - AutoScalingGroup {name} not found"))
}

/// A caller who filters and gets everything would draw wrong conclusions.
fn no_filters(request: &Request) -> Result<(), Fault> {
    if request.params.keys().any(|name| name.starts_with("Filters.")) {
        return Err(Fault::validation("Filters are not supported by this endpoint"));
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
    fn of(request: &Request, total: usize, (default, most): (usize, usize)) -> Result<Self, Fault> {
        let len = request.parsed("MaxRecords")?.unwrap_or(default).clamp(1, most);
        let invalid = |_| Fault::new(400, "InvalidNextToken", "The token is not valid");
        let start: usize = request.parsed("NextToken").map_err(invalid)?.unwrap_or(0);
        let end = start.saturating_add(len);
        Ok(Self { start, len, next: (end < total).then_some(end) })
    }

    fn cut<T>(&self, items: Vec<T>) -> impl Iterator<Item = T> + use<T> {
        items.into_iter().skip(self.start).take(self.len)
    }
}

#[cfg(test)]
mod tests;
