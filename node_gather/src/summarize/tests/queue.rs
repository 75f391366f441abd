//! Queued instances: where they count, and which do not.

use shared::contract::{Completeness, NotCounted};

use super::hosts::observed;
use super::*;
use crate::marathon::definitions::OddDefinition;
use crate::marathon::queue::QueuedInstances;
use crate::marathon::{Answer, Queue, queue};

/// Queued instances of an application, each with one task of so many cpus.
fn queued(application: &str, instances: u32, cpus: f64) -> QueuedInstances {
    let tasks = vec![TaskGroup { count: 1, resources: amounts(cpus, 0.0) }];
    QueuedInstances { application: application.to_owned(), instances, tasks, ..QueuedInstances::default() }
}

pub(super) fn with_queue(state: &Json, config: &Config, queue: &Queue) -> Vec<ClusterSnapshot> {
    run_with(state, config, &queue.clone().into()).snapshots
}

/// Name, framework, tasks, queued instances and the cpus of one of them.
pub(super) fn rows(snapshot: &ClusterSnapshot) -> Vec<(&str, &str, u32, u32, String)> {
    let cpus = |application: &Application| -> String {
        let one: Resources =
            application.queued_tasks.iter().map(|group| group.resources.times(group.count.into())).sum();
        one.cpus.to_string()
    };
    let rows = snapshot.applications.iter().map(|application| {
        let Application { framework, name, task_count, queued, .. } = application;
        (&**name, &**framework, *task_count, *queued, cpus(application))
    });
    rows.collect()
}

/// Tasks of Marathon, each (id without its UUID, agent).
pub(super) fn marathon(name: &str, tasks: &[(&str, &str)]) -> Json {
    let tasks: Vec<Json> = tasks
        .iter()
        .map(|(id, agent)| {
            json!({"id": format!("{id}.instance-182f33d2-3650-4602-9e17-f36177a98192._app.1"), "name": "x",
                   "slave_id": agent, "state": "TASK_RUNNING", "resources": {"cpus": 1.0}})
        })
        .collect();
    json!({"name": name, "tasks": tasks})
}

#[test]
fn queued_instances_are_counted_with_their_application() {
    let state = state(
        &[agent("a", 3.0, &json!({}))],
        &[marathon("root-scheduler", &[("web", "a"), ("web", "a")]), framework("spark", &[("/new", "a", 1.0)])],
    );
    let queue = Queue::Known(vec![
        queued("/new", 3, 0.5),
        queued("/web", 2, 1.0),
        queued("/new", 1, 0.5),
        queued("/z", 1, 9.0),
    ]);
    let snapshot = with_queue(&state, &config(""), &queue).remove(0);
    let expected = [
        // A framework other than Marathon has an application of the same name.
        ("/new", "root-scheduler", 0, 4, "0.5".to_owned()),
        ("/web", "root-scheduler", 2, 2, "1".to_owned()),
        ("/z", "root-scheduler", 0, 1, "9".to_owned()),
        ("/new", "spark", 1, 0, "0".to_owned()),
    ];
    assert_eq!(rows(&snapshot), expected);
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete);
    assert_eq!(snapshot.clone().identified(), snapshot);
}

#[test]
fn queued_instances_of_several_sizes_have_their_mean_in_any_order() {
    let state = state(&[agent("a", 0.0, &json!({}))], &[]);
    let mut items = vec![queued("/a", 1, 1.0), queued("/a", 2, 0.5), queued("/a", 4, 0.1)];
    let first = with_queue(&state, &config(""), &Queue::Known(items.clone())).remove(0);
    // (1 + 1 + 0.4) / 7, rounded up in each step: never less than their total.
    let rows = rows(&first);
    let [(_, _, 0, 7, cpus)] = rows.as_slice() else { panic!("{rows:?}") };
    let cpus: f64 = cpus.parse().unwrap();
    assert!((0.342..=0.345).contains(&cpus), "{cpus}");
    items.reverse();
    assert_eq!(with_queue(&state, &config(""), &Queue::Known(items)).remove(0), first);
}

