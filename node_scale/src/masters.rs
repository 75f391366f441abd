//! The masters' operator API, as far as agents leave through it: `DEACTIVATE_AGENT`, `REACTIVATE_AGENT`, `DRAIN_AGENT` (Mesos 1.9 and
//! later). The rules about credentials, certificates and redirects are those by which their state is read (`shared::mesos`).
//!
//! Every call names the state that the agent must have, so that a repeated one does no harm. What a master answers is repeated
//! only where no credentials were sent: a proxy may answer with the request.

use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::config::Mesos;
use shared::error::Chain;
use shared::mesos::redirect::{RedirectError, target};
use shared::mesos::{ClientError, Http, MAX_REDIRECTS, is_redirect, url_of};
use shared::text::{MAX_REMOTE_CHARS, authority, clip, origin};
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

use crate::plan::{AgentCall, AgentStep};

/// Where a master takes calls.
const PATH: &str = "/api/v1";

/// How much of a refusal is read.
const MAX_TEXT_BYTES: usize = 1024;

/// Speaks to the masters of one configuration.
#[derive(Debug)]
pub struct Masters {
    http: Http,
    settings: Mesos,
}

/// Why a call was not carried out, as far as that is known.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// No master took it.
    #[error("no master took the call to {call} {hostname}: {}", .failures.join("; "))]
    NoMaster {
        /// What was to be done.
        call: &'static str,
        /// To whom.
        hostname: String,
        /// What each master said.
        failures: Vec<String>,
    },
    /// The leading master refuses it.
    #[error("the master {master} refuses to {call} {hostname} (status {status}{}){}", hint(*.status), said(.text))]
    Refused {
        /// What was to be done.
        call: &'static str,
        /// To whom.
        hostname: String,
        /// Who refuses.
        master: String,
        /// The status.
        status: u16,
        /// What it says; empty where credentials were sent.
        text: String,
    },
}

impl OperatorError {
    /// Whether a call about another agent would fail, too.
    #[must_use]
    pub const fn concerns_every_agent(&self) -> bool {
        match self {
            Self::NoMaster { .. } => true,
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 405 | 429 | 501),
        }
    }
}

impl OperatorError {
    /// Whether the leading master makes no such call, whichever the agent, so that asking again does not help: for lack of
    /// credentials or permissions, or because something between allows none.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::NoMaster { .. } => false,
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 405 | 501),
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        400 => ", the agent may be gone, or in a state that allows no such call",
        401 => ", check what mesos.credentials leads to",
        403 => ", the principal must be allowed to deactivate, reactivate and drain agents",
        _ => "",
    }
}

/// `: text`, or nothing.
fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// What one master did with a call.
enum Answer {
    Done,
    Refused(u16, String),
    /// It is not the one to ask.
    Failed(String),
}

impl Masters {
    /// Sets up a client: `credentials` and `ca_bundle` are what their settings lead to.
    ///
    /// # Errors
    /// Where these have no usable form.
    pub fn new(
        settings: Mesos,
        credentials: Option<&SecretString>,
        ca_bundle: Option<&SecretString>,
    ) -> Result<Self, ClientError> {
        Ok(Self { http: Http::new(&settings, credentials, ca_bundle)?, settings })
    }

    /// Makes a call about an agent to the leading master. All masters together have `mesos.timeout` for it.
    ///
    /// # Errors
    /// Where no master took the call, or the leading one refuses it.
    pub async fn call(&self, step: &AgentStep) -> Result<(), OperatorError> {
        let (call, hostname) = (step.call.name(), step.hostname.clone());
        let body = body(step).to_string();
        let mut failures = Vec::new();
        let patience = self.settings.timeout / u32::try_from(self.settings.masters.len()).unwrap_or(1).max(1);
        for master in &self.settings.masters {
            let answer = timeout(patience, self.ask(master, &body)).await;
            let answer =
                answer.unwrap_or_else(|_| Answer::Failed(format!("no answer within {} ms", patience.as_millis())));
            match answer {
                Answer::Done => return Ok(()),
                Answer::Refused(status, text) => {
                    return Err(OperatorError::Refused { call, hostname, master: origin(master), status, text });
                }
                Answer::Failed(why) => failures.push(format!("{}: {why}", origin(master))),
            }
        }
        Err(OperatorError::NoMaster { call, hostname, failures })
    }

