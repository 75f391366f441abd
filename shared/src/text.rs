//! Words in messages: names that resemble another, and numbers with their noun.

use std::fmt::Display;

use url::Url;

/// The most names that are suggested.
const MAX_SUGGESTIONS: usize = 3;

/// Two names with a smaller similarity (Jaro-Winkler, 0 to 1) do not resemble each other.
const MIN_SIMILARITY: f64 = 0.8;

/// The known names that resemble a name, the nearest first.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = known
        .into_iter()
        .map(|other| (strsim::jaro_winkler(&name, &other.to_lowercase()), other))
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect()
}

/// How much of a remote system's text a reason repeats.
pub const MAX_REMOTE_CHARS: usize = 200;

/// A text without control characters, cut to so many characters. What was cut ends in `...`.
///
/// ```
/// use shared::text::clip;
/// assert_eq!(clip("not\tJSON\n", 20), "notJSON");
/// assert_eq!(clip("1234567890", 8), "12345...");
/// ```
#[must_use]
pub fn clip(text: &str, max_chars: usize) -> String {
    let mut printable = text.chars().filter(|c| !c.is_control());
    let clipped: String = printable.by_ref().take(max_chars).collect();
    if printable.next().is_none() {
        return clipped;
    }
    const MORE: &str = "...";
    clipped.chars().take(max_chars.saturating_sub(MORE.len())).chain(MORE.chars()).collect()
}

/// A text up to where it repeats the token of a session of AWS: what AWS says of a wrong signature repeats the whole request, with that
/// token among its headers.
///
/// ```
/// use shared::text::without_token;
/// assert_eq!(without_token("it should have been 'x-amz-security-token:IQoJb3...'".to_owned()), "it should have been 'x-amz-...");
/// assert_eq!(without_token("the security token is expired".to_owned()), "the security token is expired");
/// ```
#[must_use]
pub fn without_token(mut text: String) -> String {
    if let Some(at) = text.to_ascii_lowercase().find("security-token") {
        text.truncate(at);
        text.push_str("...");
    }
    text
}

/// The first `most` of these names; `None` where there is none.
///
/// ```
/// assert_eq!(shared::text::named(&["a", "b", "c"], 2).as_deref(), Some("a, b and 1 more"));
/// ```
#[must_use]
pub fn named<T: Display>(names: &[T], most: usize) -> Option<String> {
    let listed: Vec<String> = names.iter().take(most).map(T::to_string).collect();
    let more = names.len().saturating_sub(most);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{}{more}", listed.join(", ")))
}

/// `1 agent`, `2 agents`.
#[must_use]
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
/// Host and port of a URL, which messages show instead of the whole: a path, a query, or a user may be secret.
#[must_use]
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The same with the scheme.
#[must_use]
pub fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), authority(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first_and_strangers_not_at_all() {
        let known = ["mesos-masters", "mesos-workers", "web-asg"];
        assert_eq!(nearest("mesos-worker", known)[0], "mesos-workers");
        assert_eq!(nearest("Mesos-Workers", known)[0], "mesos-workers");
        assert!(!nearest("mesos-worker", known).contains(&"web-asg"));
        assert!(nearest("zzz", known).is_empty());
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        let url = Url::parse("http://me:hunter2@[fd00::5]:5050/hunter2?hunter2#hunter2").unwrap();
        assert_eq!((authority(&url).as_str(), origin(&url).as_str()), ("[fd00::5]:5050", "http://[fd00::5]:5050"));
        assert_eq!(origin(&Url::parse("https://a.example").unwrap()), "https://a.example");
    }

    #[test]
    fn only_one_is_singular() {
        assert_eq!([0_u32, 1, 2].map(|number| counted(number, "agent")), ["0 agents", "1 agent", "2 agents"]);
    }
}
