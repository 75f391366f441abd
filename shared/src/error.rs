//! How a failure is reported: once, with all its causes, where it is handled.

use std::error::Error;
use std::fmt;

use crate::text::without_token;

/// An error with its causes on one line: `cannot read /state: connection refused`.
///
/// The Lambda runtime reports `to_string()` of an error and nothing of its sources, so the chain is joined here. It ends before the token
/// of a session, where AWS repeats the request.
pub struct Chain(String);

/// The same as its text: a program that ends with an error prints this form.
impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Chain {
    /// Joins the error and its sources.
    pub fn new(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Some libraries repeat their source in their own text.
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self(without_token(text))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Chain {}

/// A failure with a class, by which `errorType` and the logs can be searched: docs/troubleshooting.md lists all of them.
pub trait Failure: Error + 'static {
    /// Its class: what failed, a dot, and how.
    fn class(&self) -> &'static str;
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use thiserror::Error;

    #[derive(Debug, Error)]
    #[error("cannot read /state")]
    struct Outer(#[source] Inner);
    #[derive(Debug, Error)]
    #[error("connection refused")]
    struct Inner;

    #[test]
    fn a_request_that_aws_repeats_ends_before_its_token() {
        let repeated = io::Error::other("the request should have been 'host:a\nX-Amz-Security-Token:IQoJb3\n'");
        assert_eq!(Chain::new(&repeated).to_string(), "the request should have been 'host:a\nX-Amz-...");
    }

    #[test]
    fn causes_are_joined_on_one_line() {
        assert_eq!(Chain::new(&Outer(Inner)).to_string(), "cannot read /state: connection refused");
    }
}
