//! Port ranges, in the form in which Mesos writes them.

use std::fmt;
use std::str::FromStr;

/// Ranges of ports, sorted, none touching another: `[31000-31099, 31200-31299]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(Vec<(u32, u32)>);

impl Ports {
    /// No port.
    pub const NONE: Self = Self(Vec::new());

    /// The ports from the first to the last, both included.
    #[must_use]
    pub fn range(first: u32, last: u32) -> Self {
        Self(if first <= last { vec![(first, last)] } else { Vec::new() })
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first port.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|(first, _)| *first)
    }

    /// The ports of all.
    pub fn union<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut ranges: Vec<(u32, u32)> = all.into_iter().flat_map(|ports| &ports.0).copied().collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1.saturating_add(1);
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
        Self(ranges)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (place, (first, last)) in self.0.iter().enumerate() {
            write!(f, "{}{first}-{last}", if place == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

impl FromStr for Ports {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(())?;
        let range = |text: &str| {
            let (first, last) = text.trim().split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let ranges: Option<Vec<(u32, u32)>> =
            inner.split(',').filter(|part| !part.trim().is_empty()).map(range).collect();
        ranges.map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_as_mesos_writes_them() {
        let ports: Ports = "[31000-31099, 31200-31299, 32000-32001]".parse().unwrap();
        assert_eq!(ports.to_string(), "[31000-31099, 31200-31299, 32000-32001]");
        assert_eq!(Ports::range(31_003, 31_003).to_string(), "[31003-31003]");
        assert_eq!((Ports::range(2, 1), "[]".parse()), (Ports::NONE, Ok(Ports::NONE)));
        assert!("31000-31099".parse::<Ports>().is_err() && "[a-b]".parse::<Ports>().is_err());
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let parts =
            [Ports::range(5, 6), Ports::range(1, 2), Ports::range(3, 3), Ports::range(9, 12), Ports::range(10, 11)];
        assert_eq!(Ports::union(&parts).to_string(), "[1-3, 5-6, 9-12]");
    }
}
