//! Reads Marathon's queue. Any of its instances answers: a follower forwards the request to the leader.

use std::time::Duration;

use reqwest::{Certificate, Response, StatusCode, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use shared::config::Marathon;
use shared::error::Chain;
use shared::text::{MAX_REMOTE_CHARS, clip};
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

use super::Queue;
use super::queue::{MAX_BYTES, QueueError, QueuedInstances, parse};

/// For the whole answer. The queue is short, and Marathon has it in memory; the state has been read by then and must not
/// get old.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one Marathon.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    /// The URL of the queue.
    url: Url,
    timeout: Duration,
}

/// Why the client cannot be set up.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The certificate authorities cannot be read.
    #[error("mesos.ca_bundle: got other contents, expected certificates in PEM")]
    CaBundle(#[source] reqwest::Error),
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// Why the queue could not be read.
#[derive(Debug, Error)]
pub enum Cause {
    /// Marathon cannot be reached.
    #[error("cannot connect; check marathon.url, and that the network allows the connection")]
    Connect(#[source] reqwest::Error),
    /// The connection ended before the answer began, or the answer is not HTTP.
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
    /// The answer took too long.
    #[error("no complete answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// Marathon requires credentials.
    #[error("Marathon requires credentials (status {0}), which this release does not support; allow anonymous access")]
    Credentials(u16),
    /// There is no queue.
    #[error("no /v2/queue (404); check that marathon.url leads to Marathon")]
    NotFound,
    /// The queue is elsewhere.
    #[error("redirect (status {0}) not followed; set marathon.url to the URL that answers directly")]
    Redirect(u16),
    /// Marathon answers with another status.
    #[error("status {0}, expected 200")]
    Status(u16),
    /// The answer is too large.
    #[error("the queue exceeds {MAX_BYTES} bytes")]
    TooLarge,
    /// The connection ended within the answer.
    #[error("the answer is incomplete")]
    BrokenOff(#[source] reqwest::Error),
    /// The answer is not a queue.
    #[error("cannot read the answer")]
    Queue(#[source] QueueError),
}

impl Client {
    /// Sets up a client. It trusts `ca_bundle` in addition to the system's authorities if the URL is https. It does not
    /// send the masters' credentials.
    ///
    /// # Errors
    /// The bundle is not valid.
    pub fn new(settings: &Marathon, ca_bundle: Option<&SecretString>) -> Result<Self, ClientError> {
        let is_tls = settings.url.scheme() == "https";
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
        Ok(Self { http, url: queue_url(&settings.url), timeout: TIMEOUT })
    }

    /// The same client with another timeout, for tests.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Reads the queue. A failure is a value, too.
    pub async fn queue(&self) -> Queue {
        match self.fetch().await {
            Ok(queued) => Queue::Known(queued),
            Err(cause) => {
                Queue::Unknown { reason: clip(&format!("{}: {}", self.url, Chain::new(&cause)), MAX_REMOTE_CHARS) }
            }
        }
    }

    /// Reads the queue.
    ///
    /// # Errors
    /// Marathon cannot be read, or its answer is not a queue.
    pub async fn fetch(&self) -> Result<Vec<QueuedInstances>, Cause> {
        let body = timeout(self.timeout, self.body()).await.map_err(|_| Cause::Deadline(self.timeout))??;
        parse(&*body).map_err(Cause::Queue)
    }

    async fn body(&self) -> Result<Vec<u8>, Cause> {
        let sent = self.http.get(self.url.clone()).header("accept", "application/json").send().await;
        let response = sent.map_err(|error| {
            let is_connect = error.is_connect();
            let error = error.without_url();
            if is_connect { Cause::Connect(error) } else { Cause::Request(error) }
        })?;
        match response.status() {
            StatusCode::OK => read(response).await,
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(Cause::Credentials(status.as_u16())),
            StatusCode::NOT_FOUND => Err(Cause::NotFound),
            status if status.is_redirection() => Err(Cause::Redirect(status.as_u16())),
            status => Err(Cause::Status(status.as_u16())),
        }
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Cause> {
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).unwrap_or(usize::MAX) > MAX_BYTES {
        return Err(Cause::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Cause::BrokenOff(error.without_url()))? {
        if body.len().saturating_add(chunk.len()) > MAX_BYTES {
            return Err(Cause::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `/v2/queue` below the path of Marathon's URL.
fn queue_url(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/v2/queue", base.path().trim_end_matches('/')));
    url
}
