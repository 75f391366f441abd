//! What the functions write to standard output: one JSON object a line, logs and metrics alike.
//!
//! Metrics are in CloudWatch's embedded metric format, which CloudWatch Logs turns into metrics by itself: no call and
//! no permission is needed.

use std::io::{self, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use metrique_writer_core::format::Format;
use metrique_writer_core::unit::{NegativeScale, PositiveScale};
use metrique_writer_core::value::{MetricFlags, Observation, ValueWriter};
use metrique_writer_core::{Entry, EntryWriter, Unit, Value};
use metrique_writer_format_emf::Emf;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::aws;
use crate::metric::{self, Figure};

/// The CloudWatch namespace of all metrics, where [`NAMESPACE_VARIABLE`] names no other.
pub const NAMESPACE: &str = "LambdaScale";

/// The variable that names another namespace. Only the pool distinguishes metrics, so two stacks in one account and region
/// whose pools have the same name need two.
pub const NAMESPACE_VARIABLE: &str = "METRICS_NAMESPACE";

/// The crates that write requests and answers into their lines, secrets included: the SDK of AWS repeats an answer that it cannot read
/// at the level of errors, and decrypted parameters at `trace`. Our own errors say what became of a call. Prefixes of their targets.
const UNHEARD: [&str; 5] = ["aws_", "h2", "hyper", "reqwest", "tower"];

/// Sends log lines to standard output as JSON, from the level that the variable `RUST_LOG` names on: `error`, `warn`,
/// `info` (the default), `debug`, `trace` or `off`. (A filter that `RUST_LOG` describes by modules would cost a regular expression
/// engine, a quarter of a megabyte in each function.)
pub fn init() {
    let level = aws::variable("RUST_LOG").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    // A second call (in tests) is not an error worth stopping for.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .finish()
        .with(Targets::new().with_default(level).with_targets(UNHEARD.map(|target| (target, LevelFilter::OFF))))
        .try_init();
}

/// The figures of one run of one stage for one pool, with the words that go with them.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The time of the figures.
    pub at: Timestamp,
    /// The pool, the one dimension of every metric.
    pub pool: &'a str,
    /// Words that are searched by but are no dimension: ids, states, reasons.
    pub properties: Vec<(&'static str, String)>,
    /// The figures.
    pub metrics: Vec<Figure>,
}

impl Entry for Record<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        // Every platform has all times that a clock shows; without one, the reader takes the time of arrival.
        if let Ok(at) = SystemTime::try_from(self.at) {
            writer.timestamp(at);
        }
        writer.value("Pool", self.pool);
        for (name, text) in &self.properties {
            writer.value(*name, text);
        }
        for figure in self.metrics.iter().filter(|figure| figure.value.is_finite()) {
            writer.value(figure.metric.name(), figure);
        }
    }
}

impl Value for Figure {
    fn write(&self, writer: impl ValueWriter) {
        let unit = match self.metric.unit() {
            metric::Unit::Count => Unit::Count,
            metric::Unit::Percent => Unit::Percent,
            metric::Unit::Seconds => Unit::Second(NegativeScale::One),
            metric::Unit::Bytes => Unit::Byte(PositiveScale::One),
        };
        writer.metric([Observation::Floating(self.value)], unit, [], MetricFlags::empty());
    }
}

/// Writes the figures to standard output. A failure to do so is logged; it changes nothing else.
pub fn emit(record: &Record<'_>) {
    let namespace = aws::variable(NAMESPACE_VARIABLE).unwrap_or_else(|| NAMESPACE.to_owned());
    let mut line = Vec::new();
    match write(namespace, record, &mut line) {
        Ok(()) => {
            if let Err(error) = io::stdout().lock().write_all(&line) {
                tracing::warn!(%error, "metrics were not written");
            }
        }
        Err(error) => tracing::warn!(error, "metrics were not written"),
    }
}

fn write(namespace: String, record: &Record<'_>, output: &mut Vec<u8>) -> Result<(), String> {
    Emf::builder(namespace, vec![vec!["Pool".to_owned()]])
        .build()
        .format(record, output)
        .map_err(|error| format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::resources::Kind;

    #[test]
    fn metrics_are_one_line_of_embedded_metric_format() {
        let record = Record {
            at: Timestamp::from_second(1_700_000_000).unwrap(),
            pool: "workers",
            properties: vec![("State", "scale_down".to_owned())],
            metrics: vec![
                Metric::Delta.of(-2),
                Metric::Utilization(Kind::Cpus).of(37.5),
                Metric::SnapshotAge.of(f64::NAN),
            ],
        };
        let mut line = Vec::new();
        write("LambdaScale".to_owned(), &record, &mut line).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(json["Pool"], "workers");
        assert_eq!(json["State"], "scale_down");
        assert_eq!(json["Delta"], -2.0);
        assert_eq!(json["CpusUtilization"], 37.5);
        assert!(json.get("SnapshotAge").is_none());
        let directive = &json["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "LambdaScale");
        assert_eq!(directive["Dimensions"], serde_json::json!([["Pool"]]));
        let names: Vec<&str> =
            directive["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Delta", "CpusUtilization"]);
    }
}
