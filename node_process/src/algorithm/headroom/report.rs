//! H4, H5, H6: what follows from what a placement found, whichever it was.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shared::clause::Clause;
use shared::count::saturated;
use shared::resources::{Kind, PerKind, Resources};

use super::super::capacity::{Capacity, Pool};
use super::super::growth;
use super::super::hosts::reason::HostsNeeded;
use super::super::ruling::Ruling;
use super::super::words::Change;
use super::balance::{Balance, amount, binding};
use super::needs::{Need, too_large};
use super::reason::{HeadroomReason, Lack, Needed, Obstacle, Placed, Purpose, Unplaceable};

/// What a placement found.
pub(super) struct HeadroomReport {
    pub(super) before: Capacity,
    pub(super) after: Capacity,
    /// What is needed and free before H.
    pub(super) balances_before: PerKind<Balance>,
    /// The same with the agents that H keeps, before any is added.
    pub(super) balances_kept: PerKind<Balance>,
    /// H5: the kinds that are short and that a new agent has nothing of.
    pub(super) lacking: Vec<Balance>,
    /// H3; `None` where totals are compared.
    pub(super) tasks: Option<TasksReport>,
}

/// H3: what the placement of single tasks found.
pub(super) struct TasksReport {
    pub(super) placed: Placed,
    /// The application of the task that decides; the outer `None` where the total does.
    pub(super) application: Option<Option<String>>,
    /// How many agents the total alone requires, where the tasks require more.
    pub(super) for_total: Option<u64>,
    /// H5: tasks that find no place and that no new agent could hold.
    pub(super) unplaceable: Vec<UnplaceableTasks>,
}

/// H5: equal tasks that find no place and that no new agent could hold.
pub(super) struct UnplaceableTasks {
    pub(super) resources: Resources,
    pub(super) is_gpu_aware: bool,
    pub(super) count: u64,
}

