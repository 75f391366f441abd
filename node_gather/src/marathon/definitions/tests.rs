use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use super::*;

/// Of each application with constraints or a fixed port, how many of nine instances an agent may hold.
fn most(read: &Definitions) -> Vec<(&str, Option<u32>)> {
    read.constraints.iter().map(|(id, own)| (id.as_str(), own.most_per_agent(9))).collect()
}

#[test]
fn applications_and_pods_with_constraints_are_kept() {
    let apps = json!({"apps": [
        {"id": "/db", "instances": 4, "constraints": [["hostname", "UNIQUE"]], "env": {"constraints": [1]}},
        {"id": "/web", "instances": 9, "constraints": [["rack", "GROUP_BY"]]},
        {"id": "/host", "constraints": [["hostname", "LIKE", "a"]]},
        {"id": "/old", "constraints": null},
        {"id": "/plain"},
    ], "more": [{"apps": []}]});
    let pods = json!([
        {"id": "/pods/db", "containers": [{"name": "a", "resources": {}}, {"name": "b"}],
         "scheduling": {"placement": {"constraints": [{"fieldName": "hostname", "operator": "MAX_PER", "value": "2"}]}}},
        {"id": "/pods/web", "containers": [{"name": "a"}], "scheduling": {"backoff": {}}},
        {"id": "/pods/new", "containers": []},
    ]);
    let mut read = Definitions::default();
    add_apps(apps.to_string().as_bytes(), &mut read).unwrap();
    add_pods(pods.to_string().as_bytes(), &mut read).unwrap();
    assert_eq!(most(&read), [("/db", Some(1)), ("/host", None), ("/pods/db", Some(2))]);
    assert!(read.odd.is_empty());
}

#[test]
fn applications_and_pods_with_a_fixed_host_port_are_kept() {
    let two_per_agent = json!([["hostname", "MAX_PER", "2"]]);
    let apps = json!({"apps": [
        {"id": "/host", "portDefinitions": [{"port": 80}], "requirePorts": true, "constraints": two_per_agent},
        {"id": "/service", "portDefinitions": [{"port": 80}], "requirePorts": false, "constraints": two_per_agent},
        {"id": "/bridge", "container": {"portMappings": [{"hostPort": 443}]}, "networks": [{"mode": "container/bridge"}]},
        {"id": "/any", "container": {"portMappings": [{"hostPort": 0}]}, "networks": [{"mode": "container/bridge"}]},
        {"id": "/old", "container": {"docker": {"network": "BRIDGE", "portMappings": [{"hostPort": 443}]}}},
    ]});
    let pods = json!([
        {"id": "/pods/dns", "containers": [
            {"name": "a"}, {"name": "b", "endpoints": [{"name": "any", "hostPort": 0}, {"name": "dns", "hostPort": 53}]}, {"endpoints": []},
        ]},
        {"id": "/pods/any", "containers": [{"endpoints": [{"name": "any", "hostPort": 0}, {"name": "inner", "containerPort": 80}]}]},
    ]);
    let mut read = Definitions::default();
    add_apps(apps.to_string().as_bytes(), &mut read).unwrap();
    add_pods(pods.to_string().as_bytes(), &mut read).unwrap();
    let one = Some(1);
    let expected = [("/bridge", one), ("/host", one), ("/old", one), ("/pods/dns", one), ("/service", Some(2))];
    assert_eq!((most(&read), read.odd.len()), (expected.to_vec(), 0));
}

#[test]
fn an_answer_that_is_not_a_list_is_refused() {
    for body in ["", "{}", "[]", r#"{"apps":{}}"#, r#"{"apps":[{]}"#, r#"{"apps":[]"#, r#"{"apps":[]}x"#, "<html>"] {
        let refused = add_apps(body.as_bytes(), &mut Definitions::default());
        assert!(matches!(refused, Err(DefinitionsError::Json(_))), "{body}");
    }
    for body in ["", "{}", r#"[{"id":"/a",}]"#, "[{]", "[", "null", r#"[{"constraints":[1"#] {
        let refused = add_pods(body.as_bytes(), &mut Definitions::default());
        assert!(matches!(refused, Err(DefinitionsError::Json(_))), "{body}");
    }
}

