//! Declined offers: which queued instances another agent would help.

use shared::contract::NotCounted;

use super::queue::{UNIQUE, counted, declined, entry, marathon, read_queue, rows, with_queue};
use super::*;
use crate::marathon::Answer;
use crate::members::Description;

#[test]
fn instances_declined_for_constraints_do_not_count() {
    let daemon = entry("/telegraf", 995, 0.1, &json!({"constraints": [UNIQUE]}));
    let rejects = [("UnfulfilledRole", 0), ("UnfulfilledConstraint", 5), ("InsufficientCpus", 0)];
    let queue = read_queue(&[declined(daemon, &rejects)]);
    let state = state(&[agent("a", 1.0, &json!({}))], &[marathon("marathon", &[("telegraf", "a")])]);
    let snapshot = with_queue(&state, &config(""), &queue).remove(0);
    let reason = "Marathon declined every last offer for constraints or roles (hostname UNIQUE), \
                  although an agent has room";
    let expected = NotCounted { application: "/telegraf".to_owned(), queued: 995, reason: reason.to_owned() };
    assert_eq!(snapshot.not_counted, [expected]);
    assert_eq!(rows(&snapshot), [("/telegraf", "marathon", 1, 0, "0".to_owned())]);
    assert_eq!(snapshot.completeness.level, CompletenessLevel::Complete);
}

#[test]
fn declines_alone_prove_nothing() {
    let for_constraints = [("UnfulfilledConstraint", 3), ("UnfulfilledRole", 1)];
    let unique = entry("/db", 2, 1.0, &json!({"constraints": [UNIQUE]}));
    let full = [agent("a", 3.5, &json!({}))];
    let room = [agent("a", 1.0, &json!({}))];
    let disconnected = [agent("a", 3.5, &json!({})), agent("b", 0.0, &json!({"active": false}))];
    for (agents, rejects, expected) in [
        (&room[..], &for_constraints[..], (0, 2)),
        // A full agent makes no offer, so its declines say nothing.
        (&full, &for_constraints, (2, 0)),
        (&disconnected, &for_constraints, (2, 0)),
        (&[], &for_constraints, (2, 0)),
        (&room, &[], (2, 0)),
        (&room, &[("UnfulfilledConstraint", 3), ("InsufficientMemory", 1)], (2, 0)),
        (&room, &[("UnfulfilledConstraint", 3), ("DeclinedScarceResources", 1)], (2, 0)),
        (&room, &[("InsufficientPorts", 3)], (2, 0)),
    ] {
        let queue = read_queue(&[declined(unique.clone(), rejects)]);
        let snapshots = with_queue(&state(agents, &[]), &config("new_agent = { cpus = 4, mem = 1000 }"), &queue);
        assert_eq!(counted(&snapshots), [expected], "{} agents, {rejects:?}", agents.len());
    }
}

/// Three agents with room of which each may hold one instance.
#[test]
fn instances_that_only_other_hosts_may_hold_count_h12() {
    let in_rack = json!({"attributes": {"rack": "r-1", "pool": "workers"}});
    let agents = ["a", "b", "c"].map(|id| agent(id, 1.0, &in_rack));
    let counted = |max: u32, running: &[&str], instances: u32, more: &Json| {
        let tasks: Vec<(&str, &str)> = running.iter().map(|agent| ("db", *agent)).collect();
        let queue = read_queue(&[declined(entry("/db", instances, 1.0, more), &[("UnfulfilledConstraint", 3)])]);
        let settings = format!("max = {max}\nnew_agent = {{ cpus = 4, mem = 1000 }}");
        counted(&with_queue(&state(&agents, &[marathon("marathon", &tasks)]), &config(&settings), &queue))[0]
    };
    let unique = json!({"constraints": [UNIQUE]});
    assert_eq!(counted(9, &["a", "b", "c"], 2, &unique), (2, 0));
    // One of the three may hold it: the agent that came for it stays, and no other comes.
    assert_eq!(counted(9, &["a", "b"], 2, &unique), (1, 1));
    // A daemon, which needs more agents than there may be.
    assert_eq!((counted(5, &["a", "b", "c"], 2, &unique), counted(4, &["a", "b", "c"], 2, &unique)), ((2, 0), (0, 2)));
    let two = json!({"constraints": [["hostname", "MAX_PER", "2"]]});
    assert_eq!(counted(9, &["a", "a", "b", "b", "c", "c"], 2, &two), (2, 0));
    assert_eq!(counted(9, &["a", "a", "b", "b", "c"], 2, &two), (1, 1));
    // A constraint on attributes may be the cause as well.
    let both = json!({"constraints": [UNIQUE, ["rack", "LIKE", "r-.*"]]});
    assert_eq!(counted(9, &["a", "b", "c"], 2, &both), (1, 1));
}

