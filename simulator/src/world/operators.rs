//! What people, and other programs of theirs, do to a group and its agents; and how they undo it.

use std::collections::BTreeSet;

use cluster::group::{Lifecycle, Refresh};
use cluster::{Capacity, Mode, Operation};
use jiff::{SignedDuration, Timestamp};
use node_scale::group_tags::{FLOOR, PAUSE_UNTIL, PREFIX};
use shared::random::SplitMix64;
use shared::resources::{Amount, Resources};

use super::World;
use super::events::Event;
use super::faults::Later;
use crate::MINUTE;
use crate::fault::Fault;

/// What operators have done and not yet undone.
#[derive(Debug, Default)]
pub(crate) struct Interventions {
    /// Instances whose agents they deactivated.
    pub(crate) deactivated: BTreeSet<String>,
    /// Instances that they put in standby.
    standby: BTreeSet<String>,
    /// Agents that claim the instance of another one, with their own.
    claims: Vec<(u32, String)>,
    /// Agents whose processes have ended, and whose instances they have not replaced.
    pub(super) ended: BTreeSet<u32>,
    /// Instances that a failed hook keeps.
    retained: BTreeSet<String>,
    /// The limits of the group, as they were.
    limits: Option<(i32, i32)>,
}

impl World<'_> {
    /// People, or programs of theirs, intervene.
    pub(super) fn intervene(&mut self, fault: Fault, random: &mut SplitMix64) {
        let lasts = 5 * MINUTE + random.below(55 * MINUTE);
        let time = self.time();
        match fault {
            Fault::OperatorDeactivates => self.deactivate_one(random),
            Fault::OperatorPauses => {
                let until = match random.below(3) {
                    0 => in_minutes(time, 20),
                    1 => "forever".to_owned(),
                    _ => "until monday".to_owned(),
                };
                self.pool.group.tags.insert(PAUSE_UNTIL.to_owned(), until);
            }
            Fault::OperatorFloors => {
                let instances = 1 + random.below(u64::from(self.setup.max));
                let floor = match random.below(3) {
                    0 => format!("{instances} {}", in_minutes(time, 30)),
                    1 => format!("{instances} forever"),
                    _ => "a few".to_owned(),
                };
                self.pool.group.tags.insert(FLOOR.to_owned(), floor);
            }
            Fault::OperatorLimits => {
                let (min, max) = (self.pool.group.min, self.pool.group.max);
                self.interventions.limits.get_or_insert((min, max));
                let desired = self.pool.group.desired();
                // Auto Scaling keeps the desired capacity within the limits.
                self.pool.group.max = desired.max(1) + i32::try_from(random.below(4)).unwrap_or(0);
                self.pool.group.min = (desired - i32::try_from(random.below(4)).unwrap_or(0)).max(0);
            }
            Fault::OperatorTags => self.edit_a_tag(random),
            Fault::OtherAutoscaler => {
                let (min, max) = (self.pool.group.min, self.pool.group.max);
                let span = u64::try_from(max - min + 1).unwrap_or(1);
                let desired = min + i32::try_from(random.below(span)).unwrap_or(0);
                self.pool.set_desired(u32::try_from(desired).unwrap_or(0), time);
                self.advance_group();
            }
            Fault::SuspendedProcess => {
                let process = random.pick(["Launch", "Terminate"]);
                self.pool.group.suspended.insert(process.to_owned());
            }
            Fault::Standby => self.put_in_standby(random),
            Fault::Protection => {
                if let Some(id) = self.pool.any_in_service(random) {
                    let own = self.pool.group.instances_mut().iter_mut().filter(|instance| instance.id == id);
                    own.for_each(|instance| instance.protected = true);
                }
            }
            Fault::InstanceRefresh => {
                let refresh = Refresh { id: format!("r-{}", self.now), status: "InProgress".to_owned(), start: time };
                self.pool.group.refreshes.insert(0, refresh);
            }
            Fault::SpotWaits => self.pool.group.behavior.spot_waits = true,
            Fault::SharedIdentity => self.share_an_identity(random),
            Fault::RetainedInstance => self.retain_one(random),
            Fault::InstanceType => {
                let half = |of: &Resources| {
                    Resources::from_fn(|kind| Amount::from_thousandths(of.get(kind).thousandths() / 2))
                };
                let agent = &self.setup.agent;
                self.pool.new_agent = match random.below(3) {
                    0 => agent.clone(),
                    1 => sized(agent, half),
                    _ => sized(agent, |of| of.times(2)),
                };
                return;
            }
            _ => return,
        }
        self.events.push(self.now + lasts, Event::Later(Later::Undo(fault)));
    }

    /// They undo it.
    pub(super) fn undo(&mut self, fault: Fault) {
        let time = self.time();
        match fault {
            Fault::OperatorDeactivates => {
                // One that is away is reactivated when it is back.
                let mut deactivated = std::mem::take(&mut self.interventions.deactivated);
                deactivated.retain(|id| !self.reactivate(id, time));
                self.interventions.deactivated = deactivated;
            }
            Fault::OperatorPauses => drop(self.pool.group.tags.remove(PAUSE_UNTIL)),
            Fault::OperatorFloors => drop(self.pool.group.tags.remove(FLOOR)),
            Fault::OperatorLimits => {
                if let Some((min, max)) = self.interventions.limits.take() {
                    (self.pool.group.min, self.pool.group.max) = (min, max);
                    // Auto Scaling keeps the desired capacity within the limits.
                    self.pool.set_desired(self.pool.desired(), time);
                }
            }
            Fault::SuspendedProcess => self.pool.group.suspended.clear(),
            Fault::Standby => self.return_from_standby(time),
            Fault::Protection => {
                self.pool.group.instances_mut().iter_mut().for_each(|instance| instance.protected = false);
            }
            Fault::InstanceRefresh => {
                let refreshes = &mut self.pool.group.refreshes;
                refreshes.iter_mut().for_each(|refresh| "Successful".clone_into(&mut refresh.status));
            }
            Fault::SpotWaits => self.pool.group.behavior.spot_waits = false,
            Fault::RetainedInstance => {
                for id in std::mem::take(&mut self.interventions.retained) {
                    self.pool.group.release(&id);
                }
            }
            Fault::InstanceType => self.pool.new_agent = self.setup.agent.clone(),
            Fault::SharedIdentity => {
                for (agent, own) in std::mem::take(&mut self.interventions.claims) {
                    self.pool.rename(agent, &own);
                }
            }
            _ => {}
        }
        self.advance_group();
    }

    fn deactivate_one(&mut self, random: &mut SplitMix64) {
        let agents = self.pool.connected(None);
        let Some(agent) = agents.get(random.index(agents.len())).and_then(|number| self.pool.cluster.agent(*number))
        else {
            return;
        };
        if agent.mode == Mode::Active
            && let (id, Some(instance)) = (agent.id.clone(), self.pool.instance_of(agent.number))
        {
            self.pool.levels = None;
            // It is registered and active.
            let _ = self.pool.cluster.operate(&id, Operation::Deactivate, self.time());
            self.interventions.deactivated.insert(instance);
        }
    }

    /// Whether that is done, or no longer needed.
    fn reactivate(&mut self, instance: &str, time: Timestamp) -> bool {
        self.pool.levels = None;
        match self.pool.agent_on(instance).map(|agent| agent.id.clone()) {
            Some(id) => self.pool.cluster.operate(&id, Operation::Reactivate, time).is_ok(),
            None => !self.pool.agents.contains_key(instance),
        }
    }

    /// Deletes a tag of ours, or makes it unreadable. An agent whose tag is gone is the operator's.
    fn edit_a_tag(&mut self, random: &mut SplitMix64) {
        let ours: Vec<String> = self.pool.group.tags.keys().filter(|key| key.starts_with(PREFIX)).cloned().collect();
        let Some(key) = ours.get(random.index(ours.len())) else { return };
        if let Some(instance) = key.strip_prefix("lambda-scale/decommission/") {
            self.interventions.deactivated.insert(instance.to_owned());
            self.pool.group.tags.remove(key);
        } else if random.below(2) == 0 {
            self.pool.group.tags.remove(key);
        } else {
            self.pool.group.tags.insert(key.clone(), "see the wiki".to_owned());
        }
    }

    /// How many units of capacity an instance counts for.
    fn unit(&self) -> i32 {
        i32::try_from(self.pool.group.weight).unwrap_or(i32::MAX)
    }

    fn put_in_standby(&mut self, random: &mut SplitMix64) {
        let Some(id) = self.pool.any_in_service(random) else { return };
        let time = self.time();
        let left = self.pool.group.desired() - self.unit();
        if left < self.pool.group.min {
            return;
        }
        let own = self.pool.group.instances_mut().iter_mut().filter(|instance| instance.id == id);
        own.for_each(|instance| instance.state = Lifecycle::Standby);
        self.interventions.standby.insert(id);
        // Within the limits, and without the cooldown, nothing refuses it.
        let _ = self.pool.group.set_desired(left, false, time);
    }

    fn return_from_standby(&mut self, time: Timestamp) {
        for id in std::mem::take(&mut self.interventions.standby) {
            let standby = |of: &&mut cluster::group::Instance| of.id == id && of.state == Lifecycle::Standby;
            let Some(instance) = self.pool.group.instances_mut().iter_mut().find(standby) else { continue };
            instance.state = Lifecycle::InService;
            // At the maximum, the group ends another one.
            let _ = self.pool.group.set_desired(self.pool.group.desired() + self.unit(), false, time);
        }
    }

    /// The group replaces an instance, and a hook that fails keeps the old one.
    fn retain_one(&mut self, random: &mut SplitMix64) {
        let Some(id) = self.pool.any_in_service(random) else { return };
        self.pool.group.fail_check(&id, self.time());
        self.advance_group();
        let own = self.pool.group.instances_mut().iter_mut().filter(|instance| instance.id == id);
        own.for_each(|instance| instance.state = Lifecycle::TerminatingRetained);
        self.interventions.retained.insert(id);
    }

    /// An agent is restarted with the attributes of another one.
    fn share_an_identity(&mut self, random: &mut SplitMix64) {
        let agents = self.pool.connected(None);
        let mut any = || agents.get(random.index(agents.len())).copied();
        let (Some(claims), Some(owns)) = (any(), any()) else { return };
        let claimed = self.interventions.claims.iter().any(|(agent, _)| *agent == claims || *agent == owns);
        if claims == owns || claimed {
            return;
        }
        if let (Some(own), Some(of_other)) = (self.pool.instance_of(claims), self.pool.instance_of(owns)) {
            self.pool.rename(claims, &of_other);
            self.interventions.claims.push((claims, own));
        }
    }

    /// Nothing goes wrong from now on: what is away returns, and what people did is undone.
    pub(crate) fn end_faults(&mut self) {
        self.is_calm = true;
        self.repair_all_but_one();
        for (agent, since) in self.pool.absent() {
            if !self.interventions.ended.contains(&agent) {
                self.recover(Later::Returns { agent, since });
            }
        }
        for fault in Fault::ALL {
            self.undo(fault);
        }
        let frameworks: Vec<u32> = self.pool.cluster().frameworks().map(|framework| framework.number).collect();
        frameworks.into_iter().for_each(|number| self.pool.bring_framework_back(number));
        for (launch, by) in self.pool.unfit() {
            self.recover(Later::Replace { launch, by });
        }
        self.advance_group();
    }
}

impl World<'_> {
    /// Instances whose agents have ended are replaced, but for one that Lambda Scale has told to leave: no one comes for it.
    fn repair_all_but_one(&mut self) {
        let ended: Vec<u32> = self.interventions.ended.iter().copied().collect();
        let is_tagged = |agent: &u32| {
            let key = self.pool.instance_of(*agent).map(|id| format!("{PREFIX}decommission/{id}"));
            key.is_some_and(|key| self.pool.group.tags.contains_key(&key))
        };
        let stays = ended.iter().copied().find(is_tagged);
        for agent in ended.into_iter().filter(|agent| Some(*agent) != stays) {
            self.recover(Later::Repair { agent });
        }
    }
}

/// An agent with another amount of all that it has, reserved or not.
fn sized(agent: &Capacity, size: impl Fn(&Resources) -> Resources) -> Capacity {
    let reserved = agent.reserved.iter().map(|(role, reserved)| (role.clone(), size(reserved)));
    Capacity { total: size(&agent.total), reserved: reserved.collect(), ports: agent.ports.clone() }
}

fn in_minutes(time: Timestamp, minutes: i64) -> String {
    let until = time.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(time);
    Timestamp::from_second(until.as_second()).unwrap_or(until).to_string()
}
