//! H: application headroom.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::config::HeadroomPlacement;
use shared::contract::{Application, Step, Unplaceable};
use shared::resources::{Amount, Kind, Resources};

use super::capacity::{Capacity, NewAgent, Pool, agent_count, agents_to_cover, count, counted, step};

/// What H made of the pool.
pub(super) struct Headroom {
    pub(super) capacity: Capacity,
    pub(super) step: Step,
    pub(super) unplaceable: Vec<Unplaceable>,
}

/// H1: makes room for the displaced tasks, for instances that wait, and for every application to grow at once.
pub(super) fn make_room(pool: &Pool<'_>, before: Capacity) -> Headroom {
    let needs: Vec<Need<'_>> = pool.snapshot.applications.iter().map(|application| need(pool, application)).collect();
    // H3, `pack`, is to stand beside it in packing.rs: the same needs, placed task by task.
    match pool.policy.headroom_placement {
        HeadroomPlacement::Sum => sum(pool, before, &needs),
    }
}

/// What one application needs to grow, and for its instances that wait.
struct Need<'a> {
    application: &'a Application,
    /// X.
    percent: u32,
    /// What its tasks take, without those that are left out.
    resources: Resources,
    /// H2: what its waiting instances take.
    waiting: Resources,
    /// H5: per kind the most that a task or waiting instance takes which fits no new agent; nothing where there is none.
    left_out: Resources,
}

impl Need<'_> {
    /// In hundredths of an amount's thousandths, so that it is exact.
    fn of(&self, kind: Kind) -> u128 {
        self.growth(kind) + self.waiting(kind)
    }

    fn growth(&self, kind: Kind) -> u128 {
        u128::from(self.percent) * thousandths(self.resources.get(kind))
    }

    fn waiting(&self, kind: Kind) -> u128 {
        100 * thousandths(self.waiting.get(kind))
    }
}

fn need<'a>(pool: &Pool<'_>, application: &'a Application) -> Need<'a> {
    let percent = pool.policy.headroom_percent(&application.name);
    let too_large = || application.tasks.iter().filter(|group| group.count > 0 && !has_place(pool, &group.resources));
    let left_out: Resources = too_large().map(|group| group.resources.times(group.count.into())).sum();
    let waiting = waiting(application);
    let is_waiting_left_out = !has_place(pool, &waiting);
    let mut largest_left_out = Resources::ZERO;
    if percent > 0 {
        largest_left_out = largest(too_large().map(|group| group.resources));
    }
    if is_waiting_left_out {
        largest_left_out = largest([largest_left_out, waiting].into_iter());
    }
    Need {
        application,
        percent,
        resources: application.resources.saturating_sub(&left_out),
        waiting: if is_waiting_left_out { Resources::ZERO } else { waiting.times(application.waiting.into()) },
        left_out: largest_left_out,
    }
}

/// H2: what one waiting instance takes, all of it on one agent; where the snapshot does not say, as much as the largest
/// task of its application.
fn waiting(application: &Application) -> Resources {
    match (application.waiting, application.waiting_tasks.as_slice()) {
        (0, _) => Resources::ZERO,
        (_, []) => largest(application.tasks.iter().map(|group| group.resources)),
        (_, parts) => parts.iter().map(|group| group.resources.times(group.count.into())).sum(),
    }
}

/// H5: whether an empty agent would hold such a task: a new one, or one like those there are.
fn has_place(pool: &Pool<'_>, task: &Resources) -> bool {
    let shapes = pool.snapshot.agent_shapes.iter().filter(|shape| shape.count > 0);
    match pool.new_agent {
        // Nothing is known of new agents, so nothing is known to be too large for them.
        None => true,
        Some(new_agent) => {
            task.fits_in(&new_agent.unreserved) || shapes.into_iter().any(|shape| task.fits_in(&shape.unreserved))
        }
    }
}

fn largest(resources: impl Iterator<Item = Resources>) -> Resources {
    resources.fold(Resources::ZERO, |a, b| Resources::from_fn(|kind| a.get(kind).max(b.get(kind))))
}

