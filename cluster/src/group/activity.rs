//! Scaling activities: what a group did and why, in the words of AWS.

use jiff::Timestamp;
use uuid::Uuid;

/// One launch or termination of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its id.
    pub id: Uuid,
    /// What is done.
    pub kind: ActivityKind,
    /// The instance; `None` where none came into being.
    pub instance: Option<String>,
    /// Where the instance is.
    pub zone: String,
    /// Why.
    pub cause: String,
    /// When it started.
    pub start: Timestamp,
    /// When it ended; `None` while it is in progress.
    pub end: Option<Timestamp>,
    /// How far it is.
    pub status: ActivityStatus,
}

/// What an activity does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    /// Starts an instance.
    Launch,
    /// Takes an instance from the warm pool.
    LaunchFromWarmPool,
    /// Starts an instance in the warm pool.
    FillWarmPool,
    /// Asks the Spot market for an instance that it does not have yet.
    RequestSpot,
    /// Ends one.
    Terminate,
}

/// How far an activity is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityStatus {
    /// A launch in progress.
    PreInService,
    /// Held by a lifecycle hook.
    MidLifecycleAction,
    /// A Spot request that waits.
    WaitingForSpotInstanceId,
    /// A termination in progress.
    InProgress,
    /// Done.
    Successful,
    /// Not done, for that reason.
    Failed(String),
    /// Given up, for that reason.
    Cancelled(String),
}

impl ActivityStatus {
    /// `StatusCode`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PreInService => "PreInService",
            Self::MidLifecycleAction => "MidLifecycleAction",
            Self::WaitingForSpotInstanceId => "WaitingForSpotInstanceId",
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed(_) => "Failed",
            Self::Cancelled(_) => "Cancelled",
        }
    }

    /// `Progress` in percent, as AWS reports it: steps, not a measure.
    #[must_use]
    pub const fn progress(&self) -> u8 {
        match self {
            Self::PreInService | Self::WaitingForSpotInstanceId => 30,
            Self::InProgress => 50,
            Self::MidLifecycleAction => 60,
            Self::Successful | Self::Failed(_) | Self::Cancelled(_) => 100,
        }
    }
}

impl Activity {
    /// Whether it has not ended.
    #[must_use]
    pub const fn is_in_progress(&self) -> bool {
        self.end.is_none()
    }

    /// `Description`.
    #[must_use]
    pub fn description(&self) -> String {
        let instance = self.instance.as_deref().unwrap_or_default();
        match (&self.status, self.kind) {
            (ActivityStatus::Failed(reason), ActivityKind::Launch) => {
                format!("Launching a new EC2 instance.  Status Reason: {reason}")
            }
            (ActivityStatus::Cancelled(reason), ActivityKind::Launch) => {
                format!("Launching a new EC2 instance: {instance}.  Status Reason: {reason}")
            }
            (_, ActivityKind::Launch) => format!("Launching a new EC2 instance: {instance}"),
            (_, ActivityKind::LaunchFromWarmPool) => {
                format!("Launching a new EC2 instance from warm pool: {instance}")
            }
            (_, ActivityKind::FillWarmPool) => format!("Launching a new EC2 instance into warm pool: {instance}"),
            (_, ActivityKind::RequestSpot) => {
                format!("Placing Spot instance request: sir-{:08x}", self.id.as_fields().0)
            }
            (_, ActivityKind::Terminate) => format!("Terminating EC2 instance: {instance}"),
        }
    }

    /// `StatusMessage`, where there is one.
    #[must_use]
    pub fn status_message(&self) -> Option<&str> {
        match &self.status {
            ActivityStatus::Failed(reason) | ActivityStatus::Cancelled(reason) => Some(reason),
            _ => None,
        }
    }

    /// `Details`: JSON in a text.
    #[must_use]
    pub fn details(&self) -> String {
        let zone = &self.zone;
        format!(r#"{{"Subnet ID":"subnet-{zone}","Availability Zone":"{zone}"}}"#)
    }
}

/// A change of the desired capacity, which later activities name as their cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) from: i32,
    pub(super) to: i32,
}

impl Change {
    fn sentence(self) -> String {
        let Self { at, from, to } = self;
        format!(
            "At {} a user request explicitly set group desired capacity changing the desired capacity from {from} to {to}.",
            seconds(at)
        )
    }
}

/// `Cause` of a launch that brings `capacity` to `desired`.
pub(super) fn launch_cause(change: Option<Change>, capacity: i32, desired: i32, now: Timestamp) -> String {
    let sentence = format!(
        "At {} an instance was started in response to a difference between desired and actual capacity, increasing the \
         capacity from {capacity} to {desired}.",
        seconds(now)
    );
    join(change, sentence)
}

/// `Cause` of a launch that makes the zones equal.
pub(super) fn balance_cause(zone: &str, now: Timestamp) -> String {
    format!(
        "At {} instances were launched to balance instances in zones {zone} with other zones resulting in more than desired \
         number of instances in the group.",
        seconds(now)
    )
}

/// `Cause` of a termination that brings `capacity` to `desired`.
pub(super) fn terminate_cause(
    change: Option<Change>,
    capacity: i32,
    desired: i32,
    instance: &str,
    now: Timestamp,
) -> String {
    let at = seconds(now);
    let sentence = format!(
        "At {at} an instance was taken out of service in response to a difference between desired and actual capacity, \
         shrinking the capacity from {capacity} to {desired}.  At {at} instance {instance} was selected for termination."
    );
    join(change, sentence)
}

/// `Cause` of a termination after a health check that failed.
pub(super) fn unhealthy_cause(now: Timestamp) -> String {
    format!(
        "At {} an instance was taken out of service in response to an EC2 instance status checks failure.",
        seconds(now)
    )
}

/// `Cause` of a termination that was requested by the instance's id.
pub(super) fn requested_cause(instance: &str, before: i32, after: i32, now: Timestamp) -> String {
    let at = seconds(now);
    let shrinking =
        if after < before { format!(", shrinking the capacity from {before} to {after}") } else { String::new() };
    format!("At {at} instance {instance} was taken out of service in response to a user request{shrinking}.")
}

fn join(change: Option<Change>, sentence: String) -> String {
    match change {
        // AWS puts two blanks between the sentences.
        Some(change) => format!("{}  {sentence}", change.sentence()),
        None => sentence,
    }
}

/// A cause gives its times to the second.
fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
