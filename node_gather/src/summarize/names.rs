//! Numbers for the ids of agents and the names of applications: each task needs one of both.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::interned::index;

/// How many bytes of a name are kept in place. Ids of agents have about 42, paths of Marathon's applications rarely more.
const SHORT_BYTES: usize = 54;

/// How many slots there are at first.
const FEWEST_SLOTS: usize = 16;

/// Up to how many slots a table is small: half a megabyte.
const FEW_SLOTS: usize = 8 * 1024;

/// The number of a slot without a name.
const FREE: u32 = u32::MAX;

/// The numbers of names.
///
/// It is a table of its own instead of the standard one, because in the table of a large cluster nearly every lookup waits for
/// memory: here it is one line of the processor's cache, which [`Self::guess`] can ask for long before the name is compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// None, or a power of two. A name is in the slot that its hash says, or in the next free one after it.
    slots: Vec<Slot>,
    len: usize,
    hasher: RandomState,
}

/// A name with its number: one line of the cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Slot {
    name: Name,
    hash: u32,
    number: u32,
}

impl Slot {
    const FREE: Self = Self { name: Name::Short { length: 0, bytes: [0; SHORT_BYTES] }, hash: 0, number: FREE };

    #[inline]
    fn has(&self, hash: u32, name: &[u8]) -> bool {
        self.hash == hash && self.number != FREE && self.name.as_bytes() == name
    }
}

/// The name that was last asked for: the same often follows, such as the agent of the next executor.
#[derive(Clone, Debug, Default)]
pub(super) struct LastName(Option<(Vec<u8>, u32)>);

impl LastName {
    /// Its number, if it is this one.
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<u32> {
        self.0.as_ref().filter(|(latest, _)| latest == name).map(|(_, number)| *number)
    }

    #[inline]
    pub(super) fn set(&mut self, name: &[u8], number: u32) {
        let (latest, its_number) = self.0.get_or_insert_default();
        latest.clear();
        latest.extend_from_slice(name);
        *its_number = number;
    }
}

impl Numbers {
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<u32> {
        self.get_hashed(self.hash(name), name)
    }

    /// What a lookup of the name begins with. It needs nothing of the table.
    #[inline]
    pub(super) fn hash(&self, name: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        #[expect(clippy::cast_possible_truncation, reason = "its lower half is meant")]
        {
            hasher.finish() as u32
        }
    }

    /// Where a name of that hash most likely is, without looking at names.
    #[inline]
    pub(super) fn guess(&self, hash: u32) -> usize {
        let home = self.home(hash);
        let is_there = self.slots.get(home).is_some_and(|slot| slot.hash == hash);
        if is_there { home } else { self.after(home) }
    }

    /// The number of a name of that hash, which is most likely there.
    #[inline]
    pub(super) fn get_guessed(&self, guess: usize, hash: u32, name: &[u8]) -> Option<u32> {
        match self.slots.get(guess) {
            Some(slot) if slot.has(hash, name) => Some(slot.number),
            _ => self.get_hashed(hash, name),
        }
    }

    fn get_hashed(&self, hash: u32, name: &[u8]) -> Option<u32> {
        let mut place = self.home(hash);
        loop {
            // There is always a free slot, except in a table without any.
            let slot = self.slots.get(place)?;
            if slot.number == FREE {
                return None;
            }
            if slot.has(hash, name) {
                return Some(slot.number);
            }
            place = self.after(place);
        }
    }

    /// Adds a name that is not known.
    pub(super) fn insert(&mut self, name: &[u8], number: u32) {
        if self.len >= self.most() {
            self.resize((2 * self.slots.len()).max(FEWEST_SLOTS), |_| true);
        }
        self.add(Slot { name: Name::of(name), hash: self.hash(name), number });
    }

    /// How many names there may be: more would be far from their slots. A small table can afford to be half empty.
    const fn most(&self) -> usize {
        let slots = self.slots.len();
        if slots <= FEW_SLOTS { slots / 2 } else { slots / 5 * 4 }
    }