#[test]
fn queued_instances_belong_to_the_pool_of_their_tasks_or_the_first() {
    let in_pool = |pool: &str| json!({ "attributes": { "pool": pool } });
    let state = state(
        &[agent("a", 1.0, &in_pool("workers")), agent("b", 2.0, &in_pool("other"))],
        &[marathon("marathon", &[("web", "a"), ("web", "b"), ("web", "b")])],
    );
    let more = "attributes = { pool = \"workers\" }\n[[pools]]\nname = \"other\"\ngroup = \"other\"\nattributes = { pool = \"other\" }";
    let queue = Queue::Known(vec![queued("/web", 5, 1.0), queued("/new", 2, 1.0)]);
    let snapshots = with_queue(&state, &config(more), &queue);
    let counts: Vec<Vec<(&str, u32)>> =
        snapshots.iter().map(|snapshot| rows(snapshot).iter().map(|row| (row.0, row.3)).collect()).collect();
    assert_eq!(counts, [vec![("/new", 2), ("/web", 0)], vec![("/web", 5)]]);
}

#[test]
fn queued_instances_are_gpu_aware_when_marathon_is() {
    let mut gpus = marathon("marathon", &[]);
    gpus["capabilities"] = json!(["GPU_RESOURCES"]);
    let state = state(&[agent("a", 0.0, &json!({}))], &[gpus]);
    let snapshot = with_queue(&state, &config(""), &Queue::Known(vec![queued("/ml", 1, 1.0)])).remove(0);
    assert!(snapshot.applications[0].gpu_aware);
}

#[test]
fn every_framework_is_offered_agents_with_gpus_where_the_master_says_so() {
    let aware = |flags: Json| {
        let mut state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("web", "a")])]);
        state["flags"] = flags;
        let queue = Queue::Known(vec![queued("/ml", 1, 1.0)]);
        let snapshot = with_queue(&state, &config(""), &queue).remove(0);
        snapshot.applications.iter().map(|application| application.gpu_aware).collect::<Vec<_>>()
    };
    assert_eq!(aware(json!({"filter_gpu_resources": "false"})), [true, true]);
    for filters in [json!({"filter_gpu_resources": "true"}), json!({}), json!({"filter_gpu_resources": "no"})] {
        assert_eq!(aware(filters), [false, false]);
    }
}

#[test]
fn an_unknown_queue_makes_the_snapshot_partial() {
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("web", "a")])]);
    let queue = Queue::Unknown { reason: "cannot ask Marathon".to_owned() };
    let snapshot = with_queue(&state, &config(""), &queue).remove(0);
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Partial);
    let finding = Finding::UnknownQueue { reason: "cannot ask Marathon".to_owned() };
    assert_eq!(snapshot.completeness.reasons, [finding.to_string()]);
    assert_eq!(
        with_queue(&state, &config(""), &Queue::NotAsked).remove(0).completeness.level,
        CompletenessLevel::Complete
    );
}

#[test]
fn applications_with_queued_instances_are_folded_last() {
    let names: Vec<String> = (0..2500).map(|place| format!("job-{place}")).collect();
    let tasks: Vec<(&str, &str, f64)> = names.iter().map(|name| (&**name, "a", 0.001)).collect();
    let state = state(&[agent("a", 2.5, &json!({}))], &[framework("spark", &tasks)]);
    let queue = Queue::Known(vec![queued("/a", 3, 1.0), queued("/b", 1, 5.0)]);
    let applications = with_queue(&state, &config(""), &queue).remove(0).applications;
    assert_eq!(applications.len(), 2001);
    let names: Vec<&str> = applications.iter().take(2).map(|application| &*application.name).collect();
    assert_eq!(names, ["/a", "/b"], "kept although they have no task");
    let all = fold_smallest(applications, 0);
    let other = all.iter().find(|application| application.framework == "marathon").unwrap();
    assert_eq!((&*other.name, other.queued), ("(other)", 4));
    assert_eq!(other.queued_tasks, [TaskGroup { count: 1, resources: amounts(2.0, 0.0) }]);
}

