//! Asks CloudWatch for the CPU utilization of Auto Scaling groups.
//!
//! One [`GetMetricData`](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html) for all of
//! them: EC2 publishes `CPUUtilization` in the namespace `AWS/EC2` under the dimension `AutoScalingGroupName` by itself,
//! every minute with detailed monitoring and every five without.
//!
//! The call is made in the JSON protocol of the service, signed by the SDK's own crate; docs/design/cloudwatch.md says
//! why the SDK's client is not used.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use jiff::{SignedDuration, Timestamp};
use reqwest::{StatusCode, redirect, retry};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::aws;
use shared::error::Chain;
use thiserror::Error;

use crate::groups::Cpu;

/// The most queries in one call.
const MAX_QUERIES: usize = 500;

/// Over how long the average is taken.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// The averages of single minutes are asked for and their mean is taken: where CloudWatch lets longer periods begin does
/// then not matter.
const PERIOD_SECONDS: u32 = 60;

/// A call with 500 queries has one page of 5,000 values. What takes more pages than these is not known.
const MAX_PAGES: usize = 10;

/// For everything that is asked: the masters wait meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait before each further try of a call.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// The most bytes of an answer: ten times what 500 queries are answered with.
const MAX_BYTES: usize = 8 << 20;

/// The call, and the header that names it.
const TARGET: (&str, &str) = ("x-amz-target", "GraniteServiceVersion20100801.GetMetricData");

/// The body's type, by which the service knows the protocol.
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/x-amz-json-1.0");

/// Asks CloudWatch.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    region: String,
    credentials: SharedCredentialsProvider,
    timeout: Duration,
}

/// Why no client can be set up.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody says which region's CloudWatch is meant.
    #[error("no region is set; set AWS_REGION")]
    Region,
    /// There is nobody to ask for credentials.
    #[error("the SDK has no provider of credentials")]
    Credentials,
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// Why a call had no answer.
#[derive(Debug, Error)]
enum CallError {
    #[error("there are no credentials to sign with")]
    Credentials(#[source] CredentialsError),
    #[error("the request cannot be signed")]
    Sign(#[source] SigningError),
    #[error("the request cannot be made: {0}")]
    Request(&'static str),
    #[error("the request failed")]
    Http(#[source] reqwest::Error),
    #[error("{code}{}: {message}", remedy(code))]
    Refused { status: StatusCode, code: String, message: String },
    #[error("the answer has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the answer cannot be read")]
    Json(#[source] serde_json::Error),
}

fn remedy(code: &str) -> &'static str {
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            " (allow the role of node_gather cloudwatch:GetMetricData)"
        }
        _ => "",
    }
}

impl CallError {
    /// Whether the same call may have an answer in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Refused { status, code, .. } => {
                status.is_server_error() || code.starts_with("Throttling") || code == "RequestLimitExceeded"
            }
            _ => false,
        }
    }
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

/// What AWS says in the JSON protocol where it refuses.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default, rename = "__type")]
    kind: String,
    #[serde(default, alias = "Message")]
    message: String,
}

/// What was said of one query, on all pages together.
#[derive(Clone, Debug, Default)]
struct Said {
    values: Vec<f64>,
    status: Option<String>,
    messages: Vec<String>,
}

impl Client {
    /// A client with the SDK's region, endpoint and credentials, which waits for an answer as long as is sensible.
    ///
    /// # Errors
    /// Where one of them is missing.
    pub fn new(sdk: &SdkConfig) -> Result<Self, ClientError> {
        let region = sdk.region().ok_or(ClientError::Region)?.to_string();
        let credentials = sdk.credentials_provider().ok_or(ClientError::Credentials)?;
        let named = aws::variable("AWS_ENDPOINT_URL_CLOUDWATCH").or_else(|| sdk.endpoint_url().map(str::to_owned));
        let endpoint = named.unwrap_or_else(|| format!("https://monitoring.{region}.{}", domain(&region)));
        let builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_gzip()
            .connect_timeout(TIMEOUT);
        // Reading the system's authorities takes longer than a call.
        let builder = if endpoint.starts_with("http:") { builder.tls_certs_only([]) } else { builder };
        let http = builder.build().map_err(ClientError::Build)?;
        Ok(Self { http, endpoint, region, credentials, timeout: TIMEOUT })
    }

