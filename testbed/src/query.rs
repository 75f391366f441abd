//! AWS' Query protocol: a form with an `Action` is posted, XML comes back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use axum::response::Response;
use url::form_urlencoded;
use uuid::Uuid;

use super::service;
use super::xml::Xml;

/// A request, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) action: String,
    /// Everything but `Action` and `Version`.
    pub(crate) params: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut params: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        params.remove("Version");
        Self { action: params.remove("Action").unwrap_or_default(), params }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, AwsError> {
        self.get(name).ok_or_else(|| AwsError::validation(format!("Missing required parameter {name}")))
    }

    /// A parameter of another type than text.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, AwsError> {
        let parse =
            |text: &str| text.parse().map_err(|_| AwsError::validation(format!("{text} is not a valid {name}")));
        self.get(name).map(parse).transpose()
    }

    /// The texts of a list: `Name.member.1`, `Name.member.2` ...
    pub(crate) fn members(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|index: u32| self.get(&format!("{name}.member.{index}"))).collect()
    }
}

/// Why AWS refuses a call, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// The HTTP status.
    pub status: u16,
    /// The code that clients go by, such as `ScalingActivityInProgress`.
    pub code: String,
    /// What a person reads.
    pub message: String,
}

impl AwsError {
    /// An error.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// The HTTP status, as the server writes it.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }
}

/// A service's XML namespace, in which it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Namespace(pub(crate) &'static str);

impl Namespace {
    /// What the service answers to an action: the result's content, or a refusal.
    pub(crate) fn answer(self, action: &str, result: Result<Option<Xml>, AwsError>) -> Response {
        match result {
            Ok(content) => {
                let content = content.map(Xml::into_text);
                let result = content.map(|xml| format!("<{action}Result>{xml}</{action}Result>")).unwrap_or_default();
                let metadata = format!("<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>", request_id());
                self.document(StatusCode::OK, &format!("{action}Response"), &format!("{result}{metadata}"))
            }
            Err(error) => {
                let status = error.status();
                let mut xml = Xml::default();
                xml.element("Error", |xml| {
                    xml.text("Type", if status.is_client_error() { "Sender" } else { "Receiver" })
                        .text("Code", &error.code)
                        .text("Message", &error.message);
                })
                .text("RequestId", request_id());
                self.document(status, "ErrorResponse", &xml.into_text())
            }
        }
    }

    fn document(self, status: StatusCode, root: &str, content: &str) -> Response {
        let Self(namespace) = self;
        service::answer(status, "text/xml", format!("<{root} xmlns=\"{namespace}\">{content}</{root}>"))
    }
}

/// Distinct for every request of the process.
fn request_id() -> Uuid {
    static ISSUED: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u64_pair(0x7265_7175_6573_4000, (1 << 63) | ISSUED.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let request = Request::read(b"Action=A&Version=1&N.member.1=a%26b&N.member.2=c+d&N.member.4=e&Max=7");
        assert_eq!(request.action, "A");
        assert_eq!(request.members("N"), ["a&b", "c d"]);
        assert_eq!(request.parsed::<i32>("Max"), Ok(Some(7)));
        assert_eq!(request.parsed::<i32>("Min"), Ok(None));
        assert_eq!(request.required("Min").unwrap_err().code, "ValidationError");
    }
}
