use std::time::Duration;

use super::*;
use crate::faults::Lag;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_276_800 + second).unwrap()
}

/// Two groups; the first has three instances.
fn service() -> Groups {
    let mut workers = Group::new("workers", 1, 10, &[]);
    for (id, zone) in [("i-1", "a"), ("i-2", "b"), ("i-3", "c")] {
        workers.adopt(id, zone, at(-1000));
    }
    let groups = [workers, Group::new("empty", 0, 5, &["a"])];
    Groups::new(groups, &FaultPlan::default())
}

fn ask(service: &Groups, form: &str, second: i64) -> Result<String, AwsError> {
    let xml = service.act(&Request::read(form.as_bytes()), at(second))?;
    Ok(xml.map(Xml::into_text).unwrap_or_default())
}

fn refused(service: &Groups, form: &str) -> (u16, String) {
    let fault = ask(service, form, 0).unwrap_err();
    (fault.status, fault.code)
}

#[test]
fn groups_are_listed_by_name() {
    let service = service();
    let one = ask(&service, "Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1=workers", 0).unwrap();
    assert!(one.contains("<AutoScalingGroupName>workers</AutoScalingGroupName>"));
    assert!(one.contains("<DesiredCapacity>3</DesiredCapacity>") && !one.contains(">empty<"));
    assert_eq!(one.matches("<LifecycleState>InService</LifecycleState>").count(), 3);
    assert!(!one.contains("<Status>"));

    let all = ask(&service, "Action=DescribeAutoScalingGroups", 0).unwrap();
    assert!(all.contains(">workers<") && all.contains(">empty<"));
    let none = ask(&service, "Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1=other", 0).unwrap();
    assert_eq!(none, "<AutoScalingGroups></AutoScalingGroups>", "an unknown name is no error here");
}

#[test]
fn activities_come_newest_first_and_in_pages() {
    let service = service();
    for desired in 4..=8 {
        let form = format!("Action=SetDesiredCapacity&AutoScalingGroupName=workers&DesiredCapacity={desired}");
        assert_eq!(ask(&service, &form, i64::from(desired)), Ok(String::new()));
        ask(&service, "Action=DescribeAutoScalingGroups", i64::from(desired)).unwrap();
    }
    let form = "Action=DescribeScalingActivities&AutoScalingGroupName=workers&MaxRecords=2";
    let mut starts = Vec::new();
    let mut token = String::new();
    loop {
        let page = ask(&service, &format!("{form}{token}"), 8).unwrap();
        starts.extend(page.split("<StartTime>").skip(1).map(|rest| rest[..24].to_owned()));
        assert!(!page.contains("<EndTime>"), "all are in progress");
        let Some((_, rest)) = page.split_once("<NextToken>") else { break };
        token = format!("&NextToken={}", rest.split('<').next().unwrap());
    }
    let expected: Vec<String> = (4..=8).rev().map(|second| shared::time::format(at(second))).collect();
    assert_eq!(starts, expected);
    assert_eq!(refused(&service, &format!("{form}&NextToken=x")), (400, "InvalidNextToken".to_owned()));

    let later = ask(&service, form, 500).unwrap();
    assert!(later.contains("<StatusCode>Successful</StatusCode>") && later.contains("<EndTime>"));
}

#[test]
fn a_capacity_outside_of_the_limits_is_refused() {
    let service = service();
    for form in [
        "Action=SetDesiredCapacity&AutoScalingGroupName=workers&DesiredCapacity=11",
        "Action=SetDesiredCapacity&AutoScalingGroupName=workers&DesiredCapacity=0",
        "Action=SetDesiredCapacity&AutoScalingGroupName=workers&DesiredCapacity=x",
        "Action=SetDesiredCapacity&AutoScalingGroupName=workers",
        "Action=SetDesiredCapacity&AutoScalingGroupName=other&DesiredCapacity=2",
        "Action=DescribeScalingActivities&AutoScalingGroupName=other",
        "Action=DescribeAutoScalingGroups&Filters.member.1.Name=tag-key",
    ] {
        assert_eq!(refused(&service, form), (400, "ValidationError".to_owned()), "{form}");
    }
}

#[test]
fn a_call_that_honors_the_cooldown_is_held_by_it() {
    let service = service();
    let form = |desired: i32, honor: bool| {
        format!(
            "Action=SetDesiredCapacity&AutoScalingGroupName=workers&DesiredCapacity={desired}&HonorCooldown={honor}"
        )
    };
    ask(&service, &form(4, true), 0).unwrap();
    assert_eq!(ask(&service, &form(5, true), 1).unwrap_err().code, "ScalingActivityInProgress");
    assert!(ask(&service, &form(5, false), 1).is_ok());
}

