//! H12: which agents may go of those that run applications of which each agent may hold only so many instances.

use super::queue::{declined, entry, marathon, read_queue};
use super::*;
use crate::marathon::definitions::{Definitions, add_apps};
use crate::marathon::{Answer, Queue};

/// What Marathon says of applications with these constraints.
pub(super) fn constrained(applications: &[(&str, Json)], queue: &Queue) -> Observed {
    let apps = applications.iter().map(|(id, constraints)| json!({"id": id, "constraints": constraints}));
    let mut definitions = Definitions::default();
    add_apps(json!({"apps": apps.collect::<Vec<Json>>()}).to_string().as_bytes(), &mut definitions).unwrap();
    Observed { queue: queue.clone(), definitions: Answer::Known(definitions) }
}

/// The same of applications of which an agent may hold so many.
pub(super) fn observed(limits: &[(&str, u32)], queue: &Queue) -> Observed {
    let max_per = |most: u32| json!([["hostname", "MAX_PER", most.to_string()]]);
    let applications: Vec<(&str, Json)> = limits.iter().map(|(name, most)| (*name, max_per(*most))).collect();
    constrained(&applications, queue)
}

/// The ids of the active candidates.
fn active(snapshot: &ClusterSnapshot) -> Vec<String> {
    let active = snapshot.scale_down_candidates.iter().filter(|agent| agent.state == AgentState::Active);
    active.map(|agent| agent.agent_id.clone()).collect()
}

/// The same where each task of `/db` takes a cpu, and an agent may hold so many.
fn candidates(agents: &[Json], on: &[&str], limit: u32, queue: &Queue, settings: &str) -> Vec<String> {
    let tasks: Vec<(&str, &str)> = on.iter().map(|agent| ("db", *agent)).collect();
    let state = state(agents, &[marathon("marathon", &tasks)]);
    let limits = observed(&[("/db", limit), ("/idle", 1)], queue);
    active(&run_with(&state, &config(settings), &limits).snapshots.remove(0))
}

/// Agents of 4 cpus, each (id, used cpus).
fn agents(all: &[(&str, f64)]) -> Vec<Json> {
    all.iter().map(|(id, used)| agent(id, *used, &json!({}))).collect()
}

fn no_queue() -> Queue {
    Answer::Known(Vec::new())
}

#[test]
fn an_agent_stays_whose_instance_no_other_may_hold_h12() {
    let three = ["a", "b", "c"];
    for (used_by_d, on, limit, expected) in [
        // The fourth agent is full: it may go, and none of the others.
        (4.0, &three[..], 1, &["d"][..]),
        // It has room for one of the three instances.
        (3.0, &three, 1, &["a"]),
        // It needs no place for itself.
        (0.0, &three, 1, &["d"]),
        // One may go to b, two to c.
        (4.0, &["a", "a", "b"], 2, &["a", "d"]),
        (4.0, &["a", "a", "b", "b", "c"], 2, &["d"]),
        // Each agent holds two of three by its room: a may go, and then none.
        (4.0, &["a"], 9, &["a", "b", "d"]),
        (4.0, &[], 1, &["a", "b", "c", "d"]),
    ] {
        let pool = agents(&[("a", 2.0), ("b", 2.1), ("c", 2.2), ("d", used_by_d)]);
        assert_eq!(candidates(&pool, on, limit, &no_queue(), ""), expected, "{used_by_d} {on:?} {limit}");
    }
}

#[test]
fn what_waits_takes_a_place_before_what_moves_h12() {
    let pool = agents(&[("a", 2.0), ("b", 2.1), ("c", 3.0)]);
    let with_queued = |instances| {
        let limited = json!({"constraints": [["hostname", "UNIQUE"]]});
        let queue = read_queue(&[entry("/db", instances, 1.0, &limited)]);
        candidates(&pool, &["a", "b"], 1, &queue, "max = 9")
    };
    assert_eq!((with_queued(0), with_queued(1)), (vec!["a".to_owned()], vec![]));
    // What is on its way out needs it as well. What is disconnected may return with it.
    for (more, expected) in [(json!({"deactivated": true}), &[][..]), (json!({"active": false}), &["a"])] {
        let mut pool = pool.clone();
        pool.push(agent("d", 2.0, &more));
        assert_eq!(candidates(&pool, &["a", "b", "d"], 1, &no_queue(), ""), expected, "{more}");
    }
}