/// Three agents with room, and one that is full, in a pool of at most 20.
#[test]
fn instances_that_wait_for_a_fixed_host_port_count_as_unique_ones_h12() {
    let mut agents = ["a", "b", "c"].map(|id| agent(id, 1.0, &json!({}))).to_vec();
    agents.push(agent("d", 3.5, &json!({})));
    let fixed = json!({"portDefinitions": [{"port": 80}], "requirePorts": true});
    let any = json!({"portDefinitions": [{"port": 80}], "requirePorts": false});
    let snapshot = |running: &[&str], instances: u32, more: &Json, rejects: &[(&str, u32)]| {
        let tasks: Vec<(&str, &str)> = running.iter().map(|agent| ("lb", *agent)).collect();
        let queue = read_queue(&[declined(entry("/lb", instances, 1.0, more), rejects)]);
        let config = config("max = 20\nnew_agent = { cpus = 4, mem = 1000 }");
        with_queue(&state(&agents, &[marathon("marathon", &tasks)]), &config, &queue).remove(0)
    };
    let counted = |running: &[&str], instances: u32, more: &Json, rejects: &[(&str, u32)]| {
        counted(&[snapshot(running, instances, more, rejects)])[0]
    };
    let for_ports = [("InsufficientPorts", 3)];
    for rejects in [&for_ports[..], &[("InsufficientPorts", 3), ("InsufficientCpus", 1)]] {
        assert_eq!(counted(&["a", "b", "c"], 2, &fixed, rejects), (2, 0));
        // One with room has none: another application may have its port, or it offers no such port.
        assert_eq!(counted(&["a", "b"], 2, &fixed, rejects), (1, 1));
        assert_eq!(counted(&[], 2, &fixed, rejects), (1, 1));
        // A daemon.
        assert_eq!(counted(&["a", "b", "c"], 997, &fixed, rejects), (0, 997));
        // Of any ports the agents have too few.
        assert_eq!(counted(&["a", "b", "c"], 2, &any, rejects), (2, 0));
    }
    let left_out = snapshot(&["a"], 2, &fixed, &for_ports).not_counted.remove(0);
    let reason = "agents have room, but Marathon declined their last offers for constraints, ports, roles, or reservations \
                  (a fixed host port)";
    assert_eq!((left_out.queued, &*left_out.reason), (1, reason));
    assert_eq!(snapshot(&["a"], 2, &fixed, &for_ports).applications[0].max_per_agent, Some(1));
    assert_eq!(snapshot(&["a"], 2, &any, &for_ports).applications[0].max_per_agent, None);
}

/// Three agents in racks of their own, all with room, and an application with a task in each of so many.
fn racks(tasks: usize) -> Json {
    let agents = ["a", "b", "c"]
        .map(|id| agent(id, 1.0, &json!({"attributes": {"rack": format!("r-{id}"), "pool": "workers"}})));
    let tasks: Vec<_> = ["a", "b", "c"].into_iter().take(tasks).map(|id| ("db", id)).collect();
    state(&agents, &[marathon("marathon", &tasks)])
}

