//! The pods of a framework, while its tasks and executors are read in any order.
//!
//! A pod starts as a whole on one agent: no other agent can run some of its containers. So it counts as one task, with all that its
//! containers and its executor take. Marathon names the instance in the ids of both. Tasks of other frameworks count one by one: those of an
//! executor of their own may be unrelated, and start again apart from each other.

use shared::resources::Resources;

/// How many parts of pods are kept: more than Marathon runs. Beyond that they are counted as they are known, which takes a pod with more of
/// them to come for two.
const MAX_PARTS: usize = 1 << 18;

/// The parts, in any order.
#[derive(Clone, Debug, Default)]
pub(super) struct Pods(Vec<Part>);

/// A part of a pod, or all of them that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) instance: u128,
    /// The numbers of its agent and its role.
    pub(super) agent: u32,
    pub(super) role: u32,
    pub(super) of: Of,
    pub(super) resources: Resources,
}

/// What a part is, containers first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    /// A container of that application.
    Container(u32),
    Executor,
}

impl Pods {
    pub(super) fn add(&mut self, part: Part) {
        self.0.push(part);
    }

    pub(super) fn are_full(&self) -> bool {
        self.0.len() >= MAX_PARTS
    }

    /// The pods, each as one part. An executor of which no container is known is one by itself.
    pub(super) fn into_whole(self) -> impl Iterator<Item = Part> {
        let Self(mut parts) = self;
        parts.sort_unstable();
        parts.dedup_by(|next, kept| {
            let is_with = next.is_with(kept);
            if is_with {
                kept.resources += next.resources;
            }
            is_with
        });
        parts.into_iter()
    }
}

impl Part {
    /// Whether it belongs to the same pod as one that is before it.
    fn is_with(&self, before: &Self) -> bool {
        let pod = |part: &Self| (part.instance, part.agent, part.role);
        pod(self) == pod(before) && (self.of == before.of || self.of == Of::Executor)
    }
}
