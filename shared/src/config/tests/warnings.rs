use super::*;

#[test]
fn a_read_that_outlasts_the_function_is_a_warning() {
    let warnings = |timeout: &str| {
        let config = SMALLEST.replace("[mesos]", &format!("[mesos]\ntimeout = {timeout:?}"));
        Config::parse(&config).unwrap().warnings().into_iter().map(|warning| warning.path).collect::<Vec<_>>()
    };
    assert_eq!((warnings("45s"), warnings("46s")), (Vec::new(), vec!["mesos.timeout".to_owned()]));
}
