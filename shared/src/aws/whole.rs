//! Answers of AWS that are cut short.
//!
//! The SDK reads as much of an answer as there is: a group whose tags are cut off is a group without tags, and a pool that an
//! operator paused is not paused.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use thiserror::Error;

/// Refuses answers to `Describe...` calls that do not end in their closing tag. An answer to a write is not checked: what it
/// confirms was done.
#[derive(Clone, Copy, Debug)]
pub struct WholeAnswers;

/// Such an answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the answer is cut short: it does not end with </{root}>")]
pub struct CutShort {
    root: String,
}

#[dyn_dispatch_hint]
impl Intercept for WholeAnswers {
    fn name(&self) -> &'static str {
        "WholeAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().and_then(|bytes| str::from_utf8(bytes).ok());
        Ok(body.map_or(Ok(()), check)?)
    }
}

fn check(body: &str) -> Result<(), CutShort> {
    match root(body) {
        Some(root) if root.starts_with("Describe") && !body.trim_end().ends_with(&format!("</{root}>")) => {
            Err(CutShort { root: root.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The name of the outermost element: of the first tag that is no declaration.
fn root(body: &str) -> Option<&str> {
    body.split('<')
        .map(|tag| tag.split(['>', ' ', '/']).next().unwrap_or_default())
        .find(|name| name.chars().next().is_some_and(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_where_its_last_tag_closes_the_first() {
        let whole = "<?xml version=\"1.0\"?>\n<DescribeTagsResponse xmlns=\"http://a/\"><Tags><Key>a</Key></Tags></DescribeTagsResponse>\n";
        assert_eq!(check(whole), Ok(()));
        let closing = whole.find("</DescribeTagsResponse>").unwrap();
        let opening = whole.find("Response xmlns").unwrap();
        for end in opening..closing + "</DescribeTagsResponse>".len() {
            assert!(check(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        // What was written is written, and what is no XML has its own errors.
        for other in ["<SetDesiredCapacityResponse><Res", "", "{}", "<html><p>"] {
            assert_eq!(check(other), Ok(()), "{other}");
        }
    }
}
