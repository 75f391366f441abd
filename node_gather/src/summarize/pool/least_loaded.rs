//! The agents of a pool that may go first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::Member;
use crate::summarize::Share;

/// How many usable agents are kept one by one until it is known which of them may go: the least loaded ones.
const MAX_KEPT: usize = 1_000;

/// The least loaded agents, at most [`MAX_KEPT`].
#[derive(Clone, Debug, Default)]
pub(super) struct LeastLoaded {
    /// As long as all are kept, none is compared.
    all: Vec<Member>,
    /// Afterwards, the first to be given up on top.
    ranked: BinaryHeap<Ranked>,
}

impl LeastLoaded {
    /// Adds an agent of that load and id, if it is one of them.
    pub(super) fn add(&mut self, load: Share, id: &str, member: impl FnOnce() -> Member) {
        if self.ranked.is_empty() {
            if self.all.len() < MAX_KEPT {
                return self.all.push(member());
            }
            self.ranked = self.all.drain(..).map(|member| Ranked::new(member.load(), member)).collect();
        }
        if self.ranked.peek().is_some_and(|last| last.comes_after(&load, id)) {
            self.ranked.pop();
            self.ranked.push(Ranked::new(load, member()));
        }
    }

    /// Whether no agent was left out.
    pub(super) fn keeps_all(&self) -> bool {
        self.ranked.is_empty()
    }

    /// The agents, as long as none was left out, to change them.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.all.iter_mut()
    }

    /// All of them.
    pub(super) fn take(&mut self) -> Vec<Member> {
        let Self { mut all, ranked } = std::mem::take(self);
        all.extend(ranked.into_iter().map(|ranked| *ranked.member));
        all
    }
}

/// A member with its rank among the usable ones: the least loaded first, then by id. Sorting moves only what ranks it.
#[derive(Clone, Debug)]
struct Ranked {
    load: Share,
    member: Box<Member>,
}

impl Ranked {
    fn new(load: Share, member: Member) -> Self {
        Self { load, member: Box::new(member) }
    }

    /// Whether it comes after an agent of that load and id.
    fn comes_after(&self, load: &Share, id: &str) -> bool {
        (&self.load, self.member.names.id()) > (load, id)
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.load.cmp(&other.load).then_with(|| self.member.names.id().cmp(other.member.names.id()))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
