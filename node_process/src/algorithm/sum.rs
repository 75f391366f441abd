//! H2: what is needed and what is free, in total.

use std::cmp::Reverse;

use shared::resources::{Amount, Kind};

use shared::clause::Clause;

use super::capacity::{Capacity, NewAgent, Pool, agent_count, agents_to_cover, count, counted, step, thousandths};
use super::headroom::{Headroom, Need, unplaceable};

/// One kind of resource: what is needed and what is free, both a hundredfold.
#[derive(Clone, Copy)]
pub(super) struct Balance {
    pub(super) kind: Kind,
    displaced: u128,
    queued: u128,
    growth: u128,
    free: u128,
}

impl Balance {
    const fn needed(&self) -> u128 {
        self.displaced.saturating_add(self.queued).saturating_add(self.growth)
    }

    pub(super) const fn missing(&self) -> u128 {
        self.needed().saturating_sub(self.free)
    }

    /// How many new agents cover what is missing; `None` where they have nothing of it.
    pub(super) fn agents(&self, new_agent: Option<NewAgent>) -> Option<u128> {
        agents_to_cover(self.missing(), 100 * thousandths(new_agent.unwrap_or_default().unreserved.get(self.kind)))
    }

    /// The one that needs a larger part of what is free of it; of equal ones, such as two of which nothing is free, `self`.
    fn tighter(self, other: Self) -> Self {
        let is_tighter = other.needed().saturating_mul(self.free) > self.needed().saturating_mul(other.free);
        if is_tighter { other } else { self }
    }
}

/// H1: what all applications together need, of one kind.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    kind: Kind,
    queued: u128,
    pub(super) growth: u128,
}

