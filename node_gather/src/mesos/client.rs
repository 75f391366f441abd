//! Requests /state from the masters: the leading one answers, the others redirect to it.
//!
//! The answer is scanned chunk by chunk while it arrives, and never in memory as a whole. One deadline limits everything:
//! all masters, redirects, and pauses. Each master has its share of it ([`patience`](super::patience)).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode};
use secrecy::SecretString;
use shared::config::Mesos;
use shared::error::Chain;
pub use shared::mesos::ClientError;
use shared::mesos::no_connection::{NoConnection, hint};
use shared::mesos::{Http, MAX_REDIRECTS, is_redirect, unanswered, url_of};
use shared::text::{authority, origin};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use super::patience::Patience;
pub use super::patience::Slow;
use super::redirect::{RedirectError, target};
use super::scan::Scanner;
use super::state::{Sink, StateError};

/// How many times all masters are asked in turn. An election takes seconds; the next run follows in a minute.
const MAX_ROUNDS: u32 = 3;

/// The average pause after the first round; after the second round it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// How much of an error's body is read.
const MAX_ERROR_BODY_BYTES: usize = 1024;

/// A client of the masters of one configuration.
#[derive(Debug)]
pub struct Client {
    http: Http,
    settings: Mesos,
}

/// A state, and how it was read.
#[derive(Debug)]
pub struct Fetched<S> {
    /// The sink that holds the state.
    pub state: S,
    /// The URL of the leading master.
    pub master: String,
    /// The size of the state in bytes, decoded.
    pub bytes: u64,
    /// How long it took, from the first request.
    pub elapsed: Duration,
}

/// Why there is no state.
#[derive(Debug, Error)]
#[error("no master returned its state: {}", list(.0))]
pub struct FetchError(pub Vec<Failure>);

/// Why one master returned no state.
#[derive(Debug)]
pub struct Failure {
    /// Who was asked.
    pub asked: Asked,
    /// Why.
    pub cause: Cause,
}

/// A master, and the hosts that it and its leaders redirected to. Displayed without paths: these may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Scheme, host, and port of the master in the configuration.
    pub master: String,
    /// Host and port of each redirect's target, in turn. The last one may not have been asked.
    pub leaders: Vec<String>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.master)?;
        self.leaders.iter().try_for_each(|leader| write!(f, ", redirected to {leader}"))
    }
}

fn list(failures: &[Failure]) -> String {
    let each = failures.iter().map(|failure| format!("{}: {}", failure.asked, Chain::new(&failure.cause)));
    each.collect::<Vec<_>>().join("; ")
}

