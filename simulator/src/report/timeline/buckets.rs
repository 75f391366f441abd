//! Samples summed up as the least and the largest of equal spans of time, so that no peak is lost.

use std::fmt::Write as _;

use super::Span;

/// What is known of a span of time: the least and the largest value; `None`: nothing.
type Bucket = Option<(f64, f64)>;

/// Equal spans of time, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Buckets(pub(super) Vec<Bucket>);

impl Buckets {
    /// Each value holds from its time until the next, the last until the end.
    pub(super) fn of(times: &[i64], values: &[Option<f64>], span: Span, count: usize) -> Self {
        let mut buckets: Vec<Bucket> = vec![None; count];
        let width = i128::from(span.to - span.from).max(1);
        let parts = i128::try_from(count).unwrap_or(1);
        let ends = times.iter().skip(1).copied().chain([span.to]);
        for ((from, to), value) in times.iter().zip(ends).zip(values) {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            // The first bucket that it touches, and the one after the last.
            let first = i128::from(from - span.from) * parts / width;
            let end = (i128::from(to - span.from) * parts + width - 1) / width;
            let (first, end) = (usize::try_from(first).unwrap_or(0), usize::try_from(end).unwrap_or(0));
            for bucket in buckets.iter_mut().take(end.max(first + 1)).skip(first) {
                let (least, largest) = bucket.unwrap_or((value, value));
                *bucket = Some((least.min(value), largest.max(value)));
            }
        }
        Self(buckets)
    }

    /// As text: a word for each bucket, `least~largest`, or `value` where both are equal, or `-` where nothing is known; and with
    /// `*n` it stands for n equal ones.
    pub(super) fn encoded(&self) -> String {
        let mut text = String::new();
        for same in self.0.chunk_by(|one, other| one == other) {
            if !text.is_empty() {
                text.push(' ');
            }
            // Writing to a string cannot fail.
            let _ = match same.first().copied().flatten() {
                None => write!(text, "-"),
                Some((least, largest)) if least < largest => write!(text, "{}~{}", short(least), short(largest)),
                Some((least, _)) => write!(text, "{}", short(least)),
            };
            if same.len() > 1 {
                let _ = write!(text, "*{}", same.len());
            }
        }
        text
    }
}

/// With at most three decimals.
fn short(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
