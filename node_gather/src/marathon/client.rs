//! Asks Marathon. Any of its instances answers: a follower forwards the request to the leader.
//!
//! An answer is parsed while it arrives, and never in memory as a whole.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Certificate, Response, StatusCode, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use shared::config::Marathon;
use shared::error::Chain;
use shared::mesos::no_connection::{NoConnection, hint};
use shared::mesos::{Credentials, InvalidCredentials, is_redirect, unanswered, url_of};
use shared::text::{MAX_REMOTE_CHARS, clip};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, timeout};
use url::Url;

use super::definitions::{self, Definitions, DefinitionsError};
use super::queue::{self, QueueError, QueuedInstances};
use super::{Answer, Queue};

/// For the whole answer, of all URLs together. Marathon has what it is asked for in memory; by the time that the queue is
/// read, the state has been, and must not get old.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long constraints hold: an operator changes them now and then.
const REFRESH: SignedDuration = SignedDuration::from_mins(10);

/// How long they hold where Marathon does not answer.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(1);

/// How many chunks of an answer may wait to be parsed.
const CHUNKS: usize = 4;

/// A client of one Marathon.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    credentials: Option<Credentials>,
    urls: Vec<Url>,
    timeout: Duration,
    /// What `/v2/apps` and `/v2/pods` answered last, and when.
    known: Mutex<Option<(Timestamp, Definitions)>>,
}

