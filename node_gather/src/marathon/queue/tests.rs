use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// An entry as Marathon 1.4 to 1.11 writes it; `more` is the app or pod.
fn item(count: u32, time_left_seconds: u32, more: &Json) -> Json {
    let mut item = json!({
        "count": count,
        "delay": {"timeLeftSeconds": time_left_seconds, "overdue": time_left_seconds == 0},
        "since": "2026-11-21T17:59:42.147Z",
        "processedOffersSummary": {
            "processedOffersCount": 12, "unusedOffersCount": 12,
            "lastUnusedOfferAt": "2026-11-21T17:59:58.501Z", "lastUsedOfferAt": null,
            "rejectSummaryLastOffers": [
                {"reason": "UnfulfilledRole", "declined": 0, "processed": 12},
                {"reason": "InsufficientCpus", "declined": 9, "processed": 12},
                {"reason": "InsufficientMemory", "declined": 3, "processed": 3},
            ],
            "rejectSummaryLaunchAttempt": [],
        },
        "role": "*",
    });
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

fn app(id: &str, cpus: f64, mem: f64) -> Json {
    json!({"app": {
        "id": id, "acceptedResourceRoles": ["*"], "backoffFactor": 1.15, "backoffSeconds": 1, "cmd": "sleep 1000",
        "container": {"type": "DOCKER", "docker": {"image": "registry.example.com/web:1.2", "forcePullImage": false}, "volumes": []},
        "cpus": cpus, "disk": 10, "executor": "", "instances": 10, "labels": {"team": "shop"},
        "maxLaunchDelaySeconds": 300, "mem": mem, "gpus": 0, "networks": [{"mode": "host"}],
        "upgradeStrategy": {"maximumOverCapacity": 1, "minimumHealthCapacity": 1},
        "version": "2026-11-21T17:59:41.923Z", "killSelection": "YOUNGEST_FIRST",
    }})
}

fn pod(id: &str) -> Json {
    json!({"pod": {
        "id": id, "version": "2026-11-21T17:00:00.000Z",
        "containers": [
            {"name": "nginx", "resources": {"cpus": 0.5, "mem": 128, "disk": 0, "gpus": 0}, "endpoints": [{"name": "web"}]},
            {"name": "sidecar", "resources": {"cpus": 0.1, "mem": 64}, "resourceLimits": {"cpus": "unlimited"}},
            {"name": "another", "resources": {"cpus": 0.1, "mem": 64, "disk": 0}},
        ],
        "executorResources": {"cpus": 0.1, "mem": 32, "disk": 10},
        "scaling": {"kind": "fixed", "instances": 3}, "secrets": {}, "volumes": [],
        "scheduling": {"placement": {
            "constraints": [{"fieldName": "hostname", "operator": "UNIQUE"}], "acceptedResourceRoles": ["dev"],
        }},
    }})
}

fn parsed(items: &[Json]) -> Result<Vec<QueuedInstances>, QueueError> {
    parse(json!({ "queue": items }).to_string().as_bytes())
}

fn group(count: u32, cpus: f64, mem: f64, disk: f64) -> TaskGroup {
    let amount = |units| Amount::from_units(units).unwrap();
    TaskGroup {
        count,
        resources: Resources { cpus: amount(cpus), mem: amount(mem), disk: amount(disk), ..Resources::ZERO },
    }
}

#[test]
fn an_empty_queue_has_no_instances() {
    assert_eq!(parse(&br#"{"queue":[]}"#[..]).unwrap(), []);
}

#[test]
fn queued_applications_have_the_resources_of_one_instance() {
    let queued = parsed(&[item(7, 0, &app("/shop/web", 0.5, 128.5))]).unwrap();
    let expected = QueuedInstances {
        application: "/shop/web".to_owned(),
        instances: 7,
        tasks: vec![group(1, 0.5, 128.5, 10.0)],
        accepted_roles: vec!["*".to_owned()],
        declines: Declines::ForResources,
        ..QueuedInstances::default()
    };
    assert_eq!(queued, [expected]);
}

#[test]
fn a_queued_pod_has_its_containers_and_its_executor() {
    let queued = parsed(&[item(2, 0, &pod("/pods/web"))]).unwrap();
    let tasks = vec![group(1, 0.1, 32.0, 10.0), group(2, 0.1, 64.0, 0.0), group(1, 0.5, 128.0, 0.0)];
    let [queued] = queued.try_into().unwrap();
    assert_eq!((&*queued.application, queued.instances), ("/pods/web", 2));
    assert_eq!(queued.tasks, tasks);
    assert_eq!(queued.constraints.max_per_agent(), Some(1));
    assert_eq!(queued.accepted_roles, ["dev"]);
}

#[test]
fn instances_that_back_off_are_marked() {
    let mut lies = item(3, 17, &app("/crashing", 1.0, 64.0));
    lies["delay"]["overdue"] = json!(true);
    let items = [
        item(3, 1, &app("/crashing/too", 1.0, 64.0)),
        lies,
        item(0, 0, &app("/started", 1.0, 64.0)),
        item(1, 0, &app("/queued", 1.0, 64.0)),
    ];
    let queued = parsed(&items).unwrap();
    let names: Vec<(&str, bool)> = queued.iter().map(|queued| (&*queued.application, queued.backs_off)).collect();
    assert_eq!(names, [("/crashing/too", true), ("/crashing", true), ("/queued", false)]);
}

#[test]
fn an_application_may_have_several_queued_versions() {
    let items = [item(1, 0, &app("/a", 1.0, 64.0)), item(2, 0, &app("/a", 2.0, 64.0))];
    assert_eq!(parsed(&items).unwrap().len(), 2);
}

#[test]
fn an_amount_that_no_agent_has_hides_no_other_entry() {
    // 16 GiB in bytes, where megabytes are meant.
    for mem in [17_179_869_184.0, 1e300] {
        let queued = parsed(&[item(1, 0, &app("/typo", 1.0, mem)), item(2, 0, &app("/b", 1.0, 64.0))]).unwrap();
        let of = |queued: &QueuedInstances| (queued.application.clone(), queued.resources().mem);
        let mem_of = |name: &str, mem| (name.to_owned(), Amount::from_units(mem).unwrap());
        assert_eq!(queued.iter().map(of).collect::<Vec<_>>(), [mem_of("/typo", 1e9), mem_of("/b", 64.0)], "{mem}");
    }
}

#[test]
fn negative_amounts_are_refused_with_their_application() {
    for (cpus, mem, text) in [
        (-1.0, 64.0, "/a: got -1.0 cpus, expected 0 or more"),
        (1.0, -1e300, "mem, expected 0 or more"),
        (-0.0001, 1.0, "/a: got -0.0001 cpus"),
    ] {
        let error = reason(parsed(&[item(1, 0, &app("/a", cpus, mem))]));
        assert!(error.contains(text), "{error}");
    }
}

/// The error with its cause.
fn reason(refused: Result<Vec<QueuedInstances>, QueueError>) -> String {
    shared::error::Chain::new(&refused.unwrap_err()).to_string()
}

#[test]
fn only_declines_for_lack_of_resources_show_that_resources_lack() {
    let with = |rejects: Json| {
        let summary = json!({"processedOffersCount": 3, "rejectSummaryLastOffers": rejects});
        let entry = json!({"processedOffersSummary": summary, "app": app("/a", 1.0, 64.0)["app"]});
        parsed(&[item(1, 0, &entry)]).unwrap().remove(0).declines
    };
    let reject = |reason: &str, declined: u32| json!({"reason": reason, "declined": declined, "processed": 9});
    let constraint = reject("UnfulfilledConstraint", 2);
    for (rejects, expected) in [
        (json!([]), Declines::None),
        (json!(null), Declines::None),
        (json!([reject("UnfulfilledConstraint", 0), reject("InsufficientCpus", 0)]), Declines::None),
        (json!([constraint]), Declines::ForConstraints),
        (
            json!([reject("UnfulfilledRole", 1), constraint, reject("NoCorrespondingReservationFound", 1)]),
            Declines::ForConstraints,
        ),
        (json!([constraint, reject("InsufficientCpus", 1)]), Declines::ForResources),
        (json!([reject("InsufficientPorts", 1), constraint]), Declines::ForResources),
        // Of a release that does not exist yet.
        (json!([constraint, reject("DeclinedScarceResources", 1)]), Declines::ForResources),
        (json!([{"reason": "UnfulfilledConstraint"}]), Declines::None),
    ] {
        assert_eq!(with(rejects.clone()), expected, "{rejects}");
    }
}

#[test]
fn a_reason_repeats_little_of_the_answer() {
    let long = "x".repeat(400_000);
    let mut wrong_type = item(1, 0, &app("/a", 1.0, 64.0));
    wrong_type["app"]["cpus"] = json!(long);
    let negative = item(1, 0, &app(&format!("/\u{1b}[31m{long}"), -1.0, 64.0));
    for entry in [wrong_type, negative] {
        let error = reason(parsed(&[entry]));
        assert!(error.chars().count() < 300 && !error.contains(char::is_control), "{error}");
    }
    // A text that is not used may be of any length, and so may a name.
    let mut wordy = item(1, 0, &app(&format!("/{long}"), 1.0, 64.0));
    wordy["app"]["cmd"] = json!(long);
    wordy["app"]["labels"] = json!({ &long: &long });
    assert_eq!(parsed(&[wordy]).unwrap()[0].application.chars().count(), 1000);
}

#[test]
fn an_endless_queue_is_refused() {
    use std::io::Read;
    for start in [r#"{"queue":["#, r#"{"queue":[],"x":["#, r#"{"x":""#] {
        let endless = start.as_bytes().chain(std::io::repeat(b' '));
        assert!(matches!(parse(endless), Err(QueueError::TooLarge)), "{start}");
    }
    // So large is not too large.
    let body = [r#"{"queue":[]}"#, &" ".repeat(MAX_BYTES - 12)].concat();
    assert_eq!(parse(body.as_bytes()).unwrap(), []);
    assert!(matches!(parse(format!("{body} ").as_bytes()), Err(QueueError::TooLarge)));
}

#[test]
fn an_answer_that_is_not_a_queue_is_refused() {
    for body in ["", "null", "[]", "{}", "<html>", r#"{"queue":null}"#, r#"{"queue":{}}"#, r#"{"queue":[]}x"#] {
        assert!(matches!(parse(body.as_bytes()), Err(QueueError::Json(_))), "{body}");
    }
    let without = |pointer: &str, key: &str| {
        let mut item = item(1, 0, &app("/a", 1.0, 64.0));
        item.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        parsed(&[item]).unwrap_err()
    };
    for (pointer, key) in
        [("", "count"), ("", "delay"), ("/delay", "timeLeftSeconds"), ("/app", "id"), ("/app", "cpus"), ("/app", "mem")]
    {
        let error = without(pointer, key);
        assert!(matches!(error, QueueError::Json(_)), "{pointer}/{key}: {error}");
    }
    let nameless = reason(Err(without("", "app")));
    assert!(nameless.contains("entry 0 of the queue: expected \"app\" or \"pod\""), "{nameless}");
    for count in [json!(-1), json!(1.5), json!("1"), json!(5_000_000_000_u64), json!(null)] {
        let mut item = item(1, 0, &app("/a", 1.0, 64.0));
        item["count"] = count;
        assert!(matches!(parsed(&[item]), Err(QueueError::Json(_))));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_queue_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&*bytes));
    }

    #[test]
    fn a_queue_cut_short_is_refused(cut in 1_usize..300) {
        let body = json!({"queue": [item(7, 0, &app("/shop/web", 0.5, 128.5)), item(2, 0, &pod("/pods/web"))]}).to_string();
        prop_assert!(parse(&body.as_bytes()[..body.len() - cut]).is_err());
    }
}
