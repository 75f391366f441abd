//! The types of single values.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use toml::Value;
use url::Url;

use super::reader::{Section, Setting, instead_of};
use super::shown::shown;
use crate::text::origin;
use crate::time;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";
    const EXAMPLE: &'static str = "true";
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a string";
    const EXAMPLE: &'static str = r#""workers""#;
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

/// A whole number in a range.
pub(super) struct Whole {
    noun: &'static str,
    range: RangeInclusive<u32>,
    limits: String,
    example: u32,
    /// What may be suggested: within the range, and beside the other settings.
    suggested: RangeInclusive<u32>,
    /// Whether the setting sets no limit where it is absent.
    is_optional_limit: bool,
}

impl Whole {
    /// A number of at least `least`.
    pub(super) fn at_least(least: u32, example: u32) -> Self {
        Self::new("a whole number", least..=u32::MAX, format!("at least {least}"), example)
    }

    /// A percentage in that range.
    pub(super) fn percent(range: RangeInclusive<u32>, example: u32) -> Self {
        let limits = format!("{PERCENTAGE} from {} to {}", range.start(), range.end());
        Self::new(PERCENTAGE, range, limits, example)
    }

    /// A number of minutes, at most a week of them.
    pub(super) fn minutes(least: u32, example: u32) -> Self {
        const WEEK: u32 = 7 * 24 * 60;
        let limits = if least > 0 { format!("{least} to {WEEK} minutes") } else { format!("at most {WEEK} minutes") };
        Self::new("a number of minutes", least..=WEEK, limits, example.max(least))
    }

    fn new(noun: &'static str, range: RangeInclusive<u32>, limits: String, example: u32) -> Self {
        Self { noun, suggested: range.clone(), range, limits, example, is_optional_limit: false }
    }

    /// The same, with a suggestion from that range only.
    pub(super) fn suggest(self, suggested: RangeInclusive<u32>) -> Self {
        Self {
            example: self.example.clamp(*suggested.start(), *suggested.end().max(suggested.start())),
            suggested,
            ..self
        }
    }

    /// The same for a limit that does not exist where the setting is absent.
    pub(super) fn or_no_limit(self) -> Self {
        Self { is_optional_limit: true, ..self }
    }

    /// The same, with other words for its range.
    pub(super) fn limits(self, limits: String) -> Self {
        Self { limits, ..self }
    }

    /// The number under a key, if it is there and in the range.
    pub(super) fn read(&self, section: &mut Section<'_>, key: &'static str) -> Option<u32> {
        let in_range = |number: &u32| self.range.contains(number);
        let read = |value: &Value| value.as_integer()?.try_into().ok().filter(in_range);
        if let Some(value) = section.table().get(key)
            && self.is_optional_limit
            && means_unlimited(value)
        {
            section.value(key);
            section.problem(
                key,
                format!("got {}, expected {}; leave it out, then there is no limit", shown(value), self.noun),
            );
            return None;
        }
        section.read(key, read, |value| {
            let expected = match value.as_integer() {
                None => self.noun.to_owned(),
                Some(number) if number > u32::MAX.into() && *self.range.end() == u32::MAX => {
                    format!("at most {}", u32::MAX)
                }
                Some(_) => self.limits.clone(),
            };
            let is_suggested = |number: &u32| in_range(number) && self.suggested.contains(number);
            let write = self.meant(value).filter(is_suggested).unwrap_or(self.example);
            (expected, write.to_string())
        })
    }

    /// The number that `"85"`, `"85 %"`, `85.0`, or as a percentage `0.85` most likely means.
    fn meant(&self, value: &Value) -> Option<u32> {
        let (number, has_sign) = match value {
            Value::Float(number) => (*number, false),
            Value::String(text) => {
                let digits = text.trim().trim_end_matches('%').trim_end();
                (digits.parse().ok()?, digits.len() < text.trim().len() || digits.parse::<u32>().is_ok())
            }
            _ => return None,
        };
        let is_fraction = self.noun == PERCENTAGE && !has_sign && number <= 1.0;
        let number = if is_fraction { 100.0 * number } else { number };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        (0.0..=1e6).contains(&number).then(|| number.round() as u32)
    }
}

