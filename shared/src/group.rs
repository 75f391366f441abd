//! The instances of an Auto Scaling group, as far as more than one function reads them.

use serde::Deserialize;

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
    /// `Standby`, `Warmed:...`, `Terminated`, `Detached`, and `Terminating:Retained`, which nothing ends: not counted in the
    /// desired capacity.
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
            "Standby" | "EnteringStandby" | "Warmed" | "Terminated" | "Detached" => Self::NotCounted,
            _ => Self::Unknown,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
            ("Standby", Lifecycle::NotCounted, false),
            ("Quarantined", Lifecycle::Unknown, true),
        ] {
            let read = Lifecycle::from_name(name);
            assert_eq!((read, read.is_capacity()), (lifecycle, is_capacity), "{name}");
        }
    }
}