/// The entry of an application in `/v2/queue`, which asks for so many cpus and, in `more`, for other things.
pub(super) fn entry(id: &str, count: u32, cpus: f64, more: &Json) -> Json {
    let mut app = json!({"id": id, "cpus": cpus, "mem": 0, "gpus": 0, "instances": 9});
    app.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"count": count, "delay": {"timeLeftSeconds": 0}, "app": app})
}

/// The entry with these last declines.
pub(super) fn declined(mut entry: Json, rejects: &[(&str, u32)]) -> Json {
    let rejects: Vec<Json> =
        rejects.iter().map(|(reason, declined)| json!({"reason": reason, "declined": declined})).collect();
    entry["processedOffersSummary"] = json!({"rejectSummaryLastOffers": rejects});
    entry
}

pub(super) fn read_queue(entries: &[Json]) -> Queue {
    Answer::Known(queue::parse(json!({ "queue": entries }).to_string().as_bytes()).unwrap())
}

/// Two pools, of the agents with the attributes `pool = workers` and `pool = other`, the second with these settings.
pub(super) fn two_pools(settings: &str) -> Config {
    let second = "[[pools]]\nname = \"other\"\ngroup = \"other\"\nattributes = { pool = \"other\" }";
    config(&format!("attributes = {{ pool = \"workers\" }}\n{second}\n{settings}"))
}

/// How many instances count in each pool, and how many are named as not counted.
pub(super) fn counted(snapshots: &[ClusterSnapshot]) -> Vec<(u32, u32)> {
    let count = |snapshot: &ClusterSnapshot| {
        let queued = snapshot.applications.iter().map(|application| application.queued).sum();
        (queued, snapshot.not_counted.iter().map(|entry| entry.queued).sum())
    };
    snapshots.iter().map(count).collect()
}

pub(super) const UNIQUE: [&str; 2] = ["hostname", "UNIQUE"];

#[test]
fn a_gpu_pool_of_zero_is_served_wherever_it_stands() {
    let mut marathon = marathon("marathon", &[("web", "a")]);
    marathon["capabilities"] = json!(["GPU_RESOURCES"]);
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon]);
    let new_agent = "new_agent = { cpus = 8, mem = 60000, gpus = 1 }";
    let workers = "name = \"workers\"\ngroup = \"workers\"\nattributes = { pool = \"workers\" }";
    let gpu = format!("name = \"gpu\"\ngroup = \"gpu\"\nmin = 0\nattributes = {{ pool = \"gpu\" }}\n{new_agent}");
    // With and without a constraint: the agents of the other pool have no gpu.
    for constraints in [json!([["pool", "CLUSTER", "gpu"]]), json!([])] {
        let train = entry("/ml/train", 2, 3.0, &json!({"gpus": 1, "constraints": constraints}));
        let queue = read_queue(&[declined(train, &[("UnfulfilledConstraint", 1)])]);
        for (pools, expected) in [([workers, &gpu], [(0, 0), (2, 0)]), ([&gpu, workers], [(2, 0), (0, 0)])] {
            let document =
                format!("[mesos]\nmasters = [\"http://m:5050\"]\n[[pools]]\n{}\n[[pools]]\n{}", pools[0], pools[1]);
            let snapshots = with_queue(&state, &Config::parse(&document).unwrap(), &queue);
            assert_eq!(counted(&snapshots), expected, "{constraints}");
        }
    }
}

