//! Numbers for the ids of agents and the names of applications: each task needs one of both.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use super::interned::Map;

/// How many bytes of a name are kept in place. Ids of agents have about 42, paths of Marathon's applications rarely more.
const SHORT_BYTES: usize = 54;

/// The numbers of names.
#[derive(Debug, Default)]
pub(super) struct Numbers(Map<Name, u32>);

/// The name that was last asked for: the same often follows, such as the agent of the next executor.
#[derive(Debug, Default)]
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
        self.0.get(name).copied()
    }

    pub(super) fn insert(&mut self, name: &[u8], number: u32) {
        self.0.insert(Name::of(name), number);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.0.iter().map(|(name, number)| (name.as_bytes(), *number))
    }

    /// Forgets the other ones, and frees their memory.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        self.0.retain(|_, number| is_kept(*number));
        self.0.shrink_to_fit();
    }
}

/// A name. The table holds a short one in place: to follow a pointer would cost a cache miss for every task.
#[derive(Debug)]
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

impl Borrow<[u8]> for Name {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
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
