//! The queue of events, by time; of the same time in the order in which they were added.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::faults::Later;
use crate::Millis;
use crate::fault::Fault;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The workload changes how many instances are wanted.
    Change,
    /// Jobs are submitted.
    Submit,
    /// A job ends, unless it has been killed since.
    End { job: usize, attempt: u32 },
    /// An instance of the group comes into service, or its termination ends.
    Group,
    /// The agent of a launch registers.
    Register { launch: u64 },
    /// The policy runs.
    Tick,
    /// The policy runs once more, as it asked for.
    Again,
    /// The tasks of a draining agent have ended.
    Drained { agent: u32 },
    /// A minute begins.
    Sample,
    /// Something goes wrong, for the so manieth time.
    Fault { fault: Fault, number: u64 },
    /// Something that went wrong ends.
    Later(Later),
}

#[derive(Debug, Default)]
pub(crate) struct Events {
    heap: BinaryHeap<Reverse<(Millis, u64, Event)>>,
    issued: u64,
}

impl Events {
    pub(crate) fn push(&mut self, at: Millis, event: Event) {
        self.issued += 1;
        self.heap.push(Reverse((at, self.issued, event)));
    }

    pub(crate) fn pop(&mut self) -> Option<(Millis, Event)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_in_the_order_in_which_they_were_added() {
        let mut events = Events::default();
        for (at, event) in [(5, Event::Tick), (1, Event::Sample), (5, Event::Change), (5, Event::Again)] {
            events.push(at, event);
        }
        let order: Vec<(Millis, Event)> = std::iter::from_fn(|| events.pop()).collect();
        assert_eq!(order, [(1, Event::Sample), (5, Event::Tick), (5, Event::Change), (5, Event::Again)]);
    }
}