/// One kind of resource: what is needed and what is free, both a hundredfold.
#[derive(Clone, Copy)]
struct Balance {
    kind: Kind,
    displaced: u128,
    waiting: u128,
    growth: u128,
    free: u128,
}

impl Balance {
    const fn needed(&self) -> u128 {
        self.displaced.saturating_add(self.waiting).saturating_add(self.growth)
    }

    const fn missing(&self) -> u128 {
        self.needed().saturating_sub(self.free)
    }

    /// How many new agents cover what is missing; `None` where they have nothing of it.
    fn agents(&self, new_agent: Option<NewAgent>) -> Option<u128> {
        agents_to_cover(self.missing(), 100 * thousandths(new_agent.unwrap_or_default().unreserved.get(self.kind)))
    }

    /// The one of which a larger part of what is free is needed; of equal ones `self`.
    fn tighter(self, other: Self) -> Self {
        let is_tighter = match (self.free, other.free) {
            (0, 0) => other.needed() > self.needed(),
            _ => other.needed().saturating_mul(self.free) > self.needed().saturating_mul(other.free),
        };
        if is_tighter { other } else { self }
    }
}

fn thousandths(amount: Amount) -> u128 {
    amount.thousandths().into()
}

/// H1: what all applications together need, of one kind.
#[derive(Clone, Copy)]
struct Sum {
    kind: Kind,
    waiting: u128,
    growth: u128,
}

