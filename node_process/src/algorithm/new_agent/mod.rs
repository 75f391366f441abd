//! A: what one more agent would have. What the setting says, or the pool suggests, is a belief: the agents that registered
//! last are evidence, and where the two differ, the evidence counts.

mod asked;
pub(super) mod reason;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::SignedDuration;
use shared::config::Policy;
use shared::contract::{AgentShape, AgentState, ClusterSnapshot, LatestAgent};
use shared::resources::{Amount, Kind, Resources};

pub(super) use asked::is_asked;
use reason::{Refuted, Source};

/// What an agent brings when it comes: its total to T, its unreserved part as free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NewAgent {
    pub(super) total: Resources,
    pub(super) unreserved: Resources,
}

impl NewAgent {
    /// Whether it would hold such a task when it is empty. Mesos offers agents with gpus only to frameworks that know of
    /// gpus (`filter_gpu_resources`).
    pub(super) fn holds(&self, task: &Resources, is_gpu_aware: bool) -> bool {
        task.fits_in(&self.unreserved) && (is_gpu_aware || self.total.gpus.is_zero())
    }

    /// The same where some of its unreserved part is taken.
    pub(super) fn without(&self, taken: &Resources) -> Self {
        Self { unreserved: self.unreserved.saturating_sub(taken), ..*self }
    }

    /// Of each kind the smaller amount.
    fn at_most(&self, agent: &LatestAgent) -> Self {
        let smaller = |a: &Resources, b: &Resources| Resources::from_fn(|kind| a.get(kind).min(b.get(kind)));
        Self { total: smaller(&self.total, &agent.total), unreserved: smaller(&self.unreserved, &agent.unreserved) }
    }
}

/// What is believed of new agents, and what counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Belief {
    /// A: what counts; `None` where nothing says what an agent has.
    pub(super) counts: Option<NewAgent>,
    /// What is believed, where less of something counts.
    larger: Option<NewAgent>,
    /// Whether the agents that registered last have less than is believed, by more than a sixteenth.
    pub(super) refuted: Option<Refuted>,
    /// Whether the instance type may have changed since they registered: that was long ago, and none has been tried lately.
    is_stale: bool,
    /// The agents that show what an agent has now: those of the latest that registered within the last hour.
    evidence: Vec<String>,
}

/// Until then the agents that registered last show what an agent has now.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

impl Belief {
    pub(super) fn of(snapshot: &ClusterSnapshot, policy: &Policy) -> Self {
        let set = policy.new_agent.map(|total| (NewAgent { total, unreserved: total }, Source::Setting));
        let suggested = || suggested(snapshot).map(|agent| larger(&agent, &snapshot.latest_agents).unwrap_or(agent));
        let Some((believed, source)) = set.or_else(|| suggested().map(|agent| (agent, Source::Pool))) else {
            return Self::default();
        };
        let Some(latest) = snapshot.latest_agents.first() else {
            return Self { counts: Some(believed), ..Self::default() };
        };
        let supports = |agent: &&LatestAgent| has_nearly(&agent.unreserved, &believed.unreserved);
        let supporter = snapshot.latest_agents.iter().find(supports);
        let counts = match supporter {
            Some(agent) => believed.at_most(agent),
            // A real one, which has all that it has at once.
            None => {
                let largest = snapshot.latest_agents.iter().min_by_key(|agent| Reverse(nearness(agent, &believed)));
                believed.of_kind(largest.unwrap_or(latest))
            }
        };
        let is_less = |kind: &Kind| counts.unreserved.get(*kind) < believed.unreserved.get(*kind);
        let is_fresh = |agent: &&LatestAgent| snapshot.taken_at.duration_since(agent.registered_at) <= FRESH;
        Self {
            counts: Some(counts),
            larger: Kind::ALL.iter().any(is_less).then_some(believed),
            refuted: supporter.is_none().then(|| Refuted::new(source, &believed.unreserved, &counts.unreserved)),
            is_stale: !is_fresh(&latest) && !snapshot.group.as_ref().is_some_and(|group| group.tried),
            evidence: snapshot.latest_agents.iter().filter(is_fresh).map(|agent| agent.agent_id.clone()).collect(),
        }
    }