/// What a list of one odd definition and another one says.
fn beside_another(add: fn(&[u8], &mut Definitions) -> Result<(), DefinitionsError>, odd: &Json) -> Definitions {
    let is_pods = add(b"[]", &mut Definitions::default()).is_ok();
    let unique = json!([["hostname", "UNIQUE"]]);
    let other = json!({"id": "/other", "constraints": unique, "containers": [{}],
                       "scheduling": {"placement": {"constraints": unique}}});
    let mut all = [Definitions::default(), Definitions::default()];
    for (read, list) in all.iter_mut().zip([json!([odd, other]), json!([other, odd])]) {
        let body = if is_pods { list } else { json!({ "apps": list }) };
        add(body.to_string().as_bytes(), read).unwrap();
        assert_eq!(read.constraints["/other"].most_per_agent(9), Some(1), "{odd}");
    }
    let [first, second] = all;
    assert_eq!(first, second, "in any order");
    first
}

fn problem_of(read: &Definitions) -> (&str, &str) {
    assert_eq!(read.odd.len(), 1);
    let (id, odd) = read.odd.first_key_value().unwrap();
    (id, &odd.problem)
}

#[test]
fn an_odd_definition_hides_no_other() {
    let apps = |body: &[u8], read: &mut Definitions| add_apps(body, read);
    let pods = |body: &[u8], read: &mut Definitions| add_pods(body, read);
    for (odd, id, problem) in [
        (json!({"id": 5}), "(unknown)", "id: got integer `5`, expected a string"),
        (json!({"constraints": []}), "(unknown)", "id is missing"),
        (json!(null), "(unknown)", "got null, expected an object"),
        (json!([["hostname", "UNIQUE"]]), "(unknown)", "got a list, expected an object"),
        (json!("/a"), "(unknown)", "got a string, expected an object"),
        (json!({"id": "/a", "constraints": {}}), "/a", "constraints: got an object, expected a list of constraints"),
        (
            json!({"id": "/a", "constraints": true}),
            "/a",
            "constraints: got boolean `true`, expected a list of constraints",
        ),
        (
            json!({"id": "/a", "constraints": ["hostname"]}),
            "/a",
            "constraints: got a string, expected a constraint: a field, an operator, and a value",
        ),
        (json!({"id": "/a", "constraints": [[{}, "UNIQUE"]]}), "/a", "constraints: got an object, expected a string"),
        (json!({"id": "/a", "constraints": [["a", "IS", [1]]]}), "/a", "constraints: got a list, expected a string"),
        (json!({"id": "/a", "constraints": [{"fieldName": "a"}]}), "/a", "constraints: operator is missing"),
        (json!({"id": "/a", "ports": [-1], "constraints": null}), "/a", "ports: got integer `-1`, expected a port"),
    ] {
        let read = beside_another(apps, &odd);
        assert_eq!((problem_of(&read), read.constraints.len()), ((id, problem), 1), "{odd}");
    }
    for (odd, id, problem) in [
        (json!({"containers": []}), "(unknown)", "id is missing"),
        (json!({"id": "/p"}), "/p", "containers is missing"),
        (json!({"id": "/p", "containers": {}}), "/p", "containers: got an object, expected a list"),
        (json!({"id": "/p", "containers": [{}, 5]}), "/p", "containers: got integer `5`, expected an object"),
        (
            json!({"id": "/p", "containers": [{"endpoints": [{"hostPort": "53"}]}]}),
            "/p",
            "containers: endpoints: hostPort: got a string, expected a port from 0 to 65535",
        ),
        (json!({"id": "/p", "containers": [], "scheduling": []}), "/p", "scheduling: got a list, expected an object"),
        (
            json!({"id": "/p", "containers": [], "scheduling": {"placement": {"constraints": 1.5}}}),
            "/p",
            "scheduling: placement: constraints: got floating point `1.5`, expected a list of constraints",
        ),
    ] {
        let read = beside_another(pods, &odd);
        assert_eq!((problem_of(&read), read.constraints.len()), ((id, problem), 1), "{odd}");
    }
    // Values that mean nothing are not odd.
    for fine in [
        json!({"id": "/p", "containers": [{}], "scheduling": null}),
        json!({"id": "/p", "containers": [], "scheduling": {"placement": null, "x": [{}]}}),
        json!({"id": "/p", "containers": [{"endpoints": null}], "scheduling": {"placement": {"constraints": null}}, "version": 5}),
    ] {
        assert!(beside_another(pods, &fine).odd.is_empty(), "{fine}");
    }
}

