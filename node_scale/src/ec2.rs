//! The one call to EC2: which instances have these private addresses?
//!
//! The SDK of EC2 would take longer to compile than everything else here together; docs/design/ec2.md has the figures.

use std::collections::BTreeSet;

use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use aws_types::SdkConfig;
use shared::aws::call::{Call, Protocol, Service, SetUpError};
use url::form_urlencoded::Serializer;

use crate::group::CallError;
use crate::state::Addresses;

const DESCRIBE_INSTANCES: Service =
    Service { name: "ec2", host: "ec2", operation: "DescribeInstances", protocol: Protocol::Query };

/// How many pages are read at most. The addresses of one decision fit the first.
const MAX_PAGES: usize = 3;

/// Asks EC2.
#[derive(Clone, Debug)]
pub struct Client {
    call: Result<Call, SetUpError>,
}

/// One page of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    /// The address and the id of each instance.
    instances: Vec<(String, String)>,
    next: Option<String>,
}

impl Client {
    /// Sets up the client from what the SDK read of its environment. `AWS_ENDPOINT_URL_EC2` and `AWS_ENDPOINT_URL` are
    /// followed as the SDK follows them.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { call: Call::new(sdk, DESCRIBE_INSTANCES) }
    }

    /// Which running instances have each of these private addresses.
    ///
    /// # Errors
    /// Where the call fails after the SDK's own retries.
    pub async fn addresses(&self, group: &str, ips: &[String]) -> Result<Addresses, CallError> {
        let mut addresses: Addresses = ips.iter().map(|ip| (ip.clone(), BTreeSet::new())).collect();
        const ACTION: &str = "ec2:DescribeInstances";
        let failed = |code: &str, source| CallError::with_code(ACTION, group, code.to_owned(), source);
        let call = self.call.as_ref().map_err(|error| failed("not configured", error.to_string().into()))?;
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let answer = call.send(form(ips, next.as_deref())).await;
            let answer = answer.map_err(|error| CallError::new(ACTION, group, error))?;
            let page = page(&answer).map_err(|error| failed("unreadable answer", Box::new(error)))?;
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
}
