use super::*;

fn pool(settings: &str) -> Policy {
    Config::parse(&with_pool_settings(settings)).unwrap().pools.remove(0)
}

fn with_marathon(settings: &str) -> Policy {
    let configuration = format!("marathon.url = \"http://10.0.0.5:8080\"\n{}", with_pool_settings(settings));
    Config::parse(&configuration).unwrap().pools.remove(0)
}

#[test]
fn what_learn_implies_can_be_set_otherwise_d8() {
    let learns = with_marathon("learn = 98");
    assert_eq!(learns.learning.unwrap().confidence.tenths(), 980);
    let drain = ScaleDownStrategy::Drain { after: Some(Duration::from_secs(300)), grace: Duration::from_secs(120) };
    assert_eq!((learns.scale_down.strategy, learns.scale_down.window), (drain, Duration::from_secs(240)));
    assert_eq!(learns.limits.max_scale_down_step, StepLimit::Percent(25));
    assert_eq!(learns.timing.scale_down_cooldown, Duration::from_secs(135));
    let batch = pool("learn = 98\ndrain_after = \"never\"");
    assert!(matches!(batch.scale_down.strategy, ScaleDownStrategy::Drain { after: None, .. }));
    let own =
        pool("learn = 98\nscale_down_strategy = \"least_loaded\"\nscale_down_window = \"1h\"\nmax_scale_down_step = 2");
    assert_eq!(own.scale_down.strategy, ScaleDownStrategy::LeastLoaded);
    assert_eq!((own.scale_down.window.as_secs(), own.limits.max_scale_down_step), (3_600, StepLimit::Agents(2)));
    let custom = pool("learn = 98\ncheck = \"custom\"");
    assert_eq!(custom.scale_down.strategy, ScaleDownStrategy::DesiredCapacity);
}

#[test]
fn u_is_always_in_force_with_learn_h11() {
    let threshold = |policy: Policy| policy.thresholds.scale_up_percent;
    assert_eq!((threshold(with_marathon("learn = 98")), threshold(pool("learn = 98"))), (90, 80));
    assert_eq!((threshold(pool("")), threshold(pool("scale_up_threshold_percent = 100"))), (80, 100));
    only_problem(
        &with_pool_settings("learn = 98\nscale_up_threshold_percent = 91"),
        "pools[0].scale_up_threshold_percent: got 91, expected a percentage from 1 to 90; write 80",
    );
}

#[test]
fn a_horizon_is_rounded_up_to_whole_runs_h8() {
    let horizon = |boot_time: &str, period: u64| {
        let learning = pool(&format!("learn = 98\nboot_time = \"{boot_time}\"")).learning.unwrap();
        learning.horizon(Duration::from_secs(period))
    };
    let horizons = [horizon("3m", 60), horizon("181s", 60), horizon("1s", 60), horizon("15m", 60), horizon("3m", 300)];
    assert_eq!(horizons, [3, 4, 1, 15, 1]);
}

#[test]
fn a_boot_time_above_fifteen_periods_is_refused_h8() {
    only_problem(
        &with_pool_settings("learn = 98\nboot_time = \"15m1s\""),
        r#"pools[0].boot_time: got "15m1s", expected "1s" to 15 schedule periods, "15m"; write "3m""#,
    );
    only_problem(
        &with_pool_settings("boot_time = \"3m\""),
        "pools[0].boot_time: needs learn; leave it out, or write learn = 95 too",
    );
}

#[test]
fn an_instance_is_not_given_up_while_it_boots_h8() {
    only_problem(
        &with_pool_settings("learn = 98\nboot_time = \"14m\"\njoin_timeout = \"5m\""),
        r#"pools[0].join_timeout: got "5m", expected at least boot_time, "14m"; write "15m""#,
    );
    only_problem(
        &with_pool_settings("learn = 98\njoin_timeout = \"2m\""),
        r#"pools[0].join_timeout: got "2m", expected at least boot_time, "3m"; write "15m""#,
    );
    only_problem(
        &format!("schedule_period = \"5m\"\n{}", with_pool_settings("learn = 98\nboot_time = \"60m\"")),
        r#"pools[0].join_timeout: got the default, expected at least boot_time, "1h"; write "1h""#,
    );
    let exact = pool("learn = 98\nboot_time = \"14m\"\njoin_timeout = \"14m\"");
    assert_eq!(exact.learning.unwrap().boot_time, exact.timing.join_timeout);
    assert_eq!(pool("join_timeout = \"2m\"").timing.join_timeout, Duration::from_secs(120), "without learn");
}

#[test]
fn a_suggested_boot_time_is_no_longer_than_join_timeout_h8() {
    only_problem(
        &with_pool_settings("learn = 98\nboot_time = 10\njoin_timeout = \"5m\""),
        r#"pools[0].boot_time: got 10, expected a duration; write "10s""#,
    );
    only_problem(
        &with_pool_settings("learn = 98\nboot_time = \"0s\"\njoin_timeout = \"2m30s\""),
        r#"pools[0].boot_time: got "0s", expected "1s" to 15 schedule periods, "15m"; write "2m30s""#,
    );
}

#[test]
fn a_confidence_has_at_most_one_decimal() {
    let written = |settings: &str| serde_json::to_value(pool(settings)).unwrap()["learn"].clone();
    assert_eq!((written("learn = 98"), written("learn = 99.5")), (98.into(), 99.5.into()));
    assert_eq!((written("learn = 50"), written("learn = 100.0")), (50.into(), 100.into()));
    assert_eq!(written(""), serde_json::Value::Null);
    for (wrong, write) in
        [("49", "95"), ("101", "95"), ("99.55", "95"), ("0.95", "95"), ("\"97%\"", "97"), ("true", "95"), ("nan", "95")]
    {
        let expected = format!(
            "pools[0].learn: got {wrong}, expected a percentage from 50 to 100 with at most one decimal; write {write}"
        );
        only_problem(&with_pool_settings(&format!("learn = {wrong}")), &expected);
    }
}

#[test]
fn what_makes_learning_blind_or_harmful_is_a_warning_h11() {
    let warnings = |configuration: String| -> Vec<String> {
        Config::parse(&configuration).unwrap().warnings().into_iter().map(|warning| warning.path).collect()
    };
    let marathon = "marathon.url = \"http://10.0.0.5:8080\"\n";
    let learns = with_pool_settings("learn = 98");
    assert_eq!(warnings(format!("{marathon}{learns}")), Vec::<String>::new());
    assert_eq!(warnings(learns.clone()), ["pools[0].learn"]);
    for strategy in ["least_loaded", "desired_capacity"] {
        let ends = format!("{marathon}{learns}\nscale_down_strategy = {strategy:?}");
        assert_eq!(warnings(ends), ["pools[0].scale_down_strategy"]);
    }
    // Where it is left out with a check of its own, the group chooses.
    let custom = Config::parse(&format!("{marathon}{learns}\ncheck = \"custom\"")).unwrap().warnings().remove(0);
    assert!(
        custom.text.ends_with("if your check names agents, write \"drain\", then they are closed first"),
        "{custom}"
    );
}
