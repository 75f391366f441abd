//! The two ends of a topic: publishing a message, and the records in which it arrives.

use aws_lambda_events::event::sns::{SnsEvent, SnsRecord};
use aws_sdk_sns::Client;
use aws_sdk_sns::error::SdkError;
use aws_sdk_sns::operation::publish::PublishError as Cause;
use aws_sdk_sns::types::MessageAttributeValue;
use thiserror::Error;

use crate::contract::{self, CONTENT_ENCODING, Encoded, Message};
use crate::text::clip;

/// The most characters of a topic that an error repeats: a record may name any text.
const MAX_ARN_CHARS: usize = 400;

/// A topic to publish to.
#[derive(Clone, Debug)]
pub struct Topic {
    client: Client,
    arn: String,
}

/// Why a message was not published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The message could not be put together.
    #[error("cannot publish to {arn}")]
    Attribute {
        /// The topic.
        arn: String,
        /// What is missing.
        source: aws_sdk_sns::error::BuildError,
    },
    /// SNS refused, or could not be reached.
    #[error("cannot publish to {arn}; check that the topic exists and that the role may sns:Publish to it")]
    Call {
        /// The topic.
        arn: String,
        /// What SNS said.
        source: Box<SdkError<Cause>>,
    },
    /// SNS refused, since the topic is in another region than the function.
    #[error(
        "cannot publish to {arn}: the topic is in the region {of_topic}, and this function in {of_function}; create the topic there"
    )]
    Region {
        /// The topic.
        arn: String,
        /// Its region.
        of_topic: String,
        /// The region whose SNS was called.
        of_function: String,
        /// What SNS said.
        source: Box<SdkError<Cause>>,
    },
}

impl Topic {
    /// The topic of that ARN.
    #[must_use]
    pub const fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    /// Publishes a message. SNS shows the subject to those who read the topic by mail.
    ///
    /// # Errors
    /// Where SNS refuses, after the SDK's own retries.
    pub async fn publish(&self, message: Encoded, subject: Option<&str>) -> Result<(), PublishError> {
        let mut call = self.client.publish().topic_arn(&self.arn).message(message.body);
        call = call.set_subject(subject.map(shorten_subject));
        for (name, value) in message.attributes {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|source| PublishError::Attribute { arn: self.arn.clone(), source })?;
            call = call.message_attributes(name, value);
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(source) => Err(self.failure(Box::new(source))),
        }
    }

    fn failure(&self, source: Box<SdkError<Cause>>) -> PublishError {
        let arn = self.arn.clone();
        let of_topic = region(&arn).filter(|region| !region.is_empty()).map(str::to_owned);
        let of_function = self.client.config().region().map(ToString::to_string);
        match of_topic.zip(of_function) {
            Some((of_topic, of_function)) if of_topic != of_function => {
                PublishError::Region { arn, of_topic, of_function, source }
            }
            _ => PublishError::Call { arn, source },
        }
    }
}

/// The region in an ARN: `arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME`.
fn region(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

/// SNS takes at most 100 printable ASCII characters as a subject.
fn shorten_subject(subject: &str) -> String {
    subject.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(100).collect()
}

/// Why a record of an SNS event holds no message for us. Trying again does not help.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It does not come from SNS, or from a topic that this function does not read.
    #[error("a record from {got:?} came, this function reads {expected:?}; look at its subscriptions and permissions")]
    WrongTopic {
        /// The one expected.
        expected: String,
        /// The one the record names.
        got: String,
    },
    /// The message is none of ours, or not one this build can read.
    #[error("a message of {bytes} bytes was refused")]
    Unreadable {
        /// Its size.
        bytes: usize,
        /// What is wrong with it.
        source: contract::DecodeError,
    },
}

/// The messages of an SNS event, one for each record. `expected` is the only topic they may come from; `None` admits all.
pub fn messages<'a, M: Message>(
    event: &'a SnsEvent,
    expected: Option<&'a str>,
) -> impl Iterator<Item = Result<M, RecordError>> + 'a {
    event.records.iter().map(move |record| message(record, expected))
}

fn message<M: Message>(record: &SnsRecord, expected: Option<&str>) -> Result<M, RecordError> {
    if let Some(expected) = expected
        && (record.event_source != "aws:sns" || record.sns.topic_arn != expected)
    {
        return Err(RecordError::WrongTopic {
            expected: expected.to_owned(),
            got: clip(&record.sns.topic_arn, MAX_ARN_CHARS),
        });
    }
    let encoding = record.sns.message_attributes.get(CONTENT_ENCODING).map(|attribute| attribute.value.as_str());
    contract::decode(&record.sns.message, encoding)
        .map_err(|source| RecordError::Unreadable { bytes: record.sns.message.len(), source })
}
