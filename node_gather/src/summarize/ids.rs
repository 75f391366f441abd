//! Numbers for the ids of agents: each task needs that of its agent.

use std::borrow::Cow;

use super::names::Numbers;

/// How many agents of one master are kept by number, and of how many masters: those that have led since the oldest agent registered.
/// Others are kept by name. A document that uses all of it takes 8 MB.
const MOST_OF_MASTER: usize = 256 * 1024;
const MOST_MASTERS: usize = 8;

/// The number of an id that is not known.
const FREE: u32 = u32::MAX;

/// The numbers of ids.
///
/// The id of an agent is that of the master that registered it, and a number: `3c1f0a52-7d1b-4f6e-9a27-5f0c7a9be4d1-S17`. So a list
/// by that number replaces a table of names, of which nearly every lookup would wait for memory where agents are many.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    masters: Vec<OfMaster>,
    others: Numbers,
}

/// The agents that one master has registered.
#[derive(Clone, Debug)]
struct OfMaster {
    /// What their ids begin with.
    name: Box<[u8]>,
    numbers: Vec<u32>,
}

impl Ids {
    #[inline]
    pub(super) fn get(&self, id: &[u8]) -> Option<u32> {
        if let Some((name, place)) = parts(id)
            && let Some(master) = self.masters.iter().find(|master| *master.name == *name)
        {
            return master.numbers.get(place).copied().filter(|number| *number != FREE);
        }
        self.others.get(id)
    }

    /// Adds an id that is not known.
    pub(super) fn insert(&mut self, id: &[u8], number: u32) {
        let Some((name, place)) = parts(id) else { return self.others.insert(id, number) };
        let Some(numbers) = self.of_master(name) else { return self.others.insert(id, number) };
        if numbers.len() <= place {
            numbers.resize(place + 1, FREE);
        }
        if let Some(own) = numbers.get_mut(place) {
            *own = number;
        }
    }

    /// The numbers of the ids that begin like that; `None` if there are too many such beginnings. That one then remains unknown.
    fn of_master(&mut self, name: &[u8]) -> Option<&mut Vec<u32>> {
        let place = self.masters.iter().position(|master| *master.name == *name).unwrap_or(self.masters.len());
        if place == self.masters.len() && place < MOST_MASTERS {
            self.masters.push(OfMaster { name: name.into(), numbers: Vec::new() });
        }
        self.masters.get_mut(place).map(|master| &mut master.numbers)
    }

    /// All of them, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, u32)> {
        let of_masters = self.masters.iter().flat_map(|OfMaster { name, numbers }| {
            let known = (0_usize..).zip(numbers).filter(|(_, number)| **number != FREE);
            known.map(|(place, number)| (format!("{}{place}", String::from_utf8_lossy(name)).into(), *number))
        });
        of_masters.chain(self.others.iter().map(|(id, number)| (String::from_utf8_lossy(id), number)))
    }

    /// Forgets the other ones.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        let numbers = self.masters.iter_mut().flat_map(|master| &mut master.numbers);
        numbers.filter(|number| !is_kept(**number)).for_each(|number| *number = FREE);
        self.others.retain(is_kept);
    }
}

/// The beginning and the number that an id consists of. No other id consists of the same.
#[inline]
fn parts(id: &[u8]) -> Option<(&[u8], usize)> {
    let digits = id.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (name, digits) = id.split_at_checked(id.len() - digits)?;
    if !matches!(digits, [b'0'] | [b'1'..=b'9', ..]) || digits.len() > 6 {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| 10 * number + usize::from(digit - b'0'));
    (number < MOST_OF_MASTER).then_some((name, number))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Ids as masters write them, of more masters than are kept, and others that look similar.
    fn id() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            4 => (0..40_u32).prop_map(|number| number.to_string()),
            1 => (MOST_OF_MASTER - 2..MOST_OF_MASTER + 2).prop_map(|number| number.to_string()),
            1 => prop::sample::select(vec!["", "00", "007", "-", "1x", "9999999", "18446744073709551617"]).prop_map(str::to_owned),
        ];
        (prop_oneof![4 => 0..3_usize, 1 => 0..MOST_MASTERS + 2], number).prop_map(|(master, number)| match master {
            0 => number,
            master => format!("{master}c1f0a52-S{number}"),
        })
    }

    proptest! {
        #[test]
        fn each_id_has_its_own_number(ids in prop::collection::vec(id(), 0..200), kept in 1..5_u32) {
            let (mut numbers, mut expected) = (Ids::default(), BTreeMap::new());
            for (number, id) in (0..).zip(&ids) {
                prop_assert_eq!(numbers.get(id.as_bytes()), expected.get(id).copied(), "{}", id);
                if !expected.contains_key(id) {
                    numbers.insert(id.as_bytes(), number);
                    expected.insert(id.clone(), number);
                }
            }
            let all = |numbers: &Ids| numbers.iter().map(|(id, number)| (id.into_owned(), number)).collect::<BTreeMap<_, _>>();
            prop_assert_eq!(&all(&numbers), &expected);
            prop_assert_eq!(numbers.iter().count(), expected.len());
            numbers.retain(|number| number % kept == 0);
            expected.retain(|_, number| *number % kept == 0);
            prop_assert_eq!(&all(&numbers), &expected);
            prop_assert!(ids.iter().all(|id| numbers.get(id.as_bytes()) == expected.get(id).copied()));
        }
    }

    #[test]
    fn ids_of_masters_are_kept_by_number_within_bounds() {
        let mut ids = Ids::default();
        for (number, id) in (0..).zip(["a-S0", "a-S17", "b-S3", "a-S01", "a-S262143", "a-S262144", "a-S", "a"]) {
            ids.insert(id.as_bytes(), number);
        }
        assert_eq!((ids.masters.len(), ids.others.len()), (2, 4));
        for master in 0..100 {
            ids.insert(format!("m{master}-S262143").as_bytes(), 100 + master);
        }
        assert_eq!((ids.masters.len(), ids.others.len()), (MOST_MASTERS, 4 + 94));
        let bytes: usize = ids.masters.iter().map(|master| size_of_val(&*master.numbers)).sum();
        assert!(bytes <= 8 << 20, "{bytes}");
        assert!((100..200).all(|number| ids.get(format!("m{}-S262143", number - 100).as_bytes()) == Some(number)));
    }
}
