//! The known names nearest to one that does not exist.

/// The most names that are suggested.
const MAX: usize = 3;

/// The known names that resemble a name, the nearest first.
#[must_use]
pub fn nearest<'a>(name: &str, known: &'a [String]) -> Vec<&'a str> {
    let mut near: Vec<(f64, &str)> = known
        .iter()
        .map(|other| {
            let likeness = strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
            (likeness, other.as_str())
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter().take(MAX).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first_and_strangers_not_at_all() {
        let known = ["mesos-masters", "mesos-workers", "web-asg"].map(str::to_owned);
        assert_eq!(nearest("mesos-worker", &known)[0], "mesos-workers");
        assert_eq!(nearest("Mesos-Workers", &known)[0], "mesos-workers");
        assert!(!nearest("mesos-worker", &known).contains(&"web-asg"));
        assert!(nearest("zzz", &known).is_empty());
    }
}