impl HeadroomReport {
    pub(super) fn ruling(mut self, pool: &Pool<'_>, needs: &[Need<'_>]) -> Ruling {
        let is_tried = self.tries_larger(pool, needs);
        if is_tried {
            self.after = pool.capacity(0, 1);
        }
        let hosts = self.keep_hosts(pool);
        let binding = binding(pool, &self.balances_before, &self.balances_kept);
        let neediest = || binding.and_then(|binding| neediest(needs, binding.kind));
        let application = match (hosts, self.tasks.as_ref().and_then(|tasks| tasks.application.clone())) {
            (Some(hosts), _) => Some(hosts.application.clone()),
            (None, Some(application)) => application,
            (None, None) => neediest(),
        };
        let unplaced = self.unplaceable_tasks().iter().map(|tasks| tasks.count).fold(0, u64::saturating_add);
        let reason = HeadroomReason {
            needed: match binding {
                None if pool.agents() == 0 => Needed::NothingInEmptyPool,
                None => Needed::Nothing,
                Some(binding) => Needed::Of(binding.need()),
            },
            placed: self.tasks.as_ref().map(|tasks| tasks.placed.clone()),
            change: Change::between(&self.before, &self.after),
            for_total: self.tasks.as_ref().and_then(|tasks| tasks.for_total),
            unplaced,
            lack: self.lack(pool),
            is_tried,
            hosts: hosts.cloned(),
            left_out: saturated(needs.iter().filter(|need| need.leaves_out()).count()),
            learned: growth::learned(pool),
            unplaceable: unplaceable(needs, |need| self.obstacles(pool, need)),
        };
        Ruling { application, ..Ruling::new(self.clause(pool, hosts), self.before, self.after, reason) }
    }

    /// H12: keeps and adds agents until there are as many as constraints require, and returns the application that does.
    fn keep_hosts<'p>(&mut self, pool: &'p Pool<'_>) -> Option<&'p HostsNeeded> {
        let needed = pool.hosts.needed.as_ref()?;
        let missing = needed.hosts.checked_sub(self.after.agents).filter(|missing| *missing > 0)?;
        let kept = saturated(self.after.removed).min(missing);
        let removed = self.after.removed.saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX));
        // Where nothing shows what a new agent has, none is added.
        // A disconnected agent returns with its instances.
        let missing = (missing - kept).saturating_sub(pool.snapshot.agents.disconnected);
        let added = if pool.new_agent.is_some() { missing } else { 0 };
        self.after = pool.capacity(removed, self.after.added.saturating_add(added));
        Some(needed)
    }

    /// A: whether one agent is tried for what only a larger one than those that registered last would hold.
    fn tries_larger(&self, pool: &Pool<'_>, needs: &[Need<'_>]) -> bool {
        let may_grow = pool.policy.limits.max.is_none_or(|max| pool.agents() < max);
        let mut others = self.unplaceable_tasks().iter().map(|tasks| &tasks.resources);
        self.after.added == 0
            && may_grow
            && !pool.has_decommissioning()
            && pool.belief.may_try()
            && (needs.iter().any(|need| need.waits_for_larger)
                || others.any(|task| pool.belief.only_larger_holds(task)))
    }

    fn clause(&self, pool: &Pool<'_>, hosts: Option<&HostsNeeded>) -> Clause {
        if !self.lacking.is_empty() || !self.unplaceable_tasks().is_empty() {
            Clause::H5
        } else if hosts.is_some() {
            Clause::H12
        } else if self.before.agents != self.after.agents {
            Clause::H4
        } else if pool.agents() == 0 {
            Clause::H6
        } else if self.tasks.is_some() {
            Clause::H3
        } else {
            Clause::H2
        }
    }

    fn unplaceable_tasks(&self) -> &[UnplaceableTasks] {
        self.tasks.as_ref().map_or(&[], |tasks| &tasks.unplaceable)
    }

    fn lack(&self, pool: &Pool<'_>) -> Option<Lack> {
        let missing = |balance: &Balance| (balance.kind, amount(balance.missing()));
        match (self.lacking.as_slice(), pool.new_agent) {
            ([], _) => None,
            (_, None) => Some(Lack::NewAgentUnknown),
            (lacking, Some(_)) => Some(Lack::Kinds(lacking.iter().map(missing).collect())),
        }
    }

    /// H5: why an application cannot be placed.
    fn obstacles(&self, pool: &Pool<'_>, need: &Need<'_>) -> Vec<Obstacle> {
        let mut obstacles = need.obstacles(pool);
        // Where nothing shows what a new agent has, the step says so.
        if pool.new_agent.is_some() {
            let lacking = self.lacking.iter().filter(|balance| need.of(balance.kind) > 0);
            obstacles.extend(lacking.map(|balance| lacking_obstacle(need, balance)));
        }
        for tasks in self.unplaceable_tasks() {
            // What new agents have nothing of has been named.
            let is_named = self.lacking.iter().any(|balance| !tasks.resources.get(balance.kind).is_zero());
            if need.has(&tasks.resources, tasks.is_gpu_aware) && !is_named {
                obstacles.extend(too_large(pool, &tasks.resources, tasks.is_gpu_aware));
            }
        }
        obstacles.sort();
        obstacles.dedup();
        obstacles
    }
}

fn lacking_obstacle(need: &Need<'_>, balance: &Balance) -> Obstacle {
    let kind = balance.kind;
    let purpose = match (need.queued(kind), need.growth(kind)) {
        (0, _) => Purpose::Growth,
        (_, 0) => Purpose::Queued,
        _ => Purpose::Both,
    };
    Obstacle::Lacking { kind, needs: amount(need.of(kind)), purpose, free: amount(balance.free) }
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

/// H5: which applications cannot be placed and why, by name, each once.
fn unplaceable(needs: &[Need<'_>], obstacles: impl Fn(&Need<'_>) -> Vec<Obstacle>) -> Vec<Unplaceable> {
    /// A message must stay within what SNS carries.
    const MOST: usize = 100;
    let mut found: BTreeMap<(&str, &str), Vec<Obstacle>> = BTreeMap::new();
    for need in needs {
        let obstacles = obstacles(need);
        if !obstacles.is_empty() {
            let identity = (need.application.name.as_str(), need.application.framework.as_str());
            found.insert(identity, obstacles);
        }
    }
    let rest = found.len().saturating_sub(MOST);
    let mut unplaceable: Vec<Unplaceable> = found
        .into_iter()
        .take(MOST)
        .map(|((name, _), obstacles)| Unplaceable { application: name.to_owned(), obstacles })
        .collect();
    if rest > 0 {
        let obstacles = vec![Obstacle::More(saturated(rest))];
        unplaceable.push(Unplaceable { application: "(other)".to_owned(), obstacles });
    }
    unplaceable
}
