//! A CloudWatch endpoint that knows the CPU utilization of Auto Scaling groups (the service's JSON protocol).
//!
//! Modeled, as documented: `GetMetricData` with up to 500 queries, each for a metric of EC2 by Auto Scaling group; one
//! value for each period; no value for what was not measured; pages; the status codes and messages of single results.
//!
//! Not modeled: other metrics, expressions, statistics other than `Average`, and every other action.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::faults::FaultPlan;
use super::http::Endpoint;
use super::json;
use super::query::AwsError;
use super::service::{Service, lock};

/// The most queries that one call may have.
const MAX_QUERIES: usize = 500;

/// The utilization of a group, as CloudWatch has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Utilization {
    /// That percentage, in each minute.
    Percent(f64),
    /// The minutes have these values, the last one first; there is none for older ones.
    Minutes(Vec<f64>),
    /// Only a part of the data, or none: the status of the result and its message.
    Status(&'static str, &'static str),
    /// No result for the group.
    Missing,
}

/// The endpoint.
pub type CloudWatch = Endpoint<Utilizations>;

/// The utilization of each group.
#[derive(Debug)]
pub struct Utilizations {
    by_group: Mutex<BTreeMap<String, Utilization>>,
    faults: FaultPlan,
}

impl CloudWatch {
    /// Opens the endpoint, without data of any group.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(faults: &FaultPlan) -> io::Result<Self> {
        let utilizations = Arc::new(Utilizations { by_group: Mutex::default(), faults: faults.clone() });
        let routes = Router::new().route("/", post(handle)).with_state(Arc::clone(&utilizations));
        Self::open(Service::CloudWatch, |_, error| json::refusal(error), utilizations, routes, faults).await
    }

    /// Sets the utilization of a group.
    pub fn set(&self, group: &str, utilization: Utilization) {
        lock(&self.service.by_group).insert(group.to_owned(), utilization);
    }
}

/// A query of a call, read.
struct Query<'a> {
    id: &'a str,
    group: &'a str,
    period: u64,
}

async fn handle(State(known): State<Arc<Utilizations>>, headers: HeaderMap, body: Bytes) -> Response {
    let request = json::read(&headers, &body, "GraniteServiceVersion20100801.GetMetricData", "monitoring");
    json::answer(request.and_then(|request| known.get_metric_data(&request)))
}

impl Utilizations {
    fn get_metric_data(&self, request: &Value) -> Result<Value, AwsError> {
        let queries = request["MetricDataQueries"].as_array().map_or(&[][..], Vec::as_slice);
        if queries.is_empty() || queries.len() > MAX_QUERIES {
            return Err(invalid(format!("1 to {MAX_QUERIES} queries are allowed, not {}", queries.len())));
        }
        let (start, end) = (seconds(&request["StartTime"])?, seconds(&request["EndTime"])?);
        if start >= end {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime.".to_owned()));
        }
        let queries: Vec<Query<'_>> = queries.iter().map(read).collect::<Result<_, _>>()?;
        let from = match request["NextToken"].as_str() {
            None => 0,
            Some(token) => token.parse().map_err(|_| AwsError::new(400, "InvalidNextToken", token))?,
        };
        let page = self.faults.change(|faults| faults.metric_values_per_page).unwrap_or(usize::MAX);
        let groups = lock(&self.by_group);
        let said = |query: &Query<'_>| Said::of(query, groups.get(query.group), (start, end), from, page);
        let (results, more): (Vec<Value>, Vec<bool>) =
            queries.iter().filter_map(said).map(|said| (said.result, said.has_more)).unzip();
        let next = more.contains(&true).then(|| (from + page).to_string());
        Ok(json!({ "MetricDataResults": results, "NextToken": next }))
    }
}

/// The result of one query.
struct Said {
    result: Value,
    has_more: bool,
}

impl Said {
    fn of(
        query: &Query<'_>,
        known: Option<&Utilization>,
        (start, end): (u64, u64),
        from: usize,
        page: usize,
    ) -> Option<Self> {
        // The last period first, as CloudWatch does unless told otherwise.
        let times = || (1..).map_while(|back| end.checked_sub(back * query.period)).take_while(|time| *time >= start);
        let (values, status, message): (Vec<(u64, f64)>, _, _) = match known {
            Some(Utilization::Missing) => return None,
            None => (Vec::new(), "Complete", None),
            Some(Utilization::Percent(percent)) => (times().map(|time| (time, *percent)).collect(), "Complete", None),
            Some(Utilization::Minutes(values)) => (times().zip(values.iter().copied()).collect(), "Complete", None),
            Some(Utilization::Status(status, message)) => {
                (times().take(1).map(|time| (time, 99.0)).collect(), *status, Some(*message))
            }
        };
        let has_more = values.len() > from.saturating_add(page);
        let (times, values): (Vec<u64>, Vec<f64>) = values.into_iter().skip(from).take(page).unzip();
        let messages: Vec<Value> =
            message.map(|message| json!({ "Code": status, "Value": message })).into_iter().collect();
        let status = if has_more { "PartialData" } else { status };
        let result = json!({
            "Id": query.id, "Label": query.group, "Timestamps": times, "Values": values, "StatusCode": status,
            "Messages": messages,
        });
        Some(Self { result, has_more })
    }
}

fn read(query: &Value) -> Result<Query<'_>, AwsError> {
    let stat = &query["MetricStat"];
    let metric = &stat["Metric"];
    let dimensions = metric["Dimensions"].as_array().map_or(&[][..], Vec::as_slice);
    let group = match dimensions {
        [dimension] if dimension["Name"] == "AutoScalingGroupName" => dimension["Value"].as_str(),
        _ => None,
    };
    let is_known =
        metric["Namespace"] == "AWS/EC2" && metric["MetricName"] == "CPUUtilization" && stat["Stat"] == "Average";
    let id = query["Id"].as_str().filter(|id| id.starts_with(|c: char| c.is_ascii_lowercase()));
    match (id, group, stat["Period"].as_u64()) {
        (Some(id), Some(group), Some(period)) if is_known && period > 0 && period % 60 == 0 => {
            Ok(Query { id, group, period })
        }
        _ => Err(invalid(format!("not modeled, or not valid: {query}"))),
    }
}

fn invalid(message: String) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}

fn seconds(time: &Value) -> Result<u64, AwsError> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    let whole = |seconds: f64| (0.0..1e12).contains(&seconds).then_some(seconds as u64);
    time.as_f64().and_then(whole).ok_or_else(|| invalid(format!("{time} is no time")))
}
