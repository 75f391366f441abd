//! A Mesos master's operator API, `POST /api/v1`, as far as it is about agents: `DEACTIVATE_AGENT`, `REACTIVATE_AGENT`, and
//! `DRAIN_AGENT` (without `mark_gone`). Every other call is refused. What a master answers to a call about an agent it does not
//! know was not captured: here it is 400.

use std::time::Duration;

use cluster::{Cluster, Operation};
use jiff::Timestamp;
use serde_json::Value;

/// Does what a call says.
///
/// # Errors
/// Where the call is not modeled, names no agent that is registered, or comes too late: the status and the text.
pub(crate) fn operate(cluster: &mut Cluster, call: &Value, now: Timestamp) -> Result<(), (u16, String)> {
    let action = call.get("type").and_then(Value::as_str).unwrap_or_default();
    let body = call.get(action.to_lowercase());
    let id = body.and_then(|body| body.get("agent_id")?.get("value")?.as_str());
    let id = id.ok_or_else(|| (400, format!("Failed to validate v1::master::Call: {action} lacks its agent_id")))?;
    let operation = match action {
        "DEACTIVATE_AGENT" => Operation::Deactivate,
        "REACTIVATE_AGENT" => Operation::Reactivate,
        "DRAIN_AGENT" => {
            let grace = body.and_then(|body| body.get("max_grace_period")?.get("nanoseconds")?.as_u64());
            Operation::Drain { max_grace_period: grace.map(Duration::from_nanos) }
        }
        other => return Err((501, format!("{other} is not supported by this endpoint"))),
    };
    cluster.operate(id, operation, now).map_err(|error| (400, error.to_string()))
}

#[cfg(test)]
mod tests {
    use cluster::{Drain, Mode, NOON, resources};
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_about_agents_are_done_or_refused_as_a_master_does() {
        let mut cluster = Cluster::of(2, resources(4, 14_000));
        let id = cluster.agents().next().unwrap().id.clone();
        let call = |action: &str, id: &str| {
            json!({ "type": action, action.to_lowercase(): {
                "agent_id": { "value": id }, "max_grace_period": { "nanoseconds": 30_000_000_000_u64 } } })
        };
        let mode = |cluster: &Cluster| cluster.agents().next().unwrap().mode;
        operate(&mut cluster, &call("DEACTIVATE_AGENT", &id), NOON).unwrap();
        assert_eq!(mode(&cluster), Mode::Deactivated);
        operate(&mut cluster, &call("REACTIVATE_AGENT", &id), NOON).unwrap();
        assert_eq!(mode(&cluster), Mode::Active);
        operate(&mut cluster, &call("DRAIN_AGENT", &id), NOON).unwrap();
        let grace = Duration::from_secs(30);
        assert_eq!(mode(&cluster), Mode::Draining(Drain { since: Some(NOON), max_grace_period: Some(grace) }));

        for (call, status, text) in [
            (call("REACTIVATE_AGENT", &id), 400, "is still in the DRAINING state"),
            (call("DRAIN_AGENT", "unknown"), 400, "Unknown agent unknown"),
            (call("GET_AGENTS", &id), 501, "GET_AGENTS is not supported"),
            (json!({ "type": "DRAIN_AGENT" }), 400, "lacks its agent_id"),
            (Value::Null, 400, "lacks its agent_id"),
        ] {
            let (got, said) = operate(&mut cluster, &call, NOON).unwrap_err();
            assert!(got == status && said.contains(text), "{got}: {said}");
        }
    }
}
