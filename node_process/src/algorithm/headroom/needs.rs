//! H1: what every application needs: to grow, and for its queued instances.

use shared::config::HeadroomPlacement;
use shared::contract::{Application, TaskGroup};
use shared::resources::{Kind, Resources};

use super::super::capacity::Pool;
use super::super::growth::{self, Rate};
use super::super::instance::{largest, queued_instance};
use super::super::numbers::thousandths;
use super::reason::Obstacle;

/// What all applications need.
pub(super) fn of<'a>(pool: &Pool<'a>) -> Vec<Need<'a>> {
    // H12: a daemon needs nothing.
    let others = pool.snapshot.applications.iter().filter(|application| !pool.hosts.is_daemon(application));
    others.map(|application| need(pool, application)).collect()
}

/// H2: what all queued instances take, without those that are left out (H5).
pub(in super::super) fn queued(pool: &Pool<'_>) -> Resources {
    counted(pool).map(|(instance, count)| instance.times(count)).sum()
}

/// How many those are.
pub(in super::super) fn queued_instances(pool: &Pool<'_>) -> u64 {
    counted(pool).map(|(_, count)| count).fold(0, u64::saturating_add)
}

fn counted(pool: &Pool<'_>) -> impl Iterator<Item = (Resources, u64)> {
    // H12: a daemon needs nothing.
    let counts = |application: &&Application| application.queued > 0 && !pool.hosts.is_daemon(application);
    let applications = pool.snapshot.applications.iter().filter(counts);
    let instances = applications.map(|application| (application, queued_instance(application)));
    instances
        .filter(|(application, instance)| has_place(pool, application, instance))
        // A: what only an agent larger than a new one could hold adds none.
        .filter(|(_, instance)| pool.new_agent.is_none_or(|new_agent| instance.fits_in(&new_agent.unreserved)))
        .map(|(application, instance)| (instance, application.queued.into()))
}

/// What one application needs.
pub(super) struct Need<'a> {
    pub(super) application: &'a Application,
    /// X, or what has been learned (H9).
    pub(super) rate: Rate,
    /// Its tasks, without those that are left out.
    pub(super) tasks: Vec<TaskGroup>,
    /// What they take.
    pub(super) resources: Resources,
    /// H2: what one of its queued instances takes; nothing where there is none or they are left out.
    pub(super) instance: Resources,
    /// H5: per kind the most that a task or queued instance takes which no agent could hold; nothing where there is none.
    left_out: Resources,
    /// H5: whether one is left out although it is small enough, since all agents that could hold it have gpus.
    is_kept_off_gpus: bool,
    /// A: whether one is left out that an agent as it is believed would hold.
    pub(super) waits_for_larger: bool,
}

impl Need<'_> {
    /// In hundredths of an amount's thousandths, so that it is exact.
    pub(super) fn of(&self, kind: Kind) -> u128 {
        self.growth(kind) + self.queued(kind)
    }

    pub(super) fn growth(&self, kind: Kind) -> u128 {
        self.rate.hundredfold(thousandths(self.resources.get(kind)))
    }

    pub(super) fn queued(&self, kind: Kind) -> u128 {
        100 * thousandths(self.instance.times(self.application.queued.into()).get(kind))
    }

    /// H5: whether it has tasks or instances that no agent could hold.
    pub(super) fn leaves_out(&self) -> bool {
        !self.left_out.is_zero()
    }

    /// H5: whether it needs a place for such a task.
    pub(super) fn has(&self, task: &Resources, is_gpu_aware: bool) -> bool {
        self.application.gpu_aware == is_gpu_aware
            && (self.instance == *task
                || !self.rate.is_zero() && self.tasks.iter().any(|group| group.resources == *task))
    }

    /// H5: why a new agent could not hold the tasks that are left out.
    pub(super) fn obstacles(&self, pool: &Pool<'_>) -> Vec<Obstacle> {
        let mut obstacles = too_large(pool, &self.left_out, true);
        if self.is_kept_off_gpus && pool.new_agent.is_some() {
            obstacles.push(Obstacle::KeptOffGpus);
        }
        obstacles
    }
}

/// H5: why a new agent could not hold such a task.
pub(super) fn too_large(pool: &Pool<'_>, task: &Resources, is_gpu_aware: bool) -> Vec<Obstacle> {
    let Some(new_agent) = pool.new_agent else { return Vec::new() };
    let has = new_agent.unreserved;
    let too_large = Kind::ALL.into_iter().filter(|kind| task.get(*kind) > has.get(*kind));
    let obstacle = |kind: Kind| {
        let (needs, has) = (task.get(kind), has.get(kind));
        match pool.belief.believed(kind).filter(|believed| needs <= *believed) {
            Some(believed) => Obstacle::NotAsBelieved { kind, needs, believed, has },
            None => Obstacle::TooLarge { kind, needs, has },
        }
    };
    let mut obstacles: Vec<Obstacle> = too_large.map(obstacle).collect();
    if obstacles.is_empty() && !new_agent.holds(task, is_gpu_aware) {
        obstacles.push(Obstacle::KeptOffGpus);
    }
    obstacles
}

fn need<'a>(pool: &Pool<'_>, application: &'a Application) -> Need<'a> {
    let rate = growth::rate_of(pool, &application.name);
    let has_place = |task: &Resources| has_place(pool, application, task);
    let (tasks, too_large): (Vec<TaskGroup>, Vec<TaskGroup>) =
        application.tasks.iter().filter(|group| group.count > 0).partition(|group| has_place(&group.resources));
    let without: Resources = too_large.iter().map(|group| group.resources.times(group.count.into())).sum();
    let resources = application.resources.saturating_sub(&without);
    let mut instance = queued_instance(application);
    let mut left_out: Vec<Resources> = Vec::new();
    if !rate.is_zero() {
        left_out.extend(too_large.iter().map(|group| group.resources));
    }
    if !has_place(&instance) {
        left_out.push(instance);
        instance = Resources::ZERO;
    }
    let fits_new = |task: &Resources| pool.new_agent.is_some_and(|new_agent| task.fits_in(&new_agent.unreserved));
    Need {
        application,
        rate,
        tasks,
        resources,
        instance,
        is_kept_off_gpus: left_out.iter().any(fits_new),
        waits_for_larger: left_out.iter().any(|task| pool.belief.only_larger_holds(task)),
        left_out: largest(left_out.into_iter()),
    }
}

/// H5: whether an empty agent would hold such a task: a new one, or one like those there are.
fn has_place(pool: &Pool<'_>, application: &Application, task: &Resources) -> bool {
    // Totals do not know which agents have gpus (H2).
    let is_gpu_aware = application.gpu_aware || pool.policy.headroom.placement == HeadroomPlacement::Sum;
    // Where nothing is known of new agents, nothing is known to be too large for them.
    pool.new_agent.is_none() || task.is_zero() || pool.has_place(task, is_gpu_aware)
}