    async fn ask(&self, master: &Url, body: &str) -> Answer {
        let mut url = url_of(master, PATH);
        for _ in 0..=MAX_REDIRECTS {
            let request = self.http.request(Method::POST, url.clone());
            let request = request.header("content-type", "application/json").header("accept", "application/json");
            let response = match request.body(body.to_owned()).send().await {
                Ok(response) => response,
                Err(error) => return Answer::Failed(Chain::new(&error.without_url()).to_string()),
            };
            let status = response.status();
            if status.is_success() {
                return Answer::Done;
            }
            if !is_redirect(status) {
                return self.refused(response).await;
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = match next(&self.settings, &url, location) {
                Ok(url) => url,
                Err(why) => return Answer::Failed(why),
            };
        }
        Answer::Failed("more than two redirects; the masters do not agree on a leader".to_owned())
    }

    /// A master that does not lead, or has just begun to, is not the one to ask; what the leading one refuses is refused.
    async fn refused(&self, response: Response) -> Answer {
        let status = response.status();
        let text = if self.http.has_credentials() { String::new() } else { text(response).await };
        let leads_no_more = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        if leads_no_more || status == StatusCode::NOT_FOUND {
            return Answer::Failed(format!("status {}{}", status.as_u16(), said(&text)));
        }
        Answer::Refused(status.as_u16(), text)
    }
}

/// The beginning of a body.
async fn text(mut response: Response) -> String {
    let mut text = Vec::new();
    while text.len() < MAX_TEXT_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        text.extend_from_slice(&chunk);
    }
    clip(String::from_utf8_lossy(&text).trim(), MAX_REMOTE_CHARS)
}

/// Where a redirect leads. A call is only made where calls are taken.
fn next(settings: &Mesos, from: &Url, location: Option<&str>) -> Result<Url, String> {
    let refused = |error: RedirectError| format!("its redirect is not followed: {error}");
    let to = target(settings, from, location, PATH).map_err(refused)?;
    if to.path().ends_with(PATH) {
        Ok(to)
    } else {
        Err(format!("it redirects to {}, to a path where no calls are taken", authority(&to)))
    }
}

/// <https://mesos.apache.org/documentation/latest/operator-http-api/>
fn body(step: &AgentStep) -> Value {
    let agent = json!({ "value": step.agent_id });
    match step.call {
        AgentCall::Deactivate => json!({ "type": "DEACTIVATE_AGENT", "deactivate_agent": { "agent_id": agent } }),
        AgentCall::Reactivate => json!({ "type": "REACTIVATE_AGENT", "reactivate_agent": { "agent_id": agent } }),
        AgentCall::Drain { grace } => json!({
            "type": "DRAIN_AGENT",
            "drain_agent": { "agent_id": agent, "max_grace_period": { "nanoseconds": nanoseconds(grace) } },
        }),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Mesos {
        let configuration = "[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n[[pools]]\nname = \"a\"\ngroup = \"b\"\n";
        shared::config::Config::parse(configuration).unwrap().mesos.unwrap()
    }

    #[test]
    fn a_call_follows_a_redirect_to_the_leader_and_nowhere_else() {
        let from = Url::parse("http://10.0.0.5:5050/api/v1").unwrap();
        let to = |location: &str| next(&settings(), &from, Some(location)).map(String::from);
        assert_eq!(to("//leader:5050/master/api/v1").unwrap(), "http://leader:5050/master/api/v1");
        assert_eq!(to("//leader:5050").unwrap(), "http://leader:5050/api/v1");
        for location in
            ["//leader:5050/master/teardown", "//169.254.169.254/api/v1", "https://leader/api/v1", "file:///api/v1"]
        {
            assert!(to(location).is_err(), "{location}");
        }
    }

    #[test]
    fn the_calls_are_those_of_the_operator_api() {
        let call = |call| {
            body(&AgentStep { call, agent_id: "S1".into(), hostname: "h".into(), instance_id: "i-1".into() })
                .to_string()
        };
        assert_eq!(
            call(AgentCall::Deactivate),
            r#"{"deactivate_agent":{"agent_id":{"value":"S1"}},"type":"DEACTIVATE_AGENT"}"#
        );
        assert!(call(AgentCall::Drain { grace: Duration::from_secs(30) }).contains(r#"{"nanoseconds":30000000000}"#));
    }
}
