//! Who calls, and whether the clocks agree.

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use shared::error::Chain;
use shared::time;

use super::finding::{Finding, Section};
use crate::credentials;

/// By how much the clocks may differ. Messages live two schedule periods, so half a minute is a quarter of the shortest life.
const MAX_SKEW_SECONDS: i64 = 30;

/// The account as its caller sees it.
pub(super) struct Account {
    is_there: bool,
    findings: Vec<Finding>,
}

impl Account {
    /// Whether calls can be made.
    pub(super) const fn is_some(&self) -> bool {
        self.is_there
    }

    pub(super) fn section(self) -> Section {
        Section::new("account", self.findings)
    }
}

/// Checks credentials, region, and clock.
pub(super) async fn account(sdk: &SdkConfig, now: Timestamp) -> Account {
    if let Err(no_account) = credentials::check(sdk).await {
        return Account { is_there: false, findings: vec![Finding::problem(Chain::new(&no_account).to_string())] };
    }
    let region = sdk.region().map_or_else(String::new, ToString::to_string);
    let date = Date::default();
    let client = aws_sdk_sts::Client::new(sdk);
    let findings = match client.get_caller_identity().customize().interceptor(date.clone()).send().await {
        Ok(identity) => {
            let caller = Finding::ok(format!("{} in {region}", identity.arn().unwrap_or("an unknown caller")));
            std::iter::once(caller).chain(date.get().map(|aws| clock(now, aws))).collect()
        }
        Err(error) => {
            let text = format!("{region}: cannot ask who calls (sts:GetCallerIdentity): {}", Chain::new(&error));
            vec![Finding::warning(text)]
        }
    };
    Account { is_there: true, findings }
}

/// Compares the clock of this machine with that of AWS.
fn clock(now: Timestamp, aws: Timestamp) -> Finding {
    let ahead = now.duration_since(aws);
    let words = match ahead.as_secs() {
        seconds if seconds.abs() <= MAX_SKEW_SECONDS => return Finding::ok("the clock agrees with that of AWS"),
        seconds if seconds > 0 => "ahead of",
        _ => "behind",
    };
    let skew = time::compact(ahead.abs());
    Finding::warning(format!(
        "the clock of this machine is {skew} {words} that of AWS; set it before `lambda-scale run`"
    ))
}

/// The time of an answer.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<Timestamp>>>);

impl Date {
    fn get(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_clock_may_differ_by_half_a_minute() {
        let aws: Timestamp = "2026-11-26T06:00:00Z".parse().unwrap();
        let at = |seconds| clock(aws + SignedDuration::from_secs(seconds), aws);
        assert_eq!((at(30).level, at(-30).level), (Level::Ok, Level::Ok));
        assert!(at(31).text.contains("31s ahead of that of AWS"), "{}", at(31).text);
        assert!(at(-125).text.contains("2m5s behind that of AWS"), "{}", at(-125).text);
    }
}
