//! How a pool learns how much its demand grows while an instance boots (H7 to H11).

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use toml::Value;

use super::reader::Section;
use super::timing::longest_boot_time;
use super::values::{Span, quoted};

/// Learned headroom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Learning {
    /// Of how many runs the growth must have found room.
    #[serde(rename = "learn")]
    pub confidence: Confidence,
    /// From the request of an instance until its agent takes tasks.
    pub boot_time: Duration,
}

impl Learning {
    /// What to start with.
    pub const SUGGESTED: Self = Self { confidence: Confidence::SUGGESTED, boot_time: DEFAULT_BOOT_TIME };

    /// H8: a row has one value more than this.
    pub const MAX_HORIZON: u32 = 15;

    /// H8: how many runs an instance takes to boot, from 1 to [`Self::MAX_HORIZON`].
    #[must_use]
    pub fn horizon(&self, schedule_period: Duration) -> u32 {
        let runs = self.boot_time.as_millis().div_ceil(schedule_period.as_millis().max(1));
        u32::try_from(runs).unwrap_or(u32::MAX).clamp(1, Self::MAX_HORIZON)
    }
}

/// Most instances boot faster.
const DEFAULT_BOOT_TIME: Duration = Duration::from_secs(180);

/// A percentage of all runs, from 50 to 100 and exact to the tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence {
    tenths: u32,
}

impl Confidence {
    /// What to start with.
    pub const SUGGESTED: Self = Self { tenths: 950 };

    /// So many tenths of a percent; `None` below 50% and above 100%.
    #[must_use]
    pub fn from_tenths(tenths: u32) -> Option<Self> {
        (500..=1000).contains(&tenths).then_some(Self { tenths })
    }

    /// The percentage in tenths.
    #[must_use]
    pub const fn tenths(self) -> u32 {
        self.tenths
    }
}

/// As the configuration has it: `98`, `99.5`.
impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tenths / 10, self.tenths % 10) {
            (percent, 0) => write!(f, "{percent}"),
            (percent, tenth) => write!(f, "{percent}.{tenth}"),
        }
    }
}

impl Serialize for Confidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.tenths.is_multiple_of(10) {
            serializer.serialize_u32(self.tenths / 10)
        } else {
            serializer.serialize_f64(f64::from(self.tenths) / 10.0)
        }
    }
}

/// Reads `learn` and `boot_time`.
pub(super) fn learning(section: &mut Section<'_>, schedule_period: Duration) -> Option<Learning> {
    let confidence = section.read("learn", read_confidence, |value| {
        let write = meant(value).unwrap_or(Confidence::SUGGESTED);
        ("a percentage from 50 to 100 with at most one decimal".to_owned(), write.to_string())
    });
    let most = Learning::MAX_HORIZON * schedule_period;
    let least = Duration::from_secs(1);
    let expected = format!("{} to 15 schedule periods, {}", quoted(least), quoted(most));
    // What is longer than `join_timeout` is reported there: the boot time is what it is.
    let longest = longest_boot_time(section.table()).min(most).max(least);
    let example = DEFAULT_BOOT_TIME.min(longest);
    let span = Span::between(least, most, example).limits(expected).suggest_at_most(longest);
    let boot_time = span.read(section, "boot_time");
    if boot_time.is_some() && !section.table().contains_key("learn") {
        let learn = Confidence::SUGGESTED;
        section.problem("boot_time", format!("needs learn; leave it out, or write learn = {learn} too"));
    }
    // A value that is wrong is one problem, not two.
    let default = if section.table().contains_key("boot_time") { example } else { DEFAULT_BOOT_TIME };
    Some(Learning { confidence: confidence?, boot_time: boot_time.unwrap_or(default) })
}

fn read_confidence(value: &Value) -> Option<Confidence> {
    #[expect(clippy::cast_precision_loss, reason = "what is that large is refused")]
    let percent = value.as_float().or_else(|| value.as_integer().map(|percent| percent as f64))?;
    confidence(percent)
}

fn confidence(percent: f64) -> Option<Confidence> {
    let tenths = (10.0 * percent).round();
    let is_exact = (10.0 * percent - tenths).abs() < 1e-6;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (is_exact && (500.0..=1000.0).contains(&tenths)).then(|| Confidence::from_tenths(tenths as u32)).flatten()
}

/// The percentage that `"98%"` or `0.98` most likely means.
fn meant(value: &Value) -> Option<Confidence> {
    match value {
        Value::String(text) => confidence(text.trim().trim_end_matches('%').trim_end().parse().ok()?),
        Value::Float(share) => confidence((1000.0 * share).round() / 10.0),
        _ => None,
    }
}
