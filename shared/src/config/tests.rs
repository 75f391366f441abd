use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::*;
use crate::resources::Kind;

mod learning;
mod mutations;
mod names;
mod secrets;
mod suggestions;
mod warnings;

const SMALLEST: &str = r#"
[mesos]
masters = ["http://10.0.0.5:5050"]
[[pools]]
name = "workers"
group = "mesos-workers-asg"
"#;

/// The smallest configuration with these lines in its one pool.
fn with_pool_settings(settings: &str) -> String {
    format!("{SMALLEST}{settings}")
}

fn problems(configuration: &str) -> Vec<String> {
    match Config::parse(configuration) {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn only_problem(configuration: &str, expected: &str) {
    assert_eq!(problems(configuration), [expected]);
}

#[test]
fn the_smallest_configuration_takes_every_default() {
    let config = Config::parse(SMALLEST).unwrap();
    assert_eq!(config.schedule_period, Duration::from_secs(60));
    let mesos = config.mesos.as_ref().unwrap();
    assert!(!config.dry_run && !mesos.gzip);
    assert_eq!(mesos.timeout, Duration::from_secs(20));
    assert_eq!(mesos.max_state_bytes, 4 << 30);
    let pool = config.pool("workers").unwrap();
    assert_eq!(pool.source, PoolSource::Mesos { cpu: None });
    assert_eq!((pool.limits.min, pool.limits.max), (1, None));
    assert_eq!(pool.thresholds.considered, [Kind::Cpus, Kind::Mem]);
    assert_eq!((pool.thresholds.scale_down_percent, pool.thresholds.scale_up_percent), (50, 80));
    assert_eq!(pool.headroom_percent_of("/any"), 10);
    let (ten, one) = (StepLimit::Agents(10), StepLimit::Agents(1));
    assert_eq!((pool.limits.max_scale_up_step, pool.limits.max_scale_down_step), (ten, one));
    assert_eq!(pool.scale_down.margin, 1);
    assert_eq!(pool.timing.scale_down_cooldown, Duration::from_secs(135));
    assert_eq!(pool.timing.join_timeout, Duration::from_secs(900));
    assert!(config.pool("other").is_none());
}

#[test]
fn steps_are_numbers_or_percentages_d3() {
    let limits = |settings: &str| Config::parse(&with_pool_settings(settings)).unwrap().pools[0].limits;
    let set = limits("max_scale_up_step = \"100%\"\nmax_scale_down_step = \"25 %\"");
    assert_eq!((set.max_scale_up_step, set.max_scale_down_step), (StepLimit::Percent(100), StepLimit::Percent(25)));
    assert_eq!(serde_json::to_value(set).unwrap()["max_scale_up_step"], "100%");
    let drained = limits("scale_down_strategy = \"drain\"");
    assert_eq!(drained.max_scale_down_step, StepLimit::Percent(10));
    let set = limits("scale_down_strategy = \"drain\"\nmax_scale_down_step = 2");
    assert_eq!((set.max_scale_down_step, set.max_scale_down_step.to_string()), (StepLimit::Agents(2), "2".to_owned()));
    assert_eq!(drained.max_scale_down_step.to_string(), "\"10%\"");
}

#[test]
fn every_setting_of_this_version_is_read() {
    let config = Config::parse(
        r#"
        schedule_period = "2m"
        dry_run = true
        [mesos]
        masters = ["http://10.0.0.5:5050", "https://mesos.example.com/mesos"]
        credentials = "ssm:/lambda-scale/mesos"
        ca_bundle = "file:ca.pem"
        timeout = "30s"
        max_state_bytes = "512MiB"
        gzip = true
        [[pools]]
        name = "workers"
        group = "asg"
        source = "mesos"
        cpu_utilization = true
        scale_out_threshold = 70
        scale_down_ratio = 0.5
        check = "custom"
        attributes = { pool = "workers", generation = 3 }
        min = 2
        max = 50
        resources = ["cpus", "mem", "disk", "gpus"]
        scale_down_threshold_percent = 40
        scale_up_threshold_percent = 90
        application_headroom_percent = 25
        headroom_placement = "sum"
        applications = { "/shop/web" = { application_headroom_percent = 50 } }
        new_agent = { cpus = 4, mem = 14000.5 }
        max_scale_up_step = 5
        max_scale_down_step = 2
        scale_down_margin = 0
        max_missing_agents_percent = 20
        max_scale_down_tasks = 100
        scale_down_cooldown = "20m"
        scale_up_cooldown = "1m"
        join_timeout = "30m"
        scale_down_strategy = "desired_capacity"
        scale_down_window = "30m"
        max_back_off = "3m"
        pause_until = "2026-12-24T18:00:00Z"
        "#,
    )
    .unwrap();
    let mesos = config.mesos.as_ref().unwrap();
    assert_eq!(mesos.credentials, Some(Reference::Ssm("/lambda-scale/mesos".to_owned())));
    assert_eq!(mesos.max_state_bytes, 512 << 20);
    let pool = config.pool("workers").unwrap();
    assert_eq!(pool.check, CheckKind::Custom);
    let cpu = CpuRule { scale_out_threshold: 70, scale_down_ratio_thousandths: 500 };
    assert_eq!(pool.source, PoolSource::Mesos { cpu: Some(cpu) });
    assert_eq!(pool.attributes.get("generation").map(String::as_str), Some("3"));
    assert_eq!(pool.new_agent.unwrap().to_string(), "4 cpus, 14000.5 MB");
    assert_eq!((pool.headroom_percent_of("/shop/web"), pool.headroom_percent_of("/other")), (50, 25));
    assert_eq!(pool.timing.schedule_period, Duration::from_secs(120));
    let taken_at: Timestamp = "2026-12-24T17:59:00Z".parse().unwrap();
    assert_eq!(pool.timing.expires_at(taken_at).to_string(), "2026-12-24T18:03:00Z");
    assert!(pool.timing.is_paused(taken_at) && !pool.timing.is_paused(pool.timing.expires_at(taken_at)));
}

#[test]
fn every_problem_is_reported_at_once_with_value_and_remedy() {
    let configuration = r#"
        schedule_perod = "1m"
        [mesos]
        masters = ["10.0.0.5:5050", "http://admin:hunter2@10.0.0.6:5050"]
        timeout = 20
        [[pools]]
        name = "workers"
        min = 9
        max = 3
        scale_up_threshold_percent = "85%"
        resources = ["cpu"]
        "#;
    let expected = [
        r#"mesos.masters[0]: got a string without http:// or https://, expected the URL of a master; write "http://10.0.0.5:5050""#,
        r#"mesos.masters[1]: got a URL with credentials, expected one without; store them outside the configuration and write mesos.credentials = "ssm:/lambda-scale/mesos""#,
        r#"mesos.timeout: got 20, expected a duration; write "20s""#,
        r#"pools[0].group: missing, expected 1 to 255 printable ASCII characters without a colon; write "mesos-workers""#,
        "pools[0].max: got 3, expected at least min = 9; write 10",
        r#"pools[0].resources[0]: got "cpu", expected "cpus", "mem", "disk", or "gpus"; write "cpus""#,
        r#"pools[0].scale_up_threshold_percent: got "85%", expected a percentage; write 85"#,
        r#"schedule_perod: unknown setting; did you mean "schedule_period"?"#,
    ];
    assert_eq!(problems(configuration), expected);
    let all = Config::parse(configuration).unwrap_err().to_string();
    assert!(all.starts_with("8 problems in the configuration\n  mesos.masters[0]"), "{all}");
    assert!(!all.contains("hunter2"), "a password must not be repeated");
}

#[test]
fn an_unknown_setting_names_the_nearest_known_one() {
    only_problem(
        &with_pool_settings("scale_down_treshold_percent = 40"),
        r#"pools[0].scale_down_treshold_percent: unknown setting; did you mean "scale_down_threshold_percent"?"#,
    );
    let far = problems(&with_pool_settings("zzz = 1"));
    assert!(far[0].starts_with("pools[0], line 7: unknown setting; leave it out; known here: name, group,"), "{far:?}");
    only_problem(
        &with_pool_settings("new_agent = { cpus = 4, mem = 100, memory = 5 }"),
        r#"pools[0].new_agent.memory: unknown setting; did you mean "mem"?"#,
    );
}

#[test]
fn thresholds_must_leave_room_between_them() {
    only_problem(
        &with_pool_settings("scale_down_threshold_percent = 80"),
        "pools[0].scale_down_threshold_percent: got 80, expected less than scale_up_threshold_percent = 80; write 50",
    );
    only_problem(
        &with_pool_settings("scale_up_threshold_percent = 101"),
        "pools[0].scale_up_threshold_percent: got 101, expected a percentage from 1 to 100; write 80",
    );
    assert!(Config::parse(&with_pool_settings("application_headroom_percent = 250")).is_ok());
}

const CLOUDWATCH: &str = "[[pools]]\nname = \"web\"\ngroup = \"web-asg\"\nsource = \"cloudwatch\"\n";

#[test]
fn a_pool_of_cloudwatch_needs_nothing_of_mesos() {
    let config = Config::parse(CLOUDWATCH).unwrap();
    assert_eq!((&config.mesos, &config.marathon), (&None, &None));
    let pool = config.pool("web").unwrap();
    let cpu = CpuRule { scale_out_threshold: 60, scale_down_ratio_thousandths: 700 };
    assert_eq!(pool.source, PoolSource::CloudWatch { cpu });
    assert_eq!(pool.source.cpu(), Some(cpu));
    // An average over ten minutes does not show the last instance any sooner.
    let ten_minutes = Duration::from_secs(600);
    assert_eq!((pool.timing.scale_up_cooldown, pool.timing.scale_down_cooldown), (ten_minutes, ten_minutes));
    // Beside a pool of Mesos, and beside another of its own kind: no attributes keep them apart.
    let other = CLOUDWATCH.replace("web", "api");
    assert!(Config::parse(&format!("{SMALLEST}{CLOUDWATCH}{other}")).unwrap().mesos.is_some());
    only_problem(
        &format!("[mesos]\nmasters = [\"http://10.0.0.5:5050\"]\n{CLOUDWATCH}"),
        r#"mesos: no pool uses it, since all have source = "cloudwatch"; leave it out"#,
    );
    only_problem(
        &format!("marathon.url = \"http://10.0.0.5:8080\"\n{CLOUDWATCH}"),
        r#"marathon: no pool uses it, since all have source = "cloudwatch"; leave it out"#,
    );
    // A pool without a source is one of Mesos, so this one lacks its masters.
    let mixed = format!("{CLOUDWATCH}[[pools]]\nname = \"workers\"\ngroup = \"workers\"\n");
    assert!(problems(&mixed)[0].starts_with("mesos.masters: missing"), "{:?}", problems(&mixed));
}

#[test]
fn what_a_pool_of_cloudwatch_has_no_use_for_is_refused_all_at_once() {
    let settings = "attributes = { a = \"b\" }\nnew_agent = { cpus = 4, mem = 100 }\nresources = [\"cpus\"]\n\
                    application_headroom_percent = 10\ncpu_utilization = false\nscale_down_strategy = \"drain\"\n";
    let problems = problems(&format!("{CLOUDWATCH}{settings}"));
    let needs = r#"needs a Mesos cluster; leave it out, or write source = "mesos""#;
    for key in ["attributes", "new_agent", "resources", "application_headroom_percent"] {
        assert!(problems.contains(&format!("pools[0].{key}: {needs}")), "{key}: {problems:#?}");
    }
    let has = |text: &str| problems.iter().any(|problem| problem.starts_with(text));
    assert!(has("pools[0].cpu_utilization: source = \"cloudwatch\" always scales on CPU utilization"), "{problems:#?}");
    assert!(has("pools[0].scale_down_strategy: no Mesos agent can be chosen"), "{problems:#?}");
    // What every pool has it has too.
    let common = "min = 2\nmax = 9\nmax_scale_up_step = 1\njoin_timeout = \"5m\"\ncpu_utilization = true\n\
                  check = \"custom\"\nscale_down_strategy = \"desired_capacity\"\ncooltime = 0\n";
    assert!(Config::parse(&format!("{CLOUDWATCH}{common}")).is_ok());
}

#[test]
fn settings_of_the_cpu_rule_are_refused_without_it_and_checked_with_it() {
    let needs = "belongs to the CPU utilization rule; leave it out, or write cpu_utilization = true";
    let without = problems(&with_pool_settings("scale_out_threshold = 70\nscale_down_ratio = 0.5\ncooltime = 5"));
    let expected =
        ["scale_out_threshold", "scale_down_ratio", "cooltime"].map(|key| format!("pools[0].{key}: {needs}"));
    assert_eq!(without, expected);
    for (settings, expected) in [
        (
            "scale_out_threshold = 0",
            "pools[0].scale_out_threshold: got 0, expected a percentage from 1 to 100; write 60",
        ),
        (
            "scale_out_threshold = 101",
            "pools[0].scale_out_threshold: got 101, expected a percentage from 1 to 100; write 60",
        ),
        ("scale_out_threshold = 60.0", "pools[0].scale_out_threshold: got 60.0, expected a percentage; write 60"),
        (
            "scale_down_ratio = 1",
            "pools[0].scale_down_ratio: got 1, expected a number from 0 to below 1 with at most three decimals; write 0.7",
        ),
        (
            "scale_down_ratio = 0.70001",
            "pools[0].scale_down_ratio: got 0.70001, expected a number from 0 to below 1 with at most three decimals; write 0.7",
        ),
        (
            "scale_down_ratio = nan",
            "pools[0].scale_down_ratio: got nan, expected a number from 0 to below 1 with at most three decimals; write 0.7",
        ),
        ("cooltime = \"5m\"", "pools[0].cooltime: got \"5m\", expected a number of minutes; write 10"),
        (
            "cooltime = 5\nscale_up_cooldown = \"1m\"",
            "pools[0].scale_up_cooldown: cooltime stands for both cooldowns; leave it out, or cooltime",
        ),
    ] {
        only_problem(&with_pool_settings(&format!("cpu_utilization = true\n{settings}")), expected);
    }
}

#[test]
fn cooltime_stands_for_both_cooldowns() {
    let config = Config::parse(&with_pool_settings("cpu_utilization = true\ncooltime = 7")).unwrap();
    let pool = config.pool("workers").unwrap();
    let seven_minutes = Duration::from_secs(420);
    assert_eq!((pool.timing.scale_up_cooldown, pool.timing.scale_down_cooldown), (seven_minutes, seven_minutes));
    // Without it a pool of Mesos has the defaults that it has without the rule.
    let config = Config::parse(&with_pool_settings("cpu_utilization = true")).unwrap();
    let pool = config.pool("workers").unwrap();
    assert_eq!(
        (pool.timing.scale_up_cooldown, pool.timing.scale_down_cooldown),
        (Duration::ZERO, Duration::from_secs(135))
    );
}

#[test]
fn a_lost_agent_must_be_gone_before_the_next_one_is_removed() {
    let cooldown = |settings: &str| {
        let config = Config::parse(settings).unwrap();
        config.pools[0].timing.scale_down_cooldown.as_secs()
    };
    // A master drops a lost agent after 75 s, and the next snapshot is a period later.
    assert_eq!(cooldown(SMALLEST), 135);
    assert_eq!(cooldown(&format!("schedule_period = \"5m\"\n{SMALLEST}")), 375);
    assert_eq!(cooldown(&with_pool_settings("scale_down_cooldown = \"135s\"")), 135);
    only_problem(
        &with_pool_settings("scale_down_cooldown = \"134s\""),
        r#"pools[0].scale_down_cooldown: got "134s", expected at least "1m15s" and a schedule period, "2m15s"; write "10m""#,
    );
    only_problem(
        &with_pool_settings("scale_down_cooldown = \"0s\""),
        r#"pools[0].scale_down_cooldown: got "0s", expected at least "1m15s" and a schedule period, "2m15s"; write "10m""#,
    );
    only_problem(
        &format!("schedule_period = \"1h\"\n{SMALLEST}join_timeout = \"2h\"\nscale_down_cooldown = \"1h\""),
        r#"pools[0].scale_down_cooldown: got "1h", expected at least "1m15s" and a schedule period, "1h1m15s"; write "1h1m15s""#,
    );
    only_problem(
        &with_pool_settings("cpu_utilization = true\ncooltime = 2"),
        "pools[0].cooltime: got 2, expected 3 to 10080 minutes; write 10",
    );
    // A group without a master needs none of that.
    assert_eq!(cooldown(&format!("{CLOUDWATCH}scale_down_cooldown = \"0s\"")), 0);
    // A shorter period that is suggested fits the cooldown.
    only_problem(
        &format!("schedule_period = \"2h\"\n{SMALLEST}join_timeout = \"4h\"\nscale_down_cooldown = \"4m\""),
        r#"schedule_period: got "2h", expected "1m" to "1h"; write "1m""#,
    );
}

#[test]
fn the_default_strategy_terminates_what_the_decision_names() {
    let pool = |settings| Config::parse(&with_pool_settings(settings)).unwrap().pools.remove(0);
    assert_eq!(pool("").scale_down.strategy, ScaleDownStrategy::LeastLoaded);
    assert_eq!((pool("").timing.max_back_off, pool("").scale_down.window), (Duration::ZERO, Duration::from_secs(900)));
    assert_eq!(pool("scale_down_window = \"0s\"").scale_down.window, Duration::ZERO);
    assert_eq!(pool("max_back_off = \"3m\"").timing.max_back_off, Duration::from_secs(180));
    let protected = "protected = { frameworks = [\"kafka\"], applications = [\"/db\"] }";
    assert_eq!(pool(protected).scale_down.protected.applications, ["/db"]);
    let drain = |after, grace| ScaleDownStrategy::Drain {
        after: Some(Duration::from_secs(after)),
        grace: Duration::from_secs(grace),
    };
    assert_eq!(pool("scale_down_strategy = \"drain\"").scale_down.strategy, drain(300, 120));
    let quick = "scale_down_strategy = \"drain\"\ndrain_after = \"0s\"\ndrain_grace = \"10s\"";
    assert_eq!(pool(quick).scale_down.strategy, drain(0, 10));
    let closes = pool("scale_down_strategy = \"drain\"\ndrain_after = \"never\"").scale_down.strategy;
    assert_eq!(closes, ScaleDownStrategy::Drain { after: None, grace: Duration::from_secs(120) });
    only_problem(
        &with_pool_settings("scale_down_strategy = \"drain\"\ndrain_after = \"none\""),
        "pools[0].drain_after: got a string, expected a duration or \"never\"; write \"5m\"",
    );
    only_problem(
        &with_pool_settings("drain_after = \"5m\""),
        "pools[0].drain_after: needs scale_down_strategy = \"drain\"; leave it out, or write that too",
    );
    assert_eq!(pool("check = \"custom\"").scale_down.strategy, ScaleDownStrategy::DesiredCapacity);
    // Where the group chooses, nothing can be protected.
    let problems = problems(&with_pool_settings(&format!("scale_down_strategy = \"desired_capacity\"\n{protected}")));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("pools[0].protected: cannot be kept with scale_down_strategy"), "{problems:?}");
}

#[test]
fn marathon_is_optional_and_its_url_is_like_that_of_a_master() {
    assert_eq!(Config::parse(SMALLEST).unwrap().marathon, None);
    let with = |setting: &str| format!("{SMALLEST}\n[marathon]\n{setting}");
    for url in ["http://10.0.0.5:8080", "https://marathon.example.com", "http://10.0.0.5/service/marathon"] {
        let config = Config::parse(&with(&format!("url = {url:?}"))).unwrap();
        let marathon = config.marathon.unwrap();
        assert_eq!((marathon.urls, marathon.credentials), (vec![Url::parse(url).unwrap()], None));
    }
    let several = "url = [\"http://10.0.0.5:8080\", \"http://10.0.0.6:8080\"]\ncredentials = \"ssm:/marathon\"";
    let marathon = Config::parse(&with(several)).unwrap().marathon.unwrap();
    assert_eq!((marathon.urls.len(), marathon.credentials), (2, Some(Reference::Ssm("/marathon".to_owned()))));
    only_problem(
        &with("url = []"),
        r#"marathon.url: got an empty list, expected at least one URL; write ["http://10.0.0.5:8080"]"#,
    );
    only_problem(
        &with("url = [\"http://10.0.0.5:8080\", \"10.0.0.6\"]"),
        r#"marathon.url[1]: got a string without http:// or https://, expected the URL of Marathon; write "http://10.0.0.5:8080""#,
    );
    only_problem(&with(""), r#"marathon.url: missing, expected the URL of Marathon; write "http://10.0.0.5:8080""#);
    only_problem(
        &with("url = \"10.0.0.5:8080\""),
        r#"marathon.url: got a string without http:// or https://, expected the URL of Marathon; write "http://10.0.0.5:8080""#,
    );
    only_problem(
        &with("url = \"http://me:hunter2@10.0.0.5:8080\""),
        r#"marathon.url: got a URL with credentials, expected one without; store them outside the configuration and write marathon.credentials = "ssm:/lambda-scale/marathon""#,
    );
    only_problem(
        &with("url = \"http://10.0.0.5:8080/?x\""),
        r#"marathon.url: got a URL with a query or fragment, expected only scheme, host, port, and path; write "http://10.0.0.5:8080""#,
    );
    only_problem(
        &with("url = \"http://10.0.0.5:8080\"\nulr = 1"),
        r#"marathon.ulr: unknown setting; did you mean "url"?"#,
    );
}

#[test]
fn pools_must_not_share_agents_names_or_groups() {
    let pools = |second: &str| format!("{SMALLEST}attributes = {{ pool = \"a\" }}\n[[pools]]\n{second}");
    assert_eq!(problems(&pools("name = \"b\"\ngroup = \"b\"\nattributes = { pool = \"b\" }")), [""; 0]);
    only_problem(
        &pools("name = \"b\"\ngroup = \"b\""),
        r#"pools: every agent of pools[0] is also one of pools[1]; give each pool attributes of its own"#,
    );
    only_problem(
        &pools("name = \"b\"\ngroup = \"b\"\nattributes = { pool = \"a\", zone = \"x\" }"),
        r#"pools: every agent of pools[1] is also one of pools[0]; give each pool attributes of its own"#,
    );
    only_problem(
        &pools("name = \"workers\"\ngroup = \"b\"\nattributes = { pool = \"b\" }"),
        "pools[1].name: the same as pools[0].name; each pool needs a name of its own",
    );
}

#[test]
fn a_decision_delivered_twice_must_find_its_instances() {
    only_problem(
        &with_pool_settings("join_timeout = \"90s\""),
        r#"pools[0].join_timeout: got "90s", expected at least two schedule periods, "2m"; write "15m""#,
    );
    only_problem(
        &format!("schedule_period = \"10m\"\n{SMALLEST}"),
        r#"pools[0].join_timeout: got the default, expected at least two schedule periods, "20m"; write "20m""#,
    );
}

/// Each suggestion, written into the same place, is valid there.
#[test]
fn a_suggested_value_is_itself_valid() {
    for (setting, expected) in [
        ("scale_up_threshold_percent = 0.8", "a percentage; write 80"),
        ("scale_up_threshold_percent = \"0.8\"", "a percentage; write 80"),
        ("scale_up_threshold_percent = 1.0", "a percentage; write 100"),
        ("scale_up_threshold_percent = 0.001", "a percentage; write 80"),
        ("scale_up_threshold_percent = \"250%\"", "a percentage; write 80"),
        ("scale_up_threshold_percent = -1", "a percentage from 1 to 100; write 80"),
        ("application_headroom_percent = \"250 %\"", "a percentage; write 250"),
        ("application_headroom_percent = 0.25", "a percentage; write 25"),
        ("application_headroom_percent = \"1%\"", "a percentage; write 1"),
        ("max_missing_agents_percent = 101", "a percentage from 0 to 100; write 10"),
        ("min = \"2\"", "a whole number; write 2"),
        ("min = -1", "at least 0; write 1"),
        ("max = 1e3", "a whole number; write 1000"),
        ("max = \"0\"", "a whole number; write 10"),
        ("max_scale_up_step = 0.4", "a number of agents, or a percentage of the pool from 1 to 1000; write \"40%\""),
        ("max_scale_up_step = \"5\"", "a number of agents, or a percentage of the pool from 1 to 1000; write 5"),
        ("max_scale_up_step = 5.0", "a number of agents, or a percentage of the pool from 1 to 1000; write 5"),
        ("max_scale_down_step = \"0%\"", "a number of agents, or a percentage of the pool from 1 to 1000; write 1"),
        ("max_scale_up_step = 0", "at least 1 (pause_until stops scaling); write 10"),
        ("scale_down_cooldown = 600", "a duration; write \"600s\" or \"600m\""),
        ("scale_down_cooldown = \"1 m\"", "at least \"1m15s\" and a schedule period, \"2m15s\"; write \"10m\""),
        ("scale_down_cooldown = \"400 days\"", "at most 366 days; write \"10m\""),
        ("max_back_off = -1", "a duration; write \"3m\""),
        ("join_timeout = 5", "a duration; write \"5m\""),
        ("join_timeout = \"9999h\"", "at most 366 days; write \"15m\""),
        ("max = 4294967296", "at most 4294967295; write 10"),
        ("headroom_placement = \"packed\"", "\"pack\" or \"sum\"; write \"pack\""),
        ("headroom_placement = \"sums\"", "\"pack\" or \"sum\"; write \"sum\""),
        ("source = 3", "\"mesos\" or \"cloudwatch\"; write \"mesos\""),
        ("resources = []", "at least one resource; write [\"cpus\", \"mem\"]"),
        ("resources = \"cpus\"", "a list; write [\"cpus\"]"),
        ("pause_until = \"tomorrow\"", "a time; write \"2026-12-24T18:00:00Z\""),
        ("attributes = 5", "a table; write { pool = \"workers\" }"),
        ("new_agent = { cpus = 4 }", "both cpus and mem; write { cpus = 4, mem = 14000 }"),
        ("scale_down_strategy = \"drained\"", "\"least_loaded\", \"desired_capacity\", or \"drain\"; write \"drain\""),
    ] {
        let problems = problems(&with_pool_settings(setting));
        let [problem] = &problems[..] else { panic!("{setting}: {problems:?}") };
        assert!(problem.ends_with(&format!(", expected {expected}")), "{setting}: {problem}");
        let (key, _) = setting.split_once(" = ").unwrap();
        let (_, suggested) = problem.rsplit_once("; write ").unwrap();
        for value in suggested.split(" or ") {
            assert_eq!(self::problems(&with_pool_settings(&format!("{key} = {value}"))), [""; 0], "{setting}");
        }
    }
}

#[test]
fn a_message_about_a_secret_does_not_repeat_it() {
    let with = |setting: &str| SMALLEST.replace("[mesos]\n", &format!("[mesos]\n{setting}\n"));
    only_problem(
        &with("credentials = \"hunter2\""),
        r#"mesos.credentials: got a string, expected a reference with ssm:, secretsmanager:, or env:; write "ssm:/lambda-scale/mesos""#,
    );
    only_problem(
        &with("credentials = \"file:secret.txt\""),
        r#"mesos.credentials: got a reference with file:, which is in the zip, expected a reference with ssm:, secretsmanager:, or env:; write "ssm:/lambda-scale/mesos""#,
    );
    let masters = |masters: &str| problems(&SMALLEST.replace(r#"["http://10.0.0.5:5050"]"#, masters));
    let wrong_type = r#"mesos.masters: got a string, expected a list; write ["http://10.0.0.5:5050"]"#;
    assert_eq!(masters("\"http://me:hunter2@10.0.0.5:5050\""), [wrong_type]);
    // Without a scheme it is no URL, and still holds a password.
    assert!(!masters("[\"me:hunter2@10.0.0.5:5050\"]")[0].contains("hunter2"));
    assert!(!masters("[\"http://10.0.0.5:5050?secret=hunter2\"]")[0].contains("hunter2"));
}

#[test]
fn odd_configurations_are_refused_without_a_panic() {
    for configuration in [
        "",
        "=",
        "[mesos]\nmasters = []\n[[pools]]\nname = \"a\"\ngroup = \"a\"",
        "mesos = 1\npools = 2",
        "pools = [1, \"x\"]\n[mesos]\nmasters = [1]",
        "[mesos]\nmasters = \"http://a\"\n[[pools]]",
        "[mesos]\nmasters = [\"ftp://a\"]\n[[pools]]\nname = \"\"\ngroup = \" \"\nmin = -1\nmax = 1e3\nattributes = 5",
        "[mesos]\nmasters = [\"http://a\"]\n[[pools]]\nname = \"a\"\ngroup = \"a\"\nnew_agent = { cpus = nan, mem = inf }",
        "schedule_period = \"1s\"\n[mesos]\nmasters = [\"http://a?x=y\"]\n[[pools]]\nname = \"a\"\ngroup = \"a\"",
    ] {
        assert!(!problems(configuration).is_empty(), "{configuration}");
    }
}

#[test]
fn local_hosts_are_told_apart() {
    for (url, local) in [
        ("http://127.0.0.1", true),
        ("http://[::1]", true),
        ("http://[::ffff:127.0.0.1]", true),
        ("http://169.254.169.254", true),
        ("http://[fe80::1]", true),
        ("http://0.0.0.0", true),
        ("http://localhost", true),
        ("http://LOCALHOST.", true),
        ("http://0.1.2.3", true),
        ("http://[::ffff:10.0.0.5]", true),
        ("http://[::10.0.0.5]", true),
        ("http://[::ffff:0:10.0.0.5]", true),
        ("http://[fd00:ec2::254]", true),
        ("http://[fd00:ec2::23]", true),
        ("http://[64:ff9b::a9fe:a9fe]", true),
        ("http://[64:ff9b::10.0.0.5]", true),
        ("http://[64:ff9b:1::1]", true),
        ("http://[2002:a9fe:a9fe::1]", true),
        ("http://[2001::1]", true),
        ("http://[fd00::5]", false),
        ("http://[2600:1f18::5]", false),
        ("http://[2001:db8::5]", false),
        ("http://10.0.0.5", false),
        ("http://mesos.example.com", false),
    ] {
        assert_eq!(is_local_host(&Url::parse(url).unwrap().host().unwrap()), local, "{url}");
    }
}

#[test]
fn the_example_is_valid_with_and_without_commented_settings() {
    let example = include_str!("../../../examples/lambda-scale.toml");
    let everything: Vec<&str> = example
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|setting| setting.contains(" = ")).unwrap_or(line))
        .collect();
    assert_eq!(problems(example), [""; 0]);
    let everything = everything.join("\n");
    assert_eq!(problems(&everything), [""; 0]);
    // What is commented out is the default, but for what is absent by default.
    let (some, all) = (Config::parse(example).unwrap(), Config::parse(&everything).unwrap());
    let (some, mut all) = (&some.pools[0], all.pools[0].clone());
    (all.new_agent, all.limits.max_scale_down_tasks, all.timing.pause_until) = (None, None, None);
    all.source = some.source;
    all.role.clone_from(&some.role);
    all.scale_down.protected = Protected::default();
    assert_eq!(*some, all);
}

#[test]
fn strategies_say_which_mesos_they_need() {
    let drain = ScaleDownStrategy::Drain { after: None, grace: Duration::ZERO };
    for (version, needs) in [
        ("1.7.3", Some("1.9")),
        ("1.8.1-rc1", Some("1.9")),
        ("0.28.0", Some("1.9")),
        ("1.9.0", None),
        ("1.11.0", None),
        ("2.0", None),
        // What is not known goes on.
        ("", None),
        ("1", None),
        ("x.y", None),
    ] {
        assert_eq!(drain.needs_newer_mesos(version), needs, "{version}");
        assert_eq!(ScaleDownStrategy::LeastLoaded.needs_newer_mesos(version), None);
    }
}
