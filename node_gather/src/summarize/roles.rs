//! What tasks of one role can take of an agent on which roles have reserved resources.
//!
//! Roles form a tree: `eng/web` is below `eng`. A task can take what is reserved for its role or for a role above it, and
//! what no role has reserved. A task of the default role `*` never takes a reservation.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::resources::Resources;

/// The role of tasks that may take unreserved resources only.
const DEFAULT_ROLE: &str = "*";

/// The owner of reservations that the master does not name.
const UNNAMED: &str = "";

/// The resources of an agent, as tasks of one role see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// All of them.
    pub total: Resources,
    /// The part that tasks of the role can take: unreserved, or reserved for it or for a role above it.
    pub available: Resources,
    /// The other reservations, by role.
    elsewhere: Vec<(Box<str>, Resources)>,
}

impl Capacity {
    /// For tasks of that role, on an agent with these reservations.
    #[must_use]
    pub fn of<'a>(
        role: &str,
        total: Resources,
        unreserved: Resources,
        reserved: impl IntoIterator<Item = (&'a str, Resources)>,
    ) -> Self {
        let (mut available, mut named, mut elsewhere) = (unreserved, unreserved, Vec::new());
        for (owner, reserved) in reserved {
            named += reserved;
            if is_within(role, owner) {
                available += reserved;
            } else if !reserved.is_zero() {
                elsewhere.push((owner.into(), reserved));
            }
        }
        let unnamed = total.saturating_sub(&named);
        if !unnamed.is_zero() {
            elsewhere.push((UNNAMED.into(), unnamed));
        }
        Self { total, available, elsewhere }
    }

    /// Whether other roles have reservations, so that it matters whose tasks run there.
    #[must_use]
    pub fn has_reservations_of_others(&self) -> bool {
        !self.elsewhere.is_empty()
    }

    /// The role that has reserved all of one kind, if it is the only one with reservations.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let is_lacking = self.available.cpus.is_zero() || self.available.mem.is_zero();
        match self.elsewhere.as_slice() {
            [(owner, _)] if is_lacking && **owner != *UNNAMED => Some(owner),
            _ => None,
        }
    }

    /// What another task of the role can take, where tasks and executors use so much, and so much of it by role.
    ///
    /// Tasks take the reservations of their own role first, then those of the roles above it, then the rest. Use that no
    /// role is known for takes reservations first.
    #[must_use]
    pub fn free(&self, role: &str, used: Resources, by_role: &BTreeMap<&str, Resources>) -> Resources {
        if self.elsewhere.is_empty() {
            return self.available.saturating_sub(&used);
        }
        let mut left: BTreeMap<&str, Resources> = BTreeMap::new();
        for (owner, reserved) in &self.elsewhere {
            *left.entry(owner).or_default() += *reserved;
        }
        let mut take = |owner: &str, wanted: Resources| {
            let Some(left) = left.get_mut(owner) else { return wanted };
            let rest = wanted.saturating_sub(left);
            *left = left.saturating_sub(&wanted);
            rest
        };
        // A role below another has a longer name, so it is finished first.
        let mut waiting: BTreeMap<(Reverse<usize>, &str), Resources> =
            by_role.iter().map(|(role, used)| ((Reverse(role.len()), *role), *used)).collect();
        let (mut taken, mut of_others) = (Resources::ZERO, Resources::ZERO);
        while let Some(((_, own), wanted)) = waiting.pop_first() {
            if own == DEFAULT_ROLE || is_within(role, own) {
                taken += wanted;
                continue;
            }
            let rest = take(own, wanted);
            match own.rsplit_once('/') {
                Some((above, _)) => *waiting.entry((Reverse(above.len()), above)).or_default() += rest,
                None => of_others += rest,
            }
        }
        taken += take(UNNAMED, of_others);
        let known: Resources = by_role.values().copied().sum();
        let reserved: Resources = left.values().copied().sum();
        taken += used.saturating_sub(&known).saturating_sub(&reserved);
        // The master's sum is the truth: what is not used is not taken.
        self.available.saturating_sub(&Resources::from_fn(|kind| taken.get(kind).min(used.get(kind))))
    }
}

