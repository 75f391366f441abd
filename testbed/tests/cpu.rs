//! Pools that are scaled by the CPU utilization of their group: the three real binaries on local endpoints, from CloudWatch to
//! the group.

use testbed::cloudwatch::Utilization;
use testbed::faults::Mode;

use crate::support::deliver;
use shared::clause::Clause;
use shared::contract::{CompletenessLevel, OutcomeAction, ScalingState};
use testbed::stack::Run;
use testbed::{AwsError, CONFIGURATION, Stack, stage};

/// A group of three instances.
const WEB: &str = "[[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"\nmax = 6\n";

async fn start(test: &str, configuration: &str) -> Stack {
    crate::support::start_with(test, stage::binaries().unwrap(), configuration.to_owned()).await
}

async fn run(stack: &Stack) -> Run {
    stack.run().await.unwrap().remove(0)
}

/// How many queries each call of CloudWatch had.
fn queries(stack: &Stack) -> Vec<usize> {
    let calls = stack.cloudwatch.calls();
    calls.iter().map(|call| call.json["MetricDataQueries"].as_array().unwrap().len()).collect()
}

#[tokio::test]
async fn a_busy_group_gets_one_instance_for_repeated_decisions() {
    let stack = start("busy", WEB).await;
    let quiet = run(&stack).await;
    assert_eq!((quiet.snapshot.agents.usable, quiet.snapshot.cpu_utilization_percent), (3, Some(50.0)));
    assert_eq!((quiet.decision.state, quiet.outcome.action), (ScalingState::Normal, OutcomeAction::None));

    stack.cloudwatch.set("web-asg", Utilization::Percent(71.5));
    let busy = run(&stack).await;
    assert_eq!((busy.decision.delta, busy.decision.state), (1, ScalingState::ScaleUp));
    assert_eq!((busy.outcome.action, busy.outcome.to), (OutcomeAction::ScaledUp, Some(4)));

    // I2: the same decision again, before and after the instance is there; and the next one while it boots.
    assert_eq!(deliver(&stack, &busy.decision).await.action, OutcomeAction::None);
    let booting = run(&stack).await;
    assert_eq!((booting.decision.delta, booting.outcome.action), (1, OutcomeAction::None), "{:?}", booting.outcome);
    stack.finish_activities();
    assert_eq!(deliver(&stack, &busy.decision).await.action, OutcomeAction::None);
    assert_eq!(stack.desired("web-asg"), Some(4));

    // It is in service, and the average still shows the group without it: the cooldown holds back the next.
    let there = run(&stack).await;
    assert_eq!((there.decision.agents.usable, there.decision.delta), (4, 1));
    assert_eq!(there.outcome.action, OutcomeAction::BackedOff);
    assert_eq!(there.outcome.clause, Some(Clause::B3));
    assert!(there.outcome.reason.starts_with("last launch ended"), "{}", there.outcome.reason);
    assert_eq!(stack.desired("web-asg"), Some(4));
}

#[tokio::test]
async fn an_idle_group_gives_one_back_down_to_its_minimum() {
    let stack = start("idle", &format!("{WEB}cooltime = 0\nmin = 2\nscale_down_window = \"0s\"\n")).await;
    stack.cloudwatch.set("web-asg", Utilization::Percent(3.25));
    let idle = run(&stack).await;
    assert_eq!((idle.outcome.action, idle.outcome.to), (OutcomeAction::ScaledDown, Some(2)), "{:?}", idle.outcome);
    assert_eq!(deliver(&stack, &idle.decision).await.action, OutcomeAction::None, "it was carried out already");
    stack.finish_activities();
    let least = run(&stack).await;
    assert_eq!((least.decision.state, least.outcome.action), (ScalingState::MinLimit, OutcomeAction::None));
    assert_eq!(stack.desired("web-asg"), Some(2));
}

#[tokio::test]
async fn missing_cloudwatch_data_are_reported_and_change_nothing() {
    let stack = start("unknown", WEB).await;
    let denied = AwsError::new(403, "AccessDenied", "User is not authorized to perform: cloudwatch:GetMetricData");
    for (utilization, fault, reason) in [
        (Utilization::Minutes(Vec::new()), None, "CloudWatch has no data for the last 10 minutes"),
        (Utilization::Status("InternalError", "try later"), None, "CloudWatch failed to read the data: try later"),
        (Utilization::Status("Forbidden", "not yours"), None, "CloudWatch denied access to the data: not yours"),
        (Utilization::Status("PartialData", "half"), None, "CloudWatch returned partial data: half"),
        (Utilization::Status("Tomorrow", "new"), None, "CloudWatch returned an unknown status: new"),
        (Utilization::Missing, None, "CloudWatch returned no result"),
        (Utilization::Percent(250.0), None, "CloudWatch returned 250, expected a percentage"),
        (Utilization::Percent(-1.0), None, "CloudWatch returned -1, expected a percentage"),
        (
            Utilization::Percent(99.0),
            Some(denied),
            "(AccessDenied); allow the function's role cloudwatch:GetMetricData: service error: AccessDenied: User is not",
        ),
    ] {
        stack.cloudwatch.set("web-asg", utilization);
        if let Some(fault) = fault {
            stack.faults.refuse("GetMetricData", fault, 1);
        }
        let run = run(&stack).await;
        let completeness = &run.snapshot.completeness;
        assert_eq!((completeness.level, run.snapshot.cpu_utilization_percent), (CompletenessLevel::Partial, None));
        let told = &completeness.reasons[0];
        assert!(told.starts_with("the group's CPU utilization is unknown: ") && told.contains(reason), "{told}");
        assert_eq!((run.decision.state, run.decision.delta), (ScalingState::Normal, 0));
        assert_eq!(run.outcome.action, OutcomeAction::None);
    }
    // A refusal that passes is tried again.
    stack.cloudwatch.set("web-asg", Utilization::Percent(50.0));
    stack.faults.refuse("GetMetricData", AwsError::new(500, "InternalServiceFault", "oops"), 1);
    assert_eq!(run(&stack).await.snapshot.cpu_utilization_percent, Some(50.0));
    stack.cloudwatch.stop();
    let reasons = run(&stack).await.snapshot.completeness.reasons;
    assert!(reasons[0].contains("GetMetricData failed (no answer)"), "{reasons:?}");
}

