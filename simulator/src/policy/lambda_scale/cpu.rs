//! The CPU utilization of the group, as CloudWatch would report it. The simulated tasks have no load of their own, so what is
//! allocated stands for it.

use std::collections::{BTreeMap, VecDeque};

use node_gather::groups::{Cpu, Groups};
use node_gather::members::{Description, Descriptions, Lookup};
use shared::config::Policy;

use crate::policy::{Share, View};
use crate::{MINUTE, Millis};

/// Over which time the stage asks for the mean.
const SPAN: Millis = 10 * MINUTE;

/// The allocated shares of the last runs.
#[derive(Clone, Debug)]
pub(super) struct Measured(VecDeque<(Millis, Share)>);

impl Measured {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// What is allocated now. A group without an agent measures nothing.
    pub(super) fn measure(&mut self, view: &View<'_>) {
        while self.0.front().is_some_and(|(at, _)| at + SPAN <= view.elapsed) {
            self.0.pop_front();
        }
        if view.usable() > 0 {
            self.0.push_back((view.elapsed, view.utilization()));
        }
    }

    /// What AWS reports of the pool's group.
    pub(super) fn groups(&self, pool: &Policy, view: &View<'_>) -> Groups {
        if pool.source.cpu().is_none() {
            return Groups::default();
        }
        let shares: Vec<Share> = self.0.iter().map(|(_, share)| *share).collect();
        let mean = Share::mean(&shares);
        // To the thousandth of a percent.
        let thousandths = u32::try_from(100_000 * u128::from(mean.part) / u128::from(mean.whole)).unwrap_or(u32::MAX);
        let percents: Vec<f64> =
            shares.first().map(|_| f64::from(thousandths.min(100_000)) / 1000.0).into_iter().collect();
        let description = Description::Known(view.group.into());
        Groups {
            cpu: BTreeMap::from([(pool.group.clone(), Cpu::of(&percents))]),
            described: Descriptions {
                groups: BTreeMap::from([(pool.group.clone(), description)]),
                lookup: Lookup::NotAsked,
            },
        }
    }
}