#[test]
fn instances_without_a_place_in_any_rack_do_not_count() {
    let for_constraints = [("UnfulfilledConstraint", 3)];
    for (tasks, constraint, expected) in [
        // Each rack has its instance: no agent of these racks helps. While one has none, a new agent may be in it.
        (3, json!(["rack", "UNIQUE"]), (0, 4)),
        (2, json!(["rack", "UNIQUE"]), (1, 3)),
        (3, json!(["rack", "MAX_PER", "1"]), (0, 4)),
        (3, json!(["rack", "MAX_PER", "2"]), (1, 3)),
        // A fourth rack is asked for before any has a second instance.
        (3, json!(["rack", "GROUP_BY", "4"]), (0, 4)),
        (3, json!(["rack", "GROUP_BY", "3"]), (1, 3)),
        (3, json!(["rack", "CLUSTER", "r-a"]), (1, 3)),
        (0, json!(["rack", "LIKE", "r-x"]), (0, 4)),
        (0, json!(["class", "IS", "x"]), (0, 4)),
        (0, json!(["class", "UNLIKE", "x"]), (1, 3)),
        // What is said of fault domains is not compared with attributes.
        (0, json!(["@region", "CLUSTER", "us-east-1"]), (1, 3)),
        (3, json!(["@zone", "GROUP_BY", "3"]), (1, 3)),
        // A new agent may have such a name.
        (3, json!(["hostname", "LIKE", "db-.*"]), (1, 3)),
        (3, json!(["hostname", "UNLIKE", "ip-.*"]), (1, 3)),
        (3, json!(["instance_id", "LIKE", "i-1"]), (1, 3)),
        (3, json!(["hostname", "OF_TOMORROW", "x"]), (1, 3)),
    ] {
        let own = entry("/db", 4, 1.0, &json!({"constraints": [constraint]}));
        let snapshots = with_queue(&racks(tasks), &config(""), &read_queue(&[declined(own.clone(), &for_constraints)]));
        assert_eq!(counted(&snapshots), [expected], "{constraint}");
        // Without a word of Marathon, or where resources are missing too, nothing is proven.
        for rejects in [&[][..], &[("UnfulfilledConstraint", 2), ("InsufficientCpus", 1)]] {
            let queue = read_queue(&[declined(own.clone(), rejects)]);
            assert_eq!(counted(&with_queue(&racks(tasks), &config(""), &queue)), [(4, 0)], "{constraint}");
        }
    }
    let own = entry("/db", 4, 1.0, &json!({"constraints": [["rack", "UNIQUE"]]}));
    let snapshot = with_queue(&racks(3), &config(""), &read_queue(&[declined(own, &for_constraints)])).remove(0);
    let reason = "3 instances run, and the agents of the pool have places for 3 by its constraint rack UNIQUE";
    assert_eq!(snapshot.not_counted[0].reason, reason);
}

/// Where agents are in zones of the group, a new one may be in another of its zones.
#[test]
fn an_instance_may_wait_for_a_zone_without_an_agent() {
    let zone = |zone: &str| json!({"attributes": {"zone": zone, "pool": "workers"}});
    let agents = [agent("a", 4.0, &zone("eu-1a")), agent("b", 4.0, &zone("eu-1b"))];
    let state = state(&agents, &[marathon("marathon", &[("db", "a"), ("db", "b")])]);
    let queue = read_queue(&[declined(
        entry("/db", 1, 1.0, &json!({"constraints": [["zone", "UNIQUE"]]})),
        &[("UnfulfilledConstraint", 2)],
    )]);
    let config = config("");
    for (zones, expected) in [(&["eu-1a", "eu-1b"][..], (0, 1)), (&["eu-1a", "eu-1b", "eu-1c"], (1, 0)), (&[], (0, 1))]
    {
        let zones = zones.iter().map(|&zone| zone.to_owned()).collect();
        let group = Description::Known(Group { zones, ..Default::default() });
        let described = Descriptions { groups: [("workers".to_owned(), group)].into(), ..Descriptions::default() };
        let cluster = json::read(state.to_string().as_bytes(), ClusterState::new(&config.pools)).unwrap();
        let marathon = Observed { queue: queue.clone(), definitions: Answer::NotAsked };
        let summary = summarize(cluster.with_descriptions(described), &marathon, "m", now());
        assert_eq!(counted(&summary.snapshots), [expected]);
    }
}

