use proptest::prelude::*;
use shared::contract::{
    AgentCounts, Application, CONTENT_ENCODING, Candidate, Completeness, CompletenessLevel, GZIP_BASE64, PoolResources,
    Source, TaskGroup, WIRE_BUDGET_BYTES, decode,
};
use shared::random::SplitMix64;
use uuid::Uuid;

use super::*;
use crate::testing::now;

/// Random amounts, which do not compress and are the same in each run.
fn resources(random: &mut SplitMix64, limit: u64) -> Resources {
    Resources::from_fn(|_| Amount::from_thousandths(random.below(limit)))
}

/// A pool of so many agents, all with different free resources, and so many applications.
fn snapshot(agents: u32, applications: u32) -> ClusterSnapshot {
    let mut random = SplitMix64::new(7);
    let total = Resources::from_fn(|_| Amount::from_thousandths(64_000));
    let shape = |free| AgentShape { count: 1, total, unreserved: total, free };
    let mut shapes: Vec<AgentShape> = (0..agents).map(|_| shape(resources(&mut random, 64_000))).collect();
    shapes.sort();
    let applications = (0..applications).map(|place| {
        let resources = resources(&mut random, 1_000_000_000);
        Application {
            framework: "spark".to_owned(),
            name: format!("{place:05}-{:x}{:x}", random.below(1 << 40), random.below(1 << 40)),
            task_count: 1,
            resources,
            tasks: vec![TaskGroup { count: 1, resources: total }],
            queued: 0,
            queued_tasks: Vec::new(),
            gpu_aware: false,
            max_per_agent: None,
            in_all_pools: None,
        }
    });
    ClusterSnapshot {
        id: Uuid::nil(),
        taken_at: now(),
        pool: "workers".to_owned(),
        source: Source { master: "m".to_owned(), mesos_version: "1.11.0".to_owned(), ..Source::default() },
        completeness: Completeness { level: CompletenessLevel::Complete, reasons: Vec::new() },
        agents: AgentCounts { registered: agents, usable: agents, ..AgentCounts::default() },
        resources: PoolResources::default(),
        group: None,
        applications: applications.collect(),
        agent_shapes: shapes,
        reserved_role: None,
        latest_agents: Vec::new(),
        decommissioning_omitted: 0,
        free_floor: None,
        scale_down_candidates: Vec::new(),
        growth: None,
        not_counted: Vec::new(),
        notes: Vec::new(),
        cpu_utilization_percent: None,
    }
    .identified()
}

fn free_of(snapshot: &ClusterSnapshot) -> Resources {
    snapshot.agent_shapes.iter().map(|shape| shape.free.times(u64::from(shape.count))).sum()
}

/// What holds for every step.
fn check(before: &ClusterSnapshot) -> Step {
    let Fitted { snapshot, encoded, step } = fit(before).unwrap();
    assert!(encoded.body.len() <= WIRE_BUDGET_BYTES);
    let encoding = encoded.attributes.iter().find(|(name, _)| *name == CONTENT_ENCODING).map(|(_, value)| &**value);
    assert_eq!(decode::<ClusterSnapshot>(&encoded.body, encoding).unwrap(), snapshot);
    assert_eq!(snapshot.clone().identified(), snapshot, "its id is its own");
    assert_eq!(encoding, (step != Step::Plain).then_some(GZIP_BASE64));
    let counts = |snapshot: &ClusterSnapshot| snapshot.agent_shapes.iter().map(|shape| shape.count).sum::<u32>();
    assert_eq!(counts(&snapshot), counts(before));
    assert!(free_of(&snapshot).fits_in(&free_of(before)));
    let tasks = |snapshot: &ClusterSnapshot| snapshot.applications.iter().map(|app| app.task_count).sum::<u32>();
    assert_eq!(tasks(&snapshot), tasks(before));
    step
}

#[test]
fn a_small_snapshot_is_plain_and_a_larger_one_is_packed() {
    assert_eq!(check(&snapshot(10, 10)), Step::Plain);
    assert_eq!(check(&snapshot(3000, 10)), Step::Packed);
}

#[test]
fn free_resources_are_rounded_before_applications_are_folded() {
    let step = check(&snapshot(12_000, 100));
    assert!(matches!(step, Step::FreeFloor(_)), "{step}");
    let step = check(&snapshot(10, 9000));
    assert!(matches!(step, Step::Folded(kept) if kept > 1000), "{step}");
}

#[test]
fn a_snapshot_that_cannot_fit_is_an_error() {
    let mut large = snapshot(10, 0);
    let mut random = SplitMix64::new(9);
    large.completeness.reasons = (0..60_000).map(|_| format!("{:x}", random.below(1 << 40))).collect();
    assert!(matches!(fit(&large), Err(EncodeError::TooLarge { .. })));
}

