use serde_json::{Value as Json, json};

use super::*;

fn read(written: Json) -> Result<Constraints, String> {
    let mut field = Once::new("constraints");
    field.set(serde_json::from_value(written).unwrap());
    Partly::<Constraints>::in_field(field).whole()
}

fn constraints(written: Json) -> Constraints {
    read(written).unwrap()
}

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_hostname_limits_the_instances_on_an_agent() {
    for (written, expected) in [
        (json!([["hostname", "UNIQUE"]]), Some(1)),
        (json!([["@hostname", "UNIQUE", ""]]), Some(1)),
        (json!([["instance_id", "UNIQUE"]]), Some(1)),
        (json!([["hostname", "MAX_PER", "3"], ["hostname", "MAX_PER", " 2 "]]), Some(2)),
        (json!([{"fieldName": "hostname", "operator": "MAX_PER", "value": "4"}]), Some(4)),
        (json!([{"fieldName": "hostname", "operator": "UNIQUE"}]), Some(1)),
        // Neither keeps a second instance off an agent.
        (json!([["rack", "UNIQUE"], ["hostname", "GROUP_BY"], ["hostname", "CLUSTER"]]), None),
        (json!([["hostname", "MAX_PER", "0"], ["hostname", "MAX_PER", "two"], ["hostname", "MAX_PER"]]), None),
        (json!([["hostname"], [], ["hostname", "LATEST", "x", "y"]]), None),
        (json!(null), None),
    ] {
        assert_eq!(constraints(written.clone()).most_per_agent(9), expected, "{written}");
    }
}

#[test]
fn constraints_on_attributes_spread_instances_over_values_or_keep_them_together() {
    let all = constraints(json!([
        ["rack", "UNIQUE"],
        ["zone", "GROUP_BY", "3"],
        ["row", "MAX_PER", "2"],
        ["hostname", "CLUSTER"],
        ["site", "CLUSTER", ""],
        ["site", "CLUSTER", "b"]
    ]));
    assert_eq!(all.spread_over().collect::<Vec<_>>(), ["rack", "zone", "row"]);
    assert_eq!(all.together_in().collect::<Vec<_>>(), ["hostname", "site"]);
    let others =
        constraints(json!([["@zone", "UNIQUE"], ["@zone", "CLUSTER"], ["rack", "LIKE", "r1"], ["hostname", "UNIQUE"]]));
    assert_eq!((others.spread_over().count(), others.together_in().count()), (0, 0));
}

/// An agent `a.x` in rack 1 with two disks, and no class.
#[test]
fn names_and_values_admit_an_agent_or_not() {
    let values = |field: &str| -> &[&str] {
        match field {
            "hostname" | "@hostname" => &["a.x"],
            "rack" => &["1"],
            "disk" => &["ssd", "hdd"],
            _ => &[],
        }
    };
    for (written, expected) in [
        (json!([["hostname", "LIKE", "a\\..*"], ["@hostname", "IS", "a.x"], ["hostname", "CLUSTER", "a.x"]]), true),
        (json!([["hostname", "LIKE", "a"]]), false),
        (json!([["hostname", "UNLIKE", "a.*"]]), false),
        (json!([["hostname", "CLUSTER", "b.x"]]), false),
        (json!([["rack", "IS", "1.0"], ["disk", "LIKE", "ssd"], ["class", "UNLIKE", "x"]]), true),
        (json!([["class", "LIKE", ".*"]]), false),
        (json!([["disk", "CLUSTER", "nvme"]]), false),
        // How many instances there are, and what Mesos says of fault domains, does not count here.
        (
            json!([["class", "UNIQUE"], ["hostname", "CLUSTER"], ["rack", "GROUP_BY", "3"], ["@zone", "LIKE", "b"]]),
            true,
        ),
        // A pattern that cannot be compared.
        (json!([["rack", "LIKE", "("], ["rack", "UNLIKE", "("]]), true),
    ] {
        assert_eq!(constraints(written.clone()).admit(|field| values(field).iter().copied()), expected, "{written}");
    }
}

#[test]
fn constraints_of_two_versions_are_those_of_both() {
    let one = constraints(json!([["hostname", "UNIQUE"], ["rack", "UNIQUE"]]));
    let other = constraints(json!([["rack", "UNIQUE"], ["hostname", "MAX_PER", "2"]])).with_fixed_port(true);
    let both = one.clone().and(other);
    assert_eq!(both.to_string(), "a fixed host port, hostname UNIQUE, and 2 more");
    assert_eq!(Constraints::default().and(one.clone()), one);
    let many =
        |from: usize| constraints((from..from + 32).map(|number| json!([format!("a{number}"), "UNIQUE"])).collect());
    assert_eq!(many(0).and(many(32)), many(0));
    // What agents of the pool have in common tells them apart no more.
    assert_eq!(one.among(&attributes(&[("rack", "r1")])), constraints(json!([["hostname", "UNIQUE"]])));
}