const PERCENTAGE: &str = "a percentage";

/// Whether a value most likely means that there is no limit.
fn means_unlimited(value: &Value) -> bool {
    const WORDS: [&str; 8] = ["unlimited", "no limit", "none", "never", "infinite", "infinity", "inf", "-1"];
    match value {
        Value::String(text) => WORDS.contains(&text.trim().to_ascii_lowercase().as_str()),
        Value::Float(number) => *number == f64::INFINITY,
        Value::Integer(number) => *number == -1,
        Value::Boolean(on) => !on,
        _ => false,
    }
}

/// A duration in a range.
pub(super) struct Span {
    noun: &'static str,
    range: RangeInclusive<Duration>,
    limits: String,
    example: Duration,
    /// The longest that may be suggested beside the other settings.
    longest_suggested: Duration,
}

impl Span {
    /// Far longer than any setting needs, far below where times overflow.
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    const AT_MOST: &str = "at most 366 days";

    /// Any duration.
    pub(super) fn any(example: Duration) -> Self {
        Self::new(Duration::ZERO..=Self::LONGEST, Self::AT_MOST.to_owned(), example)
    }

    /// A duration in that range.
    pub(super) fn between(least: Duration, most: Duration, example: Duration) -> Self {
        Self::new(least..=most, format!("{} to {}", quoted(least), quoted(most)), example)
    }

    /// A duration of at least `least`, with words for it.
    pub(super) fn at_least(least: Duration, limits: String, example: Duration) -> Self {
        Self::new(least..=Self::LONGEST, limits, example)
    }

    const fn new(range: RangeInclusive<Duration>, limits: String, example: Duration) -> Self {
        Self { noun: "a duration", range, limits, example, longest_suggested: Self::LONGEST }
    }

    /// The same for a setting that may also be `"never"`.
    pub(super) fn or_never(self) -> Self {
        Self { noun: r#"a duration or "never""#, ..self }
    }

    /// The same, with other words for its range.
    pub(super) fn limits(self, limits: String) -> Self {
        Self { limits, ..self }
    }

    /// The same, with suggestions of at most `longest` where they follow from the value.
    pub(super) fn suggest_at_most(self, longest: Duration) -> Self {
        Self { longest_suggested: longest, ..self }
    }

    /// The duration under a key, if it is there and in the range.
    pub(super) fn read(&self, section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
        let in_range = |text: &str| time::duration(text).filter(|duration| self.range.contains(duration));
        section.read(
            key,
            |value| in_range(value.as_str()?),
            |value| {
                let expected = match value.as_str().and_then(time::duration) {
                    None => self.noun,
                    Some(duration) if duration > Self::LONGEST => Self::AT_MOST,
                    Some(_) => &self.limits,
                };
                // A number without a unit most likely means seconds or minutes.
                let number = value.as_integer().map(|number| [format!("{number}s"), format!("{number}m")]);
                let meant: Vec<String> = number
                    .into_iter()
                    .flatten()
                    .filter(|text| in_range(text).is_some_and(|duration| duration <= self.longest_suggested))
                    .map(|text| format!("{text:?}"))
                    .collect();
                let write = if meant.is_empty() { quoted(self.example) } else { meant.join(" or ") };
                (expected.to_owned(), write)
            },
        )
    }
}

/// A duration as the configuration has it: `"10m"`.
pub(super) fn quoted(duration: Duration) -> String {
    format!("{:?}", time::compact(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)))
}

