//! H9: by how much applications must be able to grow: by X%, or by what the pool has learned of its demand.

use std::fmt;

use jiff::SignedDuration;
use serde::Serialize;
use shared::config::Confidence;
use shared::contract::ClusterSnapshot;
use shared::time::compact;

use super::capacity::Pool;

/// A part of the tasks of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    part: u128,
    whole: u128,
}

impl Rate {
    pub(super) const fn percent(percent: u32) -> Self {
        Self { part: percent as u128, whole: 100 }
    }

    pub(super) const fn is_zero(self) -> bool {
        self.part == 0
    }

    /// That part of an amount, a hundredfold: exact for a percentage, else rounded up.
    pub(super) const fn hundredfold(self, amount: u128) -> u128 {
        100_u128.saturating_mul(self.part).saturating_mul(amount).div_ceil(self.whole)
    }

    /// That part of so many, rounded down.
    pub(super) fn floor(self, count: u64) -> u64 {
        u64::try_from(self.part.saturating_mul(count.into()) / self.whole).unwrap_or(u64::MAX)
    }

    /// That part of so many, rounded up.
    pub(super) fn ceil(self, count: u64) -> u64 {
        u64::try_from(self.part.saturating_mul(count.into()).div_ceil(self.whole)).unwrap_or(u64::MAX)
    }
}

/// H1, H9: by how much the application of that name must be able to grow.
pub(super) fn rate_of(pool: &Pool<'_>, application: &str) -> Rate {
    match (pool.policy.settings_of(application).headroom_percent, learned(pool)) {
        (Some(percent), _) => Rate::percent(percent),
        (None, Some(learned)) => learned.rate(pool.points),
        (None, None) => Rate::percent(pool.policy.headroom.percent),
    }
}

/// H9: what the pool has learned; `None` where that is not known.
pub(super) fn learned(pool: &Pool<'_>) -> Option<Learned> {
    let learning = pool.policy.learning?;
    Some(Learned {
        confidence: learning.confidence,
        boot_time: learning.boot_time.try_into().unwrap_or(SignedDuration::MAX),
        // Asked for more points, X has them already.
        percent: pool.policy.headroom.percent.saturating_sub(pool.points),
        ..Learned::of(pool.snapshot, pool.policy.timing.schedule_period.try_into().unwrap_or(SignedDuration::MAX))?
    })
}

/// D1, D8: whether what has been learned says alone how many agents may go: where they are closed first, so that they can be
/// reactivated.
pub(super) fn replaces_threshold(pool: &Pool<'_>) -> bool {
    pool.closes && learned(pool).is_some()
}

/// What a pool has learned, and what counts without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Learned {
    /// W, in eighths of a new agent.
    pub demand: u32,
    /// G, likewise.
    pub grow: u32,
    /// What of it is kept free: none beyond the highest demand.
    pub room: u32,
    /// How many runs have been learned from.
    pub samples: u32,
    /// M, in eighths of a new agent, where G is of the runs on W's side of it alone. 0: of all runs.
    pub mean: u32,
    /// How long they took.
    pub span: SignedDuration,
    /// `learn`: of how many runs the growth found room in G.
    pub confidence: Confidence,
    /// `boot_time`
    pub boot_time: SignedDuration,
    /// X.
    pub percent: u32,
}

impl Learned {
    /// What the snapshot says, at the confidence that is suggested.
    pub(super) fn of(snapshot: &ClusterSnapshot, period: SignedDuration) -> Option<Self> {
        let growth = snapshot.growth?;
        let (grow, demand) = growth.known()?;
        Some(Self {
            demand,
            grow,
            room: growth.room(grow),
            samples: growth.samples,
            mean: growth.mean,
            span: period.saturating_mul(i32::try_from(growth.samples).unwrap_or(i32::MAX)),
            confidence: Confidence::SUGGESTED,
            boot_time: SignedDuration::from_mins(3),
            percent: 0,
        })
    }

    /// H9: the larger of X% and G / W, each so many points of a percent more.
    fn rate(&self, points: u32) -> Rate {
        let points = u128::from(points);
        if self.counts() {
            let whole = 100 * u128::from(self.demand);
            Rate { part: 100 * u128::from(self.room) + points * u128::from(self.demand), whole }
        } else {
            Rate { part: u128::from(self.percent) + points, whole: 100 }
        }
    }