    /// Whether only an agent as it is believed would hold such a task.
    pub(super) fn only_larger_holds(&self, task: &Resources) -> bool {
        let fits = |agent: NewAgent| task.fits_in(&agent.unreserved);
        self.larger.is_some_and(fits) && !self.counts.is_some_and(fits)
    }

    /// Whether a new agent would not hold such a task.
    pub(super) fn is_too_small_for(&self, task: &Resources) -> bool {
        self.counts.is_some_and(|agent| !task.fits_in(&agent.unreserved))
    }

    /// How much of a kind is believed.
    pub(super) fn believed(&self, kind: Kind) -> Option<Amount> {
        self.larger.map(|agent| agent.unreserved.get(kind))
    }

    /// Whether one agent may be tried for what only a larger one would hold: since the last one registered, the instance type
    /// may have changed.
    pub(super) const fn may_try(&self) -> bool {
        self.is_stale && self.larger.is_some()
    }

    /// Whether the agent shows what an agent has now. Without it an older one would count, and the next decision would buy one
    /// more. Each shows it for an hour, so agents that join now and then keep no others.
    pub(super) fn is_evidence(&self, agent: &str) -> bool {
        self.evidence.iter().any(|own| own == agent)
    }
}

impl NewAgent {
    /// An agent like that one, in the kinds that are believed in: the setting may leave out kinds that do not matter.
    fn of_kind(&self, agent: &LatestAgent) -> Self {
        let only = |own: &Resources, has: &Resources| {
            Resources::from_fn(|kind| if own.get(kind).is_zero() { Amount::ZERO } else { has.get(kind) })
        };
        Self { total: only(&self.total, &agent.total), unreserved: only(&self.total, &agent.unreserved) }
    }
}

/// What the pool suggests: the commonest shape of its usable agents, of equally common ones the smaller; without any, that of
/// the agents that are decommissioning.
fn suggested(snapshot: &ClusterSnapshot) -> Option<NewAgent> {
    let usable = snapshot.agent_shapes.iter();
    let usable = usable.map(|AgentShape { count, total, unreserved, .. }| (*total, *unreserved, u64::from(*count)));
    let leaving = snapshot.scale_down_candidates.iter().filter(|agent| agent.state != AgentState::Active);
    let leaving = leaving.map(|agent| (agent.total, agent.unreserved, 1));
    commonest(usable).or_else(|| commonest(leaving))
}

fn commonest(shapes: impl Iterator<Item = (Resources, Resources, u64)>) -> Option<NewAgent> {
    let mut counts: BTreeMap<(Resources, Resources), u64> = BTreeMap::new();
    for (total, unreserved, count) in shapes.filter(|(.., count)| *count > 0) {
        *counts.entry((total, unreserved)).or_default() += count;
    }
    // Of several maxima `max_by_key` takes the last: from the largest down, that is the smallest.
    let ((total, unreserved), _) = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
    Some(NewAgent { total, unreserved })
}

/// What the group launches now, where each of the agents that registered last has all that the others of the pool suggest, and more
/// of something by a sixteenth of it: of each kind the least of them.
fn larger(suggested: &NewAgent, latest: &[LatestAgent]) -> Option<NewAgent> {
    let is_larger = |agent: &LatestAgent| {
        has_nearly(&agent.unreserved, &suggested.unreserved) && !has_nearly(&suggested.unreserved, &agent.unreserved)
    };
    let (first, others) = latest.split_first().filter(|_| latest.iter().all(is_larger))?;
    let first = NewAgent { total: first.total, unreserved: first.unreserved };
    Some(others.iter().fold(first, |least, agent| least.at_most(agent)))
}