#[tokio::test]
async fn values_of_all_pages_are_averaged() {
    let stack = start("pages", WEB).await;
    let values = [61.0, 62.5, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 0.0];
    stack.cloudwatch.set("web-asg", Utilization::Minutes(values.to_vec()));
    stack.faults.change(|faults| faults.metric_values_per_page = Some(4));
    // Ten minutes and no more: 683.5 / 10.
    assert_eq!(run(&stack).await.snapshot.cpu_utilization_percent, Some(68.35));
    assert_eq!(queries(&stack), [1, 1, 1]);
    // Fewer values than minutes: a group without detailed monitoring.
    stack.cloudwatch.set("web-asg", Utilization::Minutes(vec![1.0, 2.0, 2.0]));
    assert_eq!(run(&stack).await.snapshot.cpu_utilization_percent, Some(1.667));
    // As many pages as there are minutes.
    stack.cloudwatch.set("web-asg", Utilization::Minutes(values.repeat(2)));
    stack.faults.change(|faults| faults.metric_values_per_page = Some(1));
    let run = run(&stack).await;
    assert_eq!(run.snapshot.cpu_utilization_percent, Some(68.35));
}

#[tokio::test]
async fn a_group_that_is_not_there_is_left_alone() {
    let stack = start("missing", WEB).await;
    stack.auto_scaling.delete("web-asg");
    let run = run(&stack).await;
    assert_eq!(run.snapshot.completeness.level, CompletenessLevel::Blind);
    assert_eq!((run.decision.state, run.decision.delta), (ScalingState::Held, 0));
    let reason = &run.snapshot.completeness.reasons[0];
    assert!(reason.contains("the size of group web-asg is unknown: there is no such group"), "{reason}");
}

#[tokio::test]
async fn in_a_cluster_either_source_adds_agents_but_only_both_remove_one() {
    let asked = CONFIGURATION.replace("scale_down_threshold_percent = 30", "scale_down_threshold_percent = 50");
    let asked = asked.replace("group = \"mesos-workers\"", "cpu_utilization = true\ngroup = \"mesos-workers\"");
    let stack = start("cluster", &format!("{asked}\n{WEB}")).await;
    // 37.7 % of the cpus are allocated: Mesos lets an agent go, half-busy machines do not.
    let half = run(&stack).await;
    let clauses: Vec<&str> = half.decision.steps.iter().map(|step| step.clause.name()).collect();
    assert_eq!(clauses, ["D2", "H3", "U1", "C4", "L1"]);
    assert_eq!(half.decision.delta, 0);
    assert_eq!(queries(&stack), [2], "one call for both pools");

    stack.cloudwatch.set("mesos-workers", Utilization::Percent(12.0));
    // Six of the 60 agents run nothing.
    assert_eq!(run(&stack).await.decision.delta, -6);
    stack.finish_activities();
    stack.cloudwatch.set("mesos-workers", Utilization::Minutes(Vec::new()));
    let unknown = run(&stack).await;
    assert_eq!((unknown.snapshot.completeness.level, unknown.decision.delta), (CompletenessLevel::Partial, 0));
    stack.cloudwatch.set("mesos-workers", Utilization::Percent(99.0));
    let busy = run(&stack).await;
    assert_eq!((busy.decision.delta, busy.outcome.action), (1, OutcomeAction::ScaledUp), "{:?}", busy.outcome);
}

#[tokio::test]
async fn a_master_that_is_down_does_not_keep_a_group_from_its_snapshot() {
    let stack = start("no-master", &format!("{CONFIGURATION}\n{WEB}")).await;
    stack.cloudwatch.set("web-asg", Utilization::Percent(71.5));
    stack.faults.master(Mode::NoLeader);
    let mark = stack.sns.mark();
    let error = stack.gather().await.unwrap_err().to_string();
    assert!(error.contains("cannot read the state of the cluster"), "{error}");
    let snapshot = stack.snapshot("web", mark).await.unwrap();
    let decision = stack.decision(&snapshot, mark).await.unwrap();
    assert_eq!(stack.outcome(&decision, mark).await.unwrap().action, OutcomeAction::ScaledUp);
}

#[tokio::test]
async fn more_groups_than_a_call_may_ask_for_are_asked_in_two() {
    let pool =
        |n| format!("[[pools]]\nname = \"p{n}\"\ngroup = \"g{n}\"\nsource = \"cloudwatch\"\ncheck = \"custom\"\n");
    let configuration: String = (0..501).map(pool).collect();
    let stack = start("many", &configuration).await;
    stack.gather().await.unwrap();
    assert_eq!(queries(&stack), [500, 1]);
    let snapshot = stack.snapshot("p500", 0).await.unwrap();
    assert_eq!((snapshot.agents.usable, snapshot.cpu_utilization_percent), (3, Some(50.0)));
}
