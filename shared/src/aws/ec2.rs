//! The one call to EC2: which instances are there, and which addresses do they have?
//!
//! The SDK of EC2 would take longer to compile than everything else here together; docs/design/ec2.md has the figures.

use aws_config::SdkConfig;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use thiserror::Error;
use url::form_urlencoded::Serializer;

use super::call::{Call, Protocol, Refused, Service, SetUpError};

/// The permission that the call needs.
pub const ACTION: &str = "ec2:DescribeInstances";

const DESCRIBE_INSTANCES: Service =
    Service { name: "ec2", host: "ec2", operation: "DescribeInstances", protocol: Protocol::Query };

/// How many pages of a thousand instances are read at most.
const MAX_PAGES: usize = 50;

/// Asks EC2.
#[derive(Clone, Debug)]
pub struct Client {
    call: Result<Call, SetUpError>,
}

/// An instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The addresses of all its interfaces, secondary and IPv6 ones included. An address may occur twice.
    pub addresses: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum DescribeError {
    /// The client could not be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The call failed.
    #[error(transparent)]
    Call(Box<SdkError<Refused, HttpResponse>>),
    /// The answer is not what EC2 sends, or not the whole of it.
    #[error("the answer is not valid")]
    Answer(#[from] XmlDecodeError),
    /// There are more instances than are read.
    #[error("the answer has more than {MAX_PAGES} pages")]
    Pages,
}

impl DescribeError {
    /// The error code of AWS, or what stands for one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::SetUp(_) => "not configured",
            Self::Call(error) => error.code().unwrap_or("no answer"),
            Self::Answer(_) | Self::Pages => "unreadable answer",
        }
    }
}

/// One page of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    instances: Vec<Instance>,
    next: Option<String>,
}

impl Client {
    /// Sets up the client from what the SDK read of its environment. `AWS_ENDPOINT_URL_EC2` and `AWS_ENDPOINT_URL` are
    /// followed as the SDK follows them.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { call: Call::new(sdk, DESCRIBE_INSTANCES) }
    }

    /// The instances to which all filters apply; a filter applies to an instance that has one of its values.
    ///
    /// # Errors
    /// Where a call fails after the SDK's own retries. A part of the answer is none.
    pub async fn instances(&self, filters: &[(&str, &[&str])]) -> Result<Vec<Instance>, DescribeError> {
        let call = self.call.as_ref().map_err(|error| *error)?;
        let (mut instances, mut next) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let answer = call.send(form(filters, next.as_deref())).await;
            let page = page(&answer.map_err(|error| DescribeError::Call(Box::new(error)))?)?;
            instances.extend(page.instances);
            next = page.next;
            if next.is_none() {
                return Ok(instances);
            }
        }
        Err(DescribeError::Pages)
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>
fn form(filters: &[(&str, &[&str])], next: Option<&str>) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", "DescribeInstances").append_pair("Version", "2016-11-15");
    form.append_pair("MaxResults", "1000");
    for (filter, (name, values)) in (1_u32..).zip(filters) {
        form.append_pair(&format!("Filter.{filter}.Name"), name);
        for (value, text) in (1_u32..).zip(*values) {
            form.append_pair(&format!("Filter.{filter}.Value.{value}"), text);
        }
    }
    if let Some(next) = next {
        form.append_pair("NextToken", next);
    }
    form.finish()
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
                            page.instances.push(read_instance(instance)?);
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

fn read_instance(tag: &mut ScopedDecoder<'_, '_>) -> Result<Instance, XmlDecodeError> {
    let mut instance = Instance::default();
    while let Some(mut tag) = tag.next_tag() {
        match tag.start_el().local() {
            "instanceId" => instance.id = try_data(&mut tag)?.into_owned(),
            _ => addresses(&mut tag, &mut instance.addresses)?,
        }
    }
    Ok(instance)
}

/// The addresses in an element of an instance: its own, those of its interfaces, and these interfaces' secondary ones.
fn addresses(tag: &mut ScopedDecoder<'_, '_>, into: &mut Vec<String>) -> Result<(), XmlDecodeError> {
    match tag.start_el().local() {
        "privateIpAddress" | "ipv6Address" => into.push(try_data(tag)?.into_owned()),
        "networkInterfaceSet" | "privateIpAddressesSet" | "ipv6AddressesSet" => items(tag, &mut |item| {
            while let Some(mut tag) = item.next_tag() {
                addresses(&mut tag, into)?;
            }
            Ok(())
        })?,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>x</requestId>\
            <reservationSet><item><reservationId>r-1</reservationId><groupSet/><instancesSet><item><instanceId>i-1</instanceId>\
            <privateIpAddress>10.0.0.1</privateIpAddress><ipv6Address>2001:db8::1</ipv6Address><networkInterfaceSet><item>\
            <privateIpAddress>10.0.0.9</privateIpAddress><ipv6AddressesSet><item><ipv6Address>2001:db8::9</ipv6Address></item>\
            </ipv6AddressesSet><privateIpAddressesSet><item><privateIpAddress>10.0.0.10</privateIpAddress><primary>false</primary>\
            </item></privateIpAddressesSet></item></networkInterfaceSet></item><item><instanceId>i-2</instanceId></item>\
            </instancesSet></item><item><instancesSet><item><instanceId>i-3</instanceId>\
            <privateIpAddress>10.0.0.3</privateIpAddress></item></instancesSet></item></reservationSet>\
            <nextToken>more</nextToken></DescribeInstancesResponse>";
        let instance = |id: &str, addresses: &[&str]| Instance {
            id: id.to_owned(),
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        };
        let first = ["10.0.0.1", "2001:db8::1", "10.0.0.9", "2001:db8::9", "10.0.0.10"];
        let expected = Page {
            instances: vec![instance("i-1", &first), instance("i-2", &[]), instance("i-3", &["10.0.0.3"])],
            next: Some("more".to_owned()),
        };
        assert_eq!(page(body).unwrap(), expected);
        assert!((0..body.len()).all(|cut| page(&body[..cut]).is_err()), "cut short it is an error");
        assert!(page("<html/>").is_err());
    }

    #[test]
    fn filters_are_written_as_the_query_protocol_wants_them() {
        let form = form(&[("tag:a", &["x", "y"]), ("b", &["z"])], Some("2"));
        let filters = "Filter.1.Name=tag%3Aa&Filter.1.Value.1=x&Filter.1.Value.2=y&Filter.2.Name=b&Filter.2.Value.1=z";
        assert!(form.ends_with(&format!("{filters}&NextToken=2")), "{form}");
    }
}
