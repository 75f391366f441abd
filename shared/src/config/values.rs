//! The types of single values.

use std::time::Duration;

use jiff::Timestamp;
use toml::Value;
use url::Url;

use super::reader::Setting;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a text in quotes";
    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number from 0 up; write 10";
    fn read(value: &Value) -> Option<Self> {
        value.as_integer()?.try_into().ok()
    }
    fn remedy(value: &Value) -> Option<String> {
        number_in(value).map(|number| format!("a whole number; write {number}"))
    }
}

/// The whole number that `"85"`, `"85 %"`, or `85.0` most likely means.
fn number_in(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.trim().trim_end_matches('%').trim_end().parse().ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
        Value::Float(number) if (0.0..=1e6).contains(number) => Some(number.round() as u32),
        _ => None,
    }
}

/// Percent, as a whole number from 0 to [`Percent::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Percent(pub(super) u32);

impl Percent {
    /// An application that must be able to grow a hundredfold is a typing error.
    const MAX: u32 = 10_000;
}

impl Setting for Percent {
    const EXPECTED: &'static str = "a whole number of percent from 0 to 10000; write 85";
    fn read(value: &Value) -> Option<Self> {
        u32::read(value).filter(|percent| *percent <= Self::MAX).map(Self)
    }
    fn remedy(value: &Value) -> Option<String> {
        number_in(value).map(|number| format!("a whole number of percent; write {number}"))
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = r#"a duration; write "90s", "10m" or "1h 30m""#;
    fn read(value: &Value) -> Option<Self> {
        /// Far longer than anything here may last, far below where times overflow.
        const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
        humantime::parse_duration(value.as_str()?.trim()).ok().filter(|duration| *duration <= LONGEST)
    }
    fn remedy(value: &Value) -> Option<String> {
        value.as_integer().map(|seconds| format!(r#"a duration; write "{seconds}s" or "{seconds}m""#))
    }
}

impl Setting for Timestamp {
    const EXPECTED: &'static str = r#"a time; write "2026-12-24T18:00:00Z""#;
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
    const EXPECTED: &'static str = r#"a size; write "512MiB" or "4GiB""#;
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

impl Setting for Vec<String> {
    const EXPECTED: &'static str = r#"a list of texts; write ["a", "b"]"#;
    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(String::read).collect()
    }
}

/// What a URL of a server must be: http or https, a host, no credentials, nothing after the host but an admin router's
/// path.
#[derive(Clone, Copy, Debug)]
pub(super) struct BaseUrl {
    /// What it is, and what to write.
    pub(super) expected: &'static str,
    /// What to do with credentials.
    credentials: &'static str,
}

impl BaseUrl {
    pub(super) const MASTER: Self = Self {
        expected: r#"the URL of a master; write "http://10.0.0.5:5050""#,
        credentials: "keep them out of the document and name their place in mesos.credentials, such as \"ssm:/lambda-scale/mesos\"",
    };

    pub(super) const MARATHON: Self = Self {
        expected: r#"the URL of Marathon; write "http://10.0.0.5:8080""#,
        credentials: "Marathon is asked without any in this version; leave them out",
    };

    /// The URL, or what is wrong with it.
    pub(super) fn parse(self, text: &str) -> Result<Url, String> {
        let Self { expected, credentials } = self;
        let url = Url::parse(text.trim()).map_err(|_| format!("{text:?} is not {expected}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!("{text:?} is not {expected}"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The text itself is not repeated: it holds a password.
            let host = url.host_str().unwrap_or_default();
            return Err(format!("the URL of {host} has credentials in it; {credentials}"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{text:?} has more than host, port and path; write only these"));
        }
        Ok(url)
    }
}
