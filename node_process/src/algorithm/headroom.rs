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

/// H1: makes room for the displaced tasks and for every application to grow at once.
pub(super) fn make_room(pool: &Pool<'_>, before: Capacity) -> Headroom {
    let needs: Vec<Need<'_>> = pool.snapshot.applications.iter().map(|application| need(pool, application)).collect();
    // H3, `pack`, is to stand beside it in packing.rs: the same needs, placed task by task.
    match pool.policy.headroom_placement {
        HeadroomPlacement::Sum => sum(pool, before, &needs),
    }
}

/// What one application needs to grow.
struct Need<'a> {
    application: &'a Application,
    /// X.
    percent: u32,
    /// What its tasks take, without those that are left out.
    resources: Resources,
    /// H6: what its waiting instances take, where they count.
    waiting: Resources,
    /// H5: per kind the most that a task takes which fits no new agent; nothing where there is no such task.
    left_out: Resources,
}

impl Need<'_> {
    /// In hundredths of an amount's thousandths, so that it is exact.
    fn of(&self, kind: Kind) -> u128 {
        u128::from(self.percent) * thousandths(self.resources.get(kind)) + 100 * thousandths(self.waiting.get(kind))
    }
}

fn need<'a>(pool: &Pool<'_>, application: &'a Application) -> Need<'a> {
    let percent = pool.policy.headroom_percent(&application.name);
    let too_large = || application.tasks.iter().filter(|group| group.count > 0 && !has_place(pool, &group.resources));
    let left_out: Resources = too_large().map(|group| group.resources.times(group.count.into())).sum();
    let waiting = waiting(pool, application);
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

/// H6: one waiting instance, where instances that wait count, by the largest of its tasks: in an empty pool.
fn waiting(pool: &Pool<'_>, application: &Application) -> Resources {
    if pool.agents() > 0 || application.waiting == 0 {
        return Resources::ZERO;
    }
    largest(application.tasks.iter().map(|group| group.resources))
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
    growth: u128,
    free: u128,
}

impl Balance {
    const fn needed(&self) -> u128 {
        self.displaced.saturating_add(self.growth)
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

/// H1: what all applications together need to grow.
type Growth = [(Kind, u128); 4];

fn growth(needs: &[Need<'_>]) -> Growth {
    Kind::ALL.map(|kind| (kind, needs.iter().map(|need| need.of(kind)).fold(0, u128::saturating_add)))
}

/// H2: the sum of what is needed, against the sum of what is free.
fn balances(growth: &Growth, capacity: &Capacity) -> [Balance; 4] {
    growth.map(|(kind, growth)| Balance {
        kind,
        displaced: 100 * thousandths(capacity.displaced.get(kind)),
        growth,
        free: 100 * thousandths(capacity.free.get(kind)),
    })
}

fn is_short(growth: &Growth, capacity: &Capacity) -> bool {
    balances(growth, capacity).iter().any(|balance| balance.missing() > 0)
}

/// H2, H4, H5 with `sum`.
fn sum(pool: &Pool<'_>, before: Capacity, needs: &[Need<'_>]) -> Headroom {
    let growth = growth(needs);
    let mut capacity = before;
    while capacity.removed > 0 && is_short(&growth, &capacity) {
        capacity = pool.capacity(capacity.removed - 1, 0);
    }
    let short = balances(&growth, &capacity);
    let wanted = short.iter().filter_map(|balance| balance.agents(pool.new_agent)).max().unwrap_or_default();
    let lacking: Vec<Balance> =
        short.iter().filter(|balance| balance.agents(pool.new_agent).is_none()).copied().collect();
    capacity = pool.capacity(capacity.removed, agent_count(wanted));

    let binding = binding(pool, &balances(&growth, &before), &short);
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
    match (binding.growth, pool.policy.applications.is_empty()) {
        _ if pool.agents() == 0 => "what waits must have room".to_owned(),
        (0, _) => "displaced tasks must have room".to_owned(),
        (_, true) => format!("every application may grow by {percent} %"),
        (_, false) => format!("every application may grow by {percent} % or by its own percentage"),
    }
}

fn needed(balance: &Balance) -> String {
    let total = format!("{} {}", amount(balance.needed()), balance.kind);
    match (balance.displaced, balance.growth) {
        (0, _) | (_, 0) => total,
        (displaced, growth) => format!("{total} ({} displaced, {} to grow)", amount(displaced), amount(growth)),
    }
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
        format!("needs {} {kind} to grow, {} free, a new agent has 0", amount(need.of(kind)), amount(balance.free))
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
    fn waiting_instances_count_in_an_empty_pool_only() {
        // H6
        let template = Cluster::of(1, resources(4, 14_000)).running("/a", 1, resources(1, 100)).snapshot();
        let application = Application { waiting: 5, ..template.applications.first().unwrap().clone() };
        let waiting = ClusterSnapshot { applications: vec![application], ..template };
        assert_eq!(headroom(&waiting, "").capacity.added, 0);
        let empty = Cluster::default().snapshot();
        let tasks = vec![TaskGroup { count: 0, resources: resources(1, 100) }];
        let application =
            Application { task_count: 0, resources: Resources::ZERO, tasks, ..waiting.applications[0].clone() };
        let waiting = ClusterSnapshot { applications: vec![application], ..empty };
        assert_eq!(headroom(&waiting, "new_agent = { cpus = 4, mem = 14000 }").capacity.added, 2);
        // Nothing says what an agent would have.
        assert_eq!(headroom(&waiting, "").capacity.added, 0);
        assert!(headroom(&waiting, "").step.reason.ends_with("so none is added; set new_agent"));
    }
}
