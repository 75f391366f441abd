//! The zones of a group: where an instance is launched, and how the group moves instances where zones are unequal.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::activity::balance_cause;
use super::launches::failure;
use super::{ActivityKind, Group, Instance, Lifecycle, units};

impl Group {
    /// The zone with the fewest instances; of several the first.
    pub(super) fn emptiest_zone(&self) -> String {
        let in_zones = self.in_zones();
        self.zones.iter().min_by_key(|zone| in_zones.get(zone.as_str())).cloned().unwrap_or_default()
    }

    /// How many instances each zone has, those that are on their way out not among them; a zone without any is not named.
    pub(super) fn in_zones(&self) -> BTreeMap<&str, usize> {
        let mut in_zones = BTreeMap::new();
        for instance in self.instances.iter().filter(|instance| instance.state.is_capacity()) {
            *in_zones.entry(instance.zone.as_str()).or_default() += 1;
        }
        in_zones
    }

    /// By how many instances the fullest zone exceeds the emptiest.
    #[must_use]
    pub fn imbalance(&self) -> usize {
        let in_zones = self.in_zones();
        let counts = || self.zones.iter().map(|zone| in_zones.get(zone.as_str()).copied().unwrap_or(0));
        counts().max().unwrap_or(0) - counts().min().unwrap_or(0)
    }

    /// `AZRebalance`: where the zones are unequal and the group has what it should have, it launches an instance in the
    /// emptiest zone. That is one too many, so that the default termination policy then ends one of the fullest zone, even one
    /// whose agent has tasks.
    pub(super) fn rebalance(&mut self, now: Timestamp) {
        let is_settled = self.instances.iter().all(|instance| instance.state == Lifecycle::InService)
            && self.capacity() == self.desired
            && self.activities.iter().all(|activity| !activity.is_in_progress());
        let may = self.behavior.rebalances
            && self.next_launch.is_none_or(|next| now >= next)
            && !["AZRebalance", "Launch", "Terminate"].iter().any(|process| self.suspended.contains(*process));
        if !may || !is_settled || self.imbalance() < 2 {
            return;
        }
        let zone = self.emptiest_zone();
        let id = self.new_instance(&zone, Lifecycle::Pending, now);
        let cause = balance_cause(&zone, now);
        self.start(ActivityKind::Launch, Some(id.clone()), zone, cause, now, None);
        self.balancing = Some(id);
    }

    /// What an instance weighs that was launched to make the zones equal, until it is in service: no other one ends before.
    pub(super) fn balancing_units(&self) -> i32 {
        let is_balancing = |instance: &&Instance| {
            Some(&instance.id) == self.balancing.as_ref() && instance.state != Lifecycle::InService
        };
        self.instances.iter().find(is_balancing).map_or(0, |instance| units(instance.weight))
    }

    /// A rebalance that fails: the emptiest zone has no capacity.
    pub fn fail_rebalance(&mut self, now: Timestamp) {
        let zone = self.emptiest_zone();
        let status = failure(&zone);
        self.start(ActivityKind::Launch, None, zone, String::new(), now, Some(now));
        self.last_status(status);
    }
}
