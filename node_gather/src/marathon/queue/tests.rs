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
        since: "2026-11-21T17:59:42.147Z".parse().ok(),
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
    assert_eq!(queued.constraints.most_per_agent(9), Some(1));
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

/// What is wrong with the first entry. The one after it counts nevertheless.
fn problem_of(odd: Json) -> (String, u32, String) {
    let [odd, other] = parsed(&[odd, item(2, 0, &app("/b", 1.0, 64.0))]).unwrap().try_into().unwrap();
    assert_eq!((&*other.application, other.instances, other.odd), ("/b", 2, None));
    assert_eq!((odd.tasks.len(), odd.constraints.most_per_agent(9)), (0, None));
    (odd.application, odd.instances, odd.odd.unwrap().problem)
}

#[test]
fn an_entry_with_an_odd_field_hides_no_other() {
    for (pointer, value, expected) in [
        ("/count", json!(-1), "count: got -1.0, expected a whole number from 0 to 2147483647"),
        ("/count", json!(1.5), "count: got 1.5, expected a whole number from 0 to 2147483647"),
        ("/count", json!(5_000_000_000_u64), "count: got 5000000000.0, expected a whole number from 0 to 2147483647"),
        ("/count", json!("1"), "count: got a string, expected a number"),
        ("/count", json!(null), "count is missing"),
        ("/delay", json!(null), "delay is missing"),
        ("/delay", json!(5), "delay: got integer `5`, expected an object"),
        ("/delay", json!([5]), "delay: got a list, expected an object"),
        ("/delay/timeLeftSeconds", json!(null), "delay: timeLeftSeconds is missing"),
        ("/delay/timeLeftSeconds", json!(true), "delay: timeLeftSeconds: got boolean `true`, expected a number"),
        ("/processedOffersSummary", json!("none"), "processedOffersSummary: got a string, expected an object"),
        (
            "/processedOffersSummary/rejectSummaryLastOffers",
            json!([1]),
            "processedOffersSummary: rejectSummaryLastOffers: got integer `1`, expected an object",
        ),
        ("/app/cpus", json!(-1), "got -1.0 cpus, expected 0 or more"),
        ("/app/cpus", json!(-0.0001), "got -0.0001 cpus, expected 0 or more"),
        ("/app/mem", json!(-1e300), "got -1e300 mem, expected 0 or more"),
        ("/app/mem", json!("64"), "mem: got a string, expected a number"),
        ("/app/mem", json!(null), "mem is missing"),
        ("/app/constraints", json!({}), "constraints: got an object, expected a list of constraints"),
        ("/app/constraints", json!([["a", 5]]), "constraints: got integer `5`, expected a string"),
        ("/app/acceptedResourceRoles", json!("*"), "acceptedResourceRoles: got a string, expected a list"),
        ("/app/ports", json!([-80]), "ports: got integer `-80`, expected a port"),
        ("/app/container/portMappings", json!({}), "container: portMappings: got an object, expected a list of ports"),
    ] {
        let mut odd = item(3, 0, &app("/a", 1.0, 64.0));
        odd["app"]["constraints"] = json!([]);
        odd["app"]["ports"] = json!([]);
        odd["app"]["container"]["portMappings"] = json!([]);
        *odd.pointer_mut(pointer).unwrap() = value;
        let instances = if pointer == "/count" { 1 } else { 3 };
        assert_eq!(problem_of(odd), ("/a".to_owned(), instances, expected.to_owned()), "{pointer}");
    }
    for (pointer, value, expected) in [
        ("/containers", json!(null), "containers is missing"),
        ("/containers", json!([]), "containers: got an empty list, expected at least one"),
        ("/containers/1/resources/cpus", json!(-1), "containers: resources: got -1.0 cpus, expected 0 or more"),
        ("/containers/1/resources", json!({"cpus": 1}), "containers: resources: mem is missing"),
        (
            "/containers/0/endpoints",
            json!([{"hostPort": 65_536}]),
            "containers: endpoints: hostPort: got integer `65536`, expected a port from 0 to 65535",
        ),
        ("/executorResources/mem", json!(-1), "executorResources: got -1.0 mem, expected 0 or more"),
        ("/scheduling", json!(7), "scheduling: got integer `7`, expected an object"),
    ] {
        let mut odd = item(3, 0, &pod("/p"));
        *odd["pod"].pointer_mut(pointer).unwrap() = value;
        assert_eq!(problem_of(odd), ("/p".to_owned(), 3, expected.to_owned()), "{pointer}");
    }
}