#[test]
fn daemons_and_agents_that_marathon_is_not_offered_count_as_no_place_h12() {
    let pool = agents(&[("a", 2.0), ("b", 2.1), ("c", 2.2)]);
    let on = ["a", "b", "c"];
    assert_eq!(candidates(&pool, &on, 1, &no_queue(), "max = 3"), [""; 0]);
    for daemon in ["max = 2", "applications.\"/db\".daemon = true"] {
        assert_eq!(candidates(&pool, &on, 1, &no_queue(), daemon), on, "{daemon}");
    }
    // Only frameworks that know of gpus are offered an agent that has some.
    let mut pool = agents(&[("a", 2.0)]);
    let resources = json!({"cpus": 4.0, "mem": 1000.0, "gpus": 1.0});
    pool.push(agent("g", 3.0, &json!({"resources": resources, "unreserved_resources": resources})));
    assert_eq!(candidates(&pool, &["a"], 1, &no_queue(), ""), ["g"]);
}

/// The only agent with room has it for one task.
#[test]
fn two_applications_do_not_count_on_the_same_room_h12() {
    let pool = agents(&[("a", 1.0), ("b", 1.1), ("c", 3.0)]);
    let state = state(&pool, &[marathon("marathon", &[("db", "a"), ("mq", "b")])]);
    let of = |limits| active(&run_with(&state, &config(""), &observed(limits, &no_queue())).snapshots[0]);
    // That of a may go to c.
    assert_eq!(of(&[("/db", 1)]), ["a", "b"]);
    // Then that of b has no place. But b has one for that of a, so that c may go in its stead.
    assert_eq!(of(&[("/db", 1), ("/mq", 1)]), ["a", "c"]);
    let (both, limits) =
        (marathon("marathon", &[("db", "a"), ("mq", "a"), ("db", "b"), ("mq", "b")]), [("/db", 1), ("/mq", 1)]);
    let pool = agents(&[("a", 2.0), ("b", 2.1), ("c", 3.0)]);
    let room_for_one = super::state(&pool, std::slice::from_ref(&both));
    assert_eq!(active(&run_with(&room_for_one, &config(""), &observed(&limits, &no_queue())).snapshots[0]), ["c"]);
    let pool = agents(&[("a", 2.0), ("b", 2.1), ("c", 2.0)]);
    let room_for_both = super::state(&pool, &[both]);
    assert_eq!(active(&run_with(&room_for_both, &config(""), &observed(&limits, &no_queue())).snapshots[0]), ["a"]);
}

/// What waits has a size of its own.
#[test]
fn what_no_agent_holds_takes_no_place_h12() {
    let pool = agents(&[("a", 2.0), ("b", 2.1), ("c", 3.0)]);
    let limited = json!({"constraints": [["hostname", "UNIQUE"]]});
    for (cpus, expected) in [(1.0, &[][..]), (9.0, &["a"])] {
        let queue = read_queue(&[entry("/db", 1, cpus, &limited)]);
        assert_eq!(candidates(&pool, &["a", "b"], 1, &queue, "max = 9"), expected, "{cpus}");
    }
}

#[test]
fn an_agent_that_must_leave_and_has_the_only_place_says_so_h12() {
    let sole_hosts = |used_by_c: f64, more: &Json| {
        let mut pool = agents(&[("a", 1.0), ("b", 1.0), ("c", used_by_c)]);
        pool.push(agent("d", 1.0, more));
        let state = state(&pool, &[marathon("marathon", &[("db", "a"), ("db", "b"), ("db", "d"), ("web", "c")])]);
        let snapshot = run_with(&state, &config(""), &observed(&[("/db", 1)], &no_queue())).snapshots.remove(0);
        let sole = snapshot.scale_down_candidates.into_iter().filter(|candidate| candidate.sole_host);
        sole.map(|candidate| candidate.agent_id).collect::<Vec<_>>()
    };
    assert_eq!(sole_hosts(4.0, &json!({"deactivated": true})), ["d"]);
    assert_eq!(sole_hosts(3.0, &json!({"deactivated": true})), [""; 0]);
    // It may return with its instance; it runs on.
    assert_eq!(sole_hosts(4.0, &json!({"active": false})), [""; 0]);
    assert_eq!(sole_hosts(4.0, &json!({})), [""; 0]);
}

