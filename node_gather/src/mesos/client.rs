//! Asks the masters for their state: the leading one answers, the others redirect to it.
//!
//! The answer is scanned while it arrives, each chunk where it lies, and never held as a whole. Everything together, all
//! masters, redirects and pauses included, ends at one deadline.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode};
use secrecy::SecretString;
use shared::config::Mesos;
use shared::error::Chain;
pub use shared::mesos::ClientError;
use shared::mesos::{Http, MAX_REDIRECTS, is_redirect, url_of};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::redirect::{RedirectError, target};
use super::scan::Scanner;
use super::state::{Sink, StateError};

/// How often all masters are asked in turn. An election takes seconds; the next run is a minute away.
const MAX_ROUNDS: u32 = 3;

/// What is waited, on average, after the first round; after the second it is twice that.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// How much of an error's body is looked at.
const MAX_ERROR_BODY_BYTES: usize = 1024;

/// Asks the masters of one configuration.
#[derive(Debug)]
pub struct Client {
    http: Http,
    settings: Mesos,
}

/// A state, and how it was come by.
#[derive(Debug)]
pub struct Fetched<S> {
    /// What took the state.
    pub state: S,
    /// The URL of the leading master.
    pub master: String,
    /// How many bytes the state had, decoded.
    pub bytes: u64,
    /// How long it took, from the first master asked.
    pub elapsed: Duration,
}

/// Why there is no state.
#[derive(Debug, Error)]
#[error("no master gave its state: {}", list(.0))]
pub struct FetchError(pub Vec<Failure>);

/// Why one master gave no state.
#[derive(Debug)]
pub struct Failure {
    /// The master's URL in the configuration.
    pub master: String,
    /// Why.
    pub cause: Cause,
}

fn list(failures: &[Failure]) -> String {
    let each = failures.iter().map(|failure| format!("{}: {}", failure.master, Chain::new(&failure.cause)));
    each.collect::<Vec<_>>().join("; ")
}

/// What went wrong with one master.
#[derive(Debug, Error)]
pub enum Cause {
    /// It cannot be reached.
    #[error(
        "cannot connect; check that it runs, that the network lets the function reach it, and mesos.ca_bundle for https"
    )]
    Connect(#[source] reqwest::Error),
    /// It broke off before its answer began, or answered no HTTP.
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
    /// Nothing came while there were other masters to ask.
    #[error("no answer within {} ms", .0.as_millis())]
    NoAnswer(Duration),
    /// The deadline came.
    #[error("the {} ms of mesos.timeout were over, {bytes} bytes of the state had come", .timeout.as_millis())]
    Deadline {
        /// The whole time there was.
        timeout: Duration,
        /// What had come.
        bytes: u64,
    },
    /// It wants credentials and got none.
    #[error("it asks for credentials (401); set mesos.credentials")]
    CredentialsMissing,
    /// It does not know the credentials.
    #[error("it refuses the credentials (401); check what mesos.credentials leads to")]
    CredentialsRefused,
    /// It knows the credentials and does not let them see the state.
    #[error("it forbids the principal to see its state (403); check the master's authorization")]
    Forbidden,
    /// It has no state there.
    #[error("it has no /state (404); check its URL: a master that has just started answers so too")]
    NotFound,
    /// It knows of no leader.
    #[error("it knows of no leader (503 \"No leader elected\"); check ZooKeeper and the quorum of the masters")]
    NoLeader,
    /// It is asked too often.
    #[error("it is asked too often (429)")]
    TooManyRequests,
    /// It answers something else.
    #[error("it answers with status {0}")]
    Status(u16),
    /// It redirects to where nobody should go.
    #[error("its redirect is not followed")]
    Redirect(#[source] RedirectError),
    /// The redirects have no end.
    #[error("more than {MAX_REDIRECTS} redirects; the masters do not agree on a leader")]
    TooManyRedirects,
    /// The state is too large.
    #[error("its state has more than {limit} bytes; raise mesos.max_state_bytes if that is no fault")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The answer broke off.
    #[error("its answer broke off after {bytes} bytes")]
    BrokenOff {
        /// What had come.
        bytes: u64,
        /// How.
        source: reqwest::Error,
    },
    /// What it sent is no state.
    #[error("its answer is not taken")]
    State(#[source] StateError),
}

impl Cause {
    /// Whether it may be otherwise in a moment.
    const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect(_) | Self::NoLeader | Self::TooManyRequests | Self::Status(500..=599) | Self::NoAnswer(_)
        )
    }

    /// What it means that the scanner refuses the answer.
    fn refused(error: StateError) -> Self {
        match error {
            StateError::TooLarge { limit } => Self::TooLarge { limit },
            error => Self::State(error),
        }
    }
}

/// How far the work has come, for the message when the deadline cuts it off.
#[derive(Debug, Default)]
struct Progress {
    failures: Vec<Failure>,
    asking: Option<String>,
    bytes: u64,
}

impl Progress {
    /// Keeps the last failure of each master.
    fn failed(&mut self, master: String, cause: Cause) {
        self.failures.retain(|failure| failure.master != master);
        self.failures.push(Failure { master, cause });
    }
}

impl Client {
    /// Sets up a client: `credentials` and `ca_bundle` are what their settings lead to.
    ///
    /// # Errors
    /// Where these have no usable form.
    pub fn new(
        settings: Mesos,
        credentials: Option<&SecretString>,
        ca_bundle: Option<&SecretString>,
    ) -> Result<Self, ClientError> {
        let http = Http::new(&settings, credentials, ca_bundle)?;
        Ok(Self { http, settings })
    }