/// Whether that role is the other one or below it.
pub(super) fn is_within(role: &str, other: &str) -> bool {
    role.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::resources::Amount;

    use super::*;

    fn cpus(count: u64) -> Resources {
        Resources { cpus: Amount::from_thousandths(1000 * count), ..Resources::ZERO }
    }

    /// The free cpus for that role where 4 of 10 are unreserved, with so many reserved and used by role.
    fn free(role: &str, reserved: &[(&str, u64)], used: &[(&str, u64)]) -> u64 {
        let named: u64 = reserved.iter().map(|(_, count)| count).sum();
        let reserved = reserved.iter().map(|&(role, count)| (role, cpus(count)));
        let capacity = Capacity::of(role, cpus(4 + named), cpus(4), reserved);
        let by_role =
            used.iter().filter(|(role, _)| !role.is_empty()).map(|&(role, count)| (role, cpus(count))).collect();
        let all = used.iter().map(|(_, count)| count).sum();
        capacity.free(role, cpus(all), &by_role).cpus.thousandths() / 1000
    }

    #[test]
    fn a_task_of_the_default_role_never_uses_a_reservation() {
        assert_eq!(free("*", &[("prod", 6)], &[("*", 4)]), 0);
        assert_eq!(free("*", &[("prod", 6)], &[("*", 1), ("prod", 6)]), 3);
        assert_eq!(free("*", &[("prod", 6)], &[("*", 1), ("prod", 8)]), 1);
        assert_eq!(free("prod", &[("prod", 6)], &[("*", 4)]), 6);
    }

    #[test]
    fn a_role_can_take_what_roles_above_it_have_reserved() {
        let reserved = [("eng", 3), ("eng/web", 2), ("ops", 1)];
        assert_eq!(free("eng/web", &reserved, &[]), 9);
        assert_eq!(free("eng", &reserved, &[]), 7);
        assert_eq!(free("eng/db", &reserved, &[("eng/web", 3)]), 6);
        assert_eq!(free("*", &reserved, &[("eng/web", 4), ("eng", 2)]), 3);
        assert_eq!(free("engine", &reserved, &[]), 4);
        assert_eq!(free("*", &reserved, &[("eng/web/blue", 6), ("ops/a/b", 2)]), 2);
    }

    #[test]
    fn use_of_no_known_role_takes_reservations_first() {
        assert_eq!(free("*", &[("prod", 6)], &[("", 6)]), 4);
        assert_eq!(free("*", &[("prod", 6)], &[("", 7)]), 3);
        assert_eq!(free("*", &[("prod", 6)], &[("", 5), ("prod", 3)]), 2);
    }

    #[test]
    fn reservations_without_a_name_serve_every_role_but_the_default_one() {
        let capacity = Capacity::of("*", cpus(10), cpus(4), []);
        let free =
            |role, used| capacity.free("*", cpus(used), &BTreeMap::from([(role, cpus(used))])).cpus.thousandths();
        assert_eq!((free("prod", 6), free("prod", 7), free("*", 3)), (4000, 3000, 1000));
    }

    #[test]
    fn the_owner_of_everything_is_known() {
        let owner = |role: &str, unreserved, reserved: &[(&str, u64)]| {
            let reserved = reserved.iter().map(|&(role, count)| (role, cpus(count)));
            Capacity::of(role, cpus(4), cpus(unreserved), reserved).owner().map(str::to_owned)
        };
        assert_eq!(owner("*", 0, &[("slave_public", 4)]).as_deref(), Some("slave_public"));
        assert_eq!(owner("slave_public", 0, &[("slave_public", 4)]), None);
        assert_eq!(owner("*", 0, &[("a", 2), ("b", 2)]), None);
        assert_eq!(owner("*", 0, &[]), None);
    }

    const ROLES: [&str; 8] = ["*", "a", "a/b", "a/b/c", "a/d", "e", "ab", "e/f"];

    /// Places one cpu after the other: the nearest reservation that the role can take, else unreserved ones.
    fn free_one_by_one(role: &str, reserved: &[(&str, u64)], used: &[(&str, u64)]) -> u64 {
        let mut left: BTreeMap<&str, u64> = reserved.iter().copied().collect();
        let mut unreserved = 4;
        let levels = |role: &str| -> Vec<String> {
            let ends = role.match_indices('/').map(|(at, _)| at).chain([role.len()]);
            let mut above: Vec<String> = ends.map(|end| role[..end].to_owned()).collect();
            above.reverse();
            above
        };
        for &(own, count) in used {
            for _ in 0..count {
                let level = levels(own)
                    .into_iter()
                    .find(|level| own != "*" && left.get(&**level).is_some_and(|left| *left > 0));
                match level {
                    Some(level) => *left.get_mut(&*level).unwrap() -= 1,
                    None => unreserved -= 1,
                }
            }
        }
        unreserved + levels(role).iter().filter_map(|level| left.get(&**level)).sum::<u64>()
    }

    proptest! {
        #[test]
        fn free_resources_are_those_of_placing_one_by_one(
            role in 0_usize..8,
            reserved in prop::collection::btree_map(1_usize..8, 0_u64..4, 0..5),
            used in prop::collection::vec(0_usize..8, 0..12),
        ) {
            let reserved: Vec<(&str, u64)> = reserved.into_iter().map(|(role, count)| (ROLES[role], count)).collect();
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            let mut fits = Vec::new();
            for own in used {
                // Mesos starts only what fits.
                if free_one_by_one(ROLES[own], &reserved, &fits) > 0 {
                    fits.push((ROLES[own], 1));
                    *counts.entry(ROLES[own]).or_default() += 1;
                }
            }
            let counts: Vec<(&str, u64)> = counts.into_iter().collect();
            prop_assert_eq!(free(ROLES[role], &reserved, &counts), free_one_by_one(ROLES[role], &reserved, &fits));
        }
    }
}