#[test]
fn an_entry_without_a_name_hides_no_other() {
    let unknown = |instances: u32, problem: &str| ("(unknown)".to_owned(), instances, problem.to_owned());
    let mut without_id = item(3, 0, &app("/a", 1.0, 64.0));
    without_id["app"].as_object_mut().unwrap().remove("id");
    assert_eq!(problem_of(without_id.clone()), unknown(3, "app.id is missing"));
    without_id["app"]["id"] = json!(["/a"]);
    assert_eq!(problem_of(without_id), unknown(3, "app.id: got a list, expected a string"));
    for (odd, instances, expected) in [
        (item(3, 0, &json!({})), 3, "neither \"app\" nor \"pod\", expected one of them"),
        (item(3, 0, &json!({"app": "x"})), 3, "app: got a string, expected an object"),
        (item(3, 0, &json!({"app": ["x"]})), 3, "app: got a list, expected an object"),
        (json!("x"), 1, "entry: got a string, expected an object"),
        (json!([1]), 1, "entry: got a list, expected an object"),
        (json!(null), 1, "entry: got null, expected an object"),
    ] {
        assert_eq!(problem_of(odd), unknown(instances, expected));
    }
}

#[test]
fn an_odd_entry_says_since_when_it_is_queued_if_it_does() {
    let since = |value: Json| {
        let mut odd = item(1, 0, &app("/a", -1.0, 64.0));
        odd["since"] = value;
        parsed(&[odd]).unwrap().remove(0).odd.unwrap().since
    };
    assert_eq!(since(json!("2026-11-21T17:59:42.147Z")), Some("2026-11-21T17:59:42.147Z".parse().unwrap()));
    assert_eq!([since(json!("yesterday")), since(json!(7)), since(json!(null))], [None; 3]);
}

#[test]
fn an_odd_entry_without_instances_is_omitted() {
    assert_eq!(parsed(&[item(0, 0, &app("/a", -1.0, 64.0))]).unwrap(), []);
}

#[test]
fn a_number_stands_for_a_text_in_a_constraint() {
    let mut own = item(1, 0, &app("/a", 1.0, 64.0));
    for (value, expected) in [(json!(5), Some(5)), (json!("5"), Some(5)), (json!(null), None), (json!(0), None)] {
        own["app"]["constraints"] = json!([["hostname", "MAX_PER", value]]);
        assert_eq!(parsed(std::slice::from_ref(&own)).unwrap()[0].constraints.most_per_agent(9), expected, "{value}");
    }
    let mut own = item(1, 0, &pod("/p"));
    own["pod"]["scheduling"]["placement"]["constraints"] =
        json!([{"fieldName": "hostname", "operator": "MAX_PER", "value": 2}]);
    assert_eq!(parsed(&[own]).unwrap()[0].constraints.most_per_agent(9), Some(2));
}

#[test]
fn a_fixed_host_port_of_what_is_queued_is_read() {
    let limit = |entry: &Json| parsed(std::slice::from_ref(entry)).unwrap()[0].constraints.most_per_agent(9);
    let mut own = item(1, 0, &app("/a", 1.0, 64.0));
    own["app"]["portDefinitions"] = json!([{"port": 80, "protocol": "tcp"}]);
    own["app"]["requirePorts"] = json!(false);
    assert_eq!(limit(&own), None);
    own["app"]["requirePorts"] = json!(true);
    assert_eq!(limit(&own), Some(1));
    own["app"]["container"]["docker"]["portMappings"] = json!([{"containerPort": 80, "hostPort": 0}]);
    assert_eq!(limit(&own), None);
    let mut own = item(1, 0, &pod("/p"));
    own["pod"]["scheduling"] = json!(null);
    assert_eq!(limit(&own), None);
    own["pod"]["containers"][0]["endpoints"] = json!([{"name": "web", "hostPort": 80}]);
    assert_eq!(limit(&own), Some(1));
}