#[test]
fn instances_count_in_a_pool_that_can_serve_them() {
    let in_pool = |pool: &str| json!({ "attributes": { "pool": pool } });
    let large = "new_agent = { cpus = 16, mem = 64000 }";
    let state = state(
        &[agent("a", 1.0, &in_pool("workers")), agent("b", 1.0, &in_pool("workers"))],
        &[marathon("marathon", &[("web", "a"), ("web", "b")])],
    );
    let both = || two_pools(large);
    for (config, id, cpus, more, expected) in [
        // Where its tasks are; without tasks the first.
        (both(), "/web", 1.0, json!({}), [(1, 0), (0, 0)]),
        (both(), "/new", 1.0, json!({}), [(1, 0), (0, 0)]),
        // Only the other pool's agents hold it, whoever runs tasks of it.
        (both(), "/web", 9.0, json!({}), [(0, 0), (1, 0)]),
        (both(), "/new", 99.0, json!({}), [(1, 0), (0, 0)]),
        (both(), "/web", 1.0, json!({"constraints": [["pool", "CLUSTER", "other"]]}), [(0, 0), (1, 0)]),
        (both(), "/web", 1.0, json!({"constraints": [["pool", "LIKE", "work.*|none"]]}), [(1, 0), (0, 0)]),
        (both(), "/web", 1.0, json!({"constraints": [["pool", "UNLIKE", "work.*"]]}), [(0, 0), (1, 0)]),
        (both(), "/web", 1.0, json!({"constraints": [["pool", "GROUP_BY"], ["rack", "IS", "1"]]}), [(1, 0), (0, 0)]),
        // No pool, and no host that is still to come.
        (both(), "/web", 1.0, json!({"constraints": [["pool", "IS", "third"]]}), [(0, 1), (0, 0)]),
        (both(), "/web", 1.0, json!({"constraints": [["hostname", "CLUSTER", "host-a"]]}), [(0, 1), (0, 0)]),
        // Roles of which no pool offers resources.
        (both(), "/web", 1.0, json!({"acceptedResourceRoles": ["slave_public"]}), [(0, 1), (0, 0)]),
        (both(), "/web", 1.0, json!({"acceptedResourceRoles": ["slave_public", "*"]}), [(1, 0), (0, 0)]),
        (both(), "/web", 1.0, json!({"acceptedResourceRoles": []}), [(1, 0), (0, 0)]),
    ] {
        let snapshots = with_queue(&state, &config, &read_queue(&[entry(id, 1, cpus, &more)]));
        assert_eq!(counted(&snapshots), expected, "{id} {cpus} {more}");
    }
    let mut empty = state;
    empty["slaves"] = json!([]);
    empty["frameworks"] = json!([]);
    // A pool of which nothing is known comes last.
    let new = read_queue(&[entry("/new", 1, 1.0, &json!({}))]);
    assert_eq!(counted(&with_queue(&empty, &both(), &new)), [(0, 0), (1, 0)]);
    assert_eq!(counted(&with_queue(&empty, &two_pools(""), &new)), [(1, 0), (0, 0)]);
}

/// Public agents are reserved as a whole for the role of their pool, and have room.
#[test]
fn what_is_reserved_is_no_room_for_those_that_accept_the_default_role_alone() {
    let reserved = json!({
        "attributes": {"pool": "other"}, "reserved_resources": {"slave_public": {"cpus": 4.0, "mem": 1000.0}},
        "unreserved_resources": {"cpus": 0.0, "mem": 0.0},
    });
    let agents = [agent("a", 4.0, &json!({"attributes": {"pool": "workers"}})), agent("b", 0.0, &reserved)];
    let state = state(&agents, &[marathon("marathon", &[("web", "a")])]);
    let config = two_pools("role = \"slave_public\"");
    for (accepted, rejects, expected) in [
        (json!(["*"]), ("UnfulfilledRole", 1), [(2, 0), (0, 0)]),
        (json!(["*"]), ("InsufficientCpus", 1), [(2, 0), (0, 0)]),
        // The public agent has room for them.
        (json!(["slave_public"]), ("InsufficientCpus", 1), [(0, 0), (2, 0)]),
        // Room in the other pool says nothing about an agent of this one.
        (json!(["*", "slave_public"]), ("UnfulfilledRole", 1), [(2, 0), (0, 0)]),
    ] {
        let own = entry("/new", 2, 1.0, &json!({"acceptedResourceRoles": accepted}));
        let snapshots = with_queue(&state, &config, &read_queue(&[declined(own, &[rejects])]));
        assert_eq!(counted(&snapshots), expected, "{accepted}");
    }
}

