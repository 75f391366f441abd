//! How masters are spoken to: whom credentials are shown to, whose certificates are believed, where a redirect may lead. Whoever
//! reads their state and whoever calls their operator API keep the same rules.

pub mod no_connection;
pub mod redirect;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode, retry};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use url::Url;

use crate::config::Mesos;
use no_connection::NoConnection;
use redirect::{GuardedResolver, needs_tls};

/// Within a network a connection takes milliseconds. A master behind a dead address must not use up the deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A redirect leads to the leader; a second one is for a leader that has just changed.
pub const MAX_REDIRECTS: usize = 2;

/// Makes requests of masters. It follows no redirect by itself; see [`redirect::target`].
#[derive(Debug)]
pub struct Http {
    client: Client,
    credentials: Option<Credentials>,
}

/// How a caller shows who it is. Never printed.
#[derive(Debug)]
pub enum Credentials {
    /// HTTP basic authentication, Mesos' own.
    Basic {
        /// The principal, or user.
        principal: String,
        /// Its secret.
        secret: SecretString,
    },
    /// `Authorization: token=...`, that of DC/OS.
    Token(HeaderValue),
}

/// Why no client can be set up.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The credentials have no known form. They are not repeated here.
    #[error("mesos.credentials leads to what is neither \"principal:secret\" nor \"token:...\"")]
    Credentials,
    /// The certificate authorities cannot be read.
    #[error("mesos.ca_bundle leads to what is no PEM file with certificates")]
    CaBundle(#[source] reqwest::Error),
    /// There are no certificate authorities.
    #[error("mesos.ca_bundle leads to a file without certificates")]
    NoCertificates,
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

impl Http {
    /// Sets up a client: `credentials` and `ca_bundle` are what their settings lead to.
    ///
    /// # Errors
    /// Where these have no usable form.
    pub fn new(
        settings: &Mesos,
        credentials: Option<&SecretString>,
        ca_bundle: Option<&SecretString>,
    ) -> Result<Self, ClientError> {
        let credentials = credentials.map(Credentials::parse).transpose().map_err(|_| ClientError::Credentials)?;
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .dns_resolver(Arc::new(GuardedResolver::new(settings)));
        builder = if settings.gzip { builder.gzip(true) } else { builder.no_gzip() };
        builder = match ca_bundle {
            Some(bundle) => builder.tls_certs_only(certificates(bundle)?),
            None if needs_tls(settings) => builder,
            // Reading the system's authorities takes longer than reading a small state.
            None => builder.tls_certs_only([]),
        };
        Ok(Self { client: builder.build().map_err(ClientError::Build)?, credentials })
    }

    /// A request with the credentials. The URL must be a master's, or one that a redirect may lead to.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.credentials {
            None => request,
            Some(credentials) => credentials.show_in(request),
        }
    }

    /// Whether there are credentials to show.
    #[must_use]
    pub const fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }
}

/// Credentials that have no known form. They are not repeated here.
#[derive(Debug, Error)]
#[error("got another form, expected \"principal:secret\" or \"token:...\"")]
pub struct InvalidCredentials;

impl Credentials {
    /// Reads `principal:secret` or `token:...`.
    ///
    /// # Errors
    /// Neither.
    pub fn parse(text: &SecretString) -> Result<Self, InvalidCredentials> {
        match text.expose_secret().trim().split_once(':') {
            Some(("token", token)) => {
                let mut value =
                    HeaderValue::from_str(&format!("token={}", token.trim())).map_err(|_| InvalidCredentials)?;
                value.set_sensitive(true);
                Ok(Self::Token(value))
            }
            Some((principal, secret)) if !principal.is_empty() => {
                Ok(Self::Basic { principal: principal.to_owned(), secret: SecretString::from(secret) })
            }
            _ => Err(InvalidCredentials),
        }
    }

    /// The request with them.
    pub fn show_in(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Basic { principal, secret } => request.basic_auth(principal, Some(secret.expose_secret())),
            Self::Token(value) => request.header(AUTHORIZATION, value.clone()),
        }
    }
}

fn certificates(bundle: &SecretString) -> Result<Vec<Certificate>, ClientError> {
    let certificates =
        Certificate::from_pem_bundle(bundle.expose_secret().as_bytes()).map_err(ClientError::CaBundle)?;
    if certificates.is_empty() { Err(ClientError::NoCertificates) } else { Ok(certificates) }
}

/// The failure of a request that got no answer: no connection, or one that ended or did not speak HTTP. The URL is left out,
/// because who reports the failure names it.
pub fn unanswered<E>(
    error: reqwest::Error,
    connect: impl FnOnce(NoConnection) -> E,
    request: impl FnOnce(reqwest::Error) -> E,
) -> E {
    let error = error.without_url();
    if error.is_connect() { connect(NoConnection::of(&error)) } else { request(error) }
}

/// Whether a status is one of a redirect.
#[must_use]
pub const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A path below a master's URL, which may have that of an admin router.
#[must_use]
pub fn url_of(master: &Url, path: &str) -> Url {
    let mut url = master.clone();
    url.set_path(&format!("{}{path}", master.path().trim_end_matches('/')));
    url
}