/// Whether an agent has that much of every kind, but for a sixteenth.
fn has_nearly(has: &Resources, believed: &Resources) -> bool {
    Kind::ALL.into_iter().all(|kind| {
        let believed = believed.get(kind).thousandths();
        has.get(kind).thousandths() >= believed - believed / 16
    })
}

/// How near an agent comes to what is believed: the least share of a kind that it has, then all of it.
fn nearness(agent: &LatestAgent, believed: &NewAgent) -> (u128, Resources, Resources) {
    let share = |kind: Kind| {
        let has = u128::from(agent.unreserved.get(kind).thousandths()) << 32;
        has.checked_div(believed.unreserved.get(kind).thousandths().into())
    };
    let least = Kind::ALL.into_iter().filter_map(share).min().unwrap_or_default();
    (least, agent.unreserved, agent.total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, NOON, policy, resources};

    /// A snapshot of a pool in which these agents registered, so many minutes ago each.
    fn registered(agents: &[(i64, Resources, Resources)]) -> ClusterSnapshot {
        let mut snapshot = Cluster::of(4, resources(4, 14_000)).snapshot();
        snapshot.latest_agents = (0..)
            .zip(agents)
            .map(|(number, (minutes, total, unreserved)): (u32, _)| LatestAgent {
                registered_at: NOON - SignedDuration::from_mins(*minutes),
                total: *total,
                unreserved: *unreserved,
                agent_id: format!("S{number}"),
            })
            .collect();
        snapshot
    }

    fn plain(minutes: i64, resources: Resources) -> (i64, Resources, Resources) {
        (minutes, resources, resources)
    }

    fn belief(agents: &[(i64, Resources, Resources)], settings: &str) -> Belief {
        Belief::of(&registered(agents), &policy(settings).unwrap())
    }

    fn counts(belief: &Belief) -> Resources {
        belief.counts.unwrap().unreserved
    }

    const SETTING: &str = "new_agent = { cpus = 4, mem = 16384 }";

    #[test]
    fn the_commonest_shape_is_believed_or_the_smaller_of_two_a() {
        let of = |cluster: Cluster, settings: &str| {
            let mut snapshot = cluster.snapshot();
            snapshot.latest_agents.clear();
            Belief::of(&snapshot, &policy(settings).unwrap()).counts.map(|agent| agent.total)
        };
        let (small, large) = (resources(4, 14_000), resources(8, 28_000));
        assert_eq!(of(Cluster::of(2, large).and(3, small), ""), Some(small));
        assert_eq!(of(Cluster::of(3, large).and(2, small), ""), Some(large));
        assert_eq!(of(Cluster::of(2, large).and(2, small), ""), Some(small));
        assert_eq!(of(Cluster::of(2, small), "new_agent = { cpus = 8, mem = 28000 }"), Some(large));
        assert_eq!(of(Cluster::default(), ""), None);
        // Without usable agents, those that leave show what an agent has.
        assert_eq!(of(Cluster::of(1, large).with_state(0, AgentState::Draining), ""), Some(large));
        // A shape of which there is none says nothing.
        let mut snapshot = Cluster::of(1, large).snapshot();
        snapshot.agent_shapes[0].count = 0;
        assert_eq!(Belief::of(&snapshot, &policy("").unwrap()).counts, None);
    }

    #[test]
    fn agents_that_registered_last_refute_the_setting_beyond_a_sixteenth_a() {
        // Of 16384 MB, 15360 are a sixteenth less.
        for (mem, is_refuted) in [(14_861, true), (15_359, true), (15_360, false), (16_384, false), (20_000, false)] {
            let belief = belief(&[plain(5, resources(4, mem))], SETTING);
            assert_eq!((counts(&belief), belief.refuted.is_some()), (resources(4, mem.min(16_384)), is_refuted));
            assert_eq!(belief.only_larger_holds(&resources(1, 16_000)), mem < 16_000, "{mem}");
        }
        assert_eq!(counts(&belief(&[], SETTING)), resources(4, 16_384), "no agent is no evidence");
        let unset = belief(&[plain(5, resources(2, 14_000))], "");
        assert_eq!((counts(&unset), unset.refuted.is_some()), (resources(2, 14_000), true), "the commonest shape");
    }

    #[test]
    fn what_all_that_registered_last_have_more_of_is_believed_where_nothing_is_set_a() {
        let belief = |agents: &[Resources]| belief(&agents.iter().map(|of| plain(5, *of)).collect::<Vec<_>>(), "");
        // The commonest shape is of 4 cpus and 14000 MB.
        for (agents, expected) in [
            (&[resources(8, 28_000)][..], resources(8, 28_000)),
            (&[resources(8, 28_000), resources(16, 14_000), resources(5, 30_000)], resources(5, 14_000)),
            (&[resources(4, 15_000)], resources(4, 15_000)),
            // Less than a sixteenth more, or one that is no larger.
            (&[resources(4, 14_900)], resources(4, 14_000)),
            (&[resources(8, 28_000), resources(4, 14_000)], resources(4, 14_000)),
            (&[resources(8, 28_000), resources(8, 13_000)], resources(4, 14_000)),
        ] {
            let belief = belief(agents);
            assert_eq!((counts(&belief), &belief.refuted, belief.larger), (expected, &None, None), "{agents:?}");
        }
    }

    #[test]
    fn one_agent_must_have_all_of_it_and_the_largest_counts_a() {
        let (much_cpu, much_mem) = (resources(4, 8_000), resources(2, 16_384));
        let belief = |agents: &[Resources]| belief(&agents.iter().map(|of| plain(5, *of)).collect::<Vec<_>>(), SETTING);
        let mixed = belief(&[much_mem, much_cpu]);
        assert_eq!((counts(&mixed), mixed.refuted.is_some()), (much_mem, true));
        assert_eq!(counts(&belief(&[resources(1, 1_000), resources(3, 12_000), much_cpu])), resources(3, 12_000));
        assert!(belief(&[much_cpu, resources(4, 16_384)]).refuted.is_none());
    }

    #[test]
    fn reserved_parts_of_new_agents_are_not_free_a() {
        let reserved = belief(&[(5, resources(4, 16_384), Resources::ZERO)], SETTING);
        let agent = reserved.counts.unwrap();
        assert_eq!((agent.total, agent.unreserved), (resources(4, 16_384), Resources::ZERO));
        assert!(reserved.refuted.is_some() && reserved.only_larger_holds(&resources(1, 100)));
    }

    #[test]
    fn one_agent_may_be_tried_after_an_hour_a() {
        let at = |minutes| belief(&[plain(minutes, resources(4, 14_861))], SETTING);
        assert_eq!((at(60).may_try(), at(60).is_evidence("S0")), (false, true));
        assert_eq!((at(61).may_try(), at(61).is_evidence("S0")), (true, false));
        let true_belief = belief(&[plain(61, resources(4, 16_384))], SETTING);
        assert_eq!((true_belief.may_try(), true_belief.is_evidence("S0")), (false, false));
        let alone = belief(&[plain(5, resources(4, 16_384))], SETTING);
        assert!(alone.is_evidence("S0") && alone.is_too_small_for(&resources(5, 100)));
    }

    #[test]
    fn each_agent_is_evidence_for_an_hour_a() {
        let ages = [plain(1, resources(2, 8_000)), plain(60, resources(2, 8_000)), plain(61, resources(2, 8_000))];
        let belief = belief(&ages, SETTING);
        assert_eq!(["S0", "S1", "S2", "S3"].map(|agent| belief.is_evidence(agent)), [true, true, false, false]);
    }

    #[test]
    fn kinds_that_the_setting_leaves_out_stay_left_out_a() {
        let disk = |resources: Resources| Resources { disk: Amount::from_thousandths(9_000), ..resources };
        let refuted = belief(&[plain(5, disk(resources(2, 8_000)))], SETTING);
        assert_eq!(counts(&refuted), resources(2, 8_000));
    }
}
