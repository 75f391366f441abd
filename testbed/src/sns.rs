//! Topics that speak SNS' Query protocol and deliver messages as SNS does: at least once, in no order.
//!
//! Modeled as documented: `Publish` with message attributes, its errors for an unknown topic and for a message that is
//! too long, the event in which a Lambda function finds a message. With a [`Delivery`] among the
//! faults a topic delivers twice, late, in another order, or never: SNS can do all of that. Every published message is
//! kept, so that tests can wait for it and deliver it again.
//!
//! Not modeled: subscriptions other than one function, filters, FIFO topics, signatures, dead-letter queues.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::faults::{Delivery, FaultPlan};
use super::http::Endpoint;
use super::journal::Journal;
use super::query::{AwsError, Namespace, Request};
use super::runtime_api::{Function, Invocation};
use super::service::{Service, lock, now};
use super::xml::Xml;
use super::{ACCOUNT, REGION};

pub(crate) const NAMESPACE: Namespace = Namespace("http://sns.amazonaws.com/doc/2010-03-31/");

/// SNS' default limit of a message, attributes included.
const MAX_MESSAGE_BYTES: usize = 262_144;

/// A message as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic's ARN.
    pub topic: String,
    /// Given by SNS, the same in every delivery.
    pub id: String,
    /// When it was published.
    pub at: Timestamp,
    /// The subject.
    pub subject: Option<String>,
    /// The message itself.
    pub body: String,
    /// The attributes, all of type String.
    pub attributes: BTreeMap<String, String>,
}

impl Message {
    /// A message to a topic that was never published.
    #[must_use]
    pub fn unpublished(topic: &str, body: &str) -> Self {
        let (id, attributes) = (Uuid::nil().to_string(), BTreeMap::new());
        Self { topic: topic.to_owned(), id, at: now(), subject: None, body: body.to_owned(), attributes }
    }
}

/// The endpoint.
pub type Sns = Endpoint<Topics>;

/// The topics, and everything that was published to them.
#[derive(Debug)]
pub struct Topics {
    /// Who reads each topic, by the topic's ARN.
    readers: Mutex<BTreeMap<String, Option<Function>>>,
    log: Mutex<Journal<Message>>,
    count: watch::Sender<usize>,
    faults: FaultPlan,
}

/// The ARN of the topic of that name.
#[must_use]
pub fn arn(topic: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{topic}")
}

impl Sns {
    /// Opens the endpoint, without topics.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(faults: &FaultPlan) -> io::Result<Self> {
        let topics = Arc::new(Topics {
            readers: Mutex::default(),
            log: Mutex::default(),
            count: watch::Sender::new(0),
            faults: faults.clone(),
        });
        let routes = Router::new().route("/", post(handle)).with_state(Arc::clone(&topics));
        Self::open(Service::Sns, refusal, topics, routes, faults).await
    }

    /// Creates a topic, read by that function, if any. Returns its ARN.
    pub fn create(&self, name: &str, subscriber: Option<Function>) -> String {
        let arn = arn(name);
        lock(&self.service.readers).insert(arn.clone(), subscriber);
        arn
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// The error that SNS would answer with.
    pub fn publish(&self, arn: &str, body: &str, attributes: &[(&str, &str)]) -> Result<Message, AwsError> {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.service.publish(arn, None, body.to_owned(), attributes)
    }

    /// Delivers a message once, at once, whether it was before or not. `None` where its topic has no reader.
    pub fn deliver(&self, message: &Message) -> Option<oneshot::Receiver<Invocation>> {
        self.service.deliver(message)
    }

    /// How many messages were published so far, to all topics: where to start looking for the next.
    #[must_use]
    pub fn mark(&self) -> usize {
        lock(&self.service.log).count()
    }

    /// What was published to a topic, from that mark on.
    #[must_use]
    pub fn published(&self, arn: &str, mark: usize) -> Vec<Message> {
        lock(&self.service.log).since(mark).filter(|message| message.topic == arn).cloned().collect()
    }

    /// Forgets what was published so far; marks stay right.
    pub fn forget_messages(&self) {
        lock(&self.service.log).forget();
    }

    /// Waits for the first message, from that mark on, of which `read` makes something.
    pub async fn wait_for<T>(&self, arn: &str, mark: usize, mut read: impl FnMut(&Message) -> Option<T>) -> T {
        let mut count = self.service.count.subscribe();
        let mut seen = mark;
        loop {
            {
                let log = lock(&self.service.log);
                let found = log.since(seen).filter(|message| message.topic == arn).find_map(&mut read);
                if let Some(found) = found {
                    return found;
                }
                seen = seen.max(log.count());
            }
            if count.changed().await.is_err() {
                // The sender lives in what `self` holds.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Topics {
    fn publish(
        self: &Arc<Self>,
        arn: &str,
        subject: Option<String>,
        body: String,
        attributes: BTreeMap<String, String>,
    ) -> Result<Message, AwsError> {
        if !lock(&self.readers).contains_key(arn) {
            return Err(AwsError::new(404, "NotFound", "Topic does not exist"));
        }
        let attribute_bytes: usize =
            attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum();
        if body.is_empty() {
            return Err(AwsError::new(400, "InvalidParameter", "Invalid parameter: Empty message"));
        }
        if body.len() + attribute_bytes > MAX_MESSAGE_BYTES {
            return Err(AwsError::new(400, "InvalidParameter", "Invalid parameter: Message too long"));
        }
        let mut log = lock(&self.log);
        let serial = u64::try_from(log.count()).unwrap_or(u64::MAX);
        let id = Uuid::from_u64_pair(0x736e_7300_0000_4000, (1 << 63) | serial).to_string();
        let message = Message { topic: arn.to_owned(), id, at: now(), subject, body, attributes };
        log.push(message.clone());
        drop(log);
        self.count.send_modify(|count| *count += 1);
        self.hand_on(&message);
        Ok(message)
    }

    fn hand_on(self: &Arc<Self>, message: &Message) {
        let delivery = self.faults.change(|faults| faults.deliveries.get(&message.topic).copied());
        let times = match delivery.unwrap_or_default() {
            Delivery::Held => 0,
            Delivery::Once => 1,
            Delivery::Twice => 2,
            Delivery::Delayed(pause) => {
                let (topics, message) = (Arc::clone(self), message.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    drop(topics.deliver(&message));
                });
                0
            }
        };
        for _ in 0..times {
            drop(self.deliver(message));
        }
    }

    fn deliver(&self, message: &Message) -> Option<oneshot::Receiver<Invocation>> {
        let subscriber = lock(&self.readers).get(&message.topic)?.clone()?;
        Some(subscriber.enqueue(&event([message])))
    }
}

/// The event in which a Lambda function finds messages, each in a record of its own.
#[must_use]
pub fn event<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Value {
    json!({ "Records": messages.into_iter().map(record).collect::<Vec<_>>() })
}

fn record(message: &Message) -> Value {
    let attributes: serde_json::Map<String, Value> = message
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), json!({"Type": "String", "Value": value})))
        .collect();
    let subscription = format!("{}:{}", message.topic, Uuid::from_u64_pair(0x7375_6273_0000_4000, 1 << 63));
    // One spelling of the two URLs only: readers take either, and refuse a record that has both.
    json!({
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": {
            "Type": "Notification",
            "MessageId": message.id,
            "TopicArn": message.topic,
            "Subject": message.subject,
            "Message": message.body,
            "Timestamp": shared::time::format(message.at),
            "SignatureVersion": "1",
            "Signature": "not-signed",
            "SigningCertUrl": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService.pem",
            "UnsubscribeUrl": format!("https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription}"),
            "MessageAttributes": attributes,
        },
    })
}

