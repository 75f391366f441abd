//! The types of single values.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use toml::Value;
use url::Url;

use super::reader::{Section, Setting, instead_of};
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
}

impl Whole {
    /// A number of at least `least`.
    pub(super) fn at_least(least: u32, example: u32) -> Self {
        Self { noun: "a whole number", range: least..=u32::MAX, limits: format!("at least {least}"), example }
    }

    /// A percentage in that range.
    pub(super) fn percent(range: RangeInclusive<u32>, example: u32) -> Self {
        let limits = format!("{PERCENTAGE} from {} to {}", range.start(), range.end());
        Self { noun: PERCENTAGE, range, limits, example }
    }

    /// A number of minutes, at most a week of them.
    pub(super) fn minutes(example: u32) -> Self {
        const WEEK: u32 = 7 * 24 * 60;
        Self { noun: "a number of minutes", range: 0..=WEEK, limits: format!("at most {WEEK} minutes"), example }
    }

    /// The same, with other words for its range.
    pub(super) fn limits(self, limits: String) -> Self {
        Self { limits, ..self }
    }

    /// The number under a key, if it is there and in the range.
    pub(super) fn read(&self, section: &mut Section<'_>, key: &'static str) -> Option<u32> {
        let in_range = |number: &u32| self.range.contains(number);
        let read = |value: &Value| value.as_integer()?.try_into().ok().filter(in_range);
        section.read(key, read, |value| {
            let expected = if value.is_integer() { &self.limits } else { self.noun };
            let write = self.meant(value).filter(in_range).unwrap_or(self.example);
            (expected.to_owned(), write.to_string())
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

/// A duration in a range.
pub(super) struct Span {
    range: RangeInclusive<Duration>,
    limits: String,
    example: Duration,
}

impl Span {
    /// Far longer than any setting needs, far below where times overflow.
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

    /// Any duration.
    pub(super) fn any(example: Duration) -> Self {
        Self { range: Duration::ZERO..=Self::LONGEST, limits: "at most 366 days".to_owned(), example }
    }

    /// A duration in that range.
    pub(super) fn between(least: Duration, most: Duration, example: Duration) -> Self {
        Self { range: least..=most, limits: format!("{} to {}", quoted(least), quoted(most)), example }
    }

    /// A duration of at least `least`, with words for it.
    pub(super) fn at_least(least: Duration, limits: String, example: Duration) -> Self {
        Self { range: least..=Self::LONGEST, limits, example }
    }

    /// The duration under a key, if it is there and in the range.
    pub(super) fn read(&self, section: &mut Section<'_>, key: &'static str) -> Option<Duration> {
        let parse = |text: &str| humantime::parse_duration(text.trim()).ok();
        let in_range = |text: &str| parse(text).filter(|duration| self.range.contains(duration));
        section.read(
            key,
            |value| in_range(value.as_str()?),
            |value| {
                let is_duration = value.as_str().is_some_and(|text| parse(text).is_some());
                let expected = if is_duration { &self.limits } else { "a duration" };
                // A number without a unit most likely means seconds or minutes.
                let number = value.as_integer().map(|number| [format!("{number}s"), format!("{number}m")]);
                let meant: Vec<String> = number
                    .into_iter()
                    .flatten()
                    .filter(|text| in_range(text).is_some())
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
        credentials: "remove them, Lambda Scale sends none to Marathon",
    };

    /// The URL, or what is wrong with it.
    pub(super) fn parse(self, text: &str) -> Result<Url, String> {
        let Self { expected, example, credentials } = self;
        let text = text.trim();
        // Such a string is not repeated: it holds a password.
        if text.contains('@') {
            return Err(format!("got a URL with credentials, expected one without; {credentials}"));
        }
        let is_base = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
        let Some(mut url) = Url::parse(text).ok().filter(is_base) else {
            return Err(instead_of(&format!("{text:?}"), expected, example));
        };
        if url.query().is_some() || url.fragment().is_some() {
            url.set_query(None);
            url.set_fragment(None);
            let write = format!("{:?}", url.as_str());
            return Err(instead_of("a URL with a query or fragment", "only host, port, and path", &write));
        }
        Ok(url)
    }
}