#[test]
fn steps_are_numbered_in_their_order() {
    let steps = [
        Step::Plain,
        Step::Packed,
        Step::FreeFloor(64),
        Step::FreeFloor(32),
        Step::FreeFloor(16),
        Step::Shapes(4),
        Step::Folded(9),
    ];
    assert_eq!(steps.map(Step::number), [0, 1, 2, 3, 4, 5, 6]);
}

proptest! {
    #[test]
    fn rounding_down_loses_less_than_one_part(
        (free, total) in (0_u64..=1_000_000_000_000_000).prop_flat_map(|total| (0..=total, Just(total))),
        floor in prop::sample::select(&FREE_FLOORS[..]),
    ) {
        let of = |amount| Resources { mem: Amount::from_thousandths(amount), ..Resources::ZERO };
        let floored = floor_to(&of(free), &of(total), floor).mem.thousandths();
        prop_assert!(floored <= free);
        prop_assert!(free - floored <= total / u64::from(floor) + 1);
    }
}

#[test]
fn fifty_thousand_agents_and_ten_thousand_applications_fit() {
    // Random numbers compress worse than those of any cluster.
    let fitted = fit(&snapshot(50_000, 10_000)).unwrap();
    assert!(fitted.encoded.body.len() <= WIRE_BUDGET_BYTES);
    let agents: u32 = fitted.snapshot.agent_shapes.iter().map(|shape| shape.count).sum();
    let tasks: u32 = fitted.snapshot.applications.iter().map(|application| application.task_count).sum();
    assert_eq!((agents, tasks), (50_000, 10_000), "nothing is omitted");
}

#[test]
fn agents_of_distinct_totals_fit() {
    let mut random = SplitMix64::new(11);
    let mut large = snapshot(10, 3000);
    let shape = |random: &mut SplitMix64| {
        let total = resources(random, 1 << 30);
        let unreserved =
            Resources::from_fn(|kind| Amount::from_thousandths(random.below(1 + total.get(kind).thousandths())));
        let free =
            Resources::from_fn(|kind| Amount::from_thousandths(random.below(1 + unreserved.get(kind).thousandths())));
        AgentShape { count: 1, total, unreserved, free }
    };
    large.agent_shapes = (0..12_000).map(|_| shape(&mut random)).collect();
    let AgentShape { total, unreserved, free, .. } = large.agent_shapes[7];
    large.scale_down_candidates = vec![candidate(1, AgentState::Active)];
    (large.scale_down_candidates[0].total, large.scale_down_candidates[0].unreserved) = (total, unreserved);
    large.scale_down_candidates[0].free = Some(free);
    let step = check(&large);
    assert!(matches!(step, Step::Shapes(_) | Step::Folded(_)), "{step}");
    // The candidate is found among the shapes, and what is free is never more than it was.
    let fitted = fit(&large).unwrap().snapshot;
    let candidate = &fitted.scale_down_candidates[0];
    let is_its_shape = |shape: &AgentShape| {
        (shape.total, shape.unreserved, Some(shape.free)) == (candidate.total, candidate.unreserved, candidate.free)
    };
    assert!(fitted.agent_shapes.iter().any(is_its_shape));
    assert_eq!(fitted.resources, large.resources);
}

fn candidate(number: u32, state: AgentState) -> Candidate {
    let resources = Resources::from_fn(|_| Amount::from_thousandths(4000));
    Candidate {
        agent_id: format!("S{number:05}"),
        hostname: format!("host-{number}"),
        ip: None,
        instance_id: None,
        decommission_tag: (number == 9999).then_some(true),
        decommission_since: None,
        contested: false,
        sole_host: false,
        drain_due: None,
        state,
        protected: false,
        total: resources,
        unreserved: resources,
        used: Resources::ZERO,
        free: None,
        task_count: 0,
        tasks: Vec::new(),
        applications: Vec::new(),
    }
}

#[test]
fn ten_thousand_deactivated_agents_are_the_first_and_a_count() {
    let mut large = snapshot(10, 10);
    large.scale_down_candidates = (0..20).map(|number| candidate(number, AgentState::Active)).collect();
    large.scale_down_candidates.extend((20..10_020).map(|number| candidate(number, AgentState::Deactivated)));
    check(&large);
    let fitted = fit(&large).unwrap().snapshot;
    assert_eq!((fitted.scale_down_candidates.len(), fitted.decommissioning_omitted), (520, 9500));
    let ids: Vec<&str> = fitted.scale_down_candidates.iter().map(|candidate| &*candidate.agent_id).collect();
    // The one that Lambda Scale decommissions comes first.
    assert_eq!(ids[19..22], ["S00019", "S09999", "S00020"]);
    large.scale_down_candidates.truncate(520);
    assert_eq!(fit(&large).unwrap().snapshot.decommissioning_omitted, 0);
}
