//! AWS in this process: the real clients get the bytes of an input as the answer to each call.

use std::sync::{Arc, LazyLock, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

/// A body for each action, which is a text of the request.
type Bodies = Vec<(&'static str, Vec<u8>)>;

/// What the next calls are answered with: a status and bodies.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<Mutex<(u16, Bodies)>>);

impl Answers {
    /// Answers so from now on.
    pub(super) fn set(&self, status: u16, bodies: Bodies) {
        *self.0.lock().unwrap() = (status, bodies);
    }

    /// What the SDK's clients need to get these answers.
    pub(super) fn sdk(&self) -> SdkConfig {
        let answers = self.clone();
        let credentials = Credentials::new("local", "local", None, None, "fuzz");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(answers.clone())))
            .build()
    }
}

impl HttpConnector for Answers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (status, bodies) = &*self.0.lock().unwrap();
        let body = bodies.iter().find(|(action, _)| request.contains(action));
        let body = body.map(|(_, body)| body.clone()).unwrap_or_default();
        let status = (*status).try_into().unwrap_or_else(|_| panic!("a status"));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

/// Runs what the clients do.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap());
    RUNTIME.block_on(work)
}
