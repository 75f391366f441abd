use serde_json::{Value as Json, json};

use super::*;
use crate::marathon::json::Lenient;

/// An application with these fields.
struct App(Partly<bool>);

impl Loose for App {
    const EXPECTED: &'static str = "an object";
    fn of_object<'de, M: MapAccess<'de>>(object: M) -> Result<Result<Self, String>, M::Error> {
        let mut ports = AppPorts::new();
        let AppPorts { require_ports, definitions, numbers, container } = &mut ports;
        fields(object, &mut [require_ports, definitions, numbers, container])?;
        Ok(Ok(Self(ports.fixed())))
    }
}

fn read(app: &Json) -> Partly<bool> {
    let Lenient(app) = serde_json::from_str(&app.to_string()).unwrap();
    let App(fixed) = app.unwrap();
    fixed
}

fn is_fixed(app: &Json) -> bool {
    read(app).whole().unwrap()
}

#[test]
fn a_port_definition_is_fixed_with_require_ports_only() {
    for (ports, expected) in [
        (json!({"portDefinitions": [{"port": 80}]}), true),
        (json!({"portDefinitions": [{"port": 0, "name": "a"}, {"port": 8443, "protocol": "udp"}]}), true),
        (json!({"portDefinitions": [{"port": 0}, {"name": "b"}, {"port": null}]}), false),
        (json!({"portDefinitions": [{"port": 80}], "networks": [{"mode": "host"}]}), true),
        (
            json!({"portDefinitions": [{"port": 80}], "container": {"docker": {"network": "HOST", "portMappings": []}}}),
            true,
        ),
        // Old releases have numbers alone, and some later ones both.
        (json!({"ports": [80]}), true),
        (json!({"ports": [0, 0], "portDefinitions": [{"port": 0}]}), false),
        (json!({"ports": [10_001], "portDefinitions": [{"port": 10_001}]}), true),
        (json!({"ports": [], "portDefinitions": []}), false),
        (json!({"ports": null, "portDefinitions": null, "container": null}), false),
        (json!({}), false),
    ] {
        let with = |require_ports: Json| {
            let mut app = ports.clone();
            app["requirePorts"] = require_ports;
            is_fixed(&app)
        };
        assert_eq!((with(json!(true)), with(json!(false)), with(json!(null))), (expected, false, false), "{ports}");
    }
}

/// Their host ports are fixed with `requirePorts` and without it, and port definitions do not count beside them.
#[test]
fn a_port_mapping_is_fixed_with_a_host_port() {
    for (mappings, expected) in [
        (json!([{"containerPort": 80, "hostPort": 8080, "servicePort": 10_000}]), true),
        (json!([{"containerPort": 80, "hostPort": 0}, {"containerPort": 53, "hostPort": 53, "protocol": "udp"}]), true),
        (json!([{"containerPort": 80, "hostPort": 0, "servicePort": 10_000}]), false),
        (json!([{"containerPort": 80, "hostPort": null}]), false),
        (json!([{"containerPort": 80}]), false),
    ] {
        let service_ports = json!({"ports": [10_000], "portDefinitions": [{"port": 10_000}]});
        for container in [
            json!({"type": "MESOS", "portMappings": mappings}),
            json!({"type": "DOCKER", "docker": {"image": "x", "network": "BRIDGE", "portMappings": mappings}}),
            json!({"type": "DOCKER", "docker": {"image": "x", "network": "USER", "portMappings": mappings}, "portMappings": []}),
            json!({"docker": null, "portMappings": mappings}),
        ] {
            for require_ports in [json!(true), json!(false), json!(null)] {
                let mut app = service_ports.clone();
                app["requirePorts"] = require_ports;
                app["container"] = container.clone();
                assert_eq!(is_fixed(&app), expected, "{app}");
            }
        }
    }
}

#[test]
fn what_can_be_read_of_odd_ports_counts() {
    for (ports, expected, problem) in [
        (json!({"ports": {}}), false, "ports: got an object, expected a list of ports"),
        (json!({"ports": [70_000]}), false, "ports: got integer `70000`, expected a port"),
        (json!({"ports": ["80", 80]}), true, "ports: got a string, expected a port"),
        (
            json!({"portDefinitions": [{"port": 443}, {"port": -1}]}),
            true,
            "portDefinitions: port: got integer `-1`, expected a port from 0 to 65535",
        ),
        (json!({"portDefinitions": [[80]]}), false, "portDefinitions: got a list, expected a port"),
        (
            json!({"container": {"portMappings": [{"hostPort": true}, {"hostPort": 80}]}}),
            true,
            "container: portMappings: hostPort: got boolean `true`, expected a port from 0 to 65535",
        ),
        (
            json!({"container": {"docker": {"portMappings": "none"}, "portMappings": [{"hostPort": 80}]}}),
            true,
            "container: docker: portMappings: got a string, expected a list of ports",
        ),
        (json!({"container": 5, "ports": [80]}), true, "container: got integer `5`, expected an object"),
        (json!({"container": {"docker": []}}), false, "container: docker: got a list, expected an object"),
    ] {
        let mut app = ports.clone();
        app["requirePorts"] = json!(true);
        let Partly { value, problem: found } = read(&app);
        assert_eq!((value, found.as_deref()), (expected, Some(problem)), "{ports}");
    }
    let odd = read(&json!({"ports": [80], "requirePorts": "true"}));
    assert_eq!(
        (odd.value, odd.problem.as_deref()),
        (false, Some("requirePorts: got a string, expected true or false"))
    );
    // A number with a decimal point is one.
    assert!(is_fixed(&json!({"ports": [80.0], "requirePorts": true})));
}
