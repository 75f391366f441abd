//! A single call to a service of AWS, without that service's own client: for services of which one call is needed and whose
//! client costs more than it brings.
//!
//! The parts are those that the SDK's clients are built of: credentials, signature, retries, time-outs and HTTP are the SDK's
//! own. The form of the request and the reading of the answer are the caller's.

use aws_config::{Region, SdkConfig};
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sdk_sns::config::SharedCredentialsProvider;
use aws_sdk_sns::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthScheme};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use serde::Deserialize;
use thiserror::Error;

use super::variable;
use crate::text::{clip, without_token};

/// The most characters that an error repeats of what AWS calls an error; its codes have less than a hundred.
const MAX_CODE_CHARS: usize = 200;

/// The most characters of its message; those about permissions are long.
const MAX_MESSAGE_CHARS: usize = 2000;

/// What is called, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// As the SDK calls it: `cloudwatch` may be moved elsewhere by `AWS_ENDPOINT_URL_CLOUDWATCH`.
    pub name: &'static str,
    /// As its hosts and signatures call it: `monitoring`.
    pub host: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// The form of requests and answers.
    pub protocol: Protocol,
}

/// The form of requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A form goes there, XML comes back.
    Query,
    /// JSON both ways.
    Json {
        /// The media type with the version of the protocol, such as `application/x-amz-json-1.1`.
        content_type: &'static str,
        /// The operation as the header `x-amz-target` names it.
        target: &'static str,
    },
    /// The request is the path that is read, JSON comes back.
    Get,
}

/// The call, set up once.
#[derive(Clone, Debug)]
pub struct Call {
    operation: Operation<String, String, Refused>,
    endpoint: String,
}

/// What AWS said in place of an answer.
#[derive(Debug, Error)]
#[error("{}: {}", .0.code().unwrap_or("no code"), .0.message().unwrap_or("no message"))]
pub struct Refused(ErrorMetadata);

impl ProvideErrorMetadata for Refused {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// Why a call cannot be set up.
#[derive(Clone, Copy, Debug, Error)]
pub enum SetUpError {
    /// Neither the environment nor a profile names a region.
    #[error("no region is set; set AWS_REGION")]
    Region,
    /// The SDK found no source of credentials.
    #[error("the SDK has no provider of credentials")]
    Credentials,
}

impl Call {
    /// Sets the call up from what the SDK read of its environment; where the service is, is found as the SDK finds it.
    ///
    /// # Errors
    /// Where the SDK found no region or no credentials.
    pub fn new(sdk: &SdkConfig, service: Service) -> Result<Self, SetUpError> {
        let region = sdk.region().ok_or(SetUpError::Region)?;
        let credentials = sdk.credentials_provider().ok_or(SetUpError::Credentials)?;
        let endpoint = endpoint(sdk, region, service);
        Ok(Self { operation: operation(sdk, region, credentials, service, &endpoint), endpoint })
    }