#[test]
fn what_can_be_read_of_an_odd_definition_counts() {
    let apps = |body: &str| {
        let mut read = Definitions::default();
        add_apps(body.as_bytes(), &mut read).unwrap();
        read
    };
    for (constraints, expected) in [
        (r#"[["hostname","MAX_PER","3"],5,["hostname","UNIQUE"]]"#, Some(1)),
        (r#"[["hostname","MAX_PER","3"],["hostname","UNIQUE",{}]]"#, Some(3)),
        (r#"[["hostname",1,"3"]]"#, None),
    ] {
        let read = apps(&format!(r#"{{"apps":[{{"id":"/a","constraints":{constraints}}}]}}"#));
        assert_eq!(
            (read.constraints.get("/a").and_then(|own| own.most_per_agent(9)), read.odd.len()),
            (expected, 1),
            "{constraints}"
        );
    }
    let ports = apps(r#"{"apps":[{"id":"/a","container":{"portMappings":[{"hostPort":-1},{"hostPort":80}]}}]}"#);
    assert_eq!((most(&ports), ports.odd.len()), (vec![("/a", Some(1))], 1));
    let twice = apps(r#"{"apps":[{"id":"/a","constraints":[],"constraints":[]}]}"#);
    assert_eq!(problem_of(&twice), ("/a", "constraints: it occurs twice"));
    let changed = |versions: Json| {
        let odd = json!({"id": "/a", "constraints": {}, "versionInfo": versions});
        let read = apps(&json!({"apps": [odd]}).to_string());
        read.odd["/a"].changed_at
    };
    let at = "2026-11-21T17:59:42.147Z";
    assert_eq!(changed(json!({"lastScalingAt": "2026-11-22T00:00:00Z", "lastConfigChangeAt": at})), at.parse().ok());
    for unknown in
        [json!(null), json!([]), json!({}), json!({"lastConfigChangeAt": 5}), json!({"lastConfigChangeAt": "x"})]
    {
        assert_eq!(changed(unknown), None);
    }
    // Of several without a name, the one that was configured last.
    let unnamed = |at: &str| json!({"versionInfo": {"lastConfigChangeAt": at}});
    let mut pods = Definitions::default();
    add_pods(&b"[5]"[..], &mut pods).unwrap();
    let both = json!({"apps": [unnamed("2026-11-21T17:00:00Z"), unnamed(at), unnamed("2026-11-21T16:00:00Z"), {}]});
    let mut read = apps(&both.to_string());
    read.extend(pods);
    assert_eq!(read.odd["(unknown)"].changed_at, at.parse().ok());
}

#[test]
fn constraints_that_were_known_outlast_an_odd_definition() {
    let odd = |constraints: Json| {
        let mut read = Definitions::default();
        let apps = json!({"apps": [{"id": "/db", "constraints": constraints}, {"id": "/web"}]});
        add_apps(apps.to_string().as_bytes(), &mut read).unwrap();
        read
    };
    let mut before = Definitions::default();
    let apps = [("/db", "2"), ("/web", "1"), ("/gone", "1")]
        .map(|(id, most)| json!({"id": id, "constraints": [["hostname", "MAX_PER", most]]}));
    add_apps(json!({"apps": apps}).to_string().as_bytes(), &mut before).unwrap();
    let after = |mut read: Definitions| {
        read.take_over(&before);
        most(&read).into_iter().map(|(id, most)| (id.to_owned(), most)).collect::<Vec<_>>()
    };
    let db = |most: u32| vec![("/db".to_owned(), Some(most))];
    assert_eq!(after(odd(json!({}))), db(2));
    // With what can be read of it, the tightest limit holds.
    let partly = |most: &str| after(odd(json!([["hostname", "MAX_PER", most], 5])));
    assert_eq!([partly("1"), partly("3")], [db(1), db(2)]);
    // What can be read as a whole is not overruled.
    assert_eq!(after(odd(json!([]))), []);
}

#[test]
fn too_many_odd_definitions_are_no_list() {
    let odd = |count: usize| {
        let mut read = Definitions::default();
        add_apps(json!({"apps": vec![json!({}); count]}).to_string().as_bytes(), &mut read).map(|()| read)
    };
    assert_eq!(odd(MAX_ODD).unwrap().odd.len(), 1);
    let error = shared::error::Chain::new(&odd(MAX_ODD + 1).unwrap_err()).to_string();
    assert!(error.contains("more than 1000 definitions cannot be read, such as one with id is missing"), "{error}");
}

#[test]
fn an_endless_list_is_refused() {
    let endless = std::io::repeat(b' ');
    assert!(read(endless, 100_000, Each::new((), |(), _: IgnoredAny| Ok(()))).is_none());
    let apps: Vec<_> = (0..=MAX_APPLICATIONS)
        .map(|number| json!({"id": format!("/a{number}"), "constraints": [["hostname", "UNIQUE"]]}))
        .collect();
    let refused = add_apps(json!({ "apps": apps }).to_string().as_bytes(), &mut Definitions::default()).unwrap_err();
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.starts_with("more than 20000 applications have a constraint or a fixed host port"), "{source}");
}
