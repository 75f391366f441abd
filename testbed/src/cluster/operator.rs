//! What an operator does to agents through `POST /api/v1`, and what `/state` shows of it afterwards: fields and values as in the
//! captures of a real master of 1.11.0 (draining, drained, reactivated).
//!
//! Modelled: `DEACTIVATE_AGENT`, `REACTIVATE_AGENT`, `DRAIN_AGENT` (without `mark_gone`). A draining agent is drained when
//! [`Cluster::tick`] finds its time come; its tasks then run on other agents, as a framework starts them again, as far as there
//! is room. Every other call is refused. What a master answers to a call about an agent it does not know was not captured: here
//! it is 400.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::resources::Kind;

use super::{Cluster, add, items_mut, list, list_mut, resources, seconds, set, text};

/// How long tasks take to end once they are told to.
const KILL_TIME: SignedDuration = SignedDuration::from_secs(1);

impl Cluster {
    /// Does what a call of the operator API says.
    ///
    /// # Errors
    /// Where the call is not modelled, names no agent that is registered, or comes too late: the status and the text.
    pub fn operate(&mut self, call: &Value, now: Timestamp) -> Result<(), (u16, String)> {
        let action = text(call, "type");
        let body = call.get(action.to_lowercase());
        let id = body.and_then(|body| body.get("agent_id")?.get("value")?.as_str());
        let id =
            id.ok_or_else(|| (400, format!("Failed to validate v1::master::Call: {action} lacks its agent_id")))?;
        let grace = body.and_then(|body| body.get("max_grace_period")).cloned();
        let agent = items_mut(&mut self.state, "slaves").iter_mut().find(|agent| text(agent, "id") == id);
        let agent = agent.ok_or_else(|| (400, format!("Unknown agent {id}")))?;
        match action {
            "DEACTIVATE_AGENT" => set_active(agent, false),
            "DRAIN_AGENT" => {
                set_active(agent, false);
                let mut config = json!({ "mark_gone": false });
                if let Some(grace) = grace {
                    set(&mut config, "max_grace_period", grace);
                }
                set(agent, "drain_info", json!({ "state": "DRAINING", "config": config }));
                set(agent, "estimated_drain_start_time_seconds", json!(seconds(now)));
            }
            "REACTIVATE_AGENT" => {
                if drain_state(agent) == "DRAINING" {
                    return Err((400, format!("Agent {id} is still in the DRAINING state")));
                }
                set_active(agent, true);
                for gone in ["drain_info", "estimated_drain_start_time_seconds"] {
                    agent.as_object_mut().map(|agent| agent.remove(gone));
                }
            }
            other => return Err((501, format!("{other} is not supported by this endpoint"))),
        }
        self.count_agents();
        Ok(())
    }

    /// Ends the draining of agents whose tasks have had their time.
    pub fn tick(&mut self, now: Timestamp) {
        let is_due = |agent: &&Value| {
            let start = agent.get("estimated_drain_start_time_seconds").and_then(Value::as_f64);
            drain_state(agent) == "DRAINING"
                && start.is_some_and(|start| start + KILL_TIME.as_secs_f64() <= seconds(now))
        };
        let due: Vec<String> =
            list(&self.state, "slaves").iter().filter(is_due).map(|agent| text(agent, "id").to_owned()).collect();
        for id in due {
            self.move_tasks(&id);
            let agent = items_mut(&mut self.state, "slaves").iter_mut().find(|agent| text(agent, "id") == id);
            if let Some(info) = agent.and_then(|agent| agent.get_mut("drain_info")) {
                set(info, "state", json!("DRAINED"));
            }
        }
    }

    /// The tasks of an agent end, and start again on active agents that have room.
    fn move_tasks(&mut self, id: &str) {
        let mut moved = Vec::new();
        for (index, framework) in items_mut(&mut self.state, "frameworks").iter_mut().enumerate() {
            let Some(tasks) = list_mut(framework, "tasks") else { continue };
            let mut freed = Vec::new();
            tasks.retain(|task| {
                let stays = text(task, "slave_id") != id;
                if !stays {
                    freed.push(task.clone());
                }
                stays
            });
            moved.extend(freed.into_iter().map(|task| (index, task)));
        }
        if let Some(agent) = items_mut(&mut self.state, "slaves").iter_mut().find(|agent| text(agent, "id") == id) {
            let none = Kind::ALL.iter().map(|kind| (kind.name().to_owned(), json!(0.0)));
            set(agent, "used_resources", Value::Object(none.collect()));
        }
        for (framework, task) in moved {
            let need = resources(&task, "resources");
            if let Some(framework) = items_mut(&mut self.state, "frameworks").get_mut(framework) {
                add_less(framework, need);
            }
            let place = list(&self.state, "slaves").iter().position(|agent| {
                let free = resources(agent, "resources").saturating_sub(&resources(agent, "used_resources"));
                agent.get("active") == Some(&Value::Bool(true)) && need.fits_in(&free)
            });
            if let Some(place) = place {
                self.start(framework, place, &task, need);
            }
        }
    }
}

fn set_active(agent: &mut Value, active: bool) {
    set(agent, "active", json!(active));
    set(agent, "deactivated", json!(!active));
}

fn drain_state(agent: &Value) -> &str {
    agent.get("drain_info").map_or("", |info| text(info, "state"))
}

/// Takes what a task had from its framework's sums.
fn add_less(framework: &mut Value, less: shared::resources::Resources) {
    for key in ["used_resources", "resources"] {
        let left = resources(framework, key).saturating_sub(&less);
        for kind in Kind::ALL {
            if let Some(sum) = framework.get_mut(key) {
                set(sum, kind.name(), json!(0.0));
            }
        }
        add(framework, key, left);
    }
}