    /// Where the service is.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes the call with that request, again as the SDK's clients do where that may help, and returns the answer as it came.
    ///
    /// # Errors
    /// Where there is no answer in time, or AWS refuses.
    pub async fn send(&self, request: String) -> Result<String, SdkError<Refused, HttpResponse>> {
        self.operation.invoke(request).await
    }
}

fn operation(
    sdk: &SdkConfig,
    region: &Region,
    credentials: SharedCredentialsProvider,
    service: Service,
    endpoint: &str,
) -> Operation<String, String, Refused> {
    let mut layer = Layer::new("call");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigningName::from_static(service.host));
    layer.store_put(SigningRegion::from(region.clone()));
    layer.store_put(SigV4OperationSigningConfig::default());
    let mut components = RuntimeComponentsBuilder::new("call");
    components.set_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])));
    components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
    components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
    let plugin = StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components);

    let mut builder = Operation::builder()
        .service_name(service.name)
        .operation_name(service.operation)
        .endpoint_url(endpoint)
        .standard_retry(sdk.retry_config().unwrap_or(&RetryConfig::standard()))
        // Those of the SDK's clients.
        .retry_classifier(TransientErrorClassifier::<Refused>::new())
        .retry_classifier(AwsErrorCodeClassifier::<Refused>::new())
        .retry_classifier(HttpStatusCodeClassifier::default())
        .timeout_config(sdk.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
        .runtime_plugin(plugin);
    if let Some(http) = sdk.http_client() {
        builder = builder.http_client(http);
    }
    if let Some(behavior) = sdk.behavior_version() {
        builder = builder.behavior_version(behavior);
    }
    builder
        .serializer(move |input: String| {
            if service.protocol == Protocol::Get {
                let mut request = HttpRequest::new(SdkBody::empty());
                request.set_method("GET")?;
                request.set_uri(input)?;
                return Ok(request);
            }
            let mut request = HttpRequest::new(SdkBody::from(input));
            request.set_method("POST")?;
            request.set_uri("/")?;
            let headers = request.headers_mut();
            match service.protocol {
                Protocol::Query => {
                    headers.insert("content-type", "application/x-www-form-urlencoded");
                }
                Protocol::Json { content_type, target } => {
                    headers.insert("content-type", content_type);
                    headers.insert("x-amz-target", target);
                }
                Protocol::Get => {}
            }
            Ok(request)
        })
        .deserializer(move |response: &HttpResponse| {
            let body = str::from_utf8(response.body().bytes().unwrap_or_default()).map_err(OrchestratorError::other)?;
            if response.status().is_success() {
                return Ok(body.to_owned());
            }
            let (code, message) = match service.protocol {
                Protocol::Query => xml_fault(body),
                Protocol::Json { .. } => json_fault(body),
                Protocol::Get => {
                    let (code, message) = json_fault(body);
                    let kind = response.headers().get("x-amzn-errortype").and_then(|kind| kind.split(':').next());
                    (kind.map(str::to_owned).or(code), message)
                }
            };
            let code = code.unwrap_or_else(|| response.status().as_u16().to_string());
            let message = clip(&without_token(message.unwrap_or_default()), MAX_MESSAGE_CHARS);
            let fault = ErrorMetadata::builder().code(clip(&code, MAX_CODE_CHARS)).message(message);
            Err(OrchestratorError::operation(Refused(fault.build())))
        })
        .build()
}

/// As the SDK finds it: `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, else the region's own.
fn endpoint(sdk: &SdkConfig, region: &Region, service: Service) -> String {
    let own = || {
        let fips = if sdk.use_fips() == Some(true) { "-fips" } else { "" };
        format!("https://{}{fips}.{region}.{}", service.host, domain(region.as_ref()))
    };
    variable(&format!("AWS_ENDPOINT_URL_{}", service.name.to_ascii_uppercase()))
        .or_else(|| sdk.endpoint_url().map(str::to_owned))
        .unwrap_or_else(own)
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

fn xml_fault(body: &str) -> (Option<String>, Option<String>) {
    let text = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
    };
    (text("Code"), text("Message"))
}

fn json_fault(body: &str) -> (Option<String>, Option<String>) {
    #[derive(Default, Deserialize)]
    struct Fault {
        #[serde(rename = "__type")]
        kind: Option<String>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let Fault { kind, message } = serde_json::from_str(body).unwrap_or_default();
    // With or without the namespace of the service before it.
    (kind.and_then(|kind| kind.rsplit('#').next().map(str::to_owned)), message)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_fault_is_read_in_both_forms() {
        let fault = |(code, message): (Option<String>, Option<String>)| code.zip(message);
        let expected = Some(("AccessDenied".to_owned(), "no".to_owned()));
        let xml = "<Response><Errors><Error><Code>AccessDenied</Code><Message>no</Message></Error></Errors></Response>";
        assert_eq!(fault(xml_fault(xml)), expected);
        for json in [
            r#"{"__type":"AccessDenied","message":"no"}"#,
            r#"{"__type":"com.amazonaws.logs#AccessDenied","Message":"no"}"#,
        ] {
            assert_eq!(fault(json_fault(json)), expected, "{json}");
        }
        assert_eq!((xml_fault("<html>"), json_fault("<html>")), ((None, None), (None, None)));
    }
}
