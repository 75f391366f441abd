//! What a policy does to its group and its agents.

use node_scale::group_tags::TagChange;
use shared::clause::Clause;

use crate::Millis;

/// Why something is done, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The clause that decided, where the policy has clauses.
    pub clause: Option<Clause>,
    /// A sentence.
    pub reason: String,
}

impl From<String> for Why {
    fn from(reason: String) -> Self {
        Self { clause: None, reason }
    }
}

/// What a policy does in one of its runs. The world carries it out in that order; what Auto Scaling would refuse, such as a
/// capacity above the group's maximum, has no effect.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    orders: Vec<(Order, Why)>,
    /// Why a change that the policy wants is put off.
    held: Option<Why>,
    /// After how long it is called once more, within the same period.
    again: Option<Millis>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Desired(u32),
    /// Instances, whose number the desired capacity loses.
    Terminate(Vec<String>),
    /// Agents by their numbers.
    Close(Vec<u32>),
    Reopen(Vec<u32>),
    Drain(Vec<u32>),
    Tags(Vec<TagChange>),
}

impl Orders {
    /// Sets the desired capacity, in units of the group. Where it is lower, the group chooses which instances it terminates.
    pub fn set_desired(&mut self, desired: u32, why: impl Into<Why>) {
        self.orders.push((Order::Desired(desired), why.into()));
    }

    /// Terminates these instances, and lowers the desired capacity by their number.
    pub fn terminate(&mut self, instances: Vec<String>, why: impl Into<Why>) {
        self.orders.push((Order::Terminate(instances), why.into()));
    }

    /// Agents, by their numbers, take no new tasks from now on.
    pub fn close(&mut self, agents: Vec<u32>, why: impl Into<Why>) {
        self.orders.push((Order::Close(agents), why.into()));
    }

    /// Agents that were closed take tasks again.
    pub fn reopen(&mut self, agents: Vec<u32>, why: impl Into<Why>) {
        self.orders.push((Order::Reopen(agents), why.into()));
    }

    /// Stops the tasks of agents, which take no new ones.
    pub fn drain(&mut self, agents: Vec<u32>, why: impl Into<Why>) {
        self.orders.push((Order::Drain(agents), why.into()));
    }

    /// Changes tags of the group.
    pub fn set_tags(&mut self, changes: Vec<TagChange>) {
        self.orders.push((Order::Tags(changes), String::new().into()));
    }

    /// A change that the policy wants is put off.
    pub fn hold(&mut self, why: impl Into<Why>) {
        self.held = Some(why.into());
    }

    /// Calls the policy once more after that time.
    pub const fn call_again(&mut self, after: Millis) {
        self.again = Some(after);
    }

    pub(crate) fn into_parts(self) -> (Vec<(Order, Why)>, Option<Why>, Option<Millis>) {
        (self.orders, self.held, self.again)
    }
}
