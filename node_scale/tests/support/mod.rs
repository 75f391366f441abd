//! A group and node_scale's own handler, in this process.

use std::collections::BTreeSet;

use aws_lambda_events::event::sns::SnsEvent;
use jiff::SignedDuration;
use node_scale::config::Settings;
use node_scale::handler::Handler;
use shared::config::Config;
use shared::contract::{ScalingDecision, ScalingOutcome, decode, to_json};
use shared::sns::Topic;
use testbed::autoscaling::{AutoScaling, Group};
use testbed::faults::FaultPlan;
use testbed::sns::{self, Message, Sns};
use testbed::{Call, now, sdk_config};
use uuid::Uuid;

/// The group.
pub(crate) const GROUP: &str = "mesos-workers";
/// How many instances it has.
pub(crate) const SIZE: u32 = 10;

/// A settled group of ten instances, and the topic of the outcomes.
pub(crate) struct World {
    pub(crate) auto_scaling: AutoScaling,
    pub(crate) sns: Sns,
    pub(crate) outcomes: String,
    pub(crate) settings: String,
    pub(crate) faults: FaultPlan,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(settings: &str) -> Self {
        let mut group = Group::new(GROUP, 1, 30, &["a"]);
        let long_ago = now() - SignedDuration::from_hours(24);
        (0..SIZE).for_each(|n| group.adopt(&format!("i-{n}"), "a", long_ago));
        let faults = FaultPlan::default();
        let sns = Sns::start(&faults).await.unwrap();
        let outcomes = sns.create("outcomes", None);
        let auto_scaling = AutoScaling::start([group], &faults).await.unwrap();
        Self { auto_scaling, sns, outcomes, settings: settings.to_owned(), faults }
    }

    /// The stage as it is after a cold start: nothing is remembered.
    pub(crate) fn handler(&self) -> Handler {
        let config = format!(
            "{}[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"workers\"\ngroup = \"{GROUP}\"\nmin = 2\n\
             max = 25\nmax_scale_down_step = 3\n{}{}",
            if self.settings.contains("dry") { "dry_run = true\n" } else { "" },
            if self.settings.contains("scale_down_window") { "" } else { "scale_down_window = \"0s\"\n" },
            self.settings.replace("dry", "")
        );
        let topic = Topic::new(aws_sdk_sns::Client::new(&sdk_config(&self.sns.url())), self.outcomes.clone());
        Handler::new(Settings {
            config: Config::parse(&config).unwrap(),
            sdk: sdk_config(&self.auto_scaling.url()),
            masters: None,
            decision_topic_arn: None,
            outcome_topic: Some(topic),
        })
    }

    /// Hands a decision to a function that has just been started; what it tells of it.
    pub(crate) async fn deliver(&self, decision: &ScalingDecision) -> ScalingOutcome {
        self.deliver_to(&self.handler(), decision, SignedDuration::ZERO).await
    }

    pub(crate) async fn deliver_to(
        &self,
        handler: &Handler,
        decision: &ScalingDecision,
        later: SignedDuration,
    ) -> ScalingOutcome {
        let mark = self.sns.published(&self.outcomes, 0).len();
        // The outcome says whether it succeeds.
        drop(handler.handle(&event(&[body(decision)]), || now() + later).await);
        let told = self.outcomes().split_off(mark);
        assert_eq!(told.len(), 1, "exactly one outcome");
        told.into_iter().next().unwrap()
    }

    pub(crate) fn outcomes(&self) -> Vec<ScalingOutcome> {
        self.sns.published(&self.outcomes, 0).iter().map(|message| decode(&message.body, None).unwrap()).collect()
    }

    pub(crate) fn desired(&self) -> i32 {
        self.auto_scaling.group(GROUP, |group| group.desired()).unwrap()
    }

    pub(crate) fn going(&self) -> BTreeSet<String> {
        self.auto_scaling.terminating(GROUP).into_iter().collect()
    }

    pub(crate) fn writes(&self) -> Vec<Call> {
        self.auto_scaling.writes()
    }

    pub(crate) fn actions(&self) -> Vec<String> {
        self.auto_scaling.calls().into_iter().map(|call| call.action).collect()
    }

    pub(crate) fn finish(&self) {
        self.auto_scaling.group(GROUP, |group| group.finish(now()));
    }
}

/// A decision from a snapshot of that many agents, taken a moment ago; a negative one names the first agents.
pub(crate) fn decision(id: u128, delta: i32, agents: u32) -> ScalingDecision {
    let taken_at = shared::time::truncate(now() - SignedDuration::from_millis(50));
    let agent = |n| cluster::agent_ref(&format!("S{n}"), &format!("host-{n}"), Some(&format!("i-{n}")));
    let named = (0..delta.min(0).unsigned_abs()).map(agent);
    ScalingDecision {
        id: Uuid::from_u128(id),
        scale_down_agents: named.collect(),
        ..cluster::decision(delta, agents, taken_at)
    }
}

pub(crate) fn body(decision: &ScalingDecision) -> String {
    to_json(decision).unwrap()
}

pub(crate) fn event(bodies: &[String]) -> SnsEvent {
    let topic = sns::arn("decisions");
    let messages: Vec<Message> = bodies.iter().map(|body| Message::unpublished(&topic, body)).collect();
    serde_json::from_value(sns::event(&messages)).unwrap()
}