#[test]
fn a_list_of_too_many_odd_entries_is_no_queue() {
    let odd = |count: usize| parse(json!({"queue": vec![json!({}); count]}).to_string().as_bytes());
    assert_eq!(odd(MAX_ODD).unwrap().len(), MAX_ODD);
    let error = shared::error::Chain::new(&odd(MAX_ODD + 1).unwrap_err()).to_string();
    assert!(error.contains("more than 1000 entries cannot be read, such as one with count is missing"), "{error}");
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
    let reservation = reject("NoCorrespondingReservationFound", 1);
    for (rejects, expected) in [
        (json!([]), Declines::None),
        (json!(null), Declines::None),
        (json!([reject("UnfulfilledConstraint", 0), reject("InsufficientCpus", 0)]), Declines::None),
        (json!([constraint]), Declines::ForConstraints),
        (json!([reject("UnfulfilledRole", 1), constraint]), Declines::ForConstraints),
        (json!([constraint, reservation]), Declines::ForReservation),
        (json!([reservation, reject("InsufficientMem", 1)]), Declines::ForResources),
        (json!([constraint, reject("InsufficientCpus", 1)]), Declines::ForResources),
        (json!([reject("InsufficientPorts", 1), constraint]), Declines::ForResources),
        // Of a release that does not exist yet.
        (json!([constraint, reject("DeclinedScarceResources", 1)]), Declines::ForResources),
        (json!([{"reason": "UnfulfilledConstraint"}]), Declines::None),
    ] {
        assert_eq!(with(rejects.clone()), expected, "{rejects}");
    }
}

/// Marathon names ports after all other resources: that agent had room.
#[test]
fn a_decline_for_a_fixed_host_port_alone_shows_room() {
    let with = |rejects: &[&str], require_ports: bool| {
        let rejects: Vec<Json> = rejects.iter().map(|reason| json!({"reason": reason, "declined": 2})).collect();
        let mut own = item(1, 0, &app("/a", 1.0, 64.0));
        own["processedOffersSummary"] = json!({ "rejectSummaryLastOffers": rejects });
        own["app"]["ports"] = json!([80]);
        own["app"]["requirePorts"] = json!(require_ports);
        parsed(&[own]).unwrap().remove(0).declines
    };
    let ports = "InsufficientPorts";
    for (rejects, fixed, any) in [
        (&[ports][..], Declines::ForConstraints, Declines::ForResources),
        (&[ports, "UnfulfilledRole"], Declines::ForConstraints, Declines::ForResources),
        (&[ports, "InsufficientCpus"], Declines::ForConstraints, Declines::ForResources),
        (&["InsufficientCpus"], Declines::ForResources, Declines::ForResources),
        (&["UnfulfilledConstraint", "InsufficientCpus"], Declines::ForResources, Declines::ForResources),
        (&["UnfulfilledConstraint"], Declines::ForConstraints, Declines::ForConstraints),
        (&[], Declines::None, Declines::None),
    ] {
        assert_eq!((with(rejects, true), with(rejects, false)), (fixed, any), "{rejects:?}");
    }
    // Whatever stands first in the entry.
    let rejects =
        r#""processedOffersSummary":{"rejectSummaryLastOffers":[{"reason":"InsufficientPorts","declined":1}]}"#;
    let app = r#""app":{"id":"/a","cpus":1,"mem":1,"ports":[80],"requirePorts":true}"#;
    for (first, second) in [(rejects, app), (app, rejects)] {
        let body = format!(r#"{{"queue":[{{{first},{second},"count":1,"delay":{{"timeLeftSeconds":0}}}}]}}"#);
        assert_eq!(parse(body.as_bytes()).unwrap()[0].declines, Declines::ForConstraints);
    }
}

#[test]
fn a_reason_repeats_little_of_the_answer() {
    let long = "x".repeat(400_000);
    let mut wrong_type = item(1, 0, &app("/a", 1.0, 64.0));
    wrong_type["app"]["cpus"] = json!(long);
    let negative = item(1, 0, &app(&format!("/\u{1b}[31m{long}"), -1.0, 64.0));
    let mut duplicate = item(1, 0, &app("/a", 1.0, 64.0)).to_string();
    duplicate.truncate(duplicate.len() - 1);
    let duplicate = format!("{{\"queue\":[{duplicate},\"count\":1}}]}}");
    assert_eq!(parse(duplicate.as_bytes()).unwrap()[0].odd.as_ref().unwrap().problem, "count: it occurs twice");
    for entry in [wrong_type, negative] {
        let problem = parsed(&[entry]).unwrap().remove(0).odd.unwrap().problem;
        assert!(problem.chars().count() < 150 && !problem.contains(char::is_control), "{problem}");
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
