//! Fewer agents (B1, B2, and A1 for scale-down).

use shared::clause::Clause;
use shared::config::ScaleDownStrategy;

use super::victims::{Choice, Victim, choose};
use super::{
    Action, ActivityStatus, Besides, Held, Lifecycle, Reason, Sight, Verdict, act, back_off, capacity, describe,
    instances, listed_capacity, nothing, refuse, seconds, signed, within,
};
use crate::marks::Direction;

impl Sight<'_> {
    pub(super) fn scale_down(&self, unit: u32, besides: &mut Besides) -> Verdict {
        let stable = self.is_stable(besides);
        if self.is_draining() {
            // Those that leave already come first: that they go is what this decision counts on.
            let (action, reason) = self.go_on_leaving(unit, besides, "".into()).unwrap_or_else(|held| held);
            if action != Action::Nothing || !besides.agents.is_empty() || !reason.text.is_empty() {
                return Err((action, reason));
            }
        }
        self.group_is_settled()?;
        self.down_cooldown()?;
        stable?;
        let group = self.group();
        let step = self.policy.limits.max_scale_down_step;
        let leaving = u32::try_from(self.decision.decommissioning_agents.len()).unwrap_or(u32::MAX);
        let step = if self.is_draining() { step.saturating_sub(leaving) } else { step };
        let wanted = self.decision.delta.unsigned_abs().min(step);
        let lowest = self.lowest(unit);
        let count = wanted.min(self.room(unit).saturating_sub(self.own_leaving_count()));
        if count == 0 {
            return nothing(
                None,
                format!(
                    "the desired capacity is {}, and the pool's and the group's min ask for {lowest}; {leaving} are leaving",
                    group.desired_capacity
                ),
            );
        }
        let verdict = match self.policy.scale_down.strategy {
            ScaleDownStrategy::DesiredCapacity => self.lower(wanted, count, unit),
            ScaleDownStrategy::LeastLoaded => self.terminate(count),
            ScaleDownStrategy::Drain { .. } => self.tell_to_leave(count, besides),
        }?;
        besides.end();
        Ok(verdict)
    }

    /// The least desired capacity that the pool, the group and the floor allow.
    fn lowest(&self, unit: u32) -> i32 {
        let floor = self.marks.floor.map_or(0, |floor| floor.instances);
        within(Some(self.policy.limits.min.max(floor)), unit, self.group().min_size, i32::max)
    }

    /// How many instances may go until then.
    pub(super) fn room(&self, unit: u32) -> u32 {
        let lowest = i64::from(self.lowest(unit));
        capacity(i64::from(self.group().desired_capacity) - lowest).unsigned_abs() / unit
    }

    /// `desired_capacity`: the group chooses.
    fn lower(&self, wanted: u32, count: u32, unit: u32) -> Verdict {
        let group = self.group();
        let may_go = |instance: &&crate::state::Instance| {
            instance.lifecycle_state == Lifecycle::InService && !instance.protected_from_scale_in
        };
        let may_go = u32::try_from(group.instances.iter().filter(may_go).count()).unwrap_or(u32::MAX);
        if may_go < count {
            // Auto Scaling would lower the capacity all the same, and terminate one as soon as its protection ends.
            return back_off(
                Clause::B2,
                format!("of the group's instances {may_go} may go, the others are protected from scale-in"),
            );
        }
        let to = capacity(i64::from(group.desired_capacity) - i64::from(count) * i64::from(unit));
        let reason = format!("{wanted} fewer wanted; the group's termination policy chooses the instance");
        act(Action::SetDesiredCapacity(to), reason)
    }

    /// `least_loaded`: the decision chooses.
    fn terminate(&self, count: u32) -> Verdict {
        let (victims, passed_over) = self.named(count)?;
        let named: Vec<String> = victims.iter().map(ToString::to_string).collect();
        let reason = format!("{count} fewer wanted: {}{passed_over}", named.join(", "));
        act(Action::Terminate(victims), reason)
    }

    /// The instances of the first agents that the decision names, at least one, and who is passed over; or what has to be
    /// looked up for that.
    pub(super) fn named(&self, count: u32) -> Result<(Vec<Victim>, String), Held> {
        let agents = &self.decision.scale_down_agents;
        if agents.is_empty() {
            return refuse(
                Clause::A1,
                "the decision names no agent to take out; a check of your own must name them in scale_down_agents, or the \
                 pool be set to scale_down_strategy = \"desired_capacity\"",
            );
        }
        match choose(agents, self.state, count) {
            Choice::LookUp(addresses) => {
                let reason = format!("looks up whose the addresses {} are", addresses.join(", "));
                Err((Action::LookUp(addresses), Reason::of(None, reason)))
            }
            Choice::Found { victims, passed_over } => {
                let passed_over = match passed_over.as_slice() {
                    [] => String::new(),
                    some => format!("; not touched: {}", some.join(", ")),
                };
                if victims.is_empty() {
                    return refuse(Clause::A1, format!("{count} fewer wanted{passed_over}"));
                }
                Ok((victims, passed_over))
            }
        }
    }

    /// B1 and B2: a decision saw the group as it is, and nothing is going on.
    pub(super) fn group_is_settled(&self) -> Result<(), Held> {
        let group = self.group();
        if group.is_suspended("Terminate") {
            return back_off(Clause::B2, "the process Terminate is suspended on the group");
        }
        if !self.state.activities_are_complete {
            return back_off(
                Clause::B2,
                "the group has more recent activities than are read; whether it is settled cannot be told",
            );
        }
        let taken_at = self.decision.snapshot_taken_at;
        if let Some(activity) = self.state.activities.iter().find(|activity| activity.start > taken_at) {
            return back_off(Clause::B1, format!("{} started after the snapshot was taken", describe(activity)));
        }
        let is_underway = |status| status == ActivityStatus::Underway;
        if let Some(activity) = self.state.activities.iter().find(|activity| is_underway(activity.status)) {
            return back_off(Clause::B2, format!("{} is underway", describe(activity)));
        }
        let is_settled = |lifecycle| matches!(lifecycle, Lifecycle::InService | Lifecycle::Aside);
        if let Some(instance) = group.instances.iter().find(|instance| !is_settled(instance.lifecycle_state)) {
            return back_off(Clause::B2, format!("instance {} is on its way in or out", instance.instance_id));
        }
        if self.coming > 0 {
            return back_off(Clause::B2, format!("{} coming", instances(self.coming)));
        }
        if listed_capacity(group) > i64::from(group.desired_capacity) {
            return back_off(
                Clause::B2,
                "the group has more instances than it is asked for, it will end some by itself",
            );
        }
        if self.state.instance_refresh_underway != Some(false) {
            return back_off(Clause::B2, "an instance refresh is underway");
        }
        Ok(())
    }

    /// B2: the group has just settled.
    fn down_cooldown(&self) -> Result<(), Held> {
        let ended = self.state.activities.iter().filter_map(|activity| activity.end).max();
        self.cooldown(Clause::B2, ended, self.policy.timing.scale_down_cooldown, "activity")
    }

    /// B2: decisions have said so for long enough. The row grows whatever else stands in the way.
    fn is_stable(&self, besides: &mut Besides) -> Result<(), Held> {
        let stable_for = signed(self.policy.scale_down.stable_for);
        if stable_for.is_zero() {
            return Ok(());
        }
        let since = besides.join(Direction::Down, self);
        let lasted = self.now.duration_since(since);
        if lasted >= stable_for {
            return Ok(());
        }
        back_off(
            Clause::B2,
            format!(
                "fewer agents have been wanted for {} without a break, scale_down_stable_for is {}",
                seconds(lasted),
                seconds(stable_for)
            ),
        )
    }
}