#[test]
fn instances_that_back_off_or_are_left_out_do_not_count() {
    let mut crashing = entry("/web", 3, 1.0, &json!({}));
    crashing["delay"]["timeLeftSeconds"] = json!(17);
    let queue = read_queue(&[crashing, entry("/web", 2, 1.0, &json!({})), entry("/batch", 5, 1.0, &json!({}))]);
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("web", "a")])]);
    let config = config("applications.\"/batch\".count_queued = false");
    let snapshot = with_queue(&state, &config, &queue).remove(0);
    let left_out = |application: &str, queued, reason: &str| NotCounted {
        application: application.to_owned(),
        queued,
        reason: reason.to_owned(),
    };
    let expected = [
        left_out("/batch", 5, "count_queued = false"),
        left_out("/web", 3, "its instances failed, and Marathon backs off"),
    ];
    assert_eq!(snapshot.not_counted, expected);
    assert_eq!(rows(&snapshot), [("/web", "marathon", 1, 2, "1".to_owned())]);
}

#[test]
fn instances_that_back_off_are_demand_all_the_same_h7() {
    let backing_off = |name: &str, cpus: f64| {
        let mut crashing = entry(name, 3, cpus, &json!({}));
        crashing["delay"]["timeLeftSeconds"] = json!(17);
        crashing
    };
    let queue = [
        backing_off("/web", 1.0),
        entry("/web", 2, 1.0, &json!({})),
        backing_off("/own", 2.0),
        entry("/batch", 5, 1.0, &json!({})),
    ];
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("web", "a")])]);
    let config = config(
        "applications = { \"/batch\" = { count_queued = false }, \"/own\" = { application_headroom_percent = 5 } }",
    );
    let demand = run_with(&state, &config, &read_queue(&queue).into()).backing_off;
    let groups: Vec<(u32, String)> =
        demand["workers"].iter().map(|group| (group.count, group.resources.cpus.to_string())).collect();
    assert_eq!(groups, [(3, "1".to_owned())], "what counts is in the snapshot");
}

#[test]
fn an_entry_that_cannot_be_read_is_named_and_the_others_count() {
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("web", "a")])]);
    let mut nameless = entry("/x", 4, 1.0, &json!({}));
    nameless["app"].as_object_mut().unwrap().remove("id");
    let queue = read_queue(&[entry("/web", 3, -1.0, &json!({})), entry("/web", 2, 1.0, &json!({})), nameless]);
    let snapshot = with_queue(&state, &config(""), &queue).remove(0);
    let [web] = &*snapshot.applications else { panic!("{:?}", snapshot.applications) };
    assert_eq!(
        (&*web.name, web.queued, &*web.queued_tasks),
        ("/web", 2, &[TaskGroup { count: 1, resources: amounts(1.0, 0.0) }][..])
    );
    let named: Vec<(&str, u32, &str)> =
        snapshot.not_counted.iter().map(|one| (&*one.application, one.queued, &*one.reason)).collect();
    let expected = [
        ("(unknown)", 4, "its entry in Marathon's queue cannot be read: app.id is missing"),
        ("/web", 3, "its entry in Marathon's queue cannot be read: got -1.0 cpus, expected 0 or more"),
    ];
    assert_eq!(named, expected);
}

#[test]
fn an_entry_that_cannot_be_read_keeps_agents_for_an_hour() {
    let state = state(&[agent("a", 0.0, &json!({}))], &[]);
    let completeness = |minutes_ago: Option<i64>| {
        let mut entries = [entry("/web", 3, -1.0, &json!({})), entry("/new", 1, 1.0, &json!({}))];
        if let Some(minutes) = minutes_ago {
            entries[0]["since"] = (now() - SignedDuration::from_mins(minutes)).to_string().into();
        }
        with_queue(&state, &config(""), &read_queue(&entries)).remove(0).completeness
    };
    for minutes in [0, 59, -59] {
        let expected = Completeness {
            level: CompletenessLevel::Partial,
            reasons: vec![
                "1 entry of Marathon's queue cannot be read, such as that of /web: got -1.0 cpus, expected 0 or more; \
                 no agent is removed for an hour"
                    .to_owned(),
            ],
        };
        assert_eq!(completeness(Some(minutes)), expected, "{minutes}");
    }
    // It may stay for ever, and so may a time that is none of the past.
    for minutes in [Some(60), Some(-60), None] {
        assert_eq!(completeness(minutes).level, CompletenessLevel::Complete, "{minutes:?}");
    }
}