/// Why one master returned no state.
#[derive(Debug, Error)]
pub enum Cause {
    /// The master cannot be reached.
    #[error(transparent)]
    Connect(NoConnection),
    /// The connection ended before the answer began, or the answer is not HTTP.
    #[error("the request failed{}", hint(.0))]
    Request(#[source] reqwest::Error),
    /// No answer began while other masters remained to be asked.
    #[error("no answer within {} ms", .0.as_millis())]
    NoAnswer(Duration),
    /// The deadline has passed.
    #[error("mesos.timeout = {}ms has passed after {bytes} bytes of the state", .timeout.as_millis())]
    Deadline {
        /// The timeout.
        timeout: Duration,
        /// How many bytes had arrived.
        bytes: u64,
    },
    /// The body was given up.
    #[error(transparent)]
    Slow(#[from] Slow),
    /// The master requires credentials, and there are none.
    #[error("the master requires credentials (401); set mesos.credentials")]
    CredentialsMissing,
    /// The master refuses the credentials.
    #[error("the master refuses the credentials (401); check what mesos.credentials refers to")]
    CredentialsRefused,
    /// The principal must not view the state.
    #[error("the principal must not view the state (403); allow it in the master's ACLs")]
    Forbidden,
    /// There is no state at the URL.
    #[error("no /state (404); check the URL, unless the master has just started")]
    NotFound,
    /// No master leads.
    #[error("no leading master (503 \"No leader elected\"); check ZooKeeper and the quorum of the masters")]
    NoLeader,
    /// The master limits requests.
    #[error("too many requests (429); the next run retries")]
    TooManyRequests,
    /// The master answers with another status.
    #[error("status {0}, expected 200")]
    Status(u16),
    /// The target of the redirect is not allowed.
    #[error("redirect not followed")]
    Redirect(#[source] RedirectError),
    /// The redirects do not end.
    #[error("more than {MAX_REDIRECTS} redirects; the masters do not agree on a leader")]
    TooManyRedirects,
    /// The state is too large.
    #[error("the state exceeds mesos.max_state_bytes = {limit}; raise it if the cluster is that large")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The connection ended within the answer.
    #[error("the answer ended after {bytes} bytes")]
    BrokenOff {
        /// How many bytes had arrived.
        bytes: u64,
        /// The cause.
        source: reqwest::Error,
    },
    /// The answer is not a state.
    #[error("cannot read the answer")]
    State(#[source] StateError),
}

impl Cause {
    /// Whether the master may answer shortly.
    const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect(_)
                | Self::NoLeader
                | Self::TooManyRequests
                | Self::Status(500..=599)
                | Self::NoAnswer(_)
                | Self::Slow(_)
        )
    }

    /// The cause if the scanner refuses the answer.
    fn refused(error: StateError) -> Self {
        match error {
            StateError::TooLarge { limit } => Self::TooLarge { limit },
            error => Self::State(error),
        }
    }
}

/// The progress so far, for the message if the deadline passes.
#[derive(Debug, Default)]
struct Progress {
    failures: Vec<(Url, Failure)>,
    asking: Option<(Url, Asked)>,
    bytes: u64,
}

impl Progress {
    fn asks(&mut self, master: &Url) {
        let asked = Asked { master: origin(master), leaders: Vec::new() };
        (self.asking, self.bytes) = (Some((master.clone(), asked)), 0);
    }

    fn redirected(&mut self, to: String) {
        if let Some((_, asked)) = &mut self.asking {
            asked.leaders.push(to);
        }
    }

    /// Ends asking the current master. Keeps the last failure of each master.
    fn failed(&mut self, cause: Cause) {
        let Some((master, asked)) = self.asking.take() else { return };
        self.failures.retain(|(other, _)| *other != master);
        self.failures.push((master, Failure { asked, cause }));
    }
}

impl Client {
    /// Sets up a client. `credentials` and `ca_bundle` are the contents that their settings refer to.
    ///
    /// # Errors
    /// These are not valid.
    pub fn new(
        settings: Mesos,
        credentials: Option<&SecretString>,
        ca_bundle: Option<&SecretString>,
    ) -> Result<Self, ClientError> {
        let http = Http::new(&settings, credentials, ca_bundle)?;
        Ok(Self { http, settings })
    }

    /// Asks the masters until one returns the state of the cluster, each time with a new `sink`.
    ///
    /// # Errors
    /// No master did before the deadline; the error has a cause for each.
    pub async fn fetch<S: Sink>(&self, sink: impl Fn() -> S) -> Result<Fetched<S>, FetchError> {
        let start = Instant::now();
        let progress = Mutex::new(Progress::default());
        let work = self.ask_all(&sink, start + self.settings.timeout, &progress);
        let found = timeout(self.settings.timeout, work).await;
        if let Ok(Some(fetched)) = found {
            return Ok(Fetched { elapsed: start.elapsed(), ..fetched });
        }
        let mut progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        let cause = Cause::Deadline { timeout: self.settings.timeout, bytes: progress.bytes };
        progress.failed(cause);
        Err(FetchError(progress.failures.into_iter().map(|(_, failure)| failure).collect()))
    }

    /// Round by round, until a master returns its state or none may still do so.
    async fn ask_all<S: Sink>(
        &self,
        sink: &impl Fn() -> S,
        deadline: Instant,
        progress: &Mutex<Progress>,
    ) -> Option<Fetched<S>> {
        let mut masters: Vec<&Url> = self.settings.masters.iter().collect();
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                sleep(jittered(FIRST_PAUSE * 2_u32.pow(round - 1))).await;
            }
            let mut worth_asking_again = Vec::new();
            let mut remaining = u32::try_from(masters.len()).unwrap_or(u32::MAX);
            for master in masters {
                lock(progress).asks(master);
                let cause = match self.ask(master, sink, Patience { deadline, remaining }, progress).await {
                    Ok(fetched) => return Some(fetched),
                    Err(cause) => cause,
                };
                if cause.is_transient() {
                    worth_asking_again.push(master);
                }
                lock(progress).failed(cause);
                remaining -= 1;
            }
            masters = worth_asking_again;
            if masters.is_empty() {
                break;
            }
        }
        None
    }

