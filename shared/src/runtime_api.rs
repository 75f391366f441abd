//! Reports a failure to the Lambda service: its class and its text.

use std::fmt;
use std::time::Duration;

use lambda_runtime::Diagnostic;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::aws::variable;
use crate::error::{Chain, Failure};

/// The variable with host and port of the Runtime API.
const ADDRESS_VARIABLE: &str = "AWS_LAMBDA_RUNTIME_API";

/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror>
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";

/// It is on this machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A failure as Lambda takes it.
pub(crate) struct Failed {
    pub(crate) class: &'static str,
    pub(crate) text: String,
}

impl Failed {
    pub(crate) fn new(failure: &impl Failure) -> Self {
        Self { class: failure.class(), text: Chain::new(failure).to_string() }
    }

    /// Logs it in one line.
    pub(crate) fn log(&self, what: &str) {
        tracing::error!(error_type = self.class, reason = self.text, "{what}: {self:?}");
    }
}

/// As the runtime logs it: the class, and the text.
impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.text)
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self { error_type: failed.class.to_owned(), error_message: failed.text }
    }
}

/// Reports to Lambda why the function cannot start. The runtime's own client does so only for functions that have started.
pub(crate) async fn report(failed: &Failed) {
    let Some(address) = variable(ADDRESS_VARIABLE) else { return };
    let body = json!({ "errorType": failed.class, "errorMessage": failed.text, "stackTrace": [] }).to_string();
    let request = format!(
        "POST {INIT_ERROR} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Function-Error-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        failed.class,
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(request.as_bytes()).await?;
        // The answer says nothing new, but the process must not end before the request has arrived.
        stream.read_to_end(&mut Vec::new()).await
    };
    match timeout(TIMEOUT, exchange).await {
        Ok(Ok(_)) => {}
        // The line before says why the function cannot start; this one is about the way to Lambda.
        Ok(Err(error)) => tracing::warn!(%error, "the Runtime API did not take the error"),
        Err(_) => tracing::warn!("the Runtime API did not answer"),
    }
}