async fn handle(State(topics): State<Arc<Topics>>, body: Bytes) -> Response {
    let request = Request::read(&body);
    let result = match request.action.as_str() {
        "Publish" => publish(&topics, &request).map(Some),
        action => Err(AwsError::new(
            400,
            "InvalidAction",
            format!("Could not find operation {action} for version 2010-03-31"),
        )),
    };
    NAMESPACE.answer(&request.action, result)
}

fn publish(topics: &Arc<Topics>, request: &Request) -> Result<Xml, AwsError> {
    let missing = |name: &str| AwsError::new(400, "InvalidParameter", format!("Invalid parameter: {name}"));
    let arn = request
        .get("TopicArn")
        .ok_or_else(|| missing("TopicArn or TargetArn Reason: no value for required parameter"))?;
    let body = request.get("Message").unwrap_or_default().to_owned();
    let subject = request.get("Subject").map(str::to_owned);
    let mut attributes = BTreeMap::new();
    for index in 1.. {
        let field = |field: &str| request.get(&format!("MessageAttributes.entry.{index}.{field}"));
        let Some(name) = field("Name") else { break };
        let value = field("Value.StringValue").filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| AwsError::new(
            400,
            "ParameterValueInvalid",
            format!("The message attribute '{name}' must contain non-empty message attribute value for message attribute type 'String'."),
        ))?;
        attributes.insert(name.to_owned(), value.to_owned());
    }
    let message = topics.publish(arn, subject, body, attributes)?;
    let mut xml = Xml::default();
    xml.text("MessageId", message.id);
    Ok(xml)
}

/// How it refuses a call.
fn refusal(action: &str, error: &AwsError) -> Response {
    NAMESPACE.answer(action, Err(error.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_the_one_that_lambda_documents() {
        let message = Message {
            topic: arn("snapshots"),
            id: "m-1".to_owned(),
            at: "2026-11-21T16:00:00Z".parse().unwrap(),
            subject: None,
            body: "{\"a\":1}".to_owned(),
            attributes: BTreeMap::from([("pool".to_owned(), "workers".to_owned())]),
        };
        let event = event([&message]);
        let record = &event["Records"][0];
        assert_eq!(record["EventSource"], "aws:sns");
        assert_eq!(record["EventVersion"], "1.0");
        assert_eq!(record["Sns"]["Type"], "Notification");
        assert_eq!(record["Sns"]["TopicArn"], "arn:aws:sns:us-east-1:123456789012:snapshots");
        assert_eq!(record["Sns"]["Timestamp"], "2026-11-21T16:00:00.000Z");
        assert_eq!(record["Sns"]["Message"], "{\"a\":1}");
        assert_eq!(record["Sns"]["MessageAttributes"]["pool"], json!({"Type": "String", "Value": "workers"}));
        assert!(record["Sns"]["Subject"].is_null());
        assert!(record["Sns"].get("SigningCertURL").is_none() && record["Sns"].get("UnsubscribeURL").is_none());
    }

    #[tokio::test]
    async fn a_message_may_be_as_long_as_sns_allows_and_no_longer() {
        let sns = Sns::start(&FaultPlan::default()).await.unwrap();
        let arn = sns.create("snapshots", None);
        let attributes = [("pool", "workers")];
        let longest = MAX_MESSAGE_BYTES - "pool".len() - "String".len() - "workers".len();
        assert!(sns.publish(&arn, &"x".repeat(longest), &attributes).is_ok());
        assert_eq!(sns.publish(&arn, &"x".repeat(longest + 1), &attributes).unwrap_err().code, "InvalidParameter");
        assert_eq!(sns.publish(&super::arn("other"), "x", &[]).unwrap_err().code, "NotFound");
        assert_eq!(sns.published(&arn, 0).len(), 1);
    }
}