    /// Asks one master, and the targets of its redirects.
    async fn ask<S: Sink>(
        &self,
        master: &Url,
        sink: &impl Fn() -> S,
        patience: Patience,
        progress: &Mutex<Progress>,
    ) -> Result<Fetched<S>, Cause> {
        // (Newer masters have no `/state.json`.)
        let mut url = url_of(master, "/state");
        for redirects in 0..=MAX_REDIRECTS {
            let start = Instant::now();
            let until = patience.headers_until(start, redirects > 0);
            let response = match timeout_at(until, self.get(&url)).await {
                Ok(answer) => answer?,
                Err(_) => return Err(Cause::NoAnswer(until.saturating_duration_since(start))),
            };
            if response.status() == StatusCode::OK {
                let (state, bytes) = self.read(response, sink(), patience, progress).await?;
                return Ok(Fetched { state, master: base_of(&url), bytes, elapsed: Duration::ZERO });
            }
            if !is_redirect(response.status()) {
                return Err(self.cause_of(response, until).await);
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = target(&self.settings, &url, location, "/state").map_err(Cause::Redirect)?;
            lock(progress).redirected(authority(&url));
        }
        Err(Cause::TooManyRedirects)
    }

    async fn get(&self, url: &Url) -> Result<Response, Cause> {
        let request = self.http.request(Method::GET, url.clone());
        request.send().await.map_err(|error| unanswered(error, Cause::Connect, Cause::Request))
    }

    /// The cause of an answer that is neither a state nor a redirect. Its body is read until then at most.
    async fn cause_of(&self, response: Response, until: Instant) -> Cause {
        match response.status() {
            StatusCode::UNAUTHORIZED if !self.http.has_credentials() => Cause::CredentialsMissing,
            StatusCode::UNAUTHORIZED => Cause::CredentialsRefused,
            StatusCode::FORBIDDEN => Cause::Forbidden,
            StatusCode::NOT_FOUND => Cause::NotFound,
            StatusCode::TOO_MANY_REQUESTS => Cause::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE if says_no_leader(response, until).await => Cause::NoLeader,
            StatusCode::SERVICE_UNAVAILABLE => Cause::Status(StatusCode::SERVICE_UNAVAILABLE.as_u16()),
            status => Cause::Status(status.as_u16()),
        }
    }

    /// Passes the answer to the scanner, chunk by chunk, on the thread that receives it: scanning a chunk takes less time
    /// than passing it to another thread.
    async fn read<S: Sink>(
        &self,
        mut response: Response,
        sink: S,
        patience: Patience,
        progress: &Mutex<Progress>,
    ) -> Result<(S, u64), Cause> {
        let limit = self.settings.max_state_bytes;
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(Cause::TooLarge { limit });
        }
        let mut scanner = Scanner::new(sink, limit);
        let mut bytes = 0_u64;
        let mut pace = patience.body(Instant::now(), response.content_length());
        loop {
            let Ok(chunk) = timeout_at(pace.gives_up_at(), response.chunk()).await else {
                return Err(pace.given_up(Instant::now(), bytes).into());
            };
            // An end before the announced length, or before the end of the gzip stream, is an error.
            let chunk = chunk.map_err(|error| Cause::BrokenOff { bytes, source: error.without_url() })?;
            let Some(chunk) = chunk else { break };
            bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            lock(progress).bytes = bytes;
            scanner.feed(&chunk).map_err(Cause::refused)?;
            pace.arrived(Instant::now(), bytes)?;
        }
        Ok((scanner.finish().map_err(Cause::refused)?, bytes))
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The master's URL, from that of its state.
fn base_of(url: &Url) -> String {
    let mut base = url.clone();
    base.set_query(None);
    let text = base.as_str();
    let text = text.strip_suffix("/state").unwrap_or(text);
    text.strip_suffix("/master").unwrap_or(text).trim_end_matches('/').to_owned()
}

/// Whether the answer is that of a master without a leader, as far as it arrives until then.
async fn says_no_leader(mut response: Response, until: Instant) -> bool {
    let mut body = Vec::new();
    while body.len() < MAX_ERROR_BODY_BYTES
        && let Ok(Ok(Some(chunk))) = timeout_at(until, response.chunk()).await
    {
        body.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&body).contains("No leader elected")
}

/// From half to one and a half of the pause, so that functions that start together spread out.
fn jittered(pause: Duration) -> Duration {
    // The standard library's only source of randomness: the keys of its hash maps.
    let random = u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or(0);
    pause / 2 + pause * random / 1000
}
