//! Why there is no connection, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;

/// What the layers between a request and its failure say of themselves.
const LAYERS: [&str; 5] =
    ["error sending request", "client error (Connect)", "tcp connect error", "dns error", "error resolving DNS"];

/// A connection that could not be made.
#[derive(Debug)]
pub struct NoConnection {
    problem: Problem,
    cause: Cause,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Refused,
    UnknownHost,
    NoAnswer,
    NotTrusted,
    NoTls,
    Other,
}

/// The failure without its layers.
#[derive(Debug)]
struct Cause(String);

impl NoConnection {
    /// Of a request that found none.
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Self {
        Self::new(error, error.is_timeout())
    }

    fn new(error: &(dyn Error + 'static), is_timeout: bool) -> Self {
        let mut causes: Vec<String> = Vec::new();
        let mut is_refused = false;
        let mut next = Some(error);
        while let Some(cause) = next {
            let io = cause.downcast_ref::<io::Error>();
            is_refused |= io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            let text = cause.to_string();
            // Some repeat their source in their own text.
            if !LAYERS.contains(&text.as_str()) && causes.last().is_none_or(|last| !last.ends_with(&text)) {
                causes.push(text);
            }
            next = cause.source();
        }
        let cause = causes.join(": ");
        let problem = match cause.as_str() {
            _ if is_refused => Problem::Refused,
            _ if is_timeout => Problem::NoAnswer,
            cause if cause.contains("cannot resolve") || cause.contains("lookup address") => Problem::UnknownHost,
            cause if cause.contains("certificate") => Problem::NotTrusted,
            cause if cause.contains("InvalidContentType") => Problem::NoTls,
            _ => Problem::Other,
        };
        Self { problem, cause: Cause(cause) }
    }
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect; ")?;
        f.write_str(match self.problem {
            Problem::Refused => "nothing listens there: check the port, and that the service runs",
            Problem::UnknownHost => "check the name of the host, or write its address",
            Problem::NoAnswer => "check the address, the route, and the security groups",
            Problem::NotTrusted => "its certificate is not trusted: set ca_bundle to its authority",
            Problem::NoTls => "it does not speak TLS: write http:// instead of https://",
            Problem::Other => "check that the service runs, and that the network allows the connection",
        })
    }
}

impl Error for NoConnection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}

/// What to try where a request failed on a connection: a server that expects TLS ends it, or answers with what is not HTTP.
#[must_use]
pub fn hint(error: &reqwest::Error) -> &'static str {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if ["invalid HTTP", "unexpected message", "Connection reset", "connection closed"]
            .iter()
            .any(|known| text.contains(known))
        {
            return "; no HTTP came: check the port, and whether the URL must begin with https://";
        }
        next = cause.source();
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Chain;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<dyn Error>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref()
        }
    }

    fn shown(inner: impl Error + 'static, is_timeout: bool) -> String {
        let error =
            Layer("error sending request", Some(Box::new(Layer("client error (Connect)", Some(Box::new(inner))))));
        Chain::new(&NoConnection::new(&error, is_timeout)).to_string()
    }

    #[test]
    fn each_failure_has_its_next_step() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(
            shown(refused, false),
            "cannot connect; nothing listens there: check the port, and that the service runs: connection refused"
        );
        let dns = Layer("dns error", Some(Box::new(Layer("cannot resolve a.invalid", None))));
        assert_eq!(
            shown(dns, false),
            "cannot connect; check the name of the host, or write its address: cannot resolve a.invalid"
        );
        let trust = Layer("invalid peer certificate: UnknownIssuer", None);
        assert!(shown(trust, false).contains("set ca_bundle to its authority: invalid peer certificate"));
        let plain = Layer("received corrupt message of type InvalidContentType", None);
        assert!(shown(plain, false).contains("write http:// instead of https://"));
        assert!(shown(Layer("operation timed out", None), true).contains("the security groups: operation timed out"));
        assert!(shown(Layer("no route to host", None), false).contains("the network allows the connection: no route"));
    }
}