#[test]
fn group_by_on_the_hostname_spreads_instances_over_agents() {
    let of = |written: Json| {
        let own = constraints(written);
        [1, 3, 4, 10].into_iter().map(|all| own.most_per_agent(all)).collect::<Option<Vec<u32>>>()
    };
    assert_eq!(of(json!([["hostname", "GROUP_BY", "3"]])), Some(vec![1, 1, 2, 4]));
    assert_eq!(of(json!([["@hostname", "GROUP_BY", 3], ["hostname", "MAX_PER", "2"]])), Some(vec![1, 1, 2, 2]));
    let least = |written: Json| constraints(written).least_agents();
    let several = json!([["hostname", "GROUP_BY", "3"], ["hostname", "GROUP_BY", "2"], ["rack", "GROUP_BY", "9"]]);
    assert_eq!([least(several), least(json!([["hostname", "GROUP_BY", "1"], ["hostname", "UNIQUE"]]))], [3, 0]);
    // On one agent it says nothing, nor without a number.
    assert_eq!(
        of(json!([["hostname", "GROUP_BY", "1"], ["hostname", "GROUP_BY", "0"], ["hostname", "GROUP_BY"]])),
        None
    );
}

/// Agents in two racks, one of them also with the number 3; nothing is known of zones, and no agent has a class.
#[test]
fn the_values_of_agents_limit_the_instances_in_all() {
    let values = |field: &str| match field {
        "rack" => Some(BTreeSet::from(["r1", "r2"])),
        "class" => Some(BTreeSet::new()),
        _ => None,
    };
    for (written, expected) in [
        (json!([["rack", "UNIQUE"]]), Some((2, "rack UNIQUE"))),
        (json!([["rack", "MAX_PER", "3"]]), Some((6, "rack MAX_PER 3"))),
        (json!([["rack", "MAX_PER", "3"], ["rack", "UNLIKE", "r2"]]), Some((3, "rack MAX_PER 3"))),
        (json!([["rack", "GROUP_BY", "3"]]), Some((2, "rack GROUP_BY 3"))),
        (json!([["rack", "GROUP_BY", "2"], ["rack", "GROUP_BY"]]), None),
        (json!([["rack", "IS", "r1"], ["rack", "LIKE", "r."]]), None),
        (json!([["rack", "CLUSTER", "r9"]]), Some((0, "rack CLUSTER r9"))),
        (json!([["rack", "LIKE", "r9"], ["rack", "UNIQUE"]]), Some((0, "rack LIKE r9"))),
        (json!([["rack", "UNLIKE", "r."]]), Some((0, "rack UNLIKE r."))),
        (json!([["class", "IS", "x"]]), Some((0, "class IS x"))),
        (json!([["class", "CLUSTER"]]), Some((0, "class CLUSTER"))),
        (json!([["rack", "CLUSTER"]]), None),
        (json!([["rack", "CLUSTER", ""]]), None),
        (json!([["class", "UNIQUE"]]), Some((0, "class UNIQUE"))),
        (json!([["class", "UNLIKE", "x"]]), None),
        (json!([["zone", "UNIQUE"], ["zone", "IS", "a"], ["zone", "GROUP_BY", "9"]]), None),
        (json!([["hostname", "UNIQUE"], ["hostname", "MAX_PER", "2"], ["instance_id", "UNIQUE"]]), None),
    ] {
        let own = constraints(written.clone());
        let found = own.most_instances(values).map(|(most, constraint)| (most, constraint.to_string()));
        assert_eq!(found, expected.map(|(most, text): (u32, &str)| (most, text.to_owned())), "{written}");
        let on_hosts = written[0][0] == "hostname";
        assert_eq!(own.are_on_attributes(), !on_hosts && !own.to_string().is_empty(), "{written}");
    }
}