    /// Asks the masters until one gives the state of the cluster, each time to a new `sink`.
    ///
    /// # Errors
    /// Where none did before the deadline: with the cause for each.
    pub async fn fetch<S: Sink>(&self, sink: impl Fn() -> S) -> Result<Fetched<S>, FetchError> {
        let start = Instant::now();
        let progress = Mutex::new(Progress::default());
        let work = self.ask_all(&sink, start + self.settings.timeout, &progress);
        let found = timeout(self.settings.timeout, work).await;
        if let Ok(Some(fetched)) = found {
            return Ok(Fetched { elapsed: start.elapsed(), ..fetched });
        }
        let mut progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(master) = progress.asking.take() {
            let cause = Cause::Deadline { timeout: self.settings.timeout, bytes: progress.bytes };
            progress.failed(master, cause);
        }
        Err(FetchError(progress.failures))
    }

    /// Round by round, until a master gives its state or nothing is left to hope for.
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
            let count = masters.len();
            for (place, master) in masters.into_iter().enumerate() {
                let left = deadline.saturating_duration_since(Instant::now());
                // A master that accepts and says nothing must leave time for the others.
                let patience = if place + 1 < count { left / 2 } else { left };
                lock(progress).asking = Some(master.to_string());
                let cause = match self.ask(master, sink, patience, progress).await {
                    Ok(fetched) => return Some(fetched),
                    Err(cause) => cause,
                };
                if cause.is_transient() {
                    worth_asking_again.push(master);
                }
                let mut progress = lock(progress);
                progress.asking = None;
                progress.failed(master.to_string(), cause);
            }
            masters = worth_asking_again;
            if masters.is_empty() {
                break;
            }
        }
        None
    }

    /// Asks one master, and whom it redirects to.
    async fn ask<S: Sink>(
        &self,
        master: &Url,
        sink: &impl Fn() -> S,
        patience: Duration,
        progress: &Mutex<Progress>,
    ) -> Result<Fetched<S>, Cause> {
        // (Newer masters have no `/state.json`.)
        let mut url = url_of(master, "/state");
        for _ in 0..=MAX_REDIRECTS {
            let response = match timeout(patience, self.get(&url)).await {
                Ok(answer) => answer?,
                Err(_) => return Err(Cause::NoAnswer(patience)),
            };
            if response.status() == StatusCode::OK {
                let (state, bytes) = self.read(response, sink(), progress).await?;
                return Ok(Fetched { state, master: base_of(&url), bytes, elapsed: Duration::ZERO });
            }
            if !is_redirect(response.status()) {
                return Err(self.cause_of(response).await);
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = target(&self.settings, &url, location, "/state").map_err(Cause::Redirect)?;
        }
        Err(Cause::TooManyRedirects)
    }

    async fn get(&self, url: &Url) -> Result<Response, Cause> {
        let request = self.http.request(Method::GET, url.clone());
        request.send().await.map_err(|error| {
            let is_connect = error.is_connect();
            let error = error.without_url();
            if is_connect { Cause::Connect(error) } else { Cause::Request(error) }
        })
    }

    /// What an answer that is neither a state nor a redirect means.
    async fn cause_of(&self, response: Response) -> Cause {
        match response.status() {
            StatusCode::UNAUTHORIZED if !self.http.has_credentials() => Cause::CredentialsMissing,
            StatusCode::UNAUTHORIZED => Cause::CredentialsRefused,
            StatusCode::FORBIDDEN => Cause::Forbidden,
            StatusCode::NOT_FOUND => Cause::NotFound,
            StatusCode::TOO_MANY_REQUESTS => Cause::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE if says_no_leader(response).await => Cause::NoLeader,
            StatusCode::SERVICE_UNAVAILABLE => Cause::Status(StatusCode::SERVICE_UNAVAILABLE.as_u16()),
            status => Cause::Status(status.as_u16()),
        }
    }

    /// Hands the answer to the scanner, chunk by chunk, on the thread that waits for it: scanning a chunk takes less
    /// time than handing it to another thread.
    async fn read<S: Sink>(
        &self,
        mut response: Response,
        sink: S,
        progress: &Mutex<Progress>,
    ) -> Result<(S, u64), Cause> {
        let limit = self.settings.max_state_bytes;
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(Cause::TooLarge { limit });
        }
        let mut scanner = Scanner::new(sink, limit);
        let mut bytes = 0_u64;
        // An end before the announced length, or before the end of what was packed, is an error and not the end.
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Cause::BrokenOff { bytes, source: error.without_url() })?
        {
            bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            lock(progress).bytes = bytes;
            scanner.feed(&chunk).map_err(Cause::refused)?;
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

/// Whether the answer says what a master says that has lost its leader.
async fn says_no_leader(mut response: Response) -> bool {
    let mut body = Vec::new();
    while body.len() < MAX_ERROR_BODY_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&body).contains("No leader elected")
}

/// From half to one and a half of the pause, so that functions that were started together do not stay so.
fn jittered(pause: Duration) -> Duration {
    // The standard library's one source of chance: the keys of its hash maps.
    let chance = u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or(0);
    pause / 2 + pause * chance / 1000
}