/// Why the client cannot be set up.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The credentials have no known form.
    #[error("cannot use what marathon.credentials refers to")]
    Credentials(#[source] InvalidCredentials),
    /// The certificate authorities cannot be read.
    #[error("mesos.ca_bundle: got other contents, expected certificates in PEM")]
    CaBundle(#[source] reqwest::Error),
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// Why Marathon gave no answer at one URL.
#[derive(Debug, Error)]
pub enum Cause {
    /// Marathon cannot be reached.
    #[error(transparent)]
    Connect(NoConnection),
    /// The connection ended before the answer began, or the answer is not HTTP.
    #[error("the request failed{}", hint(.0))]
    Request(#[source] reqwest::Error),
    /// The answer took too long.
    #[error("no complete answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// Marathon requires credentials, and there are none.
    #[error("Marathon requires credentials (401); set marathon.credentials")]
    CredentialsMissing,
    /// Marathon refuses the credentials.
    #[error("Marathon refuses the credentials (401); check what marathon.credentials refers to")]
    CredentialsRefused,
    /// The user must not see it.
    #[error("the user must not read it (403); allow it in Marathon")]
    Forbidden,
    /// There is no such list.
    #[error("not found (404); check that marathon.url leads to Marathon")]
    NotFound,
    /// The list is elsewhere.
    #[error("redirect (status {0}) not followed; set marathon.url to the URL that answers directly")]
    Redirect(u16),
    /// Marathon answers with another status.
    #[error("status {0}, expected 200")]
    Status(u16),
    /// The connection ended within the answer.
    #[error("the answer is incomplete")]
    BrokenOff(#[source] reqwest::Error),
    /// The answer is not a queue.
    #[error("cannot read the answer")]
    Queue(#[from] QueueError),
    /// The answer is not a list of definitions.
    #[error("cannot read the answer")]
    Definitions(#[from] DefinitionsError),
    /// The thread that parses the answer ended.
    #[error("cannot parse the answer")]
    Parser(#[source] JoinError),
}

/// Why Marathon gave no answer, at each URL that was asked.
#[derive(Debug)]
pub struct Failures(pub Vec<(Url, Cause)>);

impl Failures {
    /// A sentence for each, with little of what Marathon sent.
    fn reason(&self) -> String {
        let each = self.0.iter().map(|(url, cause)| clip(&format!("{url}: {}", Chain::new(cause)), MAX_REMOTE_CHARS));
        each.collect::<Vec<_>>().join("; ")
    }

    /// Whether no URL has such a list, as the pods of releases before 1.4.
    fn is_absent(&self) -> bool {
        self.0.iter().all(|(_, cause)| matches!(cause, Cause::NotFound))
    }
}

impl Client {
    /// Sets up a client. `credentials` and `ca_bundle` are the contents that their settings refer to. It trusts `ca_bundle`
    /// in addition to the system's authorities if a URL is https. It sends the credentials to the URLs of the
    /// configuration, and to no other.
    ///
    /// # Errors
    /// The credentials or the bundle are not valid.
    pub fn new(
        settings: &Marathon,
        credentials: Option<&SecretString>,
        ca_bundle: Option<&SecretString>,
    ) -> Result<Self, ClientError> {
        let credentials = credentials.map(Credentials::parse).transpose().map_err(ClientError::Credentials)?;
        let is_tls = settings.urls.iter().any(|url| url.scheme() == "https");
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .no_gzip()
            .connect_timeout(TIMEOUT);
        builder = match ca_bundle {
            Some(bundle) if is_tls => builder.tls_certs_merge(
                Certificate::from_pem_bundle(bundle.expose_secret().as_bytes()).map_err(ClientError::CaBundle)?,
            ),
            _ if is_tls => builder,
            // Loading the system's authorities takes longer than reading the queue.
            _ => builder.tls_certs_only([]),
        };
        let http = builder.build().map_err(ClientError::Build)?;
        Ok(Self { http, credentials, urls: settings.urls.clone(), timeout: TIMEOUT, known: Mutex::default() })
    }

    /// The same client with another timeout, for tests.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Reads the queue. A failure is a value, too.
    pub async fn queue(&self) -> Queue {
        match self.fetch_queue().await {
            Ok(queued) => Answer::Known(queued),
            Err(failures) => Answer::Unknown { reason: failures.reason() },
        }
    }

    /// Reads the queue.
    ///
    /// # Errors
    /// Marathon cannot be read at any URL, or its answers are not queues.
    pub async fn fetch_queue(&self) -> Result<Vec<QueuedInstances>, Failures> {
        self.ask("/v2/queue", self.deadline(), |body| queue::parse(body).map_err(Cause::Queue)).await
    }

    /// How many instances of which applications one agent may hold. Marathon is asked at most every ten minutes; where it
    /// does not answer, what is known holds for an hour. `now` is the time of the run.
    pub async fn definitions(&self, now: Timestamp) -> Answer<Definitions> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A clock that was set back asks again.
        let within =
            |age: SignedDuration| move |(at, _): &(Timestamp, Definitions)| now.duration_since(*at).abs() < age;
        if let Some((_, definitions)) = known.clone().filter(within(REFRESH)) {
            return Answer::Known(definitions);
        }
        match self.fetch_definitions().await {
            Ok(mut definitions) => {
                if let Some((_, before)) = &known {
                    definitions.take_over(before);
                }
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, definitions.clone()));
                Answer::Known(definitions)
            }
            Err(failures) => match known.filter(within(MAX_AGE)) {
                Some((_, definitions)) => Answer::Known(definitions),
                None => Answer::Unknown { reason: failures.reason() },
            },
        }
    }

    async fn fetch_definitions(&self) -> Result<Definitions, Failures> {
        let deadline = self.deadline();
        let apps = |body: Body| {
            let mut definitions = Definitions::default();
            definitions::add_apps(body, &mut definitions)?;
            Ok(definitions)
        };
        let pods = |body: Body| {
            let mut definitions = Definitions::default();
            definitions::add_pods(body, &mut definitions)?;
            Ok(definitions)
        };
        let mut definitions = self.ask("/v2/apps", deadline, apps).await?;
        match self.ask("/v2/pods", deadline, pods).await {
            Ok(of_pods) => definitions.extend(of_pods),
            Err(failures) if failures.is_absent() => {}
            Err(failures) => return Err(failures),
        }
        Ok(definitions)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Asks at one URL after the other until one answers. Each has its share of the time that is left.
    async fn ask<T: Send + 'static>(
        &self,
        path: &str,
        deadline: Instant,
        parse: impl Fn(Body) -> Result<T, Cause> + Copy + Send + 'static,
    ) -> Result<T, Failures> {
        let mut failures = Vec::new();
        for (place, base) in (0_u32..).zip(&self.urls) {
            let others = u32::try_from(self.urls.len()).unwrap_or(u32::MAX).saturating_sub(place).max(1);
            let share = deadline.saturating_duration_since(Instant::now()) / others;
            let url = url_of(base, path);
            let answer = timeout(share, self.ask_one(url.clone(), parse)).await;
            match answer.unwrap_or(Err(Cause::Deadline(share))) {
                Ok(answer) => return Ok(answer),
                Err(cause) => failures.push((url, cause)),
            }
        }
        Err(Failures(failures))
    }

    async fn ask_one<T: Send + 'static>(
        &self,
        url: Url,
        parse: impl FnOnce(Body) -> Result<T, Cause> + Send + 'static,
    ) -> Result<T, Cause> {
        let request = self.http.get(url).header("accept", "application/json");
        let request = match &self.credentials {
            Some(credentials) => credentials.show_in(request),
            None => request,
        };
        let response = request.send().await.map_err(|error| unanswered(error, Cause::Connect, Cause::Request))?;
        match response.status() {
            StatusCode::OK => parsed(response, parse).await,
            StatusCode::UNAUTHORIZED if self.credentials.is_none() => Err(Cause::CredentialsMissing),
            StatusCode::UNAUTHORIZED => Err(Cause::CredentialsRefused),
            StatusCode::FORBIDDEN => Err(Cause::Forbidden),
            StatusCode::NOT_FOUND => Err(Cause::NotFound),
            status if is_redirect(status) => Err(Cause::Redirect(status.as_u16())),
            status => Err(Cause::Status(status.as_u16())),
        }
    }
}

/// Parses an answer on another thread while it arrives.
async fn parsed<T: Send + 'static>(
    mut response: Response,
    parse: impl FnOnce(Body) -> Result<T, Cause> + Send + 'static,
) -> Result<T, Cause> {
    let (chunks, body) = mpsc::channel(CHUNKS);
    let parser = spawn_blocking(move || parse(Body { chunks: body, rest: Vec::new(), read: 0 }));
    // A parser that has enough of an answer drops its end.
    while let Some(chunk) = response.chunk().await.map_err(|error| Cause::BrokenOff(error.without_url()))? {
        if chunks.send(chunk.to_vec()).await.is_err() {
            break;
        }
    }
    drop(chunks);
    parser.await.map_err(Cause::Parser)?
}

/// The body of an answer, chunk by chunk as it arrives.
struct Body {
    chunks: mpsc::Receiver<Vec<u8>>,
    /// The current chunk, and how much of it was read.
    rest: Vec<u8>,
    read: usize,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut rest = self.rest.get(self.read..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.read(buffer)?;
                self.read += count;
                return Ok(count);
            }
            let Some(chunk) = self.chunks.blocking_recv() else { return Ok(0) };
            (self.rest, self.read) = (chunk, 0);
        }
    }
}