#[test]
fn constraints_on_attributes_admit_or_contradict_a_pool() {
    let pool = attributes(&[("asg", "workers"), ("rack", "r10"), ("generation", "3")]);
    for (written, contradicts) in [
        (json!(["asg", "CLUSTER", "workers"]), false),
        (json!(["asg", "CLUSTER", "gpu"]), true),
        (json!(["asg", "IS", "gpu"]), true),
        (json!(["asg", "CLUSTER"]), false),
        (json!(["asg", "CLUSTER", ""]), false),
        (json!(["asg", "GROUP_BY", "2"]), false),
        (json!(["asg", "UNIQUE"]), false),
        (json!(["generation", "IS", "3.0"]), false),
        (json!(["generation", "IS", "4"]), true),
        (json!(["rack", "LIKE", "r1\\d"]), false),
        // A pattern is compared with the whole value.
        (json!(["rack", "LIKE", "r1"]), true),
        (json!(["rack", "LIKE", "r1|r2"]), true),
        (json!(["rack", "UNLIKE", "r\\d+"]), true),
        (json!(["rack", "UNLIKE", "r1"]), false),
        // What Java knows and this does not admits everything.
        (json!(["rack", "LIKE", "(?<!x)none"]), false),
        (json!(["rack", "LIKE", "x".repeat(10_000)]), false),
        // The pool does not say which values its agents have.
        (json!(["zone", "CLUSTER", "eu-1a"]), false),
        (json!(["zone", "LIKE", "eu-.*"]), false),
        // A new agent has a name of its own.
        (json!(["hostname", "CLUSTER", "ip-10-0-1-10"]), true),
        (json!(["hostname", "CLUSTER"]), false),
        (json!(["hostname", "LIKE", "ip-10-0-.*"]), false),
        (json!(["hostname", "UNIQUE"]), false),
    ] {
        assert_eq!(constraints(json!([written])).contradicts(&pool).is_some(), contradicts, "{written}");
    }
}

#[test]
fn a_pool_may_write_a_number_in_any_form() {
    let contradicts = |value: &str, written: Json| {
        let pool = BTreeMap::from([("tier".to_owned(), value.to_owned())]);
        constraints(json!([written])).contradicts(&pool).is_some()
    };
    // Its agents have the number 1, or the text.
    for value in ["1.0", "1"] {
        assert!(!contradicts(value, json!(["tier", "LIKE", "1"])), "{value}");
        assert!(contradicts(value, json!(["tier", "LIKE", "2"])), "{value}");
    }
    assert!(!contradicts("1.0", json!(["tier", "LIKE", "1\\.0"])));
    assert!(contradicts("1.0", json!(["tier", "UNLIKE", "1.*"])));
}

#[test]
fn a_cluster_on_the_hostname_is_one_agent() {
    let together = |written: Json| constraints(written).on_one_agent_together().map(|own| own.to_string());
    assert_eq!(together(json!([["rack", "CLUSTER"], ["hostname", "CLUSTER"]])).as_deref(), Some("hostname CLUSTER"));
    assert_eq!(together(json!([["@hostname", "IS", "a"]])).as_deref(), Some("@hostname IS a"));
    assert_eq!(together(json!([["rack", "CLUSTER"], ["hostname", "UNIQUE"], ["hostname", "LIKE", "a"]])), None);
}

#[test]
fn a_reason_names_constraints_briefly() {
    let many = constraints(json!([
        ["hostname", "UNIQUE"],
        ["rack", "CLUSTER", "r1"],
        ["a", "LIKE", "x"],
        ["b", "UNLIKE", "y".repeat(1000)]
    ]));
    assert_eq!(many.to_string(), "hostname UNIQUE, rack CLUSTER r1, and 2 more");
    let long = constraints(json!([["b\u{7}", "UNLIKE", "y".repeat(10_000)]])).to_string();
    assert!(long.starts_with("b UNLIKE yyy") && long.ends_with("...") && long.len() < 100, "{long}");
}

#[test]
fn a_fixed_host_port_limits_instances_like_a_constraint() {
    for (written, expected, text) in [
        (json!([]), Some(1), "a fixed host port"),
        (json!([["hostname", "MAX_PER", "3"]]), Some(1), "a fixed host port, hostname MAX_PER 3"),
        (
            json!([["hostname", "UNIQUE"], ["rack", "UNIQUE"]]),
            Some(1),
            "a fixed host port, hostname UNIQUE, and 1 more",
        ),
    ] {
        let own = constraints(written.clone());
        let without = own.clone().with_fixed_port(false);
        let own = own.with_fixed_port(true);
        assert_eq!((own.most_per_agent(9), &*own.to_string()), (expected, text));
        assert_eq!(without, constraints(written));
    }
}

#[test]
fn a_constraint_of_another_form_is_refused() {
    for written in [json!("hostname"), json!([5]), json!([{"field": "hostname"}]), json!([[["hostname"]]])] {
        assert!(read(written.clone()).is_err(), "{written}");
    }
}