    /// Whether it is more than X%.
    #[must_use]
    pub fn counts(&self) -> bool {
        100 * u64::from(self.room) > u64::from(self.percent) * u64::from(self.demand)
    }

    /// What is kept free of W, in tenths of a percent, rounded.
    fn tenths(&self) -> u64 {
        let demand = u64::from(self.demand).max(1);
        (2_000 * u64::from(self.room) + demand) / (2 * demand)
    }
}

/// Such as `in 98% of 1000 runs over 16h40m demand grew by at most 6/8 of an agent in 3m: headroom 11.1%, 10% without learn`. Of runs on
/// one side of the mean: `in 98% of runs above the mean demand, of 1000 over 16h40m, it grew by`.
impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { confidence, samples, grow, percent, .. } = self;
        let (span, boot_time) = (compact(self.span), compact(self.boot_time));
        let capped = if self.room < *grow { " up to the highest demand" } else { "" };
        match (self.mean, self.demand > self.mean) {
            (0, _) => write!(f, "in {confidence}% of {samples} runs over {span} demand")?,
            (_, true) => write!(f, "in {confidence}% of runs above the mean demand, of {samples} over {span}, it")?,
            (_, false) => write!(f, "in {confidence}% of runs up to the mean demand, of {samples} over {span}, it")?,
        }
        f.write_str(" grew by at most ")?;
        match (grow / 8, grow % 8) {
            (0, 0) => f.write_str("nothing")?,
            (0, eighths) => write!(f, "{eighths}/8 of an agent")?,
            (1, 0) => f.write_str("1 agent")?,
            (agents, 0) => write!(f, "{agents} agents")?,
            (agents, eighths) => write!(f, "{agents} {eighths}/8 agents")?,
        }
        let learned = format!("{}.{}%", self.tenths() / 10, self.tenths() % 10);
        if self.counts() {
            write!(f, " in {boot_time}: headroom {learned}{capped}, {percent}% without learn")
        } else {
            write!(f, " in {boot_time}: headroom {percent}%, since {learned}{capped} is less")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::{GroupMembers, Growth};

    fn snapshot(grow: Option<u32>, demand: u32) -> ClusterSnapshot {
        let mut snapshot = Cluster::of(9, resources(8, 28_000)).running("/a", 54, resources(1, 1_000)).snapshot();
        snapshot.growth = Some(Growth { demand, grow, samples: 1_000, ..Growth::default() });
        snapshot
    }

    fn rate(snapshot: &ClusterSnapshot, settings: &str, application: &str) -> Rate {
        rate_of(&Pool::new(snapshot, &policy(settings).unwrap()), application)
    }

    #[test]
    fn the_larger_of_both_is_needed_h9() {
        let worked = snapshot(Some(6), 54);
        let learned = rate(&worked, "learn = 98", "/a");
        // 27 tasks grow by 3, 8 by none, and their remainder is 48/54 of a task.
        assert_eq!((learned.floor(27), learned.floor(8)), (3, 0));
        assert_eq!(learned.hundredfold(8 * 5_400), 100 * 4_800);
        assert_eq!(rate(&worked, "learn = 98\napplication_headroom_percent = 11", "/a").hundredfold(54), 600);
        assert_eq!(rate(&worked, "learn = 98\napplication_headroom_percent = 12", "/a"), Rate::percent(12));
        assert_eq!(rate(&worked, "", "/a"), Rate::percent(10), "it does not learn");
        let own = "learn = 98\napplications.\"/a\".application_headroom_percent = 1";
        assert_eq!(rate(&worked, own, "/a"), Rate::percent(1), "its own percentage");
        for unknown in [snapshot(None, 54), snapshot(Some(5), 54), snapshot(Some(6), 0)] {
            assert_eq!(rate(&unknown, "learn = 98", "/a"), Rate::percent(10));
        }
    }

    #[test]
    fn no_room_is_kept_beyond_the_highest_demand_h9() {
        let with_highest = |highest| {
            let mut snapshot = snapshot(Some(12), 54);
            snapshot.growth = snapshot.growth.map(|growth| Growth { highest, ..growth });
            snapshot
        };
        let hundredfold = |highest| rate(&with_highest(highest), "learn = 98", "/a").hundredfold(54);
        assert_eq!([hundredfold(0), hundredfold(66), hundredfold(60)], [1_200, 1_200, 600]);
        assert_eq!(rate(&with_highest(54), "learn = 98", "/a"), Rate::percent(10), "X is the floor");
        let (snapshot, policy) = (with_highest(60), policy("learn = 98").unwrap());
        let text = learned(&Pool::new(&snapshot, &policy)).unwrap().to_string();
        assert!(text.ends_with("headroom 11.1% up to the highest demand, 10% without learn"), "{text}");
    }

    #[test]
    fn tasks_repeat_where_demand_more_than_doubles_h9() {
        let rate = rate(&snapshot(Some(24), 16), "learn = 98", "/a");
        assert_eq!((rate.floor(5), rate.ceil(5)), (7, 8));
    }

    #[test]
    fn ten_points_more_are_more_of_either_d7() {
        let (snapshot, policy) = (snapshot(Some(6), 54), policy("learn = 98").unwrap());
        let pool = Pool::new(&snapshot, &policy);
        let earlier = policy.with(|policy| policy.headroom.percent += 10);
        // 6/54 and a tenth are 600/5400 and 540/5400.
        assert_eq!(rate_of(&pool.asking_earlier(&earlier, 10), "/a").hundredfold(5_400), 100 * 1_140);
        let high = policy.with(|policy| policy.headroom.percent = 30);
        let pool = Pool::new(&snapshot, &high);
        assert_eq!(rate_of(&pool.asking_earlier(&high, 10), "/a").hundredfold(100), 3_000);
    }

    #[test]
    fn the_reason_says_what_was_learned_h9() {
        let text = |grow, settings: &str| {
            let (snapshot, policy) = (snapshot(Some(grow), 54), policy(settings).unwrap());
            learned(&Pool::new(&snapshot, &policy)).unwrap().to_string()
        };
        assert_eq!(
            text(6, "learn = 98"),
            "in 98% of 1000 runs over 16h40m demand grew by at most 6/8 of an agent in 3m: headroom 11.1%, 10% without learn"
        );
        assert_eq!(
            text(12, "learn = 99.5\nboot_time = \"5m\"\napplication_headroom_percent = 30"),
            "in 99.5% of 1000 runs over 16h40m demand grew by at most 1 4/8 agents in 5m: headroom 30%, since 22.2% is less"
        );
        let side = |mean| {
            let mut snapshot = snapshot(Some(6), 54);
            snapshot.growth = snapshot.growth.map(|growth| Growth { mean, ..growth });
            learned(&Pool::new(&snapshot, &policy("learn = 98").unwrap())).unwrap().to_string()
        };
        let rest = "the mean demand, of 1000 over 16h40m, it grew by at most 6/8 of an agent in 3m: headroom 11.1%, 10% without learn";
        assert_eq!(side(53), format!("in 98% of runs above {rest}"));
        assert_eq!(side(54), format!("in 98% of runs up to {rest}"));
    }

    #[test]
    fn the_threshold_does_not_apply_where_agents_are_closed_d1() {
        let replaces = |snapshot: &ClusterSnapshot, settings: &str| {
            replaces_threshold(&Pool::new(snapshot, &policy(settings).unwrap()))
        };
        let known = snapshot(Some(6), 54);
        assert!(replaces(&known, "learn = 98"));
        assert!(!replaces(&known, "learn = 98\nscale_down_strategy = \"least_loaded\""));
        assert!(!replaces(&snapshot(None, 54), "learn = 98"), "nothing is learned yet");
        assert!(!replaces(&known, "scale_down_strategy = \"drain\""));
        let mut old = known;
        old.source.mesos_version = "1.8.1".to_owned();
        assert!(!replaces(&old, "learn = 98"), "Mesos before 1.9 cannot close agents");
        old.source.mesos_version = "1.11.0".to_owned();
        old.group = Some(GroupMembers { closing_refused: true, ..GroupMembers::default() });
        assert!(!replaces(&old, "learn = 98"), "the masters refused it");
    }
}