#[test]
fn refreshes_and_deletion_are_described() {
    let service = service();
    if let Some(group) = lock(&service.by_name).get_mut("workers") {
        group.refreshes.push(Refresh { id: "r-1".to_owned(), status: "InProgress".to_owned(), start: at(0) });
        group.deleting = true;
        group.suspended.insert("Launch".to_owned());
    }
    let refreshes = ask(&service, "Action=DescribeInstanceRefreshes&AutoScalingGroupName=workers", 0).unwrap();
    assert!(refreshes.contains("<Status>InProgress</Status>"));
    let groups = ask(&service, "Action=DescribeAutoScalingGroups", 0).unwrap();
    assert!(groups.contains("<Status>Delete in progress</Status>"));
    assert!(groups.contains("<ProcessName>Launch</ProcessName>"));
}

#[test]
fn an_action_that_is_not_modeled_is_refused() {
    assert_eq!(refused(&service(), "Action=DeleteAutoScalingGroup"), (400, "InvalidAction".to_owned()));
}

#[test]
fn an_instance_is_terminated_by_its_id() {
    let service = service();
    let terminate = |id: &str, decrement: bool| {
        let action = "Action=TerminateInstanceInAutoScalingGroup";
        format!("{action}&InstanceId={id}&ShouldDecrementDesiredCapacity={decrement}")
    };
    let answer = ask(&service, &terminate("i-2", true), 0).unwrap();
    assert!(answer.contains("<Description>Terminating EC2 instance: i-2</Description>"), "{answer}");
    assert!(answer.contains("in response to a user request, shrinking the capacity from 3 to 2."), "{answer}");
    let group = ask(&service, "Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1=workers", 0).unwrap();
    assert!(group.contains("<DesiredCapacity>2</DesiredCapacity>"));
    assert_eq!(group.matches("<LifecycleState>Terminating</LifecycleState>").count(), 1);

    // Without decrement another instance takes its place.
    ask(&service, &terminate("i-1", false), 0).unwrap();
    let group = ask(&service, "Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1=workers", 1).unwrap();
    assert!(group.contains("<DesiredCapacity>2</DesiredCapacity>") && group.contains(">Pending<"), "{group}");

    assert_eq!(refused(&service, &terminate("i-9", true)), (400, "ValidationError".to_owned()));
    ask(&service, &terminate("i-3", true), 0).unwrap();
    let fault = ask(&service, &terminate("i-3", true), 0).unwrap_err();
    assert!(fault.message.contains("desiredSize equals minSize (1)"), "{fault:?}");
}

#[test]
fn tags_are_kept_and_described_with_the_group() {
    let service = service();
    let tag = |action: &str, key: &str, value: &str| {
        format!(
            "Action={action}&Tags.member.1.ResourceId=workers&Tags.member.1.ResourceType=auto-scaling-group\
             &Tags.member.1.Key={key}&Tags.member.1.Value={value}&Tags.member.1.PropagateAtLaunch=false"
        )
    };
    let group = || ask(&service, "Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1=workers", 0).unwrap();
    ask(&service, &tag("CreateOrUpdateTags", "a/b", "1"), 0).unwrap();
    ask(&service, &tag("CreateOrUpdateTags", "a/b", "2"), 0).unwrap();
    assert!(group().contains("<Key>a/b</Key><Value>2</Value><PropagateAtLaunch>false</PropagateAtLaunch>"));
    ask(&service, &tag("DeleteTags", "a/b", ""), 0).unwrap();
    assert!(!group().contains("a/b"));
    ask(&service, &tag("DeleteTags", "a/b", ""), 0).unwrap();
    assert_eq!(refused(&service, &tag("CreateOrUpdateTags", &"k".repeat(129), "1")).1, "ValidationError");
    assert_eq!(refused(&service, &tag("CreateOrUpdateTags", "aws:a", "1")).1, "ValidationError");
    assert_eq!(refused(&service, &tag("CreateOrUpdateTags", "a", "%2Cx%3B")).1, "ValidationError");
}

#[test]
fn answers_may_lag_behind() {
    let service = service();
    service.faults.change(|faults| faults.lag = Some(Lag { answers: 2, at_most: Duration::from_secs(600) }));
    ask(&service, "Action=SetDesiredCapacity&AutoScalingGroupName=workers&DesiredCapacity=5", 0).unwrap();
    let desired = |second: i64| {
        let groups = ask(&service, "Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1=workers", second);
        groups.unwrap().contains("<DesiredCapacity>5</DesiredCapacity>")
    };
    assert_eq!([desired(1), desired(2), desired(3)], [false, false, true], "as many answers as planned");
    service.faults.change(|faults| faults.lag = Some(Lag { answers: 9, at_most: Duration::from_secs(10) }));
    ask(&service, "Action=SetDesiredCapacity&AutoScalingGroupName=workers&DesiredCapacity=6", 20).unwrap();
    assert_eq!([desired(21), desired(31)], [true, false], "for as long as planned");
}
