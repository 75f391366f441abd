//! Numbers for the ids of agents and the names of applications: each task needs one of both.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// How many bytes of a name are kept in place. Ids of agents have about 42, paths of Marathon's applications rarely more.
const SHORT_BYTES: usize = 54;

/// The numbers of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    entries: HashTable<Entry>,
    hasher: RandomState,
}

/// A name and its number: one line of the processor's cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Entry {
    name: Name,
    number: u32,
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

    /// What a lookup of the name begins with. It needs nothing of the table, so that it can be known long before.
    #[inline]
    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        hash(&self.hasher, name)
    }

    /// The same as [`Self::get`] for a name with that hash.
    #[inline]
    pub(super) fn get_hashed(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.entries.find(hash, |entry| entry.name.as_bytes() == name).map(|entry| entry.number)
    }

    /// Adds a name that is not known.
    pub(super) fn insert(&mut self, name: &[u8], number: u32) {
        let (entry, hasher) = (Entry { name: Name::of(name), number }, &self.hasher);
        self.entries.insert_unique(hash(hasher, name), entry, |entry| hash(hasher, entry.name.as_bytes()));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.entries.iter().map(|entry| (entry.name.as_bytes(), entry.number))
    }

    /// Forgets the other ones, and frees their memory.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        self.entries.retain(|entry| is_kept(entry.number));
        let hasher = &self.hasher;
        self.entries.shrink_to_fit(|entry| hash(hasher, entry.name.as_bytes()));
    }
}

#[inline]
fn hash(hasher: &RandomState, name: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.finish()
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
        assert_eq!((all, names.len()), (expected, 199));
        names.retain(|number| number % 50 == 0);
        assert_eq!(names.iter().map(|(text, _)| text.len()).collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
