//! Where values lie on an axis, and where its ticks are.

use super::figures;

/// An axis with round ticks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
}

/// How far an axis goes in both directions from values that are nearly equal.
const ALONE: f64 = 3.0;

/// Round numbers of each power of ten.
const ROUND: [f64; 3] = [1.0, 2.0, 5.0];

impl Axis {
    /// From 0 to a round number that is not below the largest value. Agents, instances, and percents are counted: no tick is between
    /// two whole numbers.
    pub(super) fn linear(largest: f64) -> Self {
        let largest = largest.max(1.0);
        let step = step(largest / 4.0).max(1.0);
        let count = (largest / step).ceil().clamp(1.0, 10.0);
        let ticks: Vec<f64> = (0_u8..=10).map(f64::from).filter(|n| *n <= count).map(|n| n * step).collect();
        Self { scale: Scale::Linear, low: 0.0, high: count * step, ticks }
    }

    /// For these positive values, with room at both ends; `None` where there is none.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let positive = values.filter(|value| value.is_finite() && *value > 0.0);
        let (least, largest) =
            (positive.clone().fold(f64::INFINITY, f64::min), positive.fold(f64::NEG_INFINITY, f64::max));
        if least > largest {
            return None;
        }
        let spread = largest / least;
        // One value alone has as much room as a decade would have on a usual axis.
        let margin = if spread < 1.05 { ALONE } else { spread.powf(0.12) };
        let (low, high) = (least / margin, largest * margin);
        let mut ticks = if high / low > 12.0 { round_within(low, high) } else { even_within(low, high) };
        // Of a narrow range, several may have the same few digits.
        ticks.dedup_by_key(|tick| Self::label(*tick));
        Some(Self { scale: Scale::Logarithmic, low, high, ticks })
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    pub(super) const fn high(&self) -> f64 {
        self.high
    }

    /// The label of a tick.
    pub(super) fn label(value: f64) -> String {
        let decimals = match value.abs() {
            small if small < 0.095 && (100.0 * small - (100.0 * small).round()).abs() > 1e-6 => 3,
            small if small < 0.095 => 2,
            small if small < 9.5 && (small - small.round()).abs() > 1e-9 => 1,
            _ => 0,
        };
        if value == 0.0 { "0".to_owned() } else { figures::fixed(value, decimals) }
    }
}

/// The least round number that is not below the value.
fn step(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    // A quarter of 10 has a decimal, which no label shows.
    let quarter = if power < 10.0 { 2.0 } else { 2.5 };
    [1.0, 2.0, quarter, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= value * 0.999_999)
        .unwrap_or(power * 10.0)
}

/// 1, 2, 5, 10, ... between the two; only powers of ten where these would be too many.
fn round_within(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.log10().floor(), high.log10().ceil());
    let powers = (-30_i16..=30).map(f64::from).filter(|power| (first..=last).contains(power));
    let all = powers.flat_map(|power| ROUND.map(|factor| (factor, factor * 10_f64.powf(power))));
    let within: Vec<(f64, f64)> = all.filter(|(_, tick)| (low..=high).contains(tick)).collect();
    let only_powers = within.len() > 8;
    within.into_iter().filter(|(factor, _)| !only_powers || *factor < 1.5).map(|(_, tick)| tick).collect()
}

/// Equal round steps between the two.
fn even_within(low: f64, high: f64) -> Vec<f64> {
    let step = step((high - low) / 5.0);
    let first = (low / step).ceil();
    (0_u8..8).map(|n| (first + f64::from(n)) * step).filter(|tick| *tick <= high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| Axis::label(*tick)).collect()
    }

    #[test]
    fn a_linear_axis_starts_at_zero_and_ends_round() {
        assert_eq!(labels(&Axis::linear(87.0)), ["0", "25", "50", "75", "100"]);
        assert_eq!(labels(&Axis::linear(0.0)), ["0", "1"]);
        assert_eq!(labels(&Axis::linear(9.0)), ["0", "5", "10"]);
    }

    #[test]
    fn a_logarithmic_axis_has_round_ticks_of_any_range() {
        let axis = |values: &[f64]| Axis::logarithmic(values.iter().copied()).unwrap();
        assert_eq!(labels(&axis(&[590.0, 700.0])), ["600", "650", "700"]);
        assert_eq!(labels(&axis(&[0.1, 80.0])), ["0.1", "1", "10", "100"]);
        assert_eq!(labels(&axis(&[0.008_9])), ["0.005", "0.01", "0.015", "0.02", "0.025"]);
        assert_eq!(labels(&axis(&[2.43])), ["2", "4", "6"]);
        assert_eq!(Axis::logarithmic([0.0, f64::NAN].into_iter()), None);
    }

    #[test]
    fn places_are_within_the_axis() {
        let axis = Axis::logarithmic([1.0, 100.0].into_iter()).unwrap();
        assert!((axis.place(10.0) - 0.5).abs() < 1e-9);
        let places = [0.0, -1.0, f64::NAN, 1e9].map(|value| format!("{:.1}", axis.place(value)));
        assert_eq!(places, ["0.0", "0.0", "0.0", "1.0"]);
    }
}
