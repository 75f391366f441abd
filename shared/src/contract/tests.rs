use crate::clause::Clause;
use serde_json::{Value, json};

use super::*;
use crate::resources::{Amount, Resources};

fn snapshot() -> ClusterSnapshot {
    let resources = |cpus: u64, mem: u64| Resources {
        cpus: Amount::from_thousandths(cpus),
        mem: Amount::from_thousandths(mem),
        ..Resources::ZERO
    };
    ClusterSnapshot {
        id: Uuid::nil(),
        taken_at: "2026-11-21T16:00:00.5Z".parse().unwrap(),
        pool: "workers".to_owned(),
        source: Source {
            master: "http://10.0.0.5:5050".to_owned(),
            mesos_version: "1.11.0".to_owned(),
            cluster: Some("prod".to_owned()),
            elected_at: Some("2026-11-20T09:00:00Z".parse().unwrap()),
            unreachable_after_seconds: Some(75),
        },
        completeness: Completeness { level: CompletenessLevel::Complete, reasons: Vec::new() },
        agents: AgentCounts { registered: 2, usable: 2, ..AgentCounts::default() },
        resources: PoolResources {
            total: resources(8_000, 2_048_000),
            used: resources(1_100, 512_500),
            ..PoolResources::default()
        },
        group: None,
        agent_shapes: vec![AgentShape {
            count: 2,
            total: resources(4_000, 1_024_000),
            unreserved: resources(4_000, 1_024_000),
            free: resources(3_450, 767_750),
        }],
        reserved_role: None,
        latest_agents: Vec::new(),
        decommissioning_omitted: 0,
        free_floor: None,
        scale_down_candidates: Vec::new(),
        applications: vec![Application {
            framework: "marathon".to_owned(),
            name: "/shop/web".to_owned(),
            task_count: 11,
            resources: resources(1_100, 512_500),
            tasks: vec![TaskGroup { count: 11, resources: resources(100, 46_591) }],
            queued: 0,
            queued_tasks: Vec::new(),
            gpu_aware: false,
            max_per_agent: None,
            in_all_pools: None,
        }],
        growth: None,
        not_counted: Vec::new(),
        notes: Vec::new(),
        cpu_utilization_percent: None,
    }
    .identified()
}

fn outcome() -> ScalingOutcome {
    ScalingOutcome {
        decision_id: Some(Uuid::nil()),
        at: "2026-11-21T16:00:02Z".parse().unwrap(),
        pool: "workers".to_owned(),
        group: "asg".to_owned(),
        state: Some(ScalingState::ScaleUp),
        action: OutcomeAction::ScaledUp,
        dry_run: false,
        from: Some(10),
        to: Some(12),
        instances: Vec::new(),
        clause: Some(Clause::B2),
        reason: "3 instances in flight".to_owned(),
        notes: Vec::new(),
    }
}

/// The smallest decision of a custom check.
fn smallest_decision() -> Value {
    json!({
        "schema": "lambda-scale/scaling-decision", "version": 1, "id": Uuid::nil(), "pool": "workers",
        "snapshot_taken_at": "2026-11-21T16:00:00Z", "expires_at": "2026-11-21T16:02:00Z", "state": "scale_up",
    })
}

fn read_decision(decision: &Value) -> Result<ScalingDecision, DecodeError> {
    decode(&decision.to_string(), None)
}

#[test]
fn every_message_reads_back_as_it_was_written() {
    let snapshot = snapshot();
    let encoded = encode(&snapshot).unwrap();
    assert!(!encoded.is_packed());
    assert_eq!(decode::<ClusterSnapshot>(&encoded.body, None).unwrap(), snapshot);
    let outcome = outcome();
    assert_eq!(decode::<ScalingOutcome>(&encode(&outcome).unwrap().body, None).unwrap(), outcome);
    let decision = read_decision(&smallest_decision()).unwrap();
    assert_eq!(decode::<ScalingDecision>(&encode(&decision).unwrap().body, None).unwrap(), decision);
}