/// The rest of a daemon of two pools waits in one of them alone.
#[test]
fn what_needs_more_agents_than_all_pools_may_have_is_a_daemon_in_each_h12() {
    let config = |max: &str| {
        let other = "[[pools]]\nname = \"other\"\ngroup = \"other\"\nattributes = { pool = \"other\" }";
        config(&format!("attributes = {{ pool = \"workers\" }}\n{max}\n{other}\n{max}"))
    };
    let in_other = json!({"attributes": {"pool": "other"}});
    let pool = [agent("a", 1.0, &json!({})), agent("b", 1.0, &json!({})), agent("c", 1.0, &in_other)];
    let state = state(&pool, &[marathon("marathon", &[("db", "a"), ("db", "b"), ("db", "c")])]);
    let daemons = |queued: u32, max: &str| {
        let queue = read_queue(&[entry("/db", queued, 1.0, &json!({"constraints": [["hostname", "UNIQUE"]]}))]);
        let config = config(max);
        let snapshots = run_with(&state, &config, &observed(&[("/db", 1)], &queue)).snapshots;
        let of = |(snapshot, policy): (&ClusterSnapshot, &Policy)| {
            snapshot
                .applications
                .iter()
                .map(|application| Daemon::of(application, snapshot, policy).is_some())
                .collect()
        };
        snapshots.iter().zip(&config.pools).map(of).collect::<Vec<Vec<bool>>>()
    };
    assert_eq!(daemons(8, "max = 5"), [[true], [true]]);
    // The first alone may not have as many, but both may.
    assert_eq!(daemons(7, "max = 5"), [[true], [false]]);
    assert_eq!(daemons(3, "max = 5"), [[false], [false]]);
    // Where a maximum is unknown, they may have any.
    assert_eq!(daemons(900, ""), [[false], [false]]);
}

