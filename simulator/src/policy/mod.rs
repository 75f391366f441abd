//! What decides how many agents there are.
//!
//! A [`Policy`] is called at each of its periods. It sees a [`View`] of the world, and gives [`Orders`], which the world
//! carries out at once, as Auto Scaling and a Mesos master would. It keeps state of its own between the calls, such as an
//! alarm that has fired twice.
//!
//! The first kind is the project itself ([`LambdaScale`]); the others are baselines: what one would use instead, by their own
//! documents.

mod cluster_autoscaler;
mod clusterman;
mod escalator;
mod karpenter;
mod lambda_scale;
mod orders;
mod packing;
mod scalepot;
mod target_tracking;
mod view;

use thiserror::Error;

use crate::Millis;

pub use cluster_autoscaler::ClusterAutoscaler;
pub use clusterman::Clusterman;
pub use escalator::Escalator;
pub use karpenter::Karpenter;
pub(crate) use lambda_scale::group_state;
pub use lambda_scale::{Exactness, LambdaScale, LambdaScaleError};
pub(crate) use orders::Order;
pub use orders::{Orders, Why};
pub use scalepot::Scalepot;
pub use target_tracking::TargetTracking;
pub use view::{AgentView, Share, View, WaitingView};

/// What decides how many agents there are, and which.
pub trait Policy {
    /// How often it is called.
    fn period(&self) -> Millis;

    /// One of its runs.
    ///
    /// # Errors
    /// Where it cannot decide at all, which ends the simulation.
    fn act(&mut self, view: &View<'_>, orders: &mut Orders) -> Result<(), PolicyError>;
}

/// Why a policy cannot decide.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The project's own code.
    #[error(transparent)]
    LambdaScale(#[from] LambdaScaleError),
}

/// What one would use instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Target tracking of EC2 Auto Scaling at that utilization, in percent.
    TargetTracking(u32),
    /// scalepot.
    Scalepot,
    /// Escalator.
    Escalator,
    /// Clusterman.
    Clusterman,
    /// cluster-autoscaler.
    ClusterAutoscaler,
    /// Karpenter.
    Karpenter,
    /// Karpenter with a capacity buffer for each application, in percent.
    KarpenterBuffer(u32),
    /// Perfect packing that knows the future: a bound, which needs no world ([`crate::oracle`]).
    Oracle,
}

/// Why there is no such baseline.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "got {0:?}, expected a baseline; write target-tracking=65, scalepot, escalator, clusterman, cluster-autoscaler, karpenter, \
     karpenter-buffer=10, or oracle"
)]
pub struct UnknownBaseline(String);

impl Baseline {
    /// The policy, from its start; `None` for the oracle.
    #[must_use]
    pub fn policy(self) -> Option<Box<dyn Policy>> {
        match self {
            Self::TargetTracking(percent) => Some(Box::new(TargetTracking::new(percent))),
            Self::Scalepot => Some(Box::new(Scalepot::default())),
            Self::Escalator => Some(Box::new(Escalator::default())),
            Self::Clusterman => Some(Box::new(Clusterman::default())),
            Self::ClusterAutoscaler => Some(Box::new(ClusterAutoscaler::default())),
            Self::Karpenter => Some(Box::new(Karpenter::new(0))),
            Self::KarpenterBuffer(percent) => Some(Box::new(Karpenter::new(percent))),
            Self::Oracle => None,
        }
    }
}

impl std::str::FromStr for Baseline {
    type Err = UnknownBaseline;

    fn from_str(text: &str) -> Result<Self, UnknownBaseline> {
        let unknown = || UnknownBaseline(text.to_owned());
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let percent =
            |value: &str| value.parse().ok().filter(|percent| (1..=100).contains(percent)).ok_or_else(unknown);
        match (name, value) {
            ("target-tracking", value) => value.map_or(Ok(65), percent).map(Self::TargetTracking),
            ("scalepot", None) => Ok(Self::Scalepot),
            ("escalator", None) => Ok(Self::Escalator),
            ("clusterman", None) => Ok(Self::Clusterman),
            ("cluster-autoscaler", None) => Ok(Self::ClusterAutoscaler),
            ("karpenter", None) => Ok(Self::Karpenter),
            ("karpenter-buffer", Some(value)) => percent(value).map(Self::KarpenterBuffer),
            ("oracle", None) => Ok(Self::Oracle),
            _ => Err(unknown()),
        }
    }
}

/// Its option, which is its name.
impl std::fmt::Display for Baseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TargetTracking(percent) => write!(f, "target-tracking={percent}"),
            Self::Scalepot => f.write_str("scalepot"),
            Self::Escalator => f.write_str("escalator"),
            Self::Clusterman => f.write_str("clusterman"),
            Self::ClusterAutoscaler => f.write_str("cluster-autoscaler"),
            Self::Karpenter => f.write_str("karpenter"),
            Self::KarpenterBuffer(percent) => write!(f, "karpenter-buffer={percent}"),
            Self::Oracle => f.write_str("oracle"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_named_by_its_option() {
        assert_eq!("target-tracking".parse::<Baseline>().unwrap().to_string(), "target-tracking=65");
        let error = "none".parse::<Baseline>().unwrap_err().to_string();
        let options = error.split_once("; write ").unwrap().1.replace("or ", "");
        let options: Vec<&str> = options.split(", ").collect();
        assert_eq!(options.len(), 8, "{options:?}");
        for option in options {
            let baseline: Baseline = option.parse().unwrap();
            assert_eq!((baseline.to_string().as_str(), baseline.policy().is_none()), (option, option == "oracle"));
        }
        for wrong in [
            "",
            "target-tracking=0",
            "target-tracking=101",
            "target-tracking=x",
            "oracle=1",
            "Oracle",
            "karpenter=10",
            "karpenter-buffer",
            "karpenter-buffer=0",
            "scalepot=60",
        ] {
            assert!(wrong.parse::<Baseline>().unwrap_err().to_string().contains("expected a baseline"), "{wrong}");
        }
    }
}