#[test]
fn a_message_starts_with_its_schema_and_version() {
    let body = encode(&snapshot()).unwrap().body;
    assert!(body.starts_with(r#"{"schema":"lambda-scale/cluster-snapshot","version":1,"id":""#), "{body}");
    assert!(body.contains(r#""taken_at":"2026-11-21T16:00:00.500Z""#), "{body}");
    assert!(body.contains(r#""total":{"cpus":8,"mem":2048,"disk":0,"gpus":0}"#), "{body}");
}

#[test]
fn what_one_waiting_instance_takes_is_written_only_where_it_is_known() {
    let mut snapshot = snapshot();
    assert!(!encode(&snapshot).unwrap().body.contains("queued_tasks"));
    snapshot.applications[0].queued = 2;
    snapshot.applications[0].queued_tasks =
        vec![TaskGroup { count: 1, resources: snapshot.applications[0].tasks[0].resources }];
    let body = encode(&snapshot).unwrap().body;
    assert!(body.contains(r#""queued":2,"queued_tasks":[{"count":1,"resources":{"cpus":0.1,"#), "{body}");
    assert_eq!(decode::<ClusterSnapshot>(&body, None).unwrap(), snapshot);
}

#[test]
fn a_group_is_written_only_where_it_was_described() {
    let mut snapshot = snapshot();
    assert!(!encode(&snapshot).unwrap().body.contains("group"));
    let joined_recent = Some(vec!["i-1".to_owned()]);
    snapshot.group = Some(GroupMembers { desired: 2, joined: 1, joined_recent, ..GroupMembers::default() });
    let body = encode(&snapshot).unwrap().body;
    let group = r#""group":{"desired":2,"min":0,"max":0,"in_service":0,"joined":1,"unknown":0,"not_joined_count":0,"not_joined":[],"joined_recent":["i-1"],"unidentified_recent":0,"standby":0,"leaving":0,"protected":0,"outside":0}"#;
    assert!(body.contains(group), "{body}");
    assert_eq!(decode::<ClusterSnapshot>(&body, None).unwrap(), snapshot);
}

#[test]
fn more_recent_instances_than_are_listed_are_absent() {
    let mut decision = smallest_decision();
    decision["group"] = json!({"desired": 5000, "in_service": 5000, "joined": 5000});
    let decision = read_decision(&decision).unwrap();
    assert_eq!(decision.group.as_ref().map(|group| (group.joined, group.joined_recent.clone())), Some((5000, None)));
    let body = encode(&decision).unwrap().body;
    assert!(!body.contains("joined_recent") && !body.contains("ambiguous"), "{body}");
    assert_eq!(decode::<ScalingDecision>(&body, None).unwrap(), decision);
}

#[test]
fn a_message_without_the_fields_of_the_group_is_read() {
    let agent = json!({"agent_id": "S1", "hostname": "host", "state": "deactivated"});
    let mut decision = smallest_decision();
    decision["decommissioning_agents"] = json!([agent]);
    let decision = read_decision(&decision).unwrap();
    assert_eq!((decision.group, decision.decommissioning_agents[0].decommission_tag), (None, None));
    let counts: AgentCounts = serde_json::from_value(json!({"registered": 3, "inactive": 1})).unwrap();
    assert_eq!((counts.inactive, counts.disconnected), (1, 0));
    let sums: PoolResources = serde_json::from_value(json!({"displaced": {"cpus": 1}})).unwrap();
    assert!(!sums.displaced.is_zero() && sums.disconnected.is_zero());
}

#[test]
fn attributes_allow_subscriptions_to_filter() {
    let attributes = encode(&outcome()).unwrap().attributes;
    let expected = [("pool", "workers"), ("state", "scale_up"), ("action", "scaled_up")];
    assert_eq!(attributes, expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn the_id_of_a_snapshot_is_that_of_its_content() {
    let snapshot = snapshot();
    assert_eq!(snapshot.clone().identified().id, snapshot.id);
    let mut other = snapshot.clone();
    other.agents.usable = 1;
    assert_ne!(other.identified().id, snapshot.id);
}

#[test]
fn a_large_message_is_packed_and_says_so() {
    let mut large = snapshot();
    let application = large.applications[0].clone();
    large.applications =
        (0..2_000).map(|n| Application { name: format!("/shop/web-{n}"), ..application.clone() }).collect();
    let encoded = encode(&large).unwrap();
    assert!(encoded.is_packed() && encoded.body.len() < 60_000, "{}", encoded.body.len());
    assert_eq!(decode::<ClusterSnapshot>(&encoded.body, Some(GZIP_BASE64)).unwrap(), large);
    assert!(matches!(decode::<ClusterSnapshot>(&encoded.body, None), Err(DecodeError::NoHeader(_))));
}

#[test]
fn a_message_too_large_even_packed_is_an_error_with_its_sizes() {
    let mut huge = outcome();
    // What does not repeat does not compress.
    huge.reason = (0..40_000_u128).map(|n| Uuid::new_v5(&NAMESPACE, &n.to_be_bytes()).to_string()).collect();
    let error = encode(&huge).unwrap_err().to_string();
    assert!(error.contains("1440") && error.contains("245760"), "{error}");
}

#[test]
fn unknown_fields_are_ignored() {
    let mut decision = smallest_decision();
    decision["colour"] = json!({"of": ["the", "rose"]});
    assert_eq!(read_decision(&decision).unwrap().delta, 1);
}

#[test]
fn a_newer_version_is_refused_with_the_stage_to_deploy() {
    let mut decision = smallest_decision();
    decision["version"] = json!(2);
    // The header is looked at first: that the rest means something else does not matter.
    decision["state"] = json!({"direction": "up"});
    let error = read_decision(&decision).unwrap_err().to_string();
    assert!(error.contains("version 2") && error.contains("deploy node_scale first"), "{error}");
    decision["version"] = json!(0);
    assert!(matches!(read_decision(&decision), Err(DecodeError::UnknownVersion { .. })));
}

#[test]
fn another_message_is_refused_with_both_names() {
    let body = encode(&snapshot()).unwrap().body;
    let error = decode::<ScalingDecision>(&body, None).unwrap_err().to_string();
    assert!(error.contains("cluster-snapshot") && error.contains("scaling-decision"), "{error}");
}

#[test]
fn what_is_no_message_is_refused() {
    let refused = |body: &str, encoding| decode::<ClusterSnapshot>(body, encoding).unwrap_err();
    for body in ["", "null", "[]", "hello", "{}", r#"{"schema":1,"version":1}"#, r#"{"schema":"x"}"#] {
        assert!(matches!(refused(body, None), DecodeError::NoHeader(_)), "{body}");
    }
    let header_only = r#"{"schema":"lambda-scale/cluster-snapshot","version":1}"#;
    assert!(matches!(refused(header_only, None), DecodeError::Invalid { .. }));
    assert!(matches!(refused("{}", Some("zstd")), DecodeError::UnknownEncoding(_)));
    let long = "z".repeat(10_000);
    assert!(refused("{}", Some(&long)).to_string().len() < 300, "an error repeats little of a message");
    assert!(matches!(refused("%%%", Some(GZIP_BASE64)), DecodeError::Base64(_)));
    assert!(matches!(refused("aGVsbG8=", Some(GZIP_BASE64)), DecodeError::Gzip(_)));
    let cut = pack(header_only.as_bytes()).chars().take(24).collect::<String>();
    assert!(matches!(refused(&cut, Some(GZIP_BASE64)), DecodeError::Gzip(_)));
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_memory() {
    let zeros = vec![b' '; usize::try_from(MAX_UNPACKED_BYTES).unwrap() + 1];
    let packed = pack(&zeros);
    assert!(packed.len() < 100_000);
    assert!(matches!(decode::<ClusterSnapshot>(&packed, Some(GZIP_BASE64)), Err(DecodeError::TooLarge)));
}

#[test]
fn a_state_alone_stands_for_a_delta_of_one() {
    for (state, delta) in [("scale_up", 1), ("scale_down", -1), ("normal", 0), ("held", 0), ("max_limit", 0)] {
        let mut decision = smallest_decision();
        decision["state"] = json!(state);
        assert_eq!(read_decision(&decision).unwrap().delta, delta, "{state}");
    }
}

#[test]
fn agents_are_wanted_before_the_step_limit_or_as_many_as_are_added_l5() {
    let mut decision = smallest_decision();
    for (state, delta, wanted) in [("scale_up", 2, 2), ("normal", 0, 0), ("scale_down", -2, 0)] {
        (decision["state"], decision["delta"]) = (json!(state), json!(delta));
        assert_eq!(read_decision(&decision).unwrap().wanted, wanted, "{state}");
    }
    (decision["state"], decision["delta"], decision["wanted"]) = (json!("scale_up"), json!(2), json!(7));
    assert_eq!(read_decision(&decision).unwrap().wanted, 7);
}

#[test]
fn a_state_that_contradicts_its_delta_is_refused() {
    for (state, delta) in [("scale_up", 0), ("scale_up", -1), ("scale_down", 1), ("normal", 3), ("held", -1)] {
        let mut decision = smallest_decision();
        decision["state"] = json!(state);
        decision["delta"] = json!(delta);
        assert!(matches!(read_decision(&decision), Err(DecodeError::Invalid { .. })), "{state} {delta}");
    }
}

#[test]
fn packed_messages_without_a_separator_are_split() {
    // Lengths that leave base64 without padding, with one `=`, and with two.
    for length in 0..12 {
        let (first, second) = ("a".repeat(length), "b".repeat(2 * length));
        let gzip = [&first, &second].map(|text| BASE64.decode(pack(text.as_bytes())).unwrap()).concat();
        assert_eq!(unpack_all(&BASE64.encode(gzip)).unwrap(), [first, second]);
    }
    let packed = pack(b"{}");
    assert_eq!(unpack_all(&packed).unwrap(), ["{}"]);
    assert!(matches!(unpack_all(packed.get(..packed.len() - 8).unwrap()), Err(DecodeError::Gzip(_))));
    assert!(matches!(unpack_all("eyJ9"), Err(DecodeError::Gzip(_))), "base64 of no gzip");
    assert!(matches!(unpack_all("!"), Err(DecodeError::Base64(_))));
}