    /// The average CPU utilization of each group over the ten minutes before `now`, in the groups' order. That it is not
    /// known is an answer, too.
    pub async fn cpu_utilization(&self, groups: &[&str], now: Timestamp) -> Vec<Cpu> {
        let mut known = Vec::with_capacity(groups.len());
        let all = async {
            for groups in groups.chunks(MAX_QUERIES) {
                known.extend(self.ask(groups, now).await);
            }
        };
        // What was answered in time is kept.
        let _ = tokio::time::timeout(self.timeout, all).await;
        let late = format!("CloudWatch did not answer within {} ms", self.timeout.as_millis());
        known.resize(groups.len(), Cpu::Unknown { reason: late });
        known
    }

    async fn ask(&self, groups: &[&str], now: Timestamp) -> Vec<Cpu> {
        let mut said = vec![Said::default(); groups.len()];
        let queries: Vec<Value> = groups.iter().enumerate().map(|(index, group)| query(index, group)).collect();
        let start = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let mut call =
            json!({ "MetricDataQueries": queries, "StartTime": start.as_second(), "EndTime": now.as_second() });
        for _ in 0..MAX_PAGES {
            let answer = match self.call(&call.to_string(), now).await {
                Ok(answer) => answer,
                Err(error) => {
                    let reason = format!("{}: {}", self.endpoint, Chain::new(&error));
                    return vec![Cpu::Unknown { reason }; groups.len()];
                }
            };
            for result in answer.metric_data_results {
                if let Some(said) = index(&result.id).and_then(|index| said.get_mut(index)) {
                    said.take(result);
                }
            }
            match (answer.next_token, call.as_object_mut()) {
                (Some(token), Some(call)) => call.insert("NextToken".to_owned(), token.into()),
                _ => return said.into_iter().map(Said::judge).collect(),
            };
        }
        let reason = format!("the answer of CloudWatch has more than {MAX_PAGES} pages");
        vec![Cpu::Unknown { reason }; groups.len()]
    }