#[test]
fn many_entries_that_do_not_count_fit_a_message() {
    let long = "x".repeat(900);
    let entries: Vec<Json> = (0..5_000_u32)
        .map(|number| {
            let more = json!({"constraints": [["pool", "IS", "third"]]});
            entry(&format!("/{number}/{long}"), 1 + number % 7, 1.0, &more)
        })
        .collect();
    let all: u32 = (0..5_000).map(|number| 1 + number % 7).sum();
    let state = state(&[agent("a", 0.0, &json!({}))], &[]);
    let config = config("attributes = { pool = \"workers\" }");
    let snapshot = with_queue(&state, &config, &read_queue(&entries)).remove(0);
    assert_eq!(snapshot.not_counted.iter().map(|entry| entry.queued).sum::<u32>(), all);
    assert_eq!((snapshot.not_counted.len(), &*snapshot.not_counted[50].application), (51, "(other)"));
    assert_eq!(snapshot.not_counted[50].reason, "4950 more entries of the queue do not count");
    assert_eq!(crate::fit::fit(&snapshot).unwrap().step, crate::fit::Step::Plain);
}

#[test]
fn constraints_say_how_many_instances_an_agent_may_hold() {
    let tasks = [("web", "a"), ("db", "a"), ("pod", "a"), ("pod", "a")];
    let state = state(
        &[agent("a", 1.0, &json!({}))],
        &[marathon("marathon", &tasks), framework("spark", &[("/db", "a", 0.1)])],
    );
    let constrained = json!({"constraints": [["hostname", "MAX_PER", "2"]]});
    let queue = read_queue(&[entry("/new", 1, 1.0, &constrained), entry("/db", 1, 1.0, &constrained)]);
    let marathon = observed(&[("/db", 1), ("/pod", 3), ("/gone", 1)], &queue);
    let snapshot = run_with(&state, &config(""), &marathon).snapshots.remove(0);
    let limited: Vec<(&str, &str, Option<u32>, u32)> = snapshot
        .applications
        .iter()
        .map(|application| {
            (&*application.framework, &*application.name, application.max_per_agent, application.task_count)
        })
        .collect();
    let expected = [
        ("marathon", "/db", Some(1), 1),
        ("marathon", "/new", Some(2), 0),
        ("marathon", "/pod", Some(3), 2),
        ("marathon", "/web", None, 1),
        ("spark", "/db", None, 1),
    ];
    assert_eq!(limited, expected);
}

#[test]
fn unknown_constraints_make_the_snapshot_partial() {
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("web", "a")])]);
    let reason = "status 503".to_owned();
    let marathon = Observed { queue: read_queue(&[]), definitions: Answer::Unknown { reason: reason.clone() } };
    let completeness = run_with(&state, &config(""), &marathon).snapshots.remove(0).completeness;
    assert_eq!(completeness.level, CompletenessLevel::Partial);
    assert_eq!(completeness.reasons, [Finding::UnknownConstraints { reason }.to_string()]);
}

