//! Names of applications, pools, and groups in settings, and amounts that look like another unit.

use super::*;

#[test]
fn applications_have_settings_of_their_own() {
    let pool = |settings| Config::parse(&with_pool_settings(settings)).unwrap().pools.remove(0);
    let left_out = pool("applications = { \"/batch\" = { count_queued = false } }");
    assert!(!left_out.settings_of("/batch").count_queued && left_out.settings_of("/other").count_queued);
    assert_eq!(left_out.headroom_percent_of("/batch"), 10);
    only_problem(
        &with_pool_settings("applications = { \"/batch\" = {} }"),
        "pools[0].applications.\"/batch\": got no setting, expected one or more; write { application_headroom_percent = 50 }",
    );
}

#[test]
fn names_that_no_application_bears_are_refused_with_one() {
    for (name, write) in [
        ("shop/web", "/shop/web"),
        ("web", "/web"),
        ("/db/*", "/db/primary"),
        ("*", "/primary"),
        ("/shop/web/", "/shop/web"),
        ("/", "/db/primary"),
        ("", "/db/primary"),
        (" web ", "/web"),
    ] {
        let applications = |name: &str| format!("applications = {{ \"{name}\" = {{ count_queued = false }} }}");
        let protected = |name: &str| format!("protected = {{ applications = [\"{name}\"] }}");
        for (setting, path) in [
            (
                &applications as &dyn Fn(&str) -> String,
                if name.starts_with('/') {
                    format!("pools[0].applications.{name:?}")
                } else {
                    "pools[0].applications, line 7: got a string".to_owned()
                },
            ),
            (&protected, "pools[0].protected.applications[0]".to_owned()),
        ] {
            let problems = problems(&with_pool_settings(&setting(name)));
            assert_eq!(problems.len(), 1, "{name}: {problems:?}");
            assert!(problems[0].starts_with(&path), "{name}: {problems:?}");
            // The advice is itself valid.
            assert!(Config::parse(&with_pool_settings(&setting(write))).is_ok(), "{write}");
            if name.starts_with('/') {
                assert!(problems[0].ends_with(&format!("; write {write:?}")), "{name}: {problems:?}");
            } else if name.chars().all(char::is_alphanumeric) && !name.is_empty() {
                assert!(problems[0].ends_with("begins with \"/\"; put that before it"), "{name}: {problems:?}");
            }
        }
    }
}

#[test]
fn names_that_aws_cannot_carry_are_refused() {
    let with = |name: &str, group: &str| {
        SMALLEST.replace("\"workers\"", &format!("{name:?}")).replace("\"mesos-workers-asg\"", &format!("{group:?}"))
    };
    assert_eq!(problems(&with("Workers 1 (spot): a", "mesos/workers asg_1.2")), [""; 0]);
    for name in ["größe", ":workers", "a\tb", "a\nb", &"x".repeat(256)] {
        only_problem(
            &with(name, "g"),
            "pools[0].name: got a string, expected 1 to 255 printable ASCII characters, the first of them no colon; write \"workers\"",
        );
    }
    for group in ["größe", "a:b", "a\tb", &"x".repeat(256)] {
        only_problem(
            &with("a", group),
            "pools[0].group: got a string, expected 1 to 255 printable ASCII characters without a colon; write \"mesos-workers\"",
        );
    }
}

#[test]
fn memory_that_looks_like_gb_is_warned_of() {
    let warnings = |new_agent: &str| -> Vec<String> {
        let config = Config::parse(&with_pool_settings(&format!("new_agent = {new_agent}"))).unwrap();
        config.warnings().iter().map(ToString::to_string).collect()
    };
    let expected =
        "pools[0].new_agent.mem: 14 MB with 4 cpus looks like GB; write mem = 14000 if these are GB".to_owned();
    assert_eq!(warnings("{ cpus = 4, mem = 14 }"), [expected]);
    for agent in ["{ cpus = 4, mem = 14000 }", "{ cpus = 2, mem = 256 }", "{ cpus = 0.5, mem = 64 }"] {
        assert_eq!(warnings(agent), [""; 0], "{agent}");
    }
    assert_eq!(Config::parse(SMALLEST).unwrap().warnings(), []);
}
