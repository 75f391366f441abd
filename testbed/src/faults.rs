//! What goes wrong at the endpoints of a test bed, as data.
//!
//! A test bed starts with its [`Faults`]; its endpoints look at them on every call through the [`FaultPlan`], by which a test
//! changes them while the functions run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::query::AwsError;
use super::raw::Stuck;
use super::service::{Service, lock};

/// Everything that goes wrong in a test bed. By default nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Calls that go wrong. A call meets the first fault that fits it.
    pub calls: Vec<Fault>,
    /// Topics, by their ARN, that do not deliver each message once and at once.
    pub deliveries: BTreeMap<String, Delivery>,
    /// Auto Scaling describes groups as they were.
    pub lag: Option<Lag>,
    /// How the Mesos master answers.
    pub master: Mode,
    /// The URLs of masters that are servers of the test. The configuration lists them first.
    pub own_masters: Vec<String>,
    /// Other masters, which are stuck. The configuration lists them before the leading one.
    pub stuck_masters: Vec<Stuck>,
    /// The credentials, `principal:secret`, that the master asks for.
    pub master_credentials: Option<String>,
    /// The credentials, `user:password`, that Marathon asks for.
    pub marathon_credentials: Option<String>,
    /// CloudWatch answers in pages of at most so many values of a group.
    pub metric_values_per_page: Option<usize>,
    /// By how many seconds the clock of AWS is ahead, as the header `Date` has it.
    pub date_ahead_seconds: Option<i64>,
}

/// Calls that go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls.
    pub calls: Calls,
    /// What happens to them.
    pub trouble: Trouble,
    /// How many of them, from now on.
    pub times: u32,
}

/// Which calls meet a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Those of an action: `SetDesiredCapacity`, `DRAIN_AGENT` of the Mesos operator API, the path of a plain GET.
    Action(String),
    /// All calls of a service.
    Of(Service),
    /// The call of a service with that number, counted from 0.
    Number(Service, usize),
    /// Those calls of a service that contain a text.
    Containing(Service, String),
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is refused, and nothing is done.
    Refused(AwsError),
    /// It is done, and the answer is this error: the caller cannot know.
    AnswerLost(AwsError),
    /// Nothing is done and no answer comes.
    HangsBefore,
    /// It is done and no answer comes.
    HangsAfter,
    /// It is done, and of the body of the answer only so many bytes come, with nothing to show that there were more.
    AnswerCut(usize),
    /// Nothing is done, and the answer has this body, with status 200.
    AnswerIs(Vec<u8>),
}

/// How a topic delivers what is published to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Once, at once.
    #[default]
    Once,
    /// Twice, as SNS now and then does.
    Twice,
    /// Once, after a while; what is published later overtakes it.
    Delayed(Duration),
    /// Not until [`crate::sns::Sns::deliver`] is called, in any order; never, if it is not: a lost message.
    Held,
}

/// Answers that lag behind: for so many calls of `DescribeAutoScalingGroups`, for that long at most, groups are described as
/// they were before the next call or change. The real service is eventually consistent (aws/aws-sdk-go#2388).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// How many answers lag.
    pub answers: u32,
    /// For how long.
    pub at_most: Duration,
}

/// How a master answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It leads.
    #[default]
    Leading,
    /// Another one leads, at that host and port.
    Following(String),
    /// There is no leader.
    NoLeader,
    /// It has just been started.
    Starting,
}

impl Fault {
    /// The next call of an action meets that trouble.
    #[must_use]
    pub fn of(action: &str, trouble: Trouble) -> Self {
        Self::at(Calls::Action(action.to_owned()), trouble)
    }

    /// The next of those calls meets that trouble.
    #[must_use]
    pub const fn at(calls: Calls, trouble: Trouble) -> Self {
        Self { calls, trouble, times: 1 }
    }

    /// The same for that many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

impl Calls {
    fn meet(&self, call: &Arrived<'_>) -> bool {
        match self {
            Self::Action(action) => action == call.action,
            Self::Of(service) => *service == call.service,
            Self::Number(service, number) => *service == call.service && *number == call.number,
            Self::Containing(service, text) => *service == call.service && call.text.contains(text.as_str()),
        }
    }
}

/// What the faults look at in a call.
pub(crate) struct Arrived<'a> {
    pub(crate) service: Service,
    pub(crate) action: &'a str,
    /// How many calls of the service came before.
    pub(crate) number: usize,
    /// The parameters or the JSON of the request.
    pub(crate) text: &'a str,
}

/// The faults of a test bed, shared by its endpoints.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan(Arc<Mutex<Faults>>);

impl From<Faults> for FaultPlan {
    fn from(faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(faults)))
    }
}

impl FaultPlan {
    /// Reads or changes the faults.
    pub fn change<T>(&self, act: impl FnOnce(&mut Faults) -> T) -> T {
        act(&mut lock(&self.0))
    }

    /// Adds a fault of calls.
    pub fn add(&self, fault: Fault) {
        self.change(|faults| faults.calls.push(fault));
    }

    /// Refuses the next calls of an action.
    pub fn refuse(&self, action: &str, error: AwsError, times: u32) {
        self.add(Fault::of(action, Trouble::Refused(error)).times(times));
    }

    /// Changes how a topic delivers.
    pub fn deliver(&self, arn: &str, delivery: Delivery) {
        self.change(|faults| faults.deliveries.insert(arn.to_owned(), delivery));
    }

    /// Changes how the master answers.
    pub fn master(&self, mode: Mode) {
        self.change(|faults| faults.master = mode);
    }

    /// The trouble that a call meets, if any.
    pub(crate) fn next(&self, call: &Arrived<'_>) -> Option<Trouble> {
        self.change(|faults| {
            let fault = faults.calls.iter_mut().find(|fault| fault.times > 0 && fault.calls.meet(call))?;
            fault.times -= 1;
            Some(fault.trouble.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscaling::throttling;

    #[test]
    fn a_fault_meets_as_many_calls_as_it_says() {
        let plan = FaultPlan::default();
        plan.add(Fault::of("A", Trouble::Refused(throttling())).times(2));
        plan.add(Fault::at(Calls::Number(Service::Ec2, 7), Trouble::HangsBefore));
        plan.add(Fault::at(Calls::Containing(Service::Sns, "first".to_owned()), Trouble::HangsAfter));
        let call = |service, action, number| Arrived { service, action, number, text: "the first" };
        let met = |service, action, number| plan.next(&call(service, action, number));
        let refused = Some(Trouble::Refused(throttling()));
        assert_eq!([0, 1, 2].map(|number| met(Service::AutoScaling, "A", number)), [refused.clone(), refused, None]);
        assert_eq!(met(Service::AutoScaling, "B", 7), None, "another service");
        assert_eq!(met(Service::Ec2, "B", 7), Some(Trouble::HangsBefore));
        assert_eq!(met(Service::Sns, "Publish", 0), Some(Trouble::HangsAfter));
    }
}