#[test]
fn a_sole_host_takes_the_place_of_no_other_candidate_and_says_why_it_stays_h12() {
    // Thirty hosts with little load, and thirty full agents with more.
    let id = |prefix: &str, number: u32| format!("{prefix}{number:02}");
    let hosts: Vec<String> = (0..30).map(|number| id("a", number)).collect();
    let mut pool: Vec<Json> = hosts.iter().map(|id| agent(id, 1.0, &json!({}))).collect();
    pool.extend((0..30).map(|number| agent(&id("f", number), 4.0, &json!({}))));
    let on: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let found = candidates(&pool, &on, 1, &no_queue(), "");
    assert_eq!(found, (0..20).map(|number| id("f", number)).collect::<Vec<_>>());

    let config = config("");
    let tasks: Vec<(&str, &str)> = on.iter().map(|agent| ("db", *agent)).collect();
    let document = state(&pool, &[marathon("marathon", &tasks)]).to_string();
    let empty = ClusterState::new(&config.pools).asking(Some("a07".to_owned()));
    let observed = observed(&[("/db", 1)], &no_queue());
    let asked = summarize(json::read(document.as_bytes(), empty).unwrap(), &observed, "m", now()).asked.unwrap();
    assert_eq!((asked.agent.agent_id.as_str(), asked.stays), ("a07", Some(Stays::SoleHost)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// H12: if all candidates go, those that stay have places for its instances; and one that is no candidate has none.
    #[test]
    fn the_instances_of_all_candidates_have_places_on_those_that_stay(
        pool in prop::collection::vec((0_u32..=4, 0_u32..=3), 1..12), limit in 1_u32..3
    ) {
        // Agents of 4 cpus, each with instances and other tasks of 1 cpu.
        let pool: Vec<(String, u32, u32)> = (0..).zip(pool).map(|(number, (others, instances)): (u32, _)| {
            let instances = instances.min(limit);
            (format!("a{number:02}"), instances, (others + instances).min(4))
        }).collect();
        let documents: Vec<Json> = pool.iter().map(|(id, _, used)| agent(id, f64::from(*used), &json!({}))).collect();
        let on: Vec<&str> = pool.iter().flat_map(|(id, instances, _)| std::iter::repeat_n(id.as_str(), *instances as usize)).collect();
        let found = candidates(&documents, &on, limit, &no_queue(), "max = 100");

        let goes = |id: &str| found.iter().any(|own| own == id);
        let spare = |leaves: &dyn Fn(&str) -> bool| -> i64 {
            let change = |(id, instances, used): &(String, u32, u32)| {
                if leaves(id) { -i64::from(*instances) } else { i64::from((limit - instances).min(4 - used)) }
            };
            pool.iter().map(change).sum()
        };
        prop_assert!(on.is_empty() || spare(&goes) >= 0, "{:?}", found);
        for (id, ..) in pool.iter().filter(|(id, ..)| !goes(id)) {
            prop_assert!(spare(&|own: &str| own == id || goes(own)) < 0, "{} may go as well as {:?}", id, found);
        }
    }
}

/// What is known of `/db` on these agents: how many an agent may hold, and which may go.
fn spread(pool: &[Json], on: &[&str], agents: u32, queue: &Queue) -> (Option<u32>, Vec<String>) {
    let tasks: Vec<(&str, &str)> = on.iter().map(|agent| ("db", *agent)).collect();
    let state = state(pool, &[marathon("marathon", &tasks)]);
    let observed = constrained(&[("/db", json!([["hostname", "GROUP_BY", agents.to_string()]]))], queue);
    let snapshot = run_with(&state, &config("max = 9"), &observed).snapshots.remove(0);
    (snapshot.applications.iter().find(|own| own.name == "/db").and_then(|own| own.max_per_agent), active(&snapshot))
}

#[test]
fn group_by_keeps_as_many_hosts_as_it_asks_for_h12() {
    let pool = agents(&[("a", 1.0), ("b", 1.1), ("c", 1.2)]);
    let all = |names: &str| names.chars().map(String::from).collect::<Vec<_>>();
    // Three instances on three agents of three; of two, one may go.
    assert_eq!(spread(&pool, &["a", "b", "c"], 3, &no_queue()), (Some(1), vec![]));
    assert_eq!(spread(&pool, &["a", "b", "c"], 2, &no_queue()), (Some(2), all("a")));
    // Six instances, two on each; an update that runs twice as many needs no more agents.
    let six = ["a", "a", "b", "b", "c", "c"];
    assert_eq!(spread(&pool, &six, 3, &no_queue()), (Some(2), vec![]));
    // Four on three agents: Marathon starts no second one on an agent while fewer than three have one.
    let four = ["a", "a", "b", "c"];
    assert_eq!(spread(&pool, &four, 3, &no_queue()), (Some(2), vec![]));
    let with_empty = |used: f64| agents(&[("a", 2.0), ("b", 1.1), ("c", 1.2), ("d", used)]);
    assert_eq!(spread(&with_empty(2.0), &four, 3, &no_queue()), (Some(2), all("b")));
    assert_eq!(spread(&with_empty(3.5), &four, 3, &no_queue()), (Some(2), all("d")));
    // Those of one agent go to two others, and the third beside one of these.
    assert_eq!(spread(&pool, &["a", "a", "a"], 2, &no_queue()), (Some(2), all("a")));
    // Fewer instances than agents that are asked for.
    assert_eq!(spread(&pool, &["a"], 3, &no_queue()), (Some(1), all("ab")));
    // What waits is one of them.
    let queue = read_queue(&[entry("/db", 1, 1.0, &json!({"constraints": [["hostname", "GROUP_BY", "3"]]}))]);
    assert_eq!(spread(&pool, &["a", "b"], 3, &queue), (Some(1), vec![]));
}

/// Two Marathons run an application of the same name. The constraint is that of the one that is asked.
#[test]
fn the_limit_of_one_marathon_is_none_of_another_h12() {
    let pool = agents(&[("a", 1.0), ("b", 1.1), ("c", 1.2)]);
    let own = || marathon("marathon", &[("db", "a"), ("db", "b")]);
    let limits = |frameworks: &[Json]| {
        let snapshot =
            run_with(&state(&pool, frameworks), &config(""), &observed(&[("/db", 1)], &no_queue())).snapshots.remove(0);
        let limit = |own: &Application| (own.framework.clone(), own.max_per_agent);
        snapshot.applications.iter().map(limit).collect::<Vec<_>>()
    };
    let named = |all: &[(&str, Option<u32>)]| {
        all.iter().map(|(framework, limit)| ((*framework).to_owned(), *limit)).collect::<Vec<_>>()
    };
    let other = |on: &[&str]| marathon("apps", &on.iter().map(|agent| ("db", *agent)).collect::<Vec<_>>());
    assert_eq!(limits(&[own(), other(&["c", "c"])]), named(&[("apps", None), ("marathon", Some(1))]));
    // Nothing tells these apart.
    assert_eq!(limits(&[own(), other(&["c"])]), named(&[("apps", Some(1)), ("marathon", Some(1))]));
    // The constraint is younger than its tasks.
    assert_eq!(limits(&[other(&["c", "c"])]), named(&[("apps", Some(1))]));
}

/// So many instances with `UNIQUE` beside four agents, three of them with room, queued since so many seconds.
#[test]
fn what_was_queued_a_moment_ago_and_has_places_is_left_to_marathon_h12() {
    let counted = |instances: u32, running: &[&str], seconds: i64, rejects: &[(&str, u32)]| {
        let pool = agents(&[("a", 1.0), ("b", 1.1), ("c", 1.2), ("d", 4.0)]);
        let tasks: Vec<(&str, &str)> = running.iter().map(|agent| ("db", *agent)).collect();
        let constraints = json!({"constraints": [["hostname", "UNIQUE"]]});
        let mut entry = declined(entry("/db", instances, 1.0, &constraints), rejects);
        entry["since"] = json!((now() - SignedDuration::from_secs(seconds)).to_string());
        let queue = Observed { queue: read_queue(&[entry]), definitions: Answer::NotAsked };
        let state = state(&pool, &[marathon("marathon", &tasks)]);
        let snapshot = run_with(&state, &config("max = 9"), &queue).snapshots.remove(0);
        snapshot.applications.iter().map(|own| own.queued).sum::<u32>()
    };
    assert_eq!(counted(3, &[], 20, &[]), 0);
    // Those that run may be on agents with room, or not.
    assert_eq!([counted(2, &["d"], 20, &[]), counted(3, &["d"], 20, &[])], [0, 3]);
    assert_eq!(counted(4, &[], 20, &[]), 4, "the fourth agent is full");
    assert_eq!(counted(3, &[], 180, &[]), 3, "not started in three minutes");
    // Others may have declined for resources; what all agents decline for a constraint is no matter of time.
    assert_eq!(counted(3, &[], 20, &[("InsufficientCpus", 1)]), 0);
    assert_eq!(counted(2, &["a", "b", "c"], 20, &[("UnfulfilledConstraint", 3)]), 2);
}

/// Agents of 4 cpus, each (id, used cpus, rack).
fn in_racks(all: &[(&str, f64, &str)]) -> Vec<Json> {
    all.iter().map(|(id, used, rack)| agent(id, *used, &json!({"attributes": {"rack": rack}}))).collect()
}

#[test]
fn an_agent_stays_whose_instance_no_agent_of_its_value_may_hold_h12() {
    let may_go = |pool: &[Json], on: &[&str]| {
        let tasks: Vec<(&str, &str)> = on.iter().map(|agent| ("db", *agent)).collect();
        let state = state(pool, &[marathon("marathon", &tasks)]);
        let observed = constrained(&[("/db", json!([["rack", "UNIQUE"]]))], &no_queue());
        active(&run_with(&state, &config("max = 9"), &observed).snapshots.remove(0))
    };
    let [r0, r1, r2] = ["r0", "r1", "r2"];
    // One instance in each of two racks of one agent.
    assert_eq!(may_go(&in_racks(&[("a", 1.0, r0), ("b", 1.1, r1)]), &["a", "b"]), [""; 0]);
    // Another agent of the rack is full, or has room; a rack without an instance may take it.
    let beside =
        |used: f64, rack: &str| may_go(&in_racks(&[("a", 1.0, r0), ("b", 1.1, r1), ("c", used, rack)]), &["a", "b"]);
    assert_eq!([beside(4.0, r0), beside(3.0, r0), beside(3.0, r2)], [vec!["c"], vec!["a"], vec!["a"]]);
    // Two of a rack go to an agent of it. A rack that holds none takes one, and no second one.
    let two = |rack: &str| may_go(&in_racks(&[("a", 2.0, r0), ("b", 1.1, r1), ("c", 2.0, rack)]), &["a", "a", "b"]);
    assert_eq!([two(r0), two(r2)], [vec!["a"], vec!["b"]]);
    // An agent without the attribute takes none, and says nothing of where its own may go.
    let mut pool = in_racks(&[("a", 1.0, r0), ("b", 1.1, r1)]);
    pool.push(agent("c", 2.0, &json!({})));
    assert_eq!(may_go(&pool, &["a", "b"]), ["c"]);
    assert_eq!(may_go(&pool, &["b", "c"]), ["a", "c"]);
}

/// Which agents may go where instances of `/db` with these constraints run on some.
fn may_go(pool: &[Json], on: &[&str], constraints: &Json) -> Vec<String> {
    let tasks: Vec<(&str, &str)> = on.iter().map(|agent| ("db", *agent)).collect();
    let observed = constrained(&[("/db", constraints.clone())], &no_queue());
    active(&run_with(&state(pool, &[marathon("marathon", &tasks)]), &config("max = 9"), &observed).snapshots.remove(0))
}

#[test]
fn an_agent_stays_whose_instance_no_agent_of_another_name_or_value_may_run_h12() {
    let pool = in_racks(&[("a", 1.0, "r0"), ("b", 1.1, "r1"), ("c", 1.2, "r1")]);
    let like = |field: &str, pattern: &str| json!([[field, "LIKE", pattern]]);
    for (on, constraints, expected) in [
        (&["a"][..], like("hostname", "host-a"), &["b", "c"][..]),
        (&["a"], like("hostname", "host-[ac]"), &["a", "b"]),
        (&["a"], json!([["hostname", "UNLIKE", "host-[bc]"]]), &["b", "c"]),
        (&["a"], like("rack", "r0"), &["b", "c"]),
        (&["b"], json!([["rack", "CLUSTER", "r1"]]), &["a", "b"]),
        (&["b"], json!([["rack", "IS", "r1"], ["hostname", "UNIQUE"]]), &["a", "b"]),
        (&["b", "c"], json!([["rack", "IS", "r1"], ["hostname", "UNIQUE"]]), &["a"]),
        // Nobody has it, and the instance runs: it would not run again.
        (&["a"], like("rack", "r9"), &["b", "c"]),
        // It says nothing of these agents.
        (&["a"], like("@zone", "z"), &["a", "b"]),
        (&["a"], json!([["class", "UNLIKE", "x"]]), &["a", "b"]),
    ] {
        assert_eq!(may_go(&pool, on, &constraints), expected, "{on:?} {constraints}");
    }
}

#[test]
fn what_all_agents_of_a_pool_have_holds_none_h12() {
    let pool = [agent("a", 1.0, &json!({})), agent("b", 4.0, &json!({}))];
    let state = state(&pool, &[marathon("marathon", &[("db", "a")])]);
    let of_pool = |value: &str| {
        let observed = constrained(&[("/db", json!([["pool", "LIKE", value]]))], &no_queue());
        active(&run_with(&state, &config("attributes = { pool = \"workers\" }"), &observed).snapshots[0])
    };
    // H and D3 ask for the room that any task needs.
    assert_eq!(of_pool("workers"), ["a", "b"]);
}

#[test]
fn instances_that_run_on_one_agent_move_together_or_not_h12() {
    let cluster = json!([["hostname", "CLUSTER"]]);
    let pool = |b: f64, c: f64| agents(&[("a", 2.0), ("b", b), ("c", c)]);
    // A cpu is free on each, or two on one.
    assert_eq!(may_go(&pool(3.0, 3.0), &["a", "a"], &cluster), ["b", "c"]);
    assert_eq!(may_go(&pool(2.0, 3.0), &["a", "a"], &cluster), ["a", "c"]);
    assert_eq!(may_go(&pool(3.0, 3.0), &["a", "a"], &json!([["hostname", "MAX_PER", "2"]])), ["a"]);
    // In one rack: where another instance runs, or in any rack that holds all.
    let in_rack = json!([["rack", "CLUSTER"]]);
    let racks = |c: &str| in_racks(&[("a", 2.0, "r0"), ("b", 3.0, "r1"), ("c", 3.0, c)]);
    assert_eq!(may_go(&racks("r2"), &["a", "a"], &in_rack), ["b", "c"]);
    assert_eq!(may_go(&racks("r1"), &["a", "a"], &in_rack), ["a"]);
    assert_eq!(may_go(&racks("r1"), &["a", "c"], &in_rack), ["a", "b"]);
    assert_eq!(may_go(&racks("r2"), &["a", "a", "b"], &in_rack), ["b", "c"]);
}