    /// Makes a call, again where that may help.
    async fn call(&self, body: &str, now: Timestamp) -> Result<Answer, CallError> {
        for pause in PAUSES {
            match self.try_call(body, now).await {
                Err(error) if error.may_pass() => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        self.try_call(body, now).await
    }

    async fn try_call(&self, body: &str, now: Timestamp) -> Result<Answer, CallError> {
        let credentials = self.credentials.provide_credentials().await.map_err(CallError::Credentials)?;
        let mut request = self.http.post(&self.endpoint).body(body.to_owned());
        for (name, value) in headers(&self.endpoint, &self.region, credentials, body, now)? {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| CallError::Http(error.without_url()))?;
        let status = response.status();
        let body = read(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(CallError::Json);
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        let code = refusal.kind.rsplit('#').next().filter(|code| !code.is_empty());
        let code = code.map_or_else(|| format!("status {}", status.as_u16()), str::to_owned);
        let message = if refusal.message.is_empty() { "no message".to_owned() } else { refusal.message };
        Err(CallError::Refused { status, code, message })
    }
}

/// The headers of a call, its signature among them.
fn headers(
    endpoint: &str,
    region: &str,
    credentials: Credentials,
    body: &str,
    now: Timestamp,
) -> Result<Vec<(String, String)>, CallError> {
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("monitoring")
        .time(SystemTime::from(now))
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| CallError::Request("the signature lacks a part"))?;
    let own = [TARGET, CONTENT_TYPE];
    let signable = SignableRequest::new("POST", endpoint, own.into_iter(), SignableBody::Bytes(body.as_bytes()))
        .map_err(CallError::Sign)?;
    let (signature, _) = sign(signable, &params.into()).map_err(CallError::Sign)?.into_parts();
    let all = own.into_iter().chain(signature.headers());
    Ok(all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::Http(error.without_url()))? {
        if body.len().saturating_add(chunk.len()) > MAX_BYTES {
            return Err(CallError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Under which domain the region's services are.
///
/// <https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json>
fn domain(region: &str) -> &'static str {
    const DOMAINS: [(&str, &str); 6] = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
    ];
    DOMAINS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, domain)| domain)
}

impl Said {
    fn take(&mut self, result: MetricDataResult) {
        self.values.extend(result.values);
        self.status = result.status_code;
        let text = |message: Message| if message.value.is_empty() { message.code } else { message.value };
        self.messages.extend(result.messages.into_iter().map(text));
    }

    /// Half an average is none.
    fn judge(self) -> Cpu {
        let what = match self.status.as_deref() {
            Some("Complete") => return Cpu::of(&self.values),
            Some("PartialData") => "CloudWatch gave a part of the data only",
            Some("InternalError") => "CloudWatch failed to read the data",
            Some("Forbidden") => "CloudWatch does not allow to read the data",
            Some(_) => "CloudWatch gave a status that is not known here",
            None => "CloudWatch said nothing of it",
        };
        let messages = self.messages.join("; ");
        let reason = if messages.is_empty() { what.to_owned() } else { format!("{what}: {messages}") };
        Cpu::Unknown { reason }
    }
}

/// The query of the group at that place. An id must begin with a small letter.
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
    fn a_call_is_signed_as_botocore_signs_it() {
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", key, Some("TOKEN".to_owned()), None, "test");
        let now = "2026-11-21T18:00:00Z".parse().unwrap();
        let body = r#"{"MetricDataQueries":[],"Group":"grüße"}"#;
        let headers =
            headers("https://monitoring.eu-west-1.amazonaws.com", "eu-west-1", credentials, body, now).unwrap();
        let header = |name| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        assert_eq!(header("x-amz-date"), Some("20261121T180000Z"));
        assert_eq!(header("x-amz-security-token"), Some("TOKEN"));
        let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
        let authorization = header("authorization").unwrap();
        assert!(authorization.contains(signed), "{authorization}");
        // What botocore's SigV4Auth makes of the same request.
        assert!(
            authorization.ends_with("Signature=22c9db2b53132950647eda5e0f245db3d20eba63f747c1728af93dfe727395af"),
            "{authorization}"
        );
    }

    #[test]
    fn regions_are_in_the_domain_of_their_partition() {
        for (region, expected) in [
            ("eu-west-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("us-iso-east-1", "c2s.ic.gov"),
        ] {
            assert_eq!(domain(region), expected, "{region}");
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        let said = |status: Option<&str>, values: &[f64]| Said {
            values: values.to_vec(),
            status: status.map(str::to_owned),
            messages: Vec::new(),
        };
        assert_eq!(said(Some("Complete"), &[70.0, 73.0]).judge(), Cpu::Known(71.5));
        for (status, values) in [
            (Some("PartialData"), &[70.0][..]),
            (Some("InternalError"), &[70.0]),
            (Some("Forbidden"), &[70.0]),
            (Some("Complete"), &[]),
            (Some("Complete"), &[f64::NAN]),
            (None, &[]),
        ] {
            assert!(matches!(said(status, values).judge(), Cpu::Unknown { .. }), "{status:?} {values:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_cloudwatch_is_not_waited_for_long() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client {
            http: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            region: "eu-west-1".to_owned(),
            credentials: SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")),
            timeout: Duration::from_millis(50),
        };
        let known = client.cpu_utilization(&["a", "b"], Timestamp::UNIX_EPOCH).await;
        let late = Cpu::Unknown { reason: "CloudWatch did not answer within 50 ms".to_owned() };
        assert_eq!(known, [late.clone(), late]);
    }
}