#[test]
fn an_attribute_of_many_values_has_a_place_for_every_instance() {
    let own = |number: usize| json!({"attributes": {"slot": format!("s{number}"), "pool": "workers"}});
    let agents: Vec<Json> = (0..70).map(|number| agent(&format!("a{number}"), 4.0, &own(number))).collect();
    let queue = read_queue(&[declined(
        entry("/db", 2, 1.0, &json!({"constraints": [["slot", "UNIQUE"]]})),
        &[("UnfulfilledConstraint", 2)],
    )]);
    assert_eq!(counted(&with_queue(&state(&agents, &[]), &config(""), &queue)), [(2, 0)]);
}

#[test]
fn the_last_instance_with_a_place_counts_and_is_not_named() {
    // While a rack may be free, one counts; of one queued instance none is left to name.
    let own = entry("/db", 1, 1.0, &json!({"constraints": [["rack", "UNIQUE"]]}));
    let queue = read_queue(&[declined(own, &[("UnfulfilledConstraint", 3)])]);
    let snapshot = with_queue(&racks(2), &config(""), &queue).remove(0);
    assert_eq!((counted(std::slice::from_ref(&snapshot)), snapshot.not_counted), (vec![(1, 0)], vec![]));
}

#[test]
fn instances_that_share_a_value_wait_for_it_one_by_one() {
    // The rack of the running ones is full. An agent with room is in another one, and a new agent may be in either.
    let own = |constraint: Json| {
        let own = entry("/db", 3, 1.0, &json!({ "constraints": [constraint] }));
        read_queue(&[declined(own, &[("UnfulfilledConstraint", 3)])])
    };
    let state = |tasks: &[(&str, &str)]| {
        let rack =
            |id: &str, used| agent(id, used, &json!({"attributes": {"rack": format!("r-{id}"), "pool": "workers"}}));
        state(&[rack("a", 4.0), rack("b", 0.0)], &[marathon("marathon", tasks)])
    };
    let running = state(&[("db", "a"), ("x", "a"), ("y", "a"), ("z", "a")]);
    let rows = |state: &Json, constraint: Json| counted(&with_queue(state, &config(""), &own(constraint)));
    assert_eq!(rows(&running, json!(["rack", "CLUSTER"])), [(1, 2)]);
    // All on the agent of the first one: another agent helps only while none runs.
    assert_eq!(rows(&running, json!(["hostname", "CLUSTER"])), [(0, 3)]);
    let snapshot = with_queue(&running, &config(""), &own(json!(["hostname", "CLUSTER"]))).remove(0);
    let reason = "its instances run on one agent by its constraint hostname CLUSTER, and no other helps";
    assert_eq!(snapshot.not_counted[0].reason, reason);
}