    fn add(&mut self, new: Slot) {
        let mut place = self.home(new.hash);
        while self.slots.get(place).is_some_and(|slot| slot.number != FREE) {
            place = self.after(place);
        }
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = new;
            self.len += 1;
        }
    }

    /// Moves the names whose numbers are kept to a table of so many slots, a power of two.
    fn resize(&mut self, slots: usize, is_kept: impl Fn(u32) -> bool) {
        let mut empty = Vec::new();
        empty.resize_with(slots, || Slot::FREE);
        let full = std::mem::replace(&mut self.slots, empty);
        self.len = 0;
        full.into_iter().filter(|slot| slot.number != FREE && is_kept(slot.number)).for_each(|slot| self.add(slot));
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        index(hash) & self.slots.len().wrapping_sub(1)
    }

    /// The next slot; the first one after the last.
    #[inline]
    const fn after(&self, place: usize) -> usize {
        place.wrapping_add(1) & self.slots.len().wrapping_sub(1)
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let full = self.slots.iter().filter(|slot| slot.number != FREE);
        full.map(|slot| (slot.name.as_bytes(), slot.number))
    }

    /// Forgets the other ones, and frees their memory.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        let kept = self.iter().filter(|(_, number)| is_kept(*number)).count();
        self.resize((2 * kept).next_power_of_two().max(FEWEST_SLOTS), is_kept);
    }
}

/// A name. The table holds a short one in place: to follow a pointer would cost a cache miss for every task.
#[derive(Clone, Debug)]
enum Name {
    Short { length: u8, bytes: [u8; SHORT_BYTES] },
    Long(Box<[u8]>),
}

impl Name {
    fn of(name: &[u8]) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(name);
                Self::Short { length, bytes }
            }
            _ => Self::Long(name.into()),
        }
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_distinct() {
        let texts: Vec<Vec<u8>> = (0..100).flat_map(|length| [vec![0; length], vec![b'x'; length]]).collect();
        let mut names = Numbers::default();
        for (number, text) in (0..).zip(&texts).filter(|(number, _)| *number != 1) {
            assert_eq!(names.get(text), None, "{text:?}");
            names.insert(text, number);
        }
        // The empty name is the same twice.
        let expected: Vec<(&[u8], u32)> =
            (0..).zip(&texts).filter(|(number, _)| *number != 1).map(|(number, text)| (&**text, number)).collect();
        assert!(expected.iter().all(|(text, number)| names.get(text) == Some(*number)));
        let mut all: Vec<(&[u8], u32)> = names.iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        assert_eq!((&all, names.len()), (&expected, 199));
        let guessed = |text: &[u8]| {
            let hash = names.hash(text);
            names.get_guessed(names.guess(hash), hash, text)
        };
        assert!(expected.iter().all(|(text, number)| guessed(text) == Some(*number)));
        assert_eq!(guessed(b"another"), None);
        names.retain(|number| number % 50 == 0);
        assert_eq!(names.iter().map(|(text, _)| text.len()).collect::<std::collections::BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn names_are_found_where_others_are_in_their_slots() {
        let mut names = Numbers::default();
        assert_eq!((names.get(b"a"), names.get_guessed(7, 7, b"a")), (None, None));
        for number in 0..9_000_u32 {
            names.insert(&number.to_le_bytes(), number);
            assert!(names.len() <= names.most().max(1), "{} of {}", names.len(), names.slots.len());
        }
        assert!((0..9_000_u32).all(|number| names.get(&number.to_le_bytes()) == Some(number)));
        assert!((9_000..12_000_u32).all(|number| names.get(&number.to_le_bytes()).is_none()));
        // A guess that is wrong costs time alone.
        let (name, slots) = (7_u32.to_le_bytes(), names.slots.len());
        let hash = names.hash(&name);
        assert!((0..=slots).all(|guess| names.get_guessed(guess, hash, &name) == Some(7)));
        names.retain(|number| number < 3);
        assert_eq!((names.len(), names.slots.len()), (3, FEWEST_SLOTS));
        assert_eq!((names.get(&2_u32.to_le_bytes()), names.get(&3_u32.to_le_bytes())), (Some(2), None));
    }

    #[test]
    fn a_slot_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}
