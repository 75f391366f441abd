//! The one call to EC2: which instances have these private addresses?
//!
//! The call is written by hand on what the SDK itself is built of (credentials, signature, retries, time-outs). The whole SDK
//! of EC2 would take longer to compile than everything else here together; docs/design/ec2.md has the figures.

use std::collections::BTreeSet;

use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_sdk_autoscaling::config::{Region, SharedCredentialsProvider};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::HttpStatusCodeClassifier;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthScheme};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use aws_types::region::SigningRegion;
use aws_types::{SdkConfig, SigningName};
use shared::aws;
use thiserror::Error;
use url::form_urlencoded::Serializer;

use crate::group::CallError;
use crate::state::Addresses;

/// How many pages are read at most. The addresses of one decision fit the first.
const MAX_PAGES: usize = 3;

/// Asks EC2.
#[derive(Clone, Debug)]
pub struct Client {
    operation: Option<Operation<String, Page, Fault>>,
}

/// One page of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    /// The address and the id of each instance.
    instances: Vec<(String, String)>,
    next: Option<String>,
}

/// What EC2 says instead of an answer.
#[derive(Debug, Error)]
#[error("{code}: {message}")]
struct Fault {
    code: String,
    message: String,
}

impl Client {
    /// Sets up the client from what the SDK read of its environment. `AWS_ENDPOINT_URL_EC2` and `AWS_ENDPOINT_URL` are
    /// followed as the SDK follows them.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        let operation = sdk.region().zip(sdk.credentials_provider());
        Self { operation: operation.map(|(region, credentials)| describe_instances(sdk, region, credentials)) }
    }

    /// Which running instances have each of these private addresses.
    ///
    /// # Errors
    /// Where the call fails after the SDK's own retries.
    pub async fn addresses(&self, group: &str, ips: &[String]) -> Result<Addresses, CallError> {
        let mut addresses: Addresses = ips.iter().map(|ip| (ip.clone(), BTreeSet::new())).collect();
        let Some(operation) = &self.operation else {
            let source = "the SDK found no region or no credentials".into();
            return Err(CallError::with_code("ec2:DescribeInstances", group, "not configured".to_owned(), source));
        };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let page = operation.invoke(form(ips, next.as_deref())).await.map_err(|error| failed(group, error))?;
            for (ip, id) in page.instances {
                addresses.entry(ip).or_default().insert(id);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(addresses)
    }
}

fn failed(group: &str, error: SdkError<Fault, HttpResponse>) -> CallError {
    let code = error.as_service_error().map_or_else(|| "no answer".to_owned(), |fault| fault.code.clone());
    CallError::with_code("ec2:DescribeInstances", group, code, Box::new(error))
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>
fn form(ips: &[String], next: Option<&str>) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", "DescribeInstances").append_pair("Version", "2016-11-15");
    // An address may have been another instance's before; that one is gone and has none.
    form.append_pair("Filter.1.Name", "instance-state-name").append_pair("Filter.1.Value.1", "running");
    form.append_pair("Filter.2.Name", "private-ip-address");
    for (index, ip) in (1..).zip(ips) {
        let index: u32 = index;
        form.append_pair(&format!("Filter.2.Value.{index}"), ip);
    }
    if let Some(next) = next {
        form.append_pair("NextToken", next);
    }
    form.finish()
}

fn describe_instances(
    sdk: &SdkConfig,
    region: &Region,
    credentials: SharedCredentialsProvider,
) -> Operation<String, Page, Fault> {
    let mut layer = Layer::new("ec2");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigningName::from_static("ec2"));
    layer.store_put(SigningRegion::from(region.clone()));
    layer.store_put(SigV4OperationSigningConfig::default());
    let mut components = RuntimeComponentsBuilder::new("ec2");
    components.set_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])));
    components.push_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()));
    components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
    let plugin = StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components);

    let mut builder = Operation::builder()
        .service_name("ec2")
        .operation_name("DescribeInstances")
        .endpoint_url(&endpoint(sdk, region))
        .standard_retry(sdk.retry_config().unwrap_or(&RetryConfig::standard()))
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
        .serializer(|form: String| {
            let mut request = HttpRequest::new(SdkBody::from(form));
            request.set_method("POST")?;
            request.set_uri("/")?;
            request.headers_mut().insert("content-type", "application/x-www-form-urlencoded");
            Ok(request)
        })
        .deserializer(|response: &HttpResponse| {
            let body = response.body().bytes().unwrap_or_default();
            let body = str::from_utf8(body).map_err(OrchestratorError::other)?;
            if response.status().is_success() {
                return page(body).map_err(OrchestratorError::other);
            }
            let unreadable = || Fault { code: response.status().as_u16().to_string(), message: String::new() };
            Err(OrchestratorError::operation(fault(body).unwrap_or_else(unreadable)))
        })
        .build()
}

