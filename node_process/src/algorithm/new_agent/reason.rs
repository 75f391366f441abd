//! A in words: what new agents have instead of what is believed.

use std::fmt;

use serde::Serialize;
use shared::resources::{Amount, Kind, Resources};

/// What the agents that registered last have less of than is believed of a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refuted {
    /// Who says what a new agent has.
    pub(crate) source: Source,
    /// The kinds of which they have less.
    pub(crate) less: Vec<Less>,
}

/// Who says what a new agent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// The setting `new_agent`.
    Setting,
    /// Most agents of the pool.
    Pool,
}

/// One kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Less {
    /// The kind.
    pub(crate) kind: Kind,
    /// What is believed.
    pub(crate) believed: Amount,
    /// What they have.
    pub(crate) has: Amount,
}

impl Refuted {
    pub(super) fn new(source: Source, believed: &Resources, has: &Resources) -> Self {
        let of = |kind: Kind| Less { kind, believed: believed.get(kind), has: has.get(kind) };
        let less = Kind::ALL.into_iter().map(of).filter(|less| less.has < less.believed).collect();
        Self { source, less }
    }
}

impl fmt::Display for Refuted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let believed: Vec<String> = self.less.iter().map(|less| less.kind.quantity(less.believed)).collect();
        let has: Vec<String> = self.less.iter().map(|less| less.kind.quantity(less.has)).collect();
        let (believed, has) = (believed.join(" and "), has.join(" and "));
        match self.source {
            Source::Setting => write!(
                f,
                "new_agent says {believed}, but the agents that registered last have {has} without reservations; a new agent counts with that; correct new_agent"
            ),
            Source::Pool => write!(
                f,
                "most agents have {believed}, but the agents that registered last have {has} without reservations; a new agent counts with that"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_new_agents_have_less_of_is_named_a() {
        let resources = |cpus: u64, mem: u64| Resources {
            cpus: Amount::from_thousandths(1000 * cpus),
            mem: Amount::from_thousandths(1000 * mem),
            ..Resources::ZERO
        };
        let text = |source, has| Refuted::new(source, &resources(4, 16_384), &has).to_string();
        assert_eq!(
            text(Source::Setting, resources(4, 14_861)),
            "new_agent says 16384 MB mem, but the agents that registered last have 14861 MB mem without reservations; a new agent counts with that; correct new_agent"
        );
        assert_eq!(
            text(Source::Pool, resources(2, 8_000)),
            "most agents have 4 cpus and 16384 MB mem, but the agents that registered last have 2 cpus and 8000 MB mem without reservations; a new agent counts with that"
        );
    }
}