impl Setting for Timestamp {
    const EXPECTED: &'static str = "a time";
    const EXAMPLE: &'static str = r#""2026-12-24T18:00:00Z""#;
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Datetime(time) => time.to_string().parse().ok(),
            _ => None,
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl Setting for Bytes {
    const EXPECTED: &'static str = "a size";
    const EXAMPLE: &'static str = r#""512MiB" or "4GiB""#;
    fn read(value: &Value) -> Option<Self> {
        if let Some(bytes) = value.as_integer() {
            return bytes.try_into().ok().map(Self);
        }
        let text = value.as_str()?.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(digits)?;
        let factor = match unit.trim_start() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

/// What a URL of a server must be: http or https, a host, no credentials, nothing after the host but an admin router's
/// path.
#[derive(Clone, Copy, Debug)]
pub(super) struct BaseUrl {
    /// What it is.
    pub(super) expected: &'static str,
    /// What to write.
    pub(super) example: &'static str,
    /// What to do with credentials.
    credentials: &'static str,
}

impl BaseUrl {
    pub(super) const MASTER: Self = Self {
        expected: "the URL of a master",
        example: r#""http://10.0.0.5:5050""#,
        credentials: r#"store them outside the configuration and write mesos.credentials = "ssm:/lambda-scale/mesos""#,
    };

    pub(super) const MARATHON: Self = Self {
        expected: "the URL of Marathon",
        example: r#""http://10.0.0.5:8080""#,
        credentials: r#"store them outside the configuration and write marathon.credentials = "ssm:/lambda-scale/marathon""#,
    };

    /// The URL, or what is wrong with it. It is not repeated but for scheme, host, and port: any other part may be a secret.
    pub(super) fn parse(self, text: &str) -> Result<Url, String> {
        let Self { expected, example, credentials } = self;
        let text = text.trim();
        if text.contains('@') {
            return Err(format!("got a URL with credentials, expected one without; {credentials}"));
        }
        let Some(mut url) = Url::parse(text).ok().filter(|url| url.host().is_some()) else {
            let host = text.split_once("://").map_or(text, |(_, rest)| rest);
            let host = host.split('/').next().unwrap_or(host);
            let got = match (host.parse::<Ipv6Addr>(), text.contains("://")) {
                (Ok(_), _) => "an IPv6 address without brackets",
                (Err(_), true) => "a string that is no URL",
                (Err(_), false) => "a string without http:// or https://",
            };
            let example = if host.parse::<Ipv6Addr>().is_ok() { BRACKETED } else { example };
            return Err(instead_of(got, expected, example));
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(instead_of("a URL that begins with neither http:// nor https://", expected, example));
        }
        if url.query().is_some() || url.fragment().is_some() {
            url.set_query(None);
            url.set_fragment(None);
            url.set_path("");
            return Err(instead_of(
                "a URL with a query or fragment",
                "only scheme, host, port, and path",
                &format!("{:?}", origin(&url)),
            ));
        }
        Ok(url)
    }
}

/// An IPv6 address in a URL.
const BRACKETED: &str = r#""http://[fd00::5]:5050""#;

impl Setting for Name {
    const EXPECTED: &'static str = "1 to 255 printable ASCII characters, the first of them no colon";
    const EXAMPLE: &'static str = r#""workers""#;
    fn read(value: &Value) -> Option<Self> {
        let text = String::read(value)?;
        (is_printable(&text) && text.len() <= MAX_NAME_CHARS && !text.starts_with(':')).then_some(Self(text))
    }
}

/// The name of a pool: it is the dimension of every metric, so CloudWatch must accept it.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

impl Setting for GroupName {
    const EXPECTED: &'static str = "1 to 255 printable ASCII characters without a colon";
    const EXAMPLE: &'static str = r#""mesos-workers""#;
    fn read(value: &Value) -> Option<Self> {
        let text = String::read(value)?;
        let is_valid = text.len() <= MAX_NAME_CHARS && is_printable(&text) && !text.contains(':');
        is_valid.then_some(Self(text))
    }
}

/// The name of an Auto Scaling group.
///
/// <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupName(pub(super) String);

const MAX_NAME_CHARS: usize = 255;

fn is_printable(text: &str) -> bool {
    text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}