#[test]
fn a_definition_that_cannot_be_read_is_named_and_keeps_agents_for_an_hour() {
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("web", "a"), ("db", "a")])]);
    let snapshot = |changed: &[Option<i64>]| {
        let odd = |(number, minutes_ago): (usize, &Option<i64>)| {
            let changed_at = minutes_ago.map(|ago| now() - SignedDuration::from_mins(ago));
            let problem = "constraints: got an object, expected a list of constraints".to_owned();
            (format!("/app{number}"), OddDefinition { changed_at, problem })
        };
        let mut marathon = observed(&[("/db", 1)], &read_queue(&[]));
        if let Answer::Known(definitions) = &mut marathon.definitions {
            definitions.odd = changed.iter().enumerate().map(odd).collect();
        }
        run_with(&state, &config(""), &marathon).snapshots.remove(0)
    };
    let says = |count: usize, application: &str| {
        (
            format!(
                "definitions of applications cannot be read: {count}, such as that of {application}: constraints: got an object, \
                 expected a list of constraints; no agent is removed for an hour"
            ),
            format!(
                "constraints or ports of applications cannot be read: {count}, such as those of {application}: constraints: got an object, \
                 expected a list of constraints; correct the definition, since what cannot be read keeps no agent"
            ),
        )
    };
    for (changed, held, note) in [
        (&[Some(59)][..], Some(says(1, "/app0").0), None),
        (&[Some(60)], None, Some(says(1, "/app0").1)),
        (&[None], None, Some(says(1, "/app0").1)),
        (&[Some(90), Some(5), None, Some(6)], Some(says(2, "/app1").0), Some(says(2, "/app0").1)),
        (&[], None, None),
    ] {
        let snapshot = snapshot(changed);
        let level = if held.is_some() { CompletenessLevel::Partial } else { CompletenessLevel::Complete };
        assert_eq!((snapshot.completeness.level, snapshot.completeness.reasons), (level, Vec::from_iter(held)));
        assert_eq!(snapshot.notes, Vec::from_iter(note));
        // The others count.
        assert_eq!(snapshot.applications[0].max_per_agent, Some(1), "{:?}", snapshot.applications[0].name);
    }
}

#[test]
fn queued_instances_count_where_most_tasks_of_that_name_are() {
    let state_of = |first: usize, second: usize| {
        let tasks = |count| vec![("web", "a"); count];
        state(
            &[agent("a", (first + second) as f64, &json!({}))],
            &[marathon("one", &tasks(first)), marathon("two", &tasks(second))],
        )
    };
    let framework = |first, second| {
        let snapshot =
            with_queue(&state_of(first, second), &config(""), &Queue::Known(vec![queued("/web", 1, 1.0)])).remove(0);
        let queued = snapshot.applications.into_iter().find(|application| application.queued > 0).unwrap();
        queued.framework
    };
    assert_eq!([framework(1, 2), framework(2, 1), framework(1, 1)], ["two", "one", "one"]);
}

#[test]
fn queued_instances_of_which_some_say_nothing_say_nothing() {
    let state = state(&[agent("a", 0.0, &json!({}))], &[]);
    let silent = QueuedInstances { tasks: Vec::new(), ..queued("/a", 2, 0.0) };
    for queue in [vec![queued("/a", 1, 1.0), silent.clone()], vec![silent, queued("/a", 1, 1.0)]] {
        let snapshot = with_queue(&state, &config(""), &Queue::Known(queue)).remove(0);
        let application = &snapshot.applications[0];
        assert_eq!((application.queued, &application.queued_tasks[..]), (3, &[][..]));
    }
}

#[test]
fn as_many_entries_as_a_message_has_room_for_are_all_named() {
    let state = state(&[agent("a", 0.0, &json!({}))], &[]);
    let named = |count: usize| {
        let entry = |n: usize| QueuedInstances {
            accepted_roles: vec!["slave_public".to_owned()],
            ..queued(&format!("/a{n:02}"), 1, 1.0)
        };
        let queue = Queue::Known((0..count).map(entry).collect());
        with_queue(&state, &config(""), &queue).remove(0).not_counted.len()
    };
    assert_eq!([named(49), named(50), named(51)], [49, 50, 51]);
}

#[test]
fn resources_without_a_role_are_accepted_by_all() {
    let state = state(&[agent("a", 0.0, &json!({}))], &[]);
    let counts = |role: &str| {
        let queue =
            Queue::Known(vec![QueuedInstances { accepted_roles: vec![role.to_owned()], ..queued("/a", 1, 1.0) }]);
        counted(&with_queue(&state, &config("role = \"prod\""), &queue))
    };
    assert_eq!((counts("*"), counts("prod"), counts("dev")), (vec![(1, 0)], vec![(1, 0)], vec![(0, 1)]));
}