/// Three agents with room, and one without any.
#[test]
fn room_is_kept_for_one_instance_that_agents_with_room_decline() {
    let snapshot = |agents: &[Json], instances: u32, more: &Json, rejects: &[(&str, u32)], settings: &str| {
        let queue = read_queue(&[declined(entry("/db", instances, 1.0, more), rejects)]);
        let config = config(&format!("new_agent = {{ cpus = 4, mem = 1000 }}\n{settings}"));
        with_queue(&state(agents, &[marathon("marathon", &[])]), &config, &queue).remove(0)
    };
    let (room, full) = ([agent("a", 1.0, &json!({}))], [agent("a", 4.0, &json!({}))]);
    let by_name = json!({"constraints": [["hostname", "LIKE", "db-.*"]]});
    let no_role = json!({"acceptedResourceRoles": ["*"]});
    for (more, rejects, shown) in [
        (&by_name, &[("UnfulfilledConstraint", 3)][..], " (hostname LIKE db-.*)"),
        (&no_role, &[("UnfulfilledRole", 3)], ""),
    ] {
        let one = snapshot(&room, 1, more, rejects, "");
        assert_eq!(counted(std::slice::from_ref(&one)), [(1, 0)]);
        let note = format!(
            "/db: Marathon declined every last offer for constraints or roles{shown}, although an agent has \
             room; room for an instance is kept for as long as one waits, and \
             applications.\"/db\".count_queued = false keeps none"
        );
        assert_eq!(one.notes, [note]);
        assert_eq!(counted(&[snapshot(&room, 5, more, rejects, "")]), [(1, 4)]);
        // Without room anywhere, they may lack just that, but for those that ask for a name.
        let without = snapshot(&full, 5, more, rejects, "");
        let expected = if more == &by_name { (vec![(1, 4)], 1) } else { (vec![(5, 0)], 0) };
        assert_eq!((counted(std::slice::from_ref(&without)), without.notes.len()), expected);
        for setting in ["count_queued = false", "daemon = true"] {
            let none = snapshot(&room, 1, more, rejects, &format!("applications.\"/db\".{setting}"));
            assert_eq!((counted(std::slice::from_ref(&none)), none.notes), (vec![(0, 1)], vec![]), "{setting}");
        }
    }
    // With a constraint that says how many agents they need, H12 and the values say why.
    let unique = json!({"constraints": [UNIQUE]});
    assert_eq!(snapshot(&room, 1, &unique, &[("UnfulfilledConstraint", 3)], "max = 9").notes, [""; 0]);
    // A single instance that counts is in no list.
    let in_zone = [agent("a", 1.0, &json!({"attributes": {"zone": "a"}}))];
    let like = json!({"constraints": [["zone", "LIKE", "a"]]});
    let waiting = |instances: u32| {
        let snapshot = snapshot(&in_zone, instances, &like, &[("UnfulfilledConstraint", 3)], "");
        (counted(std::slice::from_ref(&snapshot))[0], snapshot.notes.join("").contains("(zone LIKE a), although"))
    };
    assert_eq!((waiting(1), waiting(2)), (((1, 0), true), ((1, 1), false)));
}

#[test]
fn room_is_kept_for_the_largest_of_many_that_agents_with_room_decline() {
    let rejects = [("UnfulfilledConstraint", 3)];
    let by_name = json!({"constraints": [["hostname", "LIKE", "db-.*"]]});
    let entries: Vec<Json> = (1..=9)
        .map(|number| declined(entry(&format!("/app-{number}"), 3, 0.25 * f64::from(number % 7), &by_name), &rejects))
        .collect();
    for used in [1.0, 4.0] {
        let pool = state(&[agent("a", used, &json!({}))], &[]);
        let settings = config("new_agent = { cpus = 4, mem = 1000 }");
        let snapshot = with_queue(&pool, &settings, &read_queue(&entries)).remove(0);
        let queued = rows(&snapshot).into_iter().map(|(name, _, _, queued, _)| (name.to_owned(), queued));
        assert_eq!(queued.collect::<Vec<_>>(), [("/app-6".to_owned(), 1)]);
        assert_eq!((counted(std::slice::from_ref(&snapshot)), snapshot.notes.len()), (vec![(1, 26)], 1));
    }
}

#[test]
fn instances_that_wait_for_their_reservations_do_not_count() {
    for agents in [[agent("a", 1.0, &json!({}))], [agent("a", 4.0, &json!({}))]] {
        let counted = |rejects: &[(&str, u32)]| {
            let queue = read_queue(&[declined(entry("/db", 2, 1.0, &json!({})), rejects)]);
            let snapshot =
                with_queue(&state(&agents, &[]), &config("new_agent = { cpus = 4, mem = 1000 }"), &queue).remove(0);
            (
                counted(std::slice::from_ref(&snapshot))[0],
                snapshot.not_counted.into_iter().map(|entry| entry.reason).collect::<Vec<_>>(),
            )
        };
        let reason = "it waits for the agent that holds its reservation or volume, and no other helps".to_owned();
        let reservation = ("NoCorrespondingReservationFound", 1);
        assert_eq!(counted(&[reservation]), ((0, 2), vec![reason.clone()]));
        assert_eq!(counted(&[reservation, ("UnfulfilledRole", 3)]), ((0, 2), vec![reason]));
        // Another instance has no reservation yet.
        assert_eq!(counted(&[reservation, ("InsufficientCpus", 3)]), ((2, 0), vec![]));
    }
}

