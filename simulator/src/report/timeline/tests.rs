use proptest::prelude::*;

use super::*;

fn timeline(values: Vec<Option<f64>>) -> Timeline {
    let times = (0..values.len()).map(|minute| Timestamp::from_second(60 * i64::try_from(minute).unwrap()).unwrap());
    Timeline {
        times: times.collect(),
        panels: vec![Panel {
            title: "agents".to_owned(),
            lines: vec![Line { name: "usable".to_owned(), color: Color::Blue, is_area: false, values }],
            ..Panel::default()
        }],
        ..Timeline::default()
    }
}

fn decoded(text: &str) -> Vec<Option<(f64, f64)>> {
    let word = |word: &str| {
        let (value, count) = word.split_once('*').unwrap_or((word, "1"));
        let bounds = (value != "-").then(|| {
            let (least, largest) = value.split_once('~').unwrap_or((value, value));
            (least.parse().unwrap(), largest.parse().unwrap())
        });
        vec![bounds; count.parse().unwrap()]
    };
    text.split(' ').flat_map(word).collect()
}

#[test]
fn samples_at_equal_times_are_a_bucket_each_where_there_are_few() {
    let timeline = timeline(vec![Some(3.0), Some(3.0), None, Some(4.25)]);
    let buckets = timeline.buckets(&timeline.panels[0].lines[0], 1000);
    assert_eq!(buckets.0, [Some((3.0, 3.0)), Some((3.0, 3.0)), None, Some((4.25, 4.25))]);
    assert_eq!(buckets.encoded(), "3*2 - 4.25");
}

#[test]
fn a_sample_holds_until_the_next() {
    let mut timeline = timeline(vec![Some(1.0), Some(5.0), Some(2.0)]);
    timeline.times[2] = Timestamp::from_second(540).unwrap();
    let buckets = timeline.buckets(&timeline.panels[0].lines[0], 3);
    // 810 s in three parts.
    assert_eq!(buckets.0, [Some((1.0, 5.0)), Some((5.0, 5.0)), Some((2.0, 2.0))]);
}

#[test]
fn a_timeline_without_samples_is_drawn_empty() {
    for timeline in [Timeline::default(), timeline(Vec::new()), timeline(vec![None])] {
        let html = section(std::slice::from_ref(&timeline)).into_string();
        assert!(!html.contains("NaN") && html.contains("<svg"), "{html}");
        assert!(data(&[timeline]).into_string().starts_with('['));
    }
}

#[test]
fn ticks_are_round_and_few() {
    let labels = |minutes: i64| {
        let from = "2026-01-05T22:07:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        let ticks = Span { from, to: from + minutes * 60_000 }.ticks();
        ticks.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
    };
    assert_eq!(labels(40), ["22:10", "22:15", "22:20", "22:25", "22:30", "22:35", "22:40", "22:45"]);
    assert_eq!(labels(1440), ["Jan 6", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]);
    assert!((2..=9).contains(&labels(14 * 1440).len()));
    assert!((2..=9).contains(&labels(400 * 1440).len()));
}

#[test]
fn a_maximum_far_above_all_agents_is_not_drawn() {
    let mut timeline = timeline(vec![Some(30.0)]);
    let level = |name: &str, value| Level { name: name.to_owned(), value };
    timeline.panels[0].levels = vec![level("min", 2.0), level("max", 1000.0)];
    let html = section(&[timeline]).into_string();
    assert!(html.contains("min 2") && !html.contains("max 1000"), "{html}");
}

#[test]
fn names_of_levels_do_not_cover_each_other() {
    let under = |values: [f64; 2]| {
        let level = |value| Level { name: "level".to_owned(), value };
        let lines = vec![Line { name: "x".to_owned(), color: Color::Blue, is_area: false, values: vec![Some(100.0)] }];
        let panel = Panel { levels: values.map(level).into(), lines, ..Panel::default() };
        let axis = panel.axis();
        panel.levels(&axis).iter().map(|named| (named.level.value, named.under)).collect::<Vec<_>>()
    };
    // The higher one first.
    assert_eq!(under([50.0, 80.0]), [(80.0, false), (50.0, true)]);
    assert_eq!(under([20.0, 80.0]), [(80.0, false), (20.0, false)]);
    assert_eq!(under([50.0, 95.0]), [(95.0, true), (50.0, false)]);
}

#[test]
fn a_time_in_which_a_change_was_put_off_is_a_band() {
    let mut timeline = timeline(vec![Some(1.0); 10]);
    timeline.bands = vec![Band::new(timeline.times[2], timeline.times[4], "put off by B2: cooldown")];
    let html = section(std::slice::from_ref(&timeline)).into_string();
    assert!(html.contains("M200.0 0H400.0V1000H200.0Z") && html.contains("put off"), "{html}");
    assert!(data(&[timeline]).into_string().contains("put off by B2: cooldown"));
}

proptest! {
    #[test]
    fn buckets_keep_every_least_and_largest_value(
        values in prop::collection::vec(prop::option::weighted(0.9, 0_u32..100_000), 1..300),
        most in 1_usize..50,
    ) {
        let unit = |value| f64::from(value) / 1000.0;
        let values: Vec<Option<f64>> = values.into_iter().map(|value| value.map(unit)).collect();
        let timeline = timeline(values.clone());
        let buckets = timeline.buckets(&timeline.panels[0].lines[0], most);
        prop_assert!(buckets.0.len() <= most);
        prop_assert_eq!(&decoded(&buckets.encoded()), &buckets.0);
        let count = buckets.0.len();
        // Of each bucket the samples that it touches.
        for (place, bucket) in buckets.0.iter().enumerate() {
            let (from, to) = (place * values.len(), (place + 1) * values.len());
            let touches = |sample: &usize| sample * count < to && (sample + 1) * count > from;
            let touched: Vec<f64> = (0..values.len()).filter(touches).filter_map(|sample| values[sample]).collect();
            let expected = touched.iter().copied().reduce(f64::min).zip(touched.iter().copied().reduce(f64::max));
            prop_assert_eq!(*bucket, expected);
        }
    }
}