#[test]
fn agents_with_gpus_serve_no_instance_that_knows_of_none() {
    let gpus = json!({"attributes": {"pool": "workers"}, "resources": {"cpus": 4.0, "mem": 1000.0, "gpus": 1.0},
                      "unreserved_resources": {"cpus": 4.0, "mem": 1000.0, "gpus": 1.0}});
    let state = state(
        &[agent("a", 0.0, &gpus), agent("b", 0.0, &json!({"attributes": {"pool": "other"}}))],
        &[marathon("marathon", &[])],
    );
    let queue = Queue::Known(vec![queued("/web", 1, 1.0)]);
    assert_eq!(counted(&with_queue(&state, &two_pools(""), &queue)), [(0, 0), (1, 0)]);
}

#[test]
fn a_pool_that_served_an_application_serves_it_again() {
    // No agent of the first pool is usable, so nothing says what its agents hold; but it has the tasks.
    let closed = json!({"attributes": {"pool": "workers"}, "active": false, "deactivated": true});
    let state = state(
        &[agent("a", 1.0, &closed), agent("b", 0.0, &json!({"attributes": {"pool": "other"}}))],
        &[marathon("marathon", &[("web", "a")])],
    );
    let queue = |name: &str| Queue::Known(vec![queued(name, 1, 1.0)]);
    assert_eq!(counted(&with_queue(&state, &two_pools(""), &queue("/web"))), [(1, 0), (0, 0)]);
    assert_eq!(counted(&with_queue(&state, &two_pools(""), &queue("/new"))), [(0, 0), (1, 0)]);
}

#[test]
fn the_containers_of_a_pod_are_one_instance() {
    // A pod of two containers runs in each of two racks of three.
    let own = read_queue(&[declined(
        entry("/db", 4, 1.0, &json!({"constraints": [["rack", "UNIQUE"]]})),
        &[("UnfulfilledConstraint", 3)],
    )]);
    let agents = ["a", "b", "c"]
        .map(|id| agent(id, 1.0, &json!({"attributes": {"rack": format!("r-{id}"), "pool": "workers"}})));
    let containers = [(1, "x", "a"), (1, "y", "a"), (2, "x", "b"), (2, "y", "b")];
    let state = state(&agents, &[pods("db", &containers, &[])]);
    assert_eq!(counted(&with_queue(&state, &config(""), &own)), [(1, 3)]);
}

proptest! {
    #[test]
    fn every_queued_instance_counts_once_or_is_named(
        entries in prop::collection::vec((0_u32..4, 1_u32..5, 0_u32..3, 0_u32..4, 0_u32..6), 0..8),
        used in prop::collection::vec(0_u32..5, 0..4),
        order in any::<u64>(),
    ) {
        let pools = ["workers", "other"];
        let agents: Vec<Json> = used
            .iter()
            .enumerate()
            .map(|(n, used)| {
                agent(&format!("a{n}"), f64::from(*used), &json!({ "attributes": { "pool": pools[n % 2] } }))
            })
            .collect();
        let state = state(&agents, &[]);
        let rejects = [("UnfulfilledConstraint", 1), ("InsufficientCpus", 1), ("UnfulfilledRole", 2)];
        let constraints = [json!([]), json!([["pool", "CLUSTER", "other"]]), json!([["pool", "IS", "none"]]), json!([UNIQUE])];
        let mut entries: Vec<Json> = entries
            .iter()
            .map(|(id, count, reject, constraint, cpus)| {
                let more = json!({"constraints": constraints[*constraint as usize]});
                let reject = [rejects[*reject as usize]];
                declined(entry(&format!("/a{id}"), *count, f64::from(*cpus), &more), &reject)
            })
            .collect();
        let all: u32 = entries.iter().map(|entry| u32::try_from(entry["count"].as_u64().unwrap()).unwrap()).sum();
        let config = two_pools("");
        let snapshots = with_queue(&state, &config, &read_queue(&entries));
        prop_assert_eq!(counted(&snapshots).iter().map(|(counted, left_out)| counted + left_out).sum::<u32>(), all);
        Shuffle::of(order).shuffle(&mut entries);
        prop_assert_eq!(with_queue(&state, &config, &read_queue(&entries)), snapshots);
    }
}
