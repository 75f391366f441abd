//! The instances of an Auto Scaling group, as far as more than one function reads them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

/// What the tag of an instance begins with that Lambda Scale decommissions; the instance follows.
pub const DECOMMISSION_TAG: &str = "lambda-scale/decommission/";

/// The instances that Lambda Scale decommissions, and since when; `None` where the tag does not say.
pub type Decommissioning = BTreeMap<String, Option<Timestamp>>;

/// Reads them among the tags of a group, each with its key and value.
#[must_use]
pub fn decommissioning<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Decommissioning {
    let read =
        |(key, value): (&str, &str)| Some((key.strip_prefix(DECOMMISSION_TAG)?.to_owned(), value.trim().parse().ok()));
    tags.into_iter().filter_map(read).collect()
}

/// The tag that says until when no call about an agent is made, because the masters refused one (D8).
pub const CLOSING_REFUSED_TAG: &str = "lambda-scale/closing-refused";

/// The tag that says until when no agent is tried, because one was (A).
pub const TRIED_TAG: &str = "lambda-scale/tried";

/// Reads the time in a tag of a group. One that cannot be read has no effect.
#[must_use]
pub fn tagged_until<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>, tag: &str) -> Option<Timestamp> {
    tags.into_iter().find(|(key, _)| *key == tag)?.1.trim().parse().ok()
}

/// Where in its life an instance is, as far as it matters to Lambda Scale.
///
/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html>
///
/// ```
/// use shared::group::Lifecycle;
/// assert_eq!(Lifecycle::from_name("Terminating:Wait"), Lifecycle::Terminating);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Lifecycle {
    /// `Pending`, `Pending:Wait`, `Pending:Proceed`: launching.
    Pending,
    /// `InService`.
    InService,
    /// `Terminating` in its forms, `Detaching`.
    Terminating,
    /// `Standby`, `EnteringStandby`: an operator has set it aside. Not counted in the desired capacity.
    Standby,
    /// `Warmed:...`, `Terminated`, `Detached`, and `Terminating:Retained`, which nothing ends: not counted in the desired
    /// capacity.
    NotCounted,
    /// A state that this build does not know. It counts as capacity, and as launching.
    Unknown,
}

impl Lifecycle {
    /// The state that Auto Scaling calls so.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        // `Terminating:Retained` and the like: a hook failed, and the instance stays until an operator terminates it.
        if name.ends_with(":Retained") {
            return Self::NotCounted;
        }
        match name.split(':').next().unwrap_or_default() {
            "Pending" => Self::Pending,
            "InService" => Self::InService,
            "Terminating" | "Detaching" => Self::Terminating,
            "Standby" | "EnteringStandby" => Self::Standby,
            "Warmed" | "Terminated" | "Detached" => Self::NotCounted,
            _ => Self::Unknown,
        }
    }

    /// Whether an agent may run on such an instance.
    #[must_use]
    pub const fn may_run(self) -> bool {
        !matches!(self, Self::NotCounted)
    }

    /// Whether such an instance counts as part of the desired capacity.
    #[must_use]
    pub const fn is_capacity(self) -> bool {
        matches!(self, Self::Pending | Self::InService | Self::Unknown)
    }
}

impl From<String> for Lifecycle {
    fn from(name: String) -> Self {
        Self::from_name(&name)
    }
}

/// The id of the instance where a hostname is a resource name, such as `i-0123456789abcdef0.ec2.internal`.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-naming.html>
#[must_use]
pub fn instance_of_hostname(hostname: &str) -> Option<&str> {
    let label = hostname.split('.').next()?;
    let digits = label.strip_prefix("i-")?;
    let is_id =
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_id.then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostname_that_is_a_resource_name_is_the_id_of_an_instance() {
        assert_eq!(instance_of_hostname("i-0123456789abcdef0.ec2.internal"), Some("i-0123456789abcdef0"));
        assert_eq!(instance_of_hostname("i-0abc1234"), Some("i-0abc1234"));
        for other in ["ip-10-0-1-13.ec2.internal", "i-web-1", "i-0ABC1234", "i-0abc123", "i-", ""] {
            assert_eq!(instance_of_hostname(other), None, "{other}");
        }
    }

    #[test]
    fn lifecycle_states_are_sorted_by_what_they_mean_for_capacity() {
        for (name, lifecycle, is_capacity) in [
            ("Pending:Wait", Lifecycle::Pending, true),
            ("InService", Lifecycle::InService, true),
            ("Terminating:Proceed", Lifecycle::Terminating, false),
            ("Detaching", Lifecycle::Terminating, false),
            ("Terminating:Retained", Lifecycle::NotCounted, false),
            ("Warmed:Stopped", Lifecycle::NotCounted, false),
            ("Warmed:Pending:Retained", Lifecycle::NotCounted, false),
            ("Standby", Lifecycle::Standby, false),
            ("Quarantined", Lifecycle::Unknown, true),
        ] {
            let read = Lifecycle::from_name(name);
            assert_eq!((read, read.is_capacity()), (lifecycle, is_capacity), "{name}");
        }
    }
}
