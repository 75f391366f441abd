use serde_json::json;

use super::*;

#[test]
fn applications_and_pods_with_constraints_on_the_hostname_are_kept() {
    let apps = json!({"apps": [
        {"id": "/db", "instances": 4, "constraints": [["hostname", "UNIQUE"]], "env": {"constraints": [1]}},
        {"id": "/web", "instances": 9, "constraints": [["rack", "GROUP_BY"]]},
        {"id": "/old", "constraints": null},
        {"id": "/plain"},
    ], "more": [{"apps": []}]});
    let pods = json!([
        {"id": "/pods/db", "containers": [{"name": "a", "resources": {}}, {"name": "b"}],
         "scheduling": {"placement": {"constraints": [{"fieldName": "hostname", "operator": "MAX_PER", "value": "2"}]}}},
        {"id": "/pods/web", "containers": [{"name": "a"}], "scheduling": {"backoff": {}}},
        {"id": "/pods/new", "containers": []},
    ]);
    let mut limits = HostLimits::new();
    add_apps(apps.to_string().as_bytes(), &mut limits).unwrap();
    add_pods(pods.to_string().as_bytes(), &mut limits).unwrap();
    let expected = [("/db".to_owned(), 1), ("/pods/db".to_owned(), 2)];
    assert_eq!(limits, HostLimits::from(expected));
}

#[test]
fn an_answer_that_is_not_a_list_is_refused() {
    for body in ["", "{}", "[]", r#"{"apps":{}}"#, r#"{"apps":[{}]}"#, r#"{"apps":[]"#, r#"{"apps":[]}x"#, "<html>"] {
        let refused = add_apps(body.as_bytes(), &mut HostLimits::new());
        assert!(matches!(refused, Err(DefinitionsError::Json(_))), "{body}");
    }
    for body in ["", "{}", r#"[{"id":"/a"}]"#, "[{}]", "[", "null"] {
        let refused = add_pods(body.as_bytes(), &mut HostLimits::new());
        assert!(matches!(refused, Err(DefinitionsError::Json(_))), "{body}");
    }
}

#[test]
fn an_endless_list_is_refused() {
    let endless = std::io::repeat(b' ');
    let refused = whole(endless, 100_000, |body| read(body, Each::new((), |(), _: Name| Ok(()))));
    assert!(matches!(refused, Err(DefinitionsError::TooLarge)), "{refused:?}");
    let apps: Vec<_> = (0..=MAX_APPLICATIONS)
        .map(|number| json!({"id": format!("/a{number}"), "constraints": [["hostname", "UNIQUE"]]}))
        .collect();
    let refused = add_apps(json!({ "apps": apps }).to_string().as_bytes(), &mut HostLimits::new()).unwrap_err();
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.starts_with("more than 20000 applications have a constraint on the hostname"), "{source}");
}