pub(super) fn sums(needs: &[Need<'_>]) -> [Sum; 4] {
    let total = |of: &dyn Fn(&Need<'_>) -> u128| needs.iter().map(of).fold(0, u128::saturating_add);
    Kind::ALL.map(|kind| Sum {
        kind,
        queued: total(&|need| need.queued(kind)),
        growth: total(&|need| need.growth(kind)),
    })
}

/// H2: the sum of what is needed, against the sum of what is free.
pub(super) fn balances(sums: &[Sum; 4], capacity: &Capacity) -> [Balance; 4] {
    sums.map(|Sum { kind, queued, growth }| Balance {
        kind,
        displaced: 100 * thousandths(capacity.displaced.get(kind)),
        queued,
        growth,
        free: 100 * thousandths(capacity.free.get(kind)),
    })
}

fn is_short(sums: &[Sum; 4], capacity: &Capacity) -> bool {
    balances(sums, capacity).iter().any(|balance| balance.missing() > 0)
}

/// H2, H4, H5.
pub(super) fn make_room(pool: &Pool<'_>, before: Capacity, needs: &[Need<'_>]) -> Headroom {
    let sums = sums(needs);
    let mut capacity = before;
    while capacity.removed > 0 && is_short(&sums, &capacity) {
        capacity = pool.capacity(capacity.removed - 1, 0);
    }
    let short = balances(&sums, &capacity);
    let wanted = short.iter().filter_map(|balance| balance.agents(pool.new_agent)).max().unwrap_or_default();
    let lacking: Vec<Balance> =
        short.iter().filter(|balance| balance.agents(pool.new_agent).is_none()).copied().collect();
    capacity = pool.capacity(capacity.removed, agent_count(wanted));

    let binding = binding(pool, &balances(&sums, &before), &short);
    let mut step = step(
        clause(pool, &before, &capacity, &lacking),
        before.agents,
        capacity.agents,
        reason(pool, needs, binding, &before, &capacity, &lacking),
    );
    step.application = binding.and_then(|binding| neediest(needs, binding.kind));
    Headroom { capacity, step, unplaceable: unplaceable(needs, |need| obstacles(pool, need, &lacking)) }
}

/// What asks for most new agents; where none is asked for, what is tightest. `None` where nothing is needed.
pub(super) fn binding(pool: &Pool<'_>, before: &[Balance; 4], short: &[Balance; 4]) -> Option<Balance> {
    let asks = |balance: &Balance| balance.agents(pool.new_agent).unwrap_or_default();
    let asking =
        short.iter().filter(|balance| asks(balance) > 0).max_by_key(|balance| (asks(balance), Reverse(balance.kind)));
    let kind = asking.map(|balance| balance.kind);
    before
        .iter()
        .filter(|balance| balance.needed() > 0 && kind.is_none_or(|kind| kind == balance.kind))
        .copied()
        .reduce(Balance::tighter)
}

pub(super) fn neediest(needs: &[Need<'_>], kind: Kind) -> Option<String> {
    let identity =
        |need: &Need<'_>| (Reverse(need.application.name.clone()), Reverse(need.application.framework.clone()));
    needs
        .iter()
        .filter(|need| need.of(kind) > 0)
        .max_by_key(|need| (need.of(kind), identity(need)))
        .map(|need| need.application.name.clone())
}

const fn clause(pool: &Pool<'_>, before: &Capacity, after: &Capacity, lacking: &[Balance]) -> Clause {
    if !lacking.is_empty() {
        Clause::H5
    } else if before.agents != after.agents {
        Clause::H4
    } else if pool.agents() == 0 {
        Clause::H6
    } else {
        Clause::H2
    }
}

fn reason(
    pool: &Pool<'_>,
    needs: &[Need<'_>],
    binding: Option<Balance>,
    before: &Capacity,
    after: &Capacity,
    lacking: &[Balance],
) -> String {
    [summary(pool, binding), change(before, after), lack(pool, lacking), left_out(needs)].concat()
}

/// What is needed and what is free of the kind that decides.
pub(super) fn summary(pool: &Pool<'_>, binding: Option<Balance>) -> String {
    match binding {
        None if pool.agents() == 0 => "there is no usable agent and nothing waits for one".to_owned(),
        None => "no room is needed: no task is displaced and no application is to grow".to_owned(),
        Some(binding) => {
            format!("{}: needs {}, {} free", promise(pool, &binding), needed(&binding), amount(binding.free))
        }
    }
}

/// H5: how many applications have tasks that are left out.
pub(super) fn left_out(needs: &[Need<'_>]) -> String {
    match needs.iter().filter(|need| need.leaves_out()).count() {
        0 => String::new(),
        left_out => {
            format!("; tasks of {} fit no new agent and are left out", counted(count(left_out), "application"))
        }
    }
}

/// What the need is for.
fn promise(pool: &Pool<'_>, binding: &Balance) -> String {
    let percent = pool.policy.headroom.percent;
    let own = if pool.policy.headroom.applications.is_empty() { "" } else { " or by its own percentage" };
    let growth = format!("every application may grow by {percent} %{own}");
    match (binding.queued, binding.growth) {
        _ if pool.agents() == 0 => "what waits must have room".to_owned(),
        (0, 0) => "displaced tasks must have room".to_owned(),
        (_, 0) => "what waits must have room".to_owned(),
        (0, _) => growth,
        _ => format!("what waits must have room and {growth}"),
    }
}

fn needed(balance: &Balance) -> String {
    let total = format!("{} {}", amount(balance.needed()), balance.kind);
    let parts = [(balance.displaced, "displaced"), (balance.queued, "queued"), (balance.growth, "to grow")];
    let parts: Vec<String> =
        parts.iter().filter(|(part, _)| *part > 0).map(|(part, word)| format!("{} {word}", amount(*part))).collect();
    if parts.len() > 1 { format!("{total} ({})", parts.join(", ")) } else { total }
}

pub(super) fn change(before: &Capacity, after: &Capacity) -> String {
    let back = count(before.removed - after.removed);
    match (back, after.added) {
        (0, 0) => String::new(),
        (0, added) => format!(": adds {}", counted(added, "agent")),
        (back, 0) => format!(": takes back {} that D took out", counted(back, "agent")),
        (back, added) => format!(": takes back {} that D took out and adds {added}", counted(back, "agent")),
    }
}

pub(super) fn lack(pool: &Pool<'_>, lacking: &[Balance]) -> String {
    if lacking.is_empty() {
        return String::new();
    }
    if pool.new_agent.is_none() {
        return "; nothing says what a new agent has, so none is added; set new_agent".to_owned();
    }
    let kinds: Vec<String> =
        lacking.iter().map(|balance| format!("{} more {}", amount(balance.missing()), balance.kind)).collect();
    format!("; {} would be needed, a new agent has none, so none is added for it", kinds.join(" and "))
}

/// From the hundredfold, rounded up to the thousandth.
pub(super) fn amount(hundredfold: u128) -> Amount {
    Amount::from_thousandths(u64::try_from(hundredfold.div_ceil(100)).unwrap_or(u64::MAX))
}

/// H5: why an application cannot be placed.
pub(super) fn obstacles(pool: &Pool<'_>, need: &Need<'_>, lacking: &[Balance]) -> Vec<String> {
    let short = lacking.iter().filter(|balance| need.of(balance.kind) > 0).map(|balance| {
        let kind = balance.kind;
        let purpose = match (need.queued(kind), need.growth(kind)) {
            (0, _) => "to grow",
            (_, 0) => "for what waits",
            _ => "to grow and for what waits",
        };
        format!("needs {} {kind} {purpose}, {} free, a new agent has 0", amount(need.of(kind)), amount(balance.free))
    });
    // Where nothing says what a new agent has, the step says so.
    let short = short.filter(|_| pool.new_agent.is_some());
    need.obstacles(pool).into_iter().chain(short).collect()
}

#[cfg(test)]
mod tests {
    use super::super::headroom;
    use super::*;
    use cluster::{Cluster, policy, resources};
    use shared::contract::{AgentState, Application, ClusterSnapshot, TaskGroup};
    use shared::resources::Resources;

    fn headroom(snapshot: &ClusterSnapshot, settings: &str) -> Headroom {
        let policy = policy(&format!("headroom_placement = \"sum\"\n{settings}")).unwrap();
        let pool = Pool::new(snapshot, &policy);
        headroom::make_room(&pool, pool.observed())
    }

    #[test]
    fn every_application_grows_at_once_and_displaced_tasks_come_on_top() {
        // H1, H2: 12 cpus, 6 used, one agent with 2 more leaves. 6 free ≥ 2 + 50 % of 8, to the thousandth.
        let cluster = Cluster::of(4, resources(4, 14_000))
            .running("/a", 4, resources(1, 100))
            .running("/b", 4, resources(1, 100))
            .with_state(3, AgentState::Draining);
        let settings = "application_headroom_percent = 50";
        let just_enough = headroom(&cluster.snapshot(), settings);
        assert_eq!(
            just_enough.step.reason,
            "every application may grow by 50 %: needs 6 cpus (2 displaced, 4 to grow), 6 free"
        );
        assert_eq!((just_enough.capacity.added, just_enough.step.application.as_deref()), (0, Some("/a")));
        let own = "application_headroom_percent = 50\napplications.\"/b\".application_headroom_percent = 51";
        let one_too_many = headroom(&cluster.snapshot(), own);
        assert_eq!((one_too_many.capacity.added, one_too_many.step.application.as_deref()), (1, Some("/b")));
    }

    #[test]
    fn the_kind_that_asks_for_most_agents_decides() {
        // H4: cpus: 8 - 4 = 4 more, one agent; disk: 90 - 10 = 80 more, 20 an agent, four.
        let mut cluster = Cluster::of(5, Resources { disk: Amount::from_thousandths(20_000), ..resources(4, 14_000) });
        cluster = cluster.running("/a", 16, resources(1, 100));
        cluster = cluster.running("/b", 5, Resources { disk: Amount::from_thousandths(18_000), ..Resources::ZERO });
        let settings = "applications.\"/a\".application_headroom_percent = 50\napplications.\"/b\".application_headroom_percent = 100";
        let headroom = headroom(&cluster.snapshot(), settings);
        assert_eq!(headroom.capacity.added, 4);
        assert_eq!((headroom.step.clause.name(), headroom.step.application.as_deref()), ("H4", Some("/b")));
    }

    #[test]
    fn a_task_too_large_for_any_agent_is_left_out_and_reported_once() {
        // H5: two groups of one application are too large, in different kinds.
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).running("/a", 1, resources(1, 100)).snapshot();
        let group = |count, resources| TaskGroup { count, resources };
        let tasks = vec![group(1, resources(1, 100)), group(2, resources(6, 100)), group(1, resources(1, 20_000))];
        let sum = tasks.iter().map(|group| group.resources.times(group.count.into())).sum();
        if let Some(application) = snapshot.applications.first_mut() {
            (application.tasks, application.resources) = (tasks, sum);
        }
        let grown = headroom(&snapshot, "application_headroom_percent = 100");
        let reasons: Vec<&str> = grown.unplaceable.iter().map(|entry| entry.reason.as_str()).collect();
        assert_eq!(reasons, ["needs 6 cpus, a new agent has 4; needs 20000 mem, a new agent has 14000"]);
        // What is left of the application grows by 1 cpu of 7 free.
        assert_eq!(grown.capacity.added, 0);
        // Without headroom nothing is asked for, and nothing reported.
        assert!(headroom(&snapshot, "application_headroom_percent = 0").unplaceable.is_empty());
    }

    #[test]
    fn many_unplaceable_applications_are_counted() {
        // H5
        let mut snapshot = Cluster::of(1, resources(4, 14_000)).running("/a", 1, resources(1, 100)).snapshot();
        let large = TaskGroup { count: 1, resources: resources(8, 100) };
        let template = snapshot.applications.pop().unwrap();
        snapshot.applications = (0..150)
            .map(|number| Application {
                name: format!("/{number:03}"),
                tasks: vec![large],
                resources: large.resources,
                ..template.clone()
            })
            .collect();
        let unplaceable = headroom(&snapshot, "").unplaceable;
        assert_eq!(unplaceable.len(), 101);
        assert_eq!(unplaceable.last().unwrap().reason, "50 applications more with tasks that cannot be placed");
    }

    #[test]
    fn waiting_instances_must_have_room_beside_growth() {
        // H2: 8 cpus, 4 used, 4 free. 3 · 1 wait and 10 % of 4 are to grow: 3.4. With a fourth it is 4.4.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 4, resources(1, 100));
        let enough = headroom(&cluster.clone().queued("/b", 3, resources(1, 100)).snapshot(), "");
        assert_eq!(
            enough.step.reason,
            "what waits must have room and every application may grow by 10 %: needs 3.4 cpus (3 queued, 0.4 to grow), 4 free"
        );
        assert_eq!((enough.capacity.added, enough.step.application.as_deref()), (0, Some("/b")));
        let short = headroom(&cluster.clone().queued("/b", 4, resources(1, 100)).snapshot(), "");
        assert_eq!((short.capacity.added, short.step.clause.name()), (1, "H4"));
        let alone =
            headroom(&cluster.queued("/a", 5, resources(1, 100)).snapshot(), "application_headroom_percent = 0");
        assert_eq!(alone.step.reason, "what waits must have room: needs 5 cpus, 4 free: adds 1 agent");
    }

    #[test]
    fn a_waiting_instance_too_large_for_any_agent_buys_none() {
        // H5: 6 cpus in two tasks of 3 that start together; each alone would fit.
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).queued("/pod", 7, resources(3, 100)).snapshot();
        snapshot.applications[0].queued_tasks[0].count = 2;
        let headroom = headroom(&snapshot, "");
        assert_eq!(headroom.capacity.added, 0);
        assert_eq!(headroom.unplaceable[0].application, "/pod");
        assert_eq!(headroom.unplaceable[0].reason, "needs 6 cpus, a new agent has 4");
    }

    #[test]
    fn a_kind_that_new_agents_lack_is_reported_for_what_waits() {
        // H5: a large agent has what new ones lack, but not enough of it.
        let gpus = |gpus| Resources { gpus: Amount::from_thousandths(gpus), ..resources(4, 14_000) };
        let one = Resources { gpus: Amount::from_thousandths(1000), ..Resources::ZERO };
        let cluster = Cluster::of(3, resources(4, 14_000)).and(1, gpus(1000)).queued("/ml", 2, one);
        let headroom = headroom(&cluster.snapshot(), "");
        assert_eq!((headroom.capacity.added, headroom.step.clause.name()), (0, "H5"));
        assert_eq!(headroom.unplaceable[0].reason, "needs 2 gpus for what waits, 1 free, a new agent has 0");
    }

    #[test]
    fn waiting_instances_make_an_empty_pool_grow() {
        // H6
        let empty = Cluster::default().queued("/a", 5, resources(1, 100)).snapshot();
        assert_eq!(headroom(&empty, "new_agent = { cpus = 4, mem = 14000 }").capacity.added, 2);
        // Nothing says what an agent would have.
        assert_eq!(headroom(&empty, "").capacity.added, 0);
        assert!(headroom(&empty, "").step.reason.ends_with("so none is added; set new_agent"));
    }

    #[test]
    fn a_snapshot_that_does_not_say_what_an_instance_takes_means_the_largest_task() {
        // H2: as somebody else's gatherer may write it.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 4, resources(1, 100));
        let mut snapshot = cluster.running("/a", 1, resources(2, 100)).queued("/a", 3, resources(1, 100)).snapshot();
        snapshot.applications[0].queued_tasks.clear();
        let headroom = headroom(&snapshot, "application_headroom_percent = 0");
        assert_eq!(headroom.step.reason, "what waits must have room: needs 6 cpus, 2 free: adds 1 agent");
    }
}