fn sums(needs: &[Need<'_>]) -> [Sum; 4] {
    let total = |of: &dyn Fn(&Need<'_>) -> u128| needs.iter().map(of).fold(0, u128::saturating_add);
    Kind::ALL.map(|kind| Sum {
        kind,
        waiting: total(&|need| need.waiting(kind)),
        growth: total(&|need| need.growth(kind)),
    })
}

/// H2: the sum of what is needed, against the sum of what is free.
fn balances(sums: &[Sum; 4], capacity: &Capacity) -> [Balance; 4] {
    sums.map(|Sum { kind, waiting, growth }| Balance {
        kind,
        displaced: 100 * thousandths(capacity.displaced.get(kind)),
        waiting,
        growth,
        free: 100 * thousandths(capacity.free.get(kind)),
    })
}

fn is_short(sums: &[Sum; 4], capacity: &Capacity) -> bool {
    balances(sums, capacity).iter().any(|balance| balance.missing() > 0)
}

/// H2, H4, H5 with `sum`.
fn sum(pool: &Pool<'_>, before: Capacity, needs: &[Need<'_>]) -> Headroom {
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
    Headroom { capacity, step, unplaceable: unplaceable(pool, needs, &lacking) }
}

/// What asks for most new agents; where none is asked for, what is tightest. `None` where nothing is needed.
fn binding(pool: &Pool<'_>, before: &[Balance; 4], short: &[Balance; 4]) -> Option<Balance> {
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

fn neediest(needs: &[Need<'_>], kind: Kind) -> Option<String> {
    let identity =
        |need: &Need<'_>| (Reverse(need.application.name.clone()), Reverse(need.application.framework.clone()));
    needs
        .iter()
        .filter(|need| need.of(kind) > 0)
        .max_by_key(|need| (need.of(kind), identity(need)))
        .map(|need| need.application.name.clone())
}

const fn clause(pool: &Pool<'_>, before: &Capacity, after: &Capacity, lacking: &[Balance]) -> &'static str {
    if !lacking.is_empty() {
        "H5"
    } else if before.agents != after.agents {
        "H4"
    } else if pool.agents() == 0 {
        "H6"
    } else {
        "H2"
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
    let mut reason = match binding {
        None if pool.agents() == 0 => "there is no usable agent and nothing waits for one".to_owned(),
        None => "no room is needed: no task is displaced and no application is to grow".to_owned(),
        Some(binding) => {
            format!("{}: needs {}, {} free", promise(pool, &binding), needed(&binding), amount(binding.free))
        }
    };
    reason.push_str(&change(before, after));
    if !lacking.is_empty() {
        reason.push_str(&lack(pool, lacking));
    }
    match needs.iter().filter(|need| !need.left_out.is_zero()).count() {
        0 => {}
        left_out => reason.push_str(&format!(
            "; tasks of {} fit no new agent and are left out",
            counted(count(left_out), "application")
        )),
    }
    reason
}

/// What the need is for.
fn promise(pool: &Pool<'_>, binding: &Balance) -> String {
    let percent = pool.policy.application_headroom_percent;
    let own = if pool.policy.applications.is_empty() { "" } else { " or by its own percentage" };
    let growth = format!("every application may grow by {percent} %{own}");
    match (binding.waiting, binding.growth) {
        _ if pool.agents() == 0 => "what waits must have room".to_owned(),
        (0, 0) => "displaced tasks must have room".to_owned(),
        (_, 0) => "what waits must have room".to_owned(),
        (0, _) => growth,
        _ => format!("what waits must have room and {growth}"),
    }
}

fn needed(balance: &Balance) -> String {
    let total = format!("{} {}", amount(balance.needed()), balance.kind);
    let parts = [(balance.displaced, "displaced"), (balance.waiting, "waiting"), (balance.growth, "to grow")];
    let parts: Vec<String> =
        parts.iter().filter(|(part, _)| *part > 0).map(|(part, word)| format!("{} {word}", amount(*part))).collect();
    if parts.len() > 1 { format!("{total} ({})", parts.join(", ")) } else { total }
}

fn change(before: &Capacity, after: &Capacity) -> String {
    let back = count(before.removed - after.removed);
    match (back, after.added) {
        (0, 0) => String::new(),
        (0, added) => format!(": adds {}", counted(added, "agent")),
        (back, 0) => format!(": takes back {} that D took out", counted(back, "agent")),
        (back, added) => format!(": takes back {} that D took out and adds {added}", counted(back, "agent")),
    }
}

fn lack(pool: &Pool<'_>, lacking: &[Balance]) -> String {
    if pool.new_agent.is_none() {
        return "; nothing says what a new agent has, so none is added; set new_agent".to_owned();
    }
    let kinds: Vec<String> =
        lacking.iter().map(|balance| format!("{} more {}", amount(balance.missing()), balance.kind)).collect();
    format!("; {} would be needed, a new agent has none, so none is added for it", kinds.join(" and "))
}

/// From the hundredfold, rounded up to the thousandth.
fn amount(hundredfold: u128) -> Amount {
    Amount::from_thousandths(u64::try_from(hundredfold.div_ceil(100)).unwrap_or(u64::MAX))
}

/// H5: who cannot be placed, by name, each once.
fn unplaceable(pool: &Pool<'_>, needs: &[Need<'_>], lacking: &[Balance]) -> Vec<Unplaceable> {
    /// A message must stay within what SNS carries.
    const MOST: usize = 100;
    let Some(new_agent) = pool.new_agent else { return Vec::new() };
    let mut found: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for need in needs {
        let reasons = obstacles(need, &new_agent, lacking);
        if !reasons.is_empty() {
            let identity = (need.application.name.as_str(), need.application.framework.as_str());
            found.insert(identity, reasons.join("; "));
        }
    }
    let rest = found.len().saturating_sub(MOST);
    let mut unplaceable: Vec<Unplaceable> = found
        .into_iter()
        .take(MOST)
        .map(|((name, _), reason)| Unplaceable { application: name.to_owned(), reason })
        .collect();
    if rest > 0 {
        let reason = format!("{} more with tasks that cannot be placed", counted(count(rest), "application"));
        unplaceable.push(Unplaceable { application: "(other)".to_owned(), reason });
    }
    unplaceable
}

fn obstacles(need: &Need<'_>, new_agent: &NewAgent, lacking: &[Balance]) -> Vec<String> {
    let too_large =
        Kind::ALL.into_iter().filter(|kind| need.left_out.get(*kind) > new_agent.unreserved.get(*kind)).map(|kind| {
            format!("needs {} {kind}, a new agent has {}", need.left_out.get(kind), new_agent.unreserved.get(kind))
        });
    let short = lacking.iter().filter(|balance| need.of(balance.kind) > 0).map(|balance| {
        let kind = balance.kind;
        let purpose = match (need.waiting(kind), need.growth(kind)) {
            (0, _) => "to grow",
            (_, 0) => "for what waits",
            _ => "to grow and for what waits",
        };
        format!("needs {} {kind} {purpose}, {} free, a new agent has 0", amount(need.of(kind)), amount(balance.free))
    });
    too_large.chain(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{Cluster, policy, resources};
    use shared::contract::{AgentState, ClusterSnapshot, TaskGroup};

    fn headroom(snapshot: &ClusterSnapshot, settings: &str) -> Headroom {
        let policy = policy(settings).unwrap();
        let pool = Pool::new(snapshot, &policy);
        make_room(&pool, pool.observed())
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
        assert_eq!((headroom.step.clause.as_str(), headroom.step.application.as_deref()), ("H4", Some("/b")));
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
        let enough = headroom(&cluster.clone().waiting("/b", 3, resources(1, 100)).snapshot(), "");
        assert_eq!(
            enough.step.reason,
            "what waits must have room and every application may grow by 10 %: needs 3.4 cpus (3 waiting, 0.4 to grow), 4 free"
        );
        assert_eq!((enough.capacity.added, enough.step.application.as_deref()), (0, Some("/b")));
        let short = headroom(&cluster.clone().waiting("/b", 4, resources(1, 100)).snapshot(), "");
        assert_eq!((short.capacity.added, short.step.clause.as_str()), (1, "H4"));
        let alone =
            headroom(&cluster.waiting("/a", 5, resources(1, 100)).snapshot(), "application_headroom_percent = 0");
        assert_eq!(alone.step.reason, "what waits must have room: needs 5 cpus, 4 free: adds 1 agent");
    }

    #[test]
    fn a_waiting_instance_too_large_for_any_agent_buys_none() {
        // H5: 6 cpus in two tasks of 3 that start together; each alone would fit.
        let mut snapshot = Cluster::of(2, resources(4, 14_000)).waiting("/pod", 7, resources(3, 100)).snapshot();
        snapshot.applications[0].waiting_tasks[0].count = 2;
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
        let cluster = Cluster::of(3, resources(4, 14_000)).and(1, gpus(1000)).waiting("/ml", 2, one);
        let headroom = headroom(&cluster.snapshot(), "");
        assert_eq!((headroom.capacity.added, headroom.step.clause.as_str()), (0, "H5"));
        assert_eq!(headroom.unplaceable[0].reason, "needs 2 gpus for what waits, 1 free, a new agent has 0");
    }

    #[test]
    fn waiting_instances_make_an_empty_pool_grow() {
        // H6
        let empty = Cluster::default().waiting("/a", 5, resources(1, 100)).snapshot();
        assert_eq!(headroom(&empty, "new_agent = { cpus = 4, mem = 14000 }").capacity.added, 2);
        // Nothing says what an agent would have.
        assert_eq!(headroom(&empty, "").capacity.added, 0);
        assert!(headroom(&empty, "").step.reason.ends_with("so none is added; set new_agent"));
    }

    #[test]
    fn a_snapshot_that_does_not_say_what_an_instance_takes_means_the_largest_task() {
        // H2: as somebody else's gatherer may write it.
        let cluster = Cluster::of(2, resources(4, 14_000)).running("/a", 4, resources(1, 100));
        let mut snapshot = cluster.running("/a", 1, resources(2, 100)).waiting("/a", 3, resources(1, 100)).snapshot();
        snapshot.applications[0].waiting_tasks.clear();
        let headroom = headroom(&snapshot, "application_headroom_percent = 0");
        assert_eq!(headroom.step.reason, "what waits must have room: needs 6 cpus, 2 free: adds 1 agent");
    }
}