/// As the SDK finds it: `AWS_ENDPOINT_URL_EC2`, `AWS_ENDPOINT_URL`, else the region's own.
fn endpoint(sdk: &SdkConfig, region: &Region) -> String {
    let own = || {
        let suffix = if region.as_ref().starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let service = if sdk.use_fips() == Some(true) { "ec2-fips" } else { "ec2" };
        format!("https://{service}.{region}.{suffix}")
    };
    aws::variable("AWS_ENDPOINT_URL_EC2").or_else(|| sdk.endpoint_url().map(str::to_owned)).unwrap_or_else(own)
}

fn page(body: &str) -> Result<Page, XmlDecodeError> {
    // The reader would take a text that is cut short for the whole.
    if !body.trim_end().ends_with("</DescribeInstancesResponse>") {
        return Err(XmlDecodeError::custom("no answer to DescribeInstances, or not the whole of it"));
    }
    let mut page = Page::default();
    let mut document = Document::new(body);
    let mut root = document.root_element()?;
    while let Some(mut tag) = root.next_tag() {
        match tag.start_el().local() {
            "reservationSet" => items(&mut tag, &mut |reservation| {
                while let Some(mut tag) = reservation.next_tag() {
                    if tag.start_el().matches("instancesSet") {
                        items(&mut tag, &mut |instance| {
                            page.instances.extend(read_instance(instance)?);
                            Ok(())
                        })?;
                    }
                }
                Ok(())
            })?,
            "nextToken" => {
                page.next = Some(try_data(&mut tag)?.into_owned()).filter(|token| !token.is_empty());
            }
            _ => {}
        }
    }
    Ok(page)
}

/// The items of one of EC2's lists.
fn items(
    list: &mut ScopedDecoder<'_, '_>,
    each: &mut dyn FnMut(&mut ScopedDecoder<'_, '_>) -> Result<(), XmlDecodeError>,
) -> Result<(), XmlDecodeError> {
    while let Some(mut tag) = list.next_tag() {
        if tag.start_el().matches("item") {
            each(&mut tag)?;
        }
    }
    Ok(())
}

fn read_instance(instance: &mut ScopedDecoder<'_, '_>) -> Result<Option<(String, String)>, XmlDecodeError> {
    let (mut id, mut ip) = (None, None);
    while let Some(mut tag) = instance.next_tag() {
        match tag.start_el().local() {
            "instanceId" => id = Some(try_data(&mut tag)?.into_owned()),
            "privateIpAddress" => ip = Some(try_data(&mut tag)?.into_owned()),
            _ => {}
        }
    }
    Ok(ip.zip(id))
}

fn fault(body: &str) -> Option<Fault> {
    let text = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
    };
    Some(Fault { code: text("Code")?, message: text("Message").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>x</requestId>\
            <reservationSet><item><reservationId>r-1</reservationId><groupSet/><instancesSet><item><instanceId>i-1</instanceId>\
            <privateIpAddress>10.0.0.1</privateIpAddress><networkInterfaceSet><item><privateIpAddress>10.0.0.9</privateIpAddress></item>\
            </networkInterfaceSet></item><item><instanceId>i-2</instanceId></item></instancesSet></item>\
            <item><instancesSet><item><instanceId>i-3</instanceId><privateIpAddress>10.0.0.3</privateIpAddress></item></instancesSet>\
            </item></reservationSet><nextToken>more</nextToken></DescribeInstancesResponse>";
        let instance = |ip: &str, id: &str| (ip.to_owned(), id.to_owned());
        let expected = Page {
            instances: vec![instance("10.0.0.1", "i-1"), instance("10.0.0.3", "i-3")],
            next: Some("more".to_owned()),
        };
        assert_eq!(page(body).unwrap(), expected);
        assert!((0..body.len()).all(|cut| page(&body[..cut]).is_err()), "cut short it is an error");
        assert!(page("<html/>").is_err());
    }

    #[test]
    fn a_fault_is_read() {
        let body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>";
        assert_eq!(fault(body).unwrap().to_string(), "UnauthorizedOperation: no");
        assert!(fault("<html>").is_none());
    }
}
