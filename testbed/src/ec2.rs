//! The one action of EC2 that the stages call, in its own XML (Query protocol, 2016-11-15).
//!
//! `DescribeInstances`: pages, and the filters `private-ip-address`, `instance-id`, `instance-state-name`, and
//! `tag:aws:autoscaling:groupName`. Every other filter is refused: a caller who filters and gets everything would draw wrong
//! conclusions. The answer has only the id, state, and private address of an instance.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;

use super::faults::FaultPlan;
use super::http::Endpoint;
use super::query::{AwsError, Request};
use super::service::{self, Service, lock};
use super::xml::Xml;

const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";
const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// The least and the most instances that one answer holds.
const PER_PAGE: (usize, usize) = (5, 1000);

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ec2Instance {
    /// Its id.
    pub id: String,
    /// Its private address.
    pub ip: String,
    /// Its state, such as `running`.
    pub state: String,
    /// The Auto Scaling group that launched it; empty if none did.
    pub group: String,
}

impl Ec2Instance {
    /// A running instance.
    #[must_use]
    pub fn running(id: &str, ip: &str) -> Self {
        Self { id: id.to_owned(), ip: ip.to_owned(), state: "running".to_owned(), group: String::new() }
    }

    /// The same, launched by that group.
    #[must_use]
    pub fn of_group(self, group: &str) -> Self {
        Self { group: group.to_owned(), ..self }
    }
}

/// The endpoint.
pub type Ec2 = Endpoint<Instances>;

/// The instances that there are.
#[derive(Debug, Default)]
pub struct Instances(Mutex<Vec<Ec2Instance>>);

impl Ec2 {
    /// Opens the endpoint.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(instances: Vec<Ec2Instance>, faults: &FaultPlan) -> io::Result<Self> {
        let instances = Arc::new(Instances(Mutex::new(instances)));
        let routes = Router::new().route("/", post(handle)).with_state(Arc::clone(&instances));
        Self::open(Service::Ec2, |_, error| refusal(error), instances, routes, faults).await
    }

    /// Adds an instance.
    pub fn add(&self, instance: Ec2Instance) {
        lock(&self.service.0).push(instance);
    }
}

async fn handle(State(instances): State<Arc<Instances>>, body: Bytes) -> Response {
    match describe(&lock(&instances.0), &Request::read(&body)) {
        Ok(xml) => {
            let text = format!("<DescribeInstancesResponse xmlns=\"{NAMESPACE}\">{xml}</DescribeInstancesResponse>");
            service::answer(StatusCode::OK, CONTENT_TYPE, text)
        }
        Err(error) => refusal(&error),
    }
}

/// A refusal, in the form of EC2, which is not that of other services.
fn refusal(error: &AwsError) -> Response {
    let mut xml = Xml::default();
    xml.element("Response", |xml| {
        xml.element("Errors", |xml| {
            xml.element("Error", |xml| {
                xml.text("Code", &error.code).text("Message", &error.message);
            });
        })
        .text("RequestID", REQUEST_ID);
    });
    service::answer(error.status(), CONTENT_TYPE, xml.into_text())
}

fn describe(instances: &[Ec2Instance], request: &Request) -> Result<String, AwsError> {
    if request.action != "DescribeInstances" {
        return Err(AwsError::new(
            400,
            "InvalidAction",
            format!("{} is not supported by this endpoint", request.action),
        ));
    }
    let filters = filters(request)?;
    let is_asked_for = |instance: &&Ec2Instance| {
        filters.iter().all(|(kind, values)| {
            let value = match kind {
                Filter::Id => &instance.id,
                Filter::Ip => &instance.ip,
                Filter::State => &instance.state,
                Filter::Group => &instance.group,
            };
            values.contains(&value.as_str())
        })
    };
    let found: Vec<&Ec2Instance> = instances.iter().filter(is_asked_for).collect();
    let (least, most) = PER_PAGE;
    let length = request.parsed("MaxResults")?.unwrap_or(most);
    if !(least..=most).contains(&length) {
        return Err(AwsError::new(
            400,
            "InvalidParameterValue",
            format!("Value ( {length} ) for parameter maxResults is invalid."),
        ));
    }
    let start: usize = request.parsed("NextToken")?.unwrap_or(0);
    let end = start.saturating_add(length);
    let mut xml = Xml::default();
    xml.text("requestId", REQUEST_ID).element("reservationSet", |xml| {
        for instance in found.iter().skip(start).take(length) {
            xml.element("item", |xml| {
                xml.text("reservationId", "r-1").element("instancesSet", |xml| {
                    xml.element("item", |xml| {
                        xml.text("instanceId", &instance.id)
                            .element("instanceState", |xml| {
                                xml.text("name", &instance.state);
                            })
                            .text("privateIpAddress", &instance.ip);
                    });
                });
            });
        }
    });
    xml.optional("nextToken", (end < found.len()).then_some(end));
    Ok(xml.into_text())
}

#[derive(Clone, Copy, Debug)]
enum Filter {
    Id,
    Ip,
    State,
    Group,
}

fn filters(request: &Request) -> Result<Vec<(Filter, Vec<&str>)>, AwsError> {
    let named = (1..).map_while(|index: u32| Some((index, request.get(&format!("Filter.{index}.Name"))?)));
    named
        .map(|(index, name)| {
            let kind = match name {
                "instance-id" => Filter::Id,
                "private-ip-address" => Filter::Ip,
                "instance-state-name" => Filter::State,
                "tag:aws:autoscaling:groupName" => Filter::Group,
                other => {
                    let text = format!("The filter '{other}' is not supported by this endpoint");
                    return Err(AwsError::new(400, "InvalidParameterValue", text));
                }
            };
            let values = (1..).map_while(|value: u32| request.get(&format!("Filter.{index}.Value.{value}")));
            Ok((kind, values.collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(form: &str) -> Result<String, AwsError> {
        let instances = [Ec2Instance::running("i-1", "10.0.0.1"), Ec2Instance::running("i-2", "10.0.0.2")];
        describe(&instances, &Request::read(form.as_bytes()))
    }

    #[test]
    fn instances_are_found_by_their_address() {
        let form = "Action=DescribeInstances&Filter.1.Name=private-ip-address&Filter.1.Value.1=10.0.0.2&Filter.1.Value.2=10.9.9.9";
        let answer = ask(form).unwrap();
        assert!(answer.contains("<instanceId>i-2</instanceId>") && !answer.contains("i-1<"), "{answer}");
    }

    #[test]
    fn instances_are_found_by_their_group() {
        let instances = [
            Ec2Instance::running("i-1", "10.0.0.1").of_group("a"),
            Ec2Instance::running("i-2", "10.0.0.2").of_group("b"),
            Ec2Instance::running("i-3", "10.0.0.3"),
        ];
        let form = "Action=DescribeInstances&Filter.1.Name=tag%3Aaws%3Aautoscaling%3AgroupName&Filter.1.Value.1=b";
        let answer = describe(&instances, &Request::read(form.as_bytes())).unwrap();
        assert!(answer.contains("i-2<") && !answer.contains("i-1<") && !answer.contains("i-3<"), "{answer}");
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        assert!(ask("Action=DescribeInstances&Filter.1.Name=tag:a&Filter.1.Value.1=b").is_err());
        assert!(ask("Action=TerminateInstances").is_err());
        assert!(ask("Action=DescribeInstances&MaxResults=4").is_err());
    }
}
