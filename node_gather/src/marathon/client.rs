//! Asks Marathon for its queue. Any of its instances answers: those that do not lead ask the leader themselves.

use std::time::Duration;

use reqwest::{Certificate, Response, StatusCode, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use shared::config::Marathon;
use shared::error::Chain;
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

use super::Queue;
use super::queue::{QueueError, QueuedInstances, parse};

/// For the whole answer. The queue is short and Marathon has it in memory; the state has been read by then, and must not
/// grow old for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of an answer: some 10,000 queued applications with their definitions.
const MAX_BYTES: usize = 32 << 20;

/// Asks one Marathon.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    /// Of the queue.
    url: Url,
    timeout: Duration,
}

/// Why no client can be set up.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The certificate authorities cannot be read.
    #[error("mesos.ca_bundle leads to what is no PEM file with certificates")]
    CaBundle(#[source] reqwest::Error),
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// Why Marathon did not say what waits.
#[derive(Debug, Error)]
pub enum Cause {
    /// It cannot be reached.
    #[error("cannot connect; check marathon.url and that the network lets the function reach it")]
    Connect(#[source] reqwest::Error),
    /// It broke off before its answer began, or answered no HTTP.
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
    /// It took too long.
    #[error("no whole answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// It wants credentials.
    #[error("it asks for credentials (status {0}); in this version it must answer without")]
    Credentials(u16),
    /// There is no queue.
    #[error("it has no /v2/queue (404); check that marathon.url leads to Marathon")]
    NotFound,
    /// The queue is elsewhere.
    #[error("it redirects (status {0}), which is not followed; write the URL that answers itself in marathon.url")]
    Redirect(u16),
    /// It answers something else.
    #[error("it answers with status {0}")]
    Status(u16),
    /// The answer is too large.
    #[error("its queue has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// The answer broke off.
    #[error("its answer broke off")]
    BrokenOff(#[source] reqwest::Error),
    /// What it sent is no queue.
    #[error("its answer is not taken")]
    Queue(#[source] QueueError),
}

impl Client {
    /// Sets up a client. `ca_bundle` vouches for an https Marathon beside the authorities that everybody trusts. The
    /// masters' credentials are none of Marathon's business.
    ///
    /// # Errors
    /// Where the bundle has no usable form.
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
            // Reading the system's authorities takes longer than reading the queue.
            _ => builder.tls_certs_only([]),
        };
        let http = builder.build().map_err(ClientError::Build)?;
        Ok(Self { http, url: queue_url(&settings.url), timeout: TIMEOUT })
    }

    /// The same client with another patience, for tests.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Asks what waits. That it cannot be said is an answer, too.
    pub async fn queue(&self) -> Queue {
        match self.fetch().await {
            Ok(queued) => Queue::Known(queued),
            Err(cause) => Queue::Unknown { reason: format!("{}: {}", self.url, Chain::new(&cause)) },
        }
    }

    /// Asks what waits.
    ///
    /// # Errors
    /// Where Marathon cannot be asked, or what it says is no queue.
    pub async fn fetch(&self) -> Result<Vec<QueuedInstances>, Cause> {
        let body = timeout(self.timeout, self.body()).await.map_err(|_| Cause::Deadline(self.timeout))??;
        parse(&body).map_err(Cause::Queue)
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

/// `/v2/queue` below whatever path Marathon is served at.
fn queue_url(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/v2/queue", base.path().trim_end_matches('/')));
    url
}