/// Mesos makes no offers for a role whose quota is used up, and none to a Marathon that is cut off. Marathon declines offers for what
/// is not compared, as ports.
#[test]
fn what_waits_beside_room_is_named_after_an_hour() {
    let note = |used: f64, minutes_ago: i64, rejects: &[(&str, u32)]| {
        let mut entry = declined(entry("/web", 2, 1.0, &json!({})), rejects);
        entry["since"] = (now() - SignedDuration::from_mins(minutes_ago)).to_string().into();
        let state = state(&[agent("a", used, &json!({}))], &[marathon("marathon", &[])]);
        let snapshot = with_queue(&state, &config(""), &read_queue(&[entry])).remove(0);
        assert_eq!(counted(std::slice::from_ref(&snapshot)), [(2, 0)], "it counts all the same");
        snapshot.notes.join("")
    };
    let since = shared::time::format(now() - SignedDuration::from_mins(60));
    let expected = format!(
        "/web: queued since {since}, an agent has room, and Marathon declined no offer: check whether Marathon is connected, and the \
         quota of its role in Mesos; room for an instance is kept for as long as one waits, and \
         applications.\"/web\".count_queued = false keeps none"
    );
    assert_eq!(note(1.0, 60, &[]), expected);
    for reason in ["InsufficientPorts", "DeclinedScarceResources", "AgentMaintenance"] {
        let note = note(1.0, 60, &[(reason, 3), ("UnfulfilledConstraint", 1)]);
        assert!(note.contains("an agent has room, and Marathon declined its last offers for resources"), "{note}");
    }
    // It has not waited for long; no agent has room; Marathon says why.
    for (used, minutes_ago, rejects) in [
        (1.0, 59, &[][..]),
        (4.0, 60, &[]),
        (1.0, 59, &[("InsufficientPorts", 3)]),
        (4.0, 60, &[("InsufficientCpus", 3)]),
    ] {
        assert_eq!(note(used, minutes_ago, rejects), "", "{used} {minutes_ago} {rejects:?}");
    }
}

/// Agents of 4 cpus, of which so many are used, where instances of 1 cpu are to run on one agent.
#[test]
fn of_instances_for_one_agent_as_many_count_as_it_holds() {
    let on_one = json!({"constraints": [["hostname", "CLUSTER"]]});
    let rows = |used: &[f64], instances: u32, cpus: f64, settings: &str, rejects: &[(&str, u32)]| {
        let agents: Vec<Json> =
            (0..).zip(used).map(|(number, used): (u32, _)| agent(&format!("a{number}"), *used, &json!({}))).collect();
        let queue = read_queue(&[declined(entry("/db", instances, cpus, &on_one), rejects)]);
        counted(&with_queue(&state(&agents, &[marathon("marathon", &[])]), &config(settings), &queue))
    };
    for rejects in [&[][..], &[("InsufficientCpus", 1)]] {
        // A new agent holds four of them.
        assert_eq!(rows(&[4.0, 4.0], 60, 1.0, "", rejects), [(4, 56)]);
        assert_eq!(rows(&[4.0, 4.0], 4, 1.0, "", rejects), [(4, 0)]);
        assert_eq!(rows(&[], 60, 1.0, "new_agent = { cpus = 8, mem = 1000 }", rejects), [(8, 52)]);
        // Marathon starts the first where there is room, and the others beside it.
        assert_eq!(rows(&[3.0, 2.0], 3, 1.0, "", rejects), [(2, 1)]);
        // What no agent holds is for H5 to name, and what an agent has may not be known.
        assert_eq!(rows(&[4.0], 2, 9.0, "", rejects), [(2, 0)]);
        assert_eq!(rows(&[], 60, 1.0, "", rejects), [(60, 0)]);
    }
    let full = state(&[agent("a", 4.0, &json!({}))], &[marathon("marathon", &[("db", "a")])]);
    let queue = read_queue(&[declined(entry("/db", 2, 1.0, &on_one), &[("InsufficientCpus", 1)])]);
    assert_eq!(counted(&with_queue(&full, &config(""), &queue)), [(0, 2)], "one runs, and its agent is full");
}

