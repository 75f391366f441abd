use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_276_800 + second).unwrap()
}

/// Two groups; the first has three instances.
fn service() -> Service {
    let mut workers = Group::new("workers", 1, 10, &[]);
    for (id, zone) in [("i-1", "a"), ("i-2", "b"), ("i-3", "c")] {
        workers.adopt(id, zone, at(-1000));
    }
    let groups = [workers, Group::new("empty", 0, 5, &["a"])];
    Service {
        groups: Mutex::new(groups.into_iter().map(|group| (group.name.clone(), group)).collect()),
        calls: Mutex::new(Vec::new()),
        faults: Mutex::new(Vec::new()),
    }
}

fn ask(service: &Service, form: &str, second: i64) -> Result<String, Fault> {
    let xml = service.act(&Request::read(form.as_bytes()), at(second))?;
    Ok(xml.map(Xml::into_text).unwrap_or_default())
}

fn refused(service: &Service, form: &str) -> (u16, String) {
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
        assert!(!page.contains("<EndTime>"), "all are underway");
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
fn a_call_that_honours_the_cooldown_is_held_by_it() {
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
fn refreshes_and_deletion_are_told() {
    let service = service();
    if let Some(group) = lock(&service.groups).get_mut("workers") {
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
fn an_action_that_is_not_modelled_is_refused() {
    assert_eq!(refused(&service(), "Action=DeleteAutoScalingGroup"), (400, "InvalidAction".to_owned()));
}

#[test]
fn planned_faults_come_as_often_as_planned() {
    let service = service();
    lock(&service.faults).push(Planned { action: "A".to_owned(), fault: throttling(), times: 2 });
    let codes: Vec<bool> = (0..3).map(|_| service.planned_fault("A").is_some()).collect();
    assert_eq!(codes, [true, true, false]);
    assert_eq!(service.planned_fault("B"), None);
}
