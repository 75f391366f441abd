//! Reads the CPU utilization of Auto Scaling groups from CloudWatch.
//!
//! One [`GetMetricData`](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html) call serves
//! all groups: EC2 publishes `CPUUtilization` in the namespace `AWS/EC2` under the dimension `AutoScalingGroupName`, every
//! minute with detailed monitoring and every five minutes without.
//!
//! The call uses the service's JSON protocol; docs/design/cloudwatch.md says why not the SDK's client.

use std::time::Duration;

use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::aws;
use shared::aws::call::{Call, Protocol, Service, SetUpError};

use crate::groups::Cpu;

/// The maximum number of queries in one call.
const MAX_QUERIES: usize = 500;

/// The window of the average.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// The result is the mean of one-minute averages, so it does not depend on where CloudWatch starts longer periods.
const PERIOD_SECONDS: u32 = 60;

/// A call with 500 queries returns one page of 5,000 values. A result with more pages than these is unknown.
const MAX_PAGES: usize = 10;

/// For all calls together: the masters are read afterwards.
const TIMEOUT: Duration = Duration::from_secs(5);

const GET_METRIC_DATA: Service = Service {
    name: "cloudwatch",
    host: "monitoring",
    operation: "GetMetricData",
    protocol: Protocol::Json {
        content_type: "application/x-amz-json-1.0",
        target: "GraniteServiceVersion20100801.GetMetricData",
    },
};

/// A CloudWatch client.
#[derive(Clone, Debug)]
pub struct Client {
    call: Call,
    timeout: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    metric_data_results: Vec<MetricDataResult>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDataResult {
    id: String,
    #[serde(default)]
    values: Vec<f64>,
    status_code: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    code: String,
    #[serde(default)]
    value: String,
}

/// The answers to one query, on all pages together.
#[derive(Clone, Debug, Default)]
struct MetricDataResponse {
    values: Vec<f64>,
    status: Option<String>,
    messages: Vec<String>,
}

impl Client {
    /// A client with the SDK's region, endpoint, and credentials.
    ///
    /// # Errors
    /// The SDK lacks one of them.
    pub fn new(sdk: &SdkConfig) -> Result<Self, SetUpError> {
        Ok(Self { call: Call::new(sdk, GET_METRIC_DATA)?, timeout: TIMEOUT })
    }

    /// The same client, which waits for an answer at most this long.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The average CPU utilization of each group over the ten minutes before `now`, in the order of the groups. A failure
    /// is a value, too.
    pub async fn cpu_utilization(&self, groups: &[&str], now: Timestamp) -> Vec<Cpu> {
        let mut known = Vec::with_capacity(groups.len());
        let all = async {
            for groups in groups.chunks(MAX_QUERIES) {
                known.extend(self.ask(groups, now).await);
            }
        };
        // Answers that arrived in time are kept.
        let _ = tokio::time::timeout(self.timeout, all).await;
        let late = format!("CloudWatch did not answer within {} ms", self.timeout.as_millis());
        known.resize(groups.len(), Cpu::Unknown { reason: late });
        known
    }

    async fn ask(&self, groups: &[&str], now: Timestamp) -> Vec<Cpu> {
        let mut responses = vec![MetricDataResponse::default(); groups.len()];
        let queries: Vec<Value> = groups.iter().enumerate().map(|(index, group)| query(index, group)).collect();
        let start = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let mut call =
            json!({ "MetricDataQueries": queries, "StartTime": start.as_second(), "EndTime": now.as_second() });
        for _ in 0..MAX_PAGES {
            let answer = match self.page(call.to_string()).await {
                Ok(answer) => answer,
                Err(reason) => {
                    let reason = format!("{}: {reason}", self.call.endpoint());
                    return vec![Cpu::Unknown { reason }; groups.len()];
                }
            };
            for result in answer.metric_data_results {
                if let Some(response) = index(&result.id).and_then(|index| responses.get_mut(index)) {
                    response.take(result);
                }
            }
            match (answer.next_token, call.as_object_mut()) {
                (Some(token), Some(call)) => call.insert("NextToken".to_owned(), token.into()),
                _ => return responses.into_iter().map(MetricDataResponse::into_cpu).collect(),
            };
        }
        let reason = format!("the answer of CloudWatch exceeds {MAX_PAGES} pages");
        vec![Cpu::Unknown { reason }; groups.len()]
    }

    /// One page, or why there is none.
    async fn page(&self, request: String) -> Result<Answer, String> {
        let answer = self.call.send(request).await;
        let answer = answer.map_err(|error| aws::call_failure("GetMetricData", "cloudwatch:GetMetricData", &error))?;
        serde_json::from_str(&answer).map_err(|error| format!("cannot read the answer: {error}"))
    }
}

impl MetricDataResponse {
    fn take(&mut self, result: MetricDataResult) {
        self.values.extend(result.values);
        self.status = result.status_code;
        let text = |message: Message| if message.value.is_empty() { message.code } else { message.value };
        self.messages.extend(result.messages.into_iter().map(text));
    }

    /// The mean, if the response is complete.
    fn into_cpu(self) -> Cpu {
        let problem = match self.status.as_deref() {
            Some("Complete") => return Cpu::of(&self.values),
            Some("PartialData") => "CloudWatch returned partial data",
            Some("InternalError") => "CloudWatch failed to read the data",
            Some("Forbidden") => "CloudWatch denied access to the data",
            Some(_) => "CloudWatch returned an unknown status",
            None => "CloudWatch returned no result",
        };
        let messages = self.messages.join("; ");
        let reason = if messages.is_empty() { problem.to_owned() } else { format!("{problem}: {messages}") };
        Cpu::Unknown { reason }
    }
}

/// The query of the group at that index. An id must begin with a lower-case letter.
fn query(index: usize, group: &str) -> Value {
    let metric = json!({
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{ "Name": "AutoScalingGroupName", "Value": group }],
    });
    json!({
        "Id": format!("group{index}"),
        "MetricStat": { "Metric": metric, "Period": PERIOD_SECONDS, "Stat": "Average" },
    })
}

fn index(id: &str) -> Option<usize> {
    id.strip_prefix("group")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_response_has_no_mean() {
        let response = |status: Option<&str>, values: &[f64]| MetricDataResponse {
            values: values.to_vec(),
            status: status.map(str::to_owned),
            messages: Vec::new(),
        };
        assert_eq!(response(Some("Complete"), &[70.0, 73.0]).into_cpu(), Cpu::Known(71.5));
        for (status, values) in [
            (Some("PartialData"), &[70.0][..]),
            (Some("InternalError"), &[70.0]),
            (Some("Forbidden"), &[70.0]),
            (Some("Complete"), &[]),
            (Some("Complete"), &[f64::NAN]),
            (None, &[]),
        ] {
            assert!(matches!(response(status, values).into_cpu(), Cpu::Unknown { .. }), "{status:?} {values:?}");
        }
    }
}