#[test]
fn an_instance_counts_in_the_pool_of_which_agents_have_what_it_asks_for() {
    let other = "[[pools]]\nname = \"db\"\ngroup = \"db\"\nattributes = { pool = \"db\" }";
    let config = config(&format!("attributes = {{ pool = \"workers\" }}\n{other}"));
    let full = |id: &str, pool: &str, disk: Json| {
        let mut attributes = json!({"pool": pool});
        attributes.as_object_mut().unwrap().extend(disk.as_object().unwrap().clone());
        agent(id, 4.0, &json!({"attributes": attributes}))
    };
    let counts = |workers: Json, db: Json, constraint: Json| {
        let state = state(&[full("a", "workers", workers), full("b", "db", db)], &[marathon("marathon", &[])]);
        let own = entry("/new", 3, 1.0, &json!({"constraints": [constraint]}));
        let queue = read_queue(&[declined(own, &[("InsufficientCpus", 1), ("UnfulfilledConstraint", 1)])]);
        counted(&with_queue(&state, &config, &queue))
    };
    let (ssd, hdd, asks) = (json!({"disk": "ssd"}), json!({"disk": "hdd"}), json!(["disk", "CLUSTER", "ssd"]));
    assert_eq!(counts(hdd.clone(), ssd.clone(), asks.clone()), [(0, 0), (3, 0)]);
    assert_eq!(counts(json!({}), ssd.clone(), asks.clone()), [(0, 0), (3, 0)]);
    assert_eq!(counts(ssd.clone(), ssd, asks.clone()), [(3, 0), (0, 0)]);
    // Nobody has it: it counts where it did.
    assert_eq!(counts(hdd.clone(), json!({}), asks), [(3, 0), (0, 0)]);
    assert_eq!(counts(hdd, json!({}), json!(["disk", "UNLIKE", "hdd"])), [(0, 0), (3, 0)]);
}

/// A full agent without gpus, and one with room and gpus, of a Marathon that knows of gpus.
#[test]
fn agents_with_gpus_are_no_room_for_what_marathon_keeps_off_them() {
    let resources = json!({"cpus": 4.0, "mem": 1000.0, "gpus": 1.0});
    let with_gpus = agent("g", 1.0, &json!({"resources": resources, "unreserved_resources": resources}));
    let mut scheduler = marathon("marathon", &[("web", "a")]);
    scheduler["capabilities"] = json!(["GPU_RESOURCES"]);
    let state = state(&[agent("a", 4.0, &json!({})), with_gpus], &[scheduler]);
    let aware = |rejects: &[(&str, u32)]| {
        let queue = read_queue(&[declined(entry("/web", 2, 1.0, &json!({})), rejects)]);
        let snapshot = with_queue(&state, &config(""), &queue).remove(0);
        let queued = snapshot.applications.iter().filter(|own| own.queued > 0);
        queued.map(|own| (own.name.clone(), own.queued, own.gpu_aware)).collect::<Vec<_>>()
    };
    let web = |gpu_aware: bool| vec![("/web".to_owned(), 2, gpu_aware)];
    assert_eq!(aware(&[("InsufficientCpus", 1)]), web(true));
    assert_eq!(aware(&[("InsufficientCpus", 1), ("DeclinedScarceResources", 1)]), web(false));
}
